//! The command line: `haima <noun> <verb>`; `demo` and the verbs by which a study comes to be
//! stand alone. Results go to standard output, with `--json` as one object that names its `schema`;
//! progress and errors go to standard error. How a command ends is in [`crate::exit`].

mod approvals;
mod audit;
mod budget;
mod completions;
mod convert;
mod dashboard;
mod data;
mod doctor;
#[cfg(feature = "demo")]
mod evaluate;
mod explain;
#[cfg(test)]
mod grammar;
mod hidden;
mod init;
mod page;
mod predict;
mod preview;
#[cfg(feature = "demo")]
mod progress;
mod registry;
mod report;
#[cfg(feature = "demo")]
mod reproduce;
#[cfg(feature = "demo")]
mod stats;
mod study;
mod sum;
mod synth;
#[cfg(feature = "demo")]
mod train;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use haima_smpc_node::cli::party;
use serde_json::{Value, json};

use crate::Error;
use crate::coordinator::events::{Event, Round};
use crate::exit::{Exit, help};
use crate::report::{Step, StudyReport};
use crate::text::printable;

/// Hospitals learn together over secure sums; no patient row leaves a hospital.
#[derive(Debug, Parser)]
#[command(name = "haima", version, after_help = help())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole network of hospitals and nodes on this machine, on real patients.
    #[cfg(feature = "demo")]
    Demo(crate::demo::Options),
    /// One clinical analysis over sums of the hospitals of a pooled file, by R's conventions.
    #[cfg(feature = "demo")]
    Stats(Box<stats::Stats>),
    /// Train a model over sums of hospitals, from a task file.
    #[cfg(feature = "demo")]
    Train(Box<train::Train>),
    /// How well a trained model does at hospitals, by sums of them.
    #[cfg(feature = "demo")]
    Evaluate(Box<evaluate::Evaluate>),
    /// What a trained model says of patients, on this machine alone.
    Predict(predict::Predict),
    /// The card of a trained model or a generator: what it is, its data, privacy, numbers and limits.
    Card(predict::ShowCard),
    /// Virtual patients: fit a generator over sums of hospitals, draw rows, compare.
    #[command(subcommand)]
    Synth(synth::Synth),
    /// Somebody else's framework at a hospital: it hands in vectors at a local socket and gets sums.
    #[command(subcommand)]
    Sum(sum::Sum),
    /// Make rows of docs/results.md: our figures beside those of others.
    #[cfg(feature = "demo")]
    Reproduce(reproduce::Reproduce),
    /// Rounds as fast as they go: real nodes on this machine, simulated sites.
    #[cfg(feature = "demo")]
    BenchLoad(crate::bench_load::Options),
    /// A hospital's file of patients before a study. Nothing is sent.
    #[command(subcommand)]
    Data(data::Data),
    /// From Phenopackets, FHIR and VCF to a table, and from a table to Phenopackets.
    #[command(subcommand)]
    Convert(convert::Convert),
    /// The same as `haima data check`.
    Check(data::Check),
    /// A hospital's daemon.
    #[command(subcommand)]
    Site(Site),
    /// A page with the state of a study's nodes, for whoever runs one.
    Dashboard(dashboard::Dashboard),
    /// The study's daemon.
    #[command(subcommand)]
    Coordinator(Coordinator),
    /// The first hour: from an empty folder to a party that may run, step by step.
    #[command(subcommand)]
    Init(init::Init),
    /// Make a party's private keys, which never leave its folder.
    Keygen(party::Keygen),
    /// Write a party's request to take part in a study: its public keys, signed by itself.
    Request(party::MakeRequest),
    /// Make a study's manifest from requests, and collect its approvals.
    #[command(subcommand)]
    Package(study::Package),
    /// Show in words what a manifest commits this party to, and sign it.
    Approve(party::Approve),
    /// Privacy budgets: a ledger in words, what steps cost, what a target needs.
    #[command(subcommand)]
    Budget(budget::Budget),
    /// Signed journals.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// The catalogue of a platform: who offers what, studies, models and reports, as a signed folder.
    #[command(subcommand)]
    Registry(registry::Command),
    /// A study's report as files: figures, tables, reports side by side.
    #[command(subcommand)]
    Report(report::Report),
    /// Look whether all is in order for a study: machine, configuration, keys, ledger, peers.
    Doctor(doctor::Doctor),
    /// What an exit code means, and what to do.
    Explain(explain::Explain),
    /// Print the script that makes a shell complete commands and options.
    Completions(completions::Completions),
    /// Write manual pages of all commands.
    Man(completions::Man),
    /// A hospital that cheats, for `haima demo --poison`.
    #[cfg(feature = "demo")]
    #[command(name = "__poisoner", hide = true)]
    Poisoner {
        #[arg(long)]
        config: PathBuf,
    },
    /// An SMPC node, as `smpc-node` runs it.
    #[command(name = "__node", hide = true, disable_help_flag = true)]
    Node {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Debug, Subcommand)]
