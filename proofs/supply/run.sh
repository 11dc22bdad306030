#!/usr/bin/env bash
# What comes in from outside: licences, names and sources of all dependencies (deny.toml), advisories
# (accepted.txt), what the programs may not link (shipped.txt), the notes on each crate
# (docs/security/dependencies.md), and that crypto and dp compile with every set of features. Each
# check has twins that must fail. Prints "ok supply NAME", "FAILED supply NAME: why" or "SKIPPED
# supply ...: why"; status 0 unless a check failed. Arguments: only those of the checks deny, shipped,
# advisories, notes, features, minimal.
# DEEP=1: every set of features of the workspace, and the oldest versions that Cargo.toml allows.
#
# Not shown: that a dependency does what its authors say, that an archive on crates.io comes from the
# repository that it names, and anything about the Rust toolchain or the C compiler.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
export CARGO_TERM_COLOR=never
export PATH="$PATH:${HAIMA_SUPPLY:-${XDG_CACHE_HOME:-$HOME/.cache}/haima/supply}/bin"
db=${ADVISORY_DB:-${HAIMA_SHARED:-../shared}/advisory-db}
page=docs/security/dependencies.md
# A database that is older is not called fresh.
fresh_days=30

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
ok() { echo "ok supply $1"; }
fail() {
    echo "FAILED supply $1: $2"
    bad=1
}
stated() { # name, what cargo must have said: a twin that fails for another reason shows nothing
    if grep -qE "$2" "$work/log"; then
        ok "$1"
    else
        fail "$1" "another reason: $(grep -m 1 -E '^error' "$work/log" || tail -n 1 "$work/log")"
    fi
}
only=" $* "
wanted() { [ "$only" = "  " ] || [[ $only == *" $1 "* ]]; }
for name in "$@"; do
    case $name in
        deny | shipped | advisories | notes | features) ;;
        minimal) [ -n "${DEEP:-}" ] || fail minimal "it takes long and needs DEEP=1" ;;
        licenses | bans | sources) fail "$name" "it is a part of the argument deny" ;;
        advisories-fresh) fail "$name" "it is a part of the argument advisories" ;;
        features-all) fail "$name" "it is a part of the argument features, with DEEP=1" ;;
        *) fail "$name" "there is no such check, only deny, shipped, advisories, notes, features, minimal" ;;
    esac
done
[ "$bad" = 0 ] || exit 1
have() { # tool, name of the check
    command -v "$1" >/dev/null && return
    echo "SKIPPED supply $2: tool absent (proofs/supply/README.md has the two commands)"
    return 1
}
have python3 all || exit 0
if ! cargo metadata --locked --all-features --format-version 1 >"$work/metadata" 2>"$work/err"; then
    if grep -q 'download\|network\|offline' "$work/err"; then
        echo "SKIPPED supply: crates not fetched (cargo fetch --locked)"
        exit 0
    fi
    fail metadata "$(grep -m 1 '^error' "$work/err")"
    exit 1
fi

# ---- licences, names, sources

