use proptest::prelude::*;
use proptest::sample::subsequence;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_core::{TryCryptoRng, TryRng, utils};

use super::*;
use crate::encode::{from_hex, to_hex};
use crate::field::{Field64, Field128};
use crate::secret::Seed;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn threshold(need: u32, of: u32) -> Threshold {
    Threshold::new(need, of).unwrap()
}

fn word(element: Field64) -> u64 {
    let mut bytes = Vec::new();
    element.write_le_bytes(&mut bytes);
    u64::from_le_bytes(bytes.try_into().unwrap())
}

fn element(word: u64) -> Field64 {
    Field64::from_le_bytes(&word.to_le_bytes()).unwrap()
}

fn random<F: Field>(len: usize, rng: &mut ChaCha20Rng) -> Vec<F> {
    let mut values = vec![F::ZERO; len];
    fill_random(&mut values, &mut Vec::new(), rng);
    values
}

/// Gives given bytes out, once.
struct Script(Vec<u8>);

impl TryRng for Script {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        utils::next_word_via_fill(self)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        utils::next_word_via_fill(self)
    }
    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Self::Error> {
        to.copy_from_slice(&self.0[..to.len()]);
        self.0.drain(..to.len());
        Ok(())
    }
}

impl TryCryptoRng for Script {}

/// Plain integers modulo p, nothing of this crate: Lagrange's formula as it stands in books.
mod oracle {
    pub(super) const P: u128 = 0xffff_ffff_0000_0001;

    fn power(mut base: u128, mut exponent: u128) -> u128 {
        let mut result = 1;
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = result * base % P;
            }
            base = base * base % P;
            exponent >>= 1;
        }
        result
    }

    /// The polynomial through the points, at x.
    pub(super) fn at(points: &[(u64, u64)], x: u64) -> u64 {
        let mut sum = 0;
        for (i, (xi, yi)) in points.iter().enumerate() {
            let (mut top, mut bottom) = (u128::from(*yi), 1);
            for (j, (xj, _)) in points.iter().enumerate() {
                if i != j {
                    top = top * ((P + u128::from(x) - u128::from(*xj)) % P) % P;
                    bottom = bottom * ((P + u128::from(*xi) - u128::from(*xj)) % P) % P;
                }
            }
            sum = (sum + top * power(bottom, P - 2)) % P;
        }
        u64::try_from(sum).unwrap()
    }
}

/// Shares of 0102..20, any 4 of 7, computed by a program in Python over its big integers, from
/// the SHA-256 of the bytes 0, 1, 2, 3 as randomness.
#[test]
fn shares_of_a_seed_are_those_of_another_implementation() {
    let secret = std::array::from_fn(|at| at as u8 + 1);
    let random: [u8; 120] = from_hex(
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d\
         4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a\
         dbc1b4c900ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986\
         084fed08b978af4d7d196a7446a86b58009e636b611db162",
    )
    .unwrap();
    let mut script = Script(random.to_vec());
    let shares = share_seed(&Seed::from_bytes(secret), threshold(4, 7), &mut script);
    let words: Vec<u64> = shares[6].values().iter().map(|value| word(*value)).collect();
    assert_eq!(
        words,
        [
            0xf8a4_460d_0c4b_e9cb,
            0x2996_e4be_c6a2_fbcd,
            0x51e7_5faa_16c6_d738,
            0x9f52_1786_95e6_dcfc,
            0x1ddf_4fa8_c8bd_596f,
        ]
    );
    assert_eq!(word(shares[3].values()[4]), 0x99fc_35b2_698b_0b01);
    assert_eq!(
        to_hex(&shares[6].to_bytes()),
        "140000006861696d61207368616d6972207368617265203107000000040000000828000000\
         cbe94b0c0d46a4f8cdfba2c6bee4962938d7c616aa5fe751fcdce6958617529f6f59bdc8a84fdf1d"
    );
    let basis = Basis::new(4, &[7, 2, 4, 5]).unwrap();
    let survivors = [6, 1, 3, 4].map(|at| &shares[at]);
    assert_eq!(basis.reconstruct_seed(survivors).unwrap().expose(), &secret);
}

