//! A study's nodes as any of its parties may ask them: their status call, their epoch, the rounds that
//! they list. One question at a time, and its answer is kept for ten seconds, however many look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use haima_crypto::encode::Digest;
use haima_smpc_node::client::NodeClient;
use haima_smpc_node::manifest::{Manifest, Party};
use haima_smpc_node::tls::TlsIdentity;
use haima_smpc_node::unix_millis;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::Error;

/// How long an answer is shown.
const KEPT: Duration = Duration::from_secs(10);
/// How long a node may take for all that it is asked.
const WAIT: Duration = Duration::from_secs(6);
/// Rounds that a node is asked for, up to its last one.
const RECENT: u64 = 100;

/// What a node said.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) name: String,
    pub(super) operator: String,
    pub(super) address: String,
    /// Its last round's number; or why it is not as it should be.
    pub(super) last: Result<u64, String>,
    /// Whether it holds its epoch's record, once it says.
    pub(super) epoch: Option<bool>,
    /// Number, digest and state of its last rounds, in order.
    pub(super) rounds: Vec<(u64, Digest, String)>,
}

/// All that they said, at a moment.
#[derive(Debug)]
pub(super) struct Asked {
    /// Unix milliseconds.
    pub(super) at_ms: u64,
    /// In the manifest's order.
    pub(super) nodes: Vec<State>,
}

/// The nodes, and what they said last.
pub(super) struct Nodes {
    manifest: Digest,
    clients: Vec<(Party, NodeClient)>,
    kept: Mutex<Option<(Instant, Arc<Asked>)>>,
}

impl Nodes {
    /// Nodes of a manifest, asked in the name of a party of it by its TLS key.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub(super) fn new<'a>(
        manifest: &Manifest,
        tls: &TlsIdentity,
        nodes: impl IntoIterator<Item = &'a Party>,
    ) -> Result<Self, Error> {
        let client = |node: &Party| Ok::<_, Error>((node.clone(), NodeClient::new(node, tls)?));
        let clients = nodes.into_iter().map(client).collect::<Result<_, _>>()?;
        Ok(Self { manifest: manifest.digest(), clients, kept: Mutex::default() })
    }

    /// What they say now, or said a moment ago.
    pub(super) async fn ask(&self) -> Arc<Asked> {
        let mut kept = self.kept.lock().await;
        if let Some((at, asked)) = &*kept
            && at.elapsed() < KEPT
        {
            return Arc::clone(asked);
        }
        let mut asking = JoinSet::new();
        for (place, (party, client)) in self.clients.iter().enumerate() {
            let (party, client, manifest) = (party.clone(), client.clone(), self.manifest);
            asking.spawn(async move { (place, state(&party, &client, manifest).await) });
        }
        let mut nodes: Vec<(usize, State)> = Vec::with_capacity(self.clients.len());
        while let Some(answer) = asking.join_next().await {
            nodes.extend(answer.ok());
        }
        nodes.sort_by_key(|(place, _)| *place);
        let nodes = nodes.into_iter().map(|(_, state)| state).collect();
        let asked = Arc::new(Asked { at_ms: unix_millis(), nodes });
        *kept = Some((Instant::now(), Arc::clone(&asked)));
        asked
    }
}

async fn state(party: &Party, client: &NodeClient, manifest: Digest) -> State {
    let mut state = State {
        name: party.name.clone(),
        operator: party.operator.clone(),
        address: party.address.clone(),
        last: Err(format!("no answer within {} s", WAIT.as_secs())),
        epoch: None,
        rounds: Vec::new(),
    };
    let ask = async {
        let last = client.check_status(&manifest, unix_millis()).await;
        state.last = last.map_err(|error| error.to_string());
        let Ok(last) = state.last else { return };
        state.epoch = client.epoch().await.ok().map(|(_, record)| record.is_some());
        state.rounds = client.list(last.saturating_sub(RECENT)).await.unwrap_or_default();
    };
    let _ = tokio::time::timeout(WAIT, ask).await;
    state
}
