//! Progress of a study, one JSON object a line, for whoever watches: the demo, a script, a test.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haima_crypto::encode::Canonical;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::spec::{RoundEvent, RoundSpec};
use serde::{Deserialize, Serialize};

use crate::sum::release::Release;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// So many sites have joined.
    Joined {
        /// Sites there.
        sites: usize,
        /// Sites of the manifest.
        of: usize,
    },
    /// A task begins.
    TaskStarted {
        /// Manifest id.
        task: String,
        /// Most steps of it.
        max_steps: u32,
    },
    /// A round is open.
    Opened(Round),
    /// A round was released.
    Released {
        /// The round.
        round: Round,
        /// Accepted sites.
        accepted: Vec<String>,
        /// Other sites of the roster.
        left_out: Vec<String>,
        /// Those of them whose proof failed: the site or a node deviated (rule R3).
        #[serde(default)]
        refused: Vec<String>,
        /// From opening to release.
        seconds: f64,
        /// Bytes of the release.
        bytes_released: u64,
    },
    /// An attempt failed.
    Failed {
        /// The round.
        round: Round,
        /// From opening to failure.
        seconds: f64,
        /// Why.
        reason: String,
    },
    /// A task ended with a result.
    TaskDone {
        /// Manifest id.
        task: String,
        /// The result, as JSON.
        result: serde_json::Value,
    },
    /// The study has ended; the report is written.
    Done,
}

/// A round, by its public particulars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Number in the study.
    pub number: u64,
    /// Manifest id of the task.
    pub task: String,
    /// Step, from 0.
    pub step: u32,
    /// Attempt, from 0.
    pub attempt: u32,
    /// Digest of the spec, hexadecimal.
    pub digest: String,
    /// Without noise.
    pub exact: bool,
    /// Coordinates.
    pub dimension: u64,
}

impl Round {
    fn of(spec: &RoundSpec) -> Self {
        Self {
            number: spec.number,
            task: spec.task_id.clone(),
            step: spec.step,
            attempt: spec.attempt,
            digest: spec.digest().to_string(),
            exact: spec.event == RoundEvent::Exact,
            dimension: spec.dimension() as u64,
        }
    }
}

impl Event {
    /// A round was opened.
    #[must_use]
    pub fn opened(spec: &RoundSpec) -> Self {
        Self::Opened(Round::of(spec))
    }

    /// An attempt failed.
    #[must_use]
    pub fn failed(spec: &RoundSpec, took: Duration, reason: &str) -> Self {
        Self::Failed {
            round: Round::of(spec),
            seconds: took.as_secs_f64(),
            reason: reason.to_owned(),
        }
    }

    /// A round was released.
    #[must_use]
    pub fn released(
        release: &Release,
        manifest: &Manifest,
        took: Duration,
        bytes_released: u64,
    ) -> Self {
        let refused: Vec<String> = release.refused().map(str::to_owned).collect();
        let accepted = release.accepted.clone();
        let left_out = manifest
            .sites
            .iter()
            .map(|site| &site.name)
            .filter(|name| !accepted.contains(name))
            .cloned()
            .collect();
        Self::Released {
            round: Round::of(&release.spec),
            accepted,
            left_out,
            refused,
            seconds: took.as_secs_f64(),
            bytes_released,
        }
    }
}

/// Where events go: to a watcher, and into a log from which the report is made.
#[derive(Clone, Debug)]
pub struct Events {
    to: Sender<Event>,
    log: Arc<Mutex<Vec<Event>>>,
}

impl Events {
    /// Events into a channel.
    #[must_use]
    pub fn new(to: Sender<Event>) -> Self {
        Self { to, log: Arc::default() }
    }

    /// Tells one; a watcher that has gone is nobody's concern.
    pub fn tell(&self, event: Event) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        let _ = self.to.send(event);
    }

    /// Takes one in that was told before this start: it belongs into the report, and is no news.
    pub fn keep(&self, event: Event) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// The accepted sites of the first sum without noise, once there is one (rule X2).
    #[must_use]
    pub fn first_exact(&self) -> Option<Vec<String>> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().find_map(|event| match event {
            Event::Released { round, accepted, .. } if round.exact => Some(accepted.clone()),
            _ => None,
        })
    }

    /// All events so far.
    #[must_use]
    pub fn log(&self) -> Vec<Event> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
