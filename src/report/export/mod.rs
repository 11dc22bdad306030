//! What a report holds, as files of their own: figures as SVG and as PNG, tables as CSV.
//!
//! Figures are those of the page, taken from the same drawing; tables are made of the report's values.
//! Both obey the page's display rule (`min_cell`): what it hides stands in `report.json` alone. Names
//! of files begin with the task's id and do not change from run to run.

pub mod figures;
pub mod raster;
pub mod tables;

use std::collections::{BTreeMap, BTreeSet};

/// Files that one report makes at most, so that a stranger's file fills no disk.
pub const MOST_FILES: usize = 5_000;
/// Letters of a task's id that go into the name of a file.
const MOST_LETTERS: usize = 60;

/// Names of files, no two alike on any file system.
#[derive(Debug, Default)]
struct Names {
    taken: BTreeSet<String>,
    next: BTreeMap<String, usize>,
}

impl Names {
    /// A name of what a step left: `cox-forest`, `cox-forest-2`.
    fn of(&mut self, step: &str, what: &str) -> String {
        let base = format!("{}-{what}", plain(step));
        let next = self.next.entry(base.clone()).or_insert(1);
        loop {
            let name = if *next == 1 { base.clone() } else { format!("{base}-{next}") };
            *next += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// A text in small letters, digits and hyphens.
fn plain(text: &str) -> String {
    let letters = text.chars().map(|c| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '-',
    });
    let text: String = letters.take(MOST_LETTERS).collect();
    let parts: Vec<&str> = text.split('-').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "step".to_owned() } else { parts.join("-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_leave_no_folder_and_never_repeat() {
        let mut names = Names::default();
        assert_eq!(names.of("Cox", "forest"), "cox-forest");
        assert_eq!(names.of("cox", "forest"), "cox-forest-2");
        assert_eq!(names.of("cox", "forest-2"), "cox-forest-2-2");
        assert_eq!(names.of("../../etc/passwd", "x"), "etc-passwd-x");
        assert_eq!(names.of("\u{202e}", "x"), "step-x");
        assert!(names.of(&"a".repeat(500), "x").len() < 70);
    }
}
