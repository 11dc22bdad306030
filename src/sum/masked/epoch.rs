//! The epoch of the sites' keys: kept from an earlier start, or set up with all of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder};
use haima_crypto::secagg::{Advertisement, Agreement, EpochContext, Roster};
use haima_smpc_node::{durable, keyfile, unix_millis};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::gather::{Until, gather};
use super::{CONTROL, epoch_context, name, own, read, roster};
use crate::Error;
use crate::coordinator::board::{Message, Step};
use crate::sum::network::Network;

/// Most bytes of what a site says of an epoch that it could not finish.
const SAID: usize = 1 << 10;
/// Largest stored epoch, in bytes.
const MAX_EPOCH: u64 = 1 << 10;
/// How long sites get to say whether they have the keys of a kept epoch.
const ASKING: Duration = Duration::from_secs(5);

/// The epoch of the manifest's keys. One that is kept goes on unless a site that is there has not its
/// keys any more; then, and without one, all sites agree on new ones.
pub(super) async fn set_up(network: &Network, folder: &Path) -> Result<Digest, Error> {
    let path = folder.join("epoch");
    let kept = match read(&path, MAX_EPOCH)? {
        None => None,
        Some(bytes) => {
            Some(Kept::from_bytes(&bytes).map_err(|e| Error::config(&path, e.to_string()))?)
        }
    };
    if let Some(kept) = kept.filter(|kept| kept.manifest == network.manifest_digest) {
        let lacking = lacking(network, kept.number).await?;
        if lacking.is_empty() {
            return Ok(kept.epoch);
        }
        tracing::warn!(sites = %lacking.join(", "), "have not the keys of the epoch: a new one begins");
    }
    // Numbers only grow: by the clock, and past the last one if that went back.
    let number = unix_millis().max(kept.map_or(0, |kept| kept.number.saturating_add(1)));
    let (context, roster, mut inbox) = announce(network, number)?;
    let latest = Instant::now() + Duration::from_millis(network.manifest.round_ms);
    let board = &network.hub.board;
    let agreed = agree(network, &context, &roster, &mut inbox, latest).await;
    let epoch = agreed.inspect_err(|error| board.close(&error.to_string()))?;
    let manifest = network.manifest_digest;
    let bytes = Kept { manifest, number, epoch }.to_bytes();
    durable::write_now("coordinator.masked.epoch", || keyfile::replace_private(&path, &bytes))?;
    board.close("the keys are agreed");
    network.journal("epoch", &Digest::default(), "", &epoch, &format!("keys {number}"))?;
    Ok(epoch)
}

fn announce(
    network: &Network,
    number: u64,
) -> Result<(EpochContext, Roster, mpsc::Receiver<Message>), Error> {
    let context = epoch_context(&network.manifest, number)?;
    let limits = [(Step::Keys, CONTROL), (Step::Pairs, CONTROL), (Step::Ready, SAID)];
    let inbox = network.hub.board.open(*context.digest(), &limits);
    network.hub.start_epoch(number, &network.key.sign(context.digest()));
    Ok((context, roster(&network.manifest)?, inbox))
}

/// The sites that advertise a key for a kept epoch, or say that they have later keys, instead of being
/// ready for it. Those that are away say nothing.
async fn lacking(network: &Network, number: u64) -> Result<Vec<String>, Error> {
    let (_, roster, mut inbox) = announce(network, number)?;
    let latest = Instant::now() + ASKING;
    let (mut ready, mut lacking) = (BTreeSet::new(), Vec::new());
    while ready.len() + lacking.len() < roster.sites() as usize && lacking.is_empty() {
        let Ok(Some(message)) = tokio::time::timeout_at(latest, inbox.recv()).await else { break };
        if message.step == Step::Keys || !message.bytes.is_empty() {
            lacking.push(message.site);
        } else {
            ready.insert(message.site);
        }
        let _ = message.reply.send(Ok(()));
    }
    network.hub.board.close("a site has not the keys of this epoch, and a new one begins");
    Ok(lacking)
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
    let until = Until::all(roster, latest);
    let mut keys: Vec<Option<Advertisement>> = vec![None; all];
    let came = gather(inbox, roster, Step::Keys, &until, |site, bytes| {
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
    let came = gather(inbox, roster, Step::Pairs, &until, |site, bytes| {
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
    let came = gather(inbox, roster, Step::Ready, &until, |site, bytes| {
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
pub const ADVERTISEMENTS: &str = "haima masked advertisements 1";
/// Label of a site's agreements with those after it, and of those to it.
pub const AGREEMENTS: &str = "haima masked agreements 1";

/// A list of messages under a label.
#[must_use]
pub fn write_list<T: Canonical>(label: &str, items: &[T]) -> Vec<u8> {
    let mut to = Encoder::new(label);
    to.count(items.len());
    for item in items {
        to.bytes(&item.to_bytes());
    }
    to.finish()
}

/// Reads [`write_list`]: at most one item a site.
///
/// # Errors
/// On anything but the one encoding of such a list.
pub fn read_list<T: Canonical>(label: &'static str, bytes: &[u8]) -> Result<Vec<T>, Error> {
    let mut from = Decoder::new(label, bytes)?;
    let count = from.count(haima_crypto::secagg::MAX_SITES, 4)?;
    let items =
        (0..count).map(|_| T::from_bytes(from.bytes(CONTROL)?)).collect::<Result<_, _>>()?;
    from.finish()?;
    Ok(items)
}
