//! What the accounts admit: plans that fit to the last unit, and nothing past a limit.

use super::*;
use crate::units::{Delta, Epsilon, Order, Rate, Rho, Sensitivity, Sigma};
use crate::zcdp::calibrate;
use proptest::prelude::*;

fn limit(epsilon: f64, delta: f64) -> Limit {
    Limit::zcdp(Epsilon::new(epsilon).unwrap(), Delta::new(delta).unwrap())
}

fn renyi(limit: Limit, order: u32) -> Limit {
    Limit::renyi(limit.epsilon, limit.delta, Order::new(order).unwrap())
}

fn rho_of(limit: Limit) -> Rho {
    limit.room().rho().unwrap()
}

fn noise(s: u64, sensitivity: Sensitivity) -> Event {
    let dimension = std::num::NonZeroU64::MIN;
    Event::DiscreteGaussian { s: Sigma::of_scale(s), sensitivity, dimension }
}

fn key(n: u32) -> [u8; 32] {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&n.to_le_bytes());
    key
}

fn charge(accounts: &mut Accounts, study: &str, n: u32, event: Event) -> Result<()> {
    assert_eq!(accounts.admit(study, &key(n), &event)?, Admission::New);
    let entry = Entry::Charged { study: study.into(), key: key(n), event };
    accounts.apply(u64::from(n), entry).unwrap();
    Ok(())
}

/// L1: a plan of T + R rounds calibrated to the limit fits it, every attempt of it, whatever
/// the target, and the limit is never passed.
#[test]
fn a_plan_calibrated_to_the_limit_fits_the_limit() {
    let mut at_the_limit = 0;
    for epsilon in [0.01, 0.1, 0.5, 1.0, 2.0, 3.3, 8.0, 20.0] {
        for delta in [1e-3, 1e-5, 1e-9] {
            let limit = limit(epsilon, delta);
            for rounds in [1, 2, 3, 7, 8, 10, 49, 100, 333, 1000] {
                for steps in [1, 3, 1000, 1 << 20, 12_345_678] {
                    let sensitivity = Sensitivity::new(steps).unwrap();
                    let s = calibrate(rho_of(limit), rounds, sensitivity).unwrap();
                    let event = noise(s, sensitivity);
                    let mut accounts = Accounts::new(limit.into());
                    for n in 0..rounds {
                        let study = if n % 3 == 0 { "a" } else { "b" };
                        charge(&mut accounts, study, n, event.clone()).unwrap();
                    }
                    let spent = accounts.overall().spent();
                    assert!(spent <= limit.room());
                    assert!(spent.epsilon(limit.delta) <= limit.epsilon);
                    let next = accounts.admit("a", &key(rounds), &event);
                    at_the_limit += u32::from(next.is_err());
                    // A step less of noise would not have fitted.
                    let louder = noise(s - 1, sensitivity);
                    let one = CostSum::covering(louder.rho().unwrap().get());
                    let all = one.times(rounds);
                    assert!(s == NoiseScale::LEAST || all > limit.room_sum());
                }
            }
        }
    }
    assert!(at_the_limit > 800, "{at_the_limit} of 1200 plans leave no room for one more");
}

/// The same under a Renyi filter, with samples: the first refusal is the one after the plan.
#[test]
fn a_sampled_plan_fits_a_renyi_limit_and_one_more_does_not() {
    let one = std::num::NonZeroU64::MIN;
    let mut at_the_limit = 0;
    for order in [2, 16, 300] {
        for (rounds, rate) in [(1, 1.0), (8, 0.3), (300, 0.02)] {
            let limit = renyi(limit(8.0, 1e-3), order);
            let (rate, d) = (Rate::new(rate).unwrap(), Sensitivity::new(1 << 20).unwrap());
            let s = limit.noise_for(rounds, d, one, rate).unwrap().get();
            let event = noise(s, d).poisson(rate.get()).unwrap();
            let mut accounts = Accounts::new(limit.into());
            for n in 0..rounds {
                charge(&mut accounts, "a", n, event.clone()).unwrap();
            }
            assert!(accounts.overall().spent() <= limit.room());
            at_the_limit += u32::from(accounts.admit("a", &key(rounds), &event).is_err());
        }
    }
    assert_eq!(at_the_limit, 9);
}

