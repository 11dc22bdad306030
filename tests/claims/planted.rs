//! The changes of `proofs/planted/planted.toml`: that each can be planted, belongs to a claim whose
//! row names its tests, and that no claim which holds is without one. That the tests fail on them is
//! for `proofs/planted/run.sh` to show.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::evidence::has_word;
use crate::rows::{Claim, Claims};

const CHANGES: &str = "proofs/planted/planted.toml";
/// Where shipped code lies.
const SHIPPED: [&str; 5] = ["crypto/src/", "dp/src/", "fl-core/src/", "smpc-node/src/", "src/"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    planted: Vec<Planted>,
}

/// One mistake, and the tests that fail on it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Planted {
    /// The claim's, a hyphen, a word.
    pub(crate) id: String,
    /// What is left out.
    pub(crate) without: String,
    /// "FILE NAME", as in the claim's row.
    pub(crate) tests: Vec<String>,
    /// Of each test: how the line begins at which it fails.
    at: Vec<String>,
    file: Option<String>,
    old: Option<String>,
    new: Option<String>,
    #[serde(default)]
    change: Vec<Change>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    file: String,
    old: String,
    new: String,
}

impl Planted {
    pub(crate) fn claim(&self) -> &str {
        self.id.split('-').next().unwrap_or_default()
    }

    /// Names of its tests.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().filter_map(|test| test.split_whitespace().nth(1))
    }

    fn changes(&self) -> Option<Vec<Change>> {
        match (&self.file, &self.old, &self.new) {
            (Some(file), Some(old), Some(new)) if self.change.is_empty() => {
                Some(vec![Change { file: file.clone(), old: old.clone(), new: new.clone() }])
            }
            (None, None, None) if !self.change.is_empty() => Some(self.change.clone()),
            _ => None,
        }
    }
}

/// Reads the changes under a folder.
pub(crate) fn read(root: &Path) -> Result<Vec<Planted>, String> {
    let text =
        std::fs::read_to_string(root.join(CHANGES)).map_err(|e| format!("{CHANGES}: {e}"))?;
    let file: File = toml::from_str(&text).map_err(|e| format!("{CHANGES}: {e}"))?;
    Ok(file.planted)
}

/// Everything that is wrong with the changes.
pub(crate) fn problems(root: &Path, claims: &Claims) -> Vec<String> {
    let planted = match read(root) {
        Ok(planted) => planted,
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    let mut ids = BTreeSet::new();
    for one in &planted {
        let wrong = wrong(root, claims, one).into_iter();
        problems.extend(wrong.map(|problem| format!("{CHANGES}: {}: {problem}", one.id)));
        if !ids.insert(&one.id) {
            problems.push(format!("{CHANGES}: {} stands there twice", one.id));
        }
    }
    let bare = claims
        .claims
        .iter()
        .filter(|claim| claim.holds != "no" && !planted.iter().any(|one| one.claim() == claim.id));
    problems
        .extend(bare.map(|claim| format!("{}: {CHANGES} has no change that breaks it", claim.id)));
    problems
}

fn wrong(root: &Path, claims: &Claims, one: &Planted) -> Vec<String> {
    let mut problems = Vec::new();
    match claims.claims.iter().find(|claim| claim.id == one.claim()) {
        None => problems.push(format!("{} is no claim", one.claim())),
        Some(claim) => {
            let foreign = one.tests.iter().filter(|test| !is_of(claim, test));
            problems.extend(foreign.map(|test| format!("`{test}` is no test of its claim's row")));
        }
    }
    if one.tests.is_empty() || one.without.is_empty() || one.without.contains(['|', '\n']) {
        problems.push("it needs tests, and a line `without`".to_owned());
    }
    if one.at.len() != one.tests.len() || one.at.iter().any(|line| line.trim().len() < 8) {
        problems.push("`at` is not a line for each of its tests".to_owned());
    }
    let Some(changes) = one.changes() else {
        problems.push("either file, old and new, or a list `change` of them".to_owned());
        return problems;
    };
    if !changes.iter().any(|change| has_word(&change.new, "PLANTED")) {
        problems.push("no `new` has PLANTED".to_owned());
    }
    for Change { file, old, .. } in changes {
        let text = std::fs::read_to_string(root.join(&file)).unwrap_or_default();
        let is_test = file.contains("/tests") || file.ends_with("tests.rs");
        if !SHIPPED.iter().any(|folder| file.starts_with(folder)) || is_test {
            problems.push(format!("{file} is no shipped code"));
        }
        if text.matches(&old).count() != 1 {
            problems.push(format!("`{}` stands in {file} not once", old.trim()));
        }
    }
    problems
}

/// Whether a row has a "FILE NAME" among its tests.
fn is_of(claim: &Claim, test: &str) -> bool {
    let mut words = test.split_whitespace();
    let (Some(file), Some(name), None) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    let tests =
        claim.artefacts.iter().filter(|it| ["test", "stateright"].contains(&it.kind.as_str()));
    tests.into_iter().any(|it| it.file == file && it.names.iter().any(|it| it == name))
}
