//! How a site answers in masked mode: it agrees on keys, and takes a round from its shares to its one
//! answer. It computes roster, terms and question for itself; the coordinator relays.
//!
//! What has to be on disk before it is sent is in `masks`; the commit point of a round is the answer:
//! from then on its sum is known to the coordinator, whatever that says.

use std::collections::BTreeMap;
use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::Signature;
use haima_crypto::secagg::{Delivery, Partition, RoundContext, UnmaskRequest};
use haima_fl_core::task::Run;
use haima_smpc_node::spec::{RoundEvent, RoundSpec};
use haima_smpc_node::unix_millis;

use super::answer::Hospital;
use super::coordinator::{Coordinator, Place};
use super::masks::{BEGUN, EXACT_SET, Masks, SitesOf, place, run, sites_digest};
use super::policy::approval;
use crate::Error;
use crate::proto::Step;
use crate::sum::masked::{
    ADVERTISEMENTS, AGREEMENTS, CONTROL, context, epoch_context, read_list, write_list,
};
use crate::sum::plan::open_run;

/// How far, in milliseconds, an epoch's number may be ahead of the clock, which it is taken from.
const AHEAD: u64 = 86_400_000;
/// How long a site tries to tell why it cannot finish an epoch.
const TELLING: Duration = Duration::from_secs(1);

/// Agrees on the keys of an epoch that the coordinator announced.
///
/// # Errors
/// When the announcement is not the coordinator's, its number was used, or another site's keys do not
/// verify.
pub(super) async fn agree(
    hospital: &Hospital,
    masks: &mut Masks,
    coordinator: &Coordinator,
    number: u64,
    signature: &Signature,
) -> Result<(), Error> {
    let manifest = &hospital.manifest;
    let context = epoch_context(manifest, number)?;
    let scope = *context.digest();
    let key = manifest.identity(&manifest.coordinator.name)?;
    key.verify(&scope, signature, "epoch of keys")?;
    let until = unix_millis().saturating_add(manifest.round_ms);
    let at = |step| Place { scope: &scope, step, until };
    if number > unix_millis().saturating_add(AHEAD) {
        // A number that far would be the last one ever.
        let problem = format!("epoch {number} is over a day ahead of this site's clock");
        return Err(Error::Node(haima_smpc_node::Error::Peer {
            peer: manifest.coordinator.name.clone(),
            problem,
        }));
    }
    let tell = async |said: &str| {
        let told = coordinator.put(at(Step::Ready), said.as_bytes());
        let _ = tokio::time::timeout(TELLING, told).await;
    };
    if !masks.has(number) {
        let (advertising, advertisement) = match masks.advertise(context, number, &hospital.key) {
            Ok(advertised) => advertised,
            Err(error) => {
                tell("it cannot begin this epoch; its log says why").await;
                return Err(error);
            }
        };
        heard(coordinator.put(at(Step::Keys), &advertisement.to_bytes()).await)?;
        let all = coordinator.take(at(Step::Keys), CONTROL).await?;
        let all = read_list(ADVERTISEMENTS, &all)?;
        let (agreeing, own) =
            advertising.agree(&all, &hospital.key, &mut haima_smpc_node::randomness::system())?;
        heard(coordinator.put(at(Step::Pairs), &write_list(AGREEMENTS, &own)).await)?;
        let others = coordinator.take(at(Step::Pairs), CONTROL).await?;
        let keys = match read_list(AGREEMENTS, &others).and_then(|all| Ok(agreeing.finish(&all)?)) {
            Ok(keys) => keys,
            Err(error) => {
                // The coordinator cannot see what is sealed: it is told whom to look at.
                tell(&error.to_string()).await;
                return Err(error);
            }
        };
        let epoch = *keys.epoch();
        masks.keep(number, keys)?;
        let (none, text) = (Digest::default(), format!("keys {number}"));
        hospital.audit.write(&hospital.key, "epoch", &none, "", &epoch, &text)?;
    }
    coordinator.put(at(Step::Ready), &[]).await?;
    tracing::info!(number, "agreed on keys with all other sites");
    Ok(())
}

/// A message that was taken in before, or whose step is over, is no reason to stop: what is taken next
/// shows whether it counted.
fn heard(sent: Result<u64, Error>) -> Result<u64, Error> {
    match sent {
        Err(Error::Node(haima_smpc_node::Error::Refused { message, .. })) => {
            tracing::debug!(%message, "a message was not taken in");
            Ok(0)
        }
        other => other,
    }
}

