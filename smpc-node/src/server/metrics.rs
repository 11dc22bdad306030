//! Numbers for Prometheus: about this node's work, never about data or a single site (rule S5).

use std::net::ToSocketAddrs as _;

use metrics_exporter_prometheus::PrometheusBuilder;

use super::engine::Engine;
use crate::Error;
use crate::durable::DURABLE_WRITES;

/// Rounds that ended here, by `outcome`.
const ROUNDS: &str = "haima_rounds_total";
/// Submissions, by `outcome`.
const SUBMISSIONS: &str = "haima_submissions_total";
/// Bytes of shares taken in.
const BYTES: &str = "haima_share_bytes_total";
/// Seconds that a group of submissions took to be durable.
const COMMIT: &str = "haima_commit_seconds";
/// Rounds in progress.
const OPEN: &str = "haima_open_rounds";
/// 1 once the epoch is set up and the store takes writes.
const READY: &str = "haima_ready";

/// Serves metrics at an address, `host:port`, for as long as the process lives. Once a process: the
/// address of the first call holds.
///
/// # Errors
/// When the address is not one, or taken.
pub(super) fn serve(address: &str) -> Result<(), Error> {
    let fault = |problem: String| Error::Config { file: "metrics".into(), problem };
    let sockets = address.to_socket_addrs();
    let sockets = sockets.map_err(|e| fault(format!("{address:?} is no host:port here: {e}")))?;
    static SERVED: std::sync::Mutex<bool> = std::sync::Mutex::new(false);
    let mut served = SERVED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if *served {
        return Ok(());
    }
    // In a thread of its own: it outlives the runtime of a node that begins again.
    let install = move || {
        // A name may have an address that this machine lacks: the first that can be listened at.
        let mut last = "it has no address".to_owned();
        for socket in sockets {
            match PrometheusBuilder::new().with_http_listener(socket).install() {
                Ok(()) => return Ok(()),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    };
    let installed = std::thread::spawn(install).join();
    installed
        .map_err(|_| fault(format!("{address}: it cannot be served")))?
        .map_err(|problem| fault(format!("{address}: {problem}")))?;
    *served = true;
    metrics::describe_counter!(ROUNDS, "rounds that ended, by outcome");
    metrics::describe_counter!(SUBMISSIONS, "submissions, by outcome");
    metrics::describe_counter!(BYTES, "bytes of shares taken in");
    metrics::describe_histogram!(COMMIT, "seconds until a group of submissions was durable");
    metrics::describe_counter!(DURABLE_WRITES, "writes that were made durable");
    metrics::describe_gauge!(OPEN, "rounds in progress");
    metrics::describe_gauge!(READY, "1 once the epoch is set up and the store takes writes");
    Ok(())
}

pub(super) fn round_ended(outcome: &'static str) {
    metrics::counter!(ROUNDS, "outcome" => outcome).increment(1);
}

pub(super) fn submission(outcome: &'static str) {
    metrics::counter!(SUBMISSIONS, "outcome" => outcome).increment(1);
}

pub(super) fn bytes_in(bytes: usize) {
    metrics::counter!(BYTES).increment(bytes as u64);
}

pub(super) fn committed(seconds: f64) {
    metrics::histogram!(COMMIT).record(seconds);
}

/// Sets what is measured at its time.
pub(super) async fn gauges(engine: &Engine) {
    let ready = engine.epoch.borrow().is_some() && engine.store().check_writable().await.is_ok();
    metrics::gauge!(READY).set(f64::from(u8::from(ready)));
    let open = u32::try_from(engine.open_rounds()).unwrap_or(u32::MAX);
    metrics::gauge!(OPEN).set(f64::from(open));
}
