//! Competing risks and regression against R.

use serde_json::{Map, Value};

use super::columns::{Columns, Study};
use super::figure::{number, numbers};
use super::{Context, Figure, Row};
use crate::Error;
use crate::stats::{Sites, Summing};

const CURVES: &str = "truth/survival_r_curves.json";
const R: &str = "R 4.2.2";
const YEARS_20: f64 = 240.0;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    Row {
        id: "mgus2-cif",
        what: "Cumulative incidence of plasma-cell malignancy, death competing (Aalen-Johansen)",
        data: "mgus2: 1,384 patients dealt to 5 hospitals",
        method: "one sum of counts on a grid of 1 month",
        yardstick: "R 4.2.2, cmprsk 2.2-11",
        slow: false,
        run: incidence,
    },
    Row {
        id: "mgus2-finegray",
        what: "Fine-Gray model of plasma-cell malignancy, death competing",
        data: "mgus2: 1,384 patients dealt to 5 hospitals",
        method: "risk sets over all hospitals on a grid of 1 month; simulated sums",
        yardstick: "R 4.2.2, cmprsk 2.2-11",
        slow: false,
        run: finegray,
    },
    Row {
        id: "leuksurv-logistic",
        what: "Logistic regression of death within a year",
        data: "leuksurv: 1,043 patients, 24 districts",
        method: "Newton steps over secure sums; simulated sums",
        yardstick: R,
        slow: false,
        run: |context| {
            let params = toml::toml! {
                time = "time_days"
                event = "death"
                horizon = 365
                covariates = ["age", "male", "wbc", "tpi"]
            };
            leuksurv(context, params, "leuksurv_1y_logistic")
        },
    },
    Row {
        id: "leuksurv-poisson",
        what: "Poisson regression of deaths by days of follow-up",
        data: "leuksurv: 1,043 patients, 24 districts",
        method: "Newton steps over secure sums; simulated sums",
        yardstick: R,
        slow: false,
        run: |context| {
            let params = toml::toml! {
                family = "poisson"
                outcome = "death"
                exposure = "time_days"
                covariates = ["age", "male"]
            };
            leuksurv(context, params, "leuksurv_poisson")
        },
    },
    Row {
        id: "mgus2-linear",
        what: "Linear regression of haemoglobin",
        data: "mgus2: 1,384 patients dealt to 5 hospitals",
        method: "one secure sum; simulated sums",
        yardstick: R,
        slow: false,
        run: |context| {
            let columns = Columns::read(&context.data("mgus2.csv")?)?;
            let params = toml::toml! {
                family = "linear"
                outcome = "hgb"
                covariates = ["age", "sex", "creat", "mspike"]
            };
            let fit = ask(&columns, Sites::Deal(5), "glm", params)?;
            of_fit(&fit, &context.truth(CURVES, "/glm/mgus2_hgb_linear")?)
        },
    },
];

fn ask(
    columns: &Columns,
    sites: Sites,
    task: &str,
    params: toml::Table,
) -> Result<Map<String, Value>, Error> {
    let rows = vec![true; columns.len()];
    let summing = Summing::Plain;
    Study { columns, rows: &rows, sites, schema: None, min_local_rows: 1, summing }
        .ask(task, params)
}

fn leuksurv(context: &Context, params: toml::Table, truth: &str) -> Result<Vec<Figure>, Error> {
    let columns = Columns::read(&context.data("leuksurv.csv")?)?;
    let fit = ask(&columns, Sites::Column("district".into()), "glm", params)?;
    of_fit(&fit, &context.truth(CURVES, &format!("/glm/{truth}"))?)
}

/// mgus2 with the first event of each patient: progression, or else death.
fn first_events(context: &Context) -> Result<Columns, Error> {
    let mut columns = Columns::read(&context.data("mgus2.csv")?)?;
    let [progressed, died, until, followed] =
        ["pstat", "death", "ptime", "futime"].map(|name| columns.get(name));
    let (mut times, mut events) = (Vec::new(), Vec::new());
    for (((progressed, died), until), followed) in
        progressed?.iter().zip(died?).zip(until?).zip(followed?)
    {
        let (time, event) = match (progressed.as_str(), died.as_str()) {
            ("1", _) => (until, "pcm"),
            (_, "1") => (followed, "death"),
            _ => (followed, "censored"),
        };
        times.push(time.clone());
        events.push(event.to_owned());
    }
    columns.set("etime", times);
    columns.set("event", events);
    Ok(columns)
}

