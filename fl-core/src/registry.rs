//! Opens a task by name and version: what a manifest may ask for is what stands here.
//!
//! No code travels. A network that wants another task adds it to a program of its own ([`add`]), and
//! its sites and its coordinator install that program.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::error::Error;
use crate::learn::models;
use crate::learn::strategies::newton;
use crate::schema::Schema;
use crate::selection::{self, Selection};
use crate::synth::network::MODEL;
use crate::task::{Run, select, start};
use crate::tasks::{
    cif, clusters, combat, comutation, concordance, cox, explain, fidelity, finegray, glm, hazard,
    km, meta, multistate, pca, prepare, scan, synthesize, table1, train, validate, vector_sum,
};

/// Results of the study's earlier tasks, by their manifest id.
pub type Finished = BTreeMap<String, serde_json::Value>;

/// What opens a run of a task: its parameters without `cohort`, the schema, and the results of the
/// study's earlier tasks.
pub type Open = fn(&toml::Table, &Schema, &Finished) -> Result<Box<dyn Run>, Error>;

/// A task: name, version, and how a run of it starts.
pub type Entry = (&'static str, u32, Open);

/// Tasks of the program that this crate is a part of.
static OWN: OnceLock<Vec<Entry>> = OnceLock::new();

/// The tasks of this crate.
const TASKS: &[Entry] = &[
    (table1::NAME, table1::VERSION, |p, s, _| Ok(start(table1::Describe::new(p, s)?))),
    (km::NAME, km::VERSION, |p, s, _| Ok(start(km::KaplanMeier::new(p, s)?))),
    (cif::NAME, cif::VERSION, |p, s, _| Ok(start(cif::CumulativeIncidence::new(p, s)?))),
    (multistate::NAME, multistate::VERSION, |p, s, _| {
        Ok(start(multistate::IllnessDeath::new(p, s)?))
    }),
    (cox::NAME, cox::VERSION, cox::open),
    (finegray::NAME, finegray::VERSION, |p, s, _| Ok(start(finegray::FineGray::new(p, s)?))),
    (glm::NAME, glm::VERSION, |p, s, _| Ok(start(glm::Glm::new(p, s)?))),
    (hazard::NAME, hazard::VERSION, |p, s, _| Ok(start(hazard::Hazard::new(p, s)?))),
    (concordance::NAME, concordance::VERSION, |p, s, finished| {
        Ok(start(concordance::Concordance::new(p, s, finished)?))
    }),
    (train::NAME, train::VERSION, |p, s, finished| Ok(start(train::Train::new(p, s, finished)?))),
    (prepare::NAME, prepare::VERSION, |p, s, finished| {
        Ok(start(prepare::Prepare::new(p, s, finished)?))
    }),
    (combat::NAME, combat::VERSION, |p, s, _| Ok(start(combat::Harmonisation::new(p, s)?))),
    (explain::NAME, explain::VERSION, |p, s, finished| {
        Ok(start(explain::Explain::new(p, s, finished)?))
    }),
    (meta::NAME, meta::VERSION, |p, s, _| Ok(start(meta::Meta::new(p, s)?))),
    (validate::NAME, validate::VERSION, validate::open),
    (pca::NAME, pca::VERSION, |p, s, _| Ok(start(pca::Pca::new(p, s)?))),
    (clusters::NAME, clusters::VERSION, |p, s, _| Ok(start(clusters::Clusters::new(p, s)?))),
    (scan::NAME, scan::VERSION, |p, s, _| Ok(start(scan::Scan::new(p, s)?))),
    (comutation::NAME, comutation::VERSION, |p, s, _| {
        Ok(start(comutation::Comutation::new(p, s)?))
    }),
    (synthesize::NAME, synthesize::VERSION, synthesize::open),
    (fidelity::NAME, fidelity::VERSION, |p, s, finished| {
        Ok(start(fidelity::Judge::new(p, s, finished)?))
    }),
    (vector_sum::NAME, vector_sum::VERSION, |p, _, _| Ok(start(vector_sum::VectorSum::new(p)?))),
];

fn tasks() -> impl Iterator<Item = &'static Entry> {
    TASKS.iter().chain(OWN.get().into_iter().flatten())
}

/// The tasks of this binary with their versions.
pub fn known() -> impl Iterator<Item = (&'static str, u32)> {
    tasks().map(|(name, version, _)| (*name, *version))
}

