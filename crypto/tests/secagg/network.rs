//! A network of sites with pair keys, and the steps of a round for all of them. Each message goes
//! through its bytes.

use std::collections::{BTreeMap, BTreeSet};

use haima_crypto::encode::{Canonical, Digest, Encoder};
use haima_crypto::identity::{IdentityKey, Signature};
use haima_crypto::secagg::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest as _, Sha256};

pub(crate) const LEN: usize = 5;

pub(crate) struct Network {
    pub(crate) identities: Vec<IdentityKey>,
    pub(crate) roster: Roster,
    pub(crate) epoch: Digest,
    pub(crate) keys: Vec<PairKeys>,
    pub(crate) rngs: Vec<ChaCha20Rng>,
}

/// A site's generator: apart for each site and salt.
pub(crate) fn rng(site: u32, salt: u64) -> ChaCha20Rng {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&site.to_le_bytes());
    seed[4..12].copy_from_slice(&salt.to_le_bytes());
    ChaCha20Rng::from_seed(seed)
}

/// A value that went through its bytes.
pub(crate) fn sent<M: Canonical>(message: &M) -> M {
    let bytes = message.to_bytes();
    let came = M::from_bytes(&bytes).unwrap();
    assert_eq!(came.to_bytes(), bytes);
    came
}

pub(crate) fn name(site: u32) -> String {
    format!("site-{site}")
}

pub(crate) fn roster(identities: &[IdentityKey]) -> Roster {
    let member =
        |(site, key): (u32, &IdentityKey)| Member { name: name(site), identity: key.public() };
    Roster::new((0..).zip(identities).map(member).collect()).unwrap()
}

pub(crate) fn identities(sites: u32) -> Vec<IdentityKey> {
    (0..sites).map(|site| IdentityKey::from_secret(&[site as u8 + 1; 32])).collect()
}

pub(crate) fn epoch(roster: Roster) -> EpochContext {
    EpochContext::new(&Digest::of(b"manifest"), roster, 7)
}

impl Network {
    pub(crate) fn new(sites: u32, salt: u64) -> Self {
        Self::recorded(sites, salt, &mut |_, _| {})
    }

