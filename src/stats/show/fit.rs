//! Cox, logistic and other regression models: one line a coefficient.

use std::fmt::Write as _;

use haima_fl_core::results::Fit;

use crate::report::numbers;
use crate::report::words::Ratio;
use crate::stats::Answer;
use crate::text;

pub(super) fn show(fit: &Fit, answer: &Answer) -> String {
    let name = Ratio::of(fit);
    let has_ratio = fit.model != "linear";
    let model = match fit.model.as_str() {
        "cox" => "Cox proportional hazards model",
        "finegray" => "Fine-Gray model",
        "logistic" => "Logistic regression",
        "linear" => "Linear regression",
        "poisson" => "Poisson regression",
        other => other,
    };
    let ties = match fit.ties.as_str() {
        "" => "",
        "breslow" => ", ties by Breslow",
        _ => ", ties by Efron",
    };
    let mut shown = format!("{model}: {}\n", fit.formula);
    let cases = numbers::counted_cell(fit.n, answer.min_cell, "complete case", "complete cases");
    let mut about = vec![cases];
    if has_ratio {
        let what = match fit.model.as_str() {
            "poisson" => ("patient with a count above 0", "patients with a count above 0"),
            "logistic" => ("case", "cases"),
            _ => ("event", "events"),
        };
        about.push(numbers::counted_cell(fit.events, answer.min_cell, what.0, what.1));
    }
    about.push(numbers::counted(fit.sites, "hospital", "hospitals"));
    let sums = numbers::counted(fit.iterations.into(), "secure sum", "secure sums");
    let _ = writeln!(shown, "{}{ties}; {sums}\n", about.join(", "));
    let ratio = format!("{} (95% CI)", name.short);
    let heading = ["", "Coefficient", "SE", if has_ratio { &ratio } else { "statistic" }, "p"];
    let mut rows = vec![text::row(heading)];
    for term in &fit.terms {
        let (estimate, interval) = numbers::ratio(term.hr, term.lo, term.hi);
        let ratio = match term.name.as_str() {
            _ if !has_ratio => numbers::decimal(term.z, 2),
            "(Intercept)" => "–".to_owned(),
            _ => format!("{estimate} ({interval})"),
        };
        let (coef, se) = (numbers::significant(term.coef), numbers::significant(term.se));
        rows.push(text::row([&term.name, &coef, &se, &ratio, &numbers::p_cell(term.p)]));
    }
    shown.push_str(&text::columns(&rows));
    let _ = writeln!(
        shown,
        "\nLog-likelihood {}, without covariates {}. {}Per unit of the column; CI and p by Wald.",
        numbers::decimal(fit.loglik, 2),
        numbers::decimal(fit.loglik_null, 2),
        if has_ratio {
            format!("{}: {}. ", name.short, name.long.to_lowercase())
        } else {
            String::new()
        },
    );
    shown
}
