//! How a round hides contributions: shares with the parameters of their proof, or masks. Each has one
//! allowed value for dimension, bound and noise (rules R7, N5, M1); it stands in the spec so that a
//! charge names it (rule R1).

use haima_crypto::encode::Decoder;
use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::pine::Params;

use super::RoundEvent;
use crate::Error;
use crate::manifest::Manifest;
use crate::masking::MaskSpec;

/// Encoded bounds up to this fit the 64-bit field with room for PINE's checks (`docs/protocol.md`, "Round spec").
const MAX_BOUND_64: u64 = 1 << 24;

/// The field of a round's shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// [`Field64`].
    Bits64,
    /// [`Field128`].
    Bits128,
}

impl FieldKind {
    /// The smallest field for an encoded bound.
    #[must_use]
    pub fn for_bound(bound: u64) -> Self {
        if bound <= MAX_BOUND_64 { Self::Bits64 } else { Self::Bits128 }
    }

    /// The prime.
    #[must_use]
    pub fn modulus(self) -> u128 {
        match self {
            Self::Bits64 => Field64::MODULUS,
            Self::Bits128 => Field128::MODULUS,
        }
    }

    /// Bytes of an element.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Bits64 => Field64::BYTES,
            Self::Bits128 => Field128::BYTES,
        }
    }
}

/// Parameters of PINE that a round's vectors are proved with. They follow from field, dimension
/// and bound, so that nobody can ask for a weaker proof; they stand in the spec so
/// that a charge names them (rule R1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofSpec {
    /// Wrap-around checks.
    pub checks: u32,
    /// How many of them must pass.
    pub successes: u32,
    /// Proofs of the circuit of bits and checks.
    pub proofs: u32,
    /// Proofs of the norm's equality.
    pub proofs_norm_equality: u32,
    /// Chunk length of the first circuit.
    pub chunk: u32,
    /// Chunk length of the second.
    pub chunk_norm_equality: u32,
}

impl ProofSpec {
    /// Number of parameters.
    const LEN: usize = 6;

    /// The one choice of parameters (rule R7).
    ///
    /// # Errors
    /// When PINE cannot prove such a bound, with the figure.
    pub fn new(
        field: FieldKind,
        dimension: usize,
        bound: u64,
        nodes: usize,
    ) -> Result<Self, haima_crypto::Error> {
        let params = match field {
            FieldKind::Bits64 => Params::new::<Field64>(dimension, bound, nodes),
            FieldKind::Bits128 => Params::new::<Field128>(dimension, bound, nodes),
        }?;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Self {
            checks: number(params.checks),
            successes: number(params.successes),
            proofs: number(params.proofs),
            proofs_norm_equality: number(params.proofs_norm_equality),
            chunk: number(params.chunk),
            chunk_norm_equality: number(params.chunk_norm_equality),
        })
    }

    /// The parameters in the order in which the spec has them.
    #[must_use]
    pub fn to_array(self) -> [u32; Self::LEN] {
        [
            self.checks,
            self.successes,
            self.proofs,
            self.proofs_norm_equality,
            self.chunk,
            self.chunk_norm_equality,
        ]
    }

    fn from_array(array: [u32; Self::LEN]) -> Self {
        let [checks, successes, proofs, proofs_norm_equality, chunk, chunk_norm_equality] = array;
        Self { checks, successes, proofs, proofs_norm_equality, chunk, chunk_norm_equality }
    }
}

/// Shares of a round, in a study with nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareSpec {
    /// Field of the shares. The XOF is HMAC-SHA256-AES128.
    pub field: FieldKind,
    /// Parameters of the proof that a vector's norm is within the bound.
    pub proof: ProofSpec,
}

impl ShareSpec {
    /// The one choice for a dimension and a bound among so many nodes.
    ///
    /// # Errors
    /// When PINE cannot prove such a bound, with the figure.
    pub fn new(dimension: usize, bound: u64, nodes: usize) -> Result<Self, haima_crypto::Error> {
        let field = FieldKind::for_bound(bound);
        Ok(Self { field, proof: ProofSpec::new(field, dimension, bound, nodes)? })
    }

    pub(super) fn decode(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let field = match from.u8()? {
            0 => FieldKind::Bits64,
            1 => FieldKind::Bits128,
            _ => return Err(from.fail("unknown field")),
        };
        if from.u8()? != 0 || from.u8()? != 1 {
            return Err(from.fail("unknown XOF or proof"));
        }
        let mut parameters = [0; ProofSpec::LEN];
        for parameter in &mut parameters {
            *parameter = from.u32()?;
        }
        Ok(Self { field, proof: ProofSpec::from_array(parameters) })
    }
}

/// How a round hides contributions until they are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hiding {
    /// Shares among the study's nodes.
    Shares(ShareSpec),
    /// Masks that cancel in the sum.
    Masks(MaskSpec),
}

impl Hiding {
    /// The one choice for a round: how the manifest has it, and as large as bound and noise need.
    ///
    /// # Errors
    /// [`Error::Spec`] in the name of `party` when the sum could wrap around (rule N5), or PINE cannot
    /// prove such a bound.
    pub fn new(
        manifest: &Manifest,
        dimension: usize,
        bound: u64,
        event: RoundEvent,
        party: &str,
    ) -> Result<Self, Error> {
        let refuse = |problem: String| Error::Spec { party: party.to_owned(), problem };
        let s = match event {
            RoundEvent::Exact => 0,
            RoundEvent::DiscreteGaussian { s, .. } => s,
        };
        let (sites, nodes) = (manifest.sites.len(), manifest.nodes.len());
        let overflow = |what: &str| {
            refuse(format!("{sites} sites with bound {bound} and noise {s} could overflow {what}"))
        };
        if let Some(masking) = manifest.masking {
            // The manifest has at most 200 sites.
            let masks = MaskSpec::new(masking, sites as u32, bound, s);
            return masks.map(Self::Masks).ok_or_else(|| overflow("64 bits"));
        }
        let field = FieldKind::for_bound(bound);
        if !haima_dp::noise::fits(sites as u64, bound, nodes as u64, s, field.modulus()) {
            return Err(overflow("the field"));
        }
        let shares = ShareSpec::new(dimension, bound, nodes);
        shares.map(Self::Shares).map_err(|e| refuse(e.to_string()))
    }
}
