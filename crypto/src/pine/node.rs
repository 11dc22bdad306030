//! A node: preparation in one round (`prep_init`, `prep_shares_to_prep`, `prep_next` of the
//! draft), and aggregation.
//!
//! A node reads its share twice, the second time knowing the checks' rows. With a seekable
//! expansion it holds a few blocks of elements beside O(sqrt d); with TurboSHAKE, whose rows come
//! in order only, one vector.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::circuit::{Validity, norm_equality};
use super::stream::{Columns, Reader, decode, encode};
use super::{NONCE, Pine, Usage};
use crate::Error;
use crate::field::{Field, decode_vec, ternary};
use crate::flp::{Gadget, Monomial, Products, Query, Shape, Squares, decide};
use crate::par;
use crate::share::Aggregate;
use crate::xof::{Xof, add_elements, expand};

/// What a node keeps between its prep share and the prep message: the two joint seeds as it
/// computed them. Not secret; small enough to store beside the share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrepState(Vec<u8>);

impl PrepState {
    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// One node's share, taken apart.
struct Opened<'a> {
    position: usize,
    /// Encoded elements, or a seed.
    measurement: &'a [u8],
    /// Encoded elements, or a seed.
    proofs: &'a [u8],
    blinds: [&'a [u8]; 2],
}

fn expect_len(what: &'static str, bytes: &[u8], expected: usize) -> Result<(), Error> {
    if bytes.len() == expected {
        return Ok(());
    }
    Err(Error::Length { what, expected, got: bytes.len() })
}

impl<F: Field, X: Xof + Send> Pine<F, X>
where
    X::Stream: Send,
{
    /// Prepares the share of a position (0 is the leader): the state to keep and the prep share
    /// to send to the other nodes.
    ///
    /// # Security
    /// Once for each nonce, on one public share (rule R4): answers on two different ones tell more
    /// than they should. The verify key (`X::SEED` bytes) is the nodes' alone (rule R6).
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotReduced`] or [`Error::Parameter`] on what is not a share;
    /// [`Error::QueryPoint`] with the probability of hitting a root of unity.
    pub fn prep(
        &self,
        verify_key: &[u8],
        position: usize,
        nonce: &[u8; NONCE],
        public: &[u8],
        share: &[u8],
    ) -> Result<(PrepState, Vec<u8>), Error> {
        let (params, layout) = (&self.params, &self.layout);
        expect_len("verify key, in bytes", verify_key, X::SEED)?;
        expect_len("public share, in bytes", public, self.public_share_len())?;
        let share = self.open(position, share)?;

        // Own parts in place of those that the client said.
        let (parts, bits) = self.parts(&share, nonce)?;
        let mut seeds = Vec::with_capacity(2 * X::SEED);
        let kinds = public.chunks_exact(params.shares * X::SEED);
        for ((said, own), usage) in
            kinds.zip(parts.chunks_exact(X::SEED)).zip([Usage::WrapSeed, Usage::JointSeed])
        {
            let mut said = said.to_vec();
            if let Some(slot) = said.chunks_exact_mut(X::SEED).nth(position) {
                slot.copy_from_slice(own);
            }
            seeds.extend(Self::joint_seed(usage, &said));
        }
        let (wrap_seed, joint_seed) = seeds.split_at(X::SEED);

        let proofs = self.proofs(&share)?;
        let mut proofs = ProofShares(&proofs);
        let binder: [&[u8]; 2] = [&self.proof_counts(), nonce];
        let mut points = Self::expand(verify_key, Usage::QueryRandomness, &binder);
        let points = expand::<F>(&mut points, params.proofs_norm_equality + params.proofs);
        let (norm_points, points) = points.split_at(params.proofs_norm_equality);
        let mut queries = norm_points
            .iter()
            .map(|t| Query::new(&layout.norm_equality, proofs.next(&layout.norm_equality), *t))
            .collect::<Result<Vec<_>, _>>()?;
        let dots = self.scan(&share, wrap_seed, &mut queries)?;

        let mut verifiers = Zeroizing::new(Vec::with_capacity(layout.verifiers_len(params)));
        for query in queries {
            let output = norm_equality(layout, &bits, query.outputs());
            query.finish(output, &mut verifiers);
        }
        let one = F::from_u64(params.shares as u64).unwrap_or(F::ONE).inverse();
        let validity = Validity { params, layout, bits: &bits, one };
        for (joint, t) in self.joint_randomness(joint_seed).into_iter().zip(points) {
            let proof = proofs.next(&layout.validity);
            let mut query = Query::<F, Monomial>::new(&layout.validity, proof, *t)?;
            let mut sum = Zeroizing::new(vec![F::ZERO; layout.validity.arity()]);
            query.weigh(0, &validity.wires(&dots, joint).values, &mut sum);
            query.add(&sum);
            let output = validity.output(query.outputs(), joint);
            query.finish(output, &mut verifiers);
        }
        let mut prep_share = Vec::with_capacity(self.prep_share_len());
        encode(&verifiers, &mut prep_share);
        prep_share.extend_from_slice(&parts);
        Ok((PrepState(seeds), prep_share))
    }

    /// Combines all nodes' prep shares, by position, to the prep message, and checks the proofs.
    /// Not acceptance yet: every node must pass the message to [`Pine::finish`] too.
    /// [`Pine::decide`] does both, and is what haima's nodes call.
    ///
    /// # Errors
    /// [`Error::Proof`] when a proof fails; [`Error::Length`] or [`Error::NotReduced`] on what are
    /// not this many prep shares.
    pub fn combine(&self, prep_shares: &[&[u8]]) -> Result<Vec<u8>, Error> {
        let (params, layout) = (&self.params, &self.layout);
        let (expected, got) = (params.shares, prep_shares.len());
        if got != expected {
            return Err(Error::Length { what: "prep shares", expected, got });
        }
        let len = layout.verifiers_len(params);
        let mut sum = vec![F::ZERO; len];
        let (mut wraps, mut joints) = (Vec::new(), Vec::new());
        for share in prep_shares {
            expect_len("prep share, in bytes", share, self.prep_share_len())?;
            let (verifiers, parts) = share.split_at(len * F::BYTES);
            F::add_vec(&mut sum, &decode_vec("prep share", verifiers, len)?);
            let (wrap, joint) = parts.split_at(X::SEED);
            wraps.extend_from_slice(wrap);
            joints.extend_from_slice(joint);
        }
        let norm = params.proofs_norm_equality * layout.norm_equality.verifier_len();
        let (norm, validity) = sum.split_at(norm);
        accept::<F, Squares>("norm equality", &layout.norm_equality, norm)?;
        accept::<F, Products>("validity", &layout.validity, validity)?;
        let mut message = Self::joint_seed(Usage::WrapSeed, &wraps);
        message.extend(Self::joint_seed(Usage::JointSeed, &joints));
        Ok(message)
    }

    /// Whether every node's preparation of one submission would finish, from its public share and
    /// all prep shares, by position: the proofs hold, and the parts that the nodes hashed out of
    /// their shares are those of the public share. A function of what every node sees, so that
    /// all decide alike; [`Pine::finish`] alone may tell nodes apart, when a client lied about one
    /// node's part.
    ///
    /// # Errors
    /// As [`Pine::combine`], and [`Error::JointRandomness`].
    pub fn decide(&self, public: &[u8], prep_shares: &[&[u8]]) -> Result<(), Error> {
        expect_len("public share, in bytes", public, self.public_share_len())?;
        let message = self.combine(prep_shares)?;
        let (wraps, joints) = public.split_at(public.len() / 2);
        let mut said = Self::joint_seed(Usage::WrapSeed, wraps);
        said.extend(Self::joint_seed(Usage::JointSeed, joints));
        self.finish(&PrepState(said), &message)
    }

    /// Finishes a position's preparation. Only after this, on every node, may the share be added.
    ///
    /// # Errors
    /// [`Error::JointRandomness`] when the message's seeds are not those this node computed.
    pub fn finish(&self, state: &PrepState, message: &[u8]) -> Result<(), Error> {
        expect_len("prep message, in bytes", message, self.prep_message_len())?;
        if bool::from(state.0.ct_eq(message)) { Ok(()) } else { Err(Error::JointRandomness) }
    }

    /// Reads a stored state back.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn read_state(&self, bytes: &[u8]) -> Result<PrepState, Error> {
        expect_len("prep state, in bytes", bytes, 2 * X::SEED)?;
        Ok(PrepState(bytes.to_vec()))
    }

    /// Adds a position's share of the vector to a running sum, without holding it.
    ///
    /// # Security
    /// Does not check the proof: only for a report that [`Pine::decide`] accepted, and once.
    ///
    /// # Errors
    /// On what is not a share of this position, or a sum of another; the sum is unchanged then.
    pub fn accumulate(
        &self,
        position: usize,
        share: &[u8],
        sum: &mut Aggregate<F>,
    ) -> Result<(), Error> {
        let share = self.open(position, share)?;
        let sum = sum.open(position, self.params.dimension)?;
        if position > 0 {
            add_elements(&mut Self::measurement_stream(share.measurement, position), sum);
            return Ok(());
        }
        const BLOCK: usize = 1 << 10;
        let vector = share.measurement.get(..sum.len() * F::BYTES).unwrap_or(&[]);
        let mut block = Zeroizing::new([F::ZERO; BLOCK]);
        // All of it is checked before any of it is added.
        for adding in [false, true] {
            let blocks = vector.chunks(BLOCK * F::BYTES).zip(sum.chunks_mut(BLOCK));
            for (index, (bytes, sum)) in blocks.enumerate() {
                let Some(block) = block.get_mut(..sum.len()) else { continue };
                decode(bytes, index * BLOCK, block)?;
                if adding {
                    F::add_vec(sum, block);
                }
            }
        }
        Ok(())
    }

    /// Takes a share apart.
    fn open<'a>(&self, position: usize, share: &'a [u8]) -> Result<Opened<'a>, Error> {
        if position >= self.params.shares {
            let (got, max) = (position as u128, self.params.shares as u128 - 1);
            return Err(Error::Parameter { what: "position", got, min: 0, max });
        }
        expect_len("share, in bytes", share, self.share_len(position))?;
        let (measurement, proofs) = if position == 0 {
            let measurement = self.layout.measurement * F::BYTES;
            (measurement, self.layout.proofs_len::<F>(&self.params) * F::BYTES)
        } else {
            (X::SEED, X::SEED)
        };
        let (measurement, rest) = share.split_at(measurement);
        let (proofs, blinds) = rest.split_at(proofs);
        let (wrap, joint) = blinds.split_at(X::SEED);
        Ok(Opened { position, measurement, proofs, blinds: [wrap, joint] })
    }

    fn reader<'a>(&self, share: &Opened<'a>) -> Reader<'a, X::Stream> {
        if share.position == 0 {
            Reader::Encoded { rest: share.measurement, at: 0 }
        } else {
            Reader::Expanded(Self::measurement_stream(share.measurement, share.position))
        }
    }

    /// First reading: this node's two parts, and its share of the bits.
    fn parts(
        &self,
        share: &Opened<'_>,
        nonce: &[u8; NONCE],
    ) -> Result<(Vec<u8>, Zeroizing<Vec<F>>), Error> {
        let (dimension, layout) = (self.params.dimension, &self.layout);
        let [wrap, joint] = share.blinds;
        // Each hash with the number of bytes that it is still to be given.
        let mut hashes =
            [(wrap, Usage::WrapPart, layout.prefix), (joint, Usage::JointPart, layout.measurement)]
                .map(|(blind, usage, len)| {
                    (Self::part(blind, usage, share.position, nonce), len * F::BYTES)
                });
        let mut absorb = |bytes: &[u8]| {
            par::for_each(&mut hashes, |(hash, left)| {
                let bytes = bytes.get(..*left).unwrap_or(bytes);
                hash.absorb(bytes);
                *left -= bytes.len();
            });
        };
        let mut reader = self.reader(share);
        let mut bits = Zeroizing::new(vec![F::ZERO; layout.bit_len]);
        match &mut reader {
            Reader::Encoded { rest, at } => {
                absorb(rest);
                (*rest, *at) = (rest.get(dimension * F::BYTES..).unwrap_or(&[]), dimension);
                reader.read(&mut bits)?;
            }
            Reader::Expanded(_) => {
                // Never grown: that would leave copies of the share behind.
                let longest = super::BLOCK.max(layout.bit_len) * F::BYTES;
                let mut bytes = Zeroizing::new(Vec::with_capacity(longest));
                let mut block = Zeroizing::new(vec![F::ZERO; super::BLOCK.min(dimension)]);
                for from in (0..dimension).step_by(super::BLOCK) {
                    block.truncate(dimension - from);
                    reader.read(&mut block)?;
                    encode(&block, &mut bytes);
                    absorb(&bytes);
                }
                reader.read(&mut bits)?;
                encode(&bits, &mut bytes);
                absorb(&bytes);
            }
        }
        let parts = hashes.into_iter().flat_map(|(hash, _)| Self::seed(hash.finish())).collect();
        Ok((parts, bits))
    }

    /// This node's share of all proofs.
    fn proofs(&self, share: &Opened<'_>) -> Result<Zeroizing<Vec<F>>, Error> {
        let len = self.layout.proofs_len::<F>(&self.params);
        if share.position == 0 {
            return Ok(Zeroizing::new(decode_vec("proof share", share.proofs, len)?));
        }
        Ok(expand(&mut self.proofs_stream(share.proofs, share.position), len))
    }

    /// Second reading: this node's share of the checks' inner products, and of the wires of the
    /// norm-equality proofs at their query points.
    fn scan(
        &self,
        share: &Opened<'_>,
        wrap_seed: &[u8],
        queries: &mut [Query<F, Monomial>],
    ) -> Result<Zeroizing<Vec<F>>, Error> {
        let (dimension, rows) = (self.params.dimension, self.params.checks);
        let arity = self.layout.norm_equality.arity();
        let step = self.block();
        let mut reader = self.reader(share);
        let mut dots = Zeroizing::new(vec![F::ZERO; rows]);
        // As many blocks at a time as there are threads.
        let group = (step * par::width()).min(dimension);
        let mut values = Zeroizing::new(vec![F::ZERO; group]);
        for start in (0..dimension).step_by(group) {
            values.truncate(dimension - start);
            reader.read(&mut values)?;
            let parts = par::map(values.len().div_ceil(step), |block| {
                let from = start + block * step;
                let Some(block) = values.chunks(step).nth(block) else { return Vec::new() };
                let stream = Self::wrap_stream(wrap_seed);
                let mut columns = Columns::new(stream, dimension, from, block.len());
                let mut parts = vec![ternary::dots(block, rows, &mut columns)];
                for query in &*queries {
                    let mut sum = Zeroizing::new(vec![F::ZERO; arity]);
                    query.weigh(from, block, &mut sum);
                    parts.push(sum);
                }
                parts
            });
            for part in parts {
                if let Some((part, sums)) = part.split_first() {
                    F::add_vec(&mut dots, part);
                    for (query, sum) in queries.iter_mut().zip(sums) {
                        query.add(sum);
                    }
                }
            }
        }
        Ok(dots)
    }
}

/// Proof shares end to end, taken one by one.
struct ProofShares<'a, F>(&'a [F]);

impl<'a, F: Field> ProofShares<'a, F> {
    fn next(&mut self, shape: &Shape) -> &'a [F] {
        let (proof, rest) = self.0.split_at(shape.proof_len::<F, Monomial>().min(self.0.len()));
        self.0 = rest;
        proof
    }
}

/// Decides on every proof of one circuit.
fn accept<F: Field, G: Gadget<F>>(
    circuit: &'static str,
    shape: &Shape,
    verifiers: &[F],
) -> Result<(), Error> {
    for (index, verifier) in verifiers.chunks_exact(shape.verifier_len()).enumerate() {
        if !decide::<F, G>(shape, verifier) {
            return Err(Error::Proof { circuit, index });
        }
    }
    Ok(())
}
