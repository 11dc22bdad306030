//! A step of expectation-maximisation over sums: each patient's probabilities r to belong to the
//! components, and the sums of r, r z, r z z' and of the log-density.
//!
//! Singular components are what a mixture's likelihood grows without bound towards, so every
//! covariance has a public floor f: no direction has a variance below it (full: eigenvalues are
//! raised to it; diagonal: elements are). A component whose probabilities sum to less than
//! [`EMPTY`] patients keeps its centre and covariance. Iteration ends when the log-likelihood
//! stands still; the parameters reported come out of that last sum.
//!
//! # Bounds
//! Let z, and every mean, lie in [-1, 1]^p. The probabilities r sum to 1, so |r| <= 1 bounds
//! `size`; r z has the norm |r| |z| <= sqrt(p), and r z z' at most |r| |z|^2 <= p.
//! The log-density lies below that of a covariance f I at its mean, p/2 |log(2 pi f)|, and above
//! that of a component of weight at least 1/k: a quadratic form of at most |z - m|^2 / f <= 4 p / f
//! and p eigenvalues of at most D = p + f, the elements of a covariance being at most 1 in size. In
//! size it is at most log k + p/2 (|log(2 pi f)| + log(2 pi D)) + 2 p / f, which gets a grid of its
//! own.

use super::{Found, NAME, Shape, Step};
use crate::error::Error;
use crate::linalg::{Cholesky, Symmetric, triangle};
use crate::results::clusters::Cluster;
use crate::sum::Sum;
use crate::task::Block;
use crate::tasks::layout::{self, refuse, unfit};

/// Patients below which a component counts as empty.
const EMPTY: f64 = 1e-3;
/// Room for the rounding of a floored matrix.
const SLACK: f64 = 1e-6;
const LOG_TWO_PI: f64 = 1.837_877_066_409_345_3;

/// What does not change in a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) shape: Shape,
    floor: f64,
    start_sd: f64,
}

/// The components: the public iterate.
#[derive(Clone, Debug)]
pub(super) struct Mixture {
    components: Vec<Component>,
    /// Log-likelihood at the components before these.
    before: Option<f64>,
}

#[derive(Clone, Debug)]
struct Component {
    weight: f64,
    mean: Vec<f64>,
    covariance: Symmetric,
}

impl Rules {
    pub(super) fn new(shape: Shape, floor: f64, start_sd: f64) -> Result<Self, Error> {
        if !(1e-6..=0.1).contains(&floor) {
            return Err(refuse(NAME, "`floor` must be 1e-6 to 0.1 half ranges squared"));
        }
        if !(start_sd * start_sd >= floor && start_sd <= 1.0) {
            return Err(refuse(NAME, "`start_sd` must be at least the root of `floor`, at most 1"));
        }
        Ok(Self { shape, floor, start_sd })
    }

    /// Free parameters of a mixture.
    pub(super) fn parameters(&self, k: usize, p: usize) -> f64 {
        ((k - 1) + k * p + k * self.elements(p)) as f64
    }

    /// Numbers of one component's covariance.
    fn elements(&self, p: usize) -> usize {
        match self.shape {
            Shape::Full => triangle(p),
            Shape::Diagonal => p,
        }
    }

    /// Numbers of an iterate of `k` components in `p` columns.
    pub(super) fn numbers(&self, k: usize, p: usize) -> usize {
        k * (1 + p + self.elements(p))
    }

    /// Equal components about the starting centres.
    pub(super) fn start(&self, centres: &[Vec<f64>]) -> Mixture {
        let weight = 1.0 / centres.len() as f64;
        let component = |mean: &Vec<f64>| Component {
            weight,
            mean: mean.clone(),
            covariance: Symmetric::diagonal(&vec![self.start_sd * self.start_sd; mean.len()]),
        };
        Mixture { components: centres.iter().map(component).collect(), before: None }
    }

    /// The iterate as the query carries it: of each component its weight, its mean, and the upper
    /// triangle or the diagonal of its covariance.
    pub(super) fn iterate(&self, mixture: &Mixture) -> Vec<f64> {
        let mut numbers = Vec::new();
        for component in &mixture.components {
            let p = component.mean.len();
            numbers.push(component.weight);
            numbers.extend(&component.mean);
            for j in 0..p {
                let end = if self.shape == Shape::Full { p } else { j + 1 };
                numbers.extend((j..end).map(|l| component.covariance.get(j, l)));
            }
        }
        numbers
    }

