#!/usr/bin/env bash
# Counts the instructions of hot paths and fails where one has become slower: times are noise on a
# shared machine, counts are not.
#
#   benches/instructions.sh           holds every path against instructions.txt
#   benches/instructions.sh --bless   counts, and writes instructions.txt anew
#
# One line a check: `ok instructions NAME (count, limit)`, `FAILED instructions NAME: why`, or
# `SKIPPED instructions: why`; exit code 1 on a failure. A count may grow by as much as the file
# allows; one that has shrunk as far passes and says so. Each path is also run once more often, as a
# slower one would be (`planted/NAME`), and that must be past its limit. What counts do not show is in
# benches/README.md.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

file=$PWD/benches/instructions.txt
target="${CARGO_TARGET_DIR:-$PWD/target}/instructions"
program=$target/release/haima-instructions
export CARGO_TERM_COLOR=never program

skip() {
    echo "SKIPPED instructions: $1"
    exit 0
}
[ "$(uname -sm)" = "Linux x86_64" ] || skip "the counts are of Linux on x86-64"
command -v cargo >/dev/null || skip "cargo absent (https://rustup.rs)"
command -v valgrind >/dev/null || skip "valgrind absent (apt-get install valgrind)"
# What the paths choose by at run time.
for flag in aes avx2 bmi2 fma pclmulqdq; do
    grep -qwm 1 "$flag" /proc/cpuinfo || skip "the counts are of processors with $flag"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work
if ! cargo build --quiet --locked --release --target-dir "$target" \
    --manifest-path benches/instructions/Cargo.toml >"$work/build" 2>&1; then
    tail -n 40 "$work/build" >&2
    echo "FAILED instructions build: see above"
    exit 1
fi

count() { # name, nothing or `planted`: the count in $work/NAME, or nothing there and why in $work/NAME.log
    local at=$work/$1${2:+.$2}
    if valgrind --tool=callgrind --toggle-collect='*haima_measured_path*' \
        --callgrind-out-file=/dev/null "$program" "$@" >"$at.log" 2>&1; then
        sed -n 's/^==[0-9]*== Collected : \([1-9][0-9]*\)$/\1/p' "$at.log" >"$at"
    fi
}
export -f count

"$program" list >"$work/names"
with="$(rustc --version | cut -d ' ' -f 1-2), $(valgrind --version)"
{
    cat "$work/names"
    if [ "${1:-}" != --bless ]; then sed 's/$/ planted/' "$work/names"; fi
} | nice -n 10 xargs -P "$(nproc)" -L 1 bash -c 'count "$@"' _

failed=0
fail() {
    echo "FAILED instructions $1: $2"
    failed=1
}
counted() { # name: its count, or 0
    if [ -s "$work/$1" ]; then cat "$work/$1"; else echo 0; fi
}
why() { # name: what the program said, in one line
    grep -vE '^(==[0-9]+==|$)' "$work/$1.log" | head -n 3 | paste -sd ' '
}

if [ "${1:-}" = --bless ]; then
    {
        grep -E '^(#|allowed )' "$file"
        echo "with $with"
        while read -r name; do printf '%-20s %s\n' "$name" "$(counted "$name")"; done <"$work/names"
    } >"$work/blessed"
    while read -r name; do
        [ "$(counted "$name")" -gt 0 ] || fail "$name" "not counted ($(why "$name"))"
    done <"$work/names"
    [ "$failed" -eq 0 ] || exit 1
    cp "$work/blessed" "$file"
    echo "ok instructions: $(wc -l <"$work/names") counts written, $with"
    exit 0
fi

allowed=$(sed -n 's/^allowed \([0-9]*\)$/\1/p' "$file")
[ "${allowed:-100}" -le 3 ] || fail allowed "${allowed:-nothing} % may a count grow by; at most 3 is meant"
limit_of() { echo $(($1 * (100 + allowed) / 100)); } # what a count may be where this one is written
of=$(sed -n 's/^with //p' "$file")
[ "$of" = "$with" ] || echo "instructions: counted with $with, the file is of $of" >&2
# Names that only one side knows.
grep -vE '^(#|allowed |with |$)' "$file" >"$work/expected"
diff <(sort "$work/names") <(cut -d ' ' -f 1 "$work/expected" | sort) >"$work/differ" \
    || fail names "not the same in instructions.txt and the program: $(grep '^[<>]' "$work/differ" | paste -sd ' ')"

while read -r name expected; do
    grep -qx "$name" "$work/names" || continue
    got=$(counted "$name")
    if [ "$got" -eq 0 ]; then
        fail "$name" "not counted ($(why "$name"))"
        continue
    fi
    if ! [[ $expected =~ ^[1-9][0-9]*$ ]]; then
        fail "$name" "$got, and no count to hold it against (benches/instructions.sh --bless)"
        continue
    fi
    limit=$(limit_of "$expected")
    percent=$(awk "BEGIN { printf \"%+.1f\", 100 * ($got / $expected - 1) }")
    if [ "$got" -gt "$limit" ]; then
        fail "$name" "$got, $percent %; at most $limit. Counted with $with, the file with $of"
        continue
    fi
    note=
    if [ "$got" -lt $((expected * (100 - allowed) / 100)) ]; then
        note="; $percent %: renew by --bless, so that it is kept"
        # The planted one is held against what is true now.
        limit=$(limit_of "$got")
    fi
    echo "ok instructions $name ($got, at most $limit$note)"
    planted=$(counted "$name.planted")
    if [ "$planted" -gt "$limit" ]; then
        percent=$(awk "BEGIN { printf \"%+.1f\", 100 * ($planted / $got - 1) }")
        echo "ok instructions planted/$name ($percent % is noticed)"
    else
        fail "planted/$name" "$planted, which the limit of $limit lets pass"
    fi
done <"$work/expected"
exit "$failed"
