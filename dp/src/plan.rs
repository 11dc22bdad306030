//! A plan that was fixed before the first release, and the best figure for it.
//!
//! Rule L2: the smallest of several bounds, and a privacy loss distribution at all, hold for events
//! that nobody chose in the light of earlier releases. Whoever asks for [`CommittedPlan::best`] says
//! under which digest the plan was committed; a ledger's limit never comes from here.

use crate::accountant::{Accountant, Bound};
use crate::analytic::AnalyticGaussian;
use crate::event::Event;
use crate::pld::PrivacyLoss;
use crate::renyi::Renyi;
use crate::units::{Adjacency, Delta, Epsilon};
use crate::zcdp::Zcdp;
use crate::{Error, Result};

/// Events that were all fixed beforehand, with the digest under which they were committed.
#[derive(Debug, Clone, PartialEq)]
pub struct CommittedPlan {
    event: Event,
    digest: [u8; 32],
}

impl CommittedPlan {
    /// The plan of `event`, committed under `digest` (that of a signed manifest, say) before the
    /// first release. Stopping early reports the whole plan.
    ///
    /// # Errors
    /// [`Error::BadEvent`].
    pub fn new(event: Event, digest: [u8; 32]) -> Result<Self> {
        Ok(Self { event: event.checked()?, digest })
    }

    /// What is planned.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Where it was committed.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The smallest epsilon at `delta` that any accountant proves, and which.
    ///
    /// # Errors
    /// [`Error::NotCovered`] when none covers all events, [`Error::NoBound`].
    pub fn best(&self, adjacency: Adjacency, delta: Delta) -> Result<Bound> {
        self.least(adjacency, |accountant| accountant.epsilon(delta))
    }

    /// The smallest delta at `epsilon` that any accountant proves, and which.
    ///
    /// # Errors
    /// As [`CommittedPlan::best`].
    pub fn best_delta(&self, adjacency: Adjacency, epsilon: Epsilon) -> Result<Bound> {
        self.least(adjacency, |accountant| accountant.delta(epsilon))
    }

    fn least(
        &self,
        adjacency: Adjacency,
        ask: impl Fn(&dyn Accountant) -> Result<Bound>,
    ) -> Result<Bound> {
        let mut renyi = Renyi::new(adjacency);
        let mut analytic = AnalyticGaussian::new(adjacency);
        let mut zcdp = Zcdp::new(adjacency);
        let mut losses = PrivacyLoss::new(adjacency);
        let accountants: [&mut dyn Accountant; 4] =
            [&mut analytic, &mut renyi, &mut zcdp, &mut losses];
        let mut best: Result<Bound> = Err(Error::NotCovered {
            accountant: "no accountant",
            event: self.event.name(),
            adjacency,
        });
        for accountant in accountants {
            let bound = accountant.compose(&self.event, 1).and_then(|()| ask(accountant));
            match (&bound, &best) {
                (Ok(new), Ok(old)) if new.value >= old.value => {}
                (Ok(_), _) => best = bound,
                // The refusal of the accountant that covers most says most.
                (Err(Error::NoBound { .. }), Err(_)) => best = bound,
                (Err(_), _) => {}
            }
        }
        best
    }
}
