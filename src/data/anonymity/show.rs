//! The report as text.

use std::fmt::Write as _;

use super::{Band, Report, Suggestion, Summary};
use crate::report::numbers::{count, counted, percent};
use crate::text::columns;

/// The report, for the eyes of the hospital that holds the file.
///
/// # Security
/// Tells of patients; it belongs to the site.
#[must_use]
pub fn show(report: &Report) -> String {
    let mut text = String::new();
    let rows = counted(report.rows, "row", "rows");
    let _ = writeln!(text, "{}: {rows}, by {}\n", report.file, report.quasi.join(", "));
    let mut heading = vec![String::new(), "as it is".to_owned()];
    let summaries: Vec<&Summary> = std::iter::once(&report.before).chain(&report.after).collect();
    heading.extend(report.after.iter().map(|_| "generalised".to_owned()));
    let mut lines = vec![heading];
    let mut line = |name: String, of: &dyn Fn(&Summary) -> String| {
        lines.push(std::iter::once(name).chain(summaries.iter().map(|own| of(own))).collect());
    };
    line("rows that are alone".into(), &|own| part(own.unique_rows, own.unique_share));
    line("k, rows of the smallest class".into(), &|own| count(own.k));
    line("classes".into(), &|own| count(own.classes));
    for (at, band) in report.before.sizes.iter().enumerate() {
        line(format!("  {}", sizes(band)), &|own| {
            own.sizes.get(at).map_or_else(String::new, |own| count(own.classes))
        });
    }
    let all = report.rows;
    for (at, column) in report.before.diversity.iter().enumerate() {
        let name = &column.column;
        line(format!("l of {name}, values of the least diverse class"), &|own| {
            let l = own.diversity.get(at).and_then(|own| own.l);
            l.map_or_else(|| "-".to_owned(), count)
        });
        let share = |rows: u64| if all == 0 { 0.0 } else { rows as f64 / all as f64 };
        let told = |own: &Summary, of: &dyn Fn(&super::Diversity) -> u64| {
            let rows = own.diversity.get(at).map_or(0, of);
            part(rows, share(rows))
        };
        line(format!("  rows whose {name} their class tells"), &|own| told(own, &|d| d.told_rows));
        line("  of them in classes of 2 and more".into(), &|own| {
            told(own, &|d| d.told_rows_in_groups)
        });
    }
    text.push_str(&columns(&lines));
    if !report.generalised.is_empty() {
        let _ = writeln!(text, "\nGeneralised: {}", report.generalised.join(", "));
    }
    help(&mut text, report);
    let _ = writeln!(text, "\n{}", report.note);
    text
}

/// What would help.
fn help(text: &mut String, report: &Report) {
    let now = report.after.as_ref().unwrap_or(&report.before);
    if now.unique_rows == 0 {
        text.push_str("\nNo row is alone.\n");
        return;
    }
    let Some(best) = report.suggestions.first() else { return };
    let beyond = if report.after.is_some() { ", beyond that" } else { "" };
    let _ = writeln!(
        text,
        "\nOne column made coarser{beyond} (`{}` helps most; * leaves a column out)",
        best.column
    );
    let heading = ["--generalise", "rows alone", "k"].map(str::to_owned).to_vec();
    let mut lines = vec![heading];
    lines.extend(report.suggestions.iter().map(line));
    text.push_str(&columns(&lines));
}

fn line(own: &Suggestion) -> Vec<String> {
    vec![own.generalise.clone(), part(own.unique_rows, own.unique_share), count(own.k)]
}

fn part(rows: u64, share: f64) -> String {
    format!("{} ({})", count(rows), percent(share))
}

/// How large classes are, in words.
fn sizes(band: &Band) -> String {
    match band.to {
        None => format!("of {} and more", band.from),
        Some(to) if to == band.from => format!("of {to}"),
        Some(to) => format!("of {} to {to}", band.from),
    }
}
