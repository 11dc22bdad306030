//! The HTML of a site's pages: a function of what was read, and of nothing else.

use haima_smpc_node::unix_millis;
use maud::{Markup, html};

use super::approvals;
use super::asked::{Asked, Own};
use super::sent::Sent;
use super::standing::{Certificate, Spending, Standing};
use crate::report::numbers;
use crate::report::page::scroll;
use crate::site::Config;
use crate::site::consent::Waiting;
use crate::web::document::{Visitor, printable, problem, token};
use crate::web::parts::{self, ago, bar, card, digest, moment, newest, pager, when};

/// Days of a certificate below which its card warns.
const FEW_DAYS: u64 = 30;

/// The first page: how things stand, in a few figures.
pub(super) fn overview(
    config: &Config,
    standing: &Standing,
    waiting: &Result<Vec<Waiting>, String>,
    beside: bool,
) -> Markup {
    let now = unix_millis();
    html! {
        p #state role="status" data-live {
            @match (beside, standing.sent.last()) {
                (true, None) => "The daemon runs in this process. It has answered no round yet.",
                (true, Some(last)) => {
                    "The daemon runs in this process. It last answered a round "
                    (ago(last.charged_ms, now)) "."
                }
                (false, None) => "This page stands alone. The journal has no answered round yet.",
                (false, Some(last)) => {
                    "This page stands alone and does not know whether the daemon runs. The last answered \
                     round in its journal is of " (when(last.charged_ms)) "."
                }
            }
        }
        div #waiting data-live { (approvals::notice(waiting)) }
        dl.cards #figures data-live {
            (asked_card(standing))
            (budget_card(standing))
            (sent_card(&standing.sent))
            (certificate_card(&standing.certificate, now))
        }
        h2 { "What this hospital allows" }
        p {
            "The daemon refuses whatever goes beyond it, whoever asks. It is the file "
            code { (printable(&config.policy.display().to_string())) }
            "; a change of it holds from the daemon's next start."
        }
        @match &standing.policy {
            Ok(text) => pre.words { code { (printable(text)) } },
            Err(why) => (problem("The policy cannot be read.", why)),
        }
        h2 { "What this page never shows" }
        p {
            "Patients, and anything computed from them. What was refused, and reasons that concern the data, \
             stand in the daemon's own log."
        }
    }
}

fn asked_card(standing: &Standing) -> Markup {
    let (value, detail) = match &*standing.asked {
        Err(_) => ("cannot be read", "see What is asked"),
        Ok(asked) => match asked.own {
            Own::InForce => ("in force", "all parties have signed the manifest"),
            Own::Approved(_) => ("approved", "other parties have not signed yet"),
            Own::Refused(_) => ("refused", "by this hospital"),
            Own::Open => ("waits for you", "read it, then approve or refuse"),
        },
    };
    card("What is asked", value, &html! { a href="/asked" { (detail) } })
}

fn budget_card(standing: &Standing) -> Markup {
    let (value, detail) = match &*standing.spending {
        Err(_) => ("cannot be read".to_owned(), "see Privacy budget".to_owned()),
        Ok(None) => ("untouched".to_owned(), "nothing was charged yet".to_owned()),
        Ok(Some(spending)) => {
            let delta = spending.standing.budget.overall.delta.get();
            let told = told(spending);
            let detail = format!("{}; δ={}", told.left(), numbers::scientific(delta));
            (format!("ε {} used", told.epsilons()), detail)
        }
    };
    card("Privacy budget", &value, &html! { a href="/budget" { (detail) } })
}

fn sent_card(sent: &[Sent]) -> Markup {
    let answered = sent.iter().filter(|round| round.sealed_ms.is_some()).count();
    let detail = match sent.len().saturating_sub(answered) {
        0 => "each after its charge".to_owned(),
        rest => format!("and {} charged without an answer", numbers::count(rest as u64)),
    };
    let value = numbers::counted(answered as u64, "round", "rounds");
    card("What was sent", &value, &html! { a href="/sent" { (detail) } })
}

