//! The command line of the node service, shared by its own binary and by `haima __node`.

mod init;
mod inspect;
pub mod party;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::Error;
use crate::server::config::LogFormat;
use crate::server::{self, Config};

/// An SMPC node of haima: holds shares, adds noise, releases sums once.
#[derive(Debug, Parser)]
#[command(name = "smpc-node", version)]
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

/// Runs the command line with the given arguments, program name first.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let result = match &arguments.command {
        Command::Init(options) => init::init(options),
        Command::Approve(options) => party::approve(options),
        Command::Preflight { from, json } => {
            from.read().and_then(|config| block_on(inspect::check(&config, *json))?)
        }
        Command::Run { from } => from.read().and_then(|config| {
            log_to_stderr(config.log_format);
            block_on(server::run(&config, stop_signal()))?
        }),
        Command::Status { from, json } => {
            from.read().and_then(|config| block_on(inspect::status(&config, *json))?)
        }
        Command::ExportLog { from } => from.read().and_then(|config| inspect::export(&config)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smpc-node: {error}");
            ExitCode::FAILURE
        }
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

fn log_to_stderr(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("HAIMA_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// Resolves on Ctrl-C or SIGTERM.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
