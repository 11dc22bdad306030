//! The study of every task over the transplant patients, and its results by the plain sum.

use std::collections::BTreeMap;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use serde_json::Value;

use crate::common::Setup;

/// Every task of the registry, without noise.
pub(crate) const EVERY_TASK: &str = include_str!("every_task.toml");

/// The study of every task over the transplant patients, with the columns that it derives.
pub(crate) fn every_task() -> Setup {
    let mut setup = Setup::new(EVERY_TASK, "data/bmt_klein.csv");
    for text in setup.cohorts.values_mut() {
        *text = with_endings(text);
    }
    setup
}

/// The file with how follow-up ended (the event of disease-free survival, split by whether it was a
/// relapse), and with chronic graft-versus-host disease, where it came before that end.
fn with_endings(text: &str) -> String {
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    let place = |name: &str| header.split(',').position(|column| column == name).unwrap();
    let places = ["dfs_days", "dfs_event", "relapse", "cgvhd_days", "cgvhd"].map(place);
    let rows = lines.map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let [days, event, relapse, ill_days, ill] =
            places.map(|at| fields[at].parse::<u32>().unwrap());
        let ending = match (event, relapse) {
            (0, _) => "censored",
            (_, 1) => "relapse",
            _ => "death",
        };
        let ill = u32::from(ill == 1 && ill_days <= days);
        format!("{line},{ending},{ill_days},{ill}\n")
    });
    format!("{header},ending,ill_days,ill\n{}", rows.collect::<String>())
}

/// The same study over the plain integer sum, in this process.
pub(crate) fn plain(setup: &Setup) -> BTreeMap<String, Value> {
    let schema = Schema::from_toml(&setup.study.schema).unwrap();
    let cohorts: Vec<Cohort> = setup
        .cohorts
        .iter()
        .map(|(name, text)| Cohort::from_reader(name, text.as_bytes(), &schema).unwrap())
        .collect();
    let mut finished = BTreeMap::new();
    for task in &setup.study.tasks {
        let open =
            || haima_fl_core::registry::open(&task.task, 1, &task.params, &schema, &finished);
        let mut run = open().unwrap();
        let (limit, floor) = (setup.study.max_patients, setup.policy.min_local_rows);
        let mut sums = PlainSum::new(&cohorts, limit, floor, rand::rng(), open).unwrap();
        let result = drive(run.as_mut(), &mut sums).unwrap();
        drop(sums);
        finished.insert(task.id.clone(), result);
    }
    finished
}
