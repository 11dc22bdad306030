//! A hospital that cheats, for `haima demo --poison`: it takes part in every round, and adds to its
//! share a vector that is a thousand times longer than any hospital's may be.
//!
//! It proves what it can (that the zero vector is short) and then bends the share, as anybody with
//! this program's source could. The nodes' proofs are what leaves it out; nothing here helps them.

use haima_crypto::encode::{Canonical, Digest, from_hex};
use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::identity::IdentityKey;
use haima_crypto::pine::Sharding;
use haima_smpc_node::client::{NodeClient, call_error};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::proof::Proof;
use haima_smpc_node::spec::{FieldKind, RoundSpec};
use haima_smpc_node::study::Study;
use haima_smpc_node::submission::{self, LedgerState};
use haima_smpc_node::tls::{self, TlsIdentity};
use haima_smpc_node::{PROTOCOL, keyfile};

use crate::Error;
use crate::proto::coordinator_client::CoordinatorClient;
use crate::proto::{JoinRequest, RoundsRequest};
use crate::site::Config;

/// How many times further than its bound it tries to move the sum.
const FACTOR: u128 = 1000;

/// Takes part, dishonestly, until the study has ended.
///
/// # Errors
/// When a file cannot be used or the coordinator cannot be reached.
pub async fn run(config: &Config) -> Result<(), Error> {
    let manifest = Study::read(&config.manifest)?.manifest();
    let key = keyfile::read_identity(&config.identity)?;
    let tls = TlsIdentity::read(&config.tls_certificate, &config.tls_key)?
        .through(config.proxy.as_deref())?;
    let party = &manifest.coordinator;
    let pin = Digest::from_bytes(from_hex(&party.tls)?);
    let channel = tls::channel(&party.name, &party.address, pin, &tls)?;
    let nodes = manifest
        .nodes
        .iter()
        .map(|node| NodeClient::new(node, &tls))
        .collect::<Result<Vec<_>, _>>()?;
    let lost = |status: tonic::Status| call_error(&party.name, &party.address, &status);
    let mut client = CoordinatorClient::new(channel);
    let join = JoinRequest { protocol: PROTOCOL, manifest: manifest.digest().as_bytes().to_vec() };
    while client.join(join.clone()).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let mut rounds = client.rounds(RoundsRequest {}).await.map_err(lost)?.into_inner();
    while let Some(notice) = rounds.message().await.map_err(lost)? {
        if notice.spec.is_empty() {
            return Ok(());
        }
        let spec = RoundSpec::from_bytes(&notice.spec)?;
        if let Err(error) = poison(&spec, &manifest, &config.name, &key, &nodes).await {
            tracing::warn!(%error, "the poisoned contribution was not taken");
        }
    }
    Ok(())
}

async fn poison(
    spec: &RoundSpec,
    manifest: &Manifest,
    site: &str,
    key: &IdentityKey,
    nodes: &[NodeClient],
) -> Result<(), Error> {
    let mut record = None;
    for node in nodes {
        record = record.or(node.epoch().await?.1);
    }
    let Some(record) = record else { return Ok(()) };
    let epoch = record.verify(manifest)?;
    let mut nonce = [0; 16];
    rand::Rng::fill_bytes(&mut haima_smpc_node::randomness::system(), &mut nonce);
    let proof = Proof::new(spec, nodes.len())?;
    let zeros = vec![0; spec.dimension()];
    let mut sharding = proof.shard(&zeros, &nonce, &mut haima_smpc_node::randomness::system())?;
    match spec.shares()?.field {
        FieldKind::Bits64 => bend::<Field64>(&mut sharding, spec.bound),
        FieldKind::Bits128 => bend::<Field128>(&mut sharding, spec.bound),
    }
    let ledger = LedgerState { len: spec.number, head: spec.digest() };
    let made = submission::seal(spec, &epoch, (site, key), nonce, &sharding, ledger)?;
    for (node, sealed) in nodes.iter().zip(&made.sealed) {
        if let Err(error) = node.submit(&made.header, &made.public, sealed).await {
            tracing::warn!(%error, "one node did not take it");
        }
    }
    Ok(())
}

/// Adds to the first coordinate of the vector share.
fn bend<F: Field>(sharding: &mut Sharding, bound: u64) {
    let shift = F::from_u128(u128::from(bound) * FACTOR % F::MODULUS).unwrap_or(F::ONE);
    let Some(first) = sharding.shares.first_mut().and_then(|s| s.get_mut(..F::BYTES)) else {
        return;
    };
    let element = F::from_le_bytes(first).unwrap_or(F::ZERO);
    let mut bytes = Vec::with_capacity(F::BYTES);
    (element + shift).write_le_bytes(&mut bytes);
    first.copy_from_slice(&bytes);
}
