//! What leaves a site in a round, counted in numbers and bytes before anything is computed: a function of
//! the spec and the manifest.

use haima_crypto::encode::{Canonical as _, Digest};
use haima_crypto::seal::sealed_len;
use haima_smpc_node::header::Header;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::masking::Mode;
use haima_smpc_node::proof::Proof;
use haima_smpc_node::spec::RoundSpec;
use serde::Serialize;

use crate::Error;

/// Bytes of a signature.
const SIGNATURE: usize = 64;

/// What one party is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The party.
    pub to: String,
    /// Who runs it.
    pub operator: String,
    /// What it is, in words.
    pub what: String,
    /// Elements of the vector that are in it; 0 of a share that is a seed.
    pub elements: u64,
    /// Bits of an element.
    pub element_bits: u32,
    /// Bytes on the way: header, signature, the proof's public share and the sealed share; in masked
    /// mode the masked vector.
    pub bytes: u64,
}

/// What leaves in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::site) struct Leaving {
    pub(in crate::site) parts: Vec<Part>,
}

impl Leaving {
    /// What `site` sends in a round of this spec.
    ///
    /// # Errors
    /// When the spec's proof or ring is none.
    pub(in crate::site) fn of(
        spec: &RoundSpec,
        manifest: &Manifest,
        site: &str,
    ) -> Result<Self, Error> {
        let elements = spec.dimension() as u64;
        if manifest.mode == Mode::Masked {
            let masks = spec.masks()?;
            let bytes = masks.ring()?.packed_len(spec.dimension())? as u64;
            let party = &manifest.coordinator;
            let part = Part {
                to: party.name.clone(),
                operator: party.operator.clone(),
                what: "the vector under masks, which cancel in the sum alone".into(),
                elements,
                element_bits: masks.bits.into(),
                bytes,
            };
            return Ok(Self { parts: vec![part] });
        }
        let nodes = manifest.nodes.len();
        let proof = Proof::new(spec, nodes)?;
        let element_bits = 8 * spec.shares()?.field.bytes() as u32;
        let header = Header {
            round: Digest::default(),
            site: site.to_owned(),
            nonce: [0; 16],
            public_share: Digest::default(),
            shares: vec![Digest::default(); nodes],
            ledger_len: 0,
            ledger_head: Digest::default(),
        };
        let same = header.to_bytes().len() + SIGNATURE + proof.public_len();
        let parts = manifest.nodes.iter().enumerate().map(|(position, node)| {
            let (what, elements) = match position {
                0 => ("a share of every number, and of the proof of the bound; sealed", elements),
                _ => ("seeds that its share is expanded from; sealed", 0),
            };
            let bytes = same.saturating_add(sealed_len(proof.share_len(position)));
            Part {
                to: node.name.clone(),
                operator: node.operator.clone(),
                what: what.into(),
                elements,
                element_bits,
                bytes: bytes as u64,
            }
        });
        Ok(Self { parts: parts.collect() })
    }

    /// All bytes together.
    pub(in crate::site) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).fold(0, u64::saturating_add)
    }
}
