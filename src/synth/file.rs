//! A generator as one file, `NAME.haima`: the archive of a trained model with the generator in the
//! place of a network.
//!
//! | part | what it holds |
//! |---|---|
//! | `manifest.json` | `haima.synth-model/1`: the study's name and schema, digests of the parts |
//! | `generator.json` | the result of the task `synthesize` (`haima.generator/1`) |
//! | `provenance.json` | where it comes from ([`Provenance`]) |
//!
//! Reading is for files of strangers, as in [`crate::model_file`]: bounded, stored parts, no others,
//! digests that fit, a generator that its own domain and schema fit, and a promise that follows from the
//! noise told of beside it. The digests find damage. They are no signature.

use std::collections::BTreeMap;
use std::path::Path;

use haima_fl_core::results::generator::Generator;
use haima_fl_core::schema::{Kind as Column, Schema};
use haima_fl_core::synth::core::ask::Ask;
use haima_fl_core::synth::domain::{Attribute, Kind};
use haima_fl_core::synth::rounds::Measured;
use haima_fl_core::tasks::synthesize;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::model_file::guarantee::{self, Made};
use crate::model_file::{Guarantee, Noise, PROVENANCE_SCHEMA, Provenance, archive, digest};

/// Form of the manifest.
pub const SCHEMA: &str = "haima.synth-model/1";

const MANIFEST: &str = "manifest.json";
const GENERATOR: &str = "generator.json";
const PROVENANCE: &str = "provenance.json";
/// Parts beside the manifest, which has their digests.
const PARTS: [&str; 2] = [GENERATOR, PROVENANCE];
/// All parts, and those of a network's file, which is told by its form.
const ALL: [&str; 6] =
    [MANIFEST, GENERATOR, PROVENANCE, "weights.safetensors", "weights.burnpack", "card.md"];
/// Bytes of a part: a generator of the most cells takes a fifth of them, a network of the most weights
/// half.
const MOST_PART: usize = 16 << 20;
/// Letters of a study's name.
const MOST_NAME: usize = 200;

/// A generator and all that is said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthFile {
    /// Name of the study, or of the file that the patients are like.
    pub study: String,
    /// The task's result: `haima.generator/1`.
    pub generator: Value,
    /// Schema of the cohorts, as the manifest of a study has it.
    pub study_schema: toml::Table,
    /// Where it comes from.
    pub provenance: Provenance,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    schema: String,
    /// What wrote the file.
    made_by: String,
    study: String,
    study_schema: toml::Table,
    /// SHA3-256 of each other part.
    digests: BTreeMap<String, String>,
}

impl SynthFile {
    /// The generator, read and checked against the schema and the promise.
    ///
    /// # Errors
    /// When it is none, its columns are not those of the schema, or its sums not those that the
    /// provenance tells of.
    pub fn open(&self) -> Result<Generator, Error> {
        let generator = Generator::read(&self.generator)?;
        let schema = Schema::from_toml(&self.study_schema)?;
        self.keeps_its_promise(&generator, &schema)?;
        for attribute in &generator.domain.attributes {
            fits(attribute, &schema)?;
        }
        Ok(generator)
    }

    /// Whether the generator's sums are those that the provenance tells of, and the promise is what the
    /// noise gives that it tells of.
    fn keeps_its_promise(&self, generator: &Generator, schema: &Schema) -> Result<(), Error> {
        let (charged, measured) = (generator.is_charged(), &generator.measured);
        let problem = match &self.provenance.privacy {
            Guarantee::Exact { .. } if charged => {
                "its sums were noised, but its provenance says that they were exact".to_owned()
            }
            Guarantee::Dp { .. } if !charged => {
                "its sums were exact, but its provenance promises differential privacy".to_owned()
            }
            Guarantee::Dp { .. } if !measured.iter().all(|table| table.sd > 0.0) => {
                "a table has no noise, but its provenance promises differential privacy".to_owned()
            }
            Guarantee::Dp { noise, .. } if measured.iter().any(|table| is_quiet(table, noise)) => {
                "a table has less noise than its provenance tells of".to_owned()
            }
            Guarantee::Exact { .. } | Guarantee::Dp { .. } => {
                let (task, sums) = (synthesize::NAME, generator.rounds);
                let made = Made { task, schema, sums, hides_hospital: false };
                match guarantee::check(&self.provenance, &made) {
                    Ok(()) => return Ok(()),
                    Err(problem) => problem,
                }
            }
        };
        Err(Error::Config { file: "the generator".into(), problem })
    }

    /// Writes the file, whole or not at all, and returns its digest: that of its manifest, which has
    /// those of all other parts.
    ///
    /// # Errors
    /// When it cannot be written, or the generator does not fit its schema.
    pub fn write(&self, path: &Path) -> Result<String, Error> {
        self.open()?;
        let parts: Vec<(&str, Vec<u8>)> = vec![
            (GENERATOR, json(&self.generator, path)?),
            (PROVENANCE, json(&self.provenance, path)?),
        ];
        let manifest = Manifest {
            schema: SCHEMA.to_owned(),
            made_by: crate::version(),
            study: self.study.clone(),
            study_schema: self.study_schema.clone(),
            digests: parts.iter().map(|(name, bytes)| ((*name).into(), digest(bytes))).collect(),
        };
        let manifest = json(&manifest, path)?;
        let own = digest(&manifest);
        let mut all = vec![(MANIFEST, manifest)];
        all.extend(parts);
        archive::write(path, &all)?;
        Ok(own)
    }

