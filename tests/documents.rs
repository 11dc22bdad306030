//! What documents name is there.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

/// All functions of this repository's sources.
fn functions(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            functions(&path, into);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("fn ") {
                let rest = &text[at + 3..];
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                into.insert(rest[..end.unwrap_or(rest.len())].to_owned());
            }
        }
    }
}

/// Each rule's tests exist by the names that docs/security/rules.md gives them.
#[test]
fn every_test_that_the_rules_name_exists() {
    let mut there = BTreeSet::new();
    functions(&common::repository("."), &mut there);
    let rules = std::fs::read_to_string(common::repository("docs/security/rules.md")).unwrap();
    let named = rules.split('`').skip(1).step_by(2).filter(|name| {
        name.matches('_').count() >= 3
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    });
    let named: Vec<&str> = named.collect();
    assert!(named.len() > 100, "{}", named.len());
    let missing: Vec<&&str> = named.iter().filter(|name| !there.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
