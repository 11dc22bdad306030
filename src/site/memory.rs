//! What a task keeps at the site between the rounds of one run (control variates, a model of its own):
//! on the site's disk, so that a restarted site goes on where it was.
//!
//! The file holds the state before and after the last step that was computed. Another attempt at that
//! step starts from the state before it, the next step from the state after: an attempt that failed
//! moves nothing twice. It is on disk before the answer is, and what is sent again after a crash comes
//! from the outbox, so neither is ahead of the other by more than an attempt.
//!
//! A state belongs to one manifest, data version, task and run. It goes when another begins or the
//! study ends; the model of its own that a personalised strategy left ([`SiteState::PERSONAL`]) stays
//! at the site, in a file beside it.
//!
//! # Security
//! Derived from patients without noise: readable by the owner alone, and sent to nobody. No task that
//! samples patients keeps anything of its sample here.

use std::path::{Path, PathBuf};

use haima_crypto::encode::{Decoder, Digest, Encoder};
use haima_fl_core::task::SiteState;
use haima_smpc_node::keyfile;
use zeroize::Zeroizing;

use crate::Error;

const LABEL: &str = "haima site state 1";
const PERSONAL: &str = "haima personal model 1";
/// Bytes of the file that are read: two states of the largest model, a few values each.
const MOST: u64 = 1 << 28;
const MOST_VALUES: usize = 64;

/// What a state belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) manifest: Digest,
    /// The data version.
    pub(super) data: Digest,
    /// `task/run`.
    pub(super) run: String,
}

/// The folder of what is kept.
#[derive(Debug)]
pub(super) struct Memory {
    folder: PathBuf,
    kept: Option<Kept>,
    /// Whether a file of it is there.
    written: bool,
}

#[derive(Debug)]
struct Kept {
    owner: Owner,
    step: u32,
    before: SiteState,
    after: SiteState,
}

impl Memory {
    /// What an earlier start of this site left.
    ///
    /// # Errors
    /// When the file cannot be read, or another version wrote it.
    pub(super) fn open(folder: PathBuf) -> Result<Self, Error> {
        std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, e))?;
        let path = file(&folder);
        let kept = if path.exists() {
            let bytes = keyfile::read_private_long(&path, MOST)?;
            let kept = Kept::read(&bytes).map_err(|error| {
                let problem = format!("{error}; remove it, and the task's site state begins anew");
                Error::config(&path, problem)
            })?;
            Some(kept)
        } else {
            None
        };
        Ok(Self { folder, written: kept.is_some(), kept })
    }

    /// The state that a step starts from.
    ///
    /// # Errors
    /// When what another run left cannot be put away.
    pub(super) fn before(&mut self, owner: &Owner, step: u32) -> Result<SiteState, Error> {
        if self.kept.as_ref().is_some_and(|kept| kept.owner != *owner) {
            self.finish()?;
        }
        Ok(match &self.kept {
            None => SiteState::default(),
            Some(kept) if step > kept.step => kept.after.clone(),
            // An earlier step than the last starts from the earliest state there is.
            Some(kept) => kept.before.clone(),
        })
    }

    /// Keeps the state that a step left; it is on disk when this returns. A step that changed nothing
    /// writes nothing, unless an earlier attempt of it did.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(
        &mut self,
        owner: Owner,
        step: u32,
        before: SiteState,
        after: SiteState,
    ) -> Result<(), Error> {
        // What a process found out about itself is worth keeping in it, and nothing on disk.
        let unchanged = before.kept().eq(after.kept());
        // Another attempt of a step that left something is written even where it leaves nothing.
        let again = self.written && self.kept.as_ref().is_some_and(|kept| kept.step == step);
        let kept = Kept { owner, step, before, after };
        if again || !unchanged {
            keyfile::replace_private(&file(&self.folder), &kept.write())?;
            self.written = true;
        }
        self.kept = Some(kept);
        Ok(())
    }

    /// The run is over: what was kept goes, but for the site's own model.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        let Some(kept) = &self.kept else { return Ok(()) };
        if let Some(weights) = kept.after.values.get(SiteState::PERSONAL) {
            let mut to = Encoder::new(PERSONAL);
            to.digest(&kept.owner.manifest).str(&kept.owner.run).bytes(weights);
            let bytes = Zeroizing::new(to.finish());
            keyfile::replace_private(&personal(&self.folder, &kept.owner.run), &bytes)?;
        }
        if self.written {
            keyfile::remove(&file(&self.folder))?;
        }
        (self.kept, self.written) = (None, false);
        Ok(())
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("run")
}

