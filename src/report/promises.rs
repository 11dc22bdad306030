//! What the mode in use promises, against whom, and where the software still falls short of it.

use maud::{Markup, html};

use super::model::{Holds, MaskedTerms, Promise, StudyReport};
use super::page::scroll;

/// Promises of the node mode with `nodes` nodes, as this version of the software keeps them:
/// additive release. `shared` are the operators that run a node as well as a hospital (rule R6).
#[must_use]
pub fn node_mode(nodes: usize, quorum: Option<u32>, shared: &[String]) -> Vec<Promise> {
    let coalition = match nodes {
        0 | 1 => {
            "the coordinator and any other hospitals; one node alone sees everything".to_owned()
        }
        k => format!(
            "the coordinator, any {} of the {k} nodes and any other hospitals, malicious",
            k - 1
        ),
    };
    let (bounded, bounded_note) = match shared {
        [] => (
            Holds::Yes,
            "Every contribution carries a proof that it is within its bound (PINE); one that fails is left out, on record. It holds against hospitals that share no operator with a node, while all nodes follow the protocol.".to_owned(),
        ),
        operators => (
            Holds::Partly,
            format!(
                "Every contribution carries a proof that it is within its bound (PINE). It binds no hospital of {}, who also run a node: whoever knows a node's key can forge.",
                operators.join(", ")
            ),
        ),
    };
    let (right, lives) = match quorum {
        None => (
            "It is right while the nodes follow the protocol; a node that adds a wrong share is not detected.".to_owned(),
            "Hospitals may drop out and a crashed node resumes. A node lost for good stops the study.".to_owned(),
        ),
        Some(quorum) => (
            format!("Any {quorum} of the {nodes} nodes release it; a wrong answer is detected when more than {quorum} come. A node that shares a wrong sum with the others is not detected."),
            format!("Hospitals may drop out and a crashed node resumes. Once the nodes have shared a sum with one another, any {quorum} release it; a node lost for good stops the study before its next sum."),
        ),
    };
    let split = if nodes < 2 { Holds::No } else { Holds::Yes };
    let promise = |property: &str, against: &str, holds, note: &str| Promise {
        property: property.to_owned(),
        against: against.to_owned(),
        holds,
        note: note.to_owned(),
    };
    vec![
        promise(
            "Nothing about a hospital's contribution is learned beyond the released sum",
            &coalition,
            split,
            "A share alone is uniformly random.",
        ),
        promise(
            "What is left after subtracting all other hospitals is hidden",
            "whoever controls all other hospitals",
            Holds::Partly,
            "Private results: the noise hides a patient, not the hospital's totals. Exact results: nothing protects.",
        ),
        promise(
            "Patient-level (ε, δ) of private results",
            &coalition,
            split,
            "One honest node's noise suffices; readers of the results alone face a smaller ε. Exact results have none.",
        ),
        promise(
            "Shares stay sealed all the way into the node",
            "whoever ends a node's TLS connection, records the traffic, or copies its database",
            Holds::Yes,
            "Each share is sealed to its node's epoch key (X25519 and ML-KEM-768) and stored under a key of its round, which is erased with it. The nodes have new epoch keys for each revision of the study, and destroy the old ones.",
        ),
        promise(
            "A hospital moves the sum no further than its bound",
            "a malicious hospital",
            bounded,
            &bounded_note,
        ),
        promise(
            "Floors, noise and one release a round",
            "the coordinator",
            Holds::Yes,
            "Each node and each hospital checks for itself. The floor counts hospitals that answered: one below its own floor answers with zeros and counts too.",
        ),
        promise(
            "A different model sent to one hospital is noticed",
            "the coordinator",
            Holds::Yes,
            "The query's digest is part of the round's, and hospitals read the list of rounds from the nodes.",
        ),
        promise("The sum is right", "nodes", Holds::Partly, &right),
        promise(
            "The study goes on when parties fail",
            "crashes and lost connections",
            Holds::Partly,
            &lives,
        ),
    ]
}

