//! The parts of FHIR R4 resources that are read, under the standard's names.
//!
//! Which type a resource is of may stand behind what it is needed for. So the fields that any of the
//! types has are kept as they come, within bounds (`fields`).

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::fields::Fields;
use crate::convert::json::{Figure, List, parse};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Bundle {
    #[serde(rename = "resourceType")]
    pub(super) kind: Option<String>,
    pub(super) entry: List<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) full_url: Option<String>,
    pub(super) resource: Option<Resource>,
}

/// A resource by its type.
pub(super) enum Resource {
    Patient(Patient),
    Observation(Box<Observation>),
    Condition(Box<Condition>),
    /// One that is not read.
    Other,
    /// One of these types that is not as the standard has it; the place is below the resource.
    Faulty {
        place: String,
        problem: String,
    },
}

impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = from.deserialize_map(Fields)?;
        Ok(match value.get("resourceType").and_then(Value::as_str) {
            Some("Patient") => typed(&value, Self::Patient),
            Some("Observation") => typed(&value, |own| Self::Observation(Box::new(own))),
            Some("Condition") => typed(&value, |own| Self::Condition(Box::new(own))),
            _ => Self::Other,
        })
    }
}

fn typed<T: DeserializeOwned>(value: &Value, made: impl FnOnce(T) -> Resource) -> Resource {
    match T::deserialize(value) {
        Ok(own) => made(own),
        // Once more as a text, which has the place of the fault.
        Err(error) => {
            let nameless: Arc<Path> = Arc::from(Path::new(""));
            match parse::<T>(&nameless, value.to_string().as_bytes()) {
                Err(fault) => {
                    let problem = fault.problem.split(" (line ").next().unwrap_or_default();
                    Resource::Faulty { place: fault.at.place, problem: problem.to_owned() }
                }
                Ok(_) => Resource::Faulty { place: String::new(), problem: error.to_string() },
            }
        }
    }
}

#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Patient {
    pub(super) id: Option<String>,
    pub(super) gender: Option<String>,
    pub(super) birth_date: Option<String>,
    pub(super) deceased_boolean: Option<bool>,
    pub(super) deceased_date_time: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Observation {
    pub(super) status: Option<String>,
    pub(super) code: Option<Concept>,
    pub(super) subject: Option<Reference>,
    pub(super) effective_date_time: Option<String>,
    pub(super) effective_instant: Option<String>,
    pub(super) effective_period: Option<Period>,
    pub(super) value_quantity: Option<Box<Quantity>>,
    pub(super) value_codeable_concept: Option<Concept>,
    pub(super) value_boolean: Option<bool>,
    pub(super) value_integer: Option<Figure>,
    pub(super) interpretation: List<Concept>,
    pub(super) reference_range: List<ReferenceRange>,
    pub(super) component: List<Component>,
}

/// A part of an Observation. A file may have millions, so what is rare stands apart.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Component {
    pub(super) code: Option<Concept>,
    pub(super) value_quantity: Option<Box<Quantity>>,
    pub(super) value_codeable_concept: Option<Concept>,
    pub(super) value_boolean: Option<bool>,
    pub(super) value_integer: Option<Figure>,
    pub(super) interpretation: List<Concept>,
    pub(super) reference_range: List<ReferenceRange>,
}

/// A code with its value, as an Observation and its parts have them.
pub(super) struct Coded<'a> {
    pub(super) code: Option<&'a Concept>,
    pub(super) quantity: Option<&'a Quantity>,
    pub(super) class: Option<&'a Concept>,
    pub(super) boolean: Option<bool>,
    pub(super) integer: Option<Figure>,
    pub(super) interpretation: &'a List<Concept>,
    pub(super) reference_range: &'a List<ReferenceRange>,
}

impl Observation {
    pub(super) fn coded(&self) -> Coded<'_> {
        Coded {
            code: self.code.as_ref(),
            quantity: self.value_quantity.as_deref(),
            class: self.value_codeable_concept.as_ref(),
            boolean: self.value_boolean,
            integer: self.value_integer,
            interpretation: &self.interpretation,
            reference_range: &self.reference_range,
        }
    }
}

