//! The study as every party knows it: parties, keys, floors, tasks and their noise.
//!
//! One TOML file. Its digest is over the canonical encoding of the *parsed* value, so comments,
//! order and spacing do not matter; every round is bound to it. `[schema]` and each task's
//! `params` are opaque here (they belong to fl-core) but are part of the digest.

mod checks;
mod digest;
mod names;
mod title;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use haima_crypto::encode::{Digest, Encoder, from_hex};
use haima_crypto::identity::IdentityPublic;
use haima_dp::ledger::Filter;
use haima_dp::units::Order;
use serde::{Deserialize, Serialize};

pub use names::check_name;
pub(crate) use names::{address_fits, name_fits, operator_fits};

use crate::Error;
use crate::masking::{Masking, Mode};

/// Largest manifest that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;
/// Largest number of sites of a study.
pub const MAX_SITES: usize = 1000;

/// A parsed and checked manifest. Build it by [`Manifest::parse`] or [`Manifest::checked`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of this file: 1.
    pub version: u32,
    /// Name of the study.
    pub study: String,
    /// 1, and one more for each amendment.
    #[serde(default = "one")]
    pub revision: u32,
    /// Digest of the manifest that this one amends, 64 hexadecimal digits; absent in revision 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<String>,
    /// How contributions are hidden until they are summed.
    #[serde(default, skip_serializing_if = "Mode::is_nodes")]
    pub mode: Mode,
    /// Terms of masked mode; absent with nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masking: Option<Masking>,
    /// Fewest distinct operators whose sites must be in an accepted set (rule R8).
    pub min_sites: u32,
    /// Most coordinates of a vector.
    pub max_dimension: u32,
    /// Longest time from opening a round to its deadline, in milliseconds.
    pub round_ms: u64,
    /// Time after the deadline in which the nodes must have agreed, in milliseconds.
    pub grace_ms: u64,
    /// Sites submit on multiples of this after they heard of a round, in milliseconds (rule S5).
    pub tick_ms: u32,
    /// Assumed number m of hospitals that hold one patient's rows; scales D (rule S1).
    #[serde(default = "one")]
    pub hospitals_per_patient: u32,
    /// Nodes that suffice to release a sum once all have shared theirs again (Shamir release); all
    /// of them, and nothing is shared again, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_quorum: Option<u32>,
    /// Digest of the plan of all private tasks ([`crate::plan::Plan`]), 64 hexadecimal digits.
    pub plan: String,
    /// The one party that asks.
    pub coordinator: Party,
    /// SMPC nodes, at least two; the first holds the vector share. None in masked mode.
    #[serde(default, rename = "node", skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Party>,
    /// Sites.
    #[serde(rename = "site")]
    pub sites: Vec<SiteParty>,
    /// Tasks that may be run, and nothing else.
    #[serde(rename = "task")]
    pub tasks: Vec<TaskEntry>,
    /// The public schema of the cohorts; opaque here.
    pub schema: toml::Table,
}

/// A party with its pinned keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Unique name, `[a-z0-9._-]`, at most 64 characters.
    pub name: String,
    /// Organisation that runs it.
    pub operator: String,
    /// Ed25519 identity key, 64 hexadecimal digits.
    pub identity: String,
    /// Pin of the TLS key (`tls::TlsIdentity::pin`), 64 hexadecimal digits.
    pub tls: String,
    /// `host:port` where it listens; empty for sites, which only connect outward.
    #[serde(default)]
    pub address: String,
}

/// A site with the public cap on its patients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteParty {
    /// Unique name.
    pub name: String,
    /// Organisation that runs it.
    pub operator: String,
    /// Ed25519 identity key, 64 hexadecimal digits.
    pub identity: String,
    /// Pin of the TLS key (`tls::TlsIdentity::pin`), 64 hexadecimal digits.
    pub tls: String,
    /// Public cap on its patients; the norm bound of its contributions grows with it.
    pub max_patients: u64,
}

