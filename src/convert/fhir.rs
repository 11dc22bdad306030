//! FHIR R4 (HL7, 4.0.1): Patient, Observation and Condition of bundles, of single resources, or of the
//! lines of a bulk export (`.ndjson`). Files only; no server is asked.
//!
//! What of a resource is read stands in `fields` and `schema`, what becomes of it in `reading`. All
//! files together are one export: an Observation of one file may be of a Patient of another.
//!
//! What counts: an Observation that is `final`, `amended` or `corrected`; a Condition that is not
//! `unconfirmed`, `provisional`, `differential` or `entered-in-error`, one that is `refuted` being
//! excluded. The last encounter is the last day of any Observation or Condition.

mod fields;
mod reading;
mod schema;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::{At, Fault, quoted};
use super::files::listed;
use super::json::{objects, parse};
use super::mapping::{Column, Mapping, Point, Since, Source};
use super::table::{Builder, Table};
use crate::Error;
use crate::model_file::bounded;
use reading::Reader;
use schema::{Bundle, Patient, Reference, Resource};

/// Bytes of a file.
const MOST_BYTES: u64 = 256 << 20;
/// Bytes of all files.
const MOST_TOGETHER: u64 = 4 << 30;

/// JSON objects of all files. What is kept of one takes some hundred bytes, so all that is kept takes
/// no more than the files may.
const MOST_OBJECTS: usize = 32 << 20;
/// Resources of all files that are kept; each takes some 500 bytes.
const MOST_RESOURCES: usize = 8 << 20;

/// A table of the patients of files and folders.
///
/// # Errors
/// When a file cannot be read, or with all faults of all resources: file, JSON pointer, what to do.
pub fn table(named: &[PathBuf], mapping: &Mapping) -> Result<Table, Error> {
    let files = listed(named)?;
    let columns = mapping.columns.iter().filter(|column| nowhere(column).is_none());
    let mut builder = Builder::new(mapping, columns.collect(), "FHIR bundles")?;
    let mut export = Export::default();
    let (mut together, mut counted) = (0, 0);
    for file in &files {
        let bytes = bounded(file, MOST_BYTES)?;
        together += bytes.len() as u64;
        if together > MOST_TOGETHER {
            let problem = format!("more than {MOST_TOGETHER} bytes with the files before it");
            return Err(Error::data(file, problem));
        }
        few(file, &bytes, &mut counted, MOST_OBJECTS)?;
        let is_lines = file.extension().is_some_and(|ending| ending == "ndjson");
        let added = if is_lines { export.lines(file, &bytes) } else { export.file(file, &bytes) };
        builder.faults.take(added);
    }
    let reader = Reader { mapping };
    let mut patients = Vec::new();
    let mut places = HashMap::new();
    for (at, url, own) in &export.patients {
        let found = patient(&mut places, &mut patients, at, url.as_deref(), own);
        builder.faults.take(found);
    }
    let mut records = Vec::new();
    for (at, own) in &patients {
        records.push(builder.faults.take(reader.patient(own, at)));
    }
    for (at, subject, part) in &export.parts {
        let place = resolve(&places, subject, at);
        let Some(place) = builder.faults.take(place) else { continue };
        // A patient with a fault is told of already.
        if let Some(Some(record)) = records.get_mut(place) {
            builder.faults.take(reader.add(record, part, at));
        }
    }
    for record in records.iter().flatten() {
        builder.record(record);
    }
    builder.notes.extend(mapping.columns.iter().filter_map(|column| {
        let why = nowhere(column)?;
        Some(format!("column `{}` {why}; it is left out", column.name))
    }));
    builder.finish(files.len())
}

/// Counts a file's objects before room is made for them.
fn few(file: &Path, bytes: &[u8], counted: &mut usize, most: usize) -> Result<(), Error> {
    *counted = counted.saturating_add(objects(bytes));
    match *counted > most {
        true => Err(Error::data(
            file,
            format!(
                "more than {most} JSON objects with the files before it; export Patient, \
                 Observation and Condition alone, and of these what the mapping asks for"
            ),
        )),
        false => Ok(()),
    }
}

/// What the files hold, before it is known whose it is.
#[derive(Default)]
struct Export {
    /// With the bundle's name of each.
    patients: Vec<(At, Option<String>, Patient)>,
    /// Observations and Conditions with whose they are.
    parts: Vec<(At, Reference, Resource)>,
}

impl Export {
    fn file(&mut self, file: &Arc<Path>, bytes: &[u8]) -> Result<(), Fault> {
        let top = At::new(file, "");
        let bundle: Bundle = parse(file, bytes)?;
        match bundle.kind.as_deref() {
            Some("Bundle") => {
                for (k, entry) in bundle.entry.0.into_iter().enumerate() {
                    let at = top.below("entry").below(k).below("resource");
                    if let Some(resource) = entry.resource {
                        self.add(at, entry.full_url, resource)?;
                    }
                }
                Ok(())
            }
            Some(_) => self.add(top, None, parse(file, bytes)?),
            None => Err(top.fault("has no `resourceType`; it is no FHIR resource")),
        }
    }

