//! What a task of a study costs a patient, as studies, models and reports of a registry say it.

use haima_crypto::encode::Encoder;
use serde::{Deserialize, Serialize};

use super::check::{self, NAME};

/// Tasks of a study.
pub(super) const MOST_TASKS: usize = 500;

/// With noise or without.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Privacy {
    /// Without noise: no differential privacy (rule X1).
    Exact,
    /// Under noise, of all planned attempts together, against the coalition.
    Private {
        /// Epsilon.
        epsilon: f64,
        /// Delta.
        delta: f64,
    },
}

impl Privacy {
    pub(super) fn encode(self, to: &mut Encoder) {
        match self {
            Self::Exact => to.u8(0),
            Self::Private { epsilon, delta } => {
                to.u8(1).u64(epsilon.to_bits()).u64(delta.to_bits())
            }
        };
    }

    pub(super) fn check(self) -> Result<(), String> {
        let Self::Private { epsilon, delta } = self else { return Ok(()) };
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(format!("epsilon {epsilon}; it is a number above 0"));
        }
        if !(delta > 0.0 && delta < 1.0) {
            return Err(format!("delta {delta}; it is above 0 and below 1"));
        }
        Ok(())
    }

    /// For a reader.
    #[must_use]
    pub fn in_words(self) -> String {
        use crate::report::numbers;
        match self {
            Self::Exact => "exact: no differential privacy".to_owned(),
            Self::Private { epsilon, delta } => {
                let (epsilon, delta) = (numbers::epsilon(epsilon), numbers::scientific(delta));
                format!("private: epsilon {epsilon}, delta {delta}")
            }
        }
    }
}

/// A task of a study or of its report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Id in the manifest.
    pub id: String,
    /// Registered name, as `cox`.
    pub task: String,
    /// What it costs.
    pub privacy: Privacy,
    /// Of a report: whether it gave a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<bool>,
}

impl Task {
    pub(super) fn encode(&self, to: &mut Encoder) {
        to.str(&self.id).str(&self.task);
        self.privacy.encode(to);
        to.u8(self.finished.map_or(2, u8::from));
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check::said("task id", &self.id, NAME)?;
        check::said("task", &self.task, NAME)?;
        self.privacy.check().map_err(|problem| format!("task {}: {problem}", self.id))
    }
}

/// Encodes a list of tasks.
pub(super) fn encode_tasks(tasks: &[Task], to: &mut Encoder) {
    to.count(tasks.len());
    for task in tasks {
        task.encode(to);
    }
}

/// Checks a list of tasks.
pub(super) fn check_tasks(tasks: &[Task]) -> Result<(), String> {
    check::few("tasks", tasks.len(), MOST_TASKS)?;
    tasks.iter().try_for_each(Task::check)
}

/// Encodes a list of texts.
pub(super) fn encode_texts(texts: &[String], to: &mut Encoder) {
    to.count(texts.len());
    for text in texts {
        to.str(text);
    }
}
