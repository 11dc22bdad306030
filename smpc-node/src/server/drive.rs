//! The course of one round at a node: collect, close, prepare, agree, (deal,) commit, release; or
//! fail, for good.
//!
//! Each signature is stored before it is published. A node commits to its noised sum by a signed
//! digest, and shows the sum only when it holds the commitments of all nodes: so no node can fit
//! its own sum to the others' (rule X3).
//!
//! With a release quorum (Shamir release) a node first deals its noised sum to all nodes: it signs
//! the digests of the sub-shares, and shows them when it holds the deals of all. What it commits to
//! and releases is then its point, the sum of the sub-shares that it was dealt. From the moment at
//! which one node has released, it tells the others what all signed: a node may be lost then.
//!
//! Until it has signed an accepted set, a node gives a round up when time is over. After that it
//! waits for its peers as long as it takes, and fails only when one of them says that it failed: a
//! peer that failed has committed to nothing, so nothing of the round can have been released.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::reshare::{self, Point};
use haima_crypto::seal::Place;
use haima_crypto::shamir::Threshold;
use haima_crypto::share::Aggregate;
use zeroize::Zeroizing;

use super::engine::{Ended, Engine, Live, Public};
use super::metrics;
use super::store::{Evidence, RENEW, StoredSubmission};
use crate::client::{NodeClient, Published};
use crate::record::{
    AcceptedSet, Deal, HeldSet, NodeRecord, Release, Signed, released_digest, sum_digest,
};
use crate::round::{Agreed, Candidates, Closed, Collecting, Committed, Ready, Revealed};
use crate::spec::FieldKind;
use crate::submission::associated;
use crate::{Error, noise, proof, unix_millis};

/// How long a peer may hold an exchange call open.
const WAIT: Duration = Duration::from_millis(1000);
/// Pause after a peer could not be reached.
const RETRY: Duration = Duration::from_millis(100);
/// Pause before a peer is asked again that had no news.
const PAUSE: Duration = Duration::from_millis(5);
/// What a node has of a peer that it waits for to commit, and for to release, as the protocol
/// counts it.
const COMMITTED: u32 = 4;
const RELEASED: u32 = 5;
/// No time at which a signed round is given up.
const NEVER: u64 = u64::MAX;

/// Drives a round to its end, or waits while another replica does.
#[tracing::instrument(name = "round", skip_all, fields(round = %live.context.digest.short()))]
pub(super) async fn drive(engine: Arc<Engine>, live: Arc<Live>) {
    let round = live.context.digest;
    while live.public.borrow().outcome.is_none() {
        let error = match engine.store.lease(&round, &engine.replica).await {
            Ok(true) => match leased(&engine, &live).await {
                Ok(()) => Error::NotReady { party: engine.name.clone(), reason: String::new() },
                Err(error) => error,
            },
            Ok(false) => Error::Superseded { round: round.short(), step: "lease" },
            Err(error) => error,
        };
        if let Error::Store(_) = &error {
            tracing::error!(round = %round.short(), %error, "the store failed; trying again");
        }
        if live.public.borrow().outcome.is_none() {
            tokio::time::sleep(RETRY).await;
            if let Err(error) = refresh(&engine, &live).await {
                tracing::warn!(round = %round.short(), %error, "the round could not be read");
            }
        }
    }
    engine.forget(&round);
}

/// What the store has of the round, into memory.
async fn refresh(engine: &Engine, live: &Live) -> Result<(), Error> {
    let round = live.context.digest;
    let Some(stored) = engine.store.round(&round).await? else { return Ok(()) };
    let public = Public::of(&engine.store, engine.manifest.nodes.len(), &stored).await?;
    live.held.send_replace(engine.store.held(&round).await?);
    live.public.send_replace(public);
    Ok(())
}

