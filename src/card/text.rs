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
    let mut escaped = String::new();
    for c in plain(text).chars() {
        if matches!(c, '\\' | '[' | ']' | '!' | '*' | '_' | '`') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A name of the file as code, which nothing in it can end.
pub(super) fn code(name: &str) -> String {
    format!("`{}`", plain(name).replace('`', "'"))
}

/// A text cut to the letters of a line, none of which writes HTML or turns the line.
fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '|' | '<' | '>' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
        c if c.is_control() => ' ',
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
    fn long_texts_and_lists_are_cut_and_say_so() {
        assert!(line(&"x".repeat(300)).ends_with("x…"));
        let many: Vec<String> = (0..33).map(|item| item.to_string()).collect();
        assert!(list(&many).ends_with("29, and 3 more"));
    }
}
