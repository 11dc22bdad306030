//! Sealing of bytes to a node's epoch key: HPKE in base mode over a hybrid KEM, then chunks.
//!
//! A site seals each node's share, so that whoever carries it learns nothing but its length. A
//! share may have a hundred megabytes: it is sealed in chunks that can be opened one at a time, so
//! that a node needs the memory of one, and goes on after a break where it was.
//!
//! HPKE (RFC 9180), mode base, `info` = `haima seal 2`, with
//!
//! | part | algorithm | id | from |
//! |---|---|---|---|
//! | KEM | X-Wing: X25519 and ML-KEM-768 | 0x647a | draft-connolly-cfrg-xwing-kem, draft-ietf-hpke-pq |
//! | KDF | HKDF-SHA256 | 0x0001 | RFC 9180, 7.2 |
//! | AEAD | AES-256-GCM | 0x0002 | RFC 9180, 7.3 |
//!
//! gives a key for the chunks by its secret export (RFC 9180, 5.3) under the context `chunks`. Chunk
//! i of the plaintext, [`CHUNK`] - 16 bytes each but the last, is sealed by AES-256-GCM with the
//! nonce 0^7 || i as four bytes, big-endian || 1 for the last chunk, else 0: the STREAM construction
//! (Hoang, Reyhanitabar, Rogaway, Vizar 2015), by which chunks can be neither left out, repeated,
//! put in another order nor cut off at the end. A plaintext of 0 bytes is one empty chunk, and no
//! other chunk is empty.
//!
//! A sealed message is a head, version byte 2 || encapsulated key (1,120 bytes), then the chunks,
//! each ciphertext || tag (16). A public key is version byte 2 || ML-KEM-768 key (1,184) || X25519
//! key (32). A private key is version byte 2 || seed (32). The version stands for all of the above.
//!
//! # Security
//! Secret while X25519 *or* ML-KEM-768 holds, so what is recorded today stays secret from a later
//! quantum computer; and once the epoch's key is destroyed, from whoever takes the node. Message
//! and associated data cannot be changed. *Who* sealed is not shown: the site's signature over the
//! digest of the sealed bytes does that (rule R2). AES-GCM commits to no key: a sender can craft
//! bytes that open under two keys, so nothing may be concluded from "it opened" but its content.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::encode::{Digest, Encoder};
use crate::secret::Seed;

/// Version of keys and sealed messages.
const VERSION: u8 = 2;
/// HPKE's `info`: keeps these keys apart from any other use of them.
const INFO: &[u8] = b"haima seal 2";
/// Length of X-Wing's private seed.
const SEED: usize = 32;
/// Length of an X-Wing public key.
const PUBLIC: usize = 1216;
/// Length of an X-Wing encapsulated key.
const ENCAPSULATED: usize = 1120;
/// Length of an AES-GCM tag.
const TAG: usize = 16;
/// Context of HPKE's secret export.
const EXPORT: &[u8] = b"chunks";

/// Most bytes of a sealed chunk, tag included.
pub const CHUNK: usize = 1 << 20;
/// Most bytes of a chunk's plaintext.
pub const CHUNK_PLAIN: usize = CHUNK - TAG;
/// Bytes of a sealed message before its chunks.
pub const HEAD: usize = 1 + ENCAPSULATED;

/// Chunks of a plaintext of `plaintext` bytes: at least one.
#[must_use]
pub const fn chunks(plaintext: usize) -> usize {
    if plaintext == 0 { 1 } else { plaintext.div_ceil(CHUNK_PLAIN) }
}

/// Length of a sealed message over `plaintext` bytes, head included.
#[must_use]
pub const fn sealed_len(plaintext: usize) -> usize {
    plaintext.saturating_add(HEAD).saturating_add(chunks(plaintext).saturating_mul(TAG))
}

/// A place of a chunk in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number, from 0.
    pub index: u32,
    /// Whether it is the last one.
    pub last: bool,
}

impl Place {
    /// The places of a message of `count` chunks.
    ///
    /// # Errors
    /// [`Error::Seal`] when there are more than four bytes can number.
    pub fn of(index: usize, count: usize) -> Result<Self, Error> {
        let refuse = |_| Error::Seal { len: count.saturating_mul(CHUNK) };
        let number = u32::try_from(index).map_err(refuse)?;
        Ok(Self { index: number, last: index + 1 == count })
    }

    fn nonce(self) -> [u8; 12] {
        let [a, b, c, d] = self.index.to_be_bytes();
        [0, 0, 0, 0, 0, 0, 0, a, b, c, d, u8::from(self.last)]
    }
}

/// A key that seals the chunks of *one* message: each place once.
///
/// # Security
/// Two different plaintexts under one key and place reveal their difference and the key of the
/// tags. Whoever makes a key from a seed sees to it that the seed belongs to one message.
pub struct ChunkKey(Box<Aes256Gcm>);

impl std::fmt::Debug for ChunkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChunkKey(<redacted>)")
    }
}