/// Takes the round as far as it goes, renewing the lease. An error says that the store failed or
/// that another replica went ahead: the store tells then how far the round is.
async fn leased(engine: &Arc<Engine>, live: &Arc<Live>) -> Result<(), Error> {
    let round = live.context.digest;
    let renewing = async {
        loop {
            tokio::time::sleep(RENEW).await;
            // One that is lost changes nothing: states are left once.
            let _ = engine.store.lease(&round, &engine.replica).await;
        }
    };
    let ran = tokio::select! {
        ran = run(engine, live) => ran,
        () = renewing => Ok(()),
    };
    let ended = match ran {
        Ok(()) => Ended::Released,
        Err(error @ (Error::Superseded { .. } | Error::Store(_))) => return Err(error),
        Err(error) => {
            let reason = match error {
                Error::RoundFailed { reason, .. } => reason,
                other => other.to_string(),
            };
            tracing::warn!(round = %round.short(), %reason, "round failed");
            engine.store.fail(&round, &reason).await?;
            if let Err(error) = engine.log("failed", &round, "", &Digest::default(), &reason) {
                tracing::error!(round = %round.short(), %error, "the journal could not be written");
            }
            Ended::Failed(reason)
        }
    };
    metrics::round_ended(if matches!(ended, Ended::Released) { "released" } else { "failed" });
    live.public.send_modify(|public| public.outcome = Some(ended));
    Ok(())
}

async fn run(engine: &Arc<Engine>, live: &Arc<Live>) -> Result<(), Error> {
    let spec = &live.context.spec;
    let until = spec.deadline_ms.saturating_add(engine.manifest.grace_ms);
    let resumed = live.public.borrow().clone();
    if resumed.accepted.is_none() && unix_millis() > spec.deadline_ms {
        return Err(failed(live, "this node was restarted after the deadline (rule R9)".into()));
    }
    let agreed = if let Some(own) = &resumed.accepted {
        Agreed::resume(live.context.clone(), own)?
    } else {
        let committed = match &resumed.prepared {
            Some(own) => Committed::resume(live.context.clone(), own)?,
            None => {
                let closed = match &resumed.held {
                    Some(own) => Closed::resume(live.context.clone(), own)?,
                    None => close(engine, live, until).await?,
                };
                prepare(engine, live, candidates(engine, live, closed, until).await?).await?
            }
        };
        agree(engine, live, committed, until).await?
    };
    let own = match resumed.release {
        Some(own) => own,
        None if engine.manifest.release_quorum.is_some() => {
            let (own, accepted) = match resumed.dealt {
                Some(own) => (own, agreed.digest()),
                None => {
                    let ready = gather_signatures(engine, live, agreed).await?;
                    (deal(engine, live, &ready).await?, ready.accepted().digest())
                }
            };
            let deals = gather_deals(engine, live, own, accepted).await?;
            let point = match live.context.spec.field {
                FieldKind::Bits64 => point::<Field64>(engine, live, &deals).await?,
                FieldKind::Bits128 => point::<Field128>(engine, live, &deals).await?,
            };
            commit(engine, live, accepted, &point).await?
        }
        None => {
            let ready = gather_signatures(engine, live, agreed).await?;
            let sum = match live.context.spec.field {
                FieldKind::Bits64 => noised_sum::<Field64>(engine, live, &ready).await?.to_bytes(),
                FieldKind::Bits128 => {
                    noised_sum::<Field128>(engine, live, &ready).await?.to_bytes()
                }
            };
            commit(engine, live, ready.accepted().digest(), &sum).await?
        }
    };
    release(engine, live, own).await
}

/// Waits until all sites have submitted or the deadline has passed, then signs the held set.
#[tracing::instrument(skip_all)]
async fn close(engine: &Arc<Engine>, live: &Arc<Live>, until: u64) -> Result<Closed, Error> {
    let all = engine.manifest.sites.len();
    let round = live.context.digest;
    let mut held = live.held.subscribe();
    let left = Duration::from_millis(live.context.spec.deadline_ms.saturating_sub(unix_millis()));
    let complete = async {
        if engine.store.shared() {
            // Submissions come to any replica.
            while engine.store.held(&round).await? < all {
                tokio::time::sleep(RETRY).await;
            }
        } else {
            let _ = held.wait_for(|held| *held >= all).await;
        }
        Ok::<_, Error>(())
    };
    if let Ok(counted) = tokio::time::timeout(left, complete).await {
        counted?;
    }
    confirm_history(engine, live, until).await?;
    let context = live.context.clone();
    let mut closed = None;
    let sign = |stored| {
        let (state, signed) = Collecting::new(context, stored).close(&engine.key);
        closed = Some(state);
        signed
    };
    let signed = engine.store.close(&round, sign).await?;
    engine.log("closed", &round, "", &Digest::of(&signed.body), "")?;
    live.public.send_modify(|public| public.held = Some(signed));
    closed.ok_or_else(|| failed(live, "it closed without a held set".into()))
}