fn incidence(context: &Context) -> Result<Vec<Figure>, Error> {
    let params = toml::toml! {
        time = "etime"
        event = "event"
        grid = 1.0
    };
    let curves = ask(&first_events(context)?, Sites::Deal(5), "cif", params)?;
    let curve = curves.get("curves").and_then(|curves| curves.get(0)).unwrap_or(&Value::Null);
    let list = |of: &Value, key: &str| of.get(key).map(numbers).unwrap_or_default();
    let times = list(curve, "time");
    let causes = || curve.get("causes").and_then(Value::as_array).into_iter().flatten();
    let (mut figures, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for (level, key, name) in [("pcm", "1 1", "malignancy"), ("death", "1 2", "death")] {
        let of = |cause: &&Value| cause.get("cause").and_then(Value::as_str) == Some(level);
        let cause = causes().find(of).unwrap_or(&Value::Null);
        let truth = context.truth(CURVES, &format!("/aalen_johansen/mgus2/{key}"))?;
        let steps = list(&truth, "time");
        figures.push(Figure::number(
            format!("{name} within 20 years"),
            at(&times, &list(cause, "cif"), YEARS_20),
            at(&steps, &list(&truth, "est"), YEARS_20),
            6,
        ));
        for (own, r) in [("cif", "est"), ("variance", "var")] {
            let (own, r) = (list(cause, own), list(&truth, r));
            ours.extend(own);
            theirs.extend(times.iter().map(|time| at(&steps, &r, *time)));
        }
    }
    figures.push(Figure::difference("incidences and variances", &ours, &theirs)?);
    Ok(figures)
}

/// A step function's value at a time, of its last step up to then. R's curves have each time twice.
fn at(steps: &[f64], values: &[f64], time: f64) -> f64 {
    let reached = steps.partition_point(|step| *step <= time).checked_sub(1);
    reached.and_then(|step| values.get(step)).copied().unwrap_or(f64::NAN)
}

fn finegray(context: &Context) -> Result<Vec<Figure>, Error> {
    let params = toml::toml! {
        time = "etime"
        event = "event"
        cause = "pcm"
        grid = 1.0
        covariates = ["age", "sex", "hgb", "mspike"]
    };
    let fit = ask(&first_events(context)?, Sites::Deal(5), "finegray", params)?;
    of_fit(&fit, &context.truth(CURVES, "/fine_gray/mgus2_pcm")?)
}

/// Every coefficient, and the largest differences of all coefficients and errors.
fn of_fit(fit: &Map<String, Value>, truth: &Value) -> Result<Vec<Figure>, Error> {
    let terms: Vec<&Value> =
        fit.get("terms").and_then(Value::as_array).into_iter().flatten().collect();
    let mut figures = Vec::new();
    let (mut coef, mut se) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for term in terms {
        let name = term.get("name").and_then(Value::as_str).unwrap_or_default();
        let theirs = |key: &str| truth.get(key).and_then(|of| of.get(name)).and_then(Value::as_f64);
        coef.0.push(number(term, "/coef"));
        coef.1.push(theirs("coef").unwrap_or(f64::NAN));
        se.0.push(number(term, "/se"));
        se.1.push(theirs("se").unwrap_or(f64::NAN));
        let (ours, theirs) = (number(term, "/coef"), theirs("coef").unwrap_or(f64::NAN));
        figures.push(Figure::number(name, ours, theirs, 6));
    }
    let n = fit.get("n").and_then(Value::as_f64).unwrap_or(f64::NAN);
    figures.extend([
        Figure::difference("coefficients", &coef.0, &coef.1)?,
        Figure::difference("standard errors", &se.0, &se.1)?,
        Figure::number("n", n, number(truth, "/n"), 0),
    ]);
    Ok(figures)
}
