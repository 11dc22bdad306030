# A smoke test, sourced by run.sh: a word changed in a file that holds.
#
# `smoke FILE NAME FROM TO` puts TO in the place of FROM, which must occur once in FILE.v, and demands
# that the same script then fails inside NAME. It shows that the script is about the words that stand
# there. It does not show that the changed statement is false, for a true one may need another script:
# that is what twins.txt is for.

# Masks
smoke Masks signed_cancel 'then - s i j else 0' 'then s i j else 0'
smoke Masks unmask_sum '(if (i < gone)%N then - s i gone else s i gone)' \
  '(if (i < gone)%N then s i gone else - s i gone)'
smoke Masks additive_secrecy '(j : '"'"'I_k.+1) (w : '"'"'I_k -> G) :
  #|[set r | [forall i, split v0 r (lift j i) == w i]]|
  = #|[set r | [forall i, split v1 r (lift j i) == w i]]|.' '(w : '"'"'I_k.+1 -> G) :
  #|[set r | [forall i, split v0 r i == w i]]| = #|[set r | [forall i, split v1 r i == w i]]|.'
# Shamir: one share fewer, one difference fewer, a party at the point of the secret.
smoke Shamir reconstruct 'Theorem reconstruct (f : {poly F}) : (size f <= m)%N' \
  'Theorem reconstruct (f : {poly F}) : (size f <= m.+1)%N'
smoke Shamir differences_vanish '(p : {poly F}) : (size p <= r)%N' '(p : {poly F}) : (size p <= r.+1)%N'
smoke Shamir view_count '(z_nz : forall i, z i != 0)' '(z_nz : forall i, z i == z i)'
# Locate: one check fewer, one wrong share more.
smoke Locate agrees_iff 'forall k, (k + r < m)%N -> syndrome k c = 0.' \
  'forall k, (k + r.+1 < m)%N -> syndrome k c = 0.'
smoke Locate detected '(#|wrong f c| + r <= m)%N ->
  agrees c' '(#|wrong f c| + r <= m.+1)%N ->
  agrees c'
smoke Locate unique '(2 * e + r <= m)%N -> f = g' '(2 * e + r <= m.+1)%N -> f = g'
smoke Locate locate_names '(2 * #|wrong f c| + r <= m)%N' '(2 * #|wrong f c| + r <= m.+1)%N'
# Release: the sum without the noise; factors that miss more rarely than they do.
smoke Release combination_count '== 0%R]| = #|F| ^ n)%N.' '== 0%R]| = #|F| ^ n.-1)%N.'
smoke Release points_of_the_sum 'g.[0] = \sum_i a i + \sum_i noise i]' 'g.[0] = \sum_i a i]'
# FixedPoint: p for p/2.
smoke FixedPoint no_wrap_around '(2 * (n * B + k * (40 * s)) < m)%N' '(n * B + k * (40 * s) < m)%N'
# Sensitivity: rounding down for truncation; no sqrt(d).
smoke Sensitivity truncateN 'sgz (numq q) * (`|numq q| %/ `|denq q|)%N%:Z' '(numq q %/ denq q)%Z'
smoke Sensitivity truncated_once '<= (a + s) ^+ 2.' '<= a ^+ 2.'
# PINE: half the distance, a smaller moment, the draft's condition, the past bound with the margin.
smoke Pine not_both 'Lemma not_both s a : (2 * W)%N%:Z <=' 'Lemma not_both s a : W%:Z <='
smoke PineMoments fourth_moment 'rows d * (norm2 z ^+ 2 *+ 3).' 'rows d * (norm2 z ^+ 2 *+ 2).'
smoke PineSoundness pass_near '(80 * W ^ 2 <= q)%N' '(W ^ 2 <= 4000 * q)%N'
smoke PineBounds past_the_bound_64 'accepted_past q64 (2 ^ 31) (2 ^ 35) (2 ^ 32)' \
  'accepted_past q64 (2 ^ 24) (2 ^ 28) (2 ^ 32)'
