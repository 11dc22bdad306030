//! Deals a pooled CSV out to sites by a column, as text: rows stay as they are.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Error;

/// One CSV text a value of `column`, keyed by value; `column` itself is left out.
///
/// # Errors
/// When the file cannot be read, is no CSV, or has no such column; names file and line.
pub fn split(path: &Path, column: &str) -> Result<BTreeMap<String, String>, Error> {
    let fault = |problem: String| Error::config(path, problem);
    let mut reader = csv::ReaderBuilder::new().from_path(path).map_err(|e| fault(e.to_string()))?;
    let header = reader.headers().map_err(|e| fault(e.to_string()))?.clone();
    let at = header.iter().position(|name| name == column).ok_or_else(|| {
        let columns: Vec<&str> = header.iter().collect();
        let hint = if columns.len() < 2 { "; is it separated by commas?" } else { "" };
        fault(format!("no column {column:?} to split by; it has {:?}{hint}", columns.join(", ")))
    })?;
    let without = |record: &csv::StringRecord| -> csv::StringRecord {
        record.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, field)| field).collect()
    };
    let mut writers: BTreeMap<String, csv::Writer<Vec<u8>>> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|e| fault(e.to_string()))?;
        let value = record.get(at).unwrap_or_default().trim().to_owned();
        if value.is_empty() {
            let line = record.position().map_or(0, csv::Position::line);
            return Err(fault(format!("line {line}: no value in column {column:?}")));
        }
        let writer = match writers.entry(value) {
            std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                writer.write_record(&without(&header)).map_err(|e| fault(e.to_string()))?;
                free.insert(writer)
            }
        };
        writer.write_record(&without(&record)).map_err(|e| fault(e.to_string()))?;
    }
    if writers.is_empty() {
        return Err(fault("no patients in it".into()));
    }
    writers
        .into_iter()
        .map(|(value, writer)| {
            let bytes = writer.into_inner().map_err(|e| fault(e.to_string()))?;
            let text = String::from_utf8(bytes).map_err(|e| fault(e.to_string()))?;
            Ok((value, text))
        })
        .collect()
}