    /// Layout of the sums for `k` components in `p` columns; proven in the head of this file.
    pub(super) fn blocks(&self, k: usize, p: usize) -> Vec<Block> {
        let (columns, floor) = (p as f64, self.floor);
        let widest = columns + floor;
        let loglik = libm::log(k as f64)
            + columns / 2.0
                * ((LOG_TWO_PI + libm::log(floor)).abs() + LOG_TWO_PI + libm::log(widest))
            + 2.0 * columns / floor * (1.0 + SLACK);
        // Each of the two grids takes half of the room.
        let half = std::f64::consts::SQRT_2;
        let norms = [1.0, columns.sqrt(), columns].map(|norm| half * norm);
        let bits = layout::frac_bits(&norms);
        vec![
            layout::reals("size", k, 1.0, bits),
            layout::reals("sum", k * p, columns.sqrt(), bits),
            layout::reals("products", k * self.elements(p), columns, bits),
            layout::reals("loglik", 1, loglik, layout::frac_bits(&[half * loglik])),
        ]
    }

    /// What one site adds, starting at zero; `None` for an iterate for which the bounds do not hold.
    pub(super) fn sums(&self, iterate: &[f64], k: usize, p: usize) -> Option<Sums> {
        let mut components = Vec::with_capacity(k);
        let mut weights = 0.0;
        for numbers in iterate.chunks(self.numbers(1, p)) {
            let (weight, rest) = numbers.split_first()?;
            let (mean, upper) = rest.split_at_checked(p)?;
            let covariance = match self.shape {
                Shape::Full => Symmetric::new(p, upper.to_vec())?,
                Shape::Diagonal => Symmetric::diagonal(upper),
            };
            let eigen = covariance.eigen()?;
            let least = *eigen.values.last()? >= self.floor * (1.0 - SLACK);
            let most = *eigen.values.first()? <= (p as f64 + self.floor) * (1.0 + SLACK);
            if !least
                || !most
                || !(0.0..=1.0).contains(weight)
                || mean.iter().any(|x| x.abs() > 1.0)
            {
                return None;
            }
            weights += weight;
            let factor = covariance.cholesky(0.0).ok()?;
            let constant =
                libm::log(*weight) - p as f64 / 2.0 * LOG_TWO_PI - factor.log_determinant() / 2.0;
            components.push(Density { constant, mean: mean.to_vec(), factor });
        }
        ((weights - 1.0).abs() < SLACK).then(|| Sums {
            components,
            shape: self.shape,
            size: vec![0.0; k],
            sum: vec![0.0; k * p],
            products: vec![0.0; k * self.elements(p)],
            loglik: 0.0,
        })
    }

    /// The maximisation step, and whether the likelihood stands still.
    pub(super) fn absorb(
        &self,
        mixture: Mixture,
        sum: &Sum,
        tolerance: f64,
        last: bool,
    ) -> Result<Step<Mixture>, Error> {
        let k = mixture.components.len();
        let p = mixture.components.first().map_or(0, |component| component.mean.len());
        let size = layout::block(sum, "size", k)?;
        let sums = layout::block(sum, "sum", k * p)?;
        let products = layout::block(sum, "products", k * self.elements(p))?;
        let loglik: f64 = layout::block(sum, "loglik", 1)?.iter().sum();
        let size: Vec<f64> = size.iter().map(|size| size.max(0.0)).collect();
        let n: f64 = size.iter().sum();
        if n <= 0.0 {
            return Err(unfit(NAME, "no patient belongs to any component; check the start"));
        }
        let mut components = Vec::with_capacity(k);
        for (j, old) in mixture.components.into_iter().enumerate() {
            let weight = size[j] / n;
            if size[j] < EMPTY {
                components.push(Component { weight, ..old });
                continue;
            }
            let sums = &sums[j * p..(j + 1) * p];
            let products = &products[j * self.elements(p)..(j + 1) * self.elements(p)];
            // The clamps matter only for sums that no honest sites made.
            let mean: Vec<f64> = sums.iter().map(|s| (s / size[j]).clamp(-1.0, 1.0)).collect();
            let covariance = self.covariance(&mean, products, size[j])?;
            components.push(Component { weight, mean, covariance });
        }
        let converged =
            mixture.before.is_some_and(|l| (loglik - l).abs() <= tolerance * (1.0 + loglik.abs()));
        if !converged && !last {
            return Ok(Step::Continue(Mixture { components, before: Some(loglik) }));
        }
        let cluster = |(component, size): (Component, f64)| {
            let row = |j: usize| (0..p).map(|l| component.covariance.get(j, l)).collect();
            Cluster {
                size,
                weight: component.weight,
                covariance: Some((0..p).map(row).collect()),
                centre: component.mean,
                within_ss: None,
            }
        };
        let clusters = components.into_iter().zip(size).map(cluster).collect();
        Ok(Step::Done(Found { clusters, loglik: Some(loglik), converged }))
    }

