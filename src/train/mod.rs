//! Training over local hospitals: what `haima train` runs. Hospitals, sums and processes are those
//! of [`crate::stats`].
//!
//! With [`Summing::Plain`] the sums are added in this process: a simulation, of hundreds of hospitals
//! if need be, of the very task that a study runs. A task file states its privacy: a target, for which
//! noise is calibrated exactly as a study's manifest would have it (steps and spare attempts, against
//! the coalition), or `exact = true`. In a simulation this noise comes from the operating system and
//! is as large as that of the nodes, but it protects nobody: all rows are on this machine.

mod checkpoint;
mod evaluation;
mod privacy;
mod provenance;
mod simulation;

use std::path::PathBuf;

use haima_fl_core::schema::Schema;
use haima_fl_core::task::Run;
use haima_fl_core::tasks::train;

use crate::Error;
use crate::model_file::ModelFile;
use crate::pooled::Table;
use crate::provision::TaskTemplate;
use crate::report::Floors;
use crate::stats::hospitals::Hospitals;
use crate::stats::protocol::{self, Job};
use crate::stats::{self, Sites, Summing, Task};
pub use evaluation::{Evaluated, Evaluation, evaluate};
use privacy::Target;
pub use simulation::Progress;

/// What to train, on what, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// Task file.
    pub task: PathBuf,
    /// A pooled CSV, or one a hospital.
    pub data: Vec<PathBuf>,
    /// How rows of a pooled file become hospitals; `None`: a file is a hospital.
    pub sites: Option<Sites>,
    /// A schema (TOML), or a study's template.
    pub schema: Option<PathBuf>,
    /// Fewest hospitals in a sum, fewest rows of one.
    pub floors: Floors,
    /// How the sums are made.
    pub summing: Summing,
    /// Nodes whose noise a simulation adds.
    pub nodes: u32,
    /// Written after every round.
    pub checkpoint: Option<PathBuf>,
    /// Gone on from.
    pub resume: Option<PathBuf>,
}

/// A training, checked and ready to run.
pub(crate) struct Prepared<'a> {
    request: &'a Request,
    task: Task,
    target: Target,
    hospitals: Hospitals,
    floors: Floors,
    schema_inferred: bool,
    notes: Vec<String>,
    steps: u32,
}

/// Trains a model.
///
/// # Errors
/// When task file, data and schema do not fit one another (with file and key), too few hospitals have
/// enough patients, no noise reaches the target, or the training fails.
pub fn run(request: &Request, progress: &mut dyn FnMut(Progress)) -> Result<ModelFile, Error> {
    let prepared = Prepared::new(request)?;
    let run = prepared.start()?;
    let (taken, excluded) = prepared.hospitals.floors(
        run.as_ref(),
        &prepared.floors,
        request.data.first().unwrap_or(&request.task),
    )?;
    let job = prepared.job(run.as_ref())?;
    let committed = job.committed()?;
    let rate = run.query().map_or(1.0, |query| query.rate);
    let corrupt = job.study().terms(prepared.hospitals.cohorts.len()).map(|terms| terms.corrupt);
    let (result, resumes) = match request.summing {
        Summing::Plain => simulation::run(&prepared, run, &taken, committed.as_ref(), progress)?,
        Summing::Nodes(_) | Summing::Masked => (job.run()?, 0),
    };
    let guarantee = privacy::guarantee(&prepared, &result, rate, committed.as_ref(), corrupt)?;
    let mut provenance = provenance::of(&prepared, &result, guarantee, taken.len(), excluded)?;
    if resumes > 0 {
        let note = "the training stopped and went on from a checkpoint, times";
        provenance.notes.push(format!("{note}: {resumes}"));
    }
    let study_schema = prepared.hospitals.schema_text;
    Ok(ModelFile { network: result, study_schema, provenance })
}

