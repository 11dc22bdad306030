//! What a reader asks of a registry: `list`, `search`, `show` and `page`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{Where, now, open};
use crate::Error;
use crate::catalogue::search::{MOST_HITS, Question};
use crate::catalogue::{Entry, Id, Kind, Platform, Registry, page, search, words};
use crate::model_file::whole;
use crate::text::printable;

/// Options of `haima registry list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    of: Where,
    /// Of this kind alone.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
}

/// Options of `haima registry search`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Search {
    /// Folder of a registry; again for each that is searched.
    #[arg(long, value_name = "DIR", required = true)]
    registry: Vec<PathBuf>,
    /// Words, each of which must be found; as 'leukaemia cox'.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// A variable that an entry must have. Again for each.
    #[arg(long, value_name = "COLUMN")]
    variable: Vec<String>,
    /// A task that a study, a report or a model must have, as cox.
    #[arg(long)]
    task: Option<String>,
    /// Registries of this platform alone.
    #[arg(long, value_enum)]
    platform: Option<Platform>,
    /// Of this kind alone.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Of this party alone.
    #[arg(long)]
    party: Option<String>,
    /// Hits that are shown, 1 to 500.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    most: u16,
    /// Print one JSON object: the hits with rank and where the words were found.
    #[arg(long)]
    json: bool,
}

/// Options of `haima registry show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    of: Where,
    /// Which entry: KIND/PARTY/NAME, as `haima registry list` shows it.
    #[arg(value_name = "ENTRY")]
    id: Id,
    /// This version and not the newest.
    #[arg(long, value_name = "VERSION")]
    at: Option<u32>,
}

/// Options of `haima registry page`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Page {
    #[command(flatten)]
    of: Where,
    /// The page (HTML).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What programs are told of an entry in a list.
fn brief(entry: &Entry) -> Value {
    json!({
        "id": entry.id().to_string(), "kind": entry.kind(), "party": entry.party(),
        "name": entry.name(), "version": entry.version(), "made": entry.made(),
        "about": entry.about(), "words": words::line(entry), "digest": entry.digest().to_string(),
    })
}

/// Lists what holds.
pub(super) fn list(options: &List) -> Result<(), Error> {
    let List { of, kind } = options;
    let registry = of.open()?;
    let asked = |entry: &&Entry| kind.is_none_or(|kind| entry.kind() == kind);
    let entries: Vec<&Entry> = registry.current().filter(asked).collect();
    let charter = registry.charter();
    if of.json {
        let entries: Vec<Value> = entries.iter().map(|entry| brief(entry)).collect();
        let object = json!({
            "schema": "haima.registry.list/1", "name": charter.name(),
            "platform": charter.platform(), "digest": charter.digest().to_string(),
            "entries": entries,
        });
        println!("{object}");
        return Ok(());
    }
    if entries.is_empty() {
        eprintln!("the registry {} has no such entry yet", charter.name());
    }
    for entry in entries {
        println!("{}", line(entry));
    }
    Ok(())
}

fn line(entry: &Entry) -> String {
    let id = entry.id().to_string();
    printable(&format!("{id:<40}  {}", words::line(entry)))
}

/// Finds entries in one or several registries.
pub(super) fn search(options: &Search) -> Result<(), Error> {
    let Search {
        registry: folders,
        words: text,
        variable,
        task,
        platform,
        kind,
        party,
        most,
        json,
    } = options;
    let question = Question {
        words: text.clone(),
        variables: variable.clone(),
        task: task.clone(),
        kind: *kind,
        party: party.clone(),
    };
    let all: Vec<Registry> = folders.iter().map(|path| open(path)).collect::<Result<_, _>>()?;
    let of_platform = |own: &&Registry| platform.is_none_or(|p| own.charter().platform() == p);
    let asked: Vec<&Registry> = all.iter().filter(of_platform).collect();
    if let (true, Some(platform)) = (asked.is_empty(), platform) {
        let problem = format!("no registry that was given is {}", platform.name());
        return Err(Error::Config { file: "--platform".into(), problem });
    }
    let mut hits = Vec::new();
    for own in asked {
        let found = search::search(own, &question)
            .map_err(|problem| Error::Config { file: "--variable and words".into(), problem })?;
        hits.extend(found.into_iter().map(|hit| (own.charter(), hit)));
    }
    // Equal ranks stand in the order in which the registries were given.
    hits.sort_by_key(|(_, hit)| std::cmp::Reverse(hit.rank));
    let found = hits.len().min(MOST_HITS);
    hits.truncate((*most).into());
    if *json {
        let hits: Vec<Value> = hits
            .iter()
            .map(|(charter, hit)| {
                json!({
                    "registry": charter.name(), "platform": charter.platform(), "rank": hit.rank,
                    "found_in": hit.found_in, "entry": brief(hit.entry),
                })
            })
            .collect();
        println!(
            "{}",
            json!({ "schema": "haima.registry.search/1", "found": found, "hits": hits })
        );
        return Ok(());
    }
    if hits.is_empty() {
        eprintln!("nothing found; ask for fewer words, or for the beginning of one");
    }
    let several = all.len() > 1;
    for (charter, hit) in &hits {
        let of = if several { format!("{}: ", charter.name()) } else { String::new() };
        println!("{of}{}", line(hit.entry));
    }
    if found > hits.len() {
        eprintln!("{} of {found} are shown; --most shows more", hits.len());
    }
    Ok(())
}

/// Shows a version of an entry.
pub(super) fn show(options: &Show) -> Result<(), Error> {
    let Show { of, id, at } = options;
    let registry = of.open()?;
    let versions = registry.versions(id);
    let entry = match at {
        None => versions.last(),
        Some(at) => versions.iter().find(|entry| entry.version() == *at),
    };
    let entry = entry.ok_or_else(|| {
        let at = at.map(|at| format!(" of version {at}")).unwrap_or_default();
        Error::config(&of.registry, format!("has no entry {id}{at}; see `haima registry list`"))
    })?;
    if of.json {
        let object = json!({
            "schema": "haima.registry.show/1", "id": id.to_string(), "versions": versions.len(),
            "digest": entry.digest().to_string(), "entry": entry,
        });
        println!("{object}");
    } else {
        print!("{}", words::show(&registry, entry));
    }
    Ok(())
}

/// Writes the page.
pub(super) fn page(options: &Page) -> Result<(), Error> {
    let Page { of, out } = options;
    let registry = of.open()?;
    whole(out, page::render(&registry, now()).as_bytes())?;
    let entries = registry.current().count();
    if of.json {
        let object = json!({
            "schema": "haima.registry.page/1", "page": out.display().to_string(),
            "entries": entries,
        });
        println!("{object}");
    } else {
        println!("written  {}", out.display());
    }
    Ok(())
}
