//! A generator over local hospitals: what `haima synth fit` runs. Hospitals, sums and processes are
//! those of [`crate::stats`], the promise is that of a training ([`crate::train`]).
//!
//! With [`Summing::Plain`] the sums are added in this process, a simulation that says so, with noise
//! as large as that of the nodes. It protects nobody: all rows are on this machine.
//!
//! A generator of tables takes few sums, of which each spare one costs much; a network takes as many as a
//! training, and is planned as one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use haima_dp::noise::NoiseScale;
use haima_fl_core::schema::Schema;
use haima_fl_core::selection::Selection;
use haima_fl_core::sum::SecureSum as _;
use haima_fl_core::synth::domain::Domain;
use haima_fl_core::tasks::synthesize::network::{EXPECTED, METHOD, TRAINING};
use haima_fl_core::tasks::synthesize::{NAME, VERSION};
use haima_smpc_node::plan::TaskPlan;
use serde_json::Value;

use super::file::SynthFile;
use crate::Error;
use crate::model_file::{Data, Guarantee, PROVENANCE_SCHEMA, Provenance, making};
use crate::pooled::Table;
use crate::provision::{Accountant, Privacy, TaskTemplate};
use crate::report::{Excluded, Floors};
use crate::stats::hospitals::{Hospitals, plain_sums};
use crate::stats::protocol::{self, Job};
use crate::stats::{self, Sites, Summing, Task, Template};
use crate::train::privacy::{Target, terms};
use crate::train::{Progress, noise_seed};

/// Attempts beyond one a round for tables. Noise is calibrated to all of them, and there are few rounds.
const SPARE_ATTEMPTS: u32 = 1;
/// Parameter that says how sums leave.
const RELEASE: &str = "release";

/// What to fit, on what, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// The task `synthesize` with its parameters.
    pub task: Task,
    /// `[privacy]`: `epsilon` and `delta`, or `exact = true`.
    pub privacy: Option<toml::Table>,
    /// Where both stand, for errors.
    pub stands_in: PathBuf,
    /// A pooled CSV.
    pub data: PathBuf,
    /// How its rows become hospitals; `None`: by the `site_column` of the study's template.
    pub sites: Option<Sites>,
    /// A schema (TOML), or a study's template; inferred from the data without it, where exact.
    pub schema: Option<PathBuf>,
    /// Name of the study; that of the data's file where absent.
    pub study: Option<String>,
    /// Fewest hospitals in a sum, fewest rows of one.
    pub floors: Floors,
    /// How the sums are made.
    pub summing: Summing,
    /// Nodes whose noise a simulation adds.
    pub nodes: u32,
}

/// A request that was checked and is ready to run.
struct Prepared<'a> {
    request: &'a Request,
    task: Task,
    target: Target,
    hospitals: Hospitals,
    floors: Floors,
    schema_inferred: bool,
    domain: Domain,
    rounds: u32,
    /// Each sum is over a Poisson sample of patients.
    sampled: bool,
    /// The public number of patients of a network is that of the rows.
    counted: bool,
    notes: Vec<String>,
}

