//! A schema from the data themselves, for analyses on one machine.
//!
//! A study may not do this: ranges and levels would tell of patients (rule S4). Here all rows are
//! in one hand already, and whoever asks is told that the schema was inferred.
//!
//! Numbers become a numeric column with round ends, 0 and 1 a flag, text a category whose levels
//! ascend as R's do, the first being the reference. Columns that the analysis does not name are
//! never read, whatever their headers. What looks like something else than it would be taken for (a
//! decimal comma, a date, a code of a missing value: [`crate::data::look`]) is refused.

use std::collections::BTreeSet;

use haima_fl_core::schema::check_name;

use crate::Error;
use crate::data::guess::{in_order, is_key, number, range, unit};
use crate::data::infer::proper;
use crate::data::look::{odd, quoted, yes_and_no};
use crate::pooled::{Table, told};

/// Values of a number up to which each makes a group.
const MOST_GROUPS: usize = 20;
/// Bins of the public histogram, finer than a study's: quartiles are read off it.
const BINS: u32 = 100;
/// How the names of columns begin that are not read.
const UNREAD: &str = "unread.";

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
    /// Of these, the ones of which a person says so.
    pub(super) told: BTreeSet<String>,
    /// Of these, columns that say whether something happened: 1 or 0.
    pub(super) flags: BTreeSet<String>,
}

/// What an inferred schema calls a column that nobody asks for and that no schema can name: by its
/// place, from 1.
pub(super) fn stand_in(at: usize) -> String {
    format!("{UNREAD}{}", at + 1)
}

/// Whether a name is one of those.
pub(super) fn is_stand_in(name: &str) -> bool {
    name.strip_prefix(UNREAD).is_some_and(|place| place.parse::<usize>().is_ok())
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
    let key = key(table, site, roles);
    let mut schema = toml::Table::new();
    match &key {
        Some(key) => schema.insert("patient".into(), key.clone().into()),
        None => schema.insert("one_row_per_patient".into(), true.into()),
    };
    let (mut columns, mut ignore) = (Vec::new(), Vec::new());
    let mut named: BTreeSet<&str> = site.into_iter().chain(key.as_deref()).collect();
    for (at, header) in table.headers().enumerate() {
        let (name, unit) = told(header);
        if Some(name) == key.as_deref() || site.is_some_and(|site| site == name || site == header) {
            continue;
        }
        if roles.used.contains(name) {
            columns.push(toml::Value::Table(describe(table, (name, unit), roles)?));
            continue;
        }
        // What nobody reads may be called anything.
        let ordinary = check_name(header).is_ok() && !header.starts_with(UNREAD);
        let own = ordinary && named.insert(header);
        ignore.push(toml::Value::from(if own { header.to_owned() } else { stand_in(at) }));
    }
    schema.insert("ignore".into(), ignore.into());
    schema.insert("column".into(), columns.into());
    Ok(schema)
}

/// The column that tells patients apart: one with a usual name and no value twice.
fn key(table: &Table, site: Option<&str>, roles: &Roles) -> Option<String> {
    for name in table.columns() {
        if !is_key(name) || Some(name) == site || roles.used.contains(name) {
            continue;
        }
        // Where two columns are called so, neither tells patients apart.
        let Ok(mut values) = table.column(name) else { continue };
        let mut seen = BTreeSet::new();
        if values.all(|value| !value.is_empty() && seen.insert(value)) {
            return Some(name.to_owned());
        }
    }
    None
}

fn describe(
    table: &Table,
    (name, told_unit): (&str, Option<&str>),
    roles: &Roles,
) -> Result<toml::Table, Error> {
    let fault = |problem: String| Error::data(table.path(), format!("column `{name}` {problem}"));
    if check_name(name).is_err() {
        let problem = format!(
            "line 1: {} is no name that a schema can have; call the column {:?}, as `haima data clean` \
             does",
            quoted(name),
            proper(name)
        );
        return Err(Error::data(table.path(), problem));
    }
    let texts: Vec<&str> = table.column(name)?.collect();
    let known: Vec<&str> = texts.iter().copied().filter(|text| !text.is_empty()).collect();
    let numbers: Vec<f64> = known.iter().filter_map(|text| number(text)).collect();
    let mut column = toml::Table::new();
    column.insert("name".into(), name.into());
    column.insert("missing".into(), (known.len() < table.len()).into());
    if known.is_empty() {
        return Err(fault("has no value; leave it out".into()));
    }
    if !roles.told.contains(name) {
        plain(table, name, &texts, roles)?;
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
        if let Some(unit) = told_unit.or_else(|| unit(name)) {
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

/// Refuses what would be taken for something else, with file, line and what to do.
fn plain(table: &Table, name: &str, texts: &[&str], roles: &Roles) -> Result<(), Error> {
    let fault = |row: usize, problem: String| {
        let (file, line) = table.place(row);
        Error::data(file, format!("line {line}, column `{name}`: {problem}"))
    };
    if let Some(odd) = odd(name, texts).into_iter().next() {
        let problem = format!(
            "{}. If the values are meant so, describe the column in a --schema (`haima data infer` \
             drafts one)",
            odd.says(name)
        );
        return Err(fault(odd.row, problem));
    }
    let first = |is: &dyn Fn(&str) -> bool| texts.iter().position(|text| is(text));
    if roles.times.contains(name)
        && let Some(row) = first(&|text| number(text).is_some_and(|time| time < 0.0))
    {
        let text = texts.get(row).copied().unwrap_or_default();
        let problem = format!("{} is a time below 0; correct it, or empty the field", quoted(text));
        return Err(fault(row, problem));
    }
    let is_flag = |text: &str| {
        text.is_empty() || number(text).is_some_and(|value| value == 0.0 || value == 1.0)
    };
    if roles.flags.contains(name)
        && let Some(row) = first(&|text| !is_flag(text))
    {
        let values: BTreeSet<&str> =
            texts.iter().copied().filter(|text| !text.is_empty()).collect();
        return Err(fault(row, no_flag(table, name, texts, &values)));
    }
    Ok(())
}

/// What a column has that should say whether something happened, and what to do.
fn no_flag(table: &Table, name: &str, texts: &[&str], values: &BTreeSet<&str>) -> String {
    const SHOWN: usize = 3;
    let line = |value: &str| {
        let row = texts.iter().position(|text| *text == value).unwrap_or_default();
        table.place(row).1
    };
    let shown = values.iter().take(SHOWN).map(|v| format!("{} (line {})", quoted(v), line(v)));
    let shown = shown.collect::<Vec<_>>().join(" and ");
    let more = if values.len() > SHOWN { " and more" } else { "" };
    let option = match (yes_and_no(values), values.len()) {
        (Some((yes, no)), _) => format!("{yes}/{no}"),
        (None, 2) => {
            let pair: Vec<&str> = values.iter().copied().collect();
            format!("{}, the value of the event first", pair.join("/"))
        }
        (None, _) => "YES/NO".to_owned(),
    };
    let option = option.escape_debug().to_string();
    format!(
        "has {shown}{more}, and has to be 1 where it happened and 0 where not; `haima data clean` \
         writes it so: --flag {name}={option}"
    )
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
