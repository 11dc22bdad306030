//! Lines of a plain or gzipped file, one at a time and none without bound.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::Error;
use crate::convert::fault::{At, Fault};

/// Bytes of a line.
const MOST_LINE: u64 = 16 << 20;
/// Bytes of a file, unpacked.
const MOST_BYTES: u64 = 16 << 30;
/// How a file in blocks (BGZF) ends, without which it is cut short (SAM specification, section 4.1.2).
const END: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff, 0x06, 0, 0x42, 0x43, 0x02, 0, 0x1b, 0, 0x03, 0, 0,
    0, 0, 0, 0, 0, 0, 0,
];

/// A file that is read line by line.
pub(super) struct Lines {
    file: Arc<Path>,
    from: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
    left: u64,
}

impl Lines {
    pub(super) fn open(path: &Arc<Path>) -> Result<Self, Error> {
        let fault = |error| Error::file(path, error);
        let mut plain = BufReader::new(File::open(path).map_err(fault)?);
        let head = plain.fill_buf().map_err(fault)?;
        let zipped = head.starts_with(&[0x1f, 0x8b]);
        let in_blocks = head.get(3) == Some(&4) && head.get(12..14) == Some(b"BC".as_slice());
        if zipped && in_blocks && !ends_whole(path).map_err(fault)? {
            return Err(Error::data(
                path,
                "is cut short: its last block is missing; copy it again",
            ));
        }
        let from: Box<dyn BufRead> = match zipped {
            true => Box::new(BufReader::new(MultiGzDecoder::new(plain))),
            false => Box::new(plain),
        };
        Ok(Self { file: Arc::clone(path), from, line: Vec::new(), number: 0, left: MOST_BYTES })
    }

    /// The next line with its number, without its end.
    pub(super) fn read(&mut self) -> Result<Option<(u64, &str)>, Fault> {
        self.line.clear();
        self.number += 1;
        let number = self.number;
        let fault = |problem: String| At::new(&self.file, format!("line {number}")).fault(problem);
        let read = self.from.by_ref().take(MOST_LINE + 1).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| fault(format!("{error}; copy the file again")))? as u64;
        if read > MOST_LINE {
            return Err(fault(format!("is longer than {MOST_LINE} bytes")));
        }
        if read > self.left {
            return Err(fault(format!("the file has more than {MOST_BYTES} bytes up to here")));
        }
        self.left -= read;
        if read == 0 {
            return Ok(None);
        }
        while self.line.pop_if(|last| matches!(last, b'\n' | b'\r')).is_some() {}
        match std::str::from_utf8(&self.line) {
            Ok(line) => Ok(Some((number, line))),
            Err(_) => Err(fault("is not UTF-8".to_owned())),
        }
    }
}

/// Whether a file in blocks has its last one.
fn ends_whole(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() < END.len() as u64 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-(END.len() as i64)))?;
    let mut end = [0; END.len()];
    file.read_exact(&mut end)?;
    Ok(end == END)
}
