//! What a person says of an export, as the options of `haima data clean` write it.

use std::str::FromStr;

use super::Encoding;
use crate::data::dates::Order;

/// What is done to an export.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What separates fields; found by the first lines without it.
    pub separator: Option<u8>,
    /// How letters are written; without it UTF-8, or UTF-16 by its mark.
    pub encoding: Option<Encoding>,
    /// Decimal marks, `.` where none is said.
    pub decimal: Vec<Scoped>,
    /// The mark between thousands.
    pub thousands: Option<char>,
    /// What stands for a missing value.
    pub missing: Vec<Scoped>,
    /// Columns that become 1 and 0.
    pub flags: Vec<Flag>,
    /// Columns that get another name.
    pub renames: Vec<Rename>,
    /// Columns that are made of two dates.
    pub intervals: Vec<Interval>,
    /// Which number of a date is the day, where it may be either.
    pub dates: Option<DateOrder>,
    /// Columns that are left out.
    pub drop: Vec<String>,
    /// Columns whose fields stay as they are.
    pub text: Vec<String>,
}

/// A value, for one column or for all: `NA` or `hb=-9`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scoped {
    /// The column; all without it.
    pub column: Option<String>,
    /// The value.
    pub value: String,
}

/// `dead=ja/nein`: which fields of a column mean yes and no; several of one kind have `|` between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The column.
    pub column: String,
    /// Fields that mean 1.
    pub yes: Vec<String>,
    /// Fields that mean 0.
    pub no: Vec<String>,
}

/// `Alter bei Diagnose=age`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The header.
    pub old: String,
    /// Its new name, with a unit where it has one.
    pub new: String,
}

/// `os=Diagnose..Kontakt`, in days, or `age=Geburt..Diagnose:years`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The column that is made.
    pub name: String,
    /// The column of earlier dates.
    pub from: String,
    /// The column of later dates.
    pub to: String,
    /// In what it is counted.
    pub unit: Length,
}

/// In what an interval is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Days.
    Days,
    /// Twelfths of a year, with one decimal.
    Months,
    /// 365.25 days, with two decimals.
    Years,
}

/// Which number of a date is the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// The first.
    DayFirst,
    /// The second.
    MonthFirst,
}

impl DateOrder {
    pub(super) fn order(self) -> Order {
        match self {
            Self::DayFirst => Order::DayFirst,
            Self::MonthFirst => Order::MonthFirst,
        }
    }
}

impl Length {
    /// Its name, which the new column's header has.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::Months => "months",
            Self::Years => "years",
        }
    }

    /// So many days.
    pub(super) fn of(self, days: i64) -> String {
        const YEAR: f64 = 365.25;
        match self {
            Self::Days => days.to_string(),
            Self::Months => format!("{:.1}", days as f64 / (YEAR / 12.0)),
            Self::Years => format!("{:.2}", days as f64 / YEAR),
        }
    }
}

impl FromStr for Scoped {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (column, value) = match text.rsplit_once('=') {
            Some((column, value)) => (Some(proper(column)?), value),
            None => (None, text),
        };
        Ok(Self { column, value: proper(value)? })
    }
}

impl FromStr for Flag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || "write COLUMN=YES/NO, such as dead=ja/nein".to_owned();
        let (column, values) = text.rsplit_once('=').ok_or_else(usage)?;
        let (yes, no) = values.split_once('/').ok_or_else(usage)?;
        let list = |text: &str| text.split('|').map(proper).collect::<Result<Vec<_>, _>>();
        let flag = Self { column: proper(column)?, yes: list(yes)?, no: list(no)? };
        let is_no = |value: &&String| flag.no.iter().any(|no| same(no, value));
        let twice = flag.yes.iter().find(is_no).cloned();
        match twice {
            Some(value) => Err(format!("`{value}` cannot mean both yes and no")),
            None => Ok(flag),
        }
    }
}

impl FromStr for Rename {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pair =
            text.rsplit_once('=').ok_or("write OLD=NEW, such as 'Alter bei Diagnose=age'")?;
        Ok(Self { old: proper(pair.0)?, new: proper(pair.1)? })
    }
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || "write NEW=FROM..TO, such as os=Diagnose..Kontakt, or ...:years".to_owned();
        let (name, dates) = text.split_once('=').ok_or_else(usage)?;
        let (from, to) = dates.split_once("..").ok_or_else(usage)?;
        let (to, unit) = match to.rsplit_once(':') {
            None => (to, Length::Days),
            Some((to, "days")) => (to, Length::Days),
            Some((to, "months")) => (to, Length::Months),
            Some((to, "years")) => (to, Length::Years),
            Some((_, unit)) => return Err(format!("`{unit}` is not days, months or years")),
        };
        Ok(Self { name: proper(name)?, from: proper(from)?, to: proper(to)?, unit })
    }
}

/// A text without blanks around it, which is not empty.
fn proper(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("names nothing in one place".into()),
        text => Ok(text.to_owned()),
    }
}

/// Whether two texts are one but for capitals.
pub(super) fn same(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_they_are_documented() {
        let flag: Flag = "dead=ja|j/nein".parse().unwrap();
        assert_eq!((flag.yes.len(), flag.no.as_slice()), (2, &["nein".to_owned()][..]));
        assert!("dead=ja/JA".parse::<Flag>().unwrap_err().contains("both yes and no"));
        assert!("dead=ja".parse::<Flag>().is_err() && "=ja/nein".parse::<Flag>().is_err());
        let scoped: Scoped = "Base excess=-9".parse().unwrap();
        assert_eq!((scoped.column.as_deref(), scoped.value.as_str()), (Some("Base excess"), "-9"));
        assert_eq!("NA".parse::<Scoped>().unwrap().column, None);
        let interval: Interval = "age=Geburt..Diagnose:years".parse().unwrap();
        assert_eq!((interval.to.as_str(), interval.unit), ("Diagnose", Length::Years));
        assert!("age=Geburt-Diagnose".parse::<Interval>().is_err());
        assert!("age=a..b:weeks".parse::<Interval>().unwrap_err().contains("weeks"));
        let rename: Rename = "Alter bei Diagnose=age".parse().unwrap();
        assert_eq!(rename.new, "age");
    }

    #[test]
    fn intervals_are_counted_in_their_unit() {
        assert_eq!(Length::Days.of(-3), "-3");
        assert_eq!((Length::Years.of(3653), Length::Months.of(61)), ("10.00".into(), "2.0".into()));
    }
}
