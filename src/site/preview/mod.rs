//! What would leave this hospital for a task of the manifest, before anything does.
//!
//! It reads configuration, manifest, policy, journal and ledger, plans the task's first sum as the site
//! itself would, and holds it against the policy. It computes nothing from patients, of whose file it
//! knows the version alone; it sends nothing, charges nothing and changes no file.

pub(super) mod size;
pub(super) mod words;

use haima_crypto::encode::Digest;
use haima_dp::ledger as dp_ledger;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::schema::Schema;
use haima_fl_core::task::{Query, Run};
use haima_smpc_node::manifest::{Class, Manifest, NoisePlan, TaskEntry, fingerprint};
use haima_smpc_node::masking::Mode;
use haima_smpc_node::provision::unit;
use haima_smpc_node::record::AuditRecord;
use haima_smpc_node::spec::{RoundEvent, RoundSpec};
use haima_smpc_node::{audit, unix_millis};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use serde::Serialize;

use self::size::Leaving;
pub use self::size::Part;
use super::config::Config;
use super::consent::Consents;
use super::policy::{Permits, Policy};
use crate::Error;
use crate::sum::plan::{Place, plan};

/// Form of a preview as JSON.
pub const SCHEMA: &str = "haima.site.preview/1";

/// What would leave for the first sum of a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preview {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name of the study.
    pub study: String,
    /// Its revision.
    pub revision: u32,
    /// Digest of the manifest.
    pub manifest: String,
    /// This site.
    pub site: String,
    /// The coordinator, and who runs it.
    pub asker: String,
    /// Its fingerprint.
    pub asker_fingerprint: String,
    /// Manifest id of the task.
    pub task: String,
    /// Registered name of the task.
    pub kind: String,
    /// Its version.
    pub version: u32,
    /// `exact` or `private`.
    pub class: Class,
    /// Canonical text of its cohort; empty for all patients.
    pub cohort: String,
    /// Most sums of a run.
    pub max_steps: u32,
    /// Attempts beyond one a sum.
    pub spare_attempts: u32,
    /// What is not known of later sums; none where there are no later ones.
    pub later: Option<String>,
    /// Coordinates of the vector.
    pub numbers: u64,
    /// Its parts, in order.
    pub blocks: Vec<BlockShown>,
    /// L2 bound on the site's vector, in grid steps.
    pub site_bound: u64,
    /// The public cap on patients that it is for.
    pub max_patients: u64,
    /// Whether nodes have it proved.
    pub bound_is_proved: bool,
    /// Noise on the sum; none of an exact task.
    pub noise: Option<Noise>,
    /// What each party is sent.
    pub leaves: Vec<Part>,
    /// All bytes of these.
    pub bytes: u64,
    /// What goes with them, in words.
    pub besides: String,
    /// What the coordinator learns at most, in words.
    pub learned: String,
    /// What the ledger would be charged.
    pub charge: Charge,
    /// The ledger; none where it cannot be read.
    pub ledger: Option<Ledger>,
    /// Why this site would refuse it; empty where it would not.
    pub refused: Vec<String>,
    /// What it would wait for.
    pub held: Vec<String>,
    /// Whether it would be answered now.
    pub allowed: bool,
}

/// A part of the vector.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockShown {
    /// Its name in the task.
    pub name: String,
    /// Coordinates.
    pub numbers: u32,
    /// A number is a value over a step of `2^-frac_bits`, in the value's own unit.
    pub frac_bits: u8,
    /// L2 bound on what a patient adds, in the values' own unit.
    pub patient_bound: f64,
    /// The same in steps.
    pub patient_bound_steps: u64,
}

/// Noise on a sum.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Noise {
    /// Scale of one draw, in grid steps.
    pub scale: u64,
    /// D: the most that the unit moves the sum, in grid steps.
    pub sensitivity: u64,
    /// Probability with which a patient takes part.
    pub rate: f64,
    /// Standard deviation of one draw, in the values' own unit.
    pub deviation: f64,
    /// Draws that a coalition cannot take off the sum.
    pub draws: u32,
    /// Who draws.
    pub adds: String,
    /// Whom it hides.
    pub hides: String,
}

