//! Virtual patients as GA4GH Phenopackets, version 2 (Jacobsen et al., Nat Biotechnol 2022;40:817;
//! phenopacket-schema 2.0), one JSON file a virtual patient.
//!
//! A schema's columns have no codes of an ontology, so their ids are the schema's own: prefix
//! `haima-schema`, explained in `metaData.resources`. What a column becomes:
//!
//! | column | in the Phenopacket |
//! |---|---|
//! | `sex`, `gender` with levels of F and M; flags `male`, `female` | `subject.sex` |
//! | `age` in years, or without a unit | `subject.timeAtLastEncounter` |
//! | `diagnosis`, `disease`, a category | `diseases` |
//! | the time to a death (`death`, `died`, `dead`, a flag) in days | `subject.vitalStatus` |
//! | all others | `measurements`: a quantity with the schema's unit, or a class |
//!
//! The table is a mapping like that of a hospital's file, so that one writer makes all packets
//! (`crate::convert`). What is missing is left out. Every file says in `metaData` that it is synthetic,
//! of which model, under which promise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use haima_fl_core::results::generator::Generator;
use haima_fl_core::schema::{self, Kind as Holds, Schema};
use haima_fl_core::synth::domain::Kind as Drawn;
use serde_json::{Value, json};

use super::{MOST_PHENOPACKETS, Rows, SynthFile, VirtualCohort, json as text};
use crate::Error;
use crate::convert::mapping::{Assay, Codes, Column, Kind, Length, Mapping, Point, Since, Source};
use crate::convert::phenopackets::write::{now, packet};
use crate::private_file::{self, whole};

/// Prefix of the schema's own ids.
const PREFIX: &str = "haima-schema";
/// What stands in the folder beside the Phenopackets.
const PROVENANCE: &str = "provenance.json";

/// Writes a file a virtual patient into a folder, which is made if it is missing, and returns the path
/// of the provenance, which is written first.
pub(super) fn write(
    folder: &Path,
    file: &SynthFile,
    generator: &Generator,
    rows: &Rows,
    provenance: &VirtualCohort,
) -> Result<PathBuf, Error> {
    let patients = rows.texts.len();
    if patients > MOST_PHENOPACKETS {
        let problem = format!("{patients} Phenopackets; a folder gets at most {MOST_PHENOPACKETS}");
        return Err(Error::config(folder, problem));
    }
    let schema = Schema::from_toml(&file.study_schema)?;
    let mapping = mapping(generator, &schema)?;
    let meta = meta(provenance, &now());
    private_file::folder(folder)?;
    free(folder)?;
    // First what says that they are virtual.
    let beside = folder.join(PROVENANCE);
    whole(&beside, text(folder, provenance)?.as_bytes())?;
    for (patient, row) in rows.texts.iter().enumerate() {
        let id = Rows::id(patient);
        let packet = packet(&mapping, &id, row, &meta);
        let packet = packet.map_err(|problem| Error::config(folder, problem))?;
        let bytes = serde_json::to_vec_pretty(&packet)
            .map_err(|error| Error::config(folder, error.to_string()))?;
        whole(&folder.join(format!("{id}.json")), &bytes)?;
    }
    Ok(beside)
}

/// Refuses a folder with the files of an earlier run: the new provenance would not be theirs.
fn free(folder: &Path) -> Result<(), Error> {
    let fault = |error| Error::file(folder, error);
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let name = entry.map_err(fault)?.file_name();
        let name = name.to_string_lossy();
        if name == PROVENANCE || (name.starts_with("synthetic-") && name.ends_with(".json")) {
            let problem = format!(
                "has the {} of an earlier run, of which the new provenance would say what is not \
                 true; name another folder, or remove its synthetic-*.json and {PROVENANCE}",
                name.escape_debug().take(64).collect::<String>()
            );
            return Err(Error::config(folder, problem));
        }
    }
    Ok(())
}

