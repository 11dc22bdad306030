//! Batch effects of scanners, laboratories or sites, taken out of columns by ComBat over one secure
//! sum.
//!
//! Johnson, Li and Rabinovic, Biostatistics 2007;8:118; over several hospitals Chen et al., Hum Brain
//! Mapp 2022;43:1179 (d-ComBat). The model of feature j of patient i in batch b is
//! `y = mean_j + z_i' c_j + sd_j (gamma_bj + sqrt(delta_bj) e)`: covariates z are preserved, shift gamma
//! and variance delta are taken out. All of it follows from first and second moments within batches,
//! so one sum is enough: the regression with batch terms is that of values centred within batches,
//! and residual sums of squares come from the same moments.
//!
//! - `batch` is a column: moments leave by level, and the result holds each level's terms. A level may
//!   have a single patient in all hospitals, so a site allows such a task apart
//!   ([`crate::registry::reveals_rows`]).
//! - `batch = "site"`: a site centres its own moments before it sends them, so what leaves adds up to
//!   the pooled regression and holds no site's terms. With `covariates` it is allowed apart as well:
//!   the products of a level are the features of its only member. The empirical Bayes step needs only
//!   one batch's features, so the site takes it itself, from its own patients and the released figures
//!   ([`crate::learn::harmonise`]).
//!
//! Exact class only: the terms of a batch are no sum of bounded parts of patients.
//!
//! # Bounds
//! Features are standardised by their public ranges to [-1, 1], so with p features and q covariates
//! |y| <= sqrt(p) and |z| <= sqrt(q) for a patient; z z' has norm at most q, z y' at most sqrt(p q),
//! and the squares of y at most sqrt(p). Centring within a site makes none of the sums larger.

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout::{self, refuse, unfit};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::learn::inputs::{Inputs, Missing, expand};
use crate::linalg::triangle;
use crate::results::combat::{Batch, Combat, Feature, SCHEMA};
use crate::schema::{Kind, Schema};
use crate::stat::batch::shrink;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

mod moments;
use moments::{Moments, Pooled};

/// Name of the task.
pub const NAME: &str = "combat";
/// Version of its query.
pub const VERSION: u32 = 1;
/// The batch that is the hospital itself.
pub const SITE: &str = "site";

const MOST_FEATURES: usize = 5_000;
const MOST_COVARIATES: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    columns: Vec<String>,
    batch: String,
    #[serde(default)]
    covariates: Vec<String>,
}

/// Batch terms of columns.
#[derive(Debug)]
pub struct Harmonisation {
    features: Vec<Coded>,
    covariates: Inputs,
    /// The column of the batch with its levels; none where the batch is the site.
    batch: Option<(String, Vec<String>)>,
}

/// A feature with the middle and the half of its public range.
#[derive(Debug)]
struct Coded {
    column: String,
    middle: f64,
    half: f64,
}

impl Harmonisation {
    /// The task of these parameters: `columns` (numeric, or `PREFIX*`), `batch` (a category, or
    /// `"site"`) and optionally `covariates` (whose effects are preserved).
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let mut features = Vec::new();
        for column in expand(NAME, schema, &params.columns)? {
            let Kind::Numeric { range: (low, high), .. } = column.kind else {
                let reason = format!(
                    "`{}` is no number; only numeric columns have batch terms",
                    column.name
                );
                return Err(refuse(NAME, reason));
            };
            let half = (high - low) / 2.0;
            features.push(Coded { column: column.name.clone(), middle: low + half, half });
        }
        if !(2..=MOST_FEATURES).contains(&features.len()) {
            let reason = format!(
                "`columns` must name 2 to {MOST_FEATURES}: the step that steadies a batch's terms \
                 learns from several features"
            );
            return Err(refuse(NAME, reason));
        }
        let covariates = match params.covariates.is_empty() {
            true => Inputs::of_terms(NAME, schema, Vec::new())?,
            false => Inputs::of_schema(NAME, schema, &params.covariates, &[], Missing::Skip)?,
        };
        if covariates.width() > MOST_COVARIATES {
            let reason = format!("at most {MOST_COVARIATES} coded covariates");
            return Err(refuse(NAME, reason));
        }
        let batch = match params.batch.as_str() {
            SITE => None,
            column => match &schema.column(column)?.kind {
                Kind::Category { levels } => Some((column.to_owned(), levels.clone())),
                _ => {
                    let reason =
                        format!("`batch` must be a category or \"site\"; `{column}` is neither");
                    return Err(refuse(NAME, reason));
                }
            },
        };
        let used = covariates.columns().into_iter().chain([params.batch.as_str()]);
        for name in used {
            let twice = features.iter().any(|feature| feature.column == name)
                || (batch.is_some() && covariates.columns().contains(&params.batch.as_str()));
            if twice {
                let reason = format!("`{name}` has two of the parts feature, covariate and batch");
                return Err(refuse(NAME, reason));
            }
        }
        let task = Self { features, covariates, batch };
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    fn levels(&self) -> usize {
        self.batch.as_ref().map_or(1, |(_, levels)| levels.len())
    }

    /// A patient's level, covariates and features, or that something is missing.
    fn read(
        &self,
        cohort: &Cohort,
        patient: usize,
        z: &mut Vec<f64>,
        y: &mut Vec<f64>,
    ) -> Option<usize> {
        z.clear();
        y.clear();
        let level = match &self.batch {
            None => 0,
            Some((column, _)) => cohort.value(column, patient)? as usize,
        };
        for term in self.covariates.terms() {
            z.push(term.of(cohort.value(&term.column, patient))?);
        }
        for feature in &self.features {
            let value = cohort.value(&feature.column, patient)?;
            y.push(((value - feature.middle) / feature.half).clamp(-1.0, 1.0));
        }
        Some(level)
    }

