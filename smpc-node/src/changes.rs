//! What an amendment changes, in words for whoever approves it.

use std::collections::BTreeMap;

use crate::Error;
use crate::manifest::{Manifest, TaskEntry};
use crate::masking::Masking;

/// One difference between a manifest and the one that it amends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// In words.
    pub text: String,
    /// Whether it takes protection away: a lower floor, less noise, more releases, another key.
    pub weakens: bool,
}

/// What `new` changes.
///
/// # Errors
/// [`Error::Manifest`] when `new` does not amend `old`.
pub fn changes(old: &Manifest, new: &Manifest) -> Result<Vec<Change>, Error> {
    let amends = new.amends.as_deref().map(str::to_lowercase);
    if amends != Some(old.digest().to_string()) || new.revision != old.revision.saturating_add(1) {
        return Err(Error::Manifest {
            field: Some("amends".into()),
            problem: format!(
                "revision {} does not amend the given manifest, which is revision {} with the \
                 digest {}",
                new.revision,
                old.revision,
                old.digest()
            ),
        });
    }
    let mut found = Found::default();
    found.numbers(old, new);
    found.parties(old, new);
    found.tasks(old, new);
    if old.schema != new.schema {
        found.add("the schema of the cohorts is another one", true);
    }
    Ok(found.0)
}

#[derive(Default)]
struct Found(Vec<Change>);

impl Found {
    fn add(&mut self, text: impl Into<String>, weakens: bool) {
        self.0.push(Change { text: text.into(), weakens });
    }

    /// A figure, and whether its change in this direction weakens.
    fn number(&mut self, what: &str, old: u64, new: u64, weakens: fn(u64, u64) -> bool) {
        if old != new {
            self.add(format!("{what}: {old} becomes {new}"), weakens(old, new));
        }
    }

    fn numbers(&mut self, old: &Manifest, new: &Manifest) {
        let [lower, higher, never]: [fn(u64, u64) -> bool; 3] =
            [|old, new| new < old, |old, new| new > old, |_, _| false];
        self.number("min_sites", old.min_sites.into(), new.min_sites.into(), lower);
        let (m, n) = (old.hospitals_per_patient, new.hospitals_per_patient);
        self.number("hospitals_per_patient", m.into(), n.into(), lower);
        let quorum = |of: &Manifest| of.release_quorum.map_or(of.nodes.len() as u64, u64::from);
        self.number("release_quorum", quorum(old), quorum(new), lower);
        let masking = |of: &Manifest| of.masking.map_or((0, 0), |m| (m.threshold, m.corrupt));
        let ((t, c), (t_new, c_new)) = (masking(old), masking(new));
        if old.mode == new.mode {
            self.number("masking.threshold", t.into(), t_new.into(), lower);
            if old.masking.map(|m| m.prg) != new.masking.map(|m| m.prg) {
                self.add("masking.prg is another one", false);
            }
            let honest = |of: &Manifest| of.masking.map_or(0, Masking::honest);
            let what = "sites that are sure to be honest in a sum (t - c)";
            self.number(what, honest(old).into(), honest(new).into(), lower);
            self.number("masking.corrupt", c.into(), c_new.into(), lower);
        } else {
            self.add("the mode is another one: nodes, or masks without nodes", true);
        }
        self.number("max_dimension", old.max_dimension.into(), new.max_dimension.into(), higher);
        self.number("round_ms", old.round_ms, new.round_ms, never);
        self.number("grace_ms", old.grace_ms, new.grace_ms, never);
        self.number("tick_ms", old.tick_ms.into(), new.tick_ms.into(), never);
        if old.study != new.study {
            self.add(format!("the study {} becomes {}", old.study, new.study), true);
        }
    }

