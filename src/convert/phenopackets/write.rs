//! One row as a Phenopacket, by the mapping that reads it: for tables that become packets, and for
//! virtual patients, whose mapping is made from their schema ([`crate::synth::write`]).
//!
//! What is missing is left out. A gene of a table is a gene and no variant, so its call names the gene
//! alone: `CONTRIBUTORY` where it is mutated, `REJECTED` where it is not.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::convert::mapping::{
    Codes, Column, Kind, Length, Mapping, OfAssay, OfGene, Point, Since, Source,
};
use crate::convert::record::Form;
use crate::convert::systems::resource;
use crate::convert::time::{MONTH, YEAR};
use crate::convert::value::NOT_CLASSED;

/// What an interpretation is of where a row has no disease: NCIT's "Disease or Disorder".
const ANY_DISEASE: &str = "NCIT:C2991";

/// Whether a packet has a place for a column; why not.
pub(crate) fn check(column: &Column) -> Result<(), &'static str> {
    match &column.from {
        Source::Interval { .. } => {
            Err("an interval stands between two dates, which a table has not")
        }
        Source::Variants { .. } => Err("it stands in variant files"),
        Source::SurvivalTime(Since::Point(_)) => {
            Err("a packet has survival since the diagnosis only")
        }
        Source::Measurement(assay) if assay.take == OfAssay::Reference => {
            Err("a class by a reference range is no value that a packet could have")
        }
        Source::Age { at: Point::Birth | Point::Measurement(_) | Point::Action(_), .. } => {
            Err("an age is written at the last encounter, at death and at an onset only")
        }
        _ => Ok(()),
    }
}

/// A packet of one row; `cells` stand in the order of the mapping's columns, and an empty one is left
/// out. An error names the column and says what is wrong with its cell.
pub(crate) fn packet(
    mapping: &Mapping,
    id: &str,
    cells: &[String],
    meta: &Value,
) -> Result<Value, String> {
    let mut parts = Parts::default();
    parts.subject.insert("id".into(), id.into());
    for (column, cell) in mapping.columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
        let added = parts.add(mapping, column, cell);
        added.map_err(|problem| format!("column `{}`: {problem}", column.name))?;
    }
    parts.whole(mapping, id, meta)
}

/// What packets of a table say of themselves.
pub(crate) fn meta(mapping: &Mapping) -> Value {
    let prefixes = prefixes(mapping);
    let resources: Vec<Value> = prefixes.iter().map(|own| resource(mapping, own)).collect();
    json!({
        "created": now(),
        "createdBy": crate::version(),
        "resources": resources,
        "phenopacketSchemaVersion": "2.0",
    })
}

/// The present second (RFC 3339).
pub(crate) fn now() -> String {
    let now = prost_types::Timestamp::from(std::time::SystemTime::now());
    prost_types::Timestamp { nanos: 0, ..now }.to_string()
}

/// Prefixes of all codes that a packet by this mapping may have.
fn prefixes(mapping: &Mapping) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for column in &mapping.columns {
        found.extend(column.levels.keys().filter_map(|code| prefix(code)));
        match &column.from {
            Source::Feature(codes) | Source::Disease(codes) | Source::Action { codes, .. } => {
                found.extend(codes.first().and_then(prefix));
            }
            Source::Measurement(assay) => {
                found.extend(assay.codes.first().and_then(prefix));
                let unit = (!assay.unit.is_empty()).then_some("UCUM");
                found.extend(prefix(&assay.unit).or(unit));
            }
            Source::Gene { .. } => found.extend(["hgnc.symbol", "NCIT"]),
            _ => {}
        }
    }
    found
}

fn prefix(code: &str) -> Option<&str> {
    code.split_once(':').map(|(prefix, _)| prefix)
}

#[derive(Default)]
struct Parts {
    subject: Map<String, Value>,
    vital: Map<String, Value>,
    features: Vec<Value>,
    measurements: Vec<Value>,
    diseases: Vec<Value>,
    actions: Vec<Value>,
    calls: Vec<Value>,
    onsets: Vec<Onset>,
}

/// An age that stands at a finding of another column.
struct Onset {
    column: String,
    of_disease: bool,
    codes: Codes,
    time: Value,
}

