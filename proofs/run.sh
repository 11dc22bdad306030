#!/usr/bin/env bash
# All evidence that CI runs, two kinds at a time; the last line is `N passed, N failed, N skipped`.
# Each kind's script prints a line a check and demands that every broken twin fails as written down.
# A tool that is missing is a named skip; where all is skipped, nothing was shown, and the status is 1
# as on a failure. `proofs/run.sh KIND ...` runs those kinds alone; the long ones (planted, miri,
# mutants, coverage, fuzz/whole, DEEP=1) are in `just deep`.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- ct coq fuzz verifpal tla smt supply
for kind in "$@"; do
    [ -x "proofs/$kind/run.sh" ] || { echo "proofs/run.sh: there is no kind $kind" >&2; exit 2; }
done
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

run() { # kind: its lines are printed together, when it has ended
    local kind=$1 started=$SECONDS
    # A script that ends badly without a FAILED line still counts, and one that says nothing.
    if ! "proofs/$kind/run.sh" >"$out/$kind" 2>&1 && ! grep -q '^FAILED ' "$out/$kind"; then
        echo "FAILED $kind: its script ended badly" >>"$out/$kind"
    fi
    if ! grep -qE '^(ok|FAILED|SKIPPED) ' "$out/$kind"; then
        echo "FAILED $kind: no check has said anything" >>"$out/$kind"
    fi
    echo "-- $kind: $((SECONDS - started)) s" >>"$out/$kind"
    flock "$out" cat "$out/$kind"
}
running=0
for kind in "$@"; do
    if [ "$running" -ge 2 ]; then
        wait -n || true
        running=$((running - 1))
    fi
    run "$kind" &
    running=$((running + 1))
done
wait

# What HAIMA_REQUIRE names may not be left out for want of a tool.
for kind in ${HAIMA_REQUIRE:-}; do
    grep -qE "^SKIPPED $kind(:|.*: tool absent)" "$out/$kind" 2>/dev/null || continue
    echo "FAILED $kind: it is required, and was skipped" | tee -a "$out/$kind"
done
count() { cat "$out"/* | grep -c "^$1 " || true; }
passed=$(count ok)
failed=$(count FAILED)
skipped=$(count SKIPPED)
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
