//! What a coordinator asks for sums with, whichever way the sums are formed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use haima_crypto::encode::{Canonical as _, Digest};
use haima_crypto::identity::IdentityKey;
use haima_smpc_node::audit::Audit;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::spec::{RoundEvent, RoundSpec};
use haima_smpc_node::unix_millis;

use super::masked::Masked;
use super::nodes::Nodes;
use crate::Error;
use crate::coordinator::before::{Before, STOPPED, opened_ms};
use crate::coordinator::events::{Event, Events};
use crate::coordinator::hub::Hub;
use crate::coordinator::refusals::withheld;
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
    /// What stands in the journal since before this start.
    pub before: Before,
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
        if !self.before.has(kind, round, subject) {
            self.audit.write(&self.key, kind, round, subject, digest, text)?;
        }
        Ok(())
    }

    /// Writes into the journal that the coordinator stops at a round, and who refused it: each time, for an
    /// audit asks for every no.
    pub(super) fn stopped(&self, spec: &RoundSpec, refusals: &str) -> Result<(), Error> {
        let none = Digest::default();
        self.audit.write(&self.key, STOPPED, &spec.digest(), &spec.task_id, &none, refusals)?;
        Ok(())
    }

    /// From a round's opening to its end, which is now, or of the time before this start and then no
    /// news. `started` is when it was opened, if that was in this start.
    pub(super) fn course(
        &self,
        spec: &RoundSpec,
        kind: &str,
        started: Option<Instant>,
    ) -> (Duration, bool) {
        if let Some(started) = started {
            return (started.elapsed(), false);
        }
        let ended = self.before.ended(kind, spec);
        let opened = opened_ms(spec, &self.manifest);
        let took = ended.unwrap_or_else(unix_millis).saturating_sub(opened);
        (Duration::from_millis(took), ended.is_some())
    }

    /// Tells of a round's end, or keeps one that was told before this start for the report.
    pub(super) fn tell(&self, event: Event, told: bool) {
        if told {
            self.events.keep(event);
        } else {
            self.events.tell(event);
        }
    }

    /// That hospitals' refusals leave every attempt at a step without a sum, where they do.
    pub(super) fn withheld(&self, spec: &RoundSpec) -> Option<Error> {
        let refusals = self.hub.refusals(&spec.digest());
        let exact = (spec.event == RoundEvent::Exact).then(|| self.events.first_exact()).flatten();
        let refusals = withheld(&self.manifest, &refusals, exact.as_deref())?;
        Some(Error::Withheld { task: spec.task_id.clone(), step: spec.step, refusals })
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
