//! The sums behind a ledger, in memory: what was charged, and whether another charge fits.
//!
//! No file and no clock: [`Accounts::admit`] decides, [`Accounts::apply`] records what is on disk.
//! Replaying the entries of a journal gives the state that the ledger had. Sums follow from the
//! events that were charged, so a budget with another filter charges the whole history anew.

use std::collections::BTreeMap;

use super::budget::{Budget, Limit};
use super::entry::Entry;
use super::filter::{Cost, Filter};
use super::prices::{Price, Prices};
use crate::cost_sum::CostSum;
use crate::event::Event;
use crate::noise::NoiseScale;
use crate::{Error, Result};

/// A limit and what counts against it, in its filter's unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    limit: Limit,
    room: CostSum,
    spent: CostSum,
}

impl Account {
    fn new(limit: Limit) -> Self {
        Self { limit, room: limit.room_sum(), spent: CostSum::ZERO }
    }

    pub(super) fn limit(&self) -> &Limit {
        &self.limit
    }

    fn filter(&self) -> Filter {
        self.limit.filter
    }

    /// Rounded up.
    pub(super) fn spent(&self) -> Cost {
        Cost::spent(self.filter(), self.spent)
    }

    /// Rounded down.
    pub(super) fn left(&self) -> Cost {
        Cost::left(self.filter(), self.room.left_after(self.spent))
    }

    fn take(&mut self, event: &Event, prices: &mut Prices) {
        if let Some(price) = prices.of(event, self.filter()) {
            self.spent = self.spent.plus(price.sum);
        }
    }

    fn admits(&self, asked: Price, study: &str, scope: &'static str) -> Result<()> {
        if self.spent.plus(asked.sum) <= self.room {
            return Ok(());
        }
        let (left, delta) = (self.left(), self.limit.delta);
        Err(Error::Overspend {
            study: study.to_owned(),
            scope,
            asked: asked.cost,
            left,
            asked_epsilon: asked.cost.epsilon(delta).get(),
            left_epsilon: if left.get() > 0.0 { left.epsilon(delta).get() } else { 0.0 },
            delta: delta.get(),
        })
    }
}

/// What a study has used: against the population's limit, and releases without a figure.
#[derive(Debug, Clone, Copy)]
struct Used {
    spent: CostSum,
    exact: u64,
}

impl Used {
    const NOTHING: Self = Self { spent: CostSum::ZERO, exact: 0 };
}

/// A charge that is on disk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Charge {
    pub(super) sequence: u64,
    pub(super) study: String,
    pub(super) key: [u8; 32],
    pub(super) event: Event,
}

/// A change of the budget that is on disk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Amendment {
    pub(super) sequence: u64,
    pub(super) budget: Budget,
    pub(super) reason: String,
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
    opened: Budget,
    budget: Budget,
    overall: Account,
    own: BTreeMap<String, Account>,
    studies: BTreeMap<String, Used>,
    charges: Vec<Charge>,
    places: BTreeMap<[u8; 32], usize>,
    amendments: Vec<Amendment>,
    prices: Prices,
}

