//! The privacy budget of one population at one site: a filter whose state is on disk.
//!
//! - L1: a charge is on disk before [`Ledger::charge`] returns, keyed by the round's digest, and
//!   never refunded. Whoever sends a contribution has the [`Charged`] first.
//! - L2: each limit, of all studies and of a single one, is a filter with room of its own: zCDP, or
//!   the Renyi divergence of one order (see `filter.rs`). What releases cost adds up to at most that
//!   room, however later releases depend on earlier ones. Events are on disk, costs are not.
//! - L3: the ledger belongs to a *population*. Data sets do not appear in it: every data set and
//!   version that declares the population is charged here, so renaming a file opens no budget, and
//!   what several data sets or studies spend adds up. [`Ledger::file_name`] derives the file's name
//!   from the population alone.
//! - X1: releases without noise have no figure. They are counted a study, apart from all sums, and
//!   refused unless the policy admits them.
//!
//! Neighbouring data sets differ in one patient; what is charged is the coalition's figure (rule N1).
//!
//! # Changing a limit
//!
//! The budget in force is an entry, and [`Ledger::open`] refuses a policy that says otherwise: no
//! edit of a configuration file raises a limit in silence. To change it, an operator opens the
//! ledger with [`Ledger::reopen`] and calls [`Ledger::amend`] with a reason, which appends an entry
//! that every audit sees. What was spent stays spent; after a raise the promise made to the patients
//! is the raised one. After a cut below what is spent, nothing more is admitted.
//!
//! An amendment may name another filter or order; the whole history is then charged anew under it.
//! A filter's theorem wants it named before anything was released: its guarantee after such an
//! amendment holds if the choice does not depend on what was released. The reason, which every
//! export shows, says why it does not.

mod accounts;
mod budget;
mod entry;
mod export;
mod filter;
mod fit;
mod prices;
mod standing;
mod summary;

use std::path::{Path, PathBuf};

use sha3::{Digest, Sha3_256};

use crate::event::Release;
use crate::journal::Journal;
use crate::units::{Delta, Epsilon};
use crate::{Error, Result};
use accounts::{Account, Accounts, Admission, hex};
use budget::checked_name;
use entry::Entry;

pub use budget::{Budget, Limit};
pub use export::export;
pub(crate) use filter::four_digits;
pub use filter::{Cost, Filter};
pub use standing::{Standing, standing};
pub use summary::{Share, Summary, summary};

/// The label of the journals that are ledgers, for [`Journal::verify`].
pub const JOURNAL_LABEL: &str = "haima.ledger/3";

/// An open ledger: the only handle that can charge its population, in this or any process.
#[derive(Debug)]
pub struct Ledger {
    journal: Journal,
    population: String,
    accounts: Accounts,
}

/// Proof that a charge is on disk.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[must_use = "what is sent quotes the charge's sequence number and head (rule L4)"]
pub struct Charged {
    /// The entry's number.
    pub sequence: u64,
    /// The ledger's head now: for a new charge the hash of its entry.
    pub head: [u8; 32],
    /// It was charged by an earlier call, for the same study and event; nothing was added.
    pub repeated: bool,
    /// What it costs under the population's filter; `None` for an exact release.
    pub cost: Option<Cost>,
}

/// What a study may still spend. Both limits hold, and their filters may differ.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Remaining {
    /// Under its own limit, if it has one.
    pub own: Option<Cost>,
    /// Under the limit of all studies together.
    pub overall: Cost,
}

impl Ledger {
    /// Opens the ledger of `population` at `path` under `budget` (a [`Limit`] or a [`Budget`]), and
    /// creates it if there is none.
    ///
    /// # Errors
    /// [`Error::WrongPopulation`] for another population's ledger, [`Error::BudgetChanged`] when the
    /// recorded budget is another, [`Error::BadName`], [`Error::BadEntry`], and what
    /// [`Journal::open`] refuses.
    pub fn open(
        path: impl AsRef<Path>,
        population: &str,
        budget: impl Into<Budget>,
    ) -> Result<Self> {
        let budget = budget.into().checked()?;
        checked_name("population", population)?;
        let (mut journal, entries) = Journal::open(path, JOURNAL_LABEL)?;
        if entries.is_empty() {
            let population = population.to_owned();
            let opened = Entry::Opened { population: population.clone(), budget: budget.clone() };
            journal.append(&opened.encode())?;
            return Ok(Self { journal, population, accounts: Accounts::new(budget) });
        }
        let ledger = Self::replay(journal, &entries, population)?;
        if *ledger.budget() != budget {
            return Err(Error::BudgetChanged { path: ledger.journal.path().to_path_buf() });
        }
        Ok(ledger)
    }

    /// Opens the ledger of `population` at `path` under the budget that it records.
    ///
    /// # Errors
    /// As [`Ledger::open`]; [`Error::Io`] when there is none, [`Error::BadEntry`] when it was never
    /// opened under a budget.
    pub fn reopen(path: impl AsRef<Path>, population: &str) -> Result<Self> {
        let path = path.as_ref();
        // Opening would create it.
        std::fs::metadata(path).map_err(|e| Error::io(path, "open it", &e))?;
        let (journal, entries) = Journal::open(path, JOURNAL_LABEL)?;
        Self::replay(journal, &entries, population)
    }

    fn replay(journal: Journal, entries: &[Vec<u8>], population: &str) -> Result<Self> {
        let accounts = replay(journal.path(), entries, population)?;
        Ok(Self { journal, population: population.to_owned(), accounts })
    }

