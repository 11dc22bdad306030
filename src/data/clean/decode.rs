//! Bytes of an export as text: UTF-8, UTF-16 with its mark, or Windows-1252 where it is said. Which one
//! of the old eight-bit tables a file has cannot be seen from it, so it is never guessed.

use std::fmt::Write as _;

use crate::data::form;
use crate::data::look::quoted;

/// How a file's letters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// Windows-1252, which Excel writes in western Europe; ISO-8859-1 is a part of it.
    Windows1252,
    /// UTF-16 with a byte order mark.
    Utf16,
}

/// Letters of the bytes 0x80 to 0x9F of Windows-1252; the others of it are those of Unicode. Five have
/// none (Unicode Consortium, `VENDORS/MICSFT/WINDOWS/CP1252.TXT`).
const HIGH: [Option<char>; 32] = [
    Some('\u{20AC}'),
    None,
    Some('\u{201A}'),
    Some('\u{0192}'),
    Some('\u{201E}'),
    Some('\u{2026}'),
    Some('\u{2020}'),
    Some('\u{2021}'),
    Some('\u{02C6}'),
    Some('\u{2030}'),
    Some('\u{0160}'),
    Some('\u{2039}'),
    Some('\u{0152}'),
    None,
    Some('\u{017D}'),
    None,
    None,
    Some('\u{2018}'),
    Some('\u{2019}'),
    Some('\u{201C}'),
    Some('\u{201D}'),
    Some('\u{2022}'),
    Some('\u{2013}'),
    Some('\u{2014}'),
    Some('\u{02DC}'),
    Some('\u{2122}'),
    Some('\u{0161}'),
    Some('\u{203A}'),
    Some('\u{0153}'),
    None,
    Some('\u{017E}'),
    Some('\u{0178}'),
];

impl Encoding {
    /// Its name, as the option has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Windows1252 => "windows-1252",
            Self::Utf16 => "utf-16",
        }
    }
}

/// A file's text without byte order mark, and how it was written.
///
/// # Errors
/// When the bytes are no such text, or letters were lost before; with the line.
pub(super) fn text(bytes: &[u8], told: Option<Encoding>) -> Result<(String, Encoding), String> {
    let head = bytes.get(..form::HEAD.min(bytes.len())).unwrap_or(bytes);
    let is_utf16 = form::is_utf16(head);
    if let (true, None | Some(Encoding::Utf16)) = (is_utf16, told) {
        return Ok((whole(utf16(bytes)?)?, Encoding::Utf16));
    }
    if told == Some(Encoding::Utf16) {
        return Err("has no byte order mark of UTF-16; leave --encoding away".into());
    }
    if let Some(problem) = form::no_text(head) {
        return Err(problem);
    }
    match (std::str::from_utf8(bytes), told) {
        (Ok(text), Some(Encoding::Windows1252)) if !text.is_ascii() => {
            let at = text.find(|c: char| !c.is_ascii()).unwrap_or_default();
            let word = quoted(around(text, at));
            let problem = "is UTF-8 already; leave --encoding away";
            Err(format!("line {}: {word} {problem}", line_of(bytes, at)))
        }
        (Ok(text), _) => {
            let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
            Ok((whole(text.to_owned())?, Encoding::Utf8))
        }
        (Err(_), Some(Encoding::Windows1252)) => {
            Ok((whole(windows_1252(bytes)?)?, Encoding::Windows1252))
        }
        (Err(error), _) => {
            let (at, mut shown) = (error.valid_up_to(), String::new());
            let word = bytes.get(at.saturating_sub(12)..(at + 12).min(bytes.len()));
            if let Ok(read) = windows_1252(word.unwrap_or_default()) {
                let word = around(&read, read.len().min(at.min(12)));
                let _ = write!(shown, ", which would read {} here", quoted(word));
            }
            Err(format!(
                "line {}: is not UTF-8; say how it is written: --encoding windows-1252 (Excel in \
                 Germany){shown}",
                line_of(bytes, at)
            ))
        }
    }
}

