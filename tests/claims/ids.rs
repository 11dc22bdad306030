//! Ids of rules and promises: which there are, and where they are cited.

use std::collections::BTreeSet;
use std::path::Path;

use crate::rows::Claims;

const LIST: &str = "docs/security/rules.md";

/// What `docs/security/rules.md` lists, in its order.
pub(crate) struct Listed {
    /// Such as `R4`.
    pub(crate) rules: Vec<String>,
    /// Such as `P1`, with the property in words. Each has a row for either mode, `P1n` and `P1m`.
    pub(crate) promises: Vec<(String, String)>,
}

/// An id: a capital letter, one or two digits, and for a promise `n` or `m`.
fn is_id(word: &str) -> bool {
    let mut rest = word.chars();
    let letter = rest.next().is_some_and(|c| c.is_ascii_uppercase());
    let number = rest.as_str().trim_end_matches(['n', 'm']);
    let digits = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    letter && digits && rest.as_str().len() <= number.len() + 1
}

impl Listed {
    /// Reads the list under a folder; an empty one where it cannot be read.
    pub(crate) fn read(root: &Path) -> Self {
        let text = std::fs::read_to_string(root.join(LIST)).unwrap_or_default();
        let mut listed = Self { rules: Vec::new(), promises: Vec::new() };
        for line in text.lines() {
            let mut cells = line.trim_start_matches('|').split('|').map(str::trim);
            let (Some(id), Some(words)) = (cells.next(), cells.next()) else { continue };
            if !line.starts_with('|') || !is_id(id) {
                continue;
            }
            if id.starts_with('P') {
                listed.promises.push((id.to_owned(), words.to_owned()));
            } else {
                listed.rules.push(id.to_owned());
            }
        }
        listed
    }

    /// Every id that must have a row.
    fn ids(&self) -> Vec<String> {
        let cells = self.promises.iter().flat_map(|(id, _)| [format!("{id}n"), format!("{id}m")]);
        cells.chain(self.rules.iter().cloned()).collect()
    }

    /// Listed ids without a row, and rows of no listed id.
    pub(crate) fn problems(&self, claims: &Claims) -> Vec<String> {
        let listed = self.ids();
        let rows: Vec<&String> = claims.claims.iter().map(|claim| &claim.id).collect();
        let missing = listed.iter().filter(|id| !rows.contains(id));
        let unknown = rows.iter().filter(|id| !listed.contains(id));
        let mut problems: Vec<String> = missing.map(|id| format!("{id} has no row")).collect();
        problems.extend(unknown.map(|id| format!("{id} has a row and does not stand in {LIST}")));
        problems
    }
}

/// The ids that a text cites after the word rule, rules or promise: "rule R4", "(rules N1, N2)",
/// "rules L1-L3". Comments may break the line between them.
pub(crate) fn cited(text: &str) -> BTreeSet<String> {
    let bare = text.lines().map(|line| line.trim_start().trim_start_matches(['/', '!']));
    let text = bare.collect::<Vec<_>>().join(" ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut ids = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        let word = word.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        if !["rule", "rules", "promise", "promises"].contains(&word.as_str()) {
            continue;
        }
        let mut rest = words[at + 1..].iter();
        while let Some(word) = rest.next() {
            let found = ids_in(word);
            if found.is_empty() {
                break;
            }
            ids.extend(found);
            if word.ends_with(',') {
                continue;
            }
            if !matches!(rest.clone().next(), Some(&("and" | "or" | "to"))) {
                break;
            }
            rest.next();
        }
    }
    ids
}

/// The ids of one word: `(R4)` has one, `L1-L3` two.
fn ids_in(word: &str) -> Vec<String> {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let parts = bare.split(['-', '/']).map(|part| {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(part.len());
        part[..end].to_owned()
    });
    parts.filter(|part| is_id(part)).collect()
}

/// Ids that sources, tests and documents cite, and that have no row.
pub(crate) fn uncovered(root: &Path, claims: &Claims) -> Vec<String> {
    let rows: BTreeSet<&str> = claims.claims.iter().map(|claim| claim.id.as_str()).collect();
    let mut problems = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") || name.ends_with(".md") {
                let text = std::fs::read_to_string(&path).unwrap();
                let place = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                // A promise may be cited for both modes.
                let both = |id: &str| ["n", "m"].map(|mode| format!("{id}{mode}"));
                let covered = |id: &str| {
                    rows.contains(id) || both(id).iter().all(|id| rows.contains(id.as_str()))
                };
                let missing = cited(&text).into_iter().filter(|id| !covered(id));
                problems.extend(missing.map(|id| format!("{place} cites {id}, which has no row")));
            }
        }
    }
    problems.sort();
    problems
}

/// The ids of a list of rules: lines that begin "- **R4**".
pub(crate) fn of_rules(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("- **"));
    let ids = lines.filter_map(|line| line.split_once("**")).map(|(id, _)| id.to_owned());
    ids.filter(|id| is_id(id)).collect()
}

/// The first cells of the design's table of promises.
pub(crate) fn promises_of_design(text: &str) -> Vec<&str> {
    let (_, section) = text.split_once("## What is promised, against whom").unwrap_or_default();
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('|').nth(1)).map(str::trim).collect()
}
