//! The sums behind a ledger, in memory: what was charged, and whether another charge fits.
//!
//! No file and no clock: [`Accounts::admit`] decides, [`Accounts::apply`] records what is on disk.
//! Replaying the entries of a journal gives the state that the ledger had.

use std::collections::BTreeMap;

use super::budget::{Budget, Limit};
use super::entry::Entry;
use crate::event::Event;
use crate::noise::NoiseScale;
use crate::rho_sum::RhoSum;
use crate::units::Rho;
use crate::zcdp::epsilon;
use crate::{Error, Result};

/// What a limit holds, with its rho computed once.
#[derive(Debug, Clone, Copy)]
struct Filter {
    limit: Limit,
    room: RhoSum,
}

impl From<Limit> for Filter {
    fn from(limit: Limit) -> Self {
        Self { limit, room: limit.room() }
    }
}

/// What a study has used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub(super) spent: RhoSum,
    pub(super) exact: u64,
}

impl Used {
    const NOTHING: Self = Self { spent: RhoSum::ZERO, exact: 0 };
}

/// A charge that is on disk.
#[derive(Debug, Clone, PartialEq)]
struct Charge {
    sequence: u64,
    study: String,
    event: Event,
}

/// What [`Accounts::admit`] decided.
#[derive(Debug, PartialEq)]
pub(super) enum Admission {
    /// It fits, and is to be written.
    New,
    /// It is on disk already, as this entry.
    Repeated(u64),
}

#[derive(Debug)]
pub(super) struct Accounts {
    budget: Budget,
    overall: Filter,
    per_study: BTreeMap<String, Filter>,
    total: RhoSum,
    studies: BTreeMap<String, Used>,
    charges: BTreeMap<[u8; 32], Charge>,
}

impl Accounts {
    pub(super) fn new(budget: Budget) -> Self {
        let mut accounts = Self {
            overall: budget.overall.into(),
            per_study: BTreeMap::new(),
            budget,
            total: RhoSum::ZERO,
            studies: BTreeMap::new(),
            charges: BTreeMap::new(),
        };
        accounts.set_filters();
        accounts
    }

    fn set_filters(&mut self) {
        self.overall = self.budget.overall.into();
        self.per_study =
            self.budget.per_study.iter().map(|(study, &l)| (study.clone(), l.into())).collect();
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(super) fn total(&self) -> RhoSum {
        self.total
    }

    /// What is left for all studies together.
    pub(super) fn left(&self) -> RhoSum {
        self.overall.room.left_after(self.total)
    }

    /// What is left for one study, under both limits.
    pub(super) fn left_for(&self, study: &str) -> RhoSum {
        match self.per_study.get(study) {
            Some(own) => own.room.left_after(self.used(study).spent).min(self.left()),
            None => self.left(),
        }
    }

    pub(super) fn used(&self, study: &str) -> Used {
        self.studies.get(study).copied().unwrap_or(Used::NOTHING)
    }

    pub(super) fn studies(&self) -> impl Iterator<Item = &str> {
        self.studies.keys().map(String::as_str)
    }

    pub(super) fn contains(&self, key: &[u8; 32]) -> bool {
        self.charges.contains_key(key)
    }

    /// Whether the charge may be written. Changes nothing.
    pub(super) fn admit(&self, study: &str, key: &[u8; 32], event: &Event) -> Result<Admission> {
        if let Some(earlier) = self.charges.get(key) {
            return if earlier.study == study && earlier.event == *event {
                Ok(Admission::Repeated(earlier.sequence))
            } else {
                let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
                Err(Error::KeyReused { key, sequence: earlier.sequence })
            };
        }
        match event {
            Event::Exact if self.budget.allow_exact => Ok(Admission::New),
            Event::Exact => Err(Error::ExactNotAllowed { study: study.to_owned() }),
            _ => {
                check_scale(event)?;
                let asked = event.rho().unwrap_or(Rho::MAX);
                let own = self.per_study.get(study);
                if let Some(own) = own {
                    let spent = self.used(study).spent;
                    own.admits(spent, asked, study, "the study's limit")?;
                }
                self.overall.admits(self.total, asked, study, "the population's limit")?;
                Ok(Admission::New)
            }
        }
    }

    /// Takes up an entry that is on disk as record `sequence`: past limits too, since it happened.
    pub(super) fn apply(&mut self, sequence: u64, entry: Entry) -> Result<(), &'static str> {
        match entry {
            Entry::Opened { .. } => Err("the ledger is opened a second time"),
            Entry::Amended { budget, .. } => {
                self.budget = budget;
                self.set_filters();
                Ok(())
            }
            Entry::Charged { study, key, event } => {
                if self.charges.contains_key(&key) {
                    return Err("a round is charged a second time");
                }
                let mut used = self.used(&study);
                if let Some(rho) = event.rho() {
                    let cost = RhoSum::covering(rho).ok_or("a charge is beyond all limits")?;
                    let beyond = "the charges are beyond all limits";
                    self.total = self.total.plus(cost).ok_or(beyond)?;
                    used.spent = used.spent.plus(cost).ok_or(beyond)?;
                } else {
                    used.exact += 1;
                }
                self.studies.insert(study.clone(), used);
                self.charges.insert(key, Charge { sequence, study, event });
                Ok(())
            }
        }
    }
}

