//! What the statistical tasks share: their parameters, the layout of their vectors, the floors.
//!
//! Every vector opens with the block `count`: sites, patients, events. Real-valued blocks take the
//! finest grid on which the bound of a site of 100,000 patients stays below 2^62, which the
//! 128-bit field carries.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sum::Sum;
use crate::task::{Block, Contribution, Query, Site};

/// Patients of a site up to which the chosen grids are certain to fit.
const FINE_FOR: f64 = 100_000.0;
/// Below this step nothing is left of a double's precision in a sum over patients.
const MAX_FRAC_BITS: u8 = 40;
/// Coordinates that a query may ask for.
const MAX_DIMENSION: usize = 1 << 20;
/// Room for the rounding of a double sum over a site's patients, relative to its closed bound:
/// 10^7 additions of relative error 2^-53 stay below 2^-29.
const ROUNDING: f64 = 1.0 + 1.0 / (1 << 20) as f64;

const COUNT: &str = "count";

/// Reads a task's parameters, refusing unknown ones.
pub(crate) fn params<T: DeserializeOwned>(task: &str, table: &toml::Table) -> Result<T, Error> {
    table
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| refuse(task, error.message().to_owned()))
}

/// A refusal of a parameter.
pub(crate) fn refuse(task: &str, reason: impl Into<String>) -> Error {
    Error::Params { task: task.to_owned(), reason: reason.into() }
}

/// A sum that cannot be used.
pub(crate) fn unfit(task: &str, reason: impl Into<String>) -> Error {
    Error::Fit { task: task.to_owned(), reason: reason.into() }
}

/// A block of counts. `patient_norm` bounds the L2 norm of what one patient adds.
pub(crate) fn counts(name: &str, len: usize, patient_norm: f64) -> Block {
    reals(name, len, patient_norm, 0)
}

/// A block of reals on the grid `2^-frac_bits`; what one patient adds has an L2 norm of at most
/// `patient_norm`.
pub(crate) fn reals(name: &str, len: usize, patient_norm: f64, frac_bits: u8) -> Block {
    let steps = (1u64 << frac_bits) as f64;
    Block {
        name: name.to_owned(),
        // `check` refuses lengths past MAX_DIMENSION when the task is opened.
        len: u32::try_from(len).unwrap_or(u32::MAX),
        frac_bits,
        patient_bound: (patient_norm * ROUNDING * steps).ceil() as u64,
    }
}

/// The block that opens every vector. A site with n >= 1 patients and e <= n events adds
/// (1, n, e), of norm at most sqrt(3) n.
pub(crate) fn count_block() -> Block {
    counts(COUNT, 3, 3f64.sqrt())
}

/// A question of the exact class about all patients: no patient's part is bounded for noise.
pub(crate) fn exact(task: &str, version: u32, blocks: Vec<Block>, bytes: Vec<u8>) -> Query {
    Query {
        task: task.to_owned(),
        version,
        blocks,
        sensitivity: None,
        rate: 1.0,
        cohort: String::new(),
        bytes,
    }
}

/// How a task's sum leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Release {
    /// Without noise, under the exact class.
    #[default]
    Exact,
    /// With noise, charged for the D that the query states.
    Noised,
}

/// Grid of noised counts and bounded reals. Fine enough that rounding is nothing beside the noise
/// (rule N2 asks for a scale of 2^10 steps), coarse enough for the 64-bit field.
pub(super) const NOISED_BITS: u8 = crate::results::noised::COUNT_BITS;

/// Blocks of a noised release, and its D: `norm_squared` bounds the squared L2 norm of all that one
/// patient adds to all blocks together. All are on one grid, since all get one noise.
pub(crate) fn noised(blocks: &[(&str, usize)], norm_squared: f64) -> (Vec<Block>, Option<u64>) {
    let steps = (1u64 << NOISED_BITS) as f64;
    // Patients are truncated one by one and added in integers, so this is D itself (rule S2).
    let distance = (norm_squared.sqrt() * steps).ceil() as u64;
    let block = |(name, len): &(&str, usize)| Block {
        name: (*name).to_owned(),
        len: u32::try_from(*len).unwrap_or(u32::MAX),
        frac_bits: NOISED_BITS,
        patient_bound: distance,
    };
    (blocks.iter().map(block).collect(), Some(distance))
}

