//! Cox without strata, over several hospitals, against R's `coxph` of the pooled rows.

use haima_fl_core::Error;
use haima_fl_core::results::gridded::GriddedFit;
use serde_json::Value;

use crate::common::{
    BMT, LEUKSURV, MGUS2, MGUS2_EVENT, MYELOMA, close, cohorts, data, deal, derived, mgus2_event,
    numbers, open, oracle, run, schema, shared, shipped_oracle, split,
};

const LEUKSURV_PARAMS: &str = r#"
    strata = "none"
    time = "time_days"
    event = "death"
    covariates = ["age", "male", "wbc", "tpi"]
"#;
const FLCHAIN: &str = r#"
    one_row_per_patient = true
    ignore = ["sample_yr", "flc_grp", "chapter"]
    [[column]]
    name = "age"
    kind = "numeric"
    range = [40, 110]
    [[column]]
    name = "sex"
    kind = "category"
    levels = ["F", "M"]
    [[column]]
    name = "kappa"
    kind = "numeric"
    range = [0, 25]
    [[column]]
    name = "lambda"
    kind = "numeric"
    range = [0, 30]
    [[column]]
    name = "creatinine"
    kind = "numeric"
    range = [0, 15]
    missing = true
    [[column]]
    name = "mgus"
    kind = "flag"
    [[column]]
    name = "futime"
    kind = "numeric"
    range = [0, 6000]
    [[column]]
    name = "death"
    kind = "flag"
"#;

fn try_fit(params: &str, schema_text: &str, files: &[String]) -> Result<GriddedFit, Error> {
    let schema = schema(schema_text);
    let output = run("cox", params, &schema, &cohorts(&schema, files), 1)?;
    Ok(serde_json::from_value(output).expect("haima.fit/1"))
}

fn fit(params: &str, schema_text: &str, files: &[String]) -> GriddedFit {
    try_fit(params, schema_text, files).expect("fit")
}

fn with(params: &str, more: &str) -> String {
    format!("{more}\n{params}")
}

fn equals_r(what: &str, ours: &GriddedFit, r: &Value) {
    let fit = &ours.fit;
    let of = |key: &str| -> Vec<f64> {
        fit.terms.iter().map(|term| r[key][&term.name].as_f64().expect("term of R")).collect()
    };
    let coef: Vec<f64> = fit.terms.iter().map(|term| term.coef).collect();
    let se: Vec<f64> = fit.terms.iter().map(|term| term.se).collect();
    let coef = close(what, &coef, &of("coef"), 1e-7);
    let se = close(what, &se, &of("se"), 1e-7);
    let loglik = ["loglik", "loglik_null"].map(|key| r[key].as_f64().expect("loglik"));
    let loglik = close(what, &[fit.loglik, fit.loglik_null], &loglik, 1e-4);
    assert_eq!(r["n"].as_u64(), Some(fit.n), "{what}");
    assert_eq!(r["events"].as_u64(), Some(fit.events), "{what}");
    assert_eq!(fit.strata, "none");
    let mut baseline = f64::NAN;
    if let Some(theirs) = r.get("baseline") {
        baseline = baseline_equals_r(what, ours, theirs, "cumhaz");
    }
    eprintln!(
        "cox across hospitals, {what}: coef {coef:.1e}, se {se:.1e}, loglik {loglik:.1e}, \
         baseline {baseline:.1e}, {} sums",
        fit.iterations
    );
}

/// R lists censoring times too, at which the hazard stands still.
fn baseline_equals_r(what: &str, ours: &GriddedFit, r: &Value, key: &str) -> f64 {
    let (time, cumhaz) = (numbers(&r["time"]), numbers(&r[key]));
    let theirs: Vec<f64> = (ours.baseline.time.iter())
        .map(|t| cumhaz[time.iter().rposition(|step| step <= t).expect("a step of R")])
        .collect();
    assert!(theirs.last() == cumhaz.last() && theirs.windows(2).all(|pair| pair[0] < pair[1]));
    // Hazards at covariates 0 are of any size: relative to the last.
    let scale = theirs.last().expect("steps");
    close(what, &ours.baseline.cumhaz, &theirs, 1e-6 * scale.max(1.0)) / scale
}

