//! A network over several kinds of data (clinical, genomic, images), of which a patient may lack some.
//!
//! Each branch names its columns and its layers; a patient has a branch when all of its columns are
//! known, or `missing` lets something stand in. Who has at least one branch is taken: a patient without
//! the gene panel trains the clinical branch, the trunk, and what the trunk concludes from the panel's
//! absence. See [`crate::learn::bodies::fusion`].
//!
//! Outcomes are those of the tabular models: `outcome`, or `time`, `event` and `horizon`, or `time`,
//! `event` and `cuts`; the last is a hazard (`form`) where `event` is a flag, competing risks where it
//! is a category.

use serde::Deserialize;

use super::Context;
use super::images::Pixels;
use super::tabular::{Columns, Target, check_hidden, known_keys};
use crate::error::Error;
use crate::learn::bodies::Body;
use crate::learn::bodies::dense::Dense;
use crate::learn::bodies::fusion::{Branch, Fusion};
use crate::learn::inputs::Inputs;
use crate::learn::model::{Model, Supervised};
use crate::tasks::layout::{params, refuse};

const MOST_BRANCHES: usize = 16;

/// Parameters of a branch.
#[derive(Clone, Debug, Deserialize)]
struct BranchParams {
    name: String,
    #[serde(default)]
    kind: BranchKind,
    #[serde(flatten)]
    columns: Columns,
    /// Widths of its layers; the last is the number of its features.
    #[serde(default = "hidden")]
    hidden: Vec<usize>,
    /// The image of a branch of kind `cnn`: `channels`, `height`, `width`, `filters`, `kernel`.
    #[serde(skip)]
    pixels: Option<Pixels>,
}

/// What a branch is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BranchKind {
    /// Fully connected layers.
    #[default]
    Dense,
    /// Convolutions over an image, then fully connected layers.
    Cnn,
}

fn hidden() -> Vec<usize> {
    vec![8]
}

const BRANCH_KEYS: &[&str] =
    &["name", "kind", "columns", "log1p", "missing", "prepared", "impute", "hidden"];
const PIXEL_KEYS: &[&str] = &["channels", "height", "width", "filters", "kernel"];

#[derive(Clone, Debug, Deserialize)]
struct Params {
    /// The branches, each a table.
    branch: Vec<toml::Table>,
    #[serde(flatten)]
    target: Target,
    /// Hidden layers of the trunk; none makes it linear in the features.
    #[serde(default)]
    hidden: Vec<usize>,
}

const KEYS: &[&str] = &[
    "branch",
    "outcome",
    "time",
    "event",
    "horizon",
    "cuts",
    "form",
    "baseline_scale",
    "baseline_hazard",
    "hidden",
];

pub(super) fn open(table: &toml::Table, context: &Context<'_>) -> Result<Box<dyn Model>, Error> {
    let task = context.task;
    known_keys(task, table, KEYS)?;
    let Params { branch: tables, target, hidden } = params(task, table)?;
    if !(1..=MOST_BRANCHES).contains(&tables.len()) {
        return Err(refuse(task, format!("a fusion network has 1 to {MOST_BRANCHES} `branch`es")));
    }
    check_hidden(task, &hidden)?;
    let mut branches: Vec<Branch> = Vec::with_capacity(tables.len());
    let mut terms = Vec::new();
    for table in &tables {
        let own = BranchParams::read(task, table)?;
        check_name(task, &own.name, &branches)?;
        let inputs = own.columns.inputs(context)?;
        if let Some(name) = shared(&terms, &inputs) {
            let reason = format!("two branches share the column `{name}`; keep it in one");
            return Err(refuse(task, reason));
        }
        branches.push(own.open(task, &inputs)?);
        terms.extend(inputs.terms().iter().cloned());
    }
    let outcome = target.any(context)?;
    let lengths = branches.iter().map(|branch| branch.inputs).collect();
    let inputs = Inputs::of_terms(task, context.schema, terms)?.with_branches(lengths);
    target.apart_from(task, &inputs)?;
    // A baseline takes the place of the last bias.
    let bias = outcome.parameters() == 0;
    let width = Fusion::trunk_inputs(&branches);
    let trunk = Box::new(Dense::new(width, &hidden, outcome.scores(), bias).at_random());
    let body = Box::new(Fusion::new(branches, trunk));
    Ok(Box::new(Supervised { inputs, body, outcome }))
}

impl BranchParams {
    fn read(task: &str, table: &toml::Table) -> Result<Self, Error> {
        let own: Self = params(task, table)?;
        match own.kind {
            BranchKind::Dense => known_keys(task, table, BRANCH_KEYS)?,
            BranchKind::Cnn => {
                known_keys(task, table, &[BRANCH_KEYS, PIXEL_KEYS].concat())?;
                return Ok(Self { pixels: Some(params(task, table)?), ..own });
            }
        }
        Ok(own)
    }

    fn open(self, task: &str, inputs: &Inputs) -> Result<Branch, Error> {
        check_hidden(task, &self.hidden)?;
        let Some((features, before)) = self.hidden.split_last() else {
            return Err(refuse(task, format!("branch `{}` needs a layer in `hidden`", self.name)));
        };
        let width = inputs.width();
        let body: Box<dyn Body> = match self.pixels {
            None => Box::new(Dense::new(width, before, *features, true).at_random()),
            Some(pixels) => Box::new(pixels.body(task, width, before, *features, true)?),
        };
        Ok(Branch { name: self.name, inputs: inputs.width(), features: *features, body })
    }
}

/// Names stand in those of weights: letters, digits and `_`, each once.
fn check_name(task: &str, name: &str, known: &[Branch]) -> Result<(), Error> {
    let proper = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !proper || name.is_empty() || name.len() > 32 {
        let name: String = name.escape_debug().take(32).collect();
        let reason = format!("branch `{name}`: a name has 1 to 32 letters, digits or `_`");
        return Err(refuse(task, reason));
    }
    if known.iter().any(|branch| branch.name == name) {
        return Err(refuse(task, format!("two branches are named `{name}`")));
    }
    Ok(())
}

/// A column of `inputs` that an earlier branch has.
fn shared<'a>(terms: &[crate::learn::inputs::Term], inputs: &'a Inputs) -> Option<&'a str> {
    inputs.columns().into_iter().find(|name| terms.iter().any(|term| term.column == **name))
}
