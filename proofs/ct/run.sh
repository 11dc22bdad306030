#!/usr/bin/env bash
# Secrets in branches, addresses and freed memory of the compiled code.
#
#   proofs/ct/run.sh                       checks all of expected.txt
#   proofs/ct/run.sh --observe             prints what is seen, in expected.txt's form, and what is wrong
#   proofs/ct/run.sh --explain CASE LEVEL  valgrind's own report, without public.supp
#
# Builds the harness with crypto, dp and all they link at five optimisation levels, runs each case
# under memcheck at each, and scans memory after drops at two. Prints a line a check: `ok ct
# CASE@LEVEL`, `FAILED ct ...: why`, `SKIPPED ct: why`; exit code 1 on a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

here=$PWD/proofs/ct
levels=(0 1 2 3 s)
wiping=(0 3)
target="${CARGO_TARGET_DIR:-$PWD/target}/ct"
export CARGO_TERM_COLOR=never here target

lines() { grep -vE '^(#|$)' "$here/expected.txt"; }

refuse() { # argument, why
    echo "FAILED ct $1: $2"
    exit 1
}
case ${1:-} in
    '') ;;
    --observe) [ $# -eq 1 ] || refuse "$2" "--observe takes no names" ;;
    --explain)
        [ $# -eq 3 ] || refuse --explain "it takes a case and a level, one of ${levels[*]}"
        [ -n "$(lines | awk -v name="$2" '$1 == name && !/^wipe_/')" ] || refuse "$2" "memcheck has no such case"
        [[ " ${levels[*]} " == *" $3 "* ]] || refuse "$3" "there is no such level, only ${levels[*]}"
        levels=("$3")
        ;;
    *) refuse "$1" "it takes no names but after --explain" ;;
esac

skip() {
    echo "SKIPPED ct: $1"
    exit 0
}
[ "$(uname -sm)" = "Linux x86_64" ] || skip "the client requests and the scan are for Linux on x86-64"
command -v cargo >/dev/null || skip "no cargo (https://rustup.rs)"
command -v valgrind >/dev/null || skip "no valgrind (apt-get install valgrind)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work
for level in "${levels[@]}"; do
    if ! cargo build --quiet --locked --manifest-path "$here/Cargo.toml" --target-dir "$target" \
        --profile "ct$level" >"$work/build" 2>&1; then
        tail -n 40 "$work/build" >&2
        echo "FAILED ct build@$level"
        exit 1
    fi
done

checked() { # case, level, options of valgrind: the exit code, the report in $work/CASE@LEVEL
    local case=$1 level=$2 code=0
    shift 2
    valgrind --error-exitcode=99 --error-limit=no --num-callers=60 --leak-check=no "$@" \
        "$target/ct$level/ct" "$case" ${unmarked:+"$unmarked"} >"$work/$case@$level.out" 2>&1 \
        || code=$?
    echo "$code"
}

verdict() { # case, level: writes `clean`, `reported` or `broke N`, then the names of public.supp used
    local case=$1 level=$2 code
    local log="$work/$case@$level.log"
    code=$(checked "$case" "$level" -v --log-file="$log" --suppressions="$here/public.supp")
    case $code in
        0) echo clean ;;
        99) echo reported ;;
        *) echo "broke with $code: $(grep -m 1 -v '^$' "$work/$case@$level.out" || true)" ;;
    esac >"$work/$case@$level.verdict"
    sed -n 's/^.*used_suppression: *[0-9]* \([a-z0-9-]*\) .*public\.supp.*$/\1/p' "$log" | sort -u \
        >"$work/$case@$level.used"
}
export -f checked verdict

if [ "${1:-}" = --explain ]; then
    checked "$2" "$3" -q >/dev/null
    cat "$work/$2@$3.out"
    exit 0
fi

lines | grep -v '^wipe_' >"$work/cases"
lines | grep '^wipe_' >"$work/wipes"

while read -r case _; do
    for level in "${levels[@]}"; do echo "$case $level"; done
done <"$work/cases" | xargs -P "$(nproc)" -L 1 bash -c 'verdict "$1" "$2"' _

: >"$work/failures"
fail() {
    echo "FAILED ct $1"
    echo "$1" >>"$work/failures"
}

if [ "${1:-}" = --observe ]; then
    while read -r case _; do
        seen=() used=()
        for level in "${levels[@]}"; do
            seen+=("$(cut -d ' ' -f 1 "$work/$case@$level.verdict")")
            used+=("$work/$case@$level.used")
        done
        names=$(sort -u "${used[@]}" | paste -sd ,)
        printf '%-22s %s  %s\n' "$case" "${seen[*]}" "${names:--}"
    done <"$work/cases"
