//! A network of sites in one process, with the noise that nodes would add.

use std::collections::BTreeMap;

use haima_dp::gauss::DiscreteGaussian;
use haima_dp::sampler::PoissonSampler;
use haima_dp::units::Rate;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry;
use haima_fl_core::results::HazardModel;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::Sum;
use haima_fl_core::task::{Site, SiteState};
use haima_fl_core::tasks::hazard::model::Predictor;
use haima_fl_core::tasks::hazard::split::Split;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::Value;

use crate::common;

/// The demo's cuts: finer where most of the deaths are. Days.
pub(crate) const CUTS: &str = "cuts = [15, 30, 60, 90, 150, 240, 365, 545, 730, 1095, 1825, 3650]";

pub(crate) const COVARIATES: &str = r#"covariates = ["age", "male", "wbc", "tpi"]"#;

pub(crate) fn hazard_params(seed: u64, more: &str) -> String {
    format!(
        "time = \"time_days\"\nevent = \"death\"\n{COVARIATES}\n{CUTS}\n\
         expected_patients = 800\nseed = {seed}\n{more}\n"
    )
}

/// The districts of the leukaemia registry, as hospitals.
pub(crate) fn leuksurv() -> (Schema, Vec<Cohort>) {
    let schema = common::schema(common::LEUKSURV);
    let files = common::split(&common::data("leuksurv.csv"), "district");
    let cohorts = common::cohorts(&schema, &files);
    (schema, cohorts)
}

/// What three nodes add: discrete Gaussians of this scale in grid steps, from a seed.
#[derive(Clone, Copy)]
pub(crate) struct Noise {
    pub(crate) scale: u64,
    pub(crate) seed: u64,
}

/// Runs a task to its end over the sum of the cohorts' answers.
pub(crate) fn run(
    task: &str,
    params: &str,
    schema: &Schema,
    finished: &BTreeMap<String, Value>,
    cohorts: &[Cohort],
    noise: Option<Noise>,
) -> Value {
    let mut run = registry::open(task, 1, &common::table(params), schema, finished).unwrap();
    let mut states: Vec<SiteState> = cohorts.iter().map(|_| SiteState::default()).collect();
    let mut random = ChaCha20Rng::seed_from_u64(noise.map_or(0, |noise| noise.seed));
    loop {
        let query = run.query().unwrap();
        let mut total = vec![0i128; query.dimension()];
        for (cohort, state) in cohorts.iter().zip(&mut states) {
            let sampler = PoissonSampler::new(Rate::new(query.rate).unwrap(), &mut random);
            let batch = sampler.draw(cohort.len(), 1000);
            let cohort = &cohort.select(|patient| batch.takes(patient));
            let site = Site { cohort, capacity: 0, max_patients: 1000, min_local_rows: 0 };
            let answer = run.contribute(&site, state, &mut random).unwrap();
            total.iter_mut().zip(answer.values.iter()).for_each(|(sum, x)| *sum += i128::from(*x));
        }
        if let Some(noise) = noise {
            let gauss = DiscreteGaussian::new(noise.scale).unwrap();
            for sum in &mut total {
                *sum += (0..3).map(|_| i128::from(gauss.sample(&mut random))).sum::<i128>();
            }
        }
        let sites = u32::try_from(cohorts.len()).unwrap();
        if let Some(output) = run.absorb(&Sum::new(&query, total, sites).unwrap()).unwrap() {
            return output;
        }
    }
}

pub(crate) fn train(
    params: &str,
    schema: &Schema,
    cohorts: &[Cohort],
    noise: Option<Noise>,
) -> Value {
    run("hazard", params, schema, &BTreeMap::new(), cohorts, noise)
}

/// Time, event and risk score of all sites' held-out patients, or of all patients.
pub(crate) fn scored(
    output: &Value,
    schema: &Schema,
    cohorts: &[Cohort],
    all: bool,
) -> Vec<(f64, bool, f64)> {
    let model: HazardModel = serde_json::from_value(output.clone()).unwrap();
    let predictor = Predictor::new("test", &model, schema).unwrap();
    let share = output["holdout"].as_f64().unwrap();
    let split = Split::new(output["seed"].as_u64().unwrap(), share, schema);
    let mut patients = Vec::new();
    for cohort in cohorts {
        for i in 0..cohort.len() {
            if all || split.holds_out(cohort, i) {
                let value = |column| cohort.value(column, i).unwrap();
                let risk = predictor.risk_of(cohort, i).unwrap();
                patients.push((value("time_days"), value("death") > 0.5, risk));
            }
        }
    }
    patients
}

/// Harrell's C by comparing every pair, as R's `survival::concordance` does: (C, pairs).
pub(crate) fn harrell<T: PartialOrd>(patients: &[(T, bool, T)]) -> (f64, f64) {
    let (mut concordant, mut pairs) = (0.0, 0.0);
    for (i, (time, event, risk)) in patients.iter().enumerate() {
        for (j, (other, other_event, other_risk)) in patients.iter().enumerate() {
            if i != j && *event && (other > time || (other == time && !other_event)) {
                pairs += 1.0;
                concordant += match risk.partial_cmp(other_risk) {
                    Some(std::cmp::Ordering::Greater) => 1.0,
                    Some(std::cmp::Ordering::Equal) => 0.5,
                    _ => 0.0,
                };
            }
        }
    }
    (concordant / pairs, pairs)
}
