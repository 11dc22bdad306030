//! Tables of generators, and of virtual patients beside real ones: what the display rule hides of the
//! real ones is taken out first, as on the page.

use haima_fl_core::results::Curve;
use haima_fl_core::results::fidelity::{Fidelity, Group};
use haima_fl_core::results::generator::Generator;
use haima_fl_core::results::validation::Share;
use haima_fl_core::synth::metrics::{fits, survival};

use super::cell::row;
use super::models::FACTS;
use super::{Cell, Of, Table};
use crate::report::model::Class;
use crate::report::synthetic::{self, RatioPair, SurvivalPair, SyntheticReport, Utility};

/// What a generator is; itself it is in `report.json`.
pub(super) fn generator(made: &Generator) -> Table {
    let mut table = Table::new("generator", &FACTS);
    let release = if made.is_charged() { "noised" } else { "exact" };
    table.rows.push(row!["method", &made.method]);
    table.rows.push(row!["release", release]);
    table.rows.push(row!["sums", made.rounds]);
    table.rows.push(row!["hospitals", made.sites]);
    table.rows.push(row!["held_out", made.holdout]);
    table.rows.push(row!["attributes", made.domain.attributes.len() as u64]);
    table.rows.push(row!["tables", made.measured.len() as u64]);
    table
}

/// A comparison in a study's report.
pub(super) fn study(result: &Fidelity, of: Of<'_>) -> Vec<Table> {
    fidelity(&synthetic::shown(result, of.min_cell))
}

/// All tables of a report on virtual patients.
pub(super) fn of(report: &SyntheticReport) -> Vec<Table> {
    let report = &synthetic::without(report);
    let mut tables = report.fidelity.as_ref().map(fidelity).unwrap_or_default();
    tables.push(curves(&report.survival, report.min_cell));
    tables.push(ratios(&report.ratios));
    tables.push(utility(&report.utility));
    let mut attack = Table::new("membership", &["figure", "value", "lo", "hi"]);
    if let Some(found) = &report.membership {
        let share = |name: &str, share: &Share| row![name, share.value, share.lo, share.hi];
        attack.rows.push(share("auc", &found.auc));
        let control = found.positive_control.as_ref();
        attack.rows.extend(control.map(|control| share("positive_control", control)));
        attack.rows.push(row!["refits", found.refits, Cell::Empty, Cell::Empty]);
    }
    tables.push(attack);
    tables
}

/// Of what is left of a comparison: a number that was taken out is none.
fn fidelity(shown: &Fidelity) -> Vec<Table> {
    let mut columns = Table::new("columns", &["column", "distance", "by_chance", "ks"]);
    let mut levels = Table::new("levels", &["column", "level", "real", "virtual"]);
    for own in &shown.columns {
        columns.rows.push(row![&own.name, own.tv, own.chance, own.ks]);
        for (level, (real, synthetic)) in own.levels.iter().zip(own.real.iter().zip(&own.synthetic))
        {
            levels.rows.push(row![&own.name, level, *real, *synthetic]);
        }
    }
    let header = [
        "a",
        "b",
        "distance",
        "by_chance",
        "association_real",
        "association_virtual",
        "correlation_real",
        "correlation_virtual",
    ];
    let mut pairs = Table::new("pairs", &header);
    for own in &shown.pairs {
        let (association, correlation) = (own.association, own.correlation);
        pairs.rows.push(row![
            &own.a,
            &own.b,
            own.tv,
            own.chance,
            association.map(|both| both.0),
            association.map(|both| both.1),
            correlation.map(|both| both.0),
            correlation.map(|both| both.1),
        ]);
    }
    let header = ["columns", "tables", "of", "distance", "by_chance", "shuffled"];
    let mut orders = Table::new("orders", &header);
    for own in &shown.workload {
        let counts = [own.degree, own.tables, own.of].map(Cell::Count);
        let figures = row![own.tv, own.chance, own.shuffled];
        orders.rows.push(counts.into_iter().chain(figures).collect());
    }
    vec![columns, levels, pairs, orders, nearest(shown)]
}

fn nearest(shown: &Fidelity) -> Table {
    let mut table = Table::new("distances", &["patients", "distance_up_to", "count"]);
    let mut add = |whose: &str, group: &Group| {
        // The first bin is of distance 0.
        for (edge, count) in shown.nearest.distance_edges.iter().zip(&group.distances) {
            table.rows.push(row![whose, *edge, *count]);
        }
    };
    add("training", &shown.nearest.training);
    if let Some(group) = &shown.nearest.holdout {
        add("holdout", group);
    }
    table
}

fn curves(pairs: &[SurvivalPair], min_cell: u64) -> Table {
    let header = [
        "title",
        "group",
        "real",
        "virtual",
        "divergence",
        "optimism",
        "short_sightedness",
        "log_rank_p",
    ];
    let mut table = Table::new("survival", &header);
    for pair in pairs {
        for real in &pair.real.curves {
            let same = |own: &&Curve| own.group == real.group;
            let Some(synthetic) = pair.synthetic.curves.iter().find(same) else { continue };
            let found = survival::compare(real, synthetic);
            // Of noised counts the statistic has another distribution.
            let p = (pair.class == Class::Exact).then(|| survival::logrank(real, synthetic).p);
            table.rows.push(row![
                &pair.title,
                &real.group,
                Cell::patients(real.n, min_cell),
                synthetic.n,
                found.as_ref().map(|one| one.divergence),
                found.as_ref().map(|one| one.optimism),
                found.as_ref().map(|one| one.short_sightedness),
                p,
            ]);
        }
    }
    table
}

fn ratios(pairs: &[RatioPair]) -> Table {
    let header = [
        "title",
        "term",
        "real_ratio",
        "real_lo",
        "real_hi",
        "virtual_ratio",
        "virtual_lo",
        "virtual_hi",
        "overlap",
        "apart_in_se",
    ];
    let mut table = Table::new("ratios", &header);
    for pair in pairs {
        for both in fits::compare(&pair.real, &pair.synthetic) {
            let (real, synthetic) = (both.real, both.synthetic);
            table.rows.push(row![
                &pair.title,
                &real.name,
                real.hr,
                real.lo,
                real.hi,
                synthetic.hr,
                synthetic.lo,
                synthetic.hi,
                both.overlap,
                both.shift,
            ]);
        }
    }
    table
}

fn utility(rows: &[Utility]) -> Table {
    let header = ["outcome", "model", "measure", "judged_on", "real", "virtual", "tolerance"];
    let mut table = Table::new("utility", &header);
    for own in rows {
        table.rows.push(row![
            &own.outcome,
            &own.model,
            &own.measure,
            &own.judged_on,
            own.real.value,
            own.synthetic.value,
            own.tolerance,
        ]);
    }
    table
}
