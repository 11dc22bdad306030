//! The models of this binary, by name and version. No code travels: a manifest names one of these.

pub mod images;
pub mod tabular;

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

type Open = fn(&toml::Table, &Context<'_>) -> Result<Box<dyn Model>, Error>;

/// Name, version, and how it is opened.
const MODELS: &[(&str, u32, Open)] = &[
    ("logistic", 1, tabular::logistic),
    ("cox", 1, tabular::cox),
    ("mlp", 1, tabular::mlp),
    ("deepsurv", 1, tabular::deepsurv),
    ("hazard", 1, tabular::hazard),
    ("cnn", 1, images::cnn),
];

/// Weights that a model may have: what a round can carry.
pub const MOST_WEIGHTS: usize = 1 << 20;

/// The models of this binary with their versions.
pub fn known() -> impl Iterator<Item = (&'static str, u32)> {
    MODELS.iter().map(|(name, version, _)| (*name, *version))
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
    let found = MODELS.iter().find(|(known, its, _)| (*known, *its) == (name.as_str(), version));
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
