//! What may not be compared, in what else two results differ, and what comparing can give away.

use std::collections::BTreeSet;

use super::{Row, Side};
use crate::report::model::{Class, Step, StudyReport};
use crate::report::numbers;
use crate::report::result::StepResult;
use crate::report::table1::{wide, wide_bins};
use crate::report::words::or;

/// Letters of a text that is quoted.
const MOST_LETTERS: usize = 160;

/// What a reader must know before any difference.
pub(super) fn of_reports(
    sides: &[Side],
    reports: &[&StudyReport],
    rows: &[Row<'_>],
) -> Vec<String> {
    let mut warnings = Vec::new();
    let (Some(first), Some(report)) = (sides.first(), reports.first()) else { return warnings };
    for (side, other) in sides.iter().zip(reports).skip(1) {
        let (a, b) = (first.letter, side.letter);
        if side.manifest == first.manifest && !first.manifest.is_empty() {
            let same = (other.started, other.finished) == (report.started, report.finished);
            warnings.push(match same {
                true => format!("{a} and {b} are reports of the same run of one study."),
                false => format!("{a} and {b} are two runs of the same study (one manifest)."),
            });
        } else {
            warnings.push(format!(
                "{a} and {b} are two studies: their manifests differ, and with them what columns \
                 and words may mean."
            ));
        }
        warnings.extend(hospitals(first, side));
        warnings.extend(budgets(first, side));
        if first.min_cell != side.min_cell {
            let most = sides.iter().map(|side| side.min_cell).max().unwrap_or_default();
            warnings.push(format!(
                "{a} hides counts below {}, {b} below {}; here counts below {most} are hidden.",
                first.min_cell, side.min_cell
            ));
        }
    }
    warnings.extend(subtraction(rows, sides));
    warnings
}

/// Hospitals that took part in one alone.
fn hospitals(first: &Side, other: &Side) -> Option<String> {
    let [here, there]: [BTreeSet<&String>; 2] =
        [first, other].map(|side| side.hospitals.iter().collect());
    let only = |a: &BTreeSet<&String>, b: &BTreeSet<&String>| -> Vec<String> {
        a.difference(b).map(|name| (*name).clone()).collect()
    };
    let (left, right) = (only(&here, &there), only(&there, &here));
    if left.is_empty() && right.is_empty() {
        return None;
    }
    let part = |side: &Side, names: &[String]| match names.is_empty() {
        true => format!("none in {} alone", side.letter),
        false => format!("in {} alone {}", side.letter, short(&names.join(", "))),
    };
    Some(format!(
        "Other hospitals took part: {}; {}; {} in both.",
        part(first, &left),
        part(other, &right),
        here.intersection(&there).count()
    ))
}

/// Costs of private results add up where the patients are the same.
fn budgets(first: &Side, other: &Side) -> Option<String> {
    let (here, there) = first.epsilon_limit.zip(other.epsilon_limit)?;
    Some(format!(
        "Both {} and {} have private results (ε at most {} and {}). Where they are about the same \
         patients these costs add up: a reader of both has the sum against a patient, unless one \
         ledger of the hospital covers both.",
        first.letter,
        other.letter,
        numbers::epsilon(here),
        numbers::epsilon(there)
    ))
}

/// What can be found by subtracting exact results of two cohorts.
fn subtraction(rows: &[Row<'_>], sides: &[Side]) -> Option<String> {
    let risky = |row: &Row<'_>| {
        let Some(first) = row.first().copied().flatten().filter(|step| is_exact(step)) else {
            return false;
        };
        row.iter().skip(1).flatten().any(|other| {
            is_exact(other) && (other.cohort != first.cohort || counts(other) != counts(first))
        })
    };
    let differ = sides.windows(2).any(|pair| match pair {
        [a, b] => a.hospitals != b.hospitals,
        _ => false,
    });
    let exact_pairs =
        rows.iter().any(|row| row.iter().flatten().filter(|step| is_exact(step)).count() > 1);
    let close = rows.iter().filter(|row| risky(row)).count();
    if close == 0 && !(differ && exact_pairs) {
        return None;
    }
    let tasks = match close {
        0 => String::new(),
        _ => format!(
            " Here {} over other patients in the reports.",
            numbers::counted(close as u64, "exact task is", "exact tasks are")
        ),
    };
    Some(format!(
        "Exact results carry no noise. Where the patients of two reports are almost the same, the \
         difference of their results is the result of the few who are in one alone, and can tell \
         what is true of a single one of them; no display rule hides that from whoever holds both \
         files.{tasks} Keep the reports and this comparison with those who may see both, and do not \
         ask exact questions of cohorts that differ by a few patients."
    ))
}

fn is_exact(step: &Step) -> bool {
    step.class == Class::Exact
}

fn counts(step: &Step) -> Option<u64> {
    let (n, _) = step.result.as_ref()?.counts()?;
    Some(n)
}

/// Why the results of a task may not be compared, and what else they differ in.
pub(super) fn of_task(
    row: &[Option<&Step>],
    reports: &[&StudyReport],
) -> (Vec<String>, Vec<String>) {
    let (mut forbidden, mut cautions) = (Vec::new(), Vec::new());
    let pairs = row.iter().zip(reports).zip('A'..).skip(1);
    let (Some(first), Some(report)) = (row.first().copied().flatten(), reports.first()) else {
        return (forbidden, cautions);
    };
    for ((step, other), letter) in pairs {
        let Some(step) = *step else { continue };
        let pair = Pair { letter, first, step };
        pair.forbidden((*report, *other), &mut forbidden);
        pair.cautions(&mut cautions);
    }
    (forbidden, cautions)
}

/// A task of the first report and its partner.
#[derive(Clone, Copy)]
struct Pair<'a> {
    letter: char,
    first: &'a Step,
    step: &'a Step,
}

