//! A trained model as one file, `NAME.haima`: a zip whose parts other programs read.
//!
//! | part | what it holds |
//! |---|---|
//! | `manifest.json` | `haima.model/1`: the training's result without weights, the study's schema, digests |
//! | `weights.safetensors` | the weights, a tensor a layer, doubles: what this program reads |
//! | `weights.burnpack` | the same in burn's record format, in burn's precision |
//! | `provenance.json` | where the model comes from ([`Provenance`]) |
//! | `card.md` | the model card ([`crate::card`]) |
//!
//! # Reading is for files of strangers
//!
//! A file is at most [`MOST_BYTES`] long and its parts are stored, not compressed, so none is larger
//! than the file is; a part that is no weights is at most [`MOST_TEXT`] long, for JSON takes many times
//! its length while it is read. Other parts, another number of them, or a digest that differs is an
//! error, and so is a model that its own schema does not fit, or a promise that the noise told of beside
//! it does not give. The digests find damage. They are no signature.

pub(crate) mod archive;
pub(crate) mod guarantee;
pub(crate) mod making;
pub(crate) mod metrics;
#[cfg(feature = "cli")]
pub(crate) mod patients;
mod provenance;
mod weights;

use std::path::Path;

use haima_crypto::encode::{Digest, Encoder};
use haima_fl_core::learn::strategies::Unit;
use haima_fl_core::learn::trained::Trained;
use haima_fl_core::results::network::Network;
use haima_fl_core::schema::Schema;
use haima_fl_core::tasks::train;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
pub use archive::MOST_BYTES;
#[cfg(feature = "cli")]
pub(crate) use archive::bounded;
#[cfg(feature = "cli")]
pub(crate) use archive::whole;
pub use provenance::SCHEMA as PROVENANCE_SCHEMA;
pub use provenance::{Data, Figure, Guarantee, Metric, Noise, Provenance};

/// Form of the manifest.
pub const SCHEMA: &str = "haima.model/1";

const MANIFEST: &str = "manifest.json";
const SAFETENSORS: &str = "weights.safetensors";
const BURNPACK: &str = "weights.burnpack";
const PROVENANCE: &str = "provenance.json";
const CARD: &str = "card.md";
/// The part that tells a generator of virtual patients ([`crate::synth::file`]) from a trained model.
const GENERATOR: &str = "generator.json";
/// Parts that are texts.
const TEXTS: [&str; 3] = [MANIFEST, PROVENANCE, CARD];
/// Bytes that each of them may have.
pub const MOST_TEXT: usize = 8 << 20;
/// All parts.
const ALL: [&str; 5] = [MANIFEST, SAFETENSORS, BURNPACK, PROVENANCE, CARD];
/// Parts beside the manifest, which has their digests.
const PARTS: [&str; 4] = [SAFETENSORS, BURNPACK, PROVENANCE, CARD];

/// A trained model and all that is said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// The training's result: `haima.network/1`.
    pub network: Value,
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
    /// The training's result without its weights.
    network: Value,
    study_schema: toml::Table,
    /// SHA3-256 of each other part.
    digests: std::collections::BTreeMap<String, String>,
}

impl ModelFile {
    /// The training's result, read.
    ///
    /// # Errors
    /// When it is none.
    pub fn parsed(&self) -> Result<Network, Error> {
        Network::deserialize(&self.network).map_err(|error| Error::Config {
            file: "the training's result".into(),
            problem: format!("is no trained network: {error}"),
        })
    }

