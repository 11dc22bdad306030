(* How far one patient moves the sum of clipped, truncated vectors (rule S2).

   Stands for: dp/src/fixed.rs (`Grid::truncate`, `ClippedSum`: `add`, `finish`), dp/src/units.rs
   (`Sensitivity::of_clip`; step 4 of `of_float_sum`). Reals are rationals: every double is one. A
   vector is in grid steps, x / g; a bound on its L2 norm is one on the sum of its squares.

   Does not show: what doubles get wrong before truncation (`ClippedSum` checks the integers' norm
   exactly; steps 1 to 3 of `of_float_sum` are on paper), nor sampling or composition. *)
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* The integer next to q between zero and q. *)
Definition truncate (q : rat) : int := sgz (numq q) * (`|numq q| %/ `|denq q|)%N%:Z.

Lemma truncate0 : truncate 0 = 0.
Proof. by []. Qed.

Lemma truncateN q : truncate (- q) = - truncate q.
Proof. by rewrite /truncate numqN denqN sgzN abszN mulNr. Qed.

Local Notation real z := (z%:~R : rat).

Lemma truncate_ge0 q : 0 <= q -> 0 <= real (truncate q) <= q /\ q < real (truncate q) + 1.
Proof.
move=> q0; have num0 : 0 <= numq q by rewrite numq_ge0.
set t := (`|numq q| %/ `|denq q|)%N.
have tE : truncate q = t.
  rewrite /truncate -/t; have [z|nz] := eqVneq (numq q) 0.
    by rewrite /t z sgz0 mul0r absz0 div0n.
  by rewrite gtr0_sgz ?mul1r // lt_neqAle eq_sym nz.
have den : denq q = `|denq q|%N by rewrite gez0_abs // denq_ge0.
have num : numq q = `|numq q|%N by rewrite gez0_abs.
have den_pos : (0 : rat) < `|denq q|%N%:R by rewrite ltr0n absz_gt0 denq_neq0.
have qE : q = `|numq q|%N%:R / `|denq q|%N%:R :> rat.
  by rewrite -[LHS]divq_num_den {1}num {1}den.
rewrite tE -pmulrn; split; last first.
  rewrite qE ltr_pdivr_mulr // -mulrSr -natrM ltr_nat; apply: ltn_ceil.
  by rewrite absz_gt0 denq_neq0.
rewrite ler0n qE ler_pdivl_mulr // -natrM ler_nat; exact: leq_trunc_div.
Qed.

(* Truncation goes toward zero: it never lengthens. *)
Theorem truncate_shortens q : `|real (truncate q)| <= `|q|.
Proof.
wlog q0 : q / 0 <= q => [main|].
  have [|neg] := leP 0 q; first exact: main.
  have := main (- q); rewrite truncateN mulrNz !normrN; apply.
  by rewrite oppr_ge0 ltW.
by have [/andP[t0 tq] _] := truncate_ge0 q0; rewrite !ger0_norm.
Qed.

(* Step 4 of `of_float_sum`. *)
Theorem truncate_distance p q :
  `|real (truncate p) - real (truncate q)| < `|p - q| + 1.
Proof.
wlog pq : p q / q <= p => [main|].
  have [/ltW|] := ltP p q; last exact: main.
  by move=> /main; rewrite distrC [`|q - p|]distrC.
