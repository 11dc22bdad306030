//! Fits under patient-level differential privacy, over sums with simulated noise.
//!
//! The noise has the distribution and the scale of the nodes', but comes from public seeds, so that
//! the figures are the same on every machine: such a run protects nobody, and is not the path that
//! a study takes. Steps and step sizes are those that the head of `fl-core/src/tasks/glm/noised.rs`
//! took from made-up cohorts, before these rows were seen.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use haima_dp::accountant::Bound;
use haima_dp::calibrate::Target;
use haima_dp::event::Event;
use haima_dp::gauss::DiscreteGaussian;
use haima_dp::noise::{NoiseRng, noise_stream};
use haima_dp::plan::CommittedPlan;
use haima_dp::units::{Adjacency, Delta, Epsilon, Sensitivity, Sigma};
use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{SecureSum, Sum, drive};
use haima_fl_core::task::{Query, Run, Site, SiteState};
use serde_json::{Map, Value};

use super::columns::fault;
use super::holdout::spread;
use super::yardsticks::{Heart, mean_accuracy, text};
use super::{Context, Figure, Row};
use crate::Error;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    Row {
        id: "heart-dp-1",
        what: "Logistic regression with patient-level differential privacy (1, 1e-3); accuracy on \
               test patients, mean of the 4 centres",
        data: "Fed-Heart-Disease, FLamby's split: 486 patients at 4 centres to fit, 254 to judge",
        method: "8 sums of clipped vectors, each with the full noise of 3 nodes; simulated noise of \
                 seeds 0 to 9; interval by Student's t",
        yardstick: "FLamby's DP-FedAvg, mean (SD) of 5 seeds",
        slow: false,
        run: |context| heart(context, (1.0, 1e-3), &toml::Table::new(), "0.702 (SD 0.039)"),
    },
    Row {
        id: "heart-dp-01",
        what: "Logistic regression with patient-level differential privacy (0.1, 1e-4); accuracy on \
               test patients, mean of the 4 centres",
        data: "Fed-Heart-Disease, FLamby's split: 486 patients at 4 centres to fit, 254 to judge",
        method: "2 sums of clipped vectors, each with the full noise of 3 nodes; simulated noise of \
                 seeds 0 to 9; interval by Student's t",
        yardstick: "FLamby's DP-FedAvg, mean (SD) of 5 seeds",
        slow: false,
        run: |context| {
            let steps = toml::toml! {
                steps = 2
                learning_rate = 0.4
            };
            heart(context, (0.1, 1e-4), &steps, "0.606 (SD 0.109)")
        },
    },
];

/// Nodes, each of which adds the noise of the whole target.
const NODES: usize = 3;
const SEEDS: u8 = 10;
/// R's `qt(0.975, 9)`.
const T: f64 = 2.262_157_162_740_992;
/// Public guess of the number of patients.
const EXPECTED_PATIENTS: i64 = 500;
const MAX_PATIENTS: u64 = 1000;

/// A task with its parameters and the public schema.
struct Question {
    params: toml::Table,
    schema: Schema,
}

/// Sums of cohorts in this process with the noise of [`NODES`] nodes from a public seed: *no
/// privacy at all*, for figures that can be made again.
struct SimulatedNoise<'a> {
    sites: Vec<(&'a Cohort, Box<dyn Run>, SiteState)>,
    gauss: DiscreteGaussian,
    generator: NoiseRng,
}

impl Question {
    fn open(&self) -> Result<Box<dyn Run>, haima_fl_core::Error> {
        haima_fl_core::registry::open("glm", 1, &self.params, &self.schema, &BTreeMap::new())
    }

    /// The first query, and how many sums the task takes: public, so counted on empty ones.
    fn plan(&self) -> Result<(Query, u64), Error> {
        let mut run = self.open()?;
        let first = run.query().ok_or(haima_fl_core::Error::RunOver)?;
        let mut steps = 0;
        while let Some(query) = run.query() {
            run.absorb(&Sum::new(&query, vec![0; query.dimension()], 1)?)?;
            steps += 1;
        }
        Ok((first, steps))
    }

    fn fit(&self, cohorts: &[Cohort], s: u64, seed: u8) -> Result<Map<String, Value>, Error> {
        let mut bytes = [0; 32];
        bytes[0] = seed;
        let site = |cohort| Ok((cohort, self.open()?, SiteState::default()));
        let mut sums = SimulatedNoise {
            sites: cohorts.iter().map(site).collect::<Result<_, haima_fl_core::Error>>()?,
            gauss: DiscreteGaussian::new(s)?,
            generator: noise_stream(&bytes),
        };
        match drive(self.open()?.as_mut(), &mut sums)? {
            Value::Object(fit) => Ok(fit),
            _ => Err(fault("glm", "its result is no JSON object")),
        }
    }
}