/// L2: each limit has its own filter and sum; a release has to fit both.
#[test]
fn each_limit_counts_by_its_own_filter() {
    let overall = limit(3.0, 1e-6);
    let own = renyi(limit(3.0, 1e-6), 16);
    let per_study = BTreeMap::from([("sampled".to_owned(), own)]);
    let mut accounts = Accounts::new(Budget { overall, per_study, allow_exact: false });
    let d = Sensitivity::new(1000).unwrap();
    let event = noise(calibrate(rho_of(overall), 4, d).unwrap(), d).poisson(0.01).unwrap();
    for n in 0..4 {
        let study = if n % 2 == 0 { "sampled" } else { "other" };
        charge(&mut accounts, study, n, event.clone()).unwrap();
    }
    let twice = |filter: Filter| {
        Cost::spent(filter, CostSum::covering(filter.cost(&event).unwrap().get()).times(2))
    };
    assert_eq!(accounts.spent("sampled"), twice(own.filter));
    assert_eq!(accounts.share("sampled"), twice(Filter::Zcdp));
    assert_eq!(accounts.spent("other"), twice(Filter::Zcdp));
    // The study's own limit counts the sample and has room, the population's does not.
    assert!(accounts.own("sampled").unwrap().left().get() > 0.5 * own.room().get());
    let Err(Error::Overspend { scope, asked, .. }) = accounts.admit("sampled", &key(9), &event)
    else {
        panic!("the population's limit was passed")
    };
    assert_eq!((scope, asked.filter()), ("the population's limit", Filter::Zcdp));
}

/// A budget with another filter charges the history anew, as if it had been in force always;
/// and back again nothing is changed.
#[test]
fn an_amended_filter_charges_the_history_anew() {
    let (zcdp, other) = (limit(3.0, 1e-6), renyi(limit(3.0, 1e-6), 16));
    let d = Sensitivity::new(1000).unwrap();
    let event = |n: u32| {
        let plain = noise(100_000 + u64::from(n), d);
        if n.is_multiple_of(3) { plain } else { plain.poisson(1.0 / f64::from(n)).unwrap() }
    };
    let mut accounts = Accounts::new(zcdp.into());
    let mut always = Accounts::new(other.into());
    for n in 0..60 {
        charge(&mut accounts, "a", n, event(n)).unwrap();
        charge(&mut always, "a", n, event(n)).unwrap();
    }
    let before = accounts.overall().spent();
    let amend = |accounts: &mut Accounts, sequence, limit: Limit| {
        let entry = Entry::Amended { budget: limit.into(), reason: "r".into() };
        accounts.apply(sequence, entry).unwrap();
    };
    amend(&mut accounts, 60, other);
    assert_eq!(accounts.overall().spent(), always.overall().spent());
    assert_eq!(accounts.spent("a"), always.spent("a"));
    amend(&mut accounts, 61, zcdp);
    assert_eq!(accounts.overall().spent(), before);
    assert_eq!(accounts.amendments().len(), 2);
    assert_eq!(*accounts.opened(), zcdp.into());
}

/// What was charged under one filter may be beyond all figures under another: then nothing more
/// is admitted, and the ledger still opens.
#[test]
fn a_history_beyond_all_limits_leaves_nothing() {
    let mut accounts = Accounts::new(limit(1e9, 1e-6).into());
    let loud = noise(4, Sensitivity::new(100_000).unwrap());
    charge(&mut accounts, "a", 0, loud).unwrap();
    let budget: Budget = renyi(limit(1e12, 1e-6), 1024).into();
    accounts.apply(1, Entry::Amended { budget, reason: "r".into() }).unwrap();
    assert_eq!(accounts.overall().spent().get(), f64::MAX);
    assert_eq!(accounts.overall().left().get(), 0.0);
    let quiet = noise(1 << 40, Sensitivity::new(1).unwrap());
    assert!(accounts.admit("a", &key(1), &quiet).is_err());
}

/// The case that a sum of rounded doubles refuses: 8 releases of 0.00005 and a budget of 0.0004.
#[test]
fn eight_equal_parts_fill_a_budget() {
    // The doubles' own values: 8 x 0.00005 is exactly 0.0004 in doubles, and no more.
    assert!(CostSum::covering(0.000_05).times(8) <= CostSum::within(0.000_4));
    let naive = (0..8).fold(0.0, |sum, _| crate::rounding::add_up(sum, 0.000_05));
    assert!(naive > 0.000_4, "rounding each addition up does not fill it: {naive:e}");
}

/// The limit itself may be reached, to the last unit of 2^-96, and not passed by one.
#[test]
fn a_limit_may_be_filled_but_not_passed() {
    let event = noise(6, Sensitivity::new(1).unwrap());
    for limit in [limit(1.0, 1e-6), renyi(limit(1.0, 1e-6), 40)] {
        let one = Prices::default().of(&event, limit.filter).unwrap();
        let account = |spent| Account { limit, room: one.sum.times(8), spent };
        let spent = one.sum.times(7);
        assert_eq!(account(spent).admits(one, "a", "x"), Ok(()));
        let unit = CostSum::covering(f64::MIN_POSITIVE);
        assert!(account(spent.plus(unit)).admits(one, "a", "x").is_err());
        assert!(account(one.sum.times(8)).admits(one, "a", "x").is_err());
    }
}

