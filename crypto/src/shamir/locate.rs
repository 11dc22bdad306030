//! Which shares are wrong.
//!
//! Shares of one secret at m points are a word of a generalised Reed-Solomon code of dimension r
//! (McEliece and Sarwate, CACM 24:9, 1981). Its parity checks are
//! S_k = sum_i v_i x_i^k c_i for k < m - r, with v_i = 1 / prod_{j != i} (x_j - x_i): all zero for
//! right shares, and otherwise a function of the *errors* alone, S_k = sum_{wrong i} v_i e_i x_i^k.
//! So neither the secret nor a right share enters a branch. The shortest linear recurrence of S
//! (Massey, IEEE Trans. Inf. Theory 15:1, 1969) has the wrong x_i as its roots. This finds what
//! Berlekamp and Welch find: up to floor((m-r)/2) wrong shares.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::basis::{Basis, batch_invert, check_indices, differences, integer};
use super::{Share, fill_random};
use crate::Error;
use crate::field::Field;

/// The indices of the wrong shares among m, ascending; empty when all agree.
///
/// Up to m - r wrong shares are detected, and up to floor((m-r)/2) named rightly; when more are
/// wrong, the error says so, unless they were made so as to lie within that distance of another
/// secret, whose shares are then named instead. With m = r nothing can be detected.
///
/// Vectors are located on random combinations of their coordinates: a wrong share passes with
/// probability at most 2^-63. The randomness must be unknown to the parties when they give their
/// shares, or a wrong share can be made to pass. The cost is m times the length, plus m^2.
///
/// # Errors
/// On too few shares, an index twice, thresholds or lengths that differ (by index), and when more
/// shares are wrong than can be located.
pub fn locate<F: Field, R: CryptoRng + ?Sized>(
    shares: &[Share<F>],
    rng: &mut R,
) -> Result<Vec<u32>, Error> {
    let first = shares.first().ok_or(Error::TooFewShares { got: 0, need: 1 })?;
    shares.iter().try_for_each(|share| share.agrees(first))?;
    let indices: Vec<u32> = shares.iter().map(Share::index).collect();
    check_indices(first.need, &indices)?;
    let mut wrong = Vec::new();
    let mut bytes = Zeroizing::new(Vec::new());
    let mut factors = [F::ZERO; 256];
    for _ in 0..64usize.div_ceil(8 * F::BYTES) {
        let mut word = Zeroizing::new(vec![F::ZERO; shares.len()]);
        for start in (0..first.values.len()).step_by(factors.len()) {
            fill_random(&mut factors, &mut bytes, rng);
            for (sum, share) in word.iter_mut().zip(shares) {
                let values = share.values.get(start..).unwrap_or_default();
                for (factor, value) in factors.iter().zip(values) {
                    *sum += *factor * *value;
                }
            }
        }
        wrong.extend(locate_codeword(first.need, &indices, &word)?);
    }
    wrong.sort_unstable();
    wrong.dedup();
    let most = most(shares.len(), first.need);
    if wrong.len() > most {
        return Err(Error::WrongShares { given: shares.len(), need: first.need as usize, most });
    }
    Ok(wrong)
}

/// The vector from m shares of which up to floor((m-r)/2) are wrong, and the indices of those, as
/// [`locate`] names them.
///
/// # Errors
/// As [`locate`].
pub fn recover<F: Field, R: CryptoRng + ?Sized>(
    shares: &[Share<F>],
    rng: &mut R,
) -> Result<(Zeroizing<Vec<F>>, Vec<u32>), Error> {
    let wrong = locate(shares, rng)?;
    let right = || shares.iter().filter(|share| !wrong.contains(&share.index));
    let indices: Vec<u32> = right().map(Share::index).collect();
    let need = shares.first().map_or(1, Share::need);
    let values = Basis::new(need, &indices)?.reconstruct(right())?;
    Ok((values, wrong))
}

fn most(given: usize, need: u32) -> usize {
    given.saturating_sub(need as usize) / 2
}

/// As [`locate`], for one value a party: what is left when each share of a long vector has been
/// combined, as it came in, with the same random factors.
///
/// # Errors
/// As [`locate`].
pub fn locate_codeword<F: Field>(
    need: u32,
    indices: &[u32],
    word: &[F],
) -> Result<Vec<u32>, Error> {
    check_indices(need, indices)?;
    if word.len() != indices.len() {
        let (expected, got) = (indices.len(), word.len());
        return Err(Error::Length { what: "codeword", expected, got });
    }
    let points: Vec<F> = indices.iter().map(|index| integer(i64::from(*index))).collect();
    let syndromes = syndromes(indices, &points, word, indices.len() - need as usize);
    if syndromes.iter().all(|syndrome| *syndrome == F::ZERO) {
        return Ok(Vec::new());
    }
    let recurrence = shortest_recurrence(&syndromes);
    // z^L C(1/z) = prod over the wrong (z - x_i), when they can be located.
    let vanishes = |x: F| recurrence.iter().fold(F::ZERO, |sum, c| sum * x + *c) == F::ZERO;
    let mut wrong: Vec<u32> = indices
        .iter()
        .zip(&points)
        .filter_map(|(index, x)| vanishes(*x).then_some(*index))
        .collect();
    let most = most(indices.len(), need);
    if wrong.len() + 1 != recurrence.len() || wrong.len() > most {
        return Err(Error::WrongShares { given: indices.len(), need: need as usize, most });
    }
    wrong.sort_unstable();
    Ok(wrong)
}

/// The parity checks S_0 to S_{count-1}. Branch-free in the word.
fn syndromes<F: Field>(indices: &[u32], points: &[F], word: &[F], count: usize) -> Vec<F> {
    let mut factors = differences(indices, integer::<F>);
    batch_invert(&mut factors, F::ONE, F::inverse);
    let mut terms: Zeroizing<Vec<F>> =
        Zeroizing::new(factors.iter().zip(word).map(|(factor, value)| *factor * *value).collect());
    (0..count)
        .map(|_| {
            let mut sum = F::ZERO;
            for (term, x) in terms.iter_mut().zip(points) {
                sum += *term;
                *term = *term * *x;
            }
            sum
        })
        .collect()
}

/// Berlekamp and Massey: C = 1 + c_1 z + ... + c_L z^L of least L with
/// s_k + c_1 s_{k-1} + ... + c_L s_{k-L} = 0 for all k >= L; L + 1 coefficients.
fn shortest_recurrence<F: Field>(sequence: &[F]) -> Vec<F> {
    let (mut current, mut previous) = (vec![F::ONE], vec![F::ONE]);
    // `previous` was the recurrence `since` steps ago, when it failed by 1 / `inverse`.
    let (mut order, mut since, mut inverse) = (0, 1, F::ONE);
    for (k, _) in sequence.iter().enumerate() {
        let latest = sequence.get(..=k).unwrap_or_default().iter().rev();
        let failure = current.iter().zip(latest).fold(F::ZERO, |sum, (c, s)| sum + *c * *s);
        if failure == F::ZERO {
            since += 1;
            continue;
        }
        let longer = (2 * order <= k).then(|| current.clone());
        let factor = failure * inverse;
        current.resize(current.len().max(previous.len() + since), F::ZERO);
        for (c, p) in current.iter_mut().skip(since).zip(&previous) {
            *c -= factor * *p;
        }
        if let Some(before) = longer {
            (previous, order, inverse) = (before, k + 1 - order, failure.inverse());
            since = 1;
        } else {
            since += 1;
        }
    }
    current.resize(order + 1, F::ZERO);
    current
}
