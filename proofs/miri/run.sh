#!/usr/bin/env bash
# Runs crypto's and dp's pure tests under miri: undefined behaviour in the crates below ours (ours
# forbid unsafe code), uninitialised memory, wrong alignment, leaks. At small sizes, of what is
# portable Rust; prints `ok`, `FAILED` or `SKIPPED` lines.
#
# Not shown: the vectorised paths (no vector instructions under miri: `pulp` and `aes` take their
# portable ones), anything that calls C (there is none in crypto), and tests left out for their time.
set -euo pipefail
cd "$(dirname "$0")/../.."

toolchain=${MIRI_TOOLCHAIN:-nightly}
limit=${MIRI_SECONDS:-600}
export CARGO_TERM_COLOR=never PROPTEST_CASES=2 PROPTEST_FAILURE_PERSISTENCE=off
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-strict-provenance -Zmiri-symbolic-alignment-check"
# Portable code of the ciphers, hashes and curves.
export RUSTFLAGS="${RUSTFLAGS:-} --cfg aes_backend=\"soft\" --cfg chacha20_backend=\"soft\" --cfg curve25519_dalek_backend=\"serial\""
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/miri"

work=$(mktemp)
trap 'rm -f "$work"' EXIT
if ! cargo "+$toolchain" miri --version >/dev/null 2>&1; then
    rustup component add miri rust-src --toolchain "$toolchain" >/dev/null 2>&1 || true
fi
if ! cargo "+$toolchain" miri --version >/dev/null 2>&1; then
    echo "SKIPPED miri: component not available (rustup component add miri rust-src --toolchain nightly)"
    exit 0
fi
if ! cargo "+$toolchain" miri setup >"$work" 2>&1; then
    tail -n 5 "$work" >&2
    echo "SKIPPED miri: its standard library cannot be built (needs rust-src)"
    exit 0
fi

failed=0
check() { # name, package, test filters...
    local name=$1 package=$2
    shift 2
    if timeout "$limit" cargo "+$toolchain" miri test --package "$package" --lib --no-default-features \
        -- "$@" >"$work" 2>&1; then
        local passed
        passed=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$work")
        if [ "${passed:-0}" -gt 0 ]; then
            echo "ok miri $name ($passed tests)"
        else
            echo "FAILED miri $name: no test has this name"
            failed=1
        fi
    elif [ $? -eq 124 ]; then
        echo "FAILED miri $name: over $limit s"
        failed=1
    else
        grep -E 'error: Undefined Behavior|panicked at|error(\[|:)' "$work" | head -n 5 >&2 || true
        echo "FAILED miri $name: $(grep -m 1 -oE 'Undefined Behavior: [^,]*|test result: FAILED' "$work" || echo 'does not run')"
        failed=1
    fi
}

check crypto-encode haima-crypto encode:: secret:: kdf::
check crypto-field haima-crypto field:: \
    --skip ntt --skip ternary --skip random --skip vectorised
check crypto-identity haima-crypto identity::
check dp-small haima-dp units:: cost_sum:: rounding::

# The control: what miri must find, in a crate of its own.
control=$(mktemp -d)
trap 'rm -f "$work"; rm -rf "$control"' EXIT
mkdir "$control/src"
cat >"$control/Cargo.toml" <<'TOML'
[package]
name = "control"
version = "0.0.0"
edition = "2024"
[workspace]
TOML
cat >"$control/src/lib.rs" <<'RUST'
#[test]
fn a_use_after_free() {
    let boxed = Box::new(7_u8);
    let pointer = &raw const *boxed;
    drop(boxed);
    // SAFETY: there is none; miri must say so.
    assert_eq!(unsafe { *pointer }, 7);
}
RUST
if cargo "+$toolchain" miri test --manifest-path "$control/Cargo.toml" >"$work" 2>&1; then
    echo "FAILED miri control: a use after free was not found"
    failed=1
elif grep -q 'Undefined Behavior' "$work"; then
    echo "ok miri control (a planted use after free was found)"
else
    echo "FAILED miri control: it ended for another reason"
    failed=1
fi
exit "$failed"
