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
use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::task::SiteState;
use haima_smpc_node::audit::Audit;
use haima_smpc_node::client::{NodeClient, call_error};
use haima_smpc_node::epoch::Epoch;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::study::Study;
use haima_smpc_node::submission::Submission;
use haima_smpc_node::tls::{self, TlsIdentity};
use haima_smpc_node::{PROTOCOL, keyfile, unix_millis};

use super::answer::Hospital;
use super::config::Config;
use super::outbox::Outbox;
use super::policy::Policy;
use super::replay::{Releases, Replay};
use crate::Error;
use crate::proto::coordinator_client::CoordinatorClient;
use crate::proto::fetch_request::What;
use crate::proto::{self};

const RETRY: Duration = Duration::from_millis(300);
/// Until a node that could not take a submission in is sent it again.
const BUSY: Duration = Duration::from_secs(2);
const CALL: Duration = Duration::from_secs(10);
/// Longest time that a query or a release may take to arrive.
const FETCH: Duration = Duration::from_secs(300);
/// Most bytes of a query or a release that are read.
const MAX_FETCH: u64 = 1 << 31;

/// Runs a site until the study has ended.
///
/// # Errors
/// When keys, policy, ledger or data cannot be used, with file, line and field.
pub async fn run(config: &Config) -> Result<(), Error> {
    let manifest = Study::read(&config.manifest)?.manifest();
    let tls = TlsIdentity::read(&config.tls_certificate, &config.tls_key)?
        .through(config.proxy.as_deref())?;
    let hospital = open(config, &manifest, &tls)?;
    let party = &manifest.coordinator;
    let pin = Digest::from_bytes(haima_crypto::encode::from_hex(&party.tls)?);
    let channel = tls::channel(&party.name, &party.address, pin, &tls)?;
    let nodes = manifest
        .nodes
        .iter()
        .map(|node| NodeClient::new(node, &tls))
        .collect::<Result<Vec<_>, _>>()?;
    let mut site = Site {
        replay: Replay::new(Arc::clone(&manifest)),
        coordinator: Coordinator { client: CoordinatorClient::new(channel), manifest },
        hospital,
        nodes,
        epoch: None,
    };
    site.live().await
}

