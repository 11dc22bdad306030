//! Models of one row of columns: a linear predictor or hidden layers before an outcome.
//!
//! | name | body | outcome |
//! |---|---|---|
//! | `logistic` | linear | a flag, or the event by a horizon |
//! | `cox` | linear | hazard rate with a baseline; coefficients are log hazard ratios |
//! | `mlp` | hidden layers | a flag, the event by a horizon, or a category |
//! | `deepsurv` | hidden layers | as `cox` (Katzman et al., BMC Med Res Methodol 2018;18:24) |
//! | `hazard` | hidden layers | logit of the hazard of an interval |
//! | `competing` | hidden layers, or none | which cause ends an interval |

use serde::Deserialize;

use super::Context;
use crate::error::Error;
use crate::learn::bodies::dense::Dense;
use crate::learn::figures::{self, Impute};
use crate::learn::harmonise::Harmonise;
use crate::learn::inputs::{Inputs, Missing, Term, expand};
use crate::learn::model::{Model, Supervised};
use crate::learn::outcomes::Outcome;
use crate::learn::outcomes::classes::{Binary, Classes};
use crate::learn::outcomes::competing::Competing;
use crate::learn::outcomes::hazards::{Baseline, Form, Hazard};
use crate::schema::Kind;
use crate::tasks::layout::{params, refuse};

const MOST_HIDDEN: usize = 4096;
const MOST_LAYERS: usize = 16;

/// Columns of a model and how they are standardised.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Columns {
    /// Columns, or `PREFIX*`.
    #[serde(default)]
    columns: Vec<String>,
    /// Columns that enter as log(1 + x).
    #[serde(default)]
    log1p: Vec<String>,
    /// What is done with missing values.
    #[serde(default)]
    missing: Missing,
    /// Manifest id of the `prepare` task whose figures take the place of the public range's.
    prepared: Option<String>,
    /// What stands in for a missing number.
    #[serde(default)]
    impute: Impute,
    /// Manifest id of the `combat` task that adjusts columns.
    harmonised: Option<String>,
}

impl Columns {
    pub(super) fn inputs(&self, context: &Context<'_>) -> Result<Inputs, Error> {
        let Context { task, schema, .. } = *context;
        let Some(terms) = context.terms else {
            let inputs = Inputs::of_schema(task, schema, &self.columns, &self.log1p, self.missing)?;
            return self.by_figures(inputs, context);
        };
        let columns = expand(task, schema, &self.columns)?;
        let own = |term: &&Term| columns.iter().any(|column| column.name == term.column);
        Inputs::of_terms(task, schema, terms.iter().filter(own).cloned().collect())
    }

    /// The inputs by the figures of earlier tasks, where there are any.
    fn by_figures(&self, mut inputs: Inputs, context: &Context<'_>) -> Result<Inputs, Error> {
        let Context { task, schema, finished, .. } = *context;
        if let Some(id) = &self.harmonised {
            let by = Harmonise::of_finished(task, schema, finished, id)?;
            inputs = inputs.harmonised(task, id, &by)?;
        }
        match &self.prepared {
            Some(id) => {
                let prepared = figures::of_finished(task, finished, id)?;
                if prepared.harmonised != self.harmonised {
                    let reason = format!(
                        "`{id}` and the model have to take the same `harmonised`; it has {}",
                        prepared.harmonised.as_deref().unwrap_or("none")
                    );
                    return Err(refuse(task, reason));
                }
                let terms = inputs.terms().to_vec();
                let terms = figures::standardise(task, terms, id, &prepared, self.impute)?;
                Inputs::of_terms(task, schema, terms)
            }
            None if self.impute != Impute::Mean => {
                Err(refuse(task, "`impute` chooses among figures that `prepared` gives"))
            }
            None => Ok(inputs),
        }
    }
}

