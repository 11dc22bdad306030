//! What can be known of a study before anything is summed: that its tasks open, build on what runs
//! before them, need no more sums than they may make, and ask for sums that the manifest allows.
//!
//! A study that fails at its last task has spent the epsilon of all before it.

use haima_crypto::encode::Digest;
use haima_dp::units::Delta;
use haima_fl_core::registry::{self, BuildsOn, Finished};
use haima_fl_core::schema::Schema;
use haima_fl_core::tasks::{fidelity, synthesize};
use haima_smpc_node::manifest::{Manifest, TaskEntry};

use crate::Error;
use crate::sum::plan::{Place, plan};

/// Where a task's first sum stands, as far as a draft knows.
const FIRST: Place = Place {
    number: 1,
    run: 1,
    step: 0,
    attempt: 0,
    plan_index: 0,
    previous: Digest::from_bytes([0; 32]),
    epoch: Digest::from_bytes([0; 32]),
    deadline_ms: 0,
};

/// Checks the tasks of a manifest, and says what a reader has to know of them. What a task asks that
/// builds on results is known where public numbers give their form ([`haima_fl_core::task::Run::outline`]).
///
/// # Errors
/// Naming the task, the key and the remedy: when a task cannot be opened, names none before it, may
/// make fewer sums than it needs, compares virtual patients with a cohort that they were not made
/// from, or asks what the manifest does not allow; or when a delta is over 1/(10 n) without
/// `allow_large_delta` (rule L5).
pub fn check(manifest: &Manifest, allow_large_delta: bool) -> Result<Vec<String>, Error> {
    let schema = Schema::from_toml(&manifest.schema)?;
    let mut notes = Vec::new();
    let mut known = Finished::new();
    for (place, entry) in manifest.tasks.iter().enumerate() {
        notes.extend(check_delta(manifest, entry, allow_large_delta)?);
        let earlier = manifest.tasks.get(..place).unwrap_or_default();
        let builds_on = registry::builds_on(&entry.task, &entry.params);
        for link in &builds_on {
            check_link(entry, link, earlier)?;
        }
        check_cohort(entry, &builds_on, earlier, &schema)?;
        if !builds_on.iter().all(|link| known.contains_key(&link.id)) {
            continue;
        }
        let run = registry::open(&entry.task, entry.version, &entry.params, &schema, &known)
            .map_err(|error| fault(entry, error.to_string()))?;
        if let Some(sums) = run.sums().filter(|sums| *sums > entry.max_steps) {
            let problem = format!(
                "`max_steps` = {} is too small: its parameters ask for {sums} sums; raise max_steps to \
                 {sums}",
                entry.max_steps
            );
            return Err(fault(entry, problem));
        }
        if let Some(query) = run.query() {
            let longest = run.most_coordinates().unwrap_or(0);
            let (numbers, most) = (query.dimension().max(longest), manifest.max_dimension);
            if numbers > most as usize {
                let problem = format!(
                    "the study's `max_dimension` = {most} is too small: a sum of it has up to \
                     {numbers} numbers; raise max_dimension to {numbers}"
                );
                return Err(fault(entry, problem));
            }
            let spec = plan(manifest, manifest.digest(), entry, &query, &FIRST)?;
            spec.check(manifest, "the draft").map_err(|error| fault(entry, error.to_string()))?;
        }
        if let Some(outline) = run.outline() {
            known.insert(entry.id.clone(), outline);
        }
    }
    Ok(notes)
}

fn fault(entry: &TaskEntry, problem: String) -> Error {
    Error::Config { file: format!("task {}", entry.id), problem }
}

/// An id that a task names must be that of an earlier task whose result fits.
fn check_link(entry: &TaskEntry, link: &BuildsOn, earlier: &[TaskEntry]) -> Result<(), Error> {
    let BuildsOn { key, id, of } = link;
    let fits = |task: &&TaskEntry| of.contains(&task.task.as_str());
    let problem = match earlier.iter().find(|task| task.id == *id) {
        Some(task) if fits(&task) => return Ok(()),
        Some(task) => format!("`{key}` names `{id}`, which is a task `{}`", task.task),
        None => format!("`{key}` names `{id}`, which is no earlier task of the study"),
    };
    let ids: Vec<&str> = earlier.iter().filter(fits).map(|task| task.id.as_str()).collect();
    let remedy = match ids.as_slice() {
        [] => format!("place a task `{}` before it", of.join("` or `")),
        ids => format!("it may be {}", ids.join(", ")),
    };
    Err(fault(entry, format!("{problem}; {remedy}")))
}

