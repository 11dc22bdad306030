//! Journals of several parties of a study, held against one another.
//!
//! A journal alone shows that its chain is whole and that its party signed every record; not that
//! the record is true, nor that its end was not cut off. Peers' journals show both, as far as they
//! saw the same: nodes accept one header a site and round, agree on one set, and know one release. In
//! masked mode the coordinator accepts a vector of each site that is summed, sites answer one set, and
//! go on from the release that the coordinator made.

use std::collections::BTreeMap;

use haima_crypto::encode::Digest;

use crate::manifest::Manifest;
use crate::record::AuditRecord;

/// One party's journal, verified by itself ([`crate::audit::read`]).
#[derive(Clone, Debug)]
pub struct Journal {
    /// The party.
    pub party: String,
    /// Its records in order.
    pub records: Vec<AuditRecord>,
}

/// Where two journals part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// Unix milliseconds of the record at which it shows.
    pub at_ms: u64,
    /// The party whose record it is, and the record's number, from 0.
    pub at: (String, usize),
    /// The round.
    pub round: Digest,
    /// What each says.
    pub problem: String,
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (party, record) = &self.at;
        write!(f, "round {}, record {record} of {party}: {}", self.round.short(), self.problem)
    }
}

/// A record with where it stands.
#[derive(Clone, Copy)]
struct Said<'a> {
    party: &'a str,
    number: usize,
    record: &'a AuditRecord,
}

impl Said<'_> {
    fn against(&self, problem: String) -> Disagreement {
        Disagreement {
            at_ms: self.record.at_ms,
            at: (self.party.to_owned(), self.number),
            round: self.record.round,
            problem,
        }
    }
}

/// The first disagreement between journals, by the clock of the record at which it shows; `None`
/// when there is none.
#[must_use]
pub fn first_disagreement(manifest: &Manifest, journals: &[Journal]) -> Option<Disagreement> {
    let mut rounds: BTreeMap<Digest, Vec<Said<'_>>> = BTreeMap::new();
    for journal in journals {
        for (number, record) in journal.records.iter().enumerate() {
            let said = Said { party: &journal.party, number, record };
            rounds.entry(record.round).or_default().push(said);
        }
    }
    let has = |party: &str| journals.iter().any(|journal| journal.party == party);
    let nodes: Vec<&str> =
        manifest.nodes.iter().map(|n| n.name.as_str()).filter(|name| has(name)).collect();
    let mut found: Vec<Disagreement> = Vec::new();
    for said in rounds.values() {
        let of = |kind: &str| -> Vec<Said<'_>> {
            said.iter().copied().filter(|said| said.record.kind == kind).collect()
        };
        one_digest(&of("agreed"), "agreed on", &mut found);
        // In masked mode a site writes down which release it went on from, and what it answered.
        let releases = [of("released"), of("went on from")].concat();
        one_digest(&releases, "knows as the release", &mut found);
        one_digest(&of("answered"), "answered", &mut found);
        headers(manifest, &has, said, &mut found);
        ends(&nodes, said, &mut found);
        refusals(&nodes, said, &mut found);
        let coordinator = manifest.coordinator.name.as_str();
        if has(coordinator) {
            opened(coordinator, said, &mut found);
        }
    }
    found.into_iter().min_by(|a, b| (a.at_ms, &a.at).cmp(&(b.at_ms, &b.at)))
}

