//! The coordinator's last step: shares to seeds, seeds to masks, and the masks off the sum.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::Error;
use super::coordinator::Gathered;
use super::mask::Accumulator;
use super::messages::Signed;
use super::partition::{Partition, UnmaskRequest, UnmaskShares};
use super::secrets::{Secret, backup_bound, backup_key, commitment, only, self_mask_seed};
use crate::encode::{Canonical, Digest};
use crate::field::{Field64, decode_vec};
use crate::secret::Seed;
use crate::shamir::{Basis, LIMBS, Share, recover, seed_from_limbs};

/// Waits for t answers.
#[derive(Debug)]
pub struct Unmasking {
    round: Gathered,
    sum: Accumulator,
    request: UnmaskRequest,
    answers: BTreeMap<u32, Answer>,
}

/// A holder's shares of the survivors' self-masks, then of the vanished sites' backup keys.
#[derive(Debug)]
struct Answer {
    statement: Digest,
    shares: Vec<Share<Field64>>,
}

impl Unmasking {
    pub(super) fn new(round: Gathered, sum: Accumulator, request: UnmaskRequest) -> Self {
        Self { round, sum, request, answers: BTreeMap::new() }
    }

    /// What goes to each survivor.
    #[must_use]
    pub fn request(&self) -> &UnmaskRequest {
        &self.request
    }

    /// Takes a survivor's answer.
    ///
    /// # Errors
    /// On an unknown site, a bad signature, another round or other terms, no survivor, an answer to
    /// another partition, a wrong number of shares, one that is no share, and a second, other one.
    pub fn add(&mut self, answer: &UnmaskShares) -> Result<(), Error> {
        let what = UnmaskShares::WHAT;
        let context = &self.round.context;
        context.check(answer)?;
        let holder = answer.origin.site;
        let name = || context.roster().name(holder);
        let partition = &self.request.partition;
        if !partition.survivors.contains(&holder) {
            return Err(Error::NoSurvivor { what, site: name() });
        }
        if answer.partition != partition.digest() {
            return Err(Error::Invalid { what, site: name() });
        }
        let lists = [
            (&answer.self_masks, partition.survivors.len()),
            (&answer.backup_keys, partition.vanished.len()),
        ];
        let mut shares = Vec::with_capacity(partition.survivors.len() + partition.vanished.len());
        for (list, expected) in lists {
            let got = list.len();
            if got != expected {
                return Err(Error::Length { what, site: name(), expected, got });
            }
            for share in list.iter() {
                let values = decode_vec::<Field64>(what, share, LIMBS);
                let values = values.map_err(|_| Error::Invalid { what, site: name() })?;
                let need = context.threshold().need();
                shares.push(Share::new(holder + 1, need, Zeroizing::new(values))?);
            }
        }
        let statement = answer.statement();
        match self.answers.get(&holder) {
            Some(before) if before.statement == statement => {}
            Some(_) => return Err(Error::Duplicate { what, site: name() }),
            None => {
                self.answers.insert(holder, Answer { statement, shares });
            }
        }
        Ok(())
    }

    /// Who has answered.
    pub fn answered(&self) -> impl Iterator<Item = u32> {
        self.answers.keys().copied()
    }

    /// The seeds of all masks, each checked against its dealer's commitment. When wrong shares are
    /// among t answers, more answers may help: each two let one wrong share be found.
    ///
    /// # Errors
    /// [`Error::TooFewSites`] below t answers; [`Error::Unrecoverable`] when a seed cannot be had
    /// from those that have come; [`Error::Sealed`] when a vanished site's backup does not open.
    pub fn seeds<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> Result<Seeds, Error> {
        let context = &self.round.context;
        let (got, threshold) = (self.answers.len(), context.threshold().need());
        if got < threshold as usize {
            let (what, need) = ("answers to the request", threshold as usize);
            return Err(Error::TooFewSites { what, got, need });
        }
        let indices: Vec<u32> = self.answers.keys().map(|holder| holder + 1).collect();
        let basis = Basis::new(threshold, &indices)?;
        let mut seeds = Seeds { survivors: Vec::new(), vanished: Vec::new(), disputes: Vec::new() };
        let Partition { survivors, vanished, .. } = &self.request.partition;
        let dealers = survivors
            .iter()
            .map(|dealer| (*dealer, Secret::SelfMask))
            .chain(vanished.iter().map(|dealer| (*dealer, Secret::Backup)));
        for (place, (dealer, secret)) in dealers.enumerate() {
            let shares = || self.answers.values().filter_map(|answer| answer.shares.get(place));
            let seed = match basis.reconstruct_seed(shares()) {
                Ok(seed) if self.committed(dealer, secret, &seed) => seed,
                _ => {
                    let shares: Vec<_> = shares().cloned().collect();
                    let (seed, wrong) = self.recovered(dealer, secret, &shares, rng)?;
                    seeds.disputes.extend(wrong.iter().map(|index| Dispute {
                        dealer,
                        holder: index - 1,
                        secret,
                    }));
                    seed
                }
            };
            match secret {
                Secret::SelfMask => {
                    seeds.survivors.push(self_mask_seed(&seed, context.digest()));
                }
                Secret::Backup => seeds.vanished.push((dealer, self.subkeys(dealer, &seed)?)),
            }
        }
        Ok(seeds)
    }