/// Rule N3: no work on a round that a peer has seen this node sign, or on an earlier one, unless
/// this node's own store has that very signature. A store restored from an old copy has not.
async fn confirm_history(engine: &Engine, live: &Live, until: u64) -> Result<(), Error> {
    for peer in &engine.peers {
        let seen = loop {
            match peer.seen().await {
                Ok(seen) => break seen,
                Err(error) if unix_millis() > until => return Err(absent(live, peer, &error)),
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        };
        if let Some((number, held)) = seen
            && number >= live.context.spec.number
            && engine.store.own_held(number).await? != Some(held)
        {
            return Err(failed(
                live,
                format!(
                    "{} has seen this node's signature in round {number}, which its store does \
                     not know: it was restored from an old copy (rule N3)",
                    peer.name()
                ),
            ));
        }
    }
    Ok(())
}

#[tracing::instrument(skip_all)]
async fn candidates(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    mut closed: Closed,
    until: u64,
) -> Result<Candidates, Error> {
    for (peer, published) in from_peers(engine, live, until, |p| p.held.is_some()).await? {
        if let Some(held) = published.held {
            closed.held(&peer, &held)?;
        }
    }
    closed.candidates()
}

/// Makes this node's preparation share of every candidate, once, and commits to them (rule R4).
#[tracing::instrument(skip_all)]
async fn prepare(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    candidates: Candidates,
) -> Result<Committed, Error> {
    let round = live.context.digest;
    let key = engine.ready().await?.secret.verify_key(&live.context.spec.manifest, &round);
    let sites: Vec<String> = candidates.headers().sites().map(str::to_owned).collect();
    let mut preps = Vec::with_capacity(sites.len());
    for site in &sites {
        let stored = engine.store.submission(&round, site).await?;
        let share = share(engine, live, &stored).await;
        let prep = share.and_then(|share| {
            tokio::task::block_in_place(|| {
                let (nonce, public) = (&stored.header.nonce, &stored.public);
                live.proof.prep(&key, engine.position, nonce, public, &share)
            })
        });
        preps.push(match prep {
            Ok(prep) => prep,
            Err(error @ Error::Store(_)) => return Err(error),
            // Bytes that no decoder takes: the site is left out, and the round goes on.
            Err(error) => {
                tracing::warn!(round = %round.short(), %site, %error, "share cannot be prepared");
                vec![0xff; live.proof.prep_len()]
            }
        });
    }
    let (committed, signed) = candidates.commit(&preps, &engine.key);
    let rows: Vec<(String, Vec<u8>)> = sites.into_iter().zip(preps).collect();
    engine.store.set_prepared(&round, &signed, &rows).await?;
    let text = format!("{} candidates", rows.len());
    engine.log("prepared", &round, "", &Digest::of(&signed.body), &text)?;
    live.public.send_modify(|public| public.prepared = Some(signed));
    Ok(committed)
}

/// With all nodes' preparation shares: which proofs hold. Signs the accepted set.
#[tracing::instrument(skip_all)]
async fn agree(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    mut committed: Committed,
    until: u64,
) -> Result<Agreed, Error> {
    let round = live.context.digest;
    let own = live.public.borrow().prepared.clone();
    let mut commitments: Vec<(String, Signed)> =
        own.into_iter().map(|own| (engine.name.clone(), own)).collect();
    for (peer, published) in from_peers(engine, live, until, |p| p.prepared.is_some()).await? {
        if let Some(prepared) = published.prepared {
            committed.prepared(&peer, &prepared)?;
            commitments.push((peer, prepared));
        }
    }
    let revealed = committed.reveal()?;
    // Before anything is shown: a peer is held to its first commitment, also over a restart.
    engine.store.hold_commitments(&round, "prepared", &commitments).await?;
    live.public.send_modify(|public| public.revealed = true);
    let preps = gather_preps(engine, live, &revealed, until).await?;
    let mut evidence = Vec::new();
    for (index, (site, header)) in revealed.candidates().entries().iter().enumerate() {
        let public = engine.store.submission(&round, site).await?.public;
        let of_site: Vec<&[u8]> =
            preps.iter().filter_map(|(_, of_node)| of_node.get(index)).map(Vec::as_slice).collect();
        let decision = tokio::task::block_in_place(|| live.proof.decide(&public, &of_site));
        if let Err(error) = decision {
            let text = format!("not accepted: the site or a node deviated ({error})");
            tracing::warn!(round = %round.short(), %site, %error, "proof failed");
            engine.log("not accepted", &round, site, header, &text)?;
            let nodes = preps.iter().map(|(node, _)| node.clone());
            let preps = nodes.zip(of_site.into_iter().map(<[u8]>::to_vec)).collect();
            evidence.push(Evidence { site: site.clone(), preps });
        }
    }
    // Before anything that may end the round.
    engine.store.add_evidence(&round, &evidence).await?;
    let failed: BTreeSet<String> = evidence.iter().map(|one| one.site.clone()).collect();
    // From reading the study's first exact set to storing an accepted set, so that two exact rounds
    // cannot both be the first (rule X2).
    let _one_at_a_time = engine.store.guard("agreeing").await?;
    let exact = engine.store.first_exact_set().await?;
    let (agreed, signed) = revealed.agree(&failed, &engine.key, exact.as_ref())?;
    engine.store.set_accepted(&round, &signed).await?;
    engine.log("agreed", &round, "", &Digest::of(&signed.body), "")?;
    live.public.send_modify(|public| public.accepted = Some(signed));
    Ok(agreed)
}

/// Every node's preparation shares in the manifest's order of nodes, checked against commitments.
async fn gather_preps(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    revealed: &Revealed,
    until: u64,
) -> Result<Vec<(String, Vec<Vec<u8>>)>, Error> {
    let round = live.context.digest;
    let count = revealed.candidates().entries().len();
    let mut all = Vec::with_capacity(engine.manifest.nodes.len());
    for node in &engine.manifest.nodes {
        let preps = match engine.peers.iter().find(|peer| peer.name() == node.name) {
            None => own_preps(engine, live, revealed).await?,
            Some(peer) => loop {
                let left = Duration::from_millis(until.saturating_sub(unix_millis()));
                let asked = peer.preps(&round, count, live.proof.prep_len(), WAIT);
                let answer = tokio::time::timeout(left.max(WAIT), asked).await;
                match answer.unwrap_or_else(|_| Err(failed(live, "too slow".into()))) {
                    Ok(preps) => break preps,
                    Err(error) if unix_millis() > until => return Err(absent(live, peer, &error)),
                    // A peer that gave up serves none: hear its reason.
                    Err(_) => {
                        if let Ok(Published { failed: Some(reason), .. }) =
                            peer.exchange(&round, 0, Duration::ZERO).await
                        {
                            let reason = format!("{} gave the round up: {reason}", peer.name());
                            return Err(failed(live, reason));
                        }
                        tokio::time::sleep(RETRY).await;
                    }
                }
            },
        };
        revealed.check(&node.name, &preps)?;
        all.push((node.name.clone(), preps));
    }
    Ok(all)
}

/// This node's own preparation shares, in the candidates' order.
async fn own_preps(
    engine: &Engine,
    live: &Live,
    revealed: &Revealed,
) -> Result<Vec<Vec<u8>>, Error> {
    let mut preps = Vec::with_capacity(revealed.candidates().entries().len());
    for site in revealed.candidates().sites() {
        let prep = engine.store.prep(&live.context.digest, site).await?;
        preps.push(prep.ok_or_else(|| failed(live, "a preparation share is gone".into()))?);
    }
    Ok(preps)
}

#[tracing::instrument(skip_all)]
async fn gather_signatures(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    mut agreed: Agreed,
) -> Result<Ready, Error> {
    for (peer, published) in from_peers(engine, live, NEVER, |p| p.accepted.is_some()).await? {
        if let Some(accepted) = published.accepted {
            agreed.accepted(&peer, &accepted)?;
        }
    }
    agreed.finish()
}

/// Asks all peers at once until each has published what is wanted, or time is up.
async fn from_peers(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    until: u64,
    wanted: fn(&Published) -> bool,
) -> Result<Vec<(String, Published)>, Error> {
    let have = {
        let public = live.public.borrow();
        let steps = [&public.dealt, &public.accepted, &public.prepared];
        let last = [3, 2, 1].into_iter().zip(steps).find(|(_, step)| step.is_some());
        last.map_or(0, |(have, _)| have)
    };
    let mut asking = tokio::task::JoinSet::new();
    for peer in engine.peers.clone() {
        let (live, engine) = (Arc::clone(live), Arc::clone(engine));
        asking.spawn(async move {
            let published = from_peer(&engine, &live, &peer, have, until, wanted).await?;
            Ok((peer.name().to_owned(), published))
        });
    }
    let mut answers = Vec::new();
    while let Some(answer) = asking.join_next().await {
        let answer: Result<_, Error> = answer.map_err(|e| failed(live, e.to_string()))?;
        answers.push(answer?);
    }
    Ok(answers)
}

/// Asks a peer until it has published what is wanted, or time is up.
async fn from_peer(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    peer: &NodeClient,
    have: u32,
    until: u64,
    wanted: fn(&Published) -> bool,
) -> Result<Published, Error> {
    loop {
        let answer = peer.exchange(&live.context.digest, have, WAIT).await;
        if let Ok(Published { held: Some(held), .. }) = &answer {
            remember(engine, live, peer.name(), held).await?;
        }
        let error = match answer {
            Ok(published) if wanted(&published) => return Ok(published),
            Ok(Published { failed: Some(reason), .. }) => {
                let reason = format!("{} gave the round up: {reason}", peer.name());
                return Err(failed(live, reason));
            }
            Ok(_) => None,
            Err(error) => Some(error),
        };
        if unix_millis() > until {
            return Err(match error {
                Some(error) => absent(live, peer, &error),
                None => failed(live, format!("{} did not get ready", peer.name())),
            });
        }
        // A peer that answers at once without news gets no busy loop either.
        tokio::time::sleep(if error.is_some() { RETRY } else { PAUSE }).await;
    }
}

/// Rule N3: that a peer signed for this round is kept as soon as it is seen, whatever becomes of
/// the round.
async fn remember(engine: &Engine, live: &Live, peer: &str, held: &Signed) -> Result<(), Error> {
    let key = engine.manifest.identity(peer)?;
    let set: HeldSet = held.verify(peer, &key, "held set")?;
    if set.round == live.context.digest && set.node == peer {
        engine.store.saw(peer, live.context.spec.number, &Digest::of(&held.body)).await?;
    }
    Ok(())
}

/// Adds the accepted shares and this node's noise, shares the result again among all nodes, and
/// commits to the sub-shares.
#[tracing::instrument(skip_all)]
async fn deal(engine: &Arc<Engine>, live: &Arc<Live>, ready: &Ready) -> Result<Signed, Error> {
    let round = live.context.digest;
    let sub_shares = match live.context.spec.field {
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
    engine.log("dealt", &round, "", &Digest::of(&signed.body), "")?;
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
    Ok(tokio::task::block_in_place(|| reshare::deal(&sum, threshold, &mut rand::rng())))
}

/// All nodes' deals in the manifest's order, over this node's accepted set. From here it may show
/// its sub-shares.
#[tracing::instrument(skip_all)]
async fn gather_deals(
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
async fn point<F: Field>(
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
    let len = live.context.spec.dimension() * live.context.spec.field.bytes();
    let mut share = Zeroizing::new(Vec::with_capacity(len));
    for seq in 0.. {
        let Some(chunk) = engine.store.sum_chunk(&live.context.digest, party, seq).await? else {
            break;
        };
        share.extend_from_slice(&Zeroizing::new(chunk));
    }
    Ok(share)
}

/// Commits to this node's answer: its noised sum, or its point.
#[tracing::instrument(skip_all)]
async fn commit(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    accepted: Digest,
    answer: &[u8],
) -> Result<Signed, Error> {
    let round = live.context.digest;
    let node = engine.name.clone();
    let release = Release { round, node, accepted, sum: sum_digest(answer) };
    let signed = Signed::new(&release, &engine.key);
    engine.store.commit(&round, &signed, answer).await?;
    engine.log("committed", &round, "", &Digest::of(&signed.body), "")?;
    live.public.send_modify(|public| public.release = Some(signed.clone()));
    Ok(signed)
}

/// With the commitments of all nodes: this node's answer may be shown. A peer that has released
/// tells what all signed, so that none is waited for that was lost after it committed.
#[tracing::instrument(skip_all)]
async fn release(engine: &Arc<Engine>, live: &Arc<Live>, own: Signed) -> Result<(), Error> {
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
            let node = record.node.clone();
            check_record(engine, live, &record, &of_own.body, accepted)?;
            records.insert(node, record);
        }
    }
    let in_order: Vec<NodeRecord> =
        engine.manifest.nodes.iter().filter_map(|node| records.remove(&node.name)).collect();
    let released = released_digest(in_order.iter().map(|record| &record.release));
    engine.store.release(&round, &released, &in_order).await?;
    engine.log("released", &round, "", &released, "")
}

/// Tells what a peer signed for the release, and then what all nodes did once it has released.
async fn of_peer(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    peer: &NodeClient,
    tell: &tokio::sync::mpsc::Sender<Result<Vec<NodeRecord>, Error>>,
) -> Result<(), Error> {
    let published =
        from_peer(engine, live, peer, COMMITTED, NEVER, |p| p.release.is_some()).await?;
    let (Some(accepted), Some(release)) = (published.accepted, published.release) else {
        return Err(failed(live, format!("{} committed without a set", peer.name())));
    };
    let own = NodeRecord { node: peer.name().to_owned(), accepted: accepted.signature, release };
    let _ = tell.send(Ok(vec![own])).await;
    let all = |published: &Published| !published.records.is_empty();
    let published = from_peer(engine, live, peer, RELEASED, NEVER, all).await?;
    let _ = tell.send(Ok(published.records)).await;
    Ok(())
}

/// Checks what a node signed, from itself or from another one.
fn check_record(
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

/// A site's share from the store, opened: one at a time is in memory.
async fn share(
    engine: &Engine,
    live: &Live,
    stored: &StoredSubmission,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let StoredSubmission { header, digest, chunk_key, .. } = stored;
    let (round, site) = (live.context.digest, header.site.as_str());
    let erased = || failed(live, "the shares are erased already".into());
    let rest = live.rest.as_ref().ok_or_else(erased)?;
    let key = rest.chunks(digest, chunk_key.as_ref().ok_or_else(erased)?)?;
    let node = (engine.position, engine.name.as_str());
    let (spec, public) = (&live.context.spec, &header.public_share);
    let aad = associated(spec, &round, site, node, header.nonce, public);
    let len = live.proof.share_len(engine.position);
    let count = haima_crypto::seal::chunks(len);
    // Grown once: a buffer that moves leaves copies behind.
    let mut share = Zeroizing::new(Vec::with_capacity(len));
    for index in 0..count {
        let place = Place::of(index, count)?;
        let missing = || Error::Store(format!("a chunk of {site}'s share is missing"));
        let chunk = engine.store.chunk(&round, site, place.index).await?.ok_or_else(missing)?;
        let mut chunk = Zeroizing::new(chunk);
        tokio::task::block_in_place(|| key.open(place, &aad, &mut chunk))?;
        share.extend_from_slice(&chunk);
    }
    Ok(share)
}

async fn noised_sum<F: Field>(
    engine: &Engine,
    live: &Live,
    ready: &Ready,
) -> Result<Aggregate<F>, Error> {
    let context = ready.context();
    let len = context.spec.dimension();
    let mut sum = Aggregate::<F>::new(engine.position, len);
    for site in ready.accepted().headers.sites() {
        let stored = engine.store.submission(&context.digest, site).await?;
        let share = share(engine, live, &stored).await?;
        tokio::task::block_in_place(|| {
            let nodes = engine.manifest.nodes.len();
            proof::accumulate(&context.spec, nodes, engine.position, &share, &mut sum)
        })?;
    }
    let accepted = ready.accepted().digest();
    let noise = noise::draw(&engine.noise, &context.digest, &accepted, context.spec.event, len)?;
    sum.add_integers(&noise)?;
    Ok(sum)
}

fn failed(live: &Live, reason: String) -> Error {
    Error::RoundFailed {
        round: live.context.digest.short(),
        party: live.context.node.clone(),
        reason,
    }
}

fn absent(live: &Live, peer: &NodeClient, error: &Error) -> Error {
    let name = peer.name();
    failed(live, format!("node {name} did not come back before the deadline: {error}"))
}
