//! A node: its keys, store and journal, and its rounds in progress. Which rounds it opens is in `open`;
//! the course of a single one is in `drive`.

mod open;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_crypto::secret::Seed;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::config::Config;
use super::peers::RETRY;
use super::public::Public;
use super::rest::{RestKey, Wrapping};
use super::store::{Failing, Store, StoredRound};
use super::writer::Writer;
use crate::audit::{Audit, Event};
use crate::client::NodeClient;
use crate::epoch::{Epoch, Keys, NodeSecret, Record};
use crate::manifest::Manifest;
use crate::proof::Proof;
use crate::record::{GivenUp, Signed};
use crate::round::Context;
use crate::study::Study;
use crate::{Error, keyfile};

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
    /// Rounds of which the store has forgotten a step, each with one such step.
    forgotten: BTreeMap<Digest, String>,
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
        let forgotten = super::forgotten::forgotten(&store, &records).await?;
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
            forgotten,
            peers,
            replica: format!(
                "{}-{:016x}",
                config.name,
                rand::Rng::next_u64(&mut crate::randomness::system())
            ),
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
                let known = stored.state.as_str();
                let failing = Failing { known, reason, word: None, peer_gave_up: false };
                match self.store.fail(&round, failing).await {
                    Ok(()) => self.log("failed", &round, "", &Digest::default(), reason)?,
                    // Another replica failed it.
                    Err(Error::Superseded { .. }) => {}
                    Err(error) => return Err(error),
                }
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

    /// Appends the record of a step that the store has, before anybody hears of the step. While the
    /// journal cannot be written the round waits, as with the store, and fails nowhere.
    pub(super) async fn record(
        &self,
        kind: &str,
        round: &Digest,
        subject: &str,
        digest: &Digest,
        text: &str,
    ) {
        while let Err(error) = self.log(kind, round, subject, digest, text) {
            let round = round.short();
            tracing::error!(%round, kind, %error, "the journal could not be written; trying again");
            tokio::time::sleep(RETRY).await;
        }
    }

    /// This node's word that it gave a round up without having committed.
    pub(super) fn given_up(&self, round: &Digest) -> Signed {
        Signed::new(&GivenUp { round: *round, node: self.name.clone() }, &self.key)
    }

    /// Rule N3: a round of which the journal has a step that the store lacks.
    ///
    /// # Errors
    /// The reason why this node takes no step in such a round.
    pub(super) fn remembers(&self, round: &Digest) -> Result<(), String> {
        self.forgotten.get(round).map_or(Ok(()), |step| {
            Err(format!(
                "this node's journal says \"{step}\" of it, which its store does not know: the store \
                 was restored from an old copy (rule N3)"
            ))
        })
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

    /// Registers a site's submission in flight: its older one, perhaps over a line that broke
    /// unnoticed, ends.
    pub(super) fn in_flight(&self, site: &str, submission: AbortHandle) {
        let mut submitting = self.submitting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(older) = submitting.insert(site.to_owned(), submission) {
            older.abort();
        }
    }
}
