//! Which tasks of several reports are the same.

use super::{Alone, Row};
use crate::report::model::{Step, StudyReport};
use crate::report::result::StepResult;

/// Kind of a result: only results of one kind are compared.
pub(super) fn kind(result: &StepResult) -> &'static str {
    match result {
        StepResult::Table1(_) => "table1",
        StepResult::Curves(_) => "curves",
        StepResult::Incidence(_) => "incidence",
        StepResult::States(_) => "states",
        // One question, whether risk sets span hospitals or not.
        StepResult::Fit(_) | StepResult::GriddedFit(_) => "fit",
        StepResult::Subdistribution(_) => "subdistribution",
        StepResult::Meta(_) => "meta",
        StepResult::Scan(_) => "scan",
        StepResult::Comutation(_) => "comutation",
        StepResult::Pca(_) => "pca",
        StepResult::Clusters(_) => "clusters",
        StepResult::Validation(_) => "validation",
        StepResult::Hazard(_) => "hazard",
        StepResult::Network(_) => "network",
        StepResult::Explanation(_) => "explanation",
        StepResult::Concordance(_) => "concordance",
        StepResult::Prepared(_) => "prepared",
        StepResult::Batches(_) => "batches",
        StepResult::Generator(_) => "generator",
        StepResult::Fidelity(_) => "fidelity",
        StepResult::Other(_) => "other",
    }
}

/// Kind of a step's result; `None` where it has none, or one that this version does not know.
fn kind_of(step: &Step) -> Option<&'static str> {
    step.result.as_ref().map(kind).filter(|kind| *kind != "other")
}

/// Rows of tasks that the first report shares with another, and tasks of one report alone.
pub(super) fn match_tasks<'a>(all: &[&'a StudyReport]) -> (Vec<Row<'a>>, Vec<Alone>) {
    let Some((first, others)) = all.split_first() else { return (Vec::new(), Vec::new()) };
    let mut rows: Vec<Row<'a>> = first.steps.iter().map(|step| vec![Some(step)]).collect();
    let mut alone = Vec::new();
    for (other, letter) in others.iter().zip('B'..) {
        let found = partners(first, other);
        for (row, partner) in rows.iter_mut().zip(&found) {
            row.push(partner.and_then(|place| other.steps.get(place)));
        }
        let own = other.steps.iter().enumerate();
        for (_, step) in own.filter(|(place, _)| !found.contains(&Some(*place))) {
            alone.push(lonely(letter, step, first));
        }
    }
    let has_partner = |row: &Row<'_>| row.iter().skip(1).any(Option::is_some);
    for step in rows.iter().filter(|row| !has_partner(row)).filter_map(|row| *row.first()?) {
        let others = others.iter().flat_map(|report| &report.steps);
        let clash = others.filter(|own| own.id == step.id).any(|own| kind_of(own) != kind_of(step));
        alone.push(Alone { reason: reason(step, clash), ..named('A', step) });
    }
    rows.retain(has_partner);
    (rows, alone)
}

/// For each step of the first report, the place of its partner in the other.
fn partners(first: &StudyReport, other: &StudyReport) -> Vec<Option<usize>> {
    let mut taken = vec![false; other.steps.len()];
    let mut take = |place: Option<usize>| {
        if let Some(taken) = place.and_then(|place| taken.get_mut(place)) {
            *taken = true;
        }
        place
    };
    let by_id = |step: &Step| {
        let kind = kind_of(step)?;
        other.steps.iter().position(|own| own.id == step.id && kind_of(own) == Some(kind))
    };
    let mut found: Vec<Option<usize>> = first.steps.iter().map(|step| take(by_id(step))).collect();
    // What is left: the one task of a kind on each side.
    let left: Vec<usize> =
        (0..found.len()).filter(|place| matches!(found.get(*place), Some(None))).collect();
    let free: Vec<usize> =
        (0..taken.len()).filter(|place| matches!(taken.get(*place), Some(false))).collect();
    for place in &left {
        let Some(kind) = first.steps.get(*place).and_then(kind_of) else { continue };
        let of_kind = |report: &StudyReport, place: &usize| {
            report.steps.get(*place).and_then(kind_of) == Some(kind)
        };
        let here = left.iter().filter(|place| of_kind(first, place)).count();
        let mut there = free.iter().filter(|place| of_kind(other, place));
        if let (1, Some(partner), None) = (here, there.next(), there.next())
            && let Some(found) = found.get_mut(*place)
        {
            *found = Some(*partner);
        }
    }
    found
}

fn named(side: char, step: &Step) -> Alone {
    Alone { side, id: step.id.clone(), title: step.title.clone(), reason: String::new() }
}

fn lonely(side: char, step: &Step, first: &StudyReport) -> Alone {
    let same = first.steps.iter().filter(|own| own.id == step.id);
    let clash = same.into_iter().any(|own| kind_of(own) != kind_of(step));
    Alone { reason: reason(step, clash), ..named(side, step) }
}

fn reason(step: &Step, clash: bool) -> String {
    match (&step.result, clash) {
        (None, _) => "it gave no result".to_owned(),
        (Some(StepResult::Other(_)), _) => {
            "its result is of a kind that this version does not know".to_owned()
        }
        (Some(_), true) => {
            "the task of this id has a result of another kind in the other report".to_owned()
        }
        (Some(_), false) => {
            "no task of this id, and not one single task of this kind, in the other report"
                .to_owned()
        }
    }
}