fn certificate_card(certificate: &Result<Certificate, String>, now_ms: u64) -> Markup {
    let Ok(Certificate { pinned, until }) = certificate else {
        return card("Certificate", "cannot be read", &html! { "see its file" });
    };
    let days = until.saturating_sub(now_ms / 1000) / 86_400;
    let value = match days {
        0 => "expired".to_owned(),
        // The key is pinned and no date is looked at: certificates are made without an end.
        days if days > 36_525 => "no end".to_owned(),
        days => numbers::counted(days, "day", "days"),
    };
    let detail = html! {
        @if days < FEW_DAYS { b { "The date is near. " } }
        @if *pinned {
            "Until " (numbers::utc(*until)) ". The study pins the key and no party reads the date."
        } @else {
            b { "Its key is not the one of the manifest." } " No party will accept it."
        }
    };
    card("Certificate", &value, &detail)
}

/// What is asked, and by whom; the answer.
pub(super) fn asked(
    config: &Config,
    standing: &Standing,
    visitor: &Visitor,
    wrong: Option<&str>,
) -> Markup {
    let asked = match &*standing.asked {
        Ok(asked) => asked,
        Err(why) => return problem("The manifest cannot be used.", why),
    };
    let coordinator = &asked.manifest.coordinator;
    html! {
        @if let Some(text) = wrong { (problem("Nothing was done.", text)) }
        p {
            b { (printable(&coordinator.operator)) } " asks, as the coordinator "
            code { (coordinator.name) } " of the study " b { (asked.manifest.study) }
            ", revision " (asked.manifest.revision) ". Nothing else may be asked in it than what stands here."
        }
        (said(asked))
        h2 { "The manifest in words" }
        p { "Compare each fingerprint with its operator, by telephone." }
        pre.words { (printable(&asked.words)) }
        @if !asked.notes.is_empty() {
            h2 { "To know before" }
            ul { @for note in &asked.notes { li { (printable(note)) } } }
        }
        h2 { "Signatures" }
        p {
            (numbers::count(asked.signed.len() as u64)) " of "
            (numbers::counted((asked.signed.len() + asked.missing.len()) as u64, "party", "parties"))
            " signed beside this manifest."
            @if !asked.missing.is_empty() { " Not yet: " (asked.missing.join(", ")) "." }
        }
        p { "Digest " code.digest { (asked.digest) } }
        @if matches!(asked.own, Own::Open) { (answers(asked, visitor)) }
        @if let Own::Refused(_) = &asked.own {
            form method="post" action="/asked" {
                (token(visitor))
                input type="hidden" name="answer" value="take back";
                button.plain type="submit" { "Take the refusal back" }
            }
        }
        h2 { "On the command line" }
        pre { code {
            "haima approve --manifest " (printable(&config.manifest.display().to_string()))
            " --keys FOLDER --sign"
        } }
    }
}

/// What this hospital has said.
fn said(asked: &Asked) -> Markup {
    html! {
        @match &asked.own {
            Own::InForce => p.good { "In force: every party has signed it." },
            Own::Approved(file) => {
                p.good {
                    "This hospital has approved it. Send "
                    code { (printable(&file.display().to_string())) }
                    " to whoever drafted the study; when all have signed, a " code { "manifest.sig" }
                    " comes back, which belongs beside the manifest."
                }
            }
            Own::Refused(refusal) => {
                p.warn {
                    "This hospital refused it on " (when(refusal.at_ms))
                    @if !refusal.reason.is_empty() { ": " q { (printable(&refusal.reason)) } }
                    ". The note stays here: tell whoever drafted the study. Without this hospital's \
                     signature the study cannot run."
                }
            }
            Own::Open => p.warn { "It waits for this hospital's answer, at the end of this page." },
        }
    }
}

