//! The explanation of a model over hospitals ranks what was planted, says nothing of what was not, and
//! gives R's standard errors.

use haima_fl_core::Error;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::explain::Explanation;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use haima_fl_core::task::{Site, SiteState};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::common::{LEUKSURV, cohort, cohorts, data, oracle, rng, schema, split, table};
use crate::planted::{train, unit};

/// A strong, a weak and an irrelevant column, and a category of which one level is worse.
const THREE: &str = r#"
    patient = "id"
    [[column]]
    name = "strong"
    kind = "numeric"
    range = [-1, 1]
    [[column]]
    name = "weak"
    kind = "numeric"
    range = [0, 10]
    [[column]]
    name = "none"
    kind = "numeric"
    range = [-1, 1]
    [[column]]
    name = "type"
    kind = "category"
    levels = ["A", "B", "C"]
    [[column]]
    name = "ill"
    kind = "flag"
"#;

fn text(seed: u64, n: usize) -> String {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut text = String::from("id,strong,weak,none,type,ill\n");
    for i in 0..n {
        let mut draw = || 2.0 * unit(&mut random) - 1.0;
        let (strong, weak, none) = (draw(), draw(), draw());
        let kind = i % 3;
        let eta = 3.0 * strong + weak + if kind == 2 { 1.0 } else { 0.0 };
        let ill = u8::from(unit(&mut random) < 1.0 / (1.0 + (-eta).exp()));
        let weak = 5.0 + 5.0 * weak;
        text += &format!("{seed}-{i},{strong},{weak},{none},{},{ill}\n", ["A", "B", "C"][kind]);
    }
    text
}

fn hospitals() -> Vec<Cohort> {
    (1..=3).map(|seed| cohort(&schema(THREE), &text(seed, 300))).collect()
}

fn finished(model: &str, rest: &str) -> Finished {
    let params = format!("seed = 1\nexpected_patients = 900\n{rest}\nmodel = {model}");
    let network = train(&params, &schema(THREE), &hospitals());
    Finished::from([("net".to_owned(), serde_json::to_value(network).expect("JSON"))])
}

fn mlp() -> Finished {
    finished(
        "{ name = \"mlp\", columns = [\"strong\", \"weak\", \"none\", \"type\"], \
         outcome = \"ill\", hidden = [6] }",
        "steps = 120\nstrategy = { clip = 10.0, learning_rate = 0.5 }",
    )
}

fn ask(
    params: &str,
    schema: &Schema,
    cohorts: &[Cohort],
    finished: &Finished,
) -> Result<Explanation, Error> {
    let open = || registry::open("explain", 1, &table(params), schema, finished);
    let mut run = open()?;
    let mut sums = PlainSum::new(cohorts, 1000, 1, rng(), open)?;
    let result = drive(run.as_mut(), &mut sums)?;
    Ok(serde_json::from_value(result).expect("an explanation"))
}

fn holds_the_planted(found: &Explanation, flat: f64) {
    let rise = |name: &str| {
        let row = found.importance.iter().find(|row| row.column == name).expect("a row");
        row.rise
    };
    assert!(rise("strong") > 3.0 * rise("weak"), "{:?}", found.importance);
    assert!(rise("weak") > 0.015 && rise("weak") > 4.0 * rise("none").abs());
    assert!(rise("none").abs() < 0.01, "{:?}", found.importance);

    let size = |name: &str| {
        let row = found.attributions.iter().find(|row| row.input == name).expect("a row");
        row.mean_abs
    };
    assert!(size("strong") > 2.0 * size("weak") && size("weak") > 2.0 * size("none"));
    assert!(size("strong") > 0.5 && size("typeC") > size("typeB"), "{:?}", found.attributions);

    let curve = |name: &str| {
        &found.dependence.iter().find(|row| row.column == name).expect("a row").predicted
    };
    let strong = curve("strong");
    assert_eq!(strong.len(), 9);
    assert!(strong.windows(2).all(|pair| pair[1] > pair[0]), "{strong:?}");
    assert!(strong[8] - strong[0] > 0.5, "{strong:?}");
    let none = curve("none");
    let (low, high) = none.iter().fold((1.0, 0.0), |(l, h): (f64, f64), p| (l.min(*p), h.max(*p)));
    assert!(high - low < flat, "{none:?}");
    assert!(curve("type")[2] > curve("type")[0] + 0.05);
}

