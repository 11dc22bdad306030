//! Takes batch effects out of a patient's values, by the figures of a finished `combat` task.
//!
//! Where the batch is a column, a patient's adjusted value is a function of that patient and the
//! released figures ([`Adjust`]), and stands in an input's [`Term`], so a trained model adjusts new
//! patients by itself. Where it is the site, shift and variance are those of the site's own patients:
//! [`Harmonise::at_site`] finds them and adds adjusted columns to a cohort, and neither leaves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::inputs::{Inputs, Term};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::registry::Finished;
use crate::results::combat::{Combat, Feature, SCHEMA};
use crate::schema::{Kind, Schema};
use crate::stat::batch::shrink;
use crate::tasks::combat::SITE;
use crate::tasks::layout::refuse;

/// How a column's value is freed of its batch's shift and variance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adjust {
    /// The batch's column, or `"site"`.
    pub batch: String,
    /// Manifest id of the `combat` task.
    pub task: String,
    /// The value expected where all coded covariates are 0, in the column's unit.
    pub mean: f64,
    /// Residual standard deviation, above 0.
    pub sd: f64,
    /// Covariates, as they are coded, with what one unit of each gives.
    pub covariates: Vec<(Term, f64)>,
    /// Shift and variance of each level of the batch's column, in units of `sd`; none for a level
    /// without patients. Empty where the batch is the site.
    pub batches: Vec<Option<[f64; 2]>>,
}

impl Adjust {
    /// A patient's value without its batch's part; `None` when it, a covariate or the batch is missing,
    /// or nobody was in that batch, or the cohort is not one of [`Harmonise::at_site`].
    #[must_use]
    pub fn value(&self, column: &str, cohort: &Cohort, patient: usize) -> Option<f64> {
        if self.batch == SITE {
            return cohort.value(&at_site(column, &self.task), patient);
        }
        let level = cohort.value(&self.batch, patient)? as usize;
        let terms = *self.batches.get(level)?.as_ref()?;
        let value = cohort.value(column, patient)?;
        Some(self.freed(value, self.expected(cohort, patient)?, terms))
    }

    /// What the covariates lead to expect of a patient.
    fn expected(&self, cohort: &Cohort, patient: usize) -> Option<f64> {
        let mut expected = self.mean;
        for (term, coefficient) in &self.covariates {
            expected += coefficient * term.of(cohort.value(&term.column, patient))?;
        }
        Some(expected)
    }

    fn freed(&self, value: f64, expected: f64, [gamma, delta]: [f64; 2]) -> f64 {
        expected + (value - expected - self.sd * gamma) / delta.sqrt()
    }

    /// Refuses figures that do not fit the schema, or are no numbers.
    ///
    /// # Errors
    /// [`Error::Params`] naming `task`.
    pub(super) fn check(&self, task: &str, schema: &Schema, column: &str) -> Result<(), Error> {
        let fault = |what: &str| {
            let reason = format!("the adjustment of `{column}` for `{}`: {what}", self.batch);
            refuse(task, format!("{reason}; take the result of a finished `combat` as it is"))
        };
        let nested = self.covariates.iter().any(|(term, _)| term.adjust.is_some());
        let numeric = matches!(schema.column(column)?.kind, Kind::Numeric { .. });
        let finite = self.mean.is_finite()
            && self.sd.is_finite()
            && self.covariates.iter().all(|(_, coefficient)| coefficient.is_finite());
        let scales = self.batches.iter().flatten();
        let proper = scales.into_iter().all(|[g, d]| g.is_finite() && d.is_finite() && *d > 0.0);
        if nested || !numeric || !finite || !proper || self.sd <= 0.0 {
            return Err(fault("a figure cannot be used"));
        }
        let levels = match self.batch.as_str() {
            SITE => 0,
            batch => schema.column(batch)?.levels().map_or(0, |levels| levels.len()),
        };
        if levels != self.batches.len() {
            return Err(fault("another number of levels than the schema has"));
        }
        Inputs::of_terms(
            task,
            schema,
            self.covariates.iter().map(|(term, _)| term.clone()).collect(),
        )
        .map(|_| ())
    }
}

/// The adjustments of a finished `combat` task, by column.
#[derive(Clone, Debug)]
pub struct Harmonise {
    columns: BTreeMap<String, Adjust>,
    batch: String,
}