/// A task that the study may run, with its plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskEntry {
    /// Unique id within the study.
    pub id: String,
    /// Registered name of the task.
    pub task: String,
    /// Version of the task.
    pub version: u32,
    /// Exact, or private with its noise.
    pub class: Class,
    /// Most steps (sums) of one run.
    pub max_steps: u32,
    /// Attempts beyond one a step, over the whole run (rule L1).
    pub spare_attempts: u32,
    /// Whether a site's bound must be proved, so that the task may not run in masked mode (rule M3).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_bound: bool,
    /// Noise of each attempt; required for the private class and refused for the exact one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<NoisePlan>,
    /// Heading for people, one line; the id where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Parameters of the task; opaque here.
    #[serde(default)]
    pub params: toml::Table,
}

impl TaskEntry {
    /// What people read of it: its title, else its id.
    #[must_use]
    pub fn heading(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.id)
    }
}

/// Which releases a task makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Without noise: no differential privacy (rule X1).
    Exact,
    /// With every node's noise (rule N1), or every site's (rule M2).
    Private,
}

/// The noise that a private task's plan was calibrated to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoisePlan {
    /// Scale of one draw of discrete Gaussian noise, each node's or each site's, in grid steps; rounds
    /// may have more, never less.
    pub s: u64,
    /// Draws that the coalition cannot take off a sum: one node's, or those of t - c sites.
    #[serde(default = "one")]
    pub draws: u32,
    /// Sampling rate; rounds may have a lower one, never a higher one.
    #[serde(default = "all")]
    pub q: f64,
    /// D of rule S2, in grid steps; rounds may have less, never more.
    pub sensitivity: u64,
    /// Coordinates of the vector; rounds may have fewer, never more.
    pub dimension: u64,
    /// Delta at which the task's epsilon is stated.
    pub delta: f64,
    /// Order of the Renyi filter that the noise was calibrated for; zCDP's where absent. A hospital
    /// whose ledger has another limit may run out of budget before the plan ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
}

fn one() -> u32 {
    1
}

fn all() -> f64 {
    1.0
}

/// What two people compare over the telephone: 25 decimal digits of a digest over both keys of a
/// party, in groups of five. Another pair of keys with the same digits costs 2^83 trials.
///
/// # Errors
/// When a key is not 64 hexadecimal digits.
pub fn fingerprint(identity: &str, tls: &str) -> Result<String, Error> {
    let mut to = Encoder::new("haima fingerprint 1");
    to.array(&from_hex::<32>(identity)?).array(&from_hex::<32>(tls)?);
    let digest = Digest::of(&to.finish());
    let bytes = digest.as_bytes().iter().take(16);
    let number = bytes.fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let digits = format!("{:025}", number % 10_u128.pow(25));
    let groups: Vec<&str> = (0..5).filter_map(|i| digits.get(5 * i..5 * i + 5)).collect();
    Ok(groups.join(" "))
}

impl NoisePlan {
    /// The filter that the noise was calibrated for.
    ///
    /// # Errors
    /// When the order is out of range.
    pub fn filter(&self) -> Result<Filter, Error> {
        Ok(match self.order {
            None => Filter::Zcdp,
            Some(order) => Filter::Renyi { order: Order::new(order)? },
        })
    }

    /// Writes q, s, draws, D, dimension, delta and order, 0 for zCDP's.
    pub(crate) fn encode(self, to: &mut Encoder) -> &mut Encoder {
        to.u64(self.q.to_bits()).u64(self.s).u32(self.draws);
        to.u64(self.sensitivity).u64(self.dimension);
        to.u64(self.delta.to_bits()).u32(self.order.unwrap_or(0))
    }
}

