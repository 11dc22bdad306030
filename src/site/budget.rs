//! A hospital's budget in words: whether what is left holds a study's private tasks, and the line of its
//! policy by which another budget comes into force.
//!
//! All of it follows from plan, policy, ledger and journal, and is the same whatever the patients.

use std::path::Path;

use haima_dp::ledger::{Budget, Limit, summary};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::plan::Plan;
use haima_smpc_node::provision::{Fit, hold};
use haima_smpc_node::record::AuditRecord;

use super::policy::Policy;
use crate::Error;

/// The line of a policy that lets a ledger take the policy's figures, but for the reason.
#[must_use]
pub(crate) fn amendment(limit: &Limit) -> String {
    let Limit { epsilon, delta, filter } = limit;
    let order = filter.order().map(|order| format!("order = {}, ", order.get()));
    format!(
        "amendment = {{ epsilon = {:?}, delta = {:e}, {}reason = \"...\" }}",
        epsilon.get(),
        delta.get(),
        order.unwrap_or_default()
    )
}

/// A limit in words.
fn in_words(limit: &Limit) -> String {
    let Limit { epsilon, delta, filter } = limit;
    format!("epsilon {} at delta {:e} by {filter}", epsilon.get(), delta.get())
}

/// That a policy states another budget than its ledger at `path` has, and how that is settled.
pub(crate) fn changed(policy: &Path, path: &Path, population: &str, budget: &Budget) -> Error {
    let recorded = summary(path, population).map(|held| in_words(&held.budget.overall));
    let recorded = recorded.map(|words| format!(" ({words})")).unwrap_or_default();
    Error::Budget {
        file: policy.display().to_string(),
        problem: format!(
            "the budget differs from the one that {} records{recorded}: put its figures back, or add the \
             line {}",
            path.display(),
            amendment(&budget.overall)
        ),
    }
}

/// How the private tasks of a study fit what a ledger under `limit` has left, in its filter's unit, and
/// that in words; `None` where nothing is private. `records` are those of the site's journal: what they
/// say of this manifest is paid for.
///
/// # Errors
/// When a figure of the plan is out of range.
pub(crate) fn needs(
    manifest: &Manifest,
    policy: &Policy,
    limit: &Limit,
    left: f64,
    records: &[AuditRecord],
) -> Result<Option<(Fit, String)>, Error> {
    let plan = Plan::of(manifest);
    if plan.tasks.is_empty() {
        return Ok(None);
    }
    let digest = manifest.digest().to_string();
    let charged = |task: &str| {
        let of_task = |record: &&AuditRecord| {
            let name = record.subject.rsplit_once('/').map(|(name, _)| name);
            record.kind == "charged" && record.text == digest && name == Some(task)
        };
        u32::try_from(records.iter().filter(of_task).count()).unwrap_or(u32::MAX)
    };
    let held = hold(&plan, limit, left, charged)?;
    let has = in_words(limit);
    let Some(needed) = held.needed else {
        let text = format!("no epsilon holds the study's private tasks; the limit is {has}");
        return Ok(Some((held.fit, text)));
    };
    let all = format!(
        "the study's private tasks with all spare attempts, and what was spent before, need epsilon \
         {needed:.3} of {has}"
    );
    let made_for = |id: &str| {
        let task = plan.tasks.iter().find(|task| task.id == id);
        task.and_then(|task| task.noise.order).filter(|order| policy.order != Some(*order))
    };
    let remedy = |id: &str| match made_for(id) {
        Some(order) => format!(
            "its noise was made for `order = {order}`, which this policy does not state; state it before \
             the first release, or have the study amended"
        ),
        None => {
            let epsilon = haima_dp::units::Epsilon::new(needed).unwrap_or(limit.epsilon);
            let line = amendment(&Limit { epsilon, ..*limit });
            format!(
                "raise `epsilon` to {needed:?}, and where there is a ledger add the line {line}; or have \
                 the study amended"
            )
        }
    };
    let text = match &held.fit {
        Fit::Whole => all,
        Fit::WithoutSpare { task } => {
            format!(
                "{all}: the task {task} is refused if spare attempts are used up; {}",
                remedy(task)
            )
        }
        Fit::Not { task, steps, of } => format!(
            "{all}: the task {task} does not fit, and is refused after {steps} of its {of} steps at the \
             latest; {}",
            remedy(task)
        ),
    };
    Ok(Some((held.fit, text)))
}

#[cfg(test)]
mod tests {
    use haima_dp::ledger::{Filter, Ledger};
    use haima_dp::units::{Delta, Epsilon, Order};

    use super::*;

    fn limit(epsilon: f64) -> Limit {
        Limit::zcdp(Epsilon::new(epsilon).unwrap(), Delta::new(1e-5).unwrap())
    }

    /// What is printed is a line of the file: it parses, and the policy's own check takes it.
    #[test]
    fn the_line_of_an_amendment_is_one_that_the_policy_takes() {
        for limit in [
            limit(3.2),
            Limit { delta: Delta::new(1.0 / 30_000.0).unwrap(), ..limit(4.0) },
            Limit { filter: Filter::Renyi { order: Order::new(16).unwrap() }, ..limit(0.5) },
        ] {
            let (epsilon, delta) = (limit.epsilon.get(), limit.delta.get());
            let order = limit.filter.order().map(|order| format!("order = {}\n", order.get()));
            let policy = format!(
                "default_population = \"all\"\nepsilon = {epsilon:?}\ndelta = {delta:e}\n{}{}\n",
                order.unwrap_or_default(),
                amendment(&limit)
            );
            let policy = Policy::parse(&policy).unwrap();
            assert!(policy.amended(&Budget::from(limit)).is_some(), "{policy:?}");
        }
    }

    #[test]
    fn a_changed_budget_is_told_with_both_figures_and_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        drop(Ledger::open(&path, "all", limit(3.0)).unwrap());
        let error = changed(Path::new("policy.toml"), &path, "all", &limit(3.2).into());
        let text = error.to_string();
        for words in [
            "policy.toml: the budget differs from the one that ",
            "records (epsilon 3 at delta 1e-5 by zCDP)",
            "amendment = { epsilon = 3.2, delta = 1e-5, reason = \"...\" }",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
