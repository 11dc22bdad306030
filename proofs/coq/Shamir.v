(* Shamir's sharing.

   Stands for: crypto/src/shamir.rs (`share`, `share_piece`, `Share::add`), crypto/src/shamir/basis.rs
   (`lagrange_at_zero`, `Basis::reconstruct`). One coordinate: a vector is shared coordinate by
   coordinate with fresh randomness. F is the field; a party's point is its index, never zero.

   Does not show: that the generator's words are uniform, that indices stay apart modulo p (they are at
   most 1,000), or that the Rust code computes these formulas (tests, SMT goals). *)
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Lagrange.
Variables (F : fieldType) (m : nat) (x : 'I_m -> F).
Hypothesis x_inj : injective x.

(* Polynomials of degree below the number of points on which they agree are equal. *)
Lemma agree_eq (p q : {poly F}) (A : {set 'I_m}) :
  (size p <= #|A|)%N -> (size q <= #|A|)%N -> (forall i, i \in A -> p.[x i] = q.[x i]) -> p = q.
Proof.
move=> sp sq same; apply/eqP; rewrite -subr_eq0; apply/eqP.
apply: (@roots_geq_poly_eq0 _ _ [seq x i | i in A]).
- apply/allP=> _ /imageP[i iA ->].
  by rewrite rootE hornerD hornerN same // subrr.
- by rewrite map_inj_uniq // enum_uniq.
- by rewrite size_map -cardE (leq_trans (size_add _ _)) // geq_max size_opp sp.
Qed.

Definition basis (j : 'I_m) : {poly F} :=
  \prod_(i | i != j) ((x j - x i)^-1 *: ('X - (x i)%:P)).

Lemma basis_at i j : (basis j).[x i] = (i == j)%:R.
Proof.
rewrite /basis horner_prod; have [->|ij] := eqVneq i j.
  rewrite big1 // => l lj; rewrite hornerZ hornerXsubC mulVf // subr_eq0.
  by apply: contra lj => /eqP/x_inj ->.
by rewrite (bigD1 i) //= hornerZ hornerXsubC subrr mulr0 mul0r.
Qed.

Lemma size_basis j : (size (basis j) <= m)%N.
Proof.
rewrite /basis; apply: leq_trans (size_prod_leq _ _) _.
have -> : (\sum_(i | i != j) size ((x j - x i)^-1 *: ('X - (x i)%:P)) = m.-1 * 2)%N.
  rewrite (eq_bigr (fun=> 2%N)) => [|i ij]; last first.
    rewrite size_scale ?size_XsubC // invr_eq0 subr_eq0.
    by apply: contra ij => /eqP/x_inj ->.
  rewrite sum_nat_const; congr (_ * _)%N.
  by have := cardC1 j; rewrite card_ord => <-; apply: eq_card.
have -> : #|[pred i | i != j]| = m.-1 by have := cardC1 j; rewrite card_ord => <-; apply: eq_card.
by case: (m) j => [[]|m' _] //=; rewrite muln2 -addnn -addSn addnK.
Qed.

Definition interpolate (c : 'I_m -> F) : {poly F} := \sum_j c j *: basis j.

Lemma interpolate_at c i : (interpolate c).[x i] = c i.
Proof.
rewrite /interpolate horner_sum (bigD1 i) //= hornerZ basis_at eqxx mulr1 big1 ?addr0 // => j ji.
by rewrite hornerZ basis_at eq_sym (negbTE ji) mulr0.
Qed.

Lemma size_interpolate c : (size (interpolate c) <= m)%N.
Proof.
apply: leq_trans (size_sum _ _ _) _; apply/bigmax_leqP => j _.
exact: leq_trans (size_scale_leq _ _) (size_basis j).
Qed.

Lemma interpolate_uniq (p : {poly F}) c :
  (size p <= m)%N -> (forall i, p.[x i] = c i) -> p = interpolate c.
Proof.
move=> sp same; apply: (@agree_eq _ _ setT); rewrite ?cardsT ?card_ord ?size_interpolate // => i _.
by rewrite interpolate_at.
Qed.

(* w_i = prod_{j != i} x_j / (x_j - x_i), as `lagrange_at_zero` has it. *)
Definition weight (i : 'I_m) : F := \prod_(j | j != i) (x j / (x j - x i)).

Lemma weightE i : weight i = (basis i).[0].
Proof.
rewrite /weight /basis horner_prod; apply: eq_bigr => j _.
by rewrite hornerZ hornerXsubC sub0r mulrN -mulNr -invrN opprB mulrC.
Qed.

(* Reconstruction: m shares of a polynomial of degree below m give its value at 0. *)
Theorem reconstruct (f : {poly F}) : (size f <= m)%N -> \sum_i weight i * f.[x i] = f.[0].
Proof.
move=> sf; rewrite {2}(interpolate_uniq sf (fun i => erefl f.[x i])) /interpolate horner_sum.
by apply: eq_bigr => i _; rewrite hornerZ weightE mulrC.
Qed.

(* Linearity (`Share::add`): a sum of shares is a share of the sum. *)
Theorem reconstruct_sum (I : finType) (f : I -> {poly F}) : (forall i, (size (f i) <= m)%N) ->
  \sum_j weight j * (\sum_i (f i).[x j]) = \sum_i (f i).[0].
Proof.
move=> sf; under eq_bigr => j _ do rewrite mulr_sumr.
by rewrite exchange_big; apply: eq_bigr => i _; apply: reconstruct.
Qed.
End Lagrange.

Section Differences.
Variable F : fieldType.

(* `share_piece` computes shares r to n by additions alone: the r-th forward difference of a
   polynomial of degree below r is zero. *)
Definition difference (p : {poly F}) : {poly F} := p \Po ('X + 1) - p.

Lemma difference_at p a : (difference p).[a] = p.[a + 1] - p.[a].
Proof. by rewrite /difference hornerD hornerN horner_comp hornerD hornerX hornerE. Qed.

Lemma size_difference p : (size (difference p) <= (size p).-1)%N.
Proof.
elim/poly_ind: p => [|p c IH]; first by rewrite /difference comp_poly0 subrr size_poly0.
have -> : difference (p * 'X + c%:P) = difference p * ('X + 1) + p.
  rewrite /difference comp_polyD comp_polyM comp_polyX comp_polyC mulrBl.
  by rewrite mulrDr mulr1 opprD addrACA subrr addr0 [in RHS]mulrDr mulr1 opprD addrA subrK.
rewrite size_MXaddC; case: ifP => [/andP[/eqP -> _]|_] /=.
  by rewrite /difference comp_poly0 subrr mul0r addr0 size_poly0.
apply: leq_trans (size_add _ _) _; rewrite geq_max leqnn andbT.
have [->|nz] := eqVneq (difference p) 0; first by rewrite mul0r size_poly0.
apply: leq_trans (size_mul_leq _ _) _.
have -> : size ('X + 1 : {poly F}) = 2%N by rewrite -[1]opprK -polyCN size_XsubC.
rewrite addn2 /=; apply: leq_ltn_trans IH _.
rewrite prednK ?leqnn // size_poly_gt0; apply: contra nz => /eqP ->.
by rewrite /difference comp_poly0 subrr.
Qed.

Theorem differences_vanish r (p : {poly F}) : (size p <= r)%N -> iter r difference p = 0.
Proof.
move=> sp; apply/eqP; rewrite -size_poly_leq0.
have : (size (iter r difference p) <= size p - r)%N.
  elim: r {sp} => [|r IH] /=; first by rewrite subn0.
  by apply: leq_trans (size_difference _) _; rewrite subnS -!subn1 leq_sub2r.
by rewrite (eqP sp).
Qed.
End Differences.

Section Secrecy.
Variables (F : finFieldType) (k : nat).

(* The points of k parties, and 0 before them. *)
Definition with_zero (y : 'I_k -> F) (i : 'I_k.+1) : F := if unlift ord0 i is Some j then y j else 0.

Lemma with_zero_inj y : injective y -> (forall i, y i != 0) -> injective (with_zero y).
Proof.
rewrite /with_zero => y_inj y_nz i j; case: unliftP => [i' ->|->]; case: unliftP => [j' ->|->] //.
- by move=> /y_inj ->.
- by move=> e; move: (y_nz i'); rewrite e eqxx.
- by move=> e; move: (y_nz j'); rewrite -e eqxx.
Qed.

Variables (y z : 'I_k -> F).
Hypotheses (y_inj : injective y) (y_nz : forall i, y i != 0).
Hypotheses (z_inj : injective z) (z_nz : forall i, z i != 0).

(* `share` for threshold k + 1: f(0) is the secret, the values at the k points y are uniform. *)
Definition deal (s : F) (v : {ffun 'I_k -> F}) : {poly F} :=
  interpolate (with_zero y) (fun i => if unlift ord0 i is Some j then v j else s).

Lemma deal0 s v : (deal s v).[0] = s.
Proof.
have -> : 0 = with_zero y ord0 by rewrite /with_zero unlift_none.
by rewrite /deal interpolate_at ?unlift_none //; apply: with_zero_inj.
Qed.

Lemma deal_at s v i : (deal s v).[y i] = v i.
Proof.
have -> : y i = with_zero y (lift ord0 i) by rewrite /with_zero liftK.
by rewrite /deal interpolate_at ?liftK //; apply: with_zero_inj.
Qed.

(* For the parties z, k of them, any view comes of exactly one choice, whatever the secret. *)
Lemma view_count (s : F) (w : 'I_k -> F) :
  #|[set v | [forall i, (deal s v).[z i] == w i]]| = 1%N.
Proof.
pose p := interpolate (with_zero z) (fun i => if unlift ord0 i is Some j then w j else s).
have zz_inj := with_zero_inj z_inj z_nz; have yy_inj := with_zero_inj y_inj y_nz.
have pz i : p.[z i] = w i.
  have -> : z i = with_zero z (lift ord0 i) by rewrite /with_zero liftK.
  by rewrite interpolate_at ?liftK.
have p0 : p.[0] = s.
  have -> : 0 = with_zero z ord0 by rewrite /with_zero unlift_none.
  by rewrite interpolate_at ?unlift_none.
have sp : (size p <= k.+1)%N by apply: size_interpolate.
rewrite (_ : [set v | _] = [set [ffun i => p.[y i]]]) ?cards1 //.
apply/setP=> v; rewrite !inE; apply/forallP/eqP=> [view|-> i].
  suff <- : deal s v = p by apply/ffunP=> i; rewrite ffunE deal_at.
  apply: (@agree_eq _ _ _ zz_inj _ _ setT); rewrite ?cardsT ?card_ord ?size_interpolate // => i _.
  rewrite /with_zero; case: unliftP => [j _|_]; last by rewrite deal0 p0.
  by rewrite (eqP (view j)) pz.
suff -> : deal s [ffun i0 => p.[y i0]] = p by rewrite pz.
apply: (@agree_eq _ _ _ yy_inj _ _ setT); rewrite ?cardsT ?card_ord ?size_interpolate // => l _.
by rewrite /with_zero; case: unliftP => [j _|_]; rewrite ?deal_at ?ffunE // deal0 p0.
Qed.

(* Perfect secrecy against any k parties when k + 1 are needed. *)
Theorem shamir_secrecy (s0 s1 : F) (w : 'I_k -> F) :
  #|[set v | [forall i, (deal s0 v).[z i] == w i]]|
  = #|[set v | [forall i, (deal s1 v).[z i] == w i]]|.
Proof. by rewrite !view_count. Qed.

(* Broken twin: k + 1 parties learn the secret; each view fits one secret alone. *)
Theorem no_secrecy_at_the_threshold (u : 'I_k.+1 -> F) (s0 s1 : F) : injective u -> s0 != s1 ->
  ~ forall w : 'I_k.+1 -> F,
      #|[set v | [forall i, (deal s0 v).[u i] == w i]]|
      = #|[set v | [forall i, (deal s1 v).[u i] == w i]]|.
Proof.
move=> u_inj differ /(_ (fun i => (deal s0 0).[u i])).
suff -> : [set v | [forall i, (deal s1 v).[u i] == (deal s0 0).[u i]]] = set0.
  rewrite cards0 => /eqP; rewrite cards_eq0 => /eqP/setP/(_ 0); rewrite !inE.
  by move/forallP; case=> i.
apply/setP=> v; rewrite !inE; apply: contraNF differ => /forallP same.
rewrite -(deal0 s0 0) -(deal0 s1 v); apply/eqP; congr (_.[0]); apply/esym.
apply: (@agree_eq _ _ _ u_inj _ _ setT); rewrite ?cardsT ?card_ord ?size_interpolate //.
- exact: with_zero_inj.
- exact: with_zero_inj.
- by move=> i _; apply/eqP.
Qed.
End Secrecy.

(* Broken twins of reconstruction, over Z_5: one share fewer gives another value. *)
Theorem one_share_fewer_does_not_reconstruct :
  ~ forall (x : 'I_1 -> 'F_5) (f : {poly 'F_5}), injective x -> (forall i, x i != 0) ->
      (size f <= 2)%N -> \sum_i weight x i * f.[x i] = f.[0].
Proof.
have inj : injective (fun _ : 'I_1 => 1 : 'F_5) by move=> i j _; rewrite !ord1.
move=> /(_ _ 'X inj (fun=> isT)); rewrite size_polyX big_ord1 !hornerX mulr1 /weight => /(_ isT).
by rewrite big_pred0 => [/eqP|i]; rewrite ?ord1.
Qed.

(* One difference fewer does not vanish. *)
Theorem one_difference_fewer_does_not_vanish :
  ~ forall (r : nat) (p : {poly 'F_5}), (size p <= r.+1)%N -> iter r (@difference _) p = 0.
Proof.
move=> /(_ 0%N 1); rewrite size_poly1 => /(_ isT) /eqP.
by rewrite /= oner_eq0.
Qed.
