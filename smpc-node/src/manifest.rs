//! The study as every party knows it: parties, keys, floors, tasks and their noise.
//!
//! One TOML file. Its digest is over the canonical encoding of the *parsed* value, so comments,
//! order and spacing do not matter; every round is bound to it. `[schema]` and each task's
//! `params` are opaque here (they belong to fl-core) but are part of the digest.

mod title;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::path::Path;

use haima_crypto::encode::{Digest, Encoder, from_hex};
use haima_crypto::identity::IdentityPublic;
use haima_dp::ledger::Filter;
use haima_dp::units::Order;
use serde::{Deserialize, Serialize};

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

    /// Checks that the manifest is sound in itself.
    ///
    /// # Errors
    /// [`Error::Manifest`], naming the field.
    pub fn checked(self) -> Result<Self, Error> {
        if self.version != 1 {
            return Err(fault(
                Some("version"),
                format!("{}; this program reads version 1", self.version),
            ));
        }
        check_name("study", &self.study)?;
        if (self.revision <= 1) != self.amends.is_none() || self.revision == 0 {
            let problem = format!("revision {}; every one but the first amends one", self.revision);
            return Err(fault(Some("amends"), problem));
        }
        if let Some(amends) = &self.amends {
            from_hex::<32>(amends).map_err(|e| fault(Some("amends"), e.to_string()))?;
        }
        self.check_mode()?;
        if self.sites.len() > MAX_SITES {
            let problem = format!("{} sites; at most {MAX_SITES}", self.sites.len());
            return Err(fault(Some("site"), problem));
        }
        let operators: BTreeSet<&str> = self.sites.iter().map(|s| s.operator.as_str()).collect();
        let floor = self.min_sites as usize;
        if floor < 2 || floor > operators.len() {
            let problem = format!(
                "{floor}; it must be at least 2 and at most the {} distinct operators of sites",
                operators.len()
            );
            return Err(fault(Some("min_sites"), problem));
        }
        if self.max_dimension == 0 || self.max_dimension > 50_000_000 {
            return Err(fault(Some("max_dimension"), "must be 1 to 50,000,000".into()));
        }
        for (field, value) in [("round_ms", self.round_ms), ("grace_ms", self.grace_ms)] {
            if !(100..=86_400_000).contains(&value) {
                return Err(fault(Some(field), format!("{value}; must be 100 to 86,400,000")));
            }
        }
        if self.tick_ms == 0 || u64::from(self.tick_ms) > self.round_ms {
            return Err(fault(Some("tick_ms"), "must be at least 1 and at most round_ms".into()));
        }
        if !(1..=100).contains(&self.hospitals_per_patient) {
            return Err(fault(Some("hospitals_per_patient"), "must be 1 to 100".into()));
        }
        if self.mode == Mode::Masked && self.release_quorum.is_some() {
            let problem = "masked mode has none: there are no nodes to release a sum";
            return Err(fault(Some("release_quorum"), problem.into()));
        }
        if let Some(quorum) = self.release_quorum
            && !(2..self.nodes.len()).contains(&(quorum as usize))
        {
            let most = self.nodes.len() - 1;
            let problem = format!("{quorum}; must be at least 2 and at most {most} of the nodes");
            return Err(fault(Some("release_quorum"), problem));
        }
        self.check_parties()?;
        self.check_tasks()?;
        self.check_plan()?;
        Ok(self)
    }

    /// Nodes, or the terms of masks, and never both.
    fn check_mode(&self) -> Result<(), Error> {
        let nodes = self.nodes.len();
        match (self.mode, self.masking) {
            (Mode::Nodes, None) if (2..=haima_crypto::share::MAX_PARTIES).contains(&nodes) => {}
            (Mode::Nodes, None) => {
                let problem =
                    format!("{nodes} nodes; a study needs 2 to 64, or none and mode = \"masked\"");
                return Err(fault(Some("node"), problem));
            }
            (Mode::Nodes, Some(_)) => {
                return Err(fault(Some("masking"), "it belongs to mode = \"masked\"".into()));
            }
            (Mode::Masked, None) => {
                let problem = "missing; masked mode states threshold and corrupt".into();
                return Err(fault(Some("masking"), problem));
            }
            (Mode::Masked, Some(_)) if nodes > 0 => {
                return Err(fault(Some("node"), "masked mode has no nodes".into()));
            }
            (Mode::Masked, Some(masking)) => masking
                .check(self.sites.len())
                .map_err(|(field, problem)| fault(Some(field), problem))?,
        }
        Ok(())
    }

    fn check_parties(&self) -> Result<(), Error> {
        let (mut names, mut keys, mut pins) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (name, identity, tls) in self.parties() {
            check_name(&format!("party {name}"), name)?;
            let key = IdentityPublic::from_hex(identity)
                .map_err(|e| fault(Some(&format!("identity of {name}")), e.to_string()))?;
            let pin: [u8; 32] =
                from_hex(tls).map_err(|e| fault(Some(&format!("tls of {name}")), e.to_string()))?;
            if !names.insert(name) {
                return Err(fault(Some("name"), format!("{name} stands twice")));
            }
            if !keys.insert(*key.as_bytes()) || !pins.insert(pin) {
                return Err(fault(Some("identity or tls"), format!("{name} has another's key")));
            }
        }
        let of = |field: &str, name: &str| {
            let field = format!("{field} of {name}");
            move |problem| fault(Some(&field), problem)
        };
        for party in self.nodes.iter().chain([&self.coordinator]) {
            operator_fits(&party.operator).map_err(of("operator", &party.name))?;
            address_fits(&party.address).map_err(of("address", &party.name))?;
        }
        for site in &self.sites {
            operator_fits(&site.operator).map_err(of("operator", &site.name))?;
            if site.max_patients == 0 || site.max_patients > 1_000_000_000 {
                let field = format!("max_patients of {}", site.name);
                return Err(fault(Some(&field), "must be 1 to 1,000,000,000".into()));
            }
        }
        Ok(())
    }

    fn check_tasks(&self) -> Result<(), Error> {
        let mut ids = BTreeSet::new();
        for task in &self.tasks {
            check_name("task id", &task.id)?;
            let field = |name: &str| format!("{name} of task {}", task.id);
            if !ids.insert(task.id.as_str()) {
                return Err(fault(Some("task id"), format!("{} stands twice", task.id)));
            }
            if task.max_steps == 0 || task.max_steps > 100_000 || task.spare_attempts > 100_000 {
                return Err(fault(Some(&field("max_steps")), "must be 1 to 100,000".into()));
            }
            if let Some(title) = &task.title {
                title::fits(title).map_err(|problem| fault(Some(&field("title")), problem))?;
            }
            if task.needs_bound && self.mode == Mode::Masked {
                let problem = "no proof bounds a site in masked mode (rule M3); run it with nodes";
                return Err(fault(Some(&field("needs_bound")), problem.into()));
            }
            match (task.class, task.noise) {
                (Class::Exact, None) => {}
                (Class::Exact, Some(_)) => {
                    return Err(fault(Some(&field("noise")), "an exact task has no noise".into()));
                }
                (Class::Private, None) => {
                    let problem = "missing; a private task states s and sensitivity".into();
                    return Err(fault(Some(&field("noise")), problem));
                }
                (Class::Private, Some(noise)) => {
                    let draws = self.masking.map_or(1, Masking::honest);
                    if noise.draws != draws {
                        let problem = format!("{}; this study's sums have {draws}", noise.draws);
                        return Err(fault(Some(&field("noise.draws")), problem));
                    }
                    if !(noise.q > 0.0 && noise.q <= 1.0) {
                        let problem = format!("{}; must be above 0 and at most 1", noise.q);
                        return Err(fault(Some(&field("noise.q")), problem));
                    }
                    if noise.dimension == 0 || noise.dimension > u64::from(self.max_dimension) {
                        let problem = format!(
                            "{}; must be 1 to max_dimension = {}, which may have to be raised",
                            noise.dimension, self.max_dimension
                        );
                        return Err(fault(Some(&field("noise.dimension")), problem));
                    }
                    haima_dp::noise::NoiseScale::new(noise.s)
                        .map_err(|e| fault(Some(&field("noise.s")), e.to_string()))?;
                    haima_dp::units::Sensitivity::new(noise.sensitivity)
                        .map_err(|e| fault(Some(&field("noise.sensitivity")), e.to_string()))?;
                    haima_dp::units::Delta::new(noise.delta)
                        .map_err(|e| fault(Some(&field("noise.delta")), e.to_string()))?;
                    noise
                        .filter()
                        .map_err(|e| fault(Some(&field("noise.order")), e.to_string()))?;
                }
            }
        }
        Ok(())
    }

    /// The plan's digest is what every round, and so every ledger entry, is bound to.
    fn check_plan(&self) -> Result<(), Error> {
        let named = from_hex(&self.plan).map_err(|e| fault(Some("plan"), e.to_string()))?;
        let own = crate::plan::Plan::of(self).digest();
        if Digest::from_bytes(named) != own {
            let problem = format!("{}; the tasks' noise has the plan {own}", self.plan);
            return Err(fault(Some("plan"), problem));
        }
        Ok(())
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

    /// Digest of the roster: the names of all sites in the manifest's order.
    #[must_use]
    pub fn roster_digest(&self) -> Digest {
        let mut to = Encoder::new("haima roster 1");
        to.count(self.sites.len());
        for site in &self.sites {
            to.str(&site.name);
        }
        Digest::of(&to.finish())
    }

    /// Digest of the whole manifest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // Titles came later: without any the encoding is the one before, so what was signed stays so.
        let titled = self.tasks.iter().any(|task| task.title.is_some());
        let mut to = Encoder::new(if titled { "haima manifest 6" } else { "haima manifest 5" });
        to.u32(self.version).str(&self.study).u32(self.revision);
        to.str(&self.amends.as_deref().unwrap_or_default().to_lowercase());
        to.u32(self.min_sites).u32(self.max_dimension);
        to.u64(self.round_ms).u64(self.grace_ms).u32(self.tick_ms);
        to.u32(self.hospitals_per_patient).u32(self.release_quorum.unwrap_or(0));
        to.u8(u8::from(self.masking.is_some()));
        if let Some(masking) = self.masking {
            masking.encode(&mut to);
        }
        let party = |to: &mut Encoder, party: &Party| {
            to.str(&party.name).str(&party.operator).str(&party.identity.to_lowercase());
            to.str(&party.tls.to_lowercase()).str(&party.address);
        };
        party(&mut to, &self.coordinator);
        to.count(self.nodes.len());
        for node in &self.nodes {
            party(&mut to, node);
        }
        to.count(self.sites.len());
        for site in &self.sites {
            to.str(&site.name).str(&site.operator).str(&site.identity.to_lowercase());
            to.str(&site.tls.to_lowercase()).u64(site.max_patients);
        }
        to.str(&self.plan.to_lowercase()).count(self.tasks.len());
        for task in &self.tasks {
            to.str(&task.id).str(&task.task).u32(task.version);
            to.u8(u8::from(task.class == Class::Private)).u32(task.max_steps);
            to.u32(task.spare_attempts).u8(u8::from(task.needs_bound));
            match task.noise {
                None => to.u8(0),
                Some(noise) => noise.encode(to.u8(1)),
            };
            encode_table(&mut to, &task.params);
            if titled {
                to.str(task.title.as_deref().unwrap_or_default());
            }
        }
        encode_table(&mut to, &self.schema);
        Digest::of(&to.finish())
    }
}

