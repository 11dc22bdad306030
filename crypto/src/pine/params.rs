//! Parameters: their ranges, defaults, and what they make of soundness.

use crate::Error;
use crate::field::Field;
use crate::flp::{Basis, Monomial, Shape};
use crate::share::MAX_PARTIES;

/// Largest number of coordinates.
pub const MAX_DIMENSION: usize = 1 << 26;
/// Largest number of wrap-around checks.
pub const MAX_CHECKS: usize = 1 << 10;
/// A check of an honest vector fails with probability at most 2 exp(-alpha^2) = 2^-108 (PINE,
/// section 3); the draft fixes it.
pub const ALPHA: f64 = 8.7;
/// [`ALPHA`] times 10, for integers.
const ALPHA_TENTHS: u128 = 87;

/// What client and nodes must agree on.
///
/// # Proofs by field
/// Error of one proof, in bits, by the formulas of [`Params::soundness_bits`], at the largest
/// bound of the draft's code (a smaller one has a little less error) and d = 1,000,000 (in brackets: 2^26), with the default chunks; the default
/// numbers of proofs; the error of all of them. All pass 2^-80.
///
/// | field | one norm equality | one validity | proofs | norm equality | validity |
/// |---|---|---|---|---|---|
/// | `Field32` | 22 (18) | 20.7 | 5 + 5 | 110 (90) | 103 |
/// | `Field40` | 30 (26) | 28.5 | 4 + 4 | 120 (104) | 114 |
/// | `Field64` | 54 (50) | 52.0 | 2 + 2 (rule R7) | 108 (100) | 104 |
/// | `Field128` | 118 (114) | 115 | 1 + 1 | 118 (114) | 115 |
///
/// The draft's own default is one norm-equality proof, which over 32 bits is a single try at
/// 2^-22; more cost a few percent of time and O(sqrt d) bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Coordinates, 1 to [`MAX_DIMENSION`].
    pub dimension: usize,
    /// Largest L2 norm, in the integers' grid steps.
    pub bound: u64,
    /// Nodes, 2 to [`MAX_PARTIES`].
    pub shares: usize,
    /// Wrap-around checks made.
    pub checks: usize,
    /// Wrap-around checks that a client must pass.
    pub successes: usize,
    /// Proofs of the validity circuit, 1 to 255.
    pub proofs: usize,
    /// Proofs of the norm-equality circuit, 1 to 255.
    pub proofs_norm_equality: usize,
    /// Products a gadget call of the validity circuit.
    pub chunk: usize,
    /// Squares a gadget call of the norm-equality circuit.
    pub chunk_norm_equality: usize,
}

impl Params {
    /// Defaults: 100 checks, all of which must pass; proofs by field as in the table above; the
    /// chunks that make proofs smallest.
    ///
    /// The bound is at most the field's [`largest_bound`](Self::largest_bound), which is smaller than
    /// what the draft's code lets through.
    ///
    /// # Errors
    /// [`Error::Parameter`], with the figure and its range.
    pub fn new<F: Field>(dimension: usize, bound: u64, shares: usize) -> Result<Self, Error> {
        let proofs = match F::BYTES {
            ..=4 => 5,
            5..=7 => 4,
            8..=15 => 2,
            _ => 1,
        };
        let mut params = Self {
            dimension,
            bound,
            shares,
            checks: 100,
            successes: 100,
            proofs,
            proofs_norm_equality: proofs,
            chunk: 1,
            chunk_norm_equality: 1,
        };
        params.check_sound::<F>()?;
        params.check::<F>()?;
        let bits = params.check_bits() * params.checks + 2 * params.norm_bits();
        params.chunk = best_chunk::<F>(2, &[bits, params.checks]);
        params.chunk_norm_equality = best_chunk::<F>(1, &[dimension]);
        Ok(params)
    }

    /// The largest bound that proofs over a field hold a client to, with ceil(8.7 B) in integers:
    /// 30,854,650 over `Field64`, 132,519,713,173,200,801 over `Field128`.
    #[must_use]
    pub fn largest_bound<F: Field>() -> u64 {
        largest(fits_soundly::<F>)
    }

    /// Refuses a bound at which a vector whose squared norm wraps can pass every check.
    pub(crate) fn check_sound<F: Field>(&self) -> Result<(), Error> {
        let (got, max) = (u128::from(self.bound), u128::from(Self::largest_bound::<F>()));
        if got > max {
            return Err(Error::Parameter { what: "norm bound in this field", got, min: 1, max });
        }
        Ok(())
    }

