//! What sites are told and served: the current round, queries, releases; and what they report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::Signature;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::unix_millis;
use tokio::sync::watch;

use super::board::Board;
use crate::proto;

/// What a site is said to have said that gives no reason.
const SILENT: &str = "it gave no reason";

/// What the stream of rounds says at a moment.
#[derive(Clone, Debug, Default)]
pub enum Now {
    /// No round is open.
    #[default]
    Idle,
    /// A round is open.
    Round {
        /// Canonical spec.
        spec: Vec<u8>,
        /// The coordinator's signature over its digest.
        signature: Vec<u8>,
    },
    /// Masked mode: keys are to be agreed.
    Epoch {
        /// Number of the epoch.
        number: u64,
        /// The coordinator's signature over its digest.
        signature: Vec<u8>,
    },
    /// The study has ended.
    Ended,
}

/// A query or a release as it is served; cheap to clone.
#[derive(Clone, Debug)]
pub struct Value {
    /// Canonical bytes.
    pub bytes: Bytes,
    /// Their digest.
    pub digest: Digest,
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self { digest: Digest::of(&bytes), bytes: bytes.into() }
    }
}

/// Key of what is served: manifest id, run, step.
type Place = (String, u32, u32);

/// State shared between the study and the service.
#[derive(Debug, Default)]
pub struct Hub {
    now: watch::Sender<Now>,
    joined: watch::Sender<BTreeSet<String>>,
    /// How many reports have come.
    reported: watch::Sender<u64>,
    /// Where messages of masked aggregation change hands.
    pub board: Board,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last_number: u64,
    announced: BTreeSet<Digest>,
    queries: BTreeMap<Place, Value>,
    releases: BTreeMap<Place, Value>,
    reports: BTreeMap<(Digest, String), proto::SiteReport>,
    /// What has been told of a round by a line of the log, which a site cannot have twice.
    told: BTreeSet<(Digest, String, proto::Refusal)>,
    ledgers: BTreeMap<String, proto::Ledger>,
    /// Streams of rounds that a site holds open.
    streams: BTreeMap<String, usize>,
    /// When each site was heard of last, unix milliseconds.
    heard: BTreeMap<String, u64>,
}

impl Inner {
    /// Whether a site says this of a round for the first time.
    fn is_news(&mut self, round: Digest, site: &str, kind: proto::Refusal) -> bool {
        self.told.insert((round, site.to_owned(), kind))
    }
}

/// A site that has not answered a round, and what it says of its coming to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The site.
    pub site: String,
    /// Why, in its words.
    pub reason: String,
    /// Whether it may answer yet, or another attempt.
    pub kind: proto::Refusal,
}

/// A stream of rounds that a site holds open, for as long as this lives.
#[derive(Debug)]
pub struct Presence {
    hub: Arc<Hub>,
    site: String,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.hub.hears(&self.site);
        let mut inner = self.hub.inner();
        if let Some(streams) = inner.streams.get_mut(&self.site) {
            *streams = streams.saturating_sub(1);
        }
    }
}

impl Hub {
    /// A site opens its stream of rounds.
    pub fn listens(self: &Arc<Self>, site: &str) -> Presence {
        *self.inner().streams.entry(site.to_owned()).or_default() += 1;
        Presence { hub: Arc::clone(self), site: site.to_owned() }
    }

    /// Sites that hold a stream of rounds open.
    #[must_use]
    pub fn present(&self) -> BTreeSet<String> {
        let inner = self.inner();
        let open = inner.streams.iter().filter(|(_, streams)| **streams > 0);
        open.map(|(site, _)| site.clone()).collect()
    }

    /// A site has called, or its stream has ended.
    pub fn hears(&self, site: &str) {
        self.inner().heard.insert(site.to_owned(), unix_millis());
    }

    /// When each site was heard of last since this start, unix milliseconds.
    #[must_use]
    pub fn heard(&self) -> BTreeMap<String, u64> {
        self.inner().heard.clone()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces a round.
    pub fn start_round(&self, spec: &RoundSpec, signature: &Signature) {
        {
            let mut inner = self.inner();
            inner.last_number = spec.number;
            inner.announced.insert(spec.digest());
        }
        let spec = spec.to_bytes();
        self.now.send_replace(Now::Round { spec, signature: signature.as_bytes().to_vec() });
    }

    /// Announces an epoch of keys.
    pub fn start_epoch(&self, number: u64, signature: &Signature) {
        self.now.send_replace(Now::Epoch { number, signature: signature.as_bytes().to_vec() });
    }

    /// No round is open any more.
    pub fn end_round(&self) {
        self.now.send_replace(Now::Idle);
    }

    /// The study has ended; sites may go.
    pub fn end_study(&self) {
        self.now.send_replace(Now::Ended);
    }

    /// Highest number announced.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.inner().last_number
    }

    /// Makes a query available.
    pub fn add_query(&self, task: &str, run: u32, step: u32, bytes: Vec<u8>) {
        self.inner().queries.insert((task.to_owned(), run, step), bytes.into());
    }

    /// Makes a release available.
    pub fn add_release(&self, task: &str, run: u32, step: u32, bytes: Vec<u8>) {
        self.inner().releases.insert((task.to_owned(), run, step), bytes.into());
    }

