//! A study with real nodes (TLS, stores, journals) in this process, and sites and a coordinator
//! that a test drives by hand, honestly or not.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::Path;
use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_crypto::pine::Sharding;
use haima_dp::units::Rate;
use haima_smpc_node::bundle::{self, Bundle};
use haima_smpc_node::client::{CHUNK, NodeClient, Outcome};
use haima_smpc_node::epoch::Epoch;
use haima_smpc_node::header::{Header, SignedHeader};
use haima_smpc_node::manifest::{Class, Manifest, NoisePlan, Party, SiteParty, TaskEntry};
use haima_smpc_node::plan::Plan;
use haima_smpc_node::proof::Proof;
use haima_smpc_node::proto::submit_part::Part;
use haima_smpc_node::proto::{SubmitHeader, SubmitPart, node_client};
use haima_smpc_node::server::{self, Config};
use haima_smpc_node::spec::{BlockSpec, Hiding, RoundEvent, RoundSpec, ShareSpec};
use haima_smpc_node::study::{Approvals, Study};
use haima_smpc_node::submission::{self, LedgerState};
use haima_smpc_node::tls::TlsIdentity;
use haima_smpc_node::{Error, PROTOCOL, keyfile, tls, unix_millis};
use prost::bytes::Bytes;
use tokio::sync::oneshot;

pub(crate) const SITES: [&str; 4] = ["site-a", "site-b", "site-c", "site-d"];

/// Bound of every round.
pub(crate) const BOUND: u64 = 1 << 24;

/// A party's keys.
pub(crate) struct Keys {
    pub(crate) identity: IdentityKey,
    pub(crate) tls: TlsIdentity,
}

/// Everyone.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) manifest: Manifest,
    pub(crate) coordinator: Keys,
    pub(crate) sites: Vec<Keys>,
    /// The nodes' epoch, once [`World::settle`] has seen it.
    pub(crate) epoch: Option<Epoch>,
    running: Vec<Option<Service>>,
    /// Where the nodes listen, when their address in the manifest is a relay's.
    pub(crate) direct: Option<Vec<String>>,
}

/// A running service: what ends it, and its thread.
pub(crate) type Service = (oneshot::Sender<()>, std::thread::JoinHandle<()>);

pub(crate) fn keys(folder: &Path, name: &str) -> (Keys, Party) {
    let home = folder.join(name);
    std::fs::create_dir_all(&home).unwrap();
    let identity = IdentityKey::generate(&mut rand::rng());
    keyfile::write_identity(&home.join("identity.key"), &identity).unwrap();
    let (certificate, key) = TlsIdentity::generate(name).unwrap();
    std::fs::write(home.join("tls.crt"), &certificate).unwrap();
    keyfile::write_private(&home.join("tls.key"), key.as_bytes()).unwrap();
    let tls = TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
    let party = Party {
        name: name.into(),
        operator: format!("operator of {name}"),
        identity: identity.public().to_string(),
        tls: tls::pin_of_pem(name, &certificate).unwrap().to_string(),
        address: "127.0.0.1:1".into(),
    };
    (Keys { identity, tls }, party)
}

/// Whether this process has a file of a folder open (on Linux; elsewhere nobody knows).
fn holds_a_file_of(folder: &Path) -> bool {
    let files = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    files
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .any(|target| target.starts_with(folder))
}

/// An address that is free, below the ports that systems give to connections outward: one of those
/// may be taken by the time that a node listens.
pub(crate) fn free_address() -> String {
    use rand::RngExt as _;
    loop {
        let port: u16 = rand::rng().random_range(10_000..30_000);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return format!("127.0.0.1:{port}");
        }
    }
}

const NOISE: NoisePlan =
    NoisePlan { s: 64, draws: 1, q: 1.0, sensitivity: 4, dimension: 900, delta: 1e-5, order: None };

fn task(id: &str, noise: Option<NoisePlan>) -> TaskEntry {
    TaskEntry {
        id: id.into(),
        task: "test".into(),
        version: 1,
        class: if noise.is_some() { Class::Private } else { Class::Exact },
        max_steps: 5,
        spare_attempts: 5,
        needs_bound: false,
        noise,
        title: None,
        params: toml::Table::new(),
    }
}

