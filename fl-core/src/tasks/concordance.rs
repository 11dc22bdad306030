//! Harrell's C of a trained risk score over all hospitals, from one public table of counts.
//!
//! Each patient is one count in the table [risk bin x time interval x censored | event]. The bins
//! divide the range that the model's public weights allow, the intervals divide the public range of
//! the time column and widen with time, so the table's size is public and one patient moves it by exactly 1.
//!
//! C follows R's `survival::concordance`: a pair is comparable when the one with the earlier time
//! had the event; a patient censored in the same interval counts as later; two events in the same
//! interval are no pair; equal bins count a half (Harrell et al., JAMA 1982). Binning is the only
//! approximation, and both grids are parameters.
//!
//! The model is the result of an earlier hazard task or training of the same study
//! (`network_score` says how a network ranks), so no number enters here that was not
//! released before; its split says who was held out (rule S6: an evaluation leaves as
//! a charged sum or under the exact class).
//!
//! With `release = "exact"` (the default) the query has no sensitivity, so it exists in the exact
//! class only, and the site's floor applies to the patients whom the table counts. With
//! `release = "noised"` D is 1, the floor does not apply (a site that falls to zero below a number of
//! patients would move the sum by that number when one patient leaves, rule S2), and a network must
//! be one whose weights were charged (rule S4). Noise falls on every cell, so a noised table must be
//! small beside the patients: a handful of bins and intervals.

pub(super) mod pairs;

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::hazard::Trained as TrainedHazard;
use super::hazard::model::Predictor;
use super::hazard::split::Split;
pub use super::layout::Release;
use super::layout::{self, refuse, unfit};
use super::network_score::{NetworkScore, is_network};
use super::survival::Survival;
use crate::cohort::Cohort;
use crate::error::Error;
use crate::results::Concordance as Output;
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Block, Contribution, Next, Query, Site, SiteState, Task};
use pairs::Pairs;

/// Name of the task.
pub const NAME: &str = "concordance";
/// Version of the task.
pub const VERSION: u32 = 1;

const BLOCK: &str = "table";
/// Cells that a table may have.
const MOST_CELLS: usize = 20_000;

/// What the manifest says of a concordance task. All of it is public.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Manifest id of the finished hazard task or training.
    pub model: String,
    /// The output of a network that ranks, where it has several.
    pub class: Option<String>,
    /// Follow-up time.
    pub time: String,
    /// Flag: 1 when follow-up ended in the event.
    pub event: String,
    /// The model's covariates, checked when given.
    pub covariates: Option<Vec<String>>,
    /// Whom to count.
    #[serde(default)]
    pub subset: Subset,
    /// The model's seed, checked when given.
    pub seed: Option<u64>,
    /// The model's holdout share, checked when given.
    pub holdout: Option<f64>,
    /// Width of the first time intervals, in the unit of `time`.
    #[serde(default = "default_grid")]
    pub grid: f64,
    /// Width of later intervals, as a share of their left edge; 0 for one width throughout.
    #[serde(default = "default_growth")]
    pub growth: f64,
    /// Risk bins.
    #[serde(default = "default_bins")]
    pub bins: usize,
    /// How the table is to be released.
    #[serde(default)]
    pub release: Release,
}

fn default_grid() -> f64 {
    1.0
}
fn default_growth() -> f64 {
    0.08
}
fn default_bins() -> usize {
    100
}

/// Patients whom the table counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subset {
    /// Those kept out of training.
    #[default]
    Holdout,
    /// Those who trained.
    Training,
    /// All.
    All,
}

impl Subset {
    /// Whether it holds a patient who was, or was not, kept out of training.
    pub(super) fn takes(self, held_out: bool) -> bool {
        match self {
            Self::Holdout => held_out,
            Self::Training => !held_out,
            Self::All => true,
        }
    }

    /// Its name in a result.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Holdout => "holdout",
            Self::Training => "training",
            Self::All => "all",
        }
    }
}

/// What ranks the patients.
#[derive(Clone, Debug)]
enum Ranking {
    Hazard { predictor: Predictor, split: Split },
    Network(NetworkScore),
}

