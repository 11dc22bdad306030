use proptest::prelude::*;

use super::*;

const PRGS: [Prg; 2] = [Prg::Aes128, Prg::ChaCha20];

fn seed(byte: u8) -> Seed {
    Seed::from_bytes([byte; 32])
}

fn ring(bits: u8) -> Ring {
    Ring::new(bits).unwrap()
}

/// The keystream as the specification has it, with the ciphers' ordinary interface.
fn keystream(prg: Prg, seed: &Seed, len: usize) -> Vec<u8> {
    use ctr::cipher::{KeyIvInit, StreamCipher};
    let mut bytes = vec![0; len];
    match prg {
        Prg::Aes128 => {
            let secret = *crate::kdf::derive(seed, "mask aes128", &[]).expose();
            let (key, counter): ([u8; 16], [u8; 16]) =
                (secret[..16].try_into().unwrap(), secret[16..].try_into().unwrap());
            ctr::Ctr64LE::<aes::Aes128>::new(&key.into(), &counter.into())
                .write_keystream(&mut bytes);
        }
        Prg::ChaCha20 => {
            let secret = crate::kdf::derive(seed, "mask chacha20", &[]);
            chacha20::ChaCha20::new(secret.expose().into(), &[0; 12].into())
                .write_keystream(&mut bytes);
        }
    }
    bytes
}

/// Integers modulo 2^b, kept apart from the code under test.
fn modulo(value: i128, bits: u8) -> u64 {
    value.rem_euclid(1 << bits) as u64
}

fn residues(vector: &Accumulator) -> Vec<u64> {
    vector.to_integers().iter().map(|x| modulo((*x).into(), vector.ring().bits())).collect()
}

fn integers(len: usize, limit: u64) -> Vec<i64> {
    (0..len as u64)
        .map(|at| {
            let magnitude = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (limit + 1);
            if at % 2 == 0 { magnitude as i64 } else { -(magnitude as i64) }
        })
        .collect()
}

