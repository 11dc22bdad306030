//! The parties of a study as processes of this machine, made from a template and one CSV a site.
//!
//! Every process is this very program, started again. Each holds the reading end of a pipe whose
//! writing end only this process has: when this process ends, however it ends, the pipe closes,
//! and the parties erase their folders and exit. So none outlives it, not even a `kill -9`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use haima_smpc_node::keyfile;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::server::Config as NodeConfig;
use haima_smpc_node::server::config::LogFormat;
use haima_smpc_node::study::{Approvals, Study as Signed};

use crate::Error;
use crate::coordinator::Config as CoordinatorConfig;
use crate::provision::{PartyFolder, Study, Timing, make_party};
use crate::site::{Config as SiteConfig, Policy};

/// Tells a party's process to end with its parent, and the network's folder, to be erased then.
pub const WITH_PARENT: &str = "HAIMA_WITH_PARENT";
/// A file that marks a network's folder as made to be thrown away; no other is ever erased.
const THROWAWAY: &str = ".haima-throwaway";
/// How long a party tries to erase it.
const ERASING: Duration = Duration::from_secs(8);

/// What a network is made from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// This program.
    pub program: PathBuf,
    /// Folder of all parties; must be empty.
    pub root: PathBuf,
    /// The study.
    pub study: Study,
    /// CSV text of each site by name.
    pub cohorts: BTreeMap<String, String>,
    /// Number of nodes.
    pub nodes: usize,
    /// Policy of every site.
    pub policy: Policy,
    /// Deadlines.
    pub timing: Timing,
    /// How long the coordinator waits for the others, in seconds.
    pub wait_s: u64,
    /// A site that cheats ([`super::poison`]).
    pub poisoner: Option<String>,
}

/// A study's parties, made but for their processes, which are started one by one.
#[derive(Debug)]
pub struct Network {
    program: PathBuf,
    root: PathBuf,
    /// The manifest of all parties.
    pub manifest: Manifest,
    coordinator: PartyFolder,
    nodes: Vec<PartyFolder>,
    sites: Vec<PartyFolder>,
    poisoner: Option<String>,
    processes: BTreeMap<String, Child>,
    /// Writing ends of the parties' pipes. Kept apart from the processes: waiting for a child
    /// closes the pipe that it holds.
    pipes: BTreeMap<String, ChildStdin>,
    #[cfg(feature = "failpoints")]
    crash: BTreeMap<String, String>,
}

/// Free ports of the loopback address, all different. Another process could take one before its
/// party listens; the party then stops with an error that says so.
pub(crate) fn free_addresses(count: usize) -> Result<Vec<String>, Error> {
    let fault = |e: std::io::Error| Error::Stopped {
        party: "demo".into(),
        reason: format!("no free port on 127.0.0.1: {e}"),
    };
    // Below the ports that a system gives to outgoing connections (32768 on Linux, 49152 elsewhere):
    // one of those could be taken by any of the many connections between here and a party's start.
    let mut listeners = Vec::with_capacity(count);
    let mut last = None;
    for _ in 0..64 * count {
        if listeners.len() == count {
            break;
        }
        match TcpListener::bind(("127.0.0.1", rand::random_range(10_000..32_768))) {
            Ok(listener) => listeners.push(listener),
            Err(error) => last = Some(error),
        }
    }
    if let Some(error) = last.filter(|_| listeners.len() < count) {
        return Err(fault(error));
    }
    listeners.iter().map(|listener| Ok(listener.local_addr().map_err(fault)?.to_string())).collect()
}

fn write_toml(path: &Path, value: &impl serde::Serialize) -> Result<(), Error> {
    let text = toml::to_string(value).map_err(|e| Error::config(path, e.to_string()))?;
    std::fs::write(path, text).map_err(|e| Error::file(path, e))
}

