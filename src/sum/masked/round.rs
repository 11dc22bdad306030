//! The course of one masked round, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::secagg::{
    Collecting, Confirmation, Confirming, MaskedInput, Relaying, Roster, RoundContext,
    SharesMessage, Summing, UnmaskShares, Unmasking,
};
use haima_smpc_node::audit;
use haima_smpc_node::spec::{RoundEvent, RoundSpec};
use haima_smpc_node::{durable, keyfile, unix_millis};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::gather::{Until, gather};
use super::{MaskedSum, name, own};
use crate::Error;
use crate::coordinator::board::{Message, Step};
use crate::proto;
use crate::sum::network::Network;

/// How long the slowest sites are waited for once enough have answered.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a site that is away is waited for at a round's beginning.
const AWAY: Duration = Duration::from_secs(5);

/// A round that is open.
pub(super) struct Course<'a> {
    network: &'a Network,
    spec: &'a RoundSpec,
    round: Digest,
    roster: Roster,
    threshold: usize,
    /// The sites that an exact sum must be over, once that is settled (rule X2).
    exact: Option<BTreeSet<u32>>,
    inbox: &'a mut mpsc::Receiver<Message>,
    start: Instant,
    /// To the deadline.
    left: Duration,
    grace: Duration,
}

impl<'a> Course<'a> {
    pub(super) fn new(
        network: &'a Network,
        spec: &'a RoundSpec,
        context: &RoundContext,
        exact: Option<BTreeSet<u32>>,
        inbox: &'a mut mpsc::Receiver<Message>,
    ) -> Self {
        Self {
            network,
            spec,
            round: spec.digest(),
            roster: context.roster().clone(),
            threshold: context.terms().threshold as usize,
            exact,
            inbox,
            start: Instant::now(),
            left: Duration::from_millis(spec.deadline_ms.saturating_sub(unix_millis())),
            grace: Duration::from_millis(network.manifest.grace_ms),
        }
    }

    /// From the sites' shares to the coordinator's signature over the sum; the partition of an exact
    /// round goes to `sites` before anybody is asked for an answer.
    pub(super) async fn run(
        &mut self,
        context: RoundContext,
        sites: &Path,
    ) -> Result<MaskedSum, Error> {
        let (relaying, sharers) = self.shares(Collecting::new(context)).await?;
        let confirming = self.vectors(relaying.sum(), &sharers).await?;
        let unmasking = self.confirmations(confirming).await?;
        if self.spec.event == RoundEvent::Exact {
            // A site that answers will answer for no other sites in this run.
            let bytes = unmasking.request().partition.to_bytes();
            durable::write_now("coordinator.masked.sites", || {
                keyfile::replace_private(sites, &bytes)
            })?;
        }
        self.answers(unmasking).await
    }

    fn post(&self, step: Step, site: Option<u32>, bytes: Vec<u8>) {
        let site = site.map(|site| name(&self.roster, site));
        self.network.hub.board.post(step, site.as_deref(), bytes);
    }

    fn failed(&self, reason: String) -> Error {
        Error::Node(haima_smpc_node::Error::RoundFailed {
            round: self.round.short(),
            party: self.network.manifest.coordinator.name.clone(),
            reason,
        })
    }

    /// Why a step came to nothing, with who is missing and what they said.
    fn too_few(
        &self,
        error: &haima_crypto::secagg::Error,
        wanted: &BTreeSet<u32>,
        came: &BTreeSet<u32>,
    ) -> Error {
        let said: BTreeMap<String, String> =
            self.network.hub.round_reports(&self.round).1.into_iter().collect();
        let missing = wanted.difference(came).map(|site| {
            let name = name(&self.roster, *site);
            said.get(&name).map_or_else(|| name.clone(), |said| format!("{name} ({said})"))
        });
        let missing: Vec<String> = missing.collect();
        self.failed(format!("{error}; missing: {}", missing.join(", ")))
    }

    /// Sites that have told that they do not go on with this round, which one that holds it back for now
    /// may; and, after a while, those that are not connected.
    fn gone(&self, away: Option<Instant>) -> impl Fn() -> BTreeSet<String> + use<> {
        let (hub, round) = (std::sync::Arc::clone(&self.network.hub), self.round);
        let all: Vec<String> =
            (0..self.roster.sites()).map(|site| name(&self.roster, site)).collect();
        move || {
            let refused = hub.refusals(&round).into_iter();
            let refused = refused.filter(|refusal| refusal.kind != proto::Refusal::Held);
            let mut gone: BTreeSet<String> = refused.map(|refusal| refusal.site).collect();
            if away.is_some_and(|away| Instant::now() >= away) {
                let here = hub.present();
                gone.extend(all.iter().filter(|site| !here.contains(*site)).cloned());
            }
            gone
        }
    }

    /// Collects shares and delivers them.
    async fn shares(
        &mut self,
        mut collecting: Collecting,
    ) -> Result<(Relaying, BTreeSet<u32>), Error> {
        let wanted = match &self.exact {
            Some(exact) => exact.clone(),
            None => (0..self.roster.sites()).collect(),
        };
        // Who misses the first exact sum of a run is in none of it: for that, half of the time.
        let settles = self.spec.event == RoundEvent::Exact && self.exact.is_none();
        let until = Until {
            of: wanted.clone(),
            enough: wanted.len(),
            patience: Duration::ZERO,
            latest: self.start + self.left / 2,
            gone: Box::new(self.gone((!settles).then(|| self.start + AWAY.min(self.left / 4)))),
        };
        let (roster, exact) = (self.roster.clone(), self.exact.clone());
        let round = self.round.short();
        let came = gather(self.inbox, &roster, Step::Shares, &until, |site, bytes| {
            if exact.as_ref().is_some_and(|exact| !exact.contains(&site)) {
                let (site, round) = (name(&roster, site), round.clone());
                let reason = "it is not in the first exact sum of the run (rule X2)".into();
                return Err(Error::Refused { site, round, reason });
            }
            let origin = |shares: &SharesMessage| shares.header.origin.site;
            Ok(collecting.add(own(&roster, site, &bytes, origin)?)?)
        });
        let sharers = came.await;
        let relaying =
            collecting.close().map_err(|error| self.too_few(&error, &wanted, &sharers))?;
        for site in &sharers {
            self.post(Step::Shares, Some(*site), relaying.delivery(*site)?.to_bytes());
        }
        Ok((relaying, sharers))
    }

