//! What is done to the fields of one column: missing values emptied, numbers written with a point, yes
//! and no as 1 and 0. What may mean two things is a fault, with its row.

use std::collections::BTreeMap;

use super::plan::{Flag, same};
use crate::data::guess::number;
use crate::data::look::quoted;

/// A column of an export.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    /// Header in the export.
    pub(super) header: String,
    /// Name without unit.
    pub(super) name: String,
    pub(super) unit: Option<String>,
    /// A field a row.
    pub(super) fields: Vec<String>,
    /// Its fields stay as they are.
    pub(super) is_text: bool,
    /// What was done, with the number of fields.
    pub(super) changes: BTreeMap<String, usize>,
}

/// A row, counted from 0, and what is wrong with it.
pub(super) type Fault = (usize, String);

/// How numbers are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    pub(super) decimal: char,
    pub(super) thousands: Option<char>,
    /// Whether somebody said of this very column which mark is the decimal one.
    pub(super) said: bool,
}

/// What a field is as a number.
enum Number {
    /// As it stands.
    Plain,
    /// Written with a point.
    Rewritten(String),
    /// It may be two numbers.
    Either(String),
    None,
}

impl Cells {
    /// Changes fields and counts those that changed.
    fn change(&mut self, what: &str, new: impl Fn(&str) -> Option<String>) {
        let mut changed = 0;
        for field in &mut self.fields {
            if let Some(new) = new(field) {
                *field = new;
                changed += 1;
            }
        }
        if changed > 0 {
            *self.changes.entry(what.to_owned()).or_insert(0) += changed;
        }
    }

    /// Takes blanks away at both ends of each field.
    pub(super) fn trim(&mut self) {
        self.change("blanks trimmed", |field| {
            (field.trim().len() < field.len()).then(|| field.trim().to_owned())
        });
    }

    /// Whether the file has the column under that name: its header, or what it is called now.
    pub(super) fn is(&self, name: &str) -> bool {
        self.header == name || self.name == name
    }

