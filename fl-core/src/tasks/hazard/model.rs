//! A trained hazard model at work: risk scores and survival curves.
//!
//! Scalar f64 with `libm`, bit-identical on every machine: the concordance task bins by the risk
//! score, and all sites must bin alike.

use crate::cohort::Cohort;
use crate::design::Design;
use crate::error::Error;
use crate::nn::mlp::Shape;
use crate::results::HazardModel;
use crate::schema::Schema;
use crate::tasks::layout::refuse;

/// The risk score's network: one hidden layer, one output without a bias (the baseline has it).
pub(super) fn shape(inputs: usize, hidden: usize) -> Shape {
    Shape::new(vec![inputs, hidden, 1], false)
}

/// A checked [`HazardModel`] with the design that its inputs came from.
#[derive(Clone, Debug)]
pub struct Predictor {
    design: Design,
    shape: Shape,
    score: Vec<f64>,
    baseline: Vec<f64>,
    covariates: Vec<String>,
}

impl Predictor {
    /// Joins a model with the schema that it was trained under.
    ///
    /// # Errors
    /// [`Error::Params`] naming `task` when the inputs are none of the schema's, or the number of
    /// weights is not that of the widths, or a weight is not finite.
    pub fn new(task: &str, model: &HazardModel, schema: &Schema) -> Result<Self, Error> {
        let covariates = covariates(task, &model.inputs, schema)?;
        let design = Design::new(schema, &covariates)?;
        let hidden = model.hidden as usize;
        let widths = (design.width() + 2).checked_mul(hidden);
        let count = widths.and_then(|score| score.checked_add(model.cuts.len()));
        let finite = model.weights.iter().all(|weight| weight.is_finite());
        if count != Some(model.weights.len()) || !finite {
            return Err(refuse(
                task,
                "the model's weights do not belong to its inputs, hidden units and cuts; take the \
                 result of a finished hazard task as it is",
            ));
        }
        let shape = shape(design.width(), hidden);
        let (score, baseline) = model.weights.split_at(shape.parameters());
        let (score, baseline) = (score.to_vec(), baseline.to_vec());
        Ok(Self { design, shape, score, baseline, covariates })
    }

    /// The columns behind the model's inputs.
    #[must_use]
    pub fn covariates(&self) -> &[String] {
        &self.covariates
    }

    /// The design of the model's inputs.
    #[must_use]
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// The risk score f(x) of a standardised row: the log-odds of the hazard against the baseline;
    /// higher is earlier. NaN for a row of another length.
    #[must_use]
    pub fn risk(&self, row: &[f64]) -> f64 {
        let outputs = self.shape.evaluate(&self.score, row);
        outputs.and_then(|outputs| outputs.first().copied()).unwrap_or(f64::NAN)
    }

    /// A patient's risk score; `None` when a covariate is missing.
    #[must_use]
    pub fn risk_of(&self, cohort: &Cohort, patient: usize) -> Option<f64> {
        let mut row = vec![0.0; self.design.width()];
        self.design.row(cohort, patient, &mut row).then(|| self.risk(&row))
    }

    /// An interval that holds the risk scores of all rows in [-1, 1]: a function of the weights
    /// alone, by bounding each hidden unit.
    #[must_use]
    pub fn risk_range(&self) -> (f64, f64) {
        let hidden = self.shape.hidden();
        let split = self.design.width() * hidden;
        let (matrix, rest) = self.score.split_at(split.min(self.score.len()));
        let (bias, output) = rest.split_at(hidden.min(rest.len()));
        let mut range = (0.0, 0.0);
        for (unit, (bias, weight)) in bias.iter().zip(output).enumerate() {
            let reach: f64 =
                matrix.iter().skip(unit).step_by(hidden.max(1)).map(|value| value.abs()).sum();
            let ends = (weight * libm::tanh(bias - reach), weight * libm::tanh(bias + reach));
            range.0 += ends.0.min(ends.1);
            range.1 += ends.0.max(ends.1);
        }
        range
    }

    /// Survival past each cut for a standardised row: the product of 1 - hazard up to it.
    #[must_use]
    pub fn survival(&self, row: &[f64]) -> Vec<f64> {
        let risk = self.risk(row);
        self.baseline
            .iter()
            .scan(1.0, |survival, alpha| {
                *survival /= 1.0 + libm::exp(alpha + risk);
                Some(*survival)
            })
            .collect()
    }
}

/// The columns whose terms are `inputs`, in their order.
fn covariates(task: &str, inputs: &[String], schema: &Schema) -> Result<Vec<String>, Error> {
    let mut columns = Vec::new();
    let mut rest = inputs;
    while let Some(first) = rest.first() {
        let (name, width) = schema
            .columns
            .iter()
            .find_map(|column| {
                let design = Design::new(schema, std::slice::from_ref(&column.name)).ok()?;
                rest.starts_with(design.names()).then(|| (column.name.clone(), design.width()))
            })
            .ok_or_else(|| {
                refuse(task, format!("the schema has no column behind the model's `{first}`"))
            })?;
        columns.push(name);
        rest = rest.get(width..).unwrap_or_default();
    }
    Ok(columns)
}
