//! Distances of two histograms over the same levels, and the distance that chance alone gives.
//!
//! Total variation is half the sum of absolute differences of shares: the share of patients who
//! would have to change their level. Kolmogorov-Smirnov is the largest difference of the
//! distribution functions, for levels in an order.
//!
//! Two cohorts of one population differ too. [`by_chance`] is the mean total variation when the
//! labels "real" and "virtual" are dealt out at random among all of both: a permutation test's mean,
//! by the mean absolute deviation of the hypergeometric distribution in closed form (Ramasubban,
//! *Biometrika* 1958;45:549; Diaconis and Zabell, *Statistical Science* 1991;6:284).

/// Total variation of `real / n` and `synthetic / m`, between 0 and 1. Counts under noise may be
/// negative and need not add up to `n`; they are taken as they are, since cutting them off would
/// bias the distance. NaN where `n` or `m` is not above 0.
#[must_use]
pub fn of_shares(real: &[f64], n: f64, synthetic: &[f64], m: f64) -> f64 {
    if !(n > 0.0 && m > 0.0) {
        return f64::NAN;
    }
    let sum: f64 = real.iter().zip(synthetic).map(|(a, b)| (a / n - b / m).abs()).sum();
    (sum / 2.0).min(1.0)
}

/// Total variation of two histograms; NaN where one is empty.
#[must_use]
pub fn total_variation(real: &[f64], synthetic: &[f64]) -> f64 {
    of_shares(real, real.iter().sum(), synthetic, synthetic.iter().sum())
}

/// Kolmogorov-Smirnov distance of two histograms over ordered levels; NaN where one is empty.
#[must_use]
pub fn kolmogorov_smirnov(real: &[f64], synthetic: &[f64]) -> f64 {
    let (n, m): (f64, f64) = (real.iter().sum(), synthetic.iter().sum());
    if !(n > 0.0 && m > 0.0) {
        return f64::NAN;
    }
    let (mut below_real, mut below_synthetic, mut largest) = (0.0, 0.0, 0.0f64);
    for (a, b) in real.iter().zip(synthetic) {
        below_real += a / n;
        below_synthetic += b / m;
        largest = largest.max((below_real - below_synthetic).abs());
    }
    largest.min(1.0)
}

/// Mean total variation of two cohorts of `n` and `m` drawn from what both are together. `noise` is
/// the standard deviation that noise adds to each count of the first, or 0. A level's deviation by
/// chance and by noise are joined as if both were normal. NaN where `n` or `m` is below 1.
#[must_use]
pub fn by_chance(real: &[f64], n: f64, synthetic: &[f64], m: f64, noise: f64) -> f64 {
    if !(n >= 1.0 && m >= 1.0 && noise >= 0.0) {
        return f64::NAN;
    }
    let (n, m) = (n.round(), m.round());
    let dealt = Dealt::new(n, m);
    // Mean absolute value of a normal deviation.
    let of_noise = std::f64::consts::FRAC_2_PI.sqrt() * noise / n;
    let each = real.iter().zip(synthetic).map(|(a, b)| {
        let of_chance = dealt.mean_deviation((a + b).round().clamp(0.0, n + m));
        libm::hypot(of_chance, of_noise)
    });
    (each.sum::<f64>() / 2.0).min(1.0)
}

/// A level's patients dealt out between `n` real and `m` virtual ones.
struct Dealt {
    n: f64,
    m: f64,
    /// Logarithm of the number of ways.
    ways: f64,
}

impl Dealt {
    fn new(n: f64, m: f64) -> Self {
        Self { n, m, ways: choose(n + m, n) }
    }

    /// Mean of `|x / n - (k - x) / m|` for the hypergeometric number x of the level's k patients
    /// that are called real.
    fn mean_deviation(&self, k: f64) -> f64 {
        let Self { n, m, ways } = self;
        // The first value above the mean; beyond the last possible one nothing deviates.
        let v = (n * k / (n + m)).floor() + 1.0;
        let others = m - k + v;
        if v > k || v > *n || others < 0.0 {
            return 0.0;
        }
        let probability = libm::exp(choose(k, v) + choose(n + m - k, n - v) - ways);
        2.0 * v * others * probability / (n * m)
    }
}

/// Logarithm of the binomial coefficient.
fn choose(n: f64, k: f64) -> f64 {
    libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0)
}