fi

# Every case under memcheck.
top() { # case, level: the two innermost frames of the first report
    sed -n 's/^==[0-9]*== *\(at\|by\) 0x[0-9A-F]*: //p' "$work/$1@$2.log" | awk "NR <= 2" | paste -sd '<'
}
while read -r case expected0 expected1 expected2 expected3 expecteds allowed; do
    for level in "${levels[@]}"; do
        expected="expected$level"
        expected=${!expected}
        seen=$(cat "$work/$case@$level.verdict")
        unlisted=$(grep -vxF -f <(tr , '\n' <<<"$allowed") "$work/$case@$level.used" | paste -sd , || true)
        if [ "$seen" != "$expected" ] && { [ "$expected" != any ] || [[ $seen == broke* ]]; }; then
            why="expected $expected, was $seen"
            [ "$seen" = reported ] && why+=" at $(top "$case" "$level")"
            fail "$case@$level: $why"
        elif [ -n "$unlisted" ]; then
            fail "$case@$level: used $unlisted, which its line does not list"
        else
            echo "ok ct $case@$level ($seen)"
        fi
    done
done <"$work/cases" >"$work/lines"
if [ "${1:-}" = --observe ]; then grep '^FAILED' "$work/lines" || true; else cat "$work/lines"; fi

# The harness has these cases and no others; no name of public.supp is idle; and without marks the
# plainest leak is clean, so reports come of the marks.
if diff <(cut -d ' ' -f 1 "$work/cases") <("$target/ct3/ct" list) >"$work/diff" &&
    diff <(cut -d ' ' -f 1 "$work/wipes") <("$target/ct3/zeroise" list) >>"$work/diff"; then
    echo "ok ct cases"
else
    fail "cases: expected.txt and the harness differ: $(grep -m 1 '^[<>]' "$work/diff")"
fi
idle=$(grep -vxF -f <(cat "$work"/*.used) <(sed -n '/^{/{n;s/ //g;p}' "$here/public.supp" | sort -u) \
    | paste -sd , || true)
if [ -z "$idle" ]; then echo "ok ct public"; else fail "public: no case used $idle"; fi
unmarked=--unmarked
for twin in leaky_table leaky_share; do
    code=$(checked "$twin" 3 -q)
    if [ "$code" = 0 ]; then
        echo "ok ct unmarked_$twin"
    else
        fail "unmarked_$twin: ended with $code although nothing was secret"
    fi
done
unset unmarked

# What was checked is what is shipped: no package in another version than in the workspace's lock.
packages() { awk '$1 == "name" { name = $3 } $1 == "version" { print name, $3 }' "$1" | sort -u; }
other=$(comm -13 <(packages Cargo.lock) <(packages "$here/Cargo.lock") | grep -v '"haima-proofs-ct"' \
    | paste -sd , || true)
if [ -z "$other" ]; then echo "ok ct versions"; else fail "versions: not in Cargo.lock: $other"; fi

# Memory after drops.
found() { if [ "$1" = 0 ]; then echo clean; else echo left; fi; }
while read -r case there heap stack; do
    for level in "${wiping[@]}"; do
        zeroise="$target/ct$level/zeroise"
        if ! read -r alive after on_stack \
            < <("$zeroise" scan "$case" "$("$zeroise" needle "$case")" 2>"$work/where"); then
            fail "$case@$level: does not run"
            continue
        fi
        if [ "${1:-}" = --observe ]; then
            printf '%-22s alive %s, after %s, on the stack %s  (level %s)\n' \
                "$case" "$alive" "$after" "$on_stack" "$level"
        elif [ "$there" = there ] && [ "$alive" = 0 ]; then
            fail "$case@$level: the secret was not found before the drop either"
        elif [ "$heap" != any ] && [ "$(found "$after")" != "$heap" ]; then
            fail "$case@$level: expected $heap, found in $after places outside the stack, $(tail -n 1 "$work/where" | tr -s ' ')"
        elif [ "$stack" != any ] && [ "$(found "$on_stack")" != "$stack" ]; then
            fail "$case@$level: expected $stack, found in $on_stack places on the stack"
        else
            echo "ok ct $case@$level"
        fi
    done
done <"$work/wipes"

[ ! -s "$work/failures" ]
