//! The figures of an evaluation that a card shows, from the results of the tasks that judge a model.

use serde_json::Value;

use super::Metric;

/// Half the width of a 95% interval, in standard errors.
const WIDTH: f64 = 1.959_963_984_540_054;

/// What a validation may have at a horizon. A score stands beside that of the null model, which
/// predicts the same for everybody, and a prediction beside what was observed.
const AT_A_HORIZON: [(&str, &str); 5] = [
    ("AUC", "auc"),
    ("Brier score", "brier"),
    ("Brier score of the null model", "brier_null"),
    ("mean prediction", "predicted"),
    ("observed share", "observed"),
];

/// Of whom an evaluation speaks. Where nobody was kept out, all may have trained the model.
pub(crate) fn whom(subset: Option<&str>, holdout: f64) -> &'static str {
    match (subset, holdout > 0.0) {
        (Some("holdout"), _) | (None, true) => "held-out patients",
        (Some("training"), _) => "training patients",
        _ => "all patients, those who trained it among them if they are here",
    }
}

/// The figures of a `haima.validation/1`.
pub(crate) fn of_validation(result: &Value, over: &str) -> Vec<Metric> {
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
        ("Brier score of the null model".to_owned(), plain("brier_null")),
        ("mean prediction".to_owned(), plain("predicted")),
        ("observed share".to_owned(), plain("observed")),
        ("calibration slope".to_owned(), fitted("recalibration/slope")),
        ("calibration in the large".to_owned(), fitted("in_the_large")),
        ("C-index".to_owned(), share(at("/survival/c_index"))),
    ];
    for horizon in at("/survival/horizons").as_array().into_iter().flatten() {
        let time = horizon.get("time").and_then(Value::as_f64).unwrap_or(f64::NAN);
        let of = |key: &str| horizon.get(key).and_then(Value::as_f64);
        found.extend(AT_A_HORIZON.map(|(name, key)| {
            (format!("{name} at {time}"), by_error(of(key), of(&format!("{key}_se"))))
        }));
    }
    found.push(("macro AUC".to_owned(), share(at("/classes/macro_auc"))));
    for class in at("/classes/classes").as_array().into_iter().flatten() {
        let name = class.get("name").and_then(Value::as_str).unwrap_or_default();
        found.push((format!("AUC of {name}"), class.get("auc").and_then(share)));
    }
    found.push(("accuracy".to_owned(), by_error(number("/classes/accuracy"), None)));
    let metric = |(name, figure): (String, Option<Estimate>)| {
        let (value, lo, hi) = figure?;
        Some(Metric { name, value, lo, hi, over: over.to_owned() })
    };
    found.into_iter().filter_map(metric).collect()
}

/// The figure of a `haima.concordance/1`, which has no interval.
pub(crate) fn of_concordance(result: &Value, over: &str) -> Vec<Metric> {
    let value = result.get("c_index").and_then(Value::as_f64);
    let metric =
        |value| Metric { name: "C-index".into(), value, lo: None, hi: None, over: over.to_owned() };
    value.map(metric).into_iter().collect()
}

/// Estimate and the ends of its interval.
type Estimate = (f64, Option<f64>, Option<f64>);

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
        let found = of_validation(&result, "them");
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
            of_validation(&result, "").into_iter().map(|metric| metric.name).collect();
        assert_eq!(names, ["C-index", "AUC at 365", "macro AUC", "AUC of relapse", "accuracy"]);
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
        let found = of_validation(&result, "");
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
    fn an_evaluation_says_of_whom_it_speaks() {
        assert_eq!(whom(None, 0.2), "held-out patients");
        assert_eq!(whom(Some("training"), 0.2), "training patients");
        assert!(whom(None, 0.0).starts_with("all patients"));
        assert!(whom(Some("all"), 0.2).starts_with("all patients"));
    }
}