    fn committed(&self, dealer: u32, secret: Secret, seed: &Seed) -> bool {
        let commitment = commitment(&self.round.context, dealer, secret, seed);
        self.round.headers.get(&dealer).is_some_and(|header| match secret {
            Secret::SelfMask => header.self_mask == commitment,
            Secret::Backup => header.backup_key == commitment,
        })
    }

    /// The seed from shares of which some are wrong, and the indices of those.
    fn recovered<R: CryptoRng + ?Sized>(
        &self,
        dealer: u32,
        secret: Secret,
        shares: &[Share<Field64>],
        rng: &mut R,
    ) -> Result<(Seed, Vec<u32>), Error> {
        let found = recover(shares, rng)
            .and_then(|(limbs, wrong)| Ok((seed_from_limbs(&limbs)?, wrong)))
            .ok()
            .filter(|(seed, _)| self.committed(dealer, secret, seed));
        found.ok_or_else(|| {
            let roster = self.round.context.roster();
            let holders = self.answers.keys().map(|holder| roster.name(*holder)).collect();
            Error::Unrecoverable { what: secret.name(), dealer: roster.name(dealer), holders }
        })
    }

    /// A vanished site's pairwise subkeys, by the other's position.
    fn subkeys(&self, site: u32, seed: &Seed) -> Result<BTreeMap<u32, Seed>, Error> {
        let (context, what) = (&self.round.context, "backup");
        let roster = context.roster();
        let bound = backup_bound(context, site);
        let mut backup = Zeroizing::new(self.round.backups.get(&site).cloned().unwrap_or_default());
        backup_key(seed, &bound)
            .open(only()?, bound.as_bytes(), &mut backup)
            .map_err(|_| Error::Sealed { what, site: roster.name(site) })?;
        let (keys, _) = backup.as_chunks::<{ Seed::LEN }>();
        Ok(roster.others(site).zip(keys.iter().map(|key| Seed::from_bytes(*key))).collect())
    }

    /// Takes the masks off.
    #[must_use]
    pub fn unmask(self, seeds: Seeds) -> Sum {
        let Self { round, mut sum, request, .. } = self;
        let prg = round.context.terms().prg;
        for seed in &seeds.survivors {
            sum.sub_mask(prg, seed);
        }
        for (gone, subkeys) in &seeds.vanished {
            let left =
                subkeys.iter().filter(|(site, _)| request.partition.survivors.contains(site));
            for (survivor, subkey) in left {
                // The survivor added it when the vanished site came after it in the roster.
                if gone > survivor {
                    sum.sub_mask(prg, subkey);
                } else {
                    sum.add_mask(prg, subkey);
                }
            }
        }
        Sum { values: sum.to_integers(), partition: request.partition, disputes: seeds.disputes }
    }
}

/// The seeds of all masks that are left in the sum.
///
/// # Security
/// With the masked vectors of survivors they give the sum and no more.
pub struct Seeds {
    survivors: Vec<Seed>,
    vanished: Vec<(u32, BTreeMap<u32, Seed>)>,
    disputes: Vec<Dispute>,
}

impl std::fmt::Debug for Seeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seeds of {} masks (<redacted>)", self.survivors.len() + self.vanished.len())
    }
}

/// A share that is not of the secret that its dealer committed to: the dealer or the holder
/// deviated. A holder in dispute with several dealers, or a dealer with several holders, is the
/// likely one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dispute {
    /// Who dealt the share.
    pub dealer: u32,
    /// Who gave it back.
    pub holder: u32,
    /// Of which secret.
    pub secret: Secret,
}

/// The result of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The sum of the survivors' vectors, in [-2^(b-1), 2^(b-1)).
    pub values: Vec<i64>,
    /// Who is in it.
    pub partition: Partition,
    /// Wrong shares that did not prevent it.
    pub disputes: Vec<Dispute>,
}
