//! Tables of a whole study: steps with their privacy, rounds, ledgers, parties, promises.

use super::cell::row;
use super::{Cell, Table};
use crate::report::StudyReport;
use crate::report::model::{Class, Holds, Role, RoundClass, RoundStatus};

/// All of them.
pub(super) fn of(report: &StudyReport) -> Vec<Table> {
    vec![steps(report), rounds(report), ledgers(report), parties(report), promises(report)]
}

fn steps(report: &StudyReport) -> Table {
    let header = [
        "id",
        "title",
        "task",
        "class",
        "cohort",
        "finished",
        "rounds",
        "failed",
        "seconds",
        "bytes_sent",
        "bytes_received",
        "bytes_released",
        "epsilon_coalition",
        "delta",
        "accountant",
        "epsilon_coalition_best",
        "epsilon_public_best",
        "sampling_rate",
        "noise_s",
        "sensitivity",
        "site_bound",
    ];
    let mut table = Table::new("steps", &header);
    for step in &report.steps {
        let (class, privacy) = match &step.class {
            Class::Exact => ("exact", None),
            Class::Private(privacy) => ("private", Some(privacy)),
        };
        let finished = if step.result.is_some() { "yes" } else { "no" };
        table.rows.push(row![
            &step.id,
            &step.title,
            &step.task,
            class,
            step.cohort.trim_end().replace('\n', "; "),
            finished,
            step.rounds,
            step.attempts_failed,
            step.seconds,
            step.bytes_sent_by_sites,
            step.bytes_received_by_nodes,
            step.bytes_released,
            // An exact step has no figure: not one of nothing (rule X1).
            privacy.map(|own| own.epsilon_coalition),
            privacy.map(|own| own.delta),
            privacy.map(|own| &own.accountant),
            privacy.map(|own| own.best_coalition.epsilon),
            privacy.map(|own| own.best_public.epsilon),
            privacy.map(|own| own.sampling_rate),
            privacy.map(|own| own.noise_s),
            privacy.map(|own| own.sensitivity),
            privacy.and_then(|own| own.site_bound),
        ]);
    }
    table
}

fn rounds(report: &StudyReport) -> Table {
    let header = [
        "number",
        "step",
        "task",
        "attempt",
        "class",
        "hospitals",
        "of",
        "left_out",
        "refused",
        "seconds",
        "bytes",
        "digest",
        "status",
        "reason",
    ];
    let mut table = Table::new("rounds", &header);
    for own in &report.rounds {
        let class = match own.class {
            RoundClass::Exact => "exact",
            RoundClass::Private => "private",
        };
        let (status, reason) = match &own.status {
            RoundStatus::Released => ("released", Cell::Empty),
            RoundStatus::Failed { reason } => ("failed", Cell::from(reason)),
        };
        table.rows.push(row![
            own.number,
            &own.step,
            &own.task,
            own.attempt,
            class,
            own.sites_accepted,
            own.sites_total,
            own.left_out.join("; "),
            own.refused.join("; "),
            own.seconds,
            own.bytes,
            &own.digest,
            status,
            reason,
        ]);
    }
    table
}

fn ledgers(report: &StudyReport) -> Table {
    let header = [
        "hospital",
        "population",
        "epsilon_spent",
        "epsilon_limit",
        "delta",
        "filter",
        "cost_spent",
        "cost_limit",
        "exact_releases",
    ];
    let mut table = Table::new("ledgers", &header);
    for own in &report.ledger {
        table.rows.push(row![
            &own.site,
            &own.population,
            own.epsilon_spent,
            own.epsilon_limit,
            own.delta,
            &own.filter,
            own.cost_spent,
            own.cost_limit,
            own.exact_releases,
        ]);
    }
    table
}

fn parties(report: &StudyReport) -> Table {
    let header = ["name", "role", "operator", "fingerprint", "note", "left_out_because"];
    let mut table = Table::new("parties", &header);
    for own in &report.parties {
        let role = match own.role {
            Role::Site => "hospital",
            Role::Node => "node",
            Role::Coordinator => "coordinator",
        };
        let out = report.excluded.iter().find(|out| own.role == Role::Site && out.site == own.name);
        table.rows.push(row![
            &own.name,
            role,
            &own.operator,
            &own.fingerprint,
            &own.note,
            out.map(|out| &out.reason),
        ]);
    }
    table
}

fn promises(report: &StudyReport) -> Table {
    let mut table = Table::new("promises", &["property", "against", "holds", "note"]);
    for own in &report.promises {
        let holds = match own.holds {
            Holds::Yes => "yes",
            Holds::Partly => "partly",
            Holds::No => "no",
        };
        table.rows.push(row![&own.property, &own.against, holds, &own.note]);
    }
    table
}
