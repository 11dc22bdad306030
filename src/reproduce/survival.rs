//! Survival against R: Cox models, log-rank tests and Kaplan-Meier curves of cohorts that R's users
//! know.

use serde_json::{Map, Value};

use super::figure::{number, numbers};
use super::{Context, Figure, Row};
use crate::Error;
use crate::report::Floors;
use crate::stats::{self, Request, Sites, Summing, Task};

const CURVES: &str = "truth/survival_r_curves.json";
const FITS: &str = "truth/survival_r.json";
const R: &str = "R 4.2.2, survival 3.5-3";
/// R's `qnorm(0.975)`.
const Z: f64 = 1.959_963_984_540_054;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    Row {
        id: "bmt-cox-efron",
        what: "Cox, stratified by hospital, ties by Efron",
        data: "bmt_klein: 137 transplants, 4 hospitals",
        method: "Newton steps over secure sums; simulated sums",
        yardstick: R,
        slow: false,
        run: |context| bmt_cox(context, "efron", Summing::Plain),
    },
    Row {
        id: "bmt-cox-breslow",
        what: "Cox, stratified by hospital, ties by Breslow",
        data: "bmt_klein: 137 transplants, 4 hospitals",
        method: "Newton steps over secure sums; simulated sums",
        yardstick: R,
        slow: false,
        run: |context| bmt_cox(context, "breslow", Summing::Plain),
    },
    Row {
        id: "bmt-cox-nodes",
        what: "Cox, stratified by hospital, ties by Efron, over the real protocol",
        data: "bmt_klein: 137 transplants, 4 hospitals",
        method: "3 nodes, 4 sites and a coordinator as processes: shares, proofs, exact class",
        yardstick: R,
        slow: false,
        run: |context| bmt_cox(context, "efron", Summing::Nodes(3)),
    },
    Row {
        id: "bmt-logrank",
        what: "Log-rank test of three disease groups",
        data: "bmt_klein: 137 transplants, 4 hospitals",
        method: "one sum of counts on a grid of 1 day",
        yardstick: R,
        slow: false,
        run: bmt_logrank,
    },
    Row {
        id: "leuksurv-cox-efron",
        what: "Cox, stratified by district, ties by Efron",
        data: "leuksurv: 1,043 patients, 24 districts",
        method: "Newton steps over secure sums; simulated sums",
        yardstick: R,
        slow: false,
        run: |context| leuksurv_cox(context, "efron"),
    },
    Row {
        id: "leuksurv-cox-breslow",
        what: "Cox, stratified by district, ties by Breslow",
        data: "leuksurv: 1,043 patients, 24 districts",
        method: "Newton steps over secure sums; simulated sums",
        yardstick: R,
        slow: false,
        run: |context| leuksurv_cox(context, "breslow"),
    },
    Row {
        id: "leuksurv-km",
        what: "Kaplan-Meier with Greenwood errors",
        data: "leuksurv: 1,043 patients, 24 districts",
        method: "one sum of counts on a grid of 1 day",
        yardstick: R,
        slow: false,
        run: leuksurv_km,
    },
    Row {
        id: "mgus2-km",
        what: "Kaplan-Meier and log-rank test by sex",
        data: "mgus2: 1,384 patients dealt to 5 hospitals",
        method: "one sum of counts on a grid of 1 month",
        yardstick: R,
        slow: false,
        run: mgus2_km,
    },
    Row {
        id: "myeloma-left-truncated",
        what: "Cox with left truncation, not stratified, ties by Efron",
        data: "myeloma: 3,882 patients dealt to 5 hospitals",
        method: "risk sets over all hospitals on a grid of 1 day; simulated sums",
        yardstick: R,
        slow: false,
        run: myeloma,
    },
    Row {
        id: "flchain-cox",
        what: "Cox, not stratified, ties by Efron",
        data: "flchain: 7,871 persons dealt to 5 hospitals",
        method: "risk sets over all hospitals on a grid of 1 day; simulated sums",
        yardstick: R,
        slow: false,
        run: flchain,
    },
];

