//! Steps that a node's journal has and its store lacks. A step is in the store before it is in the
//! journal, so a store that lacks one was put back to an old copy: the node signed something that it
//! does not know any more, and takes no further step in that round (rule N3).
//!
//! Reads the store and changes nothing. It cannot tell a journal that was put back with the store.

use std::collections::{BTreeMap, BTreeSet};

use haima_crypto::encode::Digest;

use super::store::{Store, StoredRound};
use crate::Error;
use crate::record::AuditRecord;

/// The rounds of which the store has forgotten a step, each with one such step.
pub(super) async fn forgotten(
    store: &Store,
    records: &[AuditRecord],
) -> Result<BTreeMap<Digest, String>, Error> {
    let mut steps: BTreeMap<Digest, BTreeSet<&str>> = BTreeMap::new();
    for record in records {
        steps.entry(record.round).or_default().insert(&record.kind);
    }
    let mut forgotten = BTreeMap::new();
    for (round, kinds) in steps {
        let stored = store.round(&round).await?;
        if let Some(step) = kinds.into_iter().find(|kind| lacks(stored.as_ref(), kind)) {
            forgotten.insert(round, step.to_owned());
        }
    }
    Ok(forgotten)
}

/// Kinds of records that a round of the store comes before; of what it signed, those of
/// [`StoredRound::signed`]. A replica's journal has the steps that it took alone.
const STEPS: [&str; 6] = ["opened", "closed", "prepared", "agreed", "dealt", "committed"];

/// Whether a store lacks a step that the journal has. A round that was committed may still be failed
/// by a peer's word, which that peer repeats.
fn lacks(stored: Option<&StoredRound>, kind: &str) -> bool {
    let Some(stored) = stored else { return STEPS.contains(&kind) };
    let unsigned = stored.signed().iter().any(|(step, signed)| *step == kind && signed.is_none());
    unsigned || (kind == "failed" && stored.state != "failed" && stored.release.is_none())
}
