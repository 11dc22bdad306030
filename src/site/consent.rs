//! Runs that wait for a yes of somebody at the hospital, and what was said.
//!
//! The daemon writes down that a run waits; the command line and the page read it and decide. They are
//! processes of their own, so every change is made under a lock on a file beside, and the file is
//! replaced whole: whoever reads it needs no lock.
//!
//! A decision is about one run of one task of one manifest, and whoever decides says of which: what was
//! read before the study was amended cannot allow what it asks now. How many runs wait is bounded, so
//! that a coordinator that makes runs up can neither fill the disk nor keep other tasks, or other runs,
//! from being asked about. Nothing here tells of patients.

use std::fs::File;
use std::path::{Path, PathBuf};

use haima_crypto::encode::Digest;
use haima_smpc_node::{keyfile, unix_millis};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Name of the file in a site's state folder.
const FILE: &str = "consents.toml";
/// Name of the file that whoever changes it holds a lock on.
const LOCK: &str = "consents.lock";
const VERSION: u32 = 1;
/// Most bytes that are read: more than all that is kept takes.
const MOST_BYTES: u64 = 4 << 20;
/// Most runs that wait.
const MOST_WAITING: usize = 256;
/// Most runs of one task that wait.
const MOST_RUNS: usize = 8;
/// Most decisions that are kept; the oldest go first, and such a run would wait again.
const MOST_DECIDED: usize = 1024;
/// Most letters of what a run is described by.
const MOST_WORDS: usize = 1400;
/// The run that is asked about before anybody announces it.
const FIRST_RUN: &str = "1";
/// Fewest digits of a manifest's digest by which somebody decides.
const FEWEST_DIGITS: usize = 32;

/// A run that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Manifest id of the task.
    pub task: String,
    /// Number of the run, in decimal digits.
    pub run: String,
    /// Digest of the manifest that asks, 64 hexadecimal digits.
    pub manifest: String,
    /// What is asked, in words; of public facts alone.
    pub words: String,
    /// Since when, unix milliseconds.
    pub since_ms: u64,
}

impl Waiting {
    /// As much of the manifest's digest as a person copies to decide about this very run.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.manifest.get(..FEWEST_DIGITS).unwrap_or(&self.manifest)
    }
}

/// A run that somebody has decided about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// Manifest id of the task.
    pub task: String,
    /// Number of the run, in decimal digits.
    pub run: String,
    /// Digest of the manifest that asked, 64 hexadecimal digits.
    pub manifest: String,
    /// Whether it may go on.
    pub allowed: bool,
    /// When that was said, unix milliseconds.
    pub at_ms: u64,
}

/// What was said of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Yes,
    No,
    Nothing,
}

/// The decisions of a hospital's people, in its state folder.
#[derive(Clone, Debug)]
pub struct Consents {
    file: PathBuf,
    lock: PathBuf,
}

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    #[serde(default)]
    waiting: Vec<Asked>,
    #[serde(default)]
    decided: Vec<Answer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    manifest: String,
    task: String,
    run: String,
    words: String,
    since_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    manifest: String,
    task: String,
    run: String,
    allowed: bool,
    at_ms: u64,
}

impl Kept {
    fn nothing() -> Self {
        Self { version: VERSION, waiting: Vec::new(), decided: Vec::new() }
    }
}

impl Consents {
    /// The decisions in a site's state folder. Nothing is made or read yet.
    ///
    /// # Errors
    /// None so far; a later version may have to.
    pub fn open(state: &Path) -> Result<Self, Error> {
        Ok(Self { file: state.join(FILE), lock: state.join(LOCK) })
    }

    /// Runs that nobody has decided about, the longest waiting first.
    ///
    /// # Errors
    /// When the file cannot be read, naming it.
    pub fn waiting(&self) -> Result<Vec<Waiting>, Error> {
        let waiting = self.read()?.waiting.into_iter();
        let waiting = waiting.map(|Asked { manifest, task, run, words, since_ms }| Waiting {
            task,
            run,
            manifest,
            words,
            since_ms,
        });
        Ok(waiting.collect())
    }

