//! The study as a party holds it: manifest and signatures, its own keys, its tasks.

use std::path::Path;
use std::sync::Arc;

use haima_smpc_node::keyfile;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::masking::Mode;
use haima_smpc_node::study::Study;
use haima_smpc_node::tls::TlsIdentity;

use super::Check;
use crate::{Error, provision};

/// Files of a party's keys, as its configuration names them.
pub(super) struct Files<'a> {
    pub(super) identity: &'a Path,
    pub(super) certificate: &'a Path,
    pub(super) key: &'a Path,
    pub(super) proxy: Option<&'a str>,
}

/// Reads the study; all its parties' signatures are checked.
pub(super) fn manifest(path: &Path, checks: &mut Vec<Check>) -> Option<Arc<Manifest>> {
    let study = Study::read(path).map(|study| study.manifest()).map_err(Error::from);
    let found = study.as_ref().ok().cloned();
    checks.push(Check::of(
        "study",
        study.map(|manifest| in_short(&manifest)),
        "get manifest.toml and manifest.sig from whoever drafted the study",
    ));
    let manifest = found?;
    let plan = path.with_file_name(provision::plan::FILE);
    if plan.exists() {
        let same = provision::plan::read(&plan, &manifest);
        checks.push(Check::of(
            "plan",
            same.map(|_| format!("{} is the one that the manifest names", plan.display())),
            "it is a copy to read: get it anew with the manifest",
        ));
    }
    Some(manifest)
}

fn in_short(manifest: &Manifest) -> String {
    let Manifest { study, revision, nodes, sites, .. } = manifest;
    let digest = manifest.digest().short();
    let how = match manifest.mode {
        Mode::Nodes => format!("{} nodes", nodes.len()),
        Mode::Masked => "no nodes (masked)".to_owned(),
    };
    format!(
        "{study}, revision {revision}, digest {digest}: signed by the coordinator, {how} and {} sites",
        sites.len()
    )
}

/// Whether a party's keys are private, and those of the manifest where there is one; the TLS identity.
pub(super) fn keys(
    files: &Files<'_>,
    name: Option<&str>,
    manifest: Option<&Manifest>,
    checks: &mut Vec<Check>,
) -> Option<TlsIdentity> {
    let party = name.or(manifest.map(|manifest| manifest.coordinator.name.as_str()));
    let pinned = manifest.zip(party);
    let identity = identity(files.identity, pinned);
    checks.push(Check::of(
        "identity key",
        identity,
        "a key is made by `haima keygen` or `smpc-node init`, stays at mode 600, and is the one of the \
         request; a lost one is an amendment",
    ));
    let tls = tls(files, pinned);
    let (found, tls) = match tls {
        Ok((found, tls)) => (Ok(found), Some(tls)),
        Err(error) => (Err(error), None),
    };
    checks.push(Check::of("certificate", found, "as of the identity key"));
    tls
}

fn identity(path: &Path, pinned: Option<(&Manifest, &str)>) -> Result<String, Error> {
    let own = keyfile::read_identity(path)?.public();
    let Some((manifest, name)) = pinned else {
        return Ok("private; there is no study to hold it against".into());
    };
    if manifest.identity(name)? != own {
        return Err(Error::config(path, format!("not the key that the manifest has for {name}")));
    }
    Ok(format!("private, and the one that the manifest has for {name}"))
}

fn tls(
    files: &Files<'_>,
    pinned: Option<(&Manifest, &str)>,
) -> Result<(String, TlsIdentity), Error> {
    // The address of a proxy may have a password in it, so it is not repeated.
    let tls = TlsIdentity::read(files.certificate, files.key)?
        .through(files.proxy)
        .map_err(|_| Error::Config { file: "`proxy`".into(), problem: "is no host:port".into() })?;
    let pin = tls.pin()?;
    let Some((manifest, name)) = pinned else {
        return Ok(("its key is private; there is no study to hold it against".into(), tls));
    };
    if manifest.pins().get(name) != Some(&pin) {
        let problem = format!("not the key that the manifest has for {name}");
        return Err(Error::config(files.certificate, problem));
    }
    // What a certificate says of its dates is looked at by nobody: the key is pinned.
    let found = "its key is private and pinned in the manifest; it does not expire, since no date in \
                 it counts";
    Ok((found.into(), tls))
}

/// Whether this program can run the study's tasks. What stops the party that `asks` is only a warning
/// to one that answers.
pub(super) fn tasks(manifest: &Manifest, asks: bool) -> Vec<Check> {
    match provision::check(manifest, true) {
        Ok(notes) if notes.is_empty() => {
            let count = manifest.tasks.len();
            vec![Check::ok("tasks", &format!("all {count} can be asked by this program"))]
        }
        Ok(notes) => notes.iter().map(|note| Check::warn("tasks", note)).collect(),
        Err(error) if asks => {
            let remedy = "amend the study, or install the version that it was drafted with";
            vec![Check::fail("tasks", &format!("the study fails at {error}; {remedy}"))]
        }
        Err(error) => {
            let remedy = "tell whoever drafted it";
            vec![Check::warn("tasks", &format!("the study fails at {error}; {remedy}"))]
        }
    }
}
