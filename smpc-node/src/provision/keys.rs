//! A party's folder: identity key, TLS key and certificate.

use std::io::ErrorKind;
use std::path::Path;

use haima_crypto::identity::IdentityKey;

use crate::manifest::{fingerprint, name_fits};
use crate::{Error, keyfile, tls};

/// A party's new keys.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Public identity key, hexadecimal.
    pub identity: String,
    /// Pin of the TLS key, hexadecimal.
    pub tls: String,
}

impl Keys {
    /// What to read over the telephone.
    ///
    /// # Errors
    /// Never, for keys that were just made.
    pub fn fingerprint(&self) -> Result<String, Error> {
        fingerprint(&self.identity, &self.tls)
    }
}

/// Makes a folder with fresh keys from the operating system's randomness, readable by its owner
/// alone.
///
/// # Errors
/// When the folder exists, or a file cannot be written.
pub fn make_keys(path: &Path, name: &str) -> Result<Keys, Error> {
    name_fits(name).map_err(|problem| Error::Config { file: "name".into(), problem })?;
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => {
            Error::config(path, &"it exists; keys are never overwritten, choose another --out")
        }
        _ => Error::file(path, e),
    })?;
    let key = IdentityKey::generate(&mut crate::randomness::system());
    keyfile::write_identity(&path.join("identity.key"), &key)?;
    let (certificate, private) = tls::TlsIdentity::generate(name)?;
    let certificate_path = path.join("tls.crt");
    std::fs::write(&certificate_path, &certificate)
        .map_err(|e| Error::file(&certificate_path, e))?;
    keyfile::write_private(&path.join("tls.key"), private.as_bytes())?;
    let tls = tls::pin_of_pem(name, &certificate)?.to_string();
    Ok(Keys { identity: key.public().to_string(), tls })
}
