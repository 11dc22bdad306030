//! The secure sum over SMPC nodes, as the coordinator drives it.
//!
//! One call of [`NodesSum::sum`] is one step: open the round at every node, tell the sites, wait
//! for the nodes' releases, verify and combine. A failed attempt is followed by a new one (new
//! number, new digest, new charge: rule L1) while the manifest's spare attempts last.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_fl_core::sum::{SecureSum, Sum};
use haima_fl_core::task::Query;
use haima_smpc_node::audit::Audit;
use haima_smpc_node::bundle::{Bundle, Part, release_digest};
use haima_smpc_node::client::{Answer, NodeClient, Outcome};
use haima_smpc_node::manifest::{Class, Manifest, TaskEntry};
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::unix_millis;

use super::plan::{Place, absorbable, plan, query_bytes, query_digest};
use crate::Error;
use crate::coordinator::events::{Event, Events};
use crate::coordinator::hub::Hub;
use crate::coordinator::rounds::Announced;

/// How long a node may hold a release call open.
const WAIT: Duration = Duration::from_secs(5);
/// Pause after a node could not be reached.
const RETRY: Duration = Duration::from_millis(200);

/// What a coordinator needs to ask for sums.
#[derive(Debug)]
pub struct Network {
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// Its digest.
    pub manifest_digest: Digest,
    /// The coordinator's identity key.
    pub key: IdentityKey,
    /// The coordinator's journal.
    pub audit: Audit,
    /// What stands in the journal since before this start: kind, round, subject.
    pub written: BTreeSet<(String, Digest, String)>,
    /// The rounds that were announced.
    pub announced: Announced,
    /// Every node.
    pub nodes: Vec<NodeClient>,
    /// What sites are told and served.
    pub hub: Arc<Hub>,
    /// Who is told of progress.
    pub events: Events,
    /// The runtime on which calls are made.
    pub runtime: tokio::runtime::Handle,
    /// Digest of the nodes' epoch record, once one node has shown it.
    pub epoch: tokio::sync::OnceCell<Digest>,
}

impl Network {
    /// Writes into the journal, unless an earlier start has.
    fn journal(
        &self,
        kind: &str,
        round: &Digest,
        subject: &str,
        digest: &Digest,
        text: &str,
    ) -> Result<(), Error> {
        if !self.written.contains(&(kind.to_owned(), *round, subject.to_owned())) {
            self.audit.write(&self.key, kind, round, subject, digest, text)?;
        }
        Ok(())
    }

    /// The nodes' epoch. Asks them until they have set it up, at most as long as a round may take:
    /// the nodes check for themselves that a round is of the epoch they agreed on.
    async fn epoch(&self) -> Result<Digest, Error> {
        let asked = self.epoch.get_or_try_init(async || {
            let deadline = Instant::now() + Duration::from_millis(self.manifest.round_ms);
            loop {
                let mut last = None;
                for node in &self.nodes {
                    match node.epoch().await {
                        Ok((_, Some(record))) => match record.verify(&self.manifest) {
                            Ok(epoch) => return Ok(epoch.digest),
                            Err(error) => last = Some(error),
                        },
                        Ok((_, None)) => {
                            last = Some(haima_smpc_node::Error::NotReady {
                                party: node.name().to_owned(),
                                reason: "the nodes have not exchanged their epoch keys yet".into(),
                            });
                        }
                        Err(error) => last = Some(error),
                    }
                }
                match last {
                    Some(error) if Instant::now() > deadline => return Err(Error::from(error)),
                    _ => tokio::time::sleep(RETRY).await,
                }
            }
        });
        asked.await.copied()
    }
}

/// One run of one task over the nodes.
#[derive(Debug)]
pub struct NodesSum<'a> {
    network: &'a Network,
    entry: &'a TaskEntry,
    run: u32,
    step: u32,
    attempts: u32,
    previous: Digest,
}

impl<'a> NodesSum<'a> {
    /// A run of a task of the manifest.
    #[must_use]
    pub fn new(network: &'a Network, entry: &'a TaskEntry, run: u32) -> Self {
        Self { network, entry, run, step: 0, attempts: 0, previous: Digest::default() }
    }

