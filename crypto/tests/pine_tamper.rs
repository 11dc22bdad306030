//! Every byte matters: over all vectors, a flipped byte of any message is rejected.

mod common;

use common::{Check, Report, Vectors};
use haima_crypto::Error;
use haima_crypto::field::Field;
use haima_crypto::pine::{Pine, PrepState};
use haima_crypto::xof::Xof;

type Prepared = (PrepState, Vec<u8>);

/// All nodes' preparation of one report under one key.
struct Round<'a, F, X> {
    pine: &'a Pine<F, X>,
    report: &'a Report,
    key: &'a [u8],
}

impl<F: Field, X: Xof<Stream: Send> + Send> Round<'_, F, X> {
    fn prep(&self, position: usize) -> Result<Prepared, Error> {
        let Report { nonce, public, input_shares, .. } = self.report;
        self.pine.prep(self.key, position, nonce, public, &input_shares[position])
    }

    fn prep_all(&self) -> Vec<Prepared> {
        (0..self.pine.params().shares).map(|position| self.prep(position).unwrap()).collect()
    }

    /// The whole of the round after `prep`; `message` may change the message on its way.
    fn conclude(&self, prepared: &[Prepared], message: impl Fn(&mut Vec<u8>)) -> Result<(), Error> {
        let shares: Vec<&[u8]> = prepared.iter().map(|(_, share)| &share[..]).collect();
        let mut combined = self.pine.combine(&shares)?;
        message(&mut combined);
        prepared.iter().try_for_each(|(state, _)| self.pine.finish(state, &combined))
    }

    /// The round when one node's preparation came out as given.
    fn with(&self, honest: &[Prepared], position: usize, other: Prepared) -> Result<(), Error> {
        let mut prepared = honest.to_vec();
        prepared[position] = other;
        self.conclude(&prepared, |_| {})
    }
}

/// Positions to flip: `count` of them, the first and last among them, spread over the rest.
fn positions(len: usize, count: usize) -> impl Iterator<Item = usize> {
    let step = (len / count).max(1);
    // Odd, so that it meets every byte of elements whose length is a power of two.
    (0..len).step_by(step | 1).chain([len - 1])
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1 << (at % 8);
    bytes
}

#[derive(Default)]
struct Flips {
    flips: usize,
}

impl Flips {
    fn reject(&mut self, at: &str, what: &str, byte: usize, result: &Result<(), Error>) {
        assert!(result.is_err(), "{at}: byte {byte} of the {what} flipped, and accepted");
        self.flips += 1;
    }
}

impl Check for Flips {
    fn check<F: Field, X: Xof<Stream: Send> + Send>(
        &mut self,
        pine: &Pine<F, X>,
        vectors: &Vectors,
    ) {
        let (report, key) = (vectors.reports.last().unwrap(), &vectors.verify_key);
        let round = Round { pine, report, key };
        let Report { nonce, public, input_shares: shares, .. } = report;
        let at = &vectors.name;
        let honest = round.prep_all();
        round.conclude(&honest, |_| {}).unwrap();

        for byte in 0..public.len() {
            let public = flipped(public, byte);
            let prepared = shares
                .iter()
                .enumerate()
                .map(|(position, share)| pine.prep(key, position, nonce, &public, share).unwrap());
            let result = round.conclude(&prepared.collect::<Vec<_>>(), |_| {});
            self.reject(at, "public share", byte, &result);
        }
        for (position, share) in shares.iter().enumerate() {
            // The leader's: coordinates and bits, proofs, blinds, all spread over.
            let blinds = share.len() - 2 * X::SEED;
            let flips = positions(share.len(), if position == 0 { 500 } else { share.len() });
            for byte in flips.chain(if position == 0 { blinds..share.len() } else { 0..0 }) {
                let share = flipped(share, byte);
                let result = pine
                    .prep(key, position, nonce, public, &share)
                    .and_then(|prepared| round.with(&honest, position, prepared));
                self.reject(at, &format!("share of node {position}"), byte, &result);
            }
            for byte in positions(honest[position].1.len(), 400) {
                let (state, prep_share) = honest[position].clone();
                let result = round.with(&honest, position, (state, flipped(&prep_share, byte)));
                self.reject(at, &format!("prep share of node {position}"), byte, &result);
            }
            for byte in 0..key.len() {
                let key = flipped(key, byte);
                let prepared = Round { pine, report, key: &key }.prep(position).unwrap();
                let result = round.with(&honest, position, prepared);
                self.reject(at, &format!("verify key at node {position}"), byte, &result);
            }
        }
        for byte in 0..pine.prep_message_len() {
            let result = round.conclude(&honest, |message| *message = flipped(message, byte));
            self.reject(at, "prep message", byte, &result);
        }
        for byte in 0..nonce.len() {
            let nonce = flipped(nonce, byte).try_into().unwrap();
            let result = pine
                .prep(key, 0, &nonce, public, &shares[0])
                .and_then(|prepared| round.with(&honest, 0, prepared));
            self.reject(at, "nonce at node 0", byte, &result);
        }
    }
}

#[test]
fn a_flipped_byte_of_any_message_is_rejected() {
    let mut flips = Flips::default();
    for vectors in common::published().iter().chain(&common::own()) {
        vectors.dispatch(&mut flips);
    }
    println!("{} flips, all rejected", flips.flips);
    assert!(flips.flips > 5000);
}

/// The key is the nodes' own: an honest proof passes under any, a bad one under none.
struct OtherKey;

impl Check for OtherKey {
    fn check<F: Field, X: Xof<Stream: Send> + Send>(
        &mut self,
        pine: &Pine<F, X>,
        vectors: &Vectors,
    ) {
        let (report, key) = (&vectors.reports[0], flipped(&vectors.verify_key, 3));
        let round = Round { pine, report, key: &key };
        let mut prepared = round.prep_all();
        assert_ne!(prepared[0].1, report.prep_shares[0], "the key reaches the prep share");
        round.conclude(&prepared, |_| {}).unwrap();

        // A proof element changed; the last is a coefficient of a validity proof.
        let mut share = report.input_shares[0].clone();
        let byte = share.len() - 2 * X::SEED - F::BYTES;
        share[byte] ^= 1;
        prepared[0] = pine.prep(&key, 0, &report.nonce, &report.public, &share).unwrap();
        let result = round.conclude(&prepared, |_| {});
        let index = pine.params().proofs - 1;
        assert_eq!(result, Err(Error::Proof { circuit: "validity", index }), "{}", vectors.name);
    }
}

#[test]
fn a_key_changed_at_all_nodes_passes_honest_proofs_and_fails_bad_ones() {
    for vectors in common::published().iter().chain(&common::own()) {
        vectors.dispatch(&mut OtherKey);
    }
}
