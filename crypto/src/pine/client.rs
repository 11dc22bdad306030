//! The client: `shard` (draft-chen-cfrg-vdaf-pine, PoC `vdaf_pine.py`).
//!
//! One pass over the vector makes the leader's share and feeds all 2k hashes, a block at a time:
//! above the integers and the share itself, memory is O(sqrt d) and a few blocks.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::circuit::{Flat, Validity};
use super::stream::{Columns, encode};
use super::{BLOCK, NONCE, Pine, Sharding, Usage};
use crate::Error;
use crate::field::{Field, ternary};
use crate::flp::{Monomial, Products, Squares, Wires, prove};
use crate::par;
use crate::xof::{ByteStream, Xof, expand, fill_elements, sub_elements};

/// Fresh attempts at the wrap-around checks. An honest client needs a second one with probability
/// 2^-101.
const ATTEMPTS: usize = 8;

/// A vector being shared: integers, or (in tests of cheating clients) any elements.
pub(super) trait Coordinates<F: Field>: Sync {
    fn len(&self) -> usize;

    /// Copies coordinates from position `from`; 0 past the end.
    fn read(&self, from: usize, out: &mut [F]);

    /// Inner products of `count` coordinates with rows over {-1, 0, 1}, as integers around zero.
    fn dots(
        &self,
        from: usize,
        count: usize,
        rows: usize,
        stream: &mut impl ByteStream,
    ) -> Zeroizing<Vec<i128>>;
}

impl<F: Field> Coordinates<F> for [i64] {
    fn len(&self) -> usize {
        self.len()
    }

    fn read(&self, from: usize, out: &mut [F]) {
        let values = self.get(from..).unwrap_or(&[]);
        for (slot, value) in out.iter_mut().zip(values) {
            // Within the bound, hence within the field.
            *slot = F::from_i64(*value).unwrap_or(F::ZERO);
        }
        out.get_mut(values.len()..).unwrap_or(&mut []).fill(F::ZERO);
    }

    fn dots(
        &self,
        from: usize,
        count: usize,
        rows: usize,
        stream: &mut impl ByteStream,
    ) -> Zeroizing<Vec<i128>> {
        ternary::dots_integers(self.get(from..from + count).unwrap_or(&[]), rows, stream)
    }
}

/// Rows of the norm-equality circuit: the vector, cut into chunks.
struct Chunks<'a, C: ?Sized> {
    vector: &'a C,
    chunk: usize,
}

impl<F: Field, C: Coordinates<F> + ?Sized> Wires<F> for Chunks<'_, C> {
    fn read(&self, call: usize, from: usize, out: &mut [F]) {
        self.vector.read(call * self.chunk + from, out);
    }
}

/// What a client says of its vector.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    /// The squared norm.
    pub(super) norm: u128,
    /// The squared bound less the squared norm.
    pub(super) slack: u128,
    /// Say that checks passed whether they did or not (a cheating client).
    pub(super) pretend: bool,
}

/// Seeds of one report, in the draft's order.
struct Seeds<'a> {
    /// Measurement, proofs, wrap-around blind, joint blind of each helper, end to end.
    helpers: &'a [u8],
    /// The leader's two blinds.
    blinds: [&'a [u8]; 2],
    prove: &'a [u8],
}

/// One node's share in the making, as the client sees it.
struct Party<X: Xof> {
    /// A helper's measurement share; none for the leader.
    stream: Option<X::Stream>,
    /// The part that the checks hang on, until it is finished.
    wrap: Option<X>,
    joint: X,
    bytes: Zeroizing<Vec<u8>>,
}

