//! PINE: a client splits a vector of integers among k >= 2 nodes and proves, without showing it,
//! that its L2 norm is within a bound. No client can then move a sum of vectors by more than it
//! is worth, and the nodes learn nothing but the sum.
//!
//! Source: Rothblum, Omri, Chen, Talwar, "PINE: Efficient Norm-Bound Verification for
//! Secret-Shared Vectors" (arXiv 2311.10237), in the form of draft-chen-cfrg-vdaf-pine-01: its
//! reference code (`poc/`) is the specification, byte for byte, over the proofs of
//! draft-irtf-cfrg-vdaf-11 ([`crate::flp`]). Field128 with AES is not named there; it has the
//! identifier of the experimental instances.
//!
//! ```
//! use haima_crypto::field::Field64;
//! use haima_crypto::pine::{NONCE, Params, Pine};
//! use haima_crypto::share::{Aggregate, combine};
//! use haima_crypto::xof::XofHmacSha256Aes128;
//! # use rand_chacha::ChaCha20Rng;
//! # use rand_chacha::rand_core::{Rng, SeedableRng};
//! # let mut rng = ChaCha20Rng::from_seed([1; 32]); // the system's randomness in earnest
//! # let verify_key = [7; 32]; // X::SEED bytes that the nodes share and no client knows
//! let (dimension, bound, nodes) = (4, 1 << 15, 3);
//! let params = Params::new::<Field64>(dimension, bound, nodes)?;
//! let pine = Pine::<Field64, XofHmacSha256Aes128>::new(params)?;
//! let mut sums: Vec<_> = (0..nodes).map(|at| Aggregate::<Field64>::new(at, dimension)).collect();
//! for vector in [[1i64, -2, 3, 4], [10, 20, -30, 40]] {
//!     let mut nonce = [0; NONCE];
//!     rng.fill_bytes(&mut nonce);
//!     let report = pine.shard(&vector, &nonce, &mut rng)?; // the client
//!     let mut preps = Vec::new();
//!     for (at, share) in report.shares.iter().enumerate() {
//!         // Each node, once; it shows its prep share when all have committed to theirs.
//!         preps.push(pine.prep(&verify_key, at, &nonce, &report.public, share)?.1);
//!     }
//!     let preps: Vec<&[u8]> = preps.iter().map(Vec::as_slice).collect();
//!     pine.decide(&report.public, &preps)?; // every node; an error leaves the report out
//!     for (at, sum) in sums.iter_mut().enumerate() {
//!         pine.accumulate(at, &report.shares[at], sum)?;
//!     }
//! }
//! let released: Vec<Vec<u8>> = sums.iter().map(Aggregate::to_bytes).collect();
//! let released: Vec<&[u8]> = released.iter().map(Vec::as_slice).collect();
//! assert_eq!(combine::<Field64>(&released, dimension)?, [11, 18, -27, 44]);
//! # Ok::<(), haima_crypto::Error>(())
//! ```
//!
//! The expansion with AES can be read at any place, so that a node needs little memory beside its
//! share; TurboSHAKE, at equal security, takes a vector of memory and is ten times slower. Reals
//! are clipped and rounded to a grid before they come here.
//!
//! # How it goes
//! The vector x in Z_p^d is shared as a vector (node 0, the leader) and seeds (the others). Over
//! shares, sum x_i^2 = v (mod p) is one inner product; that v is in \[0, B^2\] is a matter of its
//! bits. Left is that sum x_i^2 may have wrapped around p: 100 public random rows R_k over
//! {-1, 0, 1} are hashed out of all shares, and S_k = <R_k, x> must be small for each. For an
//! honest x it is, but for 2^-108; for one whose squared norm wraps it fails with probability 1/2
//! each (Lemma 3.3). The bits come with the shares, the products S_k are recomputed by the nodes,
//! and two circuits ([`circuit`](self#circuits)) are proved about all of it.
//!
//! Rows, and the circuits' joint randomness, are hashes of what every node holds: a client commits
//! before it knows them. Query points come from a key that no client knows.
//!
//! # What it proves, and what it assumes
//! * *Robustness*: a vector past B is accepted with probability at most 2^-b for the b of
//!   [`Params::soundness_bits`], if *all* nodes follow the protocol and no client knows the
//!   verify key (rule R6): whoever knows a query point forges a norm equality. Checks and joint
//!   randomness may be searched over offline, a hash of the vector each; query points may not.
//! * *Privacy*: one honest node keeps the vector hidden, whatever the others and clients do,
//!   provided it prepares a report once ([`Pine::prep`]; rule R4) and answers only with shares of
//!   verifiers and sums. Rests on the expansions being pseudorandom and, for zero knowledge of
//!   the hashed randomness, on their being random oracles. What leaks besides the sum: 2^-101 of
//!   an honest client's failing a check.
//! * The nonce is 16 fresh bytes for each report, and the transport binds shares to round and
//!   site (rules R1 and R2): the draft has no context of its own here.
//! * The caller sees to it that a sum of n vectors does not wrap: n B + noise < p/2 (rule N5).
//!
//! # Circuits
//! See the source of `circuit.rs` for their formulas. Costs: the leader's share is d elements and
//! O(sqrt d + 100 log B) more; a helper's four seeds; a prep share O(sqrt d).
//!
//! # Wire formats
//! All elements little-endian. Public share: k wrap-around parts, k joint randomness parts. Leader:
//! measurement, proofs, two blinds. Helpers: seeds of measurement and proofs, two blinds. Prep
//! share: verifiers, two parts. Prep message: two seeds. Parts, seeds and blinds are `X::SEED`
//! bytes.