deny() { # metadata, configuration, check -> findings in $work/found; fails where there are some
    cargo-deny --workspace --offline --metadata-path "$1" --config "$2" --format json check "$3" \
        >"$work/json" 2>&1 || true
    grep -q '"type":"summary"' "$work/json" || echo '{}' >>"$work/json"
    "$here/deny.py" findings <"$work/json" >"$work/found" 2>&1 || echo "error unreadable" >>"$work/found"
    ! [ -s "$work/found" ]
}
refused() { # name, what must be found, metadata, configuration, check
    if deny "$3" "$4" "$5"; then
        fail "$1" "the twin was let in"
    elif ! grep -qE "^error $2" "$work/found"; then
        fail "$1" "refused for another reason: $(head -1 "$work/found")"
    elif [ "$(grep -c '^error' "$work/found")" != 1 ]; then
        fail "$1" "more than one error: $(sed -n 2p "$work/found")"
    else
        ok "$1"
    fi
}
with() { # field, value: metadata with a changed crate
    "$here/deny.py" twin "$1" "$2" <"$work/metadata" >"$work/twin.json"
}
edited() { # sed's command: a changed deny.toml
    sed "$1" deny.toml >"$work/twin.toml"
    ! cmp -s deny.toml "$work/twin.toml" || fail deny "deny.toml has nothing for the twin $1"
}
if wanted deny && have cargo-deny deny; then
    for check in licenses bans sources; do
        if deny "$work/metadata" deny.toml $check; then ok $check; else fail $check "$(head -1 "$work/found")"; fi
    done
    # A licence that nobody allowed; one that is allowed, left out; an exception for another crate.
    with license GPL-3.0-only
    refused licenses/gpl 'rejected itoa' "$work/twin.json" deny.toml licenses
    with license MPL-2.0
    refused licenses/mpl-elsewhere 'rejected itoa' "$work/twin.json" deny.toml licenses
    edited '/crate = "webpki-roots"/d'
    refused licenses/no-exception 'rejected webpki-roots' "$work/metadata" "$work/twin.toml" licenses
    edited '/^    "BSD-2-Clause"/d'
    refused licenses/no-bsd-2 'rejected arrayref' "$work/metadata" "$work/twin.toml" licenses
    # Banned; let in for others than who has it; one primitive in two versions.
    with name openssl
    refused bans/openssl 'banned openssl' "$work/twin.json" deny.toml bans
    edited 's/^wrappers = \["rustls", "rustls-webpki"\]/wrappers = ["rustls-webpki"]/'
    refused bans/ring 'banned ring' "$work/metadata" "$work/twin.toml" bans
    edited 's/^crate = "sha2@0.10"/crate = "sha2@0.0"/'
    refused bans/two-sha2 'duplicate sha2' "$work/metadata" "$work/twin.toml" bans
    # Not from crates.io.
    with source 'registry+https://example.org/index'
    refused sources/registry 'source-not-allowed itoa' "$work/twin.json" deny.toml sources
    with source 'git+https://example.org/snap?rev=0123456#0123456789012345678901234567890123456789'
    refused sources/git 'source-not-allowed itoa' "$work/twin.json" deny.toml sources
fi

# ---- what the programs link

forbidden() { # list -> $work/found: what is in a program and must not be
    : >"$work/found"
    while read -r program crate why; do
        case $program in '' | '#'*) continue ;; esac
        [ -s "$work/of-$program" ] || echo "$program has no tree" >>"$work/found"
        ! grep -q "^$crate " "$work/of-$program" || echo "$program has $crate: $why" >>"$work/found"
    done <"$1"
}
for program in haima haima-smpc-node; do
    # Macros and build scripts are in it: they run on whoever compiles.
    cargo tree --locked --package $program --edges normal,build --target all --prefix none \
        --format '{p}' 2>/dev/null | sed 's/^\([^ ]*\) v\([^ ]*\).*/\1 \2/' | sort -u >"$work/of-$program" || true
done
cat "$work/of-haima" "$work/of-haima-smpc-node" | sort -u >"$work/shipped"
if wanted shipped; then
    forbidden "$here/shipped.txt"
    if [ -s "$work/found" ]; then fail shipped "$(head -1 "$work/found")"; else ok shipped; fi
    echo "haima-smpc-node subtle the twin" >"$work/twin.txt"
    forbidden "$work/twin.txt"
    if [ -s "$work/found" ]; then ok shipped/subtle; else fail shipped/subtle "was not found"; fi
fi

# ---- advisories

