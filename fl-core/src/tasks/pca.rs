//! Principal components and correlations of all hospitals' patients, from one secure sum.
//!
//! Jolliffe, *Principal Component Analysis*, 2002, chapters 1 to 3. The covariance matrix is a
//! function of n, the sum of z and the sum of z z', z being a complete row standardised by the
//! *public* ranges; so the pooled components come out, to the grid, whatever the hospitals' own
//! means are. The task touches the named columns of complete rows and nothing else.
//!
//! # Bounds
//! A patient has z in [-1, 1]^p, so |z| <= sqrt(p), and z z' has the Frobenius norm |z|^2 <= p; its
//! upper triangle has no more.

use rand_core::CryptoRng;
use serde::Deserialize;

use super::columns::numbers;
use super::layout::{self, refuse, unfit};
use crate::design::Design;
use crate::error::Error;
use crate::linalg::{Symmetric, triangle};
use crate::results;
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "pca";
/// Version of its query.
pub const VERSION: u32 = 1;

/// Columns up to which Jacobi's method ends within seconds.
const MOST_COLUMNS: usize = 500;
/// A variance, in half ranges squared, below which the grid tells it from none no more.
const CONSTANT: f64 = 1e-10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    columns: Vec<String>,
    components: Option<usize>,
    scale: Option<bool>,
}

/// Principal components of columns.
#[derive(Debug)]
pub struct Pca {
    design: Design,
    components: usize,
    scale: bool,
}

impl Pca {
    /// The components of these parameters: `columns` (numeric or flags), and optionally
    /// `components` (how many to keep; all) and `scale` (true: of the correlation matrix; false:
    /// of the covariance matrix).
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let p = params.columns.len();
        if p > MOST_COLUMNS {
            return Err(refuse(NAME, format!("{p} columns, at most {MOST_COLUMNS}")));
        }
        let design = numbers(NAME, schema, &params.columns)?;
        let components = params.components.unwrap_or(p);
        if !(1..=p).contains(&components) {
            return Err(refuse(NAME, format!("`components` must be 1 to {p}, as many as columns")));
        }
        let task = Self { design, components, scale: params.scale.unwrap_or(true) };
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    /// The covariance matrix of the standardised columns, from the sums of n complete rows.
    fn covariance(&self, n: f64, sums: &[f64], products: &Symmetric) -> Result<Symmetric, Error> {
        let p = self.design.width();
        let mut upper = Vec::with_capacity(triangle(p));
        for j in 0..p {
            for k in j..p {
                upper.push((products.get(j, k) - sums[j] / n * sums[k]) / (n - 1.0));
            }
            // Written so that NaN fails too.
            let varies = upper.get(upper.len() - (p - j)).is_some_and(|&v| v > CONSTANT);
            if !varies {
                return Err(unfit(
                    NAME,
                    format!(
                        "`{}` is constant, as far as its public range tells; leave it out or \
                         narrow the range",
                        self.design.names()[j]
                    ),
                ));
            }
        }
        Symmetric::new(p, upper).ok_or_else(|| unfit(NAME, "a matrix of wrong size"))
    }
}

impl Task for Pca {
    type State = ();
    type Output = results::pca::Pca;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        let p = self.design.width();
        let norms = [(p as f64).sqrt(), p as f64];
        let bits = layout::frac_bits(&norms);
        layout::exact(
            NAME,
            VERSION,
            vec![
                layout::count_block(),
                layout::reals("sum", p, norms[0], bits),
                layout::reals("products", triangle(p), norms[1], bits),
            ],
            Vec::new(),
        )
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        layout::from_bytes(query, 0)?;
        let p = self.design.width();
        let (mut patients, mut z) = (0, vec![0.0; p]);
        let (mut sums, mut products) = (vec![0.0; p], vec![0.0; triangle(p)]);
        for i in 0..site.cohort.len() {
            if !self.design.row(site.cohort, i, &mut z) {
                continue;
            }
            patients += 1;
            let mut places = products.iter_mut();
            for (j, z_j) in z.iter().enumerate() {
                sums[j] += z_j;
                for (z_k, place) in z[j..].iter().zip(places.by_ref()) {
                    *place += z_j * z_k;
                }
            }
        }
        if let Some(zero) = layout::floor(query, site, patients) {
            return Ok(zero);
        }
        let count = layout::count_values(patients, 0);
        Ok(Contribution::encode(query, &[count, sums, products], site.max_patients))
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), results::pca::Pca>, Error> {
        let p = self.design.width();
        let counts = layout::read_counts(sum)?;
        let sums = layout::block(sum, "sum", p)?;
        let products = Symmetric::new(p, layout::block(sum, "products", triangle(p))?)
            .ok_or_else(|| unfit(NAME, "a matrix of wrong size"))?;
        if counts.patients < 2 {
            return Err(unfit(
                NAME,
                "fewer than two patients with all columns known: there is no variance; leave out \
                 the columns that are often missing",
            ));
        }
        let n = counts.patients as f64;
        let covariance = self.covariance(n, &sums, &products)?;
        let square = |of: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
            (0..p).map(|j| (0..p).map(|k| of(j, k)).collect()).collect()
        };
        let sd = |j: usize| covariance.get(j, j).sqrt();
        let correlation = square(&|j, k| {
            if j == k { 1.0 } else { covariance.get(j, k) / (sd(j) * sd(k)) }
        });
        let raw =
            square(&|j, k| covariance.get(j, k) * self.design.scale(j) * self.design.scale(k));
        let analysed = if self.scale { &correlation } else { &raw };
        let upper = (0..p).flat_map(|j| analysed[j][j..].iter().copied()).collect();
        let eigen = Symmetric::new(p, upper)
            .and_then(|matrix| matrix.eigen())
            .ok_or_else(|| unfit(NAME, "the sum is not finite; some party broke the protocol"))?;
        // With fewer patients than columns some are zero, and rounding may make them negative.
        let eigenvalues: Vec<f64> = eigen.values.iter().map(|value| value.max(0.0)).collect();
        let total: f64 = eigenvalues.iter().sum();
        Ok(Next::Done(results::pca::Pca {
            schema: "haima.pca/1".to_owned(),
            n: counts.patients,
            sites: counts.sites,
            columns: self.design.names().to_vec(),
            scale: self.scale,
            means: (0..p)
                .map(|j| self.design.center(j) + self.design.scale(j) * (sums[j] / n))
                .collect(),
            sds: (0..p).map(|j| self.design.scale(j) * sd(j)).collect(),
            correlation,
            covariance: (!self.scale).then_some(raw),
            sdev: eigenvalues.iter().map(|value| value.sqrt()).collect(),
            explained: eigenvalues.iter().map(|value| value / total).collect(),
            eigenvalues,
            loadings: eigen.vectors.into_iter().take(self.components).collect(),
        }))
    }
}
