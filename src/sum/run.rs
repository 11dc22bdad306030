//! One run of one task over a secure sum, as the coordinator drives it.
//!
//! One call of [`RunSum::sum`] is one step: announce a round, take it to its end, verify what came out.
//! A failed attempt is followed by a new one (new number, new digest, new charge: rule L1) while the
//! manifest's spare attempts last.

use std::time::Instant;

use haima_crypto::encode::{Canonical, Digest};
use haima_fl_core::sum::{SecureSum, Sum};
use haima_fl_core::task::Query;
use haima_smpc_node::manifest::{Class, TaskEntry};
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::unix_millis;

use super::network::Network;
use super::plan::{Place, absorbable, plan, query_bytes, query_digest};
use super::release::{NOT_ACCEPTED, Release};
use crate::Error;
use crate::coordinator::before::{FAILED, RELEASED};
use crate::coordinator::events::Event;
use crate::coordinator::hub::Refusal;
use crate::coordinator::refusals::in_words;

/// One run of one task.
#[derive(Debug)]
pub struct RunSum<'a> {
    network: &'a Network,
    entry: &'a TaskEntry,
    run: u32,
    step: u32,
    attempts: u32,
    previous: Digest,
}

impl<'a> RunSum<'a> {
    /// A run of a task of the manifest.
    #[must_use]
    pub fn new(network: &'a Network, entry: &'a TaskEntry, run: u32) -> Self {
        Self { network, entry, run, step: 0, attempts: 0, previous: Digest::default() }
    }

    async fn step(&mut self, query: &Query) -> Result<Sum, Error> {
        self.network.hub.add_query(&self.entry.id, self.run, self.step, query_bytes(query));
        let mut attempt = 0;
        for spec in self.network.announced.of_step(&self.entry.id, self.run, self.step) {
            if spec.query != query_digest(query) {
                return Err(Error::Config {
                    file: format!("task {}", self.entry.id),
                    problem: format!(
                        "step {} was announced with another query before; run another one \
                         (run = {}) or install the earlier version",
                        self.step,
                        self.run.saturating_add(1)
                    ),
                });
            }
            attempt = spec.attempt.saturating_add(1);
            if let Some(sum) = self.take(query, &spec, true).await? {
                return Ok(sum);
            }
        }
        loop {
            let place = Place {
                number: self.network.next_number().await?,
                run: self.run,
                step: self.step,
                attempt,
                plan_index: self.attempts,
                previous: self.previous,
                epoch: self.network.epoch().await?,
                deadline_ms: unix_millis() + self.network.manifest.round_ms,
            };
            if self.step >= self.entry.max_steps {
                return Err(Error::Config {
                    file: format!("task {}", self.entry.id),
                    problem: format!(
                        "it needs more than its max_steps = {}; raise it in the study",
                        self.entry.max_steps
                    ),
                });
            }
            let network = self.network;
            let spec = plan(&network.manifest, network.manifest_digest, self.entry, query, &place)?;
            spec.check(&network.manifest, "this coordinator")?;
            network.announced.keep(&spec)?;
            attempt += 1;
            if let Some(sum) = self.take(query, &spec, false).await? {
                return Ok(sum);
            }
        }
    }

