//! The checks, as functions of what a coalition sees. They know the claim, N_Z(0, s^2) and D, and
//! compute every probability themselves; nothing of the library under audit is called.
//!
//! Each says why it fails. The false-alarm rate of each is in the module head of the audit.

use std::collections::HashSet;

/// What a check found wrong.
pub(crate) type Finding = Result<(), String>;

fn demand(holds: bool, problem: impl FnOnce() -> String) -> Finding {
    if holds { Ok(()) } else { Err(problem()) }
}

/// Pearson's chi-square against exact probabilities, and the tails: some draw beyond 3.5 s, none
/// beyond 8 s.
///
/// Cells are s/64 integers wide, one integer up to s = 64, out to 3.5 s; the rest is one cell a
/// side. For 10^-6.
pub(crate) fn fits(sample: &[i64], s: u64) -> Finding {
    let (n, s) = (sample.len() as f64, s as i64);
    let width = (s / 64).max(1);
    let cells = (s * 7 / 2 / width).max(1);
    let cell_of = |x: i64| x.div_euclid(width).clamp(-cells - 1, cells) + cells + 1;
    let mut expected = vec![0.0; 2 * cells as usize + 2];
    for x in -12 * s..=12 * s {
        expected[cell_of(x) as usize] += (-0.5 * (x as f64 / s as f64).powi(2)).exp();
    }
    let total: f64 = expected.iter().sum();
    let mut counts = vec![0_u32; expected.len()];
    for &x in sample {
        counts[cell_of(x) as usize] += 1;
    }
    let statistic: f64 = expected
        .iter()
        .zip(&counts)
        .map(|(weight, &count)| {
            let expected = n * weight / total;
            (f64::from(count) - expected).powi(2) / expected
        })
        .sum();
    let df = expected.len() as f64 - 1.0;
    let quantile = chi_square_quantile(df);
    demand(statistic <= quantile, || format!("chi-square {statistic:.0} on {df} df"))?;
    let largest = sample.iter().map(|x| x.abs()).max().unwrap_or(0);
    demand((7 * s / 2..8 * s).contains(&largest), || format!("largest draw {largest}, s = {s}"))
}

/// At a large scale the lowest byte is uniform: chi-square on 255 degrees of freedom, for 10^-6.
pub(crate) fn low_bits_are_uniform(sample: &[i64]) -> Finding {
    let mut counts = [0_u32; 256];
    sample.iter().for_each(|x| counts[(x & 255) as usize] += 1);
    let expected = sample.len() as f64 / 256.0;
    let off = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected);
    let statistic: f64 = off.sum();
    demand(statistic <= chi_square_quantile(255.0), || {
        format!("chi-square {statistic:.0} of the lowest byte")
    })
}

/// What chi-square passes with probability 10^-6, by Wilson and Hilferty.
fn chi_square_quantile(df: f64) -> f64 {
    let shape = 2.0 / (9.0 * df);
    df * (1.0 - shape + 4.753 * shape.sqrt()).powi(3)
}

/// The mean square over `nodes` s^2 is within seven of its standard errors of 1: within 1 % at
/// 10^6 coordinates.
pub(crate) fn variance(sample: &[i64], s: u64, nodes: u64) -> Result<f64, String> {
    let n = sample.len() as f64;
    let claimed = nodes as f64 * (s as f64).powi(2);
    let ratio = sample.iter().map(|&x| (x as f64).powi(2)).sum::<f64>() / n / claimed;
    demand((ratio - 1.0).abs() <= 7.0 * (2.0 / n).sqrt(), || format!("variance {ratio:.4}"))?;
    Ok(ratio)
}

/// Draws, and their squares, at distances 1 to 16 are uncorrelated: within 5.5 standard errors.
pub(crate) fn no_serial_correlation(sample: &[i64], s: u64) -> Finding {
    (1..=16).try_for_each(|lag| {
        uncorrelated(&sample[lag..], &sample[..sample.len() - lag], s)
            .map_err(|problem| format!("lag {lag}: {problem}"))
    })
}

/// Two samples, and their squares, are uncorrelated: within 5.5 standard errors.
pub(crate) fn uncorrelated(a: &[i64], b: &[i64], s: u64) -> Finding {
    let unit = |x: i64| x as f64 / s as f64;
    let sums = a.iter().zip(b).fold((0.0, 0.0), |(values, squares), (&a, &b)| {
        let (a, b) = (unit(a), unit(b));
        (values + a * b, squares + (a * a - 1.0) * (b * b - 1.0) / 2.0)
    });
    let root = (a.len() as f64).sqrt();
    for (what, sum) in [("values", sums.0), ("squares", sums.1)] {
        let errors = sum / root;
        demand(errors.abs() <= 5.5, || format!("{what} correlated by {errors:.1} errors"))?;
    }
    Ok(())
}

