//! What a study leaves behind: everything that the report shows, as one serialisable value.
//!
//! The coordinator fills a [`StudyReport`] while a study runs and writes it beside the page as
//! JSON (`haima.report/1`), so that the page can be drawn again and other software can read the
//! same numbers. Nothing here is secret: it holds released sums and what was computed from them,
//! names, keys' fingerprints and figures of the ledgers.

use std::collections::BTreeMap;

use haima_fl_core::results::Concordance;
use serde::{Deserialize, Serialize};

use super::numbers::Budget;
use super::result::StepResult;

/// Value of [`StudyReport::schema`].
pub const SCHEMA: &str = "haima.report/1";

/// A whole study, as its readers see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StudyReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name of the study.
    pub study: String,
    /// One line on whom it is about, e.g. `1,043 patients with acute myeloid leukaemia, 24 hospitals`.
    pub title: String,
    /// Where the data come from: source, citation, licence. May be empty.
    pub data_note: String,
    /// How sums were computed, e.g. `3 nodes, additive shares`.
    pub mode: String,
    /// Terms of masked mode; `None` with nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<MaskedTerms>,
    /// What a reader must know before any number, e.g. that one operator ran every party.
    pub warnings: Vec<String>,
    /// Digest of the manifest, hex.
    pub manifest_digest: String,
    /// Start, unix seconds.
    pub started: u64,
    /// End, unix seconds.
    pub finished: u64,
    /// Words for columns, groups and times.
    pub wording: Wording,
    /// Everyone who took part.
    pub parties: Vec<Party>,
    /// Sites that contributed to nothing, with the reason they may give (rule S5: never one that
    /// depends on their patients, but for the published floors).
    pub excluded: Vec<Excluded>,
    /// Thresholds in force.
    pub floors: Floors,
    /// Hospitals that one patient is assumed to appear in at most (rule S1).
    pub hospitals_per_patient: u32,
    /// What holds outside (epsilon, delta): numbers taken as public, with who declared them.
    pub assumptions: Vec<String>,
    /// What the mode promises, and what it does not.
    pub promises: Vec<Promise>,
    /// Computations, in the order in which they ran.
    pub steps: Vec<Step>,
    /// Every round, the failed ones too.
    pub rounds: Vec<RoundRow>,
    /// One row a site.
    pub ledger: Vec<SiteLedger>,
    /// The plan of all private tasks together; `None` where nothing is private.
    pub plan: Option<Committed>,
    /// The price of noise, where it can be known.
    pub comparison: Option<Comparison>,
    /// How a reader checks this report.
    pub checks: Vec<Check>,
}

impl StudyReport {
    /// An empty report of the current schema.
    #[must_use]
    pub fn new(study: impl Into<String>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            study: study.into(),
            hospitals_per_patient: 1,
            ..Self::default()
        }
    }
}

/// Masked mode, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskedTerms {
    /// n: hospitals of the study.
    pub sites: u32,
    /// t: hospitals that must stay to a round's end.
    pub threshold: u32,
    /// c: hospitals that may join the coordinator.
    pub corrupt: u32,
    /// h = t - c: parts of the noise that are sure to be in every sum.
    pub honest: u32,
}

/// Words that turn columns into sentences. Fields left out or empty fall back to neutral words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wording {
    /// What the curves show, e.g. `Overall survival`.
    pub outcome: String,
    /// The event, e.g. `death`.
    pub event: String,
    /// Its plural, e.g. `deaths`.
    pub events: String,
    /// Where time starts, e.g. `diagnosis`.
    pub origin: String,
    /// Unit of times in the data, e.g. `days`; `days` and `months` turn into years on long axes.
    pub time_unit: String,
    /// Readable text of a column or term (`age`), or of a level (`male=1`).
    pub labels: BTreeMap<String, String>,
    /// Multiple of a column's unit in which the forest plot and the findings show its ratio, e.g.
    /// 10 for `age`; the label should say it (`Age, per 10 years`). Tables stay in raw units.
    pub per: BTreeMap<String, f64>,
}

/// A party to the study.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Name in the manifest.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Who runs it; floors count distinct operators (rule R8).
    pub operator: String,
    /// Fingerprint of its identity key, as read out over the telephone.
    pub fingerprint: String,
    /// Anything else, possibly empty.
    pub note: String,
}

/// What a party does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A hospital.
    Site,
    /// An independent holder of shares.
    Node,
    /// Who asks the questions and receives the sums.
    Coordinator,
}

/// A site that contributed to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// Name in the manifest.
    pub site: String,
    /// Why, e.g. `fewer rows than min_local_rows`.
    pub reason: String,
}

/// Thresholds in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floors {
    /// Distinct operators that must answer; each node and each site enforces it.
    pub min_sites: u32,
    /// Rows below which a site stays out; the site enforces it.
    pub min_local_rows: u64,
    /// Counts from 1 up to one below this are not printed. A display rule of honest software, no
    /// promise against the coordinator.
    pub min_cell: u64,
}

impl Default for Floors {
    fn default() -> Self {
        Self { min_sites: 3, min_local_rows: 10, min_cell: 5 }
    }
}

/// One row of "what is promised, against whom".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// What is promised.
    pub property: String,
    /// Against whom.
    pub against: String,
    /// Whether it holds in the software that ran.
    pub holds: Holds,
    /// Limits, in words.
    pub note: String,
}

/// Whether a promise holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// It holds.
    Yes,
    /// It holds with the limits in the note.
    Partly,
    /// It does not hold.
    No,
}

