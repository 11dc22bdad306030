//! Tables of models: coefficients, meta-analysis, association scan.

use haima_fl_core::results::Fit;
use haima_fl_core::results::finegray::SubdistributionFit;
use haima_fl_core::results::meta::Meta;
use haima_fl_core::results::scan::Scan;

use super::cell::row;
use super::{Cell, Of, Table};
use crate::report::{scan as own_scan, words};

/// Header of facts about a thing, a row a fact.
pub(super) const FACTS: [&str; 2] = ["item", "value"];

/// Coefficients in the units of the data, and what is said of the model.
pub(super) fn fit(fit: &Fit, of: Of<'_>) -> Vec<Table> {
    let header =
        ["term", "label", "coef", "se", "naive_se", "ratio", "lo", "hi", "z", "p", "shown_per"];
    let mut terms = Table::new("coefficients", &header);
    for (place, term) in fit.terms.iter().enumerate() {
        let naive = fit.naive_se.as_ref().and_then(|all| all.get(place)).copied();
        // Of an intercept the page shows no ratio.
        let ratio = |value: f64| Some(value).filter(|_| term.name != "(Intercept)");
        terms.rows.push(row![
            &term.name,
            words::term(of.wording, &term.name),
            term.coef,
            term.se,
            naive,
            ratio(term.hr),
            ratio(term.lo),
            ratio(term.hi),
            term.z,
            term.p,
            words::per(&term.name, of.wording),
        ]);
    }
    vec![terms, facts(fit, of)]
}

fn facts(fit: &Fit, of: Of<'_>) -> Table {
    let mut facts = Table::new("model", &FACTS);
    let mut add = |item: &str, value: Cell| {
        if !value.text().is_empty() {
            facts.rows.push(row![item, value]);
        }
    };
    add("model", Cell::from(&fit.model));
    add("formula", Cell::from(&fit.formula));
    match &fit.noised {
        // Numbers of patients were not released.
        Some(noised) => add("noised_sums", noised.steps.into()),
        None => {
            add("patients", Cell::patients(fit.n, of.min_cell));
            add("events", Cell::patients(fit.events, of.min_cell));
            add("hospitals", fit.sites.into());
            add("sums", fit.iterations.into());
        }
    }
    add("ties", Cell::from(&fit.ties));
    add("strata", Cell::from(&fit.strata));
    add("loglik", fit.loglik.into());
    add("loglik_null", fit.loglik_null.into());
    add("deviance", fit.deviance.into());
    add("df_residual", fit.df_residual.into());
    add("dispersion", fit.dispersion.into());
    add("ridge", fit.penalty.as_ref().map(|penalty| penalty.ridge).into());
    add("lasso", fit.penalty.as_ref().map(|penalty| penalty.lasso).into());
    facts
}

/// The same of a Fine-Gray model, with its cause.
pub(super) fn subdistribution(result: &SubdistributionFit, of: Of<'_>) -> Vec<Table> {
    let mut tables = fit(&result.fit, of);
    if let Some(facts) = tables.last_mut() {
        facts.rows.push(row!["cause", &result.cause]);
        facts.rows.push(row!["competing", Cell::patients(result.competing, of.min_cell)]);
        facts.rows.push(row!["grid", result.grid]);
    }
    tables
}

/// Both effects of each coefficient, per one unit of its column.
pub(super) fn meta(result: &Meta, of: Of<'_>) -> Table {
    let mut table = Table::new(
        "meta",
        &[
            "term",
            "label",
            "random_coef",
            "random_se",
            "random_ratio",
            "random_lo",
            "random_hi",
            "random_p",
            "fixed_coef",
            "fixed_se",
            "fixed_ratio",
            "fixed_lo",
            "fixed_hi",
            "fixed_p",
            "prediction_lo",
            "prediction_hi",
            "tau2",
            "i2_percent",
            "q",
            "q_df",
            "q_p",
        ],
    );
    for term in &result.terms {
        let (random, fixed) = (&term.random, &term.fixed);
        table.rows.push(row![
            &random.name,
            words::term(of.wording, &random.name),
            random.coef,
            random.se,
            random.hr,
            random.lo,
            random.hi,
            random.p,
            fixed.coef,
            fixed.se,
            fixed.hr,
            fixed.lo,
            fixed.hi,
            fixed.p,
            term.pi_lo,
            term.pi_hi,
            term.tau2,
            term.i2,
            term.q,
            term.df,
            term.q_p,
        ]);
    }
    table
}

/// Every variant, in the order of the scan; no effect of one with few carriers.
pub(super) fn scan(result: &Scan, of: Of<'_>) -> Table {
    let header = ["variant", "genes", "carriers", "coef", "se", "chisq", "p", "p_gc", "reason"];
    let mut table = Table::new("variants", &header);
    for own in &result.variants {
        let hidden = own_scan::is_hidden(own, of.min_cell);
        let value = |value: Option<f64>| value.filter(|_| !hidden);
        let carriers = match Cell::patients(own.carriers, of.min_cell) {
            // All but few carry it.
            Cell::Count(_) if hidden => Cell::AtLeast(of.min_cell),
            cell => cell,
        };
        table.rows.push(row![
            &own.name,
            own.genes.join(" "),
            carriers,
            value(own.beta),
            value(own.se),
            value(own.chisq),
            value(own.p),
            value(own.p_gc),
            own.reason.as_ref(),
        ]);
    }
    table
}
