//! Masked aggregation, as the coordinator drives it: it relays, adds, and takes off the masks that are
//! left ([`haima_crypto::secagg`]). Sites believe nothing that it says ([`crate::site`]).
//!
//! Once a manifest the sites agree on pair keys, an *epoch*: all of them must be there. A round loses
//! up to n - t of them. The coordinator holds one vector, however many sites there are; a round that it
//! does not finish, for whatever reason, has failed, and a new attempt has keys and charges of its own.
//! A finished sum is on disk before any site is told of it.

mod gather;
mod result;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder};
use haima_crypto::secagg::{
    Advertisement, Agreement, Collecting, Confirmation, EpochContext, MaskedInput, Member,
    Partition, Roster, RoundContext, SharesMessage, Terms, UnmaskShares,
};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::spec::{RoundEvent, RoundSpec};
use haima_smpc_node::{durable, keyfile, unix_millis};
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::gather::{Until, gather};
pub use self::result::MaskedSum;
use super::network::Network;
use crate::Error;
use crate::coordinator::board::{Message, Step};
use crate::coordinator::events::Event;

/// How long the slowest sites are waited for once enough have answered.
const PATIENCE: Duration = Duration::from_secs(1);
/// Most bytes of a message besides a vector: 200 agreements of X-Wing ciphertexts.
pub(crate) const CONTROL: usize = 1 << 20;
/// Most bytes of what a site says of an epoch that it could not finish.
const SAID: usize = 1 << 10;
/// Largest stored epoch, in bytes.
const MAX_EPOCH: u64 = 1 << 10;
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
        self.epoch.get_or_try_init(|| self.set_up(network)).await.copied()
    }

    async fn set_up(&self, network: &Network) -> Result<Digest, Error> {
        let manifest = network.manifest_digest;
        let kept = self.kept_epoch()?;
        if let Some(kept) = kept.filter(|kept| kept.manifest == manifest) {
            return Ok(kept.epoch);
        }
        // Numbers only grow: by the clock, and past the last one if that went back.
        let number = unix_millis().max(kept.map_or(0, |kept| kept.number.saturating_add(1)));
        let context = epoch_context(&network.manifest, number)?;
        let roster = roster(&network.manifest)?;
        let board = &network.hub.board;
        let limits = [(Step::Keys, CONTROL), (Step::Pairs, CONTROL), (Step::Ready, SAID)];
        let mut inbox = board.open(*context.digest(), &limits);
        network.hub.start_epoch(number, &network.key.sign(context.digest()));
        let latest = Instant::now() + Duration::from_millis(network.manifest.round_ms);
        let agreed = agree(network, &context, &roster, &mut inbox, latest).await;
        let epoch = agreed.inspect_err(|error| board.close(&error.to_string()))?;
        self.keep_epoch(&Kept { manifest, number, epoch })?;
        board.close("the keys are agreed");
        network.journal("epoch", &Digest::default(), "", &epoch, &format!("keys {number}"))?;
        Ok(epoch)
    }

    fn kept_epoch(&self) -> Result<Option<Kept>, Error> {
        let bytes = read(&self.folder.join("epoch"), MAX_EPOCH)?;
        Ok(bytes.map(|bytes| Kept::from_bytes(&bytes)).transpose()?)
    }

    fn keep_epoch(&self, kept: &Kept) -> Result<(), Error> {
        let path = self.folder.join("epoch");
        let bytes = kept.to_bytes();
        durable::write_now("coordinator.masked.epoch", || keyfile::replace_private(&path, &bytes))?;
        Ok(())
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
            return Err(failed("it was stopped in the middle of the round"));
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
        let sum = match self.exact_sites(network, spec) {
            Ok(exact) => self.sum(network, spec, context, exact.as_ref(), &mut inbox).await,
            Err(error) => Err(error),
        };
        let sum = sum.inspect_err(|error| board.close(&error.to_string()))?;
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

/// All sites' keys, then all pairs' secrets; the epoch's digest.
async fn agree(
    network: &Network,
    context: &EpochContext,
    roster: &Roster,
    inbox: &mut mpsc::Receiver<Message>,
    latest: Instant,
) -> Result<Digest, Error> {
    let board = &network.hub.board;
    let all = roster.sites() as usize;
    let until = Until { all, enough: all, patience: PATIENCE, latest };
    let mut keys: Vec<Option<Advertisement>> = vec![None; all];
    let came = gather(inbox, roster, Step::Keys, until, |site, bytes| {
        let key = own(roster, site, &bytes, |key: &Advertisement| key.site)?;
        context.check(&key)?;
        if let Some(slot) = keys.get_mut(site as usize) {
            slot.get_or_insert(key);
        }
        Ok::<_, Error>(())
    });
    absent(roster, &came.await, "advertised its key")?;
    let keys: Vec<Advertisement> = keys.into_iter().flatten().collect();
    let epoch = context.close(&keys)?;
    board.post(Step::Keys, None, write_list(ADVERTISEMENTS, &keys));
    let mut inboxes: Vec<Vec<Agreement>> = vec![Vec::new(); all];
    let came = gather(inbox, roster, Step::Pairs, until, |site, bytes| {
        let agreements = read_list::<Agreement>(AGREEMENTS, &bytes)?;
        let to = agreements.iter().map(|agreement| (agreement.from, agreement.to));
        if !to.eq((site + 1..roster.sites()).map(|to| (site, to))) {
            return Err(Error::from(haima_crypto::secagg::Error::Invalid {
                what: "list of agreements",
                site: name(roster, site),
            }));
        }
        for agreement in &agreements {
            context.check_agreement(agreement, &epoch)?;
        }
        for agreement in agreements {
            let inbox = inboxes.get_mut(agreement.to as usize);
            if let Some(inbox) = inbox.filter(|inbox| inbox.iter().all(|a| a.from != site)) {
                inbox.push(agreement);
            }
        }
        Ok(())
    });
    absent(roster, &came.await, "agreed on its pair keys")?;
    for (site, agreements) in (0..).zip(&inboxes) {
        board.post(Step::Pairs, Some(&name(roster, site)), write_list(AGREEMENTS, agreements));
    }
    // Rounds begin when each has them on its disk, or one says what keeps it from that.
    let came = gather(inbox, roster, Step::Ready, until, |site, bytes| {
        if bytes.is_empty() {
            return Ok(());
        }
        let said: String =
            String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).collect();
        Err(Error::Stopped { party: name(roster, site), reason: said })
    });
    absent(
        roster,
        &came.await,
        "stored its pair keys (see this coordinator's log for what it said)",
    )?;
    Ok(epoch)
}