/// N1: noise that the sampler does not draw is no event.
fn check_scale(event: &Event) -> Result<()> {
    match event {
        Event::DiscreteGaussian { s, .. } => {
            let steps = s.get();
            let scale = NoiseScale::new(steps as u64)?;
            if scale.as_sigma() == *s {
                Ok(())
            } else {
                Err(Error::NotPositive { what: "a fraction of a scale", value: steps })
            }
        }
        Event::Poisson { event, .. } => check_scale(event),
        _ => Ok(()),
    }
}

impl Filter {
    fn admits(&self, spent: RhoSum, asked: Rho, study: &str, scope: &'static str) -> Result<()> {
        let after = RhoSum::covering(asked).and_then(|cost| spent.plus(cost));
        if after.is_some_and(|after| after <= self.room) {
            return Ok(());
        }
        let left = self.room.left_after(spent);
        let alone = |rho: Rho| epsilon(rho, self.limit.delta).get();
        Err(Error::Overspend {
            study: study.to_owned(),
            scope,
            asked_rho: asked.get(),
            left_rho: left.rounded_down().get(),
            asked_epsilon: alone(asked),
            left_epsilon: if left == RhoSum::ZERO { 0.0 } else { alone(left.rounded_down()) },
            delta: self.limit.delta.get(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Delta, Epsilon, Sensitivity, Sigma};
    use crate::zcdp::calibrate;

    fn limit(epsilon: f64, delta: f64) -> Limit {
        Limit { epsilon: Epsilon::new(epsilon).unwrap(), delta: Delta::new(delta).unwrap() }
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
                        let s = calibrate(limit.rho(), rounds, sensitivity).unwrap();
                        let event = noise(s, sensitivity);
                        let mut accounts = Accounts::new(limit.into());
                        for n in 0..rounds {
                            let study = if n % 3 == 0 { "a" } else { "b" };
                            charge(&mut accounts, study, n, event.clone()).unwrap();
                        }
                        let spent = accounts.total().rounded_up();
                        assert!(spent <= limit.rho());
                        assert!(crate::zcdp::epsilon(spent, limit.delta) <= limit.epsilon);
                        let next = accounts.admit("a", &key(rounds), &event);
                        at_the_limit += u32::from(next.is_err());
                        // A step less of noise would not have fitted.
                        let louder = noise(s - 1, sensitivity);
                        let one = RhoSum::covering(louder.rho().unwrap()).unwrap();
                        assert!(
                            s == NoiseScale::LEAST || one.times(rounds).unwrap() > limit.room()
                        );
                    }
                }
            }
        }
        assert!(at_the_limit > 800, "{at_the_limit} of 1200 plans leave no room for one more");
    }

    /// The case that a sum of rounded doubles refuses: 8 releases of 0.00005 and a budget of 0.0004.
    #[test]
    fn eight_equal_parts_fill_a_budget() {
        let part = RhoSum::covering(Rho::new(0.000_05).unwrap()).unwrap();
        // The doubles' own values: 8 x 0.00005 is exactly 0.0004 in doubles, and no more.
        assert!(part.times(8).unwrap() <= RhoSum::within(Rho::new(0.000_4).unwrap()));
        let naive = (0..8).fold(0.0, |sum, _| crate::rounding::add_up(sum, 0.000_05));
        assert!(naive > 0.000_4, "rounding each addition up does not fill it: {naive:e}");
    }

    /// The limit itself may be reached, to the last unit of 2^-96, and not passed by one.
    #[test]
    fn a_limit_may_be_filled_but_not_passed() {
        let one = Rho::new(1.0 / 72.0).unwrap();
        let cost = RhoSum::covering(one).unwrap();
        let filter = Filter { limit: limit(1.0, 1e-6), room: cost.times(8).unwrap() };
        let spent = cost.times(7).unwrap();
        assert_eq!(filter.admits(spent, one, "a", "x"), Ok(()));
        let unit = RhoSum::covering(Rho::new(f64::MIN_POSITIVE).unwrap()).unwrap();
        assert!(filter.admits(spent.plus(unit).unwrap(), one, "a", "x").is_err());
        assert!(filter.admits(cost.times(8).unwrap(), one, "a", "x").is_err());
    }

    #[test]
    fn an_overspend_names_what_was_asked_and_what_is_left() {
        let sensitivity = Sensitivity::new(1000).unwrap();
        let mut accounts = Accounts::new(limit(1.0, 1e-6).into());
        let s = calibrate(accounts.left().rounded_down(), 2, sensitivity).unwrap();
        charge(&mut accounts, "a", 0, noise(s, sensitivity)).unwrap();
        let asked = noise(s / 2, sensitivity);
        let before = accounts.total();
        let Err(Error::Overspend {
            study,
            scope,
            asked_rho,
            left_rho,
            asked_epsilon,
            left_epsilon,
            delta,
        }) = accounts.admit("a", &key(1), &asked)
        else {
            panic!("an overspend was admitted");
        };
        assert_eq!((study.as_str(), scope, delta), ("a", "the population's limit", 1e-6));
        assert_eq!(asked_rho, asked.rho().unwrap().get());
        assert_eq!(left_rho, accounts.left().rounded_down().get());
        assert!(asked_epsilon > 1.0 && left_epsilon < 1.0 && left_epsilon > 0.0);
        assert_eq!(accounts.total(), before);
    }

    /// N1: noise that the sampler does not draw or the public figure does not cover is no event.
    #[test]
    fn a_charge_below_the_least_scale_is_refused() {
        let accounts = Accounts::new(limit(1e6, 1e-6).into());
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
}