#[test]
fn strong_weak_and_irrelevant_columns_are_told_apart() {
    let finished = mlp();
    let found = ask("model = \"net\"", &schema(THREE), &hospitals(), &finished).expect("found");
    holds_the_planted(&found, 0.1);
    assert_eq!((found.n, found.sites, found.subset.as_str()), (900, 3, "all"));
    assert!(found.importance.iter().all(|row| row.se.is_some_and(|se| se > 0.0 && se < 0.1)));
    assert!(found.coefficients.is_none());
}

/// Without noise on top, the noised form says the same of the planted columns.
#[test]
fn values_drawn_from_public_ranges_tell_the_columns_apart_as_well() {
    let params = "model = \"net\"\nrelease = \"noised\"\nloss_cap = 5.0\nattribution_cap = 5.0";
    let found = ask(params, &schema(THREE), &hospitals(), &mlp()).expect("found");
    holds_the_planted(&found, 0.1);
    assert!(found.noised && found.n == 900);
    assert!(found.importance.iter().all(|row| row.se.is_none()));
}

#[test]
fn coefficients_and_errors_of_a_trained_logistic_network_are_those_of_r() {
    let Some(r) = oracle("truth/survival_r_curves.json") else { return };
    let r = &r["glm"]["leuksurv_1y_logistic"];
    let schema = schema(LEUKSURV);
    let cohorts = cohorts(&schema, &split(&data("leuksurv.csv"), "district"));
    let params = "seed = 1\nexpected_patients = 1015\nsteps = 3000\n\
        strategy = { clip = 100.0, learning_rate = 1.0 }\n\
        model = { name = \"logistic\", columns = [\"age\", \"male\", \"wbc\", \"tpi\"], \
            time = \"time_days\", event = \"death\", horizon = 365 }";
    let network = train(params, &schema, &cohorts);
    let value = serde_json::to_value(network).expect("JSON");
    let finished = Finished::from([("net".to_owned(), value)]);
    let asked = "model = \"net\"\nparts = [\"coefficients\"]";
    let found = ask(asked, &schema, &cohorts, &finished).expect("found");
    let found = found.coefficients.expect("coefficients");
    assert_eq!(Some(found.n), r["n"].as_u64());
    assert_eq!(found.terms.len(), 5);
    for (term, robust) in found.terms.iter().zip(&found.robust_se) {
        let theirs = |what: &str| r[what][&term.name].as_f64().expect("a term of R");
        let (coef, se) = (theirs("coef"), theirs("se"));
        eprintln!("{}: {} for {coef}, {} for {se}, robust {robust}", term.name, term.coef, term.se);
        assert!((term.coef - coef).abs() < 1e-3 * se.max(coef.abs()), "{}", term.name);
        assert!((term.se / se - 1.0).abs() < 1e-3, "{}", term.name);
        assert!((robust / se - 1.0).abs() < 0.3, "{}", term.name);
    }
}

#[test]
fn what_is_not_to_be_had_is_refused_with_the_reason() {
    let finished = mlp();
    for (params, reason) in [
        ("model = \"other\"", "no earlier task"),
        ("model = \"net\"\nparts = [\"coefficients\"]", "linear"),
        ("model = \"net\"\nparts = []", "names none"),
        ("model = \"net\"\ncolumns = [\"ill\"]", "does not read"),
        ("model = \"net\"\noutput = \"death\"", "none of the model's outputs"),
        ("model = \"net\"\nloss_cap = nan", "cap"),
        (
            "model = \"net\"\nparts = [\"coefficients\"]\nrelease = \"noised\"",
            "under the exact class only",
        ),
    ] {
        let error = ask(params, &schema(THREE), &hospitals(), &finished).expect_err("refused");
        assert!(error.to_string().contains(reason), "{params}: {error}");
    }
}