    fn parties(&mut self, old: &Manifest, new: &Manifest) {
        let keys = |manifest: &Manifest| -> BTreeMap<String, (String, String)> {
            let parties = manifest.parties();
            parties.map(|(n, i, t)| (n.to_owned(), (i.to_lowercase(), t.to_lowercase()))).collect()
        };
        let (before, after) = (keys(old), keys(new));
        for (name, keys) in &after {
            match before.get(name) {
                None if new.site(name).is_ok() => self.add(format!("the site {name} joins"), false),
                None => self.add(format!("{name} joins as a node or coordinator"), true),
                Some(earlier) if earlier != keys => {
                    self.add(format!("{name} has other keys; ask it for its fingerprint"), true);
                }
                Some(_) => {}
            }
        }
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            self.add(format!("{name} leaves"), old.site(name).is_err());
        }
        let order = |manifest: &Manifest| -> Vec<String> {
            manifest.nodes.iter().map(|node| node.name.clone()).collect()
        };
        if order(old) != order(new) {
            self.add("the nodes, or their order, are others", true);
        }
        let of_parties = |manifest: &Manifest| -> BTreeMap<String, (String, String)> {
            let nodes = manifest.nodes.iter().chain([&manifest.coordinator]);
            let nodes = nodes.map(|p| (p.name.clone(), (p.operator.clone(), p.address.clone())));
            let sites = manifest.sites.iter();
            nodes
                .chain(sites.map(|s| (s.name.clone(), (s.operator.clone(), String::new()))))
                .collect()
        };
        let (before, after) = (of_parties(old), of_parties(new));
        for (name, (operator, address)) in &after {
            let Some((o, a)) = before.get(name) else { continue };
            if o != operator {
                self.add(format!("{name}: the operator {o} becomes {operator}"), true);
            }
            if a != address {
                self.add(format!("{name}: the address {a} becomes {address}"), false);
            }
        }
        for site in &new.sites {
            if let Ok(earlier) = old.site(&site.name) {
                let what = format!("max_patients of {}", site.name);
                self.number(&what, earlier.max_patients, site.max_patients, |old, new| new > old);
            }
        }
    }

    fn tasks(&mut self, old: &Manifest, new: &Manifest) {
        let by_id = |manifest: &Manifest| -> BTreeMap<String, TaskEntry> {
            manifest.tasks.iter().map(|task| (task.id.clone(), task.clone())).collect()
        };
        let (before, after) = (by_id(old), by_id(new));
        for (id, task) in &after {
            match before.get(id) {
                None => self.add(format!("the task {id} is new"), true),
                Some(earlier) if earlier != task => {
                    // What people call it protects nobody.
                    let called = TaskEntry { title: task.title.clone(), ..earlier.clone() };
                    let text = format!("the task {id} is changed: {}", difference(earlier, task));
                    self.add(text, called != *task);
                }
                Some(_) => {}
            }
        }
        for id in before.keys().filter(|id| !after.contains_key(*id)) {
            self.add(format!("the task {id} is gone"), false);
        }
    }
}

fn difference(old: &TaskEntry, new: &TaskEntry) -> String {
    let mut parts = Vec::new();
    let mut part = |what: &str, changed: bool| {
        if changed {
            parts.push(what.to_owned());
        }
    };
    part("name or version", (&old.task, old.version) != (&new.task, new.version));
    part("class", old.class != new.class);
    part("steps", old.max_steps != new.max_steps);
    part("spare attempts", old.spare_attempts != new.spare_attempts);
    part("needs_bound", old.needs_bound != new.needs_bound);
    part("noise plan", old.noise != new.noise);
    part("title", old.title != new.title);
    part("parameters", old.params != new.params);
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::example;

    fn task() -> TaskEntry {
        TaskEntry {
            id: "who".into(),
            task: "table1".into(),
            version: 1,
            class: crate::manifest::Class::Exact,
            max_steps: 1,
            spare_attempts: 1,
            needs_bound: false,
            noise: None,
            title: None,
            params: toml::Table::new(),
        }
    }

    fn amended(change: impl FnOnce(&mut Manifest)) -> (Manifest, Manifest) {
        let (old, _) = example();
        let mut new = old.clone();
        new.revision = 2;
        new.amends = Some(old.digest().to_string());
        change(&mut new);
        (old, new)
    }

    #[test]
    fn an_amendment_is_told_in_words_and_what_weakens_is_marked() {
        let of = |change: fn(&mut Manifest)| {
            let (old, new) = amended(change);
            changes(&old, &new).unwrap()
        };
        assert!(of(|_| {}).is_empty());
        let lower = of(|m| m.min_sites = 1);
        assert_eq!(lower[0], Change { text: "min_sites: 2 becomes 1".into(), weakens: true });
        assert!(!of(|m| m.min_sites = 3)[0].weakens);
        let joined = of(|m| {
            let mut site = m.sites[0].clone();
            site.name = "late".into();
            m.sites.push(site);
        });
        assert_eq!(joined[0], Change { text: "the site late joins".into(), weakens: false });
        assert!(of(|m| m.sites[0].identity = "00".repeat(32))[0].text.contains("other keys"));
        assert!(of(|m| m.nodes.swap(0, 1)).iter().any(|change| change.weakens));
        assert!(of(|m| m.sites[0].max_patients *= 2)[0].weakens);
        assert!(!of(|m| m.coordinator.address = "other:1".into())[0].weakens);
        let (mut old, mut new) = amended(|_| {});
        old.tasks = vec![task()];
        new.tasks = vec![TaskEntry { title: Some("Ages".into()), ..task() }];
        new.amends = Some(old.digest().to_string());
        let text = "the task who is changed: title".into();
        assert_eq!(changes(&old, &new).unwrap(), [Change { text, weakens: false }]);
        new.tasks[0].max_steps += 1;
        let found = &changes(&old, &new).unwrap()[0];
        assert!(found.weakens && found.text.ends_with("steps, title"), "{found:?}");
    }

    #[test]
    fn only_the_manifest_that_it_names_is_amended() {
        let (old, new) = amended(|_| {});
        assert!(changes(&old, &Manifest { revision: 3, ..new.clone() }).is_err());
        assert!(changes(&new, &old).is_err());
        assert!(changes(&Manifest { min_sites: 3, ..old }, &new).is_err());
    }
}
