//! `haima keygen`, `request`, `package` and `approve`: a study comes to be.
//!
//! Every party makes its own keys and sends a request, which has nothing secret; whoever drafts the
//! study packages requests and template to a manifest; every party approves it with a detached
//! signature; packaged with all of them the manifest is a study.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use haima_smpc_node::keyfile;
use haima_smpc_node::manifest::{Manifest, Party};
use haima_smpc_node::study::{Approvals, Study as Signed};
use haima_smpc_node::tls::{self, TlsIdentity};

use crate::Error;
use crate::provision::{self, Request, Role, Study, Timing};

/// `haima keygen`.
#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// Name of the party in studies: a-z, 0-9, '.', '_' and '-'.
    #[arg(long)]
    name: String,
    /// New folder for its private keys.
    #[arg(long)]
    out: PathBuf,
}

/// `haima request`.
#[derive(Debug, Args)]
pub(super) struct MakeRequest {
    /// Folder that `haima keygen` made.
    #[arg(long)]
    keys: PathBuf,
    /// Name of the party, as given to keygen.
    #[arg(long)]
    name: String,
    /// What it does in the study.
    #[arg(long)]
    role: Role,
    /// Organisation that runs it.
    #[arg(long)]
    operator: String,
    /// `host:port` where a node or coordinator listens; a site has none.
    #[arg(long, default_value = "")]
    address: String,
    /// The request; standard output when absent.
    #[arg(long)]
    out: Option<PathBuf>,
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
        /// From opening a round to its deadline, in seconds.
        #[arg(long, default_value_t = 300)]
        round_s: u64,
        /// Time for the nodes' agreement after a deadline, in seconds.
        #[arg(long, default_value_t = 60)]
        grace_s: u64,
        /// Sites submit on multiples of this, in milliseconds.
        #[arg(long, default_value_t = 1000)]
        tick_ms: u32,
        /// Requests of the coordinator, of at least two nodes, and of the sites. Nodes keep the
        /// order in which they are given.
        #[arg(required = true)]
        requests: Vec<PathBuf>,
    },
    /// Put all parties' approvals into `manifest.sig` beside the manifest.
    Signed {
        /// The manifest.
        #[arg(long)]
        manifest: PathBuf,
        /// What `haima approve` wrote, of every party.
        #[arg(required = true)]
        approvals: Vec<PathBuf>,
    },
}

/// `haima approve`.
#[derive(Debug, Args)]
pub(super) struct Approve {
    /// The manifest that was drafted.
    #[arg(long)]
    manifest: PathBuf,
    /// The manifest that it amends: shows what changes.
    #[arg(long)]
    amends: Option<PathBuf>,
    /// Folder of this party's keys.
    #[arg(long)]
    keys: PathBuf,
    /// Sign. Without it the manifest is only shown in words.
    #[arg(long)]
    sign: bool,
    /// The approval; `approval-NAME.toml` in the manifest's folder when absent.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Makes a party's keys.
pub(super) fn keygen(options: &Keygen) -> Result<(), Error> {
    let Keygen { name, out } = options;
    let folder = provision::make_keys(out, name)?;
    println!("keys of {name} are in {}; they never leave it", out.display());
    println!("fingerprint  {}", folder.fingerprint()?);
    println!("next: haima request --keys {} --name {name} --role ...", out.display());
    Ok(())
}

/// Writes a party's request.
pub(super) fn request(options: &MakeRequest) -> Result<(), Error> {
    let MakeRequest { keys, name, role, operator, address, out } = options;
    let listens = *role != Role::Site;
    if listens == address.is_empty() {
        let problem = if listens { "missing; give host:port" } else { "a site listens nowhere" };
        return Err(Error::Config { file: "--address".into(), problem: problem.into() });
    }
    let identity = keyfile::read_identity(&keys.join("identity.key"))?;
    let tls = TlsIdentity::read(&keys.join("tls.crt"), &keys.join("tls.key"))?;
    let party = Party {
        name: name.clone(),
        operator: operator.clone(),
        identity: identity.public().to_string(),
        tls: tls.pin()?.to_string(),
        address: address.clone(),
    };
    let request = Request::sign(*role, party, &identity);
    let text = toml::to_string(&request).map_err(|e| Error::config(keys, e.to_string()))?;
    match out {
        Some(path) => write_new(path, &text)?,
        None => print!("{text}"),
    }
    eprintln!("fingerprint  {}", request.fingerprint()?);
    eprintln!("send the request to whoever drafts the study, and read the fingerprint to them");
    Ok(())
}

/// Drafts a manifest, or collects its approvals.
pub(super) fn package(command: &Package) -> Result<(), Error> {
    match command {
        Package::Draft { study, out, amends, round_s, grace_s, tick_ms, requests } => {
            let timing = Timing {
                round_ms: round_s.saturating_mul(1000),
                grace_ms: grace_s.saturating_mul(1000),
                tick_ms: *tick_ms,
            };
            draft(study, out, amends.as_deref(), timing, requests)
        }
        Package::Signed { manifest, approvals } => collect(manifest, approvals),
    }
}

fn draft(
    study: &Path,
    out: &Path,
    amends: Option<&Path>,
    timing: Timing,
    requests: &[PathBuf],
) -> Result<(), Error> {
    let template = Study::read(study)?;
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
        problem: "none of a coordinator; a study has one".into(),
    };
    let mut manifest = template.manifest(coordinator.ok_or_else(missing)?, nodes, sites, timing)?;
    let old = amends.map(Manifest::read).transpose()?;
    if let Some(old) = &old {
        manifest.revision = old.revision.saturating_add(1);
        manifest.amends = Some(old.digest().to_string());
        manifest = manifest.checked()?;
    }
    let words = provision::in_words(&manifest, old.as_ref())?;
    std::fs::create_dir_all(out).map_err(|e| Error::file(out, e))?;
    let path = out.join("manifest.toml");
    let text = toml::to_string(&manifest).map_err(|e| Error::config(&path, e.to_string()))?;
    write_new(&path, &text)?;
    provision::plan::write(out, &manifest)?;
    println!("{words}");
    println!("{} is drafted; send it to every party, who approves it:", path.display());
    println!("  haima approve --manifest {} --keys FOLDER --sign", path.display());
    Ok(())
}

