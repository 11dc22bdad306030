//! `haima audit verify`: journals, each by itself and against one another.

use std::path::PathBuf;

use clap::Subcommand;
use haima_smpc_node::audit;
use haima_smpc_node::crosscheck::{Journal, first_disagreement};
use haima_smpc_node::study::Study;

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
    },
}

/// Runs a command.
pub(super) fn run(command: &Audit) -> Result<(), Error> {
    let Audit::Verify { manifest, party, journals, journal } = command;
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
            file: "haima audit verify".into(),
            problem: "no journal; give --journal NAME=FILE, once for each party".into(),
        });
    }
    let names: Vec<&str> = study.parties().map(|(name, _, _)| name).collect();
    if let Some((party, _)) = files.iter().find(|(party, _)| !names.contains(&party.as_str())) {
        return Err(Error::Config {
            file: manifest.display().to_string(),
            problem: format!("has no party {party:?}; its parties are {}", names.join(", ")),
        });
    }
    let mut read = Vec::new();
    for (party, path) in files {
        let (records, head) = audit::read_with_head(&path, &party, &study.identity(&party)?)?;
        let check = if read.len() + journals.len() > 1 { "" } else { " (no tail check)" };
        let (file, count) = (path.display(), records.len());
        println!("{file}: {count} records of {party} verified, head {head}{check}");
        read.push(Journal { party, records });
    }
    if let Some(first) = first_disagreement(&study, &read) {
        return Err(Error::Config {
            file: "the journals disagree".into(),
            problem: first.to_string(),
        });
    }
    if read.len() > 1 {
        println!("the {} journals agree", read.len());
    }
    Ok(())
}
