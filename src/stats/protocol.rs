//! A task over local hospitals as a study of that one task: nodes, sites and coordinator as processes
//! of this machine, as `haima demo` starts them.

use std::path::Path;

use haima_smpc_node::masking::Mode;
use haima_smpc_node::plan::TaskPlan;
use serde_json::Value;

use super::hospitals::Hospitals;
use super::{Summing, Task};
use crate::Error;
use crate::coordinator::About;
use crate::coordinator::events::Event;
use crate::demo::follow;
use crate::demo::network::{Network, Plan};
use crate::demo::run::TIMING;
use crate::pooled::site_name;
use crate::provision::{Study, TaskTemplate};
use crate::report::Floors;
use crate::site::Policy;

/// Manifest id of the study's one task.
pub(crate) const ID: &str = "analysis";
/// More sums than any exact task takes; spare steps cost nothing without noise.
const MAX_STEPS: u32 = 250;
/// Attempts beyond one a step.
pub(crate) const SPARE_ATTEMPTS: u32 = 5;
/// As many coordinates as a task may ask for.
const MAX_DIMENSION: u32 = 1 << 20;
/// What a day may see at the least.
const ATTEMPTS_A_DAY: u32 = 1000;

/// A task, the hospitals that it is about, and how they sum.
pub(crate) struct Job<'a> {
    /// Names folder, study and population.
    pub(crate) command: &'static str,
    /// Named in errors about the hospitals.
    pub(crate) file: &'a Path,
    pub(crate) hospitals: &'a Hospitals,
    pub(crate) task: TaskTemplate,
    pub(crate) floors: &'a Floors,
    pub(crate) summing: Summing,
}

/// A task in the exact class, with steps to spare.
pub(crate) fn exact(task: &Task) -> TaskTemplate {
    TaskTemplate {
        id: ID.into(),
        task: task.name.clone(),
        version: task.version,
        title: task.name.clone(),
        max_steps: MAX_STEPS,
        spare_attempts: SPARE_ATTEMPTS,
        needs_bound: false,
        privacy: None,
        params: task.params.clone(),
    }
}

impl Job<'_> {
    /// The study that the job is.
    pub(crate) fn study(&self) -> Study {
        Study {
            study: self.command.into(),
            site_column: "site".into(),
            site_prefix: "site".into(),
            // A manifest's floor is at least 2, and counts hospitals that answer, also with zero.
            min_sites: self.floors.min_sites.max(2),
            max_patients: self.hospitals.max_patients,
            max_dimension: MAX_DIMENSION,
            hospitals_per_patient: self.hospitals.public.hospitals_per_patient,
            mode: match self.summing {
                Summing::Plain | Summing::Nodes(_) => Mode::Nodes,
                Summing::Masked => Mode::Masked,
            },
            masking: None,
            release_quorum: None,
            about: About::default(),
            schema: self.hospitals.schema_text.clone(),
            tasks: vec![self.task.clone()],
        }
    }

    /// What the study's manifest commits to, with its noise; `None` in the exact class.
    ///
    /// # Errors
    /// When no noise reaches the target.
    pub(crate) fn committed(&self) -> Result<Option<TaskPlan>, Error> {
        let plan = self.study().plan(self.hospitals.cohorts.len())?;
        Ok(plan.tasks.into_iter().next())
    }

    /// Runs the network to its end. Progress goes to standard error.
    ///
    /// # Errors
    /// When a party falls, the study fails or the user interrupts.
    pub(crate) fn run(&self) -> Result<Value, Error> {
        let interrupted = follow::watch_for_interrupt()?;
        let root = tempfile::Builder::new()
            .prefix(&format!("{}-", self.command))
            .tempdir()
            .map_err(|e| Error::file(&std::env::temp_dir(), e))?;
        let plan = self.plan(root.path())?;
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
        result.ok_or_else(|| Error::Config {
            file: format!("task {}", self.task.task),
            problem: "the study ended without its result".into(),
        })
    }

    fn plan(&self, root: &Path) -> Result<Plan, Error> {
        let program =
            std::env::current_exe().map_err(|e| Error::file(Path::new("this program"), e))?;
        let texts = &self.hospitals.texts;
        let width = texts.keys().map(String::len).max().unwrap_or(0);
        let mut cohorts = std::collections::BTreeMap::new();
        for (value, text) in texts {
            let name = site_name("site", value, width);
            if cohorts.insert(name.clone(), text.clone()).is_some() {
                let problem = format!("two hospitals' names give the name {name}; rename one");
                return Err(Error::config(self.file, problem));
            }
        }
        let nodes = match self.summing {
            Summing::Nodes(nodes) => nodes,
            Summing::Plain | Summing::Masked => 0,
        };
        let (study, policy) = (self.study(), self.policy()?);
        let (root, timing) = (root.to_owned(), TIMING);
        Ok(Plan {
            program,
            root,
            study,
            cohorts,
            nodes,
            policy,
            timing,
            wait_s: 60,
            poisoner: None,
        })
    }

    /// A hospital that allows this task and nothing else.
    fn policy(&self) -> Result<Policy, Error> {
        let committed = self.committed()?;
        let exact = if committed.is_none() { vec![ID.to_owned()] } else { Vec::new() };
        let target = self.task.privacy;
        Ok(Policy {
            epsilon: target.map_or(f64::MIN_POSITIVE, |target| target.epsilon),
            delta: target.map(|target| target.delta),
            order: committed.and_then(|plan| plan.noise.order),
            exact_tasks: exact.clone(),
            row_revealing_tasks: exact,
            trust_coordinator_sums: true,
            min_local_rows: self.floors.min_local_rows,
            min_sites: self.floors.min_sites.max(2),
            max_attempts_a_day: ATTEMPTS_A_DAY
                .max(self.task.max_steps.saturating_add(self.task.spare_attempts)),
            ..Policy::new(self.command, f64::MIN_POSITIVE)
        })
    }
}
