//! Small things that targets share.

use std::io::Write as _;
use std::path::Path;

use haima_crypto::encode::Canonical;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// A target: what takes bytes, and valid inputs to start from.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

/// Takes bytes off the front of an input.
pub(crate) struct Cut<'a>(pub(crate) &'a [u8]);

impl<'a> Cut<'a> {
    /// The next byte; 0 where there is none.
    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// So many bytes, or what is left.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left, in pieces with a 16-bit length before each.
    pub(crate) fn pieces(mut self) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        while !self.0.is_empty() && pieces.len() < 64 {
            let len = u16::from_le_bytes([self.byte(), self.byte()]);
            pieces.push(self.take(usize::from(len)));
        }
        pieces
    }
}

/// The inverse of [`Cut::pieces`].
pub(crate) fn joined<P: AsRef<[u8]>>(pieces: &[P]) -> Vec<u8> {
    let each = pieces.iter().map(|piece| -> &[u8] { piece.as_ref() });
    each.flat_map(|piece| {
        let len = u16::try_from(piece.len()).expect("a short piece").to_le_bytes();
        [&len[..], piece].concat()
    })
    .collect()
}

/// An input for one of a target's decoders.
pub(crate) fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag][..], bytes].concat()
}

/// Exactly `len` bytes: cut off, or filled up with zeros.
pub(crate) fn sized(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut sized = bytes.to_vec();
    sized.resize(len, 0);
    sized
}

/// Decodes canonical bytes, and checks that what is accepted has no other encoding.
pub(crate) fn strict<T: Canonical>(bytes: &[u8]) -> Option<T> {
    let value = T::from_bytes(bytes).ok()?;
    assert!(value.to_bytes() == bytes, "two encodings of one {:?}", T::LABEL);
    Some(value)
}

/// [`strict`], of what nothing more is asked.
pub(crate) fn check<T: Canonical>(bytes: &[u8]) {
    let _ = strict::<T>(bytes);
}

/// The same randomness each time: an input that finds a fault finds it again.
pub(crate) fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([5; 32])
}

/// A folder in memory where there is one.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}

/// Calls a function with a file of these bytes, which only its owner can read.
pub(crate) fn with_file<R>(bytes: &[u8], read: impl FnOnce(&Path) -> R) -> R {
    let folder = folder();
    let path = folder.path().join("file");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path).and_then(|mut file| file.write_all(bytes)).expect("a file in it");
    read(&path)
}
