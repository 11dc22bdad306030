#!/usr/bin/env bash
# Has z3 and cvc5 decide the goals that are written from the source of the field arithmetic, and
# their planted bugs, and compares with expected.txt. One line a check: "ok smt GOAL (who decided)"
# or "ok smt GOAL/TWIN (...)", "FAILED smt NAME: why", "SKIPPED smt: why". Status 0 unless a check
# failed. One solver has to decide, and no two may disagree.
#
#   proofs/smt/run.sh             all
#   proofs/smt/run.sh GOAL ...    these goals, with their twins
#   proofs/smt/run.sh --write DIR writes the questions, as SMT-LIB 2.6, and asks nobody
#   proofs/smt/run.sh --every     leaves out every operation of the arithmetic, one at a time, and
#                                 prints those that the goal did not notice; half an hour
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target="${CARGO_TARGET_DIR:-$here/../../target}/smt"
export CARGO_TERM_COLOR=never
# Seconds of processor time for a solver: nearly all need far less than the first. Where neither has
# decided, each gets the next.
export SMT_SECONDS="${SMT_SECONDS:-3 20 60}"

bad=0
fail() {
    echo "FAILED smt $1: $2"
    bad=1
}
case ${1:-} in
    --write) [ $# -eq 2 ] || fail --write "it takes one folder" ;;
    --every) [ $# -eq 1 ] || fail --every "it takes no names" ;;
    *)
        for name in "$@"; do
            awk -v name="$name" '$1 == name && $2 == "-" { found = 1 } END { exit !found }' "$here/expected.txt" \
                || fail "$name" "there is no such goal in expected.txt"
        done
        ;;
esac
[ "$bad" = 0 ] || exit 1

skip() {
    echo "SKIPPED smt: $1"
    exit 0
}
present=()
for solver in z3 cvc5; do
    if command -v "$solver" >/dev/null; then present+=("$solver"); fi
done
if [ ${#present[@]} -eq 0 ] && [ "${1:-}" != --write ]; then
    skip "z3 and cvc5 absent (apt-get install z3 cvc5)"
fi
command -v cargo >/dev/null || skip "no cargo (https://rustup.rs)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! cargo build --quiet --locked --offline --manifest-path "$here/Cargo.toml" \
    --target-dir "$target" >"$work/build" 2>&1; then
    tail -n 40 "$work/build" >&2
    echo "FAILED smt build"
    exit 1
fi
emit=$target/debug/haima-proofs-smt
if [ "${1:-}" = --write ]; then
    mkdir -p "$2"
    exec "$emit" "$2"
fi
export work solvers="${present[*]}"

decide() { # solver, seconds, question: sat, unsat or nothing
    local said options=()
    # z3's own choice for integers is four tactics that take seconds in vain; its plain search does.
    if [ "$1" = z3 ] && grep -q -m 1 QF_LIA "$3"; then
        options=(tactic.default_tactic=smt smt.arith.solver=2)
    fi
    said=$( (ulimit -t "$2" && exec "$1" "${options[@]}" "$3") 2>/dev/null) || true
    case $said in sat | unsat) echo "$said" ;; esac
}
verdict() { # goal, twin: the verdict and who came to it
    local file="$work/$1.$2.smt2" by sat unsat seconds solver said
    for seconds in $SMT_SECONDS; do
        sat='' unsat=''
        for solver in $solvers; do
            said=$(decide "$solver" "$seconds" "$file")
            case $said in
                sat) sat+=" $solver" ;;
                unsat) unsat+=" $solver" ;;
            esac
        done
        [ -z "$sat$unsat" ] || break
    done
    by=${sat:-$unsat}
    if [ -n "$sat" ] && [ -n "$unsat" ]; then
        echo "disagreement:$sat found sat,$unsat unsat"
    elif [ -z "$by" ]; then
        echo "undecided by $solvers in $seconds s of processor time"
    else
        echo "${sat:+sat}${unsat:+unsat} ${by# }"
    fi >"$work/$1.$2.verdict"
}
export -f decide verdict
decide_all() { # lines of goal, twin and more
    cut -d ' ' -f 1,2 "$1" | xargs -r -P "$(nproc)" -L 1 bash -c 'verdict "$1" "$2"' _ 2>/dev/null
}

if [ "${1:-}" = --every ]; then
    SMT_SECONDS=${SMT_SECONDS%% *}
    "$emit" "$work" --every | awk '$2 != "-" && $2 != "false" && $1 !~ /^words/' >"$work/list"
    decide_all "$work/list"
    while read -r goal twin _; do
        read -r seen <"$work/$goal.$twin.verdict"
        [[ $seen = sat\ * ]] || echo "not noticed: $goal without $twin ($seen)"
    done <"$work/list"
    echo "$(wc -l <"$work/list") operations left out"
    exit 0
fi

"$emit" "$work" >"$work/list"
grep -vE '^(#|$)' "$here/expected.txt" | awk '{ print $1, $2, $3 }' >"$work/expected"
name() { # goal, twin
    if [ "$2" = - ]; then echo "$1"; else echo "$1/$2"; fi
}

# What is listed and what is written are the same, and each goal has a bug planted.
while read -r goal twin outcome; do
    fail "$(name "$goal" "$twin")" "it is written to be $outcome, and not so in expected.txt"
done < <(sort "$work/list" | comm -13 <(sort "$work/expected") -)
while read -r goal twin outcome; do
    fail "$(name "$goal" "$twin")" "expected.txt has it as $outcome, and it is not written so"
done < <(sort "$work/list" | comm -23 <(sort "$work/expected") -)
while read -r goal twin outcome; do
    case $twin,$outcome in
        -,unsat)
            grep -qE "^$goal [a-z][a-z0-9-]* sat\$" <(grep -v ' false ' "$work/expected") \
                || fail "$goal" "no bug is planted"
            ;;
        -,* | *,unsat) fail "$(name "$goal" "$twin")" "a goal is unsat, and a twin sat" ;;
    esac
done <"$work/expected"

awk -v only=" $* " 'only == "  " || index(only, " " $1 " ")' "$work/list" >"$work/asked"
decide_all "$work/asked"
while read -r goal twin outcome; do
    read -r seen by <"$work/$goal.$twin.verdict"
    if [ "$seen" = "$outcome" ]; then
        echo "ok smt $(name "$goal" "$twin") ($by)"
    else
        fail "$(name "$goal" "$twin")" "expected $outcome, was $seen $by"
    fi
done <"$work/asked"
exit "$bad"
