//! What is said of a trained model or a generator, from its file: its card without counts of patients,
//! what was promised, and where it comes from.
//!
//! A file whose schema or figures were made from patients without a charge does not enter (rules S4, S6).
//! Figures of exact sums enter with two decimals, and some not at all: in full they can be solved for the
//! patients' number.

use std::path::Path;

use haima_crypto::encode::Encoder;
use serde::{Deserialize, Serialize};

use super::check::{self, LINE, NAME};
use super::entry::Kind;
use super::privacy::{Privacy, encode_texts};
use crate::Error;
use crate::card::{Card, GeneratorCard};
use crate::model_file::{
    Guarantee, MOST_BYTES, Metric, ModelFile, Provenance, bounded, is_generator, metrics,
};
use crate::synth::file::SynthFile;

/// Columns that are named.
const MOST_COLUMNS: usize = 500;
/// Figures, and lines of text.
const MOST_LINES: usize = 40;
/// Bytes of one of them.
const LONG: usize = 1000;
/// Decimals of a figure of exact sums, and of one of sums under noise.
const DECIMALS: [i32; 2] = [2, 3];

/// A trained model or a generator of virtual patients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// It draws virtual patients.
    pub generator: bool,
    /// Digest of the file.
    pub file: String,
    /// What it is called, e.g. `logistic 1`.
    pub title: String,
    /// How it was made: a strategy, or the method of a generator.
    pub made_by: String,
    /// Name of the task that made it.
    pub task: String,
    /// Columns that it reads, or draws.
    pub columns: Vec<String>,
    /// The numbers that it gives.
    pub outputs: Vec<String>,
    /// How sums were made.
    pub mode: String,
    /// Hospitals that took part.
    pub hospitals: u64,
    /// Predicates of its cohort; empty for all patients.
    pub cohort: String,
    /// What it cost a patient.
    pub privacy: Privacy,
    /// Whom the noise hides, and from whom; empty of an exact one.
    pub promise: String,
    /// Its noise is that of a simulation, which protects nobody.
    pub simulated: bool,
    /// What evaluations found.
    pub figures: Vec<Figure>,
    /// What it does not promise.
    pub limits: Vec<String>,
    /// Digest of its schema.
    pub schema_digest: String,
    /// Digest of the study's manifest, where a study made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study: Option<String>,
    /// Digest of the last record of the coordinator's journal, where a study made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
}

/// A figure of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Name, e.g. `auc`.
    pub name: String,
    /// Estimate, of few digits.
    pub value: f64,
    /// Lower end of its 95% interval.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// By which sums, and over which part of the patients; how many they were is left out.
    pub over: String,
}

