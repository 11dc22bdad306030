//! Epsilon, delta, rho, order and sensitivity as types that are checked once, where they are made.
//!
//! Rules S1, S2 and L5. A number that reaches an accountant is finite and of the right sign by
//! construction, so no accountant asks again; and a sensitivity is an integer of grid steps, so
//! nothing can pass it a clip norm by mistake.

use std::fmt;

use crate::fixed::Grid;
use crate::{Error, Result};

/// Privacy loss epsilon, in nats: finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Epsilon(f64);

impl Epsilon {
    /// The smallest epsilon that is ever reported; what a bound at or below zero becomes.
    pub const LEAST: Self = Self(f64::MIN_POSITIVE);

    /// Checks `value`.
    ///
    /// # Errors
    /// [`Error::NotPositive`] unless it is finite and above zero.
    pub fn new(value: f64) -> Result<Self> {
        positive("epsilon", value).map(Self)
    }

    /// The figure, in nats.
    pub fn get(self) -> f64 {
        self.0
    }

    /// For bounds of our own making: into the range of the type, on the safe (upper) side.
    pub(crate) fn at_least(bound: f64) -> Self {
        Self(capped(bound).max(Self::LEAST.0))
    }
}

/// The probability delta that the guarantee fails: above zero and below one.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Delta(f64);

impl Delta {
    /// Checks `value`.
    ///
    /// # Errors
    /// [`Error::NotPositive`], or [`Error::DeltaNotAProbability`] from one upwards.
    pub fn new(value: f64) -> Result<Self> {
        let value = positive("delta", value)?;
        if value < 1.0 { Ok(Self(value)) } else { Err(Error::DeltaNotAProbability { value }) }
    }

    /// The delta of a cohort of `patients`, by rule L5: 1/(100 n) unless another is requested; a
    /// requested one above 1/(10 n) only with `allow_large`.
    ///
    /// `patients` is a public figure (a manifest's, never a count of rows: rule S4).
    ///
    /// # Errors
    /// [`Error::EmptyCohort`], [`Error::DeltaTooLarge`], or what [`Delta::new`] refuses.
    pub fn for_cohort(patients: u64, requested: Option<f64>, allow_large: bool) -> Result<Self> {
        if patients == 0 {
            return Err(Error::EmptyCohort);
        }
        let Some(requested) = requested else {
            return Self::new(1.0 / (100.0 * patients as f64));
        };
        let delta = Self::new(requested)?;
        let limit = 1.0 / (10.0 * patients as f64);
        if requested > limit && !allow_large {
            return Err(Error::DeltaTooLarge { requested, limit, patients });
        }
        Ok(delta)
    }

    /// The probability.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// Zero-concentrated privacy loss rho (Bun and Steinke 2016): finite, zero or more.
///
/// A release without noise has no rho at all; that is [`crate::event::Event::Exact`].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rho(f64);

impl Rho {
    /// Nothing was released.
    pub const ZERO: Self = Self(0.0);

    /// The largest figure: what a bound too large for the type becomes. No budget admits it.
    pub const MAX: Self = Self(f64::MAX);

    /// Checks `value`.
    ///
    /// # Errors
    /// [`Error::Negative`] unless it is finite and not below zero.
    pub fn new(value: f64) -> Result<Self> {
        if value.is_finite() && value >= 0.0 {
            // Adding zero turns -0.0 into 0.0, so that equal figures have equal bytes.
            Ok(Self(value + 0.0))
        } else {
            Err(Error::Negative { what: "rho", value })
        }
    }

    /// The figure.
    pub fn get(self) -> f64 {
        self.0
    }

    /// For bounds of our own making: into the range of the type, on the safe (upper) side.
    pub(crate) fn at_least(bound: f64) -> Self {
        Self(capped(bound).max(0.0))
    }
}

/// The order of the Renyi divergence that a limit is enforced at: a whole number, 2 to 1024.
///
/// Whole, because there the cost of discrete Gaussian noise on a sample of patients is a finite sum
/// (rule N2). At the highest the conversion alone costs epsilon 0.006 at delta 10^-6: no limit that
/// leaves room for a release wants a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order(u32);

impl Order {
    /// The lowest order.
    pub const LEAST: Self = Self(2);

