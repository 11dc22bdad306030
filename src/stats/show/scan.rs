//! An association scan: the variants with the smallest p values.

use std::fmt::Write as _;

use haima_fl_core::results::scan::{Scan, VariantTest};

use crate::report::{numbers, scan};
use crate::stats::Answer;
use crate::text;

/// Variants that are printed; the JSON has all.
const SHOWN: usize = 20;

pub(super) fn show(result: &Scan, answer: &Answer) -> String {
    let min_cell = answer.min_cell;
    let logistic = result.family == "logistic";
    let is_hidden = |variant: &VariantTest| scan::is_hidden(variant, min_cell);
    // The place of a hidden one would tell its p value.
    let p =
        |variant: &VariantTest| variant.p.filter(|_| !is_hidden(variant)).unwrap_or(f64::INFINITY);
    let mut variants: Vec<&VariantTest> = result.variants.iter().collect();
    variants.sort_by(|a, b| p(a).total_cmp(&p(b)));
    let tested = variants.iter().filter(|variant| variant.p.is_some()).count();
    let hidden = variants.iter().filter(|one| one.p.is_some() && is_hidden(one)).count();
    let threshold = 0.05 / tested.max(1) as f64;
    let passed = variants.iter().filter(|variant| p(variant) < threshold).count();

    let mut shown = format!(
        "Association scan, adjusted for: {}\n{}, {}, {}\n",
        result.formula,
        numbers::counted_cell(result.n, min_cell, "patient", "patients"),
        numbers::counted_cell(result.events, min_cell, "case", "cases"),
        numbers::counted(result.sites, "hospital", "hospitals"),
    );
    let few = match hidden {
        0 => String::new(),
        few => format!(" ({few} with few carriers, whose effects are not shown)"),
    };
    let _ = writeln!(
        shown,
        "{} tested{few}, {passed} below 0.05 / {tested}; genomic control λ = {}\n",
        numbers::counted(tested as u64, "variant", "variants"),
        numbers::decimal(result.lambda.unwrap_or(f64::NAN), 2)
    );
    let effect = if logistic { "OR (95% CI)" } else { "Difference (95% CI)" };
    let mut rows = vec![text::row(["", "Carriers", effect, "p", "p, genomic control"])];
    for variant in variants.iter().take(SHOWN) {
        let mut row = vec![variant.name.clone(), scan::carriers(variant, min_cell)];
        match (variant.beta, variant.se) {
            _ if is_hidden(variant) => row.push("not shown".to_owned()),
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
                let of = |p: Option<f64>| small(p.unwrap_or(f64::NAN));
                row.extend([format!("{estimate} ({interval})"), of(variant.p), of(variant.p_gc)]);
            }
            _ => row.push(variant.reason.as_deref().unwrap_or("–").to_owned()),
        }
        rows.push(row);
    }
    shown.push_str(&text::columns(&rows));
    if variants.len() > SHOWN {
        let _ = writeln!(shown, "... and {} more (--json has all)", variants.len() - SHOWN);
    }
    shown.push_str("\nScore tests; the effect is one step from none, a dose of the variant.\n");
    shown
}

/// A p value that many tests are made of: with its exponent where it is small.
fn small(p: f64) -> String {
    if p > 0.0 && p < 0.001 { numbers::scientific(p) } else { numbers::p_cell(p) }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::report::Wording;

    #[test]
    fn a_variant_with_few_carriers_or_few_others_has_no_effect_and_no_p_value() {
        let variant = |name: &str, carriers: u64, p: f64| VariantTest {
            name: name.to_owned(),
            genes: Vec::new(),
            n: 100,
            carriers,
            dosage: carriers as f64,
            score: 1.0,
            variance: 1.0,
            chisq: Some(1.0),
            p: Some(p),
            p_gc: Some(p),
            beta: Some(0.25),
            se: Some(1.0),
            reason: None,
        };
        let result = Scan {
            schema: "haima.scan/1".into(),
            family: "logistic".into(),
            formula: "1".into(),
            n: 100,
            events: 40,
            sites: 3,
            variants: vec![
                variant("common", 40, 0.3),
                variant("rare", 2, 1e-9),
                variant("usual", 98, 1e-8),
            ],
            lambda: Some(1.0),
            iterations: 2,
        };
        let shown = |min_cell| {
            let answer = Answer { result: Map::new(), wording: Wording::default(), min_cell };
            show(&result, &answer)
        };
        let text = shown(5);
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap();
        assert!(line("common").contains("1.28"), "{text}");
        assert!(line("rare").contains("<5") && line("rare").contains("not shown"), "{text}");
        // 100 patients less 98 carriers are two.
        assert!(line("usual").contains("≥5") && line("usual").contains("not shown"), "{text}");
        assert!(!text.contains("10⁻") && text.contains("(2 with few carriers"), "{text}");
        let at = |name: &str| text.find(name).unwrap();
        assert!(at("common") < at("rare"), "their places tell no p value: {text}");
        assert!(shown(0).contains("10⁻⁹") && !shown(0).contains("few carriers"));
    }
}