audit() { # database, accepted -> findings in $work/found
    cargo-audit audit --db "$1" --no-fetch --stale --no-yanked --json --file Cargo.lock \
        >"$work/audit.json" 2>"$work/err" || true
    "$here/advisories.py" "$1" "$2" "$work/shipped" <"$work/audit.json" >"$work/found" 2>&1
}
unaccepted() { grep -v '^accepted ' "$work/found" | head -1; }
day_of() { # database: the day of its newest commit; of a copy that is no clone, what its README says
    # A clone's README.md has dates of other things in it.
    if [ -e "$1/.git" ]; then
        git -C "$1" log -1 --format=%cs 2>/dev/null
    else
        grep -m 1 -oE '20[0-9]{2}-[0-9]{2}-[0-9]{2}' "$1/README.md" 2>/dev/null
    fi
}
must_find() { # name, what, database, accepted
    if audit "$3" "$4"; then
        fail "$1" "the twin was not found"
    elif unaccepted | grep -qE "$2"; then
        ok "$1"
    else
        fail "$1" "another reason: $(unaccepted)"
    fi
}
if wanted advisories && have cargo-audit advisories; then
    if ! [ -d "$db/crates" ]; then
        echo "SKIPPED supply advisories: no database (git clone https://github.com/rustsec/advisory-db $db," \
            "or ADVISORY_DB=DIR)"
    elif ! dated=$(day_of "$db"); then
        fail advisories "neither a commit nor its README.md says of which day the database is"
    else
        age=$((($(date +%s) - $(date -d "$dated" +%s)) / 86400))
        if audit "$db" "$here/accepted.txt"; then
            ok "advisories (database of $dated, $age days old)"
            sed 's/^/   /' "$work/found"
        else
            fail advisories "$(unaccepted)"
        fi
        if [ "$age" -gt $fresh_days ]; then
            echo "SKIPPED supply advisories-fresh: whatever was published in the last $age days was not looked for"
        else
            ok advisories-fresh
        fi
        mkdir "$work/db"
        cp -r "$db/crates" "$work/db/"
        mkdir -p "$work/db/crates/subtle"
        cat >"$work/db/crates/subtle/RUSTSEC-2099-0001.md" <<'MD'
```toml
[advisory]
id = "RUSTSEC-2099-0001"
package = "subtle"
date = "2099-01-01"
[versions]
patched = []
```

# A planted advisory
MD
        must_find advisories/planted 'RUSTSEC-2099-0001 applies to subtle' "$work/db" "$here/accepted.txt"
        # What is accepted and does not apply; what is accepted as not shipped and is; nothing accepted.
        { cat "$here/accepted.txt" && echo "RUSTSEC-2024-0344 | curve25519-dalek 5.0.0 | 2026-11-29 | shipped | twin"; } \
            >"$work/accepted"
        must_find advisories/stale 'RUSTSEC-2024-0344 is accepted .* does not apply' "$db" "$work/accepted"
        { cat "$here/accepted.txt" && echo "RUSTSEC-2099-0001 | subtle 2.6.1 | 2026-11-29 | unshipped | twin"; } \
            >"$work/accepted"
        must_find advisories/shipped 'RUSTSEC-2099-0001 is accepted since' "$work/db" "$work/accepted"
        : >"$work/accepted"
        must_find advisories/none-accepted 'applies to nalgebra' "$db" "$work/accepted"
    fi
fi

# ---- the notes on dependencies

notes() { "$here/notes.py" "$work/metadata" "$1" >"$work/found" 2>&1; }
if wanted notes; then
    if notes $page; then ok notes; else fail notes "$(head -1 "$work/found")"; fi
    twin() { # name, sed's command, what must be found
        sed "$2" $page >"$work/page"
        if notes "$work/page"; then
            fail "notes/$1" "the twin passed"
        elif grep -q "$3" "$work/found"; then
            ok "notes/$1"
        else
            fail "notes/$1" "another reason: $(head -1 "$work/found")"
        fi
    }
    twin no-row '/^| maud /d' 'maud has no row'
    twin made-up 's/^| maud /| maudlin /' 'maudlin has a row and is no direct dependency'
    twin old-version '/^| subtle /s/| 2\.6\.1 |/| 2.6.0 |/' 'subtle 2.6.0 was read'
    twin unsafe '/^| subtle /s/| 2 |/| 0 |/' 'subtle 2.6.1 has 2'
    twin licence '/^| maud /s/| MIT/| ISC/' 'maud states the licence'
    twin no-note '/^- \*\*`zeroize`/d' 'zeroize has no note'
