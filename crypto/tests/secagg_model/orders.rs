//! An honest coordinator over a network that loses, reorders and repeats: every order in which the
//! messages of a step can arrive, every loss, at most one message twice in each step, and a step
//! closed at every moment, too early ones too.
//!
//! A state is told by who was heard in each step, by the order of arrivals in the step that is open,
//! and by a digest of all that was put out so far. When a step is closed, the order is forgotten;
//! what takes its place in the digest is what all parties put out then, and the sum that would come
//! of it if nothing more was lost. So where an order had made a difference, even one that shows
//! later, there would be two digests for one set of messages, and a property fails.

use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use haima_crypto::encode::{Digest, Encoder};
use haima_crypto::secagg::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::cast::{Cast, SITES, Said, Shown, THRESHOLD};
use super::network::{LEN, input, plain};

type Sites = BTreeSet<u32>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    /// A site's message of the open step comes, for the first time or again.
    Arrives(u32),
    /// A site's message is lost, and the site with it.
    Falls(u32),
    /// The coordinator goes on with those that have come.
    Closes,
}

/// Who was heard when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Course {
    /// In each step: shares, vectors, confirmations, answers. The last is open until the round ends.
    heard: Vec<Sites>,
    /// Who fell silent in each step, of those who would be heard in the open one.
    fell: Vec<Sites>,
    ended: bool,
}

impl Course {
    fn new() -> Self {
        Self { heard: vec![Sites::new()], fell: vec![Sites::new()], ended: false }
    }

    fn follow(&mut self, action: Action, ends: bool) {
        match action {
            Action::Arrives(site) => {
                self.heard.last_mut().expect("a step").insert(site);
            }
            Action::Falls(site) => {
                self.fell.last_mut().expect("a step").insert(site);
            }
            Action::Closes if ends => self.ended = true,
            Action::Closes => {
                self.heard.push(Sites::new());
                let speakers = self.speakers();
                self.fell.iter_mut().for_each(|fell| *fell = &*fell & &speakers);
                self.fell.push(Sites::new());
            }
        }
    }

    fn now(&self) -> &Sites {
        self.heard.last().expect("a step")
    }

    /// Whose messages there are in the open step.
    fn speakers(&self) -> Sites {
        match self.heard.as_slice() {
            [_, survivors, _, ..] => survivors.clone(),
            [sharers, _] => sharers.clone(),
            _ => (0..SITES).collect(),
        }
    }

    /// Who may be heard once the open step is closed.
    fn following(&self) -> Sites {
        match self.heard.as_slice() {
            [sharers] => sharers.clone(),
            // A survivor whose confirmation came too late can still answer.
            [_, survivors] | [_, survivors, _] => survivors.clone(),
            _ => Sites::new(),
        }
    }

    fn is_silent(&self, site: u32) -> bool {
        self.fell.iter().any(|fell| fell.contains(&site))
    }

    /// Whose messages have yet to come.
    fn waiting(&self) -> Sites {
        let mut waiting = &self.speakers() - self.now();
        waiting.retain(|site| !self.is_silent(*site));
        waiting
    }

    /// What the types are expected to say to a close now.
    fn expected(&self) -> Option<Error> {
        let (got, need) = (self.now().len(), THRESHOLD);
        let few = |what| Some(Error::TooFewSites { what, got, need });
        match self.heard.len() {
            _ if got >= need => None,
            1 => few("sites have shared"),
            2 => few("survivors"),
            3 => Some(Error::TooFewConfirmations { got, need }),
            _ => few("answers to the request"),
        }
    }
}

#[derive(Clone, Debug)]
struct State {
    /// One history that leads here. Not part of what the state is.
    history: Vec<Action>,
    course: Course,
    /// Arrivals of the open step, repeated ones too.
    order: Vec<u32>,
    /// Of all that was put out.
    digest: Digest,
    /// When the round has ended.
    outcome: Option<Result<Sum, Error>>,
    /// All answers of sites: who, and to which partition with how many shares of each kind.
    answers: Vec<(u32, Digest, [usize; 2])>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        (&self.course, &self.order, &self.digest) == (&other.course, &other.order, &other.digest)
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, to: &mut H) {
        (&self.course, &self.order, self.digest.as_bytes()).hash(to);
    }
}