/// What a round would be charged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Charge {
    /// In the filter's unit; none of an exact release.
    pub cost: Option<f64>,
    /// The filter of the policy.
    pub filter: String,
    /// The epsilon of this cost alone.
    pub epsilon: Option<f64>,
    /// The delta at which that is.
    pub delta: f64,
    /// The cost of all attempts that the plan has, together.
    pub all_attempts: Option<f64>,
}

/// Where the ledger stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ledger {
    /// The population.
    pub population: String,
    /// The limit.
    pub epsilon: f64,
    /// At this delta.
    pub delta: f64,
    /// Used of it, in the filter's unit.
    pub used: f64,
    /// Left of it, in the filter's unit.
    pub left: f64,
    /// Releases without any privacy guarantee, of all studies.
    pub exact: u64,
    /// Whether the ledger is there yet.
    pub opened: bool,
}

/// What would leave for the first sum of the task of this manifest id, if it were asked at `now`, unix
/// milliseconds; [`preview_now`] takes the time from this machine.
///
/// # Errors
/// When configuration, manifest or policy cannot be used, the study has no such task, or its first
/// question follows from results that are not there yet.
pub fn preview(config: &Config, task: &str, now: u64) -> Result<Preview, Error> {
    let manifest = Manifest::read(&config.manifest)?;
    manifest.site(&config.name)?;
    let policy = Policy::read(&config.policy)?;
    let entry = manifest.task(task)?;
    let run = opened(&manifest, entry)?;
    let query = run.query().ok_or_else(|| fault(entry, "it asks for no sum".into()))?;
    let place = Place {
        number: 1,
        run: 1,
        step: 0,
        attempt: 0,
        plan_index: 0,
        previous: Digest::default(),
        epoch: Digest::default(),
        deadline_ms: now.saturating_add(manifest.round_ms),
    };
    let spec = plan(&manifest, manifest.digest(), entry, &query, &place)?;
    let leaving = Leaving::of(&spec, &manifest, &config.name)?;
    let (charge, ledger, mut refused) = accounts(config, &policy, &manifest, entry, &spec)?;
    if let Err(error) = spec.check(&manifest, &config.name) {
        refused.push(error.to_string());
    }
    let charged = charged(config, &manifest)?;
    let consents = Consents::open(&config.state)?;
    let permits = Permits {
        site: &config.name,
        policy: &policy,
        manifest: &manifest,
        charged: &charged,
        data: super::daemon::data_version(&config.data).ok(),
        consents: &consents,
    };
    refused.extend(policy.fits(&manifest).err());
    // The hospital's own people look at it.
    refused.extend(permits.refuses(&spec, now)?.map(|why| why.told + &why.here));
    let held: Vec<String> = permits.holds(&spec, now)?.into_iter().collect();
    let asker = &manifest.coordinator;
    Ok(Preview {
        schema: SCHEMA.into(),
        study: manifest.study.clone(),
        revision: manifest.revision,
        manifest: manifest.digest().to_string(),
        site: config.name.clone(),
        asker: format!("{} ({})", asker.name, asker.operator),
        asker_fingerprint: fingerprint(&asker.identity, &asker.tls)?,
        task: entry.id.clone(),
        kind: entry.task.clone(),
        version: entry.version,
        class: entry.class,
        cohort: query.cohort.trim().replace('\n', "; "),
        max_steps: entry.max_steps,
        spare_attempts: entry.spare_attempts,
        later: later(&manifest, entry, run.as_ref(), &query),
        numbers: spec.dimension() as u64,
        blocks: blocks(&query),
        site_bound: spec.bound,
        max_patients: manifest.max_patients(),
        bound_is_proved: manifest.mode == Mode::Nodes,
        noise: noise(&manifest, entry, &spec),
        bytes: leaving.bytes(),
        leaves: leaving.parts,
        besides: besides(&manifest),
        learned: learned(&manifest, &spec),
        charge,
        ledger,
        allowed: refused.is_empty() && held.is_empty(),
        refused,
        held,
    })
}

