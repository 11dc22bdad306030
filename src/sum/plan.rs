//! One function turns a query into a round's spec (`docs/protocol.md`, "A round").
//!
//! The coordinator calls it to ask, a site calls it to check what it is asked: everything but
//! number, attempt and deadline must come out equal.

use haima_crypto::encode::{Digest, Encoder};
use haima_dp::units::Rate;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{Draws, Sum};
use haima_fl_core::task::{Query, Run};
use haima_smpc_node::PROTOCOL;
use haima_smpc_node::manifest::{Class, Manifest, TaskEntry};
use haima_smpc_node::spec::{BlockSpec, Hiding, RoundEvent, RoundSpec};

use super::release::Release;
use crate::Error;

/// Where in a study a round stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Number of the round in the study.
    pub number: u64,
    /// Run of the task.
    pub run: u32,
    /// Step of the run.
    pub step: u32,
    /// Attempt at the step.
    pub attempt: u32,
    /// Attempts in the run before this one.
    pub plan_index: u32,
    /// The release that the step builds on; zero for step 0.
    pub previous: Digest,
    /// The epoch: the nodes', or of the sites' keys in masked mode.
    pub epoch: Digest,
    /// Deadline of submissions, unix milliseconds.
    pub deadline_ms: u64,
}

/// Digest of a query's canonical encoding.
#[must_use]
pub fn query_digest(query: &Query) -> Digest {
    Digest::of(&query_bytes(query))
}

/// Canonical encoding of a query.
#[must_use]
pub fn query_bytes(query: &Query) -> Vec<u8> {
    let mut to = Encoder::new("haima query 3");
    to.str(&query.task).u32(query.version).count(query.blocks.len());
    for block in &query.blocks {
        to.str(&block.name).u32(block.len).u8(block.frac_bits).u64(block.patient_bound);
    }
    to.u64(query.sensitivity.unwrap_or(0)).u64(query.rate.to_bits());
    to.str(&query.cohort).bytes(&query.bytes);
    to.finish()
}

/// The spec of a round that answers `query` at `place`.
///
/// # Errors
/// When the task bounds no patient but the manifest calls it private, samples but is exact, or the
/// bound overflows.
pub fn plan(
    manifest: &Manifest,
    manifest_digest: Digest,
    entry: &TaskEntry,
    query: &Query,
    place: &Place,
) -> Result<RoundSpec, Error> {
    let fault = |problem: String| Error::Config { file: format!("task {}", entry.id), problem };
    let bound = query.site_bound(manifest.max_patients())?;
    // A patient of m hospitals moves the sum m times as far (rule S1).
    let sensitivity = query
        .sensitivity
        .unwrap_or(0)
        .checked_mul(u64::from(manifest.hospitals_per_patient))
        .ok_or_else(|| fault("the sensitivity overflows".into()))?;
    let q = Rate::new(query.rate)?;
    let event = match (entry.class, entry.noise) {
        (Class::Exact, _) if q != Rate::ALL => {
            return Err(fault(format!(
                "sampling rate {q} without noise: a sample alone hides nothing; an exact task has 1"
            )));
        }
        (Class::Exact, _)
            if entry.params.get("release").and_then(toml::Value::as_str) == Some("noised") =>
        {
            return Err(fault(
                "it says release = \"noised\" and has no `privacy`, so no noise would be added; give \
                 it a budget, or release = \"exact\""
                    .into(),
            ));
        }
        (Class::Exact, _) => RoundEvent::Exact,
        (Class::Private, Some(noise)) if sensitivity > 0 => {
            RoundEvent::DiscreteGaussian { s: noise.s, q }
        }
        (Class::Private, _) => {
            return Err(fault(
                "the task does not bound a patient, so it runs in the exact class only".into(),
            ));
        }
    };
    let hiding = Hiding::new(manifest, query.dimension(), bound, event, "this party")?;
    Ok(RoundSpec {
        protocol: PROTOCOL,
        manifest: manifest_digest,
        study: manifest.study.clone(),
        number: place.number,
        task_id: entry.id.clone(),
        task: query.task.clone(),
        task_version: query.version,
        run: place.run,
        step: place.step,
        attempt: place.attempt,
        plan_index: place.plan_index,
        query: query_digest(query),
        previous: place.previous,
        roster: manifest.roster_digest(),
        epoch: place.epoch,
        blocks: query
            .blocks
            .iter()
            .map(|block| BlockSpec { len: block.len, frac_bits: block.frac_bits })
            .collect(),
        hiding,
        sensitivity,
        bound,
        event,
        min_sites: manifest.min_sites,
        deadline_ms: place.deadline_ms,
        tick_ms: manifest.tick_ms,
    })
}

/// Starts a run of a manifest's task.
///
/// # Errors
/// When the schema or the parameters cannot be used.
pub fn open_run(
    manifest: &Manifest,
    entry: &TaskEntry,
    finished: &std::collections::BTreeMap<String, serde_json::Value>,
) -> Result<Box<dyn Run>, Error> {
    let schema = Schema::from_toml(&manifest.schema)?;
    Ok(haima_fl_core::registry::open(&entry.task, entry.version, &entry.params, &schema, finished)?)
}

/// The released sum in the form that a task absorbs.
///
/// # Errors
/// When the release has another length than the query.
pub fn absorbable(query: &Query, release: Release) -> Result<Sum, Error> {
    let sites = u32::try_from(release.accepted.len()).unwrap_or(u32::MAX);
    let sum = Sum::new(query, release.integers, sites)?;
    Ok(match release.spec.event {
        RoundEvent::Exact => sum,
        RoundEvent::DiscreteGaussian { s, .. } => sum.noised(Draws { s, count: release.draws }),
    })
}