/// Fits a generator.
///
/// # Errors
/// When data, schema and parameters do not fit one another (with file, key and column), too few
/// hospitals have enough patients, no noise reaches the target, or the sums lead to no model.
pub fn run(request: &Request, progress: &mut dyn FnMut(Progress)) -> Result<SynthFile, Error> {
    let prepared = Prepared::new(request)?;
    let hospitals = &prepared.hospitals;
    let run = open(request, &prepared.task, &hospitals.schema)?;
    let (floors, data) = (&prepared.floors, &request.data);
    let (taken, excluded) = match prepared.target {
        Target::Exact => hospitals.floors(run.as_ref(), floors, data)?,
        Target::Dp { .. } => (hospitals.all(floors, data)?, Vec::new()),
    };
    let job = prepared.job();
    let committed = job.committed()?;
    let corrupt = job.study().terms(hospitals.cohorts.len()).map(|terms| terms.corrupt);
    let generator = match request.summing {
        Summing::Plain => simulate(&prepared, run, &taken, committed.as_ref(), progress)?,
        Summing::Nodes(_) | Summing::Masked => job.run()?,
    };
    let privacy = match &committed {
        None => Guarantee::exact(),
        Some(plan) => {
            let most = hospitals.public.hospitals_per_patient;
            Guarantee::of(plan, &terms(request.summing, corrupt, false, most))?
        }
    };
    let provenance = prepared.provenance(privacy, taken.len(), excluded)?;
    let of_file = || request.data.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let file = SynthFile {
        study: request.study.clone().unwrap_or_else(of_file),
        generator,
        study_schema: prepared.hospitals.schema_text,
        provenance,
    };
    file.open()?;
    Ok(file)
}

/// A run at its start; what is wrong with a parameter is told with the file that has it.
fn open(
    request: &Request,
    task: &Task,
    schema: &Schema,
) -> Result<Box<dyn haima_fl_core::task::Run>, Error> {
    stats::open(task, schema).map_err(|error| named(request, error))
}

fn named(request: &Request, error: haima_fl_core::Error) -> Error {
    match error {
        haima_fl_core::Error::Params { reason, .. } => Error::config(&request.stands_in, reason),
        haima_fl_core::Error::UnknownColumn { .. } => {
            Error::config(&request.stands_in, error.to_string())
        }
        error => error.into(),
    }
}

