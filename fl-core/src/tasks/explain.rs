//! What a trained model goes by, over all hospitals' patients, from one sum.
//!
//! * `importance`: the rise of the mean loss when a column's values are replaced (Breiman, *Mach
//!   Learn* 2001;45:5; Fisher, Rudin and Dominici, *JMLR* 2019;20:177). In the exact class values are
//!   permuted within a hospital, in an order that the seed gives; under noise a patient gets a value
//!   drawn from the column's public range or levels, by a hash of the patient and the seed, for what
//!   a patient adds must not depend on any other (rule S2).
//! * `gradients`: by input, mean and mean size of integrated gradients ([`crate::learn::explanation`]).
//! * `dependence`: by column, the mean prediction over all patients with the column set to public
//!   values (Friedman, *Ann Stat* 2001;29:1189, section 8.2).
//! * `coefficients`, of linear models in the exact class: `curvature`.
//!
//! A column's values are replaced while all others stay, so columns that go together are asked about
//! patients who do not exist, and share what they tell (Hooker, Mentch and Zhou 2021).
//!
//! The bounds are proven in the heads of `patient` and `curvature`. Every number but those of
//! `coefficients` is a sum over all patients of a site, and holds no patient's row. The information of a
//! survival model is by interval: an element of a column and an interval's baseline is a sum over those
//! at risk there, of whom there may be one, whose row it is. A site allows exact `coefficients` apart
//! ([`crate::registry::reveals_rows`]).
//!
//! Under noise the work is that of the public number of patients (rule S5), and the model must be one
//! whose weights were charged (rule S4).

mod answer;
mod column;
mod curvature;
mod patient;
mod reading;

use rand_core::CryptoRng;
use serde::Deserialize;

use super::concordance::Subset;
use super::layout::{self, Release, refuse};
use crate::error::Error;
use crate::learn::explanation::{Focus, coefficients};
use crate::learn::trained::Trained;
use crate::registry::Finished;
use crate::results::explain::Explanation;
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Block, Contribution, Next, Query, Site, SiteState, Task};
use column::Column;
use curvature::Curvature;
use patient::{Asked, Caps};

/// Name of the task.
pub const NAME: &str = "explain";
/// Version of the task.
pub const VERSION: u32 = 1;

const MOST_POINTS: usize = 200;
const MOST_REPEATS: usize = 100;
const MOST_PARTS: u32 = 256;
/// Coefficients and own numbers of which the matrices are summed.
const MOST_COEFFICIENTS: usize = 500;
/// Multiplications that a patient may cost: those of all who count, or are made up to pad them.
const MOST_WORK: f64 = 2e9;
/// A cap that no usable model reaches, where nothing is charged for it.
const OUT_OF_REACH: f64 = 100.0;

/// Name of [`Part::Coefficients`] in a manifest.
pub(crate) const COEFFICIENTS: &str = "coefficients";

/// A part of the explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Importance,
    Gradients,
    Dependence,
    Coefficients,
}

/// What the manifest says of an explanation. All of it is public.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Manifest id of the training.
    model: String,
    /// Parts; all that the model and the release allow by default.
    parts: Option<Vec<Part>>,
    /// The output that is explained, where a model has several.
    output: Option<String>,
    /// Columns of `importance` and `dependence`; all by default.
    columns: Option<Vec<String>>,
    /// Patients; those kept out of training by default, if there are any. Coefficients are always
    /// over those who trained.
    subset: Option<Subset>,
    #[serde(default)]
    release: Release,
    /// Seed of what replaces a value.
    #[serde(default)]
    seed: u64,
    /// Replacements a patient and column.
    #[serde(default = "five")]
    repeats: usize,
    /// Values of a numeric column in `dependence`.
    #[serde(default = "nine")]
    points: usize,
    /// Parts of the line of integrated gradients.
    #[serde(default = "sixteen")]
    path_parts: u32,
    /// Sizes to which a patient's losses, attributions and risk scores are cut.
    loss_cap: Option<f64>,
    attribution_cap: Option<f64>,
    risk_cap: Option<f64>,
}

