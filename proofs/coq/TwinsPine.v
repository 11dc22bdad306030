(* Broken twins of Pine.v, PineMoments.v and PineSoundness.v: each theorem here says of a statement like
   one there, with one condition left out, that it is false.

   By a counterexample in one or two coordinates with small q. twins.txt names the theorem to which each
   belongs. Does not show: that every condition is needed (of `every_wrapping_vector`, 2 d <= q may not
   be), nor that 7/10 is the best figure: the paper has 1/2, which a vector of one coordinate reaches. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Haima Require Import Pine PineMoments PineSoundness.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* How many rows of one entry pass. *)
Lemma count_one (q W : nat) (a : int) : #|pass_rows q W (fun _ : 'I_1 => a)|%:Z =
  (passes q W a : nat)%:Z + (passes q W 0 : nat)%:Z + (passes q W 0 : nat)%:Z
  + (passes q W (- a) : nat)%:Z.
Proof.
have -> : #|pass_rows q W (fun _ : 'I_1 => a)|%:Z
    = \sum_(r : row 1) (passes q W (dot (fun=> a) r) : nat)%:Z.
  rewrite -sum1_card big_mkcond /= -[LHS]natz natr_sum; apply: eq_bigr => r _.
  by rewrite natz inE; case: passes.
rewrite (four (fun=> a) (fun s => (passes q W s : nat)%:Z)) sum_row0 /=.
by rewrite /dot big_ord0 addr0 sub0r.
Qed.

Lemma rows_of_one : #|{: row 1}| = 4%N.
Proof. by rewrite card_ffun card_prod card_bool card_ord. Qed.

Lemma three_pass : #|pass_rows 100 2 (fun _ : 'I_1 => 2%:Z)| = 3%N.
Proof. by apply/eqP; rewrite -eqz_nat count_one; vm_compute. Qed.

Lemma all_pass q W a : passes q W a -> passes q W 0 -> passes q W (- a) ->
  #|pass_rows q W (fun _ : 'I_1 => a)| = 4%N.
Proof. by move=> p1 p2 p3; apply/eqP; rewrite -eqz_nat count_one p1 p2 p3. Qed.

(* Range check: without the bits of the second number, with more bits than B^2 has, in a small field. *)
Theorem range_check_needs_both_numbers :
  ~ forall q B b v u : nat, (3 * B ^ 2 + 2 < q)%N -> (2 ^ b <= 2 * B ^ 2)%N -> (v < 2 ^ b)%N ->
      v + u = B ^ 2 %[mod q] -> (v <= B ^ 2)%N.
Proof. by move=> /(_ 100 2 3 7 97 isT isT isT erefl)%N. Qed.

Theorem range_check_needs_few_bits :
  ~ forall q B b v u : nat, (3 * B ^ 2 + 2 < q)%N -> (v < 2 ^ b)%N -> (u < 2 ^ b)%N ->
      v + u = B ^ 2 %[mod q] -> (v <= B ^ 2)%N.
Proof. by move=> /(_ 20 2 5 20 4 isT isT isT erefl)%N. Qed.

Theorem range_check_needs_room :
  ~ forall q B b v u : nat, (2 ^ b <= 2 * B ^ 2)%N -> (v < 2 ^ b)%N -> (u < 2 ^ b)%N ->
      v + u = B ^ 2 %[mod q] -> (v <= B ^ 2)%N.
Proof. by move=> /(_ 5 2 3 7 2 isT isT isT erefl)%N. Qed.

