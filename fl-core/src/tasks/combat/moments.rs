//! First and second moments of features and covariates within a batch, and the regression that they
//! add up to.

use crate::error::Error;
use crate::linalg::{Symmetric, triangle};
use crate::sum::Sum;
use crate::tasks::layout;

/// A variance, in half ranges squared, below which the grid tells it from none no more.
const CONSTANT: f64 = 1e-10;
/// A covariate's variance that is left by those before it, as a share of its own, below which it
/// follows from them.
const DEPENDENT: f64 = 1e-9;

/// Sums over the patients of a batch with `p` features y and `q` covariates z: about zero, or, once
/// centred, about the batch's own means.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    pub(super) n: f64,
    /// `[p]` sums of y.
    y: Vec<f64>,
    /// `[p]` sums of squares of y.
    yy: Vec<f64>,
    /// `[q]` sums of z.
    z: Vec<f64>,
    /// `[q (q + 1) / 2]` sums of z z', upper triangle by rows.
    zz: Vec<f64>,
    /// `[q, p]` sums of z y'.
    zy: Vec<f64>,
}

impl Moments {
    pub(super) fn zero(p: usize, q: usize) -> Self {
        Self {
            n: 0.0,
            y: vec![0.0; p],
            yy: vec![0.0; p],
            z: vec![0.0; q],
            zz: vec![0.0; triangle(q)],
            zy: vec![0.0; q * p],
        }
    }

    /// Adds a patient.
    pub(super) fn add(&mut self, z: &[f64], y: &[f64]) {
        self.n += 1.0;
        plus(&mut self.y, y.iter().copied());
        plus(&mut self.yy, y.iter().map(|y| y * y));
        plus(&mut self.z, z.iter().copied());
        plus(&mut self.zz, upper(z));
        plus(&mut self.zy, z.iter().flat_map(|z| y.iter().map(move |y| z * y)));
    }

    /// Takes second moments to the batch's own means; a batch of nobody stays as it is.
    pub(super) fn centre(&mut self) {
        if self.n < 1.0 {
            return;
        }
        let (n, y, z) = (self.n, &self.y, &self.z);
        plus(&mut self.yy, y.iter().map(|y| -y * y / n));
        plus(&mut self.zz, upper(z).map(|product| -product / n));
        plus(&mut self.zy, z.iter().flat_map(|z| y.iter().map(move |y| -z * y / n)));
        // What rounding leaves below nothing.
        self.yy.iter_mut().for_each(|square| *square = square.max(0.0));
    }

    /// The blocks of all batches after `count`, some of them empty without covariates.
    pub(super) fn blocks(all: &[Self]) -> Vec<Vec<f64>> {
        let of =
            |part: fn(&Self) -> &[f64]| all.iter().flat_map(|own| part(own).to_vec()).collect();
        vec![
            all.iter().map(|own| own.n).collect(),
            of(|own| &own.y),
            of(|own| &own.yy),
            of(|own| &own.z),
            of(|own| &own.zz),
            of(|own| &own.zy),
        ]
    }

    /// Reads the batches of a sum.
    pub(super) fn read(sum: &Sum, levels: usize, p: usize, q: usize) -> Result<Vec<Self>, Error> {
        let n = layout::block(sum, "batch", levels)?;
        let y = layout::block(sum, "sum_y", levels * p)?;
        let yy = layout::block(sum, "squares_y", levels * p)?;
        let z = layout::block(sum, "sum_z", levels * q)?;
        let zz = layout::block(sum, "products_z", levels * triangle(q))?;
        let zy = layout::block(sum, "products_zy", levels * q * p)?;
        let part = |values: &[f64], level: usize, len: usize| {
            values.iter().skip(level * len).take(len).copied().collect()
        };
        let level = |(level, n): (usize, &f64)| Self {
            n: *n,
            y: part(&y, level, p),
            yy: part(&yy, level, p),
            z: part(&z, level, q),
            zz: part(&zz, level, triangle(q)),
            zy: part(&zy, level, q * p),
        };
        Ok(n.iter().enumerate().map(level).collect())
    }
}

fn plus(sums: &mut [f64], values: impl Iterator<Item = f64>) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

fn upper(z: &[f64]) -> impl Iterator<Item = f64> {
    z.iter().enumerate().flat_map(|(k, a)| z.iter().skip(k).map(move |b| a * b))
}

