//! From additive shares to threshold shares: what makes a release outlive a lost party.
//!
//! Each of k parties holds an additive share of a sum. Each shares its own again by Shamir's scheme
//! among all k, any r of which reconstruct ([`deal`]); a party adds the sub-shares that it was
//! dealt, its own among them, and holds then one [`Point`] of a polynomial whose value at 0 is the
//! sum, since a sum of polynomials of degree below r is one. Any r points give the sum, the same
//! for every choice ([`combine`]).
//!
//! # Security
//! r-1 parties learn nothing of another's additive share; r learn it. With m points at hand the sum
//! is right, and the wrong points are named, while at most floor((m-r)/2) are wrong; one more is
//! still detected where m-r is odd. Beyond that, parties that lie together can shift the sum and
//! have a right point named. A point also comes out wrong when somebody dealt its party a sub-share
//! off his own polynomial, so a name is a place to look, no proof. A party that deals shares of
//! another value than its own changes the sum and is not noticed, as with an additive share. Vectors
//! are zeroised on drop; nothing branches on or indexes by them.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::Error;
use crate::field::{Field, decode_vec, encode_vec};
use crate::shamir::{self, Threshold};
use crate::share::Aggregate;

/// Shares an additive share again: the encoded sub-share of each party, in their order.
pub fn deal<F: Field, R: CryptoRng + ?Sized>(
    own: &Aggregate<F>,
    threshold: Threshold,
    rng: &mut R,
) -> Vec<Zeroizing<Vec<u8>>> {
    let len = own.values().len() * F::BYTES;
    let mut dealt: Vec<Zeroizing<Vec<u8>>> =
        (0..threshold.of()).map(|_| Zeroizing::new(Vec::with_capacity(len))).collect();
    shamir::share_chunks(own.values(), threshold, rng, |index, piece| {
        if let Some(share) = dealt.get_mut(index as usize - 1) {
            share.extend_from_slice(&Zeroizing::new(encode_vec(piece)));
        }
    });
    dealt
}

/// The sum of the sub-shares that one party was dealt.
///
/// # Security
/// A share: zeroised on drop, redacted in `Debug`.
pub struct Point<F: Field>(Zeroizing<Vec<F>>);

impl<F: Field> std::fmt::Debug for Point<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Point {{ len: {}, values: <redacted> }}", self.0.len())
    }
}

impl<F: Field> Point<F> {
    /// The empty sum, of `len` coordinates.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self(Zeroizing::new(vec![F::ZERO; len]))
    }

    /// Adds a sub-share, as [`deal`] encoded it.
    ///
    /// # Errors
    /// On another length and on an element that is not canonical; the sum is unchanged then.
    pub fn add(&mut self, sub_share: &[u8]) -> Result<(), Error> {
        let values = Zeroizing::new(decode_vec::<F>("sub-share", sub_share, self.0.len())?);
        F::add_vec(&mut self.0, &values);
        Ok(())
    }

    /// The point, encoded for release.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode_vec(&self.0)
    }
}

