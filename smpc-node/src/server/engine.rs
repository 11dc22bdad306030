//! Rounds in progress: what a node accepts, what it has published, and the checks that need its
//! history. The course of a single round is in `drive`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::{IdentityKey, Signature};
use haima_crypto::secret::Seed;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::config::Config;
use super::rest::{RestKey, Wrapping};
use super::store::{Store, StoredRound};
use super::writer::Writer;
use crate::audit::{Audit, Event};
use crate::client::{CLOCK_MS, NodeClient, Stage};
use crate::epoch::{Epoch, Keys, NodeSecret, Record};
use crate::manifest::Manifest;
use crate::proof::Proof;
use crate::record::{GivenUp, Signed};
use crate::round::Context;
use crate::spec::RoundSpec;
use crate::study::Study;
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
    /// Its signed commitment to its preparation shares.
    pub(super) prepared: Option<Signed>,
    /// Whether it holds all nodes' commitments, and so may show its preparation shares.
    pub(super) revealed: bool,
    /// Its signed accepted set.
    pub(super) accepted: Option<Signed>,
    /// Its signed deal (Shamir release).
    pub(super) dealt: Option<Signed>,
    /// Whether it holds all nodes' deals, and so may show its sub-shares.
    pub(super) all_dealt: bool,
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

impl Public {
    /// The last that this node has published.
    pub(super) fn stage(&self) -> Stage {
        let published = [
            (&self.release, Stage::Committed),
            (&self.dealt, Stage::Dealt),
            (&self.accepted, Stage::Accepted),
            (&self.prepared, Stage::Prepared),
            (&self.held, Stage::Held),
        ];
        let last = published.into_iter().find(|(signed, _)| signed.is_some());
        last.map_or(Stage::Nothing, |(_, stage)| stage)
    }

    /// What a stored round has published.
    pub(super) async fn of(
        store: &Store,
        nodes: usize,
        stored: &StoredRound,
    ) -> Result<Self, Error> {
        let outcome = match stored.state.as_str() {
            "released" => Some(Ended::Released),
            "failed" => Some(Ended::Failed(stored.reason.clone().unwrap_or_default())),
            _ => None,
        };
        let revealed = stored.accepted.is_some()
            || stored.prepared.is_some()
                && store.commitments(&stored.spec.digest(), "prepared").await? >= nodes as u64;
        let all_dealt = stored.dealt.is_some()
            && (stored.release.is_some()
                || store.commitments(&stored.spec.digest(), "dealt").await? >= nodes as u64);
        Ok(Self {
            held: stored.held.clone(),
            prepared: stored.prepared.clone(),
            revealed,
            accepted: stored.accepted.clone(),
            dealt: stored.dealt.clone(),
            all_dealt,
            release: stored.release.clone(),
            outcome,
        })
    }
}

/// A round in progress.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) context: Context,
    pub(super) proof: Proof,
    /// Of its shares in the store; none once they are erased.
    pub(super) rest: Option<RestKey>,
    /// Complete submissions so far.
    pub(super) held: watch::Sender<usize>,
    pub(super) public: watch::Sender<Public>,
}

/// Rounds in progress by digest.
#[derive(Debug, Default)]
struct Lives(BTreeMap<Digest, Arc<Live>>);

impl Lives {
    /// The round that is there already, if there is one; else this one is there from now on.
    fn get_or_insert(&mut self, round: Digest, live: &Arc<Live>) -> Option<Arc<Live>> {
        let there = self.0.get(&round).cloned();
        if there.is_none() {
            self.0.insert(round, Arc::clone(live));
        }
        there
    }
}

/// Whether a stored round has ended.
fn ended(stored: &StoredRound) -> bool {
    matches!(stored.state.as_str(), "released" | "failed")
}

/// The epoch once all nodes' parts are here.
#[derive(Debug)]
pub(super) struct EpochReady {
    pub(super) record: Record,
    pub(super) epoch: Epoch,
    pub(super) secret: NodeSecret,
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
    pub(super) epoch_keys: Keys,
    pub(super) epoch: watch::Sender<Option<Arc<EpochReady>>>,
    /// This process among the replicas of the node.
    pub(super) replica: String,
    pub(super) store: Store,
    wrapping: Wrapping,
    /// Files of this epoch's keys.
    key_files: [std::path::PathBuf; 2],
    pub(super) writer: Writer,
    audit: Audit,
    pub(super) peers: Vec<NodeClient>,
    live: Mutex<Lives>,
    submitting: Mutex<BTreeMap<String, AbortHandle>>,
}