/// S4: weights that nobody was charged for do not enter a charged release.
#[test]
fn a_noised_explanation_refuses_a_network_that_protects_nobody_or_uses_uncharged_figures() {
    let charged = mlp();
    let noised = "model = \"net\"\nrelease = \"noised\"";
    for (field, value, reason) in [
        ("unit", serde_json::json!("none"), "protects nobody"),
        ("uncharged_figures", serde_json::json!(true), "`uncharged_figures`"),
    ] {
        let mut finished = charged.clone();
        finished.get_mut("net").expect("a network")[field] = value;
        let open = |params: &str| {
            registry::open("explain", 1, &table(params), &schema(THREE), &finished).map(|_| ())
        };
        let error = open(noised).expect_err("refused").to_string();
        assert!(error.contains(reason) && error.contains("rule S4"), "{error}");
        open("model = \"net\"").expect("exact");
    }
}

/// Two layers of 1,000 units and 256 parts: more than a site should work for a patient.
#[test]
fn too_much_work_a_patient_is_refused_and_what_to_lower_is_named() {
    let mut finished = mlp();
    let network = finished.get_mut("net").expect("a network");
    network["model"]["params"]["hidden"] = serde_json::json!([1000, 1000]);
    // Five inputs; matrices and biases of three layers.
    let weights = 5 * 1000 + 1000 + 1000 * 1000 + 1000 + 1000 + 1;
    network["weights"] = vec![0.0; weights].into();
    let open = |rest: &str| {
        let params = table(&format!("model = \"net\"\n{rest}"));
        registry::open("explain", 1, &params, &schema(THREE), &finished).map(|_| ())
    };
    let error = open("path_parts = 256").expect_err("refused").to_string();
    assert!(error.contains("`path_parts`") && error.contains("`columns`"), "{error}");
    open("path_parts = 16").expect("within the cap");
    open("path_parts = 256\nparts = [\"importance\"]").expect("the part is not asked for");
}

fn patients() -> impl Strategy<Value = Vec<String>> {
    let number = |low: f64, high: f64| prop_oneof![Just(low), Just(high), low..high];
    let row = (number(-1.0, 1.0), number(0.0, 10.0), number(-1.0, 1.0), 0..3usize, 0..2u8);
    prop::collection::vec(row, 2..12).prop_map(|rows| {
        let line = |(i, (s, w, n, t, ill)): (usize, (f64, f64, f64, usize, u8))| {
            format!("{i},{s},{w},{n},{},{ill}\n", ["A", "B", "C"][t])
        };
        rows.into_iter().enumerate().map(line).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// S2: one patient less never moves the integers further than D, and a patient adds the same
    /// alone as among others; the caps are small, so that they cut.
    #[test]
    fn a_patient_moves_the_noised_sums_by_at_most_d(rows in patients(), leaves in 0..12usize) {
        static FINISHED: std::sync::OnceLock<Finished> = std::sync::OnceLock::new();
        let finished = FINISHED.get_or_init(mlp);
        let leaves = leaves % rows.len();
        let params = "model = \"net\"\nrelease = \"noised\"\nrepeats = 2\npath_parts = 4\n\
            loss_cap = 0.3\nattribution_cap = 0.4";
        let schema = schema(THREE);
        let run = registry::open("explain", 1, &table(params), &schema, finished).expect("task");
        let d = run.query().expect("running").sensitivity.expect("noised");
        let padded = |rows: &[String], capacity: u64| {
            let text = format!("id,strong,weak,none,type,ill\n{}", rows.concat());
            let cohort = cohort(&schema, &text);
            let site = Site { cohort: &cohort, capacity, max_patients: 1000, min_local_rows: 0 };
            let answer = run.contribute(&site, &mut SiteState::default(), &mut rng());
            answer.expect("an answer").values.to_vec()
        };
        let answer = |rows: &[String]| padded(rows, 0);
        let mut fewer = rows.clone();
        let alone = vec![fewer.remove(leaves)];
        let moved: Vec<i64> =
            answer(&rows).iter().zip(answer(&fewer)).map(|(a, b)| a - b).collect();
        let norm = haima_dp::norms::norm_squared(&moved);
        prop_assert!(norm <= u128::from(d) * u128::from(d));
        prop_assert!(norm > 1024 * 1024, "the patient is counted");
        prop_assert_eq!(moved, answer(&alone));
        // S5: padding adds nothing.
        prop_assert_eq!(answer(&alone), padded(&alone, 3));
    }
}
