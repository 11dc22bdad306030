//! Privacy losses of one pair of neighbours, tabulated from densities and rounded down, and the epsilon
//! that their composition does not meet: a bound from below by another route than the library's.

use rustfft::num_complex::Complex;

/// Losses of P against Q with P's probabilities, and how often the release happens.
pub(super) type Losses = (Vec<(f64, f64)>, u64);

pub(super) fn laplace_losses(q: f64, b: f64) -> Vec<(f64, f64)> {
    let weight = move |x: f64, at: f64| (-(x - at).abs() / b).exp() / (2.0 * b);
    densities(
        -40.0 * b,
        1.0 + 40.0 * b,
        move |x| (1.0 - q) * weight(x, 0.0) + q * weight(x, 1.0),
        move |x| weight(x, 0.0),
    )
}

/// Losses of two densities over the reals, by cells of a fine grid.
pub(super) fn densities(
    from: f64,
    to: f64,
    p: impl Fn(f64) -> f64,
    q: impl Fn(f64) -> f64,
) -> Vec<(f64, f64)> {
    let cells = 60_000;
    let step = (to - from) / f64::from(cells);
    (0..cells)
        .map(|i| from + (f64::from(i) + 0.5) * step)
        .map(|x| (p(x), q(x)))
        // Less of P than there is, and a smaller loss than the cell's: a bound from below.
        .map(|(p, q)| ((p / q).ln() - 2e-9, p * step * (1.0 - 1e-9)))
        .filter(|(loss, mass)| loss.is_finite() && *mass > 1e-300)
        .collect()
}

fn masses(p: &[f64], q: &[f64]) -> Vec<(f64, f64)> {
    p.iter()
        .zip(q)
        .filter(|(p, q)| **p > 0.0 && **q > 0.0)
        .map(|(p, q)| ((p / q).ln(), *p))
        .collect()
}

pub(super) fn normal(x: f64, mu: f64, s: f64) -> f64 {
    (-(x - mu).powi(2) / (2.0 * s * s)).exp() / (s * (2.0 * std::f64::consts::PI).sqrt())
}

pub(super) fn mixed(q: f64, mu: f64, s: f64) -> impl Fn(f64) -> f64 {
    move |x| (1.0 - q) * normal(x, 0.0, s) + q * normal(x, mu, s)
}

pub(super) fn poisson_losses(q: f64, s: f64) -> Vec<(f64, f64)> {
    densities(-12.0 * s, 1.0 + 12.0 * s, mixed(q, 1.0, s), mixed(0.0, 0.0, s))
}

pub(super) fn gaussian_losses(mu: f64) -> Vec<(f64, f64)> {
    densities(mu - 14.0, mu + 14.0, |x| normal(x, mu, 1.0), |x| normal(x, 0.0, 1.0))
}

/// P(X = k), k in -n..=n, against the same moved by d.
pub(super) fn moved(weight: impl Fn(i64) -> f64, n: i64, d: i64) -> Vec<(f64, f64)> {
    let total: f64 = (-n..=n).map(&weight).sum();
    let p: Vec<f64> = (-n..=n).map(|k| weight(k - d) / total).collect();
    let q: Vec<f64> = (-n..=n).map(|k| weight(k) / total).collect();
    masses(&p, &q)
}

pub(super) fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; a.len() + b.len() - 1];
    for (i, x) in a.iter().enumerate() {
        b.iter().enumerate().for_each(|(j, y)| sum[i + j] += x * y);
    }
    sum
}

/// A symmetric distribution given as a centred array, against itself moved by d.
pub(super) fn moved_array(pmf: &[f64], d: usize) -> Vec<(f64, f64)> {
    let total: f64 = pmf.iter().sum();
    masses(
        &pmf.iter().take(pmf.len() - d).map(|p| p / total).collect::<Vec<_>>(),
        &pmf.iter().skip(d).map(|p| p / total).collect::<Vec<_>>(),
    )
}

/// An epsilon that the composed losses do not meet: a bound from below.
pub(super) fn below(parts: &[Losses], delta: f64) -> f64 {
    let spread: f64 = parts
        .iter()
        .map(|(losses, count)| {
            let mean: f64 = losses.iter().map(|(l, p)| l * p).sum();
            let variance: f64 = losses.iter().map(|(l, p)| l * l * p).sum::<f64>() - mean * mean;
            mean.abs() * *count as f64 + 40.0 * (variance.max(0.0) * *count as f64).sqrt()
        })
        .sum();
    let points = 1 << 17;
    // Rounding down moves the whole by up to half a step a release, which has to stay in the window.
    if parts.iter().map(|(_, count)| *count).sum::<u64>() > 1 << 14 {
        return 0.0;
    }
    let h = 2.0 * spread.max(1e-9) / f64::from(points);
    let points = points as usize;
    let forward = rustfft::FftPlanner::new().plan_fft_forward(points);
    let mut product = vec![Complex::new(1.0, 0.0); points];
    for (losses, count) in parts {
        let mut buffer = vec![Complex::new(0.0, 0.0); points];
        for (loss, p) in losses {
            let at = (loss / h).floor();
            // What leaves the window is dropped.
            if at.abs() < points as f64 / 2.0 {
                buffer[(at as i64).rem_euclid(points as i64) as usize].re += p;
            }
        }
        forward.process(&mut buffer);
        for (total, one) in product.iter_mut().zip(&buffer) {
            *total *= one.powu(u32::try_from(*count).unwrap());
        }
    }
    rustfft::FftPlanner::new().plan_fft_inverse(points).process(&mut product);
    // The transform's own noise grows with the number of releases.
    let releases: f64 = parts.iter().map(|(_, count)| *count as f64).sum();
    let at = |i: usize| product[i].re / points as f64 - 3e-16 * (releases + 100.0);
    let delta_at = |epsilon: f64| -> f64 {
        (1..points / 2)
            .map(|i| (i as f64 * h, at(i)))
            .filter(|(loss, p)| *loss > epsilon && *p > 0.0)
            .map(|(loss, p)| p * -(epsilon - loss).exp_m1())
            .sum()
    };
    let (mut low, mut high) = (0.0, spread.max(1e-9));
    if delta_at(0.0) <= delta {
        return 0.0;
    }
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        if delta_at(middle) > delta { low = middle } else { high = middle }
    }
    low
}
