(* Broken twins of FixedPoint.v and Sensitivity.v: each theorem here says of a statement like one there,
   with one condition or one rounding left out, that it is false.

   By a counterexample in one or two coordinates. twins.txt names the theorem to which each belongs. Does
   not show: that every condition of a theorem is needed. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Haima Require Import FixedPoint Sensitivity.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* Rule N5 without the noise: 2 n B < m alone. *)
Theorem noise_left_out_of_the_bound_wraps :
  ~ forall (m n k B s : nat) (x : 'I_n -> int) (e : 'I_k -> int), (1 < m)%N ->
      (forall i, `|x i| <= B)%N -> (forall j, `|e j| <= 40 * s)%N -> (2 * (n * B) < m)%N ->
      to_integer (\sum_i of_integer m (x i) + \sum_j of_integer m (e j)) = \sum_i x i + \sum_j e j.
Proof.
move=> /(_ 5 1 1 1 1 (fun=> 1%:Z) (fun=> 5%:Z) isT)%N.
by rewrite !big_ord1 => /(_ (fun=> isT)) - /(_ (fun=> isT) isT).
Qed.

(* A norm that is known in the ring alone bounds no coordinate; and the bound itself is reached. *)
Theorem a_norm_modulo_m_bounds_nothing :
  ~ forall (m B : nat) (x : 'I_1 -> int), (1 < m)%N -> (B ^ 2 < m)%N ->
      ((\sum_i x i ^+ 2) %% m%:Z)%Z <= (B ^ 2)%N%:Z -> forall i, (`|x i| <= B)%N.
Proof. by move=> /(_ 5 1 (fun=> 5%:Z) isT isT)%N; rewrite big_ord1 => /(_ isT ord0). Qed.

Theorem a_coordinate_reaches_the_bound :
  ~ forall (B : nat) (x : 'I_1 -> int), \sum_i x i ^+ 2 <= (B ^ 2)%N%:Z -> forall i, (`|x i| < B)%N.
Proof. by move=> /(_ 1 (fun=> 1%:Z))%N; rewrite big_ord1 => /(_ isT ord0). Qed.

(* Two numbers are truncated almost a step further apart than they were. *)
Theorem truncate_distance_needs_the_step :
  ~ forall p q : rat, `|(truncate p)%:~R - (truncate q)%:~R| <= `|p - q| :> rat.
Proof. by move=> /(_ 1 2%:R^-1); vm_compute. Qed.

(* Rounding down in place of truncation. *)
Theorem integer_norm_needs_truncation :
  ~ forall (x : 'I_2 -> rat) (c : rat) (D : nat), squares x <= c ^+ 2 -> 0 <= c -> c <= D%:R ->
      norm2 (fun i => floor (x i)) <= D%:Z ^+ 2.
Proof.
move=> /(_ (fun=> - 2%:R^-1) 1 1%N); rewrite /squares /norm2 !big_ord_recl !big_ord0.
by vm_compute => /(_ erefl erefl erefl).
Qed.

(* D is C/g rounded up, not down. *)
Theorem integer_norm_needs_the_ceiling :
  ~ forall (x : 'I_2 -> rat) (c : rat) (D : nat), squares x <= c ^+ 2 -> 0 <= c -> c < D.+1%:R ->
      norm2 (truncated x) <= D%:Z ^+ 2.
Proof.
move=> /(_ (fun=> 1) (3%:R / 2%:R) 1%N); rewrite /squares /norm2 /truncated !big_ord_recl !big_ord0.
by vm_compute => /(_ erefl erefl erefl).
Qed.

(* One patient: without the clip, and between bounds that are the wrong way round. *)
Theorem one_patient_needs_the_clip :
  ~ forall (v : 'I_1 -> 'I_1 -> rat) (A : {set 'I_1}) (p : 'I_1) (c : rat) (D : nat) (lo hi : int),
      p \notin A -> lo <= hi -> 0 <= c -> c <= D%:R ->
      norm2 (fun i => clamp lo hi (total v (p |: A) i) - clamp lo hi (total v A i)) <= D%:Z ^+ 2.
Proof.
move=> /(_ (fun _ _ => 1) set0 ord0 0 0%N 0 1); rewrite inE => /(_ isT isT isT isT).
by rewrite /norm2 big_ord1 setU0 /total big_set1 big_set0.
Qed.

Theorem one_patient_needs_bounds_in_order :
  ~ forall (v : 'I_1 -> 'I_1 -> rat) (A : {set 'I_1}) (p : 'I_1) (c : rat) (D : nat) (lo hi : int),
      p \notin A -> squares (v p) <= c ^+ 2 -> 0 <= c -> c <= D%:R ->
      norm2 (fun i => clamp lo hi (total v (p |: A) i) - clamp lo hi (total v A i)) <= D%:Z ^+ 2.
Proof.
move=> /(_ (fun _ _ => 1) set0 ord0 1 1%N 1 (- 1)); rewrite inE /squares big_ord1 => /(_ isT isT isT isT).
by rewrite /norm2 big_ord1 setU0 /total big_set1 big_set0.
Qed.

(* A patient whose coming changes another's vector (rule S1). *)
Theorem one_patient_needs_vectors_of_their_own :
  ~ forall (v v' : 'I_2 -> 'I_1 -> rat) (A : {set 'I_2}) (p : 'I_2) (c : rat) (D : nat),
      p \notin A -> (forall o, squares (v o) <= c ^+ 2 /\ squares (v' o) <= c ^+ 2) -> 0 <= c ->
      c <= D%:R -> norm2 (fun i => total v' (p |: A) i - total v A i) <= D%:Z ^+ 2.
Proof.
move=> /(_ (fun _ _ => - 1) (fun _ _ => 1) [set ord0] ord_max 1 1%N); rewrite inE => /(_ isT) claim.
have := claim _ isT isT; rewrite /norm2 /total /squares !big_ord1 big_set1 big_setU1 ?inE //= big_set1.
by move=> /(_ (fun=> conj isT isT)).
Qed.

(* A sum that wraps around in place of being clamped. *)
Definition wrapped (m z : int) : int := (z %% m)%Z.

Theorem one_patient_needs_clamping :
  ~ forall (v : 'I_1 -> 'I_1 -> rat) (A : {set 'I_1}) (p : 'I_1) (c : rat) (D : nat) (m : int),
      p \notin A -> 0 < m -> squares (v p) <= c ^+ 2 -> 0 <= c -> c <= D%:R ->
      norm2 (fun i => wrapped m (total v (p |: A) i) - wrapped m (total v A i)) <= D%:Z ^+ 2.
Proof.
move=> /(_ (fun _ _ => - 1) set0 ord0 1 1%N 5%:Z).
rewrite inE /squares big_ord1 => /(_ isT isT isT isT isT).
by rewrite /norm2 big_ord1 setU0 /total big_set1 big_set0.
Qed.