    /// Takes an attempt to its end, also one that was announced before this start: its sum, or
    /// `None` when it failed and another one is left.
    async fn take(
        &mut self,
        query: &Query,
        spec: &RoundSpec,
        again: bool,
    ) -> Result<Option<Sum>, Error> {
        let network = self.network;
        self.attempts += 1;
        let started = (!again).then(Instant::now);
        let error = match network.attempt(spec, again).await {
            Ok(bytes) => return self.released(query, bytes, started).map(Some),
            Err(error) => error,
        };
        if let Error::Withheld { refusals, .. } = &error {
            // No end of the round, which the nodes know until its deadline: whoever starts this again
            // takes it up, and a hospital that has changed its mind answers it.
            let (took, _) = network.course(spec, FAILED, started);
            network.events.tell(Event::failed(spec, took, &format!("no sum without {refusals}")));
            network.hub.end_round();
            network.stopped(spec, refusals)?;
            network.announced.refused.keep(spec, refusals)?;
            return Err(error);
        }
        let reason = match error {
            Error::Node(haima_smpc_node::Error::RoundFailed { reason, party, .. }) => {
                format!("{party}: {reason}")
            }
            other => other.to_string(),
        };
        network.hub.end_round();
        let (round, task) = (spec.digest(), &self.entry.id);
        network.journal(FAILED, &round, task, &Digest::default(), &reason)?;
        let (took, told) = network.course(spec, FAILED, started);
        let event = Event::failed(spec, took, &with_refusals(network, &round, &reason));
        network.tell(event, told);
        let spare = self.attempts.saturating_sub(self.step + 1);
        if spare >= self.entry.spare_attempts {
            return Err(Error::NoRelease {
                task: self.entry.id.clone(),
                step: self.step,
                attempts: spec.attempt.saturating_add(1),
                reason: with_refusals(network, &round, &reason),
            });
        }
        if let Some(error) = network.withheld(spec) {
            // Another attempt would be refused alike.
            if let Error::Withheld { refusals, .. } = &error {
                network.announced.refused.keep(spec, refusals)?;
            }
            return Err(error);
        }
        if network.hub.has_reports(&round) {
            // Whoever refused it before this start has been asked again, and does not.
            network.announced.refused.forget(spec)?;
        } else if let Some(refusals) = network.announced.refused.of(spec)? {
            // It was over before anybody could be asked again, and nobody has said that it changed.
            return Err(Error::Withheld { task: task.clone(), step: spec.step, refusals });
        }
        network.settle(spec).await;
        Ok(None)
    }

    fn released(
        &mut self,
        query: &Query,
        bytes: Vec<u8>,
        started: Option<Instant>,
    ) -> Result<Sum, Error> {
        let network = self.network;
        let size = bytes.len() as u64;
        let release = Release::read(&bytes, &network.manifest)?;
        self.previous = release.digest;
        network.hub.add_release(&self.entry.id, self.run, self.step, bytes);
        network.hub.end_round();
        let (round, text) = (release.spec.digest(), format!("{} sites", release.accepted.len()));
        network.journal(RELEASED, &round, &self.entry.id, &release.digest, &text)?;
        for remark in &release.remarks {
            network.journal(remark.kind, &round, &remark.subject, &remark.digest, &remark.text)?;
            if remark.kind != NOT_ACCEPTED {
                let (subject, text) = (&remark.subject, &remark.text);
                tracing::error!(round = %round.short(), %subject, "{text}");
            }
        }
        network.announced.refused.forget(&release.spec)?;
        let (took, told) = network.course(&release.spec, RELEASED, started);
        let event = Event::released(&release, &network.manifest, took, size);
        network.tell(event, told);
        self.step += 1;
        absorbable(query, release)
    }
}

/// Why an attempt failed, with what hospitals said that did not answer it.
fn with_refusals(network: &Network, round: &Digest, reason: &str) -> String {
    beside(reason, &network.hub.refusals(round))
}

/// A reason, with those refusals that it does not name.
fn beside(reason: &str, refusals: &[Refusal]) -> String {
    // In masked mode the reason has what they said, each with its name.
    let named = |refusal: &Refusal| reason.contains(&in_words(&[refusal]));
    let said = refusals.iter().filter(|refusal| !named(refusal));
    match said.collect::<Vec<&Refusal>>().as_slice() {
        [] => reason.to_owned(),
        said => format!("{reason}; not answered by {}", in_words(said)),
    }
}

impl SecureSum for RunSum<'_> {
    type Error = Error;

    fn sum(&mut self, query: &Query) -> Result<Sum, Error> {
        let runtime = self.network.runtime.clone();
        let private = self.entry.class == Class::Private;
        if private && query.sensitivity.is_none() {
            return Err(Error::Config {
                file: format!("task {}", self.entry.id),
                problem: "it bounds no patient, so it runs in the exact class only".into(),
            });
        }
        runtime.block_on(self.step(query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto;

    #[test]
    fn a_hospital_is_named_whatever_it_says_or_leaves_out() {
        let refusal = |site: &str, reason: &str| Refusal {
            site: site.into(),
            reason: reason.into(),
            kind: proto::Refusal::Standing,
        };
        let all = [refusal("a", ""), refusal("b", "too"), refusal("c", "budget")];
        let reason = "node-1: too few submissions; missing: c (budget)";
        assert_eq!(beside(reason, &all), format!("{reason}; not answered by a (); b (too)"));
        assert_eq!(beside(reason, &all[2..]), reason);
    }
}
