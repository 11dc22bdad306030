#!/usr/bin/env bash
# Runs tests so that none passes on silence: `tests/strict.sh cargo test --locked --test replicas`.
# Tests that need PostgreSQL, Python, a browser or the oracles beside the repository say
# `... absent` and pass without it; here such a line is a failure. PostgreSQL is started for the run.
set -euo pipefail
[ $# -gt 0 ] || { echo "tests/strict.sh: which command?" >&2; exit 2; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
separator=(--)
for argument in "$@"; do [ "$argument" != -- ] || separator=(); done
"$(dirname "$0")/postgres.sh" "$@" "${separator[@]}" --show-output 2>&1 | tee "$log"
if grep -E '^(ORACLE|POSTGRES|PYTHON|BROWSER|AXE) absent' "$log" | sort | uniq -c >&2; then
    echo "tests/strict.sh: what is absent was not tested" >&2
    exit 1
fi
if ! grep -qE '^test result: ok\. [1-9]' "$log"; then
    echo "tests/strict.sh: no test ran" >&2
    exit 1
fi