fn collect(path: &Path, files: &[PathBuf]) -> Result<(), Error> {
    let manifest = Manifest::read(path)?;
    let out = Signed::signatures_of(path);
    let mut all = Approvals::new(&manifest);
    for file in files {
        let one = Approvals::read(file)?;
        all.add(&manifest, &one).map_err(|e| Error::config(file, e.to_string()))?;
    }
    let missing = all.missing(&manifest);
    if !missing.is_empty() {
        let problem = format!("not approved yet by {}", missing.join(", "));
        return Err(Error::config(path, problem));
    }
    all.write(&out)?;
    println!("{} has all {} signatures", out.display(), all.signatures.len());
    println!("give manifest.toml, manifest.sig and plan.toml to every party");
    Ok(())
}

/// Shows a manifest in words, and signs it where that is asked for.
pub(super) fn approve(options: &Approve) -> Result<(), Error> {
    let Approve { manifest: path, amends, keys, sign, out } = options;
    let manifest = Manifest::read(path)?;
    let old = amends.as_deref().map(Manifest::read).transpose()?;
    println!("{}", provision::in_words(&manifest, old.as_ref())?);
    let identity = keyfile::read_identity(&keys.join("identity.key"))?;
    let own = identity.public().to_string();
    let name = manifest
        .parties()
        .find(|(_, key, _)| key.to_lowercase() == own)
        .map(|(name, _, _)| name.to_owned())
        .ok_or_else(|| Error::config(path, "it does not have this identity key"))?;
    let certificate = keys.join("tls.crt");
    let pem = std::fs::read_to_string(&certificate).map_err(|e| Error::file(&certificate, e))?;
    let pin = tls::pin_of_pem(&name, &pem)?;
    if manifest.pins().get(&name) != Some(&pin) {
        let problem = format!("it has another TLS key for {name} than {}", certificate.display());
        return Err(Error::config(path, problem));
    }
    if !sign {
        println!("not signed: if this is what {name} agrees to, say --sign");
        return Ok(());
    }
    let mut approvals = Approvals::new(&manifest);
    approvals.sign(&manifest, &name, &identity)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let out = out.clone().unwrap_or_else(|| folder.join(format!("approval-{name}.toml")));
    approvals.write(&out)?;
    println!("signed for {name}: send {} to whoever drafted the study", out.display());
    Ok(())
}

/// Writes a file that must not exist yet.
fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    use std::io::Write as _;
    let mut file = std::fs::File::create_new(path).map_err(|e| Error::file(path, e))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| Error::file(path, e))
}
