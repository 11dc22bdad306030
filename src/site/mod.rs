//! A hospital's daemon: the one place where patients' data meet a question.
//!
//! `policy` is what the hospital allows; `replay` recomputes every question from releases that all
//! nodes signed (rule X3); `answer` turns a checked round into shares in the order of rule R5;
//! `outbox` keeps them until the round has ended; `daemon` talks to coordinator and nodes.
//!
//! What concerns the data stays in the site's own log: no message, and no moment at which one is
//! sent, depends on them once policy has agreed (rule S5).

mod answer;
mod config;
mod daemon;
mod outbox;
mod policy;
mod replay;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use daemon::run;
pub use policy::Policy;