enum Site {
    /// Answer a study's rounds until it has ended.
    Run {
        /// Configuration file (TOML).
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        beside: page::SiteBeside,
    },
    /// The site's web page by itself: what is asked, what was sent, the budget. On this machine alone.
    Page(page::SitePage),
    /// Show in words and bytes what would leave for a task. Nothing is computed, sent or charged.
    Preview(preview::Preview),
    /// List runs that wait for a yes of this hospital, and what was said of others.
    Approvals(approvals::Approvals),
    /// Say yes to a run that waits.
    Allow(approvals::Decide),
    /// Say no to a run, also to one that was allowed before.
    Refuse(approvals::Decide),
}

#[derive(Debug, Subcommand)]
enum Coordinator {
    /// Run a study's tasks and write its report.
    Run {
        /// Configuration file (TOML).
        #[arg(long)]
        config: PathBuf,
        /// Print progress to standard output, one JSON object a line.
        #[arg(long, conflicts_with = "json")]
        events: bool,
        /// Print one JSON object at the end: what ran, and where the report is.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        beside: page::CoordinatorBeside,
    },
    /// The study's web page by itself: rounds, parties, results, journal. On this machine alone.
    Page(page::CoordinatorPage),
}

/// Runs the command line with the given arguments, program name first.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    #[cfg(feature = "demo")]
    crate::demo::network::end_with_parent();
    #[cfg(feature = "failpoints")]
    haima_smpc_node::crash::arm();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let error = hidden::without_hidden(error);
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return exit.into();
        }
    };
    let result = match arguments.command {
        Command::Node { arguments } => {
            let arguments = std::iter::once(OsString::from("smpc-node")).chain(arguments);
            return haima_smpc_node::cli::run(arguments);
        }
        #[cfg(feature = "demo")]
        Command::Demo(options) => crate::demo::run(&options),
        #[cfg(feature = "demo")]
        Command::Stats(command) => stats::run(&command),
        #[cfg(feature = "demo")]
        Command::Train(options) => train::run(&options),
        #[cfg(feature = "demo")]
        Command::Evaluate(options) => evaluate::run(&options),
        Command::Predict(options) => predict::predict(&options),
        Command::Card(options) => predict::card(&options),
        Command::Synth(command) => synth::run(&command),
        Command::Sum(command) => sum::run(&command),
        #[cfg(feature = "demo")]
        Command::Reproduce(command) => reproduce::run(&command),
        #[cfg(feature = "demo")]
        Command::Poisoner { config } => poisoner(&config),
        #[cfg(feature = "demo")]
        Command::BenchLoad(options) => {
            runtime().and_then(|runtime| runtime.block_on(crate::bench_load::run(&options)))
        }
        Command::Data(command) => data::run(&command),
        Command::Check(options) => data::check(&options),
        Command::Convert(command) => convert::run(&command),
        Command::Dashboard(options) => dashboard::run(&options),
        Command::Site(Site::Run { config, beside }) => site(&config, &beside),
        Command::Site(Site::Page(options)) => page::site_page(&options),
        Command::Site(Site::Preview(options)) => preview::run(&options),
        Command::Site(Site::Approvals(options)) => approvals::list(&options),
        Command::Site(Site::Allow(options)) => approvals::decide(&options, true),
        Command::Site(Site::Refuse(options)) => approvals::decide(&options, false),
        Command::Coordinator(Coordinator::Run { config, events, json, beside }) => {
            coordinator(&config, events, json, &beside)
        }
        Command::Coordinator(Coordinator::Page(options)) => page::coordinator_page(&options),
        Command::Init(command) => init::run(&command),
        Command::Keygen(options) => party::keygen(&options).map_err(Error::from),
        Command::Request(options) => party::request(&options).map_err(Error::from),
        Command::Package(command) => study::package(&command),
        Command::Approve(options) => study::approve(&options),
        Command::Budget(command) => budget::run(&command),
        Command::Audit(command) => audit::run(&command),
        Command::Registry(command) => registry::run(&command),
        Command::Report(command) => report::run(&command),
        Command::Doctor(options) => doctor::run(&options),
        Command::Explain(options) => {
            explain::run(&options);
            Ok(())
        }
        Command::Completions(options) => {
            completions::completions(&options);
            Ok(())
        }
        Command::Man(options) => completions::man(&options),
    };
    let exit = match result {
        Ok(()) if haima_smpc_node::terminal::failed() => Exit::Files,
        Ok(()) => Exit::Done,
        // Whoever interrupts knows why.
        Err(Error::Interrupted) => Exit::Interrupted,
        Err(error) => {
            let exit = error.exit();
            eprintln!("haima: {exit}: {}", printable(&error.to_string()));
            exit
        }
    };
    exit.into()
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("HAIMA_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::Stopped { party: "haima".into(), reason: e.to_string() })
}

