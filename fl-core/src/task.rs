//! The waist: what a federated computation asks, what a site answers, how an answer is absorbed.
//!
//! A [`Task`] is a state machine over public state. It emits a [`Query`], every site answers with
//! an integer [`Contribution`] whose norm it bounds itself, and the task absorbs the [`Sum`] of
//! all of them. Nothing else crosses between a hospital and the network, so this file is what an
//! auditor reads first.
//!
//! `start`, `query` and `absorb` must be *deterministic to the bit on every machine* (rule X3):
//! sites replay them and refuse an iterate that is not the absorbed earlier sums. They therefore
//! use `libm` and plain scalar loops, never SIMD linear algebra. `contribute` may use anything.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::cohort::Cohort;
use crate::error::Error;
use crate::selection::Selection;
use crate::sum::Sum;

/// A consecutive part of the vector with a fixed-point grid of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Name by which `absorb` finds it again, e.g. `"gradient"`.
    pub name: String,
    /// Number of coordinates, at least 1.
    pub len: u32,
    /// The grid step is `2^-frac_bits`.
    pub frac_bits: u8,
    /// L2 bound on what one patient adds to this block, in grid steps. A closed form of public
    /// numbers; what a site sends is at most `max_patients` times it.
    pub patient_bound: u64,
}

/// A public question to all sites. What it holds is all that a site's answer depends on, besides
/// its cohort and the task's parameters, which stand in the signed manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Name of the task, e.g. `"cox"`.
    pub task: String,
    /// Version of the task; a site answers only the version that it has compiled in.
    pub version: u32,
    /// Layout of the vector.
    pub blocks: Vec<Block>,
    /// D of rule S2, in grid steps: the L2 distance that adding or removing one patient can make
    /// in a site's integer vector. `None`: not bounded, so the task exists in the exact class only.
    pub sensitivity: Option<u64>,
    /// The public probability with which each patient takes part in this sum, independently: 1, or
    /// less for a task that trains on Poisson samples. Whoever runs the task draws the sample, and
    /// hands over a cohort of it alone.
    pub rate: f64,
    /// Canonical text of the cohort that the question is about ([`crate::selection`]); empty for all
    /// patients. Set by the registry, not by tasks: it is the same for every step of a run.
    pub cohort: String,
    /// The public iterate (coefficients, weights), in the task's own little-endian layout.
    pub bytes: Vec<u8>,
}

impl Query {
    /// Number of coordinates over all blocks.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.blocks.iter().map(|block| block.len as usize).sum()
    }

    /// L2 bound B on a site's integer vector, in grid steps: `max_patients * sqrt(sum_b bound_b^2)`,
    /// rounded up (rule S5: the bound is a closed form that all parties compute).
    ///
    /// # Errors
    /// When the bound does not fit 63 bits: the grid is too fine for this many patients.
    pub fn site_bound(&self, max_patients: u64) -> Result<u64, Error> {
        let overflow = || Error::BoundOverflow { task: self.task.clone(), max_patients };
        let mut squares: u128 = 0;
        for block in &self.blocks {
            let bound = u128::from(block.patient_bound);
            squares = bound
                .checked_mul(bound)
                .and_then(|square| squares.checked_add(square))
                .ok_or_else(overflow)?;
        }
        let floor = squares.isqrt();
        let root = if floor * floor < squares { floor + 1 } else { floor };
        let bound = root.checked_mul(u128::from(max_patients)).ok_or_else(overflow)?;
        i64::try_from(bound).map(i64::unsigned_abs).map_err(|_| overflow())
    }
}

/// What one site adds to the sum: integers on the grids of the query's blocks.
#[derive(Clone, PartialEq, Eq)]
pub struct Contribution {
    /// One integer a coordinate, blocks in order. Secret: it leaves only as shares.
    pub values: Zeroizing<Vec<i64>>,
    /// Why the vector is all zero, for the site's own log; never sent (rule S5).
    pub note: Option<String>,
}

impl std::fmt::Debug for Contribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contribution {{ values: <{} redacted> }}", self.values.len())
    }
}

impl Contribution {
    /// The answer of a site that has nothing to add, with the reason for its own log (S5).
    #[must_use]
    pub fn zero(query: &Query, note: impl Into<String>) -> Self {
        Self { values: Zeroizing::new(vec![0; query.dimension()]), note: Some(note.into()) }
    }

    /// Encodes real block values by truncation toward zero; anything that does not fit (NaN,
    /// overflow, a norm past `B = site_bound(max_patients)`, a wrong length) makes the whole
    /// answer zero, never an error (S5).
    #[must_use]
    pub fn encode(query: &Query, blocks: &[Vec<f64>], max_patients: u64) -> Self {
        match Self::try_encode(query, blocks, max_patients) {
            Ok(values) => Self { values, note: None },
            Err(note) => Self::zero(query, note),
        }
    }

