#!/usr/bin/env bash
# Packages of haima: static binaries, an archive, Debian packages, an SBOM, checksums.
#
#   packaging/package.sh --out DIR [--binaries DIR] [--twice] [--fast]
#
# Builds what is committed (HEAD) in a folder of its own for x86_64-unknown-linux-musl, so that the
# binaries need nothing of the machine they run on. Needs git, cargo with that target
# (`rustup target add x86_64-unknown-linux-musl`), musl-gcc (Debian: musl-tools), dpkg-deb, xz,
# python3 and cargo-cyclonedx 0.5.9 (`cargo install cargo-cyclonedx --version 0.5.9 --locked`).
#
#   --binaries DIR  packs haima and smpc-node of DIR instead of building them
#   --twice         does it all again in a folder of another name, and fails where one byte differs
#   --fast          packs without compression, for tests
#
# The same commit, Rust and musl-gcc give the same bytes: paths are remapped, times are the commit's,
# archives are sorted and owned by root.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=x86_64-unknown-linux-musl
out='' binaries='' twice='' fast=''
while [ $# -gt 0 ]; do
    case $1 in
        --out) out=${2:?--out needs a folder} && shift ;;
        --binaries) binaries=$(cd "${2:?--binaries needs a folder}" && pwd) && shift ;;
        --twice) twice=1 ;;
        --fast) fast=1 ;;
        *) echo "package.sh: unknown option $1; see its head" >&2 && exit 2 ;;
    esac
    shift
