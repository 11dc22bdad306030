//! Additive sharing as its users rely on it: exact sums, uniform shares, exact errors.

use haima_crypto::Error;
use haima_crypto::encode::Digest;
use haima_crypto::field::{Field, Field64, Field128, decode_vec};
use haima_crypto::share::{Aggregate, Share, combine, split};
use haima_crypto::xof::{Xof, XofHmacSha256Aes128};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn secure_sum<F: Field>(vectors: &[Vec<i64>], parties: usize, seed: u64) -> Vec<i128> {
    let len = vectors[0].len();
    let mut rng = rng(seed);
    let mut nodes: Vec<Aggregate<F>> = (0..parties).map(|at| Aggregate::new(at, len)).collect();
    for (site, vector) in vectors.iter().enumerate() {
        let context = Digest::of(&[site as u8]);
        let shares = split::<F, _>(vector, parties, &context, &mut rng).unwrap();
        for (node, share) in nodes.iter_mut().zip(&shares) {
            node.add_bytes(&context, &share.to_bytes()).unwrap();
        }
    }
    let released: Vec<Vec<u8>> = nodes.iter().map(Aggregate::to_bytes).collect();
    let released: Vec<&[u8]> = released.iter().map(Vec::as_slice).collect();
    combine::<F>(&released, len).unwrap()
}

fn plain_sum(vectors: &[Vec<i64>]) -> Vec<i128> {
    (0..vectors[0].len()).map(|at| vectors.iter().map(|v| i128::from(v[at])).sum()).collect()
}

proptest! {
    #[test]
    fn the_secure_sum_equals_the_plain_sum_bit_for_bit(
        vectors in (1usize..40).prop_flat_map(|len| {
            prop::collection::vec(prop::collection::vec(-(1i64 << 55)..1 << 55, len), 1..8)
        }),
        parties in 2usize..6,
        seed: u64,
    ) {
        let plain = plain_sum(&vectors);
        prop_assert_eq!(&secure_sum::<Field64>(&vectors, parties, seed), &plain);
        prop_assert_eq!(&secure_sum::<Field128>(&vectors, parties, seed), &plain);
    }

    #[test]
    fn arbitrary_bytes_are_a_share_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        position in 0usize..4,
        len in 0usize..20,
    ) {
        let mut sum = Aggregate::<Field64>::new(position, len);
        let before = sum.to_bytes();
        let ok = sum.add_bytes(&Digest::default(), &bytes).is_ok();
        prop_assert_eq!(ok, bytes.len() == Share::<Field64>::encoded_len(position, len)
            && (position > 0 || decode_vec::<Field64>("t", &bytes, len).is_ok()));
        if !ok {
            prop_assert_eq!(sum.to_bytes(), before, "a refused share changes nothing");
        }
    }
}

#[test]
fn the_extremes_of_i64_sum_exactly_in_the_128_bit_field() {
    let vectors = vec![vec![i64::MIN, i64::MAX, 0]; 200];
    assert_eq!(secure_sum::<Field128>(&vectors, 3, 1), plain_sum(&vectors));
}

#[test]
fn a_value_out_of_range_names_its_coordinate_and_the_limit_but_not_itself() {
    let error =
        split::<Field64, _>(&[0, i64::MAX, 0], 2, &Digest::default(), &mut rng(1)).unwrap_err();
    assert_eq!(error, Error::OutOfRange { index: 1, limit: 9_223_372_034_707_292_160 });
    assert!(!error.to_string().contains(&i64::MAX.to_string()));
}

#[test]
fn one_party_or_too_many_are_refused() {
    for parties in [0, 1, 65] {
        let result = split::<Field64, _>(&[1], parties, &Digest::default(), &mut rng(1));
        assert!(matches!(result, Err(Error::Parties { .. })), "{parties}");
    }
    assert!(combine::<Field64>(&[&[0; 8]], 1).is_err());
}

#[test]
fn all_shares_but_one_are_32_byte_seeds_whatever_the_dimension() {
    let shares = split::<Field64, _>(&[7; 10_000], 5, &Digest::default(), &mut rng(1)).unwrap();
    let sizes: Vec<usize> = shares.iter().map(|share| share.to_bytes().len()).collect();
    assert_eq!(sizes, [80_000, 32, 32, 32, 32]);
}

#[test]
fn a_seed_share_under_another_context_gives_another_vector() {
    let (a, b) = (Digest::of(b"round 1, site a"), Digest::of(b"round 1, site b"));
    let shares = split::<Field64, _>(&[1, 2, 3], 2, &a, &mut rng(1)).unwrap();
    let expand = |context: &Digest| {
        let mut sum = Aggregate::<Field64>::new(1, 3);
        sum.add_bytes(context, &shares[1].to_bytes()).unwrap();
        sum.to_bytes()
    };
    assert_ne!(expand(&a), expand(&b));
}

#[test]
fn nothing_of_a_share_is_shown_by_debug() {
    let shares = split::<Field64, _>(&[1, 2], 2, &Digest::default(), &mut rng(1)).unwrap();
    assert_eq!(format!("{shares:?}"), "[Share::Vector(<redacted>), Share::Seed(<redacted>)]");
    let sum = Aggregate::<Field64>::new(0, 2);
    assert_eq!(format!("{sum:?}"), "Aggregate { len: 2, values: <redacted> }");
}

/// Any k-1 shares are uniform: the vector share of two very different secrets, chi-square over
/// 256 values of its top byte, 99.99 % point of 255 degrees of freedom (false alarm 1e-4 a run,
/// and none with these fixed seeds).
#[test]
fn the_vector_share_is_uniform_whatever_the_secret() {
    for (seed, secret) in [(1, 0i64), (2, 1 << 62), (3, -(1 << 62))] {
        let shares =
            split::<Field64, _>(&[secret; 100_000], 2, &Digest::default(), &mut rng(seed)).unwrap();
        let mut counts = [0f64; 256];
        for word in shares[0].to_bytes().chunks(8) {
            counts[word[7] as usize] += 1.0;
        }
        let expected = 100_000.0 / 256.0;
        let chi2: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
        assert!(chi2 < 347.7, "secret {secret}: chi-square {chi2}");
    }
}

/// The expansion is that of the draft's reference: AES-128 in counter mode with a 64-bit
/// big-endian counter, keyed by HMAC-SHA256, computed here by OpenSSL (`openssl enc -aes-128-ctr`).
#[test]
fn the_expansion_is_frozen() {
    let mut xof = XofHmacSha256Aes128::init(&[3; 32], b"tag");
    xof.absorb(b"binder");
    let words = haima_crypto::xof::expand::<Field64>(&mut xof.finish(), 3);
    let bytes = haima_crypto::field::encode_vec(&words);
    assert_eq!(haima_crypto::encode::to_hex(&bytes), EXPANDED);
}

const EXPANDED: &str = "da0c9d4cc47b0485a67e56a51c0b21ba96f0aa2b5ad1f758";

/// A seed share's expansion has the counter little-endian in the first 8 bytes; computed here by
/// another implementation (HMAC-SHA256, then AES-128 block by block).
#[test]
fn the_expansion_of_a_seed_share_is_frozen() {
    let context: [u8; 32] = std::array::from_fn(|i| i as u8);
    let mut sum = Aggregate::<Field64>::new(1, 3);
    sum.add_bytes(&Digest::from_bytes(context), &[3; 32]).unwrap();
    assert_eq!(
        haima_crypto::encode::to_hex(&sum.to_bytes()),
        "e9140a4ec5ac5d8bd56a784d4bb326ca651d44ee31852e2b"
    );
}