impl World {
    /// A study of `nodes` nodes and the four sites, without running nodes.
    pub(crate) fn new(nodes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (coordinator, coordinator_party) = keys(folder.path(), "coordinator");
        let node_parties = (1..=nodes)
            .map(|i| Party {
                address: free_address(),
                ..keys(folder.path(), &format!("node-{i}")).1
            })
            .collect();
        let (mut sites, mut site_parties) = (vec![], vec![]);
        for name in SITES {
            let (keys, party) = keys(folder.path(), name);
            sites.push(keys);
            site_parties.push(SiteParty {
                name: party.name,
                operator: party.operator,
                identity: party.identity,
                tls: party.tls,
                max_patients: 100,
            });
        }
        let manifest = Manifest {
            version: 1,
            study: "test".into(),
            revision: 1,
            amends: None,
            mode: haima_smpc_node::masking::Mode::Nodes,
            masking: None,
            min_sites: 3,
            max_dimension: 200_000,
            round_ms: 30_000,
            grace_ms: 5_000,
            tick_ms: 10,
            hospitals_per_patient: 1,
            release_quorum: None,
            plan: String::new(),
            coordinator: coordinator_party,
            nodes: node_parties,
            sites: site_parties,
            tasks: vec![
                task("exact", None),
                task("private", Some(NOISE)),
                task("sampled", Some(NoisePlan { q: 0.25, ..NOISE })),
            ],
            schema: toml::Table::new(),
        };
        let plan = Plan::of(&manifest).digest().to_string();
        let manifest = Manifest { plan, ..manifest }.checked().unwrap();
        let running = (0..nodes).map(|_| None).collect();
        Self { folder, manifest, coordinator, sites, epoch: None, running, direct: None }
    }

