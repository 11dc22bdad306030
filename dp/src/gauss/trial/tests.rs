//! The trials' integers against exact rationals, the exact path, and the words that a trial takes.

use std::convert::Infallible;

use dashu_int::UBig;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};

use super::super::HalfSquare;
use super::super::exact::{Enclosure, exp_minus as exact_exp_minus};
use super::super::exp::{BAND, LIMIT, exp_minus};
use super::*;
use crate::laplace::Identity;

/// A generator that says what it is told, and how much of it was used.
struct Script {
    words: Vec<u64>,
    used: usize,
}

impl Script {
    fn new(words: &[u64]) -> Self {
        Self { words: words.to_vec(), used: 0 }
    }
}

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("the sampler draws words of 64 bits")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.used += 1;
        Ok(self.words[self.used - 1])
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        unreachable!("the sampler draws words of 64 bits")
    }
}

impl TryCryptoRng for Script {}

fn random(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// exp(-a/b) between two partial sums of its alternating series, as exact fractions of one
/// denominator: sum_{j <= n} (-1)^j a^j b^(n-j) n!/j! over b^n n!, for n = 160 > a/b and 159.
fn rational_exp_minus(a: u128, b: u128) -> (UBig, UBig, UBig) {
    const N: u64 = 160;
    assert!(a / b < 32);
    let (a, b) = (UBig::from(a), UBig::from(b));
    // Horner from the innermost term; positive and negative terms apart.
    let (mut even, mut odd, mut term) = (UBig::ZERO, UBig::ZERO, UBig::ONE);
    let mut common = UBig::ONE;
    for j in 0..=N {
        if j > 0 {
            let step = &b * UBig::from(j);
            even *= &step;
            odd *= &step;
            common *= &step;
            term *= &a;
        }
        if j % 2 == 0 {
            even += &term;
        } else {
            odd += &term;
        }
    }
    let high = &even - &odd;
    (&high - term, high, common)
}

#[test]
fn the_fast_exponential_is_within_its_band() {
    let mut points: Vec<u64> = vec![0, 1, 2, 3, LIMIT - 2, LIMIT - 1];
    points.extend((2..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]));
    // z = 1/2, 1, 3/2, ..., 9.5 and their neighbours.
    points.extend((1..20_u64).flat_map(|i| [(i << 59) - 1, i << 59, (i << 59) + 1]));
    let mut rng = random(1);
    points.extend((0..1500).map(|_| rng.next_u64()));
    points.extend((0..500).map(|_| LIMIT - (rng.next_u64() >> 20)));
    let mut worst = UBig::ZERO;
    for w in points.into_iter().filter(|&w| w < LIMIT) {
        let computed = UBig::from(exp_minus(w));
        // The least and the largest z that W may stand for.
        for z in [u128::from(w), u128::from(w) + 2] {
            let (low, high, one) = rational_exp_minus(z, 1 << 60);
            let computed = &computed * &one;
            let (low, high) = (low << 63, high << 63);
            let off = if computed > low { &computed - low } else { high - &computed };
            let off = off / one + UBig::ONE;
            assert!(off <= UBig::from(BAND), "W = {w:#x} is off by {off}");
            worst = worst.max(off);
        }
    }
    println!("at most {worst} of {BAND} units off");
    // The proof says 75; if nothing comes near, these points do not probe it.
    assert!(worst > UBig::from(8_u8));
}

/// An exact exp(-a/b) is enclosed, and tightly, at any precision.
#[test]
fn the_exact_exponential_encloses_the_truth() {
    let mut rng = random(2);
    let mut cases = vec![(0, 1), (1, 1), (1, 2), (49, 2), (24, 1), (1, 1 << 81), (5, 7)];
    cases.extend((0..40).map(|_| {
        let b = u128::from(rng.next_u64() >> 8) << (rng.next_u64() % 26) | 1;
        (b * u128::from(rng.next_u64() % 20) + u128::from(rng.next_u64()) % b, b)
    }));
    for (a, b) in cases {
        let (low, high, one) = rational_exp_minus(a, b);
        for bits in [1, 63, 64, 127, 192] {
            let found = exact_exp_minus(a, b, bits);
            assert!(&found.low * &one <= high.clone() << bits, "{a}/{b} at {bits}");
            assert!(&found.high * &one >= low.clone() << bits, "{a}/{b} at {bits}");
            assert!(found.high - found.low <= UBig::from(2_u8), "{a}/{b} at {bits}");
        }
    }
    let vanishing = exact_exp_minus(1 << 90, 1, 64);
    assert_eq!((vanishing.low, vanishing.high), (UBig::ZERO, UBig::ONE));
}