    /// Every range but the chunks' effect on the transforms, which [`Shape::new`] checks.
    pub(crate) fn check<F: Field>(&self) -> Result<(), Error> {
        let within = |what, got: usize, min: usize, max: usize| {
            let (got, min, max) = (got as u128, min as u128, max as u128);
            if (min..=max).contains(&got) {
                Ok(())
            } else {
                Err(Error::Parameter { what, got, min, max })
            }
        };
        within("nodes", self.shares, 2, MAX_PARTIES)?;
        within("dimension", self.dimension, 1, MAX_DIMENSION)?;
        within("wrap-around checks", self.checks, 1, MAX_CHECKS)?;
        within("wrap-around checks to pass", self.successes, 1, self.checks)?;
        within("validity proofs", self.proofs, 1, 255)?;
        within("norm-equality proofs", self.proofs_norm_equality, 1, 255)?;
        within("chunk of the validity circuit", self.chunk, 1, MAX_DIMENSION)?;
        within("chunk of the norm-equality circuit", self.chunk_norm_equality, 1, MAX_DIMENSION)?;
        let max = u128::from(largest(fits_the_draft::<F>));
        let got = u128::from(self.bound);
        if !(1..=max).contains(&got) {
            return Err(Error::Parameter { what: "norm bound in this field", got, min: 1, max });
        }
        Ok(())
    }

    /// Bits that hold the squared bound.
    pub(crate) fn norm_bits(&self) -> usize {
        (u128::BITS - (u128::from(self.bound) * u128::from(self.bound)).leading_zeros()) as usize
    }

    /// Bits of one wrap-around check: its result in [0, 2W) and the success bit.
    pub(crate) fn check_bits(&self) -> usize {
        wrap_bound(self.bound).trailing_zeros() as usize + 2
    }

    /// Bits of soundness: -log2 of the probability that a vector past the bound is accepted, by
    /// the weakest of three parts, for a client that does not search; all three together have at most
    /// 1.6 bits less.
    ///
    /// The randomness of the last two hangs on hashes of the measurement that a client may try
    /// again. Q of them multiply what the wrap-around checks let through by Q: with 100 checks that
    /// is Q 2^-100, so 2^-48 at 2^52, by the 1/2 a check that PINE's lemma has. By the 7/10 that
    /// is proved by machine it is Q 2^-51, which bounds nothing from 2^51 on. The n validity proofs
    /// are separate conditions: with joint randomness of probability j and a query point of
    /// probability e for each, Q hashes of two proofs have Q j^2 + 2 Q j e + e^2. Over `Field64`,
    /// j = 2^-52 and e = 2^-57, that is 2^-52 at 2^52, less than the checks give for as many. Take
    /// more checks and three proofs where that is too little.
    ///
    /// * norm equality: (2(P-1) / (q-P))^n (Boneh et al. 2019, Theorem 4.3);
    /// * validity: (2(P-1) / (q-P) + (bits + checks + 3) / q)^n, the second term being the degree
    ///   of the circuit's output in its joint randomness;
    /// * wrap-around: a vector whose squared norm wraps passes each check with probability at most
    ///   1/2 (PINE, Lemma 3.3), so sum over i >= successes of C(checks, i) / 2^checks. What is proved
    ///   by machine of every such vector is 7/10 (`proofs/coq/PineSoundness.v`), which makes 51 bits of
    ///   100 checks.
    ///
    /// # Errors
    /// As [`Params::new`]: at a larger bound no figure holds.
    pub fn soundness_bits<F: Field>(&self) -> Result<f64, Error> {
        self.check_sound::<F>()?;
        let layout = Layout::new::<F>(self)?;
        let q = F::MODULUS as f64;
        let query = |shape: &Shape| {
            let points = shape.points() as f64;
            2.0 * (points - 1.0) / (q - points)
        };
        let joint = (layout.bit_len + self.checks + 3) as f64 / q;
        let norm = -query(&layout.norm_equality).log2() * self.proofs_norm_equality as f64;
        let validity = -(query(&layout.validity) + joint).log2() * self.proofs as f64;
        // C(n, i) / 2^n by recurrence from i = n down.
        let n = self.checks as f64;
        let (mut term, mut tail) = (1.0, 1.0);
        for failures in 1..=self.checks - self.successes {
            term *= (n - failures as f64 + 1.0) / failures as f64;
            tail += term;
        }
        Ok(norm.min(validity).min(n - tail.log2()))
    }
}

/// W: the least power of two that is at least ceil(alpha B) + 1. A check's result must lie in
/// (-W, W], which is a matter of bits alone (PINE, Remark 3.2).
pub(crate) fn wrap_bound(bound: u64) -> u128 {
    // Rounded as the draft's Python rounds it.
    ((ALPHA * bound as f64).ceil() as u128 + 1).next_power_of_two()
}

