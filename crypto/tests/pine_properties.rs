//! PINE's properties: completeness, linearity, secrecy of k-1 shares, and decoders that take
//! anything.

mod common;

use haima_crypto::Error;
use haima_crypto::field::{Field, Field32, Field40, Field64, Field128};
use haima_crypto::pine::{MAX_DIMENSION, Params, Pine, float};
use haima_crypto::share::{Aggregate, MAX_PARTIES, combine};
use haima_crypto::xof::{Xof, XofHmacSha256Aes128, XofTurboShake128};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Shares every vector, has all nodes prepare and add it, and gives the sum back.
fn sum_of<F: Field, X: Xof<Stream: Send> + Send>(
    params: Params,
    vectors: &[Vec<i64>],
    rng: &mut ChaCha20Rng,
) -> Result<Vec<i128>, Error> {
    let pine = Pine::<F, X>::new(params)?;
    let mut key = vec![0; X::SEED];
    rng.fill_bytes(&mut key);
    let mut sums: Vec<_> = (0..params.shares)
        .map(|position| Aggregate::<F>::new(position, params.dimension))
        .collect();
    for values in vectors {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let sharing = pine.shard(values, &nonce, rng)?;
        let prep = |(position, share): (usize, &zeroize::Zeroizing<Vec<u8>>)| {
            pine.prep(&key, position, &nonce, &sharing.public, share)
        };
        let prepared =
            sharing.shares.iter().enumerate().map(prep).collect::<Result<Vec<_>, _>>()?;
        let prep_shares: Vec<&[u8]> = prepared.iter().map(|(_, share)| &share[..]).collect();
        let message = pine.combine(&prep_shares)?;
        for (position, (state, _)) in prepared.iter().enumerate() {
            pine.finish(state, &message)?;
            pine.accumulate(position, &sharing.shares[position], &mut sums[position])?;
        }
    }
    let sums: Vec<Vec<u8>> = sums.iter().map(Aggregate::to_bytes).collect();
    let released: Vec<&[u8]> = sums.iter().map(|sum| &sum[..]).collect();
    combine::<F>(&released, params.dimension)
}

/// A vector of random direction whose norm is at most the bound, and near it when asked.
fn vector(dimension: usize, bound: u64, full: bool, rng: &mut ChaCha20Rng) -> Vec<i64> {
    let draws: Vec<f64> =
        (0..dimension).map(|_| rng.next_u64() as f64 / 2f64.powi(63) - 1.0).collect();
    let norm = draws.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-9);
    let scale = bound as f64 * if full { 1.0 } else { 0.3 } * (1.0 - 1e-9) / norm;
    draws.iter().map(|x| (x * scale).trunc() as i64).collect()
}

fn complete<F: Field, X: Xof<Stream: Send> + Send>(
    dimension: usize,
    bound: u64,
    shares: usize,
    seed: u64,
) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let params = Params::new::<F>(dimension, bound, shares).unwrap();
    let vectors: Vec<_> =
        [true, false, true].map(|full| vector(dimension, bound, full, &mut rng)).to_vec();
    let sum = sum_of::<F, X>(params, &vectors, &mut rng).unwrap();
    for (at, sum) in sum.into_iter().enumerate() {
        assert_eq!(sum, vectors.iter().map(|v| i128::from(v[at])).sum::<i128>(), "coordinate {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn vectors_up_to_the_bound_pass_and_their_shares_sum_to_the_sum(
        dimension in 1usize..300, bits in 0u32..16, shares in 2usize..6, seed: u64,
    ) {
        let bound = (1 << bits) + (seed % (1 << bits)) / 2;
        complete::<Field32, XofHmacSha256Aes128>(dimension, bound.min(470), shares, seed);
        complete::<Field40, XofHmacSha256Aes128>(dimension, bound.min(7000), shares, seed);
        complete::<Field64, XofHmacSha256Aes128>(dimension, bound << 8, shares, seed);
        complete::<Field64, XofTurboShake128>(dimension, bound, shares, seed);
        complete::<Field128, XofTurboShake128>(dimension, bound << 40, shares, seed);
    }

    /// Whatever comes in: an error or garbage, never a panic.
    #[test]
    fn decoders_take_any_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..6000), position in 0usize..4, cut: bool,
    ) {
        let params = Params { checks: 5, successes: 5, ..Params::new::<Field64>(20, 50, 3).unwrap() };
        let pine = Pine::<Field64, XofHmacSha256Aes128>::new(params).unwrap();
        // Half of the time the right length, so that the insides are reached.
        let fit = |len: usize| {
            let len = if cut { bytes.len() } else { len };
            bytes.iter().copied().cycle().take(if bytes.is_empty() { 0 } else { len }).collect::<Vec<u8>>()
        };
        let (public, share) = (fit(pine.public_share_len()), fit(pine.share_len(position)));
        let prepared = pine.prep(&fit(32), position, &[1; 16], &public, &share);
        if position > 2 || public.len() != pine.public_share_len() || share.len() != pine.share_len(position) {
            prop_assert!(prepared.is_err());
        }
        let mut sum = Aggregate::new(position, 20);
        let before = sum.to_bytes();
        if pine.accumulate(position, &share, &mut sum).is_err() {
            prop_assert_eq!(before, sum.to_bytes());
        }
        let prep_share = fit(pine.prep_share_len());
        prop_assert!(pine.combine(&[&prep_share, &prep_share, &prep_share]).is_err());
        prop_assert!(pine.combine(&[&prep_share, &prep_share]).is_err());
        if let Ok(state) = pine.read_state(&fit(pine.prep_message_len())) {
            let message = fit(pine.prep_message_len());
            prop_assert_eq!(pine.finish(&state, &message).is_ok(), state.as_bytes() == message);
        }
    }
}

