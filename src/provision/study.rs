//! A study's template: what a manifest says besides parties and keys, as a TOML file.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;

use haima_dp::ledger::Limit;
use haima_dp::units::{Delta, Epsilon, Order, Rate, Sensitivity};
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::schema::Schema;
use haima_smpc_node::manifest::{Class, Manifest, NoisePlan, Party, SiteParty, TaskEntry};
use haima_smpc_node::masking::{Masking, Mode};
use haima_smpc_node::plan::Plan;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::coordinator::About;

/// A study before it has parties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Name of the study.
    pub study: String,
    /// Column of a pooled CSV by which a demonstration splits patients into sites; empty in a study
    /// that is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub site_column: String,
    /// Operators of that column's values are named after it, e.g. `district` gives `district-7`; the
    /// column where empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub site_prefix: String,
    /// Fewest distinct operators in a sum.
    pub min_sites: u32,
    /// Public cap on the patients of each site.
    pub max_patients: u64,
    /// Most coordinates of a vector.
    pub max_dimension: u32,
    /// Assumed number of hospitals that hold one patient's rows (rule S1).
    #[serde(default = "one")]
    pub hospitals_per_patient: u32,
    /// How contributions are hidden until they are summed.
    #[serde(default, skip_serializing_if = "is_nodes")]
    pub mode: Mode,
    /// Terms of masked mode; those that tolerate the most dropouts where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masking: Option<Masking>,
    /// Nodes that suffice to release a sum (Shamir release); all of them where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_quorum: Option<u32>,
    /// Words of the report.
    #[serde(default)]
    pub about: About,
    /// The cohort's schema.
    pub schema: toml::Table,
    /// Tasks in the order in which they run.
    #[serde(rename = "task")]
    pub tasks: Vec<TaskTemplate>,
}

/// A task of a study, with its target of privacy instead of the noise that follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskTemplate {
    /// Manifest id.
    pub id: String,
    /// Registered name.
    pub task: String,
    /// Version.
    pub version: u32,
    /// Heading in the report.
    pub title: String,
    /// Most steps.
    pub max_steps: u32,
    /// Attempts beyond one a step.
    pub spare_attempts: u32,
    /// Whether a hospital's bound must be proved: the task does not run in masked mode then (rule M3).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_bound: bool,
    /// Target of the private class; exact when absent.
    #[serde(default)]
    pub privacy: Option<Privacy>,
    /// Parameters.
    #[serde(default)]
    pub params: toml::Table,
}

/// A target of privacy for one task, coalition figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// Epsilon of all attempts together.
    pub epsilon: f64,
    /// Delta.
    pub delta: f64,
    /// By which theorem the hospitals' ledgers will enforce their limits.
    #[serde(default)]
    pub accountant: Accountant,
}

/// What noise is calibrated for. The order of a Renyi filter follows from the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accountant {
    /// Zero-concentrated differential privacy; sampling counts for nothing.
    #[default]
    Zcdp,
    /// The Renyi divergence of the order that needs the least noise; sampling is amplified.
    Renyi,
}

/// How long things may take in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From opening a round to its deadline, milliseconds.
    pub round_ms: u64,
    /// After the deadline for the nodes' agreement, milliseconds.
    pub grace_ms: u64,
    /// Submission tick, milliseconds.
    pub tick_ms: u32,
}

fn one() -> u32 {
    1
}

fn is_nodes(mode: &Mode) -> bool {
    *mode == Mode::Nodes
}

