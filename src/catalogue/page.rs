//! A registry as one page: it needs no other file, holds no program and loads nothing, so it can be put on
//! any web server, mailed and printed. All text of parties is escaped.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haima_smpc_node::provision::Role;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::Member;
use super::entry::{Entry, Kind};
use super::folder::Registry;
use super::words;
use crate::report::page::scroll;
use crate::report::{STYLE as REPORT, numbers};
use crate::text::printable;

/// Entries of a kind that the page shows.
const MOST_ENTRIES: usize = 500;
/// Variables of an entry, and in the index of all.
const MOST_VARIABLES: usize = 300;
const MOST_INDEXED: usize = 1000;
/// Entries that the index names beside a variable.
const MOST_NAMED: usize = 12;

/// What the page has beside the report's style.
const OWN: &str = "\
.skip { position: absolute; left: -200vw; top: .5rem; background: #fff; padding: .5rem .8rem; z-index: 1; }\n\
.skip:focus { left: .5rem; }\n\
a:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }\n\
main:focus { outline: none; }\n\
article { margin: 0 0 2rem; }\n";

static STYLE: LazyLock<String> = LazyLock::new(|| [REPORT, OWN].concat());

/// What the page may do: its own style, and nothing else. `frame-ancestors` has no effect in a page.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'")
});

/// The page; `now` in unix seconds.
#[must_use]
pub fn render(registry: &Registry, now: u64) -> String {
    let charter = registry.charter();
    let title = format!("{} – {} registry", charter.name(), charter.platform().name());
    let kinds = Kind::ALL.map(|kind| (kind, registry.of_kind(kind).collect::<Vec<&Entry>>()));
    let page: Markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY.as_str());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) " – haima" }
                style { (PreEscaped(STYLE.as_str())) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    p.brand {
                        svg viewBox="0 0 16 20" width="16" height="20" aria-hidden="true" {
                            path d="M8 1C8 1 2 8.6 2 12.6a6 6 0 0 0 12 0C14 8.6 8 1 8 1Z" fill="#a3273a" {}
                        }
                        "haima registry · " (charter.platform().name())
                    }
                    h1 { (charter.name()) }
                    p.meta {
                        (numbers::utc(now)) br;
                        "Digest " code.digest { (charter.digest()) }
                    }
                }
                nav aria-label="Sections" {
                    @for (kind, entries) in &kinds {
                        a href=(format!("#{}", kind.name())) { (heading(*kind)) " (" (entries.len()) ")" }
                    }
                    a href="#variables" { "Variables" }
                    a href="#parties" { "Parties" }
                }
                main #main tabindex="-1" {
                    (trust(registry))
                    @for (kind, entries) in &kinds { (section(registry, *kind, entries)) }
                    section aria-labelledby="variables" {
                        h2 #variables { "Variables" }
                        (index(registry))
                    }
                    section aria-labelledby="parties" {
                        h2 #parties { "Parties" }
                        (parties(registry))
                    }
                }
                footer {
                    "haima " (env!("CARGO_PKG_VERSION"))
                    " · not a medical device · this page loads nothing from elsewhere"
                }
            }
        }
    };
    page.into_string()
}

fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Site => "Sites",
        Kind::Study => "Studies",
        Kind::Model => "Models",
        Kind::Generator => "Generators of virtual patients",
        Kind::Report => "Reports",
    }
}

/// What a reader may rely on, and whether a file was left out.
fn trust(registry: &Registry) -> Markup {
    let faults = registry.faults().len() as u64;
    html! {
        p {
            "Each entry was signed by the party that it speaks for, for this registry alone. What a "
            "party says of itself nobody else has checked. Sizes of cohorts are declared and rounded, or "
            "sums under noise; no row of a patient and no exact count is here."
        }
        @if faults > 0 {
            p.warn {
                b { (numbers::counted(faults, "file", "files")) " left out." }
                " They do not hold; " code { "haima registry verify" } " says why."
            }
        }
    }
}

