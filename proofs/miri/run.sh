#!/usr/bin/env bash
# Runs crypto's and dp's shipped functions under miri: undefined behaviour in the crates below ours
# (ours forbid unsafe code), uninitialised memory, wrong alignment, leaks, and overflow checks on. The
# functions and inputs are those of `proofs/ct`, whose cases are small and compare their results.
# Prints `ok`, `FAILED` or `SKIPPED` lines.
#
#   proofs/miri/run.sh               the cases below
#   MIRI_UNITS=1 proofs/miri/run.sh  unit tests of both crates too (`just deep`: minutes of building)
#
# Not shown: the vectorised paths (no vector instructions under miri: `pulp` and the ciphers take their
# portable ones), anything that calls C (there is none in these two crates), and cases left out for
# their time.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ $# -gt 0 ]; then
    echo "FAILED miri $1: it takes no names"
    exit 1
fi

toolchain=${MIRI_TOOLCHAIN:-nightly}
limit=${MIRI_SECONDS:-120}
harness=proofs/ct/Cargo.toml
export CARGO_TERM_COLOR=never PROPTEST_CASES=2 PROPTEST_FAILURE_PERSISTENCE=off
export MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-symbolic-alignment-check"
# Portable code of the ciphers, hashes and curves.
portable=(aes polyval chacha20 keccak sha2)
for name in "${portable[@]}"; do RUSTFLAGS="${RUSTFLAGS:-} --cfg ${name}_backend=\"soft\""; done
export RUSTFLAGS="$RUSTFLAGS --cfg curve25519_dalek_backend=\"serial\""
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/miri"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! cargo "+$toolchain" miri --version >/dev/null 2>&1; then
    rustup component add miri rust-src --toolchain "$toolchain" >/dev/null 2>&1 || true
fi
if ! cargo "+$toolchain" miri --version >/dev/null 2>&1; then
    echo "SKIPPED miri: component not available (rustup component add miri rust-src --toolchain nightly)"
    exit 0
fi
if ! cargo "+$toolchain" miri setup >"$work/log" 2>&1; then
    tail -n 5 "$work/log" >&2
    echo "SKIPPED miri: its standard library cannot be built (needs rust-src)"
    exit 0
fi

failed=0
failure() { # name: why, from the log
    grep -E 'error: Undefined Behavior|panicked at|error(\[|:)' "$work/log" | head -n 5 >&2 || true
    echo "FAILED miri $1: $(grep -m 1 -oE 'Undefined Behavior: [^,]*|unsupported operation: [^,]*|test result: FAILED|panicked at .*' \
        "$work/log" || echo 'does not run')"
    failed=1
}

miri() { cargo "+$toolchain" miri run --quiet --locked --manifest-path "$harness" --bin ct -- "$1"; }
export -f miri
export toolchain harness
if ! miri list >"$work/log" 2>&1; then
    failure "the harness"
    exit 1
fi

# Shipped cases. Left out for minutes each: pine_*, seal, open, vss_share, mask_site, mask_sum,
# mask_spare, epoch_keys.
cases=(field32 field40 field64 field128 field_integers field_transforms field_ternary
    seed_equality seed_derivation xof_aes xof_turboshake share_field64 share_field128 share_combine
    shamir_vector shamir_seed shamir_bytes shamir_recover reshare mask_aes mask_chacha mask_round
    chunk sign noise_gaussian noise_laplace noise_added poisson_sample)
for case in "${cases[@]}"; do
    code=0
    timeout "$limit" bash -c 'miri "$1"' _ "$case" >"$work/log" 2>&1 || code=$?
    case $code in
        0) echo "ok miri $case" ;;
        124) echo "FAILED miri $case: over $limit s" && failed=1 ;;
        *) failure "$case" ;;
    esac
done

units() { # name, package, test filters...
    local name=$1 package=$2 passed
    shift 2
    if cargo "+$toolchain" miri test --package "$package" --lib --no-default-features -- "$@" \
        >"$work/log" 2>&1; then
        passed=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$work/log")
        if [ "${passed:-0}" -gt 0 ]; then
            echo "ok miri $name ($passed tests)"
        else
            echo "FAILED miri $name: no test has this name"
            failed=1
        fi
    else
        failure "$name"
    fi
}
if [ -n "${MIRI_UNITS:-}" ]; then
    units crypto-units haima-crypto encode:: secret:: kdf:: identity:: xof::
    units dp-units haima-dp units:: cost_sum:: rounding::
fi

# The control: what miri must find, in a crate of its own.
control="$work/control"
mkdir -p "$control/src"
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
if cargo "+$toolchain" miri test --manifest-path "$control/Cargo.toml" >"$work/log" 2>&1; then
    echo "FAILED miri control: a use after free was not found"
    failed=1
elif grep -q 'Undefined Behavior' "$work/log"; then
    echo "ok miri control (a planted use after free was found)"
else
    echo "FAILED miri control: it ended for another reason"
    failed=1
fi
exit "$failed"
