//! What is said of a study's report, from its `report.json`: which tasks ran, and at what price. No number
//! of a result enters, and neither do the report's title and warnings: the one counts patients, the others
//! may say who has few.

use std::path::Path;

use haima_crypto::encode::Encoder;
use serde::{Deserialize, Serialize};

use super::Member;
use super::check::{self, LINE, NAME};
use super::privacy::{Privacy, Task, check_tasks, encode_tasks};
use crate::Error;
use crate::model_file::bounded;
use crate::report::{Class, Role, SCHEMA, Step, StudyReport};

/// Bytes of a report that are read.
const MOST_BYTES: u64 = 64 << 20;

/// A study's report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Digest of the file.
    pub file: String,
    /// Name of the study.
    pub study: String,
    /// Digest of its manifest.
    pub manifest: String,
    /// Digest of its plan, where something was private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// How sums were made.
    pub mode: String,
    /// Start, unix seconds.
    pub started: u64,
    /// End, unix seconds.
    pub finished: u64,
    /// Hospitals that took part.
    pub hospitals: u32,
    /// What ran, and what it was charged.
    pub tasks: Vec<Task>,
}

/// Reads a report; with it the digest of its file.
///
/// # Errors
/// When it cannot be read, is too large, or is none.
pub fn read(path: &Path) -> Result<(StudyReport, String), Error> {
    let bytes = bounded(path, MOST_BYTES)?;
    let report: StudyReport = serde_json::from_slice(&bytes).map_err(|error| {
        let reason = error.to_string();
        Error::config(path, format!("is no report of a study: {reason:.300}"))
    })?;
    if report.schema != SCHEMA {
        let form = check::cut(&report.schema, 64);
        let problem = format!("a report of form {form:?}; this program reads {SCHEMA}");
        return Err(Error::config(path, problem));
    }
    Ok((report, check::sha3(&bytes)))
}

impl Report {
    /// Of a report's file, which names this party by its key.
    ///
    /// # Errors
    /// When it cannot be read, or the party took no part.
    pub fn read(path: &Path, member: &Member) -> Result<Self, Error> {
        let (report, file) = read(path)?;
        let own = member.fingerprint()?;
        if !report.parties.iter().any(|party| party.fingerprint == own) {
            let name = &member.name;
            let problem = format!(
                "none of its parties has the keys of {name}: a report is entered by a party \
                 of its study"
            );
            return Err(Error::key(path, problem));
        }
        let said = Self::of(&report, file);
        said.check().map_err(|problem| Error::config(path, problem))?;
        Ok(said)
    }

    fn of(report: &StudyReport, file: String) -> Self {
        let sites = report.parties.iter().filter(|party| party.role == Role::Site).count();
        let hospitals = sites.saturating_sub(report.excluded.len());
        Self {
            file,
            study: check::cut(&report.study, NAME),
            manifest: report.manifest_digest.to_lowercase(),
            plan: report.plan.as_ref().map(|plan| plan.digest.to_lowercase()),
            mode: check::cut(&report.mode, LINE),
            started: report.started,
            finished: report.finished,
            hospitals: u32::try_from(hospitals).unwrap_or(u32::MAX),
            tasks: report.steps.iter().map(task).collect(),
        }
    }

    pub(super) fn encode(&self, to: &mut Encoder) {
        to.str(&self.file).str(&self.study).str(&self.manifest);
        to.str(self.plan.as_deref().unwrap_or_default()).str(&self.mode);
        to.u64(self.started).u64(self.finished).u32(self.hospitals);
        encode_tasks(&self.tasks, to);
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check::digest("file", &self.file)?;
        check::said("study", &self.study, NAME)?;
        check::digest("manifest", &self.manifest)?;
        if let Some(plan) = &self.plan {
            check::digest("plan", plan)?;
        }
        check::line("mode", &self.mode, LINE)?;
        check::moment("started", self.started)?;
        check::moment("finished", self.finished)?;
        check_tasks(&self.tasks)
    }
}

fn task(step: &Step) -> Task {
    let privacy = match &step.class {
        Class::Exact => Privacy::Exact,
        Class::Private(own) => {
            Privacy::Private { epsilon: own.epsilon_coalition, delta: own.delta }
        }
    };
    let [id, name] = [&step.id, &step.task].map(|text| check::cut(text, NAME));
    Task { id, task: name, privacy, finished: Some(step.result.is_some()) }
}
