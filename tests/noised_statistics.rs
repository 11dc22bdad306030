//! The noised forms of statistics between real processes: noise is added, the ledgers are charged,
//! and what comes out is near the exact figures.

mod common;

use common::{BMT, Setup, task};
use haima_fl_core::results::{Cells, Curves, Fit, Table1};
use serde_json::Value;

const SURVIVAL: &str = "time = \"dfs_days\"\nevent = \"dfs_event\"\n";

/// A task in the private class, or the same without noise.
fn study(noised: bool) -> String {
    let of = |id: &str, name: &str, steps: u32, params: &str, more: &str| {
        let release = if noised { format!("release = \"noised\"\n{more}") } else { String::new() };
        let exact = task(id, name, steps, &format!("{params}\n{release}"));
        if !noised {
            return exact;
        }
        exact.replace("[task.params]", "privacy = { epsilon = 6.0, delta = 1e-5 }\n[task.params]")
    };
    [
        BMT.to_owned(),
        of("km", "km", 1, &format!("{SURVIVAL}grid = 500.0"), ""),
        of("table1", "table1", 1, "columns = [\"patient_age\", \"disease_group\"]", ""),
        of(
            "glm",
            "glm",
            if noised { 4 } else { 25 },
            "outcome = \"dfs_event\"\ncovariates = [\"patient_age\", \"fab_4_5_aml\"]",
            "steps = 4\nexpected_patients = 137",
        ),
    ]
    .concat()
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn noised_statistics_come_out_near_the_exact_ones_and_are_charged() {
    let mut private = Setup::new(&study(true), "data/bmt_klein.csv");
    private.policy.epsilon = 20.0;
    let mut running = private.start();
    running.follow_to_end();
    let report = running.network.folder("coordinator").unwrap().join("out/report.json");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    let (noised, exact) =
        (running.ended(), Setup::new(&study(false), "data/bmt_klein.csv").results());

    let (ours, truth): (Curves, Curves) = (read(&noised["km"]), read(&exact["km"]));
    assert_ne!(ours.n, 0);
    assert!(ours.n.abs_diff(truth.n) < 40, "{} for {}", ours.n, truth.n);
    assert!((ours.curves[0].surv[1] - truth.curves[0].surv[1]).abs() < 0.25);
    assert_ne!(ours.curves[0].surv, truth.curves[0].surv, "noise was added");

    let (ours, truth): (Table1, Table1) = (read(&noised["table1"]), read(&exact["table1"]));
    let mean = |table: &Table1| match &table.rows[0].cells {
        Cells::Numeric { mean, .. } => mean[0],
        Cells::Categorical { .. } => panic!("a number"),
    };
    assert!((mean(&ours) - mean(&truth)).abs() < 15.0, "{} for {}", mean(&ours), mean(&truth));

    let (ours, truth): (Fit, Fit) = (read(&noised["glm"]), read(&exact["glm"]));
    assert!(ours.noised.is_some() && truth.noised.is_none());
    assert!(ours.terms.iter().all(|term| term.coef.is_finite() && term.se.is_nan()));

    let ledgers = report["ledger"].as_array().unwrap();
    assert_eq!(ledgers.len(), 4);
    for ledger in ledgers {
        assert!(ledger["cost_spent"].as_f64() > Some(0.0), "{ledger}");
        assert_eq!(ledger["exact_releases"], 0, "{ledger}");
    }
}
