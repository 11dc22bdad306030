//! Whether a hospital answers a round: its policy held against the spec, the manifest, the journal, the
//! decisions of its people and the clock.
//!
//! The daemon and the preview ask the same question here. Nothing of it depends on patients (rule S5):
//! of the data only the version is known, and a reason is about the question; what follows from the
//! version is for this hospital alone ([`Why`]). The clock is given.

use haima_crypto::encode::{Digest, Encoder};
use haima_smpc_node::manifest::{Manifest, fingerprint};
use haima_smpc_node::record::AuditRecord;
use haima_smpc_node::spec::{RoundEvent, RoundSpec};

use super::{Policy, digits};
use crate::Error;
use crate::site::cohorts;
use crate::site::consent::{Consents, Said};
use crate::site::preview::size::Leaving;
use crate::site::preview::words;

const DAY_MS: u64 = 86_400_000;
/// Hexadecimal digits that bind an approval to a manifest and a data version.
const TAG_DIGITS: usize = 32;

/// Why a round is refused.
pub(in crate::site) struct Why {
    /// What the coordinator is told.
    pub(in crate::site) told: String,
    /// What this hospital's own people read after that and nobody else, since it follows from the data
    /// file (rule S5); mostly empty.
    pub(in crate::site) here: String,
}

impl From<String> for Why {
    fn from(told: String) -> Self {
        Self { told, here: String::new() }
    }
}

/// What a round is held against.
pub(in crate::site) struct Permits<'a> {
    /// This site's name in the manifest.
    pub(in crate::site) site: &'a str,
    pub(in crate::site) policy: &'a Policy,
    pub(in crate::site) manifest: &'a Manifest,
    /// Rounds charged so far, from the journal.
    pub(in crate::site) charged: &'a [AuditRecord],
    /// The data version; where it is not known, earlier answers count as of the same.
    pub(in crate::site) data: Option<Digest>,
    pub(in crate::site) consents: &'a Consents,
}

