//! A domain from the parameters of `synthesize` and the schema.
//!
//! | key | meaning | without it |
//! |---|---|---|
//! | `columns` | names, or beginnings of names as `gene_*` | all columns of the schema |
//! | `bins` | `{ age = 12, wbc = [4, 10, 50] }`: so many equal bins, or edges within the public range | the schema's bins, of which neighbours are joined down to 24 |
//! | `survival` | `[{ time, event, cuts }]`: times to event; `cuts` as `bins` | none; 10 equal bins |
//! | `ordered` | categories of which only neighbours may be merged | none |
//! | `impossible` | `[[{ sex = "M" }, { pregnant = 1 }]]`: values that never occur together | none |
//! | `decimals` | `{ wbc = 1, age = 0 }` of decoded numbers | below |
//! | `cohort` | of whom the patients are ([`crate::selection`]); virtual ones keep to it | all |
//!
//! Decimals without the key: as many as the public range and the named edges are written with, and so
//! many more, if need be, that the range has 100 numbers and no bin is empty. So an age of 0 to 110 is
//! whole, a haemoglobin of 3 to 22 has one decimal.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::decode::{Grid, shown};
use super::{
    Attribute, Domain, Impossible, KEYS, Kind, MOST_DECIMALS, MOST_IMPOSSIBLE, TASK, fault,
};
use crate::error::Error;
use crate::schema::{self, Schema};
use crate::selection::{self, Selection};
use crate::synth::condition::Kept;
use crate::tasks::layout::params;

/// Keys of the task beside [`KEYS`]: those of every method, those of tables, and those of a network.
const OF_ALL: [&str; 4] = ["method", "release", "holdout", "seed"];
const OF_TABLES: [&str; 4] = ["rounds", "degree", "focus", "model_cells"];
const OF_NETWORK: [&str; 2] = ["network", "training"];
/// The method that is a network.
const NETWORK: &str = "vae";

/// Bins of a number without `bins`, at most.
const DEFAULT_BINS: usize = 24;
/// Bins of a time to event without `cuts`.
const DEFAULT_CUTS: u32 = 10;
/// Bins that a number may have.
const MOST_BINS: u32 = 512;
/// Numbers that a range has at least, where decimals are not named.
const LEAST_NUMBERS: f64 = 100.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    columns: Option<Vec<String>>,
    #[serde(default)]
    bins: BTreeMap<String, Cuts>,
    #[serde(default)]
    survival: Vec<Times>,
    #[serde(default)]
    ordered: Vec<String>,
    #[serde(default)]
    impossible: Vec<Vec<toml::Table>>,
    #[serde(default)]
    decimals: BTreeMap<String, u8>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number of bins, or a list of edges")]
enum Cuts {
    Equal(u32),
    At(Vec<f64>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    time: String,
    event: String,
    cuts: Option<Cuts>,
}

/// Refuses a key that the task's method does not have.
///
/// # Errors
/// [`Error::Params`] with the key and all that there are, or the methods that it belongs to.
pub fn check_keys(table: &toml::Table) -> Result<(), Error> {
    let method = table.get("method").and_then(toml::Value::as_str);
    let (own, others, belongs): (&[&str], &[&str], _) = match method {
        Some(NETWORK) => (&OF_NETWORK, &OF_TABLES, "\"aim\" and \"mst\""),
        _ => (&OF_TABLES, &OF_NETWORK, "\"vae\""),
    };
    let known: Vec<&str> = OF_ALL.iter().chain(own).chain(&KEYS).copied().collect();
    let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) else {
        return Ok(());
    };
    if others.contains(&key.as_str()) {
        let here: String = method.unwrap_or("aim").escape_debug().take(32).collect();
        return Err(fault(format!(
            "`{key}` belongs to method = {belongs}, and the method here is \"{here}\""
        )));
    }
    let key: String = key.escape_debug().take(64).collect();
    Err(fault(format!("there is no parameter `{key}`; there are {}", known.join(", "))))
}

