//! A schema from the data themselves, for analyses on one machine.
//!
//! A study may not do this: ranges and levels would tell of patients (rule S4). Here all rows are
//! in one hand already, and whoever asks is told that the schema was inferred.
//!
//! Numbers become a numeric column with round ends, 0 and 1 a flag, text a category whose levels
//! ascend as R's do, the first being the reference. Columns that the analysis does not name are
//! never read.

use std::collections::BTreeSet;

use crate::Error;
use crate::data::guess::{KEYS, in_order, number, range, unit};
use crate::pooled::Table;

/// Values of a number up to which each makes a group.
const MOST_GROUPS: usize = 20;
/// Bins of the public histogram, finer than a study's: quartiles are read off it.
const BINS: u32 = 100;

/// What an analysis needs of the columns that it names.
#[derive(Debug, Default)]
pub(super) struct Roles {
    /// Columns that are read.
    pub(super) used: BTreeSet<String>,
    /// Of these, columns of times: their range starts at 0.
    pub(super) times: BTreeSet<String>,
    /// Of these, columns whose values are levels also where they are numbers, but for flags.
    pub(super) groups: BTreeSet<String>,
    /// Of these, columns whose values are levels whatever they are.
    pub(super) levels: BTreeSet<String>,
}

/// A schema of the columns that are used; `site` is left out.
///
/// # Errors
/// When a column cannot be described, with what to do.
pub(super) fn schema(
    table: &Table,
    site: Option<&str>,
    roles: &Roles,
) -> Result<toml::Table, Error> {
    let key = key(table, site, roles)?;
    let mut schema = toml::Table::new();
    match &key {
        Some(key) => schema.insert("patient".into(), key.clone().into()),
        None => schema.insert("one_row_per_patient".into(), true.into()),
    };
    let (mut columns, mut ignore) = (Vec::new(), Vec::new());
    for name in table.columns().filter(|name| Some(*name) != site && Some(*name) != key.as_deref())
    {
        if roles.used.contains(name) {
            columns.push(toml::Value::Table(describe(table, name, roles)?));
        } else {
            ignore.push(toml::Value::from(name));
        }
    }
    schema.insert("ignore".into(), ignore.into());
    schema.insert("column".into(), columns.into());
    Ok(schema)
}

/// The column that tells patients apart: one with a usual name and no value twice.
fn key(table: &Table, site: Option<&str>, roles: &Roles) -> Result<Option<String>, Error> {
    for name in table.columns() {
        let usual = KEYS.contains(&name.to_lowercase().as_str());
        if !usual || Some(name) == site || roles.used.contains(name) {
            continue;
        }
        let mut seen = BTreeSet::new();
        if table.column(name)?.all(|value| !value.is_empty() && seen.insert(value)) {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

fn describe(table: &Table, name: &str, roles: &Roles) -> Result<toml::Table, Error> {
    let fault = |problem: String| Error::data(table.path(), format!("column `{name}` {problem}"));
    let known: Vec<&str> = table.column(name)?.filter(|text| !text.is_empty()).collect();
    let numbers: Vec<f64> = known.iter().filter_map(|text| number(text)).collect();
    let mut column = toml::Table::new();
    column.insert("name".into(), name.into());
    column.insert("missing".into(), (known.len() < table.len()).into());
    if known.is_empty() {
        return Err(fault("has no value; leave it out".into()));
    }
    let forced = roles.levels.contains(name);
    let only = |flags: &[f64]| flags.iter().all(|x| *x == 0.0 || *x == 1.0);
    let flags = numbers.len() == known.len() && only(&numbers) && !forced;
    // A few texts among numbers are faults, which intake names with their line.
    let numeric = 2 * numbers.len() > known.len() && !forced && !roles.groups.contains(name);
    if flags {
        column.insert("kind".into(), "flag".into());
    } else if numeric {
        let (low, high) = range(&numbers, roles.times.contains(name));
        let edge = |k: u32| low + (high - low) * (f64::from(k) / f64::from(BINS));
        let bins: Vec<f64> = (0..BINS).map(edge).chain([high]).collect();
        column.insert("kind".into(), "numeric".into());
        column.insert("range".into(), vec![low, high].into());
        column.insert("bins".into(), bins.into());
        if let Some(unit) = unit(name) {
            column.insert("unit".into(), unit.into());
        }
    } else {
        let distinct: BTreeSet<&str> = known.into_iter().collect();
        let mut levels: Vec<&str> = distinct.into_iter().collect();
        // Of how follow-up ended, censored is what the first level means.
        in_order(&mut levels);
        if levels.len() > MOST_GROUPS && levels.iter().all(|level| number(level).is_some()) {
            let groups = levels.len();
            return Err(fault(format!("has {groups} values; cut it into a few groups first")));
        }
        if let [only] = levels.as_slice() {
            return Err(fault(format!("has the one value `{only}`; leave it out")));
        }
        column.insert("kind".into(), "category".into());
        column.insert("levels".into(), levels.into());
    }
    Ok(column)
}

/// The coarsest power of ten, at most 1, of which all times are multiples; `None` below 0.001.
pub(super) fn exact_grid<'a>(times: impl Iterator<Item = &'a str>) -> Option<f64> {
    let times: Vec<f64> = times.filter_map(number).collect();
    (0..=3).map(|digits| 10_f64.powi(digits)).find_map(|scale| {
        let whole = |time: &f64| (time * scale - (time * scale).round()).abs() < 1e-6;
        times.iter().all(whole).then_some(1.0 / scale)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_grid_is_as_fine_as_the_times() {
        assert_eq!(exact_grid(["1", "250", "3.0", ""].into_iter()), Some(1.0));
        assert_eq!(exact_grid(["1", "2.5"].into_iter()), Some(0.1));
        assert_eq!(exact_grid(["0.0001"].into_iter()), None);
    }
}