/// What is predicted.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Target {
    /// A flag or a category.
    outcome: Option<String>,
    /// Time to the event or to the end of follow-up.
    time: Option<String>,
    /// Whether the event ended it.
    event: Option<String>,
    /// Makes time and event the question whether the event comes by then.
    horizon: Option<f64>,
    /// Right edges of the intervals of a baseline.
    cuts: Option<Vec<f64>>,
    /// What the score moves, where a model leaves it open.
    form: Option<Form>,
    baseline_scale: Option<f64>,
    baseline_hazard: Option<f64>,
}

impl Target {
    /// A flag, the event by a horizon, or (where `several`) a category.
    pub(super) fn classes(
        &self,
        context: &Context<'_>,
        several: bool,
    ) -> Result<Box<dyn Outcome>, Error> {
        let Context { task, schema, .. } = *context;
        match (&self.outcome, &self.time, &self.event, self.horizon) {
            (Some(column), None, None, None) => {
                let category = matches!(schema.column(column)?.kind, Kind::Category { .. });
                Ok(match several && category {
                    true => Box::new(Classes::new(task, schema, column)?),
                    false => Box::new(Binary::of_flag(task, schema, column)?),
                })
            }
            (None, Some(time), Some(event), Some(horizon)) => {
                Ok(Box::new(Binary::by_horizon(task, schema, time, event, horizon)?))
            }
            _ => Err(refuse(task, "give `outcome`, or all of `time`, `event` and `horizon`")),
        }
    }

    /// A time to an event.
    pub(super) fn hazard(
        &self,
        context: &Context<'_>,
        form: Form,
    ) -> Result<Box<dyn Outcome>, Error> {
        let Context { task, schema, .. } = *context;
        let (columns, cuts, baseline) = self.intervals(task)?;
        Ok(Box::new(Hazard::new(task, schema, form, columns, cuts, baseline)?))
    }

    /// A time to the first of several events: the levels of `event` after its first.
    pub(super) fn competing(&self, context: &Context<'_>) -> Result<Box<dyn Outcome>, Error> {
        let Context { task, schema, .. } = *context;
        let (columns, cuts, baseline) = self.intervals(task)?;
        Ok(Box::new(Competing::new(task, schema, columns, cuts, baseline)?))
    }

    /// Any of these, as the keys and the kind of `event` say.
    pub(super) fn any(&self, context: &Context<'_>) -> Result<Box<dyn Outcome>, Error> {
        match (&self.event, &self.cuts) {
            (Some(event), Some(_)) => match context.schema.column(event)?.kind {
                Kind::Category { .. } => self.competing(context),
                _ => self.hazard(context, self.form.unwrap_or(Form::Logit)),
            },
            _ => self.classes(context, true),
        }
    }

    /// Refuses inputs among which the outcome is.
    pub(super) fn apart_from(&self, task: &str, inputs: &Inputs) -> Result<(), Error> {
        let columns = inputs.columns();
        let mut names = [&self.outcome, &self.time, &self.event].into_iter().flatten();
        match names.find(|name| columns.contains(&name.as_str())) {
            Some(name) => Err(refuse(task, format!("`{name}` is the outcome and an input"))),
            None => Ok(()),
        }
    }

    /// What every outcome over intervals is made of.
    fn intervals(&self, task: &str) -> Result<Intervals<'_>, Error> {
        let (Some(time), Some(event), Some(cuts), None, None) =
            (&self.time, &self.event, &self.cuts, &self.outcome, self.horizon)
        else {
            return Err(refuse(task, "give `time`, `event` and `cuts`"));
        };
        let default = Baseline::default();
        let baseline = Baseline {
            scale: self.baseline_scale.unwrap_or(default.scale),
            hazard: self.baseline_hazard.unwrap_or(default.hazard),
        };
        Ok(((time, event), cuts, baseline))
    }
}

/// Columns of time and event, right edges, and the baseline.
type Intervals<'a> = ((&'a str, &'a str), &'a [f64], Baseline);

/// Parameters of all of these models.
#[derive(Clone, Debug, Deserialize)]
struct Params {
    #[serde(flatten)]
    columns: Columns,
    #[serde(flatten)]
    target: Target,
    hidden: Option<Vec<usize>>,
}