impl Permits<'_> {
    /// Why a round is refused for good; `None` where it is not. `now` is in unix milliseconds.
    ///
    /// # Errors
    /// When the manifest cannot be used.
    pub(in crate::site) fn refuses(
        &self,
        spec: &RoundSpec,
        now: u64,
    ) -> Result<Option<Why>, Error> {
        if let Some(reason) = self.asker()? {
            return Ok(Some(reason.into()));
        }
        let entry = self.manifest.task(&spec.task_id)?;
        if let Some(reason) = self.policy.forbids_task(entry) {
            return Ok(Some(reason.into()));
        }
        if spec.min_sites < self.policy.min_sites {
            let (asked, own) = (spec.min_sites, self.policy.min_sites);
            let reason = format!("floor {asked}; this site's policy asks {own} (min_sites)");
            return Ok(Some(reason.into()));
        }
        if let Some(reason) = self.size(spec)? {
            return Ok(Some(reason.into()));
        }
        if spec.event == RoundEvent::Exact
            && let Some(why) = self.exact(spec)?
        {
            return Ok(Some(why));
        }
        if let Some(reason) = self.refused_by_people(spec)? {
            return Ok(Some(reason.into()));
        }
        let today = self.charged.iter().filter(|r| r.at_ms.saturating_add(DAY_MS) > now).count();
        let most = self.policy.max_attempts_a_day;
        let reason =
            format!("{today} attempts in 24 hours; policy's limit is {most} (max_attempts_a_day)");
        Ok((today >= most as usize).then(|| reason.into()))
    }

    /// Why a run is refused that somebody at the hospital has said no to; `None` where nobody has.
    ///
    /// # Errors
    /// When the decisions cannot be read.
    pub(in crate::site) fn refused_by_people(
        &self,
        spec: &RoundSpec,
    ) -> Result<Option<String>, Error> {
        Ok((self.said(spec)? == Said::No)
            .then(|| format!("somebody at this hospital has refused the run {}", place_name(spec))))
    }

    /// Why a round is held back for now, which a later hour or somebody at the hospital may change;
    /// `None` where it is not.
    ///
    /// # Errors
    /// When the decisions cannot be read.
    pub(in crate::site) fn holds(
        &self,
        spec: &RoundSpec,
        now: u64,
    ) -> Result<Option<String>, Error> {
        if let Some(hours) = &self.policy.hours
            && !hours.open_at(now)
        {
            return Ok(self.policy.closed());
        }
        Ok((self.said(spec)? == Said::Nothing).then(|| {
            let run = place_name(spec);
            format!("the run {run} waits for a yes of somebody at this hospital (manual_approval)")
        }))
    }

    /// Writes down that a run waits, where policy wants a yes and nobody has said anything.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in crate::site) fn ask(&self, task: &str, run: u32, now: u64) -> Result<(), Error> {
        if !self.policy.asks_first(task) {
            return Ok(());
        }
        let words = words::asked(self.manifest, self.manifest.task(task)?, run)?;
        self.consents.ask(&self.manifest.digest(), task, run, &words, now)
    }

    /// What the people of the hospital say of a run; yes where policy does not want to know.
    fn said(&self, spec: &RoundSpec) -> Result<Said, Error> {
        if !self.policy.asks_first(&spec.task_id) {
            return Ok(Said::Yes);
        }
        self.consents.said(&spec.manifest, &spec.task_id, spec.run)
    }

    /// Whether policy knows who asks.
    fn asker(&self) -> Result<Option<String>, Error> {
        let (manifest, policy) = (self.manifest, self.policy);
        if let Some(studies) = &policy.studies
            && !studies.contains(&manifest.study)
        {
            let study = &manifest.study;
            return Ok(Some(format!("policy does not allow the study {study} (studies)")));
        }
        if let Some(coordinators) = &policy.coordinators {
            let own = fingerprint(&manifest.coordinator.identity, &manifest.coordinator.tls)?;
            if !coordinators.iter().any(|known| digits(known) == digits(&own)) {
                return Ok(Some(format!(
                    "policy does not know the coordinator with the fingerprint {own} (coordinators)"
                )));
            }
        }
        Ok(None)
    }

    fn size(&self, spec: &RoundSpec) -> Result<Option<String>, Error> {
        let numbers = spec.dimension() as u64;
        if let Some(most) = self.policy.max_elements.filter(|most| numbers > *most) {
            return Ok(Some(format!(
                "{numbers} numbers a site; this site's policy allows {most} (max_elements)"
            )));
        }
        let Some(most) = self.policy.max_bytes else { return Ok(None) };
        let bytes = Leaving::of(spec, self.manifest, self.site)?.bytes();
        Ok((bytes > most)
            .then(|| format!("{bytes} bytes a site; this site's policy allows {most} (max_bytes)")))
    }

    /// Rule X2: answered once. Another run, another manifest (filter, grid, roster) or other data need
    /// the operator's approval of just these: their difference could be a patient.
    fn exact(&self, spec: &RoundSpec) -> Result<Option<Why>, Error> {
        let cohorts = cohorts::number(self.manifest)?;
        if cohorts > self.policy.max_cohorts as usize {
            let most = self.policy.max_cohorts;
            let reason = format!(
                "the study asks for exact sums over {cohorts} cohorts; this site's policy allows \
                 {most} (max_cohorts, rule X2)"
            );
            return Ok(Some(reason.into()));
        }
        let run = place_name(spec);
        let manifest = spec.manifest.to_string();
        let other = self.charged.iter().find(|record| {
            let same_task = record.subject.split('/').next() == Some(spec.task_id.as_str());
            let other_data = self.data.is_some_and(|data| record.digest != data);
            // Other data under any task: two questions about them differ by the patients between.
            record.kind == "charged exact"
                && (other_data || same_task && (record.subject != run || record.text != manifest))
        });
        let Some(record) = other else { return Ok(None) };
        let told = format!(
            "this site answered {} without noise already; another run, manifest or data version \
             needs approval (approved_reruns, rule X2)",
            record.subject
        );
        Ok(match self.data.map(|data| approval(spec, &data)) {
            Some(entry) if self.policy.approved_reruns.contains(&entry) => None,
            Some(entry) => {
                Some(Why { told, here: format!(": add \"{entry}\" to approved_reruns") })
            }
            // No entry is for data that nobody can read.
            None => Some(told.into()),
        })
    }
}

/// `task/run@TAG`, as a policy approves a run: TAG is of one manifest and one data version, so that an
/// approval holds for no other. As a digest of the data file it stays at this hospital (rule S5).
pub(in crate::site) fn approval(spec: &RoundSpec, data: &Digest) -> String {
    let mut to = Encoder::new("haima approved rerun 1");
    to.digest(&spec.manifest).digest(data);
    let tag: String = Digest::of(&to.finish()).to_string().chars().take(TAG_DIGITS).collect();
    format!("{}@{tag}", place_name(spec))
}

/// Whether a text is of the form of [`approval`].
pub(super) fn is_approval(text: &str) -> bool {
    let Some((place, tag)) = text.rsplit_once('@') else { return false };
    let Some((task, run)) = place.rsplit_once('/') else { return false };
    !task.is_empty()
        && run.parse::<u32>().is_ok_and(|number| number.to_string() == run)
        && tag.len() == TAG_DIGITS
        && tag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// `task/run`, as the journal names it.
pub(in crate::site) fn place_name(spec: &RoundSpec) -> String {
    format!("{}/{}", spec.task_id, spec.run)
}
