//! The question that a coordinator begins with, as `study.toml`: a template that is given, or one made
//! of a schema and tasks.
//!
//! Without tasks the first question is a private one that any schema can be asked and any careful
//! policy allows: who the patients are, from one noised sum. Each column that is described makes all
//! counts noisier, so there are as many as leave counts that say something of so many patients; which
//! they are, and how far off a count may be, is said, and follows from public figures alone.

use std::path::{Path, PathBuf};

use haima_fl_core::results::noised::COUNT_BITS;
use haima_fl_core::schema::{Column, Kind, Schema};
use haima_fl_core::stat::Z_975;
use serde::Deserialize;

use super::{Ask, Options, State, Walk, files};
use crate::Error;
use crate::coordinator::About;
use crate::data::guess::unit;
use crate::provision::{Privacy, Study, TaskTemplate};
use crate::report::numbers;

/// Name of the template in the coordinator's folder.
const FILE: &str = "study.toml";
/// Largest file that is read, in bytes.
const MOST: u64 = 4 << 20;
/// Privacy of the first question where no tasks are given: what a strict policy allows, and a delta
/// below 1/(100 n) of up to 10,000 patients (rule L5).
const FIRST: Privacy =
    Privacy { epsilon: 1.0, delta: 1e-6, accountant: crate::provision::Accountant::Zcdp };
/// How far off 95 of 100 counts of the first table may be, of all patients that there may be.
const OFF: f64 = 0.075;
/// Nodes that add noise, as far as is known before they have sent requests.
const NODES: f64 = 3.0;
/// Most coordinates of a vector where no template says: enough for tables and curves.
const MAX_DIMENSION: u32 = 100_000;

/// What a coordinator asks, as options give it.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// A whole template (TOML), which is copied.
    pub study: Option<PathBuf>,
    /// A schema, or any file with `[schema]`.
    pub schema: Option<PathBuf>,
    /// A file of `[[task]]` entries.
    pub tasks: Option<PathBuf>,
    /// The study's name.
    pub study_name: Option<String>,
    /// Public cap on the patients of each hospital.
    pub max_patients: Option<u64>,
    /// Fewest distinct operators of hospitals in a sum.
    pub min_sites: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tasks {
    task: Vec<TaskTemplate>,
}

/// The study's template, written to the folder where it is new; `None` where it is waited for.
pub(super) fn template(
    options: &Options,
    ask: &mut dyn Ask,
    walk: &mut Walk,
) -> Result<Option<Study>, Error> {
    let path = options.folder.join(FILE);
    let shown = path.display();
    let question = &options.question;
    if path.exists() {
        let study = Study::read(&path)?;
        if let Some(template) = &question.study
            && Study::read(template)? != study
        {
            let problem =
                format!("{shown} is another study; leave the option out, or change it there");
            return Err(Error::Config { file: "--study".into(), problem });
        }
        walk.note("question", State::There, format!("{shown}: {}", in_short(&study)));
        return Ok(Some(study));
    }
    let answer = match (&question.study, &question.schema) {
        (None, None) => ask
            .line("Schema of the patients' files, or a study's template (TOML file)")
            .map(PathBuf::from),
        _ => None,
    };
    let mut about = None;
    let text = match (&question.study, question.schema.as_ref().or(answer.as_ref())) {
        (Some(template), _) => read(template)?,
        (None, Some(file)) if answer.is_some() && table(file)?.contains_key("task") => read(file)?,
        (None, Some(schema)) => {
            let (study, said) = of_schema(schema, question, &walk.name, ask)?;
            let body = toml::to_string(&study).map_err(|e| Error::config(&path, e.to_string()))?;
            about = said;
            format!("{HEAD}{body}")
        }
        (None, None) => {
            let finding = "what is asked, of which columns: give --study TEMPLATE, or --schema SCHEMA \
                           and --max-patients N, with --tasks FILE or without";
            walk.note("the question", State::Waits, finding);
            let line = walk.again(" --schema SCHEMA --max-patients N");
            walk.then(line);
            return Ok(None);
        }
    };
    let study: Study = toml::from_str(&text).map_err(|e| Error::config(&path, e.to_string()))?;
    // What cannot be asked is told before others send anything.
    study.plan(study.min_sites.max(3) as usize)?;
    files::new(&options.folder, FILE, &text)?;
    let about = about.map(|about| format!("; {about}")).unwrap_or_default();
    walk.note("question", State::Made, format!("{shown}: {}{about}", in_short(&study)));
    Ok(Some(study))
}

const HEAD: &str = "\
# The study: what is asked, of which columns, with how much noise. It may be changed until the manifest
# is drafted. Ranges, levels and caps are public and part of every answer: write them from general
# knowledge, never from patients. docs/guide.md has every field and every task.

";

fn in_short(study: &Study) -> String {
    let tasks: Vec<&str> = study.tasks.iter().map(|task| task.id.as_str()).collect();
    format!("study {}, asks {}", study.study, tasks.join(", "))
}

/// A file of bounded size.
fn read(path: &Path) -> Result<String, Error> {
    let meta = std::fs::metadata(path).map_err(|e| Error::file(path, e))?;
    // A pipe would be waited for.
    if !meta.is_file() {
        return Err(Error::config(path, "is no file; give a TOML file"));
    }
    let size = meta.len();
    if size > MOST {
        return Err(Error::config(path, format!("{size} bytes; at most {MOST} are read")));
    }
    std::fs::read_to_string(path).map_err(|e| Error::file(path, e))
}