    /// The highest order.
    pub const MOST: Self = Self(1024);

    /// Checks `order`.
    ///
    /// # Errors
    /// [`Error::OrderOutOfRange`] outside 2..=1024.
    pub fn new(order: u32) -> Result<Self> {
        let order = Self(order);
        if (Self::LEAST..=Self::MOST).contains(&order) {
            Ok(order)
        } else {
            Err(Error::OrderOutOfRange { order: order.0 })
        }
    }

    /// The order.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// A noise scale or noise multiplier: finite and above zero.
///
/// What it is a multiple of stands with each event: grid steps, or the sensitivity.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Sigma(f64);

impl Sigma {
    /// Checks `value`.
    ///
    /// # Errors
    /// [`Error::NotPositive`] unless it is finite and above zero.
    pub fn new(value: f64) -> Result<Self> {
        positive("sigma", value).map(Self)
    }

    /// A sampler's scale, which is at least one.
    pub(crate) fn of_scale(s: u64) -> Self {
        Self((s as f64).max(1.0))
    }

    /// The figure.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// The probability with which each patient takes part in a round, independently: 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// Everybody takes part.
    pub const ALL: Self = Self(1.0);

    /// Checks `q`.
    ///
    /// # Errors
    /// [`Error::NotARate`] outside 0..=1.
    pub fn new(q: f64) -> Result<Self> {
        // Adding zero turns -0.0 into 0.0, so that equal figures have equal bytes.
        if (0.0..=1.0).contains(&q) { Ok(Self(q + 0.0)) } else { Err(Error::NotARate { value: q }) }
    }

    /// The probability q.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// Which data sets a guarantee cannot tell apart.
///
/// C is the bound on one patient's part. Sigmas of events are relative to what *adding or removing*
/// one patient moves; what replacing moves follows from the adjacency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Adjacency {
    /// One patient more or less: the sum moves by at most C.
    AddRemove,
    /// One patient's rows replaced by any other's: the sum moves by at most 2 C.
    ReplaceOne,
    /// One patient's part replaced by zeros ("zero-out"): the sum moves by at most C, and the number
    /// of patients is the same.
    ReplaceSpecial,
}

impl fmt::Display for Adjacency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AddRemove => "one patient added or removed",
            Self::ReplaceOne => "one patient replaced by another",
            Self::ReplaceSpecial => "one patient's part replaced by zeros",
        })
    }
}

/// How far adding or removing one patient moves a sum in L2 norm, in grid steps: at least one.
///
/// At most 2^62, so that a single patient's coordinate always fits an `i64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sensitivity(u64);

impl Sensitivity {
    /// The largest sensitivity, in grid steps.
    pub const MAX: u64 = 1 << 62;

    /// Checks `steps`.
    ///
    /// # Errors
    /// [`Error::SensitivityOutOfRange`] for zero and above [`Self::MAX`].
    pub fn new(steps: u64) -> Result<Self> {
        if (1..=Self::MAX).contains(&steps) {
            Ok(Self(steps))
        } else {
            Err(Error::SensitivityOutOfRange { steps: steps as f64 })
        }
    }

    /// D = ceil(C/g) for vectors clipped to norm `clip` and truncated to `grid` one patient at a
    /// time (rule S2, second form). The division is exact: g is a power of two.
    ///
    /// # Errors
    /// [`Error::NotPositive`] for a clip norm that is none, [`Error::SensitivityOutOfRange`] for
    /// one of more than 2^62 steps.
    pub fn of_clip(clip: f64, grid: Grid) -> Result<Self> {
        let steps = (positive("the clip norm", clip)? * grid.steps_per_unit()).ceil();
        if steps <= Self::MAX as f64 {
            Self::new(steps as u64)
        } else {
            Err(Error::SensitivityOutOfRange { steps })
        }
    }