impl Accounts {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            opened: budget.clone(),
            overall: Account::new(budget.overall),
            own: own_accounts(&budget),
            budget,
            studies: BTreeMap::new(),
            charges: Vec::new(),
            places: BTreeMap::new(),
            amendments: Vec::new(),
            prices: Prices::default(),
        }
    }

    /// The budget in force.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The budget that the ledger was opened with.
    pub(super) fn opened(&self) -> &Budget {
        &self.opened
    }

    /// The account of all studies together.
    pub(super) fn overall(&self) -> &Account {
        &self.overall
    }

    /// The account of a study that has a limit of its own.
    pub(super) fn own(&self, study: &str) -> Option<&Account> {
        self.own.get(study)
    }

    /// What one study has spent: under its own limit's filter if it has one, else the population's.
    pub(super) fn spent(&self, study: &str) -> Cost {
        self.own(study).map_or_else(|| self.share(study), Account::spent)
    }

    /// What one study has spent of the population's limit.
    pub(super) fn share(&self, study: &str) -> Cost {
        Cost::spent(self.overall.filter(), self.used(study).spent)
    }

    pub(super) fn exact(&self, study: &str) -> u64 {
        self.used(study).exact
    }

    fn used(&self, study: &str) -> Used {
        self.studies.get(study).copied().unwrap_or(Used::NOTHING)
    }

    pub(super) fn studies(&self) -> impl Iterator<Item = &str> {
        self.studies.keys().map(String::as_str)
    }

    pub(super) fn contains(&self, key: &[u8; 32]) -> bool {
        self.places.contains_key(key)
    }

    pub(super) fn charges(&self) -> &[Charge] {
        &self.charges
    }

    pub(super) fn amendments(&self) -> &[Amendment] {
        &self.amendments
    }

    /// What an event costs under the population's filter; `None` for an exact release.
    pub(super) fn cost(&mut self, event: &Event) -> Option<Cost> {
        self.prices.of(event, self.overall.filter()).map(|price| price.cost)
    }

    /// Whether the charge may be written. Changes nothing that counts.
    pub(super) fn admit(
        &mut self,
        study: &str,
        key: &[u8; 32],
        event: &Event,
    ) -> Result<Admission> {
        if let Some(earlier) = self.places.get(key).and_then(|&place| self.charges.get(place)) {
            return if earlier.study == study && earlier.event == *event {
                Ok(Admission::Repeated(earlier.sequence))
            } else {
                Err(Error::KeyReused { key: hex(key), sequence: earlier.sequence })
            };
        }
        check_scale(event)?;
        let limits = [
            (self.own.get(study), "the study's limit"),
            (Some(&self.overall), "the population's limit"),
        ];
        for (account, scope) in limits {
            let Some(account) = account else { continue };
            match self.prices.of(event, account.filter()) {
                Some(price) => account.admits(price, study, scope)?,
                None if self.budget.allow_exact && *event == Event::Exact => {}
                None => return Err(Error::ExactNotAllowed { study: study.to_owned() }),
            }
        }
        Ok(Admission::New)
    }

    /// Takes up an entry that is on disk as record `sequence`: past limits too, since it happened.
    pub(super) fn apply(&mut self, sequence: u64, entry: Entry) -> Result<(), &'static str> {
        match entry {
            Entry::Opened { .. } => Err("the ledger is opened a second time"),
            Entry::Amended { budget, reason } => {
                self.amendments.push(Amendment { sequence, budget: budget.clone(), reason });
                self.put_in_force(budget);
                Ok(())
            }
            Entry::Charged { study, key, event } => {
                if self.contains(&key) {
                    return Err("a round is charged a second time");
                }
                self.count(&study, &event);
                self.places.insert(key, self.charges.len());
                self.charges.push(Charge { sequence, study, key, event });
                Ok(())
            }
        }
    }

    /// Charges all that happened anew: what it cost depends on the filters.
    fn put_in_force(&mut self, budget: Budget) {
        self.overall = Account::new(budget.overall);
        self.own = own_accounts(&budget);
        self.budget = budget;
        self.studies.clear();
        let charges = std::mem::take(&mut self.charges);
        charges.iter().for_each(|charge| self.count(&charge.study, &charge.event));
        self.charges = charges;
    }

    fn count(&mut self, study: &str, event: &Event) {
        self.overall.take(event, &mut self.prices);
        if let Some(own) = self.own.get_mut(study) {
            own.take(event, &mut self.prices);
        }
        let mut used = self.used(study);
        match self.prices.of(event, self.overall.filter()) {
            Some(price) => used.spent = used.spent.plus(price.sum),
            None => used.exact += 1,
        }
        self.studies.insert(study.to_owned(), used);
    }
}

fn own_accounts(budget: &Budget) -> BTreeMap<String, Account> {
    budget.per_study.iter().map(|(study, &limit)| (study.clone(), Account::new(limit))).collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// N1: noise that the sampler does not draw is no event.
fn check_scale(event: &Event) -> Result<()> {
    match event {
        Event::DiscreteGaussian { s, .. } | Event::DiscreteGaussianSum { s, .. } => {
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

#[cfg(test)]
mod tests;
