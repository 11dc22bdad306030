//! What makes a column something else than a program would take it for: numbers with a decimal comma,
//! dates, spellings and codes of a missing value. One rule for all that describe a column by its
//! values ([`crate::stats`], [`super::infer`]) and for what puts a file in order ([`super::clean`]), so
//! that none analyses silently what another refuses.

use std::collections::{BTreeMap, BTreeSet};

use super::dates::{self, Written};
use super::guess::number;

/// Spellings of a missing value in place of an empty field, in small letters.
const MISSING: [&str; 21] = [
    "na",
    "n/a",
    "#n/a",
    "#nv",
    "nan",
    "null",
    ".",
    "-",
    "--",
    "?",
    "missing",
    "k.a.",
    "k. a.",
    "k.a",
    "ka",
    "keine angabe",
    "keine angaben",
    "fehlt",
    "fehlend",
    "n.b.",
    "nicht bekannt",
];
/// Words that may say that a value is missing and may be a finding of their own, in small letters.
const UNKNOWN: [&str; 9] = [
    "unbekannt",
    "unklar",
    "nicht erhoben",
    "nicht bestimmt",
    "nicht untersucht",
    "unknown",
    "not known",
    "not done",
    "unclear",
];
/// Numbers that stand for a missing value where every other value is 0 or more.
const NEGATIVE: [f64; 11] =
    [-1.0, -7.0, -8.0, -9.0, -77.0, -88.0, -99.0, -888.0, -999.0, -9999.0, -99999.0];
/// Numbers that stand for one where all others are less than half of it, with few others below 10.
const HIGH: [f64; 9] = [9.0, 88.0, 99.0, 888.0, 999.0, 8888.0, 9999.0, 99999.0, 999999.0];
/// Values of a scale up to which a 9 is a code.
const SCALE: usize = 7;
/// Levels that a category may have before it is taken for free text or a key.
pub(crate) const MOST_LEVELS: usize = 50;
/// Letters of a field that are quoted.
const QUOTED: usize = 32;

/// Something odd of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Odd {
    pub(crate) what: What,
    /// Place of the first field that is so, counted from 0.
    pub(crate) row: usize,
    /// That field.
    pub(crate) text: String,
    /// Fields that are so.
    pub(crate) count: usize,
}

/// What is odd.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// A number with a decimal comma, or with commas between thousands.
    Comma,
    /// A date.
    Date,
    /// A spelling of a missing value.
    MissingWord,
    /// A number that stands for a missing value.
    MissingCode,
    /// A text among numbers.
    NoNumber,
    /// Another spelling of a level.
    Alike(String),
    /// So many different texts.
    Levels(usize),
}

impl Odd {
    /// What it is and what to do about column `name`.
    pub(crate) fn says(&self, name: &str) -> String {
        let text = quoted(&self.text);
        let said = match &self.what {
            What::Comma => format!(
                "{text} has a comma; write a decimal point and no other mark, as `haima data clean \
                 --decimal ,` does"
            ),
            What::Date => format!(
                "{text} is a date, which says who someone is and is no number; give the days between \
                 two dates, as `haima data clean --interval NEW=FROM..TO` does"
            ),
            What::MissingWord => format!(
                "{text} looks like a missing value, which is an empty field; `haima data clean \
                 --missing '{}'` empties it",
                self.text.escape_debug().take(QUOTED).collect::<String>()
            ),
            What::MissingCode => format!(
                "{text} looks like a code for a missing value, which is an empty field: all other \
                 values are far from it; `haima data clean --missing '{}={}'` empties it",
                name.escape_debug(),
                self.text.escape_debug().take(QUOTED).collect::<String>()
            ),
            What::NoNumber => format!(
                "{text} stands among numbers and is none; correct it, or empty the field if it is \
                 missing"
            ),
            What::Alike(other) => format!(
                "{text} and {} differ in capitals or blanks alone; write one of them",
                quoted(other)
            ),
            What::Levels(levels) => format!(
                "has {levels} different texts, as {text}: free text, or a key; leave it out, or make \
                 it at most {MOST_LEVELS} levels"
            ),
        };
        match self.count {
            0 | 1 => said,
            fields => format!("{said} ({fields} such fields)"),
        }
    }
}

