#!/usr/bin/env bash
# Runs Round.tla under every configuration in expected.txt and compares the outcome. One line a
# check: "ok tla NAME", "FAILED tla NAME: why", or "SKIPPED tla: why". Status 0 unless a check
# failed. DEEP=1 adds the long ones; with names of configurations as arguments only those run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
limit=${TLA_SECONDS:-300}
[ -z "${DEEP:-}" ] || limit=${TLA_SECONDS:-3600}

bad=0
fail() {
    echo "FAILED tla $1: $2"
    bad=1
}
only=" $* "
wanted() { [ "$only" = "  " ] || [[ $only == *" $1 "* ]]; }
for name in "$@"; do
    line=$(awk -v name="$name" '$1 == name && $2 ~ /^(holds|refuted|loops)$/' "$here/expected.txt")
    case $line in
        '') fail "$name" "there is no such configuration in expected.txt" ;;
        *' deep') [ -n "${DEEP:-}" ] || fail "$name" "it takes long and needs DEEP=1" ;;
    esac
done
[ "$bad" = 0 ] || exit 1

tool=${TLA:-$(command -v tla || true)}
[ -n "$tool" ] || tool="${XDG_CACHE_HOME:-$HOME/.cache}/haima/proofs/bin/tla"
if [ ! -x "$tool" ]; then
    echo "SKIPPED tla: tool absent (cargo install tla-checker --version =0.24.11 --locked --debug" \
        "--root ~/.cache/haima/proofs)"
    exit 0
fi

said=$(mktemp)
trap 'rm -f "$said"' EXIT

listed=" "
while read -r name outcome property deep; do
    case $name in '' | '#'*) continue ;; esac
    listed+="$name "
    if [ "$outcome" = holds ]; then
        deep=$property
    fi
    wanted "$name" || continue
    [ -z "$deep" ] || [ -n "${DEEP:-}" ] || continue
    live=()
    if grep -q '^PROPERTY' "$here/$name.cfg"; then
        live=(--check-liveness)
    fi
    code=0
    timeout "$limit" "$tool" "$here/Round.tla" --config "$here/$name.cfg" --allow-deadlock \
        "${live[@]}" >"$said" 2>&1 || code=$?
    # Its last word and its status: a crash after that word is no result.
    case $outcome in
        holds) line="Model checking complete. No errors found." status=0 ;;
        refuted) line="($property) violated!" status=1 ;;
        loops) line="Liveness property violated: $property" status=1 ;;
        *) line="(no such outcome)" status=none ;;
    esac
    if [ "$code" = "$status" ] && grep -qF -- "$line" "$said"; then
        echo "ok tla $name"
    else
        why=$(grep -E 'violated|No errors|^error|limit' "$said" | tail -1 || true)
        fail "$name" "expected $outcome ${property:-}; got: ${why:-nothing within $limit s}, status $code"
    fi
done <"$here/expected.txt"

# Every configuration is in the list, so that none is forgotten.
for file in "$here"/*.cfg; do
    name=$(basename "$file" .cfg)
    case $listed in *" $name "*) ;; *) fail "$name" "it is not in expected.txt" ;; esac
done
exit "$bad"
