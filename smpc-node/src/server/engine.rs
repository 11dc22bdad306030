//! Rounds in progress: what a node accepts, what it has published, and the checks that need its
//! history. The course of a single round is in `drive`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::field::{Field64, Field128};
use haima_crypto::identity::{IdentityKey, Signature};
use haima_crypto::secret::Seed;
use haima_crypto::share::Share;
use tokio::sync::watch;

use super::config::Config;
use super::store::{Store, StoredRound};
use crate::audit::Audit;
use crate::client::{CLOCK_MS, NodeClient};
use crate::header::{SignedHeader, share_digest};
use crate::manifest::Manifest;
use crate::record::Signed;
use crate::round::{Collecting, Context};
use crate::spec::{FieldKind, RoundSpec};
use crate::{Error, keyfile, unix_millis};

/// Rounds that may be open at a time; a coordinator works on one.
const MAX_OPEN: usize = 4;
/// Most by which a round's number may pass the last one.
const MAX_JUMP: u64 = 1 << 20;

/// What this node has made public of a round, in the order in which it does.
#[derive(Clone, Debug, Default)]
pub(super) struct Public {
    /// Its signed held set.
    pub(super) held: Option<Signed>,
    /// Its signed accepted set.
    pub(super) accepted: Option<Signed>,
    /// Its signed release: the commitment to its sum.
    pub(super) release: Option<Signed>,
    /// How the round ended.
    pub(super) outcome: Option<Ended>,
}

/// How a round ended at this node.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    /// The release is in the store.
    Released,
    /// For good, with the reason.
    Failed(String),
}

/// A round in progress.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) context: Context,
    /// Gone once the round has closed.
    pub(super) collecting: tokio::sync::Mutex<Option<Collecting>>,
    /// Complete submissions so far.
    pub(super) held: watch::Sender<usize>,
    pub(super) public: watch::Sender<Public>,
}

/// A node.
#[derive(Debug)]
pub struct Engine {
    pub(super) name: String,
    pub(super) position: usize,
    pub(super) manifest: Arc<Manifest>,
    manifest_digest: Digest,
    pub(super) key: IdentityKey,
    pub(super) noise: Seed,
    pub(super) store: Store,
    audit: Audit,
    pub(super) peers: Vec<NodeClient>,
    live: Mutex<BTreeMap<Digest, Arc<Live>>>,
    submitting: Mutex<BTreeSet<String>>,
    opening: tokio::sync::Mutex<()>,
}

impl Engine {
    /// Opens a node's keys, store and journal.
    ///
    /// # Errors
    /// When one of them cannot be used, or the keys are not those of the manifest.
    pub async fn open(config: &Config) -> Result<Arc<Self>, Error> {
        let manifest = Arc::new(Manifest::read(&config.manifest)?);
        let (position, party) = manifest.node(&config.name)?;
        let party = party.clone();
        let key = keyfile::read_identity(&config.identity)?;
        let wrong = |what: &str| Error::Key {
            party: config.name.clone(),
            problem: format!("its {what} is not the one in the manifest"),
        };
        if key.public().to_string() != party.identity.to_lowercase() {
            return Err(wrong("identity key"));
        }
        let tls = config.tls()?;
        if tls.pin()?.to_string() != party.tls.to_lowercase() {
            return Err(wrong("TLS key"));
        }
        if !config.noise_key.exists() && config.store.exists() {
            return Err(Error::Key {
                party: config.noise_key.display().to_string(),
                problem: "missing, though the store is there: with a new key a round could be \
                          noised twice (rule N3); restore the key, or begin with an empty store"
                    .into(),
            });
        }
        let noise = keyfile::noise_or_new(&config.noise_key)?;
        let store = Store::open(&config.store).await?;
        let (audit, _) = Audit::open(&config.journal, &config.name, &key.public())?;
        let peers = manifest
            .nodes
            .iter()
            .filter(|node| node.name != config.name)
            .map(|node| NodeClient::new(node, &tls))
            .collect::<Result<_, _>>()?;
        Ok(Arc::new(Self {
            name: config.name.clone(),
            position,
            manifest_digest: manifest.digest(),
            manifest,
            key,
            noise,
            store,
            audit,
            peers,
            live: Mutex::default(),
            submitting: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }))
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its digest.
    #[must_use]
    pub fn manifest_digest(&self) -> &Digest {
        &self.manifest_digest
    }

    /// This node's address in the manifest.
    #[must_use]
    pub fn address(&self) -> &str {
        self.manifest.nodes.get(self.position).map_or("", |node| node.address.as_str())
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Takes up the rounds that a stop interrupted. Before their deadline they go on; after it they
    /// have failed for good (rule R9), unless this node has signed their accepted set: then set and
    /// noise are determined, a peer may hold the signature, and only going on cannot part them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume(self: &Arc<Self>) -> Result<(), Error> {
        for stored in self.store.unfinished().await? {
            let round = stored.spec.digest();
            let signed = stored.accepted.is_some();
            if !signed && unix_millis() > stored.spec.deadline_ms {
                let reason = "this node was restarted after the deadline (rule R9)";
                self.store.fail(&round, reason).await?;
                self.log("failed", &round, "", &Digest::default(), reason)?;
            } else {
                let submissions = self.store.submissions(&round).await?;
                self.start(stored, submissions);
            }
        }
        Ok(())
    }

    fn start(self: &Arc<Self>, stored: StoredRound, submissions: Vec<(String, Digest)>) {
        let context = Context::new(stored.spec, &self.name, Arc::clone(&self.manifest));
        let release = stored.release.map(|(release, _)| release);
        let held = submissions.len();
        let collecting =
            stored.held.is_none().then(|| Collecting::new(context.clone(), submissions));
        let public =
            Public { held: stored.held, accepted: stored.accepted, release, outcome: None };
        let live = Arc::new(Live {
            context,
            collecting: tokio::sync::Mutex::new(collecting),
            held: watch::Sender::new(held),
            public: watch::Sender::new(public),
        });
        self.lives().insert(live.context.digest, Arc::clone(&live));
        tokio::spawn(super::drive::drive(Arc::clone(self), live));
    }

    fn lives(&self) -> std::sync::MutexGuard<'_, BTreeMap<Digest, Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A round in progress.
    pub(super) fn live(&self, round: &Digest) -> Option<Arc<Live>> {
        self.lives().get(round).cloned()
    }

    /// Forgets a round that has ended; the store has all that is asked for later.
    pub(super) fn forget(&self, round: &Digest) {
        self.lives().remove(round);
    }

    /// Appends to the signed journal.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn log(
        &self,
        kind: &str,
        round: &Digest,
        subject: &str,
        digest: &Digest,
        text: &str,
    ) -> Result<(), Error> {
        self.audit.write(&self.key, kind, round, subject, digest, text)
    }