/// Rounds share no noise: no pair of them is correlated, and no three consecutive draws occur
/// twice, at whatever places of whatever rounds. Every draw is the sum of `nodes` nodes' noise.
pub(crate) fn rounds_share_nothing(rounds: &[Vec<i64>], s: u64, nodes: u64) -> Finding {
    let variance = nodes as f64 * (s as f64).powi(2);
    let pairs = rounds.len() * (rounds.len() - 1) / 2;
    let limit = correlation_limit(rounds[0].len(), 1e-6 / pairs as f64);
    for (at, a) in rounds.iter().enumerate() {
        for (other, b) in rounds[..at].iter().enumerate() {
            let sum: f64 = a.iter().zip(b).map(|(&a, &b)| a as f64 * b as f64).sum();
            let correlation = sum / a.len() as f64 / variance;
            demand(correlation.abs() <= limit, || {
                format!("rounds {other} and {at}: correlation {correlation:.2}, limit {limit:.2}")
            })?;
        }
    }
    let mut seen = HashSet::new();
    let mut draws = rounds.iter().flat_map(|round| round.windows(3));
    let twice = draws.find(|draws| !seen.insert(*draws));
    demand(twice.is_none(), || format!("the draws {twice:?} occur twice"))
}

/// The c that the correlation of two independent samples of `len` passes with probability at most
/// `rate`. Chernoff: for variables as light-tailed as a Gaussian, which the discrete one is,
/// P(|sum xy| > c len variance) <= 2 exp(-len (c t + ln(1 - t^2) / 2)) for every t in (0, 1).
fn correlation_limit(len: usize, rate: f64) -> f64 {
    let exponent = |c: f64| {
        let t = ((1.0 + 4.0 * c * c).sqrt() - 1.0) / (2.0 * c);
        len as f64 * (c * t + (1.0 - t * t).ln() / 2.0)
    };
    let steps = (1..).map(|step| f64::from(step) / 1000.0);
    steps.into_iter().find(|&c| 2.0 * (-exponent(c)).exp() <= rate).unwrap_or(f64::INFINITY)
}

/// The mu of Gaussian differential privacy that `with` and `without` show along the patients'
/// vectors, with its interval of 99.9 %, which must contain `claimed` and refute s * 0.9.
///
/// Every block of coordinates is an experiment of its own: its patient is present or absent. The
/// test that tells the two worlds apart best looks at the projection on that patient's vector, so
/// mu is the distance of the projections' means over their standard deviation.
pub(crate) fn mu(
    without: &[i64],
    with: &[i64],
    patients: &[i64],
    block: usize,
    claimed: f64,
) -> Result<(f64, f64), String> {
    let project = |view: &[i64]| -> Vec<f64> {
        let blocks = view.chunks(block).zip(patients.chunks(block));
        blocks
            .map(|(view, patient)| {
                let dot: f64 = view.iter().zip(patient).map(|(&x, &v)| x as f64 * v as f64).sum();
                dot / patient.iter().map(|&v| (v as f64).powi(2)).sum::<f64>().sqrt()
            })
            .collect()
    };
    let moments = |sample: &[f64]| {
        let n = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / n;
        (mean, sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0))
    };
    let (without, with) = (project(without), project(with));
    let n = with.len() as f64;
    let ((m0, v0), (m1, v1)) = (moments(&without), moments(&with));
    let mu = (m1 - m0) / f64::midpoint(v0, v1).sqrt();
    let half = 3.2905 * (2.0 / n + mu * mu / (4.0 * n)).sqrt();
    let (low, high) = (mu - half, mu + half);
    demand(low <= claimed && claimed <= high, || {
        format!("mu in {low:.3} to {high:.3}, but {claimed:.3} is claimed")
    })?;
    demand(high < claimed / 0.9, || format!("mu up to {high:.3} cannot refute 0.9 s"))?;
    Ok((low, high))
}

/// Rule S2: two neighbouring data sets' sums are at most D apart, in integers.
pub(crate) fn within_sensitivity(a: &[i64], b: &[i64], sensitivity: u64) -> Finding {
    let differences = a.iter().zip(b).map(|(a, b)| u128::from(a.abs_diff(*b)));
    let squared: u128 = differences.map(|x| x * x).sum();
    demand(squared <= u128::from(sensitivity).pow(2), || {
        format!("sums are {:.3} apart, D = {sensitivity}", (squared as f64).sqrt())
    })
}
