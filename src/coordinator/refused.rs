//! The refusal that ended a study, kept in a file beside the announced rounds: whoever starts the
//! coordinator again after the round's deadline would else open another attempt, which costs the
//! hospitals that answer one of their own, and is refused alike.
//!
//! A person takes the file away once the hospitals' operators have changed their minds. Until then a
//! start ends with what it says. A round that is open yet is taken up all the same: that asks nothing
//! anew.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use haima_crypto::encode::{Canonical as _, Digest};
use haima_smpc_node::spec::RoundSpec;

use crate::Error;

/// The file's name.
const FILE: &str = "refused.txt";
/// What stands before the round's digest.
const ROUND: &str = "round ";
/// Most bytes that are read of it.
const MOST: u64 = 1 << 16;

/// Where the last refusal is kept.
#[derive(Debug)]
pub struct Refused {
    folder: PathBuf,
}

impl Refused {
    /// In the folder of the announced rounds.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Keeps that hospitals refused a round for good, in the place of what was kept of another one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, spec: &RoundSpec, refusals: &str) -> Result<(), Error> {
        let text = format!(
            "{ROUND}{}\n{refusals}\n\ntask {}, step {}: no sum without these hospitals. Until the \
             round's deadline a start takes it up as it is. After that another attempt costs all \
             others theirs: remove this file once what they name is changed, and start again.\n",
            spec.digest(),
            spec.task_id,
            spec.step
        );
        let path = self.path();
        crate::report::place(&self.folder, FILE, text.as_bytes())
            .map(|_| ())
            .map_err(|e| Error::file(&path, e))
    }

    /// What hospitals said that refused this round for good, and what to do; `None` where nothing is
    /// kept of it.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn of(&self, spec: &RoundSpec) -> Result<Option<String>, Error> {
        let Some((round, said)) = self.read()? else { return Ok(None) };
        let path = self.path();
        let said = format!(
            "{said}, as they said before this start; remove {} when that is changed",
            path.display()
        );
        Ok((round == spec.digest().to_string()).then_some(said))
    }

    /// Forgets what is kept of this round, if it is: its hospitals were heard again.
    ///
    /// # Errors
    /// When the file cannot be read or removed.
    pub fn forget(&self, spec: &RoundSpec) -> Result<(), Error> {
        if self.of(spec)?.is_none() {
            return Ok(());
        }
        let path = self.path();
        std::fs::remove_file(&path).map_err(|e| Error::file(&path, e))
    }

    /// Digest of the round, and what was said.
    fn read(&self) -> Result<Option<(String, String)>, Error> {
        let path = self.path();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file(&path, error)),
        };
        let mut text = String::new();
        file.take(MOST).read_to_string(&mut text).map_err(|e| Error::file(&path, e))?;
        let mut lines = text.lines();
        let round = lines.next().and_then(|line| line.strip_prefix(ROUND));
        let digest = round.filter(|round| round.len() == 2 * size_of::<Digest>());
        let (Some(round), Some(said)) = (digest, lines.next()) else {
            let problem = "does not begin with a round and what was said of it; remove it when no \
                           hospital refuses any more";
            return Err(Error::config(&path, problem));
        };
        Ok(Some((round.to_owned(), said.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::refusals::tests::{first_spec, manifest};

    #[test]
    fn a_refusal_is_remembered_of_its_round_until_a_person_removes_it_or_it_is_heard_again() {
        let folder = tempfile::tempdir().unwrap();
        let spec = first_spec(&manifest());
        let next = RoundSpec { number: 2, attempt: 1, ..spec.clone() };
        let refused = Refused::new(folder.path());
        assert_eq!(refused.of(&spec).unwrap(), None);
        refused.forget(&spec).unwrap();
        refused.keep(&spec, "north (exact_tasks)").unwrap();
        // Another start.
        let refused = Refused::new(folder.path());
        let said = refused.of(&spec).unwrap().unwrap();
        assert!(said.starts_with("north (exact_tasks)") && said.contains(FILE), "{said}");
        assert_eq!(refused.of(&next).unwrap(), None);
        refused.forget(&next).unwrap();
        assert!(refused.of(&spec).unwrap().is_some());
        refused.forget(&spec).unwrap();
        assert_eq!(refused.of(&spec).unwrap(), None);
        refused.keep(&next, "north (why)").unwrap();
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        assert_eq!(refused.of(&next).unwrap(), None);
    }

    #[test]
    fn a_file_that_says_nothing_of_a_round_opens_no_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Refused::new(folder.path());
        for text in ["", "round 12\nx\n", "north refuses\nall\n"] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let error = refused.of(&first_spec(&manifest())).unwrap_err().to_string();
            assert!(error.contains(FILE), "{text:?}: {error}");
        }
    }
}