impl ChunkKey {
    /// The key of a uniformly random seed that belongs to one message.
    #[must_use]
    pub fn new(seed: &Seed) -> Self {
        Self(Box::new(Aes256Gcm::new(seed.expose().into())))
    }

    /// Seals a chunk in place and appends its tag.
    ///
    /// # Errors
    /// [`Error::Seal`] when it is over [`CHUNK_PLAIN`].
    pub fn seal(&self, place: Place, aad: &[u8], chunk: &mut Vec<u8>) -> Result<(), Error> {
        let len = chunk.len();
        if len > CHUNK_PLAIN {
            return Err(Error::Seal { len });
        }
        let nonce = place.nonce();
        let tag = self
            .0
            .encrypt_inout_detached(&nonce.into(), aad, chunk.as_mut_slice().into())
            .map_err(|_| Error::Seal { len })?;
        chunk.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens a chunk in place and takes its tag off; on an error the bytes are wiped.
    ///
    /// # Errors
    /// [`Error::Open`], whatever the reason.
    pub fn open(&self, place: Place, aad: &[u8], chunk: &mut Vec<u8>) -> Result<(), Error> {
        let len = chunk.len().checked_sub(TAG).ok_or(Error::Open)?;
        let (body, tag) = chunk.split_at_mut(len);
        let tag: [u8; TAG] = (&*tag).try_into().map_err(|_| Error::Open)?;
        let nonce = place.nonce();
        let opened = self.0.decrypt_inout_detached(&nonce.into(), aad, body.into(), &tag.into());
        if opened.is_err() {
            chunk.zeroize();
            return Err(Error::Open);
        }
        chunk.truncate(len);
        Ok(())
    }
}

/// A node's private sealing key, for one epoch.
///
/// # Security
/// Never leaves its node, and is to be destroyed at the epoch's end (rule R5). Zeroised on drop,
/// redacted in `Debug`. It is expanded again at each opening; copies on the stack are not wiped.
pub struct SealingKey(Box<<XWing as Kem>::PrivateKey>);

impl SealingKey {
    /// Length of the encoding: version and seed.
    pub const LEN: usize = 1 + SEED;

    /// Draws a key.
    pub fn generate<R: CryptoRng + ?Sized>(mut rng: &mut R) -> Self {
        Self(Box::new(XWing::gen_keypair_with_rng(&mut rng).0))
    }

    /// The key of a uniformly random seed, which may be derived from another secret.
    ///
    /// # Errors
    /// Never, for a seed of 32 bytes.
    pub fn from_seed(seed: &Seed) -> Result<Self, Error> {
        let key = <XWing as Kem>::PrivateKey::from_bytes(seed.expose());
        Ok(Self(Box::new(key.map_err(|_| Error::SealingKey)?)))
    }

    /// Version and seed, for the node's key file.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut bytes = Zeroizing::new([VERSION; Self::LEN]);
        let (_, seed) = bytes.split_at_mut(1);
        self.0.write_exact(seed);
        bytes
    }

    /// Reads [`SealingKey::to_bytes`].
    ///
    /// # Errors
    /// On another length or version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let seed = versioned::<SEED>("private sealing key", bytes)?;
        let key = <XWing as Kem>::PrivateKey::from_bytes(seed).map_err(|_| Error::SealingKey)?;
        Ok(Self(Box::new(key)))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> SealingPublic {
        SealingPublic(Box::new(XWing::sk_to_pk(&self.0)))
    }

    /// The seed of the [`ChunkKey`] of a message's chunks, from its head.
    ///
    /// # Errors
    /// [`Error::Open`] when the head is not one.
    pub fn chunk_seed(&self, head: &[u8]) -> Result<Seed, Error> {
        let (&version, encapsulated) = head.split_first().ok_or(Error::Open)?;
        if version != VERSION || head.len() != HEAD {
            return Err(Error::Open);
        }
        let refuse = |_| Error::Open;
        let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(encapsulated).map_err(refuse)?;
        let context = hpke::setup_receiver::<AesGcm256, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            INFO,
        )
        .map_err(refuse)?;
        let mut key = Zeroizing::new([0; 32]);
        context.export(EXPORT, &mut *key).map_err(refuse)?;
        Ok(Seed::from_bytes(*key))
    }

    /// Opens a whole sealed message under the associated data that it was sealed with. A plaintext
    /// has one number of chunks ([`chunks`]): an empty one behind others is refused.
    ///
    /// # Errors
    /// [`Error::Open`], whatever the reason.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (head, body) = sealed.split_at_checked(HEAD).ok_or(Error::Open)?;
        let count = body.len().div_ceil(CHUNK);
        if body.len().checked_sub(count * TAG).map(chunks) != Some(count) {
            return Err(Error::Open);
        }
        let key = ChunkKey::new(&self.chunk_seed(head)?);
        let mut plaintext = Zeroizing::new(Vec::with_capacity(body.len()));
        let mut buffer = Zeroizing::new(Vec::with_capacity(body.len().min(CHUNK)));
        for (index, chunk) in body.chunks(CHUNK).enumerate() {
            buffer.clear();
            buffer.extend_from_slice(chunk);
            key.open(Place::of(index, count).map_err(|_| Error::Open)?, aad, &mut buffer)?;
            plaintext.extend_from_slice(&buffer);
        }
        Ok(plaintext)
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingKey(<redacted>, public {})", self.public().digest().short())
    }
}

