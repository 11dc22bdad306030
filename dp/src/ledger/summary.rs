//! A ledger in numbers, for programs that show it; [`super::export()`] has it in words.

use std::path::Path;

use super::budget::{Budget, checked_name};
use super::filter::Cost;
use super::{JOURNAL_LABEL, replay};
use crate::Result;
use crate::journal::Journal;

/// What a ledger holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Population that it belongs to.
    pub population: String,
    /// Number of the last entry, from 0.
    pub last: u64,
    /// Hash over all entries.
    pub head: [u8; 32],
    /// Bytes of an unfinished entry after the last one.
    pub unfinished: u64,
    /// The budget in force.
    pub budget: Budget,
    /// What all studies have spent together, rounded up; exact releases are not in it.
    pub spent: Cost,
    /// What is left under the overall limit, rounded down.
    pub left: Cost,
    /// The epsilon of what was spent at the limit's delta, rounded up; 0 while nothing was. Used of the
    /// limit, and not itself a guarantee (rule L2).
    pub epsilon_spent: f64,
    /// Charges, exact ones too.
    pub charges: u64,
    /// Changes of the budget: the entry, and the reason.
    pub amendments: Vec<(u64, String)>,
    /// Studies that were charged, in order of their names.
    pub studies: Vec<Share>,
}

/// What one study has used of a ledger.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Share {
    /// Its name.
    pub study: String,
    /// What it has spent of the population's limit, rounded up.
    pub spent: Cost,
    /// The epsilon of that at the limit's delta; 0 while nothing was.
    pub epsilon_spent: f64,
    /// Its releases without any privacy guarantee (rule X1).
    pub exact: u64,
}

/// The ledger of `population` at `path` in numbers, every record checked, without opening it for
/// writing: whoever holds it goes on.
///
/// # Errors
/// As [`super::export()`].
pub fn summary(path: impl AsRef<Path>, population: &str) -> Result<Summary> {
    let path = path.as_ref();
    checked_name("population", population)?;
    let (verified, entries) = Journal::snapshot(path, JOURNAL_LABEL)?;
    let accounts = replay(path, &entries, population)?;
    let delta = accounts.overall().limit().delta;
    let epsilon = |cost: Cost| if cost.get() > 0.0 { cost.epsilon(delta).get() } else { 0.0 };
    let studies = accounts.studies().map(|study| {
        let spent = accounts.share(study);
        Share {
            study: study.to_owned(),
            spent,
            epsilon_spent: epsilon(spent),
            exact: accounts.exact(study),
        }
    });
    let amendments = accounts.amendments().iter();
    let spent = accounts.overall().spent();
    Ok(Summary {
        population: population.to_owned(),
        last: verified.records.saturating_sub(1),
        head: verified.head,
        unfinished: verified.torn_bytes,
        budget: accounts.budget().clone(),
        spent,
        left: accounts.overall().left(),
        epsilon_spent: epsilon(spent),
        charges: accounts.charges().len() as u64,
        amendments: amendments.map(|a| (a.sequence, a.reason.clone())).collect(),
        studies: studies.collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::event::Release;
    use crate::ledger::{Ledger, Limit};
    use crate::noise::NoiseScale;
    use crate::units::{Delta, Epsilon, Sensitivity};

    #[test]
    fn a_summary_says_what_the_ledger_says_while_another_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.journal");
        let (epsilon, delta) = (Epsilon::new(3.0).unwrap(), Delta::new(1e-5).unwrap());
        let budget = Budget { allow_exact: true, ..Budget::from(Limit::zcdp(epsilon, delta)) };
        let mut ledger = Ledger::open(&path, "aml", budget.clone()).unwrap();
        let fresh = summary(&path, "aml").unwrap();
        assert_eq!((fresh.charges, fresh.epsilon_spent, fresh.last), (0, 0.0, 0));
        let noised = Release::noised(
            NoiseScale::new(1 << 20).unwrap(),
            Sensitivity::new(1 << 16).unwrap(),
            NonZeroU64::new(10).unwrap(),
        );
        let _ = ledger.charge("one", [1; 32], &noised).unwrap();
        let _ = ledger.charge("two", [2; 32], &Release::exact()).unwrap();
        ledger.amend(budget.clone(), "nothing changes").unwrap();
        let now = summary(&path, "aml").unwrap();
        assert_eq!((now.last, now.head), ledger.head());
        assert_eq!((now.spent, now.left), (ledger.spent_total(), ledger.remaining()));
        assert_eq!(now.epsilon_spent, ledger.epsilon_spent(delta).get());
        assert_eq!((now.charges, now.unfinished, &now.budget), (2, 0, &budget));
        assert_eq!(now.amendments, [(3, "nothing changes".to_owned())]);
        let of = |share: &Share| (share.study.clone(), share.epsilon_spent > 0.0, share.exact);
        let studies: Vec<(String, bool, u64)> = now.studies.iter().map(of).collect();
        assert_eq!(studies, [("one".to_owned(), true, 0), ("two".to_owned(), false, 1)]);
        assert!(summary(&path, "other").is_err());
    }
}
