//! `haima registry`: the catalogue of a platform, as a folder that parties pass around
//! ([`crate::catalogue`]). Making one, its parties, and two copies of it; what parties say is in `say`,
//! what readers ask in `look`.

mod look;
mod say;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use haima_crypto::identity::IdentityKey;
use haima_smpc_node::keyfile;
use haima_smpc_node::provision::Request;
use serde_json::{Value, json};

use crate::Error;
use crate::catalogue::{Charter, Platform, Registry, folder, merge};
use crate::report::numbers::counted;
use crate::text::printable;

/// `haima registry`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a registry, as the coordinator that keeps it, from the requests of its parties.
    New(New),
    /// Let further parties into a registry, or say that one has left, as its keeper.
    Admit(Admit),
    /// Say what a site offers: a population, its size, the variables of a schema.
    Offer(say::Offer),
    /// Enter a study, a model, a generator or a report.
    #[command(subcommand)]
    Add(say::Add),
    /// Take an entry back.
    Withdraw(say::Withdraw),
    /// Check every file of a registry: parties, signatures, versions.
    Verify(Verify),
    /// List the entries of a registry.
    List(look::List),
    /// Find entries by words, variables and tasks.
    Search(look::Search),
    /// Show an entry.
    Show(look::Show),
    /// Write a registry as one page that loads nothing.
    Page(look::Page),
    /// Take over what another copy of the same registry has that is newer.
    Merge(Merge),
}

/// Which registry.
#[derive(Debug, Args)]
struct Where {
    /// Folder of the registry.
    #[arg(long, value_name = "DIR")]
    registry: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Where {
    /// Reads it, and tells of files that were left out.
    fn open(&self) -> Result<Registry, Error> {
        open(&self.registry)
    }
}

/// Options of `haima registry new`.
#[derive(Debug, Args)]
pub(super) struct New {
    /// Name of the registry: a-z, 0-9, '.', '_' and '-'.
    #[arg(long)]
    name: String,
    /// For which diseases it is.
    #[arg(long, value_enum)]
    platform: Platform,
    /// Folder of the keeper's keys, a coordinator.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// New folder for the registry.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Requests of its parties as `haima request` writes them, the keeper's own among them.
    #[arg(required = true, value_name = "REQUEST")]
    requests: Vec<PathBuf>,
    /// Print one JSON object: the registry's digest, and its parties with their fingerprints.
    #[arg(long)]
    json: bool,
}

/// Options of `haima registry admit`.
#[derive(Debug, Args)]
pub(super) struct Admit {
    #[command(flatten)]
    of: Where,
    /// Folder of the keeper's keys.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Name of a party that has left; nothing that it said is shown any more. Again for each.
    #[arg(long, value_name = "NAME")]
    leave: Vec<String>,
    /// Requests of parties that are let in.
    #[arg(value_name = "REQUEST", required_unless_present = "leave")]
    requests: Vec<PathBuf>,
}

/// Options of `haima registry verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    of: Where,
    /// A copy that was kept: nothing of it may be missing, or older, or different.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
}

/// Options of `haima registry merge`.
#[derive(Debug, Args)]
pub(super) struct Merge {
    #[command(flatten)]
    of: Where,
    /// Folder of the other copy, which is only read.
    #[arg(value_name = "OTHER")]
    other: PathBuf,
}

/// Runs a subcommand.
pub(super) fn run(command: &Command) -> Result<(), Error> {
    match command {
        Command::New(options) => new(options),
        Command::Admit(options) => admit(options),
        Command::Offer(options) => say::offer(options),
        Command::Add(command) => say::add(command),
        Command::Withdraw(options) => say::withdraw(options),
        Command::Verify(options) => verify(options),
        Command::List(options) => look::list(options),
        Command::Search(options) => look::search(options),
        Command::Show(options) => look::show(options),
        Command::Page(options) => look::page(options),
        Command::Merge(options) => merge(options),
    }
}

/// Reads a registry, and tells of files that were left out.
fn open(path: &Path) -> Result<Registry, Error> {
    let registry = Registry::open(path)?;
    let faults = registry.faults().len() as u64;
    if faults > 0 {
        let files = counted(faults, "file does", "files do");
        let path = path.display();
        eprintln!(
            "note: {files} not hold and {} left out; see",
            if faults == 1 { "is" } else { "are" }
        );
        eprintln!("      haima registry verify --registry {path}");
    }
    Ok(registry)
}

fn identity(keys: &Path) -> Result<IdentityKey, Error> {
    Ok(keyfile::read_identity(&keys.join("identity.key"))?)
}

/// Unix seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn read(requests: &[PathBuf]) -> Result<Vec<Request>, Error> {
    let read = requests.iter().map(|path| Request::read(path));
    Ok(read.collect::<Result<_, _>>()?)
}

/// The parties of a registry with what is read over the telephone.
fn parties(charter: &Charter) -> Result<Vec<Value>, Error> {
    let party = |party: &crate::catalogue::Member| -> Result<Value, Error> {
        Ok(json!({
            "name": party.name, "role": party.role, "operator": party.operator,
            "fingerprint": party.fingerprint()?, "left": party.left,
        }))
    };
    charter.parties().iter().map(party).collect()
}