fn entries_are_floors_of_the_tail<S: Shape>() {
    assert_eq!(S::TAIL.iter().position(|&entry| entry == 0), Some(S::TAIL.len() - 1));
    for (j, entry) in (1..).zip(S::TAIL.iter().copied()) {
        let Enclosure { low, high } = S::tail(j, 192);
        assert_eq!((low >> 128, high >> 128), (entry.into(), entry.into()), "entry {j}");
    }
}

#[test]
fn the_tables_are_the_exact_probabilities_rounded_down() {
    entries_are_floors_of_the_tail::<HalfSquare>();
    entries_are_floors_of_the_tail::<Identity>();
}

/// The weights behind the tables, summed here as rationals: P(K >= j) for f(v) = v^2 / 2.
#[test]
fn the_gaussian_tail_is_the_ratio_of_its_sums() {
    // Weights from exp(-i^2 / 2) < 2^-64 * 2^-20 on do not matter at 80 bits: i = 11.
    let weight = |i: u128| {
        let (low, _, one) = rational_exp_minus((i * i).min(60), 2);
        (low << 100) / one
    };
    let sum = |j: u128| (j..11).map(weight).sum::<UBig>();
    for j in 0..7 {
        let ratio = (sum(j) << 100) / sum(0);
        let Enclosure { low, high } = HalfSquare::tail(j as u64, 100);
        // Weights beyond i^2 / 2 = 30 are taken as exp(-30): within 2^-40 of all.
        let slack = UBig::ONE << 61;
        assert!(&low - (&slack).min(&low) <= ratio && ratio <= high + slack, "j = {j}");
    }
}

fn exponents_keep_their_error<S: Shape>() {
    let mut rng = random(3);
    let mut scales = vec![1, 2, 3, 4, 1000, 1 << 20, MAX_SCALE - 1, MAX_SCALE];
    scales.extend((0..50).map(|i| 1 + (rng.next_u64() >> (24 + i % 40))));
    for scale in scales {
        let cells = Cells::new(scale).unwrap();
        let mut places = vec![0, scale - 1, scale / 2, scale / 3];
        places.extend((0..20).map(|_| rng.next_u64() % scale));
        for cell in 0..S::TAIL.len() as u64 {
            for &place in &places {
                let w = S::fast_exponent(cell, cells.fraction(place));
                assert!(w < LIMIT);
                let (a, b) = S::exponent(cell, place, scale);
                let (truth, b) = (UBig::from(a) << 60, UBig::from(b));
                let what = format!("scale {scale}, cell {cell}, place {place}");
                assert!(UBig::from(w) * &b <= truth, "{what}: too large");
                assert!((UBig::from(w) + UBig::from(2_u8)) * b > truth, "{what}: too small");
            }
        }
    }
}

#[test]
fn the_fast_exponents_are_within_the_error_that_the_exponential_allows() {
    exponents_keep_their_error::<HalfSquare>();
    exponents_keep_their_error::<Identity>();
}

fn exact_and_fast_agree<S: Shape>() {
    let mut rng = random(4);
    let mut decided = 0;
    for round in 0..3000_usize {
        let cells = Cells::new(1 + (rng.next_u64() >> (24 + round % 41).min(63))).unwrap();
        let mut words = [rng.next_u64(), rng.next_u64(), rng.next_u64()];
        // Half of the rounds next to where decisions turn.
        if round % 4 == 1 {
            words[0] =
                S::TAIL[round % S::TAIL.len()].wrapping_add(rng.next_u64() % 5).wrapping_sub(2);
        }
        if round % 4 == 2 {
            let (place, _) = cells.place(words[1]);
            let mut cell = 0;
            for &entry in S::TAIL {
                cell += u64::from(words[0] < entry);
            }
            let turn = exp_minus(S::fast_exponent(cell, cells.fraction(place)));
            let coin = turn + rng.next_u64() % (4 * BAND) - 2 * BAND;
            words[2] = coin.min(u64::MAX >> 1) << 1 | words[2] & 1;
        }
        let fast = cells.trial::<S>(words);
        if fast.undecided == 0 {
            decided += 1;
            let exact = cells.exact_trial::<S, _>(words, &mut rng);
            assert_eq!((fast.succeeds == 1).then_some(fast.x), exact, "{cells:?} {words:x?}");
        }
    }
    assert!((2000..2900).contains(&decided), "{decided} decided");
}