/// A coordinator that is not the shipped one: the checker must find it out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// It relays headers in the order in which they came.
    RelaysInOrder,
    /// It adds a vector again that comes again.
    AddsAgain,
}

/// The coordinator at one of its steps.
enum Coordinator {
    Collecting(Collecting),
    Summing(Summing),
    Confirming(Confirming),
    Unmasking(Unmasking),
    Ended,
}

/// A round of the shipped types, as far as a history goes.
struct Round<'a> {
    orders: &'a Orders,
    course: Course,
    coordinator: Coordinator,
    /// To each site.
    shown: Vec<Vec<Shown>>,
    /// Arrivals of the open step.
    order: Vec<u32>,
    answers: Vec<(u32, Digest, [usize; 2])>,
    /// Vectors that came again.
    again: Vec<u32>,
    sum: Option<Sum>,
}

impl<'a> Round<'a> {
    fn new(orders: &'a Orders) -> Self {
        let collecting = Collecting::new(orders.cast.context.clone());
        Self {
            orders,
            course: Course::new(),
            coordinator: Coordinator::Collecting(collecting),
            shown: vec![Vec::new(); SITES as usize],
            order: Vec::new(),
            answers: Vec::new(),
            again: Vec::new(),
            sum: None,
        }
    }

    fn act(&mut self, action: Action, put_out: &mut Encoder) -> Result<(), Error> {
        match action {
            Action::Arrives(site) => self.arrives(site)?,
            Action::Falls(_) => {}
            Action::Closes => self.closes(put_out)?,
        }
        self.course.follow(action, self.sum.is_some());
        Ok(())
    }

    fn says(&self, site: u32) -> Result<Arc<Said>, Error> {
        self.orders.cast.says(site, &self.shown[site as usize])
    }

    fn arrives(&mut self, site: u32) -> Result<(), Error> {
        if let Coordinator::Collecting(collecting) = &mut self.coordinator {
            collecting.add(self.orders.shares[site as usize].clone())?;
        } else {
            let said = self.says(site)?;
            match (&*said, &mut self.coordinator) {
                (Said::Vector(vector), Coordinator::Summing(summing)) => {
                    summing.add(vector)?;
                    self.again.extend(self.order.contains(&site).then_some(site));
                }
                (Said::Confirmation(confirmation), Coordinator::Confirming(confirming)) => {
                    confirming.add(confirmation)?;
                }
                (Said::Answer(answer), Coordinator::Unmasking(unmasking)) => {
                    unmasking.add(answer)?;
                }
                (said, _) => panic!("{said:?} in another step"),
            }
        }
        self.order.push(site);
        Ok(())
    }

    /// Closes the open step, shows the sites what follows, and writes down all of it.
    fn closes(&mut self, put_out: &mut Encoder) -> Result<(), Error> {
        let speakers = self.course.following();
        let mut shown = Vec::new();
        self.coordinator = match std::mem::replace(&mut self.coordinator, Coordinator::Ended) {
            Coordinator::Collecting(collecting) => {
                let relaying = collecting.close()?;
                for site in &speakers {
                    let mut delivery = relaying.delivery(*site)?;
                    if self.orders.fault == Some(Fault::RelaysInOrder) {
                        let came = |site: u32| self.order.iter().position(|other| *other == site);
                        delivery.headers.sort_by_key(|header| came(header.origin.site));
                    }
                    shown.push(Shown::delivery(delivery));
                }
                Coordinator::Summing(relaying.sum())
            }
            Coordinator::Summing(summing) => {
                let confirming = summing.close()?;
                let partition = Shown::partition(confirming.partition().clone());
                shown = vec![partition; speakers.len()];
                Coordinator::Confirming(confirming)
            }
            Coordinator::Confirming(confirming) => {
                let unmasking = confirming.close()?;
                let request = Shown::request(unmasking.request().clone());
                shown = vec![request; speakers.len()];
                Coordinator::Unmasking(unmasking)
            }
            Coordinator::Unmasking(unmasking) => {
                let seeds = unmasking.seeds(&mut ChaCha20Rng::from_seed([9; 32]))?;
                let mut sum = unmasking.unmask(seeds);
                if self.orders.fault == Some(Fault::AddsAgain) {
                    for site in &self.again {
                        let more = input(*site, LEN);
                        sum.values.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                    }
                }
                self.sum = Some(sum);
                Coordinator::Ended
            }
            Coordinator::Ended => panic!("the round has ended"),
        };
        self.order.clear();
        for (site, shown) in speakers.into_iter().zip(shown) {
            put_out.u32(site).digest(shown.digest());
            self.shown[site as usize].push(shown);
            if !self.course.is_silent(site) {
                self.hears(site, put_out)?;
            }
        }
        Ok(())
    }

