//! Of whom a task's sums are: its cohort, and the side of a training's split.
//!
//! For whoever compares questions before answering them (rule X2). Two sums over one cohort still
//! differ by patients where one of them leaves out those that a training keeps for its judgement: the
//! seed and the share of a holdout stand in the manifest, and choose patients as a predicate does.

use crate::cohort::Cohort;
use crate::error::Error;
use crate::schema::Schema;
use crate::selection::Selection;
use crate::tasks::hazard::split::Split;
use crate::tasks::{concordance, explain, fidelity, hazard, synthesize, train, validate};

/// A group of patients that a task sums over.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    selection: Selection,
    side: Side,
}

#[derive(Clone, Debug, PartialEq)]
enum Side {
    All,
    Of { split: Split, held_out: bool },
}

/// The groups of a task of these parameters; `entry` gives name and parameters of another task of the
/// study by its id.
///
/// # Errors
/// When the cohort's predicates cannot be read.
pub fn asked<'a>(
    task: &str,
    params: &toml::Table,
    schema: &Schema,
    entry: impl Fn(&str) -> Option<(&'a str, &'a toml::Table)>,
) -> Result<Vec<Asked>, Error> {
    let selection = Selection::of_params(params, schema)?;
    let text = |key: &str| params.get(key).and_then(toml::Value::as_str);
    let mut sides = Vec::new();
    match task {
        train::NAME | hazard::NAME | synthesize::NAME => {
            if let Some(split) = split(task, params, schema) {
                sides.push(Side::Of { split: split.clone(), held_out: false });
                if params.contains_key("early_stopping") {
                    sides.push(Side::Of { split, held_out: true });
                }
            }
        }
        explain::NAME | validate::NAME | concordance::NAME => {
            let model = text("model").and_then(entry);
            if let Some(split) = model.and_then(|(task, params)| split(task, params, schema)) {
                let held_out = text("subset").unwrap_or("holdout") == "holdout";
                if text("subset") != Some("all") {
                    sides.push(Side::Of { split: split.clone(), held_out });
                } else {
                    sides.push(Side::All);
                }
                if task == explain::NAME {
                    // Coefficients are of those who trained.
                    sides.push(Side::Of { split, held_out: false });
                }
            }
        }
        fidelity::NAME => {
            let made = text("of").and_then(entry);
            if let Some(split) = made.and_then(|(task, params)| split(task, params, schema)) {
                // Distances are of both sides, tables of the one that `subset` names.
                sides.push(Side::Of { split: split.clone(), held_out: true });
                sides.push(Side::Of { split, held_out: false });
                if text("subset") == Some("all") {
                    sides.push(Side::All);
                }
            }
        }
        _ => {}
    }
    if sides.is_empty() {
        sides.push(Side::All);
    }
    Ok(sides.into_iter().map(|side| Asked { selection: selection.clone(), side }).collect())
}

/// The split of a training that keeps anybody out.
fn split(task: &str, params: &toml::Table, schema: &Schema) -> Option<Split> {
    let number = |key: &str| {
        let value = params.get(key)?;
        value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
    };
    let holdout = match task {
        train::NAME | synthesize::NAME => number("holdout").unwrap_or(0.0),
        hazard::NAME => number("holdout").unwrap_or(hazard::params::HOLDOUT),
        _ => return None,
    };
    let given = params.get("seed").and_then(toml::Value::as_integer);
    // A generator needs no seed otherwise.
    let seed = if task == synthesize::NAME { given.unwrap_or(0) } else { given? };
    (holdout > 0.0).then(|| Split::new(u64::try_from(seed).unwrap_or(0), holdout, schema))
}

impl Asked {
    /// Patients of a cohort whom one group has and the other has not.
    #[must_use]
    pub fn differ(&self, other: &Self, cohort: &Cohort) -> usize {
        if self.side == other.side {
            return match &self.side {
                Side::All => self.selection.differ(&other.selection, cohort),
                Side::Of { .. } => self.count(other, cohort),
            };
        }
        self.count(other, cohort)
    }

    /// A training has one row a patient, so rows are patients.
    fn count(&self, other: &Self, cohort: &Cohort) -> usize {
        (0..cohort.len()).filter(|&i| self.takes(cohort, i) != other.takes(cohort, i)).count()
    }

    fn takes(&self, cohort: &Cohort, patient: usize) -> bool {
        let side = match &self.side {
            Side::All => true,
            Side::Of { split, held_out } => split.holds_out(cohort, patient) == *held_out,
        };
        side && self.selection.takes(cohort, patient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "patient = \"id\"\n[[column]]\nname = \"a\"\nkind = \"flag\"\n";

    fn groups(task: &str, params: &str) -> Vec<Asked> {
        let net: toml::Table = "seed = 3\nholdout = 0.2".parse().unwrap();
        let schema = Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap();
        let entry = |id: &str| (id == "net").then_some(("train", &net));
        asked(task, &params.parse().unwrap(), &schema, entry).unwrap()
    }

    /// X2: a holdout chooses patients as a predicate does.
    #[test]
    fn a_holdout_makes_another_group_of_the_same_cohort() {
        let schema = Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap();
        let rows: String = (0..100).map(|i| format!("{i},1\n")).collect();
        let cohort =
            Cohort::from_reader("site", format!("id,a\n{rows}").as_bytes(), &schema).unwrap();
        let all = groups("explain", "model = \"net\"\nsubset = \"all\"").remove(0);
        let trained = groups("train", "seed = 3\nholdout = 0.2").remove(0);
        let other_seed = groups("train", "seed = 4\nholdout = 0.2").remove(0);
        let nobody_out = groups("train", "seed = 3").remove(0);
        let held_out = groups("validate", "model = \"net\"").remove(0);
        let out = trained.differ(&all, &cohort);
        assert!((5..40).contains(&out), "{out}");
        assert_eq!(nobody_out.differ(&all, &cohort), 0);
        assert_eq!(held_out.differ(&trained, &cohort), 100);
        assert_eq!(held_out.differ(&all, &cohort), 100 - out);
        assert!(other_seed.differ(&trained, &cohort) > 0);
        assert_eq!(trained.differ(&trained, &cohort), 0);
    }
}
