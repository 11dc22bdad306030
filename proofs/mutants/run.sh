#!/usr/bin/env bash
# Changes the field, the sharings, the zCDP conversion, the ledger and the noise one expression at a
# time, and sees whether a test fails (cargo-mutants; `just deep`, hours). Writes RESULTS.md beside
# this file, and prints a line a package. Which files: `.cargo/mutants.toml`.
#
# A mutant that is missed is no failure by itself: it is explained in RESULTS.md, or a test is
# written. More of them than `proofs/mutants/allowed` says is one.
set -euo pipefail
cd "$(dirname "$0")/../.."

here=proofs/mutants
export PATH="${XDG_CACHE_HOME:-$HOME/.cache}/haima/proofs/bin:$PATH"
export CARGO_TERM_COLOR=never PROPTEST_CASES="${PROPTEST_CASES:-32}"
if ! cargo mutants --version >/dev/null 2>&1; then
    echo "SKIPPED mutants: no cargo-mutants (cargo install --locked cargo-mutants@27.1.0)"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count() { # folder, outcome
    sed '/^$/d' "$1/mutants.out/$2.txt" 2>/dev/null | wc -l
}

failed=0
{
    echo "# Mutants"
    echo
    echo "By \`proofs/mutants/run.sh\`, $(cargo mutants --version), $(date -u +%F), $(git rev-parse --short HEAD)."
    echo
    echo "| package | mutants | caught | timed out | missed | not viable |"
    echo "|---|---|---|---|---|---|"
} >"$work/RESULTS.md"
for package in haima-crypto haima-dp; do
    out="$work/$package"
    mkdir "$out"
    # 0: all caught, 2: some missed, 3: some timed out; anything else is no result.
    code=0
    cargo mutants --package "$package" --output "$out" --jobs "${MUTANTS_JOBS:-1}" --no-times \
        ${MUTANTS_SHARD:+--shard "$MUTANTS_SHARD"} >"$work/log" 2>&1 || code=$?
    if [ "$code" -ne 0 ] && [ "$code" -ne 2 ] && [ "$code" -ne 3 ]; then
        tail -n 20 "$work/log" >&2
        echo "FAILED mutants $package: cargo-mutants ended with $code"
        failed=1
        continue
    fi
    caught=$(count "$out" caught) missed=$(count "$out" missed)
    late=$(count "$out" timeout) unviable=$(count "$out" unviable)
    all=$((caught + missed + late + unviable))
    echo "| \`$package\` | $all | $caught | $late | $missed | $unviable |" >>"$work/RESULTS.md"
    {
        echo
        echo "## Missed in \`$package\`"
        echo
        sed 's/.*/- `&`: /' "$out/mutants.out/missed.txt"
    } >>"$work/$package.missed"
    allowed=$(sed -n "s/^$package //p" "$here/allowed")
    if [ "$all" -eq 0 ]; then
        echo "FAILED mutants $package: no mutant was made"
        failed=1
    elif [ "$missed" -gt "${allowed:-0}" ]; then
        echo "FAILED mutants $package: $missed of $all are missed, ${allowed:-0} are explained in $here/RESULTS.md"
        failed=1
    else
        echo "ok mutants $package ($((caught + late)) of $((all - unviable)) are caught)"
    fi
done
cat "$work"/*.missed >>"$work/RESULTS.md" 2>/dev/null || true
cp "$work/RESULTS.md" "$here/RESULTS.new.md"
echo "The new table is in $here/RESULTS.new.md; carry its explanations over, then put it in place." >&2
exit "$failed"
