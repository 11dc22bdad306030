//! What is known of one patient, in whichever form it came: packets and bundles become this, and a
//! mapping's columns are read from it.

use super::fault::At;
use super::time::{Span, When};

/// A point in time with its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Timed {
    pub(crate) when: When,
    pub(crate) at: At,
}

/// A phenotypic feature, a disease or a medical action.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    /// All codes that it has, each with its system in front: `HP:0001903`.
    pub(crate) codes: Vec<String>,
    /// Looked for, and not there.
    pub(crate) excluded: bool,
    /// Onset, or when it was done.
    pub(crate) when: Option<Timed>,
    /// Of a medical action.
    pub(crate) form: Option<Form>,
    pub(crate) at: At,
}

/// Forms of a medical action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Procedure,
    Treatment,
    Regimen,
    Radiation,
}

impl Form {
    /// As a mapping and an error name it.
    pub(crate) const NAMES: [(&str, Self); 4] = [
        ("procedure", Self::Procedure),
        ("treatment", Self::Treatment),
        ("regimen", Self::Regimen),
        ("radiation", Self::Radiation),
    ];
}

/// A measurement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) codes: Vec<String>,
    pub(crate) reading: Reading,
    pub(crate) when: Option<Timed>,
    pub(crate) at: At,
}

/// What a measurement found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reading {
    Quantity(Quantity),
    /// A class, by all codes that it has.
    Class(Vec<String>),
}

/// A number with its unit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quantity {
    pub(crate) value: f64,
    /// Spellings of the unit, the most exact first.
    pub(crate) unit: Vec<String>,
    /// `<`, `<=`, `>` or `>=` where the number is a limit only.
    pub(crate) comparator: Option<String>,
    /// What counts as normal.
    pub(crate) range: Option<Range>,
}

/// A reference range in its own unit; an open end is `None`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
    /// Spellings; none where it is that of the value.
    pub(crate) unit: Vec<String>,
}

/// What is said of a gene, or of a variant in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GeneCall {
    pub(crate) symbol: String,
    /// Such as `CAUSATIVE` or `REJECTED`.
    pub(crate) status: String,
    /// The ACMG class such as `PATHOGENIC`; `None` where the gene alone is named.
    pub(crate) pathogenicity: Option<String>,
    /// Code of the allelic state.
    pub(crate) zygosity: Option<String>,
    pub(crate) at: At,
}

/// Whether a patient lives.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Vital {
    pub(crate) dead: Option<bool>,
    pub(crate) death: Option<Timed>,
    /// Days after the diagnosis.
    pub(crate) survival_days: Option<f64>,
}

/// One patient.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) at: At,
    /// Id of the patient.
    pub(crate) subject: String,
    /// Id of the packet; that of the patient where there are no packets.
    pub(crate) packet: String,
    /// `MALE`, `FEMALE`, `OTHER_SEX` or `UNKNOWN_SEX`.
    pub(crate) sex: Option<(String, At)>,
    pub(crate) birth: Option<Span>,
    pub(crate) last: Option<Timed>,
    pub(crate) vital: Vital,
    pub(crate) features: Vec<Finding>,
    pub(crate) diseases: Vec<Finding>,
    pub(crate) actions: Vec<Finding>,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) genes: Vec<GeneCall>,
    /// Drawn from a generator; no patient.
    pub(crate) synthetic: bool,
}

impl Record {
    /// A patient of whom nothing is known yet.
    pub(crate) fn new(at: At, subject: String, packet: String) -> Self {
        Self {
            at,
            subject,
            packet,
            sex: None,
            birth: None,
            last: None,
            vital: Vital::default(),
            features: Vec::new(),
            diseases: Vec::new(),
            actions: Vec::new(),
            measurements: Vec::new(),
            genes: Vec::new(),
            synthetic: false,
        }
    }
}
