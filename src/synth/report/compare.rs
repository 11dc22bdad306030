//! Curves, hazard ratios and what a model is worth, of real patients and of virtual ones, for one time
//! to event.

use haima_fl_core::registry::Finished;
use haima_fl_core::results::validation::Share;
use haima_fl_core::results::{Curves, Fit};
use haima_fl_core::selection;
use haima_fl_core::synth::domain::{Attribute, Kind};
use haima_fl_core::tasks::hazard::split::Split;
use haima_fl_core::tasks::{cox, km, validate};
use serde_json::Value;

use super::tasks::{Part, Real, Virtual};
use super::{Request, read};
use crate::Error;
use crate::report::Class;
use crate::report::numbers;
use crate::report::synthetic::{RatioPair, SurvivalPair, Utility};

/// Steps of the public time grid of curves, about.
const STEPS: f64 = 200.0;
/// Id of a fit that is judged.
const FIT: &str = "fit";

/// What was compared.
pub(super) struct Pairs {
    pub(super) survival: Vec<SurvivalPair>,
    pub(super) ratios: Vec<RatioPair>,
    pub(super) utility: Vec<Utility>,
}

/// One time to event.
pub(super) struct Question<'a> {
    pub(super) attribute: &'a Attribute,
    pub(super) covariates: Vec<String>,
    /// Which real patients, as a task's parameters say it.
    pub(super) cohort: Option<&'a toml::Value>,
    /// Who was kept out of the generator's fit.
    pub(super) split: Option<Split>,
}

impl Question<'_> {
    /// A part of the comparison that is about all patients of the cohort.
    fn part(&self, name: &'static str) -> Part {
        Part { name, of_whom: super::of_whom(false, self.cohort.is_some()) }
    }
}

/// Of an attribute, what its tasks ask for.
struct Columns<'a> {
    time: &'a str,
    event: &'a str,
    /// Where the event is a category: its first level after censored.
    cause: Option<&'a str>,
    grid: f64,
}

impl<'a> Columns<'a> {
    fn of(attribute: &'a Attribute) -> Option<Self> {
        let Kind::Survival { time, event, edges, events, decimals } = &attribute.kind else {
            return None;
        };
        let flag = events.iter().map(String::as_str).eq(["0", "1"]);
        let cause = events.get(1).filter(|_| !flag).map(String::as_str);
        let grid = grid(edges.last().copied().unwrap_or(1.0), *decimals);
        Some(Self { time, event, cause, grid })
    }

    fn params(&self, cohort: Option<&toml::Value>) -> toml::Table {
        let mut params = toml::Table::new();
        params.insert("time".into(), self.time.into());
        params.insert("event".into(), self.event.into());
        if let Some(cause) = self.cause {
            params.insert("cause".into(), cause.into());
        }
        if let Some(cohort) = cohort {
            params.insert(selection::KEY.into(), cohort.clone());
        }
        params
    }
}

/// A round width of which about [`STEPS`] come to the end, no finer than the times are.
fn grid(end: f64, decimals: u8) -> f64 {
    let least = end / STEPS;
    let tens = (-i32::from(decimals)..=15).map(|power| 10f64.powi(power));
    let mut widths = tens.flat_map(|ten| [1.0, 2.0, 5.0].map(|digit| digit * ten));
    widths.find(|width| *width >= least).unwrap_or(end)
}

impl Pairs {
    /// Adds what can be had of one time to event; what cannot becomes a warning.
    pub(super) fn add(
        &mut self,
        question: &Question<'_>,
        real: &mut Real<'_>,
        virtual_side: &Virtual,
        request: &Request,
        warnings: &mut Vec<String>,
    ) {
        let Some(columns) = Columns::of(question.attribute) else { return };
        let name = title(&columns, real);
        let mut warn = |what: &str, error: &Error| warnings.push(format!("{what}: {error}"));
        let groups = std::iter::once(None).chain(request.by.iter().map(Some));
        for by in groups {
            let title =
                by.map_or_else(|| name.clone(), |by| format!("{name}, by {}", label(by, real)));
            match curves(&columns, by, question, real, virtual_side) {
                Ok((real, synthetic)) => {
                    let pair = SurvivalPair { title, class: Class::Exact, real, synthetic };
                    self.survival.push(pair);
                }
                Err(error) => warn(&format!("No curves of {title}"), &error),
            }
        }
        if question.covariates.is_empty() {
            return;
        }
        match ratios(&columns, question, real, virtual_side) {
            Ok((on_real, synthetic)) => {
                self.ratios.push(RatioPair {
                    title: name.clone(),
                    class: Class::Exact,
                    real: on_real,
                    synthetic: synthetic.clone(),
                });
                // Another event than a flag has no validation.
                if columns.cause.is_none() {
                    match utility(&columns, question, real, &synthetic, request.floors.min_cell) {
                        Ok(found) => {
                            let tolerance = request.tolerance;
                            self.utility.push(Utility { outcome: name, tolerance, ..found });
                        }
                        Err(error) => warn(&format!("No judgement of a model of {name}"), &error),
                    }
                }
            }
            Err(error) => warn(&format!("No Cox model of {name}"), &error),
        }
    }
}

