//! How parties come to a study: each makes its own keys and sends a request, which has nothing
//! secret; and reads in words what it is asked to sign ([`crate::study`]).

mod keys;
mod request;
mod words;

pub use keys::{Keys, make_keys};
pub use request::{Request, Role};
pub use words::in_words;
