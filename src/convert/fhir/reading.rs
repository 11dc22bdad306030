//! From resources to records, with the JSON pointer of each part.

use super::schema::{
    Coded, Concept, Condition, Observation, Patient, Quantity as Amount, ReferenceRange, Resource,
};
use crate::convert::fault::{At, Fault, quoted};
use crate::convert::mapping::Mapping;
use crate::convert::record::{Finding, Measurement, Quantity, Range, Reading, Record, Timed};
use crate::convert::systems::coded;
use crate::convert::time::{MONTH, Span, When, YEAR, date};

/// Answers that say that something is there, and that it is not (SNOMED CT, LOINC).
const THERE: [&str; 2] = ["SNOMED:52101004", "LOINC:LA9633-4"];
const NOT_THERE: [&str; 2] = ["SNOMED:2667000", "LOINC:LA9634-2"];

/// Reads resources by the prefixes of a mapping.
pub(super) struct Reader<'a> {
    pub(super) mapping: &'a Mapping,
}

impl Reader<'_> {
    pub(super) fn patient(&self, own: &Patient, at: &At) -> Result<Record, Fault> {
        let id = own.id.clone().unwrap_or_default();
        let mut record = Record::new(at.clone(), id.clone(), id);
        let sex = match own.gender.as_deref() {
            None | Some("unknown") => None,
            Some("male") => Some("MALE"),
            Some("female") => Some("FEMALE"),
            Some("other") => Some("OTHER_SEX"),
            Some(other) => {
                return Err(at
                    .below("gender")
                    .fault(format!("is {}; it is male, female, other or unknown", quoted(other))));
            }
        };
        record.sex = sex.map(|sex| (sex.to_owned(), at.below("gender")));
        if let Some(birth) = &own.birth_date {
            record.birth = Some(day(birth, &at.below("birthDate"))?);
        }
        record.vital.dead = own.deceased_boolean;
        if let Some(death) = &own.deceased_date_time {
            record.vital.dead = Some(true);
            record.vital.death = Some(dated(death, at.below("deceasedDateTime"))?);
        }
        Ok(record)
    }

    /// Adds what an Observation or a Condition says.
    pub(super) fn add(&self, record: &mut Record, part: &Resource, at: &At) -> Result<(), Fault> {
        match part {
            Resource::Observation(own) => self.observation(record, own, at),
            Resource::Condition(own) => self.condition(record, own, at),
            Resource::Patient(_) | Resource::Other | Resource::Faulty { .. } => Ok(()),
        }
    }

    fn observation(&self, record: &mut Record, own: &Observation, at: &At) -> Result<(), Fault> {
        if !matches!(own.status.as_deref(), None | Some("final" | "amended" | "corrected")) {
            return Ok(());
        }
        let start = own.effective_period.as_ref().and_then(|own| own.start.as_ref());
        let times = [
            ("effectiveDateTime", own.effective_date_time.as_ref()),
            ("effectiveInstant", own.effective_instant.as_ref()),
            ("effectivePeriod/start", start),
        ];
        let when = first_date(&times, at)?;
        seen(record, when.as_ref());
        self.found(record, &own.coded(), when.as_ref(), at)?;
        let at = at.below("component");
        for (k, own) in own.component.iter().enumerate() {
            self.found(record, &own.coded(), when.as_ref(), &at.below(k))?;
        }
        Ok(())
    }

    fn found(
        &self,
        record: &mut Record,
        own: &Coded<'_>,
        when: Option<&Timed>,
        at: &At,
    ) -> Result<(), Fault> {
        let codes = self.codes(own.code);
        let class = self.codes(own.class);
        let (reading, at) = if let Some(amount) = own.quantity {
            let at = at.below("valueQuantity");
            let range = own.reference_range.0.first();
            (quantity(amount, range).map(Reading::Quantity), at)
        } else if let Some(number) = own.integer {
            let unit = vec!["1".to_owned()];
            let whole = Quantity { value: number.0, unit, comparator: None, range: None };
            (Some(Reading::Quantity(whole)), at.below("valueInteger"))
        } else if let Some(yes) = own.boolean {
            (Some(Reading::Class(vec![yes.to_string()])), at.below("valueBoolean"))
        } else {
            let there = (!class.is_empty()).then(|| Reading::Class(class.clone()));
            (there, at.below("valueCodeableConcept"))
        };
        let is_there = own.boolean.or_else(|| present(&class, own));
        if let Some(is_there) = is_there {
            let (codes, when) = (codes.clone(), when.cloned());
            let (excluded, at) = (!is_there, at.clone());
            record.features.push(Finding { codes, excluded, when, form: None, at });
        }
        if let Some(reading) = reading {
            record.measurements.push(Measurement { codes, reading, when: when.cloned(), at });
        }
        Ok(())
    }

    fn condition(&self, record: &mut Record, own: &Condition, at: &At) -> Result<(), Fault> {
        let start = own.onset_period.as_ref().and_then(|own| own.start.as_ref());
        let onset = [("onsetDateTime", own.onset_date_time.as_ref()), ("onsetPeriod/start", start)];
        let onset = first_date(&onset, at)?;
        let recorded = first_date(&[("recordedDate", own.recorded_date.as_ref())], at)?;
        let mut status = own.verification_status.iter().flat_map(|own| own.coding.iter());
        let status = status.find_map(|own| own.code.as_deref()).unwrap_or("confirmed");
        if !["confirmed", "refuted"].contains(&status) {
            return Ok(());
        }
        seen(record, onset.as_ref());
        seen(record, recorded.as_ref());
        let when = match (onset, &own.onset_age, &own.onset_range) {
            (Some(onset), ..) => Some(onset),
            (None, Some(age), _) => {
                let at = at.below("onsetAge");
                Some(Timed { when: When::Age(Span::at(age_of(age, &at)?)), at })
            }
            (None, None, Some(ReferenceRange { low: Some(low), high: Some(high) })) => {
                let at = at.below("onsetRange");
                let span = Span::new(age_of(low, &at)?, age_of(high, &at)?);
                let span = span.ok_or_else(|| at.fault("ends before it starts"))?;
                Some(Timed { when: When::Age(span), at })
            }
            _ => recorded,
        };
        let (codes, excluded) = (self.codes(own.code.as_ref()), status == "refuted");
        let finding = Finding { codes, excluded, when, form: None, at: at.clone() };
        record.features.push(finding.clone());
        record.diseases.push(finding);
        Ok(())
    }

    /// All codes of a concept, each with its system in front.
    fn codes(&self, concept: Option<&Concept>) -> Vec<String> {
        let codings = concept.into_iter().flat_map(|own| own.coding.iter());
        let codes = codings.filter_map(|own| {
            Some(coded(self.mapping, own.system.as_deref().unwrap_or_default(), own.code.as_ref()?))
        });
        codes.collect()
    }
}