/// A request of every hospital's rows, with sums in this process.
fn request(data: std::path::PathBuf, sites: Sites, name: &str, params: toml::Table) -> Request {
    Request {
        data,
        sites,
        task: Task { name: name.into(), version: 1, params },
        exact_grid: false,
        schema: None,
        categories: Vec::new(),
        floors: Floors { min_local_rows: 1, ..Floors::default() },
        summing: Summing::Plain,
        pooled: false,
    }
}

fn by(column: &str) -> Sites {
    Sites::Column(column.into())
}

fn bmt_cox(context: &Context, ties: &str, summing: Summing) -> Result<Vec<Figure>, Error> {
    let params = toml::toml! {
        time = "dfs_days"
        event = "dfs_event"
        covariates = ["disease_group", "fab_4_5_aml", "patient_age", "donor_age"]
        ties = ties
    };
    let cox = request(context.data("bmt_klein.csv")?, by("hospital"), "cox", params);
    let fit = stats::run(&Request { summing, ..cox })?.result;
    let truth = context.truth(CURVES, &format!("/cox/bmt_strat_{ties}"))?;
    of_fit(&fit, &truth, "disease_groupAML_low_risk", "HR, AML low risk against ALL,")
}

fn leuksurv_cox(context: &Context, ties: &str) -> Result<Vec<Figure>, Error> {
    let params = toml::toml! {
        time = "time_days"
        event = "death"
        covariates = ["age", "male", "wbc", "tpi"]
        ties = ties
    };
    let cox = request(context.data("leuksurv.csv")?, by("district"), "cox", params);
    let truth = context.truth(CURVES, &format!("/cox/leuksurv_strat_{ties}"))?;
    of_fit(&stats::run(&cox)?.result, &truth, "tpi", "HR a point of deprivation")
}

fn myeloma(context: &Context) -> Result<Vec<Figure>, Error> {
    let params = toml::toml! {
        time = "futime"
        event = "death"
        entry = "entry"
        covariates = ["year"]
        strata = "none"
    };
    let cox = request(context.shared("data/myeloma_mayo.csv")?, Sites::Deal(5), "cox", params);
    let fit = stats::run(&Request { exact_grid: true, ..cox })?.result;
    of_fit(
        &fit,
        &context.truth(CURVES, "/cox/myeloma_left_truncated")?,
        "year",
        "HR a year of entry",
    )
}

fn flchain(context: &Context) -> Result<Vec<Figure>, Error> {
    let params = toml::toml! {
        time = "futime"
        event = "death"
        covariates = ["age", "sex", "kappa", "lambda", "mgus"]
        strata = "none"
    };
    let mut cox = request(context.shared("data/flchain.csv")?, Sites::Deal(5), "cox", params);
    // R leaves out the three persons without follow-up.
    cox.task.restrict(&["futime > 0".into()], &[]);
    let fit = stats::run(&Request { exact_grid: true, ..cox })?.result;
    of_fit(&fit, &context.truth(CURVES, "/cox/flchain_efron")?, "lambda", "HR of lambda, a mg/dL,")
}

/// One hazard ratio with its interval, and the largest differences of all coefficients and errors.
fn of_fit(
    fit: &Map<String, Value>,
    truth: &Value,
    term: &str,
    name: &str,
) -> Result<Vec<Figure>, Error> {
    let terms: Vec<&Value> =
        fit.get("terms").and_then(Value::as_array).into_iter().flatten().collect();
    let (mut coef, mut se) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    let mut shown = [f64::NAN; 3];
    for one in terms {
        let key = one.get("name").and_then(Value::as_str).unwrap_or_default();
        coef.0.push(number(one, "/coef"));
        se.0.push(number(one, "/se"));
        coef.1.push(number(truth, &format!("/coef/{key}")));
        se.1.push(number(truth, &format!("/se/{key}")));
        if key == term {
            shown = ["/hr", "/lo", "/hi"].map(|path| number(one, path));
        }
    }
    let theirs = (number(truth, &format!("/coef/{term}")), number(truth, &format!("/se/{term}")));
    let theirs = [0.0, -Z, Z].map(|z| (theirs.0 + z * theirs.1).exp());
    let count = |key: &str| fit.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN);
    Ok(vec![
        Figure::interval(name, shown, theirs, 4),
        Figure::difference("coefficients", &coef.0, &coef.1)?,
        Figure::difference("standard errors", &se.0, &se.1)?,
        Figure::number("n", count("n"), number(truth, "/n"), 0),
        Figure::number("events", count("events"), number(truth, "/events"), 0),
    ])
}