/// The sum from points by the parties' numbers (from 1), with the numbers of those that do not fit,
/// in order; bytes that are no point do not. `rng` must be unknown to the parties when they gave
/// their points.
///
/// # Errors
/// On fewer points than the threshold, a number twice, and when more points are wrong than can be
/// named.
pub fn combine<F: Field, R: CryptoRng + ?Sized>(
    points: &[(u32, &[u8])],
    threshold: Threshold,
    len: usize,
    rng: &mut R,
) -> Result<(Vec<i128>, Vec<u32>), Error> {
    let (mut shares, mut wrong) = (Vec::with_capacity(points.len()), Vec::new());
    for (index, bytes) in points {
        match decode_vec::<F>("released point", bytes, len) {
            Ok(values) => {
                shares.push(shamir::Share::new(*index, threshold.need(), Zeroizing::new(values))?);
            }
            Err(_) => wrong.push(*index),
        }
    }
    let (sum, misfits) = shamir::recover(&shares, rng)?;
    wrong.extend(misfits);
    wrong.sort_unstable();
    Ok((sum.iter().map(|value| value.to_integer()).collect(), wrong))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::encode::Digest;
    use crate::field::{Field64, Field128};
    use crate::share::split;

    const SUM: [i64; 5] = [7, -9, 0, 1 << 40, -1];

    /// Points of a sum that is shared additively among k parties, noise on each.
    fn points<F: Field>(need: u32, of: u32, rng: &mut ChaCha20Rng) -> Vec<Vec<u8>> {
        let (context, parties) = (Digest::of(b"round"), of as usize);
        let shares = split::<F, _>(&SUM, parties, &context, rng).unwrap();
        let threshold = Threshold::new(need, of).unwrap();
        let dealt: Vec<_> = (0..parties)
            .map(|position| {
                let mut own = Aggregate::<F>::new(position, SUM.len());
                own.add_bytes(&context, &shares[position].to_bytes()).unwrap();
                own.add_integers(&[1, 0, 0, 0, -1]).unwrap();
                deal(&own, threshold, rng)
            })
            .collect();
        (0..parties)
            .map(|party| {
                let mut point = Point::<F>::new(SUM.len());
                dealt.iter().for_each(|shares| point.add(&shares[party]).unwrap());
                point.to_bytes()
            })
            .collect()
    }

    fn any_quorum_gives_the_sum<F: Field>() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        for (need, of) in [(2, 3), (3, 5), (2, 2), (4, 7)] {
            let points = points::<F>(need, of, &mut rng);
            let threshold = Threshold::new(need, of).unwrap();
            let mut expected: Vec<i128> = SUM.iter().map(|value| i128::from(*value)).collect();
            expected[0] += i128::from(of);
            expected[4] -= i128::from(of);
            let numbered: Vec<(u32, &[u8])> = (1..).zip(points.iter().map(Vec::as_slice)).collect();
            for lost in 0..of as usize {
                let mut some = numbered.clone();
                some.remove(lost);
                if some.len() >= need as usize {
                    let combined = combine::<F, _>(&some, threshold, SUM.len(), &mut rng).unwrap();
                    assert_eq!(combined, (expected.clone(), vec![]));
                }
            }
            let few = &numbered[..need as usize - 1];
            assert!(combine::<F, _>(few, threshold, SUM.len(), &mut rng).is_err());
            let exact = &numbered[..need as usize];
            let combined = combine::<F, _>(exact, threshold, SUM.len(), &mut rng).unwrap();
            assert_eq!(combined.0, expected);
        }
    }

    #[test]
    fn any_quorum_gives_the_same_sum() {
        any_quorum_gives_the_sum::<Field64>();
        any_quorum_gives_the_sum::<Field128>();
    }

    #[test]
    fn a_wrong_point_is_detected_and_with_two_to_spare_named() {
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        for (need, of, named) in [(2, 3, false), (3, 5, true)] {
            let mut points = points::<Field64>(need, of, &mut rng);
            points[1][8] ^= 1;
            let numbered: Vec<(u32, &[u8])> = (1..).zip(points.iter().map(Vec::as_slice)).collect();
            let threshold = Threshold::new(need, of).unwrap();
            let combined = combine::<Field64, _>(&numbered, threshold, SUM.len(), &mut rng);
            if named {
                let (sum, wrong) = combined.unwrap();
                assert_eq!((sum[1], wrong), (-9, vec![2]));
            } else {
                assert!(combined.is_err());
            }
        }
    }

    #[test]
    fn bytes_that_are_no_point_are_named_and_left_out() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        for bad in [vec![], vec![0; 7], vec![0xff; 8 * SUM.len()]] {
            let mut points = points::<Field64>(2, 3, &mut rng);
            points[0] = bad;
            let numbered: Vec<(u32, &[u8])> = (1..).zip(points.iter().map(Vec::as_slice)).collect();
            let threshold = Threshold::new(2, 3).unwrap();
            let (sum, wrong) =
                combine::<Field64, _>(&numbered, threshold, SUM.len(), &mut rng).unwrap();
            assert_eq!((sum[1], wrong), (-9, vec![1]));
            assert!(combine::<Field64, _>(&numbered[..2], threshold, SUM.len(), &mut rng).is_err());
        }
    }

    #[test]
    fn a_sub_share_of_another_form_is_refused() {
        let mut point = Point::<Field64>::new(2);
        assert!(point.add(&[0; 15]).is_err());
        assert!(point.add(&[0xff; 16]).is_err());
        assert!(format!("{point:?}").contains("redacted"));
    }
}