(* A norm that wraps around is seen by the norm check as a small one. *)
Theorem a_norm_that_wraps_passes :
  ~ forall (q B v : nat) (z : 'I_1 -> nat), (3 * B ^ 2 + 2 < q)%N -> (v <= B ^ 2)%N ->
      v = \sum_i z i ^ 2 %[mod q] -> (\sum_i z i ^ 2 <= B ^ 2)%N.
Proof. by move=> /(_ 100 1 0 (fun=> 10) isT isT)%N; rewrite big_ord1 => /(_ erefl). Qed.

(* A coordinate W from 0, not 2 W: three rows of four pass. *)
Theorem large_coordinate_needs_twice_W :
  ~ forall (q W : nat) (z : 'I_1 -> int), (0 < W)%N -> (2 * W <= q)%N ->
      W%:Z <= (z ord0 %% q%:Z)%Z -> (z ord0 %% q%:Z)%Z <= q%:Z - W%:Z ->
      (2 * #|pass_rows q W z| <= #|{: row 1}|)%N.
Proof.
by move=> /(_ 100 2 (fun=> 2%:Z) isT isT isT isT)%N; rewrite three_pass rows_of_one.
Qed.

(* And no figure below 1/2 holds. *)
Theorem large_coordinate_passes_half :
  ~ forall (q W : nat) (z : 'I_1 -> int), (0 < W)%N -> (2 * W <= q)%N ->
      (2 * W)%N%:Z <= (z ord0 %% q%:Z)%Z -> (z ord0 %% q%:Z)%Z <= q%:Z - (2 * W)%N%:Z ->
      (2 * #|pass_rows q W z| < #|{: row 1}|)%N.
Proof.
move=> /(_ 100 2 (fun=> 4%:Z) isT isT isT isT)%N; rewrite rows_of_one.
suff -> : #|pass_rows 100 2 (fun _ : 'I_1 => 4%:Z)| = 2%N by [].
by apply/eqP; rewrite -eqz_nat count_one; vm_compute.
Qed.

(* One row for all K checks is one check. *)
Theorem all_checks_need_rows_of_their_own :
  ~ forall (T : finType) (A : {set T}) (K a b : nat), (b * #|A| <= a * #|T|)%N ->
      (b ^ K * #|[set t : T | [forall k : 'I_K, t \in A]]| <= a ^ K * #|T|)%N.
Proof.
move=> /(_ _ [set true] 2 1 2)%N; rewrite cards1 card_bool => /(_ isT).
have -> : [set t | [forall k : 'I_2, t \in [set true]]] = [set true].
  by apply/setP=> t; rewrite !inE; apply/forallP/idP => [/(_ ord0)|-> //].
by rewrite cards1.
Qed.

(* Moments: one entry for all coordinates; a figure that is smaller. *)
Theorem second_moment_needs_entries_of_their_own :
  ~ forall z : 'I_2 -> int,
      (\sum_(b : bool * bool) (\sum_i entry b * z i) ^+ 2) *+ 2
      = #|{: bool * bool}|%:Z * norm2 z.
Proof.
move=> /(_ (fun i => if i == ord0 then 1 else - 1)) /eqP.
rewrite sum_bits /norm2 !big_ord_recl !big_ord0 card_prod card_bool.
by vm_compute.
Qed.

Theorem fourth_moment_is_no_smaller :
  ~ forall z : 'I_2 -> int, (\sum_r dot z r ^+ 4) *+ 4 <= rows 2 * (norm2 z ^+ 2 *+ 2).
Proof.
move=> /(_ (fun=> 1)); rewrite (four (fun _ : 'I_2 => 1) (fun s => s ^+ 4)) sum_rows sum_row0 /=.
rewrite !dot_cons /tail /dot !big_ord0 /norm2 !big_ord_recl big_ord0 !rowsS rows0.
by vm_compute.
Qed.

(* Soundness: a vector that has not wrapped; a norm past (q - W)^2/30; the margin of the draft's code. *)
Theorem small_coordinates_need_a_wrap :
  ~ forall (q W : nat) (z : 'I_1 -> int), (0 < W)%N -> (80 * W ^ 2 <= q)%N ->
      norm2 z *+ 30 <= (q%:Z - W%:Z) ^+ 2 -> (10 * #|pass_rows q W z| <= 7 * #|{: row 1}|)%N.
Proof.
move=> /(_ 80 1 (fun=> 0) isT isT)%N; rewrite /norm2 big_ord1 => /(_ isT).
by rewrite all_pass ?rows_of_one.
Qed.

Theorem small_coordinates_must_be_small :
  ~ forall (q W : nat) (z : 'I_1 -> int), (0 < W)%N -> (80 * W ^ 2 <= q)%N -> q%:Z <= norm2 z ->
      (10 * #|pass_rows q W z| <= 7 * #|{: row 1}|)%N.
Proof.
move=> /(_ 80 1 (fun=> 80%:Z) isT isT)%N; rewrite /norm2 big_ord1 => /(_ isT).
by rewrite all_pass ?rows_of_one.
Qed.

Theorem small_coordinates_need_the_margin :
  ~ forall (q W : nat) (z : 'I_1 -> int), (0 < W)%N -> (W ^ 2 <= 4000 * q)%N -> q%:Z <= norm2 z ->
      norm2 z *+ 30 <= (q%:Z - W%:Z) ^+ 2 -> (10 * #|pass_rows q W z| <= 7 * #|{: row 1}|)%N.
Proof.
move=> /(_ 81 10 (fun=> 9%:Z) isT isT)%N; rewrite /norm2 big_ord1 => /(_ isT isT).
by rewrite all_pass ?rows_of_one.
Qed.

Theorem every_wrapping_vector_needs_the_margin :
  ~ forall (q W : nat) (z : 'I_1 -> int), (0 < W)%N -> (W ^ 2 <= 4000 * q)%N ->
      (forall i, `|z i| *+ 2 <= q%:Z) -> q%:Z <= norm2 z -> (2 * 1 <= q)%N ->
      (10 * #|pass_rows q W z| <= 7 * #|{: row 1}|)%N.
Proof.
move=> /(_ 81 10 (fun=> 9%:Z) isT isT (fun=> isT))%N; rewrite /norm2 big_ord1 => /(_ isT isT).
by rewrite all_pass ?rows_of_one.
Qed.

(* Coordinates that are not taken around zero: q stands for 0. *)
Theorem every_wrapping_vector_needs_centring :
  ~ forall (q W : nat) (z : 'I_1 -> int), (0 < W)%N -> (80 * W ^ 2 <= q)%N -> q%:Z <= norm2 z ->
      (2 * 1 <= q)%N -> (10 * #|pass_rows q W z| <= 7 * #|{: row 1}|)%N.
Proof.
move=> /(_ 80 1 (fun=> 80%:Z) isT isT)%N; rewrite /norm2 big_ord1 => /(_ isT isT).
by rewrite all_pass ?rows_of_one.
Qed.

Theorem every_wrapping_vector_needs_a_wrap :
  ~ forall (q W : nat) (z : 'I_1 -> int), (0 < W)%N -> (80 * W ^ 2 <= q)%N ->
      (forall i, `|z i| *+ 2 <= q%:Z) -> (2 * 1 <= q)%N ->
      (10 * #|pass_rows q W z| <= 7 * #|{: row 1}|)%N.
Proof.
move=> /(_ 80 1 (fun=> 0) isT isT (fun=> isT) isT)%N.
by rewrite all_pass ?rows_of_one.
Qed.

(* Two checks on one row. *)
Theorem every_wrapping_vector_all_needs_rows_of_their_own :
  ~ forall (q W K : nat) (z : 'I_1 -> int), (0 < W)%N -> (80 * W ^ 2 <= q)%N ->
      (forall i, `|z i| *+ 2 <= q%:Z) -> q%:Z <= norm2 z -> (2 * 1 <= q)%N ->
      (10 ^ K * #|[set r : row 1 | [forall k : 'I_K, passes q W (dot z r)]]|
       <= 7 ^ K * #|{: row 1}|)%N.
Proof.
move=> /(_ 81 1 2 (fun=> 9%:Z) isT isT (fun=> isT))%N; rewrite /norm2 big_ord1 => /(_ isT isT).
have -> : [set r : row 1 | [forall k : 'I_2, passes 81 1 (dot (fun=> 9%:Z) r)]]
    = pass_rows 81 1 (fun=> 9%:Z).
  by apply/setP=> r; rewrite !inE; apply/forallP/idP => [/(_ ord0)|].
rewrite rows_of_one; suff -> : #|pass_rows 81 1 (fun _ : 'I_1 => 9%:Z)| = 2%N by [].
by apply/eqP; rewrite -eqz_nat count_one; vm_compute.
Qed.
