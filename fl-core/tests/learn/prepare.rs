//! Figures of earlier tasks: what they are, that a network uses them, and whose it may use (rule S4).

use haima_dp::noise::NoiseScale;
use haima_fl_core::Error;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::figures::{Class, Used};
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::network::Network;
use haima_fl_core::results::prepare::{Kind, Prepared};
use haima_fl_core::sum::{PlainSum, Sum, drive};
use haima_fl_core::task::{Site, SiteState};
use serde_json::Value;

use crate::common::{cohort, records, rng, schema, table};

/// Weights far off the middle of their range, and gaps.
const SCHEMA: &str = r#"
    patient = "id"
    [[column]]
    name = "kg"
    kind = "numeric"
    unit = "kg"
    range = [0, 1000]
    missing = true
    [[column]]
    name = "crp"
    kind = "numeric"
    range = [0, 500]
    missing = true
    [[column]]
    name = "sex"
    kind = "category"
    levels = ["F", "M", "X"]
    missing = true
    [[column]]
    name = "ill"
    kind = "flag"
"#;

fn file(from: usize, to: usize) -> String {
    let rows = (from..to).map(|i| {
        let kg = if i % 10 == 3 { String::new() } else { (60 + (i * 37) % 31).to_string() };
        let crp = if i % 15 == 4 { String::new() } else { ((i * i) % 97).to_string() };
        let sex = ["M", "M", "F", "M", "", "F"][i % 6];
        format!("{i},{kg},{crp},{sex},{}\n", u8::from((i * 37) % 31 > 14))
    });
    format!("id,kg,crp,sex,ill\n{}", rows.collect::<String>())
}

fn hospitals() -> Vec<Cohort> {
    [(0, 70), (70, 140), (140, 210)].map(|(a, b)| cohort(&schema(SCHEMA), &file(a, b))).into()
}

fn run_in(
    task: &str,
    params: &str,
    finished: &Finished,
    noise: Option<u64>,
) -> Result<Value, Error> {
    let (hospitals, schema) = (hospitals(), schema(SCHEMA));
    let open = || registry::open(task, 1, &table(params), &schema, finished);
    let mut run = open()?;
    let mut sums = PlainSum::new(&hospitals, 1000, 1, rng(), open)?;
    if let Some(s) = noise {
        sums = sums.with_simulated_noise(NoiseScale::new(s)?, 3, [9; 32]);
    }
    drive(run.as_mut(), &mut sums)
}

const FIGURES: &str =
    "columns = [\"kg\", \"crp\", \"sex\", \"ill\"]\nlog1p = [\"crp\"]\nbins = 1000\n";

fn prepared(release: &str, noise: Option<u64>) -> Prepared {
    let params = format!("{FIGURES}release = \"{release}\"");
    let result = run_in("prepare", &params, &Finished::new(), noise).expect("figures");
    serde_json::from_value(result).expect("haima.prepared/1")
}

