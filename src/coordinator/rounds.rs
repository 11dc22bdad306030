//! The rounds that a coordinator has announced, on its disk before any party hears of them: after a
//! stop it takes up what it asked, and asks nothing twice.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use haima_crypto::encode::Canonical;
use haima_dp::journal::Journal;
use haima_smpc_node::durable;
use haima_smpc_node::spec::RoundSpec;

use super::refused::Refused;
use crate::Error;

/// Label of the file, which is a journal.
pub(crate) const LABEL: &str = "haima announced rounds 1";

/// The announced rounds of a study, in order.
#[derive(Debug)]
pub struct Announced {
    rounds: Mutex<(Journal, Vec<RoundSpec>)>,
    /// The refusal that ended the study, in the same folder.
    pub refused: Refused,
}

impl Announced {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it is damaged, in use, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (journal, entries) = Journal::open(path, LABEL)?;
        let specs = entries.iter().map(|entry| RoundSpec::from_bytes(entry));
        let specs = specs.collect::<Result<Vec<_>, _>>()?;
        let refused = Refused::new(path.parent().unwrap_or(Path::new(".")));
        Ok(Self { rounds: Mutex::new((journal, specs)), refused })
    }

    /// Keeps a spec that is about to be announced; it is on disk when this returns. One that is kept
    /// already is kept once.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn keep(&self, spec: &RoundSpec) -> Result<(), Error> {
        let mut inner = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let (journal, specs) = &mut *inner;
        if !specs.contains(spec) {
            durable::write_now("coordinator.announced", || journal.append(&spec.to_bytes()))?;
            specs.push(spec.clone());
        }
        Ok(())
    }

    /// Whether nothing was announced yet.
    pub fn is_empty(&self) -> bool {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner).1.is_empty()
    }

    /// The highest number announced.
    pub fn last_number(&self) -> u64 {
        let inner = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        inner.1.iter().map(|spec| spec.number).max().unwrap_or(0)
    }

    /// All that was announced.
    pub fn all(&self) -> Vec<RoundSpec> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// What was announced for a step, attempt after attempt.
    pub fn of_step(&self, task: &str, run: u32, step: u32) -> Vec<RoundSpec> {
        let inner = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let of_step =
            |spec: &&RoundSpec| (&*spec.task_id, spec.run, spec.step) == (task, run, step);
        inner.1.iter().filter(of_step).cloned().collect()
    }
}
