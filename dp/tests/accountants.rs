//! What holds of every accountant: monotone figures, bounded work, and refusals that say why.

use std::num::NonZeroU64;

use haima_dp::Error;
use haima_dp::accountant::{Accountant, Method};
use haima_dp::analytic::AnalyticGaussian;
use haima_dp::calibrate::Target;
use haima_dp::event::Event;
use haima_dp::plan::CommittedPlan;
use haima_dp::pld::PrivacyLoss;
use haima_dp::renyi::Renyi;
use haima_dp::units::{Adjacency, Delta, Epsilon, Rate, Sensitivity, Sigma};
use proptest::prelude::*;

fn delta(x: f64) -> Delta {
    Delta::new(x).unwrap()
}

fn sgd(sigma: f64, q: f64, steps: u64) -> Event {
    Event::gaussian(sigma).unwrap().poisson(q).unwrap().times(steps)
}

fn best(event: Event, at: f64) -> f64 {
    let plan = CommittedPlan::new(event, [0; 32]).unwrap();
    plan.best(Adjacency::AddRemove, delta(at)).unwrap().value
}

fn renyi(event: &Event, at: f64) -> f64 {
    let mut renyi = Renyi::new(Adjacency::AddRemove);
    renyi.compose(event, 1).unwrap();
    renyi.epsilon(delta(at)).unwrap().value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// More noise, a lower rate, fewer steps or a larger delta never cost more; a grid may blur it.
    #[test]
    fn figures_are_monotone(
        sigma in 0.6..8.0f64, q in 0.001..0.3f64, steps in 1..3000u64, log_delta in -9.0..-3.0f64,
    ) {
        let at = 10f64.powf(log_delta);
        for figure in [&(|e: Event, at: f64| best(e, at)), &(|e: Event, at: f64| renyi(&e, at))]
            as [&dyn Fn(Event, f64) -> f64; 2]
        {
            let here = figure(sgd(sigma, q, steps), at);
            let blur = here * (1.0 + 2e-3) + 1e-6;
            prop_assert!(figure(sgd(sigma * 1.05, q, steps), at) <= blur);
            prop_assert!(figure(sgd(sigma, q * 0.95, steps), at) <= blur);
            prop_assert!(figure(sgd(sigma, q, steps.div_ceil(2)), at) <= blur);
            prop_assert!(figure(sgd(sigma, q, steps), at * 1.2) <= blur);
        }
    }

    /// A privacy loss distribution is never looser than Renyi by more than its grid, and the delta
    /// at its epsilon is the one that was asked.
    #[test]
    fn accountants_agree_with_each_other(
        sigma in 0.6..8.0f64, q in 0.001..0.3f64, steps in 2..3000u64,
    ) {
        let event = sgd(sigma, q, steps);
        let mut losses = PrivacyLoss::new(Adjacency::AddRemove);
        losses.compose(&event, 1).unwrap();
        let bound = losses.epsilon(delta(1e-6)).unwrap();
        prop_assert!(bound.value <= renyi(&event, 1e-6) * (1.0 + 1e-3));
        if bound.value > 1e-6 {
            let back = losses.delta(Epsilon::new(bound.value).unwrap()).unwrap().value;
            prop_assert!((back / 1e-6 - 1.0).abs() < 0.05, "{back}");
        }
    }
}

/// Without sampling a privacy loss distribution has a closed form to meet, from above.
#[test]
fn gaussian_compositions_meet_the_closed_form() {
    for (sigma, steps) in [(1.0, 10), (5.0, 1000), (30.0, 2), (0.5, 3)] {
        let event = Event::gaussian(sigma).unwrap().times(steps);
        let mut losses = PrivacyLoss::new(Adjacency::AddRemove);
        let mut closed = AnalyticGaussian::new(Adjacency::AddRemove);
        losses.compose(&event, 1).unwrap();
        closed.compose(&event, 1).unwrap();
        for at in [1e-3, 1e-6, 1e-10] {
            let (ours, truth) = (
                losses.epsilon(delta(at)).unwrap().value,
                closed.epsilon(delta(at)).unwrap().value,
            );
            assert!(
                ours >= truth && ours <= truth * (1.0 + 1e-3),
                "{sigma} {steps}: {ours} {truth}"
            );
        }
    }
}

