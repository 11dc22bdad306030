//! The plan of a study: every private release that its manifest commits to, and nothing else.
//!
//! A figure for a whole run holds only for what was fixed beforehand (rule L2): for each private
//! task its steps, its spare attempts (rule L1), the noise, the sampling rate, the sensitivity and
//! the dimension. The plan follows from the manifest's tasks, and its digest stands in the manifest,
//! which is refused when the two differ; so every round, and with it every entry of every ledger and
//! journal, is bound to the plan. As a file it is for people and for accountants; only its canonical
//! encoding is hashed.

use std::num::{NonZeroU32, NonZeroU64};

use haima_crypto::encode::{Digest, Encoder};
use haima_dp::event::Event;
use haima_dp::ledger::Cost;
use haima_dp::noise::{Noise, NoiseScale};
use haima_dp::units::{Delta, Epsilon, Sensitivity};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::manifest::{Manifest, NoisePlan, TaskEntry};

/// All private releases of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Format of this file: 1.
    pub version: u32,
    /// Name of the study.
    pub study: String,
    /// Private tasks, in the manifest's order.
    #[serde(rename = "task", default)]
    pub tasks: Vec<TaskPlan>,
}

/// What a task's plan costs under the filter that its noise was calibrated for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charged {
    /// All attempts, in the filter's unit, against the coalition.
    pub cost: Cost,
    /// The same as an epsilon at the task's delta.
    pub epsilon: Epsilon,
}

/// The releases of one private task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskPlan {
    /// Id in the manifest.
    pub id: String,
    /// T: most steps of a run.
    pub steps: u32,
    /// R: attempts beyond one a step.
    pub spare_attempts: u32,
    /// Rate, noise, sensitivity, dimension, delta and filter of each attempt.
    pub noise: NoisePlan,
}

impl TaskPlan {
    /// T + R: all attempts that are planned for, used or not (rules L1, L2).
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.steps.saturating_add(self.spare_attempts)
    }

    /// One attempt as the coalition sees it: all nodes but one, or c sites in masked mode, the
    /// coordinator and all other sites (rules N1, M2).
    ///
    /// # Errors
    /// When a figure is out of range.
    pub fn attempt(&self) -> Result<Event, Error> {
        self.attempt_against(self.noise.draws)
    }

    /// One attempt as whoever faces so many draws of noise sees it: for readers of the released sums
    /// see [`Manifest::draws`].
    ///
    /// # Errors
    /// When a figure is out of range.
    pub fn attempt_against(&self, draws: u32) -> Result<Event, Error> {
        let NoisePlan { s, sensitivity, dimension, .. } = self.noise;
        let fault = |problem: &str| Error::Manifest {
            field: Some(format!("noise of task {}", self.id)),
            problem: problem.into(),
        };
        let draws = NonZeroU32::new(draws).ok_or_else(|| fault("no draw of it"))?;
        let dimension = NonZeroU64::new(dimension).ok_or_else(|| fault("no coordinate"))?;
        let noise = Noise { draws, s: NoiseScale::new(s)? };
        let event = Event::discrete_gaussian(noise, Sensitivity::new(sensitivity)?, dimension);
        Ok(if self.noise.q == 1.0 { event } else { event.poisson(self.noise.q)? })
    }

    /// What a ledger is charged if all attempts are used.
    ///
    /// # Errors
    /// When a figure is out of range.
    pub fn charged(&self) -> Result<Charged, Error> {
        let (filter, delta) = (self.noise.filter()?, Delta::new(self.noise.delta)?);
        let one = filter.cost(&self.attempt()?).ok_or_else(|| Error::Manifest {
            field: Some(format!("noise of task {}", self.id)),
            problem: format!("{filter} has no figure for it"),
        })?;
        let cost = one.times(self.attempts());
        Ok(Charged { cost, epsilon: cost.epsilon(delta) })
    }
}

impl Plan {
    /// The plan that a manifest's tasks have.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        Self::of_tasks(&manifest.study, &manifest.tasks)
    }

    /// The plan of a study with these tasks.
    #[must_use]
    pub fn of_tasks(study: &str, tasks: &[TaskEntry]) -> Self {
        let private = tasks.iter().filter_map(|task| {
            Some(TaskPlan {
                id: task.id.clone(),
                steps: task.max_steps,
                spare_attempts: task.spare_attempts,
                noise: task.noise?,
            })
        });
        Self { version: 1, study: study.to_owned(), tasks: private.collect() }
    }

    /// Digest of the canonical encoding.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut to = Encoder::new("haima plan 2");
        to.u32(self.version).str(&self.study).count(self.tasks.len());
        for task in &self.tasks {
            to.str(&task.id).u32(task.steps).u32(task.spare_attempts);
            task.noise.encode(&mut to);
        }
        Digest::of(&to.finish())
    }
}
