//! One analysis over local hospitals: a CSV is split by a column, each part becomes a hospital, and
//! a task runs over sums of them. What `haima stats` and `haima reproduce` share.
//!
//! With [`Summing::Plain`] the sums are added in this process, which is a simulation and says so;
//! with [`Summing::Nodes`] and [`Summing::Masked`] every party is a process of its own and the sums
//! are the protocol's ([`crate::demo::network`]). Either way the class is exact: no noise, and no
//! privacy against whoever runs it, since all rows are on this machine.
//!
//! # The pooled answer
//! [`Request::pooled`] computes the same from all rows in one place: *one* hospital that holds the
//! rows of all that took part, so no sum over hospitals is in it. A model that is stratified by
//! hospital stays so: its strata are then a column of the pooled rows (hospital, or hospital x
//! column), and Cox finds its risk sets within them. What is compared are all numbers of both
//! results but counts of sites and sums; beyond 1 the difference is relative.

pub mod analysis;
mod compare;
mod figure;
pub(crate) mod hospitals;
mod infer;
pub(crate) mod protocol;
mod show;
pub(crate) mod task_file;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::selection::Selection;
use haima_fl_core::sum::drive;
use haima_fl_core::task::Run;
use serde_json::{Map, Value, json};

use crate::Error;
use crate::pooled::Table;
use crate::report::{Floors, Wording, labels};
pub use figure::figure;
use hospitals::Hospitals;
pub use show::show;
pub use task_file::Task;
pub(crate) use template::{Public, Template};

/// What to compute, from what, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// Pooled CSV of all hospitals, or the first one's.
    pub data: PathBuf,
    /// How rows become hospitals.
    pub sites: Sites,
    /// The question.
    pub task: Task,
    /// The public time grid is as fine as the times of the data.
    pub exact_grid: bool,
    /// A schema (TOML), or a study's template; inferred from the data without it.
    pub schema: Option<PathBuf>,
    /// Columns of numbers that are levels, as R's `factor` says it.
    pub categories: Vec<String>,
    /// Fewest hospitals in a sum, fewest rows of one, and the display rule.
    pub floors: Floors,
    /// How the sums are made.
    pub summing: Summing,
    /// Computes the same from all rows in one place, too.
    pub pooled: bool,
}

/// How rows become hospitals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sites {
    /// By the values of a column.
    Column(String),
    /// Dealt out in turn to so many.
    Deal(usize),
    /// A file each: that of the request, and these.
    Files(Vec<PathBuf>),
}

/// How sums are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summing {
    /// Added in this process: a simulation.
    Plain,
    /// By so many node processes.
    Nodes(usize),
    /// Under masks, by a coordinator.
    Masked,
}

impl Summing {
    pub(crate) fn mode(self) -> &'static str {
        match self {
            Self::Plain => "simulation: plain sums in one process",
            Self::Nodes(_) => "nodes",
            Self::Masked => "masked",
        }
    }
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The task's result with `cohort`, `mode`, `excluded`, `privacy`, `notes` and, where asked, `pooled`.
    pub result: Map<String, Value>,
    /// Words for readers.
    pub wording: Wording,
    /// The display rule.
    pub min_cell: u64,
}

/// The hospitals of a request, ready to run.
struct Prepared {
    table: Table,
    task: Task,
    hospitals: Hospitals,
    /// Hospital of each row.
    of_row: Vec<String>,
    notes: Vec<String>,
}

/// Computes what a request asks for.
///
/// # Errors
/// When data, schema or task do not fit one another (with file, column and what to do), too few
/// hospitals have enough patients, or the task cannot be answered from these data.
pub fn run(request: &Request) -> Result<Answer, Error> {
    let prepared = prepare(request)?;
    let hospitals = &prepared.hospitals;
    let run = open(&prepared.task, &hospitals.schema)?;
    let (taken, excluded) = hospitals.floors(run.as_ref(), &request.floors, &request.data)?;
    let result = match request.summing {
        Summing::Plain => plain(
            &prepared.task,
            &hospitals.schema,
            &hospitals.of(&taken),
            hospitals.max_patients,
            &request.floors,
        )?,
        Summing::Nodes(_) | Summing::Masked => {
            let job = protocol::Job {
                command: "haima-stats",
                file: &request.data,
                hospitals,
                task: protocol::exact(&prepared.task),
                floors: &request.floors,
                summing: request.summing,
            };
            job.run()?
        }
    };
    let Value::Object(mut result) = result else {
        return Err(fault(&request.task, "its result is no JSON object".into()));
    };
    let pooled = match request.pooled {
        true => Some(compare::pooled(request, &prepared, &taken, &result)?),
        false => None,
    };
    let cohort = Selection::of_params(&prepared.task.params, &hospitals.schema)?.to_string();
    result.insert("cohort".into(), cohort.into());
    result.insert("mode".into(), request.summing.mode().into());
    result.insert("excluded".into(), json!(excluded));
    result.insert(
        "privacy".into(),
        json!({ "class": "exact", "note": "exact: no differential privacy" }),
    );
    result.insert("notes".into(), prepared.notes.clone().into());
    result.extend(pooled.map(|pooled| ("pooled".to_owned(), pooled)));
    let wording = wording(&prepared);
    Ok(Answer { result, wording, min_cell: request.floors.min_cell })
}