impl Pair<'_> {
    /// Differences in what a figure means.
    fn forbidden(&self, (first, other): (&StudyReport, &StudyReport), reasons: &mut Vec<String>) {
        let letter = self.letter;
        let (Some(here), Some(there)) = (&self.first.result, &self.step.result) else { return };
        let mut unlike = |what: &str, a: &str, b: &str| {
            if a != b {
                let [a, b] = [a, b].map(|text| short(or(text, "none")));
                reasons.push(format!("{what}: A has {a}, {letter} has {b}"));
            }
        };
        if let Some((a, b)) = model(here).zip(model(there)) {
            unlike("another model", a, b);
        }
        if let Some((a, b)) = formula(here).zip(formula(there)) {
            unlike("another outcome", outcome(a), outcome(b));
        }
        if has_times(here) {
            unlike("other units of time", &first.wording.time_unit, &other.wording.time_unit);
        }
        if let (StepResult::Table1(a), StepResult::Table1(b)) = (here, there) {
            for row in &a.rows {
                let partner = b.rows.iter().find(|own| own.column == row.column);
                if let Some(partner) = partner {
                    let what = format!("other units of {}", short(&row.column));
                    unlike(&what, &row.unit, &partner.unit);
                }
            }
        }
        if let (StepResult::Prepared(a), StepResult::Prepared(b)) = (here, there) {
            for own in &a.columns {
                let partner = b.columns.iter().find(|other| other.column == own.column);
                if let Some(partner) = partner {
                    let what = format!("other units of {}", short(&own.column));
                    unlike(&what, &own.unit, &partner.unit);
                }
            }
        }
    }

    /// Differences in whom and how.
    fn cautions(&self, reasons: &mut Vec<String>) {
        let (letter, first, step) = (self.letter, self.first, self.step);
        let cohort =
            |step: &Step| short(or(&step.cohort.trim_end().replace('\n', "; "), "all patients"));
        if first.id != step.id {
            reasons.push(format!(
                "matched by kind alone: A calls it {}, {letter} {}",
                short(&first.id),
                short(&step.id)
            ));
        }
        if cohort(first) != cohort(step) {
            reasons.push(format!(
                "another cohort: A asks {}, {letter} {}",
                cohort(first),
                cohort(step)
            ));
        }
        match (&first.class, &step.class) {
            (Class::Exact, Class::Exact) => {}
            (Class::Private(a), Class::Private(b)) => {
                if a.epsilon_coalition != b.epsilon_coalition || a.noise_s != b.noise_s {
                    reasons.push(format!(
                        "other noise: ε={} in A, {} in {letter}; a difference holds the noise of both",
                        numbers::epsilon(a.epsilon_coalition),
                        numbers::epsilon(b.epsilon_coalition)
                    ));
                } else {
                    reasons.push(format!("a difference holds the noise of both A and {letter}"));
                }
            }
            (Class::Exact, Class::Private(_)) => reasons.push(format!(
                "another privacy class: A is exact, {letter} carries noise, which is in the difference"
            )),
            (Class::Private(_), Class::Exact) => reasons.push(format!(
                "another privacy class: A carries noise, which is in the difference, {letter} is exact"
            )),
        }
        let (Some(here), Some(there)) = (&first.result, &step.result) else { return };
        if let Some((a, b)) = formula(here).zip(formula(there))
            && a != b
            && outcome(a) == outcome(b)
        {
            reasons.push(format!(
                "other columns: A is {}, {letter} is {}; a coefficient is adjusted for what stands beside it",
                short(a),
                short(b)
            ));
        }
        let [a, b] = [here, there].map(columns);
        if let Some(text) = only_one_has(&a, &b, letter) {
            reasons.push(text);
        }
        for (letter, own) in [('A', here), (letter, there)] {
            if let StepResult::Table1(own) = own
                && let Some(note) = wide_bins(&wide(own, 1))
            {
                let text = format!("{letter}: {note}");
                // That of A is the same beside every other.
                if !reasons.contains(&text) {
                    reasons.push(text);
                }
            }
        }
        if let Some((a, b)) = grid(here).zip(grid(there))
            && a != b
        {
            reasons.push(format!(
                "another grid of time: {} in A, {} in {letter}",
                numbers::significant(a),
                numbers::significant(b)
            ));
        }
    }
}

