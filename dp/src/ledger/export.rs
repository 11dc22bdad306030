//! A ledger in words, for the patients' representatives, auditors and operators who read it.
//!
//! A function of the entries alone: the same ledger gives the same text on every machine. Costs are
//! those of the filters in force now. Of a round it shows the digest's beginning, of a patient
//! nothing: a ledger knows none.

use std::fmt;
use std::path::Path;

use super::accounts::{Account, Accounts, hex};
use super::budget::{Budget, Limit, checked_name};
use super::filter::{Cost, Filter};
use super::prices::Prices;
use super::{JOURNAL_LABEL, Ledger, replay};
use crate::Result;
use crate::event::Event;
use crate::journal::Journal;
use crate::units::Adjacency;

/// The ledger of `population` at `path` in words, every record checked, without opening it for
/// writing: whoever holds it goes on.
///
/// # Errors
/// [`crate::Error::WrongPopulation`], [`crate::Error::BadEntry`], [`crate::Error::BadName`], and what
/// [`Journal::verify`] refuses.
pub fn export(path: impl AsRef<Path>, population: &str) -> Result<String> {
    let path = path.as_ref();
    checked_name("population", population)?;
    let (verified, entries) = Journal::snapshot(path, JOURNAL_LABEL)?;
    let accounts = replay(path, &entries, population)?;
    let statement = Statement {
        population,
        accounts: &accounts,
        last: verified.records.saturating_sub(1),
        head: verified.head,
        unfinished: verified.torn_bytes,
    };
    Ok(statement.to_string())
}

impl Ledger {
    /// Writes the ledger in words; [`export`] does so for one that somebody else holds.
    ///
    /// # Errors
    /// What `to` refuses.
    pub fn export(&self, to: &mut impl fmt::Write) -> fmt::Result {
        let (last, head) = self.head();
        let (population, accounts) = (self.population(), &self.accounts);
        write!(to, "{}", Statement { population, accounts, last, head, unfinished: 0 })
    }
}

struct Statement<'a> {
    population: &'a str,
    accounts: &'a Accounts,
    last: u64,
    head: [u8; 32],
    unfinished: u64,
}

impl fmt::Display for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Privacy ledger of population {:?}", self.population)?;
        writeln!(f, "Last entry {}, head {}", self.last, hex(&self.head))?;
        writeln!(f, "No tail check: compare number and head with what the nodes saw last.")?;
        if self.unfinished > 0 {
            writeln!(f, "{} bytes of an unfinished entry follow.", self.unfinished)?;
        }
        writeln!(f)?;
        writeln!(f, "What is hidden: {}.", Adjacency::AddRemove)?;
        writeln!(f, "From whom: from everybody but one node and the patient's own hospital, even")?;
        writeln!(f, "if all other nodes and all other hospitals work together.")?;
        self.budget_in_force(f)?;
        self.entries(f)?;
        self.totals(f)?;
        self.exact(f)
    }
}

