(* PINE's wrap-around checks on any vector that wraps: by second and fourth moments (Paley and Zygmund),
   each check passes with probability at most 7/10, where 80 W^2 <= q.

   Stands for, assumes and does not show: see Pine.v. An earlier text of the draft asks for 81 W^2 <= q
   ("Wraparound Protocol" in old-text.md, a file of the draft's own repository; versions 00 to 02 have no
   such condition); PineBounds.v shows that W^2 <= 4000 q, which its code asks for, is not enough. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Haima Require Import Pine PineMoments.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Lemma cauchy (T : finType) (A : {set T}) (c : T -> int) :
  (\sum_(i in A) c i) ^+ 2 <= #|A|%:Z * \sum_(i in A) c i ^+ 2.
Proof.
have [->|[i0 i0A]] := set_0Vmem A; first by rewrite !big_set0 cards0 expr0n.
set n := #|A|%:Z; set C := \sum_(i in A) c i; set Q := \sum_(i in A) _.
have n_pos : 0 < n by rewrite ltz_nat card_gt0; apply/set0Pn; exists i0.
rewrite -subr_ge0 -(pmulr_rge0 _ n_pos).
suff -> : n * (n * Q - C ^+ 2) = \sum_(i in A) (n * c i - C) ^+ 2.
  by apply: sumr_ge0 => i _; apply: sqr_ge0.
rewrite (eq_bigr (fun i => n ^+ 2 * c i ^+ 2 + (- (n * C *+ 2) * c i + C ^+ 2))) => [|i _].
  rewrite big_split /= big_split /= -!mulr_sumr -/C -/Q mulrBr mulrA -expr2; congr (_ + _).
  have -> : \sum_(i in A) C = n * C by rewrite sumr_const -mulr_natl natz.
  rewrite [C * _]mulrCA -[C * C]expr2.
  by rewrite mulNr mulrnAl -mulrA -expr2 mulr2n opprD addrNK.
rewrite sqrrB exprMn -addrA; congr (_ + (_ + _)).
by rewrite mulNr mulrnAl; congr (- (_ *+ 2)); rewrite mulrAC.
Qed.

Section Far.
Variables (d W : nat) (z : 'I_d -> int).
Local Notation N := (norm2 z).
Local Notation R := (rows d).

Definition far : {set row d} := [set r | W%:Z < `|dot z r|].
Definition beyond (X : int) : {set row d} := [set r | X <= `|dot z r|].

Lemma rows_pos : 0 < R.
Proof. by rewrite /rows ltz_nat card_ffun card_prod card_bool expn_gt0. Qed.

Lemma norm2_ge0 : 0 <= N.
Proof. by apply: sumr_ge0 => i _; apply: sqr_ge0. Qed.

Lemma square_norm (a : int) : `|a| ^+ 2 = a ^+ 2.
Proof. exact: real_normK (num_real a). Qed.

(* Chebyshev: results that wrap around themselves are rare. *)
Lemma beyond_rows (X : int) : 0 <= X -> X ^+ 2 * #|beyond X|%:Z *+ 2 <= R * N.
Proof.
move=> X0; rewrite -second_moment ler_muln2r /= -natz mulr_natr -sumr_const.
rewrite [X in _ <= X](bigID (mem (beyond X))) /= -[X in X <= _]addr0; apply: ler_add.
  apply: ler_sum => r; rewrite inE => far_r.
  by rewrite -[X in _ <= X]square_norm ler_sqr ?nnegrE.
by apply: sumr_ge0 => r _; apply: sqr_ge0.
Qed.

(* Paley and Zygmund. *)
Lemma far_rows : W%:Z ^+ 2 *+ 2 <= N ->
  R * (N - W%:Z ^+ 2 *+ 2) ^+ 2 <= N ^+ 2 *+ 3 * #|far|%:Z.
Proof.
move=> WN; set D := N - _; have D0 : 0 <= D by rewrite subr_ge0.
set T := \sum_(r in far) dot z r ^+ 2.
have total : \sum_r dot z r ^+ 2 <= R * W%:Z ^+ 2 + T.
  rewrite (bigID (mem far)) /= addrC; apply: ler_add => //.
  apply: (@le_trans _ _ (\sum_(r | r \notin far) W%:Z ^+ 2)).
    apply: ler_sum => r; rewrite inE -leNgt => near.
    by rewrite -[X in X <= _]square_norm ler_sqr ?nnegrE.
  rewrite rows_times sumr_const; apply: ler_wpmuln2l; first exact: sqr_ge0.
  exact: max_card.
have lower : R * D <= T *+ 2.
  rewrite /D mulrBr -second_moment mulrnAr -mulrnBl ler_muln2r /=.
  by rewrite ler_subl_addl.
rewrite -(ler_pmul2l rows_pos) mulrA -expr2 -exprMn.
apply: (@le_trans _ _ ((T *+ 2) ^+ 2)).
  have T0 : 0 <= T by apply: sumr_ge0 => r _; apply: sqr_ge0.
  by rewrite ler_sqr ?nnegrE //; [apply: mulr_ge0 (ltW rows_pos) D0 | apply: mulrn_wge0].
rewrite exprMn_n; apply: (@le_trans _ _ (#|far|%:Z * (\sum_r dot z r ^+ 4) *+ 4)).
  rewrite ler_muln2r /=; apply: le_trans (cauchy _ _) _.
  rewrite ler_wpmul2l // [X in _ <= X](bigID (mem far)) /= -[X in X <= _]addr0; apply: ler_add.
    by apply: ler_sum => r _; rewrite -exprM.
  by apply: sumr_ge0 => r _; apply: exprn_even_ge0.
by rewrite -mulrnAr mulrC mulrA ler_wpmul2r // fourth_moment.
Qed.
End Far.

Lemma times k n : n%:Z *+ k = (k * n)%N%:Z.
Proof. by rewrite -!natz natrM mulr_natl. Qed.

Section Soundness.
Variables (q W d : nat) (z : 'I_d -> int).
Local Notation N := (norm2 z).
Local Notation R := (rows d).
Hypothesis W_pos : (0 < W)%N.
Hypothesis margin : (80 * W ^ 2 <= q)%N.

(* A result that passes and has not wrapped is small. *)
Lemma pass_near s : passes q W s -> `|s| < q%:Z - W%:Z -> `|s| <= W%:Z.
Proof.
rewrite /passes ltr_norml => near /andP[low high].
have q_pos : 0 < q%:Z by rewrite ltz_nat (leq_trans _ margin) // muln_gt0 expn_gt0 W_pos.
have twice : (2 * W)%N%:Z = W%:Z + W%:Z by rewrite mul2n -addnn PoszD.
have [pos|neg] := leP 0 (s + W%:Z - 1).
  have below : s + W%:Z - 1 < q%:Z.
    by rewrite ltr_subl_addr ltz_addr1 ltW // -ltr_subr_addr.
  move: near; rewrite modz_small ?pos // twice ltr_subl_addr ltz_addr1 ler_add2r => sW.
  rewrite ler_norml sW andbT -subr_ge0 opprK; apply: le_trans pos _.
  by rewrite ler_subl_addr ler_addl.
have high' : W%:Z + W%:Z <= s + W%:Z - 1 + q%:Z.
  have -> : s + W%:Z - 1 + q%:Z = W%:Z + (s + q%:Z - 1) by rewrite addrAC [s + _]addrC !addrA.
  by rewrite ler_add2l ler_subr_addr lez_addr1 -ltr_subl_addr -opprB.
move: near; rewrite -modzDr modz_small.
  by rewrite twice => /(le_lt_trans high'); rewrite ltxx.
by rewrite (le_trans _ high') ?addr_ge0 //= gtr_addr.
Qed.

(* No coordinate is large: the second case. *)
Theorem small_coordinates : q%:Z <= N -> N *+ 30 <= (q%:Z - W%:Z) ^+ 2 ->
  (10 * #|pass_rows q W z| <= 7 * #|{: row d}|)%N.
Proof.
move=> qN NX; set P := #|pass_rows q W z|; set n := #|{: row d}|.
set F := #|far W z|; set G := #|beyond z (q%:Z - W%:Z)|.
have Wq : (W <= q)%N.
  by apply: leq_trans margin; rewrite mulnC -mulnA; apply: leq_pmulr; rewrite muln_gt0 W_pos.
have N_pos : 0 < N by apply: lt_le_trans qN; rewrite ltz_nat (leq_trans W_pos).
have PFG : (P + F <= n + G)%N.
  have sub : pass_rows q W z \subset ~: far W z :|: beyond z (q%:Z - W%:Z).
    apply/subsetP=> r; rewrite !inE => near; rewrite -leNgt.
    by case: (leP (q%:Z - W%:Z)) => [|small]; rewrite ?orbT // pass_near.
  have cards : (P <= #|~: far W z| + G)%N.
    by apply: leq_trans (subset_leq_card sub) _; rewrite cardsU leq_subr.
  have -> : n = (F + #|~: far W z|)%N by rewrite cardsC.
  by rewrite addnC -addnA leq_add2l.
set w := W%:Z ^+ 2 *+ 2; have wN : w *+ 40 <= N.
  apply: le_trans qN; rewrite /w -mulrnA -[(2 * 40)%N]/80%N.
  have -> : W%:Z ^+ 2 *+ 80 = (80 * W ^ 2)%N%:Z by rewrite -!natz natrM natrX mulr_natl.
  by rewrite lez_nat.
have w0 : 0 <= w by rewrite mulrn_wge0 ?sqr_ge0.
have F_many : (19 * n <= 60 * F)%N.
  have := @far_rows d W z; rewrite -/w -/F; set D := N - w => pz.
  have DN : N ^+ 2 *+ 19 <= D ^+ 2 *+ 20.
    have -> : D ^+ 2 *+ 20 = N ^+ 2 *+ 19 + (N * (N - w *+ 40) + w ^+ 2 *+ 20).
      by rewrite /D sqrrB mulrnDl mulrnBl -mulrnA mulrBr mulrnAr -expr2 !addrA -mulrSr.
    by rewrite ler_addl addr_ge0 ?mulrn_wge0 ?sqr_ge0 // mulr_ge0 ?subr_ge0 // ltW.
  have wN1 : w <= N by apply: le_trans wN; rewrite mulrS ler_addl mulrn_wge0.
  have : N ^+ 2 * (R *+ 19) <= N ^+ 2 * (F%:Z *+ 60).
    apply: (@le_trans _ _ (R * (D ^+ 2 *+ 20))).
      have -> : N ^+ 2 * (R *+ 19) = R * (N ^+ 2 *+ 19) by rewrite !mulrnAr mulrC.
      by rewrite ler_wpmul2l // ltW // rows_pos.
    rewrite mulrnAr; apply: (@le_trans _ _ ((N ^+ 2 *+ 3 * F%:Z) *+ 20)).
      by rewrite ler_muln2r /= pz.
    by rewrite mulrnAl -mulrnA mulrnAr.
  by rewrite ler_pmul2l ?exprn_gt0 // !times lez_nat.
have G_few : (60 * G <= n)%N.
  have X0 : 0 <= q%:Z - W%:Z by rewrite subr_ge0 lez_nat.
  have := beyond_rows z X0; rewrite -/G => few.
  suff : N * (G%:Z *+ 60) <= N * R by rewrite ler_pmul2l // times lez_nat.
  rewrite [N * R]mulrC; apply: le_trans few.
  have -> : N * (G%:Z *+ 60) = N *+ 30 * G%:Z *+ 2 by rewrite mulrnAr mulrnAl -mulrnA.
  by rewrite ler_muln2r /= ler_wpmul2r.
rewrite -(leq_pmul2l (isT : 0 < 6)%N) !mulnA.
rewrite -(leq_add2r (60 * F)) -[(6 * 10)%N]/60%N -[(6 * 7)%N]/42%N -mulnDr.
apply: leq_trans (leq_mul (leqnn 60) PFG) _; rewrite mulnDr.
apply: (@leq_trans (42 * n + 19 * n)); last by rewrite leq_add2l.
by rewrite -mulnDl -[(42 + 19)%N]/(60 + 1)%N mulnDl mul1n leq_add2l.
Qed.

(* Coordinates are taken around zero, as `to_integer` does. *)
Hypothesis centred : forall i, `|z i| *+ 2 <= q%:Z.

(* Every vector whose squared norm is q or more passes a check on at most 7 in 10 rows. *)
Theorem every_wrapping_vector : q%:Z <= N -> (2 * d <= q)%N ->
  (10 * #|pass_rows q W z| <= 7 * #|{: row d}|)%N.
Proof.
move=> qN dq.
have W2q : (8 * W <= q)%N.
  apply: leq_trans margin; rewrite -mulnn mulnA leq_mul2r; apply/orP; right.
  by rewrite -[8%N]muln1 -[80%N]/(8 * 10)%N -mulnA leq_mul2l /= muln_gt0.
have room : (2 * W <= q)%N by apply: leq_trans W2q; rewrite leq_mul2r orbT.
have q_pos : 0 < q%:Z by rewrite ltz_nat (leq_trans _ W2q) // muln_gt0.
have [/existsP[i big]|/existsPn none] := boolP [exists i, (2 * W)%N%:Z <= `|z i|].
  have half : (2 * #|pass_rows q W z| <= #|{: row d}|)%N.
    have far : (2 * W)%N%:Z <= (z i %% q%:Z)%Z <= q%:Z - (2 * W)%N%:Z.
      move: big (centred i); rewrite mulr2n; case: ger0P => [pos|neg] big sum.
        have z_pos : 0 < z i by apply: lt_le_trans big; rewrite ltz_nat muln_gt0.
        rewrite modz_small; last by rewrite pos (lt_le_trans _ sum) // ltr_addl.
        by rewrite big ler_subr_addr (le_trans _ sum) // ler_add2l.
      have -> : (z i %% q%:Z)%Z = q%:Z - - z i.
        rewrite opprK -modzDl modz_small // gtr_addl neg andbT -[z i]opprK subr_ge0.
        by apply: le_trans sum; rewrite ler_addl oppr_ge0 ltW.
      by rewrite ler_add2l ler_opp2 big andbT ler_subr_addl (le_trans _ sum) // ler_add2l.
    by case/andP: far => far1 far2; apply: (@large_coordinate q W d z W_pos room i).
  apply: (@leq_trans (5 * #|{: row d}|)); last by rewrite leq_mul2r orbT.
  by rewrite -[10%N]/(5 * 2)%N -mulnA leq_mul2l.
apply: small_coordinates => //.
have Nd : N <= (2 * W)%N%:Z ^+ 2 *+ d.
  rewrite -[X in _ *+ X](card_ord d) -sumr_const; apply: ler_sum => i _.
  rewrite -[X in X <= _]square_norm ler_sqr ?nnegrE //.
  by have := none i; rewrite -ltNge => /ltW.
rewrite -(@ler_pmuln2r _ 4) // -mulrnA; apply: (@le_trans _ _ (q%:Z ^+ 2 *+ 3)).
  apply: (@le_trans _ _ ((2 * W)%N%:Z ^+ 2 *+ d *+ (30 * 4))); first by rewrite ler_muln2r.
  have natX k m : (m%:Z ^+ k) = (m ^ k)%N%:Z by rewrite -!natz natrX.
  rewrite !natX !times lez_nat.
  have -> : (30 * 4 * (d * (2 * W) ^ 2) = 3 * ((2 * d) * (80 * W ^ 2)))%N.
    rewrite expnMn -[(2 ^ 2)%N]/4%N -[(30 * 4)%N]/120%N.
    rewrite mulnCA [(2 * d)%N]mulnC -[(d * 2 * _)%N]mulnA [RHS]mulnCA; congr (d * _)%N.
    by rewrite !mulnA.
  by rewrite leq_mul2l /= -mulnn leq_mul.
have -> : (q%:Z - W%:Z) ^+ 2 *+ 4
    = q%:Z ^+ 2 *+ 3 + (q%:Z * (q%:Z - W%:Z *+ 8) + W%:Z ^+ 2 *+ 4).
  by rewrite sqrrB mulrnDl mulrnBl -mulrnA mulrBr mulrnAr -expr2 !addrA -mulrSr.
rewrite ler_addl addr_ge0 ?mulrn_wge0 ?sqr_ge0 //; apply: mulr_ge0; first exact: ltW.
by rewrite subr_ge0 times lez_nat.
Qed.

(* All K of K checks. *)
Theorem every_wrapping_vector_all (K : nat) : q%:Z <= N -> (2 * d <= q)%N ->
  (10 ^ K * #|[set rs : {ffun 'I_K -> row d} | [forall k, passes q W (dot z (rs k))]]|
   <= 7 ^ K * #|{: {ffun 'I_K -> row d}}|)%N.
Proof.
move=> qN dq; have := all_checks K (every_wrapping_vector qN dq); congr (_ * _ <= _)%N.
by apply: eq_card => rs; rewrite !inE; apply: eq_forallb => k; rewrite inE.
Qed.
End Soundness.