    /// Adds the masked vectors, and tells who is in.
    async fn vectors(
        &mut self,
        mut summing: Summing,
        sharers: &BTreeSet<u32>,
    ) -> Result<Confirming, Error> {
        let until = Until {
            of: sharers.clone(),
            enough: sharers.len(),
            patience: Duration::ZERO,
            latest: self.start + self.left,
            gone: Box::new(self.gone(None)),
        };
        let roster = self.roster.clone();
        let mut signed = BTreeMap::new();
        let came = gather(self.inbox, &roster, Step::Vector, &until, |site, bytes| {
            let vector = own(&roster, site, &bytes, |vector: &MaskedInput| vector.origin.site)?;
            summing.add(&vector)?;
            signed.insert(name(&roster, site), vector.signed());
            Ok::<_, Error>(())
        });
        let came = came.await;
        let confirming = summing.close().map_err(|error| self.too_few(&error, sharers, &came))?;
        self.check_survivors(&confirming.partition().survivors)?;
        let events: Vec<audit::Event<'_>> = signed
            .iter()
            .map(|(site, digest)| audit::Event {
                kind: "accepted",
                round: &self.round,
                subject: site,
                digest,
                text: "",
            })
            .collect();
        self.network.audit.write_all(&self.network.key, &events)?;
        self.post(Step::Vector, None, confirming.partition().to_bytes());
        Ok(confirming)
    }

    /// Collects confirmations of the partition, and asks for answers to it.
    async fn confirmations(&mut self, mut confirming: Confirming) -> Result<Unmasking, Error> {
        let survivors = confirming.partition().survivors.clone();
        let until = Until {
            of: survivors.clone(),
            enough: self.threshold,
            patience: PATIENCE.min(self.grace / 4),
            latest: self.start + self.left + self.grace / 2,
            gone: Box::new(self.gone(None)),
        };
        let roster = self.roster.clone();
        let came = gather(self.inbox, &roster, Step::Confirmation, &until, |site, bytes| {
            let signed = own(&roster, site, &bytes, |signed: &Confirmation| signed.origin.site)?;
            Ok::<_, Error>(confirming.add(&signed)?)
        });
        let came = came.await;
        confirming.close().map_err(|error| self.too_few(&error, &survivors, &came))
    }

    /// Collects answers, takes the masks off and signs the sum.
    async fn answers(&mut self, mut unmasking: Unmasking) -> Result<MaskedSum, Error> {
        let survivors = unmasking.request().partition.survivors.clone();
        self.post(Step::Confirmation, None, unmasking.request().to_bytes());
        let roster = self.roster.clone();
        let mut until = Until {
            of: survivors.clone(),
            enough: self.threshold,
            patience: PATIENCE.min(self.grace / 4),
            latest: self.start + self.left + self.grace,
            gone: Box::new(self.gone(None)),
        };
        let seeds = loop {
            let came = gather(self.inbox, &roster, Step::Answer, &until, |site, bytes| {
                let answer =
                    own(&roster, site, &bytes, |answer: &UnmaskShares| answer.origin.site)?;
                Ok::<_, Error>(unmasking.add(&answer)?)
            });
            let came = came.await;
            let answered: BTreeSet<u32> = unmasking.answered().collect();
            // More answers than t let wrong shares be found.
            match unmasking.seeds(&mut haima_smpc_node::randomness::system()) {
                Ok(seeds) => break seeds,
                Err(error) if came.is_empty() || answered.len() >= survivors.len() => {
                    return Err(self.too_few(&error, &survivors, &answered));
                }
                Err(_) => {
                    until.of = survivors.difference(&answered).copied().collect();
                    until.enough = 1;
                }
            }
        };
        let (cohort, request) = (*unmasking.cohort(), unmasking.request().clone());
        let sum = unmasking.unmask(seeds);
        Ok(MaskedSum::sign(self.spec, cohort, request, sum, &self.network.key))
    }

    /// The floor counts operators (rule R8), and exact sums are over one set of sites (rule X2): sites
    /// check the same before they confirm.
    fn check_survivors(&self, survivors: &BTreeSet<u32>) -> Result<(), Error> {
        let names: Vec<String> = survivors.iter().map(|site| name(&self.roster, *site)).collect();
        let operators = self.network.manifest.operators(names.iter().map(String::as_str));
        if operators < self.spec.min_sites as usize {
            let least = self.spec.min_sites;
            let reason = format!("{operators} operators' sites are left, below the floor {least}");
            return Err(self.failed(reason));
        }
        // No other site's shares were taken in.
        let exact = self.exact.as_ref();
        if let Some(missing) = exact.and_then(|exact| exact.symmetric_difference(survivors).next())
        {
            return Err(self.failed(format!(
                "{} is missing, which is in the first exact sum of the run: all of them are over the \
                 same sites (rule X2)",
                name(&self.roster, *missing)
            )));
        }
        Ok(())
    }
}
