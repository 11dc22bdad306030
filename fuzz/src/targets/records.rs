//! What parties of a study with nodes send each other as canonical bytes (`haima_smpc_node::{spec,
//! header, record, submission, bundle, epoch, round}`): read, and then used as a node would.

use std::sync::{Arc, LazyLock};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::Signature;
use haima_crypto::secret::Seed;
use haima_smpc_node::bundle::{Bundle, Part};
use haima_smpc_node::epoch::{Keys, Offer, Record};
use haima_smpc_node::header::{Header, SignedHeader};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::proof::Proof;
use haima_smpc_node::record::{
    AcceptedSet, AuditRecord, Deal, GivenUp, HeaderSet, HeldSet, Prepared, Release, Signed,
    sum_digest,
};
use haima_smpc_node::round::{Agreed, Closed, Collecting, Committed, Context};
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::submission::Submission;

use super::fixture::{self, SITES, node_key, site_key};
use super::tools::{Cut, check, rng, strict, tagged};

static STUDY: LazyLock<(Arc<Manifest>, RoundSpec)> = LazyLock::new(|| {
    let manifest = fixture::manifest(2, 2).checked().unwrap();
    let spec = fixture::spec(&manifest, 2);
    (Arc::new(manifest), spec)
});

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let (tag, bytes) = (cut.byte(), cut.0);
    let (manifest, own) = &*STUDY;
    match tag % 16 {
        0 => check::<Header>(bytes),
        1 => check::<HeldSet>(bytes),
        2 => check::<Prepared>(bytes),
        3 => check::<AcceptedSet>(bytes),
        4 => check::<Deal>(bytes),
        5 => check::<Release>(bytes),
        6 => check::<GivenUp>(bytes),
        7 => check::<AuditRecord>(bytes),
        8 => check::<Submission>(bytes),
        9 => check::<Offer>(bytes),
        10 => {
            if let Some(spec) = strict::<RoundSpec>(bytes)
                && spec.check(manifest, "node-1").is_ok()
            {
                // What passed the check can be proved and charged.
                assert!(Proof::new(&spec, manifest.nodes.len()).is_ok());
                assert!(spec.charge(&mut rng()).is_ok());
            }
        }
        11 => {
            if let Some(bundle) = strict::<Bundle>(bytes) {
                let _ = bundle.verify(manifest);
            }
        }
        12 => {
            if let Some(record) = strict::<Record>(bytes) {
                let _ = record.verify(manifest);
            }
        }
        13 => {
            let signature = Signature::from_bytes([0; 64]);
            let header = SignedHeader { bytes: bytes.to_vec(), signature };
            let key = site_key(0).public();
            assert!(header.verify(SITES[0], &key, &own.digest(), 2).is_err(), "not signed");
        }
        14 => {
            if let Ok(entry) = AuditRecord::open(bytes, "node-1", &node_key(1).public()) {
                assert!(entry.seal(&node_key(1)) == bytes, "two encodings of an entry");
            }
        }
        // Whatever a peer signed: taken for what it is, or the peer is named.
        _ => signed(bytes),
    }
}

/// A node at each of its steps hears bytes that its peer has signed.
fn signed(bytes: &[u8]) {
    let (manifest, spec) = &*STUDY;
    let context = || Context::new(spec.clone(), "node-1", Arc::clone(manifest));
    let body = bytes.to_vec();
    let signed = Signed { signature: node_key(2).sign(&Digest::of(&body)), body };
    let Steps { held, prepared, accepted } = steps();
    let _ = Closed::resume(context(), &held).unwrap().held("node-2", &signed);
    let _ = Committed::resume(context(), &prepared).unwrap().prepared("node-2", &signed);
    let mut agreed = Agreed::resume(context(), &accepted).unwrap();
    // Nothing but this node's own set counts for it.
    assert!(agreed.accepted("node-2", &signed).is_err() || signed.body == accepted.body);
}

/// What node 1 signs in a round that site a's and b's submissions came to.
struct Steps {
    held: Signed,
    prepared: Signed,
    accepted: Signed,
}

