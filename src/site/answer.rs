//! From a round to its shares, in the order of rule R5: check, charge, compute, keep.
//!
//! Nothing here talks to the network. With nodes what is kept is shares; without, what is computed goes
//! under masks at once and is not kept. A charge is on disk before anything is computed (rule L1);
//! the sealed shares are on disk before anything is sent.
//!
//! A round that samples patients is charged as amplified only because nobody learns who was drawn.
//! So the sampler that mints the charge also draws the sample, once, for this attempt alone; the
//! task is given those patients and no others; the sample is erased when the contribution is sealed;
//! and nothing that was computed from it, not even whether there was anybody, reaches a log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_dp::ledger::{Charged, Ledger};
use haima_dp::noise::NoiseScale;
use haima_dp::sampler::PoissonSampler;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::task::{Query, Run, Site as SiteView};
use haima_fl_core::tasks::vector_sum;
use haima_smpc_node::audit::{Audit, Event};
use haima_smpc_node::client::CLOCK_MS;
use haima_smpc_node::epoch::Epoch;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::masking::Mode;
use haima_smpc_node::proof::Proof;
use haima_smpc_node::record::AuditRecord;
use haima_smpc_node::spec::{Charge, RoundEvent, RoundSpec};
use haima_smpc_node::submission::{self, LedgerState, Submission};
use haima_smpc_node::{durable, unix_millis};
use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::cohorts;
use super::consent::Consents;
use super::framework::Offered;
use super::memory::{Memory, Owner};
use super::outbox::Outbox;
use super::policy::{Permits, Policy, Why, place_name};
use super::replay::{ABSORBED, Absorbed};
use crate::Error;
use crate::proto::Refusal;
use crate::sum::plan::{Place, plan};

/// How often a round that is held back is looked at again.
const LOOK: Duration = Duration::from_secs(1);

/// A hospital's data, budget and keys.
pub(super) struct Hospital {
    pub(super) name: String,
    pub(super) manifest: Arc<Manifest>,
    pub(super) manifest_digest: Digest,
    pub(super) key: IdentityKey,
    pub(super) policy: Policy,
    pub(super) cohort: Cohort,
    /// Digest of the data file: the data version of rule X2.
    pub(super) data: Digest,
    pub(super) ledger: Ledger,
    pub(super) outbox: Outbox,
    pub(super) audit: Audit,
    /// Rounds charged so far, from the journal.
    pub(super) charged: Vec<AuditRecord>,
    /// What the task keeps between the rounds of one run.
    pub(super) memory: Memory,
    /// What a program beside the site gave for the round at hand; `None` without one.
    pub(super) offered: Option<Offered>,
    /// What the hospital's people say of runs that policy holds back.
    pub(super) consents: Consents,
}

impl Hospital {
    fn refuse(&self, spec: &RoundSpec, reason: String) -> Error {
        Error::Refused { site: self.name.clone(), round: spec.digest().short(), reason }
    }

    /// A refusal of every attempt, until somebody here changes what it names.
    fn forbid(&self, spec: &RoundSpec, why: impl Into<Why>) -> Error {
        let Why { told: reason, here } = why.into();
        Error::Forbidden { site: self.name.clone(), round: spec.digest().short(), reason, here }
    }

    /// A refusal of a round that was held back: of this attempt alone where the hour is not one of the
    /// policy's, which passes by itself; until somebody says yes otherwise.
    fn keep_back(&self, spec: &RoundSpec, reason: String) -> Error {
        if self.policy.closed().as_ref() == Some(&reason) {
            self.refuse(spec, reason)
        } else {
            self.forbid(spec, reason)
        }
    }

    /// What the coordinator is told of a round that was not answered.
    pub(super) fn refusal(&self, error: &Error) -> Refusal {
        match error {
            Error::Forbidden { .. } => Refusal::Standing,
            Error::Refused { reason, .. } if self.policy.closed().as_ref() == Some(reason) => {
                Refusal::Held
            }
            _ => Refusal::ThisAttempt,
        }
    }

