//! A coordinator that lies, against real sites and real nodes: the test itself plays it, with the
//! coordinator's own keys.

mod common;
#[path = "../smpc-node/tests/wild/mod.rs"]
mod wild;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{BMT, Running, Setup, task};
use haima::coordinator::hub::Hub;
use haima::coordinator::study::serve;
use haima::sum::plan::{Place, open_run, plan, query_bytes};
use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_fl_core::task::Query;
use haima_smpc_node::bundle::{Bundle, release_digest};
use haima_smpc_node::client::{NodeClient, Outcome};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::record::{Release, Signed, sum_digest};
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::tls::TlsIdentity;
use haima_smpc_node::{keyfile, tls, unix_millis};

struct Liar {
    running: Running,
    manifest: Arc<Manifest>,
    key: IdentityKey,
    nodes: Vec<NodeClient>,
    hub: Arc<Hub>,
    query: Query,
    epoch: Digest,
}

impl Liar {
    /// Real nodes and sites of a Cox study; the coordinator is this test.
    async fn new() -> Self {
        let covariates = "covariates = [\"patient_age\"]\n";
        let params = format!("time = \"dfs_days\"\nevent = \"dfs_event\"\n{covariates}");
        let study = [BMT.to_owned(), task("cox", "cox", 20, &params)].concat();
        let mut running = Setup::new(&study, "data/bmt_klein.csv").make();
        let home = running.network.folder("coordinator").unwrap().to_owned();
        let manifest = Arc::new(running.network.manifest.clone());
        let key = keyfile::read_identity(&home.join("identity.key")).unwrap();
        let tls = TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
        let hub = Arc::new(Hub::default());
        serve(&manifest, &tls, &hub).await.unwrap();
        running.network.start_all().unwrap();
        let nodes: Vec<NodeClient> =
            manifest.nodes.iter().map(|node| NodeClient::new(node, &tls).unwrap()).collect();
        let mut joined = hub.joined();
        let all = joined.wait_for(|sites| sites.len() == manifest.sites.len());
        tokio::time::timeout(Duration::from_secs(60), all).await.unwrap().unwrap();
        for node in &nodes {
            while node.check_status(&manifest.digest(), unix_millis()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        let entry = manifest.task("cox").unwrap();
        let run = open_run(&manifest, entry, &std::collections::BTreeMap::default()).unwrap();
        let query = run.query().unwrap();
        let mut epoch = Digest::default();
        for node in &nodes {
            epoch = loop {
                if let Ok((_, Some(record))) = node.epoch().await {
                    break record.verify(&manifest).unwrap().digest;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
        }
        Self { running, manifest, key, nodes, hub, query, epoch }
    }

    /// The coordinator as its first site calls it.
    fn as_site(&self) -> tls::Link {
        let site = self.running.network.site_names().next().unwrap();
        let home = self.running.network.folder(&site).unwrap();
        let own = TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
        let party = &self.manifest.coordinator;
        tls::channel(&party.name, &party.address, self.manifest.pins()[&party.name], &own).unwrap()
    }

    fn spec(&self, query: &Query, number: u64) -> RoundSpec {
        let place = Place {
            number,
            run: 1,
            step: 0,
            attempt: 0,
            plan_index: 0,
            previous: Digest::default(),
            epoch: self.epoch,
            deadline_ms: unix_millis() + 3000,
        };
        let entry = self.manifest.task("cox").unwrap();
        plan(&self.manifest, self.manifest.digest(), entry, query, &place).unwrap()
    }

    async fn open(&self, spec: &RoundSpec) {
        for node in &self.nodes {
            node.open(spec, &self.key.sign(&spec.digest())).await.unwrap();
        }
    }

    /// What all sites answer to a notice: why they refuse.
    async fn refusals(&self, spec: &RoundSpec) -> Vec<String> {
        self.hub.start_round(spec, &self.key.sign(&spec.digest()));
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let (bytes, refusals) = self.hub.round_reports(&spec.digest());
            assert_eq!(bytes, 0, "no site sends anything");
            if refusals.len() == self.manifest.sites.len() {
                return refusals.into_iter().map(|(_, reason)| reason).collect();
            }
            assert!(Instant::now() < until, "{refusals:?} {}", self.running.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What all sites answer to a second step, once the bundle of an honest first one was forged on
    /// its way to them.
    async fn refusals_after_forging(&self, forge: impl FnOnce(&mut Bundle)) -> Vec<String> {
        self.hub.add_query("cox", 1, 0, query_bytes(&self.query));
        let first = self.spec(&self.query, 1);
        self.open(&first).await;
        self.hub.start_round(&first, &self.key.sign(&first.digest()));
        let mut parts = vec![];
        for node in &self.nodes {
            let wait = Duration::from_secs(10);
            let Outcome::Released(answer) =
                node.release(&first.digest(), wait, 1 << 20).await.unwrap()
            else {
                panic!("an honest first step is released; {}", self.running.logs());
            };
            parts.push(answer.part);
        }
        let mut bundle = Bundle { spec: first.clone(), parts };
        let previous = release_digest(&bundle);
        forge(&mut bundle);
        self.hub.add_release("cox", 1, 0, bundle.to_bytes());
        let second = RoundSpec {
            number: 2,
            step: 1,
            plan_index: 1,
            previous,
            deadline_ms: unix_millis() + 3000,
            ..first
        };
        self.open(&second).await;
        self.hub.add_query("cox", 1, 1, query_bytes(&self.query));
        self.refusals(&second).await
    }

    fn nothing_was_charged(&self) {
        for (site, ledger) in self.hub.ledgers() {
            assert_eq!(ledger.exact_releases, 0, "{site} was charged");
        }
    }
}

/// X3: with beta = 50 in every place where the coordinator can put it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_refuse_a_beta_that_the_coordinator_chose() {
    let liar = Liar::new().await;
    let mut chosen = liar.query.clone();
    let at = chosen.bytes.len() - 8;
    chosen.bytes[at..].copy_from_slice(&50f64.to_le_bytes());
    let spec = liar.spec(&chosen, 1);
    liar.open(&spec).await;
    liar.hub.add_query("cox", 1, 0, query_bytes(&chosen));
    for reason in liar.refusals(&spec).await {
        assert!(reason.contains("X3"), "{reason}");
    }
    liar.nothing_was_charged();
}

/// R8: a spec that the nodes do not know, or know otherwise: another model for one site.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_refuse_a_spec_that_the_nodes_do_not_know() {
    let liar = Liar::new().await;
    liar.hub.add_query("cox", 1, 0, query_bytes(&liar.query));
    let for_the_nodes = liar.spec(&liar.query, 1);
    liar.open(&for_the_nodes).await;
    let for_a_site = RoundSpec { deadline_ms: for_the_nodes.deadline_ms + 1, ..for_the_nodes };
    for reason in liar.refusals(&for_a_site).await {
        assert!(reason.contains("R8"), "{reason}");
    }
    liar.nothing_was_charged();
}

/// X3: a later step without the releases that lead to it, or with forged ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_refuse_a_step_that_no_release_leads_to() {
    let liar = Liar::new().await;
    // One node's sum shifted: another iterate would follow from it.
    let shift = |bundle: &mut Bundle| bundle.parts[1].sum.as_mut().unwrap()[0] ^= 1;
    for reason in liar.refusals_after_forging(shift).await {
        assert!(reason.contains("node-2") && reason.contains("not the one it signed"), "{reason}");
    }
}

/// X3: a sum that the coordinator chose, with a release that it signed in the node's place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_refuse_a_sum_that_the_coordinator_signed() {
    let liar = Liar::new().await;
    let sign = |bundle: &mut Bundle| {
        let part = &mut bundle.parts[1];
        let sum = part.sum.as_mut().unwrap();
        sum[0] ^= 1;
        let release = Release::from_bytes(&part.release.body).unwrap();
        part.release = Signed::new(&Release { sum: sum_digest(sum), ..release }, &liar.key);
    };
    for reason in liar.refusals_after_forging(sign).await {
        let told = reason.contains("node-2") && reason.contains("this release does not verify");
        assert!(told, "{reason}");
    }
}

/// 10,000 random messages at every call of the coordinator, from a site: refused or answered, and a
/// study's first round is announced and fetched afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_at_every_call_of_the_coordinator_change_nothing() {
    let liar = Liar::new().await;
    let link = liar.as_site();
    for path in wild::calls(haima::proto::DESCRIPTION) {
        let mut calling = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (link, path) = (link.clone(), path.clone());
            calling.spawn(async move {
                for _ in 0..200 {
                    let message = wild::random_message(&mut rand::rng());
                    // A stream of rounds stays open: nothing comes before a round does.
                    let call = wild::call(&link, &path, None, message);
                    let _ = tokio::time::timeout(Duration::from_millis(100), call).await;
                }
            });
        }
        while let Some(done) = calling.join_next().await {
            done.unwrap();
        }
    }
    liar.hub.add_query("cox", 1, 0, query_bytes(&liar.query));
    let mut client = haima::proto::coordinator_client::CoordinatorClient::new(link);
    let message = haima::proto::FetchRequest { what: 0, task: "cox".into(), run: 1, step: 0 };
    let mut chunks = client.fetch(message).await.unwrap().into_inner();
    assert_eq!(chunks.message().await.unwrap().unwrap().data, query_bytes(&liar.query));
}
