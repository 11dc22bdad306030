(* Additive shares and cancelling masks.

   Stands for: crypto/src/share.rs (`split`, `Aggregate`, `combine`), crypto/src/secagg/client.rs
   (`Ready::mask`), crypto/src/secagg/unmasking.rs (`Unmasking::unmask`). G is any finite
   commutative group: vectors over Z_p, or over the ring Z_2^b of the masked mode.

   Does not show: that an expanded seed is uniform (an assumption on AES and ChaCha20), nor anything
   about who is shown which set of sites (the argument in client.rs; Verifpal models). *)
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section OneTimePad.
Variable G : finZmodType.

(* Each ciphertext comes of exactly one mask. *)
Lemma mask_count (m c : G) : #|[set k : G | m + k == c]| = 1%N.
Proof.
rewrite (_ : [set k | _] = [set c - m]) ?cards1 //.
by apply/setP=> k; rewrite !inE (can2_eq (addKr m) (addNKr m)) addrC.
Qed.

(* Perfect secrecy: a ciphertext is as likely for one message as for any other. *)
Theorem one_time_pad (m0 m1 c : G) :
  #|[set k : G | m0 + k == c]| = #|[set k : G | m1 + k == c]|.
Proof. by rewrite !mask_count. Qed.
End OneTimePad.

Section Additive.
Variables (G : finZmodType) (k : nat).

