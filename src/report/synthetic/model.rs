//! What the report on virtual patients is drawn from. As JSON it is what the page shows: what the
//! display rule hides is hidden there too ([`super::hidden`]).

use haima_fl_core::results::fidelity::Fidelity;
use haima_fl_core::results::validation::Share;
use haima_fl_core::results::{Curves, Fit};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use super::hidden;
use crate::model_file::Provenance;
use crate::report::model::{Class, Wording};

/// Value of `schema`.
pub const SCHEMA: &str = "haima.synth-report/1";

/// All that the page draws. What is not there leaves its section out.
///
/// A report in memory may hold more of real patients than `min_cell` lets be shown. Neither page nor
/// JSON does: a hidden number is `null` there, and hidden rows are left out. The steps of a curve that
/// is drawn stay, few as the events of each are.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SyntheticReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// The study, or the file that the patients are like.
    pub title: String,
    /// The virtual patients.
    pub sample: Sample,
    /// Where the generator comes from, and what was promised to whom.
    pub provenance: Provenance,
    /// Tables, distances and trees.
    pub fidelity: Option<Fidelity>,
    /// Kaplan-Meier curves of both.
    pub survival: Vec<SurvivalPair>,
    /// Models fitted to both.
    pub ratios: Vec<RatioPair>,
    /// Models of both, judged on real patients.
    pub utility: Vec<Utility>,
    /// An attack that guesses who was in the data.
    pub membership: Option<Membership>,
    /// Words for columns, events and times.
    pub wording: Wording,
    /// Counts of real patients from 1 up to one below this are not shown, but for the steps of curves.
    pub min_cell: u64,
    /// What a reader has to see first.
    pub warnings: Vec<String>,
}

impl Serialize for SyntheticReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            schema,
            title,
            sample,
            provenance,
            fidelity,
            survival,
            ratios,
            utility,
            membership,
            wording,
            min_cell,
            warnings,
        } = &hidden::without(self);
        let mut to = serializer.serialize_struct("SyntheticReport", 12)?;
        to.serialize_field("schema", schema)?;
        to.serialize_field("title", title)?;
        to.serialize_field("sample", sample)?;
        to.serialize_field("provenance", provenance)?;
        to.serialize_field("fidelity", fidelity)?;
        to.serialize_field("survival", survival)?;
        to.serialize_field("ratios", ratios)?;
        to.serialize_field("utility", utility)?;
        to.serialize_field("membership", membership)?;
        to.serialize_field("wording", wording)?;
        to.serialize_field("min_cell", min_cell)?;
        to.serialize_field("warnings", warnings)?;
        to.end()
    }
}

impl Membership {
    /// Whether the noise hides all that so many generators could have told.
    pub(super) fn is_blind(&self) -> bool {
        self.least.zip(self.limit).is_some_and(|(least, limit)| least > limit)
    }
}

impl SyntheticReport {
    /// Takes over the words of the study, where it has any.
    pub fn speak(&mut self, study: &Wording) {
        let own = &mut self.wording;
        let texts = [
            (&mut own.outcome, &study.outcome),
            (&mut own.event, &study.event),
            (&mut own.events, &study.events),
            (&mut own.origin, &study.origin),
            (&mut own.time_unit, &study.time_unit),
        ];
        for (text, said) in texts.into_iter().filter(|(_, said)| !said.is_empty()) {
            text.clone_from(said);
        }
        own.labels.extend(study.labels.clone());
        own.per.extend(study.per.clone());
    }
}

/// A set of virtual patients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Kind of generator, e.g. `aim`.
    pub method: String,
    /// Digest of the generator, hex.
    pub model_digest: String,
    /// Virtual patients.
    pub rows: u64,
    /// Seed of the row sampler.
    pub seed: u64,
    /// What was asked of them; empty for patients of any kind.
    pub conditions: Vec<String>,
}

/// Kaplan-Meier curves on one grid and of the same groups, matched by their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurvivalPair {
    /// Heading.
    pub title: String,
    /// Whether the real side carries noise.
    pub class: Class,
    /// Of real patients.
    pub real: Curves,
    /// Of virtual ones.
    pub synthetic: Curves,
}

/// One model fitted to both, terms matched by their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioPair {
    /// Heading.
    pub title: String,
    /// Whether the real side carries noise.
    pub class: Class,
    /// Of real patients.
    pub real: Fit,
    /// Of virtual ones.
    pub synthetic: Fit,
}

/// One figure of two models, one fitted to virtual and one to real patients, both judged on the same
/// real ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Utility {
    /// What is predicted.
    pub outcome: String,
    /// By what.
    pub model: String,
    /// Name of the figure, e.g. `C-index`.
    pub measure: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    /// On whom both were judged.
    pub judged_on: String,
    /// Whether the judgement carries noise.
    pub class: Class,
    /// Of the model that was fitted to virtual patients.
    pub synthetic: Share,
    /// Of the model that was fitted to real ones.
    pub real: Share,
    /// Difference that was agreed to be small beforehand.
    pub tolerance: Option<f64>,
}

/// Membership inference by shadow models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// How it goes, in a sentence.
    pub attack: String,
    /// Generators that were fitted for it.
    pub refits: u64,
    /// Chance that a patient who was in the data scores higher than one who was not; 0.5 is a guess.
    pub auc: Share,
    /// What it could have found, in a sentence.
    pub power: String,
    /// Smallest area that so many generators tell from a guess in four of five cases.
    #[serde(default)]
    pub least: Option<f64>,
    /// Area that no attack of any kind passes under the noise.
    #[serde(default)]
    pub limit: Option<f64>,
    /// The same attack on generators without noise.
    pub positive_control: Option<Share>,
}
