//! What the committed plan of a training promises, in the words of a card; and whether the promise that a
//! file has follows from the noise that the same file tells of ([`check`]).

use haima_fl_core::registry::{self, Finished};
use haima_fl_core::schema::Schema;
use haima_fl_core::task::Query;
use haima_smpc_node::manifest::NoisePlan;
use haima_smpc_node::plan::TaskPlan;

use super::{Guarantee, Noise, Provenance};
use crate::Error;

/// How the adversary of masked mode begins, whose noise has several draws.
const COORDINATOR: &str = "the coordinator with ";
/// How a simulation's sums are told of.
const SIMULATION: &str = "simulation";
/// The figure that scales D (rule S1); where there is none it is 1.
const HOSPITALS: &str = "hospitals_per_patient";
/// What a figure may lose as it is written and read, relative to it.
const ROUNDING: f64 = 1e-9;

/// Whom the noise is hidden from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coalition {
    /// All nodes but one, and whoever joins them.
    Nodes,
    /// The coordinator with so many hospitals; `None` where their number is not known.
    Masked(Option<u32>),
}

/// What a promise depends on beside the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Whom it holds against.
    pub(crate) coalition: Coalition,
    /// It hides a whole hospital's update, not a patient.
    pub(crate) hides_hospital: bool,
    /// Hospitals at which one patient may be (rule S1).
    pub(crate) hospitals_per_patient: u32,
    /// The noise is that of a simulation.
    pub(crate) simulated: bool,
    /// In words.
    pub(crate) note: &'static str,
}

impl Coalition {
    fn in_words(self) -> String {
        match self {
            Self::Nodes => {
                "all nodes but one together with the coordinator, the other hospitals and \
                            all who read the sums"
                    .to_owned()
            }
            Self::Masked(corrupt) => {
                let hospitals = match corrupt {
                    Some(corrupt) => format!("up to {corrupt}"),
                    None => "as many as the terms of masked mode allow".to_owned(),
                };
                format!("{COORDINATOR}{hospitals} other hospitals, and all who read the sums")
            }
        }
    }
}

impl Guarantee {
    /// A training without noise.
    pub(crate) fn exact() -> Self {
        Self::Exact { note: "exact: no differential privacy".into() }
    }

    /// A training whose noise was committed: the promise of its whole plan, whatever number of its
    /// rounds ran (rules L1, L2).
    ///
    /// # Errors
    /// When a figure of the plan is out of range.
    pub(crate) fn of(plan: &TaskPlan, terms: &Terms) -> Result<Self, Error> {
        let noise = &plan.noise;
        Ok(Self::Dp {
            epsilon: plan.charged()?.epsilon.get(),
            delta: noise.delta,
            unit: unit(terms.hides_hospital).into(),
            adjacency: neighbours(terms.hides_hospital, terms.hospitals_per_patient),
            adversary: terms.coalition.in_words(),
            accountant: theorem(noise.order),
            noise: Noise {
                s: noise.s,
                draws: noise.draws,
                sensitivity: noise.sensitivity,
                sampling: noise.q,
                attempts: plan.attempts(),
                order: noise.order,
            },
            simulated: terms.simulated,
            note: terms.note.into(),
        })
    }
}

fn unit(hides_hospital: bool) -> &'static str {
    if hides_hospital { "hospital" } else { "patient" }
}

fn neighbours(hides_hospital: bool, hospitals_per_patient: u32) -> String {
    match (hides_hospital, hospitals_per_patient) {
        (true, _) => "with and without one hospital's whole update".to_owned(),
        (false, 0 | 1) => "with and without one patient, at one hospital".to_owned(),
        (false, most) => format!("with and without one patient, at up to {most} hospitals"),
    }
}

fn theorem(order: Option<u32>) -> String {
    match order {
        Some(order) => format!("Renyi differential privacy of order {order}"),
        None => "zero-concentrated differential privacy".to_owned(),
    }
}

/// What the promise of a file is held against, beside its provenance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made<'a> {
    /// Registered name of the task whose result the file has.
    pub(crate) task: &'a str,
    /// Schema of the cohorts.
    pub(crate) schema: &'a Schema,
    /// Sums that it was made from.
    pub(crate) sums: u32,
    /// Its noise hides a whole hospital's update.
    pub(crate) hides_hospital: bool,
}

