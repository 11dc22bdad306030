//! A simulation between two rounds, as a file: all that is needed to go on.
//!
//! The state is a function of the released sums alone (rule X3); beside it stands what each hospital
//! keeps for itself (control variates, personal heads), so the file is to be kept as the data are.
//! Noise and samples are drawn afresh after a resume: nothing of their generators is kept, and a
//! round is never summed twice with the same noise. Without noise and samples a resumed run is
//! the uninterrupted one to the bit.

use std::collections::BTreeMap;
use std::path::Path;

use haima_crypto::encode::{Encoder, to_hex};
use haima_fl_core::task::SiteState;
use haima_smpc_node::keyfile::replace_private;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Prepared;
use super::privacy::Target;
use crate::Error;
use crate::model_file::bounded;
use crate::model_file::making::digest;

/// Form of the file.
const SCHEMA: &str = "haima.checkpoint/1";
const MOST_BYTES: u64 = 1 << 30;

/// What a checkpoint belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    /// Task and version.
    task: String,
    /// Digest of its parameters, its privacy and the schema.
    question: String,
    /// Digest of the hospitals' names and rows.
    data: String,
}

/// The file.
///
/// # Security
/// `kept` is derived from patients. It stands in the file, which its owner alone may read, and is shown
/// by nothing else.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    schema: String,
    made_by: String,
    of: Identity,
    /// Rounds that have ended.
    pub(super) round: u32,
    /// How often the training went on from a checkpoint.
    pub(super) resumes: u32,
    /// The task's state.
    state: Value,
    /// What each hospital keeps, in the order of their names; bytes in hexadecimal digits.
    kept: Vec<BTreeMap<String, String>>,
    /// What a resumed run draws.
    randomness: String,
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checkpoint {{ round: {}, kept: <{} redacted> }}", self.round, self.kept.len())
    }
}

impl Identity {
    /// Of a training over those hospitals.
    pub(super) fn of(prepared: &Prepared<'_>, taken: &[String]) -> Result<Self, Error> {
        let fault = |e: serde_json::Error| Error::config(&prepared.request.task, e.to_string());
        let (task, own) = (&prepared.task, &prepared.hospitals);
        let privacy = match prepared.target {
            Target::Exact => "exact".to_owned(),
            Target::Dp { epsilon, delta, accountant, .. } => {
                let most = own.public.hospitals_per_patient;
                format!("{} {} {accountant:?} {most}", epsilon.to_bits(), delta.to_bits())
            }
        };
        let question =
            (&task.params, privacy, &own.schema_text, prepared.request.floors.min_local_rows);
        let question = serde_json::to_string(&question).map_err(fault)?;
        let mut data = Encoder::new("haima checkpoint data 1");
        for name in taken {
            data.str(name).str(own.texts.get(name).map_or("", String::as_str));
        }
        Ok(Self {
            task: format!("{} {}", task.name, task.version),
            question: digest("haima checkpoint question 1", &question).to_string(),
            data: haima_crypto::encode::Digest::of(&data.finish()).to_string(),
        })
    }
}

impl Checkpoint {
    /// After a round, with how often the training went on from a checkpoint.
    pub(super) fn new<'a>(
        of: &Identity,
        (round, resumes): (u32, u32),
        state: Value,
        kept: impl Iterator<Item = &'a SiteState>,
    ) -> Self {
        let hex = |(key, bytes): (&String, &Vec<u8>)| (key.clone(), to_hex(bytes));
        Self {
            schema: SCHEMA.into(),
            made_by: crate::version(),
            of: of.clone(),
            round,
            resumes,
            state,
            kept: kept.map(|site| site.values.iter().map(hex).collect()).collect(),
            randomness: "fresh after a resume".into(),
        }
    }

    /// Writes the file anew, whole or not at all, for its owner alone.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        let bytes = serde_json::to_vec(self).map_err(|e| Error::config(path, e.to_string()))?;
        Ok(replace_private(path, &bytes)?)
    }

    /// Checks that its round is that of its state, and one after which another comes.
    pub(super) fn check_round(&self, steps: u32, path: &Path) -> Result<(), Error> {
        let step = self.state.pointer("/server/step").and_then(Value::as_u64);
        if step == Some(self.round.into()) && self.round < steps {
            return Ok(());
        }
        let problem = format!(
            "its round {} is not that of its state, or not below the {steps} of the training; start \
             the training anew",
            self.round
        );
        Err(Error::config(path, problem))
    }

    /// Reads a file, which must be of this form, version, task and data.
    pub(super) fn read(path: &Path, of: &Identity) -> Result<Self, Error> {
        let fault = |problem: String| Error::config(path, problem);
        let bytes = bounded(path, MOST_BYTES)?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
            fault(match error.is_eof() {
                true => format!(
                    "is cut short: it ends after {} bytes, in the middle; copy it anew from where \
                     it was written, or start the training anew",
                    bytes.len()
                ),
                false => format!("is no checkpoint: {error}; give a file that --checkpoint wrote"),
            })
        })?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("none").to_owned();
        let (form, made_by) = (text("schema"), text("made_by"));
        if form != SCHEMA || made_by != crate::version() {
            return Err(fault(format!(
                "a checkpoint of form {form:.64} made by {made_by:.64}; this program is {} and reads \
                 its own {SCHEMA}: go on with the program that made it, or start anew",
                crate::version()
            )));
        }
        let found: Self = serde_json::from_value(value)
            .map_err(|error| fault(format!("is no whole checkpoint: {error}")))?;
        let other = if found.of.task != of.task {
            format!("task {:.64}, and this is {}", found.of.task, of.task)
        } else if found.of.question != of.question {
            "a training with other parameters, privacy, floors or schema".to_owned()
        } else if found.of.data != of.data {
            "other data: hospitals or rows differ".to_owned()
        } else {
            return Ok(found);
        };
        Err(fault(format!("is a checkpoint of {other}; give it what it was made with")))
    }

    /// State and what the hospitals keep.
    pub(super) fn into_parts(self, path: &Path) -> Result<(Value, Vec<SiteState>), Error> {
        let bytes = |hex: &str| {
            let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
            let bytes = pairs.map(|pair| match pair {
                Some(pair) if pair.len() == 2 => u8::from_str_radix(pair, 16).ok(),
                _ => None,
            });
            bytes.collect::<Option<Vec<u8>>>()
        };
        let site = |kept: BTreeMap<String, String>| {
            let values = kept.into_iter().map(|(key, hex)| Some((key, bytes(&hex)?)));
            Some(SiteState { values: values.collect::<Option<_>>()? })
        };
        let kept = self.kept.into_iter().map(site).collect::<Option<Vec<_>>>();
        let fault = || Error::config(path, "`kept` is not in hexadecimal digits");
        Ok((self.state, kept.ok_or_else(fault)?))
    }
}