impl Model {
    /// Of a model's or a generator's file.
    ///
    /// # Errors
    /// When it cannot be read, or something of it was made from patients without a charge.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = check::sha3(&bounded(path, MOST_BYTES)?);
        let model = if is_generator(path) {
            let (read, own) = SynthFile::read(path)?;
            Self::of_generator(&GeneratorCard::of(&read, &own)?, file)
        } else {
            Self::of_model(&Card::of(&ModelFile::read(path)?)?, file)
        };
        let model = model.map_err(|problem| Error::config(path, problem))?;
        model.check().map_err(|problem| Error::config(path, problem))?;
        Ok(model)
    }

    fn of_model(card: &Card, file: String) -> Result<Self, String> {
        let own = &card.model;
        Ok(Self {
            title: check::cut(&format!("{} {}", own.name, own.version), NAME),
            made_by: check::cut(&own.strategy, NAME),
            columns: names(&own.columns),
            outputs: names(&own.outputs),
            limits: lines(&card.limitations),
            ..Self::of_provenance(&card.provenance, file)?
        })
    }

    fn of_generator(card: &GeneratorCard, file: String) -> Result<Self, String> {
        let drawn: Vec<String> =
            card.generator.columns.iter().map(|own| own.name.clone()).collect();
        Ok(Self {
            generator: true,
            title: check::cut(&format!("generator of {}", card.study), NAME),
            made_by: check::cut(&card.generator.method, NAME),
            columns: names(&drawn),
            limits: lines(&card.limitations),
            ..Self::of_provenance(&card.provenance, file)?
        })
    }

    fn of_provenance(from: &Provenance, file: String) -> Result<Self, String> {
        if from.data.schema_inferred {
            return Err(
                "its schema was made from the patients themselves: its ranges and levels are \
                        theirs; train it by a schema of public ranges (rules S4, S6)"
                    .into(),
            );
        }
        if let Some(figure) = from.figures.iter().find(|own| own.origin.starts_with("local")) {
            let name = check::cut(&figure.name, 80);
            return Err(format!(
                "{name:?} was counted in the patients without a charge; make it public, or let a task \
                 release it (rules S4, S6)"
            ));
        }
        let (privacy, promise, simulated) = match &from.privacy {
            Guarantee::Exact { .. } => (Privacy::Exact, String::new(), false),
            Guarantee::Dp { epsilon, delta, unit, adversary, simulated, .. } => (
                Privacy::Private { epsilon: *epsilon, delta: *delta },
                check::cut(&format!("one {unit}, from {adversary}"), LINE),
                *simulated,
            ),
        };
        let task = from.task.get("name").and_then(toml::Value::as_str).unwrap_or_default();
        let finite = |metric: &&Metric| {
            metric.value.is_finite()
                && [metric.lo, metric.hi].iter().flatten().all(|x| x.is_finite())
        };
        Ok(Self {
            generator: false,
            file,
            title: String::new(),
            made_by: String::new(),
            task: check::cut(task, NAME),
            columns: Vec::new(),
            outputs: Vec::new(),
            mode: check::cut(&from.mode, LINE),
            hospitals: from.data.hospitals,
            cohort: check::cut(&from.data.cohort.trim_end().replace('\n', "; "), LINE),
            privacy,
            promise,
            simulated,
            figures: from
                .metrics
                .iter()
                .filter(finite)
                .filter_map(figure)
                .take(MOST_LINES)
                .collect(),
            limits: Vec::new(),
            schema_digest: from.data.schema_digest.to_lowercase(),
            study: from.notes.iter().find_map(|note| manifest_of(note)),
            journal: from.journal.as_ref().map(|digest| digest.to_lowercase()),
        })
    }

    /// Of what kind its entry is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.generator { Kind::Generator } else { Kind::Model }
    }

    pub(super) fn encode(&self, to: &mut Encoder) {
        to.u8(u8::from(self.generator)).str(&self.file).str(&self.title);
        to.str(&self.made_by).str(&self.task);
        encode_texts(&self.columns, to);
        encode_texts(&self.outputs, to);
        to.str(&self.mode).u64(self.hospitals).str(&self.cohort);
        self.privacy.encode(to);
        to.str(&self.promise).u8(u8::from(self.simulated)).count(self.figures.len());
        for figure in &self.figures {
            to.str(&figure.name).u64(figure.value.to_bits());
            for end in [figure.lo, figure.hi] {
                to.u8(u8::from(end.is_some())).u64(end.unwrap_or(0.0).to_bits());
            }
            to.str(&figure.over);
        }
        encode_texts(&self.limits, to);
        to.str(&self.schema_digest).str(self.study.as_deref().unwrap_or_default());
        to.str(self.journal.as_deref().unwrap_or_default());
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check::digest("file", &self.file)?;
        check::digest("schema_digest", &self.schema_digest)?;
        for (field, digest) in [("study", &self.study), ("journal", &self.journal)] {
            digest.as_ref().map_or(Ok(()), |digest| check::digest(field, digest))?;
        }
        check::said("title", &self.title, NAME)?;
        check::line("made_by", &self.made_by, NAME)?;
        check::line("task", &self.task, NAME)?;
        check::line("mode", &self.mode, LINE)?;
        check::line("cohort", &self.cohort, LINE)?;
        check::line("promise", &self.promise, LINE)?;
        self.privacy.check()?;
        check::few("columns", self.columns.len(), MOST_COLUMNS)?;
        check::few("outputs", self.outputs.len(), MOST_COLUMNS)?;
        for name in self.columns.iter().chain(&self.outputs) {
            check::line("column", name, NAME)?;
        }
        check::few("figures", self.figures.len(), MOST_LINES)?;
        for figure in &self.figures {
            check::line("figure", &figure.name, NAME)?;
            check::line("over", &figure.over, LINE)?;
            for value in [Some(figure.value), figure.lo, figure.hi].into_iter().flatten() {
                check::finite(&figure.name, value)?;
            }
        }
        check::few("limits", self.limits.len(), MOST_LINES)?;
        self.limits.iter().try_for_each(|text| check::line("limit", text, LONG))
    }
}