    /// Charges the round of digest `key` to `study`. On return the charge is on disk (rule L1).
    ///
    /// The same key for the same study and event is charged once; the answer then says `repeated`.
    ///
    /// # Errors
    /// [`Error::Overspend`], [`Error::ExactNotAllowed`], [`Error::KeyReused`],
    /// [`Error::NoiseScaleOutOfRange`], [`Error::BadName`]: refused, nothing has changed.
    /// [`Error::Io`], [`Error::Closed`]: the disk refused; nothing may be sent.
    pub fn charge(&mut self, study: &str, key: [u8; 32], release: &Release) -> Result<Charged> {
        let event = release.event();
        checked_name("study", study)?;
        let cost = self.accounts.cost(event);
        if let Admission::Repeated(sequence) = self.accounts.admit(study, &key, event)? {
            return Ok(Charged { sequence, head: self.journal.head(), repeated: true, cost });
        }
        let sequence =
            self.record(Entry::Charged { study: study.to_owned(), key, event: event.clone() })?;
        Ok(Charged { sequence, head: self.journal.head(), repeated: false, cost })
    }

    /// Puts another budget in force, with the reason, as an entry of its own.
    ///
    /// # Errors
    /// [`Error::BadName`] for a study or reason that is none; [`Error::Io`], [`Error::Closed`].
    pub fn amend(&mut self, budget: impl Into<Budget>, reason: &str) -> Result<()> {
        let budget = budget.into().checked()?;
        let reason = checked_name("reason", reason)?.to_owned();
        self.record(Entry::Amended { budget, reason }).map(|_| ())
    }

    /// Appends an entry that was admitted, then takes it up: disk first.
    fn record(&mut self, entry: Entry) -> Result<u64> {
        let sequence = self.journal.append(&entry.encode())?;
        let path = self.journal.path();
        self.accounts.apply(sequence, entry).map_err(|what| Error::BadEntry {
            path: path.to_path_buf(),
            record: sequence,
            what,
        })?;
        Ok(sequence)
    }

    /// What `study` has spent, rounded up, under its own limit's filter if it has a limit, else under
    /// the population's; its exact releases are not in it.
    pub fn spent(&self, study: &str) -> Cost {
        self.accounts.spent(study)
    }

    /// What all studies have spent together, rounded up; exact releases are not in it.
    pub fn spent_total(&self) -> Cost {
        self.accounts.overall().spent()
    }

    /// What is left under the overall limit, rounded down.
    pub fn remaining(&self) -> Cost {
        self.accounts.overall().left()
    }

    /// What is left for `study`, rounded down.
    pub fn remaining_for(&self, study: &str) -> Remaining {
        let own = self.accounts.own(study).map(Account::left);
        Remaining { own, overall: self.remaining() }
    }

    /// The epsilon of what was spent so far, at `delta`: "used of the limit, not itself a
    /// guarantee" (rule L2). The guarantee is the limit, and with any exact release there is none.
    /// [`Epsilon::LEAST`] while nothing was.
    pub fn epsilon_spent(&self, delta: Delta) -> Epsilon {
        let spent = self.spent_total();
        if spent.get() > 0.0 { spent.epsilon(delta) } else { Epsilon::LEAST }
    }

    /// How many releases without any privacy guarantee `study` has made (rule X1).
    pub fn exact_releases(&self, study: &str) -> u64 {
        self.accounts.exact(study)
    }

    /// The studies that were charged, in order of their names.
    pub fn studies(&self) -> impl Iterator<Item = &str> {
        self.accounts.studies()
    }

    /// Whether the round of digest `key` was charged.
    pub fn contains(&self, key: &[u8; 32]) -> bool {
        self.accounts.contains(key)
    }

    /// The last entry's number and the hash over all entries: what a submission quotes (rule L4).
    pub fn head(&self) -> (u64, [u8; 32]) {
        // An open ledger has at least the entry that opened it.
        (self.journal.len().saturating_sub(1), self.journal.head())
    }

    /// The population that the ledger belongs to.
    pub fn population(&self) -> &str {
        &self.population
    }

    /// The budget in force.
    pub fn budget(&self) -> &Budget {
        self.accounts.budget()
    }

    /// The name of the file for a population's ledger: a function of the population alone (L3).
    ///
    /// # Errors
    /// [`Error::BadName`].
    pub fn file_name(population: &str) -> Result<PathBuf> {
        let digest = Sha3_256::digest(checked_name("population", population)?);
        let (short, _) = digest.split_at(16);
        Ok(PathBuf::from(format!("ledger-{}.journal", hex(short))))
    }
}

/// The accounts that the entries of the ledger of `population` at `path` lead to.
fn replay(path: &Path, entries: &[Vec<u8>], population: &str) -> Result<Accounts> {
    let path = || path.to_path_buf();
    let bad = |record: u64, what| Error::BadEntry { path: path(), record, what };
    let mut decoded = (0..).zip(entries).map(|(record, bytes)| {
        Entry::decode(bytes).map(|entry| (record, entry)).map_err(|what| bad(record, what))
    });
    let Some((_, Entry::Opened { population: recorded, budget })) = decoded.next().transpose()?
    else {
        return Err(bad(0, "it does not open a ledger"));
    };
    if recorded != population {
        let asked = population.to_owned();
        return Err(Error::WrongPopulation { path: path(), recorded, asked });
    }
    let mut accounts = Accounts::new(budget);
    for entry in decoded {
        let (record, entry) = entry?;
        accounts.apply(record, entry).map_err(|what| bad(record, what))?;
    }
    Ok(accounts)
}
