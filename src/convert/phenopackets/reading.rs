//! From a packet to a record, with the JSON pointer of each part.

use super::schema::{
    Action, Class, Disease, Feature, GenomicInterpretation, Individual, Interval, Measurement,
    MetaData, Packet, Quantity as Amount, Time, VitalStatus,
};
use crate::convert::fault::{At, Fault, quoted};
use crate::convert::json::List;
use crate::convert::record::{
    Finding, Form, GeneCall, Measurement as Measured, Quantity, Range, Reading, Record, Timed,
    Vital,
};
use crate::convert::time::{Span, When, date, duration};
use crate::convert::value::NOT_CLASSED;

/// How ids of generators begin, in packets of virtual patients.
const GENERATOR: &str = "haima-generator:";

/// Reads one packet.
pub(super) struct Reader {
    pub(super) top: At,
}

impl Reader {
    pub(super) fn record(&self, packet: &Packet) -> Result<Record, Fault> {
        if packet.proband.is_some() || packet.members.is_some() {
            let problem = "is a Family or a Cohort; save its Phenopackets as a file each";
            return Err(self.top.fault(problem));
        }
        let synthetic = self.meta(packet.meta_data.as_ref())?;
        let at = self.top.below("subject");
        let id = |found: Option<&String>| found.filter(|id| !id.is_empty()).cloned();
        let Some(subject) = &packet.subject else {
            return Err(at.fault("is not there; a Phenopacket of a patient has one"));
        };
        let own = id(subject.id.as_ref()).ok_or_else(|| at.below("id").fault("is not there"))?;
        let name = id(packet.id.as_ref()).unwrap_or_else(|| own.clone());
        let mut record = Record { synthetic, ..Record::new(self.top.clone(), own, name) };
        individual(&mut record, subject, &at)?;
        let at = self.top.below("phenotypicFeatures");
        for (k, own) in packet.phenotypic_features.iter().enumerate() {
            record.features.push(feature(own, &at.below(k))?);
        }
        let at = self.top.below("diseases");
        for (k, own) in packet.diseases.iter().enumerate() {
            record.diseases.push(disease(own, &at.below(k))?);
        }
        let at = self.top.below("medicalActions");
        for (k, own) in packet.medical_actions.iter().enumerate() {
            record.actions.extend(action(own, &at.below(k))?);
        }
        let at = self.top.below("measurements");
        for (k, own) in packet.measurements.iter().enumerate() {
            measurement(&mut record, own, &at.below(k))?;
        }
        let at = self.top.below("interpretations");
        for (k, own) in packet.interpretations.iter().enumerate() {
            let Some(diagnosis) = &own.diagnosis else { continue };
            let at = at.below(k).below("diagnosis/genomicInterpretations");
            let calls = diagnosis.genomic_interpretations.iter().enumerate();
            record.genes.extend(calls.filter_map(|(k, own)| gene_call(own, at.below(k))));
        }
        Ok(record)
    }

    /// Whether the packet is one of a virtual patient; refuses another version.
    fn meta(&self, meta: Option<&MetaData>) -> Result<bool, Fault> {
        let version = meta.and_then(|meta| meta.phenopacket_schema_version.as_deref());
        let at = || self.top.below("metaData/phenopacketSchemaVersion");
        match version {
            Some(version) if version == "2" || version.starts_with("2.") => {}
            Some(version) => {
                return Err(at().fault(format!(
                    "is {}; only version 2 is read: convert it, for instance by phenopacket-tools",
                    quoted(version)
                )));
            }
            None => {
                return Err(at().fault(
                    "is not there, so nobody knows what `excluded` means; add \"2.0\" where the \
                     packet is of that version",
                ));
            }
        }
        let references = meta.map(|meta| &meta.external_references);
        let mut ids = references.into_iter().flat_map(List::iter).map(|own| own.id.as_deref());
        Ok(ids.any(|id| id.is_some_and(|id| id.starts_with(GENERATOR))))
    }
}

fn individual(record: &mut Record, own: &Individual, at: &At) -> Result<(), Fault> {
    record.sex = own.sex.clone().map(|sex| (sex, at.below("sex")));
    if let Some(birth) = &own.date_of_birth {
        record.birth = Some(day(birth, &at.below("dateOfBirth"))?);
    }
    record.last = time(own.time_at_last_encounter.as_ref(), &at.below("timeAtLastEncounter"))?;
    if let Some(own) = &own.vital_status {
        record.vital = vital(own, &at.below("vitalStatus"))?;
    }
    Ok(())
}