    /// A component's covariance with its floor.
    fn covariance(&self, mean: &[f64], products: &[f64], size: f64) -> Result<Symmetric, Error> {
        let broken = || unfit(NAME, "the sum is not a mixture's; some party broke the protocol");
        let p = mean.len();
        let around = |product: f64, j: usize, l: usize| {
            (product / size - mean[j] * mean[l]).clamp(-1.0, 1.0)
        };
        match self.shape {
            Shape::Diagonal => {
                let each = products.iter().enumerate();
                let variances: Vec<f64> =
                    each.map(|(j, &product)| around(product, j, j).max(self.floor)).collect();
                Ok(Symmetric::diagonal(&variances))
            }
            Shape::Full => {
                let places = (0..p).flat_map(|j| (j..p).map(move |l| (j, l)));
                let upper =
                    places.zip(products).map(|((j, l), &product)| around(product, j, l)).collect();
                let matrix = Symmetric::new(p, upper).ok_or_else(broken)?;
                let eigen = matrix.eigen().ok_or_else(broken)?;
                let wide = eigen.values.last().is_some_and(|least| *least >= self.floor);
                Ok(if wide { matrix } else { eigen.floored(self.floor) })
            }
        }
    }
}

/// A component as a site uses it.
struct Density {
    /// log weight - p/2 log(2 pi) - 1/2 log det.
    constant: f64,
    mean: Vec<f64>,
    factor: Cholesky,
}

/// What one site adds.
pub(super) struct Sums {
    components: Vec<Density>,
    shape: Shape,
    size: Vec<f64>,
    sum: Vec<f64>,
    products: Vec<f64>,
    loglik: f64,
}

impl Sums {
    /// Adds a patient.
    pub(super) fn add(&mut self, z: &[f64]) {
        let p = z.len();
        let log_density = |density: &Density| {
            let away: Vec<f64> = z.iter().zip(&density.mean).map(|(x, m)| x - m).collect();
            let solved = density.factor.solve(&away);
            let form: f64 = away.iter().zip(&solved).map(|(a, b)| a * b).sum();
            density.constant - form / 2.0
        };
        let logs: Vec<f64> = self.components.iter().map(log_density).collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logs.iter().map(|log| libm::exp(log - largest)).sum();
        let log_total = largest + libm::log(total);
        self.loglik += log_total;
        let elements = self.products.len() / self.components.len();
        for (j, log) in logs.iter().enumerate() {
            let r = libm::exp(log - log_total);
            self.size[j] += r;
            for (sum, x) in self.sum[j * p..].iter_mut().zip(z) {
                *sum += r * x;
            }
            let mut places = self.products[j * elements..].iter_mut();
            for (l, x) in z.iter().enumerate() {
                let others = match self.shape {
                    Shape::Full => &z[l..],
                    Shape::Diagonal => &z[l..=l],
                };
                for (y, place) in others.iter().zip(places.by_ref()) {
                    *place += r * x * y;
                }
            }
        }
    }

    /// The blocks in the order of [`Rules::blocks`].
    pub(super) fn blocks(self) -> Vec<Vec<f64>> {
        vec![self.size, self.sum, self.products, vec![self.loglik]]
    }
}