done
[ -n "$out" ] || { echo "package.sh: --out DIR says where the packages go" >&2 && exit 2; }
[ ! -e "$out" ] || { echo "package.sh: $out is there already; give a new folder" >&2 && exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# All that goes into a package is of this commit, and not of what lies in the working tree.
commit=$(git -C "$root" rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct "$commit")
version=$(git -C "$root" show "$commit:Cargo.toml" \
    | sed -n '/^version = /{s/^version = "\(.*\)"$/\1/p;:rest;n;b rest}')
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

build() { # source folder, target folder, where the binaries go
    local source=$1 objects=$2 to=$3 cargo=${CARGO_HOME:-$HOME/.cargo}
    local c="-ffile-prefix-map=$cargo=/cargo -ffile-prefix-map=$objects=/target"
    (
        cd "$source"
        # Paths are remapped by a wrapper and not by RUSTFLAGS: cargo would hash those into the names
        # of folders of generated code, which stand in the binary.
        mkdir -p "$objects"
        printf '#!/bin/sh\nexec "$@" %s %s %s\n' "--remap-path-prefix=$cargo=/cargo" \
            "--remap-path-prefix=$source=/haima" "--remap-path-prefix=$objects=/target" \
            >"$objects/rustc-remapped"
        chmod +x "$objects/rustc-remapped"
        export CARGO_TARGET_DIR=$objects RUSTC_WRAPPER=$objects/rustc-remapped
        unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
        export CARGO_PROFILE_RELEASE_STRIP=symbols
        export CC_x86_64_unknown_linux_musl=musl-gcc CFLAGS_x86_64_unknown_linux_musl=$c
        cargo build --release --locked --target "$target" --workspace --bins
    )
    mkdir -p "$to"
    for name in haima smpc-node; do
        if readelf -lW "$objects/$target/release/$name" | grep -q INTERP; then
            echo "package.sh: $name is not static" >&2
            exit 1
        fi
        cp "$objects/$target/release/$name" "$to/$name"
    done
}

bill() { # source folder, where the SBOM goes: CycloneDX 1.5, of the two binaries' dependencies
    local source=$1 to=$2
    if ! cargo cyclonedx --version >/dev/null 2>&1; then
        echo "CYCLONEDX absent: no SBOM is written" >&2
        return 0
    fi
    (
        cd "$source"
        cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$target" \
            --override-filename haima-bom
    )
    # Components of the workspace are named by their folder, which is another at every build.
    for part in haima haima-smpc-node; do
        local folder=$source name=${part#haima-}
        [ "$part" = haima ] || folder=$source/smpc-node
        (cd "$source" && cargo tree --locked -p "$part" -e normal,build --target "$target" \
            --prefix none) | python3 "$source/packaging/linked.py" "$folder/haima-bom.json" \
            | sed "s|$source|/haima|g" >"$to/$name-$version.cdx.json"
    done
}

units() { # source folder, where they go, units: one service for each folder below /srv/haima
    local source=$1 to=$2 unit
    shift 2
    for unit in "$@"; do
        sed -e 's|/srv/haima/north|/srv/haima/%i|g' -e 's|/usr/local/bin/|/usr/bin/|g' \
            -e "s|^# Install: .*|# Install: systemctl enable --now $unit@north|" \
            "$source/deploy/$unit.service" >"$to/$unit@.service"
    done
}

stamp() { # sets every time in a folder to the commit's
    find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

debian() { # source folder, name, one line, folder of the tree, where the package goes
    local source=$1 name=$2 line=$3 tree=$4 to=$5
    mkdir -p "$tree/DEBIAN" "$tree/usr/share/doc/$name"
    cp "$source/packaging/copyright" "$tree/usr/share/doc/$name/copyright"
    {
        echo "$name ($version-1) unstable; urgency=medium"
        printf '\n  * See CHANGELOG.md of the source.\n\n'
        echo " -- haima <haima@haima.invalid>  $(date -R -d "@$SOURCE_DATE_EPOCH")"
    } | gzip -9n >"$tree/usr/share/doc/$name/changelog.Debian.gz"
    cat >"$tree/DEBIAN/control" <<CONTROL
Package: $name
Version: $version-1
Architecture: amd64
Maintainer: haima <haima@haima.invalid>
Installed-Size: $(du -sk --apparent-size --exclude DEBIAN "$tree" | cut -f1)
Section: science
Priority: optional
Homepage: https://github.com/haima-health/haima
Description: $line
$(sed 's/^/ /' "$source/packaging/$name.description")
CONTROL
    (cd "$tree" && find . -type f -path './usr/*' -printf '%P\n' | sort | xargs md5sum) \
        >"$tree/DEBIAN/md5sums"
    for script in postinst postrm; do
        if [ -f "$source/packaging/$name.$script" ]; then
            install -m 755 "$source/packaging/$name.$script" "$tree/DEBIAN/$script"
        fi
    done
    stamp "$tree"
    local press=(-Zxz -z3 --threads-max=1)
    [ -z "$fast" ] || press=(-Znone)
    dpkg-deb --root-owner-group "${press[@]}" --build "$tree" "$to/${name}_$version-1_amd64.deb" \
        >/dev/null
}

pack() { # folder of binaries, folder of source, where the packages go
    local from=$1 source=$2 to=$3 tree here
    here=$(mktemp -d -p "$work")
    mkdir -p "$to"
    for name in haima smpc-node; do
        install -m 755 "$from/$name" "$here/$name"
        # What is built by hand for a test still has its symbols.
        strip "$here/$name"
    done
    "$here/haima" man --out "$here/man" >/dev/null
    mkdir "$here/completions"
    "$here/haima" completions bash >"$here/completions/haima.bash"
    "$here/haima" completions zsh >"$here/completions/_haima"
    "$here/haima" completions fish >"$here/completions/haima.fish"

    # One folder for whoever has no package manager.
    tree=$here/haima-$version-x86_64-linux
    mkdir "$tree"
    cp "$here/haima" "$here/smpc-node" "$tree"
    cp -r "$here/man" "$here/completions" "$tree"
    cp -r "$source/deploy" "$tree"
    cp "$source/README.md" "$source/CHANGELOG.md" "$source"/LICENSE-* "$source/SECURITY.md" "$tree"
    stamp "$tree"
    local archive=$to/haima-$version-x86_64-linux.tar
    tar --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -C "$here" -cf "$archive" \
        "haima-$version-x86_64-linux"
    [ -n "$fast" ] || xz -3 --threads=1 "$archive"

    tree=$here/deb-haima
    mkdir -p "$tree"/usr/bin "$tree"/usr/share/man/man1 "$tree"/usr/lib/systemd/system \
        "$tree"/usr/lib/sysusers.d "$tree"/usr/share/bash-completion/completions \
        "$tree"/usr/share/zsh/vendor-completions "$tree"/usr/share/fish/vendor_completions.d
    cp "$here/haima" "$tree/usr/bin"
    cp "$here"/man/haima*.1 "$tree/usr/share/man/man1"
    gzip -9n "$tree"/usr/share/man/man1/*.1
    cp "$here/completions/haima.bash" "$tree/usr/share/bash-completion/completions/haima"
    cp "$here/completions/_haima" "$tree/usr/share/zsh/vendor-completions"
    cp "$here/completions/haima.fish" "$tree/usr/share/fish/vendor_completions.d"
    units "$source" "$tree/usr/lib/systemd/system" haima-site haima-coordinator
    cp "$source/packaging/sysusers.conf" "$tree/usr/lib/sysusers.d/haima.conf"
    debian "$source" haima "secure sums for networks of hospitals" "$tree" "$to"

    tree=$here/deb-smpc-node
    mkdir -p "$tree"/usr/bin "$tree"/usr/lib/systemd/system "$tree"/usr/lib/sysusers.d \
        "$tree"/usr/share/man/man1
    cp "$here/smpc-node" "$tree/usr/bin"
    for page in "$here"/man/smpc-node*.1; do
        [ -e "$page" ] && gzip -9nc "$page" >"$tree/usr/share/man/man1/$(basename "$page").gz"
    done
    units "$source" "$tree/usr/lib/systemd/system" smpc-node
    cp "$source/packaging/sysusers.conf" "$tree/usr/lib/sysusers.d/smpc-node.conf"
    debian "$source" smpc-node "node of secure sums for networks of hospitals" "$tree" "$to"

    # Containers are built from these files and the static binaries, without a network.
    cp "$source"/packaging/Containerfile.* "$to"
    cp "$here/haima" "$here/smpc-node" "$to"
    bill "$source" "$to"
    (cd "$to" && find . -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum) \
        >"$work/sums"
    mv "$work/sums" "$to/SHA256SUMS"
}

once() { # name of the folder that it is built in, where the packages go
    local source=$work/$1/source from=$binaries
    mkdir -p "$source"
    git -C "$root" archive "$commit" | tar x -C "$source"
    if [ -z "$from" ]; then
        from=$work/$1/binaries
        build "$source" "$work/$1/target" "$from"
    fi
    pack "$from" "$source" "$2"
    rm -rf "${work:?}/$1"
}

once first "$work/packages"
if [ -n "$twice" ]; then
    once somewhere-else "$work/again"
    if ! diff -r "$work/packages" "$work/again" >&2; then
        echo "package.sh: two builds of one commit differ" >&2
        exit 1
    fi
    echo "two builds, the same bytes"
fi
mkdir -p "$(dirname "$out")"
mv "$work/packages" "$out"
cat "$out/SHA256SUMS"
