//! When a hospital answers rounds: days of the week and hours, both in UTC.
//!
//! The time is always given, never read here.

use std::fmt;

use serde::{Deserialize, Serialize};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Days and hours at which rounds are answered, UTC. A window that ends before it begins goes on past
/// midnight, and belongs to the day on which it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Days on which a window begins; every day where absent.
    #[serde(default = "every_day")]
    pub days: Vec<Day>,
    /// The hour at which it begins, 0 to 23.
    #[serde(default)]
    pub from: u8,
    /// The hour before which it ends, 1 to 24.
    #[serde(default = "midnight")]
    pub until: u8,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

const WEEK: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

impl Day {
    /// The weekday of a day that is counted from 1 January 1970, a Thursday.
    fn of(day: u64) -> Self {
        match day % 7 {
            0 => Self::Thu,
            1 => Self::Fri,
            2 => Self::Sat,
            3 => Self::Sun,
            4 => Self::Mon,
            5 => Self::Tue,
            _ => Self::Wed,
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        })
    }
}

fn every_day() -> Vec<Day> {
    WEEK.to_vec()
}

fn midnight() -> u8 {
    24
}

impl Hours {
    /// Whether the hours are some.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { days, from, until } = self;
        if days.is_empty() {
            return Err(
                "`hours.days` is empty: no round would ever be answered; name a day, or leave \
                        `days` out for every day"
                    .into(),
            );
        }
        if *from > 23 {
            return Err(format!("`hours.from` = {from}; must be 0 to 23, in UTC"));
        }
        if !(1..=24).contains(until) {
            return Err(format!("`hours.until` = {until}; must be 1 to 24, in UTC"));
        }
        if from == until {
            return Err(format!(
                "`hours.from` and `hours.until` are both {from}: give two hours, or leave both out for \
                 the whole day"
            ));
        }
        Ok(())
    }

    /// Whether rounds are answered at this moment, in unix milliseconds.
    #[must_use]
    pub fn open_at(&self, now: u64) -> bool {
        let (day, hour) = (now / DAY_MS, now % DAY_MS / HOUR_MS);
        let (from, until) = (u64::from(self.from), u64::from(self.until));
        let on = |day: u64| self.days.contains(&Day::of(day));
        if from < until {
            return on(day) && (from..until).contains(&hour);
        }
        // It began today, or yesterday.
        on(day) && hour >= from || day > 0 && on(day - 1) && hour < until
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<String> = self.days.iter().map(Day::to_string).collect();
        let days = if WEEK.iter().all(|day| self.days.contains(day)) {
            "every day".to_owned()
        } else {
            days.join(", ")
        };
        write!(f, "{days}, {:02}:00 to {:02}:00 UTC", self.from, self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 5 January 2026, 00:00 UTC.
    const MONDAY: u64 = 1_767_571_200_000;

    fn at(day: u64, hour: u64) -> u64 {
        MONDAY + day * DAY_MS + hour * HOUR_MS
    }

    #[test]
    fn working_hours_are_open_on_their_days_alone_and_close_on_the_hour() {
        let days = vec![Day::Mon, Day::Fri];
        let hours = Hours { days, from: 7, until: 19 };
        for (day, hour, open) in [
            (0, 6, false),
            (0, 7, true),
            (0, 18, true),
            (0, 19, false),
            (1, 12, false),
            (4, 12, true),
            (5, 12, false),
            (7, 12, true),
        ] {
            assert_eq!(hours.open_at(at(day, hour)), open, "day {day}, {hour} h");
        }
        assert!(!hours.open_at(at(0, 7) - 1) && hours.open_at(at(0, 19) - 1));
        assert_eq!(hours.to_string(), "mon, fri, 07:00 to 19:00 UTC");
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let hours = Hours { days: vec![Day::Sun], from: 22, until: 5 };
        for (day, hour, open) in [
            (6, 21, false),
            (6, 22, true),
            (7, 4, true),
            (7, 5, false),
            (7, 22, false),
            (6, 4, false),
            (0, 3, true),
        ] {
            assert_eq!(hours.open_at(at(day, hour)), open, "day {day}, {hour} h");
        }
        assert!(!Hours { days: vec![Day::Wed], from: 22, until: 5 }.open_at(0), "the first day");
    }

    #[test]
    fn hours_without_fields_are_all_hours() {
        let hours: Hours = toml::from_str("").unwrap();
        hours.check().unwrap();
        assert!((0..7 * 24).all(|hour| hours.open_at(at(0, hour))));
        assert_eq!(hours.to_string(), "every day, 00:00 to 24:00 UTC");
    }
}
