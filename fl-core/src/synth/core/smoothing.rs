//! One-way shares from noisy counts, smooth along an attribute's order.
//!
//! Log shares are a smooth curve: a sum of contrasts ([`super::contrasts`]) whose coefficients are
//! normal with variance A q^r at roughness r (a logistic normal prior: Leonard, *Biometrika*
//! 1973;60:297), and counts are shares times patients, plus the known noise. For each (A, q) of
//! a grid the posterior mode is found by Gauss-Newton steps and the evidence by Laplace's
//! approximation; how often each (A, q) occurs is learned from all attributes of the run together
//! ([`super::scores::mixture`]), and the modes are averaged by their posterior probability. Shares are
//! positive, and rare levels are smoothed more than common ones.

use super::contrasts::Contrasts;
use super::scores;

/// Variances A and decays q of the grid.
const SIZES: [f64; 6] = [0.5, 2.0, 8.0, 32.0, 128.0, 512.0];
const DECAYS: [f64; 4] = [1.0, 0.6, 0.35, 0.2];
const MOST_STEPS: usize = 25;
/// Levels beyond which the dense systems of a step are too slow; such attributes are left as they are.
pub(crate) const MOST_SMOOTHED: usize = 64;

/// Noisy counts of one attribute.
pub(crate) struct Counts<'a> {
    pub(crate) counts: &'a [f64],
    /// Noise on each.
    pub(crate) sd: f64,
    pub(crate) basis: Contrasts,
}

/// The mode for one point of the grid.
struct Mode {
    shares: Vec<f64>,
    evidence: f64,
}

/// Smoothed shares of each attribute.
pub(crate) fn smoothed(attributes: &[Counts<'_>], total: f64) -> Vec<Vec<f64>> {
    let modes: Vec<Vec<Mode>> = attributes.iter().map(|counts| modes(counts, total)).collect();
    let evidence: Vec<Vec<f64>> =
        modes.iter().map(|modes| modes.iter().map(|mode| mode.evidence).collect()).collect();
    let average = |(modes, weights): (&Vec<Mode>, &Vec<f64>)| {
        let levels = modes.first().map_or(0, |mode| mode.shares.len());
        let share = |level: usize| {
            modes.iter().zip(weights).map(|(mode, weight)| weight * mode.shares[level]).sum()
        };
        (0..levels).map(share).collect()
    };
    modes.iter().zip(&scores::mixture(&evidence)).map(average).collect()
}

fn modes(attribute: &Counts<'_>, total: f64) -> Vec<Mode> {
    let mut found = Vec::with_capacity(SIZES.len() * DECAYS.len());
    for decay in DECAYS {
        let mut start = vec![0.0; attribute.basis.rows.len()];
        for size in SIZES {
            let of = |order: &u32| size * libm::pow(decay, f64::from(*order) - 1.0);
            let prior: Vec<f64> = attribute.basis.orders.iter().map(of).collect();
            found.push(mode(attribute, total, &prior, &mut start));
        }
    }
    found
}

/// Shares of a curve.
fn softmax(basis: &Contrasts, at: &[f64]) -> Vec<f64> {
    let levels = basis.rows.first().map_or(1, Vec::len);
    let height =
        |level: usize| -> f64 { basis.rows.iter().zip(at).map(|(r, t)| r[level] * t).sum() };
    let heights: Vec<f64> = (0..levels).map(height).collect();
    let top = heights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let values: Vec<f64> = heights.iter().map(|height| libm::exp(height - top)).collect();
    let sum: f64 = values.iter().sum();
    values.iter().map(|value| value / sum).collect()
}

/// The posterior mode from a start, which becomes the mode.
fn mode(attribute: &Counts<'_>, total: f64, prior: &[f64], at: &mut Vec<f64>) -> Mode {
    let (basis, n) = (&attribute.basis, prior.len());
    let objective = |at: &[f64], shares: &[f64]| -> f64 {
        let miss = |(y, p): (&f64, &f64)| (y - total * p) * (y - total * p);
        let error: f64 = attribute.counts.iter().zip(shares).map(miss).sum();
        let length: f64 = at.iter().zip(prior).map(|(t, v)| t * t / v).sum();
        0.5 * (error / (attribute.sd * attribute.sd) + length)
    };
    let mut shares = softmax(basis, at);
    let mut value = objective(at, &shares);
    let mut log_volume = 0.0;
    for step in 0..MOST_STEPS {
        // Slopes of the counts, in units of the noise: (diag p - p p') times each contrast.
        let slopes: Vec<Vec<f64>> = basis
            .rows
            .iter()
            .map(|row| {
                let mean: f64 = row.iter().zip(&shares).map(|(r, p)| r * p).sum();
                let scale = total / attribute.sd;
                row.iter().zip(&shares).map(|(r, p)| scale * p * (r - mean)).collect()
            })
            .collect();
        let misses: Vec<f64> = attribute
            .counts
            .iter()
            .zip(&shares)
            .map(|(y, p)| (y - total * p) / attribute.sd)
            .collect();
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(x, y)| x * y).sum() };
        let mut system = vec![vec![0.0; n]; n];
        let mut right = vec![0.0; n];
        for i in 0..n {
            for j in 0..=i {
                system[i][j] = dot(&slopes[i], &slopes[j]);
            }
            system[i][i] += 1.0 / prior[i];
            right[i] = dot(&slopes[i], &misses) - at[i] / prior[i];
        }
        log_volume = cholesky(&mut system);
        let moves = solve(&system, &right);
        // The decrease that a full step promises.
        let promised = dot(&moves, &right);
        if step + 1 == MOST_STEPS || promised < 1e-8 {
            break;
        }
        let mut size = 1.0;
        let next = loop {
            let to: Vec<f64> = at.iter().zip(&moves).map(|(t, d)| t + size * d).collect();
            let next = softmax(basis, &to);
            let lower = objective(&to, &next);
            if lower < value {
                break Some((to, next, lower));
            }
            size *= 0.5;
            if size < 1e-6 {
                break None;
            }
        };
        let Some((to, next, lower)) = next else { break };
        (*at, shares, value) = (to, next, lower);
    }
    let prior_volume: f64 = prior.iter().map(|v| libm::log(*v)).sum();
    Mode { shares, evidence: -value - 0.5 * (log_volume + prior_volume) }
}

