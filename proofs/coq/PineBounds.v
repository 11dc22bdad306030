(* What the conditions on PINE's parameters are worth, by the fields' own numbers.

   Stands for: crypto/src/pine/params.rs (`largest_bound`, `wrap_bound`) and the bounds up to which
   smpc-node/src/spec/hiding.rs chooses the 64-bit field. In one coordinate, by computation.

   Shows: under the draft's conditions (q > 3 B^2 + 2, q >= 2600 W, W^2 <= 4000 q) a vector of twice the
   bound passes every check on every row, so Lemma 3.3 as the draft's code has it is false; under
   80 W^2 <= q, PineSoundness.v holds. *)
From Coq Require Import ZArith Bool.
Local Open Scope Z_scope.

Definition q64 : Z := 2 ^ 64 - 2 ^ 32 + 1.
Definition q128 : Z := 2 ^ 66 * 4611686018427387897 + 1.

(* W: the least power of two that is at least ceil(8.7 B) + 1. *)
Definition is_wrap_bound (B W : Z) : bool :=
  (2 ^ Z.log2 W =? W) && (87 * B + 10 <=? 10 * W) && (10 * (W / 2) <? 87 * B + 10).
Definition draft (q B W : Z) : bool :=
  is_wrap_bound B W && (3 * B ^ 2 + 2 <? q) && (2600 * W <=? q) && (W ^ 2 <=? 4000 * q).
Definition margin (q B W : Z) : bool := is_wrap_bound B W && (3 * B ^ 2 + 2 <? q) && (80 * W ^ 2 <=? q).

Definition passes (q W s : Z) : bool := (s + W - 1) mod q <? 2 * W.
Definition entry (b c : bool) : Z := Z.b2z b + Z.b2z c - 1.
Definition passing (q W x : Z) : nat :=
  length (List.filter (fun r => passes q W (entry (fst r) (snd r) * x))
    (List.list_prod (true :: false :: nil) (true :: false :: nil)))%list.

(* What a node sees of the norm: the residue of the square, at most B^2. *)
Definition norm_passes (q B x : Z) : bool := x ^ 2 mod q <=? B ^ 2.

(* Accepted for certain: the square has wrapped, its residue is within the bound, all four rows pass. *)
Definition accepted_past (q B W x : Z) : bool :=
  (B <? x) && (q <=? x ^ 2) && norm_passes q B x && Nat.eqb (passing q W x) 4.

(* A single coordinate of 2^32 in the 64-bit field: 2 B at the largest bound, 8 B at 2^29. *)
Theorem past_the_bound_64 : draft q64 (2 ^ 31) (2 ^ 35) && accepted_past q64 (2 ^ 31) (2 ^ 35) (2 ^ 32)
  && draft q64 (2 ^ 29) (2 ^ 33) && accepted_past q64 (2 ^ 29) (2 ^ 33) (2 ^ 32) = true.
Proof. vm_compute; reflexivity. Qed.

(* And of 2^64 in the 128-bit field, at its largest bound. *)
Theorem past_the_bound_128 :
  draft q128 (2 ^ 63) (2 ^ 67) && accepted_past q128 (2 ^ 63) (2 ^ 67) (2 ^ 64) = true.
Proof. vm_compute; reflexivity. Qed.

(* Lemma 3.3 with the conditions of the draft's code is false. *)
Theorem draft_conditions_do_not_suffice :
  ~ forall q B W x, draft q B W = true -> q <= x ^ 2 -> (2 * passing q W x <= 4)%nat.
Proof.
intro lemma; specialize (lemma q64 (2 ^ 31) (2 ^ 35) (2 ^ 32)).
assert (H : (4 < 2 * passing q64 (2 ^ 35) (2 ^ 32))%nat).
  apply Nat.ltb_lt; vm_compute; reflexivity.
apply (proj1 (Nat.lt_nge _ _) H), lemma; [vm_compute; reflexivity|].
apply Z.leb_le; vm_compute; reflexivity.
Qed.

(* The largest bounds for which PineSoundness.v holds. *)
Theorem bounds_with_margin :
  margin q64 30854650 (2 ^ 28)
  && draft q64 30854651 (2 ^ 29) && negb (margin q64 30854651 (2 ^ 29))
  && margin q64 (2 ^ 24) (2 ^ 28) && margin q128 (2 ^ 56) (2 ^ 60) = true.
Proof. vm_compute; reflexivity. Qed.

(* Broken twin of `large_coordinate` (Pine.v): a coordinate W from 0, not 2 W, passes 3 rows of 4. *)
Theorem half_the_distance_is_not_enough :
  ~ forall q W x, W <= x mod q <= q - W -> (2 * passing q W x <= 4)%nat.
Proof.
intro claim; specialize (claim 100 2 2).
assert (H : (4 < 2 * passing 100 2 2)%nat) by (apply Nat.ltb_lt; vm_compute; reflexivity).
apply (proj1 (Nat.lt_nge _ _) H), claim.
split; apply Z.leb_le; vm_compute; reflexivity.
Qed.

(* Broken twins: with the margin the vectors above are not accepted, and one more has no margin. *)
Theorem with_the_margin_not_past_the_bound_64 : ~ accepted_past q64 (2 ^ 24) (2 ^ 28) (2 ^ 32) = true.
Proof. vm_compute; discriminate. Qed.

Theorem with_the_margin_not_past_the_bound_128 :
  ~ accepted_past q128 (2 ^ 56) (2 ^ 60) (2 ^ 64) = true.
Proof. vm_compute; discriminate. Qed.

Theorem one_more_has_no_margin : ~ margin q64 30854651 (2 ^ 29) = true.
Proof. vm_compute; discriminate. Qed.
