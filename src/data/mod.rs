//! A hospital's file of patients before it takes part in a study: what it holds, what is wrong with
//! it, and whom it would show. Everything here runs where the file is, and nothing is sent.
//!
//! | module | what it is for |
//! |---|---|
//! | [`source`] | the one place that reads CSV and Parquet |
//! | [`clean`] | puts a hospital's export into the form that everything else reads |
//! | [`infer`] | drafts a schema from a file |
//! | [`check`] | shows what is wrong or odd with a file |
//! | [`anonymity`] | whom a file would show: k-anonymity and l-diversity |
//! | [`example`] | ready schemas and artificial rows for them |

#[cfg(feature = "cli")]
pub mod anonymity;
#[cfg(feature = "cli")]
pub mod check;
#[cfg(feature = "cli")]
pub mod clean;
pub(crate) mod dates;
#[cfg(feature = "cli")]
pub mod example;
mod form;
#[cfg(feature = "cli")]
pub(crate) mod guess;
#[cfg(feature = "cli")]
pub mod infer;
#[cfg(feature = "cli")]
pub(crate) mod look;
#[cfg(feature = "cli")]
mod parquet;
#[cfg(feature = "cli")]
mod reading;
pub mod source;

#[cfg(feature = "cli")]
pub use reading::Reading;
