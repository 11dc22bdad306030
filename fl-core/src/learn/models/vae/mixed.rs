//! A decoder's numbers as the distribution of a mixed clinical row, independent given the latent.
//!
//! One number an input: of a numeric column the mean of a Gaussian on the standardised scale, of a
//! flag the logit of a Bernoulli, of a category the scores of a softmax over *all* of its levels. The
//! Gaussians' standard deviations are weights of their own, one a column,
//! sigma = exp([`FLOOR`] + softplus(theta)): not below 0.05, so that no column's likelihood grows
//! without bound. Inputs stand by kind: numbers, flags, categories.

use burn::tensor::{Tensor, activation};

use super::levels;
use crate::error::Error;
use crate::learn::inputs::{Source, Term, expand};
use crate::learn::outcomes::{logistic, softplus};
use crate::nn::SplitMix64;
use crate::schema::{Kind, Schema};
use crate::tasks::layout::refuse;

/// log of the least standard deviation, about 0.05: of a column in half its range.
const FLOOR: f64 = -3.0;
/// log(2 pi) / 2.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_7;

/// log of a standard deviation, from the weight that it is learned by.
pub(super) fn log_spread(theta: f64) -> f64 {
    FLOOR + softplus(theta)
}

/// The same in burn.
pub(super) fn log_spreads(theta: Tensor<2>) -> Tensor<2> {
    activation::softplus(theta, 1.0).add_scalar(FLOOR)
}

/// The columns of a row.
#[derive(Clone, Debug)]
pub(super) struct Mixed {
    terms: Vec<Term>,
    /// The public range of each numeric column; they stand first.
    ranges: Vec<(f64, f64)>,
    flags: usize,
    /// Levels of each category; they stand last.
    levels: Vec<usize>,
}

impl Mixed {
    /// The columns of these names, standardised by the schema's ranges, or by the figures of `terms`.
    pub(super) fn new(
        task: &str,
        schema: &Schema,
        (columns, log1p): (&[String], &[String]),
        terms: Option<&[Term]>,
    ) -> Result<Self, Error> {
        let columns = expand(task, schema, columns)?;
        if let Some(name) = log1p.iter().find(|name| !columns.iter().any(|c| c.name == **name)) {
            return Err(refuse(task, format!("`log1p` names `{name}`, which is no column of it")));
        }
        let (mut numbers, mut flags, mut categories) = (Vec::new(), Vec::new(), Vec::new());
        let (mut ranges, mut levels) = (Vec::new(), Vec::new());
        for column in columns {
            let term = |name: String, source, center, scale| Term {
                name,
                column: column.name.clone(),
                source,
                center,
                scale,
                missing: None,
                adjust: None,
                figures: Vec::new(),
            };
            match &column.kind {
                Kind::Numeric { range: (low, high), .. } => {
                    let logarithm = log1p.contains(&column.name);
                    if logarithm && *low <= -1.0 {
                        let name = &column.name;
                        let reason = format!("`{name}`: log(1 + x) needs a range above -1");
                        return Err(refuse(task, reason));
                    }
                    let source = if logarithm { Source::Log1p } else { Source::Value };
                    let on = |x: f64| if logarithm { libm::log1p(x) } else { x };
                    let half = (on(*high) - on(*low)) / 2.0;
                    numbers.push(term(column.name.clone(), source, on(*low) + half, half));
                    ranges.push((*low, *high));
                }
                Kind::Flag => flags.push(term(column.name.clone(), Source::Value, 0.0, 1.0)),
                Kind::Category { levels: names } => {
                    levels.push(names.len());
                    categories.extend((0u32..).zip(names).map(|(level, name)| {
                        term(format!("{}{name}", column.name), Source::Level(level), 0.0, 1.0)
                    }));
                }
            }
        }
        let number = flags.len();
        let mut own = [numbers, flags, categories].concat();
        if let Some(known) = terms {
            for term in own.iter_mut().take(ranges.len()) {
                let same = |k: &&Term| k.column == term.column && k.source == term.source;
                let Some(found) = known.iter().find(same) else {
                    return Err(refuse(
                        task,
                        format!("the model has no figures of `{}`", term.name),
                    ));
                };
                *term = Term { missing: None, ..found.clone() };
            }
        }
        Ok(Self { terms: own, ranges, flags: number, levels })
    }

    pub(super) fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Numeric columns, each with a weight for its spread.
    pub(super) fn numbers(&self) -> usize {
        self.ranges.len()
    }

