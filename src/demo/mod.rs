//! A whole network on one machine: every party its own process, real TLS, real stores, throwaway
//! keys in a temporary folder.
//!
//! `network` makes and runs the parties, and is what the end-to-end tests and `haima stats` use too;
//! `follow` runs a study to its end; `poison` is a hospital that cheats; `run` is the command
//! `haima demo`; `screen` is what it shows; `virtual_patients` draws from the study's generator.
//!
//! One machine and one operator run every party here, so *nothing* is private against whoever
//! runs the demo; the report says so first.

pub(crate) mod follow;
pub mod network;
pub mod poison;
pub(crate) mod run;
mod screen;
mod virtual_patients;

pub use run::{Options, run};