fn headers() -> Vec<(String, Digest)> {
    SITES.iter().take(2).map(|site| ((*site).to_owned(), Digest::of(site.as_bytes()))).collect()
}

fn steps() -> Steps {
    let (manifest, spec) = &*STUDY;
    let (own, peer) = (node_key(1), node_key(2));
    let context = Context::new(spec.clone(), "node-1", Arc::clone(manifest));
    let (mut closed, held) = Collecting::new(context, headers()).close(&own);
    let (round, node) = (spec.digest(), "node-2".to_owned());
    let headers = HeaderSet::new(headers());
    let of_peer = HeldSet { round, node: node.clone(), headers: headers.clone() };
    closed.held("node-2", &Signed::new(&of_peer, &peer)).unwrap();
    let candidates = closed.candidates().unwrap();
    let (mut committed, prepared) = candidates.commit(&[vec![0], vec![0]], &own);
    let of_peer = Prepared { round, node, candidates: headers, preps: vec![Digest::default(); 2] };
    committed.prepared("node-2", &Signed::new(&of_peer, &peer)).unwrap();
    let revealed = committed.reveal().unwrap();
    let (_, accepted) = revealed.agree(&std::collections::BTreeSet::new(), &own, None).unwrap();
    Steps { held, prepared, accepted }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let (manifest, spec) = &*STUDY;
    let (round, node) = (spec.digest(), "node-1".to_owned());
    let Steps { held, prepared, accepted } = steps();
    let header = Header {
        round,
        site: SITES[0].into(),
        nonce: [1; 16],
        public_share: Digest::of(b"public"),
        shares: vec![Digest::of(b"0"), Digest::of(b"1")],
        ledger_len: 3,
        ledger_head: Digest::of(b"head"),
    };
    let signed_header = SignedHeader::sign(&header, &site_key(0));
    let submission = Submission {
        header: signed_header,
        public: vec![2; 40],
        sealed: vec![vec![3; 60], vec![4; 60]],
    };
    let digest = Digest::of(&accepted.body);
    let deal = Deal { round, node: node.clone(), accepted: digest, shares: vec![digest; 2] };
    let sum = vec![0; 32];
    let release = Release { round, node: node.clone(), accepted: digest, sum: sum_digest(&sum) };
    let audit = AuditRecord {
        party: node.clone(),
        at_ms: 1,
        kind: "opened".into(),
        round,
        subject: "sum".into(),
        digest,
        text: "a text".into(),
    };
    let key = node_key(1);
    let parts = (1..=2).map(|number| {
        let key = node_key(number);
        let release = Release { node: format!("node-{number}"), ..release.clone() };
        let body = accepted.body.clone();
        Part {
            accepted: Signed { signature: key.sign(&Digest::of(&body)), body },
            release: Signed::new(&release, &key),
            sum: Some(sum.clone()),
        }
    });
    let bundle = Bundle { spec: spec.clone(), parts: parts.collect() };
    bundle.verify(manifest).unwrap();
    let offers = (1..=2).map(|number| {
        let keys = Keys::new(&Seed::from_bytes([number; 32])).unwrap();
        keys.offer(&manifest.digest(), &format!("node-{number}"), &node_key(number))
    });
    let record = Record(offers.collect());
    record.verify(manifest).unwrap();
    vec![
        tagged(0, &header.to_bytes()),
        tagged(1, &held.body),
        tagged(2, &prepared.body),
        tagged(3, &accepted.body),
        tagged(4, &deal.to_bytes()),
        tagged(5, &release.to_bytes()),
        tagged(6, &GivenUp { round, node }.to_bytes()),
        tagged(7, &audit.to_bytes()),
        tagged(8, &submission.to_bytes()),
        tagged(9, &record.0[0].body),
        tagged(10, &spec.to_bytes()),
        tagged(11, &bundle.to_bytes()),
        tagged(12, &record.to_bytes()),
        tagged(13, &header.to_bytes()),
        tagged(14, &audit.seal(&key)),
        tagged(15, &held.body),
        tagged(15, &accepted.body),
    ]
}
