(* PINE's norm check, and how far its wrap-around checks carry.

   Stands for: crypto/src/pine/circuit.rs (what the circuits assert), crypto/src/pine/params.rs
   (`wrap_bound`), crypto/src/field/ternary (rows: two bits an entry, b0 + b1 - 1). Coordinates are any
   integers that stand for the field's elements; rows are uniform.

   Assumes: rows are uniform and fixed after the vector (a hash, modelled as a random oracle), and the
   circuits' statements hold (the proofs' own soundness is on paper in `Params::soundness_bits`).
   Does not show: the paper's 1/2 a check in general. Shown is 1/2 with a large coordinate (here), and
   7/10 for every vector that wraps where 80 W^2 <= q (PineSoundness.v). PineBounds.v shows what happens
   without that. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Coq Require Import Ring_theory Ring.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* Two identities, by Coq's `ring` over any commutative ring. *)
Section Identities.
Variables (T : Type) (o i : T) (add mul sub : T -> T -> T) (opp : T -> T).
Hypothesis theory : ring_theory o i add mul sub opp eq.
Add Ring any : theory.
Local Notation "a [+] b" := (add a b) (at level 50, left associativity).
Local Notation "a [-] b" := (sub a b) (at level 50, left associativity).
Local Notation "a [*] b" := (mul a b) (at level 40, left associativity).

Lemma second_moment_step s a :
  (a [+] s) [*] (a [+] s) [+] s [*] s [+] s [*] s [+] (s [-] a) [*] (s [-] a)
  = (s [*] s [+] s [*] s [+] s [*] s [+] s [*] s) [+] (a [*] a [+] a [*] a).
Proof. ring. Qed.

Lemma fourth_moment_step s a : let s2 := s [*] s in let a2 := a [*] a in
  (a [+] s) [*] (a [+] s) [*] ((a [+] s) [*] (a [+] s)) [+] s2 [*] s2 [+] s2 [*] s2
    [+] (s [-] a) [*] (s [-] a) [*] ((s [-] a) [*] (s [-] a))
  = (s2 [*] s2 [+] s2 [*] s2 [+] s2 [*] s2 [+] s2 [*] s2)
    [+] (i [+] i) [*] ((i [+] i [+] i) [*] ((a2 [*] s2) [+] (a2 [*] s2)) [+] a2 [*] a2).
Proof. move=> s2 a2; rewrite /s2 /a2; ring. Qed.
End Identities.

Lemma int_theory : @ring_theory int 0 1 +%R *%R (fun a b => a - b) -%R eq.
Proof.
split; [exact: add0r | exact: addrC | exact: addrA | exact: mul1r | exact: mulrC | exact: mulrA
  | exact: mulrDl | by [] | exact: subrr].
Qed.

(* The norm, once it is known not to have wrapped. *)
Section Norm.
Variables (q B : nat).
Hypothesis room : (3 * B ^ 2 + 2 < q)%N.

(* Bits of v and of u, as many as B^2 has, with v + u = B^2 in the field: v is at most B^2. *)
Theorem range_check (b v u : nat) : (2 ^ b <= 2 * B ^ 2)%N -> (v < 2 ^ b)%N -> (u < 2 ^ b)%N ->
  v + u = B ^ 2 %[mod q] -> (v <= B ^ 2)%N.
Proof.
move=> bits vb ub; have Bq : (B ^ 2 < q)%N.
  by apply: leq_ltn_trans room; rewrite (leq_trans (leq_pmull _ (isT : 0 < 3)%N)) // leq_addr.
rewrite [in RHS]modn_small // => e.
have [small|big] := ltnP (v + u) q; first by move: e; rewrite modn_small // => <-; apply: leq_addr.
have vu : (v + u - q < B ^ 2)%N.
  rewrite ltn_subLR //; apply: (@leq_ltn_trans (2 ^ b + 2 ^ b)).
    by apply: leq_add; apply: ltnW.
  apply: (@leq_ltn_trans (3 * B ^ 2 + B ^ 2)); last first.
    by rewrite ltn_add2r; apply: leq_ltn_trans room; apply: leq_addr.
  by rewrite addnC -mulSn -[3.+1]/(2 * 2)%N -mulnA mul2n -addnn; apply: leq_add.
have vq := ltn_trans vu Bq.
by move: e vu; rewrite -{1}(subnK big) modnDr modn_small // => ->; rewrite ltnn.
Qed.

