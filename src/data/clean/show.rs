//! What was done to an export, in words.

use std::fmt::Write as _;

use super::{Changed, Report};
use crate::report::numbers::counted;

/// The summary: a line a column that changed.
#[must_use]
pub fn show(report: &Report) -> String {
    let mut text = String::new();
    let separator = match report.separator {
        ',' => "commas",
        ';' => "semicolons",
        '\t' => "tabs",
        _ => "vertical bars",
    };
    let rows = counted(report.rows as u64, "row", "rows");
    let _ = writeln!(text, "{}: {rows}, {}, {separator}", report.file, report.encoding);
    if report.blank_rows > 0 {
        let blank = counted(report.blank_rows as u64, "row", "rows");
        let _ = writeln!(text, "{blank} without any value left out");
    }
    let changed =
        |own: &&Changed| !own.changes.is_empty() || own.written.as_ref() != Some(&own.header);
    let lines: Vec<(String, String)> = report.columns.iter().filter(changed).map(line).collect();
    if lines.is_empty() {
        text.push_str("No field had to be changed.\n");
    } else {
        text.push('\n');
        let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, changes) in lines {
            let _ = writeln!(text, "{name:<width$}  {changes}");
        }
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

/// A column's name, and what was done to it.
fn line(own: &Changed) -> (String, String) {
    let name = match &own.written {
        Some(written) if *written == own.header => written.clone(),
        Some(written) => format!("{} -> {written}", own.header),
        None => own.header.clone(),
    };
    let changes: Vec<String> =
        own.changes.iter().map(|(what, fields)| format!("{what}: {fields}")).collect();
    let changes = if changes.is_empty() { "renamed".to_owned() } else { changes.join(", ") };
    (name, changes)
}