impl Ranking {
    fn of(&self, cohort: &Cohort, patient: usize) -> Option<f64> {
        match self {
            Self::Hazard { predictor, .. } => predictor.risk_of(cohort, patient),
            Self::Network(score) => score.of(cohort, patient),
        }
    }

    fn holds_out(&self, cohort: &Cohort, patient: usize) -> bool {
        match self {
            Self::Hazard { split, .. } => split.holds_out(cohort, patient),
            Self::Network(score) => score.trained().holds_out(cohort, patient),
        }
    }
}

/// The task; see the module's head.
#[derive(Clone, Debug)]
pub struct Concordance {
    params: Params,
    ranking: Ranking,
    survival: Survival,
    /// Lowest and highest risk score of any patient in the public ranges.
    range: (f64, f64),
    /// Right edges of the time intervals, the first holding time 0 alone.
    edges: Vec<f64>,
    /// The model's weights, as the query carries them.
    weights: Vec<f64>,
}

impl Concordance {
    /// The task of these parameters over the results of the study's finished tasks.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used, or there is no such model.
    pub fn new(
        table: &toml::Table,
        schema: &Schema,
        finished: &BTreeMap<String, serde_json::Value>,
    ) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let survival = Survival::new(NAME, schema, &params.time, &params.event)?;
        let (ranking, range, weights) = ranking(&params, schema, finished)?;
        let valid = params.grid > 0.0 && params.growth >= 0.0 && params.bins > 0;
        let most = if valid { MOST_CELLS / 2 / params.bins } else { 0 };
        let edges = pairs::edges(survival.max_time, params.grid, params.growth, most);
        let edges = edges.ok_or_else(|| {
            let limits = format!("`bins` x time intervals x 2 must be 1 to {MOST_CELLS} cells");
            refuse(NAME, format!("{limits}; use a wider `grid`, more `growth` or fewer `bins`"))
        })?;
        Ok(Self { ranking, range, edges, weights, survival, params })
    }

    /// Cells of the table: for each bin, for each interval, censored then event.
    fn cells(&self) -> usize {
        self.params.bins * self.edges.len() * 2
    }

    fn bin(&self, risk: f64) -> usize {
        let (low, high) = self.range;
        let share = (risk - low) / (high - low);
        // A cast saturates, and NaN (a model without spread) becomes bin 0.
        ((share * self.params.bins as f64) as usize).min(self.params.bins - 1)
    }

    fn interval(&self, time: f64) -> usize {
        self.edges.partition_point(|edge| *edge < time).min(self.edges.len() - 1)
    }

    /// The cell of a patient; `None` when a value is missing.
    fn cell(&self, cohort: &Cohort, patient: usize) -> Option<usize> {
        let (time, event) = self.survival.of(cohort, patient)?;
        let risk = self.ranking.of(cohort, patient)?;
        let row = self.bin(risk) * self.edges.len() + self.interval(time);
        Some(row * 2 + usize::from(event))
    }

    fn table(&self, site: &Site<'_>) -> Result<Vec<i64>, String> {
        let cohort = site.cohort;
        if cohort.len() as u64 > site.max_patients {
            return Err("more patients than the manifest's cap".to_owned());
        }
        let mut table = vec![0; self.cells()];
        let mut counted = 0;
        for patient in 0..cohort.len() {
            let Some(cell) = self.cell(cohort, patient) else { continue };
            if self.params.subset.takes(self.ranking.holds_out(cohort, patient)) {
                counted += 1;
                table.iter_mut().skip(cell).take(1).for_each(|count| *count += 1);
            }
        }
        if self.params.release == Release::Exact && counted < site.min_local_rows {
            return Err(format!(
                "{counted} complete rows of the subset, fewer than the site's floor of {}",
                site.min_local_rows
            ));
        }
        Ok(table)
    }
}

