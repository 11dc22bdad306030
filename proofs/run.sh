#!/usr/bin/env bash
# All evidence that CI runs, kind by kind; the last line is `N passed, N failed, N skipped`.
# Each kind's script prints a line a check and demands that every broken twin fails as written down.
# A tool that is missing is a named skip. The long ones (mutants, fuzz/whole) are in `just deep`.
set -euo pipefail
cd "$(dirname "$0")/.."
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
broken=0
for kind in "$@"; do
    [ -x "proofs/$kind/run.sh" ] || { echo "proofs/run.sh: there is no kind $kind" >&2 && exit 2; }
done
[ $# -gt 0 ] || set -- verifpal tla coq ct miri fuzz
for kind in "$@"; do
    [ -x "proofs/$kind/run.sh" ] || continue
    started=$SECONDS
    # A script that ends badly without a FAILED line still counts.
    if ! "proofs/$kind/run.sh" | tee -a "$lines"; then
        broken=$((broken + 1))
    fi
    echo "-- $kind: $((SECONDS - started)) s"
done
passed=$(grep -c '^ok ' "$lines" || true)
failed=$(grep -c '^FAILED ' "$lines" || true)
skipped=$(grep -c '^SKIPPED ' "$lines" || true)
[ "$failed" -gt 0 ] || failed=$broken
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