    /// Opens a round that the coordinator signed. Idempotent.
    ///
    /// # Errors
    /// [`Error::Spec`] when it goes beyond the manifest or against this node's history; nothing
    /// is changed then.
    pub async fn open_round(
        self: &Arc<Self>,
        spec: RoundSpec,
        signature: &Signature,
    ) -> Result<(), Error> {
        let refuse = |problem: String| Error::Spec { party: self.name.clone(), problem };
        let coordinator = self.manifest.identity(&self.manifest.coordinator.name)?;
        let round = spec.digest();
        coordinator.verify(&round, signature, "round spec").map_err(|e| refuse(e.to_string()))?;
        let _one_at_a_time = self.opening.lock().await;
        if let Some(stored) = self.store.round(&round).await? {
            let ended = matches!(stored.state.as_str(), "released" | "failed");
            if !ended && self.live(&round).is_none() {
                let submissions = self.store.submissions(&round).await?;
                self.start(stored, submissions);
            }
            return Ok(());
        }
        spec.check(&self.manifest, &self.name)?;
        let now = unix_millis();
        // Clocks may differ by what `check_status` allows.
        let latest = now.saturating_add(self.manifest.round_ms).saturating_add(CLOCK_MS);
        if spec.deadline_ms <= now || spec.deadline_ms > latest {
            return Err(refuse(format!(
                "its deadline is {} ms from now by this node's clock; 1 to {} are allowed",
                i128::from(spec.deadline_ms) - i128::from(now),
                self.manifest.round_ms
            )));
        }
        self.check_history(&spec).await?;
        let open = self.lives().len();
        if open >= MAX_OPEN {
            return Err(refuse(format!("{open} rounds are open already")));
        }
        self.store.add_round(&spec).await?;
        let text = format!(
            "task {} run {} step {} attempt {}",
            spec.task_id, spec.run, spec.step, spec.attempt
        );
        self.log("opened", &round, &self.manifest.coordinator.name, &round, &text)?;
        let stored = StoredRound {
            spec,
            state: "open".into(),
            held: None,
            accepted: None,
            release: None,
            reason: None,
        };
        self.start(stored, Vec::new());
        Ok(())
    }