#[test]
fn a_mask_is_the_keystream_read_as_little_endian_words() {
    // 16 KiB pieces end at 4096 and 2048 words.
    for len in [0, 1, 2, 3, 7, 15, 16, 17, 255, 256, 257, 1000, 2049, 4095, 4096, 4097, 9001] {
        for prg in PRGS {
            for bits in [32, 64] {
                let start = integers(len, ring(bits).max_integer());
                let bytes = keystream(prg, &seed(3), len * usize::from(bits) / 8);
                let masks: Vec<u64> = bytes
                    .chunks_exact(usize::from(bits) / 8)
                    .map(|word| word.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
                    .collect();
                let (mut plus, mut minus) = (
                    Accumulator::from_integers(ring(bits), &start).unwrap(),
                    Accumulator::from_integers(ring(bits), &start).unwrap(),
                );
                plus.add_mask(prg, &seed(3));
                minus.sub_mask(prg, &seed(3));
                let expected = |sign: i128| -> Vec<u64> {
                    let sum = |(x, mask): (&i64, &u64)| {
                        modulo(i128::from(*x) + sign * i128::from(*mask), bits)
                    };
                    start.iter().zip(&masks).map(sum).collect()
                };
                assert_eq!(residues(&plus), expected(1), "{prg:?}, {bits} bits, {len}");
                assert_eq!(residues(&minus), expected(-1), "{prg:?}, {bits} bits, {len}");
            }
        }
    }
}

/// Frozen: other implementations, and later versions of this one, must agree. Both were also
/// computed with OpenSSL from the description in `expand`.
#[test]
fn the_streams_of_a_known_seed_do_not_change() {
    let secret: [u8; 32] = std::array::from_fn(|at| at as u8);
    let first = |prg, bits: u8| {
        let mut vector = Accumulator::new(ring(bits), 256 / usize::from(bits));
        vector.add_mask(prg, &Seed::from_bytes(secret));
        crate::encode::to_hex(&vector.to_packed())
    };
    let aes = "9bdbc8abf15fd3e0047871f08fd9d3022cf2a1f486cd11ebed3dbcb87a6d2ae9";
    let chacha = "06477ce7689c9aba2bf17c9cc1587590c74dc28e08c7a0f24732f8de4ddb6de4";
    for bits in [32, 64] {
        assert_eq!(first(Prg::Aes128, bits), aes);
        assert_eq!(first(Prg::ChaCha20, bits), chacha);
    }
    // A narrower element is the low bits of a word, not the next bits of the stream.
    let mut vector = Accumulator::new(ring(8), 8);
    vector.add_mask(Prg::Aes128, &Seed::from_bytes(secret));
    assert_eq!(
        crate::encode::to_hex(&vector.to_packed()),
        (0..8).map(|at| &aes[8 * at..8 * at + 2]).collect::<String>()
    );
}

#[test]
fn what_was_added_can_be_subtracted_in_any_order() {
    for prg in PRGS {
        for bits in [1, 20, 32, 33, 64] {
            let start = integers(5000, ring(bits).max_integer());
            let mut vector = Accumulator::from_integers(ring(bits), &start).unwrap();
            for byte in 1..4 {
                vector.add_mask(prg, &seed(byte));
            }
            assert_ne!(vector.to_integers(), start);
            for byte in [2, 3, 1] {
                vector.sub_mask(prg, &seed(byte));
            }
            assert_eq!(vector.to_integers(), start);
        }
    }
}

#[test]
fn many_masks_at_once_are_the_masks_one_by_one() {
    // More than a group of ciphers, and more than one piece.
    let seeds: Vec<Seed> = (0..=255).flat_map(|at| [seed(at), seed(at)]).collect();
    let all: Vec<&Seed> = seeds.iter().take(300).collect();
    let (add, subtract) = all.split_at(100);
    for prg in PRGS {
        let mut at_once = Accumulator::new(ring(40), 2500);
        at_once.apply_masks(prg, add, subtract);
        let mut one_by_one = Accumulator::new(ring(40), 2500);
        add.iter().for_each(|seed| one_by_one.add_mask(prg, seed));
        subtract.iter().for_each(|seed| one_by_one.sub_mask(prg, seed));
        assert_eq!(at_once.to_packed(), one_by_one.to_packed());
    }
}

#[test]
fn a_vector_is_masked_in_one_pass_as_it_is_step_by_step() {
    // Less than a piece, some pieces and a rest, which does not fill its last byte.
    for len in [0, 1, 2047, 2048, 4096, 9001] {
        for prg in PRGS {
            for bits in [1, 20, 31, 32, 33, 63, 64] {
                let integers = integers(len, ring(bits).max_integer());
                let seeds: Vec<Seed> = (0..5).map(seed).collect();
                let seeds: Vec<&Seed> = seeds.iter().collect();
                let (add, subtract) = seeds.split_at(2);
                let mut vector = Accumulator::from_integers(ring(bits), &integers).unwrap();
                vector.apply_masks(prg, add, subtract);
                let masked = mask(ring(bits), prg, &integers, add, subtract).unwrap();
                assert_eq!(masked, vector.to_packed(), "{prg:?}, {bits} bits, {len}");
            }
        }
    }
    let refused = mask(ring(8), Prg::Aes128, &[1, 128, 128], &[&seed(1)], &[]);
    assert_eq!(refused, Err(Error::OutOfRange { index: 1, limit: 127 }));
}

#[test]
fn pairwise_masks_cancel_in_the_sum_of_all_sites() {
    const SITES: u8 = 7;
    let (prg, ring) = (Prg::Aes128, ring(24));
    let pair = |a: u8, b: u8| seed(16 * a.min(b) + a.max(b));
    let mut sum = Accumulator::new(ring, 100);
    for site in 0..SITES {
        let own: Vec<i64> = (0..100).map(|at| (at - 50) * i64::from(site)).collect();
        let mut vector = Accumulator::from_integers(ring, &own).unwrap();
        for other in (0..SITES).filter(|other| *other != site) {
            if other > site {
                vector.add_mask(prg, &pair(site, other));
            } else {
                vector.sub_mask(prg, &pair(site, other));
            }
        }
        assert_ne!(vector.to_integers(), own);
        sum.add_packed(&vector.to_packed()).unwrap();
    }
    let expected: Vec<i64> = (0..100).map(|at| (at - 50) * 21).collect();
    assert_eq!(sum.to_integers(), expected);
}

#[test]
fn an_integer_that_does_not_fit_is_refused_by_its_position_alone() {
    for (bits, limit) in [(1, 0), (2, 1), (20, (1 << 19) - 1), (32, (1 << 31) - 1)] {
        assert!(Accumulator::from_integers(ring(bits), &[limit, -limit]).is_ok());
        for bad in [limit + 1, -limit - 1, i64::MAX, i64::MIN] {
            assert_eq!(
                Accumulator::from_integers(ring(bits), &[0, limit, bad, bad]).unwrap_err(),
                Error::OutOfRange { index: 2, limit: limit as u128 }
            );
        }
    }
    let extremes = [i64::MAX, -i64::MAX];
    let widest = Accumulator::from_integers(ring(64), &extremes).unwrap();
    assert_eq!(widest.to_integers(), extremes);
    assert!(Accumulator::from_integers(ring(64), &[i64::MIN]).is_err());
}

#[test]
fn rings_have_from_1_to_64_bits() {
    for bits in [0, 65, 255] {
        let error = Error::Parameter { what: "bits of a ring", got: bits.into(), min: 1, max: 64 };
        assert_eq!(Ring::new(bits), Err(error));
    }
    assert!(ring(64).packed_len(usize::MAX).is_err());
    assert_eq!(ring(3).packed_len(3), Ok(2));
}

#[test]
fn a_packed_vector_of_another_length_or_with_padding_is_refused_and_changes_nothing() {
    let mut vector = Accumulator::from_integers(ring(12), &[1, -2, 3]).unwrap();
    let bytes = vector.to_packed();
    assert_eq!(bytes, [0x01, 0xe0, 0xff, 0x03, 0x00]);
    for bad in [&bytes[..4], &[bytes.clone(), vec![0]].concat(), &[]] {
        let error = Error::Length { what: "packed vector, in bytes", expected: 5, got: bad.len() };
        assert_eq!(vector.add_packed(bad), Err(error.clone()));
        assert_eq!(Accumulator::from_packed(ring(12), 3, bad).unwrap_err(), error);
    }
    let error = Error::Encoding { label: "packed vector", problem: "padding is not zero", at: 4 };
    assert_eq!(vector.add_packed(&[0, 0, 0, 0, 0x10]), Err(error));
    assert_eq!(vector.to_packed(), bytes);
}

#[test]
fn whole_words_are_packed_as_they_lie_in_memory() {
    let narrow = Accumulator::from_integers(ring(32), &[1, -1]).unwrap();
    assert_eq!(narrow.to_packed(), [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    let wide = Accumulator::from_integers(ring(64), &[-2]).unwrap();
    assert_eq!(wide.to_packed(), (-2i64).to_le_bytes());
}

#[test]
fn debug_shows_nothing_of_a_vector() {
    let vector = Accumulator::from_integers(ring(16), &[12_345]).unwrap();
    assert_eq!(format!("{vector:?}"), "Accumulator { bits: 16, len: 1, words: <redacted> }");
}

/// Bits, and two vectors of one length whose integers fit.
fn vectors() -> impl Strategy<Value = (u8, Vec<i64>, Vec<i64>)> {
    (1u8..=64, 0usize..70).prop_flat_map(|(bits, len)| {
        let limit = ring(bits).max_integer() as i64;
        let vector = || proptest::collection::vec(-limit..=limit, len);
        (Just(bits), vector(), vector())
    })
}

proptest! {
    #[test]
    fn packing_and_unpacking_gives_the_vector_back((bits, first, _) in vectors()) {
        let vector = Accumulator::from_integers(ring(bits), &first).unwrap();
        let bytes = vector.to_packed();
        prop_assert_eq!(bytes.len(), (first.len() * usize::from(bits)).div_ceil(8));
        let back = Accumulator::from_packed(ring(bits), first.len(), &bytes).unwrap();
        prop_assert_eq!(back.to_integers(), first);
        prop_assert_eq!(back.to_packed(), bytes);
    }

    #[test]
    fn packed_elements_are_the_bits_of_one_long_integer((bits, first, _) in vectors()) {
        let bytes = Accumulator::from_integers(ring(bits), &first).unwrap().to_packed();
        let bit = |at: usize| bytes[at / 8] >> (at % 8) & 1;
        for (at, integer) in first.iter().enumerate() {
            let start = at * usize::from(bits);
            let element = (0..usize::from(bits)).fold(0, |sum, i| sum | u64::from(bit(start + i)) << i);
            prop_assert_eq!(element, modulo((*integer).into(), bits));
        }
    }

    #[test]
    fn sums_of_packed_vectors_are_packed_sums((bits, first, second) in vectors(), byte: u8) {
        let mut sum = Accumulator::from_integers(ring(bits), &first).unwrap();
        // Words that carry bits above b, as masked ones do.
        sum.add_mask(Prg::Aes128, &seed(byte));
        let mut other = Accumulator::from_integers(ring(bits), &second).unwrap();
        other.sub_mask(Prg::Aes128, &seed(byte));
        sum.add_packed(&other.to_packed()).unwrap();
        let expected: Vec<u64> = first
            .iter()
            .zip(&second)
            .map(|(a, b)| modulo(i128::from(*a) + i128::from(*b), bits))
            .collect();
        prop_assert_eq!(residues(&sum), expected);
    }
}