/// Whether what is observed is there, where that is what is said.
fn present(class: &[String], own: &Coded<'_>) -> Option<bool> {
    let is = |codes: &[&str]| class.iter().any(|code| codes.contains(&code.as_str()));
    let says = |word: &str| {
        let mut codings = own.interpretation.iter().flat_map(|own| own.coding.iter());
        codings.any(|own| own.code.as_deref() == Some(word))
    };
    if is(&THERE) || says("POS") {
        Some(true)
    } else if is(&NOT_THERE) || says("NEG") {
        Some(false)
    } else {
        None
    }
}

/// `None` where the quantity has no value: what was not measured is missing.
fn quantity(own: &Amount, range: Option<&ReferenceRange>) -> Option<Quantity> {
    let value = own.value?.0;
    let range = range.map(|range| {
        let (low, high) = (range.low.as_deref(), range.high.as_deref());
        let end = |own: Option<&Amount>| own.and_then(|own| own.value).map(|own| own.0);
        let unit = low.or(high).map(spellings);
        Range { low: end(low), high: end(high), unit: unit.unwrap_or_default() }
    });
    Some(Quantity { value, unit: spellings(own), comparator: own.comparator.clone(), range })
}

/// The unit's code, or the words for it where it has none.
fn spellings(own: &Amount) -> Vec<String> {
    own.code.as_ref().or(own.unit.as_ref()).cloned().into_iter().collect()
}

/// Days of an age with its unit.
fn age_of(own: &Amount, at: &At) -> Result<f64, Fault> {
    let unit = own.code.as_deref().or(own.unit.as_deref()).unwrap_or_default();
    let length = match unit {
        "a" | "year" | "years" => YEAR,
        "mo" | "month" | "months" => MONTH,
        "wk" | "week" | "weeks" => 7.0,
        "d" | "day" | "days" => 1.0,
        _ => {
            return Err(at.fault(format!("is in {}; an age is in a, mo, wk or d", quoted(unit))));
        }
    };
    let value = own.value.ok_or_else(|| at.below("value").fault("is not there"))?;
    Ok(value.0 * length)
}

/// The first of several that is there.
fn first_date(times: &[(&str, Option<&String>)], at: &At) -> Result<Option<Timed>, Fault> {
    for (place, text) in times {
        if let Some(text) = text {
            return dated(text, at.below(place)).map(Some);
        }
    }
    Ok(None)
}

fn dated(text: &str, at: At) -> Result<Timed, Fault> {
    Ok(Timed { when: When::Date(day(text, &at)?), at })
}

fn day(text: &str, at: &At) -> Result<Span, Fault> {
    date(text).ok_or_else(|| {
        at.fault(format!("{} is no date, such as 2021, 2021-05 or 2021-05-02", quoted(text)))
    })
}

/// The last encounter is the last day of which anything is said.
fn seen(record: &mut Record, when: Option<&Timed>) {
    let Some(Timed { when: When::Date(day), .. }) = when else { return };
    let later = match &record.last {
        Some(Timed { when: When::Date(before), .. }) => day.high > before.high,
        _ => true,
    };
    if later {
        record.last = when.cloned();
    }
}
