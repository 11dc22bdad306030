//! Runs a study: waits for the parties, runs the manifest's tasks in order, writes the report and the
//! models.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use haima_fl_core::sum::drive;
use haima_smpc_node::audit::Audit;
use haima_smpc_node::client::{MESSAGE, NodeClient};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::masking::Mode;
use haima_smpc_node::study::Study;
use haima_smpc_node::tls::{self, TlsIdentity};
use haima_smpc_node::wire::Listen;
use haima_smpc_node::{keyfile, unix_millis};
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;

use super::before::{Before, TakenUp};
use super::config::Config;
use super::events::{Event, Events};
use super::hub::Hub;
use super::models::Ended;
use super::record::{Timing, report};
use super::rounds::Announced;
use super::service::Service;
use crate::Error;
use crate::proto::coordinator_server::CoordinatorServer;
use crate::report::StudyReport;
use crate::sum::masked::Masked;
use crate::sum::network::{Network, Way};
use crate::sum::nodes::Nodes;
use crate::sum::plan::open_run;
use crate::sum::run::RunSum;

/// How long sites get to take in the last release and report, after the study's end.
const FAREWELL: Duration = Duration::from_millis(500);

/// Missing sites that a line of the log names.
const NAMED: usize = 10;

/// Runs the study of a configuration to its end and writes the report and the models that it trained
/// to its `out` folder.
///
/// # Errors
/// When a party is missing, a step cannot be released, or a task cannot use its sum. What was
/// finished before stands in the report that is written all the same.
pub async fn run(config: &Config, watcher: Sender<Event>) -> Result<StudyReport, Error> {
    run_over(config, watcher, Arc::default()).await
}

/// Runs a study as [`run`] does, over a hub that somebody else looks at too: who is connected.
///
/// # Errors
/// As [`run`].
pub async fn run_over(
    config: &Config,
    watcher: Sender<Event>,
    hub: Arc<Hub>,
) -> Result<StudyReport, Error> {
    let manifest = Study::read(&config.manifest)?.manifest();
    let key = keyfile::read_identity(&config.identity)?;
    let tls = TlsIdentity::read(&config.tls_certificate, &config.tls_key)?
        .through(config.proxy.as_deref())?;
    check_keys(config, &manifest, &key.public().to_string(), &tls)?;
    std::fs::create_dir_all(&config.out).map_err(|e| Error::file(&config.out, e))?;
    let name = &manifest.coordinator.name;
    let (audit, records) = Audit::open(&config.out.join("audit.log"), name, &key.public())?;

    serve(&manifest, &tls, &hub).await?;
    let way = match manifest.mode {
        Mode::Nodes => {
            let clients = manifest.nodes.iter().map(|node| NodeClient::new(node, &tls));
            Way::Nodes(Nodes::new(clients.collect::<Result<_, _>>()?))
        }
        Mode::Masked => Way::Masked(Masked::open(config.out.join("masked"))?),
    };
    let network = Arc::new(Network {
        manifest_digest: manifest.digest(),
        manifest: Arc::clone(&manifest),
        key,
        audit,
        before: Before::new(records),
        announced: Announced::open(&config.out.join("rounds.log"))?,
        hub: Arc::clone(&hub),
        events: Events::new(watcher),
        runtime: tokio::runtime::Handle::current(),
        way,
    });
    let earlier = TakenUp::of(&network.announced.all(), &manifest, config.run, &network.before);
    if earlier.rounds() > 0 {
        let TakenUp { released, failed, open, .. } = earlier;
        tracing::info!(released, failed, open, "rounds are taken up from rounds.log");
    }
    if let Way::Nodes(nodes) = &network.way {
        wait_for_nodes(&network, nodes, Duration::from_secs(config.wait_s)).await?;
    }
    wait_for_sites(&network, config).await?;

    let started = unix_millis();
    let run = config.run;
    let tasks = Arc::clone(&network);
    let outcome = tokio::task::spawn_blocking(move || run_tasks(&tasks, run)).await;
    let (results, timings, outcome) = outcome.map_err(|e| Error::Stopped {
        party: manifest.coordinator.name.clone(),
        reason: e.to_string(),
    })?;
    // A study that hospitals refuse to go on with has not ended: sites keep what they made for the
    // open round, and wait.
    if !matches!(outcome, Err(Error::Withheld { .. })) {
        hub.end_study();
    }
    tokio::time::sleep(FAREWELL).await;

    let rounds = TakenUp::of(&network.announced.all(), &manifest, run, &network.before).rounds();
    let (started, finished) = earlier.span(started, unix_millis(), rounds);
    let timing = Timing { started: started / 1000, finished: finished / 1000, tasks: timings };
    let report = report(&network, config, &results, &timing)?;
    crate::report::write(&config.out, &report).map_err(|e| Error::file(&config.out, e))?;
    let log = network.events.log();
    let ended = Ended {
        manifest: &manifest,
        about: &config.about,
        results: &results,
        log: &log,
        mode: &report.mode,
        committed: report.plan.as_ref(),
        journal: network.audit.head(),
    };
    let outcome = outcome.and(ended.write(&config.out));
    if outcome.is_ok() {
        network.events.tell(Event::Done);
    }
    outcome.map(|()| report)
}

fn check_keys(
    config: &Config,
    manifest: &Manifest,
    identity: &str,
    tls: &TlsIdentity,
) -> Result<(), Error> {
    let party = &manifest.coordinator;
    if identity != party.identity.to_lowercase() {
        let problem = "not the coordinator's identity key of the manifest";
        return Err(Error::key(&config.identity, problem));
    }
    if tls.pin()?.to_string() != party.tls.to_lowercase() {
        let problem = "not the coordinator's TLS key of the manifest";
        return Err(Error::key(&config.tls_certificate, problem));
    }
    Ok(())
}

