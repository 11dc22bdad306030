//! How a site answers a round with nodes: it compares specs with them, and sends each its share.

use std::time::Duration;

use haima_crypto::encode::Canonical;
use haima_smpc_node::client::NodeClient;
use haima_smpc_node::epoch::Epoch;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::submission::Submission;
use haima_smpc_node::unix_millis;

use super::answer::Hospital;
use crate::Error;

const RETRY: Duration = Duration::from_millis(300);
/// Until a node that could not take a submission in is sent it again.
const BUSY: Duration = Duration::from_secs(2);

/// The nodes as a site calls them.
pub(super) struct Nodes {
    clients: Vec<NodeClient>,
    /// Their epoch, once it was asked for.
    epoch: Option<Epoch>,
}

impl Nodes {
    pub(super) fn new(clients: Vec<NodeClient>) -> Self {
        Self { clients, epoch: None }
    }

    /// Rule R8: the nodes must know this very spec for the step and attempt. A node that cannot be
    /// reached says nothing; at least one must answer.
    ///
    /// # Errors
    /// [`Error::Refused`] in the name of `site`.
    pub(super) async fn compare(&self, spec: &RoundSpec, site: &str) -> Result<(), Error> {
        let round = spec.digest();
        let refuse =
            |reason: String| Error::Refused { site: site.to_owned(), round: round.short(), reason };
        let mut asked = tokio::task::JoinSet::new();
        for node in self.clients.clone() {
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
    ///
    /// # Errors
    /// Of the last node that did not take its share in.
    pub(super) async fn send(
        &self,
        spec: &RoundSpec,
        submission: Submission,
    ) -> Result<u64, Error> {
        let Submission { header, public, sealed } = submission;
        let mut sending = tokio::task::JoinSet::new();
        for (node, share) in self.clients.iter().cloned().zip(sealed) {
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

    /// The epoch that a round names. Its record is signed by all nodes, so it may come from any of
    /// them.
    ///
    /// # Errors
    /// [`Error::Refused`] when no node shows it.
    pub(super) async fn epoch(
        &mut self,
        spec: &RoundSpec,
        hospital: &Hospital,
    ) -> Result<&Epoch, Error> {
        let known = &mut self.epoch;
        if known.as_ref().is_none_or(|epoch| epoch.digest != spec.epoch) {
            *known = None;
            for node in &self.clients {
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
}

/// After what pause a share is sent again; `None` when the node will not have it.
fn again_after(error: &haima_smpc_node::Error) -> Option<Duration> {
    match error {
        haima_smpc_node::Error::Unreachable { .. } => Some(RETRY),
        haima_smpc_node::Error::Refused { for_now: true, .. } => Some(BUSY),
        _ => None,
    }
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