    /// Reads and checks a file; with it, its digest.
    ///
    /// # Errors
    /// When it is no such file, of another form, damaged or too large; says which part.
    pub fn read(path: &Path) -> Result<(Self, String), Error> {
        let fault = |problem: String| Error::config(path, problem);
        let mut parts = archive::read(path, &ALL)?;
        // JSON takes many times its length while it is read.
        let own = |name: &str| name == MANIFEST || PARTS.contains(&name);
        let large = |(name, part): &(&String, &Vec<u8>)| own(name) && part.len() > MOST_PART;
        if let Some((name, part)) = parts.iter().find(large) {
            let bytes = part.len();
            let problem =
                format!("{name} is too large: {bytes} bytes; here it has at most {MOST_PART}");
            return Err(Error::config(path, problem));
        }
        let manifest = parts.remove(MANIFEST).ok_or_else(|| {
            fault(format!(
                "has no {MANIFEST}; is it a generator that `haima synth fit` or a study wrote?"
            ))
        })?;
        let own = digest(&manifest);
        let Manifest { study, study_schema, digests, .. } = of_this_form(&manifest, path)?;
        if let Some(other) = digests.keys().chain(parts.keys()).find(|name| !is_part(name)) {
            let other = other.escape_debug().take(64).collect::<String>();
            return Err(fault(format!("has a part {other}, which no generator has")));
        }
        for name in PARTS {
            let part = parts.get(name).ok_or_else(|| fault(format!("has no {name}")))?;
            if digests.get(name).is_none_or(|stated| *stated != digest(part)) {
                return Err(fault(format!(
                    "{name} is not what the manifest's digest says: the file is damaged or was \
                     changed; take it again from where it was made"
                )));
            }
        }
        let of = |name: &str| parts.get(name).map(Vec::as_slice).unwrap_or_default();
        let provenance: Provenance = serde_json::from_slice(of(PROVENANCE))
            .map_err(|error| fault(format!("{PROVENANCE}: {error}")))?;
        if provenance.schema != PROVENANCE_SCHEMA {
            let form = &provenance.schema;
            return Err(fault(format!(
                "{PROVENANCE} is of form {form:.64}, not {PROVENANCE_SCHEMA}"
            )));
        }
        let generator = serde_json::from_slice(of(GENERATOR))
            .map_err(|error| fault(format!("{GENERATOR}: {error}")))?;
        let study = study.chars().take(MOST_NAME).collect();
        let file = Self { study, generator, study_schema, provenance };
        // Whoever has a generator can use it: what does not fit shows here.
        file.open().map_err(|error| fault(error.to_string()))?;
        Ok((file, own))
    }
}

/// Whether a table has less noise than a promise rests on. All draws are in a sum, those that the
/// adversary takes off as well. A patient adds at most 1 to a round, so what is asked of a column alone has
/// a weight of at most sqrt(2) in it, that of a residual over two levels. The weight of a table of more
/// columns depends on groups that the file does not tell of, so nothing is held against its noise.
fn is_quiet(table: &Measured, noise: &Noise) -> bool {
    let steps = f64::from(1u32 << Ask::FRAC_BITS);
    let least = noise.s as f64 * f64::from(noise.draws).sqrt() / steps / 2f64.sqrt();
    table.attributes.len() < 2 && table.sd < least * (1.0 - 1e-6)
}

fn is_part(name: &str) -> bool {
    PARTS.contains(&name)
}

/// The manifest, if it is of the form that this program reads.
fn of_this_form(bytes: &[u8], path: &Path) -> Result<Manifest, Error> {
    let fault = |problem: String| Error::config(path, problem);
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| fault(format!("{MANIFEST}: {error}")))?;
    let form = value.get("schema").and_then(Value::as_str).unwrap_or("none");
    if form == crate::model_file::SCHEMA {
        let problem = "is a trained model, which predicts; `haima predict` uses it; virtual patients \
                       come from a generator that `haima synth fit` or a study wrote";
        return Err(fault(problem.into()));
    }
    if form != SCHEMA {
        let made_by = value.get("made_by").and_then(Value::as_str).unwrap_or("an unknown program");
        return Err(fault(format!(
            "a generator of form {form:.64}, made by {made_by:.64}; this program ({}) reads {SCHEMA}",
            crate::version()
        )));
    }
    serde_json::from_value(value).map_err(|error| fault(format!("{MANIFEST}: {error}")))
}

/// Whether an attribute's columns are the schema's, with its levels and within its ranges.
fn fits(attribute: &Attribute, schema: &Schema) -> Result<(), Error> {
    let within = |name: &str, edges: &[f64]| match schema.column(name).map(|own| &own.kind) {
        Ok(Column::Numeric { range, .. }) => {
            edges.iter().all(|edge| (range.0..=range.1).contains(edge))
        }
        _ => false,
    };
    let levels = |name: &str, own: &[String]| {
        schema.column(name).is_ok_and(|column| column.levels().is_some_and(|all| all == own))
    };
    let fits = match &attribute.kind {
        Kind::Number { edges, .. } => within(&attribute.name, edges),
        Kind::Levels { levels: own, .. } => levels(&attribute.name, own),
        Kind::Survival { time, event, edges, events, .. } => {
            within(time, edges) && levels(event, events)
        }
    };
    match fits {
        true => Ok(()),
        false => Err(Error::Config {
            file: "the generator".into(),
            problem: format!(
                "its `{}` is not as the schema of the same file has it",
                attribute.name.escape_debug()
            ),
        }),
    }
}

fn json(value: &impl Serialize, path: &Path) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::config(path, error.to_string()))
}
