//! Input that is no input: each refusal names the parameter, and no figure hides that it was bad.

use std::num::NonZeroU64;

use haima_dp::accountant::Accountant;
use haima_dp::event::Event;
use haima_dp::ledger::{Filter, Limit};
use haima_dp::noise::NoiseScale;
use haima_dp::renyi::Renyi;
use haima_dp::units::{Adjacency, Delta, Epsilon, Order, Rate, Rho, Sensitivity, Sigma};
use haima_dp::{Result, zcdp};

const NO_NUMBERS: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
const ONE: NonZeroU64 = NonZeroU64::MIN;

/// Asserts that it is refused, in words that name the parameter and what was given.
fn refused<T>(result: Result<T>, parameter: &str, given: &str) {
    let Err(error) = result else { panic!("{parameter} {given} was taken") };
    let says = error.to_string();
    assert!(says.contains(parameter) && says.contains(given), "{parameter} {given}: {says}");
}

fn with_no_numbers(more: &[f64]) -> impl Iterator<Item = f64> {
    NO_NUMBERS.into_iter().chain(more.to_vec())
}

fn limit(epsilon: f64, delta: f64) -> Limit {
    Limit::zcdp(Epsilon::new(epsilon).unwrap(), Delta::new(delta).unwrap())
}

#[test]
fn an_epsilon_that_is_none_is_refused_by_name() {
    for value in with_no_numbers(&[0.0, -0.0, -1.0]) {
        refused(Epsilon::new(value), "epsilon", &value.to_string());
    }
}

#[test]
fn a_delta_that_is_none_is_refused_by_name() {
    for value in with_no_numbers(&[0.0, -1e-9, 1.0, 1.5]) {
        refused(Delta::new(value), "delta", &value.to_string());
        refused(Delta::for_cohort(100, Some(value), true), "delta", &value.to_string());
    }
    refused(Delta::for_cohort(100, Some(0.5), false), "delta", "n = 100");
    refused(Delta::for_cohort(0, None, false), "cohort size", "0");
}

#[test]
fn a_rho_that_is_none_is_refused_by_name() {
    for value in with_no_numbers(&[-1e-300]) {
        refused(Rho::new(value), "rho", &value.to_string());
    }
}

#[test]
fn a_sigma_that_is_none_is_refused_by_name() {
    for value in with_no_numbers(&[0.0, -1.0]) {
        refused(Sigma::new(value), "sigma", &value.to_string());
        refused(Event::gaussian(value), "sigma", &value.to_string());
    }
    for scale in [0, 3, (1 << 40) + 1, u64::MAX] {
        refused(NoiseScale::new(scale), "noise scale", &scale.to_string());
    }
}

#[test]
fn a_sampling_rate_outside_its_range_is_refused_by_name() {
    for value in with_no_numbers(&[-1e-12, 1.0f64.next_up(), 2.0]) {
        refused(Rate::new(value), "sampling rate q", &value.to_string());
        let noise = Event::gaussian(1.0).unwrap();
        refused(noise.poisson(value), "sampling rate q", &value.to_string());
    }
}

#[test]
fn an_order_outside_its_range_is_refused_by_name() {
    for order in [0, 1, 1025, u32::MAX] {
        refused(Order::new(order), "order", &order.to_string());
    }
}

#[test]
fn a_sensitivity_outside_its_range_is_refused_by_name() {
    for steps in [0, Sensitivity::MAX + 1, u64::MAX] {
        refused(Sensitivity::new(steps), "sensitivity", &(steps as f64).to_string());
    }
}

#[test]
fn a_plan_of_no_rounds_is_refused_by_name() {
    let d = Sensitivity::new(1).unwrap();
    let limit = limit(1.0, 1e-6);
    refused(limit.noise_for(0, d, ONE, Rate::ALL), "rounds", "0");
    refused(zcdp::calibrate(Rho::new(1.0).unwrap(), 0, d), "rounds", "0");
    let (epsilon, delta) = (limit.epsilon, limit.delta);
    refused(Limit::with_best_order(epsilon, delta, 0, d, ONE, Rate::ALL), "rounds", "0");
}

/// A billion steps are a plan like others, or are refused by their number: nothing overflows, and
/// nothing takes long.
#[test]
fn a_billion_steps_have_a_figure_or_a_refusal() {
    const STEPS: u32 = 1_000_000_000;
    let (epsilon, delta) = (Epsilon::new(1.0).unwrap(), Delta::new(1e-6).unwrap());
    let (small, large) = (Sensitivity::new(100).unwrap(), Sensitivity::new(1 << 40).unwrap());
    for rate in [Rate::ALL, Rate::new(1e-4).unwrap()] {
        let renyi = Limit::with_best_order(epsilon, delta, STEPS, small, ONE, rate).unwrap();
        for limit in [Limit::zcdp(epsilon, delta), renyi] {
            let s = limit.noise_for(STEPS, small, ONE, rate).unwrap();
            let event = Event::discrete_gaussian(s, small, ONE).poisson(rate.get()).unwrap();
            // The plan as one event, by an accountant that is not the ledger's.
            let mut all = Renyi::new(Adjacency::AddRemove);
            all.compose(&event.times(u64::from(STEPS)), 1).unwrap();
            let bound = all.epsilon(delta).unwrap().value;
            assert!(bound <= 1.0 + 1e-6, "{limit:?}: {bound}");
            refused(limit.noise_for(STEPS, large, ONE, Rate::ALL), "rounds", "1000000000");
        }
    }
    let loud = Event::gaussian(1e-3).unwrap().times(u64::MAX);
    let mut all = Renyi::new(Adjacency::AddRemove);
    all.compose(&loud, 1).unwrap();
    assert!(all.epsilon(delta).is_err() || all.epsilon(delta).unwrap().value > 1e9);
}

/// No filter gives a figure for what it does not cover: neither zero nor any other.
#[test]
fn what_a_filter_does_not_cover_has_no_figure() {
    for filter in [Filter::Zcdp, Filter::Renyi { order: Order::LEAST }] {
        assert_eq!(filter.cost(&Event::Exact), None);
    }
}