/// n and r up to 12, the vector, and at least r of the n indices in any order.
fn sharings() -> impl Strategy<Value = (Threshold, Vec<i64>, Vec<u32>)> {
    (1u32..13).prop_flat_map(|of| (1..=of, Just(of))).prop_flat_map(|(need, of)| {
        let survivors =
            subsequence((1..=of).collect::<Vec<_>>(), need as usize..=of as usize).prop_shuffle();
        let values = prop::collection::vec(-(1i64 << 62)..1 << 62, 0..40);
        (Just(threshold(need, of)), values, survivors)
    })
}

fn pick<F: Field>(shares: &[Share<F>], survivors: &[u32]) -> Vec<Share<F>> {
    survivors.iter().map(|index| shares[*index as usize - 1].clone()).collect()
}

fn any_r_reconstruct<F: Field>(threshold: Threshold, integers: &[i64], survivors: &[u32]) {
    let values: Vec<F> = integers.iter().map(|value| F::from_i64(*value).unwrap()).collect();
    let shares = share(&values, threshold, &mut rng(7));
    assert_eq!(shares.len(), threshold.of() as usize);
    let survived = pick(&shares, survivors);
    let basis = Basis::new(threshold.need(), survivors).unwrap();
    assert_eq!(*basis.reconstruct(&survived).unwrap(), values);
    assert_eq!(recover(&survived, &mut rng(8)).unwrap(), (Zeroizing::new(values), vec![]));
    for share in &shares {
        let bytes = share.to_bytes();
        let again = Share::<F>::from_bytes(&bytes, integers.len()).unwrap();
        assert_eq!((again.index(), again.need()), (share.index(), share.need()));
        assert_eq!(again.values(), share.values());
    }
}

