//! From columns to words: labels, times, and the findings that the report opens with.
//!
//! Every finding is built from released numbers by fixed sentences; none is written by hand. They
//! speak of association, since nothing here shows cause.

use haima_fl_core::results::gridded::GriddedFit;
use haima_fl_core::results::validation::Validation;
use haima_fl_core::results::{Curve, Curves, Fit, Term};
use haima_fl_core::schema::{Column, Schema};

use super::model::{Class, StudyReport, Wording};
use super::numbers;
use super::result::StepResult;

/// The text, or the fallback when it is empty.
pub(crate) fn or<'a>(text: &'a str, fallback: &'a str) -> &'a str {
    if text.is_empty() { fallback } else { text }
}

/// First letter in upper case.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// At most `most` characters, with an ellipsis.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// What the curves show.
pub(super) fn outcome(wording: &Wording) -> &str {
    or(&wording.outcome, "Survival")
}

/// A count of events with their name, under the display rule.
pub(super) fn events(wording: &Wording, count: u64, min_cell: u64) -> String {
    let names = (or(&wording.event, "event"), or(&wording.events, "events"));
    numbers::counted_cell(count, min_cell, names.0, names.1)
}

/// Label of a group (`male=1`).
pub(crate) fn group(wording: &Wording, key: &str) -> String {
    match wording.labels.get(key) {
        Some(label) => label.clone(),
        None if key == "all" => "All patients".to_owned(),
        None => key.to_owned(),
    }
}

/// Label of a column or term; of an interaction (`age:sexM`), those of both.
pub(crate) fn term(wording: &Wording, key: &str) -> String {
    if let Some(label) = wording.labels.get(key) {
        return label.clone();
    }
    let both = key.split_once(':').and_then(|(one, other)| {
        Some(format!("{} × {}", wording.labels.get(one)?, wording.labels.get(other)?))
    });
    both.unwrap_or_else(|| key.to_owned())
}

/// What groups are told apart by, where all names begin with it, and the rest of each name: `Risk`, and
/// `low` and `high`, of `Risk: low` and `Risk: high`, or of `Risk=low` and `Risk=high`.
pub(super) fn apart(names: &[String]) -> (Option<String>, Vec<String>) {
    let by = |between: &str| {
        let parts: Option<Vec<(&str, &str)>> =
            names.iter().map(|name| name.split_once(between)).collect();
        let parts = parts.filter(|parts| parts.len() > 1)?;
        let (first, _) = *parts.first()?;
        let is_split = parts.iter().all(|(own, rest)| *own == first && !rest.is_empty());
        let rests = parts.iter().map(|(_, rest)| (*rest).to_owned()).collect();
        (is_split && !first.is_empty()).then(|| (Some(first.to_owned()), rests))
    };
    by(": ").or_else(|| by("=")).unwrap_or_else(|| (None, names.to_vec()))
}

/// Label of a column itself: without the multiple in which its ratio is shown.
pub(super) fn column(wording: &Wording, key: &str) -> String {
    let label = term(wording, key);
    match label.rsplit_once(", per ") {
        Some((name, _)) if wording.per.contains_key(key) => name.to_owned(),
        _ => label,
    }
}

/// Unit of the columns of times that the tasks of a study name; empty where none has one, or they
/// differ: a report has one unit of time.
pub(crate) fn time_unit<'a>(schema: &Schema, times: impl Iterator<Item = &'a str>) -> String {
    let mut units = times.filter_map(|time| schema.column(time).ok()).map(Column::unit);
    let first = units.next().unwrap_or("");
    if units.all(|unit| unit == first) { first.to_owned() } else { String::new() }
}

/// Before an interval in running text.
const CI: &str = "95% CI ";

