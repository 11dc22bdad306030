//! Pages, links and pictures.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::common::repository;
use crate::{fences, pages_in, read};

/// A link or a picture: its words and where it leads.
struct Link {
    words: String,
    target: String,
}

/// The links of a page outside of code.
fn links(page: &str) -> Vec<Link> {
    let (_, prose) = fences(page);
    let mut found = Vec::new();
    for line in prose.lines() {
        // Every second piece is code.
        let text: Vec<&str> = line.split('`').step_by(2).collect();
        let text = text.join("`");
        for (at, _) in text.match_indices("](") {
            let Some((target, _)) = text[at + 2..].split_once(')') else { continue };
            let words = text[..at].rsplit_once('[').map_or("", |(_, words)| words);
            found.push(Link { words: words.to_owned(), target: target.to_owned() });
        }
    }
    found
}

/// A heading's anchor, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let mut text = String::new();
    let mut rest = heading;
    // Of a link the words.
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        let (words, behind) = after.split_once(']').unwrap_or((after, ""));
        text.push_str(words);
        rest = behind.strip_prefix('(').and_then(|to| to.split_once(')')).map_or(behind, |x| x.1);
    }
    text.push_str(rest);
    let fits = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let kept: String = text.trim().to_lowercase().chars().filter(|c| fits(*c)).collect();
    kept.replace(' ', "-")
}

/// Where a link into a page can lead.
fn anchors(page: &Path) -> BTreeSet<String> {
    let (_, prose) = fences(&std::fs::read_to_string(page).unwrap());
    let mut all: BTreeSet<String> = BTreeSet::new();
    for line in prose.lines() {
        if line.starts_with('#') {
            let slug = anchor(line.trim_start_matches('#'));
            let again = (1..).map(|n| format!("{slug}-{n}"));
            let free = std::iter::once(slug.clone()).chain(again).find(|slug| !all.contains(slug));
            all.extend(free);
        }
        all.extend(
            line.split("id=\"").skip(1).filter_map(|id| Some(id.split_once('"')?.0.to_owned())),
        );
    }
    all
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let folder = repository("docs");
    let summary = links(&read("docs/SUMMARY.md"));
    let listed: BTreeSet<PathBuf> = summary.iter().map(|link| folder.join(&link.target)).collect();
    assert_eq!(listed.len(), summary.len(), "a page twice");
    let there = pages_in("docs").into_iter().filter(|page| !page.ends_with("SUMMARY.md"));
    let there: BTreeSet<PathBuf> = there.collect();
    let apart: Vec<_> = there.symmetric_difference(&listed).collect();
    assert!(apart.is_empty(), "in docs/ or in SUMMARY.md alone: {apart:?}");
}

#[test]
fn every_link_leads_somewhere() {
    let mut files = pages_in("docs");
    files.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(repository));
    let (mut followed, mut broken) = (0, Vec::new());
    for file in &files {
        for link in links(&std::fs::read_to_string(file).unwrap()) {
            if link.target.contains("://") {
                continue;
            }
            followed += 1;
            let (path, at) = link.target.split_once('#').unwrap_or((link.target.as_str(), ""));
            let folder = file.parent().unwrap();
            let target = if path.is_empty() { file.clone() } else { folder.join(path) };
            let leads = target.exists() && (at.is_empty() || anchors(&target).contains(at));
            if !leads {
                broken.push(format!("{}: {}", file.display(), link.target));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(followed > 200, "{followed}");
}

#[test]
fn every_picture_says_in_words_what_it_shows() {
    let mut pictures = 0;
    for page in pages_in("docs") {
        for link in links(&std::fs::read_to_string(&page).unwrap()) {
            if !link.target.ends_with(".svg") {
                continue;
            }
            pictures += 1;
            assert!(link.words.len() > 40, "{}: {}", page.display(), link.target);
            let svg = std::fs::read_to_string(page.parent().unwrap().join(&link.target)).unwrap();
            assert!(svg.contains("<title"), "{}", link.target);
            let outside = svg.replace("http://www.w3.org/2000/svg", "");
            assert!(!outside.contains("://") && !svg.contains("<script"), "{}", link.target);
        }
    }
    assert!(pictures >= 6, "{pictures}");
}

/// The deck's targets stand beside figures that rows of the results have, or "not measured".
#[test]
fn the_decks_targets_quote_what_was_measured() {
    let results = read("docs/results.md");
    let (head, rows) = results.split_once("<!-- haima reproduce: rows -->").unwrap();
    let line = |of: &str| head.lines().find(|line| line.starts_with(of)).unwrap();
    let numbers = |line: &str, decimals: usize| -> Vec<String> {
        let pieces = line.split(|c: char| !c.is_ascii_digit() && c != '.');
        let of = |piece: &&str| piece.starts_with("0.") && piece.len() == decimals + 2;
        pieces.filter(of).map(str::to_owned).collect()
    };
    let row = rows.lines().find(|line| line.starts_with("| `amlsg-centers` |")).unwrap();
    let quoted = numbers(line("| 15 % accuracy |"), 4);
    assert_eq!(quoted.len(), 2);
    assert!(quoted.iter().all(|number| row.contains(number)), "{quoted:?}");
    let performance = read("docs/performance.md");
    let quoted = numbers(line("| 86 repositories |"), 2);
    assert_eq!(quoted.len(), 2);
    assert!(quoted.iter().all(|time| performance.contains(&format!("| {time} s |"))), "{quoted:?}");
    assert!(line("| 80 % time |").contains("**not measured**"));
}