/// Adds a program's own tasks to those of this crate, for every site and coordinator in the process.
///
/// Once, before anything is opened: what a manifest may ask for is fixed when a program starts. Every
/// site and the coordinator of a study that names such a task must run a program that has it; to nodes
/// all tasks are alike. Without noise an own task counts as one whose sums can hold a patient's row
/// ([`reveals_rows`]): nobody but its author knows better.
///
/// # Errors
/// [`Error::Params`] when a name is one of this crate's or stands twice, or tasks were added before;
/// then nothing is added.
pub fn add(own: Vec<Entry>) -> Result<(), Error> {
    let refuse = |task: &str, reason: &str| {
        Err(Error::Params { task: task.to_owned(), reason: reason.to_owned() })
    };
    for (place, (name, version, _)) in own.iter().enumerate() {
        if TASKS.iter().any(|(known, _, _)| known == name) {
            return refuse(name, "this name is taken by a task of haima; choose another");
        }
        let mut earlier = own.iter().take(place);
        if earlier.any(|(known, its, _)| known == name && its == version) {
            return refuse(name, "one name and version stands twice; number the versions");
        }
    }
    match OWN.set(own) {
        Ok(()) => Ok(()),
        Err(_) => refuse("own", "tasks were added before; add all of a program's at once"),
    }
}

/// Whether an exact sum of this task can hold a single patient's row: moments by grid time, by
/// variant, by scanner or by cluster, of which any may have one member. A site allows such a task apart.
///
/// Of the trainings and what follows them: products of a patient's values with the own number of an
/// interval are those of its only patient at risk (`explain` with coefficients, `dp-newton` with
/// `cuts`), those of a covariate's level, of its only member (`combat`), and so are gradients of the
/// level that a network draws (`vae`, by whatever task it is trained).
#[must_use]
pub fn reveals_rows(task: &str, params: &toml::Table) -> bool {
    let is = |key: &str, value: &str| params.get(key).and_then(toml::Value::as_str) == Some(value);
    let list = |key: &str| params.get(key).and_then(toml::Value::as_array);
    match task {
        cox::NAME => is("strata", "none"),
        validate::NAME => params.contains_key("horizons"),
        combat::NAME => {
            // What is no list is refused when the task is opened.
            let covariates =
                list("covariates").map_or(params.contains_key("covariates"), |own| !own.is_empty());
            !is("batch", combat::SITE) || covariates
        }
        explain::NAME => {
            let own = |parts: &Vec<toml::Value>| {
                parts.iter().any(|part| part.as_str() == Some(explain::COEFFICIENTS))
            };
            !is("release", "noised") && list("parts").is_none_or(own)
        }
        train::NAME => {
            let part = |key: &str| params.get(key).and_then(toml::Value::as_table);
            let name = |key: &str| part(key)?.get("name").and_then(toml::Value::as_str);
            let by_newton = name("strategy") == Some(newton::NAME)
                && part("model").is_some_and(|model| model.contains_key("cuts"));
            // Of a program's own model nobody here knows what its gradients show.
            let of_own = name("model").is_some_and(models::is_own);
            by_newton || name("model") == Some(MODEL) || of_own
        }
        // A cell of a table of three columns may have one patient, and so may a level among a
        // network's gradients.
        synthesize::NAME | fidelity::NAME => !is("release", "noised"),
        // A vector of which nobody knows what it is.
        vector_sum::NAME => !is("release", "noised"),
        finegray::NAME | scan::NAME | clusters::NAME => true,
        _ => OWN.get().into_iter().flatten().any(|(own, _, _)| *own == task),
    }
}

/// An earlier task of the study whose result a task takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildsOn {
    /// The parameter that names it.
    pub key: String,
    /// Its manifest id.
    pub id: String,
    /// The tasks whose results fit there.
    pub of: &'static [&'static str],
}

/// The earlier tasks that the parameters of a task name.
#[must_use]
pub fn builds_on(task: &str, params: &toml::Table) -> Vec<BuildsOn> {
    let mut found = Vec::new();
    let mut named = |table: &toml::Table, part: &str, key: &str, of: &'static [&'static str]| {
        if let Some(id) = table.get(key).and_then(toml::Value::as_str) {
            found.push(BuildsOn { key: format!("{part}{key}"), id: id.to_owned(), of });
        }
    };
    let part = |key: &str| params.get(key).and_then(toml::Value::as_table);
    match task {
        validate::NAME => named(params, "", "model", &[cox::NAME, glm::NAME, train::NAME]),
        concordance::NAME => named(params, "", "model", &[hazard::NAME, train::NAME]),
        explain::NAME => named(params, "", "model", &[train::NAME]),
        fidelity::NAME => named(params, "", "of", &[synthesize::NAME]),
        prepare::NAME => named(params, "", "harmonised", &[combat::NAME]),
        cox::NAME => {
            if let Some(weights) = part("weights") {
                named(weights, "weights.", "propensity", &[glm::NAME]);
            }
        }
        train::NAME => {
            let Some(model) = part("model") else { return found };
            let branches = model.get("branch").and_then(toml::Value::as_array);
            let branches = branches.into_iter().flatten().filter_map(toml::Value::as_table);
            for table in std::iter::once(model).chain(branches) {
                named(table, "model.", "prepared", &[prepare::NAME]);
                named(table, "model.", "harmonised", &[combat::NAME]);
            }
        }
        _ => {}
    }
    found
}

