#!/usr/bin/env bash
# Changes the field, the sharings, the zCDP conversion, the ledger and the noise one expression at a
# time, and sees whether a test fails (cargo-mutants; `just deep`, hours). Writes RESULTS.new.md
# beside this file, and prints a line a package. Which files: `.cargo/mutants.toml`.
#
# Each mutant meets the unit tests of these modules first; what they miss meets all tests of its
# package. MUTANTS_SHARD=K/N takes every N-th mutant alone, from K on, counted from 0.
#
# A mutant that is missed is no failure by itself: it is explained in RESULTS.md, or a test is
# written. More of them than `proofs/mutants/allowed` says is one.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -eq 0 ] || { echo "FAILED mutants $1: it takes no names"; exit 1; }

here=proofs/mutants
export PATH="${XDG_CACHE_HOME:-$HOME/.cache}/haima/proofs/bin:$PATH"
export CARGO_TERM_COLOR=never PROPTEST_CASES="${PROPTEST_CASES:-32}"
if ! cargo mutants --version >/dev/null 2>&1; then
    echo "SKIPPED mutants: no cargo-mutants (cargo install --locked cargo-mutants@27.1.0)"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# 0: all caught, 2: some missed, 3: some timed out; anything else is no result.
mutants() { # folder, package, arguments of cargo mutants
    local out=$1 package=$2 code=0
    shift 2
    mkdir -p "$out"
    cargo mutants --package "$package" --output "$out" --jobs "${MUTANTS_JOBS:-1}" --no-times \
        "$@" >"$out/log" 2>&1 || code=$?
    case $code in
        0 | 2 | 3) ;;
        *)
            tail -n 20 "$out/log" >&2
            echo "FAILED mutants $package: cargo-mutants ended with $code"
            return 1
            ;;
    esac
}
count() { # folder, outcome
    local file=$1/mutants.out/$2.txt
    if [ -f "$file" ]; then grep -c . "$file" || true; else echo 0; fi
}

failed=0
{
    echo "# Mutants"
    echo
    echo "By \`proofs/mutants/run.sh\`, $(cargo mutants --version), $(date -u +%F), $(git rev-parse --short HEAD)${MUTANTS_SHARD:+, shard $MUTANTS_SHARD}."
    echo
    echo "| package | mutants | caught by the modules' tests | by the package's others | timed out | missed | not viable |"
    echo "|---|---|---|---|---|---|---|"
} >"$work/RESULTS.md"
while read -r package filters; do
    first=$work/$package second=$work/$package.again
    read -ra filters <<<"$filters"
    if ! mutants "$first" "$package" ${MUTANTS_SHARD:+--shard "$MUTANTS_SHARD" --sharding round-robin} \
        --cargo-arg=--lib -- -- "${filters[@]}"; then
        failed=1
        continue
    fi
    # Each that was missed, by its whole name.
    mapfile -t again < <(sed -E '/^$/d; s/[][(){}.*+?^$|\\]/\\&/g; s/.*/^&$/' "$first/mutants.out/missed.txt")
    mkdir -p "$second/mutants.out"
    if [ ${#again[@]} -gt 0 ]; then
        if ! mutants "$second" "$package" "${again[@]/#/--re=}" \
            --cargo-arg=--lib --cargo-arg=--tests; then
            failed=1
            continue
        fi
        seen=$(($(count "$second" caught) + $(count "$second" missed) + $(count "$second" timeout)))
        if [ "$seen" -ne ${#again[@]} ]; then
            echo "FAILED mutants $package: ${#again[@]} were missed at first, $seen were tried again"
            failed=1
            continue
        fi
    fi
    caught=$(count "$first" caught) others=$(count "$second" caught) missed=$(count "$second" missed)
    late=$(($(count "$first" timeout) + $(count "$second" timeout)))
    unviable=$(count "$first" unviable)
    all=$((caught + others + missed + late + unviable))
    echo "| \`$package\` | $all | $caught | $others | $late | $missed | $unviable |" >>"$work/RESULTS.md"
    {
        echo
        echo "## Missed in \`$package\`"
        echo
        sed '/^$/d; s/.*/- `&`: /' "$second/mutants.out/missed.txt" 2>/dev/null || true
    } >>"$work/$package.missed"
    allowed=$(sed -n "s/^$package //p" "$here/allowed")
    if [ "$all" -eq 0 ]; then
        echo "FAILED mutants $package: no mutant was made"
        failed=1
    elif [ "$missed" -gt "${allowed:-0}" ]; then
        echo "FAILED mutants $package: $missed of $all are missed, ${allowed:-0} are explained in $here/RESULTS.md"
        failed=1
    else
        echo "ok mutants $package ($((caught + others + late)) of $((all - unviable)) are caught)"
    fi
done <<'PACKAGES'
haima-crypto field:: share:: shamir
haima-dp zcdp ledger noise
PACKAGES
cat "$work"/*.missed >>"$work/RESULTS.md" 2>/dev/null || true
cp "$work/RESULTS.md" "$here/RESULTS.new.md"
echo "The new table is in $here/RESULTS.new.md; carry its explanations over, then put it in place." >&2
exit "$failed"
