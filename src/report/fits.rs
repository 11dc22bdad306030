//! Cox and generalised linear models: the forest plot, then every coefficient in raw units.

use haima_fl_core::results::Fit;
use haima_fl_core::results::finegray::SubdistributionFit;
use haima_fl_core::results::gridded::GriddedFit;
use maud::{Markup, html};

use super::forest;
use super::model::{Floors, Step, Wording};
use super::numbers;
use super::page::{class_badge, scroll};
use super::words::{self, Ratio};

/// The part of one step.
pub(super) fn section(step: &Step, fit: &Fit, wording: &Wording, floors: &Floors) -> Markup {
    part(step, fit, &html! {}, wording, floors)
}

/// The part of a Cox model whose risk sets span hospitals.
pub(super) fn gridded(
    step: &Step,
    result: &GriddedFit,
    wording: &Wording,
    floors: &Floors,
) -> Markup {
    let about = html! {
        " Patients of all hospitals were compared with one another, at times rounded up to a public grid of "
        (words::time(result.grid, wording)) "."
    };
    part(step, &result.fit, &about, wording, floors)
}

/// The part of a Fine-Gray model.
pub(super) fn subdistribution(
    step: &Step,
    result: &SubdistributionFit,
    wording: &Wording,
    floors: &Floors,
) -> Markup {
    let cause = words::term(wording, &result.cause);
    let about = html! {
        " The outcome is " b { (cause) } "; "
        (numbers::counted_cell(result.competing, floors.min_cell, "patient", "patients"))
        " had an event of another cause. A ratio above 1 means a higher cumulative incidence of " (cause)
        "; it is not a ratio of rates. Errors are robust."
    };
    part(step, &result.fit, &about, wording, floors)
}

fn part(step: &Step, fit: &Fit, about: &Markup, wording: &Wording, floors: &Floors) -> Markup {
    let name = Ratio::of(fit);
    // A log axis is for ratios, and effects in different units share no other.
    let is_drawn = fit.model != "linear";
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        figure {
            @if is_drawn { (forest::figure(fit, wording)) }
            figcaption { (caption(fit, &name, wording, floors.min_cell)) (about) }
        }
        details.print open[!is_drawn] {
            summary { "All coefficients, in the units of the data" }
            (scroll(&format!("Coefficients of {}", step.title), &table(fit, &name, wording)))
            p.note {
                "Formula: " code { (fit.formula) } ". "
                @if fit.loglik.is_finite() {
                    "Log-likelihood " (numbers::decimal(fit.loglik, 2))
                    ", without covariates " (numbers::decimal(fit.loglik_null, 2)) ". "
                }
                @if let (Some(deviance), Some(df)) = (fit.deviance, fit.df_residual) {
                    @if is_drawn { "Deviance " } @else { "Residual sum of squares " }
                    (numbers::significant(deviance)) " on "
                    (numbers::counted(df, "degree", "degrees")) " of freedom. "
                }
                @if let Some(dispersion) = fit.dispersion.filter(|variance| *variance >= 0.0) {
                    "Residual standard deviation " (numbers::significant(dispersion.sqrt())) ". "
                }
                "SE: standard error" @if fit.naive_se.is_some() { " (robust)" }
                "; CI and p: Wald. " (name.long) "s are per one unit of the column."
                @if let Some(penalty) = &fit.penalty {
                    " Coefficients were held back by a penalty on the summed log-likelihood (ridge "
                    (numbers::significant(penalty.ridge)) ", lasso " (numbers::significant(penalty.lasso))
                    "), and errors are those of the penalised fit."
                }
            }
        }
    }
}

fn caption(fit: &Fit, name: &Ratio, wording: &Wording, min_cell: u64) -> Markup {
    let ties = match fit.ties.as_str() {
        "breslow" => ", ties by Breslow's method",
        "efron" => ", ties by Efron's method",
        _ => "",
    };
    let strata = match fit.strata.as_str() {
        "" | "none" => String::new(),
        "site" => ", stratified by hospital".to_owned(),
        column => format!(", stratified by {}", words::term(wording, column)),
    };
    let model = match fit.model.as_str() {
        "cox" => "Cox proportional hazards model",
        "logistic" => "Logistic regression",
        "linear" => "Linear regression",
        "poisson" => "Poisson regression",
        "finegray" => "Fine-Gray model of competing risks",
        other => other,
    };
    if let Some(noised) = &fit.noised {
        return html! {
            (name.long) "s, each adjusted for the others. " (model) " from "
            (numbers::counted(noised.steps.into(), "noised sum", "noised sums"))
            ": numbers of patients and standard errors were not released."
        };
    }
    html! {
        (name.long) "s, each adjusted for the others. " (model) (strata) (ties) ": "
        (numbers::counted_cell(fit.n, min_cell, "complete case", "complete cases")) ", "
        @match fit.model.as_str() {
            "linear" => "",
            // An event of one cause, not of any.
            "poisson" => {
                (numbers::counted_cell(fit.events, min_cell, "patient", "patients"))
                " with a count above 0, "
            }
            "finegray" => { (numbers::counted_cell(fit.events, min_cell, "event", "events")) ", " }
            _ => { (words::events(wording, fit.events, min_cell)) ", " }
        }
        (numbers::counted(fit.sites, "hospital", "hospitals")) ", "
        (numbers::counted(fit.iterations.into(), "secure sum", "secure sums")) "."
    }
}

fn table(fit: &Fit, name: &Ratio, wording: &Wording) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Term" }
                th.num scope="col" { "Coefficient" }
                th.num scope="col" { "SE" }
                th.num scope="col" { (name.short) " (95% CI)" }
                th.num scope="col" { "z" }
                th.num scope="col" { "p" }
            } }
            tbody {
                @for term in &fit.terms {
                    @let (estimate, interval) = name.text(term.hr, term.lo, term.hi);
                    tr {
                        th scope="row" {
                            code { (term.name) }
                            @if wording.labels.contains_key(&term.name) && !wording.per.contains_key(&term.name) {
                                br; span.quiet { (words::term(wording, &term.name)) }
                            }
                        }
                        td.num { (numbers::significant(term.coef)) }
                        td.num { (numbers::significant(term.se)) }
                        td.num { @if term.name == "(Intercept)" { "–" } @else { (estimate) " (" (interval) ")" } }
                        td.num { (numbers::decimal(term.z, 2)) }
                        td.num { (numbers::p_cell(term.p)) }
                    }
                }
            }
        }
    }
}