fn names(of: &[String]) -> Vec<String> {
    of.iter().take(MOST_COLUMNS).map(|name| check::cut(name, NAME)).collect()
}

fn lines(of: &[String]) -> Vec<String> {
    of.iter().take(MOST_LINES).map(|text| check::cut(text, LONG)).collect()
}

/// A metric without the parts of its words that count patients, and of few digits. None where it is of
/// exact sums and tells a count all the same.
fn figure(metric: &Metric) -> Option<Figure> {
    let noised = is_noised(&metric.over);
    if !noised && metrics::tells_counts(&metric.name) {
        return None;
    }
    let [exact, under_noise] = DECIMALS;
    let decimals = if noised { under_noise } else { exact };
    let cut = |number| coarse(number, decimals);
    let counts = |part: &&str| {
        part.contains("patient") && part.contains(|c: char| c.is_ascii_digit() || c == '<')
    };
    let parts = metric.over.split(", ").filter(|part| !counts(part));
    Some(Figure {
        name: check::cut(&metric.name, NAME),
        value: cut(metric.value),
        lo: metric.lo.map(cut),
        hi: metric.hi.map(cut),
        over: check::cut(&parts.collect::<Vec<_>>().join(", "), LINE),
    })
}

/// Whether a metric says that its sums were under noise. What says nothing was exact.
fn is_noised(over: &str) -> bool {
    let says = |what: &str| over.split(", ").any(|part| part.starts_with(what));
    says("sums under noise (") && !says("exact sums")
}

/// A number of at most so many decimals, and of three digits where it is large.
fn coarse(number: f64, decimals: i32) -> f64 {
    let unit = 10f64.powi(decimals);
    if number.abs() * unit >= 1000.0 {
        return format!("{number:.2e}").parse().unwrap_or(f64::NAN);
    }
    let cut = (number * unit).round() / unit;
    // One zero, without a sign.
    if cut == 0.0 { 0.0 } else { cut }
}