    /// Waits until the nodes have set up their epoch.
    pub(crate) async fn settle(&mut self) {
        for node in 0..self.running.len() {
            if self.running[node].is_none() {
                continue;
            }
            for _ in 0..500 {
                if let Ok((_, Some(record))) = self.node(node).epoch().await {
                    self.epoch = Some(record.verify(&self.manifest).unwrap());
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert!(self.epoch.is_some(), "the nodes did not set up their epoch");
    }

    /// The same with all nodes running.
    pub(crate) async fn running(nodes: usize) -> Self {
        Self::running_with(nodes, |_| {}).await
    }

    /// The same under a changed manifest.
    pub(crate) async fn running_with(nodes: usize, change: impl FnOnce(&mut Manifest)) -> Self {
        let mut world = Self::new(nodes);
        change(&mut world.manifest);
        world.manifest = world.manifest.clone().checked().unwrap();
        for node in 0..nodes {
            world.start(node).await;
        }
        world.settle().await;
        world
    }

    pub(crate) fn home(&self, node: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("node-{}", node + 1))
    }

    pub(crate) fn config(&self, node: usize) -> Config {
        let home = self.home(node);
        let manifest = home.join("manifest.toml");
        std::fs::write(&manifest, toml::to_string(&self.manifest).unwrap()).unwrap();
        let mut approvals = Approvals::new(&self.manifest);
        for (name, _, _) in self.manifest.parties() {
            let key = self.folder.path().join(name).join("identity.key");
            approvals.sign(&self.manifest, name, &keyfile::read_identity(&key).unwrap()).unwrap();
        }
        approvals.write(&Study::signatures_of(&manifest)).unwrap();
        Config {
            name: format!("node-{}", node + 1),
            manifest,
            identity: home.join("identity.key"),
            tls_certificate: home.join("tls.crt"),
            tls_key: home.join("tls.key"),
            noise_key: home.join("noise.key"),
            epoch_key: home.join("epoch.key"),
            store: home.join("node.db").to_str().unwrap().into(),
            journal: home.join("audit.log"),
            listen: self.direct.as_ref().map(|direct| direct[node].clone()),
            metrics: None,
            proxy: None,
            telemetry: None,
            retention_days: None,
            log_format: server::config::LogFormat::Text,
        }
    }

    pub(crate) async fn start(&mut self, node: usize) {
        self.running[node] = Some(Self::serve(self.config(node)));
        let client = self.node(node);
        for _ in 0..200 {
            if client.check_status(&self.manifest.digest(), unix_millis()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("node {node} did not start");
    }

    /// A node's service in a thread of its own.
    pub(crate) fn serve(config: Config) -> Service {
        // A runtime of its own: ending it ends everything of the node, as a crash would.
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    result = server::run(&config, std::future::pending()) => {
                        panic!("the node stopped: {result:?}");
                    }
                    _ = stopped => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(5));
        });
        (stop, handle)
    }

    /// Ends a node's service at once. Rounds in progress die with it, as in a crash.
    pub(crate) async fn crash(&mut self, node: usize) {
        if let Some((stop, handle)) = self.running[node].take() {
            let _ = stop.send(());
            tokio::task::spawn_blocking(move || handle.join().unwrap()).await.unwrap();
            // A process that is gone holds no file; here the store's thread still closes its own,
            // and would take a file along that a test puts in its place. A test may hold one too.
            for _ in 0..200 {
                if !holds_a_file_of(&self.home(node)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Makes a node that is down one that stopped between its commitments and its releases: it has
    /// heard of no other's.
    pub(crate) async fn unrelease(&self, node: usize) {
        let database = sqlx::SqlitePool::connect(&self.config(node).store).await.unwrap();
        for sql in [
            "UPDATE rounds SET state = 'committed', released = NULL, ended_ms = 0",
            "DELETE FROM releases",
        ] {
            sqlx::query(sql).execute(&database).await.unwrap();
        }
        database.close().await;
    }

    /// A node as the coordinator calls it.
    pub(crate) fn node(&self, node: usize) -> NodeClient {
        self.node_as(node, &self.coordinator)
    }

    pub(crate) fn node_as(&self, node: usize, keys: &Keys) -> NodeClient {
        let mut party = self.manifest.nodes[node].clone();
        if let Some(direct) = &self.direct {
            party.address.clone_from(&direct[node]);
        }
        NodeClient::new(&party, &keys.tls).unwrap()
    }

    /// A spec that all nodes accept: step 0, attempt 0, four coordinates.
    pub(crate) fn spec(&self, task: &str, number: u64) -> RoundSpec {
        let private = task == "private";
        RoundSpec {
            protocol: PROTOCOL,
            manifest: self.manifest.digest(),
            study: "test".into(),
            number,
            task_id: task.into(),
            task: "test".into(),
            task_version: 1,
            run: 1,
            step: 0,
            attempt: 0,
            plan_index: 0,
            query: Digest::of(b"query"),
            previous: Digest::default(),
            roster: self.manifest.roster_digest(),
            epoch: self.epoch.as_ref().map_or_else(Digest::default, |epoch| epoch.digest),
            blocks: vec![BlockSpec { len: 4, frac_bits: 0 }],
            hiding: Hiding::Shares(ShareSpec::new(4, BOUND, self.manifest.nodes.len()).unwrap()),
            sensitivity: if private { 4 } else { 0 },
            bound: BOUND,
            event: if private {
                RoundEvent::DiscreteGaussian { s: 64, q: Rate::ALL }
            } else {
                RoundEvent::Exact
            },
            min_sites: 3,
            deadline_ms: unix_millis() + 10_000,
            tick_ms: 10,
        }
    }

    pub(crate) async fn open_at(&self, node: usize, spec: &RoundSpec) -> Result<(), Error> {
        self.node(node).open(spec, &self.coordinator.identity.sign(&spec.digest())).await
    }

    pub(crate) async fn open(&self, spec: &RoundSpec) {
        for node in 0..self.manifest.nodes.len() {
            self.open_at(node, spec).await.unwrap();
        }
    }

    /// An honest submission of a site.
    pub(crate) fn make(&self, site: usize, spec: &RoundSpec, values: &[i64]) -> Made {
        self.make_bent(site, spec, values, |_| {})
    }

    /// A submission whose shares are changed before they are sealed.
    pub(crate) fn make_bent(
        &self,
        site: usize,
        spec: &RoundSpec,
        values: &[i64],
        bend: impl FnOnce(&mut Sharding),
    ) -> Made {
        let mut nonce = [0; 16];
        rand::Rng::fill_bytes(&mut rand::rng(), &mut nonce);
        self.make_under(site, spec, values, nonce, bend)
    }

    /// The same under a given nonce.
    pub(crate) fn make_under(
        &self,
        site: usize,
        spec: &RoundSpec,
        values: &[i64],
        nonce: [u8; 16],
        bend: impl FnOnce(&mut Sharding),
    ) -> Made {
        let proof = Proof::new(spec, self.manifest.nodes.len()).unwrap();
        let mut sharding = proof.shard(values, &nonce, &mut rand::rng()).unwrap();
        bend(&mut sharding);
        let ledger = LedgerState { len: spec.number, head: Digest::of(&spec.number.to_le_bytes()) };
        let key = (SITES[site], &self.sites[site].identity);
        let epoch = self.epoch.as_ref().unwrap();
        let made = submission::seal(spec, epoch, key, nonce, &sharding, ledger).unwrap();
        Made {
            header: Header::from_bytes(&made.header.bytes).unwrap(),
            public: made.public,
            sealed: made.sealed,
        }
    }

    pub(crate) async fn submit_to(
        &self,
        node: usize,
        site: usize,
        made: &Made,
    ) -> Result<(), Error> {
        let signed = SignedHeader::sign(&made.header, &self.sites[site].identity);
        let client = self.node_as(node, &self.sites[site]);
        client.submit(&signed, &made.public, &made.sealed[node]).await
    }

    /// What a submission to a node begins with.
    pub(crate) fn opening(&self, node: usize, site: usize, made: &Made) -> SubmitPart {
        let signed = SignedHeader::sign(&made.header, &self.sites[site].identity);
        let header = SubmitHeader {
            header: signed.bytes,
            signature: signed.signature.as_bytes().to_vec(),
            public_share: made.public.clone(),
            seal: made.sealed[node][..haima_crypto::seal::HEAD].to_vec(),
            first: 0,
        };
        SubmitPart { part: Some(Part::Header(header)) }
    }

    /// A node as a site may call it that keeps to no order.
    pub(crate) fn raw(&self, node: usize, site: usize) -> node_client::NodeClient<tls::Link> {
        let party = &self.manifest.nodes[node];
        let pin = self.manifest.pins()[&party.name];
        let tls = &self.sites[site].tls;
        let link = tls::channel(&party.name, &party.address, pin, tls).unwrap();
        node_client::NodeClient::new(link)
    }

    /// The header and the first chunk of a share, and no more: a line that breaks.
    pub(crate) async fn break_off(&self, node: usize, site: usize, made: &Made) {
        let body = &made.sealed[node][haima_crypto::seal::HEAD..];
        let chunk = Part::Chunk(Bytes::copy_from_slice(&body[..CHUNK]));
        let parts = [self.opening(node, site, made), SubmitPart { part: Some(chunk) }];
        let _ = self.raw(node, site).submit(tokio_stream::iter(parts)).await;
    }

    pub(crate) async fn submit_made(&self, site: usize, made: &Made) {
        for node in 0..self.manifest.nodes.len() {
            self.submit_to(node, site, made).await.unwrap();
        }
    }

    pub(crate) async fn submit(&self, site: usize, spec: &RoundSpec, values: &[i64]) {
        self.submit_made(site, &self.make(site, spec, values)).await;
    }

    pub(crate) async fn outcome(&self, node: usize, spec: &RoundSpec) -> Outcome {
        let client = self.node(node);
        for _ in 0..20 {
            match client.release(&spec.digest(), Duration::from_secs(2), 1 << 21).await {
                Ok(Outcome::Pending(_)) | Err(Error::Unreachable { .. }) => {}
                Ok(outcome) => return outcome,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("no outcome at node {node}");
    }

    pub(crate) async fn part(&self, node: usize, spec: &RoundSpec) -> bundle::Part {
        match self.outcome(node, spec).await {
            Outcome::Released(answer) => answer.part,
            other => panic!("node {node}: {other:?}"),
        }
    }

    /// Why the round failed at a node.
    pub(crate) async fn failure(&self, node: usize, spec: &RoundSpec) -> String {
        match self.outcome(node, spec).await {
            Outcome::Failed(reason) => reason,
            other => panic!("node {node}: {other:?}"),
        }
    }

    /// The bundle of a round of a task, opened here and now, in which all sites submit ones.
    pub(crate) async fn released(&self, task: &str) -> Bundle {
        let spec = self.spec(task, 1);
        self.open(&spec).await;
        for site in 0..self.sites.len() {
            self.submit(site, &spec, &[1; 4]).await;
        }
        self.bundle(&spec).await
    }

    pub(crate) async fn bundle(&self, spec: &RoundSpec) -> Bundle {
        let mut parts = vec![];
        for node in 0..self.manifest.nodes.len() {
            parts.push(self.part(node, spec).await);
        }
        Bundle { spec: spec.clone(), parts }
    }
}

/// A submission, honest until a test changes it.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) header: Header,
    pub(crate) public: Vec<u8>,
    pub(crate) sealed: Vec<Vec<u8>>,
}
