//! Cryptography of haima: fields, additive secret sharing, identities and the one canonical
//! encoding under everything that is signed or hashed.
//!
//! Sans-IO: no file, no socket, no clock, no runtime; randomness comes in as an argument. It
//! imports nothing else of ours, so an auditor can read it alone.
//!
//! | module | what it gives | source |
//! |---|---|---|
//! | [`field`] | the prime fields of 64 and 128 bits | draft-chen-cfrg-vdaf-pine, PoC `field.py` |
//! | [`xof`] | seeds to keystream to field vectors | the same, `XofHmacSha256Aes128` |
//! | [`share`] | additive k-of-k sharing of signed integers | folklore; secrecy: one-time pad in Z_p |
//! | [`encode`] | canonical bytes and SHA3-256 digests | ours; `docs/protocol.md` |
//! | [`identity`] | Ed25519 keys and signatures over digests | RFC 8032, strict verification |
//! | [`kdf`] | keys from keys, by label | RFC 5869 with HMAC-SHA256 |
//! | [`secret`] | 32-byte secrets | |
//!
//! # Security
//! Additive shares hide their value *unconditionally* from any k-1 parties when the masks are
//! uniform; here k-1 of the shares are 32-byte seeds, so secrecy rests on AES-128 in counter mode
//! keyed through HMAC-SHA256 being pseudorandom. There is no integrity in the sharing itself: a
//! party that changes its share changes the sum. Proofs of the norm bound are not here yet.
//!
//! Field addition, subtraction, multiplication and the conversion of integers are branch-free in
//! their operands, in source; nothing stronger is claimed of the compiled code. Rejection of
//! keystream words at or above the modulus takes time that depends on the rejected words only,
//! which are discarded. Exponentiation is variable-time in the (public) exponent.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod encode;
mod error;
pub mod field;
pub mod identity;
pub mod kdf;
pub mod secret;
pub mod share;
pub mod xof;

pub use error::Error;