fn vital(own: &VitalStatus, at: &At) -> Result<Vital, Fault> {
    let dead = match own.status.as_deref() {
        None | Some("UNKNOWN_STATUS") => None,
        Some("ALIVE") => Some(false),
        Some("DECEASED") => Some(true),
        Some(other) => {
            return Err(at
                .below("status")
                .fault(format!("is {}; it is ALIVE, DECEASED or UNKNOWN_STATUS", quoted(other))));
        }
    };
    let survival_days = own.survival_time_in_days.map(|days| days.0);
    if survival_days.is_some_and(|days| days < 0.0 || days.fract() != 0.0) {
        return Err(at.below("survivalTimeInDays").fault("is no whole number of days"));
    }
    let death = time(own.time_of_death.as_ref(), &at.below("timeOfDeath"))?;
    Ok(Vital { dead, death, survival_days })
}

fn feature(own: &Feature, at: &At) -> Result<Finding, Fault> {
    let codes = vec![id(own.class.as_ref(), &at.below("type"))?];
    let when = time(own.onset.as_ref(), &at.below("onset"))?;
    let excluded = own.excluded.unwrap_or(false);
    Ok(Finding { codes, excluded, when, form: None, at: at.clone() })
}

fn disease(own: &Disease, at: &At) -> Result<Finding, Fault> {
    let codes = vec![id(own.term.as_ref(), &at.below("term"))?];
    let when = time(own.onset.as_ref(), &at.below("onset"))?;
    let excluded = own.excluded.unwrap_or(false);
    Ok(Finding { codes, excluded, when, form: None, at: at.clone() })
}

/// `None` for a form of action that the standard has and this does not know.
fn action(own: &Action, at: &At) -> Result<Option<Finding>, Fault> {
    let (form, code, when) = if let Some(own) = &own.procedure {
        let at = at.below("procedure");
        let when = time(own.performed.as_ref(), &at.below("performed"))?;
        (Form::Procedure, id(own.code.as_ref(), &at.below("code"))?, when)
    } else if let Some(own) = &own.treatment {
        let at = at.below("treatment");
        let code = id(own.agent.as_ref(), &at.below("agent"))?;
        let mut when: Option<(f64, Timed)> = None;
        for (k, own) in own.dose_intervals.iter().enumerate() {
            let at = at.below("doseIntervals").below(k).below("interval/start");
            let Some(start) = own.interval.as_ref().and_then(|own| own.start.as_deref()) else {
                continue;
            };
            let span = day(start, &at)?;
            if when.as_ref().is_none_or(|(first, _)| span.low < *first) {
                when = Some((span.low, Timed { when: When::Date(span), at }));
            }
        }
        (Form::Treatment, code, when.map(|(_, timed)| timed))
    } else if let Some(own) = &own.therapeutic_regimen {
        let at = at.below("therapeuticRegimen");
        let code = match &own.external_reference {
            Some(reference) if own.ontology_class.is_none() => reference.id.clone(),
            _ => Some(id(own.ontology_class.as_ref(), &at.below("ontologyClass"))?),
        };
        let when = time(own.start_time.as_ref(), &at.below("startTime"))?;
        (Form::Regimen, code.unwrap_or_default(), when)
    } else if let Some(own) = &own.radiation_therapy {
        let at = at.below("radiationTherapy/modality");
        (Form::Radiation, id(own.modality.as_ref(), &at)?, None)
    } else {
        return Ok(None);
    };
    let (codes, form) = (vec![code], Some(form));
    Ok(Some(Finding { codes, excluded: false, when, form, at: at.clone() }))
}

fn measurement(record: &mut Record, own: &Measurement, at: &At) -> Result<(), Fault> {
    let when = time(own.time_observed.as_ref(), &at.below("timeObserved"))?;
    let mut add = |codes: Vec<String>, reading: Reading, at: At| {
        record.measurements.push(Measured { codes, reading, when: when.clone(), at });
    };
    if let Some(value) = &own.value {
        let codes = vec![id(own.assay.as_ref(), &at.below("assay"))?];
        let at = at.below("value");
        if let Some(own) = &value.quantity {
            let at = at.below("quantity");
            add(codes, Reading::Quantity(quantity(own, &at)?), at);
        } else if let Some(own) = &value.ontology_class {
            let at = at.below("ontologyClass");
            add(codes, Reading::Class(vec![id(Some(own), &at)?]), at);
        }
    } else if let Some(own) = &own.complex_value {
        let at = at.below("complexValue/typedQuantities");
        for (k, own) in own.typed_quantities.iter().enumerate() {
            let at = at.below(k);
            let codes = vec![id(own.class.as_ref(), &at.below("type"))?];
            let at = at.below("quantity");
            let Some(own) = &own.quantity else {
                return Err(at.fault("is not there"));
            };
            add(codes, Reading::Quantity(quantity(own, &at)?), at);
        }
    }
    Ok(())
}