impl Domain {
    /// Reads the keys [`KEYS`] of the task's parameters, and nothing else of them.
    ///
    /// # Errors
    /// [`Error::Params`] with key, column and limit, or [`Error::UnknownColumn`].
    pub fn of_params(params: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let is_raw = |key: &str| KEYS.contains(&key) && key != selection::KEY;
        let own = params.iter().filter(|(key, _)| is_raw(key));
        let own: toml::Table = own.map(|(key, value)| (key.clone(), value.clone())).collect();
        let raw: Raw = self::params(TASK, &own)?;
        let of_times = roles(&raw, schema)?;
        let named = columns(raw.columns.as_deref(), schema)?;
        let mut attributes = Vec::new();
        for name in named.iter().filter(|name| !of_times.contains(name.as_str())) {
            attributes.push(column(name, &raw, schema)?);
        }
        for times in &raw.survival {
            attributes.push(survival(times, &raw, schema)?);
        }
        check_roles(&raw, &attributes)?;
        let mut domain = Self { attributes, impossible: Vec::new(), cohort: Kept::default() };
        domain.check()?;
        domain.impossible = impossible(&domain, &raw.impossible)?;
        let cohort = Selection::of_params(params, schema)?;
        domain.cohort = Kept::of(&cohort, &domain.header(), schema)?;
        domain.check()?;
        Ok(domain)
    }
}

/// Columns of times and events, each in one role.
fn roles(raw: &Raw, schema: &Schema) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for Times { time, event, .. } in &raw.survival {
        for name in [time, event] {
            schema.column(name)?;
            if !found.insert(name.clone()) {
                let reason = format!("`survival` names `{name}` twice; a column has one role");
                return Err(fault(reason));
            }
        }
    }
    Ok(found)
}

/// The columns that are named, in that order and each once.
fn columns(named: Option<&[String]>, schema: &Schema) -> Result<Vec<String>, Error> {
    let all = || schema.columns.iter().map(|column| &column.name);
    let Some(named) = named else { return Ok(all().cloned().collect()) };
    let mut found: Vec<String> = Vec::new();
    for name in named {
        let before = found.len();
        let Some(prefix) = name.strip_suffix('*') else {
            schema.column(name)?;
            if !found.contains(name) {
                found.push(name.clone());
            }
            continue;
        };
        let mut any = false;
        for column in all().filter(|column| column.starts_with(prefix)) {
            any = true;
            if !found.get(..before).is_some_and(|earlier| earlier.contains(column)) {
                found.push(column.clone());
            }
        }
        if !any {
            let known: Vec<&str> = all().map(String::as_str).collect();
            return Err(fault(format!(
                "`columns`: no column begins with `{prefix}`; the schema has {}",
                known.join(", ")
            )));
        }
    }
    match found.is_empty() {
        true => Err(fault("`columns` is empty; name at least one")),
        false => Ok(found),
    }
}

fn column(name: &str, raw: &Raw, schema: &Schema) -> Result<Attribute, Error> {
    let column = schema.column(name)?;
    let ordered = raw.ordered.iter().any(|own| own == name);
    let kind = match &column.kind {
        schema::Kind::Numeric { range, bins, .. } => {
            let cuts = raw.bins.get(name);
            let edges = match cuts {
                Some(cuts) => edges(name, "bins", *range, cuts)?,
                None => joined(bins),
            };
            let decimals = decimals(name, *range, cuts, &edges, raw);
            Kind::Number { edges, decimals }
        }
        schema::Kind::Flag => {
            Kind::Levels { levels: vec!["0".into(), "1".into()], flag: true, ordered }
        }
        schema::Kind::Category { levels } => {
            Kind::Levels { levels: levels.clone(), flag: false, ordered }
        }
    };
    Ok(Attribute { name: name.to_owned(), kind, missing: column.missing })
}

fn survival(times: &Times, raw: &Raw, schema: &Schema) -> Result<Attribute, Error> {
    let Times { time, event, cuts } = times;
    let (of_time, of_event) = (schema.column(time)?, schema.column(event)?);
    let schema::Kind::Numeric { range, .. } = &of_time.kind else {
        return Err(fault(format!("`survival`: the time `{time}` is no number")));
    };
    let Some(events) = of_event.levels() else {
        let reason =
            format!("`survival`: the event `{event}` is a number, not a flag or a category");
        return Err(fault(reason));
    };
    let equal = Cuts::Equal(DEFAULT_CUTS);
    let edges = edges(time, "cuts", *range, cuts.as_ref().unwrap_or(&equal))?;
    let decimals = decimals(time, *range, cuts.as_ref(), &edges, raw);
    Ok(Attribute {
        name: format!("{time} x {event}"),
        kind: Kind::Survival { time: time.clone(), event: event.clone(), edges, events, decimals },
        missing: of_time.missing || of_event.missing,
    })
}