impl Parts {
    fn add(&mut self, mapping: &Mapping, column: &Column, cell: &str) -> Result<(), String> {
        check(column)?;
        let code = || column.code_of(cell).ok_or_else(|| format!("{cell:?} is none of its levels"));
        let class = |code: &str| class(mapping, code);
        match &column.from {
            Source::Sex => {
                let code = column.code_of(cell).unwrap_or("OTHER_SEX");
                self.subject.insert("sex".into(), code.into());
            }
            Source::Age { at, unit } => {
                let time = match column.kind {
                    Kind::Category => json!({ "ontologyClass": class(code()?) }),
                    _ => json!({ "age": { "iso8601duration": duration(number(cell)?, *unit) } }),
                };
                self.age(column, at, time);
            }
            Source::Feature(codes) => {
                let (code, excluded) = found(column, cell, codes)?;
                self.features.push(finding("type", &class(code), excluded));
            }
            Source::Disease(codes) => {
                let (code, excluded) = found(column, cell, codes)?;
                self.diseases.push(finding("term", &class(code), excluded));
            }
            Source::Action { codes, form } => {
                let (code, excluded) = found(column, cell, codes)?;
                // The standard has no action that was not taken.
                if !excluded {
                    self.actions.push(action(*form, &class(code)));
                }
            }
            Source::Measurement(assay) => {
                let value = match column.kind {
                    Kind::Numeric => json!({ "quantity": {
                        "unit": unit(mapping, &assay.unit), "value": number(cell)?,
                    } }),
                    _ => json!({ "ontologyClass": class(code()?) }),
                };
                let assay = assay.codes.first().ok_or("its measurement has no code")?;
                self.measurements.push(json!({ "assay": class(assay), "value": value }));
            }
            Source::Gene { symbol, take } => {
                let call = match take {
                    OfGene::Found(_) => gene(symbol, flag(cell)?),
                    OfGene::Pathogenicity => variant(symbol, code()?, None),
                    OfGene::Zygosity => variant(symbol, NOT_CLASSED, Some(class(code()?))),
                };
                self.calls.push(call);
            }
            Source::SurvivalTime(_) => {
                // Whole days, as the standard has them.
                let days = number(cell)?.max(0.0) as u32;
                self.vital.insert("survivalTimeInDays".into(), days.into());
            }
            Source::SurvivalEvent => {
                let status = if flag(cell)? { "DECEASED" } else { "ALIVE" };
                self.vital.insert("status".into(), status.into());
            }
            Source::Interval { .. } | Source::Variants { .. } => {}
        }
        Ok(())
    }

    fn age(&mut self, column: &Column, at: &Point, time: Value) {
        let mut at_onset = |codes: &Codes, of_disease: bool, time: Value| {
            let (column, codes) = (column.name.clone(), codes.clone());
            self.onsets.push(Onset { column, of_disease, codes, time });
        };
        match at {
            Point::Disease(codes) => at_onset(codes, true, time),
            Point::Feature(codes) => at_onset(codes, false, time),
            Point::Death => {
                self.vital.insert("timeOfDeath".into(), time);
            }
            Point::LastEncounter | Point::Birth | Point::Measurement(_) | Point::Action(_) => {
                self.subject.insert("timeAtLastEncounter".into(), time);
            }
        }
    }

    fn whole(mut self, mapping: &Mapping, id: &str, meta: &Value) -> Result<Value, String> {
        for Onset { column, of_disease, codes, time } in self.onsets {
            let (findings, key) = match of_disease {
                true => (&mut self.diseases, "term"),
                false => (&mut self.features, "type"),
            };
            let meant = |own: &&mut Value| {
                let code = own.pointer(&format!("/{key}/id")).and_then(Value::as_str);
                own.get("excluded").is_none()
                    && code.is_some_and(|code| codes.meet(&[code.to_owned()]))
            };
            let finding = findings.iter_mut().find(meant).and_then(Value::as_object_mut);
            let finding = finding.ok_or_else(|| {
                format!(
                    "column `{column}`: an age at onset stands at its disease or feature, which this \
                     row has not"
                )
            })?;
            finding.insert("onset".into(), time);
        }
        if !self.vital.is_empty() {
            self.vital.entry("status").or_insert_with(|| "UNKNOWN_STATUS".into());
            self.subject.insert("vitalStatus".into(), self.vital.into());
        }
        let mut packet = Map::new();
        packet.insert("id".into(), id.into());
        packet.insert("subject".into(), self.subject.into());
        if !self.calls.is_empty() {
            for call in &mut self.calls {
                if let Some(call) = call.as_object_mut() {
                    call.insert("subjectOrBiosampleId".into(), id.into());
                }
            }
            let disease = self.diseases.first().and_then(|own| own.get("term")).cloned();
            let disease = disease.unwrap_or_else(|| class(mapping, ANY_DISEASE));
            let diagnosis = json!({ "disease": disease, "genomicInterpretations": self.calls });
            packet.insert(
                "interpretations".into(),
                json!([{
                    "id": id, "progressStatus": "UNKNOWN_PROGRESS", "diagnosis": diagnosis,
                }]),
            );
        }
        let lists = [
            ("phenotypicFeatures", self.features),
            ("measurements", self.measurements),
            ("diseases", self.diseases),
            ("medicalActions", self.actions),
        ];
        for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            packet.insert(key.into(), list.into());
        }
        packet.insert("metaData".into(), meta.clone());
        Ok(packet.into())
    }
}