/// Canonical encoding of a TOML table: keys in byte order, a tag before each value.
fn encode_table(to: &mut Encoder, table: &toml::Table) {
    let sorted: BTreeMap<&String, &toml::Value> = table.iter().collect();
    to.count(sorted.len());
    for (key, value) in sorted {
        to.str(key);
        encode_value(to, value);
    }
}

fn encode_value(to: &mut Encoder, value: &toml::Value) {
    match value {
        toml::Value::String(text) => {
            to.u8(0).str(text);
        }
        toml::Value::Integer(integer) => {
            to.u8(1).u64(integer.cast_unsigned());
        }
        toml::Value::Float(float) => {
            to.u8(2).u64(float.to_bits());
        }
        toml::Value::Boolean(boolean) => {
            to.u8(3).u8(u8::from(*boolean));
        }
        toml::Value::Datetime(time) => {
            to.u8(4).str(&time.to_string());
        }
        toml::Value::Array(items) => {
            to.u8(5).count(items.len());
            for item in items {
                encode_value(to, item);
            }
        }
        toml::Value::Table(table) => {
            to.u8(6);
            encode_table(to, table);
        }
    }
}

fn fault(field: Option<&str>, problem: String) -> Error {
    Error::Manifest { field: field.map(str::to_owned), problem }
}

