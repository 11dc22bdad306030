//! What a task's title may be: people read it before they sign, on screens and on pages.

/// Most letters.
const MOST: usize = 200;

/// Checks that a title is one line of letters that stay where they are; the problem.
pub(super) fn fits(title: &str) -> Result<(), String> {
    let letters = title.chars().count();
    let fits = title.trim() == title && (1..=MOST).contains(&letters) && !title.contains(is_odd);
    fits.then_some(())
        .ok_or_else(|| format!("{title:?}; give one line of 1 to {MOST} letters, or leave it out"))
}

/// Whether a letter turns a line around, or is not seen: two titles that look alike are alike.
fn is_odd(c: char) -> bool {
    // Marks of direction, joiners, breaks of lines.
    let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    // Letters that have no shape: soft hyphen, joiner of graphemes, fillers, an empty Braille cell.
    let blank =
        matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
            || matches!(c, '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}');
    // Selectors, notes between lines, marks of music and shorthand, tags.
    let marks = matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fffb}')
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}');
    turns || blank || marks || c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_that_reads_as_it_stands() {
        let longest = "x".repeat(MOST);
        for title in ["Who the patients are", "Überleben (Tage), 1 % – 99 %", longest.as_str()] {
            assert_eq!(fits(title), Ok(()), "{title}");
        }
        let longer = "x".repeat(MOST + 1);
        for title in ["", " a", "a\nb", "a\u{1b}[2J", "a\u{202e}b", "a\u{200b}b", longer.as_str()] {
            assert!(fits(title).unwrap_err().contains("one line of 1 to 200"), "{title:?}");
        }
    }

    #[test]
    fn a_title_has_no_letter_that_nobody_sees() {
        let unseen = ['\u{ad}', '\u{34f}', '\u{115f}', '\u{3164}', '\u{ffa0}', '\u{2800}'];
        let tags = ['\u{fe0f}', '\u{e0001}', '\u{e0041}', '\u{e007f}', '\u{e0100}'];
        for c in unseen.into_iter().chain(tags) {
            assert!(fits(&format!("Ages{c}of all")).is_err(), "{}", c.escape_unicode());
        }
    }
}
