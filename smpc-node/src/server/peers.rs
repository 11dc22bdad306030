//! What a node asks the other nodes in a round: for what they have signed, and for their preparation
//! shares; until it is there, the round is given up, or time is over.

use std::sync::Arc;
use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest};

use super::drive::{failed, own_preps};
use super::engine::{Engine, Live};
use crate::client::{NodeClient, Published};
use crate::record::{GivenUp, HeldSet, Signed};
use crate::round::Revealed;
use crate::spec::RoundSpec;
use crate::{Error, unix_millis};

/// How long a peer may hold a call open.
pub(super) const WAIT: Duration = Duration::from_millis(1000);
/// Pause after a peer could not be reached.
pub(super) const RETRY: Duration = Duration::from_millis(100);
/// Pause before a peer is asked again that had no news.
const PAUSE: Duration = Duration::from_millis(5);

/// Rule N3: no work on a round of which a peer shows what this node signed, or on an earlier one,
/// unless this node's own store has that very held set. A store restored from an old copy has not.
/// What a peer shows that this node did not sign counts for nothing.
pub(super) async fn confirm_history(engine: &Engine, live: &Live, until: u64) -> Result<(), Error> {
    for peer in &engine.peers {
        let seen = loop {
            match peer.seen().await {
                Ok(seen) => break seen,
                Err(error) if unix_millis() > until => return Err(absent(live, peer, &error)),
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        };
        let Some((spec, held)) = seen else { continue };
        let (number, round) = match signed_here(engine, &spec, &held) {
            Ok(signed) => signed,
            Err(error) => {
                tracing::warn!(peer = peer.name(), %error, "what it has seen does not count");
                continue;
            }
        };
        if number >= live.context.spec.number && !engine.store.has_held(&round, &held.body).await? {
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

/// Number and digest of the round of a held set that this node signed, under this manifest: its own
/// signature, and the digest of the spec in it, say so.
fn signed_here(engine: &Engine, spec: &[u8], held: &Signed) -> Result<(u64, Digest), Error> {
    let key = engine.manifest.identity(&engine.name)?;
    let set: HeldSet = held.verify(&engine.name, &key, "held set")?;
    let spec = RoundSpec::from_bytes(spec)?;
    if set.node == engine.name
        && set.round == spec.digest()
        && spec.manifest == *engine.manifest_digest()
    {
        return Ok((spec.number, set.round));
    }
    let problem = "its held set is of another round, node or manifest".to_owned();
    Err(Error::Peer { peer: engine.name.clone(), problem })
}

/// Asks all peers at once until each has published what is wanted, or time is up.
pub(super) async fn from_peers(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    until: u64,
    wanted: fn(&Published) -> bool,
) -> Result<Vec<(String, Published)>, Error> {
    // What a peer has that is where this node was before is no news.
    let have = (live.public.borrow().stage() as u32).saturating_sub(1);
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
pub(super) async fn from_peer(
    engine: &Arc<Engine>,
    live: &Arc<Live>,
    peer: &NodeClient,
    have: u32,
    until: u64,
    wanted: fn(&Published) -> bool,
) -> Result<Published, Error> {
    loop {
        let answer = peer.exchange(&live.context.digest, have, WAIT).await;
        if let Ok(Published { held: Some(held), .. }) = &answer
            && let Err(error) = remember(engine, live, peer.name(), held).await
        {
            // A committed node fails at its own store alone, not at what a peer makes up.
            let committed = live.public.borrow().release.is_some();
            if !committed || matches!(error, Error::Store(_)) {
                return Err(error);
            }
            tracing::warn!(round = %live.context.digest.short(), %error, "not remembered");
        }
        let error = match answer {
            Ok(published) if wanted(&published) => return Ok(published),
            Ok(Published { failed: Some(reason), given_up, .. }) => {
                // Once this node has committed, a peer's bare word fails nothing: it may have
                // committed too, towards others.
                if gave_up(engine, live, peer, given_up.as_ref()) {
                    let (round, party) = (live.context.digest.short(), engine.name.clone());
                    return Err(Error::GivenUp { round, party, reason: told(peer, &reason) });
                }
                if live.public.borrow().release.is_none() {
                    return Err(failed(live, told(peer, &reason)));
                }
                tokio::time::sleep(WAIT).await;
                None
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

/// Whether a peer has signed that it gave the round up: then it has committed to nothing, and
/// nothing of the round can be released. One that signs both is found by its two signatures.
fn gave_up(engine: &Engine, live: &Live, peer: &NodeClient, given_up: Option<&Signed>) -> bool {
    let signed = given_up.and_then(|signed| {
        let key = engine.manifest.identity(peer.name()).ok()?;
        signed.verify::<GivenUp>(peer.name(), &key, "given-up round").ok()
    });
    signed.is_some_and(|it| it.round == live.context.digest && it.node == peer.name())
}

fn told(peer: &NodeClient, reason: &str) -> String {
    format!("{} gave the round up: {reason}", peer.name())
}

/// Rule N3: that a peer signed for this round is kept as soon as it is seen, whatever becomes of
/// the round.
async fn remember(engine: &Engine, live: &Live, peer: &str, held: &Signed) -> Result<(), Error> {
    let key = engine.manifest.identity(peer)?;
    let set: HeldSet = held.verify(peer, &key, "held set")?;
    if set.round == live.context.digest && set.node == peer {
        engine.store.saw(peer, live.context.spec.number, held).await?;
    }
    Ok(())
}

/// Every node's preparation shares in the manifest's order of nodes, checked against commitments.
pub(super) async fn gather_preps(
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
                            return Err(failed(live, told(peer, &reason)));
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

fn absent(live: &Live, peer: &NodeClient, error: &Error) -> Error {
    let name = peer.name();
    failed(live, format!("node {name} did not come back before the deadline: {error}"))
}