    async fn step(&mut self, query: &Query) -> Result<Sum, Error> {
        self.network.hub.add_query(&self.entry.id, self.run, self.step, query_bytes(query));
        let mut attempt = 0;
        for spec in self.network.announced.of_step(&self.entry.id, self.run, self.step) {
            if spec.query != query_digest(query) {
                return Err(Error::Config {
                    file: format!("task {}", self.entry.id),
                    problem: format!(
                        "step {} was announced with another query before; run another one \
                         (run = {}) or install the earlier version",
                        self.step,
                        self.run.saturating_add(1)
                    ),
                });
            }
            attempt = spec.attempt.saturating_add(1);
            if let Some(sum) = self.take(query, &spec, true).await? {
                return Ok(sum);
            }
        }
        loop {
            let place = Place {
                number: self.next_number().await?,
                run: self.run,
                step: self.step,
                attempt,
                plan_index: self.attempts,
                previous: self.previous,
                epoch: self.network.epoch().await?,
                deadline_ms: unix_millis() + self.network.manifest.round_ms,
            };
            if self.step >= self.entry.max_steps {
                return Err(Error::Config {
                    file: format!("task {}", self.entry.id),
                    problem: format!(
                        "it needs more than its max_steps = {}; raise it in the study",
                        self.entry.max_steps
                    ),
                });
            }
            let network = self.network;
            let spec = plan(&network.manifest, network.manifest_digest, self.entry, query, &place)?;
            spec.check(&network.manifest, "this coordinator")?;
            network.announced.keep(&spec)?;
            attempt += 1;
            if let Some(sum) = self.take(query, &spec, false).await? {
                return Ok(sum);
            }
        }
    }

    /// Takes an attempt to its end, also one that was announced before this start: its sum, or
    /// `None` when it failed and another one is left.
    async fn take(
        &mut self,
        query: &Query,
        spec: &RoundSpec,
        again: bool,
    ) -> Result<Option<Sum>, Error> {
        let network = self.network;
        self.attempts += 1;
        let started = Instant::now();
        let error = match self.attempt(spec, again).await {
            Ok(bundle) => return self.released(query, &bundle, started).map(Some),
            Err(error) => error,
        };
        let reason = match error {
            haima_smpc_node::Error::RoundFailed { reason, party, .. } => {
                format!("{party}: {reason}")
            }
            other => other.to_string(),
        };
        network.hub.end_round();
        let (round, task) = (spec.digest(), &self.entry.id);
        network.journal("failed", &round, task, &Digest::default(), &reason)?;
        network.events.tell(Event::failed(spec, started.elapsed(), &reason));
        let spare = self.attempts.saturating_sub(self.step + 1);
        if spare >= self.entry.spare_attempts {
            return Err(Error::NoRelease {
                task: self.entry.id.clone(),
                step: self.step,
                attempts: spec.attempt.saturating_add(1),
                reason,
            });
        }
        self.wait_out(spec).await;
        Ok(None)
    }