fi

# ---- features

hack() { # name, arguments of `cargo hack check`
    local name=$1
    shift
    if ! cargo hack check --locked "$@" >"$work/log" 2>&1; then
        fail "$name" "$(grep -m 1 -E '^error' "$work/log" || echo 'does not compile')"
    elif grep -q '^warning' "$work/log"; then
        fail "$name" "$(grep -m 1 '^warning' "$work/log")"
    else
        ok "$name ($(grep -c '^info: running' "$work/log") sets)"
    fi
}
if wanted features && have cargo-hack features; then
    # No dev-dependencies: resolver 3 leaves their features out where no test is built.
    hack features --package haima-crypto --package haima-dp --feature-powerset
    # The twin: a crate that does not compile without its feature.
    mkdir -p "$work/crate/src"
    printf '[package]\nname = "twin"\nversion = "0.0.0"\nedition = "2024"\n[features]\ndefault = ["a"]\na = []\n[workspace]\n' \
        >"$work/crate/Cargo.toml"
    printf '#[cfg(feature = "a")]\npub fn a() {}\npub fn b() {\n    a();\n}\n' >"$work/crate/src/lib.rs"
    if ! cargo check --offline --manifest-path "$work/crate/Cargo.toml" --target-dir "$work/target" >/dev/null 2>&1; then
        fail features/twin "it does not compile at all"
    elif cargo hack check --offline --manifest-path "$work/crate/Cargo.toml" --target-dir "$work/target" \
        --feature-powerset >"$work/log" 2>&1; then
        fail features/twin "the twin passed"
    else
        # Not of a tool that is broken, nor of a disk that is full.
        stated features/twin 'cannot find function `a`'
    fi
    if [ -n "${DEEP:-}" ]; then
        # Not `cuda`, whose build script downloads a compiler.
        hack features-all --workspace --feature-powerset --exclude-features cuda
    fi
fi

# ---- the oldest versions that Cargo.toml allows

if [ -n "${DEEP:-}" ] && wanted minimal; then
    mkdir "$work/minimal"
    tar -c --exclude=./target --exclude=./.git --exclude=./data . | tar -x -C "$work/minimal"
    oldest() { (cd "$work/minimal" && cargo "+${NIGHTLY:-nightly}" update -Z direct-minimal-versions >"$work/log" 2>&1); }
    if ! cargo "+${NIGHTLY:-nightly}" --version >/dev/null 2>&1; then
        echo "SKIPPED supply minimal: toolchain absent (rustup toolchain install nightly)"
    elif ! oldest; then
        fail minimal "they do not resolve: $(grep -m 2 -E 'select a version|required by' "$work/log" | tr -s '\n ' ' ')"
    elif ! (cd "$work/minimal" && cargo check --locked -p haima-crypto -p haima-dp -p haima-smpc-node --all-features >"$work/log" 2>&1); then
        fail minimal "$(grep -m 1 -E '^error' "$work/log")"
    else
        ok minimal
        # The twin: a bound that is too low for what the code asks of the crate.
        sed -i 's/^serde_json = { version = "[^"]*"/serde_json = { version = "1"/' "$work/minimal/Cargo.toml"
        if oldest; then
            fail minimal/serde-json "the twin resolves"
        else
            # Not of a network or a flag that is gone.
            stated minimal/serde-json 'failed to select a version for .*`serde_json'
        fi
    fi
fi
exit "$bad"
