//! A study: a manifest that every one of its parties has signed.
//!
//! Beside `manifest.toml` stands `manifest.sig`, one detached Ed25519 signature a party over the
//! manifest's digest and the party's name. A [`Study`] is had by no other way than through both, and
//! it is all that a daemon takes: so no round is ever run under a manifest that somebody in it has
//! not approved. An amendment is a new manifest, signed by all again, that names the digest of the
//! one before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haima_crypto::encode::{Digest, Encoder, from_hex, to_hex};
use haima_crypto::identity::{IdentityKey, Signature};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::manifest::Manifest;

/// Largest signature file that is read: a line a party.
const MAX_BYTES: u64 = 1 << 20;

/// A manifest with the signatures of all its parties, verified.
#[derive(Clone, Debug)]
pub struct Study(Arc<Manifest>);

/// What a party signs: that it takes part under this manifest, in this name.
fn statement(manifest: &Digest, party: &str) -> Digest {
    let mut to = Encoder::new("haima approval 1");
    to.digest(manifest).str(party);
    Digest::of(&to.finish())
}

/// Parties' signatures over a manifest, not yet verified: `manifest.sig`, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// Digest of the manifest, 64 hexadecimal digits.
    pub manifest: String,
    /// Signature by party, 128 hexadecimal digits each.
    pub signatures: BTreeMap<String, String>,
}

impl Approvals {
    /// None yet.
    #[must_use]
    pub fn new(manifest: &Manifest) -> Self {
        Self { manifest: manifest.digest().to_string(), signatures: BTreeMap::new() }
    }

    /// Adds a party's signature.
    ///
    /// # Errors
    /// When the manifest has no such party, or another key for it.
    pub fn sign(
        &mut self,
        manifest: &Manifest,
        party: &str,
        key: &IdentityKey,
    ) -> Result<(), Error> {
        if manifest.identity(party)? != key.public() {
            return Err(Error::Key {
                party: party.to_owned(),
                problem: "the manifest has another identity key for it; do not sign it".into(),
            });
        }
        let signature = key.sign(&statement(&manifest.digest(), party));
        self.signatures.insert(party.to_owned(), to_hex(signature.as_bytes()));
        Ok(())
    }

    /// Adds what another file has, once it is verified.
    ///
    /// # Errors
    /// When it is of another manifest, or a signature does not verify.
    pub fn add(&mut self, manifest: &Manifest, other: &Self) -> Result<(), Error> {
        other.check(manifest)?;
        self.signatures.extend(other.signatures.clone());
        Ok(())
    }

    /// Verifies every signature that is there.
    ///
    /// # Errors
    /// [`Error::Approval`] naming the party.
    pub fn check(&self, manifest: &Manifest) -> Result<(), Error> {
        let digest = manifest.digest();
        if self.manifest.to_lowercase() != digest.to_string() {
            return Err(Error::Approval {
                party: "every party".into(),
                problem: format!(
                    "the signatures are for the manifest {}; this one is {digest}: one of the two \
                     files was changed",
                    self.manifest.chars().take(64).collect::<String>()
                ),
            });
        }
        for (party, signature) in &self.signatures {
            let refuse = |problem: String| Error::Approval { party: party.clone(), problem };
            let bytes: [u8; 64] = from_hex(signature).map_err(|e| refuse(e.to_string()))?;
            let signature = Signature::from_bytes(bytes);
            manifest
                .identity(party)?
                .verify(&statement(&digest, party), &signature, "approval")
                .map_err(|_| refuse("its signature does not verify; let it approve anew".into()))?;
        }
        Ok(())
    }

    /// Parties that have not signed.
    #[must_use]
    pub fn missing(&self, manifest: &Manifest) -> Vec<String> {
        let names = manifest.parties().map(|(name, _, _)| name);
        names.filter(|name| !self.signatures.contains_key(*name)).map(str::to_owned).collect()
    }

    /// Reads a file of signatures.
    ///
    /// # Errors
    /// When it is missing, too large, or does not parse.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let size = std::fs::metadata(path).map_err(|e| Error::file(path, e))?.len();
        let fault =
            |problem: String| Error::Approval { party: path.display().to_string(), problem };
        if size > MAX_BYTES {
            return Err(fault(format!("{size} bytes; at most {MAX_BYTES} are read")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        toml::from_str(&text).map_err(|e| fault(e.to_string().trim().to_owned()))
    }

    /// Writes the file anew, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let text = toml::to_string(self).map_err(|e| Error::Store(e.to_string()))?;
        let partial = path.with_extension("partial");
        std::fs::write(&partial, text).map_err(|e| Error::file(&partial, e))?;
        std::fs::rename(&partial, path).map_err(|e| Error::file(path, e))
    }
}

impl Study {
    /// Where a manifest's signatures stand: `manifest.sig` beside `manifest.toml`.
    #[must_use]
    pub fn signatures_of(manifest: &Path) -> PathBuf {
        manifest.with_extension("sig")
    }

