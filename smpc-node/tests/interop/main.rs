//! A site written in Python from docs/protocol.md (`haima_site.py`) is accepted by these nodes, and
//! refused with one byte flipped; and the protocol's test vectors are what the code says.
//!
//! Needs Python with grpcio and cryptography, in `HAIMA_PYTHON` or as `python3`; says so where they
//! are missing.

#[path = "../world/mod.rs"]
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

use haima_crypto::encode::{Canonical, Digest, to_hex};
use haima_crypto::identity::IdentityKey;
use haima_dp::units::Rate;
use haima_smpc_node::header::Header;
use haima_smpc_node::masking::{MaskPrg, MaskSpec, Masking};
use haima_smpc_node::proof::Proof;
use haima_smpc_node::record::{AcceptedSet, Deal, HeaderSet, HeldSet, Prepared, Release, Signed};
use haima_smpc_node::spec::{FieldKind, Hiding, RoundEvent, RoundSpec, ShareSpec};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use world::{SITES, World};

/// Values that the frozen shares are of.
const VALUES: [i64; 4] = [1, -2, 3, 1_000_000];

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors/protocol.json")
}

/// Python with what the client needs; `None`, with a line that says so, where there is none.
fn python() -> Option<String> {
    let program = std::env::var("HAIMA_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = "import grpc; from cryptography.hazmat.primitives.asymmetric import mlkem";
    let there = Command::new(&program).args(["-c", probe]).output();
    if there.is_ok_and(|output| output.status.success()) {
        Some(program)
    } else {
        println!("PYTHON absent: {program} lacks grpcio or cryptography; see requirements.txt");
        None
    }
}

fn run(python: &str, words: [&str; 2]) -> (bool, String) {
    let output = Command::new(python).arg(here("haima_site.py")).args(words).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &errors)
}

fn spec_fields(spec: &RoundSpec) -> Value {
    let blocks: Vec<Value> = spec
        .blocks
        .iter()
        .map(|block| json!({ "len": block.len, "frac_bits": block.frac_bits }))
        .collect();
    let mut fields = json!({
        "protocol": spec.protocol, "manifest": spec.manifest.to_string(), "study": spec.study,
        "number": spec.number, "task_id": spec.task_id, "task": spec.task,
        "task_version": spec.task_version, "run": spec.run, "step": spec.step,
        "attempt": spec.attempt, "plan_index": spec.plan_index,
        "query": spec.query.to_string(), "previous": spec.previous.to_string(),
        "roster": spec.roster.to_string(), "epoch": spec.epoch.to_string(), "blocks": blocks,
        "sensitivity": spec.sensitivity, "bound": spec.bound,
        "event": match spec.event {
            RoundEvent::Exact => json!("exact"),
            RoundEvent::DiscreteGaussian { s, q } => json!({ "s": s, "q": q.get() }),
        },
        "min_sites": spec.min_sites, "deadline_ms": spec.deadline_ms, "tick_ms": spec.tick_ms,
    });
    match spec.hiding {
        Hiding::Shares(ShareSpec { field, proof }) => {
            fields["field"] = json!(u8::from(field == FieldKind::Bits128));
            fields["proof"] = json!(proof.to_array());
        }
        Hiding::Masks(MaskSpec { bits, masking: Masking { threshold, corrupt, prg } }) => {
            let expansion = if prg == MaskPrg::Aes128 { 1 } else { 2 };
            fields["masks"] = json!({
                "bits": bits, "threshold": threshold, "corrupt": corrupt, "expansion": expansion,
            });
        }
    }
    fields
}

