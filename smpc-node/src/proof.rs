//! PINE as a round uses it: parameters, field and XOF come from the spec, and nothing else does.
//!
//! A site proves that the L2 norm of its integer vector is at most the round's bound; the nodes
//! verify it on shares. Each node makes one preparation share a submission, from its own share and
//! the verify key; the decision is a function of the public share and all nodes' preparation
//! shares alone, so every node that sees the same bytes decides the same (rule R3).

use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::pine::{self, Params, Sharding};
use haima_crypto::secret::Seed;
use haima_crypto::share::Aggregate;
use haima_crypto::xof::XofHmacSha256Aes128;
use rand_core::CryptoRng;

use crate::Error;
use crate::spec::{FieldKind, RoundSpec};

type Over<F> = pine::Pine<F, XofHmacSha256Aes128>;

/// The proof of one round.
#[derive(Debug)]
pub enum Proof {
    /// Over the 64-bit field.
    Bits64(Over<Field64>),
    /// Over the 128-bit field.
    Bits128(Over<Field128>),
}

/// Runs an expression over the instance of either field.
macro_rules! over {
    ($self:expr, $pine:ident => $body:expr) => {
        match $self {
            Proof::Bits64($pine) => $body,
            Proof::Bits128($pine) => $body,
        }
    };
}

impl Proof {
    /// The proof of a round among `nodes` nodes.
    ///
    /// # Errors
    /// When PINE cannot prove such a bound, with the figure.
    pub fn new(spec: &RoundSpec, nodes: usize) -> Result<Self, Error> {
        Ok(match spec.shares()?.field {
            FieldKind::Bits64 => Self::Bits64(open(spec, nodes)?),
            FieldKind::Bits128 => Self::Bits128(open(spec, nodes)?),
        })
    }

    /// Bytes of a public share.
    #[must_use]
    pub fn public_len(&self) -> usize {
        over!(self, pine => pine.public_share_len())
    }

    /// Bytes of the share of the node at a position.
    #[must_use]
    pub fn share_len(&self, position: usize) -> usize {
        over!(self, pine => pine.share_len(position))
    }

    /// Bytes of a preparation share.
    #[must_use]
    pub fn prep_len(&self) -> usize {
        over!(self, pine => pine.prep_share_len())
    }

    /// Shares a vector with its proof (site).
    ///
    /// # Errors
    /// When the vector passes the bound, with the figure.
    pub fn shard<R: CryptoRng + ?Sized>(
        &self,
        values: &[i64],
        nonce: &[u8; 16],
        rng: &mut R,
    ) -> Result<Sharding, Error> {
        Ok(over!(self, pine => pine.shard(values, nonce, rng))?)
    }

    /// This node's preparation share of one submission (node; once a submission, rule R4).
    ///
    /// # Errors
    /// When a share does not decode.
    pub fn prep(
        &self,
        key: &Seed,
        position: usize,
        nonce: &[u8; 16],
        public: &[u8],
        share: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let (_, prep) = over!(self, pine => pine.prep(key.expose(), position, nonce, public, share)
            .map(|(state, prep)| { drop(state); ((), prep) }))?;
        Ok(prep)
    }

    /// Whether a submission's proof holds, from what all nodes saw of it. Holds exactly when every
    /// node's own check would: the parts of the joint randomness that the nodes recomputed must be
    /// those of the public share.
    ///
    /// # Errors
    /// Why it does not.
    pub fn decide(&self, public: &[u8], preps: &[&[u8]]) -> Result<(), Error> {
        Ok(over!(self, pine => pine.decide(public, preps))?)
    }
}

fn open<F: Field>(spec: &RoundSpec, nodes: usize) -> Result<Over<F>, Error> {
    Ok(pine::Pine::new(Params::new::<F>(spec.dimension(), spec.bound, nodes)?)?)
}

/// Adds the share of the node at `position` to its running sum.
///
/// # Errors
/// When the share does not decode.
pub fn accumulate<F: Field>(
    spec: &RoundSpec,
    nodes: usize,
    position: usize,
    share: &[u8],
    sum: &mut Aggregate<F>,
) -> Result<(), Error> {
    Ok(open::<F>(spec, nodes)?.accumulate(position, share, sum)?)
}
