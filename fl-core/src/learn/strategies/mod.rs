//! What a site sends in a round of training, and what is done with the sum of all sites.
//!
//! One trait, [`Strategy`]; a file a family, with its paper. Each says whom it protects ([`Unit`]):
//! only strategies that clip *every patient's* gradient give patient-level privacy under noise; those
//! that train at the site first ([`local_training`]) send a function of all of its patients.
//!
//! | name | what it is for | unit | kept at the site |
//! |---|---|---|---|
//! | `dp-sgd` | the default; as good as on the pooled rows with the same noise | patient | |
//! | `dp-newton` | a linear model in few sums | patient | |
//! | `fedavg` | few rounds, hospitals alike; `momentum` makes it FedAvgM | none | |
//! | `fedprox` | hospitals that differ: a pull to the common model | none | |
//! | `scaffold` | hospitals that differ: drift taken out | none | control variate |
//! | `fedadagrad`, `fedadam`, `fedyogi` | weights on very different scales | none | |
//! | `dp-fedavg` | hides a whole hospital; hundreds of them | site | |
//! | `fedper` | a common body, a head of its own for each hospital | none | its model |
//! | `ditto` | a common model, and a whole one of its own for each hospital | none | its model |

pub mod ditto;
pub mod dp_fedavg;
pub mod dp_sgd;
pub mod fedavg;
pub mod fedopt;
pub mod fedper;
pub mod fedprox;
pub mod local_training;
pub mod newton;
pub mod scaffold;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use local_training::LocalTraining;

use super::local::Local;
use crate::error::Error;
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Block, Site, SiteState};
use crate::tasks::layout::{params, refuse, to_bytes};

/// Whose part of a sum is bounded, so that noise hides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Nobody's: the exact class only.
    None,
    /// One patient's.
    Patient,
    /// A whole hospital's update: adding, removing or changing all of its patients.
    Site,
}

impl Unit {
    /// What is said of it beside a result.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::None => "unit: none; the sums are exact, without any privacy guarantee",
            Self::Patient => "unit: patient; noise hides whether a patient took part",
            Self::Site => {
                "unit: site; noise hides all that a hospital's patients changed in its update. It \
                 is spread over the hospitals alone: hundreds of them leave a useful model, ten leave \
                 little of one at any epsilon worth stating. For patients take dp-sgd"
            }
        }
    }
}

/// What the coordinator's side of a strategy keeps: a deterministic function of the released sums
/// (rule X3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// The model.
    pub weights: Vec<f64>,
    /// What else the strategy keeps, each as long as it says.
    pub slots: Vec<Vec<f64>>,
    /// Sums absorbed.
    pub step: u32,
}

impl Server {
    /// A start without anything kept.
    #[must_use]
    pub fn new(weights: Vec<f64>) -> Self {
        Self { weights, slots: Vec::new(), step: 0 }
    }

    /// A start with `number` slots of zeros, each as long as the weights.
    #[must_use]
    pub fn with_slots(weights: Vec<f64>, number: usize) -> Self {
        let slots = vec![vec![0.0; weights.len()]; number];
        Self { weights, slots, step: 0 }
    }
}

/// What a site is told in a round.
#[derive(Clone, Copy, Debug)]
pub struct Broadcast<'a> {
    /// The model.
    pub weights: &'a [f64],
    /// What the strategy sends beside it ([`Strategy::extra`]).
    pub extra: &'a [f64],
    /// Rounds before this one.
    pub step: u32,
    /// The task's public seed.
    pub seed: u64,
}

/// How sites and coordinator train together.
pub trait Strategy: Send + Sync {
    /// Whom noise on its sums protects.
    fn unit(&self) -> Unit;

    /// What a site sends for a model of so many weights.
    fn blocks(&self, dimension: usize) -> Vec<Block>;

    /// D of rule S2 for that vector, in grid steps; `None` exactly where the unit is [`Unit::None`].
    fn sensitivity(&self, dimension: usize) -> Option<u64>;

    /// The probability with which a patient takes part in a round.
    fn rate(&self) -> f64 {
        1.0
    }

    /// The coordinator's state before the first round.
    fn start(&self, weights: Vec<f64>) -> Server {
        Server::new(weights)
    }

    /// What sites are told beside the weights.
    fn extra<'a>(&self, _server: &'a Server) -> &'a [f64] {
        &[]
    }

    /// A site's blocks, or why it sends zeros (for its own log).
    ///
    /// # Errors
    /// The reason.
    fn contribute(
        &self,
        told: &Broadcast<'_>,
        local: &Local<'_>,
        site: &Site<'_>,
        state: &mut SiteState,
    ) -> Result<Vec<Vec<f64>>, String>;

    /// Takes in a sum; plain scalar arithmetic.
    ///
    /// # Errors
    /// Why it cannot be used.
    fn absorb(&self, server: &mut Server, sum: &Sum) -> Result<(), String>;

    /// The weights that this site itself would predict with: the model's, unless it is personal.
    fn personal(&self, weights: &[f64], _state: &SiteState) -> Vec<f64> {
        weights.to_vec()
    }
}

