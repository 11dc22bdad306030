//! The columns of an export by its header: names that a schema can have, and none twice.

use std::collections::BTreeMap;

use csv::ByteRecord;
use haima_fl_core::schema::check_name;

use super::cells::Cells;
use super::{Changed, Interval, Plan};
use crate::data::infer::named;
use crate::data::look::quoted;
use crate::pooled::told;

/// What an export calls a column that has no name and no value: its lines end in a separator.
const NAMELESS: &str = "";

/// Columns without rows yet.
///
/// # Errors
/// When two get one name, a name is none, or an option renames what is not there.
pub(super) fn columns(header: &ByteRecord, plan: &Plan) -> Result<Vec<Cells>, String> {
    let headers: Vec<String> =
        header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    for rename in &plan.renames {
        if !headers.contains(&rename.old) {
            let (old, there) = (&rename.old, headers.join(", "));
            return Err(format!("line 1: no column {old:?} (--rename); the file has {there}"));
        }
        if check_name(told(&rename.new).0).is_err() {
            let name = quoted(&rename.new);
            return Err(format!(
                "--rename: {name} is no name of a schema: letters, digits, `_`, `.` and `-`, and a unit \
                 as in `hb [g/dL]`"
            ));
        }
    }
    let mut columns: Vec<Cells> = Vec::with_capacity(headers.len());
    for header in headers {
        let new = plan.renames.iter().find(|rename| rename.old == header);
        let (name, unit) = match new {
            Some(rename) => {
                let (name, unit) = told(&rename.new);
                (name.to_owned(), unit.map(str::to_owned))
            }
            None if header == NAMELESS => (String::new(), None),
            None => named(&header),
        };
        let twice = columns.iter().find(|own| own.name == name && !name.is_empty());
        if let Some(own) = twice {
            let (one, other) = (quoted(&own.header), quoted(&header));
            let way =
                if own.header == header { "rename one in the file" } else { "say --rename of one" };
            return Err(format!("line 1: {one} and {other} would both be called `{name}`; {way}"));
        }
        let (fields, changes) = (Vec::new(), BTreeMap::new());
        columns.push(Cells { header, name, unit, fields, is_text: false, changes });
    }
    Ok(columns)
}

/// The column that an interval becomes, without rows yet.
pub(super) fn made(interval: &Interval) -> Cells {
    Cells {
        header: format!("{} to {}", interval.from, interval.to),
        name: interval.name.clone(),
        unit: Some(interval.unit.name().to_owned()),
        fields: Vec::new(),
        is_text: false,
        changes: BTreeMap::new(),
    }
}

impl Cells {
    /// The header that is written: with the unit, where the column is one of numbers.
    pub(super) fn written(&self) -> String {
        let numbers = || {
            let known: Vec<&String> =
                self.fields.iter().filter(|field| !field.is_empty()).collect();
            let number = |field: &&&String| crate::data::guess::number(field).is_some();
            2 * known.iter().filter(number).count() > known.len()
        };
        match &self.unit {
            Some(unit) if numbers() => format!("{} [{unit}]", self.name),
            _ => self.name.clone(),
        }
    }

    /// For the report, of a column that is written.
    pub(super) fn into_changed(self) -> Changed {
        let written = Some(self.written());
        Changed { header: self.header, written, changes: self.changes }
    }

    /// For the report, of a column that is not.
    pub(super) fn left(self, why: &str) -> Changed {
        let changes = [(why.to_owned(), self.fields.len())].into();
        Changed { header: self.header, written: None, changes }
    }
}