/// `194 days`.
pub(crate) fn time(value: f64, wording: &Wording) -> String {
    let digits = usize::from(value.fract().abs() > 1e-9);
    let number = match numbers::decimal(value, digits) {
        text if digits == 0 && value >= 1000.0 => text.parse().map_or(text, numbers::count),
        text => text,
    };
    let unit = or(&wording.time_unit, "time units");
    let unit = if number == "1" { unit.trim_end_matches('s') } else { unit };
    format!("{number} {unit}")
}

/// `194 days (165 to 224)`, with `before` inside the bracket, the interval by inverting the pointwise one (Brookmeyer and Crowley
/// 1982, as R's `survfit` does); an end that is not reached says so.
pub(crate) fn median(curve: &Curve, wording: &Wording, before: &str) -> String {
    let Some(median) = curve.median else { return "not reached".to_owned() };
    if !curve.lo.iter().any(|lo| lo.is_finite()) {
        return time(median, wording);
    }
    let crossing = |bound: &[f64]| {
        let mut pairs = curve.time.iter().zip(bound);
        pairs.find(|(_, value)| **value <= 0.5).map(|(time, _)| *time)
    };
    let ends = [
        curve.median_lo.or_else(|| crossing(&curve.lo)),
        curve.median_hi.or_else(|| crossing(&curve.hi)),
    ];
    let [lo, hi] = ends.map(|end| {
        let text = end.map(|end| time(end, wording));
        text.and_then(|text| text.split_once(' ').map(|(number, _)| number.to_owned()))
            .unwrap_or_else(|| "not reached".to_owned())
    });
    format!("{} ({before}{lo} to {hi})", time(median, wording))
}

/// What a model's coefficients come to: a ratio of hazards, odds or rates, or an effect as it is.
pub(crate) struct Ratio {
    /// Short name, e.g. `HR`.
    pub(crate) short: &'static str,
    /// Long name, for headings and axes.
    pub(crate) long: &'static str,
    /// What goes up, e.g. `odds`.
    pub(super) of: &'static str,
}

impl Ratio {
    /// That of a fit.
    pub(crate) fn of(fit: &Fit) -> Self {
        match fit.model.as_str() {
            "logistic" => Self { short: "OR", long: "Odds ratio", of: "odds" },
            "poisson" => Self { short: "RR", long: "Rate ratio", of: "rate" },
            "finegray" => {
                Self { short: "SHR", long: "Subdistribution hazard ratio", of: "incidence" }
            }
            "linear" => Self { short: "Effect", long: "Effect", of: "outcome" },
            _ => Self { short: "HR", long: "Hazard ratio", of: "hazard" },
        }
    }

    /// What goes up, and of what: `hazard of death`.
    pub(super) fn of_what(&self, wording: &Wording) -> String {
        match self.short {
            "HR" => format!("{} of {}", self.of, or(&wording.event, "the event")),
            _ => self.of.to_owned(),
        }
    }

    /// The estimate and its interval, as text.
    pub(super) fn text(&self, estimate: f64, lo: f64, hi: f64) -> (String, String) {
        match self.short {
            "Effect" => numbers::difference(estimate, lo, hi),
            _ => numbers::ratio(estimate, lo, hi),
        }
    }
}

/// Ratio and interval of a term in the multiple that the wording asks for.
pub(super) fn scaled(term: &Term, wording: &Wording) -> (f64, f64, f64) {
    let per = per(&term.name, wording);
    (term.hr.powf(per), term.lo.powf(per), term.hi.powf(per))
}

/// The multiple of a column's unit that the wording asks for.
pub(super) fn per(name: &str, wording: &Wording) -> f64 {
    wording.per.get(name).copied().filter(|per| *per > 0.0).unwrap_or(1.0)
}

/// Terms worth a row in a forest plot: all but the intercept.
pub(super) fn covariates(fit: &Fit) -> impl Iterator<Item = &Term> {
    fit.terms.iter().filter(|term| term.name != "(Intercept)")
}

