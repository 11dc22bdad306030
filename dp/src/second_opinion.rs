//! OpenDP's figures beside ours: in debug builds and with the feature `audit`.
//!
//! A wrong conversion would understate every limit. So each public conversion asks another library,
//! written by others and proven in part, once, and stops the program if ours is below theirs.
//! Bisections call the unchecked form. Release builds without `audit` do not link it in.

use opendp::combinators::ConcentratedMeasure;
use opendp::measures::ZeroConcentratedDivergence;

/// Where OpenDP's own search is known to answer; outside, there is no second opinion.
const RHO: std::ops::RangeInclusive<f64> = 1e-9..=1e3;
const DELTA: std::ops::RangeInclusive<f64> = 1e-15..=0.1;

/// Stops the program when `epsilon`, ours for rho-zCDP at `delta`, is below OpenDP's by more than
/// what both round.
pub(crate) fn on_zcdp(rho: f64, delta: f64, epsilon: f64) {
    if !RHO.contains(&rho) || !DELTA.contains(&delta) {
        return;
    }
    let theirs =
        ZeroConcentratedDivergence::convert(rho).and_then(|profile| profile.epsilon(delta));
    if let Ok(theirs) = theirs {
        assert!(
            epsilon >= theirs * (1.0 - 1e-9) - 1e-9,
            "epsilon {epsilon} of rho {rho} at delta {delta} is below OpenDP's {theirs}"
        );
    }
}
