//! The page: head, cards, findings, and the order of the sections.

use haima_fl_core::results::noised::COUNT_BITS;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::model::{Class, Role, RoundStatus, Step, StudyReport};
use super::result::StepResult;
use super::style::STYLE;
use super::{
    clusters, competing, components, comutation, curves, explain, fits, hazard, meta, network,
    numbers, prepared, privacy, promises, record, scan, states, synthetic, table1, validation,
    words,
};

/// The whole document.
pub(super) fn page(report: &StudyReport) -> Markup {
    let name = words::or(&report.study, "Unnamed study");
    let sections = sections(report);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (name) " – haima report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(report, name))
                nav aria-label="Sections" {
                    @for section in &sections { a href=(format!("#{}", section.id)) { (section.title) } }
                }
                main {
                    @for section in &sections {
                        section id=(section.id) aria-labelledby=(format!("{}-title", section.id)) {
                            h2 id=(format!("{}-title", section.id)) { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer {
                    "haima " (env!("CARGO_PKG_VERSION")) " · "
                    (words::or(&report.schema, "no schema")) " · not a medical device; not for the care of patients"
                }
            }
        }
    }
}

/// The cohort of a task that is not about all patients.
fn of_whom(step: &Step) -> Markup {
    html! {
        @if !step.cohort.is_empty() {
            p.note { b { "Cohort: " } (step.cohort.trim_end().replace('\n', "; ")) "." }
        }
    }
}

/// How far noise moves each count of a noised table or curve, where every node adds all of it.
fn noise_in_words(report: &StudyReport, step: &Step) -> Markup {
    let counts = matches!(step.result, Some(StepResult::Table1(_) | StepResult::Curves(_)));
    let nodes = report.parties.iter().filter(|party| party.role == Role::Node).count();
    html! {
        @if let (true, Class::Private(privacy)) = (counts && nodes > 0, &step.class) {
            p.note {
                b { "Noise: " } "each count is off by noise of standard deviation "
                (numbers::significant(privacy.noise_s * (nodes as f64).sqrt() / f64::from(1u32 << COUNT_BITS)))
                ", and what was computed from several counts by that of all of them."
            }
        }
    }
}

/// A section with its anchor.
pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) body: Markup,
}

/// The part of one step by itself, and the section that it stands in; `None` where it has no result,
/// and of a concordance: these are drawn together, under the network.
pub(super) fn part(report: &StudyReport, step: &Step) -> Option<(&'static str, Markup)> {
    let (wording, floors) = (&report.wording, &report.floors);
    Some(match step.result.as_ref()? {
        StepResult::Table1(one) => ("patients", table1::section(step, one, wording, floors)),
        StepResult::Prepared(one) => ("preparation", prepared::figures(step, one, wording)),
        StepResult::Batches(one) => ("preparation", prepared::batches(step, one, wording, floors)),
        StepResult::Curves(one) => ("survival", curves::section(step, one, wording, floors)),
        StepResult::Incidence(one) => ("survival", competing::section(step, one, wording, floors)),
        StepResult::States(one) => ("survival", states::section(step, one, wording, floors)),
        StepResult::Fit(one) => ("models", fits::section(step, one, wording, floors)),
        StepResult::GriddedFit(one) => ("models", fits::gridded(step, one, wording, floors)),
        StepResult::Subdistribution(one) => {
            ("models", fits::subdistribution(step, one, wording, floors))
        }
        StepResult::Meta(one) => ("models", meta::section(step, one, wording, floors)),
        StepResult::Scan(one) => ("scan", scan::section(step, one, wording, floors)),
        StepResult::Comutation(one) => {
            ("mutations", comutation::section(step, one, wording, floors))
        }
        StepResult::Pca(one) => ("patterns", components::section(step, one, wording, floors)),
        StepResult::Clusters(one) => ("patterns", clusters::section(step, one, wording, floors)),
        StepResult::Validation(one) => {
            ("validation", validation::section(step, one, wording, floors))
        }
        StepResult::Hazard(one) => ("network", hazard::section(step, one, wording)),
        StepResult::Network(one) => ("network", network::section(step, one, wording)),
        StepResult::Explanation(one) => ("network", explain::section(step, one, wording, floors)),
        StepResult::Generator(one) => ("virtual", synthetic::generator(step, one)),
        StepResult::Fidelity(one) => ("virtual", synthetic::section(step, one, wording, floors)),
        StepResult::Other(value) => ("further", other(step, value)),
        StepResult::Concordance(_) => return None,
    })
}

/// Sections of results, in their order.
const RESULTS: [(&str, &str); 11] = [
    ("patients", "Patients"),
    ("preparation", "Preparation of the data"),
    ("survival", "Survival"),
    ("models", "Associations"),
    ("scan", "Association scan"),
    ("mutations", "Mutations"),
    ("patterns", "Patterns"),
    ("validation", "Validation"),
    ("network", "Networks"),
    ("virtual", "Virtual patients"),
    ("further", "Further results"),
];

