#!/usr/bin/env bash
# Changes the field, the sharings, the zCDP conversion, the ledger and the noise one expression at a
# time, and sees whether a test fails (cargo-mutants; `just deep`, hours). Writes RESULTS.new.md
# beside this file, and prints a line a package. Which files: `.cargo/mutants.toml`.
#
# Each mutant meets the quick tests of its package first, built without optimisation; what they miss
# meets all of them. MUTANTS_SHARD=K/N takes every N-th mutant alone, from K on, counted from 0.
#
# A mutant that is missed and does not stand in `allowed` beside this file, by file and change, is a
# failure. Why those that do may be missed stands in RESULTS.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -eq 0 ] || { echo "FAILED mutants $1: it takes no names"; exit 1; }

here=proofs/mutants
export PATH="${XDG_CACHE_HOME:-$HOME/.cache}/haima/proofs/bin:$PATH"
export CARGO_TERM_COLOR=never PROPTEST_CASES="${PROPTEST_CASES:-32}"
# Mutants are tested in a copy of the tree, from which the oracles' folder is not beside.
HAIMA_SHARED=$(realpath -m "${HAIMA_SHARED:-../shared}")
export HAIMA_SHARED
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
    echo "| package | mutants | caught by the quick tests | by the others | timed out | missed | not viable |"
    echo "|---|---|---|---|---|---|---|"
} >"$work/RESULTS.md"
while IFS='|' read -r package targets filters; do
    first=$work/$package second=$work/$package.again
    read -ra targets <<<"$targets"
    read -ra filters <<<"$filters"
    if ! CARGO_PROFILE_DEV_OPT_LEVEL=0 mutants "$first" "$package" ${MUTANTS_SHARD:+--shard "$MUTANTS_SHARD" --sharding round-robin} \
        "${targets[@]/#/--cargo-arg=}" -- -- "${filters[@]}"; then
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
    new=$(sed -E '/^$/d; s/:[0-9]+:[0-9]+: /: /' "$second/mutants.out/missed.txt" 2>/dev/null \
        | grep -vxFf <(grep -v '^#' "$here/allowed") || true)
    if [ "$all" -eq 0 ]; then
        echo "FAILED mutants $package: no mutant was made"
        failed=1
    elif [ -n "$new" ]; then
        echo "FAILED mutants $package: $(grep -c . <<<"$new") are missed that $here/allowed has not, as ${new%%$'\n'*}"
        failed=1
    else
        echo "ok mutants $package ($((caught + others + late)) of $((all - unviable)) are caught)"
    fi
done <<'PACKAGES'
haima-crypto|--lib|field:: share:: shamir
haima-dp|--lib --test=ledger --test=ledger_export --test=accounting|--skip a_plan_calibrated_to --skip what_the_fast_path
PACKAGES
cat "$work"/*.missed >>"$work/RESULTS.md" 2>/dev/null || true
cp "$work/RESULTS.md" "$here/RESULTS.new.md"
echo "The new table is in $here/RESULTS.new.md; carry its explanations over, then put it in place." >&2
exit "$failed"