impl Component {
    pub(super) fn coded(&self) -> Coded<'_> {
        Coded {
            code: self.code.as_ref(),
            quantity: self.value_quantity.as_deref(),
            class: self.value_codeable_concept.as_ref(),
            boolean: self.value_boolean,
            integer: self.value_integer,
            interpretation: &self.interpretation,
            reference_range: &self.reference_range,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Condition {
    pub(super) verification_status: Option<Concept>,
    pub(super) code: Option<Concept>,
    pub(super) subject: Option<Reference>,
    pub(super) onset_date_time: Option<String>,
    pub(super) onset_age: Option<Quantity>,
    pub(super) onset_period: Option<Period>,
    pub(super) onset_range: Option<ReferenceRange>,
    pub(super) recorded_date: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    pub(super) reference: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Concept {
    pub(super) coding: List<Coding>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Coding {
    pub(super) system: Option<String>,
    pub(super) code: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Period {
    pub(super) start: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Quantity {
    pub(super) value: Option<Figure>,
    pub(super) comparator: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) code: Option<String>,
}

/// A Range, or a reference range.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ReferenceRange {
    pub(super) low: Option<Box<Quantity>>,
    pub(super) high: Option<Box<Quantity>>,
}

#[cfg(test)]
mod tests {
    use super::super::fields::MOST_VALUES;
    use super::*;

    fn read(text: &str) -> Result<Resource, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_that_nobody_reads_are_passed_over_however_long() {
        let zeros = "0,".repeat(2 * MOST_VALUES);
        let text = format!(
            "{{\"x\": [{zeros}0], \"gender\": \"male\", \"resourceType\": \"Patient\", \"id\": \"a\"}}"
        );
        let found = read(&text);
        let is = matches!(&found, Ok(Resource::Patient(own)) if own.id.as_deref() == Some("a"));
        assert!(is, "{:?}", found.err());
        let found = read(&format!("{{\"resourceType\": \"Basic\", \"author\": [{zeros}0]}}"));
        assert!(matches!(found, Ok(Resource::Other)));
    }

    #[test]
    fn a_resource_of_too_many_values_is_refused_before_there_is_room_for_them() {
        for of in ["Observation", "Basic"] {
            let list = "{},".repeat(MOST_VALUES);
            let text = format!("{{\"resourceType\": \"{of}\", \"component\": [{list}{{}}]}}");
            let said = read(&text).err().unwrap_or_default();
            assert!(said.contains("at most 100000 values"), "{of}: {said}");
        }
        let most = "{},".repeat(1000);
        let text = format!("{{\"component\": [{most}{{}}], \"resourceType\": \"Observation\"}}");
        let found = read(&text);
        assert!(
            matches!(found, Ok(Resource::Observation(own)) if own.component.iter().count() == 1001)
        );
    }

    #[test]
    fn what_a_type_reads_is_kept_for_it() {
        // A name that is not on the list would be a field that is never there.
        let text = r#"{"status": "final", "code": {"coding": [{"code": "1"}]}, "subject": {},
            "effectiveDateTime": "2020", "effectiveInstant": "2020", "effectivePeriod": {},
            "valueQuantity": {"value": 1}, "valueCodeableConcept": {}, "valueBoolean": true,
            "valueInteger": 2, "interpretation": [{}], "referenceRange": [{}],
            "component": [{"valueQuantity": {"value": -1.5}}], "resourceType": "Observation"}"#;
        let Ok(Resource::Observation(own)) = read(text) else { panic!("no Observation") };
        let is_there = [
            own.status.is_some(),
            own.code.is_some(),
            own.subject.is_some(),
            own.effective_date_time.is_some(),
            own.effective_instant.is_some(),
            own.effective_period.is_some(),
            own.value_quantity.is_some(),
            own.value_codeable_concept.is_some(),
            own.value_boolean.is_some(),
            own.value_integer.is_some(),
            own.interpretation.iter().count() == 1,
            own.reference_range.iter().count() == 1,
            own.component.iter().all(|own| own.coded().quantity.is_some()),
        ];
        assert_eq!(is_there, [true; 13]);
        let text = r#"{"resourceType": "Condition", "verificationStatus": {}, "code": {}, "subject": {},
            "onsetDateTime": "2020", "onsetAge": {}, "onsetPeriod": {}, "onsetRange": {"low": {}},
            "recordedDate": "2020"}"#;
        let Ok(Resource::Condition(own)) = read(text) else { panic!("no Condition") };
        let is_there = [
            own.verification_status.is_some(),
            own.code.is_some(),
            own.subject.is_some(),
            own.onset_date_time.is_some(),
            own.onset_age.is_some(),
            own.onset_period.is_some(),
            own.onset_range.as_ref().is_some_and(|own| own.low.is_some()),
            own.recorded_date.is_some(),
        ];
        assert_eq!(is_there, [true; 8]);
        let text = r#"{"resourceType": "Patient", "id": "a", "gender": "male", "birthDate": "2020",
            "deceasedBoolean": true, "deceasedDateTime": "2021"}"#;
        let Ok(Resource::Patient(own)) = read(text) else { panic!("no Patient") };
        let Patient { id, gender, birth_date, deceased_boolean, deceased_date_time } = own;
        assert!(id.is_some() && gender.is_some() && birth_date.is_some());
        assert!(deceased_boolean.is_some() && deceased_date_time.is_some());
    }
}