rewrite [`|p - q|]ger0_norm ?subr_ge0 // ltr_norml; apply/andP.
wlog q0 : p q pq / 0 <= p => [main|].
  have [|neg] := leP 0 p; first exact: main.
  have [] // := main (- q) (- p); rewrite ?ler_opp2 //.
    by rewrite oppr_ge0 (le_trans pq) // ltW.
  by rewrite !truncateN !mulrNz !opprK ![- _ + _]addrC.
have [/andP[tp0 tp] tp1] := truncate_ge0 q0.
rewrite ltr_oppl opprB; have [q_pos|q_neg] := leP 0 q.
  have [/andP[tq0 tq] tq1] := truncate_ge0 q_pos; split; rewrite ltr_subl_addr -(addrA (p - q)).
    apply: le_lt_trans tq (le_lt_trans pq (lt_le_trans tp1 _)).
    by rewrite [1 + _]addrC ler_addr subr_ge0.
  by apply: le_lt_trans tp _; rewrite -[X in X < _](subrK q) ltr_add2l addrC.
have [|/andP[tq0 tq] _] := @truncate_ge0 (- q); first by rewrite oppr_ge0 ltW.
rewrite truncateN mulrNz in tq0 tq; split.
  apply: (@le_lt_trans _ _ 0); last by rewrite ltr_spaddr ?ltr01 ?subr_ge0.
  by rewrite subr_le0 (le_trans _ tp0) // -oppr_ge0.
by apply: le_lt_trans (ler_add tp tq) _; rewrite ltr_addl.
Qed.

Section Vectors.
Variable d : nat.
Local Notation vector := ('I_d -> rat).

Definition squares (x : vector) : rat := \sum_i x i ^+ 2.
Definition truncated (x : vector) (i : 'I_d) : int := truncate (x i).
Definition norm2 (z : 'I_d -> int) : int := \sum_i z i ^+ 2.

Lemma norm2_real z : real (norm2 z) = squares (fun i => real (z i)).
Proof. by rewrite /norm2 rmorph_sum; apply: eq_bigr => i _; rewrite rmorphX. Qed.

(* A vector clipped to C is, truncated, within D = ceil(C/g): no term for rounding. *)
Theorem integer_norm (x : vector) (c : rat) (D : nat) :
  squares x <= c ^+ 2 -> 0 <= c -> c <= D%:R -> norm2 (truncated x) <= D%:Z ^+ 2.
Proof.
move=> xc c0 cD; rewrite -(ler_int [numDomainType of rat]) norm2_real rmorphX /=.
apply: le_trans (le_trans xc _); last by rewrite ler_sqr ?nnegrE // ler0n.
apply: ler_sum => i _.
rewrite -[X in X <= _]real_normK ?num_real // -[X in _ <= X]real_normK ?num_real //.
by rewrite ler_sqr ?nnegrE //; apply: truncate_shortens.
Qed.

(* `ClippedSum::add`: each patient's vector is truncated alone and added as integers. *)
Variable P : finType.
Definition total (v : P -> vector) (A : {set P}) (i : 'I_d) : int := \sum_(p in A) truncate (v p i).

(* `ClippedSum::finish` clamps each coordinate to a machine word. *)
Definition clamp (lo hi z : int) : int := if z < lo then lo else if hi < z then hi else z.

Lemma clamp_distance lo hi a b : lo <= hi -> `|clamp lo hi a - clamp lo hi b| <= `|a - b|.
Proof.
move=> lohi; wlog ab : a b / a <= b => [main|].
  by have [|/ltW] := leP a b => /main //; rewrite distrC [`|b - a|]distrC.