    /// Whether no row has a value.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.iter().all(String::is_empty)
    }

    /// Empties fields that mean a missing value: `codes` of all columns, `own` of this one. A number that
    /// is said of all columns may be a value in one of them, which is a fault.
    pub(super) fn empty(&mut self, codes: &[&str], own: &[&str], marks: Marks) -> Vec<Fault> {
        let value = |text: &str| marks.value(text);
        let mut faults = Vec::new();
        let mut taken: Vec<&str> = own.to_vec();
        for code in codes.iter().copied().filter(|_| !self.is_text) {
            let is_it = |field: &String| means(field, code, &value);
            let Some(row) = self.fields.iter().position(is_it) else { continue };
            let coded =
                |field: &str| codes.iter().chain(own).any(|code| means(field, code, &value));
            let others = self.fields.iter().filter(|field| !coded(field));
            let may_be_one = value(code).is_some_and(|number| {
                others.filter_map(|field| value(field)).any(|other| match number < 0.0 {
                    true => other < 0.0,
                    false => 2.0 * other >= number,
                })
            });
            if may_be_one {
                faults.push((
                    row,
                    format!(
                        "{} may be a value here; say --missing COLUMN={code} for the columns in which it \
                         is none",
                        quoted(code)
                    ),
                ));
            } else {
                taken.push(code);
            }
        }
        self.change("missing values emptied", |field| {
            let is = !field.is_empty() && taken.iter().any(|code| means(field, code, &value));
            is.then(String::new)
        });
        faults
    }

    /// Whether most fields are numbers as `marks` write them.
    pub(super) fn is_numeric(&self, marks: Marks) -> bool {
        let known = self.fields.iter().filter(|field| !field.is_empty());
        let (mut numbers, mut count) = (0, 0);
        for field in known {
            count += 1;
            numbers += usize::from(!matches!(marks.read(field), Number::None));
        }
        2 * numbers > count
    }

    /// Writes numbers with a point and without marks between thousands.
    pub(super) fn point(&mut self, marks: Marks) -> Vec<Fault> {
        if let Some(fault) = self.either(marks) {
            return vec![fault];
        }
        let mut faults = Vec::new();
        let mut more = 0;
        for (row, field) in self.fields.iter().enumerate() {
            if let Number::Either(problem) = marks.read(field) {
                if faults.is_empty() {
                    faults.push((row, problem));
                } else {
                    more += 1;
                }
            }
        }
        if let Some((_, problem)) = faults.first_mut().filter(|_| more > 0) {
            problem.push_str(&format!(" ({more} more such fields)"));
        }
        self.change("numbers written with a point", |field| match marks.read(field) {
            Number::Rewritten(text) => Some(text),
            Number::Plain | Number::Either(_) | Number::None => None,
        });
        faults
    }

    /// Where nobody said of this column what a point is: its first field with one, if each that has one is
    /// written as thousands are, `1.361`. `9.8` and `0.750` are no thousands, so with one of them no
    /// point of the column is between any.
    fn either(&self, marks: Marks) -> Option<Fault> {
        if marks.said || marks.decimal != '.' || marks.thousands.is_some() {
            return None;
        }
        let (mut first, mut count) = (None, 0_usize);
        for (row, field) in self.fields.iter().enumerate() {
            let digits = field.trim_start_matches(['-', '+', '\u{2212}']);
            if is_grouped(digits, '.') && !digits.starts_with('0') {
                first = first.or(Some((row, field)));
                count += 1;
            } else if field.contains('.') && number(digits).is_some() {
                return None;
            }
        }
        let (row, field) = first?;
        let more = match count - 1 {
            0 => String::new(),
            more => format!(" ({more} more such fields)"),
        };
        let problem = format!(
            "{} may be a thousand or a decimal point, as each field with a point here; say --thousands . \
             or --decimal {}=.{more}",
            quoted(field),
            self.name
        );
        Some((row, problem))
    }

    /// Writes yes and no as 1 and 0.
    pub(super) fn flag(&mut self, flag: &Flag) -> Vec<Fault> {
        let of = |values: &[String], field: &str| values.iter().any(|value| same(value, field));
        let mut faults: Vec<Fault> = Vec::new();
        for (row, field) in self.fields.iter().enumerate().filter(|(_, field)| !field.is_empty()) {
            if !of(&flag.yes, field) && !of(&flag.no, field) {
                let problem = format!(
                    "{} is neither {} nor {}; name it in --flag, or in --missing",
                    quoted(field),
                    flag.yes.join(" or "),
                    flag.no.join(" or ")
                );
                faults.push((row, problem));
            }
        }
        self.change("yes and no written as 1 and 0", |field| match field {
            field if of(&flag.yes, field) => Some("1".to_owned()),
            field if of(&flag.no, field) => Some("0".to_owned()),
            _ => None,
        });
        faults
    }
}

/// Whether a field is a code, as text or as a number.
fn means(field: &str, code: &str, value: &dyn Fn(&str) -> Option<f64>) -> bool {
    !field.is_empty()
        && (same(field, code) || value(code).is_some_and(|number| value(field) == Some(number)))
}

impl Marks {
    /// The number that a field is, where it is surely one.
    fn value(self, text: &str) -> Option<f64> {
        match self.read(text) {
            Number::Plain => number(text),
            Number::Rewritten(text) => number(&text),
            Number::Either(_) | Number::None => None,
        }
    }

