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

    /// The secret bytes.
    ///
    /// # Security
    /// For the wire to the one party that must have them, and for key derivation. Never log them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
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
    fn seeds_are_equal_only_when_every_byte_is() {
        let mut other = [7; 32];
        assert_eq!(Seed::from_bytes(other), Seed::from_bytes([7; 32]));
        other[31] ^= 0x80;
        assert_ne!(Seed::from_bytes(other), Seed::from_bytes([7; 32]));
    }
}