fn prepare(request: &Request) -> Result<Prepared, Error> {
    let table = table(&request.data, &request.sites)?;
    let mut notes = Vec::new();
    let (site, of_row) = rows_of(&table, &request.sites)?;
    let mut task = request.task.clone();
    if task.text("release") == Some("noised") {
        let problem = "release = \"noised\": `haima stats` adds no noise; put the task into a study, \
                       with `privacy = { epsilon, delta }`";
        return Err(fault(&task, problem.into()));
    }
    if request.exact_grid {
        task.params.insert("grid".into(), exact_grid(&table, &task)?.into());
    }
    let schema_text = match &request.schema {
        Some(path) => Template::read(path)?.schema_for(&request.sites),
        None => {
            notes.push(
                "the schema was inferred from the data: fine on one machine, not in a study".into(),
            );
            infer::schema(&table, site, &roles(&table, &task, &request.categories)?)?
        }
    };
    let schema = Schema::from_toml(&schema_text)?;
    if let ("cif" | "finegray", Some(event)) = (task.name.as_str(), task.text("event"))
        && schema.column(event)?.levels().is_some_and(|levels| levels.len() < 3)
    {
        notes.push(format!(
            "`{event}` knows one cause only, so nothing competes: the incidence is 1 - Kaplan-Meier, \
             and overstates it where another event, death, comes first"
        ));
    }
    // Before any patient is read: a parameter that does not fit is told with the file's columns.
    open(&task, &schema).map_err(|error| with_columns(error, &table))?;
    let table = hospitals::for_schema(&table, &schema).unwrap_or(table);
    let hospitals = match (&request.sites, &request.schema) {
        // Each file by itself, as at a hospital: units may differ between them.
        (Sites::Files(others), Some(_)) => {
            let files: Vec<PathBuf> =
                std::iter::once(&request.data).chain(others).cloned().collect();
            Hospitals::of_files(&files, schema_text, schema)?
        }
        _ => Hospitals::of_table(&table, site, &of_row, schema_text, schema)?,
    };
    Ok(Prepared { table, task, hospitals, of_row, notes })
}

/// The rows of all hospitals.
///
/// # Errors
/// As [`Table::read`].
pub fn table(data: &std::path::Path, sites: &Sites) -> Result<Table, Error> {
    match sites {
        Sites::Files(others) => {
            let mut all = Table::read(data)?;
            for file in others {
                all.append(Table::read(file)?);
            }
            Ok(all)
        }
        Sites::Column(_) | Sites::Deal(_) => Table::read(data),
    }
}

/// The column of hospitals, if there is one, and the hospital of each row.
///
/// # Errors
/// When there is no such column, or rows are dealt to nobody.
pub(crate) fn rows_of<'a>(
    table: &Table,
    sites: &'a Sites,
) -> Result<(Option<&'a str>, Vec<String>), Error> {
    match sites {
        Sites::Column(column) => {
            let names = table.column(column)?.map(|site| site.trim().to_owned());
            Ok((Some(column), names.collect()))
        }
        Sites::Files(_) => {
            let mut seen = BTreeSet::new();
            for path in table.paths() {
                if !seen.insert(hospitals::name_of(path)) {
                    let problem = "another file gives the same hospital's name; rename one";
                    return Err(Error::config(path, problem));
                }
            }
            let name = |row| hospitals::name_of(table.place(row).0);
            Ok((None, (0..table.len()).map(name).collect()))
        }
        Sites::Deal(0) => Err(Error::config(table.path(), "deal rows to at least one")),
        Sites::Deal(sites) => {
            Ok((None, (0..table.len()).map(|row| (row % sites + 1).to_string()).collect()))
        }
    }
}

