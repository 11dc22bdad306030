//! `haima bench-load`: rounds as fast as they go, over real node processes with real TLS, stores
//! and proofs, with simulated sites in this process.
//!
//! A simulated site does what a site does in a round but for its ledger and its policy: it computes
//! a contribution (the gradient of a logistic model on made-up patients), shares and proves it,
//! seals it and submits it to every node over connections that it keeps. The coordinator's part is
//! to open the round, fetch the release and check it against the plain sum.

mod growth;
mod process;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use haima_crypto::encode::Digest;
use haima_smpc_node::proof::Proof;
use serde::Serialize;

use self::process::{durable_writes, fsync_ms, peak_mib};
use self::world::World;
use crate::Error;

/// What is measured.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// SMPC nodes, each a process.
    #[arg(long, default_value_t = 3)]
    pub nodes: usize,
    /// Simulated sites, in this process.
    #[arg(long, default_value_t = 10)]
    pub sites: usize,
    /// Coordinates of a vector.
    #[arg(long, default_value_t = 1000)]
    pub dimension: usize,
    /// Rounds, after one to warm up.
    #[arg(long, default_value_t = 50)]
    pub rounds: u32,
    /// Bits a second of the line that the last site is behind; as fast as it goes when absent.
    #[arg(long, value_name = "BITS")]
    pub slow_site: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Measure how a round grows with sites, nodes and coordinates, and draw it to this file (SVG).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "slow_site", "nodes", "sites", "dimension", "rounds"])]
    pub growth: Option<PathBuf>,
}

/// What came out.
#[derive(Clone, Debug, Default, Serialize)]
struct Measured {
    schema: &'static str,
    nodes: usize,
    simulated_sites: usize,
    dimension: usize,
    rounds: u32,
    rounds_a_second: f64,
    /// Median and longest round, seconds.
    round_s: [f64; 2],
    /// Processor seconds a round: all sites and the coordinator (this process), and each node.
    cpu_here_s: f64,
    cpu_node_s: Vec<f64>,
    /// Largest resident memory of each node, MiB.
    node_mib: Vec<u64>,
    /// Durable writes of each node a round, each a sync of its disk at least.
    durable_writes_node: Vec<f64>,
    /// Median time of a small write and fsync on the nodes' disk, milliseconds.
    fsync_ms: f64,
}

/// Runs the load and prints what was measured.
///
/// # Errors
/// When a process, a file or a round fails, or a sum is wrong.
pub async fn run(options: &Options) -> Result<(), Error> {
    if let Some(path) = &options.growth {
        return growth::run(options, path).await;
    }
    print(&measured(options).await?, options.json);
    Ok(())
}

async fn measured(options: &Options) -> Result<Measured, Error> {
    let root = tempfile::tempdir().map_err(|e| Error::file(Path::new("temporary folder"), e))?;
    let mut world = World::make(root.path(), options)?;
    if let Some(bits) = options.slow_site {
        world.slow_down(root.path(), bits).await?;
    }
    let nodes = world.start(root.path())?;
    let epoch = world.epoch().await?;
    let proof =
        Arc::new(Proof::new(&world.spec(options, &epoch, 1, Digest::default())?, options.nodes)?);
    let (mut previous, mut times) = (Digest::default(), Vec::new());
    let (mut before, mut cpu_before) = (Instant::now(), Vec::new());
    let written = || world.metrics.iter().map(|at| durable_writes(at)).collect::<Vec<u64>>();
    let mut written_before = Vec::new();
    for number in 1..=options.rounds.saturating_add(1) {
        if number == 2 {
            (cpu_before, written_before) = (world.cpu(&nodes), written());
            before = Instant::now();
        }
        let started = Instant::now();
        let spec = world.spec(options, &epoch, number, previous)?;
        previous = world.round(&spec, &epoch, &proof).await?;
        times.push(started.elapsed().as_secs_f64());
    }
    let whole = before.elapsed().as_secs_f64();
    let cpu: Vec<f64> =
        world.cpu(&nodes).iter().zip(&cpu_before).map(|(after, before)| after - before).collect();
    let rounds = f64::from(options.rounds.max(1));
    let writes = written().into_iter().zip(written_before);
    let writes = writes.map(|(after, before)| after.saturating_sub(before) as f64 / rounds);
    let mut measured: Vec<f64> = times.split_off(1.min(times.len()));
    measured.sort_by(f64::total_cmp);
    let (here, of_nodes) = cpu.split_first().map_or((0.0, &[][..]), |(here, rest)| (*here, rest));
    Ok(Measured {
        schema: "haima.bench-load/1",
        nodes: options.nodes,
        simulated_sites: options.sites,
        dimension: options.dimension,
        rounds: options.rounds,
        rounds_a_second: rounds / whole,
        round_s: [
            measured.get(measured.len() / 2).copied().unwrap_or_default(),
            measured.last().copied().unwrap_or_default(),
        ],
        cpu_here_s: here / rounds,
        cpu_node_s: of_nodes.iter().map(|seconds| seconds / rounds).collect(),
        node_mib: nodes.iter().map(|node| peak_mib(node.0.id())).collect(),
        durable_writes_node: writes.collect(),
        fsync_ms: fsync_ms(root.path())?,
    })
}

fn print(result: &Measured, json: bool) {
    if json {
        if let Ok(line) = serde_json::to_string(result) {
            println!("{line}");
        }
        return;
    }
    let Measured { nodes, simulated_sites, dimension, .. } = result;
    println!("{nodes} nodes, {simulated_sites} simulated sites, d = {dimension}, proofs on");
    println!(
        "{:.2} rounds a second; a round takes {:.3} s (median), {:.3} s (longest)",
        result.rounds_a_second, result.round_s[0], result.round_s[1]
    );
    println!("processor time a round: sites and coordinator {:.3} s", result.cpu_here_s);
    let of_node = result.cpu_node_s.iter().zip(&result.node_mib).zip(&result.durable_writes_node);
    for (i, ((cpu, mib), writes)) in of_node.enumerate() {
        println!(
            "  node {}: {cpu:.3} s, {writes:.1} durable writes; at most {mib} MiB of memory",
            i + 1
        );
    }
    println!("a small write and fsync on this disk: {:.2} ms", result.fsync_ms);
}
