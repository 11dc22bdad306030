//! Logistic regression against R's `glm`.

use haima_fl_core::Error;
use haima_fl_core::results::Fit;
use serde_json::Value;

use crate::common::{
    LEUKSURV, MGUS2, close, cohort, cohorts, data, deal, oracle, records, run, schema, split,
};

fn fit(params: &str, schema_text: &str, files: &[String]) -> Fit {
    let schema = schema(schema_text);
    let output = run("glm", params, &schema, &cohorts(&schema, files), 1).expect("fit");
    serde_json::from_value(output).expect("haima.fit/1")
}

fn equals_r(what: &str, fit: &Fit, r: &Value) {
    assert_eq!(r["n"].as_u64(), Some(fit.n), "{what}");
    for (key, ours) in [
        ("coef", fit.terms.iter().map(|t| (&t.name, t.coef)).collect::<Vec<_>>()),
        ("se", fit.terms.iter().map(|t| (&t.name, t.se)).collect()),
    ] {
        let (ours, theirs): (Vec<f64>, Vec<f64>) = ours
            .into_iter()
            .map(|(name, value)| (value, r[key][name].as_f64().expect("term of R")))
            .unzip();
        // R's errors lag: `glm` takes them from the weights of the iteration before its last.
        let worst = close(what, &ours, &theirs, 1e-5);
        eprintln!("logistic {what} {key}: {worst:.1e}");
    }
    let deviance = r["deviance"].as_f64().expect("deviance");
    eprintln!(
        "logistic {what}: deviance {:.1e}",
        close(what, &[-2.0 * fit.loglik], &[deviance], 1e-3)
    );
    if let Some(null) = r["null_deviance"].as_f64() {
        close(what, &[-2.0 * fit.loglik_null], &[null], 1e-3);
    }
}

#[test]
fn logistic_over_hospitals_equals_r() {
    let Some(r) = oracle("truth/survival_r_curves.json") else { return };
    let params = r#"
        time = "time_days"
        event = "death"
        horizon = 365
        covariates = ["age", "male", "wbc", "tpi"]
    "#;
    let ours = fit(params, LEUKSURV, &split(&data("leuksurv.csv"), "district"));
    equals_r("leuksurv 1 year", &ours, &r["glm"]["leuksurv_1y_logistic"]);
    assert_eq!((ours.sites, ours.model.as_str(), ours.ties.as_str()), (24, "logistic", ""));
    assert_eq!(ours.terms[0].name, "(Intercept)");
    let Some(r) = oracle("truth/survival_r.json") else { return };
    equals_r("leuksurv 1 year (with null deviance)", &ours, &r["leuksurv"]["logistic_1y"]);
}

#[test]
fn logistic_leaves_out_incomplete_rows_as_r_does() {
    let Some(r) = oracle("truth/survival_r.json") else { return };
    let params = r#"
        time = "futime"
        event = "death"
        horizon = 60
        covariates = ["age", "sex", "hgb", "creat", "mspike"]
    "#;
    let ours = fit(params, MGUS2, &deal(&data("mgus2.csv"), 6));
    equals_r("mgus2 5 years", &ours, &r["mgus2"]["logistic_death_5y"]);
}

/// At the maximum the residuals are orthogonal to every covariate, in raw units.
#[test]
fn logistic_of_a_flag_solves_the_score_equations() {
    let params = "outcome = \"death\"\ncovariates = [\"age\", \"male\"]";
    let text = data("leuksurv.csv");
    let ours = fit(params, LEUKSURV, &deal(&text, 4));
    assert_eq!(ours.formula, "death ~ age + male");
    let mut score = [0.0; 3];
    for record in records(&text) {
        let x = [1.0, record["age"].parse().expect("age"), record["male"].parse().expect("male")];
        let eta: f64 = ours.terms.iter().zip(x).map(|(term, x)| term.coef * x).sum();
        let y: f64 = record["death"].parse().expect("death");
        for (score, x) in score.iter_mut().zip(x) {
            *score += (y - 1.0 / (1.0 + (-eta).exp())) * x;
        }
    }
    assert!(score.iter().all(|s: &f64| s.abs() < 1e-6), "{score:?}");
}

#[test]
fn logistic_names_the_term_that_separates_the_outcomes() {
    let schema = schema(LEUKSURV);
    let mut text = "patient,time_days,death,district,age,male,wbc,tpi\n".to_owned();
    for i in 0..20 {
        text.push_str(&format!("{i},{},{},1,{},{},10,0\n", i + 1, i % 2, 40 + i, i % 2));
    }
    let params = "outcome = \"death\"\ncovariates = [\"age\", \"male\"]";
    let error = run("glm", params, &schema, &[cohort(&schema, &text)], 1).expect_err("no fit");
    let Error::Fit { reason, .. } = error else { panic!("{error}") };
    assert!(reason.contains("`male`") || reason.contains("`(Intercept)`"), "{reason}");
}

/// Every case on one side of a flag, and none on the other side always: what runs away is named as
/// that, whether iterations run out or the information vanishes first, and ridge is offered.
#[test]
fn separation_is_called_so_however_it_ends() {
    let schema = schema(LEUKSURV);
    let mut text = "patient,time_days,death,district,age,male,wbc,tpi\n".to_owned();
    for i in 0..60 {
        let male = u8::from(i % 3 > 0);
        let death = u8::from(male == 1 && i % 2 == 0);
        text.push_str(&format!("{i},{},{death},1,{},{male},10,0\n", i + 1, 40 + i * 7 % 31));
    }
    for iterations in [14, 25, 60] {
        let params = format!(
            "outcome = \"death\"\ncovariates = [\"age\", \"male\"]\nmax_iterations = {iterations}"
        );
        let error = run("glm", &params, &schema, &[cohort(&schema, &text)], 1).expect_err("no fit");
        let error = error.to_string();
        assert!(error.contains("grows without bound") && error.contains("ridge"), "{error}");
    }
}

#[test]
fn logistic_wants_one_outcome() {
    for params in [
        "covariates = [\"age\"]",
        "covariates = [\"age\"]\noutcome = \"death\"\nhorizon = 3",
        "covariates = [\"age\"]\ntime = \"time_days\"\nevent = \"death\"",
        "covariates = [\"age\"]\ntime = \"time_days\"\nevent = \"death\"\nhorizon = 5000",
        "covariates = [\"death\"]\noutcome = \"death\"",
        "covariates = []\noutcome = \"death\"",
        "covariates = [\"age\"]\noutcome = \"age\"",
    ] {
        let error = run("glm", params, &schema(LEUKSURV), &[], 1).expect_err(params);
        assert!(matches!(error, Error::Params { .. }), "{params}: {error}");
    }
}
