//! The command line: `haima <noun> <verb>`; `demo` and the verbs by which a study comes to be
//! stand alone.

mod audit;
mod budget;
#[cfg(feature = "demo")]
mod evaluate;
mod predict;
mod quality;
#[cfg(feature = "demo")]
mod reproduce;
#[cfg(feature = "demo")]
mod stats;
mod study;
mod synth;
#[cfg(feature = "demo")]
mod train;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use haima_smpc_node::cli::party;

use crate::Error;
use crate::coordinator::events::{Event, Round};
use crate::text::printable;

/// Hospitals learn together over secure sums; no patient row leaves a hospital.
#[derive(Debug, Parser)]
#[command(name = "haima", version)]
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
    /// Make rows of docs/results.md: our figures beside those of others.
    #[cfg(feature = "demo")]
    Reproduce(reproduce::Reproduce),
    /// Rounds as fast as they go: real nodes on this machine, simulated sites.
    #[cfg(feature = "demo")]
    BenchLoad(crate::bench_load::Options),
    /// Everything that is wrong, or odd, with a file of patients. Nothing is sent.
    Check(quality::Check),
    /// A hospital's daemon.
    #[command(subcommand)]
    Site(Site),
    /// The study's daemon.
    #[command(subcommand)]
    Coordinator(Coordinator),
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
    },
}

#[derive(Debug, Subcommand)]
enum Coordinator {
    /// Run a study's tasks and write its report.
    Run {
        /// Configuration file (TOML).
        #[arg(long)]
        config: PathBuf,
        /// Print progress to standard output, one JSON object a line.
        #[arg(long)]
        events: bool,
    },
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
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
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
        #[cfg(feature = "demo")]
        Command::Reproduce(command) => reproduce::run(&command),
        #[cfg(feature = "demo")]
        Command::Poisoner { config } => poisoner(&config),
        #[cfg(feature = "demo")]
        Command::BenchLoad(options) => {
            runtime().and_then(|runtime| runtime.block_on(crate::bench_load::run(&options)))
        }
        Command::Check(command) => quality::run(&command),
        Command::Site(Site::Run { config }) => site(&config),
        Command::Coordinator(Coordinator::Run { config, events }) => coordinator(&config, events),
        Command::Keygen(options) => party::keygen(&options).map_err(Error::from),
        Command::Request(options) => party::request(&options).map_err(Error::from),
        Command::Package(command) => study::package(&command),
        Command::Approve(options) => study::approve(&options),
        Command::Budget(command) => budget::run(&command),
        Command::Audit(command) => audit::run(&command),
    };
    match result {
        Ok(()) if haima_smpc_node::terminal::failed() => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("haima: {}", printable(&error.to_string()));
            ExitCode::FAILURE
        }
    }
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

fn site(config: &std::path::Path) -> Result<(), Error> {
    log_to_stderr();
    let config = crate::site::Config::read(config)?;
    runtime()?.block_on(async {
        tokio::select! {
            result = crate::site::run(&config) => result,
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        }
    })
}

fn coordinator(config: &std::path::Path, print: bool) -> Result<(), Error> {
    log_to_stderr();
    let config = crate::coordinator::Config::read(config)?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let printer = std::thread::spawn(move || {
        for event in receiver {
            log(&event);
            if let (true, Ok(line)) = (print, serde_json::to_string(&event)) {
                println!("{line}");
            }
        }
    });
    let result = runtime()?.block_on(async {
        tokio::select! {
            result = crate::coordinator::study::run(&config, sender) => result.map(|_| ()),
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        }
    });
    let _ = printer.join();
    result
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
