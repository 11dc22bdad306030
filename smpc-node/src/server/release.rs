//! The end of a round at a node: with what all nodes committed to, its answer may be shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use haima_crypto::encode::Digest;

use super::drive::{NEVER, failed};
use super::engine::{Engine, Live};
use super::peers::{RETRY, from_peer};
use crate::Error;
use crate::client::{NodeClient, Published, Stage};
use crate::record::{AcceptedSet, NodeRecord, Release, Signed, released_digest};

/// What a peer tells of a round that is to be released.
type Told = Result<Vec<NodeRecord>, Error>;

/// Waits for the commitments of all nodes; then this node's answer may be shown. A peer that has
/// released tells what all signed, so that none is waited for that was lost after it committed.
///
/// A record that does not verify, or is not of this round and set, counts for nothing and fails
/// nothing: this node has committed, and others may have released.
#[tracing::instrument(skip_all)]
pub(super) async fn release(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    own: Signed,
) -> Result<(), Error> {
    let round = live.context.digest;
    let of_own = live.public.borrow().accepted.clone();
    let of_own = of_own.ok_or_else(|| failed(live, "it committed without a set".into()))?;
    let key = engine.manifest.identity(&engine.name)?;
    let accepted = own.verify::<Release>(&engine.name, &key, "release")?.accepted;
    let own = NodeRecord { node: engine.name.clone(), accepted: of_own.signature, release: own };
    let mut records = BTreeMap::from([(engine.name.clone(), own)]);
    let nodes = engine.manifest.nodes.len();
    let (tell, mut told) = tokio::sync::mpsc::channel(nodes);
    let mut asking = tokio::task::JoinSet::new();
    for peer in engine.peers.clone() {
        let (engine, live, tell) = (Arc::clone(engine), Arc::clone(live), tell.clone());
        asking.spawn(async move {
            if let Err(error) = of_peer(&engine, &live, &peer, &tell).await {
                let _ = tell.send(Err(error)).await;
            }
        });
    }
    drop(tell);
    while records.len() < nodes {
        let Some(told) = told.recv().await else {
            return Err(failed(live, "a peer committed to nothing".into()));
        };
        for record in told? {
            if let Err(error) = check(engine, live, &record, &of_own.body, accepted) {
                tracing::error!(round = %round.short(), %error, "a record of a release is not used");
                continue;
            }
            let node = record.node.clone();
            match records.get(&node) {
                Some(known) if known.release.body != record.release.body => {
                    let both = [&known.release, &record.release].map(|one| Digest::of(&one.body));
                    let text = format!("it signed two releases: {} and {}", both[0], both[1]);
                    tracing::error!(round = %round.short(), %node, "{text}");
                    engine.record("two releases", &round, &node, &both[1], &text).await;
                }
                Some(_) => {}
                None => {
                    records.insert(node, record);
                }
            }
        }
    }
    let in_order: Vec<NodeRecord> =
        engine.manifest.nodes.iter().filter_map(|node| records.remove(&node.name)).collect();
    let released = released_digest(in_order.iter().map(|record| &record.release));
    engine.store.release(&round, &released, &in_order).await?;
    engine.record("released", &round, "", &released, "").await;
    Ok(())
}

/// Tells what a peer signed for the release, and what all nodes did once it has released, as long as
/// anybody listens.
async fn of_peer(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    peer: &NodeClient,
    tell: &tokio::sync::mpsc::Sender<Told>,
) -> Result<(), Error> {
    let past = |stage: Stage| stage as u32;
    let mut have = past(Stage::Dealt);
    loop {
        let news = |published: &Published| {
            !published.records.is_empty()
                || published.accepted.is_some() && published.release.is_some()
        };
        let published = from_peer(engine, live, peer, have, NEVER, news).await?;
        let mut records = published.records;
        if let (Some(accepted), Some(release)) = (published.accepted, published.release) {
            let accepted = accepted.signature;
            records.push(NodeRecord { node: peer.name().to_owned(), accepted, release });
        }
        if tell.send(Ok(records)).await.is_err() {
            return Ok(());
        }
        // Asked again: it may release, and tell what all signed.
        have = past(Stage::Committed);
        tokio::time::sleep(RETRY).await;
    }
}

/// Checks what a node signed, from itself or from another one.
fn check(
    engine: &Engine,
    live: &Live,
    record: &NodeRecord,
    body: &[u8],
    accepted: Digest,
) -> Result<(), Error> {
    let node = engine.manifest.node(&record.node)?.1;
    let key = engine.manifest.identity(&node.name)?;
    let set = Signed { body: body.to_vec(), signature: record.accepted };
    set.verify::<AcceptedSet>(&node.name, &key, "accepted set")?;
    let release: Release = record.release.verify(&node.name, &key, "release")?;
    if (release.round, &release.node, release.accepted)
        != (live.context.digest, &node.name, accepted)
    {
        return Err(failed(live, format!("{} committed to another round or set", node.name)));
    }
    Ok(())
}
