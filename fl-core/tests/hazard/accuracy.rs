//! What the network reaches under the noise of (epsilon = 3, delta = 1e-5) against two of three
//! nodes: the table behind the defaults. Run by hand:
//! `cargo test --release --test hazard -- --ignored --nocapture accuracy`.

use std::num::NonZeroU64;
use std::time::Instant;

use haima_dp::fixed::Grid;
use haima_dp::ledger::Limit;
use haima_dp::units::{Delta, Epsilon, Rate, Sensitivity};
use haima_fl_core::results::HazardModel;
use haima_fl_core::task::{Site, SiteState};
use serde_json::Value;

use crate::common;
use crate::simulation::{Noise, harrell, hazard_params, leuksurv, scored, train};

/// Scale of one node for `steps` and a tenth of them as spare attempts, in grid steps, under the
/// ledger's Renyi limit of the best order.
fn scale(steps: u32, clip: f64, rate: f64, frac_bits: u8) -> u64 {
    let (epsilon, delta) = (Epsilon::new(3.0).unwrap(), Delta::new(1e-5).unwrap());
    let sensitivity = Sensitivity::of_clip(clip, Grid::new(frac_bits).unwrap()).unwrap();
    let (attempts, rate) = (steps + steps.div_ceil(10), Rate::new(rate).unwrap());
    // The demo's: 8 hidden units of 4 covariates and 12 intervals.
    let dimension = NonZeroU64::new(61).unwrap();
    let limit =
        Limit::with_best_order(epsilon, delta, attempts, sensitivity, dimension, rate).unwrap();
    limit.noise_for(attempts, sensitivity, dimension, rate).unwrap().get()
}

fn mean_sd(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

#[test]
fn the_default_noise_leaves_a_useful_ranking() {
    let (schema, cohorts) = leuksurv();
    let noise = Noise { scale: scale(40, 1.0, 1.0, 16), seed: 1 };
    let output = train(&hazard_params(1, ""), &schema, &cohorts, Some(noise));
    let (c, _) = harrell(&scored(&output, &schema, &cohorts, false));
    println!("held-out C under noise: {c:.4}");
    assert!(c > 0.6, "{c}");
}

/// Mean predicted survival of a year.
fn predicted(output: &Value, patients: &[(f64, bool, f64)]) -> f64 {
    let model: HazardModel = serde_json::from_value(output.clone()).unwrap();
    let year = model.cuts.iter().position(|cut| *cut == 365.0).unwrap();
    let baseline = &model.weights[model.weights.len() - model.cuts.len()..];
    let survival = |risk: f64| -> f64 {
        baseline[..=year].iter().map(|alpha| 1.0 / (1.0 + (alpha + risk).exp())).product()
    };
    patients.iter().map(|patient| survival(patient.2)).sum::<f64>() / patients.len() as f64
}

/// The Kaplan-Meier estimate at a year.
fn observed(patients: &[(f64, bool, f64)]) -> f64 {
    let mut sorted = patients.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let (mut survival, mut at_risk) = (1.0, sorted.len() as f64);
    for (time, event, _) in sorted {
        if event && time <= 365.0 {
            survival *= 1.0 - 1.0 / at_risk;
        }
        at_risk -= 1.0;
    }
    survival
}

/// What a step costs the largest district, 102 patients.
#[test]
#[ignore = "prints a time"]
fn accuracy_costs_this_much_time_a_step() {
    let (schema, cohorts) = leuksurv();
    let cohort = cohorts.iter().max_by_key(|cohort| cohort.len()).unwrap();
    let run = common::open("hazard", &hazard_params(1, "holdout = 0.0"), &schema).unwrap();
    let site = Site { cohort, capacity: 0, max_patients: 1000, min_local_rows: 0 };
    let mut state = SiteState::default();
    for what in ["the first, with the probe", "the second"] {
        let start = Instant::now();
        run.contribute(&site, &mut state, &mut common::rng()).unwrap();
        println!("{what}: {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    }
    let start = Instant::now();
    for _ in 0..200 {
        run.contribute(&site, &mut state, &mut common::rng()).unwrap();
    }
    let mean = start.elapsed().as_secs_f64() * 1e3 / 200.0;
    println!("mean of 200 for {} patients: {mean:.2} ms", cohort.len());
}

#[test]
#[ignore = "minutes; prints the table of the documentation"]
fn accuracy_over_noise_and_split_seeds() {
    let (schema, cohorts) = leuksurv();
    println!("| parameters | s of a node | C without noise, mean (sd over splits) |");
    println!("  ... C with noise, mean (sd over noise seeds) | lowest |");
    // Settings separated by `;`, their parameters by `,`.
    let settings = std::env::var("HAIMA_HAZARD_SETTINGS").unwrap_or_default();
    let settings: Vec<&str> = settings.split(';').collect();
    for more in settings {
        let more = more.replace(',', "\n");
        let table: toml::Table = common::table(&more);
        let steps = table.get("steps").map_or(40, |v| v.as_integer().unwrap() as u32);
        let clip = table.get("clip").map_or(1.0, |v| v.as_float().unwrap());
        let rate = table.get("sample_rate").map_or(1.0, |v| v.as_float().unwrap());
        let s = scale(steps, clip, rate, 16);
        let (mut plain, mut means, mut sds, mut lowest) = (vec![], vec![], vec![], 1f64);
        let mut year = vec![];
        for split in 1..=10 {
            let params = hazard_params(split, &more);
            let mut c = |noise| {
                let output = train(&params, &schema, &cohorts, noise);
                let patients = scored(&output, &schema, &cohorts, false);
                if noise.is_some() {
                    year.push(predicted(&output, &patients) - observed(&patients));
                }
                harrell(&patients).0
            };
            plain.push(c(None));
            let noised: Vec<f64> =
                (0..10).map(|seed| c(Some(Noise { scale: s, seed: 100 * split + seed }))).collect();
            let (mean, sd) = mean_sd(&noised);
            means.push(mean);
            sds.push(sd);
            lowest = noised.iter().fold(lowest, |a, b| a.min(*b));
        }
        let (plain, plain_sd) = mean_sd(&plain);
        let (mean, _) = mean_sd(&means);
        let (sd, _) = mean_sd(&sds);
        let (bias, bias_sd) = mean_sd(&year);
        println!("one-year survival, predicted - observed: {bias:.3} (sd {bias_sd:.3})");
        println!(
            "| {} | {s} | {plain:.4} ({plain_sd:.4}) | {mean:.4} ({sd:.4}) | {lowest:.4} |",
            more.replace('\n', ", ")
        );
    }
}
