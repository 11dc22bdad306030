//! Networks for the learning tasks: layers whose gradients come patient by patient.
//!
//! A task of this crate clips every patient's gradient before anything is added (rule S2), which
//! an ordinary backward pass cannot do: it adds first. The layers of [`ghost`] keep what one pass
//! needs to tell the patients apart; [`packing`] feeds them so that a patient's vector does not
//! depend on who stands beside it; [`mlp`] is the fully connected network made of them, with a
//! plain scalar forward pass beside it for everything that must be the same on every machine.
//!
//! burn's matrix kernels run at a site only. Nothing that the parties replay (rule X3) uses them.

pub mod conv;
pub mod device;
pub mod ghost;
pub mod mlp;
pub mod packing;

pub use device::device;
pub use packing::PatientLoss;

/// The 64-bit generator of Steele, Lea and Flood (OOPSLA 2014), `SplitMix64`.
///
/// # Security
/// Statistical quality only. For what is public and seeded (rule N4): the start of a model and
/// the probe rows of a self-check. Never for noise, shares or keys.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform on [0, 1), a multiple of 2^-53.
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.next())
    }

    /// Uniform on [-1, 1).
    pub(crate) fn symmetric(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }
}

/// The output function of `SplitMix64`: a bijection that spreads every input bit.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The high 53 bits as a number in [0, 1).
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_the_published_sequence() {
        // First outputs for the seed 1234567, as printed with the authors' reference code.
        let mut generator = SplitMix64::new(1_234_567);
        assert_eq!(generator.next(), 6_457_827_717_110_365_317);
        assert_eq!(generator.next(), 3_203_168_211_198_807_973);
    }
}
