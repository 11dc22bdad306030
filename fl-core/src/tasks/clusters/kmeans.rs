//! Lloyd's step over sums: how many patients are nearest to each centre, where, and how far away.
//!
//! A centre that is nearest to nobody is *empty*. It moves next to the centre of the largest sum of
//! squares, half a root mean square away, to split that cluster; at most [`MOST_SPLITS`] times in
//! a run (there may be fewer distinct patients than centres). After that it stays where it is and
//! is reported with size 0.
//!
//! # Bounds
//! A patient z in [-1, 1]^p has one nearest centre c in [-1, 1]^p. It adds 1 to `size`, z to `sum`
//! (norm at most sqrt(p)) and |z - c|^2 <= 4 p to `squares`.

use super::{Found, Step};
use crate::error::Error;
use crate::results::clusters::Cluster;
use crate::sum::Sum;
use crate::task::Block;
use crate::tasks::layout;

/// Empty centres that a run moves, a centre.
const MOST_SPLITS: usize = 10;

/// The centres: the public iterate.
#[derive(Clone, Debug)]
pub(super) struct Centres {
    centres: Vec<Vec<f64>>,
    /// Empty centres that were moved so far.
    splits: usize,
}

/// Layout of the sums for `k` centres in `p` columns.
pub(super) fn blocks(k: usize, p: usize) -> Vec<Block> {
    let norms = [(p as f64).sqrt(), 4.0 * p as f64];
    let bits = layout::frac_bits(&norms);
    vec![
        layout::counts("size", k, 1.0),
        layout::reals("sum", k * p, norms[0], bits),
        layout::reals("squares", k, norms[1], bits),
    ]
}

/// What one site adds.
pub(super) struct Sums {
    centres: Vec<f64>,
    p: usize,
    size: Vec<f64>,
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Sums {
    /// Starts at zero; `None` when a centre lies outside the public ranges.
    pub(super) fn new(centres: Vec<f64>, p: usize) -> Option<Self> {
        let inside = centres.iter().all(|x| x.abs() <= 1.0);
        let k = centres.len() / p;
        let (size, sum, squares) = (vec![0.0; k], vec![0.0; k * p], vec![0.0; k]);
        inside.then_some(Self { centres, p, size, sum, squares })
    }

    /// Adds a patient to its nearest centre, the first of several.
    pub(super) fn add(&mut self, z: &[f64]) {
        let distance = |centre: &[f64]| z.iter().zip(centre).map(|(a, b)| (a - b) * (a - b)).sum();
        let distances = self.centres.chunks(self.p).map(distance).enumerate();
        let Some((nearest, distance)) = distances.min_by(|(_, a), (_, b)| f64::total_cmp(a, b))
        else {
            return;
        };
        self.size[nearest] += 1.0;
        self.squares[nearest] += distance;
        for (sum, x) in self.sum[nearest * self.p..].iter_mut().zip(z) {
            *sum += x;
        }
    }

    /// The blocks in the order of [`blocks`].
    pub(super) fn blocks(self) -> Vec<Vec<f64>> {
        vec![self.size, self.sum, self.squares]
    }
}

impl Centres {
    pub(super) fn new(centres: Vec<Vec<f64>>) -> Self {
        Self { centres, splits: 0 }
    }

    /// The iterate as the query carries it.
    pub(super) fn numbers(&self) -> Vec<f64> {
        self.centres.concat()
    }

    /// Moves each centre to the mean of its patients.
    pub(super) fn absorb(self, sum: &Sum, tolerance: f64, last: bool) -> Result<Step<Self>, Error> {
        let k = self.centres.len();
        let p = self.centres.first().map_or(0, Vec::len);
        let size = layout::block(sum, "size", k)?;
        let sums = layout::block(sum, "sum", k * p)?;
        let squares = layout::block(sum, "squares", k)?;
        let mean = |j: usize| -> Vec<f64> {
            let old = &self.centres[j];
            let sums = &sums[j * p..(j + 1) * p];
            // The clamp matters only for sums that no honest sites made.
            let of = |(s, c): (&f64, &f64)| if size[j] >= 1.0 { s / size[j] } else { *c };
            sums.iter().zip(old).map(of).map(|x: f64| x.clamp(-1.0, 1.0)).collect()
        };
        let mut centres: Vec<Vec<f64>> = (0..k).map(mean).collect();
        // About the new mean: |z - c|^2 summed, less size |mean - c|^2.
        let within = |j: usize| {
            let moved = centres[j].iter().zip(&self.centres[j]).map(|(a, b)| (a - b) * (a - b));
            (squares[j] - size[j].max(0.0) * moved.sum::<f64>()).max(0.0)
        };
        let within: Vec<f64> = (0..k).map(within).collect();
        let mut splits = self.splits;
        if !last {
            let mut room = within.clone();
            for j in (0..k).filter(|&j| size[j] < 1.0) {
                let largest = (0..k).max_by(|&a, &b| room[a].total_cmp(&room[b]));
                let Some(widest) = largest.filter(|&w| room[w] > 0.0 && size[w] >= 2.0) else {
                    break;
                };
                if splits >= MOST_SPLITS * k {
                    break;
                }
                let away = (within[widest] / size[widest] / p as f64).sqrt() / 2.0;
                centres[j] = centres[widest].iter().map(|x| (x + away).clamp(-1.0, 1.0)).collect();
                room[widest] /= 2.0;
                splits += 1;
            }
        }
        let moves = self.centres.iter().flatten().zip(centres.iter().flatten());
        let converged = moves.fold(0.0, |most: f64, (a, b)| most.max((a - b).abs())) <= tolerance;
        if !converged && !last {
            return Ok(Step::Continue(Self { centres, splits }));
        }
        let n: f64 = size.iter().sum();
        let cluster = |(j, centre): (usize, Vec<f64>)| Cluster {
            size: size[j],
            weight: size[j] / n,
            centre,
            within_ss: Some(within[j]),
            covariance: None,
        };
        let clusters = centres.into_iter().enumerate().map(cluster).collect();
        Ok(Step::Done(Found { clusters, loglik: None, converged }))
    }
}
