//! Days of the civil calendar: as text, and whether a text is one.
#![cfg_attr(not(feature = "cli"), allow(dead_code, reason = "drafts of schemas ask for the rest"))]

/// Names of the months, as such dates have them.
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1 January 1970, by the
/// civil-from-days algorithm of Howard Hinnant ("chrono-Compatible Low-Level Date Algorithms"), years
/// counted from March.
pub(crate) fn civil(days: i64) -> (i64, u8, u8) {
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    // Both fit by the algorithm.
    (year, month as u8, day as u8)
}

/// Day counted from 1 January 1970 of a date, by the days-from-civil algorithm of the same source; none
/// where the calendar has no such date.
pub(crate) fn day(year: i64, month: i64, date: i64) -> Option<i64> {
    if !((0..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&date)) {
        return None;
    }
    let year_of_march = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year_of_march.div_euclid(400), year_of_march.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + date - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let back = civil(days);
    let same = (back.0, i64::from(back.1), i64::from(back.2)) == (year, month, date);
    same.then_some(days)
}

/// Which of two numbers in front of a year is the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// `31/03/2021`.
    DayFirst,
    /// `03/31/2021`.
    MonthFirst,
}

/// Why a text is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is no date, or none of the calendar.
    NoDate,
    /// Day and month may be either, and nobody said.
    Either,
}

/// The day of a date, counted from 1 January 1970. With points the day is first unless `order` says
/// otherwise; with other marks it is where only one order gives a date, or as `order` says.
///
/// # Errors
/// When it is none, or may be two.
pub(crate) fn read(text: &str, order: Option<Order>) -> Result<i64, Unread> {
    let form = written(text).ok_or(Unread::NoDate)?;
    let text = text.trim();
    let end = text.find(['T', ' ']).filter(|at| *at >= 8).unwrap_or(text.len());
    let text = text.get(..end).unwrap_or(text);
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let number = |text: &str| text.parse::<i64>().ok();
    let of =
        |year: &str, month: &str, date: &str| day(number(year)?, number(month)?, number(date)?);
    let found = match (form, parts.as_slice()) {
        (Written::YearFirst, [year, month, date]) => of(year, month, date),
        (Written::Digits, _) => match (text.get(..4), text.get(4..6), text.get(6..)) {
            (Some(year), Some(month), Some(date)) => of(year, month, date),
            _ => None,
        },
        (Written::MonthNamed, [date, month, year]) => {
            month_of(month).and_then(|m| of(year, m, date))
        }
        (Written::MonthNamed, _) => {
            named(text).and_then(|(date, month, year)| of(year, month, date))
        }
        (Written::YearLast, [one, other, year]) => {
            let (day_first, month_first) = (of(year, other, one), of(year, one, other));
            match (order, day_first, month_first) {
                (Some(Order::DayFirst), found, _) | (Some(Order::MonthFirst), _, found) => found,
                (None, found, _) if text.contains('.') => found,
                (None, Some(one), Some(other)) if one != other => return Err(Unread::Either),
                (None, one, other) => one.or(other),
            }
        }
        _ => None,
    };
    found.ok_or(Unread::NoDate)
}

/// Date, month and year of `1OCT2021`.
fn named(text: &str) -> Option<(&str, &'static str, &str)> {
    let (date, rest) = text.split_at_checked(text.len().checked_sub(7)?)?;
    let (month, year) = rest.split_at_checked(3)?;
    Some((date, month_of(month)?, year))
}

/// The number of a month's name.
fn month_of(name: &str) -> Option<&'static str> {
    const NUMBERS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];
    let at = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    NUMBERS.get(at).copied()
}

/// How a date was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Written {
    /// `2021-03-31`, possibly with a time of day.
    YearFirst,
    /// `31.03.2021`, `31/03/2021` or `03/31/2021`.
    YearLast,
    /// `31-Mar-2021` or `31MAR2021`.
    MonthNamed,
    /// `20210331`.
    Digits,
}

impl Written {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::YearFirst => "written as 2021-03-31",
            Self::YearLast => "written with the year last",
            Self::MonthNamed => "written with the month's name",
            Self::Digits => "written as 20210331",
        }
    }
}

