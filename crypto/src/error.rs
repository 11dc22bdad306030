//! The crate's one error type: what was wrong, where, and what to do.

/// Why a value, an encoding, a share or a signature was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A plaintext integer does not fit the field. The value itself is secret and not told.
    #[error(
        "coordinate {index} is out of range: its absolute value must be at most {limit}; \
         use a coarser grid or the 128-bit field"
    )]
    OutOfRange {
        /// Position in the vector, from 0.
        index: usize,
        /// Largest absolute value that fits, (p - 1) / 2.
        limit: u128,
    },
    /// Too few or too many parties for a sharing.
    #[error("{parties} parties: additive sharing needs between 2 and {max}")]
    Parties {
        /// Parties asked for.
        parties: usize,
        /// Largest number supported.
        max: usize,
    },
    /// A vector of another length than agreed.
    #[error("{what}: {got} elements instead of {expected}")]
    Length {
        /// Which vector.
        what: &'static str,
        /// Agreed length.
        expected: usize,
        /// Length that came.
        got: usize,
    },
    /// A field element at or above the modulus: the encoding is not canonical.
    #[error("{what}: element {index} is not below the modulus")]
    NotReduced {
        /// Which vector.
        what: &'static str,
        /// Position, from 0.
        index: usize,
    },
    /// Canonical bytes that do not parse.
    #[error("canonical encoding of {label}: {problem} at byte {at}")]
    Encoding {
        /// Domain label of the structure.
        label: &'static str,
        /// What is wrong.
        problem: &'static str,
        /// Byte offset.
        at: usize,
    },
    /// A public key that is not a point, or a weak one.
    #[error("public key {key} is not a valid Ed25519 key; ask its owner for the right one")]
    PublicKey {
        /// The key, in hexadecimal.
        key: String,
    },
    /// A signature that does not verify.
    #[error("the signature of {signer} over this {what} does not verify")]
    Signature {
        /// Fingerprint of the expected signer.
        signer: String,
        /// What was signed.
        what: &'static str,
    },
    /// A transform of more points than the field has roots of unity for.
    #[error("a transform of 2^{log2_len} points: this field has at most 2^{limit}")]
    Transform {
        /// Binary logarithm of the length asked for.
        log2_len: u32,
        /// Binary logarithm of the largest length.
        limit: u32,
    },
    /// Text that is not the hexadecimal form of the bytes expected.
    #[error("expected {expected} bytes as hexadecimal digits, got {got:?}")]
    Hex {
        /// Number of bytes.
        expected: usize,
        /// The text, cut to 80 characters.
        got: String,
    },
}