/// Why there is no regression.
pub(super) enum Fault {
    Nobody,
    Covariate(usize),
    Constant(usize),
}

/// The regression within batches, in the units of standardised features.
pub(super) struct Pooled {
    /// Means over all patients of y, then of z.
    mean_y: Vec<f64>,
    mean_z: Vec<f64>,
    /// `[p, q]`.
    coefficients: Vec<f64>,
    /// Residual variance, divisor n.
    variance: Vec<f64>,
}

impl Pooled {
    /// From the centred moments of all batches.
    pub(super) fn new(moments: &[Moments], p: usize, q: usize) -> Result<Self, Fault> {
        let mut all = Moments::zero(p, q);
        for own in moments.iter().filter(|own| own.n >= 1.0) {
            all.n += own.n;
            plus(&mut all.y, own.y.iter().copied());
            plus(&mut all.yy, own.yy.iter().copied());
            plus(&mut all.z, own.z.iter().copied());
            plus(&mut all.zz, own.zz.iter().copied());
            plus(&mut all.zy, own.zy.iter().copied());
        }
        if all.n.is_nan() || all.n < 2.0 {
            return Err(Fault::Nobody);
        }
        let products = Symmetric::new(q, all.zz.clone()).ok_or(Fault::Nobody)?;
        for k in 0..q {
            let variance = products.get(k, k) / all.n;
            if variance.is_nan() || variance <= CONSTANT {
                return Err(Fault::Covariate(k));
            }
        }
        let factor = products.cholesky(DEPENDENT).map_err(|fault| Fault::Covariate(fault.pivot))?;
        let (mut coefficients, mut variance) = (Vec::with_capacity(p * q), Vec::with_capacity(p));
        for (j, yy) in all.yy.iter().enumerate() {
            let zy: Vec<f64> = all.zy.iter().skip(j).step_by(p.max(1)).copied().collect();
            let c = factor.solve(&zy);
            let explained: f64 = c.iter().zip(&zy).map(|(c, zy)| c * zy).sum();
            let residual = (yy - explained) / all.n;
            if !(residual > CONSTANT && residual.is_finite()) {
                return Err(Fault::Constant(j));
            }
            coefficients.extend(c);
            variance.push(residual);
        }
        let mean = |sums: &[f64]| sums.iter().map(|sum| sum / all.n).collect();
        Ok(Self { mean_y: mean(&all.y), mean_z: mean(&all.z), coefficients, variance })
    }

    /// What one unit of each covariate gives feature `j`.
    pub(super) fn coefficients(&self, j: usize) -> &[f64] {
        let q = self.mean_z.len();
        self.coefficients.get(j * q..(j + 1) * q).unwrap_or_default()
    }

    /// Feature `j` where all coded covariates are 0.
    pub(super) fn mean(&self, j: usize) -> f64 {
        let given: f64 = self.coefficients(j).iter().zip(&self.mean_z).map(|(c, z)| c * z).sum();
        self.mean_y.get(j).copied().unwrap_or(0.0) - given
    }

    /// Residual standard deviation of feature `j`.
    pub(super) fn sd(&self, j: usize) -> f64 {
        self.variance.get(j).copied().unwrap_or(0.0).sqrt()
    }

    /// A batch's own shift and variance (divisor n - 1) of feature `j`, in units of its `sd`.
    pub(super) fn own(&self, batch: &Moments, j: usize) -> (f64, f64) {
        let (p, q) = (batch.y.len(), batch.z.len());
        let c = self.coefficients(j);
        let at = |values: &[f64], place: usize| values.get(place).copied().unwrap_or(0.0);
        let given: f64 = c.iter().zip(&batch.z).map(|(c, z)| c * z / batch.n).sum();
        let shift = at(&batch.y, j) / batch.n - self.mean(j) - given;
        let mut squares = at(&batch.yy, j);
        let mut place = 0;
        for k in 0..q {
            squares -= 2.0 * at(c, k) * at(&batch.zy, k * p + j);
            for m in k..q {
                let twice = if m == k { 1.0 } else { 2.0 };
                squares += twice * at(c, k) * at(c, m) * at(&batch.zz, place);
                place += 1;
            }
        }
        let sd = self.sd(j);
        (shift / sd, squares.max(0.0) / (batch.n - 1.0) / (sd * sd))
    }
}
