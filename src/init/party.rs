//! What every party does: keys and a request, reading what is asked, a signature.

use std::path::{Path, PathBuf};

use haima_smpc_node::cli::party::{fits, own_party, sign_request};
use haima_smpc_node::keyfile;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::provision::{Request, Role, in_words};
use haima_smpc_node::study::{Approvals, Study};
use haima_smpc_node::tls::TlsIdentity;

use super::{Ask, Options, State, Walk, files, verb};
use crate::{Error, provision};

/// What `smpc-node init` calls a request.
const UNNAMED: &str = "request.toml";
const NAMED: &str = ".request.toml";

/// Where a party stands with its study.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is no manifest.
    Absent,
    /// It has not signed the manifest.
    Unsigned,
    /// It has signed.
    Approved,
    /// All have.
    Signed,
}

/// Folder, keys and request; the walk begins with them.
pub(super) fn begin(options: &Options, ask: &mut dyn Ask) -> Result<Walk, Error> {
    let folder = &options.folder;
    let (path, request, is_new) = match request_of(folder, options.name.as_deref())? {
        Some(path) => {
            let request = Request::read(&path)?;
            fits_options(&path, &request, options)?;
            (path, request, false)
        }
        None => {
            let (name, operator, address) = told(options, ask)?;
            files::folder(folder)?;
            files::keys(folder, &name)?;
            let request = sign_request(folder, options.role, &name, &operator, &address)?;
            let file = format!("{name}{NAMED}");
            let path = folder.join(&file);
            let text =
                toml::to_string(&request).map_err(|e| Error::config(&path, e.to_string()))?;
            files::new(folder, &file, &text)?;
            (path, request, true)
        }
    };
    own_keys(folder, &path, &request)?;
    let mut walk = Walk {
        schema: super::SCHEMA,
        role: options.role,
        name: request.party.name.clone(),
        folder: folder.display().to_string(),
        fingerprint: request.fingerprint()?,
        ready: false,
        steps: Vec::new(),
        words: None,
        preflight: None,
        next: Vec::new(),
        config: folder.join(format!("{}.toml", verb(options.role))),
        request: path.clone(),
    };
    let state = if is_new { State::Made } else { State::There };
    let at = folder.display();
    walk.note("keys", state, format!("the private ones are in {at}, and never leave it"));
    let file = path.display();
    let finding = match options.role {
        Role::Coordinator => format!("{file}: this party as the others will read it"),
        _ => format!("{file}: for the coordinator, who reads the fingerprint back by telephone"),
    };
    walk.note("request", state, finding);
    Ok(walk)
}

/// The party's request, where it has one.
fn request_of(folder: &Path, name: Option<&str>) -> Result<Option<PathBuf>, Error> {
    let is_request = |path: &PathBuf| {
        let file = files::name_of(path);
        file == UNNAMED || file.ends_with(NAMED)
    };
    let mut found = files::toml_files(folder)?;
    found.retain(is_request);
    if let (Some(name), 2..) = (name, found.len()) {
        let own = format!("{name}{NAMED}");
        found.retain(|path| files::name_of(path) == own);
    }
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        several => {
            let names: Vec<String> = several.iter().map(|path| files::name_of(path)).collect();
            let problem = format!(
                "{} requests ({}); a folder is one party's: keep its own here, and what others send \
                 to a coordinator in inbox",
                several.len(),
                names.join(", ")
            );
            Err(Error::config(folder, problem))
        }
    }
}

/// Whether the request says what the options say.
fn fits_options(path: &Path, request: &Request, options: &Options) -> Result<(), Error> {
    let file = path.display();
    if request.role != options.role {
        let (is, said) = (verb(request.role), verb(options.role));
        let problem = format!("is of a {is}, not of a {said}; say haima init {is}");
        return Err(Error::config(path, problem));
    }
    let party = &request.party;
    for (option, said, is) in [
        ("--name", &options.name, &party.name),
        ("--operator", &options.operator, &party.operator),
        ("--address", &options.address, &party.address),
    ] {
        if said.as_ref().is_some_and(|said| said != is) {
            let problem = format!(
                "{file} says {is:?}, and others may have it; leave the option out, or begin in \
                 another folder"
            );
            return Err(Error::Config { file: option.into(), problem });
        }
    }
    Ok(())
}

/// Name, operator and address of a party that begins, by option or answer.
fn told(options: &Options, ask: &mut dyn Ask) -> Result<(String, String, String), Error> {
    let mut of = |option: &str, said: &Option<String>, question: &str| {
        said.clone().or_else(|| ask.line(question)).ok_or_else(|| Error::Config {
            file: option.into(),
            problem: format!("is needed the first time: {question}"),
        })
    };
    let name = of("--name", &options.name, "Name of this party in studies, as north")?;
    let operator = of("--operator", &options.operator, "Organisation that runs it")?;
    let address = match options.role {
        Role::Site => options.address.clone().unwrap_or_default(),
        Role::Node | Role::Coordinator => {
            of("--address", &options.address, "host:port where the others reach it")?
        }
    };
    fits(options.role, &name, &operator, &address)?;
    Ok((name, operator, address))
}

