//! Shamir release: a node shares its noised sum again among all nodes, and adds what it was dealt to
//! its point ([`haima_crypto::reshare`]). Sub-shares are drawn and stored once, with the signed deal
//! that commits to them, and shown when the deals of all nodes are here.

use std::collections::BTreeMap;
use std::sync::Arc;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::reshare::{self, Point};
use haima_crypto::shamir::Threshold;
use zeroize::Zeroizing;

use super::drive::{NEVER, failed, noised_sum};
use super::engine::{Engine, Live};
use super::peers::{RETRY, WAIT, from_peers};
use crate::Error;
use crate::record::{Deal, Signed, sum_digest};
use crate::round::Ready;
use crate::spec::FieldKind;

/// Adds the accepted shares and this node's noise, shares the result again among all nodes, and
/// commits to the sub-shares.
#[tracing::instrument(skip_all)]
pub(super) async fn deal(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    ready: &Ready,
) -> Result<Signed, Error> {
    let round = live.context.digest;
    let sub_shares = match live.context.spec.shares()?.field {
        FieldKind::Bits64 => sub_shares::<Field64>(engine, live, ready).await?,
        FieldKind::Bits128 => sub_shares::<Field128>(engine, live, ready).await?,
    };
    let deal = Deal {
        round,
        node: engine.name.clone(),
        accepted: ready.accepted().digest(),
        shares: sub_shares.iter().map(|share| sum_digest(share)).collect(),
    };
    let signed = Signed::new(&deal, &engine.key);
    engine.store.deal(&round, &signed, &sub_shares).await?;
    engine.record("dealt", &round, "", &Digest::of(&signed.body), "").await;
    live.public.send_modify(|public| public.dealt = Some(signed.clone()));
    Ok(signed)
}

async fn sub_shares<F: Field>(
    engine: &Engine,
    live: &Live,
    ready: &Ready,
) -> Result<Vec<Zeroizing<Vec<u8>>>, Error> {
    let sum = noised_sum::<F>(engine, live, ready).await?;
    let nodes = u32::try_from(engine.manifest.nodes.len()).unwrap_or(u32::MAX);
    let threshold = Threshold::new(engine.manifest.release_quorum.unwrap_or(nodes), nodes)?;
    Ok(tokio::task::block_in_place(|| {
        reshare::deal(&sum, threshold, &mut crate::randomness::system())
    }))
}

/// All nodes' deals in the manifest's order, over this node's accepted set. From here it may show
/// its sub-shares.
#[tracing::instrument(skip_all)]
pub(super) async fn gather_deals(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    own: Signed,
    accepted: Digest,
) -> Result<Vec<Deal>, Error> {
    let round = live.context.digest;
    let mut signed = BTreeMap::from([(engine.name.clone(), own)]);
    for (peer, published) in from_peers(engine, live, NEVER, |p| p.dealt.is_some()).await? {
        signed.extend(published.dealt.map(|dealt| (peer, dealt)));
    }
    let nodes = engine.manifest.nodes.len();
    let mut deals = Vec::with_capacity(nodes);
    let mut commitments = Vec::with_capacity(nodes);
    for node in &engine.manifest.nodes {
        let missing = || failed(live, format!("no deal of {}", node.name));
        let signed = signed.remove(&node.name).ok_or_else(missing)?;
        let deal: Deal =
            signed.verify(&node.name, &engine.manifest.identity(&node.name)?, "deal")?;
        if (deal.round, &deal.node, deal.accepted) != (round, &node.name, accepted)
            || deal.shares.len() != nodes
        {
            return Err(failed(live, format!("{} dealt of another round or set", node.name)));
        }
        deals.push(deal);
        commitments.push((node.name.clone(), signed));
    }
    engine.store.hold_commitments(&round, "dealt", &commitments).await?;
    live.public.send_modify(|public| public.all_dealt = true);
    Ok(deals)
}

/// This node's point: the sum of the sub-shares that it was dealt, each checked against its deal.
#[tracing::instrument(skip_all)]
pub(super) async fn point<F: Field>(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    deals: &[Deal],
) -> Result<Vec<u8>, Error> {
    let round = live.context.digest;
    let len = live.context.spec.dimension();
    let mut point = Point::<F>::new(len);
    for deal in deals {
        let dealt = deal.shares.get(engine.position);
        let sub_share = match engine.peers.iter().find(|peer| peer.name() == deal.node) {
            None => own_sub_share(engine, live).await?,
            Some(peer) => loop {
                match peer.sub_share(&round, len * F::BYTES, WAIT).await {
                    Ok(share) if Some(&sum_digest(&share)) == dealt => break share,
                    Ok(_) => {
                        let problem = "its sub-share is not the one it committed to";
                        tracing::warn!(round = %round.short(), node = peer.name(), problem);
                        tokio::time::sleep(WAIT).await;
                    }
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
            },
        };
        point.add(&sub_share)?;
    }
    Ok(point.to_bytes())
}

async fn own_sub_share(engine: &Engine, live: &Live) -> Result<Zeroizing<Vec<u8>>, Error> {
    let party = u32::try_from(engine.position + 1).unwrap_or(u32::MAX);
    let len = live.context.spec.dimension() * live.context.spec.shares()?.field.bytes();
    let mut share = Zeroizing::new(Vec::with_capacity(len));
    for seq in 0.. {
        let Some(chunk) = engine.store.sum_chunk(&live.context.digest, party, seq).await? else {
            break;
        };
        share.extend_from_slice(&Zeroizing::new(chunk));
    }
    Ok(share)
}
