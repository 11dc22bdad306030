(* Second and fourth moments of a check's result over uniform rows: what PineSoundness.v rests on.

   Stands for: crypto/src/field/ternary (rows of two bits an entry), crypto/src/pine (`dots`). With S the
   dot product as an integer and N the squared norm, over all rows: mean of S^2 is N/2, of S^4 at most
   3 N^2/4. Assumes and does not show: see Pine.v. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Haima Require Import Pine.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Lemma sum_bits (g : bool * bool -> int) :
  \sum_b g b = g (true, true) + g (true, false) + g (false, true) + g (false, false).
Proof.
rewrite (eq_bigr (fun p => g (p.1, p.2))) => [|[b c] _] //.
by rewrite -(pair_bigA _ (fun b c => g (b, c))) /= !big_bool /= !addrA.
Qed.

Section Rows.
Variable d : nat.

Definition cons_row (b : bool * bool) (r : row d) : row d.+1 :=
  [ffun i => if unlift ord0 i is Some j then r j else b].

Lemma sum_rows (f : row d.+1 -> int) :
  \sum_r f r = \sum_r (f (cons_row (true, true) r) + f (cons_row (true, false) r)
                       + f (cons_row (false, true) r) + f (cons_row (false, false) r)).
Proof.
rewrite (reindex (fun p : (bool * bool) * row d => cons_row p.1 p.2)) /=; last first.
  exists (fun r : row d.+1 => (r ord0, [ffun j => r (lift ord0 j)])) => [[b r]|r] _ /=.
    rewrite ffunE unlift_none; congr pair; apply/ffunP=> j.
    by rewrite !ffunE liftK.
  by apply/ffunP=> i; rewrite ffunE; case: unliftP => [j ->|->]; rewrite ?ffunE.
by rewrite -(pair_bigA _ (fun b r => f (cons_row b r))) /= sum_bits -!big_split.
Qed.

Lemma dot_cons (z : 'I_d.+1 -> int) b r :
  dot z (cons_row b r) = entry b * z ord0 + dot (fun j => z (lift ord0 j)) r.
Proof.
rewrite /dot big_ord_recl ffunE unlift_none; congr (_ + _).
by apply: eq_bigr => j _; rewrite ffunE liftK.
Qed.
End Rows.

Definition norm2 d (z : 'I_d -> int) : int := \sum_i z i ^+ 2.
Definition rows d : int := #|{: row d}|%:Z.

Lemma rows_times d (a : int) : rows d * a = a *+ #|{: row d}|.
Proof. by rewrite mulrC /rows -natz mulr_natr. Qed.

Lemma rowsS d : rows d.+1 = rows d *+ 4.
Proof.
rewrite /rows !card_ffun card_prod card_bool !card_ord expnS.
by rewrite mulnC PoszM -mulr_natr natz.
Qed.

Lemma rows0 : rows 0 = 1.
Proof. by rewrite /rows card_ffun card_ord expn0. Qed.

Lemma sum_row0 (f : row 0 -> int) : \sum_r f r = f [ffun=> (true, true)].
Proof.
rewrite (big_pred1 [ffun=> (true, true)]) // => r; apply/esym/eqP/ffunP => i; by case: i.
Qed.

Definition tail d (z : 'I_d.+1 -> int) (j : 'I_d) : int := z (lift ord0 j).

Lemma four d (z : 'I_d.+1 -> int) (g : int -> int) : \sum_r g (dot z r) =
  \sum_(r : row d) let s := dot (tail z) r in let a := z ord0 in
    (g (a + s) + g s + g s + g (s - a)).
Proof.
rewrite sum_rows; apply: eq_bigr => r _; rewrite !dot_cons.
have -> : entry (true, true) = 1 by [].
have -> : entry (true, false) = 0 by [].
have -> : entry (false, true) = 0 by [].
have -> : entry (false, false) = - 1 by [].
by rewrite mul1r mul0r add0r mulN1r [- _ + _]addrC.
Qed.

Lemma norm2S d (z : 'I_d.+1 -> int) : norm2 z = z ord0 ^+ 2 + norm2 (tail z).
Proof. by rewrite /norm2 big_ord_recl. Qed.

Theorem second_moment d (z : 'I_d -> int) : (\sum_r dot z r ^+ 2) *+ 2 = rows d * norm2 z.
Proof.
elim: d z => [|d IH] z; first by rewrite sum_row0 /norm2 /dot !big_ord0 expr0n mulr0.
rewrite (four z (fun s => s ^+ 2)) /=; set a := z ord0; set y := tail z.
rewrite (eq_bigr (fun r => dot y r ^+ 2 *+ 4 + a ^+ 2 *+ 2)) => [|r _].
  rewrite big_split /= sumrMnl sumr_const mulrnDl -mulrnA mulnC mulrnA IH.
  rewrite norm2S -/a -/y rowsS mulrnAl mulrDr addrC mulrnDl; congr (_ + _).
  rewrite rows_times -!mulrnA; congr (_ *+ _).
  by rewrite mulnC -mulnA.
by rewrite !expr2 (second_moment_step int_theory) !mulrS mulr0n !addr0 !addrA.
Qed.

Theorem fourth_moment d (z : 'I_d -> int) :
  (\sum_r dot z r ^+ 4) *+ 4 <= rows d * (norm2 z ^+ 2 *+ 3).
Proof.
elim: d z => [|d IH] z; first by rewrite sum_row0 /norm2 /dot !big_ord0 expr0n.
rewrite (four z (fun s => s ^+ 4)) /=; set a := z ord0; set y := tail z.
rewrite (eq_bigr (fun r => dot y r ^+ 4 *+ 4 + (a ^+ 2 * dot y r ^+ 2 *+ 12 + a ^+ 4 *+ 2))) => [|r _].
  set N := norm2 y; set M := rows d; set Q := \sum_r dot y r ^+ 4.
  have -> : \sum_r (dot y r ^+ 4 *+ 4 + (a ^+ 2 * dot y r ^+ 2 *+ 12 + a ^+ 4 *+ 2))
      = Q *+ 4 + ((M * (a ^+ 2 * N)) *+ 6 + (M * a ^+ 4) *+ 2).
    rewrite big_split sumrMnl; congr (_ + _); rewrite big_split sumrMnl -mulr_sumr /=.
    congr (_ + _); last by rewrite sumr_const mulrnAC rows_times.
    by rewrite -[12%N]/(2 * 6)%N mulrnA -mulrnAr second_moment mulrCA.
  have -> : rows d.+1 * (norm2 z ^+ 2 *+ 3)
      = (M * (N ^+ 2 *+ 3) + ((M * (a ^+ 2 * N)) *+ 6 + (M * a ^+ 4) *+ 3)) *+ 4.
    rewrite norm2S -/a -/y -/N rowsS mulrnAl -/M sqrrD -exprM; congr (_ *+ 4).
    by rewrite addrC !mulrnDl -mulrnDr (mulrDr M (N ^+ 2 *+ 3)) (mulrDr M (a ^+ _ *+ 3))
      ![M * (_ *+ _)]mulrnAr; congr (_ + _); rewrite addrC.
  rewrite ler_muln2r /=; apply: ler_add; first exact: IH.
  rewrite ler_add2l [X in _ <= X]mulrS ler_addr mulr_ge0 //; exact: exprn_even_ge0.
have p4 u : u ^+ 4 = u * u * (u * u) :> int by rewrite -[4%N]/(2 * 2)%N exprM !expr2.
rewrite !p4 !expr2 (fourth_moment_step int_theory); congr (_ + _).
  by rewrite !mulrS mulr0n addr0 !addrA.
have -> : 1 + 1 + 1 = 3%:R :> int by [].
have -> : 1 + 1 = 2%:R :> int by [].
rewrite !mulr_natl -mulr2n.
by rewrite mulrnDl -!mulrnA.
Qed.
