//! Privacy: what each step cost, what each hospital has used of its limit, and what no figure
//! covers.
//!
//! Wording follows rules X1 and L2: an exact release is "without any privacy guarantee" and is
//! never an epsilon of nothing; a running figure is "used of the limit, not itself a guarantee".

use maud::{Markup, html};

use super::model::{
    Best, Class, Committed, MaskedTerms, Privacy, Role, SiteLedger, Step, StudyReport,
};
use super::numbers;
use super::page::scroll;

/// The section's body.
pub(super) fn body(report: &StudyReport) -> Markup {
    let exact: u64 = report.steps.iter().filter(|s| s.class == Class::Exact).map(releases).sum();
    let private: Vec<(&Step, &Privacy)> = report
        .steps
        .iter()
        .filter_map(|step| match &step.class {
            Class::Private(privacy) => Some((step, privacy)),
            Class::Exact => None,
        })
        .collect();
    html! {
        p {
            "Results come in two kinds. "
            b { "Private" } " results carry noise from every "
            @if report.masked.is_some() { "hospital" } @else { "node" }
            " and a differential-privacy figure for each patient. "
            b { "Exact" } " results carry no noise: sums over hospitals, without any privacy guarantee."
        }
        @if exact > 0 {
            p.warn {
                b { (numbers::counted(exact, "release was", "releases were")) " exact: no differential privacy." }
                " No ε covers them, and since they describe the same patients, no ε covers the study as a whole."
            }
        }
        (steps_table(report))
        @if !private.is_empty() { (explanation(report)) }
        (ledger(&report.ledger, private.is_empty()))
        @if let Some(plan) = &report.plan { (committed(plan, report)) }
        @if !report.assumptions.is_empty() {
            h3 { "Taken as public" }
            p { "These numbers are outside (ε, δ):" }
            ul { @for line in &report.assumptions { li { (line) } } }
        }
    }
}

/// Sums that came out of a step.
fn releases(step: &Step) -> u64 {
    u64::from(step.rounds)
}

/// What each step cost.
fn steps_table(report: &StudyReport) -> Markup {
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Step" }
                th.num scope="col" { "ε, coalition, as charged" }
                th.num scope="col" { "ε, coalition, best" }
                th.num scope="col" { "ε, public, best" }
                th.num scope="col" { "δ" }
                th.num scope="col" { "Noise s / sensitivity D" }
                th.num scope="col" { "One hospital's bound" }
            } }
            tbody {
                @for step in &report.steps {
                    tr {
                        th scope="row" { (step.title) }
                        @match &step.class {
                            Class::Exact => {
                                td colspan="6" { span.badge.exact { "exact: no differential privacy" } }
                            },
                            Class::Private(privacy) => {
                                td.num { b { (numbers::epsilon(privacy.epsilon_coalition)) } br; span.quiet { (privacy.accountant) } }
                                td.num { (best(&privacy.best_coalition)) }
                                td.num { (best(&privacy.best_public)) }
                                td.num { (numbers::scientific(privacy.delta)) }
                                td.num {
                                    (numbers::significant(privacy.noise_s)) " / " (numbers::significant(privacy.sensitivity))
                                    @if privacy.sampling_rate < 1.0 { br; span.quiet { "each patient in a round with probability " (numbers::significant(privacy.sampling_rate)) } }
                                }
                                td.num {
                                    @match privacy.site_bound {
                                        Some(bound) => (numbers::significant(bound)),
                                        None => "–",
                                    }
                                }
                            },
                        }
                    }
                }
            }
        }
    };
    html! { @if !report.steps.is_empty() { (scroll("Privacy of each step", &body)) } }
}

/// A figure and who proves it.
fn best(best: &Best) -> Markup {
    html! { (numbers::epsilon(best.epsilon)) br; span.quiet { (best.method) } }
}

