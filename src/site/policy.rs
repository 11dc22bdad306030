//! What a hospital allows, whoever asks: budgets, floors, and which tasks without noise.

use std::collections::BTreeMap;
use std::path::Path;

use haima_dp::ledger::{Budget, Filter, Limit};
use haima_dp::units::{Delta, Epsilon, Order};
use haima_smpc_node::manifest::Manifest;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A hospital's policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Population of data sets that declare none (rule L3).
    pub default_population: String,
    /// Limit of all private releases together, coalition figure.
    pub epsilon: f64,
    /// For that limit; 1/(100 n) when absent, n being the study's public cap (rule L5).
    #[serde(default)]
    pub delta: Option<f64>,
    /// Allows a delta over 1/(10 n).
    #[serde(default)]
    pub allow_large_delta: bool,
    /// Renyi order by which the limit is enforced, fixed before the first release; zCDP where absent.
    /// A study's plan says for which its noise was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
    /// Manifest ids of tasks that may run without noise (rule X2).
    #[serde(default)]
    pub exact_tasks: Vec<String>,
    /// Those of them whose sums can hold a single patient's row (unstratified Cox, Fine-Gray, scans,
    /// clusters, validation at horizons): each must stand here as well.
    #[serde(default)]
    pub row_revealing_tasks: Vec<String>,
    /// Masked mode: takes the coordinator's word for the sums that an exact task goes on from. Nodes sign
    /// theirs; a coordinator alone could make one up, and so choose what is asked next (rule X3).
    #[serde(default)]
    pub trust_coordinator_sums: bool,
    /// Further runs of an exact task on the same data, each as `task/run` (rule X2).
    #[serde(default)]
    pub approved_reruns: Vec<String>,
    /// Masked mode: exact runs that may begin over other hospitals than the exact sums before, each as
    /// `task/run`. All exact sums of one run are over one set, whatever stands here (rule X2).
    #[serde(default)]
    pub approved_other_sites: Vec<String>,
    /// Exact tasks that are answered although their cohort here differs from that of an earlier exact
    /// task by fewer patients than `min_local_rows` (rule X2).
    #[serde(default)]
    pub approved_cohorts: Vec<String>,
    /// Most different cohorts over which a study may have exact tasks (rule X2).
    #[serde(default = "eight")]
    pub max_cohorts: u32,
    /// A task with fewer complete rows here gets the zero vector.
    #[serde(default = "ten")]
    pub min_local_rows: u64,
    /// Fewest distinct operators in a round.
    #[serde(default = "three")]
    pub min_sites: u32,
    /// Allows a budget that differs from the one that the ledger records. It states the new figures
    /// again, so that one left in the file lets no later change through.
    #[serde(default)]
    pub amendment: Option<Amendment>,
    /// Most attempts charged in 24 hours (rule L1).
    #[serde(default = "a_thousand")]
    pub max_attempts_a_day: u32,
}

/// A change of the budget, recorded in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// The new epsilon.
    pub epsilon: f64,
    /// The new delta.
    pub delta: f64,
    /// The new order, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
    /// Why.
    pub reason: String,
}

fn ten() -> u64 {
    10
}

fn three() -> u32 {
    3
}

fn eight() -> u32 {
    8
}

fn a_thousand() -> u32 {
    1000
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// When the file is missing or does not parse.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        toml::from_str(&text).map_err(|e| Error::config(path, e.to_string()))
    }

    /// The theorem by which the ledger enforces the limit.
    ///
    /// # Errors
    /// When the order is out of range.
    pub fn filter(&self) -> Result<Filter, Error> {
        Ok(match self.order {
            None => Filter::Zcdp,
            Some(order) => Filter::Renyi { order: Order::new(order)? },
        })
    }

    /// Whether the policy has an amendment that states its own figures again.
    #[must_use]
    pub fn amended(&self, budget: &Budget) -> Option<&Amendment> {
        let Limit { epsilon, delta, .. } = budget.overall;
        self.amendment.as_ref().filter(|amendment| {
            (amendment.epsilon, amendment.delta, amendment.order)
                == (epsilon.get(), delta.get(), self.order)
        })
    }

    /// The budget that the ledger is opened with.
    ///
    /// # Errors
    /// When epsilon or delta is out of range (rule L5).
    pub fn budget(&self, manifest: &Manifest) -> Result<Budget, Error> {
        let patients = manifest.sites.iter().map(|site| site.max_patients).sum();
        let delta = Delta::for_cohort(patients, self.delta, self.allow_large_delta)?;
        let overall = Limit { epsilon: Epsilon::new(self.epsilon)?, delta, filter: self.filter()? };
        // Which tasks may run without noise is this policy's list, not the ledger's business.
        Ok(Budget { overall, per_study: BTreeMap::new(), allow_exact: true })
    }
}
