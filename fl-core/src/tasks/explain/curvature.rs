//! Coefficients of a linear model with their errors, from one sum at the trained weights.
//!
//! With a patient's loss l(x'b + u_1, ..., x'b + u_m) a sum of one part for each own number u_j (the
//! intercept of a logistic model, the baseline of a hazard in each interval), its score is
//! `(x sum_j g_j, g)` and its information `sum_j h_j (x, e_j)(x, e_j)'`, with g_j and h_j the first
//! and second derivatives by u_j. The inverse of the summed information I gives the errors, and
//! I^-1 J I^-1 with J the summed squares of the scores the robust ones (White, *Econometrica*
//! 1982;50:1; Lin and Wei, *JASA* 1989;84:1074).
//!
//! # Bounds
//! With inputs of at most 10 in size and derivatives cut to 100, w inputs and m own numbers:
//! information at most 100 m (100 w + 1), squares of scores at most 100^2 (100 w m^2 + m).

use super::{NAME, reals};
use crate::error::Error;
use crate::learn::inputs::{LIMIT, Source, Term};
use crate::learn::model::Model;
use crate::linalg::{Symmetric, triangle};
use crate::results::explain::Coefficients;
use crate::stat;
use crate::sum::Sum;
use crate::task::Block;
use crate::tasks::layout;

/// Half the distance over which derivatives are taken: errors of 1e-6 of them.
const STEP: f64 = 1.0 / 256.0;
/// Derivatives are cut to this.
const MOST: f64 = 100.0;
/// Relative size below which a pivot means that the patients do not tell.
const SINGULAR: f64 = 1e-10;

/// Numbers of the sum of a linear model: one coefficient an input, and its own numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curvature {
    inputs: usize,
    own: usize,
}

impl Curvature {
    pub(super) fn new(model: &dyn Model) -> Self {
        let inputs = model.inputs().width();
        Self { inputs, own: model.parameters().saturating_sub(inputs) }
    }

    fn size(self) -> usize {
        self.inputs + self.own
    }

    /// Proven in the head of this file.
    fn norms(self) -> [f64; 2] {
        let (inputs, own) = (self.inputs as f64, self.own as f64);
        let squares = LIMIT * LIMIT * inputs;
        [MOST * own * (squares + 1.0), MOST * MOST * (squares * own * own + own)]
    }

    pub(super) fn blocks(self) -> Vec<Block> {
        let [information, meat] = self.norms();
        let len = triangle(self.size());
        vec![
            layout::counts("trained", 1, 1.0),
            reals("information", len, information),
            reals("scores", len, meat),
        ]
    }

    /// The blocks' values over encoded training patients.
    pub(super) fn sums(self, model: &dyn Model, weights: &[f64], rows: &[&[f32]]) -> Vec<Vec<f64>> {
        let mut information = vec![0.0; triangle(self.size())];
        let mut meat = information.clone();
        let mut moved = weights.to_vec();
        let mut trained = 0.0;
        for row in rows {
            let Some(slopes) = self.derivatives(model, &mut moved, row) else { continue };
            trained += 1.0;
            let x: Vec<f64> =
                row.iter().take(self.inputs).map(|x| f64::from(*x).clamp(-LIMIT, LIMIT)).collect();
            let total: f64 = slopes.iter().map(|(g, _)| g).sum();
            let score: Vec<f64> =
                x.iter().map(|x| x * total).chain(slopes.iter().map(|(g, _)| *g)).collect();
            add_square(&mut meat, &score, 1.0);
            for (j, (_, h)) in slopes.iter().enumerate() {
                let unit = (0..self.own).map(|k| f64::from(u8::from(j == k)));
                let z: Vec<f64> = x.iter().copied().chain(unit).collect();
                add_square(&mut information, &z, *h);
            }
        }
        vec![vec![trained], information, meat]
    }

