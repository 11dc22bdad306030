//! Fits under patient-level differential privacy, over sums with simulated noise.
//!
//! Steps and step sizes are those that the head of `fl-core/src/tasks/glm/noised.rs` took from made-up
//! cohorts, before these rows were seen.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::task::SiteState;
use serde_json::Value;

use super::columns::fault;
use super::simulated::{NODES, Noise, Question, SEEDS, against, calibrated, interval};
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

/// Public guess of the number of patients.
const EXPECTED_PATIENTS: i64 = 500;

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
    let question = Question { task: "glm", params, schema: Schema::from_toml(&schema)? };
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
    let mut state = SiteState::default();
    let accuracies: Vec<f64> = (0..SEEDS)
        .map(|seed| {
            let noise = Some(Noise { s, nodes: NODES, seed });
            match question.fit(&cohorts, noise, &mut state)? {
                Value::Object(fit) => Ok(mean_accuracy(&heart.judged(&fit)?)),
                _ => Err(fault("glm", "its result is no JSON object")),
            }
        })
        .collect::<Result<_, Error>>()?;
    let multiplier = s as f64 / query.sensitivity.unwrap_or(1) as f64;
    Ok(vec![
        text("accuracy, mean of seeds,", &interval(&accuracies, 3), theirs),
        text("unit of privacy:", "one patient added or removed", ""),
        text(
            "against the coordinator, 2 of the 3 nodes and all other hospitals together: epsilon",
            &against(&bound, target.1),
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
