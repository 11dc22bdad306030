//! What was made for a round, kept until the round has ended, so that a re-send after a crash is
//! byte-identical (rule R5). One file a round, written whole, readable by its owner alone.

use std::path::{Path, PathBuf};

use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder};
use haima_crypto::identity::Signature;
use haima_crypto::share::MAX_PARTIES;
use haima_smpc_node::header::SignedHeader;
use haima_smpc_node::keyfile;
use zeroize::Zeroizing;

use crate::Error;

/// A round's submission: the signed header and each node's share.
pub(super) struct Submission {
    /// The header.
    pub(super) header: SignedHeader,
    /// Shares in the manifest's order of nodes. Secret together.
    pub(super) shares: Vec<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Submission(<redacted>)")
    }
}

impl Canonical for Submission {
    const LABEL: &'static str = "haima outbox 1";

    fn encode_fields(&self, to: &mut Encoder) {
        to.bytes(&self.header.bytes).array(self.header.signature.as_bytes());
        to.count(self.shares.len());
        for share in &self.shares {
            to.bytes(share);
        }
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let bytes = from.bytes(1 << 16)?.to_vec();
        let signature = Signature::from_bytes(from.array()?);
        let count = from.count(MAX_PARTIES, 4)?;
        let shares = (0..count)
            .map(|_| Ok(Zeroizing::new(from.bytes(1 << 30)?.to_vec())))
            .collect::<Result<_, haima_crypto::Error>>()?;
        Ok(Self { header: SignedHeader { bytes, signature }, shares })
    }
}

/// The folder of kept submissions.
#[derive(Debug)]
pub(super) struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    pub(super) fn open(folder: PathBuf) -> Result<Self, Error> {
        std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, e))?;
        Ok(Self { folder })
    }

    fn path(&self, round: &Digest) -> PathBuf {
        self.folder.join(round.to_string())
    }

    /// The submission made for a round, if there is one.
    pub(super) fn get(&self, round: &Digest) -> Result<Option<Submission>, Error> {
        let path = self.path(round);
        match std::fs::read(&path).map(Zeroizing::new) {
            Ok(bytes) => Ok(Some(Submission::from_bytes(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file(&path, error)),
        }
    }

    /// Keeps a submission; it is on disk, whole, when this returns.
    pub(super) fn put(&self, round: &Digest, submission: &Submission) -> Result<(), Error> {
        let (path, partial) = (self.path(round), self.folder.join("partial"));
        remove(&partial)?;
        keyfile::write_private(&partial, &Zeroizing::new(submission.to_bytes()))?;
        std::fs::rename(&partial, &path).map_err(|e| Error::file(&path, e))?;
        let folder = std::fs::File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.map_err(|e| Error::file(&self.folder, e))
    }

    /// Erases all but the submission of the round that is open.
    pub(super) fn erase_except(&self, open: Option<&Digest>) -> Result<(), Error> {
        let keep = open.map(|round| self.path(round));
        let entries = std::fs::read_dir(&self.folder).map_err(|e| Error::file(&self.folder, e))?;
        for entry in entries.flatten() {
            if Some(entry.path()) != keep {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R5: what is kept is what is sent again, to the byte, and it goes when the round has ended.
    #[test]
    fn a_kept_submission_comes_back_byte_for_byte_until_its_round_ends() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path().join("outbox")).unwrap();
        let round = Digest::of(b"round");
        let submission = Submission {
            header: SignedHeader { bytes: vec![1, 2], signature: Signature::from_bytes([3; 64]) },
            shares: vec![Zeroizing::new(vec![4; 100]), Zeroizing::new(vec![5; 32])],
        };
        assert!(outbox.get(&round).unwrap().is_none());
        outbox.put(&round, &submission).unwrap();
        let kept = outbox.get(&round).unwrap().unwrap();
        assert_eq!(kept.to_bytes(), submission.to_bytes());
        outbox.erase_except(Some(&round)).unwrap();
        assert!(outbox.get(&round).unwrap().is_some());
        outbox.erase_except(None).unwrap();
        assert!(outbox.get(&round).unwrap().is_none());
    }
}
