//! What is said of a study, from its manifest: by its coordinator alone.

use std::path::Path;

use haima_crypto::encode::Encoder;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::masking::Mode;
use haima_smpc_node::plan::Plan;
use haima_smpc_node::provision::Role;
use haima_smpc_node::study::Study as Signed;
use serde::{Deserialize, Serialize};

use super::Member;
use super::check::{self, LINE, NAME};
use super::offer::{Described, Variable, check_variables, encode_variables};
use super::privacy::{Privacy, Task, check_tasks, encode_tasks};
use crate::Error;

/// Parties of a study: those of a manifest.
const MOST_PARTIES: usize = 1100;

/// Where a study stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Drafted, perhaps not yet signed by all.
    Planned,
    /// Signed by all, and going on.
    Running,
    /// Done.
    Ended,
    /// Given up.
    Stopped,
}

impl State {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Stopped => "stopped",
        }
    }
}

/// A study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Its name.
    pub study: String,
    /// Revision of its manifest.
    pub revision: u32,
    /// Digest of its manifest.
    pub digest: String,
    /// Where it stands.
    pub state: State,
    /// Whether it runs without nodes.
    pub masked: bool,
    /// Fewest distinct operators in a sum.
    pub min_sites: u32,
    /// Who takes part.
    pub parties: Vec<Participant>,
    /// What is asked.
    pub tasks: Vec<Task>,
    /// Digest of its schema, as provenances of models have it.
    pub schema_digest: String,
    /// What its cohorts have.
    pub variables: Vec<Variable>,
}

/// A party of a study.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participant {
    /// What it does.
    pub role: Role,
    /// Name in the manifest.
    pub name: String,
    /// Organisation that runs it.
    pub operator: String,
}

impl Study {
    /// Of a manifest, and where it stands. A study that runs or has ended must have the signatures of
    /// all its parties beside the manifest.
    ///
    /// # Errors
    /// When the manifest cannot be read, is not signed where it has to be, or has another coordinator.
    pub fn read(path: &Path, state: State, member: &Member) -> Result<Self, Error> {
        let fault = |problem: String| Error::config(path, problem);
        let manifest = match state {
            State::Planned => Manifest::read(path)?,
            State::Running | State::Ended | State::Stopped => {
                Manifest::clone(&Signed::read(path)?.manifest())
            }
        };
        if manifest.coordinator.identity.to_lowercase() != member.identity {
            let name = &member.name;
            let problem = format!(
                "its coordinator has another identity key than {name} has here: a study is entered by \
                 its own coordinator"
            );
            return Err(Error::key(path, problem));
        }
        let study = Self::of(&manifest, state)?;
        study.check().map_err(fault)?;
        Ok(study)
    }

    fn of(manifest: &Manifest, state: State) -> Result<Self, Error> {
        let plan = Plan::of(manifest);
        let task = |entry: &haima_smpc_node::manifest::TaskEntry| -> Result<Task, Error> {
            let privacy = match plan.tasks.iter().find(|task| task.id == entry.id) {
                None => Privacy::Exact,
                Some(task) => Privacy::Private {
                    epsilon: task.charged()?.epsilon.get(),
                    delta: task.noise.delta,
                },
            };
            let (id, name) = (entry.id.clone(), check::cut(&entry.task, NAME));
            Ok(Task { id, task: name, privacy, finished: None })
        };
        let party = |role, name: &str, operator: &str| Participant {
            role,
            name: name.to_owned(),
            operator: check::cut(operator, LINE),
        };
        let coordinator = &manifest.coordinator;
        let mut parties = vec![party(Role::Coordinator, &coordinator.name, &coordinator.operator)];
        parties
            .extend(manifest.nodes.iter().map(|own| party(Role::Node, &own.name, &own.operator)));
        parties
            .extend(manifest.sites.iter().map(|own| party(Role::Site, &own.name, &own.operator)));
        let described = Described::of(&manifest.schema)?;
        Ok(Self {
            study: manifest.study.clone(),
            revision: manifest.revision,
            digest: manifest.digest().to_string(),
            state,
            masked: manifest.mode == Mode::Masked,
            min_sites: manifest.min_sites,
            parties,
            tasks: manifest.tasks.iter().map(task).collect::<Result<_, _>>()?,
            schema_digest: described.schema_digest,
            variables: described.variables,
        })
    }

    pub(super) fn encode(&self, to: &mut Encoder) {
        to.str(&self.study).u32(self.revision).str(&self.digest).str(self.state.name());
        to.u8(u8::from(self.masked)).u32(self.min_sites).count(self.parties.len());
        for party in &self.parties {
            to.u8(party.role as u8).str(&party.name).str(&party.operator);
        }
        encode_tasks(&self.tasks, to);
        to.str(&self.schema_digest);
        encode_variables(&self.variables, to);
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check::name("study", &self.study)?;
        check::digest("digest", &self.digest)?;
        check::digest("schema_digest", &self.schema_digest)?;
        check::few("parties", self.parties.len(), MOST_PARTIES)?;
        for party in &self.parties {
            check::name("party", &party.name)?;
            check::line("operator", &party.operator, LINE)?;
        }
        check_tasks(&self.tasks)?;
        check_variables(&self.variables)
    }

    /// The parties that are hospitals.
    pub fn sites(&self) -> impl Iterator<Item = &Participant> {
        self.parties.iter().filter(|party| party.role == Role::Site)
    }
}
