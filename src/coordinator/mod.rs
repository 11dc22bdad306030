//! The study's daemon: it asks the questions, receives the sums, and sees nothing else.
//!
//! `hub` is what sites are told and served, `service` its gRPC face, `events` the progress that
//! others watch, `rounds` what it has announced, `before` what of it had ended when it was started
//! again, `refusals` whether a round can have a sum at all, `refused` what hospitals said when one could
//! not, `board` where masked messages change hands, `study` runs the manifest's tasks in order and fills
//! the report, `models` writes a file for each model that they trained.

pub mod before;
pub mod board;
mod config;
pub mod events;
pub mod hub;
pub(crate) mod models;
pub(crate) mod record;
pub mod refusals;
pub mod refused;
pub mod rounds;
mod service;
pub mod study;

pub use config::{About, Config};
