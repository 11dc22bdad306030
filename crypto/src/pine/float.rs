//! The draft's encoding of floating-point numbers, for its test vectors alone: what a site sends is
//! integers on a grid that its ledger was charged for (rule S3).

use crate::Error;

/// round(x 2^`fraction_bits`), halves to even.
///
/// # Errors
/// [`Error::Float`] for what is not finite or is subnormal; [`Error::OutOfRange`] past 63 bits.
pub fn encode(values: &[f64], fraction_bits: u8) -> Result<Vec<i64>, Error> {
    let limit = i64::MAX as u128;
    let encode = |(index, value): (usize, &f64)| {
        let refuse = |value| Err(Error::Float { index, value });
        match value.classify() {
            std::num::FpCategory::Nan => return refuse("not a number"),
            std::num::FpCategory::Infinite => return refuse("infinite"),
            std::num::FpCategory::Subnormal => return refuse("subnormal"),
            std::num::FpCategory::Zero | std::num::FpCategory::Normal => {}
        }
        let scaled = (value * f64::powi(2.0, i32::from(fraction_bits))).round_ties_even();
        if scaled.abs() >= 9_223_372_036_854_775_808.0 {
            return Err(Error::OutOfRange { index, limit });
        }
        Ok(scaled as i64)
    };
    values.iter().enumerate().map(encode).collect()
}

/// The way back, for a sum.
#[must_use]
pub fn decode(values: &[i128], fraction_bits: u8) -> Vec<f64> {
    let scale = f64::powi(2.0, i32::from(fraction_bits));
    values.iter().map(|value| *value as f64 / scale).collect()
}
