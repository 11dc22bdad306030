//! Ridge, lasso and both against R's `survival::ridge` and `glmnet`, and on Fed-TCGA-BRCA.

use haima_fl_core::Error;
use haima_fl_core::results::Fit;
use serde_json::Value;

use crate::common::{
    LEUKSURV, close, cohort, cohorts, data, deal, open, records, run, schema, shared, split,
};

const COX: &str = "time = \"time_days\"\nevent = \"death\"\n";
const YEAR: &str = "time = \"time_days\"\nevent = \"death\"\nhorizon = 365\n";
const ALL: &str = "covariates = [\"age\", \"male\", \"wbc\", \"tpi\"]\n";

/// What `tests/oracles/penalised.R` wrote.
pub(crate) fn r() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracles/penalised.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("oracle")).expect("JSON")
}

pub(crate) fn fit(task: &str, params: &str, files: &[String]) -> Fit {
    let schema = schema(LEUKSURV);
    let output = run(task, params, &schema, &cohorts(&schema, files), 1).expect("fit");
    serde_json::from_value(output).expect("haima.fit/1")
}

/// Coefficients, and standard errors where R has them.
pub(crate) fn equals(what: &str, fit: &Fit, r: &Value) {
    let theirs = |key: &str| -> Vec<f64> {
        fit.terms.iter().map(|t| r[key][&t.name].as_f64().expect("term of R")).collect()
    };
    let coef: Vec<f64> = fit.terms.iter().map(|t| t.coef).collect();
    let coef = close(what, &coef, &theirs("coef"), 1e-5);
    let se: Vec<f64> = fit.terms.iter().map(|t| t.se).collect();
    let se = r["se"].as_object().map(|_| close(what, &se, &theirs("se"), 1e-5));
    eprintln!("{what}: coef {coef:.1e}, se {se:?}, {} sums", fit.iterations);
}

fn districts() -> Vec<String> {
    split(&data("leuksurv.csv"), "district")
}

#[test]
fn a_ridge_of_cox_equals_rs_with_its_errors_and_likelihood() {
    let r = &r()["cox"];
    let ours = fit("cox", &format!("{COX}{ALL}ridge = 100.0"), &districts());
    equals("cox, ridge 100", &ours, &r["ridge_100"]);
    close(
        "likelihoods",
        &[ours.loglik, ours.loglik_null],
        &[
            r["ridge_100"]["loglik"].as_f64().expect("loglik"),
            r["ridge_100"]["loglik_null"].as_f64().expect("loglik"),
        ],
        1e-4,
    );
    let public = format!("{COX}{ALL}ridge = 10.0\nstandardise = \"public\"");
    equals("cox, public ridge 10", &fit("cox", &public, &districts()), &r["ridge_public_10"]);
}

#[test]
fn the_scale_is_the_pooled_deviation_whatever_the_split_into_hospitals() {
    let r = &r()["sd"];
    let sd: Vec<f64> =
        ["age", "male", "wbc", "tpi"].iter().map(|x| r[x].as_f64().expect("sd")).collect();
    for files in [districts(), deal(&data("leuksurv.csv"), 3), vec![data("leuksurv.csv")]] {
        let ours = fit("cox", &format!("{COX}{ALL}ridge = 1.0"), &files);
        let penalty = ours.penalty.expect("penalty");
        close("deviations", &penalty.scale, &sd, 1e-7);
        assert_eq!((penalty.ridge, penalty.lasso), (1.0, 0.0));
    }
}

#[test]
fn an_elastic_net_of_cox_equals_glmnets() {
    let r = &r()["cox"];
    let net = |l1: f64, l2: f64| {
        let params = format!("{COX}{ALL}ties = \"breslow\"\nlasso = {l1:?}\nridge = {l2:?}");
        fit("cox", &params, &districts())
    };
    equals("cox, net 60 30", &net(60.0, 30.0), &r["net_60_30"]);
    equals("cox, lasso 40", &net(40.0, 0.0), &r["net_lasso_40"]);
    equals("cox, ridge of glmnet", &net(0.0, 100.0), &r["net_glmnet_ridge"]);
    let lasso = net(40.0, 0.0);
    assert_eq!(lasso.terms[1].coef, 0.0, "out of the model, not nearly out");
    assert!(lasso.terms.iter().all(|term| term.se.is_nan() && term.p.is_nan()));
}

