//! What a task's title may be: people read it before they sign, on screens and on pages.

/// Most letters.
const MOST: usize = 200;

/// Checks that a title is one line of letters that stay where they are; the problem.
pub(super) fn fits(title: &str) -> Result<(), String> {
    // Marks that turn a line around or hide letters of it.
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let letters = title.chars().count();
    let fits = title.trim() == title && (1..=MOST).contains(&letters) && !title.contains(odd);
    fits.then_some(())
        .ok_or_else(|| format!("{title:?}; give one line of 1 to {MOST} letters, or leave it out"))
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
}
