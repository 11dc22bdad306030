//! What each party does for itself before a study: `keygen`, `request` and `approve`.
//!
//! Private keys are made where they stay. A request has nothing secret and is signed by itself; an
//! approval is a detached signature over the manifest's digest.

use std::path::{Path, PathBuf};

use clap::Args;
use haima_crypto::identity::IdentityKey;
use serde_json::json;

use super::print;
use crate::manifest::{Manifest, Party, address_fits, name_fits, operator_fits};
use crate::provision::{Request, Role, in_words, make_keys};
use crate::study::Approvals;
use crate::tls::{self, TlsIdentity};
use crate::{Error, keyfile};

/// `haima keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// Name of the party in studies: a-z, 0-9, '.', '_' and '-'.
    #[arg(long)]
    name: String,
    /// New folder for its private keys.
    #[arg(long)]
    out: PathBuf,
    /// Print one JSON object: folder, public keys and fingerprint.
    #[arg(long)]
    json: bool,
}

/// `haima request`.
#[derive(Debug, Args)]
pub struct MakeRequest {
    /// Folder that `haima keygen` made.
    #[arg(long)]
    pub(super) keys: PathBuf,
    /// Name of the party, as given to keygen.
    #[arg(long)]
    pub(super) name: String,
    /// What it does in the study.
    #[arg(long)]
    pub(super) role: Role,
    /// Organisation that runs it.
    #[arg(long)]
    pub(super) operator: String,
    /// `host:port` where a node or coordinator listens; a site has none.
    #[arg(long, default_value = "")]
    pub(super) address: String,
    /// The request; standard output when absent.
    #[arg(long)]
    pub(super) out: Option<PathBuf>,
    /// Print one JSON object: what the request says, and the fingerprint. The request goes to --out.
    #[arg(long, requires = "out")]
    pub(super) json: bool,
}

/// `haima approve`.
#[derive(Debug, Args)]
pub struct Approve {
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
    /// Print one JSON object: the manifest in words, and whether it was signed.
    #[arg(long)]
    json: bool,
}

impl Approve {
    /// The manifest that is to be approved.
    #[must_use]
    pub fn manifest(&self) -> &Path {
        &self.manifest
    }
}

/// Makes a party's keys.
///
/// # Errors
/// When the folder exists or cannot be written.
pub fn keygen(options: &Keygen) -> Result<(), Error> {
    let Keygen { name, out, json } = options;
    let keys = make_keys(out, name)?;
    let fingerprint = keys.fingerprint()?;
    if *json {
        print(&json!({
            "schema": "haima.keygen/1", "name": name, "folder": out.display().to_string(),
            "identity": keys.identity, "tls": keys.tls, "fingerprint": fingerprint,
        }));
        return Ok(());
    }
    println!("keys of {name} are in {}; they never leave it", out.display());
    println!("fingerprint  {fingerprint}");
    println!("next: haima request --keys {} --name {name} --role ...", out.display());
    Ok(())
}

/// Writes a party's request.
///
/// # Errors
/// When a field is not one, the keys cannot be read or the file exists.
pub fn request(options: &MakeRequest) -> Result<(), Error> {
    check(options)?;
    let fingerprint = make_request(options)?;
    if options.json {
        let MakeRequest { name, role, operator, address, out, .. } = options;
        print(&json!({
            "schema": "haima.request/1", "name": name, "role": role, "operator": operator,
            "address": address, "fingerprint": fingerprint,
            "request": out.as_ref().map(|path| path.display().to_string()),
        }));
        return Ok(());
    }
    eprintln!("fingerprint  {fingerprint}");
    eprintln!("send the request to whoever drafts the study, and read the fingerprint to them");
    Ok(())
}

/// [`fits`] of what the options say.
pub(super) fn check(options: &MakeRequest) -> Result<(), Error> {
    let MakeRequest { name, role, operator, address, .. } = options;
    fits(*role, name, operator, address)
}

/// Checks what a request says of its party, before all sign it in the manifest.
///
/// # Errors
/// Naming the option of the command line that is to blame.
pub fn fits(role: Role, name: &str, operator: &str, address: &str) -> Result<(), Error> {
    let of = |setting: &str| {
        let file = setting.to_owned();
        move |problem| Error::Config { file, problem }
    };
    name_fits(name).map_err(of("--name"))?;
    operator_fits(operator).map_err(of("--operator"))?;
    match role {
        Role::Site if address.is_empty() => Ok(()),
        Role::Site => Err(of("--address")("a site listens nowhere".into())),
        Role::Node | Role::Coordinator => address_fits(address).map_err(of("--address")),
    }
}