    /// Agrees on keys and shows each message.
    pub(crate) fn recorded(
        sites: u32,
        salt: u64,
        record: &mut impl FnMut(&'static str, Vec<u8>),
    ) -> Self {
        let identities = identities(sites);
        let roster = roster(&identities);
        let context = epoch(roster.clone());
        let mut rngs: Vec<_> = (0..sites).map(|site| rng(site, salt)).collect();
        let (states, advertisements): (Vec<_>, Vec<_>) = identities
            .iter()
            .zip(&mut rngs)
            .map(|(identity, rng)| Advertising::start(context.clone(), identity, rng).unwrap())
            .unzip();
        for advertisement in &advertisements {
            record("advertisement", sent(advertisement).to_bytes());
        }
        let epoch = context.close(&advertisements).unwrap();
        let (states, agreements): (Vec<_>, Vec<_>) = states
            .into_iter()
            .zip(identities.iter().zip(&mut rngs))
            .map(|(state, (identity, rng))| state.agree(&advertisements, identity, rng).unwrap())
            .unzip();
        let agreements: Vec<Agreement> = agreements.iter().flatten().map(sent).collect();
        for agreement in &agreements {
            record("agreement", agreement.to_bytes());
        }
        let keys = (0..)
            .zip(states)
            .map(|(site, state)| {
                let to: Vec<_> =
                    agreements.iter().filter(|agreement| agreement.to == site).cloned().collect();
                state.finish(&to).unwrap()
            })
            .collect();
        Self { identities, roster, epoch, keys, rngs }
    }

    /// The terms of most tests: the least threshold, secret against as many as that allows.
    pub(crate) fn terms(&self) -> Terms {
        let sites = self.roster.sites();
        let threshold = sites * 2 / 3 + 1;
        Terms {
            round: Digest::of(b"round"),
            epoch: self.epoch,
            threshold,
            corrupt: 2 * threshold - sites - 1,
            min_sites: 2,
            ring: Ring::new(32).unwrap(),
            prg: Prg::Aes128,
            len: LEN,
        }
    }

    pub(crate) fn context(&self) -> RoundContext {
        self.context_of(self.terms())
    }

    pub(crate) fn context_of(&self, terms: Terms) -> RoundContext {
        RoundContext::new(self.roster.clone(), terms).unwrap()
    }

    pub(crate) fn start(&mut self, context: &RoundContext, site: u32) -> (Shared, SharesMessage) {
        let at = site as usize;
        let (keys, rng) = (&mut self.keys[at], &mut self.rngs[at]);
        let (state, message) =
            Shared::start(context.clone(), keys, &self.identities[at], rng).unwrap();
        (state, sent(&message))
    }

    pub(crate) fn identity(&self, site: u32) -> &IdentityKey {
        &self.identities[site as usize]
    }

    /// All but `absent` share.
    pub(crate) fn share(
        &mut self,
        context: &RoundContext,
        absent: &[u32],
    ) -> (BTreeMap<u32, Shared>, Result<Relaying, Error>) {
        let mut collecting = Collecting::new(context.clone());
        let mut states = BTreeMap::new();
        for site in (0..self.roster.sites()).filter(|site| !absent.contains(site)) {
            let (state, message) = self.start(context, site);
            collecting.add(message).unwrap();
            states.insert(site, state);
        }
        (states, collecting.close())
    }

    /// A round until all but `gone` have sent their vectors.
    pub(crate) fn mask(
        &mut self,
        context: &RoundContext,
        absent: &[u32],
        gone: &[u32],
    ) -> (BTreeMap<u32, Masked>, Confirming) {
        let (states, relaying) = self.share(context, absent);
        let relaying = relaying.unwrap();
        let ready: Vec<_> = states
            .into_iter()
            .filter(|(site, _)| !gone.contains(site))
            .map(|(site, state)| (site, state.receive(&relaying.delivery(site).unwrap()).unwrap()))
            .collect();
        let mut summing = relaying.sum();
        let mut masked = BTreeMap::new();
        for (site, state) in ready {
            let (state, input) = state.mask(&input(site, LEN), self.identity(site)).unwrap();
            summing.add(&sent(&input)).unwrap();
            masked.insert(site, state);
        }
        (masked, summing.close().unwrap())
    }

    /// A round until all survivors have confirmed.
    pub(crate) fn confirm(
        &mut self,
        context: &RoundContext,
        absent: &[u32],
        gone: &[u32],
    ) -> (BTreeMap<u32, Confirmed>, Unmasking) {
        let (states, mut confirming) = self.mask(context, absent, gone);
        let partition = sent(confirming.partition());
        let mut confirmed = BTreeMap::new();
        for (site, state) in states {
            let (state, message) = state.confirm(&partition, self.identity(site)).unwrap();
            confirming.add(&sent(&message)).unwrap();
            confirmed.insert(site, state);
        }
        (confirmed, confirming.close().unwrap())
    }
}

/// What a site adds: small integers of both signs, different at each site.
pub(crate) fn input(site: u32, len: usize) -> Vec<i64> {
    (0..len as i64).map(|at| (i64::from(site) + 1) * (at * 37 - 50)).collect()
}

/// The plain sum of [`input`].
pub(crate) fn plain(sites: &BTreeSet<u32>, len: usize) -> Vec<i64> {
    let mut sum = vec![0; len];
    for site in sites {
        sum.iter_mut().zip(input(*site, len)).for_each(|(sum, value)| *sum += value);
    }
    sum
}

/// Signs a message again after a change: over its bytes without the signature at the end.
pub(crate) fn signed<M: Canonical>(message: &M, identity: &IdentityKey) -> Signature {
    let bytes = message.to_bytes();
    identity.sign(&Digest::of(&bytes[..bytes.len() - 64]))
}

/// Signs a masked vector: its SHA-256 stands for it.
pub(crate) fn signed_input(input: &MaskedInput, identity: &IdentityKey) -> Signature {
    let mut to = Encoder::new(MaskedInput::LABEL);
    to.digest(&input.origin.round).digest(&input.origin.terms).u32(input.origin.site);
    to.digest(&input.cohort).array(&Sha256::digest(&input.packed).into());
    identity.sign(&Digest::of(&to.finish()))
}

pub(crate) fn signed_envelope(
    envelope: &Envelope,
    context: &RoundContext,
    identity: &IdentityKey,
) -> Signature {
    let mut to = Encoder::new("haima secagg envelope signed 1");
    to.digest(context.digest()).u32(envelope.from).u32(envelope.to);
    to.digest(&Digest::of(&envelope.sealed));
    identity.sign(&Digest::of(&to.finish()))
}

/// Makes the header sign the message's parts as they are.
pub(crate) fn rehead(message: &mut SharesMessage, identity: &IdentityKey) {
    let mut to = Encoder::new("haima secagg envelopes 1");
    to.count(message.envelopes.len());
    message.envelopes.iter().for_each(|envelope| envelope.encode_fields(&mut to));
    message.header.envelopes = Digest::of(&to.finish());
    message.header.backup = Digest::of(&message.backup);
    message.header.signature = signed(&message.header, identity);
}