/// Where the own model of a finished run is.
fn personal(folder: &Path, run: &str) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    folder.join(format!("personal-{}", run.chars().map(plain).collect::<String>()))
}

impl Kept {
    fn write(&self) -> Zeroizing<Vec<u8>> {
        let mut to = Encoder::new(LABEL);
        to.digest(&self.owner.manifest)
            .digest(&self.owner.data)
            .str(&self.owner.run)
            .u32(self.step);
        for state in [&self.before, &self.after] {
            to.count(state.kept().count());
            for (name, value) in state.kept() {
                to.str(name).bytes(value);
            }
        }
        Zeroizing::new(to.finish())
    }

    fn read(bytes: &[u8]) -> Result<Self, haima_crypto::Error> {
        let mut from = Decoder::new(LABEL, bytes)?;
        let (manifest, data) = (from.digest()?, from.digest()?);
        let (run, step) = (from.str(1 << 12)?.to_owned(), from.u32()?);
        let mut state = || {
            let mut state = SiteState::default();
            for _ in 0..from.count(MOST_VALUES, 8)? {
                let name = from.str(1 << 12)?.to_owned();
                let value = from.bytes(bytes.len())?.to_vec();
                state.values.insert(name, value);
            }
            Ok::<_, haima_crypto::Error>(state)
        };
        let (before, after) = (state()?, state()?);
        from.finish()?;
        Ok(Self { owner: Owner { manifest, data, run }, step, before, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(run: &str) -> Owner {
        Owner { manifest: Digest::of(b"m"), data: Digest::of(b"d"), run: run.into() }
    }

    fn state(name: &str, value: u8) -> SiteState {
        SiteState { values: [(name.to_owned(), vec![value; 16])].into() }
    }

    fn open(folder: &Path) -> Memory {
        Memory::open(folder.join("kept")).unwrap()
    }

    #[test]
    fn a_restarted_site_goes_on_and_a_step_tried_again_starts_from_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let run = owner("net/1");
        let mut memory = open(folder.path());
        assert_eq!(memory.before(&run, 0).unwrap(), SiteState::default());
        memory.keep(run.clone(), 0, SiteState::default(), state("control", 1)).unwrap();
        for mut memory in [memory, open(folder.path())] {
            assert_eq!(memory.before(&run, 0).unwrap(), SiteState::default());
            assert_eq!(memory.before(&run, 1).unwrap(), state("control", 1));
        }
        let mut memory = open(folder.path());
        let before = memory.before(&run, 1).unwrap();
        memory.keep(run.clone(), 1, before.clone(), state("control", 9)).unwrap();
        // The attempt failed; so does a restart between.
        let mut memory = open(folder.path());
        assert_eq!(memory.before(&run, 1).unwrap(), before);
        assert_eq!(memory.before(&run, 2).unwrap(), state("control", 9));
    }

    #[test]
    fn a_state_is_of_one_run_and_data_version_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let others = [
            owner("net/2"),
            Owner { data: Digest::of(b"other"), ..owner("net/1") },
            Owner { manifest: Digest::of(b"other"), ..owner("net/1") },
        ];
        for other in others {
            let mut memory = open(folder.path());
            memory.keep(owner("net/1"), 3, SiteState::default(), state("control", 1)).unwrap();
            assert!(file(&folder.path().join("kept")).exists());
            assert_eq!(memory.before(&other, 4).unwrap(), SiteState::default());
            assert!(!file(&folder.path().join("kept")).exists());
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_what_is_kept_and_its_own_model_outlives_the_run() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        let mut memory = open(folder.path());
        memory
            .keep(owner("net/1"), 0, SiteState::default(), state(SiteState::PERSONAL, 7))
            .unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file(&kept)), 0o600);
        memory.finish().unwrap();
        assert!(!file(&kept).exists());
        let own = personal(&kept, "net/1");
        assert_eq!(mode(&own), 0o600);
        assert!(std::fs::read(&own).unwrap().windows(16).any(|bytes| bytes == [7; 16]));
        // A run that left no model of its own leaves nothing.
        memory.keep(owner("net/2"), 0, SiteState::default(), state("control", 1)).unwrap();
        memory.finish().unwrap();
        assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_another_version_or_cut_short_is_named_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = open(folder.path());
        memory.keep(owner("net/1"), 0, SiteState::default(), state("control", 1)).unwrap();
        let path = file(&folder.path().join("kept"));
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            assert!(Kept::read(&whole[..cut]).is_err(), "{cut}");
        }
        keyfile::replace_private(&path, b"haima site state 9").unwrap();
        let error = Memory::open(folder.path().join("kept")).unwrap_err().to_string();
        assert!(error.contains("begins anew"), "{error}");
    }
}
