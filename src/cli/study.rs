//! `haima package`: a study comes to be from its template, all parties' requests and, at the end,
//! all their approvals. What each party does for itself is in `haima_smpc_node::cli::party`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use haima_smpc_node::cli::party::{self, Approve};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::provision::{Request, Role, in_words};
use haima_smpc_node::study::{Approvals, Study as Signed};
use serde_json::json;

use crate::Error;
use crate::provision::{self, Study, Timing};
use crate::text::printable;

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
        allow_large_delta: bool,
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
        Package::Draft {
            study,
            out,
            amends,
            round_s,
            grace_s,
            tick_ms,
            allow_large_delta,
            requests,
            json,
        } => {
            let timing = Timing {
                round_ms: round_s.saturating_mul(1000),
                grace_ms: grace_s.saturating_mul(1000),
                tick_ms: *tick_ms,
            };
            let manifest = manifest_of(&Study::read(study)?, timing, requests)?;
            draft(manifest, out, amends.as_deref(), *allow_large_delta, *json)
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

/// The manifest of a template among the parties of these requests.
fn manifest_of(template: &Study, timing: Timing, requests: &[PathBuf]) -> Result<Manifest, Error> {
    let (mut coordinator, mut nodes, mut sites) = (None, Vec::new(), Vec::new());
    for path in requests {
        let request = Request::read(path)?;
        match request.role {
            Role::Node => nodes.push(request.party),
            Role::Site => sites.push(request.party),
            Role::Coordinator if coordinator.is_none() => coordinator = Some(request.party),
            Role::Coordinator => {
                return Err(Error::config(path, "a second coordinator; a study has one"));
            }
        }
    }
    let missing = || Error::Config {
        file: "requests".into(),
        problem: "none of a coordinator; a study has one, so give its request too".into(),
    };
    template.manifest(coordinator.ok_or_else(missing)?, nodes, sites, timing)
}

fn draft(
    mut manifest: Manifest,
    out: &Path,
    amends: Option<&Path>,
    allow_large_delta: bool,
    json: bool,
) -> Result<(), Error> {
    let old = amends.map(Manifest::read).transpose()?;
    if let Some(old) = &old {
        manifest.revision = old.revision.saturating_add(1);
        manifest.amends = Some(old.digest().to_string());
        manifest = manifest.checked()?;
    }
    let notes = provision::check(&manifest, allow_large_delta)?;
    for note in &notes {
        eprintln!("note: {}", printable(note));
    }
    let words = in_words(&manifest, old.as_ref())?;
    std::fs::create_dir_all(out).map_err(|e| Error::file(out, e))?;
    let path = out.join("manifest.toml");
    let text = toml::to_string(&manifest).map_err(|e| Error::config(&path, e.to_string()))?;
    write_new(&path, &text)?;
    provision::plan::write(out, &manifest)?;
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
    let mut all = Approvals::new(&manifest);
    for file in files {
        let one = Approvals::read(file)?;
        all.add(&manifest, &one).map_err(|e| Error::config(file, e.to_string()))?;
    }
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

/// Writes a file that must not exist yet.
fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    use std::io::Write as _;
    let mut file = std::fs::File::create_new(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let problem = "exists already, and parties may have signed it; give another folder as \
                           --out, or remove this file if nobody has";
            Error::config(path, problem)
        }
        _ => Error::file(path, e),
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| Error::file(path, e))
}
