//! Noise, samples, clipped sums and accounting. Stand for `dp/src`.

use std::hint::black_box;

use haima_dp::accountant::Accountant;
use haima_dp::event::Event;
use haima_dp::fixed::{ClippedSum, Grid};
use haima_dp::gauss::DiscreteGaussian;
use haima_dp::laplace::DiscreteLaplace;
use haima_dp::pld::PrivacyLoss;
use haima_dp::renyi::Renyi;
use haima_dp::sampler::PoissonSampler;
use haima_dp::units::{Adjacency, Delta, Rate, Rho, Sensitivity};
use haima_dp::zcdp;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::Ready;

const DRAWS: usize = 1_000;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

pub(crate) fn noise_gaussian() -> Ready {
    let sampler = DiscreteGaussian::new(1 << 20).expect("a scale");
    let (mut rng, mut noise) = (rng(), vec![0; DRAWS]);
    Ready::new(20, move || {
        sampler.fill(&mut rng, &mut noise);
        black_box(&noise);
    })
}

pub(crate) fn noise_laplace() -> Ready {
    let sampler = DiscreteLaplace::new(1 << 20).expect("a scale");
    let (mut rng, mut noise) = (rng(), vec![0; DRAWS]);
    Ready::new(20, move || {
        sampler.fill(&mut rng, &mut noise);
        black_box(&noise);
    })
}

/// Who of 10,000 patients takes part.
pub(crate) fn sample() -> Ready {
    let (rate, mut rng) = (Rate::new(0.25).expect("a rate"), rng());
    Ready::new(20, move || {
        black_box(PoissonSampler::new(rate, &mut rng).draw(10_000, 20_000));
    })
}

/// Twenty patients of 1,000 coordinates, some longer than the clip norm.
pub(crate) fn clipped_sum() -> Ready {
    let grid = Grid::new(20).expect("a grid");
    let patient = |number: usize| -> Vec<f64> {
        (0..1_000).map(|i| ((i * 7919 + number) % 1_000) as f64 * number as f64 * 1e-5).collect()
    };
    let patients: Vec<Vec<f64>> = (1..=20).map(patient).collect();
    Ready::new(20, move || {
        let mut sum = ClippedSum::new(1.0, grid, 1_000).expect("a clip norm");
        patients.iter().for_each(|patient| sum.add(patient));
        black_box(sum.finish());
    })
}

fn training() -> Event {
    let step = Event::gaussian(1.1).and_then(|step| step.poisson(0.01));
    step.expect("a step").times(1_000)
}

fn ask(mut accountant: impl Accountant, event: &Event) -> f64 {
    accountant.compose(event, 1).expect("an event that is covered");
    accountant.epsilon(Delta::new(1e-5).expect("a delta")).expect("a bound").value
}

/// A thousand steps of DP-SGD.
pub(crate) fn renyi() -> Ready {
    let event = training();
    Ready::new(5, move || {
        black_box(ask(Renyi::new(Adjacency::AddRemove), &event));
    })
}

/// The same, tighter.
pub(crate) fn privacy_loss() -> Ready {
    let event = training();
    Ready::new(2, move || {
        black_box(ask(PrivacyLoss::new(Adjacency::AddRemove), &event));
    })
}

/// The noise of a plan of 100 releases.
pub(crate) fn calibrate() -> Ready {
    let total = Rho::new(0.5).expect("a rho");
    let sensitivity = Sensitivity::new(1 << 20).expect("a sensitivity");
    Ready::new(20, move || {
        black_box(zcdp::calibrate(black_box(total), 100, sensitivity).expect("a scale"));
    })
}
