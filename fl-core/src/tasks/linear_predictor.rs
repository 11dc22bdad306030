//! The linear predictor of a released fit, read from its terms by their names in the schema.
//!
//! The names are those that [`crate::design`] gives: a column, or a column followed by a level.
//! Coefficients are in raw units, so the predictor of a Cox model is not centred.

use std::collections::BTreeMap;

use super::layout::refuse;
use crate::cohort::Cohort;
use crate::error::Error;
use crate::results::Fit;
use crate::schema::{Kind, Schema};

/// `intercept + sum of coef * value`, with its range over the public ranges of the columns.
#[derive(Clone, Debug)]
pub(super) struct LinearPredictor {
    /// `"cox"` or `"logistic"`.
    pub(super) model: String,
    intercept: f64,
    parts: Vec<Part>,
}

/// What one column adds.
#[derive(Clone, Debug)]
struct Part {
    column: String,
    weight: Weight,
}

#[derive(Clone, Debug)]
enum Weight {
    /// Times the value, which lies in the range.
    Slope { coef: f64, range: (f64, f64) },
    /// One number a level.
    Levels(Vec<f64>),
}

impl LinearPredictor {
    /// The predictor of the finished task with that manifest id.
    ///
    /// # Errors
    /// When there is no such task, its result is no Cox or logistic fit, or a term belongs to no
    /// column of the schema.
    pub(super) fn of_finished(
        task: &str,
        schema: &Schema,
        finished: &BTreeMap<String, serde_json::Value>,
        id: &str,
    ) -> Result<Self, Error> {
        let value = finished.get(id).ok_or_else(|| {
            refuse(task, format!("no finished task `{id}`; place it earlier in the plan"))
        })?;
        let fit: Fit = serde_json::from_value(value.clone())
            .map_err(|error| refuse(task, format!("the result of `{id}` is no fit: {error}")))?;
        if fit.schema != "haima.fit/1" || !["cox", "logistic"].contains(&fit.model.as_str()) {
            let what = format!("{} of model `{}`", fit.schema, fit.model);
            return Err(refuse(task, format!("`{id}` is {what}; name a Cox or a logistic fit")));
        }
        Self::new(task, schema, &fit)
    }

    fn new(task: &str, schema: &Schema, fit: &Fit) -> Result<Self, Error> {
        let mut predictor = Self { model: fit.model.clone(), intercept: 0.0, parts: Vec::new() };
        for term in &fit.terms {
            if !term.coef.is_finite() {
                return Err(refuse(
                    task,
                    format!("the coefficient of `{}` is no number", term.name),
                ));
            }
            if term.name == "(Intercept)" {
                predictor.intercept = term.coef;
            } else {
                predictor.add(task, schema, &term.name, term.coef)?;
            }
        }
        let (low, high) = predictor.range();
        if low.is_finite() && high.is_finite() {
            Ok(predictor)
        } else {
            Err(refuse(task, "the fit's linear predictor has no finite range"))
        }
    }

    fn add(&mut self, task: &str, schema: &Schema, name: &str, coef: f64) -> Result<(), Error> {
        let mut places = schema.columns.iter().filter_map(|column| {
            let place = match &column.kind {
                Kind::Numeric { range, .. } => {
                    (column.name == name).then_some(Place::Slope(*range))
                }
                Kind::Flag => (column.name == name).then_some(Place::Slope((0.0, 1.0))),
                Kind::Category { levels } => {
                    let level = name.strip_prefix(column.name.as_str())?;
                    let index = levels.iter().skip(1).position(|own| own == level)?;
                    Some(Place::Level(index + 1, levels.len()))
                }
            };
            place.map(|place| (&column.name, place))
        });
        let (Some((column, place)), None) = (places.next(), places.next()) else {
            let reason = format!("term `{name}` of the fit belongs to no column, or to several");
            return Err(refuse(task, reason));
        };
        let weight = match place {
            Place::Slope(range) => Weight::Slope { coef, range },
            Place::Level(level, levels) => {
                let known = self.parts.iter_mut().find(|part| part.column == *column);
                if let Some(Part { weight: Weight::Levels(weights), .. }) = known {
                    weights.iter_mut().skip(level).take(1).for_each(|weight| *weight = coef);
                    return Ok(());
                }
                let weights = (0..levels).map(|own| if own == level { coef } else { 0.0 });
                Weight::Levels(weights.collect())
            }
        };
        self.parts.push(Part { column: column.clone(), weight });
        Ok(())
    }

