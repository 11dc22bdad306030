//! The nodes of a round together, what is on its way between them, and what must hold of it all.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use haima_crypto::encode::Digest;
use haima_smpc_node::bundle::{Bundle, Part};
use haima_smpc_node::record::{
    AcceptedSet, GivenUp, HeldSet, Prepared, Release, Signed, prep_digest, sum_digest,
};
use stateright::{Model, Property};

use super::message::{Kind, Message};
use super::node::{Ended, Event, Node, preps};
use super::study::{self, Fault, SITES, Study, Submissions, header_set};

pub(crate) const ONCE: &str = "a node signs and shows one thing of each kind";
pub(crate) const ONE_SET: &str = "all sums that are committed to are over one accepted set";
pub(crate) const FLOOR: &str = "no sum is over fewer operators than the floor";
pub(crate) const ONE_COMMITMENT: &str =
    "preparation shares are shown when all have committed, and upon one set of commitments";
pub(crate) const TOGETHER: &str =
    "when a node has released, none has failed, but upon a signature that convicts its signer";
pub(crate) const SUM: &str = "what comes out is the accepted contributions with one noise a node";
pub(crate) const ENDS: &str = "a node that has not ended can go on";

/// An event at a node, by its position.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Action {
    node: usize,
    event: Event,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The honest ones.
    nodes: Vec<Node>,
    /// All that they ever sent: it arrives when it likes.
    sent: BTreeSet<Message>,
    /// How often a node may still end and start again.
    crashes: u8,
}

/// A node before an event, and the event.
type Before = (usize, Node, Event);
/// The node after it, and what it sends.
type After = Arc<(Node, Vec<Message>)>;

/// The model.
pub(crate) struct Rounds {
    study: Study,
    /// The first ones; one that lies may follow.
    honest: usize,
    /// What every node has at the start.
    given: Submissions,
    /// What else sites send.
    offered: Vec<(usize, u8)>,
    crashes: u8,
    steps: Mutex<HashMap<Before, After>>,
    lies: Mutex<HashMap<Vec<Message>, BTreeSet<Message>>>,
}

impl Rounds {
    fn new(study: Study, honest: usize) -> Self {
        let (steps, lies) = (Mutex::default(), Mutex::default());
        Self { study, honest, given: [None; 3], offered: Vec::new(), crashes: 1, steps, lies }
    }

    /// Two honest nodes; every contribution may miss either, and the last site makes two.
    pub(crate) fn of_two(fault: Option<Fault>) -> Self {
        let offered = vec![(0, 0), (1, 0), (2, 0), (2, 1)];
        Self { offered, ..Self::new(Study::new(2, fault), 2) }
    }

    /// Three honest nodes that lose no memory; the last site's contribution may miss any.
    pub(crate) fn of_three() -> Self {
        let (given, offered) = ([Some(0), Some(0), None], vec![(2, 0)]);
        Self { given, offered, crashes: 0, ..Self::new(Study::new(3, None), 3) }
    }

    /// Two honest nodes and one that lies; the second site's contribution may miss either.
    pub(crate) fn with_a_liar(fault: Option<Fault>) -> Self {
        let (given, offered) = ([Some(0), None, Some(0)], vec![(1, 0)]);
        Self { given, offered, ..Self::new(Study::new(3, fault), 2) }
    }

    fn has_a_liar(&self) -> bool {
        self.honest < self.study.keys.len()
    }

    fn after(&self, node: usize, state: &State, event: Event) -> After {
        let before = (node, state.nodes[node].clone(), event);
        if let Some(known) = self.steps.lock().unwrap().get(&before) {
            return Arc::clone(known);
        }
        let after = Arc::new(self.study.after(node, &before.1, &before.2));
        self.steps.lock().unwrap().insert(before, Arc::clone(&after));
        after
    }

    /// What can happen to a node, but for crashes.
    fn events(&self, state: &State, at: usize) -> Vec<Event> {
        let node = &state.nodes[at];
        let mut events = Vec::new();
        if node.ended.is_some() {
            return events;
        }
        if node.unsaved.is_some() {
            return vec![Event::Store];
        }
        if let Some(kind) = node.awaits() {
            let wanted = |it: &&Message| {
                it.from != at && (it.kind == kind || matches!(it.kind, Kind::GivenUp | Kind::Word))
            };
            events.extend(state.sent.iter().filter(wanted).cloned().map(Event::Hear));
            if self.has_a_liar() {
                events.extend(self.lies(state, node, kind).into_iter().map(Event::Hear));
            }
        } else {
            let offers = self.offered.iter();
            events.extend(
                offers.map(|(site, version)| Event::Submit { site: *site, version: *version }),
            );
            events.push(Event::Close);
        }
        if node.accepted.is_none() {
            events.push(Event::TimeUp);
        }
        events
    }

