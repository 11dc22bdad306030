//! Which scanner each patient's image is of, by a second file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use csv::StringRecord;

use super::records::Records;
use crate::Error;
use crate::convert::fault::{At, Fault, Faults, quoted};
use crate::convert::table::MOST_PATIENTS;

/// Bytes of a scanner's name, as a schema takes a level.
const MOST_NAME: usize = 128;

/// Reads a file with a column of patients and one of scanners; further columns are passed over. A
/// patient may stand in several rows if they name one scanner.
pub(super) fn read(
    path: &Path,
    patient: &str,
    scanner: &str,
) -> Result<HashMap<String, String>, Error> {
    let mut records = Records::open(path)?;
    let patient = records.place(patient, "--patient")?;
    let scanner = records.place(scanner, "--scanner")?;
    let (mut of, mut faults) = (HashMap::new(), Faults::default());
    let mut record = StringRecord::new();
    while let Some(line) = records.read(&mut record)? {
        let key = record.get(patient).unwrap_or_default().trim();
        let at = records.at(line);
        let Some(name) = faults.take(name(record.get(scanner).unwrap_or_default(), &at)) else {
            continue;
        };
        if of.len() > MOST_PATIENTS {
            return Err(Error::data(path, format!("more than {MOST_PATIENTS} patients")));
        }
        match of.entry(key.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(name.to_owned());
            }
            Entry::Occupied(place) if place.get() == name => {}
            Entry::Occupied(place) => faults.push(at.fault(format!(
                "patient {} is of {} here and of {} before; keep the row of the image that is used",
                quoted(key),
                quoted(name),
                quoted(place.get())
            ))),
        }
    }
    faults.none()?;
    Ok(of)
}

/// A scanner's name that can be a level.
pub(super) fn name<'a>(text: &'a str, at: &At) -> Result<&'a str, Fault> {
    let name = text.trim();
    if name.is_empty() || name.len() > MOST_NAME || name.contains(char::is_control) {
        return Err(at.fault(format!(
            "names no scanner by 1 to {MOST_NAME} bytes without control characters; write one, or take \
             the row out"
        )));
    }
    Ok(name)
}
