//! The one error type of this crate: each variant says what was wrong and what to do.
//!
//! Intake errors hold the offending field's own text and stay in the site's own log: errors about
//! data never travel (rule S5). No other variant holds anything derived from a single patient.

/// Why something in this crate failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The grid is too fine, or the manifest's cap too large, for 63-bit integers.
    #[error(
        "task {task}: the bound of a site of {max_patients} patients does not fit 63 bits; \
         lower `max_patients` or use fewer columns"
    )]
    BoundOverflow {
        /// The task.
        task: String,
        /// The manifest's cap on a site's patients.
        max_patients: u64,
    },

    /// A query or an absorb after the result, or after an error.
    #[error("the run is over: start a new one")]
    RunOver,

    /// A result that has no JSON form.
    #[error("the result cannot be written as JSON: {reason}")]
    Output {
        /// What the encoder said.
        reason: String,
    },

    /// A sum of another length than the query's dimension.
    #[error("a sum of {got} numbers where the query asks for {expected}")]
    SumLength {
        /// Dimension of the query.
        expected: usize,
        /// Length of the sum.
        got: usize,
    },

    /// A query that is not the deterministic absorb of the released sums (rule X3).
    #[error(
        "task {task}: the query is not the one that the released sums lead to; refuse it, and \
         compare the round records of the nodes"
    )]
    NotTheReplayedQuery {
        /// The task.
        task: String,
    },

    /// Parameters of a task that cannot be used.
    #[error("parameters of task {task}: {reason}")]
    Params {
        /// The task.
        task: String,
        /// What is wrong and what is possible.
        reason: String,
    },

    /// A predicate of a cohort that cannot be used.
    #[error("cohort predicate `{expression}`: {reason}")]
    Cohort {
        /// The predicate's text.
        expression: String,
        /// What is wrong and what is possible.
        reason: String,
    },

    /// The iterate of a query has the wrong length.
    #[error("task {task}: the query carries {got} bytes of iterate instead of {expected}")]
    QueryBytes {
        /// The task.
        task: String,
        /// Bytes that the task defines.
        expected: usize,
        /// Bytes in the query.
        got: usize,
    },

    /// A task or a version that this binary does not have.
    #[error("no task {task} version {version} in this binary; it has {known}")]
    UnknownTask {
        /// The name asked for.
        task: String,
        /// The version asked for.
        version: u32,
        /// Names with versions, comma separated.
        known: String,
    },

    /// A sum from which nothing can be estimated.
    #[error("task {task}: {reason}")]
    Fit {
        /// The task.
        task: String,
        /// What went wrong and what to do.
        reason: String,
    },

    /// A schema that cannot be used.
    #[error("schema: {reason}")]
    Schema {
        /// What is wrong and what to do.
        reason: String,
    },

    /// A column that the schema does not have.
    #[error("no column `{column}` in the schema; it has {known}")]
    UnknownColumn {
        /// The name asked for.
        column: String,
        /// The schema's columns, comma separated.
        known: String,
    },

    /// A file of patients that was refused. Stays in the site's own log.
    #[error("{file}{}: {problem}", place(.line, .field))]
    Intake {
        /// The file's name.
        file: String,
        /// Line, the header being 1; 0 when it concerns the file as a whole.
        line: u64,
        /// The column's name; empty when it concerns a whole line.
        field: String,
        /// What was wrong.
        problem: IntakeProblem,
    },

    /// The grid refused a public number. What it says of a patient's number becomes a note in
    /// the site's own log instead ([`crate::task::Contribution::encode`]).
    #[error("encoding: {reason}")]
    Encoding {
        /// What the encoder said.
        reason: String,
    },
}

impl From<haima_dp::Error> for Error {
    fn from(error: haima_dp::Error) -> Self {
        // As text: the other crate's errors may carry I/O errors, which are not comparable.
        Self::Encoding { reason: error.to_string() }
    }
}

