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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secagg::testing::{all_differ, context, contexts};

    fn seed(byte: u8) -> Seed {
        Seed::from_bytes([byte; 32])
    }

    #[test]
    fn a_self_mask_is_of_its_seed_and_of_all_terms() {
        let mut masks = vec![("the seed itself".to_owned(), seed(1))];
        for (what, context) in contexts() {
            masks.push((format!("another {what}"), self_mask_seed(&seed(1), context.digest())));
        }
        for byte in [0, 2] {
            masks.push((format!("seed {byte}"), self_mask_seed(&seed(byte), context().digest())));
        }
        all_differ(&masks);
    }

    #[test]
    fn a_commitment_is_to_one_seed_of_one_site_for_one_use_under_all_terms() {
        let mut all = Vec::new();
        for (what, context) in contexts() {
            let digest = commitment(&context, 0, Secret::SelfMask, &seed(1));
            all.push((format!("another {what}"), digest));
        }
        let context = context();
        all.push(("another site".into(), commitment(&context, 1, Secret::SelfMask, &seed(1))));
        all.push(("the other use".into(), commitment(&context, 0, Secret::Backup, &seed(1))));
        all.push(("another seed".into(), commitment(&context, 0, Secret::SelfMask, &seed(2))));
        all_differ(&all);
    }

    /// The key alone: the associated data are the same.
    #[test]
    fn the_key_of_a_backup_is_of_its_seed_and_its_bound() {
        let (context, aad) = (context(), b"the same");
        let bound = backup_bound(&context, 0);
        let mut sealed = vec![7; 96];
        backup_key(&seed(1), &bound).seal(only().unwrap(), aad, &mut sealed).unwrap();
        let opens = |seed: &Seed, bound: &Digest| {
            let mut backup = sealed.clone();
            backup_key(seed, bound).open(only().unwrap(), aad, &mut backup).is_ok()
        };
        assert!(opens(&seed(1), &bound));
        for other in [0, 2, 7, 0xff] {
            assert!(!opens(&seed(other), &bound), "under a constant {other}");
        }
        assert!(!opens(&Seed::from_bytes(*bound.as_bytes()), &bound));
        assert!(!opens(&seed(1), &backup_bound(&context, 1)));
        for (what, other) in contexts().into_iter().skip(1) {
            assert!(!opens(&seed(1), &backup_bound(&other, 0)), "under another {what}");
        }
    }
}
