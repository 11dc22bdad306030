//! What a coordinator asks for sums with, whichever way the sums are formed.

use std::collections::BTreeSet;
use std::sync::Arc;

use haima_crypto::encode::Digest;
use haima_crypto::identity::IdentityKey;
use haima_smpc_node::audit::Audit;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::spec::RoundSpec;

use super::masked::Masked;
use super::nodes::Nodes;
use crate::Error;
use crate::coordinator::events::Events;
use crate::coordinator::hub::Hub;
use crate::coordinator::rounds::Announced;

/// What a coordinator needs to ask for sums.
#[derive(Debug)]
pub struct Network {
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// Its digest.
    pub manifest_digest: Digest,
    /// The coordinator's identity key.
    pub key: IdentityKey,
    /// The coordinator's journal.
    pub audit: Audit,
    /// What stands in the journal since before this start: kind, round, subject.
    pub written: BTreeSet<(String, Digest, String)>,
    /// The rounds that were announced.
    pub announced: Announced,
    /// What sites are told and served.
    pub hub: Arc<Hub>,
    /// Who is told of progress.
    pub events: Events,
    /// The runtime on which calls are made.
    pub runtime: tokio::runtime::Handle,
    /// How sums are formed.
    pub way: Way,
}

/// How sums are formed.
#[derive(Debug)]
pub enum Way {
    /// By SMPC nodes.
    Nodes(Nodes),
    /// By masked aggregation.
    Masked(Masked),
}

impl Network {
    /// Writes into the journal, unless an earlier start has.
    pub(super) fn journal(
        &self,
        kind: &str,
        round: &Digest,
        subject: &str,
        digest: &Digest,
        text: &str,
    ) -> Result<(), Error> {
        if !self.written.contains(&(kind.to_owned(), *round, subject.to_owned())) {
            self.audit.write(&self.key, kind, round, subject, digest, text)?;
        }
        Ok(())
    }

    /// The epoch that rounds name; set up first where it is not.
    ///
    /// # Errors
    /// When a party is not there in time.
    pub(super) async fn epoch(&self) -> Result<Digest, Error> {
        match &self.way {
            Way::Nodes(nodes) => nodes.epoch(self).await,
            Way::Masked(masked) => masked.epoch(self).await,
        }
    }

    /// A number above all rounds that anybody reachable has seen.
    pub(super) async fn next_number(&self) -> Result<u64, Error> {
        let own = self.hub.last_number().max(self.announced.last_number());
        let highest = match &self.way {
            Way::Nodes(nodes) => nodes.last_number(self).await?.max(own),
            Way::Masked(_) => own,
        };
        highest.checked_add(1).ok_or_else(|| Error::Stopped {
            party: "a node".into(),
            reason: "it claims to have seen the last possible round number".into(),
        })
    }

    /// Takes an attempt to its end; `again` if it was announced before this start. The release as
    /// sites are served it, not verified yet.
    pub(super) async fn attempt(&self, spec: &RoundSpec, again: bool) -> Result<Vec<u8>, Error> {
        match &self.way {
            Way::Nodes(nodes) => nodes.attempt(self, spec, again).await,
            Way::Masked(masked) => masked.attempt(self, spec, again).await,
        }
    }

    /// Until a failed attempt is given up by all who took part.
    pub(super) async fn settle(&self, spec: &RoundSpec) {
        if let Way::Nodes(nodes) = &self.way {
            nodes.settle(self, spec).await;
        }
    }
}
