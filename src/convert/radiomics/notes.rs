//! What whoever made a table of features should look at: what is odd without being a fault.

use std::collections::HashSet;

use super::Radiomics;
use super::columns::Columns;
use super::rows::Rows;
use crate::convert::fault::quoted;
use crate::report::numbers::counted;

/// Patients below which a batch has hardly a variance, or tells of its patients.
const FEW: usize = 5;
/// Names that a note has.
const NAMED: usize = 10;

/// Of what was read, and is not in the table.
pub(super) fn of_rows(rows: &Rows, columns: &Columns) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, ways) in rows.ways.iter().filter(|(_, ways)| ways.len() > 1) {
        notes.push(format!(
            "`{name}` differs between rows ({} ways): features that were made otherwise do not \
             compare; make all by one version and one parameter file",
            ways.len()
        ));
    }
    if let Some((one, other)) = rows.same.first() {
        let pairs = counted(rows.same.len() as u64, "row has", "rows have");
        notes.push(format!(
            "{pairs} the features of an earlier one, as line {other} those of line {one}: is it one \
             image under two patients?"
        ));
    }
    if rows.undefined > 0 {
        let fields = counted(rows.undefined as u64, "field says", "fields say");
        notes.push(format!("{fields} `nan`, which is missing in the table"));
    }
    if !columns.others.is_empty() {
        notes.push(format!("passed over, for they are no features: {}", some(&columns.others)));
    }
    notes
}

/// Of the table.
pub(super) fn of_table(found: &Radiomics) -> Vec<String> {
    let Radiomics { table, scanners, .. } = found;
    let mut notes = Vec::new();
    let first = table.header.len() - found.images().values().sum::<usize>();
    let (mut empty, mut constant) = (Vec::new(), Vec::new());
    for (at, name) in table.header.iter().enumerate().skip(first) {
        let texts = table.rows.iter().filter_map(|row| row.get(at));
        let mut texts = texts.filter(|own| !own.is_empty());
        match texts.next() {
            None => empty.push(name.clone()),
            Some(one) if table.rows.len() > 1 && texts.all(|own| own == one) => {
                constant.push(name.clone());
            }
            Some(_) => {}
        }
    }
    let lacking = |row: &&Vec<String>| row.iter().any(String::is_empty);
    let lacking = table.rows.iter().filter(lacking).count();
    if lacking > 0 {
        let patients = counted(lacking as u64, "patient lacks", "patients lack");
        notes.push(format!(
            "{patients} a feature: `combat` leaves out whoever lacks one of its own"
        ));
    }
    for (names, what) in [(empty, "no value"), (constant, "the same value in all rows")] {
        if !names.is_empty() {
            notes.push(format!(
                "{} {what}: keep other features, for nothing can be learnt from such ({})",
                counted(names.len() as u64, "feature has", "features have"),
                some(&names)
            ));
        }
    }
    let few: Vec<String> =
        scanners.iter().filter(|(_, count)| **count < FEW).map(|(name, _)| name.clone()).collect();
    if !few.is_empty() {
        notes.push(format!(
            "fewer than {FEW} patients are of {}: such a batch has hardly a variance and tells of its \
             patients, unless other hospitals have more; else join it with one alike",
            some(&few)
        ));
    }
    let mut alike = HashSet::new();
    let spelt = |name: &&String| !alike.insert(name.to_lowercase().replace([' ', '-', '_'], ""));
    if let Some(name) = scanners.keys().find(spelt) {
        notes.push(format!("{} is written in several ways; is it one scanner?", quoted(name)));
    }
    match scanners.len() {
        0 => notes.push(
            "no scanner was named (--scanner, --scanners): `combat` can harmonise by hospital alone, \
             `batch = \"site\"`"
                .into(),
        ),
        1 => notes.push("all images are of one scanner: the batch differs between hospitals only".into()),
        _ => {}
    }
    notes
}

/// The first of some names.
pub(super) fn some(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMED).map(|name| quoted(name)).collect();
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
