//! `haima package`: a study comes to be from its template, all parties' requests and, at the end,
//! all their approvals. What each party does for itself is in `haima_smpc_node::cli::party`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use haima_smpc_node::cli::party::{self, Approve};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::study::Study as Signed;
use serde_json::json;

use crate::Error;
use crate::provision::{self, Draft, Study, Timing};
use crate::text::printable;

// No comment that clap would take for that of a command.
#[derive(Debug, Args)]
pub(super) struct Terms {
    /// From opening a round to its deadline, in seconds.
    #[arg(long, default_value_t = 300)]
    round_s: u64,
    /// Time for the nodes' agreement, or in masked mode the sites' answers, after a deadline, in
    /// seconds.
    #[arg(long, default_value_t = 60)]
    grace_s: u64,
    /// Sites submit on multiples of this, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    tick_ms: u32,
    /// Take a delta above 1/(10 n) of the sites' public caps n; their policies have to allow it too.
    #[arg(long)]
    pub(super) allow_large_delta: bool,
}

impl Terms {
    pub(super) fn timing(&self) -> Timing {
        Timing {
            round_ms: self.round_s.saturating_mul(1000),
            grace_ms: self.grace_s.saturating_mul(1000),
            tick_ms: self.tick_ms,
        }
    }
}

/// `haima package`.
#[derive(Debug, Subcommand)]
pub(super) enum Package {
    /// Make a manifest and its plan from a study's template and all parties' requests.
    Draft {
        /// The study's template (TOML), as in `data/*.study.toml`.
        #[arg(long)]
        study: PathBuf,
        /// Folder for `manifest.toml` and `plan.toml`.
        #[arg(long)]
        out: PathBuf,
        /// The manifest that this one amends.
        #[arg(long)]
        amends: Option<PathBuf>,
        #[command(flatten)]
        terms: Terms,
        /// Requests of the coordinator, of at least two nodes (none in masked mode), and of the sites.
        /// Nodes keep the order in which they are given.
        #[arg(required = true)]
        requests: Vec<PathBuf>,
        /// Print one JSON object: the files, the manifest's digest and what it says in words.
        #[arg(long)]
        json: bool,
    },
    /// Put all parties' approvals into `manifest.sig` beside the manifest.
    Signed {
        /// The manifest.
        #[arg(long)]
        manifest: PathBuf,
        /// What `haima approve` wrote, of every party.
        #[arg(required = true)]
        approvals: Vec<PathBuf>,
        /// Print one JSON object: the file, and who signed.
        #[arg(long)]
        json: bool,
    },
}

/// Drafts a manifest, or collects its approvals.
pub(super) fn package(command: &Package) -> Result<(), Error> {
    match command {
        Package::Draft { study, out, amends, terms, requests, json } => {
            let template = Study::read(study)?;
            let old = amends.as_deref().map(Manifest::read).transpose()?;
            let large = terms.allow_large_delta;
            let draft = Draft::new(&template, terms.timing(), requests, old.as_ref(), large)?;
            tell(&draft, out, amends.as_deref(), *json)
        }
        Package::Signed { manifest, approvals, json } => collect(manifest, approvals, *json),
    }
}

/// Shows a manifest in words and signs it where that is asked for, and says why its tasks cannot run.
pub(super) fn approve(options: &Approve) -> Result<(), Error> {
    let manifest = Manifest::read(options.manifest())?;
    // The delta is the policies' business, and an amendment may have tasks that ran already.
    match provision::check(&manifest, true) {
        Ok(notes) => notes.iter().for_each(|note| eprintln!("note: {}", printable(note))),
        Err(error) => {
            let error = printable(&error.to_string());
            eprintln!("note: as it stands this study fails at {error}");
        }
    }
    Ok(party::approve(options)?)
}

/// Writes a draft, and says what it holds.
fn tell(draft: &Draft, out: &Path, amends: Option<&Path>, json: bool) -> Result<(), Error> {
    let Draft { manifest, notes, words } = draft;
    for note in notes {
        eprintln!("note: {}", printable(note));
    }
    let path = draft.write(out)?;
    if json {
        let object = json!({
            "schema": "haima.package.draft/1", "study": manifest.study,
            "revision": manifest.revision, "digest": manifest.digest().to_string(),
            "manifest": path.display().to_string(),
            "plan": out.join(provision::plan::FILE).display().to_string(),
            "notes": notes, "words": words,
        });
        println!("{object}");
        return Ok(());
    }
    println!("{words}");
    let amended = amends.map(|old| format!(" --amends {}", old.display())).unwrap_or_default();
    let approve = format!("approve --manifest {}{amended} --keys FOLDER", path.display());
    println!("{} is drafted; send it to every party, who reads what it says:", path.display());
    println!("  haima {approve}");
    println!("and signs it if it agrees (a node's operator: smpc-node instead of haima):");
    println!("  haima {approve} --sign");
    Ok(())
}

fn collect(path: &Path, files: &[PathBuf], json: bool) -> Result<(), Error> {
    let manifest = Manifest::read(path)?;
    let out = Signed::signatures_of(path);
    let all = provision::collect(&manifest, files)?;
    let missing = all.missing(&manifest);
    if !missing.is_empty() {
        let problem = format!(
            "not approved yet by {}; let each read it with `haima approve` (a node's operator: \
             `smpc-node approve`), sign it with --sign, and give all approvals here",
            missing.join(", ")
        );
        return Err(Error::config(path, problem));
    }
    all.write(&out)?;
    if json {
        let object = json!({
            "schema": "haima.package.signed/1", "study": manifest.study,
            "digest": manifest.digest().to_string(), "signatures": out.display().to_string(),
            "parties": all.signatures.keys().collect::<Vec<&String>>(),
        });
        println!("{object}");
        return Ok(());
    }
    println!("{} has all {} signatures", out.display(), all.signatures.len());
    println!("give manifest.toml, manifest.sig and plan.toml to every party");
    Ok(())
}