    fn hears(&mut self, site: u32, put_out: &mut Encoder) -> Result<(), Error> {
        let said = self.says(site)?;
        put_out.digest(&said.digest());
        if let Said::Answer(answer) = &*said {
            let shares = [answer.self_masks.len(), answer.backup_keys.len()];
            self.answers.push((site, answer.partition, shares));
        }
        Ok(())
    }

    /// What comes of it when nothing more is lost.
    fn end(mut self) -> Result<Sum, Error> {
        let mut ignored = Encoder::new("not compared");
        while !self.course.ended {
            for site in self.course.waiting() {
                self.act(Action::Arrives(site), &mut ignored)?;
            }
            self.act(Action::Closes, &mut ignored)?;
        }
        Ok(self.sum.expect("an ended round has a sum"))
    }
}

struct Orders {
    cast: Cast,
    shares: Vec<SharesMessage>,
    fault: Option<Fault>,
    /// The first digest seen of each course.
    first: Mutex<HashMap<Course, Digest>>,
}

impl Orders {
    fn new(fault: Option<Fault>) -> Self {
        let cast = Cast::new();
        let shares = (0..SITES).map(|site| cast.shares(site, 0)).collect();
        Self { cast, shares, fault, first: Mutex::default() }
    }

    fn closed(&self, last: &State) -> State {
        let mut history = last.history.clone();
        history.push(Action::Closes);
        let mut round = Round::new(self);
        let (mut put_out, mut result) = (Encoder::new("put out"), Ok(()));
        for action in &history {
            put_out = Encoder::new("put out");
            put_out.digest(&last.digest);
            result = round.act(*action, &mut put_out);
            if result.is_err() {
                break;
            }
        }
        let mut course = last.course.clone();
        course.follow(Action::Closes, result.is_err() || round.sum.is_some());
        let answers = round.answers.clone();
        let outcome = match result {
            Ok(()) => round.sum.clone().map(Ok),
            Err(error) => Some(Err(error)),
        };
        let end = if let Some(outcome) = &outcome { outcome.clone() } else { round.end() };
        put_out.str(&format!("{end:?}"));
        let digest = Digest::of(&put_out.finish());
        State { history, course, order: Vec::new(), digest, outcome, answers }
    }

    fn same_bytes_for_the_same_messages(&self, state: &State) -> bool {
        let mut first = self.first.lock().unwrap();
        *first.entry(state.course.clone()).or_insert(state.digest) == state.digest
            || !state.order.is_empty()
    }
}

/// A round that gave a sum, or fails the claim that there is one.
fn sum(state: &State) -> Option<&Sum> {
    state.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok())
}

fn the_sum_is_that_of_the_survivors(state: &State) -> bool {
    let Some(Sum { values, partition, disputes }) = sum(state) else {
        return true;
    };
    let [sharers, survivors, ..] = state.course.heard.as_slice() else {
        return false;
    };
    let everybody: Sites = (0..SITES).collect();
    partition.survivors == *survivors
        && partition.vanished == sharers - survivors
        && partition.absent == &everybody - sharers
        && survivors.len() >= THRESHOLD
        && *values == plain(survivors, LEN)
        && disputes.is_empty()
}

