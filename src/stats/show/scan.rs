//! An association scan: the variants with the smallest p values.

use std::fmt::Write as _;

use serde_json::Value;

use crate::report::numbers;
use crate::stats::Answer;
use crate::text;

/// Variants that are printed; the JSON has all.
const SHOWN: usize = 20;

pub(super) fn show(answer: &Answer) -> Option<String> {
    let field = |key: &str| answer.result.get(key);
    let count = |key: &str| field(key).and_then(Value::as_u64).unwrap_or(0);
    let logistic = field("family").and_then(Value::as_str) == Some("logistic");
    let mut variants: Vec<&Value> = field("variants")?.as_array()?.iter().collect();
    let number = |variant: &Value, key: &str| variant.get(key).and_then(Value::as_f64);
    let p = |variant: &Value| number(variant, "p").unwrap_or(f64::INFINITY);
    variants.sort_by(|a, b| p(a).total_cmp(&p(b)));
    let tested = variants.iter().filter(|variant| p(variant).is_finite()).count();
    let threshold = 0.05 / tested.max(1) as f64;
    let passed = variants.iter().filter(|variant| p(variant) < threshold).count();

    let mut shown = format!(
        "Association scan, adjusted for: {}\n{}, {}, {}\n",
        field("formula")?.as_str()?,
        numbers::counted_cell(count("n"), answer.min_cell, "patient", "patients"),
        numbers::counted_cell(count("events"), answer.min_cell, "case", "cases"),
        numbers::counted(count("sites"), "hospital", "hospitals"),
    );
    let lambda = field("lambda").and_then(Value::as_f64).unwrap_or(f64::NAN);
    let _ = writeln!(
        shown,
        "{} tested, {passed} below 0.05 / {tested}; genomic control λ = {}\n",
        numbers::counted(tested as u64, "variant", "variants"),
        numbers::decimal(lambda, 2)
    );
    let effect = if logistic { "OR (95% CI)" } else { "Difference (95% CI)" };
    let mut rows = vec![text::row(["", "Carriers", effect, "p", "p, genomic control"])];
    for variant in variants.iter().take(SHOWN) {
        let name = variant.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let carriers = variant.get("carriers").and_then(Value::as_u64).unwrap_or(0);
        let mut row = vec![name, numbers::cell(carriers, answer.min_cell)];
        match (number(variant, "beta"), number(variant, "se")) {
            (Some(beta), Some(se)) => {
                let ends = [beta, beta - 1.96 * se, beta + 1.96 * se];
                let [estimate, lo, hi] = if logistic { ends.map(f64::exp) } else { ends };
                let (estimate, interval) = match logistic {
                    true => numbers::ratio(estimate, lo, hi),
                    false => (
                        numbers::significant(estimate),
                        format!("{} to {}", numbers::significant(lo), numbers::significant(hi)),
                    ),
                };
                let p_text = |key: &str| small(number(variant, key).unwrap_or(f64::NAN));
                row.extend([format!("{estimate} ({interval})"), p_text("p"), p_text("p_gc")]);
            }
            _ => row.push(variant.get("reason").and_then(Value::as_str).unwrap_or("–").to_owned()),
        }
        rows.push(row);
    }
    shown.push_str(&text::columns(&rows));
    if variants.len() > SHOWN {
        let _ = writeln!(shown, "... and {} more (--json has all)", variants.len() - SHOWN);
    }
    shown.push_str("\nScore tests; the effect is one step from none, a dose of the variant.\n");
    Some(shown)
}

/// A p value that many tests are made of: with its exponent where it is small.
fn small(p: f64) -> String {
    if p > 0.0 && p < 0.001 { numbers::scientific(p) } else { numbers::p_cell(p) }
}
