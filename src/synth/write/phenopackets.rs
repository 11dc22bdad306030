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
//! What is missing is left out. Every file says in `metaData` that it is synthetic, of which model,
//! under which promise.

use std::path::{Path, PathBuf};

use haima_fl_core::results::generator::Generator;
use haima_fl_core::schema::{Kind as Holds, Schema};
use haima_fl_core::synth::domain::Kind;
use serde_json::{Map, Value, json};

use super::{MOST_PHENOPACKETS, Rows, SynthFile, VirtualCohort, json as text};
use crate::Error;
use crate::model_file::whole;

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
    let roles = roles(generator, &schema);
    let created = prost_types::Timestamp::from(std::time::SystemTime::now());
    let created = prost_types::Timestamp { nanos: 0, ..created }.to_string();
    let meta = meta(provenance, &created);
    std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
    free(folder)?;
    // First what says that they are virtual.
    let beside = folder.join(PROVENANCE);
    whole(&beside, text(folder, provenance)?.as_bytes())?;
    for (patient, row) in rows.texts.iter().enumerate() {
        let id = Rows::id(patient);
        let packet = packet(&id, row, &roles, &meta);
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

/// What a column becomes.
enum Role {
    /// The text that means male, and the one that means female.
    Sex {
        male: &'static str,
        female: &'static str,
    },
    Age,
    Disease {
        column: String,
        label: String,
    },
    /// The time, whose event is in the next column.
    Survived,
    /// The event of that time.
    Died,
    Quantity {
        column: String,
        label: String,
        unit: String,
    },
    Class {
        column: String,
        label: String,
    },
}

/// The role of each column of decoded rows, in their order.
fn roles(generator: &Generator, schema: &Schema) -> Vec<Role> {
    let mut roles = Vec::new();
    for attribute in &generator.domain.attributes {
        match &attribute.kind {
            Kind::Survival { time, event, .. } => match dies(time, event, schema) {
                true => roles.extend([Role::Survived, Role::Died]),
                false => roles.extend([other(time, schema), other(event, schema)]),
            },
            Kind::Number { .. } | Kind::Levels { .. } => roles.push(role(&attribute.name, schema)),
        }
    }
    roles
}

/// Whether a time to event is one of days to death.
fn dies(time: &str, event: &str, schema: &Schema) -> bool {
    let days = schema.column(time).is_ok_and(|column| column.unit() == "days");
    let flag = schema.column(event).is_ok_and(|column| column.kind == Holds::Flag);
    days && flag && ["death", "died", "dead"].contains(&event.to_lowercase().as_str())
}

fn role(name: &str, schema: &Schema) -> Role {
    let Ok(column) = schema.column(name) else { return other(name, schema) };
    match (name.to_lowercase().as_str(), &column.kind) {
        ("male", Holds::Flag) => Role::Sex { male: "1", female: "0" },
        ("female", Holds::Flag) => Role::Sex { male: "0", female: "1" },
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
            let found = NAMES.into_iter().find(|(male, female)| has(male) && has(female));
            found.map_or_else(|| other(name, schema), |(male, female)| Role::Sex { male, female })
        }
        ("age", Holds::Numeric { unit, .. }) if ["", "years", "a"].contains(&unit.as_str()) => {
            Role::Age
        }
        ("diagnosis" | "disease", Holds::Category { .. }) => {
            Role::Disease { column: name.to_owned(), label: column.label.clone() }
        }
        _ => other(name, schema),
    }
}

fn other(name: &str, schema: &Schema) -> Role {
    let column = name.to_owned();
    match schema.column(name) {
        Ok(own) if matches!(own.kind, Holds::Numeric { .. }) => {
            Role::Quantity { column, label: own.label.clone(), unit: own.unit().to_owned() }
        }
        Ok(own) => Role::Class { column, label: own.label.clone() },
        Err(_) => Role::Class { label: column.clone(), column },
    }
}

/// An id of the schema with its label.
fn class(id: &str, label: &str) -> Value {
    json!({ "id": format!("{PREFIX}:{id}"), "label": label })
}

fn packet(id: &str, row: &[String], roles: &[Role], meta: &Value) -> Value {
    let mut subject = Map::new();
    subject.insert("id".into(), id.into());
    let (mut measurements, mut diseases) = (Vec::new(), Vec::new());
    let mut survived = None;
    for (role, text) in roles.iter().zip(row).filter(|(_, text)| !text.is_empty()) {
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        match role {
            Role::Sex { male, female } => {
                let sex = [(*male, "MALE"), (*female, "FEMALE")];
                let sex = sex.into_iter().find(|(own, _)| text == own);
                subject.insert("sex".into(), sex.map_or("OTHER_SEX", |(_, sex)| sex).into());
            }
            Role::Age => {
                let age =
                    json!({ "age": { "iso8601duration": duration(number().unwrap_or(0.0)) } });
                subject.insert("timeAtLastEncounter".into(), age);
            }
            Role::Disease { column, label } => {
                let term = class(&format!("{column}={text}"), &format!("{label}: {text}"));
                diseases.push(json!({ "term": term }));
            }
            Role::Survived => survived = number(),
            Role::Died => {
                let status = if text == "1" { "DECEASED" } else { "ALIVE" };
                let mut vital = json!({ "status": status });
                // Whole days since the diagnosis, of which the schema says no more.
                if let (Some(days), Some(vital)) = (survived, vital.as_object_mut()) {
                    vital.insert("survivalTimeInDays".into(), (days.max(0.0) as u32).into());
                }
                subject.insert("vitalStatus".into(), vital);
            }
            Role::Quantity { column, label, unit } => {
                let unit = if unit.is_empty() { "1" } else { unit.as_str() };
                measurements.extend(number().map(|number| {
                    json!({
                        "assay": class(column, label),
                        "value": {
                            "quantity": { "unit": class(&format!("unit={unit}"), unit), "value": number },
                        },
                    })
                }));
            }
            Role::Class { column, label } => measurements.push(json!({
                "assay": class(column, label),
                "value": { "ontologyClass": class(&format!("{column}={text}"), text) },
            })),
        }
    }
    let mut packet = Map::new();
    packet.insert("id".into(), id.into());
    packet.insert("subject".into(), subject.into());
    if !measurements.is_empty() {
        packet.insert("measurements".into(), measurements.into());
    }
    if !diseases.is_empty() {
        packet.insert("diseases".into(), diseases.into());
    }
    packet.insert("metaData".into(), meta.clone());
    packet.into()
}

/// Years as `P61Y` or, with a part of a year, `P1Y6M`.
fn duration(years: f64) -> String {
    let months = (years.max(0.0) * 12.0).floor() as u64;
    match (months / 12, months % 12) {
        (years, 0) => format!("P{years}Y"),
        (years, months) => format!("P{years}Y{months}M"),
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
        let mut roles: Vec<Role> = ["sex", "age", "hb"].map(|name| role(name, &schema)).into();
        assert!(dies("os_days", "death", &schema));
        roles.extend([Role::Survived, Role::Died, role("diagnosis", &schema)]);
        packet("synthetic-1", &row.map(str::to_owned), &roles, &json!({ "created": "now" }))
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
