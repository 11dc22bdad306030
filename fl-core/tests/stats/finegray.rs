//! Fine-Gray, over several hospitals, against R's `cmprsk::crr` of the pooled rows.

use haima_fl_core::Error;
use haima_fl_core::results::finegray::SubdistributionFit;
use serde_json::Value;

use crate::common::{
    BMT_ENDING, MGUS2_EVENT, bmt_ending, close, cohorts, deal, mgus2_event, open, oracle, run,
    schema, shipped_oracle, split,
};

fn try_fit(params: &str, schema_text: &str, files: &[String]) -> Result<SubdistributionFit, Error> {
    let schema = schema(schema_text);
    let output = run("finegray", params, &schema, &cohorts(&schema, files), 1)?;
    Ok(serde_json::from_value(output).expect("haima.fit/1"))
}

fn mgus2_params(cause: &str, grid: &str) -> String {
    format!(
        "time = \"etime\"\nevent = \"event\"\ncause = \"{cause}\"\ngrid = {grid}\n\
         covariates = [\"age\", \"sex\", \"hgb\", \"mspike\"]"
    )
}

fn mgus2(cause: &str, grid: &str, sites: usize) -> SubdistributionFit {
    let files = deal(&mgus2_event(), sites);
    try_fit(&mgus2_params(cause, grid), MGUS2_EVENT, &files).expect("fit")
}

fn equals_r(what: &str, ours: &SubdistributionFit, r: &Value) {
    let fit = &ours.fit;
    let of = |key: &str| -> Vec<f64> {
        fit.terms.iter().map(|term| r[key][&term.name].as_f64().expect("term of R")).collect()
    };
    let coef: Vec<f64> = fit.terms.iter().map(|term| term.coef).collect();
    let se: Vec<f64> = fit.terms.iter().map(|term| term.se).collect();
    let coef = close(what, &coef, &of("coef"), 1e-6);
    let worst_se = close(what, &se, &of("se"), 1e-6);
    let loglik = close(what, &[fit.loglik], &[r["loglik"].as_f64().expect("loglik")], 1e-4);
    if let Some(null) = r["loglik_null"].as_f64() {
        close(what, &[fit.loglik_null], &[null], 1e-4);
    }
    assert_eq!(r["n"].as_u64(), Some(fit.n), "{what}");
    // The sandwich is not the inverse information.
    if r.get("se_model").is_some() {
        let apart = of("se_model").iter().zip(&se).any(|(a, b)| (a - b).abs() > 1e-4);
        assert!(apart, "{what}");
    }
    eprintln!(
        "Fine-Gray {what}: coef {coef:.1e}, se {worst_se:.1e}, loglik {loglik:.1e}, {} sums",
        fit.iterations
    );
}

#[test]
fn finegray_over_hospitals_equals_the_shared_oracle() {
    let Some(r) = oracle("truth/survival_r_curves.json") else { return };
    let ours = mgus2("pcm", "1.0", 6);
    equals_r("mgus2 pcm", &ours, &r["fine_gray"]["mgus2_pcm"]);
    assert_eq!((ours.fit.sites, ours.fit.events, ours.cause.as_str()), (6, 114, "pcm"));
    assert_eq!(ours.fit.formula, "crr(etime, event == pcm) ~ age + sex + hgb + mspike");
}

#[test]
fn finegray_over_hospitals_equals_r() {
    let r = &shipped_oracle("competing.json")["finegray"];
    equals_r("mgus2 death", &mgus2("death", "1.0", 5), &r["mgus2_death"]);
    equals_r("mgus2 pcm 12 m", &mgus2("pcm", "12.0", 5), &r["mgus2_pcm_12m"]);
    let params = "time = \"dfs_days\"\nevent = \"ending\"\ncause = \"relapse\"\ngrid = 1.0\n\
                  covariates = [\"disease_group\", \"fab_4_5_aml\", \"patient_age\"]";
    let ours = try_fit(params, BMT_ENDING, &split(&bmt_ending(), "hospital")).expect("fit");
    equals_r("bmt relapse", &ours, &r["bmt_relapse"]);
    assert_eq!((ours.fit.events, ours.competing, ours.fit.sites), (42, 41, 4));
}

/// Without weights those with a competing event would leave the risk sets: Cox of the cause.
#[test]
fn finegray_is_not_the_cause_specific_fit() {
    let ours = mgus2("pcm", "1.0", 3);
    let schema = schema(MGUS2_EVENT);
    let params = format!("strata = \"none\"\n{}", mgus2_params("pcm", "1.0"));
    let cohorts = cohorts(&schema, &deal(&mgus2_event(), 3));
    let cox = run("cox", &params, &schema, &cohorts, 1).expect("fit");
    let age = cox["terms"][0]["coef"].as_f64().expect("coef");
    // Age shortens the time at risk of progression: the sign turns.
    assert!(age > 0.01 && ours.fit.terms[0].coef < -0.01);
}

#[test]
fn finegray_does_not_depend_on_the_split() {
    let (one, many) = (mgus2("pcm", "1.0", 1), mgus2("pcm", "1.0", 17));
    for (a, b) in one.fit.terms.iter().zip(&many.fit.terms) {
        assert!((a.coef - b.coef).abs() < 1e-6 && (a.se - b.se).abs() < 1e-6);
    }
}

#[test]
fn finegray_names_what_cannot_be_fitted() {
    let files = deal(&mgus2_event(), 3);
    let reason = |params: &str, files: &[String]| match try_fit(params, MGUS2_EVENT, files) {
        Err(Error::Fit { task, reason }) if task == "finegray" => reason,
        other => panic!("{other:?}"),
    };
    let params = mgus2_params("pcm", "1.0");
    let none = |file: &String| file.replace(",pcm\n", ",censored\n");
    let without: Vec<String> = files.iter().map(none).collect();
    assert!(reason(&params, &without).contains("`pcm`"));
    // At one hospital alone it does no harm; nor does a hospital of men.
    let mut some = files.clone();
    some[0] = none(&some[0]);
    some[1] = some[1].replace(",F,", ",M,");
    try_fit(&params, MGUS2_EVENT, &some).expect("fit");
    let men: Vec<String> = files.iter().map(|file| file.replace(",F,", ",M,")).collect();
    assert!(reason(&params, &men).contains("`sexM`"));
}

#[test]
fn finegray_refuses_what_is_no_cause() {
    let schema = schema(MGUS2_EVENT);
    let refused = |params: &str| match open("finegray", params, &schema).err() {
        Some(Error::Params { task, reason }) if task == "finegray" => reason,
        other => panic!("{other:?}"),
    };
    for cause in ["relapse", "censored", ""] {
        assert!(refused(&mgus2_params(cause, "1.0")).contains("pcm, death"));
    }
    assert!(refused(&mgus2_params("pcm", "0.0")).contains("`grid`"));
    let twice = mgus2_params("pcm", "1.0").replace("\"hgb\"", "\"event\"");
    assert!(refused(&twice).contains("outcome and a covariate"));
}