impl Statement<'_> {
    fn budget_in_force(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.accounts.amendments().last().map_or(0, |amendment| amendment.sequence);
        writeln!(f, "\nBudget in force since entry {since}")?;
        budget(f, "  ", self.accounts.budget())
    }

    fn entries(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nEntries; costs are those of the filters in force now")?;
        writeln!(f, "  0 opened")?;
        budget(f, "    ", self.accounts.opened())?;
        let mut prices = Prices::default();
        let mut amendments = self.accounts.amendments().iter().peekable();
        for charge in self.accounts.charges() {
            while let Some(amendment) = amendments.next_if(|a| a.sequence < charge.sequence) {
                amended(f, amendment.sequence, &amendment.reason, &amendment.budget)?;
            }
            let (sequence, study, event) = (charge.sequence, &charge.study, &charge.event);
            let round = hex(charge.key.first_chunk::<8>().map_or(&[][..], |short| short));
            writeln!(f, "  {sequence} charged to {study:?}, round {round}")?;
            writeln!(f, "    {}", InWords(event))?;
            let mut cost = |account: &Account| prices.of(event, account.limit().filter);
            if let Some(price) = cost(self.accounts.overall()) {
                write!(f, "    costs {}", price.cost)?;
                if let Some(own) = self.accounts.own(study).and_then(cost)
                    && own.cost.filter() != price.cost.filter()
                {
                    write!(f, "; of the study's own limit {}", own.cost)?;
                }
                writeln!(f)?;
            }
        }
        amendments.try_for_each(|a| amended(f, a.sequence, &a.reason, &a.budget))
    }

    fn totals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nUsed of the limits; the guarantee is the limit, not what was used")?;
        total(f, &"all studies", self.accounts.overall())?;
        for study in self.accounts.studies() {
            writeln!(f, "    by study {study:?}: {}", self.accounts.share(study))?;
        }
        for study in self.accounts.budget().per_study.keys() {
            if let Some(own) = self.accounts.own(study) {
                total(f, &format_args!("study {study:?}, of its own limit"), own)?;
            }
        }
        Ok(())
    }

    fn exact(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let studies = || self.accounts.studies().map(|study| (study, self.accounts.exact(study)));
        let all: u64 = studies().map(|(_, count)| count).sum();
        writeln!(f, "\nExact releases, without any privacy guarantee: {all}")?;
        for (study, count) in studies().filter(|(_, count)| *count > 0) {
            writeln!(f, "  by study {study:?}: {count}")?;
        }
        if all > 0 {
            writeln!(f, "No figure above covers them.")?;
        }
        Ok(())
    }
}

fn budget(f: &mut fmt::Formatter<'_>, indent: &str, budget: &Budget) -> fmt::Result {
    writeln!(f, "{indent}all studies: {}", Stated(&budget.overall))?;
    for (study, limit) in &budget.per_study {
        writeln!(f, "{indent}study {study:?}: {}", Stated(limit))?;
    }
    let admitted = if budget.allow_exact { "admitted" } else { "refused" };
    writeln!(f, "{indent}exact releases: {admitted}")
}

fn amended(f: &mut fmt::Formatter<'_>, sequence: u64, reason: &str, to: &Budget) -> fmt::Result {
    writeln!(f, "  {sequence} amended: {reason:?}")?;
    budget(f, "    ", to)
}

fn total(f: &mut fmt::Formatter<'_>, whose: &dyn fmt::Display, account: &Account) -> fmt::Result {
    let (limit, spent, left) = (account.limit(), account.spent(), account.left());
    let epsilon = |cost: Cost| if cost.get() > 0.0 { cost.epsilon(limit.delta).get() } else { 0.0 };
    writeln!(
        f,
        "  {whose}: used {spent} (epsilon {} of {} at delta {}), left {left}",
        epsilon(spent),
        limit.epsilon,
        limit.delta
    )
}

/// A limit in words.
struct Stated<'a>(&'a Limit);

impl fmt::Display for Stated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limit { epsilon, delta, filter } = self.0;
        let by = match filter {
            Filter::Zcdp => "zCDP",
            Filter::Renyi { .. } => "a Renyi filter",
        };
        write!(f, "epsilon {epsilon} at delta {delta}, by {by}: at most {}", self.0.room())
    }
}

/// An event in words.
struct InWords<'a>(&'a Event);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Exact => f.write_str("exact release, without any privacy guarantee"),
            Event::Zcdp { rho } => write!(f, "mechanism of rho {rho}"),
            Event::DiscreteGaussian { s, sensitivity, dimension } => write!(
                f,
                "discrete Gaussian noise of scale {s} on a sum of sensitivity {sensitivity}, in \
                 grid steps; coordinates: {dimension}"
            ),
            Event::DiscreteGaussianSum { parties, s, sensitivity, dimension } => write!(
                f,
                "{parties} draws of discrete Gaussian noise of scale {s} each on a sum of \
                 sensitivity {sensitivity}, in grid steps; coordinates: {dimension}"
            ),
            Event::Poisson { q, event } => {
                write!(f, "{}; each patient sampled with probability {q}", InWords(event))
            }
            other => f.write_str(other.name()),
        }
    }
}
