//! Records that a stop kept from the journal: a step is in the store before it is in the journal,
//! so a process that ends between the two leaves its record out. At its start a node writes what
//! its journal lacks. Replicas that share a store keep a journal each and leave it as it is.

use std::collections::BTreeSet;

use haima_crypto::encode::Digest;

use super::engine::Engine;
use super::store::StoredRound;
use crate::Error;
use crate::audit::Event;
use crate::record::AuditRecord;

/// Rounds of the store that are looked at together.
const PAGE: u32 = 1_000;
/// What a record says that was written late.
const LATE: &str = "written at a later start";

/// A record that a round must have: kind, subject, digest and text.
type Expected = (&'static str, String, Digest, String);

/// Writes what the journal lacks of the rounds in the store.
pub(super) async fn mend(engine: &Engine, records: &[AuditRecord]) -> Result<(), Error> {
    if engine.store.shared() {
        return Ok(());
    }
    let there: BTreeSet<(&str, Digest, &str)> = records
        .iter()
        .map(|record| (record.kind.as_str(), record.round, record.subject.as_str()))
        .collect();
    let mut last = 0;
    loop {
        let page = engine.store.after(last, PAGE).await?;
        for (number, round, _) in &page {
            last = *number;
            let Some(stored) = engine.store.round(round).await? else { continue };
            let lacking: Vec<Expected> = expected(engine, round, &stored)
                .await?
                .into_iter()
                .filter(|(kind, subject, _, _)| !there.contains(&(*kind, *round, subject.as_str())))
                .collect();
            let events: Vec<Event<'_>> = lacking
                .iter()
                .map(|(kind, subject, digest, text)| Event { kind, round, subject, digest, text })
                .collect();
            engine.log_all(&events)?;
        }
        if page.len() < PAGE as usize {
            return Ok(());
        }
    }
}

async fn expected(
    engine: &Engine,
    round: &Digest,
    stored: &StoredRound,
) -> Result<Vec<Expected>, Error> {
    let late = || LATE.to_owned();
    let coordinator = engine.manifest.coordinator.name.clone();
    let mut records = vec![("opened", coordinator, *round, late())];
    for (site, header) in engine.store.submitted(round).await? {
        records.push(("accepted", site, header, late()));
    }
    for (kind, signed) in stored.signed() {
        if let Some(signed) = signed {
            records.push((kind, String::new(), Digest::of(&signed.body), late()));
        }
    }
    let spec = &stored.spec;
    match stored.state.as_str() {
        "failed" => {
            let reason = stored.reason.clone().unwrap_or_default();
            records.push(("failed", String::new(), Digest::default(), reason));
        }
        "released" => {
            let released = engine.store.released(&spec.task_id, spec.run, spec.step).await?;
            records.push(("released", String::new(), released.unwrap_or_default(), late()));
        }
        _ => {}
    }
    Ok(records)
}
