//! One node: what it has stored, what it has heard since it last started, and what the shipped
//! types make of the next event.
//!
//! States of `haima_smpc_node::round` cannot be copied, nor should they. So each step rebuilds the
//! state from what is stored, as a node does after a restart (`resume`), lets it hear again what it
//! has heard, and then goes on. The order of storing and sending is that of `server::drive::run`,
//! `server::peers::from_peer` and `server::release::release`; in place of `Store::hold_commitments`
//! stands `Node::commitments`.

use std::collections::{BTreeMap, BTreeSet};

use haima_crypto::encode::Canonical;
use haima_smpc_node::record::{AcceptedSet, GivenUp, HeaderSet, Release, Signed, sum_digest};
use haima_smpc_node::round::{Agreed, Closed, Collecting, Committed, Revealed};

use super::message::{Kind, Message};
use super::study::{Fault, Study, Submissions, headers};

/// A node. What is not marked as volatile is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) submissions: Submissions,
    pub(crate) held: Option<Message>,
    pub(crate) prepared: Option<Message>,
    /// All nodes' commitments when this node first showed its preparation shares.
    pub(super) commitments: BTreeMap<usize, Message>,
    pub(crate) accepted: Option<Message>,
    pub(crate) release: Option<Message>,
    pub(crate) ended: Option<Ended>,
    /// Volatile: what peers published of what this node waits for.
    pub(super) heard: BTreeMap<usize, Message>,
    /// Volatile: whether it has shown its preparation shares since it started.
    pub(super) revealed: bool,
    /// Volatile: whether it signed its accepted set since it started, and has not committed.
    pub(super) accepted_now: bool,
    /// Volatile: signed and sent, not yet stored. None of a node without a fault.
    pub(crate) unsaved: Option<Message>,
    /// History, for a claim: upon which commitments it ever showed its preparation shares.
    pub(crate) shown_upon: BTreeSet<BTreeMap<usize, Message>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ended {
    Released,
    /// For good; with what a peer signed that made a committed node give up.
    Failed {
        evidence: Option<Message>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// A site's submission comes in.
    Submit { site: usize, version: u8 },
    /// All have submitted, or the deadline is over by this node's clock.
    Close,
    /// What was sent is stored: of a node with that fault alone.
    Store,
    /// A peer's message comes in, for the first time or again.
    Hear(Message),
    /// Deadline and grace are over by this node's clock.
    TimeUp,
    /// The node ends and starts again.
    Crash,
}

/// The round fails at this node; with a peer's signed word where there is one.
type Failed = Option<Message>;
/// What the node sends, if anything.
type Step = Result<Option<Message>, Failed>;

impl Node {
    /// What it waits for from its peers.
    pub(crate) fn awaits(&self) -> Option<Kind> {
        if self.ended.is_some() {
            None
        } else if self.release.is_some() {
            Some(Kind::Release)
        } else if self.accepted.is_some() {
            Some(Kind::Accepted)
        } else if self.prepared.is_some() {
            Some(if self.revealed { Kind::Preps } else { Kind::Prepared })
        } else {
            self.held.is_some().then_some(Kind::Held)
        }
    }
}

/// A node's preparation share of each candidate, or one that breaks the first one's proof. Whether
/// a proof holds stands in the first byte.
pub(crate) fn preps(node: usize, candidates: &HeaderSet, good: bool) -> Vec<Vec<u8>> {
    let entries = candidates.entries().iter().enumerate();
    entries
        .map(|(at, (_, header))| {
            let flags = [u8::from(at == 0 && !good), u8::try_from(node).unwrap()];
            [&flags[..], &header.as_bytes()[..]].concat()
        })
        .collect()
}

fn own(stored: Option<&Message>) -> &Signed {
    stored.expect("what an earlier step stored").record()
}

impl Study {
    /// What an event makes of a node, and what the node sends.
    pub(crate) fn after(&self, at: usize, node: &Node, event: &Event) -> (Node, Vec<Message>) {
        let mut next = node.clone();
        match self.step(at, &mut next, event) {
            Ok(said) => (next, said.into_iter().collect()),
            Err(evidence) => self.failed(at, node.clone(), evidence),
        }
    }

    fn step(&self, at: usize, node: &mut Node, event: &Event) -> Step {
        match event {
            // One a site: the first, as the store's unique row has it.
            Event::Submit { site, version } => {
                node.submissions[*site].get_or_insert(*version);
            }
            Event::Close => {
                let state = Collecting::new(self.context(at), headers(&node.submissions));
                let (_, signed) = state.close(&self.keys[at]);
                let message = Message::signed(at, Kind::Held, signed);
                if self.fault == Some(Fault::SendsBeforeItStores) {
                    node.unsaved = Some(message.clone());
                } else {
                    node.held = Some(message.clone());
                }
                return Ok(Some(message));
            }
            Event::Store => node.held = node.unsaved.take(),
            Event::TimeUp => return Err(None),
            Event::Crash => {
                node.heard.clear();
                node.revealed = false;
                node.accepted_now = false;
                node.unsaved = None;
            }
            Event::Hear(message) => match message.kind {
                Kind::Held => return self.hears_held(at, node, message),
                Kind::Prepared => return self.hears_prepared(at, node, message),
                Kind::Preps => return self.hears_preps(at, node, message),
                Kind::Accepted => return self.hears_accepted(at, node, message),
                Kind::Release => return self.hears_release(at, node, message),
                Kind::GivenUp | Kind::Word => self.hears_of_failure(node, message)?,
                Kind::Sum => {}
            },
        }
        Ok(None)
    }

    fn hears_held(&self, at: usize, node: &mut Node, message: &Message) -> Step {
        let resumed = Closed::resume(self.context(at), own(node.held.as_ref()));
        let mut state = resumed.map_err(|_| None)?;
        for heard in node.heard.values().chain([message]) {
            state.held(self.name(heard.from), heard.record()).map_err(|_| None)?;
        }
        node.heard.insert(message.from, message.clone());
        if !state.missing().is_empty() {
            return Ok(None);
        }
        let candidates = state.candidates().map_err(|_| None)?;
        let preps = preps(at, candidates.headers(), true);
        let (_, signed) = candidates.commit(&preps, &self.keys[at]);
        let message = Message::signed(at, Kind::Prepared, signed);
        node.heard.clear();
        node.prepared = Some(message.clone());
        Ok(Some(message))
    }

    /// The state in which commitments come in, having heard some.
    fn committed<'a>(
        &self,
        at: usize,
        node: &Node,
        heard: impl Iterator<Item = &'a Message>,
    ) -> Result<Committed, Failed> {
        let resumed = Committed::resume(self.context(at), own(node.prepared.as_ref()));
        let mut state = resumed.map_err(|_| None)?;
        for heard in heard {
            state.prepared(self.name(heard.from), heard.record()).map_err(|_| None)?;
        }
        Ok(state)
    }

    fn hears_prepared(&self, at: usize, node: &mut Node, message: &Message) -> Step {
        let state = self.committed(at, node, node.heard.values().chain([message]))?;
        node.heard.insert(message.from, message.clone());
        if !state.missing().is_empty() {
            return Ok(None);
        }
        let revealed = state.reveal().map_err(|_| None)?;
        let all = std::mem::take(&mut node.heard);
        let forgets = self.fault == Some(Fault::ForgetsCommitments);
        if !node.commitments.is_empty() && node.commitments != all && !forgets {
            return Err(None);
        }
        node.commitments.clone_from(&all);
        node.shown_upon.insert(all);
        node.revealed = true;
        Ok(Some(Message::bytes(at, Kind::Preps, preps(at, revealed.candidates(), true))))
    }

    fn hears_preps(&self, at: usize, node: &mut Node, message: &Message) -> Step {
        let state = self.committed(at, node, node.commitments.values())?;
        let revealed: Revealed = state.reveal().map_err(|_| None)?;
        node.heard.insert(message.from, message.clone());
        let of_own = preps(at, revealed.candidates(), true);
        let of_peers = node.heard.values().map(|heard| (heard.from, heard.parts()));
        let all: Vec<(usize, &[Vec<u8>])> = of_peers.chain([(at, &of_own[..])]).collect();
        for (node, preps) in &all {
            revealed.check(self.name(*node), preps).map_err(|_| None)?;
        }
        if all.len() < self.keys.len() {
            return Ok(None);
        }
        // What `Proof::decide` says: any node's share can break a proof.
        let breaks = |index: usize| all.iter().any(|(_, preps)| preps[index][0] != 0);
        let sites = revealed.candidates().sites().enumerate();
        let failed: BTreeSet<String> =
            sites.filter(|(index, _)| breaks(*index)).map(|(_, site)| site.to_owned()).collect();
        let (_, signed) = revealed.agree(&failed, &self.keys[at], None).map_err(|_| None)?;
        let message = Message::signed(at, Kind::Accepted, signed);
        node.heard.clear();
        node.revealed = false;
        node.accepted_now = true;
        node.accepted = Some(message.clone());
        Ok(Some(message))
    }

    fn hears_accepted(&self, at: usize, node: &mut Node, message: &Message) -> Step {
        let any = self.fault == Some(Fault::TakesAnySet);
        let resumed = Agreed::resume(self.context(at), own(node.accepted.as_ref()));
        let mut state = resumed.map_err(|_| None)?;
        for heard in node.heard.values().chain([message]) {
            let taken = state.accepted(self.name(heard.from), heard.record());
            if taken.is_err() && !any {
                return Err(None);
            }
        }
        node.heard.insert(message.from, message.clone());
        if node.heard.len() + 1 < self.keys.len() {
            return Ok(None);
        }
        let set: AcceptedSet = if any {
            node.accepted.as_ref().expect("a set was accepted").said()
        } else {
            // Only here: the right to compute the sum.
            state.finish().map_err(|_| None)?.accepted().clone()
        };
        let answer = self.answer(at, &node.submissions, &set);
        let release = Release {
            round: self.round,
            node: self.name(at).to_owned(),
            accepted: set.digest(),
            sum: sum_digest(&answer),
        };
        let message = Message::signed(at, Kind::Release, Signed::new(&release, &self.keys[at]));
        node.heard.clear();
        node.accepted_now = false;
        node.release = Some(message.clone());
        Ok(Some(message))
    }

    /// A record that does not verify counts for nothing and fails nothing.
    fn hears_release(&self, at: usize, node: &mut Node, message: &Message) -> Step {
        let own: Release = node.release.as_ref().expect("it has committed").said();
        let name = self.name(message.from);
        let key = self.manifest.identity(name).expect("a node of the study");
        let told = message.record().verify::<Release>(name, &key, "release");
        let fits = told.is_ok_and(|it| {
            (it.round, it.node.as_str(), it.accepted) == (self.round, name, own.accepted)
        });
        if !fits {
            return Ok(None);
        }
        node.heard.insert(message.from, message.clone());
        if node.heard.len() + 1 < self.keys.len() {
            return Ok(None);
        }
        let set: AcceptedSet = node.accepted.as_ref().expect("it has accepted").said();
        let answer = self.answer(at, &node.submissions, &set);
        node.heard.clear();
        node.ended = Some(Ended::Released);
        Ok(Some(Message::bytes(at, Kind::Sum, vec![answer])))
    }

    fn hears_of_failure(&self, node: &Node, message: &Message) -> Result<(), Failed> {
        if self.fault == Some(Fault::DeafToFailure) {
            return Ok(());
        }
        if node.release.is_none() {
            return Err(None);
        }
        if message.kind == Kind::Word {
            let believes = self.fault == Some(Fault::BelievesABareWord);
            return if believes { Err(None) } else { Ok(()) };
        }
        let name = self.name(message.from);
        let key = self.manifest.identity(name).expect("a node of the study");
        let told = message.record().verify::<GivenUp>(name, &key, "given-up round");
        if told.is_ok_and(|it| it.round == self.round && it.node == name) {
            return Err(Some(message.clone()));
        }
        Ok(())
    }

    fn failed(&self, at: usize, mut node: Node, evidence: Failed) -> (Node, Vec<Message>) {
        node.heard.clear();
        node.revealed = false;
        node.unsaved = None;
        node.ended = Some(Ended::Failed { evidence });
        // No peer has committed without this node's accepted set; and a node that has started since
        // may have been put back.
        let word = if std::mem::take(&mut node.accepted_now) {
            let given_up = GivenUp { round: self.round, node: self.name(at).to_owned() };
            Message::signed(at, Kind::GivenUp, Signed::new(&given_up, &self.keys[at]))
        } else {
            Message::bytes(at, Kind::Word, Vec::new())
        };
        (node, vec![word])
    }
}
