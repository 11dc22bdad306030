//! What is claimed, and what backs it: `proofs/claims.toml` held against this tree.
//!
//! A row fails here when a file, test, theorem, model, case or script that it names is not there, or
//! when no planted change breaks it; the list when a rule or a promise of `docs/security/rules.md`
//! has no row, and when sources or documents cite one that has none. `docs/security/claims.md` is rendered from the rows:
//! `HAIMA_BLESS=1` writes it. That an artefact *passes* is for its own command to show.

#[path = "claims/broken.rs"]
mod broken;
#[path = "claims/evidence.rs"]
mod evidence;
#[path = "claims/figures.rs"]
mod figures;
#[path = "claims/ids.rs"]
mod ids;
#[path = "claims/page.rs"]
mod page;
#[path = "claims/planted.rs"]
mod planted;
#[path = "claims/rows.rs"]
mod rows;
#[path = "claims/scripts.rs"]
mod scripts;

use std::path::{Path, PathBuf};

use ids::Listed;
use rows::Claims;

const ROWS: &str = "proofs/claims.toml";
const PAGE: &str = "docs/security/claims.md";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything that is wrong with the rows under a folder.
fn problems(root: &Path) -> Vec<String> {
    let claims = match Claims::read(root) {
        Ok(claims) => claims,
        Err(problem) => return vec![problem],
    };
    let listed = Listed::read(root);
    let mut problems = claims.problems();
    problems.extend(listed.problems(&claims));
    problems.extend(ids::uncovered(root, &claims));
    problems.extend(evidence::problems(root, &claims));
    problems.extend(planted::problems(root, &claims));
    problems.extend(page::problems(&claims));
    problems
}

/// The page as the rows under a folder give it.
fn rendered(root: &Path) -> String {
    page::render(&Claims::read(root).unwrap(), &Listed::read(root), &planted::read(root).unwrap())
}

/// A text beside the repository, or `None` with a printed line where it is missing.
fn shared(name: &str) -> Option<String> {
    let folder = std::env::var_os("HAIMA_SHARED")
        .map_or_else(|| repository().join("../shared"), PathBuf::from);
    let text = std::fs::read_to_string(folder.join(name)).ok();
    if text.is_none() {
        println!("ORACLE absent: {name}");
    }
    text
}

#[test]
fn every_claim_names_what_is_there_and_every_rule_and_promise_has_one() {
    let problems = problems(repository());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_page_is_what_the_rows_say() {
    let (page, rendered) = (repository().join(PAGE), rendered(repository()));
    if std::env::var_os("HAIMA_BLESS").is_some() {
        std::fs::write(&page, &rendered).unwrap();
    }
    let there = std::fs::read_to_string(&page).unwrap_or_default();
    let differs = there.lines().zip(rendered.lines()).position(|(old, new)| old != new);
    assert!(
        there == rendered,
        "{PAGE} is not what {ROWS} says, from line {}; HAIMA_BLESS=1 writes it",
        differs.unwrap_or_else(|| there.lines().count().min(rendered.lines().count())) + 1
    );
}

/// The repository's list has every rule, and every row of the table of promises in its words.
#[test]
fn the_listed_ids_are_those_of_rules_and_design() {
    let listed = Listed::read(repository());
    if let Some(rules) = shared("RULES.md") {
        assert_eq!(ids::of_rules(&rules), listed.rules);
    }
    if let Some(design) = shared("DESIGN.md") {
        let words: Vec<&str> = listed.promises.iter().map(|(_, words)| words.as_str()).collect();
        assert_eq!(ids::promises_of_design(&design), words);
    }
}
