//! A clip norm that follows a quantile of the patients' norms, by noised counts.
//!
//! Andrew, Thakkar, McMahan and Ramaswamy, *Differentially Private Learning with Adaptive Clipping*
//! (NeurIPS 2021). A fixed clip norm needs a guess; this one moves. With each round's sum a site
//! also sends, as one coordinate more, a bit of every patient: was the vector within the clip norm
//! C? The noised count of these bits moves C for the next round,
//!
//! > C' = C exp(-eta (b - gamma)),
//!
//! b being the fraction within and gamma the quantile wanted. As in the paper the bit is sent as
//! +1/2 or -1/2, here +w or -w grid steps, so one patient moves this coordinate by exactly w.
//! Together with the vector's D that is ceil(sqrt(D^2 + w^2)) ([`AdaptiveClip::sensitivity`]), and
//! this is what the round is charged: nothing about the clip norm is free.
//!
//! The fraction's divisor is the public expected number of patients that take part (rule S4), never
//! a count. An update is a function of released sums and public numbers, in `libm` alone, so every
//! site replays it to the bit (rule X3). C stays on the grid and between public bounds, whatever is
//! released.

use std::fmt;

use zeroize::Zeroizing;

use crate::fixed::{ClippedSum, Grid, clamped};
use crate::norms::together;
use crate::units::{Rate, Sensitivity};
use crate::{Error, Result};

/// What does not change from round to round. All of it is public.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// gamma: the fraction of patients whose vectors are to be within the clip norm.
    pub quantile: Rate,
    /// eta: how fast the norm moves; 0.2 in the paper.
    pub rate: f64,
    /// w: what one patient's bit is worth, in grid steps. Larger: less noise on the count, and more
    /// of the sensitivity for it.
    pub weight: Sensitivity,
    /// Patients who are expected to take part in a round.
    pub expected: f64,
    /// The clip norm never falls below this,
    pub least: f64,
    /// nor rises above this.
    pub most: f64,
    /// The grid of vector and norm.
    pub grid: Grid,
}

/// The clip norm of one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveClip {
    rule: Rule,
    clip: f64,
    sensitivity: Sensitivity,
}

impl AdaptiveClip {
    /// The first round's, clipped to `start`.
    ///
    /// # Errors
    /// [`Error::NotPositive`] for a rate, size or norm that is none, or bounds in the wrong order;
    /// what [`Sensitivity::of_clip`] refuses.
    pub fn start(rule: Rule, start: f64) -> Result<Self> {
        let positive = [
            ("the rate of the clip norm", rule.rate),
            ("the expected number of patients", rule.expected),
            ("the least clip norm", rule.least - rule.grid.step() / 2.0),
            ("the range of the clip norm", rule.most - rule.least + f64::MIN_POSITIVE),
        ];
        for (what, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::NotPositive { what, value });
            }
        }
        // So every later norm has a sensitivity.
        together(Sensitivity::of_clip(rule.most, rule.grid)?, rule.weight)?;
        Self::at(rule, start)
    }

    fn at(rule: Rule, clip: f64) -> Result<Self> {
        // A number without order, which no released sum gives, is the least.
        let clip = if clip > rule.least { clip.min(rule.most) } else { rule.least };
        let steps = Sensitivity::of_clip(clip, rule.grid)?;
        // On the grid, so that D steps are C exactly and no site rounds otherwise.
        let clip = steps.get() as f64 * rule.grid.step();
        Ok(Self { rule, clip, sensitivity: together(steps, rule.weight)? })
    }

    /// C.
    pub fn clip(&self) -> f64 {
        self.clip
    }

    /// How far one patient moves vector and count together in L2 norm, in grid steps.
    pub fn sensitivity(&self) -> Sensitivity {
        self.sensitivity
    }

    /// An empty sum of vectors of `len` coordinates; its count is coordinate `len`.
    ///
    /// # Errors
    /// What [`ClippedSum::new`] refuses.
    pub fn sum(&self, len: usize) -> Result<AdaptiveSum> {
        let vectors = ClippedSum::new(self.clip, self.rule.grid, len)?;
        Ok(AdaptiveSum { vectors, weight: self.rule.weight.get(), count: Zeroizing::new(0) })
    }

    /// The next round's norm, from the released (noised) count coordinate of this one.
    ///
    /// # Errors
    /// None that [`AdaptiveClip::start`] would not have met.
    pub fn update(&self, released: i128) -> Result<Self> {
        let Rule { quantile, rate, weight, expected, .. } = self.rule;
        let share = released as f64 / (2.0 * weight.get() as f64 * expected);
        let within = (0.5 + share).clamp(0.0, 1.0);
        Self::at(self.rule, self.clip * libm::exp(-rate * (within - quantile.get())))
    }
}

/// A sum over patients with the count of those within the clip norm.
///
/// # Security
/// As [`ClippedSum`]: zeroised on drop, redacted in `Debug`.
#[derive(Clone)]
pub struct AdaptiveSum {
    vectors: ClippedSum,
    weight: u64,
    count: Zeroizing<i128>,
}

impl fmt::Debug for AdaptiveSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdaptiveSum {{ vectors: {:?}, count: <redacted> }}", self.vectors)
    }
}

impl AdaptiveSum {
    /// Adds one patient: vector and bit. A vector that is unusable adds neither.
    pub fn add(&mut self, patient: &[f64]) {
        let (left_out, clipped) = (self.vectors.left_out(), self.vectors.clipped());
        self.vectors.add(patient);
        if self.vectors.left_out() == left_out {
            let within = self.vectors.clipped() == clipped;
            let weight = i128::from(self.weight);
            *self.count += if within { weight } else { -weight };
        }
    }

    /// The sum `[len + 1]`, in grid steps, the count last.
    pub fn finish(self) -> Zeroizing<Vec<i64>> {
        let mut sum = self.vectors.finish_with_room(1);
        sum.push(clamped(*self.count));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(len: usize) -> AdaptiveSum {
        let rule = Rule {
            quantile: Rate::new(0.5).unwrap(),
            rate: 0.2,
            weight: Sensitivity::new(8).unwrap(),
            expected: 10.0,
            least: 0.5,
            most: 100.0,
            grid: Grid::new(4).unwrap(),
        };
        let mut sum = AdaptiveClip::start(rule, 50.0).unwrap().sum(len).unwrap();
        sum.add(&vec![3.25; len]);
        sum
    }

    #[test]
    fn debug_shows_nothing_of_sum_and_count() {
        let vectors = "ClippedSum { len: 2, values: <redacted> }";
        let shown = format!("AdaptiveSum {{ vectors: {vectors}, count: <redacted> }}");
        assert_eq!(format!("{:?}", sum(2)), shown);
    }

    /// A vector that grows for the count leaves the one without it behind.
    #[test]
    fn the_count_has_its_room_from_the_beginning() {
        let sum = sum(64).finish();
        assert_eq!((sum.len(), sum[0], sum[64]), (65, 52, 8));
        assert!(sum.capacity() < 128, "{} entries", sum.capacity());
    }
}
