//! Goodness-of-fit tests, from *Numerical Recipes* (2007) sections 6.2, 14.3 and 14.4.

/// A correct sampler with a fresh seed falls below this once in ten million tests.
pub(crate) const FALSE_ALARM: f64 = 1e-7;

/// The p-value of counts against the shares that they should have.
pub(crate) fn chi_square(counts: &[u64], shares: &[f64]) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    let statistic: f64 = counts
        .iter()
        .zip(shares)
        .map(|(&count, share)| {
            let expected = total * share;
            assert!(expected >= 5.0, "a bin expects only {expected}");
            (count as f64 - expected).powi(2) / expected
        })
        .sum();
    upper_gamma((counts.len() - 1) as f64 / 2.0, statistic / 2.0)
}

/// The p-value of two samples, as counts in the same bins, coming from one distribution.
pub(crate) fn chi_square_two_samples(a: &[u64], b: &[u64]) -> f64 {
    let (total_a, total_b) = (a.iter().sum::<u64>() as f64, b.iter().sum::<u64>() as f64);
    let (scale_a, scale_b) = ((total_b / total_a).sqrt(), (total_a / total_b).sqrt());
    let mut freedom = -1.0;
    let mut statistic = 0.0;
    for (&a, &b) in a.iter().zip(b) {
        if a + b > 0 {
            freedom += 1.0;
            statistic += (scale_a * a as f64 - scale_b * b as f64).powi(2) / (a + b) as f64;
        }
    }
    upper_gamma(freedom / 2.0, statistic / 2.0)
}

/// The p-value of a sample against a continuous distribution.
pub(crate) fn kolmogorov_smirnov(sample: &mut [f64], cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let distance = sample
        .iter()
        .enumerate()
        .map(|(i, &x)| {
            let f = cdf(x);
            (f - i as f64 / n).abs().max(((i + 1) as f64 / n - f).abs())
        })
        .fold(0.0, f64::max);
    let lambda = (n.sqrt() + 0.12 + 0.11 / n.sqrt()) * distance;
    let terms = (1..=100).map(|j| {
        let sign = if j % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(j).powi(2) * lambda * lambda).exp()
    });
    // The series is that of small p-values; near lambda = 0 the answer is 1.
    if lambda < 0.3 { 1.0 } else { terms.sum::<f64>().clamp(0.0, 1.0) }
}

/// The standard normal's distribution function.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    let tail = 0.5 * upper_gamma(0.5, x * x / 2.0);
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// Q(a, x), the regularised upper incomplete gamma function: series below a + 1, Lentz's continued
/// fraction above.
pub(crate) fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-16 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return 1.0 - front * sum;
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1e300, 1.0 / b);
    let mut fraction = d;
    for i in 1..10_000 {
        let i = f64::from(i);
        let an = -i * (i - a);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * fraction
}
