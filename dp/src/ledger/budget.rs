//! Limits: what a policy allows one population, and one study within it.
//!
//! A limit is stated as (epsilon, delta) and enforced as rho: the largest rho that implies it. That
//! is a filter for fully adaptive composition (Whitehouse, Ramdas, Rogers and Wu 2023, for zCDP):
//! releases may be chosen from earlier ones, up to the limit, and all of them together satisfy it.

use std::collections::BTreeMap;

use crate::rho_sum::RhoSum;
use crate::units::{Delta, Epsilon, Rho};
use crate::zcdp::rho_for;
use crate::{Error, Result};

/// The most that releases may cost together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Privacy loss, in nats.
    pub epsilon: Epsilon,
    /// At this probability of failure.
    pub delta: Delta,
}

impl Limit {
    /// The rho that the limit is enforced as. A plan that may use all of it is calibrated to this.
    pub fn rho(&self) -> Rho {
        rho_for(self.epsilon, self.delta)
    }

    pub(super) fn room(&self) -> RhoSum {
        RhoSum::within(self.rho())
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