/// A text in quotes, cut.
fn short(text: &str) -> String {
    format!("`{}`", crate::report::words::shorten(text, MOST_LETTERS))
}

/// Name of the model of a result that has one.
fn model(result: &StepResult) -> Option<&str> {
    match result {
        StepResult::Meta(meta) => Some(&meta.model),
        StepResult::Scan(scan) => Some(&scan.family),
        StepResult::Clusters(own) => Some(&own.method),
        result => result.fit().map(|fit| fit.model.as_str()),
    }
}

/// Formula of a result that has one.
fn formula(result: &StepResult) -> Option<&str> {
    match result {
        StepResult::Curves(own) => Some(&own.formula),
        StepResult::Incidence(own) => Some(&own.formula),
        StepResult::States(own) => Some(&own.formula),
        StepResult::Meta(own) => Some(&own.formula),
        StepResult::Scan(own) => Some(&own.formula),
        StepResult::Validation(own) => Some(&own.formula),
        StepResult::Hazard(own) => Some(&own.formula),
        result => result.fit().map(|fit| fit.formula.as_str()),
    }
}

/// What stands before the tilde.
fn outcome(formula: &str) -> &str {
    formula.split_once('~').map_or(formula, |(outcome, _)| outcome).trim()
}

fn has_times(result: &StepResult) -> bool {
    match result {
        StepResult::Curves(_) | StepResult::Incidence(_) | StepResult::States(_) => true,
        StepResult::Validation(own) => own.survival.is_some(),
        _ => false,
    }
}

/// Columns of a result without a formula.
fn columns(result: &StepResult) -> Vec<&str> {
    match result {
        StepResult::Table1(own) => own.rows.iter().map(|row| row.column.as_str()).collect(),
        StepResult::Pca(own) => own.columns.iter().map(String::as_str).collect(),
        StepResult::Clusters(own) => own.columns.iter().map(String::as_str).collect(),
        StepResult::Comutation(own) => own.genes.iter().map(String::as_str).collect(),
        StepResult::Prepared(own) => own.columns.iter().map(|one| one.column.as_str()).collect(),
        StepResult::Fidelity(own) => own.columns.iter().map(|one| one.name.as_str()).collect(),
        _ => Vec::new(),
    }
}

fn only_one_has(a: &[&str], b: &[&str], letter: char) -> Option<String> {
    let [here, there]: [BTreeSet<&str>; 2] = [a, b].map(|names| names.iter().copied().collect());
    let only = |a: &BTreeSet<&str>, b: &BTreeSet<&str>| {
        a.difference(b).copied().collect::<Vec<&str>>().join(", ")
    };
    let (left, right) = (only(&here, &there), only(&there, &here));
    if left.is_empty() && right.is_empty() {
        return None;
    }
    let [left, right] = [left, right].map(|names| short(or(&names, "none")));
    Some(format!("other columns: in A alone {left}, in {letter} alone {right}"))
}

fn grid(result: &StepResult) -> Option<f64> {
    match result {
        StepResult::Curves(own) => Some(own.grid),
        StepResult::Incidence(own) => Some(own.grid),
        StepResult::States(own) => Some(own.grid),
        StepResult::GriddedFit(own) => Some(own.grid),
        StepResult::Subdistribution(own) => Some(own.grid),
        _ => None,
    }
}