/// Where each column of decoded rows goes, in their order.
fn mapping(generator: &Generator, schema: &Schema) -> Result<Mapping, Error> {
    // What the study's schema does not have, the domain has without labels and units.
    let domain = generator.domain.schema();
    let column = |name: &str| schema.column(name).or_else(|_| domain.column(name));
    let mut places = Places::default();
    for attribute in &generator.domain.attributes {
        match &attribute.kind {
            Drawn::Survival { time, event, .. } => {
                places.survival(column(time)?, column(event)?);
            }
            Drawn::Number { .. } | Drawn::Levels { .. } => places.add(column(&attribute.name)?),
        }
    }
    Ok(Mapping::new(places.columns, places.labels))
}

/// An id of the schema.
fn id(of: &str) -> String {
    format!("{PREFIX}:{of}")
}

/// Columns with their places, and words for the ids that they use.
#[derive(Default)]
struct Places {
    columns: Vec<Column>,
    labels: BTreeMap<String, String>,
}

impl Places {
    /// A time in days to a death has a place of its own.
    fn survival(&mut self, time: &schema::Column, event: &schema::Column) {
        let death = ["death", "died", "dead"].contains(&event.name.to_lowercase().as_str());
        if !(death && event.kind == Holds::Flag && time.unit() == "days") {
            self.measured(time);
            self.measured(event);
            return;
        }
        let lasted = Source::SurvivalTime(Since::Diagnosis);
        self.columns.push(Column::new(&time.name, Kind::Numeric, lasted));
        self.columns.push(Column::new(&event.name, Kind::Flag, Source::SurvivalEvent));
    }

    fn add(&mut self, own: &schema::Column) {
        match (own.name.to_lowercase().as_str(), &own.kind) {
            ("male", Holds::Flag) => self.sex(own, "1", "0"),
            ("female", Holds::Flag) => self.sex(own, "0", "1"),
            ("sex" | "gender", Holds::Category { levels }) => {
                const NAMES: [(&str, &str); 6] = [
                    ("M", "F"),
                    ("m", "f"),
                    ("male", "female"),
                    ("Male", "Female"),
                    ("MALE", "FEMALE"),
                    ("man", "woman"),
                ];
                let has = |wanted: &str| levels.iter().any(|level| level == wanted);
                match NAMES.into_iter().find(|(male, female)| has(male) && has(female)) {
                    Some((male, female)) => self.sex(own, male, female),
                    None => self.measured(own),
                }
            }
            ("age", Holds::Numeric { unit, .. }) if ["", "years", "a"].contains(&unit.as_str()) => {
                let age = Source::Age { at: Point::LastEncounter, unit: Length::Years };
                self.columns.push(Column::new(&own.name, Kind::Numeric, age));
            }
            ("diagnosis" | "disease", Holds::Category { levels }) => {
                let labels = levels.iter().map(|level| format!("{}: {level}", own.label));
                let disease = Source::Disease(Codes::Any);
                self.by_level(own, levels, labels.collect(), disease);
            }
            _ => self.measured(own),
        }
    }

    fn sex(&mut self, own: &schema::Column, male: &str, female: &str) {
        let levels = [("MALE", male), ("FEMALE", female)];
        let levels = levels.map(|(code, level)| (code.to_owned(), level.to_owned()));
        let column = Column::new(&own.name, Kind::Category, Source::Sex);
        self.columns.push(Column { levels: levels.into(), ..column });
    }

    /// A measurement: a quantity with the schema's unit, or a class.
    fn measured(&mut self, own: &schema::Column) {
        let assay = id(&own.name);
        self.labels.insert(assay.clone(), own.label.clone());
        let Some(levels) = own.levels() else {
            let word = if own.unit().is_empty() { "1" } else { own.unit() };
            let unit = id(&format!("unit={word}"));
            self.labels.insert(unit.clone(), word.to_owned());
            let quantity = Source::Measurement(Assay::new(assay, unit));
            self.columns.push(Column::new(&own.name, Kind::Numeric, quantity));
            return;
        };
        let class = Source::Measurement(Assay::new(assay, String::new()));
        self.by_level(own, &levels, levels.clone(), class);
    }

