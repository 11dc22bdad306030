//! Start-stop rows, treatment weights and robust errors of the Cox model, against R
//! (`tests/oracles/survival.R`).

use std::collections::BTreeMap;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::Fit;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use haima_fl_core::task::{Site, SiteState};
use serde_json::Value;

use crate::common::{
    LEUKSURV, close, cohorts, data, derived, open, records, rng, run, schema, shipped_oracle,
    split, table,
};

const TOLERANCE: f64 = 1e-5;

fn r(key: &str) -> Value {
    shipped_oracle("survival.json")[key].clone()
}

fn equals_r(what: &str, fit: &Fit, coef: &[f64], se: &[f64]) {
    let ours: Vec<f64> = fit.terms.iter().map(|term| term.coef).collect();
    let off = close(what, &ours, coef, TOLERANCE);
    let ours: Vec<f64> = fit.terms.iter().map(|term| term.se).collect();
    let se_off = close(what, &ours, se, TOLERANCE);
    eprintln!("{what}: coefficients {off:.1e}, errors {se_off:.1e}");
}

/// A transplant's rows: one before the platelets recover, and one after.
const PANEL: &str = r#"
    patient = "patient"
    rows_per_patient = 2
    ignore = ["hospital"]
    [[column]]
    name = "start"
    kind = "numeric"
    range = [0, 3000]
    [[column]]
    name = "stop"
    kind = "numeric"
    range = [0, 3000]
    [[column]]
    name = "event"
    kind = "flag"
    [[column]]
    name = "recovered"
    kind = "flag"
    [[column]]
    name = "age"
    kind = "numeric"
    range = [0, 80]
    [[column]]
    name = "fab"
    kind = "flag"
"#;

fn panel() -> String {
    let mut text = "patient,hospital,start,stop,event,recovered,age,fab\n".to_owned();
    for (i, row) in records(&data("bmt_klein.csv")).iter().enumerate() {
        let days = |name: &str| row[name].parse::<u32>().expect("days");
        let (end, recovery) = (days("dfs_days"), days("platelet_recovery_days"));
        let (hospital, event) = (&row["hospital"], &row["dfs_event"]);
        let fixed = format!("{},{}", row["patient_age"], row["fab_4_5_aml"]);
        let recovers = row["platelet_recovery"] == "1" && recovery < end;
        let first = if recovers { (recovery, "0") } else { (end, event.as_str()) };
        if first.0 > 0 {
            text.push_str(&format!("{i},{hospital},0,{},{},0,{fixed}\n", first.0, first.1));
        }
        if recovers {
            text.push_str(&format!("{i},{hospital},{recovery},{end},{event},1,{fixed}\n"));
        }
    }
    text
}

const OF_PANEL: &str = "time = \"stop\"\nentry = \"start\"\nevent = \"event\"\n\
                        covariates = [\"recovered\", \"age\", \"fab\"]\n";

fn start_stop(more: &str) -> Fit {
    let schema = schema(PANEL);
    let sites = cohorts(&schema, &split(&panel(), "hospital"));
    let output = run("cox", &format!("{OF_PANEL}{more}"), &schema, &sites, 1).expect("fit");
    serde_json::from_value(output).expect("haima.fit/1")
}

#[test]
fn start_stop_rows_give_rs_fit_of_a_covariate_that_changes_with_time() {
    for ties in ["breslow", "efron"] {
        let r = r(&format!("start_stop_bmt_{ties}"));
        let of = |key: &str| {
            let names = ["recovered", "age", "fab"];
            names.map(|name| r[key][name].as_f64().expect("number"))
        };
        let ours = start_stop(&format!("ties = \"{ties}\""));
        equals_r(&format!("start-stop {ties}"), &ours, &of("coef"), &of("se"));
        let loglik = r["loglik"].as_f64().expect("loglik");
        close("log-likelihood", &[ours.loglik], &[loglik], TOLERANCE);
        assert_eq!(Some(ours.events), r["events"].as_u64());
    }
}

/// Robust errors add a patient's rows before they are squared, so they are not the plain ones.
#[test]
fn robust_errors_of_start_stop_rows_differ_from_the_plain_ones() {
    let (plain, robust) = (start_stop(""), start_stop("robust = true"));
    for (plain, robust) in plain.terms.iter().zip(&robust.terms) {
        assert!((plain.coef - robust.coef).abs() < 1e-9);
        assert!((plain.se / robust.se - 1.0).abs() > 1e-3, "{} {}", plain.se, robust.se);
    }
}

fn treated() -> (Schema, Vec<String>) {
    let text = derived(&data("leuksurv.csv"), "high", |row| {
        u8::from(row["wbc"].parse::<f64>().expect("wbc") > 50.0).to_string()
    });
    let flag = "[[column]]\nname = \"high\"\nkind = \"flag\"\n";
    (schema(&format!("{LEUKSURV}{flag}")), split(&text, "district"))
}

fn fit(task: &str, params: &str, finished: &Finished) -> Value {
    let (schema, files) = treated();
    let sites = cohorts(&schema, &files);
    let open = || registry::open(task, 1, &table(params), &schema, finished);
    let mut own = open().expect("task");
    let mut sums = PlainSum::new(&sites, 100_000, 1, rng(), open).expect("sums");
    drive(own.as_mut(), &mut sums).expect("fit")
}