/// What a file says, or what it is written with when `HAIMA_WRITE_VECTORS` is set.
fn frozen(path: &Path, made: &Value) {
    let text = format!("{}\n", serde_json::to_string_pretty(made).unwrap());
    if std::env::var_os("HAIMA_WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "{}", path.display());
}

/// PINE shares of [`VALUES`] for two nodes and four coordinates. PINE binds neither round nor site.
fn frozen_shares(world: &World) -> Value {
    let spec = world.spec("exact", 1);
    let nonce = *b"frozen interop 1";
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let sharding = Proof::new(&spec, 2).unwrap().shard(&VALUES, &nonce, &mut rng).unwrap();
    let shares: Vec<String> = sharding.shares.iter().map(|share| to_hex(share)).collect();
    json!({ "nonce": to_hex(&nonce), "public": to_hex(&sharding.public), "shares": shares })
}

fn describe(world: &World, spec: &RoundSpec) -> Value {
    let home = world.folder.path().join(SITES[0]);
    let nodes: Vec<Value> = world
        .manifest
        .nodes
        .iter()
        .map(|node| {
            json!({
                "name": node.name, "address": node.address, "tls": node.tls,
                "identity": node.identity,
            })
        })
        .collect();
    json!({
        "site": SITES[0],
        "identity": to_hex(&*world.sites[0].identity.expose()),
        "tls_certificate": home.join("tls.crt"), "tls_key": home.join("tls.key"),
        "nodes": nodes, "spec": spec_fields(spec), "round": spec.digest().to_string(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_in_python_is_accepted_and_refused_with_one_byte_flipped() {
    let world = World::running(2).await;
    frozen(&here("shares.json"), &frozen_shares(&world));
    let Some(python) = python() else { return };
    let spec = world.spec("exact", 1);
    world.open(&spec).await;
    let path = world.folder.path().join("world.json");
    std::fs::write(&path, describe(&world, &spec).to_string()).unwrap();
    let path = path.to_str().unwrap();

    let (ok, said) = run(&python, ["flips", path]);
    assert!(ok, "{said}");
    let flips: serde_json::Map<String, Value> = serde_json::from_str(&said).unwrap();
    assert_eq!(flips.len(), 8, "{said}");
    for (what, result) in &flips {
        println!("{what}: {result}");
        assert!(result.as_str().unwrap().starts_with("refused"), "{what}: {result}");
    }

    let (ok, said) = run(&python, ["submit", path]);
    assert!(ok, "{said}");
    let accepted: serde_json::Map<String, Value> = serde_json::from_str(&said).unwrap();
    assert!(accepted.len() == 2 && accepted.values().all(|v| v == "accepted"), "{said}");
    // With two more sites its vector is in the sum: its proof holds.
    for site in 1..3 {
        world.submit(site, &spec, &[10, 10, 10, 10]).await;
    }
    world.submit(3, &spec, &[0; 4]).await;
    let sum = world.bundle(&spec).await.verify(&world.manifest).unwrap();
    assert!(sum.accepted.headers.sites().any(|site| site == SITES[0]));
    assert_eq!(sum.integers, [21, 18, 23, 1_000_020]);
}

/// docs/vectors/protocol.json.
#[test]
fn the_vectors_of_the_protocol_are_as_written() {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let round = digest("round");
    let world = World::new(2);
    let spec = RoundSpec {
        manifest: digest("manifest"),
        roster: digest("roster"),
        epoch: digest("epoch"),
        deadline_ms: 1_800_000_000_000,
        event: RoundEvent::DiscreteGaussian { s: 4096, q: Rate::new(0.25).unwrap() },
        ..world.spec("private", 7)
    };
    let masked = RoundSpec {
        hiding: Hiding::Masks(MaskSpec { bits: 37, masking: Masking::of(24) }),
        ..spec.clone()
    };
    let set = |sites: &[&str]| -> (HeaderSet, Value) {
        let entries: Vec<(String, Digest)> =
            sites.iter().map(|site| ((*site).to_owned(), digest(site))).collect();
        let fields = entries.iter().map(|(site, header)| json!([site, header.to_string()]));
        (HeaderSet::new(entries.clone()), Value::Array(fields.collect()))
    };
    let (three, three_fields) = set(&["site-a", "site-b", "site-c"]);
    let (two, two_fields) = set(&["site-a", "site-b"]);
    let (one, one_fields) = set(&["site-c"]);
    let preps: Vec<Digest> = ["1", "2", "3"].map(digest).to_vec();
    let hex =
        |digests: &[Digest]| -> Vec<String> { digests.iter().map(Digest::to_string).collect() };
    let node = "node-1".to_owned();
    let header = Header {
        round,
        site: "site-a".into(),
        nonce: *b"0123456789abcdef",
        public_share: digest("public"),
        shares: preps.clone(),
        ledger_len: 3,
        ledger_head: digest("head"),
    };
    let held = HeldSet { round, node: node.clone(), headers: three.clone() };
    let prepared = Prepared { round, node: node.clone(), candidates: three, preps: preps.clone() };
    let accepted = AcceptedSet { round, headers: two, refused: one, preps: digest("preps") };
    let deal =
        Deal { round, node: node.clone(), accepted: accepted.digest(), shares: preps.clone() };
    let release = Release { round, node, accepted: accepted.digest(), sum: digest("sum") };
    let key = IdentityKey::from_secret(&[7; 32]);
    let vector = |label: &str, fields: Value, bytes: Vec<u8>| {
        let digest = Digest::of(&bytes);
        let signature = to_hex(key.sign(&digest).as_bytes());
        json!({
            "label": label, "fields": fields, "bytes": to_hex(&bytes),
            "digest": digest.to_string(), "signature": signature,
        })
    };
    fn bytes<T: Canonical>(value: &T, key: &IdentityKey) -> Vec<u8> {
        Signed::new(value, key).body
    }
    let round_text = round.to_string();
    let structures = vec![
        vector(RoundSpec::LABEL, spec_fields(&spec), bytes(&spec, &key)),
        vector(RoundSpec::LABEL, spec_fields(&masked), bytes(&masked, &key)),
        vector(
            Header::LABEL,
            json!({
                "round": round_text, "site": "site-a", "nonce": to_hex(&header.nonce),
                "public_share": header.public_share.to_string(), "shares": hex(&header.shares),
                "ledger_len": 3, "ledger_head": header.ledger_head.to_string(),
            }),
            bytes(&header, &key),
        ),
        vector(
            HeldSet::LABEL,
            json!({ "round": round_text, "node": "node-1", "headers": three_fields }),
            bytes(&held, &key),
        ),
        vector(
            Prepared::LABEL,
            json!({
                "round": round_text, "node": "node-1", "candidates": three_fields,
                "preps": hex(&preps),
            }),
            bytes(&prepared, &key),
        ),
        vector(
            AcceptedSet::LABEL,
            json!({
                "round": round_text, "headers": two_fields, "refused": one_fields,
                "preps": digest("preps").to_string(),
            }),
            bytes(&accepted, &key),
        ),
        vector(
            Deal::LABEL,
            json!({
                "round": round_text, "node": "node-1",
                "accepted": accepted.digest().to_string(), "shares": hex(&preps),
            }),
            bytes(&deal, &key),
        ),
        vector(
            Release::LABEL,
            json!({
                "round": round_text, "node": "node-1",
                "accepted": accepted.digest().to_string(), "sum": digest("sum").to_string(),
            }),
            bytes(&release, &key),
        ),
    ];
    let made = json!({ "identity_secret": "07".repeat(32), "structures": structures });
    frozen(&vectors(), &made);
    let Some(python) = python() else { return };
    let (ok, said) = run(&python, ["vectors", vectors().to_str().unwrap()]);
    assert!(ok && said.contains("8 structures are as written"), "{said}");
}
