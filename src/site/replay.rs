//! A site recomputes every question for itself (rule X3).
//!
//! The question of step t must be what the task makes of the releases of steps 0 to t-1, from the
//! task's fixed start. With nodes each is signed by all of them, so a coordinator can neither choose
//! an iterate nor show one hospital another model. In masked mode the sums are the coordinator's word:
//! it can choose, but once a step: all hospitals of a round see the same, who is in a sum is signed by
//! them, and a hospital goes on from one sum of a step for good, by its journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use haima_crypto::encode::{Canonical as _, Digest, from_hex};
use haima_fl_core::task::{Query, Run};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::record::AuditRecord;
use haima_smpc_node::spec::RoundSpec;

use super::framework::RoundSum;
use crate::Error;
use crate::sum::plan::{absorbable, open_run};
use crate::sum::release::Release;

/// Where releases come from: task, run, step to canonical bytes; `None` when there is none.
pub(super) trait Releases {
    fn release(
        &mut self,
        task: &str,
        run: u32,
        step: u32,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, Error>> + Send;
}

/// The site's own copy of the study's public state.
pub(super) struct Replay {
    manifest: Arc<Manifest>,
    /// The release that this site went on from, by manifest and `task/run/step`.
    known: BTreeMap<(Digest, String), Digest>,
    /// Those of them that are not on its disk yet.
    fresh: Vec<Absorbed>,
    run: Option<u32>,
    finished: BTreeMap<String, serde_json::Value>,
    /// Tasks of the run whose released sums, all of them, lead to no result.
    without: BTreeSet<String>,
    current: Option<Current>,
    /// The task whose sums a program beside the site waits for.
    told: Option<String>,
    /// The last of these sums, until it is told.
    sum: Option<RoundSum>,
}

/// A release that a site goes on from.
pub(super) struct Absorbed {
    pub(super) round: Digest,
    /// `task/run/step`.
    pub(super) place: String,
    /// What the next step names as the release before it.
    pub(super) digest: Digest,
}

/// The one question of a step.
pub(super) struct Question<'a> {
    pub(super) query: Query,
    pub(super) run: &'a dyn Run,
    /// Releases that it follows from and that are to be written down before it is answered: whoever
    /// tells this site another one of a step later is refused.
    pub(super) fresh: Vec<Absorbed>,
    /// The last sum that a program beside the site is to be told, once that is done.
    pub(super) sum: Option<RoundSum>,
}

/// Kind of the journal's record of a release that a site goes on from.
pub(super) const ABSORBED: &str = "went on from";

struct Current {
    task: String,
    run: u32,
    step: u32,
    previous: Digest,
    state: Box<dyn Run>,
}

impl Replay {
    /// `records` are those of the site's journal.
    pub(super) fn new(manifest: Arc<Manifest>, records: &[AuditRecord]) -> Self {
        let known = records.iter().filter(|record| record.kind == ABSORBED).filter_map(|record| {
            let manifest = Digest::from_bytes(from_hex(&record.text).ok()?);
            Some(((manifest, record.subject.clone()), record.digest))
        });
        let known = known.collect();
        let (finished, fresh) = (BTreeMap::new(), Vec::new());
        let without = BTreeSet::new();
        let (run, current, told, sum) = (None, None, None, None);
        Self { manifest, known, fresh, run, finished, without, current, told, sum }
    }

    /// Keeps the sums of a task for a program beside the site.
    pub(super) fn tell(&mut self, task: &str) {
        self.told = Some(task.to_owned());
    }

    /// Takes in what was released since of the run that a program beside the site waits for, if it is
    /// there by now.
    ///
    /// # Errors
    /// As [`Replay::question`].
    pub(super) async fn follow(
        &mut self,
        releases: &mut impl Releases,
    ) -> Result<(Vec<Absorbed>, Option<RoundSum>), Error> {
        if self.current.as_ref().is_some_and(|current| self.told.as_ref() == Some(&current.task)) {
            self.advance(releases).await?;
        }
        Ok((std::mem::take(&mut self.fresh), self.sum.take()))
    }

