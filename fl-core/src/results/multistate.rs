//! The illness-death model.

use serde::{Deserialize, Serialize};

use super::null_as_nan;

/// State occupation and transitions of an illness-death model. `schema` is `haima.multistate/1`.
/// All vectors have one entry a grid time at which a transition or a censoring fell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiState {
    /// `haima.multistate/1`.
    pub schema: String,
    /// Readable formula.
    pub formula: String,
    /// Width of the public time grid; times were rounded up to it.
    pub grid: f64,
    /// Patients.
    pub n: u64,
    /// Deaths.
    pub events: u64,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// Right edges of the grid intervals.
    pub time: Vec<f64>,
    /// The three states in order: healthy (where everybody starts), ill, dead.
    pub states: Vec<StateCurve>,
    /// Healthy to ill, healthy to dead, ill to dead.
    pub transitions: Vec<Transition>,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateCurve {
    /// `"healthy"`, `"ill"` or `"dead"`.
    pub state: String,
    /// In the state and under observation just before each time; 0 for the dead.
    pub n_risk: Vec<u64>,
    /// Censored in the state at each time.
    pub n_censor: Vec<u64>,
    /// Aalen-Johansen probability of being in the state after each time.
    pub pstate: Vec<f64>,
}

/// One transition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Name of the state that is left.
    pub from: String,
    /// Name of the state that is entered.
    pub to: String,
    /// Transitions at each time.
    pub n_event: Vec<u64>,
    /// Nelson-Aalen estimate of the cumulative hazard.
    pub cumhaz: Vec<f64>,
    /// Its standard error, the root of the sum of `events / at risk^2`.
    #[serde(deserialize_with = "null_as_nan")]
    pub se: Vec<f64>,
}