#[test]
fn what_the_fast_path_decides_the_exact_path_decides_alike() {
    exact_and_fast_agree::<HalfSquare>();
    exact_and_fast_agree::<Identity>();
}

/// The word that places y in 0..scale.
fn word_of(place: u64, scale: u64) -> u64 {
    ((u128::from(place) << 64) / u128::from(scale) + (1 << 22)) as u64
}

/// The 64 digits after the first `bits` of what `value` encloses.
fn digits_after(bits: usize, value: impl Fn(usize) -> Enclosure) -> u64 {
    let next = (value(bits + 128).low >> 64) % (UBig::ONE << 64);
    next.try_into().unwrap()
}

fn a_table_entry_is_decided_by_the_digits_after_it<S: Shape>() {
    let cells = Cells::new(1000).unwrap();
    for (j, &entry) in (1..).zip(S::TAIL).filter(|(_, entry)| **entry > 0) {
        let next = digits_after(64, |bits| S::tail(j, bits));
        // Coin zero always succeeds; its low bit makes the draw positive.
        let words = [entry, word_of(7, 1000), 0];
        for (further, cell) in [(next - 2, j), (next + 2, j - 1)] {
            assert_eq!(cells.trial::<S>(words).undecided, 1);
            let mut rng = Script::new(&[words[0], words[1], words[2], further]);
            assert_eq!(cells.sample::<S, _>(&mut rng), (1000 * cell + 7) as i64);
            assert_eq!(rng.used, 4);
        }
    }
}

#[test]
fn a_word_that_equals_a_table_entry_goes_to_the_exact_path() {
    a_table_entry_is_decided_by_the_digits_after_it::<HalfSquare>();
    a_table_entry_is_decided_by_the_digits_after_it::<Identity>();
}

fn a_coin_in_the_band_is_decided_by_the_digits_after_it<S: Shape>(cell: u64) {
    let cells = Cells::new(1000).unwrap();
    let cell_word = S::TAIL.get(cell as usize).map_or(1, |below| below + 1);
    let (a, b) = S::exponent(cell, 7, 1000);
    let value = |bits| exact_exp_minus(a, b, bits);
    let coin: u64 = (value(128).low >> 65_usize).try_into().unwrap();
    let next = digits_after(63, value);
    for (negative, sign) in [(0, 1), (1, -1)] {
        let words = [cell_word, word_of(7, 1000), coin << 1 | negative];
        assert_eq!(cells.trial::<S>(words).undecided, 1);
        // Below: the draw is kept.
        let mut rng = Script::new(&[words[0], words[1], words[2], next - 2]);
        assert_eq!(cells.sample::<S, _>(&mut rng), sign * (1000 * cell + 7) as i64);
        assert_eq!(rng.used, 4);
        // Above: it fails, and the next trial, of cell 0, gives 500.
        let again = [u64::MAX, word_of(500, 1000), 0];
        let script = [words[0], words[1], words[2], next + 2, again[0], again[1], again[2]];
        let mut rng = Script::new(&script);
        assert_eq!(cells.sample::<S, _>(&mut rng), 500);
        assert_eq!(rng.used, 7);
        // Equal over 64 digits more: one more word decides.
        let third = digits_after(127, value);
        for (last, kept) in [(third - 2, true), (third + 2, false)] {
            let mut rng = Script::new(&[next, last]);
            assert_eq!(cells.exact_trial::<S, _>(words, &mut rng).is_some(), kept);
            assert_eq!(rng.used, 2);
        }
    }
}