/// Promises of masked mode among `n` hospitals (rules M1 to M3): there are no nodes, and the
/// coordinator adds. `private`: whether the study has private results.
#[must_use]
pub fn masked_mode(terms: &MaskedTerms, min_sites: u32, private: bool) -> Vec<Promise> {
    let MaskedTerms { sites, threshold, corrupt, honest } = *terms;
    let coalition = match corrupt {
        0 => "the coordinator, malicious; no hospital may join it".to_owned(),
        1 => "the coordinator and 1 other hospital, malicious".to_owned(),
        c => format!("the coordinator and up to {c} other hospitals, malicious"),
    };
    let beyond = match honest {
        0 | 1 => {
            "They may be all but one hospital of a sum, and an exact one then shows them that \
                  one's."
                .to_owned()
        }
        _ => format!(
            "Every sum holds the contributions of {honest} other hospitals at least. More than \
             {corrupt} with the coordinator can learn a hospital's contribution."
        ),
    };
    let lost = match sites.saturating_sub(threshold) {
        0 => "A round cannot lose a hospital.".to_owned(),
        1 => "A round can lose 1 hospital.".to_owned(),
        lost => format!("A round can lose {lost} of {sites} hospitals."),
    };
    let promise = |property: &str, against: &str, holds, note: &str| Promise {
        property: property.to_owned(),
        against: against.to_owned(),
        holds,
        note: note.to_owned(),
    };
    let noise = promise(
        "Patient-level (ε, δ) of private results",
        &coalition,
        Holds::Yes,
        &format!(
            "The noise of {honest} of the other hospitals at least is in every sum and suffices. Exact \
             results have none."
        ),
    );
    let promises = [
        promise(
            "Nothing about a hospital's contribution is learned beyond the released sum",
            &coalition,
            Holds::Yes,
            &beyond,
        ),
        promise(
            "What is left after subtracting all other hospitals is hidden",
            "whoever controls all other hospitals",
            Holds::No,
            "If all others put theirs together, what is left is this hospital's. Private results: its own part of the noise is left on it.",
        ),
        noise,
        promise(
            "A hospital moves the sum no further than its bound",
            "a malicious hospital",
            Holds::No,
            "Nobody can check a masked vector: that each hospital limits what a patient adds is trusted, and one can spoil a sum unseen. Tasks that need the bound do not run in this mode.",
        ),
        promise(
            "Floors, noise and one release a round",
            "the coordinator",
            Holds::Yes,
            &format!(
                "Each hospital checks for itself, and answers one set of hospitals a round, of {min_sites} operators at least. The floor counts hospitals that answered: one below its own floor answers with zeros and counts too."
            ),
        ),
        promise(
            "A different model sent to one hospital is noticed",
            "the coordinator",
            Holds::Partly,
            "Within a round: the query's digest is part of the round's, and all who are summed signed the same. Hospitals do not compare rounds that they are not in.",
        ),
        promise(
            "The sum is right",
            "the coordinator",
            Holds::No,
            "The coordinator adds, and is believed: a wrong sum is not detected. It could choose the next question by it; exact tasks of several steps run only where a hospital's policy takes its word.",
        ),
        promise(
            "A restored or copied ledger is noticed",
            "a hospital that goes back to an old copy",
            Holds::No,
            "With nodes these keep each ledger's length; here nobody does.",
        ),
        promise(
            "The study goes on when parties fail",
            "crashes and lost connections",
            Holds::Partly,
            &format!(
                "{lost} A new attempt follows one that fails. All hospitals must be there to agree on keys, at the start and after an amendment."
            ),
        ),
    ];
    let about_noise = |promise: &Promise| promise.property.starts_with("Patient-level");
    promises.into_iter().filter(|promise| private || !about_noise(promise)).collect()
}

/// The section's body.
pub(super) fn body(report: &StudyReport) -> Markup {
    let table = html! {
        table.stack {
            thead { tr {
                th scope="col" { "Promise" }
                th scope="col" { "Against" }
                th scope="col" { "Holds" }
                th scope="col" { "Limits" }
            } }
            tbody { @for promise in &report.promises { tr {
                th scope="row" { (promise.property) }
                td data-label="Against" { (promise.against) }
                td data-label="Holds" { (verdict(promise.holds)) }
                td data-label="Limits" { (promise.note) }
            } } }
        }
    };
    html! {
        p.warn {
            b { "This software is an unaudited prototype." }
            " Nobody outside the project has reviewed its cryptography. Do not use it with data that must stay secret."
        }
        @if report.promises.is_empty() {
            p { "The study recorded no promises of its mode." }
        } @else {
            (scroll("What is promised, against whom", &table))
        }
        p.note {
            "Out of scope: what the size and time of messages give away, side channels inside a party's own computer, "
            "a hospital that lies about its own patients within its bound, "
            "and made-up hospitals admitted by all who agreed to the manifest."
        }
    }
}

fn verdict(holds: Holds) -> Markup {
    html! {
        @match holds {
            Holds::Yes => span.badge.yes { "✓ yes" },
            Holds::Partly => span.badge.partly { "◐ partly" },
            Holds::No => span.badge.no { "✕ no" },
        }
    }
}