impl Engine {
    /// Opens a node's keys, store and journal.
    ///
    /// # Errors
    /// When one of them cannot be used, or the keys are not those of the manifest.
    pub async fn open(config: &Config) -> Result<Arc<Self>, Error> {
        let manifest = Study::read(&config.manifest)?.manifest();
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
        let manifest_digest = manifest.digest();
        let store = Store::open(&config.store).await?;
        let [noise_key, epoch_key] = [&config.noise_key, &config.epoch_key]
            .map(|path| keyfile::of_epoch(path, &manifest_digest));
        if store.epoch_record(&manifest_digest).await?.is_some() {
            for path in [&noise_key, &epoch_key] {
                if !path.exists() {
                    return Err(Error::Key {
                        party: config.name.clone(),
                        problem: format!(
                            "{} is missing, but the store's epoch was set up with it; restore the \
                             file (another noise key would break rule N3)",
                            path.display()
                        ),
                    });
                }
            }
        }
        let noise = keyfile::noise_or_new(&noise_key)?;
        let epoch_key_seed = keyfile::epoch_or_new(&epoch_key)?;
        let epoch_keys = Keys::new(&epoch_key_seed)?;
        let wrapping = Wrapping::new(&epoch_key_seed);
        let (audit, records) = Audit::open(&config.journal, &config.name, &key.public())?;
        let peers = manifest
            .nodes
            .iter()
            .filter(|node| node.name != config.name)
            .map(|node| NodeClient::new(node, &tls))
            .collect::<Result<_, _>>()?;
        let (writer, queue) = Writer::new();
        let engine = Arc::new(Self {
            name: config.name.clone(),
            position,
            manifest_digest,
            manifest,
            key,
            noise,
            epoch_keys,
            epoch: watch::Sender::new(None),
            store,
            audit,
            peers,
            replica: format!("{}-{:016x}", config.name, rand::random::<u64>()),
            wrapping,
            key_files: [noise_key, epoch_key],
            writer,
            live: Mutex::default(),
            submitting: Mutex::default(),
        });
        tokio::spawn(queue.work(Arc::downgrade(&engine)));
        super::mend::mend(&engine, &records).await?;
        Ok(engine)
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

    /// Takes up the rounds that a stop interrupted, or that another replica opened. Before their
    /// deadline they go on; after it they have failed for good (rule R9), unless this node has
    /// signed their accepted set: then set and noise are determined, a peer may hold the signature,
    /// and only going on cannot part them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume(self: &Arc<Self>) -> Result<(), Error> {
        for stored in self.store.unfinished().await? {
            let round = stored.spec.digest();
            let other = stored.spec.manifest != self.manifest_digest;
            if other && stored.release.is_some() {
                // Others may have released it: it cannot be failed, and its study's parties may be
                // others than this one's.
                tracing::warn!(
                    round = %round.short(),
                    "committed under another revision of the study; it ends only under that one"
                );
            } else if other {
                let reason = "the study was amended; the keys of this round's epoch are gone";
                self.store.fail(&round, reason).await?;
                self.log("failed", &round, "", &Digest::default(), reason)?;
            } else if self.live(&round).is_none() {
                self.start(stored).await?;
            }
        }
        Ok(())
    }

    /// Destroys the keys of earlier manifests' epochs.
    ///
    /// # Errors
    /// When a file cannot be erased or the store fails.
    pub(super) async fn destroy_old_keys(&self) -> Result<(), Error> {
        for path in &self.key_files {
            keyfile::destroy_others(path)?;
        }
        self.store.forget_epochs_but(&self.manifest_digest).await
    }

    async fn start(self: &Arc<Self>, stored: StoredRound) -> Result<Arc<Live>, Error> {
        let round = stored.spec.digest();
        let wrapped = stored.rest_key.as_deref();
        let rest = wrapped.map(|wrapped| self.wrapping.open(&round, wrapped)).transpose()?;
        let proof = Proof::new(&stored.spec, self.manifest.nodes.len())?;
        let public = Public::of(&self.store, self.manifest.nodes.len(), &stored).await?;
        let held = self.store.held(&round).await?;
        let context = Context::new(stored.spec, &self.name, Arc::clone(&self.manifest));
        let live = Arc::new(Live {
            context,
            proof,
            rest,
            held: watch::Sender::new(held),
            public: watch::Sender::new(public),
        });
        if let Some(there) = self.lives().get_or_insert(round, &live) {
            return Ok(there);
        }
        tokio::spawn(super::drive::drive(Arc::clone(self), Arc::clone(&live)));
        Ok(live)
    }

