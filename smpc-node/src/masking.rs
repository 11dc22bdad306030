//! Masked mode: what a study without nodes agrees on, and what of it a round's spec repeats.
//!
//! The protocol is [`haima_crypto::secagg`]. Here is who is trusted how far (rule M1), how many
//! draws of noise are sure to be in a sum (rule M2), and the ring, which follows from bound and
//! noise alone (rule N5).

use haima_crypto::encode::{Decoder, Encoder};
use haima_crypto::secagg::{MAX_SITES, MIN_SITES, Prg, Ring};
use haima_dp::noise::fits;
use serde::{Deserialize, Serialize};

/// How contributions are hidden until they are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Shares among SMPC nodes.
    #[default]
    Nodes,
    /// Masks that cancel in the sum; the coordinator adds, and there are no nodes.
    Masked,
}

impl Mode {
    pub(crate) fn is_nodes(&self) -> bool {
        *self == Self::Nodes
    }
}

/// How a seed becomes a mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MaskPrg {
    /// For processors with AES instructions, about ten times as fast there.
    #[default]
    #[serde(rename = "aes-128-ctr")]
    Aes128,
    /// For sites without them.
    #[serde(rename = "chacha20")]
    ChaCha20,
}

impl From<MaskPrg> for Prg {
    fn from(prg: MaskPrg) -> Self {
        match prg {
            MaskPrg::Aes128 => Self::Aes128,
            MaskPrg::ChaCha20 => Self::ChaCha20,
        }
    }
}

/// The terms of masked aggregation, as the manifest has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masking {
    /// t: sites that must stay to a round's end, more than two thirds of all.
    pub threshold: u32,
    /// c: sites that may join the coordinator without learning more than sums, below 2t - n.
    pub corrupt: u32,
    /// How seeds become masks.
    #[serde(default)]
    pub prg: MaskPrg,
}

impl Masking {
    /// The terms that tolerate the most dropouts among so many sites, and beside these the most corrupt
    /// sites that leave two honest ones in every sum: t = floor(2n/3) + 1, c = 2t - n - 1 or t - 2.
    #[must_use]
    pub fn of(sites: u32) -> Self {
        let threshold = sites.saturating_mul(2) / 3 + 1;
        let most = threshold.saturating_mul(2).saturating_sub(sites).saturating_sub(1);
        let corrupt = most.min(threshold.saturating_sub(2));
        Self { threshold, corrupt, prg: MaskPrg::default() }
    }

    /// h = t - c: honest sites that are in every sum, whoever drops out.
    #[must_use]
    pub fn honest(self) -> u32 {
        self.threshold.saturating_sub(self.corrupt)
    }

    /// Sites of `sites` that a round can lose.
    #[must_use]
    pub fn dropouts(self, sites: u32) -> u32 {
        sites.saturating_sub(self.threshold)
    }

    /// Checks the terms among so many sites: 2n/3 < t <= n and c < 2t - n (rule M1).
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub(crate) fn check(self, sites: usize) -> Result<(), (&'static str, String)> {
        if !(MIN_SITES..=MAX_SITES).contains(&sites) {
            let problem = format!("{sites} sites; masked mode has {MIN_SITES} to {MAX_SITES}");
            return Err(("site", problem));
        }
        // At most MAX_SITES.
        let n = sites as u32;
        let Self { threshold, corrupt, .. } = self;
        let least = n * 2 / 3 + 1;
        if !(least..=n).contains(&threshold) {
            let problem = format!("{threshold}; must be {least} to {n} of {n} sites");
            return Err(("masking.threshold", problem));
        }
        let bound = 2 * threshold - n;
        if corrupt >= bound {
            let problem = format!(
                "{corrupt}; must be below {bound}, twice the threshold less the number of sites"
            );
            return Err(("masking.corrupt", problem));
        }
        Ok(())
    }

