//! Cheating clients, who do as they please with what a client has: vector, claims, proofs.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::client::{Claim, Coordinates};
use super::*;
use crate::field::{Field32, Field40, Field64, Field128, encode_vec, ternary};
use crate::flp::{Basis, Monomial};
use crate::xof::{XofHmacSha256Aes128, expand};

type Pine64 = Pine<Field64, XofHmacSha256Aes128>;

/// A vector of any elements.
impl Coordinates<Field64> for [Field64] {
    fn len(&self) -> usize {
        self.len()
    }

    fn read(&self, from: usize, out: &mut [Field64]) {
        for (slot, at) in out.iter_mut().zip(from..) {
            *slot = self.get(at).copied().unwrap_or(Field64::ZERO);
        }
    }

    fn dots(
        &self,
        from: usize,
        count: usize,
        rows: usize,
        stream: &mut impl ByteStream,
    ) -> Zeroizing<Vec<i128>> {
        let dots = ternary::dots(&self[from..from + count], rows, stream);
        Zeroizing::new(dots.iter().map(|dot| dot.to_integer()).collect())
    }
}

const KEY: [u8; 32] = [5; 32];

fn accepted(pine: &Pine64, sharing: &Sharding, nonce: &[u8; 16]) -> Result<(), Error> {
    let mut prepared = Vec::new();
    for (position, share) in sharing.shares.iter().enumerate() {
        prepared.push(pine.prep(&KEY, position, nonce, &sharing.public, share)?);
    }
    let shares: Vec<&[u8]> = prepared.iter().map(|(_, share)| &share[..]).collect();
    let message = pine.combine(&shares)?;
    prepared.iter().try_for_each(|(state, _)| pine.finish(state, &message))
}

fn pine(dimension: usize, bound: u64, shares: usize, [checks, successes]: [usize; 2]) -> Pine64 {
    let params = Params::new::<Field64>(dimension, bound, shares).unwrap();
    Pine::new(Params { checks, successes, ..params }).unwrap()
}

fn refused_by(circuit: &'static str) -> Result<(), Error> {
    Err(Error::Proof { circuit, index: 0 })
}

#[test]
fn a_vector_past_the_bound_is_refused_whatever_its_norm_is_said_to_be() {
    let pine = pine(2, 100, 3, [100, 100]);
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut shard = |values: &[i64], norm: u128, slack: u128| {
        let claim = Claim { norm, slack, pretend: false };
        let sharing = pine.attempt(values, claim, &[2; 16], |rand| rng.fill_bytes(rand)).unwrap();
        accepted(&pine, &sharing, &[2; 16])
    };
    assert_eq!(shard(&[60, 80], 10_000, 0), Ok(()));
    assert_eq!(shard(&[60, -80], 10_000, 0), Ok(()));
    // One past: all as an honest client would, the slack of -1 in as many bits as there are.
    assert_eq!(shard(&[1, 100], 10_001, 0u128.wrapping_sub(1)), refused_by("validity"));
    // The norm said to be within the bound.
    assert_eq!(shard(&[1, 100], 10_000, 0), refused_by("norm equality"));
    assert_eq!(shard(&[101, 0], 10_000, 0), refused_by("norm equality"));
    // A true norm and a slack that does not add up.
    assert_eq!(shard(&[60, 80], 10_000, 1), refused_by("validity"));
    assert_eq!(shard(&[0, 0], 0, 9_999), refused_by("validity"));
}

/// (2^48, 1): the squared norm is 2^96 + 1 = 0 (mod p).
fn wrapped() -> [Field64; 2] {
    let root = Field64::root(2).unwrap();
    assert_eq!(root * root + Field64::ONE, Field64::ZERO);
    [root, Field64::ONE]
}

