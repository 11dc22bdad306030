use proptest::prelude::*;

use super::*;
use crate::field::{Field32, Field64, Field128};

struct Rows<F> {
    values: Vec<F>,
    arity: usize,
}

impl<F: Field> Wires<F> for Rows<F> {
    fn read(&self, call: usize, from: usize, out: &mut [F]) {
        for (slot, wire) in out.iter_mut().zip(from..) {
            *slot = self.values[call * self.arity + wire];
        }
    }
}

/// Elements that look random, from a counter.
fn elements<F: Field>(len: usize, seed: u64) -> Vec<F> {
    let step = F::from_u64(0x9e37_79b1 % (F::MODULUS as u64)).unwrap();
    let mut state = F::from_u64(seed % 0xffff_0000).unwrap() + step;
    let next = |_| {
        state = state * state + step;
        state
    };
    (0..len).map(next).collect()
}

fn proofs<F: Field, G: Gadget<F>>(shape: &Shape, rows: &Rows<F>, seeds: &[F]) -> Vec<F> {
    let mut proofs = Vec::new();
    prove::<F, G, Monomial>(shape, rows, seeds, &mut proofs).unwrap();
    proofs
}

/// One verifier of the sum of the gadget's outputs less `claim`.
fn verifier<F: Field>(shape: &Shape, proof: &[F], values: &[F], t: F, claim: F) -> Vec<F> {
    let mut query = Query::<F, Monomial>::new(shape, proof, t).unwrap();
    let output = query.outputs().iter().fold(F::ZERO, |sum, output| sum + *output) - claim;
    // In two runs, the later first.
    let (early, late) = values.split_at(values.len() / 3);
    let mut sum = vec![F::ZERO; shape.arity()];
    query.weigh(early.len(), late, &mut sum);
    query.weigh(0, early, &mut sum);
    query.add(&sum);
    let mut verifier = Vec::new();
    query.finish(output, &mut verifier);
    verifier
}

fn check<F: Field, G: Gadget<F>>(chunk: usize, calls: usize, seed: u64) {
    let arity = chunk * G::WIDTH;
    let shape = Shape::new::<F>(arity, calls).unwrap();
    let values = elements::<F>(arity * calls, seed);
    let claim = G::evaluate(&values);
    let rows = Rows { values, arity };
    let seeds = elements::<F>(3 * arity, seed + 1);
    let batch = proofs::<F, G>(&shape, &rows, &seeds);
    let len = shape.proof_len::<F, Monomial>();
    assert_eq!(batch.len(), 3 * len);
    for (proof, seeds) in batch.chunks(len).zip(seeds.chunks(arity)) {
        assert_eq!(proof, proofs::<F, G>(&shape, &rows, seeds), "the batch is its single proofs");
        let t = elements::<F>(1, seed + 2)[0];
        // Two verifiers, over additive shares of statement and proof.
        let (mask, wires) = (elements::<F>(len, seed + 3), elements::<F>(arity * calls, seed + 4));
        let less = |a: &[F], b: &[F]| a.iter().zip(b).map(|(a, b)| *a - *b).collect::<Vec<F>>();
        let mut sum = verifier(&shape, &mask, &wires, t, claim);
        assert_eq!(sum.len(), shape.verifier_len());
        let other = verifier(&shape, &less(proof, &mask), &less(&rows.values, &wires), t, F::ZERO);
        F::add_vec(&mut sum, &other);
        assert!(decide::<F, G>(&shape, &sum));
        assert!(!decide::<F, G>(&shape, &sum[1..]), "a verifier of another length");
        for at in 0..sum.len() {
            let mut sum = sum.clone();
            sum[at] += F::ONE;
            assert!(!decide::<F, G>(&shape, &sum), "verifier element {at}");
        }
        for at in (0..len).step_by(1 + len / 9) {
            let mut proof = proof.to_vec();
            proof[at] += F::ONE;
            let bad = verifier(&shape, &proof, &rows.values, t, claim);
            assert!(!decide::<F, G>(&shape, &bad), "proof element {at}");
        }
        let wrong = verifier(&shape, proof, &rows.values, t, claim + F::ONE);
        assert!(!decide::<F, G>(&shape, &wrong), "a false statement");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn true_statements_pass_and_changed_ones_fail(
        chunk in 1usize..20, calls in 1usize..40, seed in 0u64..1 << 30,
    ) {
        check::<Field64, Squares>(chunk, calls, seed);
        check::<Field64, Products>(chunk, calls, seed);
        check::<Field32, Squares>(chunk, calls, seed);
        check::<Field128, Products>(chunk, calls, seed);
    }
}

/// The proof is what the definition says, computed the slow way.
#[test]
fn the_gadget_polynomial_is_the_gadget_of_the_wire_polynomials() {
    let shape = Shape::new::<Field64>(3, 5).unwrap();
    assert_eq!((shape.points(), shape.log2_points()), (8, 3));
    let rows = Rows { values: elements::<Field64>(15, 1), arity: 3 };
    let seeds = elements::<Field64>(3, 2);
    let proof = proofs::<Field64, Squares>(&shape, &rows, &seeds);
    assert_eq!(proof[..3], seeds);
    let ntt = Ntt::<Field64>::new(3).unwrap();
    let wires: Vec<Vec<Field64>> = (0..3)
        .map(|wire| {
            let mut values = vec![seeds[wire]];
            values.extend((0..5).map(|call| rows.values[3 * call + wire]));
            values.resize(8, Field64::ZERO);
            ntt.inverse(&mut values);
            values
        })
        .collect();
    for x in elements::<Field64>(20, 3) {
        let expected = wires.iter().fold(Field64::ZERO, |sum, wire| {
            let value = poly::eval(wire, x);
            sum + value * value
        });
        assert_eq!(poly::eval(&proof[3..], x), expected);
    }
}

#[test]
fn a_root_of_unity_is_no_query_point() {
    let shape = Shape::new::<Field64>(2, 6).unwrap();
    let proof = elements::<Field64>(shape.proof_len::<Field64, Monomial>(), 1);
    for log2 in 0..=3 {
        let t = Field64::root(log2).unwrap();
        let refused = Query::<_, Monomial>::new(&shape, &proof, t).map(|_| ());
        assert_eq!(refused, Err(Error::QueryPoint { points: 8 }));
    }
    assert!(Query::<_, Monomial>::new(&shape, &proof, Field64::root(4).unwrap()).is_ok());
    assert!(Query::<_, Monomial>::new(&shape, &proof[1..], Field64::ONE + Field64::ONE).is_err());
}

#[test]
fn shapes_out_of_range_are_errors() {
    assert!(Shape::new::<Field32>(0, 1).is_err());
    assert!(Shape::new::<Field32>(1, 0).is_err());
    assert!(Shape::new::<Field32>(1, (1 << 18) - 1).is_ok());
    assert!(Shape::new::<Field32>(1, 1 << 18).is_err());
    let shape = Shape::new::<Field32>(4, 3).unwrap();
    let rows = Rows { values: elements::<Field32>(12, 1), arity: 4 };
    let short = prove::<_, Squares, Monomial>(&shape, &rows, &elements(7, 2), &mut Vec::new());
    assert_eq!(short, Err(Error::Length { what: "prover's seeds", expected: 8, got: 7 }));
}
