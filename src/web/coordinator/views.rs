//! The HTML of a coordinator's pages: a function of what was read, and of nothing else. Results, parties
//! and privacy are the report's own sections.

use haima_smpc_node::unix_millis;
use maud::{Markup, html};

use super::rounds::{Progress, Round, State};
use super::standing::Standing;
use super::told::Presence;
use crate::coordinator::Config;
use crate::report::numbers;
use crate::report::page::{Section, scroll, sections};
use crate::web::document::{printable, problem};
use crate::web::nodes::Asked;
use crate::web::parts::{self, ago, card, digest, moment, newest, pager, when};

/// Sections of the report that have pages of their own here.
const OWN_PAGES: [&str; 5] = ["privacy", "promises", "parties", "rounds", "verify"];

/// The first page: what runs, and how far it is; `here` is who is connected, beside the daemon.
pub(super) fn overview(config: &Config, standing: &Standing, here: Option<&Presence>) -> Markup {
    let now = unix_millis();
    let open = standing.rounds.last().filter(|round| round.end.is_none() && !standing.ended);
    let (released, failed): (Vec<&Round>, Vec<&Round>) = standing
        .rounds
        .iter()
        .filter(|round| round.end.is_some())
        .partition(|round| round.end.as_ref().is_some_and(|end| end.released));
    let count = |rounds: &[&Round]| numbers::count(rounds.len() as u64);
    let stops: u64 = standing.progress.iter().map(|task| u64::from(task.stopped)).sum();
    let all = standing.manifest.tasks.len();
    let done = standing.progress.iter().filter(|task| task.state == State::Done).count();
    html! {
        p #state role="status" data-live { (in_words(config, standing, open, here.is_some())) }
        dl.cards #figures data-live {
            (card("Tasks", &format!("{done} of {all}"), &html! { "have a result known here" }))
            (card("Rounds", &count(&released), &html! {
                "released, " (count(&failed)) " failed"
                @if stops > 0 {
                    "; paused " (numbers::counted(stops, "time", "times")) " because a hospital refused"
                }
            }))
            (hospitals(standing, here))
            @if let Some(last) = standing.journal.records.last() {
                (card("Last record", &ago(last.at_ms, now), &html! { (printable(&last.kind)) }))
            }
        }
        h2 { "Tasks" }
        div #tasks data-live { (scroll("Tasks", &tasks(config, standing))) }
        div #round data-live {
            @if let Some(round) = open {
                h2 { "The open round" }
                (open_round(config, standing, round, now))
            }
        }
        h2 { "The study" }
        p {
            (printable(&standing.report.mode)) ". Revision " (standing.manifest.revision) "; manifest "
            code.digest { (standing.manifest.digest().to_string()) } "."
        }
        @for warning in &standing.report.warnings { p.warn { (printable(warning)) } }
    }
}

fn hospitals(standing: &Standing, here: Option<&Presence>) -> Markup {
    let of = standing.manifest.sites.len();
    let (value, detail) = match standing.joined {
        Some((joined, of)) => (format!("{joined} of {of}"), "have joined"),
        None => (numbers::count(of as u64), "in the study"),
    };
    let detail = html! {
        (detail)
        @if let Some(here) = here.filter(|_| !standing.ended) {
            "; " a href="/parties" { (connected(standing, here)) " connected now" }
        }
    };
    card("Hospitals", &value, &detail)
}

/// How many of the study's hospitals are connected.
fn connected(standing: &Standing, here: &Presence) -> usize {
    standing.manifest.sites.iter().filter(|site| here.connected.contains(&site.name)).count()
}

/// How it stands, in a sentence.
fn in_words(config: &Config, standing: &Standing, open: Option<&Round>, beside: bool) -> Markup {
    html! {
        @match open {
            _ if standing.ended => {
                "The study has ended, on " (numbers::utc(standing.report.finished)) ". Its report is written."
            }
            Some(round) => {
                "A round is open: " (printable(standing.title(config, &round.task))) ", step "
                (round.step + 1) @if round.attempt > 0 { ", attempt " (round.attempt + 1) } "."
            }
            None if standing.rounds.is_empty() => {
                "No round was opened yet."
                @if let Some((here, of)) = standing.joined { " " (here) " of " (of) " hospitals are here." }
            }
            None => "Between two rounds.",
        }
        @if !beside && !standing.ended {
            " This page stands alone: whether the daemon runs, and results before the study's end, it cannot know."
        }
    }
}