/// Starts a run of the named task over the patients of its parameters' `cohort`. `finished` holds
/// the outputs of the study's earlier tasks by their manifest id.
///
/// # Errors
/// [`Error::UnknownTask`], or why the parameters cannot be used with this schema.
pub fn open(
    task: &str,
    version: u32,
    params: &toml::Table,
    schema: &Schema,
    finished: &Finished,
) -> Result<Box<dyn Run>, Error> {
    let found = tasks().find(|(name, its, _)| (*name, *its) == (task, version));
    let Some((_, _, open)) = found else {
        let known: Vec<String> =
            known().map(|(name, version)| format!("{name} {version}")).collect();
        return Err(Error::UnknownTask { task: task.to_owned(), version, known: known.join(", ") });
    };
    if schema.rows_per_patient > 1 && task != cox::NAME {
        return Err(Error::Params {
            task: task.to_owned(),
            reason: "the schema lets a patient have several rows (`rows_per_patient`), which only \
                     the Cox model reads; give this task one row a patient"
                .to_owned(),
        });
    }
    let selection = Selection::of_params(params, schema)?;
    let mut own = params.clone();
    // Virtual patients keep to their cohort, so a generator's domain has it.
    if task != synthesize::NAME {
        own.remove(selection::KEY);
    }
    Ok(select(open(&own, schema, finished)?, selection))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_task_builds_on_is_found_in_its_parameters() {
        let of = |task: &str, params: &str| -> Vec<(String, String)> {
            let table: toml::Table = params.parse().expect("TOML");
            builds_on(task, &table).into_iter().map(|on| (on.key, on.id)).collect()
        };
        let one = |key: &str, id: &str| vec![(key.to_owned(), id.to_owned())];
        for task in ["validate", "concordance", "explain"] {
            assert_eq!(of(task, "model = \"net\""), one("model", "net"), "{task}");
        }
        assert_eq!(of("fidelity", "of = \"virtual\""), one("of", "virtual"));
        assert_eq!(of("prepare", "harmonised = \"scanner\""), one("harmonised", "scanner"));
        let weights = "weights = { propensity = \"ps\" }";
        assert_eq!(of("cox", weights), one("weights.propensity", "ps"));
        let net = "model = { name = \"cox\", prepared = \"figures\", harmonised = \"scanner\" }";
        let both = [one("model.prepared", "figures"), one("model.harmonised", "scanner")].concat();
        assert_eq!(of("train", net), both);
        let branches = "model = { name = \"fusion\", branch = [{ prepared = \"genes\" }] }";
        assert_eq!(of("train", branches), one("model.prepared", "genes"));
        // The model of a `meta` is no task.
        assert!(of("meta", "model = \"cox\"").is_empty());
    }

    #[test]
    fn sums_with_an_only_patient_at_risk_or_an_only_member_of_a_level_are_allowed_apart() {
        let cuts = "model = { name = \"cox\", cuts = [10, 20] }\n";
        for (task, params, reveals) in [
            ("explain", "model = \"net\"".to_owned(), true),
            ("explain", "release = \"exact\"\nparts = [\"coefficients\"]".to_owned(), true),
            ("explain", "parts = [\"importance\", \"coefficients\"]".to_owned(), true),
            ("explain", "parts = [\"importance\", \"gradients\"]".to_owned(), false),
            ("explain", "release = \"noised\"".to_owned(), false),
            ("train", format!("{cuts}strategy = {{ name = \"dp-newton\" }}"), true),
            ("train", format!("{cuts}strategy = {{ name = \"dp-sgd\" }}"), false),
            ("train", cuts.to_owned(), false),
            ("train", "model = { name = \"vae\" }".to_owned(), true),
            ("train", "model = { name = \"mlp\" }".to_owned(), false),
            (
                "train",
                "model = { name = \"logistic\" }\nstrategy = { name = \"dp-newton\" }".to_owned(),
                false,
            ),
            ("combat", "batch = \"scanner\"".to_owned(), true),
            ("combat", "batch = \"site\"\ncovariates = [\"sex\"]".to_owned(), true),
            ("combat", "batch = \"site\"\ncovariates = []".to_owned(), false),
            ("combat", "batch = \"site\"".to_owned(), false),
            ("vector-sum", String::new(), true),
            ("vector-sum", "release = \"noised\"".to_owned(), false),
        ] {
            let table: toml::Table = params.parse().expect("TOML");
            assert_eq!(reveals_rows(task, &table), reveals, "{task} {params}");
        }
    }
}
