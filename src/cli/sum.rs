//! `haima sum`: somebody else's framework at a site, by a local socket (`docs/sum.md`).

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use haima_fl_core::tasks::vector_sum::VectorSum;
use serde_json::json;

use super::{log_to_stderr, page, runtime};
use crate::Error;
use crate::sum::socket::frame::Class;
use crate::sum::socket::mailbox::Mailbox;
use crate::sum::socket::server::Server;
use crate::sum::socket::simulate;

/// Sockets of a simulation; each is a process at the other end.
const MOST_SITES: u32 = 200;

/// `haima sum`.
#[derive(Debug, Subcommand)]
pub(super) enum Sum {
    /// A hospital's daemon, as `haima site run`, whose vectors of one task come from a program beside
    /// it: the program hands them in at a local socket and gets the released sums.
    Serve {
        /// Configuration file of the site (TOML).
        #[arg(long)]
        config: PathBuf,
        /// Path of the socket; made with the mode 0600, removed at the end.
        #[arg(long)]
        socket: PathBuf,
        /// Manifest id of the task `vector-sum`, where the study has several.
        #[arg(long)]
        task: Option<String>,
        #[command(flatten)]
        beside: page::SiteBeside,
    },
    /// Try a framework without a study: sockets of several sites, whose vectors this process adds in the
    /// clear, WITHOUT ANY PRIVACY.
    Simulate(Simulate),
}

/// Options of `haima sum simulate`; those of the task as in a study's `params`.
#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// Folder of the sockets, which are site-1.sock, site-2.sock and so on; made when it is missing.
    #[arg(long)]
    sockets: PathBuf,
    /// Sites.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SITES)))]
    sites: u32,
    /// Numbers of a vector.
    #[arg(long)]
    dimension: u32,
    /// L2 norm to which a longer vector is shortened.
    #[arg(long)]
    bound: f64,
    /// Sums.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Vectors are truncated to multiples of 2 to the power of minus this.
    #[arg(long, default_value_t = 24)]
    frac_bits: u8,
    /// How long a round waits for a vector, in seconds; one that does not come counts as zeros.
    #[arg(long, default_value_t = 600)]
    wait_s: u64,
    /// Print one JSON object at the end: the task's result, with the last sum where it is short.
    #[arg(long)]
    json: bool,
}

/// Runs a command.
pub(super) fn run(command: &Sum) -> Result<(), Error> {
    match command {
        Sum::Serve { config, socket, task, beside } => {
            log_to_stderr();
            let config = crate::site::Config::read(config)?;
            let stop = page::beside_site(&config, beside)?;
            runtime()?.block_on(async {
                tokio::select! {
                    result = crate::site::serve_sums(&config, socket, task.as_deref()) => result,
                    _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
                    // A good end: no service manager starts it again.
                    () = stop.asked() => Ok(()),
                }
            })
        }
        Sum::Simulate(options) => {
            log_to_stderr();
            runtime()?.block_on(async {
                tokio::select! {
                    result = simulated(options) => result,
                    _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
                }
            })
        }
    }
}

async fn simulated(options: &Simulate) -> Result<(), Error> {
    let task = options.task()?;
    let folder = &options.sockets;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|e| Error::file(folder, e))?;
    let (mut mailboxes, mut servers) = (Vec::new(), Vec::new());
    for site in 1..=options.sites {
        let mailbox =
            Arc::new(Mailbox::new(task.clone(), "simulation", "vectors", Class::Simulated));
        let path = folder.join(format!("site-{site}.sock"));
        servers.push(tokio::spawn(Server::bind(&path, Arc::clone(&mailbox))?.run()));
        mailboxes.push(mailbox);
    }
    let (sites, rounds) = (options.sites, options.rounds);
    eprintln!(
        "SIMULATION, without any privacy: {sites} sockets in {}, {rounds} sums in the clear",
        folder.display()
    );
    let result = simulate::run(&task, &mailboxes, Duration::from_secs(options.wait_s)).await;
    for mailbox in &mailboxes {
        mailbox.end("the simulation has ended");
    }
    for server in servers {
        let _ = server.await;
    }
    let result = result?;
    if options.json {
        println!(
            "{}",
            json!({ "schema": "haima.sum.simulate/1", "simulated": true, "sites": sites, "result": result })
        );
    } else {
        println!("{rounds} sums over {sites} simulated sites");
    }
    Ok(())
}

impl Simulate {
    /// The task of these options.
    fn task(&self) -> Result<VectorSum, Error> {
        let mut params = toml::Table::new();
        params.insert("dimension".into(), i64::from(self.dimension).into());
        params.insert("bound".into(), self.bound.into());
        params.insert("rounds".into(), i64::from(self.rounds).into());
        params.insert("frac_bits".into(), i64::from(self.frac_bits).into());
        Ok(VectorSum::new(&params)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(dimension: u32) -> Simulate {
        Simulate {
            sockets: PathBuf::new(),
            sites: 2,
            dimension,
            bound: 1.5,
            rounds: 3,
            frac_bits: 12,
            wait_s: 1,
            json: false,
        }
    }

    #[test]
    fn options_are_the_tasks_parameters() {
        let task = options(7).task().unwrap();
        assert_eq!((task.dimension(), task.rounds()), (7, 3));
        assert_eq!((task.bound(), task.grid().frac_bits()), (1.5, 12));
        let error = options(0).task().unwrap_err().to_string();
        assert!(error.contains("dimension"), "{error}");
    }
}