    /// The model at work.
    ///
    /// # Errors
    /// When result and schema do not fit, or the promise is not what the noise that the provenance tells
    /// of gives.
    pub fn open(&self) -> Result<Trained, Error> {
        let schema = Schema::from_toml(&self.study_schema)?;
        let network = self.parsed()?;
        let trained = Trained::new("model", &schema, &network)?;
        let made = guarantee::Made {
            task: train::NAME,
            schema: &schema,
            sums: network.steps,
            hides_hospital: network.unit == Unit::Site,
        };
        guarantee::check(&self.provenance, &made)
            .map_err(|problem| Error::Config { file: "the model".into(), problem })?;
        Ok(trained)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written, or its weights do not fit its layers.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let fault = |problem: String| Error::config(path, problem);
        let network = self.parsed()?;
        let card = crate::card::Card::of(self)?.markdown();
        let parts: Vec<(&str, Vec<u8>)> = vec![
            (SAFETENSORS, weights::safetensors(&network).map_err(fault)?),
            (BURNPACK, weights::burnpack(&network).map_err(fault)?),
            (PROVENANCE, json(&self.provenance, path)?),
            (CARD, card.into_bytes()),
        ];
        let mut result = self.network.clone();
        if let Some(result) = result.as_object_mut() {
            result.remove("weights");
        }
        let manifest = Manifest {
            schema: SCHEMA.to_owned(),
            made_by: crate::version(),
            network: result,
            study_schema: self.study_schema.clone(),
            digests: parts.iter().map(|(name, bytes)| ((*name).into(), digest(bytes))).collect(),
        };
        let mut all = vec![(MANIFEST, json(&manifest, path)?)];
        all.extend(parts);
        for (name, part) in &all {
            short_enough(name, part).map_err(fault)?;
        }
        archive::write(path, &all)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it is no such file, of another form, damaged or too large; says which part.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let fault = |problem: String| Error::config(path, problem);
        let mut parts = match archive::read(path, &ALL) {
            Err(_) if is_generator(path) => {
                let problem = "is a generator of virtual patients, which predicts nothing: draw \
                               rows from it by `haima synth sample`, set them beside real patients \
                               by `haima synth report`, read what it is by `haima card`";
                return Err(fault(problem.into()));
            }
            parts => parts?,
        };
        for (name, part) in &parts {
            short_enough(name, part).map_err(fault)?;
        }
        let manifest = parts.remove(MANIFEST).ok_or_else(|| {
            fault(format!("has no {MANIFEST}; is it a model that `haima train` wrote?"))
        })?;
        let Manifest { mut network, study_schema, digests, .. } = of_this_form(&manifest, path)?;
        if let Some(other) = digests.keys().find(|name| !PARTS.contains(&name.as_str())) {
            let other = other.escape_debug().take(64).collect::<String>();
            return Err(fault(format!("{MANIFEST}: a digest of {other}, which no model has")));
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
        let weights = weights::read(of(SAFETENSORS), &network)
            .map_err(|problem| fault(format!("{SAFETENSORS}: {problem}")))?;
        match network.as_object_mut() {
            Some(network) => network.insert("weights".into(), weights.into()),
            None => return Err(fault(format!("{MANIFEST}: `network` is no object"))),
        };
        let model = Self { network, study_schema, provenance };
        // Whoever has a model can use it: what does not fit shows here.
        model.open().map_err(|error| fault(error.to_string()))?;
        Ok(model)
    }
}

/// Whether a file is a generator of virtual patients rather than a trained model; a damaged one, too.
pub(crate) fn is_generator(path: &Path) -> bool {
    archive::has_part(path, GENERATOR, ALL.len())
}

/// Refuses a text that is too long to be read.
fn short_enough(name: &str, part: &[u8]) -> Result<(), String> {
    match TEXTS.contains(&name) && part.len() > MOST_TEXT {
        true => Err(format!(
            "{name} is too large: {} bytes; in a model it has at most {MOST_TEXT}",
            part.len()
        )),
        false => Ok(()),
    }
}

/// The manifest, if it is of the form that this program reads.
fn of_this_form(bytes: &[u8], path: &Path) -> Result<Manifest, Error> {
    let fault = |problem: String| Error::config(path, problem);
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| fault(format!("{MANIFEST}: {error}")))?;
    let form = value.get("schema").and_then(Value::as_str).unwrap_or("none");
    if form != SCHEMA {
        let made_by = value.get("made_by").and_then(Value::as_str).unwrap_or("an unknown program");
        return Err(fault(format!(
            "a model of form {form:.64}, made by {made_by:.64}; this program ({}) reads {SCHEMA}",
            crate::version()
        )));
    }
    serde_json::from_value(value).map_err(|error| fault(format!("{MANIFEST}: {error}")))
}

fn json(value: &impl Serialize, path: &Path) -> Result<Vec<u8>, Error> {
    serde_json::to_vec_pretty(value).map_err(|error| Error::config(path, error.to_string()))
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut to = Encoder::new("haima model part 1");
    to.bytes(bytes);
    Digest::of(&to.finish()).to_string()
}