/// What the pooled rows say, by the textbook.
fn pooled(column: &str, of: fn(f64) -> f64) -> (f64, f64, f64, f64) {
    let rows = records(&file(0, 210));
    let mut x: Vec<f64> = rows.iter().filter_map(|row| row[column].parse().ok()).map(of).collect();
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let sd = (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    x.sort_by(f64::total_cmp);
    (n, mean, sd, (x[x.len() / 2] + x[(x.len() - 1) / 2]) / 2.0)
}

#[test]
fn figures_over_hospitals_are_those_of_the_pooled_rows() {
    let ours = prepared("exact", None);
    assert_eq!((ours.patients, ours.sites), (210.0, 3));
    for (figures, (of, bin)) in ours.columns.iter().zip([
        ((|x| x) as fn(f64) -> f64, 1.0),
        (f64::ln_1p as fn(f64) -> f64, 501f64.ln() / 1000.0),
    ]) {
        let (n, mean, sd, median) = pooled(&figures.column, of);
        assert_eq!(figures.present, n, "{}", figures.column);
        assert!((figures.missing - (1.0 - n / 210.0)).abs() < 1e-12);
        let Kind::Numeric { mean: m, sd: s, median: half, quantiles, public, .. } = &figures.of
        else {
            panic!("a number")
        };
        assert!((m - mean).abs() < 1e-7 && (s - sd).abs() < 1e-7, "{m} {mean} {s} {sd}");
        assert!((half - median).abs() <= 2.0 * bin, "{half} {median}");
        assert!(quantiles.len() == 3 && quantiles[1] == *half && !public);
    }
    let Kind::Levels { shares, most_frequent, .. } = &ours.columns[2].of else { panic!("levels") };
    assert_eq!((shares[2], *most_frequent), (0.0, 1));
    assert!((shares[1] - 105.0 / 175.0).abs() < 1e-12, "{shares:?}");
}

#[test]
fn noised_figures_are_near_and_not_equal() {
    let (exact, ours) = (prepared("exact", None), prepared("noised", Some(256)));
    for (ours, exact) in ours.columns.iter().zip(&exact.columns) {
        match (&ours.of, &exact.of) {
            (Kind::Numeric { mean: a, sd: s, .. }, Kind::Numeric { mean: b, .. }) => {
                assert!(a != b && *s > 0.0, "{}", ours.column);
                // Noise of 0.4 half ranges of 500 kg on a sum over 189 patients.
                let width = if ours.column == "kg" { 8.0 } else { 0.1 };
                assert!((a - b).abs() < width, "{}: {a} {b}", ours.column);
            }
            (Kind::Levels { shares: a, .. }, Kind::Levels { shares: b, .. }) => {
                assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.15), "{a:?} {b:?}");
                assert!((a.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            }
            _ => panic!("another kind"),
        }
    }
}

fn train(model: &str, rest: &str, finished: &Finished) -> Result<Network, Error> {
    let params = format!(
        "seed = 1\nexpected_patients = 200\nsteps = 5\n{rest}\n\
         model = {{ name = \"logistic\", columns = [\"kg\", \"crp\", \"sex\"], log1p = [\"crp\"], \
         outcome = \"ill\", {model} }}"
    );
    let result = run_in("train", &params, finished, None)?;
    Ok(serde_json::from_value(result).expect("a network"))
}

fn finished() -> Finished {
    let value = |prepared: &Prepared| serde_json::to_value(prepared).expect("JSON");
    Finished::from([
        ("exact".to_owned(), value(&prepared("exact", None))),
        ("noised".to_owned(), value(&prepared("noised", Some(64)))),
    ])
}

const AVERAGING: &str = "strategy = { name = \"fedavg\", epochs = 1, learning_rate = 0.1 }";

#[test]
fn a_planted_uncharged_mean_is_refused_where_patients_are_protected() {
    let (finished, model) = (finished(), "prepared = \"exact\", missing = \"center\"");
    let Err(Error::Params { reason, .. }) = train(model, "", &finished) else {
        panic!("per-step DP-SGD took an uncharged mean")
    };
    assert!(reason.contains("`exact`") && reason.contains("rule S4"), "{reason}");
    // Openly allowed, the result says so; without protection there is nothing to refuse.
    let open = train(model, "uncharged_figures = true", &finished).expect("allowed");
    assert!(open.uncharged_figures);
    let exact = train(model, AVERAGING, &finished).expect("no unit");
    let used = Used { task: "exact".into(), class: Class::Exact };
    assert!(exact.model.terms.iter().all(|term| term.figures == [used.clone()]));
    // Charged ones, and the schema's, are as good as ever.
    let charged = train(&model.replace("exact", "noised"), "", &finished).expect("charged");
    let used = Used { task: "noised".into(), class: Class::Charged };
    assert!(charged.model.terms.iter().all(|term| term.figures == [used.clone()]));
    assert!(!charged.uncharged_figures);
    let public = train("missing = \"center\"", "", &finished).expect("public");
    assert!(public.model.terms.iter().all(|term| term.figures.is_empty()));
    let text = serde_json::to_string(&public).expect("JSON");
    assert!(!text.contains("figures"), "a result without any reads as before: {text}");
}

#[test]
fn inputs_stand_on_the_prepared_mean_and_deviation_and_gaps_are_filled_by_them() {
    let finished = finished();
    let model = "prepared = \"exact\", missing = \"center\", impute = \"median\"";
    let network = train(model, AVERAGING, &finished).expect("trained");
    let terms = &network.model.terms;
    let (_, mean, sd, median) = pooled("kg", |x| x);
    assert!((terms[0].center - mean).abs() < 1e-7 && (terms[0].scale - sd).abs() < 1e-7);
    let filled = terms[0].of(None).expect("filled");
    assert!((filled - (median - mean) / sd).abs() < 0.1 && filled != 0.0, "{filled}");
    // Most are M: a missing sex is one, and no X.
    assert_eq!((terms[2].of(None), terms[3].of(None)), (Some(1.0), Some(0.0)));
    // Of 70 patients a site, by the public range a logistic step of this size finds next to nothing.
    let public = train("missing = \"center\"", AVERAGING, &finished).expect("trained");
    assert!(network.weights[0] > 5.0 * public.weights[0].abs(), "{:?}", network.weights);
    // By the mean, and with an indicator that keeps its own coding.
    let mean = train("prepared = \"exact\", missing = \"indicator\"", AVERAGING, &finished);
    let terms = mean.expect("trained").model.terms;
    assert_eq!(terms[0].of(None), Some(0.0));
    assert_eq!((terms[1].of(None), terms[1].of(Some(70.0))), (Some(1.0), Some(0.0)));
}

#[test]
fn figures_that_do_not_fit_the_model_are_refused() {
    let mut finished = finished();
    let refused =
        |finished: &Finished, model: &str, word: &str| match train(model, AVERAGING, finished) {
            Err(Error::Params { reason, .. }) => assert!(reason.contains(word), "{reason}"),
            other => panic!("{model}: {other:?}"),
        };
    refused(&finished, "prepared = \"none\"", "`none`");
    refused(&finished, "impute = \"median\"", "`impute`");
    for (params, word) in [
        ("columns = [\"kg\", \"sex\"]", "`crp`"),
        ("columns = [\"kg\", \"crp\", \"sex\"]", "another scale"),
    ] {
        let result = run_in("prepare", params, &Finished::new(), None).expect("figures");
        finished.insert("other".to_owned(), result);
        refused(&finished, "prepared = \"other\"", word);
    }
    finished.insert("other".to_owned(), serde_json::json!({ "schema": "haima.fit/1" }));
    refused(&finished, "prepared = \"other\"", "not one of `prepare`");
    let mut broken = finished["exact"].clone();
    broken["columns"][0]["sd"] = 0.0.into();
    finished.insert("other".to_owned(), broken);
    refused(&finished, "prepared = \"other\"", "no number");
}

/// One patient's C-reactive protein is known: its figures would be that patient's, so the site says that
/// it knows nobody's; under noise it counts.
#[test]
fn a_column_that_few_patients_of_a_site_have_is_sent_as_missing_in_all() {
    let schema = schema(SCHEMA);
    let rows: String = (0..20)
        .map(|i| {
            let (crp, sex) = if i == 7 { ("250", "X") } else { ("", "") };
            format!("{i},{},{crp},{sex},1\n", 60 + i)
        })
        .collect();
    let hospital = cohort(&schema, &format!("id,kg,crp,sex,ill\n{rows}"));
    let answer = |release: &str, min_local_rows: u64| {
        let params = format!("{FIGURES}release = \"{release}\"");
        let run = registry::open("prepare", 1, &table(&params), &schema, &Finished::new());
        let run = run.expect("task");
        let site = Site { cohort: &hospital, capacity: 0, max_patients: 100, min_local_rows };
        let answer = run.contribute(&site, &mut SiteState::default(), &mut rng());
        let values = answer.expect("an answer").values;
        let integers = values.iter().map(|value| i128::from(*value)).collect();
        Sum::new(&run.query().expect("running"), integers, 1).expect("length")
    };
    // Bins of kg and of crp, then levels of sex and of ill; moments of kg and of crp.
    let known = |sum: &Sum| {
        let (cells, moments) = (sum.block("histogram"), sum.block("moments"));
        let crp = cells[1000..2000].iter().sum::<f64>();
        let sex = cells[2000..2003].iter().sum::<f64>();
        (sum.block("missing"), crp, sex, moments[2..] != [0.0, 0.0])
    };
    let silent = answer("exact", 2);
    assert_eq!(known(&silent), (vec![0.0, 20.0, 20.0, 0.0], 0.0, 0.0, false));
    assert_eq!(silent.block("histogram")[..1000].iter().sum::<f64>(), 20.0, "all have a weight");
    assert!(silent.block("moments")[0] != 0.0);
    let told = (vec![0.0, 19.0, 19.0, 0.0], 1.0, 1.0, true);
    assert_eq!(known(&answer("exact", 1)), told);
    assert_eq!(known(&answer("noised", 0)), told);
}

/// Nobody has the column: the public range stands in, and is called public. All have one value: it is
/// the mean, and the deviation is half the public range, which divides nothing by zero.
#[test]
fn what_patients_cannot_tell_is_the_public_range() {
    let schema = schema(SCHEMA);
    let rows: String = (0..20).map(|i| format!("{i},70,,,1\n")).collect();
    let hospitals = [cohort(&schema, &format!("id,kg,crp,sex,ill\n{rows}"))];
    let open = || registry::open("prepare", 1, &table(FIGURES), &schema, &Finished::new());
    let mut sums = PlainSum::new(&hospitals, 1000, 1, rng(), open).expect("sums");
    let result = drive(open().expect("task").as_mut(), &mut sums).expect("figures");
    let ours: Prepared = serde_json::from_value(result).expect("prepared");
    assert_eq!(ours.columns[1].missing, 1.0);
    let half = 501f64.ln() / 2.0;
    for (figures, told) in ours.columns.iter().zip([(70.0, 500.0, false), (half, half, true)]) {
        let Kind::Numeric { mean, sd, public, .. } = &figures.of else { panic!("a number") };
        assert!((mean - told.0).abs() < 1e-9 && (sd - told.1).abs() < 1e-9, "{mean} {sd}");
        assert_eq!(*public, told.2);
    }
    let Kind::Levels { shares, public, .. } = &ours.columns[2].of else { panic!("levels") };
    assert!(*public && shares.iter().all(|share| (share - 1.0 / 3.0).abs() < 1e-12));
}
