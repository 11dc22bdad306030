//! The command line of the node service, shared by its own binary and by `haima __node`.

pub mod exit;
pub mod init;
mod inspect;
#[cfg(feature = "otel")]
mod otel;
pub mod party;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use exit::Exit;
use serde::Serialize;

use crate::Error;
use crate::server::config::LogFormat;
use crate::server::{self, Config};
use crate::study::Study;

/// An SMPC node of haima: holds shares, adds noise, releases sums once.
#[derive(Debug, Parser)]
#[command(name = "smpc-node", version, after_help = exit::help())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a node's folder: keys, a request to take part, a commented configuration.
    Init(init::Init),
    /// Show in words what a manifest commits this node to, and sign it.
    Approve(party::Approve),
    /// Check keys, manifest, store, journal, disk, peers and clocks.
    Preflight {
        #[command(flatten)]
        from: Settings,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Run the service until it is told to stop.
    Run {
        #[command(flatten)]
        from: Settings,
    },
    /// Show rounds and epoch from the store.
    Status {
        #[command(flatten)]
        from: Settings,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print the verified journal, a JSON object a line.
    ExportLog {
        #[command(flatten)]
        from: Settings,
    },
}

#[derive(Debug, Args)]
struct Settings {
    /// Configuration file (TOML).
    #[arg(long, default_value = "node.toml")]
    config: PathBuf,
    /// A field of the configuration, `field=value`; wins over file and environment.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    settings: Vec<String>,
}

impl Settings {
    fn read(&self) -> Result<Config, Error> {
        Config::layered(&self.config, std::env::vars(), &self.settings)
    }
}

/// The command line as clap knows it, for man pages and shells' completions.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the command line with the given arguments, program name first.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    #[cfg(feature = "failpoints")]
    crate::crash::arm();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return exit.into();
        }
    };
    let done = |result: Result<(), Error>| result.map(|()| Exit::Done);
    let result = match &arguments.command {
        Command::Init(options) => done(init::init(options)),
        Command::Approve(options) => done(party::approve(options)),
        Command::Preflight { from, json } => {
            from.read().and_then(|config| block_on(inspect::check(&config, *json))?)
        }
        Command::Run { from } => done(serve(from)),
        Command::Status { from, json } => {
            done(from.read().and_then(|config| block_on(inspect::status(&config, *json))?))
        }
        Command::ExportLog { from } => {
            done(from.read().and_then(|config| inspect::export(&config)))
        }
    };
    let exit = result.unwrap_or_else(|error| {
        let exit = exit::of(&error);
        eprintln!("smpc-node: {exit}: {error}");
        exit
    });
    let unsaid = exit == Exit::Done && crate::terminal::failed();
    ExitCode::from(if unsaid { Exit::Files } else { exit })
}

/// Prints one JSON object on a line.
fn print(value: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(value) {
        println!("{line}");
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::Config { file: "runtime".into(), problem: e.to_string() })?;
    Ok(runtime.block_on(future))
}

/// Logs to stderr, and spans to the collector where one is set. What is returned keeps the way to the
/// collector open.
fn log(config: &Config) -> Result<Telemetry, Error> {
    use tracing_subscriber::Layer as _;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let filter = tracing_subscriber::EnvFilter::try_from_env("HAIMA_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let all = tracing_subscriber::registry().with(filter).with(lines);
    #[cfg(feature = "otel")]
    {
        let telemetry = otel::open(config)?;
        let spans = telemetry.as_ref().map(otel::layer);
        let _ = all.with(spans).try_init();
        Ok(telemetry)
    }
    #[cfg(not(feature = "otel"))]
    {
        if config.telemetry.is_some() {
            return Err(Error::Config {
                file: "telemetry".into(),
                problem: "this program was built without the feature `otel`".into(),
            });
        }
        let _ = all.try_init();
        Ok(Telemetry)
    }
}

#[cfg(feature = "otel")]
type Telemetry = Option<otel::Provider>;
/// Nothing to keep open.
#[cfg(not(feature = "otel"))]
struct Telemetry;

/// Runs the node until it is told to stop. On SIGHUP it ends as on a stop and begins again at once
/// with what configuration and study say now; the process stays.
fn serve(from: &Settings) -> Result<(), Error> {
    let mut config = from.read()?;
    let fault =
        |e: std::io::Error| Error::Config { file: "runtime".into(), problem: e.to_string() };
    // The collector's connection lives as long as the process; a node's tasks end with its runtime.
    let outer = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let outer = outer.map_err(fault)?;
    let _telemetry = outer.block_on(async { log(&config) })?;
    loop {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(fault)?;
        let again = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&again);
        let signal = async {
            while stop_or_reload().await {
                // A study that does not do stops nobody: what runs goes on.
                match from.read().and_then(|new| Study::read(&new.manifest)) {
                    Ok(_) => return told.store(true, Ordering::Relaxed),
                    Err(error) => tracing::error!(%error, "nothing is read again"),
                }
            }
        };
        let ended = runtime.block_on(server::run(&config, signal));
        runtime.shutdown_timeout(Duration::from_secs(5));
        if !again.load(Ordering::Relaxed) {
            return ended;
        }
        ended?;
        config = from.read()?;
    }
}

/// Resolves on Ctrl-C or SIGTERM, and with `true` on SIGHUP.
async fn stop_or_reload() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut terminate), Ok(mut hangup)) =
            (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
        {
            return tokio::select! {
                _ = tokio::signal::ctrl_c() => false,
                _ = terminate.recv() => false,
                _ = hangup.recv() => true,
            };
        }
    }
    let _ = tokio::signal::ctrl_c().await;
    false
}