/// What opens a strategy from its parameters; `task` is named in errors.
type Open = fn(&str, &toml::Table, &Context<'_>) -> Result<Box<dyn Strategy>, Error>;

/// What a strategy's parameters are read with.
#[derive(Debug)]
pub struct Context<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// Weights that stay at home in a personalised model, as positions; from [`super::model::Layer`].
    pub head: Vec<bool>,
    /// A public guess of the training patients in all sites together.
    pub expected_patients: u64,
    /// Whether the model is linear in its weights ([`super::model::Model::predictors`]).
    pub linear: bool,
}

/// The strategies of this binary. The first is the default.
const STRATEGIES: &[(&str, Open)] = &[
    (dp_sgd::NAME, |task, table, context| {
        Ok(Box::new(dp_sgd::DpSgd::new(task, params(task, table)?, context)?))
    }),
    (fedavg::NAME, |task, table, _| {
        let params = local_params(task, table, fedavg::KEYS)?;
        Ok(Box::new(fedavg::FedAvg::new(task, params)?))
    }),
    (fedprox::NAME, |task, table, _| {
        let params = local_params(task, table, fedprox::KEYS)?;
        Ok(Box::new(fedprox::FedProx::new(task, params)?))
    }),
    (scaffold::NAME, |task, table, _| {
        let params = local_params(task, table, scaffold::KEYS)?;
        Ok(Box::new(scaffold::Scaffold::new(task, params)?))
    }),
    (fedopt::ADAGRAD, |task, table, _| {
        let params = local_params(task, table, fedopt::KEYS)?;
        Ok(Box::new(fedopt::FedOpt::new(task, fedopt::Rule::Adagrad, params)?))
    }),
    (fedopt::ADAM, |task, table, _| {
        let params = local_params(task, table, fedopt::KEYS)?;
        Ok(Box::new(fedopt::FedOpt::new(task, fedopt::Rule::Adam, params)?))
    }),
    (fedopt::YOGI, |task, table, _| {
        let params = local_params(task, table, fedopt::KEYS)?;
        Ok(Box::new(fedopt::FedOpt::new(task, fedopt::Rule::Yogi, params)?))
    }),
    (dp_fedavg::NAME, |task, table, _| {
        let params = local_params(task, &dp_fedavg::with_defaults(table), dp_fedavg::KEYS)?;
        Ok(Box::new(dp_fedavg::DpFedAvg::new(task, params)?))
    }),
    (fedper::NAME, |task, table, context| {
        let local = local_params(task, table, &[])?;
        Ok(Box::new(fedper::FedPer::new(task, local, context)?))
    }),
    (ditto::NAME, |task, table, _| {
        let params = local_params(task, table, ditto::KEYS)?;
        Ok(Box::new(ditto::Ditto::new(task, params)?))
    }),
    (newton::NAME, |task, table, context| {
        Ok(Box::new(newton::DpNewton::new(task, params(task, table)?, context)?))
    }),
];

/// Names of the strategies.
pub fn known() -> impl Iterator<Item = &'static str> {
    STRATEGIES.iter().map(|(name, _)| *name)
}

/// Opens the strategy that a table names by `name`; per-step DP-SGD when it names none.
///
/// # Errors
/// For an unknown name or parameters that cannot be used.
pub fn open(
    task: &str,
    table: &toml::Table,
    context: &Context<'_>,
) -> Result<Box<dyn Strategy>, Error> {
    let mut own = table.clone();
    let name = match own.remove("name") {
        None => dp_sgd::NAME.to_owned(),
        Some(toml::Value::String(name)) => name,
        Some(_) => return Err(refuse(task, "a strategy's `name` must be a text")),
    };
    match STRATEGIES.iter().find(|(known, _)| *known == name) {
        Some((_, open)) => open(task, &own, context),
        None => {
            let known: Vec<&str> = known().collect();
            Err(refuse(task, format!("no strategy `{name}`; there are {}", known.join(", "))))
        }
    }
}

/// Reads the parameters of a strategy whose sites train by themselves, refusing keys that are neither
/// of the training nor of `own` (serde cannot, where tables are flattened).
fn local_params<T: DeserializeOwned>(
    task: &str,
    table: &toml::Table,
    own: &[&str],
) -> Result<T, Error> {
    let known = || own.iter().chain(LocalTraining::KEYS);
    match table.keys().find(|key| !known().any(|known| *known == key.as_str())) {
        Some(key) => {
            let known: Vec<&str> = known().copied().collect();
            let reason = format!("the strategy has no `{key}`; it has {}", known.join(", "));
            Err(refuse(task, reason))
        }
        None => params(task, table),
    }
}

/// Numbers that a site kept, `None` when it has none of this length.
pub(crate) fn kept(state: &SiteState, name: &str, len: usize) -> Option<Vec<f64>> {
    let (chunks, rest) = state.values.get(name)?.as_chunks::<8>();
    if chunks.len() != len || !rest.is_empty() {
        return None;
    }
    Some(chunks.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
}

/// Keeps numbers at the site.
pub(crate) fn keep(state: &mut SiteState, name: &str, values: &[f64]) {
    state.keep(name, to_bytes(values));
}
