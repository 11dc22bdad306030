//! A party's folder: identity key, TLS key and certificate.

use std::path::{Path, PathBuf};

use haima_smpc_node::manifest::Party;
use haima_smpc_node::provision::{Keys, make_keys};

use crate::Error;

/// A party's folder with its keys, and what the manifest says of it.
#[derive(Clone, Debug)]
pub struct PartyFolder {
    /// The folder.
    pub path: PathBuf,
    /// Name, operator, public key, pin and address.
    pub party: Party,
}

/// Makes a party's folder with fresh keys.
///
/// # Errors
/// As [`make_keys`].
pub fn make_party(
    root: &Path,
    name: &str,
    operator: &str,
    address: &str,
) -> Result<PartyFolder, Error> {
    let path = root.join(name);
    let Keys { identity, tls } = make_keys(&path, name)?;
    let party = Party {
        name: name.to_owned(),
        operator: operator.to_owned(),
        identity,
        tls,
        address: address.to_owned(),
    };
    Ok(PartyFolder { path, party })
}