/// What the draft's code asks of a bound: q > 3 B^2 + 2 (PINE, Figure 1), q >= 2600 W and
/// W^2 <= 4000 q; q >= 2 checks holds for every field here. **It is too little**: a vector whose
/// squared norm wraps may have a norm of sqrt(q) alone, so the interval of 2 W that a check's result may
/// lie in has to be small against that. Over `Field64` with B = 2^31, W is 2^35, and the vector (2^32),
/// twice the bound, has the squared norm 2^32 - 1 mod q and passes every check there can be.
fn fits_the_draft<F: Field>(bound: u64) -> bool {
    let q = F::MODULUS;
    let square = u128::from(bound) * u128::from(bound);
    let w = wrap_bound(bound);
    // W^2 <= 4000 q with both sides divided by 2^10, which is exact from W = 32 on.
    let wide =
        (w >> 5) * (w >> 5) <= (q >> 5).saturating_mul(125).saturating_add(q % 32 * 125 / 32);
    square.checked_mul(3).is_some_and(|triple| triple < q - 2) && q / 2600 >= w && wide
}

/// What the proof of soundness asks beside that: 80 W^2 <= q. The paper's lemma and an earlier text of
/// the draft ask for 81; W is a power of two, and for our fields both allow the same.
///
/// Past 2^53 [`wrap_bound`]'s double may be below ceil(8.7 B), so the condition is asked of the
/// exact integer as well: the 7 bounds over `Field128` between the two are refused.
fn fits_soundly<F: Field>(bound: u64) -> bool {
    let exact = (u128::from(bound) * ALPHA_TENTHS).div_ceil(10) + 1;
    let w = wrap_bound(bound).max(exact.next_power_of_two());
    let wide = w.checked_mul(w).and_then(|square| square.checked_mul(81));
    fits_the_draft::<F>(bound) && wide.is_some_and(|wide| wide <= F::MODULUS)
}

/// The largest bound of those that fit: all below it do.
fn largest(fits: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, u64::MAX);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

/// The chunk that makes a proof smallest, for gadgets called on parts of `lengths` summands each.
fn best_chunk<F: Field>(width: usize, lengths: &[usize]) -> usize {
    let calls = |chunk: usize| lengths.iter().map(|len| len.div_ceil(chunk)).sum::<usize>();
    let longest = lengths.iter().copied().max().unwrap_or(1);
    (1..F::LOG2_ROOTS - 1)
        .take_while(|log2| *log2 < 28)
        .filter_map(|log2_points| {
            // The least chunk with few enough calls.
            let most = (1usize << log2_points) - 1;
            let (mut low, mut high) = (1, longest);
            while low < high {
                let middle = low + (high - low) / 2;
                if calls(middle) <= most { high = middle } else { low = middle + 1 }
            }
            let size = width * low + <Monomial as Basis<F>>::len(log2_points);
            (calls(low) <= most).then_some((size, low))
        })
        .min()
        .map_or(longest, |(_, chunk)| chunk)
}

/// Where things stand in an encoded measurement: coordinates, bits of the squared norm v, bits of
/// B^2 - v, then for every check the bits of its result + W - 1 and its success bit.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Bits of v, and of B^2 - v.
    pub(crate) norm_bits: usize,
    /// Bits of one check, with the success bit.
    pub(crate) check_bits: usize,
    /// W.
    pub(crate) wrap_bound: u128,
    /// Elements that the checks' randomness is bound to: coordinates and norm bits.
    pub(crate) prefix: usize,
    /// Elements that must be bits.
    pub(crate) bit_len: usize,
    /// Elements of a measurement: coordinates and bits.
    pub(crate) measurement: usize,
    pub(crate) norm_equality: Shape,
    pub(crate) validity: Shape,
}

impl Layout {
    pub(crate) fn new<F: Field>(params: &Params) -> Result<Self, Error> {
        params.check::<F>()?;
        let (norm_bits, check_bits) = (params.norm_bits(), params.check_bits());
        let bit_len = 2 * norm_bits + check_bits * params.checks;
        let calls = bit_len.div_ceil(params.chunk) + params.checks.div_ceil(params.chunk);
        let squares = params.dimension.div_ceil(params.chunk_norm_equality);
        Ok(Self {
            norm_bits,
            check_bits,
            wrap_bound: wrap_bound(params.bound),
            prefix: params.dimension + 2 * norm_bits,
            bit_len,
            measurement: params.dimension + bit_len,
            norm_equality: Shape::new::<F>(params.chunk_norm_equality, squares)?,
            validity: Shape::new::<F>(2 * params.chunk, calls)?,
        })
    }

    /// Elements of all proofs.
    pub(crate) fn proofs_len<F: Field>(&self, params: &Params) -> usize {
        self.norm_equality.proof_len::<F, Monomial>() * params.proofs_norm_equality
            + self.validity.proof_len::<F, Monomial>() * params.proofs
    }

    /// Elements of all verifiers.
    pub(crate) fn verifiers_len(&self, params: &Params) -> usize {
        self.norm_equality.verifier_len() * params.proofs_norm_equality
            + self.validity.verifier_len() * params.proofs
    }
}
