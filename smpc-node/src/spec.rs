//! The round's specification: all that a charge depends on (rule R1), in canonical bytes.
//!
//! The coordinator signs it; a site derives its ledger event from these bytes alone; a node checks
//! it against the manifest's caps. Its digest names the round everywhere.

mod hiding;

use std::num::{NonZeroU32, NonZeroU64};

use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder};
use haima_dp::event::Release;
use haima_dp::noise::{Noise, NoiseScale};
use haima_dp::sampler::PoissonSampler;
use haima_dp::units::{Rate, Sensitivity};
use rand_core::CryptoRng;

pub use self::hiding::{FieldKind, Hiding, ProofSpec, ShareSpec};
use crate::manifest::{Class, Manifest};
use crate::masking::MaskSpec;
use crate::{Error, PROTOCOL};

/// Most blocks of a vector.
const MAX_BLOCKS: usize = 1024;

/// A consecutive part of the vector with its grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSpec {
    /// Coordinates.
    pub len: u32,
    /// The grid step is `2^-frac_bits`.
    pub frac_bits: u8,
}

/// What a round releases, and so what it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RoundEvent {
    /// No noise.
    Exact,
    /// Every node, or in masked mode every site, adds a discrete Gaussian of scale `s`, in grid steps,
    /// to the sum of the patients whom each site drew for this attempt with probability `q`,
    /// independently.
    DiscreteGaussian {
        /// Scale.
        s: u64,
        /// Sampling rate, above 0; at 1 every patient takes part and nothing is amplified.
        q: Rate,
    },
}

/// What a site charges for a round, and whom it may compute from.
#[derive(Debug)]
pub struct Charge {
    /// What the ledger is charged.
    pub release: Release,
    /// The sampler that minted the release; `None` where every patient takes part. It lives in one
    /// attempt of one round.
    pub sampler: Option<PoissonSampler>,
}

/// All that a round's charge depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundSpec {
    /// Protocol version, [`PROTOCOL`].
    pub protocol: u32,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Name of the study.
    pub study: String,
    /// Number of the round: every later round of the study has a higher one.
    pub number: u64,
    /// Manifest id of the task.
    pub task_id: String,
    /// Registered name of the task.
    pub task: String,
    /// Version of the task.
    pub task_version: u32,
    /// Which run of the task.
    pub run: u32,
    /// Step of the run, from 0.
    pub step: u32,
    /// Attempt at this step, from 0.
    pub attempt: u32,
    /// Attempts made in this run before this one, over all steps: the index into the plan.
    pub plan_index: u32,
    /// Digest of the query.
    pub query: Digest,
    /// Digest of the release that this step builds on; zero for step 0.
    pub previous: Digest,
    /// Digest of the roster of sites.
    pub roster: Digest,
    /// Digest of the nodes' epoch record: sealing keys and commitments (rules R5, R6); in masked
    /// mode of all sites' advertised keys.
    pub epoch: Digest,
    /// Layout of the vector.
    pub blocks: Vec<BlockSpec>,
    /// Shares or masks.
    pub hiding: Hiding,
    /// D of rule S2 in grid steps; 0 when the task bounds no patient (exact class only).
    pub sensitivity: u64,
    /// B: L2 bound on a site's integer vector, in grid steps.
    pub bound: u64,
    /// Noise.
    pub event: RoundEvent,
    /// Fewest distinct operators in the accepted set.
    pub min_sites: u32,
    /// Deadline of submissions, unix milliseconds.
    pub deadline_ms: u64,
    /// Sites submit on multiples of this, in milliseconds (rule S5).
    pub tick_ms: u32,
}

impl Canonical for RoundSpec {
    const LABEL: &'static str = "haima round spec 3";

