//! The figures of a report, each as an SVG file of its own.
//!
//! They are found in the page's own markup, where text cannot write a tag: so every figure of the page
//! is there, and each is the same drawing.

use std::io;
use std::path::Path;

use maud::Markup;
use serde::Serialize;

use super::Names;
use crate::report::read::Report;
use crate::report::synthetic::SyntheticReport;
use crate::report::{StudyReport, hazard, page, place, standalone, synthetic};

/// A figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// Name of its file, without an ending: the step's id and what is drawn.
    pub name: String,
    /// Id of the step, or of the section where no single step has it.
    pub step: String,
    /// Heading of the step.
    pub title: String,
    /// The file, UTF-8.
    #[serde(skip)]
    pub svg: String,
}

/// All figures of a report, in the order of its page; at most [`super::MOST_FILES`].
#[must_use]
pub fn figures(report: &Report) -> Vec<Figure> {
    let mut names = Names::default();
    let mut figures = Vec::new();
    for (step, title, part) in parts(report) {
        for drawing in drawings(&part.into_string()) {
            if figures.len() == super::MOST_FILES {
                return figures;
            }
            let what = standalone::attribute(drawing, "data-figure").unwrap_or("figure");
            let name = names.of(&step, what);
            let svg = standalone::file(drawing, &title);
            figures.push(Figure { name, step: step.clone(), title: title.clone(), svg });
        }
    }
    figures
}

/// Writes figures into a folder that is there, each whole or not at all, and returns their names.
///
/// # Errors
/// When a file cannot be written.
pub fn write(dir: &Path, figures: &[Figure]) -> io::Result<Vec<String>> {
    let one = |figure: &Figure| {
        let name = format!("{}.svg", figure.name);
        place(dir, &name, figure.svg.as_bytes()).map(|_| name)
    };
    figures.iter().map(one).collect()
}

/// Id, title and markup of everything in which there can be figures.
fn parts(report: &Report) -> Vec<(String, String, Markup)> {
    match report {
        Report::Study(report) => of_study(report),
        Report::Virtual(report) => of_virtual(report),
    }
}

fn of_study(report: &StudyReport) -> Vec<(String, String, Markup)> {
    let of_step = |step| page::part(report, step).map(|(_, part)| part);
    let mut parts: Vec<(String, String, Markup)> = report
        .steps
        .iter()
        .filter_map(|step| Some((step.id.clone(), step.title.clone(), of_step(step)?)))
        .collect();
    let ranks = "How well it ranks patients".to_owned();
    parts.push(("study".to_owned(), ranks, hazard::concordances(report)));
    parts
}

fn of_virtual(report: &SyntheticReport) -> Vec<(String, String, Markup)> {
    let own = |(id, title, part): (&str, &str, Markup)| (id.to_owned(), title.to_owned(), part);
    synthetic::parts(report).into_iter().map(own).collect()
}

/// The drawings for paper in a page's markup.
fn drawings(markup: &str) -> impl Iterator<Item = &str> {
    const END: &str = "</svg>";
    markup.match_indices("<svg class=\"fig-page\"").filter_map(move |(start, _)| {
        let rest = markup.get(start..)?;
        rest.get(..rest.find(END)? + END.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_says_is_no_drawing() {
        let markup = maud::html! {
            p { "<svg class=\"fig-page\"></svg>" }
            svg class="fig-page" viewBox="0 0 760 10" { text { "</svg>" } }
            svg class="fig-phone" viewBox="0 0 360 10" {}
        };
        let markup = markup.into_string();
        let found: Vec<&str> = drawings(&markup).collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("<text>&lt;/svg&gt;</text></svg>"), "{}", found[0]);
    }
}