    /// Runs that were decided about, the last one first.
    ///
    /// # Errors
    /// When the file cannot be read, naming it.
    pub fn decided(&self) -> Result<Vec<Decided>, Error> {
        let decided = self.read()?.decided.into_iter().rev();
        let decided = decided.map(|Answer { manifest, task, run, allowed, at_ms }| Decided {
            task,
            run,
            manifest,
            allowed,
            at_ms,
        });
        Ok(decided.collect())
    }

    /// Digest of the manifest whose run this is: of the one that waits, else of the one that was decided
    /// about last.
    ///
    /// # Errors
    /// When no such run is known, or the file cannot be read.
    pub fn manifest_of(&self, task: &str, run: &str) -> Result<String, Error> {
        let kept = self.read()?;
        Ok(find(&kept, task, run).ok_or_else(|| self.unknown(task, run))?.to_owned())
    }

    /// Lets a run go on, or refuses it: one that waits, or one that was decided about before. `shown` is
    /// the digest of the manifest that whoever decides was shown, or its first 32 digits or more. On disk
    /// when this returns. What a run has sent before it is refused cannot be taken back.
    ///
    /// # Errors
    /// When no such run is known, what is asked now is of another manifest than was shown, or the file
    /// cannot be written.
    pub fn decide(&self, task: &str, run: &str, shown: &str, allow: bool) -> Result<(), Error> {
        let found = |kept: &Kept| {
            // The one that waits, if both are there: the other is of an earlier manifest.
            let own = find(kept, task, run).ok_or_else(|| self.unknown(task, run))?;
            if shown.len() < FEWEST_DIGITS || !own.starts_with(shown) {
                return Err(self.another(task, run));
            }
            Ok(own.to_owned())
        };
        // To be wrong makes no file.
        found(&self.read()?)?;
        self.change(|kept| {
            let manifest = found(kept)?;
            kept.waiting.retain(|asked| (asked.task.as_str(), asked.run.as_str()) != (task, run));
            kept.decided.retain(|answer| {
                (answer.manifest.as_str(), answer.task.as_str(), answer.run.as_str())
                    != (manifest.as_str(), task, run)
            });
            let (task, run) = (task.to_owned(), run.to_owned());
            let at_ms = unix_millis();
            kept.decided.push(Answer { manifest, task, run, allowed: allow, at_ms });
            let over = kept.decided.len().saturating_sub(MOST_DECIDED);
            kept.decided.drain(..over);
            Ok(true)
        })
    }

    fn unknown(&self, task: &str, run: &str) -> Error {
        let problem = format!(
            "no run {run} of the task {task} waits here or was decided about; `haima site approvals` \
             lists those that are"
        );
        Error::config(&self.file, problem)
    }

    fn another(&self, task: &str, run: &str) -> Error {
        let problem = format!(
            "run {run} of the task {task} is asked for by another manifest than the one that was read; \
             read again what it asks now (`haima site approvals`), and decide by the digest beside it"
        );
        Error::config(&self.file, problem)
    }

    /// What was said of a run.
    pub(super) fn said(&self, manifest: &Digest, task: &str, run: u32) -> Result<Said, Error> {
        let (manifest, run) = (manifest.to_string(), run.to_string());
        let kept = self.read()?;
        let answer = kept.decided.iter().rev().find(|answer| {
            (answer.manifest.as_str(), answer.task.as_str(), answer.run.as_str())
                == (manifest.as_str(), task, run.as_str())
        });
        Ok(match answer {
            Some(answer) if answer.allowed => Said::Yes,
            Some(_) => Said::No,
            None => Said::Nothing,
        })
    }

