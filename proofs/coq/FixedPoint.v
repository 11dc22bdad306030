(* Integers in a ring of m elements, and rule N5: no sum wraps around below the bound.

   Stands for: crypto/src/field (`Field::from_i64`, `Field::to_integer`), crypto/src/secagg/mask.rs
   (`Accumulator::to_integers`, m = 2^b), dp/src/noise.rs (`fits`). One coordinate.

   Does not show: that a node's noise stays within 40 s. It does, but for less than exp(-799) a
   coordinate, which is noise.rs's figure and not proven here. *)
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Centred.
Variable m : nat.
Hypothesis m_gt1 : (1 < m)%N.

(* `to_integer`: the representative around zero. For odd m, 2 a < m says a <= (m - 1)/2. *)
Definition to_integer (a : 'Z_m) : int := if (2 * a < m)%N then a%:Z else a%:Z - m%:Z.

(* `from_i64`: the element that stands for an integer. *)
Definition of_integer (z : int) : 'Z_m := z%:~R.

Theorem to_integerK z : (2 * `|z| < m)%N -> to_integer (of_integer z) = z.
Proof.
rewrite /to_integer /of_integer; case: z => n; rewrite /absz => small.
  have nm : (n < m)%N by apply: leq_ltn_trans small; apply: leq_pmull.
  by rewrite -pmulrn val_Zp_nat // modn_small // small.
have nm : (n.+1 < m)%N by apply: leq_ltn_trans small; apply: leq_pmull.
have -> : ((Negz n)%:~R : 'Z_m) = (m - n.+1)%:R.
  by rewrite NegzE mulrNz natrB ?(ltnW nm) // char_Zp // sub0r pmulrn.
rewrite val_Zp_nat // modn_small ?ltn_subrL ?(ltnW m_gt1) // mulnBr.
rewrite ltnNge leq_subRL ?leq_mul2l ?(ltnW nm) //.
rewrite [(2 * m)%N]mul2n -addnn leq_add2r (ltnW small) /=.
by rewrite NegzE -subzn ?(ltnW nm) // addrAC subrr sub0r.
Qed.

Lemma absz_add (a b : int) : (`|(a + b)%R| <= `|a| + `|b|)%N.
Proof. by have := leq_add_dist a 0 (- b); rewrite subr0 sub0r !opprK. Qed.

(* Rule N5, with n sites of bound B and k nodes (or n masked sites) whose noise is at most 40 s. *)
Theorem no_wrap_around (n k B s : nat) (x : 'I_n -> int) (e : 'I_k -> int) :
  (forall i, `|x i| <= B)%N -> (forall j, `|e j| <= 40 * s)%N ->
  (2 * (n * B + k * (40 * s)) < m)%N ->
  to_integer (\sum_i of_integer (x i) + \sum_j of_integer (e j)) = \sum_i x i + \sum_j e j.
Proof.
move=> xB eS fits; rewrite /of_integer -!rmorph_sum -rmorphD; apply: to_integerK.
have absz_sum l (f : 'I_l -> int) b : (forall i, `|f i| <= b)%N -> (`|(\sum_i f i)%R| <= l * b)%N.
  move=> fb; elim: l f fb => [|l IH] f fb; first by rewrite big_ord0.
  rewrite big_ord_recl mulSn; apply: leq_trans (absz_add _ _) _.
  by apply: leq_add; last exact: IH.
apply: leq_ltn_trans fits; rewrite leq_mul2l /=.
apply: leq_trans (absz_add _ _) _.
by apply: leq_add; apply: absz_sum.
Qed.

(* A vector within B in L2 norm, as PINE proves it, is within B in each coordinate. *)
Theorem coordinate_within (d B : nat) (x : 'I_d -> int) :
  \sum_i x i ^+ 2 <= (B ^ 2)%N%:Z -> forall i, (`|x i| <= B)%N.
Proof.
move=> norm i; rewrite -leq_sqr -lez_nat -abszX; apply: le_trans norm.
rewrite gez0_abs ?sqr_ge0 // (bigD1 i) //= ler_addl.
by apply: sumr_ge0 => j _; apply: sqr_ge0.
Qed.
End Centred.

(* Broken twins: m in place of m/2, and the bound itself reached. *)
Theorem the_modulus_is_no_bound :
  ~ forall (m n k B s : nat) (x : 'I_n -> int) (e : 'I_k -> int), (1 < m)%N ->
      (forall i, `|x i| <= B)%N -> (forall j, `|e j| <= 40 * s)%N ->
      (n * B + k * (40 * s) < m)%N ->
      to_integer (\sum_i of_integer m (x i) + \sum_j of_integer m (e j)) = \sum_i x i + \sum_j e j.
Proof.
move=> /(_ 5 1 0 3 0 (fun=> 3%:Z) (fun=> 0) isT)%N.
by rewrite !big_ord1 !big_ord0 !addr0 => /(_ (fun=> isT)) - /(_ (fun=> isT) isT).
Qed.

Theorem half_the_modulus_itself_wraps :
  ~ forall (m : nat) (z : int), (1 < m)%N -> (2 * `|z| <= m)%N ->
      to_integer (of_integer m z) = z.
Proof. by move=> /(_ 4 2%:Z isT isT)%N. Qed.