    /// D = ceil(C/g + sqrt(d) + e) for a sum of clipped vectors of `dimension` coordinates over at most
    /// `patients`, formed in doubles and truncated once (rule S2, first form).
    ///
    /// Let u = 2^-53 and gamma_k = k u / (1 - k u). v_i is patient i's vector as the machine has it: a
    /// function of the patient alone, whose coordinates are doubles or exact products a b of singles.
    ///
    /// 1. *Norm.* The square of the norm is added up from at most d + 2 terms, each rounded at most
    ///    once, so it is off by a factor within 1 +- gamma_(d+3); after the root and the division
    ///    c = C / ||v||, the vector c v is at most C' = C (1 + (d + 8) u) long. So it is where c = 1,
    ///    as a computed norm of at most C is true to the same factor.
    /// 2. *Sum.* A term c a b is rounded at most twice, and meets at most n - 1 additions in whatever
    ///    order a coordinate's terms are added (adding zero is exact). A coordinate is off by at most
    ///    gamma_(n+1) times the sum of its terms' sizes (Higham, *Accuracy and Stability of Numerical
    ///    Algorithms*, 2002, section 4.2), and the whole vector, by the triangle inequality over
    ///    patients, by at most gamma_(n+2) n C'. A product that adds in another way than term by term
    ///    (Strassen's) is not covered.
    /// 3. *Neighbours.* The true sums of two neighbouring sets differ by one patient's c v, the
    ///    computed ones by at most C' (1 + 2 gamma_(n+2) n).
    /// 4. *Truncation.* |trunc(x) - trunc(y)| < |x - y| + 1 for any reals, so the integers differ by
    ///    less than that over g, and sqrt(d) more, in L2 norm.
    ///
    /// So e = ((1 + (d + 8) u) (1 + 2 gamma_(n+2) n) - 1) C/g. Zero vectors of patients without a
    /// finite gradient are covered: they are no longer than C'.
    ///
    /// # Errors
    /// As [`Self::of_clip`].
    pub fn of_float_sum(clip: f64, grid: Grid, dimension: u64, patients: u64) -> Result<Self> {
        let steps = positive("the clip norm", clip)? * grid.steps_per_unit();
        let unit = f64::EPSILON / 2.0;
        let (d, n) = (dimension as f64, patients as f64);
        let rest = 1.0 - (n + 2.0) * unit;
        let gamma = (n + 2.0) * unit / rest;
        let factor = (1.0 + (d + 8.0) * unit) * (1.0 + 2.0 * gamma * n);
        // The figure itself is computed in doubles; a part in 10^12 more covers that.
        let steps = ((steps * factor + d.sqrt()) * (1.0 + 1e-12)).ceil();
        // Where (n + 2) u reaches 1, or d u is not small, nothing is proven.
        if rest > 0.5 && d * unit < 1e-3 && steps <= Self::MAX as f64 {
            Self::new(steps as u64)
        } else {
            Err(Error::SensitivityOutOfRange { steps })
        }
    }

    /// D for a patient who may be treated in `hospitals` hospitals (rule S1: m scales D).
    ///
    /// # Errors
    /// [`Error::SensitivityOutOfRange`] for zero hospitals and above [`Self::MAX`].
    pub fn across_hospitals(self, hospitals: u32) -> Result<Self> {
        Self::new(self.0.saturating_mul(u64::from(hospitals)))
    }

    /// The distance, in grid steps.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// An upper bound that overflowed, or (which none does) came out as no number, is the largest.
fn capped(bound: f64) -> f64 {
    if bound < f64::MAX { bound } else { f64::MAX }
}

fn positive(what: &'static str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(Error::NotPositive { what, value })
    }
}