#[test]
fn cox_across_hospitals_equals_r() {
    let r = &shipped_oracle("competing.json")["cox"];
    let files = split(&data("leuksurv.csv"), "district");
    for ties in ["breslow", "efron"] {
        for (key, grid) in [("leuksurv", 1.0), ("leuksurv_30d", 30.0)] {
            let params = with(LEUKSURV_PARAMS, &format!("ties = \"{ties}\"\ngrid = {grid:?}"));
            let ours = fit(&params, LEUKSURV, &files);
            equals_r(&format!("{key} {ties}"), &ours, &r[format!("{key}_{ties}")]);
            assert_eq!((ours.fit.sites, ours.fit.ties.as_str(), ours.grid), (24, ties, grid));
        }
    }
}

#[test]
fn cox_across_hospitals_equals_the_shared_oracle() {
    let Some(r) = oracle("truth/survival_r.json") else { return };
    let Some(curves) = oracle("truth/survival_r_curves.json") else { return };
    let leuksurv = split(&data("leuksurv.csv"), "district");
    let ours = fit(&with(LEUKSURV_PARAMS, "grid = 1.0"), LEUKSURV, &leuksurv);
    equals_r("leuksurv", &ours, &r["leuksurv"]["pooled"]);
    let ours = fit(&with(LEUKSURV_PARAMS, "grid = 1.0\nties = \"breslow\""), LEUKSURV, &leuksurv);
    equals_r("leuksurv breslow", &ours, &r["leuksurv"]["pooled_breslow"]);
    let basehaz = &curves["basehaz"]["leuksurv_unstratified_breslow"];
    baseline_equals_r("leuksurv basehaz", &ours, basehaz, "hazard");

    let params = r#"
        strata = "none"
        grid = 1.0
        ties = "breslow"
        time = "dfs_days"
        event = "dfs_event"
        covariates = ["disease_group", "fab_4_5_aml", "patient_age", "donor_age"]
    "#;
    let bmt = split(&data("bmt_klein.csv"), "hospital");
    equals_r("bmt", &fit(params, BMT, &bmt), &r["bmt_klein"]["dfs_pooled"]);

    for (key, ties) in [("death", "efron"), ("death_breslow", "breslow")] {
        let params = r#"
            strata = "none"
            grid = 1.0
            time = "futime"
            event = "death"
            covariates = ["age", "sex", "hgb", "creat", "mspike"]
        "#;
        let params = with(params, &format!("ties = \"{ties}\""));
        let ours = fit(&params, MGUS2, &deal(&data("mgus2.csv"), 7));
        equals_r(&format!("mgus2 {key}"), &ours, &r["mgus2"][key]);
    }
}

#[test]
fn cox_across_hospitals_of_a_large_cohort_equals_r() {
    let Some(r) = oracle("truth/survival_r.json") else { return };
    let Some(path) = shared("data/flchain.csv") else { return };
    let text = std::fs::read_to_string(path).expect("readable data");
    for (key, ties) in [("death", "efron"), ("death_breslow", "breslow")] {
        let params = r#"
            strata = "none"
            grid = 1.0
            time = "futime"
            event = "death"
            covariates = ["age", "sex", "kappa", "lambda", "creatinine", "mgus"]
        "#;
        let params = with(params, &format!("ties = \"{ties}\""));
        let ours = fit(&params, FLCHAIN, &deal(&text, 10));
        equals_r(&format!("flchain {key}"), &ours, &r["flchain"][key]);
    }
}