impl<'a> Prepared<'a> {
    fn new(request: &'a Request) -> Result<Self, Error> {
        let fault = |problem: &str| Error::config(&request.stands_in, problem);
        let mut task = request.task.clone();
        if (task.name.as_str(), task.version) != (NAME, VERSION) {
            let (name, version) = (&task.name, task.version);
            let problem = format!("task {name} {version} is none of {NAME} {VERSION}");
            return Err(fault(&problem));
        }
        let target = Target::read(request.privacy.clone(), &request.stands_in)?;
        let release = if target == Target::Exact { "exact" } else { "noised" };
        if let Some(said) = task.params.insert(RELEASE.into(), release.into())
            && said.as_str() != Some(release)
        {
            let problem = format!("release = {said} does not go with its [privacy]; leave it away");
            return Err(fault(&problem));
        }
        let template = request.schema.as_deref().map(Template::read).transpose()?;
        let public = template.as_ref().map(|template| template.public).unwrap_or_default();
        let sites = sites(request, template.as_ref())?;
        let table = Table::read(&request.data)?;
        let (site, of_row) = stats::rows_of(&table, &sites)?;
        let schema_inferred = template.is_none();
        let text = match template {
            Some(template) => template.schema_for(&sites),
            None if target == Target::Exact => {
                spell_out_columns(&mut task, &table, site)?;
                stats::inferred_schema(&table, site, &task)?
            }
            None => {
                return Err(fault(
                    "ranges and levels that come from the patients would leave without a charge; \
                     describe the columns in a public --schema, or fit without privacy (--exact)",
                ));
            }
        };
        let schema = Schema::from_toml(&text)?;
        let counted = is_network(&task) && expects_nobody(&task);
        if counted {
            expect(&mut task, &table, target).map_err(|problem| fault(&problem))?;
        }
        // Before any patient is read: what does not fit is told with the schema's columns.
        let run = open(request, &task, &schema)?;
        let rounds = run.sums().unwrap_or_default();
        let sampled = run.query().is_some_and(|query| query.rate < 1.0);
        let domain =
            Domain::of_params(&task.params, &schema).map_err(|error| named(request, error))?;
        let hospitals = Hospitals::of_table(&table, site, &of_row, text, schema)?;
        let hospitals = match target {
            Target::Exact => hospitals,
            Target::Dp { .. } => hospitals.promising(public, &request.data)?,
        };
        let mut notes = Vec::new();
        if schema_inferred {
            notes.push(
                "the schema was inferred from the data: fine on one machine, not in a study".into(),
            );
        }
        if counted {
            let rows = table.len();
            notes.push(format!("sums were divided by {rows}, the number of rows of the data"));
        }
        let expected = if counted { 0 } else { expected(&task) };
        notes.extend(target.check(&request.stands_in, request.summing, expected, &hospitals)?);
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
            domain,
            rounds,
            sampled,
            counted,
            notes,
        })
    }

    fn job(&self) -> Job<'_> {
        let privacy = match self.target {
            Target::Exact => None,
            Target::Dp { epsilon, delta, accountant, .. } => {
                // Where patients are sampled, one that counts it.
                let default = if self.sampled { Accountant::Renyi } else { Accountant::Zcdp };
                let accountant = accountant.unwrap_or(default);
                Some(Privacy { epsilon, delta, accountant })
            }
        };
        let max_steps = self.rounds;
        let spare_attempts = match is_network(&self.task) {
            true => protocol::SPARE_ATTEMPTS,
            false => SPARE_ATTEMPTS,
        };
        let template = protocol::exact(&self.task);
        let task = TaskTemplate { max_steps, spare_attempts, privacy, ..template };
        Job {
            command: "haima-synth",
            file: &self.request.data,
            hospitals: &self.hospitals,
            task,
            floors: &self.floors,
            summing: self.request.summing,
        }
    }

    fn provenance(
        &self,
        privacy: Guarantee,
        hospitals: usize,
        excluded: Vec<Excluded>,
    ) -> Result<Provenance, Error> {
        let own = &self.hospitals;
        let exact = matches!(privacy, Guarantee::Exact { .. });
        let out = |name: &String| excluded.iter().any(|excluded| excluded.site == *name);
        let cohorts = own.cohorts.iter().filter(|(name, _)| !out(name));
        let patients: u64 = cohorts.map(|(_, cohort)| cohort.len() as u64).sum();
        let mut figures = making::of_params(&self.task.params, "the task");
        let divisor = format!("{TRAINING}.{EXPECTED}");
        for figure in figures.iter_mut().filter(|own| self.counted && own.name == divisor) {
            figure.origin = "local: counted in the data, without a charge".into();
        }
        let floors = [
            ("min_sites", u64::from(self.floors.min_sites)),
            ("min_local_rows", self.floors.min_local_rows),
        ];
        figures.extend(
            floors.map(|(name, floor)| {
                making::public(name, floor.to_string(), "the floors of the fit")
            }),
        );
        figures.extend(own.public.figures());
        figures.extend(making::of_domain(&self.domain, self.schema_inferred));
        Ok(Provenance {
            schema: PROVENANCE_SCHEMA.into(),
            task: making::task(&self.task.name, self.task.version, &self.task.params),
            mode: self.request.summing.mode().into(),
            data: Data {
                hospitals: hospitals as u64,
                excluded,
                // Under privacy the number of patients is itself a figure of patients (rule S6).
                patients: exact.then_some(patients),
                cohort: Selection::of_params(&self.task.params, &own.schema)?.to_string(),
                schema_digest: making::schema_digest(&own.schema_text)?,
                schema_inferred: self.schema_inferred,
            },
            privacy,
            figures,
            metrics: Vec::new(),
            notes: self.notes.clone(),
            journal: None,
        })
    }
}

/// Whether a network is trained, not tables measured.
fn is_network(task: &Task) -> bool {
    task.text("method") == Some(METHOD)
}

/// The public number of patients by which a network's sums are divided; 0 where there is none.
fn expected(task: &Task) -> u64 {
    let own = task.params.get(TRAINING).and_then(|training| training.get(EXPECTED));
    own.and_then(toml::Value::as_integer).and_then(|own| u64::try_from(own).ok()).unwrap_or(0)
}

