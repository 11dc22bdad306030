//! A task over sums that are added in this process: exact, or with simulated noise.
//!
//! The noise has the distribution and the scale of the nodes', but comes from public seeds, so that
//! the figures are the same on every machine: such a run protects nobody, and is not the path that
//! a study takes. All hospitals share one run of the task, which replays what each would replay.

use std::num::NonZeroU64;

use haima_dp::accountant::Bound;
use haima_dp::calibrate::Target;
use haima_dp::event::Event;
use haima_dp::gauss::DiscreteGaussian;
use haima_dp::noise::{NoiseRng, noise_stream};
use haima_dp::plan::CommittedPlan;
use haima_dp::units::{Adjacency, Delta, Epsilon, Sensitivity, Sigma};
use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{Draws, Sum};
use haima_fl_core::task::{Query, Run, Site, SiteState};
use serde_json::Value;

use super::columns::fault;
use super::holdout::spread;
use crate::Error;

/// Nodes, each of which adds the noise of the whole target.
pub(super) const NODES: usize = 3;
/// Seeds of the noise.
pub(super) const SEEDS: u8 = 10;
/// R's `qt(0.975, 9)`.
const T: f64 = 2.262_157_162_740_992;
const MAX_PATIENTS: u64 = 10_000;

/// A task with its parameters and the public schema.
pub(super) struct Question {
    pub(super) task: &'static str,
    pub(super) params: toml::Table,
    pub(super) schema: Schema,
}

/// Noise of so many nodes, each of scale `s` in grid steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    pub(super) s: u64,
    pub(super) nodes: usize,
    pub(super) seed: u8,
}

impl Question {
    fn open(&self) -> Result<Box<dyn Run>, haima_fl_core::Error> {
        registry::open(self.task, 1, &self.params, &self.schema, &Finished::new())
    }

    /// The first query, and how many sums the task takes: as it says itself, or, being public, counted
    /// on empty ones.
    pub(super) fn plan(&self) -> Result<(Query, u64), Error> {
        let mut run = self.open()?;
        let first = run.query().ok_or(haima_fl_core::Error::RunOver)?;
        if let Some(sums) = run.sums() {
            return Ok((first, sums.into()));
        }
        let mut steps = 0;
        while let Some(query) = run.query() {
            run.absorb(&Sum::new(&query, vec![0; query.dimension()], 1)?)?;
            steps += 1;
        }
        Ok((first, steps))
    }

    /// The task's result over the sums of these hospitals. `state` is what a hospital keeps between
    /// rounds; the tasks here keep nothing of a patient, so all hospitals and all fits share one.
    pub(super) fn fit(
        &self,
        cohorts: &[Cohort],
        noise: Option<Noise>,
        state: &mut SiteState,
    ) -> Result<Value, Error> {
        let Noise { s, nodes, seed } = noise.unwrap_or(Noise { s: 1, nodes: 0, seed: 0 });
        let mut bytes = [0; 32];
        bytes[0] = seed;
        let (gauss, mut generator) = (DiscreteGaussian::new(s)?, noise_stream(&bytes));
        let mut run = self.open()?;
        loop {
            let query = run.query().ok_or(haima_fl_core::Error::RunOver)?;
            if query.rate < 1.0 {
                return Err(fault(&query.task, "samples patients, which is not simulated here"));
            }
            let mut total = added(run.as_ref(), &query, cohorts, state, &mut generator)?;
            for value in &mut total {
                let node = |_| i128::from(gauss.sample(&mut generator));
                *value += (0..nodes).map(node).sum::<i128>();
            }
            let sites = u32::try_from(cohorts.len()).unwrap_or(u32::MAX);
            let mut sum = Sum::new(&query, total, sites)?;
            if let Some(noise) = noise {
                sum = sum.noised(Draws { s: noise.s, count: noise.nodes as u32 });
            }
            if let Some(result) = run.absorb(&sum)? {
                return Ok(result);
            }
        }
    }
}

/// The hospitals' answers to the run's query, added.
fn added(
    run: &dyn Run,
    query: &Query,
    cohorts: &[Cohort],
    state: &mut SiteState,
    generator: &mut NoiseRng,
) -> Result<Vec<i128>, Error> {
    let mut total = vec![0_i128; query.dimension()];
    for cohort in cohorts {
        let site = Site { cohort, capacity: 0, max_patients: MAX_PATIENTS, min_local_rows: 1 };
        let answer = run.contribute(&site, state, generator)?;
        total.iter_mut().zip(answer.values.iter()).for_each(|(sum, x)| *sum += i128::from(*x));
    }
    Ok(total)
}

/// The scale of one node's noise with which `steps` sums meet the target against all other nodes
/// together, with the figure that it meets: the tightest of a committed plan.
pub(super) fn calibrated(
    (epsilon, delta): (f64, f64),
    query: &Query,
    steps: u64,
) -> Result<(u64, Bound), Error> {
    let none = || fault(&query.task, "a query without a sensitivity cannot be noised");
    let target = Target {
        epsilon: Epsilon::new(epsilon)?,
        delta: Delta::new(delta)?,
        adjacency: Adjacency::AddRemove,
    };
    let sensitivity = Sensitivity::new(query.sensitivity.ok_or_else(none)?)?;
    let dimension = NonZeroU64::new(query.dimension() as u64).ok_or_else(none)?;
    let plan = |s: f64| -> haima_dp::Result<Event> {
        let s = Sigma::new(s)?;
        Ok(Event::DiscreteGaussian { s, sensitivity, dimension }.times(steps))
    };
    let d = sensitivity.get() as f64;
    let s = (target.noise(|multiplier| plan(multiplier.get() * d))?.get() * d).ceil();
    let bound = CommittedPlan::new(plan(s)?, [0; 32])?.best(target.adjacency, target.delta)?;
    Ok((s as u64, bound))
}

/// Mean of [`SEEDS`] figures with its 95 % interval by Student's t, and their SD.
pub(super) fn interval(figures: &[f64], digits: usize) -> String {
    let (mean, sd) = spread(figures);
    let half = T * sd / f64::from(SEEDS).sqrt();
    let (low, high) = (mean - half, mean + half);
    format!("{mean:.digits$} (95 % interval {low:.digits$} to {high:.digits$}, SD {sd:.digits$})")
}

/// Whom a bound is against, in words.
pub(super) fn against(bound: &Bound, delta: f64) -> String {
    format!("{:.4} at delta {delta:e}, by {}", bound.value, bound.method)
}
