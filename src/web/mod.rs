//! Web pages for people: what a hospital, a coordinating centre and a node's operator see.
//!
//! The server writes every page; nothing is built, nothing is loaded from elsewhere, and all works
//! without a script. A page that changes while one looks at it has one short script, allowed by its
//! hash, that fetches it again when the server says so; without scripts the browser does by itself.
//!
//! A page reads what the daemons keep in their files and takes no lock, in a thread of its own: it
//! cannot disturb a round. What it may change: a site's page writes an approval or a refusal of a
//! manifest, and tells the daemon beside it to stop.
//!
//! `server` listens, on this machine alone; `gate` lets in who holds the `token` and checks host,
//! origin and forms; `sessions` remembers who is in; `document` is the one layout, `style` its look;
//! `live` tells that something changed, `read` keeps what was read while it did not, `nodes` asks nodes
//! how they are. `site`, `coordinator`, `dashboard` and `calculator` are the pages.
//!
//! Times: what is asked takes 30 seconds at most, a stream ten minutes, a connection fifteen.

pub mod calculator;
pub mod coordinator;
pub mod dashboard;
mod document;
mod form;
mod gate;
mod live;
mod nodes;
mod parts;
mod read;
mod server;
mod sessions;
pub mod site;
mod style;
mod token;

pub use gate::Door;
pub use server::{Listener, Stop};
pub use token::Token;