    fn read(self, text: &str) -> Number {
        let minus = text.starts_with('\u{2212}');
        let plain = text.replacen('\u{2212}', "-", usize::from(minus));
        let (whole, fraction) = match plain.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (plain.as_str(), None),
        };
        let mark = self.thousands.or(match self.decimal {
            ',' => Some('.'),
            _ => None,
        });
        let shaped = mark.filter(|mark| is_grouped(whole, *mark));
        // No group of thousands begins with 0: `0.750` is three quarters, whoever wrote the point.
        let grouped = shaped.filter(|_| !whole.trim_start_matches(['-', '+']).starts_with('0'));
        if self.decimal == ',' && fraction.is_none() && plain.contains('.') {
            // `1.234` may be either, `1.234.567` may not; `3.5` has the other decimal mark.
            let said = self.thousands == Some('.') || plain.matches('.').count() > 1;
            if grouped.is_none() && number(&plain).is_some() {
                return Number::Either(format!(
                    "{} has a decimal point where the decimal mark is `,`; correct it, or say --decimal \
                     COLUMN=. for a column of points",
                    quoted(text)
                ));
            }
            if grouped.is_some() && !said {
                return Number::Either(format!(
                    "{} may be a thousand or a decimal point; say --thousands . or --decimal COLUMN=.",
                    quoted(text)
                ));
            }
        }
        if let Some(mark) = shaped.filter(|_| grouped.is_none()) {
            let remedy = match mark {
                ',' | '.' => format!(", or say --decimal COLUMN={mark} for a column of decimals"),
                _ => String::new(),
            };
            return Number::Either(format!(
                "{} begins with 0, so `{mark}` stands between no thousands; correct it{remedy}",
                quoted(text)
            ));
        }
        let whole = match grouped {
            Some(mark) => whole.replace(mark, ""),
            None => whole.to_owned(),
        };
        let proper = |fraction: &str| fraction.starts_with(|c: char| c.is_ascii_digit());
        let written = match fraction {
            Some(fraction) if proper(fraction) || self.decimal == '.' => {
                format!("{whole}.{fraction}")
            }
            Some(_) => return Number::None,
            None => whole,
        };
        match number(&written) {
            None => Number::None,
            Some(_) if written == text => Number::Plain,
            Some(_) => Number::Rewritten(written),
        }
    }
}

