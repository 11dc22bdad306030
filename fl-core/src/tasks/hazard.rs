//! A discrete-time survival network, trained by noisy gradient steps over the secure sum.
//!
//! The logit of the hazard in interval j is alpha_j + f(x): a baseline of one number an interval
//! and a risk score f from a network with one hidden layer of tanh, so the odds of dying in any
//! interval are proportional between patients (Tutz and Schmid, *Modeling Discrete Time-to-Event
//! Data*, 2016, section 3.2; as a network: Gensheimer and Narasimhan, PeerJ 7:e6257, 2019,
//! "Nnet-survival", its proportional-hazards form with a logit link). The loss is a sum over
//! patients, which a partial likelihood is not; conventions of censoring stand in [`intervals`].
//!
//! Each step is DP-SGD (Abadi et al., CCS 2016): every training patient's gradient is clipped to
//! norm C, truncated alone and added in integers (rule S2), and one patient moves a site's vector
//! by at most D = ceil(C/g). With `sample_rate` q below 1, each step is over a fresh Poisson sample
//! that the site draws and hands over as a cohort of its own; work is padded to a public size, and
//! the packing that a site keeps between rounds and the holdout know nothing of the sample. The
//! divisor is the public q `expected_patients`, never a count (rule S4). What is done with the
//! noised sums, in two stages, stands in [`training`].
//!
//! # Weights
//!
//! One vector, in the query (f64, little-endian) and in the result: `[inputs, hidden]` by rows,
//! `[hidden]` biases, `[hidden]` output weights, then the `[intervals]` baseline alpha. The query
//! has one number more: 0 while all weights move, 1 while the baseline moves alone.
//!
//! # No floor on rows here
//!
//! `Site::min_local_rows` is not applied: a site that answers zero below a number of patients and
//! its whole sum above it would let one patient move the sum by far more than D (rule S2).

pub mod intervals;
pub mod model;
mod network;
pub mod params;
pub mod split;
pub mod training;

use haima_dp::fixed::{ClippedSum, Grid};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::layout::{self, refuse, unfit};
use super::survival::Survival;
use crate::cohort::Cohort;
use crate::design::Design;
use crate::error::Error;
use crate::nn::mlp::Shape;
use crate::nn::packing::Packing;
use crate::results::HazardModel;
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Block, Contribution, Next, Query, Site, SiteState, Task};
use intervals::Intervals;
use network::HazardNetwork;
use params::Params;
use split::Split;
use training::{Plan, State};

/// Name of the task.
pub const NAME: &str = "hazard";
/// Version of the task.
pub const VERSION: u32 = 1;

const BLOCK: &str = "gradient";
/// Where a site keeps how its patients are packed.
const PACKING: &str = "hazard.packing";

/// The task; see the module's head.
#[derive(Clone, Debug)]
pub struct Hazard {
    params: Params,
    formula: String,
    design: Design,
    survival: Survival,
    intervals: Intervals,
    split: Split,
    shape: Shape,
    grid: Grid,
    sensitivity: u64,
}

/// The result: the model and, so that an evaluation can tell the patients who trained it from
/// those who did not, its split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// The model.
    #[serde(flatten)]
    pub model: HazardModel,
    /// Seed of the holdout.
    pub seed: u64,
    /// Share of patients kept out of training.
    pub holdout: f64,
}

