//! Masked aggregation, as the coordinator drives it: it relays, adds, and takes off the masks that are
//! left ([`haima_crypto::secagg`]). Sites check for themselves all but what the sum is ([`crate::site`]).
//!
//! Once a manifest the sites agree on pair keys (`epoch`): all of them must be there. A round (`round`)
//! loses up to n - t of them. The coordinator holds one vector, however many sites there are; a round
//! that it does not finish, for whatever reason, has failed, and a new attempt has keys and charges of
//! its own. A finished sum (`result`) is on disk before any site is told of it.

mod epoch;
mod gather;
mod result;
mod round;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::secagg::{EpochContext, Member, Partition, Roster, RoundContext, Terms};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::spec::{RoundEvent, RoundSpec};
use haima_smpc_node::{durable, keyfile};

pub use self::epoch::{ADVERTISEMENTS, AGREEMENTS, read_list, write_list};
pub use self::result::MaskedSum;
use self::round::Course;
use super::network::Network;
use crate::Error;
use crate::coordinator::board::Step;
use crate::coordinator::events::Event;

/// Most bytes of a message besides a vector: 200 agreements of X-Wing ciphertexts.
pub(crate) const CONTROL: usize = 1 << 20;
/// Largest stored sum, in bytes.
const MAX_SUM: u64 = 1 << 31;

/// The sites of a manifest.
///
/// # Errors
/// Outside 3 to 200 sites, and on a bad identity.
pub fn roster(manifest: &Manifest) -> Result<Roster, Error> {
    let member = |site: &haima_smpc_node::manifest::SiteParty| {
        Ok::<_, Error>(Member { name: site.name.clone(), identity: manifest.identity(&site.name)? })
    };
    let members = manifest.sites.iter().map(member).collect::<Result<_, _>>()?;
    Ok(Roster::new(members)?)
}

/// What all parties of a round agree on, from manifest and spec alone.
///
/// # Errors
/// When the round is none of masked mode, or its terms are not allowed (rule M1).
pub fn context(manifest: &Manifest, spec: &RoundSpec) -> Result<RoundContext, Error> {
    let masks = spec.masks()?;
    let terms = Terms {
        round: spec.digest(),
        epoch: spec.epoch,
        threshold: masks.masking.threshold,
        corrupt: masks.masking.corrupt,
        min_sites: spec.min_sites,
        ring: masks.ring()?,
        prg: masks.masking.prg.into(),
        len: spec.dimension(),
    };
    Ok(RoundContext::new(roster(manifest)?, terms)?)
}

/// An epoch of a manifest's keys, by number.
///
/// # Errors
/// As [`roster`].
pub fn epoch_context(manifest: &Manifest, number: u64) -> Result<EpochContext, Error> {
    Ok(EpochContext::new(&manifest.digest(), roster(manifest)?, number))
}

/// The coordinator of masked aggregation.
#[derive(Debug)]
pub struct Masked {
    /// Where the epoch and finished sums are kept.
    folder: PathBuf,
    epoch: tokio::sync::OnceCell<Digest>,
}

impl Masked {
    /// Opens the folder of epoch and sums, or makes it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: PathBuf) -> Result<Self, Error> {
        std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, e))?;
        Ok(Self { folder, epoch: tokio::sync::OnceCell::new() })
    }

    /// The epoch of the sites' keys: the one that is kept, or a new one, for which all sites must
    /// be there.
    pub(super) async fn epoch(&self, network: &Network) -> Result<Digest, Error> {
        self.epoch.get_or_try_init(|| epoch::set_up(network, &self.folder)).await.copied()
    }

    fn path_of(&self, round: &Digest) -> PathBuf {
        self.folder.join(format!("{round}.sum"))
    }

    /// Takes an attempt to its end: the signed sum, on disk. An attempt that was announced before this
    /// start and has none failed with the process that ran it.
    pub(super) async fn attempt(
        &self,
        network: &Network,
        spec: &RoundSpec,
        again: bool,
    ) -> Result<Vec<u8>, Error> {
        let round = spec.digest();
        let path = self.path_of(&round);
        if let Some(bytes) = read(&path, MAX_SUM)? {
            return Ok(bytes);
        }
        let failed = |reason: &str| {
            Error::Node(haima_smpc_node::Error::RoundFailed {
                round: round.short(),
                party: network.manifest.coordinator.name.clone(),
                reason: reason.to_owned(),
            })
        };
        if again {
            return Err(failed("it has no sum from before this start"));
        }
        let context = context(&network.manifest, spec)?;
        let terms = context.terms();
        let vector = terms.ring.packed_len(terms.len)?.saturating_add(CONTROL);
        let limits = [
            (Step::Shares, CONTROL),
            (Step::Vector, vector),
            (Step::Confirmation, CONTROL),
            (Step::Answer, CONTROL),
        ];
        let board = &network.hub.board;
        let mut inbox = board.open(round, &limits);
        network.journal("opened", &round, &spec.task_id, &Digest::default(), "")?;
        network.hub.start_round(spec, &network.key.sign(&round));
        network.events.tell(Event::opened(spec));
        let sum = async {
            let exact = self.exact_sites(network, spec)?;
            let sites = self.sites_of(&round);
            Course::new(network, spec, &context, exact, &mut inbox)
                .run(context.clone(), &sites)
                .await
        };
        let sum = sum.await.inspect_err(|error| board.close(&error.to_string()))?;
        let bytes = sum.to_bytes();
        durable::write_now("coordinator.masked.sum", || keyfile::replace_private(&path, &bytes))?;
        board.close("the sum is released");
        Ok(bytes)
    }

    /// The sites that an exact sum is over: those of the first one of its run that sites were asked to
    /// answer, whether it came to its end or not (rule X2). `None` in a private round, and before.
    fn exact_sites(
        &self,
        network: &Network,
        spec: &RoundSpec,
    ) -> Result<Option<BTreeSet<u32>>, Error> {
        if spec.event != RoundEvent::Exact {
            return Ok(None);
        }
        for earlier in network.announced.all() {
            if (earlier.manifest, earlier.run) == (spec.manifest, spec.run)
                && let Some(bytes) = read(&self.sites_of(&earlier.digest()), CONTROL as u64)?
            {
                return Ok(Some(Partition::from_bytes(&bytes)?.survivors));
            }
        }
        Ok(None)
    }

    /// Where the partition of an exact round is kept.
    fn sites_of(&self, round: &Digest) -> PathBuf {
        self.folder.join(format!("{round}.sites"))
    }
}

/// A message, which must be of the site by whose connection it came.
fn own<M: Canonical>(
    roster: &Roster,
    site: u32,
    bytes: &[u8],
    origin: impl Fn(&M) -> u32,
) -> Result<M, Error> {
    let message = M::from_bytes(bytes)?;
    if origin(&message) == site {
        return Ok(message);
    }
    Err(Error::Node(haima_smpc_node::Error::Peer {
        peer: name(roster, site),
        problem: format!("a message that is of {}", name(roster, origin(&message))),
    }))
}

fn name(roster: &Roster, site: u32) -> String {
    roster.member(site).map_or_else(|_| format!("#{site}"), |member| member.name.clone())
}

/// A file's bytes; `None` where there is none.
fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, Error> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.len() > most => {
            Err(Error::config(path, format!("{} bytes; at most {most} are read", meta.len())))
        }
        Ok(_) => std::fs::read(path).map(Some).map_err(|e| Error::file(path, e)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(path, error)),
    }
}
