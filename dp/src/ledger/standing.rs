//! Where a ledger stands, for somebody who only looks: limit, used, left.

use std::path::Path;

use super::budget::{Budget, checked_name};
use super::filter::Cost;
use super::{JOURNAL_LABEL, replay};
use crate::Result;
use crate::journal::Journal;

/// What a ledger says of itself at a moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Standing {
    /// The budget in force.
    pub budget: Budget,
    /// What all studies have spent of the overall limit, rounded up.
    pub spent: Cost,
    /// What is left of it, rounded down.
    pub left: Cost,
    /// Releases without any privacy guarantee, of all studies.
    pub exact: u64,
    /// Entries, the one that opened it included.
    pub entries: u64,
}

/// Where the ledger of `population` at `path` stands, every record checked, without opening it for
/// writing: whoever holds it goes on.
///
/// # Errors
/// As [`super::export`].
pub fn standing(path: impl AsRef<Path>, population: &str) -> Result<Standing> {
    let path = path.as_ref();
    checked_name("population", population)?;
    let (verified, entries) = Journal::snapshot(path, JOURNAL_LABEL)?;
    let accounts = replay(path, &entries, population)?;
    let overall = accounts.overall();
    Ok(Standing {
        spent: overall.spent(),
        left: overall.left(),
        exact: accounts.studies().map(|study| accounts.exact(study)).sum(),
        budget: accounts.budget().clone(),
        entries: verified.records,
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::event::Release;
    use crate::ledger::{Ledger, Limit};
    use crate::noise::{Noise, NoiseScale};
    use crate::units::{Delta, Epsilon, Sensitivity};
    use std::num::NonZeroU32;

    #[test]
    fn who_looks_sees_what_the_holder_has_charged_and_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        assert!(standing(&path, "all").is_err(), "there is none yet");
        let limit = Limit::zcdp(Epsilon::new(1.0).unwrap(), Delta::new(1e-6).unwrap());
        let budget = Budget { allow_exact: true, ..limit.into() };
        let mut ledger = Ledger::open(&path, "all", budget.clone()).unwrap();
        let noise = Noise { draws: NonZeroU32::MIN, s: NoiseScale::new(1 << 20).unwrap() };
        let noised = Release::noised(noise, Sensitivity::new(100).unwrap(), NonZeroU64::MIN);
        let _ = ledger.charge("mds", [1; 32], &noised).unwrap();
        let _ = ledger.charge("mds", [2; 32], &Release::exact()).unwrap();
        let _ = ledger.charge("aml", [3; 32], &Release::exact()).unwrap();
        let seen = standing(&path, "all").unwrap();
        assert_eq!((seen.exact, seen.entries, &seen.budget), (2, 4, &budget));
        assert_eq!((seen.spent, seen.left), (ledger.spent_total(), ledger.remaining()));
        assert!(seen.spent.get() > 0.0);
        assert!(standing(&path, "other").is_err(), "a ledger is of one population");
    }
}