rewrite distrC [`|a - b|]distrC [X in _ <= X]ger0_norm ?subr_ge0 // /clamp.
case: (ltP a lo) => [alo|loa]; case: (ltP b lo) => [blo|lob].
- by rewrite subrr normr0 subr_ge0.
- case: ltP => [hib|bhi]; rewrite ger0_norm ?subr_ge0 //.
    by apply: ler_sub; apply: ltW.
  by rewrite ler_add2l ler_opp2 ltW.
- by have := le_lt_trans (le_trans loa ab) blo; rewrite ltxx.
- case: (ltP hi a) => [hia|ahi]; case: (ltP hi b) => [hib|bhi].
  + by rewrite subrr normr0 subr_ge0.
  + by have := lt_le_trans hia (le_trans ab bhi); rewrite ltxx.
  + by rewrite ger0_norm ?subr_ge0 // ler_add2r ltW.
  + by rewrite ger0_norm ?subr_ge0.
Qed.

(* Adding or removing one patient moves the integer sum by at most D. *)
Theorem one_patient (v : P -> vector) (A : {set P}) (p : P) (c : rat) (D : nat) (lo hi : int) :
  p \notin A -> lo <= hi -> squares (v p) <= c ^+ 2 -> 0 <= c -> c <= D%:R ->
  norm2 (fun i => clamp lo hi (total v (p |: A) i) - clamp lo hi (total v A i)) <= D%:Z ^+ 2.
Proof.
move=> out lohi vc c0 cD; apply: le_trans (integer_norm vc c0 cD); apply: ler_sum => i _.
rewrite -[X in X <= _]real_normK ?num_real // -[X in _ <= X]real_normK ?num_real //.
rewrite ler_sqr ?nnegrE //; apply: le_trans (clamp_distance _ _ lohi) _.
by rewrite /total big_setU1 //= addrK.
Qed.

(* A sum formed first and truncated once moves by sqrt(d) more: s stands for sqrt(d) or more, a for the
   distance of the real sums, e included. *)
Theorem truncated_once (x y : vector) (a s : rat) : 0 <= a -> 0 <= s -> d%:R <= s ^+ 2 ->
  squares (fun i => x i - y i) <= a ^+ 2 ->
  real (norm2 (fun i => truncated x i - truncated y i)) <= (a + s) ^+ 2.
Proof.
move=> a0 s0 ds close; pose n i := `|x i - y i|.
have nn : \sum_i n i ^+ 2 <= a ^+ 2.
  by apply: le_trans close; apply: ler_sum => i _; rewrite real_normK ?num_real.
have step : real (norm2 (fun i => truncated x i - truncated y i)) <= \sum_i (n i + 1) ^+ 2.
  rewrite norm2_real; apply: ler_sum => i _; rewrite rmorphB /=.
  rewrite -[X in X <= _]real_normK ?num_real // ler_sqr ?nnegrE ?addr_ge0 ?ler01 //.
  - exact/ltW/truncate_distance.
  - exact: normr_ge0.
apply: le_trans step _.
have -> : \sum_i (n i + 1) ^+ 2 = \sum_i n i ^+ 2 + (\sum_i n i) *+ 2 + d%:R.
  rewrite (eq_bigr (fun i => n i ^+ 2 + n i *+ 2 + 1)) => [|i _].
    by rewrite !big_split /= sumr_const card_ord -mulr2n.
  by rewrite sqrrD1.
rewrite sqrrD; apply: ler_add; last exact: ds.
apply: ler_add => //; rewrite ler_muln2r /=.
(* Cauchy and Schwarz, without a root: 2 (s n_i) a <= (s n_i)^2 + a^2. *)
have [a_zero|a_pos] := eqVneq a 0.
  rewrite a_zero mul0r big1 // => i _; apply/eqP.
  suff : n i ^+ 2 <= 0 by rewrite exprn_even_le0.
  apply: (@le_trans _ _ (\sum_i n i ^+ 2)); last by rewrite (le_trans nn) // a_zero expr0n.
  by rewrite (bigD1 i) //= ler_addl; apply: sumr_ge0 => j _; apply: sqr_ge0.
have [s_zero|s_pos] := eqVneq s 0.
  move: ds; rewrite s_zero expr0n /= lern0 => /eqP d_zero.
  rewrite mulr0 big1 // => i _; exfalso; by case: (i) => k; rewrite d_zero.
have as_pos : 0 < (a * s) *+ 2 by rewrite pmulrn_lgt0 // mulr_gt0 // lt_def ?a_pos ?s_pos.
rewrite -(ler_pmul2l as_pos) mulr_sumr.
apply: (@le_trans _ _ (\sum_i (s ^+ 2 * n i ^+ 2 + a ^+ 2))).
  apply: ler_sum => i _; rewrite -subr_ge0.
  suff -> : s ^+ 2 * n i ^+ 2 + a ^+ 2 - a * s *+ 2 * n i = (s * n i - a) ^+ 2 by apply: sqr_ge0.
  by rewrite sqrrB exprMn addrAC; congr (_ - _ + _); rewrite mulrnAl -mulrA mulrC.
rewrite big_split /= -mulr_sumr sumr_const card_ord.
apply: (@le_trans _ _ (s ^+ 2 * a ^+ 2 + s ^+ 2 * a ^+ 2)).
  apply: ler_add; first by rewrite ler_wpmul2l ?sqr_ge0.
  by rewrite -mulr_natl ler_wpmul2r ?sqr_ge0.
by rewrite -mulr2n -exprMn mulrnAl -expr2 [s * a]mulrC.
Qed.
End Vectors.

(* Broken twins. Rounding down, and to the nearest integer, lengthens: in one coordinate, 1/2. *)
Definition floor (q : rat) : int := (numq q %/ denq q)%Z.
Definition nearest (q : rat) : int := floor (q + 2%:R^-1).

Theorem rounding_down_lengthens :
  ~ forall (x : 'I_1 -> rat) (c : rat), 0 <= c -> squares x <= c ^+ 2 ->
      (norm2 (fun i => floor (x i)))%:~R <= c ^+ 2 :> rat.
Proof.
move=> /(_ (fun=> - 2%:R^-1) 2%:R^-1); rewrite /squares /norm2 !big_ord1.
by vm_compute => /(_ erefl erefl).
Qed.

Theorem rounding_to_nearest_lengthens :
  ~ forall (x : 'I_1 -> rat) (c : rat), 0 <= c -> squares x <= c ^+ 2 ->
      (norm2 (fun i => nearest (x i)))%:~R <= c ^+ 2 :> rat.
Proof.
move=> /(_ (fun=> 2%:R^-1) 2%:R^-1); rewrite /squares /norm2 !big_ord1.
by vm_compute => /(_ erefl erefl).
Qed.

(* Without sqrt(d) a sum that is truncated once is not covered: 1 and 1/2 are half a step apart. *)
Theorem truncated_once_needs_the_root :
  ~ forall (x y : 'I_1 -> rat) (a : rat), 0 <= a -> squares (fun i => x i - y i) <= a ^+ 2 ->
      (norm2 (fun i => truncated x i - truncated y i))%:~R <= a ^+ 2 :> rat.
Proof.
move=> /(_ (fun=> 1) (fun=> 2%:R^-1) 2%:R^-1); rewrite /squares /norm2 !big_ord1.
by vm_compute => /(_ erefl erefl).
Qed.