/// The code that a cell stands for, and whether it is said not to be there.
fn found<'a>(column: &'a Column, cell: &str, codes: &'a Codes) -> Result<(&'a str, bool), String> {
    if column.kind == Kind::Flag {
        let code = codes.first().ok_or("it has no code of its own")?;
        return Ok((code, !flag(cell)?));
    }
    let code = column.code_of(cell).ok_or_else(|| format!("{cell:?} is none of its levels"))?;
    Ok((code, false))
}

fn flag(cell: &str) -> Result<bool, String> {
    match cell {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(format!("{cell:?} is neither 0 nor 1")),
    }
}

fn number(cell: &str) -> Result<f64, String> {
    let number = cell.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| format!("{cell:?} is no number"))
}

fn class(mapping: &Mapping, code: &str) -> Value {
    let label = mapping.labels.get(code).map_or(code, String::as_str);
    json!({ "id": code, "label": label })
}

/// A unit of UCUM, unless the mapping has one of another system.
fn unit(mapping: &Mapping, own: &str) -> Value {
    match prefix(own) {
        Some(_) => class(mapping, own),
        None => json!({ "id": format!("UCUM:{own}"), "label": own }),
    }
}

fn finding(key: &str, class: &Value, excluded: bool) -> Value {
    match excluded {
        true => json!({ key: class, "excluded": true }),
        false => json!({ key: class }),
    }
}

fn action(form: Option<Form>, class: &Value) -> Value {
    match form {
        Some(Form::Procedure) => json!({ "procedure": { "code": class } }),
        Some(Form::Regimen) => json!({ "therapeuticRegimen": { "ontologyClass": class } }),
        Some(Form::Radiation) => json!({ "radiationTherapy": { "modality": class } }),
        Some(Form::Treatment) | None => json!({ "treatment": { "agent": class } }),
    }
}

fn described(symbol: &str) -> Value {
    json!({ "valueId": format!("hgnc.symbol:{symbol}"), "symbol": symbol })
}

fn gene(symbol: &str, mutated: bool) -> Value {
    let status = if mutated { "CONTRIBUTORY" } else { "REJECTED" };
    json!({ "interpretationStatus": status, "gene": described(symbol) })
}

fn variant(symbol: &str, pathogenicity: &str, zygosity: Option<Value>) -> Value {
    let mut descriptor = json!({
        "id": format!("variant-in-{symbol}"),
        "geneContext": described(symbol),
        "moleculeContext": "genomic",
    });
    if let (Some(state), Some(own)) = (zygosity, descriptor.as_object_mut()) {
        own.insert("allelicState".into(), state);
    }
    json!({
        "interpretationStatus": "UNKNOWN_STATUS",
        "variantInterpretation": {
            "acmgPathogenicityClassification": pathogenicity,
            "variationDescriptor": descriptor,
        },
    })
}

/// An age as an ISO 8601 duration: years and months where they say it to the column's decimals, else
/// with days.
fn duration(age: f64, unit: Length) -> String {
    let age = age.max(0.0);
    let whole = age.floor();
    let part = age - whole;
    match unit {
        Length::Days => format!("P{}D", age.round()),
        Length::Months => {
            let days = (part * MONTH).round();
            if days < 1.0 { format!("P{whole}M") } else { format!("P{whole}M{days}D") }
        }
        Length::Years => {
            let months = (part * 12.0).round();
            let days = (part * YEAR).round();
            if (part - months / 12.0).abs() >= 0.005 {
                return format!("P{whole}Y{days}D");
            }
            match months as u8 {
                0 => format!("P{whole}Y"),
                12 => format!("P{}Y", whole + 1.0),
                months => format!("P{whole}Y{months}M"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_written_so_that_it_reads_back() {
        for (age, expected) in
            [(61.0, "P61Y"), (61.5, "P61Y6M"), (0.33, "P0Y4M"), (61.37, "P61Y135D"), (0.999, "P1Y")]
        {
            assert_eq!(duration(age, Length::Years), expected);
        }
        for hundredths in 0..12_000 {
            let age = f64::from(hundredths) / 100.0;
            let days = crate::convert::time::duration(&duration(age, Length::Years)).unwrap();
            assert_eq!((days / YEAR * 100.0).round() / 100.0, age);
        }
        for tenths in 0..1200 {
            let age = f64::from(tenths) / 10.0;
            let days = crate::convert::time::duration(&duration(age, Length::Months)).unwrap();
            assert_eq!((days / MONTH * 10.0).round() / 10.0, age);
        }
        assert_eq!(duration(40.2, Length::Days), "P40D");
    }
}
