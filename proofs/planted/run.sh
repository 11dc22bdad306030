#!/usr/bin/env bash
# For each claim a mistake that somebody could make, planted in a copy of the shipped code, and the
# test of the claim's row that has to fail on it (planted.toml). All are compiled once, each behind a
# switch that is off unless HAIMA_PLANTED names it. A test has to pass with all of them off, to fail at
# the assertion that is written down with one on, and to pass once more. Prints a line a change. `run.sh R4 N3-word`: those of a claim, or one of them.
#
# Not shown: that a test notices every mistake; `proofs/mutants` asks that of crypto and dp.
#
# `just deep`: builds the workspace once, in the target folder's `planted`; some minutes after that.
set -euo pipefail
cd "$(dirname "$0")/../.."
for name in "$@"; do
    if ! grep -qE "^id = \"$name(-[^\"]*)?\"" proofs/planted/planted.toml; then
        echo "FAILED planted $name: there is no such change, and no claim that has one"
        exit 1
    fi
done
if ! python3 -c 'import tomllib' 2>/dev/null; then
    echo "SKIPPED planted: no python3 from 3.11 on"
    exit 0
fi
export CARGO_TERM_COLOR=never PROPTEST_CASES="${PROPTEST_CASES:-32}" RUST_BACKTRACE=0
HAIMA_SHARED=$(realpath -m "${HAIMA_SHARED:-../shared}")
export HAIMA_SHARED
folder=$(realpath -m "${CARGO_TARGET_DIR:-target}")/planted
export CARGO_TARGET_DIR="$folder/target"
exec tests/postgres.sh python3 proofs/planted/planted.py "$folder/tree" "$@"
