//! The operator's own node, on its machine: the preflight's checks, and its journal's refusals.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haima_smpc_node::audit;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::record::AuditRecord;
use haima_smpc_node::server::Config;
use haima_smpc_node::server::preflight::{Check, preflight};
use haima_smpc_node::unix_millis;
use tokio::sync::Mutex;

use crate::Error;
use crate::web::read::{Kept, mark};

/// How long the checks are shown: they try the disk and the peers.
const KEPT: Duration = Duration::from_secs(60);

/// Kinds of a node's records that tell of no trouble: each is a step that a round takes.
const USUAL: [&str; 9] = [
    "opened",
    "accepted",
    "closed",
    "prepared",
    "agreed",
    "dealt",
    "committed",
    "released",
    "epoch",
];

/// What was checked, and when, in unix milliseconds.
pub(super) struct Checked {
    pub(super) at_ms: u64,
    pub(super) checks: Vec<Check>,
}

/// Records of failed rounds, failed proofs and whatever else is no usual step, in order.
pub(super) type Troubles = Result<Vec<AuditRecord>, String>;

/// The node.
pub(super) struct Own {
    config: Config,
    checked: Mutex<Option<(Instant, Arc<Checked>)>>,
    kept: Kept<Troubles>,
}

impl Own {
    pub(super) fn new(config: Config, manifest: Arc<Manifest>) -> Self {
        let (path, name) = (config.journal.clone(), config.name.clone());
        let kept = Kept::new(move |_| {
            troubles(&path, &name, &manifest).map_err(|error| error.to_string())
        });
        Self { config, checked: Mutex::default(), kept }
    }

    /// The checks of `smpc-node preflight`.
    pub(super) async fn checks(&self) -> Arc<Checked> {
        let mut checked = self.checked.lock().await;
        if let Some((at, checks)) = &*checked
            && at.elapsed() < KEPT
        {
            return Arc::clone(checks);
        }
        let checks = preflight(&self.config).await;
        let checks = Arc::new(Checked { at_ms: unix_millis(), checks });
        *checked = Some((Instant::now(), Arc::clone(&checks)));
        checks
    }

    /// What the journal has besides the steps that rounds take.
    pub(super) async fn troubles(&self) -> Arc<Troubles> {
        let kept = self.kept.get(mark([self.config.journal.as_path()])).await;
        kept.unwrap_or_else(|error| Arc::new(Err(error.to_string())))
    }
}

fn troubles(path: &Path, name: &str, manifest: &Manifest) -> Result<Vec<AuditRecord>, Error> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut records = audit::read(path, name, &manifest.identity(name)?)?;
    records.retain(|record| !USUAL.contains(&record.kind.as_str()));
    Ok(records)
}