/// A billion steps, tiny and huge noise: an answer or a refusal, in bounded time and memory.
#[test]
fn no_input_runs_away() {
    for sigma in [0.05, 1.0, 100.0, 1e6] {
        for q in [1e-9, 1e-4, 0.5, 1.0] {
            for steps in [1, 1000, 1_000_000_000] {
                let plan = CommittedPlan::new(sgd(sigma, q, steps), [0; 32]).unwrap();
                match plan.best(Adjacency::AddRemove, delta(1e-6)) {
                    Ok(bound) => assert!(bound.value.is_finite() && bound.value >= 0.0),
                    Err(Error::NoBound { .. }) => {}
                    Err(other) => panic!("sigma {sigma} q {q} steps {steps}: {other}"),
                }
            }
        }
    }
}

/// Outside its memory bound the answer is Renyi's, and says so.
#[test]
fn a_grid_that_is_too_large_gives_way_to_renyi() {
    let mut losses = PrivacyLoss::new(Adjacency::AddRemove);
    losses.compose(&sgd(1e4, 0.01, 1_000_000_000_000), 1).unwrap();
    let bound = losses.epsilon(delta(1e-6)).unwrap();
    assert!(matches!(bound.method, Method::RenyiForMemory { .. }), "{bound:?}");
    assert!(bound.method.to_string().contains("memory"));
}

/// N1, N2: a node's noise on a long vector at s = 2^10 and the continuous figure are close, and the
/// discrete one is never below.
#[test]
fn noise_on_the_grid_costs_hardly_more_than_real_noise() {
    let event = |q| {
        let noise = Event::DiscreteGaussian {
            s: Sigma::new(1024.0).unwrap(),
            sensitivity: Sensitivity::new(1024).unwrap(),
            dimension: NonZeroU64::new(100_000).unwrap(),
        };
        noise.poisson(q).unwrap().times(100)
    };
    for q in [0.05, 1.0] {
        let (grid, real) = (best(event(q), 1e-6), best(sgd(1.0, q, 100), 1e-6));
        assert!(grid >= real * (1.0 - 1e-3) && grid <= real * (1.0 + 1e-3), "{q}: {grid} {real}");
    }
}

#[test]
fn what_an_accountant_does_not_cover_is_refused_by_name() {
    let response = Event::RandomisedResponse { noise: Rate::new(0.5).unwrap(), buckets: 2 };
    let refused = Renyi::new(Adjacency::AddRemove).compose(&response, 1);
    assert!(refused.unwrap_err().to_string().contains("randomised response"));
    assert!(Renyi::new(Adjacency::ReplaceOne).compose(&response, 1).is_ok());
    let sampled = sgd(1.0, 0.1, 3);
    assert!(AnalyticGaussian::new(Adjacency::AddRemove).compose(&sampled, 1).is_err());
    assert!(PrivacyLoss::new(Adjacency::AddRemove).compose(&Event::Exact, 1).is_err());
    let plan = CommittedPlan::new(Event::Exact, [0; 32]).unwrap();
    assert!(plan.best(Adjacency::AddRemove, delta(1e-6)).is_err());
}

#[test]
fn a_target_gives_noise_steps_and_rate_that_meet_it() {
    let target = Target {
        epsilon: Epsilon::new(2.0).unwrap(),
        delta: delta(1e-6),
        adjacency: Adjacency::AddRemove,
    };
    let sigma =
        target.noise(|sigma| Ok(Event::Gaussian { sigma }.poisson(0.1)?.times(200))).unwrap();
    assert!(best(sgd(sigma.get(), 0.1, 200), 1e-6) <= 2.0);
    assert!(best(sgd(sigma.get() * 0.99, 0.1, 200), 1e-6) > 2.0);
    let steps = target.steps(&sgd(2.0, 0.1, 1)).unwrap();
    assert!(
        best(sgd(2.0, 0.1, steps), 1e-6) <= 2.0
            && best(sgd(2.0, 0.1, steps + steps / 50 + 1), 1e-6) > 2.0
    );
    let rate = target.rate(|q| Ok(sgd(1.0, q.get(), 500))).unwrap().get();
    assert!(best(sgd(1.0, rate, 500), 1e-6) <= 2.0 && best(sgd(1.0, rate * 1.01, 500), 1e-6) > 2.0);
    let hopeless = target.noise(|_| Ok(sgd(0.1, 1.0, 1)));
    assert!(matches!(hopeless, Err(Error::OutOfReach { .. })), "{hopeless:?}");
    assert_eq!(target.steps(&sgd(0.1, 1.0, 1)), Ok(0));
}
