//! Linear and Poisson regression and interactions against R, and what none of them can be fed.

use haima_fl_core::Error;
use haima_fl_core::results::Fit;
use serde_json::Value;

use crate::common::{
    BMT, LEUKSURV, MGUS2, close, cohort, cohorts, data, deal, open, oracle, run, schema, split,
};
use crate::penalised::{equals, r};

const LINEAR: &str = "family = \"linear\"\noutcome = \"hgb\"\n";
const POISSON: &str = "family = \"poisson\"\noutcome = \"death\"\nexposure = \"time_days\"\n";

fn fit(task: &str, params: &str, schema_text: &str, files: &[String]) -> Fit {
    let schema = schema(schema_text);
    let output = run(task, params, &schema, &cohorts(&schema, files), 1).expect("fit");
    serde_json::from_value(output).expect("haima.fit/1")
}

/// Coefficients, errors, deviance and likelihood.
fn equals_r(what: &str, fit: &Fit, r: &Value) {
    equals(what, fit, r);
    assert_eq!(r["n"].as_u64(), Some(fit.n), "{what}");
    for (key, ours) in [
        ("deviance", fit.deviance),
        ("loglik", Some(fit.loglik)),
        ("loglik_null", Some(fit.loglik_null)),
    ] {
        if let (Some(theirs), Some(ours)) = (r[key].as_f64(), ours) {
            let off = close(what, &[ours], &[theirs], 1e-5);
            eprintln!("{what}: {key} {off:.1e}");
        }
    }
}

#[test]
fn a_linear_model_over_hospitals_equals_rs_from_one_sum() {
    let Some(r) = oracle("truth/survival_r_curves.json") else { return };
    let covariates = "covariates = [\"age\", \"sex\", \"creat\", \"mspike\"]";
    let params = format!("{LINEAR}{covariates}");
    let ours = fit("glm", &params, MGUS2, &deal(&data("mgus2.csv"), 6));
    equals_r("mgus2 hgb", &ours, &r["glm"]["mgus2_hgb_linear"]);
    assert_eq!((ours.iterations, ours.events, ours.model.as_str()), (1, 0, "linear"));
    assert_eq!(ours.df_residual, Some(1338 - 5));
    let variance = ours.deviance.expect("deviance") / 1333.0;
    assert!((ours.dispersion.expect("dispersion") - variance).abs() < 1e-9);
}

#[test]
fn a_poisson_model_with_an_exposure_equals_rs() {
    let Some(oracle) = oracle("truth/survival_r_curves.json") else { return };
    let params = format!("{POISSON}covariates = [\"age\", \"male\"]");
    let ours = fit("glm", &params, LEUKSURV, &split(&data("leuksurv.csv"), "district"));
    equals_r("leuksurv poisson", &ours, &oracle["glm"]["leuksurv_poisson"]);
    let null = r()["poisson_loglik_null"].as_f64().expect("null");
    close("null model", &[ours.loglik_null], &[null], 1e-5);
    assert_eq!(ours.formula, "death ~ age + male + offset(log(time_days))");
    assert!(ours.iterations <= 6, "{} sums", ours.iterations);
    assert_eq!((ours.events, ours.dispersion), (879, None));
}

/// Without the exposure it is another model.
#[test]
fn the_exposure_matters() {
    let files = deal(&data("leuksurv.csv"), 4);
    let covariates = "covariates = [\"age\", \"male\"]";
    let with = fit("glm", &format!("{POISSON}{covariates}"), LEUKSURV, &files);
    let without = "family = \"poisson\"\noutcome = \"death\"\n";
    let without = fit("glm", &format!("{without}{covariates}"), LEUKSURV, &files);
    assert!((with.terms[1].coef - without.terms[1].coef).abs() > 0.01);
}

#[test]
fn interactions_equal_rs_in_raw_units_for_every_model() {
    let r = &r()["interaction"];
    let leuksurv = split(&data("leuksurv.csv"), "district");
    let covariates = "covariates = [\"male\", \"age\", \"male:age\"]";
    let cox = format!("time = \"time_days\"\nevent = \"death\"\n{covariates}");
    equals_r("cox male:age", &fit("cox", &cox, LEUKSURV, &leuksurv), &r["cox_male_age"]);
    let logistic = format!("outcome = \"death\"\n{covariates}");
    let ours = fit("glm", &logistic, LEUKSURV, &leuksurv);
    equals_r("logistic male:age", &ours, &r["logistic_male_age"]);
    let poisson = format!("{POISSON}{covariates}");
    let ours = fit("glm", &poisson, LEUKSURV, &leuksurv);
    equals_r("poisson male:age", &ours, &r["poisson_male_age"]);

    // A category: two terms of its own, and two of the interaction.
    let bmt = split(&data("bmt_klein.csv"), "hospital");
    let cox = "time = \"dfs_days\"\nevent = \"dfs_event\"\n\
               covariates = [\"disease_group\", \"patient_age\", \"disease_group:patient_age\"]";
    let ours = fit("cox", cox, BMT, &bmt);
    equals_r("cox group:age", &ours, &r["cox_group_age"]);

    let r = &r["linear_sex_age"];
    let params = format!("{LINEAR}covariates = [\"sex\", \"age\", \"creat\", \"sex:age\"]");
    let ours = fit("glm", &params, MGUS2, &deal(&data("mgus2.csv"), 3));
    equals_r("linear sex:age", &ours, r);
    for term in &ours.terms {
        let theirs = ["p", "lo", "hi"].map(|key| r[key][&term.name].as_f64().expect("number"));
        close(&term.name, &[term.p, term.lo, term.hi], &theirs, 1e-6);
        assert_eq!(term.hr, term.coef);
    }
}