#[test]
fn an_elastic_net_of_every_family_equals_glmnets() {
    let r = r();
    let files = deal(&data("leuksurv.csv"), 5);
    let ours = fit("glm", &format!("{YEAR}{ALL}ridge = 100.0"), &files);
    equals("logistic, ridge 100", &ours, &r["logistic"]["ridge_100"]);
    let theirs = r["logistic"]["ridge_100"]["loglik"].as_f64().expect("loglik");
    close("likelihood", &[ours.loglik], &[theirs], 1e-5);
    let net = |params: &str| fit("glm", &format!("{YEAR}{ALL}{params}"), &files);
    equals("logistic, net 30 20", &net("lasso = 30\nridge = 20"), &r["logistic"]["net_30_20"]);
    equals("logistic, lasso 40", &net("lasso = 40.0"), &r["logistic"]["lasso_40"]);

    let poisson = "family = \"poisson\"\noutcome = \"death\"\nexposure = \"time_days\"\n";
    let ours = fit("glm", &format!("{poisson}{ALL}lasso = 30.0\nridge = 20.0"), &files);
    equals("poisson, net 30 20", &ours, &r["poisson"]["net_30_20"]);

    let linear =
        "family = \"linear\"\noutcome = \"wbc\"\ncovariates = [\"age\", \"male\", \"tpi\"]";
    let ours = fit("glm", &format!("{linear}\nridge = 50.0"), &files);
    equals("linear, ridge 50", &ours, &r["linear"]["ridge_50"]);
    assert_eq!(ours.iterations, 1);
    let ours = fit("glm", &format!("{linear}\nlasso = 1500.0\nridge = 40.0"), &files);
    equals("linear, net 1500 40", &ours, &r["linear"]["net"]);
}

/// With the penalty at nothing, the fit is the one without.
#[test]
fn a_vanishing_penalty_changes_nothing_and_a_huge_one_leaves_nothing() {
    let plain = fit("cox", &format!("{COX}{ALL}"), &districts());
    assert!(plain.penalty.is_none());
    for params in ["ridge = 1e-9", "lasso = 1e-9"] {
        let ours = fit("cox", &format!("{COX}{ALL}{params}"), &districts());
        for (a, b) in ours.terms.iter().zip(&plain.terms) {
            assert!((a.coef - b.coef).abs() < 1e-7, "{params}");
        }
    }
    for params in ["ridge = 1e9", "lasso = 1e9"] {
        let ours = fit("cox", &format!("{COX}{ALL}{params}"), &districts());
        assert!(ours.terms.iter().all(|term| term.coef.abs() < 1e-6), "{params}");
    }
}

/// Time, death, age, male.
type Row = (u32, u8, u32, u8);

fn made_up(rows: &[Row]) -> String {
    let mut text = "patient,time_days,death,district,age,male,wbc,tpi\n".to_owned();
    for (i, (time, event, age, male)) in rows.iter().enumerate() {
        text.push_str(&format!("{i},{time},{event},1,{age},{male},10,0\n"));
    }
    text
}

/// Separation, a constant column, a duplicate, fewer patients than terms: refused by name with a
/// ridge offered, and fitted with it.
#[test]
fn what_has_no_maximum_is_offered_a_ridge_and_fitted_with_it() {
    let separated = [(1, 1, 50, 1), (2, 1, 60, 1), (3, 1, 40, 1), (4, 0, 50, 0), (5, 0, 61, 0)];
    let twins = [(1, 1, 50, 1), (2, 1, 60, 0), (3, 0, 50, 1), (4, 0, 60, 0), (5, 1, 50, 1)];
    let few = [(1, 1, 50, 1), (2, 0, 60, 0)];
    let schema = schema(LEUKSURV);
    let cases: [(&str, &[Row], &str, &str); 4] = [
        ("separation", &separated, "[\"age\", \"male\"]", "`male`"),
        ("constant", &twins, "[\"age\", \"wbc\"]", "`wbc`"),
        ("twins", &twins, "[\"age\", \"male\"]", "`male`"),
        ("n < p", &few, "[\"age\", \"male\", \"tpi\"]", "`"),
    ];
    for (what, rows, covariates, named) in cases {
        let cohorts = [cohort(&schema, &made_up(rows))];
        for (task, outcome) in [("cox", COX), ("glm", "outcome = \"death\"\n")] {
            let params = format!("{outcome}covariates = {covariates}\n");
            let error = run(task, &params, &schema, &cohorts, 1).expect_err(what);
            let Error::Fit { reason, .. } = error else { panic!("{what}: {error}") };
            let named = reason.contains(named) || reason.contains("`(Intercept)`");
            assert!(named && reason.contains("`ridge = 1.0`"), "{task}, {what}: {reason}");
            let params = format!("{params}ridge = 1.0");
            let output = run(task, &params, &schema, &cohorts, 1).expect(what);
            let fit: Fit = serde_json::from_value(output).expect("haima.fit/1");
            assert!(fit.terms.iter().all(|t| t.coef.is_finite() && t.se > 0.0), "{task}, {what}");
            if what == "constant" {
                assert!(fit.terms.iter().any(|t| t.name == "wbc" && t.coef.abs() < 1e-9));
            }
        }
    }
}

