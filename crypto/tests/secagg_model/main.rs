//! Exhaustive models of a masked round of four sites over the shipped types: every state that they
//! can be brought to is visited (stateright). Not shown: other numbers of sites, what two rounds do
//! to each other, and anything of the arithmetic beyond the sums that come out.

#[path = "../secagg/network.rs"]
#[allow(dead_code, reason = "the models use a part of it")]
mod network;

mod cast;
mod equivocation;
mod orders;