/// The findings, in the order of the steps.
pub(super) fn findings(report: &StudyReport) -> Vec<String> {
    let wording = &report.wording;
    let mut lines = Vec::new();
    for step in &report.steps {
        match &step.result {
            Some(StepResult::Curves(curves)) => lines.extend(of_curves(curves, report)),
            Some(StepResult::Fit(fit) | StepResult::GriddedFit(GriddedFit { fit, .. })) => {
                lines.extend(of_fit(fit, or(&wording.event, "the event"), wording));
            }
            Some(StepResult::Subdistribution(model)) => {
                lines.extend(of_fit(&model.fit, &term(wording, &model.cause), wording));
            }
            Some(StepResult::Validation(validation)) => {
                lines.extend(of_validation(validation, report.floors.min_cell));
            }
            _ => {}
        }
    }
    lines.extend(of_network(report));
    lines
}

fn of_curves(result: &Curves, report: &StudyReport) -> Vec<String> {
    let wording = &report.wording;
    let mut lines = Vec::new();
    let outcome = outcome(wording).to_lowercase();
    let least = report.floors.min_cell.max(1);
    let curves: Vec<&Curve> = result.curves.iter().filter(|curve| curve.n >= least).collect();
    if let [curve] = curves.as_slice() {
        lines.push(format!(
            "Median {outcome} was {} among {}, with {}.",
            median(curve, wording, CI),
            numbers::counted(curve.n, "patient", "patients"),
            events(wording, curve.n_event.iter().sum(), least),
        ));
    }
    if let (Some(test), 2..) = (&result.logrank, curves.len()) {
        let verdict = match test.p {
            p if p < 0.05 => format!("{} differed between groups", capital(&outcome)),
            p if p.is_finite() => {
                format!("No clear difference in {outcome} was found between groups")
            }
            _ => format!("{} could not be compared between groups", capital(&outcome)),
        };
        let name = |curve: &Curve| group(wording, &curve.group);
        let each: Vec<String> = curves
            .iter()
            .map(|curve| format!("{}: median {}", name(curve), median(curve, wording, CI)))
            .collect();
        lines.push(format!(
            "{verdict} ({}; log-rank {}).",
            each.join("; "),
            numbers::p_value(test.p)
        ));
    }
    lines
}

/// At most this many associations a model.
const MOST_TERMS: usize = 4;

fn of_fit(fit: &Fit, event: &str, wording: &Wording) -> Vec<String> {
    let name = Ratio::of(fit);
    // A logistic model repeats the Cox model's story at one time; its table suffices, as it does for
    // other models than of survival.
    if !["cox", "finegray"].contains(&fit.model.as_str()) {
        return Vec::new();
    }
    let mut terms: Vec<&Term> = covariates(fit).filter(|term| term.p < 0.05).collect();
    terms.sort_by(|a, b| a.p.total_cmp(&b.p));
    let mut lines: Vec<String> = terms
        .into_iter()
        .take(MOST_TERMS)
        .map(|found| {
            let (ratio, lo, hi) = scaled(found, wording);
            let (estimate, interval) = numbers::ratio(ratio, lo, hi);
            let change = numbers::percent((ratio - 1.0).abs());
            let direction = if ratio >= 1.0 { "higher" } else { "lower" };
            format!(
                "{}: {change} {direction} {} of {event} ({} {estimate}, 95% CI {interval}; {}), \
                 the other covariates held equal.",
                term(wording, &found.name),
                name.of,
                name.short,
                numbers::p_value(found.p),
            )
        })
        .collect();
    let unclear: Vec<String> = covariates(fit)
        .filter(|term| term.p >= 0.05)
        .map(|term| {
            let (estimate, interval) = {
                let (ratio, lo, hi) = scaled(term, wording);
                numbers::ratio(ratio, lo, hi)
            };
            format!(
                "{} ({} {estimate}, 95% CI {interval}; {})",
                self::term(wording, &term.name),
                name.short,
                numbers::p_value(term.p)
            )
        })
        .collect();
    if !unclear.is_empty() {
        lines.push(format!("No clear association with {event}: {}.", unclear.join("; ")));
    }
    lines
}

