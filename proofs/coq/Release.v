(* Random combinations, the re-shared release, and the broken twins of Locate.v.

   Stands for: crypto/src/shamir/locate.rs (`locate`: random factors), crypto/src/reshare.rs (`deal`,
   `Point::add`, `combine`).

   Does not show: that the factors are unknown to the parties when they give their shares; it is what
   the count stands on. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Haima Require Import Shamir Locate.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Combination.
Variables (F : finFieldType) (n : nat) (d : 'I_n -> F) (j : 'I_n).
(* A share that is wrong somewhere: d is its error. *)
Hypothesis d_nz : d j != 0.

Definition combined (a : {ffun 'I_n -> F}) : F := \sum_i a i * d i.

(* One in |F| vectors of factors misses it. *)
Theorem combination_count : (#|F| * #|[set a | combined a == 0%R]| = #|F| ^ n)%N.
Proof.
pose bump t : {ffun 'I_n -> F} := [ffun i => if i == j then t / d j else 0].
have bumped a t : combined (a + bump t) = combined a + t.
  have bump_t : \sum_i bump t i * d i = t.
    rewrite (bigD1 j) //= ffunE eqxx divfK // big1 ?addr0 // => i ij.
    by rewrite ffunE (negbTE ij) mul0r.
  rewrite -[in RHS]bump_t /combined -big_split; apply: eq_bigr => i _ /=.
  by rewrite [(a + _) i]ffunE mulrDl.
have same t : #|[set a | combined a == t]| = #|[set a | combined a == 0]|.
  rewrite -[RHS](card_imset _ (addIr (bump t))); apply: eq_card => a; rewrite inE.
  apply/eqP/imsetP => [at_t|[b + ->]].
    exists (a - bump t); last by rewrite subrK.
    by rewrite inE -(inj_eq (addIr t)) -bumped subrK add0r at_t.
  by rewrite inE bumped => /eqP ->; rewrite add0r.
have total : (\sum_t #|[set a | combined a == t]| = #|F| ^ n)%N.
  rewrite -[in RHS](card_ord n) -card_ffun -[RHS]sum1_card (partition_big combined xpredT) //=.
  by apply: eq_bigr => t _; rewrite sum1dep_card.
by rewrite -total (eq_bigr (fun=> #|[set a | combined a == 0]|)) ?sum_nat_const.
Qed.
End Combination.

Section Reshare.
Variables (F : fieldType) (k r : nat) (a noise : 'I_k -> F) (f : 'I_k -> {poly F}).
(* `deal`: party i shares its additive share with its noise, any r of k reconstruct. *)
Hypothesis dealt : forall i, (size (f i) <= r)%N /\ (f i).[0] = a i + noise i.

(* `Point::add`: what the party at x holds in the end. *)
Definition point (x : F) : F := \sum_i (f i).[x].

(* It is a point of one polynomial of degree below r, whose value at 0 is the noised sum. *)
Theorem points_of_the_sum : exists g : {poly F},
  [/\ (size g <= r)%N, forall x, point x = g.[x] & g.[0] = \sum_i a i + \sum_i noise i].
Proof.
exists (\sum_i f i); split => [|x|].
- apply: leq_trans (size_sum _ _ _) _; apply/bigmax_leqP => i _.
  by have [] := dealt i.
- by rewrite horner_sum.
- rewrite horner_sum -big_split; apply: eq_bigr => i _.
  by have [] := dealt i.
Qed.

(* Any r points release it, the same value for every quorum. *)
Theorem any_quorum (y : 'I_r -> F) : injective y ->
  \sum_j weight y j * point (y j) = \sum_i a i + \sum_i noise i.
Proof.
move=> y_inj; rewrite /point reconstruct_sum // => [|i]; last by have [] := dealt i.
by rewrite -big_split; apply: eq_bigr => i _; have [] := dealt i.
Qed.

(* Broken twin: whatever values were dealt, the points agree; a false deal is not noticed. *)
Theorem a_false_deal_agrees m (x : 'I_m -> F) : injective x -> (r <= m)%N ->
  agrees x r (fun i => point (x i)).
Proof.
move=> x_inj rm; apply/(agrees_iff x_inj _ rm).
by have [g [sg same _]] := points_of_the_sum; exists g.
Qed.
End Reshare.

(* Broken twins of detection, uniqueness and location: one wrong share more than the theorems allow, of
   two shares (at 1 and 2, over Z_5) of which one reconstructs. *)
Definition at12 (i : 'I_2) : 'F_5 := i.+1%:R.

Lemma at12_inj : injective at12.
Proof. by move=> [[|[|i]] ?] [[|[|j]] ?] // /eqP _; apply/val_inj. Qed.

Lemma wrong_const (a b : 'F_5) : a != b -> wrong at12 b%:P (fun=> a) = setT.
Proof. by move=> ab; apply/setP=> i; rewrite !inE hornerC. Qed.

Theorem one_error_more_is_not_detected :
  ~ forall (f : {poly 'F_5}) c, (size f <= 1)%N -> (#|wrong at12 f c| + 1 <= 2 + 1)%N ->
      agrees at12 1 c -> wrong at12 f c = set0.
Proof.
move=> /(_ 0%:P (fun=> 1)); rewrite size_polyC wrong_const // cardsT card_ord => /(_ isT isT) none.
have /setP/(_ ord0) : [set: 'I_2] = set0; last by rewrite !inE.
apply: none; apply/(agrees_iff at12_inj) => //.
by exists 1%:P => [|i]; rewrite ?hornerC // size_polyC leq_b1.
Qed.

Definition one_each (i : 'I_2) : 'F_5 := i%:R.

Lemma wrong_one_each0 : wrong at12 0%:P one_each = [set ord_max].
Proof. by apply/setP=> i; rewrite !inE hornerC; case: i => [[|[|i]] ?]. Qed.

Lemma wrong_one_each1 : wrong at12 1%:P one_each = [set ord0].
Proof. by apply/setP=> i; rewrite !inE hornerC; case: i => [[|[|i]] ?]. Qed.

Theorem one_error_more_is_not_unique :
  ~ forall (f g : {poly 'F_5}) c e, (size f <= 1)%N -> (size g <= 1)%N ->
      (#|wrong at12 f c| <= e)%N -> (#|wrong at12 g c| <= e)%N -> (2 * e + 1 <= 2 + 1)%N -> f = g.
Proof.
move=> /(_ 0%:P 1%:P one_each 1%N); rewrite !size_polyC wrong_one_each0 wrong_one_each1 !cards1.
by move=> /(_ isT isT isT isT isT) /polyC_inj /eqP.
Qed.

(* The right share is named in the wrong one's place. *)
Theorem one_error_more_names_a_right_share :
  ~ forall (f tau : {poly 'F_5}) c, (size f <= 1)%N -> (2 * #|wrong at12 f c| + 1 <= 2 + 1)%N ->
      shortest at12 1 tau c -> named at12 tau = wrong at12 f c.
Proof.
move=> /(_ 0%:P ('X - 1%:P) one_each); rewrite size_polyC wrong_one_each0 cards1.
have wrong_named : named at12 ('X - 1%:P) = [set ord0].
  by apply/setP=> i; rewrite !inE root_XsubC; case: i => [[|[|i]] ?].
move=> /(_ isT isT) named_right; suff /named_right : shortest at12 1 ('X - 1%:P) one_each.
  by rewrite wrong_named => /setP/(_ ord0); rewrite !inE.
split; first exact: monicXsubC.
- by move=> k; rewrite size_XsubC -addnA ltnNge leq_addl.
move=> tau mon ob; rewrite size_XsubC ltnNge; apply/negP => small.
have tau1 : tau = 1.
  have := size1_polyC small; move: mon => /[swap] ->; rewrite monicE lead_coefC => /eqP ->.
  by [].
have := ob 0%N; rewrite tau1 size_poly1 big_ord1 coef1 mul1r => /(_ isT).
have few : (#|wrong at12 0%:P one_each| + 1 <= 2)%N by rewrite wrong_one_each0 cards1.
move=> zero; have size0 : (size (0%:P : {poly 'F_5}) <= 1)%N by rewrite size_polyC.
have ag : agrees at12 1 one_each by case=> [_|k]; [exact: zero | rewrite addn1].
by have := detected at12_inj size0 few ag; rewrite wrong_one_each0 => /setP/(_ ord_max); rewrite !inE.
Qed.
