//! Measurements: numbers in the column's unit, classes by its levels.

use super::level;
use crate::convert::fault::{At, Fault, quoted};
use crate::convert::mapping::{Assay, Column, Kind, Limits, OfAssay, Pick};
use crate::convert::record::{Measurement, Quantity, Reading, Record};
use crate::convert::time::{Span, between};

pub(super) fn cell(
    column: &Column,
    assay: &Assay,
    record: &Record,
) -> Result<Option<String>, Fault> {
    let meant = record.measurements.iter().filter(|own| assay.codes.meet(&own.codes));
    if column.kind != Kind::Numeric {
        let mut found = Vec::new();
        for own in meant {
            found.extend(class(column, assay, own)?.map(|level| (own, level)));
        }
        return chosen(column, assay.pick, &found, record);
    }
    let mut found = Vec::new();
    for own in meant {
        found.extend(number(column, assay, own)?.map(|number| (own, number)));
    }
    let numbers = found.iter().map(|(_, number)| *number);
    let number = match assay.pick {
        Pick::Lowest => numbers.min_by(f64::total_cmp),
        Pick::Highest => numbers.max_by(f64::total_cmp),
        pick => chosen(column, pick, &found, record)?,
    };
    Ok(number.map(|number| number.to_string()))
}

/// One of several measurements, by when they were taken.
fn chosen<T: Clone>(
    column: &Column,
    pick: Pick,
    found: &[(&Measurement, T)],
    record: &Record,
) -> Result<Option<T>, Fault> {
    let Some(((first, value), others)) = found.split_first() else { return Ok(None) };
    let Some((second, _)) = others.first() else { return Ok(Some(value.clone())) };
    if pick == Pick::Only {
        return Err(second.at.fault(format!(
            "is one more measurement for column `{}` beside {}; say which counts by `pick = \
             \"first\"` or \"last\" (or, of numbers, \"lowest\" or \"highest\")",
            column.name, first.at.place
        )));
    }
    let mut best: Option<(f64, &T)> = None;
    for (own, value) in found {
        let times = first.when.as_ref().zip(own.when.as_ref());
        let day = times.and_then(|(a, b)| between(&a.when, &b.when, record.birth));
        let day = day.map(Span::middle).ok_or_else(|| {
            own.at.fault(format!(
                "was taken at no time that can be held against that of {}, and column `{}` takes the \
                 first or the last; give each its time, or name another `pick`",
                first.at.place, column.name
            ))
        })?;
        let better = best.is_none_or(|(so_far, _)| match pick {
            Pick::Last => day >= so_far,
            _ => day < so_far,
        });
        if better {
            best = Some((day, value));
        }
    }
    Ok(best.map(|(_, value)| value.clone()))
}

/// A number in the column's unit; `None` where it counts as missing.
fn number(column: &Column, assay: &Assay, own: &Measurement) -> Result<Option<f64>, Fault> {
    let Reading::Quantity(quantity) = &own.reading else {
        return Err(own.at.fault(format!(
            "is a class, and column `{}` takes numbers; make it a category with `levels`",
            column.name
        )));
    };
    if let Some(comparator) = &quantity.comparator {
        match assay.limits {
            Limits::Take => {}
            Limits::Missing => return Ok(None),
            Limits::Refuse => {
                return Err(own.at.fault(format!(
                    "is given as {} {}, a limit; say in `from` of column `{}` what such a one is: \
                     `limits = \"take\"` (the limit itself) or \"missing\"",
                    quoted(comparator),
                    quantity.value,
                    column.name
                )));
            }
        }
    }
    let factor = factor(assay, quantity).ok_or_else(|| {
        let unit = quantity.unit.first().map_or("", String::as_str);
        own.at.fault(match unit {
            "" => format!("has no unit; column `{}` takes {}", column.name, quoted(&assay.unit)),
            _ => format!(
                "is in {}, and column `{}` is in {}; add the factor to its `accepts`, as in \
                 `accepts = {{ \"g/L\" = 0.1 }}`",
                quoted(unit),
                column.name,
                quoted(&assay.unit)
            ),
        })
    })?;
    Ok(Some(match factor.total_cmp(&1.0).is_eq() {
        true => quantity.value,
        false => tidy(quantity.value * factor),
    }))
}

fn factor(assay: &Assay, quantity: &Quantity) -> Option<f64> {
    quantity.unit.iter().find_map(|spelling| match *spelling == assay.unit {
        true => Some(1.0),
        false => assay.accepts.get(spelling).copied(),
    })
}

/// Without the last digits, which a product gets from binary fractions: 0.3 and not
/// 0.30000000000000004.
fn tidy(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

/// A level; `None` where the measurement has nothing to say.
fn class(column: &Column, assay: &Assay, own: &Measurement) -> Result<Option<String>, Fault> {
    let found = match (assay.take, &own.reading) {
        (OfAssay::Value, Reading::Class(codes)) => level(column, codes, &own.at)?,
        (OfAssay::Value, Reading::Quantity(_)) => {
            return Err(own.at.fault(format!(
                "is a number, and column `{}` takes classes; make it numeric with a `unit`, or say \
                 `take = \"reference\"` in `from` for LOW, NORMAL and HIGH",
                column.name
            )));
        }
        (OfAssay::Reference, Reading::Quantity(quantity)) => match reference(quantity, &own.at)? {
            Some(word) => level(column, &[word.to_owned()], &own.at)?,
            None => None,
        },
        (OfAssay::Reference, Reading::Class(_)) => None,
    };
    Ok(found.filter(|level| !level.is_empty()))
}

/// Where a number stands to its own reference range.
fn reference(quantity: &Quantity, at: &At) -> Result<Option<&'static str>, Fault> {
    let Some(range) = quantity.range.as_ref().filter(|_| quantity.comparator.is_none()) else {
        return Ok(None);
    };
    let same = range.unit.is_empty() || range.unit.iter().any(|own| quantity.unit.contains(own));
    if !same {
        return Err(at.fault("its reference range has another unit; give both the same"));
    }
    Ok(match (range.low, range.high) {
        (Some(low), _) if quantity.value < low => Some("LOW"),
        (_, Some(high)) if quantity.value > high => Some("HIGH"),
        (None, None) => None,
        _ => Some("NORMAL"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_leaves_no_dust() {
        assert_eq!(tidy(3.0 * 0.1).to_string(), "0.3");
        assert_eq!(tidy(1e-9 * 7.0).to_string(), "0.000000007");
        assert_eq!(tidy(0.0), 0.0);
    }
}
