//! What a node has made public of a round: what it shows to whoever may ask, from memory or from the
//! store.

use haima_crypto::encode::Canonical;

use super::store::{Store, StoredRound};
use crate::Error;
use crate::client::Stage;
use crate::record::Signed;

/// What this node has made public of a round, in the order in which it does.
#[derive(Clone, Debug, Default)]
pub(super) struct Public {
    /// Its signed held set.
    pub(super) held: Option<Signed>,
    /// Its signed commitment to its preparation shares.
    pub(super) prepared: Option<Signed>,
    /// Whether it holds all nodes' commitments, and so may show its preparation shares.
    pub(super) revealed: bool,
    /// Its signed accepted set.
    pub(super) accepted: Option<Signed>,
    /// Its signed deal (Shamir release).
    pub(super) dealt: Option<Signed>,
    /// Whether it holds all nodes' deals, and so may show its sub-shares.
    pub(super) all_dealt: bool,
    /// Its signed release: the commitment to its sum.
    pub(super) release: Option<Signed>,
    /// Its word that it never commits, where it gave one when the round failed.
    pub(super) given_up: Option<Signed>,
    /// How the round ended.
    pub(super) outcome: Option<Ended>,
}

/// How a round ended at this node.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    /// The release is in the store.
    Released,
    /// For good, with the reason.
    Failed(String),
}

impl Public {
    /// The last that this node has published.
    pub(super) fn stage(&self) -> Stage {
        let published = [
            (&self.release, Stage::Committed),
            (&self.dealt, Stage::Dealt),
            (&self.accepted, Stage::Accepted),
            (&self.prepared, Stage::Prepared),
            (&self.held, Stage::Held),
        ];
        let last = published.into_iter().find(|(signed, _)| signed.is_some());
        last.map_or(Stage::Nothing, |(_, stage)| stage)
    }

    /// The state that the store had with this, of a round that has not ended.
    pub(super) fn state(&self) -> &'static str {
        match self.stage() {
            Stage::Nothing => "open",
            Stage::Held => "closed",
            Stage::Prepared => "prepared",
            Stage::Accepted => "agreed",
            Stage::Dealt => "dealt",
            Stage::Committed => "committed",
        }
    }

    /// What a stored round has published.
    pub(super) async fn of(
        store: &Store,
        nodes: usize,
        stored: &StoredRound,
    ) -> Result<Self, Error> {
        let outcome = match stored.state.as_str() {
            "released" => Some(Ended::Released),
            "failed" => Some(Ended::Failed(stored.reason.clone().unwrap_or_default())),
            _ => None,
        };
        let revealed = stored.accepted.is_some()
            || stored.prepared.is_some()
                && store.commitments(&stored.spec.digest(), "prepared").await? >= nodes as u64;
        let all_dealt = stored.dealt.is_some()
            && (stored.release.is_some()
                || store.commitments(&stored.spec.digest(), "dealt").await? >= nodes as u64);
        Ok(Self {
            held: stored.held.clone(),
            prepared: stored.prepared.clone(),
            revealed,
            accepted: stored.accepted.clone(),
            dealt: stored.dealt.clone(),
            all_dealt,
            release: stored.release.clone(),
            given_up: stored.given_up.clone(),
            outcome,
        })
    }
}