/// Whether that number is not said, right or wrong.
fn expects_nobody(task: &Task) -> bool {
    match task.params.get(TRAINING) {
        None => true,
        Some(toml::Value::Table(training)) => !training.contains_key(EXPECTED),
        Some(_) => false,
    }
}

/// Takes the number from the data, where nothing is promised to patients.
fn expect(task: &mut Task, table: &Table, target: Target) -> Result<(), String> {
    if target != Target::Exact {
        return Err(format!(
            "method = \"{METHOD}\" under privacy needs a public guess of the patients at all hospitals \
             together, by which its sums are divided: --expected-patients N, or `{EXPECTED}` under \
             `{TRAINING}` of a task file; do not count"
        ));
    }
    let rows = i64::try_from(table.len()).unwrap_or(i64::MAX);
    let training = task.params.entry(TRAINING).or_insert_with(|| toml::Table::new().into());
    if let toml::Value::Table(training) = training {
        training.insert(EXPECTED.into(), rows.into());
    }
    Ok(())
}

/// How rows become hospitals.
fn sites(request: &Request, template: Option<&Template>) -> Result<Sites, Error> {
    let of_template = || template?.site_column.clone().map(Sites::Column);
    request.sites.clone().or_else(of_template).ok_or_else(|| {
        let problem = "name the column of hospitals by --site, deal rows by --deal, or give a \
                       study's template with a `site_column` as --schema";
        Error::config(&request.data, problem)
    })
}

/// For a schema that is inferred: all columns by their names, as the data have them.
fn spell_out_columns(task: &mut Task, table: &Table, site: Option<&str>) -> Result<(), Error> {
    const KEY: &str = "columns";
    let Some(toml::Value::Array(named)) = task.params.get(KEY) else {
        let problem = "without a --schema the columns have to be named (--columns A,B,C*): what is \
                       an identifier or a date is not for a model";
        return Err(Error::config(table.path(), problem));
    };
    let mut found: Vec<toml::Value> = Vec::new();
    for name in named {
        let prefix = name.as_str().and_then(|name| name.strip_suffix('*'));
        let Some(prefix) = prefix else {
            if let Some(name) = name.as_str() {
                table.has(name)?;
            }
            found.push(name.clone());
            continue;
        };
        let own = table.columns().filter(|column| column.starts_with(prefix));
        found.extend(own.filter(|column| Some(*column) != site).map(toml::Value::from));
    }
    task.params.insert(KEY.into(), found.into());
    Ok(())
}

/// Sums in this process, with the noise of a study.
fn simulate(
    prepared: &Prepared<'_>,
    mut run: Box<dyn haima_fl_core::task::Run>,
    taken: &[String],
    committed: Option<&TaskPlan>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Value, Error> {
    let hospitals = &prepared.hospitals;
    let cohorts = hospitals.of(taken);
    let open = || stats::open(&prepared.task, &hospitals.schema);
    let mut sums = plain_sums(&cohorts, hospitals.max_patients, &prepared.floors, open)?;
    if let Some(plan) = committed {
        // Every node adds the full scale (rule N1).
        let (scale, nodes) = (NoiseScale::new(plan.noise.s)?, prepared.request.nodes);
        sums = sums.with_simulated_noise(scale, nodes, noise_seed()?);
    }
    let rounds = prepared.rounds;
    for round in 1..=rounds {
        let started = Instant::now();
        let query = run.query().ok_or(haima_fl_core::Error::RunOver)?;
        let sum = sums.sum(&query)?;
        let result = run.absorb(&sum)?;
        let (hospitals, seconds) = (sum.sites(), started.elapsed().as_secs_f64());
        progress(Progress { round, rounds, hospitals, seconds });
        if let Some(result) = result {
            return Ok(result);
        }
    }
    Err(Error::config(Path::new(NAME), format!("no generator after its {rounds} sums")))
}