    /// Writes t, c and the number of the mask's generator.
    pub(crate) fn encode(self, to: &mut Encoder) {
        to.u32(self.threshold).u32(self.corrupt).u8(match self.prg {
            MaskPrg::Aes128 => 1,
            MaskPrg::ChaCha20 => 2,
        });
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let (threshold, corrupt) = (from.u32()?, from.u32()?);
        let prg = match from.u8()? {
            1 => MaskPrg::Aes128,
            2 => MaskPrg::ChaCha20,
            _ => return Err(from.fail("unknown generator of masks")),
        };
        Ok(Self { threshold, corrupt, prg })
    }
}

/// Masks of a round, as its spec has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskSpec {
    /// b: the vector is over the integers modulo 2^b.
    pub bits: u8,
    /// The manifest's terms.
    pub masking: Masking,
}

impl MaskSpec {
    /// The one choice for a round: the smallest ring in which a sum of `sites` vectors of bound
    /// `bound` cannot wrap around, each with noise of scale `s` (rule N5). `None` where 64 bits are
    /// not enough.
    #[must_use]
    pub fn new(masking: Masking, sites: u32, bound: u64, s: u64) -> Option<Self> {
        let sites = u64::from(sites);
        let wide = |bits: &u8| fits(sites, bound, sites, s, 1 << *bits);
        (1..=64).find(wide).map(|bits| Self { bits, masking })
    }

    /// The ring.
    ///
    /// # Errors
    /// Outside 1 to 64 bits.
    pub fn ring(self) -> Result<Ring, haima_crypto::Error> {
        Ring::new(self.bits)
    }

    pub(crate) fn encode(self, to: &mut Encoder) {
        to.u8(self.bits);
        self.masking.encode(to);
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        Ok(Self { bits: from.u8()?, masking: Masking::decode(from)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M1: n = 3 cannot lose a site; what is proposed is allowed, and no more is.
    #[test]
    fn the_proposed_terms_are_allowed_and_too_many_corrupt_sites_are_not() {
        let of = |n: u32| {
            let Masking { threshold, corrupt, .. } = Masking::of(n);
            (threshold, corrupt, Masking::of(n).dropouts(n), Masking::of(n).honest())
        };
        assert_eq!(of(3), (3, 1, 0, 2));
        assert_eq!(of(4), (3, 1, 1, 2));
        assert_eq!(of(10), (7, 3, 3, 4));
        assert_eq!(of(24), (17, 9, 7, 8));
        assert_eq!(of(200), (134, 67, 66, 67));
        for sites in 3..=200 {
            let masking = Masking::of(sites);
            masking.check(sites as usize).unwrap();
            let more = Masking { corrupt: 2 * masking.threshold - sites, ..masking };
            assert_eq!(more.check(sites as usize).unwrap_err().0, "masking.corrupt");
            let fewer = Masking { threshold: masking.threshold - 1, corrupt: 0, ..masking };
            assert_eq!(fewer.check(sites as usize).unwrap_err().0, "masking.threshold");
        }
        for sites in [0, 2, 201] {
            assert_eq!(Masking::of(3).check(sites).unwrap_err().0, "site");
        }
    }

    /// N5: 3 sites of bound 100 and noise 5 reach 3 100 + 3 40 5 = 900 < 2^10.
    #[test]
    fn the_ring_is_the_smallest_in_which_nothing_wraps_around() {
        let bits = |bound, s| MaskSpec::new(Masking::of(3), 3, bound, s).map(|spec| spec.bits);
        assert_eq!(bits(100, 5), Some(11));
        assert_eq!(bits(100, 0), Some(10));
        assert_eq!(bits(170, 0), Some(10));
        assert_eq!(bits(171, 0), Some(11));
        assert_eq!(bits(1 << 61, 0), Some(64));
        assert_eq!(bits(u64::MAX >> 1, 0), None);
        assert_eq!(bits(u64::MAX, u64::MAX), None);
    }
}
