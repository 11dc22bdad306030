//! The first hour: `haima init` walks a coordinator, a node's operator and a hospital from an empty
//! folder to a party that may run.
//!
//! Each call looks at the folder, does every step that this party can do by itself, and says what it
//! waits for and from whom. Nothing is remembered but what stands in files, and no file that is there
//! is written again but a coordinator's note of which requests it was shown, so a call can be repeated at
//! any time. Nothing is sent: whatever another party
//! needs is a file that a person hands over, and private keys stay in the folder.
//!
//! `party` has what all do (keys, request, reading, signature), `site`, `node` and `coordinator` what
//! each does besides, `study` the question that a coordinator begins with, `files` what is written.
//!
//! # Security
//! A signature and a draft are made only where [`Options::sign`] or [`Options::draft`] says so, or a
//! person who has just been shown what it is about says yes ([`Ask`]). A draft is of the requests that
//! were shown, and of no others that came into their place.

mod ask;
mod coordinator;
mod files;
mod node;
mod party;
mod site;
mod study;

use std::path::PathBuf;

use haima_smpc_node::provision::Role;
use serde::Serialize;

pub use ask::{Ask, Nobody, Person};
pub use study::Question;

use crate::Error;
use crate::doctor::{Diagnosis, Level, examine};
use crate::provision::Timing;

/// Form of a walk.
pub const SCHEMA: &str = "haima.init/1";

/// What a party says of itself and asks for. What its request says need not be said again.
#[derive(Clone, Debug)]
pub struct Options {
    /// The party's folder; made where it is missing.
    pub folder: PathBuf,
    /// What it does in the study.
    pub role: Role,
    /// Its name.
    pub name: Option<String>,
    /// The organisation that runs it.
    pub operator: Option<String>,
    /// `host:port` where a node or a coordinator listens.
    pub address: Option<String>,
    /// Sign the manifest that is there.
    pub sign: bool,
    /// A site's file of patients, seen from its folder.
    pub data: Option<PathBuf>,
    /// A coordinator's study.
    pub question: Question,
    /// A coordinator drafts the study among those whose requests an earlier call has shown.
    pub draft: bool,
    /// How long its rounds may take.
    pub timing: Timing,
    /// Takes a delta above 1/(10 n).
    pub allow_large_delta: bool,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was done now.
    Made,
    /// It was done before.
    There,
    /// It cannot be done yet.
    Waits,
}

/// A step of the walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What it is about, in a few words.
    pub what: String,
    /// How it stands.
    pub state: State,
    /// What was done, or what is missing, from whom, and how they make it.
    pub finding: String,
}

/// How far a party has come.
#[derive(Clone, Debug, Serialize)]
pub struct Walk {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What the party does.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// Its folder, as it was given.
    pub folder: String,
    /// Fingerprint of its keys, to be read over the telephone.
    pub fingerprint: String,
    /// Whether all is in order: the party may run.
    pub ready: bool,
    /// The steps, in their order.
    pub steps: Vec<Step>,
    /// What the manifest commits the party to, where it is to be signed or was signed now and nobody
    /// has been shown it yet.
    pub words: Option<String>,
    /// The preflight, once nothing is waited for.
    pub preflight: Option<Diagnosis>,
    /// What this party does next, a line each.
    pub next: Vec<String>,
    #[serde(skip)]
    config: PathBuf,
    #[serde(skip)]
    request: PathBuf,
}

impl Walk {
    fn note(&mut self, what: &str, state: State, finding: impl Into<String>) {
        self.steps.push(Step { what: what.to_owned(), state, finding: finding.into() });
    }

    fn then(&mut self, line: impl Into<String>) {
        self.next.push(line.into());
    }

    /// What the party waits for, its own doings included.
    #[must_use]
    pub fn waits(&self) -> Vec<&Step> {
        self.steps.iter().filter(|step| step.state == State::Waits).collect()
    }

    /// Looks whether all is in order to run, once nothing is waited for. Peers that do not run yet are
    /// no fault: somebody has to be first.
    pub async fn preflight(&mut self) {
        if !self.waits().is_empty() {
            return;
        }
        let found = examine(Some(self.config.as_path())).await;
        self.ready = found.level != Level::Fail;
        self.preflight = Some(found);
        let config = self.config.display();
        let line = match (self.ready, self.role) {
            (false, _) => self.again(""),
            (true, Role::Coordinator) => format!("haima coordinator run --config {config}"),
            (true, Role::Node) => format!("smpc-node run --config {config}"),
            (true, Role::Site) => format!("haima site run --config {config}"),
        };
        self.next.push(line);
    }

    /// The command that goes on with this walk.
    fn again(&self, more: &str) -> String {
        format!("haima init {} --dir {}{more}", verb(self.role), self.folder)
    }
}

/// A role as the command line has it.
fn verb(role: Role) -> &'static str {
    match role {
        Role::Site => "site",
        Role::Node => "node",
        Role::Coordinator => "coordinator",
    }
}

/// Does what can be done in a party's folder. [`Walk::preflight`] is the step after it.
///
/// # Errors
/// When an option that is needed is missing, a file that is there cannot be used, is of another party
/// or of another manifest, or a file cannot be written. What was done before stays.
pub fn walk(options: &Options, ask: &mut dyn Ask) -> Result<Walk, Error> {
    let mut walk = party::begin(options, ask)?;
    match options.role {
        Role::Site => site::walk(options, ask, &mut walk)?,
        Role::Node => node::walk(options, ask, &mut walk)?,
        Role::Coordinator => coordinator::walk(options, ask, &mut walk)?,
    }
    Ok(walk)
}

#[cfg(test)]
mod tests;
