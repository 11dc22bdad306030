//! Texts of a model file as a card has them: cut, on one line, and writing nothing of the page.

/// Letters of a text from the file.
const MOST_LETTERS: usize = 200;
/// Items of a list.
const MOST_ITEMS: usize = 30;

/// Items in a row.
pub(super) fn list(items: &[String]) -> String {
    list_by(items, line)
}

/// The same in another style.
pub(super) fn list_by(items: &[String], style: fn(&str) -> String) -> String {
    let mut text: Vec<String> = items.iter().take(MOST_ITEMS).map(|item| style(item)).collect();
    if let more @ 1.. = items.len().saturating_sub(MOST_ITEMS) {
        text.push(format!("and {more} more"));
    }
    text.join(", ")
}

/// A text of the file on one line of a table, without a letter that writes Markdown or turns lines.
pub(super) fn line(text: &str) -> String {
    let plain = plain(text);
    let mut escaped = String::new();
    for (at, c) in plain.char_indices() {
        let (before, rest) = plain.split_at(at);
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => {
                if writes(before, c, rest) {
                    escaped.push('\\');
                }
                escaped.push(c);
            }
        }
    }
    escaped
}

/// Whether a letter writes Markdown where it stands, after `before` and first of `rest`: anywhere, as
/// a part of an address that becomes a link by itself, or at the beginning, as an item of a list.
fn writes(before: &str, c: char, rest: &str) -> bool {
    let next = rest.chars().nth(1);
    let (ends, start) = (next.is_none_or(char::is_whitespace), before.trim_start());
    let is_digit = |c: char| c.is_ascii_digit();
    match c {
        '\\' | '[' | ']' | '!' | '*' | '_' | '`' | '#' | '~' | '&' | '@' => true,
        ':' => rest.starts_with("://"),
        // A number's sign is none.
        '-' | '+' | '=' => start.is_empty() && next.is_none_or(|next| !is_digit(next)),
        ')' => ends && !start.is_empty() && start.chars().all(is_digit),
        '.' => {
            let last = before.get(before.len().saturating_sub(3)..).unwrap_or_default();
            let counts = ends && !start.is_empty() && start.chars().all(is_digit);
            counts || last.eq_ignore_ascii_case("www")
        }
        _ => false,
    }
}

/// Whether a letter moves a cursor, turns the line or is not seen.
pub(crate) fn is_unprintable(c: char) -> bool {
    let unseen = matches!(
        c,
        '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
    );
    unseen || c.is_control()
}

/// A name of the file as code, which nothing in it can end. Code knows no escapes, so what could write
/// HTML is left out.
pub(super) fn code(name: &str) -> String {
    format!("`{}`", plain(name).replace('`', "'").replace(['<', '>'], " "))
}

/// A text cut to the letters of a line, none of which turns the line or ends a cell.
fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '|' => ' ',
        c if is_unprintable(c) => ' ',
        c => c,
    };
    let mut cut: String = text.chars().take(MOST_LETTERS).map(plain).collect();
    if text.chars().count() > MOST_LETTERS {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_a_file_writes_no_markdown() {
        assert_eq!(
            line("![a](b) *c* `d` e_f|\u{202e}g\n"),
            "\\!\\[a\\](b) \\*c\\* \\`d\\` e\\_f  g "
        );
        assert_eq!(code("a_b` **c** `d\n|"), "`a_b' **c** 'd  `");
    }

    #[test]
    fn what_is_compared_reads_as_it_was_written_and_writes_no_html() {
        assert_eq!(line("include age >= 60"), "include age &gt;= 60");
        assert_eq!(line("<b>1 < 2</b>"), "&lt;b&gt;1 &lt; 2&lt;/b&gt;");
        assert_eq!(line("&lt;b>"), "\\&lt;b&gt;", "an escape of the file's own is none");
        assert_eq!(code("<b>"), "` b `");
    }

    #[test]
    fn a_text_of_a_file_begins_no_block_and_becomes_no_link() {
        for (text, expected) in [
            ("# a ~~b~~", "\\# a \\~\\~b\\~\\~"),
            ("- a - b", "\\- a - b"),
            (" + a", " \\+ a"),
            ("---", "\\---"),
            ("12. a", "12\\. a"),
            ("3) a", "3\\) a"),
            ("https://a.org/b", "https\\://a.org/b"),
            ("see WWW.a.org", "see WWW\\.a.org"),
            ("a@b.org &lrm;", "a\\@b.org \\&lrm;"),
            // Numbers and sentences stay as they are.
            ("-1.5", "-1.5"),
            ("0.25", "0.25"),
            ("+2", "+2"),
            ("1, 2: three. (4)", "1, 2: three. (4)"),
        ] {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn letters_that_are_not_seen_or_turn_the_line_are_blanks() {
        for letter in
            ['\u{1b}', '\u{9b}', '\u{61c}', '\u{200b}', '\u{200f}', '\u{2028}', '\u{2029}']
        {
            assert_eq!(line(&format!("a{letter}b")), "a b", "{letter:?}");
            assert_eq!(code(&format!("a{letter}b")), "`a b`", "{letter:?}");
        }
        assert_eq!(line("\u{feff}a\u{2066}b"), " a b");
    }

    #[test]
    fn long_texts_and_lists_are_cut_and_say_so() {
        assert!(line(&"x".repeat(300)).ends_with("x…"));
        let many: Vec<String> = (0..33).map(|item| item.to_string()).collect();
        assert!(list(&many).ends_with("29, and 3 more"));
    }
}