    fn try_encode(
        query: &Query,
        blocks: &[Vec<f64>],
        max_patients: u64,
    ) -> Result<Zeroizing<Vec<i64>>, String> {
        if blocks.len() != query.blocks.len() {
            return Err(format!("{} blocks instead of {}", blocks.len(), query.blocks.len()));
        }
        let mut values = Zeroizing::new(Vec::with_capacity(query.dimension()));
        for (reals, block) in blocks.iter().zip(&query.blocks) {
            if reals.len() != block.len as usize {
                return Err(format!("block {}: {} values", block.name, reals.len()));
            }
            let grid = haima_dp::fixed::Grid::new(block.frac_bits).map_err(|e| e.to_string())?;
            let start = values.len();
            for &real in reals {
                values.push(grid.truncate(real).map_err(|e| format!("block {}: {e}", block.name))?);
            }
            let bound = u128::from(block.patient_bound) * u128::from(max_patients);
            let norm = haima_dp::norms::norm_squared(&values[start..]);
            if bound.checked_mul(bound).is_some_and(|square| norm > square) {
                return Err(format!("block {}: the norm passes the bound", block.name));
            }
        }
        Ok(values)
    }
}

/// What a site keeps between the rounds of one run (control variates, personal heads). It never
/// leaves the site. Values are wiped when it is dropped, or when another takes their place by
/// [`SiteState::keep`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SiteState {
    /// Named byte strings, each in the layout of the task that wrote it.
    pub values: BTreeMap<String, Vec<u8>>,
}

impl SiteState {
    /// Name of the value that a site may go on keeping when the run has ended: the weights of its own
    /// model, little-endian doubles.
    pub const PERSONAL: &'static str = "personal";
    /// How names of values end that tell how patients may be packed: a matter of the process (its
    /// device, its build), found anew by another.
    const PACKING: &'static str = "packing";

    /// The values that belong to the run, by name: what a site writes to disk. What was probed is left
    /// out, for it holds in this process alone.
    pub fn kept(&self) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        self.values.iter().filter(|(name, _)| !name.ends_with(Self::PACKING))
    }

    /// Keeps a value, and wipes what it takes the place of.
    pub fn keep(&mut self, name: &str, value: Vec<u8>) {
        self.values.insert(name.to_owned(), value).zeroize();
    }
}

impl Zeroize for SiteState {
    fn zeroize(&mut self) {
        self.values.values_mut().for_each(Zeroize::zeroize);
    }
}

impl Drop for SiteState {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for SiteState {}

impl std::fmt::Debug for SiteState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SiteState {{ values: <{} redacted> }}", self.values.len())
    }
}

/// What follows an absorbed sum.
#[derive(Debug)]
pub enum Next<S, O> {
    /// Another round with this state.
    Continue(S),
    /// The result.
    Done(O),
}

/// What a site knows besides the query: its patients and the public cap on their number.
pub struct Site<'a> {
    /// The patients of this sum: all of the site's, or, where the query's rate is below 1, those
    /// drawn for it ([`Cohort::select`]). A task has no way to any other.
    pub cohort: &'a Cohort,
    /// Patients to compute for, padding included: a public number, from which the time of a task
    /// that samples must follow (rule S5). 0 where nobody watches the clock.
    pub capacity: u64,
    /// Public cap of the manifest; intake refuses a larger cohort.
    pub max_patients: u64,
    /// A cohort of fewer complete rows answers zero (the site's own floor). 0 in a round under noise:
    /// there a floor would let one patient move the sum by far more than D (rule S2).
    pub min_local_rows: u64,
}

/// A federated computation as a sequence of secure sums.
pub trait Task: Send + Sync + 'static {
    /// Public state between rounds.
    type State: Send + Clone;
    /// The result, in the JSON form that the command line prints.
    type Output: Serialize;

    /// The state before the first sum.
    fn start(&self) -> Self::State;

    /// The question that belongs to a state.
    fn query(&self, state: &Self::State) -> Query;

    /// A site's answer. Failing data never fail the call: they give the zero vector (S5).
    ///
    /// # Errors
    /// Only when the query is not one of this task (wrong length of its bytes).
    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        state: &mut SiteState,
        rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error>;

    /// Takes in the sum of all sites' answers to `query(state)`.
    ///
    /// # Errors
    /// When the sum cannot be used (no events, a singular matrix), with what to do.
    fn absorb(
        &self,
        state: Self::State,
        sum: &Sum,
    ) -> Result<Next<Self::State, Self::Output>, Error>;

    /// The state as JSON, for a checkpoint; `None` where the task is too short to need one.
    fn save(&self, _state: &Self::State) -> Option<serde_json::Value> {
        None
    }

    /// A saved state again; `None` when it is none of this task's.
    fn restore(&self, _saved: &serde_json::Value) -> Option<Self::State> {
        None
    }

    /// A result of the form that a run gives, of public numbers alone: what tasks that build on it are
    /// opened with before anything was summed. `None` where a result needs sums.
    fn outline(&self) -> Option<Self::Output> {
        None
    }

    /// The most sums of a run, where the parameters say how many.
    fn sums(&self) -> Option<u32> {
        None
    }

    /// The most coordinates of a query of a run, where later ones may be longer than the first: what a
    /// plan and a study's caps have to allow.
    fn most_coordinates(&self) -> Option<usize> {
        None
    }
}