    /// First and second derivatives of a patient's loss by each own number.
    fn derivatives(
        self,
        model: &dyn Model,
        weights: &mut [f64],
        row: &[f32],
    ) -> Option<Vec<(f64, f64)>> {
        let here = model.loss_of(weights, row)?;
        let mut slopes = Vec::with_capacity(self.own);
        for place in self.inputs..self.size() {
            let own = *weights.get(place)?;
            let mut at = |value: f64| {
                *weights.get_mut(place)? = value;
                model.loss_of(weights, row)
            };
            let (low, high) = (at(own - STEP)?, at(own + STEP)?);
            at(own)?;
            let first = (high - low) / (2.0 * STEP);
            let second = (high - 2.0 * here + low) / (STEP * STEP);
            if !(first.is_finite() && second.is_finite()) {
                return None;
            }
            slopes.push((first.clamp(-MOST, MOST), second.clamp(0.0, MOST)));
        }
        Some(slopes)
    }

    /// The coefficients in units of the columns; the reason where the patients do not tell them.
    pub(super) fn read(
        self,
        sum: &Sum,
        weights: &[f64],
        terms: &[Term],
        intercept: bool,
    ) -> Result<Result<Coefficients, String>, Error> {
        let len = triangle(self.size());
        let information = layout::block(sum, "information", len)?;
        let meat = layout::block(sum, "scores", len)?;
        let trained = layout::block(sum, "trained", 1)?;
        let untold = "the training patients do not tell all coefficients apart: a column that is \
                      constant or the sum of others, or an interval in which nobody was at risk";
        let both = Symmetric::new(self.size(), information)
            .and_then(|own| own.cholesky(SINGULAR).ok())
            .zip(Symmetric::new(self.size(), meat));
        let Some((factor, meat)) = both else { return Ok(Err(untold.to_owned())) };
        let mut result = Coefficients {
            n: layout::whole(trained.iter().sum()),
            terms: Vec::new(),
            robust_se: Vec::new(),
        };
        for (name, direction) in self.directions(terms, intercept) {
            let coef: f64 = direction.iter().zip(weights).map(|(t, w)| t * w).sum();
            let solved = factor.solve(&direction);
            let variance: f64 = direction.iter().zip(&solved).map(|(t, v)| t * v).sum();
            let robust: f64 = (0..self.size())
                .flat_map(|j| (0..self.size()).map(move |k| (j, k)))
                .map(|(j, k)| {
                    let at = |place: usize| solved.get(place).copied().unwrap_or(0.0);
                    at(j) * meat.get(j, k) * at(k)
                })
                .sum();
            let (se, robust) = (variance.sqrt(), robust.sqrt());
            if !(coef.is_finite() && se > 0.0 && se.is_finite() && robust.is_finite()) {
                return Ok(Err(untold.to_owned()));
            }
            let term = stat::wald(&name, coef, se);
            if !(term.hr.is_finite() && term.hi.is_finite()) {
                return Ok(Err(format!("the coefficient of `{name}` is too large to be a ratio")));
            }
            result.terms.push(term);
            result.robust_se.push(robust);
        }
        Ok(Ok(result))
    }

    /// Each term in units of its column, as a combination of the weights.
    fn directions(self, terms: &[Term], intercept: bool) -> Vec<(String, Vec<f64>)> {
        let mut all = Vec::new();
        if intercept {
            let shift = terms.iter().map(|term| -term.center / term.scale);
            let own = std::iter::repeat_n(1.0, self.own);
            all.push(("(Intercept)".to_owned(), shift.chain(own).collect()));
        }
        for (place, term) in terms.iter().enumerate() {
            let mut direction = vec![0.0; self.size()];
            direction.iter_mut().skip(place).take(1).for_each(|t| *t = 1.0 / term.scale);
            let name = match term.source {
                Source::Log1p => format!("log(1 + {})", term.name),
                _ => term.name.clone(),
            };
            all.push((name, direction));
        }
        all
    }
}

/// Adds `weight z z'` to an upper triangle by rows.
fn add_square(upper: &mut [f64], z: &[f64], weight: f64) {
    let mut places = upper.iter_mut();
    for (j, z_j) in z.iter().enumerate() {
        for (z_k, place) in z.iter().skip(j).zip(places.by_ref()) {
            *place += weight * z_j * z_k;
        }
    }
}

/// Why a model has no coefficients.
pub(super) fn not_linear() -> Error {
    layout::refuse(NAME, "`coefficients` are those of a linear model: `logistic` or `cox`")
}
