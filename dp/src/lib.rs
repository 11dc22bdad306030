//! Differential privacy for secure sums of integers: from a patient's vector to a charge on disk.
//!
//! A release of haima is an integer sum over hospitals plus discrete Gaussian noise from every
//! node. This crate owns everything that turns such a sum into a statement "(epsilon, delta)". It
//! imports nothing else of ours.
//!
//! ```
//! use std::num::NonZeroU64;
//!
//! use haima_dp::fixed::{ClippedSum, Grid};
//! use haima_dp::ledger::Limit;
//! use haima_dp::units::{Delta, Epsilon, Rate};
//!
//! // Every patient's vector is shortened to norm 1, and truncated to steps of 2^-10.
//! let mut sum = ClippedSum::new(1.0, Grid::new(10)?, 2)?;
//! sum.add(&[0.6, 0.1]);
//! sum.add(&[30.0, 40.0]); // counts as [0.6, 0.8]
//!
//! // The least noise with which ten such sums stay within epsilon 1 at delta 10^-5.
//! let limit = Limit::zcdp(Epsilon::new(1.0)?, Delta::new(1e-5)?);
//! let coordinates = NonZeroU64::new(2).expect("two");
//! let scale = limit.noise_for(10, sum.sensitivity(), coordinates, Rate::ALL)?;
//! assert!(scale.get() > 10 * sum.sensitivity().get());
//! # Ok::<(), haima_dp::Error>(())
//! ```
//!
//! `cargo run --example calibrate_noise` goes on from there: noise, ledger, a refusal.
//!
//! # Modules
//!
//! | module | what it is for | follows |
//! |---|---|---|
//! | [`units`] | epsilon, delta, rho and sensitivity as checked types | rules S1, L5 |
//! | [`norms`] | exact norms of integer vectors, and what a bound in one says in another | rules S1, S2 |
//! | [`fixed`] | the grid of reals, and the sum that patients' vectors enter | rule S2, second form |
//! | [`clipping`] | a clip norm that follows a quantile, by noised counts that are charged | Andrew et al. 2021; rule S4 |
//! | [`gauss`] | exact discrete Gaussian sampler, integers only | Canonne, Kamath, Steinke 2020; Karney 2016 |
//! | [`laplace`] | exact discrete Laplace sampler, integers only | Canonne, Kamath, Steinke 2020, section 5 |
//! | [`noise`] | a round's noise, who is protected by how much, overflow | Kairouz, Liu, Steinke 2021, Prop. 14; rules N1, N5 |
//! | [`sampler`] | Poisson samples, tied to the event that is charged | rules S4, S5 |
//! | [`accountant`] | what all accountants share: events in, bounds out | rule L2 |
//! | [`renyi`] | Renyi curves of every event, conversion | Mironov 2017; CKS 2020, Prop. 12 |
//! | [`pld`] | privacy loss distributions, for committed plans | Doroshenko et al. 2022 |
//! | [`analytic`] | Gaussian releases in closed form | Balle and Wang 2018; rule N2 |
//! | [`plan`], [`calibrate`] | the best figure of a committed plan; settings from a target | rule L2 |
//! | [`zcdp`] | composition, conversion to (epsilon, delta), calibration | Bun and Steinke 2016; CKS 2020, Prop. 12 |
//! | [`event`] | what a mechanism does, as a tree; what may be charged | rules X1, N1 |
//! | [`journal`] | append-only, fsynced, hash-chained file | rules L1, L4 |
//! | `intake` | private quantiles and means of one site's data (feature `opendp`) | Smith 2011; rule S4 |
//! | [`ledger`] | the budget of one population, a filter on disk | Whitehouse et al. 2023; Feldman and Zrnic 2021; rules L1-L3, X1 |
//!
//! # What it proves
//!
//! If every patient's vector went through one [`fixed::ClippedSum`] and at least one node added
//! noise of scale `s` from [`gauss::DiscreteGaussian`] with fresh randomness, then all releases
//! charged to a [`ledger::Ledger`] together satisfy rho-zCDP with rho at most the limit's, or Renyi
//! differential privacy of the limit's one order with at most its divergence, as the limit's filter
//! says; hence the (epsilon, delta) that its policy names: against everybody but that node and the
//! patient's own hospital. What is hidden is one patient, added or removed (rule S1). Every figure
//! is rounded to the safe side.
//!
//! # What it assumes
//!
//! - The generator behind the noise is indistinguishable from random; ChaCha20 is the one used.
//! - IEEE 754 doubles, and `log`, `log1p` and `exp` of the `libm` crate within their documented
//!   error of one unit in the last place; the margins taken are 32 times that. The platform's own
//!   mathematics library is never called, so that a figure is the same on every machine.
//! - `fsync` that keeps its word. See [`journal`] for what is done when it reports a failure.
//! - Products of 64-bit integers, and ChaCha20, take a time that does not depend on their operands;
//!   see [`gauss`] on what the time of a draw depends on.
//!
//! A ledger's limit under zCDP knows no amplification by sampling; under the Renyi divergence of one
//! order it does. The Renyi accountant over all orders and privacy loss distributions answer for
//! committed plans. Only a release that a [`sampler::PoissonSampler`] minted counts as sampled.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod accountant;
pub mod analytic;
pub mod calibrate;
pub mod clipping;
mod cost_sum;
mod error;
pub mod event;
pub mod fixed;
pub mod gauss;
#[cfg(feature = "opendp")]
pub mod intake;
pub mod journal;
pub mod laplace;
pub mod ledger;
pub mod noise;
pub mod norms;
pub mod plan;
pub mod pld;
pub mod renyi;
mod rounding;
pub mod sampler;
#[cfg(all(feature = "opendp", any(debug_assertions, feature = "audit")))]
mod second_opinion;
mod special;
pub mod units;
pub mod zcdp;

pub use error::Error;

/// The result of this crate's fallible operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;
