//! The figures of an evaluation that a card shows, from the results of the tasks that judge a model.

use haima_fl_core::schema::{Column, Schema};
use serde_json::Value;

use super::Metric;
use crate::report::numbers;

/// Half the width of a 95% interval, in standard errors.
const WIDTH: f64 = 1.959_963_984_540_054;

/// What a validation may have at a horizon. A score stands beside that of the null model, which
/// predicts the same for everybody, and a prediction beside what was observed.
const AT_A_HORIZON: [(&str, &str); 5] = [
    ("AUC", "auc"),
    ("Brier score", "brier"),
    (NULL, "brier_null"),
    ("mean prediction", "predicted"),
    (OBSERVED, "observed"),
];

/// The score of a model that predicts the observed share for everybody.
const NULL: &str = "Brier score of the null model";
/// The share of patients with the outcome.
const OBSERVED: &str = "observed share";
/// The share of patients whose class was predicted.
const ACCURACY: &str = "accuracy";

/// How the name of a figure begins that says whether a model predicts too much or too little.
const DIFFERENCE: &str = "mean prediction less observed share";

/// Whether a figure of exact sums can be solved for numbers of patients: a share is a fraction of two of
/// them, the null model's score follows from that share, and the interval of the difference together with
/// the Brier score gives how many they were.
#[cfg(feature = "cli")]
pub(crate) fn tells_counts(name: &str) -> bool {
    [NULL, OBSERVED, ACCURACY, DIFFERENCE].iter().any(|own| name.starts_with(own))
}

/// How a note begins that a hospital is left out of an evaluation.
const EVALUATED: &str = "evaluated on ";
/// What stands in it before and behind the hospital.
const LEFT_OUT: [&str; 2] = [": hospital ", " is left out: "];

/// How the notes of hospitals begin that are left out of an evaluation over these patients.
#[cfg(feature = "demo")]
pub(crate) fn left_out_of(over: &str) -> String {
    format!("{EVALUATED}{over}{}", LEFT_OUT[0])
}

/// The note of a hospital that is left out.
#[cfg(feature = "demo")]
pub(crate) fn left_out(over: &str, site: &str, reason: &str) -> String {
    format!("{}{site}{}{reason}", left_out_of(over), LEFT_OUT[1])
}

/// Over whom, which hospital and why, where a note says that one is left out of an evaluation.
pub(crate) fn of_left_out(note: &str) -> Option<[&str; 3]> {
    let (over, rest) = note.strip_prefix(EVALUATED)?.split_once(LEFT_OUT[0])?;
    let (site, reason) = rest.split_once(LEFT_OUT[1])?;
    Some([over, site, reason])
}

/// Unit of the time that a task or a model asks about; empty where the schema has none.
pub(crate) fn unit_of_time<'a>(params: &toml::Table, schema: &'a Schema) -> &'a str {
    let time = params.get("time").and_then(toml::Value::as_str);
    time.and_then(|time| schema.column(time).ok()).map_or("", Column::unit)
}

/// A time with its unit.
pub(crate) fn in_unit(time: f64, unit: &str) -> String {
    if unit.is_empty() { time.to_string() } else { format!("{time} {unit}") }
}

/// Of whom an evaluation speaks. Where nobody was kept out, all may have trained the model.
pub(crate) fn whom(subset: Option<&str>, holdout: f64) -> &'static str {
    match (subset, holdout > 0.0) {
        (Some("holdout"), _) | (None, true) => "held-out patients",
        (Some("training"), _) => "training patients",
        _ => "all patients, those who trained it among them if they are here",
    }
}

