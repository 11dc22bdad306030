//! The command `haima demo`: makes a network, runs its study, shows what came of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use haima_dp::units::{Epsilon, Order};
use haima_fl_core::cohort::Cohort;
use haima_fl_core::results::Concordance;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use haima_fl_core::tasks::{concordance, fidelity, synthesize};
use haima_smpc_node::masking::Mode;

use super::network::{Network, Plan};
use super::screen::Screen;
use super::{follow, virtual_patients};
use crate::Error;
use crate::budget;
use crate::coordinator::events::Event;
use crate::coordinator::models;
use crate::pooled::{site_name, split};
use crate::provision::{Study, Timing};
use crate::report::{Comparison, StepResult, StudyReport};
use crate::site::Policy;

/// Options of the demonstration.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Pooled CSV of all hospitals. Without it: data/leuksurv.csv of the source folder.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Study template (TOML). Without it: the file beside the data that ends in .study.toml.
    #[arg(long)]
    study: Option<PathBuf>,
    /// Column that splits the data into hospitals. Without it: the study's.
    #[arg(long)]
    site_column: Option<String>,
    /// Number of SMPC nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    nodes: u8,
    /// No nodes: the coordinator adds contributions under masks that cancel in the sum.
    #[arg(long, conflicts_with_all = ["nodes", "poison"])]
    masked: bool,
    /// Epsilon of the private tasks, against all nodes but one, or with --masked against the
    /// coordinator and as many hospitals as the masks allow. Without it: the study's.
    #[arg(long)]
    epsilon: Option<f64>,
    /// Folder for the report, models and virtual patients.
    #[arg(long, default_value = "haima-report")]
    out: PathBuf,
    /// Seed of splits and of model initialisation; noise, shares and keys never come from it.
    #[arg(long)]
    seed: Option<u32>,
    /// Let the last hospital cheat: it tries to move every sum a thousand times as far as it may.
    #[arg(long)]
    poison: bool,
    /// Print one JSON object instead of tables: the study's report, as in `report.json`.
    #[arg(long)]
    json: bool,
}

pub(crate) const TIMING: Timing = Timing { round_ms: 15_000, grace_ms: 5_000, tick_ms: 100 };
const DEFAULT_DATA: &str = "data/leuksurv.csv";
/// First of a study's warnings, which go with its page, its models and its virtual patients.
const DEMONSTRATION: &str = "A demonstration: every party ran on one machine under one operator, so \
                             nothing here was private against whoever ran it.";

/// Runs the demonstration.
///
/// # Errors
/// When data or study cannot be used, a party falls, or the user interrupts; all processes have
/// ended and the temporary folder is gone then.
pub fn run(options: &Options) -> Result<(), Error> {
    let interrupted = follow::watch_for_interrupt()?;
    let data = match &options.data {
        Some(data) => data.clone(),
        None => shipped(DEFAULT_DATA)?,
    };
    let study = read_study(options, &data)?;
    // Before anything runs: a report that cannot be written is no report.
    std::fs::create_dir_all(&options.out).map_err(|e| Error::file(&options.out, e))?;
    virtual_patients::check_free(&study, &options.out)?;
    let root = tempfile::Builder::new()
        .prefix("haima-demo-")
        .tempdir()
        .map_err(|e| Error::file(&std::env::temp_dir(), e))?;
    let plan = plan(options, &data, study, root.path())?;
    // All data are checked here too, so that a fault is told before anything starts.
    let cohorts = read_cohorts(&plan, &data)?;

    let mut network = Network::make(&plan)?;
    crate::provision::check(&network.manifest, false)?;
    let screen = Screen::new(&plan, &data, cohorts.iter().map(Cohort::len).sum());
    let ended = follow::to_the_end(&mut network, &interrupted, |event| match event {
        Event::Done => screen.done(),
        event => screen.show(event),
    });
    let made = network.folder("coordinator")?.join("out");
    let failed = match ended {
        Ok(()) => None,
        // What other tasks found stands all the same, where the coordinator came to write it.
        Err(error)
            if !matches!(error, Error::Interrupted) && made.join("report.json").is_file() =>
        {
            Some(error)
        }
        Err(error) => return Err(error),
    };
    crate::provision::plan::write(&options.out, &network.manifest)?;
    let mut report: StudyReport = read_json(&made.join("report.json"))?;
    models::copy(&network.manifest, &made, &options.out)?;
    drop(network);

    let drawn = virtual_patients::draw(&plan.study, &data, &options.out, &mut report, &screen);
    // What the study found stands without them.
    let drawn = drawn.unwrap_or_else(|error| {
        screen.say(&format!("no virtual patients: {error}"));
        None
    });
    if failed.is_none() {
        report.comparison = compare(&plan, &report, &cohorts, &screen)?;
    }
    let page =
        crate::report::write(&options.out, &report).map_err(|e| Error::file(&options.out, e))?;
    match failed {
        None if options.json => {
            let text = serde_json::to_string(&report);
            println!("{}", text.map_err(|e| Error::config(&page, e.to_string()))?);
            Ok(())
        }
        None => {
            screen.results(&report, drawn.as_ref(), &page);
            Ok(())
        }
        Some(error) => {
            screen.say(&format!("a task failed; what the others found is in {}", page.display()));
            Err(error)
        }
    }
}

