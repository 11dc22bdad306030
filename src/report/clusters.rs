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

fn table(result: &Clusters, wording: &Wording, min_cell: u64) -> Markup {
    // A mixture's sizes are sums of probabilities.
    let sizes: Vec<u64> =
        result.clusters.iter().map(|cluster| cluster.size.max(0.0).round() as u64).collect();
    // They add up to the patients, which are printed.
    let lines: Vec<Vec<u64>> = sizes.iter().map(|size| vec![*size]).collect();
    let shown = suppress(&lines, true, min_cell).concat();
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

fn spread(covariance: Option<&Vec<Vec<f64>>>, column: usize) -> Option<f64> {
    let variance = covariance?.get(column)?.get(column)?;
    (*variance >= 0.0).then(|| variance.sqrt())
}