/// PINE, Lemma 3.3, at its worst case: a row passes when its first entry is 0, with probability
/// 1/2, so all of 8 pass with probability 2^-8. Intervals are of 4 standard deviations.
#[test]
fn a_wrapped_vector_passes_8_checks_as_often_as_theory_says() {
    let trial = |pine: &Pine64, pretend: bool, rng: &mut ChaCha20Rng| {
        let (mut nonce, mut rand) = ([0; 16], vec![0; pine.rand_len()]);
        rng.fill_bytes(&mut nonce);
        rng.fill_bytes(&mut rand);
        let bound = u128::from(pine.params().bound);
        let claim = Claim { norm: 0, slack: bound * bound, pretend };
        let sharing = pine.shard_claim(&wrapped()[..], claim, &nonce, &rand).unwrap();
        (sharing, nonce)
    };
    let mut rng = ChaCha20Rng::from_seed([3; 32]);

    // Says that all passed, every time.
    let all = pine(2, 1000, 2, [8, 8]);
    let mut passed = 0;
    let trials = 12_000;
    for _ in 0..trials {
        let (sharing, nonce) = trial(&all, true, &mut rng);
        match accepted(&all, &sharing.unwrap(), &nonce) {
            Ok(()) => passed += 1,
            refused => assert_eq!(refused, refused_by("validity")),
        }
    }
    let mean = f64::from(trials) / 256.0;
    let off = (f64::from(passed) - mean) / (mean * 255.0 / 256.0).sqrt();
    assert!(off.abs() < 4.0, "{passed} of {trials}, {off} standard deviations off");

    // 4 of 8 needed: 163 / 256. Sends a report when there is one that will pass.
    let half = pine(2, 1000, 2, [8, 4]);
    let (trials, mut passed) = (1000, 0);
    for _ in 0..trials {
        if let (Some(sharing), nonce) = trial(&half, false, &mut rng) {
            assert_eq!(accepted(&half, &sharing, &nonce), Ok(()));
            passed += 1;
        }
    }
    let (mean, p) = (f64::from(trials) * 163.0 / 256.0, 163.0 / 256.0);
    let off = (f64::from(passed) - mean) / (mean * (1.0 - p)).sqrt();
    assert!(off.abs() < 4.0, "{passed} of {trials}, {off} standard deviations off");
}

#[test]
fn checks_that_cannot_pass_end_in_an_error_and_too_few_are_refused() {
    let hundred = pine(2, 1000, 2, [100, 100]);
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    let claim = Claim { norm: 0, slack: 1_000_000, pretend: false };
    let stuck = hundred.attempt(&wrapped()[..], claim, &[1; 16], |rand| rng.fill_bytes(rand));
    assert_eq!(stuck.unwrap_err(), Error::WrapAround { needed: 100, checks: 100, attempts: 8 });
    // A client that counts to 7 before nodes that ask for 8.
    let (seven, eight) = (pine(2, 1000, 2, [8, 7]), pine(2, 1000, 2, [8, 8]));
    let sharing = seven.shard(&[3, 4], &[1; 16], &mut rng).unwrap();
    assert_eq!(accepted(&seven, &sharing, &[1; 16]), Ok(()));
    assert_eq!(accepted(&eight, &sharing, &[1; 16]), refused_by("validity"));
}

/// R6: whoever knows the verify key knows the query point t, and adds to the gadget polynomial a
/// multiple of X - t that makes up for any norm.
#[test]
fn a_norm_equality_is_forged_with_the_verify_key_and_not_without() {
    let pine = pine(40, 100, 2, [100, 100]);
    let (params, layout) = (pine.params(), &pine.layout);
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let nonce = [7; 16];
    // Twice the bound, said to be 0; still far too short to fail a wrap-around check.
    let mut values = [0i64; 40];
    values[39] = 200;
    let claim = Claim { norm: 0, slack: 10_000, pretend: false };
    let honest = pine.attempt(&values[..], claim, &nonce, |rand| rng.fill_bytes(rand)).unwrap();
    assert_eq!(accepted(&pine, &honest, &nonce), refused_by("norm equality"));

    let shape = &layout.norm_equality;
    let forge = |key: &[u8]| {
        let binder: [&[u8]; 2] = [&pine.proof_counts(), &nonce];
        let mut points = Pine64::expand(key, Usage::QueryRandomness, &binder);
        let points = expand::<Field64>(&mut points, params.proofs_norm_equality);
        let root = Field64::root(shape.log2_points()).unwrap();
        let mut forged = honest.clone();
        for (index, t) in points.iter().enumerate() {
            // Summed over the calls, c (X - t) has to make up for v - sum x^2 = -40,000.
            let calls = (1..=shape.calls() as u128).map(|call| root.pow(call) - *t);
            let sum = calls.fold(Field64::ZERO, |sum, value| sum + value);
            let c = Field64::from_i64(-40_000).unwrap() * sum.inverse();
            let len = shape.arity() + <Monomial as Basis<Field64>>::len(shape.log2_points());
            let at = (layout.measurement + index * len + shape.arity()) * Field64::BYTES;
            for (coefficient, change) in [-c * *t, c].into_iter().enumerate() {
                let at = at + coefficient * Field64::BYTES;
                let slot = &mut forged.shares[0][at..at + Field64::BYTES];
                let changed = Field64::from_le_bytes(slot).unwrap() + change;
                slot.copy_from_slice(&encode_vec(&[changed]));
            }
        }
        accepted(&pine, &forged, &nonce)
    };
    assert_eq!(forge(&[6; 32]), refused_by("norm equality"));
    assert_eq!(forge(&KEY), Ok(()));
}

