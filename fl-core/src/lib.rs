//! Clinical statistics and learning as sequences of secure sums.
//!
//! Every computation here is a [`task::Task`]: a state machine that emits a public
//! [`task::Query`], to which each hospital answers with a bounded integer vector, and that absorbs
//! the [`sum::Sum`] of all answers. How the sum is made (secret shares among nodes, masking, or in
//! the clear for a simulation) is not this crate's business.
//!
//! The way in: a [`schema::Schema`] that the network agreed on, a [`cohort::Cohort`] read by
//! [`cohort::Cohort::read_csv`], a run from [`registry::open`], and [`sum::drive`].
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use haima_fl_core::cohort::Cohort;
//! use haima_fl_core::registry;
//! use haima_fl_core::schema::Schema;
//! use haima_fl_core::sum::{PlainSum, drive};
//! # use rand_chacha::ChaCha20Rng;
//! # use rand_core::SeedableRng;
//! # let rng = ChaCha20Rng::from_seed([0; 32]);
//!
//! let schema = r#"
//!     one_row_per_patient = true
//!     column = [{ name = "age", kind = "numeric", range = [0, 110] }]
//! "#;
//! let schema = Schema::from_toml(&schema.parse().expect("TOML"))?;
//! let north = Cohort::from_reader("north", "age\n61\n72\n58\n".as_bytes(), &schema)?;
//! let south = Cohort::from_reader("south", "age\n44\n67\n".as_bytes(), &schema)?;
//! let hospitals = [north, south];
//!
//! let params: toml::Table = "columns = [\"age\"]".parse().expect("TOML");
//! let open = || registry::open("table1", 1, &params, &schema, &BTreeMap::new());
//! // At most 100 patients a hospital, none with fewer than 2; added in the clear, to try it out.
//! let mut sums = PlainSum::new(&hospitals, 100, 2, rng, open)?;
//! let table = drive(open()?.as_mut(), &mut sums)?;
//! assert_eq!(table["n"][0], 5);
//! # Ok::<(), haima_fl_core::Error>(())
//! ```
//!
//! # Modules
//!
//! | module | what it is for |
//! |---|---|
//! | [`task`], [`sum`] | the waist: queries, contributions, sums; what an auditor reads first |
//! | [`registry`], [`tasks`] | the tasks of this binary, by name and version; a program adds its own |
//! | [`schema`], [`cohort`], [`quality`] | what a file of patients must be, is, and has wrong with it |
//! | [`selection`], [`asked`] | of whom a question is, and how two questions differ |
//! | [`learn`], [`nn`] | models, strategies and per-patient gradients |
//! | [`synth`] | generators of virtual patients |
//! | [`results`] | what tasks return, as JSON |
//! | [`design`], [`linalg`], [`stat`] | model matrices, small linear algebra, distributions |
//!
//! `examples/implement_a_task.rs` and `examples/implement_a_model.rs` are complete and short.
//!
//! # What a task promises, and what it does not
//!
//! - Its question and its absorption of a sum are the same to the bit on every machine, so that
//!   hospitals can replay them and refuse a question that does not follow (rule X3).
//! - The form of an answer does not depend on data, and trouble with data travels as zeros (rule S5).
//! - With a stated sensitivity, no patient moves a site's integers further than that (rule S2). Noise,
//!   charges and proofs are the business of whoever makes the sum.
//! - [`sum::PlainSum`] adds in the clear: it is for tests and simulations, and protects nobody.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod asked;
pub mod cohort;
pub mod design;
pub mod error;
mod intake;
pub mod learn;
pub mod linalg;
pub mod nn;
pub mod registry;
pub mod results;
pub mod schema;
pub mod selection;
pub mod stat;
pub mod sum;
pub mod synth;
pub mod task;
pub mod tasks;

pub use error::Error;
pub use intake::quality;
