//! How a node comes to its epoch: gather all nodes' offers, fix the record, exchange the parts.
//!
//! Runs once a manifest; after a restart everything comes from the store. An amended manifest is a
//! new epoch, and with it the keys of the one before are destroyed. Every step is
//! stored before the next. Peers are asked until they answer: without all of them no round can
//! be opened anyway.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::engine::{Engine, EpochReady};
use crate::Error;
use crate::epoch::{Epoch, Record, verify_offer};
use crate::record::Signed;

const RETRY: Duration = Duration::from_millis(200);

/// Sets the epoch up, however long the peers take.
///
/// # Errors
/// When this node cannot go on: its store fails, or its key is not that of its record.
pub(super) async fn set_up(engine: &Arc<Engine>) -> Result<(), Error> {
    let record = match engine.store.epoch_record(engine.manifest_digest()).await? {
        Some(record) => record,
        None => gather(engine).await?,
    };
    let epoch = record.verify(&engine.manifest)?;
    if epoch.offer(&engine.name)?.sealing != engine.epoch_keys.sealing.public() {
        return Err(Error::Key {
            party: engine.name.clone(),
            problem: "the epoch key is not the one of the stored epoch record; restore it".into(),
        });
    }
    let mut parts = BTreeMap::new();
    for peer in &engine.peers {
        let part = match engine.store.epoch_part(engine.manifest_digest(), peer.name()).await? {
            Some(sealed) => {
                engine.epoch_keys.open_part(&epoch, peer.name(), &engine.name, &sealed)?
            }
            None => ask_part(engine, &epoch, peer).await?,
        };
        parts.insert(peer.name().to_owned(), part);
    }
    let secret = engine.epoch_keys.secret(&epoch, &engine.name, &parts)?;
    // The keys of earlier manifests' epochs open nothing that is still wanted (rule R5).
    engine.destroy_old_keys().await?;
    tracing::info!(epoch = %epoch.digest.short(), "the nodes' epoch is set up");
    engine.epoch.send_replace(Some(Arc::new(EpochReady { record, epoch, secret })));
    Ok(())
}

/// This node's own offer.
pub(super) fn own_offer(engine: &Engine) -> Signed {
    engine.epoch_keys.offer(engine.manifest_digest(), &engine.name, &engine.key)
}

async fn gather(engine: &Arc<Engine>) -> Result<Record, Error> {
    let mut offers = Vec::with_capacity(engine.manifest.nodes.len());
    for node in &engine.manifest.nodes {
        if node.name == engine.name {
            offers.push(own_offer(engine));
            continue;
        }
        let Some(peer) = engine.peers.iter().find(|peer| peer.name() == node.name) else {
            continue;
        };
        offers.push(loop {
            match peer.epoch().await {
                Ok((offer, _)) => {
                    // A wrong offer is the peer's fault and may be mended by its operator.
                    match verify_offer(&offer, &engine.manifest, &node.name) {
                        Ok(_) => break offer,
                        Err(error) => tracing::warn!(%error, "epoch offer refused"),
                    }
                }
                Err(error) => tracing::debug!(%error, "no epoch offer yet"),
            }
            tokio::time::sleep(RETRY).await;
        });
    }
    let record = Record(offers);
    engine.store.fix_epoch_record(engine.manifest_digest(), &record).await
}

async fn ask_part(
    engine: &Arc<Engine>,
    epoch: &Epoch,
    peer: &crate::client::NodeClient,
) -> Result<haima_crypto::secret::Seed, Error> {
    loop {
        match peer.epoch_part(&epoch.digest).await {
            Ok(sealed) => {
                match engine.epoch_keys.open_part(epoch, peer.name(), &engine.name, &sealed) {
                    Ok(part) => {
                        engine
                            .store
                            .set_epoch_part(engine.manifest_digest(), peer.name(), &sealed)
                            .await?;
                        return Ok(part);
                    }
                    Err(error) => tracing::warn!(%error, "part of the epoch's secret refused"),
                }
            }
            Err(error @ Error::Refused { .. }) => {
                tracing::warn!(%error, "no part of the epoch's secret");
            }
            Err(error) => tracing::debug!(%error, "no part of the epoch's secret yet"),
        }
        tokio::time::sleep(RETRY).await;
    }
}
