//! Bounds of what stands in a registry: names, lines, digests, numbers. A problem names the field.

use std::path::Path;

use haima_crypto::encode::{Digest, from_hex};

use crate::Error;
use crate::card::is_unprintable;
use crate::model_file::bounded;

/// Bytes of one line of text.
pub(super) const LINE: usize = 400;
/// Bytes of a name from a schema, a task or a study.
pub(super) const NAME: usize = 128;

/// The name of a registry, a party or an entry: a part of a path.
pub(super) fn name(field: &str, text: &str) -> Result<(), String> {
    let proper = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    if (1..=64).contains(&text.len()) && text.bytes().all(proper) {
        return Ok(());
    }
    let shown = cut(text, 80);
    Err(format!("{field} {shown:?}; use 1 to 64 of a-z, 0-9, '.', '_' and '-'"))
}

/// A line that may be empty, of at most so many bytes.
pub(super) fn line(field: &str, text: &str, most: usize) -> Result<(), String> {
    if text.len() > most {
        return Err(format!("{field} has {} bytes; it may have {most}", text.len()));
    }
    match text.chars().find(|c| is_unprintable(*c)) {
        Some(letter) => {
            let letter = u32::from(letter);
            Err(format!("{field} holds U+{letter:04X}, which cannot be printed; take it out"))
        }
        None => Ok(()),
    }
}

/// A line that says something.
pub(super) fn said(field: &str, text: &str, most: usize) -> Result<(), String> {
    line(field, text, most)?;
    if text.trim().is_empty() { Err(format!("{field} is empty")) } else { Ok(()) }
}

/// A digest: 64 hexadecimal digits, small letters, so that one digest has one text.
pub(super) fn digest(field: &str, text: &str) -> Result<(), String> {
    let proper = from_hex::<32>(text).is_ok() && !text.bytes().any(|b| b.is_ascii_uppercase());
    if proper { Ok(()) } else { Err(format!("{field} is no digest of 64 hexadecimal digits")) }
}

/// SHA3-256 of a whole file, as other programs make it too: no structure of ours, so without a label.
pub(super) fn sha3(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// At most so many items of a list.
pub(super) fn few(field: &str, items: usize, most: usize) -> Result<(), String> {
    if items > most {
        Err(format!("{field} has {items} items; it may have {most}"))
    } else {
        Ok(())
    }
}

/// Unix seconds before the year 10000.
pub(super) fn moment(field: &str, seconds: u64) -> Result<(), String> {
    const YEAR_10000: u64 = 253_402_300_800;
    if seconds < YEAR_10000 { Ok(()) } else { Err(format!("{field} is no moment of our time")) }
}

/// A number that is one.
pub(super) fn finite(field: &str, value: f64) -> Result<(), String> {
    if value.is_finite() { Ok(()) } else { Err(format!("{field} is no number")) }
}

/// A text of another file as a line: blanks for what cannot be printed, cut to so many bytes.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut line = String::new();
    for letter in text.chars() {
        let letter = if is_unprintable(letter) { ' ' } else { letter };
        if line.len() + letter.len_utf8() > most {
            break;
        }
        line.push(letter);
    }
    line.trim().to_owned()
}

/// The bytes of a file that is one: no link, no pipe, at most so long.
pub(super) fn plain_file(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let found = std::fs::symlink_metadata(path).map_err(|error| Error::file(path, error))?;
    if !found.is_file() {
        let problem = "is a link, a folder or a device; a registry has plain files alone, so put the \
                       file itself there";
        return Err(Error::config(path, problem));
    }
    if found.len() > most {
        let problem = format!("has {} bytes; at most {most} are read", found.len());
        return Err(Error::config(path, problem));
    }
    bounded(path, most)
}

/// The same as text.
pub(super) fn plain_text(path: &Path, most: u64) -> Result<String, Error> {
    String::from_utf8(plain_file(path, most)?)
        .map_err(|_| Error::config(path, "is no text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_folder() {
        assert!(name("name", "aml-2026.b_1").is_ok());
        for bad in ["", "a/b", "..\\b", "A", "é", "a b", "a@b", &"x".repeat(65)] {
            assert!(name("name", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_line_moves_no_line_and_a_cut_one_is_a_line() {
        let text = "a\nb\u{202e}c\u{1b}[2J";
        assert!(line("text", text, LINE).is_err());
        let short = cut(text, 5);
        assert_eq!(short, "a b c");
        assert!(line("text", &short, 5).is_ok());
        assert_eq!(cut("ééé", 3), "é", "no letter is cut in two");
    }

    #[test]
    fn one_digest_has_one_text() {
        assert!(digest("digest", &"ab".repeat(32)).is_ok());
        for bad in ["AB".repeat(32), "ab".repeat(31), "+b".repeat(32)] {
            assert!(digest("digest", &bad).is_err(), "{bad}");
        }
    }
}
