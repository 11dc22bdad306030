//! A hospital's daemon: the one place where patients' data meet a question.
//!
//! `policy` is what the hospital allows, `consent` what its people say of runs that it holds back, and
//! `preview` shows what would leave before anything does; `budget` says whether what is left holds a
//! study. `replay` recomputes every question from the
//! releases before it (rule X3); `answer` charges and computes in the order of rule R5. With nodes,
//! `nodes` sends shares and `outbox` keeps them until the round has ended; without, `masked` takes a
//! round through its steps and `masks` remembers. `memory` is what a task keeps between rounds.
//! `coordinator` is whom the site calls, `daemon` the loop, `tick` the moment at which it sends.
//! `framework` is a program beside the site that makes the vectors of one task.
//!
//! What concerns the data stays in the site's own log: no message, and no moment at which one is
//! sent, depends on them once policy has agreed (rule S5).

mod answer;
pub(crate) mod budget;
mod cohorts;
mod config;
pub mod consent;
mod coordinator;
mod daemon;
mod framework;
mod masked;
mod masks;
mod memory;
mod nodes;
mod outbox;
mod policy;
pub mod preview;
mod replay;
#[cfg(test)]
mod tests;
mod tick;

pub use config::Config;
pub use consent::Consents;
pub use daemon::run;
#[cfg(unix)]
pub use daemon::serve_sums;
pub use policy::{Approval, Day, Every, Hours, Policy};
pub use preview::Preview;