/// A task together with its state, with the type erased: what coordinator and sites hold.
pub trait Run: Send {
    /// The question of the current state; `None` when the run is done.
    fn query(&self) -> Option<Query>;
    /// A site's answer to the current query.
    ///
    /// # Errors
    /// As [`Task::contribute`].
    fn contribute(
        &self,
        site: &Site<'_>,
        state: &mut SiteState,
        rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error>;
    /// Absorbs a sum; the result when it was the last.
    ///
    /// # Errors
    /// As [`Task::absorb`]; after an error the run is over.
    fn absorb(&mut self, sum: &Sum) -> Result<Option<serde_json::Value>, Error>;
    /// The state as [`Task::save`] gives it; `None` when the run is done, too.
    fn save(&self) -> Option<serde_json::Value>;
    /// Goes on from a saved state; false, changing nothing, when it is none of this task's.
    fn restore(&mut self, saved: &serde_json::Value) -> bool;
    /// The result that [`Task::outline`] gives.
    fn outline(&self) -> Option<serde_json::Value>;
    /// As [`Task::sums`].
    fn sums(&self) -> Option<u32>;
    /// As [`Task::most_coordinates`].
    fn most_coordinates(&self) -> Option<usize>;
}

/// A run over the patients of a selection: the task sees no other, and every query says so.
struct Selected {
    run: Box<dyn Run>,
    selection: Selection,
}

/// Restricts a run to a selection of patients.
#[must_use]
pub fn select(run: Box<dyn Run>, selection: Selection) -> Box<dyn Run> {
    if selection.is_all() { run } else { Box::new(Selected { run, selection }) }
}

impl Run for Selected {
    fn query(&self) -> Option<Query> {
        self.run.query().map(|query| Query { cohort: self.selection.to_string(), ..query })
    }

    fn contribute(
        &self,
        site: &Site<'_>,
        state: &mut SiteState,
        rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        let patients = site.cohort.select(|i| self.selection.takes(site.cohort, i));
        self.run.contribute(&Site { cohort: &patients, ..*site }, state, rng)
    }

    fn absorb(&mut self, sum: &Sum) -> Result<Option<serde_json::Value>, Error> {
        self.run.absorb(sum)
    }

    fn save(&self) -> Option<serde_json::Value> {
        self.run.save()
    }

    fn restore(&mut self, saved: &serde_json::Value) -> bool {
        self.run.restore(saved)
    }

    fn outline(&self) -> Option<serde_json::Value> {
        self.run.outline()
    }

    fn sums(&self) -> Option<u32> {
        self.run.sums()
    }

    fn most_coordinates(&self) -> Option<usize> {
        self.run.most_coordinates()
    }
}

struct Running<T: Task> {
    task: T,
    state: Option<T::State>,
}

/// Starts a run of a task.
#[must_use]
pub fn start<T: Task>(task: T) -> Box<dyn Run> {
    let state = Some(task.start());
    Box::new(Running { task, state })
}

impl<T: Task> Run for Running<T> {
    fn query(&self) -> Option<Query> {
        self.state.as_ref().map(|state| self.task.query(state))
    }

    fn contribute(
        &self,
        site: &Site<'_>,
        state: &mut SiteState,
        rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        let query = self.query().ok_or(Error::RunOver)?;
        self.task.contribute(&query, site, state, rng)
    }

    fn absorb(&mut self, sum: &Sum) -> Result<Option<serde_json::Value>, Error> {
        let state = self.state.take().ok_or(Error::RunOver)?;
        match self.task.absorb(state, sum)? {
            Next::Continue(state) => {
                self.state = Some(state);
                Ok(None)
            }
            Next::Done(output) => Ok(Some(
                serde_json::to_value(output)
                    .map_err(|error| Error::Output { reason: error.to_string() })?,
            )),
        }
    }

    fn save(&self) -> Option<serde_json::Value> {
        self.task.save(self.state.as_ref()?)
    }

    fn restore(&mut self, saved: &serde_json::Value) -> bool {
        match self.task.restore(saved) {
            Some(state) => {
                self.state = Some(state);
                true
            }
            None => false,
        }
    }

    fn outline(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self.task.outline()?).ok()
    }

    fn sums(&self) -> Option<u32> {
        self.task.sums()
    }

    fn most_coordinates(&self) -> Option<usize> {
        self.task.most_coordinates()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probed_is_not_kept() {
        let names = ["packing", "hazard.packing", SiteState::PERSONAL, "control"];
        let values = names.iter().map(|name| ((*name).to_owned(), vec![1])).collect();
        let state = SiteState { values };
        let kept: Vec<&str> = state.kept().map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept, ["control", "personal"]);
    }

    #[test]
    fn what_is_wiped_of_a_site_is_empty() {
        fn is_wiped_on_drop<T: ZeroizeOnDrop>(_: &T) {}
        let mut state = SiteState::default();
        state.keep("control", vec![1; 16]);
        state.keep("control", vec![2; 8]);
        assert_eq!(state.values["control"], [2; 8]);
        is_wiped_on_drop(&state);
        state.zeroize();
        assert!(state.values["control"].is_empty());
    }
}