fn open(config: &Config, manifest: &Arc<Manifest>, tls: &TlsIdentity) -> Result<Hospital, Error> {
    let party = manifest.site(&config.name)?.clone();
    let key = keyfile::read_identity(&config.identity)?;
    if key.public().to_string() != party.identity.to_lowercase() {
        let problem = format!("not the identity key that the manifest has for {}", config.name);
        return Err(Error::config(&config.identity, problem));
    }
    if tls.pin()?.to_string() != party.tls.to_lowercase() {
        let problem = format!("not the TLS key that the manifest has for {}", config.name);
        return Err(Error::config(&config.tls_certificate, problem));
    }
    let policy = Policy::read(&config.policy)?;
    let schema = Schema::from_toml(&manifest.schema)?;
    // First, since it names a file that is not there.
    let data = data_version(&config.data)?;
    let cohort = Cohort::read_csv(&config.data, &schema)?;
    if cohort.len() as u64 > party.max_patients {
        return Err(Error::config(
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
    let outbox = Outbox::open(config.state.join("outbox"))?;
    Ok(Hospital {
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
        charged: records.into_iter().filter(|r| r.kind.starts_with("charged")).collect(),
        state: SiteState::default(),
        state_of: String::new(),
    })
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
        (ledger, _) => Ok(ledger?),
    }
}

fn data_version(path: &Path) -> Result<Digest, Error> {
    let bytes = std::fs::read(path).map_err(|e| Error::file(path, e))?;
    let mut to = haima_crypto::encode::Encoder::new("haima data version 1");
    to.bytes(&bytes);
    Ok(Digest::of(&to.finish()))
}

struct Site {
    hospital: Hospital,
    replay: Replay,
    coordinator: Coordinator,
    nodes: Vec<NodeClient>,
    /// The nodes' epoch, once it was asked for.
    epoch: Option<Epoch>,
}

/// The coordinator as this site calls it.
#[derive(Clone)]
struct Coordinator {
    client: CoordinatorClient<tls::Link>,
    manifest: Arc<Manifest>,
}

impl Coordinator {
    fn error(&self, status: &tonic::Status) -> Error {
        let party = &self.manifest.coordinator;
        call_error(&party.name, &party.address, status).into()
    }

    async fn fetch(&self, what: What, place: (&str, u32, u32)) -> Result<Option<Vec<u8>>, Error> {
        let (task, run, step) = (place.0.to_owned(), place.1, place.2);
        let message = proto::FetchRequest { what: what.into(), task, run, step };
        let mut message = tonic::Request::new(message);
        message.set_timeout(FETCH);
        let reply = match self.client.clone().fetch(message).await {
            Ok(reply) => reply,
            Err(status) if status.code() == tonic::Code::NotFound => return Ok(None),
            Err(status) => return Err(self.error(&status)),
        };
        let garbled = |problem: &str| {
            Error::Node(haima_smpc_node::Error::Peer {
                peer: self.manifest.coordinator.name.clone(),
                problem: problem.to_owned(),
            })
        };
        let mut stream = reply.into_inner();
        let (mut bytes, mut digest, mut length) = (Vec::new(), Digest::default(), 0);
        while let Some(chunk) = stream.message().await.map_err(|e| self.error(&e))? {
            if bytes.is_empty() {
                digest = Digest::from_slice(&chunk.digest)?;
                length = chunk.length;
                if length > MAX_FETCH {
                    return Err(garbled("a query or release of over 2 GiB"));
                }
            }
            bytes.extend_from_slice(&chunk.data);
            if bytes.len() as u64 > length {
                return Err(garbled("more bytes than announced"));
            }
        }
        if bytes.len() as u64 != length || Digest::of(&bytes) != digest {
            return Err(garbled("a query or release that is not the one announced"));
        }
        Ok(Some(bytes))
    }
}

impl Releases for Coordinator {
    async fn release(&mut self, task: &str, run: u32, step: u32) -> Result<Option<Vec<u8>>, Error> {
        self.fetch(What::Release, (task, run, step)).await
    }
}

impl Site {
    async fn live(&mut self) -> Result<(), Error> {
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
        let rounds = client.rounds(proto::RoundsRequest {}).await;
        let mut rounds = rounds.map_err(|e| self.coordinator.error(&e))?.into_inner();
        while let Some(notice) = rounds.message().await.map_err(|e| self.coordinator.error(&e))? {
            if notice.spec.is_empty() {
                self.hospital.outbox.erase_except(None)?;
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
                self.report(&round, true, "", bytes).await
            }
            Err(error) if is_own_disk(&error) => Err(error),
            Err(error) => {
                tracing::warn!(round = %round.short(), %error, "round not answered");
                self.report(&round, false, &public_reason(&error), 0).await
            }
        }
    }

    fn verified(&self, notice: &proto::Notice) -> Result<RoundSpec, Error> {
        let spec = RoundSpec::from_bytes(&notice.spec)?;
        let coordinator = &self.hospital.manifest.coordinator.name;
        let key = self.hospital.manifest.identity(coordinator)?;
        let signature = Signature::from_slice(&notice.signature)?;
        key.verify(&spec.digest(), &signature, "round spec")?;
        Ok(spec)
    }

    async fn answer(&mut self, spec: &RoundSpec, heard: Instant) -> Result<u64, Error> {
        self.hospital.check(spec)?;
        self.compare_with_nodes(spec).await?;
        let (query, run) = self.replay.question(spec, &mut self.coordinator.clone()).await?;
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
        let epoch = of_epoch(spec, &mut self.epoch, &self.nodes, &self.hospital).await?;
        let hospital = &mut self.hospital;
        let submission = tokio::task::block_in_place(|| hospital.submission(spec, epoch, run))?;
        wait_for_tick(heard, spec.tick_ms).await;
        self.send(spec, submission).await
    }

    /// Rule R8: the nodes must know this very spec for the step and attempt. A node that cannot be
    /// reached says nothing; at least one must answer.
    async fn compare_with_nodes(&self, spec: &RoundSpec) -> Result<(), Error> {
        let round = spec.digest();
        let refuse = |reason: String| Error::Refused {
            site: self.hospital.name.clone(),
            round: round.short(),
            reason,
        };
        let mut asked = tokio::task::JoinSet::new();
        for node in self.nodes.clone() {
            let (task, run, step) = (spec.task_id.clone(), spec.run, spec.step);
            asked.spawn(async move {
                let known = node.rounds(&task, run, step).await;
                (node.name().to_owned(), known)
            });
        }
        let mut answers = 0;
        while let Some(answer) = asked.join_next().await {
            let Ok((node, known)) = answer else { continue };
            match known {
                Ok(known) => {
                    let of_attempt = known.iter().find(|(attempt, _, _)| *attempt == spec.attempt);
                    if of_attempt.is_none_or(|(_, digest, _)| *digest != round) {
                        return Err(refuse(format!(
                            "node {node} knows another spec for this step and attempt (rule R8)"
                        )));
                    }
                    answers += 1;
                }
                Err(haima_smpc_node::Error::Unreachable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if answers == 0 {
            return Err(refuse("no node can be reached".into()));
        }
        Ok(())
    }

    /// Sends each node its share, again and again until the deadline while the node is away or cannot
    /// take it in; bytes sent.
    async fn send(&self, spec: &RoundSpec, submission: Submission) -> Result<u64, Error> {
        let Submission { header, public, sealed } = submission;
        let mut sending = tokio::task::JoinSet::new();
        for (node, share) in self.nodes.iter().cloned().zip(sealed) {
            let (header, public, deadline) = (header.clone(), public.clone(), spec.deadline_ms);
            sending.spawn(async move {
                loop {
                    let error = match node.submit(&header, &public, &share).await {
                        Ok(()) => {
                            let bytes = header.bytes.len() + 64 + public.len() + share.len();
                            return Ok(bytes as u64);
                        }
                        Err(error) => error,
                    };
                    match again_after(&error) {
                        Some(pause) if unix_millis() < deadline => {
                            tracing::debug!(%error, "a share is sent again");
                            tokio::time::sleep(pause).await;
                        }
                        _ => return Err(error),
                    }
                }
            });
        }
        let (mut bytes, mut failure) = (0, None);
        while let Some(sent) = sending.join_next().await {
            match sent {
                Ok(Ok(sent)) => bytes += sent,
                Ok(Err(error)) => failure = Some(error),
                Err(error) => {
                    failure = Some(haima_smpc_node::Error::Store(error.to_string()));
                }
            }
        }
        failure.map_or(Ok(bytes), |error| Err(error.into()))
    }

    async fn report(
        &self,
        round: &Digest,
        submitted: bool,
        reason: &str,
        bytes_sent: u64,
    ) -> Result<(), Error> {
        let ledger = &self.hospital.ledger;
        let limit = ledger.budget().overall;
        let mut request = tonic::Request::new(proto::SiteReport {
            round: round.as_bytes().to_vec(),
            submitted,
            reason: reason.to_owned(),
            bytes_sent,
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

/// After what pause a share is sent again; `None` when the node will not have it.
fn again_after(error: &haima_smpc_node::Error) -> Option<Duration> {
    match error {
        haima_smpc_node::Error::Unreachable { .. } => Some(RETRY),
        haima_smpc_node::Error::Refused { for_now: true, .. } => Some(BUSY),
        _ => None,
    }
}

/// The nodes' epoch that a round names. Its record is signed by all nodes, so it may come from any
/// of them.
async fn of_epoch<'a>(
    spec: &RoundSpec,
    known: &'a mut Option<Epoch>,
    nodes: &[NodeClient],
    hospital: &Hospital,
) -> Result<&'a Epoch, Error> {
    if known.as_ref().is_none_or(|epoch| epoch.digest != spec.epoch) {
        *known = None;
        for node in nodes {
            let Ok((_, Some(record))) = node.epoch().await else { continue };
            match record.verify(&hospital.manifest) {
                Ok(epoch) if epoch.digest == spec.epoch => {
                    *known = Some(epoch);
                    break;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "epoch record refused"),
            }
        }
    }
    known.as_ref().ok_or_else(|| Error::Refused {
        site: hospital.name.clone(),
        round: spec.digest().short(),
        reason: "no node shows a signed record of the epoch that it names (rule R5)".into(),
    })
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
/// public specs. Everything else is told as such.
fn public_reason(error: &Error) -> String {
    match error {
        Error::Refused { reason, .. } => reason.clone(),
        Error::Node(
            error @ (haima_smpc_node::Error::Spec { .. }
            | haima_smpc_node::Error::Peer { .. }
            | haima_smpc_node::Error::Refused { .. }
            | haima_smpc_node::Error::Submission { .. }
            | haima_smpc_node::Error::Unreachable { .. }),
        ) => error.to_string(),
        _ => "see the site's own log".into(),
    }
}

/// Rule S5: the moment of submission is a multiple of the tick after the notice.
async fn wait_for_tick(heard: Instant, tick_ms: u32) {
    let tick = u128::from(tick_ms.max(1));
    let elapsed = heard.elapsed().as_millis();
    let next = (elapsed / tick + 1) * tick;
    let at = heard + Duration::from_millis(u64::try_from(next).unwrap_or(u64::MAX));
    tokio::time::sleep_until(at.into()).await;
}

#[cfg(test)]
mod tests {
    use haima_smpc_node::client::call_error;
    use tonic::{Code, Status};

    use super::again_after;

    #[test]
    fn a_share_is_sent_again_to_a_node_that_could_not_take_it_in_and_not_to_one_that_refuses() {
        let again = |code| again_after(&call_error("node-1", "north:1", &Status::new(code, "")));
        for code in
            [Code::Unavailable, Code::DeadlineExceeded, Code::ResourceExhausted, Code::Internal]
        {
            assert!(again(code).is_some(), "{code}");
        }
        for code in [Code::FailedPrecondition, Code::InvalidArgument, Code::PermissionDenied] {
            assert!(again(code).is_none(), "{code}");
        }
    }
}