/// One computation: a task run to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Identifier in the manifest's plan.
    pub id: String,
    /// Heading for readers.
    pub title: String,
    /// Task name, e.g. `cox`.
    pub task: String,
    /// With noise or without.
    pub class: Class,
    /// Canonical text of the task's cohort, a predicate a line; empty for all patients.
    #[serde(default)]
    pub cohort: String,
    /// Released rounds.
    pub rounds: u32,
    /// Attempts that failed, each charged like a release (rule L1).
    pub attempts_failed: u32,
    /// Wall time.
    pub seconds: f64,
    /// Bytes that all sites sent together.
    pub bytes_sent_by_sites: u64,
    /// Bytes that all nodes received together.
    pub bytes_received_by_nodes: u64,
    /// Bytes of released sums that the coordinator received.
    pub bytes_released: u64,
    /// What came out; `None` when the step failed.
    pub result: Option<StepResult>,
}

/// With noise or without.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Class {
    /// No noise: charged as infinite, reported apart, without any privacy guarantee (rule X1).
    Exact,
    /// Noised by every node.
    Private(Privacy),
}

/// What a private step costs: its whole plan of steps and spare attempts, whatever number of them
/// ran (rules L1, L2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Privacy {
    /// Against all nodes but one, the coordinator and all other sites together, by the theorem that
    /// the plan was calibrated with: it holds for ledgers that are enforced as the study goes.
    pub epsilon_coalition: f64,
    /// The smallest bound for the plan against the same coalition. It holds because the plan was
    /// committed before the first release.
    pub best_coalition: Best,
    /// The same against readers of the released results alone.
    pub best_public: Best,
    /// For all figures.
    pub delta: f64,
    /// Cost of the plan in the unit of [`Privacy::accountant`], coalition figure.
    pub cost: f64,
    /// Probability with which each patient takes part in a round.
    pub sampling_rate: f64,
    /// Standard deviation of the noise that each node adds a round, grid steps.
    pub noise_s: f64,
    /// D of rule S2, grid steps.
    pub sensitivity: f64,
    /// L2 distance, in grid steps, by which one honest site can move a round's sum
    /// (`max_patients * C`); printed beside the noise.
    pub site_bound: Option<f64>,
    /// What neighbouring data sets differ in: `patient`.
    pub unit: String,
    /// How they differ: `add/remove`.
    pub adjacency: String,
    /// By which theorem [`Privacy::epsilon_coalition`] is counted.
    pub accountant: String,
}

/// The plan that was committed before the first release: every private task, all attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Committed {
    /// Digest of the plan, hex, as the manifest names it.
    pub digest: String,
    /// For both figures.
    pub delta: f64,
    /// The smallest bound against all nodes but one, the coordinator and all other sites.
    pub best_coalition: Best,
    /// The smallest bound against readers of the released results.
    pub best_public: Best,
}

/// The smallest epsilon that any accountant proves for a committed plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The figure.
    pub epsilon: f64,
    /// By which accountant.
    pub method: String,
}

impl From<haima_dp::accountant::Bound> for Best {
    fn from(bound: haima_dp::accountant::Bound) -> Self {
        Self { epsilon: bound.value, method: bound.method.to_string() }
    }
}

/// One attempt at one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundRow {
    /// Number in the study.
    pub number: u64,
    /// Task name.
    pub task: String,
    /// [`Step::id`].
    pub step: String,
    /// Attempt, from 1.
    pub attempt: u32,
    /// With noise or without.
    pub class: RoundClass,
    /// Sites in the accepted set.
    pub sites_accepted: u32,
    /// Sites in the round's roster.
    pub sites_total: u32,
    /// Names of the others.
    pub left_out: Vec<String>,
    /// Those of them whose proof failed (rule R3).
    #[serde(default)]
    pub refused: Vec<String>,
    /// Wall time.
    pub seconds: f64,
    /// Bytes that sites sent.
    pub bytes: u64,
    /// Digest of the round's specification, hex.
    pub digest: String,
    /// How it ended.
    pub status: RoundStatus,
    /// Who refused it when the coordinator stopped at it and was started again, for each such stop. It
    /// went on as the same attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stops: Vec<String>,
}

/// With noise or without, where the figures stand elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundClass {
    /// No noise.
    Exact,
    /// Noised.
    Private,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum RoundStatus {
    /// The sum was released.
    Released,
    /// Nothing was released.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A site's ledger at the end of the study. Epsilons are coalition figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteLedger {
    /// Name in the manifest.
    pub site: String,
    /// Population that the budget belongs to (rule L3).
    pub population: String,
    /// Used of the limit; not itself a guarantee (rule L2).
    pub epsilon_spent: f64,
    /// The limit, which is the guarantee of an adaptive study.
    pub epsilon_limit: f64,
    /// For both.
    pub delta: f64,
    /// By which theorem the limit is enforced, e.g. `zCDP` or `Renyi divergence of order 21`.
    pub filter: String,
    /// Used of the limit in that theorem's own unit.
    pub cost_spent: f64,
    /// The limit in that unit.
    pub cost_limit: f64,
    /// Releases without noise, which no epsilon covers.
    pub exact_releases: u32,
}

impl SiteLedger {
    /// What is used, as it is told to readers.
    pub(crate) fn told(&self) -> Budget {
        Budget {
            epsilon: [self.epsilon_spent, self.epsilon_limit],
            filter: self.filter.clone(),
            cost: [self.cost_spent, self.cost_limit],
        }
    }
}

/// The same model with and without noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Of the model that the network trained.
    pub with_noise: Concordance,
    /// Of its twin without noise.
    pub without_noise: Concordance,
    /// Where the twin comes from.
    pub note: String,
}

/// One way for a reader to check the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What to do, and what it shows.
    pub text: String,
    /// Command line, possibly empty.
    pub command: String,
}
