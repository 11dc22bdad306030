//! Results as a clinician reads them, in a terminal: aligned columns, hazard ratios with interval
//! and p value, curves at a few times. Numbers follow the report's rules ([`crate::report`]); a
//! result that has no table of its own is printed field by field.

mod curves;
mod fit;
mod other;
mod outcomes;
mod scan;
mod table1;

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Answer;
use crate::report::numbers;

/// An answer as text.
#[must_use]
pub fn show(answer: &Answer) -> String {
    let mut text = match answer.result.get("schema").and_then(Value::as_str) {
        Some("haima.fit/1") => read(answer).map(|fit| fit::show(&fit, answer)),
        Some("haima.km/1") => read(answer).map(|curves| curves::show(&curves, answer)),
        Some("haima.logrank/1") => curves::show_test(answer),
        Some("haima.meta/1") => outcomes::show(answer),
        Some("haima.pca/1") => outcomes::components(answer),
        Some("haima.cif/1") => outcomes::incidence(answer),
        Some("haima.scan/1") => read(answer).map(|scan| scan::show(&scan, answer)),
        Some("haima.table1/1") => read(answer).map(|table| table1::show(&table, answer)),
        _ => None,
    }
    .unwrap_or_else(|| other::show(&answer.result));
    text.push('\n');
    let field = |key: &str| answer.result.get(key);
    let words = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_owned();
    match words(field("cohort")) {
        cohort if cohort.is_empty() => {}
        cohort => {
            let _ = writeln!(text, "Cohort: {}.", cohort.trim_end().replace('\n', "; "));
        }
    }
    let class = words(field("privacy").and_then(|privacy| privacy.get("note")));
    let _ = writeln!(text, "Sums: {}. Privacy: {class}.", words(field("mode")));
    let excluded: Vec<[String; 2]> = field("excluded")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|out| ["site", "reason"].map(|key| words(out.get(key))))
        .collect();
    if !excluded.is_empty() {
        let hospitals = numbers::counted(excluded.len() as u64, "hospital", "hospitals");
        let _ = writeln!(text, "Left out: {hospitals}.");
    }
    for [site, reason] in excluded {
        let _ = writeln!(text, "  {site}: {reason}");
    }
    if let Some(worst) = field("pooled").and_then(|pooled| pooled.get("max_difference")) {
        let value = worst.get("value").and_then(Value::as_f64).unwrap_or(f64::NAN);
        let place = match words(worst.get("at")) {
            at if at.is_empty() => String::new(),
            at => format!(" (at {at})"),
        };
        let size = if value == 0.0 { "0".to_owned() } else { numbers::scientific(value) };
        let _ = writeln!(
            text,
            "All rows in one place: largest difference {size}{place}, relative beyond 1."
        );
        if field("schema").and_then(Value::as_str) == Some("haima.table1/1") {
            text.push_str("Quartiles of both are of the same histogram, not of the rows.\n");
        }
    }
    text
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
    serde_json::from_value(Value::Object(answer.result.clone())).ok()
}
