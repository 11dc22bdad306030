//! A party's folder: identity key, TLS key and certificate.

use std::path::{Path, PathBuf};

use haima_crypto::identity::IdentityKey;
use haima_smpc_node::manifest::Party;
use haima_smpc_node::{keyfile, tls};

use crate::Error;

/// A party's folder with its keys, and what the manifest says of it.
#[derive(Clone, Debug)]
pub struct PartyFolder {
    /// The folder.
    pub path: PathBuf,
    /// Name, operator, public key, pin and address.
    pub party: Party,
}

/// Makes a folder with fresh keys from the operating system's randomness.
///
/// # Errors
/// When the folder or a file in it exists or cannot be written.
pub fn make_party(
    root: &Path,
    name: &str,
    operator: &str,
    address: &str,
) -> Result<PartyFolder, Error> {
    let path = root.join(name);
    std::fs::create_dir(&path).map_err(|e| Error::file(&path, e))?;
    let key = IdentityKey::generate(&mut rand::rng());
    keyfile::write_identity(&path.join("identity.key"), &key)?;
    let (certificate, private) = tls::TlsIdentity::generate(name)?;
    let certificate_path = path.join("tls.crt");
    std::fs::write(&certificate_path, &certificate)
        .map_err(|e| Error::file(&certificate_path, e))?;
    keyfile::write_private(&path.join("tls.key"), private.as_bytes())?;
    let party = Party {
        name: name.to_owned(),
        operator: operator.to_owned(),
        identity: key.public().to_string(),
        tls: tls::pin_of_pem(name, &certificate)?.to_string(),
        address: address.to_owned(),
    };
    Ok(PartyFolder { path, party })
}