/// A file of the source folder: from the working directory, or above this program.
pub(crate) fn shipped(name: &str) -> Result<PathBuf, Error> {
    let program = std::env::current_exe().unwrap_or_default();
    std::iter::once(PathBuf::from("."))
        .chain(program.ancestors().map(Path::to_path_buf))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Error::config(
                Path::new(name),
                "not found; run this in the source folder, or give --data FILE",
            )
        })
}

fn read_study(options: &Options, data: &Path) -> Result<Study, Error> {
    if !data.is_file() {
        return Err(Error::config(data, "there is no such file"));
    }
    let beside = data.with_extension("study.toml");
    let path = options.study.as_ref().unwrap_or(&beside);
    if options.study.is_none() && !beside.is_file() {
        let problem = "there is no study beside the data; give --study FILE (docs/guide.md says how to write one)";
        return Err(Error::config(&beside, problem));
    }
    let mut study = Study::read(path)?;
    if let Some(column) = &options.site_column {
        // The study's own column stays in the table then, as one that nobody uses.
        let own = std::mem::replace(&mut study.site_column, column.clone());
        let ignore = study.schema.entry("ignore").or_insert(toml::Value::Array(Vec::new()));
        if let toml::Value::Array(ignore) = ignore
            && !own.is_empty()
        {
            ignore.push(toml::Value::String(own));
        }
        study.site_prefix.clone_from(column);
    }
    if study.site_column.is_empty() {
        let problem = "has no `site_column`, by which the demo splits the data into hospitals; add \
                       one, or give --site-column COLUMN";
        return Err(Error::config(path, problem));
    }
    if study.site_prefix.is_empty() {
        study.site_prefix.clone_from(&study.site_column);
    }
    // The template may say it already.
    if !study.about.warnings.iter().any(|warning| warning == DEMONSTRATION) {
        study.about.warnings.insert(0, DEMONSTRATION.to_owned());
    }
    if options.masked {
        (study.mode, study.release_quorum) = (Mode::Masked, None);
    }
    for task in &mut study.tasks {
        if let (Some(seed), Some(slot)) = (options.seed, task.params.get_mut("seed")) {
            *slot = toml::Value::Integer(i64::from(seed));
        }
        if let (Some(epsilon), Some(privacy)) = (options.epsilon, &mut task.privacy) {
            privacy.epsilon = epsilon;
        }
    }
    Ok(study)
}

