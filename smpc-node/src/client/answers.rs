//! What a node answers: how far it is in a round, and how the round ended there.

use crate::bundle::Part;
use crate::record::{NodeRecord, Signed};

/// The outcome of a round at one node.
#[derive(Debug)]
pub enum Outcome {
    /// Not ended; so many submissions are complete.
    Pending(u32),
    /// Failed for good, with the node's reason.
    Failed(String),
    /// Released.
    Released(Box<Answer>),
}

/// A node's answer to a released round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its own part.
    pub part: Part,
    /// What all nodes signed, in the manifest's order: what stands in for a node that is lost.
    pub records: Vec<NodeRecord>,
}

impl Answer {
    /// Another node's part of the release, without its sum.
    #[must_use]
    pub fn part_of(&self, node: &str) -> Option<Part> {
        let record = self.records.iter().find(|record| record.node == node)?;
        let accepted = Signed { body: self.part.accepted.body.clone(), signature: record.accepted };
        Some(Part { accepted, release: record.release.clone(), sum: None })
    }
}

/// How far a node is in a round by what it has published, as [`NodeClient::exchange`](super::NodeClient::exchange) counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Stage {
    /// Nothing yet.
    Nothing = 0,
    /// Its held set.
    Held = 1,
    /// Its commitment to its preparation shares.
    Prepared = 2,
    /// Its accepted set.
    Accepted = 3,
    /// Its deal (Shamir release).
    Dealt = 4,
    /// Its commitment to its answer.
    Committed = 5,
}

/// A node's published sets for a round.
#[derive(Debug, Default)]
pub struct Published {
    /// Its held set, once it has closed.
    pub held: Option<Signed>,
    /// Its commitment to its preparation shares, once it has all held sets.
    pub prepared: Option<Signed>,
    /// Its accepted set, once it has decided all proofs.
    pub accepted: Option<Signed>,
    /// Its deal: the commitment to its sub-shares (Shamir release).
    pub dealt: Option<Signed>,
    /// Its release record: the commitment to its sum.
    pub release: Option<Signed>,
    /// Why the round failed there.
    pub failed: Option<String>,
    /// Its word that it never commits, where it has accepted a set and not committed.
    pub given_up: Option<Signed>,
    /// What all nodes signed, in the manifest's order, once it has released.
    pub records: Vec<NodeRecord>,
}
