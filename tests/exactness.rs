//! What comes out of real processes: the plain sum bit for bit, and R's numbers.

mod common;
#[path = "exactness/every_task.rs"]
mod every_task;

use common::{BMT, LEUKSURV, Setup, oracle, task};
use every_task::{EVERY_TASK, every_task, plain};
use serde_json::Value;

const SURVIVAL: &str = "time = \"dfs_days\"\nevent = \"dfs_event\"\n";

/// Runs the study; the results must be those of the plain sum.
fn equals_plain(setup: &Setup, how: &str) {
    let (secure, plain) = (setup.results(), plain(setup));
    assert_eq!(secure.len(), setup.study.tasks.len(), "every task ended");
    for (task, result) in &plain {
        // Equal JSON means equal bits: numbers are printed so that they read back exactly.
        assert_eq!(&secure[task], result, "{task} {how}");
        assert!(result["sites"].as_u64().is_none_or(|sites| sites > 2), "{task}: {result}");
    }
}

fn over_nodes_equals_plain(nodes: usize) {
    let mut setup = every_task();
    setup.nodes = nodes;
    equals_plain(&setup, &format!("over {nodes} nodes"));
}

#[test]
fn the_study_of_every_task_names_every_task_of_the_registry() {
    let study: toml::Table = toml::from_str(EVERY_TASK).unwrap();
    let tasks = study["task"].as_array().unwrap();
    for (name, version) in haima_fl_core::registry::known() {
        let is_named = |task: &toml::Value| {
            task["task"].as_str() == Some(name)
                && task["version"].as_integer() == Some(version.into())
        };
        assert!(tasks.iter().any(is_named), "{name} {version} is not in every_task.toml");
    }
}

#[test]
fn every_task_in_masked_mode_equals_the_plain_sum_bit_for_bit() {
    equals_plain(&every_task().masked(), "in masked mode");
}

#[test]
fn every_task_over_two_nodes_equals_the_plain_sum_bit_for_bit() {
    over_nodes_equals_plain(2);
}

#[test]
fn every_task_over_three_nodes_equals_the_plain_sum_bit_for_bit() {
    over_nodes_equals_plain(3);
}

#[test]
fn every_task_over_five_nodes_equals_the_plain_sum_bit_for_bit() {
    over_nodes_equals_plain(5);
}

fn close(what: &str, ours: f64, theirs: f64, tolerance: f64) {
    assert!((ours - theirs).abs() <= tolerance, "{what}: {ours} against R's {theirs}");
}

fn fit_equals_r(fit: &Value, r: &Value, what: &str) {
    for term in fit["terms"].as_array().unwrap() {
        let name = term["name"].as_str().unwrap();
        let what = format!("{what}, {name}");
        close(&what, term["coef"].as_f64().unwrap(), r["coef"][name].as_f64().unwrap(), 1e-5);
        close(&what, term["se"].as_f64().unwrap(), r["se"][name].as_f64().unwrap(), 1e-5);
    }
    assert_eq!(fit["terms"].as_array().unwrap().len(), r["coef"].as_object().unwrap().len());
    close(what, fit["loglik"].as_f64().unwrap(), r["loglik"].as_f64().unwrap(), 1e-4);
}

/// KM curves by group against R's, keyed there by `column=level`.
fn curves_equal_r(result: &Value, r: &Value, what: &str) {
    let curves = result["curves"].as_array().unwrap();
    assert_eq!(curves.len(), r.as_object().unwrap().len(), "{what}");
    for curve in curves {
        let group = curve["group"].as_str().unwrap();
        let theirs = &r[group];
        assert!(theirs.is_object(), "{what}: R has no group {group}");
        for (ours, theirs_name, tolerance) in [
            ("time", "time", 0.0),
            ("n_risk", "n_risk", 0.0),
            ("n_event", "n_event", 0.0),
            ("surv", "surv", 1e-6),
            ("se", "std_err", 1e-6),
        ] {
            let (a, b) = (&curve[ours], &theirs[theirs_name]);
            let (a, b) = (a.as_array().unwrap(), b.as_array().unwrap());
            assert_eq!(a.len(), b.len(), "{what}, {group}, {ours}");
            for (a, b) in a.iter().zip(b) {
                if let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) {
                    close(&format!("{what}, {group}, {ours}"), a, b, tolerance);
                }
            }
        }
    }
}

#[test]
fn survival_of_1043_patients_over_24_sites_and_three_nodes_equals_r() {
    let Some(r) = oracle("truth/survival_r_curves.json") else { return };
    let survival = "time = \"time_days\"\nevent = \"death\"\n";
    let covariates = "covariates = [\"age\", \"male\", \"wbc\", \"tpi\"]\n";
    let cox = |id: &str| {
        let ties = format!("ties = \"{id}\"\n");
        task(id, "cox", 25, &format!("{survival}{covariates}{ties}"))
    };
    let km = |id: &str, grid: &str| {
        task(id, "km", 1, &format!("{survival}by = \"male\"\ngrid = {grid}\n"))
    };
    let study = [
        LEUKSURV.to_owned(),
        cox("breslow"),
        cox("efron"),
        km("km-1d", "1.0"),
        km("km-30d", "30.0"),
    ];
    let results = Setup::new(&study.concat(), "data/leuksurv.csv").results();
    fit_equals_r(&results["breslow"], &r["cox"]["leuksurv_strat_breslow"], "Breslow");
    fit_equals_r(&results["efron"], &r["cox"]["leuksurv_strat_efron"], "Efron");
    curves_equal_r(&results["km-1d"], &r["km"]["leuksurv_by_male"], "one-day grid");
    curves_equal_r(&results["km-30d"], &r["km"]["leuksurv_by_male_30d"], "30-day grid");
    for (id, name) in [("km-1d", "leuksurv_male"), ("km-30d", "leuksurv_male_30d")] {
        let ours = results[id]["logrank"]["chisq"].as_f64().unwrap();
        close(id, ours, r["logrank"][name]["chisq"].as_f64().unwrap(), 1e-3);
    }
}

#[test]
fn transplant_survival_over_four_hospitals_equals_r() {
    let Some(r) = oracle("truth/survival_r_curves.json") else { return };
    let covariates =
        "covariates = [\"disease_group\", \"fab_4_5_aml\", \"patient_age\", \"donor_age\"]\n";
    let cox = |id: &str| task(id, "cox", 25, &format!("{SURVIVAL}{covariates}ties = \"{id}\"\n"));
    let km = task("km", "km", 1, &format!("{SURVIVAL}by = \"disease_group\"\ngrid = 1.0"));
    let study = [BMT.to_owned(), cox("breslow"), cox("efron"), km].concat();
    let results = Setup::new(&study, "data/bmt_klein.csv").results();
    fit_equals_r(&results["breslow"], &r["cox"]["bmt_strat_breslow"], "Breslow");
    fit_equals_r(&results["efron"], &r["cox"]["bmt_strat_efron"], "Efron");
    curves_equal_r(&results["km"], &r["km"]["bmt_dfs_by_group"], "by disease");
    let ours = results["km"]["logrank"]["chisq"].as_f64().unwrap();
    close("log-rank", ours, r["logrank"]["bmt_group"]["chisq"].as_f64().unwrap(), 1e-3);
}