(* `split`: shares 1 to k are uniform, share 0 makes the sum right. *)
Definition split (v : G) (r : {ffun 'I_k -> G}) : {ffun 'I_k.+1 -> G} :=
  [ffun j => if unlift ord0 j is Some i then r i else v - \sum_i r i].

Lemma split0 v r : split v r ord0 = v - \sum_i r i.
Proof. by rewrite ffunE unlift_none. Qed.

Lemma splitS v r i : split v r (lift ord0 i) = r i.
Proof. by rewrite ffunE liftK. Qed.

(* `combine`: all shares give the vector. *)
Theorem split_sum v r : \sum_j split v r j = v.
Proof.
rewrite big_ord_recl split0 [X in _ + X](eq_bigr r) ?subrK // => i _.
by rewrite splitS.
Qed.

Lemma split_other v r j : split v r j = v - \sum_i split v r (lift j i).
Proof. by rewrite -[X in X - _](split_sum v r) (bigD1_ord j) //= addrK. Qed.

(* Any k of k + 1 shares: each view comes of exactly one choice of the randomness. *)
Lemma split_view_count v (j : 'I_k.+1) (w : 'I_k -> G) :
  #|[set r | [forall i, split v r (lift j i) == w i]]| = 1%N.
Proof.
pose s l := if unlift j l is Some i then w i else v - \sum_i w i.
pose r0 := [ffun i => s (lift ord0 i)].
rewrite (_ : [set r | _] = [set r0]) ?cards1 //.
have sw i : s (lift j i) = w i by rewrite /s liftK.
have sj : s j = v - \sum_i w i by rewrite /s unlift_none.
have ssum : \sum_l s l = v.
  by rewrite (bigD1_ord j) //= sj [X in _ + X](eq_bigr w) ?subrK // => i _; exact: sw.
apply/setP=> r; rewrite !inE; apply/forallP/eqP=> [view|-> i].
  apply/ffunP=> i; rewrite ffunE -(splitS v r i); case: (unliftP j (lift ord0 i)) => [l ->|->].
    by rewrite sw (eqP (view l)).
  by rewrite split_other sj; congr (_ - _); apply: eq_bigr => l _; apply/eqP.
rewrite -sw; apply/eqP; case: (unliftP ord0 (lift j i)) => [l ->|->]; first by rewrite splitS ffunE.
have vE : v = s ord0 + \sum_i r0 i.
  by rewrite -ssum big_ord_recl; congr (_ + _); apply: eq_bigr => l _; rewrite ffunE.
by rewrite split0 [in LHS]vE addrK.
Qed.

(* Perfect secrecy of additive shares against all parties but one. *)
Theorem additive_secrecy (v0 v1 : G) (j : 'I_k.+1) (w : 'I_k -> G) :
  #|[set r | [forall i, split v0 r (lift j i) == w i]]|
  = #|[set r | [forall i, split v1 r (lift j i) == w i]]|.
Proof. by rewrite !split_view_count. Qed.

(* `Aggregate`: sums of shares are shares of the sum, whoever is in it. *)
Theorem aggregate_sum (I : finType) (P : pred I) (v : I -> G) (r : I -> {ffun 'I_k -> G}) :
  \sum_j \sum_(i | P i) split (v i) (r i) j = \sum_(i | P i) v i.
Proof. by rewrite exchange_big; apply: eq_bigr => i _; apply: split_sum. Qed.

(* Broken twin: all k + 1 shares hide nothing. *)
Theorem no_secrecy_of_all_shares (v0 v1 : G) : v0 != v1 ->
  ~ forall w : {ffun 'I_k.+1 -> G},
      #|[set r | split v0 r == w]| = #|[set r | split v1 r == w]|.
Proof.
move=> differ same; have := same (split v0 0).
suff -> : [set r | split v1 r == split v0 0] = set0.
  by rewrite cards0 => /eqP; rewrite cards_eq0 => /eqP/setP/(_ 0); rewrite !inE eqxx.
apply/setP=> r; rewrite !inE; apply: contraNF differ => /eqP e.
by rewrite -(split_sum v0 0) -(split_sum v1 r) e.
Qed.
End Additive.

Section Cancelling.
Variables (G : zmodType) (n : nat) (s : 'I_n -> 'I_n -> G).
(* Both ends of a pair expand one seed. *)
Hypothesis s_sym : forall i j, s i j = s j i.

(* A site adds the masks that it shares with sites after it, and subtracts the others. *)
Definition signed (i j : 'I_n) : G :=
  if (i < j)%N then s i j else if (j < i)%N then - s i j else 0.

(* Pairwise masks cancel over any set of sites. *)
Lemma signed_cancel (U : {set 'I_n}) : \sum_(i in U) \sum_(j in U) signed i j = 0.
Proof.
pose up (i j : 'I_n) : G := if (i < j)%N then s i j else 0.
have split_up i j : signed i j = up i j - up j i.
  rewrite /signed /up; case: (ltngtP i j) => _; rewrite ?subr0 ?sub0r //.
  by rewrite s_sym.
under eq_bigr => i _ do (under eq_bigr => j _ do rewrite split_up).
under eq_bigr => i _ do rewrite sumrB.
by rewrite sumrB [X in _ - X]exchange_big /= subrr.
Qed.

(* `Ready::mask`: what site i sends when C have shared; b is the own mask. *)
Definition masked (C : {set 'I_n}) (x b : 'I_n -> G) (i : 'I_n) : G :=
  x i + b i + \sum_(j in C) signed i j.

(* `Unmasking::unmask`: off the sum over the survivors U come their own masks, and each mask of a
   survivor with a site that is gone: subtracted when that site comes after, added otherwise. *)
Definition unmask (C U : {set 'I_n}) (b : 'I_n -> G) (sum : G) : G :=
  sum - \sum_(i in U) b i
  + \sum_(gone in C :\: U) \sum_(i in U) (if (i < gone)%N then - s i gone else s i gone).

Theorem unmask_sum (C U : {set 'I_n}) (x b : 'I_n -> G) : U \subset C ->
  unmask C U b (\sum_(i in U) masked C x b i) = \sum_(i in U) x i.
Proof.
move=> UC; rewrite /unmask /masked !big_split /=.
have -> : \sum_(i in U) \sum_(j in C) signed i j
    = \sum_(gone in C :\: U) \sum_(i in U) signed i gone.
  rewrite (eq_bigr (fun i => \sum_(j in U) signed i j + \sum_(j in C :\: U) signed i j)).
    by rewrite big_split /= signed_cancel add0r exchange_big.
  by move=> i _; rewrite (big_setID U) /= (setIidPr UC).
rewrite [\sum_(i in U) x i + _ + _]addrAC addrK.
rewrite -addrA -big_split /= [X in _ + X]big1 ?addr0 // => gone; rewrite inE => /andP[away _].
rewrite -big_split big1 //= => i inU; rewrite /signed.
have differ : nat_of_ord i != gone.
  by apply: contra away => /eqP/val_inj <-.
by case: (ltngtP i gone) differ => //= _ _; rewrite ?subrr ?addNr.
Qed.
End Cancelling.

Section MaskedView.
Variables (G : finZmodType) (n : nat).
Local Notation masks := {ffun 'I_n.+1 * 'I_n.+1 -> G}.

(* One uniform mask a pair i < j. *)
Definition of_pair (s : masks) (i j : 'I_n.+1) : G := if (i < j)%N then s (i, j) else s (j, i).

Definition view (x : 'I_n.+1 -> G) (s : masks) (i : 'I_n.+1) : G :=
  x i + \sum_j signed (of_pair s) i j.

Lemma view_shift x s t i : view x (s + t) i = view x s i + \sum_j signed (of_pair t) i j.
Proof.
rewrite /view -addrA -big_split; congr (_ + _); apply: eq_bigr => j _ /=.
by rewrite /signed /of_pair; case: (ltngtP i j) => _; rewrite ?ffunE ?opprD ?addr0.
Qed.

(* What moves one vector of inputs to another of the same sum: masks between site 0 and each. *)
Lemma bridge (d : 'I_n.+1 -> G) : \sum_i d i = 0 ->
  exists t : masks, forall i, \sum_j signed (of_pair t) i j = d i.
Proof.
move=> sum0; exists [ffun ij => if ij.1 == ord0 then - d ij.2 else 0] => i.
case: (unliftP ord0 i) => [l ->|->].
  rewrite (bigD1 ord0) //= big1 ?addr0 => [|j jn0].
    by rewrite /signed /of_pair /= ffunE /= opprK.
  by rewrite /signed /of_pair; case: ltngtP => // _; rewrite ffunE //= (negbTE jn0) oppr0.
rewrite big_ord_recl {1}/signed ltnn add0r.
move: sum0; rewrite big_ord_recl => /eqP; rewrite addr_eq0 => /eqP ->.
rewrite -sumrN; apply: eq_bigr => l _.
by rewrite /signed /of_pair /= ffunE.
Qed.

(* Of the masked vectors of sites whose masks are unknown, the sum shows and nothing else: two
   families of inputs with one sum are equally likely. *)
Theorem masked_view_secrecy (x0 x1 : 'I_n.+1 -> G) (v : 'I_n.+1 -> G) :
  \sum_i x0 i = \sum_i x1 i ->
  #|[set s | [forall i, view x0 s i == v i]]| = #|[set s | [forall i, view x1 s i == v i]]|.
Proof.
move=> same; have sum0 : \sum_i (x0 i - x1 i) = 0 by rewrite sumrB same subrr.
have [t tE] := bridge sum0.
rewrite -(card_imset _ (addIr t)); apply: eq_card => s; rewrite inE.
have move_view s' i : view x1 (s' + t) i = view x0 s' i.
  by rewrite view_shift tE /view addrC addrA subrK.
apply/imsetP/forallP=> [[s' + ->] i|seen].
  by rewrite inE => /forallP/(_ i); rewrite move_view.
exists (s - t); last by rewrite subrK.
by rewrite inE; apply/forallP=> i; rewrite -move_view subrK.
Qed.
End MaskedView.

(* Broken twins, in Z_5 and two sites. *)
(* Without the minus sign the masks stay in the sum. *)
Theorem masks_without_sign_do_not_cancel :
  ~ forall (s : 'I_2 -> 'I_2 -> 'Z_5), (forall i j, s i j = s j i) ->
      \sum_i \sum_j (if i == j then 0 else s i j) = 0.
Proof.
move=> /(_ (fun _ _ => 1) (fun _ _ => erefl)) /eqP.
by rewrite !big_ord_recl !big_ord0.
Qed.

(* With the masks of a site that is gone left in, the sum is another. *)
Theorem masks_of_the_gone_must_come_off :
  ~ forall (s : 'I_2 -> 'I_2 -> 'Z_5) (x b : 'I_2 -> 'Z_5), (forall i j, s i j = s j i) ->
      \sum_(i in [set ord0]) masked s setT x b i - \sum_(i in [set ord0]) b i
      = \sum_(i in [set ord0]) x i.
Proof.
move=> /(_ (fun _ _ => 1) (fun _ => 0) (fun _ => 0) (fun _ _ => erefl)) /eqP.
by rewrite !big_set1 /masked big_mkcond !big_ord_recl big_ord0 !inE.
Qed.

(* Inputs of another sum are told apart. *)
Theorem masked_view_shows_the_sum :
  ~ forall (x0 x1 v : 'I_2 -> 'Z_5),
      #|[set s | [forall i, view x0 s i == v i]]| = #|[set s | [forall i, view x1 s i == v i]]|.
Proof.
move=> /(_ (fun _ => 0) (fun _ => 1) (fun _ => 0)).
have total (x : 'I_2 -> 'Z_5) s : \sum_i view x s i = \sum_i x i :> 'Z_5.
  rewrite /view big_split /=.
  have sym i j : of_pair s i j = of_pair s j i :> 'Z_5.
    by rewrite /of_pair; case: ltngtP => // /val_inj ->.
  suff -> : \sum_i \sum_j signed (of_pair s) i j = 0 by rewrite addr0.
  apply: etrans (signed_cancel sym setT); apply: eq_big => [i|i _]; first by rewrite inE.
  by apply: eq_bigl => j; rewrite inE.
have -> : [set s | [forall i, view (fun _ => 1) s i == 0 :> 'Z_5]] = set0
    :> {set {ffun 'I_2 * 'I_2 -> 'Z_5}}.
  apply/setP=> s; rewrite !inE; apply/forallP=> none; have := total (fun _ => 1) s.
  rewrite big1 => [|i _]; last exact/eqP.
  by rewrite !big_ord_recl big_ord0 => /eqP.
rewrite cards0 => /eqP; rewrite cards_eq0 => /eqP/setP/(_ 0); rewrite !inE.
move/forallP; case=> i; apply/eqP; rewrite /view add0r big1 // => j _.
by rewrite /signed /of_pair; case: ltngtP => // _; rewrite ffunE ?oppr0.
Qed.
