//! 32-byte secrets: seeds of shares and noise, epoch keys.

use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A uniformly random 32-byte secret with one use, told apart by the label it is expanded under.
///
/// # Security
/// Zeroised on drop, redacted in `Debug`, compared in constant time. The bytes have one place on
/// the heap for as long as the seed lives: where a container moves it, as a vector that grows or a
/// tree that splits, a pointer is copied and nothing stays behind. Copies on the stack, from which
/// it was made, are not wiped.
#[derive(Clone)]
pub struct Seed(Box<[u8; 32]>);

impl Seed {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Draws a seed.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = Box::new([0; 32]);
        rng.fill_bytes(&mut *bytes);
        Self(bytes)
    }

    /// Takes secret bytes over; the caller wipes its own copy.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Box::new(bytes))
    }

    /// Reads a seed from 64 hexadecimal digits of either case; `None` for anything else.
    ///
    /// # Security
    /// No branch and no address depends on a digit, but for whether one is wrong. The bytes are made
    /// in their place, and wiped where one is.
    #[must_use]
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != Self::LEN || !rest.is_empty() {
            return None;
        }
        let (mut seed, mut all) = (Self(Box::new([0; Self::LEN])), 0);
        for (byte, [high, low]) in seed.0.iter_mut().zip(pairs) {
            let (high, low) = (value_of(*high), value_of(*low));
            all |= high | low;
            *byte = ((high << 4) | low) as u8;
        }
        // Negative where one was no digit.
        (all >= 0).then_some(seed)
    }

    /// The secret bytes.
    ///
    /// # Security
    /// For the wire to the one party that must have them, and for key derivation. Never log them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What a hexadecimal digit stands for, or -1, by masks for its three ranges.
fn value_of(digit: u8) -> i16 {
    let digit = i16::from(digit);
    // First and last of a range, and what the first stands for.
    let ranges = [(b'0', b'9', 0_i16), (b'A', b'F', 10), (b'a', b'f', 10)];
    ranges.into_iter().fold(-1, |value, (first, last, least)| {
        let (first, last) = (i16::from(first), i16::from(last));
        // Both differences are negative within the range alone: all ones, or none.
        let within = ((first - 1 - digit) & (digit - last - 1)) >> 8;
        value + (within & (digit - first + least + 1))
    })
}

impl Zeroize for Seed {
    fn zeroize(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for Seed {}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(<redacted>)")
    }
}

impl ConstantTimeEq for Seed {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.expose().ct_eq(other.expose())
    }
}

impl PartialEq for Seed {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Seed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_seed() {
        let shown = format!("{:?}", Seed::from_bytes([0xAB; 32]));
        assert_eq!(shown, "Seed(<redacted>)");
    }

    /// Neither into a vector nor when that one grows.
    #[test]
    fn a_move_copies_no_byte_of_a_seed() {
        let seed = Seed::from_bytes([7; 32]);
        let place = seed.expose().as_ptr();
        let mut all = vec![seed];
        assert_eq!(all[0].expose().as_ptr(), place);
        all.reserve_exact(100);
        all.push(Seed::from_bytes([8; 32]));
        assert_eq!(all[0].expose().as_ptr(), place);
        let copy = all[0].clone();
        assert_ne!(copy.expose().as_ptr(), place);
        assert_eq!(copy, all[0]);
    }

    #[test]
    fn what_is_wiped_is_zero() {
        let mut seed = Seed::from_bytes([7; 32]);
        seed.zeroize();
        assert_eq!(*seed.expose(), [0; 32]);
    }

    #[test]
    fn every_hexadecimal_digit_has_its_value_and_nothing_else_has_one() {
        for digit in 0..=u8::MAX {
            let value = char::from(digit).to_digit(16).map_or(-1, |value| value as i16);
            assert_eq!(value_of(digit), value, "{digit}");
        }
    }

    #[test]
    fn a_seed_is_read_from_64_digits_of_either_case_and_from_nothing_else() {
        let bytes: [u8; 32] = std::array::from_fn(|at| (37 * at + 11) as u8);
        let digits = crate::encode::to_hex(&bytes);
        for digits in [digits.clone(), digits.to_uppercase()] {
            assert_eq!(*Seed::from_hex(digits.as_bytes()).unwrap().expose(), bytes);
        }
        for len in [0, 1, 62, 63] {
            assert_eq!(Seed::from_hex(&digits.as_bytes()[..len]), None);
        }
        for more in ["0", "00", "\n"] {
            assert_eq!(Seed::from_hex(format!("{digits}{more}").as_bytes()), None);
        }
        // Each place counts: the fault of one is not forgotten over the others.
        for place in (0..64).step_by(if cfg!(miri) { 21 } else { 1 }) {
            for wrong in [b'g', b'/', b':', b'@', b'G', b'`', b' ', b'+', 0, 0xb0, 0xff] {
                let mut digits = digits.clone().into_bytes();
                digits[place] = wrong;
                assert_eq!(Seed::from_hex(&digits), None, "{wrong} at {place}");
            }
        }
    }

    #[test]
    fn seeds_are_equal_only_when_every_byte_is() {
        let mut other = [7; 32];
        assert_eq!(Seed::from_bytes(other), Seed::from_bytes([7; 32]));
        other[31] ^= 0x80;
        assert_ne!(Seed::from_bytes(other), Seed::from_bytes([7; 32]));
    }
}