fn label(column: &str, real: &Real<'_>) -> String {
    real.schema().column(column).map_or_else(|_| column.to_owned(), |own| own.label.clone())
}

fn title(columns: &Columns<'_>, real: &Real<'_>) -> String {
    let event = match columns.cause {
        Some(cause) => format!("{} = {cause}", label(columns.event, real)),
        None => label(columns.event, real),
    };
    format!("{event} ({})", label(columns.time, real))
}

fn curves(
    columns: &Columns<'_>,
    by: Option<&String>,
    question: &Question<'_>,
    real: &mut Real<'_>,
    virtual_side: &Virtual,
) -> Result<(Curves, Curves), Error> {
    let with = |cohort: Option<&toml::Value>| {
        let mut params = columns.params(cohort);
        params.insert("grid".into(), columns.grid.into());
        if let Some(by) = by {
            params.insert("by".into(), by.as_str().into());
        }
        params
    };
    let task = (km::NAME, km::VERSION);
    let of_real =
        real.run(question.part("Curves"), task, &with(question.cohort), &Finished::new())?;
    let of_virtual = virtual_side.run(task, &with(None))?;
    Ok((read(of_real, km::NAME)?, read(of_virtual, km::NAME)?))
}

/// Parameters of the Cox model across hospitals.
fn model(
    columns: &Columns<'_>,
    question: &Question<'_>,
    cohort: Option<&toml::Value>,
) -> toml::Table {
    let mut params = columns.params(cohort);
    params.insert("covariates".into(), question.covariates.clone().into());
    // One baseline for all hospitals: virtual patients have none of their own.
    params.insert("strata".into(), "none".into());
    params.insert("grid".into(), columns.grid.into());
    params
}

fn ratios(
    columns: &Columns<'_>,
    question: &Question<'_>,
    real: &mut Real<'_>,
    virtual_side: &Virtual,
) -> Result<(Fit, Fit), Error> {
    let task = (cox::NAME, cox::VERSION);
    let params = model(columns, question, question.cohort);
    let of_real = real.run(question.part("Cox models"), task, &params, &Finished::new())?;
    let of_virtual = virtual_side.run(task, &model(columns, question, None))?;
    Ok((read(of_real, cox::NAME)?, read(of_virtual, cox::NAME)?))
}

/// A Cox model of virtual patients and one of the real patients that the generator was fitted on, both
/// judged on those who were kept out of it; on all where nobody was.
fn utility(
    columns: &Columns<'_>,
    question: &Question<'_>,
    real: &Real<'_>,
    synthetic: &Fit,
    min_cell: u64,
) -> Result<Utility, Error> {
    let held_out = |held: bool| {
        let split = question.split.as_ref();
        move |cohort: &haima_fl_core::cohort::Cohort, patient: usize| {
            split.is_none_or(|split| split.holds_out(cohort, patient) == held)
        }
    };
    let task = (cox::NAME, cox::VERSION);
    let params = model(columns, question, question.cohort);
    let trained = real.run_of(held_out(false), task, &params, &Finished::new())?;
    let synthetic = serde_json::to_value(synthetic)
        .map_err(|error| Error::Config { file: "the fit".into(), problem: error.to_string() })?;
    let mut params = columns.params(question.cohort);
    params.insert("model".into(), FIT.into());
    let judge = |fit: Value| -> Result<(Share, [u64; 2]), Error> {
        let finished = Finished::from([(FIT.to_owned(), fit)]);
        let task = (validate::NAME, validate::VERSION);
        let found = real.run_of(held_out(true), task, &params, &finished)?;
        let whole = |key: &str| found.get(key).and_then(Value::as_u64).unwrap_or(0);
        let judged = ["n", "sites"].map(whole);
        let share = found.pointer("/survival/c_index").cloned().unwrap_or_default();
        Ok((read(share, validate::NAME)?, judged))
    };
    let ((real_share, [patients, hospitals]), (synthetic, _)) =
        (judge(trained)?, judge(synthetic)?);
    let whom = match question.split {
        Some(_) => "who were kept out of the generator and of the real model",
        None => "the same that the real model and the generator were fitted on",
    };
    Ok(Utility {
        outcome: String::new(),
        model: format!("Cox model of {}", question.covariates.join(", ")),
        measure: "C-index".into(),
        higher_is_better: true,
        judged_on: format!(
            "{} of {}, {whom}",
            numbers::counted_cell(patients, min_cell, "patient", "patients"),
            numbers::counted(hospitals, "hospital", "hospitals")
        ),
        class: Class::Exact,
        synthetic,
        real: real_share,
        tolerance: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_of_curves_is_round_and_no_finer_than_the_times() {
        assert_eq!(grid(5000.0, 0), 50.0);
        assert_eq!(grid(120.0, 0), 1.0);
        assert_eq!(grid(12.0, 1), 0.1);
    }
}