/// All of these records have one digest.
fn one_digest(said: &[Said<'_>], does: &str, found: &mut Vec<Disagreement>) {
    let Some(first) = said.first() else { return };
    for other in said {
        if other.record.digest != first.record.digest {
            found.push(other.against(format!(
                "{} {does} {}, {} (record {}) {does} {}",
                other.party,
                other.record.digest.short(),
                first.party,
                first.number,
                first.record.digest.short()
            )));
        }
    }
}

/// One header a site and round, at all nodes and at the site itself.
fn headers(
    manifest: &Manifest,
    has: &dyn Fn(&str) -> bool,
    said: &[Said<'_>],
    found: &mut Vec<Disagreement>,
) {
    let mut sent: BTreeMap<&str, Said<'_>> = BTreeMap::new();
    for one in said.iter().filter(|one| one.record.kind == "submitted") {
        sent.insert(one.party, *one);
    }
    let mut first: BTreeMap<&str, Said<'_>> = BTreeMap::new();
    for one in said.iter().filter(|one| one.record.kind == "accepted") {
        let site = one.record.subject.as_str();
        let held = one.record.digest;
        match sent.get(site) {
            Some(sent) if sent.record.digest != held => found.push(one.against(format!(
                "{} accepted {} of {site}, which {site} (record {}) did not send: it sent {}",
                one.party,
                held.short(),
                sent.number,
                sent.record.digest.short()
            ))),
            None if manifest.site(site).is_ok() && has(site) => found.push(one.against(format!(
                "{} accepted a submission of {site}, of which {site}'s journal knows nothing: its \
                 end was cut off, or somebody else has its keys",
                one.party
            ))),
            _ => {}
        }
        let other = first.entry(site).or_insert(*one);
        if other.record.digest != held {
            found.push(one.against(format!(
                "{} accepted {} of {site}, {} (record {}) accepted {}: the site sent two",
                one.party,
                held.short(),
                other.party,
                other.number,
                other.record.digest.short()
            )));
        }
    }
}

/// Whoever says that a round was released says that all nodes have agreed and committed.
fn ends(nodes: &[&str], said: &[Said<'_>], found: &mut Vec<Disagreement>) {
    let Some(released) = said.iter().find(|one| one.record.kind == "released") else { return };
    for node in nodes {
        let did = |kind: &str| said.iter().any(|one| one.party == *node && one.record.kind == kind);
        if let Some(failed) =
            said.iter().find(|one| one.party == *node && one.record.kind == "failed")
        {
            found.push(failed.against(format!(
                "{node} failed the round, {} (record {}) says that it was released",
                released.party, released.number
            )));
        } else if !did("agreed") || !did("committed") {
            found.push(released.against(format!(
                "{} says that the round was released, which takes all nodes; {node}'s journal does \
                 not have its own part: its end was cut off",
                released.party
            )));
        }
    }
}

/// All nodes that agreed on a round's set left out the same sites.
fn refusals(nodes: &[&str], said: &[Said<'_>], found: &mut Vec<Disagreement>) {
    let of = |node: &str| -> BTreeMap<&str, Digest> {
        let its = said.iter().filter(|one| one.party == node && one.record.kind == "not accepted");
        its.map(|one| (one.record.subject.as_str(), one.record.digest)).collect()
    };
    let agreed = said.iter().filter(|one| one.record.kind == "agreed");
    let mut agreed = agreed.filter(|one| nodes.contains(&one.party));
    let Some(first) = agreed.next() else { return };
    for other in agreed {
        let (a, b) = (of(first.party), of(other.party));
        if a != b {
            let sites = |of: &BTreeMap<&str, Digest>| {
                let names: Vec<&str> = of.keys().copied().collect();
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            };
            found.push(other.against(format!(
                "{} left out {}, {} (record {}) left out {}",
                other.party,
                sites(&b),
                first.party,
                first.number,
                sites(&a)
            )));
        }
    }
}

/// A node opens what the coordinator signed; its journal has every round.
fn opened(coordinator: &str, said: &[Said<'_>], found: &mut Vec<Disagreement>) {
    let did = |one: &&Said<'_>| one.record.kind == "opened";
    if said.iter().filter(did).any(|one| one.party == coordinator) {
        return;
    }
    if let Some(node) = said.iter().find(did) {
        found.push(node.against(format!(
            "{} opened a round that {coordinator} signed, of which {coordinator}'s journal knows \
             nothing: its end was cut off, or somebody else has its key",
            node.party
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::example;

    fn record(kind: &str, subject: &str, digest: &[u8], at_ms: u64) -> AuditRecord {
        AuditRecord {
            party: String::new(),
            at_ms,
            kind: kind.into(),
            round: Digest::of(b"round"),
            subject: subject.into(),
            digest: Digest::of(digest),
            text: String::new(),
        }
    }

    fn honest() -> Vec<Journal> {
        let node = |name: &str| Journal {
            party: name.into(),
            records: vec![
                record("opened", "coordinator", b"round", 1),
                record("accepted", "site-a", b"header a", 3),
                record("accepted", "site-b", b"header b", 4),
                record("closed", "", name.as_bytes(), 5),
                record("agreed", "", b"set", 6),
                record("committed", "", name.as_bytes(), 7),
                record("released", "", b"release", 8),
            ],
        };
        let site = |name: &str, header: &[u8]| Journal {
            party: name.into(),
            records: vec![
                record("charged", "task", b"data", 2),
                record("submitted", "", header, 2),
            ],
        };
        let released =
            vec![record("released", "task", b"release", 9), record("opened", "task", b"", 1)];
        vec![
            node("node-1"),
            node("node-2"),
            site("site-a", b"header a"),
            site("site-b", b"header b"),
            Journal { party: "coordinator".into(), records: released },
        ]
    }

    #[test]
    fn honest_journals_agree_all_together_and_in_part() {
        let (manifest, _) = example();
        let journals = honest();
        assert_eq!(first_disagreement(&manifest, &journals), None);
        for i in 0..journals.len() {
            assert_eq!(first_disagreement(&manifest, &journals[i..=i]), None);
            assert_eq!(first_disagreement(&manifest, &journals[i..]), None);
        }
    }

    /// Masked mode: no nodes, so the coordinator's journal is what the sites' are held against.
    #[test]
    fn journals_of_masked_mode_show_another_sum_another_set_and_what_was_cut_off() {
        let (mut manifest, _) = example();
        manifest.nodes.clear();
        let site = |name: &str, vector: &[u8]| Journal {
            party: name.into(),
            records: vec![
                record("submitted", "task", vector, 2),
                record("answered", "task", b"set", 4),
                record("went on from", "task/1/0", b"release", 6),
            ],
        };
        let coordinator = vec![
            record("opened", "task", b"", 1),
            record("accepted", "site-a", b"vector a", 3),
            record("accepted", "site-b", b"vector b", 3),
            record("released", "task", b"release", 5),
        ];
        let honest = vec![
            Journal { party: "coordinator".into(), records: coordinator },
            site("site-a", b"vector a"),
            site("site-b", b"vector b"),
        ];
        assert_eq!(first_disagreement(&manifest, &honest), None);
        let told = |change: fn(&mut Vec<Journal>)| {
            let mut journals = honest.clone();
            change(&mut journals);
            first_disagreement(&manifest, &journals).expect("a disagreement").to_string()
        };
        let cut = told(|j| j[1].records.clear());
        assert!(cut.contains("site-a's journal knows nothing"), "{cut}");
        let sum = told(|j| j[2].records[2].digest = Digest::of(b"another sum"));
        assert!(sum.contains("record 2 of site-b") && sum.contains("as the release"), "{sum}");
        let set = told(|j| j[2].records[1].digest = Digest::of(b"another set"));
        assert!(set.contains("record 1 of site-b") && set.contains("answered"), "{set}");
        let vector = told(|j| j[0].records[1].digest = Digest::of(b"another vector"));
        assert!(vector.contains("did not send"), "{vector}");
    }

    #[test]
    fn each_false_or_missing_record_is_named() {
        let (manifest, _) = example();
        let told = |change: fn(&mut Vec<Journal>)| {
            let mut journals = honest();
            change(&mut journals);
            first_disagreement(&manifest, &journals).expect("a disagreement").to_string()
        };
        let cut = told(|j| j[1].records.truncate(4));
        assert!(cut.contains("node-2's journal") && cut.contains("cut off"), "{cut}");
        let cut = told(|j| j[2].records.clear());
        assert!(cut.contains("record 1 of node-1") && cut.contains("site-a's journal"), "{cut}");
        let set = told(|j| j[1].records[4].digest = Digest::of(b"another set"));
        assert!(set.contains("record 4 of node-2") && set.contains("agreed on"), "{set}");
        let release = told(|j| j[4].records[0].digest = Digest::of(b"another"));
        assert!(release.contains("record 0 of coordinator"), "{release}");
        let unknown = told(|j| j[4].records.truncate(1));
        assert!(unknown.contains("coordinator's journal knows nothing"), "{unknown}");
        let refused = told(|j| {
            j[1].records.insert(4, record("not accepted", "site-b", b"header b", 6));
        });
        assert!(refused.contains("left out site-b") && refused.contains("none"), "{refused}");
        let other = told(|j| j[0].records[1].digest = Digest::of(b"forged"));
        assert!(other.contains("did not send"), "{other}");
        let two = told(|j| {
            j.remove(2);
            j[1].records[1].digest = Digest::of(b"second");
        });
        assert!(two.contains("the site sent two"), "{two}");
        let failed = told(|j| j[1].records[6].kind = "failed".into());
        assert!(failed.contains("node-2 failed the round"), "{failed}");
        // The first by its clock, where there are several.
        let both = told(|j| {
            j[1].records[4].digest = Digest::of(b"another set");
            j[0].records[1].digest = Digest::of(b"forged");
        });
        assert!(both.contains("did not send"), "{both}");
    }
}