/// A node's public sealing key, for one epoch. Good for nothing until the node's identity key has
/// signed it ([`SealingPublic::digest`]).
#[derive(Clone, PartialEq, Eq)]
pub struct SealingPublic(Box<<XWing as Kem>::PublicKey>);

impl SealingPublic {
    /// Length of the encoding: version and X-Wing public key.
    pub const LEN: usize = 1 + PUBLIC;

    /// Version and key.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [VERSION; Self::LEN];
        let (_, key) = bytes.split_at_mut(1);
        self.0.write_exact(key);
        bytes
    }

    /// Reads [`SealingPublic::to_bytes`].
    ///
    /// # Errors
    /// On another length or version, and when the ML-KEM part is not reduced (FIPS 203, 7.2). The
    /// X25519 part may be any 32 bytes, as X-Wing has it: a node that signs a weak one loses the
    /// classical half of its own secrecy.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let key = versioned::<PUBLIC>("sealing key", bytes)?;
        let key = <XWing as Kem>::PublicKey::from_bytes(key).map_err(|_| Error::SealingKey)?;
        Ok(Self(Box::new(key)))
    }

    /// Digest of the encoding under its own label.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut to = Encoder::new("haima sealing key 1");
        to.bytes(&self.to_bytes());
        Digest::of(&to.finish())
    }

    /// Seals a plaintext, of up to 2^32 chunks, with associated data (see [`Associated`]);
    /// [`sealed_len`] bytes.
    ///
    /// # Errors
    /// On a longer plaintext.
    pub fn seal<R: CryptoRng + ?Sized>(
        &self,
        aad: &[u8],
        plaintext: &[u8],
        mut rng: &mut R,
    ) -> Result<Vec<u8>, Error> {
        let len = plaintext.len();
        let refuse = |_| Error::Seal { len };
        let (encapsulated, context) = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            INFO,
            &mut rng,
        )
        .map_err(refuse)?;
        let mut key = Zeroizing::new([0; 32]);
        context.export(EXPORT, &mut *key).map_err(refuse)?;
        let key = ChunkKey::new(&Seed::from_bytes(*key));
        let mut sealed = Vec::with_capacity(sealed_len(len));
        sealed.push(VERSION);
        sealed.extend_from_slice(&encapsulated.to_bytes());
        let count = chunks(len);
        let mut buffer = Zeroizing::new(Vec::with_capacity(len.min(CHUNK_PLAIN) + TAG));
        for index in 0..count {
            let at = index * CHUNK_PLAIN;
            let chunk = plaintext.get(at..len.min(at + CHUNK_PLAIN)).unwrap_or_default();
            buffer.clear();
            buffer.extend_from_slice(chunk);
            key.seal(Place::of(index, count)?, aad, &mut buffer)?;
            sealed.extend_from_slice(&buffer);
        }
        Ok(sealed)
    }
}

impl std::fmt::Debug for SealingPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingPublic({})", self.digest().short())
    }
}

/// The body after the version byte, when length and version are right.
fn versioned<'a, const N: usize>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<&'a [u8; N], Error> {
    let length = || Error::Length { what, expected: 1 + N, got: bytes.len() };
    let (&version, body) = bytes.split_first().ok_or_else(length)?;
    let body = body.try_into().map_err(|_| length())?;
    if version == VERSION {
        Ok(body)
    } else {
        Err(Error::Version { what, got: version, known: VERSION })
    }
}

/// What a sealed share is bound to (rule R2): a share opened under it was sealed for this node,
/// in this round, as this part of this submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Associated<'a> {
    /// Version of the protocol.
    pub version: u32,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Digest of the round's spec.
    pub round: Digest,
    /// Name of the site that seals.
    pub site: &'a str,
    /// Name of the node that opens.
    pub node: &'a str,
    /// The share's position, in the manifest's order of nodes.
    pub share: u32,
    /// The submission's nonce, fresh.
    pub nonce: [u8; 16],
    /// Digest of the public share.
    pub public_share: Digest,
}

impl Associated<'_> {
    /// The canonical bytes: all fields in the order of the struct.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Encoder::new("haima seal associated 1");
        to.u32(self.version).digest(&self.manifest).digest(&self.round);
        to.str(self.site).str(self.node).u32(self.share);
        to.array(&self.nonce).digest(&self.public_share);
        to.finish()
    }
}

#[cfg(test)]
mod tests;
