//! The empirical Bayes step of ComBat.
//!
//! Johnson, Li and Rabinovic, Biostatistics 2007;8:118, section 3.2, the parametric form: a batch's
//! shifts have a normal prior over features and its variances an inverse gamma one, both by the method
//! of moments. The paper's iteration is carried to its fixed point, where common programs stop at a
//! relative change of 1e-4.

use std::cmp::Ordering;

const MOST_ITERATIONS: u32 = 10_000;
const CONVERGED: f64 = 1e-13;

/// The posterior shift and variance of each feature in a batch of `n` patients, from the batch's own
/// means `gamma` and variances `delta` (divisor n - 1) of standardised features. `None` for fewer than
/// two features or patients, or where a figure is no number or a variance comes to nothing.
pub(crate) fn shrink(n: f64, gamma: &[f64], delta: &[f64]) -> Option<Vec<[f64; 2]>> {
    let (shift, shift_variance) = moments(gamma)?;
    let (scale, scale_variance) = moments(delta)?;
    if n < 2.0 || gamma.len() != delta.len() {
        return None;
    }
    // With equal variances the prior is a point, and so is the posterior.
    let prior = (scale_variance > f64::MIN_POSITIVE).then(|| {
        let square = scale * scale;
        let shape = (2.0 * scale_variance + square) / scale_variance;
        let rate = (scale * scale_variance + scale * square) / scale_variance;
        (shape, rate)
    });
    let posterior = |(&own, &variance): (&f64, &f64)| -> Option<[f64; 2]> {
        let (mut g, mut d) = (own, prior.map_or(scale, |_| variance));
        for _ in 0..MOST_ITERATIONS {
            let weight = shift_variance * n;
            let next =
                if weight + d > 0.0 { (weight * own + d * shift) / (weight + d) } else { own };
            let squares = (n - 1.0) * variance + n * (own - next) * (own - next);
            let wide = match prior {
                Some((shape, rate)) => (0.5 * squares + rate) / (n / 2.0 + shape - 1.0),
                None => scale,
            };
            let change = (next - g).abs().max((wide - d).abs());
            (g, d) = (next, wide);
            // Written so that NaN ends it.
            if change.partial_cmp(&(CONVERGED * (g.abs() + d))) != Some(Ordering::Greater) {
                break;
            }
        }
        (g.is_finite() && d.is_finite() && d > 0.0).then_some([g, d])
    };
    gamma.iter().zip(delta).map(posterior).collect()
}

/// Mean and variance, divisor n - 1.
fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    if n < 2.0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    (mean.is_finite() && variance.is_finite()).then_some((mean, variance))
}

#[cfg(test)]
mod tests {
    use super::shrink;

    #[test]
    fn small_batches_are_drawn_to_the_common_shift_and_large_ones_keep_theirs() {
        let (gamma, delta) = ([0.0, 1.0, 2.0], [0.5, 1.0, 1.8]);
        let small = shrink(3.0, &gamma, &delta).unwrap();
        let large = shrink(1e6, &gamma, &delta).unwrap();
        for ((s, l), (g, d)) in small.iter().zip(&large).zip(gamma.iter().zip(delta)) {
            assert!((s[0] - 1.0).abs() <= (g - 1.0).abs() + 1e-12, "{s:?}");
            assert!((l[0] - g).abs() < 1e-4 && (l[1] - d).abs() < 1e-4, "{l:?}");
        }
        assert!(small[0][0] > 0.1 && small[2][0] < 1.9, "{small:?}");
    }

    #[test]
    fn what_cannot_be_shrunk_is_none() {
        assert_eq!(shrink(5.0, &[1.0], &[1.0]), None);
        assert_eq!(shrink(1.0, &[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(shrink(5.0, &[1.0, f64::NAN], &[1.0, 2.0]), None);
        assert_eq!(shrink(5.0, &[1.0, 2.0], &[0.0, 0.0]), None);
        let equal = shrink(5.0, &[1.0, 2.0], &[0.5, 0.5]).unwrap();
        assert!(equal.iter().all(|[_, d]| (d - 0.5).abs() < 1e-15));
    }
}
