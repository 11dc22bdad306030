//! One of two classes (a flag, or the event by a horizon), or one of several (a category).
//!
//! Cross-entropy: -y log p - (1 - y) log(1 - p) with p = 1 / (1 + e^-z), and its form for several
//! classes with a softmax (Bishop, *Pattern Recognition and Machine Learning*, 2006, section 4.3).

use burn::tensor::{Tensor, activation};

use super::{Outcome, OutcomeLayer, logistic, softplus};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::learn::model::Kind;
use crate::nn::ghost::Tape;
use crate::schema::Schema;
use crate::tasks::layout::refuse;
use crate::tasks::survival::{Survival, check_flag};

/// Which of two classes a patient is in.
#[derive(Clone, Debug)]
enum Truth {
    /// A column of 0 and 1.
    Flag(String),
    /// 1 with the event at or before the horizon, 0 when followed to it without one; unknown when
    /// censored before.
    By {
        /// Time and event.
        survival: Survival,
        /// In the unit of the time.
        horizon: f64,
    },
}

/// A flag as outcome. The target is (1, y).
#[derive(Clone, Debug)]
pub struct Binary {
    truth: Truth,
}

impl Binary {
    /// A flag column.
    ///
    /// # Errors
    /// When it is none.
    pub fn of_flag(task: &str, schema: &Schema, column: &str) -> Result<Self, Error> {
        check_flag(task, schema, column)?;
        Ok(Self { truth: Truth::Flag(column.to_owned()) })
    }

    /// The event by a horizon.
    ///
    /// # Errors
    /// When the columns are not time and event, or the horizon lies outside the time's range.
    pub fn by_horizon(
        task: &str,
        schema: &Schema,
        time: &str,
        event: &str,
        horizon: f64,
    ) -> Result<Self, Error> {
        let survival = Survival::new(task, schema, time, event)?;
        if !(horizon > 0.0 && horizon < survival.max_time) {
            return Err(refuse(task, format!("`horizon` must lie within the range of `{time}`")));
        }
        Ok(Self { truth: Truth::By { survival, horizon } })
    }

    fn of(&self, cohort: &Cohort, patient: usize) -> Option<f64> {
        match &self.truth {
            Truth::Flag(column) => cohort.value(column, patient),
            Truth::By { survival, horizon } => match survival.of(cohort, patient)? {
                (time, true) if time <= *horizon => Some(1.0),
                (time, _) if time >= *horizon => Some(0.0),
                _ => None,
            },
        }
    }
}

impl Outcome for Binary {
    fn scores(&self) -> usize {
        1
    }

    fn parameters(&self) -> usize {
        0
    }

    fn initial(&self) -> Vec<f64> {
        Vec::new()
    }

    fn width(&self) -> usize {
        2
    }

    fn encode(&self, cohort: &Cohort, patient: usize, out: &mut Vec<f32>) -> bool {
        let Some(y) = self.of(cohort, patient) else { return false };
        out.extend([1.0, y as f32]);
        true
    }

    fn layer(&self, _own: &[f64]) -> Box<dyn OutcomeLayer> {
        Box::new(BinaryLayer)
    }

    fn kind(&self) -> Kind {
        Kind::Binary
    }

    fn outputs(&self) -> Vec<String> {
        vec!["probability".into()]
    }

    fn predict(&self, _own: &[f64], scores: &[f64]) -> Vec<f64> {
        scores.iter().map(|z| logistic(*z)).collect()
    }

    fn loss_of(&self, _own: &[f64], scores: &[f64], target: &[f64]) -> f64 {
        match (scores, target) {
            ([z], [known, y]) => known * softplus(*z) - y * z,
            _ => f64::NAN,
        }
    }

    fn derivatives(&self, _own: &[f64], scores: &[f64], target: &[f64]) -> Option<Vec<[f64; 2]>> {
        let ([z], [known, y]) = (scores, target) else { return None };
        let p = logistic(*z);
        Some(vec![[known * p - y, known * p * (1.0 - p)]])
    }
}

struct BinaryLayer;

impl OutcomeLayer for BinaryLayer {
    fn loss(&self, scores: Tensor<2>, target: Tensor<2>, _tape: &mut Tape) -> Tensor<1> {
        let known = target.clone().narrow(1, 0, 1);
        let y = target.narrow(1, 1, 1);
        (known * activation::softplus(scores.clone(), 1.0) - y * scores).sum()
    }
}

/// A category as outcome. The target is the indicator of each level.
#[derive(Clone, Debug)]
pub struct Classes {
    column: String,
    levels: Vec<String>,
}

impl Classes {
    /// A category.
    ///
    /// # Errors
    /// When the column has no levels.
    pub fn new(task: &str, schema: &Schema, column: &str) -> Result<Self, Error> {
        let levels = schema.column(column)?.levels();
        let Some(levels) = levels.filter(|levels| levels.len() > 1) else {
            return Err(refuse(
                task,
                format!("`{column}` has no classes; name a flag or a category"),
            ));
        };
        Ok(Self { column: column.to_owned(), levels })
    }
}

impl Outcome for Classes {
    fn scores(&self) -> usize {
        self.levels.len()
    }

    fn parameters(&self) -> usize {
        0
    }

    fn initial(&self) -> Vec<f64> {
        Vec::new()
    }

    fn width(&self) -> usize {
        self.levels.len()
    }

    fn encode(&self, cohort: &Cohort, patient: usize, out: &mut Vec<f32>) -> bool {
        let Some(own) = cohort.value(&self.column, patient) else { return false };
        let indicator = |level: usize| f32::from(u8::from(own == level as f64));
        out.extend((0..self.levels.len()).map(indicator));
        true
    }

    fn layer(&self, _own: &[f64]) -> Box<dyn OutcomeLayer> {
        Box::new(ClassesLayer)
    }

    fn kind(&self) -> Kind {
        Kind::Classes
    }

    fn outputs(&self) -> Vec<String> {
        self.levels.clone()
    }

    fn predict(&self, _own: &[f64], scores: &[f64]) -> Vec<f64> {
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|z| libm::exp(z - largest)).collect();
        let total: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / total).collect()
    }

    fn loss_of(&self, own: &[f64], scores: &[f64], target: &[f64]) -> f64 {
        let shares = self.predict(own, scores);
        shares
            .iter()
            .zip(target)
            .map(|(p, t)| if *t > 0.0 { -t * libm::log(*p) } else { 0.0 })
            .sum()
    }
}

struct ClassesLayer;

impl OutcomeLayer for ClassesLayer {
    fn loss(&self, scores: Tensor<2>, target: Tensor<2>, _tape: &mut Tape) -> Tensor<1> {
        (target * activation::log_softmax(scores, 1)).sum().neg()
    }
}
