//! A cell of a table, and its text.

use crate::report::cells::Shown;
use crate::report::numbers;
use crate::text::printable;

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words, which a spreadsheet must not take for a formula.
    Words(String),
    /// A figure; empty where there is none.
    Number(f64),
    /// A count.
    Count(u64),
    /// A count that the display rule hides: from 1 to one below the figure.
    Below(u64),
    /// One that is hidden because it would give another away: at least the figure.
    AtLeast(u64),
    /// The bounds that a figure lies between, where that is all that is known.
    Between([f64; 2]),
    /// Nothing.
    Empty,
}

impl Cell {
    /// A count of patients under the display rule.
    pub(super) fn patients(count: u64, min_cell: u64) -> Self {
        match numbers::is_small(count, min_cell) {
            true => Self::Below(min_cell),
            false => Self::Count(count),
        }
    }

    /// A count of which a table has decided how it is printed.
    pub(super) fn shown(shown: Option<&Shown>, min_cell: u64) -> Self {
        match shown {
            Some(Shown::Count(count)) => Self::Count(*count),
            Some(Shown::Small) => Self::Below(min_cell),
            Some(Shown::Protecting) => Self::AtLeast(min_cell),
            None => Self::Empty,
        }
    }

    /// A share, with the digits of the page where all of them could be solved for a hidden count.
    pub(super) fn share(value: f64, beside_hidden: bool) -> Self {
        match beside_hidden {
            true => Self::Number((value * 100.0).round() / 100.0),
            false => Self::Number(value),
        }
    }

    /// What stands in the file, before quotes.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Words(words) => harmless(words),
            Self::Number(value) => number(*value),
            Self::Count(count) => count.to_string(),
            Self::Below(bound) => format!("<{bound}"),
            Self::AtLeast(bound) => format!(">={bound}"),
            // Behind a minus sign it would begin like a formula.
            Self::Between([low, high]) => {
                harmless(&format!("{} to {}", number(*low), number(*high)))
            }
            Self::Empty => String::new(),
        }
    }
}

/// Words that no spreadsheet runs: what begins like a formula gets an apostrophe before it, as OWASP
/// advises. That is so behind a semicolon as well, where a spreadsheet of another country begins a cell.
/// (A tab is a blank by then.)
fn harmless(words: &str) -> String {
    const SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let words = printable(words).replace('\n', " ");
    let mut safe = String::with_capacity(words.len());
    for part in words.split_inclusive(';') {
        // A quote at its start is none of the cell.
        let begins = part.trim_start_matches(|c: char| c.is_whitespace() || c == '"');
        if begins.starts_with(SIGNS) {
            safe.push('\'');
        }
        safe.push_str(part);
    }
    safe
}

/// All digits that a number has, so that it reads back to the bit; nothing for what is no number, and
/// `Inf` as R writes it.
fn number(value: f64) -> String {
    let size = value.abs();
    match value {
        _ if value.is_nan() => String::new(),
        _ if value == f64::INFINITY => "Inf".to_owned(),
        _ if value == f64::NEG_INFINITY => "-Inf".to_owned(),
        _ if size == 0.0 => "0".to_owned(),
        _ if (1e-5..1e15).contains(&size) => value.to_string(),
        _ => format!("{value:e}"),
    }
}

impl From<&str> for Cell {
    fn from(words: &str) -> Self {
        Self::Words(words.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(words: &String) -> Self {
        Self::Words(words.clone())
    }
}

impl From<String> for Cell {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<u32> for Cell {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// A row of cells from values of several kinds.
macro_rules! row {
    ($($cell:expr),* $(,)?) => { vec![$($crate::report::export::tables::Cell::from($cell)),*] };
}
pub(super) use row;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_back_to_the_bit() {
        for value in [0.1, -3.25, 1.0 / 3.0, 1e-300, 6.02e23, 0.0, 1e15, 12345.678] {
            assert_eq!(number(value).parse::<f64>().unwrap().to_bits(), f64::to_bits(value));
        }
        assert_eq!([f64::NAN, f64::INFINITY].map(number), ["", "Inf"]);
    }

    #[test]
    fn words_are_no_formula_and_move_no_cursor() {
        let text = |words: &str| Cell::from(words).text();
        assert_eq!(text("=HYPERLINK(\"x\")"), "'=HYPERLINK(\"x\")");
        assert_eq!(["+1", "-1", "@a", "\t=1"].map(text), ["'+1", "'-1", "'@a", "' =1"]);
        assert_eq!(text("x;=1+1"), "x;'=1+1");
        assert_eq!(text("a; -1;b; \"=1"), "a;' -1;b;' \"=1", "behind blanks and quotes too");
        assert_eq!(text("age > 60; sex = 1"), "age > 60; sex = 1");
        assert_eq!(text("a\u{1b}[31m\nb"), "a [31m b");
        assert_eq!(Cell::from(-1.5).text(), "-1.5", "a figure is no word");
    }

    #[test]
    fn a_hidden_count_is_a_bound() {
        assert_eq!([0, 3, 5].map(|n| Cell::patients(n, 5).text()), ["0", "<5", "5"]);
        assert_eq!(Cell::shown(Some(&Shown::Protecting), 5).text(), ">=5");
        assert_eq!(Cell::share(0.123_456, true).text(), "0.12");
        assert_eq!(Cell::Between([0.0, 2.5]).text(), "0 to 2.5");
        assert_eq!(Cell::Between([-10.0, -8.5]).text(), "'-10 to -8.5");
    }
}
