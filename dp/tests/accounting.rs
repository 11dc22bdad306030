//! zCDP figures against opendp 0.16 and against published values.

mod common;

use common::shared;
use dashu::rational::RBig;
use haima_dp::units::{Delta, Epsilon, Rho, Sensitivity};
use haima_dp::{noise, zcdp};
use opendp::combinators::ConcentratedMeasure;
use opendp::measures::ZeroConcentratedDivergence;
use proptest::prelude::*;

fn epsilon(rho: f64, delta: f64) -> f64 {
    zcdp::epsilon(Rho::new(rho).unwrap(), Delta::new(delta).unwrap()).get()
}

fn opendps_epsilon(rho: f64, delta: f64) -> f64 {
    ZeroConcentratedDivergence::convert(rho).unwrap().epsilon(delta).unwrap()
}

/// Differential test: opendp's conversion, itself rounded to the safe side, over a grid.
#[test]
fn epsilon_agrees_with_opendp() {
    for rho in [1e-6, 1e-4, 0.003, 0.1, 0.77, 2.63, 10.0, 55.5] {
        for delta in [1e-2, 1e-5, 1e-7, 1e-10, 1e-13] {
            let (ours, theirs) = (epsilon(rho, delta), opendps_epsilon(rho, delta));
            assert!(
                (ours - theirs).abs() <= 1e-9 * theirs + 1e-10,
                "rho {rho} delta {delta}: ours {ours}, opendp {theirs}"
            );
        }
    }
}

/// CKS 2020's optimum for cases computed by Google's dp_accounting and a direct optimisation.
#[test]
fn epsilon_agrees_with_the_published_cases() {
    let Some(cases) = shared::json("truth/dp_accounting.json") else { return };
    let cases = cases["cases"].as_array().unwrap();
    let group =
        |name: &str| cases.iter().filter(move |case| case["group"] == name).collect::<Vec<_>>();
    let conversions = group("zcdp");
    assert_eq!(conversions.len(), 8);
    for case in conversions {
        let (rho, delta) =
            (case["params"]["rho"].as_f64().unwrap(), case["delta"].as_f64().unwrap());
        let optimum = case["cks20_optimum"]["eps"].as_f64().unwrap();
        let ours = epsilon(rho, delta);
        assert!((ours / optimum - 1.0).abs() < 1e-9, "{}: {ours} vs {optimum}", case["id"]);
        assert!(ours <= case["rdp"]["eps"].as_f64().unwrap(), "{}", case["id"]);
    }
    // Discrete Gaussians: never below the truth, never above the same theorem at fewer orders.
    let mechanisms = group("dgaussian");
    assert_eq!(mechanisms.len(), 6);
    for case in mechanisms {
        let (rho, delta) =
            (case["params"]["rho"].as_f64().unwrap(), case["delta"].as_f64().unwrap());
        let ours = epsilon(rho, delta);
        if let Some(lower) = case["bound"]["lower"].as_f64() {
            assert!(ours >= lower - 1e-9, "{}: {ours} below the truth {lower}", case["id"]);
        }
        assert!(ours <= case["rdp"]["eps"].as_f64().unwrap(), "{}", case["id"]);
    }
}

/// The sum of doubles 0.1 a hundred times: above the truth, and closer to it than rounding each
/// addition up (opendp: 10.00000000000005329).
#[test]
fn composition_is_never_below_the_true_sum() {
    let total = zcdp::compose(vec![Rho::new(0.1).unwrap(); 100]).get();
    let truth = RBig::try_from(0.1).unwrap() * RBig::from(100);
    assert!(RBig::try_from(total).unwrap() >= truth);
    assert!(RBig::try_from(total.next_down()).unwrap() < truth);
    assert_eq!(zcdp::compose([]), Rho::ZERO);
    assert_eq!(zcdp::compose([Rho::MAX, Rho::MAX]), Rho::MAX);
}

fn sensitivity(steps: u64) -> Sensitivity {
    Sensitivity::new(steps).unwrap()
}

/// Whether `rounds` releases cost at most `total`, in rationals.
fn truly_fits(total: f64, rounds: u32, steps: u64, s: u64) -> bool {
    let d = RBig::from(steps);
    let s = RBig::from(s);
    RBig::from(rounds) * d.clone() * d / (RBig::from(2) * s.clone() * s)
        <= RBig::try_from(total).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn composition_encloses_the_true_sum(terms in prop::collection::vec(0.0..10.0f64, 0..60)) {
        let total = zcdp::compose(terms.iter().map(|&x| Rho::new(x).unwrap())).get();
        let truth = terms.iter().fold(RBig::ZERO, |sum, &x| sum + RBig::try_from(x).unwrap());
        prop_assert!(RBig::try_from(total).unwrap() >= truth);
        prop_assert!(total <= terms.iter().sum::<f64>() * (1.0 + 1e-13) + 1e-25);
    }

    /// A limit's rho is within the limit, and a hair more is not.
    #[test]
    fn the_largest_rho_of_a_target_is_within_it(
        log_epsilon in -6.0..5.0f64,
        log_delta in -30.0..-1.0f64,
    ) {
        let target = Epsilon::new(log_epsilon.exp()).unwrap();
        let delta = Delta::new(log_delta.exp()).unwrap();
        let rho = zcdp::rho_for(target, delta);
        prop_assert!(zcdp::epsilon(rho, delta) <= target);
        let more = Rho::new(rho.get() * (1.0 + 1e-9)).unwrap();
        prop_assert!(zcdp::epsilon(more, delta) > target);
    }

    #[test]
    fn more_rho_or_less_delta_is_more_epsilon(
        log_rho in -12.0..8.0f64,
        log_delta in -30.0..-1.0f64,
        factor in 1.001..3.0f64,
    ) {
        let (rho, delta) = (log_rho.exp(), log_delta.exp());
        prop_assert!(epsilon(rho * factor, delta) >= epsilon(rho, delta));
        prop_assert!(epsilon(rho, delta / factor) >= epsilon(rho, delta));
    }

    /// N1: calibration answers the smallest scale whose coalition figure fits.
    #[test]
    fn calibration_is_safe_and_tight(
        log_total in -9.0..4.0f64,
        rounds in 1u32..5000,
        steps in 1u64..1_000_000,
    ) {
        let total = log_total.exp();
        let s = zcdp::calibrate(Rho::new(total).unwrap(), rounds, sensitivity(steps)).unwrap();
        prop_assert!(s >= 4);
        prop_assert!(truly_fits(total, rounds, steps, s));
        // Rounding up costs at most one step of noise, and only where a step hardly matters.
        prop_assert!(s == 4 || !truly_fits(total * (1.0 - 1e-12), rounds, steps, s - 1));
    }
}

/// N1: the ledger's figure for one release is never below D^2 / (2 s^2), in rationals.
#[test]
fn the_coalition_figure_is_never_below_the_truth() {
    for steps in [1, 3, 1 << 20, 999_999_937, (1 << 62) - 57] {
        for s in [4, 5, 7, 1023, 1 << 20, 999_999_937, 1 << 40] {
            let rho = noise::coalition_rho(sensitivity(steps), s).get();
            let (d, scale) = (RBig::from(steps), RBig::from(s));
            let truth = d.clone() * d / (RBig::from(2) * scale.clone() * scale);
            assert!(RBig::try_from(rho).unwrap() >= truth, "D {steps} s {s}");
            let slack = rho * (1.0 - 1e-15);
            assert!(RBig::try_from(slack).unwrap() <= truth, "D {steps} s {s}");
        }
    }
}