/// What is odd with a column of these fields; an empty field is a missing value. A kind is told once,
/// with the first field that is so; spellings and codes of a missing value are told each.
pub(crate) fn odd(name: &str, texts: &[&str]) -> Vec<Odd> {
    let values = Values::of(texts);
    let mut found = values.each(&What::MissingWord, &is_missing);
    let known = values.without(&is_missing);
    let rows = known.rows(&|_| true);
    if let Some(date) = known.dates(name, rows) {
        found.push(date);
        return found;
    }
    found.extend(known.first(&What::Comma, &is_comma_number));
    let is_number = |text: &str| number(text).is_some() || is_comma_number(text);
    // A few texts among numbers are faults, and no levels.
    if 2 * known.rows(&is_number) > rows {
        found.extend(known.first(&What::NoNumber, &|text| !is_number(text)));
        let codes = codes(known.0.keys().copied());
        found.extend(known.each(&What::MissingCode, &|text| {
            number(text).is_some_and(|value| codes.contains(&value))
        }));
    } else {
        found.extend(known.alike());
        if known.0.len() > MOST_LEVELS {
            let levels = known.0.len();
            let first = known.first(&What::Levels(levels), &|_| true);
            found.extend(first.map(|odd| Odd { count: 1, ..odd }));
        }
    }
    found
}

/// Whether a text is a usual spelling of a missing value.
pub(crate) fn is_missing(text: &str) -> bool {
    MISSING.contains(&text.trim().to_lowercase().as_str())
}

/// Whether a text may be another, which a person has to say.
pub(crate) fn may_be_missing(text: &str) -> bool {
    UNKNOWN.contains(&text.trim().to_lowercase().as_str())
}

/// Numbers among the texts that stand for a missing value, by the rules of [`NEGATIVE`] and [`HIGH`].
pub(crate) fn codes<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<f64> {
    let mut numbers: Vec<f64> = texts.filter_map(number).collect();
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    let mut codes = Vec::new();
    let (below, from_zero): (Vec<f64>, Vec<f64>) = numbers.iter().partition(|value| **value < 0.0);
    if !from_zero.is_empty() && below.iter().all(|value| NEGATIVE.contains(value)) {
        codes.extend(below);
    }
    let scale = || from_zero.len() <= SCALE && from_zero.iter().all(|value| value.fract() == 0.0);
    if let [_, .., next, last] = from_zero.as_slice()
        && HIGH.contains(last)
        && 2.0 * next < *last
        && (*last > 9.0 || scale())
    {
        codes.push(*last);
    }
    codes
}

/// Whether a text is a number but for commas, and points between thousands.
pub(crate) fn is_comma_number(text: &str) -> bool {
    let text = text.trim().trim_start_matches('\u{2212}');
    let of = |text: &str| number(text).is_some();
    text.contains(',')
        && text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+'))
        && (of(&text.replacen(',', ".", 1))
            || of(&text.replace(',', ""))
            || of(&text.replace('.', "").replacen(',', ".", 1)))
}

/// A date with two digits of a year, `31.03.21`.
pub(crate) fn is_short_date(text: &str) -> bool {
    let parts: Vec<&str> = text.trim().split(['.', '/']).collect();
    let up_to = |text: &str, most: u8| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits && text.parse().is_ok_and(|number: u8| (1..=most).contains(&number))
    };
    match parts.as_slice() {
        [one, other, year] if year.len() == 2 && year.bytes().all(|b| b.is_ascii_digit()) => {
            up_to(one, 31) && up_to(other, 12) || up_to(one, 12) && up_to(other, 31)
        }
        _ => false,
    }
}