#[test]
fn an_overspend_names_the_filter_what_was_asked_and_what_is_left() {
    let one = std::num::NonZeroU64::MIN;
    let d = Sensitivity::new(1000).unwrap();
    for (limit, unit) in
        [(limit(1.0, 1e-6), "rho "), (renyi(limit(1.0, 1e-6), 40), "Renyi divergence ")]
    {
        let mut accounts = Accounts::new(limit.into());
        let s = limit.noise_for(2, d, one, Rate::ALL).unwrap().get();
        charge(&mut accounts, "a", 0, noise(s, d)).unwrap();
        let event = noise(s / 2, d);
        let before = accounts.overall().spent();
        let error = accounts.admit("a", &key(1), &event).unwrap_err();
        let says = error.to_string();
        assert!(says.contains(&format!("asks for {unit}")), "{says}");
        let Error::Overspend { study, scope, asked, left, asked_epsilon, left_epsilon, delta } =
            error
        else {
            panic!("{says}")
        };
        assert_eq!((study.as_str(), scope, delta), ("a", "the population's limit", 1e-6));
        assert_eq!(Some(asked), limit.filter.cost(&event));
        assert_eq!(left, accounts.overall().left());
        assert!(asked_epsilon > 1.0 && left_epsilon < 1.0 && left_epsilon > 0.0);
        assert_eq!(accounts.overall().spent(), before);
    }
}

proptest! {
    /// L2: whatever is asked for, in whatever order, no limit is ever passed by what was admitted;
    /// and the entries alone lead to the same sums.
    #[test]
    fn no_order_of_charges_passes_a_limit(
        orders in prop::array::uniform2(prop::option::of(2..=64u32)),
        asked in prop::collection::vec((0..3usize, 20..2000u64, 0.001..1.0f64, any::<bool>()), 1..60),
    ) {
        let by = |order: Option<u32>, limit| order.map_or(limit, |order| renyi(limit, order));
        let (overall, own) = (by(orders[0], limit(8.0, 1e-6)), by(orders[1], limit(6.0, 1e-5)));
        let per_study = BTreeMap::from([("b".to_owned(), own)]);
        let budget = Budget { overall, per_study, allow_exact: false };
        let mut accounts = Accounts::new(budget.clone());
        let mut entries = Vec::new();
        for (n, (study, s, q, everybody)) in (0..).zip(asked) {
            let study = ["a", "b", "c"][study];
            let event = noise(s, Sensitivity::new(100).unwrap());
            let event = if everybody { event } else { event.poisson(q).unwrap() };
            if accounts.admit(study, &key(n), &event).is_ok() {
                let entry = Entry::Charged { study: study.into(), key: key(n), event };
                accounts.apply(entries.len() as u64, entry.clone()).unwrap();
                entries.push((study, entry));
            }
        }
        // The sums anew, by doubles: what was admitted keeps each limit's epsilon.
        for (limit, of) in [(overall, None), (own, Some("b"))] {
            let cost = |entry: &Entry| match entry {
                Entry::Charged { event, .. } => limit.filter.cost(event).unwrap().get(),
                _ => 0.0,
            };
            let counted = entries.iter().filter(|(study, _)| of.is_none_or(|of| of == *study));
            let sum: f64 = counted.map(|(_, entry)| cost(entry)).sum();
            prop_assert!(sum <= limit.room().get() * (1.0 + 1e-12), "{limit:?}: {sum}");
        }
        let mut replayed = Accounts::new(budget);
        for (sequence, (_, entry)) in (0..).zip(&entries) {
            replayed.apply(sequence, entry.clone()).unwrap();
        }
        for study in ["a", "b", "c"] {
            prop_assert_eq!(accounts.spent(study), replayed.spent(study));
            prop_assert_eq!(accounts.share(study), replayed.share(study));
        }
        prop_assert_eq!(accounts.overall().left(), replayed.overall().left());
    }
}

/// N1: noise that the sampler does not draw or the public figure does not cover is no event.
#[test]
fn a_charge_below_the_least_scale_is_refused() {
    let mut accounts = Accounts::new(limit(1e6, 1e-6).into());
    let sensitivity = Sensitivity::new(1).unwrap();
    for s in [0, 1, 3, u64::MAX] {
        assert!(matches!(
            accounts.admit("a", &key(0), &noise(s, sensitivity)),
            Err(Error::NoiseScaleOutOfRange { .. })
        ));
    }
    let far = noise(4, Sensitivity::new(1 << 62).unwrap());
    assert!(matches!(accounts.admit("a", &key(0), &far), Err(Error::Overspend { .. })));
}

/// N1: noise that no sampler draws is refused, also where patients are sampled.
#[test]
fn noise_of_a_scale_that_is_not_drawn_is_refused_sampled_or_not() {
    let mut accounts = Accounts::new(limit(1.0, 1e-5).into());
    let (sensitivity, dimension) = (Sensitivity::new(1).unwrap(), std::num::NonZeroU64::MIN);
    for s in [3.0, 100.5] {
        let s = Sigma::new(s).unwrap();
        let whole = Event::DiscreteGaussian { s, sensitivity, dimension };
        let sampled = whole.clone().poisson(0.5).unwrap();
        for event in [whole, sampled] {
            let refused = accounts.admit("a", &key(0), &event);
            let scale = matches!(
                refused,
                Err(Error::NoiseScaleOutOfRange { .. } | Error::NotPositive { .. })
            );
            assert!(scale, "{event:?}: {refused:?}");
        }
    }
}
