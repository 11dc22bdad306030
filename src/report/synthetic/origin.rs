//! Where virtual patients come from: enough to make the very same ones again.

use maud::{Markup, html};

use super::super::{numbers, page::scroll};
use super::{SyntheticReport, facts};
use crate::model_file::Figure;

/// Figures that are printed; the JSON has all.
const MOST_FIGURES: usize = 200;

/// The section's body.
pub(super) fn body(report: &SyntheticReport) -> Markup {
    let (sample, provenance) = (&report.sample, &report.provenance);
    let data = &provenance.data;
    let nothing = String::new;
    let patients = match data.patients {
        Some(patients) => numbers::cell(patients, report.min_cell),
        None => "not released".to_owned(),
    };
    let cohort = if data.cohort.is_empty() { "all patients" } else { data.cohort.trim_end() };
    let inferred = if data.schema_inferred { "Made from the patients themselves." } else { "" };
    let conditions =
        if sample.conditions.is_empty() { "none".to_owned() } else { sample.conditions.join(", ") };
    let mut rows = vec![
        ("Generator", sample.method.clone(), format!("digest {}", sample.model_digest)),
        ("Virtual patients", numbers::count(sample.rows), nothing()),
        ("Conditions", conditions, nothing()),
        ("Seed of the rows", sample.seed.to_string(), "Public. Generator, seed and conditions give the same rows again; it is no seed of noise.".to_owned()),
        ("Sums", provenance.mode.clone(), nothing()),
        ("Hospitals", numbers::count(data.hospitals), nothing()),
        ("Patients", patients, nothing()),
        ("Cohort", cohort.replace('\n', "; "), nothing()),
        ("Schema", data.schema_digest.clone(), inferred.to_owned()),
    ];
    for out in &data.excluded {
        rows.push(("Left out", out.site.clone(), out.reason.clone()));
    }
    html! {
        (facts("Origin", &rows))
        @for note in &provenance.notes { p.note { (note) } }
        @if !provenance.figures.is_empty() { (figures(&provenance.figures)) }
    }
}

fn figures(figures: &[Figure]) -> Markup {
    let body = html! {
        table {
            thead { tr { th scope="col" { "Number" } th scope="col" { "Value" } th scope="col" { "Origin" } } }
            tbody {
                @for figure in figures.iter().take(MOST_FIGURES) {
                    tr { th scope="row" { (figure.name) } td { (figure.value) } td { (figure.origin) } }
                }
            }
        }
    };
    html! {
        details.print {
            summary { "Every number that the generator was made with" }
            (scroll("Numbers that went in", &body))
            @if figures.len() > MOST_FIGURES { p.note { "All of them stand in report.json." } }
        }
    }
}
