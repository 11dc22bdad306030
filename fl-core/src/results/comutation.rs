//! Co-mutation tables.

use serde::{Deserialize, Serialize};

/// Which genes are mutated together. `schema` is `haima.comutation/1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comutation {
    /// `haima.comutation/1`.
    pub schema: String,
    /// Patients with all genes known.
    pub n: u64,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// Genes, in the order of the counts below.
    pub genes: Vec<String>,
    /// All patients first, then one group a level of `by`.
    pub groups: Vec<MutationGroup>,
}

/// The mutations of one group of patients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MutationGroup {
    /// `all`, or `column=level`.
    pub group: String,
    /// Patients.
    pub n: u64,
    /// Patients with a mutation, a gene.
    pub counts: Vec<u64>,
    /// Patients with 0, 1, 2, ... of the genes mutated.
    pub burden: Vec<u64>,
    /// Every pair of genes, in their order.
    pub pairs: Vec<GenePair>,
}

/// Two genes in the patients of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenePair {
    /// First gene.
    pub a: String,
    /// Second gene.
    pub b: String,
    /// Patients with both mutated.
    pub both: u64,
    /// With the first alone.
    pub only_a: u64,
    /// With the second alone.
    pub only_b: u64,
    /// With neither.
    pub neither: u64,
    /// `both * neither / (only_a * only_b)`; `None` where that is infinite or 0 / 0.
    pub odds_ratio: Option<f64>,
    /// Standard error of its logarithm (Woolf); `None` where a count is 0.
    pub se: Option<f64>,
    /// Fisher's exact test, two-sided as in R.
    pub p: f64,
    /// `"co-occurrence"`, `"exclusivity"`, or `"none"` where the odds are equal.
    pub tendency: String,
}
