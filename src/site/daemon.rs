//! The site's conversation: join, hear of rounds, check with the nodes, submit on the tick, report.
//!
//! Every connection is opened from here. A lost connection is opened again; a refused round is
//! reported with its reason, which is about policy and manifest and never about data (rule S5).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::Signature;
use haima_dp::ledger::Ledger;
use haima_fl_core::schema::Schema;
use haima_smpc_node::audit::Audit;
use haima_smpc_node::client::NodeClient;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::masking::Mode;
use haima_smpc_node::provision::Fit;
use haima_smpc_node::record::AuditRecord;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::study::Study;
use haima_smpc_node::tls::{self, TlsIdentity};
use haima_smpc_node::{PROTOCOL, keyfile, unix_millis};

use super::answer::Hospital;
use super::config::Config;
use super::consent::Consents;
use super::coordinator::Coordinator;
use super::framework::Framework;
use super::masked::{self, Round};
use super::masks::Masks;
use super::memory::Memory;
use super::nodes::Nodes;
use super::outbox::Outbox;
use super::policy::Policy;
use super::replay::{Question, Replay};
use super::tick::wait_for_tick;
use crate::Error;
use crate::proto::coordinator_client::CoordinatorClient;
use crate::proto::fetch_request::What;
use crate::proto::{self, Refusal};
#[cfg(unix)]
use crate::sum::socket::server::Server;

const RETRY: Duration = Duration::from_millis(300);
const CALL: Duration = Duration::from_secs(10);

/// Runs a site until the study has ended.
///
/// # Errors
/// When keys, policy, ledger or data cannot be used, with file, line and field.
pub async fn run(config: &Config) -> Result<(), Error> {
    start(config, None)?.live().await
}

/// Runs a site as [`run`] does, and serves the sums of one `vector-sum` task to a program beside it
/// (`docs/sum.md`): that of the id `task`, or the study's only one.
///
/// # Errors
/// As [`run`]; when there is no such task, or the socket cannot be made.
#[cfg(unix)]
pub async fn serve_sums(config: &Config, socket: &Path, task: Option<&str>) -> Result<(), Error> {
    let manifest = Study::read(&config.manifest)?.manifest();
    let framework = Framework::new(&config.manifest, &manifest, task)?;
    let mailbox = Arc::clone(framework.mailbox());
    let mut site = start(config, Some(framework))?;
    let server = Server::bind(socket, Arc::clone(&mailbox))?;
    tracing::info!(socket = %socket.display(), task = %mailbox.terms().task, "sums are served");
    let serving = tokio::spawn(server.run());
    let result = site.live().await;
    mailbox.end(match &result {
        Ok(()) => "the study has ended",
        Err(_) => "the site stopped; its log says why",
    });
    // What was waited for is read first.
    let _ = serving.await;
    result
}

/// A site that is ready to join.
fn start(config: &Config, framework: Option<Framework>) -> Result<Site, Error> {
    let manifest = Study::read(&config.manifest)?.manifest();
    let tls = TlsIdentity::read(&config.tls_certificate, &config.tls_key)?
        .through(config.proxy.as_deref())?;
    let (hospital, records) = open(config, &manifest, &tls)?;
    let party = &manifest.coordinator;
    let pin = Digest::from_bytes(haima_crypto::encode::from_hex(&party.tls)?);
    let channel = tls::channel(&party.name, &party.address, pin, &tls)?;
    let way = match manifest.mode {
        Mode::Nodes => {
            let clients = manifest.nodes.iter().map(|node| NodeClient::new(node, &tls));
            Way::Nodes(Nodes::new(clients.collect::<Result<_, _>>()?))
        }
        Mode::Masked => Way::Masked(Masks::open(config.state.join("masks"), &records)?),
    };
    let mut replay = Replay::new(Arc::clone(&manifest), &records);
    if let Some(framework) = &framework {
        replay.tell(framework.task());
    }
    let coordinator = Coordinator { client: CoordinatorClient::new(channel), manifest };
    Ok(Site { replay, coordinator, hospital, way, framework })
}