impl<F: Field, X: Xof + Send> Pine<F, X>
where
    X::Stream: Send,
{
    /// Shares integers among the nodes with a proof of their norm. `nonce` is fresh for each
    /// report and public.
    ///
    /// # Errors
    /// [`Error::Length`] for another dimension; [`Error::Norm`] past the bound.
    pub fn shard<R: CryptoRng + ?Sized>(
        &self,
        values: &[i64],
        nonce: &[u8; NONCE],
        rng: &mut R,
    ) -> Result<Sharding, Error> {
        let claim = self.claim(values)?;
        self.attempt(values, claim, nonce, |rand| rng.fill_bytes(rand))
    }

    /// [`Pine::shard`] with the randomness given, for test vectors: never use one twice.
    ///
    /// # Errors
    /// As `shard`, and [`Error::WrapAround`] where that would take fresh randomness.
    #[doc(hidden)]
    pub fn shard_with_rand(
        &self,
        values: &[i64],
        nonce: &[u8; NONCE],
        rand: &[u8],
    ) -> Result<Sharding, Error> {
        let claim = self.claim(values)?;
        let needed = Error::WrapAround {
            needed: self.params.successes,
            checks: self.params.checks,
            attempts: 1,
        };
        self.shard_claim(values, claim, nonce, rand)?.ok_or(needed)
    }

    /// Tries until the checks pass.
    pub(super) fn attempt<C: Coordinates<F> + ?Sized>(
        &self,
        vector: &C,
        claim: Claim,
        nonce: &[u8; NONCE],
        mut fill: impl FnMut(&mut [u8]),
    ) -> Result<Sharding, Error> {
        let mut rand = Zeroizing::new(vec![0; self.rand_len()]);
        for _ in 0..ATTEMPTS {
            fill(&mut rand);
            if let Some(sharding) = self.shard_claim(vector, claim, nonce, &rand)? {
                return Ok(sharding);
            }
        }
        let (needed, checks) = (self.params.successes, self.params.checks);
        Err(Error::WrapAround { needed, checks, attempts: ATTEMPTS })
    }

    /// Bytes of randomness: four seeds a helper, two blinds of the leader, the prover's seed.
    pub(super) fn rand_len(&self) -> usize {
        (4 * (self.params.shares - 1) + 3) * X::SEED
    }

    /// The honest claim, if there is one.
    fn claim(&self, values: &[i64]) -> Result<Claim, Error> {
        let (expected, got) = (self.params.dimension, values.len());
        if got != expected {
            return Err(Error::Length { what: "vector", expected, got });
        }
        let bound = u128::from(self.params.bound) * u128::from(self.params.bound);
        let norm = values.iter().fold(0u128, |sum, value| {
            let size = u128::from(crate::field::magnitude(*value));
            sum.saturating_add(size * size)
        });
        let slack = bound.checked_sub(norm).ok_or(Error::Norm { bound: self.params.bound })?;
        Ok(Claim { norm, slack, pretend: false })
    }

    /// The sharding under a claim, or none when the checks did not pass.
    pub(super) fn shard_claim<C: Coordinates<F> + ?Sized>(
        &self,
        vector: &C,
        claim: Claim,
        nonce: &[u8; NONCE],
        rand: &[u8],
    ) -> Result<Option<Sharding>, Error> {
        let seeds = self.seeds(rand)?;
        let mut parties = Self::parties(&seeds, nonce);
        let mut leader = Zeroizing::new(Vec::with_capacity(self.share_len(0)));

        // The vector, then the bits of its norm: both kinds of part are bound to them.
        let dimension = self.params.dimension;
        let blocks = (BLOCK * par::width()).min(dimension);
        let mut block = Zeroizing::new(vec![F::ZERO; blocks]);
        for from in (0..dimension).step_by(blocks) {
            block.truncate(dimension - from);
            vector.read(from, &mut block);
            Self::split(&mut parties, &mut block, &mut leader);
        }
        let mut bits = Zeroizing::new(Vec::with_capacity(self.layout.bit_len));
        push_bits::<F>(claim.norm, self.layout.norm_bits, &mut bits);
        push_bits::<F>(claim.slack, self.layout.norm_bits, &mut bits);
        Self::split(&mut parties, &mut bits.clone(), &mut leader);

        // The checks, on randomness hashed out of all that. A copy of a hash is finished, and what
        // has a key is dropped where it stands: a vector keeps the bytes of what is moved out of
        // it.
        let mut public = Vec::with_capacity(2 * parties.len() * X::SEED);
        for party in &mut parties {
            if let Some(wrap) = &party.wrap {
                public.extend(Self::seed(wrap.clone().finish()));
            }
            party.wrap = None;
        }
        let dots = self.dots(vector, &Self::joint_seed(Usage::WrapSeed, &public));
        let Some(check_bits) = self.check_bits(&dots, claim.pretend) else { return Ok(None) };
        Self::split(&mut parties, &mut check_bits.clone(), &mut leader);
        bits.extend_from_slice(&check_bits);

        // The proofs, on randomness hashed out of the whole measurement.
        let wrap_parts = public.len();
        for party in &parties {
            public.extend(Self::seed(party.joint.clone().finish()));
        }
        drop(parties);
        let joint_parts = public.get(wrap_parts..).unwrap_or(&[]);
        let joint = self.joint_randomness(&Self::joint_seed(Usage::JointSeed, joint_parts));
        let mut proofs = self.prove(vector, &bits, &dots, &joint, seeds.prove)?;
        let mut shares = vec![Zeroizing::new(Vec::new())];
        for (helper, position) in seeds.helpers.chunks_exact(4 * X::SEED).zip(1..) {
            let seed = helper.get(X::SEED..2 * X::SEED).unwrap_or(&[]);
            sub_elements(&mut self.proofs_stream(seed, position), &mut proofs);
            shares.push(Zeroizing::new(helper.to_vec()));
        }
        for element in proofs.iter() {
            element.write_le_bytes(&mut leader);
        }
        for blind in seeds.blinds {
            leader.extend_from_slice(blind);
        }
        if let Some(first) = shares.first_mut() {
            *first = leader;
        }
        Ok(Some(Sharding { public, shares }))
    }

    fn seeds<'a>(&self, rand: &'a [u8]) -> Result<Seeds<'a>, Error> {
        let (expected, got) = (self.rand_len(), rand.len());
        let helpers = expected - 3 * X::SEED;
        if got != expected {
            return Err(Error::Length { what: "randomness, in bytes", expected, got });
        }
        let (helpers, rest) = rand.split_at(helpers);
        let (wrap, rest) = rest.split_at(X::SEED);
        let (joint, prove) = rest.split_at(X::SEED);
        Ok(Seeds { helpers, blinds: [wrap, joint], prove })
    }

    fn parties(seeds: &Seeds<'_>, nonce: &[u8; NONCE]) -> Vec<Party<X>> {
        let party = |position, stream, wrap: &[u8], joint: &[u8]| Party {
            stream,
            wrap: Some(Self::part(wrap, Usage::WrapPart, position, nonce)),
            joint: Self::part(joint, Usage::JointPart, position, nonce),
            // Never grown: that would leave copies of shares behind.
            bytes: Zeroizing::new(Vec::with_capacity(BLOCK * par::width() * F::BYTES)),
        };
        let [wrap, joint] = seeds.blinds;
        let helpers = seeds.helpers.chunks_exact(4 * X::SEED).zip(1..).map(|(seeds, position)| {
            let seed =
                |index: usize| seeds.get(index * X::SEED..(index + 1) * X::SEED).unwrap_or(&[]);
            let stream = Self::measurement_stream(seed(0), position);
            party(position, Some(stream), seed(2), seed(3))
        });
        std::iter::once(party(0, None, wrap, joint)).chain(helpers).collect()
    }

    /// Splits the measurement's next elements among the parties, in place, feeds every party's
    /// hashes with what is its, and appends the leader's to its share.
    fn split(parties: &mut [Party<X>], block: &mut [F], leader: &mut Vec<u8>) {
        let mut mask = Zeroizing::new(vec![F::ZERO; block.len()]);
        for party in parties.iter_mut() {
            if let Some(stream) = &mut party.stream {
                fill_elements(stream, &mut mask);
                F::sub_vec(block, &mask);
                encode(&mask, &mut party.bytes);
            }
        }
        let mut hashes = Vec::with_capacity(2 * parties.len());
        for party in parties {
            if party.stream.is_none() {
                encode(block, &mut party.bytes);
                leader.extend_from_slice(&party.bytes);
            }
            let bytes: &[u8] = &party.bytes;
            hashes.push((&mut party.joint, bytes));
            hashes.extend(party.wrap.as_mut().map(|wrap| (wrap, bytes)));
        }
        par::for_each(&mut hashes, |(hash, bytes)| hash.absorb(bytes));
    }

    /// The checks' inner products.
    fn dots<C: Coordinates<F> + ?Sized>(&self, vector: &C, seed: &[u8]) -> Zeroizing<Vec<i128>> {
        let (len, rows) = (vector.len(), self.params.checks);
        let tasks = if X::Stream::SEEKABLE { par::width() } else { 1 };
        let step = len.div_ceil(tasks).next_multiple_of(4);
        let parts = par::map(len.div_ceil(step), |task| {
            let from = task * step;
            let count = step.min(len - from);
            let mut columns = Columns::new(Self::wrap_stream(seed), len, from, count);
            vector.dots(from, count, rows, &mut columns)
        });
        let mut sums = Zeroizing::new(vec![0; rows]);
        for part in &parts {
            for (sum, part) in sums.iter_mut().zip(part.iter()) {
                *sum += *part;
            }
        }
        sums
    }

    /// Every check's bits: result + W - 1, and success. None when too few succeed. Passes past
    /// those needed do not count, and a result out of range is cut to the bits there are.
    /// Branch-free but for the outcome.
    fn check_bits(&self, dots: &[i128], pretend: bool) -> Option<Zeroizing<Vec<F>>> {
        let needed = self.params.successes as u128;
        let width = self.layout.check_bits - 1;
        let mut bits = Zeroizing::new(Vec::with_capacity(dots.len() * self.layout.check_bits));
        let mut passed = 0u128;
        for dot in dots {
            let result = dot + self.layout.wrap_bound as i128 - 1;
            let in_range = u128::from(result >> width == 0) | u128::from(pretend);
            let success = in_range & u128::from(passed < needed);
            passed += success;
            push_bits::<F>(result as u128, width, &mut bits);
            push_bits::<F>(success, 1, &mut bits);
        }
        (passed == needed).then_some(bits)
    }

    /// All proofs, end to end: norm equality, then validity.
    fn prove<C: Coordinates<F> + ?Sized>(
        &self,
        vector: &C,
        bits: &[F],
        dots: &[i128],
        joint: &[[F; super::circuit::JOINT]],
        seed: &[u8],
    ) -> Result<Zeroizing<Vec<F>>, Error> {
        let (params, layout) = (&self.params, &self.layout);
        let mut stream = Self::expand(seed, Usage::ProveRandomness, &[&self.proof_counts()]);
        let mut proofs = Zeroizing::new(Vec::with_capacity(layout.proofs_len::<F>(params)));

        let (shape, chunk) = (&layout.norm_equality, params.chunk_norm_equality);
        let seeds = expand::<F>(&mut stream, shape.arity() * params.proofs_norm_equality);
        prove::<F, Squares, Monomial>(shape, &Chunks { vector, chunk }, &seeds, &mut proofs)?;

        let dots = dots.iter().map(|dot| element(*dot)).collect();
        let dots: Zeroizing<Vec<F>> = Zeroizing::new(dots);
        let validity = Validity { params, layout, bits, one: F::ONE };
        for joint in joint {
            let wires: Flat<F> = validity.wires(&dots, *joint);
            let seeds = expand::<F>(&mut stream, layout.validity.arity());
            prove::<F, Products, Monomial>(&layout.validity, &wires, &seeds, &mut proofs)?;
        }
        Ok(proofs)
    }
}

/// The element that stands for an integer of absolute value below p, without a branch on it.
fn element<F: Field>(value: i128) -> F {
    let sign = (value >> 127) as u128;
    F::from_u128((value as u128).wrapping_add(F::MODULUS & sign)).unwrap_or(F::ZERO)
}

/// Appends the `count` low bits of a value, lowest first.
fn push_bits<F: Field>(value: u128, count: usize, to: &mut Vec<F>) {
    to.extend((0..count).map(|bit| {
        // 0 or 1, without a branch on it.
        F::from_u64((value >> bit) as u64 & 1).unwrap_or(F::ZERO)
    }));
}
