//! The rounds of a study and how far its tasks are, from the specs that were announced and the
//! coordinator's journal.

use std::collections::BTreeMap;

use haima_crypto::encode::{Canonical as _, Digest};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::record::AuditRecord;
use haima_smpc_node::spec::{RoundEvent, RoundSpec};

use crate::coordinator::before::STOPPED;

/// A round that was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) digest: Digest,
    pub(super) number: u64,
    /// Manifest id.
    pub(super) task: String,
    /// From 0.
    pub(super) step: u32,
    /// From 0.
    pub(super) attempt: u32,
    /// Without noise.
    pub(super) exact: bool,
    /// Coordinates.
    pub(super) dimension: u64,
    /// Of submissions, unix milliseconds.
    pub(super) deadline_ms: u64,
    /// Unix milliseconds.
    pub(super) opened_ms: Option<u64>,
    pub(super) end: Option<End>,
    /// When the coordinator stopped at it, unix milliseconds, and who had refused it.
    pub(super) stops: Vec<(u64, String)>,
    /// What else the journal says of it: kind and whom.
    pub(super) remarks: Vec<(String, String)>,
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Unix milliseconds.
    pub(super) at_ms: u64,
    pub(super) released: bool,
    /// Over how many sites, or why it failed.
    pub(super) text: String,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Manifest id.
    pub(super) task: String,
    /// Steps that were released.
    pub(super) released: u32,
    /// Attempts that failed.
    pub(super) failed: u32,
    /// Times at which the coordinator stopped at a round of it.
    pub(super) stopped: u32,
    /// Most steps of the task.
    pub(super) most: u32,
    pub(super) state: State,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No round of it yet.
    Waits,
    /// It is the last one that rounds were opened for.
    Runs,
    /// It has a result.
    Done,
    /// Rounds of later tasks came, or the study ended, and no result is known here.
    Over,
}

impl State {
    /// In words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Runs => "runs",
            Self::Done => "done",
            Self::Over => "over",
        }
    }
}

/// The rounds, in the order in which they were announced.
pub(super) fn rounds(specs: &[RoundSpec], records: &[AuditRecord]) -> Vec<Round> {
    let mut of_round = BTreeMap::<Digest, Vec<&AuditRecord>>::new();
    for record in records {
        of_round.entry(record.round).or_default().push(record);
    }
    let round = |spec: &RoundSpec| {
        let digest = spec.digest();
        let mut round = Round {
            digest,
            number: spec.number,
            task: spec.task_id.clone(),
            step: spec.step,
            attempt: spec.attempt,
            exact: spec.event == RoundEvent::Exact,
            dimension: spec.dimension() as u64,
            deadline_ms: spec.deadline_ms,
            opened_ms: None,
            end: None,
            stops: Vec::new(),
            remarks: Vec::new(),
        };
        for record in of_round.get(&digest).into_iter().flatten() {
            round.take(record);
        }
        round
    };
    specs.iter().map(round).collect()
}

impl Round {
    fn take(&mut self, record: &AuditRecord) {
        match record.kind.as_str() {
            "opened" => self.opened_ms = self.opened_ms.or(Some(record.at_ms)),
            kind @ ("released" | "failed") => {
                let released = kind == "released";
                let (at_ms, text) = (record.at_ms, record.text.clone());
                self.end = Some(End { at_ms, released, text });
            }
            STOPPED => self.stops.push((record.at_ms, record.text.clone())),
            // Which sites a sum is over is told by the release.
            "accepted" => {}
            kind => self.remarks.push((kind.to_owned(), record.subject.clone())),
        }
    }

    /// From its opening to its end, in seconds.
    pub(super) fn took(&self) -> Option<f64> {
        let (opened, end) = (self.opened_ms?, self.end.as_ref()?);
        Some(end.at_ms.saturating_sub(opened) as f64 / 1000.0)
    }
}

/// How far the tasks of a manifest are; `done` says of which a result is known.
pub(super) fn progress(
    manifest: &Manifest,
    rounds: &[Round],
    ended: bool,
    done: impl Fn(&str) -> bool,
) -> Vec<Progress> {
    let last = rounds.last().map(|round| round.task.as_str());
    let of_task = |task: &str| {
        let own = || rounds.iter().filter(|round| round.task == task);
        let ends = || own().filter_map(|round| round.end.as_ref());
        let count = |released: bool| ends().filter(|end| end.released == released).count();
        let state = match own().next() {
            _ if done(task) => State::Done,
            None if ended => State::Over,
            None => State::Waits,
            Some(_) if !ended && last == Some(task) => State::Runs,
            Some(_) => State::Over,
        };
        let stopped = own().map(|round| round.stops.len()).sum();
        ([count(true), count(false), stopped], state)
    };
    let tasks = manifest.tasks.iter().map(|entry| {
        let (counts, state) = of_task(&entry.id);
        let [released, failed, stopped] =
            counts.map(|count: usize| u32::try_from(count).unwrap_or(u32::MAX));
        Progress { task: entry.id.clone(), released, failed, stopped, most: entry.max_steps, state }
    });
    tasks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::refusals::tests::{first_spec, manifest};

    #[test]
    fn a_round_that_was_taken_up_again_shows_the_stop_and_is_one_round() {
        let manifest = manifest();
        let spec = first_spec(&manifest);
        let record = |kind: &str, at_ms: u64, text: &str| AuditRecord {
            party: "coordinator".into(),
            at_ms,
            kind: kind.into(),
            round: spec.digest(),
            subject: spec.task_id.clone(),
            digest: Digest::default(),
            text: text.into(),
        };
        let records = [
            record("opened", 1000, ""),
            record(STOPPED, 3000, "north (manual_approval)"),
            record("released", 9000, "4 sites"),
        ];
        let rounds = rounds(std::slice::from_ref(&spec), &records);
        let [round] = rounds.as_slice() else { panic!("{rounds:?}") };
        assert_eq!(round.stops, [(3000, "north (manual_approval)".to_owned())]);
        assert!(round.end.as_ref().unwrap().released && round.remarks.is_empty());
        assert_eq!(round.took(), Some(8.0));
        let tasks = progress(&manifest, &rounds, true, |_| true);
        let task = tasks.iter().find(|task| task.task == spec.task_id).unwrap();
        assert_eq!((task.released, task.failed, task.stopped), (1, 0, 1));
    }
}
