//! The page for readers.

use std::fmt::Write;

use crate::ids::Listed;
use crate::planted::Planted;
use crate::rows::{Claim, Claims, Kind};

const HEAD: &str = "# Claims

Rendered from `proofs/claims.toml` and `proofs/planted/planted.toml` by `tests/claims.rs`; not to be edited by hand. A row is a \
cell of the [table of promises](rules.md#promises) or a [rule](rules.md): what is claimed, whether \
the code does all of it, what it rests on, what backs it, and what that does not show. That the \
code does all of it is no word on how far it is shown. What is missing where it says partly stands \
in the rule's row of [rules.md](rules.md), for a promise in the column *limits* of the \
[threat model](threat-model.md#what-is-promised-against-whom). A claim that the threat model links \
to may be a rule behind its line and not the line itself. Commands are run in the repository's root. \
`proofs/run.sh` runs all kinds that have a script of their own, each artefact with its broken \
twins, which have to fail, but for `planted`, which `just deep` runs: mistakes in the shipped code \
(`proofs/planted/planted.toml`), at least one for each claim that holds or partly does, on which the tests \
that they name have to fail. Tests that none names have no such twin. `cargo test` succeeds as well where a name is of no test: look for as \
many `passed` as it was given names. Tests that need PostgreSQL, Python, a browser or the oracles \
beside the repository say `... absent` and pass where it is missing: `tests/strict.sh` before a \
command starts PostgreSQL and makes such a line a failure.

";

const GROUPS: [(char, &str); 7] = [
    ('P', "Promises"),
    ('S', "Sensitivity and the unit"),
    ('X', "Exact class"),
    ('N', "Noise"),
    ('L', "Ledger"),
    ('R', "Round"),
    ('M', "Masked mode"),
];

/// Rows under no heading, which the page would not have.
pub(crate) fn problems(claims: &Claims) -> Vec<String> {
    let homeless = (claims.claims.iter())
        .filter(|claim| !GROUPS.iter().any(|(letter, _)| claim.id.starts_with(*letter)));
    homeless.map(|claim| format!("{} has no heading in tests/claims/page.rs", claim.id)).collect()
}

/// The whole page.
pub(crate) fn render(claims: &Claims, listed: &Listed, planted: &[Planted]) -> String {
    let mut page = HEAD.to_owned();
    promises(&mut page, claims, listed);
    page += "## Kinds of evidence\n\n| kind | tool | shows |\n|---|---|---|\n";
    for (name, kind) in &claims.kinds {
        let Kind { tool, version, shows, .. } = kind;
        let _ = writeln!(page, "| {name} | {tool} ({version}) | {shows} |");
    }
    page += "\n## Assumptions\n\n| name | what is assumed |\n|---|---|\n";
    for (name, text) in &claims.assumptions {
        let _ = writeln!(page, "| {name} | {text} |");
    }
    for (letter, title) in GROUPS {
        let _ = writeln!(page, "\n## {title}");
        for claim in claims.claims.iter().filter(|claim| claim.id.starts_with(letter)) {
            one(&mut page, claims, claim, planted);
        }
    }
    page
}

/// From each cell of the table of promises to its claim.
fn promises(page: &mut String, claims: &Claims, listed: &Listed) {
    *page += "## From promise to claim\n\n| property | with nodes | masked |\n|---|---|---|\n";
    for (id, words) in &listed.promises {
        let cell = |mode: &str| {
            let id = format!("{id}{mode}");
            let claim = claims.claims.iter().find(|claim| claim.id == id);
            let holds = claim.map_or("no row", |claim| claim.holds.as_str());
            format!("[{id}](#{}): {holds}", id.to_lowercase())
        };
        let _ = writeln!(page, "| {words} | {} | {} |", cell("n"), cell("m"));
    }
    *page += "\n";
}

fn one(page: &mut String, claims: &Claims, claim: &Claim, planted: &[Planted]) {
    let Claim { id, holds, statement, assumes, not_shown, artefacts } = claim;
    let assumes =
        if assumes.is_empty() { "nothing further".to_owned() } else { assumes.join(", ") };
    let _ = writeln!(page, "\n### {id}\n\n{statement}\n\n- The code does all of it: {holds}.");
    let _ = writeln!(page, "- Assumes: {assumes}.");
    let _ = writeln!(page, "- Not shown: {not_shown}");
    for artefact in artefacts {
        let (kind, file) = (&artefact.kind, &artefact.file);
        let names = artefact.names.iter().map(|name| format!("`{name}`"));
        let names = names.collect::<Vec<_>>().join(", ");
        let _ = writeln!(page, "- {kind}, [{file}](../../{file}): {names}");
    }
    let planted: Vec<&Planted> = planted.iter().filter(|one| one.claim() == id).collect();
    for one in &planted {
        let names = one.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(page, "- planted, {}: without {}, {names} must fail", one.id, one.without);
    }
    // One line for each command, whatever artefacts it runs.
    let mut commands: Vec<String> = Vec::new();
    for artefact in artefacts {
        let Some(kind) = claims.kinds.get(&artefact.kind) else { continue };
        let command = artefact.command(kind);
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    if !planted.is_empty() {
        commands.push(format!("proofs/planted/run.sh {id}"));
    }
    let _ = writeln!(page, "\n```text\n{}\n```", commands.join("\n"));
}