/// Signs a party's request with the keys of a folder: `identity.key`, `tls.crt` and `tls.key`. What it
/// says of the party is checked by [`fits`].
///
/// # Errors
/// When a key is missing, readable by others, or none.
pub fn sign_request(
    keys: &Path,
    role: Role,
    name: &str,
    operator: &str,
    address: &str,
) -> Result<Request, Error> {
    let identity = keyfile::read_identity(&keys.join("identity.key"))?;
    let tls = TlsIdentity::read(&keys.join("tls.crt"), &keys.join("tls.key"))?;
    let party = Party {
        name: name.to_owned(),
        operator: operator.to_owned(),
        identity: identity.public().to_string(),
        tls: tls.pin()?.to_string(),
        address: address.to_owned(),
    };
    Ok(Request::sign(role, party, &identity))
}

/// Signs and writes a request that was checked; the fingerprint of its keys.
pub(super) fn make_request(options: &MakeRequest) -> Result<String, Error> {
    let MakeRequest { keys, name, role, operator, address, out, json: _ } = options;
    let request = sign_request(keys, *role, name, operator, address)?;
    let text = toml::to_string(&request).map_err(|e| Error::config(keys, &e))?;
    match out {
        Some(path) => write_new(path, &text)?,
        None => print!("{text}"),
    }
    request.fingerprint()
}

/// The party of a manifest, read from `path`, that has the keys of this folder: its name there, and
/// its identity key.
///
/// # Errors
/// When no party has this identity key, or has another TLS key beside it.
pub fn own_party(
    manifest: &Manifest,
    path: &Path,
    keys: &Path,
) -> Result<(String, IdentityKey), Error> {
    let identity = keyfile::read_identity(&keys.join("identity.key"))?;
    let own = identity.public().to_string();
    let name = manifest
        .parties()
        .find(|(_, key, _)| key.to_lowercase() == own)
        .map(|(name, _, _)| name.to_owned())
        .ok_or_else(|| Error::config(path, &"it does not have this identity key"))?;
    let certificate = keys.join("tls.crt");
    let pem = std::fs::read_to_string(&certificate).map_err(|e| Error::file(&certificate, e))?;
    if manifest.pins().get(&name) != Some(&tls::pin_of_pem(&name, &pem)?) {
        let problem = format!("it has another TLS key for {name} than {}", certificate.display());
        return Err(Error::config(path, &problem));
    }
    Ok((name, identity))
}

/// Shows a manifest in words, and signs it where that is asked for.
///
/// # Errors
/// When it is not sound, or does not hold this party's keys.
pub fn approve(options: &Approve) -> Result<(), Error> {
    let Approve { manifest: path, amends, keys, sign, out, json } = options;
    let manifest = Manifest::read(path)?;
    let old = amends.as_deref().map(Manifest::read).transpose()?;
    let words = in_words(&manifest, old.as_ref())?;
    if !json {
        println!("{words}");
    }
    let (name, identity) = own_party(&manifest, path, keys)?;
    let told = |approval: Option<&Path>| {
        print(&json!({
            "schema": "haima.approve/1", "party": name, "study": manifest.study,
            "revision": manifest.revision, "manifest": manifest.digest().to_string(),
            "words": words, "signed": approval.is_some(),
            "approval": approval.map(|path| path.display().to_string()),
        }));
    };
    if !sign {
        if *json {
            told(None);
        } else {
            println!("not signed: if this is what {name} agrees to, say --sign");
        }
        return Ok(());
    }
    let mut approvals = Approvals::new(&manifest);
    approvals.sign(&manifest, &name, &identity)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let out = out.clone().unwrap_or_else(|| folder.join(format!("approval-{name}.toml")));
    approvals.write(&out)?;
    if *json {
        told(Some(&out));
    } else {
        println!("signed for {name}: send {} to whoever drafted the study", out.display());
    }
    Ok(())
}

/// Writes a file that must not exist yet.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    use std::io::Write as _;
    let mut file = std::fs::File::create_new(path).map_err(|e| Error::file(path, e))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| Error::file(path, e))
}