fn table(path: &Path) -> Result<toml::Table, Error> {
    read(path)?.parse().map_err(|e: toml::de::Error| Error::config(path, e.to_string()))
}

/// A study of a schema and tasks, and what is to be said of tasks that nobody gave.
fn of_schema(
    path: &Path,
    question: &Question,
    coordinator: &str,
    ask: &mut dyn Ask,
) -> Result<(Study, Option<String>), Error> {
    let mut file = table(path)?;
    let schema = match file.remove("schema") {
        Some(toml::Value::Table(schema)) => schema,
        Some(_) => return Err(Error::config(path, "`schema` is no table")),
        None => file,
    };
    let columns =
        Schema::from_toml(&schema).map_err(|e| Error::config(path, e.to_string()))?.columns;
    let tasks = match &question.tasks {
        Some(tasks) => {
            let text = read(tasks)?;
            let tasks: Tasks =
                toml::from_str(&text).map_err(|e| Error::config(tasks, e.to_string()))?;
            tasks.task
        }
        None => Vec::new(),
    };
    let cap = "Most patients of one hospital: public, rounded up, not counted";
    let max_patients = match question.max_patients {
        Some(cap) => Some(cap),
        None => ask.line(cap).and_then(|answer| answer.parse().ok()),
    };
    let max_patients = max_patients.filter(|cap| *cap > 0).ok_or_else(|| Error::Config {
        file: "--max-patients".into(),
        problem: format!("is needed, a whole number from 1: {cap}"),
    })?;
    let name = question.study_name.clone();
    let study = Study {
        study: name.unwrap_or_else(|| format!("{coordinator}-first")),
        site_column: String::new(),
        site_prefix: String::new(),
        min_sites: question.min_sites.unwrap_or(3),
        max_patients,
        max_dimension: MAX_DIMENSION,
        hospitals_per_patient: 1,
        mode: haima_smpc_node::masking::Mode::Nodes,
        masking: None,
        release_quorum: None,
        about: About::default(),
        schema,
        tasks,
    };
    if question.tasks.is_some() {
        return Ok((study, None));
    }
    first(&study, &columns).map(|(study, said)| (study, Some(said)))
}

/// The study with its first question: of the columns, in the order of what they tell of patients, as many
/// as leave counts that are off by little; at least one.
fn first(study: &Study, columns: &[Column]) -> Result<(Study, String), Error> {
    let most = study.max_patients.saturating_mul(study.min_sites.max(3).into());
    let names = in_order(columns);
    let asked = |count: usize| -> Result<(Study, f64), Error> {
        let tasks = vec![who(names.iter().take(count).map(|name| (*name).to_owned()))];
        let study = Study { tasks, ..study.clone() };
        let off = off(&study)?;
        Ok((study, off))
    };
    // More columns, more noise: the largest number that is good enough.
    let (mut good, mut beyond) = (1, names.len() + 1);
    while beyond - good > 1 {
        let middle = good.midpoint(beyond);
        if asked(middle)?.1 <= OFF * most as f64 { good = middle } else { beyond = middle }
    }
    let (study, own) = asked(good)?;
    let in_words = |off: f64| numbers::count(off.ceil() as u64);
    let named = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    let (these, left) = names.split_at(good.min(names.len()));
    let mut said = format!(
        "the first question counts patients by {}. 95 of 100 counts will be within ±{} of the true number \
         (at most {} patients)",
        named(these),
        in_words(own),
        numbers::count(most)
    );
    if good < names.len() {
        let (_, all) = asked(names.len())?;
        said.push_str(&format!("; asking {} too would make it ±{}", named(left), in_words(all)));
    }
    said.push_str(&format!(". To change: `columns` and `epsilon` in {FILE}"));
    Ok((study, said))
}

/// Names of columns: flags and categories, of which a patient moves the least, then numbers, then times.
fn in_order(columns: &[Column]) -> Vec<&str> {
    let rank = |column: &&Column| match &column.kind {
        Kind::Flag | Kind::Category { .. } => 0,
        Kind::Numeric { .. } if unit(&column.name).is_none() => 1,
        Kind::Numeric { .. } => 2,
    };
    let mut columns: Vec<&Column> = columns.iter().collect();
    columns.sort_by_key(rank);
    columns.into_iter().map(|column| column.name.as_str()).collect()
}

/// How far noise moves 95 of 100 counts of a study's first question.
fn off(study: &Study) -> Result<f64, Error> {
    let plan = study.plan(study.min_sites.max(3) as usize)?;
    let each = plan.tasks.first().map_or(0.0, |task| task.noise.s as f64);
    Ok(Z_975 * each * NODES.sqrt() / f64::from(1u32 << COUNT_BITS))
}

/// Who the patients are, with noise.
fn who(columns: impl Iterator<Item = String>) -> TaskTemplate {
    let columns: Vec<toml::Value> = columns.map(toml::Value::from).collect();
    let mut params = toml::Table::new();
    params.insert("columns".into(), columns.into());
    params.insert("release".into(), "noised".into());
    TaskTemplate {
        id: "who".into(),
        task: "table1".into(),
        version: 1,
        title: "Who the patients are".into(),
        max_steps: 1,
        spare_attempts: 1,
        needs_bound: false,
        privacy: Some(FIRST),
        params,
    }
}
