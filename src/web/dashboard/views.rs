//! The HTML of a dashboard: a function of what the nodes said, and of nothing else.

use std::collections::BTreeMap;

use haima_crypto::encode::Digest;
use haima_smpc_node::server::preflight::{Check, Outcome};
use maud::{Markup, html};

use super::own::{Checked, Troubles};
use crate::report::numbers;
use crate::report::page::scroll;
use crate::web::document::{printable, problem};
use crate::web::nodes::{Asked, State};
use crate::web::parts::{digest, journal, moment, pager};

/// States in which a round is over.
const OVER: [&str; 2] = ["released", "failed"];

/// How the nodes are.
pub(super) fn nodes(asked: &Asked, own: bool) -> Markup {
    let well = asked.nodes.iter().filter(|node| node.last.is_ok()).count();
    let table = html! {
        table.stack {
            thead { tr {
                th scope="col" { "Node" } th scope="col" { "Run by" } th scope="col" { "Address" }
                th scope="col" { "State" } th scope="col" { "Epoch" } th.num scope="col" { "Last round" }
                th.num scope="col" { "Open" } th.num scope="col" { "Failed" }
            } }
            tbody { @for node in &asked.nodes { (row(node)) } }
        }
    };
    html! {
        p #state role="status" data-live {
            (well) " of " (numbers::counted(asked.nodes.len() as u64, "node", "nodes"))
            " answer with the same manifest and clocks that agree."
        }
        div #nodes data-live {
            (scroll("Nodes", &table))
            p.note { "Asked at " (moment(asked.at_ms)) ". Open and failed are among each node's last 100 rounds." }
        }
        h2 { "What is not here" }
        @if own {
            p {
                "Checks and refusals are those of this machine's node. Other nodes tell nobody why they refused, \
                 how full their disks are or how they reach their peers: their operators have pages of their own."
            }
        } @else {
            p {
                "A node tells other parties neither why it refused something, nor its disk, nor how it reaches its \
                 peers. On the node's own machine, " code { "haima dashboard --config node.toml" } " shows all that."
            }
        }
    }
}

fn row(node: &State) -> Markup {
    let count = |is: &dyn Fn(&str) -> bool| {
        numbers::count(node.rounds.iter().filter(|(_, _, state)| is(state)).count() as u64)
    };
    html! {
        tr {
            th scope="row" { (node.name) }
            td data-label="Run by" { (printable(&node.operator)) }
            td data-label="Address" { (printable(&node.address)) }
            @match &node.last {
                Ok(last) => {
                    td data-label="State" { span.badge.yes { "well" } }
                    td data-label="Epoch" {
                        @match node.epoch { Some(true) => "set up", Some(false) => "not set up yet", None => "not told" }
                    }
                    td.num data-label="Last round" { (numbers::count(*last)) }
                    td.num data-label="Open" { (count(&|state| !OVER.contains(&state))) }
                    td.num data-label="Failed" { (count(&|state| state == "failed")) }
                }
                Err(why) => {
                    td data-label="State" colspan="5" { span.badge.no { "not well" } " " (printable(why)) }
                }
            }
        }
    }
}

/// A round as the nodes know it.
struct Known<'a> {
    /// Digest and state at each node, in the order of the nodes.
    at: Vec<Option<(&'a Digest, &'a str)>>,
}

/// Rounds by number, newest last.
fn known(asked: &Asked) -> BTreeMap<u64, Known<'_>> {
    let mut rounds = BTreeMap::new();
    for (place, node) in asked.nodes.iter().enumerate() {
        for (number, digest, state) in &node.rounds {
            let round = rounds.entry(*number);
            let round = round.or_insert_with(|| Known { at: vec![None; asked.nodes.len()] });
            if let Some(at) = round.at.get_mut(place) {
                *at = Some((digest, state.as_str()));
            }
        }
    }
    rounds
}

impl Known<'_> {
    /// The digest; none where two nodes have two (rule R8).
    fn digest(&self) -> Option<&Digest> {
        let mut all = self.at.iter().flatten().map(|(digest, _)| *digest);
        let first = all.next()?;
        all.all(|digest| digest == first).then_some(first)
    }
}

