//! Hospitals that a part of the comparison leaves out, each part by its own patients, told in one text.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::Excluded;

/// How a site says that it is below its floor.
const BELOW: &str = "fewer complete rows than";

/// Of each part and reason, the hospitals.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    by_part: BTreeMap<(&'static str, String), BTreeSet<String>>,
}

impl LeftOut {
    /// Adds those of one question. `of_whom` says whose rows the floor counts, where not all of a
    /// hospital's are.
    pub(super) fn add(&mut self, part: &'static str, of_whom: &str, excluded: Vec<Excluded>) {
        for out in excluded {
            let is_below = out.reason.starts_with(BELOW) && !of_whom.is_empty();
            let counted = if is_below { format!(", of patients {of_whom}") } else { String::new() };
            let reason = format!("{}{counted}", out.reason);
            self.by_part.entry((part, reason)).or_default().insert(out.site);
        }
    }

    /// All of them, of so many hospitals; `None` where nobody is left out.
    pub(super) fn in_words(&self, hospitals: usize) -> Option<String> {
        let part = |((part, reason), sites): (&(&str, String), &BTreeSet<String>)| {
            let names: Vec<&str> = sites.iter().map(String::as_str).collect();
            format!("{part}: {} of {hospitals} ({}): {reason}", sites.len(), names.join(", "))
        };
        let parts: Vec<String> = self.by_part.iter().map(part).collect();
        (!parts.is_empty()).then(|| format!("Hospitals left out. {}.", parts.join(". ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hospitals_are_gathered_by_what_they_are_left_out_of_and_why() {
        let out = |site: &str, reason: &str| Excluded { site: site.into(), reason: reason.into() };
        let few = "fewer complete rows than the site's floor of 10";
        let mut all = LeftOut::default();
        assert_eq!(all.in_words(24), None);
        all.add("Tables", "who were kept out of the fit", vec![out("7", few), out("3", few)]);
        all.add("Curves", "", vec![out("7", few)]);
        all.add("Curves", "", vec![out("7", few)]);
        all.add("Tables", "who were kept out of the fit", vec![out("9", "more than the cap")]);
        assert_eq!(
            all.in_words(24).unwrap(),
            "Hospitals left out. Curves: 1 of 24 (7): fewer complete rows than the site's floor of 10. \
             Tables: 2 of 24 (3, 7): fewer complete rows than the site's floor of 10, of patients who \
             were kept out of the fit. Tables: 1 of 24 (9): more than the cap."
        );
    }
}
