//! Vectors of somebody else's framework, through a Unix socket at a site (`docs/sum.md`).
//!
//! A program beside the site hands in one vector a round and is given the released sum, without
//! knowing anything of shares, nodes or ledgers. The task behind it is
//! [`haima_fl_core::tasks::vector_sum`].
//!
//! ```text
//! framework ──client──▶ server ──▶ mailbox ──▶ site: charge, clip, share, send
//!     ▲                               │
//!     └───────────── sum ◀────────────┴─────── the round's release, verified and replayed
//! ```
//!
//! - [`frame`]: messages and their bytes;
//! - [`mailbox`]: where the two sides meet, one round at a time;
//! - [`server`] and [`client`]: the two ends of the socket;
//! - [`simulate`]: several sockets summed in this process, *without any privacy*, for tests of a
//!   framework.
//!
//! Touches the socket's own file and no other. What comes over the socket is bounded before it is
//! read, and a peer that hangs is given up.

#[cfg(unix)]
pub mod client;
pub mod frame;
pub mod mailbox;
#[cfg(unix)]
mod peer;
#[cfg(unix)]
pub mod server;
pub mod simulate;
#[cfg(all(test, unix))]
mod tests;
