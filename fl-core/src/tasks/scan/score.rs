//! Scores and information of the variants at the null model.
//!
//! With residuals r, weights w (mu (1 - mu), or 1), dosages g and terms X of the patients whose
//! dosage is known, the adjusted score is U = g'r - g'WX (X'WX)^-1 X'r with the variance
//! V = g'Wg - g'WX (X'WX)^-1 X'Wg, both over s^2 in a linear model, s^2 being the residual mean
//! square of the null model among them. Where no dosage is missing X'r is 0 at the null fit.
//!
//! # Bounds
//! Let u = g / cap be in [0, 1], x in [-1, 1]^p, |r| <= R and w <= W: R = 1, W = 1/4 for a
//! logistic model; R = 1 + `newton::CAP` and W = 1 for a linear one, whose outcome is in [-1, 1].
//! Over m variants a patient adds to `seen` pairs of ones, norm sqrt(2 m); to `dosage` u, sqrt(m);
//! to `score` u r, sqrt(m) R; to `weight` w u^2, sqrt(m) W; to `cross` w u x, sqrt(m p) W; to
//! `residual` r x, sqrt(m p) R; to `information` w x x', sqrt(m) p W; to `squares` (linear) r^2,
//! sqrt(m) R^2.

use super::null::{add_products, predictor, probability};
use super::{Case, Family, NAME, Variant};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::linalg::{Symmetric, triangle};
use crate::results::scan::VariantTest;
use crate::stat::chi_square_upper;
use crate::sum::Sum;
use crate::task::Block;
use crate::tasks::layout::{self, unfit, whole};
use crate::tasks::newton;

/// The block that tells this round from those of the null model.
pub(super) const BLOCK: &str = "score";

/// Share of a variant's information that must be its own, not the covariates'.
const OWN: f64 = 1e-8;
/// Share of its diagonal element below which a pivot counts as zero.
const SINGULAR: f64 = 1e-9;
/// R: `qchisq(0.5, 1)`.
const MEDIAN: f64 = 0.454_936_423_119_572_4;

/// Layout of the sums: variants, terms, family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    m: usize,
    p: usize,
    family: Family,
}

impl Layout {
    pub(super) fn new(m: usize, p: usize, family: Family) -> Self {
        Self { m, p, family }
    }

    /// Proven in the head of this file.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let (m, p) = (self.m, self.p);
        let root = (m as f64).sqrt();
        let wide = (p as f64).sqrt();
        let (r, w) = match self.family {
            Family::Logistic => (1.0, 0.25),
            Family::Linear { .. } => (1.0 + newton::CAP, 1.0),
        };
        let mut reals = vec![
            ("dosage", m, root),
            (BLOCK, m, root * r),
            ("weight", m, root * w),
            ("cross", m * p, root * wide * w),
            ("residual", m * p, root * wide * r),
            ("information", m * triangle(p), root * p as f64 * w),
        ];
        if matches!(self.family, Family::Linear { .. }) {
            reals.push(("squares", m, root * r * r));
        }
        let seen = (2.0 * m as f64).sqrt();
        // The bound of the counts enters as a norm too: it may be large.
        let norms: Vec<f64> = reals.iter().map(|(_, _, norm)| *norm).chain([seen]).collect();
        let bits = layout::frac_bits(&norms);
        let reals = reals.into_iter().map(|(name, len, norm)| layout::reals(name, len, norm, bits));
        std::iter::once(layout::counts("seen", 2 * m, seen)).chain(reals).collect()
    }
}

/// What one site adds.
pub(super) struct Sums<'a> {
    variants: &'a [Variant],
    layout: Layout,
    beta: &'a [f64],
    /// `seen`, `dosage`, `score`, `weight`, `cross`, `residual`, `information`, `squares`.
    values: [Vec<f64>; 8],
}

impl<'a> Sums<'a> {
    pub(super) fn new(variants: &'a [Variant], layout: Layout, beta: &'a [f64]) -> Self {
        let Layout { m, p, .. } = layout;
        let values = [2 * m, m, m, m, m * p, m * p, m * triangle(p), m].map(|len| vec![0.0; len]);
        Self { variants, layout, beta, values }
    }

    /// Adds a patient of the null model to the variants whose dosage is known.
    pub(super) fn add(&mut self, cohort: &Cohort, case: &Case<'_>) {
        let p = self.layout.p;
        let eta = predictor(case.x, self.beta);
        let (r, w) = match self.layout.family {
            Family::Logistic => {
                let mu = probability(eta);
                (case.y - mu, mu * (1.0 - mu))
            }
            Family::Linear { .. } => (case.y - eta, 1.0),
        };
        let [seen, dosage, score, weight, cross, residual, information, squares] = &mut self.values;
        for (v, variant) in self.variants.iter().enumerate() {
            let Some(u) = variant.share(cohort, case.patient) else { continue };
            seen[2 * v] += 1.0;
            seen[2 * v + 1] += f64::from(u8::from(u > 0.0));
            dosage[v] += u;
            score[v] += u * r;
            weight[v] += w * u * u;
            squares[v] += r * r;
            for (j, x) in case.x.iter().enumerate() {
                cross[v * p + j] += w * u * x;
                residual[v * p + j] += r * x;
            }
            add_products(&mut information[v * triangle(p)..(v + 1) * triangle(p)], case.x, w);
        }
    }

