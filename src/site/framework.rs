//! A site whose vectors of one task come from a program beside it, over a local socket.
//!
//! The socket and its mailbox are [`crate::sum::socket`]; here they meet a site's rounds: how long a
//! round waits for the program, and what the program is told when a sum is there. The site's checks,
//! charges and proofs are those of any task.
//!
//! A round waits for its vector, so the moment of submission follows the program, to the tick of the
//! spec (rule S5): where the time of training tells of patients, the study's `tick_ms` is to be longer
//! than it. A program that does not come gives zeros.
//!
//! The program is told of a sum how its own vector stands in it. That is what this site noted when it
//! made its answer, on disk before any of it was sent, where the released sum names this site among
//! those that are in it; else the vector is not in it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haima_crypto::encode::Digest;
use haima_fl_core::selection;
use haima_fl_core::sum::Sum;
use haima_fl_core::tasks::vector_sum::{self, Standing, VectorSum};
use haima_smpc_node::manifest::{Class as Kind, Manifest, TaskEntry};
use haima_smpc_node::masking::Mode;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::unix_millis;
use tokio::time::Instant;

use super::answer::Hospital;
use super::daemon::Site;
use crate::Error;
use crate::proto;
use crate::sum::socket::frame::Class;
use crate::sum::socket::mailbox::{Mailbox, Vector};

/// How often a site asks for a sum that a program beside it waits for.
const FOLLOW: Duration = Duration::from_millis(500);

/// A released sum of a task beside which a program runs.
pub(super) struct RoundSum {
    /// The round as the program counts it, from 1.
    pub(super) round: u32,
    /// Digest of the spec that was answered: which attempt at the round it is.
    pub(super) attempt: Digest,
    /// Sites whose answers are in it.
    pub(super) accepted: Vec<String>,
    pub(super) sum: Sum,
}

impl RoundSum {
    /// How the own vector of a site stands in it, by what the site noted of its answer.
    fn own(&self, site: &str, noted: Option<Standing>) -> Standing {
        let accepted = self.accepted.iter().any(|name| name == site);
        // Without a note the site answered without its program, or not at all.
        noted.filter(|_| accepted).unwrap_or(Standing::Absent)
    }
}

/// What a program beside a site gave for a round.
pub(super) struct Offered {
    mailbox: Arc<Mailbox>,
    /// `None` where none came in time.
    pub(super) vector: Option<Vector>,
}

impl Offered {
    /// How it stands in an answer that was made of it, or of zeros in its place.
    pub(super) fn standing(&self, zeros: bool) -> Standing {
        self.mailbox.standing(self.vector.as_ref(), zeros)
    }
}

/// The program beside a site.
#[derive(Debug)]
pub(super) struct Framework {
    task: String,
    mode: Mode,
    mailbox: Arc<Mailbox>,
}

impl Framework {
    /// For the task of this id, or the manifest's only one of its kind.
    ///
    /// # Errors
    /// When there is none, or it is not said which.
    pub(super) fn new(file: &Path, manifest: &Manifest, task: Option<&str>) -> Result<Self, Error> {
        let entry = choose(file, manifest, task)?;
        let mut params = entry.params.clone();
        params.remove(selection::KEY);
        let class = match entry.class {
            Kind::Exact => Class::Exact,
            Kind::Private => Class::Noised,
        };
        let mailbox = Mailbox::new(VectorSum::new(&params)?, &manifest.study, &entry.id, class);
        let (task, mode) = (entry.id.clone(), manifest.mode);
        Ok(Self { task, mode, mailbox: Arc::new(mailbox) })
    }

    /// Manifest id of the task.
    pub(super) fn task(&self) -> &str {
        &self.task
    }

    /// What the socket serves.
    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// The round as the program counts it, from 1; `None` where it is of another task.
    fn round(&self, spec: &RoundSpec) -> Option<u32> {
        (spec.task_id == self.task).then_some(spec.step.saturating_add(1))
    }

