//! Masked aggregation from outside: rounds with honest parties, hostile coordinators, hostile
//! sites, and the bytes of every message.

mod bytes;
mod hostile_coordinator;
mod hostile_epoch;
mod hostile_sites;
mod network;
mod rounds;
mod vectors;