    /// What the last node may say to one that waits for a kind of message: to each another thing.
    fn lies(&self, state: &State, to: &Node, kind: Kind) -> BTreeSet<Message> {
        let of_kind = |kind: Kind| state.sent.iter().filter(move |it| it.kind == kind).cloned();
        let basis: Vec<Message> = match kind {
            Kind::Held => of_kind(Kind::Held).take(1).collect(),
            Kind::Prepared | Kind::Preps => to.prepared.iter().cloned().collect(),
            Kind::Accepted => of_kind(kind).collect(),
            _ => to.release.iter().cloned().collect(),
        };
        let key = [basis.clone(), vec![Message::bytes(0, kind, Vec::new())]].concat();
        if let Some(known) = self.lies.lock().unwrap().get(&key) {
            return known.clone();
        }
        let lies = self.made_up(kind, &basis);
        self.lies.lock().unwrap().insert(key, lies.clone());
        lies
    }

    fn made_up(&self, kind: Kind, basis: &[Message]) -> BTreeSet<Message> {
        let (at, round) = (self.honest, self.study.round);
        let (key, node) = (&self.study.keys[at], self.study.name(at).to_owned());
        let given_up = GivenUp { round, node: node.clone() };
        let mut lies = BTreeSet::from([
            Message::signed(at, Kind::GivenUp, Signed::new(&given_up, key)),
            Message::bytes(at, Kind::Word, Vec::new()),
        ]);
        let mut say = |signed: Signed| lies.insert(Message::signed(at, kind, signed));
        match kind {
            // More than a peer has, or less; of another round; a peer's own.
            Kind::Held => {
                for submissions in [[Some(0); SITES.len()], [Some(0), None, Some(0)]] {
                    let (headers, node) = (header_set(&submissions), node.clone());
                    say(Signed::new(&HeldSet { round, node, headers }, key));
                }
                let headers = header_set(&[Some(0); SITES.len()]);
                let round = Digest::of(b"another round");
                say(Signed::new(&HeldSet { round, node, headers }, key));
                for held in basis {
                    say(held.record().clone());
                }
            }
            // Over the candidates that the other has, with shares that keep the first site or not.
            Kind::Prepared | Kind::Preps => {
                let candidates = basis[0].said::<Prepared>().candidates;
                for good in [true, false] {
                    let shares = preps(at, &candidates, good);
                    if kind == Kind::Preps {
                        lies.insert(Message::bytes(at, kind, shares));
                        continue;
                    }
                    let each = candidates.entries().iter().zip(&shares);
                    let preps = each.map(|((_, header), prep)| prep_digest(&node, header, prep));
                    let (preps, node) = (preps.collect(), node.clone());
                    let candidates = candidates.clone();
                    let prepared = Prepared { round, node, candidates, preps };
                    lies.insert(Message::signed(at, kind, Signed::new(&prepared, key)));
                }
            }
            // Whatever anybody accepted.
            Kind::Accepted => {
                for accepted in basis {
                    say(Signed::new(&accepted.said::<AcceptedSet>(), key));
                }
            }
            // Over the set that the other has.
            _ => {
                let accepted = basis[0].said::<Release>().accepted;
                say(Signed::new(&Release { round, node, accepted, sum: sum_digest(&[]) }, key));
            }
        }
        lies
    }

    fn keeps_the_floor(&self, state: &State) -> bool {
        releases(state).all(|(node, _)| {
            let set: AcceptedSet = node.accepted.as_ref().expect("it has accepted").said();
            self.study.manifest.operators(set.headers.sites()) >= study::FLOOR as usize
        })
    }

    fn one_commitment(&self, state: &State) -> bool {
        let sent = |kind: Kind, from: usize| {
            state.sent.iter().any(|it| it.kind == kind && it.from == from)
        };
        let all_committed = (0..self.honest).all(|node| sent(Kind::Prepared, node));
        let shown = state.sent.iter().any(|it| it.kind == Kind::Preps);
        state.nodes.iter().all(|node| node.shown_upon.len() <= 1) && (all_committed || !shown)
    }

    fn together(&self, state: &State) -> bool {
        let released = state.nodes.iter().any(|node| node.ended == Some(Ended::Released));
        let convicts = |evidence: &Option<Message>| {
            evidence.as_ref().is_some_and(|it| it.kind == Kind::GivenUp && it.from == self.honest)
        };
        !released
            || state.nodes.iter().all(|node| match &node.ended {
                Some(Ended::Failed { evidence }) => convicts(evidence),
                Some(Ended::Released) | None => true,
            })
    }