fn tasks(config: &Config, standing: &Standing) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Task" }
                th scope="col" { "State" }
                th scope="col" { "Sums released, of at most" }
                th.num scope="col" { "Attempts that failed" }
            } }
            tbody { @for task in &standing.progress { tr {
                th scope="row" {
                    (printable(standing.title(config, &task.task))) br; span.quiet { code { (task.task) } }
                }
                td { (task.state.words()) }
                td { (far(task)) }
                td.num {
                    (numbers::count(task.failed.into()))
                    @if task.stopped > 0 {
                        br; span.quiet { "stopped " (numbers::counted(task.stopped.into(), "time", "times")) }
                    }
                }
            } } }
        }
    }
}

fn far(task: &Progress) -> Markup {
    let text = format!("{} of {}", task.released, task.most);
    html! {
        progress max=(task.most) value=(task.released) aria-label=(format!("Sums of {}: {text}", task.task)) {}
        " " (text)
        @if task.state == State::Done && task.released < task.most { span.quiet { " (it needed no more)" } }
    }
}

fn open_round(config: &Config, standing: &Standing, round: &Round, now: u64) -> Markup {
    let left = round.deadline_ms.saturating_sub(now) / 1000;
    let deadline = html! {
        (moment(round.deadline_ms)) ", "
        @if left > 0 { "in " (numbers::duration(left as f64)) } @else { "past: the parties settle the round" }
    };
    parts::facts(
        "The open round",
        &[
            ("Task", html! { (printable(standing.title(config, &round.task))) }),
            ("Number", html! { (numbers::count(round.number)) }),
            ("Step and attempt", html! { (round.step + 1) ", attempt " (round.attempt + 1) }),
            ("Class", class(round)),
            ("Coordinates", html! { (numbers::count(round.dimension)) }),
            ("Opened", html! { (round.opened_ms.map_or("being announced".to_owned(), moment)) }),
            ("Deadline of answers", deadline),
            ("Digest", html! { code.digest { (round.digest.to_string()) } }),
        ],
    )
}

fn class(round: &Round) -> Markup {
    html! {
        @if round.exact { span.badge.exact { "exact: no differential privacy" } }
        @else { span.badge.private { "noised" } }
    }
}

/// Results of finished tasks: the report's own sections.
pub(super) fn results(standing: &Standing, beside: bool) -> Markup {
    let all = sections(&standing.report);
    let shown: Vec<&Section> =
        all.iter().filter(|section| !OWN_PAGES.contains(&section.id)).collect();
    let without = standing.report.steps.iter().all(|step| step.result.is_none());
    html! {
        @if without {
            p {
                @if standing.ended { "The study ended without a result. The rounds say why." }
                @else if beside { "No task has a result yet. Results stand here as soon as a task has ended." }
                @else { "Results stand here once the study has ended. The page of the daemon itself has them earlier." }
            }
        } @else {
            @if !standing.ended { p.warn { "The study still runs: these are the results of the tasks that have ended." } }
            nav aria-label="Sections" {
                @for section in &shown { a href=(format!("#{}", section.id)) { (section.title) } }
            }
            @for section in &shown { (whole(section)) }
        }
    }
}

fn whole(section: &Section) -> Markup {
    let title = format!("{}-title", section.id);
    html! {
        section id=(section.id) aria-labelledby=(title) {
            h2 id=(title) { (section.title) }
            (section.body)
        }
    }
}

/// The report's sections of these names.
fn only(standing: &Standing, ids: &[&str]) -> Markup {
    let all = sections(&standing.report);
    html! {
        @for section in all.iter().filter(|section| ids.contains(&section.id)) { (whole(section)) }
    }
}

