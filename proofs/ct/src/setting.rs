//! Generators and the parties of a masked round, for cases that need them.

use std::convert::Infallible;

use haima_crypto::encode::{Digest, Encoder};
use haima_crypto::identity::IdentityKey;
use haima_crypto::secagg::{Member, Prg, Ring, Roster, RoundContext, Terms};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};

use crate::memcheck::{make_secret, secret};

/// A generator whose every output is a secret.
pub struct SecretRng(ChaCha20Rng);

impl SecretRng {
    /// The generator of a seed.
    #[must_use]
    pub fn new(seed: u8) -> Self {
        Self(public_rng(seed))
    }
}

impl TryRng for SecretRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(secret(self.0.next_u32()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(secret(self.0.next_u64()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(out);
        make_secret(out);
        Ok(())
    }
}

impl TryCryptoRng for SecretRng {}

/// The same generator with public outputs.
#[must_use]
pub fn public_rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// The identity of a site of the roster.
#[must_use]
pub fn identity(site: u32) -> IdentityKey {
    IdentityKey::from_secret(&[site as u8 + 1; 32])
}

/// The manifest's sites.
#[must_use]
pub fn roster(sites: u32) -> Roster {
    let member = |site| Member { name: format!("site-{site}"), identity: identity(site).public() };
    Roster::new((0..sites).map(member).collect()).expect("a roster")
}

/// Digest of an epoch's advertisements.
#[must_use]
pub fn epoch() -> Digest {
    Digest::of(b"epoch")
}

/// A round over the roster; all must answer.
#[must_use]
pub fn round(roster: &Roster) -> RoundContext {
    let terms = Terms {
        round: Digest::of(b"round"),
        epoch: epoch(),
        threshold: roster.sites(),
        corrupt: 0,
        min_sites: 3,
        ring: Ring::new(32).expect("a ring"),
        prg: Prg::Aes128,
        len: 4,
    };
    RoundContext::new(roster.clone(), terms).expect("a round")
}

/// The bytes of a site's pair keys, as `secagg::PairKeys::to_bytes` writes them: an epoch without
/// its key agreement. `key` gives that with another site.
#[must_use]
pub fn pair_keys(roster: &Roster, site: u32, key: impl Fn(u32) -> [u8; 32]) -> Vec<u8> {
    let mut to = Encoder::new("haima secagg pair keys 1");
    to.reserve(128 + roster.sites() as usize * 36);
    to.digest(roster.digest()).digest(&epoch()).u32(site).count(roster.sites() as usize - 1);
    for other in (0..roster.sites()).filter(|other| *other != site) {
        to.u32(other).array(&key(other));
    }
    to.count(0);
    to.finish()
}
