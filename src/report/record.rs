//! The record: who took part, what each step took, every round, and how to check all of it.

use maud::{Markup, html};

use super::model::{Party, Role, RoundClass, RoundRow, RoundStatus, StudyReport};
use super::numbers;
use super::page::{class_badge, scroll};

/// Parties, with their keys' fingerprints.
pub(super) fn parties(report: &StudyReport) -> Markup {
    let (sites, others): (Vec<&Party>, Vec<&Party>) =
        report.parties.iter().partition(|party| party.role == Role::Site);
    html! {
        @if report.parties.is_empty() { p { "No party is on record." } }
        @if !others.is_empty() { (party_table("Nodes and coordinator", &others)) }
        @if !sites.is_empty() {
            details open[sites.len() <= 6] {
                summary { (numbers::counted(sites.len() as u64, "hospital", "hospitals")) }
                (party_table("Hospitals", &sites))
            }
        }
        @if !report.excluded.is_empty() {
            h3 { "Left out" }
            p {
                (numbers::counted(report.excluded.len() as u64, "hospital", "hospitals"))
                " contributed to no result; no number above includes a patient from there."
            }
            ul { @for out in &report.excluded { li { b { (out.site) } ": " (out.reason) } } }
        }
        p.note {
            "Floors: at least " (numbers::counted(report.floors.min_sites.into(), "operator", "operators"))
            " must answer (" @if report.masked.is_none() { "each node and " } "each hospital enforces it); a hospital with fewer than "
            (numbers::counted(report.floors.min_local_rows, "row", "rows"))
            " stays out (the hospital enforces it)"
            @if report.floors.min_cell > 1 {
                "; counts of patients below " (report.floors.min_cell) " are not printed (a display rule)"
            }
            "."
        }
    }
}

fn party_table(name: &str, parties: &[&Party]) -> Markup {
    let body = html! {
        table.stack {
            thead { tr {
                th scope="col" { "Name" }
                th scope="col" { "Role" }
                th scope="col" { "Run by" }
                th scope="col" { "Fingerprint" }
                th scope="col" { "Note" }
            } }
            tbody { @for party in parties { tr {
                th scope="row" { (party.name) }
                td data-label="Role" { (role(party.role)) }
                td data-label="Run by" { (party.operator) }
                td data-label="Fingerprint" { code { (party.fingerprint) } }
                td data-label="Note" { (party.note) }
            } } }
        }
    };
    scroll(name, &body)
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Site => "hospital",
        Role::Node => "node",
        Role::Coordinator => "coordinator",
    }
}

/// What each step took, then every round.
pub(super) fn rounds(report: &StudyReport) -> Markup {
    let failed = report.rounds.iter().filter(|row| row.status != RoundStatus::Released).count();
    let stopped = report.rounds.iter().filter(|row| !row.stops.is_empty()).count();
    let steps = html! {
        table {
            thead { tr {
                th scope="col" { "Step" }
                th scope="col" { "Class" }
                th.num scope="col" { "Rounds" }
                th.num scope="col" { "Failed" }
                th.num scope="col" { "Time" }
                th.num scope="col" { "Sent by hospitals" }
                th.num scope="col" { @if report.masked.is_some() { "Received by the coordinator" } @else { "Received by nodes" } }
                th.num scope="col" { "Released" }
            } }
            tbody { @for step in &report.steps { tr {
                th scope="row" { (step.title) br; span.quiet { code { (step.id) } " · " (step.task) } }
                td { (class_badge(&step.class)) }
                td.num { (numbers::count(step.rounds.into())) }
                td.num { (numbers::count(step.attempts_failed.into())) }
                td.num { (numbers::duration(step.seconds)) }
                td.num { (numbers::bytes(step.bytes_sent_by_sites)) }
                td.num { (numbers::bytes(step.bytes_received_by_nodes)) }
                td.num { (numbers::bytes(step.bytes_released)) }
            } } }
        }
    };
    html! {
        @if !report.steps.is_empty() { (scroll("Steps", &steps)) }
        @if report.rounds.is_empty() {
            p { "No round is on record." }
        } @else {
            details {
                summary {
                    "All " (numbers::counted(report.rounds.len() as u64, "attempt", "attempts"))
                    @if failed > 0 { ", " (numbers::count(failed as u64)) " failed" }
                    @if stopped > 0 {
                        ", " (numbers::count(stopped as u64)) " paused because a hospital refused"
                    }
                }
                (scroll("Rounds", &round_table(&report.rounds)))
                p.note { "Digests are shortened here; report.json holds them in full." }
            }
        }
    }
}

fn round_table(rows: &[RoundRow]) -> Markup {
    html! {
        table.rounds {
            thead { tr {
                th.num scope="col" { "Round" }
                th scope="col" { "Step" }
                th.num scope="col" { "Attempt" }
                th scope="col" { "Class" }
                th.num scope="col" { "Hospitals" }
                th scope="col" { "Left out" }
                th.num scope="col" { "Time" }
                th.num scope="col" { "Bytes" }
                th scope="col" { "Digest" }
                th scope="col" { "Result" }
            } }
            tbody { @for row in rows { tr {
                th.num scope="row" { (numbers::count(row.number)) }
                td { (row.step) }
                td.num { (row.attempt) }
                td { @match row.class { RoundClass::Exact => "exact", RoundClass::Private => "private" } }
                td.num { (row.sites_accepted) " of " (row.sites_total) }
                td { (left_out(row)) }
                td.num { (numbers::duration(row.seconds)) }
                td.num { (numbers::bytes(row.bytes)) }
                td { code title=(row.digest) { (short(&row.digest)) } }
                td { @match &row.status {
                    RoundStatus::Released => "released",
                    RoundStatus::Failed { reason } => { b { "failed: " } (reason) },
                }
                    @for refusals in &row.stops { br; span.quiet { "paused earlier, refused by " (refusals) } }
                }
            } } }
        }
    }
}

/// Names of the sites that are not in a sum; those whose proof failed are told apart.
fn left_out(row: &RoundRow) -> String {
    let name = |site: &String| match row.refused.contains(site) {
        true => format!("{site} (proof failed)"),
        false => site.clone(),
    };
    match row.left_out.as_slice() {
        [] => "none".to_owned(),
        sites => sites.iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

/// Enough of a digest to compare by eye.
fn short(digest: &str) -> String {
    digest.chars().take(16).collect()
}

/// How to check the report.
pub(super) fn verify(report: &StudyReport) -> Markup {
    html! {
        ol {
            li {
                "Compare the manifest's digest with the one that your own hospital agreed to: "
                @if report.manifest_digest.is_empty() { "none on record." }
                @else { code.digest { (report.manifest_digest) } }
            }
            li {
                "Compare the fingerprints above with those that each party reads out over the telephone."
            }
            li {
                "Compare the digests in the round log with the signed, hash-chained journals of your hospital" @if report.masked.is_none() { " and of each node" } ". "
                "A round that stands here and not there, or there and not here, is a fault to report."
            }
            li {
                "Compare what your ledger says was charged with the table under Privacy."
            }
            @for check in &report.checks {
                li {
                    (check.text)
                    @if !check.command.is_empty() { pre { code { (check.command) } } }
                }
            }
        }
        p.note {
            "This page was drawn from report.json, which lies beside it and holds every number in full, small counts included: "
            "keep that file with those who may see them. The page loads nothing and sends nothing."
        }
    }
}
