//! The bytes of a ledger's entries: one canonical encoding, decoded strictly.
//!
//! ```text
//! entry    1 | population | budget              opened: the first entry, and only that
//!          2 | budget | reason                  amended
//!          3 | study | key [32] | event         charged
//! budget   limit | exact u8 | count u32 | (study | limit)*      studies ascending
//! limit    epsilon f64 | delta f64 | filter
//! filter   0                                               zCDP
//!          1 | order u32                                   Renyi divergence of that order
//! event    0                                               exact
//!          1 | s f64 | sensitivity u64 | dimension u64     discrete Gaussian
//!          2 | q f64 | event                               Poisson sampling
//!          3 | rho f64                                     any mechanism that is rho-zCDP
//!          4 | parties u32 | s f64 | sensitivity u64 | dimension u64
//!                                                          sum of discrete Gaussians
//! text     length u32 | UTF-8
//! ```
//!
//! Integers and the bits of doubles are little-endian. Equal entries have equal bytes: decoding
//! refuses what encoding does not produce (left-over bytes, unordered studies, a flag above 1, a
//! name or figure that its type refuses). The event is stored, not its cost, so that the history
//! can be charged anew by another accountant.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use super::budget::{Budget, Limit, MAX_NAME, checked_name};
use super::filter::Filter;
use crate::event::Event;
use crate::units::{Delta, Epsilon, Order, Rate, Rho, Sensitivity, Sigma};

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    Opened { population: String, budget: Budget },
    Amended { budget: Budget, reason: String },
    Charged { study: String, key: [u8; 32], event: Event },
}

const OPENED: u8 = 1;
const AMENDED: u8 = 2;
const CHARGED: u8 = 3;

const ZCDP: u8 = 0;
const RENYI: u8 = 1;

const EXACT: u8 = 0;
const DISCRETE_GAUSSIAN: u8 = 1;
const POISSON: u8 = 2;
const MECHANISM: u8 = 3;
const GAUSSIAN_SUM: u8 = 4;

impl Entry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut to = Vec::new();
        match self {
            Self::Opened { population, budget } => {
                to.push(OPENED);
                put_text(&mut to, population);
                put_budget(&mut to, budget);
            }
            Self::Amended { budget, reason } => {
                to.push(AMENDED);
                put_budget(&mut to, budget);
                put_text(&mut to, reason);
            }
            Self::Charged { study, key, event } => {
                to.push(CHARGED);
                put_text(&mut to, study);
                to.extend_from_slice(key);
                put_event(&mut to, event);
            }
        }
        to
    }

    /// The entry, or what is wrong with the bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut from = Decoder { left: bytes };
        let [kind] = from.take()?;
        let entry = match kind {
            OPENED => Self::Opened { population: from.name()?, budget: from.budget()? },
            AMENDED => Self::Amended { budget: from.budget()?, reason: from.name()? },
            CHARGED => {
                Self::Charged { study: from.name()?, key: from.take()?, event: from.event()? }
            }
            _ => return Err("its kind is unknown"),
        };
        if from.left.is_empty() { Ok(entry) } else { Err("bytes are left over") }
    }
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    // Names are checked to be short before they come here.
    to.extend_from_slice(&(text.len() as u32).to_le_bytes());
    to.extend_from_slice(text.as_bytes());
}

fn put_limit(to: &mut Vec<u8>, limit: &Limit) {
    to.extend_from_slice(&limit.epsilon.get().to_bits().to_le_bytes());
    to.extend_from_slice(&limit.delta.get().to_bits().to_le_bytes());
    match limit.filter {
        Filter::Zcdp => to.push(ZCDP),
        Filter::Renyi { order } => {
            to.push(RENYI);
            to.extend_from_slice(&order.get().to_le_bytes());
        }
    }
}

fn put_budget(to: &mut Vec<u8>, budget: &Budget) {
    put_limit(to, &budget.overall);
    to.push(u8::from(budget.allow_exact));
    to.extend_from_slice(&(budget.per_study.len() as u32).to_le_bytes());
    for (study, limit) in &budget.per_study {
        put_text(to, study);
        put_limit(to, limit);
    }
}