    /// Ranges of terms, one a category.
    fn categories(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let first = self.ranges.len() + self.flags;
        self.levels.iter().scan(first, |from, levels| {
            let range = *from..*from + levels;
            *from = range.end;
            Some(range)
        })
    }

    /// -log p(x | z) of every row, `[rows, 1]`; `theta` is `[rows, numbers]`.
    pub(super) fn loss(
        &self,
        x: &Tensor<2>,
        out: &Tensor<2>,
        theta: Option<Tensor<2>>,
    ) -> Tensor<2> {
        let part = |t: &Tensor<2>, from: usize, len: usize| t.clone().narrow(1, from, len);
        let [rows, _] = x.dims();
        let mut loss = Tensor::<2>::zeros([rows, 1], &x.device());
        let numbers = self.ranges.len();
        if let Some(theta) = theta {
            let s = log_spreads(theta);
            let off = part(x, 0, numbers) - part(out, 0, numbers);
            let square = off.powi_scalar(2) * s.clone().mul_scalar(-2.0).exp();
            loss = loss + (square.mul_scalar(0.5) + s.add_scalar(HALF_LOG_TAU)).sum_dim(1);
        }
        if self.flags > 0 {
            let (y, z) = (part(x, numbers, self.flags), part(out, numbers, self.flags));
            loss = loss + (activation::softplus(z.clone(), 1.0) - y * z).sum_dim(1);
        }
        for range in self.categories() {
            let log_share = activation::log_softmax(part(out, range.start, range.len()), 1);
            loss = loss - (part(x, range.start, range.len()) * log_share).sum_dim(1);
        }
        loss
    }

    /// The same of one row, in scalar doubles.
    pub(super) fn loss_of(&self, x: &[f64], out: &[f64], theta: &[f64]) -> f64 {
        let mut loss = 0.0;
        for ((x, mean), theta) in x.iter().zip(out).zip(theta) {
            let s = log_spread(*theta);
            loss += 0.5 * (x - mean) * (x - mean) * libm::exp(-2.0 * s) + s + HALF_LOG_TAU;
        }
        let pairs = x.iter().zip(out).skip(self.ranges.len()).take(self.flags);
        loss += pairs.map(|(y, z)| softplus(*z) - y * z).sum::<f64>();
        for range in self.categories() {
            let scores = out.get(range.clone()).unwrap_or_default();
            loss += levels::surprise(x.get(range).unwrap_or_default(), scores);
        }
        loss
    }

    /// What is most likely, an input a number: the median of a number in its own unit, probabilities
    /// of flags and levels.
    pub(super) fn expected(&self, out: &[f64]) -> Vec<f64> {
        let mut expected: Vec<f64> = out.iter().map(|z| logistic(*z)).collect();
        let numbers = self.terms.iter().zip(&self.ranges).zip(out);
        for (place, ((term, range), mean)) in expected.iter_mut().zip(numbers) {
            *place = in_unit(term, *range, *mean);
        }
        for range in self.categories() {
            let shares = levels::shares(out.get(range.clone()).unwrap_or_default());
            for (place, share) in expected.iter_mut().skip(range.start).zip(shares) {
                *place = share;
            }
        }
        expected
    }

    /// A row drawn, a column a number: as a cohort holds it, a category as the index of its level.
    pub(super) fn draw(&self, out: &[f64], theta: &[f64], random: &mut SplitMix64) -> Vec<f64> {
        let mut row = Vec::with_capacity(self.ranges.len() + self.flags + self.levels.len());
        for (((term, range), mean), theta) in
            self.terms.iter().zip(&self.ranges).zip(out).zip(theta)
        {
            let sigma = libm::exp(log_spread(*theta));
            row.push(in_unit(term, *range, mean + sigma * random.normal()));
        }
        for z in out.iter().skip(self.ranges.len()).take(self.flags) {
            row.push(f64::from(u8::from(random.unit() < logistic(*z))));
        }
        for range in self.categories() {
            let scores = out.get(range).unwrap_or_default();
            row.push(levels::draw(scores, random) as f64);
        }
        row
    }
}

/// A standardised number in its column's unit, cut to the public range.
fn in_unit(term: &Term, (low, high): (f64, f64), value: f64) -> f64 {
    let raw = value * term.scale + term.center;
    let raw = if term.source == Source::Log1p { libm::expm1(raw) } else { raw };
    raw.clamp(low, high)
}