impl Study {
    /// Reads a template.
    ///
    /// # Errors
    /// When the file is missing or does not parse.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        toml::from_str(&text).map_err(|e| Error::config(path, e.to_string()))
    }

    /// The manifest of this study among these parties; noise is calibrated to each task's target
    /// over all its steps and spare attempts (rule L1).
    ///
    /// # Errors
    /// When the schema, a task or a target cannot be used.
    pub fn manifest(
        &self,
        coordinator: Party,
        nodes: Vec<Party>,
        sites: Vec<Party>,
        timing: Timing,
    ) -> Result<Manifest, Error> {
        let masking = self.terms(sites.len());
        let tasks = self.entries(masking)?;
        let sites = sites
            .into_iter()
            .map(|site| SiteParty {
                name: site.name,
                operator: site.operator,
                identity: site.identity,
                tls: site.tls,
                max_patients: self.max_patients,
            })
            .collect();
        let manifest = Manifest {
            version: 1,
            study: self.study.clone(),
            revision: 1,
            amends: None,
            mode: self.mode,
            masking,
            min_sites: self.min_sites,
            max_dimension: self.max_dimension,
            round_ms: timing.round_ms,
            grace_ms: timing.grace_ms,
            tick_ms: timing.tick_ms,
            hospitals_per_patient: self.hospitals_per_patient,
            release_quorum: self.release_quorum,
            plan: Plan::of_tasks(&self.study, &tasks).digest().to_string(),
            coordinator,
            nodes,
            sites,
            tasks,
            schema: self.schema.clone(),
        };
        Ok(manifest.checked()?)
    }

    /// The terms of masked mode among so many sites; `None` with nodes. Whether they are allowed is
    /// checked with the manifest.
    #[must_use]
    pub fn terms(&self, sites: usize) -> Option<Masking> {
        let proposed = || Masking::of(u32::try_from(sites).unwrap_or(u32::MAX));
        match self.mode {
            // Kept, for the manifest's check to refuse.
            Mode::Nodes => self.masking,
            Mode::Masked => Some(self.masking.unwrap_or_else(proposed)),
        }
    }

    /// All private releases that the manifest of so many sites will commit to.
    ///
    /// # Errors
    /// When the schema, a task or a target cannot be used.
    pub fn plan(&self, sites: usize) -> Result<Plan, Error> {
        Ok(Plan::of_tasks(&self.study, &self.entries(self.terms(sites))?))
    }

    fn entries(&self, masking: Option<Masking>) -> Result<Vec<TaskEntry>, Error> {
        let schema = Schema::from_toml(&self.schema)?;
        let draws = NonZeroU32::new(masking.map_or(1, Masking::honest)).unwrap_or(NonZeroU32::MIN);
        let (mut entries, mut known) = (Vec::with_capacity(self.tasks.len()), Finished::new());
        for task in &self.tasks {
            entries.push(task.entry(&schema, self.hospitals_per_patient, draws, &known)?);
            let run = registry::open(&task.task, task.version, &task.params, &schema, &known);
            // What cannot be opened yet has no outline, or is refused by `check`.
            if let Some(outline) = run.ok().and_then(|run| run.outline()) {
                known.insert(task.id.clone(), outline);
            }
        }
        Ok(entries)
    }

    /// What the report says, with the tasks' headings.
    #[must_use]
    pub fn about(&self) -> About {
        let mut about = self.about.clone();
        let titles = self.tasks.iter().map(|task| (task.id.clone(), task.title.clone()));
        about.titles = titles.collect();
        about
    }
}

impl TaskTemplate {
    fn entry(
        &self,
        schema: &Schema,
        hospitals: u32,
        draws: NonZeroU32,
        known: &Finished,
    ) -> Result<TaskEntry, Error> {
        let calibrate = |target| self.calibrate(target, schema, hospitals, draws, known);
        let noise = self.privacy.map(calibrate).transpose()?;
        Ok(TaskEntry {
            id: self.id.clone(),
            task: self.task.clone(),
            version: self.version,
            class: if noise.is_some() { Class::Private } else { Class::Exact },
            max_steps: self.max_steps,
            spare_attempts: self.spare_attempts,
            needs_bound: self.needs_bound,
            noise,
            title: (!self.title.is_empty()).then(|| self.title.clone()),
            params: self.params.clone(),
        })
    }

    /// The noise at which all attempts of the plan stay within the target, coalition figure: the scale
    /// of each of `draws` that the coalition cannot take off. `known` has outlines of earlier tasks.
    fn calibrate(
        &self,
        target: Privacy,
        schema: &Schema,
        hospitals: u32,
        draws: NonZeroU32,
        known: &Finished,
    ) -> Result<NoisePlan, Error> {
        let fault = |problem: &str| Error::Config {
            file: format!("task {}", self.id),
            problem: problem.to_owned(),
        };
        let run = registry::open(&self.task, self.version, &self.params, schema, known)?;
        let query = run.query().ok_or_else(|| fault("it asks nothing"))?;
        let sensitivity = query.sensitivity.ok_or_else(|| {
            fault(
                "it bounds no patient, so it cannot be private; a task that has `release` does \
                     with release = \"noised\"",
            )
        })?;
        let (epsilon, delta) = (Epsilon::new(target.epsilon)?, Delta::new(target.delta)?);
        let attempts = self
            .max_steps
            .checked_add(self.spare_attempts)
            .ok_or_else(|| fault("too many attempts"))?;
        let sensitivity = Sensitivity::new(sensitivity)?.across_hospitals(hospitals)?;
        // Later questions may be longer.
        let dimension = query.dimension().max(run.most_coordinates().unwrap_or(0)) as u64;
        let coordinates = NonZeroU64::new(dimension).ok_or_else(|| fault("it asks nothing"))?;
        let rate = Rate::new(query.rate)?;
        let limit = match target.accountant {
            Accountant::Zcdp => Limit::zcdp(epsilon, delta),
            Accountant::Renyi => {
                Limit::with_best_order(epsilon, delta, attempts, sensitivity, coordinates, rate)?
            }
        };
        let s = limit.noise_for_each(draws, attempts, sensitivity, coordinates, rate)?.get();
        Ok(NoisePlan {
            s,
            draws: draws.get(),
            q: query.rate,
            sensitivity: sensitivity.get(),
            dimension,
            delta: target.delta,
            order: limit.filter.order().map(Order::get),
        })
    }
}
