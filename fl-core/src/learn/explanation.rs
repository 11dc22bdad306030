//! What a prediction is made of: attributions to the inputs.
//!
//! Integrated gradients (Sundararajan, Taly and Yan, ICML 2017): input i has
//! `x_i * integral over a in [0, 1] of the slope by i at a x`, along the straight line from the public
//! centre, where every standardised input is 0 (the middle of a range, a prepared mean, the first
//! level of a category). The attributions add up to the difference from the prediction there
//! (*completeness*). For a linear model the integral is exact: coefficient times input.
//!
//! A probability is explained by its log-odds, on which effects add; a risk score as it is. Slopes
//! are central differences of the scalar pass, so every model has them and a patient's attributions
//! are a function of that patient alone (rule S2). The integral is by Gauss's rule of two points on
//! even parts of the line.

use super::model::{Kind, Model};
use super::trained::Trained;
use crate::cohort::Cohort;
use crate::error::Error;
use crate::tasks::layout::refuse;

/// Probabilities nearer than this to 0 and 1 count as this: their log-odds end at +-27.6.
const LEAST: f64 = 1e-12;
/// Half the distance over which a slope is taken, in standardised inputs: a power of two, large
/// beside the spacing of the single precision that inputs have.
const STEP: f32 = 1.0 / 512.0;
/// Parts of the line when one patient is explained, doubled until the sum is complete.
const PARTS: (u32, u32) = (16, 1024);
const COMPLETE: f64 = 1e-4;

/// The one number of a prediction that is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focus {
    output: usize,
    name: String,
    probability: bool,
}

impl Focus {
    /// The output of that name; by default the probability of a binary model and the risk of a
    /// survival model.
    ///
    /// # Errors
    /// [`Error::Params`] naming `task` for a name that is no output, a model that needs one, or one
    /// that predicts no outcome.
    pub fn new(task: &str, model: &dyn Model, output: Option<&str>) -> Result<Self, Error> {
        let names = model.outputs();
        let known = names.join(", ");
        let place = match (model.kind(), output) {
            (Kind::Reconstruction, _) => {
                return Err(refuse(task, "the model predicts no outcome that could be explained"));
            }
            (_, Some(name)) => names.iter().position(|own| own == name).ok_or_else(|| {
                refuse(task, format!("`{name}` is none of the model's outputs: {known}"))
            })?,
            (Kind::Binary | Kind::Survival, None) => 0,
            (Kind::Classes | Kind::Competing, None) => {
                let reason = format!("the model has several outputs; name one of {known}");
                return Err(refuse(task, reason));
            }
        };
        Self::of_place(model, place).ok_or_else(|| refuse(task, "the model has no output"))
    }

    fn of_place(model: &dyn Model, output: usize) -> Option<Self> {
        let name = model.outputs().get(output)?.clone();
        // A survival model's risk, or that of one of several causes.
        let ranks = matches!(model.kind(), Kind::Survival | Kind::Competing);
        let probability = !(ranks && name.starts_with("risk"));
        Some(Self { output, name, probability })
    }

    /// Its place among the numbers of a prediction.
    #[must_use]
    pub fn place(&self) -> usize {
        self.output
    }

    /// The output's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the number is a probability, and so is explained by its log-odds.
    #[must_use]
    pub fn is_probability(&self) -> bool {
        self.probability
    }

    /// The number as it is predicted for encoded inputs.
    #[must_use]
    pub fn predicted(&self, model: &dyn Model, weights: &[f64], inputs: &[f32]) -> Option<f64> {
        model.predict(weights, inputs)?.get(self.output).copied()
    }

    /// The number on the scale on which effects add.
    #[must_use]
    pub fn effect(&self, model: &dyn Model, weights: &[f64], inputs: &[f32]) -> Option<f64> {
        let predicted = self.predicted(model, weights, inputs)?;
        Some(if self.probability {
            let p = predicted.clamp(LEAST, 1.0 - LEAST);
            libm::log(p) - libm::log1p(-p)
        } else {
            predicted
        })
    }

    /// Whether the number is linear in the inputs of a linear model.
    fn is_linear(&self, model: &dyn Model) -> bool {
        self.output == 0 && matches!(model.kind(), Kind::Binary | Kind::Survival)
    }
}

/// The coefficients of a model that is linear in its inputs, in their order; `None` for any other.
#[must_use]
pub fn coefficients<'w>(model: &dyn Model, weights: &'w [f64]) -> Option<&'w [f64]> {
    let layers = model.layers();
    let width = model.inputs().width();
    let (first, rest) = layers.split_first()?;
    let linear = first.name == "body.0.weight"
        && first.shape == [width, 1]
        && rest.iter().all(|layer| ["body.0.bias", "outcome.baseline"].contains(&&*layer.name));
    if linear { weights.get(..width) } else { None }
}