/// Who takes part, how the nodes are, and which hospitals are connected.
pub(super) fn parties(
    standing: &Standing,
    nodes: Result<&Asked, &String>,
    here: Option<&Presence>,
) -> Markup {
    html! {
        @if !standing.manifest.nodes.is_empty() {
            h2 { "Nodes now" }
            div #nodes data-live {
                @match nodes {
                    Ok(asked) => (asked_nodes(asked)),
                    Err(why) => (problem("The nodes cannot be asked.", why)),
                }
            }
        }
        h2 { "Hospitals" }
        div #sites data-live {
            p {
                @if let Some((joined, of)) = standing.joined { (joined) " of " (of) " have joined. " }
                @match here {
                    Some(here) => {
                        (connected(standing, here)) " of " (standing.manifest.sites.len())
                        " are connected now."
                    }
                    None => "Which hospitals are connected is known to the daemon's own page alone.",
                }
            }
            (scroll("Hospitals of the study", &sites(standing, here)))
        }
        (only(standing, &["parties"]))
    }
}

fn asked_nodes(asked: &Asked) -> Markup {
    let table = html! {
        table.stack {
            thead { tr {
                th scope="col" { "Node" } th scope="col" { "Run by" } th scope="col" { "Address" }
                th scope="col" { "State" } th.num scope="col" { "Last round" }
            } }
            tbody { @for node in &asked.nodes { tr {
                th scope="row" { (node.name) }
                td data-label="Run by" { (printable(&node.operator)) }
                td data-label="Address" { (printable(&node.address)) }
                @match &node.last {
                    Ok(last) => {
                        td data-label="State" { span.badge.yes { "answers; same manifest, clocks agree" } }
                        td.num data-label="Last round" { (numbers::count(*last)) }
                    }
                    Err(why) => {
                        td data-label="State" { span.badge.no { "not well" } " " (printable(why)) }
                        td.num {}
                    }
                }
            } } }
        }
    };
    html! {
        (scroll("Nodes now", &table))
        p.note { "Asked at " (moment(asked.at_ms)) "." }
    }
}

fn sites(standing: &Standing, here: Option<&Presence>) -> Markup {
    let now = unix_millis();
    html! {
        table.stack {
            thead { tr {
                th scope="col" { "Hospital" } th scope="col" { "Run by" }
                @if here.is_some() { th scope="col" { "Now" } }
                th.num scope="col" { "Cap on patients" } th scope="col" { "Last in a sum" }
            } }
            tbody { @for site in &standing.manifest.sites { tr {
                th scope="row" { (site.name) }
                td data-label="Run by" { (printable(&site.operator)) }
                @if let Some(here) = here { td data-label="Now" { (presence(here, &site.name, now)) } }
                td.num data-label="Cap on patients" { (numbers::count(site.max_patients)) }
                td data-label="Last in a sum" {
                    @match standing.last_in.get(&site.name) {
                        Some(round) => { "round " (numbers::count(*round)) }
                        None => "not since this page's start",
                    }
                }
            } } }
        }
    }
}

/// Whether a hospital is connected, and when it was heard of last.
fn presence(here: &Presence, site: &str, now_ms: u64) -> Markup {
    let heard = here.heard.get(site);
    html! {
        @if here.connected.contains(site) { span.badge.yes { "connected" } }
        @else { span.badge.no { "not connected" } }
        @match heard {
            Some(at) => { " last heard " (ago(*at, now_ms)) }
            None => " not heard since the daemon's start",
        }
    }
}

