//! What a coordinator tells the sites of masked mode: a sum (`haima::sum::release`), and the other
//! sites' advertisements and agreements (`haima::sum::masked`); read, then checked as sites do.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use haima::sum::masked::{
    ADVERTISEMENTS, AGREEMENTS, MaskedSum, context, epoch_context, read_list, write_list,
};
use haima::sum::release::Release;
use haima_crypto::encode::{Canonical, Digest, Encoder};
use haima_crypto::identity::Signature;
use haima_crypto::secagg::{
    Advertisement, Advertising, Agreement, Confirmation, Dispute, EpochContext, Origin, Partition,
    Secret, Sum, UnmaskRequest,
};
use haima_smpc_node::manifest::{Class, Manifest};
use haima_smpc_node::masking::{Masking, Mode};
use haima_smpc_node::plan::Plan;
use haima_smpc_node::spec::{Hiding, RoundEvent, RoundSpec};

use super::fixture::{self, SITES, coordinator_key, site_key};
use super::tools::{Cut, rng, strict, tagged};

/// A study in masked mode, and a round of it.
struct Study {
    manifest: Manifest,
    epoch: EpochContext,
    /// All sites' advertisements, and the agreements to the last site.
    lists: [Vec<u8>; 2],
    spec: RoundSpec,
}

static STUDY: LazyLock<Study> = LazyLock::new(|| {
    let mut manifest = fixture::manifest(0, 3);
    (manifest.mode, manifest.masking) = (Mode::Masked, Some(Masking::of(3)));
    let task = &mut manifest.tasks[0];
    (task.class, task.noise) = (Class::Exact, None);
    manifest.plan = Plan::of(&manifest).digest().to_string();
    let manifest = manifest.checked().expect("a manifest");

    let epoch = epoch_context(&manifest, 7).expect("an epoch");
    let identities = [0, 1, 2].map(site_key);
    let rng = &mut rng();
    let started = identities.each_ref().map(|key| Advertising::start(epoch.clone(), key, rng));
    let (states, advertisements): (Vec<_>, Vec<_>) =
        started.into_iter().map(|started| started.expect("a site")).unzip();
    let mut agreements = Vec::new();
    for (state, key) in states.into_iter().zip(&identities) {
        let (_, made) = state.agree(&advertisements, key, rng).expect("all advertisements");
        agreements.extend(made.into_iter().filter(|agreement| agreement.to == 2));
    }
    let lists = [write_list(ADVERTISEMENTS, &advertisements), write_list(AGREEMENTS, &agreements)];

    let (shares, event) = (fixture::spec(&fixture::manifest(2, 3), 3), RoundEvent::Exact);
    let hiding = Hiding::new(&manifest, shares.dimension(), shares.bound, event, SITES[0]);
    let spec = RoundSpec {
        manifest: manifest.digest(),
        roster: manifest.roster_digest(),
        epoch: epoch.close(&advertisements).expect("all advertisements"),
        hiding: hiding.expect("a ring"),
        sensitivity: 0,
        event,
        ..shares
    };
    spec.check(&manifest, SITES[0]).expect("a round of the study");
    Study { manifest, epoch, lists, spec }
});

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let (tag, bytes) = (cut.byte(), cut.0);
    let Study { manifest, epoch, spec, .. } = &*STUDY;
    match tag % 3 {
        0 => {
            if let Some(sum) = strict::<MaskedSum>(bytes) {
                let _ = Release::read(bytes, manifest);
                // The coordinator signs what it likes.
                if let Ok(release) = signed(&sum).verify(manifest) {
                    assert_eq!(release.integers.len(), release.spec.dimension());
                }
            }
        }
        1 => {
            if let Some(all) = list::<Advertisement>(ADVERTISEMENTS, bytes) {
                let _ = epoch.close(&all);
            }
        }
        _ => {
            for agreement in list::<Agreement>(AGREEMENTS, bytes).unwrap_or_default() {
                let _ = epoch.check_agreement(&agreement, &spec.epoch);
            }
        }
    }
}

/// Reads a list, which has no other encoding.
fn list<T: Canonical>(label: &'static str, bytes: &[u8]) -> Option<Vec<T>> {
    let items = read_list(label, bytes).ok()?;
    assert!(write_list(label, &items) == bytes, "two encodings of a list");
    Some(items)
}

/// A sum with the coordinator's signature over whatever is in it.
fn signed(sum: &MaskedSum) -> MaskedSum {
    let bytes = sum.to_bytes();
    // All fields but the signature, under a label of their own.
    let fields = &bytes[Encoder::new(MaskedSum::LABEL).finish().len()..bytes.len() - 64];
    let statement = [&Encoder::new("haima masked sum signed 1").finish()[..], fields].concat();
    MaskedSum { signature: coordinator_key().sign(&Digest::of(&statement)), ..sum.clone() }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let Study { manifest, lists: [advertisements, agreements], spec, .. } = &*STUDY;
    let context = context(manifest, spec).expect("terms");
    let (absent, vanished) = (BTreeSet::new(), BTreeSet::new());
    let partition = Partition { absent, vanished, survivors: (0..3).collect() };
    let cohort = Digest::of(b"cohort");
    let confirm = |site: u8| {
        let origin = Origin { round: spec.digest(), terms: *context.digest(), site: site.into() };
        let (partition, signature) = (partition.digest(), Signature::from_bytes([0; 64]));
        let unsigned = Confirmation { origin, cohort, partition, signature }.to_bytes();
        let statement = Digest::of(&unsigned[..unsigned.len() - 64]);
        (u32::from(site), site_key(site).sign(&statement))
    };
    let confirmations = (0..3).map(confirm).collect();
    let request = UnmaskRequest { partition: partition.clone(), confirmations };
    let disputes = vec![Dispute { dealer: 0, holder: 1, secret: Secret::Backup }];
    let sum = Sum { values: vec![1, -2, 3, -4], partition, disputes };
    let sum = MaskedSum::sign(spec, cohort, request, sum, &coordinator_key());
    assert!(signed(&sum).signature == sum.signature, "the coordinator signs something else");
    let sum = sum.to_bytes();
    Release::read(&sum, manifest).expect("a release");
    vec![tagged(0, &sum), tagged(1, advertisements), tagged(2, agreements)]
}
