//! Rows of `docs/results.md`: they are what the program computes, and they reach the targets that
//! the project set itself.

mod common;

use assert_cmd::Command;
use common::{oracle, repository};

/// The program's check of a row against the document.
fn check(row: &str) {
    let mut haima = Command::new(common::program());
    let output = haima.current_dir(repository(".")).args(["reproduce", row, "--check"]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{row}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Our figures in the row of that id.
fn ours(row: &str) -> String {
    cell(row, 4)
}

fn cell(row: &str, column: usize) -> String {
    let document = std::fs::read_to_string(repository("docs/results.md")).unwrap();
    let line = document.lines().find(|line| line.starts_with(&format!("| `{row}` |")));
    line.unwrap_or_else(|| panic!("no row {row}")).split(" | ").nth(column).unwrap().to_owned()
}

/// The first number after a text.
fn after(figures: &str, name: &str) -> f64 {
    let (_, rest) = figures.split_once(name).unwrap_or_else(|| panic!("{name}: {figures}"));
    let number = rest.trim_start().split([' ', ';', '(']).next().unwrap();
    number.parse().unwrap_or_else(|_| panic!("{name}: {figures}"))
}

#[test]
fn competing_risks_and_regression_are_what_is_computed() {
    if oracle("truth/survival_r_curves.json").is_none() {
        return;
    }
    let rows =
        ["mgus2-cif", "mgus2-finegray", "leuksurv-logistic", "leuksurv-poisson", "mgus2-linear"];
    for row in rows {
        check(row);
        // R's own logistic errors lag by one iteration.
        let close = ["within 1e-9", "within 1e-8", "within 1e-7", "within 1e-6", "within 1e-5"];
        let differences = ours(row).matches("within 1e").count();
        let small: usize = close.iter().map(|close| ours(row).matches(close).count()).sum();
        assert!(small == differences && small > 0, "{row}: {}", ours(row));
    }
}

#[test]
fn models_on_data_that_are_not_shipped_are_what_is_computed() {
    if oracle("truth/cv_baselines.json").is_none() {
        return;
    }
    let rows = ["tcga-cox", "heart-logistic", "heart-dp-1", "heart-dp-01", "amlsg-overall"];
    for row in rows.into_iter().chain(["flchain-dp-1", "all-bcr-abl"]) {
        check(row);
    }
}

#[test]
#[ignore = "minutes: cargo test -p haima --test reproduce -- --ignored (or just deep)"]
fn private_models_of_leukaemia_are_what_is_computed() {
    if oracle("truth/cv_baselines.json").is_none() {
        return;
    }
    for row in ["amlsg-dp-3", "amlsg-dp-curve"] {
        check(row);
    }
}

#[test]
fn trained_models_reach_their_targets() {
    let leukaemia = ours("amlsg-dp-3");
    assert!(after(&leukaemia, "below pooled rows by") <= 0.01, "{leukaemia}");
    assert!(after(&leukaemia, "epsilon") <= 3.0, "{leukaemia}");
    let (curve, pooled) = (ours("amlsg-dp-curve"), cell("amlsg-dp-curve", 5));
    for epsilon in ["0.5", "1", "2", "3", "5", "10"] {
        let name = format!("epsilon {epsilon}: C-index, mean of seeds,");
        assert!(after(&curve, &name) >= after(&pooled, &name) - 0.01, "{epsilon}: {curve}");
    }
    let chains = ours("flchain-dp-1");
    assert!(after(&chains, "mean of seeds,") >= 0.832 - 0.01, "{chains}");
    assert!(after(&chains, "epsilon") <= 1.0, "{chains}");
    let genes = ours("all-bcr-abl");
    assert!(after(&genes, "AUC") >= 0.92, "{genes}");
}

#[test]
fn the_figures_reach_their_targets() {
    let tcga = ours("tcga-cox");
    assert!(after(&tcga, "C-index") >= 0.842, "{tcga}");
    assert!(after(&tcga, "secure sums, all counted,") <= 6.0, "{tcga}");
    let heart = ours("heart-logistic");
    assert!(heart.contains("(202 of 254)") && after(&heart, "AUC") >= 0.88, "{heart}");
    for (row, theirs) in [("heart-dp-1", 0.702), ("heart-dp-01", 0.606)] {
        let private = ours(row);
        assert!(after(&private, "mean of seeds,") > theirs, "{private}");
        let epsilon = if row == "heart-dp-1" { 1.0 } else { 0.1 };
        assert!(after(&private, "epsilon") <= epsilon, "{private}");
    }
    for row in ["amlsg-overall", "amlsg-centers"] {
        let leukaemia = ours(row);
        for name in ["taking part,", "left out of the fit,"] {
            assert!(after(&leukaemia, name) >= 0.69, "{leukaemia}");
        }
    }
}
