//! What all private tasks of a plan cost together, by composition, and whether that fits what a
//! hospital's ledger has left. Both are public: they follow from the plan, limits and charges alone.

use haima_dp::ledger::{Cost, Filter, Limit};
use haima_dp::units::{Delta, Epsilon};

use crate::Error;
use crate::plan::{Plan, TaskPlan};

/// Largest epsilon that is looked for, in thousandths.
const MOST: u64 = 10_000_000;
/// What sums of doubles may be off, relative to them: a plan that was calibrated to a limit costs it to
/// the last unit of the ledger, which counts in whole units.
const ROUNDING: f64 = 1e-9;

/// All private tasks of a plan together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Total {
    /// What a limit needs at `delta` so that it holds all attempts, rounded up to a thousandth.
    pub epsilon: f64,
    /// The smallest delta of the tasks.
    pub delta: Delta,
    /// By which theorem: of those that a task's noise was made for, and zCDP, the one that needs least.
    pub filter: Filter,
}

/// What all private tasks of a plan cost together, spare attempts included; `None` where nothing is
/// private, or no epsilon up to 10,000 holds it.
///
/// # Errors
/// When a figure of the plan is out of range.
pub fn total(plan: &Plan) -> Result<Option<Total>, Error> {
    let deltas = plan.tasks.iter().map(|task| task.noise.delta);
    let Some(delta) = deltas.reduce(f64::min) else { return Ok(None) };
    let delta = Delta::new(delta)?;
    let mut filters =
        plan.tasks.iter().map(|task| task.noise.filter()).collect::<Result<Vec<_>, _>>()?;
    filters.push(Filter::Zcdp);
    filters.dedup();
    let mut least: Option<Total> = None;
    for filter in filters {
        let mut all = 0.0;
        for task in &plan.tasks {
            all += cost(filter, task)?.unwrap_or(f64::INFINITY) * f64::from(task.attempts());
        }
        let Some(epsilon) = least_epsilon(filter, delta, all) else { continue };
        if least.is_none_or(|least| epsilon < least.epsilon) {
            least = Some(Total { epsilon, delta, filter });
        }
    }
    Ok(least)
}

/// What an attempt costs under a filter, in its unit; `None` where it has no figure for it.
fn cost(filter: Filter, task: &TaskPlan) -> Result<Option<f64>, Error> {
    Ok(filter.cost(&task.attempt()?).map(Cost::get))
}

/// The least epsilon, in whole thousandths, whose limit at a delta holds a cost under a filter; `None`
/// where none up to 10,000 does.
#[must_use]
pub fn least_epsilon(filter: Filter, delta: Delta, cost: f64) -> Option<f64> {
    let of = |thousandths: u64| thousandths as f64 / 1000.0;
    let holds = |thousandths: u64| {
        let epsilon = Epsilon::new(of(thousandths));
        epsilon.is_ok_and(|epsilon| fits(cost, Limit { epsilon, delta, filter }.room().get()))
    };
    let (mut below, mut enough) = (0, MOST);
    if !holds(enough) {
        return None;
    }
    while enough - below > 1 {
        let middle = below + (enough - below) / 2;
        if holds(middle) {
            enough = middle;
        } else {
            below = middle;
        }
    }
    Some(of(enough))
}

fn fits(cost: f64, room: f64) -> bool {
    cost <= room * (1.0 + ROUNDING)
}

/// How the private tasks that are still to come fit what a ledger has left.
#[derive(Clone, Debug, PartialEq)]
pub enum Fit {
    /// With all spare attempts.
    Whole,
    /// All steps do, but not with all spare attempts: this task may be refused, if attempts before or
    /// of it fail.
    WithoutSpare {
        /// Manifest id of the first such task.
        task: String,
    },
    /// Not even its steps: this task is refused.
    Not {
        /// Manifest id of the first such task.
        task: String,
        /// Steps of it that fit if nothing before fails.
        steps: u32,
        /// Steps that it may need.
        of: u32,
    },
}

