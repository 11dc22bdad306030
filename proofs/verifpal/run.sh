#!/usr/bin/env bash
# Runs the Verifpal models and their twins, and compares the verdicts with expected.txt. One line a
# check: "ok verifpal NAME", "FAILED verifpal NAME: why", or "SKIPPED verifpal: why". Status 0 unless
# a check failed. With names of models as arguments only those run, with their twins; with
# REPORTS=DIR an HTML report of every run is written there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
limit=${VERIFPAL_SECONDS:-120}

bad=0
fail() {
    echo "FAILED verifpal $1: $2"
    bad=1
}
only=" $* "
wanted() { [ "$only" = "  " ] || [[ $only == *" $1 "* ]]; }
models=$(awk '!/^#/ && $2 == "-" { print $1 }' "$here/expected.txt")
for name in "$@"; do
    grep -qxF -- "$name" <<<"$models" || fail "$name" "there is no such model, only $(xargs <<<"$models")"
done
[ "$bad" = 0 ] || exit 1

tool=${VERIFPAL:-$(command -v verifpal || true)}
[ -n "$tool" ] || tool="${XDG_CACHE_HOME:-$HOME/.cache}/haima/proofs/bin/verifpal"
if [ ! -x "$tool" ]; then
    echo "SKIPPED verifpal: tool absent (cargo install verifpal --version =1.6.7 --locked" \
        "--ignore-rust-version --debug --root ~/.cache/haima/proofs)"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

declare -A model_code broken_in
listed=" "
while read -r model twin sessions code; do
    case $model in '' | '#'*) continue ;; esac
    name=$model
    [ "$twin" = - ] || name=$model/$twin
    listed+="$name "
    wanted "$model" || continue

    # What is written down makes sense: a twin breaks a query that holds in its model.
    if [ "$twin" = - ]; then
        model_code[$model]=$code
    else
        of_model=${model_code[$model]-}
        if [ "${code//[01]/}" != "${of_model//[01]/}" ]; then
            fail "$name" "it is listed without its model, or with other queries"
            continue
        fi
        broken=0
        for ((at = 1; at < ${#code}; at += 2)); do
            [ "${of_model:at:1}${code:at:1}" != 01 ] || {
                broken=1
                broken_in[$model]+=" $at "
            }
        done
        if [ "$broken" = 0 ]; then
            fail "$name" "the attack that it plants is not expected to be found"
            continue
        fi
    fi

    file=$work/$model.vp
    if ! awk -v TWIN="${twin#-}" -f "$here/twin.awk" "$here/$model.vp" >"$file" 2>"$work/err"; then
        fail "$name" "$(head -1 "$work/err")"
        continue
    fi
    if ! got=$(timeout "$limit" "$tool" verify "$file" --sessions "$sessions" --result-code \
        --quiet --color never 2>"$work/err"); then
        fail "$name" "no verdict within $limit s: $(head -1 "$work/err")"
    elif [ "$got" != "$code" ]; then
        fail "$name" "$got instead of $code with $sessions session(s)"
    else
        echo "ok verifpal $name"
    fi
    if [ -n "${REPORTS:-}" ]; then
        mkdir -p "$REPORTS"
        "$tool" verify "$file" --sessions "$sessions" --format html >"$REPORTS/${name//\//-}.html" || true
    fi
done <"$here/expected.txt"

# Each query that holds in a model is broken in a twin: else nothing shows that it can be.
for model in "${!model_code[@]}"; do
    code=${model_code[$model]}
    for ((at = 1; at < ${#code}; at += 2)); do
        case "${code:at:1}${broken_in[$model]-}" in
            0*" $at "* | 1*) ;;
            *) fail "$model" "no twin breaks its query $(((at + 1) / 2))" ;;
        esac
    done
done

# Each twin that a model has is in the list, so that none is forgotten.
for file in "$here"/*.vp; do
    model=$(basename "$file" .vp)
    for twin in - $(sed -n 's/^[[:space:]]*\/\/! \([a-z-]*\):.*/\1/p' "$file" | sort -u); do
        name=$model
        [ "$twin" = - ] || name=$model/$twin
        case $listed in *" $name "*) ;; *) fail "$name" "it is not in expected.txt" ;; esac
    done
done
exit "$bad"