#[test]
fn a_coin_within_the_band_goes_to_the_exact_path() {
    a_coin_in_the_band_is_decided_by_the_digits_after_it::<HalfSquare>(0);
    a_coin_in_the_band_is_decided_by_the_digits_after_it::<HalfSquare>(3);
    a_coin_in_the_band_is_decided_by_the_digits_after_it::<Identity>(0);
    a_coin_in_the_band_is_decided_by_the_digits_after_it::<Identity>(20);
}

fn a_word_of_zero_reaches_beyond_the_table<S: Shape>(j: u64) {
    assert!(j >= S::TAIL.len() as u64);
    let cells = Cells::new(1000).unwrap();
    let bits = if j > 80 { 256 } else { 128 };
    let Enclosure { low, .. } = S::tail(j, bits);
    // A real a little below P(K >= j), cut into words.
    let real = low - UBig::ONE;
    let mut words = vec![0, word_of(7, 1000), 0];
    for shift in (0..bits - 64).step_by(64).rev() {
        words.push(((&real >> shift) % (UBig::ONE << 64)).try_into().unwrap());
    }
    // Bits enough to tell the real from the tail itself.
    words.push(0);
    let mut rng = Script::new(&words);
    assert_eq!(cells.sample::<S, _>(&mut rng), (1000 * j + 7) as i64);
}

#[test]
fn the_tail_beyond_the_table_is_drawn_too() {
    for j in [10, 11, 12] {
        a_word_of_zero_reaches_beyond_the_table::<HalfSquare>(j);
    }
    for j in [45, 60, 80, 120] {
        a_word_of_zero_reaches_beyond_the_table::<Identity>(j);
    }
}

fn a_trial_takes_three_words<S: Shape>() {
    let mut random = random(5);
    for scale in [1, 2, 1000, MAX_SCALE] {
        let cells = Cells::new(scale).unwrap();
        for _ in 0..300 {
            // Trials that fail by their coin, then whatever succeeds.
            let failures = random.next_u64() as usize % 4;
            let mut words = vec![];
            for _ in 0..failures {
                // Of scale 1 there is only zero, which fails with a minus.
                words.extend(match scale {
                    1 => [u64::MAX, 0, 1],
                    _ => [u64::MAX, word_of(scale / 2, scale), u64::MAX],
                });
            }
            words.extend([random.next_u64(), random.next_u64(), 0]);
            let mut rng = Script::new(&words);
            cells.sample::<S, _>(&mut rng);
            assert_eq!(rng.used, 3 * (failures + 1));
        }
    }
}

#[test]
fn every_trial_takes_three_words_whatever_they_are() {
    a_trial_takes_three_words::<HalfSquare>();
    a_trial_takes_three_words::<Identity>();
}

#[test]
fn places_are_all_alike() {
    // 2^64 mod 3 = 1: of the words that give each place, one of place 0 is unfair.
    let cells = Cells::new(3).unwrap();
    assert_eq!(cells.place(0), (0, 0));
    assert_eq!(cells.place(1), (0, 1));
    assert_eq!(cells.place(u64::MAX), (2, 1));
    assert_eq!(cells.trial::<Identity>([u64::MAX, 0, 0]).succeeds, 0);
    // With words of 8 bits instead of 64 the same rule leaves floor(256 / n) words for every place.
    for n in 1..=100_u32 {
        let mut counts = vec![0; n as usize];
        for word in 0..256 {
            let product = word * n;
            if product % 256 >= 256 % n {
                counts[(product / 256) as usize] += 1;
            }
        }
        assert!(counts.iter().all(|&count| count == 256 / n), "n = {n}");
    }
}

#[test]
fn scales_outside_the_range_are_refused() {
    for scale in [0, MAX_SCALE + 1, u64::MAX] {
        assert_eq!(
            Cells::new(scale),
            Err(Error::NoiseScaleOutOfRange { scale, least: 1, most: MAX_SCALE })
        );
    }
    assert_eq!(Cells::new(MAX_SCALE).unwrap().scale(), MAX_SCALE);
}

#[test]
fn signs_are_arithmetic() {
    assert_eq!(signed(5, 0), 5);
    assert_eq!(signed(5, 1), -5);
    assert_eq!(signed(0, 1), 0);
    // The largest magnitude that a trial can give.
    assert_eq!(signed(1 << 60, 1), -(1 << 60));
}