/// Nodes work in blocks of 2^15 coordinates: here three, the last one odd.
#[test]
fn vectors_of_several_blocks_pass() {
    complete::<Field64, XofHmacSha256Aes128>(70_001, 1 << 20, 2, 1);
    complete::<Field64, XofTurboShake128>(70_001, 1 << 20, 2, 2);
    complete::<Field32, XofHmacSha256Aes128>(33_333, 400, 3, 3);
}

#[test]
fn the_norm_bound_is_exact() {
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    let params = Params::new::<Field64>(3, 13, 2).unwrap();
    let sum = |values: &[i64], rng: &mut ChaCha20Rng| {
        sum_of::<Field64, XofHmacSha256Aes128>(params, &[values.to_vec()], rng)
    };
    for values in [[3, -4, 12], [0, 0, -13], [0, 0, 0]] {
        assert_eq!(sum(&values, &mut rng).unwrap(), values.map(i128::from));
    }
    for values in [[3, -4, 13], [0, 1, 13], [14, 0, 0], [i64::MIN; 3], [i64::MAX; 3]] {
        assert_eq!(sum(&values, &mut rng), Err(Error::Norm { bound: 13 }), "{values:?}");
    }
    assert_eq!(sum(&[1, 2], &mut rng), Err(Error::Length { what: "vector", expected: 3, got: 2 }));
}

/// The largest bound of each field works at its very edge, with all coordinates and with one.
#[test]
fn the_largest_bound_of_each_field_works() {
    fn largest<F: Field>(at_least: u64) {
        let Err(Error::Parameter { max, .. }) = Params::new::<F>(1, u64::MAX, 2) else {
            panic!("a bound of 64 bits fits a field of {} bytes", F::BYTES);
        };
        let bound = u64::try_from(max).unwrap();
        assert!(bound >= at_least, "{bound}");
        // An i64 is what comes in.
        let edge = i64::try_from(bound).unwrap_or(i64::MAX);
        let mut rng = ChaCha20Rng::from_seed([6; 32]);
        let params = Params::new::<F>(4, bound, 2).unwrap();
        for values in [[edge, 0, 0, 0], [-edge / 2; 4]] {
            let sum =
                sum_of::<F, XofHmacSha256Aes128>(params, &[values.to_vec()], &mut rng).unwrap();
            assert_eq!(sum, values.map(i128::from));
        }
    }
    largest::<Field32>(400);
    largest::<Field40>(7000);
    largest::<Field64>(1 << 24);
    largest::<Field128>(1 << 56);
}

