//! The node as a service: configuration, store, rounds in progress, gRPC.
//!
//! | module | what it does |
//! |---|---|
//! | `service` | translates calls: who may call what, and bounds |
//! | `intake`, `writer` | takes shares in; stores them in groups |
//! | `engine` | the node and its rounds in progress; which rounds it opens, by its history |
//! | `public` | what it has made public of a round |
//! | `drive`, `peers`, `deal`, `release` | the course of one round, over the states of [`crate::round`] |
//! | `epoch` | agrees on keys with the other nodes |
//! | `store` | makes each step durable before it is answered |
//! | `rest` | keys of shares at rest |
//! | `mend` | records that a stop kept from the journal |
//! | `metrics`, `preflight`, `config` | for the operator |

pub mod config;
mod deal;
mod drive;
mod engine;
mod epoch;
mod forgotten;
mod intake;
mod mend;
mod metrics;
mod peers;
pub mod preflight;
mod public;
mod release;
mod rest;
mod service;
mod store;
mod writer;

use std::sync::Arc;
use std::time::Duration;

pub use config::Config;
pub use engine::Engine;
pub use store::Store;
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;

use crate::proto::node_server::NodeServer;
use crate::wire::Listen;
use crate::{Error, client, tls, unix_millis};

/// The service by its name, for its health.
type Named = NodeServer<service::Service>;
/// Calls at a time on one connection.
const STREAMS: u32 = 16;
/// How long calls in flight may take after the node was told to stop.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often what is past its retention is erased, what is left in the log is tried again, and gauges
/// are set.
const COLLECT: Duration = Duration::from_secs(60);

/// Erases what ended rounds keep beyond the retention and what is left in the log, and sets gauges,
/// for ever.
async fn collect(engine: &Engine, retention_days: Option<u32>) {
    loop {
        if let Some(days) = retention_days {
            let before = unix_millis().saturating_sub(u64::from(days).saturating_mul(86_400_000));
            match engine.store().collect(before).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "submissions past their retention are erased"),
                Err(error) => tracing::error!(%error, "nothing could be erased"),
            }
        }
        engine.store().flush_left().await;
        metrics::gauges(engine).await;
        tokio::time::sleep(COLLECT).await;
    }
}

/// How often a replica looks for rounds that others opened.
const SCAN: Duration = Duration::from_millis(300);

/// Runs a node until `shutdown` resolves. Prints one line to stderr when it listens.
///
/// # Errors
/// When a key, the manifest, the store or the address cannot be used.
pub async fn run(config: &Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
    let engine = Engine::open(config).await?;
    let address = config.listen.clone().unwrap_or_else(|| engine.address().to_owned());
    let listener = TcpListener::bind(&address).await.map_err(|source| Error::Unreachable {
        party: config.name.clone(),
        address: address.clone(),
        reason: format!("cannot listen there: {source}"),
    })?;
    let incoming = tls::incoming(listener, &config.tls()?, &engine.manifest().pins())?;
    tracing::info!(node = %config.name, %address, manifest = %engine.manifest_digest().short(), "listening");
    engine.resume().await?;
    let service = NodeServer::new(service::Service::new(Arc::clone(&engine)))
        .max_decoding_message_size(client::MESSAGE);
    let service = InterceptedService::new(service, Listen);
    #[cfg(feature = "failpoints")]
    let service = crate::crash::Messages(service);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_not_serving::<Named>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(crate::proto::DESCRIPTION)
        .build_v1()
        .map_err(|e| Error::Config { file: "reflection".into(), problem: e.to_string() })?;
    if let Some(address) = &config.metrics {
        metrics::serve(address)?;
    }
    let (told, mut stop) = tokio::sync::watch::channel(false);
    let stopped = async move {
        shutdown.await;
        let _ = told.send(true);
    };
    let serving = Server::builder()
        .initial_stream_window_size(tls::WINDOW)
        .initial_connection_window_size(tls::WINDOW)
        .timeout(client::BULK)
        .max_concurrent_streams(STREAMS)
        .concurrency_limit_per_connection(STREAMS as usize)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .add_service(service)
        .add_service(health_service)
        .add_service(reflection)
        .serve_with_incoming_shutdown(incoming, stopped);
    // Calls in flight may end; who holds a connection longer does not keep the node up.
    let patience = async {
        let _ = stop.wait_for(|told| *told).await;
        tracing::info!(node = %config.name, "stopping; rounds go on at the next start");
        tokio::time::sleep(PATIENCE).await;
    };
    let collecting = collect(&engine, config.retention_days);
    // Rounds that other replicas opened.
    let replicas = async {
        while engine.store().shared() {
            tokio::time::sleep(SCAN).await;
            if let Err(error) = engine.resume().await {
                tracing::warn!(%error, "rounds of other replicas could not be read");
            }
        }
        std::future::pending::<()>().await;
    };
    // Without its epoch a node is of no use: it stops and says why.
    let no_epoch = async {
        match epoch::set_up(&engine).await {
            Ok(()) => {
                health.set_serving::<Named>().await;
                std::future::pending().await
            }
            Err(error) => error,
        }
    };
    tokio::select! {
        served = serving => served.map_err(|e| Error::Unreachable {
            party: config.name.clone(),
            address,
            reason: e.to_string(),
        }),
        error = no_epoch => Err(error),
        () = replicas => Ok(()),
        () = patience => Ok(()),
        () = collecting => Ok(()),
    }
}