#[test]
fn cox_across_hospitals_with_left_truncation_equals_r() {
    let r = &shipped_oracle("competing.json")["cox"];
    let text = derived(&data("leuksurv.csv"), "delayed", |row| {
        (row["patient"].parse::<u32>().expect("number") % 7 * 20).to_string()
    });
    let column = "[[column]]\nname = \"delayed\"\nkind = \"numeric\"\nrange = [0, 200]";
    let schema = format!("{LEUKSURV}\n{column}");
    for ties in ["breslow", "efron"] {
        for (key, grid) in [("leuksurv_delayed", "1.0"), ("leuksurv_delayed_30d", "30.0")] {
            let more = format!("ties = \"{ties}\"\ngrid = {grid}\nentry = \"delayed\"");
            let params = with(LEUKSURV_PARAMS, &more);
            let ours = fit(&params, &schema, &split(&text, "district"));
            equals_r(&format!("{key} {ties}"), &ours, &r[format!("{key}_{ties}")]);
        }
    }
    let Some(r) = oracle("truth/survival_r_curves.json") else { return };
    let Some(path) = shared("data/myeloma_mayo.csv") else { return };
    let text = std::fs::read_to_string(path).expect("readable data");
    let params = r#"
        strata = "none"
        grid = 1.0
        time = "futime"
        event = "death"
        entry = "entry"
        covariates = ["year"]
    "#;
    let ours = fit(params, MYELOMA, &deal(&text, 6));
    equals_r("myeloma", &ours, &r["cox"]["myeloma_left_truncated"]);
    assert_eq!(ours.fit.formula, "Surv(entry, futime, death) ~ year");
}

/// Each cause against all other ends, which count as censored.
#[test]
fn cause_specific_cox_equals_r() {
    let shipped = &shipped_oracle("competing.json")["cox"];
    let files = deal(&mgus2_event(), 5);
    let params = |cause: &str, ties: &str| {
        format!(
            "time = \"etime\"\nevent = \"event\"\ncause = \"{cause}\"\nties = \"{ties}\"\n\
             covariates = [\"age\", \"sex\", \"mspike\"]"
        )
    };
    let across = |params: &str| with(params, "strata = \"none\"\ngrid = 1.0");
    for ties in ["breslow", "efron"] {
        for (cause, key) in [("pcm", "mgus2_pcm"), ("death", "mgus2_death_without_pcm")] {
            let ours = fit(&across(&params(cause, ties)), MGUS2_EVENT, &files);
            equals_r(&format!("{key} {ties}"), &ours, &shipped[format!("{key}_{ties}")]);
        }
    }
    let Some(r) = oracle("truth/survival_r.json") else { return };
    for (cause, key) in
        [("pcm", "pcm_age_sex_mspike_vignette"), ("death", "death_noPCM_age_sex_mspike_vignette")]
    {
        let params = params(cause, "efron");
        equals_r(key, &fit(&across(&params), MGUS2_EVENT, &files), &r["mgus2"][key]);
        // A single hospital is a single stratum.
        let schema = schema(MGUS2_EVENT);
        let whole = cohorts(&schema, &[mgus2_event()]);
        let stratified = run("cox", &params, &schema, &whole, 1).expect("fit");
        for term in stratified["terms"].as_array().expect("terms") {
            let name = term["name"].as_str().expect("name");
            let theirs = r["mgus2"][key]["coef"][name].as_f64().expect("term of R");
            close(name, &[term["coef"].as_f64().expect("coef")], &[theirs], 1e-7);
        }
        assert_eq!(
            stratified["formula"],
            format!("Surv(etime, event == {cause}) ~ age + sex + mspike + strata(site)")
        );
    }
}

#[test]
fn cox_across_hospitals_is_not_the_stratified_fit() {
    let files = split(&data("bmt_klein.csv"), "hospital");
    let params = r#"
        time = "dfs_days"
        event = "dfs_event"
        covariates = ["disease_group", "fab_4_5_aml", "patient_age", "donor_age"]
    "#;
    let across = fit(&with(params, "strata = \"none\"\ngrid = 1.0"), BMT, &files);
    let schema = schema(BMT);
    let within = run("cox", params, &schema, &cohorts(&schema, &files), 1).expect("fit");
    let other = within["terms"][1]["coef"].as_f64().expect("coef");
    assert!((across.fit.terms[1].coef - other).abs() > 0.1);
}

