//! Tables of how well predictions hold.

use haima_fl_core::results::Concordance;
use haima_fl_core::results::validation::{Binary, Classes, Estimate, Share, Survival, Validation};

use super::cell::row;
use super::{Cell, Of, Table};
use crate::report::{numbers, validation as own_validation};

/// The concordance of a score.
pub(super) fn concordance(result: &Concordance, of: Of<'_>) -> Table {
    let header = ["c_index", "patients", "events", "comparable_pairs", "subset"];
    let mut table = Table::new("concordance", &header);
    let [n, events] = [result.n, result.events].map(|count| Cell::patients(count, of.min_cell));
    table.rows.push(row![result.c_index, n, events, result.comparable, &result.subset]);
    table
}

/// Figures with intervals, calibration, and what holds at each horizon.
pub(super) fn validation(result: &Validation, of: Of<'_>) -> Vec<Table> {
    let mut metrics = Table::new("metrics", &["metric", "of", "value", "se", "lo", "hi"]);
    let mut calibration =
        Table::new("calibration", &["from", "to", "patients", "mean_predicted", "observed"]);
    let mut horizons = Table::new(
        "horizons",
        &["time", "events", "observed", "auc", "predicted", "brier", "brier_null", "ipa", "note"],
    );
    // Whoever has no event is a cell as well.
    let others = result.n.saturating_sub(result.events);
    let few = [result.events, others].iter().any(|count| numbers::is_small(*count, of.min_cell));
    if let Some(binary) = &result.binary {
        of_binary(binary, few, of, (&mut metrics, &mut calibration));
    }
    if let Some(classes) = &result.classes {
        of_classes(classes, &mut metrics);
    }
    if let Some(survival) = &result.survival {
        of_survival(survival, of, (&mut metrics, &mut horizons));
    }
    vec![metrics, calibration, horizons]
}

fn share(metric: &str, of: &str, share: &Share) -> Vec<Cell> {
    row![metric, of, share.value, share.se, share.lo, share.hi]
}

fn value(metric: &str, value: impl Into<Cell>) -> Vec<Cell> {
    let value: Cell = value.into();
    row![metric, "", value, Cell::Empty, Cell::Empty, Cell::Empty]
}

fn estimate(metric: &str, found: &Estimate) -> Vec<Cell> {
    let [lo, hi] = [-1.96, 1.96].map(|side| found.coef + side * found.se);
    row![metric, "", found.coef, found.se, lo, hi]
}

fn of_binary(
    binary: &Binary,
    few: bool,
    of: Of<'_>,
    (metrics, calibration): (&mut Table, &mut Table),
) {
    metrics.rows.push(share("auc", "", &binary.auc));
    let Some(own) = &binary.probability else { return };
    metrics.rows.push(row!["brier", "", own.brier, own.brier_se, Cell::Empty, Cell::Empty]);
    // That of the observed share follows from it.
    metrics.rows.push(value("brier_null", Cell::share(own.brier_null, few)));
    metrics.rows.push(value("index_of_accuracy", Cell::share(own.ipa, few)));
    metrics.rows.push(value("observed", Cell::share(own.observed, few)));
    metrics.rows.push(value("predicted", own.predicted));
    if let Some(found) = &own.in_the_large {
        metrics.rows.push(estimate("calibration_in_the_large", found));
    }
    if let Some(both) = &own.recalibration {
        metrics.rows.push(estimate("calibration_slope", &both.slope));
    }
    for bin in own_validation::bins(&own.calibration, of.min_cell) {
        let predicted = bin.n.is_printed().then_some(bin.bin.predicted);
        calibration.rows.push(row![
            bin.bin.from,
            bin.bin.to,
            Cell::shown(Some(&bin.n), of.min_cell),
            predicted,
            bin.observed,
        ]);
    }
}

/// Areas and the share of right ones, as the page: who was taken for whom holds small cells.
fn of_classes(classes: &Classes, metrics: &mut Table) {
    metrics.rows.push(share("macro_auc", "", &classes.macro_auc));
    metrics.rows.push(value("accuracy", classes.accuracy));
    for class in &classes.classes {
        if let Some(area) = &class.auc {
            metrics.rows.push(share("auc", &class.name, area));
        }
    }
}

fn of_survival(survival: &Survival, of: Of<'_>, (metrics, horizons): (&mut Table, &mut Table)) {
    metrics.rows.push(share("c_index", "", &survival.c_index));
    if let Some(brier) = survival.integrated_brier {
        metrics.rows.push(value("integrated_brier", brier));
    }
    if let Some(brier) = survival.integrated_brier_null {
        metrics.rows.push(value("integrated_brier_null", brier));
    }
    for (place, own) in survival.horizons.iter().enumerate() {
        let few = own_validation::is_few(&survival.horizons, place, of.min_cell);
        let events = if few { Cell::Empty } else { Cell::Count(own.events) };
        horizons.rows.push(row![
            own.time,
            events,
            Cell::share(own.observed, few),
            own.auc,
            own.predicted,
            own.brier,
            own.brier_null,
            own.ipa,
            own.note.as_ref(),
        ]);
    }
}