/// Edges from one end of the public range to the other.
fn edges(name: &str, key: &str, range: (f64, f64), cuts: &Cuts) -> Result<Vec<f64>, Error> {
    let (low, high) = range;
    match cuts {
        Cuts::Equal(bins @ 1..=MOST_BINS) => {
            // Multiplied first: edges between whole numbers then are whole where they should be.
            let edge = |k: u32| low + (high - low) * f64::from(k) / f64::from(*bins);
            Ok((0..*bins).map(edge).chain([high]).collect())
        }
        Cuts::Equal(bins) => {
            Err(fault(format!("`{key}` of `{name}`: {bins} bins; give 1 to {MOST_BINS}")))
        }
        Cuts::At(own) => {
            let outside = own.iter().find(|edge| !(low..=high).contains(*edge));
            if let Some(edge) = outside {
                return Err(fault(format!(
                    "`{key}` of `{name}`: {edge} lies outside the public range from {low} to {high}"
                )));
            }
            if !own.windows(2).all(|pair| matches!(pair, [a, b] if a < b)) {
                return Err(fault(format!("`{key}` of `{name}`: the edges must ascend")));
            }
            // The ends of the range need not be said.
            let inner = own.iter().copied().filter(|edge| low < *edge && *edge < high);
            let edges: Vec<f64> = [low].into_iter().chain(inner).chain([high]).collect();
            match edges.len() - 1 <= MOST_BINS as usize {
                true => Ok(edges),
                false => Err(fault(format!(
                    "`{key}` of `{name}`: {} bins, at most {MOST_BINS}",
                    edges.len() - 1
                ))),
            }
        }
    }
}

/// The schema's bins, neighbours joined until there are at most [`DEFAULT_BINS`].
fn joined(bins: &[f64]) -> Vec<f64> {
    let each = bins.len().saturating_sub(1).div_ceil(DEFAULT_BINS).max(1);
    let last = bins.len().saturating_sub(1);
    let mut edges: Vec<f64> =
        bins.get(..last).unwrap_or_default().iter().step_by(each).copied().collect();
    edges.extend(bins.last());
    edges
}

/// See the head of this file.
fn decimals(name: &str, range: (f64, f64), cuts: Option<&Cuts>, edges: &[f64], raw: &Raw) -> u8 {
    if let Some(decimals) = raw.decimals.get(name) {
        return *decimals;
    }
    let named = match cuts {
        Some(Cuts::At(own)) => own.as_slice(),
        Some(Cuts::Equal(_)) | None => &[],
    };
    let enough = |decimals: &u8| {
        let grid = Grid::new(*decimals);
        let written = [range.0, range.1].iter().chain(named).all(|number| grid.holds(*number));
        let numbers = (grid.above(range.1) - grid.reaching(range.0)) as f64;
        written && numbers >= LEAST_NUMBERS && grid.bins(edges).iter().all(|bin| !bin.is_empty())
    };
    (0..=MOST_DECIMALS).find(enough).unwrap_or(MOST_DECIMALS)
}

/// Keys that name columns name those of the domain, in their role.
fn check_roles(raw: &Raw, attributes: &[Attribute]) -> Result<(), Error> {
    let known = |wanted: &dyn Fn(&Kind) -> bool, name: &str| {
        attributes.iter().any(|own| wanted(&own.kind) && own.columns().contains(&name))
    };
    let number = |kind: &Kind| matches!(kind, Kind::Number { .. });
    let levels = |kind: &Kind| matches!(kind, Kind::Levels { .. });
    let timed = |kind: &Kind| matches!(kind, Kind::Survival { .. });
    if let Some(name) = raw.bins.keys().find(|name| !known(&number, name)) {
        let hint = if known(&timed, name) { "; a time to event has `cuts`" } else { "" };
        return Err(fault(format!("`bins`: `{name}` is no number among the columns{hint}")));
    }
    if let Some(name) = raw.ordered.iter().find(|name| !known(&levels, name)) {
        return Err(fault(format!("`ordered`: `{name}` is no category among the columns")));
    }
    for name in raw.decimals.keys() {
        let event =
            |own: &Attribute| matches!(&own.kind, Kind::Survival { event, .. } if event == name);
        if known(&levels, name) || !known(&|_| true, name) || attributes.iter().any(event) {
            return Err(fault(format!("`decimals`: `{name}` is no number among the columns")));
        }
    }
    Ok(())
}