/// The rounds that the nodes list, beside one another.
pub(super) fn rounds(asked: &Asked) -> Markup {
    let rounds = known(asked);
    let parted = rounds.values().any(|round| round.digest().is_none());
    let table = html! {
        table.rounds {
            thead { tr {
                th.num scope="col" { "Round" }
                th scope="col" { "Digest" }
                @for node in &asked.nodes { th scope="col" { (node.name) } }
            } }
            tbody { @for (number, round) in rounds.iter().rev() { tr {
                th.num scope="row" { (numbers::count(*number)) }
                td {
                    @match round.digest() {
                        Some(one) => (digest(one)),
                        None => span.badge.no { "two rounds of one number" },
                    }
                }
                @for at in &round.at {
                    td {
                        @match at {
                            Some((_, "failed")) => span.badge.no { "failed" },
                            Some((_, state)) => (printable(state)),
                            None => span.quiet { "not listed" },
                        }
                    }
                }
            } } }
        }
    };
    html! {
        div #rounds data-live {
            @if parted {
                p.bad role="alert" {
                    "Nodes list different rounds under one number. That is a fault of the coordinator or of a node: \
                     settle it before the study goes on (rule R8)."
                }
            }
            @if rounds.is_empty() { p { "No node lists a round." } } @else { (scroll("Rounds", &table)) }
        }
        p.note { "Each node's last 100 rounds. Why a round failed stands in each node's journal." }
    }
}

/// The preflight's checks.
pub(super) fn checks(checked: &Checked) -> Markup {
    let table = html! {
        table.stack {
            thead { tr { th scope="col" { "Check" } th scope="col" { "Result" } th scope="col" { "Finding" } } }
            tbody { @for Check { name, outcome, finding } in &checked.checks { tr {
                th scope="row" { (printable(name)) }
                td data-label="Result" {
                    @match outcome {
                        Outcome::Passed => span.badge.yes { "passed" },
                        Outcome::Warning => span.badge.partly { "warning" },
                        Outcome::Failed => span.badge.no { "failed" },
                    }
                }
                td data-label="Finding" { (printable(finding)) }
            } } }
        }
    };
    html! {
        div #checks data-live {
            (scroll("Checks", &table))
            p.note {
                "Those of " code { "smpc-node preflight" } ", of " (moment(checked.at_ms))
                "; anew after a minute. That an address is taken is right while the node runs."
            }
        }
    }
}

/// What the journal has besides the steps that rounds take.
pub(super) fn refusals(troubles: &Troubles, page: usize) -> Markup {
    let records = match troubles {
        Ok(records) => records,
        Err(why) => return problem("The journal cannot be used.", why),
    };
    html! {
        p {
            "From the node's journal, verified: rounds that failed with the reason, sites whose proof failed, and \
             whatever else is no usual step of a round. What was refused before it came to a round (a message of \
             another form, a share that does not fit its header) stands in the node's log alone."
        }
        div #refusals data-live {
            @if records.is_empty() { p { "Nothing was refused and no round failed." } }
            @else { (journal(records, page)) }
        }
        (pager("/refusals", page, records.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(rounds: [&[(u64, &str, &str)]; 2]) -> Asked {
        let node = |rounds: &[(u64, &str, &str)]| State {
            name: "<n>".into(),
            operator: "o".into(),
            address: "a:1".into(),
            last: Ok(1),
            epoch: Some(true),
            rounds: rounds
                .iter()
                .map(|(number, digest, state)| {
                    (*number, Digest::of(digest.as_bytes()), (*state).to_owned())
                })
                .collect(),
        };
        Asked { at_ms: 0, nodes: rounds.map(node).into() }
    }

    #[test]
    fn two_rounds_of_one_number_are_shown_as_a_fault() {
        let same = asked([&[(1, "a", "released")], &[(1, "a", "open"), (2, "b", "failed")]]);
        let page = rounds(&same).into_string();
        assert!(!page.contains("role=\"alert\"") && page.contains("not listed"), "{page}");
        assert!(!page.contains("<n>"));
        let parted = asked([&[(1, "a", "released")], &[(1, "b", "released")]]);
        assert!(rounds(&parted).into_string().contains("role=\"alert\""));
    }

    #[test]
    fn open_and_failed_rounds_are_counted() {
        let asked = asked([&[(1, "a", "released"), (2, "b", "closed"), (3, "c", "failed")], &[]]);
        let page = nodes(&asked, false).into_string();
        assert!(page.contains("data-label=\"Open\">1</td>"), "{page}");
        assert!(
            page.contains("data-label=\"Failed\">1</td>") && page.contains("--config node.toml")
        );
    }
}
