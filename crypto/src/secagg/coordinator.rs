//! The coordinator until a partition is confirmed: it checks, relays and adds.
//!
//! It holds one vector, however many sites there are. A message that comes again as it was is no
//! error and changes nothing; a second, other one is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;
use super::context::RoundContext;
use super::mask::Accumulator;
use super::messages::{
    Delivery, Envelope, Header, MaskedInput, SharesMessage, Signed, backup_len, cohort,
};
use super::partition::{Confirmation, Partition, UnmaskRequest};
use super::unmasking::Unmasking;
use crate::encode::{Canonical, Digest};
use crate::identity::Signature;

/// Waits for shares.
#[derive(Debug)]
pub struct Collecting {
    context: RoundContext,
    messages: BTreeMap<u32, SharesMessage>,
}

impl Collecting {
    /// A round begins.
    #[must_use]
    pub fn new(context: RoundContext) -> Self {
        Self { context, messages: BTreeMap::new() }
    }

    /// Takes a site's shares. The signature of each envelope is left to its holder, who names the
    /// dealer; the header's covers them all.
    ///
    /// # Errors
    /// On an unknown site, a bad signature, another round or other terms, parts that are not those
    /// that the header signs, or not one envelope for each other site in order, and on a second,
    /// other message.
    pub fn add(&mut self, message: SharesMessage) -> Result<(), Error> {
        let context = &self.context;
        let SharesMessage { header, backup, envelopes } = &message;
        context.check(header)?;
        let (site, roster) = (header.origin.site, context.roster());
        let name = || roster.name(site);
        let parts = [
            ("backup", backup.len(), backup_len(roster.sites() as usize)),
            ("envelopes", envelopes.len(), roster.sites() as usize - 1),
        ];
        for (what, got, expected) in parts {
            if got != expected {
                return Err(Error::Length { what, site: name(), expected, got });
            }
        }
        if header.envelopes != Envelope::digest_all(envelopes)
            || header.backup != Digest::of(backup)
        {
            return Err(Error::Changed { what: SharesMessage::WHAT, site: name() });
        }
        let addressed = envelopes.iter().map(|envelope| (envelope.from, envelope.to));
        if !addressed.eq(roster.others(site).map(|to| (site, to))) {
            return Err(Error::Invalid { what: "list of envelopes", site: name() });
        }
        match self.messages.get(&site) {
            Some(before) if *before == message => {}
            Some(_) => return Err(Error::Duplicate { what: SharesMessage::WHAT, site: name() }),
            None => {
                self.messages.insert(site, message);
            }
        }
        Ok(())
    }

    /// Whose shares have come.
    pub fn sharers(&self) -> impl Iterator<Item = u32> {
        self.messages.keys().copied()
    }

    /// Goes on with those that have come.
    ///
    /// # Errors
    /// [`Error::TooFewSites`] below the threshold or the floor: the round has failed.
    pub fn close(self) -> Result<Relaying, Error> {
        let Self { context, messages } = self;
        context.enough("sites have shared", messages.len())?;
        let (mut headers, mut backups) = (BTreeMap::new(), BTreeMap::new());
        let mut envelopes: BTreeMap<u32, Vec<Envelope>> =
            messages.keys().map(|site| (*site, Vec::new())).collect();
        for (site, message) in messages {
            headers.insert(site, message.header);
            backups.insert(site, message.backup);
            for envelope in message.envelopes {
                if let Some(inbox) = envelopes.get_mut(&envelope.to) {
                    inbox.push(envelope);
                }
            }
        }
        let cohort = cohort(&context, &headers);
        Ok(Relaying { round: Gathered { context, cohort, headers, backups }, envelopes })
    }
}

impl SharesMessage {
    const WHAT: &'static str = "shares";
}

/// What is known of a round once shares are in.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) context: RoundContext,
    pub(super) cohort: Digest,
    pub(super) headers: BTreeMap<u32, Header>,
    pub(super) backups: BTreeMap<u32, Vec<u8>>,
}

/// Hands each sharer its envelopes.
#[derive(Debug)]
pub struct Relaying {
    round: Gathered,
    envelopes: BTreeMap<u32, Vec<Envelope>>,
}

impl Relaying {
    /// What goes to a sharer.
    ///
    /// # Errors
    /// [`Error::UnknownSite`], and [`Error::Missing`] for a site that did not share.
    pub fn delivery(&self, to: u32) -> Result<Delivery, Error> {
        let member = self.round.context.roster().member(to)?;
        let envelopes = self.envelopes.get(&to).ok_or_else(|| Error::Missing {
            what: SharesMessage::WHAT,
            site: member.name.clone(),
        })?;
        let headers = self.round.headers.values().cloned().collect();
        Ok(Delivery { headers, envelopes: envelopes.clone() })
    }

