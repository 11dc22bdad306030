//! A small study: its manifest, a round's spec, and everybody's keys, which a test knows.

use haima_crypto::encode::Digest;
use haima_crypto::identity::IdentityKey;
use haima_dp::units::Rate;
use haima_smpc_node::PROTOCOL;
use haima_smpc_node::manifest::{Class, Manifest, NoisePlan, Party, SiteParty, TaskEntry};
use haima_smpc_node::masking::Mode;
use haima_smpc_node::plan::Plan;
use haima_smpc_node::spec::{BlockSpec, Hiding, RoundEvent, RoundSpec, ShareSpec};

/// The sites, each of an operator of its own.
pub(crate) const SITES: [&str; 3] = ["site-a", "site-b", "site-c"];
/// Coordinates of a vector.
pub(crate) const LEN: usize = 4;
const BOUND: u64 = 1 << 20;

/// The coordinator's identity key.
pub(crate) fn coordinator_key() -> IdentityKey {
    key(1)
}

/// A node's identity key, by its number from 1.
pub(crate) fn node_key(number: u8) -> IdentityKey {
    key(10 + number)
}

/// A site's identity key, by its number from 0.
pub(crate) fn site_key(number: u8) -> IdentityKey {
    key(50 + number)
}

fn key(secret: u8) -> IdentityKey {
    IdentityKey::from_secret(&[secret; 32])
}

fn party(name: String, key: &IdentityKey) -> Party {
    Party {
        operator: format!("operator of {name}"),
        identity: key.public().to_string(),
        tls: Digest::of(name.as_bytes()).to_string(),
        address: "127.0.0.1:1".into(),
        name,
    }
}

/// A study of so many nodes with the three sites; not yet checked.
pub(crate) fn manifest(nodes: u8, floor: u32) -> Manifest {
    let site = |(number, name): (u8, &&str)| {
        let Party { name, operator, identity, tls, .. } =
            party((*name).to_owned(), &site_key(number));
        SiteParty { name, operator, identity, tls, max_patients: 10 }
    };
    let noise = NoisePlan {
        s: 64,
        draws: 1,
        q: 1.0,
        sensitivity: 4,
        dimension: LEN as u64,
        delta: 1e-5,
        order: None,
    };
    let task = TaskEntry {
        id: "sum".into(),
        task: "test".into(),
        title: None,
        version: 1,
        class: Class::Private,
        max_steps: 1,
        spare_attempts: 1,
        needs_bound: false,
        noise: Some(noise),
        params: toml::Table::new(),
    };
    let node = |number: u8| party(format!("node-{number}"), &node_key(number));
    let manifest = Manifest {
        version: 1,
        study: "test".into(),
        revision: 1,
        amends: None,
        mode: Mode::Nodes,
        masking: None,
        min_sites: floor,
        max_dimension: 10,
        round_ms: 30_000,
        grace_ms: 5_000,
        tick_ms: 10,
        hospitals_per_patient: 1,
        release_quorum: None,
        plan: String::new(),
        coordinator: party("coordinator".into(), &coordinator_key()),
        nodes: (1..=nodes).map(node).collect(),
        sites: (0..).zip(&SITES).map(site).collect(),
        tasks: vec![task],
        schema: toml::Table::new(),
    };
    let plan = Plan::of(&manifest).digest().to_string();
    Manifest { plan, ..manifest }
}

/// A round with noise that every party of the study takes.
pub(crate) fn spec(manifest: &Manifest, min_sites: u32) -> RoundSpec {
    RoundSpec {
        protocol: PROTOCOL,
        manifest: manifest.digest(),
        study: "test".into(),
        number: 1,
        task_id: "sum".into(),
        task: "test".into(),
        task_version: 1,
        run: 1,
        step: 0,
        attempt: 0,
        plan_index: 0,
        query: Digest::of(b"query"),
        previous: Digest::default(),
        roster: manifest.roster_digest(),
        epoch: Digest::of(b"epoch"),
        blocks: vec![BlockSpec { len: 4, frac_bits: 0 }],
        hiding: Hiding::Shares(ShareSpec::new(LEN, BOUND, manifest.nodes.len()).unwrap()),
        sensitivity: 4,
        bound: BOUND,
        event: RoundEvent::DiscreteGaussian { s: 64, q: Rate::ALL },
        min_sites,
        deadline_ms: 1_000_000,
        tick_ms: 10,
    }
}
