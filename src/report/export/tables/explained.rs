//! Tables of trained networks, and of what they go by.

use haima_fl_core::learn::inputs::{Source, Term};
use haima_fl_core::results::HazardModel;
use haima_fl_core::results::explain::Explanation;
use haima_fl_core::results::network::Network;

use super::cell::row;
use super::models::FACTS;
use super::{Cell, Of, Table};

/// What a hazard network is; its weights are in `report.json`.
pub(super) fn hazard(model: &HazardModel) -> Table {
    let mut table = Table::new("network", &FACTS);
    table.rows.push(row!["formula", &model.formula]);
    table.rows.push(row!["inputs", model.inputs.join(" ")]);
    table.rows.push(row!["hidden_units", model.hidden]);
    table.rows.push(row!["weights", model.weights.len() as u64]);
    table.rows.push(row!["steps", model.steps]);
    for cut in &model.cuts {
        table.rows.push(row!["interval_end", *cut]);
    }
    table
}

/// What a network is, its inputs, and how its loss went.
pub(super) fn network(network: &Network) -> Vec<Table> {
    let text = |table: &toml::Table, key: &str| {
        table.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
    };
    let mut facts = Table::new("network", &FACTS);
    facts.rows.push(row!["model", text(&network.model.params, "name")]);
    facts.rows.push(row!["predicts", network.model.outputs.join(" ")]);
    facts.rows.push(row!["weights", network.weights.len() as u64]);
    facts.rows.push(row!["strategy", text(&network.strategy, "name")]);
    facts.rows.push(row!["rounds", network.steps]);
    facts.rows.push(row!["held_out", network.holdout]);
    facts.rows.push(row!["protects", network.unit.in_words()]);
    let mut inputs =
        Table::new("inputs", &["input", "column", "what", "centre", "scale", "missing"]);
    for term in &network.model.terms {
        inputs.rows.push(row![
            &term.name,
            &term.column,
            what(term),
            term.center,
            term.scale,
            term.missing
        ]);
    }
    let mut losses = Table::new("early-stopping", &["figure", "loss", "best"]);
    if let Some(seen) = &network.early_stopping {
        for (figure, loss) in (0u32..).zip(&seen.history) {
            let best = if seen.best == Some(figure) { "yes" } else { "no" };
            losses.rows.push(row![u64::from(figure) + 1, *loss, best]);
        }
    }
    vec![facts, inputs, losses]
}

fn what(term: &Term) -> &'static str {
    match term.source {
        Source::Value => "value",
        Source::Log1p => "log(1 + value)",
        Source::Level(_) => "level",
        Source::Missing => "missing",
    }
}

/// Importance, attributions, partial dependence and coefficients: all of them, where the page has the
/// largest.
pub(super) fn explanation(found: &Explanation, of: Of<'_>) -> Vec<Table> {
    let mut importance = Table::new("importance", &["column", "rise", "se"]);
    for own in &found.importance {
        importance.rows.push(row![&own.column, own.rise, own.se]);
    }
    let mut attributions = Table::new("attributions", &["input", "column", "mean_size", "mean"]);
    for own in &found.attributions {
        attributions.rows.push(row![&own.input, &own.column, own.mean_abs, own.mean]);
    }
    let mut dependence = Table::new("dependence", &["column", "at", "level", "predicted"]);
    for own in &found.dependence {
        for (value, predicted) in own.values.iter().zip(&own.predicted) {
            let levels = own.levels.as_ref();
            let level = levels.and_then(|levels| levels.get(*value as usize));
            dependence.rows.push(row![&own.column, *value, level, *predicted]);
        }
    }
    let mut coefficients = Table::new(
        "coefficients",
        &["term", "coef", "se", "robust_se", "ratio", "lo", "hi", "p", "patients"],
    );
    if let Some(own) = &found.coefficients {
        for (term, robust) in own.terms.iter().zip(&own.robust_se) {
            coefficients.rows.push(row![
                &term.name,
                term.coef,
                term.se,
                *robust,
                term.hr,
                term.lo,
                term.hi,
                term.p,
                Cell::patients(own.n, of.min_cell),
            ]);
        }
    }
    vec![importance, attributions, dependence, coefficients]
}
