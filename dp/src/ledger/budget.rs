//! Limits: what a policy allows one population, and one study within it.
//!
//! A limit is stated as (epsilon, delta) and enforced by a filter (see `filter.rs`) as the largest
//! cost that implies it. Each limit is a filter with room of its own (rule L2).

use std::collections::BTreeMap;

use super::filter::{Cost, Filter};
use crate::cost_sum::CostSum;
use crate::rounding::largest_fitting;
use crate::units::{Delta, Epsilon, Order};
use crate::zcdp::rho_for;
use crate::{Error, Result};

/// The most that releases may cost together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Privacy loss, in nats.
    pub epsilon: Epsilon,
    /// At this probability of failure.
    pub delta: Delta,
    /// How releases add up. Fixed before the first one.
    pub filter: Filter,
}

impl Limit {
    /// A limit that zCDP enforces.
    pub fn zcdp(epsilon: Epsilon, delta: Delta) -> Self {
        Self { epsilon, delta, filter: Filter::Zcdp }
    }

    /// A limit that the Renyi divergence of one order enforces. [`Limit::with_best_order`] finds the
    /// order for a plan.
    pub fn renyi(epsilon: Epsilon, delta: Delta, order: Order) -> Self {
        Self { epsilon, delta, filter: Filter::Renyi { order } }
    }

    /// The most that releases may cost together under the filter, rounded down: its epsilon at the
    /// limit's delta is at most the limit's.
    pub fn room(&self) -> Cost {
        let (epsilon, delta) = (self.epsilon, self.delta);
        let value = match self.filter {
            Filter::Zcdp => rho_for(epsilon, delta).get(),
            Filter::Renyi { .. } => {
                largest_fitting(|cost| Cost::room(self.filter, cost).epsilon(delta) <= epsilon)
            }
        };
        Cost::room(self.filter, value)
    }

    pub(super) fn room_sum(&self) -> CostSum {
        CostSum::within(self.room().get())
    }
}

/// What a site's policy allows one population.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// For all studies together.
    pub overall: Limit,
    /// For single studies, within the overall limit; a study without an entry has that one only.
    pub per_study: BTreeMap<String, Limit>,
    /// Whether releases without noise are admitted at all (rule X1). They are counted, not summed.
    pub allow_exact: bool,
}

impl From<Limit> for Budget {
    /// One overall limit, none for single studies, no exact releases.
    fn from(overall: Limit) -> Self {
        Self { overall, per_study: BTreeMap::new(), allow_exact: false }
    }
}

impl Budget {
    pub(super) fn checked(self) -> Result<Self> {
        for study in self.per_study.keys() {
            checked_name("study", study)?;
        }
        Ok(self)
    }
}

/// The longest name of a population or study, in bytes.
pub(super) const MAX_NAME: usize = 200;

/// Refuses names that an operator could mistake for one another: budgets hang on them.
pub(super) fn checked_name<'a>(what: &'static str, name: &'a str) -> Result<&'a str> {
    let usable = (1..=MAX_NAME).contains(&name.len())
        && name.trim() == name
        && !name.chars().any(char::is_control);
    if usable { Ok(name) } else { Err(Error::BadName { what, name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L2: the room at an order is all that the conversion at that order allows, and no more.
    #[test]
    fn the_room_of_a_limit_is_the_most_that_keeps_it() {
        let mut without_room = 0;
        for epsilon in [1e-3, 0.1, 1.0, 3.0, 50.0] {
            for delta in [1e-200, 1e-9, 1e-5, 0.1] {
                let (epsilon, delta) = (Epsilon::new(epsilon).unwrap(), Delta::new(delta).unwrap());
                for order in [2, 3, 17, 128, 1024] {
                    let limit = Limit::renyi(epsilon, delta, Order::new(order).unwrap());
                    let room = limit.room();
                    if room.get() == 0.0 {
                        // Delta alone asks for more epsilon than the limit has.
                        without_room += 1;
                        continue;
                    }
                    assert!(room.epsilon(delta) <= epsilon, "{limit:?}");
                    let more = Cost::room(limit.filter, room.get().next_up());
                    assert!(more.epsilon(delta) > epsilon, "{limit:?}");
                    // Prop. 12, solved for the divergence.
                    let (a, t) = (f64::from(order), f64::from(order) - 1.0);
                    let solved = epsilon.get() - libm::log1p(-1.0 / a)
                        + (libm::log(delta.get()) + libm::log(a)) / t;
                    let variation = -libm::log1p(-delta.get() * delta.get());
                    let expected = solved.max(variation);
                    assert!((room.get() / expected - 1.0).abs() < 1e-9, "{limit:?} {room}");
                }
                let zcdp = Limit::zcdp(epsilon, delta);
                assert_eq!(zcdp.room().rho(), Some(rho_for(epsilon, delta)));
            }
        }
        assert!((1..40).contains(&without_room), "{without_room}");
    }

    #[test]
    fn names_that_look_like_another_are_refused() {
        assert!(checked_name("study", "MDS-2026 überleben").is_ok());
        for bad in ["", " a", "a ", "a\u{a0}", "a\nb", "\u{7f}", &"x".repeat(201)] {
            assert_eq!(
                checked_name("study", bad),
                Err(Error::BadName { what: "study", name: bad.to_owned() })
            );
        }
    }
}