    /// Reads a manifest and the signatures beside it.
    ///
    /// # Errors
    /// When either cannot be read, and as [`Study::open`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let manifest = Manifest::read(path)?;
        let signatures = Self::signatures_of(path);
        if !signatures.exists() {
            return Err(Error::Approval {
                party: "every party".into(),
                problem: format!(
                    "{} is missing; whoever drafted the study makes it from all approvals with \
                     `haima package signed` and hands it to every party",
                    signatures.display()
                ),
            });
        }
        Self::open(manifest, &Approvals::read(&signatures)?)
    }

    /// A study from its parts.
    ///
    /// # Errors
    /// [`Error::Approval`] naming a party that has not signed, or whose signature does not verify.
    pub fn open(manifest: Manifest, approvals: &Approvals) -> Result<Self, Error> {
        approvals.check(&manifest)?;
        let missing = approvals.missing(&manifest);
        if missing.is_empty() {
            return Ok(Self(Arc::new(manifest)));
        }
        Err(Error::Approval {
            party: missing.join(", "),
            problem: "has not signed this manifest; let it run `haima approve`".into(),
        })
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> Arc<Manifest> {
        Arc::clone(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::example;

    fn signed() -> (Manifest, Vec<(String, IdentityKey)>, Approvals) {
        let (manifest, keys) = example();
        let mut approvals = Approvals::new(&manifest);
        for (name, key) in &keys {
            approvals.sign(&manifest, name, key).unwrap();
        }
        (manifest, keys, approvals)
    }

    #[test]
    fn a_study_needs_the_signature_of_each_party_over_this_very_manifest() {
        let (manifest, keys, approvals) = signed();
        assert!(Study::open(manifest.clone(), &approvals).is_ok());
        for (name, _) in &keys {
            let mut without = approvals.clone();
            without.signatures.remove(name);
            let error = Study::open(manifest.clone(), &without).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("haima approve"), "{error}");
            // Another party's signature in its place.
            let other = keys.iter().find(|(other, _)| other != name).unwrap();
            let mut forged = approvals.clone();
            forged.signatures.insert(name.clone(), forged.signatures[&other.0].clone());
            let error = Study::open(manifest.clone(), &forged).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("verify"), "{error}");
        }
        let changed = Manifest { min_sites: 3, ..manifest.clone() };
        assert!(Study::open(changed.clone(), &approvals).is_err());
        let relabelled = Approvals { manifest: changed.digest().to_string(), ..approvals.clone() };
        assert!(Study::open(changed, &relabelled).is_err(), "signatures bind the digest");
        let mut unknown = approvals;
        unknown.signatures.insert("nobody".into(), "00".repeat(64));
        assert!(Study::open(manifest, &unknown).is_err());
    }

    #[test]
    fn nobody_signs_for_a_key_that_is_not_its_own() {
        let (manifest, keys, _) = signed();
        let mut approvals = Approvals::new(&manifest);
        let error = approvals.sign(&manifest, &keys[0].0, &keys[1].1).unwrap_err().to_string();
        assert!(error.contains("another identity key"), "{error}");
        assert!(approvals.sign(&manifest, "nobody", &keys[1].1).is_err());
    }

    #[test]
    fn a_file_of_signatures_comes_back_and_garbage_is_refused() {
        let (manifest, _, approvals) = signed();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.toml");
        std::fs::write(&path, toml::to_string(&manifest).unwrap()).unwrap();
        let error = Study::read(&path).unwrap_err().to_string();
        assert!(error.contains("manifest.sig is missing"), "{error}");
        let signatures = Study::signatures_of(&path);
        approvals.write(&signatures).unwrap();
        assert_eq!(Study::read(&path).unwrap().manifest().digest(), manifest.digest());
        for garbage in ["", "manifest = 1", "manifest = 'x'\nsignatures = {}\nmore = 1", "\u{0}"] {
            std::fs::write(&signatures, garbage).unwrap();
            assert!(Study::read(&path).is_err(), "{garbage:?}");
        }
        std::fs::write(&signatures, " ".repeat(2 << 20)).unwrap();
        assert!(Study::read(&path).unwrap_err().to_string().contains("at most"));
    }
}
