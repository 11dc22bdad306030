//! Node processes and simulated sites that measure rounds.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_smpc_node::bundle::{Bundle, release_digest};
use haima_smpc_node::client::{NodeClient, Outcome};
use haima_smpc_node::epoch::Epoch;
use haima_smpc_node::manifest::{Class, Manifest, Party, SiteParty, TaskEntry};
use haima_smpc_node::plan::Plan;
use haima_smpc_node::proof::Proof;
use haima_smpc_node::server::Config as NodeConfig;
use haima_smpc_node::server::config::LogFormat;
use haima_smpc_node::spec::{BlockSpec, Hiding, RoundEvent, RoundSpec, ShareSpec};
use haima_smpc_node::study::{Approvals, Study};
use haima_smpc_node::submission::{self, LedgerState};
use haima_smpc_node::tls::TlsIdentity;
use haima_smpc_node::{PROTOCOL, keyfile, unix_millis};
use serde::Serialize;

use super::Options;
use super::process::cpu_seconds;
use crate::Error;
use crate::demo::network::free_addresses;
use crate::provision::make_party;
use crate::throttle::Line;

/// L2 bound of every contribution, in grid steps.
const BOUND: u64 = 1 << 30;
/// Fractional bits of the grid.
const FRACTION: u8 = 16;
/// Made-up patients a site.
const PATIENTS: usize = 50;