fn five() -> usize {
    5
}
fn nine() -> usize {
    9
}
fn sixteen() -> u32 {
    16
}

/// The task; see the module's head.
#[derive(Debug)]
pub struct Explain {
    params: Params,
    subset: Subset,
    trained: Trained,
    focus: Focus,
    columns: Vec<Column>,
    /// Values of each column in `dependence`.
    grids: Vec<Vec<f64>>,
    curvature: Option<Curvature>,
    parts: Vec<Part>,
    caps: Caps,
}

impl Explain {
    /// The task of these parameters over the results of the study's finished tasks.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used, or there is no such model.
    pub fn new(table: &toml::Table, schema: &Schema, finished: &Finished) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let trained = Trained::of_finished(NAME, schema, finished, &params.model)?;
        let model = trained.model();
        let focus = Focus::new(NAME, model, params.output.as_deref())?;
        let columns = Column::of_inputs(model.inputs(), schema, params.columns.as_deref())?;
        let positive = |cap: Option<f64>| cap.is_none_or(|cap| cap > 0.0 && cap <= OUT_OF_REACH);
        let rules = [
            (!(1..=MOST_REPEATS).contains(&params.repeats), "`repeats` must be 1 to 100"),
            (!(2..=MOST_POINTS).contains(&params.points), "`points` must be 2 to 200"),
            (!(1..=MOST_PARTS).contains(&params.path_parts), "`path_parts` must be 1 to 256"),
            (
                ![params.loss_cap, params.attribution_cap, params.risk_cap]
                    .into_iter()
                    .all(positive),
                "`loss_cap`, `attribution_cap` and `risk_cap` must be above 0 and at most 100",
            ),
            (columns.is_empty(), "the model reads no column"),
            (params.parts.as_ref().is_some_and(Vec::is_empty), "`parts` names none"),
        ];
        if let Some((_, reason)) = rules.iter().find(|(broken, _)| *broken) {
            return Err(refuse(NAME, *reason));
        }
        let exact = params.release == Release::Exact;
        if !exact {
            trained.check_charged(NAME)?;
        }
        let linear = coefficients(model, trained.weights()).is_some();
        let few = model.parameters() <= MOST_COEFFICIENTS;
        let parts = params.parts.clone().unwrap_or_else(|| {
            let own = (exact && linear && few).then_some(Part::Coefficients);
            [Part::Importance, Part::Gradients, Part::Dependence].into_iter().chain(own).collect()
        });
        let asks = parts.contains(&Part::Coefficients);
        if asks && !exact {
            let reason = "`coefficients` with errors need the information matrix, which leaves \
                          under the exact class only";
            return Err(refuse(NAME, reason));
        }
        if asks && !linear {
            return Err(curvature::not_linear());
        }
        if asks && !few {
            let reason =
                format!("`coefficients` of a model of at most {MOST_COEFFICIENTS} weights");
            return Err(refuse(NAME, reason));
        }
        let cap = |own: Option<f64>, noised: f64| {
            own.unwrap_or(if exact { OUT_OF_REACH } else { noised })
        };
        let risk = cap(params.risk_cap, 3.0);
        let task = Self {
            subset: params.subset.unwrap_or(if trained.network().holdout > 0.0 {
                Subset::Holdout
            } else {
                Subset::All
            }),
            grids: columns.iter().map(|column| column.grid(params.points)).collect(),
            curvature: asks.then(|| Curvature::new(model)),
            caps: Caps {
                loss: cap(params.loss_cap, 1.0),
                attribution: cap(params.attribution_cap, 1.0),
                prediction: if focus.is_probability() { (0.0, 1.0) } else { (-risk, risk) },
            },
            columns,
            focus,
            trained,
            parts,
            params,
        };
        let work = task.work();
        if work > MOST_WORK {
            let reason = format!(
                "a patient costs {work:.1e} multiplications, at most {MOST_WORK:.0e}; lower `path_parts`, \
                 `repeats` or `points`, name fewer `columns`, or leave out a part"
            );
            return Err(refuse(NAME, reason));
        }
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Multiplications a patient, of scalar passes that each cost about one a weight.
    fn work(&self) -> f64 {
        let model = self.trained.model();
        let passes = [
            (Part::Importance, self.columns.len() * self.params.repeats),
            // Two points a part of the line, with two passes a slope.
            (Part::Gradients, 4 * model.inputs().width() * self.params.path_parts as usize),
            (Part::Dependence, self.points()),
        ];
        let asked = passes.iter().filter(|(part, _)| self.has(*part));
        model.parameters() as f64 * asked.map(|(_, passes)| *passes as f64).sum::<f64>()
    }

