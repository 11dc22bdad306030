//! Nodes as processes of their own, which a test kills and starts again, while it plays the
//! coordinator and the sites.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use haima_crypto::encode::Canonical;
use haima_smpc_node::Error;
use haima_smpc_node::bundle::Bundle;
use haima_smpc_node::client::Outcome;
use haima_smpc_node::spec::RoundSpec;

use crate::world::{Made, World};

/// Longest that anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(30);

/// The nodes of a world, each a process.
pub(crate) struct Processes {
    running: Vec<Option<Child>>,
    configurations: Vec<PathBuf>,
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in self.running.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Processes {
    /// Configurations written, none running yet; `more` are further fields of each configuration.
    pub(crate) fn of(world: &World, more: &str) -> Self {
        let nodes = 0..world.manifest.nodes.len();
        let write = |node: usize| {
            let path = world.home(node).join("node.toml");
            let text = toml::to_string(&world.config(node)).unwrap();
            std::fs::write(&path, format!("{more}{text}")).unwrap();
            path
        };
        Self {
            running: nodes.clone().map(|_| None).collect(),
            configurations: nodes.map(write).collect(),
        }
    }

    /// Starts a node, with a crash point or none, or with a failpoint and what it does (`a=2*return`).
    pub(crate) fn start(&mut self, node: usize, point: Option<&str>) {
        let path = &self.configurations[node];
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path.with_file_name("log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_smpc-node"));
        command.args(["run", "--config", path.to_str().unwrap()]);
        command.env_remove("FAILPOINTS").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if let Some(point) = point {
            let ends = if point.contains('=') { "" } else { "=return" };
            command.env("FAILPOINTS", format!("{point}{ends}"));
        }
        self.running[node] = Some(command.spawn().unwrap());
    }

    /// Whether a node has crashed at its point (by SIGABRT) since it was started.
    pub(crate) fn crashed(&mut self, node: usize) -> bool {
        let Some(child) = &mut self.running[node] else { return false };
        let Some(status) = child.try_wait().unwrap() else { return false };
        assert_eq!(status.signal(), Some(6), "it ended, but not at its point: {status}");
        self.running[node] = None;
        true
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, node: usize) {
        if let Some(mut child) = self.running[node].take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Does something again until it is done, or was refused for good.
pub(crate) async fn until<T, F: Future<Output = Result<T, Error>>>(
    what: &str,
    attempt: impl Fn() -> F,
) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        match attempt().await {
            Err(Error::Unreachable { .. }) if start.elapsed() < PATIENCE => {}
            Err(Error::Unreachable { reason, .. }) => panic!("{what}: {reason}"),
            // A store or a journal that is just being closed, a key exchange that is not done.
            Err(Error::Refused { message, .. })
                if message.contains("operator finds the reason") && start.elapsed() < PATIENCE => {}
            done => return done,
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Waits for the epoch at every node.
pub(crate) async fn settle(world: &mut World) {
    for node in 0..world.manifest.nodes.len() {
        let client = world.node(node);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Ok((_, Some(record))) = client.epoch().await {
                world.epoch = Some(record.verify(&world.manifest).unwrap());
                break;
            }
            tokio::time::sleep(RETRY).await;
        }
    }
    assert!(world.epoch.is_some(), "no epoch");
}

/// Opens a round at every node.
pub(crate) async fn open(world: &World, spec: &RoundSpec) {
    for node in 0..world.manifest.nodes.len() {
        let opened = until("opening", || world.open_at(node, spec)).await;
        opened.unwrap_or_else(|error| panic!("node {node}: {error}"));
    }
}

/// Sends a submission to every node, however often it takes; `false` once a node refuses it.
pub(crate) async fn submit(world: &World, site: usize, made: &Made) -> bool {
    for node in 0..world.manifest.nodes.len() {
        if until("submitting", || world.submit_to(node, site, made)).await.is_err() {
            return false;
        }
    }
    true
}

/// A round's end at every node: its bundle, or why it failed. All nodes tell the same.
pub(crate) async fn end(world: &World, spec: &RoundSpec) -> Result<Bundle, Vec<String>> {
    let (mut parts, mut failures) = (vec![], vec![]);
    for node in 0..world.manifest.nodes.len() {
        let client = world.node(node);
        let round = spec.digest();
        let start = Instant::now();
        loop {
            let wait = Duration::from_millis(500);
            match until("release", || client.release(&round, wait, 1 << 21)).await.unwrap() {
                Outcome::Pending(_) if start.elapsed() < PATIENCE => {}
                Outcome::Pending(_) => panic!("node {node} never ended the round"),
                Outcome::Failed(reason) => break failures.push(reason),
                Outcome::Released(answer) => break parts.push(answer.part),
            }
        }
    }
    assert!(
        parts.is_empty() || failures.is_empty(),
        "released at some, failed at others: {failures:?}"
    );
    if failures.is_empty() { Ok(Bundle { spec: spec.clone(), parts }) } else { Err(failures) }
}