/// The hospital, and the records of its journal.
pub(super) fn open(
    config: &Config,
    manifest: &Arc<Manifest>,
    tls: &TlsIdentity,
) -> Result<(Hospital, Vec<AuditRecord>), Error> {
    let party = manifest.site(&config.name)?.clone();
    let key = keyfile::read_identity(&config.identity)?;
    if key.public().to_string() != party.identity.to_lowercase() {
        let problem = format!("not the identity key that the manifest has for {}", config.name);
        return Err(Error::key(&config.identity, problem));
    }
    if tls.pin()?.to_string() != party.tls.to_lowercase() {
        let problem = format!("not the TLS key that the manifest has for {}", config.name);
        return Err(Error::key(&config.tls_certificate, problem));
    }
    let policy = Policy::read(&config.policy)?;
    policy.fits(manifest).map_err(|problem| Error::config(&config.policy, problem))?;
    let schema = Schema::from_toml(&manifest.schema)?;
    // First, since it names a file that is not there.
    let data = data_version(&config.data)?;
    let cohort = crate::data::source::cohort(&config.data, &schema)?;
    if cohort.patients() as u64 > party.max_patients {
        return Err(Error::data(
            &config.data,
            format!(
                "more patients than the {} that the manifest allows {}; ask for an amendment",
                party.max_patients, config.name
            ),
        ));
    }
    std::fs::create_dir_all(&config.state).map_err(|e| Error::file(&config.state, e))?;
    let population = config.population.as_ref().unwrap_or(&policy.default_population);
    let ledger = open_ledger(config, &policy, manifest, population)?;
    let (audit, records) =
        Audit::open(&config.state.join("audit.log"), &config.name, &key.public())?;
    let (limit, left) = (ledger.budget().overall, ledger.remaining().get());
    match super::budget::needs(manifest, &policy, &limit, left, &records)? {
        Some((Fit::Whole, text)) => tracing::info!("{text}"),
        Some((_, text)) => tracing::warn!("{text}"),
        None => {}
    }
    let outbox = Outbox::open(config.state.join("outbox"))?;
    let memory = Memory::open(config.state.join("kept"))?;
    let charged = records.iter().filter(|r| r.kind.starts_with("charged")).cloned().collect();
    let hospital = Hospital {
        name: config.name.clone(),
        manifest_digest: manifest.digest(),
        manifest: Arc::clone(manifest),
        key,
        policy,
        cohort,
        data,
        ledger,
        outbox,
        audit,
        charged,
        memory,
        offered: None,
        consents: Consents::open(&config.state)?,
    };
    hospital.ask_ahead()?;
    Ok((hospital, records))
}

/// Opens the population's ledger. A budget that differs from the recorded one is refused, unless
/// the policy has an amendment that states this very budget.
fn open_ledger(
    config: &Config,
    policy: &Policy,
    manifest: &Manifest,
    population: &str,
) -> Result<Ledger, Error> {
    let path = config.state.join(Ledger::file_name(population)?);
    let budget = policy.budget(manifest)?;
    match (Ledger::open(&path, population, budget.clone()), policy.amended(&budget)) {
        (Err(haima_dp::Error::BudgetChanged { .. }), Some(amendment)) => {
            let mut ledger = Ledger::reopen(&path, population)?;
            ledger.amend(budget, &amendment.reason)?;
            Ok(ledger)
        }
        (Err(haima_dp::Error::BudgetChanged { path }), None) => {
            Err(super::budget::changed(&config.policy, &path, population, &budget))
        }
        (ledger, _) => Ok(ledger?),
    }
}

pub(super) fn data_version(path: &Path) -> Result<Digest, Error> {
    let bytes = std::fs::read(path).map_err(|e| Error::file(path, e))?;
    let mut to = haima_crypto::encode::Encoder::new("haima data version 1");
    to.bytes(&bytes);
    Ok(Digest::of(&to.finish()))
}

/// A site that runs.
pub(super) struct Site {
    pub(super) hospital: Hospital,
    pub(super) replay: Replay,
    pub(super) coordinator: Coordinator,
    way: Way,
    /// The program beside the site that makes the vectors of one task.
    pub(super) framework: Option<Framework>,
}

/// How rounds are answered.
enum Way {
    Nodes(Nodes),
    Masked(Masks),
}

impl Site {
    /// Until the study has ended. What is kept of a round goes when that ends, whether or not the
    /// coordinator announces another (rule R5).
    async fn live(&mut self) -> Result<(), Error> {
        let clear = self.hospital.outbox.keep_clear();
        tokio::select! {
            ended = self.converse() => ended,
            error = clear => Err(error),
        }
    }

