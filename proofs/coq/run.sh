#!/usr/bin/env bash
# Compiles the Coq files, demands of every theorem that it rests on no axiom and that it has broken twins
# (twins.txt): statements like it, with one thing left out, that theorems of their own prove false. Has the
# independent checker read everything again. Last a smoke test, which shows less: scripts notice a change.
#
# One line a check, `ok coq NAME` or `FAILED coq NAME: why`; exit 1 when anything failed. Takes no arguments.
set -euo pipefail
cd "$(dirname "$0")"

files=(Masks Shamir Locate Release FixedPoint Sensitivity Pine PineMoments PineSoundness PineBounds
  TwinsSharing TwinsIntegers TwinsPine)
failed=0

ok() { echo "ok coq $1"; }
fail() {
  echo "FAILED coq $1: $2"
  failed=1
}

if [ $# -gt 0 ]; then
  fail "$1" "it takes no names"
  exit 1
fi
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
compile() { timeout 300 nice -n 10 coqc -q -w none -R "$build/right" Haima "$1" 2>&1; }

# Nothing is assumed by a word. (`Hypothesis` and `Variable` in a section become premises.)
if grep -nwE 'Admitted|admit|Axiom|Axioms|Parameter|Parameters|Conjecture|bypass_check' -- *.v; then
  fail words "see above"
else
  ok words
fi

# Every file is compiled, so that none is forgotten.
for file in *.v; do
  [[ " ${files[*]} " == *" ${file%.v} "* ]] || fail "$file" "it is not in files=(...) of run.sh"
done

theorems=()
stated=()
for file in "${files[@]}"; do
  cp "$file.v" "$build/right/$file.v"
  if ! why=$(compile "$build/right/$file.v"); then
    fail "$file.v" "$(tail -n 3 <<< "$why" | tr '\n' ' ')"
    continue
  fi
  while read -r name; do theorems+=("$file.$name"); done \
    < <(sed -nE "s/^Theorem ([A-Za-z0-9_']+).*/\\1/p" "$file.v")
  # Claims may cite lemmas as well.
  while read -r name; do stated+=("$file.$name"); done \
    < <(sed -nE "s/^(Theorem|Lemma|Corollary) ([A-Za-z0-9_']+).*/\\2/p" "$file.v")
done

# Every theorem and lemma, by name, is closed.
asked=$build/Assumptions.v
for file in "${files[@]}"; do echo "From Haima Require $file."; done > "$asked"
cp "$asked" "$build/Negations.v"
for name in "${stated[@]}"; do echo "Print Assumptions $name."; done >> "$asked"
said=$(compile "$asked") || true
closed=$(grep -c '^Closed under the global context$' <<< "$said" || true)
if [ "$closed" -eq "${#stated[@]}" ] && [ "$(wc -l <<< "$said")" -eq "${#stated[@]}" ]; then
  for name in "${theorems[@]}"; do ok "$name"; done
else
  fail closed "of ${#stated[@]} theorems and lemmas, $closed are closed: $(head -n 20 <<< "$said" | tr '\n' ' ')"
fi

# Every theorem has twins, or is one; and what is a twin says that something is not so.
declare -A twins=() is_twin=() known=()
for name in "${theorems[@]}"; do known[$name]=1; done
while read -r name rest; do
  for twin in $rest; do
    twins[$name]+=" $twin"
    is_twin[$twin]=1
  done
  for other in "$name" $rest; do
    [ -n "${known[$other]-}" ] || fail "twins.txt" "there is no theorem $other"
  done
  [ -n "$rest" ] || fail "twins.txt" "$name has no twin"
done < <(grep -vE '^(#|$)' twins.txt)
for twin in "${!is_twin[@]}"; do
  cat << END
Goal False -> True.
Proof.
intro absurd; pose proof @$twin as H.
repeat lazymatch type of H with
| not _ => fail
| forall x : ?A, _ => specialize (H (False_rect A absurd))
end.
lazymatch type of H with not _ => idtac "negation" "$twin" | _ => idtac "other" "$twin" end.
exact I.
Qed.
END
done >> "$build/Negations.v"
said=$(compile "$build/Negations.v") || fail twins.txt "$(tail -n 3 <<< "$said" | tr '\n' ' ')"
for name in "${theorems[@]}"; do
  if [ -n "${twins[$name]-}" ] && [ -n "${is_twin[$name]-}" ]; then
    fail "twin/$name" "stands in twins.txt on both sides"
  elif [ -n "${is_twin[$name]-}" ]; then
    grep -qxF "negation $name" <<< "$said" || fail "twin/$name" "is a twin, but no negation"
  elif [ -n "${twins[$name]-}" ]; then
    ok "twin/$name"
  else
    fail "twin/$name" "has no twin in twins.txt"
  fi
done

# A smoke test: `coqc` of a file in which one word is another. That the script fails does not show that
# the changed statement is false: a true one may need another script. The twins above show that.
smoke() {
  local file=$1 name=$2 from=$3 to=$4 text rest wrong line at
  text=$(cat "$file.v")
  rest=${text#*"$from"}
  if [ "$rest" = "$text" ] || [ "${rest#*"$from"}" != "$rest" ]; then
    fail "smoke/$name" "the words to replace do not stand once in $file.v"
    return
  fi
  wrong=$build/broken/$file.v
  printf '%s\n' "${text%%"$from"*}$to$rest" > "$wrong"
  if said=$(compile "$wrong"); then
    fail "smoke/$name" "the script does not notice the change"
    return
  fi
  line=$(sed -nE 's/^File .*, line ([0-9]+), characters.*/\1/p' <<< "$said" | head -n 1)
  at=$(head -n "${line:-0}" "$wrong" | sed -nE "s/^(Theorem|Lemma) ([A-Za-z0-9_']+).*/\\2/p" | tail -n 1)
  if [ "$at" = "$name" ]; then
    ok "smoke/$name"
  else
    fail "smoke/$name" "failed in ${at:-nothing} instead"
  fi
}
# shellcheck source=smoke.sh
source ./smoke.sh

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
[ "$failed" -eq 0 ] && echo "coq: ${#theorems[@]} theorems, ${#is_twin[@]} of them twins of the others" >&2
exit "$failed"
