#!/usr/bin/env bash
# What packaging/package.sh packs, on binaries that are there: HAIMA=folder packaging/test.sh
# That two builds give the same bytes is `just package`'s to show: it takes two release builds.
set -euo pipefail
cd "$(dirname "$0")/.."
binaries=${HAIMA:?HAIMA is the folder with haima and smpc-node}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
missing=''
for tool in dpkg-deb xz strip; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "PACKAGING absent:$missing; nothing is packed"
    exit 0
fi
fail() { echo "packaging/test.sh: $*" >&2 && exit 1; }

packaging/package.sh --out "$work/out" --binaries "$binaries" --fast --twice >"$work/said" \
    || fail "packaging/package.sh failed, or two packings of the same binaries differ"
grep -q 'same bytes' "$work/said" || fail "nothing was packed twice"
(cd "$work/out" && sha256sum --quiet --check SHA256SUMS) || fail "a checksum is wrong"
listed=$(wc -l <"$work/out/SHA256SUMS")
there=$(find "$work/out" -type f ! -name SHA256SUMS | wc -l)
[ "$listed" = "$there" ] || fail "$there files, $listed checksums"

# Installed into a folder, the programs run and say the version of the package.
for name in haima smpc-node; do
    deb=$(echo "$work/out/${name}_"*.deb)
    version=$(dpkg-deb -f "$deb" Version)
    dpkg-deb -x "$deb" "$work/$name"
    [ "$("$work/$name/usr/bin/$name" --version)" = "$name ${version%-1}" ] || fail "$name's version"
    [ -z "$(find "$work/$name" -perm /022 ! -type l)" ] || fail "$name: files that others may write"
    dpkg-deb -c "$deb" | awk '$2 != "root/root" { other = 1 } END { exit other }' \
        || fail "$name: a file is not root's"
    gzip -t "$work/$name"/usr/share/man/man1/"$name".1.gz || fail "$name: no manual page"
done
# All of it is the commit's, whatever lies in the working tree: maintainers' scripts run as root.
for name in haima smpc-node; do
    dpkg-deb -e "$(echo "$work/out/${name}_"*.deb)" "$work/$name.control"
    for script in postinst postrm; do
        git show "HEAD:packaging/$name.$script" | cmp - "$work/$name.control/$script" \
            || fail "$name's $script is not the commit's"
    done
    git show HEAD:packaging/copyright | cmp - "$work/$name/usr/share/doc/$name/copyright" \
        || fail "$name's copyright is not the commit's"
done
! grep -n '\$root/' packaging/package.sh || fail "package.sh takes a file of the working tree"
for unit in haima/usr/lib/systemd/system/haima-{site,coordinator}@.service \
    smpc-node/usr/lib/systemd/system/smpc-node@.service; do
    grep -q '^ExecStart=/usr/bin/' "$work/$unit" || fail "$unit starts another program"
    ! grep -q '/srv/haima/north\|/usr/local' "$work/$unit" || fail "$unit names an example's folder"
done
# The archive holds the same programs.
tar -C "$work" -xf "$work"/out/haima-*-linux.tar
for name in haima smpc-node; do
    cmp "$work"/haima-*-linux/"$name" "$work/$name/usr/bin/$name" || fail "$name differs"
done
# The bill of materials names what is linked, with its licence, and nothing of this machine.
if cargo cyclonedx --version >/dev/null 2>&1; then
    for name in haima smpc-node; do
        python3 - "$(echo "$work/out/$name-"*.cdx.json)" "$name" "$work" <<'CHECK' || fail "SBOM of $name"
import json, re, sys
text = open(sys.argv[1], encoding="utf-8").read()
bom = json.loads(text)
names = {part["name"] for part in bom["components"]}
assert bom["bomFormat"] == "CycloneDX" and bom["specVersion"] == "1.5"
assert {"rustls", "ed25519-dalek", "haima-crypto"} <= names, "what both link"
assert ("burn" in names) == (sys.argv[2] == "haima"), "a node links nothing that learns"
assert "burn-cuda" not in names and "opendp" not in names, "features that are off, tests"
assert all(part.get("licenses") for part in bom["components"]), "licences"
assert sys.argv[3] not in text and "/root/" not in text and "/home/" not in text, "paths"
CHECK
    done
else
    echo "CYCLONEDX absent: the bill of materials is not checked"
fi
echo "packages: $listed files packed twice, the same bytes"