impl Manifest {
    /// Reads and checks a manifest file.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Manifest`], naming the field.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let size = std::fs::metadata(path).map_err(|e| Error::file(path, e))?.len();
        if size > MAX_BYTES {
            return Err(fault(None, format!("{size} bytes; at most {MAX_BYTES} are read")));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?)
    }

    /// Parses and checks a manifest.
    ///
    /// # Errors
    /// [`Error::Manifest`], naming the field and, for a syntax error, the line.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let manifest: Self =
            toml::from_str(text).map_err(|e| fault(None, e.to_string().trim().to_owned()))?;
        manifest.checked()
    }

    /// Name, identity key and TLS pin of every party: coordinator, nodes, sites.
    pub fn parties(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let nodes = std::iter::once(&self.coordinator)
            .chain(&self.nodes)
            .map(|p| (p.name.as_str(), p.identity.as_str(), p.tls.as_str()));
        let sites =
            self.sites.iter().map(|s| (s.name.as_str(), s.identity.as_str(), s.tls.as_str()));
        nodes.chain(sites)
    }

    /// Identity key of a party.
    ///
    /// # Errors
    /// [`Error::UnknownParty`].
    pub fn identity(&self, name: &str) -> Result<IdentityPublic, Error> {
        let (_, identity, _) = self
            .parties()
            .find(|(party, _, _)| *party == name)
            .ok_or_else(|| Error::UnknownParty { name: name.to_owned(), role: "party" })?;
        Ok(IdentityPublic::from_hex(identity)?)
    }

    /// TLS pins by party name.
    #[must_use]
    pub fn pins(&self) -> BTreeMap<String, Digest> {
        self.parties()
            .filter_map(|(name, _, tls)| {
                Some((name.to_owned(), Digest::from_bytes(from_hex(tls).ok()?)))
            })
            .collect()
    }

    /// A node by name, with its position in the roster of nodes.
    ///
    /// # Errors
    /// [`Error::UnknownParty`].
    pub fn node(&self, name: &str) -> Result<(usize, &Party), Error> {
        self.nodes
            .iter()
            .enumerate()
            .find(|(_, node)| node.name == name)
            .ok_or_else(|| Error::UnknownParty { name: name.to_owned(), role: "node" })
    }

    /// A site by name.
    ///
    /// # Errors
    /// [`Error::UnknownParty`].
    pub fn site(&self, name: &str) -> Result<&SiteParty, Error> {
        self.sites
            .iter()
            .find(|site| site.name == name)
            .ok_or_else(|| Error::UnknownParty { name: name.to_owned(), role: "site" })
    }

    /// A task by id.
    ///
    /// # Errors
    /// [`Error::Manifest`] when the study has no such task.
    pub fn task(&self, id: &str) -> Result<&TaskEntry, Error> {
        self.tasks
            .iter()
            .find(|task| task.id == id)
            .ok_or_else(|| fault(Some("task"), format!("this study has no task {id:?}")))
    }

    /// Largest public cap on the patients of a site: what a round's bound B is computed with.
    #[must_use]
    pub fn max_patients(&self) -> u64 {
        self.sites.iter().map(|site| site.max_patients).max().unwrap_or(0)
    }

    /// How many distinct operators run these sites (rule R8).
    #[must_use]
    pub fn operators<'a>(&self, sites: impl IntoIterator<Item = &'a str>) -> usize {
        let of = |name| self.site(name).ok().map(|site| site.operator.as_str());
        sites.into_iter().filter_map(of).collect::<BTreeSet<_>>().len()
    }

    /// Draws of noise in every sum: those that the coalition cannot take off, and those that readers
    /// of the sum alone face (rules N1, M2).
    #[must_use]
    pub fn draws(&self) -> (u32, u32) {
        // At most 64 nodes.
        self.masking
            .map_or((1, self.nodes.len() as u32), |masking| (masking.honest(), masking.threshold))
    }
}

fn fault(field: Option<&str>, problem: String) -> Error {
    Error::Manifest { field: field.map(str::to_owned), problem }
}

#[cfg(test)]
pub(crate) mod tests;