/// How a pair is written.
const PAIR: &str =
    "`impossible` holds pairs of one value each, as [[{ sex = \"M\" }, { pregnant = 1 }]]";

/// All pairs of levels that the named values stand for.
fn impossible(domain: &Domain, raw: &[Vec<toml::Table>]) -> Result<Vec<Impossible>, Error> {
    let mut pairs = BTreeSet::new();
    for pair in raw {
        let [left, right] = pair.as_slice() else { return Err(fault(PAIR)) };
        let (left, right) = (whole_levels(domain, left)?, whole_levels(domain, right)?);
        for left in &left {
            for right in &right {
                if left.0 == right.0 {
                    let name = domain.names(&[left.0]);
                    return Err(fault(format!("`impossible`: two values of `{name}` itself")));
                }
                pairs.insert(Impossible { left: *left, right: *right });
            }
        }
        if pairs.len() > MOST_IMPOSSIBLE {
            let reason = format!("`impossible`: more than {MOST_IMPOSSIBLE} pairs of levels");
            return Err(fault(reason));
        }
    }
    Ok(pairs.into_iter().collect())
}

/// Levels of which every value is meant by `{ sex = "M" }`, `{ pregnant = 1 }`, `{ age = "< 18" }` or
/// `{ marker = "is missing" }`.
fn whole_levels(domain: &Domain, value: &toml::Table) -> Result<Vec<(usize, u16)>, Error> {
    let mut entries = value.iter();
    let (Some((column, value)), None) = (entries.next(), entries.next()) else {
        return Err(fault(PAIR));
    };
    let text = match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Boolean(flag) => u8::from(*flag).to_string(),
        toml::Value::Integer(whole) => whole.to_string(),
        toml::Value::Float(number) => number.to_string(),
        _ => {
            return Err(fault(format!(
                "`impossible`: the value of `{column}` is no text or number"
            )));
        }
    };
    let says_how = text.starts_with(['<', '>', '=', '!'])
        || text.starts_with("in ")
        || text.starts_with("is ");
    let predicate = match says_how {
        true => format!("{column} {text}"),
        false => format!("{column} = {text}"),
    };
    let condition = domain.condition(std::slice::from_ref(&predicate))?;
    let mut found = Vec::new();
    for (at, allowed) in &condition.allowed {
        for (level, share) in (0u16..).zip(allowed) {
            // A bin that is possible in part would be drawn whole, so nothing less than all is kept.
            if *share > 0.0 && *share < 1.0 {
                return Err(cut(domain, &predicate, (*at, level)));
            }
            if *share == 1.0 {
                found.push((*at, level));
            }
        }
    }
    Ok(found)
}

/// What to write where a value of a pair holds for a part of a bin.
fn cut(domain: &Domain, predicate: &str, (at, level): (usize, u16)) -> Error {
    let ends = domain.attributes.get(at).and_then(|attribute| {
        let (edges, of) = match &attribute.kind {
            Kind::Number { edges, .. } => (edges, 1),
            Kind::Survival { edges, events, .. } => (edges, events.len().max(1)),
            Kind::Levels { .. } => return None,
        };
        let bin = usize::from(level) / of;
        Some((shown(*edges.get(bin)?), shown(*edges.get(bin + 1)?)))
    });
    let (low, high) = ends.unwrap_or((f64::NAN, f64::NAN));
    fault(format!(
        "`impossible`: `{predicate}` cuts the bin from {low} to {high}; use one of these edges, or \
         name bins with the edge that you mean"
    ))
}
