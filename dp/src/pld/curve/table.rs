//! Curves of noise on the integers: discrete Gaussians, their sums, and Skellam noise, by tables of tail
//! sums.

use super::{Curve, Stick, U};

/// A symmetric, log-concave distribution on the integers, moved by d: tail sums in a table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// ln P(X = k), k from 0.
    log: Vec<f64>,
    /// P(X >= k), k from 0.
    tails: Vec<f64>,
    d: i64,
}

impl Table {
    /// From weights proportional to P(X = k), k from 0, given by their logarithms.
    pub(crate) fn new(mut log: Vec<f64>, d: u64) -> Self {
        let mut sum = 0.0;
        let mut tails: Vec<f64> = log
            .iter()
            .rev()
            .map(|&weight| {
                sum += libm::exp(weight);
                sum
            })
            .collect();
        tails.reverse();
        let zero = log.first().map_or(0.0, |&weight| libm::exp(weight));
        let total = 2.0 * sum - zero;
        tails.iter_mut().for_each(|tail| *tail /= total);
        log.iter_mut().for_each(|weight| *weight -= libm::log(total));
        Self { log, tails, d: d as i64 }
    }

    /// N_Z(0, s^2).
    pub(crate) fn gaussian(s: f64, d: u64) -> Self {
        let reach = (40.0 * s).ceil() as u64 + d + 2;
        Self::new((0..=reach).map(|k| -libm::pow(k as f64 / s, 2.0) / 2.0).collect(), d)
    }

    /// The difference of two Poisson variables of mean `variance`/2: weights I_k(variance), by
    /// backward recurrence (Abramowitz and Stegun 9.12, example 1), which is stable.
    pub(crate) fn skellam(variance: f64, d: u64) -> Self {
        let reach = (variance / 4.0 + 40.0 * variance.sqrt()) as usize + 400 + d as usize;
        let mut log = vec![0.0; reach + 1];
        // Ratios r_k = I_{k+1}/I_k obey 1/r_{k-1} = 2k/v + r_k.
        let mut ratio = 0.0;
        let mut ratios = vec![0.0; reach + 1];
        for k in (1..=reach).rev() {
            ratio = 1.0 / (2.0 * k as f64 / variance + ratio);
            if let Some(place) = ratios.get_mut(k - 1) {
                *place = ratio;
            }
        }
        let mut sum = 0.0;
        for (place, ratio) in log.iter_mut().zip(std::iter::once(1.0).chain(ratios)) {
            sum += libm::log(ratio);
            *place = sum;
        }
        Self::new(log, d)
    }

    /// The sum of `parties` variables N_Z(0, s^2), convolved one by one.
    pub(crate) fn sum_of_gaussians(parties: u32, s: f64, d: u64) -> Self {
        let one = |reach: i64| -> Vec<f64> {
            (-reach..=reach).map(|k| libm::exp(-libm::pow(k as f64 / s, 2.0) / 2.0)).collect()
        };
        let narrow = one((38.0 * s).ceil() as i64 + 2);
        let mut sum = narrow.clone();
        for _ in 1..parties {
            let mut next = vec![0.0; sum.len() + narrow.len() - 1];
            for (i, &a) in sum.iter().enumerate() {
                for (place, &b) in next.iter_mut().skip(i).zip(&narrow) {
                    *place += a * b;
                }
            }
            sum = next;
        }
        // What is about to underflow is below every tail that matters.
        let half = sum.iter().skip(sum.len() / 2).take_while(|weight| **weight > 1e-290);
        let log = half.map(|&weight| libm::log(weight)).collect();
        Self::new(log, d)
    }

    fn tail(&self, k: i64) -> f64 {
        let at = |k: i64| self.tails.get(k as usize).copied().unwrap_or(0.0);
        if k >= 0 { at(k) } else { 1.0 - at(1 - k) }
    }

    fn log(&self, k: i64) -> f64 {
        self.log.get(k.unsigned_abs() as usize).copied().unwrap_or(-800.0)
    }
}

impl Curve for Table {
    fn at(&self, x: f64) -> Stick {
        // The loss of outcome k rises with k.
        let loss = |k: i64| self.log(k - self.d) - self.log(k);
        let reach = self.log.len() as i64 - 1;
        let (mut low, mut high) = (-reach + self.d - 1, reach);
        if loss(low + 1) > x {
            return Stick::all(x);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if loss(middle) > x { high = middle } else { low = middle }
        }
        let (p, q) = (self.tail(high - self.d), self.tail(high));
        let weighted = libm::exp(x) * q;
        // Each tail is a sum of up to `reach` terms, from the smallest on.
        Stick::new(p - weighted, (p + weighted) * U * (64.0 + (reach as f64).sqrt()), q)
    }
}