    /// When all have released: as whoever gets the sums checks and adds them.
    fn sum_is_right(&self, state: &State) -> bool {
        if self.has_a_liar() || !state.nodes.iter().all(|it| it.ended == Some(Ended::Released)) {
            return true;
        }
        let sum_of = |node: usize| {
            let mut sums = state.sent.iter().filter(|it| it.kind == Kind::Sum && it.from == node);
            sums.next().map(|it| it.parts()[0].clone())
        };
        let record = |stored: &Option<Message>| stored.as_ref().expect("stored").record().clone();
        let parts = state.nodes.iter().enumerate().map(|(at, node)| Part {
            accepted: record(&node.accepted),
            release: record(&node.release),
            sum: sum_of(at),
        });
        let bundle = Bundle { spec: self.study.spec.clone(), parts: parts.collect() };
        bundle
            .verify(&self.study.manifest)
            .is_ok_and(|verified| verified.integers == self.study.released(&verified.accepted))
    }

    fn can_go_on(&self, state: &State) -> bool {
        let moves = |at: usize| {
            let mut events = self.events(state, at).into_iter();
            events.any(|event| self.after(at, state, event).0 != state.nodes[at])
        };
        state.nodes.iter().all(|it| it.ended.is_some()) || (0..self.honest).any(moves)
    }
}

/// What nodes have committed to.
fn releases(state: &State) -> impl Iterator<Item = (&Node, Release)> {
    let committed = state.nodes.iter().filter_map(|node| Some((node, node.release.as_ref()?)));
    committed.map(|(node, release)| (node, release.said()))
}

fn one_set(state: &State) -> bool {
    let sets: BTreeSet<Digest> = releases(state).map(|(_, it)| it.accepted).collect();
    sets.len() <= 1
}

fn signed_once(state: &State) -> bool {
    let mut seen = BTreeSet::new();
    state.sent.iter().all(|it| seen.insert((it.from, it.kind)))
}

/// All honest nodes have released, over so many sites.
fn released_over(state: &State, sites: usize) -> bool {
    state.nodes.iter().all(|node| {
        let set = node.accepted.as_ref().map(Message::said::<AcceptedSet>);
        let len = set.map(|set| set.headers.entries().len());
        node.ended == Some(Ended::Released) && len == Some(sites)
    })
}

fn all_failed(state: &State) -> bool {
    state.nodes.iter().all(|node| matches!(node.ended, Some(Ended::Failed { .. })))
}

impl Model for Rounds {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let node = Node { submissions: self.given, ..Node::default() };
        let nodes = vec![node; self.honest];
        vec![State { nodes, sent: BTreeSet::new(), crashes: self.crashes }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for node in 0..self.honest {
            let events = self.events(state, node).into_iter();
            actions.extend(events.map(|event| Action { node, event }));
            if state.crashes > 0 && state.nodes[node].ended.is_none() {
                actions.push(Action { node, event: Event::Crash });
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let Action { node: at, event } = action;
        let crash = event == Event::Crash;
        let after = self.after(at, last, event);
        let (node, said) = &*after;
        // Heard again, refused, or nothing to lose.
        if *node == last.nodes[at] {
            return None;
        }
        let mut state = last.clone();
        state.nodes[at] = node.clone();
        state.sent.extend(said.iter().cloned());
        state.crashes -= u8::from(crash);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ONCE, |_, state| signed_once(state)),
            Property::always(ONE_SET, |_, state| one_set(state)),
            Property::always(FLOOR, Self::keeps_the_floor),
            Property::always(ONE_COMMITMENT, Self::one_commitment),
            Property::always(TOGETHER, Self::together),
            Property::sometimes("all release over all sites", |_, state| released_over(state, 3)),
            Property::sometimes("a site is left out", |_, state| released_over(state, 2)),
            Property::sometimes("a round fails", |_, state| all_failed(state)),
        ];
        if self.has_a_liar() {
            properties.push(Property::sometimes("two sets are accepted", |_, state: &State| {
                let mut sets = state.nodes.iter().filter_map(|node| node.accepted.as_ref());
                let first = sets.next().map(Message::said::<AcceptedSet>);
                sets.any(|other| Some(other.said::<AcceptedSet>()) != first)
            }));
            properties.push(Property::sometimes("a liar is convicted", |_, state: &State| {
                let ended =
                    |it: &Node| matches!(it.ended, Some(Ended::Failed { evidence: Some(_) }));
                state.nodes.iter().any(|node| node.ended == Some(Ended::Released))
                    && state.nodes.iter().any(ended)
            }));
        } else {
            // With a liar nobody can make it answer: a committed node waits.
            properties.push(Property::always(ENDS, Self::can_go_on));
            properties.push(Property::always(SUM, Self::sum_is_right));
        }
        if self.crashes > 0 {
            properties.push(Property::sometimes(
                "a node goes on after a crash",
                |_, state: &State| {
                    state.crashes == 0 && (released_over(state, 3) || released_over(state, 2))
                },
            ));
        }
        properties
    }
}
