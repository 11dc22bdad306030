(* Which shares are wrong, and the re-shared release.

   Stands for: crypto/src/shamir/locate.rs (`syndromes`, `locate_codeword`, `locate`, `recover`),
   crypto/src/reshare.rs (`deal`, `Point::add`, `combine`). A word is one value a party at m
   different points x; right shares are the values of one polynomial of degree below r.

   Assumes of the code: that `shortest_recurrence` returns a shortest recurrence (Massey 1969; tested
   against an oracle, not proven here).
   Does not show: anything about more than (m - r)/2 wrong shares but what is refused; a party that
   re-shares another value than its own is not seen by any of this. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Haima Require Import Shamir.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Locate.
Variables (F : fieldType) (m : nat) (x : 'I_m -> F).
Hypothesis x_inj : injective x.

(* v_i = 1 / prod_{j != i} (x_j - x_i), and S_k = sum_i v_i x_i^k c_i. *)
Definition factor (i : 'I_m) : F := \prod_(j | j != i) (x j - x i)^-1.
Definition syndrome (k : nat) (c : 'I_m -> F) : F := \sum_i factor i * x i ^+ k * c i.

Definition codeword (r : nat) (c : 'I_m -> F) : Prop :=
  exists2 f : {poly F}, (size f <= r)%N & forall i, c i = f.[x i].

(* The parties whose share is not the polynomial's. *)
Definition wrong (f : {poly F}) (c : 'I_m -> F) : {set 'I_m} := [set i | c i != f.[x i]].

Lemma Xn_nz k : 'X^k != 0 :> {poly F}.
Proof. by apply: monic_neq0; apply: monicXn. Qed.

Lemma size_locator (A : {pred 'I_m}) : size (\prod_(i in A) ('X - (x i)%:P)) = #|A|.+1.
Proof. by rewrite -big_enum size_prod_XsubC -cardE. Qed.

Lemma basis_top i : (basis x i)`_m.-1 = \prod_(j | j != i) (x i - x j)^-1.
Proof.
rewrite /basis scaler_prod coefZ; set p := \prod_(j | _) ('X - _).
have sp : size p = m.
  rewrite /p (size_locator (predC1 i)) cardC1 card_ord prednK //.
  exact: leq_ltn_trans (ltn_ord i).
have : p \is monic by apply: monic_prod_XsubC.
by rewrite monicE lead_coefE sp => /eqP ->; rewrite mulr1.
Qed.

Lemma syndrome_top (g : {poly F}) : (size g <= m)%N ->
  \sum_i factor i * g.[x i] = (-1) ^+ m.-1 * g`_m.-1.
Proof.
move=> sg; rewrite {2}(interpolate_uniq x_inj sg (fun i => erefl g.[x i])) /interpolate.
rewrite coef_sum mulr_sumr; apply: eq_bigr => i _; rewrite coefZ basis_top mulrCA [RHS]mulrC.
congr (_ * _); rewrite /factor (eq_bigr (fun j => - (x i - x j)^-1)) => [|j _].
  rewrite prodrN; congr (_ ^+ _ * _).
  by rewrite (eq_card (B := predC1 i)) // cardC1 card_ord.
by rewrite -invrN opprB.
Qed.

Lemma syndrome_poly k (f : {poly F}) : syndrome k (fun i => f.[x i]) =
  \sum_i factor i * ('X^k * f).[x i].
Proof. by apply: eq_bigr => i _; rewrite hornerM hornerXn mulrA. Qed.

Lemma size_shift k (f : {poly F}) : (size ('X^k * f)%R <= k + size f)%N.
Proof. by rewrite mulrC; apply: leq_trans (size_mul_leq _ _) _; rewrite size_polyXn addnS addnC. Qed.

Section Dimension.
Variable r : nat.

(* `locate_codeword` says "none": all m - r parity checks are zero. *)
Definition agrees (c : 'I_m -> F) : Prop := forall k, (k + r < m)%N -> syndrome k c = 0.

(* The checks are zero exactly for right shares. *)
Theorem agrees_iff c : (r <= m)%N -> agrees c <-> codeword r c.
Proof.
move=> rm; split=> [zero|[f sf same] k kr].
  exists (interpolate x c) => [|i]; last by rewrite interpolate_at.
  set f := interpolate x c; rewrite leqNgt; apply/negP => big.
  have sm : (size f <= m)%N by apply: size_interpolate.
  have f_nz : f != 0 by rewrite -size_poly_gt0 (leq_ltn_trans _ big).
  have kr : (m - size f + r < m)%N by rewrite -[X in (_ < X)%N](subnK sm) ltn_add2l.
  have sg : size ('X^(m - size f) * f : {poly F}) = m.
    by rewrite size_mul ?Xn_nz // size_polyXn addSn /= subnK.
  have := zero _ kr; have -> : syndrome (m - size f) c = syndrome (m - size f) (fun i => f.[x i]).
    by apply: eq_bigr => i _; rewrite interpolate_at.
  rewrite syndrome_poly syndrome_top ?sg //; apply/eqP.
  rewrite mulf_neq0 ?signr_eq0 // -[in m.-1]sg -lead_coefE lead_coef_eq0 mulf_neq0 ?Xn_nz //.
have -> : syndrome k c = syndrome k (fun i => f.[x i]).
  by apply: eq_bigr => i _; rewrite same.
have sg : (size ('X^k * f)%R < m)%N.
  by apply: leq_ltn_trans (size_shift _ _) (leq_ltn_trans _ kr); rewrite leq_add2l.
rewrite syndrome_poly syndrome_top ?(ltnW sg) //.
by rewrite nth_default ?mulr0 // -ltnS prednK // (leq_ltn_trans _ kr).
Qed.

(* Neither the secret nor a right share enters a branch: the checks are those of the errors. *)
Theorem syndrome_of_errors k (f : {poly F}) c : (size f <= r)%N -> (k + r < m)%N ->
  syndrome k c = syndrome k (fun i => c i - f.[x i]).
Proof.
move=> sf kr; have rm : (r <= m)%N by rewrite ltnW // (leq_ltn_trans _ kr) ?leq_addl.
have zero : syndrome k (fun i => f.[x i]) = 0.
  by have [_ back] := agrees_iff (fun i => f.[x i]) rm; apply: back => //; exists f.
rewrite -[LHS]subr0 -zero /syndrome -sumrB; apply: eq_bigr => i _; exact: esym (mulrBr _ _ _).
Qed.

(* Detection: from 1 to m - r wrong shares never pass for right ones. *)
Theorem detected (f : {poly F}) c : (size f <= r)%N -> (#|wrong f c| + r <= m)%N ->
  agrees c -> wrong f c = set0.
Proof.
move=> sf few ag; have rm : (r <= m)%N by apply: leq_trans few; apply: leq_addl.
have [g sg same] := (agrees_iff c rm).1 ag.
suff fg : f = g by apply/setP=> i; rewrite !inE same fg eqxx.
have many : (r <= #|~: wrong f c|)%N.
  by rewrite cardsCs setCK card_ord leq_subRL ?(leq_trans _ few) ?leq_addr.
apply: (agree_eq x_inj (leq_trans sf many) (leq_trans sg many)) => i.
by rewrite !inE negbK => /eqP <-.
Qed.

(* Uniqueness: within e of a word, 2 e <= m - r, there is one polynomial. *)
Theorem unique (f g : {poly F}) c e : (size f <= r)%N -> (size g <= r)%N ->
  (#|wrong f c| <= e)%N -> (#|wrong g c| <= e)%N -> (2 * e + r <= m)%N -> f = g.
Proof.
move=> sf sg wf wg few; set A := ~: (wrong f c :|: wrong g c).
have many : (r <= #|A|)%N.
  rewrite cardsCs setCK card_ord leq_subRL; last first.
    by rewrite -[X in (_ <= X)%N](card_ord m) max_card.
  apply: leq_trans few; rewrite leq_add2r mul2n -addnn.
  by apply: leq_trans (leq_add wf wg); rewrite cardsU leq_subr.
apply: (agree_eq x_inj (leq_trans sf many) (leq_trans sg many)) => i.
by rewrite !inE negb_or !negbK => /andP[/eqP <- /eqP <-].
Qed.

(* tau = z^L C(1/z) of a recurrence C of order L: sum_j tau_j S_(k+j) = 0 as long as there are
   checks. *)
Definition obeys (tau : {poly F}) (c : 'I_m -> F) : Prop := forall k,
  (k + (size tau).-1 + r < m)%N -> \sum_(j < size tau) tau`_j * syndrome (k + j) c = 0.

Definition shortest (tau : {poly F}) (c : 'I_m -> F) : Prop := [/\ tau \is monic, obeys tau c
  & forall tau', tau' \is monic -> obeys tau' c -> (size tau <= size tau')%N].

(* `vanishes`: the parties that are named. *)
Definition named (tau : {poly F}) : {set 'I_m} := [set i | root tau (x i)].

Lemma recurrenceE (tau : {poly F}) k c :
  \sum_(j < size tau) tau`_j * syndrome (k + j) c = syndrome k (fun i => tau.[x i] * c i).
Proof.
transitivity (\sum_(j < size tau) \sum_i tau`_j * (factor i * x i ^+ (k + j) * c i)).
  by apply: eq_bigr => j _; rewrite mulr_sumr.
rewrite exchange_big; apply: eq_bigr => i _ /=; rewrite horner_coef mulr_suml mulr_sumr.
apply: eq_bigr => j _; rewrite exprD mulrA [RHS]mulrA; congr (_ * _).
by rewrite mulrCA -!mulrA; congr (_ * _); rewrite mulrCA.
Qed.
End Dimension.

Section Named.
Variable r : nat.

Lemma obeys_codeword (tau : {poly F}) c : ((size tau).-1 + r <= m)%N -> obeys r tau c ->
  codeword ((size tau).-1 + r) (fun i => tau.[x i] * c i).
Proof.
move=> fits ob; apply/(agrees_iff _ fits) => k kr.
by rewrite -recurrenceE; apply: ob; rewrite -addnA.
Qed.

Lemma obeys_locator (f : {poly F}) c : (size f <= r)%N -> (#|wrong f c| + r <= m)%N ->
  obeys r (\prod_(i in wrong f c) ('X - (x i)%:P)) c.
Proof.
move=> sf few k; set tau := \prod_(i in _) _.
have st : size tau = #|wrong f c|.+1 by apply: size_locator.
rewrite recurrenceE st /= => kr.
have fits : (#|wrong f c| + r <= m)%N by [].
apply: ((agrees_iff _ fits).2); last by rewrite addnA.
exists (tau * f) => [|i]; first by apply: leq_trans (size_mul_leq _ _) _; rewrite st leq_add2l.
rewrite hornerM; have [->//|differ] := eqVneq (c i) f.[x i].
suff -> : tau.[x i] = 0 by rewrite !mul0r.
apply/eqP; rewrite horner_prod prodf_seq_eq0; apply/hasP; exists i; first exact: mem_index_enum.
by rewrite inE differ hornerXsubC subrr eqxx.
Qed.

Lemma obeys_vanishes (f tau : {poly F}) c : (size f <= r)%N -> tau != 0 ->
  ((size tau).-1 + #|wrong f c| + r <= m)%N -> obeys r tau c -> wrong f c \subset named tau.
Proof.
move=> sf nz few ob; set L := (size tau).-1.
have fits : (L + r <= m)%N by apply: leq_trans few; rewrite leq_add2r leq_addr.
have [h sh same] := obeys_codeword fits ob.
have many : (L + r <= #|~: wrong f c|)%N.
  rewrite cardsCs setCK card_ord leq_subRL 1?addnCA ?addnA //.
  by rewrite -[X in (_ <= X)%N](card_ord m) max_card.
have stf : (size (tau * f)%R <= L + r)%N.
  apply: leq_trans (size_mul_leq _ _) _; rewrite /L -[size tau]prednK ?size_poly_gt0 //.
  by rewrite addSn /= leq_add2l.
have hE : h = tau * f.
  apply: (agree_eq x_inj (leq_trans sh many) (leq_trans stf many)) => i.
  by rewrite !inE negbK => /eqP e; rewrite -same hornerM e.
apply/subsetP=> i; rewrite !inE => differ; apply: contraT => nroot.
by move: (same i); rewrite hE hornerM => /(mulfI nroot) e; rewrite e eqxx in differ.
Qed.

(* Location: with at most (m - r)/2 wrong shares, the roots of the shortest recurrence are the wrong
   ones, all of them and no other, and their number is its order (what the code checks). *)
Theorem locate_names (f tau : {poly F}) c : (size f <= r)%N -> (2 * #|wrong f c| + r <= m)%N ->
  shortest r tau c -> named tau = wrong f c /\ (size tau).-1 = #|wrong f c|.
Proof.
move=> sf few [mon ob least]; set E := wrong f c in few *.
have fewE : (#|E| + r <= m)%N by apply: leq_trans few; rewrite leq_add2r leq_pmull.
set sigma := \prod_(i in E) ('X - (x i)%:P).
have ss : size sigma = #|E|.+1 by apply: size_locator.
have st : (size tau <= #|E|.+1)%N.
  by rewrite -ss; apply: least; [apply: monic_prod_XsubC | apply: obeys_locator].
have nz : tau != 0 by apply: monic_neq0.
have fits : ((size tau).-1 + #|E| + r <= m)%N.
  apply: leq_trans few; rewrite leq_add2r mul2n -addnn leq_add2r.
  by rewrite -ltnS prednK ?size_poly_gt0.
have sub := obeys_vanishes sf nz fits ob.
have le_roots : (#|named tau| < size tau)%N.
  have := @max_poly_roots _ tau [seq x i | i in named tau] nz.
  rewrite size_map -cardE; apply; last by rewrite map_inj_uniq // enum_uniq.
  by apply/allP=> _ /imageP[i iN ->]; move: iN; rewrite inE.
have eqE : wrong f c = named tau.
  apply/eqP; rewrite eqEcard sub /=.
  by rewrite -ltnS; apply: leq_trans le_roots st.
split; first by rewrite -eqE.
apply/eqP; rewrite eqn_leq -ltnS prednK ?size_poly_gt0 // st /=.
by rewrite /E eqE -ltnS prednK ?size_poly_gt0.
Qed.

(* What is accepted: when the roots are as many as the order, the shares that are not named lie on
   one polynomial of degree below r, whatever was done to the others. *)
Theorem locate_accepts (tau : {poly F}) c : tau \is monic -> obeys r tau c ->
  #|named tau| = (size tau).-1 -> (#|named tau| + r <= m)%N ->
  exists2 f : {poly F}, (size f <= r)%N & wrong f c \subset named tau.
Proof.
move=> mon ob roots fits; have nz : tau != 0 by apply: monic_neq0.
rewrite roots in fits; have [h sh same] := obeys_codeword fits ob.
have tauE : tau = \prod_(z <- [seq x i | i in named tau]) ('X - z%:P).
  rewrite [LHS](@all_roots_prod_XsubC _ _ [seq x i | i in named tau]).
  - by rewrite (monicP mon) scale1r.
  - by rewrite size_map -cardE roots prednK ?size_poly_gt0.
  - by apply/allP=> _ /imageP[i iN ->]; move: iN; rewrite inE.
  - by rewrite uniq_rootsE map_inj_uniq // enum_uniq.
have : tau %| h.
  rewrite tauE; apply: uniq_roots_dvdp.
    apply/allP=> _ /imageP[i iN ->]; move: iN; rewrite inE !rootE -same => /eqP ->.
    by rewrite mul0r.
  by rewrite uniq_rootsE map_inj_uniq // enum_uniq.
move/dvdpP=> [f hE]; exists f => [|].
  have [->|f_nz] := eqVneq f 0; first by rewrite size_poly0.
  move: sh; rewrite hE size_mul // -{1}[size tau]prednK ?size_poly_gt0 // addnS /= addnC.
  by rewrite leq_add2l.
apply/subsetP=> i; rewrite !inE => differ; apply: contraT => nroot.
by move: (same i); rewrite hE hornerM [RHS]mulrC => /(mulfI nroot) e; rewrite e eqxx in differ.
Qed.
End Named.
End Locate.