    /// The blocks in the order of [`Layout::blocks`].
    pub(super) fn blocks(self) -> Vec<Vec<f64>> {
        let [seen, dosage, score, weight, cross, residual, information, squares] = self.values;
        let mut blocks = vec![seen, dosage, score, weight, cross, residual, information];
        if matches!(self.layout.family, Family::Linear { .. }) {
            blocks.push(squares);
        }
        blocks
    }
}

/// The sums of one variant, in shares of its cap.
struct Pieces<'a> {
    n: f64,
    score: f64,
    weight: f64,
    cross: &'a [f64],
    residual: &'a [f64],
    information: Symmetric,
    squares: f64,
}

/// The tests of all variants, and genomic control's inflation.
pub(super) fn tests(
    variants: &[Variant],
    layout: &Layout,
    sum: &Sum,
) -> Result<(Vec<VariantTest>, Option<f64>), Error> {
    let Layout { m, p, family } = *layout;
    let block = |name: &str, len: usize| layout::block(sum, name, len);
    let [seen, dosage] = [block("seen", 2 * m)?, block("dosage", m)?];
    let [score, weight] = [block(BLOCK, m)?, block("weight", m)?];
    let [cross, residual] = [block("cross", m * p)?, block("residual", m * p)?];
    let information = block("information", m * triangle(p))?;
    let squares = match family {
        Family::Logistic => vec![0.0; m],
        Family::Linear { .. } => block("squares", m)?,
    };
    let test = |(v, variant): (usize, &Variant)| {
        let upper = information[v * triangle(p)..(v + 1) * triangle(p)].to_vec();
        let information =
            Symmetric::new(p, upper).ok_or_else(|| unfit(NAME, "an information of wrong size"))?;
        let pieces = Pieces {
            n: seen[2 * v],
            score: score[v],
            weight: weight[v],
            cross: &cross[v * p..(v + 1) * p],
            residual: &residual[v * p..(v + 1) * p],
            information,
            squares: squares[v],
        };
        let carriers = whole(seen[2 * v + 1]);
        let mut test = VariantTest {
            name: variant.name.clone(),
            genes: if variant.burden { variant.columns.clone() } else { Vec::new() },
            n: whole(pieces.n),
            carriers,
            dosage: dosage[v] * variant.cap,
            score: 0.0,
            variance: 0.0,
            chisq: None,
            p: None,
            p_gc: None,
            beta: None,
            se: None,
            reason: None,
        };
        let scored = if carriers == 0 { Err("no patient carries it") } else { pieces.test(family) };
        match scored {
            Err(reason) => test.reason = Some(reason.to_owned()),
            Ok((score, variance)) => {
                // From shares of the cap, and of the outcome's half range, to raw units.
                let unit = match family {
                    Family::Logistic => variant.cap,
                    Family::Linear { half_range, .. } => variant.cap / half_range,
                };
                test.score = score * unit;
                test.variance = variance * unit * unit;
                let chisq = score * score / variance;
                test.chisq = Some(chisq);
                test.p = Some(chi_square_upper(chisq, 1));
                test.beta = Some(score / variance / unit);
                test.se = Some(1.0 / variance.sqrt() / unit);
            }
        }
        Ok(test)
    };
    let mut tests: Vec<VariantTest> =
        variants.iter().enumerate().map(test).collect::<Result<_, Error>>()?;
    let single = tests.iter().filter(|test| test.genes.is_empty());
    let lambda = median(single.filter_map(|test| test.chisq).collect()).map(|chisq| chisq / MEDIAN);
    let inflation = lambda.unwrap_or(1.0).max(1.0);
    for test in &mut tests {
        test.p_gc = test.chisq.map(|chisq| chi_square_upper(chisq / inflation, 1));
    }
    Ok((tests, lambda))
}

impl Pieces<'_> {
    /// Score and variance, or why there is no test.
    fn test(&self, family: Family) -> Result<(f64, f64), &'static str> {
        let p = self.cross.len();
        if self.n <= p as f64 {
            return Err("its dosage is known of no more patients than the null model has terms");
        }
        let factor = self
            .information
            .cholesky(SINGULAR)
            .map_err(|_| "the covariates do not vary among the patients whose dosage is known")?;
        let own = factor.solve(self.cross);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let variance = self.weight - dot(self.cross, &own);
        // Written so that NaN fails too.
        let varies = variance > OWN * self.weight;
        if !varies {
            return Err("its dosage is constant, or a combination of the covariates");
        }
        let score = self.score - dot(self.residual, &own);
        let scale = match family {
            Family::Logistic => 1.0,
            Family::Linear { .. } => {
                let explained = dot(self.residual, &factor.solve(self.residual));
                (self.squares - explained) / (self.n - p as f64)
            }
        };
        if scale > 0.0 && score.is_finite() {
            Ok((score / scale, variance / scale))
        } else {
            Err("the covariates explain the outcome without remainder")
        }
    }
}

/// The middle value, or the mean of the middle two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(middle.wrapping_sub(1)).map(|lower| (lower + upper) / 2.0)
}
