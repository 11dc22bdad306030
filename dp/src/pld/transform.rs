//! Composition of loss distributions by tilted Fourier transforms, with a bound on their rounding.

use rustfft::num_complex::Complex;
use rustfft::{FftDirection, FftPlannerScalar};

use super::grid::Losses;
use super::{CUT_SHARE, Goal, MOST_POINTS};
use crate::accountant::Carried;

/// A figure and what it carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) value: f64,
    pub(super) carries: Carried,
}

/// A window of the composed loss, in grid points.
struct Window {
    first: i128,
    points: usize,
    /// Probability beyond its right end, at most.
    beyond: f64,
}

/// Composes the parts, each `count` times, and answers the goal. `None` when the window takes more
/// points than allowed.
pub(super) fn compose(parts: &[(Losses, u64)], h: f64, theta: f64, goal: Goal) -> Option<Outcome> {
    let moment = |theta: f64| -> f64 {
        parts.iter().map(|(losses, count)| *count as f64 * losses.log_moment(theta, h)).sum()
    };
    let k = moment(theta);
    let window = window(parts, h, theta, k, &moment, goal)?;
    let total: f64 = parts.iter().map(|(_, count)| *count as f64).sum();
    let (tilted, per_point) = tilted_product(parts, h, theta, window.points);
    // The logarithms of the moments are off by a few units each.
    let margin = 1.0 + 1e-12 + total * 1e-15;
    let infinite: f64 =
        parts.iter().map(|(losses, count)| *count as f64 * losses.infinite).sum::<f64>();
    let cut = infinite + window.beyond;

    let origin: i128 =
        parts.iter().map(|(losses, count)| i128::from(losses.first) * i128::from(*count)).sum();
    let points = window.points as i128;
    // S = sum w and E = sum w e^(-x) over losses above, for delta(x) = S - e^x E.
    let (mut s, mut e) = (0.0, 0.0);
    let (mut rounding_s, mut rounding_e) = (0.0, 0.0);
    let delta_at = |s: f64, e: f64, x: f64| (s * (1.0 + 1e-12) - libm::exp(x) * e).max(0.0) + cut;
    let carries =
        |rounding: f64| Carried { discretisation: 0.0, truncation: cut, transform: rounding };
    for position in (0..window.points).rev() {
        let index = window.first + position as i128;
        let x = index as f64 * h;
        if let Goal::Delta { epsilon, .. } = goal
            && x <= epsilon
        {
            break;
        }
        let place = (index - origin).rem_euclid(points) as usize;
        let p = tilted.get(place).map_or(0.0, |value| value.re.max(0.0) / window.points as f64);
        let untilt = libm::exp(k - theta * x) * margin;
        let weight = (p + per_point) * untilt;
        let shrink = libm::exp(-x);
        let rounding = per_point * untilt;
        (s, e) = (s + weight, e + weight * shrink);
        (rounding_s, rounding_e) = (rounding_s + rounding, rounding_e + rounding * shrink);
        if let Goal::Epsilon { delta } = goal {
            let below = x - h;
            if delta_at(s, e, below) > delta || below <= 0.0 {
                if delta_at(s, e, below.max(0.0)) <= delta {
                    return Some(Outcome { value: below.max(0.0), carries: carries(0.0) });
                }
                let crossing = libm::log(((s * (1.0 + 1e-12) + cut - delta) / e).max(1e-300));
                let value = crossing.clamp(below.max(0.0), x) * (1.0 + 4.0 * f64::EPSILON);
                let rounding = (rounding_s - libm::exp(value) * rounding_e).max(0.0);
                return Some(Outcome { value, carries: carries(rounding) });
            }
        }
    }
    match goal {
        Goal::Delta { epsilon, .. } => {
            let rounding = (rounding_s - libm::exp(epsilon) * rounding_e).max(0.0);
            Some(Outcome { value: delta_at(s, e, epsilon), carries: carries(rounding) })
        }
        // The whole window lies above zero, and delta is met at its left end.
        Goal::Epsilon { .. } => {
            let value = (window.first as f64 * h).max(0.0);
            Some(Outcome { value, carries: carries(0.0) })
        }
    }
}

