//! A prediction of one of several classes: each class against the rest, and all together.
//!
//! One sum of counts gives for each class the area under the curve of its probability (ties a half;
//! DeLong's error), their mean (the macro average; Hand and Till, *Mach Learn* 2001;45:171, discuss
//! it), and how often each class was taken for each other. The areas of the classes share patients;
//! the error of their mean is that of areas that go up and down together, so it is never too small.
//!
//! # Bounds
//! A patient is one count in `cells` for each of K classes: norm sqrt K; and one in `confusion`: 1.

use rand_core::CryptoRng;

use super::{NAME, Params, VERSION, rank, refuse_foreign};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::learn::model::Kind;
use crate::learn::trained::Trained;
use crate::registry::Finished;
use crate::results::validation::{Class, Classes as Output, Share, Validation};
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};
use crate::tasks::concordance::Subset;
use crate::tasks::layout::{self, refuse, unfit};

const DEFAULT_BINS: usize = 500;

/// Validation of a network that predicts the classes of a category.
#[derive(Debug)]
pub(super) struct Classes {
    outcome: String,
    model: String,
    trained: Trained,
    names: Vec<String>,
    bins: usize,
    subset: Subset,
}

impl Classes {
    pub(super) fn new(params: Params, schema: &Schema, finished: &Finished) -> Result<Self, Error> {
        let foreign = [
            ("score", params.score.is_some()),
            ("range", params.range.is_some()),
            ("calibration_bins", params.calibration_bins.is_some()),
            ("thresholds", params.thresholds.is_some()),
            ("horizons", params.horizons.is_some()),
            ("grid", params.grid.is_some()),
            ("growth", params.growth.is_some()),
            ("predictions", params.predictions.is_some()),
            ("baseline", params.baseline.is_some()),
        ];
        refuse_foreign(&foreign, "all classes of a category at once; name one by `class`")?;
        let outcome = params.outcome.unwrap_or_default();
        let model = params.model.unwrap_or_default();
        let trained = Trained::of_finished(NAME, schema, finished, &model)?;
        let names = schema.column(&outcome)?.levels().unwrap_or_default();
        if trained.model().kind() != Kind::Classes || trained.model().outputs() != names {
            let reason = format!("`{model}` does not predict the classes of `{outcome}`");
            return Err(refuse(NAME, reason));
        }
        let bins = params.bins.unwrap_or(DEFAULT_BINS);
        if bins == 0 {
            return Err(refuse(NAME, "`bins` must be at least 1"));
        }
        let has_holdout = trained.network().holdout > 0.0;
        let default = if has_holdout { Subset::Holdout } else { Subset::All };
        let subset = params.subset.unwrap_or(default);
        let task = Self { outcome, model, trained, names, bins, subset };
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    fn cells(&self) -> usize {
        self.names.len().saturating_mul(self.bins).saturating_mul(2)
    }

    /// Complete cases of the subset as (probabilities, class).
    fn patients(&self, cohort: &Cohort) -> Vec<(Vec<f64>, usize)> {
        let of = |i| {
            let class = cohort.value(&self.outcome, i)? as usize;
            let shares = self.trained.predict(cohort, i)?;
            let known = class < self.names.len() && shares.iter().all(|share| !share.is_nan());
            (known && self.subset.takes(self.trained.holds_out(cohort, i)))
                .then_some((shares, class))
        };
        (0..cohort.len()).filter_map(of).collect()
    }

    fn count(&self, patients: &[(Vec<f64>, usize)]) -> [Vec<f64>; 2] {
        let many = self.names.len();
        let (mut cells, mut confusion) = (vec![0.0; self.cells()], vec![0.0; many * many]);
        for (shares, class) in patients {
            let mut most = 0;
            for (k, share) in shares.iter().enumerate() {
                let bin = ((share * self.bins as f64) as usize).min(self.bins - 1);
                let cell = (k * self.bins + bin) * 2 + usize::from(k == *class);
                cells.iter_mut().skip(cell).take(1).for_each(|count| *count += 1.0);
                if shares.get(most).is_some_and(|best| share > best) {
                    most = k;
                }
            }
            let cell = class * many + most;
            confusion.iter_mut().skip(cell).take(1).for_each(|count| *count += 1.0);
        }
        [cells, confusion]
    }

    fn output(&self, sum: &Sum) -> Result<Validation, Error> {
        let counts = layout::read_counts(sum)?;
        let cells = layout::block(sum, "cells", self.cells())?;
        let many = self.names.len();
        let confusion = layout::block(sum, "confusion", many * many)?;
        let rows = self.names.iter().zip(cells.chunks_exact(2 * self.bins));
        let classes: Vec<Class> = rows
            .map(|(name, cells)| {
                let of = |which| cells.iter().copied().skip(which).step_by(2).collect::<Vec<f64>>();
                let (cases, others) = (of(1), of(0));
                Class {
                    name: name.clone(),
                    n: layout::whole(cases.iter().sum()),
                    auc: rank::area_with_error(&cases, &others),
                }
            })
            .collect();
        let areas: Vec<&Share> = classes.iter().filter_map(|class| class.auc.as_ref()).collect();
        if areas.is_empty() {
            return Err(unfit(NAME, "all patients are of the same class: nothing to rank"));
        }
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let area = mean(areas.iter().map(|area| area.value).collect());
        let errors: Option<Vec<f64>> = areas.iter().map(|area| area.se).collect();
        let right: f64 = confusion.iter().step_by(many + 1).sum();
        Ok(Validation {
            schema: "haima.validation/1".to_owned(),
            formula: format!("{} ~ {}", self.outcome, self.model),
            score: self.model.clone(),
            n: counts.patients,
            events: 0,
            sites: counts.sites,
            bins: self.bins as u64,
            range: (0.0, 1.0),
            binary: None,
            survival: None,
            classes: Some(Output {
                macro_auc: rank::share(area, errors.map_or(f64::NAN, mean)),
                accuracy: right / counts.patients.max(1) as f64,
                confusion: confusion
                    .chunks_exact(many)
                    .map(|row| row.iter().map(|count| layout::whole(*count)).collect())
                    .collect(),
                classes,
            }),
        })
    }
}

impl Task for Classes {
    type State = ();
    type Output = Validation;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        let many = self.names.len();
        let blocks = vec![
            layout::count_block(),
            layout::counts("cells", self.cells(), (many as f64).sqrt()),
            layout::counts("confusion", many * many, 1.0),
        ];
        layout::exact(NAME, VERSION, blocks, layout::to_bytes(self.trained.weights()))
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        layout::from_bytes(query, self.trained.weights().len())?;
        let patients = self.patients(site.cohort);
        if let Some(zero) = layout::floor(query, site, patients.len()) {
            return Ok(zero);
        }
        let mut blocks = vec![layout::count_values(patients.len(), 0)];
        blocks.extend(self.count(&patients));
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), Validation>, Error> {
        Ok(Next::Done(self.output(sum)?))
    }
}
