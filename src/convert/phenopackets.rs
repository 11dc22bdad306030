//! GA4GH Phenopackets, version 2 (Jacobsen et al., Nat Biotechnol 2022;40:817; phenopacket-schema
//! 2.0) in the JSON form of protobuf, one packet a file.
//!
//! What of a packet is read stands in `schema`, what becomes of it in `reading`, how one is written in
//! `write`. Everything else in a packet is passed over. A packet of version 1 is refused, since it says
//! otherwise what is excluded.

mod reading;
mod schema;
pub(crate) mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::{At, Fault};
use super::files::listed;
use super::json::parse;
use super::mapping::Mapping;
use super::record::Record;
use super::table::{Builder, Table};
use crate::Error;
use crate::model_file::bounded;
use reading::Reader;

/// Bytes of a packet.
const MOST_BYTES: u64 = 8 << 20;

/// A table of the packets of files and folders.
///
/// # Errors
/// When a file cannot be read, or with all faults of all packets: file, JSON pointer, what to do.
pub fn table(named: &[PathBuf], mapping: &Mapping) -> Result<Table, Error> {
    let files = listed(named)?;
    let columns = mapping.of_records().collect();
    let mut builder = Builder::new(mapping, columns, "Phenopackets")?;
    for file in &files {
        let bytes = bounded(file, MOST_BYTES)?;
        let found = record(file, &bytes);
        if let Some(record) = builder.faults.take(found) {
            builder.record(&record);
        }
    }
    let left = mapping.columns.iter().filter(|column| column.of_variants());
    builder.notes.extend(
        left.map(|column| {
            format!("column `{}` stands in variant files and is left out", column.name)
        }),
    );
    builder.finish(files.len())
}

/// The record of one packet.
pub(crate) fn record(file: &Arc<Path>, bytes: &[u8]) -> Result<Record, Fault> {
    let top = At::new(file, "");
    let blank = |byte: &&u8| byte.is_ascii_whitespace() || b"\xef\xbb\xbf".contains(byte);
    if bytes.iter().find(|byte| !blank(byte)) != Some(&b'{') {
        return Err(top.fault("is no JSON object; a file has one Phenopacket"));
    }
    Reader { top }.record(&parse(file, bytes)?)
}