/// The forms by which it is answered.
fn answers(asked: &Asked, visitor: &Visitor) -> Markup {
    let hidden = |answer: &str| {
        html! {
            (token(visitor))
            input type="hidden" name="digest" value=(asked.digest);
            input type="hidden" name="answer" value=(answer);
        }
    };
    html! {
        h2 #approve { "Approve" }
        p {
            "Signs the manifest of the digest above with this hospital's identity key. The daemon \
             answers its tasks, within the policy, once all parties have signed."
        }
        form method="post" action="/asked" aria-labelledby="approve" {
            (hidden("approve"))
            label.tick {
                input type="checkbox" name="read" value="yes" required;
                "I have read it, compared the fingerprints, and may sign for this hospital."
            }
            button type="submit" { "Approve and sign" }
        }
        h2 #refuse { "Refuse" }
        p { "Signs nothing and sends nothing; notes here that it was refused, when, and why." }
        form method="post" action="/asked" aria-labelledby="refuse" {
            (hidden("refuse"))
            div.field {
                label for="reason" { "Why" span.hint { "For your colleagues; it stays on this machine." } }
                input #reason type="text" name="reason" maxlength="500" size="60";
            }
            button.stop type="submit" { "Refuse" }
        }
    }
}

/// What was sent and when.
pub(super) fn sent(standing: &Standing, page: usize) -> Markup {
    let rounds = &standing.sent;
    let table = html! {
        table.stack {
            thead { tr {
                th scope="col" { "Charged" }
                th scope="col" { "Task and run" }
                th scope="col" { "Class" }
                th scope="col" { "Answer sealed" }
                th.num scope="col" { "Size" }
                th scope="col" { "Round" }
            } }
            tbody { @for round in newest(rounds, page) { tr {
                th scope="row" { (moment(round.charged_ms)) }
                td data-label="Task and run" { (printable(&round.place)) }
                td data-label="Class" {
                    @if round.exact { span.badge.exact { "exact: no differential privacy" } }
                    @else { span.badge.private { "noised" } }
                }
                td data-label="Answer sealed" {
                    @match round.sealed_ms {
                        Some(at) => (moment(at)),
                        None => "no answer: the charge is all that happened",
                    }
                    @if let Some(over) = &round.over { "; sum over " (printable(over)) }
                }
                td.num data-label="Size" {
                    @match round.bytes {
                        Some(bytes) => span title=(numbers::counted(bytes, "byte", "bytes")) { (numbers::bytes(bytes)) },
                        None if round.sealed_ms.is_some() => "not noted",
                        None => "–",
                    }
                }
                td data-label="Round" { (digest(&round.round)) }
            } } }
        }
    };
    html! {
        p {
            "From this hospital's own journal. What left is secret shares or masked numbers of what the \
             task computes over all its patients; no patient row ever does. Its size follows from what was \
             asked, never from the patients."
        }
        @if let Some(text) = total(rounds) { p #total data-live { (text) } }
        @if let Err(why) = &standing.journal { (problem("The journal cannot be used.", why)) }
        div #sent data-live {
            @if rounds.is_empty() { p { "Nothing was sent yet." } } @else { (scroll("Rounds", &table)) }
        }
        (pager("/sent", page, rounds.len()))
    }
}

/// All that was sent, where the journal has its size.
fn total(rounds: &[Sent]) -> Option<String> {
    let sizes = || rounds.iter().filter_map(|round| round.bytes);
    let (answers, bytes) = (sizes().count(), sizes().fold(0, u64::saturating_add));
    let answers = numbers::counted(answers as u64, "answer", "answers");
    (bytes > 0).then(|| format!("{} in {answers}.", numbers::bytes(bytes)))
}

/// Used, and the limit, at the limit's delta.
fn told(spending: &Spending) -> numbers::Budget {
    let (spent, limit) = (spending.standing.spent, spending.standing.budget.overall);
    let used = if spent.get() > 0.0 { spent.epsilon(limit.delta).get() } else { 0.0 };
    crate::budget::told(&limit, used, spent.get())
}

