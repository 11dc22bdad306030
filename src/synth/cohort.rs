//! What is said of virtual patients wherever they go: from which model, under which promise, drawn
//! how. It stands beside every file of them, and inside where the form has a place.
//!
//! The seed is the row sampler's own. With the model's digest it makes the same rows again, and it
//! tells nothing of patients: rows are a function of the released model and of it. There is no seed of
//! noise or of sampled patients here, for none is known to whoever has a model.

use haima_fl_core::results::generator::Generator;
use haima_fl_core::schema::{PatientKey, Schema};
use serde::{Deserialize, Serialize};

use super::file::{self, SynthFile};
use super::sample::{self, Asked};
use crate::Error;
use crate::card;
use crate::model_file::Guarantee;

/// Form of the provenance.
pub const SCHEMA: &str = "haima.virtual-cohort/1";
/// What every reader has to know.
const STATEMENT: &str = "Virtual patients, drawn from a statistical model of a cohort. No row is a \
                         patient. For research and software; no decision about a patient should rest \
                         on them.";

/// Notes of a generator that go with its patients, and letters of one: they stand in every Phenopacket.
const MOST_NOTES: usize = 30;
const MOST_LETTERS: usize = 400;

/// Where virtual patients come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualCohort {
    /// [`SCHEMA`].
    pub schema: String,
    /// Always true.
    pub synthetic: bool,
    /// What it is, in words.
    pub statement: String,
    /// The study, or the file that the patients are like.
    pub study: String,
    /// The generator.
    pub model: Model,
    /// What was promised to the real patients, against whom: epsilon, delta, unit and adversary.
    pub privacy: Guarantee,
    /// The same in words, with all that the study says beside it.
    pub promise: Vec<String>,
    /// How sums were made: a simulation, nodes, masked.
    #[serde(default)]
    pub mode: String,
    /// What a reader has to know of the study: its warnings, and what else it released.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Whom the generator was fitted on: the cohort's predicates; empty for all patients.
    pub fitted_on: String,
    /// Virtual patients.
    pub rows: u64,
    /// What was asked of them; empty for patients of any kind.
    pub conditions: Vec<String>,
    /// Share of the model's patients that meet the conditions; none where nothing was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Seed of the row sampler.
    pub row_seed: u64,
    /// What drew them.
    pub made_by: String,
    /// SHA3-256 (FIPS 202) of the bytes of the file that this stands beside, in hexadecimal; none
    /// in a folder of Phenopackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A generator in a few words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Form of its file.
    pub schema: String,
    /// Digest of its file's manifest, which has those of all parts.
    pub digest: String,
    /// Kind of generator, e.g. `aim`.
    pub method: String,
}

impl VirtualCohort {
    /// The provenance of rows that were asked of a generator.
    #[must_use]
    pub fn of(file: &SynthFile, digest: &str, generator: &Generator, asked: &Asked) -> Self {
        let (privacy, mode) = (file.provenance.privacy.clone(), cut(&file.provenance.mode));
        let notes: Vec<String> =
            file.provenance.notes.iter().take(MOST_NOTES).map(|note| cut(note)).collect();
        let mut promise = card::promise(&privacy);
        if let Guarantee::Dp { .. } = privacy {
            promise.push(format!("sums: {mode}"));
            promise.extend(notes.iter().map(|note| format!("note: {note}")));
        }
        Self {
            schema: SCHEMA.to_owned(),
            synthetic: true,
            statement: STATEMENT.to_owned(),
            study: file.study.clone(),
            model: Model {
                schema: file::SCHEMA.to_owned(),
                digest: digest.to_owned(),
                method: generator.method.clone(),
            },
            promise,
            privacy,
            mode,
            notes,
            fitted_on: file.provenance.data.cohort.clone(),
            rows: asked.rows as u64,
            conditions: asked.conditions.clone(),
            share: sample::share(generator, asked).ok().flatten().map(|share| share.value),
            row_seed: asked.seed,
            made_by: crate::version(),
            digest: None,
        }
    }
}

/// A text of the file, of bounded length.
fn cut(text: &str) -> String {
    text.chars().take(MOST_LETTERS).collect()
}

/// Name of the column of ids: that of the study's patients, so that rows read as a cohort's do.
///
/// # Errors
/// When the schema cannot be read.
pub fn key(file: &SynthFile) -> Result<Option<String>, Error> {
    Ok(match Schema::from_toml(&file.study_schema)?.patient {
        PatientKey::Column(key) => Some(key),
        PatientKey::OneRow => None,
    })
}