impl Harmonise {
    /// The adjustments that the study's task `id` found.
    ///
    /// # Errors
    /// When there is no such result, or it does not fit the schema.
    pub fn of_finished(
        task: &str,
        schema: &Schema,
        finished: &Finished,
        id: &str,
    ) -> Result<Self, Error> {
        let Some(result) = finished.get(id) else {
            return Err(refuse(task, format!("no earlier task `{id}` in this study has finished")));
        };
        let combat: Combat = serde_json::from_value(result.clone())
            .ok()
            .filter(|combat: &Combat| combat.schema == SCHEMA)
            .ok_or_else(|| refuse(task, format!("the result of `{id}` is not one of `combat`")))?;
        let levels = match combat.batch.as_str() {
            SITE => 0,
            batch => schema.column(batch)?.levels().map_or(0, |levels| levels.len()),
        };
        let mut columns = BTreeMap::new();
        for (j, feature) in combat.features.iter().enumerate() {
            let adjust = adjust_of(&combat, feature, j, levels, id);
            adjust.check(task, schema, &feature.column)?;
            columns.insert(feature.column.clone(), adjust);
        }
        Ok(Self { columns, batch: combat.batch })
    }

    /// Whether the batch is the site, so that a patient's adjusted value depends on the site's others.
    #[must_use]
    pub fn by_site(&self) -> bool {
        self.batch == SITE
    }

    /// How a column is adjusted; `None` for one that the task did not name.
    #[must_use]
    pub fn of(&self, column: &str) -> Option<&Adjust> {
        self.columns.get(column)
    }

    /// A patient's value, adjusted where its column is one of the task's.
    #[must_use]
    pub fn value(&self, column: &str, cohort: &Cohort, patient: usize) -> Option<f64> {
        match self.columns.get(column) {
            Some(adjust) => adjust.value(column, cohort, patient),
            None => cohort.value(column, patient),
        }
    }

    /// A site's cohort with its adjusted columns beside the others, where [`Adjust::value`] finds
    /// them: shift and variance from its own patients with all features and covariates known.
    ///
    /// # Errors
    /// Why the site has no terms of its own, for its own log: too few patients, or constant values.
    ///
    /// # Security
    /// The cohort stays at the site.
    pub fn at_site(&self, cohort: &Cohort) -> Result<Cohort, String> {
        let (mut n, p) = (0.0, self.columns.len());
        let mut means = vec![0.0; p];
        let mut squares = vec![0.0; p];
        for patient in 0..cohort.len() {
            let Some(residuals) = self.residuals(cohort, patient) else { continue };
            n += 1.0;
            // Welford's update: exact where values are large beside their spread.
            for ((mean, square), residual) in means.iter_mut().zip(&mut squares).zip(residuals) {
                let off = residual - *mean;
                *mean += off / n;
                *square += off * (residual - *mean);
            }
        }
        let variances: Vec<f64> = squares.iter().map(|square| square / (n - 1.0)).collect();
        let terms = shrink(n, &means, &variances).ok_or(
            "too few patients with all columns known, or values that do not vary: no batch terms of \
             this site",
        )?;
        let mut adjusted = BTreeMap::new();
        for ((column, adjust), terms) in self.columns.iter().zip(terms) {
            let values = (0..cohort.len()).map(|patient| {
                let value = cohort.value(column, patient).zip(adjust.expected(cohort, patient));
                value.map_or(f64::NAN, |(value, expected)| adjust.freed(value, expected, terms))
            });
            let values: Zeroizing<Vec<f64>> = Zeroizing::new(values.collect());
            adjusted.insert(at_site(column, &adjust.task), values);
        }
        Ok(cohort.with_columns(adjusted))
    }

    /// Standardised residuals of a patient in whom all is known.
    fn residuals(&self, cohort: &Cohort, patient: usize) -> Option<Vec<f64>> {
        let of = |(column, adjust): (&String, &Adjust)| {
            let value = cohort.value(column, patient)?;
            Some((value - adjust.expected(cohort, patient)?) / adjust.sd)
        };
        self.columns.iter().map(of).collect()
    }
}

fn adjust_of(combat: &Combat, feature: &Feature, j: usize, levels: usize, id: &str) -> Adjust {
    let mut batches = vec![None; levels];
    for batch in &combat.batches {
        let terms = batch.gamma.get(j).copied().zip(batch.delta.get(j).copied());
        if let (Some(place), Some((gamma, delta))) = (batches.get_mut(batch.index as usize), terms)
        {
            *place = Some([gamma, delta]);
        }
    }
    Adjust {
        batch: combat.batch.clone(),
        task: id.to_owned(),
        mean: feature.mean,
        sd: feature.sd,
        covariates: combat
            .covariates
            .iter()
            .cloned()
            .zip(feature.coefficients.iter().copied())
            .collect(),
        batches,
    }
}

/// Where a cohort keeps a column that was adjusted at the site; no name of a schema has an `@`.
fn at_site(column: &str, task: &str) -> String {
    format!("{column}@{task}")
}