/// The plan's figures, beside the ledgers' limit.
fn committed(plan: &Committed, report: &StudyReport) -> Markup {
    let adversary = match &report.masked {
        None => "All nodes but one, the coordinator and all other hospitals",
        Some(_) => "The coordinator with as many hospitals as the masks allow",
    };
    let row = |who: &str, figure: &Best| {
        html! {
            tr {
                th scope="row" { (who) }
                td.num { b { (numbers::epsilon(figure.epsilon)) } }
                td.num { (numbers::scientific(plan.delta)) }
                td { (figure.method) }
            }
        }
    };
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Adversary" } th.num scope="col" { "ε" } th.num scope="col" { "δ" } th scope="col" { "Accountant" }
            } }
            tbody {
                (row(adversary, &plan.best_coalition))
                (row("Readers of the results alone", &plan.best_public))
            }
        }
    };
    html! {
        h3 { "The committed plan" }
        p {
            "Every private release was fixed before the first one (plan.toml, digest "
            code { (plan.digest.get(..16).unwrap_or_default()) } "…, named by the manifest). For such a plan the smallest bound of several accountants holds: "
            "one patient of one hospital, added or removed, all steps and spare attempts together. "
            "Another study with the same patients has a plan and figures of its own; the limit of a hospital's ledger covers the private results of all."
        }
        (scroll("Figures of the committed plan", &body))
    }
}

/// Whom the coalition's figure is against.
fn coalition(report: &StudyReport) -> String {
    if let Some(masked) = &report.masked {
        return format!("the coordinator and up to {} of the hospitals", masked.corrupt);
    }
    let nodes = report.parties.iter().filter(|party| party.role == Role::Node).count();
    match nodes {
        0 | 1 => "the coordinator and all other hospitals".to_owned(),
        2 => "one of the two nodes, the coordinator and all other hospitals".to_owned(),
        k => format!("any {} of the {k} nodes, the coordinator and all other hospitals", k - 1),
    }
}

/// What noise by hospitals costs beside noise by nodes (rule M2): all n add a part, h of which are
/// counted on.
fn price(masked: &MaskedTerms) -> Markup {
    let MaskedTerms { sites, threshold, corrupt, honest } = *masked;
    let times = |over: f64| numbers::significant(over.sqrt());
    let ratio = f64::from(sites) / f64::from(honest.max(1));
    html! {
        dt { "More noise than the figure needs" }
        dd {
            "Results carry up to " (times(ratio)) " times the noise that ε needs: each of the " (sites)
            " hospitals adds a part, and only " (honest) " parts are counted on (" (threshold)
            " hospitals must finish a round, and up to " (corrupt) " of them may take theirs off). "
            "With two independent nodes instead it would be " (times(2.0)) " times, with three " (times(3.0)) "."
        }
    }
}

/// What the figures are measured against.
fn explanation(report: &StudyReport) -> Markup {
    let coalition = coalition(report);
    let (enough, whose) = match &report.masked {
        None => ("one honest node's noise suffices".to_owned(), "every node".to_owned()),
        Some(masked) => (
            format!(
                "the noise of the {} others that are sure to be in a sum suffices",
                masked.honest
            ),
            format!("at least {} hospitals", masked.threshold),
        ),
    };
    let patients = match report.hospitals_per_patient {
        0 | 1 => "Each patient is assumed to appear at one hospital; one who appears at m hospitals has the protection of a group of m.".to_owned(),
        m => format!("Each patient is assumed to appear at no more than {m} hospitals, and the sensitivity covers that."),
    };
    html! {
        dl.explain {
            dt { "Coalition" }
            dd { "Protects a patient even if " (coalition) " put together all they see: " (enough) ". This is the headline figure." }
            dt { "Public" }
            dd { "Protects a patient against readers of the results alone, who face the noise of " (whose) "." }
            dt { "As charged, and best" }
            dd {
                "As charged is what hospitals' ledgers count by one theorem, and holds whatever is asked next in the light of the results. "
                "Best is the smallest bound of several accountants; it holds because the whole plan was committed before the first release."
            }
            dt { "Unit" }
            dd {
                "One patient's rows at one hospital, added or removed. " (patients)
            }
            @if let Some(masked) = &report.masked { (price(masked)) }
            dt { "Plan" }
            dd { "Each figure covers the step's whole plan, spare attempts included, even where fewer were needed." }
            dt { "Noise and bound" }
            dd {
                "In grid steps of the encoding: the standard deviation that each "
                @if report.masked.is_some() { "hospital" } @else { "node" }
                " adds to a sum, the largest change that one patient can make, "
                "and the furthest that one honest hospital can move the sum."
            }
        }
    }
}

