//! Rounds in progress: what a node accepts, what it has published, and the checks that need its
//! history. The course of a single round is in `drive`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::{IdentityKey, Signature};
use haima_crypto::seal::sealed_len;
use haima_crypto::secret::Seed;
use tokio::sync::watch;

use super::config::Config;
use super::store::{Store, StoredRound};
use crate::audit::Audit;
use crate::client::{CLOCK_MS, NodeClient};
use crate::epoch::{Epoch, Keys, NodeSecret, Record};
use crate::header::{Header, SignedHeader, public_digest, sealed_digest};
use crate::manifest::Manifest;
use crate::proof::Proof;
use crate::record::Signed;
use crate::round::{Collecting, Context};
use crate::spec::RoundSpec;
use crate::submission::associated;
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
    pub(super) proof: Proof,
    /// Gone once the round has closed.
    pub(super) collecting: tokio::sync::Mutex<Option<Collecting>>,
    /// Complete submissions so far.
    pub(super) held: watch::Sender<usize>,
    pub(super) public: watch::Sender<Public>,
}

/// The epoch once all nodes' parts are here.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) record: Record,
    pub(super) epoch: Epoch,
    pub(super) secret: NodeSecret,
}

/// What a submission must look like.
pub(super) struct Expected {
    pub(super) live: Arc<Live>,
    pub(super) header: Header,
    /// Bytes of this node's sealed share.
    pub(super) sealed_len: usize,
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
    pub(super) epoch: watch::Sender<Option<Arc<Ready>>>,
    pub(super) store: Store,
    audit: Audit,
    pub(super) peers: Vec<NodeClient>,
    live: Mutex<BTreeMap<Digest, Arc<Live>>>,
    submitting: Mutex<BTreeSet<String>>,
    opening: tokio::sync::Mutex<()>,
    /// Held from reading the study's first exact set to storing an accepted set, so that two exact
    /// rounds cannot both be the first (rule X2).
    pub(super) agreeing: tokio::sync::Mutex<()>,
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
        for path in [&config.noise_key, &config.epoch_key] {
            if !path.exists() && config.store.exists() {
                return Err(Error::Key {
                    party: path.display().to_string(),
                    problem: "missing, though the store is there: with a new noise key a round \
                              could be noised twice (rule N3), and with a new epoch key no stored \
                              share opens and the other nodes refuse this one; restore the key. \
                              Without it the study ends, and all nodes begin a new one with empty \
                              stores"
                        .into(),
                });
            }
        }
        let noise = keyfile::noise_or_new(&config.noise_key)?;
        let epoch_keys = Keys::new(&keyfile::epoch_or_new(&config.epoch_key)?)?;
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
            epoch_keys,
            epoch: watch::Sender::new(None),
            store,
            audit,
            peers,
            live: Mutex::default(),
            submitting: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            agreeing: tokio::sync::Mutex::default(),
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
                self.start(stored, submissions)?;
            }
        }
        Ok(())
    }

    fn start(
        self: &Arc<Self>,
        stored: StoredRound,
        submissions: Vec<(String, Digest)>,
    ) -> Result<(), Error> {
        let proof = Proof::new(&stored.spec, self.manifest.nodes.len())?;
        let context = Context::new(stored.spec, &self.name, Arc::clone(&self.manifest));
        let release = stored.release.map(|(release, _)| release);
        let held = submissions.len();
        let collecting =
            stored.held.is_none().then(|| Collecting::new(context.clone(), submissions));
        let public = Public {
            held: stored.held,
            prepared: stored.prepared,
            revealed: stored.accepted.is_some(),
            accepted: stored.accepted,
            release,
            outcome: None,
        };
        let live = Arc::new(Live {
            context,
            proof,
            collecting: tokio::sync::Mutex::new(collecting),
            held: watch::Sender::new(held),
            public: watch::Sender::new(public),
        });
        self.lives().insert(live.context.digest, Arc::clone(&live));
        tokio::spawn(super::drive::drive(Arc::clone(self), live));
        Ok(())
    }

    /// The epoch, once all nodes have set it up.
    pub(super) async fn ready(&self) -> Result<Arc<Ready>, Error> {
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

    /// This node's part of the epoch's secret, sealed to a node that holds the same record.
    ///
    /// # Errors
    /// [`Error::NotReady`] without a record, [`Error::Peer`] when the node holds another one.
    pub(super) async fn part_for(&self, epoch: &Digest, node: &str) -> Result<Vec<u8>, Error> {
        let record = self.store.epoch_record().await?.ok_or_else(|| self.not_ready())?;
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
        let _one_at_a_time = self.opening.lock().await;
        if let Some(stored) = self.store.round(&round).await? {
            let ended = matches!(stored.state.as_str(), "released" | "failed");
            let past = stored.accepted.is_none() && unix_millis() > stored.spec.deadline_ms;
            if !ended && !past && self.live(&round).is_none() {
                let submissions = self.store.submissions(&round).await?;
                self.start(stored, submissions)?;
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
            prepared: None,
            accepted: None,
            release: None,
            reason: None,
        };
        self.start(stored, Vec::new())
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

    /// What a submission must look like, from its header.
    ///
    /// # Errors
    /// When the round is not open, or the header is not the site's for it.
    pub(super) fn expect(
        &self,
        site: &str,
        signed: &SignedHeader,
        public: &[u8],
    ) -> Result<Expected, Error> {
        let refuse = |problem: &str| Error::Submission {
            site: site.to_owned(),
            problem: problem.to_owned(),
        };
        self.manifest.site(site)?;
        // The round is read from the header before its signature is checked: it only selects.
        let claimed = Header::from_bytes(&signed.bytes).map_err(|e| refuse(&e.to_string()))?;
        let live = self
            .live(&claimed.round)
            .ok_or_else(|| refuse("its round is not open at this node"))?;
        let key = self.manifest.identity(site)?;
        let nodes = self.manifest.nodes.len();
        let header = signed.verify(site, &key, &live.context.digest, nodes)?;
        if public.len() != live.proof.public_len() || header.public_share != public_digest(public) {
            return Err(refuse("the public share is not the one that its header binds"));
        }
        let sealed_len = sealed_len(live.proof.share_len(self.position));
        Ok(Expected { live, header, sealed_len })
    }

    /// Opens what a site sealed to this node for a round.
    ///
    /// # Errors
    /// [`Error::Submission`] when it does not open in this place (rule R2).
    pub(super) fn unseal(
        &self,
        spec: &RoundSpec,
        header: &Header,
        sealed: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
        let node = (self.position, self.name.as_str());
        let (round, site) = (&header.round, &header.site);
        let aad = associated(spec, round, site, node, header.nonce, &header.public_share);
        self.epoch_keys.sealing.open(&aad, sealed).map_err(|_| Error::Submission {
            site: site.clone(),
            problem: "the share does not open under this node's epoch key for this round".into(),
        })
    }

    /// Takes in a complete submission. Idempotent.
    ///
    /// # Errors
    /// [`Error::Submission`] naming the failed check; nothing is changed then.
    pub(super) async fn submit(
        &self,
        expected: &Expected,
        signed: &SignedHeader,
        public: &[u8],
        sealed: &[u8],
    ) -> Result<(), Error> {
        let Expected { live, header, .. } = expected;
        let refuse = |problem: &str| Error::Submission {
            site: header.site.clone(),
            problem: problem.to_owned(),
        };
        if header.shares.get(self.position) != Some(&sealed_digest(self.position, sealed)) {
            return Err(refuse("the share is not the one that its header binds for this node"));
        }
        // Opened now so that a share that this node cannot use is refused while the site can still
        // learn of it; stored sealed.
        tokio::task::block_in_place(|| self.unseal(&live.context.spec, header, sealed))?;
        let digest = Digest::of(&signed.bytes);
        let mut slot = live.collecting.lock().await;
        let Some(collecting) = slot.as_mut() else {
            return Err(refuse("the round has closed"));
        };
        if unix_millis() > live.context.spec.deadline_ms {
            return Err(refuse("the deadline has passed"));
        }
        // Stored now or before: what counts is that it is registered before it is acknowledged.
        self.store.add_submission(header, signed, public, sealed).await?;
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