/// Whether a mark stands before each three digits of a whole number, and nowhere else.
fn is_grouped(whole: &str, mark: char) -> bool {
    let digits = whole.trim_start_matches(['-', '+']);
    let mut parts = digits.split(mark);
    let all = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let first = parts.next().is_some_and(|part| (1..=3).contains(&part.len()) && all(part));
    let rest: Vec<&str> = parts.collect();
    first && !rest.is_empty() && rest.iter().all(|part| part.len() == 3 && all(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMA: Marks = Marks { decimal: ',', thousands: None, said: false };
    const POINT: Marks = Marks { decimal: '.', ..COMMA };

    fn cells(fields: &[&str]) -> Cells {
        Cells {
            header: "x".into(),
            name: "x".into(),
            unit: None,
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            is_text: false,
            changes: BTreeMap::new(),
        }
    }

    #[test]
    fn numbers_with_a_comma_are_written_with_a_point() {
        let mut own =
            cells(&["1,5", "-0,70", "1.234,5", "1.234.567", "7", "", "\u{2212}3,5", "1e-3"]);
        assert!(own.is_numeric(COMMA) && own.point(COMMA).is_empty());
        assert_eq!(own.fields, ["1.5", "-0.70", "1234.5", "1234567", "7", "", "-3.5", "1e-3"]);
        assert_eq!(own.changes["numbers written with a point"], 5);
    }

    #[test]
    fn what_may_be_two_numbers_is_a_fault_and_stays() {
        for (text, says) in [("1.234", "--thousands ."), ("3.5", "decimal point where")] {
            let mut own = cells(&["1,5", text]);
            let faults = own.point(COMMA);
            assert_eq!((faults.len(), faults[0].0), (1, 1), "{text}");
            assert!(faults[0].1.contains(says), "{faults:?}");
            assert_eq!(own.fields[1], text);
        }
        let mut said = cells(&["1.234", "0,5"]);
        assert!(said.point(Marks { thousands: Some('.'), ..COMMA }).is_empty());
        assert_eq!(said.fields, ["1234", "0.5"]);
        let mut own = cells(&["3.5", "1,5"]);
        assert!(own.point(POINT).is_empty());
        assert_eq!(own.fields, ["3.5", "1,5"], "nothing is read that nobody said");
    }

    #[test]
    fn what_begins_with_0_has_no_thousands() {
        let points = Marks { thousands: Some('.'), ..COMMA };
        for text in ["0.750", "-0.125", "\u{2212}0.250", "0.123.456", "012.345,6"] {
            let mut own = cells(&["1,5", text, "1.234,5"]);
            let faults = own.point(points);
            assert!(faults.len() == 1 && faults[0].0 == 1, "{text}: {faults:?}");
            assert_eq!(own.fields, ["1.5", text, "1234.5"]);
            assert_eq!(points.value(text), None, "no code equals it either");
        }
        let mut own = cells(&["0.123.456"]);
        assert_eq!(own.point(COMMA).len(), 1, "without --thousands as well");
        let commas = Marks { thousands: Some(','), ..POINT };
        let mut own = cells(&["0,750", "1,234.5", "0.5", "0"]);
        let faults = own.point(commas);
        assert!(faults[0].0 == 0 && faults[0].1.contains("--decimal COLUMN=,"), "{faults:?}");
        assert_eq!(own.fields, ["0,750", "1234.5", "0.5", "0"]);
    }

    #[test]
    fn a_column_whose_points_may_all_be_thousands_is_a_fault_until_somebody_says() {
        for fields in [
            &["993", "1.361", "2.104", "", "k.A."][..],
            &["950", "-12.500"],
            &["7", "\u{2212}1.250", "1.234.567"],
        ] {
            let mut own = cells(fields);
            let faults = own.point(POINT);
            assert_eq!((faults.len(), faults[0].0), (1, 1), "{fields:?}: {faults:?}");
            assert!(faults[0].1.contains("say --thousands . or --decimal x=."), "{faults:?}");
            assert_eq!(own.fields, fields, "nothing is changed");
            let mut own = cells(fields);
            assert!(own.point(Marks { said: true, ..POINT }).is_empty(), "{fields:?}");
            let mut own = cells(fields);
            assert!(own.point(Marks { thousands: Some(','), ..POINT }).is_empty(), "{fields:?}");
        }
        let count = cells(&["1.361", "2.104"]).point(POINT);
        assert!(count[0].1.contains("(1 more such fields)"), "{count:?}");
        // One field that is surely a decimal says what all points are.
        for decimal in ["9.8", "0.750", "1.3615", "1234.567", "-.5", "1.361e2"] {
            assert!(cells(&["993", "1.361", decimal]).point(POINT).is_empty(), "{decimal}");
        }
        assert!(cells(&["993", "1361"]).point(POINT).is_empty());
    }

    #[test]
    fn codes_are_emptied_where_they_can_be_no_value() {
        let mut own = cells(&["7,5", "-9", "k.A.", "-9,0", "K.a."]);
        assert!(own.empty(&["k.a.", "-9"], &[], COMMA).is_empty());
        assert_eq!(own.fields, ["7,5", "", "", "", ""]);
        let mut excess = cells(&["-3,5", "-9", "2"]);
        let faults = excess.empty(&["-9"], &[], COMMA);
        assert!(faults[0].0 == 1 && faults[0].1.contains("--missing COLUMN=-9"), "{faults:?}");
        assert!(excess.empty(&[], &["-9"], COMMA).is_empty() && excess.fields[1].is_empty());
        let mut age = cells(&["60", "99", "88"]);
        assert_eq!(age.empty(&["99"], &[], COMMA).len(), 1);
    }

    #[test]
    fn yes_and_no_become_flags_and_anything_else_is_a_fault() {
        let flag: Flag = "x=ja/nein".parse().unwrap();
        let mut own = cells(&["ja", "NEIN", "", "evtl"]);
        let faults = own.flag(&flag);
        assert!(faults[0].0 == 3 && faults[0].1.contains("`evtl` is neither ja nor nein"));
        assert_eq!(own.fields, ["1", "0", "", "evtl"]);
        let mut coded = cells(&["2", "1"]);
        assert!(coded.flag(&"x=2/1".parse().unwrap()).is_empty());
        assert_eq!(coded.fields, ["1", "0"]);
    }
}
