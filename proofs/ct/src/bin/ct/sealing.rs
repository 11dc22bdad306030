//! crypto/src/{seal,identity}: sealing, decapsulation and opening, chunks, signatures.
//!
//! hpke, x-wing, ml-kem, x25519-dalek, aes-gcm and ed25519-dalek are checked by this too, on the
//! paths that are taken here.
//!
//! Public: the encapsulation key's seed rho, which a private key's expansion gives again and from
//! which ML-KEM's matrix is drawn by rejection; and whether a tag is right.

use haima_crypto::encode::Digest;
use haima_crypto::identity::{IdentityKey, Signature};
use haima_crypto::seal::{ChunkKey, Place, SealingKey};
use haima_crypto::secret::Seed;
use haima_proofs_ct::memcheck::{publics, secret, secrets};
use haima_proofs_ct::setting::{SecretRng, public_rng};

const SEED: [u8; 32] = [0x31; 32];
const SHARE: [u8; 40] = [0x42; 40];
const AAD: &[u8] = b"round, site, node";

fn public_key() -> SealingKey {
    SealingKey::from_seed(&Seed::from_bytes(SEED)).expect("a key")
}

fn secret_key() -> SealingKey {
    SealingKey::from_seed(&Seed::from_bytes(secret(SEED))).expect("a key")
}

/// A site seals a share: plaintext and the encapsulation's randomness are secret.
pub(crate) fn seal() {
    let to = public_key().public();
    let sealed = to.seal(AAD, &secrets(&SHARE), &mut SecretRng::new(9)).expect("a short share");
    let opened = public_key().open(AAD, &publics(&sealed)).expect("what was sealed");
    assert_eq!(*opened, SHARE);
}

/// A node opens it: expansion of its seed, both decapsulations, key schedule, chunk.
pub(crate) fn open() {
    let sealed = public_key().public().seal(AAD, &SHARE, &mut public_rng(9));
    let opened = secret_key().open(AAD, &sealed.expect("a short share")).expect("what was sealed");
    assert_eq!(publics(&opened), SHARE);
}

/// Keys of envelopes and backups, and of shares at rest.
pub(crate) fn chunk() {
    let key = || ChunkKey::new(&Seed::from_bytes(secret(SEED)));
    let place = Place::of(0, 1).expect("the only chunk");
    let mut chunk = secrets(&SHARE);
    key().seal(place, AAD, &mut chunk).expect("a short chunk");
    let mut chunk = publics(&chunk);
    key().open(place, AAD, &mut chunk).expect("what was sealed");
    assert_eq!(publics(&chunk), SHARE);
}

pub(crate) fn sign() {
    let statement = Digest::of(b"statement");
    let signature = IdentityKey::from_secret(&secret(SEED)).sign(&statement);
    let bytes: [u8; 64] = publics(signature.as_bytes()).try_into().expect("64 bytes");
    let public = IdentityKey::from_secret(&SEED).public();
    public.verify(&statement, &Signature::from_bytes(bytes), "statement").expect("its signature");
}
