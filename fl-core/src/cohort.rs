//! A hospital's patients in memory: numbers by column, one row a patient (rule S1), or several where
//! the schema allows it; then a "patient" below is a row, and [`Cohort::key`] says whose.
//!
//! Built by intake from a file that was checked against the public schema, so every
//! value here lies in its public range. Values are zeroised on drop; copies that a growing vector
//! or the operating system left behind are not.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// The patients of one site.
///
/// # Security
/// Stays at the site. `Debug` shows the number of columns only.
pub struct Cohort {
    keys: Zeroizing<Vec<String>>,
    columns: BTreeMap<String, Zeroizing<Vec<f64>>>,
}

impl Cohort {
    /// Joins checked columns; each must be as long as `keys`.
    pub(crate) fn from_checked(
        keys: Vec<String>,
        columns: BTreeMap<String, Zeroizing<Vec<f64>>>,
    ) -> Self {
        debug_assert!(columns.values().all(|values| values.len() == keys.len()));
        Self { keys: Zeroizing::new(keys), columns }
    }

    /// Number of patients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Number of patients, of whom one may have several rows.
    #[must_use]
    pub fn patients(&self) -> usize {
        self.keys.iter().collect::<std::collections::BTreeSet<_>>().len()
    }

    /// Whether there is no patient.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The patients whose positions `takes`, in the same order. What is copied is zeroised on drop,
    /// like the original; memory is asked for by the size of this cohort, not of the selection.
    #[must_use]
    pub fn select(&self, takes: impl Fn(usize) -> bool) -> Self {
        let mut keys = Zeroizing::new(Vec::with_capacity(self.len()));
        keys.extend(
            self.keys.iter().enumerate().filter(|(i, _)| takes(*i)).map(|(_, k)| k.clone()),
        );
        let of_column = |values: &Zeroizing<Vec<f64>>| {
            let mut taken = Zeroizing::new(Vec::with_capacity(self.len()));
            taken.extend(values.iter().enumerate().filter(|(i, _)| takes(*i)).map(|(_, x)| *x));
            taken
        };
        let columns = self.columns.iter().map(|(name, x)| (name.clone(), of_column(x))).collect();
        Self { keys, columns }
    }

    /// The same patients with further columns, each as long as there are patients; one of another
    /// length is left out, and one of a known name takes its place.
    #[must_use]
    pub(crate) fn with_columns(&self, further: BTreeMap<String, Zeroizing<Vec<f64>>>) -> Self {
        let mut cohort = self.select(|_| true);
        cohort.columns.extend(further.into_iter().filter(|(_, values)| values.len() == self.len()));
        cohort
    }

    /// A column's values in patient order: NaN is missing, a flag is 0 or 1, a category is the
    /// index of its level. `None` for a column that the schema does not have.
    #[must_use]
    pub fn values(&self, column: &str) -> Option<&[f64]> {
        self.columns.get(column).map(|values| values.as_slice())
    }

    /// One value of a column; `None` when it is missing or there is no such column or patient.
    #[must_use]
    pub fn value(&self, column: &str, patient: usize) -> Option<f64> {
        self.values(column)?.get(patient).copied().filter(|value| !value.is_nan())
    }

    /// The patient's key, or its row number in a file without a key; empty past the end.
    #[must_use]
    pub fn key(&self, patient: usize) -> &str {
        self.keys.get(patient).map_or("", String::as_str)
    }
}

impl std::fmt::Debug for Cohort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cohort {{ columns: {}, patients: <redacted> }}", self.columns.len())
    }
}