/// The text, unless letters of it were lost before.
fn whole(text: String) -> Result<String, String> {
    match text.find('\u{FFFD}') {
        Some(at) => Err(format!(
            "line {}: a letter was lost before (\u{FFFD}); export the file again",
            line_of(text.as_bytes(), at)
        )),
        None => Ok(text),
    }
}

fn windows_1252(bytes: &[u8]) -> Result<String, String> {
    let letter = |(at, byte): (usize, &u8)| match byte {
        0x80..=0x9F => HIGH.get(usize::from(byte - 0x80)).copied().flatten().ok_or_else(|| {
            format!("line {}: byte {byte:#04x} is no letter of Windows-1252", line_of(bytes, at))
        }),
        byte => Ok(char::from(*byte)),
    };
    bytes.iter().enumerate().map(letter).collect()
}

fn utf16(bytes: &[u8]) -> Result<String, String> {
    let little = bytes.starts_with(b"\xFF\xFE");
    let body = bytes.get(2..).unwrap_or_default();
    if body.len() % 2 == 1 {
        return Err("is cut off: UTF-16 has two bytes a letter; export it again".into());
    }
    let units = body.chunks_exact(2).map(|pair| match *pair {
        [one, other] if little => u16::from_le_bytes([one, other]),
        [one, other] => u16::from_be_bytes([one, other]),
        _ => 0,
    });
    let read: Result<String, _> = char::decode_utf16(units).collect();
    read.map_err(|_| "is no proper UTF-16; export it again as \"CSV UTF-8\"".into())
}

/// The word around a place of a text.
fn around(text: &str, at: usize) -> &str {
    let ends = |c: char| c.is_whitespace() || matches!(c, ';' | ',' | '"');
    let start = text.get(..at).and_then(|before| before.rfind(ends)).map_or(0, |before| before + 1);
    let end =
        text.get(at..).and_then(|behind| behind.find(ends)).map_or(text.len(), |end| at + end);
    text.get(start..end).unwrap_or(text)
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], told: Option<Encoding>) -> String {
        text(bytes, told).unwrap().0
    }

    #[test]
    fn windows_letters_are_read_where_it_is_said() {
        let windows = Some(Encoding::Windows1252);
        assert_eq!(read(b"Pr\xFCfung;\x80\x96\xDF\n", windows), "Prüfung;€\u{2013}ß\n");
        let said = text(b"id\nPr\xFCfung\n", None).unwrap_err();
        assert!(said.starts_with("line 2: is not UTF-8; say how"), "{said}");
        assert!(said.contains("would read `Prüfung`"), "{said}");
        let said = text(b"a\n\x81\n", windows).unwrap_err();
        assert!(said.starts_with("line 2: byte 0x81"), "{said}");
        let letters = HIGH.iter().flatten().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(letters.len(), 27);
    }

    #[test]
    fn utf_8_stays_whatever_is_said_of_it() {
        assert_eq!(read("\u{feff}Prüfung".as_bytes(), None), "Prüfung");
        assert_eq!(read(b"plain", Some(Encoding::Windows1252)), "plain");
        let said = text("id\nPrüfung;1".as_bytes(), Some(Encoding::Windows1252)).unwrap_err();
        assert!(said.contains("line 2: `Prüfung` is UTF-8 already"), "{said}");
        let said = text("id\nM\u{FFFD}ller".as_bytes(), None).unwrap_err();
        assert!(said.starts_with("line 2: a letter was lost"), "{said}");
    }

    #[test]
    fn utf_16_is_known_by_its_mark() {
        let bytes: Vec<u8> = [0xFF, 0xFE]
            .into_iter()
            .chain("ß;1".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        assert_eq!(read(&bytes, None), "ß;1");
        assert!(text(&bytes[..bytes.len() - 1], None).unwrap_err().contains("cut off"));
        assert!(text(b"PK\x03\x04", None).unwrap_err().contains("Excel"));
    }
}
