//! A draft as TOML that a person edits: each line that came from the data says so.

use std::fmt::Write as _;

use super::{Column, Draft, Guess, Why};
use crate::report::numbers::counted;
use crate::text::printable;

/// Letters of a line, as far as words allow.
const WIDTH: usize = 96;

/// The draft.
pub(super) fn text(draft: &Draft) -> String {
    let mut text = String::new();
    comment(
        &mut text,
        &format!(
            "Draft of a schema, made from {} ({}). Edit it: what says \"from the data\" tells of \
             patients, and a schema is public. Ranges and levels have to be what is plausible for the \
             disease, whatever this file holds (rule S4). Then hold the file against it: haima data \
             check.",
            draft.file,
            counted(draft.rows as u64, "row", "rows"),
        ),
    );
    comment(
        &mut text,
        "A study's template takes it as it stands: its part [schema]. Comments do not get into a \
         manifest; they do go where this file goes.",
    );
    if let Some(site) = &draft.site {
        comment(
            &mut text,
            &format!(
                "{site:?} names the hospital of a row. A template says site_column = {}; a hospital's \
                 own file must not have it.",
                quoted(site)
            ),
        );
    }
    let to_do = draft.to_do();
    if !to_do.is_empty() {
        comment(&mut text, "Before any schema fits, in the file:");
        for what in to_do {
            comment(&mut text, &format!("- {what}"));
        }
    }
    text.push_str("\n[schema]\n");
    key(&mut text, draft);
    left_out(&mut text, draft);
    for column in draft.read() {
        described(&mut text, column);
    }
    text
}

/// How patients are told apart.
fn key(text: &mut String, draft: &Draft) {
    let others = match draft.other_keys.as_slice() {
        [] => String::new(),
        others => format!(" No value stands twice in {} either.", others.join(", ")),
    };
    match &draft.patient {
        Some(key) => {
            comment(text, &format!("The column that tells patients apart (rule S1).{others}"));
            let _ = writeln!(text, "patient = {}", quoted(key));
        }
        None => {
            let others = match draft.other_keys.as_slice() {
                [] => String::new(),
                others => format!(
                    " If one of {} is a patient's key, say patient = \"...\" in its place, and take its \
                     [[schema.column]] or its place in `ignore` out.",
                    others.join(", ")
                ),
            };
            comment(
                text,
                &format!(
                    "No column is called like a patient's key, so each row counts as another patient \
                     (rule S1).{others}"
                ),
            );
            text.push_str("one_row_per_patient = true\n");
        }
    }
    if draft.rows_per_patient > 1 {
        comment(
            text,
            &format!(
                "From the data: a value of the key stands in up to {} rows. If these are intervals of \
                 one patient, say so here with a round number; else they are faults, and the check \
                 names their lines.",
                draft.rows_per_patient
            ),
        );
        let _ = writeln!(text, "# rows_per_patient = {}", draft.rows_per_patient);
    }
}

/// Columns that are not read, each with the reason.
fn left_out(text: &mut String, draft: &Draft) {
    if draft.left().next().is_none() {
        comment(text, "Columns that a file may have and nobody reads.");
        text.push_str("ignore = []\n");
        return;
    }
    comment(text, "Columns that a file may have and nobody reads, with the reason.");
    text.push_str("ignore = [\n");
    for column in draft.left() {
        let Guess::Left { why } = column.guess else { continue };
        let remarks: String = column.remarks.iter().map(|remark| format!(" ({remark})")).collect();
        indented(text, "    ", &format!("{}{remarks}:", reason(why)));
        let _ = writeln!(text, "    {},", quoted(&column.column));
    }
    text.push_str("]\n");
}

fn reason(why: Why) -> &'static str {
    match why {
        Why::Empty => "has no value",
        Why::Constant => "has the same text in all rows",
        Why::Dates => {
            "dates say who someone is: give the days between two of them (`haima data clean \
             --interval` makes such), and take this out of the file"
        }
        Why::People => "its name says that it names people: take it out of the file",
        Why::Text => "free text or another key: take it out of the file, or make it a few levels",
        Why::RowNumbers => "row numbers that a program wrote",
    }
}

/// A column that is read.
fn described(text: &mut String, column: &Column) {
    text.push_str("\n[[schema.column]]\n");
    for remark in column.remarks.iter().chain(&column.odd) {
        comment(text, &format!("Look: {remark}."));
    }
    let _ = writeln!(text, "name = {}", quoted(&column.column));
    match &column.guess {
        Guess::Numeric { unit, unit_told, range } => {
            text.push_str("kind = \"numeric\"\n");
            match unit {
                Some(unit) => {
                    let told =
                        if *unit_told { "as the header says" } else { "a guess by the name" };
                    let _ = writeln!(text, "unit = {} # {told}", quoted(unit));
                }
                None => {
                    text.push_str(
                        "unit = \"\" # say which; `accepts` takes others, with factors\n",
                    );
                }
            }
            comment(
                text,
                "From the data: replace by what is plausible for the disease, before any private task \
                 (rule S4).",
            );
            let _ = writeln!(text, "range = [{}, {}]", number(range.0), number(range.1));
        }
        Guess::Flag => text.push_str("kind = \"flag\" # 0 or 1\n"),
        Guess::Category { levels } => {
            text.push_str("kind = \"category\"\n");
            comment(
                text,
                "From the data: the levels that the disease has, others' too. The first one is what \
                 the others are compared with.",
            );
            let levels: Vec<String> = levels.iter().map(|level| quoted(level)).collect();
            let line = format!("levels = [{}]\n", levels.join(", "));
            if line.chars().count() <= WIDTH {
                text.push_str(&line);
            } else {
                let _ = writeln!(text, "levels = [\n    {},\n]", levels.join(",\n    "));
            }
        }
        Guess::Left { .. } => {}
    }
    let spelt: usize = column.missing_spellings.values().sum();
    match column.missing + spelt {
        0 => text.push_str("missing = false # true, if others may lack it\n"),
        rows => {
            let _ = writeln!(
                text,
                "missing = true # from the data: {} without a value",
                counted(rows as u64, "row", "rows")
            );
        }
    }
}

/// A number as TOML has it: whole ones without a point.
pub(crate) fn number(value: f64) -> String {
    // No -0.
    let value = if value == 0.0 { 0.0 } else { value };
    if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{value:.0}")
    } else {
        format!("{value:?}")
    }
}

/// A text as TOML has it.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A stranger's text on one line.
fn clean(text: &str) -> String {
    printable(text).replace('\n', " ")
}

/// Lines of a comment.
pub(crate) fn comment(text: &mut String, words: &str) {
    indented(text, "", words);
}

/// The same, each behind blanks.
fn indented(text: &mut String, blanks: &str, words: &str) {
    let words = clean(words);
    let start = format!("{blanks}#");
    let mut line = start.clone();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > start.len() {
            let _ = writeln!(text, "{line}");
            line.clone_from(&start);
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}