/// Says who belongs to a registry.
fn told(registry: &Registry, schema: &str, json: bool) -> Result<(), Error> {
    let (charter, path) = (registry.charter(), registry.folder().display());
    let digest = charter.digest();
    if json {
        let object = json!({
            "schema": schema, "registry": path.to_string(), "name": charter.name(),
            "platform": charter.platform(), "digest": digest.to_string(),
            "revision": charter.revision(), "parties": parties(charter)?,
        });
        println!("{object}");
        return Ok(());
    }
    let platform = charter.platform().name();
    println!(
        "registry  {} ({platform}), parties of revision {}",
        charter.name(),
        charter.revision()
    );
    println!("digest    {digest}");
    for party in charter.parties() {
        let left = if party.left { "  has left" } else { "" };
        let (name, operator) = (&party.name, printable(&party.operator));
        println!("  {}  {name}, {operator}{left}", party.fingerprint()?);
    }
    Ok(())
}

/// Makes a registry.
fn new(options: &New) -> Result<(), Error> {
    let New { name, platform, keys, out, requests, json } = options;
    let charter = Charter::new(name, *platform, &identity(keys)?, read(requests)?)?;
    let registry = Registry::create(out, charter)?;
    told(&registry, "haima.registry.new/1", *json)?;
    if !json {
        println!("compare each fingerprint with the one that its party reads to you, then pass");
        println!("{} on: to all of them, as a folder", out.display());
    }
    Ok(())
}

/// Changes the parties of a registry.
fn admit(options: &Admit) -> Result<(), Error> {
    let Admit { of, keys, leave, requests } = options;
    let mut registry = of.open()?;
    registry.admit(&identity(keys)?, read(requests)?, leave)?;
    told(&registry, "haima.registry.admit/1", of.json)
}

/// Checks a registry, alone and beside a copy that was kept.
fn verify(options: &Verify) -> Result<(), Error> {
    let Verify { of, against } = options;
    let registry = Registry::open(&of.registry)?;
    let difference = match against {
        Some(path) => Some(merge::compare(&registry, &Registry::open(path)?)?),
        None => None,
    };
    let mut problems: Vec<String> = registry
        .faults()
        .iter()
        .map(|fault| format!("{}/{}: {}", folder::ENTRIES, fault.file, fault.problem))
        .collect();
    if let Some(found) = &difference {
        let back = |id: &String| format!("{id}: the copy has a newer version: something went back");
        problems.extend(found.newer.iter().map(back));
        problems.extend(found.twice.iter().cloned());
        if found.parties_newer {
            problems.push("registry.toml: the copy has a newer one: something went back".into());
        }
    }
    let charter = registry.charter();
    if of.json {
        let object = json!({
            "schema": "haima.registry.verify/1", "name": charter.name(),
            "platform": charter.platform(), "digest": charter.digest().to_string(),
            "revision": charter.revision(), "parties": parties(charter)?,
            "versions": registry.count(), "entries": registry.current().count(),
            "against": difference, "problems": problems, "holds": problems.is_empty(),
        });
        println!("{object}");
    } else {
        told(&registry, "", false)?;
        let entries = counted(registry.current().count() as u64, "entry", "entries");
        println!("{entries} of {} hold", counted(registry.count() as u64, "version", "versions"));
        for problem in &problems {
            println!("FAULT {}", printable(problem));
        }
        if against.is_none() {
            println!(
                "without a copy that was kept (--against) nobody sees what was cut off at the end"
            );
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let count = counted(problems.len() as u64, "fault", "faults");
    let problem = format!("{count}; take the files again from whoever signed them, or by merging");
    Err(Error::Found { what: of.registry.display().to_string(), problem })
}

/// Takes over what another copy has.
fn merge(options: &Merge) -> Result<(), Error> {
    let Merge { of, other } = options;
    let mut registry = of.open()?;
    let taken = merge::take(&mut registry, &open(other)?)?;
    if of.json {
        let object = json!({
            "schema": "haima.registry.merge/1", "registry": of.registry.display().to_string(),
            "other": other.display().to_string(), "parties": taken.parties,
            "entries": taken.entries, "refused": taken.refused,
        });
        println!("{object}");
    } else {
        if taken.parties {
            println!("taken  registry.toml, revision {}", registry.charter().revision());
        }
        for file in &taken.entries {
            println!("taken  {file}");
        }
        if !taken.parties && taken.entries.is_empty() {
            println!("nothing is newer in {}", other.display());
        }
        for problem in &taken.refused {
            println!("REFUSED {}", printable(problem));
        }
    }
    if taken.refused.is_empty() {
        return Ok(());
    }
    let count = counted(taken.refused.len() as u64, "entry was", "entries were");
    let problem =
        format!("{count} not taken: their parties have contradicted themselves, or may not");
    Err(Error::Found { what: other.display().to_string(), problem })
}