impl<'a> Prepared<'a> {
    fn new(request: &'a Request) -> Result<Self, Error> {
        let fault = |problem: &str| Error::config(&request.task, problem);
        let (task, privacy) = Task::read_with_privacy(&request.task)?;
        if (task.name.as_str(), task.version) != (train::NAME, train::VERSION) {
            let (name, version) = (&task.name, task.version);
            return Err(fault(&format!(
                "task {name} {version} is no training; this is for {} {}",
                train::NAME,
                train::VERSION
            )));
        }
        let target = Target::read(privacy, &request.task)?;
        if request.summing != Summing::Plain
            && (request.checkpoint.is_some() || request.resume.is_some())
        {
            return Err(fault(
                "--checkpoint and --resume are of simulations; a study's coordinator keeps every \
                 released sum and goes on by itself when it is started again",
            ));
        }
        let (hospitals, inferred) = hospitals(request, &task, &target)?;
        let mut notes = Vec::new();
        if inferred {
            notes.push(
                "the schema was inferred from the data: fine on one machine, not in a study".into(),
            );
        }
        let steps = task.params.get("steps").and_then(toml::Value::as_integer);
        let steps = steps.and_then(|steps| u32::try_from(steps).ok()).unwrap_or(0);
        // Under noise no floor may make an answer jump with a patient (rule S2).
        let floors = match target {
            Target::Exact => request.floors.clone(),
            Target::Dp { .. } => Floors { min_local_rows: 0, ..request.floors.clone() },
        };
        let schema_inferred = inferred;
        Ok(Self { request, task, target, hospitals, floors, schema_inferred, notes, steps })
    }

    /// A run of the task at its start; what is wrong with a parameter is the task file's.
    fn start(&self) -> Result<Box<dyn Run>, Error> {
        open(&self.request.task, &self.task, &self.hospitals.schema)
    }

    fn job(&self, run: &dyn Run) -> Result<Job<'_>, Error> {
        let task = TaskTemplate {
            max_steps: self.steps,
            privacy: self.target.for_query(run.query().as_ref(), &self.request.task)?,
            ..protocol::exact(&self.task)
        };
        Ok(Job {
            command: "haima-train",
            file: self.request.data.first().unwrap_or(&self.request.task),
            hospitals: &self.hospitals,
            task,
            floors: &self.floors,
            summing: self.request.summing,
        })
    }
}

fn open(file: &std::path::Path, task: &Task, schema: &Schema) -> Result<Box<dyn Run>, Error> {
    stats::open(task, schema).map_err(|error| match error {
        haima_fl_core::Error::Params { reason, .. } => Error::config(file, reason),
        haima_fl_core::Error::UnknownColumn { .. } => Error::config(file, error.to_string()),
        error => error.into(),
    })
}

fn hospitals(request: &Request, task: &Task, target: &Target) -> Result<(Hospitals, bool), Error> {
    let fault = |problem: &str| Error::config(&request.task, problem);
    let given = request.schema.as_deref().map(stats::read_schema).transpose()?;
    let read = |text: &toml::Table| Schema::from_toml(text).map_err(Error::from);
    let (file, sites) = match (request.data.as_slice(), &request.sites) {
        ([file], Some(sites)) => (file, sites),
        ([], _) => return Err(fault("give the hospitals' patients by --data")),
        (_, Some(_)) => {
            return Err(fault(
                "--site and --deal split one file; several files are a hospital each",
            ));
        }
        (files, None) => {
            let text = given.ok_or_else(|| {
                fault("several files need a --schema: what one shows may not hold in another")
            })?;
            let schema = read(&text)?;
            open(&request.task, task, &schema)?;
            return Ok((Hospitals::of_files(files, text, schema)?, false));
        }
    };
    let table = Table::read(file)?;
    let (site, of_row) = stats::rows_of(&table, sites)?;
    let inferred = given.is_none();
    if inferred && *target != Target::Exact {
        return Err(fault(
            "[privacy]: ranges that come from the patients would leave without a charge; give a \
             public --schema, or say `exact = true`",
        ));
    }
    let text = match given {
        Some(text) => text,
        None => stats::inferred_schema(&table, site, task)?,
    };
    let schema = read(&text)?;
    open(&request.task, task, &schema)?;
    Ok((Hospitals::of_table(&table, site, &of_row, text, schema)?, inferred))
}