impl SecureSum for SimulatedNoise<'_> {
    type Error = haima_fl_core::Error;

    fn sum(&mut self, query: &Query) -> Result<Sum, haima_fl_core::Error> {
        let mut total = vec![0_i128; query.dimension()];
        for (cohort, run, state) in &mut self.sites {
            let site = Site { cohort, capacity: 0, max_patients: MAX_PATIENTS, min_local_rows: 10 };
            let answer = run.contribute(&site, state, &mut self.generator)?;
            total.iter_mut().zip(answer.values.iter()).for_each(|(sum, x)| *sum += i128::from(*x));
        }
        for value in &mut total {
            let node = |_| i128::from(self.gauss.sample(&mut self.generator));
            *value += (0..NODES).map(node).sum::<i128>();
        }
        let sites = u32::try_from(self.sites.len()).unwrap_or(u32::MAX);
        let sum = Sum::new(query, total, sites)?;
        for (_, run, _) in &mut self.sites {
            run.absorb(&sum)?;
        }
        Ok(sum)
    }
}

/// The scale of one node's noise with which `steps` sums meet the target against all other nodes
/// together, with the figure that it meets.
fn calibrated(
    (epsilon, delta): (f64, f64),
    query: &Query,
    steps: u64,
) -> Result<(u64, Bound), Error> {
    let none = || fault("glm", "a query without a sensitivity cannot be noised");
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

fn heart(
    context: &Context,
    target: (f64, f64),
    steps: &toml::Table,
    theirs: &str,
) -> Result<Vec<Figure>, Error> {
    let heart = Heart::read(context)?;
    let mut schema: toml::Table =
        Heart::SCHEMA.parse().map_err(|e: toml::de::Error| fault("schema", &e.to_string()))?;
    schema.insert("ignore".into(), vec!["center", "fold"].into());
    let mut params = Heart::model();
    params.insert("release".into(), "noised".into());
    params.insert("expected_patients".into(), EXPECTED_PATIENTS.into());
    params.extend(steps.clone());
    let question = Question { params, schema: Schema::from_toml(&schema)? };
    let (query, sums) = question.plan()?;
    let (s, bound) = calibrated(target, &query, sums)?;

    let centres = heart.columns.get("center")?;
    let mut cohorts = Vec::new();
    for centre in std::collections::BTreeSet::from_iter(centres) {
        let takes =
            |row: usize| heart.train.get(row) == Some(&true) && centres.get(row) == Some(centre);
        let text = heart.columns.csv(takes)?;
        cohorts.push(Cohort::from_reader(centre, text.as_bytes(), &question.schema)?);
    }
    let accuracies: Vec<f64> = (0..SEEDS)
        .map(|seed| Ok(mean_accuracy(&heart.judged(&question.fit(&cohorts, s, seed)?)?)))
        .collect::<Result<_, Error>>()?;
    let (mean, sd) = spread(&accuracies);
    let half = T * sd / f64::from(SEEDS).sqrt();
    let interval =
        format!("{mean:.3} (95 % interval {:.3} to {:.3}, SD {sd:.3})", mean - half, mean + half);
    let multiplier = s as f64 / query.sensitivity.unwrap_or(1) as f64;
    Ok(vec![
        text("accuracy, mean of seeds,", &interval, theirs),
        text("unit of privacy:", "one patient added or removed", ""),
        text(
            "against the coordinator, 2 of the 3 nodes and all other hospitals together: epsilon",
            &format!("{:.4} at delta {:e}, by {}", bound.value, target.1, bound.method),
            "",
        ),
        text("sums", &sums.to_string(), ""),
        text("a node's noise", &format!("{multiplier:.2} sensitivities"), ""),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target of next to nothing drowns the sums; no figure above an even chance may be left.
    #[test]
    fn the_noise_reaches_the_fit() {
        let shared = super::super::shared_folder(None);
        let context = Context { shared };
        if context.shared("data/fed_heart.csv").is_err() {
            eprintln!("ORACLE absent: data/fed_heart.csv");
            return;
        }
        let figures = heart(&context, (1e-3, 1e-6), &toml::Table::new(), "").unwrap();
        let mean: f64 = figures[0].ours.split(' ').next().unwrap().parse().unwrap();
        assert!((0.3..0.66).contains(&mean), "{mean}");
    }
}