#[cfg(feature = "demo")]
fn poisoner(config: &std::path::Path) -> Result<(), Error> {
    log_to_stderr();
    let config = crate::site::Config::read(config)?;
    runtime()?.block_on(crate::demo::poison::run(&config))
}

fn site(config: &std::path::Path, beside: &page::SiteBeside) -> Result<(), Error> {
    log_to_stderr();
    let config = crate::site::Config::read(config)?;
    let stop = page::beside_site(&config, beside)?;
    runtime()?.block_on(async {
        tokio::select! {
            result = crate::site::run(&config) => result,
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
            // A good end: no service manager starts it again.
            () = stop.asked() => Ok(()),
        }
    })
}

fn coordinator(
    config: &std::path::Path,
    print: bool,
    json: bool,
    beside: &page::CoordinatorBeside,
) -> Result<(), Error> {
    log_to_stderr();
    let config = crate::coordinator::Config::read(config)?;
    let live = page::beside_coordinator(&config, beside)?;
    let hub = live.as_ref().map(|live| std::sync::Arc::clone(live.hub())).unwrap_or_default();
    let (sender, receiver) = std::sync::mpsc::channel();
    let printer = std::thread::spawn(move || {
        for event in receiver {
            log(&event);
            if let Some(live) = &live {
                live.tell(&event);
            }
            if let (true, Ok(line)) = (print, serde_json::to_string(&event)) {
                println!("{line}");
            }
        }
    });
    let result = runtime()?.block_on(async {
        tokio::select! {
            result = crate::coordinator::study::run_over(&config, sender, hub) => result,
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        }
    });
    let _ = printer.join();
    let report = result?;
    if json {
        println!("{}", ended(&report, &config.out));
    }
    Ok(())
}

/// What a study leaves, for programs; its numbers are in `report.json`.
fn ended(report: &StudyReport, out: &std::path::Path) -> Value {
    let in_folder = |name: &str| out.join(name).display().to_string();
    let task = |step: &Step| {
        json!({
            "id": step.id, "task": step.task, "finished": step.result.is_some(),
            "rounds": step.rounds, "seconds": step.seconds,
        })
    };
    json!({
        "schema": "haima.coordinator.run/1", "study": report.study,
        "manifest": report.manifest_digest, "started": report.started,
        "finished": report.finished, "page": in_folder("index.html"),
        "report": in_folder("report.json"), "excluded": report.excluded,
        "tasks": report.steps.iter().map(task).collect::<Vec<Value>>(),
    })
}

/// A study's progress for whoever reads the log: who took part, never what came of it.
fn log(event: &Event) {
    match event {
        // The wait for sites is told by whoever waits, with their names.
        Event::Joined { .. } => {}
        Event::TaskStarted { task, .. } => tracing::info!(%task, "task started"),
        Event::Opened(Round { number, task, step, attempt, .. }) => {
            tracing::info!(number, %task, step, attempt, "round opened");
        }
        Event::Released { round, accepted, left_out, refused, .. } => {
            let Round { number, task, step, .. } = round;
            let (accepted, left_out) = (accepted.len(), left_out.len());
            tracing::info!(number, %task, step, accepted, left_out, ?refused, "round released");
        }
        Event::Failed { round: Round { number, task, step, attempt, .. }, reason, .. } => {
            tracing::warn!(number, %task, step, attempt, %reason, "round failed");
        }
        Event::TaskDone { task, .. } => tracing::info!(%task, "task done"),
        Event::Done => tracing::info!("the study has ended; the report is written"),
    }
}
