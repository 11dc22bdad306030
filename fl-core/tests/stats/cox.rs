//! Cox: against R, and against a textbook fit of the pooled rows written for this test.

use haima_fl_core::Error;
use haima_fl_core::results::Fit;
use serde_json::Value;

use crate::common::{
    BMT, LEUKSURV, MGUS2, MYELOMA, close, cohort, cohorts, data, deal, oracle, records, run,
    schema, shared, split,
};

const BMT_PARAMS: &str = r#"
    time = "dfs_days"
    event = "dfs_event"
    covariates = ["disease_group", "fab_4_5_aml", "patient_age", "donor_age"]
"#;
const LEUKSURV_PARAMS: &str = r#"
    time = "time_days"
    event = "death"
    covariates = ["age", "male", "wbc", "tpi"]
"#;

fn fit(params: &str, schema_text: &str, files: &[String]) -> Fit {
    let schema = schema(schema_text);
    let output = run("cox", params, &schema, &cohorts(&schema, files), 1).expect("fit");
    serde_json::from_value(output).expect("haima.fit/1")
}

fn equals_r(what: &str, fit: &Fit, r: &Value) {
    let (mut coef, mut se) = (Vec::new(), Vec::new());
    for term in &fit.terms {
        let theirs = |key: &str| r[key][&term.name].as_f64().expect("term of R");
        coef.push((term.coef, theirs("coef")));
        se.push((term.se, theirs("se")));
        assert!((term.hr - term.coef.exp()).abs() < 1e-9 * term.hr);
        assert!((term.lo - (term.coef - 1.959_964 * term.se).exp()).abs() < 1e-6 * term.lo);
        assert!((term.hi - (term.coef + 1.959_964 * term.se).exp()).abs() < 1e-6 * term.hi);
    }
    let split = |pairs: Vec<(f64, f64)>| pairs.into_iter().unzip::<f64, f64, Vec<_>, Vec<_>>();
    let ((coef, r_coef), (se, r_se)) = (split(coef), split(se));
    let coef = close(what, &coef, &r_coef, 1e-5);
    let se = close(what, &se, &r_se, 1e-5);
    let ours = [fit.loglik, fit.loglik_null];
    let theirs = ["loglik", "loglik_null"].map(|key| r[key].as_f64().expect("loglik"));
    let loglik = close(what, &ours, &theirs, 1e-4);
    assert_eq!(r["n"].as_u64(), Some(fit.n), "{what}");
    assert_eq!(r["events"].as_u64(), Some(fit.events), "{what}");
    eprintln!(
        "cox {what}: coef {coef:.1e}, se {se:.1e}, loglik {loglik:.1e}, {} sums",
        fit.iterations
    );
}

#[test]
fn cox_stratified_by_hospital_equals_r() {
    let Some(r) = oracle("truth/survival_r_curves.json") else { return };
    let bmt = split(&data("bmt_klein.csv"), "hospital");
    let leuksurv = split(&data("leuksurv.csv"), "district");
    for ties in ["breslow", "efron"] {
        let ties_param = format!("ties = \"{ties}\"\n");
        let ours = fit(&(ties_param.clone() + BMT_PARAMS), BMT, &bmt);
        equals_r(&format!("bmt {ties}"), &ours, &r["cox"][format!("bmt_strat_{ties}")]);
        assert_eq!((ours.sites, ours.ties.as_str(), ours.strata.as_str()), (4, ties, "site"));
        let ours = fit(&(ties_param + LEUKSURV_PARAMS), LEUKSURV, &leuksurv);
        equals_r(&format!("leuksurv {ties}"), &ours, &r["cox"][format!("leuksurv_strat_{ties}")]);
        assert_eq!(ours.sites, 24);
    }
}

#[test]
fn cox_of_a_single_hospital_equals_r_without_strata() {
    let Some(r) = oracle("truth/survival_r.json") else { return };
    let pooled = [data("leuksurv.csv")];
    equals_r("leuksurv pooled", &fit(LEUKSURV_PARAMS, LEUKSURV, &pooled), &r["leuksurv"]["pooled"]);
    let params = format!("ties = \"breslow\"\n{LEUKSURV_PARAMS}");
    equals_r(
        "leuksurv pooled breslow",
        &fit(&params, LEUKSURV, &pooled),
        &r["leuksurv"]["pooled_breslow"],
    );
}

#[test]
fn cox_leaves_out_incomplete_rows_as_r_does() {
    let Some(r) = oracle("truth/survival_r.json") else { return };
    let params = r#"
        time = "futime"
        event = "death"
        covariates = ["age", "sex", "hgb", "creat", "mspike"]
    "#;
    equals_r("mgus2 death", &fit(params, MGUS2, &[data("mgus2.csv")]), &r["mgus2"]["death"]);
}