    /// A number above all that any reachable node has seen.
    async fn next_number(&self) -> Result<u64, Error> {
        let mut highest = self.network.hub.last_number();
        let deadline = Instant::now() + Duration::from_millis(self.network.manifest.round_ms);
        for node in &self.network.nodes {
            loop {
                match node.check_status(&self.network.manifest_digest, unix_millis()).await {
                    Ok(number) => {
                        highest = highest.max(number);
                        break;
                    }
                    // The next attempt finds out whether it is back.
                    Err(haima_smpc_node::Error::Unreachable { .. })
                        if Instant::now() < deadline =>
                    {
                        tokio::time::sleep(RETRY).await;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        highest.checked_add(1).ok_or_else(|| Error::Stopped {
            party: "a node".into(),
            reason: "it claims to have seen the last possible round number".into(),
        })
    }

    /// Until the nodes that opened a failed attempt have given it up.
    async fn wait_out(&self, spec: &RoundSpec) {
        let until = spec.deadline_ms + self.network.manifest.grace_ms;
        loop {
            let mut all_ended = true;
            for node in &self.network.nodes {
                let known = node.rounds(&spec.task_id, spec.run, spec.step).await;
                let ended = known.is_ok_and(|known| {
                    known
                        .iter()
                        .all(|(_, _, state)| matches!(state.as_str(), "failed" | "released"))
                });
                all_ended &= ended;
            }
            if all_ended || unix_millis() > until + 1000 {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Whether a node still takes submissions for a round.
    async fn is_open(&self, spec: &RoundSpec) -> bool {
        let round = spec.digest();
        for node in &self.network.nodes {
            let known = node.rounds(&spec.task_id, spec.run, spec.step).await.unwrap_or_default();
            if known.iter().any(|(_, digest, state)| *digest == round && state == "open") {
                return true;
            }
        }
        false
    }

    async fn attempt(
        &self,
        spec: &RoundSpec,
        again: bool,
    ) -> Result<Bundle, haima_smpc_node::Error> {
        let network = self.network;
        let signature = network.key.sign(&spec.digest());
        let nothing = Digest::default();
        let opened = network.journal("opened", &spec.digest(), &self.entry.id, &nothing, "");
        opened.map_err(|e| haima_smpc_node::Error::Store(e.to_string()))?;
        for node in &network.nodes {
            loop {
                match node.open(spec, &signature).await {
                    Ok(()) => break,
                    Err(haima_smpc_node::Error::Unreachable { .. })
                        if unix_millis() < spec.deadline_ms =>
                    {
                        tokio::time::sleep(RETRY).await;
                    }
                    // The others may have released it without this one.
                    Err(haima_smpc_node::Error::Unreachable { .. }) if again => break,
                    Err(error) => return Err(error),
                }
            }
        }
        // Sites that hear of a round forget the one before: of one that is over they hear nothing.
        if !again || self.is_open(spec).await {
            network.hub.start_round(spec, &signature);
        }
        network.events.tell(Event::opened(spec));
        let answers = self.answers(spec).await?;
        Ok(Bundle { spec: spec.clone(), parts: parts(spec, &network.manifest, &answers)? })
    }

    /// What the nodes answer: all of them, or with a release quorum as many as come.
    async fn answers(
        &self,
        spec: &RoundSpec,
    ) -> Result<Vec<Option<Answer>>, haima_smpc_node::Error> {
        let network = self.network;
        let manifest = &network.manifest;
        // Nodes that have agreed finish the round however long it takes: leave them time.
        let until = spec.deadline_ms + manifest.grace_ms + manifest.round_ms;
        let mut waiting = tokio::task::JoinSet::new();
        for (position, node) in network.nodes.iter().enumerate() {
            let (node, spec) = (node.clone(), spec.clone());
            waiting.spawn(async move { (position, outcome(&node, &spec, until).await) });
        }
        let nodes = network.nodes.len();
        let mut answers: Vec<Option<Answer>> = vec![None; nodes];
        let quorum = manifest.release_quorum.map_or(nodes, |quorum| quorum as usize);
        let patience = Duration::from_millis(manifest.grace_ms);
        let (mut failure, mut failures) = (None, 0);
        loop {
            // With a quorum there, others are waited for no longer than the grace: more points than
            // a quorum show a wrong one.
            let enough = answers.iter().flatten().count() >= quorum;
            let done = if enough {
                tokio::time::timeout(patience, waiting.join_next()).await.unwrap_or(None)
            } else {
                waiting.join_next().await
            };
            let error = match done {
                None => break,
                Some(Ok((position, Ok(answer)))) => {
                    if let Some(slot) = answers.get_mut(position) {
                        *slot = Some(*answer);
                    }
                    continue;
                }
                Some(Ok((_, Err(error)))) => error,
                Some(Err(error)) => haima_smpc_node::Error::Store(error.to_string()),
            };
            tracing::warn!(round = %spec.digest().short(), %error, "a node gave no answer");
            failure.get_or_insert(error);
            failures += 1;
            // No quorum is left to come.
            if nodes - failures < quorum {
                break;
            }
        }
        match failure {
            Some(error) if answers.iter().flatten().count() < quorum => Err(error),
            _ => Ok(answers),
        }
    }

    fn released(&mut self, query: &Query, bundle: &Bundle, started: Instant) -> Result<Sum, Error> {
        let network = self.network;
        let verified = bundle.verify(&network.manifest)?;
        self.previous = release_digest(bundle);
        network.hub.add_release(&self.entry.id, self.run, self.step, bundle.to_bytes());
        network.hub.end_round();
        let accepted = verified.accepted.headers.entries().len();
        let (round, text) = (bundle.spec.digest(), format!("{accepted} sites"));
        let (task, release) = (&self.entry.id, &self.previous);
        network.journal("released", &round, task, release, &text)?;
        for (site, header) in verified.accepted.refused.entries() {
            let text = "not accepted: the site or a node deviated (its proof failed)";
            network.journal("not accepted", &round, site, header, text)?;
        }
        for node in &verified.wrong {
            let text = "its point did not fit the others' and is left out: it, or one that dealt to \
                        it, deviated";
            network.journal("wrong point", &round, node, release, text)?;
            tracing::error!(round = %round.short(), %node, "{text}");
        }
        let (accepted, took) = (&verified.accepted, started.elapsed());
        let event = Event::released(bundle, accepted, &network.manifest, took);
        network.events.tell(event);
        self.step += 1;
        absorbable(query, verified)
    }
}

/// A part a node, in the manifest's order; those of lost nodes from what the others keep of them.
///
/// # Errors
/// When nobody keeps what a lost node signed, or a node signed two releases.
fn parts(
    spec: &RoundSpec,
    manifest: &Manifest,
    answers: &[Option<Answer>],
) -> Result<Vec<Part>, haima_smpc_node::Error> {
    let fault = |node: &str, problem: String| haima_smpc_node::Error::Peer {
        peer: node.to_owned(),
        problem,
    };
    let mut parts = Vec::with_capacity(answers.len());
    for (node, answer) in manifest.nodes.iter().zip(answers) {
        // What a node keeps of another counts where it verifies.
        let kept = answers.iter().flatten().filter_map(|answer| answer.part_of(&node.name));
        let kept: Vec<Part> =
            kept.filter(|part| part.check(spec, manifest, &node.name).is_ok()).collect();
        let part = answer.as_ref().map(|answer| answer.part.clone());
        let part = part.or_else(|| kept.first().cloned());
        let part = part.ok_or_else(|| fault(&node.name, "nobody keeps its release".into()))?;
        if let Some(other) = kept.iter().find(|other| other.release.body != part.release.body) {
            let digests = [&part, other].map(|part| Digest::of(&part.release.body));
            let problem = format!("it signed two releases: {} and {}", digests[0], digests[1]);
            return Err(fault(&node.name, problem));
        }
        parts.push(part);
    }
    Ok(parts)
}

async fn outcome(
    node: &NodeClient,
    spec: &RoundSpec,
    until: u64,
) -> Result<Box<Answer>, haima_smpc_node::Error> {
    let round = spec.digest();
    let sum_len = spec.dimension().saturating_mul(spec.field.bytes());
    loop {
        let failed = |reason: String| haima_smpc_node::Error::RoundFailed {
            round: round.short(),
            party: node.name().to_owned(),
            reason,
        };
        let error = match node.release(&round, WAIT, sum_len).await {
            Ok(Outcome::Released(answer)) => return Ok(answer),
            Ok(Outcome::Failed(reason)) => return Err(failed(reason)),
            Ok(Outcome::Pending(_)) => None,
            Err(error @ haima_smpc_node::Error::Unreachable { .. }) => Some(error),
            Err(error) => return Err(error),
        };
        if unix_millis() > until {
            return Err(error.unwrap_or_else(|| failed("no outcome in time".into())));
        }
        if error.is_some() {
            tokio::time::sleep(RETRY).await;
        }
    }
}

impl SecureSum for NodesSum<'_> {
    type Error = Error;

    fn sum(&mut self, query: &Query) -> Result<Sum, Error> {
        let runtime = self.network.runtime.clone();
        let private = self.entry.class == Class::Private;
        if private && query.sensitivity.is_none() {
            return Err(Error::Config {
                file: format!("task {}", self.entry.id),
                problem: "it bounds no patient, so it runs in the exact class only".into(),
            });
        }
        runtime.block_on(self.step(query))
    }
}
