//! Key derivation: HKDF-SHA256 (RFC 5869) with a canonical `info`.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroize;

use crate::encode::{Digest, Encoder};
use crate::secret::Seed;

/// Derives a seed from a uniformly random key, for one purpose (`label`) and one context.
///
/// Different labels or contexts give independent seeds; the same ones give the same seed.
#[must_use]
pub fn derive(key: &Seed, label: &str, context: &[Digest]) -> Seed {
    let mut info = Encoder::new("haima kdf 1");
    info.str(label).count(context.len());
    for digest in context {
        info.digest(digest);
    }
    let mut bytes = [0; 32];
    // 32 bytes are one HMAC block: expansion cannot fail, and zero bytes would be caught by use.
    let expanded =
        Hkdf::<Sha256>::new(Some(b"haima"), key.expose()).expand(&info.finish(), &mut bytes);
    debug_assert!(expanded.is_ok());
    let seed = Seed::from_bytes(bytes);
    bytes.zeroize();
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_contexts_and_keys_all_separate() {
        let key = Seed::from_bytes([1; 32]);
        let round = Digest::of(b"round");
        let base = derive(&key, "noise", &[round]);
        assert_eq!(base, derive(&key, "noise", &[round]));
        assert_ne!(base, derive(&key, "share", &[round]));
        assert_ne!(base, derive(&key, "noise", &[round, round]));
        assert_ne!(base, derive(&Seed::from_bytes([2; 32]), "noise", &[round]));
    }
}