fn put_event(to: &mut Vec<u8>, event: &Event) {
    match event {
        Event::DiscreteGaussian { s, sensitivity, dimension } => {
            to.push(DISCRETE_GAUSSIAN);
            to.extend_from_slice(&s.get().to_bits().to_le_bytes());
            to.extend_from_slice(&sensitivity.get().to_le_bytes());
            to.extend_from_slice(&dimension.get().to_le_bytes());
        }
        Event::DiscreteGaussianSum { parties, s, sensitivity, dimension } => {
            to.push(GAUSSIAN_SUM);
            to.extend_from_slice(&parties.to_le_bytes());
            to.extend_from_slice(&s.get().to_bits().to_le_bytes());
            to.extend_from_slice(&sensitivity.get().to_le_bytes());
            to.extend_from_slice(&dimension.get().to_le_bytes());
        }
        Event::Poisson { q, event } => {
            to.push(POISSON);
            to.extend_from_slice(&q.get().to_bits().to_le_bytes());
            put_event(to, event);
        }
        Event::Zcdp { rho } => {
            to.push(MECHANISM);
            to.extend_from_slice(&rho.get().to_bits().to_le_bytes());
        }
        // No other event becomes a release; see `Release`.
        _ => to.push(EXACT),
    }
}

struct Decoder<'a> {
    left: &'a [u8],
}

