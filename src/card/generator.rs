//! The card of a generator of virtual patients: what it draws, for what use, from whose patients, at
//! what price, and what its rows are not.
//!
//! Markdown, or JSON (`haima.synth-card/1`). As on a model's card, nothing here is computed from
//! patients, and texts of the file write nothing of the page.

use std::fmt::Write as _;

use haima_fl_core::results::generator::Generator;
use haima_fl_core::synth::domain::{Attribute, Kind};
use haima_fl_core::synth::metrics::edges;
use serde::Serialize;

use super::text::{code, line};
use super::{SUBJECT, bullets, data, figures, inferred, judged_outside, lies, metrics, privacy};
use crate::Error;
use crate::model_file::{Guarantee, Provenance};
use crate::report::numbers;
use crate::synth::file::SynthFile;

/// Form of the card.
const SCHEMA: &str = "haima.synth-card/1";
/// Columns that are told; the JSON has all.
const MOST_COLUMNS: usize = 128;
/// How figures come into a generator's file, and where they are without.
const NOT_COMPARED: &str = "Not compared. In a study a later task `fidelity` puts figures here; \
                            `haima synth report` sets virtual patients beside real ones.";
/// How a generator is used.
const COMMANDS: [&str; 3] = [
    "haima synth sample MODEL --rows 2000 --out virtual.csv",
    "haima synth sample MODEL --rows 200 --where 'age >= 60' --out some.parquet",
    "haima synth report MODEL --data REAL.csv --site COLUMN --out report.html",
];

/// A generator's card.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GeneratorCard {
    /// `haima.synth-card/1`.
    pub schema: String,
    /// What wrote it.
    pub made_by: String,
    /// Name of the study, or of the file that its patients are like.
    pub study: String,
    /// Whom the study was about, where its template said so.
    pub subject: Option<String>,
    /// What it is.
    pub generator: Made,
    /// For what it is, and for what not.
    pub intended_use: Vec<String>,
    /// Commands that use it, with `MODEL` in the place of its file.
    pub commands: Vec<String>,
    /// Data, privacy, figures and metrics.
    pub provenance: Provenance,
    /// What it does not promise.
    pub limitations: Vec<String>,
}

/// What a generator is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Made {
    /// Digest of its file, by which virtual patients name it.
    pub digest: String,
    /// How it was made, e.g. `aim`.
    pub method: String,
    /// Secure sums that it was made from.
    pub rounds: u32,
    /// Share of patients kept out of it.
    pub holdout: f64,
    /// What a virtual patient has.
    pub columns: Vec<Draws>,
}

/// A column of virtual patients, or the two of a time to event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Draws {
    /// Its name.
    pub name: String,
    /// Its values, in words.
    pub values: String,
}

impl GeneratorCard {
    /// The card of a generator's file and that file's digest.
    ///
    /// # Errors
    /// When it is none, or does not fit its schema or its promise.
    pub fn of(file: &SynthFile, digest: &str) -> Result<Self, Error> {
        let generator = file.open()?;
        let subject = file.provenance.task.get(SUBJECT).and_then(toml::Value::as_str);
        Ok(Self {
            schema: SCHEMA.to_owned(),
            made_by: crate::version(),
            study: file.study.clone(),
            subject: subject.map(str::to_owned),
            intended_use: vec![
                match &file.provenance.privacy {
                    Guarantee::Dp { .. } => {
                        "Software, teaching, planning, and trying methods out: rows that look like \
                         the cohort's, each of nobody."
                    }
                    Guarantee::Exact { .. } => {
                        "Software, teaching, planning, and trying methods out, among those who may \
                         see the data: rows that look like the cohort's."
                    }
                }
                .to_owned(),
                "Not a medical device. No decision about a patient should rest on virtual ones, and \
                 an estimate that matters belongs to the real patients."
                    .to_owned(),
            ],
            commands: COMMANDS.map(str::to_owned).into(),
            limitations: limitations(&file.provenance),
            generator: Made::of(&generator, digest),
            provenance: file.provenance.clone(),
        })
    }

