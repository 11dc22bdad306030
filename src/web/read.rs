//! What pages show, read from files and kept while they stay as they are: a journal is verified once,
//! not at every look.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::Error;

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

/// A value with the mark at which it was read.
pub(super) struct Kept<T>(Mutex<Option<(u64, Arc<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// The value, read anew where the mark differs. One reading at a time, away from the thread that
    /// answers.
    ///
    /// # Errors
    /// When the reading ended without a value.
    pub(super) async fn get(
        &self,
        mark: u64,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Arc<T>, Error> {
        let mut kept = self.0.lock().await;
        if let Some((at, value)) = &*kept
            && *at == mark
        {
            return Ok(Arc::clone(value));
        }
        let value = tokio::task::spawn_blocking(read).await.map_err(|error| Error::Stopped {
            party: "the page".into(),
            reason: format!("it could not read what it shows: {error}"),
        })?;
        let value = Arc::new(value);
        *kept = Some((mark, Arc::clone(&value)));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_is_read_again_when_its_files_have_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let none = mark([&*path]);
        std::fs::write(&path, "1").unwrap();
        let one = mark([&*path]);
        assert_ne!(none, one);
        let kept = Kept::default();
        let read = |mark, value: u8| kept.get(mark, move || value);
        assert_eq!(*read(none, 0).await.unwrap(), 0);
        assert_eq!(*read(none, 1).await.unwrap(), 0);
        assert_eq!(*read(one, 2).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_reading_that_fails_is_an_error_and_the_next_one_may_do() {
        let kept = Kept::<u8>::default();
        assert!(kept.get(1, || panic!("no")).await.is_err());
        assert_eq!(*kept.get(1, || 7).await.unwrap(), 7);
    }
}