    /// What the program gives for a round; `None` where the round is of another task.
    pub(super) async fn offered(&self, spec: &RoundSpec) -> Option<Offered> {
        let round = self.round(spec)?;
        let left = Duration::from_millis(spec.deadline_ms.saturating_sub(unix_millis()));
        let patience = match self.mode {
            Mode::Nodes => left * 2 / 3,
            // A site's shares come first, and have half of the time.
            Mode::Masked => left / 3,
        };
        let vector = self.mailbox.vector(round, Instant::now() + patience).await;
        if vector.is_none() {
            tracing::warn!(round, task = %self.task, "no vector came in time: zeros are sent");
        }
        Some(Offered { mailbox: Arc::clone(&self.mailbox), vector })
    }

    /// The sum of a round is waited for, though the program is asked for no vector: this site answered
    /// before it was restarted, or does not answer.
    pub(super) fn expect(&self, spec: &RoundSpec) {
        if let Some(round) = self.round(spec) {
            self.mailbox.ask(round);
        }
    }

    /// Gives a sum to whoever waits for it; `noted` is what the site noted of its answer by attempt.
    pub(super) fn release(
        &self,
        sum: Option<RoundSum>,
        site: &str,
        noted: impl Fn(&Digest) -> Option<Standing>,
    ) {
        if let Some(sum) = sum {
            let own = sum.own(site, noted(&sum.attempt));
            self.mailbox.release(sum.round, &sum.sum, own);
        }
    }
}

impl Site {
    /// The next notice. While a program beside the site waits for a sum, the site looks for it.
    pub(super) async fn notice(
        &mut self,
        rounds: &mut tonic::Streaming<proto::Notice>,
    ) -> Result<Option<proto::Notice>, Error> {
        let mut follows = true;
        loop {
            let framework = self.framework.as_ref();
            let awaited = framework.is_some_and(|own| own.mailbox().awaits_sum());
            let look = if awaited && follows { Some(self.look()) } else { None };
            let came = first(rounds.message(), look).await;
            match came {
                First::Notice(notice) => return notice.map_err(|e| self.coordinator.error(&e)),
                First::Looked(looked) => follows = looked?,
            }
        }
    }

    async fn look(&mut self) -> Result<bool, Error> {
        tokio::time::sleep(FOLLOW).await;
        self.follow().await
    }

    /// Takes in a release that a program beside the site waits for, if it is there; whether it is worth
    /// while to look again before the next notice. Given up while it waits for the coordinator, it has
    /// changed nothing.
    pub(super) async fn follow(&mut self) -> Result<bool, Error> {
        let Some(framework) = &self.framework else { return Ok(false) };
        match self.replay.follow(&mut self.coordinator.clone()).await {
            Ok((fresh, sum)) => {
                self.hospital.journal_absorbed(&fresh)?;
                let Hospital { name, outbox, .. } = &self.hospital;
                framework.release(sum, name, |attempt| outbox.standing(attempt));
                Ok(true)
            }
            Err(Error::Node(haima_smpc_node::Error::Unreachable { .. })) => Ok(true),
            Err(error) => {
                tracing::warn!(%error, "a release cannot be taken in");
                Ok(false)
            }
        }
    }

    /// After a round for which the program beside the site was not asked (the site answered it before a
    /// restart, or refuses it): the program waits for its sum all the same.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) async fn attend(&mut self, spec: &RoundSpec) -> Result<(), Error> {
        let Some(framework) = &self.framework else { return Ok(()) };
        let round = framework.round(spec);
        let hospital = &self.hospital;
        if round.is_none()
            || round == framework.mailbox.awaited()
            || spec.check(&hospital.manifest, &hospital.name).is_err()
        {
            return Ok(());
        }
        match self.replay.question(spec, &mut self.coordinator.clone()).await {
            Ok(question) => {
                hospital.journal_absorbed(&question.fresh)?;
                let Hospital { name, outbox, .. } = hospital;
                framework.release(question.sum, name, |attempt| outbox.standing(attempt));
                framework.expect(spec);
            }
            // Its sum is known already, or cannot be.
            Err(error) => tracing::debug!(%error, "no sum of this round is waited for"),
        }
        Ok(())
    }
}

