//! How parties come to a study: each makes its own keys and sends a request, which has nothing
//! secret; and reads in words what it is asked to sign ([`crate::study`]), with what all private tasks
//! cost together.

mod keys;
mod request;
mod total;
mod words;

pub use keys::{Keys, make_keys};
pub use request::{Request, Role};
pub use total::{Fit, Held, Total, hold, least_epsilon, total};
pub use words::{in_thousandths, in_words, unit};