fn refusals_are_of_steps_closed_too_early(state: &State) -> bool {
    let refused = state.outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
    match refused {
        Some(error) => state.course.expected().as_ref() == Some(error),
        None => !state.course.ended || state.course.expected().is_none(),
    }
}

fn a_site_answers_one_partition_with_one_share_a_sharer(state: &State) -> bool {
    state.answers.iter().all(|(site, partition, shares)| {
        let [sharers, survivors, ..] = state.course.heard.as_slice() else {
            return false;
        };
        let each = [survivors.len(), sharers.len() - survivors.len()];
        let others = state.answers.iter().filter(|(other, ..)| other == site);
        *shares == each && others.map(|(_, other, _)| other).all(|other| other == partition)
    })
}

impl Model for Orders {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            history: Vec::new(),
            course: Course::new(),
            order: Vec::new(),
            digest: Digest::default(),
            outcome: None,
            answers: Vec::new(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.course.ended {
            return;
        }
        let waiting = state.course.waiting();
        actions.extend(waiting.iter().map(|site| Action::Arrives(*site)));
        actions.extend(waiting.iter().map(|site| Action::Falls(*site)));
        if state.order.len() == state.course.now().len() {
            actions.extend(state.order.iter().map(|site| Action::Arrives(*site)));
        }
        actions.push(Action::Closes);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        if action == Action::Closes {
            return Some(self.closed(last));
        }
        let mut state = last.clone();
        state.history.push(action);
        state.course.follow(action, false);
        if let Action::Arrives(site) = action {
            state.order.push(site);
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn ended(state: &State, sharers: usize, survivors: usize, confirmed: usize) -> bool {
            let lens = [sharers, survivors, confirmed];
            sum(state).is_some() && state.course.heard.iter().map(Sites::len).take(3).eq(lens)
        }
        vec![
            Property::always(SUM, |_, state| the_sum_is_that_of_the_survivors(state)),
            Property::always(EARLY, |_, state| refusals_are_of_steps_closed_too_early(state)),
            Property::always(ONCE, |_, state| {
                a_site_answers_one_partition_with_one_share_a_sharer(state)
            }),
            Property::always(ORDER, |orders: &Self, state| {
                orders.same_bytes_for_the_same_messages(state)
            }),
            Property::sometimes("all four are summed", |_, state| ended(state, 4, 4, 4)),
            Property::sometimes("one is absent", |_, state| ended(state, 3, 3, 3)),
            Property::sometimes("one vanishes", |_, state| ended(state, 4, 3, 3)),
            Property::sometimes("one does not confirm", |_, state| ended(state, 4, 4, 3)),
            Property::sometimes("a round fails", |_, state: &State| {
                state.course.ended && sum(state).is_none()
            }),
        ]
    }
}

const SUM: &str = "a sum is that of the survivors, who are at least t";
const EARLY: &str = "a step closed too early is refused by name, and nothing else is";
const ONCE: &str = "a site answers one partition, with one share of each sharer";
const ORDER: &str = "the same messages give the same bytes in whatever order they come";

#[test]
fn whatever_comes_in_whatever_order_the_sum_is_that_of_the_survivors_or_there_is_none() {
    let checker = Orders::new(None).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    println!("orders: {states} states");
    assert!(states >= STATES, "{states} states: fewer than there were");
}

/// States of the model when it was written; it may grow.
const STATES: usize = 11_161;

#[test]
fn a_coordinator_that_shows_an_order_is_found_out() {
    let checker = Orders::new(Some(Fault::RelaysInOrder)).checker();
    let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    checker.assert_any_discovery(ORDER);
}

#[test]
fn a_coordinator_that_adds_a_repeated_vector_again_is_found_out() {
    let checker = Orders::new(Some(Fault::AddsAgain)).checker();
    let both = HasDiscoveries::AllOf([SUM, ORDER].into());
    let checker = checker.finish_when(both).spawn_dfs().join();
    checker.assert_any_discovery(SUM);
    checker.assert_any_discovery(ORDER);
}
