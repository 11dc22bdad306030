//! How like the real patients virtual ones are, and how close to single ones.
//!
//! A number that a rule of display took out is NaN, and `null` in JSON. The task itself takes out none.

use serde::{Deserialize, Deserializer, Serialize};

use super::validation::Share;
use super::{null_as_nan, one_null_as_nan};

/// Value of `schema`.
pub const SCHEMA: &str = "haima.fidelity/1";

/// What the task `fidelity` finds. Counts of real patients are sums over hospitals; under noise they
/// may be negative, and are no whole numbers where [`Self::noise`] says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// [`SCHEMA`].
    pub schema: String,
    /// Manifest id of the generator.
    pub of: String,
    /// Virtual patients that were compared.
    pub rows: u64,
    /// Seed of the sampler that made them.
    pub seed: u64,
    /// What was asked of them; empty for patients of any kind.
    pub conditions: Vec<String>,
    /// Real patients in the tables: `"holdout"`, `"training"` or `"all"`.
    pub subset: String,
    /// Their number; under noise an estimate.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub n: f64,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// Standard deviation of the noise on each count of real patients; `None` for exact sums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// One a column.
    pub columns: Vec<Column>,
    /// Tables of two columns that were counted.
    pub pairs: Vec<Pair>,
    /// Mean distances by order of the tables.
    pub workload: Vec<Workload>,
    /// Distances of real patients from virtual ones.
    pub nearest: Nearest,
    /// Whether trees tell the two apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c2st: Option<TwoSample>,
}

/// What the levels of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Bins of a number.
    Number,
    /// Levels in an order.
    Ordered,
    /// Levels without one.
    Levels,
    /// Bins of follow-up by how it ended.
    Survival,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Name.
    pub name: String,
    /// What its levels are.
    pub scale: Scale,
    /// Readable levels.
    pub levels: Vec<String>,
    /// Whether the last level is "missing".
    pub missing: bool,
    /// Real patients by level.
    #[serde(deserialize_with = "null_as_nan")]
    pub real: Vec<f64>,
    /// Virtual patients by level.
    #[serde(deserialize_with = "null_as_nan")]
    pub synthetic: Vec<f64>,
    /// Total variation, 0 to 1.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub tv: f64,
    /// What chance (and noise) alone would make of it.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub chance: f64,
    /// Kolmogorov-Smirnov distance of the known levels, where they have an order; of time alone in a
    /// survival column.
    pub ks: Option<f64>,
}

/// Two columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The first.
    pub a: String,
    /// The second.
    pub b: String,
    /// Total variation of their table.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub tv: f64,
    /// What chance (and noise) alone would make of it.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub chance: f64,
    /// Cramer's V among real and among virtual patients; not under noise.
    #[serde(default, deserialize_with = "both_sides")]
    pub association: Option<(f64, f64)>,
    /// Rank correlation among both, where both columns are ordered; not under noise.
    #[serde(default, deserialize_with = "both_sides")]
    pub correlation: Option<(f64, f64)>,
}

/// All tables of one order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Columns a table.
    pub degree: u64,
    /// Tables counted.
    pub tables: u64,
    /// Tables that there are.
    pub of: u64,
    /// Mean total variation.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub tv: f64,
    /// Mean of what chance (and noise) alone would make of it.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub chance: f64,
    /// Mean total variation of the same virtual patients, each column shuffled by itself, so that no
    /// column goes with another; of tables of several columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffled: Option<f64>,
    /// The tables that are farthest beyond chance, the farthest first.
    pub worst: Vec<Worst>,
}

/// A table that is badly met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worst {
    /// Its columns.
    pub columns: Vec<String>,
    /// Its total variation.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub tv: f64,
    /// What chance alone would make of it.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub chance: f64,
}

/// How close real patients are to virtual ones, those of the training and those kept out of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// Edges of the bins of distances above 0; the first bin, before them, is of distance 0.
    pub distance_edges: Vec<f64>,
    /// Those who trained; everybody where nobody was kept out.
    pub training: Group,
    /// Those kept out.
    pub holdout: Option<Group>,
    /// The share of pairs in which the one who trained is closer to the virtual patients than the one
    /// who was kept out: 0.5 where closeness tells nothing. `None` under noise or without a holdout.
    pub auc: Option<Share>,
}

/// One group's distances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Patients.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub n: f64,
    /// Patients of whom a virtual one is an exact copy, on the generator's levels.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub copies: f64,
    /// Patients by distance to the closest virtual one (DCR).
    pub distances: Vec<f64>,
    /// Patients by the ratio of the closest to the second closest distance (NNDR), in bins of equal
    /// width over 0 to 1.
    pub ratios: Vec<f64>,
}

/// The classifier two-sample test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwoSample {
    /// Mean area under the curve over hospitals, each counting by its patients: 0.5 where trees cannot
    /// tell the two apart.
    pub auc: f64,
    /// Real patients judged.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub n: f64,
}

/// A figure of real and of virtual patients, of which one may be taken out.
fn both_sides<'de, D: Deserializer<'de>>(to_read: D) -> Result<Option<(f64, f64)>, D::Error> {
    let sides = Option::<(Option<f64>, Option<f64>)>::deserialize(to_read)?;
    let number = |side: Option<f64>| side.unwrap_or(f64::NAN);
    Ok(sides.map(|(real, synthetic)| (number(real), number(synthetic))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_taken_out_is_null_and_reads_back_as_none() {
        let pair = Pair {
            a: "age".into(),
            b: "sex".into(),
            tv: f64::NAN,
            chance: 0.1,
            association: Some((f64::NAN, 0.5)),
            correlation: None,
        };
        let text = serde_json::to_string(&pair).unwrap();
        assert!(text.contains("\"tv\":null") && text.contains("[null,0.5]"), "{text}");
        let read: Pair = serde_json::from_str(&text).unwrap();
        assert!(read.tv.is_nan() && read.chance == 0.1 && read.correlation.is_none());
        let (real, synthetic) = read.association.unwrap();
        assert!(real.is_nan() && synthetic == 0.5);
    }
}