impl Network {
    /// Makes every party's folder: keys, manifest, configuration, data.
    ///
    /// # Errors
    /// When the study cannot be used or a file cannot be written.
    pub fn make(plan: &Plan) -> Result<Self, Error> {
        let addresses = free_addresses(plan.nodes + 1)?;
        let root = &plan.root;
        let (first, others) = addresses.split_first().ok_or(Error::Interrupted)?;
        let coordinator = make_party(root, "coordinator", "coordinating centre", first)?;
        let nodes = others
            .iter()
            .enumerate()
            .map(|(i, address)| {
                let name = format!("node-{}", i + 1);
                make_party(root, &name, &format!("node operator {}", i + 1), address)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let sites = plan
            .cohorts
            .keys()
            .map(|name| make_party(root, name, &format!("hospital {name}"), ""))
            .collect::<Result<Vec<_>, _>>()?;
        let parties = |folders: &[PartyFolder]| folders.iter().map(|f| f.party.clone()).collect();
        let manifest = plan.study.manifest(
            coordinator.party.clone(),
            parties(&nodes),
            parties(&sites),
            plan.timing,
        )?;
        let marker = root.join(THROWAWAY);
        std::fs::write(&marker, "").map_err(|e| Error::file(&marker, e))?;
        let network = Self {
            program: plan.program.clone(),
            root: root.clone(),
            manifest,
            coordinator,
            nodes,
            sites,
            poisoner: plan.poisoner.clone(),
            processes: BTreeMap::new(),
            #[cfg(feature = "failpoints")]
            crash: Default::default(),
            pipes: BTreeMap::new(),
        };
        network.write_configurations(plan)?;
        Ok(network)
    }

    fn write_configurations(&self, plan: &Plan) -> Result<(), Error> {
        let in_folder = |name: &str| PathBuf::from(name);
        let (manifest, identity) = (in_folder("manifest.toml"), in_folder("identity.key"));
        let (certificate, key) = (in_folder("tls.crt"), in_folder("tls.key"));
        let folders = || self.nodes.iter().chain(&self.sites).chain([&self.coordinator]);
        let mut approvals = Approvals::new(&self.manifest);
        for folder in folders() {
            let key = keyfile::read_identity(&folder.path.join(&identity))?;
            approvals.sign(&self.manifest, &folder.party.name, &key)?;
        }
        for folder in folders() {
            let path = folder.path.join(&manifest);
            write_toml(&path, &self.manifest)?;
            approvals.write(&Signed::signatures_of(&path))?;
            crate::provision::plan::write(&folder.path, &self.manifest)?;
        }
        for folder in &self.nodes {
            let config = NodeConfig {
                name: folder.party.name.clone(),
                manifest: manifest.clone(),
                identity: identity.clone(),
                tls_certificate: certificate.clone(),
                tls_key: key.clone(),
                noise_key: in_folder("noise.key"),
                epoch_key: in_folder("epoch.key"),
                store: "node.db".into(),
                journal: in_folder("audit.log"),
                listen: None,
                metrics: None,
                proxy: None,
                telemetry: None,
                retention_days: None,
                log_format: LogFormat::Text,
            };
            write_toml(&folder.path.join("node.toml"), &config)?;
        }
        for folder in &self.sites {
            let config = SiteConfig {
                name: folder.party.name.clone(),
                manifest: manifest.clone(),
                identity: identity.clone(),
                tls_certificate: certificate.clone(),
                tls_key: key.clone(),
                policy: in_folder("policy.toml"),
                data: in_folder("cohort.csv"),
                population: None,
                proxy: None,
                state: in_folder("state"),
            };
            write_toml(&folder.path.join("site.toml"), &config)?;
            write_toml(&folder.path.join("policy.toml"), &plan.policy)?;
            let data = folder.path.join("cohort.csv");
            let text = plan.cohorts.get(&folder.party.name).map_or("", String::as_str);
            std::fs::write(&data, text).map_err(|e| Error::file(&data, e))?;
        }
        let config = CoordinatorConfig {
            manifest,
            identity,
            tls_certificate: certificate,
            tls_key: key,
            proxy: None,
            out: in_folder("out"),
            run: 1,
            wait_s: plan.wait_s,
            wait_sites: None,
            about: plan.study.about(),
        };
        write_toml(&self.coordinator.path.join("coordinator.toml"), &config)
    }

    /// The folder of a party.
    ///
    /// # Errors
    /// When there is no such party.
    pub fn folder(&self, name: &str) -> Result<&Path, Error> {
        self.nodes
            .iter()
            .chain(&self.sites)
            .chain([&self.coordinator])
            .find(|folder| folder.party.name == name)
            .map(|folder| folder.path.as_path())
            .ok_or_else(|| Error::Stopped { party: name.into(), reason: "no such party".into() })
    }

    /// Names of the nodes.
    pub fn node_names(&self) -> impl Iterator<Item = String> + use<> {
        self.nodes.iter().map(|f| f.party.name.clone()).collect::<Vec<_>>().into_iter()
    }

    /// Names of the sites.
    pub fn site_names(&self) -> impl Iterator<Item = String> + use<> {
        self.sites.iter().map(|f| f.party.name.clone()).collect::<Vec<_>>().into_iter()
    }

    /// Starts every node and every site.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn start_all(&mut self) -> Result<(), Error> {
        for name in self.node_names().chain(self.site_names()) {
            self.start(&name)?;
        }
        Ok(())
    }

    /// Starts, or starts again, a node or a site. Its log goes to `log` in its folder.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(&mut self, name: &str) -> Result<(), Error> {
        let node = self.nodes.iter().any(|folder| folder.party.name == name);
        let arguments: &[&str] = if node {
            &["__node", "run", "--config", "node.toml"]
        } else if self.poisoner.as_deref() == Some(name) {
            &["__poisoner", "--config", "site.toml"]
        } else {
            &["site", "run", "--config", "site.toml"]
        };
        let child = self.spawn(name, arguments, Stdio::null())?;
        self.processes.insert(name.to_owned(), child);
        Ok(())
    }

