//! A party's request to take part: its public keys, signed by itself, and nothing secret.

use std::path::Path;

use crate::manifest::{Party, fingerprint};
use haima_crypto::encode::{Digest, Encoder, from_hex, to_hex};
use haima_crypto::identity::{IdentityKey, IdentityPublic, Signature};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Largest request that is read.
const MAX_BYTES: u64 = 1 << 14;

/// What a party does in a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A hospital.
    Site,
    /// Holds shares.
    Node,
    /// Asks.
    Coordinator,
}

/// A request, verified: its signature is that of the identity key in it, so nobody can put another
/// TLS key or address beside a party's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Format of this file: 1.
    version: u32,
    /// What the party does.
    pub role: Role,
    /// Name, operator, keys and address.
    pub party: Party,
    /// Signature of the identity key over all of the above, 128 hexadecimal digits.
    signature: String,
}

impl Request {
    /// Signs a request.
    #[must_use]
    pub fn sign(role: Role, party: Party, key: &IdentityKey) -> Self {
        let unsigned = Self { version: 1, role, party, signature: String::new() };
        let signature = to_hex(key.sign(&unsigned.statement()).as_bytes());
        Self { signature, ..unsigned }
    }

    fn statement(&self) -> Digest {
        let Party { name, operator, identity, tls, address } = &self.party;
        let mut to = Encoder::new("haima request 1");
        to.u32(self.version).u8(self.role as u8).str(name).str(operator);
        to.str(&identity.to_lowercase()).str(&tls.to_lowercase()).str(address);
        Digest::of(&to.finish())
    }

    /// Reads and verifies a request.
    ///
    /// # Errors
    /// When it is missing, too large, does not parse, or is not signed by its own identity key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let size = std::fs::metadata(path).map_err(|e| Error::file(path, e))?.len();
        if size > MAX_BYTES {
            let problem = format!("{size} bytes; at most {MAX_BYTES} are read");
            return Err(Error::config(path, &problem));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        let request: Self = toml::from_str(&text).map_err(|e| Error::config(path, &e))?;
        let fault = |problem: String| Error::config(path, &problem);
        if request.version != 1 {
            let problem = format!("version {}; this program reads 1", request.version);
            return Err(fault(problem));
        }
        let key = IdentityPublic::from_hex(&request.party.identity)
            .map_err(|e| fault(format!("identity: {e}")))?;
        let signature: [u8; 64] =
            from_hex(&request.signature).map_err(|e| fault(format!("signature: {e}")))?;
        key.verify(&request.statement(), &Signature::from_bytes(signature), "request")
            .map_err(|_| fault("not signed by its own identity key: it was changed".into()))?;
        Ok(request)
    }

    /// What to read over the telephone.
    ///
    /// # Errors
    /// When a key is not one.
    pub fn fingerprint(&self) -> Result<String, Error> {
        fingerprint(&self.party.identity, &self.party.tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_whose_tls_key_name_or_role_was_changed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("request.toml");
        let key = IdentityKey::from_secret(&[1; 32]);
        let party = Party {
            name: "site-a".into(),
            operator: "A".into(),
            identity: key.public().to_string(),
            tls: "11".repeat(32),
            address: String::new(),
        };
        let request = Request::sign(Role::Site, party, &key);
        let good = toml::to_string(&request).unwrap();
        std::fs::write(&path, &good).unwrap();
        assert_eq!(Request::read(&path).unwrap(), request);
        assert_eq!(request.fingerprint().unwrap().len(), 29);
        let other = IdentityKey::from_secret(&[2; 32]).public().to_string();
        for (from, to) in [
            ("site-a", "site-b"),
            ("\"site\"", "\"node\""),
            ("operator = \"A\"", "operator = \"B\""),
            (&*"11".repeat(32), &*"12".repeat(32)),
            (&*request.party.identity, &*other),
            ("address = \"\"", "address = \"x:1\""),
            ("version = 1", "version = 2"),
            ("role", "rolle"),
        ] {
            let changed = good.replace(from, to);
            assert_ne!(changed, good, "{from}");
            std::fs::write(&path, changed).unwrap();
            assert!(Request::read(&path).is_err(), "{from}");
        }
        std::fs::write(&path, " ".repeat(1 << 15)).unwrap();
        assert!(Request::read(&path).unwrap_err().to_string().contains("at most"));
    }
}