/// [`preview`] by this machine's clock.
///
/// # Errors
/// As [`preview`].
pub fn preview_now(config: &Config, task: &str) -> Result<Preview, Error> {
    preview(config, task, unix_millis())
}

fn fault(entry: &TaskEntry, problem: String) -> Error {
    Error::Config { file: format!("task {}", entry.id), problem }
}

/// A run of the task at its start. What it builds on is known where public numbers give the form of
/// the earlier result, as when a study is drafted.
fn opened(manifest: &Manifest, wanted: &TaskEntry) -> Result<Box<dyn Run>, Error> {
    let schema = Schema::from_toml(&manifest.schema)?;
    let mut known = Finished::new();
    for entry in &manifest.tasks {
        let lacking: Vec<String> = registry::builds_on(&entry.task, &entry.params)
            .into_iter()
            .map(|link| link.id)
            .filter(|id| !known.contains_key(id))
            .collect();
        let wanted = entry.id == wanted.id;
        if !lacking.is_empty() {
            if wanted {
                let problem = format!(
                    "its questions are made from the result of {}, which is not there before the study \
                     runs; there is nothing to show yet",
                    lacking.join(", ")
                );
                return Err(fault(entry, problem));
            }
            continue;
        }
        let run = registry::open(&entry.task, entry.version, &entry.params, &schema, &known)
            .map_err(|error| fault(entry, error.to_string()));
        match run {
            run if wanted => return run,
            // Another task's fault is not this one's.
            Err(_) => {}
            Ok(run) => {
                if let Some(outline) = run.outline() {
                    known.insert(entry.id.clone(), outline);
                }
            }
        }
    }
    Err(fault(wanted, "the study has no such task".into()))
}

/// What is not known of the questions after the first. Most tasks state no bound on theirs, and then
/// none is stated here but the study's own.
pub(super) fn later(
    manifest: &Manifest,
    entry: &TaskEntry,
    run: &dyn Run,
    first: &Query,
) -> Option<String> {
    if entry.max_steps < 2 {
        return None;
    }
    let size = match run.most_coordinates() {
        Some(most) => {
            let most = most.max(first.dimension());
            format!("they have up to {most} numbers by the task's parameters")
        }
        None => format!(
            "how many numbers they have is not known before; the study allows {} (max_dimension)",
            manifest.max_dimension
        ),
    };
    Some(format!(
        "later questions follow from the sums released before them, by the task's own rule, and each \
         site recomputes them; {size}"
    ))
}

fn blocks(query: &Query) -> Vec<BlockShown> {
    let shown = query.blocks.iter().map(|block| BlockShown {
        name: block.name.clone(),
        numbers: block.len,
        frac_bits: block.frac_bits,
        patient_bound: block.patient_bound as f64 * step(block.frac_bits),
        patient_bound_steps: block.patient_bound,
    });
    shown.collect()
}

/// A grid step in the values' unit.
fn step(frac_bits: u8) -> f64 {
    (-f64::from(frac_bits)).exp2()
}

fn noise(manifest: &Manifest, entry: &TaskEntry, spec: &RoundSpec) -> Option<Noise> {
    let RoundEvent::DiscreteGaussian { s, q } = spec.event else { return None };
    // A noised round has one grid.
    let bits = spec.blocks.first().map_or(0, |block| block.frac_bits);
    let adds = match manifest.mode {
        Mode::Nodes => "each node",
        Mode::Masked => "each site",
    };
    let draws = entry.noise.map_or(1, |NoisePlan { draws, .. }| draws);
    Some(Noise {
        scale: s,
        sensitivity: spec.sensitivity,
        rate: q.get(),
        deviation: s as f64 * step(bits),
        draws,
        adds: adds.into(),
        hides: unit(entry).into(),
    })
}

