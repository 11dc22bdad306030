//! Texts and files that people and other parties hand over: manifests, approvals, plans, requests,
//! keys, certificates, digests (`haima_smpc_node::{manifest, study, plan, provision, tls,
//! keyfile}`).

use haima_crypto::encode::from_hex;
use haima_crypto::identity::IdentityPublic;
use haima_crypto::secret::Seed;
use haima_smpc_node::keyfile;
use haima_smpc_node::manifest::{Manifest, Party, fingerprint};
use haima_smpc_node::plan::Plan;
use haima_smpc_node::provision::{Request, Role};
use haima_smpc_node::study::{Approvals, Study};
use haima_smpc_node::tls::{self, TlsIdentity};

use super::fixture::{self, node_key};
use super::tools::{Cut, tagged, with_file};

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let (tag, bytes) = (cut.byte(), cut.0);
    let text = std::str::from_utf8(bytes);
    match (tag % 8, text) {
        (0, Ok(text)) => manifest(text),
        (1, Ok(text)) => {
            if let Ok(approvals) = toml::from_str::<Approvals>(text) {
                let manifest = fixture::manifest(2, 2);
                let all =
                    approvals.check(&manifest).is_ok() && approvals.missing(&manifest).is_empty();
                let opened = Study::open(manifest.checked().unwrap(), &approvals);
                assert_eq!(opened.is_ok(), all, "a study is had with all signatures, and no other");
            }
        }
        (2, Ok(text)) => {
            if let Ok(plan) = toml::from_str::<Plan>(text) {
                let again: Plan = toml::from_str(&toml::to_string(&plan).unwrap()).unwrap();
                let has_nan = plan.tasks.iter().any(|it| (it.noise.q + it.noise.delta).is_nan());
                assert!(has_nan || again.digest() == plan.digest());
                for task in plan.tasks {
                    let _ = task.attempt();
                }
            }
        }
        (3, _) => {
            if let Ok(request) = with_file(bytes, Request::read) {
                // It is signed: what was read is told by its fingerprint.
                assert_eq!(request.fingerprint().unwrap().len(), 29);
            }
        }
        (4, Ok(text)) => {
            let _ = tls::pin_of_pem("a party", text);
        }
        (5, _) => {
            let _ = tls::pin_of_der("a party", bytes);
        }
        (6, _) => with_file(bytes, |path| {
            let _ = (keyfile::read_identity(path), keyfile::read_noise(path));
            let _ = keyfile::read_epoch(path);
        }),
        (7, Ok(text)) => hexadecimal(text),
        (_, Err(_) | Ok(_)) => {}
    }
}

/// A manifest that is read is the same one after it was written.
fn manifest(text: &str) {
    let Ok(manifest) = Manifest::parse(text) else { return };
    let written = toml::to_string(&manifest).expect("a manifest is written");
    let again = Manifest::parse(&written).expect("what was written is read");
    assert_eq!(again.digest(), manifest.digest());
    assert!(manifest.parties().all(|(name, _, _)| manifest.identity(name).is_ok()));
    assert_eq!(manifest.pins().len(), manifest.parties().count());
}

fn hexadecimal(text: &str) {
    assert_eq!(Seed::from_hex(text.as_bytes()).is_some(), from_hex::<32>(text).is_ok());
    if let Ok(bytes) = from_hex::<32>(text) {
        assert_eq!(haima_crypto::encode::to_hex(&bytes), text.to_lowercase());
    }
    if let Ok(key) = IdentityPublic::from_hex(text) {
        assert_eq!(key.to_string(), text.to_lowercase());
        assert!(fingerprint(text, text).is_ok());
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let manifest = fixture::manifest(2, 2).checked().unwrap();
    let mut approvals = Approvals::new(&manifest);
    approvals.sign(&manifest, "node-1", &node_key(1)).unwrap();
    let party = Party {
        name: "node-1".into(),
        operator: "an operator".into(),
        identity: node_key(1).public().to_string(),
        tls: "11".repeat(32),
        address: "127.0.0.1:1".into(),
    };
    let request = Request::sign(Role::Node, party, &node_key(1));
    let (certificate, _) = TlsIdentity::generate("node-1").unwrap();
    let folder = super::tools::folder();
    let path = folder.path().join("identity.key");
    keyfile::write_identity(&path, &node_key(1)).unwrap();
    vec![
        tagged(0, toml::to_string(&manifest).unwrap().as_bytes()),
        tagged(1, toml::to_string(&approvals).unwrap().as_bytes()),
        tagged(2, toml::to_string(&Plan::of(&manifest)).unwrap().as_bytes()),
        tagged(3, toml::to_string(&request).unwrap().as_bytes()),
        tagged(4, certificate.as_bytes()),
        tagged(6, &std::fs::read(&path).unwrap()),
        tagged(7, node_key(1).public().to_string().as_bytes()),
    ]
}
