//! A comparison in words, for a terminal.

use super::{Comparison, Difference, Estimate, Matched};
use crate::report::numbers;
use crate::text::{columns, printable};

/// Rows of figures that are printed of a task; the JSON has all.
const MOST_ROWS: usize = 12;

/// The comparison as lines of a terminal.
#[must_use]
pub fn text(found: &Comparison) -> String {
    let mut lines = Vec::new();
    for side in &found.sides {
        lines.push(format!(
            "{}  {}: {} ({}, {})",
            side.letter,
            side.file,
            side.study,
            numbers::counted(side.hospitals.len() as u64, "hospital", "hospitals"),
            match side.started {
                0 => "no date".to_owned(),
                started => numbers::utc(started),
            }
        ));
    }
    for warning in &found.warnings {
        lines.push(format!("note: {warning}"));
    }
    let letters: Vec<char> = found.sides.iter().map(|side| side.letter).collect();
    for task in &found.tasks {
        lines.push(String::new());
        lines.push(format!("{} ({}, {})", task.title, task.id, task.kind));
        lines.extend(of_task(task, &letters));
    }
    if !found.alone.is_empty() {
        lines.push(String::new());
        lines.push("not compared".to_owned());
        for own in &found.alone {
            lines.push(format!("  {}  {}: {}", own.side, own.id, own.reason));
        }
    }
    printable(&lines.join("\n"))
}

fn of_task(task: &Matched, letters: &[char]) -> Vec<String> {
    let mut lines = Vec::new();
    for (letter, side) in letters.iter().zip(&task.sides) {
        let Some(side) = side else { continue };
        let events = match side.events.as_str() {
            "" => String::new(),
            events => format!(", events {events}"),
        };
        lines.push(format!("  {letter}  patients {}{events}, {}", side.patients, side.privacy));
    }
    lines.extend(task.forbidden.iter().map(|why| format!("  may not be compared: {why}")));
    lines.extend(task.cautions.iter().map(|why| format!("  note: {why}")));
    let mut rows = vec![header(&task.ratio, letters)];
    for term in &task.terms {
        let values =
            term.values.iter().map(|own| own.map_or_else(dash, |own| estimate(&task.ratio, own)));
        let apart = term.differences.iter().skip(1).map(|own| own.map_or_else(dash, apart));
        rows.push(std::iter::once(term.term.clone()).chain(values).chain(apart).collect());
    }
    lines.extend(table(&rows));
    let mut rows = vec![header("largest distance of", &[])];
    for curve in &task.curves {
        let cells = curve.distances.iter().zip(letters).skip(1).map(|(own, letter)| match own {
            Some(own) => format!(
                "{letter} {} at {}",
                numbers::decimal(own.largest, 3),
                numbers::significant(own.at)
            ),
            None => format!("{letter} –"),
        });
        rows.push(std::iter::once(curve.curve.clone()).chain(cells).collect());
    }
    lines.extend(table(&rows));
    let mut rows = vec![header("", letters)];
    for own in task.figures.iter().take(MOST_ROWS) {
        let apart =
            own.differences.iter().skip(1).map(|own| own.map_or_else(dash, numbers::significant));
        let about = match own.row.as_str() {
            "" => own.figure.clone(),
            row => format!("{row}: {}", own.figure),
        };
        let texts = own.texts.iter().map(|text| cut(text));
        rows.push(std::iter::once(about).chain(texts).chain(apart).collect());
    }
    lines.extend(table(&rows));
    let more = task.figures.len().saturating_sub(MOST_ROWS) as u64 + task.figures_left_out;
    if more > 0 {
        let more = numbers::counted(more, "more figure", "more figures");
        lines.push(format!("  {more}: see --json or --out"));
    }
    lines
}

/// `HR`, a column a report, and the difference of each from the first.
fn header(what: &str, letters: &[char]) -> Vec<String> {
    let own = letters.iter().map(char::to_string);
    let apart = letters.iter().skip(1).map(|letter| format!("{letter} − A"));
    std::iter::once(what.to_owned()).chain(own).chain(apart).collect()
}

/// Lines of a table that has more than its header.
fn table(rows: &[Vec<String>]) -> Vec<String> {
    if rows.len() < 2 {
        return Vec::new();
    }
    columns(rows).lines().map(|line| format!("  {line}")).collect()
}

pub(super) fn dash() -> String {
    "–".to_owned()
}

/// `1.03 (1.02 to 1.04)`.
pub(super) fn estimate(ratio: &str, own: Estimate) -> String {
    let (text, interval) = match ratio {
        "Effect" => numbers::difference(own.ratio, own.lo, own.hi),
        _ => numbers::ratio(own.ratio, own.lo, own.hi),
    };
    match own.lo.is_finite() && own.hi.is_finite() {
        true => format!("{text} ({interval})"),
        false => text,
    }
}

/// `0.2 (2.0 SE)`.
pub(super) fn apart(own: Difference) -> String {
    let coef = numbers::significant(own.coef);
    match own.in_se {
        Some(errors) => format!("{coef} ({} SE)", numbers::decimal(errors, 1)),
        None => coef,
    }
}

/// Digits of a figure that a reader can compare by eye.
pub(super) fn cut(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(value) if text.len() > 9 && value.is_finite() => numbers::significant(value),
        _ => text.to_owned(),
    }
}
