//! Differencing between exact cohorts (rule X2).
//!
//! Two exact sums over cohorts that differ by a few patients give away those patients. The cohorts
//! of a study stand in its manifest, so a site can tell before it answers anything: it compares each
//! exact task with the exact tasks before it, and where its own patients differ by some, but fewer
//! than its floor, it answers the later task with zeros, whose shares look like any others (rule S5).
//! How many cohorts there may be at all is a matter of the manifest alone, so that is refused aloud.
//!
//! It compares the cohorts that tasks name, and the sides of a training's split ([`asked`]), nothing
//! else. Two tasks also differ by the patients who
//! lack a column that only one of them reads, by a horizon, by a group; and three or more cohorts, or
//! several studies, can be combined. Against those stand the operator who reads the manifest, the
//! cap, and noise.

use std::collections::BTreeSet;

use haima_fl_core::asked::{Asked, asked};
use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::selection::Selection;
use haima_smpc_node::manifest::{Class, Manifest, TaskEntry};

use super::policy::Policy;
use crate::Error;

/// The patients that a task names as its cohort.
pub(super) fn selection(manifest: &Manifest, entry: &TaskEntry) -> Result<Selection, Error> {
    let schema = Schema::from_toml(&manifest.schema)?;
    Ok(Selection::of_params(&entry.params, &schema)?)
}

/// The groups of patients that a task sums over.
fn groups(manifest: &Manifest, entry: &TaskEntry) -> Result<Vec<Asked>, Error> {
    let schema = Schema::from_toml(&manifest.schema)?;
    let other = |id: &str| {
        let entry = manifest.tasks.iter().find(|entry| entry.id == id)?;
        Some((entry.task.as_str(), &entry.params))
    };
    Ok(asked(&entry.task, &entry.params, &schema, other)?)
}

fn exact(manifest: &Manifest) -> impl Iterator<Item = &TaskEntry> {
    manifest.tasks.iter().filter(|entry| entry.class == Class::Exact)
}

/// Number of different cohorts over which the manifest has exact tasks.
pub(super) fn number(manifest: &Manifest) -> Result<usize, Error> {
    let texts: Result<BTreeSet<String>, Error> =
        exact(manifest).map(|entry| Ok(selection(manifest, entry)?.to_string())).collect();
    Ok(texts?.len())
}

/// Why a site must not answer an exact task over its cohort: fewer patients here than its floor, or
/// an earlier exact task of the manifest whose cohort here differs by too few. `None` when it may.
pub(super) fn silent(
    manifest: &Manifest,
    task: &str,
    patients: &Cohort,
    policy: &Policy,
) -> Result<Option<String>, Error> {
    let own = selection(manifest, manifest.task(task)?)?;
    let floor = policy.min_local_rows;
    // Tasks hold their complete rows against the floor; those that could be noised do not, since
    // under noise nothing may jump with a patient, but here there is none.
    if (own.patients(patients) as u64) < floor {
        return Ok(Some(format!(
            "its cohort has fewer patients here than this site's floor of {floor}"
        )));
    }
    if policy.approved_cohorts.iter().any(|approved| approved == task) {
        return Ok(None);
    }
    let groups = groups(manifest, manifest.task(task)?)?;
    for earlier in exact(manifest).take_while(|entry| entry.id != task) {
        let others = self::groups(manifest, earlier)?;
        let differ = |own: &Asked| {
            others.iter().map(|other| own.differ(other, patients) as u64).collect::<Vec<_>>()
        };
        if groups.iter().flat_map(differ).any(|differ| (1..floor).contains(&differ)) {
            return Ok(Some(format!(
                "its patients and those of `{}` (cohort, and holdout of a training) differ here by \
                 fewer than this site's floor of {floor}, and their difference would show (rule X2); \
                 `approved_cohorts` allows it",
                earlier.id
            )));
        }
    }
    Ok(None)
}