    /// Lowest and highest value of any patient within the public ranges.
    pub(super) fn range(&self) -> (f64, f64) {
        let mut range = (self.intercept, self.intercept);
        for part in &self.parts {
            let values = match &part.weight {
                Weight::Slope { coef, range: (low, high) } => vec![coef * low, coef * high],
                Weight::Levels(weights) => weights.clone(),
            };
            range.0 += values.iter().copied().fold(f64::INFINITY, f64::min);
            range.1 += values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        }
        range
    }

    /// The value of a patient; `None` when a column is missing.
    pub(super) fn of(&self, cohort: &Cohort, patient: usize) -> Option<f64> {
        let mut eta = self.intercept;
        for part in &self.parts {
            let value = cohort.value(&part.column, patient)?;
            eta += match &part.weight {
                Weight::Slope { coef, .. } => coef * value,
                Weight::Levels(weights) => *weights.get(value as usize)?,
            };
        }
        Some(eta)
    }
}

/// Where a term's name points to.
enum Place {
    Slope((f64, f64)),
    /// The level and the number of levels.
    Level(usize, usize),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stat::wald;

    fn schema() -> Schema {
        let text = r#"
            one_row_per_patient = true
            [[column]]
            name = "age"
            kind = "numeric"
            range = [20, 100]
            [[column]]
            name = "group"
            kind = "category"
            levels = ["ALL", "AML", "MDS"]
            missing = true
        "#;
        Schema::from_toml(&text.parse().unwrap()).unwrap()
    }

    fn fit(model: &str, terms: &[(&str, f64)]) -> serde_json::Value {
        let terms: Vec<_> = terms.iter().map(|(name, coef)| wald(name, *coef, 0.1)).collect();
        serde_json::json!({
            "schema": "haima.fit/1", "model": model, "formula": "", "n": 1, "events": 1,
            "sites": 1, "ties": "", "strata": "", "terms": terms, "loglik": 0.0,
            "loglik_null": 0.0, "iterations": 1,
        })
    }

    fn read(value: serde_json::Value) -> Result<LinearPredictor, Error> {
        let finished = BTreeMap::from([("fit".to_owned(), value)]);
        LinearPredictor::of_finished("test", &schema(), &finished, "fit")
    }

    #[test]
    fn terms_are_found_by_column_and_level() {
        let terms = [("(Intercept)", 1.0), ("age", -0.5), ("groupAML", 2.0), ("groupMDS", -3.0)];
        let predictor = read(fit("logistic", &terms)).unwrap();
        assert_eq!(predictor.range(), (1.0 - 50.0 - 3.0, 1.0 - 10.0 + 2.0));
        let csv = "age,group\n40,ALL\n40,AML\n40,MDS\n40,\n";
        let cohort = Cohort::from_reader("site.csv", csv.as_bytes(), &schema()).unwrap();
        let values: Vec<_> = (0..5).map(|i| predictor.of(&cohort, i)).collect();
        assert_eq!(values, [Some(-19.0), Some(-17.0), Some(-22.0), None, None]);
    }

    #[test]
    fn what_is_no_fit_of_this_schema_is_refused() {
        for value in [
            fit("cox", &[("weight", 1.0)]),
            fit("cox", &[("groupALL", 1.0)]),
            fit("linear", &[("age", 1.0)]),
            fit("cox", &[("age", f64::MAX)]),
            serde_json::json!({ "schema": "haima.km/1" }),
        ] {
            assert!(matches!(read(value.clone()), Err(Error::Params { .. })), "{value}");
        }
    }
}
