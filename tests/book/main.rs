//! The book in `docs/`: every page is in its summary, every link leads somewhere, every command line
//! names a command and options of these programs, and the quick start runs as it is written.
#![cfg(unix)]

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod pages;
mod quickstart;

use std::path::{Path, PathBuf};

use common::repository;

/// A file of the repository, as text.
fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Markdown files in a folder of the repository and below.
fn pages_in(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                into.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&repository(folder), &mut found);
    found.sort();
    found
}

/// A fenced block of a page.
struct Fence {
    /// What stands behind the three marks: `sh`, `toml`, nothing.
    language: String,
    code: String,
}

/// A page's fenced blocks in their order, and the page without them.
fn fences(page: &str) -> (Vec<Fence>, String) {
    let (mut blocks, mut prose) = (Vec::new(), String::new());
    let mut open: Option<Fence> = None;
    for line in page.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            match open.take() {
                Some(block) => blocks.push(block),
                None => {
                    let language = language.trim().to_owned();
                    open = Some(Fence { language, code: String::new() });
                }
            }
        } else {
            let text = open.as_mut().map_or(&mut prose, |block| &mut block.code);
            text.push_str(line);
            text.push('\n');
        }
    }
    assert!(open.is_none(), "a block that is not closed");
    (blocks, prose)
}