/// Serves a hub to the sites of a manifest, at the coordinator's address, in the background.
///
/// # Errors
/// When the address is taken or the key cannot be used.
pub async fn serve(
    manifest: &Arc<Manifest>,
    tls: &TlsIdentity,
    hub: &Arc<Hub>,
) -> Result<(), Error> {
    let address = &manifest.coordinator.address;
    let listener = TcpListener::bind(address).await.map_err(|e| Error::Stopped {
        party: manifest.coordinator.name.clone(),
        reason: format!("cannot listen at {address}: {e}"),
    })?;
    let incoming = tls::incoming(listener, tls, &manifest.pins())?;
    let service = CoordinatorServer::new(Service::new(Arc::clone(hub), Arc::clone(manifest)))
        .max_decoding_message_size(MESSAGE);
    let service = InterceptedService::new(service, Listen);
    #[cfg(feature = "failpoints")]
    let service = haima_smpc_node::crash::Messages(service);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(crate::proto::DESCRIPTION)
        .build_v1()
        .map_err(|e| Error::Stopped {
            party: manifest.coordinator.name.clone(),
            reason: e.to_string(),
        })?;
    tokio::spawn(async move {
        let server = Server::builder()
            .max_concurrent_streams(64)
            .concurrency_limit_per_connection(64)
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .add_service(service)
            .add_service(reflection);
        if let Err(error) = server.serve_with_incoming(incoming).await {
            tracing::error!(%error, "the service for sites stopped");
        }
    });
    Ok(())
}

/// Waits for the nodes. After a stop in a study with a release quorum, what was asked before may be
/// released without some of them: for those it waits no longer than nodes have to agree.
async fn wait_for_nodes(network: &Network, clients: &Nodes, wait: Duration) -> Result<(), Error> {
    let nodes = clients.clients.len();
    let mut may_lack = 0;
    let mut until = Instant::now() + wait;
    if let Some(quorum) = network.manifest.release_quorum
        && !network.announced.is_empty()
    {
        may_lack = nodes.saturating_sub(quorum as usize);
        until = Instant::now() + wait.min(Duration::from_millis(network.manifest.grace_ms));
    }
    for node in &clients.clients {
        let mut told = false;
        loop {
            match node.check_status(&network.manifest_digest, unix_millis()).await {
                Ok(_) => break,
                Err(haima_smpc_node::Error::Unreachable { party, address, reason })
                    if Instant::now() < until =>
                {
                    if !std::mem::replace(&mut told, true) {
                        tracing::info!(%reason, "waiting for {party} at {address}");
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(haima_smpc_node::Error::Unreachable { party, .. }) if may_lack > 0 => {
                    tracing::warn!("going on without {party}: what was asked before is taken up");
                    may_lack -= 1;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

async fn wait_for_sites(network: &Network, config: &Config) -> Result<(), Error> {
    let all = network.manifest.sites.len();
    let needed = config.wait_sites.map_or(all, |needed| (needed as usize).min(all));
    let mut joined = network.hub.joined();
    let until = tokio::time::Instant::now() + Duration::from_secs(config.wait_s);
    loop {
        let sites = joined.borrow_and_update().clone();
        network.events.tell(Event::Joined { sites: sites.len(), of: all });
        if sites.len() >= needed {
            return Ok(());
        }
        let names = network.manifest.sites.iter().map(|site| site.name.as_str());
        let missing: Vec<&str> = names.filter(|name| !sites.contains(*name)).collect();
        let (shown, more) = missing.split_at(missing.len().min(NAMED));
        let (names, more) = (shown.join(", "), more.len());
        tracing::info!(%names, more, "{} of {needed} sites are here; waiting", sites.len());
        if !matches!(tokio::time::timeout_at(until, joined.changed()).await, Ok(Ok(()))) {
            return Err(Error::Absent { missing: missing.join(", "), seconds: config.wait_s });
        }
    }
}

type Finished = BTreeMap<String, serde_json::Value>;

/// Runs all tasks; what finished, how long each took, and how it ended. A task that cannot be fitted
/// (no event, separation), or that builds on one, does not keep those after it from their answer; the
/// study ends in the first such error all the same.
fn run_tasks(network: &Network, run: u32) -> (Finished, BTreeMap<String, f64>, Result<(), Error>) {
    let (mut finished, mut timings) = (Finished::new(), BTreeMap::new());
    let mut outcome = Ok(());
    for entry in &network.manifest.tasks {
        let started = Instant::now();
        let max_steps = entry.max_steps;
        network.events.tell(Event::TaskStarted { task: entry.id.clone(), max_steps });
        let result = open_run(&network.manifest, entry, &finished)
            .and_then(|mut task| drive(task.as_mut(), &mut RunSum::new(network, entry, run)));
        timings.insert(entry.id.clone(), started.elapsed().as_secs_f64());
        match result {
            Ok(result) => {
                let task = entry.id.clone();
                network.events.tell(Event::TaskDone { task, result: result.clone() });
                finished.insert(entry.id.clone(), result);
            }
            Err(Error::Task(error)) => {
                tracing::warn!(task = %entry.id, %error, "the task failed; the study goes on");
                outcome =
                    outcome.and(Err(Error::Unfit { id: entry.id.clone(), error: Box::new(error) }));
            }
            Err(error) => return (finished, timings, Err(error)),
        }
    }
    (finished, timings, outcome)
}