    /// Starts the coordinator; its events come from the returned process's standard output.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start_coordinator(&mut self) -> Result<Child, Error> {
        let name = self.coordinator.party.name.clone();
        let arguments = ["coordinator", "run", "--events", "--config", "coordinator.toml"];
        self.spawn(&name, &arguments, Stdio::piped())
    }

    fn spawn(&mut self, name: &str, arguments: &[&str], stdout: Stdio) -> Result<Child, Error> {
        let folder = self.folder(name)?.to_owned();
        let log = folder.join("log");
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(|e| Error::file(&log, e))?;
        let mut command = Command::new(&self.program);
        command.env_remove("FAILPOINTS");
        #[cfg(feature = "failpoints")]
        if let Some(point) = self.crash.remove(name) {
            command.env("FAILPOINTS", format!("{point}=return"));
        }
        let mut child = command
            .args(arguments)
            .current_dir(&folder)
            .env(WITH_PARENT, &self.root)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(log)
            .spawn()
            .map_err(|e| Error::file(&self.program, e))?;
        if let Some(pipe) = child.stdin.take() {
            self.pipes.insert(name.to_owned(), pipe);
        }
        Ok(child)
    }

    /// Has the next process of a party crash at a point.
    #[cfg(feature = "failpoints")]
    pub fn crash_at(&mut self, name: &str, point: &str) {
        self.crash.insert(name.to_owned(), point.to_owned());
    }

    /// Whether a node or a site is not running.
    #[must_use]
    pub fn is_down(&mut self, name: &str) -> bool {
        let child = self.processes.get_mut(name);
        child.is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Kills a process at once (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self, name: &str) {
        if let Some(mut child) = self.processes.remove(name) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A party whose process has ended by itself, with the last line of its log.
    #[must_use]
    pub fn fallen(&mut self) -> Option<Error> {
        let fallen = self.processes.iter_mut().find_map(|(name, child)| {
            child.try_wait().ok().flatten().filter(|status| !status.success()).map(|_| name.clone())
        })?;
        Some(Error::Stopped { reason: self.last_line(&fallen), party: fallen })
    }

    /// The last line of a party's log.
    #[must_use]
    pub fn last_line(&self, name: &str) -> String {
        let mut text = String::new();
        if let Ok(folder) = self.folder(name)
            && let Ok(mut log) = File::open(folder.join("log"))
        {
            let _ = log.read_to_string(&mut text);
        }
        text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no log").to_owned()
    }

    /// Lets processes that are about to end do so, then kills the rest.
    pub fn stop(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        while Instant::now() < until
            && self.sites.iter().any(|site| {
                let child = self.processes.get_mut(&site.party.name);
                child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
            })
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        let names: Vec<String> = self.processes.keys().cloned().collect();
        for name in names {
            self.kill(&name);
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// In a party's process: ends it when its parent has ended, and erases the network's folder. Does
/// nothing where the parent did not ask for it.
pub fn end_with_parent() {
    let Some(root) = std::env::var_os(WITH_PARENT).map(PathBuf::from) else { return };
    if !root.join(THROWAWAY).is_file() {
        // Erased already: the parent ended before this process began.
        std::process::exit(1);
    }
    std::thread::spawn(move || {
        let mut byte = [0];
        // The parent never writes: a read returns only when the pipe has closed.
        while matches!(std::io::stdin().read(&mut byte), Ok(1)) {}
        // All parties erase all of it. One alone could fail: its other threads write meanwhile, or
        // it ends by itself, its peers being gone, before it comes to this.
        let until = Instant::now() + ERASING;
        while root.exists() && Instant::now() < until {
            if std::fs::remove_dir_all(&root).is_err() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        std::process::exit(1);
    });
}
