//! exp(-z) in 64-bit integers at a fixed cost, with a proven error.
//!
//! Used by [`super::trial`] on secret arguments: no branch, no index and no division depends on
//! them. Products are 64 by 64 bits, which takes one time for all operands on x86-64 and AArch64.
//!
//! # The error
//!
//! Let w = W / 2^64 in [0, 0.6) be the argument and z = 16 w. Errors are in units of 2^-63.
//!
//! 1. *Series.* exp(-w) is within w^18 / 18! < 0.6^18 / 18! = 1.6e-20 < 0.15 units of
//!    sum_{j=0}^{17} (-w)^j / j!.
//! 2. *Rounding.* Horner's scheme h_j = c_j - w h_{j+1} has c_j rounded down (by 0 for j = 0, 1) and
//!    each product rounded down: |error of h_j| <= 1 + 0.6 |error of h_{j+1}| <= 2.5 units.
//! 3. *Argument.* Callers pass W within 2 below the true 2^64 w; the slope of exp(-w) is at most 1:
//!    1 unit.
//! 4. *Squaring*, four times: a value v in (0, 1] known within e becomes v^2 within
//!    2 e + e^2 / 2^63 + 1 (rounding down) <= 2 e + 1.01. From 3.65: 8.4, 17.8, 36.6 and 74.2 units.
//!
//! The sum, [`BAND`] = 128, is generous. No step over- or underflows: h_{j+1} <= c_{j+1} <= c_j, so
//! 0 <= h_j <= c_j <= 2^63 for every W, and a square of at most 2^126 shifted by 63 is at most 2^63.

/// How far [`exp_minus`] may be from the truth, either way, in units of 2^-63.
pub(crate) const BAND: u64 = 128;

/// Arguments below this are covered by the proof: 0.6 * 2^64.
#[cfg(test)]
pub(crate) const LIMIT: u64 = 0x9999_9999_9999_9999;

/// floor(2^63 / j!) for j = 0..=17.
const COEFFICIENTS: [u64; 18] = [
    1 << 63,
    1 << 63,
    (1 << 63) / 2,
    (1 << 63) / 6,
    (1 << 63) / 24,
    (1 << 63) / 120,
    (1 << 63) / 720,
    (1 << 63) / 5_040,
    (1 << 63) / 40_320,
    (1 << 63) / 362_880,
    (1 << 63) / 3_628_800,
    (1 << 63) / 39_916_800,
    (1 << 63) / 479_001_600,
    (1 << 63) / 6_227_020_800,
    (1 << 63) / 87_178_291_200,
    (1 << 63) / 1_307_674_368_000,
    (1 << 63) / 20_922_789_888_000,
    (1 << 63) / 355_687_428_096_000,
];

/// 2^63 exp(-z) within [`BAND`], for W with 2^60 z - 2 < W <= 2^60 z and W < 0.6 * 2^64.
#[inline]
pub(crate) fn exp_minus(w: u64) -> u64 {
    let mut value = 0;
    for &coefficient in COEFFICIENTS.iter().rev() {
        value = coefficient - product_shifted(w, value, 64);
    }
    for _ in 0..4 {
        value = product_shifted(value, value, 63);
    }
    value
}

#[inline]
fn product_shifted(a: u64, b: u64, bits: u32) -> u64 {
    ((u128::from(a) * u128::from(b)) >> bits) as u64
}
