//! A column of the model's inputs: where it stands, and what values may stand in for a patient's own.

use super::NAME;
use crate::error::Error;
use crate::learn::inputs::{Inputs, Source, Term};
use crate::schema::{Kind, Schema};
use crate::tasks::layout::refuse;

/// One column with its public values.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// Places among the inputs, with the terms there.
    places: Vec<(usize, Term)>,
    scale: Scale,
    pub(super) levels: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
enum Scale {
    /// From one end to the other, evenly on the scale of the input.
    Range { low: f64, high: f64, log1p: bool },
    /// 0, 1, ...
    Levels(usize),
}

impl Column {
    /// The columns of that name, or all that the model reads.
    pub(super) fn of_inputs(
        inputs: &Inputs,
        schema: &Schema,
        asked: Option<&[String]>,
    ) -> Result<Vec<Self>, Error> {
        let mut columns: Vec<Self> = Vec::new();
        for (place, term) in inputs.terms().iter().enumerate() {
            if let Some(known) = columns.iter_mut().find(|own| own.name == term.column) {
                known.places.push((place, term.clone()));
                continue;
            }
            let column = schema.column(&term.column)?;
            let scale = match &column.kind {
                Kind::Numeric { range: (low, high), .. } => Scale::Range {
                    low: *low,
                    high: *high,
                    log1p: term.source == Source::Log1p && *low > -1.0,
                },
                Kind::Flag => Scale::Levels(2),
                Kind::Category { levels } => Scale::Levels(levels.len()),
            };
            let levels = column.levels().filter(|_| matches!(scale, Scale::Levels(_)));
            columns.push(Self {
                name: term.column.clone(),
                places: vec![(place, term.clone())],
                scale,
                levels,
            });
        }
        let Some(asked) = asked else { return Ok(columns) };
        let of = |name: &String| {
            columns.iter().find(|own| own.name == *name).cloned().ok_or_else(|| {
                refuse(NAME, format!("`columns` names `{name}`, which the model does not read"))
            })
        };
        asked.iter().map(of).collect()
    }

    /// The public value at a share of the column's extent.
    pub(super) fn value(&self, share: f64) -> f64 {
        match self.scale {
            Scale::Range { low, high, log1p: false } => low + share * (high - low),
            Scale::Range { low, high, log1p: true } => {
                let (from, to) = (libm::log1p(low), libm::log1p(high));
                libm::expm1(from + share * (to - from)).clamp(low, high)
            }
            Scale::Levels(many) => (share * many as f64).floor().min(many as f64 - 1.0),
        }
    }

    /// Values at which the mean prediction is taken: `points` of a range, or all levels.
    pub(super) fn grid(&self, points: usize) -> Vec<f64> {
        match self.scale {
            Scale::Range { .. } => {
                let last = points.saturating_sub(1).max(1) as f64;
                (0..points).map(|point| self.value(point as f64 / last)).collect()
            }
            Scale::Levels(many) => (0..many).map(|level| level as f64).collect(),
        }
    }

    /// Sets the column in encoded inputs to a value.
    pub(super) fn set(&self, inputs: &mut [f32], value: f64) {
        for (place, term) in &self.places {
            if let (Some(own), Some(x)) = (inputs.get_mut(*place), term.of(Some(value))) {
                *own = x as f32;
            }
        }
    }

    /// Sets the column in encoded inputs to what another patient has.
    pub(super) fn copy(&self, inputs: &mut [f32], other: &[f32]) {
        for (place, _) in &self.places {
            if let (Some(own), Some(x)) = (inputs.get_mut(*place), other.get(*place)) {
                *own = *x;
            }
        }
    }
}
