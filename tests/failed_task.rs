//! A task that cannot be fitted, and one that builds on it, do not keep the tasks after them from
//! their answer; the study says so at its end.

mod common;

use common::{BMT, Setup, task};

const SURVIVAL: &str = "time = \"dfs_days\"\nevent = \"dfs_event\"\n";

#[test]
fn a_task_without_a_fit_does_not_end_the_study() {
    let nobody = "covariates = [\"patient_age\"]\ncohort = { include = [\"dfs_event = 0\"] }";
    let weights = "weights = { propensity = \"nobody\", treatment = \"patient_male\" }";
    let study = [
        BMT.to_owned(),
        task("nobody", "cox", 5, &format!("{SURVIVAL}{nobody}")),
        task(
            "builds-on-it",
            "cox",
            5,
            &format!("{SURVIVAL}covariates = [\"patient_age\"]\n{weights}"),
        ),
        task("km", "km", 1, &format!("{SURVIVAL}grid = 100.0")),
        task("cox", "cox", 9, &format!("{SURVIVAL}covariates = [\"patient_age\"]")),
    ]
    .concat();
    let mut running = Setup::new(&study, "data/bmt_klein.csv").start();
    let last = running.follow_to_error();
    assert!(last.contains("nobody: task cox: no event at any answering site"), "{last}");
    let ended: Vec<String> = running.ended().into_keys().collect();
    assert_eq!(ended, ["cox", "km"]);
}