/// Integrated gradients of encoded inputs over `parts` parts of the line from the centre; `None` when
/// a length is wrong.
#[must_use]
pub fn integrated_gradients(
    model: &dyn Model,
    weights: &[f64],
    focus: &Focus,
    inputs: &[f32],
    parts: u32,
) -> Option<Vec<f64>> {
    if inputs.len() != model.inputs().width() {
        return None;
    }
    let parts = f64::from(parts.max(1));
    // Gauss and Legendre: +-1/sqrt(3) about the middle of each part.
    let offset = 0.5 / 3f64.sqrt();
    let mut attributions = vec![0.0; inputs.len()];
    let mut part = 0.0;
    while part < parts {
        for place in [part + 0.5 - offset, part + 0.5 + offset] {
            let share = place / parts;
            let mut point: Vec<f32> =
                inputs.iter().map(|x| (share * f64::from(*x)) as f32).collect();
            for (i, (sum, x)) in attributions.iter_mut().zip(inputs).enumerate() {
                // Taken whatever the value, so that the work does not tell it (rule S5).
                let slope = slope(model, weights, focus, &mut point, i)?;
                // What is at the centre has no attribution.
                if *x != 0.0 {
                    *sum += slope * f64::from(*x) / (2.0 * parts);
                }
            }
        }
        part += 1.0;
    }
    Some(attributions)
}

/// The slope of the effect by input `i`, by a central difference.
fn slope(
    model: &dyn Model,
    weights: &[f64],
    focus: &Focus,
    point: &mut [f32],
    i: usize,
) -> Option<f64> {
    let own = *point.get(i)?;
    let mut at = |value: f32| {
        *point.get_mut(i)? = value;
        focus.effect(model, weights, point)
    };
    let (below, above) = (own - STEP, own + STEP);
    let (low, high) = (at(below)?, at(above)?);
    *point.get_mut(i)? = own;
    Some((high - low) / (f64::from(above) - f64::from(below)))
}

/// What one patient's prediction is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Which output.
    pub output: String,
    /// Whether effects are log-odds of a probability; else they are those of the risk score.
    pub log_odds: bool,
    /// The effect at the public centre.
    pub centre: f64,
    /// The effect for this patient: the centre's and all contributions.
    pub effect: f64,
    /// What each input adds, by its name, in the order of the inputs.
    pub contributions: Vec<(String, f64)>,
}

impl Trained {
    /// What makes a patient's prediction: of the probability or the risk; for several classes, of
    /// that which is most probable; for competing causes, of the first one's risk. `None` when an input
    /// is missing, or the model predicts no outcome.
    #[must_use]
    pub fn explain(&self, cohort: &Cohort, patient: usize) -> Option<Explanation> {
        let (model, weights) = (self.model(), self.weights());
        let mut inputs = Vec::with_capacity(model.inputs().width());
        if !model.inputs().encode(cohort, patient, &mut inputs) {
            return None;
        }
        let predicted = model.predict(weights, &inputs)?;
        let place = match model.kind() {
            Kind::Binary | Kind::Survival => 0,
            Kind::Classes => {
                let most = predicted.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                predicted.iter().position(|p| *p == most)?
            }
            Kind::Competing => model.outputs().iter().position(|name| name.starts_with("risk"))?,
            Kind::Reconstruction => return None,
        };
        let focus = Focus::of_place(model, place)?;
        let centre = focus.effect(model, weights, &vec![0.0; inputs.len()])?;
        let effect = focus.effect(model, weights, &inputs)?;
        let attributions = match coefficients(model, weights) {
            Some(slopes) if focus.is_linear(model) => {
                slopes.iter().zip(&inputs).map(|(slope, x)| slope * f64::from(*x)).collect()
            }
            _ => complete(model, weights, &focus, &inputs, effect - centre)?,
        };
        let names = model.inputs().terms().iter().map(|term| term.name.clone());
        Some(Explanation {
            output: focus.name,
            log_odds: focus.probability,
            centre,
            effect,
            contributions: names.zip(attributions).collect(),
        })
    }
}

/// Integrated gradients over ever more parts, until they add up to `difference`.
fn complete(
    model: &dyn Model,
    weights: &[f64],
    focus: &Focus,
    inputs: &[f32],
    difference: f64,
) -> Option<Vec<f64>> {
    let (mut parts, most) = PARTS;
    loop {
        let found = integrated_gradients(model, weights, focus, inputs, parts)?;
        let missed = (found.iter().sum::<f64>() - difference).abs();
        if missed <= COMPLETE * (1.0 + difference.abs()) || parts >= most {
            return Some(found);
        }
        parts *= 2;
    }
}
