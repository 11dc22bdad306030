//! What this site has sent, from its own journal: a line a round that was charged.

use std::collections::BTreeMap;

use haima_crypto::encode::Digest;
use haima_smpc_node::record::AuditRecord;

/// A round that this site answered, or began to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) round: Digest,
    /// `task/run`.
    pub(super) place: String,
    /// Without noise.
    pub(super) exact: bool,
    /// When it was charged, unix milliseconds.
    pub(super) charged_ms: u64,
    /// When the answer was sealed; it is sent on the next tick. `None` where the charge is all.
    pub(super) sealed_ms: Option<u64>,
    /// Bytes of the answer, where the journal has them.
    pub(super) bytes: Option<u64>,
    /// Masked mode: over how many sites the sum is.
    pub(super) over: Option<String>,
}

/// The rounds of a journal, in its order.
pub(super) fn sent(records: &[AuditRecord]) -> Vec<Sent> {
    let mut rounds: Vec<Sent> = Vec::new();
    let mut places = BTreeMap::new();
    for record in records {
        match record.kind.as_str() {
            kind @ ("charged" | "charged exact") => {
                places.entry(record.round).or_insert(rounds.len());
                rounds.push(Sent {
                    round: record.round,
                    place: record.subject.clone(),
                    exact: kind == "charged exact",
                    charged_ms: record.at_ms,
                    sealed_ms: None,
                    bytes: None,
                    over: None,
                });
            }
            kind @ ("submitted" | "answered") => {
                let place = places.get(&record.round).copied();
                let Some(round) = place.and_then(|place: usize| rounds.get_mut(place)) else {
                    continue;
                };
                if kind == "submitted" {
                    round.sealed_ms = Some(record.at_ms);
                    round.bytes = bytes(&record.text);
                } else {
                    round.over = Some(record.text.clone());
                }
            }
            _ => {}
        }
    }
    rounds
}

/// Bytes of an answer, as the daemon notes them with it: `48216 bytes`. Journals of before have none.
fn bytes(text: &str) -> Option<u64> {
    text.strip_suffix(" bytes")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, round: &str, at_ms: u64, text: &str) -> AuditRecord {
        AuditRecord {
            party: "north".into(),
            at_ms,
            kind: kind.into(),
            round: Digest::of(round.as_bytes()),
            subject: "cox/1".into(),
            digest: Digest::default(),
            text: text.into(),
        }
    }

    #[test]
    fn a_round_is_a_line_whose_charge_comes_before_its_answer() {
        let sent = sent(&[
            record("went on from", "a", 1, ""),
            record("charged exact", "a", 2, "manifest"),
            record("submitted", "a", 3, "48216 bytes"),
            record("charged", "b", 4, "manifest"),
            record("submitted", "c", 5, ""),
            record("answered", "b", 6, "3 sites"),
        ]);
        let [a, b] = &sent[..] else { panic!("{sent:?}") };
        assert!(a.exact && !b.exact);
        assert_eq!((a.charged_ms, a.sealed_ms, &a.over), (2, Some(3), &None));
        assert_eq!((a.bytes, b.bytes), (Some(48216), None));
        assert_eq!((b.charged_ms, b.sealed_ms, b.over.as_deref()), (4, None, Some("3 sites")));
    }

    #[test]
    fn bytes_are_read_where_a_journal_has_them() {
        assert_eq!(bytes("7 bytes"), Some(7));
        for none in ["", "bytes", " bytes", "-1 bytes", "7", "7 bytes of a patient"] {
            assert_eq!(bytes(none), None, "{none}");
        }
    }
}
