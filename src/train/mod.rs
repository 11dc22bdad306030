//! Training over local hospitals: what `haima train` runs. Hospitals, sums and processes are those
//! of [`crate::stats`].
//!
//! With [`Summing::Plain`] the sums are added in this process: a simulation, of hundreds of hospitals
//! if need be, of the very task that a study runs. A task file states its privacy: a target, for which
//! noise is calibrated exactly as a study's manifest would have it (steps and spare attempts, against
//! the coalition), or `exact = true`. In a simulation this noise comes from the operating system and
//! is as large as that of the nodes, but it protects nobody: all rows are on this machine.

mod checkpoint;
mod data;
mod evaluation;
mod parameters;
pub(crate) mod privacy;
mod provenance;
mod simulation;

use std::path::PathBuf;

use haima_fl_core::task::Run;
use haima_fl_core::tasks::train;
use haima_smpc_node::plan::TaskPlan;

use crate::Error;
use crate::model_file::ModelFile;
use crate::provision::TaskTemplate;
use crate::report::{Excluded, Floors};
use crate::stats::hospitals::Hospitals;
use crate::stats::protocol::{self, Job};
use crate::stats::{Sites, Summing, Task};
use data::Data;
pub use evaluation::{Evaluated, Evaluation, evaluate};
use privacy::Target;
pub use simulation::Progress;
pub(crate) use simulation::seed as noise_seed;

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

/// A training whose task file, data and schema fit one another.
struct Prepared<'a> {
    request: &'a Request,
    task: Task,
    target: Target,
    hospitals: Hospitals,
    floors: Floors,
    schema_inferred: bool,
    /// Whom the study is about, by its template.
    subject: Option<String>,
    notes: Vec<String>,
    steps: u32,
}

/// A training that can begin: hospitals enough, and noise that reaches its target.
pub(crate) struct Training<'a> {
    prepared: Prepared<'a>,
    run: Box<dyn Run>,
    taken: Vec<String>,
    excluded: Vec<Excluded>,
    committed: Option<TaskPlan>,
    /// Hospitals that masked mode lets be the coordinator's.
    corrupt: Option<u32>,
}

/// Trains a model.
///
/// # Errors
/// When task file, data and schema do not fit one another (with file and key), too few hospitals have
/// enough patients, no noise reaches the target, or the training fails.
pub fn run(request: &Request, progress: &mut dyn FnMut(Progress)) -> Result<ModelFile, Error> {
    Training::new(request)?.run(progress)
}

impl<'a> Training<'a> {
    /// Checks everything that can be checked before the first sum.
    pub(crate) fn new(request: &'a Request) -> Result<Self, Error> {
        let prepared = Prepared::new(request)?;
        let run = prepared.start()?;
        let file = request.data.first().unwrap_or(&request.task);
        let (hospitals, floors) = (&prepared.hospitals, &prepared.floors);
        let (taken, excluded) = match prepared.target {
            Target::Exact => hospitals.floors(run.as_ref(), floors, file)?,
            Target::Dp { .. } => (hospitals.all(floors, file)?, Vec::new()),
        };
        let (committed, corrupt) = {
            let job = prepared.job(run.as_ref())?;
            let terms = job.study().terms(prepared.hospitals.cohorts.len());
            (job.committed()?, terms.map(|terms| terms.corrupt))
        };
        Ok(Self { prepared, run, taken, excluded, committed, corrupt })
    }

    /// What a reader has to know beside the model, as far as it is known before.
    pub(crate) fn notes(&self) -> &[String] {
        &self.prepared.notes
    }

    /// Sums and learns.
    pub(crate) fn run(self, progress: &mut dyn FnMut(Progress)) -> Result<ModelFile, Error> {
        let Self { prepared, run, taken, excluded, committed, corrupt } = self;
        let (result, resumes) = match prepared.request.summing {
            Summing::Plain => {
                simulation::run(&prepared, run, &taken, committed.as_ref(), progress)?
            }
            Summing::Nodes(_) | Summing::Masked => (prepared.job(run.as_ref())?.run()?, 0),
        };
        let guarantee = privacy::guarantee(&prepared, &result, committed.as_ref(), corrupt)?;
        let mut provenance = provenance::of(&prepared, &result, guarantee, taken.len(), excluded)?;
        if resumes > 0 {
            let note = "the training stopped and went on from a checkpoint, times";
            provenance.notes.push(format!("{note}: {resumes}"));
        }
        let study_schema = prepared.hospitals.schema_text;
        Ok(ModelFile { network: result, study_schema, provenance })
    }
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
        let Data { hospitals, schema_inferred, subject, mut notes } =
            Data::read(request, &task, &target)?;
        if schema_inferred {
            notes.push(
                "the schema was inferred from the data: fine on one machine, not in a study".into(),
            );
        }
        let expected = parameters::divisor(&task);
        notes.extend(target.check(&request.task, request.summing, expected, &hospitals)?);
        let steps = u32::try_from(parameters::whole(&task, "steps")).unwrap_or(0);
        // Under noise no floor may make an answer jump with a patient (rule S2).
        let floors = match target {
            Target::Exact => request.floors.clone(),
            Target::Dp { .. } => Floors { min_local_rows: 0, ..request.floors.clone() },
        };
        Ok(Self {
            request,
            task,
            target,
            hospitals,
            floors,
            schema_inferred,
            subject,
            notes,
            steps,
        })
    }

    /// A run of the task at its start.
    fn start(&self) -> Result<Box<dyn Run>, Error> {
        parameters::open(&self.request.task, &self.task, &self.hospitals.schema)
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