/// Where in a file, as far as that is known.
fn place(line: &u64, field: &str) -> String {
    match (line, field) {
        (0, "") => String::new(),
        (0, field) => format!(", field `{field}`"),
        (line, "") => format!(", line {line}"),
        (line, field) => format!(", line {line}, field `{field}`"),
    }
}

/// What was wrong with a line or a field of a patient file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeProblem {
    /// The file could not be read.
    #[error("cannot be read ({reason}); check its path and permissions")]
    Unreadable {
        /// The operating system's reason.
        reason: String,
    },
    /// No header line.
    #[error("the file is empty; its first line must name the columns")]
    EmptyFile,
    /// A header and nothing else.
    #[error("a header but no patient; export the cohort again")]
    NoRows,
    /// More rows than are read.
    #[error("more than {max} rows; split the cohort")]
    TooManyRows {
        /// The cap.
        max: usize,
    },
    /// A field beyond the cap.
    #[error("longer than {max} bytes; look for an unclosed quote or free text")]
    FieldTooLong {
        /// The cap.
        max: usize,
    },
    /// Quotes that do not follow RFC 4180.
    #[error(
        "a quote inside an unquoted field, or text after a closing quote; double the quotes inside \
         a quoted field"
    )]
    StrayQuote,
    /// The file ends inside quotes.
    #[error("the file ends inside a quoted field; close the quote")]
    OpenQuote,
    /// A line with another number of fields than the header.
    #[error(
        "{got} fields where the header has {expected}; check the separators, and that no number has a \
         decimal comma"
    )]
    Ragged {
        /// Fields in the header.
        expected: usize,
        /// Fields on the line.
        got: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 text; save the file as UTF-8")]
    NotUtf8,
    /// The header names a column that the schema does not know.
    #[error("a column that the schema does not name; remove it, or add it to `ignore`")]
    ExtraColumn,
    /// The header lacks a column.
    #[error("the schema names this column and the header lacks it; add it to the file")]
    MissingColumn,
    /// The header names a unit that the column does not accept.
    #[error(
        "unit `{unit}`; the schema accepts {accepted}; convert the column, or agree on a factor"
    )]
    UnknownUnit {
        /// The header's unit.
        unit: String,
        /// The schema's own unit and those it converts, comma separated.
        accepted: String,
    },
    /// The header names a column twice.
    #[error("a column that the header names twice; rename one")]
    RepeatedColumn,
    /// An empty field where the schema allows none.
    #[error("empty; fill it, or set `missing = true` for the column in the schema")]
    Empty,
    /// Not a number, or not a finite one.
    #[error("`{text}` is not a finite number; write it with a decimal point and no unit")]
    NotNumeric {
        /// The field's own text.
        text: String,
    },
    /// A number outside the public range.
    #[error(
        "`{text}` lies outside the public range {range}; correct it, or agree on a wider range"
    )]
    OutOfRange {
        /// The field's own text.
        text: String,
        /// The schema's range.
        range: String,
    },
    /// A flag that is neither 0 nor 1.
    #[error("`{text}` is not a flag; write 0 or 1")]
    NotAFlag {
        /// The field's own text.
        text: String,
    },
    /// A level that the schema does not name.
    #[error("`{text}` is not one of the levels {levels}; correct it, or add it to the schema")]
    UnknownLevel {
        /// The field's own text.
        text: String,
        /// The schema's levels.
        levels: String,
    },
    /// More rows of one patient than the schema allows.
    #[error("row {max} + 1 of this patient, first seen on line {first}; the schema allows {max}")]
    TooManyRowsOfPatient {
        /// The schema's `rows_per_patient`.
        max: u32,
        /// Where the patient was first seen.
        first: u64,
    },
    /// A patient key that stood on an earlier line (rule S1).
    #[error("the patient of line {first} again; keep one row a patient")]
    DuplicateKey {
        /// Line of the first.
        first: u64,
    },
    /// A row equal to an earlier one in a file without a patient key (rule S1).
    #[error("the same row as line {first}; remove one, or name a patient key in the schema")]
    IdenticalRow {
        /// Line of the first.
        first: u64,
    },
}
