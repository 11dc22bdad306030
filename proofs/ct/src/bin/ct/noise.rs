//! dp/src/{gauss,laplace,noise,sampler}: noise, its addition to a secret sum, Poisson samples.
//!
//! Public: whether a trial succeeds, and whether its 64 digits decide it. That is what `trial.rs`
//! says of time: how many trials a draw takes says nothing of the value that the last one gave. So
//! the suppression covers `Cells::sample`, where trials are told apart, and nothing in
//! `Cells::trial`, where a value is made.

use haima_crypto::encode::Digest;
use haima_crypto::field::{Field, Field64, decode_vec};
use haima_crypto::share::{Aggregate, split};
use haima_dp::gauss::DiscreteGaussian;
use haima_dp::laplace::DiscreteLaplace;
use haima_dp::noise::NoiseScale;
use haima_dp::sampler::PoissonSampler;
use haima_dp::units::Rate;
use haima_proofs_ct::memcheck::{public, publics, secret, secrets};
use haima_proofs_ct::setting::{SecretRng, public_rng};

/// From secret words.
pub(crate) fn gaussian() {
    let sampler = DiscreteGaussian::new(1000).expect("a scale");
    let (mut noise, mut expected) = ([0; 12], [0; 12]);
    sampler.fill(&mut SecretRng::new(11), &mut noise);
    sampler.fill(&mut public_rng(11), &mut expected);
    assert_eq!(publics(&noise), expected);
}

/// From secret words.
pub(crate) fn laplace() {
    let sampler = DiscreteLaplace::new(1000).expect("a scale");
    let (mut noise, mut expected) = ([0; 12], [0; 12]);
    sampler.fill(&mut SecretRng::new(12), &mut noise);
    sampler.fill(&mut public_rng(12), &mut expected);
    assert_eq!(publics(&noise), expected);
}

/// A node's step: noise of a secret seed (rule N3), added to a sum of secret shares.
pub(crate) fn added() {
    const LEN: usize = 6;
    let (context, scale) = (Digest::of(b"round"), NoiseScale::new(1000).expect("a scale"));
    let values = secrets(&[1, 2, 3, 4, 5, 6]);
    let rng = &mut SecretRng::new(13);
    let shares = split::<Field64, _>(&values, 2, &context, rng).expect("a sharing");
    let noised = |seed: [u8; 32]| {
        let mut sum = Aggregate::<Field64>::new(0, LEN);
        sum.add_bytes(&context, &shares[0].to_bytes()).expect("a share");
        sum.add_integers(&scale.draw(&seed, LEN)).expect("noise that fits");
        let bytes = publics(&sum.to_bytes());
        decode_vec::<Field64>("sum", &bytes, LEN).expect("canonical bytes")
    };
    let (one, other) = (noised(secret([5; 32])), noised(secret([6; 32])));
    let noise = [5, 6].map(|byte| scale.draw(&[byte; 32], LEN));
    for i in 0..LEN {
        let difference = i128::from(noise[0][i]) - i128::from(noise[1][i]);
        assert_eq!((one[i] - other[i]).to_integer(), difference);
    }
}

/// Who takes part, from a secret key.
pub(crate) fn sample() {
    let rate = Rate::new(0.25).expect("a rate");
    let batch = PoissonSampler::new(rate, &mut SecretRng::new(14)).draw(40, 100);
    let expected = PoissonSampler::new(rate, &mut public_rng(14)).draw(40, 100);
    for patient in 0..40 {
        assert_eq!(public(batch.takes(patient)), expected.takes(patient));
    }
}