/// A patient's own value, truncated toward zero to the grid of noised releases.
pub(crate) fn on_noised_grid(value: f64) -> f64 {
    let steps = (1u64 << NOISED_BITS) as f64;
    (value * steps).trunc() / steps
}

/// The finest grid for blocks of these norms a patient.
pub(crate) fn frac_bits(patient_norms: &[f64]) -> u8 {
    let squares: f64 = patient_norms.iter().map(|norm| norm * norm).sum();
    // One step more a block for rounding up, and 64 for the blocks of counts.
    let fits = |bits: &u8| {
        let steps = (1u64 << bits) as f64;
        let bound = squares.sqrt() * ROUNDING * steps + 64.0 + patient_norms.len() as f64;
        bound * FINE_FOR < (1u64 << 62) as f64
    };
    (0..=MAX_FRAC_BITS).rev().find(fits).unwrap_or(0)
}

/// Refuses a layout that is too large to share and prove.
pub(crate) fn check(task: &str, query: &Query) -> Result<(), Error> {
    // Told when a task is opened, not when its last step cannot be planned.
    query.site_bound(FINE_FOR as u64)?;
    if query.dimension() <= MAX_DIMENSION && query.blocks.iter().all(|block| block.len > 0) {
        Ok(())
    } else {
        Err(refuse(
            task,
            format!(
                "{} numbers a round, at most {MAX_DIMENSION}; use fewer columns, groups or \
                 intervals",
                query.dimension()
            ),
        ))
    }
}

/// The answer of a site whose complete rows are below its floor or past the public cap (S5).
pub(crate) fn floor(query: &Query, site: &Site<'_>, complete: usize) -> Option<Contribution> {
    let complete = complete as u64;
    let floor = site.min_local_rows.max(1);
    if complete < floor {
        let note = format!("fewer complete rows than the site's floor of {floor}");
        Some(Contribution::zero(query, note))
    } else if complete > site.max_patients {
        let note = format!("more complete rows than the public cap of {}", site.max_patients);
        Some(Contribution::zero(query, note))
    } else {
        None
    }
}

/// The block [`count_block`] of one site.
pub(crate) fn count_values(patients: usize, events: usize) -> Vec<f64> {
    vec![1.0, patients as f64, events as f64]
}

/// What the block `count` of a sum says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) sites: u64,
    pub(crate) patients: u64,
    pub(crate) events: u64,
}

/// Reads the block `count`.
pub(crate) fn read_counts(sum: &Sum) -> Result<Counts, Error> {
    match block(sum, COUNT, 3)?.as_slice() {
        [sites, patients, events] => {
            Ok(Counts { sites: whole(*sites), patients: whole(*patients), events: whole(*events) })
        }
        other => Err(Error::SumLength { expected: 3, got: other.len() }),
    }
}

/// Reads a block of known length.
pub(crate) fn block(sum: &Sum, name: &str, len: usize) -> Result<Vec<f64>, Error> {
    let values = sum.block(name);
    if values.len() == len {
        Ok(values)
    } else {
        Err(Error::SumLength { expected: len, got: values.len() })
    }
}

/// A summed count; negative only in a sum that no honest sites made.
pub(crate) fn whole(value: f64) -> u64 {
    value as u64
}

/// An iterate as a query carries it.
pub(crate) fn to_bytes(iterate: &[f64]) -> Vec<u8> {
    iterate.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Reads `len` numbers of a query's iterate.
pub(crate) fn from_bytes(query: &Query, len: usize) -> Result<Vec<f64>, Error> {
    let (chunks, rest) = query.bytes.as_chunks::<8>();
    if chunks.len() == len && rest.is_empty() {
        Ok(chunks.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
    } else {
        Err(Error::QueryBytes {
            task: query.task.clone(),
            expected: len * 8,
            got: query.bytes.len(),
        })
    }
}
