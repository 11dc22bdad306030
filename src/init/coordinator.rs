//! A coordinator: the question, the others' requests, the draft, everybody's approvals, and the
//! package that everybody takes.
//!
//! Requests are read once: the study is drafted from what was shown, whatever lies in the folder by
//! then. What was shown in an earlier call is kept in `compared.txt`, outside the inbox, and `--draft`
//! drafts among those requests alone.
//!
//! What others send lies in `inbox`: requests, and approvals, whose names begin with `approval-`. What
//! goes to all of them lies in `package`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use haima_crypto::encode::Digest;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::masking::Mode;
use haima_smpc_node::provision::{Request, Role};
use haima_smpc_node::study::Study as Signed;

use super::party::Standing;
use super::{Ask, Options, State, Walk, files, party, study, verb};
use crate::Error;
use crate::provision::{self, Draft, MANIFEST, Study};
use crate::text::printable;

/// What others sent.
const INBOX: &str = "inbox";
/// What goes to all of them.
const PACKAGE: &str = "package";
/// The requests that were shown last.
const COMPARED: &str = "compared.txt";

/// A coordinator's steps.
pub(super) fn walk(options: &Options, ask: &mut dyn Ask, walk: &mut Walk) -> Result<(), Error> {
    let inbox = options.folder.join(INBOX);
    files::folder(&inbox)?;
    let Some(template) = study::template(options, ask, walk)? else { return Ok(()) };
    let manifest = format!("{PACKAGE}/{MANIFEST}");
    let text = files::coordinator(&manifest, template.about())?;
    let made = files::new(&options.folder, "coordinator.toml", &text)?;
    let finding = format!("{}: words of the report; commented", walk.config.display());
    walk.note("configuration", if made { State::Made } else { State::There }, finding);

    let (approvals, requests): (Vec<PathBuf>, Vec<PathBuf>) = files::toml_files(&inbox)?
        .into_iter()
        .partition(|path| files::name_of(path).starts_with("approval-"));
    let path = options.folder.join(&manifest);
    if path.exists() {
        late(&Manifest::read(&path)?, &requests, walk)?;
    } else if !draft(&template, &requests, options, ask, walk)? {
        return Ok(());
    }
    let own = options.folder.join(format!("approval-{}.toml", walk.name));
    if party::study(&path, options, ask, walk)? == Standing::Approved {
        collect(&path, own, approvals, walk)?;
    }
    Ok(())
}

/// The requests of a study, and whether those that are there suffice.
struct Roster {
    requests: Vec<(PathBuf, Request)>,
    lines: String,
    lacks: Vec<String>,
}

impl Roster {
    fn of(template: &Study, paths: &[PathBuf]) -> Result<Self, Error> {
        let (mut lines, mut nodes, mut sites) = (String::new(), 0, BTreeSet::new());
        let mut requests = Vec::with_capacity(paths.len());
        // A stranger's words make no line of their own.
        let plain = |text: &str| printable(text).replace('\n', " ");
        for path in paths {
            let request = Request::read(path)?;
            let print = request.fingerprint()?;
            let party = &request.party;
            let _ = write!(lines, "  {print}  {:<11} ", verb(request.role));
            let (name, operator) = (plain(&party.name), plain(&party.operator));
            let _ = writeln!(lines, "{name} ({operator}) {}", plain(&party.address));
            match request.role {
                Role::Node => nodes += 1,
                Role::Site => {
                    sites.insert(party.operator.clone());
                }
                // A second one is refused when the study is drafted.
                Role::Coordinator => {}
            }
            requests.push((path.clone(), request));
        }
        let mut lacks = Vec::new();
        if template.mode == Mode::Nodes && nodes < 2 {
            lacks.push(format!("requests of 2 nodes (there are {nodes})"));
        }
        let (there, least) = (sites.len(), template.min_sites);
        if there < least as usize {
            lacks.push(format!("requests of {least} hospitals' operators (there are {there})"));
        }
        Ok(Self { requests, lines, lacks })
    }

    /// What is kept of having been shown: the lines, and a digest of all that the requests say.
    fn shown(&self) -> Result<String, Error> {
        let mut all = String::new();
        for (path, request) in &self.requests {
            let text = toml::to_string(request).map_err(|e| Error::config(path, e.to_string()))?;
            all.push_str(&text);
            // No request has this letter, so none can be two.
            all.push('\0');
        }
        let digest = Digest::of(all.as_bytes());
        let lines = &self.lines;
        Ok(format!("Requests as they were shown last; --draft is about these.\n{lines}{digest}\n"))
    }
}

