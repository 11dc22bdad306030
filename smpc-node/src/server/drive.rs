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
//! peer that failed has committed to nothing, so nothing of the round can have been released. Once
//! it has committed, it believes only a peer's signed word that it never will.
//!
//! It gives such a word itself only in the run in which it signed the accepted set: a store that was
//! put back since may have been one with a commitment. The word is signed once and stored in the
//! transaction that fails the round, which no replica does that knows the round in another state.
//!
//! While store or journal cannot be written, the round waits: neither fails it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::seal::Place;
use haima_crypto::share::Aggregate;
use zeroize::Zeroizing;

use super::deal::{deal, gather_deals, point};
use super::engine::{Engine, Live};
use super::metrics;
use super::peers::{RETRY, confirm_history, from_peers, gather_preps};
use super::public::Public;
use super::release::release;
use super::store::{Evidence, Failing, RENEW, StoredSubmission};
use crate::record::{Release, Signed, sum_digest};
use crate::round::{Agreed, Candidates, Closed, Collecting, Committed, Ready, Revealed};
use crate::spec::FieldKind;
use crate::submission::associated;
use crate::{Error, noise, proof, unix_millis};

/// Longest pause before a committed round that cannot go on is tried again.
const LONGEST: Duration = Duration::from_secs(30);

/// No time at which a signed round is given up.
pub(super) const NEVER: u64 = u64::MAX;

/// Drives a round to its end, or waits while another replica does.
#[tracing::instrument(name = "round", skip_all, fields(round = %live.context.digest.short()))]
pub(super) async fn drive(engine: Arc<Engine>, live: Arc<Live>) {
    let round = live.context.digest;
    let mut pause = RETRY;
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
        // Store and replicas are asked again soon; a peer whose answer does not verify, ever later.
        pause = match &error {
            Error::Store(_) | Error::Superseded { .. } | Error::NotReady { .. } => RETRY,
            _ => (pause * 2).min(LONGEST),
        };
        if live.public.borrow().outcome.is_none() {
            tokio::time::sleep(pause).await;
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

/// Takes the round as far as it goes, renewing the lease. An error says that the store failed, that
/// the lease is lost, or that another replica went ahead: the store tells then how far the round is.
async fn leased(engine: &Arc<Engine>, live: &Arc<Live>) -> Result<(), Error> {
    let round = live.context.digest;
    let replica = &engine.replica;
    let lost = async {
        loop {
            tokio::time::sleep(RENEW).await;
            if matches!(engine.store.lease(&round, replica).await, Ok(false))
                && matches!(engine.store.holds(&round, replica).await, Ok(false))
            {
                return;
            }
        }
    };
    let mut accepted_now = false;
    let ran = tokio::select! {
        ran = run(engine, live, &mut accepted_now) => ran,
        () = lost => Err(Error::Superseded { round: round.short(), step: "lease" }),
    };
    match ran {
        Ok(()) => metrics::round_ended("released"),
        Err(error @ (Error::Superseded { .. } | Error::Store(_))) => return Err(error),
        Err(error) => {
            fail(engine, live, error, accepted_now).await?;
            metrics::round_ended("failed");
        }
    }
    // What is told of a round that has ended is what the store has.
    refresh(engine, live).await
}

/// Fails the round, if it is where this replica knows it to be and may be failed there.
async fn fail(engine: &Engine, live: &Live, error: Error, accepted_now: bool) -> Result<(), Error> {
    let round = live.context.digest;
    let peer_gave_up = matches!(error, Error::GivenUp { .. });
    let known = live.public.borrow().state();
    if known == "committed" && !peer_gave_up {
        tracing::error!(round = %round.short(), %error, "committed, and it cannot go on");
        return Err(error);
    }
    let reason = match error {
        Error::RoundFailed { reason, .. } | Error::GivenUp { reason, .. } => reason,
        other => other.to_string(),
    };
    tracing::warn!(round = %round.short(), %reason, "round failed");
    let word = accepted_now.then(|| engine.given_up(&round));
    let failing = Failing { known, reason: &reason, word: word.as_ref(), peer_gave_up };
    engine.store.fail(&round, failing).await?;
    if let Err(error) = engine.log("failed", &round, "", &Digest::default(), &reason) {
        tracing::error!(round = %round.short(), %error, "the journal could not be written");
    }
    Ok(())
}

/// `accepted_now` is set as soon as this run signs the accepted set.
async fn run(engine: &Arc<Engine>, live: &Arc<Live>, accepted_now: &mut bool) -> Result<(), Error> {
    let spec = &live.context.spec;
    let until = spec.deadline_ms.saturating_add(engine.manifest.grace_ms);
    engine.remembers(&live.context.digest).map_err(|reason| failed(live, reason))?;
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
        *accepted_now = true;
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
            let point = match live.context.spec.shares()?.field {
                FieldKind::Bits64 => point::<Field64>(engine, live, &deals).await?,
                FieldKind::Bits128 => point::<Field128>(engine, live, &deals).await?,
            };
            commit(engine, live, accepted, &point).await?
        }
        None => {
            let ready = gather_signatures(engine, live, agreed).await?;
            let sum = match live.context.spec.shares()?.field {
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
    engine.record("closed", &round, "", &Digest::of(&signed.body), "").await;
    live.public.send_modify(|public| public.held = Some(signed));
    closed.ok_or_else(|| failed(live, "it closed without a held set".into()))
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
    engine.record("prepared", &round, "", &Digest::of(&signed.body), &text).await;
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
            engine.record("not accepted", &round, site, header, &text).await;
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
    let one_at_a_time = engine.store.guard("agreeing").await?;
    let exact = engine.store.first_exact_set().await?;
    let (agreed, signed) = revealed.agree(&failed, &engine.key, exact.as_ref())?;
    engine.store.set_accepted(&round, &signed).await?;
    drop(one_at_a_time);
    engine.record("agreed", &round, "", &Digest::of(&signed.body), "").await;
    live.public.send_modify(|public| public.accepted = Some(signed));
    Ok(agreed)
}

/// This node's own preparation shares, in the candidates' order.
pub(super) async fn own_preps(
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
    engine.record("committed", &round, "", &Digest::of(&signed.body), "").await;
    live.public.send_modify(|public| public.release = Some(signed.clone()));
    Ok(signed)
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

pub(super) async fn noised_sum<F: Field>(
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

pub(super) fn failed(live: &Live, reason: String) -> Error {
    Error::RoundFailed {
        round: live.context.digest.short(),
        party: live.context.node.clone(),
        reason,
    }
}