    /// Writes down that a run waits, unless it does or was decided about. Runs of another manifest wait
    /// no longer: a site is in one study at a time. How many wait is bounded: the oldest but first runs,
    /// which may have been made up and whose rounds are over, since a site hears of one at a time, give
    /// way; they wait again when they are asked again. Where there is no such one nothing is written; the
    /// round is held back all the same. `now` is in unix milliseconds.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn ask(
        &self,
        manifest: &Digest,
        task: &str,
        run: u32,
        words: &str,
        now: u64,
    ) -> Result<(), Error> {
        let plain = |c: char| if crate::card::is_unprintable(c) { ' ' } else { c };
        let asked = Asked {
            manifest: manifest.to_string(),
            task: task.to_owned(),
            run: run.to_string(),
            words: words.chars().map(plain).take(MOST_WORDS).collect(),
            since_ms: now,
        };
        let known = |kept: &Kept| {
            let own = (&asked.manifest, &asked.task, &asked.run);
            kept.waiting.iter().any(|other| (&other.manifest, &other.task, &other.run) == own)
                || kept
                    .decided
                    .iter()
                    .any(|other| (&other.manifest, &other.task, &other.run) == own)
        };
        // Asked again and again while it waits: only what is new is written.
        if known(&self.read()?) {
            return Ok(());
        }
        self.change(|kept| {
            if known(kept) {
                return Ok(false);
            }
            kept.waiting.retain(|other| other.manifest == asked.manifest);
            let of_task = kept.waiting.iter().filter(|other| other.task == asked.task).count();
            if of_task >= MOST_RUNS {
                give_way(&mut kept.waiting, |other| other.task == asked.task);
            } else if kept.waiting.len() >= MOST_WAITING && !give_way(&mut kept.waiting, |_| true) {
                return Ok(false);
            }
            kept.waiting.push(asked.clone());
            Ok(true)
        })
    }

    fn read(&self) -> Result<Kept, Error> {
        let size = match std::fs::metadata(&self.file) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Kept::nothing());
            }
            Err(error) => return Err(Error::file(&self.file, error)),
        };
        let fault = |problem: String| Error::config(&self.file, problem);
        if size > MOST_BYTES {
            return Err(fault(format!("{size} bytes; at most {MOST_BYTES} are read")));
        }
        let text = std::fs::read_to_string(&self.file).map_err(|e| Error::file(&self.file, e))?;
        let remedy = "remove it, and every run of a task in `manual_approval` waits anew";
        let kept: Kept = toml::from_str(&text).map_err(|e| fault(format!("{e}; {remedy}")))?;
        if kept.version != VERSION {
            return Err(fault(format!("version {}, not {VERSION}; {remedy}", kept.version)));
        }
        Ok(kept)
    }

    /// Changes what is kept, alone; writes it where the change says that there is one.
    fn change(&self, change: impl FnOnce(&mut Kept) -> Result<bool, Error>) -> Result<(), Error> {
        let opened = File::options().create(true).truncate(false).write(true).open(&self.lock);
        let lock = opened.map_err(|e| Error::file(&self.lock, e))?;
        lock.lock().map_err(|e| Error::file(&self.lock, e))?;
        let changed = self.read().and_then(|mut kept| {
            if !change(&mut kept)? {
                return Ok(());
            }
            let text = toml::to_string(&kept)
                .map_err(|e| Error::config(&self.file, format!("it cannot be written: {e}")))?;
            Ok(keyfile::replace_private(&self.file, text.as_bytes())?)
        });
        // Closing would do as well, but for a process that is just being started.
        let _ = lock.unlock();
        changed
    }
}

/// Takes the oldest run away that is no first one, of those that `of` is true of; whether there was one.
fn give_way(waiting: &mut Vec<Asked>, of: impl Fn(&Asked) -> bool) -> bool {
    let oldest = waiting.iter().position(|asked| asked.run != FIRST_RUN && of(asked));
    if let Some(oldest) = oldest {
        waiting.remove(oldest);
    }
    oldest.is_some()
}

/// The manifest of a run that waits, else of one that was decided about last.
fn find<'a>(kept: &'a Kept, task: &str, run: &str) -> Option<&'a str> {
    let waiting =
        kept.waiting.iter().rev().find(|asked| (&*asked.task, &*asked.run) == (task, run));
    let decided = || {
        let mut last = kept.decided.iter().rev();
        last.find(|answer| (&*answer.task, &*answer.run) == (task, run))
    };
    waiting.map(|asked| &*asked.manifest).or_else(|| decided().map(|answer| &*answer.manifest))
}
