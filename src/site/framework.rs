//! A site whose vectors of one task come from a program beside it, over a local socket.
//!
//! The socket and its mailbox are [`crate::sum::socket`]; here they meet a site's rounds: how long a
//! round waits for the program, and what the program is told when a sum is there. The site's checks,
//! charges and proofs are those of any task.
//!
//! A round waits for its vector, so the moment of submission follows the program, to the tick of the
//! spec (rule S5): where the time of training tells of patients, the study's `tick_ms` is to be longer
//! than it. A program that does not come gives zeros.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haima_fl_core::selection;
use haima_fl_core::sum::Sum;
use haima_fl_core::tasks::vector_sum::{self, VectorSum};
use haima_smpc_node::manifest::{Class as Kind, Manifest, TaskEntry};
use haima_smpc_node::masking::Mode;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::unix_millis;
use tokio::time::Instant;

use crate::Error;
use crate::sum::socket::frame::Class;
use crate::sum::socket::mailbox::{Mailbox, Vector};

/// A released sum with the round, from 1, that it is of.
pub(super) type RoundSum = (u32, Sum);

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

    /// The vector for a round, or `None` where the round is of another task or none came in time.
    pub(super) async fn vector(&self, spec: &RoundSpec) -> Option<Vector> {
        if spec.task_id != self.task {
            return None;
        }
        let left = Duration::from_millis(spec.deadline_ms.saturating_sub(unix_millis()));
        let patience = match self.mode {
            Mode::Nodes => left * 2 / 3,
            // A site's shares come first, and have half of the time.
            Mode::Masked => left / 3,
        };
        let round = spec.step.saturating_add(1);
        let vector = self.mailbox.vector(round, Instant::now() + patience).await;
        if vector.is_none() {
            tracing::warn!(round, task = %self.task, "no vector came in time: zeros are sent");
        }
        vector
    }

    /// Gives a sum to whoever waits for it.
    pub(super) fn release(&self, sum: Option<RoundSum>) {
        if let Some((round, sum)) = sum {
            self.mailbox.release(round, &sum);
        }
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