    /// A round in progress, also one that another replica has opened.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn find(self: &Arc<Self>, round: &Digest) -> Result<Option<Arc<Live>>, Error> {
        if let Some(live) = self.live(round) {
            return Ok(Some(live));
        }
        match self.store.round(round).await? {
            Some(stored) if !ended(&stored) && self.store.shared() => {
                Ok(Some(self.start(stored).await?))
            }
            _ => Ok(None),
        }
    }

    /// The epoch, once all nodes have set it up.
    pub(super) async fn ready(&self) -> Result<Arc<EpochReady>, Error> {
        let mut epoch = self.epoch.subscribe();
        let ready = epoch.wait_for(Option::is_some).await.ok().and_then(|ready| ready.clone());
        ready.ok_or_else(|| self.not_ready())
    }

    fn not_ready(&self) -> Error {
        Error::NotReady {
            party: self.name.clone(),
            reason: "the nodes have not exchanged their epoch keys yet".into(),
        }
    }

    fn lives(&self) -> std::sync::MutexGuard<'_, Lives> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many rounds are in progress.
    pub(super) fn open_rounds(&self) -> usize {
        self.lives().0.len()
    }

    /// A round in progress.
    pub(super) fn live(&self, round: &Digest) -> Option<Arc<Live>> {
        self.lives().0.get(round).cloned()
    }

    /// Forgets a round that has ended; the store has all that is asked for later.
    pub(super) fn forget(&self, round: &Digest) {
        self.lives().0.remove(round);
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

    /// Appends records to the signed journal, with one sync.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn log_all(&self, events: &[Event<'_>]) -> Result<(), Error> {
        self.audit.write_all(&self.key, events)
    }

    /// This node's word that it gave a round up without having committed.
    pub(super) fn given_up(&self, round: &Digest) -> Signed {
        Signed::new(&GivenUp { round: *round, node: self.name.clone() }, &self.key)
    }

    /// This node's part of the epoch's secret, sealed to a node that holds the same record.
    ///
    /// # Errors
    /// [`Error::NotReady`] without a record, [`Error::Peer`] when the node holds another one.
    pub(super) async fn part_for(&self, epoch: &Digest, node: &str) -> Result<Vec<u8>, Error> {
        let record = self
            .store
            .epoch_record(&self.manifest_digest)
            .await?
            .ok_or_else(|| self.not_ready())?;
        let own = record.verify(&self.manifest)?;
        if own.digest != *epoch {
            return Err(Error::Peer {
                peer: node.to_owned(),
                problem: "it holds another epoch record than this node".into(),
            });
        }
        self.epoch_keys.sealed_part(&own, &self.name, node)
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
        let _one_at_a_time = self.store.guard("opening").await?;
        if let Some(stored) = self.store.round(&round).await? {
            if !ended(&stored) && self.live(&round).is_none() {
                self.start(stored).await?;
            }
            return Ok(());
        }
        spec.check(&self.manifest, &self.name)?;
        let epoch = self.epoch.borrow().as_ref().map(|ready| ready.epoch.digest);
        if epoch.ok_or_else(|| self.not_ready())? != spec.epoch {
            return Err(refuse("it is of another epoch than the nodes agreed on".into()));
        }
        let now = unix_millis();
        // Clocks may differ by what `check_status` allows.
        let latest = now.saturating_add(self.manifest.round_ms).saturating_add(CLOCK_MS);
        if spec.deadline_ms <= now || spec.deadline_ms > latest {
            return Err(refuse(format!(
                "its deadline is {} ms from now by this node's clock; 1 to {} are allowed",
                i128::from(spec.deadline_ms) - i128::from(now),
                latest - now
            )));
        }
        self.check_history(&spec).await?;
        let open = self.open_rounds();
        if open >= MAX_OPEN {
            return Err(refuse(format!("{open} rounds are open already")));
        }
        let wrapped = self.wrapping.draw(&round)?;
        self.store.add_round(&spec, &wrapped).await?;
        let text = format!(
            "task {} run {} step {} attempt {}",
            spec.task_id, spec.run, spec.step, spec.attempt
        );
        self.log("opened", &round, &self.manifest.coordinator.name, &round, &text)?;
        let stored = StoredRound {
            spec,
            state: "open".into(),
            rest_key: Some(wrapped),
            held: None,
            prepared: None,
            accepted: None,
            dealt: None,
            release: None,
            reason: None,
        };
        self.start(stored).await.map(|_| ())
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

    /// Registers a site's submission in flight: its older one, perhaps over a line that broke
    /// unnoticed, ends.
    pub(super) fn in_flight(&self, site: &str, submission: AbortHandle) {
        let mut submitting = self.submitting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(older) = submitting.insert(site.to_owned(), submission) {
            older.abort();
        }
    }
}
