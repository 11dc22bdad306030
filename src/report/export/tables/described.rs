//! Tables of what describes patients: Table 1, mutations, components, clusters, figures of columns.

use haima_fl_core::results::clusters::Clusters;
use haima_fl_core::results::combat::Combat;
use haima_fl_core::results::comutation::{Comutation, MutationGroup};
use haima_fl_core::results::pca::Pca;
use haima_fl_core::results::prepare::{Figures, Kind, Prepared};
use haima_fl_core::results::quartiles::Quartile;
use haima_fl_core::results::{Cells, Table1, TableRow};
use haima_fl_core::tasks::concordance::Release;

use super::cell::row;
use super::{Cell, Of, Table};
use crate::report::cells::{Shown, suppress};
use crate::report::table1::{decimals, prints_statistics, wide, wide_bins};
use crate::report::{
    clusters as own_clusters, comutation as own_comutation, prepared as own_prepared,
};

/// Table 1: a row a column, level and group. `share` is of the known values; a numeric column has one
/// row a group, without a level. A quartile whose bin is too wide for a figure is the bin's bounds, which
/// `note` says.
pub(super) fn table1(result: &Table1, of: Of<'_>) -> Table {
    let mut table = Table::new(
        "table1",
        &[
            "column", "label", "unit", "level", "group", "patients", "missing", "count", "share",
            "mean", "sd", "q1", "median", "q3", "note",
        ],
    );
    let sizes = suppress(std::slice::from_ref(&result.n), false, of.min_cell).concat();
    let wide = wide(result, of.min_cell);
    for own in &result.rows {
        match &own.cells {
            Cells::Numeric { .. } => {
                let note = wide.iter().any(|row| row.column == own.column);
                let note = note.then(|| wide_bins(&[own])).flatten();
                numeric(own, note.as_deref(), (result, sizes.as_slice()), of, &mut table);
            }
            Cells::Categorical { levels, counts } => {
                let lists = (levels.as_slice(), counts.as_slice());
                categorical(own, lists, (result, sizes.as_slice()), of, &mut table);
            }
        }
    }
    table
}

fn numeric(
    own: &TableRow,
    note: Option<&str>,
    (result, sizes): (&Table1, &[Shown]),
    of: Of<'_>,
    table: &mut Table,
) {
    let Cells::Numeric { mean, sd, .. } = &own.cells else { return };
    let missing = own.missing.iter().chain(std::iter::repeat(&0));
    let known = result.n.iter().zip(missing).map(|(n, missing)| n.saturating_sub(*missing));
    // Missing and known add up to n, so both lines are decided together.
    let shown = suppress(&[known.collect(), own.missing.clone()], true, of.min_cell);
    for (place, group) in result.groups.iter().enumerate() {
        let printed = shown.first().is_some_and(|line| prints_statistics(line, place));
        // Of whole numbers a mean with all its digits tells of how many it is the mean.
        let hidden = |line: &Vec<Shown>| line.get(place).is_some_and(|cell| !cell.is_printed());
        let steps = shown.iter().any(hidden).then(|| 10_f64.powi(decimals(sd) as i32));
        let rounded = |value: f64| steps.map_or(value, |steps| (value * steps).round() / steps);
        let value = |values: &[f64]| values.get(place).copied().filter(|_| printed).map(rounded);
        let quartiles = own.cells.quartiles(place).filter(|_| printed);
        let [q1, median, q3] = quartiles.map_or([const { Cell::Empty }; 3], |all| {
            all.map(|own| match own {
                Quartile::At(value) => Cell::Number(rounded(value)),
                Quartile::Within(bin) => Cell::Between(bin),
            })
        });
        let missing = shown.get(1).and_then(|line| line.get(place));
        table.rows.push(row![
            &own.column,
            &own.label,
            &own.unit,
            Cell::Empty,
            group,
            Cell::shown(sizes.get(place), of.min_cell),
            Cell::shown(missing, of.min_cell),
            Cell::Empty,
            Cell::Empty,
            value(mean),
            value(sd),
            q1,
            median,
            q3,
            note,
        ]);
    }
}