impl Decoder<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.left.split_first_chunk().ok_or("it ends too early")?;
        self.left = rest;
        Ok(*taken)
    }

    fn u64(&mut self) -> Result<u64, &'static str> {
        self.take().map(u64::from_le_bytes)
    }

    fn f64(&mut self) -> Result<f64, &'static str> {
        self.u64().map(f64::from_bits)
    }

    fn name(&mut self) -> Result<String, &'static str> {
        let length = u32::from_le_bytes(self.take()?) as usize;
        if length > MAX_NAME {
            return Err("a name is too long");
        }
        let (text, rest) = self.left.split_at_checked(length).ok_or("it ends too early")?;
        self.left = rest;
        let text = std::str::from_utf8(text).map_err(|_| "a name is not UTF-8")?;
        checked_name("", text).map(str::to_owned).map_err(|_| "a name is not usable")
    }

    fn limit(&mut self) -> Result<Limit, &'static str> {
        Ok(Limit {
            epsilon: Epsilon::new(self.f64()?).map_err(|_| "an epsilon is not one")?,
            delta: Delta::new(self.f64()?).map_err(|_| "a delta is not one")?,
            filter: self.filter()?,
        })
    }

    fn filter(&mut self) -> Result<Filter, &'static str> {
        match self.take()? {
            [ZCDP] => Ok(Filter::Zcdp),
            [RENYI] => {
                let order = Order::new(u32::from_le_bytes(self.take()?));
                Ok(Filter::Renyi { order: order.map_err(|_| "an order is not one")? })
            }
            _ => Err("its filter is unknown"),
        }
    }

    fn budget(&mut self) -> Result<Budget, &'static str> {
        let overall = self.limit()?;
        let allow_exact = match self.take()? {
            [0] => false,
            [1] => true,
            _ => return Err("a flag is neither 0 nor 1"),
        };
        let count = u32::from_le_bytes(self.take()?);
        let mut per_study = BTreeMap::new();
        // Grows with the bytes that are there, not with the count that is claimed.
        for _ in 0..count {
            let study = self.name()?;
            if per_study.last_key_value().is_some_and(|(last, _)| *last >= study) {
                return Err("studies are not in order");
            }
            per_study.insert(study, self.limit()?);
        }
        Ok(Budget { overall, per_study, allow_exact })
    }

    fn event(&mut self) -> Result<Event, &'static str> {
        match self.take()? {
            [EXACT] => Ok(Event::Exact),
            [POISSON] => {
                let q = self.u64().map(f64::from_bits)?;
                let q = Rate::new(q).ok().filter(|kept| kept.get().to_bits() == q.to_bits());
                let q = q.ok_or("a sampling rate is not one")?;
                let [kind] = self.take()?;
                Ok(Event::Poisson { q, event: Box::new(self.noise(kind)?) })
            }
            [MECHANISM] => {
                let rho = self.f64()?;
                let kept = Rho::new(rho).ok().filter(|kept| kept.get().to_bits() == rho.to_bits());
                Ok(Event::Zcdp { rho: kept.ok_or("a rho is not one")? })
            }
            [kind] => self.noise(kind),
        }
    }

    fn noise(&mut self, kind: u8) -> Result<Event, &'static str> {
        let parties = match kind {
            DISCRETE_GAUSSIAN => 1,
            GAUSSIAN_SUM => u32::from_le_bytes(self.take()?),
            _ => return Err("its event is unknown"),
        };
        let s = Sigma::new(self.f64()?).map_err(|_| "a scale is not one")?;
        let sensitivity = Sensitivity::new(self.u64()?).map_err(|_| "a sensitivity is not one")?;
        let dimension = NonZeroU64::new(self.u64()?).ok_or("a vector has no coordinate")?;
        match (kind, parties) {
            (DISCRETE_GAUSSIAN, _) => Ok(Event::DiscreteGaussian { s, sensitivity, dimension }),
            // One party's noise has one encoding.
            (_, 0 | 1) => Err("a sum of noise has fewer than two parts"),
            _ => Ok(Event::DiscreteGaussianSum { parties, s, sensitivity, dimension }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::NoiseScale;
    use proptest::prelude::*;

    fn limit() -> impl Strategy<Value = Limit> {
        let filter = prop_oneof![
            Just(Filter::Zcdp),
            (2..=1024u32).prop_map(|order| Filter::Renyi { order: Order::new(order).unwrap() }),
        ];
        (1e-6..100.0f64, 1e-12..0.1f64, filter).prop_map(|(epsilon, delta, filter)| Limit {
            epsilon: Epsilon::new(epsilon).unwrap(),
            delta: Delta::new(delta).unwrap(),
            filter,
        })
    }

    fn budget() -> impl Strategy<Value = Budget> {
        (limit(), prop::collection::btree_map("[a-z]{1,8}", limit(), 0..4), any::<bool>()).prop_map(
            |(overall, per_study, allow_exact)| Budget { overall, per_study, allow_exact },
        )
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let name = "[A-Za-z][A-Za-z0-9 ]{0,20}[a-z]";
        let noise = (1u32..4, 1e-3..1e9f64, 1..=Sensitivity::MAX, any::<NonZeroU64>()).prop_map(
            |(parties, s, d, dimension)| {
                let (s, sensitivity) = (Sigma::new(s).unwrap(), Sensitivity::new(d).unwrap());
                match parties {
                    1 => Event::DiscreteGaussian { s, sensitivity, dimension },
                    _ => Event::DiscreteGaussianSum { parties, s, sensitivity, dimension },
                }
            },
        );
        let sampled = (noise.clone(), 0.0..=1.0f64).prop_map(|(e, q)| e.poisson(q).unwrap());
        let other = (0.0..1e6f64).prop_map(|rho| Event::Zcdp { rho: Rho::new(rho).unwrap() });
        let event = prop_oneof![Just(Event::Exact), noise, sampled, other];
        prop_oneof![
            (name, budget()).prop_map(|(population, budget)| Entry::Opened { population, budget }),
            (budget(), name).prop_map(|(budget, reason)| Entry::Amended { budget, reason }),
            (name, any::<[u8; 32]>(), event).prop_map(|(study, key, event)| Entry::Charged {
                study,
                key,
                event
            }),
        ]
    }

    proptest! {
        #[test]
        fn every_entry_comes_back_as_it_went(entry in entry()) {
            prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }

        #[test]
        fn whatever_decodes_is_canonical(entry in entry(), at: prop::sample::Index, flip in 1u8..) {
            let mut bytes = entry.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(other) = Entry::decode(&bytes) {
                prop_assert_eq!(other.encode(), bytes);
            }
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Entry::decode(&bytes);
        }

        #[test]
        fn a_cut_or_lengthened_entry_is_refused(entry in entry(), at: prop::sample::Index) {
            let mut bytes = entry.encode();
            prop_assert!(Entry::decode(&bytes[..at.index(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert_eq!(Entry::decode(&bytes), Err("bytes are left over"));
        }
    }

    fn one_limit() -> Limit {
        Limit::zcdp(Epsilon::new(1.0).unwrap(), Delta::new(1e-6).unwrap())
    }

    #[test]
    fn a_claimed_count_allocates_nothing() {
        let limit = one_limit();
        let mut bytes = Entry::Amended { budget: limit.into(), reason: "r".into() }.encode();
        let count_at = 1 + 17 + 1;
        bytes[count_at..count_at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Entry::decode(&bytes), Err("it ends too early"));
    }

    #[test]
    fn studies_that_repeat_or_are_unordered_are_refused() {
        let limit = one_limit();
        let per_study = BTreeMap::from([("a".to_owned(), limit), ("b".to_owned(), limit)]);
        let budget = Budget { overall: limit, per_study, allow_exact: false };
        let bytes = Entry::Amended { budget, reason: "r".into() }.encode();
        // Kind, limit, flag, count; then names of one byte, each before a limit.
        let (first, second) = (1 + 17 + 1 + 4 + 4, 1 + 17 + 1 + 4 + 4 + 1 + 17 + 4);
        assert_eq!((bytes[first], bytes[second]), (b'a', b'b'));
        for (one, two) in [(b'b', b'b'), (b'b', b'a')] {
            let mut changed = bytes.clone();
            (changed[first], changed[second]) = (one, two);
            assert_eq!(Entry::decode(&changed), Err("studies are not in order"));
        }
    }

    /// The encoding is on disks: a change of it is a change of the format's version.
    #[test]
    fn the_encoding_of_a_charge_is_as_it_was() {
        let (s, sensitivity) = (NoiseScale::new(258).unwrap(), Sensitivity::new(3).unwrap());
        let event = Event::discrete_gaussian(s, sensitivity, NonZeroU64::new(5).unwrap())
            .poisson(0.5)
            .unwrap();
        let bytes = Entry::Charged { study: "mds".into(), key: [9; 32], event }.encode();
        let mut expected = vec![3, 3, 0, 0, 0, b'm', b'd', b's'];
        expected.extend([9; 32]);
        // q = 0.5, s = 258, D = 3, five coordinates.
        expected.extend([2, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 1, 0, 0, 0, 0, 0, 0x20, 0x70, 0x40]);
        expected.extend([3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes, expected);
    }

    /// So is that of a budget, whose filters are part of it.
    #[test]
    fn the_encoding_of_a_budget_is_as_it_was() {
        let (epsilon, delta) = (Epsilon::new(1.0).unwrap(), Delta::new(0.5).unwrap());
        let own = Limit::renyi(epsilon, delta, Order::new(258).unwrap());
        let budget = Budget {
            overall: Limit::zcdp(epsilon, delta),
            per_study: BTreeMap::from([("a".to_owned(), own)]),
            allow_exact: true,
        };
        let bytes = Entry::Opened { population: "p".into(), budget }.encode();
        let figures = [0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f];
        let mut expected = vec![1, 1, 0, 0, 0, b'p'];
        expected.extend(figures);
        // zCDP; exact releases; one study.
        expected.extend([0, 1, 1, 0, 0, 0, 1, 0, 0, 0, b'a']);
        expected.extend(figures);
        // Renyi, order 258.
        expected.extend([1, 2, 1, 0, 0]);
        assert_eq!(bytes, expected);
        let filter_at = expected.len() - 5;
        for (changed, what) in [
            ([2, 2, 1, 0, 0], "its filter is unknown"),
            ([1, 1, 0, 0, 0], "an order is not one"),
            ([1, 1, 4, 0, 0], "an order is not one"),
        ] {
            expected[filter_at..].copy_from_slice(&changed);
            assert_eq!(Entry::decode(&expected), Err(what));
        }
    }

    /// One party's noise has one encoding, and a name its longest length.
    #[test]
    fn what_has_another_encoding_or_no_end_is_refused() {
        let charged = |study: String, event| Entry::Charged { study, key: [9; 32], event }.encode();
        let (s, sensitivity) = (Sigma::new(258.0).unwrap(), Sensitivity::new(3).unwrap());
        let dimension = NonZeroU64::MIN;
        let sum = |parties| Event::DiscreteGaussianSum { parties, s, sensitivity, dimension };
        for parties in [0, 1] {
            let refused = Entry::decode(&charged("mds".into(), sum(parties)));
            assert_eq!(refused, Err("a sum of noise has fewer than two parts"));
        }
        assert!(Entry::decode(&charged("mds".into(), sum(2))).is_ok());
        assert!(Entry::decode(&charged("a".repeat(MAX_NAME), sum(2))).is_ok());
        for length in [MAX_NAME + 1, MAX_NAME + 2] {
            let refused = Entry::decode(&charged("a".repeat(length), sum(2)));
            assert_eq!(refused, Err("a name is too long"));
        }
    }
}