#[test]
fn cox_stratified_by_a_column_within_the_site_equals_r() {
    let Some(r) = oracle("truth/survival_r.json") else { return };
    let params = r#"
        time = "futime"
        event = "death"
        covariates = ["age", "hgb", "creat", "mspike"]
        strata = "sex"
    "#;
    let ours = fit(params, MGUS2, &[data("mgus2.csv")]);
    equals_r("mgus2 strata(sex)", &ours, &r["mgus2"]["death_strat_sex"]);
    assert_eq!(
        ours.formula,
        "Surv(futime, death) ~ age + hgb + creat + mspike + strata(site, sex)"
    );
}

#[test]
fn cox_with_left_truncation_equals_r() {
    let Some(r) = oracle("truth/survival_r_curves.json") else { return };
    let Some(path) = shared("data/myeloma_mayo.csv") else { return };
    let text = std::fs::read_to_string(path).expect("readable data");
    let params = r#"
        time = "futime"
        event = "death"
        entry = "entry"
        covariates = ["year"]
    "#;
    let ours = fit(params, MYELOMA, &[text]);
    equals_r("myeloma left-truncated", &ours, &r["cox"]["myeloma_left_truncated"]);
}

/// Needs no oracle: stratified log partial likelihood, gradient and Hessian by their definitions,
/// O(n^2), in raw units less the mean, solved by Gauss-Jordan.
#[test]
fn cox_over_secure_sums_is_the_pooled_stratified_fit() {
    for (schema_text, file, params, column, time, event, names) in [
        (
            LEUKSURV,
            "leuksurv.csv",
            LEUKSURV_PARAMS,
            "district",
            "time_days",
            "death",
            vec!["age", "male", "wbc", "tpi"],
        ),
        (
            BMT,
            "bmt_klein.csv",
            r#"
                time = "dfs_days"
                event = "dfs_event"
                covariates = ["fab_4_5_aml", "patient_age", "donor_age"]
            "#,
            "hospital",
            "dfs_days",
            "dfs_event",
            vec!["fab_4_5_aml", "patient_age", "donor_age"],
        ),
    ] {
        let text = data(file);
        let rows: Vec<Row> = records(&text)
            .into_iter()
            .map(|record| Row {
                stratum: record[column].clone(),
                time: record[time].parse().expect("time"),
                event: record[event] == "1",
                x: names.iter().map(|name| record[*name].parse().expect("covariate")).collect(),
            })
            .collect();
        for ties in ["breslow", "efron"] {
            let params = format!("ties = \"{ties}\"\n{params}");
            let ours = fit(&params, schema_text, &split(&text, column));
            let (beta, se) = pooled(rows.clone(), ties == "efron");
            let worst = close(
                file,
                &ours.terms.iter().map(|term| term.coef).collect::<Vec<_>>(),
                &beta,
                1e-6,
            );
            let worst_se =
                close(file, &ours.terms.iter().map(|term| term.se).collect::<Vec<_>>(), &se, 1e-6);
            eprintln!("cox {file} {ties} against the pooled fit: {worst:.1e}, se {worst_se:.1e}");
        }
    }
}

#[derive(Clone)]
struct Row {
    stratum: String,
    time: f64,
    event: bool,
    x: Vec<f64>,
}

fn pooled(mut rows: Vec<Row>, efron: bool) -> (Vec<f64>, Vec<f64>) {
    let p = rows[0].x.len();
    for j in 0..p {
        let mean = rows.iter().map(|row| row.x[j]).sum::<f64>() / rows.len() as f64;
        rows.iter_mut().for_each(|row| row.x[j] -= mean);
    }
    let mut beta = vec![0.0; p];
    loop {
        let (mut g, mut h) = (vec![0.0; p], vec![vec![0.0; p]; p]);
        let risk = |row: &Row| row.x.iter().zip(&beta).map(|(x, b)| x * b).sum::<f64>().exp();
        for (i, row) in rows.iter().enumerate().filter(|(_, row)| row.event) {
            let tied =
                |other: &Row| other.event && other.time == row.time && other.stratum == row.stratum;
            // The place of this event among those tied with it.
            let before = rows[..i].iter().filter(|other| tied(other)).count() as f64;
            let ties = rows.iter().filter(|other| tied(other)).count() as f64;
            let (mut s0, mut s1, mut s2) = (0.0, vec![0.0; p], vec![vec![0.0; p]; p]);
            for other in &rows {
                if other.stratum != row.stratum || other.time < row.time {
                    continue;
                }
                let share = if efron && tied(other) { 1.0 - before / ties } else { 1.0 };
                let weight = share * risk(other);
                s0 += weight;
                for j in 0..p {
                    s1[j] += weight * other.x[j];
                    for k in 0..p {
                        s2[j][k] += weight * other.x[j] * other.x[k];
                    }
                }
            }
            for j in 0..p {
                g[j] += row.x[j] - s1[j] / s0;
                for k in 0..p {
                    h[j][k] += s2[j][k] / s0 - s1[j] * s1[k] / (s0 * s0);
                }
            }
        }
        let inverse = inverse(h);
        let step: Vec<f64> =
            inverse.iter().map(|row| row.iter().zip(&g).map(|(a, b)| a * b).sum()).collect();
        beta.iter_mut().zip(&step).for_each(|(b, s)| *b += s);
        if step.iter().all(|s| s.abs() < 1e-13) {
            return (beta, (0..p).map(|j| inverse[j][j].sqrt()).collect());
        }
    }
}