    /// Brings the replay to the step of a spec and returns the one question that belongs there.
    ///
    /// # Errors
    /// When a release is missing, not signed by all nodes, or not of the run; or when the spec
    /// builds on another release.
    pub(super) async fn question(
        &mut self,
        spec: &RoundSpec,
        releases: &mut impl Releases,
    ) -> Result<Question<'_>, Error> {
        if self.run != Some(spec.run) {
            // Another run has results of its own.
            (self.run, self.current) = (Some(spec.run), None);
            self.finished.clear();
            self.without.clear();
        }
        self.finish_earlier_tasks(spec, releases).await?;
        self.open(&spec.task_id, spec.run)?;
        while self.current.as_ref().is_some_and(|current| current.step < spec.step) {
            if !self.advance(releases).await? {
                return Err(refuse(spec, "an earlier release of this run is missing"));
            }
        }
        let current = self.current.as_ref().filter(|current| current.step == spec.step);
        let current = current.ok_or_else(|| refuse(spec, "the run has gone on to a later step"))?;
        if current.previous != spec.previous {
            return Err(refuse(spec, "it builds on another release than the one before (X3)"));
        }
        let query = current.state.query();
        let query = query.ok_or_else(|| refuse(spec, "the run ended before this step (X3)"))?;
        let (fresh, sum) = (std::mem::take(&mut self.fresh), self.sum.take());
        Ok(Question { query, run: current.state.as_ref(), fresh, sum })
    }

    /// Tasks before this one in the manifest: their results may be parameters of this one.
    async fn finish_earlier_tasks(
        &mut self,
        spec: &RoundSpec,
        releases: &mut impl Releases,
    ) -> Result<(), Error> {
        let earlier: Vec<String> = self
            .manifest
            .tasks
            .iter()
            .map(|entry| entry.id.clone())
            .take_while(|id| *id != spec.task_id)
            .filter(|id| !self.finished.contains_key(id) && !self.without.contains(id))
            .collect();
        for task in earlier {
            // A task that has not ended was not run, or cannot be fitted, here as at the coordinator;
            // this one does without it.
            match self.finish(&task, spec.run, releases).await {
                Ok(()) => {}
                Err(Error::Task(error)) => {
                    tracing::debug!(%task, %error, "no result of an earlier task");
                    self.without.insert(task);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        task: &str,
        run: u32,
        releases: &mut impl Releases,
    ) -> Result<(), Error> {
        self.open(task, run)?;
        while !self.finished.contains_key(task) && self.advance(releases).await? {}
        Ok(())
    }

    fn open(&mut self, task: &str, run: u32) -> Result<(), Error> {
        let there = self.current.as_ref().is_some_and(|c| c.task == task && c.run == run);
        if !there {
            let state = open_run(&self.manifest, self.manifest.task(task)?, &self.finished)?;
            let (task, previous) = (task.to_owned(), Digest::default());
            self.current = Some(Current { task, run, step: 0, previous, state });
        }
        Ok(())
    }

    /// Absorbs the next release of the current run; `false` when there is none.
    async fn advance(&mut self, releases: &mut impl Releases) -> Result<bool, Error> {
        let Some(current) = self.current.as_mut() else { return Ok(false) };
        let Some(query) = current.state.query() else { return Ok(false) };
        let bytes = releases.release(&current.task, current.run, current.step).await?;
        let Some(bytes) = bytes else { return Ok(false) };
        let release = Release::read(&bytes, &self.manifest)?;
        let spec = &release.spec;
        let place = (spec.task_id.as_str(), spec.run, spec.step);
        if place != (current.task.as_str(), current.run, current.step)
            || spec.manifest != self.manifest.digest()
            || spec.query != crate::sum::plan::query_digest(&query)
            || spec.previous != current.previous
        {
            return Err(refuse(spec, "a release served for this run is not of it (X3)"));
        }
        let (round, digest) = (spec.digest(), release.digest);
        let place = format!("{}/{}/{}", current.task, current.run, current.step);
        let key = (spec.manifest, place.clone());
        match self.known.get(&key) {
            Some(known) if *known == digest => {}
            Some(_) => {
                let reason = "another sum than the one that this site went on from before (X3)";
                return Err(refuse(spec, reason));
            }
            None => {}
        }
        let told = self.told.as_ref() == Some(&current.task);
        let accepted = if told { release.accepted.clone() } else { Vec::new() };
        let absorbed =
            absorbable(&query, release).and_then(|sum| Ok((current.state.absorb(&sum)?, sum)));
        let (output, sum) = match absorbed {
            Ok(absorbed) => absorbed,
            Err(error) => {
                // The run begins anew with the next question.
                self.current = None;
                return Err(error);
            }
        };
        if self.known.insert(key, digest).is_none() {
            self.fresh.push(Absorbed { round, place, digest });
        }
        current.previous = digest;
        current.step += 1;
        if told {
            self.sum = Some(RoundSum { round: current.step, attempt: round, accepted, sum });
        }
        if let Some(output) = output {
            self.finished.insert(current.task.clone(), output);
        }
        Ok(true)
    }
}

fn refuse(spec: &RoundSpec, reason: &str) -> Error {
    Error::Refused {
        site: "this site".into(),
        round: spec.digest().short(),
        reason: reason.to_owned(),
    }
}