/// What came first.
#[derive(Debug, PartialEq)]
enum First<N, L> {
    Notice(N),
    Looked(L),
}

/// Waits for a notice, and meanwhile for a look at a release where one is due. A look is given up when a
/// notice comes, however slowly the coordinator serves the release: rounds and keys have deadlines.
async fn first<N, L>(
    notice: impl Future<Output = N>,
    look: Option<impl Future<Output = L>>,
) -> First<N, L> {
    let Some(look) = look else { return First::Notice(notice.await) };
    tokio::select! {
        notice = notice => First::Notice(notice),
        looked = look => First::Looked(looked),
    }
}

fn choose<'a>(
    file: &Path,
    manifest: &'a Manifest,
    task: Option<&str>,
) -> Result<&'a TaskEntry, Error> {
    let all: Vec<&TaskEntry> =
        manifest.tasks.iter().filter(|entry| entry.task == vector_sum::NAME).collect();
    let ids: Vec<&str> = all.iter().map(|entry| entry.id.as_str()).collect();
    let problem = match (task, all.as_slice()) {
        (_, []) => format!("the study has no task `{}`", vector_sum::NAME),
        (None, [one]) => return Ok(one),
        (None, _) => format!("name one of its sums with --task: {}", ids.join(", ")),
        (Some(id), all) => match all.iter().find(|entry| entry.id == id) {
            Some(entry) => return Ok(entry),
            None => format!("no sum `{id}` in the study; there is {}", ids.join(", ")),
        },
    };
    Err(Error::config(file, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: &str = "dimension = 1\nbound = 4.0\nrounds = 2\nfrac_bits = 8";

    fn framework() -> Framework {
        let task = VectorSum::new(&PARAMS.parse().unwrap()).unwrap();
        let mailbox = Arc::new(Mailbox::new(task, "study", "sums", Class::Exact));
        Framework { task: "sums".into(), mode: Mode::Nodes, mailbox }
    }

    fn sum_of(accepted: &[&str]) -> RoundSum {
        use haima_fl_core::task::Task as _;
        let task = VectorSum::new(&PARAMS.parse().unwrap()).unwrap();
        let sum = Sum::new(&task.query(&0), vec![256], 2).unwrap();
        let accepted = accepted.iter().map(|&name| name.to_owned()).collect();
        RoundSum { round: 1, attempt: Digest::of(b"attempt"), accepted, sum }
    }

    /// What a program is told of its own vector in a sum.
    async fn told(accepted: &[&str], noted: Option<Standing>) -> Standing {
        let framework = framework();
        let mailbox = Arc::clone(framework.mailbox());
        let asking =
            tokio::spawn(async move { mailbox.exchange(1, vec![1.0].into()).await.unwrap().1 });
        tokio::task::yield_now().await;
        let attempt = Digest::of(b"attempt");
        let noted = |of: &Digest| if *of == attempt { noted } else { None };
        framework.release(Some(sum_of(accepted)), "here", noted);
        asking.await.unwrap()
    }

    /// A strategy that takes its own vector out of a sum would else take out what is not in it.
    #[tokio::test]
    async fn a_vector_is_said_to_be_in_a_sum_only_where_its_sites_answer_is() {
        assert_eq!(told(&["here", "there"], Some(Standing::Whole)).await, Standing::Whole);
        assert_eq!(told(&["here", "there"], Some(Standing::Refused)).await, Standing::Refused);
        // Late, or its proof failed.
        assert_eq!(told(&["there"], Some(Standing::Whole)).await, Standing::Absent);
        // Another attempt was answered than the one that was released, or none.
        assert_eq!(told(&["here", "there"], None).await, Standing::Absent);
    }

    #[tokio::test]
    async fn a_notice_is_heard_while_a_release_does_not_come_to_its_end() {
        let soon = tokio::time::sleep(Duration::from_millis(20));
        let never = std::future::pending::<()>();
        assert_eq!(first(soon, Some(never)).await, First::Notice(()));
        let never = std::future::pending::<()>();
        let looked = async { true };
        assert_eq!(first(never, Some(looked)).await, First::Looked(true));
    }
}
