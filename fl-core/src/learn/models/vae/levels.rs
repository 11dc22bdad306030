//! A distribution over levels by its scores: p_k = exp(s_k) / sum_j exp(s_j), in scalar doubles.

use crate::nn::SplitMix64;

/// log sum_k exp(s_k), without overflow.
pub(super) fn log_sum(scores: &[f64]) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + libm::log(scores.iter().map(|z| libm::exp(z - largest)).sum())
}

/// -log p of the level that `own` is the indicator of.
pub(super) fn surprise(own: &[f64], scores: &[f64]) -> f64 {
    let total = log_sum(scores);
    own.iter().zip(scores).map(|(y, z)| y * (total - z)).sum()
}

/// The p_k.
pub(super) fn shares(scores: &[f64]) -> Vec<f64> {
    let total = log_sum(scores);
    scores.iter().map(|z| libm::exp(z - total)).collect()
}

/// A level drawn by one uniform number.
pub(super) fn draw(scores: &[f64], random: &mut SplitMix64) -> usize {
    let u = random.unit();
    let mut so_far = 0.0;
    let level = shares(scores).into_iter().position(|share| {
        so_far += share;
        u < so_far
    });
    // Shares may add up to a little less than 1.
    level.unwrap_or(scores.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_any_size_give_shares_that_add_up_to_one() {
        for scores in [&[0.0, 0.0][..], &[1e300, -1e300, 0.0], &[-800.0, -801.0], &[700.0]] {
            let shares = shares(scores);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{shares:?}");
        }
        assert!((log_sum(&[-800.0, -800.0]) - (-800.0 + 2f64.ln())).abs() < 1e-12);
        assert!((surprise(&[0.0, 1.0], &[0.0, 3f64.ln()]) - (4.0 / 3f64).ln()).abs() < 1e-12);
    }

    #[test]
    fn levels_are_drawn_as_often_as_their_shares_say() {
        let (scores, mut random) = ([0.0, 3f64.ln(), f64::NEG_INFINITY], SplitMix64::new(5));
        let mut drawn = [0; 3];
        (0..4000).for_each(|_| drawn[draw(&scores, &mut random)] += 1);
        assert!((2850..3150).contains(&drawn[1]), "{drawn:?}");
        assert_eq!(drawn[2], 0);
    }
}
