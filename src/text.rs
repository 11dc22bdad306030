//! Texts for a screen: aligned columns, and letters that move nothing.
#![cfg_attr(not(feature = "cli"), allow(dead_code, reason = "pages align no columns"))]

use crate::card::is_unprintable;

/// Lines of a table: the first column to the left, the others to the right, two blanks between.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..width)
        .map(|i| {
            rows.iter().filter_map(|row| row.get(i)).map(|c| c.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, width))| match i {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A text that may hold what strangers wrote, with blanks for letters that move a cursor, change
/// colours or turn a line around; newlines stay.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c != '\n' && is_unprintable(c) { ' ' } else { c }).collect()
}

/// A row of texts.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [row(["", "HR", "p"]), row(["age", "1.03", "<0.001"]), row(["wbc", "−2", ""])];
        let expected = "       HR       p\nage  1.03  <0.001\nwbc    −2\n";
        assert_eq!(columns(&rows), expected);
    }

    #[test]
    fn a_strangers_letters_move_no_cursor() {
        let text = "a\u{1b}[31mb\r\nc\u{202e}d\u{9b}2J\tê ×";
        assert_eq!(printable(text), "a [31mb \nc d 2J ê ×");
    }
}