/// A `fidelity` compares virtual patients with those that they were made from: its cohort is that of
/// their generator, with the conditions of the sample.
fn check_cohort(
    entry: &TaskEntry,
    builds_on: &[BuildsOn],
    earlier: &[TaskEntry],
    schema: &Schema,
) -> Result<(), Error> {
    if entry.task != fidelity::NAME {
        return Ok(());
    }
    let is_named = |task: &&TaskEntry| {
        task.task == synthesize::NAME && builds_on.iter().any(|link| link.id == task.id)
    };
    for generator in earlier.iter().filter(is_named) {
        fidelity::check_cohort(&entry.params, &generator.params, schema)
            .map_err(|error| fault(entry, error.to_string()))?;
    }
    Ok(())
}

/// Holds a delta against the public caps (rule L5), as a hospital's policy does.
fn check_delta(
    manifest: &Manifest,
    entry: &TaskEntry,
    allow_large: bool,
) -> Result<Option<String>, Error> {
    let Some(delta) = entry.noise.map(|noise| noise.delta) else { return Ok(None) };
    let caps = manifest.sites.iter().map(|site| site.max_patients);
    let patients = caps.fold(0, u64::saturating_add);
    Delta::for_cohort(patients, Some(delta), allow_large)
        .map_err(|error| fault(entry, format!("`privacy.delta`: {error}")))?;
    let usual = Delta::for_cohort(patients, None, false)?.get();
    Ok((delta > usual).then(|| {
        format!(
            "task {}: delta {delta:e} is above 1/(100 n) = {usual:.1e} for n = {patients} patients at \
             most: with that probability nothing is promised, and it is usual to keep it below",
            entry.id
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::{Study, Timing, make_party};

    const HEAD: &str = r#"
study = "unit"
min_sites = 2
max_patients = 50
max_dimension = 1000

[schema]
one_row_per_patient = true
column = [
    { name = "days", kind = "numeric", unit = "days", range = [0, 1000] },
    { name = "dead", kind = "flag" },
    { name = "age", kind = "numeric", unit = "years", range = [0, 110] },
]
"#;

    const MODEL: &str = "model = { name = \"logistic\", columns = [\"age\"], outcome = \"dead\" }, \
                         expected_patients = 20, seed = 1, holdout = 0.25";

    fn task(id: &str, name: &str, max_steps: u32, params: &str) -> String {
        format!(
            "[[task]]\nid = \"{id}\"\ntask = \"{name}\"\nversion = 1\ntitle = \"{id}\"\n\
             max_steps = {max_steps}\nspare_attempts = 1\nparams = {{ {params} }}\n"
        )
    }

    fn private(delta: &str) -> String {
        let privacy = format!("privacy = {{ epsilon = 2.0, delta = {delta} }}\nparams");
        task("net", "train", 2, &format!("{MODEL}, steps = 2")).replace("params", &privacy)
    }

    fn checked(tasks: &[String], allow_large_delta: bool) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let party =
            |name: &str| make_party(folder.path(), name, name, "127.0.0.1:1").unwrap().party;
        let study: Study = toml::from_str(&format!("{HEAD}\n{}", tasks.concat())).unwrap();
        let manifest = study
            .manifest(
                party("coordinator"),
                vec![party("node-1"), party("node-2")],
                ["site-a", "site-b"].map(party).into(),
                Timing { round_ms: 10_000, grace_ms: 1000, tick_ms: 10 },
            )
            .map_err(|error| error.to_string())?;
        check(&manifest, allow_large_delta).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn is_refused(tasks: &[String], words: &[&str]) {
        let error = checked(tasks, false).unwrap_err();
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
    }

    #[test]
    fn a_study_whose_tasks_fit_is_taken_and_its_large_delta_noted() {
        let trained = task("net", "train", 2, &format!("{MODEL}, steps = 2"));
        let few = "time = \"days\", event = \"dead\", bins = 10, growth = 1.0, grid = 10.0";
        let check = task("check", "validate", 2, &format!("model = \"net\", {few}"));
        assert_eq!(checked(&[trained, check], false), Ok(vec![]));
        assert_eq!(checked(&[private("1e-5")], false), Ok(vec![]));
        // Two hospitals of 50: 1/(100 n) is 1e-4, 1/(10 n) is 1e-3.
        let notes = checked(&[private("5e-4")], false).unwrap();
        assert!(notes.len() == 1 && notes[0].contains("task net: delta 5e-4"), "{notes:?}");
        let notes = checked(&[private("1e-2")], true).unwrap();
        assert!(notes.len() == 1 && notes[0].contains("n = 100"), "{notes:?}");
    }

    #[test]
    fn a_delta_above_a_tenth_of_one_patient_is_refused() {
        is_refused(&[private("1e-2")], &["task net", "`privacy.delta`", "1/(10 n)"]);
    }

    #[test]
    fn more_steps_than_may_be_made_are_refused_with_the_number() {
        let trained = task("net", "train", 2, &format!("{MODEL}, steps = 20"));
        is_refused(&[trained], &["task net", "`max_steps` = 2", "raise max_steps to 20"]);
        let virtual_rows = task("rows", "synthesize", 1, "columns = [\"age\", \"dead\"]");
        is_refused(&[virtual_rows], &["task rows", "`max_steps` = 1", "raise max_steps to 3"]);
    }

    #[test]
    fn an_id_of_no_earlier_task_or_of_another_kind_is_refused_with_those_that_fit() {
        let trained = task("net", "train", 2, &format!("{MODEL}, steps = 2"));
        let check = task("check", "validate", 5, "model = \"netwrk\", outcome = \"dead\"");
        is_refused(
            &[trained.clone(), check.clone()],
            &["task check", "`model` names `netwrk`", "no earlier task", "it may be net"],
        );
        is_refused(&[check], &["place a task `cox` or `glm` or `train` before it"]);
        // A later one does not count.
        let early = task("early", "explain", 1, "model = \"net\"");
        is_refused(&[early, trained.clone()], &["task early", "no earlier task"]);
        let other = task("other", "fidelity", 1, "of = \"net\", rows = 10, seed = 1");
        is_refused(&[trained, other], &["task other", "`of` names `net`", "a task `train`"]);
    }

    #[test]
    fn virtual_patients_are_compared_with_the_cohort_that_they_were_made_from() {
        let study = |made: &str, judged: &str| {
            let params = format!("columns = [\"age\", \"dead\"], bins = {{ age = 4 }}{made}");
            let judge = format!("of = \"rows\", rows = 10, seed = 1{judged}");
            [task("rows", "synthesize", 3, &params), task("like", "fidelity", 1, &judge)]
        };
        let old = ", cohort = { include = [\"age >= 60\"] }";
        let dead = ", cohort = { include = [\"dead = 1\"] }";
        // No cohort and an empty one are the same.
        for (made, judged) in [("", ""), (old, old), ("", ", cohort = { include = [] }")] {
            assert_eq!(checked(&study(made, judged), false), Ok(vec![]), "{made} and {judged}");
        }
        // Conditions of the sample are predicates of the real patients.
        let of_dead = ", conditions = [\"dead = 1\"]";
        let [dead_alone, both] = [dead.to_owned(), old.replace("]", ", \"dead = 1\"]")];
        for (made, judged) in [("", &dead_alone), (old, &both)] {
            assert_eq!(checked(&study(made, &format!("{of_dead}{judged}")), false), Ok(vec![]));
        }
        let without_it = format!("{of_dead}{old}");
        for (made, judged) in [
            ("", old),
            (old, ""),
            (old, dead),
            ("", of_dead),
            (old, without_it.as_str()),
            (old, both.as_str()),
        ] {
            is_refused(&study(made, judged), &["task like", "`cohort`", "that of `rows`"]);
        }
    }

    #[test]
    fn a_sum_that_is_too_long_is_refused_with_the_length_that_it_needs() {
        let trained = task("net", "train", 2, &format!("{MODEL}, steps = 2"));
        let long = "model = \"net\", time = \"days\", event = \"dead\", horizons = [365]";
        let words = ["task check", "`max_dimension` = 1000", "raise max_dimension to "];
        is_refused(&[trained, task("check", "validate", 2, long)], &words);
    }

    #[test]
    fn parameters_that_do_not_fit_the_schema_are_refused_with_the_task() {
        let check = task("who", "table1", 1, "columns = [\"weight\"]");
        is_refused(&[check], &["task who", "weight"]);
        // A head that stays at the hospitals leaves nothing to judge.
        let strategy = "strategy = { name = \"fedper\" }, steps = 2";
        let model = MODEL.replace("name = \"logistic\",", "name = \"mlp\", hidden = [2],");
        let heads = task("heads", "train", 2, &format!("{model}, {strategy}"));
        let check = task("check", "validate", 5, "model = \"heads\", outcome = \"dead\"");
        is_refused(&[heads, check], &["task check", "fedper"]);
    }

    #[test]
    fn a_noised_task_may_build_on_a_noised_training() {
        let ranks = "model = \"net\", time = \"days\", event = \"dead\", release = \"noised\", \
                     bins = 4, growth = 1.0, grid = 10.0";
        let ranks = task("ranks", "concordance", 1, ranks)
            .replace("params", "privacy = { epsilon = 1.0, delta = 1e-5 }\nparams");
        assert_eq!(checked(&[private("1e-5"), ranks], false), Ok(vec![]));
    }
}