impl Masked {
    /// The sum of a round, from the sites' shares to the coordinator's signature.
    async fn sum(
        &self,
        network: &Network,
        spec: &RoundSpec,
        context: RoundContext,
        exact: Option<&BTreeSet<u32>>,
        inbox: &mut mpsc::Receiver<Message>,
    ) -> Result<MaskedSum, Error> {
        let (manifest, board) = (&network.manifest, &network.hub.board);
        let roster = context.roster().clone();
        let threshold = context.terms().threshold as usize;
        let left = Duration::from_millis(spec.deadline_ms.saturating_sub(unix_millis()));
        let (now, grace) = (Instant::now(), Duration::from_millis(manifest.grace_ms));
        let until = |all: usize, enough: usize, latest: Instant| Until {
            all,
            enough,
            patience: PATIENCE.min(grace / 4),
            latest,
        };

        let all = exact.map_or(roster.sites() as usize, BTreeSet::len);
        let mut collecting = Collecting::new(context);
        let half = until(all, all, now + left / 2);
        let sharers = gather(inbox, &roster, Step::Shares, half, |site, bytes| {
            if exact.is_some_and(|exact| !exact.contains(&site)) {
                let (site, round) = (name(&roster, site), spec.digest().short());
                let reason = "it is not in the first exact sum of the run (rule X2)".into();
                return Err(Error::Refused { site, round, reason });
            }
            let origin = |shares: &SharesMessage| shares.header.origin.site;
            Ok(collecting.add(own(&roster, site, &bytes, origin)?)?)
        });
        let sharers = sharers.await;
        let relaying = collecting.close()?;
        for site in &sharers {
            let delivery = relaying.delivery(*site)?.to_bytes();
            board.post(Step::Shares, Some(&name(&roster, *site)), delivery);
        }

        let mut summing = relaying.sum();
        let deadline = until(sharers.len(), sharers.len(), now + left);
        let add = |site, bytes: Vec<u8>| {
            let vector = own(&roster, site, &bytes, |vector: &MaskedInput| vector.origin.site)?;
            Ok::<_, Error>(summing.add(&vector)?)
        };
        gather(inbox, &roster, Step::Vector, deadline, add).await;
        let mut confirming = summing.close()?;
        let survivors = confirming.partition().survivors.clone();
        check_survivors(manifest, spec, &roster, &survivors, exact)?;
        board.post(Step::Vector, None, confirming.partition().to_bytes());

        let all = survivors.len();
        let half = until(all, threshold, now + left + grace / 2);
        let add = |site, bytes: Vec<u8>| {
            let signed = own(&roster, site, &bytes, |signed: &Confirmation| signed.origin.site)?;
            Ok::<_, Error>(confirming.add(&signed)?)
        };
        gather(inbox, &roster, Step::Confirmation, half, add).await;
        let mut unmasking = confirming.close()?;
        if spec.event == RoundEvent::Exact {
            // A site that answers will answer for no other sites in this run.
            let (path, bytes) =
                (self.sites_of(&spec.digest()), unmasking.request().partition.to_bytes());
            durable::write_now("coordinator.masked.sites", || {
                keyfile::replace_private(&path, &bytes)
            })?;
        }
        board.post(Step::Confirmation, None, unmasking.request().to_bytes());

        let latest = now + left + grace;
        let mut wanted = until(all, threshold, latest);
        let seeds = loop {
            let add = |site, bytes: Vec<u8>| {
                let answer =
                    own(&roster, site, &bytes, |answer: &UnmaskShares| answer.origin.site)?;
                Ok::<_, Error>(unmasking.add(&answer)?)
            };
            let came = gather(inbox, &roster, Step::Answer, wanted, add).await;
            // More answers than t let wrong shares be found.
            match unmasking.seeds(&mut rand::rng()) {
                Ok(seeds) => break seeds,
                Err(error) if came.is_empty() || unmasking.answered().count() >= all => {
                    return Err(error.into());
                }
                Err(_) => wanted = until(1, 1, latest),
            }
        };
        let (cohort, request) = (*unmasking.cohort(), unmasking.request().clone());
        let sum = unmasking.unmask(seeds);
        Ok(MaskedSum::sign(spec, cohort, request, sum, &network.key))
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

/// The floor counts operators (rule R8), and exact sums are over one set of sites (rule X2): sites
/// check the same before they confirm.
fn check_survivors(
    manifest: &Manifest,
    spec: &RoundSpec,
    roster: &Roster,
    survivors: &BTreeSet<u32>,
    exact: Option<&BTreeSet<u32>>,
) -> Result<(), Error> {
    let failed = |reason: String| {
        Error::Node(haima_smpc_node::Error::RoundFailed {
            round: spec.digest().short(),
            party: manifest.coordinator.name.clone(),
            reason,
        })
    };
    let names: Vec<String> = survivors.iter().map(|site| name(roster, *site)).collect();
    let operators = manifest.operators(names.iter().map(String::as_str));
    if operators < spec.min_sites as usize {
        let least = spec.min_sites;
        return Err(failed(format!(
            "{operators} operators' sites are left, below the floor {least}"
        )));
    }
    // No other site's shares were taken in.
    if let Some(missing) = exact.and_then(|exact| exact.symmetric_difference(survivors).next()) {
        return Err(failed(format!(
            "{} is missing, which is in the first exact sum of the run: all of them are over the same \
             sites (rule X2)",
            name(roster, *missing)
        )));
    }
    Ok(())
}

/// Refuses unless all sites came.
fn absent(roster: &Roster, came: &BTreeSet<u32>, what: &str) -> Result<(), Error> {
    let missing = (0..roster.sites()).filter(|site| !came.contains(site));
    let missing: Vec<String> = missing.map(|site| name(roster, site)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Stopped {
        party: missing.join(", "),
        reason: format!("has not {what}; all sites of masked mode must be there to agree on keys"),
    })
}

/// The epoch that a coordinator keeps.
#[derive(Clone, Copy, Debug)]
struct Kept {
    manifest: Digest,
    number: u64,
    epoch: Digest,
}

impl Canonical for Kept {
    const LABEL: &'static str = "haima masked epoch 1";
    fn encode_fields(&self, to: &mut Encoder) {
        to.digest(&self.manifest).u64(self.number).digest(&self.epoch);
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        Ok(Self { manifest: from.digest()?, number: from.u64()?, epoch: from.digest()? })
    }
}

/// Label of all sites' advertisements in the roster's order.
pub(crate) const ADVERTISEMENTS: &str = "haima masked advertisements 1";
/// Label of a site's agreements with those after it, and of those to it.
pub(crate) const AGREEMENTS: &str = "haima masked agreements 1";

/// A list of messages under a label.
pub(crate) fn write_list<T: Canonical>(label: &str, items: &[T]) -> Vec<u8> {
    let mut to = Encoder::new(label);
    to.count(items.len());
    for item in items {
        to.bytes(&item.to_bytes());
    }
    to.finish()
}

/// Reads [`write_list`]: at most one item a site.
pub(crate) fn read_list<T: Canonical>(label: &'static str, bytes: &[u8]) -> Result<Vec<T>, Error> {
    let mut from = Decoder::new(label, bytes)?;
    let count = from.count(haima_crypto::secagg::MAX_SITES, 4)?;
    let items =
        (0..count).map(|_| T::from_bytes(from.bytes(CONTROL)?)).collect::<Result<_, _>>()?;
    from.finish()?;
    Ok(items)
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
