//! What a plan costs: the figures that reports and `haima budget` print.
//!
//! Two kinds stand side by side (rule L2). A ledger's figure holds for releases that are chosen as
//! a study goes, by the one theorem that the ledger's filter rests on. The best figure is the
//! smallest of all accountants', and holds because the plan was fixed before the first release. Both
//! are for one patient added or removed: against all nodes but one, the coordinator and all other
//! sites together (in masked mode, the coordinator and c sites), or against readers of the released
//! sums alone (rules N1, M2).

mod setting;

use haima_crypto::encode::Digest;
use haima_dp::accountant::Bound;
use haima_dp::event::Event;
use haima_dp::ledger::Limit;
use haima_dp::plan::CommittedPlan;
use haima_dp::units::{Adjacency, Delta, Epsilon};
pub use haima_smpc_node::plan::Charged;
use haima_smpc_node::plan::{Plan, TaskPlan};

use crate::Error;

pub use setting::{Needed, Row, Setting};

/// The smallest bounds that any accountant has for a committed plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// Against the coalition.
    pub coalition: Bound,
    /// Against readers of the released sums.
    pub public: Bound,
}

/// The best figures for some tasks of a committed plan together, at `delta`; `public` is how many draws
/// of noise readers of the sums face (`Manifest::draws`).
///
/// # Errors
/// When a figure is out of range or no accountant bounds it.
pub fn best(tasks: &[TaskPlan], plan: Digest, public: u32, delta: Delta) -> Result<Best, Error> {
    let bound = |attempt: &dyn Fn(&TaskPlan) -> Result<Event, haima_smpc_node::Error>| {
        let all = |task: &TaskPlan| Ok(attempt(task)?.times(task.attempts().into()));
        let events = tasks.iter().map(all).collect::<Result<Vec<Event>, Error>>()?;
        let event = Event::Composed(events);
        Ok::<_, Error>(CommittedPlan::new(event, *plan.as_bytes())?.best(ADJACENCY, delta)?)
    };
    Ok(Best {
        coalition: bound(&TaskPlan::attempt)?,
        public: bound(&|task| task.attempt_against(public))?,
    })
}

/// The limit that holds a whole plan: the sum of its tasks' epsilons, enforced by the filter of one
/// of them. `None` where nothing is private.
///
/// # Errors
/// When no task's filter holds the plans of all, which tasks of unlike orders can come to.
pub fn limit_for(plan: &Plan, epsilon: Epsilon, delta: Delta) -> Result<Option<Limit>, Error> {
    if plan.tasks.is_empty() {
        return Ok(None);
    }
    for task in &plan.tasks {
        let filter = task.noise.filter()?;
        let cost = |task: &TaskPlan| {
            let one = filter.cost(&task.attempt()?);
            Ok(one.map_or(f64::INFINITY, |one| one.times(task.attempts()).get()))
        };
        let costs = plan.tasks.iter().map(cost).collect::<Result<Vec<f64>, Error>>()?;
        let limit = Limit { epsilon, delta, filter };
        // A single task was calibrated to its limit, to the last unit.
        if plan.tasks.len() == 1 || costs.iter().sum::<f64>() <= limit.room().get() {
            return Ok(Some(limit));
        }
    }
    Err(Error::Config {
        file: format!("study {}", plan.study),
        problem: "the private tasks fit no common limit; give them all accountant = \"zcdp\""
            .into(),
    })
}

/// The smallest delta of a plan's tasks: what the whole plan is stated at.
#[must_use]
pub fn delta(plan: &Plan) -> Option<Delta> {
    let deltas = plan.tasks.iter().map(|task| task.noise.delta);
    deltas.reduce(f64::min).and_then(|delta| Delta::new(delta).ok())
}

/// What is used of a limit, as it is told to readers; `epsilon` at the limit's delta, and the cost in its
/// filter's unit.
#[cfg(any(feature = "cli", feature = "web"))]
#[must_use]
pub(crate) fn told(limit: &Limit, epsilon: f64, cost: f64) -> crate::report::numbers::Budget {
    crate::report::numbers::Budget {
        epsilon: [epsilon, limit.epsilon.get()],
        filter: limit.filter.to_string(),
        cost: [cost, limit.room().get()],
    }
}

/// Which data sets are neighbours in every figure here.
pub const ADJACENCY: Adjacency = Adjacency::AddRemove;