#[test]
fn penalties_that_make_no_sense_are_refused() {
    for bad in [
        "ridge = -1.0",
        "lasso = nan",
        "ridge = inf",
        "standardise = \"pooled\"",
        "ridge = 1.0\nstandardise = \"by_hand\"",
    ] {
        for (task, outcome) in [("cox", COX), ("glm", "outcome = \"death\"\n")] {
            let params = format!("{outcome}{ALL}{bad}");
            let refused = open(task, &params, &schema(LEUKSURV)).err();
            assert!(matches!(refused, Some(Error::Params { .. })), "{task} {bad}: {refused:?}");
        }
    }
}

/// FLamby's split of TCGA-BRCA: six regions, 866 patients to fit and 222 to judge. FLamby's best
/// strategy has a C-index of 0.842, FedAvg 0.735.
#[test]
fn cox_on_fed_tcga_brca_reaches_the_best_published_concordance_in_six_sums() {
    let Some(path) = shared("data/fed_tcga_brca.csv") else { return };
    // Events are written as 0.0 and 1.0.
    let text = std::fs::read_to_string(path).expect("readable").replace(".0,", ",");
    let header = text.lines().next().expect("header");
    let features: Vec<&str> = header.split(',').skip(1).take(39).collect();
    let mut table = "patient = \"pid\"\nignore = [\"region\", \"fold\", \"fold2\"]\n".to_owned();
    for (name, range) in [("age_at_index", "18, 100"), ("t", "0, 10000")] {
        table.push_str(&format!(
            "[[column]]\nname = \"{name}\"\nkind = \"numeric\"\nrange = [{range}]\n"
        ));
    }
    for name in features[1..].iter().chain(&["e"]) {
        table.push_str(&format!("[[column]]\nname = \"{name}\"\nkind = \"flag\"\n"));
    }
    let schema = schema(&table);
    let fold = |fold: &str| -> String {
        let of = |line: &&str| line.rsplit(',').nth(1) == Some(fold);
        let rows: Vec<&str> = text.lines().skip(1).filter(of).collect();
        format!("{header}\n{}\n", rows.join("\n"))
    };
    let params = format!("time = \"t\"\nevent = \"e\"\nridge = 10.0\ncovariates = {features:?}");
    let sites = cohorts(&schema, &split(&fold("train"), "region"));
    let output = run("cox", &params, &schema, &sites, 10).expect("fit");
    let fit: Fit = serde_json::from_value(output).expect("haima.fit/1");
    assert_eq!((fit.n, fit.events, fit.sites), (866, 119, 6));

    let judged: Vec<(f64, bool, f64)> = records(&fold("test"))
        .iter()
        .map(|row| {
            let number = |name: &str| row[name].parse::<f64>().expect("number");
            let risk = fit.terms.iter().map(|t| t.coef * number(&t.name)).sum();
            (number("t"), number("e") > 0.5, risk)
        })
        .collect();
    let (mut concordant, mut comparable) = (0.0, 0.0);
    for (time, event, risk) in &judged {
        for (later, _, other) in judged.iter().filter(|(later, _, _)| *event && later > time) {
            debug_assert!(later > time);
            comparable += 1.0;
            concordant += match risk.total_cmp(other) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    let c = concordant / comparable;
    eprintln!("Fed-TCGA-BRCA: C {c:.4} over {comparable} pairs, {} sums", fit.iterations);
    assert_eq!(judged.len(), 222);
    assert!(c >= 0.842, "{c}");
    assert!(fit.iterations <= 6, "{} sums", fit.iterations);
}