    fn lines(&mut self, file: &Arc<Path>, bytes: &[u8]) -> Result<(), Fault> {
        for (k, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let at = At::new(file, format!("line {}", k + 1));
            let below = |fault: Fault| {
                let place = format!("line {} {}", k + 1, fault.at.place);
                At::new(file, place.trim_end()).fault(fault.problem)
            };
            let resource = parse(file, line).map_err(below)?;
            self.add(at, None, resource)?;
        }
        Ok(())
    }

    fn add(&mut self, at: At, url: Option<String>, resource: Resource) -> Result<(), Fault> {
        if self.patients.len() + self.parts.len() >= MOST_RESOURCES {
            return Err(at.fault(format!("more than {MOST_RESOURCES} resources up to here")));
        }
        let subject = match &resource {
            Resource::Observation(own) => own.subject.clone(),
            Resource::Condition(own) => own.subject.clone(),
            Resource::Patient(own) => {
                self.patients.push((at, url, own.clone()));
                return Ok(());
            }
            Resource::Faulty { place, problem } => {
                let place = format!("{}{place}", at.place);
                return Err(At::new(&at.file, place).fault(problem.clone()));
            }
            Resource::Other => return Ok(()),
        };
        let Some(subject) = subject else {
            return Err(at.below("subject").fault("is not there; whose is it?"));
        };
        self.parts.push((at, subject, resource));
        Ok(())
    }
}

/// Keeps a patient under all names by which others refer to it.
fn patient(
    places: &mut HashMap<String, usize>,
    patients: &mut Vec<(At, Patient)>,
    at: &At,
    url: Option<&str>,
    own: &Patient,
) -> Result<(), Fault> {
    let id = own.id.as_ref().filter(|id| !id.is_empty());
    let Some(id) = id else { return Err(at.below("id").fault("is not there")) };
    let name = format!("Patient/{id}");
    let place = match places.get(&name) {
        // Pages of one search repeat the patient.
        Some(place) if patients.get(*place).is_some_and(|(_, before)| before == own) => *place,
        Some(_) => {
            return Err(at.fault(format!(
                "{} stands twice, and the two differ; give one of them",
                quoted(&name)
            )));
        }
        None => {
            patients.push((at.clone(), own.clone()));
            patients.len() - 1
        }
    };
    places.insert(name, place);
    if let Some(url) = url {
        places.insert(url.to_owned(), place);
    }
    Ok(())
}

/// The patient that a reference means: by the bundle's name, or by `Patient/ID` at its end.
fn resolve(places: &HashMap<String, usize>, subject: &Reference, at: &At) -> Result<usize, Fault> {
    let name = subject.reference.as_deref().unwrap_or_default();
    let name = name.split_once("/_history/").map_or(name, |(before, _)| before);
    let end = name.rfind("Patient/").and_then(|start| name.get(start..));
    let found = places.get(name).or_else(|| places.get(end?));
    found.copied().ok_or_else(|| {
        at.below("subject/reference").fault(format!(
            "{} is no Patient of these files; name the file with it too",
            quoted(name)
        ))
    })
}

/// Why these resources have no place for a column. It is left out: an empty one could be taken for
/// patients without.
fn nowhere(column: &Column) -> Option<&'static str> {
    const ACTION: &str =
        "stands at a medical action, and Patient, Observation and Condition have none";
    let of_action = |point: &Point| matches!(point, Point::Action(_));
    match &column.from {
        Source::Variants { .. } => Some("stands in variant files"),
        Source::Gene { .. } => Some("stands in genomic interpretations, and bundles have none"),
        Source::Action { .. } => Some(ACTION),
        Source::SurvivalTime(Since::Diagnosis) => {
            Some("is counted by packets only; say from when by `since = { disease = ... }`")
        }
        Source::Age { at, .. } | Source::SurvivalTime(Since::Point(at)) if of_action(at) => {
            Some(ACTION)
        }
        Source::Interval { start, end, .. } if of_action(start) || of_action(end) => Some(ACTION),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_all_files_are_counted_together_before_one_is_parsed() {
        let mut counted = 0;
        let mut of = |text: &str| {
            let told = few(Path::new("a.json"), text.as_bytes(), &mut counted, 3);
            told.map_err(|error| error.to_string())
        };
        assert!(
            of("{\"entry\": [{}]}").is_ok() && of("[0, 0, \"{{{{\"]").is_ok() && of("{}").is_ok()
        );
        let said = of("{ this is no JSON").unwrap_err();
        assert!(said.starts_with("a.json: more than 3 JSON objects"), "{said}");
    }
}