/// Checks a name: 1 to 64 of a-z, 0-9, '.', '_' and '-'.
///
/// # Errors
/// [`Error::Manifest`] naming the field.
pub fn check_name(field: &str, name: &str) -> Result<(), Error> {
    name_fits(name).map_err(|problem| fault(Some(field), problem))
}

/// [`check_name`] of what is not yet in a manifest; the problem.
pub(crate) fn name_fits(name: &str) -> Result<(), String> {
    let fits = !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    fits.then_some(()).ok_or_else(|| format!("{name:?}; use 1 to 64 of a-z, 0-9, '.', '_' and '-'"))
}

/// Checks that an address is `host:port`, an IPv6 host in brackets; the problem.
pub(crate) fn address_fits(address: &str) -> Result<(), String> {
    let host = |host: &str| match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        }
    };
    // No sign, which a number may have to be parsed.
    let port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let fits = address.rsplit_once(':').is_some_and(|(before, after)| host(before) && port(after));
    fits.then_some(()).ok_or_else(|| {
        format!(
            "{address:?}; give host:port, an IPv6 host in brackets, without scheme or path; the \
             port is 1 to 65535"
        )
    })
}

/// Checks that an operator has a name, of one line: people read it before they sign; the problem.
pub(crate) fn operator_fits(operator: &str) -> Result<(), String> {
    let fits = !operator.trim().is_empty() && !operator.contains(char::is_control);
    fits.then_some(())
        .ok_or_else(|| format!("{operator:?}; give the organisation's name, one line"))
}

#[cfg(test)]
pub(crate) mod tests;