fn bmt_logrank(context: &Context) -> Result<Vec<Figure>, Error> {
    let params = toml::toml! {
        time = "dfs_days"
        event = "dfs_event"
        by = "disease_group"
    };
    let km = request(context.data("bmt_klein.csv")?, by("hospital"), "km", params);
    let curves = stats::run(&Request { exact_grid: true, ..km })?.result;
    of_test(&curves, &context.truth(CURVES, "/logrank/bmt_group")?)
}

fn of_test(curves: &Map<String, Value>, truth: &Value) -> Result<Vec<Figure>, Error> {
    let test = curves.get("logrank").unwrap_or(&Value::Null);
    let list = |of: &Value, key: &str| of.get(key).map(numbers).unwrap_or_default();
    Ok(vec![
        Figure::number("chi-square", number(test, "/chisq"), number(truth, "/chisq"), 4),
        Figure::number("p", number(test, "/p"), number(truth, "/p"), 6),
        Figure::difference("expected", &list(test, "expected"), &list(truth, "expected"))?,
    ])
}

fn leuksurv_km(context: &Context) -> Result<Vec<Figure>, Error> {
    let params = toml::toml! {
        time = "time_days"
        event = "death"
    };
    let km = request(context.data("leuksurv.csv")?, by("district"), "km", params);
    let curves = stats::run(&Request { exact_grid: true, ..km })?.result;
    let medians = context.truth(FITS, "/leuksurv/km/0")?;
    let median = number(curves.get("curves").unwrap_or(&Value::Null), "/0/median");
    let mut figures = vec![Figure::number("median, days,", median, number(&medians, "/median"), 0)];
    figures.extend(of_curves(&curves, &[context.truth(CURVES, "/km/leuksurv/all")?])?);
    Ok(figures)
}

fn mgus2_km(context: &Context) -> Result<Vec<Figure>, Error> {
    let params = toml::toml! {
        time = "futime"
        event = "death"
        by = "sex"
    };
    let km = request(context.data("mgus2.csv")?, Sites::Deal(5), "km", params);
    let curves = stats::run(&Request { exact_grid: true, ..km })?.result;
    let truth = context.truth(CURVES, "/km/mgus2_by_sex")?;
    let groups: Vec<Value> =
        ["sex=F", "sex=M"].iter().filter_map(|group| truth.get(group).cloned()).collect();
    let mut figures = of_curves(&curves, &groups)?;
    figures.extend(of_test(&curves, &context.truth(CURVES, "/logrank/mgus2_sex")?)?);
    Ok(figures)
}

/// The largest differences of whole curves, a truth a group.
fn of_curves(curves: &Map<String, Value>, truths: &[Value]) -> Result<Vec<Figure>, Error> {
    let groups: Vec<&Value> =
        curves.get("curves").and_then(Value::as_array).into_iter().flatten().collect();
    let of = |all: &[&Value], key: &str| -> Vec<f64> {
        all.iter().filter_map(|curve| curve.get(key)).flat_map(numbers).collect()
    };
    let truths: Vec<&Value> = truths.iter().collect();
    let compare = |name: &str, ours: &str, theirs: &str| {
        Figure::difference(name, &of(&groups, ours), &of(&truths, theirs))
    };
    Ok(vec![
        compare("survival", "surv", "surv")?,
        compare("standard errors", "se", "std_err")?,
        compare("intervals", "lo", "lower")?,
    ])
}
