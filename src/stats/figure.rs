//! The figure of an answer, as an SVG file of its own.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Answer, Task, fault};
use crate::Error;
use crate::report::{association, standalone};

/// The figure.
///
/// # Errors
/// When the result has none.
pub fn figure(answer: &Answer, task: &Task) -> Result<String, Error> {
    let (wording, min_cell) = (&answer.wording, answer.min_cell);
    let schema = answer.result.get("schema").and_then(Value::as_str).unwrap_or("");
    match schema {
        "haima.km/1" => {
            read(answer).and_then(|curves| standalone::curves(&curves, wording, min_cell))
        }
        "haima.fit/1" => read(answer).and_then(|fit| standalone::forest(&fit, wording)),
        _ => association::Scan::of(&answer.result).map(|scan| association::figure(&scan)),
    }
    .ok_or_else(|| fault(task, format!("there is no figure of a result {schema} like this one")))
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
    serde_json::from_value(Value::Object(answer.result.clone())).ok()
}