    fn batches(&self, pooled: &Pooled, moments: &[Moments]) -> Result<Vec<Batch>, Error> {
        let Some((column, levels)) = &self.batch else { return Ok(Vec::new()) };
        let mut batches = Vec::new();
        for ((index, level), own) in (0u32..).zip(levels).zip(moments) {
            if own.n < 1.0 {
                continue;
            }
            let (gamma, delta): (Vec<f64>, Vec<f64>) =
                (0..self.features.len()).map(|j| pooled.own(own, j)).unzip();
            let Some(terms) = shrink(own.n, &gamma, &delta) else {
                let reason = format!(
                    "batch `{level}` of `{column}` has too few patients, or values that do not vary, so \
                     it has no variance; join it with another, or leave its patients out by `cohort`"
                );
                return Err(unfit(NAME, reason));
            };
            batches.push(Batch {
                level: level.clone(),
                index,
                n: layout::whole(own.n),
                gamma: terms.iter().map(|[gamma, _]| *gamma).collect(),
                delta: terms.iter().map(|[_, delta]| *delta).collect(),
            });
        }
        if batches.len() < 2 {
            let reason = format!("all patients are in one batch of `{column}`; nothing differs");
            return Err(unfit(NAME, reason));
        }
        Ok(batches)
    }
}

impl Task for Harmonisation {
    type State = ();
    type Output = Combat;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        let (l, p, q) = (self.levels(), self.features.len(), self.covariates.width());
        let (y, z) = ((p as f64).sqrt(), (q as f64).sqrt());
        let parts = [
            ("sum_y", l * p, y),
            ("squares_y", l * p, y),
            ("sum_z", l * q, z),
            ("products_z", l * triangle(q), z * z),
            ("products_zy", l * q * p, z * y),
        ];
        let parts = if q == 0 { &parts[..2] } else { &parts[..] };
        let bits = layout::frac_bits(&parts.iter().map(|(_, _, norm)| *norm).collect::<Vec<_>>());
        let mut blocks = vec![layout::count_block(), layout::counts("batch", l, 1.0)];
        blocks.extend(parts.iter().map(|(name, len, norm)| layout::reals(name, *len, *norm, bits)));
        layout::exact(NAME, VERSION, blocks, Vec::new())
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        layout::from_bytes(query, 0)?;
        let (p, q) = (self.features.len(), self.covariates.width());
        let mut moments = vec![Moments::zero(p, q); self.levels()];
        let (mut z, mut y, mut patients) = (Vec::with_capacity(q), Vec::with_capacity(p), 0);
        for patient in 0..site.cohort.len() {
            let level = self.read(site.cohort, patient, &mut z, &mut y);
            if let Some(own) = level.and_then(|level| moments.get_mut(level)) {
                own.add(&z, &y);
                patients += 1;
            }
        }
        if let Some(zero) = layout::floor(query, site, patients) {
            return Ok(zero);
        }
        if self.batch.is_none() {
            moments.iter_mut().for_each(Moments::centre);
        }
        let mut blocks = vec![layout::count_values(patients, 0)];
        blocks.extend(Moments::blocks(&moments).into_iter().filter(|block| !block.is_empty()));
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), Combat>, Error> {
        let (p, q) = (self.features.len(), self.covariates.width());
        let counts = layout::read_counts(sum)?;
        if self.batch.is_none() && counts.sites < 2 {
            return Err(unfit(NAME, "fewer than two sites have patients: no site differs"));
        }
        let mut moments = Moments::read(sum, self.levels(), p, q)?;
        if self.batch.is_some() {
            moments.iter_mut().for_each(Moments::centre);
        }
        let pooled = Pooled::new(&moments, p, q).map_err(|fault| {
            let of = |j: usize| self.features.get(j).map_or("", |feature| feature.column.as_str());
            unfit(NAME, match fault {
                moments::Fault::Nobody => {
                    "fewer than two patients have batch, covariates and all columns known; leave out \
                     the columns that are often missing"
                        .to_owned()
                }
                moments::Fault::Covariate(k) => format!(
                    "covariate `{}` is constant within batches, or follows from those before it; \
                     leave it out",
                    self.covariates.terms().get(k).map_or("", |term| term.name.as_str())
                ),
                moments::Fault::Constant(j) => format!(
                    "`{}` is constant within batches, as far as its public range tells; leave it out \
                     or narrow the range",
                    of(j)
                ),
            })
        })?;
        let features = self.features.iter().enumerate().map(|(j, feature)| Feature {
            column: feature.column.clone(),
            mean: feature.middle + feature.half * pooled.mean(j),
            coefficients: pooled.coefficients(j).iter().map(|c| feature.half * c).collect(),
            sd: feature.half * pooled.sd(j),
        });
        Ok(Next::Done(Combat {
            schema: SCHEMA.to_owned(),
            batch: self.batch.as_ref().map_or(SITE, |(column, _)| column).to_owned(),
            n: counts.patients,
            sites: counts.sites,
            covariates: self.covariates.terms().to_vec(),
            features: features.collect(),
            batches: self.batches(&pooled, &moments)?,
        }))
    }
}
