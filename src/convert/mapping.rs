//! The mapping file: which columns a table has, and where in a packet, a bundle or a variant file each
//! stands. It says nothing of any patient, so a network can share one.
//!
//! How it is read stands in `read`, what `from` may say in `from`, the panel of genes in `panel`.

mod from;
mod panel;
mod read;

use std::collections::BTreeMap;

use super::record::Form;
pub(crate) use panel::{Genes, Panel, PanelId, Region, chromosome};

/// A mapping file that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// Name of the table's first column, the patient's key.
    pub(crate) patient: String,
    /// Which id stands in it.
    pub(crate) id: Id,
    /// Whether a time that is known to a span only counts as the span's middle; else it is missing.
    pub(crate) middle: bool,
    /// The other columns, in the table's order.
    pub(crate) columns: Vec<Column>,
    /// Prefixes of codes by the URI that FHIR has for their system, beside the known ones.
    pub(crate) systems: BTreeMap<String, String>,
    /// Words for codes, as packets have to give them.
    pub(crate) labels: BTreeMap<String, String>,
    /// The panel of genes that variant files are read for.
    pub(crate) panel: Option<Panel>,
}

/// Ids of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Subject,
    Packet,
}

/// A column of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) from: Source,
    /// What a code becomes: a level, `0` or `1`; empty where it counts as missing.
    pub(crate) levels: BTreeMap<String, String>,
    /// What a code becomes that `levels` does not name.
    pub(crate) other: Option<String>,
    /// Whether a flag of which nothing is said is 0; else it is missing.
    pub(crate) absent_is_zero: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Numeric,
    Flag,
    Category,
    Interval,
}

impl Kind {
    /// As the mapping names it.
    pub(crate) const NAMES: [(&str, Self); 4] = [
        ("numeric", Self::Numeric),
        ("flag", Self::Flag),
        ("category", Self::Category),
        ("interval", Self::Interval),
    ];
}

/// Where the value of a column stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Sex,
    Age { at: Point, unit: Length },
    Feature(Codes),
    Disease(Codes),
    Action { codes: Codes, form: Option<Form> },
    Measurement(Assay),
    Gene { symbol: String, take: OfGene },
    SurvivalTime(Since),
    SurvivalEvent,
    Interval { start: Point, end: Point, unit: Length },
    Variants { gene: String, take: OfVariants },
}

/// Codes that a place is looked up by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Codes {
    /// Each that the column's `levels` names.
    Any,
    These(Vec<String>),
}

impl Codes {
    /// Whether a finding with these codes is meant.
    pub(crate) fn meet(&self, codes: &[String]) -> bool {
        match self {
            Self::Any => true,
            Self::These(own) => codes.iter().any(|code| own.contains(code)),
        }
    }

    /// The code that is written into a packet.
    pub(crate) fn first(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::These(own) => own.first().map(String::as_str),
        }
    }
}

/// A measurement to look for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assay {
    pub(crate) codes: Codes,
    /// Unit of the column; empty for classes.
    pub(crate) unit: String,
    /// Other units with the factor to it.
    pub(crate) accepts: BTreeMap<String, f64>,
    pub(crate) pick: Pick,
    pub(crate) take: OfAssay,
    pub(crate) limits: Limits,
}

impl Assay {
    /// Of one code, in a unit, or in none for classes.
    pub(crate) fn new(code: String, unit: String) -> Self {
        Self {
            codes: Codes::These(vec![code]),
            unit,
            accepts: BTreeMap::new(),
            pick: Pick::Only,
            take: OfAssay::Value,
            limits: Limits::Refuse,
        }
    }
}

/// Which of several measurements counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// There may be one only.
    Only,
    First,
    Last,
    Lowest,
    Highest,
}

/// What of a measurement is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfAssay {
    Value,
    /// `LOW`, `NORMAL` or `HIGH` by its own reference range.
    Reference,
}

/// What a number below or above a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limits {
    /// A fault: nobody has said yet what it should be.
    Refuse,
    /// The limit itself.
    Take,
    Missing,
}

/// What of a genomic interpretation is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OfGene {
    /// Whether one of these ACMG classes was found.
    Found(Vec<String>),
    /// The ACMG class, by `levels`.
    Pathogenicity,
    /// The allelic state, by `levels`.
    Zygosity,
}

/// What of a gene's variants is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfVariants {
    /// Whether there is any.
    Found,
    Variants,
    Alleles,
    /// The highest fraction of reads.
    Fraction,
}

/// From when survival is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// As the packet counts: `survivalTimeInDays`.
    Diagnosis,
    Point(Point),
}

/// A point in a patient's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    Birth,
    LastEncounter,
    Death,
    Feature(Codes),
    Disease(Codes),
    Measurement(Codes),
    Action(Codes),
}

/// Units of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Years,
    Months,
    Days,
}

impl Length {
    /// As the mapping names it.
    pub(crate) const NAMES: [(&str, Self); 3] =
        [("years", Self::Years), ("months", Self::Months), ("days", Self::Days)];
}

impl Mapping {
    /// One that is made here, of columns and words for codes.
    pub(crate) fn new(columns: Vec<Column>, labels: BTreeMap<String, String>) -> Self {
        Self {
            patient: "patient".to_owned(),
            id: Id::Subject,
            middle: false,
            columns,
            systems: BTreeMap::new(),
            labels,
            panel: None,
        }
    }

    /// Columns that stand in packets and bundles.
    pub(crate) fn of_records(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|own| !own.of_variants())
    }
}

impl Column {
    /// One without levels.
    pub(crate) fn new(name: &str, kind: Kind, from: Source) -> Self {
        let levels = BTreeMap::new();
        Self { name: name.to_owned(), kind, from, levels, other: None, absent_is_zero: false }
    }

    /// Whether it stands in variant files.
    pub(crate) fn of_variants(&self) -> bool {
        matches!(self.from, Source::Variants { .. })
    }

    /// The first code that becomes this level.
    pub(crate) fn code_of(&self, level: &str) -> Option<&str> {
        self.levels.iter().find(|(_, own)| *own == level).map(|(code, _)| code.as_str())
    }

    /// The level of the first code that has one.
    pub(crate) fn level_of(&self, codes: &[String]) -> Option<&str> {
        codes.iter().find_map(|code| self.levels.get(code)).map(String::as_str)
    }
}
