//! What a task file promises, and what the noise that follows from it is worth.

use std::path::Path;

use haima_dp::units::{Delta, Epsilon};
use haima_fl_core::task::Query;
use haima_smpc_node::plan::TaskPlan;
use serde::Deserialize;

use super::{Prepared, Summing};
use crate::Error;
use crate::model_file::Guarantee;
use crate::model_file::guarantee::{Coalition, Terms};
use crate::provision::{Accountant, Privacy};
use crate::stats::hospitals::Hospitals;

/// An epsilon above which a promise says little.
const LARGE_EPSILON: f64 = 10.0;

/// `[privacy]` of a training's task file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// `exact = true`.
    Exact,
    /// `epsilon`, `delta`, perhaps `accountant`, and whether delta may pass 1/(10 n).
    Dp { epsilon: f64, delta: f64, accountant: Option<Accountant>, allow_large_delta: bool },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default)]
    exact: bool,
    epsilon: Option<f64>,
    delta: Option<f64>,
    accountant: Option<Accountant>,
    #[serde(default)]
    allow_large_delta: bool,
}

impl Target {
    /// Reads the section. There is none without noise that nobody asked for.
    pub(crate) fn read(section: Option<toml::Table>, file: &Path) -> Result<Self, Error> {
        let fault = |problem: &str| Error::config(file, problem);
        let section = section.ok_or_else(|| {
            fault(
                "has no [privacy]; say `epsilon` and `delta` there, or `exact = true` for a model \
                 without differential privacy",
            )
        })?;
        let section: Section = section
            .try_into()
            .map_err(|e: toml::de::Error| fault(&format!("[privacy]: {}", e.message())))?;
        let Section { exact, epsilon, delta, accountant, allow_large_delta } = section;
        match (exact, epsilon, delta) {
            (true, None, None) if accountant.is_none() && !allow_large_delta => Ok(Self::Exact),
            (false, Some(epsilon), Some(delta)) => {
                Epsilon::new(epsilon)?;
                Delta::new(delta)?;
                Ok(Self::Dp { epsilon, delta, accountant, allow_large_delta })
            }
            _ => Err(fault("[privacy]: give `epsilon` and `delta`, or `exact = true` alone")),
        }
    }

    /// Holds the promise against the number of patients (rule L5), as a hospital's policy does; what a
    /// reader has to know of it. n is what the study's public caps add up to, or `expected` if that is
    /// larger: the public guess by which the strategy divides its sums, 0 where it does not. Without
    /// public caps a simulation's notes tell of that guess alone, but a small one loosens nothing: a delta
    /// has to fit the rows as well. Where there is no guess either, n comes from the rows: it may refuse a
    /// promise, and stands in no note, nor does a note depend on it (rule S4).
    ///
    /// # Errors
    /// When delta is over 1/(10 n) and no flag allows it.
    pub(crate) fn check(
        self,
        file: &Path,
        summing: Summing,
        expected: u64,
        hospitals: &Hospitals,
    ) -> Result<Vec<String>, Error> {
        let Self::Dp { epsilon, delta, allow_large_delta, .. } = self else {
            return Ok(Vec::new());
        };
        let fault = |problem: String| Error::config(file, format!("[privacy]: {problem}"));
        let simulated = summing == Summing::Plain;
        if allow_large_delta && !simulated {
            let problem = "`allow_large_delta` is for simulations; hospitals of --sum nodes and \
                           masked have policies that allow none";
            return Err(fault(problem.into()));
        }
        let of_all = |cap: u64| cap.saturating_mul(hospitals.cohorts.len() as u64);
        let (patients, is_public) = match (hospitals.public.max_patients, expected) {
            (Some(cap), _) => (of_all(cap).max(expected), true),
            (None, 1..) if simulated => (expected, true),
            (None, _) => (of_all(hospitals.max_patients), false),
        };
        let there: u64 = hospitals.cohorts.values().map(|cohort| cohort.patients() as u64).sum();
        let held = patients.max(there);
        Delta::for_cohort(held, Some(delta), allow_large_delta).map_err(|error| {
            let flag = if simulated { " (`allow_large_delta = true` here)" } else { "" };
            fault(format!("{error}{flag}"))
        })?;
        let mut notes = Vec::new();
        let usual = Delta::for_cohort(patients, None, false)?.get();
        if !is_public {
            notes.push(format!(
                "delta {delta:e} is held against no public number of patients n: with that \
                 probability nothing is promised, and it is usual to keep it below 1/(100 n). A \
                 study's template as --schema says one (`max_patients`)"
            ));
        } else if delta > usual {
            notes.push(format!(
                "delta {delta:e} is above 1/(100 n) = {usual:.1e} for n = {patients} patients: with \
                 that probability nothing is promised, and it is usual to keep it below"
            ));
        }
        if epsilon > LARGE_EPSILON {
            notes.push(format!(
                "epsilon {epsilon} is above {LARGE_EPSILON}: what is told of a patient may be \
                 e^{epsilon} times as likely as without that patient, which promises next to nothing"
            ));
        }
        Ok(notes)
    }

    /// The target for a task that asks so: where patients are sampled, an accountant that counts it.
    pub(super) fn for_query(
        self,
        query: Option<&Query>,
        file: &Path,
    ) -> Result<Option<Privacy>, Error> {
        let Self::Dp { epsilon, delta, accountant, .. } = self else {
            return Ok(None);
        };
        if query.is_none_or(|query| query.sensitivity.is_none()) {
            let problem = "[privacy]: this strategy bounds no patient and no hospital, so no noise \
                           hides one; take `strategy = { name = \"dp-sgd\" }`, or `exact = true`";
            return Err(Error::config(file, problem));
        }
        let sampled = query.is_some_and(|query| query.rate < 1.0);
        let default = if sampled { Accountant::Renyi } else { Accountant::Zcdp };
        Ok(Some(Privacy { epsilon, delta, accountant: accountant.unwrap_or(default) }))
    }
}

/// The promise of a training whose manifest commits to `committed`.
pub(super) fn guarantee(
    prepared: &Prepared<'_>,
    result: &serde_json::Value,
    committed: Option<&TaskPlan>,
    corrupt: Option<u32>,
) -> Result<Guarantee, Error> {
    let Some(plan) = committed else {
        return Ok(Guarantee::exact());
    };
    let hides_hospital = result.get("unit").and_then(serde_json::Value::as_str) == Some("site");
    let most = prepared.hospitals.public.hospitals_per_patient;
    Guarantee::of(plan, &terms(prepared.request.summing, corrupt, hides_hospital, most))
}

/// What a promise among local hospitals depends on beside the plan.
pub(crate) fn terms(
    summing: Summing,
    corrupt: Option<u32>,
    hides_hospital: bool,
    hospitals_per_patient: u32,
) -> Terms {
    let simulated = summing == Summing::Plain;
    Terms {
        coalition: match summing {
            Summing::Masked => Coalition::Masked(corrupt),
            Summing::Plain | Summing::Nodes(_) => Coalition::Nodes,
        },
        hides_hospital,
        hospitals_per_patient,
        simulated,
        note: match simulated {
            true => "simulated: the noise of a study, protects nobody else on this machine",
            false => {
                "the noise of nodes or hospitals; here all of them are processes of one machine"
            }
        },
    }
}
