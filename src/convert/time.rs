//! Points in time as packets and bundles write them, and the days between two of them. Only such days
//! come into a table: a date says who someone is, an interval says what happened to them.
//!
//! An age is an ISO 8601 duration, reckoned with years of 365.25 days and months of a twelfth of
//! that. A date is the day that stands there, whatever its time of day and zone. A year or a month
//! alone is a span of days.

/// Days of a year.
pub(crate) const YEAR: f64 = 365.25;
/// Days of a month.
pub(crate) const MONTH: f64 = YEAR / 12.0;
/// Longest age, in days: beyond it a duration is an error of writing.
const LONGEST: f64 = 200.0 * YEAR;

/// From the earliest to the latest that something may be, in days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Span {
    pub(crate) fn at(day: f64) -> Self {
        Self { low: day, high: day }
    }

    /// `None` where the ends are turned around.
    pub(crate) fn new(low: f64, high: f64) -> Option<Self> {
        (low <= high).then_some(Self { low, high })
    }

    fn minus(self, other: Self) -> Self {
        Self { low: self.low - other.high, high: self.high - other.low }
    }

    fn plus(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }

    pub(crate) fn middle(self) -> f64 {
        f64::midpoint(self.low, self.high)
    }

    /// The day, where it is one; the middle of more than one where that is wanted.
    pub(crate) fn day(self, or_middle: bool) -> Option<f64> {
        (or_middle || self.low.total_cmp(&self.high).is_eq()).then(|| self.middle())
    }
}

/// A point in time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum When {
    /// Days after birth.
    Age(Span),
    /// Days after 1 January 1970.
    Date(Span),
    /// A class of an ontology, such as HP:0003577, congenital onset.
    Class(String),
}

/// Birth, as an age.
pub(crate) static BIRTH: When = When::Age(Span { low: 0.0, high: 0.0 });

/// Days from one point to another. `None` where an age stands against a date and the date of birth is
/// not known, and for classes.
pub(crate) fn between(start: &When, end: &When, birth: Option<Span>) -> Option<Span> {
    let on_calendar = |when: &When| match when {
        When::Date(span) => Some(*span),
        When::Age(span) => Some(birth?.plus(*span)),
        When::Class(_) => None,
    };
    match (start, end) {
        (When::Age(start), When::Age(end)) => Some(end.minus(*start)),
        _ => Some(on_calendar(end)?.minus(on_calendar(start)?)),
    }
}

/// Days of an ISO 8601 duration such as `P61Y6M`, `P1Y2M3D`, `P3W` or `PT12H`.
pub(crate) fn duration(text: &str) -> Option<f64> {
    const DATES: [(char, f64); 4] = [('Y', YEAR), ('M', MONTH), ('W', 7.0), ('D', 1.0)];
    const TIMES: [(char, f64); 3] = [('H', 1.0 / 24.0), ('M', 1.0 / 1440.0), ('S', 1.0 / 86_400.0)];
    let rest = text.strip_prefix('P')?;
    let (dates, times) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((dates, times)) => (dates, times),
        None if rest.is_empty() => return None,
        None => (rest, ""),
    };
    let days = sum(dates, &DATES)? + sum(times, &TIMES)?;
    (days <= LONGEST).then_some(days)
}

/// Numbers with letters behind them, each letter once and in order.
fn sum(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut days = 0.0;
    let mut units = units.iter();
    while !text.is_empty() {
        let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',')))?;
        let (number, rest) = text.split_at(end);
        let letter = rest.chars().next()?;
        let (_, length) = units.find(|(own, _)| *own == letter)?;
        days += number.replace(',', ".").parse::<f64>().ok()? * length;
        text = rest.get(letter.len_utf8()..)?;
    }
    Some(days)
}

/// Days of a date after 1 January 1970: `2021`, `2021-05` and `2021-05-02`, the last also with a time
/// of day behind it (RFC 3339).
pub(crate) fn date(text: &str) -> Option<Span> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    if time.is_some_and(|time| !time.starts_with(|c: char| c.is_ascii_digit())) {
        return None;
    }
    let parts: Vec<&str> = date.split('-').collect();
    match (parts.as_slice(), time) {
        ([year], None) => {
            let year = digits(year, 4)?;
            Span::new(days(year, 1, 1) as f64, days(year, 12, 31) as f64)
        }
        ([year, month], None) => {
            let (year, month) = (digits(year, 4)?, digits(month, 2)?);
            let last = last_day(year, month)?;
            Span::new(days(year, month, 1) as f64, days(year, month, last) as f64)
        }
        ([year, month, day], _) => {
            let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
            let is_one = (1..=last_day(year, month)?).contains(&day);
            is_one.then(|| Span::at(days(year, month, day) as f64))
        }
        _ => None,
    }
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let proper = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    proper.then(|| text.parse().ok()).flatten()
}

/// The last day of a month.
fn last_day(year: i64, month: i64) -> Option<i64> {
    match month {
        1..=11 => Some(days(year, month + 1, 1) - days(year, month, 1)),
        12 => Some(31),
        _ => None,
    }
}

/// Days after 1 January 1970, by the days-from-civil algorithm of Howard Hinnant ("chrono-Compatible
/// Low-Level Date Algorithms"), years counted from March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_standard_writes_them() {
        for (text, expected) in [
            ("P61Y", 61.0 * YEAR),
            ("P61Y6M", 61.5 * YEAR),
            ("P1Y2M3D", YEAR + 2.0 * MONTH + 3.0),
            ("P3W", 21.0),
            ("P0D", 0.0),
            ("P2,5D", 2.5),
            ("PT12H", 0.5),
            ("P1DT12H", 1.5),
        ] {
            assert_eq!(duration(text), Some(expected), "{text}");
        }
        for text in
            ["", "P", "61Y", "P61", "PT", "P1DT", "P6M1Y", "P1Y1Y", "P-1Y", "P1.2.3D", "P1é"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration("P900Y"), None);
        assert_eq!(duration(&format!("P{}Y", "9".repeat(400))), None);
    }

    #[test]
    fn a_date_is_the_day_that_stands_there() {
        let day = |text: &str| date(text).map(|span| (span.low, span.high));
        assert_eq!(day("1970-01-01"), Some((0.0, 0.0)));
        assert_eq!(day("2000-02-29T23:59:59.5-05:00"), Some((11_016.0, 11_016.0)));
        assert_eq!(day("1969-12-31"), Some((-1.0, -1.0)));
        assert_eq!(day("2021-02"), Some((18_659.0, 18_686.0)));
        assert_eq!(day("1970"), Some((0.0, 364.0)));
        for text in
            ["", "2021-2-3", "2021-02-29", "2021-13-01", "2021-00", "21", "2021T10", "2021-01-01T"]
        {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn an_age_meets_a_date_where_the_birth_is_known() {
        let age = When::Age(Span::at(10.0));
        let day = When::Date(Span::at(115.0));
        assert_eq!(between(&BIRTH, &age, None), Some(Span::at(10.0)));
        assert_eq!(between(&age, &day, None), None);
        assert_eq!(between(&age, &day, Some(Span::at(100.0))), Some(Span::at(5.0)));
        let year = between(&BIRTH, &day, Span::new(0.0, 100.0)).unwrap();
        assert_eq!((year.day(false), year.day(true)), (None, Some(65.0)));
        assert_eq!(between(&When::Class("HP:0003577".into()), &day, None), None);
    }
}
