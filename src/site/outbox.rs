//! What was made for a round, kept until the round has ended, so that a re-send after a crash is
//! byte-identical (rule R5). One file a round, written whole, readable by its owner alone; its name has
//! the round's digest and its end. It goes at that end at the latest, or when a site starts after it:
//! also where the coordinator is away and announces no other round.
//!
//! Beside them, in one file: how the vector of a program beside the site stands in what was made, until
//! the program has been told the sum, which may be after the next round began. It is on disk before
//! anything that was made is sent, so a site that was restarted tells the same.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest, from_hex};
use haima_fl_core::tasks::vector_sum::Standing;
use haima_smpc_node::submission::Submission;
use haima_smpc_node::{keyfile, unix_millis};

use crate::Error;

/// Name of the file of standings.
const STANDINGS: &str = "standings";
/// Rounds of which the standing is kept, attempts counted singly.
const MOST_STANDINGS: usize = 64;
/// Most bytes of that file.
const MOST: u64 = 1 << 16;
/// How often it is looked for rounds that have ended.
const LOOK: Duration = Duration::from_secs(1);

/// The folder of kept submissions.
#[derive(Debug)]
pub(super) struct Outbox {
    folder: PathBuf,
    /// The last ones, the latest at the end.
    standings: VecDeque<(Digest, Standing)>,
}

