//! Ages, survival and intervals: days between two points of a patient's time.
//!
//! An age in years has two decimals and one in months has one, coarser than a day, so that it comes
//! back the same when it is written as years, months and days.

use super::level;
use crate::convert::fault::{At, Fault};
use crate::convert::mapping::{Codes, Column, Kind, Length, Mapping, Point, Since};
use crate::convert::record::{Finding, Record, Timed};
use crate::convert::time::{BIRTH, MONTH, When, YEAR, between};

pub(super) fn age(
    column: &Column,
    mapping: &Mapping,
    record: &Record,
    at: &Point,
    unit: Length,
) -> Result<Option<String>, Fault> {
    let Some((when, at)) = find(at, record) else { return Ok(None) };
    if column.kind == Kind::Category {
        return match when {
            When::Class(code) => level(column, std::slice::from_ref(code), at),
            When::Age(_) | When::Date(_) => Ok(None),
        };
    }
    let days = between(&BIRTH, when, record.birth).and_then(|span| span.day(mapping.middle));
    match days {
        Some(days) if days < 0.0 => Err(at.fault("is before birth; correct one of the two")),
        days => Ok(days.map(|days| text(days, unit))),
    }
}

pub(super) fn survival(
    mapping: &Mapping,
    record: &Record,
    since: &Since,
) -> Result<Option<String>, Fault> {
    let start = match since {
        Since::Diagnosis => {
            return Ok(record.vital.survival_days.map(|days| text(days, Length::Days)));
        }
        Since::Point(point) => find(point, record),
    };
    // Whoever is not said to have died was seen for the last time then.
    let end = match record.vital.dead {
        Some(true) => &record.vital.death,
        Some(false) | None => &record.last,
    };
    let (Some((start, _)), Some(end)) = (start, end) else { return Ok(None) };
    let days = between(start, &end.when, record.birth).and_then(|span| span.day(mapping.middle));
    match days {
        Some(days) if days < 0.0 => {
            Err(end.at.fault("is before survival begins; correct one of the two"))
        }
        days => Ok(days.map(|days| text(days, Length::Days))),
    }
}

pub(super) fn interval(
    mapping: &Mapping,
    record: &Record,
    start: &Point,
    end: &Point,
    unit: Length,
) -> Option<String> {
    let ((start, _), (end, _)) = (find(start, record)?, find(end, record)?);
    let days = between(start, end, record.birth)?.day(mapping.middle)?;
    Some(text(days, unit))
}

/// Days in a unit, as a cell has them.
fn text(days: f64, unit: Length) -> String {
    let rounded = match unit {
        Length::Years => (days / YEAR * 100.0).round() / 100.0,
        Length::Months => (days / MONTH * 10.0).round() / 10.0,
        Length::Days => days.round(),
    };
    // 0 and not -0.
    (rounded + 0.0).to_string()
}

fn find<'a>(point: &Point, record: &'a Record) -> Option<(&'a When, &'a At)> {
    let of = |codes: &Codes, findings: &'a [Finding]| {
        let meant = findings.iter().filter(|own| !own.excluded && codes.meet(&own.codes));
        earliest(meant.filter_map(|own| own.when.as_ref()), record)
    };
    let found = match point {
        Point::Birth => return Some((&BIRTH, &record.at)),
        Point::LastEncounter => record.last.as_ref(),
        Point::Death => record.vital.death.as_ref(),
        Point::Feature(codes) => of(codes, &record.features),
        Point::Disease(codes) => of(codes, &record.diseases),
        Point::Action(codes) => of(codes, &record.actions),
        Point::Measurement(codes) => {
            let meant = record.measurements.iter().filter(|own| codes.meet(&own.codes));
            earliest(meant.filter_map(|own| own.when.as_ref()), record)
        }
    };
    found.map(|own| (&own.when, &own.at))
}

/// The earliest of several; one that is no day gives way to one that is.
fn earliest<'a>(times: impl Iterator<Item = &'a Timed>, record: &Record) -> Option<&'a Timed> {
    let mut best: Option<&Timed> = None;
    for own in times {
        let earlier = best.is_none_or(|best| match (&best.when, &own.when) {
            (When::Class(_), other) => !matches!(other, When::Class(_)),
            (best, own) => between(best, own, record.birth).is_some_and(|span| span.middle() < 0.0),
        });
        if earlier {
            best = Some(own);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_coarser_than_a_day() {
        assert_eq!(text(61.5 * YEAR, Length::Years), "61.5");
        assert_eq!(text(4.0 * MONTH, Length::Years), "0.33");
        assert_eq!(text(-0.001, Length::Years), "0");
        assert_eq!(text(14.0 * MONTH + 10.0, Length::Months), "14.3");
        assert_eq!(text(300.4, Length::Days), "300");
    }
}
