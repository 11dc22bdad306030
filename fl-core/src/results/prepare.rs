//! What describes columns well enough to standardise and to fill them in. `schema` is
//! `haima.prepared/1`.

use serde::{Deserialize, Serialize};

use crate::tasks::layout::Release;

/// Value of `schema`.
pub const SCHEMA: &str = "haima.prepared/1";

/// Figures of columns, from one sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// [`SCHEMA`].
    pub schema: String,
    /// How the sum left: exactly, or noised and charged.
    pub release: Release,
    /// Sites whose contribution was not the zero vector; under noise, sites asked.
    pub sites: u64,
    /// Patients; under noise the noised number, not below 0.
    pub patients: f64,
    /// Manifest id of the `combat` task after whose adjustment the figures were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harmonised: Option<String>,
    /// One a column, in the order asked for.
    pub columns: Vec<Figures>,
}

/// The figures of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The column.
    pub column: String,
    /// Its unit, empty without one.
    pub unit: String,
    /// Patients in whom it is known; under noise the noised number, not below 0.
    pub present: f64,
    /// Share of patients in whom it is missing, 0 to 1.
    pub missing: f64,
    /// The rest, by kind.
    #[serde(flatten)]
    pub of: Kind,
}

/// Figures by the kind of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Kind {
    /// A numeric column, in its own unit, or log(1 + x) of it.
    Numeric {
        /// Whether the figures are those of log(1 + x).
        log1p: bool,
        /// Mean.
        mean: f64,
        /// Standard deviation, divisor n - 1; half of the public range where the values do not vary,
        /// or noise hides that they do.
        sd: f64,
        /// Median, linear inside a bin of the public histogram.
        median: f64,
        /// Inner edges of bins that hold equal shares of the patients, ascending.
        quantiles: Vec<f64>,
        /// Whether fewer than two patients left only the public range: then `mean` and
        /// `median` are its middle, `sd` is half of it, and `quantiles` divide it evenly.
        public: bool,
    },
    /// A flag or a category.
    Levels {
        /// Its levels.
        levels: Vec<String>,
        /// Share of each among patients in whom it is known; they add up to 1, or are all equal where
        /// nobody was.
        shares: Vec<f64>,
        /// The most frequent level, the first of those that tie.
        most_frequent: u32,
        /// Whether nobody was known, so that `most_frequent` is the reference.
        public: bool,
    },
}
