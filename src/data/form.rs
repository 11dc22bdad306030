//! What a file is by its first bytes, where it is no table that haima reads: a workbook, an archive,
//! text of another encoding, or fields that something else than commas separates. A guess from a
//! piece of the file: it says what to do, and decides nothing about a file that it does not refuse.

/// Bytes of a file that are looked at.
pub(super) const HEAD: usize = 1 << 16;
/// Records of them.
const RECORDS: usize = 20;
/// Mark by which some programs begin UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";
/// What may separate fields, with its name.
const SEPARATORS: [(u8, &str); 4] =
    [(b',', "commas"), (b';', "semicolons"), (b'\t', "tabs"), (b'|', "vertical bars")];

/// What forms begin with, what they are, and what to do.
const FORMS: [(&[u8], &str, &str); 11] = [
    (b"PK\x03\x04", "an Excel or OpenDocument workbook, or another ZIP archive", SHEET),
    (b"PK\x05\x06", "an empty ZIP archive", SHEET),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old Excel workbook, or another Office file", SHEET),
    (b"\x1F\x8B", "packed by gzip", "unpack it first"),
    (b"BZh", "packed by bzip2", "unpack it first"),
    (b"\xFD7zXZ\x00", "packed by xz", "unpack it first"),
    (b"\x28\xB5\x2F\xFD", "packed by zstd", "unpack it first"),
    (b"%PDF-", "a PDF document", "export the table itself as \"CSV UTF-8\""),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"$FL2", "an SPSS file", "export it as CSV"),
    (b"<stata_dta>", "a Stata file", "export it as CSV"),
];
/// What to do with a workbook.
const SHEET: &str = "open it and save the sheet of patients as \"CSV UTF-8\"";

/// Why a file that begins so is no text of fields, and what to do; none where it may be one.
pub(super) fn no_text(head: &[u8]) -> Option<String> {
    if let Some((_, is, remedy)) = FORMS.iter().find(|(start, ..)| head.starts_with(start)) {
        return Some(format!("is {is}, not a CSV; {remedy}"));
    }
    if is_utf16(head) {
        return Some(
            "is UTF-16 text (\"Unicode text\" of Excel); save it as \"CSV UTF-8\", or let `haima data \
             clean` do so"
                .into(),
        );
    }
    let binary = head.iter().position(|byte| *byte == 0)?;
    let line = head.iter().take(binary).filter(|byte| **byte == b'\n').count() + 1;
    Some(format!("line {line}: holds bytes that are no text; export it again as \"CSV UTF-8\""))
}

/// Whether a file begins as UTF-16 text does.
pub(super) fn is_utf16(head: &[u8]) -> bool {
    head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF")
}

/// The separator that Excel writes in a line of its own above the header: `sep=;`.
pub(super) fn declared(head: &[u8]) -> Option<u8> {
    let line = without_mark(head).split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line.strip_prefix(b"sep=")? {
        [one] => SEPARATORS.iter().map(|(byte, _)| *byte).find(|byte| byte == one),
        _ => None,
    }
}

/// Separators by which all of the first records have as many fields as the header, two at least.
pub(super) fn fitting(head: &[u8]) -> Vec<u8> {
    let fits = |separator: &u8| match fields(head, *separator).as_slice() {
        [header, rows @ ..] => *header > 1 && rows.iter().all(|row| row == header),
        [] => false,
    };
    SEPARATORS.iter().map(|(byte, _)| *byte).filter(fits).collect()
}

/// What separates the fields, where it is surely no comma, or a line above the header says it: a comma
/// where the line is `sep=,`.
pub(super) fn foreign(head: &[u8]) -> Option<u8> {
    if let Some(declared) = declared(head) {
        return Some(declared);
    }
    let fits = fitting(head);
    if fits.contains(&b',') {
        return None;
    }
    let names = |separator: u8| fields(head, separator).first().is_some_and(|fields| *fields > 1);
    let mut others = SEPARATORS.iter().map(|(byte, _)| *byte).filter(|byte| *byte != b',');
    fits.first().copied().or_else(|| others.find(|byte| !names(b',') && names(*byte)))
}

/// The name of a separator.
pub(super) fn named(separator: u8) -> &'static str {
    SEPARATORS.iter().find(|(byte, _)| *byte == separator).map_or("another mark", |(_, name)| name)
}

/// Fields of the first records; of a file that goes on, the last one is not whole and does not count.
fn fields(head: &[u8], separator: u8) -> Vec<usize> {
    let mut counts = Vec::new();
    let (mut fields, mut inside, mut begun) = (1, false, false);
    for byte in without_mark(head) {
        match byte {
            b'\r' | b'\n' if !inside => {
                if begun {
                    counts.push(fields);
                }
                (fields, begun) = (1, false);
                if counts.len() == RECORDS {
                    return counts;
                }
                continue;
            }
            b'"' => inside = !inside,
            byte if *byte == separator && !inside => fields += 1,
            _ => {}
        }
        begun = true;
    }
    if begun && (head.len() < HEAD || counts.is_empty()) {
        counts.push(fields);
    }
    counts
}

fn without_mark(head: &[u8]) -> &[u8] {
    head.strip_prefix(MARK).unwrap_or(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workbook_and_its_like_are_told_with_what_to_do() {
        for (head, says) in [
            (&b"PK\x03\x04\x14\x00"[..], "save the sheet of patients as \"CSV UTF-8\""),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "old Excel workbook"),
            (b"\x1F\x8B\x08", "unpack it first"),
            (b"\xFF\xFEi\x00d\x00", "UTF-16"),
            (b"id,age\n1,\x00\n", "line 2: holds bytes that are no text"),
        ] {
            assert!(no_text(head).unwrap().contains(says), "{head:?}");
        }
        for text in ["", "id,age\n1,60\n", "PK,id\n", "\u{feff}id;Prüfung\n"] {
            assert_eq!(no_text(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn another_separator_is_told_from_commas_by_the_first_records() {
        for (text, separator) in [
            ("id;gew\n1;7,5\n2;8,5\n", Some(b';')),
            ("\u{feff}id;gew\r\n1;7,5\r\n", Some(b';')),
            ("id\tgew\n1\t7.5\n", Some(b'\t')),
            ("\"a;b\";c\n1;2\n", Some(b';')),
            ("sep=;\nid;gew\n", Some(b';')),
            ("sep=,\nid,gew\n", Some(b',')),
            ("id;gew\n1;7\n2\n", Some(b';')),
            ("id,gew\n1,7\n", None),
            // Karyotypes have semicolons, and a fault of one line is told by the reader of lines.
            ("id,t(8;21),inv(16)\n1,0,1\n", None),
            ("id,gew\n1,7,5\n", None),
            ("id\n1\n", None),
            ("", None),
        ] {
            assert_eq!(foreign(text.as_bytes()), separator, "{text}");
        }
    }

    #[test]
    fn what_two_separators_fit_is_not_decided() {
        assert_eq!(fitting(b"Hb, venous;age\n7,5;60\n"), [b',', b';']);
        assert_eq!(fitting(b"a;b\n1,5;2,5\n"), [b';']);
    }

    #[test]
    fn a_record_that_is_cut_off_does_not_count() {
        let mut text = "a;b\n".to_owned();
        text.push_str(&"x".repeat(HEAD));
        assert_eq!(fields(&text.as_bytes()[..HEAD], b';'), [2]);
        // A header alone counts however long it is.
        assert_eq!(fields("a;b".as_bytes(), b';'), [2]);
    }
}
