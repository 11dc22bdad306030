//! What the two shared seeds of a site commit to and expand to.

use zeroize::Zeroizing;

use super::Error;
use super::context::RoundContext;
use crate::encode::{Digest, Encoder};
use crate::kdf::derive;
use crate::seal::{ChunkKey, Place};
use crate::secret::Seed;

/// Which of a site's two shared seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secret {
    /// b, of its own mask: told when it is in the sum.
    SelfMask,
    /// a, of the backup of its pairwise subkeys: told when it has vanished.
    Backup,
}

impl Secret {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SelfMask => "self-mask",
            Self::Backup => "backup key",
        }
    }
}

/// Commitment to a seed: hiding and binding as SHA3-256 of 32 uniform bytes is.
pub(super) fn commitment(context: &RoundContext, site: u32, secret: Secret, seed: &Seed) -> Digest {
    let mut to = Encoder::new("haima secagg commitment 1");
    to.digest(context.digest()).u32(site);
    to.u8(match secret {
        Secret::SelfMask => 1,
        Secret::Backup => 2,
    });
    to.array(seed.expose());
    Digest::of(&Zeroizing::new(to.finish()))
}

/// The seed that expands to a site's own mask.
pub(super) fn self_mask_seed(seed: &Seed, terms: &Digest) -> Seed {
    derive(seed, "haima secagg self mask", &[*terms])
}

/// What a backup is bound to.
pub(super) fn backup_bound(context: &RoundContext, site: u32) -> Digest {
    let mut to = Encoder::new("haima secagg backup bound 1");
    to.digest(context.digest()).u32(site);
    Digest::of(&to.finish())
}

/// The key of a backup, from its seed.
pub(super) fn backup_key(seed: &Seed, bound: &Digest) -> ChunkKey {
    ChunkKey::new(&derive(seed, "haima secagg backup key", &[*bound]))
}

/// The place of a message's one chunk.
pub(super) fn only() -> Result<Place, Error> {
    Ok(Place::of(0, 1)?)
}