/// Different values with the first row and the number of rows of each.
struct Values<'a>(BTreeMap<&'a str, (usize, usize)>);

impl<'a> Values<'a> {
    fn of(texts: &[&'a str]) -> Self {
        let mut values = BTreeMap::new();
        for (row, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            values.entry(*text).or_insert((row, 0)).1 += 1;
        }
        Self(values)
    }

    fn without(&self, left: &dyn Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(text, _)| !left(text));
        Self(kept.map(|(text, place)| (*text, *place)).collect())
    }

    /// Rows whose value is so.
    fn rows(&self, is: &dyn Fn(&str) -> bool) -> usize {
        self.0.iter().filter(|(text, _)| is(text)).map(|(_, (_, rows))| rows).sum()
    }

    /// Each value that is so, in the order of the rows.
    fn each(&self, what: &What, is: &dyn Fn(&str) -> bool) -> Vec<Odd> {
        let so = self.0.iter().filter(|(text, _)| is(text));
        let odd = so.map(|(text, (row, count))| Odd {
            what: what.clone(),
            row: *row,
            text: (*text).to_owned(),
            count: *count,
        });
        let mut odd: Vec<Odd> = odd.collect();
        odd.sort_by_key(|odd| odd.row);
        odd
    }

    /// The first value that is so, with the number of all rows whose value is so.
    fn first(&self, what: &What, is: &dyn Fn(&str) -> bool) -> Option<Odd> {
        let first = self.each(what, is).into_iter().next()?;
        Some(Odd { count: self.rows(is), ..first })
    }

    /// Dates: one that has four digits of a year, or many that may be one.
    fn dates(&self, name: &str, rows: usize) -> Option<Odd> {
        let full = |text: &str| dates::written(text).is_some_and(|form| form != Written::Digits);
        if let Some(date) = self.first(&What::Date, &full) {
            return Some(date);
        }
        let name = name.to_lowercase();
        // Eight digits may be a number.
        let said = ["date", "dat", "dob", "day", "tag"].iter().any(|word| name.contains(*word));
        let may = |text: &str| {
            is_short_date(text) || said && dates::written(text) == Some(Written::Digits)
        };
        if 2 * self.rows(&may) > rows { self.first(&What::Date, &may) } else { None }
    }

    /// A level that is another one but for capitals and blanks.
    fn alike(&self) -> Option<Odd> {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        let mut in_order: Vec<(&&str, &(usize, usize))> = self.0.iter().collect();
        in_order.sort_by_key(|(_, (row, _))| *row);
        for (text, (row, count)) in in_order {
            let plain = text.trim().to_lowercase();
            if let Some(other) = seen.insert(plain, text) {
                let (what, text) = (What::Alike(other.to_owned()), (*text).to_owned());
                return Some(Odd { what, row: *row, text, count: *count });
            }
        }
        None
    }
}

/// Two values that say yes and no, and which of them yes, where words tell.
pub(crate) fn yes_and_no<'a>(values: &BTreeSet<&'a str>) -> Option<(&'a str, &'a str)> {
    const PAIRS: [(&str, &str); 9] = [
        ("ja", "nein"),
        ("j", "n"),
        ("yes", "no"),
        ("y", "n"),
        ("true", "false"),
        ("wahr", "falsch"),
        ("tot", "lebt"),
        ("verstorben", "lebend"),
        ("dead", "alive"),
    ];
    let values: Vec<&'a str> = values.iter().copied().collect();
    let [one, other] = *values.as_slice() else { return None };
    let is = |yes: &str, no: &str| {
        let (yes, no) = (yes.to_lowercase(), no.to_lowercase());
        PAIRS.contains(&(yes.as_str(), no.as_str()))
    };
    if is(one, other) {
        Some((one, other))
    } else if is(other, one) {
        Some((other, one))
    } else {
        None
    }
}