/// Over `Field64` with B = 2^31, (2^32) is twice the bound, its square wraps to 2^32 - 1, and no row
/// makes more of it than 2^32, which is below W = 2^35: the draft's own range lets it through.
#[test]
fn a_bound_at_which_the_checks_cannot_see_a_wrap_is_refused() {
    let mut rng = ChaCha20Rng::from_seed([6; 32]);
    let norm = (1u128 << 32) - 1;
    let mut attempt = |pine: &Pine64| {
        let bound = u128::from(pine.params().bound);
        let claim = Claim { norm: norm.min(bound * bound), slack: 0, pretend: false };
        let claim = Claim { slack: bound * bound - claim.norm, ..claim };
        pine.attempt(&[1i64 << 32][..], claim, &[1; 16], |rand| rng.fill_bytes(rand))
    };
    let params = Params { bound: 1 << 31, ..Params::new::<Field64>(1, 1000, 2).unwrap() };
    let draft = Pine64::of_the_draft(params).unwrap();
    assert_eq!(accepted(&draft, &attempt(&draft).unwrap(), &[1; 16]), Ok(()), "twice the bound");
    for bound in [params.bound, 1 << 29, Params::largest_bound::<Field64>() + 1] {
        let got = u128::from(bound);
        let refused = |error| matches!(error, Error::Parameter { got: at, .. } if at == got);
        assert!(refused(Params::new::<Field64>(1, bound, 2).unwrap_err()));
        assert!(refused(Pine64::new(Params { bound, ..params }).unwrap_err()));
    }
    // At the largest bound that is left, half of all rows see it.
    let largest = Params::new::<Field64>(1, Params::largest_bound::<Field64>(), 2).unwrap();
    let stuck = attempt(&Pine64::new(largest).unwrap());
    assert!(matches!(stuck, Err(Error::WrapAround { .. })), "{stuck:?}");
}

#[test]
fn the_largest_bound_of_each_field_is_as_documented() {
    let bounds = [
        Params::largest_bound::<Field32>(),
        Params::largest_bound::<Field40>(),
        Params::largest_bound::<Field64>(),
        Params::largest_bound::<Field128>(),
    ];
    assert_eq!(bounds, [470, 7532, 30_854_650, 132_519_713_173_200_801]);
}

/// Past 2^53 a double rounds 8.7 B down; a bound that fits by that alone is refused.
#[test]
fn no_bound_fits_by_the_rounding_of_a_double_alone() {
    let largest = Params::largest_bound::<Field128>();
    let ceiling = |bound: u64| (u128::from(bound) * 87).div_ceil(10);
    assert!(ceiling(largest) < 1 << 60 && ceiling(largest + 1) >= 1 << 60);
    for bound in [largest + 1, largest + 7] {
        // As a double it still fits.
        let ceiling = (ALPHA * bound as f64).ceil() as u128;
        assert!(ceiling < 1 << 60);
        let refused = Params::new::<Field128>(1, bound, 2).unwrap_err();
        assert!(matches!(refused, Error::Parameter { what: "norm bound in this field", .. }));
    }
}

/// The documented figures of [`Params`], and rule R7.
#[test]
fn defaults_reach_80_bits_at_every_dimension() {
    fn bits<F: Field>(bound: u64) -> [f64; 3] {
        let bits = [100, 1_000_000, MAX_DIMENSION].map(|dimension| {
            let params = Params::new::<F>(dimension, bound, 2).unwrap();
            params.soundness_bits::<F>().unwrap()
        });
        println!("{} bytes: {bits:?}", F::BYTES);
        assert!(bits.iter().all(|bits| (80.0..=100.0).contains(bits)), "{bits:?}");
        bits
    }
    // 100 checks give 100 bits; the 32-bit field is the only one whose proofs give less.
    assert!(bits::<Field32>(400)[2] < 100.0);
    assert_eq!(bits::<Field40>(7000), [100.0; 3]);
    assert_eq!(bits::<Field64>(1 << 24), [100.0; 3]);
    assert_eq!(bits::<Field128>(1 << 56), [100.0; 3]);
    let params = Params::new::<Field64>(1_000_000, 1 << 15, 2).unwrap();
    assert_eq!((params.proofs, params.proofs_norm_equality), (2, 2));
    // The chunks that the published sizes are for.
    assert_eq!((params.chunk, params.chunk_norm_equality), (37, 1957));
    let few = Params { checks: 8, successes: 4, ..params };
    assert!((few.soundness_bits::<Field64>().unwrap() - (256f64 / 163.0).log2()).abs() < 1e-9);
}