fn quantity(own: &Amount, at: &At) -> Result<Quantity, Fault> {
    // Protobuf's JSON leaves a zero out; a quantity without a unit and a value is a slip.
    let value = match (own.value, &own.unit) {
        (Some(value), _) => value.0,
        (None, Some(_)) => 0.0,
        (None, None) => return Err(at.fault("has neither `value` nor `unit`")),
    };
    let range = own.reference_range.as_ref().map(|own| Range {
        low: Some(own.low.map_or(0.0, |low| low.0)),
        high: own.high.map(|high| high.0),
        unit: spellings(own.unit.as_ref()),
    });
    Ok(Quantity { value, unit: spellings(own.unit.as_ref()), comparator: None, range })
}

/// `UCUM:g/dL` and `g/dL`; the label too where the id is that of an ontology's concept.
fn spellings(unit: Option<&Class>) -> Vec<String> {
    let Some(unit) = unit else { return Vec::new() };
    let id = unit.id.as_deref().unwrap_or_default();
    let label = unit.label.as_deref();
    let plain = id.strip_prefix("UCUM:").or_else(|| id.strip_prefix("ucum:"));
    let further = plain.or(label);
    let all = [Some(id), further].into_iter().flatten().filter(|text| !text.is_empty());
    all.map(str::to_owned).collect()
}

/// `None` where no gene is named.
fn gene_call(own: &GenomicInterpretation, at: At) -> Option<GeneCall> {
    let variant = own.variant_interpretation.as_ref();
    let described = variant.and_then(|own| own.variation_descriptor.as_ref());
    let gene = described.and_then(|own| own.gene_context.as_ref()).or(own.gene.as_ref())?;
    let zygosity = described.and_then(|own| own.allelic_state.as_ref());
    Some(GeneCall {
        symbol: gene.symbol.clone()?,
        status: own.interpretation_status.clone().unwrap_or_default(),
        pathogenicity: variant.map(|own| {
            // A form without the first of its values leaves it out.
            let class = own.acmg_pathogenicity_classification.as_deref().unwrap_or_default();
            if class.is_empty() { NOT_CLASSED.to_owned() } else { class.to_owned() }
        }),
        zygosity: zygosity.and_then(|own| own.id.clone()),
        at,
    })
}

fn id(class: Option<&Class>, at: &At) -> Result<String, Fault> {
    let id = class.and_then(|own| own.id.as_ref()).filter(|id| !id.is_empty());
    id.cloned().ok_or_else(|| at.below("id").fault("is not there; each class has its code"))
}

fn time(own: Option<&Time>, at: &At) -> Result<Option<Timed>, Fault> {
    let Some(own) = own else { return Ok(None) };
    let (when, at) = if let Some(age) = &own.age {
        let at = at.below("age/iso8601duration");
        let text = age.iso8601duration.as_deref().unwrap_or_default();
        (When::Age(Span::at(lasting(text, &at)?)), at)
    } else if let Some(range) = &own.age_range {
        let at = at.below("ageRange");
        let [start, end] = [&range.start, &range.end].map(|age| {
            let text = age.as_ref().and_then(|age| age.iso8601duration.as_deref());
            lasting(text.unwrap_or_default(), &at)
        });
        let span = Span::new(start?, end?);
        (When::Age(span.ok_or_else(|| at.fault("ends before it starts"))?), at)
    } else if let Some(class) = &own.ontology_class {
        let at = at.below("ontologyClass");
        (When::Class(id(Some(class), &at)?), at)
    } else if let Some(text) = &own.timestamp {
        let at = at.below("timestamp");
        (When::Date(day(text, &at)?), at)
    } else if let Some(Interval { start: Some(start), end: Some(end) }) = &own.interval {
        let at = at.below("interval");
        let span = Span::new(day(start, &at)?.low, day(end, &at)?.high);
        (When::Date(span.ok_or_else(|| at.fault("ends before it starts"))?), at)
    } else {
        return Ok(None);
    };
    Ok(Some(Timed { when, at }))
}

fn lasting(text: &str, at: &At) -> Result<f64, Fault> {
    duration(text).ok_or_else(|| {
        at.fault(format!("{} is no ISO 8601 duration of a life, such as P61Y6M", quoted(text)))
    })
}

fn day(text: &str, at: &At) -> Result<Span, Fault> {
    date(text).ok_or_else(|| {
        at.fault(format!("{} is no date, such as 2021-05-02T00:00:00Z", quoted(text)))
    })
}
