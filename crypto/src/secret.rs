//! 32-byte secrets: seeds of shares and noise, epoch keys.

use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A uniformly random 32-byte secret with one use, told apart by the label it is expanded under.
///
/// # Security
/// Zeroised on drop, redacted in `Debug`, compared in constant time. Copies that the compiler
/// makes on the stack are not wiped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Draws a seed.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        let seed = Self(bytes);
        bytes.zeroize();
        seed
    }

    /// Takes secret bytes over; the caller wipes its own copy.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
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

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(<redacted>)")
    }
}

impl ConstantTimeEq for Seed {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
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

    #[test]
    fn seeds_are_equal_only_when_every_byte_is() {
        let mut other = [7; 32];
        assert_eq!(Seed::from_bytes(other), Seed::from_bytes([7; 32]));
        other[31] ^= 0x80;
        assert_ne!(Seed::from_bytes(other), Seed::from_bytes([7; 32]));
    }
}
