//! The parts of FHIR R4 resources that are read, under the standard's names.

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

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
        // The type may stand behind what it is needed for.
        let value = Value::deserialize(from)?;
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

/// An Observation, or a component of one, which has a code and a value only.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Observation {
    pub(super) status: Option<String>,
    pub(super) code: Option<Concept>,
    pub(super) subject: Option<Reference>,
    pub(super) effective_date_time: Option<String>,
    pub(super) effective_instant: Option<String>,
    pub(super) effective_period: Option<Period>,
    pub(super) value_quantity: Option<Quantity>,
    pub(super) value_codeable_concept: Option<Concept>,
    pub(super) value_boolean: Option<bool>,
    pub(super) value_integer: Option<Figure>,
    pub(super) interpretation: List<Concept>,
    pub(super) reference_range: List<ReferenceRange>,
    pub(super) component: List<Observation>,
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
    pub(super) low: Option<Quantity>,
    pub(super) high: Option<Quantity>,
}