fn propensity() -> Finished {
    let params = "outcome = \"high\"\ncovariates = [\"age\", \"male\", \"tpi\"]";
    BTreeMap::from([("ps".to_owned(), fit("glm", params, &Finished::new()))])
}

fn weighted(more: &str, finished: &Finished) -> Fit {
    let params =
        format!("time = \"time_days\"\nevent = \"death\"\ncovariates = [\"high\"]\n{more}");
    serde_json::from_value(fit("cox", &params, finished)).expect("haima.fit/1")
}

/// IPTW: the effect in all patients, and in those like the treated (external controls).
#[test]
fn weighted_fits_of_both_estimands_equal_rs_with_robust_errors() {
    let finished = propensity();
    for estimand in ["ate", "att"] {
        for ties in ["breslow", "efron"] {
            let r = r(&format!("iptw_cox_{estimand}_{ties}"));
            let ours = weighted(
                &format!(
                    "ties = \"{ties}\"\nweights = {{ propensity = \"ps\", treatment = \"high\", \
                     estimand = \"{estimand}\", cap = 100.0 }}"
                ),
                &finished,
            );
            let [coef, se, naive] =
                ["coef", "robust_se", "naive_se"].map(|key| r[key].as_f64().expect("number"));
            equals_r(&format!("{estimand} {ties}"), &ours, &[coef], &[se]);
            assert!((ours.terms[0].se - naive).abs() > 1e-3, "the plain error");
        }
    }
}

/// Without the weights it is another effect, and a lower cap gives another one again.
#[test]
fn weights_matter_and_so_does_their_cap() {
    let finished = propensity();
    let of = |more: &str| weighted(more, &finished).terms[0].coef;
    let weights = "propensity = \"ps\", treatment = \"high\"";
    let plain = of("");
    let all = of(&format!("weights = {{ {weights}, cap = 100.0 }}"));
    let cut = of(&format!("weights = {{ {weights}, cap = 3.0 }}"));
    let none = of(&format!("weights = {{ {weights}, cap = 1.0 }}"));
    assert!((plain - all).abs() > 1e-3 && (all - cut).abs() > 1e-4, "{plain} {all} {cut}");
    assert!((plain - none).abs() < 1e-8, "weights of 1 are none: {plain} {none}");
}

#[test]
fn weights_that_rest_on_no_model_of_treatment_are_refused() {
    let (schema, _) = treated();
    let survival = "time = \"time_days\"\nevent = \"death\"\ncovariates = [\"high\"]\n";
    let open = |weights: &str, finished: &Finished| {
        let params = table(&format!("{survival}weights = {{ {weights} }}"));
        registry::open("cox", 1, &params, &schema, finished).map(|_| ()).expect_err(weights)
    };
    let said = |weights: &str, finished: &Finished, says: &str| {
        let error = open(weights, finished).to_string();
        assert!(error.contains(says), "{weights}: {error}");
    };
    let ps = "propensity = \"ps\", treatment";
    said(&format!("{ps} = \"high\""), &Finished::new(), "no finished task `ps`");
    said(&format!("{ps} = \"wbc\""), &propensity(), "kind flag");
    said(&format!("{ps} = \"high\", cap = 0.5"), &propensity(), "`cap`");
    let cox = fit("cox", survival, &Finished::new());
    let other = BTreeMap::from([("ps".to_owned(), cox)]);
    said(&format!("{ps} = \"high\""), &other, "no logistic model");
}

/// S1: rows of one key are one patient. One row more than the schema allows is refused at intake;
/// rows that overlap, or go on after the event, silence the site (S5), with the reason in its log.
#[test]
fn rows_of_one_patient_are_held_together() {
    let schema = schema(PANEL);
    let header = "patient,hospital,start,stop,event,recovered,age,fab\n";
    let read = |rows: &str| {
        let text = format!("{header}{rows}");
        Cohort::from_reader("test.csv", text.as_bytes(), &schema)
    };
    let error = read("1,A,0,5,0,0,40,0\n1,A,5,9,0,1,40,0\n1,A,9,12,1,1,40,0\n").expect_err("three");
    assert!(error.to_string().contains("the schema allows 2"), "{error}");
    let run = open("cox", OF_PANEL, &schema).expect("task");
    let others = "2,A,0,7,1,0,50,1\n3,A,0,8,1,0,30,0\n4,A,0,20,0,1,60,1\n";
    for (rows, reason) in [
        ("1,A,0,5,0,0,40,0\n1,A,5,9,1,1,40,0\n", None),
        ("1,A,0,6,0,0,40,0\n1,A,5,9,1,1,40,0\n", Some("overlap")),
        ("1,A,0,5,1,0,40,0\n1,A,5,9,0,1,40,0\n", Some("after the event")),
    ] {
        let cohort = read(&format!("{rows}{others}")).expect("cohort");
        let site = Site { cohort: &cohort, capacity: 0, max_patients: 100, min_local_rows: 1 };
        let answer = run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("answer");
        assert_eq!(answer.values.iter().all(|value| *value == 0), reason.is_some(), "{rows}");
        let note = answer.note.as_deref().unwrap_or_default();
        assert!(note.contains(reason.unwrap_or_default()), "{note}");
    }
    let error = open("km", "time = \"stop\"\nevent = \"event\"\ngrid = 30.0", &schema);
    let error = error.map(|_| ()).expect_err("several rows");
    assert!(error.to_string().contains("only the Cox model reads"), "{error}");
}