impl fmt::Display for Epsilon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Deltas read as powers of ten.
        fmt::LowerExp::fmt(&self.0, f)
    }
}

impl fmt::Display for Rho {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Sigma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Sensitivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_privacy_figure_is_finite_and_of_its_sign() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            assert!(Epsilon::new(bad).is_err());
            assert!(Delta::new(bad).is_err());
            assert!(Rho::new(bad).is_err());
        }
        assert_eq!(Epsilon::new(0.0), Err(Error::NotPositive { what: "epsilon", value: 0.0 }));
        assert_eq!(Delta::new(1.0), Err(Error::DeltaNotAProbability { value: 1.0 }));
        assert_eq!(Rho::new(0.0), Ok(Rho::ZERO));
        assert_eq!(Rho::new(-0.0).unwrap().get().to_bits(), 0);
    }

    /// A bound that came out as no number is no privacy, not perfect privacy.
    #[test]
    fn a_bound_that_is_no_number_is_the_largest() {
        for bound in [f64::NAN, f64::INFINITY] {
            assert_eq!(Rho::at_least(bound), Rho::MAX);
            assert_eq!(Epsilon::at_least(bound).get(), f64::MAX);
        }
        assert_eq!(Rho::at_least(-1.0), Rho::ZERO);
        assert_eq!(Epsilon::at_least(-1.0), Epsilon::LEAST);
    }

    #[test]
    fn an_order_is_whole_and_bounded() {
        for order in [0, 1, 1025, u32::MAX] {
            assert_eq!(Order::new(order), Err(Error::OrderOutOfRange { order }));
        }
        assert_eq!(Order::new(2), Ok(Order::LEAST));
        assert_eq!(Order::new(1024), Ok(Order::MOST));
    }

    /// L5: delta is 1/(100 n) by default, and over 1/(10 n) only with the flag.
    #[test]
    fn a_large_delta_needs_the_flag() {
        assert_eq!(Delta::for_cohort(200, None, false).unwrap().get(), 1.0 / 20_000.0);
        assert_eq!(Delta::for_cohort(100, Some(0.001), false).unwrap().get(), 0.001);
        let over = 0.001_000_1;
        assert_eq!(
            Delta::for_cohort(100, Some(over), false),
            Err(Error::DeltaTooLarge { requested: over, limit: 0.001, patients: 100 })
        );
        assert_eq!(Delta::for_cohort(100, Some(over), true).unwrap().get(), over);
        assert_eq!(Delta::for_cohort(0, None, true), Err(Error::EmptyCohort));
        assert!(Delta::for_cohort(1, Some(2.0), true).is_err());
        assert!(Delta::for_cohort(u64::MAX, None, false).is_ok());
    }

    /// S2: D is ceil(C/g), never the floor and never the nearest.
    #[test]
    fn sensitivity_is_the_ceiling_of_the_clip_in_steps() {
        let grid = Grid::new(4).unwrap();
        assert_eq!(Sensitivity::of_clip(1.0, grid).unwrap().get(), 16);
        assert_eq!(Sensitivity::of_clip(1.0 + 1e-15, grid).unwrap().get(), 17);
        assert_eq!(Sensitivity::of_clip(1e-300, grid).unwrap().get(), 1);
        assert!(Sensitivity::of_clip(f64::MAX, grid).is_err());
        assert!(Sensitivity::of_clip(f64::NAN, grid).is_err());
        assert!(Sensitivity::of_clip(0.0, grid).is_err());
        assert!(Sensitivity::new(0).is_err());
    }

    /// S1: a patient of m hospitals moves the sum m times as far.
    #[test]
    fn the_number_of_hospitals_scales_the_sensitivity() {
        let d = Sensitivity::new(7).unwrap();
        assert_eq!(d.across_hospitals(3).unwrap().get(), 21);
        assert!(d.across_hospitals(0).is_err());
        assert!(Sensitivity::new(Sensitivity::MAX).unwrap().across_hospitals(2).is_err());
    }
}
