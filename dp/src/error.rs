//! The one error type of the crate: what was wrong, with which figure, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::ledger::{Cost, four_digits};
use crate::units::Adjacency;

/// Everything that this crate refuses.
///
/// Comparable, so that tests assert the exact refusal. No variant carries a patient's value; the
/// figures of [`Error::NotOnGrid`] come from one, and stay in the site's own log (rule S5).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A figure that has to be finite and above zero is not.
    #[error("{what} must be a finite number above zero, got {value}: correct the policy or spec")]
    NotPositive {
        /// Which figure.
        what: &'static str,
        /// What was given.
        value: f64,
    },
    /// A figure that has to be finite and at least zero is not.
    #[error("{what} must be a finite number of at least zero, got {value}: correct the input")]
    Negative {
        /// Which figure.
        what: &'static str,
        /// What was given.
        value: f64,
    },
    /// A delta of one or more promises nothing.
    #[error("delta is a probability below 1, got {value}: 1/(100 n) is the default")]
    DeltaNotAProbability {
        /// What was given.
        value: f64,
    },
    /// A sampling rate that is no probability.
    #[error("the sampling rate q is a probability from 0 to 1, got {value}: correct the plan")]
    NotARate {
        /// What was given.
        value: f64,
    },
    /// A quantile that cannot be asked.
    #[error("private quantile: {what}")]
    Intake {
        /// What was wrong.
        what: String,
    },
    /// An order that no Renyi limit has.
    #[error("the Renyi order {order} is outside 2..=1024: choose a whole number in that range")]
    OrderOutOfRange {
        /// What was given.
        order: u32,
    },
    /// An event that no mechanism has.
    #[error("the event {event} has {what}: correct the plan")]
    BadEvent {
        /// Name of the event.
        event: &'static str,
        /// What is wrong with it, with the figure.
        what: String,
    },
    /// An event that an accountant has no theorem for.
    #[error(
        "{accountant} does not cover {event} under {adjacency}: use another accountant or plan"
    )]
    NotCovered {
        /// Name of the accountant.
        accountant: &'static str,
        /// Name of the event.
        event: &'static str,
        /// Which data sets are neighbours.
        adjacency: Adjacency,
    },
    /// No finite figure holds.
    #[error("{accountant} gives no finite bound at {at}: add noise, or take fewer steps")]
    NoBound {
        /// Name of the accountant.
        accountant: &'static str,
        /// The delta or epsilon that was asked for.
        at: f64,
    },
    /// No setting within the range reaches a target.
    #[error(
        "no {what} up to {most} reaches epsilon {epsilon} at delta {delta:e}: relax the target"
    )]
    OutOfReach {
        /// What was sought.
        what: &'static str,
        /// The last value that was tried.
        most: f64,
        /// The target's epsilon.
        epsilon: f64,
        /// The target's delta.
        delta: f64,
    },
    /// Rule L5.
    #[error(
        "delta {requested:e} is above 1/(10 n) = {limit:e} for n = {patients} patients: choose a \
         smaller one, or allow a large delta explicitly"
    )]
    DeltaTooLarge {
        /// The requested delta.
        requested: f64,
        /// The largest that needs no flag.
        limit: f64,
        /// The cohort's public size.
        patients: u64,
    },
    /// A cohort of nobody has no delta.
    #[error("the cohort size is 0: state the public expected number of patients")]
    EmptyCohort,
    /// A sensitivity outside 1..=2^62 grid steps.
    #[error("a sensitivity of {steps} grid steps is outside 1..=2^62: choose another grid or clip")]
    SensitivityOutOfRange {
        /// The figure, in grid steps.
        steps: f64,
    },
    /// A grid finer than doubles can resolve.
    #[error("a grid of 2^-{frac_bits} is too fine: use at most 52 fractional bits")]
    GridTooFine {
        /// The requested fractional bits.
        frac_bits: u8,
    },
    /// A real that has no place on the grid.
    #[error("{value} does not fit an i64 at 2^-{frac_bits} a step: clip it or coarsen the grid")]
    NotOnGrid {
        /// The real. Data-derived: for the site's own log only.
        value: f64,
        /// The grid.
        frac_bits: u8,
    },
    /// A noise scale that the sampler or the accounting does not cover.
    #[error("a noise scale of {scale} grid steps is outside {least}..={most}: choose another grid")]
    NoiseScaleOutOfRange {
        /// The requested scale.
        scale: u64,
        /// The smallest allowed here.
        least: u64,
        /// The largest allowed.
        most: u64,
    },
    /// A plan without rounds has nothing to calibrate.
    #[error("a plan of 0 rounds cannot be calibrated: count the steps and the spare attempts")]
    NoRounds,
    /// Even the noise of the sampler's largest scale does not fit the plan into the budget.
    #[error(
        "no noise scale up to {most} steps fits {rounds} rounds of sensitivity {sensitivity} into \
         {total}: fewer rounds, a coarser grid, a smaller clip or a larger budget"
    )]
    CannotCalibrate {
        /// The budget.
        total: Cost,
        /// The rounds of the plan, spare attempts included.
        rounds: u32,
        /// Grid steps.
        sensitivity: u64,
        /// The sampler's largest scale.
        most: u64,
    },
    /// The operating system refused.
    #[error("{path}: cannot {action}: {detail}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The kind, for callers that decide by it.
        kind: io::ErrorKind,
        /// The system's words.
        detail: String,
    },
    /// Another process, or another handle of this one, holds the journal.
    #[error("{path} is in use: one process may append; stop the other one first")]
    Locked {
        /// The journal.
        path: PathBuf,
    },
    /// A label of the wrong length.
    #[error("a journal label has 1 to 255 bytes, got {len}")]
    LabelLength {
        /// Its length in bytes.
        len: usize,
    },
    /// The file is an intact journal of something else.
    #[error("{path} is a journal of {found:?}, not of {expected:?}: check the path")]
    WrongLabel {
        /// The journal.
        path: PathBuf,
        /// The label asked for.
        expected: String,
        /// The label in the file.
        found: String,
    },
    /// The file's first bytes are no journal header, or a damaged one.
    #[error("{path} has no intact journal header ({what}): restore it, do not delete it")]
    BadHeader {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// Damage that no crash of ours leaves behind.
    #[error(
        "{path} is damaged at record {record}, byte {offset} ({what}): restore it from a copy and \
         compare its head with what the nodes saw last; do not cut it"
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The record's number, from 0.
        record: u64,
        /// Where the record begins.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A record above the limit.
    #[error("a journal record of {len} bytes is above the limit of {most}")]
    RecordTooLarge {
        /// Its length.
        len: usize,
        /// The limit.
        most: usize,
    },
    /// An earlier write failed and could not be undone, or its fate is unknown.
    #[error(
        "{path} takes no more records after a failed write: check the disk, then open it again"
    )]
    Closed {
        /// The journal.
        path: PathBuf,
    },
    /// A record of the ledger that this version does not understand.
    #[error(
        "{path}: ledger entry {record} is not understood ({what}): use the version that wrote it"
    )]
    BadEntry {
        /// The ledger.
        path: PathBuf,
        /// The record's number, from 0.
        record: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A name that could be mistaken for another one.
    #[error(
        "the {what} {name:?} is not usable: 1 to 200 bytes, no control characters, no blanks \
         around it"
    )]
    BadName {
        /// Population, study or reason.
        what: &'static str,
        /// What was given.
        name: String,
    },
    /// Rule L3.
    #[error(
        "{path} is the ledger of population {recorded:?}, not of {asked:?}: budgets follow \
         patients, so open the ledger of that population"
    )]
    WrongPopulation {
        /// The ledger.
        path: PathBuf,
        /// The population that the ledger was opened for.
        recorded: String,
        /// The population asked for.
        asked: String,
    },
    /// The policy's budget is not the one in force.
    #[error(
        "the budget differs from the one that {path} records: put it back, or state it again with a \
         reason, which becomes an entry of its own"
    )]
    BudgetChanged {
        /// The ledger.
        path: PathBuf,
    },
    /// A charge that does not fit. Nothing was changed.
    #[error(
        "study {study:?} asks for {} (epsilon {} alone), but {scope} has {} (epsilon {} alone) left at \
         delta {delta:e}: the release is refused",
        .asked.in_short(true),
        four_digits(*.asked_epsilon, true),
        .left.in_short(false),
        four_digits(*.left_epsilon, false)
    )]
    Overspend {
        /// The study that asked.
        study: String,
        /// Which limit: `the study's limit` or `the population's limit`.
        scope: &'static str,
        /// What was asked, under that limit's filter.
        asked: Cost,
        /// What is left under that limit, under the same filter.
        left: Cost,
        /// What was asked means this by itself at the limit's delta.
        asked_epsilon: f64,
        /// What is left means this by itself at the limit's delta; 0 when nothing is.
        left_epsilon: f64,
        /// The limit's delta.
        delta: f64,
    },
    /// Rule X1: the policy does not admit releases without noise.
    #[error(
        "study {study:?} asks for an exact release, which has no differential privacy, and the \
         policy does not allow any"
    )]
    ExactNotAllowed {
        /// The study that asked.
        study: String,
    },
    /// Rule L1: a round's digest was charged before, for something else.
    #[error(
        "round {key} was charged as entry {sequence} for another study or event: a retry is a new \
         attempt with a new digest"
    )]
    KeyReused {
        /// The round's digest, in hexadecimal.
        key: String,
        /// The entry that used it.
        sequence: u64,
    },
}

impl Error {
    /// An operating-system error, with the path and the deed.
    pub(crate) fn io(path: &Path, action: &'static str, source: &io::Error) -> Self {
        Self::Io {
            path: path.to_path_buf(),
            action,
            kind: source.kind(),
            detail: source.to_string(),
        }
    }
}
