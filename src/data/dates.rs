//! Days of the civil calendar: as text, and whether a text is one.
#![cfg_attr(not(feature = "cli"), allow(dead_code, reason = "drafts of schemas ask for the rest"))]

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
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
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