/// A round of one site, from its shares on.
pub(super) struct Round<'a> {
    pub(super) hospital: &'a mut Hospital,
    pub(super) masks: &'a mut Masks,
    pub(super) coordinator: &'a Coordinator,
    pub(super) spec: &'a RoundSpec,
}

impl Round<'_> {
    fn refuse(&self, reason: String) -> Error {
        let (site, round) = (self.hospital.name.clone(), self.spec.digest().short());
        Error::Refused { site, round, reason }
    }

    /// Until when the coordinator may take.
    fn until(&self) -> u64 {
        self.hospital.end_of(self.spec)
    }

    /// What forbids a round in masked mode, beside what forbids it in any.
    ///
    /// # Errors
    /// [`Error::Refused`], or [`Error::Forbidden`] by policy.
    pub(super) fn check(&self) -> Result<(), Error> {
        if let Some(reason) = self.masks.forbids(self.spec) {
            return Err(self.refuse(reason));
        }
        let trusted = self.hospital.policy.trust_coordinator_sums;
        if self.spec.event == RoundEvent::Exact && !trusted && self.follows_from_sums()? {
            let (site, round) = (self.hospital.name.clone(), self.spec.digest().short());
            let reason = "in masked mode the sums before are the coordinator's word, which can choose \
                          what is asked next; policy does not take it for exact tasks \
                          (trust_coordinator_sums)";
            let (reason, here) = (reason.into(), String::new());
            return Err(Error::Forbidden { site, round, reason, here });
        }
        Ok(())
    }

    /// Whether a question depends on earlier sums: of its own run, or of other tasks whose results it
    /// is about.
    fn follows_from_sums(&self) -> Result<bool, Error> {
        let manifest = &self.hospital.manifest;
        let entry = manifest.task(&self.spec.task_id)?;
        Ok(self.spec.step > 0 || open_run(manifest, entry, &BTreeMap::new()).is_err())
    }

    /// Answers a round that was answered before a restart: the same bytes, to the same partition.
    ///
    /// # Errors
    /// When the coordinator asks for another.
    pub(super) async fn answer_again(&self) -> Result<Option<u64>, Error> {
        let round = self.spec.digest();
        let Some(answered) = self.masks.answered(&round)? else { return Ok(None) };
        let at = |step| Place { scope: &round, step, until: self.until() };
        let request = self.coordinator.take(at(Step::Confirmation), CONTROL).await?;
        let answer = answered.again(&UnmaskRequest::from_bytes(&request)?)?.to_bytes();
        self.coordinator.put(at(Step::Answer), &answer).await.map(Some)
    }

    /// Takes part to the end; bytes sent. `tick` waits for the moment at which the vector is sent.
    ///
    /// # Errors
    /// When the round is over without this site, or the coordinator or another site deviates.
    pub(super) async fn answer(
        &mut self,
        run: &dyn Run,
        tick: impl Future<Output = ()>,
    ) -> Result<u64, Error> {
        let context = context(&self.hospital.manifest, self.spec)?;
        let (round, until) = (self.spec.digest(), self.until());
        let at = |step| Place { scope: &round, step, until };
        let coordinator = self.coordinator;

        let (shared, shares) = self.begin(context.clone())?;
        let put = coordinator.put(at(Step::Shares), &shares.to_bytes()).await;
        // Why it was not taken in, if so, says more than what is taken then.
        let refused = put.as_ref().err().map(ToString::to_string);
        let mut sent = heard(put)?;
        let delivery = coordinator.take(at(Step::Shares), CONTROL).await;
        let delivery = delivery.map_err(|error| refused.map_or(error, |why| self.refuse(why)))?;
        let ready = shared.receive(&Delivery::from_bytes(&delivery)?)?;
        tracing::info!(round = %round.short(), "the shares of all are here");

        // The charge and all that depends on data: only for a round that enough sites begin.
        let hospital = &mut *self.hospital;
        let (masked, input) = tokio::task::block_in_place(|| {
            let values = hospital.noised(self.spec, run)?;
            let (masked, input) = ready.mask(&values, &hospital.key)?;
            if masked.out_of_range().is_some() {
                tracing::error!("the contribution passes the ring; zeros are sent instead");
            }
            let (digest, input) = (input.signed(), input.to_bytes());
            let (task, bytes) = (&self.spec.task_id, format!("{} bytes", input.len()));
            hospital.audit.write(&hospital.key, "submitted", &round, task, &digest, &bytes)?;
            Ok::<_, Error>((masked, input))
        })?;
        tick.await;
        sent += heard(coordinator.put(at(Step::Vector), &input).await)?;
        drop(input);
        let partition = Partition::from_bytes(&coordinator.take(at(Step::Vector), CONTROL).await?)?;

        let sites = self.check_survivors(&context, &partition)?;
        let (confirmed, confirmation) = masked.confirm(&partition, &self.hospital.key)?;
        sent += heard(coordinator.put(at(Step::Confirmation), &confirmation.to_bytes()).await)?;
        let request = coordinator.take(at(Step::Confirmation), CONTROL).await?;
        let request = UnmaskRequest::from_bytes(&request)?;
        let (answered, answer) = confirmed.unmask(&request, &self.hospital.key)?;
        self.commit(sites, &partition)?;
        self.masks.keep_answer(&answered)?;
        sent += coordinator.put(at(Step::Answer), &answer.to_bytes()).await?;
        Ok(sent)
    }

    /// Begins the round, on record (rule R8).
    fn begin(
        &mut self,
        context: RoundContext,
    ) -> Result<(haima_crypto::secagg::Shared, haima_crypto::secagg::SharesMessage), Error> {
        let (spec, key) = (self.spec, &self.hospital.key);
        let begun = self.masks.begin(context, spec, key)?;
        // Nothing of it has been sent yet.
        let (place, number) = (place(spec), spec.number.to_string());
        self.hospital.audit.write(key, BEGUN, &spec.digest(), &place, &spec.manifest, &number)?;
        Ok(begun)
    }

    /// The floor counts operators (rule R8); exact sums are over one set of sites (rule X2). Digest of
    /// the survivors' names.
    fn check_survivors(
        &self,
        context: &RoundContext,
        partition: &Partition,
    ) -> Result<Digest, Error> {
        let (spec, roster) = (self.spec, context.roster());
        let names = partition.survivors.iter().map(|site| Ok(roster.member(*site)?.name.as_str()));
        let names = names.collect::<Result<Vec<_>, Error>>()?;
        let operators = self.hospital.manifest.operators(names.iter().copied());
        if operators < spec.min_sites as usize {
            let least = spec.min_sites;
            let reason = format!("a sum over {operators} operators' sites; the floor is {least}");
            return Err(self.refuse(reason));
        }
        let sites = sites_digest(names.into_iter());
        if spec.event != RoundEvent::Exact {
            return Ok(sites);
        }
        let why = "an exact sum over other sites than the exact sums before: their difference would \
                   show a hospital (rule X2)";
        match self.masks.sites_of(spec, sites) {
            SitesOf::Known => Ok(sites),
            SitesOf::OtherThanBefore => {
                let entry = approval(spec, &self.hospital.data);
                if self.hospital.policy.approved_other_sites.contains(&entry) {
                    return Ok(sites);
                }
                // For this site's own people: it follows from the data file (rule S5).
                tracing::warn!("to allow it for this run add \"{entry}\" to approved_other_sites");
                let told = "its policy may allow it for this run (approved_other_sites)";
                Err(self.refuse(format!("{why}; {told}")))
            }
            SitesOf::OtherOfThisRun => Err(self.refuse(format!("{why} of this run"))),
        }
    }

    /// From here on the sum over these sites is taken as known.
    fn commit(&mut self, sites: Digest, partition: &Partition) -> Result<(), Error> {
        let (spec, key) = (self.spec, &self.hospital.key);
        let (round, task) = (spec.digest(), &spec.task_id);
        let text = format!("{} sites", partition.survivors.len());
        if spec.event == RoundEvent::Exact
            && let Some(pin) = self.masks.pin(spec, sites)
        {
            self.hospital.audit.write(key, EXACT_SET, &round, &run(spec), &sites, &pin)?;
        }
        self.hospital.audit.write(key, "answered", &round, task, &partition.digest(), &text)?;
        Ok(())
    }
}