/// Refuses a file that promises more than the noise that it tells of gives, by the accountant that it
/// names, or whose noise is not for the sums of its own task. Nothing is held against a file without a
/// promise.
///
/// No file can show that its noise was drawn at all. Nor can one show how many draws of masked mode the
/// adversary cannot take off (it has no threshold), or D and the sampling of a training over figures of
/// earlier tasks, which it lacks: these are believed. Coordinates of the sums are not told of, and are
/// taken as one. They count with several draws alone, and there less than 1e-60 of a rho.
///
/// # Errors
/// What does not fit, for a person.
pub(crate) fn check(provenance: &Provenance, made: &Made<'_>) -> Result<(), String> {
    let Guarantee::Dp {
        epsilon,
        delta,
        unit: of,
        adjacency,
        adversary,
        accountant,
        noise,
        simulated,
        ..
    } = &provenance.privacy
    else {
        return Ok(());
    };
    if made.sums > noise.attempts || noise.attempts == 0 {
        let (sums, attempts) = (made.sums, noise.attempts);
        return Err(format!("it was made from {sums} sums, and its provenance charges {attempts}"));
    }
    let most = hospitals_per_patient(provenance)?;
    let texts = [
        ("unit", of, unit(made.hides_hospital).to_owned()),
        ("adjacency", adjacency, neighbours(made.hides_hospital, most)),
        ("accountant", accountant, theorem(noise.order)),
    ];
    if let Some((what, _, own)) = texts.iter().find(|(_, said, own)| *said != own) {
        return Err(format!("its promise names another {what} than {own}"));
    }
    if provenance.mode.starts_with(SIMULATION) != *simulated {
        return Err("its provenance contradicts itself on whether it is a simulation".to_owned());
    }
    if noise.draws > 1 && !adversary.starts_with(COORDINATOR) {
        let draws = noise.draws;
        return Err(format!(
            "it counts {draws} draws of noise against all nodes but one, who leave one"
        ));
    }
    let least = epsilon_of(noise, *delta).map_err(|error| error.to_string())?;
    if epsilon.is_nan() || *epsilon < least * (1.0 - ROUNDING) {
        return Err(format!("it promises epsilon {epsilon}, and its own noise gives {least}"));
    }
    let Some(query) = question(&provenance.task, made)? else { return Ok(()) };
    let d = query.sensitivity.and_then(|d| d.checked_mul(most.max(1).into()));
    let d =
        d.ok_or("its task bounds no patient, and its provenance promises differential privacy")?;
    if noise.sensitivity < d {
        let told = noise.sensitivity;
        return Err(format!("its noise is for a sensitivity of {told}, and its task has {d}"));
    }
    if noise.sampling < query.rate * (1.0 - ROUNDING) {
        let (told, rate) = (noise.sampling, query.rate);
        return Err(format!("its noise is for a sampling of {told}, and its task has {rate}"));
    }
    Ok(())
}

/// The epsilon of all attempts under a noise, by the path of [`Guarantee::of`].
fn epsilon_of(noise: &Noise, delta: f64) -> Result<f64, Error> {
    let Noise { s, draws, sensitivity, sampling, attempts, order } = *noise;
    let noise = NoisePlan { s, draws, q: sampling, sensitivity, dimension: 1, delta, order };
    let plan = TaskPlan { id: "the file's".into(), steps: attempts, spare_attempts: 0, noise };
    Ok(plan.charged()?.epsilon.get())
}

/// How many hospitals may have one patient's rows, by the provenance's public numbers.
fn hospitals_per_patient(provenance: &Provenance) -> Result<u32, String> {
    let figure = provenance.figures.iter().find(|figure| figure.name == HOSPITALS);
    figure.map_or(Ok(1), |figure| {
        figure.value.parse().map_err(|_| format!("its `{HOSPITALS}` is no whole number"))
    })
}

/// What the task of a provenance asks first; all its sums have that D and that rate. `None` where it
/// builds on other tasks of its study.
fn question(task: &toml::Table, made: &Made<'_>) -> Result<Option<Query>, String> {
    let name = task.get("name").and_then(toml::Value::as_str).unwrap_or_default();
    if name != made.task {
        return Err(format!("its provenance is that of no task {}", made.task));
    }
    let version = task.get("version").and_then(toml::Value::as_integer);
    let version = version.and_then(|own| u32::try_from(own).ok()).unwrap_or(0);
    let none = toml::Table::new();
    let params = task.get("params").and_then(toml::Value::as_table).unwrap_or(&none);
    if !registry::builds_on(name, params).is_empty() {
        return Ok(None);
    }
    let run = registry::open(name, version, params, made.schema, &Finished::new());
    let run = run.map_err(|error| format!("the parameters of its provenance: {error}"))?;
    Ok(run.query())
}

#[cfg(test)]
mod tests;