proptest! {
    #[test]
    fn any_r_shares_reconstruct((threshold, values, survivors) in sharings()) {
        any_r_reconstruct::<Field64>(threshold, &values, &survivors);
        any_r_reconstruct::<Field128>(threshold, &values, &survivors);
    }

    #[test]
    fn shares_lie_on_one_polynomial_of_the_oracle(
        (threshold, values, survivors) in sharings(),
        salt: u64,
    ) {
        let elements: Vec<Field64> =
            values.iter().map(|value| Field64::from_i64(*value).unwrap()).collect();
        let shares = share(&elements, threshold, &mut rng(salt));
        for (at, value) in elements.iter().enumerate() {
            let y = |index: u32| word(shares[index as usize - 1].values()[at]);
            let points: Vec<(u64, u64)> = survivors
                .iter()
                .take(threshold.need() as usize)
                .map(|index| (u64::from(*index), y(*index)))
                .collect();
            prop_assert_eq!(oracle::at(&points, 0), word(*value));
            for index in 1..=threshold.of() {
                prop_assert_eq!(oracle::at(&points, u64::from(index)), y(index));
            }
        }
    }

    #[test]
    fn up_to_half_the_spare_shares_are_located_and_all_of_them_detected(
        need in 1u32..9, spare in 0u32..9, wrong in 0usize..9, salt: u64, len in 1usize..600,
    ) {
        let of = need + spare;
        let mut rng = rng(salt);
        let values = random::<Field64>(len, &mut rng);
        let mut shares = share(&values, threshold(need, of), &mut rng);
        let wrong = wrong.min(spare as usize);
        let mut liars: Vec<u32> = (1..=of).collect();
        for at in 0..wrong {
            let other = at + rng.next_u32() as usize % (liars.len() - at);
            liars.swap(at, other);
        }
        liars.truncate(wrong);
        liars.sort_unstable();
        for liar in &liars {
            // One coordinate, or all of them.
            let lie = random::<Field64>(len, &mut rng);
            let values = &mut shares[*liar as usize - 1].values;
            let only = (salt % 2 == 0).then(|| rng.next_u32() as usize % len);
            for (at, (value, lie)) in values.iter_mut().zip(lie).enumerate() {
                if only.is_none_or(|only| only == at) {
                    *value += lie;
                }
            }
        }
        let located = recover(&shares, &mut rng);
        if wrong <= spare as usize / 2 {
            prop_assert_eq!(located, Ok((Zeroizing::new(values), liars)));
        } else {
            // Chance lies are no other codeword's neighbours.
            let most = spare as usize / 2;
            let (given, need) = (of as usize, need as usize);
            prop_assert_eq!(located, Err(Error::WrongShares { given, need, most }));
        }
    }

    #[test]
    fn sums_of_shares_are_shares_of_sums(salt: u64, need in 1u32..6) {
        let mut rng = rng(salt);
        let [a, b] = [(); 2].map(|()| random::<Field64>(9, &mut rng));
        let [mut sums, others] =
            [&a, &b].map(|values| share(values, threshold(need, 6), &mut rng));
        for (sum, other) in sums.iter_mut().zip(&others) {
            sum.add(other).unwrap();
        }
        let sum: Vec<Field64> = a.iter().zip(&b).map(|(a, b)| *a + *b).collect();
        let basis = Basis::new(need, &[6, 5, 4, 3, 2, 1]).unwrap();
        sums.reverse();
        prop_assert_eq!(&*basis.reconstruct(&sums).unwrap(), &sum);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_decode_to_one_encoding(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        labelled: bool, index in 0u32..1002, need in 0u32..1002, len in 0usize..5,
    ) {
        let mut input = Vec::new();
        if labelled {
            let mut to = Encoder::new(LABEL);
            to.u32(index).u32(need).u8(8).count(len * 8);
            input = to.finish();
        }
        input.extend(bytes);
        if let Ok(share) = Share::<Field64>::from_bytes(&input, len) {
            prop_assert_eq!(&*share.to_bytes(), &input);
        }
    }
}

/// Coalitions up to the limit can lie so as to name the honest: the documentation says so.
#[test]
fn liars_within_reach_of_another_secret_are_believed() {
    let mut rng = rng(3);
    let (need, of) = (3, 9);
    let honest = share(&random::<Field64>(4, &mut rng), threshold(need, of), &mut rng);
    let other = share(&random::<Field64>(4, &mut rng), threshold(need, of), &mut rng);
    // 6 of 9 lie on another polynomial, 3 are right and within floor((9-3)/2) of it.
    let mixed: Vec<_> = honest[..3].iter().chain(&other[3..]).cloned().collect();
    assert_eq!(locate(&mixed, &mut rng), Ok(vec![1, 2, 3]));
}

/// r-1 shares of two very different secrets, byte by byte: chi-square against uniform, 255 degrees
/// of freedom; 400 is past its 1 - 1e-8 quantile.
#[test]
fn fewer_shares_than_needed_are_uniform() {
    for (secret, seen) in [(0, [1, 2]), (0, [4, 5]), (u64::MAX >> 8, [2, 5]), (1, [3, 4])] {
        let mut rng = rng(secret ^ seen[0]);
        let (mut counts, draws) = ([[0u32; 256]; 16], 40_000);
        // And the byte of the difference of the two shares, for their dependence.
        let mut joint = [0u32; 256];
        let value = [element(secret)];
        for _ in 0..draws {
            let shares = share(&value, threshold(3, 5), &mut rng);
            let words = seen.map(|index| word(shares[index as usize - 1].values()[0]));
            for (at, byte) in words.iter().flat_map(|word| word.to_le_bytes()).enumerate() {
                counts[at][usize::from(byte)] += 1;
            }
            let difference = words[0].wrapping_mul(3).wrapping_sub(words[1]) >> 20;
            joint[usize::from(difference as u8)] += 1;
        }
        for counts in counts.iter().chain([&joint]) {
            let expected = f64::from(draws) / 256.0;
            let chi: f64 =
                counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
            assert!((140.0..400.0).contains(&chi), "chi-square {chi} for shares {seen:?}");
        }
    }
}

/// All of Z_p for a small enough question: with r = 2, whatever share 1 a secret has, each secret
/// explains it by exactly one polynomial.
#[test]
fn the_share_of_another_secret_is_a_shift() {
    let base = Script(vec![9; 8]);
    let given = share(&[element(0)], threshold(2, 2), &mut { base })[0].values()[0];
    let shares = share(&[element(5)], threshold(2, 2), &mut Script(vec![9; 8]));
    assert_eq!(shares[0].values()[0], given);
    assert_eq!(
        u128::from(word(shares[1].values()[0])),
        (2 * u128::from(word(given)) + oracle::P - 5) % oracle::P
    );
}

#[test]
fn random_words_at_or_above_the_modulus_are_drawn_again() {
    let modulus = (oracle::P as u64).to_le_bytes();
    let stream = [&modulus[..], &[0xff; 8], &7u64.to_le_bytes()].concat();
    let shares = share(&[element(1)], threshold(2, 2), &mut Script(stream));
    assert_eq!(word(shares[0].values()[0]), 7);
    assert_eq!(word(shares[1].values()[0]), 13);
}

#[test]
fn a_thousand_shares_reconstruct_with_any_half() {
    let seed = Seed::from_bytes([0xee; 32]);
    let shares = share_seed(&seed, threshold(501, 1000), &mut rng(1));
    let survivors: Vec<u32> = (1..=1000).rev().step_by(2).chain([1]).take(501).collect();
    let basis = Basis::new(501, &survivors).unwrap();
    let survived = pick(&shares, &survivors);
    assert_eq!(basis.reconstruct_seed(&survived).unwrap(), seed);
    let last = Basis::new(501, &(500..=1000).collect::<Vec<_>>()).unwrap();
    assert_eq!(last.reconstruct_seed(&shares[499..]).unwrap(), seed);

    let mut shares = shares;
    for share in &mut shares[300..549] {
        share.values[2] += Field64::ONE;
    }
    let (limbs, wrong) = recover(&shares, &mut rng(2)).unwrap();
    assert_eq!(wrong, (301..=549).collect::<Vec<_>>());
    assert_eq!(seed_from_limbs(&limbs).unwrap(), seed);
}

#[test]
fn limbs_of_no_secret_are_refused() {
    let limit = [1u64 << 56, 1 << 56, 1 << 56, 1 << 56, 1 << 32];
    for (at, limit) in limit.into_iter().enumerate() {
        let mut limbs = [element(0); LIMBS];
        limbs[at] = element(limit - 1);
        assert!(seed_from_limbs(&limbs).is_ok(), "limb {at}");
        limbs[at] = element(limit);
        assert_eq!(seed_from_limbs(&limbs), Err(Error::NoSecret), "limb {at}");
    }
    // Two limbs that are too long by the same byte do not make up for one another.
    let twice = [element(1 << 56), element(1 << 56), element(0), element(0), element(0)];
    assert_eq!(seed_from_limbs(&twice), Err(Error::NoSecret));
    assert!(matches!(seed_from_limbs(&[element(0); 4]), Err(Error::Length { got: 4, .. })));
    let shares = share_seed(&Seed::from_bytes([1; 32]), threshold(3, 3), &mut rng(1));
    let mut shares = shares;
    shares[1].values[0] += element(1 << 60);
    let basis = Basis::new(3, &[1, 2, 3]).unwrap();
    assert_eq!(basis.reconstruct_seed(&shares), Err(Error::NoSecret));
}

#[test]
fn bad_parameters_and_sets_of_shares_are_refused_with_figures() {
    for (need, of) in [(0, 0), (0, 5), (6, 5), (1, 1001), (u32::MAX, u32::MAX)] {
        assert_eq!(Threshold::new(need, of), Err(Error::Threshold { need, of, max: 1000 }));
    }
    let basis = |need, survivors: &[u32]| Basis::<Field64>::new(need, survivors).map(|_| ());
    assert_eq!(basis(3, &[1, 2]), Err(Error::TooFewShares { got: 2, need: 3 }));
    assert_eq!(basis(2, &[1, 7, 1]), Err(Error::DuplicateShare { index: 1 }));
    assert_eq!(basis(2, &[0, 1]), Err(Error::ShareIndex { index: 0, max: 1000 }));
    assert_eq!(basis(2, &[1, 1001]), Err(Error::ShareIndex { index: 1001, max: 1000 }));
    assert!(matches!(basis(0, &[1]), Err(Error::Threshold { need: 0, .. })));

    let shares = share(&random::<Field64>(3, &mut rng(1)), threshold(2, 4), &mut rng(2));
    let basis = Basis::new(2, &[2, 3]).unwrap();
    let mismatch = |index, what, expected, got| Error::ShareMismatch { index, what, expected, got };
    assert_eq!(basis.reconstruct(&shares[1..2]), Err(Error::TooFewShares { got: 1, need: 2 }));
    assert_eq!(basis.reconstruct(&shares), Err(mismatch(1, "its index", 2, 1)));
    let other = share(&random::<Field64>(3, &mut rng(1)), threshold(3, 4), &mut rng(2));
    assert_eq!(basis.reconstruct([&shares[1], &other[2]]), Err(mismatch(3, "its threshold", 2, 3)));
    let other = share(&random::<Field64>(4, &mut rng(1)), threshold(2, 4), &mut rng(2));
    let mixed = [shares[1].clone(), other[2].clone()];
    assert_eq!(basis.reconstruct(&mixed), Err(mismatch(3, "its length", 3, 4)));
    assert_eq!(locate(&mixed, &mut rng(1)), Err(mismatch(3, "its length", 3, 4)));
    assert_eq!(mixed[0].clone().add(&mixed[1]), Err(mismatch(3, "its index", 2, 3)));
    let twice = [shares[1].clone(), shares[1].clone()];
    assert_eq!(locate(&twice, &mut rng(1)), Err(Error::DuplicateShare { index: 2 }));
    assert_eq!(locate(&shares[..1], &mut rng(1)), Err(Error::TooFewShares { got: 1, need: 2 }));
    assert_eq!(
        locate::<Field64, _>(&[], &mut rng(1)),
        Err(Error::TooFewShares { got: 0, need: 1 })
    );
    assert!(matches!(locate_codeword(2, &[1, 2], &[Field64::ONE]), Err(Error::Length { .. })));
    assert!(Share::<Field64>::new(0, 1, Zeroizing::default()).is_err());
    assert!(Share::<Field64>::new(1, 0, Zeroizing::default()).is_err());
}

#[test]
fn encodings_of_another_length_field_or_value_are_refused() {
    let shares = share(&random::<Field64>(3, &mut rng(1)), threshold(2, 4), &mut rng(2));
    let bytes = shares[0].to_bytes();
    assert!(Share::<Field64>::from_bytes(&bytes, 3).is_ok());
    assert!(Share::<Field64>::from_bytes(&bytes, 2).is_err());
    assert!(Share::<Field64>::from_bytes(&bytes, 4).is_err());
    assert!(Share::<Field64>::from_bytes(&bytes, usize::MAX).is_err());
    assert!(Share::<Field128>::from_bytes(&bytes, 3).is_err());
    for len in 0..bytes.len() {
        assert!(Share::<Field64>::from_bytes(&bytes[..len], 3).is_err(), "{len} bytes");
    }
    let mut high = bytes.to_vec();
    let end = high.len();
    high[end - 8..].fill(0xff);
    let refused = Share::<Field64>::from_bytes(&high, 3).map(|_| ());
    assert_eq!(refused, Err(Error::NotReduced { what: "share", index: 2 }));
    let mut version = bytes.to_vec();
    version[23] = b'2';
    assert!(matches!(Share::<Field64>::from_bytes(&version, 3), Err(Error::Encoding { .. })));
    assert!(!format!("{:?}", shares[0]).contains("Field"));
}

/// Pieces of all sizes around the block boundary come out in order, and reconstruct by pieces.
#[test]
fn vectors_stream() {
    for len in [0, 1, 5, 682, 683, 1366, 3000] {
        let values = random::<Field64>(len, &mut rng(1));
        let (mut parts, mut last) = (vec![Vec::new(); 4], 0);
        share_chunks(&values, threshold(3, 4), &mut rng(2), |index, piece| {
            assert_eq!(index, last % 4 + 1);
            last = index;
            parts[index as usize - 1].extend_from_slice(piece);
        });
        let whole = share(&values, threshold(3, 4), &mut rng(2));
        let basis = Basis::new(3, &[4, 1, 3]).unwrap();
        let mut sum = vec![Field64::ZERO; len];
        for (position, index) in basis.indices().iter().enumerate() {
            let part = &parts[*index as usize - 1];
            assert_eq!(part, whole[*index as usize - 1].values());
            for (sum, piece) in sum.chunks_mut(100).zip(part.chunks(100)) {
                basis.add(position, piece, sum);
            }
        }
        basis.add(3, &values, &mut sum);
        assert_eq!(sum, values);
    }
}
