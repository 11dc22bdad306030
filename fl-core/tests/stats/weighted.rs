//! Cox models with several rows a patient, with treatment weights and with robust standard errors,
//! against R's `coxph`.

use std::collections::BTreeMap;

use haima_fl_core::Error;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::Fit;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use serde_json::Value;

use crate::common::{
    LEUKSURV, close, cohorts, data, records, rng, schema, shipped_oracle, split, table,
};

/// Runs a task that may build on finished ones.
fn run(
    task: &str,
    params: &str,
    schema: &Schema,
    cohorts: &[Cohort],
    finished: &Finished,
) -> Result<Value, Error> {
    let open = || registry::open(task, 1, &table(params), schema, finished);
    let mut sums = PlainSum::new(cohorts, 1000, 1, rng(), open)?;
    drive(open()?.as_mut(), &mut sums)
}

fn fit(value: Value) -> Fit {
    serde_json::from_value(value).expect("haima.fit/1")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

// Start-stop rows.

const START_STOP: &str = r#"
    patient = "patient"
    rows_per_patient = 2
    ignore = ["hospital"]
    column = [
        { name = "start", kind = "numeric", range = [0, 3000] },
        { name = "stop", kind = "numeric", range = [0, 3000] },
        { name = "event", kind = "flag" },
        { name = "recovered", kind = "flag" },
        { name = "age", kind = "numeric", range = [0, 80] },
        { name = "fab", kind = "flag" },
    ]
"#;
const RECOVERY: &str = "time = \"stop\"\nentry = \"start\"\nevent = \"event\"\n\
                        covariates = [\"recovered\", \"age\", \"fab\"]";

/// One row before platelets recover, one after, as `tests/oracles/survival.R` makes them.
fn recovery() -> String {
    let mut text = "patient,hospital,start,stop,event,recovered,age,fab\n".to_owned();
    for (i, row) in records(&data("bmt_klein.csv")).iter().enumerate() {
        let days = |name: &str| row[name].parse::<f64>().expect("days");
        let (end, at) = (days("dfs_days"), days("platelet_recovery_days"));
        let recovered = row["platelet_recovery"] == "1" && at < end;
        let rows = match recovered {
            true => vec![(0.0, at, "0", 0), (at, end, row["dfs_event"].as_str(), 1)],
            false => vec![(0.0, end, row["dfs_event"].as_str(), 0)],
        };
        for (start, stop, event, recovered) in rows.iter().filter(|(a, b, ..)| a < b) {
            let (hospital, age) = (&row["hospital"], &row["patient_age"]);
            let fab = &row["fab_4_5_aml"];
            text.push_str(&format!(
                "{i},{hospital},{start},{stop},{event},{recovered},{age},{fab}\n"
            ));
        }
    }
    text
}

#[test]
fn a_covariate_that_changes_with_time_equals_r() {
    let (r, schema) = (shipped_oracle("survival.json"), schema(START_STOP));
    let cohorts = cohorts(&schema, &split(&recovery(), "hospital"));
    for ties in ["breslow", "efron"] {
        let params = format!("{RECOVERY}\nties = \"{ties}\"");
        let ours = fit(run("cox", &params, &schema, &cohorts, &Finished::new()).expect("a fit"));
        let theirs = &r[format!("start_stop_bmt_{ties}")];
        let mut worst: f64 = 0.0;
        for term in &ours.terms {
            let both = [number(&theirs["coef"][&term.name]), number(&theirs["se"][&term.name])];
            worst = worst.max(close(&term.name, &[term.coef, term.se], &both, 1e-5));
        }
        close("loglik", &[ours.loglik], &[number(&theirs["loglik"])], 1e-6);
        // R counts rows; here a patient is a patient.
        assert_eq!((ours.n, ours.events), (137, 83));
        eprintln!("start-stop {ties}: {worst:.1e}");
    }
}

/// S1: the residuals of a patient's rows are added before they are squared (R: `cluster`).
#[test]
fn rows_of_one_patient_are_added_before_they_are_squared() {
    let (r, schema) = (shipped_oracle("survival.json"), schema(START_STOP));
    let cohorts = cohorts(&schema, &split(&recovery(), "hospital"));
    for ties in ["breslow", "efron"] {
        let params = format!("{RECOVERY}\nties = \"{ties}\"\nrobust = true");
        let ours = fit(run("cox", &params, &schema, &cohorts, &Finished::new()).expect("a fit"));
        let theirs = &r[format!("start_stop_bmt_clustered_{ties}")]["robust_se"];
        for (term, naive) in ours.terms.iter().zip(ours.naive_se.expect("naive errors")) {
            let off = close(&term.name, &[term.se], &[number(&theirs[&term.name])], 1e-5);
            assert!((term.se / naive - 1.0).abs() > 1e-3, "{}", term.name);
            eprintln!("clustered {ties} {}: {off:.1e}", term.name);
        }
    }
}

/// S1: rows of one patient that overlap, or go on after the event, are no data: the site answers
/// zero, and only its own log says why. Others are not touched.
#[test]
fn a_site_with_rows_that_contradict_each_other_is_left_out() {
    let schema = schema(START_STOP);
    let good = split(&recovery(), "hospital");
    let head = "patient,hospital,start,stop,event,recovered,age,fab\n";
    for bad in [
        "1,x,0,10,0,0,40,0\n1,x,5,20,1,1,40,0\n",
        "1,x,0,10,1,0,40,0\n1,x,10,20,0,1,40,0\n",
        "1,x,0,10,0,0,40,0\n1,x,0,10,0,0,40,0\n",
    ] {
        let mut files = good.clone();
        files.push(format!("{head}{bad}"));
        let with = cohorts(&schema, &files);
        let ours = fit(run("cox", RECOVERY, &schema, &with, &Finished::new()).expect("a fit"));
        assert_eq!((ours.sites, ours.n), (4, 137), "{bad}");
    }
}

#[test]
fn several_rows_need_a_key_an_entry_and_the_cox_model() {
    let parse = |text: &str| Schema::from_toml(&table(text)).map(|_| ());
    let keyless = START_STOP.replace("patient = \"patient\"", "one_row_per_patient = true");
    assert!(parse(&keyless).unwrap_err().to_string().contains("patient key"));
    assert!(parse(&START_STOP.replace("= 2", "= 0")).is_err());
    let text = "patient,hospital,start,stop,event,recovered,age,fab\n\
                1,x,0,1,0,0,4,0\n1,x,1,2,0,0,4,0\n1,x,2,3,0,0,4,0\n";
    let third = Cohort::from_reader("site.csv", text.as_bytes(), &schema(START_STOP));
    let third = third.expect_err("three rows").to_string();
    assert!(third.contains("line 4") && third.contains("allows 2"), "{third}");
    for (task, params, says) in [
        ("cox", RECOVERY.replace("entry = \"start\"\n", ""), "entry"),
        ("cox", format!("{RECOVERY}\nstrata = \"none\"\ngrid = 1.0"), "strata"),
        ("cox", format!("{RECOVERY}\nridge = 1.0"), "rows are not patients"),
        ("km", "time = \"stop\"\nevent = \"event\"\ngrid = 30.0".to_owned(), "rows_per_patient"),
    ] {
        let error = registry::open(task, 1, &table(&params), &schema(START_STOP), &BTreeMap::new());
        let Err(error) = error else { panic!("{task} opened") };
        assert!(error.to_string().contains(says), "{error}");
    }
}

// Treatment weights.

/// leuksurv with a high white count as the exposure.
fn exposed() -> (Schema, Vec<Cohort>) {
    let schema = schema(&format!("{LEUKSURV}\n[[column]]\nname = \"high\"\nkind = \"flag\"\n"));
    let text = data("leuksurv.csv");
    let high = records(&text).into_iter().map(|row| {
        let wbc: f64 = row["wbc"].parse().expect("a count");
        if wbc > 50.0 { "1" } else { "0" }
    });
    let lines: Vec<String> = text
        .lines()
        .zip(std::iter::once("high").chain(high))
        .map(|(l, h)| format!("{l},{h}"))
        .collect();
    let cohorts = cohorts(&schema, &split(&lines.join("\n"), "district"));
    (schema, cohorts)
}

const PROPENSITY: &str = "outcome = \"high\"\ncovariates = [\"age\", \"male\", \"tpi\"]";
const EFFECT: &str = "time = \"time_days\"\nevent = \"death\"\ncovariates = [\"high\"]";

fn weights(estimand: &str, cap: f64) -> String {
    format!(
        "weights = {{ propensity = \"ps\", treatment = \"high\", estimand = \"{estimand}\", cap = {cap:?} }}"
    )
}

/// Two steps of one study: the propensity model, then the weighted Cox model, with Lin and Wei's
/// standard errors. ATT is the external control arm: controls weighted to look like the treated.
#[test]
fn the_weighted_effect_and_its_robust_error_equal_r() {
    let (r, (schema, cohorts)) = (shipped_oracle("survival.json"), exposed());
    let ps = run("glm", PROPENSITY, &schema, &cohorts, &Finished::new()).expect("a model");
    for term in &fit(ps.clone()).terms {
        let theirs = number(&r["propensity"]["coef"][&term.name]);
        close(&term.name, &[term.coef], &[theirs], 1e-5);
    }
    let finished = Finished::from([("ps".to_owned(), ps)]);
    let plain = fit(run("cox", EFFECT, &schema, &cohorts, &Finished::new()).expect("a fit"));
    for estimand in ["ate", "att"] {
        for ties in ["breslow", "efron"] {
            let params = format!("{EFFECT}\nties = \"{ties}\"\n{}", weights(estimand, 1000.0));
            let ours = fit(run("cox", &params, &schema, &cohorts, &finished).expect("a fit"));
            let theirs = &r[format!("iptw_cox_{estimand}_{ties}")];
            let naive = ours.naive_se.as_ref().expect("both errors")[0];
            let ours = [ours.terms[0].coef, ours.terms[0].se, naive];
            let keys = ["coef", "robust_se", "naive_se"].map(|key| number(&theirs[key]));
            let worst = close(estimand, &ours, &keys, 1e-5);
            eprintln!("iptw {estimand} {ties}: {worst:.1e}");
            assert!((ours[0] - plain.terms[0].coef).abs() > 1e-3, "weights change the effect");
            assert!((ours[1] - ours[2]).abs() > 1e-3, "the sandwich is not the information");
        }
    }
}

/// A cap of 1 makes every weight of the ATE 1: the plain model.
#[test]
fn weights_are_cut_to_their_cap() {
    let (schema, cohorts) = exposed();
    let ps = run("glm", PROPENSITY, &schema, &cohorts, &Finished::new()).expect("a model");
    let finished = Finished::from([("ps".to_owned(), ps)]);
    let params = format!("{EFFECT}\n{}", weights("ate", 1.0));
    let cut = fit(run("cox", &params, &schema, &cohorts, &finished).expect("a fit"));
    let plain = fit(run("cox", EFFECT, &schema, &cohorts, &Finished::new()).expect("a fit"));
    close("coef", &[cut.terms[0].coef], &[plain.terms[0].coef], 1e-9);
    close("naive", &cut.naive_se.expect("naive"), &[plain.terms[0].se], 1e-9);
}

#[test]
fn weights_that_cannot_be_used_are_refused() {
    let (schema, cohorts) = exposed();
    let ps = run("glm", PROPENSITY, &schema, &cohorts, &Finished::new()).expect("a model");
    let cox = run("cox", EFFECT, &schema, &cohorts, &Finished::new()).expect("a fit");
    let finished = Finished::from([("ps".to_owned(), ps), ("cox".to_owned(), cox)]);
    for (more, says) in [
        (weights("ate", 0.5), "cap"),
        (weights("ate", 1e7), "cap"),
        (weights("ate", 20.0).replace("\"ps\"", "\"other\""), "no finished task"),
        (weights("ate", 20.0).replace("\"ps\"", "\"cox\""), "logistic"),
        (weights("ate", 20.0).replace("\"high\"", "\"age\""), "flag"),
        (weights("ate", 20.0).replace("\"high\"", "\"male\""), "another outcome"),
        (weights("ate", 1e6), "63 bits"),
        (format!("ridge = 1.0\n{}", weights("ate", 20.0)), "penalised"),
    ] {
        let error = run("cox", &format!("{EFFECT}\n{more}"), &schema, &cohorts, &finished);
        let error = error.expect_err(&more).to_string();
        assert!(error.contains(says), "{more}: {error}");
    }
}
