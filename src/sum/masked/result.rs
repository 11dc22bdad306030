//! What a round in masked mode came to, as the coordinator tells it to all sites.
//!
//! Who is in the sum is signed by at least t sites. The numbers are the coordinator's word: it
//! signs them, so that it cannot deny having told two sites different ones.

use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder};
use haima_crypto::identity::{IdentityKey, Signature};
use haima_crypto::secagg::{Dispute, Secret, Sum, UnmaskRequest};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::spec::RoundSpec;

use super::context;
use crate::Error;
use crate::sum::release::{Release, Remark};

/// A sum, with who is in it and who says so.
#[derive(Clone, Debug)]
pub struct MaskedSum {
    /// The round.
    pub spec: RoundSpec,
    /// Digest of the sharers' headers, which the confirmations are over.
    pub cohort: Digest,
    /// Who is in the sum, signed by at least t of them.
    pub request: UnmaskRequest,
    /// The sum, in grid steps.
    pub values: Vec<i64>,
    /// Wrong shares that did not prevent it: dealer, holder, of a backup.
    pub disputes: Vec<(u32, u32, bool)>,
    /// The coordinator's, over all of the above.
    pub signature: Signature,
}

/// Most disputes that are told: a wrong share of each secret by each holder.
const MAX_DISPUTES: usize = 200 * 200;

impl MaskedSum {
    /// Signs a sum.
    #[must_use]
    pub fn sign(
        spec: &RoundSpec,
        cohort: Digest,
        request: UnmaskRequest,
        sum: Sum,
        key: &IdentityKey,
    ) -> Self {
        let in_order = |dispute: Dispute| {
            (dispute.dealer, dispute.holder, matches!(dispute.secret, Secret::Backup))
        };
        let mut signed = Self {
            spec: spec.clone(),
            cohort,
            request,
            values: sum.values,
            disputes: sum.disputes.into_iter().map(in_order).take(MAX_DISPUTES).collect(),
            signature: Signature::from_bytes([0; 64]),
        };
        signed.signature = key.sign(&signed.statement());
        signed
    }

    /// Digest of all but the signature: what the next step names as the release before it.
    fn statement(&self) -> Digest {
        let mut to = Encoder::new("haima masked sum signed 1");
        self.encode_unsigned(&mut to);
        Digest::of(&to.finish())
    }

    fn encode_unsigned(&self, to: &mut Encoder) {
        to.bytes(&self.spec.to_bytes()).digest(&self.cohort).bytes(&self.request.to_bytes());
        to.count(self.values.len()).reserve(8 * self.values.len());
        for value in &self.values {
            to.u64(value.cast_unsigned());
        }
        to.count(self.disputes.len());
        for (dealer, holder, backup) in &self.disputes {
            to.u32(*dealer).u32(*holder).u8(u8::from(*backup));
        }
    }

    /// Checks the coordinator's signature, and those of t sites over who is in the sum.
    ///
    /// # Errors
    /// On any that fails, on another study's round, and on another number of values than the spec's.
    pub fn verify(self, manifest: &Manifest) -> Result<Release, Error> {
        let coordinator = &manifest.coordinator.name;
        let digest = self.statement();
        let key = manifest.identity(coordinator)?;
        key.verify(&digest, &self.signature, "masked sum")?;
        let refuse = |problem: String| {
            Error::Node(haima_smpc_node::Error::Peer { peer: coordinator.clone(), problem })
        };
        if self.values.len() != self.spec.dimension() {
            let (got, expected) = (self.values.len(), self.spec.dimension());
            return Err(refuse(format!("a sum of {got} numbers; the round has {expected}")));
        }
        let context = context(manifest, &self.spec)?;
        self.request.verify(&context, &self.cohort)?;
        let name = |site: &u32| context.roster().member(*site).map(|member| member.name.clone());
        let accepted = self.request.partition.survivors.iter().map(name);
        let accepted = accepted.collect::<Result<Vec<_>, _>>()?;
        let operators = manifest.operators(accepted.iter().map(String::as_str));
        if operators < self.spec.min_sites as usize {
            let least = self.spec.min_sites;
            return Err(refuse(format!("a sum over {operators} operators' sites, below {least}")));
        }
        let remark = |(dealer, holder, backup): &(u32, u32, bool)| {
            let (dealer, what) = (name(dealer)?, if *backup { "backup" } else { "self-mask" });
            Ok::<_, Error>(Remark {
                kind: "wrong share",
                subject: name(holder)?,
                digest,
                text: format!(
                    "its share of the {what} of {dealer} is not of what {dealer} committed to: one \
                     of both deviated"
                ),
            })
        };
        let remarks = self.disputes.iter().map(remark).collect::<Result<_, _>>()?;
        let integers = self.values.iter().map(|value| i128::from(*value)).collect();
        // At most 200 sites, each of which adds its share (rule M2).
        let draws = accepted.len() as u32;
        Ok(Release { spec: self.spec, digest, integers, accepted, draws, remarks })
    }
}

impl Canonical for MaskedSum {
    const LABEL: &'static str = "haima masked sum 1";

    fn encode_fields(&self, to: &mut Encoder) {
        self.encode_unsigned(to);
        to.array(self.signature.as_bytes());
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let spec = RoundSpec::from_bytes(from.bytes(1 << 16)?)?;
        let cohort = from.digest()?;
        let request = UnmaskRequest::from_bytes(from.bytes(1 << 16)?)?;
        let values = from.count(spec.dimension(), 8)?;
        let values =
            (0..values).map(|_| Ok(from.u64()?.cast_signed())).collect::<Result<_, _>>()?;
        let mut disputes = Vec::new();
        for _ in 0..from.count(MAX_DISPUTES, 9)? {
            let (dealer, holder) = (from.u32()?, from.u32()?);
            disputes.push((
                dealer,
                holder,
                match from.u8()? {
                    0 => false,
                    1 => true,
                    _ => return Err(from.fail("a dispute of neither secret")),
                },
            ));
        }
        let signature = Signature::from_bytes(from.array()?);
        Ok(Self { spec, cohort, request, values, disputes, signature })
    }
}
