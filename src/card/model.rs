//! What a card says of the model itself.

use haima_fl_core::results::network::{EarlyStopping, Network};
use haima_fl_core::schema::Schema;
use serde::Serialize;

use super::outcome::Outcome;
use crate::report::numbers;

/// What a model is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// Name.
    pub name: String,
    /// Version.
    pub version: i64,
    /// Strategy by which it was trained.
    pub strategy: String,
    /// Columns that it reads.
    pub columns: Vec<String>,
    /// What it predicts; none where a model learns its own inputs.
    pub outcome: Option<Outcome>,
    /// Names of the numbers that it gives.
    pub outputs: Vec<String>,
    /// Layers: name and shape.
    pub layers: Vec<(String, Vec<usize>)>,
    /// Number of weights.
    pub weights: usize,
    /// Rounds.
    pub steps: u32,
    /// Rounds that it might have had; none where nobody says it.
    pub most_steps: Option<u32>,
    /// What early stopping saw, where it was asked for.
    pub early_stopping: Option<EarlyStopping>,
    /// Share of patients kept out of training.
    pub holdout: f64,
}

impl Model {
    /// The model of a training's result; `task` is what was asked for, as a provenance has it.
    pub(super) fn of(network: &Network, schema: &Schema, task: &toml::Table) -> Self {
        let own = &network.model;
        let name = |table: &toml::Table, default: &str| {
            table.get("name").and_then(toml::Value::as_str).unwrap_or(default).to_owned()
        };
        let mut columns: Vec<String> = Vec::new();
        for term in &own.terms {
            if !columns.contains(&term.column) {
                columns.push(term.column.clone());
            }
        }
        let version = own.params.get("version").and_then(toml::Value::as_integer);
        let most_steps = task.get("params").and_then(|params| params.get("steps"));
        let most_steps = most_steps.and_then(toml::Value::as_integer);
        Self {
            name: name(&own.params, "?"),
            version: version.unwrap_or(1),
            strategy: name(&network.strategy, "dp-sgd"),
            columns,
            outcome: Outcome::of(&own.params, schema),
            outputs: own.outputs.clone(),
            layers: (own.layers.iter())
                .map(|layer| (layer.name.clone(), layer.shape.clone()))
                .collect(),
            weights: network.weights.len(),
            steps: network.steps,
            most_steps: most_steps.and_then(|steps| u32::try_from(steps).ok()),
            early_stopping: network.early_stopping.clone(),
            holdout: network.holdout,
        }
    }

    /// Whether early stopping ended the training, and whose weights these are; `None` where nobody
    /// asked for it. A figure that was `noised` is no loss of patients: under noise the number is not
    /// given.
    #[must_use]
    pub fn stopping(&self, noised: bool) -> Option<String> {
        let EarlyStopping { history, best, stopped } = self.early_stopping.as_ref()?;
        let ran = numbers::counted(self.steps.into(), "round", "rounds");
        let ended = match (*stopped, self.most_steps) {
            (true, Some(most)) => format!("ended the training after {ran} of {most}"),
            (true, None) => format!("ended the training after {ran}"),
            (false, _) => format!("did not end the training, which ran all of its {ran}"),
        };
        let best = best.and_then(|at| Some((at, history.get(at as usize).copied().flatten()?)));
        Some(match best {
            Some((at, _)) if noised => format!(
                "{ended}; the weights are those of its figure {} of {}, by a noised figure: which \
                 round is the best is chosen by noise, too",
                u64::from(at) + 1,
                history.len()
            ),
            Some((at, loss)) => format!(
                "{ended}; the weights are those of its figure {} of {}, the least held-out loss \
                 ({})",
                u64::from(at) + 1,
                history.len(),
                numbers::significant(loss)
            ),
            None => format!("{ended}; it saw no held-out patient, so the weights are the last"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopping(early_stopping: Option<EarlyStopping>, noised: bool) -> Option<String> {
        let model = Model {
            name: "logistic".into(),
            version: 1,
            strategy: "dp-sgd".into(),
            columns: Vec::new(),
            outcome: None,
            outputs: Vec::new(),
            layers: Vec::new(),
            weights: 0,
            steps: 12,
            most_steps: Some(60),
            early_stopping,
            holdout: 0.2,
        };
        model.stopping(noised)
    }

    #[test]
    fn whether_a_training_was_ended_early_is_said_with_whose_weights_they_are() {
        let history = vec![Some(0.7), Some(0.52), None, Some(0.6)];
        let of = |best, stopped| EarlyStopping { history: history.clone(), best, stopped };
        let said = stopping(Some(of(Some(1), true)), false).unwrap();
        assert!(said.starts_with("ended the training after 12 rounds of 60; "), "{said}");
        assert!(said.contains("figure 2 of 4") && said.contains("0.52"), "{said}");
        let said = stopping(Some(of(None, false)), false).unwrap();
        assert!(said.starts_with("did not end the training") && said.contains("last"), "{said}");
        assert!(stopping(Some(of(Some(u32::MAX), true)), false).is_some());
        assert_eq!(stopping(None, false), None);
    }

    #[test]
    fn a_figure_of_noise_is_not_told_as_a_loss() {
        let history = vec![Some(0.7), Some(0.0589), None, Some(0.6)];
        let said = stopping(Some(EarlyStopping { history, best: Some(1), stopped: true }), true);
        let said = said.unwrap();
        assert!(said.contains("figure 2 of 4, by a noised figure"), "{said}");
        assert!(!said.contains("0.05") && !said.contains("loss"), "{said}");
    }
}
