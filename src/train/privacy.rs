//! What a task file promises, and what the noise that follows from it is worth.

use std::path::Path;

use haima_dp::units::{Delta, Epsilon};
use haima_fl_core::task::Query;
use haima_smpc_node::plan::TaskPlan;
use serde::Deserialize;

use super::{Prepared, Summing};
use crate::Error;
use crate::model_file::{Guarantee, Noise};
use crate::provision::{Accountant, Privacy};

/// `[privacy]` of a training's task file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    /// `exact = true`.
    Exact,
    /// `epsilon`, `delta` and perhaps `accountant`.
    Dp { epsilon: f64, delta: f64, accountant: Option<Accountant> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default)]
    exact: bool,
    epsilon: Option<f64>,
    delta: Option<f64>,
    accountant: Option<Accountant>,
}

impl Target {
    /// Reads the section. There is none without noise that nobody asked for.
    pub(super) fn read(section: Option<toml::Table>, file: &Path) -> Result<Self, Error> {
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
        match section {
            Section { exact: true, epsilon: None, delta: None, accountant: None } => {
                Ok(Self::Exact)
            }
            Section { exact: false, epsilon: Some(epsilon), delta: Some(delta), accountant } => {
                Epsilon::new(epsilon)?;
                Delta::new(delta)?;
                Ok(Self::Dp { epsilon, delta, accountant })
            }
            _ => Err(fault("[privacy]: give `epsilon` and `delta`, or `exact = true` alone")),
        }
    }

    /// The target for a task that asks so: where patients are sampled, an accountant that counts it.
    pub(super) fn for_query(
        self,
        query: Option<&Query>,
        file: &Path,
    ) -> Result<Option<Privacy>, Error> {
        let Self::Dp { epsilon, delta, accountant } = self else {
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
    rate: f64,
    committed: Option<&TaskPlan>,
    corrupt: Option<u32>,
) -> Result<Guarantee, Error> {
    let (Some(plan), Target::Dp { delta, .. }) = (committed, prepared.target) else {
        return Ok(Guarantee::Exact { note: "exact: no differential privacy".into() });
    };
    let site = result.get("unit").and_then(serde_json::Value::as_str) == Some("site");
    let simulated = prepared.request.summing == Summing::Plain;
    let hospitals = match corrupt {
        Some(c) => format!("up to {c}"),
        None => "as many as the terms of masked mode allow".to_owned(),
    };
    let adversary = match prepared.request.summing {
        Summing::Masked => {
            format!("the coordinator with {hospitals} other hospitals, and all who read the sums")
        }
        Summing::Plain | Summing::Nodes(_) => {
            "all nodes but one together with the coordinator, the other hospitals and all who read \
             the sums"
                .to_owned()
        }
    };
    let accountant = match plan.noise.order {
        Some(order) => format!("Renyi differential privacy of order {order}"),
        None => "zero-concentrated differential privacy".to_owned(),
    };
    let note = match simulated {
        true => "simulated: the noise of a study, protects nobody else on this machine",
        false => "the noise of nodes or hospitals; here all of them are processes of one machine",
    };
    Ok(Guarantee::Dp {
        epsilon: plan.charged()?.epsilon.get(),
        delta,
        unit: if site { "hospital" } else { "patient" }.into(),
        adjacency: match site {
            true => "with and without one hospital's whole update",
            false => "with and without one patient, at one hospital",
        }
        .into(),
        adversary,
        accountant,
        noise: Noise {
            s: plan.noise.s,
            draws: plan.noise.draws,
            sensitivity: plan.noise.sensitivity,
            sampling: rate,
            attempts: plan.attempts(),
            order: plan.noise.order,
        },
        simulated,
        note: note.into(),
    })
}