fn besides(manifest: &Manifest) -> String {
    let report = "a report to the coordinator whether it was sent, with the ledger's figures, and why \
                  not, if policy or manifest forbid it";
    match manifest.mode {
        Mode::Nodes => format!("beside that: {report}"),
        Mode::Masked => format!(
            "beside that: shares of this round's keys, less than 1 MiB a message, to the other sites by \
             way of the coordinator; {report}"
        ),
    }
}

fn learned(manifest: &Manifest, spec: &RoundSpec) -> String {
    let numbers = spec.dimension();
    let least = spec.min_sites;
    let who = match manifest.mode {
        Mode::Nodes => "all nodes but one and all other hospitals".to_owned(),
        Mode::Masked => {
            let corrupt = manifest.masking.map_or(0, |masking| masking.corrupt);
            format!("up to {corrupt} of the other hospitals")
        }
    };
    match spec.event {
        RoundEvent::Exact => format!(
            "the exact sum over the hospitals that took part, of {least} operators at least: {numbers} \
             numbers, without any privacy guarantee. Who knows all other hospitals' vectors knows this \
             one's by subtraction, and {who} may work with it"
        ),
        RoundEvent::DiscreteGaussian { .. } => format!(
            "the sum over the hospitals that took part, of {least} operators at least, with noise on \
             each of its {numbers} numbers; also if {who} work with it"
        ),
    }
}

/// The rounds that were charged, by the journal.
fn charged(config: &Config, manifest: &Manifest) -> Result<Vec<AuditRecord>, Error> {
    let path = config.state.join("audit.log");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut records = audit::read(&path, &config.name, &manifest.identity(&config.name)?)?;
    records.retain(|record| record.kind.starts_with("charged"));
    Ok(records)
}

/// What a round costs, where the ledger stands, and what of both would refuse the round.
fn accounts(
    config: &Config,
    policy: &Policy,
    manifest: &Manifest,
    entry: &TaskEntry,
    spec: &RoundSpec,
) -> Result<(Charge, Option<Ledger>, Vec<String>), Error> {
    let budget = policy.budget(manifest)?;
    let limit = budget.overall;
    let released = spec.charge(&mut UnwrapErr(SysRng))?.release;
    let cost = limit.filter.cost(released.event());
    let attempts = entry.max_steps.saturating_add(entry.spare_attempts);
    let charge = Charge {
        cost: cost.map(dp_ledger::Cost::get),
        filter: limit.filter.to_string(),
        epsilon: cost.map(|cost| cost.epsilon(limit.delta).get()),
        delta: limit.delta.get(),
        all_attempts: cost.map(|cost| cost.times(attempts).get()),
    };
    let population = config.population.as_ref().unwrap_or(&policy.default_population).clone();
    let path = config.state.join(dp_ledger::Ledger::file_name(&population)?);
    let mut refused = Vec::new();
    let (used, left, exact, opened) = if path.exists() {
        let standing = match dp_ledger::standing(&path, &population) {
            Ok(standing) => standing,
            Err(error) => return Ok((charge, None, vec![error.to_string()])),
        };
        if standing.budget != budget && policy.amended(&budget).is_none() {
            refused.push(
                "the policy's budget differs from the one that the ledger records; the site does not \
                 start (`amendment`)"
                    .to_owned(),
            );
        }
        (standing.spent.get(), standing.left.get(), standing.exact, true)
    } else {
        (0.0, limit.room().get(), 0, false)
    };
    // What is left is rounded down, a cost up: the last attempt of a plan fits to the digit.
    if let Some(cost) = charge.cost.filter(|cost| *cost > left * (1.0 + 1e-9)) {
        refused.push(format!("the budget does not suffice: it costs {cost:.6}, {left:.6} is left"));
    }
    let (epsilon, delta) = (limit.epsilon.get(), limit.delta.get());
    let ledger = Ledger { population, epsilon, delta, used, left, exact, opened };
    Ok((charge, Some(ledger), refused))
}
