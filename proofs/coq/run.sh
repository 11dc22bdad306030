#!/usr/bin/env bash
# Compiles the Coq files, demands of every theorem and lemma that it rests on no axiom, has the independent checker
# read everything again, and demands that each broken twin fails where it should.
#
# One line a check, `ok coq NAME` or `FAILED coq NAME: why`; exit 1 when anything failed.
set -euo pipefail
cd "$(dirname "$0")"

files=(Masks Shamir Locate Release FixedPoint Sensitivity Pine PineMoments PineSoundness PineBounds)
failed=0

ok() { echo "ok coq $1"; }
fail() {
  echo "FAILED coq $1: $2"
  failed=1
}

if ! command -v coqc > /dev/null || ! command -v coqchk > /dev/null; then
  echo "SKIPPED coq: coqc absent (apt-get install -y --no-install-recommends coq libcoq-mathcomp-field)"
  exit 0
fi
if [ ! -e "$(coqc -where)/user-contrib/mathcomp/algebra/all_algebra.vo" ]; then
  echo "SKIPPED coq: mathcomp absent (apt-get install -y --no-install-recommends libcoq-mathcomp-field)"
  exit 0
fi

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
mkdir "$build/right" "$build/broken"
compile() { timeout 120 nice -n 10 coqc -q -w none -R "$build/right" Haima "$1" 2>&1; }

# Nothing is assumed by a word. (`Hypothesis` and `Variable` in a section become premises.)
if grep -nwE 'Admitted|admit|Axiom|Axioms|Parameter|Parameters|Conjecture|bypass_check' -- *.v; then
  fail words "see above"
else
  ok words
fi

theorems=0
for file in "${files[@]}"; do
  cp "$file.v" "$build/right/$file.v"
  if ! why=$(compile "$build/right/$file.v"); then
    fail "$file.v" "$(tail -n 3 <<< "$why" | tr '\n' ' ')"
    continue
  fi
  # Every theorem and lemma, by name, is closed: whatever a claim may cite.
  probe=$build/Assumptions_$file.v
  echo "From Haima Require Import $file." > "$probe"
  names=()
  while read -r name; do
    names+=("$name")
    echo "Print Assumptions $name." >> "$probe"
  done < <(sed -nE "s/^(Theorem|Lemma|Corollary) ([A-Za-z0-9_']+).*/\\2/p" "$file.v")
  said=$(compile "$probe") || { fail "$file.v" "$said"; continue; }
  closed=$(grep -c '^Closed under the global context$' <<< "$said" || true)
  if [ "$closed" -ne "${#names[@]}" ] || [ "$(wc -l <<< "$said")" -ne "${#names[@]}" ]; then
    fail "$file.v" "of ${#names[@]} theorems and lemmas, $closed are closed: $said"
    continue
  fi
  for name in "${names[@]}"; do ok "$file.$name"; done
  theorems=$((theorems + ${#names[@]}))
done

# As `coqc`, but of a file in which one word is another.
broken() {
  local file=$1 name=$2 from=$3 to=$4 text rest wrong line at
  text=$(cat "$file.v")
  rest=${text#*"$from"}
  if [ "$rest" = "$text" ] || [ "${rest#*"$from"}" != "$rest" ]; then
    fail "broken/$name" "the words to replace do not stand once in $file.v"
    return
  fi
  wrong=$build/broken/$file.v
  printf '%s\n' "${text%%"$from"*}$to$rest" > "$wrong"
  if said=$(compile "$wrong"); then
    fail "broken/$name" "a false statement was accepted"
    return
  fi
  line=$(sed -nE 's/^File .*, line ([0-9]+), characters.*/\1/p' <<< "$said" | head -n 1)
  at=$(head -n "${line:-0}" "$wrong" | sed -nE 's/^(Theorem|Lemma) ([A-Za-z0-9_]+).*/\2/p' | tail -n 1)
  if [ "$at" = "$name" ]; then
    ok "broken/$name"
  else
    fail "broken/$name" "failed in ${at:-nothing} instead"
  fi
}
# shellcheck source=broken.sh
source ./broken.sh

# The kernel's second reading, of the libraries too.
if [ "$failed" -eq 0 ]; then
  modules=("${files[@]/#/Haima.}")
  if said=$(timeout 300 nice -n 10 coqchk -silent -o -R "$build/right" Haima "${modules[@]}" 2>&1) \
    && grep -qE '^\* Axioms: <none>$' <<< "$said"; then
    ok coqchk
  else
    fail coqchk "$(tail -n 20 <<< "$said" | tr '\n' ' ')"
  fi
fi
[ "$failed" -eq 0 ] && echo "coq: $theorems theorems and lemmas" >&2
exit "$failed"