/// Whether a text is a date, and how it is written. Eight digits are one where their year is from 1900
/// to 2099; whoever asks decides whether such a column is meant.
pub(crate) fn written(text: &str) -> Option<Written> {
    let text = text.trim();
    let day = match text.find(['T', ' ']) {
        // A month's name may have a T, too.
        Some(at) if at >= 8 => {
            let time = text.get(at + 1..)?;
            let clock = time.chars().all(|c| c.is_ascii_digit() || ":.+-Z".contains(c));
            clock.then(|| text.get(..at)).flatten()?
        }
        _ => text,
    };
    if day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()) {
        let [year, month, date] = [day.get(..4)?, day.get(4..6)?, day.get(6..)?];
        let century = (1900..2100).contains(&year.parse::<u32>().ok()?);
        return (century && is_month(month) && is_day(date)).then_some(Written::Digits);
    }
    let parts: Vec<&str> = day.split(['-', '/', '.']).collect();
    match parts.as_slice() {
        [year, month, date] if is_year(year) => {
            (is_month(month) && is_day(date)).then_some(Written::YearFirst)
        }
        [one, other, year] if is_year(year) && is_named(other) => {
            is_day(one).then_some(Written::MonthNamed)
        }
        [one, other, year] if is_year(year) => {
            let either = is_day(one) && is_month(other) || is_month(one) && is_day(other);
            either.then_some(Written::YearLast)
        }
        [joined] if joined.is_ascii() && (8..=9).contains(&joined.len()) => {
            let (date, rest) = joined.split_at(joined.len() - 7);
            let (month, year) = rest.split_at(3);
            let is = is_day(date) && is_named(month) && is_year(year);
            is.then_some(Written::MonthNamed)
        }
        _ => None,
    }
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_month(text: &str) -> bool {
    is_up_to(text, 12)
}

fn is_day(text: &str) -> bool {
    is_up_to(text, 31)
}

fn is_up_to(text: &str, most: u8) -> bool {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.parse().is_ok_and(|number: u8| (1..=most).contains(&number))
}

fn is_named(text: &str) -> bool {
    MONTHS.iter().any(|month| month.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(18_717), (2021, 3, 31));
        assert_eq!(civil(-719_468), (0, 3, 1));
        // No day is too far away to be one.
        let _ = (civil(i64::MAX), civil(i64::MIN));
    }

    #[test]
    fn a_date_is_its_day_however_it_is_written() {
        for (text, read_as) in [
            ("2021-03-31", 18_717),
            ("2021-03-31 23:59:59", 18_717),
            ("31.03.2021", 18_717),
            ("3.4.2021", 18_720),
            ("31/03/2021", 18_717),
            ("03/31/2021", 18_717),
            ("4/4/2021", 18_721),
            ("31-Mar-2021", 18_717),
            ("31MAR2021", 18_717),
            ("20210331", 18_717),
            ("29.02.2000", 11_016),
        ] {
            assert_eq!(read(text, None), Ok(read_as), "{text}");
        }
        assert_eq!(read("03/04/2021", None), Err(Unread::Either));
        assert_eq!(read("03/04/2021", Some(Order::DayFirst)), Ok(18_720));
        assert_eq!(read("03/04/2021", Some(Order::MonthFirst)), Ok(18_690));
        for text in ["29.02.2021", "31.03.21", "", "03.31.2021", "soon"] {
            assert_eq!(read(text, None), Err(Unread::NoDate), "{text}");
        }
    }

    #[test]
    fn dates_are_told_from_numbers_and_texts() {
        for (text, as_) in [
            ("2021-03-31", Written::YearFirst),
            ("2021/3/1", Written::YearFirst),
            ("2021-03-31T23:59:59Z", Written::YearFirst),
            ("2021-03-31 00:00:00", Written::YearFirst),
            ("31.03.2021", Written::YearLast),
            ("03/31/2021", Written::YearLast),
            ("31-Mar-2021", Written::MonthNamed),
            ("1OCT2021", Written::MonthNamed),
            ("20210331", Written::Digits),
        ] {
            assert_eq!(written(text), Some(as_), "{text}");
        }
        for text in [
            "",
            "13.3",
            "2021",
            "2021-13-31",
            "32.12.2021",
            "12345678",
            "1-2-3",
            "HbSS",
            "2021-03-31 or so",
            "del(5q)",
            "10.11.12",
            "äöüäöü",
            "31ÄPR2021",
        ] {
            assert_eq!(written(text), None, "{text}");
        }
    }
}