    fn permits(&self) -> Permits<'_> {
        Permits {
            site: &self.name,
            policy: &self.policy,
            manifest: &self.manifest,
            charged: &self.charged,
            data: Some(self.data),
            consents: &self.consents,
        }
    }

    /// When nothing of a round is asked for any more, in unix milliseconds: its deadline, and the grace
    /// after it.
    pub(super) fn end_of(&self, spec: &RoundSpec) -> u64 {
        spec.deadline_ms.saturating_add(self.manifest.grace_ms)
    }

    /// Checks a spec against manifest, clock and policy, before any question is asked. Whatever is
    /// refused changes nothing, but that a run that waits for a yes is written down.
    ///
    /// # Errors
    /// [`Error::Forbidden`] by policy, or until a yes that did not come; [`Error::Refused`] or
    /// [`Error::Node`] of this attempt alone, the hour's too; naming what forbids it.
    pub(super) fn check(&self, spec: &RoundSpec) -> Result<(), Error> {
        self.check_at(spec, unix_millis())
    }

    /// [`Hospital::check`] at a moment in unix milliseconds.
    pub(super) fn check_at(&self, spec: &RoundSpec, now: u64) -> Result<(), Error> {
        match self.held_at(spec, now)? {
            None => Ok(()),
            // Held back for longer than this round lasts.
            Some(reason) => Err(self.keep_back(spec, reason)),
        }
    }

    /// Looks at people and clock again, at the moment from which nothing can be taken back: since
    /// [`Hospital::check`] nodes and coordinator had their say, as long as the round lasts.
    fn check_again(&self, spec: &RoundSpec) -> Result<(), Error> {
        let permits = self.permits();
        if let Some(reason) = permits.refused_by_people(spec)? {
            return Err(self.forbid(spec, reason));
        }
        match permits.holds(spec, unix_millis())? {
            Some(reason) => Err(self.keep_back(spec, reason)),
            None => Ok(()),
        }
    }

    /// Why a round is held back that would be answered at another hour, or once somebody at the hospital
    /// has said yes; `None` where it would be answered now. A run that waits for a yes is written down.
    ///
    /// # Errors
    /// As [`Hospital::check`], when it is refused for good.
    pub(super) fn held_at(&self, spec: &RoundSpec, now: u64) -> Result<Option<String>, Error> {
        spec.check(&self.manifest, &self.name)?;
        let latest = now.saturating_add(self.manifest.round_ms).saturating_add(CLOCK_MS);
        if spec.deadline_ms <= now || spec.deadline_ms > latest {
            let off = i128::from(spec.deadline_ms) - i128::from(now);
            return Err(self.refuse(spec, format!("its deadline is {off} ms from now")));
        }
        let permits = self.permits();
        if let Some(why) = permits.refuses(spec, now)? {
            return Err(self.forbid(spec, why));
        }
        let held = permits.holds(spec, now)?;
        if held.is_some() {
            permits.ask(&spec.task_id, spec.run, now)?;
        }
        Ok(held)
    }

    /// Waits while a round is held back and its deadline leaves time to answer it; [`Hospital::check`]
    /// says how it ended. Nothing here depends on patients (rule S5).
    pub(super) async fn wait_until_allowed(&self, spec: &RoundSpec) {
        let left = Duration::from_millis(spec.deadline_ms.saturating_sub(unix_millis()));
        let patience = match self.manifest.mode {
            Mode::Nodes => left * 2 / 3,
            // A site's shares come first, and have half of the time.
            Mode::Masked => left / 3,
        };
        let until = Instant::now() + patience;
        while let Ok(Some(_)) = self.held_at(spec, unix_millis()) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }

    /// Writes down the first runs of the tasks that wait for a yes, before anybody asks: what is allowed
    /// by then costs no attempt.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn ask_ahead(&self) -> Result<(), Error> {
        for entry in &self.manifest.tasks {
            if self.policy.forbids_task(entry).is_none() {
                self.permits().ask(&entry.id, 1, unix_millis())?;
            }
        }
        Ok(())
    }

    /// Checks that a spec is what the one planning function makes of the replayed question.
    ///
    /// # Errors
    /// [`Error::Refused`] when it differs (rules R1, X3).
    pub(super) fn check_question(&self, spec: &RoundSpec, query: &Query) -> Result<(), Error> {
        let place = Place {
            number: spec.number,
            run: spec.run,
            step: spec.step,
            attempt: spec.attempt,
            plan_index: spec.plan_index,
            previous: spec.previous,
            epoch: spec.epoch,
            deadline_ms: spec.deadline_ms,
        };
        let entry = self.manifest.task(&spec.task_id)?;
        let own = plan(&self.manifest, self.manifest_digest, entry, query, &place)?;
        if own.query != spec.query {
            let reason = "its query is not the one that follows from the released sums (rule X3)";
            return Err(self.refuse(spec, reason.into()));
        }
        // More noise than the plan is welcome; everything else must be equal, the rate too: the
        // divisor of the sum follows from it.
        if let (
            RoundEvent::DiscreteGaussian { q, .. },
            RoundEvent::DiscreteGaussian { q: asked, .. },
        ) = (own.event, spec.event)
            && q != asked
        {
            let reason = format!("sampling rate {asked}; its query has {q} (R1)");
            return Err(self.refuse(spec, reason));
        }
        let spec_event = RoundSpec { event: own.event, ..spec.clone() };
        if own != spec_event {
            let reason = "blocks, bounds, sensitivity or floors are not those of its query (R1)";
            return Err(self.refuse(spec, reason.into()));
        }
        Ok(())
    }

    /// Charges, computes and keeps a round's submission; or finds the one made before a crash.
    ///
    /// # Errors
    /// [`Error::Refused`] when an earlier attempt was charged and its bytes were lost, or the hours have
    /// ended; [`Error::Forbidden`] when the budget does not suffice or somebody has said no meanwhile:
    /// then nothing has changed.
    pub(super) fn submission(
        &mut self,
        spec: &RoundSpec,
        epoch: &Epoch,
        run: &dyn Run,
    ) -> Result<Submission, Error> {
        let round = spec.digest();
        if let Some(kept) = self.outbox.get(&round)? {
            return Ok(kept);
        }
        let (charged, sampler) = self.charge(spec)?;
        let submission = self.make(spec, epoch, run, &charged, sampler)?;
        // Before it is kept: what is kept is sent, and the nodes' journals name it by this digest.
        let header = Digest::of(&submission.header.bytes);
        // To each node its own share, and what all get.
        let all = submission.header.bytes.len() + 64 + submission.public.len();
        let bytes: usize = submission.sealed.iter().map(|share| all + share.len()).sum();
        let bytes = format!("{bytes} bytes");
        self.audit.write(&self.key, "submitted", &round, &spec.task_id, &header, &bytes)?;
        let end = self.end_of(spec);
        durable::write_now("site.outbox", || self.outbox.put(&round, end, &submission))?;
        Ok(submission)
    }

    /// Charges and computes what masks are put on: this site's contribution with its part of the
    /// noise (rule M2).
    ///
    /// # Errors
    /// As [`Hospital::submission`].
    pub(super) fn noised(
        &mut self,
        spec: &RoundSpec,
        run: &dyn Run,
    ) -> Result<Zeroizing<Vec<i64>>, Error> {
        let (_, sampler) = self.charge(spec)?;
        let mut values = self.contribution(spec, run, sampler)?;
        if let RoundEvent::DiscreteGaussian { s, .. } = spec.event {
            let mut seed = Zeroizing::new([0; 32]);
            UnwrapErr(SysRng).fill_bytes(&mut *seed);
            let noise = NoiseScale::new(s)?.draw(&seed, values.len());
            // Noise past 40 scales is cut off rather than an error (rules N5, S5).
            let most = i64::try_from(spec.masks()?.ring()?.max_integer()).unwrap_or(i64::MAX);
            for (value, noise) in values.iter_mut().zip(noise.iter()) {
                *value = value.saturating_add(*noise).clamp(-most, most);
            }
        }
        Ok(values)
    }

    /// Charges a round, once (rule L1). What was charged, and who draws the sample.
    fn charge(&mut self, spec: &RoundSpec) -> Result<(Charged, Option<PoissonSampler>), Error> {
        let round = spec.digest();
        if self.ledger.contains(round.as_bytes()) {
            let reason = "it was charged before a crash and its bytes were lost (rule R5)";
            return Err(self.refuse(spec, reason.into()));
        }
        self.check_again(spec)?;
        // The sample's key comes from the system itself, and from no state that outlives it.
        let Charge { release, sampler } = spec.charge(&mut UnwrapErr(SysRng))?;
        let study = &self.manifest.study;
        let charged = durable::write_now("site.charge", || {
            self.ledger.charge(study, *round.as_bytes(), &release)
        });
        let charged = charged.map_err(|error| {
            match error {
                // A disk that fails is this site's own trouble, and ends it.
                haima_dp::Error::Io { .. } | haima_dp::Error::Closed { .. } => error.into(),
                refusal => {
                    let (task, step) = (&spec.task_id, spec.step);
                    self.forbid(spec, format!("task {task}, step {step}: {refusal}"))
                }
            }
        })?;
        self.journal_charge(spec)?;
        Ok((charged, sampler))
    }

    /// Writes down which releases this site went on from.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn journal_absorbed(&self, releases: &[Absorbed]) -> Result<(), Error> {
        let manifest = self.manifest_digest.to_string();
        let mut events = Vec::with_capacity(releases.len());
        for absorbed in releases {
            events.push(Event {
                kind: ABSORBED,
                round: &absorbed.round,
                subject: &absorbed.place,
                digest: &absorbed.digest,
                text: &manifest,
            });
        }
        Ok(self.audit.write_all(&self.key, &events)?)
    }

    fn journal_charge(&mut self, spec: &RoundSpec) -> Result<(), Error> {
        let kind = match spec.event {
            RoundEvent::Exact => "charged exact",
            RoundEvent::DiscreteGaussian { .. } => "charged",
        };
        let (round, subject) = (spec.digest(), place_name(spec));
        let text = spec.manifest.to_string();
        self.audit.write(&self.key, kind, &round, &subject, &self.data, &text)?;
        self.charged.push(AuditRecord {
            party: self.name.clone(),
            at_ms: unix_millis(),
            kind: kind.into(),
            round,
            subject,
            digest: self.data,
            text,
        });
        Ok(())
    }

    fn make(
        &mut self,
        spec: &RoundSpec,
        epoch: &Epoch,
        run: &dyn Run,
        charged: &Charged,
        sampler: Option<PoissonSampler>,
    ) -> Result<Submission, Error> {
        let values = self.contribution(spec, run, sampler)?;
        let proof = Proof::new(spec, self.manifest.nodes.len())?;
        let mut nonce = [0; 16];
        rand::Rng::fill_bytes(&mut haima_smpc_node::randomness::system(), &mut nonce);
        let sharding = proof.shard(&values, &nonce, &mut haima_smpc_node::randomness::system())?;
        let ledger =
            LedgerState { len: charged.sequence + 1, head: Digest::from_bytes(charged.head) };
        Ok(submission::seal(spec, epoch, (&self.name, &self.key), nonce, &sharding, ledger)?)
    }

    /// The contribution of this round's patients; zeros if it passes its bound, which the task rules
    /// out for honest code (rule S5: no error about data travels).
    fn contribution(
        &mut self,
        spec: &RoundSpec,
        run: &dyn Run,
        sampler: Option<PoissonSampler>,
    ) -> Result<Zeroizing<Vec<i64>>, Error> {
        let (manifest, data) = (self.manifest_digest, self.data);
        let owner = Owner { manifest, data, run: place_name(spec) };
        // Another attempt at a step starts from the state before that step.
        let before = self.memory.before(&owner, spec.step)?;
        let max_patients = self.manifest.max_patients();
        let sampled = sampler.map(|sampler| {
            let batch = sampler.draw(self.cohort.len(), max_patients);
            (self.cohort.select(|patient| batch.takes(patient)), batch.capacity())
        });
        let (cohort, capacity) = match &sampled {
            Some((patients, capacity)) => (patients, *capacity),
            None => (&self.cohort, max_patients),
        };
        // Under noise no floor may make an answer jump with a patient (rule S2).
        let min_local_rows = match spec.event {
            RoundEvent::Exact => self.policy.min_local_rows,
            RoundEvent::DiscreteGaussian { .. } => 0,
        };
        let view = SiteView { cohort, capacity, max_patients, min_local_rows };
        let mut state = before.clone();
        let offered = self.offered.take();
        if let Some(vector) = offered.as_ref().and_then(|offered| offered.vector.as_ref()) {
            vector_sum::offer(&mut state, vector);
        }
        let contribution =
            run.contribute(&view, &mut state, &mut haima_smpc_node::randomness::system())?;
        vector_sum::withdraw(&mut state);
        self.memory.keep(owner, spec.step, before, state)?;
        if let (Some(note), None) = (&contribution.note, &sampled) {
            // The site's own log: the network sees shares of zero, which look like any others.
            tracing::info!(round = %spec.digest().short(), %note, "contributes nothing");
        }
        let mut zeros = contribution.note.is_some();
        let mut values = contribution.values;
        if spec.event == RoundEvent::Exact
            && let Some(why) =
                cohorts::silent(&self.manifest, &spec.task_id, &self.cohort, &self.policy)?
        {
            tracing::info!(round = %spec.digest().short(), %why, "contributes nothing");
            values.iter_mut().for_each(|value| *value = 0);
            zeros = true;
        }
        let bound = u128::from(spec.bound);
        if haima_dp::norms::norm_squared(&values) > bound.saturating_mul(bound) {
            tracing::error!("the contribution passes its bound; zeros are sent instead");
            values.iter_mut().for_each(|value| *value = 0);
            zeros = true;
        }
        if let Some(offered) = offered {
            // On disk before anything of it is sent: a site that was restarted tells its program the same.
            let (round, own) = (spec.digest(), offered.standing(zeros));
            durable::write_now("site.standing", || self.outbox.keep_standing(round, own))?;
        }
        Ok(values)
    }
}
