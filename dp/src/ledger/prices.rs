//! What events cost in a ledger's units, remembered for the few that repeat.
//!
//! A study charges the same event thousands of times, and the divergence of a sampled one takes a
//! thousand logarithms.

use super::filter::{Cost, Filter};
use crate::cost_sum::CostSum;
use crate::event::Event;

/// The most events that are remembered; the oldest one goes first.
const MOST: usize = 32;

/// What one event costs under one filter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Price {
    pub(super) cost: Cost,
    /// The same, rounded up to the units of the sums.
    pub(super) sum: CostSum,
}

#[derive(Debug, Default)]
pub(super) struct Prices {
    known: Vec<(Event, Filter, Price)>,
    oldest: usize,
}

impl Prices {
    /// `None` for what the filter has no figure for.
    pub(super) fn of(&mut self, event: &Event, filter: Filter) -> Option<Price> {
        let same = |(known, by, _): &&(Event, Filter, Price)| *by == filter && known == event;
        if let Some((_, _, price)) = self.known.iter().find(same) {
            return Some(*price);
        }
        let cost = filter.cost(event)?;
        let price = Price { cost, sum: CostSum::covering(cost.get()) };
        let entry = (event.clone(), filter, price);
        match self.known.get_mut(self.oldest) {
            Some(place) => *place = entry,
            None => self.known.push(entry),
        }
        self.oldest = (self.oldest + 1) % MOST;
        Some(price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::NoiseScale;
    use crate::units::{Order, Sensitivity};
    use std::num::NonZeroU64;

    /// However many events come by, each has its own price, and few are kept.
    #[test]
    fn every_event_has_its_own_price() {
        let mut prices = Prices::default();
        let filters = [Filter::Zcdp, Filter::Renyi { order: Order::new(4).unwrap() }];
        for round in 0..3 {
            for s in 4..104 {
                let (s, d) = (NoiseScale::new(s).unwrap(), Sensitivity::new(1).unwrap());
                let event = Event::discrete_gaussian(s, d, NonZeroU64::MIN).poisson(0.1).unwrap();
                for filter in filters {
                    for _ in 0..2 {
                        let price = prices.of(&event, filter).unwrap();
                        assert_eq!(Some(price.cost), filter.cost(&event), "{round}");
                    }
                }
            }
        }
        assert_eq!(prices.known.len(), MOST);
        assert_eq!(prices.of(&Event::Exact, Filter::Zcdp), None);
    }
}