/// The lower factor of a positive definite matrix, in place; gives the logarithm of its determinant.
fn cholesky(matrix: &mut [Vec<f64>]) -> f64 {
    let mut log_determinant = 0.0;
    for i in 0..matrix.len() {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            let left = matrix[i][j] - sum;
            matrix[i][j] = if i == j { left.max(1e-300).sqrt() } else { left / matrix[j][j] };
        }
        log_determinant += 2.0 * libm::log(matrix[i][i]);
    }
    log_determinant
}

/// Solves with a lower factor and its transpose.
fn solve(lower: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let mut x = right.to_vec();
    for i in 0..x.len() {
        let sum: f64 = (0..i).map(|k| lower[i][k] * x[k]).sum();
        x[i] = (x[i] - sum) / lower[i][i];
    }
    for i in (0..x.len()).rev() {
        let sum: f64 = (i + 1..x.len()).map(|k| lower[k][i] * x[k]).sum();
        x[i] = (x[i] - sum) / lower[i][i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::super::Order;
    use super::super::resolution::whole;
    use super::*;

    fn line(levels: usize) -> Contrasts {
        Contrasts::of(&Order::Chains(vec![(0..levels as u16).collect()]), &whole(0, levels))
    }

    /// Shares of a bell curve in 12 bins, and their counts with a wobble of a noise's size.
    fn noisy(sd: f64) -> (Vec<f64>, Vec<f64>) {
        let bell: Vec<f64> = (0..12).map(|i| (-f64::from(i - 5).powi(2) / 8.0).exp()).collect();
        let sum: f64 = bell.iter().sum();
        let shares: Vec<f64> = bell.iter().map(|b| b / sum).collect();
        let wobble = |i: usize| sd * ((i * i * 37 + i * 11) as f64).sin() * 1.4;
        let counts = shares.iter().enumerate().map(|(i, p)| 1000.0 * p + wobble(i)).collect();
        (shares, counts)
    }

    #[test]
    fn smooth_shares_are_nearer_to_a_smooth_truth_than_the_nearest_shares_are() {
        let (truth, counts) = noisy(25.0);
        let smooth = &smoothed(&[Counts { counts: &counts, sd: 25.0, basis: line(12) }], 1000.0)[0];
        let raw: Vec<f64> = counts.iter().map(|c| c / 1000.0).collect();
        let nearest = super::super::resolution::project(&raw);
        let error =
            |shares: &[f64]| -> f64 { shares.iter().zip(&truth).map(|(a, b)| (a - b).abs()).sum() };
        assert!((smooth.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(smooth.iter().all(|share| *share > 0.0));
        assert!(error(smooth) < 0.8 * error(&nearest), "{} {}", error(smooth), error(&nearest));
    }

    #[test]
    fn counts_with_hardly_any_noise_stay_as_they_are() {
        let counts = [400.0, 10.0, 300.0, 5.0, 285.0];
        let found = &smoothed(&[Counts { counts: &counts, sd: 0.01, basis: line(5) }], 1000.0)[0];
        let close = |(p, c): (&f64, &f64)| (p * 1000.0 - c).abs() < 0.1;
        assert!(found.iter().zip(&counts).all(close), "{found:?}");
    }

    #[test]
    fn the_factor_solves_its_system() {
        let matrix = [[4.0, 2.0, 0.6], [2.0, 5.0, 1.0], [0.6, 1.0, 3.0]];
        let mut lower: Vec<Vec<f64>> = matrix.iter().map(|row| row.to_vec()).collect();
        let log_determinant = cholesky(&mut lower);
        let x = solve(&lower, &[1.0, -2.0, 0.5]);
        for (row, want) in matrix.iter().zip([1.0, -2.0, 0.5]) {
            let got: f64 = row.iter().zip(&x).map(|(a, b)| a * b).sum();
            assert!((got - want).abs() < 1e-12);
        }
        assert!((log_determinant - 44.6f64.ln()).abs() < 1e-2, "{}", log_determinant.exp());
    }
}