/// A node's process; ends with this value.
pub(super) struct Node(pub(super) Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct SimulatedSite {
    name: String,
    key: IdentityKey,
    nodes: Vec<NodeClient>,
    seed: u64,
}

pub(super) struct World {
    manifest: Manifest,
    coordinator: IdentityKey,
    as_coordinator: Vec<NodeClient>,
    sites: Vec<Arc<SimulatedSite>>,
    /// Where each node serves its metrics.
    pub(super) metrics: Vec<String>,
}

impl World {
    pub(super) fn make(root: &Path, options: &Options) -> Result<Self, Error> {
        let mut addresses = free_addresses(2 * options.nodes)?;
        let metrics = addresses.split_off(options.nodes);
        let party = |name: &str, address: &str| make_party(root, name, name, address);
        let coordinator = party("coordinator", "127.0.0.1:1")?;
        let nodes = (1..)
            .zip(&addresses)
            .map(|(i, address)| party(&format!("node-{i}"), address))
            .collect::<Result<Vec<_>, Error>>()?;
        let sites = (1..=options.sites)
            .map(|i| party(&format!("site-{i}"), ""))
            .collect::<Result<Vec<_>, Error>>()?;
        let study = "bench-load".to_owned();
        let site = |party: &Party| SiteParty {
            name: party.name.clone(),
            operator: party.operator.clone(),
            identity: party.identity.clone(),
            tls: party.tls.clone(),
            max_patients: 1_000,
        };
        let tasks = vec![TaskEntry {
            id: "load".into(),
            task: "load".into(),
            version: 1,
            class: Class::Exact,
            max_steps: 100_000,
            spare_attempts: 0,
            needs_bound: false,
            noise: None,
            title: None,
            params: toml::Table::new(),
        }];
        let manifest = Manifest {
            version: 1,
            plan: Plan::of_tasks(&study, &tasks).digest().to_string(),
            study,
            revision: 1,
            amends: None,
            mode: haima_smpc_node::masking::Mode::Nodes,
            masking: None,
            min_sites: 2,
            max_dimension: u32::try_from(options.dimension).unwrap_or(u32::MAX),
            round_ms: 3_600_000,
            grace_ms: 3_600_000,
            tick_ms: 1,
            hospitals_per_patient: 1,
            release_quorum: None,
            coordinator: coordinator.party.clone(),
            nodes: nodes.iter().map(|folder| folder.party.clone()).collect(),
            sites: sites.iter().map(|folder| site(&folder.party)).collect(),
            tasks,
            schema: toml::Table::new(),
        }
        .checked()?;
        let key = |folder: &Path| keyfile::read_identity(&folder.join("identity.key"));
        let clients = |folder: &Path| {
            let tls = TlsIdentity::read(&folder.join("tls.crt"), &folder.join("tls.key"))?;
            let clients = manifest.nodes.iter().map(|node| NodeClient::new(node, &tls));
            clients.collect::<Result<Vec<_>, haima_smpc_node::Error>>()
        };
        let mut approvals = Approvals::new(&manifest);
        for folder in nodes.iter().chain(&sites).chain([&coordinator]) {
            approvals.sign(&manifest, &folder.party.name, &key(&folder.path)?)?;
        }
        for (folder, metrics) in nodes.iter().zip(&metrics) {
            write_node(&folder.path, &folder.party.name, &manifest, &approvals, metrics)?;
        }
        let simulated = sites
            .iter()
            .zip(1..)
            .map(|(folder, seed)| {
                let (key, nodes) = (key(&folder.path)?, clients(&folder.path)?);
                let name = folder.party.name.clone();
                Ok(Arc::new(SimulatedSite { name, key, nodes, seed }))
            })
            .collect::<Result<Vec<_>, haima_smpc_node::Error>>()?;
        Ok(Self {
            coordinator: key(&coordinator.path)?,
            as_coordinator: clients(&coordinator.path)?,
            sites: simulated,
            metrics,
            manifest,
        })
    }

    /// Puts the last site behind a line of limited speed.
    pub(super) async fn slow_down(&mut self, root: &Path, bits: u64) -> Result<(), Error> {
        let Some(site) = self.sites.pop() else { return Ok(()) };
        let folder = root.join(&site.name);
        let tls = TlsIdentity::read(&folder.join("tls.crt"), &folder.join("tls.key"))?;
        let line = Line::new(bits);
        let mut nodes = Vec::new();
        for node in &self.manifest.nodes {
            let fault = |e| Error::file(Path::new("127.0.0.1"), e);
            let address = line.to(&node.address).await.map_err(fault)?;
            nodes.push(NodeClient::new(&Party { address, ..node.clone() }, &tls)?);
        }
        let (name, seed) = (site.name.clone(), site.seed);
        let key = keyfile::read_identity(&folder.join("identity.key"))?;
        self.sites.push(Arc::new(SimulatedSite { name, key, nodes, seed }));
        Ok(())
    }

    pub(super) fn start(&self, root: &Path) -> Result<Vec<Node>, Error> {
        let program = std::env::current_exe().map_err(|e| Error::file(Path::new("haima"), e))?;
        let start = |node: &Party| {
            let folder = root.join(&node.name);
            let log = folder.join("log");
            let log = std::fs::File::create(&log).map_err(|e| Error::file(&log, e))?;
            Command::new(&program)
                .args(["__node", "run", "--config", "node.toml"])
                .current_dir(&folder)
                .env("HAIMA_LOG", "warn")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .map(Node)
                .map_err(|e| Error::file(&program, e))
        };
        self.manifest.nodes.iter().map(start).collect()
    }

    pub(super) async fn epoch(&self) -> Result<Epoch, Error> {
        let until = Instant::now() + Duration::from_secs(60);
        let mut epoch = None;
        for node in &self.as_coordinator {
            loop {
                match node.epoch().await {
                    Ok((_, Some(record))) => {
                        epoch = Some(record.verify(&self.manifest)?);
                        break;
                    }
                    Err(error) if Instant::now() > until => return Err(error.into()),
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        }
        epoch.ok_or(Error::Interrupted)
    }

    pub(super) fn spec(
        &self,
        options: &Options,
        epoch: &Epoch,
        number: u32,
        previous: Digest,
    ) -> Result<RoundSpec, Error> {
        let step = number - 1;
        Ok(RoundSpec {
            protocol: PROTOCOL,
            manifest: self.manifest.digest(),
            study: self.manifest.study.clone(),
            number: number.into(),
            task_id: "load".into(),
            task: "load".into(),
            task_version: 1,
            run: 1,
            step,
            attempt: 0,
            plan_index: step,
            query: Digest::of(&step.to_le_bytes()),
            previous,
            roster: self.manifest.roster_digest(),
            epoch: epoch.digest,
            blocks: vec![BlockSpec {
                len: u32::try_from(options.dimension).unwrap_or(u32::MAX),
                frac_bits: FRACTION,
            }],
            hiding: Hiding::Shares(
                ShareSpec::new(options.dimension, BOUND, options.nodes)
                    .map_err(haima_smpc_node::Error::from)?,
            ),
            sensitivity: 0,
            bound: BOUND,
            event: RoundEvent::Exact,
            min_sites: 2,
            deadline_ms: unix_millis() + self.manifest.round_ms,
            tick_ms: 1,
        })
    }

    /// One round, checked against the plain sum; the release's digest.
    pub(super) async fn round(
        &self,
        spec: &RoundSpec,
        epoch: &Epoch,
        proof: &Arc<Proof>,
    ) -> Result<Digest, Error> {
        let signature = self.coordinator.sign(&spec.digest());
        for node in &self.as_coordinator {
            node.open(spec, &signature).await?;
        }
        let mut sites = tokio::task::JoinSet::new();
        for site in &self.sites {
            let (site, spec) = (Arc::clone(site), spec.clone());
            let (epoch, proof) = (epoch.clone(), Arc::clone(proof));
            sites.spawn(async move { site.answer(&spec, &epoch, &proof).await });
        }
        let mut plain = vec![0_i128; spec.dimension()];
        while let Some(answered) = sites.join_next().await {
            let values = answered.map_err(|e| stopped(e.to_string()))??;
            for (sum, value) in plain.iter_mut().zip(values) {
                *sum += i128::from(value);
            }
        }
        let mut parts = Vec::new();
        let len = spec.dimension() * spec.shares()?.field.bytes();
        for node in &self.as_coordinator {
            parts.push(loop {
                match node.release(&spec.digest(), Duration::from_secs(30), len).await? {
                    Outcome::Released(answer) => break answer.part,
                    Outcome::Pending(_) => {}
                    Outcome::Failed(reason) => return Err(stopped(reason)),
                }
            });
        }
        let bundle = Bundle { spec: spec.clone(), parts };
        if bundle.verify(&self.manifest)?.integers != plain {
            return Err(stopped("the sum is not the plain sum".into()));
        }
        Ok(release_digest(&bundle))
    }

    /// Processor seconds so far: of this process, then of each node.
    pub(super) fn cpu(&self, nodes: &[Node]) -> Vec<f64> {
        let ids = std::iter::once(std::process::id()).chain(nodes.iter().map(|node| node.0.id()));
        ids.map(cpu_seconds).collect()
    }
}

impl SimulatedSite {
    async fn answer(
        &self,
        spec: &RoundSpec,
        epoch: &Epoch,
        proof: &Proof,
    ) -> Result<Vec<i64>, Error> {
        let (values, made) = tokio::task::block_in_place(|| {
            let values = gradient(spec.dimension(), self.seed, spec.step);
            let mut nonce = [0; 16];
            rand::Rng::fill_bytes(&mut haima_smpc_node::randomness::system(), &mut nonce);
            let sharding =
                proof.shard(&values, &nonce, &mut haima_smpc_node::randomness::system())?;
            let ledger =
                LedgerState { len: spec.number, head: Digest::of(&spec.number.to_le_bytes()) };
            let site = (self.name.as_str(), &self.key);
            let made = submission::seal(spec, epoch, site, nonce, &sharding, ledger)?;
            Ok::<_, Error>((values, made))
        })?;
        for (node, sealed) in self.nodes.iter().zip(&made.sealed) {
            node.submit(&made.header, &made.public, sealed).await?;
        }
        Ok(values)
    }
}

/// The clipped gradient of a logistic model on a site's made-up patients, on the grid.
fn gradient(dimension: usize, seed: u64, step: u32) -> Vec<i64> {
    // A fixed sequence stands for data: nothing here is private.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(step);
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    let mut sum = vec![0.0; dimension];
    let mut row = vec![0.0; dimension];
    for _ in 0..PATIENTS {
        let mut linear = 0.0;
        for value in &mut row {
            *value = next();
            linear += *value;
        }
        let residual = 1.0 / (1.0 + (-linear).exp()) - f64::from(u8::from(next() > 0.0));
        let norm = (row.iter().map(|x| x * x).sum::<f64>()).sqrt() * residual.abs();
        let scale = residual / norm.max(1.0);
        for (to, value) in sum.iter_mut().zip(&row) {
            *to += scale * value;
        }
    }
    let grid = f64::from(1_u32 << FRACTION);
    sum.into_iter().map(|x| (x * grid).trunc() as i64).collect()
}

fn write_node(
    folder: &Path,
    name: &str,
    manifest: &Manifest,
    approvals: &Approvals,
    metrics: &str,
) -> Result<(), Error> {
    let path = folder.join("manifest.toml");
    let write =
        |file: &Path, text: String| std::fs::write(file, text).map_err(|e| Error::file(file, e));
    write(&path, to_toml(&path, manifest)?)?;
    approvals.write(&Study::signatures_of(&path))?;
    let config = NodeConfig {
        name: name.to_owned(),
        manifest: PathBuf::from("manifest.toml"),
        identity: PathBuf::from("identity.key"),
        tls_certificate: PathBuf::from("tls.crt"),
        tls_key: PathBuf::from("tls.key"),
        noise_key: PathBuf::from("noise.key"),
        epoch_key: PathBuf::from("epoch.key"),
        store: "node.db".into(),
        journal: PathBuf::from("audit.log"),
        listen: None,
        metrics: Some(metrics.to_owned()),
        proxy: None,
        telemetry: None,
        retention_days: None,
        log_format: LogFormat::Text,
    };
    let path = folder.join("node.toml");
    write(&path, to_toml(&path, &config)?)
}

fn to_toml(path: &Path, value: &impl Serialize) -> Result<String, Error> {
    toml::to_string(value).map_err(|e| Error::config(path, e.to_string()))
}

fn stopped(reason: String) -> Error {
    Error::Stopped { party: "bench-load".into(), reason }
}