impl Hazard {
    /// The task of these parameters; see [`Params`].
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        params.check()?;
        let survival = Survival::new(NAME, schema, &params.time, &params.event)?;
        if let Some(twice) =
            params.covariates.iter().find(|name| [&params.time, &params.event].contains(name))
        {
            return Err(refuse(NAME, format!("`{twice}` is the outcome and a covariate")));
        }
        let design = Design::new(schema, &params.covariates)?;
        let intervals = Intervals::new(NAME, &params.cuts)?;
        let shape = model::shape(design.width(), params.hidden);
        let grid = Grid::new(params.frac_bits)?;
        let dimension = shape.parameters() + intervals.count();
        let sensitivity = ClippedSum::new(params.clip, grid, dimension)?.sensitivity().get();
        let task = Self {
            formula: format!(
                "Surv({}, {}) ~ network({}; hidden = {})",
                params.time,
                params.event,
                params.covariates.join(", "),
                params.hidden
            ),
            split: Split::new(params.seed, params.holdout, schema),
            survival,
            design,
            intervals,
            shape,
            grid,
            sensitivity,
            params,
        };
        layout::check(NAME, &task.query(&task.start()))?;
        Ok(task)
    }

    fn dimension(&self) -> usize {
        self.shape.parameters() + self.intervals.count()
    }

    fn plan(&self) -> Plan<'_> {
        Plan { params: &self.params, network: self.shape.parameters() }
    }

    /// The training patients with complete rows, as [`HazardNetwork`] takes them. A patient's part
    /// is a function of that patient alone (rule S2).
    fn encode(&self, cohort: &Cohort) -> Zeroizing<Vec<f32>> {
        let mut row = Zeroizing::new(vec![0.0; self.design.width()]);
        let width = self.design.width() + 2 * self.intervals.count();
        let mut patients = Zeroizing::new(Vec::with_capacity(width * cohort.len()));
        for i in 0..cohort.len() {
            let Some((time, event)) = self.survival.of(cohort, i) else { continue };
            if self.split.holds_out(cohort, i) || !self.design.row(cohort, i, &mut row) {
                continue;
            }
            patients.extend(row.iter().map(|&value| value as f32));
            self.intervals.encode(time, event, &mut patients);
        }
        patients
    }

    /// The sum over this site's training patients, or why there is none.
    fn sum(
        &self,
        weights: &[f64],
        baseline_alone: bool,
        site: &Site<'_>,
        state: &mut SiteState,
    ) -> Result<Zeroizing<Vec<i64>>, String> {
        if site.cohort.len() as u64 > site.max_patients {
            return Err("more patients than the manifest's cap".to_owned());
        }
        let baseline_scale = if baseline_alone { 1.0 } else { self.params.baseline_scale };
        let network = HazardNetwork::new(&self.shape, weights, baseline_scale)
            .ok_or("weights of another shape")?;
        let packing = match state.values.get(PACKING).map(Vec::as_slice) {
            Some([1]) => Packing::Chunks,
            Some(_) => Packing::Alone,
            None => {
                let packing = Packing::probe(&network);
                let together = u8::from(packing == Packing::Chunks);
                state.values.insert(PACKING.to_owned(), vec![together]);
                packing
            }
        };
        let patients = self.encode(site.cohort);
        let mut sum = ClippedSum::new(self.params.clip, self.grid, self.dimension())
            .map_err(|error| error.to_string())?;
        let fixed = if baseline_alone { self.shape.parameters() } else { 0 };
        let given = packing.each(&network, &patients, site.capacity, |gradient| {
            gradient.iter_mut().take(fixed).for_each(|value| *value = 0.0);
            sum.add(gradient);
        });
        match (given, patients.is_empty()) {
            (false, _) => Err("the backend gave no gradients".to_owned()),
            (true, true) => Err("no complete training patient".to_owned()),
            (true, false) => Ok(sum.finish()),
        }
    }

    fn output(&self, state: &State) -> Trained {
        Trained {
            model: HazardModel {
                schema: "haima.hazard/1".to_owned(),
                formula: self.formula.clone(),
                inputs: self.design.names().to_vec(),
                hidden: u32::try_from(self.params.hidden).unwrap_or(u32::MAX),
                cuts: self.params.cuts.clone(),
                weights: state.weights().to_vec(),
                steps: state.step(),
            },
            seed: self.params.seed,
            holdout: self.params.holdout,
        }
    }
}

impl Task for Hazard {
    type State = State;
    type Output = Trained;

    fn start(&self) -> State {
        let hazard = self.params.baseline_hazard;
        let mut weights = self.shape.initial(self.params.seed);
        weights.resize(self.dimension(), libm::log(hazard / (1.0 - hazard)));
        State::start(weights)
    }

    fn query(&self, state: &State) -> Query {
        let stage = f64::from(u8::from(state.second_stage(&self.plan())));
        Query {
            task: NAME.to_owned(),
            version: VERSION,
            blocks: vec![Block {
                name: BLOCK.to_owned(),
                len: u32::try_from(self.dimension()).unwrap_or(u32::MAX),
                frac_bits: self.params.frac_bits,
                patient_bound: self.sensitivity,
            }],
            sensitivity: Some(self.sensitivity),
            rate: self.params.sample_rate,
            cohort: String::new(),
            bytes: layout::to_bytes(&[state.weights(), &[stage]].concat()),
        }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        let iterate = layout::from_bytes(query, self.dimension() + 1)?;
        let (weights, stage) = iterate.split_at(self.dimension());
        Ok(match self.sum(weights, *stage != [0.0], site, state) {
            Ok(values) => Contribution { values, note: None },
            Err(note) => Contribution::zero(query, note),
        })
    }

    fn absorb(&self, mut state: State, sum: &Sum) -> Result<Next<State, Trained>, Error> {
        let gradient = layout::block(sum, BLOCK, self.dimension())?;
        if !state.absorb(&gradient, &self.plan()) {
            return Err(unfit(NAME, "the weights overflowed; lower `learning_rate`"));
        }
        if state.step() < self.params.steps {
            Ok(Next::Continue(state))
        } else {
            Ok(Next::Done(self.output(&state)))
        }
    }

    fn outline(&self) -> Option<Trained> {
        Some(self.output(&self.start()))
    }

    fn sums(&self) -> Option<u32> {
        Some(self.params.steps)
    }
}
