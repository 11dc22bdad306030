//! What a hospital allows, whoever asks: who may ask what, when and how much, budgets, floors, and
//! which tasks without noise.
//!
//! It is one TOML file, `data/policy.toml` with every field and its default. `permits` holds a round
//! against it; `hours` are the times at which rounds are answered.

mod hours;
mod permits;

use std::collections::BTreeMap;
use std::path::Path;

use haima_dp::ledger::{Budget, Filter, Ledger, Limit};
use haima_dp::units::{Delta, Epsilon, Order};
use haima_fl_core::registry;
use haima_smpc_node::manifest::{Class, Manifest, TaskEntry};
use serde::{Deserialize, Serialize};

pub use self::hours::{Day, Hours};
pub(super) use self::permits::{Permits, Why, approval, place_name};
use crate::Error;

/// Most bytes of a policy that are read.
const MOST_BYTES: u64 = 1 << 20;
/// Decimal digits of a fingerprint.
const DIGITS: usize = 25;

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
    /// Exact runs that are answered though an exact task was answered under another run, manifest or data
    /// version, each as `task/run@TAG`: TAG is of the one manifest and data version for which it holds, and
    /// the refusal in the site's log prints the entry (rule X2).
    #[serde(default)]
    pub approved_reruns: Vec<String>,
    /// Masked mode: exact runs that may begin over other hospitals than the exact sums before, each as
    /// `task/run@TAG` like an approved rerun. All exact sums of one run are over one set, whatever stands
    /// here (rule X2).
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
    /// Fingerprints of the coordinators that may ask, 25 digits each, as `haima approve` prints them;
    /// where absent, the coordinator of the manifest that this hospital signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinators: Option<Vec<String>>,
    /// Names of the studies that may ask; where absent, the one whose manifest this hospital signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub studies: Option<Vec<String>>,
    /// Manifest ids of the tasks that are answered at all, noised ones too; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_tasks: Option<Vec<String>>,
    /// Registered names of the tasks (`cox`, `table1`) that are answered at all; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_kinds: Option<Vec<String>>,
    /// Most numbers of a contribution; the manifest's `max_dimension` alone where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_elements: Option<u64>,
    /// Most bytes that leave in a round, to all nodes together, or in masked mode of the masked vector;
    /// no limit of its own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Tasks of which every run waits for a yes of somebody at the hospital; none where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual_approval: Option<Approval>,
    /// When rounds are answered; always where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
}

/// Which tasks are held back until somebody at the hospital says yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a list of task ids of the manifest, or \"all\"")]
pub enum Approval {
    /// These, by manifest id.
    Tasks(Vec<String>),
    /// Every task.
    Every(Every),
}

/// The word for every task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    /// All of them.
    All,
}

impl Approval {
    /// Whether a task of this manifest id is held back.
    #[must_use]
    pub fn covers(&self, task: &str) -> bool {
        match self {
            Self::Tasks(tasks) => tasks.iter().any(|own| own == task),
            Self::Every(Every::All) => true,
        }
    }

    /// Its ids that are no task of a manifest.
    fn unknown(&self, manifest: &Manifest) -> Vec<&str> {
        match self {
            Self::Tasks(tasks) => unknown(tasks.iter().map(String::as_str), manifest),
            Self::Every(Every::All) => Vec::new(),
        }
    }
}

/// Those of some ids that are no task of a manifest.
fn unknown<'a>(ids: impl Iterator<Item = &'a str>, manifest: &Manifest) -> Vec<&'a str> {
    ids.filter(|id| manifest.task(id).is_err()).collect()
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

/// A fingerprint's digits, however they are grouped.
fn digits(fingerprint: &str) -> String {
    fingerprint.chars().filter(|c| !c.is_whitespace()).collect()
}

impl Policy {
    /// A policy file that states every field with a comment, for a hospital to begin with.
    pub const EXAMPLE: &'static str = include_str!("../../data/policy.toml");

    /// A policy of the two figures that have no default; all else is at its own.
    #[must_use]
    pub fn new(default_population: impl Into<String>, epsilon: f64) -> Self {
        Self {
            default_population: default_population.into(),
            epsilon,
            delta: None,
            allow_large_delta: false,
            order: None,
            exact_tasks: Vec::new(),
            row_revealing_tasks: Vec::new(),
            trust_coordinator_sums: false,
            approved_reruns: Vec::new(),
            approved_other_sites: Vec::new(),
            approved_cohorts: Vec::new(),
            max_cohorts: eight(),
            min_local_rows: ten(),
            min_sites: three(),
            amendment: None,
            max_attempts_a_day: a_thousand(),
            coordinators: None,
            studies: None,
            allowed_tasks: None,
            allowed_kinds: None,
            max_elements: None,
            max_bytes: None,
            manual_approval: None,
            hours: None,
        }
    }

    /// Reads and checks a policy.
    ///
    /// # Errors
    /// When the file is missing, over 1 MiB, does not parse, or a field is out of its range: naming
    /// the file and the field.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let size = std::fs::metadata(path).map_err(|e| Error::file(path, e))?.len();
        if size > MOST_BYTES {
            return Err(Error::config(
                path,
                format!("{size} bytes; at most {MOST_BYTES} are read"),
            ));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        Self::parse(&text).map_err(|problem| Error::config(path, problem))
    }

