(* Broken twins of Masks.v, Shamir.v, Locate.v and Release.v: each theorem here says of a statement like
   one there, with one condition, one share or one check left out, that it is false.

   By a counterexample in the smallest case: Z_5 or F_5, one or two parties. twins.txt names the theorem
   to which each belongs. Does not show: that every condition of a theorem is needed. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Haima Require Import Masks Shamir Locate Release.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Lemma one_is_empty (T : finType) (p q : pred T) (a : T) :
  p a -> (forall t, ~~ q t) -> ~ #|[set t | p t]| = #|[set t | q t]|.
Proof.
move=> pa none; have -> : [set t | q t] = set0 by apply/setP=> t; rewrite !inE (negbTE (none t)).
by rewrite cards0 => /eqP; rewrite cards_eq0 => /eqP/setP/(_ a); rewrite !inE pa.
Qed.

(* Masks. Of a pad that is not drawn from the whole group, or is used twice, the message shows. *)
Theorem one_time_pad_needs_every_key :
  ~ forall (K : {set 'Z_5}) (m0 m1 c : 'Z_5),
      #|[set k | (k \in K) && (m0 + k == c)]| = #|[set k | (k \in K) && (m1 + k == c)]|.
Proof.
move=> /(_ [set 0] 0 1 0); apply: (one_is_empty (a := 0)); first by rewrite inE.
by move=> k; rewrite inE; apply/negP => /andP[/eqP ->].
Qed.

Theorem one_time_pad_used_twice :
  ~ forall m0 m1 c : 'Z_5 * 'Z_5,
      #|[set k | (m0.1 + k == c.1) && (m0.2 + k == c.2)]|
      = #|[set k | (m1.1 + k == c.1) && (m1.2 + k == c.2)]|.
Proof.
move=> /(_ (0, 0) (0, 1) (0, 0)); apply: (one_is_empty (a := 0)) => // k /=.
by apply/negP => /andP[/eqP]; rewrite add0r => ->.
Qed.

(* All shares but the first. *)
Theorem one_share_is_missing :
  ~ forall (v : 'Z_5) (r : {ffun 'I_1 -> 'Z_5}), \sum_(i < 1) split v r (lift ord0 i) = v.
Proof. by move=> /(_ 1 0) /eqP; rewrite big_ord1 splitS ffunE. Qed.

(* Two parties that have added up other sites. *)
Theorem aggregates_of_other_sites :
  ~ forall (P Q : pred 'I_1) (v : 'I_1 -> 'Z_5) (r : 'I_1 -> {ffun 'I_1 -> 'Z_5}),
      \sum_(i | P i) split (v i) (r i) ord0 + \sum_(i | Q i) split (v i) (r i) (lift ord0 ord0)
      = \sum_(i | P i) v i.
Proof.
move=> /(_ xpredT xpred0 (fun=> 0) (fun=> [ffun=> 1])) /eqP.
by rewrite big_pred0_eq !big_ord1 split0 big_ord1 ffunE.
Qed.

(* Two ends of a pair that expand two seeds. *)
Theorem masks_need_one_seed_a_pair :
  ~ forall s : 'I_2 -> 'I_2 -> 'Z_5, \sum_i \sum_j signed s i j = 0.
Proof.
move=> /(_ (fun i j => if (i < j)%N then 1 else 0)) /eqP.
by rewrite !big_ord_recl !big_ord0.
Qed.

(* The masks of the gone, put on once more in place of taken off. *)
Theorem unmasking_with_the_other_sign :
  ~ forall (s : 'I_2 -> 'I_2 -> 'Z_5) (x b : 'I_2 -> 'Z_5) (C U : {set 'I_2}),
      (forall i j, s i j = s j i) -> U \subset C ->
      \sum_(i in U) masked s C x b i - \sum_(i in U) b i
        + \sum_(gone in C :\: U) \sum_(i in U) (if (i < gone)%N then s i gone else - s i gone)
      = \sum_(i in U) x i.
Proof.
move=> /(_ (fun _ _ => 1) (fun=> 0) (fun=> 0) setT [set ord0] (fun _ _ => erefl) (subsetT _)) /eqP.
have -> : setT :\: [set ord0] = [set ord_max] :> {set 'I_2}.
  by apply/setP=> i; rewrite !inE; case: i => [[|[|i]] ?].
by rewrite !big_set1 /masked big_mkcond !big_ord_recl big_ord0 !inE.
Qed.

(* A survivor whose seeds nobody shares. *)
Theorem unmask_needs_survivors_that_shared :
  ~ forall (s : 'I_2 -> 'I_2 -> 'Z_5) (x b : 'I_2 -> 'Z_5) (C U : {set 'I_2}),
      (forall i j, s i j = s j i) ->
      unmask s C U b (\sum_(i in U) masked s C x b i) = \sum_(i in U) x i.
Proof.
move=> /(_ (fun _ _ => 1) (fun=> 0) (fun=> 0) [set ord_max] setT (fun _ _ => erefl)) /eqP.
rewrite /unmask setDT big_set0 !(big1 _ _ (fun=> 0)) // subr0 addr0.
rewrite big_mkcond !big_ord_recl big_ord0 !inE /masked !big_set1.
by [].
Qed.

(* Shamir. One point twice. *)
Lemma other (i : 'I_2) : rev_ord i != i.
Proof. by case: i => [[|[|i]] ?]. Qed.

Lemma weight_twice (i : 'I_2) : weight (fun=> 1 : 'F_5) i = 0.
Proof. by rewrite /weight (bigD1 (rev_ord i)) ?other //= subrr invr0 mulr0 mul0r. Qed.

Theorem reconstruct_needs_points_apart :
  ~ forall (x : 'I_2 -> 'F_5) (f : {poly 'F_5}), (size f <= 2)%N ->
      \sum_i weight x i * f.[x i] = f.[0].
Proof.
move=> /(_ (fun=> 1) 1%:P); rewrite size_polyC => /(_ isT) /eqP.
by rewrite big1 => [|i _]; rewrite ?hornerC // weight_twice mul0r.
Qed.

Lemma all_one_inj : injective (fun _ : 'I_1 => 1 : 'F_5).
Proof. by move=> i j _; rewrite !ord1. Qed.

Lemma weight_alone (i : 'I_1) : weight (fun=> 1 : 'F_5) i = 1.
Proof. by rewrite /weight big_pred0 // => j; rewrite !ord1. Qed.

(* A sum in which one dealer's polynomial has a degree too many. *)
Theorem one_dealer_spoils_the_sum :
  ~ forall (x : 'I_1 -> 'F_5) (f : 'I_2 -> {poly 'F_5}), injective x -> (size (f ord0) <= 1)%N ->
      \sum_j weight x j * (\sum_i (f i).[x j]) = \sum_i (f i).[0].
Proof.
move=> /(_ _ (fun i => if i == ord0 then 0%:P else 'X) all_one_inj); rewrite size_polyC => /(_ isT) /eqP.
by rewrite big_ord1 weight_alone !big_ord_recl !big_ord0 /= !hornerC !hornerX.
Qed.

(* A party whose point is 0 holds the secret. *)
Theorem a_party_at_zero_sees_the_secret :
  ~ forall (y z : 'I_1 -> 'F_5), injective y -> (forall i, y i != 0) -> injective z ->
      forall (s0 s1 : 'F_5) (w : 'I_1 -> 'F_5),
      #|[set v | [forall i, (deal y s0 v).[z i] == w i]]|
      = #|[set v | [forall i, (deal y s1 v).[z i] == w i]]|.
Proof.
have z_inj : injective (fun _ : 'I_1 => 0 : 'F_5) by move=> i j _; rewrite !ord1.
move=> /(_ _ _ all_one_inj (fun=> isT) z_inj 0 1 (fun=> 0)).
apply: (one_is_empty (a := [ffun=> 0])) => [|v].
  by apply/forallP=> i; rewrite deal0 //; apply: all_one_inj.
by apply/forallPn; exists ord0; rewrite deal0 //; apply: all_one_inj.
Qed.

(* Locate. *)
Lemma no_constant (x c : 'I_2 -> 'F_5) : c ord0 != c ord_max -> ~ codeword x 1 c.
Proof.
move=> differ [f /size1_polyC -> same]; have := same ord0; rewrite hornerC => c0.
by have := same ord_max; rewrite hornerC -c0 => e; rewrite e eqxx in differ.
Qed.

Theorem one_check_fewer_is_not_enough :
  ~ forall c, (forall k, (k + 2 < 2)%N -> syndrome at12 k c = 0) -> codeword at12 1 c.
Proof.
move=> /(_ one_each) suffices; apply: (@no_constant at12 one_each) => //; apply: suffices => k.
by rewrite ltnNge leq_addl.
Qed.

Theorem agrees_needs_points_apart :
  ~ forall (x c : 'I_2 -> 'F_5), agrees x 1 c -> codeword x 1 c.
Proof.
move=> /(_ (fun=> 1) one_each) suffices; apply: (@no_constant (fun=> 1) one_each) => //.
apply: suffices => k _; apply: big1 => i _.
by rewrite /factor (bigD1 (rev_ord i)) ?other //= subrr invr0 !mul0r.
Qed.

(* One check more than there are depends on the shares. *)
Theorem one_check_more_shows_the_shares :
  ~ forall (k : nat) (f : {poly 'F_5}) (c : 'I_1 -> 'F_5), (size f <= 1)%N ->
      syndrome (fun=> 1) k c = syndrome (fun=> 1) k (fun i => c i - f.[1]).
Proof.
move=> /(_ 0%N 1%:P (fun=> 1)); rewrite size_polyC => /(_ isT) /eqP.
by rewrite /syndrome !big_ord1 hornerC subrr mulr0 /factor big_pred0 // => j; rewrite !ord1.
Qed.

Lemma names_the_first : named at12 ('X - 1%:P) = [set ord0].
Proof. by apply/setP=> i; rewrite !inE root_XsubC; case: i => [[|[|i]] ?]. Qed.

(* A recurrence that is not a shortest one. *)
Theorem a_longer_recurrence_names_a_right_share :
  ~ forall (f tau : {poly 'F_5}) c, (size f <= 1)%N -> (2 * #|wrong at12 f c| + 1 <= 2)%N ->
      tau \is monic -> obeys at12 1 tau c -> named at12 tau = wrong at12 f c.
Proof.
move=> /(_ 0%:P ('X - 1%:P) (fun=> 0)); rewrite size_polyC eqxx names_the_first.
have -> : wrong at12 0%:P (fun=> 0) = set0 by apply/setP=> i; rewrite !inE hornerC eqxx.
rewrite cards0 => /(_ isT isT (monicXsubC _)) wrong_one.
have /wrong_one /setP/(_ ord0) : obeys at12 1 ('X - 1%:P) (fun=> 0).
  by move=> k; rewrite size_XsubC -addnA ltnNge leq_addl.
by rewrite !inE.
Qed.

(* Without looking whether the roots are as many as the order. *)
Theorem a_recurrence_without_its_roots_proves_nothing :
  ~ forall (tau : {poly 'F_5}) c, tau \is monic -> obeys at12 1 tau c ->
      (#|named at12 tau| + 1 <= 2)%N ->
      exists2 f : {poly 'F_5}, (size f <= 1)%N & wrong at12 f c \subset named at12 tau.
Proof.
move=> /(_ 'X one_each (monicX _)).
have -> : named at12 'X = set0.
  by apply/setP=> i; rewrite !inE rootE hornerX; case: i => [[|[|i]] ?].
rewrite cards0 => accepted; have [|//|f sf none] := accepted.
  by move=> k; rewrite size_polyX -addnA ltnNge leq_addl.
apply: (@no_constant at12 one_each) => //; exists f => // i.
move: none; rewrite subset0 => /eqP/setP/(_ i); rewrite !inE.
by move/negbFE/eqP.
Qed.

(* Without the recurrence: the roots alone. *)
Definition at123 (i : 'I_3) : 'F_5 := i.+1%:R.

Theorem roots_without_the_recurrence_prove_nothing :
  ~ forall (tau : {poly 'F_5}) c, tau \is monic -> #|named at123 tau| = (size tau).-1 ->
      (#|named at123 tau| + 1 <= 3)%N ->
      exists2 f : {poly 'F_5}, (size f <= 1)%N & wrong at123 f c \subset named at123 tau.
Proof.
move=> /(_ ('X - 1%:P) at123 (monicXsubC _)).
have -> : named at123 ('X - 1%:P) = [set ord0].
  by apply/setP=> i; rewrite !inE root_XsubC; case: i => [[|[|[|i]]] ?].
rewrite cards1 size_XsubC => /(_ erefl isT) [f /size1_polyC -> /subsetP sub].
have right (i : 'I_3) : i != ord0 -> at123 i = f`_0.
  by move=> away; apply/eqP; apply: contraNT away => bad; have := sub i; rewrite !inE hornerC; apply.
have := right ord_max isT; rewrite -(right (lift ord0 ord0) isT) => /eqP.
by [].
Qed.

(* Release. *)
Theorem a_right_share_is_never_seen :
  ~ forall d : 'I_1 -> 'F_5, (#|'F_5| * #|[set a | combined d a == 0%R]| = #|'F_5| ^ 1)%N.
Proof.
move=> /(_ (fun=> 0)); have -> : [set a | combined (fun _ : 'I_1 => 0 : 'F_5) a == 0] = setT.
  by apply/setP=> a; rewrite !inE /combined big1 ?eqxx // => i _; rewrite mulr0.
by rewrite cardsT card_ffun !card_ord => /eqP.
Qed.

(* To factors that are known beforehand there is a wrong share that they miss. *)
Theorem known_factors_are_dodged :
  ~ exists a : {ffun 'I_2 -> 'F_5}, forall (d : 'I_2 -> 'F_5) j, d j != 0 -> combined d a != 0.
Proof.
case=> a sees; have [a0|a0] := eqVneq (a ord0) 0.
  have := sees (fun i => if i == ord0 then 1 else 0) ord0 isT.
  by rewrite /combined big_ord_recl big_ord1 a0 mul0r mulr0 addr0 eqxx.
have := sees (fun i => if i == ord0 then a (lift ord0 ord0) else - a ord0) ord_max.
by rewrite /combined big_ord_recl big_ord1 /= mulrN mulrC subrr eqxx oppr_eq0 => /(_ a0).
Qed.

Theorem points_of_the_sum_have_the_noise :
  ~ forall (a noise : 'I_1 -> 'F_5) (f : 'I_1 -> {poly 'F_5}),
      (forall i, (size (f i) <= 1)%N /\ (f i).[0] = a i + noise i) ->
      exists g : {poly 'F_5},
        [/\ (size g <= 1)%N, forall x, point f x = g.[x] & g.[0] = \sum_i a i].
Proof.
move=> /(_ (fun=> 0) (fun=> 1) (fun=> 1%:P)) [i|g [_ /(_ 0) <-]].
  by rewrite size_polyC hornerC add0r.
by rewrite /point !big_ord1 hornerC => /eqP.
Qed.

(* A deal of a degree too many does not agree. *)
Theorem a_deal_of_a_higher_degree_shows :
  ~ forall (a noise : 'I_1 -> 'F_5) (f : 'I_1 -> {poly 'F_5}),
      (forall i, (f i).[0] = a i + noise i) -> agrees at12 1 (fun i => point f (at12 i)).
Proof.
move=> /(_ (fun=> 0) (fun=> 0) (fun=> 'X)) claim.
have ag : agrees at12 1 (fun i => point (fun _ : 'I_1 => 'X) (at12 i)).
  by apply: claim => i; rewrite hornerX addr0.
apply: no_constant ((@agrees_iff _ _ _ at12_inj 1 _ isT).1 ag).
by rewrite /point !big_ord1 !hornerX.
Qed.

(* One point twice, or one point fewer than the degree asks for. *)
Theorem a_quorum_needs_points_apart :
  ~ forall (a noise : 'I_1 -> 'F_5) (f : 'I_1 -> {poly 'F_5}) (y : 'I_2 -> 'F_5),
      (forall i, (size (f i) <= 2)%N /\ (f i).[0] = a i + noise i) ->
      \sum_j weight y j * point f (y j) = \sum_i a i + \sum_i noise i.
Proof.
move=> /(_ (fun=> 1) (fun=> 0) (fun=> 1%:P) (fun=> 1)) claim.
have : \sum_j weight (fun _ : 'I_2 => 1 : 'F_5) j * point (fun _ : 'I_1 => 1%:P) 1 = 1.
  rewrite claim => [|i]; first by rewrite !big_ord1 addr0.
  by rewrite size_polyC hornerC addr0.
by rewrite big1 => [/eqP|i _] //; rewrite weight_twice mul0r.
Qed.

Theorem a_quorum_needs_every_point :
  ~ forall (a noise : 'I_1 -> 'F_5) (f : 'I_1 -> {poly 'F_5}) (y : 'I_1 -> 'F_5), injective y ->
      (forall i, (size (f i) <= 2)%N /\ (f i).[0] = a i + noise i) ->
      \sum_j weight y j * point f (y j) = \sum_i a i + \sum_i noise i.
Proof.
move=> /(_ (fun=> 0) (fun=> 0) (fun=> 'X) _ all_one_inj) claim.
have : weight (fun _ : 'I_1 => 1 : 'F_5) ord0 * point (fun _ : 'I_1 => 'X) 1 = 0.
  by have := claim; rewrite !big_ord1 !addr0; apply=> i; rewrite size_polyX hornerX.
by rewrite weight_alone /point big_ord1 hornerX => /eqP.
Qed.
