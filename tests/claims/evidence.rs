//! Whether what a row names is there. What it *shows* is for its own runner to say.

use std::collections::BTreeSet;
use std::path::Path;

use crate::rows::{Artefact, Claims};

/// Artefacts and scripts that are not there.
pub(crate) fn problems(root: &Path, claims: &Claims) -> Vec<String> {
    let mut problems = Vec::new();
    let mut kinds = BTreeSet::new();
    for claim in &claims.claims {
        for artefact in &claim.artefacts {
            let Artefact { kind, file, names } = artefact;
            kinds.insert(kind.as_str());
            let Ok(text) = std::fs::read_to_string(root.join(file)) else {
                problems.push(format!("{}: {file} is not there", claim.id));
                continue;
            };
            let found = names.iter().filter_map(|name| wrong(root, kind, file, &text, name));
            problems.extend(found.map(|problem| format!("{}: {problem}", claim.id)));
            let builds =
                claims.kinds.get(kind).is_some_and(|kind| kind.command.contains("{target}"));
            if builds && !artefact.has_target(root) {
                problems.push(format!("{}: {file} is of no test program and no library", claim.id));
            }
        }
    }
    let unknown = kinds.iter().filter(|name| !claims.kinds.contains_key(**name));
    problems.extend(unknown.map(|name| format!("`{name}` is no kind of evidence")));
    for (name, kind) in &claims.kinds {
        let scripts = kind.command.split_whitespace().filter(|word| word.ends_with(".sh"));
        let missing = scripts.filter(|script| !root.join(script).is_file());
        problems.extend(missing.map(|script| format!("{script}, which runs {name}, is not there")));
    }
    problems
}

/// What is wrong with one name, by the kind of the artefact.
fn wrong(root: &Path, kind: &str, file: &str, text: &str, name: &str) -> Option<String> {
    let problem = match kind {
        "test" | "crash" | "stateright" => test(text, name),
        "coq" => theorem(text, name),
        "verifpal" | "tla" | "ct" | "smt" => expected(root, kind, name),
        "code" => (!text.lines().any(|line| function(line) == Some(name)))
            .then(|| format!("no function `{name}`")),
        // The list of its script: what that leaves out stands in a comment of it.
        "miri" => {
            let list = text.split_once("cases=(").and_then(|(_, rest)| rest.split_once(')'));
            list.is_none_or(|(list, _)| !has_word(list, name)).then(|| format!("no case `{name}`"))
        }
        // Names of advisories and crates have a `-`.
        "supply" => {
            (!text.split_whitespace().any(|word| word == name)).then(|| format!("no `{name}`"))
        }
        _ => (!has_word(text, name)).then(|| format!("no `{name}`")),
    };
    problem.map(|problem| format!("{file} has {problem}"))
}

/// The function that a line declares.
fn function(line: &str) -> Option<&str> {
    let mut rest = line.trim();
    for word in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let name = rest.strip_prefix("fn ")?;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    Some(&name[..end])
}

/// A function of this name with a test's attribute, one that runs without being asked for.
fn test(text: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let Some(at) = lines.iter().position(|line| function(line) == Some(name)) else {
        return Some(format!("no function `{name}`"));
    };
    let above = lines[..at].iter().rev();
    let above = above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    let attributes: Vec<&str> = above.filter_map(|line| line.strip_prefix("#[")).collect();
    let names = attributes.iter().filter_map(|line| line.split(['(', ']', ' ']).next());
    let names: Vec<&str> = names.collect();
    if !names.iter().any(|name| *name == "test" || name.ends_with("::test")) {
        return Some(format!("`{name}`, which is no test"));
    }
    // Also where it is under a condition: nobody runs the command under that one alone.
    let mut both = attributes.iter().zip(&names);
    if both
        .any(|(line, name)| *name == "ignore" || (*name == "cfg_attr" && has_word(line, "ignore")))
    {
        return Some(format!("`{name}`, which is ignored"));
    }
    names.contains(&"cfg").then(|| format!("`{name}`, which is not always compiled"))
}

/// A theorem of this name, in a file that admits nothing.
fn theorem(text: &str, name: &str) -> Option<String> {
    if has_word(text, "Admitted") || has_word(text, "Axiom") {
        return Some("something admitted".to_owned());
    }
    let stated = text.lines().filter_map(|line| {
        let line = line.trim_start();
        ["Theorem ", "Lemma ", "Corollary "].iter().find_map(|word| line.strip_prefix(word))
    });
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '\'';
    let mut names =
        stated.map(|rest| &rest[..rest.find(|c: char| !is_name(c)).unwrap_or(rest.len())]);
    (!names.any(|stated| stated == name)).then(|| format!("no theorem `{name}`"))
}

/// An entry of the kind's list of expected results: a line's first word, or the first two of a
/// model and its broken twin, as `model/twin`.
fn expected(root: &Path, kind: &str, name: &str) -> Option<String> {
    let list = format!("proofs/{kind}/expected.txt");
    let text = std::fs::read_to_string(root.join(&list)).unwrap_or_default();
    let is_there = text.lines().any(|line| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some(entry), _) if entry == name => true,
            (Some(model), Some(twin)) => name.split_once('/') == Some((model, twin)),
            _ => false,
        }
    });
    (!is_there).then(|| format!("`{name}`, which {list} has not"))
}

/// Whether a text has a word.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|there| there == word)
}
