//! Which rounds a node opens: those that the manifest allows, and that its own history does.

use std::sync::Arc;

use haima_crypto::encode::Canonical;
use haima_crypto::identity::Signature;

use super::{Engine, ended};
use crate::client::CLOCK_MS;
use crate::server::store::StoredRound;
use crate::spec::RoundSpec;
use crate::{Error, unix_millis};

/// Rounds that may be open at a time; a coordinator works on one.
const MAX_OPEN: usize = 4;
/// Most by which a round's number may pass the last one.
const MAX_JUMP: u64 = 1 << 20;

impl Engine {
    /// Opens a round that the coordinator signed. Idempotent.
    ///
    /// # Errors
    /// [`Error::Spec`] when it goes beyond the manifest or against this node's history; nothing
    /// is changed then.
    pub async fn open_round(
        self: &Arc<Self>,
        spec: RoundSpec,
        signature: &Signature,
    ) -> Result<(), Error> {
        let refuse = |problem: String| Error::Spec { party: self.name.clone(), problem };
        let coordinator = self.manifest.identity(&self.manifest.coordinator.name)?;
        let round = spec.digest();
        coordinator.verify(&round, signature, "round spec").map_err(|e| refuse(e.to_string()))?;
        let _one_at_a_time = self.store.guard("opening").await?;
        if let Some(stored) = self.store.round(&round).await? {
            if !ended(&stored) && self.live(&round).is_none() {
                self.start(stored).await?;
            }
            return Ok(());
        }
        self.remembers(&round).map_err(refuse)?;
        spec.check(&self.manifest, &self.name)?;
        let epoch = self.epoch.borrow().as_ref().map(|ready| ready.epoch.digest);
        if epoch.ok_or_else(|| self.not_ready())? != spec.epoch {
            return Err(refuse("it is of another epoch than the nodes agreed on".into()));
        }
        let now = unix_millis();
        // Clocks may differ by what `check_status` allows.
        let latest = now.saturating_add(self.manifest.round_ms).saturating_add(CLOCK_MS);
        if spec.deadline_ms <= now || spec.deadline_ms > latest {
            return Err(refuse(format!(
                "its deadline is {} ms from now by this node's clock; 1 to {} are allowed",
                i128::from(spec.deadline_ms) - i128::from(now),
                latest - now
            )));
        }
        self.check_history(&spec).await?;
        let open = self.open_rounds();
        if open >= MAX_OPEN {
            return Err(refuse(format!("{open} rounds are open already")));
        }
        let wrapped = self.wrapping.draw(&round)?;
        self.store.add_round(&spec, &wrapped).await?;
        let text = format!(
            "task {} run {} step {} attempt {}",
            spec.task_id, spec.run, spec.step, spec.attempt
        );
        self.log("opened", &round, &self.manifest.coordinator.name, &round, &text)?;
        let stored = StoredRound {
            spec,
            state: "open".into(),
            rest_key: Some(wrapped),
            held: None,
            prepared: None,
            accepted: None,
            dealt: None,
            release: None,
            given_up: None,
            reason: None,
        };
        self.start(stored).await.map(|_| ())
    }

    async fn check_history(&self, spec: &RoundSpec) -> Result<(), Error> {
        let refuse = |problem: String| Error::Spec { party: self.name.clone(), problem };
        let last = self.store.last_number().await?;
        if spec.number <= last {
            let number = spec.number;
            return Err(refuse(format!("number {number}; this node has seen {last}")));
        }
        if spec.number > last.saturating_add(MAX_JUMP) {
            let number = spec.number;
            return Err(refuse(format!("number {number}; this node has seen {last}: too far")));
        }
        let attempts = self.store.attempts(&spec.task_id, spec.run).await?;
        if u64::from(spec.plan_index) < attempts {
            return Err(refuse(format!(
                "plan index {}; this node has opened {attempts} rounds of this run",
                spec.plan_index
            )));
        }
        for (attempt, _, state) in self.store.known(&spec.task_id, spec.run, spec.step).await? {
            if state == "released" {
                return Err(refuse(format!("attempt {attempt} of this step was released")));
            }
            if attempt >= spec.attempt {
                let own = spec.attempt;
                return Err(refuse(format!("attempt {own}, but {attempt} is known")));
            }
            if state != "failed" {
                return Err(refuse(format!("attempt {attempt} of this step is still {state}")));
            }
        }
        if let Some(step) = spec.step.checked_sub(1) {
            let own = self.store.released(&spec.task_id, spec.run, step).await?;
            if own != Some(spec.previous) {
                return Err(refuse(format!(
                    "it builds on another release of step {step} than this node made (rule X3)"
                )));
            }
        }
        Ok(())
    }
}