fn plan(options: &Options, data: &Path, study: Study, root: &Path) -> Result<Plan, Error> {
    let program = std::env::current_exe().map_err(|e| Error::file(Path::new("this program"), e))?;
    let dealt = split(data, &study.site_column)?;
    let width = dealt.keys().map(String::len).max().unwrap_or(0);
    let mut cohorts = BTreeMap::new();
    for (value, text) in dealt {
        let name = site_name(&study.site_prefix, &value, width);
        if cohorts.insert(name.clone(), text).is_some() {
            let problem = format!("two values of {} give the name {name}", study.site_column);
            return Err(Error::config(data, problem));
        }
    }
    let private = study.tasks.iter().filter_map(|task| task.privacy);
    let epsilon = private.clone().map(|p| p.epsilon).sum::<f64>();
    let committed = study.plan(cohorts.len())?;
    let order = match budget::delta(&committed) {
        Some(delta) => budget::limit_for(&committed, Epsilon::new(epsilon)?, delta)?
            .and_then(|limit| limit.filter.order()),
        None => None,
    };
    let exact: Vec<String> = (study.tasks.iter())
        .filter(|task| task.privacy.is_none())
        .map(|task| task.id.clone())
        .collect();
    let policy = Policy {
        default_population: study.study.clone(),
        epsilon: epsilon.max(f64::MIN_POSITIVE),
        delta: private.map(|p| p.delta).reduce(f64::min),
        allow_large_delta: false,
        order: order.map(Order::get),
        row_revealing_tasks: exact.clone(),
        exact_tasks: exact,
        trust_coordinator_sums: true,
        approved_reruns: Vec::new(),
        approved_other_sites: Vec::new(),
        approved_cohorts: Vec::new(),
        max_cohorts: 8,
        min_local_rows: 10,
        min_sites: study.min_sites,
        amendment: None,
        max_attempts_a_day: 1000,
        ..Policy::new("demo", f64::MIN_POSITIVE)
    };
    let nodes = if study.mode == Mode::Masked { 0 } else { usize::from(options.nodes) };
    let root = root.to_owned();
    let poisoner = cohorts.keys().last().filter(|_| options.poison).cloned();
    let timing = TIMING;
    Ok(Plan { program, root, study, cohorts, nodes, policy, timing, wait_s: 30, poisoner })
}

fn read_cohorts(plan: &Plan, data: &Path) -> Result<Vec<Cohort>, Error> {
    let schema = Schema::from_toml(&plan.study.schema)?;
    let dealt = plan.cohorts.iter().map(|(name, text)| {
        let file = format!("{}, {name}", data.display());
        Ok(Cohort::from_reader(&file, text.as_bytes(), &schema)?)
    });
    dealt.collect::<Result<_, Error>>().map_err(|error| locate(plan, data).unwrap_or(error))
}

/// The same fault with its line in the pooled file, where the person can find it.
fn locate(plan: &Plan, data: &Path) -> Option<Error> {
    let mut schema = Schema::from_toml(&plan.study.schema).ok()?;
    schema.ignore.push(plan.study.site_column.clone());
    crate::data::source::cohort(data, &schema).err()
}

fn read_json(path: &Path) -> Result<StudyReport, Error> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
    serde_json::from_str(&text).map_err(|e| Error::config(path, e.to_string()))
}

/// The network's twin without noise, trained in this process over the demo's own copy of the data.
fn compare(
    plan: &Plan,
    report: &StudyReport,
    cohorts: &[Cohort],
    screen: &Screen,
) -> Result<Option<Comparison>, Error> {
    let with_noise = report.steps.iter().find_map(|step| match &step.result {
        Some(StepResult::Concordance(concordance)) => Some(concordance.clone()),
        _ => None,
    });
    let Some(with_noise) = with_noise else { return Ok(None) };
    screen.say("training the same network without noise, in one process, for comparison");
    let schema = Schema::from_toml(&plan.study.schema)?;
    let mut finished = BTreeMap::new();
    let needed = plan.study.tasks.iter().filter(|task| match task.task.as_str() {
        concordance::NAME => true,
        // Whatever their noise, no network is made of them.
        synthesize::NAME | fidelity::NAME => false,
        _ => task.privacy.is_some(),
    });
    for task in needed {
        let open = || {
            let (name, version) = (&task.task, task.version);
            haima_fl_core::registry::open(name, version, &task.params, &schema, &finished)
        };
        let (limit, floor) = (plan.study.max_patients, plan.policy.min_local_rows);
        let mut run = open()?;
        let mut sums =
            PlainSum::new(cohorts, limit, floor, haima_smpc_node::randomness::system(), open)?;
        let result = drive(run.as_mut(), &mut sums)?;
        drop(sums);
        finished.insert(task.id.clone(), result);
    }
    let twin = plan
        .study
        .tasks
        .iter()
        .filter(|task| task.task == "concordance")
        .find_map(|task| finished.get(&task.id))
        .and_then(|value| serde_json::from_value::<Concordance>(value.clone()).ok());
    Ok(twin.map(|without_noise| Comparison {
        with_noise,
        without_noise,
        note: "The twin without noise was trained in one process over the demonstration's own \
               copy of these public data; a real network has no such copy."
            .into(),
    }))
}
