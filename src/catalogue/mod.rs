//! A registry: the catalogue of a platform's studies, sites, models and reports, as a folder that
//! parties pass around by whatever means.
//!
//! `registry.toml` is the [`Charter`]: name, platform and parties with their pinned keys, signed by its
//! keeper. Each file in `entries/` is an [`Entry`]: what one party says of itself or of its study, signed
//! with the identity key by which studies know it. There is no server: who has the folder has the
//! registry, and two copies become one by [`merge`].
//!
//! # What binds an entry
//!
//! Signatures are over canonical bytes ([`haima_crypto::encode`]) that begin with the registry's digest.
//! So an entry that was signed for one registry is void in another, and a party of one is nobody in the
//! other. Versions of an entry count from 1, each names the digest of the one before, and none is ever
//! taken out: what is missing in between, or stands twice, is a fault. That the newest versions were cut
//! off at the end shows only beside a copy that has them ([`merge::compare`]).
//!
//! # What may enter (rule S6)
//!
//! Names, types, units and levels of a public schema, and no range of anything. The size of a cohort is
//! absent, declared by the site and rounded to a grain, or a released sum under noise with what it was
//! charged. Of models and reports what was asked and promised; counts of patients stay in their files.
//!
//! # Reading is for files of strangers
//!
//! Sizes and counts are bounded before anything is read, links and other things than files are refused,
//! names become parts of paths only after they were checked, and texts hold no letter that moves a line.
//! A file that is at fault is left out and told of; the others stand.
//!
//! | module | what it is for |
//! |---|---|
//! | [`charter`] | who belongs to a registry, and its digest |
//! | [`entry`] | what a party signs |
//! | [`offer`], [`size`] | what a site offers, and how many patients it may speak of |
//! | [`study`], [`model`], [`report`] | what is said of a study, of a model file, of a study's report |
//! | [`folder`] | a registry on disk |
//! | [`merge`] | two copies of a registry |
//! | [`search`] | words and filters to entries, ranked |
//! | [`words`], [`page`] | an entry as text, a registry as one page |

pub mod charter;
mod check;
pub mod entry;
pub mod folder;
pub mod merge;
pub mod model;
pub mod offer;
pub mod page;
mod privacy;
pub mod report;
pub mod search;
pub mod size;
pub mod study;
#[cfg(test)]
mod tests;
pub mod words;

pub use charter::{Charter, Member, Platform};
pub use entry::{Content, Entry, Id, Kind, New};
pub use folder::{Fault, Registry};
pub use privacy::{Privacy, Task};