#[test]
fn cox_across_hospitals_does_not_depend_on_the_split() {
    let text = data("leuksurv.csv");
    let params = with(LEUKSURV_PARAMS, "grid = 30.0");
    let one = fit(&params, LEUKSURV, &deal(&text, 1));
    let many = fit(&params, LEUKSURV, &deal(&text, 17));
    for (a, b) in one.fit.terms.iter().zip(&many.fit.terms) {
        assert!((a.coef - b.coef).abs() < 1e-8 && (a.se - b.se).abs() < 1e-8);
    }
}

/// A site without any event still belongs to the risk sets of the others.
#[test]
fn a_hospital_without_events_counts_in_the_risk_sets() {
    let text = data("leuksurv.csv");
    let header = text.lines().next().expect("header");
    let dead = |line: &&str| line.split(',').nth(2) == Some("1");
    let gather = |lines: Vec<&str>| format!("{header}\n{}\n", lines.join("\n"));
    let events = gather(text.lines().skip(1).filter(dead).collect());
    let censored = gather(text.lines().skip(1).filter(|line| !dead(line)).collect());
    let params = with(LEUKSURV_PARAMS, "grid = 1.0");
    let apart = fit(&params, LEUKSURV, &[events.clone(), censored]);
    equals_r(
        "no event at one site",
        &apart,
        &shipped_oracle("competing.json")["cox"]["leuksurv_efron"],
    );
    let alone = fit(&params, LEUKSURV, &[events]);
    assert!((alone.fit.terms[0].coef - apart.fit.terms[0].coef).abs() > 1e-3);
}

#[test]
fn cox_across_hospitals_names_what_cannot_be_fitted() {
    let files = deal(&mgus2_event(), 3);
    let params = |covariates: &str| {
        format!(
            "strata = \"none\"\ngrid = 1.0\ntime = \"etime\"\nevent = \"event\"\ncause = \"pcm\"\n\
             covariates = {covariates}"
        )
    };
    let reason =
        |covariates: &str, files: &[String]| match try_fit(&params(covariates), MGUS2_EVENT, files)
        {
            Err(Error::Fit { task, reason }) if task == "cox" => reason,
            other => panic!("{other:?}"),
        };
    let without: Vec<String> =
        files.iter().map(|file| file.replace(",pcm\n", ",censored\n")).collect();
    assert!(reason("[\"age\"]", &without).contains("no event"));
    // Everybody is a man, at every hospital.
    let men: Vec<String> = files.iter().map(|file| file.replace(",F,", ",M,")).collect();
    assert!(reason("[\"age\", \"sex\"]", &men).contains("`sexM`"));
    // At one hospital alone it does no harm.
    let mut some = files.clone();
    some[0] = men[0].clone();
    try_fit(&params("[\"age\", \"sex\"]"), MGUS2_EVENT, &some).expect("fit");
    // Every progression is a man's.
    let separated: Vec<String> = (files.iter())
        .map(|file| {
            let line = |line: &str| match line.ends_with(",pcm") {
                true => line.replace(",F,", ",M,") + "\n",
                false => line.to_owned() + "\n",
            };
            file.lines().map(line).collect()
        })
        .collect();
    assert!(reason("[\"age\", \"sex\"]", &separated).contains("`sexM`"));
}

#[test]
fn cox_across_hospitals_refuses_what_it_cannot_do() {
    let schema = schema(LEUKSURV);
    let refused = |params: &str| match open("cox", params, &schema).err() {
        Some(Error::Params { task, reason }) if task == "cox" => reason,
        other => panic!("{other:?}"),
    };
    let reason = refused(LEUKSURV_PARAMS);
    assert!(reason.contains("`grid`") && reason.contains("site x column"), "{reason}");
    for grid in ["0.0", "-1.0", "nan", "1e-9"] {
        assert!(refused(&with(LEUKSURV_PARAMS, &format!("grid = {grid}"))).contains("`grid`"));
    }
    assert!(refused(&with(LEUKSURV_PARAMS, "grid = 1.0\ncause = \"x\"")).contains("category"));
}
