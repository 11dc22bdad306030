//! What a party says in a registry: `offer`, `add` and `withdraw`. Each signs the next version of an entry
//! with the party's identity key.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Where, identity, now};
use crate::Error;
use crate::catalogue::model::Model;
use crate::catalogue::offer::{self, Described};
use crate::catalogue::report::{self, Report};
use crate::catalogue::size::{Charged, Size};
use crate::catalogue::study::{State, Study};
use crate::catalogue::{Content, Entry, Id, Kind, Member, New, Registry};
use crate::text::printable;

/// Where it goes, and who says it.
#[derive(Debug, Args)]
pub(super) struct Speaker {
    #[command(flatten)]
    of: Where,
    /// Folder of this party's keys.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// What it is for people, one line.
    #[arg(long, value_name = "TEXT", default_value = "")]
    about: String,
}

/// Options of `haima registry offer`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Offer {
    #[command(flatten)]
    by: Speaker,
    /// Name of the entry.
    #[arg(long)]
    name: String,
    /// Name of the population, as in the site's policy.
    #[arg(long)]
    population: String,
    /// The public schema: a file of it alone, or a study or manifest that has it as `[schema]`. Names,
    /// kinds, units and levels enter, ranges do not.
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    /// Columns that are offered, as age,sex; all of them without it.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    only: Vec<String>,
    /// Patients, declared public and rounded to the grain; an exact count is refused.
    #[arg(long, value_name = "N", requires = "grain", conflicts_with = "charged")]
    patients: Option<u64>,
    /// What that number was rounded to: 10, 20, 50, 100, ...
    #[arg(long, value_name = "N", requires = "patients")]
    grain: Option<u64>,
    /// The report (report.json) of a study with this site that released its number of patients under
    /// noise.
    #[arg(long, value_name = "FILE")]
    charged: Option<PathBuf>,
    /// The task of that report, where several count patients.
    #[arg(long, value_name = "ID", requires = "charged")]
    task: Option<String>,
}

/// `haima registry add`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Add {
    /// Enter a study from its manifest, or say where it stands, as its coordinator.
    Study(AddStudy),
    /// Enter a trained model or a generator from its file (.haima).
    Model(AddFile),
    /// Enter a study's report from its report.json, as a party of that study.
    Report(AddFile),
}

/// Options of `haima registry add study`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AddStudy {
    #[command(flatten)]
    by: Speaker,
    /// Name of the entry; the study's own without it.
    #[arg(long)]
    name: Option<String>,
    /// The study's manifest, with manifest.sig beside it unless the study is only planned.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// Where the study stands.
    #[arg(long, value_enum)]
    state: State,
}

/// Options of `haima registry add model` and `report`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AddFile {
    #[command(flatten)]
    by: Speaker,
    /// Name of the entry.
    #[arg(long)]
    name: String,
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Options of `haima registry withdraw`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Withdraw {
    #[command(flatten)]
    by: Speaker,
    /// Which entry: KIND/PARTY/NAME, as `haima registry list` shows it.
    #[arg(value_name = "ENTRY")]
    id: Id,
}

impl Speaker {
    /// The registry, and what it knows of whoever speaks.
    fn open(&self) -> Result<(Registry, Member), Error> {
        let registry = self.of.open()?;
        let member = registry.charter().member(&identity(&self.keys)?.public()).cloned();
        let member = member.ok_or_else(|| {
            let problem = format!(
                "no party of the registry {} has this identity key; its keeper admits parties by \
                 `haima registry admit`",
                registry.charter().name()
            );
            Error::key(&self.keys, problem)
        })?;
        Ok((registry, member))
    }

    /// Signs, writes and tells.
    fn say(
        &self,
        registry: &mut Registry,
        kind: Kind,
        name: &str,
        content: Content,
    ) -> Result<(), Error> {
        let (name, about) = (name.to_owned(), self.about.clone());
        let new = New { kind, name, about, made: now(), content };
        let entry = registry.add(&identity(&self.keys)?, new)?;
        tell(&entry, registry, self.of.json);
        Ok(())
    }
}

fn tell(entry: &Entry, registry: &Registry, json: bool) {
    let (id, file) = (entry.id().to_string(), entry.file());
    if json {
        let object = json!({
            "schema": "haima.registry.add/1", "registry": registry.folder().display().to_string(),
            "id": id, "version": entry.version(), "digest": entry.digest().to_string(),
            "file": file, "entry": entry,
        });
        println!("{object}");
        return;
    }
    println!("signed  {id}, version {}", entry.version());
    println!("        {}", printable(&crate::catalogue::words::line(entry)));
    println!("file    {file}: pass the folder on, or this file alone");
}

/// Signs a site's offer.
pub(super) fn offer(options: &Offer) -> Result<(), Error> {
    let Offer { by, name, population, schema, only, patients, grain, charged, task } = options;
    let (mut registry, member) = by.open()?;
    let of = |option: &str| {
        let file = option.to_owned();
        move |problem| Error::Config { file, problem }
    };
    let Described { schema_digest, variables } =
        Described::read(schema)?.only(only).map_err(of("--only"))?;
    let size = match (patients, grain, charged) {
        (Some(patients), Some(grain), _) => {
            Size::declared(*patients, *grain).map_err(of("--patients"))?
        }
        (_, _, Some(path)) => {
            let (read, _) = report::read(path)?;
            let charged = Charged::of(&read, &member, task.as_deref());
            Size::Charged(charged.map_err(|problem| Error::config(path, problem))?)
        }
        _ => Size::Absent,
    };
    let population = population.clone();
    let said = offer::Offer { population, size, schema_digest, variables };
    by.say(&mut registry, Kind::Site, name, Content::Site(said))
}

/// Signs what is said of a study, a model or a report.
pub(super) fn add(command: &Add) -> Result<(), Error> {
    match command {
        Add::Study(AddStudy { by, name, manifest, state }) => {
            let (mut registry, member) = by.open()?;
            let study = Study::read(manifest, *state, &member)?;
            let name = name.clone().unwrap_or_else(|| study.study.clone());
            by.say(&mut registry, Kind::Study, &name, Content::Study(study))
        }
        Add::Model(AddFile { by, name, file }) => {
            let (mut registry, _) = by.open()?;
            let model = Model::read(file)?;
            by.say(&mut registry, model.kind(), name, Content::Model(model))
        }
        Add::Report(AddFile { by, name, file }) => {
            let (mut registry, member) = by.open()?;
            let report = Report::read(file, &member)?;
            by.say(&mut registry, Kind::Report, name, Content::Report(report))
        }
    }
}

/// Signs that an entry holds no longer.
pub(super) fn withdraw(options: &Withdraw) -> Result<(), Error> {
    let Withdraw { by, id } = options;
    let (mut registry, member) = by.open()?;
    let fault = |problem: String| Error::config(&by.of.registry, problem);
    if id.party != member.name {
        let problem =
            format!("{id} is what {} says; {} cannot take it back", id.party, member.name);
        return Err(fault(problem));
    }
    match registry.versions(id).last() {
        Some(entry) if !entry.is_withdrawn() => {}
        Some(_) => return Err(fault(format!("{id} is withdrawn already"))),
        None => return Err(fault(format!("has no entry {id}; see `haima registry list`"))),
    }
    by.say(&mut registry, id.kind, &id.name, Content::Withdrawn)
}