(* v = sum of squares in the field, and the sum is below q: it is at most B^2. *)
Theorem norm_without_wrap (d v : nat) (z : 'I_d -> nat) : (v <= B ^ 2)%N ->
  v = \sum_i z i ^ 2 %[mod q] -> (\sum_i z i ^ 2 < q)%N -> (\sum_i z i ^ 2 <= B ^ 2)%N.
Proof.
move=> vB + wraps; have Bq : (B ^ 2 < q)%N.
  by apply: leq_ltn_trans room; rewrite (leq_trans (leq_pmull _ (isT : 0 < 3)%N)) // leq_addr.
by rewrite !modn_small // ?(leq_ltn_trans vB) // => <-.
Qed.
End Norm.

(* A row of a check: for each coordinate two bits, which make -1, 0, 0 or 1. *)
Definition row (d : nat) := {ffun 'I_d -> bool * bool}.
Definition entry (b : bool * bool) : int := (b.1 : nat)%:Z + (b.2 : nat)%:Z - 1.
Definition dot d (z : 'I_d -> int) (r : row d) : int := \sum_i entry (r i) * z i.

Section OneCheck.
Variables (q W d : nat) (z : 'I_d -> int).
Hypothesis W_pos : (0 < W)%N.
Hypothesis room : (2 * W <= q)%N.

(* The result lies in (-W, W] modulo q: its bits are those of a number in [0, 2W). *)
Definition passes (s : int) : bool := ((s + W%:Z - 1) %% q%:Z)%Z < (2 * W)%N%:Z.
Definition pass_rows : {set row d} := [set r | passes (dot z r)].

Let q_pos : (0 < q)%N. Proof. by apply: leq_trans room; rewrite muln_gt0. Qed.

(* Two results that differ by 2W or more, modulo q and either way, do not both pass. *)
Lemma not_both s a : (2 * W)%N%:Z <= (a %% q%:Z)%Z -> (a %% q%:Z)%Z <= q%:Z - (2 * W)%N%:Z ->
  passes s -> ~~ passes (s + a).
Proof.
rewrite /passes => far1 far2 near; rewrite -leNgt.
have -> : s + a + W%:Z - 1 = (s + W%:Z - 1) + a.
  by rewrite -!addrA; congr (_ + _); rewrite addrCA [a + _]addrC.
rewrite -modzDm modz_small; first by apply: le_trans far1 _; rewrite ler_addr modz_ge0 // lt0r_neq0.
rewrite addr_ge0 ?modz_ge0 ?lt0r_neq0 //=.
by apply: lt_le_trans (ltr_le_add near far2) _; rewrite addrC subrK.
Qed.

Variable i : 'I_d.
Definition flip (r : row d) : row d := [ffun j => if j == i then (~~ (r j).1, (r j).2) else r j].

Lemma flipK : involutive flip.
Proof.
move=> r; apply/ffunP=> j; rewrite !ffunE; case: eqP => //= _.
by rewrite negbK -surjective_pairing.
Qed.

Lemma dot_flip r : dot z (flip r) = dot z r + (if (r i).1 then - z i else z i).
Proof.
rewrite /dot (bigD1 i) //= [in RHS](bigD1 i) //= addrAC; congr (_ + _); last first.
  by apply: eq_bigr => j ji; rewrite ffunE (negbTE ji).
have up b : entry (true, b) = entry (false, b) + 1 by case: b.
by rewrite ffunE eqxx; case: (r i) => [[] b] /=; rewrite up [(entry _ + 1) * _]mulrDl mul1r ?addrK.
Qed.

(* Lemma 3.3, first case: with one coordinate 2W or more from 0 modulo q, at most half of all rows
   pass. *)
Theorem large_coordinate :
  (2 * W)%N%:Z <= (z i %% q%:Z)%Z -> (z i %% q%:Z)%Z <= q%:Z - (2 * W)%N%:Z ->
  (2 * #|pass_rows| <= #|{: row d}|)%N.
Proof.
move=> far1 far2; have others : [disjoint pass_rows & flip @: pass_rows].
  rewrite -setI_eq0; apply/eqP/setP=> r; rewrite !inE; apply/negP => /andP[near].
  move=> /imsetP[r']; rewrite inE => near' rE; move: near near'; rewrite rE dot_flip.
  case: (r' i).1 => near near'; last by have := not_both far1 far2 near'; rewrite near.
  by have := not_both far1 far2 near; rewrite subrK near'.
rewrite mul2n -addnn -[X in (_ + X)%N](card_imset _ (inv_inj flipK)).
by move: (leq_card_setU pass_rows (flip @: pass_rows)).2; rewrite others => /eqP <-; apply: max_card.
Qed.
End OneCheck.

(* All of K independent checks: the parts multiply. *)
Theorem all_checks (T : finType) (A : {set T}) (K a b : nat) : (b * #|A| <= a * #|T|)%N ->
  (b ^ K * #|[set R : {ffun 'I_K -> T} | [forall k, R k \in A]]| <= a ^ K * #|{ffun 'I_K -> T}|)%N.
Proof.
move=> one; have -> : #|[set R : {ffun 'I_K -> T} | [forall k, R k \in A]]| = (#|A| ^ K)%N.
  rewrite -[in RHS](card_ord K) -card_ffun_on; apply: eq_card => R; rewrite inE.
  exact: (sameP forallP ffun_onP).
by rewrite card_ffun card_ord -!expnMn; case: K => // K; rewrite leq_exp2r.
Qed.