    fn points(&self) -> usize {
        self.grids.iter().map(Vec::len).sum()
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            model: self.trained.model(),
            weights: self.trained.weights(),
            focus: &self.focus,
            columns: &self.columns,
            caps: self.caps,
        }
    }

    fn middle(&self) -> f64 {
        let (low, high) = self.caps.prediction;
        low + (high - low) / 2.0
    }

    /// Blocks of an exact sum.
    fn exact_blocks(&self) -> Vec<Block> {
        let inputs = self.trained.model().inputs().width();
        let Caps { loss, attribution, prediction: (low, high) } = self.caps;
        let (columns, points) = (self.columns.len(), self.points());
        let mut blocks = vec![layout::count_block()];
        let mut add = |name, len: usize, norm: f64| {
            blocks.push(reals(name, len, norm));
        };
        if self.has(Part::Importance) {
            add("loss", 1, loss);
            let norm = 2.0 * loss * (1.0 + 4.0 * loss * loss).sqrt();
            add("importance", 2 * columns, norm * (columns as f64).sqrt());
        }
        if self.has(Part::Gradients) {
            add("gradients", 2 * inputs, attribution * (2.0 * inputs as f64).sqrt());
        }
        if self.has(Part::Dependence) {
            add("dependence", points, low.abs().max(high.abs()) * (points as f64).sqrt());
        }
        blocks.extend(self.curvature.map(Curvature::blocks).unwrap_or_default());
        blocks
    }

    /// Blocks of a noised sum, and D.
    fn noised_blocks(&self) -> (Vec<Block>, Option<u64>) {
        let inputs = self.trained.model().inputs().width();
        let Caps { loss, attribution, prediction: (low, high) } = self.caps;
        let mut blocks = vec![("patients", 1)];
        let mut norm_squared = 1.0;
        if self.has(Part::Importance) {
            blocks.extend([("loss", 1), ("importance", self.columns.len())]);
            norm_squared += 2.0 * loss * loss;
        }
        if self.has(Part::Gradients) {
            blocks.push(("gradients", 2 * inputs));
            norm_squared += 2.0 * attribution * attribution;
        }
        if self.has(Part::Dependence) {
            blocks.push(("dependence", self.points()));
            let half = (high - low) / 2.0;
            norm_squared += self.points() as f64 * half * half;
        }
        layout::noised(&blocks, norm_squared)
    }
}

/// A block of reals on the finest grid that leaves room for the other blocks: six at most, and
/// sqrt 6 < 3.
fn reals(name: &str, len: usize, norm: f64) -> Block {
    layout::reals(name, len, norm, layout::frac_bits(&[3.0 * norm]))
}

impl Task for Explain {
    type State = ();
    type Output = Explanation;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        let (blocks, sensitivity) = match self.params.release {
            Release::Exact => (self.exact_blocks(), None),
            Release::Noised => self.noised_blocks(),
        };
        let bytes = layout::to_bytes(self.trained.weights());
        Query { sensitivity, ..layout::exact(NAME, VERSION, blocks, bytes) }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        layout::from_bytes(query, self.trained.weights().len())?;
        if site.cohort.len() as u64 > site.max_patients {
            return Ok(Contribution::zero(query, "more patients than the manifest's cap"));
        }
        Ok(match self.params.release {
            Release::Exact => self.exact(query, site),
            Release::Noised => self.noised(query, site),
        })
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), Explanation>, Error> {
        Ok(Next::Done(self.output(sum)?))
    }
}