fn categorical(
    own: &TableRow,
    (levels, counts): (&[String], &[Vec<u64>]),
    (result, sizes): (&Table1, &[Shown]),
    of: Of<'_>,
    table: &mut Table,
) {
    let mut lines = counts.to_vec();
    lines.push(own.missing.clone());
    let shown = suppress(&lines, true, of.min_cell);
    // A share beside a hidden count would give its denominator away.
    let known = |place: usize| -> Option<u64> {
        let printed = |line: &Vec<Shown>| line.get(place).is_none_or(|cell| cell.is_printed());
        let sum = || counts.iter().filter_map(|line| line.get(place)).sum();
        shown.iter().all(printed).then(sum).filter(|known| *known > 0)
    };
    for (level, line) in levels.iter().zip(&shown) {
        for (place, group) in result.groups.iter().enumerate() {
            let cell = line.get(place);
            let share = match (cell, known(place)) {
                (Some(Shown::Count(count)), Some(known)) => Some(*count as f64 / known as f64),
                _ => None,
            };
            let missing = shown.get(counts.len()).and_then(|line| line.get(place));
            table.rows.push(row![
                &own.column,
                &own.label,
                &own.unit,
                level,
                group,
                Cell::shown(sizes.get(place), of.min_cell),
                Cell::shown(missing, of.min_cell),
                Cell::shown(cell, of.min_cell),
                share,
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
            ]);
        }
    }
}

/// Carriers of each gene, numbers of mutated genes, and pairs.
pub(super) fn comutation(result: &Comutation, of: Of<'_>) -> Vec<Table> {
    let min_cell = of.min_cell;
    let counts = own_comutation::counts(result, min_cell);
    let sizes: Vec<u64> = result.groups.iter().map(|group| group.n).collect();
    let sizes = suppress(&[sizes], false, min_cell).concat();
    let mut genes = Table::new("genes", &["gene", "group", "patients", "carriers"]);
    for (gene, line) in result.genes.iter().zip(&counts) {
        for ((group, size), cell) in result.groups.iter().zip(&sizes).zip(line) {
            let [size, cell] = [size, cell].map(|shown| Cell::shown(Some(shown), min_cell));
            genes.rows.push(row![gene, &group.group, size, cell]);
        }
    }
    let most = result.groups.iter().map(|group| group.burden.len()).max().unwrap_or(0);
    let at = |k: usize| {
        let of_group = |own: &MutationGroup| own.burden.get(k).copied().unwrap_or(0);
        result.groups.iter().map(of_group).collect::<Vec<u64>>()
    };
    let burden: Vec<Vec<u64>> = (0..most).map(at).collect();
    let shown = suppress(&burden, true, min_cell);
    let mut numbers = Table::new("burden", &["mutated_genes", "group", "patients"]);
    for (k, line) in shown.iter().enumerate() {
        for (group, cell) in result.groups.iter().zip(line) {
            numbers.rows.push(row![k as u64, &group.group, Cell::shown(Some(cell), min_cell)]);
        }
    }
    let mut pairs =
        Table::new("pairs", &["a", "b", "both", "odds_ratio", "log_se", "p", "tendency"]);
    for own in own_comutation::rows(result, &counts, min_cell) {
        let pair = own.pair;
        let both = Cell::shown(Some(&own.both), min_cell);
        pairs.rows.push(match own.open {
            true => row![&pair.a, &pair.b, both, pair.odds_ratio, pair.se, pair.p, &pair.tendency],
            false => {
                row![&pair.a, &pair.b, both, Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty]
            }
        });
    }
    vec![genes, numbers, pairs]
}

/// Components, loadings and correlations.
pub(super) fn components(result: &Pca) -> Vec<Table> {
    let mut components =
        Table::new("components", &["component", "eigenvalue", "sdev", "explained"]);
    let values = result.eigenvalues.iter().zip(&result.sdev).zip(&result.explained);
    for (place, ((eigenvalue, sdev), explained)) in values.enumerate() {
        components.rows.push(row![place as u64 + 1, *eigenvalue, *sdev, *explained]);
    }
    let mut loadings = Table::new("loadings", &["component", "column", "loading"]);
    for (place, own) in result.loadings.iter().enumerate() {
        for (column, loading) in result.columns.iter().zip(own) {
            loadings.rows.push(row![place as u64 + 1, column, *loading]);
        }
    }
    let mut correlations = Table::new("correlations", &["a", "b", "correlation"]);
    for (a, line) in result.columns.iter().zip(&result.correlation) {
        for (b, value) in result.columns.iter().zip(line) {
            correlations.rows.push(row![a, b, *value]);
        }
    }
    vec![components, loadings, correlations]
}