/// The hospitals' budgets.
fn ledger(rows: &[SiteLedger], nothing_private: bool) -> Markup {
    let same = rows.windows(2).all(|pair| match pair {
        [a, b] => figures(a) == figures(b),
        _ => true,
    });
    html! {
        @if let Some(first) = rows.first() {
            h3 { "What the hospitals' ledgers hold" }
            @if nothing_private && rows.iter().all(|row| row.epsilon_spent <= 0.0) {
                p { "No private release was charged." }
            } @else {
                p {
                    "Each hospital keeps its own ledger and refuses what would pass its limit. "
                    "The limit is the guarantee; what is used of it is not itself a guarantee."
                }
            }
            @if same && rows.len() > 3 {
                @let summary = format!("All {} hospitals alike", rows.len());
                (bars(std::slice::from_ref(first), Some(&summary)))
                details { summary { "Each hospital's ledger" } (bars(rows, None)) }
            } @else {
                (bars(rows, None))
            }
        }
    }
}

/// What is compared to call two ledgers alike.
fn figures(row: &SiteLedger) -> (f64, f64, f64, &str, f64, f64, u32) {
    let SiteLedger {
        epsilon_spent,
        epsilon_limit,
        delta,
        filter,
        cost_spent,
        cost_limit,
        exact_releases,
        ..
    } = row;
    (*epsilon_spent, *epsilon_limit, *delta, filter, *cost_spent, *cost_limit, *exact_releases)
}

fn bars(rows: &[SiteLedger], name: Option<&str>) -> Markup {
    let body = html! {
        table.ledger {
            thead { tr {
                th scope="col" { "Hospital" }
                th scope="col" { "Used of the budget, in the unit that adds up" }
                th.num scope="col" { "ε used of the limit" }
                th.num scope="col" { "δ" }
                th.num scope="col" { "Exact releases" }
            } }
            tbody { @for row in rows { tr {
                th scope="row" {
                    (name.unwrap_or(&row.site))
                    @if name.is_none() && !row.population.is_empty() { br; span.quiet { (row.population) } }
                }
                @if row.epsilon_spent > 0.0 {
                    td { (bar(row)) }
                    td.num { (row.told().epsilons()) }
                    td.num { (numbers::scientific(row.delta)) }
                } @else {
                    td { span.quiet { "none charged" @if row.epsilon_limit > 1e-9 { ", limit ε=" (numbers::allowance(row.epsilon_limit)) } } }
                    td.num { "–" }
                    td.num { "–" }
                }
                td.num {
                    @if row.exact_releases > 0 {
                        (numbers::count(row.exact_releases.into())) br; span.quiet { "no guarantee" }
                    } @else { "none" }
                }
            } } }
        }
    };
    scroll("Ledgers of the hospitals", &body)
}

/// Spent of the limit, as a bar with its numbers: of what adds up, for a share of an epsilon misleads.
fn bar(row: &SiteLedger) -> Markup {
    let told = row.told();
    let text = format!("{}; {} left", told.costs(), told.rest());
    html! {
        span.spent { (text) }
        svg.bar viewBox="0 0 200 10" preserveAspectRatio="none" role="img" aria-label=(format!("used of the budget: {text}")) {
            rect.rail x="0" y="0" width="200" height="10" rx="3" {}
            rect.used x="0" y="0" width=(numbers::decimal(told.share() * 200.0, 1)) height="10" rx="3" {}
        }
    }
}

/// One line for the cards at the top: figure, then what it is measured against.
pub(super) fn headline(report: &StudyReport) -> (String, String) {
    let exact: u64 = report.steps.iter().filter(|s| s.class == Class::Exact).map(releases).sum();
    let most = report
        .ledger
        .iter()
        .filter(|row| row.epsilon_spent > 0.0)
        .max_by(|a, b| a.epsilon_spent.total_cmp(&b.epsilon_spent));
    let beside = match exact {
        0 => String::new(),
        _ => format!(
            " Besides, {}: without any privacy guarantee.",
            numbers::counted(exact, "exact release", "exact releases")
        ),
    };
    match most {
        Some(row) => (
            format!("ε ≤ {}", numbers::epsilon(row.epsilon_limit)),
            format!(
                "limit for one patient in all private results of a hospital (δ={}); used: {}; {}.{beside}",
                numbers::scientific(row.delta),
                row.told().epsilons(),
                row.told().left()
            ),
        ),
        None if exact > 0 => (
            "none".to_owned(),
            format!(
                "exact: no differential privacy. {} without any privacy guarantee.",
                numbers::counted(exact, "release", "releases")
            ),
        ),
        None => ("–".to_owned(), "nothing was released".to_owned()),
    }
}
