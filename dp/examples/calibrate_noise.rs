//! A mean over patients with differential privacy: how much noise a target needs, the noisy answer, and
//! a ledger that refuses to give it twice.
//!
//! `cargo run -p haima-dp --example calibrate_noise`

use std::num::NonZeroU64;

use haima_dp::Result;
use haima_dp::event::Release;
use haima_dp::fixed::{ClippedSum, Grid};
use haima_dp::ledger::{Ledger, Limit};
use haima_dp::plan::CommittedPlan;
use haima_dp::units::{Adjacency, Delta, Epsilon, Rate};

/// Haemoglobin and weight, both divided by their public ranges.
const DIMENSION: NonZeroU64 = NonZeroU64::new(2).unwrap();
/// A public guess of the number of patients, never the count itself.
const EXPECTED: f64 = 500.0;

fn main() -> Result<()> {
    // Public and fixed before anybody looks at patients: the target, the clip norm, the grid.
    let limit = Limit::zcdp(Epsilon::new(1.0)?, Delta::new(1e-5)?);
    let (clip, grid) = (1.0, Grid::new(10)?);

    // Every patient is shortened to the clip norm alone, truncated to the grid, and added.
    let mut sum = ClippedSum::new(clip, grid, 2)?;
    for patient in 0..480 {
        sum.add(&[0.6 + f64::from(patient % 7) / 100.0, 0.4]);
    }

    // So one patient moves the sum by so many grid steps at most, and the noise follows from that.
    let sensitivity = sum.sensitivity();
    let scale = limit.noise_for(1, sensitivity, DIMENSION, Rate::ALL)?;
    println!("one patient: at most {} steps; noise of scale {}", sensitivity.get(), scale.get());

    // Exact discrete noise, from a seed that nobody knows and that is used once.
    let noise = scale.draw(&rand::random(), 2);
    let sum = sum.finish();
    let noised = sum.iter().zip(noise.iter()).map(|(sum, noise)| sum + noise);
    let mean: Vec<f64> = noised.map(|steps| grid.decode(steps.into()) / EXPECTED).collect();
    println!("means with noise: {mean:.3?}");

    // Charged before it is told to anybody; on disk when this returns.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut ledger = Ledger::open(folder.path().join("ledger"), "cohort", limit)?;
    let release = Release::noised(scale, sensitivity, DIMENSION);
    let charged = ledger.charge("study", [1; 32], &release)?;
    let spent = ledger.epsilon_spent(limit.delta).get();
    println!("entry {}: epsilon {spent:.3} of {} is spent", charged.sequence, limit.epsilon.get());

    // A plan that was fixed beforehand may take the best accountant's figure.
    let plan = CommittedPlan::new(release.event().clone(), [0; 32])?;
    let best = plan.best(Adjacency::AddRemove, limit.delta)?;
    println!("as a committed plan: epsilon {:.3} by {}", best.value, best.method);

    let refused = ledger.charge("study", [2; 32], &release).expect_err("the budget is spent");
    println!("a second time: {refused}");
    Ok(())
}
