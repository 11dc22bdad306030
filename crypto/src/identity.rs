//! Long-term identities: Ed25519 (RFC 8032) over digests of canonical bytes.
//!
//! A signature is always over a [`Digest`], whose bytes begin with a domain label, so that a
//! signature for one structure is void for any other. Verification is the strict form: no
//! small-order keys, no malleable signatures.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::Error;
use crate::encode::{Digest, from_hex, to_hex};

/// A party's private identity key.
///
/// # Security
/// Never leaves its owner. Zeroised on drop, redacted in `Debug`. In a box, as
/// [`crate::secret::Seed`] is: a move copies a pointer.
pub struct IdentityKey(Box<SigningKey>);

impl IdentityKey {
    /// Draws a key.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *secret);
        Self::from_secret(&secret)
    }

    /// A key from its 32-byte secret.
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(Box::new(SigningKey::from_bytes(secret)))
    }

    /// The 32-byte secret, for its owner's key file.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> IdentityPublic {
        IdentityPublic(self.0.verifying_key())
    }

    /// Signs a digest.
    #[must_use]
    pub fn sign(&self, digest: &Digest) -> Signature {
        Signature(self.0.sign(digest.as_bytes()).to_bytes())
    }
}

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityKey(<redacted>, public {})", self.public())
    }
}

/// A party's public identity key, as the manifest pins it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentityPublic(VerifyingKey);

impl IdentityPublic {
    /// A key from its 32 bytes.
    ///
    /// # Errors
    /// When the bytes are no curve point, or a point of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Error> {
        let fail = || Error::PublicKey { key: to_hex(bytes) };
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| fail())?;
        if key.is_weak() { Err(fail()) } else { Ok(Self(key)) }
    }

    /// A key from 64 hexadecimal digits.
    ///
    /// # Errors
    /// As [`IdentityPublic::from_bytes`], or when the text is not that.
    pub fn from_hex(text: &str) -> Result<Self, Error> {
        Self::from_bytes(&from_hex(text)?)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The first 8 bytes in groups, to be read aloud.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Digest::of(self.as_bytes());
        let groups: Vec<String> = digest.as_bytes().chunks(2).take(4).map(to_hex).collect();
        groups.join("-")
    }

    /// Checks a signature over a digest; `what` names the structure in the error.
    ///
    /// # Errors
    /// When it does not verify.
    pub fn verify(
        &self,
        digest: &Digest,
        signature: &Signature,
        what: &'static str,
    ) -> Result<(), Error> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0
            .verify_strict(digest.as_bytes(), &signature)
            .map_err(|_| Error::Signature { signer: self.fingerprint(), what })
    }
}

impl std::fmt::Display for IdentityPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&to_hex(self.as_bytes()))
    }
}

impl std::fmt::Debug for IdentityPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityPublic({self})")
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// A signature read from elsewhere; checked only by [`IdentityPublic::verify`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Reads a signature from a slice of exactly 64 bytes.
    ///
    /// # Errors
    /// On any other length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let got = bytes.len();
        let bytes =
            bytes.try_into().map_err(|_| Error::Length { what: "signature", expected: 64, got })?;
        Ok(Self(bytes))
    }

    /// The 64 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({}..)", to_hex(self.0.get(..4).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_signature_holds_for_its_digest_and_key_alone() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let (key, other) = (IdentityKey::generate(&mut rng), IdentityKey::generate(&mut rng));
        let digest = Digest::of(b"one");
        let signature = key.sign(&digest);
        assert_eq!(key.public().verify(&digest, &signature, "test"), Ok(()));
        assert!(key.public().verify(&Digest::of(b"two"), &signature, "test").is_err());
        assert!(other.public().verify(&digest, &signature, "test").is_err());
        // A verification takes seconds under miri.
        for byte in (0..64).step_by(if cfg!(miri) { 21 } else { 1 }) {
            let mut bad = *signature.as_bytes();
            bad[byte] ^= 1;
            let bad = Signature::from_bytes(bad);
            assert!(key.public().verify(&digest, &bad, "test").is_err(), "byte {byte}");
        }
    }

    /// RFC 8032, section 7.1, TEST 2 (the key pair).
    #[test]
    fn the_public_key_is_that_of_rfc_8032() {
        let secret =
            from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        assert_eq!(
            IdentityKey::from_secret(&secret).public().to_string(),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
    }

    #[test]
    fn weak_and_invalid_public_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(IdentityPublic::from_bytes(&identity).is_err());
        assert!(IdentityPublic::from_bytes(&[0; 32]).is_err());
        assert!(IdentityPublic::from_bytes(&[2; 32]).is_err());
    }

    #[test]
    fn a_move_copies_no_byte_of_a_private_key() {
        let key = IdentityKey::from_secret(&[9; 32]);
        let place = key.0.as_bytes().as_ptr();
        let moved = Box::new([key]);
        assert_eq!(moved[0].0.as_bytes().as_ptr(), place);
    }

    #[test]
    fn debug_of_a_private_key_shows_only_the_public_half() {
        let key = IdentityKey::from_secret(&[9; 32]);
        let shown = format!("{key:?}");
        assert!(shown.contains("redacted") && !shown.contains(&to_hex(&[9; 8])));
    }
}