    fn encode_fields(&self, to: &mut Encoder) {
        to.u32(self.protocol).digest(&self.manifest).str(&self.study).u64(self.number);
        to.str(&self.task_id).str(&self.task).u32(self.task_version);
        to.u32(self.run).u32(self.step).u32(self.attempt).u32(self.plan_index);
        to.digest(&self.query).digest(&self.previous);
        to.u8(match self.hiding {
            Hiding::Shares(_) => 0,
            Hiding::Masks(_) => 1,
        });
        to.digest(&self.roster);
        to.digest(&self.epoch);
        to.count(self.blocks.len());
        for block in &self.blocks {
            to.u32(block.len).u8(block.frac_bits);
        }
        match self.hiding {
            Hiding::Shares(ShareSpec { field, proof }) => {
                to.u8(match field {
                    FieldKind::Bits64 => 0,
                    FieldKind::Bits128 => 1,
                });
                // XOF 0: HMAC-SHA256-AES128. Proof 1: PINE.
                to.u8(0).u8(1);
                for parameter in proof.to_array() {
                    to.u32(parameter);
                }
            }
            Hiding::Masks(masks) => masks.encode(to),
        }
        to.u64(self.sensitivity).u64(self.bound);
        match self.event {
            RoundEvent::Exact => to.u8(0).u64(0).u64(0),
            RoundEvent::DiscreteGaussian { s, q } => to.u8(1).u64(s).u64(q.get().to_bits()),
        };
        to.u32(self.min_sites).u64(self.deadline_ms).u32(self.tick_ms);
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let protocol = from.u32()?;
        let manifest = from.digest()?;
        let study = from.str(64)?.to_owned();
        let number = from.u64()?;
        let task_id = from.str(64)?.to_owned();
        let task = from.str(64)?.to_owned();
        let task_version = from.u32()?;
        let (run, step, attempt) = (from.u32()?, from.u32()?, from.u32()?);
        let plan_index = from.u32()?;
        let (query, previous) = (from.digest()?, from.digest()?);
        let mode = from.u8()?;
        let (roster, epoch) = (from.digest()?, from.digest()?);
        let count = from.count(MAX_BLOCKS, 5)?;
        let mut blocks = Vec::with_capacity(count);
        for _ in 0..count {
            blocks.push(BlockSpec { len: from.u32()?, frac_bits: from.u8()? });
        }
        let hiding = match mode {
            0 => Hiding::Shares(ShareSpec::decode(from)?),
            1 => Hiding::Masks(MaskSpec::decode(from)?),
            _ => return Err(from.fail("unknown mode")),
        };
        let (sensitivity, bound) = (from.u64()?, from.u64()?);
        let event = match (from.u8()?, from.u64()?, from.u64()?) {
            (0, 0, 0) => RoundEvent::Exact,
            (1, s, bits) => {
                // The one encoding of a rate: -0.0, like 0 itself, is refused.
                let q = f64::from_bits(bits);
                match Rate::new(q) {
                    Ok(q) if q.get() > 0.0 => RoundEvent::DiscreteGaussian { s, q },
                    _ => return Err(from.fail("a sampling rate outside (0, 1]")),
                }
            }
            _ => return Err(from.fail("unknown event")),
        };
        let min_sites = from.u32()?;
        let (deadline_ms, tick_ms) = (from.u64()?, from.u32()?);
        Ok(Self {
            protocol,
            manifest,
            study,
            number,
            task_id,
            task,
            task_version,
            run,
            step,
            attempt,
            plan_index,
            query,
            previous,
            roster,
            epoch,
            blocks,
            hiding,
            sensitivity,
            bound,
            event,
            min_sites,
            deadline_ms,
            tick_ms,
        })
    }
}