/// A plan held against a ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// How it fits.
    pub fit: Fit,
    /// The limit's epsilon that would hold what was spent and all that is to come, rounded up to a
    /// thousandth.
    pub needed: Option<f64>,
}

/// Holds a plan against what a ledger under `limit` has left, in its filter's unit. `charged` says how
/// many attempts of a task the ledger has paid for already.
///
/// # Errors
/// When a figure of the plan is out of range.
pub fn hold(
    plan: &Plan,
    limit: &Limit,
    left: f64,
    charged: impl Fn(&str) -> u32,
) -> Result<Held, Error> {
    let room = limit.room().get();
    let (mut whole, mut bare) = (0.0, 0.0);
    let mut fit = Fit::Whole;
    for task in &plan.tasks {
        let one = cost(limit.filter, task)?.unwrap_or(f64::INFINITY);
        let paid = charged(&task.id);
        let attempts = task.attempts().saturating_sub(paid);
        // What was paid for counts as steps: more of them were not needed.
        let steps = task.steps.saturating_sub(paid).min(attempts);
        let before = bare;
        // Nothing of infinite cost is to come: 0 times infinity is no number.
        whole += if attempts == 0 { 0.0 } else { one * f64::from(attempts) };
        bare += if steps == 0 { 0.0 } else { one * f64::from(steps) };
        if !fits(bare, left) && !matches!(fit, Fit::Not { .. }) {
            let fitting = (((left - before) * (1.0 + ROUNDING)) / one).floor().max(0.0);
            // Below `steps`, since all of them do not fit.
            let steps = (fitting as u32).min(steps.saturating_sub(1));
            fit = Fit::Not { task: task.id.clone(), steps, of: task.steps };
        } else if !fits(whole, left) && fit == Fit::Whole {
            fit = Fit::WithoutSpare { task: task.id.clone() };
        }
    }
    let spent = (room - left).max(0.0);
    Ok(Held { fit, needed: least_epsilon(limit.filter, limit.delta, spent + whole) })
}

#[cfg(test)]
mod tests {
    use haima_dp::ledger::{Budget, Ledger};

    use super::*;
    use crate::manifest::NoisePlan;

    fn delta(value: f64) -> Delta {
        Delta::new(value).unwrap()
    }

    fn zcdp(epsilon: f64) -> Limit {
        Limit::zcdp(Epsilon::new(epsilon).unwrap(), delta(1e-5))
    }

    /// A task of `steps` steps and `spare` attempts whose noise is made for `epsilon`.
    fn task(id: &str, steps: u32, spare: u32, epsilon: f64) -> TaskPlan {
        let (sensitivity, dimension) = (1000, 3);
        let d = haima_dp::units::Sensitivity::new(sensitivity).unwrap();
        let coordinates = std::num::NonZeroU64::new(dimension).unwrap();
        let rate = haima_dp::units::Rate::ALL;
        let s = zcdp(epsilon).noise_for(steps + spare, d, coordinates, rate).unwrap().get();
        let (draws, q, delta, order) = (1, 1.0, 1e-5, None);
        let noise = NoisePlan { s, draws, q, sensitivity, dimension, delta, order };
        TaskPlan { id: id.into(), steps, spare_attempts: spare, noise }
    }

    fn plan(tasks: &[TaskPlan]) -> Plan {
        Plan { version: 1, study: "unit".into(), tasks: tasks.to_vec() }
    }

