#!/usr/bin/env bash
# Fuzzes every decoder of bytes from outside, each for FUZZ_SECONDS (20), and a planted fault, which
# must be found. Prints a line a target, `ok`, `FAILED` or `SKIPPED`; the exit code is 1 on a failure.
#
#   proofs/fuzz/run.sh [folder of fuzz targets]   `fuzz` (crypto, dp, smpc-node) or `fuzz/whole`
#
# Allocation: no input is over 64 KiB, and one that makes a decoder ask for more than 64 MiB at once
# fails (-malloc_limit_mb), as does one over 20 s, or 2 GiB in all.
# Not shown: that there is no fault. A run of 20 s only finds what lies close to the seeds.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=${1:-fuzz}
seconds=${FUZZ_SECONDS:-20}
kind="fuzz"
case "$folder,$#" in
    fuzz,[01] | fuzz/whole,1) ;;
    *)
        echo "FAILED $kind $folder: it takes one folder of targets, fuzz or fuzz/whole"
        exit 1
        ;;
esac
toolchain=${FUZZ_TOOLCHAIN:-nightly}
cache="${XDG_CACHE_HOME:-$HOME/.cache}/haima/proofs"
export PATH="$cache/bin:$cache-venv/bin:$PATH"
export CARGO_TERM_COLOR=never

skip() {
    echo "SKIPPED $kind $folder: $1"
    exit 0
}
cargo "+$toolchain" --version >/dev/null 2>&1 || skip "no $toolchain toolchain (rustup toolchain install nightly)"
cargo "+$toolchain" fuzz --version >/dev/null 2>&1 \
    || skip "no cargo-fuzz (pip install --require-hashes -r proofs/fuzz/requirements.txt, or cargo install cargo-fuzz --locked --version =0.13.2)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
triple=$(rustc "+$toolchain" -vV | sed -n 's/^host: //p')
target="${CARGO_TARGET_DIR:-$PWD/target}/fuzz/${folder//\//-}"
planted=()
grep -q '^planted = ' "$folder/Cargo.toml" && planted=(--features planted)
if ! cargo "+$toolchain" fuzz build --fuzz-dir "$folder" --sanitizer "${FUZZ_SANITIZER:-address}" \
    --target-dir "$target" "${planted[@]}" >"$work/build" 2>&1; then
    tail -n 40 "$work/build" >&2
    echo "FAILED $kind $folder: does not build"
    exit 1
fi
binaries="$target/$triple/release"

# Seeds of valid inputs, beside the corpus that is kept.
seeds="$work/seeds"
if ! cargo "+$toolchain" run --quiet --manifest-path "$folder/Cargo.toml" --target-dir "$target/seed" \
    --example seed -- "$seeds" >"$work/seed" 2>&1; then
    tail -n 40 "$work/seed" >&2
    echo "FAILED $kind $folder: the seeds cannot be made"
    exit 1
fi

run() { # target, seconds
    local name=$1
    local found="$work/found/$name"
    mkdir -p "$found" "$work/corpus/$name" "$seeds/$name"
    local corpora=("$work/corpus/$name" "$seeds/$name")
    [ -d "$folder/corpus/$name" ] && corpora+=("$folder/corpus/$name")
    "$binaries/$name" -max_total_time="$2" -max_len=65536 -timeout=20 -rss_limit_mb=2048 \
        -malloc_limit_mb=64 -print_final_stats=1 -artifact_prefix="$found/" "${corpora[@]}" \
        >"$work/$name.log" 2>&1
}

one() { # target
    local name=$1 runs bytes
    if run "$name" "$seconds"; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log")
        if [ "${runs:-0}" -lt 100 ]; then
            echo "FAILED $kind $name: ${runs:-no} inputs were tried in $seconds s"
        else
            echo "ok $kind $name ($runs inputs in $seconds s)"
        fi
    else
        # The bytes that fail, kept beside the corpus, so that the ordinary tests have them too.
        mkdir -p "$folder/artifacts/$name"
        cp "$work/found/$name/"* "$folder/artifacts/$name/" 2>/dev/null || true
        bytes=$(find "$folder/artifacts/$name" -type f | head -n 1)
        grep -m 3 -E 'panicked at|ERROR: |SUMMARY' "$work/$name.log" >&2 || true
        echo "FAILED $kind $name: see ${bytes:-$folder}; mend it, then move the file to $folder/corpus/$name"
    fi
}

names=$(find "$folder/fuzz_targets" -name '*.rs' ! -name planted.rs -printf '%f\n' | sed 's/\.rs$//' | sort)
[ -n "$names" ] || { echo "FAILED $kind $folder: it has no target"; exit 1; }
jobs=${FUZZ_JOBS:-2}
for name in $names; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do sleep 0.2; done
    one "$name" >"$work/$name.line" 2>"$work/$name.err" &
done
wait
for name in $names; do
    cat "$work/$name.err" >&2
    cat "$work/$name.line"
done >"$work/lines"
cat "$work/lines"

failed=0
grep -q '^FAILED' "$work/lines" && failed=1
if [ "${#planted[@]}" -gt 0 ]; then
    if run planted 60; then
        echo "FAILED $kind planted: the fault was not found in 60 s"
        failed=1
    elif grep -q 'planted.rs' "$work/planted.log"; then
        echo "ok $kind planted (the fault was found)"
    else
        echo "FAILED $kind planted: it ended for another reason"
        failed=1
    fi
fi
exit "$failed"