#[test]
fn bad_parameters_are_errors_with_their_figure() {
    let good = Params::new::<Field32>(10, 100, 2).unwrap();
    let refused = |params: Params| match Pine::<Field32, XofHmacSha256Aes128>::new(params) {
        Err(Error::Parameter { what, got, .. }) => (what, got),
        other => panic!("{params:?}: {other:?}"),
    };
    assert_eq!(refused(Params { dimension: 0, ..good }), ("dimension", 0));
    let past = MAX_DIMENSION + 1;
    assert_eq!(refused(Params { dimension: past, ..good }), ("dimension", past as u128));
    assert_eq!(refused(Params { shares: 1, ..good }), ("nodes", 1));
    assert_eq!(refused(Params { shares: 0, ..good }), ("nodes", 0));
    assert_eq!(
        refused(Params { shares: MAX_PARTIES + 1, ..good }),
        ("nodes", MAX_PARTIES as u128 + 1)
    );
    assert_eq!(refused(Params { bound: 0, ..good }), ("norm bound in this field", 0));
    assert_eq!(refused(Params { bound: 1 << 10, ..good }).1, 1 << 10);
    assert_eq!(refused(Params { checks: 0, successes: 0, ..good }), ("wrap-around checks", 0));
    assert_eq!(refused(Params { successes: 101, ..good }), ("wrap-around checks to pass", 101));
    assert_eq!(refused(Params { proofs: 0, ..good }), ("validity proofs", 0));
    assert_eq!(
        refused(Params { proofs_norm_equality: 256, ..good }),
        ("norm-equality proofs", 256)
    );
    assert_eq!(refused(Params { chunk: 0, ..good }), ("chunk of the validity circuit", 0));
    let (dimension, chunk_norm_equality) = (MAX_DIMENSION, 1);
    let many = Params { dimension, chunk_norm_equality, ..good };
    assert_eq!(refused(many), ("calls of a gadget (use longer chunks)", dimension as u128));
    let message = Params::new::<Field64>(0, 1, 2).unwrap_err().to_string();
    assert_eq!(message, "dimension: 0 is not between 1 and 67108864");
}

#[test]
fn the_drafts_floats_are_refused_when_not_normal() {
    assert_eq!(float::encode(&[1.0, -0.5, 0.0], 3), Ok(vec![8, -4, 0]));
    // Halves go to even.
    assert_eq!(float::encode(&[0.25, 0.75, -0.25], 1), Ok(vec![0, 2, 0]));
    for (value, kind) in
        [(f64::NAN, "not a number"), (f64::INFINITY, "infinite"), (1e-310, "subnormal")]
    {
        assert_eq!(float::encode(&[0.0, value], 3), Err(Error::Float { index: 1, value: kind }));
    }
    assert!(matches!(float::encode(&[1e300], 3), Err(Error::OutOfRange { index: 0, .. })));
}

/// Chi-square of two coordinates' top bits, for every k-1 of the shares of two very different
/// vectors: 16 cells, 15 degrees of freedom, and 44.3 is passed once in 10,000 times.
#[test]
fn any_k_minus_1_shares_are_uniform() {
    const RUNS: usize = 3000;
    let params = Params {
        checks: 1,
        successes: 1,
        proofs: 1,
        proofs_norm_equality: 1,
        ..Params::new::<Field32>(1, 400, 3).unwrap()
    };
    let pine = Pine::<Field32, XofHmacSha256Aes128>::new(params).unwrap();
    for value in [0i64, 400] {
        let mut rng = ChaCha20Rng::from_seed([8; 32]);
        let mut cells = [[0u32; 16]; 3];
        for _ in 0..RUNS {
            let sharing = pine.shard(&[value], &[0; 16], &mut rng).unwrap();
            let tops: Vec<usize> = sharing
                .shares
                .iter()
                .enumerate()
                .map(|(position, share)| {
                    let mut sum = Aggregate::<Field32>::new(position, 1);
                    pine.accumulate(position, share, &mut sum).unwrap();
                    usize::from(sum.to_bytes()[3] >> 6)
                })
                .collect();
            for (cells, [a, b]) in cells.iter_mut().zip([[0, 1], [0, 2], [1, 2]]) {
                cells[4 * tops[a] + tops[b]] += 1;
            }
        }
        for (pair, cells) in cells.iter().enumerate() {
            let expected = RUNS as f64 / 16.0;
            let chi: f64 =
                cells.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
            assert!(chi < 44.3, "value {value}, pair {pair}: chi-square {chi}");
        }
    }
}