/// The figures of a `haima.validation/1`, whose horizons are in `unit`.
pub(crate) fn of_validation(result: &Value, over: &str, unit: &str) -> Vec<Metric> {
    let at = |path: &str| result.pointer(path).unwrap_or(&Value::Null);
    let number = |path: &str| at(path).as_f64();
    let of_probability = |key: &str| number(&format!("/binary/probability/{key}"));
    let brier = by_error(of_probability("brier"), of_probability("brier_se"));
    let fitted = |model: &str| {
        let part = |key: &str| of_probability(&format!("{model}/{key}"));
        by_error(part("coef"), part("se"))
    };
    let plain = |key: &str| by_error(of_probability(key), None);
    let mut found = vec![
        ("AUC".to_owned(), share(at("/binary/auc"))),
        (
            "Brier score".to_owned(),
            brier.map(|(value, lo, hi)| (value, lo.map(|lo| lo.max(0.0)), hi)),
        ),
        (NULL.to_owned(), plain("brier_null")),
        ("mean prediction".to_owned(), plain("predicted")),
        (OBSERVED.to_owned(), plain("observed")),
        (DIFFERENCE.to_owned(), difference(of_probability, number("/n"))),
        ("calibration slope".to_owned(), fitted("recalibration/slope")),
        ("calibration in the large".to_owned(), fitted("in_the_large")),
        ("C-index".to_owned(), share(at("/survival/c_index"))),
    ];
    for horizon in at("/survival/horizons").as_array().into_iter().flatten() {
        let time = horizon.get("time").and_then(Value::as_f64).unwrap_or(f64::NAN);
        let time = in_unit(time, unit);
        let of = |key: &str| match key {
            // A score stands beside the model's own.
            "brier_null" if horizon.get("brier").is_none_or(Value::is_null) => None,
            _ => horizon.get(key).and_then(Value::as_f64),
        };
        // Whoever was censored before the horizon tells nothing of it.
        let known = of("events").zip(of("n_after")).map(|(events, after)| events + after);
        found.extend(AT_A_HORIZON.map(|(name, key)| {
            (format!("{name} at {time}"), by_error(of(key), of(&format!("{key}_se"))))
        }));
        found.push((format!("{DIFFERENCE} at {time}"), difference(of, known)));
    }
    found.push(("macro AUC".to_owned(), share(at("/classes/macro_auc"))));
    for class in at("/classes/classes").as_array().into_iter().flatten() {
        let name = class.get("name").and_then(Value::as_str).unwrap_or_default();
        found.push((format!("AUC of {name}"), class.get("auc").and_then(share)));
    }
    found.push((ACCURACY.to_owned(), by_error(number("/classes/accuracy"), None)));
    those_found(found, over)
}

/// The figure of a `haima.concordance/1`, which has no interval.
pub(crate) fn of_concordance(result: &Value, over: &str) -> Vec<Metric> {
    let value = result.get("c_index").and_then(Value::as_f64);
    let metric =
        |value| Metric { name: "C-index".into(), value, lo: None, hi: None, over: over.to_owned() };
    value.map(metric).into_iter().collect()
}

/// The figures of a `haima.fidelity/1`: how far tables of virtual patients are from those of real
/// ones, beside what chance (and noise) alone would make of it, and whether the two can be told apart.
/// They have the digits of the page: exact ones in full could be solved for a count.
pub(crate) fn of_fidelity(result: &Value, over: &str) -> Vec<Metric> {
    let orders = result.get("workload").and_then(Value::as_array);
    let mut found = Vec::new();
    for order in orders.into_iter().flatten() {
        let number = |key: &str| order.get(key).and_then(Value::as_f64);
        let degree = order.get("degree").and_then(Value::as_u64).unwrap_or(0);
        let tables = format!("tables of {}", numbers::counted(degree, "column", "columns"));
        for (name, key) in [("mean total variation", "tv"), ("the same by chance alone", "chance")]
        {
            found.push((format!("{name}, {tables}"), by_error(number(key), None)));
        }
    }
    let trees = result.pointer("/c2st/auc").and_then(Value::as_f64);
    let closeness = result.pointer("/nearest/auc").and_then(share);
    found.push(("AUC of trees, real from virtual".to_owned(), by_error(trees, None)));
    found.push(("AUC of closeness, trained on from kept out".to_owned(), closeness));
    for (_, figure) in &mut found {
        *figure = figure.map(of_three_digits);
    }
    those_found(found, over)
}

/// The estimates that there are.
fn those_found(found: Vec<(String, Option<Estimate>)>, over: &str) -> Vec<Metric> {
    let metric = |(name, figure): (String, Option<Estimate>)| {
        let (value, lo, hi) = figure?;
        Some(Metric { name, value, lo, hi, over: over.to_owned() })
    };
    found.into_iter().filter_map(metric).collect()
}

/// Where predictions are off by more than chance explains: how far, in words.
pub(crate) fn off(metrics: &[Metric]) -> impl Iterator<Item = (&Metric, String)> {
    metrics.iter().filter_map(|metric| {
        let at = metric.name.strip_prefix(DIFFERENCE)?;
        let way = match (metric.lo?, metric.hi?) {
            (lo, _) if lo > 0.0 => "much",
            (_, hi) if hi < 0.0 => "little",
            _ => return None,
        };
        let points = 100.0 * metric.value.abs();
        Some((metric, format!("predicts {points:.1} points too {way}{at}")))
    })
}

