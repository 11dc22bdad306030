//! Web pages for people: what a hospital, a coordinating centre and a node's operator see.
//!
//! The server writes every page; nothing is built, nothing is loaded from elsewhere, and all works
//! without a script. A page that changes while one looks at it has one short script, allowed by its
//! hash, that fetches it again when the server says so; without scripts the browser does by itself.
//!
//! A page reads what the daemons keep in their files and takes no lock, in a thread of its own: it
//! cannot disturb a round; the longer a reading takes, the longer the next one waits. What it may change:
//! a site's page writes an approval or a refusal of a manifest and of runs that wait for one, and tells
//! the daemon beside it to stop.
//!
//! `server` listens, on this machine alone, by plain HTTP or `tls`; `gate` lets in who holds the `token`
//! or a key that was given, and checks host, origin and forms; `sessions` remembers who is in;
//! `document` is the one layout, `style` its look; `live` tells that something changed, `read` keeps
//! what was read while it did not, `journal` checks each signature once, `nodes` asks nodes how they
//! are. `site`, `coordinator`, `dashboard` and `calculator` are the pages.
//!
//! Times: what is asked takes 30 seconds at most, a stream ten minutes, a connection fifteen.

pub mod calculator;
pub mod coordinator;
pub mod dashboard;
mod document;
mod form;
mod gate;
mod journal;
mod live;
mod nodes;
mod parts;
mod read;
mod server;
mod sessions;
pub mod site;
mod style;
mod tls;
mod token;

pub use gate::Door;
pub use server::{Listener, Stop};
pub use tls::Tls;
pub use token::Token;
