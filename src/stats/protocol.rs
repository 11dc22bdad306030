//! The analysis as a study of one task: nodes, sites and coordinator as processes of this machine,
//! as `haima demo` starts them.

use haima_smpc_node::masking::Mode;
use serde_json::Value;

use super::{Prepared, Request, Summing, fault};
use crate::Error;
use crate::coordinator::About;
use crate::coordinator::events::Event;
use crate::demo::follow;
use crate::demo::network::{Network, Plan};
use crate::demo::run::TIMING;
use crate::pooled::site_name;
use crate::provision::{Study, TaskTemplate};
use crate::site::Policy;

/// Manifest id of the study's one task.
const ID: &str = "analysis";
/// More sums than any exact task takes; spare steps cost nothing without noise.
const MAX_STEPS: u32 = 250;
const SPARE_ATTEMPTS: u32 = 5;
/// As many coordinates as a task may ask for.
const MAX_DIMENSION: u32 = 1 << 20;

/// Runs the network and returns the task's result. Progress goes to standard error.
pub(super) fn run(request: &Request, prepared: &Prepared) -> Result<Value, Error> {
    let interrupted = follow::watch_for_interrupt()?;
    let root = tempfile::Builder::new()
        .prefix("haima-stats-")
        .tempdir()
        .map_err(|e| Error::file(&std::env::temp_dir(), e))?;
    let plan = plan(request, prepared, root.path())?;
    let mut network = Network::make(&plan)?;
    let parties = match plan.nodes {
        0 => format!("{} sites (masked)", plan.cohorts.len()),
        nodes => format!("{nodes} nodes, {} sites", plan.cohorts.len()),
    };
    eprintln!("{parties} and a coordinator, each its own process");
    let mut result = None;
    follow::to_the_end(&mut network, &interrupted, |event| match event {
        Event::Released { round, accepted, seconds, .. } => {
            eprintln!("sum {}: {} sites, {seconds:.1} s", round.step + 1, accepted.len());
        }
        Event::Failed { round, reason, .. } => {
            eprintln!("sum {}: attempt {} failed: {reason}", round.step + 1, round.attempt + 1);
        }
        Event::TaskDone { result: done, .. } => result = Some(done.clone()),
        _ => {}
    })?;
    result.ok_or_else(|| fault(&prepared.task, "the study ended without its result".into()))
}

fn plan(request: &Request, prepared: &Prepared, root: &std::path::Path) -> Result<Plan, Error> {
    let program = std::env::current_exe()
        .map_err(|e| Error::file(std::path::Path::new("this program"), e))?;
    let width = prepared.texts.keys().map(String::len).max().unwrap_or(0);
    let mut cohorts = std::collections::BTreeMap::new();
    for (value, text) in &prepared.texts {
        let name = site_name("site", value, width);
        if cohorts.insert(name.clone(), text.clone()).is_some() {
            let problem = format!("two hospitals' names give the name {name}; rename one");
            return Err(Error::config(&request.data, problem));
        }
    }
    let (mode, nodes) = match request.summing {
        Summing::Nodes(nodes) => (Mode::Nodes, nodes),
        Summing::Plain | Summing::Masked => (Mode::Masked, 0),
    };
    let task = TaskTemplate {
        id: ID.into(),
        task: prepared.task.name.clone(),
        version: prepared.task.version,
        title: prepared.task.name.clone(),
        max_steps: MAX_STEPS,
        spare_attempts: SPARE_ATTEMPTS,
        needs_bound: false,
        privacy: None,
        params: prepared.task.params.clone(),
    };
    let study = Study {
        study: "haima-stats".into(),
        site_column: "site".into(),
        site_prefix: "site".into(),
        // A manifest's floor is at least 2, and counts hospitals that answer, also with zero.
        min_sites: request.floors.min_sites.max(2),
        max_patients: prepared.max_patients,
        max_dimension: MAX_DIMENSION,
        hospitals_per_patient: 1,
        mode,
        masking: None,
        release_quorum: None,
        about: About::default(),
        schema: prepared.schema_text.clone(),
        tasks: vec![task],
    };
    let policy = Policy {
        default_population: "haima-stats".into(),
        epsilon: f64::MIN_POSITIVE,
        delta: None,
        allow_large_delta: false,
        order: None,
        exact_tasks: vec![ID.into()],
        row_revealing_tasks: vec![ID.into()],
        trust_coordinator_sums: true,
        approved_reruns: Vec::new(),
        approved_other_sites: Vec::new(),
        approved_cohorts: Vec::new(),
        max_cohorts: 8,
        min_local_rows: request.floors.min_local_rows,
        min_sites: study.min_sites,
        amendment: None,
        max_attempts_a_day: 1000,
    };
    let (root, timing) = (root.to_owned(), TIMING);
    Ok(Plan { program, root, study, cohorts, nodes, policy, timing, wait_s: 60, poisoner: None })
}