const KEYS: &[&str] = &[
    "columns",
    "log1p",
    "missing",
    "prepared",
    "impute",
    "harmonised",
    "outcome",
    "time",
    "event",
    "horizon",
    "cuts",
    "baseline_scale",
    "baseline_hazard",
    "hidden",
];

fn read(table: &toml::Table, context: &Context<'_>) -> Result<Params, Error> {
    known_keys(context.task, table, KEYS)?;
    params(context.task, table)
}

/// Refuses a key that a model does not have (serde cannot, where tables are flattened).
pub(super) fn known_keys(task: &str, table: &toml::Table, keys: &[&str]) -> Result<(), Error> {
    match table.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => {
            let reason = format!("the model has no `{key}`; it has {}", keys.join(", "));
            Err(refuse(task, reason))
        }
        None => Ok(()),
    }
}

/// Refuses layers that no computer holds.
pub(super) fn check_hidden(task: &str, hidden: &[usize]) -> Result<(), Error> {
    if hidden.len() <= MOST_LAYERS && hidden.iter().all(|width| (1..=MOST_HIDDEN).contains(width)) {
        Ok(())
    } else {
        let reason =
            format!("`hidden` has at most {MOST_LAYERS} layers of 1 to {MOST_HIDDEN} units");
        Err(refuse(task, reason))
    }
}

fn supervised(
    params: &Params,
    context: &Context<'_>,
    hidden: &[usize],
    outcome: Box<dyn Outcome>,
) -> Result<Box<dyn Model>, Error> {
    let task = context.task;
    check_hidden(task, hidden)?;
    let inputs = params.columns.inputs(context)?;
    params.target.apart_from(task, &inputs)?;
    // A baseline takes the place of the last bias.
    let bias = outcome.parameters() == 0;
    let body = Box::new(Dense::new(inputs.width(), hidden, outcome.scores(), bias));
    Ok(Box::new(Supervised { inputs, body, outcome }))
}

fn linear(
    params: &Params,
    context: &Context<'_>,
    outcome: Box<dyn Outcome>,
) -> Result<Box<dyn Model>, Error> {
    if params.hidden.is_some() {
        return Err(refuse(context.task, "a linear model has no `hidden` layers"));
    }
    supervised(params, context, &[], outcome)
}

fn layered(
    params: &Params,
    context: &Context<'_>,
    outcome: Box<dyn Outcome>,
) -> Result<Box<dyn Model>, Error> {
    let hidden = params.hidden.clone().unwrap_or_else(|| vec![16]);
    if hidden.is_empty() {
        return Err(refuse(context.task, "`hidden` must name at least one layer"));
    }
    supervised(params, context, &hidden, outcome)
}

pub(super) fn logistic(
    table: &toml::Table,
    context: &Context<'_>,
) -> Result<Box<dyn Model>, Error> {
    let params = read(table, context)?;
    linear(&params, context, params.target.classes(context, false)?)
}

pub(super) fn cox(table: &toml::Table, context: &Context<'_>) -> Result<Box<dyn Model>, Error> {
    let params = read(table, context)?;
    linear(&params, context, params.target.hazard(context, Form::Rate)?)
}

pub(super) fn mlp(table: &toml::Table, context: &Context<'_>) -> Result<Box<dyn Model>, Error> {
    let params = read(table, context)?;
    layered(&params, context, params.target.classes(context, true)?)
}

pub(super) fn deepsurv(
    table: &toml::Table,
    context: &Context<'_>,
) -> Result<Box<dyn Model>, Error> {
    let params = read(table, context)?;
    layered(&params, context, params.target.hazard(context, Form::Rate)?)
}

pub(super) fn hazard(table: &toml::Table, context: &Context<'_>) -> Result<Box<dyn Model>, Error> {
    let params = read(table, context)?;
    layered(&params, context, params.target.hazard(context, Form::Logit)?)
}

pub(super) fn competing(
    table: &toml::Table,
    context: &Context<'_>,
) -> Result<Box<dyn Model>, Error> {
    let params = read(table, context)?;
    let hidden = params.hidden.clone().unwrap_or_else(|| vec![16]);
    supervised(&params, context, &hidden, params.target.competing(context)?)
}
