//! Clusters: how many patients each has and where its centre lies, small clusters hidden.

use haima_fl_core::results::clusters::Clusters;
use maud::{Markup, html};

use super::cells::{Shown, suppress};
use super::model::{Floors, Step, Wording};
use super::page::{class_badge, scroll};
use super::{numbers, words};

/// The part of one step.
pub(super) fn section(
    step: &Step,
    result: &Clusters,
    wording: &Wording,
    floors: &Floors,
) -> Markup {
    let min_cell = floors.min_cell;
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        (scroll("Clusters of patients", &table(result, wording, min_cell)))
        p.note {
            (method(result)) ": "
            (numbers::counted_cell(result.n, min_cell, "patient", "patients"))
            " with all columns known, " (numbers::counted(result.sites, "hospital", "hospitals")) ", "
            (numbers::counted(result.iterations.into(), "secure sum", "secure sums")) ". "
            @if !result.converged { b { "It had not converged when its last step was taken. " } }
            @if let Some(within) = result.within_ss {
                "Sum of squared distances to the centres, in half ranges of the columns: "
                (numbers::significant(within)) ". "
            }
            @if let Some(bic) = result.bic {
                "BIC " (numbers::decimal(bic, 1)) " (larger is better). "
            }
            "Clusters are a description; that there are any is an assumption of the method. "
            @if min_cell > 1 { "Of clusters with fewer than " (min_cell) " patients no centre is shown." }
        }
    }
}

fn method(result: &Clusters) -> String {
    match (result.method.as_str(), result.covariance.as_str()) {
        ("kmeans", _) => "k-means".to_owned(),
        ("gmm", "") => "Gaussian mixture".to_owned(),
        ("gmm", covariance) => format!("Gaussian mixture, {covariance} covariances"),
        (other, _) => other.to_owned(),
    }
}

/// Patients of each cluster; they add up to all, which are printed.
pub(super) fn sizes(result: &Clusters, min_cell: u64) -> Vec<Shown> {
    // A mixture's sizes are sums of probabilities.
    let size = |size: f64| vec![size.max(0.0).round() as u64];
    let lines: Vec<Vec<u64>> = result.clusters.iter().map(|one| size(one.size)).collect();
    suppress(&lines, true, min_cell).concat()
}

fn table(result: &Clusters, wording: &Wording, min_cell: u64) -> Markup {
    let shown = sizes(result, min_cell);
    html! {
        table {
            thead { tr {
                th scope="col" { "Cluster" }
                th.num scope="col" { "Patients" }
                @for column in &result.columns { th.num scope="col" { (words::column(wording, column)) } }
            } }
            tbody {
                @for (index, (cluster, size)) in result.clusters.iter().zip(&shown).enumerate() {
                    tr {
                        th scope="row" { (index + 1) }
                        td.num { (size.text(min_cell, Some(result.n))) }
                        @for (column, centre) in cluster.centre.iter().enumerate() {
                            td.num {
                                @match size {
                                    Shown::Small | Shown::Count(0) => span.quiet { "not shown" },
                                    _ => {
                                        (numbers::significant(*centre))
                                        @if let Some(sd) = spread(cluster.covariance.as_ref(), column) {
                                            " (SD " (numbers::significant(sd)) ")"
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn spread(covariance: Option<&Vec<Vec<f64>>>, column: usize) -> Option<f64> {
    let variance = covariance?.get(column)?.get(column)?;
    (*variance >= 0.0).then(|| variance.sqrt())
}
