//! The models of this binary, by name and version. No code travels: a manifest names one of these, or
//! one that a program brought along ([`add`]).

pub mod fusion;
pub mod images;
pub mod tabular;
pub mod vae;

use std::sync::OnceLock;

use super::inputs::Term;
use super::model::Model;
use crate::error::Error;
use crate::registry::Finished;
use crate::schema::Schema;
use crate::tasks::layout::refuse;

/// What a model's parameters are read with.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Name of the task, for errors.
    pub task: &'a str,
    /// The schema.
    pub schema: &'a Schema,
    /// Results of the study's earlier tasks.
    pub finished: &'a Finished,
    /// Inputs with their figures, for a model that has them already: a trained one.
    pub terms: Option<&'a [Term]>,
}

/// What opens a model: its parameters without `name` and `version`, and what they are read with.
pub type Open = fn(&toml::Table, &Context<'_>) -> Result<Box<dyn Model>, Error>;

/// A model: name, version, and how it is opened.
pub type Entry = (&'static str, u32, Open);

/// Models of the program that this crate is a part of.
static OWN: OnceLock<Vec<Entry>> = OnceLock::new();

/// The models of this crate.
const MODELS: &[Entry] = &[
    ("logistic", 1, tabular::logistic),
    ("cox", 1, tabular::cox),
    ("mlp", 1, tabular::mlp),
    ("deepsurv", 1, tabular::deepsurv),
    ("hazard", 1, tabular::hazard),
    ("cnn", 1, images::cnn),
    ("competing", 1, tabular::competing),
    ("vae", 1, vae::open),
    ("fusion", 1, fusion::open),
];

/// Weights that a model may have: what a round can carry.
pub const MOST_WEIGHTS: usize = 1 << 20;

fn models() -> impl Iterator<Item = &'static Entry> {
    MODELS.iter().chain(OWN.get().into_iter().flatten())
}

/// The models of this binary with their versions.
pub fn known() -> impl Iterator<Item = (&'static str, u32)> {
    models().map(|(name, version, _)| (*name, *version))
}

/// Adds a program's own models to those of this crate, for all trainings in the process: once, before
/// anything is opened. Whoever trains or uses such a model must run a program that has it.
///
/// # Errors
/// [`Error::Params`] when a name is one of this crate's or stands twice, or models were added before;
/// then nothing is added.
pub fn add(own: Vec<Entry>) -> Result<(), Error> {
    for (place, (name, version, _)) in own.iter().enumerate() {
        if MODELS.iter().any(|(known, _, _)| known == name) {
            return Err(refuse(name, "this name is taken by a model of haima; choose another"));
        }
        let mut earlier = own.iter().take(place);
        if earlier.any(|(known, its, _)| known == name && its == version) {
            return Err(refuse(name, "one name and version stands twice; number the versions"));
        }
    }
    let again = "models were added before; add all of a program's at once";
    OWN.set(own).map_err(|_| refuse("own", again))
}

/// Whether a program added a model of this name itself.
pub(crate) fn is_own(name: &str) -> bool {
    OWN.get().into_iter().flatten().any(|(own, _, _)| *own == name)
}

/// Opens the model that a table names by `name` and `version` (1 when it says none).
///
/// # Errors
/// For an unknown name or version, parameters that cannot be used, or more weights than a round
/// carries.
pub fn open(table: &toml::Table, context: &Context<'_>) -> Result<Box<dyn Model>, Error> {
    let task = context.task;
    let mut own = table.clone();
    let Some(toml::Value::String(name)) = own.remove("name") else {
        return Err(refuse(task, "a model needs a `name`"));
    };
    let version = match own.remove("version") {
        None => 1,
        Some(toml::Value::Integer(version)) => u32::try_from(version).unwrap_or(u32::MAX),
        Some(_) => return Err(refuse(task, "a model's `version` must be a whole number")),
    };
    let found = models().find(|(known, its, _)| (*known, *its) == (name.as_str(), version));
    let Some((_, _, open)) = found else {
        let known: Vec<String> = known().map(|(name, v)| format!("{name} {v}")).collect();
        let reason = format!("no model {name} version {version}; there are {}", known.join(", "));
        return Err(refuse(task, reason));
    };
    let model = open(&own, context)?;
    let parameters = model.parameters();
    if parameters > MOST_WEIGHTS {
        let reason = format!(
            "the model has {parameters} weights, at most {MOST_WEIGHTS}; use fewer or smaller layers"
        );
        return Err(refuse(task, reason));
    }
    Ok(model)
}
