//! A small study: its manifest, one round's spec, the nodes' keys, and what sites contribute.

use std::sync::Arc;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::field::Field64;
use haima_crypto::identity::IdentityKey;
use haima_crypto::secret::Seed;
use haima_crypto::share::Aggregate;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::noise;
use haima_smpc_node::record::{AcceptedSet, HeaderSet};
use haima_smpc_node::round::Context;
use haima_smpc_node::spec::RoundSpec;

use super::fixture::{self, LEN, node_key};

pub(crate) use super::fixture::SITES;

/// Fewest operators of a release. Every site has its own.
pub(crate) const FLOOR: u32 = 2;
/// What every node but the first holds of every contribution.
const MASK: i64 = 777;

/// Which version of its contribution each site showed a node, if any.
pub(crate) type Submissions = [Option<u8>; SITES.len()];

/// A node that is not the shipped one: the checker must find it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It sends its held set before it stores it.
    SendsBeforeItStores,
    /// It takes a peer's signature over another accepted set for one over its own.
    TakesAnySet,
    /// It does not hold peers to commitments that it saw before a restart.
    ForgetsCommitments,
    /// The study has a floor of one operator.
    NoFloor,
    /// It does not hear that a peer gave the round up.
    DeafToFailure,
    /// Committed, it gives up when a peer says without a signature that it did.
    BelievesABareWord,
    /// It draws noise for other bytes than the accepted set's digest.
    NoiseOfAnotherSet,
}

/// The study, and its one round.
pub(crate) struct Study {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) spec: RoundSpec,
    pub(crate) round: Digest,
    pub(crate) keys: Vec<IdentityKey>,
    pub(crate) fault: Option<Fault>,
}

impl Study {
    pub(crate) fn new(nodes: u8, fault: Option<Fault>) -> Self {
        let floor = if fault == Some(Fault::NoFloor) { 1 } else { FLOOR };
        let manifest = fixture::manifest(nodes, floor);
        // The floor of the faulty one is one that no manifest passes with.
        assert_eq!(manifest.clone().checked().is_ok(), floor == FLOOR);
        let spec = fixture::spec(&manifest, floor);
        spec.check(&manifest, "node-1").expect("a spec that every node takes");
        let round = spec.digest();
        let keys = (1..=nodes).map(node_key).collect();
        Self { manifest: Arc::new(manifest), spec, round, keys, fault }
    }

    pub(crate) fn name(&self, node: usize) -> &str {
        &self.manifest.nodes[node].name
    }

    pub(crate) fn context(&self, node: usize) -> Context {
        Context::new(self.spec.clone(), self.name(node), Arc::clone(&self.manifest))
    }

    /// A node's noised sum of its shares of an accepted set.
    pub(crate) fn answer(&self, node: usize, held: &Submissions, set: &AcceptedSet) -> Vec<u8> {
        let mut sum = Aggregate::<Field64>::new(node, LEN);
        for site in set.headers.sites().map(position) {
            let version = held[site].expect("what is accepted is held");
            let others = i64::try_from(self.keys.len() - 1).unwrap();
            let share = if node == 0 { value(site, version) - others * MASK } else { MASK };
            sum.add_integers(&[share; LEN]).unwrap();
        }
        let bytes = match self.fault {
            Some(Fault::NoiseOfAnotherSet) => Digest::of(b"another set"),
            _ => set.digest(),
        };
        sum.add_integers(&self.noise(node, &bytes)).unwrap();
        sum.to_bytes()
    }

    fn noise(&self, node: usize, set: &Digest) -> Vec<i64> {
        let key = Seed::from_bytes([u8::try_from(node).unwrap() + 100; 32]);
        noise::draw(&key, &self.round, set, self.spec.event, LEN).unwrap().to_vec()
    }

    /// What all nodes' sums come to: the accepted contributions, with one noise a node.
    pub(crate) fn released(&self, set: &AcceptedSet) -> Vec<i128> {
        let digest = set.digest();
        let noises: Vec<_> = (0..self.keys.len()).map(|node| self.noise(node, &digest)).collect();
        let accepted = set.headers.entries().iter().map(|(site, header)| {
            let site = position(site);
            let version = (0..=1).find(|version| self::header(site, *version) == *header);
            value(site, version.expect("a header that the site made"))
        });
        let plain: i64 = accepted.sum();
        let noise_at = |at: usize| noises.iter().map(|noise| noise[at]).sum::<i64>();
        (0..LEN).map(|at| i128::from(plain + noise_at(at))).collect()
    }
}

fn position(site: &str) -> usize {
    SITES.iter().position(|name| *name == site).expect("a site of the study")
}

/// What a site contributes in one of its versions.
fn value(site: usize, version: u8) -> i64 {
    [1, 10, 100][site] + 1000 * i64::from(version)
}

/// The digest of its header.
fn header(site: usize, version: u8) -> Digest {
    Digest::of(format!("header {version} of {}", SITES[site]).as_bytes())
}

/// The headers of submissions.
pub(crate) fn headers(held: &Submissions) -> Vec<(String, Digest)> {
    let each = held.iter().enumerate();
    each.filter_map(|(site, version)| Some((SITES[site].to_owned(), header(site, (*version)?))))
        .collect()
}

/// As a set.
pub(crate) fn header_set(held: &Submissions) -> HeaderSet {
    HeaderSet::new(headers(held))
}
