//! The figure of an answer, as an SVG file of its own.

use haima_fl_core::results::{Fit, Term};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Answer, Task, fault};
use crate::Error;
use crate::report::incidence::{self, Groups};
use crate::report::{association, standalone, words};

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
        "haima.fit/1" => read(answer)
            .filter(|fit: &Fit| fit.model != "linear")
            .and_then(|fit| standalone::forest(&fit, wording)),
        "haima.meta/1" => both_effects(answer).and_then(|fit| standalone::forest(&fit, wording)),
        "haima.cif/1" => {
            Groups::of(&answer.result, min_cell).map(|groups| incidence::figure(&groups, wording))
        }
        "haima.scan/1" => read(answer)
            .and_then(|scan| association::Scan::new(&scan, min_cell))
            .map(|scan| association::figure(&scan)),
        _ => None,
    }
    .ok_or_else(|| fault(task, format!("there is no figure of a result {schema} like this one")))
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
    serde_json::from_value(Value::Object(answer.result.clone())).ok()
}

/// A meta-analysis as the forest plot draws it: each coefficient's random and fixed effect. A
/// hospital's own estimate is not in the result, so it has no line of its own.
fn both_effects(answer: &Answer) -> Option<Fit> {
    let mut terms: Vec<Term> = Vec::new();
    for pair in answer.result.get("terms")?.as_array()? {
        for (key, effect) in [("random", "random effects"), ("fixed", "fixed effect")] {
            let term: Term = serde_json::from_value(pair.get(key)?.clone()).ok()?;
            let name = words::term(&answer.wording, &term.name);
            terms.push(Term { name: format!("{name}, {effect}"), ..term });
        }
    }
    let field = |key: &str| answer.result.get(key);
    let fit = json!({
        "schema": "haima.fit/1", "model": field("model"), "formula": field("formula"),
        "n": field("n"), "events": field("events"), "sites": field("sites"), "ties": "",
        "strata": "", "terms": terms, "loglik": 0.0, "loglik_null": 0.0, "iterations": 0,
    });
    serde_json::from_value(fit).ok()
}
