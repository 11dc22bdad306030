//! Private quantiles and bounded means of one site's own data: for ranges, bins and scales that a
//! task takes as public and nobody can guess.
//!
//! Rules S4, L1. What a run takes from patients is public or charged. Each value here is used once:
//! it says what to charge ([`Quantile::release`], [`Mean::release`]), and drawing consumes it. The
//! charge is on disk before the draw. What comes out may be told to anybody; it is this site's alone,
//! so unlike a sum it says something of one hospital, and its policy decides whether it goes out.
//!
//! Patients are neighbours by adding or removing one, each with one value. A value that is no number
//! is left out, which is a function of that patient alone.
//!
//! The quantile is OpenDP's exponential mechanism over public candidates (Smith 2011; permute-and-
//! flip's sibling with Gumbel noise), bounded in range, hence (epsilon^2/8)-zCDP (Cesar and Rogers
//! 2021). It draws from OpenDP's own generator, which takes no seed. The mean is a clamped sum with
//! exact discrete Gaussian noise over a public expected count.

use opendp::core::Measurement;
use opendp::domains::{AtomDomain, VectorDomain};
use opendp::measurements::make_private_quantile;
use opendp::measures::ZeroConcentratedDivergence;
use opendp::metrics::SymmetricDistance;
use rand_core::CryptoRng;

use std::num::NonZeroU64;

use crate::event::{Event, Release};
use crate::fixed::{ClippedSum, Grid};
use crate::gauss::DiscreteGaussian;
use crate::noise::NoiseScale;
use crate::norms::Norm;
use crate::units::{Rate, Rho, Sensitivity};
use crate::{Error, Result};

/// Most candidates of a quantile.
pub const MOST_CANDIDATES: usize = 65_536;

type Draw =
    Measurement<VectorDomain<AtomDomain<f64>>, SymmetricDistance, ZeroConcentratedDivergence, f64>;

/// A quantile that has not been drawn yet.
pub struct Quantile {
    measurement: Draw,
    rho: Rho,
}

impl Quantile {
    /// The quantile `at` (0.5: the median), one of the public `candidates`, at a cost of at most
    /// `rho`.
    ///
    /// # Errors
    /// [`Error::Intake`] for candidates that are none, or beyond what OpenDP accepts;
    /// [`Error::NotPositive`] for a rho of zero.
    pub fn new(at: Rate, candidates: &[f64], rho: Rho) -> Result<Self> {
        if candidates.is_empty() || candidates.len() > MOST_CANDIDATES {
            let what = format!("{} candidates; 1 to {MOST_CANDIDATES} are taken", candidates.len());
            return Err(Error::Intake { what });
        }
        if let Some(bad) = candidates.iter().find(|candidate| !candidate.is_finite()) {
            return Err(Error::Intake { what: format!("the candidate {bad} is no number") });
        }
        if rho.get() <= 0.0 {
            return Err(Error::NotPositive { what: "rho of a quantile", value: rho.get() });
        }
        let mut candidates = candidates.to_vec();
        candidates.sort_by(f64::total_cmp);
        candidates.dedup();
        let with_scale = |scale: f64| {
            let domain = VectorDomain::new(AtomDomain::new_non_nan());
            let (metric, measure) = (SymmetricDistance, ZeroConcentratedDivergence);
            let made = make_private_quantile(
                domain,
                metric,
                measure,
                candidates.clone(),
                at.get(),
                scale,
            )?;
            let cost = made.map(&1)?;
            Ok::<_, opendp::error::Error>((made, cost))
        };
        let fault = |error: opendp::error::Error| Error::Intake { what: error.to_string() };
        // The cost goes with the square of the scale's inverse; then up to the safe side.
        let (_, unit) = with_scale(1.0).map_err(fault)?;
        let scale = libm::sqrt(unit / rho.get()) * (1.0 + 1e-9);
        let (measurement, cost) = with_scale(scale).map_err(fault)?;
        let rho = Rho::new(cost)?;
        Ok(Self { measurement, rho })
    }

    /// What to charge before drawing.
    pub fn release(&self) -> Release {
        Release(Event::Zcdp { rho: self.rho })
    }

    /// Draws it.
    ///
    /// # Errors
    /// [`Error::Intake`] when OpenDP refuses.
    pub fn draw(self, values: &[f64]) -> Result<f64> {
        let values = values.iter().copied().filter(|value| value.is_finite()).collect();
        self.measurement.invoke(&values).map_err(|error| Error::Intake { what: error.to_string() })
    }
}

impl std::fmt::Debug for Quantile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Quantile {{ rho: {} }}", self.rho)
    }
}

/// A mean of values within public bounds that has not been drawn yet.
#[derive(Debug)]
pub struct Mean {
    lower: f64,
    upper: f64,
    expected: f64,
    grid: Grid,
    sensitivity: Sensitivity,
    noise: NoiseScale,
}

/// Of the range, in bits: what a mean's grid resolves.
const RESOLUTION: i32 = 24;

impl Mean {
    /// The mean of values clamped to `lower..=upper` among a public `expected` number of patients,
    /// at a cost of at most `rho`.
    ///
    /// Values count from the middle of the range, so a patient moves the sum by half of it at most.
    ///
    /// # Errors
    /// [`Error::NotPositive`] for a range or an expected number that is none,
    /// [`Error::CannotCalibrate`] for a rho that no noise reaches.
    pub fn new(lower: f64, upper: f64, expected: f64, rho: Rho) -> Result<Self> {
        let half = 0.5 * upper - 0.5 * lower;
        for (what, value) in
            [("half the range of a mean", half), ("the expected number of patients", expected)]
        {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::NotPositive { what, value });
            }
        }
        // A grid relative to the range: values are divided by the half range, and lie in -1..=1.
        let grid = Grid::new(RESOLUTION as u8)?;
        let sensitivity = Sensitivity::of_clip(1.0, grid)?;
        let noise = NoiseScale::new(crate::zcdp::calibrate(rho, 1, sensitivity)?)?;
        Ok(Self { lower, upper, expected, grid, sensitivity, noise })
    }

    /// What to charge before drawing.
    pub fn release(&self) -> Release {
        Release::noised(self.noise, self.sensitivity, NonZeroU64::MIN)
    }

    /// Draws it; the answer lies within the bounds.
    ///
    /// # Errors
    /// None that [`Mean::new`] would not have met.
    pub fn draw<R: CryptoRng + ?Sized>(self, values: &[f64], rng: &mut R) -> Result<f64> {
        let (middle, half) =
            (0.5 * self.lower + 0.5 * self.upper, 0.5 * self.upper - 0.5 * self.lower);
        let mut sum = ClippedSum::in_norm(Norm::Linf, 1.0, self.grid, 1)?;
        for value in values {
            // Not a number stays so, and adds nothing.
            sum.add(&[(value - middle) / half]);
        }
        let noise = DiscreteGaussian::new(self.noise.get())?.sample(rng);
        let sum = sum.finish();
        let sum = sum.iter().copied().map(i128::from).sum::<i128>() + i128::from(noise);
        let mean = middle + half * (self.grid.decode(sum) / self.expected);
        Ok(mean.clamp(self.lower, self.upper))
    }
}
