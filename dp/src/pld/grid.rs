//! A hockey-stick curve as a distribution of losses on a grid, from above.

use super::curve::Curve;

/// Most points of one part's distribution.
const MOST_POINTS: f64 = 1_048_576.0;

/// Probabilities of the losses `(first + i) h`, and of an infinite one.
#[derive(Debug, Clone)]
pub(super) struct Losses {
    pub(super) first: i64,
    pub(super) p: Vec<f64>,
    pub(super) infinite: f64,
}

impl Losses {
    /// Connects the dots of `curve` at the multiples of `h`, from where what lies below hardly moves
    /// the mean (`left`) to where at most `cut` is left. `None` when that takes too many points.
    pub(super) fn new(
        curve: &dyn Curve,
        reverse: &dyn Curve,
        h: f64,
        left: f64,
        cut: f64,
    ) -> Option<Self> {
        let right = edge(curve, |_, value| value <= cut)?;
        // E[(e^(a - loss) - 1)+] of the losses below a = -x, by the reverse curve.
        let low = edge(reverse, |x, value| libm::exp(-x) * value <= left)?;
        let (first, last) = ((-low / h).floor() - 1.0, (right / h).ceil() + 1.0);
        let few = last - first < MOST_POINTS && first.abs() < 1e15 && last.abs() < 1e15;
        if !few {
            return None;
        }
        let points = (last - first) as usize + 1;
        let sticks: Vec<(f64, f64)> = (0..points)
            .map(|i| {
                let stick = curve.at((first + i as f64) * h);
                (stick.value, stick.error + f64::EPSILON * stick.value)
            })
            .collect();
        let (grow, step) = (libm::exp(h), libm::expm1(h));
        let mut p: Vec<f64> = vec![0.0; points];
        for (place, around) in p.iter_mut().skip(1).zip(sticks.windows(3)) {
            let [(d0, e0), (d1, e1), (d2, e2)] = *around else { continue };
            let mass = ((d2 - d1) - grow * (d1 - d0)) / step;
            let hidden = (e2 + (1.0 + grow) * e1 + grow * e0) / step;
            *place = mass.max(0.0) + hidden;
        }
        if let (Some(&(d0, e0)), Some(&(d1, e1))) = (sticks.first(), sticks.get(1))
            && let Some(place) = p.first_mut()
        {
            *place = (1.0 - d0 + (d1 - d0) / step).max(0.0) + e0 + (e0 + e1) / step;
        }
        let (before, end) = (sticks.get(points - 2)?, sticks.last()?);
        *p.last_mut()? = (before.0 - end.0 + before.1 + end.1) * grow / step;
        Some(Self { first: first as i64, p, infinite: end.0 + end.1 })
    }

    /// ln sum p e^(theta x).
    pub(super) fn log_moment(&self, theta: f64, h: f64) -> f64 {
        // Scaled by the far end, whose exponent is the largest for theta > 0, else by the near one.
        let end = self.first + if theta > 0.0 { self.p.len() as i64 - 1 } else { 0 };
        let ratio = libm::exp(theta.abs() * -h);
        let (mut weight, mut sum) = (1.0, 0.0);
        let mut add = |i: usize, p: f64| {
            // The running product is renewed now and then, so that its error stays small.
            if i.is_multiple_of(1024) {
                weight = libm::exp(-(theta.abs() * h) * i as f64);
            }
            sum += p * weight;
            weight *= ratio;
        };
        if theta > 0.0 {
            self.p.iter().rev().enumerate().for_each(|(i, &p)| add(i, p));
        } else {
            self.p.iter().enumerate().for_each(|(i, &p)| add(i, p));
        }
        if sum > 1e-280 {
            return theta * end as f64 * h + libm::log(sum);
        }
        // The far end is out of sight: take the largest term as the scale.
        let exponent = |i: usize, p: f64| libm::log(p) + theta * (self.first + i as i64) as f64 * h;
        let terms = || self.p.iter().enumerate().filter(|(_, p)| **p > 0.0);
        let most = terms().map(|(i, &p)| exponent(i, p)).fold(f64::NEG_INFINITY, f64::max);
        most + libm::log(terms().map(|(i, &p)| libm::exp(exponent(i, p) - most)).sum())
    }
}

/// The smallest x of at least zero, about, at which the curve is `low` enough.
fn edge(curve: &dyn Curve, low: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let fits = |x: f64| low(x, curve.at(x).value);
    if fits(0.0) {
        // Near zero: find the scale from below.
        return Some(0.0);
    }
    let mut high = 1e-9;
    while !fits(high) {
        high *= 2.0;
        if high > 1e9 {
            return None;
        }
    }
    let mut bottom = high / 2.0;
    for _ in 0..8 {
        let middle = 0.5 * (bottom + high);
        if fits(middle) { high = middle } else { bottom = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::super::curve::Gauss;
    use super::*;

    /// The distribution's own hockey stick is the curve at the grid points, and above it between.
    #[test]
    fn the_dots_are_connected_from_above() {
        let (curve, h) = (Gauss { mu: 0.7 }, 0.05);
        let losses = Losses::new(&curve, &curve, h, 1e-14, 1e-14).unwrap();
        let stick = |x: f64| -> f64 {
            let finite: f64 = losses
                .p
                .iter()
                .enumerate()
                .map(|(i, p)| (i, *p, (losses.first + i as i64) as f64 * h))
                .map(|(_, p, loss)| p * (1.0 - (x - loss).exp()).max(0.0))
                .sum();
            finite + losses.infinite
        };
        for step in -40..80 {
            let x = f64::from(step) * h / 2.0;
            let (ours, truth) = (stick(x), curve.at(x).value);
            assert!(ours >= truth - 1e-13, "{x}: {ours} {truth}");
            let tolerance = if step % 2 == 0 { 1e-9 } else { h * h };
            assert!(ours <= truth + tolerance, "{x}: {ours} {truth}");
        }
        let total: f64 = losses.p.iter().sum::<f64>() + losses.infinite;
        assert!((total - 1.0).abs() < 1e-9, "{total}");
    }

    #[test]
    fn moments_agree_with_the_closed_form() {
        let (mu, h) = (0.7f64, 1e-3);
        let curve = Gauss { mu };
        let losses = Losses::new(&curve, &curve, h, 1e-16, 1e-40).unwrap();
        for theta in [-1.0, 0.5, 4.0, 10.0] {
            let closed = theta * (theta + 1.0) * mu * mu / 2.0;
            assert!((losses.log_moment(theta, h) - closed).abs() < 1e-4, "{theta}");
        }
    }
}
