//! What pages show, read from files and kept while they stay as they are.
//!
//! Reading may not cost the daemon beside it what its rounds need: one reading runs at a time, whoever
//! asks; it goes on to its end, and its value is kept, also when who asked for it has left; and the
//! longer it took, the longer the next one waits. Meanwhile what was read before is shown.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::Error;

/// What a reading may take without a wait after it: a tenth of the time between two looks of a live page.
const FREE: Duration = Duration::from_millis(100);
/// Beyond it the next reading waits so many times as long as this one took.
const REST: u32 = 20;
/// At most so long.
const LONGEST: Duration = Duration::from_secs(120);

/// Length and time of files, as one number that changes when one of them does.
pub(super) fn mark<'a>(paths: impl IntoIterator<Item = &'a Path>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        let meta = std::fs::metadata(path).ok();
        meta.map(|meta| (meta.len(), meta.modified().ok())).hash(&mut hasher);
    }
    hasher.finish()
}

/// Files of a folder, in the order of their names; none where there is no folder.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    /// Files that a page lists.
    const MOST: usize = 1000;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path()).filter(|path| path.is_file());
    let mut paths: Vec<PathBuf> = paths.take(MOST).collect();
    paths.sort();
    paths
}

/// A part of what is read, which stays as it is while its own files do.
pub(super) struct Part<T> {
    mark: u64,
    value: Arc<T>,
}

impl<T> Part<T> {
    /// The part as it was read before, or anew where its mark differs.
    pub(super) fn renewed(before: Option<&Self>, mark: u64, read: impl FnOnce() -> T) -> Self {
        let Ok(part) = Self::try_renewed(before, mark, || Ok::<_, Infallible>(read()));
        part
    }

