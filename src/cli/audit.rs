//! `haima audit verify`: journals, each by itself and against one another.

use std::path::PathBuf;

use clap::Subcommand;
use haima_smpc_node::audit;
use haima_smpc_node::crosscheck::{Journal, first_disagreement};
use haima_smpc_node::study::Study;
use serde_json::{Value, json};

use crate::Error;

/// Commands on journals.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Verify the hash chain and the signatures of journals against the parties' keys in the
    /// manifest, and hold those of several parties against one another: the first disagreement is
    /// named. One alone cannot tell whether records were cut off at its end.
    Verify {
        /// The study's manifest, with manifest.sig beside it.
        #[arg(long)]
        manifest: PathBuf,
        /// Name of the party whose journal is given last.
        #[arg(long, requires = "journal")]
        party: Option<String>,
        /// A party's journal, again for each: NAME=FILE.
        #[arg(long = "journal", value_name = "NAME=FILE")]
        journals: Vec<String>,
        /// The journal of --party.
        journal: Option<PathBuf>,
        /// Print one JSON object: each journal's records and head, and the first disagreement.
        #[arg(long)]
        json: bool,
    },
}

/// Runs a command.
pub(super) fn run(command: &Audit) -> Result<(), Error> {
    let Audit::Verify { manifest, party, journals, journal, json } = command;
    let study = Study::read(manifest)?.manifest();
    let mut files = Vec::new();
    for given in journals {
        let (name, path) = given.split_once('=').ok_or_else(|| Error::Config {
            file: format!("--journal {given}"),
            problem: "give NAME=FILE".into(),
        })?;
        files.push((name.to_owned(), PathBuf::from(path)));
    }
    if let (Some(party), Some(journal)) = (party, journal) {
        files.push((party.clone(), journal.clone()));
    }
    if files.is_empty() {
        return Err(Error::Config {
            file: "--journal".into(),
            problem: "no journal; give NAME=FILE, once for each party".into(),
        });
    }
    let names: Vec<&str> = study.parties().map(|(name, _, _)| name).collect();
    if let Some((party, _)) = files.iter().find(|(party, _)| !names.contains(&party.as_str())) {
        return Err(Error::Config {
            file: manifest.display().to_string(),
            problem: format!("has no party {party:?}; its parties are {}", names.join(", ")),
        });
    }
    let (mut read, mut shown) = (Vec::new(), Vec::<Value>::new());
    for (party, path) in files {
        let (records, head) = audit::read_with_head(&path, &party, &study.identity(&party)?)?;
        let (file, count) = (path.display(), records.len());
        if *json {
            shown.push(json!({
                "party": party, "file": file.to_string(), "records": count,
                "head": head.to_string(),
            }));
        } else {
            let check = if read.len() + journals.len() > 1 { "" } else { " (no tail check)" };
            println!("{file}: {count} records of {party} verified, head {head}{check}");
        }
        read.push(Journal { party, records });
    }
    let first = first_disagreement(&study, &read).map(|first| first.to_string());
    if *json {
        let object = json!({
            "schema": "haima.audit.verify/1", "study": study.study,
            "manifest": study.digest().to_string(), "journals": shown,
            // One alone says nothing of records that were cut off at its end.
            "compared": read.len() > 1, "disagreement": first,
        });
        println!("{object}");
    } else if first.is_none() && read.len() > 1 {
        println!("the {} journals agree", read.len());
    }
    match first {
        None => Ok(()),
        Some(problem) => Err(Error::Found { what: "the journals disagree".into(), problem }),
    }
}
