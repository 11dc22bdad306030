//! The secure sum over SMPC nodes, as the coordinator drives it.
//!
//! One attempt: open the round at every node, tell the sites, wait for the nodes' releases, verify and
//! combine.

use std::time::{Duration, Instant};

use haima_crypto::encode::{Canonical, Digest};
use haima_smpc_node::bundle::{Bundle, Part};
use haima_smpc_node::client::{Answer, NodeClient, Outcome};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::unix_millis;

use super::network::Network;
use crate::Error;
use crate::coordinator::events::Event;

/// How long a node may hold a release call open.
const WAIT: Duration = Duration::from_secs(5);
/// Pause after a node could not be reached.
const RETRY: Duration = Duration::from_millis(200);
/// How long hospitals that refuse, too, have to say so once a round cannot have a sum.
const OTHERS: Duration = Duration::from_secs(1);

/// The nodes as the coordinator calls them.
#[derive(Debug)]
pub struct Nodes {
    /// Every node.
    pub clients: Vec<NodeClient>,
    /// Digest of the nodes' epoch record, once one node has shown it.
    epoch: tokio::sync::OnceCell<Digest>,
}

impl Nodes {
    /// Every node of a study.
    #[must_use]
    pub fn new(clients: Vec<NodeClient>) -> Self {
        Self { clients, epoch: tokio::sync::OnceCell::new() }
    }

    /// The nodes' epoch. Asks them until they have set it up, at most as long as a round may take:
    /// the nodes check for themselves that a round is of the epoch they agreed on.
    pub(super) async fn epoch(&self, network: &Network) -> Result<Digest, Error> {
        let asked = self.epoch.get_or_try_init(async || {
            let deadline = Instant::now() + Duration::from_millis(network.manifest.round_ms);
            loop {
                let mut last = None;
                for node in &self.clients {
                    match node.epoch().await {
                        Ok((_, Some(record))) => match record.verify(&network.manifest) {
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

    /// The highest number that any reachable node has seen.
    pub(super) async fn last_number(&self, network: &Network) -> Result<u64, Error> {
        let mut highest = 0;
        let deadline = Instant::now() + Duration::from_millis(network.manifest.round_ms);
        for node in &self.clients {
            loop {
                match node.check_status(&network.manifest_digest, unix_millis()).await {
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
        Ok(highest)
    }

    /// Until the nodes that opened a failed attempt have given it up.
    pub(super) async fn settle(&self, network: &Network, spec: &RoundSpec) {
        let until = spec.deadline_ms + network.manifest.grace_ms;
        loop {
            let mut all_ended = true;
            for node in &self.clients {
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
        for node in &self.clients {
            let known = node.rounds(&spec.task_id, spec.run, spec.step).await.unwrap_or_default();
            if known.iter().any(|(_, digest, state)| *digest == round && state == "open") {
                return true;
            }
        }
        false
    }

    /// Takes an attempt to its end: the bundle of all nodes' releases, not verified yet.
    pub(super) async fn attempt(
        &self,
        network: &Network,
        spec: &RoundSpec,
        again: bool,
    ) -> Result<Vec<u8>, Error> {
        let signature = network.key.sign(&spec.digest());
        let nothing = Digest::default();
        network.journal("opened", &spec.digest(), &spec.task_id, &nothing, "")?;
        for node in &self.clients {
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
                    Err(error) => return Err(error.into()),
                }
            }
        }
        // Sites that hear of a round forget the one before: of one that is over they hear nothing.
        if !again || self.is_open(spec).await {
            network.hub.start_round(spec, &signature);
        }
        if network.before.end(spec).is_none() {
            network.events.tell(Event::opened(spec));
        }
        let answers = tokio::select! {
            biased;
            answers = self.answers(network, spec) => answers?,
            error = withheld(self, network, spec) => return Err(error),
        };
        let parts = parts(spec, &network.manifest, &answers)?;
        Ok(Bundle { spec: spec.clone(), parts }.to_bytes())
    }

    /// What the nodes answer: all of them, or with a release quorum as many as come.
    async fn answers(
        &self,
        network: &Network,
        spec: &RoundSpec,
    ) -> Result<Vec<Option<Answer>>, haima_smpc_node::Error> {
        let manifest = &network.manifest;
        // Nodes that have agreed finish the round however long it takes: leave them time.
        let until = spec.deadline_ms + manifest.grace_ms + manifest.round_ms;
        let mut waiting = tokio::task::JoinSet::new();
        for (position, node) in self.clients.iter().enumerate() {
            let (node, spec) = (node.clone(), spec.clone());
            waiting.spawn(async move { (position, outcome(&node, &spec, until).await) });
        }
        let nodes = self.clients.len();
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
}

/// Waits until hospitals' refusals leave every attempt at a step without a sum: the nodes would wait for
/// the deadline all the same, which they have not been told of. Where they take no submission any more,
/// who refuses has delivered, or is not needed: words stop nothing then, and the nodes end the round.
async fn withheld(nodes: &Nodes, network: &Network, spec: &RoundSpec) -> Error {
    let mut reported = network.hub.reported();
    loop {
        if network.withheld(spec).is_some() {
            tokio::time::sleep(OTHERS).await;
            if let Some(error) = network.withheld(spec)
                && nodes.is_open(spec).await
            {
                return error;
            }
        }
        if reported.changed().await.is_err() {
            // Nobody reports any more.
            std::future::pending::<()>().await;
        }
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
    let sum_len = spec.dimension().saturating_mul(spec.shares()?.field.bytes());
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