impl Task for Concordance {
    type State = ();
    type Output = Output;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        Query {
            task: NAME.to_owned(),
            version: VERSION,
            blocks: vec![Block {
                name: BLOCK.to_owned(),
                len: u32::try_from(self.cells()).unwrap_or(u32::MAX),
                frac_bits: 0,
                patient_bound: 1,
            }],
            sensitivity: (self.params.release == Release::Noised).then_some(1),
            rate: 1.0,
            cohort: String::new(),
            bytes: layout::to_bytes(&self.weights),
        }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        layout::from_bytes(query, self.weights.len())?;
        Ok(match self.table(site) {
            Ok(values) => Contribution { values: Zeroizing::new(values), note: None },
            Err(note) => Contribution::zero(query, note),
        })
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), Output>, Error> {
        let table = layout::block(sum, BLOCK, self.cells())?;
        let pairs = Pairs::count(&table, self.params.bins, self.edges.len());
        // Noise can leave no pair, or more concordant pairs than pairs.
        if !(pairs.comparable > 0.0 && pairs.comparable.is_finite() && pairs.concordant.is_finite())
        {
            return Err(unfit(
                NAME,
                "no comparable pair in the table: too few events, or more noise than patients",
            ));
        }
        Ok(Next::Done(Output {
            schema: "haima.concordance/1".to_owned(),
            n: layout::whole(table.iter().sum()),
            events: layout::whole(table.iter().skip(1).step_by(2).sum()),
            comparable: pairs.comparable,
            c_index: (pairs.concordant / pairs.comparable).clamp(0.0, 1.0),
            subset: self.params.subset.name().to_owned(),
        }))
    }
}

/// What ranks, the public ends of its scores, and the weights that the query carries.
type Ranked = (Ranking, (f64, f64), Vec<f64>);

fn ranking(
    params: &Params,
    schema: &Schema,
    finished: &BTreeMap<String, serde_json::Value>,
) -> Result<Ranked, Error> {
    if is_network(finished, &params.model) {
        let class = params.class.as_deref();
        let score = NetworkScore::of_finished(NAME, schema, finished, &params.model, class)?;
        let trained = score.trained();
        if params.release == Release::Noised {
            trained.check_charged(NAME)?;
        }
        let (network, inputs) = (trained.network(), trained.model().inputs());
        check_agreement(params, network.seed, network.holdout, &inputs.columns())?;
        let weights = trained.weights().to_vec();
        return Ok((Ranking::Network(score.clone()), score.range(), weights));
    }
    if params.class.is_some() {
        return Err(refuse(NAME, "`class` goes with a network of several classes"));
    }
    let trained = hazard(params, finished)?;
    let predictor = Predictor::new(NAME, &trained.model, schema)?;
    let covariates: Vec<&str> = predictor.covariates().iter().map(String::as_str).collect();
    check_agreement(params, trained.seed, trained.holdout, &covariates)?;
    let split = Split::new(trained.seed, trained.holdout, schema);
    let range = predictor.risk_range();
    Ok((Ranking::Hazard { predictor, split }, range, trained.model.weights))
}

fn hazard(
    params: &Params,
    finished: &BTreeMap<String, serde_json::Value>,
) -> Result<TrainedHazard, Error> {
    let value = finished.get(&params.model).ok_or_else(|| {
        refuse(NAME, format!("no finished task `{}`; place it earlier in the plan", params.model))
    })?;
    serde_json::from_value(value.clone()).map_err(|error| {
        refuse(NAME, format!("the result of `{}` is no hazard model: {error}", params.model))
    })
}

/// What the manifest repeats of the model must be the model's.
fn check_agreement(
    params: &Params,
    seed: u64,
    holdout: f64,
    covariates: &[&str],
) -> Result<(), Error> {
    let differs = [
        ("seed", params.seed.is_some_and(|own| own != seed)),
        ("holdout", params.holdout.is_some_and(|own| own != holdout)),
        ("covariates", params.covariates.as_ref().is_some_and(|own| own != covariates)),
    ];
    match differs.iter().find(|(_, differs)| *differs) {
        Some((name, _)) => Err(refuse(
            NAME,
            format!("`{name}` is not that of `{}`; leave it out or correct it", params.model),
        )),
        None => Ok(()),
    }
}