/// What the mean prediction is above the observed share. The variance of `p - y` is the Brier score
/// less the square of its mean, over so many patients whose outcome is known.
fn difference(of: impl Fn(&str) -> Option<f64>, patients: Option<f64>) -> Option<Estimate> {
    let by = of("predicted")? - of("observed")?;
    let error = ((of("brier")? - by * by).max(0.0) / patients?).sqrt();
    by_error(Some(by), Some(error).filter(|error| error.is_finite()))
}

/// Estimate and the ends of its interval.
type Estimate = (f64, Option<f64>, Option<f64>);

fn of_three_digits((value, lo, hi): Estimate) -> Estimate {
    let cut = |number: f64| (number * 1000.0).round() / 1000.0;
    (cut(value), lo.map(cut), hi.map(cut))
}

/// A share as a validation has it.
fn share(share: &Value) -> Option<Estimate> {
    let number = |key: &str| share.get(key).and_then(Value::as_f64);
    Some((number("value")?, number("lo"), number("hi")))
}

/// An estimate with what its standard error makes of it.
fn by_error(value: Option<f64>, error: Option<f64>) -> Option<Estimate> {
    let value = value?;
    let end = |sign: f64| error.map(|error| value + sign * WIDTH * error);
    Some((value, end(-1.0), end(1.0)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_come_with_the_intervals_that_their_results_allow() {
        let result = json!({
            "binary": {
                "auc": { "value": 0.8, "se": 0.05, "lo": 0.7, "hi": 0.9 },
                "probability": {
                    "brier": 0.02,
                    "brier_se": 0.02,
                    "recalibration": { "slope": { "coef": 1.1, "se": 0.1 } },
                },
            },
            "survival": null,
        });
        let found = of_validation(&result, "them", "");
        let names: Vec<&str> = found.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["AUC", "Brier score", "calibration slope"]);
        let ends: Vec<_> = found.iter().map(|metric| (metric.lo, metric.hi)).collect();
        assert_eq!((ends[0], ends[1].0), ((Some(0.7), Some(0.9)), Some(0.0)));
        assert!((ends[2].0.unwrap() - 0.904).abs() < 1e-3, "{ends:?}");
        assert!(found.iter().all(|metric| metric.over == "them"));
    }

    #[test]
    fn several_classes_and_horizons_are_named() {
        let result = json!({
            "survival": {
                "c_index": { "value": 0.7, "lo": null, "hi": null },
                "horizons": [{ "time": 365.0, "auc": 0.75 }, { "time": 730.0, "auc": null }],
            },
            "classes": {
                "classes": [{ "name": "relapse", "auc": { "value": 0.6, "lo": 0.5, "hi": 0.7 } }],
                "macro_auc": { "value": 0.61, "lo": 0.5, "hi": 0.7 },
                "accuracy": 0.5,
            },
        });
        let names: Vec<String> =
            of_validation(&result, "", "days").into_iter().map(|metric| metric.name).collect();
        let wanted = ["C-index", "AUC at 365 days", "macro AUC", "AUC of relapse", "accuracy"];
        assert_eq!(names, wanted);
    }

    #[test]
    fn a_score_stands_beside_the_null_models_and_a_prediction_beside_what_was_observed() {
        let result = json!({
            "binary": { "probability": {
                "brier": 0.2, "brier_null": 0.25, "predicted": 0.4, "observed": 0.5,
                "in_the_large": { "coef": 0.1, "se": 0.1 },
            } },
            "survival": { "horizons": [{
                "time": 365.0, "brier": 0.18, "brier_null": 0.24, "predicted": 0.45, "observed": 0.44,
            }] },
        });
        let found = of_validation(&result, "", "");
        let of = |name: &str| found.iter().find(|metric| metric.name == name).unwrap().value;
        for at in ["", " at 365"] {
            let scores = ["Brier score", "Brier score of the null model"];
            let [own, null] = scores.map(|name| of(&format!("{name}{at}")));
            assert!(own < null, "{found:?}");
        }
        assert_eq!((of("mean prediction"), of("observed share at 365")), (0.4, 0.44));
        assert_eq!(of("calibration in the large"), 0.1);
    }

    #[test]
    fn predictions_that_are_off_by_more_than_chance_explains_are_told() {
        let at = |time: f64, predicted: f64, n: u64| {
            json!({
                "time": time, "brier": 0.21, "brier_null": 0.24, "predicted": predicted,
                "observed": 0.495, "events": n / 2, "n_after": n / 2,
            })
        };
        let probability =
            json!({ "brier": 0.2, "brier_null": 0.2, "predicted": 0.2, "observed": 0.3 });
        let horizons = [at(90.0, 0.5, 400), at(180.0, 0.606, 400), at(270.0, 0.606, 40)];
        let result = json!({
            "n": 400,
            "binary": { "probability": probability },
            "survival": { "horizons": horizons },
        });
        let found = of_validation(&result, "them", "days");
        let said: Vec<String> = off(&found).map(|(_, words)| words).collect();
        let [little, much] = [("10.0", "little"), ("11.1", "much at 180 days")]
            .map(|(points, way)| format!("predicts {points} points too {way}"));
        assert_eq!(said, [little, much]);
    }

    #[test]
    fn a_null_models_score_does_not_stand_alone() {
        let horizon = json!({
            "time": 180.0, "auc": 0.7, "brier": null, "brier_null": 0.24, "observed": 0.5,
        });
        let result = json!({ "survival": { "horizons": [horizon] } });
        let found = of_validation(&result, "", "");
        let names: Vec<&str> = found.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["AUC at 180", "observed share at 180"]);
    }

    #[test]
    fn a_time_has_the_unit_that_the_schema_gives_it() {
        let schema = "one_row_per_patient = true\n\
            [[column]]\nname = \"m\"\nkind = \"numeric\"\nunit = \"months\"\nrange = [0, 90]\n\
            [[column]]\nname = \"t\"\nkind = \"numeric\"\nrange = [0, 90]\n";
        let schema = Schema::from_toml(&schema.parse().unwrap()).unwrap();
        let said = |params: &str| in_unit(120.0, unit_of_time(&params.parse().unwrap(), &schema));
        assert_eq!(said("time = \"m\""), "120 months");
        assert_eq!([said("time = \"t\""), said("")], ["120", "120"]);
    }

    #[test]
    fn virtual_patients_are_judged_by_the_distance_of_their_tables_and_what_chance_makes_of_it() {
        let order = |degree: u64, tv: f64| json!({ "degree": degree, "tv": tv, "chance": 0.01 });
        let mut result = json!({
            "workload": [order(1, 0.02), order(2, 0.05)],
            "nearest": { "auc": null },
        });
        let names = |result: &Value| -> Vec<String> {
            of_fidelity(result, "them").into_iter().map(|metric| metric.name).collect()
        };
        let [one, two] = ["tables of 1 column", "tables of 2 columns"].map(|tables| {
            ["mean total variation", "the same by chance alone"]
                .map(|own| format!("{own}, {tables}"))
        });
        let tables = [one, two].concat();
        assert_eq!(names(&result), tables);
        assert_eq!(of_fidelity(&result, "them")[2].value, 0.05);
        result["c2st"] = json!({ "auc": 0.6, "n": 100.0 });
        result["nearest"]["auc"] = json!({ "value": 0.51, "se": 0.01, "lo": 0.49, "hi": 0.53 });
        let found = of_fidelity(&result, "them");
        assert_eq!((found.len(), found[4].value, found[5].lo), (6, 0.6, Some(0.49)));
        result["workload"][0]["tv"] = json!(0.186_809_523_8);
        result["nearest"]["auc"]["hi"] = json!(0.529_411_764_7);
        let cut = of_fidelity(&result, "them");
        assert_eq!((cut[0].value, cut[5].hi), (0.187, Some(0.529)));
        assert!(found.iter().all(|metric| metric.over == "them"));
    }

    #[cfg(feature = "demo")]
    #[test]
    fn a_note_of_a_hospital_that_is_left_out_is_read_again() {
        let note = left_out("9 patients (a), all", "6", "fewer than 10");
        assert!(note.starts_with(&left_out_of("9 patients (a), all")), "{note}");
        assert_eq!(of_left_out(&note), Some(["9 patients (a), all", "6", "fewer than 10"]));
        assert_eq!(of_left_out("data: made up"), None);
    }

    #[test]
    fn an_evaluation_says_of_whom_it_speaks() {
        assert_eq!(whom(None, 0.2), "held-out patients");
        assert_eq!(whom(Some("training"), 0.2), "training patients");
        assert!(whom(None, 0.0).starts_with("all patients"));
        assert!(whom(Some("all"), 0.2).starts_with("all patients"));
    }
}
