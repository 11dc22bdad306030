//! The crate's one error type: what was wrong, where, and what to do.

/// Why a value, an encoding, a share or a signature was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A plaintext integer does not fit the field. The value itself is secret and not told.
    #[error(
        "coordinate {index} is out of range: its absolute value must be at most {limit}; \
         use a coarser grid, or a wider field or ring"
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
    /// An encoding of a version that this program does not know.
    #[error("{what}: version {got}, and only {known} is known here; update, or ask for a new one")]
    Version {
        /// Which encoding.
        what: &'static str,
        /// Version that came.
        got: u8,
        /// Version that is read.
        known: u8,
    },
    /// A sealing key of the right length that is none.
    #[error("the sealing key is not a valid X-Wing public key; ask the node for the right one")]
    SealingKey,
    /// A plaintext too long to be sealed in one message.
    #[error("{len} bytes cannot be sealed at once: AES-GCM takes at most 2^36 - 32")]
    Seal {
        /// Length of the plaintext.
        len: usize,
    },
    /// A sealed message that is not whole, of another version, changed, or for someone else. No
    /// more is told.
    #[error("the message does not open under this key and associated data")]
    Open,
    /// A parameter outside its range.
    #[error("{what}: {got} is not between {min} and {max}")]
    Parameter {
        /// Which parameter.
        what: &'static str,
        /// What was asked for.
        got: u128,
        /// Smallest value allowed.
        min: u128,
        /// Largest value allowed.
        max: u128,
    },
    /// A vector longer than its bound. Its norm is secret and not told.
    #[error("the vector's L2 norm is past the bound of {bound} grid steps; clip it first")]
    Norm {
        /// The bound.
        bound: u64,
    },
    /// A client did not pass its own wrap-around checks.
    #[error(
        "no {needed} of {checks} wrap-around checks passed in {attempts} attempts; for a vector \
         within the bound that is a fault of the source of randomness"
    )]
    WrapAround {
        /// Passes needed.
        needed: usize,
        /// Checks made.
        checks: usize,
        /// Fresh attempts.
        attempts: usize,
    },
    /// A proof that does not verify: its client, or a node, deviated.
    #[error("proof {index} of {circuit} does not verify; leave this client's vector out")]
    Proof {
        /// Which circuit.
        circuit: &'static str,
        /// Which of its proofs, from 0.
        index: usize,
    },
    /// A node's view of the joint randomness differs from the others'.
    #[error(
        "the joint randomness does not match this node's share of the vector; leave this client's \
         vector out"
    )]
    JointRandomness,
    /// A query point at which a proof cannot be queried without telling a wire.
    #[error(
        "the query point is a {points}-th root of unity; leave this report out; its client may send a new one"
    )]
    QueryPoint {
        /// Number of roots of unity.
        points: usize,
    },
    /// A floating-point number that the draft's encoding refuses.
    #[error("coordinate {index} is {value}: not a normal floating-point number")]
    Float {
        /// Position in the vector, from 0.
        index: usize,
        /// The value's kind: not a number, infinite, subnormal.
        value: &'static str,
    },
    /// A threshold that no sharing has.
    #[error(
        "{need} of {of} shares: between 1 and all of at least 1 and at most {max} shares must be \
         needed"
    )]
    Threshold {
        /// Shares that reconstruct.
        need: u32,
        /// Shares in all.
        of: u32,
        /// Most shares supported.
        max: u32,
    },
    /// Fewer shares than reconstruct.
    #[error("{got} shares, and {need} are needed; collect {} more", need.saturating_sub(*got))]
    TooFewShares {
        /// Shares that came.
        got: usize,
        /// Shares that reconstruct.
        need: usize,
    },
    /// An index that no share has.
    #[error("share {index}: indices run from 1 to {max}")]
    ShareIndex {
        /// The index that came.
        index: u32,
        /// Largest index.
        max: u32,
    },
    /// One party's share came twice.
    #[error("share {index} came twice; keep one of each party")]
    DuplicateShare {
        /// Its index.
        index: u32,
    },
    /// A share that does not belong with the others.
    #[error("share {index}: {what} is {got} instead of {expected}; leave it out")]
    ShareMismatch {
        /// Its index.
        index: u32,
        /// What differs.
        what: &'static str,
        /// What the others have.
        expected: usize,
        /// What this one has.
        got: usize,
    },
    /// Shares that contradict each other, more of them wrong than can be located.
    #[error(
        "{given} shares of which {need} reconstruct contradict each other, and more than {most} \
         are wrong, which is the most that can be located; collect more"
    )]
    WrongShares {
        /// Shares given.
        given: usize,
        /// Shares that reconstruct.
        need: usize,
        /// Most wrong shares that can be located.
        most: usize,
    },
    /// Reconstructed field elements that are the limbs of no 32-byte secret.
    #[error("the shares give no 32-byte secret: at least one is wrong or of another secret")]
    NoSecret,
    /// A share that does not agree with its dealer's commitment.
    #[error("share {index} does not agree with the commitment; do not use it, and keep both")]
    Uncommitted {
        /// Its index.
        index: u32,
    },
    /// No graph of so many sites withstands what is assumed of them.
    #[error(
        "no graph of {sites} sites withstands these shares of corrupt and absent sites; assume \
         fewer, or have more sites"
    )]
    Graph {
        /// Sites.
        sites: u32,
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
