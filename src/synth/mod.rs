//! Virtual patients: a generator fitted over local hospitals, rows drawn from it, and the report on
//! how they compare. What `haima synth fit | sample | report` run.
//!
//! | module | what it is for |
//! |---|---|
//! | [`mod@file`] | a generator as one file |
//! | `sample` | rows of virtual patients (feature `cli`) |
//! | `cohort` | what is said of such rows, in a file beside them (feature `cli`) |
//! | `write` | CSV, Parquet and Phenopackets (feature `cli`) |
//! | `fit` | a generator over sums of hospitals (feature `demo`) |
//! | `membership` | an attack that guesses who was in the data (feature `demo`) |
//! | `report` | real and virtual patients side by side (feature `demo`) |
//!
//! A generator is post-processing of released sums (`haima_fl_core::tasks::synthesize`), and rows are
//! post-processing of a generator: any number of them costs no privacy beyond what the generator's
//! provenance says. The row sampler's seed may be known to all. It is no seed of noise: those never
//! leave the nodes (rules N3, N4).

#[cfg(feature = "cli")]
pub mod cohort;
pub mod file;
#[cfg(feature = "demo")]
pub mod fit;
#[cfg(feature = "demo")]
pub(crate) mod membership;
#[cfg(feature = "demo")]
pub mod report;
#[cfg(feature = "cli")]
pub mod sample;
#[cfg(feature = "cli")]
pub mod write;