    /// A query or a release.
    #[must_use]
    pub fn get(&self, release: bool, task: &str, run: u32, step: u32) -> Option<Value> {
        let inner = self.inner();
        let map = if release { &inner.releases } else { &inner.queries };
        map.get(&(task.to_owned(), run, step)).cloned()
    }

    /// The stream of rounds.
    #[must_use]
    pub fn rounds(&self) -> watch::Receiver<Now> {
        self.now.subscribe()
    }

    /// A site is there.
    pub fn join(&self, site: &str) {
        self.joined.send_if_modified(|sites| sites.insert(site.to_owned()));
    }

    /// Sites that have joined.
    #[must_use]
    pub fn joined(&self) -> watch::Receiver<BTreeSet<String>> {
        self.joined.subscribe()
    }

    /// Takes in a site's report on a round that was announced; one a round is kept.
    pub fn report(&self, site: &str, round: Digest, mut report: proto::SiteReport) {
        let mut inner = self.inner();
        if !inner.announced.contains(&round) {
            return;
        }
        if let Some(ledger) = &report.ledger {
            inner.ledgers.insert(site.to_owned(), ledger.clone());
        }
        if !report.submitted && report.reason.trim().is_empty() {
            // Who is named as refusing is named with words.
            SILENT.clone_into(&mut report.reason);
        }
        let (short, submitted, reason) = (round.short(), report.submitted, report.reason.clone());
        let kind = report.refusal();
        let before = inner.reports.get(&(round, site.to_owned()));
        if !submitted && before.is_some_and(|before| before.submitted) {
            // It heard of the round again. What it has sent is where it belongs.
            return;
        }
        inner.reports.insert((round, site.to_owned()), report);
        let is_news = !submitted && inner.is_news(round, site, kind);
        drop(inner);
        // Its reason is about policy, manifest and protocol, or sends to its own log.
        if is_news {
            if kind == proto::Refusal::Held {
                tracing::warn!(round = %short, %site, %reason, "a site holds a round back");
            } else {
                tracing::warn!(round = %short, %site, %reason, "a site did not answer");
            }
        }
        self.reported.send_modify(|reports| *reports = reports.wrapping_add(1));
    }

    /// Changes with every report of a site on a round.
    #[must_use]
    pub fn reported(&self) -> watch::Receiver<u64> {
        self.reported.subscribe()
    }

    /// Sites that have not answered a round, in order of their names, with what they said.
    #[must_use]
    pub fn refusals(&self, round: &Digest) -> Vec<Refusal> {
        let inner = self.inner();
        let from = inner.reports.range((*round, String::new())..);
        let of_round = from.take_while(|((reported, _), _)| reported == round);
        let refused = of_round.filter(|(_, report)| !report.submitted);
        let refusal = |((_, site), report): (&(Digest, String), &proto::SiteReport)| Refusal {
            site: site.clone(),
            reason: report.reason.clone(),
            kind: report.refusal(),
        };
        refused.map(refusal).collect()
    }

    /// Whether a site has said anything of a round since this start.
    #[must_use]
    pub fn has_reports(&self, round: &Digest) -> bool {
        let inner = self.inner();
        let mut from = inner.reports.range((*round, String::new())..);
        from.next().is_some_and(|((reported, _), _)| reported == round)
    }

    /// Bytes that sites say they sent for a round, and what refused sites said.
    #[must_use]
    pub fn round_reports(&self, round: &Digest) -> (u64, Vec<(String, String)>) {
        let inner = self.inner();
        let from = inner.reports.range((*round, String::new())..);
        let of_round = from.take_while(|((reported, _), _)| reported == round);
        let bytes = of_round.fold(0u64, |sum, (_, report)| sum.saturating_add(report.bytes_sent));
        drop(inner);
        let refusals = self.refusals(round).into_iter();
        let refusals = refusals.map(|refusal| (refusal.site, refusal.reason)).collect();
        (bytes, refusals)
    }

    /// Last ledger state of each site.
    #[must_use]
    pub fn ledgers(&self) -> BTreeMap<String, proto::Ledger> {
        self.inner().ledgers.clone()
    }
}

#[cfg(test)]
mod tests {
    use haima_crypto::identity::IdentityKey;

    use super::*;
    use crate::coordinator::refusals::tests::{first_spec, manifest};

    #[test]
    fn who_changes_its_words_again_and_again_fills_no_log_and_who_gives_none_is_named() {
        let (hub, spec) = (Hub::default(), first_spec(&manifest()));
        let (round, key) = (spec.digest(), IdentityKey::from_secret(&[1; 32]));
        hub.start_round(&spec, &key.sign(&round));
        assert!(!hub.has_reports(&round));
        for turn in 0..100 {
            let kind = if turn % 2 == 0 { proto::Refusal::Held } else { proto::Refusal::Standing };
            let report = proto::SiteReport { refusal: kind.into(), ..Default::default() };
            hub.report("a", round, report);
        }
        assert_eq!(hub.inner().told.len(), 2, "a line a kind");
        assert!(!hub.inner().is_news(round, "a", proto::Refusal::Held));
        assert!(hub.inner().is_news(round, "b", proto::Refusal::Held));
        assert!(hub.has_reports(&round));
        let said = hub.refusals(&round);
        assert_eq!((said.len(), said[0].reason.as_str()), (1, SILENT));
    }
}