mod circuit;
mod client;
#[doc(hidden)]
pub mod float;
mod node;
mod params;
mod stream;

use std::marker::PhantomData;

use zeroize::Zeroizing;

pub use node::PrepState;
use params::Layout;
pub use params::{ALPHA, MAX_CHECKS, MAX_DIMENSION, Params};

use crate::Error;
use crate::field::Field;
use crate::xof::{ByteStream, Xof};

/// Length of a nonce in bytes.
pub const NONCE: usize = 16;

/// Elements worked on at a time. A multiple of 4, so that rows of checks split at whole bytes.
const BLOCK: usize = 1 << 15;

/// What a hash or an expansion is for (draft, section on domain separation).
#[derive(Clone, Copy)]
#[repr(u16)]
enum Usage {
    MeasurementShare = 1,
    ProofShare = 2,
    JointRandomness = 3,
    ProveRandomness = 4,
    QueryRandomness = 5,
    JointSeed = 6,
    JointPart = 7,
    WrapRandomness = 8,
    WrapSeed = 9,
    WrapPart = 10,
}

/// A client's output.
///
/// # Security
/// Share j is for node j alone, sealed; the public share goes to all.
#[derive(Clone)]
pub struct Sharding {
    /// To every node.
    pub public: Vec<u8>,
    /// One a node, by position; 0 is the leader.
    pub shares: Vec<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Sharding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sharding(<redacted>, among {})", self.shares.len())
    }
}

/// PINE over field `F` with expansions `X`, under checked parameters.
pub struct Pine<F, X> {
    params: Params,
    layout: Layout,
    types: PhantomData<fn() -> (F, X)>,
}

impl<F, X> Clone for Pine<F, X> {
    fn clone(&self) -> Self {
        Self { params: self.params, layout: self.layout.clone(), types: PhantomData }
    }
}

impl<F, X> std::fmt::Debug for Pine<F, X> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pine {{ {:?} }}", self.params)
    }
}

impl<F: Field, X: Xof + Send> Pine<F, X> {
    /// Checks the ranges of parameters, not their strength: parameters that are not from
    /// [`Params::new`] should be refused below the [`Params::soundness_bits`] that are needed.
    ///
    /// # Errors
    /// [`Error::Parameter`], with the figure and its range.
    pub fn new(params: Params) -> Result<Self, Error> {
        params.check_sound::<F>()?;
        Self::of_the_draft(params)
    }

