//! What is wrong in files that others wrote: which file, where in it, and what to do. All faults of
//! a run are told together, so that whoever mends them starts once.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use crate::Error;

/// Faults that are told; the rest are counted.
const SHOWN: usize = 20;
/// Letters of a stranger's text that an error quotes.
const QUOTED: usize = 64;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) file: Arc<Path>,
    /// A JSON pointer (RFC 6901), `line 12`, or nothing for the whole file.
    pub(crate) place: String,
}

impl At {
    pub(crate) fn new(file: &Arc<Path>, place: impl Into<String>) -> Self {
        Self { file: Arc::clone(file), place: place.into() }
    }

    /// One step further down.
    pub(crate) fn below(&self, step: impl Display) -> Self {
        Self { file: Arc::clone(&self.file), place: format!("{}/{step}", self.place) }
    }

    pub(crate) fn fault(&self, problem: impl Into<String>) -> Fault {
        Fault { at: self.clone(), problem: problem.into() }
    }
}

/// Something wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: At,
    /// What is wrong, and what to do.
    pub(crate) problem: String,
}

impl Fault {
    /// Without the file.
    fn told(&self) -> String {
        match self.at.place.as_str() {
            "" => self.problem.clone(),
            place => format!("{place}: {}", self.problem),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::data(&fault.at.file, fault.told())
    }
}

/// Faults of a run.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    shown: Vec<Fault>,
    count: usize,
}

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(fault);
        }
    }

    /// What is there, or its fault kept for later.
    pub(crate) fn take<T>(&mut self, found: Result<T, Fault>) -> Option<T> {
        found.map_err(|fault| self.push(fault)).ok()
    }

    /// An error where there is any fault, with all that are told.
    pub(crate) fn none(self) -> Result<(), Error> {
        let Some((first, others)) = self.shown.split_first() else { return Ok(()) };
        let mut told = vec![first.told()];
        told.extend(others.iter().map(|own| format!("{}: {}", own.at.file.display(), own.told())));
        let more = self.count - self.shown.len();
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        if self.count > 1 {
            told.push(format!("{} faults; nothing was written", self.count));
        }
        Err(Error::data(&first.at.file, told.join("\n  ")))
    }
}

/// The beginning of a stranger's text, for an error.
pub(crate) fn quoted(text: &str) -> String {
    let mut letters = text.chars();
    let own: String = letters.by_ref().take(QUOTED).flat_map(char::escape_debug).collect();
    let more = if letters.next().is_some() { "..." } else { "" };
    format!("`{own}{more}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_told_at_once_and_not_without_end() {
        let at = At::new(&Arc::from(Path::new("a.json")), "/subject");
        let said = |count: usize| {
            let mut faults = Faults::default();
            (0..count).for_each(|k| faults.push(at.below(k).fault("is odd; mend it")));
            faults.none().map_err(|error| error.to_string())
        };
        assert!(said(0).is_ok());
        assert_eq!(said(1).unwrap_err(), "a.json: /subject/0: is odd; mend it");
        let many = said(23).unwrap_err();
        assert!(many.contains("\n  a.json: /subject/19: is odd"), "{many}");
        assert!(many.ends_with("and 3 more\n  23 faults; nothing was written"), "{many}");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(quoted("HP:1\n"), "`HP:1\\n`");
        assert!(quoted(&"x".repeat(1 << 20)).len() < 80);
    }
}
