//! A released sum as everybody reads it, whichever way it was formed.

use haima_crypto::encode::{Canonical, Digest};
use haima_smpc_node::bundle::{Bundle, release_digest};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::masking::Mode;
use haima_smpc_node::spec::RoundSpec;

use super::masked::MaskedSum;
use crate::Error;

/// A verified release.
#[derive(Clone, Debug)]
pub struct Release {
    /// The round.
    pub spec: RoundSpec,
    /// What the next step names as the release before it.
    pub digest: Digest,
    /// The released sum, in grid steps.
    pub integers: Vec<i128>,
    /// Sites whose contributions are in it.
    pub accepted: Vec<String>,
    /// Draws of noise in it, where the round has noise: of all nodes, or of all accepted sites.
    pub draws: u32,
    /// What else the coordinator's journal says of it.
    pub remarks: Vec<Remark>,
}

/// Who deviated, or may have, without preventing the sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Kind of the journal's record.
    pub kind: &'static str,
    /// Whom it is about.
    pub subject: String,
    /// What is on record.
    pub digest: Digest,
    /// In words.
    pub text: String,
}

/// Kind of a remark on a site whose proof failed (rule R3).
pub const NOT_ACCEPTED: &str = "not accepted";

impl Release {
    /// Reads and verifies a release of a study.
    ///
    /// # Errors
    /// When it does not decode or verify, naming the party whose part fails.
    pub fn read(bytes: &[u8], manifest: &Manifest) -> Result<Self, Error> {
        match manifest.mode {
            Mode::Nodes => Self::of_nodes(Bundle::from_bytes(bytes)?, manifest),
            Mode::Masked => MaskedSum::from_bytes(bytes)?.verify(manifest),
        }
    }

    /// What all nodes released together.
    fn of_nodes(bundle: Bundle, manifest: &Manifest) -> Result<Self, Error> {
        let verified = bundle.verify(manifest)?;
        let digest = release_digest(&bundle);
        let refused = verified.accepted.refused.entries().iter().map(|(site, header)| Remark {
            kind: NOT_ACCEPTED,
            subject: site.clone(),
            digest: *header,
            text: "not accepted: the site or a node deviated (its proof failed)".into(),
        });
        let wrong = verified.wrong.iter().map(|node| Remark {
            kind: "wrong point",
            subject: node.clone(),
            digest,
            text:
                "its point did not fit the others' and is left out: it, or one that dealt to it, \
                   deviated"
                    .into(),
        });
        Ok(Self {
            spec: bundle.spec,
            digest,
            remarks: refused.chain(wrong).collect(),
            accepted: verified.accepted.headers.sites().map(str::to_owned).collect(),
            // At most 64 nodes, each of which adds the full scale (rule N1).
            draws: manifest.nodes.len() as u32,
            integers: verified.integers,
        })
    }

    /// Sites that were left out since their proof failed.
    pub fn refused(&self) -> impl Iterator<Item = &str> {
        let failed = self.remarks.iter().filter(|remark| remark.kind == NOT_ACCEPTED);
        failed.map(|remark| remark.subject.as_str())
    }
}