/// The manifest that a note of a study's model names: `manifest DIGEST, signed by every party`.
fn manifest_of(note: &str) -> Option<String> {
    let digest = note.strip_prefix("manifest ")?.get(..64)?.to_lowercase();
    check::digest("study", &digest).is_ok().then_some(digest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model_file::{Data, PROVENANCE_SCHEMA};

    /// What is entered of a model that was validated on so many patients, of whom so many had the
    /// outcome; with it the metrics as its file has them.
    fn validated(patients: u32, events: u32, sums: &str) -> (Model, Vec<Metric>) {
        let [all, with] = [patients, events].map(f64::from);
        let (observed, pairs) = (with / all, with * (all - with));
        let auc = (0.81 * pairs).round() / pairs;
        let width = 0.86 / all.sqrt();
        let scores = json!({
            "brier": 0.1765, "brier_null": observed * (1.0 - observed), "predicted": 0.2812,
            "observed": observed,
        });
        let mut horizon = scores.clone();
        horizon["time"] = json!(365.0);
        horizon["events"] = json!(events);
        horizon["n_after"] = json!(patients - events);
        let result = json!({
            "n": patients,
            "binary": {
                "auc": { "value": auc, "lo": auc - width, "hi": auc + width },
                "probability": scores,
            },
            "survival": { "horizons": [horizon] },
            "classes": { "accuracy": (0.8 * all).round() / all },
        });
        let over =
            format!("{patients} patients of 24 hospitals, held-out patients, {sums}, task t");
        let metrics = metrics::of_validation(&result, &over, "days");
        let provenance = Provenance {
            schema: PROVENANCE_SCHEMA.into(),
            task: toml::Table::new(),
            mode: "nodes".into(),
            data: Data {
                hospitals: 24,
                excluded: Vec::new(),
                patients: Some(patients.into()),
                cohort: String::new(),
                schema_digest: "ab".repeat(32),
                schema_inferred: false,
            },
            privacy: Guarantee::exact(),
            figures: Vec::new(),
            metrics: metrics.clone(),
            notes: Vec::new(),
            journal: None,
        };
        (Model::of_provenance(&provenance, "ab".repeat(32)).unwrap(), metrics)
    }

    /// How many patients follow from the interval of a difference and the Brier score.
    fn solved(difference: f64, lo: f64, hi: f64, brier: f64) -> f64 {
        (brier - difference * difference) / ((hi - lo) / 2.0 / 1.959_963_984_540_054).powi(2)
    }

    #[test]
    fn no_figure_of_exact_sums_can_be_solved_for_a_number_of_patients() {
        let (model, metrics) = validated(1043, 287, "exact sums");
        let of = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap();
        // In full they can.
        let full = of("mean prediction less observed share");
        let found = solved(full.value, full.lo.unwrap(), full.hi.unwrap(), of("Brier score").value);
        assert!((found - 1043.0).abs() < 0.5, "{found}");
        assert!((of("observed share").value * 1043.0 - 287.0).abs() < 1e-9);

        let names: Vec<&str> = model.figures.iter().map(|own| own.name.as_str()).collect();
        let wanted = [
            "AUC",
            "Brier score",
            "mean prediction",
            "Brier score at 365 days",
            "mean prediction at 365 days",
        ];
        assert_eq!(names, wanted);
        for own in &model.figures {
            for number in [Some(own.value), own.lo, own.hi].into_iter().flatten() {
                let hundredths = number * 100.0;
                assert!((hundredths - hundredths.round()).abs() < 1e-9, "{own:?}");
            }
        }
        // Four patients more or less, one of them with the outcome, are signed alike.
        assert_eq!(model, validated(1039, 286, "exact sums").0);
        // What does not say by which sums it is counts as exact.
        assert_eq!(validated(1043, 287, "sums").0.figures.len(), wanted.len());
    }

    #[test]
    fn a_figure_of_noised_sums_keeps_three_decimals() {
        let (model, metrics) =
            validated(1043, 287, "sums under noise (epsilon 1.000 at delta 1e-5)");
        assert_eq!(model.figures.len(), metrics.len());
        let share = model.figures.iter().find(|own| own.name == "observed share").unwrap();
        assert_eq!(share.value, 0.275);
    }

    #[test]
    fn a_number_is_cut_to_few_digits() {
        let cut = [0.837_837_8, -0.001, 9.876, 12.345, 1043.0, 1e300].map(|x| coarse(x, 2));
        assert_eq!(cut, [0.84, 0.0, 9.88, 12.3, 1040.0, 1e300]);
        assert!(cut[1].is_sign_positive());
        assert_eq!(coarse(0.837_837_8, 3), 0.838);
    }

    #[test]
    fn a_figure_says_by_which_sums_and_not_of_how_many_patients() {
        let over =
            "1,043 patients of 24 hospitals, held-out patients, exact sums, task t".to_owned();
        let metric = Metric { name: "auc".into(), value: 0.7, lo: None, hi: None, over };
        assert_eq!(figure(&metric).unwrap().over, "held-out patients, exact sums, task t");
    }

    #[test]
    fn a_models_note_names_its_study() {
        let digest = "ab".repeat(32);
        let note = format!("manifest {digest}, signed by every party");
        assert_eq!(manifest_of(&note), Some(digest));
        assert_eq!(manifest_of("manifest of nothing"), None);
    }
}