    fn by_level(
        &mut self,
        own: &schema::Column,
        levels: &[String],
        labels: Vec<String>,
        from: Source,
    ) {
        let ids = levels.iter().map(|level| id(&format!("{}={level}", own.name)));
        let ids: Vec<String> = ids.collect();
        self.labels.extend(ids.iter().cloned().zip(labels));
        let levels = ids.into_iter().zip(levels.iter().cloned()).collect();
        let column = Column::new(&own.name, Kind::Category, from);
        self.columns.push(Column { levels, ..column });
    }
}

fn meta(provenance: &VirtualCohort, created: &str) -> Value {
    let model = &provenance.model;
    let described = std::iter::once(&provenance.statement).chain(&provenance.promise);
    let described: Vec<&str> = described.map(String::as_str).collect();
    json!({
        "created": created,
        "createdBy": provenance.made_by,
        "submittedBy": format!("SYNTHETIC: {}", provenance.study),
        "resources": [{
            "id": PREFIX,
            "name": "columns, levels and units of the study's own schema",
            "url": env!("CARGO_PKG_REPOSITORY"),
            "version": model.digest,
            "namespacePrefix": PREFIX,
            "iriPrefix": format!("urn:{PREFIX}:"),
        }],
        "phenopacketSchemaVersion": "2.0",
        "externalReferences": [{
            "id": format!("haima-generator:{}", model.digest),
            "description": format!(
                "SYNTHETIC. {} Method {}, row seed {}.",
                described.join(" "), model.method, provenance.row_seed
            ),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"
        patient = "id"
        [[column]]
        name = "sex"
        kind = "category"
        levels = ["F", "M"]
        [[column]]
        name = "age"
        kind = "numeric"
        unit = "years"
        range = [0, 110]
        [[column]]
        name = "hb"
        kind = "numeric"
        unit = "g/dL"
        label = "Haemoglobin"
        range = [3, 22]
        missing = true
        [[column]]
        name = "os_days"
        kind = "numeric"
        unit = "days"
        range = [0, 5000]
        [[column]]
        name = "death"
        kind = "flag"
        [[column]]
        name = "diagnosis"
        kind = "category"
        levels = ["AML", "MDS"]
    "#;

    fn of(row: [&str; 6]) -> Value {
        let schema = Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap();
        let column = |name: &str| schema.column(name).unwrap();
        let mut places = Places::default();
        for name in ["sex", "age", "hb"] {
            places.add(column(name));
        }
        places.survival(column("os_days"), column("death"));
        places.add(column("diagnosis"));
        let mapping = Mapping::new(places.columns, places.labels);
        let meta = json!({ "created": "now" });
        packet(&mapping, "synthetic-1", &row.map(str::to_owned), &meta).unwrap()
    }

    #[test]
    fn columns_go_where_the_standard_has_a_place_for_them() {
        let found = of(["M", "61.5", "9.5", "300", "1", "AML"]);
        let subject = &found["subject"];
        assert_eq!(subject["sex"], "MALE");
        assert_eq!(subject["timeAtLastEncounter"]["age"]["iso8601duration"], "P61Y6M");
        let vital = json!({ "status": "DECEASED", "survivalTimeInDays": 300 });
        assert_eq!(subject["vitalStatus"], vital);
        assert_eq!(found["diseases"][0]["term"]["id"], "haima-schema:diagnosis=AML");
        let measured = found["measurements"].as_array().unwrap();
        assert_eq!(measured.len(), 1, "{measured:?}");
        assert_eq!(measured[0]["assay"]["label"], "Haemoglobin");
        assert_eq!(measured[0]["value"]["quantity"]["value"], 9.5);
        assert_eq!(measured[0]["value"]["quantity"]["unit"]["label"], "g/dL");
    }

    #[test]
    fn what_is_missing_is_left_out() {
        let found = of(["F", "60", "", "300", "0", "MDS"]);
        assert!(found.get("measurements").is_none(), "{found}");
        assert_eq!(found["subject"]["sex"], "FEMALE");
        assert_eq!(found["subject"]["vitalStatus"]["status"], "ALIVE");
    }
}
