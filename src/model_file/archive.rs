//! The zip of a model file: few parts, stored without compression, read within bounds.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::Error;

/// Bytes that a model file may have: the weights of the largest model that a round carries, twice,
/// and what is said of it.
pub const MOST_BYTES: u64 = 64 << 20;
/// The record that a zip without a comment ends with: its length, its first bytes, and where in it the
/// number of parts stands.
const END: usize = 22;
const END_MARK: &[u8] = b"PK\x05\x06";

/// Writes parts under their names; the file appears whole.
pub(crate) fn write(path: &Path, parts: &[(&str, Vec<u8>)]) -> Result<(), Error> {
    let fault = |error: &dyn std::fmt::Display| Error::config(path, error.to_string());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in parts {
        zip.start_file(*name, options).map_err(|e| fault(&e))?;
        zip.write_all(bytes).map_err(|e| fault(&e))?;
    }
    let bytes = zip.finish().map_err(|e| fault(&e))?.into_inner();
    if bytes.len() as u64 > MOST_BYTES {
        let problem = format!("{} bytes; a model file has at most {MOST_BYTES}", bytes.len());
        return Err(Error::config(path, problem));
    }
    whole(path, &bytes)
}

/// Writes a file whole or not at all.
pub(crate) fn whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| Error::config(path, "is the name of no file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let placed = crate::report::place(folder.unwrap_or(Path::new(".")), &name, bytes);
    placed.map(drop).map_err(|error| Error::file(path, error))
}

/// A zip of at most so many parts, none of which is read yet.
fn opened<'a>(
    path: &Path,
    bytes: &'a [u8],
    most: usize,
) -> Result<ZipArchive<Cursor<&'a [u8]>>, Error> {
    let fault = |problem: String| Error::config(path, problem);
    let end = bytes.len().checked_sub(END).and_then(|at| bytes.get(at..)).unwrap_or_default();
    if !(end.starts_with(END_MARK) && bytes.starts_with(b"PK")) {
        let problem = "is no model file, or only a part of one: it does not end as a zip does; \
                       take the whole file again from where it was made";
        return Err(fault(problem.into()));
    }
    let stated: u16 =
        end.get(10..12).map_or(0, |two| two.iter().rev().fold(0, |n, b| n << 8 | u16::from(*b)));
    let few = |parts: usize| match parts > most {
        true => Err(fault(format!("a zip of {parts} parts; a model has {most}"))),
        false => Ok(()),
    };
    few(stated.into())?;
    let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| {
        fault(format!("is no readable zip: {error}; take the whole file again"))
    })?;
    // What it found may be more than the end says, or fewer where a name stands twice.
    few(zip.len())?;
    if zip.len() != usize::from(stated) {
        return Err(fault("a part stands twice, or the end of the zip miscounts them".into()));
    }
    Ok(zip)
}

/// Whether a zip of at most so many parts has one of this name, whatever is in it.
pub(crate) fn has_part(path: &Path, name: &str, most: usize) -> bool {
    let Ok(bytes) = bounded(path, MOST_BYTES) else { return false };
    opened(path, &bytes, most).is_ok_and(|zip| zip.file_names().any(|own| own == name))
}

/// All parts by name; other names than the `known` ones are an error.
pub(crate) fn read(path: &Path, known: &[&str]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let fault = |problem: String| Error::config(path, problem);
    let bytes = bounded(path, MOST_BYTES)?;
    let mut zip = opened(path, &bytes, known.len())?;
    let mut found = BTreeMap::new();
    // Together the parts are no longer than the file, whatever each says.
    let mut left = bytes.len() as u64;
    for at in 0..zip.len() {
        let part = zip.by_index(at).map_err(|error| fault(error.to_string()))?;
        let (name, stated) = (part.name().to_owned(), part.size());
        if !known.contains(&name.as_str()) {
            let name = name.escape_debug().take(64).collect::<String>();
            return Err(fault(format!("has a part {name}, which no model has")));
        }
        if part.compression() != CompressionMethod::Stored {
            return Err(fault(format!(
                "{name:.64} is compressed; the parts of a model are stored"
            )));
        }
        let mut content = Vec::new();
        part.take(left)
            .read_to_end(&mut content)
            .map_err(|error| fault(format!("{name:.64}: {error}")))?;
        left = left.saturating_sub(content.len() as u64);
        if content.len() as u64 != stated || found.insert(name.clone(), content).is_some() {
            return Err(fault(format!(
                "{name:.64} stands twice or is cut short; take the whole file again"
            )));
        }
    }
    Ok(found)
}

/// A file's bytes, if they are at most so many.
pub(crate) fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let file = std::fs::File::open(path).map_err(|error| Error::file(path, error))?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| Error::file(path, error))?;
    if bytes.len() as u64 > most {
        return Err(Error::config(path, format!("is too large: more than {most} bytes")));
    }
    Ok(bytes)
}
