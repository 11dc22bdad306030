//! What was made for a round, kept until the round has ended, so that a re-send after a crash is
//! byte-identical (rule R5). One file a round, written whole, readable by its owner alone.

use std::path::PathBuf;

use haima_crypto::encode::{Canonical, Digest};
use haima_smpc_node::keyfile;
use haima_smpc_node::submission::Submission;

use crate::Error;

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
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(Submission::from_bytes(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file(&path, error)),
        }
    }

    /// Keeps a submission; it is on disk, whole, when this returns.
    pub(super) fn put(&self, round: &Digest, submission: &Submission) -> Result<(), Error> {
        Ok(keyfile::replace_private(&self.path(round), &submission.to_bytes())?)
    }

    /// Erases all but the submission of the round that is open.
    pub(super) fn erase_except(&self, open: Option<&Digest>) -> Result<(), Error> {
        let keep = open.map(|round| self.path(round));
        let entries = std::fs::read_dir(&self.folder).map_err(|e| Error::file(&self.folder, e))?;
        for entry in entries.flatten() {
            if Some(entry.path()) != keep {
                keyfile::remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use haima_crypto::identity::Signature;
    use haima_smpc_node::header::SignedHeader;

    use super::*;

    /// R5: what is kept is what is sent again, to the byte, and it goes when the round has ended.
    #[test]
    fn a_kept_submission_comes_back_byte_for_byte_until_its_round_ends() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path().join("outbox")).unwrap();
        let round = Digest::of(b"round");
        let submission = Submission {
            header: SignedHeader { bytes: vec![1, 2], signature: Signature::from_bytes([3; 64]) },
            public: vec![6; 64],
            sealed: vec![vec![4; 100], vec![5; 32]],
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
