//! A trained model at work on one patient: a form made from the model's inputs, and what it says.
//!
//! All of it happens on this machine. Nothing that is entered is stored or written to a log; what the
//! program held of it is wiped when the answer is made, but for copies that a growing buffer, the
//! browser or the system left behind.

mod figure;
mod patient;
pub(super) mod views;

use std::collections::BTreeSet;
use std::path::Path;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::explanation::Explanation;
use haima_fl_core::learn::inputs::{Source, Term};
use haima_fl_core::learn::model::Kind;
use haima_fl_core::learn::trained::Trained;
use haima_fl_core::schema::{Column, PatientKey, Schema};

use crate::Error;
use crate::card::{Card, Outcome};
use crate::model_file::ModelFile;

/// Columns of a model that a form can ask for.
const MOST_INPUTS: usize = 200;

/// A model that can be asked about one patient.
pub struct Calculator {
    /// The file's name without its ending.
    name: String,
    trained: Trained,
    /// The columns that the model reads, each of which may be left blank.
    schema: Schema,
    /// What it predicts, where its parameters say so.
    outcome: Option<Outcome>,
    /// Cohort that it was trained on; none for all patients.
    trained_on: Option<String>,
    /// The model card.
    card: String,
}

impl std::fmt::Debug for Calculator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Calculator({:?}, {} columns)", self.name, self.schema.columns.len())
    }
}

/// What a model says of a patient.
struct Answer {
    /// Name and value of each output.
    figures: Vec<(String, f64)>,
    explanation: Option<Explanation>,
}

/// Why there is no answer.
enum Refusal {
    /// Fields that cannot be read.
    Wrong(Vec<patient::Wrong>),
    /// Columns without which this model predicts nothing.
    Missing(Vec<String>),
}

impl Calculator {
    /// Reads a model file.
    ///
    /// # Errors
    /// When it is none, or a model that no form can ask: too many inputs, or no prediction.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = ModelFile::read(path)?;
        let trained = file.open()?;
        let refuse = |problem: String| Error::config(path, problem);
        if trained.model().kind() == Kind::Reconstruction {
            return Err(refuse("predicts no outcome, so there is nothing to calculate".into()));
        }
        let read: BTreeSet<&str> = trained.model().inputs().columns().into_iter().collect();
        if read.len() > MOST_INPUTS {
            let problem = format!(
                "reads {} columns; a form asks for at most {MOST_INPUTS}. Use `haima predict`",
                read.len()
            );
            return Err(refuse(problem));
        }
        let study = Schema::from_toml(&file.study_schema)?;
        let columns = study.columns.into_iter().filter(|column| read.contains(&*column.name));
        let schema = Schema {
            patient: PatientKey::OneRow,
            rows_per_patient: 1,
            columns: columns.map(|column| Column { missing: true, ..column }).collect(),
            ignore: Vec::new(),
        };
        let card = Card::of(&file)?;
        let cohort = file.provenance.cohort().map(|_| file.provenance.data.cohort.clone());
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self {
            name,
            trained,
            schema,
            card: card.markdown(),
            outcome: card.model.outcome,
            trained_on: cohort,
        })
    }

    /// What the model says of the one patient of a cohort.
    fn answer(&self, cohort: &Cohort) -> Result<Answer, Refusal> {
        let Some(figures) = self.trained.predict(cohort, 0) else {
            let needed = self.schema.columns.iter().filter(|column| self.needs(&column.name));
            let missing = needed.filter(|column| cohort.value(&column.name, 0).is_none());
            return Err(Refusal::Missing(missing.map(|column| column.label.clone()).collect()));
        };
        let names = self.trained.model().outputs();
        let figures = names.into_iter().zip(figures).collect();
        Ok(Answer { figures, explanation: self.trained.explain(cohort, 0) })
    }

    /// Whether the model predicts nothing for a patient in whom a column is missing.
    fn needs(&self, column: &str) -> bool {
        self.terms().iter().any(|term| term.column == column && term.missing.is_none())
    }

    fn terms(&self) -> &[Term] {
        self.trained.model().inputs().terms()
    }

    /// An input in the words of the schema.
    fn label(&self, name: &str) -> String {
        let Some(term) = self.terms().iter().find(|term| term.name == name) else {
            return name.to_owned();
        };
        let Ok(column) = self.schema.column(&term.column) else { return name.to_owned() };
        let label = &column.label;
        match term.source {
            Source::Value | Source::Log1p => label.clone(),
            Source::Missing => format!("{label}: not known"),
            Source::Level(level) => {
                let levels = column.levels().unwrap_or_default();
                let level = levels.get(level as usize).map_or("", String::as_str);
                format!("{label}: {level}")
            }
        }
    }

    /// Unit of the model's times; empty where it has none.
    fn unit(&self) -> &str {
        let time = self.outcome.as_ref().and_then(|outcome| outcome.time.as_ref());
        time.and_then(|time| time.unit.as_deref()).unwrap_or_default()
    }
}