fn section(registry: &Registry, kind: Kind, entries: &[&Entry]) -> Markup {
    html! {
        section aria-labelledby=(kind.name()) {
            h2 id=(kind.name()) { (heading(kind)) }
            @if entries.is_empty() { p { "None yet." } }
            @for entry in entries.iter().take(MOST_ENTRIES) { (article(registry, entry)) }
            @if let Some(more) = beyond(entries.len(), MOST_ENTRIES) {
                p.note { "And " (more) " more: " code { "haima registry list" } "." }
            }
        }
    }
}

/// How many items are more than are shown.
fn beyond(items: usize, most: usize) -> Option<usize> {
    items.checked_sub(most).filter(|more| *more > 0)
}

/// The anchor of an entry: its id, in which nothing has to be escaped.
fn anchor(entry: &Entry) -> String {
    entry.id().to_string()
}

fn article(registry: &Registry, entry: &Entry) -> Markup {
    let facts = html! {
        table.facts { tbody {
            @for (name, value) in words::facts(registry, entry) {
                tr { th scope="row" { (name) } td { (printable(&value)) } }
            }
        } }
    };
    let (tasks, variables) = (words::tasks(entry.content()), words::variables(entry.content()));
    let name = entry.id().to_string();
    html! {
        article {
            h3 id=(anchor(entry)) { (name) }
            (scroll(&name, &facts))
            @if !tasks.is_empty() {
                details {
                    summary { (numbers::counted(tasks.len() as u64, "task", "tasks")) }
                    ul { @for own in tasks { li { code { (printable(&own.id)) } ": " (printable(&words::task(own))) } } }
                }
            }
            @if !variables.is_empty() {
                details {
                    summary { (numbers::counted(variables.len() as u64, "variable", "variables")) }
                    ul {
                        @for own in variables.iter().take(MOST_VARIABLES) {
                            li {
                                code { (printable(&own.name)) }
                                @if own.label != own.name { " " (printable(&own.label)) }
                                ": " (printable(&own.in_words()))
                            }
                        }
                    }
                    @if let Some(more) = beyond(variables.len(), MOST_VARIABLES) {
                        p.note { "And " (more) " more: " code { "haima registry show " (name) } "." }
                    }
                }
            }
        }
    }
}

/// Which sites and studies have a variable.
fn index(registry: &Registry) -> Markup {
    let mut have: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in registry.current() {
        for variable in words::variables(entry.content()) {
            have.entry(&variable.name).or_default().push(entry);
        }
    }
    let table = html! {
        table {
            thead { tr { th scope="col" { "Variable" } th scope="col" { "Offered or asked by" } } }
            tbody { @for (name, entries) in have.iter().take(MOST_INDEXED) { tr {
                th scope="row" { (printable(name)) }
                td {
                    @for (at, entry) in entries.iter().take(MOST_NAMED).enumerate() {
                        @if at > 0 { ", " }
                        a href=(format!("#{}", anchor(entry))) { (entry.id()) }
                    }
                    @if let Some(more) = beyond(entries.len(), MOST_NAMED) { " and " (more) " more" }
                }
            } } }
        }
    };
    html! {
        @if have.is_empty() { p { "None yet." } } @else { (scroll("Variables", &table)) }
        @if let Some(more) = beyond(have.len(), MOST_INDEXED) { p.note { "And " (more) " more." } }
    }
}

fn parties(registry: &Registry) -> Markup {
    let table = html! {
        table.stack {
            thead { tr {
                th scope="col" { "Name" }
                th scope="col" { "Role" }
                th scope="col" { "Run by" }
                th scope="col" { "Fingerprint of its keys" }
            } }
            tbody { @for party in registry.charter().parties() { tr {
                th scope="row" { (party.name) }
                td data-label="Role" { (role(party)) }
                td data-label="Run by" { (printable(&party.operator)) }
                td data-label="Fingerprint" { code { (party.fingerprint().unwrap_or_default()) } }
            } } }
        }
    };
    scroll("Parties", &table)
}

fn role(party: &Member) -> &'static str {
    match (party.left, party.role) {
        (true, _) => "has left",
        (false, Role::Site) => "hospital",
        (false, Role::Node) => "node",
        (false, Role::Coordinator) => "coordinator",
    }
}
