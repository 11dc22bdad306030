//! Of which user the process at the other end of a blocking socket is.
//!
//! The standard library does not say it yet and tokio does, so a socket is lent to it for a moment.
//! Touches no file.

use std::io::Result;
use std::os::unix::net::UnixStream;

/// User id of the process at the other end, as it was when the two were connected.
///
/// # Errors
/// When the system does not say it.
pub(super) fn user(stream: &UnixStream) -> Result<u32> {
    let lent = stream.try_clone()?;
    let found = of(lent);
    // Both share the flag that tokio needs.
    stream.set_nonblocking(false)?;
    found
}

/// User id of this process.
///
/// # Errors
/// When the system has no room for two sockets.
pub(super) fn own_user() -> Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    of(one)
}

fn of(stream: UnixStream) -> Result<u32> {
    stream.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let found = {
        let _within = runtime.enter();
        tokio::net::UnixStream::from_std(stream).and_then(|stream| stream.peer_cred())
    };
    // Waits for nothing, so that a caller may be within a runtime of its own.
    runtime.shutdown_background();
    Ok(found?.uid())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    /// Within a runtime, too, where another must not be waited for.
    #[tokio::test]
    async fn both_ends_of_a_pair_are_this_user_and_stay_as_they_were() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let own = std::fs::metadata(folder.path()).unwrap().uid();
        assert_eq!((user(&one).unwrap(), own_user().unwrap()), (own, own));
        let reading = std::thread::spawn(move || {
            let mut byte = [0];
            one.read_exact(&mut byte).map(|()| byte)
        });
        std::thread::sleep(std::time::Duration::from_millis(100));
        other.write_all(&[7]).unwrap();
        assert_eq!(reading.join().unwrap().unwrap(), [7], "it still waits for what comes");
    }
}
