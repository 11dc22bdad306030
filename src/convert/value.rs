//! Reads a column's cell from a patient's record.
//!
//! What is not there is missing, an empty cell: nothing is taken for absent that nobody looked for,
//! unless the mapping says so. What is there and fits no rule is a fault.

mod measured;
mod points;

use super::fault::{At, Fault, quoted};
use super::mapping::{Codes, Column, Kind, Mapping, OfGene, Source};
use super::record::{Finding, GeneCall, Record};

/// The ACMG class of a variant that nobody classed.
pub(crate) const NOT_CLASSED: &str = "NOT_PROVIDED";

/// The cell of a column, empty where it is missing.
pub(crate) fn cell(column: &Column, mapping: &Mapping, record: &Record) -> Result<String, Fault> {
    let found = match &column.from {
        Source::Sex => sex(column, record)?,
        Source::Age { at, unit } => points::age(column, mapping, record, at, *unit)?,
        Source::Feature(codes) => finding(column, codes, record.features.iter())?,
        Source::Disease(codes) => finding(column, codes, record.diseases.iter())?,
        Source::Action { codes, form } => {
            let meant = |own: &&Finding| form.is_none() || own.form == *form;
            finding(column, codes, record.actions.iter().filter(meant))?
        }
        Source::Measurement(assay) => measured::cell(column, assay, record)?,
        Source::Gene { symbol, take } => gene(column, record, symbol, take)?,
        Source::SurvivalTime(since) => points::survival(mapping, record, since)?,
        Source::SurvivalEvent => record.vital.dead.map(|dead| u8::from(dead).to_string()),
        Source::Interval { start, end, unit } => {
            points::interval(mapping, record, start, end, *unit)
        }
        Source::Variants { .. } => None,
    };
    let absent = || if column.absent_is_zero { "0".to_owned() } else { String::new() };
    Ok(found.unwrap_or_else(absent))
}

/// What one of these codes becomes.
fn level(column: &Column, codes: &[String], at: &At) -> Result<Option<String>, Fault> {
    if let Some(level) = column.level_of(codes).or(column.other.as_deref()) {
        return Ok(Some(level.to_owned()));
    }
    let code = codes.first().map_or("", String::as_str);
    Err(at.fault(format!(
        "{} is no level of column `{}`; say in its `levels` what it becomes, \"\" for missing",
        quoted(code),
        column.name
    )))
}

fn sex(column: &Column, record: &Record) -> Result<Option<String>, Fault> {
    match &record.sex {
        None => Ok(None),
        Some((code, _)) if code == "UNKNOWN_SEX" && !column.levels.contains_key(code) => Ok(None),
        Some((code, at)) => level(column, std::slice::from_ref(code), at),
    }
}

/// A flag is 1 where one of the codes is there, 0 where it is only said to be excluded. A category has
/// the level of the code that is there.
fn finding<'a>(
    column: &Column,
    codes: &Codes,
    findings: impl Iterator<Item = &'a Finding>,
) -> Result<Option<String>, Fault> {
    let meant = findings.filter(|own| codes.meet(&own.codes));
    if column.kind == Kind::Flag {
        let mut found = None;
        for own in meant {
            if !own.excluded {
                return Ok(Some("1".to_owned()));
            }
            found = Some("0".to_owned());
        }
        return Ok(found);
    }
    let mut others = false;
    let mut levels = Levels { column, found: None };
    for own in meant.filter(|own| !own.excluded) {
        match column.level_of(&own.codes) {
            Some(level) => levels.add(level, &own.at)?,
            None => others = true,
        }
    }
    let other = column.other.clone().filter(|_| others);
    Ok(levels.found.map(|(level, _)| level.to_owned()).or(other))
}

/// Levels of one patient, of which there may be one.
struct Levels<'a> {
    column: &'a Column,
    found: Option<(&'a str, &'a At)>,
}

impl<'a> Levels<'a> {
    fn add(&mut self, level: &'a str, at: &'a At) -> Result<(), Fault> {
        match self.found {
            _ if level.is_empty() => {}
            Some((first, _)) if first == level => {}
            Some((first, before)) => {
                return Err(at.fault(format!(
                    "is {}, and {} is {}: column `{}` takes one level; give some of its codes the \
                     same level or \"\", or make them flags",
                    quoted(level),
                    before.place,
                    quoted(first),
                    self.column.name
                )));
            }
            None => self.found = Some((level, at)),
        }
        Ok(())
    }
}

fn gene(
    column: &Column,
    record: &Record,
    symbol: &str,
    take: &OfGene,
) -> Result<Option<String>, Fault> {
    let calls = record.genes.iter().filter(|own| own.symbol == symbol);
    let code: fn(&GeneCall) -> Option<String> = match take {
        OfGene::Found(classes) => {
            let mut found: Option<&str> = None;
            for call in calls {
                match is_mutated(call, classes) {
                    Some(true) => return Ok(Some("1".to_owned())),
                    // What is uncertain is not 0, whatever else is benign.
                    None => found = Some(""),
                    Some(false) => found = found.or(Some("0")),
                }
            }
            return Ok(found.map(str::to_owned));
        }
        OfGene::Pathogenicity => {
            |call: &GeneCall| call.pathogenicity.clone().filter(|class| class != NOT_CLASSED)
        }
        OfGene::Zygosity => |call: &GeneCall| call.zygosity.clone(),
    };
    let mut found: Option<(String, &At)> = None;
    for call in calls {
        let Some(code) = code(call) else { continue };
        let Some(own) = level(column, &[code], &call.at)?.filter(|own| !own.is_empty()) else {
            continue;
        };
        let mut levels =
            Levels { column, found: found.as_ref().map(|(level, at)| (level.as_str(), *at)) };
        levels.add(&own, &call.at)?;
        found = Some((own, &call.at));
    }
    Ok(found.map(|(level, _)| level))
}

/// Whether a call says that the gene is mutated; `None` where it leaves that open.
fn is_mutated(call: &GeneCall, classes: &[String]) -> Option<bool> {
    if call.status == "REJECTED" {
        return Some(false);
    }
    match call.pathogenicity.as_deref() {
        Some(class) if classes.iter().any(|own| own == class) => Some(true),
        Some("BENIGN" | "LIKELY_BENIGN") => Some(false),
        // Somatic variants have no ACMG class: there the interpretation's own status says it.
        None | Some(NOT_CLASSED) => {
            ["CAUSATIVE", "CONTRIBUTORY"].contains(&call.status.as_str()).then_some(true)
        }
        Some(_) => None,
    }
}