/// A schema of the columns that a task names, from the data.
///
/// # Errors
/// When a column cannot be described, with what to do.
pub(crate) fn inferred_schema(
    table: &Table,
    site: Option<&str>,
    task: &Task,
) -> Result<toml::Table, Error> {
    infer::schema(table, site, &roles(table, task, &[])?)
}

pub(crate) fn distinct(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str).collect::<BTreeSet<&str>>().into_iter()
}

/// Columns that a task's parameters name, by what they are for.
fn roles(table: &Table, task: &Task, categories: &[String]) -> Result<infer::Roles, Error> {
    for column in categories {
        table.has(column)?;
    }
    let column = |key: &str| task.text(key).map(str::to_owned);
    let mut levels: BTreeSet<String> = categories.iter().cloned().collect();
    let several_ends = matches!(task.name.as_str(), "cif" | "finegray");
    if several_ends || task.params.contains_key("cause") {
        levels.extend(column("event"));
    }
    let used: BTreeSet<String> =
        table.columns().filter(|name| task.names(name)).map(str::to_owned).collect();
    if used.is_empty() {
        let all: Vec<&str> = table.columns().collect();
        let problem = format!("the question names none of its columns: {}", all.join(", "));
        return Err(Error::config(table.path(), problem));
    }
    // What these models count as an event; others take several ways in which follow-up ends.
    let event = matches!(task.name.as_str(), "km" | "cox" | "glm" | "meta");
    let event = column("event").filter(|_| event && !task.params.contains_key("cause"));
    let logistic = task.name == "glm" && task.text("family").is_none_or(|own| own == "logistic");
    let outcome = column("outcome").filter(|_| logistic);
    Ok(infer::Roles {
        used,
        told: categories.iter().cloned().collect(),
        flags: event.into_iter().chain(outcome).collect(),
        times: ["time", "entry"].into_iter().filter_map(column).collect(),
        groups: ["by", "strata"].into_iter().filter_map(column).collect(),
        levels,
    })
}

fn exact_grid(table: &Table, task: &Task) -> Result<f64, Error> {
    let mut grid: f64 = 1.0;
    for column in ["time", "entry"].into_iter().filter_map(|key| task.text(key)) {
        let exact = infer::exact_grid(table.column(column)?).ok_or_else(|| {
            let problem = format!("column `{column}` has times finer than 0.001; give --grid W");
            Error::config(table.path(), problem)
        })?;
        grid = grid.min(exact);
    }
    Ok(grid)
}

pub(crate) fn open(task: &Task, schema: &Schema) -> Result<Box<dyn Run>, haima_fl_core::Error> {
    let none = BTreeMap::new();
    haima_fl_core::registry::open(&task.name, task.version, &task.params, schema, &none)
}

/// An unknown column with the columns of the file, of which the inferred schema has but some.
fn with_columns(error: haima_fl_core::Error, table: &Table) -> Error {
    match &error {
        haima_fl_core::Error::UnknownColumn { column, .. } => match table.has(column) {
            Err(unknown) => unknown,
            Ok(()) => error.into(),
        },
        _ => error.into(),
    }
}

fn fault(task: &Task, problem: String) -> Error {
    Error::Config { file: format!("task {}", task.name), problem }
}

/// The least of 1, 2 and 5 times a power of ten that is at least `count`: public and round.
pub(crate) fn round_up(count: usize) -> u64 {
    let count = count as u64;
    let tens = std::iter::successors(Some(1u64), |ten| ten.checked_mul(10));
    tens.flat_map(|ten| [1, 2, 5].map(|digit| digit * ten))
        .find(|round| *round >= count.max(10))
        .unwrap_or(u64::MAX)
}

/// A task over plain sums.
fn plain(
    task: &Task,
    schema: &Schema,
    cohorts: &[Cohort],
    max_patients: u64,
    floors: &Floors,
) -> Result<Value, Error> {
    let mut run = open(task, schema)?;
    let mut sums = hospitals::plain_sums(cohorts, max_patients, floors, || open(task, schema))?;
    Ok(drive(run.as_mut(), &mut sums)?)
}

/// Words that the schema and the names of columns give.
fn wording(prepared: &Prepared) -> Wording {
    let (mut wording, schema) = (Wording::default(), &prepared.hospitals.schema);
    if let Some(time) = prepared.task.text("time")
        && let Ok(column) = schema.column(time)
    {
        wording.time_unit = column.unit().to_owned();
    }
    // Of groups the tables print what the JSON has.
    labels::terms(&mut wording, schema);
    wording
}
