//! Private quantiles and means of one site's data. OpenDP takes no seed, so its checks have a
//! false-alarm rate, stated at each.
#![cfg(feature = "opendp")]

use haima_dp::event::Event;
use haima_dp::intake::{Mean, Quantile};
use haima_dp::ledger::{Ledger, Limit};
use haima_dp::units::{Delta, Epsilon, Rate, Rho};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn rho(x: f64) -> Rho {
    Rho::new(x).unwrap()
}

fn half() -> Rate {
    Rate::new(0.5).unwrap()
}

fn candidates() -> Vec<f64> {
    (0..=110).map(f64::from).collect()
}

/// Ages 0 to 99, ten each: at rho = 0.5 a candidate 15 years off the median scores 150 patients
/// less, and has a weight below e^-100 of the median's.
#[test]
fn a_quantile_is_near_the_truth() {
    let ages: Vec<f64> = (0..1000).map(|i| f64::from(i % 100)).collect();
    for (at, truth) in [(0.5, 49.5), (0.9, 89.5)] {
        let quantile = Quantile::new(Rate::new(at).unwrap(), &candidates(), rho(0.5)).unwrap();
        let drawn = quantile.draw(&ages).unwrap();
        assert!((drawn - truth).abs() < 15.0, "{at}: {drawn}");
    }
}

/// Two candidates, one value between: adding a patient must change the odds by no more than the
/// range that was charged, epsilon = sqrt(8 rho). 20,000 draws each; five standard deviations.
#[test]
fn a_quantile_costs_no_more_than_what_is_charged() {
    const DRAWS: u32 = 20_000;
    let budget = 0.125;
    let share = |values: &[f64]| {
        let lower = (0..DRAWS).filter(|_| {
            let quantile = Quantile::new(half(), &[0.0, 10.0], rho(budget)).unwrap();
            quantile.draw(values).unwrap() == 0.0
        });
        lower.count() as f64 / f64::from(DRAWS)
    };
    let (without, with) = (share(&[5.0]), share(&[5.0, 12.0]));
    let odds = |p: f64| (p / (1.0 - p)).ln();
    let sd = (1.0 / (without * (1.0 - without)) + 1.0 / (with * (1.0 - with))) / f64::from(DRAWS);
    let moved = (odds(without) - odds(with)).abs();
    assert!(moved <= (8.0 * budget).sqrt() + 5.0 * sd.sqrt(), "{moved}");
}

#[test]
fn the_charge_is_within_what_was_asked_and_goes_on_the_ledger() {
    let quantile = Quantile::new(half(), &candidates(), rho(0.01)).unwrap();
    let mean = Mean::new(0.0, 110.0, 500.0, rho(0.01)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let limit = Limit::zcdp(Epsilon::new(1.0).unwrap(), Delta::new(1e-6).unwrap());
    let path = folder.path().join("ledger");
    let mut ledger = Ledger::open(&path, "p", limit).unwrap();
    for (key, release) in [(1, quantile.release()), (2, mean.release())] {
        let cost = release.event().rho().unwrap().get();
        assert!(cost > 0.0099 && cost <= 0.01, "{cost}");
        let _ = ledger.charge("intake", [key; 32], &release).unwrap();
    }
    let spent = ledger.spent_total().get();
    drop(ledger);
    // It comes back from disk as what it was.
    let ledger = Ledger::open(&path, "p", limit).unwrap();
    assert_eq!(ledger.spent_total().get(), spent);
    assert!(matches!(quantile.release().event(), Event::Zcdp { .. }));
    let mut text = String::new();
    ledger.export(&mut text).unwrap();
    assert!(text.contains("mechanism of rho"), "{text}");
}

/// Seeded. The standard deviation of the mean is s / D * 55 / 500.
#[test]
fn a_mean_is_near_the_truth_and_within_its_bounds() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let ages: Vec<f64> = (0..500).map(|i| f64::from(i % 100)).chain([f64::NAN]).collect();
    let mut worst: f64 = 0.0;
    for _ in 0..200 {
        let mean = Mean::new(0.0, 110.0, 500.0, rho(0.1)).unwrap();
        worst = worst.max((mean.draw(&ages, &mut rng).unwrap() - 49.5).abs());
    }
    let sd = 55.0 / 500.0 / (0.2_f64).sqrt();
    assert!(worst > sd && worst < 4.5 * sd, "{worst} against {sd}");
    let few = Mean::new(0.0, 1.0, 1.0, rho(1e-6)).unwrap().draw(&[f64::INFINITY], &mut rng);
    assert!((0.0..=1.0).contains(&few.unwrap()));
}

#[test]
fn bad_input_is_named() {
    let text = |error: haima_dp::Error| error.to_string();
    let quantile = |c: &[f64], r: f64| text(Quantile::new(half(), c, rho(r)).unwrap_err());
    assert!(quantile(&[], 1.0).contains("0 candidates"));
    assert!(quantile(&[1.0, f64::NAN], 1.0).contains("NaN"));
    assert!(quantile(&[1.0], 0.0).contains("rho of a quantile"));
    let mean = |l: f64, u: f64, n: f64| text(Mean::new(l, u, n, rho(0.1)).unwrap_err());
    assert!(mean(1.0, 1.0, 5.0).contains("range") && mean(f64::NAN, 1.0, 5.0).contains("range"));
    assert!(mean(0.0, 1.0, 0.0).contains("expected number"));
    assert!(Quantile::new(half(), &[1.0, 2.0], rho(0.1)).unwrap().draw(&[]).is_ok());
}
