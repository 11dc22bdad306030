//! What the strategies and the training task know of a model.
//!
//! A model's weights are one flat vector; [`Model::layers`] names its parts, for files that others
//! read. Every model gives each patient's gradient alone ([`PatientLoss`]) and has beside it a plain
//! scalar pass ([`Model::predict`]) that is the same on every machine, for all that the parties
//! replay or bin by (rule X3).

use crate::cohort::Cohort;
use crate::learn::bodies::Body;
use crate::learn::inputs::Inputs;
use crate::learn::outcomes::Outcome;
use crate::nn::PatientLoss;

/// A named part of the weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Name, e.g. `body.0.weight`.
    pub name: String,
    /// Extents, slowest first; their product is the number of weights.
    pub shape: Vec<usize>,
    /// Whether the part makes the prediction from what the others found: what FedPer keeps at home.
    pub head: bool,
}

impl Layer {
    /// Number of weights.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no weight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a model says of a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One probability.
    Binary,
    /// A probability a class.
    Classes,
    /// A risk score, then the survival past each cut.
    Survival,
    /// For each cause, its cumulative incidence at each cut; then a risk score a cause.
    Competing,
    /// The inputs again, as the model would draw them.
    Reconstruction,
}

/// A part of a patient's loss: a function of one linear predictor z = x' weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictor {
    /// x, as long as the weights.
    pub direction: Vec<f64>,
    /// First derivative of the loss by z.
    pub slope: f64,
    /// Second derivative, at least 0.
    pub curvature: f64,
}

/// A network with its inputs and its loss.
pub trait Model: Send + Sync {
    /// Its parts, in the order of the weights.
    fn layers(&self) -> Vec<Layer>;

    /// Number of weights.
    fn parameters(&self) -> usize {
        self.layers().iter().map(Layer::len).sum()
    }

    /// Weights before training: a function of the seed alone (rule N4).
    fn initial(&self, seed: u64) -> Vec<f64>;

    /// What of the cohort it reads.
    fn inputs(&self) -> &Inputs;

    /// Numbers of an encoded patient: inputs, then the outcome. A patient of zeros has no loss.
    fn width(&self) -> usize;

    /// Appends an encoded patient; false, with nothing appended, when something needed is missing.
    fn encode(&self, cohort: &Cohort, patient: usize, out: &mut Vec<f32>) -> bool;

    /// The loss at given weights, in burn; `None` when their number is wrong.
    fn loss(&self, weights: &[f64]) -> Option<Box<dyn PatientLoss>>;

    /// What [`Model::predict`] gives.
    fn kind(&self) -> Kind;

    /// Names of the numbers that [`Model::predict`] gives.
    fn outputs(&self) -> Vec<String>;

    /// The prediction for encoded inputs (an outcome behind them is not read), in scalar doubles.
    /// `None` when a length is wrong.
    fn predict(&self, weights: &[f64], inputs: &[f32]) -> Option<Vec<f64>>;

    /// An encoded patient's loss in scalar doubles; `None` when a length is wrong.
    fn loss_of(&self, weights: &[f64], patient: &[f32]) -> Option<f64>;

    /// The linear predictors of an encoded patient, in scalar doubles, for a model that is linear in
    /// its weights; `None` for any other, or when a length is wrong.
    fn predictors(&self, _weights: &[f64], _patient: &[f32]) -> Option<Vec<Predictor>> {
        None
    }

    /// A synthetic patient, in scalar doubles: a number for each of [`Inputs::columns`], as a cohort
    /// holds it. `None` for a model that draws none, or when the number of weights is wrong.
    fn sample(&self, _weights: &[f64], _seed: u64) -> Option<Vec<f64>> {
        None
    }
}

/// A body whose scores an outcome reads: every model but those that learn from inputs alone.
pub struct Supervised {
    /// Columns.
    pub inputs: Inputs,
    /// From inputs to scores.
    pub body: Box<dyn Body>,
    /// From scores to a loss and a prediction.
    pub outcome: Box<dyn Outcome>,
}

impl Supervised {
    fn split<'w>(&self, weights: &'w [f64]) -> Option<(&'w [f64], &'w [f64])> {
        let split = weights.split_at_checked(self.body.parameters())?;
        (split.1.len() == self.outcome.parameters()).then_some(split)
    }

    fn scores(&self, weights: &[f64], patient: &[f32]) -> Option<Vec<f64>> {
        self.body.evaluate(weights, &doubles(patient.get(..self.inputs.width())?))
    }

    fn target(&self, patient: &[f32]) -> Option<Vec<f64>> {
        Some(doubles(patient.get(self.inputs.width()..self.width())?))
    }
}

impl Model for Supervised {
    fn layers(&self) -> Vec<Layer> {
        let mut layers = self.body.layers();
        if self.outcome.parameters() > 0 {
            let shape = vec![self.outcome.parameters()];
            layers.push(Layer { name: "outcome.baseline".into(), shape, head: true });
        }
        layers
    }

    fn initial(&self, seed: u64) -> Vec<f64> {
        let mut weights = self.body.initial(seed);
        weights.extend(self.outcome.initial());
        weights
    }

    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn width(&self) -> usize {
        self.inputs.width() + self.outcome.width()
    }

    fn encode(&self, cohort: &Cohort, patient: usize, out: &mut Vec<f32>) -> bool {
        let before = out.len();
        let complete =
            self.inputs.encode(cohort, patient, out) && self.outcome.encode(cohort, patient, out);
        if !complete {
            out.truncate(before);
        }
        complete
    }

    fn loss(&self, weights: &[f64]) -> Option<Box<dyn PatientLoss>> {
        let (body, own) = self.split(weights)?;
        Some(Box::new(super::local::SupervisedLoss {
            body: self.body.network(body)?,
            outcome: self.outcome.layer(own),
            inputs: self.inputs.width(),
            width: self.width(),
        }))
    }

    fn kind(&self) -> Kind {
        self.outcome.kind()
    }

    fn outputs(&self) -> Vec<String> {
        self.outcome.outputs()
    }

    fn predict(&self, weights: &[f64], inputs: &[f32]) -> Option<Vec<f64>> {
        let (body, own) = self.split(weights)?;
        Some(self.outcome.predict(own, &self.scores(body, inputs)?))
    }

    fn loss_of(&self, weights: &[f64], patient: &[f32]) -> Option<f64> {
        let (body, own) = self.split(weights)?;
        Some(self.outcome.loss_of(own, &self.scores(body, patient)?, &self.target(patient)?))
    }

    fn predictors(&self, weights: &[f64], patient: &[f32]) -> Option<Vec<Predictor>> {
        let (body, own) = self.split(weights)?;
        let inputs = self.body.direction(&doubles(patient.get(..self.inputs.width())?))?;
        let scores = self.scores(body, patient)?;
        let derivatives = self.outcome.derivatives(own, &scores, &self.target(patient)?)?;
        let of = |(j, [slope, curvature]): (usize, [f64; 2])| {
            let mut direction = inputs.clone();
            direction.extend((0..own.len()).map(|k| f64::from(u8::from(j == k))));
            Predictor { direction, slope, curvature }
        };
        Some(derivatives.into_iter().enumerate().map(of).collect())
    }
}

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}