/// Right of the window at most a small part of delta; left of it next to nothing of the tilted
/// distribution, which would come back at the right end.
fn window(
    parts: &[(Losses, u64)],
    h: f64,
    theta: f64,
    k: f64,
    moment: &dyn Fn(f64) -> f64,
    goal: Goal,
) -> Option<Window> {
    let cut = CUT_SHARE * goal.delta();
    let reach = |last: bool| -> f64 {
        parts
            .iter()
            .map(|(losses, count)| {
                let end = if last { losses.p.len() as i64 - 1 } else { 0 };
                (losses.first + end) as f64 * *count as f64 * h
            })
            .sum()
    };
    let mut right = reach(true);
    let mut beyond = 0.0;
    for factor in [1.05, 1.2, 1.4, 1.7, 2.2, 3.0, 5.0] {
        let t = theta * factor;
        let far = (moment(t) - libm::log(cut)) / t;
        if far < right {
            (right, beyond) = (far, cut);
        }
    }
    let mut left = reach(false);
    for factor in [0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5] {
        let t = theta * factor;
        let near = (libm::log(1e-12) - moment(theta - t) + k) / t;
        left = left.max(near);
    }
    if let Goal::Delta { epsilon, .. } = goal {
        left = left.min(epsilon - h);
        right = right.max(epsilon + h);
    }
    let (first, last) = ((left.min(right) / h).floor() - 1.0, (right / h).ceil() + 1.0);
    let points = (last - first + 1.0).max(2.0);
    if points.is_nan() || points > MOST_POINTS as f64 {
        return None;
    }
    let points = (points as usize).next_power_of_two().max(1024);
    (points <= MOST_POINTS).then_some(Window { first: first as i128, points, beyond })
}

/// The tilted distribution of the composition at `(index - origin) mod points`, times `points`, and
/// a bound on the rounding error of each probability.
fn tilted_product(
    parts: &[(Losses, u64)],
    h: f64,
    theta: f64,
    points: usize,
) -> (Vec<Complex<f64>>, f64) {
    // Each output of a transform is a sum with weights of modulus one through log2(points) levels,
    // each of which rounds a few times: Higham, Accuracy and Stability, section 24.1.
    let level = 8.0 * f64::EPSILON * (points as f64).log2();
    let mut planner = FftPlannerScalar::new();
    let forward = planner.plan_fft(points, FftDirection::Forward);
    let mut product: Option<Vec<Complex<f64>>> = None;
    // ln of prod (|p_j| + level)^count_j, and sum count_j level / (|p_j| + level): their product
    // bounds what the parts' errors grow to.
    let mut grown = vec![(0.0, 0.0); points];
    for (losses, count) in parts {
        let mut buffer = vec![Complex::new(0.0, 0.0); points];
        let log = losses.log_moment(theta, h);
        for (i, &p) in losses.p.iter().enumerate() {
            let x = (losses.first + i as i64) as f64 * h;
            if p > 0.0
                && let Some(place) = buffer.get_mut(i % points)
            {
                place.re += libm::exp(libm::log(p) + theta * x - log);
            }
        }
        forward.process(&mut buffer);
        for ((log, relative), value) in grown.iter_mut().zip(&buffer) {
            let modulus = value.norm() + level;
            *log += *count as f64 * libm::log(modulus);
            *relative += *count as f64 * level / modulus;
        }
        for value in &mut buffer {
            *value = power(*value, *count);
        }
        product = Some(match product {
            None => buffer,
            Some(mut product) => {
                product.iter_mut().zip(&buffer).for_each(|(a, b)| *a *= b);
                product
            }
        });
    }
    let mut product = product.unwrap_or_else(|| vec![Complex::new(0.0, 0.0); points]);
    let error: f64 = grown.iter().map(|&(log, relative)| libm::exp(log) * relative.min(2.0)).sum();
    planner.plan_fft(points, FftDirection::Inverse).process(&mut product);
    let whole: f64 = grown.iter().map(|&(log, _)| libm::exp(log)).sum();
    (product, (error * 2.0 + whole * level) / points as f64)
}

/// `value` to a whole power, by squaring.
fn power(value: Complex<f64>, mut count: u64) -> Complex<f64> {
    let (mut result, mut square) = (Complex::new(1.0, 0.0), value);
    while count > 0 {
        if count & 1 == 1 {
            result *= square;
        }
        square *= square;
        count >>= 1;
    }
    result
}
