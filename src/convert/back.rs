//! From a table to Phenopackets, one file a row.
//!
//! Each packet is read again before any is written, and has to give the row that it came from: what a
//! packet cannot hold is told, not lost.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::fault::{At, Fault, Faults, quoted};
use super::mapping::Mapping;
use super::phenopackets::{record, write};
use super::quotes::Strict;
use super::table::MOST_PATIENTS;
use super::value::cell;
use crate::Error;
use crate::model_file::bounded;
use crate::private_file;

/// Bytes of a table.
const MOST_BYTES: u64 = 512 << 20;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Packets.
    pub patients: usize,
    /// Columns that they have, the patient's key aside.
    pub columns: usize,
}

/// A row of the table, its cells in the order of the mapping's columns.
struct Row {
    at: At,
    key: String,
    cells: Vec<String>,
}

/// Writes a Phenopacket a row of a table (CSV) into a folder, which is made if it is missing. Columns
/// in `without` are left out. Only the owner can read what is made.
///
/// # Errors
/// When a file cannot be read or written, a column has no place in a packet, or the folder has packets
/// already; or with all faults of all rows: file, line, what to do.
pub fn write_packets(
    table: &Path,
    mapping: &Mapping,
    without: &[String],
    folder: &Path,
) -> Result<Written, Error> {
    let kept = mapping.columns.iter().filter(|column| !without.contains(&column.name));
    let mapping = Mapping { columns: kept.cloned().collect(), ..mapping.clone() };
    if mapping.columns.is_empty() {
        return Err(Error::data(table, "no column is left; leave fewer out"));
    }
    for column in &mapping.columns {
        write::check(column).map_err(|problem| {
            let name = &column.name;
            Error::data(
                table,
                format!("column `{name}`: {problem}; leave it out by --without {name}"),
            )
        })?;
    }
    let rows = rows(table, &mapping, without)?;
    let meta = write::meta(&mapping);
    let bytes = |row: &Row| -> Result<Vec<u8>, Fault> {
        let packet = write::packet(&mapping, &row.key, &row.cells, &meta);
        let packet = packet.map_err(|problem| row.at.fault(problem))?;
        serde_json::to_vec_pretty(&packet).map_err(|error| row.at.fault(error.to_string()))
    };
    let mut faults = Faults::default();
    for row in &rows {
        let checked = bytes(row).and_then(|bytes| comes_back(&mapping, row, &bytes));
        faults.take(checked);
    }
    faults.none()?;
    private_file::folder(folder)?;
    free(folder)?;
    for (k, row) in rows.iter().enumerate() {
        let path = folder.join(format!("packet-{:06}.json", k + 1));
        private_file::whole(&path, &bytes(row)?)?;
    }
    Ok(Written { patients: rows.len(), columns: mapping.columns.len() })
}

/// Refuses a folder with packets: nobody could tell afterwards whose they are.
fn free(folder: &Path) -> Result<(), Error> {
    let fault = |error| Error::file(folder, error);
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        if entry.map_err(fault)?.path().extension().is_some_and(|ending| ending == "json") {
            return Err(Error::data(
                folder,
                "has files that end in .json already; name another folder, or remove them",
            ));
        }
    }
    Ok(())
}

fn rows(table: &Path, mapping: &Mapping, without: &[String]) -> Result<Vec<Row>, Error> {
    let fault = |problem: String| Error::data(table, problem);
    let bytes = bounded(table, MOST_BYTES)?;
    let mut reader = csv::Reader::from_reader(Strict::new(bytes.as_slice()));
    let header = reader.headers().map_err(|error| fault(error.to_string()))?.clone();
    let mut names = HashSet::new();
    for name in &header {
        let known = name == mapping.patient
            || mapping.columns.iter().any(|column| column.name == name)
            || without.iter().any(|own| own == name);
        if !known {
            return Err(fault(format!(
                "the mapping has no [[column]] for {}; add one, or leave it out by --without",
                quoted(name)
            )));
        }
        if !names.insert(name) {
            return Err(fault(format!("column {} stands twice; name each once", quoted(name))));
        }
    }
    let place = |name: &str| {
        let found = header.iter().position(|own| own == name);
        found.ok_or_else(|| fault(format!("has no column `{name}`, which the mapping has")))
    };
    let key = place(&mapping.patient)?;
    let places = mapping.columns.iter().map(|column| place(&column.name));
    let places = places.collect::<Result<Vec<usize>, Error>>()?;
    let file: Arc<Path> = Arc::from(table);
    let (mut rows, mut keys, mut faults) = (Vec::new(), HashSet::new(), Faults::default());
    for found in reader.records() {
        let found = found.map_err(|error| fault(error.to_string()))?;
        let line = found.position().map_or(0, csv::Position::line);
        let at = At::new(&file, format!("line {line}"));
        let of = |place: usize| found.get(place).unwrap_or_default().to_owned();
        let row = Row { at, key: of(key), cells: places.iter().map(|own| of(*own)).collect() };
        if row.key.is_empty() || !keys.insert(row.key.clone()) {
            faults.push(row.at.fault(format!(
                "`{}` is {}; each patient has one row and a key of its own",
                mapping.patient,
                quoted(&row.key)
            )));
        }
        if rows.len() == MOST_PATIENTS {
            return Err(fault(format!("more than {MOST_PATIENTS} patients; take fewer")));
        }
        rows.push(row);
    }
    faults.none()?;
    Ok(rows)
}

/// Whether the packet gives the row again.
fn comes_back(mapping: &Mapping, row: &Row, bytes: &[u8]) -> Result<(), Fault> {
    let place = |fault: Fault| row.at.fault(format!("{}: {}", fault.at.place, fault.problem));
    let record = record(&row.at.file, bytes).map_err(place)?;
    for (column, own) in mapping.columns.iter().zip(&row.cells) {
        let back = cell(column, mapping, &record).map_err(place)?;
        if !same(own, &back) {
            let name = &column.name;
            return Err(row.at.fault(format!(
                "column `{name}`: {} would come back as {}, for a packet cannot hold it so; change \
                 the cell or what the mapping says of it, or leave the column out by --without {name}",
                quoted(own),
                quoted(&back)
            )));
        }
    }
    Ok(())
}

/// Whether two cells say the same: `61.0` is `61`.
fn same(own: &str, back: &str) -> bool {
    let numbers = own.parse::<f64>().ok().zip(back.parse::<f64>().ok());
    own == back || numbers.is_some_and(|(own, back)| own.total_cmp(&back).is_eq())
}