    async fn check_history(&self, spec: &RoundSpec) -> Result<(), Error> {
        let refuse = |problem: String| Error::Spec { party: self.name.clone(), problem };
        let last = self.store.last_number().await?;
        if spec.number <= last {
            let number = spec.number;
            return Err(refuse(format!("number {number}; this node has seen {last}")));
        }
        if spec.number > last.saturating_add(MAX_JUMP) {
            let number = spec.number;
            return Err(refuse(format!("number {number}; this node has seen {last}: too far")));
        }
        let attempts = self.store.attempts(&spec.task_id, spec.run).await?;
        if u64::from(spec.plan_index) < attempts {
            return Err(refuse(format!(
                "plan index {}; this node has opened {attempts} rounds of this run",
                spec.plan_index
            )));
        }
        for (attempt, _, state) in self.store.known(&spec.task_id, spec.run, spec.step).await? {
            if state == "released" {
                return Err(refuse(format!("attempt {attempt} of this step was released")));
            }
            if attempt >= spec.attempt {
                let own = spec.attempt;
                return Err(refuse(format!("attempt {own}, but {attempt} is known")));
            }
            if state != "failed" {
                return Err(refuse(format!("attempt {attempt} of this step is still {state}")));
            }
        }
        if let Some(step) = spec.step.checked_sub(1) {
            let own = self.store.released(&spec.task_id, spec.run, step).await?;
            if own != Some(spec.previous) {
                return Err(refuse(format!(
                    "it builds on another release of step {step} than this node made (rule X3)"
                )));
            }
        }
        Ok(())
    }

    /// What a submission must look like: its round, and the length of this node's share.
    ///
    /// # Errors
    /// When the round is not open, or the header is not the site's for it.
    pub(super) fn expect_share(
        &self,
        site: &str,
        signed: &SignedHeader,
    ) -> Result<(Arc<Live>, crate::header::Header, usize), Error> {
        let refuse = |problem: &str| Error::Submission {
            site: site.to_owned(),
            problem: problem.to_owned(),
        };
        self.manifest.site(site)?;
        // The round is read from the header before its signature is checked: it only selects.
        let claimed =
            crate::header::Header::from_bytes(&signed.bytes).map_err(|e| refuse(&e.to_string()))?;
        let live = self
            .live(&claimed.round)
            .ok_or_else(|| refuse("its round is not open at this node"))?;
        let key = self.manifest.identity(site)?;
        let nodes = self.manifest.nodes.len();
        let header = signed.verify(site, &key, &live.context.digest, nodes)?;
        let dimension = live.context.spec.dimension();
        let len = if self.position == 0 {
            dimension.saturating_mul(live.context.spec.field.bytes())
        } else {
            Seed::LEN
        };
        Ok((live, header, len))
    }

    /// Takes in a complete submission. Idempotent.
    ///
    /// # Errors
    /// [`Error::Submission`] naming the failed check; nothing is changed then.
    pub(super) async fn submit(
        &self,
        live: &Live,
        header: &crate::header::Header,
        signed: &SignedHeader,
        share: &[u8],
    ) -> Result<(), Error> {
        let refuse = |problem: &str| Error::Submission {
            site: header.site.clone(),
            problem: problem.to_owned(),
        };
        if header.shares.get(self.position) != Some(&share_digest(self.position, share)) {
            return Err(refuse("the share is not the one that its header binds for this node"));
        }
        let (position, len) = (self.position, live.context.spec.dimension());
        match live.context.spec.field {
            FieldKind::Bits64 => Share::<Field64>::from_bytes(position, len, share).map(|_| ()),
            FieldKind::Bits128 => Share::<Field128>::from_bytes(position, len, share).map(|_| ()),
        }
        .map_err(|e| refuse(&e.to_string()))?;
        let digest = Digest::of(&signed.bytes);
        let mut slot = live.collecting.lock().await;
        let Some(collecting) = slot.as_mut() else {
            return Err(refuse("the round has closed"));
        };
        if unix_millis() > live.context.spec.deadline_ms {
            return Err(refuse("the deadline has passed"));
        }
        // Stored now or before: what counts is that it is registered before it is acknowledged.
        self.store.add_submission(header, signed, share).await?;
        if collecting.register(&header.site, digest)? {
            self.log("accepted", &live.context.digest, &header.site, &digest, "")?;
        }
        live.held.send_replace(collecting.held());
        Ok(())
    }

    /// Lets a site have one submission in flight; the guard frees it.
    pub(super) fn one_submission(self: &Arc<Self>, site: &str) -> Option<InFlight> {
        let mut busy = self.submitting.lock().unwrap_or_else(PoisonError::into_inner);
        let free = busy.insert(site.to_owned());
        free.then(|| InFlight { engine: Arc::clone(self), site: site.to_owned() })
    }
}

/// A site's submission in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    engine: Arc<Engine>,
    site: String,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut busy = self.engine.submitting.lock().unwrap_or_else(PoisonError::into_inner);
        busy.remove(&self.site);
    }
}
