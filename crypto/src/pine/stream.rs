//! Views of streams: some columns of the checks' rows, and a node's share of the measurement read
//! a block at a time.

use crate::Error;
use crate::field::Field;
use crate::xof::{ByteStream, fill_elements};

/// Columns of a matrix that a seekable stream holds row after row, as a stream of its own.
pub(super) struct Columns<S> {
    stream: S,
    /// Bytes of a whole row.
    stride: u64,
    /// First byte of each row that is read.
    from: u64,
    /// Bytes of each row that are read.
    width: u64,
    /// Bytes read.
    at: u64,
}

impl<S: ByteStream> Columns<S> {
    /// Entries `from` (a multiple of 4) to `from + count` of rows of `len`, 4 entries a byte.
    pub(super) fn new(stream: S, len: usize, from: usize, count: usize) -> Self {
        let bytes = |entries: usize| entries.div_ceil(4) as u64;
        let (stride, from, width) = (bytes(len), bytes(from), bytes(count).max(1));
        Self { stream, stride, from, width, at: 0 }
    }
}

impl<S: ByteStream> ByteStream for Columns<S> {
    const SEEKABLE: bool = S::SEEKABLE;

    fn fill(&mut self, mut buffer: &mut [u8]) {
        if !S::SEEKABLE {
            // Whole rows: the stream as it is.
            return self.stream.fill(buffer);
        }
        while !buffer.is_empty() {
            let column = self.at % self.width;
            if column == 0 {
                self.stream.seek(self.at / self.width * self.stride + self.from);
            }
            let count = buffer.len().min((self.width - column) as usize);
            let (now, rest) = buffer.split_at_mut(count);
            self.stream.fill(now);
            self.at += count as u64;
            buffer = rest;
        }
    }

    fn seek(&mut self, byte: u64) {
        self.at = byte;
        let column = byte % self.width;
        self.stream.seek(byte / self.width * self.stride + self.from + column);
    }
}

/// A share of the measurement.
pub(super) enum Reader<'a, S> {
    /// The leader's: encoded elements.
    Encoded {
        /// What is left of them.
        rest: &'a [u8],
        /// Elements read.
        at: usize,
    },
    /// A helper's: the expansion of its seed.
    Expanded(S),
}

impl<S: ByteStream> Reader<'_, S> {
    /// The next elements.
    pub(super) fn read<F: Field>(&mut self, out: &mut [F]) -> Result<(), Error> {
        match self {
            Self::Expanded(stream) => fill_elements(stream, out),
            Self::Encoded { rest, at } => {
                let bytes = out.len() * F::BYTES;
                let (now, later) = rest.split_at_checked(bytes).ok_or(Error::Length {
                    what: "measurement share",
                    expected: *at + out.len(),
                    got: *at + rest.len() / F::BYTES,
                })?;
                decode(now, *at, out)?;
                (*rest, *at) = (later, *at + out.len());
            }
        }
        Ok(())
    }
}

/// Decodes elements, the first of which stands at position `at` of the share.
pub(super) fn decode<F: Field>(bytes: &[u8], at: usize, out: &mut [F]) -> Result<(), Error> {
    let mut all = true;
    for (slot, word) in out.iter_mut().zip(bytes.chunks_exact(F::BYTES)) {
        let (element, canonical) = F::read(word);
        *slot = element;
        all &= canonical;
    }
    if all {
        return Ok(());
    }
    let bad = bytes.chunks_exact(F::BYTES).position(|word| !F::read(word).1).unwrap_or(0);
    Err(Error::NotReduced { what: "share", index: at + bad })
}

/// Encodes elements over what `bytes` held.
pub(super) fn encode<F: Field>(values: &[F], bytes: &mut Vec<u8>) {
    bytes.resize(values.len() * F::BYTES, 0);
    for (value, slot) in values.iter().zip(bytes.chunks_exact_mut(F::BYTES)) {
        value.write(slot);
    }
}
