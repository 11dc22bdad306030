//! Cryptography of haima: fields, additive and threshold sharing, proofs of the norm (PINE),
//! sealing, identities and the one canonical encoding under everything that is signed or hashed.
//! Rule ids, such as R4, are those of `docs/security/rules.md`.
//!
//! Sans-IO: no file, no socket, no clock, no runtime; randomness comes in as an argument. It
//! imports nothing else of ours, so an auditor can read it alone.
//!
//! Two servers add two vectors, and neither sees one:
//!
//! ```
//! use haima_crypto::encode::Digest;
//! use haima_crypto::field::Field64;
//! use haima_crypto::share::{Aggregate, combine, split};
//! # use rand_chacha::ChaCha20Rng;
//! # use rand_chacha::rand_core::SeedableRng;
//! # let mut rng = ChaCha20Rng::from_seed([1; 32]);
//!
//! let mut servers = [Aggregate::<Field64>::new(0, 2), Aggregate::<Field64>::new(1, 2)];
//! for (site, vector) in [("north", [3, -1]), ("south", [4, 5])] {
//!     // Binds the shares to whom and what they are for.
//!     let context = Digest::of(site.as_bytes());
//!     let shares = split::<Field64, _>(&vector, 2, &context, &mut rng)?;
//!     for (server, share) in servers.iter_mut().zip(&shares) {
//!         server.add_bytes(&context, &share.to_bytes())?;
//!     }
//! }
//! let [first, second] = servers.map(|server| server.to_bytes());
//! assert_eq!(combine::<Field64>(&[first.as_slice(), second.as_slice()], 2)?, [7, 4]);
//! # Ok::<(), haima_crypto::Error>(())
//! ```
//!
//! # Modules
//!
//! | module | what it gives | source |
//! |---|---|---|
//! | [`field`] | the prime fields of 32, 40, 64 and 128 bits, transforms, vector kernels | draft-chen-cfrg-vdaf-pine, PoC `field.py` |
//! | [`xof`] | seeds to keystream to field vectors | the same, `xof.py` |
//! | [`flp`] | fully linear proofs of quadratic circuits | draft-irtf-cfrg-vdaf-11, section 7.3 |
//! | [`pine`] | shared vectors with a proof that their L2 norm is within a bound | arXiv 2311.10237, draft-chen-cfrg-vdaf-pine |
//! | [`share`] | additive k-of-k sharing of signed integers | folklore; secrecy: one-time pad in Z_p |
//! | [`shamir`] | sharing of which any r of n reconstruct; wrong shares located | Shamir 1979; Massey 1969 |
//! | [`reshare`] | from additive to threshold shares of a sum | ours; sums of Shamir sharings |
//! | [`vss`] | verifiable sharing of scalars over Ristretto | Feldman 1987, Pedersen 1991 |
//! | [`encode`] | canonical bytes and SHA3-256 digests | ours; `docs/protocol.md` |
//! | [`identity`] | Ed25519 keys and signatures over digests | RFC 8032, strict verification |
//! | [`seal`] | sealing to a node's epoch key: HPKE with X-Wing, AES-256-GCM | RFC 9180, draft-ietf-hpke-pq |
//! | [`secagg`] | sums of masked vectors by one untrusted coordinator | Bonawitz et al. 2017, Bell et al. 2020 |
//! | [`kdf`] | keys from keys, by label | RFC 5869 with HMAC-SHA256 |
//! | [`secret`] | 32-byte secrets | |
//!
//! # Use in other projects
//! Generators are those of rand_core 0.10 (`rand` 0.10). In the workspace that links this crate:
//!
//! ```toml
//! [profile.release.package.haima-crypto]
//! codegen-units = 1 # else AES may run at a third of its speed
//! ```
//!
//! The feature `rayon` makes and checks proofs on several threads, with the same results. Nodes
//! have *positions* from 0 in [`share`] and [`pine`], and shares *indices* from 1 in `shamir` and
//! `vss`. haima's own protocol uses `reshare` where a study asks for it; `vss` it does not use.
//!
//! # Security
//! Additive shares hide their value *unconditionally* from any k-1 parties when the masks are
//! uniform; here k-1 of the shares are 32-byte seeds, so secrecy rests on AES-128 in counter mode
//! keyed through HMAC-SHA256 being pseudorandom. There is no integrity in the sharing itself: a
//! party that changes its share changes the sum. [`pine`] proves that a vector's norm was within its
//! bound when it was shared, as long as every node follows the protocol.
//!
//! Field addition, subtraction, multiplication and the conversion of integers are branch-free in
//! their operands, in source; what is checked of the compiled code is in `proofs/ct`. Rejection of
//! keystream words at or above the modulus takes time that depends on the rejected words only,
//! which are discarded. Exponentiation is variable-time in the (public) exponent.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod encode;
mod error;
pub mod field;
pub mod flp;
pub mod identity;
pub mod kdf;
mod par;
pub mod pine;
pub mod reshare;
pub mod seal;
pub mod secagg;
pub mod secret;
pub mod shamir;
pub mod share;
pub mod vss;
pub mod xof;

pub use error::Error;