impl Outbox {
    pub(super) fn open(folder: PathBuf) -> Result<Self, Error> {
        std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, e))?;
        let standings = read_standings(&folder.join(STANDINGS))?;
        Ok(Self { folder, standings })
    }

    /// The submission made for a round, if there is one.
    pub(super) fn get(&self, round: &Digest) -> Result<Option<Submission>, Error> {
        let of_round = |path: &PathBuf| named(path).is_some_and(|(own, _)| own == *round);
        let Some(path) = files(&self.folder)?.into_iter().find(of_round) else { return Ok(None) };
        let bytes = std::fs::read(&path).map_err(|e| Error::file(&path, e))?;
        Ok(Some(Submission::from_bytes(&bytes)?))
    }

    /// Keeps a submission until the round's end, unix milliseconds; it is on disk, whole, when this
    /// returns.
    pub(super) fn put(
        &self,
        round: &Digest,
        end: u64,
        submission: &Submission,
    ) -> Result<(), Error> {
        let path = self.folder.join(format!("{round}-{end}"));
        Ok(keyfile::replace_private(&path, &submission.to_bytes())?)
    }

    /// Keeps how the vector of a program beside the site stands in what was made for a round; it is on
    /// disk when this returns.
    pub(super) fn keep_standing(&mut self, round: Digest, own: Standing) -> Result<(), Error> {
        self.standings.retain(|(known, _)| *known != round);
        if self.standings.len() >= MOST_STANDINGS {
            self.standings.pop_front();
        }
        self.standings.push_back((round, own));
        let rows = self.standings.iter().map(|(round, own)| (round.to_string(), *own));
        let rows: Vec<(String, Standing)> = rows.collect();
        // Texts always have a JSON form.
        let bytes = serde_json::to_vec(&rows).unwrap_or_default();
        Ok(keyfile::replace_private(&self.folder.join(STANDINGS), &bytes)?)
    }

    /// How the vector of a program beside the site stands in what was made for a round; `None` where
    /// nothing was made, or without such a program.
    pub(super) fn standing(&self, round: &Digest) -> Option<Standing> {
        self.standings.iter().find(|(known, _)| known == round).map(|(_, own)| *own)
    }

    /// Erases all but the submission of the round that is open. Standings go with the last round, since
    /// the sum that they are of may still have to be told.
    pub(super) fn erase_except(&self, open: Option<&Digest>) -> Result<(), Error> {
        let keep = |path: &Path| match open {
            Some(open) => is_standings(path) || named(path).is_some_and(|(own, _)| own == *open),
            None => false,
        };
        erase_unless(&self.folder, keep)
    }

    /// Erases the submissions of rounds as they end; comes back only when the disk fails. Nothing else
    /// may be in the middle of a write when this is polled.
    pub(super) fn keep_clear(&self) -> impl Future<Output = Error> + use<> {
        let folder = self.folder.clone();
        async move {
            loop {
                let now = unix_millis();
                let keep = |path: &Path| {
                    is_standings(path) || named(path).is_some_and(|(_, end)| end > now)
                };
                if let Err(error) = erase_unless(&folder, keep) {
                    return error;
                }
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::file(folder, e))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// Erases all files but those that are to be kept.
fn erase_unless(folder: &Path, keep: impl Fn(&Path) -> bool) -> Result<(), Error> {
    for path in files(folder)?.iter().filter(|path| !keep(path)) {
        keyfile::remove(path)?;
    }
    Ok(())
}

fn is_standings(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == STANDINGS)
}

/// The round of a submission's file, and its end in unix milliseconds; `None` of any other file.
fn named(path: &Path) -> Option<(Digest, u64)> {
    let (round, end) = path.file_name()?.to_str()?.split_once('-')?;
    Some((Digest::from_bytes(from_hex(round).ok()?), end.parse().ok()?))
}

fn read_standings(path: &Path) -> Result<VecDeque<(Digest, Standing)>, Error> {
    if !path.exists() {
        return Ok(VecDeque::new());
    }
    let bytes = keyfile::read_private_long(path, MOST)?;
    let unreadable = |error: String| {
        let problem = format!(
            "{error}; remove it, and a program beside this site is told `absent` of its last vector"
        );
        Error::config(path, problem)
    };
    let rows: Vec<(String, Standing)> =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    let rows = rows.into_iter().map(|(round, own)| {
        let round = from_hex(&round).map_err(|error| unreadable(error.to_string()))?;
        Ok::<_, Error>((Digest::from_bytes(round), own))
    });
    rows.collect()
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
        outbox.put(&round, 7, &submission).unwrap();
        let kept = outbox.get(&round).unwrap().unwrap();
        assert_eq!(kept.to_bytes(), submission.to_bytes());
        outbox.erase_except(Some(&round)).unwrap();
        assert!(outbox.get(&round).unwrap().is_some());
        outbox.erase_except(Some(&Digest::of(b"the next"))).unwrap();
        assert!(outbox.get(&round).unwrap().is_none());
        outbox.put(&round, 7, &submission).unwrap();
        outbox.erase_except(None).unwrap();
        assert!(outbox.get(&round).unwrap().is_none());
    }

    /// A site that was restarted, and has heard of the next round already, tells its program of the sum
    /// what it would have told.
    #[test]
    fn how_a_vector_stands_outlives_a_restart_and_the_next_round() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Outbox::open(folder.path().join("outbox")).unwrap();
        let round = |number: u8| Digest::of(&[number]);
        let mut outbox = open();
        outbox.keep_standing(round(1), Standing::Absent).unwrap();
        outbox.keep_standing(round(1), Standing::Whole).unwrap();
        outbox.keep_standing(round(2), Standing::Refused).unwrap();
        outbox.erase_except(Some(&round(3))).unwrap();
        for outbox in [outbox, open()] {
            assert_eq!(outbox.standing(&round(1)), Some(Standing::Whole));
            assert_eq!(outbox.standing(&round(2)), Some(Standing::Refused));
            assert_eq!(outbox.standing(&round(3)), None);
        }
        let mut outbox = open();
        for number in 0..200 {
            outbox.keep_standing(round(number), Standing::Whole).unwrap();
        }
        let outbox = open();
        assert_eq!(outbox.standings.len(), MOST_STANDINGS);
        assert!(outbox.standing(&round(199)).is_some() && outbox.standing(&round(2)).is_none());
        outbox.erase_except(None).unwrap();
        assert_eq!(open().standing(&round(199)), None, "the study has ended");
    }

    #[test]
    fn a_file_of_standings_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for bad in [&b"["[..], br#"[["00","whole"]]"#, br#"[["zz","heard"]]"#] {
            keyfile::replace_private(&folder.path().join(STANDINGS), bad).unwrap();
            let error = Outbox::open(folder.path().to_owned()).unwrap_err().to_string();
            assert!(error.contains("standings") && error.contains("remove it"), "{error}");
        }
    }
}