impl RoundSpec {
    /// Coordinates over all blocks.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.blocks.iter().map(|block| block.len as usize).fold(0, usize::saturating_add)
    }

    /// The shares, for who is in a study with nodes.
    ///
    /// # Errors
    /// [`Error::Spec`] of a round in masked mode.
    pub fn shares(&self) -> Result<ShareSpec, Error> {
        match self.hiding {
            Hiding::Shares(shares) => Ok(shares),
            Hiding::Masks(_) => Err(Error::Spec {
                party: "this party".into(),
                problem: "a round in masked mode has no shares".into(),
            }),
        }
    }

    /// The masks, for who is in a study without nodes.
    ///
    /// # Errors
    /// [`Error::Spec`] of a round with nodes.
    pub fn masks(&self) -> Result<MaskSpec, Error> {
        match self.hiding {
            Hiding::Masks(masks) => Ok(masks),
            Hiding::Shares(_) => Err(Error::Spec {
                party: "this party".into(),
                problem: "a round with nodes has no masks".into(),
            }),
        }
    }

    /// What a site's ledger is charged, from the spec alone, and the sampler of this attempt. A
    /// release that sampling amplifies comes with the sampler that its batch must be drawn from.
    ///
    /// # Errors
    /// When a noised round has no coordinate, no sensitivity, or a scale that no node draws.
    pub fn charge<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> Result<Charge, Error> {
        let RoundEvent::DiscreteGaussian { s, q } = self.event else {
            return Ok(Charge { release: Release::exact(), sampler: None });
        };
        let draws = match self.hiding {
            Hiding::Shares(_) => 1,
            Hiding::Masks(masks) => masks.masking.honest(),
        };
        let draws = NonZeroU32::new(draws).ok_or_else(|| Error::Spec {
            party: "this site".into(),
            problem: "as many corrupt sites as the threshold".into(),
        })?;
        let noise = Noise { draws, s: NoiseScale::new(s)? };
        let sensitivity = Sensitivity::new(self.sensitivity)?;
        let dimension = NonZeroU64::new(self.dimension() as u64).ok_or_else(|| Error::Spec {
            party: "this site".into(),
            problem: "no coordinate".into(),
        })?;
        if q == Rate::ALL {
            let release = Release::noised(noise, sensitivity, dimension);
            return Ok(Charge { release, sampler: None });
        }
        let sampler = PoissonSampler::new(q, rng);
        let release = sampler.release(noise, sensitivity, dimension);
        Ok(Charge { release, sampler: Some(sampler) })
    }

    /// Checks the spec against the manifest's caps, as every node and every site does for itself.
    /// What depends on earlier rounds or on the clock is not checked here.
    ///
    /// # Errors
    /// [`Error::Spec`] in the name of `party`, with field, figure and what is allowed.
    pub fn check(&self, manifest: &Manifest, party: &str) -> Result<(), Error> {
        let refuse = |problem: String| Error::Spec { party: party.to_owned(), problem };
        if self.protocol != PROTOCOL {
            let problem = format!("protocol {}; this party speaks {PROTOCOL}", self.protocol);
            return Err(refuse(problem));
        }
        if self.manifest != manifest.digest() || self.study != manifest.study {
            return Err(refuse("it belongs to another manifest or study".into()));
        }
        if self.roster != manifest.roster_digest() {
            return Err(refuse("its roster is not that of the manifest".into()));
        }
        let entry = manifest.task(&self.task_id)?;
        if (&self.task, self.task_version) != (&entry.task, entry.version) {
            return Err(refuse(format!(
                "task {} {}; the manifest has {} {}",
                self.task, self.task_version, entry.task, entry.version
            )));
        }
        if self.step >= entry.max_steps {
            let problem = format!("step {}; the manifest allows {}", self.step, entry.max_steps);
            return Err(refuse(problem));
        }
        let spare = self.plan_index.checked_sub(self.step);
        if spare.is_none_or(|spare| spare > entry.spare_attempts || self.attempt > spare) {
            return Err(refuse(format!(
                "plan index {} at step {}, attempt {}; the manifest allows {} spare attempts",
                self.plan_index, self.step, self.attempt, entry.spare_attempts
            )));
        }
        let dimension = self.dimension();
        if dimension == 0
            || dimension > manifest.max_dimension as usize
            || self.blocks.iter().any(|block| block.len == 0 || block.frac_bits > 52)
        {
            let problem =
                format!("{dimension} coordinates; 1 to {} are allowed", manifest.max_dimension);
            return Err(refuse(problem));
        }
        if self.min_sites < manifest.min_sites {
            let problem = format!("floor {}; at least {}", self.min_sites, manifest.min_sites);
            return Err(refuse(problem));
        }
        if self.tick_ms != manifest.tick_ms {
            return Err(refuse(format!("tick {} ms, not {}", self.tick_ms, manifest.tick_ms)));
        }
        if (self.previous == Digest::default()) != (self.step == 0) {
            return Err(refuse("only step 0 builds on no release".into()));
        }
        // Rule L2: a plan commits to the attempts of one run, and so do the figures for it.
        if entry.class == Class::Private && self.run != 1 {
            return Err(refuse(format!(
                "run {} of the private task {}; its plan has run 1 alone, and another needs another \
                 manifest",
                self.run, self.task_id
            )));
        }
        self.check_noise(manifest, entry.class, party)?;
        if let Hiding::Shares(ShareSpec { field, .. }) = self.hiding
            && field != FieldKind::for_bound(self.bound)
        {
            return Err(refuse(format!("the field does not fit the bound {}", self.bound)));
        }
        let problem = match (
            self.hiding,
            Hiding::new(manifest, dimension, self.bound, self.event, party)?,
        ) {
            (own, allowed) if own == allowed => return Ok(()),
            (Hiding::Shares(_), Hiding::Shares(_)) => {
                "its proof's parameters are not those of field and bound"
            }
            (Hiding::Masks(own), Hiding::Masks(allowed)) if own.masking == allowed.masking => {
                "its ring is not the one for bound and noise (rule N5)"
            }
            (Hiding::Masks(_), Hiding::Masks(_)) => {
                "its threshold, corrupt sites or generator of masks are not the manifest's (rule M1)"
            }
            _ => "its mode, nodes or masks, is not the manifest's",
        };
        Err(refuse(problem.into()))
    }

    fn check_noise(&self, manifest: &Manifest, class: Class, party: &str) -> Result<(), Error> {
        let refuse = |problem: String| Error::Spec { party: party.to_owned(), problem };
        match (class, self.event) {
            (Class::Exact, RoundEvent::Exact) => Ok(()),
            (Class::Private, RoundEvent::DiscreteGaussian { s, q }) => {
                let plan = manifest.task(&self.task_id)?.noise;
                let plan = plan.ok_or_else(|| refuse("the task has no noise plan".into()))?;
                NoiseScale::new(s).map_err(|e| refuse(e.to_string()))?;
                if s < plan.s {
                    return Err(refuse(format!("noise {s}; the manifest demands {}", plan.s)));
                }
                if q.get() == 0.0 || q.get() > plan.q {
                    return Err(refuse(format!(
                        "sampling rate {q}; the manifest allows above 0 to {}",
                        plan.q
                    )));
                }
                if self.dimension() as u64 > plan.dimension {
                    return Err(refuse(format!(
                        "{} coordinates; the manifest's plan has {}",
                        self.dimension(),
                        plan.dimension
                    )));
                }
                if self.sensitivity == 0 || self.sensitivity > plan.sensitivity {
                    return Err(refuse(format!(
                        "sensitivity {}; the manifest allows 1 to {}",
                        self.sensitivity, plan.sensitivity
                    )));
                }
                if self.blocks.iter().any(|b| b.frac_bits != self.blocks[0].frac_bits) {
                    return Err(refuse("a noised round has one grid for all blocks".into()));
                }
                Ok(())
            }
            (Class::Exact, RoundEvent::DiscreteGaussian { .. }) => {
                Err(refuse("noise on a task of the exact class".into()))
            }
            (Class::Private, RoundEvent::Exact) => {
                Err(refuse("no noise on a task that the manifest calls private".into()))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A spec of no study, for tests that store one.
    pub(crate) fn example() -> RoundSpec {
        RoundSpec {
            protocol: PROTOCOL,
            manifest: Digest::of(b"manifest"),
            study: "test".into(),
            number: 1,
            task_id: "task".into(),
            task: "test".into(),
            task_version: 1,
            run: 1,
            step: 0,
            attempt: 0,
            plan_index: 0,
            query: Digest::of(b"query"),
            previous: Digest::default(),
            roster: Digest::of(b"roster"),
            epoch: Digest::of(b"epoch"),
            blocks: vec![BlockSpec { len: 4, frac_bits: 0 }],
            hiding: Hiding::Shares(ShareSpec::new(4, 1000, 2).unwrap()),
            sensitivity: 0,
            bound: 1000,
            event: RoundEvent::Exact,
            min_sites: 2,
            deadline_ms: 0,
            tick_ms: 10,
        }
    }
}