/// Every round that was announced.
pub(super) fn rounds(standing: &Standing, page: usize) -> Markup {
    let rounds = &standing.rounds;
    let table = html! {
        table.rounds {
            thead { tr {
                th.num scope="col" { "Round" }
                th scope="col" { "Task" }
                th.num scope="col" { "Step" }
                th.num scope="col" { "Attempt" }
                th scope="col" { "Class" }
                th scope="col" { "Opened" }
                th.num scope="col" { "Took" }
                th scope="col" { "Result" }
                th scope="col" { "Digest" }
            } }
            tbody { @for round in newest(rounds, page) { tr {
                th.num scope="row" { (numbers::count(round.number)) }
                td { (round.task) }
                td.num { (round.step + 1) }
                td.num { (round.attempt + 1) }
                td { @if round.exact { "exact" } @else { "noised" } }
                td { (round.opened_ms.map_or("not yet".to_owned(), moment)) }
                td.num { (round.took().map_or("–".to_owned(), numbers::duration)) }
                td { (end(round)) }
                td { (digest(&round.digest)) }
            } } }
        }
    };
    html! {
        div #rounds data-live {
            @if rounds.is_empty() { p { "No round was opened yet." } } @else { (scroll("Rounds", &table)) }
        }
        (pager("/rounds", page, rounds.len()))
    }
}

fn end(round: &Round) -> Markup {
    html! {
        @match &round.end {
            None => "open",
            Some(end) if end.released => { "released over " (printable(&end.text)) }
            Some(end) => { b { "failed: " } (printable(&end.text)) }
        }
        @for (at, refusals) in &round.stops {
            br; b { "paused " } (moment(*at)) ", refused by " (printable(refusals))
        }
        @for (kind, subject) in &round.remarks {
            br; span.badge.no { (printable(kind)) } " " (printable(subject))
        }
    }
}

/// What the results cost, and what is promised.
pub(super) fn privacy(standing: &Standing) -> Markup {
    html! {
        @if !standing.ended {
            p.warn {
                "The study still runs: figures are those of tasks that have ended. What each hospital's ledger \
                 holds stands in the report, and at the hospital."
            }
        }
        (only(standing, &["privacy", "promises"]))
    }
}

/// The journal, verified.
pub(super) fn journal(standing: &Standing, page: usize) -> Markup {
    let records = standing.journal.records.as_slice();
    html! {
        @if let Some(why) = standing.journal.lost() {
            (problem("The journal has lost records.", &why))
        }
        p {
            "The chain and the coordinator's signature on each of the "
            (numbers::counted(records.len() as u64, "record", "records")) " hold."
            @if let Some(head) = &standing.journal.head { " Head " code.digest { (head.to_string()) } "." }
            " Whether records were cut off at the end shows beside the other parties' journals."
        }
        div #journal data-live { (parts::journal(records, page)) }
        (pager("/journal", page, records.len()))
        (only(standing, &["verify"]))
    }
}

/// What the folder holds.
pub(super) fn files(config: &Config, standing: &Standing) -> Markup {
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "File" } th.num scope="col" { "Size" } th scope="col" { "Changed" }
            } }
            tbody { @for file in &standing.files { tr {
                th scope="row" {
                    @if file.model {
                        a href=(format!("/files/{}", address(&file.name))) { (printable(&file.name)) }
                    } @else { (printable(&file.name)) }
                }
                td.num { (numbers::bytes(file.bytes)) }
                td { (when(file.at.saturating_mul(1000))) }
            } } }
        }
    };
    html! {
        p { "The folder " code { (printable(&config.out.display().to_string())) } ". A model's link shows its card." }
        div #files data-live {
            @if standing.files.is_empty() { p { "It holds nothing yet." } } @else { (scroll("Files", &table)) }
        }
        @if standing.ended {
            p {
                "The report is " code { "index.html" } " there: one page that needs nothing else, to mail and to archive. "
                "It shows what " a href="/results" { "Results" } " and the other pages here show."
            }
        }
    }
}

/// A file's name as a part of an address.
fn address(name: &str) -> String {
    form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A model's card.
pub(super) fn card_page(card: &str) -> Markup {
    html! { pre.words { (printable(card)) } p { a href="/files" { "All files" } } }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn a_files_name_is_one_part_of_an_address() {
        assert_eq!(address("a b/c?.haima"), "a%20b%2Fc%3F.haima");
        assert_eq!(address("a+b"), "a%2Bb");
    }
}