/// A field's text as a message may show it: printable and short.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", text.escape_debug().take(QUOTED).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [What; 0] = [];

    fn kinds(name: &str, texts: &[&str]) -> Vec<What> {
        odd(name, texts).into_iter().map(|odd| odd.what).collect()
    }

    #[test]
    fn a_decimal_comma_is_told_with_its_row_wherever_it_stands() {
        let found = odd("gew", &["3", "1,5", "2,0", ""]);
        assert_eq!((found.len(), found[0].row, found[0].count), (1, 1, 2));
        let said = found[0].says("gew");
        assert!(said.contains("`1,5` has a comma") && said.contains("--decimal ,"), "{said}");
        for text in ["1,5", "-0,7", "1.234,5", "1,234", "12,5e3", "1,234,567"] {
            assert!(is_comma_number(text), "{text}");
        }
        for text in ["1.5", "a,5", "1, 2", ",5", "t(8,21)", ""] {
            assert!(!is_comma_number(text), "{text}");
        }
    }

    #[test]
    fn dates_are_no_levels() {
        assert_eq!(kinds("x", &["31.03.2021", "01.04.2021"]), [What::Date]);
        assert_eq!(kinds("x", &["AML", "MDS", "2021-03-31"]), [What::Date]);
        assert_eq!(kinds("x", &["31.03.21", "01.04.21", "02.04.21"]), [What::Date]);
        assert_eq!(kinds("Diagnosedatum", &["20210331", "20210401"]), [What::Date]);
        assert_eq!(kinds("cells", &["20210331", "20210401"]), NONE);
    }

    #[test]
    fn missing_values_are_told_from_values() {
        for word in ["k.A.", "NA", "keine Angabe", "-", "#NV"] {
            assert_eq!(kinds("sex", &["m", "w", word]), [What::MissingWord], "{word}");
            assert_eq!(kinds("hb", &["7", "8", "9.5", word]), [What::MissingWord], "{word}");
        }
        assert_eq!(kinds("tp53", &["unbekannt", "mut", "wt"]), NONE);
        for (codes, texts) in [
            (&[What::MissingCode][..], &["0.5", "10", "-99"][..]),
            (&[What::MissingCode], &["60", "71", "80", "999"]),
            (&[What::MissingCode], &["0", "1", "2", "3", "9"]),
            (&[What::MissingCode, What::MissingCode], &["1", "2", "-9", "-99"]),
            (&[], &["-1.5", "-9", "3"]),
            (&[], &["60", "71", "88", "99"]),
            (&[], &["0", "1", "1"]),
            (&[], &["1", "2", "5", "9"]),
        ] {
            assert_eq!(kinds("x", texts), codes, "{texts:?}");
        }
        let found = odd("FU", &["1", "2", "-99", "-99"]);
        assert!(found[0].says("FU").contains("--missing 'FU=-99'"), "{found:?}");
    }

    #[test]
    fn texts_among_numbers_and_levels_alike_are_told() {
        assert_eq!(kinds("plt", &["120", "80", "<10"]), [What::NoNumber]);
        assert_eq!(kinds("d", &["AML", "MDS", "aml "]), [What::Alike("AML".into())]);
        let many: Vec<String> = (0..51).map(|i| format!("note {i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(kinds("d", &many), [What::Levels(51)]);
        assert_eq!(kinds("d", &many[..50]), NONE);
        assert_eq!(kinds("d", &["AML", "MDS", ""]), NONE);
    }

    #[test]
    fn yes_is_told_from_no_by_words_alone() {
        let of = |one: &'static str, other: &'static str| yes_and_no(&[one, other].into());
        assert_eq!(of("Ja", "Nein"), Some(("Ja", "Nein")));
        assert_eq!(of("alive", "dead"), Some(("dead", "alive")));
        assert_eq!(of("1", "2"), None);
    }
}