/// The ledger of this hospital's population.
pub(super) fn budget(standing: &Standing, words: &Result<Option<String>, String>) -> Markup {
    let spending = match &*standing.spending {
        Err(why) => return problem("The ledger cannot be used.", why),
        Ok(None) => {
            return html! { p { "Nothing was charged yet. The ledger is made when the daemon first starts." } };
        }
        Ok(Some(spending)) => spending,
    };
    let (state, told) = (&spending.standing, told(spending));
    html! {
        p {
            "The limit is the promise to this hospital's patients, and what was charged against it counts \
             all studies that ask population " b { (printable(&spending.population)) } ". A charge is \
             never given back, also where a round failed."
        }
        (parts::facts("Budget", &[
            // Epsilons of charges do not add up, so the bar is of what a ledger adds.
            ("Used of the budget", bar("used of the budget", told.share(), &told.costs())),
            ("Left for further questions", html! { (told.rest()) " of the budget" }),
            ("Used of the limit, ε", html! {
                (told.epsilons()) "; epsilons of questions do not add up, so this is no share of the budget"
            }),
            ("At δ", html! { (numbers::scientific(state.budget.overall.delta.get())) }),
            ("Enforced by", html! { (state.budget.overall.filter.to_string()) }),
            ("Exact releases", html! {
                (numbers::count(state.exact))
                @if state.exact > 0 { ", without any privacy guarantee; no figure above covers them" }
            }),
            ("Entries", html! { (numbers::count(state.entries)) }),
        ]))
        @if state.exact > 0 {
            p.warn { "What was released exactly has no differential privacy. The floors and the policy are its protection." }
        }
        h2 { "The ledger in words" }
        p { "Every entry, as " code { "haima budget show" } " prints it." }
        @match words {
            Ok(words) => pre.words { (printable(words.as_deref().unwrap_or_default())) },
            Err(why) => (problem("The ledger cannot be shown in words.", why)),
        }
    }
}

/// The journal, verified.
pub(super) fn journal(standing: &Standing, page: usize) -> Markup {
    let records = match &standing.journal {
        Ok(log) => log.records.as_slice(),
        Err(why) => return problem("The journal cannot be used.", why),
    };
    html! {
        p {
            "The chain and this hospital's signature on each of the "
            (numbers::counted(records.len() as u64, "record", "records"))
            " hold. Whether records were cut off at the end shows beside other parties' journals: "
            code { "haima audit verify" } "."
        }
        div #journal data-live { (parts::journal(records, page)) }
        (pager("/journal", page, records.len()))
    }
}

/// The switch.
pub(super) fn stop(visitor: &Visitor, beside: bool, wrong: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = wrong { (problem("Nothing was done.", text)) }
        @if beside {
            p {
                "Stops this hospital's daemon. A round in which its answer has left goes on without it; one \
                 that it has begun fails here, and its charge stays. Nothing is lost: the daemon goes on \
                 where it was when it is started again."
            }
            form method="post" action="/stop" {
                (token(visitor))
                label.tick {
                    input type="checkbox" name="sure" value="yes" required;
                    "This hospital shall answer nothing more until somebody starts the daemon again."
                }
                button.stop type="submit" { "Stop the daemon" }
            }
        } @else {
            p.warn {
                "This page stands alone and cannot stop the daemon. Where the daemon runs, interrupt it \
                 (Ctrl-C), or tell its service manager:"
            }
            pre { code { "systemctl stop haima-site" } }
            p { "A daemon started with " code { "haima site run --page" } " has the switch on its own page." }
        }
    }
}

/// After the switch.
pub(super) fn stopped() -> Markup {
    html! {
        p.good role="status" { "The daemon stops, and this page with it." }
        p { "It answers nothing more until somebody starts it again: " code { "haima site run" } "." }
    }
}
