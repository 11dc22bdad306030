//! A hospital's daemon: the one place where patients' data meet a question.
//!
//! `policy` is what the hospital allows; `replay` recomputes every question from the releases before it
//! (rule X3); `answer` charges and computes in the order of rule R5. With nodes, `nodes` sends shares and
//! `outbox` keeps them until the round has ended; without, `masked` takes a round through its steps and
//! `masks` remembers. `memory` is what a task keeps between rounds. `coordinator` is whom the site calls, `daemon` the loop.
//! `framework` is a program beside the site that makes the vectors of one task.
//!
//! What concerns the data stays in the site's own log: no message, and no moment at which one is
//! sent, depends on them once policy has agreed (rule S5).

mod answer;
mod cohorts;
mod config;
mod coordinator;
mod daemon;
mod framework;
mod masked;
mod masks;
mod memory;
mod nodes;
mod outbox;
mod policy;
mod replay;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use daemon::run;
#[cfg(unix)]
pub use daemon::serve_sums;
pub use policy::Policy;
