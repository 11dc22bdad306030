//! A study's draft and its approvals, as files: `manifest.toml` and `plan.toml` from a template and all
//! parties' requests, and `manifest.sig` from all parties' approvals. It writes no file that is there.

use std::path::{Path, PathBuf};

use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::provision::{Request, Role, in_words};
use haima_smpc_node::study::Approvals;

use super::{Study, Timing, check, plan};
use crate::Error;

/// Name of the manifest's file.
pub const MANIFEST: &str = "manifest.toml";

/// A manifest that nobody has signed yet.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The manifest.
    pub manifest: Manifest,
    /// What whoever drafts should know of its tasks ([`check`]).
    pub notes: Vec<String>,
    /// What it commits its parties to, and what it changes where it amends one.
    pub words: String,
}

impl Draft {
    /// A manifest of a template among the parties of these requests, all of which are verified. Nodes
    /// keep the order in which they are given. Noise is calibrated, and what must fail is refused here.
    ///
    /// # Errors
    /// When a request cannot be read or was changed, there is not one coordinator, or the template, a
    /// task or a target of privacy cannot be used.
    pub fn new(
        template: &Study,
        timing: Timing,
        requests: &[PathBuf],
        amends: Option<&Manifest>,
        allow_large_delta: bool,
    ) -> Result<Self, Error> {
        let read =
            |path: &PathBuf| -> Result<_, Error> { Ok((path.clone(), Request::read(path)?)) };
        let requests = requests.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
        Self::of(template, timing, requests, amends, allow_large_delta)
    }

    /// A manifest as [`Draft::new`] makes it, among the parties of requests that were read before, each
    /// with its file: of those very keys that somebody was shown.
    ///
    /// # Errors
    /// As [`Draft::new`].
    pub fn of(
        template: &Study,
        timing: Timing,
        requests: Vec<(PathBuf, Request)>,
        amends: Option<&Manifest>,
        allow_large_delta: bool,
    ) -> Result<Self, Error> {
        let mut manifest = manifest_of(template, timing, requests)?;
        if let Some(old) = amends {
            manifest.revision = old.revision.saturating_add(1);
            manifest.amends = Some(old.digest().to_string());
            manifest = manifest.checked()?;
        }
        let notes = check(&manifest, allow_large_delta)?;
        let words = in_words(&manifest, amends)?;
        Ok(Self { manifest, notes, words })
    }

    /// Writes `plan.toml` and then `manifest.toml` to a folder, which is made where it is missing; the
    /// manifest's path.
    ///
    /// # Errors
    /// When there is a manifest already, which parties may have signed, or a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, Error> {
        let path = folder.join(MANIFEST);
        if path.exists() {
            let problem = "exists already, and parties may have signed it; choose another folder, or \
                           remove this file if nobody has";
            return Err(Error::config(&path, problem));
        }
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
        let text =
            toml::to_string(&self.manifest).map_err(|e| Error::config(&path, e.to_string()))?;
        plan::write(folder, &self.manifest)?;
        crate::report::place(folder, MANIFEST, text.as_bytes()).map_err(|e| Error::file(&path, e))
    }
}

/// The manifest of a template among the parties of these requests.
fn manifest_of(
    template: &Study,
    timing: Timing,
    requests: Vec<(PathBuf, Request)>,
) -> Result<Manifest, Error> {
    let (mut coordinator, mut nodes, mut sites) = (None, Vec::new(), Vec::new());
    for (path, request) in requests {
        match request.role {
            Role::Node => nodes.push(request.party),
            Role::Site => sites.push(request.party),
            Role::Coordinator if coordinator.is_none() => coordinator = Some(request.party),
            Role::Coordinator => {
                return Err(Error::config(&path, "a second coordinator; a study has one"));
            }
        }
    }
    let missing = || Error::Config {
        file: "requests".into(),
        problem: "none of a coordinator; a study has one, so give its request too".into(),
    };
    template.manifest(coordinator.ok_or_else(missing)?, nodes, sites, timing)
}

/// The approvals of these files together, each verified. [`Approvals::missing`] says who is to sign yet.
///
/// # Errors
/// Naming the file that cannot be read, is of another manifest, or holds a signature that does not
/// verify.
pub fn collect(manifest: &Manifest, files: &[PathBuf]) -> Result<Approvals, Error> {
    let mut all = Approvals::new(manifest);
    for file in files {
        let one = Approvals::read(file)?;
        all.add(manifest, &one).map_err(|e| Error::config(file, e.to_string()))?;
    }
    Ok(all)
}