    /// The same of what may fail to be read.
    ///
    /// # Errors
    /// Those of the reading.
    pub(super) fn try_renewed<E>(
        before: Option<&Self>,
        mark: u64,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<Self, E> {
        let value = match before.filter(|part| part.mark == mark) {
            Some(part) => Arc::clone(&part.value),
            None => Arc::new(read()?),
        };
        Ok(Self { mark, value })
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// How a value is read; it is given the one before, whose parts may do.
type Read<T> = Arc<dyn Fn(Option<&T>) -> T + Send + Sync>;

/// A value with the mark at which it was read.
pub(super) struct Kept<T> {
    read: Read<T>,
    state: Arc<Mutex<State<T>>>,
}

struct State<T> {
    kept: Option<Value<T>>,
    /// The reading that runs: of which mark, and who tells of its end.
    reading: Option<(u64, watch::Receiver<Option<Arc<T>>>)>,
    /// Whether somebody needs to see what has changed since that reading began.
    anew: bool,
}

struct Value<T> {
    mark: u64,
    value: Arc<T>,
    /// Not read anew before.
    next: Instant,
}

fn open<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a reading, also one that panics.
struct Ended<T>(Arc<Mutex<State<T>>>);

impl<T> Drop for Ended<T> {
    fn drop(&mut self) {
        open(&self.0).reading = None;
    }
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// A value that is read like this, when somebody asks for it.
    pub(super) fn new(read: impl Fn(Option<&T>) -> T + Send + Sync + 'static) -> Self {
        let state = State { kept: None, reading: None, anew: false };
        Self { read: Arc::new(read), state: Arc::new(Mutex::new(state)) }
    }

    /// The value, read anew where the mark differs and the last reading is long enough ago; away from
    /// the thread that answers.
    ///
    /// # Errors
    /// When the reading ended without a value.
    pub(super) async fn get(&self, mark: u64) -> Result<Arc<T>, Error> {
        loop {
            let (of, mut ended) = {
                let mut state = open(&self.state);
                if let Some(kept) = &state.kept
                    && (kept.mark == mark || Instant::now() < kept.next)
                {
                    return Ok(Arc::clone(&kept.value));
                }
                match &state.reading {
                    Some((of, ended)) => (*of, ended.clone()),
                    None => (mark, self.start(&mut state, mark)),
                }
            };
            let value = ended.wait_for(Option::is_some).await.ok().and_then(|value| value.clone());
            match value {
                Some(value) if of == mark => return Ok(value),
                // Of files as they were before: looked at again.
                Some(_) => {}
                None => {
                    return Err(Error::Stopped {
                        party: "the page".into(),
                        reason: "it could not read what it shows".into(),
                    });
                }
            }
        }
    }

    fn start(&self, state: &mut State<T>, mark: u64) -> watch::Receiver<Option<Arc<T>>> {
        let (sender, receiver) = watch::channel(None);
        state.reading = Some((mark, receiver.clone()));
        state.anew = false;
        let before = state.kept.as_ref().map(|kept| Arc::clone(&kept.value));
        let (read, shared) = (Arc::clone(&self.read), Arc::clone(&self.state));
        tokio::task::spawn_blocking(move || {
            let ended = Ended(shared);
            let begun = Instant::now();
            let value = Arc::new(read(before.as_deref()));
            let now = Instant::now();
            let rest = now.saturating_duration_since(begun).saturating_sub(FREE);
            let rest = rest.saturating_mul(REST).min(LONGEST);
            {
                let mut state = open(&ended.0);
                let next = if state.anew { now } else { now + rest };
                state.kept = Some(Value { mark, value: Arc::clone(&value), next });
            }
            drop(ended);
            sender.send_replace(Some(value));
        });
        receiver
    }

    /// Somebody has changed something here and has to see it: the next reading waits for nothing.
    pub(super) fn renew(&self) {
        let mut state = open(&self.state);
        state.anew = true;
        if let Some(kept) = &mut state.kept {
            kept.next = Instant::now();
        }
    }

    /// The mark of what is shown: that of the files, but the one before while the next reading waits.
    pub(super) fn shown(&self, mark: u64) -> u64 {
        let state = open(&self.state);
        let waits = state.kept.as_ref().filter(|kept| Instant::now() < kept.next);
        waits.map_or(mark, |kept| kept.mark)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A value that is the number of its reading, each of which takes so long.
    fn counted(takes: Duration) -> Kept<u32> {
        let readings = AtomicU32::new(0);
        Kept::new(move |_| {
            std::thread::sleep(takes);
            readings.fetch_add(1, Ordering::Relaxed) + 1
        })
    }

    #[tokio::test]
    async fn a_value_is_read_again_when_its_files_have_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let none = mark([&*path]);
        std::fs::write(&path, "1").unwrap();
        let one = mark([&*path]);
        assert_ne!(none, one);
        let kept = counted(Duration::ZERO);
        assert_eq!(*kept.get(none).await.unwrap(), 1);
        assert_eq!(*kept.get(none).await.unwrap(), 1);
        assert_eq!(*kept.get(one).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_reading_that_fails_is_an_error_and_the_next_one_may_do() {
        let readings = AtomicU32::new(0);
        let kept = Kept::<u8>::new(move |_| {
            assert!(readings.fetch_add(1, Ordering::Relaxed) > 0, "the first one fails");
            7
        });
        assert!(kept.get(1).await.is_err());
        assert_eq!(*kept.get(1).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_reading_goes_on_when_who_asked_has_left_and_its_value_is_kept() {
        let kept = counted(Duration::from_millis(200));
        let soon = Duration::from_millis(10);
        assert!(tokio::time::timeout(soon, kept.get(1)).await.is_err());
        assert!(tokio::time::timeout(soon, kept.get(1)).await.is_err());
        assert_eq!(*kept.get(1).await.unwrap(), 1, "one reading, for whoever asks");
    }

    #[tokio::test]
    async fn after_a_long_reading_the_next_one_waits_and_what_was_read_is_shown() {
        let kept = counted(FREE + Duration::from_millis(100));
        assert_eq!(*kept.get(1).await.unwrap(), 1);
        assert_eq!(*kept.get(2).await.unwrap(), 1, "it waits for two seconds");
        assert_eq!((kept.shown(1), kept.shown(2)), (1, 1), "nobody is told to look before");
        kept.renew();
        assert_eq!(kept.shown(2), 2);
        assert_eq!(*kept.get(2).await.unwrap(), 2, "one's own change is seen at once");
    }

    #[test]
    fn a_part_is_read_again_when_its_own_files_have_changed() {
        let first = Part::renewed(None, 1, || 1);
        let same = Part::renewed(Some(&first), 1, || 2);
        let other = Part::renewed(Some(&same), 2, || 3);
        assert_eq!((*first, *same, *other), (1, 1, 3));
    }
}