    async fn converse(&mut self) -> Result<(), Error> {
        let mut told = false;
        loop {
            match self.listen().await {
                Ok(()) => return Ok(()),
                Err(Error::Node(haima_smpc_node::Error::Unreachable {
                    address, reason, ..
                })) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::info!(%reason, "waiting for the coordinator at {address}");
                    } else {
                        tracing::debug!(%reason, "the coordinator cannot be reached");
                    }
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// One connection: until the study ends (`Ok`) or the connection is lost.
    async fn listen(&mut self) -> Result<(), Error> {
        let manifest = self.hospital.manifest_digest.as_bytes().to_vec();
        let mut join = tonic::Request::new(proto::JoinRequest { protocol: PROTOCOL, manifest });
        join.set_timeout(CALL);
        let mut client = self.coordinator.client.clone();
        client.join(join).await.map_err(|e| self.coordinator.error(&e))?;
        tracing::info!(site = %self.hospital.name, "joined");
        if let Some(reason) = haima_fl_core::nn::device::fallback() {
            tracing::warn!(%reason, "no graphics processor");
        }
        let rounds = client.rounds(proto::RoundsRequest {}).await;
        let mut rounds = rounds.map_err(|e| self.coordinator.error(&e))?.into_inner();
        while let Some(notice) = self.notice(&mut rounds).await? {
            if notice.epoch > 0 && notice.spec.is_empty() {
                self.agree(&notice).await?;
                continue;
            }
            if notice.spec.is_empty() {
                self.follow().await?;
                self.hospital.outbox.erase_except(None)?;
                self.hospital.memory.finish()?;
                tracing::info!(site = %self.hospital.name, "the study has ended");
                return Ok(());
            }
            self.round(&notice).await?;
        }
        Err(Error::Node(haima_smpc_node::Error::Unreachable {
            party: self.coordinator.manifest.coordinator.name.clone(),
            address: self.coordinator.manifest.coordinator.address.clone(),
            reason: "it closed the stream".into(),
        }))
    }

    /// Agrees on keys. Whatever the others sent, the site lives on.
    async fn agree(&mut self, notice: &proto::Notice) -> Result<(), Error> {
        let agreed = async {
            let Way::Masked(masks) = &mut self.way else {
                let reason = "an epoch of masked mode in a study with nodes";
                return Err(self.coordinator.garbled(reason));
            };
            let signature = Signature::from_slice(&notice.signature)?;
            let (hospital, coordinator) = (&self.hospital, &self.coordinator);
            masked::agree(hospital, masks, coordinator, notice.epoch, &signature).await
        };
        match agreed.await {
            Err(error) if is_own_disk(&error) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "not agreed on keys");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Answers one notice. Whatever the coordinator sent, the site lives on; only a failure of
    /// its own disk ends it.
    async fn round(&mut self, notice: &proto::Notice) -> Result<(), Error> {
        let heard = Instant::now();
        let spec = match self.verified(notice) {
            Ok(spec) => spec,
            Err(error) => {
                tracing::warn!(%error, "notice refused");
                return Ok(());
            }
        };
        let round = spec.digest();
        self.hospital.outbox.erase_except(Some(&round))?;
        match self.answer(&spec, heard).await {
            Ok(bytes) => {
                let (task, step) = (&spec.task_id, spec.step);
                tracing::info!(round = %round.short(), %task, step, "submitted");
                self.report(&round, Ok(bytes)).await?;
            }
            Err(error) if is_own_disk(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(round = %round.short(), %error, "round not answered");
                let kind = self.hospital.refusal(&error);
                self.report(&round, Err((kind, public_reason(&error).as_str()))).await?;
            }
        }
        self.attend(&spec).await
    }

    fn verified(&self, notice: &proto::Notice) -> Result<RoundSpec, Error> {
        let spec = RoundSpec::from_bytes(&notice.spec)?;
        let coordinator = &self.hospital.manifest.coordinator.name;
        let key = self.hospital.manifest.identity(coordinator)?;
        let signature = Signature::from_slice(&notice.signature)?;
        key.verify(&spec.digest(), &signature, "round spec")?;
        Ok(spec)
    }

    /// Waits while policy holds a round back that a later hour or somebody at the hospital may allow; the
    /// coordinator is told why.
    async fn hold(&self, spec: &RoundSpec) -> Result<(), Error> {
        if let Ok(Some(why)) = self.hospital.held_at(spec, unix_millis()) {
            let round = spec.digest();
            tracing::warn!(round = %round.short(), %why, "round held back");
            self.report(&round, Err((Refusal::Held, why.as_str()))).await?;
            self.hospital.wait_until_allowed(spec).await;
        }
        Ok(())
    }

    async fn answer(&mut self, spec: &RoundSpec, heard: Instant) -> Result<u64, Error> {
        self.hold(spec).await?;
        match &mut self.way {
            Way::Nodes(nodes) => {
                self.hospital.check(spec)?;
                nodes.compare(spec, &self.hospital.name).await?;
            }
            Way::Masked(masks) => {
                let (hospital, coordinator) = (&mut self.hospital, &self.coordinator);
                let round = Round { hospital, masks, coordinator, spec };
                if let Some(sent) = round.answer_again().await? {
                    return Ok(sent);
                }
                round.hospital.check(spec)?;
                round.check()?;
            }
        }
        let Question { query, run, fresh, sum } =
            self.replay.question(spec, &mut self.coordinator.clone()).await?;
        self.hospital.journal_absorbed(&fresh)?;
        if let Some(framework) = &self.framework {
            let Hospital { name, outbox, .. } = &self.hospital;
            framework.release(sum, name, |attempt| outbox.standing(attempt));
        }
        self.hospital.check_question(spec, &query)?;
        let place = (spec.task_id.as_str(), spec.run, spec.step);
        let served = self.coordinator.fetch(What::Query, place).await?;
        if served != Some(crate::sum::plan::query_bytes(&query)) {
            return Err(Error::Refused {
                site: self.hospital.name.clone(),
                round: spec.digest().short(),
                reason: "the query served is not the one that follows from the releases (X3)"
                    .into(),
            });
        }
        if let Some(framework) = &self.framework {
            if self.hospital.outbox.get(&spec.digest())?.is_none() {
                self.hospital.offered = framework.offered(spec).await;
            } else {
                framework.expect(spec);
            }
        }
        let hospital = &mut self.hospital;
        let tick = async || wait_for_tick(heard, spec.tick_ms).await;
        match &mut self.way {
            Way::Nodes(nodes) => {
                let epoch = nodes.epoch(spec, hospital).await?;
                let submission =
                    tokio::task::block_in_place(|| hospital.submission(spec, epoch, run))?;
                tick().await;
                nodes.send(spec, submission).await
            }
            Way::Masked(masks) => {
                let coordinator = &self.coordinator;
                Round { hospital, masks, coordinator, spec }.answer(run, tick()).await
            }
        }
    }

    /// Tells the coordinator how many bytes were sent for a round, or why none were and whether there may
    /// be an answer yet.
    async fn report(
        &self,
        round: &Digest,
        answer: Result<u64, (Refusal, &str)>,
    ) -> Result<(), Error> {
        let (refusal, reason) = answer.err().unwrap_or((Refusal::ThisAttempt, ""));
        let ledger = &self.hospital.ledger;
        let limit = ledger.budget().overall;
        let mut request = tonic::Request::new(proto::SiteReport {
            round: round.as_bytes().to_vec(),
            submitted: answer.is_ok(),
            reason: reason.to_owned(),
            bytes_sent: answer.unwrap_or(0),
            refusal: refusal.into(),
            ledger: Some(proto::Ledger {
                population: ledger.population().to_owned(),
                epsilon_spent: spent(ledger),
                epsilon_limit: limit.epsilon.get(),
                delta: limit.delta.get(),
                cost_spent: ledger.spent_total().get(),
                cost_limit: limit.room().get(),
                filter: limit.filter.to_string(),
                exact_releases: ledger.exact_releases(&self.hospital.manifest.study),
            }),
        });
        request.set_timeout(CALL);
        // A report that is lost costs the round nothing.
        if let Err(status) = self.coordinator.client.clone().report(request).await {
            tracing::debug!(reason = status.message(), "report not delivered");
        }
        Ok(())
    }
}

fn spent(ledger: &Ledger) -> f64 {
    let cost = ledger.spent_total();
    if cost.get() > 0.0 { ledger.epsilon_spent(ledger.budget().overall.delta).get() } else { 0.0 }
}

/// Whether a failure is of this site's own files: then it stops rather than go on half.
fn is_own_disk(error: &Error) -> bool {
    use haima_dp::Error::{Closed, Io};
    use haima_smpc_node::Error as Node;
    matches!(
        error,
        Error::File { .. }
            | Error::Dp(Io { .. } | Closed { .. })
            | Error::Node(Node::File { .. } | Node::Dp(Io { .. } | Closed { .. }))
    )
}

/// What may be told of a failure: policy, manifest, protocol and budget, which are functions of
/// public specs. What a refusal has for this hospital's own people is not. Everything else is told as
/// such.
fn public_reason(error: &Error) -> String {
    match error {
        Error::Refused { reason, .. } | Error::Forbidden { reason, .. } => reason.clone(),
        Error::Node(
            error @ (haima_smpc_node::Error::Spec { .. }
            | haima_smpc_node::Error::Peer { .. }
            | haima_smpc_node::Error::Refused { .. }
            | haima_smpc_node::Error::Submission { .. }
            | haima_smpc_node::Error::Unreachable { .. }),
        ) => error.to_string(),
        // Its inner errors could tell of a vector.
        Error::Masked(error) if !matches!(error, haima_crypto::secagg::Error::Crypto(_)) => {
            error.to_string()
        }
        _ => "see the site's own log".into(),
    }
}
