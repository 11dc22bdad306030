//! The rows, as the file has them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::ROWS;

/// Packages beside `haima`, which is the rest of the tree, and their folders.
const PACKAGES: [(&str, &str); 4] = [
    ("haima-crypto", "crypto/"),
    ("haima-dp", "dp/"),
    ("haima-fl-core", "fl-core/"),
    ("haima-smpc-node", "smpc-node/"),
];

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    /// By name: how artefacts of that kind are run.
    pub(crate) kinds: BTreeMap<String, Kind>,
    /// By name: a sentence.
    pub(crate) assumptions: BTreeMap<String, String>,
    /// In the order of the page.
    #[serde(rename = "claim")]
    pub(crate) claims: Vec<Claim>,
}

/// A kind of evidence.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    pub(crate) tool: String,
    pub(crate) version: String,
    /// With `{package}`, `{target}` and `{names}` in place of an artefact's.
    pub(crate) command: String,
    /// What such an artefact shows, and what it does not.
    pub(crate) shows: String,
}

/// One claim.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claim {
    pub(crate) id: String,
    /// `yes`, `partly` or `no`.
    pub(crate) holds: String,
    pub(crate) statement: String,
    /// Names of assumptions.
    pub(crate) assumes: Vec<String>,
    pub(crate) not_shown: String,
    pub(crate) artefacts: Vec<Artefact>,
}

/// "KIND FILE NAME ...".
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Artefact {
    pub(crate) kind: String,
    pub(crate) file: String,
    pub(crate) names: Vec<String>,
}

impl TryFrom<String> for Artefact {
    type Error = String;

    fn try_from(line: String) -> Result<Self, String> {
        let mut words = line.split_whitespace().map(str::to_owned);
        match (words.next(), words.next(), words.collect::<Vec<_>>()) {
            (Some(kind), Some(file), names) if !names.is_empty() => Ok(Self { kind, file, names }),
            _ => Err(format!("`{line}` is not KIND FILE NAME ...")),
        }
    }
}

impl Artefact {
    /// The package that cargo tests it in, that package's folder, and the file's path in there.
    fn place(&self) -> (&'static str, &'static str, &str) {
        let found = PACKAGES.into_iter().find_map(|(package, folder)| {
            self.file.strip_prefix(folder).map(|rest| (package, folder, rest))
        });
        found.unwrap_or(("haima", "", self.file.as_str()))
    }

    /// The test program that has it, by cargo's layout: `tests/NAME.rs` and what lies in
    /// `tests/NAME/` are of NAME. Nothing for a test of the library itself.
    fn program(&self) -> Option<&str> {
        let name = self.place().2.strip_prefix("tests/")?.split('/').next()?;
        Some(name.strip_suffix(".rs").unwrap_or(name))
    }

    /// Whether cargo has a test program or a library for it.
    pub(crate) fn has_target(&self, root: &Path) -> bool {
        let (_, folder, file) = self.place();
        let there = |path: &str| root.join(folder).join(path).is_file();
        match self.program() {
            Some(name) => {
                there(&format!("tests/{name}.rs")) || there(&format!("tests/{name}/main.rs"))
            }
            None => file.starts_with("src/") && file != "src/main.rs" && there("src/lib.rs"),
        }
    }

    /// The command that runs it.
    pub(crate) fn command(&self, kind: &Kind) -> String {
        let target = self.program().map_or("--lib".to_owned(), |name| format!("--test {name}"));
        let command = kind.command.replace("{package}", self.place().0);
        command.replace("{target}", &target).replace("{names}", &self.names.join(" "))
    }
}

impl Claims {
    /// Reads the file under a folder.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(root.join(ROWS)).map_err(|e| format!("{ROWS}: {e}"))?;
        toml::from_str(&text).map_err(|e| format!("{ROWS}: {e}"))
    }

    /// What is wrong with the rows by themselves.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let (mut ids, mut used) = (BTreeSet::new(), BTreeSet::new());
        for claim in &self.claims {
            let id = &claim.id;
            if !ids.insert(id) {
                problems.push(format!("{id} has two rows"));
            }
            if !["yes", "partly", "no"].contains(&claim.holds.as_str()) {
                problems.push(format!("{id} holds `{}`: yes, partly or no", claim.holds));
            }
            if claim.artefacts.is_empty() {
                problems.push(format!("{id} has no artefact"));
            }
            for text in [&claim.statement, &claim.not_shown] {
                if text.is_empty() || text.contains(['|', '\n']) {
                    problems.push(format!("{id}: a text is empty or has a line break or `|`"));
                }
            }
            for name in &claim.assumes {
                used.insert(name);
                if !self.assumptions.contains_key(name) {
                    problems.push(format!("{id} assumes `{name}`, which is no assumption"));
                }
            }
        }
        let unused = self.assumptions.keys().filter(|name| !used.contains(name));
        problems.extend(unused.map(|name| format!("no row assumes `{name}`")));
        problems
    }
}