    /// As [`Pine::new`], for bounds too that the draft's code lets through although its checks do not
    /// hold a client to them. For the draft's vectors alone.
    ///
    /// # Errors
    /// [`Error::Parameter`], with the figure and its range.
    #[doc(hidden)]
    pub fn of_the_draft(params: Params) -> Result<Self, Error> {
        let layout = Layout::new::<F>(&params)?;
        Ok(Self { params, layout, types: PhantomData })
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Bytes of a public share.
    #[must_use]
    pub fn public_share_len(&self) -> usize {
        2 * self.params.shares * X::SEED
    }

    /// Bytes of the share at a position.
    #[must_use]
    pub fn share_len(&self, position: usize) -> usize {
        if position > 0 {
            return 4 * X::SEED;
        }
        let elements = self.layout.measurement + self.layout.proofs_len::<F>(&self.params);
        elements * F::BYTES + 2 * X::SEED
    }

    /// Bytes of a prep share.
    #[must_use]
    pub fn prep_share_len(&self) -> usize {
        self.layout.verifiers_len(&self.params) * F::BYTES + 2 * X::SEED
    }

    /// Bytes of a prep message.
    #[must_use]
    pub fn prep_message_len(&self) -> usize {
        2 * X::SEED
    }

    /// Draft version, algorithm, usage.
    fn tag(usage: Usage) -> [u8; 7] {
        let algorithm: u32 = match (X::SEED, F::BYTES) {
            (32, 8) => 0xffff_1004,
            (32, 4) => 0xffff_1005,
            (32, 5) => 0xffff_1006,
            _ => 0xffff_ffff,
        };
        let [a, b, c, d] = algorithm.to_be_bytes();
        let [e, f] = (usage as u16).to_be_bytes();
        [1, a, b, c, d, e, f]
    }

    /// The expansion of a seed under a binder.
    fn expand(seed: &[u8], usage: Usage, binder: &[&[u8]]) -> X::Stream {
        let mut xof = X::init(seed, &Self::tag(usage));
        for part in binder {
            xof.absorb(part);
        }
        xof.finish()
    }

    /// The first `X::SEED` bytes of a stream.
    fn seed(mut stream: X::Stream) -> Vec<u8> {
        let mut seed = vec![0; X::SEED];
        stream.fill(&mut seed);
        seed
    }

    /// The seed that all nodes' parts give together.
    fn joint_seed(usage: Usage, parts: &[u8]) -> Vec<u8> {
        Self::seed(Self::expand(&vec![0; X::SEED], usage, &[parts]))
    }

    /// A helper's share of the measurement.
    fn measurement_stream(seed: &[u8], position: usize) -> X::Stream {
        Self::expand(seed, Usage::MeasurementShare, &[&[position as u8]])
    }

    /// A helper's share of the proofs.
    fn proofs_stream(&self, seed: &[u8], position: usize) -> X::Stream {
        let [a, b] = self.proof_counts();
        Self::expand(seed, Usage::ProofShare, &[&[a, b, position as u8]])
    }

    /// The hash that becomes a node's part of a joint seed, waiting for its share.
    fn part(blind: &[u8], usage: Usage, position: usize, nonce: &[u8; NONCE]) -> X {
        let mut xof = X::init(blind, &Self::tag(usage));
        xof.absorb(&[position as u8]);
        xof.absorb(nonce);
        xof
    }

    /// The rows of the checks, as bytes.
    fn wrap_stream(seed: &[u8]) -> X::Stream {
        Self::expand(seed, Usage::WrapRandomness, &[])
    }

    /// Joint randomness of every validity proof.
    fn joint_randomness(&self, seed: &[u8]) -> Vec<[F; circuit::JOINT]> {
        let [_, proofs] = self.proof_counts();
        let mut stream = Self::expand(seed, Usage::JointRandomness, &[&[proofs]]);
        (0..proofs)
            .map(|_| {
                let mut joint = [F::ZERO; circuit::JOINT];
                crate::xof::fill_elements(&mut stream, &mut joint);
                joint
            })
            .collect()
    }

    /// Numbers of proofs, norm equality first; checked to be one byte each.
    fn proof_counts(&self) -> [u8; 2] {
        [self.params.proofs_norm_equality as u8, self.params.proofs as u8]
    }

    /// Elements worked on at a time by a node: its blocks, or everything at once when the checks'
    /// rows can be read in order only.
    fn block(&self) -> usize {
        if X::Stream::SEEKABLE { BLOCK } else { self.params.dimension }
    }
}

#[cfg(test)]
mod tests;