/// The sections of a report that have something to say, in their order.
pub(crate) fn sections(report: &StudyReport) -> Vec<Section> {
    let mut parts: Vec<(&'static str, Markup)> = report
        .steps
        .iter()
        .filter_map(|step| {
            let (section, part) = part(report, step)?;
            Some((section, html! { (part) (of_whom(step)) (noise_in_words(report, step)) }))
        })
        .collect();
    let ranks = hazard::concordances(report);
    if !ranks.0.is_empty() {
        parts.push(("network", ranks));
    }
    if parts.iter().any(|(section, _)| *section == "network") {
        parts.push(("network", hazard::limits()));
    }
    let mut sections =
        vec![Section { id: "findings", title: "Key findings", body: findings(report) }];
    for (id, title) in RESULTS {
        let own = || parts.iter().filter(|(section, _)| *section == id);
        if own().next().is_some() {
            let body = html! { @for (_, part) in own() { (part) } };
            sections.push(Section { id, title, body });
        }
    }
    let mut add = |id, title, body| sections.push(Section { id, title, body });
    add("privacy", "Privacy", privacy::body(report));
    add("promises", "Promises", promises::body(report));
    add("parties", "Parties", record::parties(report));
    add("rounds", "Round log", record::rounds(report));
    add("verify", "How to verify", record::verify(report));
    sections
}

fn header(report: &StudyReport, name: &str) -> Markup {
    html! {
        header {
            p.brand {
                svg viewBox="0 0 16 20" width="16" height="20" aria-hidden="true" {
                    path d="M8 1C8 1 2 8.6 2 12.6a6 6 0 0 0 12 0C14 8.6 8 1 8 1Z" fill="#a3273a" {}
                }
                "haima study report"
            }
            h1 { (name) }
            @if !report.title.is_empty() { p.lead { (report.title) } }
            p.meta {
                @if report.started > 0 {
                    (numbers::utc(report.started)) ", took "
                    (numbers::duration(report.finished.saturating_sub(report.started) as f64))
                }
                @if !report.mode.is_empty() { " · " (report.mode) }
                @if !report.manifest_digest.is_empty() {
                    br; "Manifest " code.digest { (report.manifest_digest) }
                }
            }
            @for warning in &report.warnings { p.warn { (warning) } }
            (cards(report))
        }
    }
}

fn cards(report: &StudyReport) -> Markup {
    let sites = report.parties.iter().filter(|party| party.role == Role::Site).count();
    let nodes = report.parties.iter().filter(|party| party.role == Role::Node).count();
    let released = report.rounds.iter().filter(|row| row.status == RoundStatus::Released).count();
    let sent: u64 = report.steps.iter().map(|step| step.bytes_sent_by_sites).sum();
    let out: u64 = report.steps.iter().map(|step| step.bytes_released).sum();
    let patients = patients(report)
        .map_or_else(|| "–".to_owned(), |n| numbers::cell(n, report.floors.min_cell));
    let took_part = sites.saturating_sub(report.excluded.len());
    let left_out = match report.excluded.len() {
        0 => "all of the study's took part".to_owned(),
        out => format!("took part; {out} more left out"),
    };
    let (used, against) = privacy::headline(report);
    let card = |title: &str, value: &str, detail: Markup| {
        html! { div.card { dt { (title) } dd.value { (value) } dd.detail { (detail) } } }
    };
    html! {
        dl.cards {
            (card("Patients", &patients, html! { "whose rows stayed at their hospital" }))
            (card("Hospitals", &numbers::count(took_part as u64), html! { (left_out) }))
            @if report.masked.is_none() {
                (card("Nodes", &numbers::count(nodes as u64), html! {
                    "hold shares; none sees a hospital's numbers"
                }))
            }
            (card("What left the hospitals", "no patient row", html! {
                (numbers::bytes(sent)) @if report.masked.is_some() { " under masks in " } @else { " of secret shares in " }
                (numbers::counted(released as u64, "round", "rounds")) "; "
                (numbers::bytes(out)) " of sums came out"
            }))
            (card("Privacy used", &used, html! { (against) }))
        }
    }
}

/// Patients described: from the first result that counts them.
fn patients(report: &StudyReport) -> Option<u64> {
    let results = || report.steps.iter().filter_map(|step| step.result.as_ref());
    let described = results().find_map(|result| match result {
        StepResult::Table1(table) => table.n.first().copied(),
        _ => None,
    });
    let counted = results().filter_map(StepResult::counts).map(|(n, _)| n);
    described.or(counted.max())
}

fn findings(report: &StudyReport) -> Markup {
    let lines = words::findings(report);
    let without: Vec<&Step> = report.steps.iter().filter(|step| step.result.is_none()).collect();
    html! {
        @if lines.is_empty() {
            p { "The study has no findings on survival to sum up." }
        } @else {
            ul.findings { @for line in &lines { li { (line) } } }
            p.note { "Built from the released numbers below by fixed sentences. Associations, not causes." }
        }
        @for step in without {
            p.warn { b { (step.title) " gave no result." } " See the round log." }
        }
        @if !report.data_note.is_empty() { p.note { b { "Data. " } (report.data_note) } }
    }
}

/// A result that this version of the page cannot draw: it may hold small cells, so it is named only.
fn other(step: &Step, value: &serde_json::Value) -> Markup {
    let schema = value.get("schema").and_then(serde_json::Value::as_str);
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        p {
            "This page has no drawing of a result "
            @if let Some(schema) = schema { code { (schema) } " " }
            "of the task " code { (step.task) } ". Its numbers stand in " code { "report.json" } "."
        }
    }
}

/// `exact` or `private`, as a mark beside a heading.
pub(super) fn class_badge(class: &Class) -> Markup {
    html! {
        @match class {
            Class::Exact => span.badge.exact title="without any privacy guarantee" { "exact: no differential privacy" },
            Class::Private(privacy) => span.badge.private {
                "private: ε=" (numbers::epsilon(privacy.epsilon_coalition)) ", δ=" (numbers::scientific(privacy.delta))
            },
        }
    }
}

/// A wide table that scrolls by itself, by keyboard too, so that the page never does.
pub(crate) fn scroll(label: &str, table: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (table) } }
}