/// Whether the keys beside a request are those in it.
fn own_keys(folder: &Path, path: &Path, request: &Request) -> Result<(), Error> {
    let identity = keyfile::read_identity(&folder.join("identity.key"))?.public().to_string();
    let tls = TlsIdentity::read(&folder.join("tls.crt"), &folder.join("tls.key"))?.pin()?;
    let party = &request.party;
    if party.identity.to_lowercase() != identity || party.tls.to_lowercase() != tls.to_string() {
        let problem = format!("are not those of {}; a request goes with its keys", path.display());
        return Err(Error::key(folder, problem));
    }
    Ok(())
}

/// Reads the manifest at `path`, if it is there, and signs it where that is asked for. The approval is
/// written to the party's folder.
pub(super) fn study(
    path: &Path,
    options: &Options,
    ask: &mut dyn Ask,
    walk: &mut Walk,
) -> Result<Standing, Error> {
    if !path.exists() {
        return Ok(Standing::Absent);
    }
    let manifest = Manifest::read(path)?;
    let (name, identity) = own_party(&manifest, path, &options.folder)?;
    if name != walk.name {
        let problem = format!("it calls this party {name:?}; its request says {:?}", walk.name);
        return Err(Error::config(path, problem));
    }
    let role = match (manifest.site(&name), manifest.node(&name)) {
        (Ok(_), _) => Role::Site,
        (_, Ok(_)) => Role::Node,
        _ => Role::Coordinator,
    };
    if role != walk.role {
        let (is, asked) = (verb(role), verb(walk.role));
        let problem = format!("it has this party as a {is}; its request says {asked}");
        return Err(Error::config(path, problem));
    }
    let Manifest { study, revision, .. } = &manifest;
    let in_short = format!("{study}, revision {revision}, digest {}", manifest.digest().short());
    if Study::signatures_of(path).exists() {
        Study::read(path)?;
        walk.note("study", State::There, format!("{in_short}: signed by all its parties"));
        return Ok(Standing::Signed);
    }
    let file = format!("approval-{name}.toml");
    let approval = options.folder.join(&file);
    if approval.exists() {
        let held = Approvals::read(&approval)?;
        let kept = held.check(&manifest).is_ok() && held.signatures.contains_key(&name);
        if !kept {
            let problem = "is of another manifest than the one that is here; move it away, then read \
                           this manifest and sign it";
            return Err(Error::config(&approval, problem));
        }
        walk.note("study", State::There, format!("{in_short}: signed by this party"));
        return Ok(Standing::Approved);
    }
    let words = words_of(&manifest)?;
    let asked =
        if options.sign { None } else { ask.yes(&words, &format!("Sign this for {name}?")) };
    walk.words = asked.is_none().then_some(words);
    if options.sign || asked == Some(true) {
        let mut approvals = Approvals::new(&manifest);
        approvals.sign(&manifest, &name, &identity)?;
        approvals.write(&approval)?;
        let finding = format!("{in_short}: {} is this party's approval", approval.display());
        walk.note("study", State::Made, finding);
        return Ok(Standing::Approved);
    }
    let finding = format!("{in_short}: read what it says, and sign it if you agree");
    walk.note("this party's signature", State::Waits, finding);
    let line = walk.again(" --sign");
    walk.then(line);
    Ok(Standing::Unsigned)
}

/// A manifest in words, with what this program finds of its tasks.
fn words_of(manifest: &Manifest) -> Result<String, Error> {
    let mut words = in_words(manifest, None)?;
    let notes = match provision::check(manifest, true) {
        Ok(notes) => notes,
        Err(error) => vec![format!("as it stands this study fails at {error}")],
    };
    for note in notes {
        words.push_str("\nnote: ");
        words.push_str(&note);
        words.push('\n');
    }
    Ok(words)
}

/// The study of a node or a hospital, and what it waits for.
pub(super) fn follow(options: &Options, ask: &mut dyn Ask, walk: &mut Walk) -> Result<(), Error> {
    let at = options.folder.display();
    let path = options.folder.join(provision::MANIFEST);
    match study(&path, options, ask, walk)? {
        Standing::Absent => {
            let finding = format!(
                "manifest.toml and plan.toml come from the coordinator, who makes them by: haima init \
                 coordinator --dir FOLDER --draft; put them into {at}"
            );
            walk.note("the manifest", State::Waits, finding);
            let (request, print) = (walk.request.display(), &walk.fingerprint);
            let line = format!(
                "send {request} to the coordinator, and read them {print} by telephone, unless that \
                 was done"
            );
            walk.then(line);
            let line = format!("when it has come: {}", walk.again(""));
            walk.then(line);
        }
        Standing::Unsigned | Standing::Signed => {}
        Standing::Approved => {
            let finding = format!(
                "manifest.sig comes from the coordinator, who makes it of all approvals by: haima init \
                 coordinator --dir FOLDER; put it into {at}"
            );
            walk.note("all parties' signatures", State::Waits, finding);
            let approval = options.folder.join(format!("approval-{}.toml", walk.name));
            walk.then(format!("send {} to the coordinator", approval.display()));
            let line = format!("when manifest.sig has come: {}", walk.again(""));
            walk.then(line);
        }
    }
    Ok(())
}