    /// Parses and checks a policy.
    ///
    /// # Errors
    /// What is wrong, naming the line or the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let policy: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        policy.check()?;
        Ok(policy)
    }

    /// Whether fields that stand alone make sense. Epsilon, delta and order are held against a study.
    fn check(&self) -> Result<(), String> {
        Ledger::file_name(&self.default_population)
            .map_err(|error| format!("`default_population`: {error}"))?;
        for given in self.coordinators.iter().flatten() {
            let own = digits(given);
            if own.len() != DIGITS || !own.bytes().all(|b| b.is_ascii_digit()) {
                return Err(format!(
                    "`coordinators`: {given:?} is no fingerprint; copy the {DIGITS} digits that \
                     `haima approve` prints beside the coordinator"
                ));
            }
        }
        for kind in self.allowed_kinds.iter().flatten() {
            if !registry::known().any(|(name, _)| name == kind) {
                let mut names: Vec<&str> = registry::known().map(|(name, _)| name).collect();
                names.dedup();
                return Err(format!(
                    "`allowed_kinds`: this program has no task {kind:?}; it has {}",
                    names.join(", ")
                ));
            }
        }
        for (field, runs) in [
            ("approved_reruns", &self.approved_reruns),
            ("approved_other_sites", &self.approved_other_sites),
        ] {
            if let Some(given) = runs.iter().find(|run| !permits::is_approval(run)) {
                return Err(format!(
                    "`{field}`: {given:?} is no \"task/run@TAG\", whose TAG is of the one manifest and \
                     data version for which it holds; take it out and have the run asked once: the \
                     refusal in this site's log prints the entry"
                ));
            }
        }
        for (field, most) in [("max_elements", self.max_elements), ("max_bytes", self.max_bytes)] {
            if most == Some(0) {
                return Err(format!(
                    "`{field}` = 0 would refuse every round; state at least 1, or leave it out"
                ));
            }
        }
        match &self.hours {
            Some(hours) => hours.check(),
            None => Ok(()),
        }
    }

    /// Whether runs of a task wait for a yes of somebody at the hospital.
    #[must_use]
    pub fn asks_first(&self, task: &str) -> bool {
        self.manual_approval.as_ref().is_some_and(|approval| approval.covers(task))
    }

    /// Whether a site may start with this policy in a study. An id in `manual_approval` that is no task
    /// would have the task that it means answered without a yes, also after an amendment that gives it
    /// another id. Every other list of ids allows what it names, so that one misspelt refuses too much.
    ///
    /// # Errors
    /// The field, the ids, and what to do.
    pub fn fits(&self, manifest: &Manifest) -> Result<(), String> {
        let unknown = self.manual_approval.iter().flat_map(|approval| approval.unknown(manifest));
        let unknown: Vec<&str> = unknown.collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(format!(
            "`manual_approval` names {}, which the study does not have: the task that is meant would be \
             answered without a yes. Name the manifest's own ids, or \"all\"",
            unknown.join(", ")
        ))
    }

    /// Ids that the lists which allow something name and the study does not have, by field: nothing is
    /// answered for them, but a misspelt one refuses what it was meant to allow.
    pub(crate) fn idle(&self, manifest: &Manifest) -> Vec<(&'static str, Vec<&str>)> {
        let allowed = self.allowed_tasks.as_deref().unwrap_or_default();
        let lists = [
            ("exact_tasks", self.exact_tasks.as_slice()),
            ("row_revealing_tasks", self.row_revealing_tasks.as_slice()),
            ("allowed_tasks", allowed),
            ("approved_reruns", self.approved_reruns.as_slice()),
            ("approved_other_sites", self.approved_other_sites.as_slice()),
            ("approved_cohorts", self.approved_cohorts.as_slice()),
        ];
        let fields = lists.into_iter().map(|(field, named)| {
            // Runs are named `task/run@TAG`.
            let ids = named.iter().filter_map(|named| named.split('/').next());
            (field, unknown(ids, manifest))
        });
        fields.filter(|(_, unknown)| !unknown.is_empty()).collect()
    }

    /// Why a round is not answered outside of the policy's hours; none where it has none. The text is the
    /// same at every hour.
    pub(super) fn closed(&self) -> Option<String> {
        self.hours.as_ref().map(|hours| format!("this site answers {hours} (hours)"))
    }

    /// Why a task is never answered, whatever the round; `None` where it may be.
    pub(super) fn forbids_task(&self, entry: &TaskEntry) -> Option<String> {
        let lacks = |list: &Option<Vec<String>>, name: &str| {
            list.as_ref().is_some_and(|list| !list.iter().any(|own| own == name))
        };
        let TaskEntry { id, task, .. } = entry;
        if lacks(&self.allowed_tasks, id) {
            return Some(format!("policy does not allow {id} (allowed_tasks)"));
        }
        if lacks(&self.allowed_kinds, task) {
            let why = format!("policy does not allow tasks of the kind {task} (allowed_kinds)");
            return Some(why);
        }
        if entry.class != Class::Exact {
            return None;
        }
        if !self.exact_tasks.contains(id) {
            return Some(format!("policy does not allow {id} without noise (exact_tasks)"));
        }
        let row = registry::reveals_rows(task, &entry.params);
        (row && !self.row_revealing_tasks.contains(id)).then(|| {
            format!(
                "the exact sums of {id} can hold a single patient's row; policy does not allow that \
                 (row_revealing_tasks)"
            )
        })
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