/// A row a cluster and column.
pub(super) fn clusters(result: &Clusters, of: Of<'_>) -> Table {
    let mut table = Table::new("clusters", &["cluster", "patients", "column", "centre", "sd"]);
    let sizes = own_clusters::sizes(result, of.min_cell);
    for (place, (cluster, size)) in result.clusters.iter().zip(&sizes).enumerate() {
        let hidden = matches!(size, Shown::Small | Shown::Count(0));
        for (index, column) in result.columns.iter().enumerate() {
            let centre = cluster.centre.get(index).copied().filter(|_| !hidden);
            let sd = own_clusters::spread(cluster.covariance.as_ref(), index);
            table.rows.push(row![
                place as u64 + 1,
                Cell::shown(Some(size), of.min_cell),
                column,
                centre,
                sd.filter(|_| !hidden),
            ]);
        }
    }
    table
}

/// Figures of columns: a row a numeric column, or a level.
pub(super) fn prepared(result: &Prepared, of: Of<'_>) -> Table {
    let header =
        ["column", "unit", "level", "missing", "log1p", "mean", "sd", "median", "share", "public"];
    let mut table = Table::new("columns", &header);
    // Under noise a count is no patient's own.
    let rule = match result.release {
        Release::Exact => of.min_cell,
        Release::Noised => 0,
    };
    let whole = |count: f64| count.max(0.0).round() as u64;
    for own in &result.columns {
        let absent = whole(own.missing * result.patients);
        let parts = [vec![absent], vec![whole(result.patients).saturating_sub(absent)]];
        let hides = |lines: &[Vec<u64>]| {
            suppress(lines, true, rule).iter().flatten().any(|cell| !cell.is_printed())
        };
        let missing = Cell::share(own.missing, hides(&parts));
        table.rows.extend(figures(own, &missing, hides));
    }
    table
}

fn figures(own: &Figures, missing: &Cell, hides: impl Fn(&[Vec<u64>]) -> bool) -> Vec<Vec<Cell>> {
    let word = |is: bool| if is { "yes" } else { "no" };
    match &own.of {
        Kind::Numeric { log1p, mean, sd, median, public, .. } => vec![row![
            &own.column,
            &own.unit,
            Cell::Empty,
            missing.clone(),
            word(*log1p),
            *mean,
            *sd,
            *median,
            Cell::Empty,
            word(*public),
        ]],
        Kind::Levels { levels, shares, public, .. } => {
            let counts: Vec<Vec<u64>> = shares
                .iter()
                .map(|share| vec![(share * own.present).max(0.0).round() as u64])
                .collect();
            let hidden = hides(&counts);
            let one = |(level, share): (&String, &f64)| {
                row![
                    &own.column,
                    &own.unit,
                    level,
                    missing.clone(),
                    Cell::Empty,
                    Cell::Empty,
                    Cell::Empty,
                    Cell::Empty,
                    Cell::share(*share, hidden),
                    word(*public),
                ]
            };
            levels.iter().zip(shares).map(one).collect()
        }
    }
}

/// Batch terms: a row a column and batch; one a column where batches are hospitals.
pub(super) fn batches(result: &Combat, of: Of<'_>) -> Table {
    let header = ["column", "mean", "residual_sd", "batch", "patients", "shift", "variance"];
    let mut table = Table::new("batches", &header);
    let sizes = own_prepared::batch_sizes(result, of.min_cell);
    for (index, feature) in result.features.iter().enumerate() {
        if result.batches.is_empty() {
            table.rows.push(row![
                &feature.column,
                feature.mean,
                feature.sd,
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
                Cell::Empty
            ]);
        }
        for (batch, size) in result.batches.iter().zip(&sizes) {
            table.rows.push(row![
                &feature.column,
                feature.mean,
                feature.sd,
                &batch.level,
                Cell::shown(Some(size), of.min_cell),
                batch.gamma.get(index).copied(),
                batch.delta.get(index).copied(),
            ]);
        }
    }
    table
}