    /// The card as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = String::new();
        let _ = self.write(&mut page);
        page
    }

    fn write(&self, to: &mut String) -> std::fmt::Result {
        let Self { generator, provenance, .. } = self;
        writeln!(to, "# Generator card: {}\n", line(&self.study))?;
        let sums = numbers::counted(generator.rounds.into(), "secure sum", "secure sums");
        writeln!(
            to,
            "A generator of virtual patients, fitted over {sums}. It predicts nothing.\n"
        )?;
        writeln!(to, "## What it is\n")?;
        let words = in_words(&generator.method);
        writeln!(to, "- method: {} ({words})", line(&generator.method))?;
        for column in generator.columns.iter().take(MOST_COLUMNS) {
            writeln!(to, "- draws {}: {}", code(&column.name), line(&column.values))?;
        }
        if generator.holdout > 0.0 {
            let share = numbers::percent(generator.holdout);
            writeln!(to, "- kept out of the fit: {share} of patients, by a public seed")?;
        }
        writeln!(to, "- digest: {}", line(&generator.digest))?;
        bullets(to, "Intended use", &self.intended_use)?;
        writeln!(to, "\n## How to draw from it\n\n```")?;
        self.commands.iter().try_for_each(|command| writeln!(to, "{command}"))?;
        let price = match &provenance.privacy {
            Guarantee::Dp { .. } => {
                "Any number of rows, under any conditions, costs no privacy beyond it."
            }
            Guarantee::Exact { .. } => {
                "It was made without noise: its rows can hold what is true of a single patient, and \
                 more rows can hold more of it."
            }
        };
        writeln!(to, "```\n\n{price}")?;
        data(to, provenance, self.subject.as_deref())?;
        privacy(to, &provenance.privacy)?;
        metrics(to, provenance, NOT_COMPARED)?;
        figures(to, provenance)?;
        bullets(to, "Limitations", &self.limitations)?;
        writeln!(to, "\nMade by {}.", line(&self.made_by))
    }
}

impl Made {
    fn of(generator: &Generator, digest: &str) -> Self {
        Self {
            digest: digest.to_owned(),
            method: generator.method.clone(),
            rounds: generator.rounds,
            holdout: generator.holdout,
            columns: (generator.domain.attributes.iter())
                // A network learns from complete patients, and draws such.
                .map(|own| Draws::of(own, own.missing && generator.tables().is_some()))
                .collect(),
        }
    }
}

impl Draws {
    fn of(attribute: &Attribute, may_be_missing: bool) -> Self {
        let bins = |edges: &[f64]| {
            let bins = numbers::counted(edges.len().saturating_sub(1) as u64, "bin", "bins");
            let texts = edges::texts(edges);
            let (low, high) = texts.first().zip(texts.last()).unzip();
            let end = |text: Option<&String>| text.cloned().unwrap_or_default();
            format!("from {} to {} in {bins}", end(low), end(high))
        };
        let mut values = match &attribute.kind {
            Kind::Number { edges, .. } => format!("numbers {}", bins(edges)),
            Kind::Levels { levels, .. } => levels.join(", "),
            Kind::Survival { time, event, edges, events, .. } => {
                let (bins, ends) = (bins(edges), events.join(", "));
                format!("{time} {bins}, and how it ended ({event}): {ends}")
            }
        };
        if may_be_missing {
            values += "; may be missing";
        }
        Self { name: attribute.name.clone(), values }
    }
}

/// A method in words.
fn in_words(method: &str) -> &'static str {
    match method {
        "aim" => "a graphical model of as many pairs of columns as its size allows",
        "mst" => "a graphical model of a tree of pairs of columns",
        "vae" => "a network, a variational autoencoder",
        _ => "none that this program knows by name",
    }
}

fn limitations(provenance: &Provenance) -> Vec<String> {
    let mut limits = vec![
        "Virtual patients carry what the sums carried: their noise, and whatever is particular to the \
         hospitals below. What needs many columns at once, or a rare level, may not be in them."
            .to_owned(),
        "Numbers are uniform within a bin: no model of virtual patients sees finer than the bins."
            .to_owned(),
        "It does not know medicine: what cannot be, and was not said to be impossible, can be drawn."
            .to_owned(),
        "Rows are as many as are asked for: an interval or a p value of virtual patients counts rows, \
         not patients."
            .to_owned(),
        lies(&provenance.mode).to_owned(),
    ];
    match &provenance.privacy {
        Guarantee::Exact { .. } => limits.push(
            "It was made without noise. It and its rows may hold what is true of single patients: \
             both are to be kept as the data are."
                .to_owned(),
        ),
        Guarantee::Dp { simulated: true, .. } => limits.push(
            "The noise was simulated by the machine that held all rows: it is as noisy as a study's, \
             and whoever ran it saw everything."
                .to_owned(),
        ),
        Guarantee::Dp { .. } => {}
    }
    limits.extend(judged_outside(provenance).map(str::to_owned));
    limits.extend(inferred(provenance).map(str::to_owned));
    limits
}