fn of_validation(result: &Validation, min_cell: u64) -> Option<String> {
    let (share, name) = match (&result.binary, &result.survival) {
        (Some(binary), _) => (&binary.auc, "AUC"),
        (None, Some(survival)) => (&survival.c_index, "C-index"),
        (None, None) => return None,
    };
    let interval = match (share.lo, share.hi) {
        (Some(lo), Some(hi)) => {
            format!(", {CI}{} to {}", numbers::decimal(lo, 2), numbers::decimal(hi, 2))
        }
        _ => String::new(),
    };
    Some(format!(
        "The prediction {}, tested on {}, ranks {} of pairs in the right order ({name} {}{interval}).",
        result.score,
        numbers::counted_cell(result.n, min_cell, "patient", "patients"),
        numbers::percent(share.value),
        numbers::decimal(share.value, 2),
    ))
}

fn of_network(report: &StudyReport) -> Option<String> {
    let step =
        report.steps.iter().find(|step| matches!(step.result, Some(StepResult::Hazard(_))))?;
    let comparison = report.comparison.as_ref();
    let reported = report.steps.iter().find_map(|step| match &step.result {
        Some(StepResult::Concordance(concordance)) => Some(concordance),
        _ => None,
    });
    let concordance = comparison.map(|both| &both.with_noise).or(reported)?;
    let privacy = match &step.class {
        Class::Private(privacy) => format!(
            "trained with differential privacy (ε={} a patient against {})",
            numbers::epsilon(privacy.epsilon_coalition),
            match &report.masked {
                None => "the strongest coalition".to_owned(),
                Some(masked) => {
                    format!("the coordinator with up to {} hospitals", masked.corrupt)
                }
            }
        ),
        Class::Exact => "trained without differential privacy".to_owned(),
    };
    let twin = comparison.map_or_else(String::new, |both| {
        format!(
            "; without noise the same network reaches {}",
            numbers::decimal(both.without_noise.c_index, 2)
        )
    });
    Some(format!(
        "A hazard network, {privacy}, ranks {} of comparable pairs of patients in the right order \
         (C-index {}, computed from counts without a confidence interval){twin}.",
        numbers::percent(concordance.c_index),
        numbers::decimal(concordance.c_index, 2),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_groups_begin_with_is_said_once() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let (by, rests) = apart(&names);
            format!("{}|{}", by.unwrap_or_default(), rests.join(","))
        };
        assert_eq!(of(&["Risk: low", "Risk: high"]), "Risk|low,high");
        assert_eq!(of(&["risk=low", "risk=high"]), "risk|low,high");
        for names in [&["Women", "Men"][..], &["a=1", "b=1"], &["All patients"], &["a=1"], &[]] {
            assert_eq!(of(names), format!("|{}", names.join(",")));
        }
    }

    #[test]
    fn the_unit_of_time_is_that_of_the_columns_of_times_if_they_agree() {
        let column = |name: &str, unit: &str| {
            format!("{{ name = \"{name}\", kind = \"numeric\", {unit}range = [0, 480] }}")
        };
        let columns = [
            column("months", "unit = \"months\", "),
            column("again", "unit = \"months\", "),
            column("days", "unit = \"days\", "),
            column("bare", ""),
        ];
        let schema = format!("one_row_per_patient = true\ncolumn = [{}]", columns.join(", "));
        let schema = Schema::from_toml(&schema.parse().unwrap()).unwrap();
        let of = |names: &[&str]| time_unit(&schema, names.iter().copied());
        assert_eq!(of(&["months", "again"]), "months");
        for none in [&["months", "days"][..], &["months", "bare"], &["bare"], &["nowhere"], &[]] {
            assert_eq!(of(none), "", "{none:?}");
        }
    }
}