    /// One task costs what it was made for; two cost less than the sum and more than either.
    #[test]
    fn tasks_together_cost_what_a_ledger_charges_for_all_of_them() {
        assert_eq!(total(&plan(&[])).unwrap(), None);
        let one = total(&plan(&[task("net", 10, 5, 2.0)])).unwrap().unwrap();
        assert_eq!((one.epsilon, one.filter), (2.0, Filter::Zcdp));
        let both = plan(&[task("net", 10, 5, 2.0), task("virtual", 3, 1, 1.0)]);
        let total = total(&both).unwrap().unwrap();
        assert!(total.epsilon > 2.1 && total.epsilon < 2.9, "{total:?}");

        // A ledger with that limit takes every attempt, and one a hundredth lower does not.
        let folder = tempfile::tempdir().unwrap();
        let admits = |name: &str, epsilon: f64| {
            let path = folder.path().join(name);
            let mut ledger = Ledger::open(path, "all", Budget::from(zcdp(epsilon))).unwrap();
            let mut key = 0_u32;
            both.tasks.iter().all(|task| {
                let noise = haima_dp::noise::Noise {
                    draws: std::num::NonZeroU32::MIN,
                    s: haima_dp::noise::NoiseScale::new(task.noise.s).unwrap(),
                };
                let d = haima_dp::units::Sensitivity::new(task.noise.sensitivity).unwrap();
                let coordinates = std::num::NonZeroU64::new(task.noise.dimension).unwrap();
                let release = haima_dp::event::Release::noised(noise, d, coordinates);
                (0..task.attempts()).all(|_| {
                    key += 1;
                    let mut digest = [0; 32];
                    digest[..4].copy_from_slice(&key.to_le_bytes());
                    ledger.charge("unit", digest, &release).is_ok()
                })
            })
        };
        assert!(admits("enough", total.epsilon));
        assert!(!admits("less", total.epsilon - 0.01));
    }

    #[test]
    fn the_first_task_that_does_not_fit_is_named_with_the_steps_that_do() {
        let both = plan(&[task("net", 10, 5, 2.0), task("virtual", 4, 1, 1.0)]);
        let needed = total(&both).unwrap().unwrap().epsilon;
        let held = |epsilon: f64| {
            let limit = zcdp(epsilon);
            hold(&both, &limit, limit.room().get(), |_| 0).unwrap()
        };
        assert_eq!(held(needed), Held { fit: Fit::Whole, needed: Some(needed) });
        let spare = held(needed - 0.05);
        assert_eq!(spare.fit, Fit::WithoutSpare { task: "virtual".into() }, "{needed}");
        assert_eq!(spare.needed, Some(needed));
        let Fit::Not { task, steps, of } = held(1.0).fit else { panic!("it fits") };
        assert_eq!((task.as_str(), of), ("net", 10));
        // Costs go with the square of epsilon, about: a quarter of 15 attempts.
        assert!((3..6).contains(&steps), "{steps}");
        let Fit::Not { task, steps, of } = held(1.74).fit else { panic!("it fits") };
        assert!(task == "virtual" && steps < 4 && of == 4, "{task} {steps}");
    }

    #[test]
    fn what_was_charged_is_not_counted_twice() {
        let net = plan(&[task("net", 10, 5, 2.0)]);
        let limit = zcdp(2.0);
        let room = limit.room().get();
        // All but one attempt are paid for, and what is left holds one.
        let held = hold(&net, &limit, room / 15.0, |_| 14).unwrap();
        assert_eq!(held, Held { fit: Fit::Whole, needed: Some(2.0) });
        let held = hold(&net, &limit, 0.0, |_| 15).unwrap();
        assert_eq!(held.fit, Fit::Whole, "nothing is to come");
        let held = hold(&net, &limit, room / 15.0, |_| 0).unwrap();
        assert_eq!(held.fit, Fit::Not { task: "net".into(), steps: 1, of: 10 });
    }

    /// A limit by another theorem than the noise was made for costs more, and says so in time.
    #[test]
    fn a_sampled_plan_costs_less_by_the_order_that_it_was_made_for() {
        let mut net = task("net", 100, 10, 2.0);
        (net.noise.q, net.noise.order) = (0.01, Some(16));
        let order = haima_dp::units::Order::new(16).unwrap();
        let all = total(&plan(&[net.clone()])).unwrap().unwrap();
        assert_eq!(all.filter, Filter::Renyi { order });
        assert!(all.epsilon < 2.0, "{all:?}");
        let limit = zcdp(all.epsilon);
        let held = hold(&plan(&[net]), &limit, limit.room().get(), |_| 0).unwrap();
        assert!(matches!(held.fit, Fit::Not { .. }), "{held:?}");
        assert!(held.needed.is_some_and(|needed| needed > all.epsilon));
    }
}
