//! Exhaustive models of one round at the nodes, over the shipped types: every state that they can
//! be brought to within small bounds is visited (stateright).
//!
//! Each step of a node calls `haima_smpc_node::round` (`Collecting` to `Ready`), `record::Signed`,
//! `noise::draw` and, for what comes out, `bundle::Bundle::verify`. What drives and stores them at
//! a real node (`server::drive`, `server::store`) needs a network and a database; its order of
//! storing and sending is written again in `node.rs`, in some fifty lines to be read beside it.
//!
//! Whatever was sent may arrive late, again, or never; a node may lose what it has not stored, at
//! any time and as often as the bound says; clocks do not agree. A site shows two contributions to
//! two nodes. In one model the last node lies: it signs whatever suits it, another thing to each.
//!
//! Not shown: a store that is put back to an old copy, with or without a node that lies (proofs/tla
//! has such stores, and no liar), other numbers of nodes and sites, two rounds of one study beside
//! each other (rule X2; `rounds.rs` tests it), Shamir release (`quorum.rs`), PINE (preparation
//! shares say here whether a proof holds), and the store itself (`crash.rs`, `kills.rs`).

#[path = "../../../fuzz/src/targets/fixture.rs"]
#[allow(dead_code, reason = "the model uses a part of it")]
mod fixture;
mod message;
mod model;
mod node;
mod study;

use stateright::{Checker, HasDiscoveries, Model};

use model::{ENDS, FLOOR, ONCE, ONE_COMMITMENT, ONE_SET, Rounds, SUM, TOGETHER};
use study::Fault;

/// Visits every state, of which there are so many: with more or fewer it is another model than the
/// one that was looked at, and whoever changed it says here that it was meant.
fn visit_all(name: &str, model: Rounds, expected: usize) {
    let checker = model.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    println!("{name}: {states} states");
    assert_eq!(states, expected, "{name}: another number of states than was written down");
}

/// That a model with a fault breaks the claim that it must.
fn is_found_out(model: Rounds, claim: &'static str) {
    let checker = model.checker().threads(2);
    let checker = checker.finish_when(HasDiscoveries::AllOf([claim].into())).spawn_bfs().join();
    checker.assert_any_discovery(claim);
}

#[test]
fn two_nodes_release_one_sum_over_one_set_or_none_whatever_is_lost() {
    visit_all("two nodes", Rounds::of_two(None), 9_438);
}

#[test]
fn three_nodes_release_one_sum_over_one_set_or_none() {
    visit_all("three nodes", Rounds::of_three(), 7_776);
}

#[test]
fn a_node_that_lies_brings_no_two_releases_and_none_below_the_floor() {
    visit_all("a lying node", Rounds::with_a_liar(None), 5_702);
}

/// Rules R3, N3: store before sending.
#[test]
fn a_node_that_sends_before_it_stores_is_found_out() {
    is_found_out(Rounds::of_two(Some(Fault::SendsBeforeItStores)), ONCE);
}

/// Rule R3: k equal signatures.
#[test]
fn a_node_that_takes_any_accepted_set_for_its_own_is_found_out() {
    is_found_out(Rounds::with_a_liar(Some(Fault::TakesAnySet)), ONE_SET);
}

/// Rule R3: commitments are held to, also over a restart.
#[test]
fn a_node_that_forgets_what_others_committed_to_is_found_out() {
    is_found_out(Rounds::with_a_liar(Some(Fault::ForgetsCommitments)), ONE_COMMITMENT);
}

/// Rule R8.
#[test]
fn a_floor_of_one_operator_is_found_out() {
    is_found_out(Rounds::of_two(Some(Fault::NoFloor)), FLOOR);
}

#[test]
fn a_node_that_does_not_hear_that_a_peer_gave_up_waits_for_ever() {
    is_found_out(Rounds::of_two(Some(Fault::DeafToFailure)), ENDS);
}

#[test]
fn a_committed_node_that_believes_a_bare_word_is_found_out() {
    is_found_out(Rounds::with_a_liar(Some(Fault::BelievesABareWord)), TOGETHER);
}

/// Rule N3: the same noise however often it is computed.
#[test]
fn noise_that_is_not_the_one_of_the_accepted_set_is_found_out() {
    is_found_out(Rounds::of_two(Some(Fault::NoiseOfAnotherSet)), SUM);
}