/// Whether these requests are those that an earlier call showed.
fn is_compared(path: &Path, shown: &str) -> Result<bool, Error> {
    match std::fs::read(path) {
        Ok(kept) => Ok(kept == shown.as_bytes()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::file(path, error)),
    }
}

/// Drafts the study once its parties are there and somebody says that they are all: whether it did.
fn draft(
    template: &Study,
    requests: &[PathBuf],
    options: &Options,
    ask: &mut dyn Ask,
    walk: &mut Walk,
) -> Result<bool, Error> {
    let roster = Roster::of(template, requests)?;
    let shown = roster.shown()?;
    let Roster { requests, lines, lacks } = roster;
    let inbox = options.folder.join(INBOX);
    let inbox = inbox.display();
    if !lacks.is_empty() {
        let finding = format!(
            "each party makes one by: haima init node --dir FOLDER --name NAME --operator WHO --address \
             HOST:PORT, or haima init site --dir FOLDER --name NAME --operator WHO; put them into \
             {inbox}"
        );
        walk.note(&lacks.join(" and "), State::Waits, finding);
        let line = format!("when they have come: {}", walk.again(""));
        walk.then(line);
        return Ok(false);
    }
    let compared = options.folder.join(COMPARED);
    let is_said = options.draft && is_compared(&compared, &shown)?;
    let asks = format!(
        "Requests in {inbox}:\n{lines}\nCompare each fingerprint with its operator, by telephone: equal \
         digits mean that nobody put other keys in."
    );
    let question = "Are these all, and are the fingerprints compared?";
    let asked = if options.draft { None } else { ask.yes(&asks, question) };
    if !is_said && asked != Some(true) {
        crate::report::place(&options.folder, COMPARED, shown.as_bytes())
            .map_err(|e| Error::file(&compared, e))?;
        let finding = match asked {
            Some(_) => "the requests are as shown".to_owned(),
            None if options.draft => format!(
                "these are not the requests that were shown before; nothing was drafted. {asks}"
            ),
            None => asks,
        };
        walk.note("the comparison of fingerprints", State::Waits, finding.trim_end());
        let line = format!("when these are all, and were compared: {}", walk.again(" --draft"));
        walk.then(line);
        return Ok(false);
    }
    let mut all = requests;
    all.push((walk.request.clone(), Request::read(&walk.request)?));
    let large = options.allow_large_delta;
    let draft = Draft::of(template, options.timing, all, None, large)?;
    let folder = options.folder.join(PACKAGE);
    let path = draft.write(&folder)?;
    let finding = format!("{} and plan.toml, for every party to read and sign", path.display());
    walk.note("manifest", State::Made, finding);
    for note in draft.notes {
        walk.note("note", State::Made, note);
    }
    let line = format!("send what is in {} to every party", folder.display());
    walk.then(line);
    Ok(true)
}

/// Names requests that came too late for the manifest.
fn late(manifest: &Manifest, requests: &[PathBuf], walk: &mut Walk) -> Result<(), Error> {
    for path in requests {
        let name = Request::read(path)?.party.name;
        if manifest.identity(&name).is_err() {
            let finding = format!(
                "{} is not in the manifest: it came later, and joins by an amendment (haima package \
                 draft --amends {PACKAGE}/{MANIFEST} ...)",
                path.display()
            );
            walk.note("request", State::There, finding);
        }
    }
    Ok(())
}

/// Puts the approvals together, and writes the signatures when they are all.
fn collect(
    path: &Path,
    own: PathBuf,
    mut approvals: Vec<PathBuf>,
    walk: &mut Walk,
) -> Result<(), Error> {
    let manifest = Manifest::read(path)?;
    approvals.push(own);
    let all = provision::collect(&manifest, &approvals)?;
    let missing = all.missing(&manifest);
    let folder = path.parent().unwrap_or(Path::new(PACKAGE)).display();
    if !missing.is_empty() {
        let finding = format!(
            "each reads the manifest and signs it by: haima init node --dir FOLDER --sign, or haima init \
             site --dir FOLDER --sign; put the approvals into {}/{INBOX}",
            walk.folder
        );
        walk.note(&format!("approvals of {}", missing.join(", ")), State::Waits, finding);
        let line = format!("when they have come: {}", walk.again(""));
        walk.then(line);
        return Ok(());
    }
    let signatures = Signed::signatures_of(path);
    all.write(&signatures)?;
    let count = all.signatures.len();
    let finding = format!("{} has all {count} signatures", signatures.display());
    walk.note("package", State::Made, finding);
    walk.then(format!("send what is in {folder} to every party"));
    Ok(())
}