fn inverse(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let p = a.len();
    for (i, row) in a.iter_mut().enumerate() {
        row.extend((0..p).map(|j| f64::from(u8::from(i == j))));
    }
    for i in 0..p {
        let pivot = a[i].clone();
        a[i].iter_mut().for_each(|value| *value /= pivot[i]);
        let pivot = a[i].clone();
        for (_, row) in a.iter_mut().enumerate().filter(|(k, _)| *k != i) {
            let factor = row[i];
            row.iter_mut().zip(&pivot).for_each(|(value, p)| *value -= factor * p);
        }
    }
    a.into_iter().map(|row| row[p..].to_vec()).collect()
}

/// Patients of a made-up hospital: time, event, and two covariates.
fn made_up(rows: &[(u32, u8, u32, u8)]) -> String {
    let mut text = "patient,time_days,death,district,age,male,wbc,tpi\n".to_owned();
    for (i, (time, event, age, male)) in rows.iter().enumerate() {
        text.push_str(&format!("{i},{time},{event},1,{age},{male},10,0\n"));
    }
    text
}

fn fails(covariates: &str, rows: &[(u32, u8, u32, u8)]) -> String {
    let schema = schema(LEUKSURV);
    let params = format!("time = \"time_days\"\nevent = \"death\"\ncovariates = {covariates}");
    let cohorts = [cohort(&schema, &made_up(rows))];
    match run("cox", &params, &schema, &cohorts, 1) {
        Err(Error::Fit { task, reason }) if task == "cox" => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn cox_names_the_term_that_has_no_maximum() {
    // Every death is of a man: the hazard ratio is infinite.
    let rows = [(1, 1, 50, 1), (2, 1, 60, 1), (3, 1, 40, 1), (4, 0, 50, 0), (5, 0, 61, 0)];
    let reason = fails(r#"["age", "male"]"#, &rows);
    assert!(reason.contains("`male`"), "{reason}");
}

#[test]
fn cox_names_the_term_that_is_constant_or_a_combination_of_others() {
    let rows = [(1, 1, 50, 1), (2, 1, 60, 0), (3, 1, 40, 1), (4, 0, 50, 0), (5, 0, 61, 1)];
    assert!(fails(r#"["age", "wbc"]"#, &rows).contains("`wbc`"));
    // Age tells the sex.
    let rows = [(1, 1, 50, 1), (2, 1, 60, 0), (3, 1, 50, 1), (4, 0, 60, 0), (5, 0, 50, 1)];
    assert!(fails(r#"["age", "male"]"#, &rows).contains("`male`"));
}

#[test]
fn cox_without_any_event_says_so() {
    let reason = fails(r#"["age"]"#, &[(1, 0, 50, 1), (2, 0, 60, 0)]);
    assert!(reason.contains("no event"), "{reason}");
}

#[test]
fn cox_does_not_depend_on_the_order_of_patients() {
    let text = data("leuksurv.csv");
    let mut reversed: Vec<&str> = text.lines().skip(1).collect();
    reversed.reverse();
    let header = text.lines().next().expect("header");
    let reversed = format!("{header}\n{}\n", reversed.join("\n"));
    let one = fit(LEUKSURV_PARAMS, LEUKSURV, &split(&text, "district"));
    let other = fit(LEUKSURV_PARAMS, LEUKSURV, &split(&reversed, "district"));
    for (a, b) in one.terms.iter().zip(&other.terms) {
        assert!((a.coef - b.coef).abs() < 1e-9);
    }
}

#[test]
fn cox_leaves_out_sites_below_their_floor_and_counts_the_rest() {
    let schema = schema(LEUKSURV);
    let files = split(&data("leuksurv.csv"), "district");
    let kept = files.iter().filter(|file| file.lines().count() > 30).count() as u64;
    let output = run("cox", LEUKSURV_PARAMS, &schema, &cohorts(&schema, &files), 30).expect("fit");
    let fit: Fit = serde_json::from_value(output).expect("haima.fit/1");
    assert!(kept < 24 && fit.sites == kept, "{} of {kept}", fit.sites);
}

#[test]
fn cox_reaches_its_maximum_within_seven_sums() {
    let dealt = deal(&data("leuksurv.csv"), 10);
    assert!(fit(LEUKSURV_PARAMS, LEUKSURV, &dealt).iterations <= 7);
}