fn reason(params: &str, files: &[String]) -> String {
    let schema = schema(LEUKSURV);
    match run("glm", params, &schema, &cohorts(&schema, files), 1) {
        Err(Error::Fit { task, reason }) if task == "glm" => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn outcomes_that_do_not_vary_are_named() {
    let model = |family: &str, outcome: &str| {
        format!("family = \"{family}\"\noutcome = \"{outcome}\"\ncovariates = [\"age\"]")
    };
    assert!(reason(&model("logistic", "death"), &same_of(1)).contains("same outcome"));
    assert!(reason(&model("logistic", "death"), &same_of(0)).contains("same outcome"));
    assert!(reason(&model("poisson", "death"), &same_of(0)).contains("0"));
    assert!(reason(&model("linear", "wbc"), &same_of(1)).contains("same"));
}

/// Four patients with the same outcome, whatever that is.
fn same_of(death: u8) -> [String; 1] {
    let mut text = "patient,time_days,death,district,age,male,wbc,tpi\n".to_owned();
    for age in [50, 61, 72, 53] {
        text.push_str(&format!("{age},5,{death},1,{age},{},10,0\n", age % 2));
    }
    [text]
}

/// A hospital without events, one where a column is constant, and one where all values are
/// missing: none spoils the others' fit.
#[test]
fn a_hospital_without_events_or_spread_or_values_spoils_nothing() {
    let schema = schema(MGUS2);
    let text = data("mgus2.csv");
    let params = "outcome = \"death\"\ncovariates = [\"age\", \"sex\", \"hgb\"]";
    let mut files = deal(&text, 3);
    let pooled = run("glm", params, &schema, &cohorts(&schema, &files), 1).expect("fit");
    let pooled: Fit = serde_json::from_value(pooled).expect("fit");

    let header = text.lines().next().expect("header");
    let column = |name: &str| header.split(',').position(|x| x == name).expect("column");
    let with = |changes: &[(&str, &str)], from: usize| -> String {
        let line = |(i, line): (usize, &str)| {
            let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
            fields[column("id")] = format!("x{from}{i}");
            for (name, value) in changes {
                fields[column(name)] = (*value).to_owned();
            }
            fields.join(",")
        };
        let lines: Vec<String> = text.lines().skip(from).take(30).enumerate().map(line).collect();
        format!("{header}\n{}\n", lines.join("\n"))
    };
    files.push(with(&[("hgb", "")], 1));
    let ours = run("glm", params, &schema, &cohorts(&schema, &files), 1).expect("fit");
    let ours: Fit = serde_json::from_value(ours).expect("fit");
    assert_eq!((ours.n, ours.sites), (pooled.n, 3), "nothing of a hospital without values");
    assert_eq!(ours.terms, pooled.terms);

    files.pop();
    files.push(with(&[("death", "0"), ("sex", "F")], 1));
    let mut together = files[..2].to_vec();
    together.push(format!("{}{}", files[2], files[3].split_once('\n').expect("header").1));
    let apart = run("glm", params, &schema, &cohorts(&schema, &files), 1).expect("fit");
    let together = run("glm", params, &schema, &cohorts(&schema, &together), 1).expect("fit");
    let [apart, together] =
        [apart, together].map(|v| serde_json::from_value::<Fit>(v).expect("haima.fit/1"));
    assert!(apart.n > pooled.n && apart.sites == 4);
    for (a, b) in apart.terms.iter().zip(&together.terms) {
        assert!((a.coef - b.coef).abs() < 1e-8 && (a.se - b.se).abs() < 1e-8);
    }
    let nobody = [cohort(&schema, &with(&[("hgb", "")], 1))];
    let error = run("glm", params, &schema, &nobody, 1).expect_err("nobody");
    assert!(error.to_string().contains("no complete case"), "{error}");
}

#[test]
fn parameters_that_make_no_model_are_refused() {
    for bad in [
        "family = \"linear\"\noutcome = \"death\"\ncovariates = [\"age\"]",
        "family = \"linear\"\noutcome = \"wbc\"\ncovariates = [\"age\", \"wbc\"]",
        "family = \"poisson\"\noutcome = \"tpi\"\ncovariates = [\"age\"]",
        "family = \"poisson\"\noutcome = \"death\"\nexposure = \"tpi\"\ncovariates = [\"age\"]",
        "family = \"poisson\"\ntime = \"time_days\"\nevent = \"death\"\nhorizon = 9\n\
         covariates = [\"age\"]",
        "outcome = \"death\"\nexposure = \"time_days\"\ncovariates = [\"age\"]",
        "family = \"gamma\"\noutcome = \"wbc\"\ncovariates = [\"age\"]",
        "outcome = \"death\"\ncovariates = [\"age\"]\nsteps = 3",
        "outcome = \"death\"\ncovariates = [\"age\"]\nrelease = \"noised\"",
        "family = \"poisson\"\noutcome = \"death\"\ncovariates = [\"age\"]\nrelease = \"noised\"\n\
         expected_patients = 10",
        "family = \"linear\"\noutcome = \"wbc\"\ncovariates = [\"age\"]\nrelease = \"noised\"\n\
         expected_patients = 10\nsteps = 2",
        "outcome = \"death\"\ncovariates = [\"age\"]\nrelease = \"noised\"\n\
         expected_patients = 10\nlasso = 1.0",
        "outcome = \"death\"\ncovariates = [\"age\"]\nrelease = \"noised\"\n\
         expected_patients = 10\nclip = 0.0",
    ] {
        let refused = open("glm", bad, &schema(LEUKSURV)).err();
        assert!(matches!(refused, Some(Error::Params { .. })), "{bad}: {refused:?}");
    }
}