    /// Goes on to the vectors. Deliveries are made before; the caller keeps those to be sent again.
    #[must_use]
    pub fn sum(self) -> Summing {
        let terms = self.round.context.terms();
        let sum = Accumulator::new(terms.ring, terms.len);
        Summing { round: self.round, sum, survivors: BTreeMap::new() }
    }
}

/// Adds masked vectors as they come.
#[derive(Debug)]
pub struct Summing {
    round: Gathered,
    sum: Accumulator,
    /// What each signed.
    survivors: BTreeMap<u32, Digest>,
}

impl Summing {
    /// Adds a site's masked vector.
    ///
    /// # Errors
    /// On an unknown site, a wrong length, a bad signature, another round or other terms, one that
    /// did not share or masked for another cohort, and a second, other one.
    pub fn add(&mut self, input: &MaskedInput) -> Result<(), Error> {
        let what = MaskedInput::WHAT;
        let context = &self.round.context;
        let (site, terms) = (input.origin.site, context.terms());
        let name = || context.roster().name(site);
        context.roster().member(site)?;
        // Before it is hashed: what no round has the length of costs nothing.
        let (expected, got) = (terms.ring.packed_len(terms.len)?, input.packed.len());
        if got != expected {
            return Err(Error::Length { what, site: name(), expected, got });
        }
        let statement = context.check(input)?;
        if let Some(before) = self.survivors.get(&site) {
            let same = *before == statement;
            return if same { Ok(()) } else { Err(Error::Duplicate { what, site: name() }) };
        }
        if !self.round.headers.contains_key(&site) {
            return Err(Error::Missing { what: SharesMessage::WHAT, site: name() });
        }
        if input.cohort != self.round.cohort {
            return Err(Error::Invalid { what, site: name() });
        }
        self.sum.add_packed(&input.packed).map_err(|_| Error::Invalid { what, site: name() })?;
        self.survivors.insert(site, statement);
        Ok(())
    }

    /// Whose vectors have come.
    pub fn survivors(&self) -> impl Iterator<Item = u32> {
        self.survivors.keys().copied()
    }

    /// Goes on with those that have come: the partition is fixed.
    ///
    /// # Errors
    /// [`Error::TooFewSites`] below the threshold or the floor: the round has failed.
    pub fn close(self) -> Result<Confirming, Error> {
        let Self { round, sum, survivors } = self;
        round.context.enough("survivors", survivors.len())?;
        let survivors: BTreeSet<u32> = survivors.into_keys().collect();
        let sharers: BTreeSet<u32> = round.headers.keys().copied().collect();
        let absent = (0..round.context.roster().sites()).filter(|site| !sharers.contains(site));
        let absent = absent.collect();
        let partition = Partition { absent, vanished: &sharers - &survivors, survivors };
        Ok(Confirming { round, sum, partition, confirmations: BTreeMap::new() })
    }
}

/// Waits for t survivors to sign the partition.
#[derive(Debug)]
pub struct Confirming {
    round: Gathered,
    sum: Accumulator,
    partition: Partition,
    confirmations: BTreeMap<u32, Signature>,
}

impl Confirming {
    /// What goes to each survivor.
    #[must_use]
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Takes a survivor's confirmation.
    ///
    /// # Errors
    /// On an unknown site, a bad signature, another round or other terms, no survivor, and another
    /// partition or cohort.
    pub fn add(&mut self, confirmation: &Confirmation) -> Result<(), Error> {
        let what = Confirmation::WHAT;
        let context = &self.round.context;
        context.check(confirmation)?;
        let site = confirmation.origin.site;
        let name = || context.roster().name(site);
        if !self.partition.survivors.contains(&site) {
            return Err(Error::NoSurvivor { what, site: name() });
        }
        let Confirmation { cohort, partition, .. } = confirmation;
        if *cohort != self.round.cohort || *partition != self.partition.digest() {
            return Err(Error::Invalid { what, site: name() });
        }
        self.confirmations.insert(site, confirmation.signature);
        Ok(())
    }

    /// Who has confirmed.
    pub fn confirmed(&self) -> impl Iterator<Item = u32> {
        self.confirmations.keys().copied()
    }

    /// Goes on with those that have come.
    ///
    /// # Errors
    /// [`Error::TooFewConfirmations`]: the round has failed.
    pub fn close(self) -> Result<Unmasking, Error> {
        let Self { round, sum, partition, confirmations } = self;
        let (got, need) = (confirmations.len(), round.context.terms().threshold as usize);
        if got < need {
            return Err(Error::TooFewConfirmations { got, need });
        }
        let confirmations = confirmations.into_iter().collect();
        Ok(Unmasking::new(round, sum, UnmaskRequest { partition, confirmations }))
    }
}
