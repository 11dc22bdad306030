//! Claims about `synthesize` by `method = "vae"`: every sum over hospitals is that of their pooled rows,
//! virtual patients of a network are a generator's as those of tables are, and a file of a stranger is
//! checked before it is used.

use haima_dp::noise::NoiseScale;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{Finished, open};
use haima_fl_core::results::generator::Generator;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, Sum, drive};
use haima_fl_core::synth::condition::Condition;
use haima_fl_core::synth::network::Sampler;
use haima_fl_core::task::{Run, Site, SiteState};
use serde_json::{Value, json};

use crate::common::{LEUKSURV, cohort, cohorts, data, deal, rng, schema, table};

const DOMAIN: &str = "method = \"vae\"
columns = [\"age\", \"male\", \"wbc\", \"time_days\", \"death\"]
bins = { age = 8, wbc = [0, 5, 20, 50, 100, 500] }
survival = [{ time = \"time_days\", event = \"death\", cuts = [0, 100, 365, 1000, 5000] }]
network = { hidden = [6], latent = 2, components = 2 }\n";

/// The training of a few steps.
const FEW: &str = "training = { steps = 3, expected_patients = 1000 }\n";

/// The patients at three hospitals, and in one place.
fn leukaemia() -> (Schema, Vec<Cohort>, Cohort) {
    let schema = schema(LEUKSURV);
    let hospitals = cohorts(&schema, &deal(&data("leuksurv.csv"), 3));
    let pooled = cohort(&schema, &data("leuksurv.csv"));
    (schema, hospitals, pooled)
}

fn start(params: &str, schema: &Schema) -> Box<dyn Run> {
    open("synthesize", 1, &table(&format!("{DOMAIN}{params}")), schema, &Finished::new()).unwrap()
}

/// The result of a run as JSON, without noise or with that of one node of a multiple of D.
fn fitted(params: &str, schema: &Schema, hospitals: &[Cohort], noise: Option<f64>) -> Value {
    let mut sums =
        PlainSum::new(hospitals, 10_000, 0, rng(), || Ok(start(params, schema))).unwrap();
    let mut run = start(params, schema);
    if let Some(multiple) = noise {
        let d = run.query().unwrap().sensitivity.unwrap() as f64;
        let scale = NoiseScale::new((multiple * d) as u64).unwrap();
        sums = sums.with_simulated_noise(scale, 1, [3; 32]);
    }
    drive(run.as_mut(), &mut sums).unwrap()
}

fn fit(params: &str, schema: &Schema, hospitals: &[Cohort]) -> Generator {
    Generator::read(&fitted(params, schema, hospitals, None)).unwrap()
}

/// What a site keeps is how its patients may be packed, which is probed once.
fn answer(run: &dyn Run, patients: &Cohort, kept: &mut SiteState) -> Vec<i64> {
    let site = Site { cohort: patients, capacity: 0, max_patients: 10_000, min_local_rows: 0 };
    run.contribute(&site, kept, &mut rng()).unwrap().values.to_vec()
}

fn step(run: &mut dyn Run, integers: Vec<i128>) {
    let sum = Sum::new(&run.query().unwrap(), integers, 3).unwrap();
    let _ = run.absorb(&sum).unwrap();
}

/// A sum of doubles is truncated once a hospital: to the bit but for that step.
#[test]
fn every_sum_over_hospitals_is_that_of_their_pooled_rows() {
    let (schema, hospitals, pooled) = leukaemia();
    let (mut run, mut kept) = (start(FEW, &schema), SiteState::default());
    let mut steps = 0;
    while run.query().is_some() {
        let mut of = |patients: &Cohort| answer(run.as_ref(), patients, &mut kept);
        let one: Vec<i128> = of(&pooled).into_iter().map(i128::from).collect();
        let mut all = vec![0i128; one.len()];
        for site in &hospitals {
            all.iter_mut().zip(of(site)).for_each(|(sum, own)| *sum += i128::from(own));
        }
        let apart = all.iter().zip(&one).map(|(a, b)| (a - b).abs()).max().unwrap();
        assert!(apart <= 4, "step {steps}: {apart} grid steps");
        assert!(one.iter().any(|value| value.abs() > 10_000), "the sum is of something");
        step(run.as_mut(), all);
        steps += 1;
    }
    assert_eq!((steps, run.sums()), (3, Some(3)));
}

/// On a grid fine enough one step over hospitals leaves the weights of pooled rows. Later steps have
/// noise of their own in each patient, by the weights' very bits.
#[test]
fn a_step_over_hospitals_leaves_the_weights_of_pooled_rows() {
    let (schema, hospitals, pooled) = leukaemia();
    let params = "training = { steps = 1, expected_patients = 1000, optimiser = \"sgd\", \
                  frac_bits = 36 }";
    let weights = |hospitals: &[Cohort]| -> Vec<f64> {
        fit(params, &schema, hospitals).network().unwrap().weights.clone()
    };
    let (together, one) = (weights(&hospitals), weights(std::slice::from_ref(&pooled)));
    let worst = together.iter().zip(&one).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst <= 1e-9, "{worst}");
    assert!(weights(&hospitals[..2]).iter().zip(&one).any(|(a, b)| (a - b).abs() > 1e-3));
}

#[test]
fn training_brings_virtual_patients_nearer_to_the_real_ones() {
    let (schema, _, pooled) = leukaemia();
    let hospitals = std::slice::from_ref(&pooled);
    let high = |params: &str| {
        let generator = fit(params, &schema, hospitals);
        let rows = generator.rows(500, &Condition::default(), 1).unwrap();
        // White cells of 100 and more: of 13 in 100 patients, and of most of an untrained network's.
        rows.iter().filter(|row| row[2] == 4).count() as f64 / 500.0
    };
    let untrained =
        high("training = { steps = 1, expected_patients = 1000, learning_rate = 1e-9 }");
    let trained = high("training = { steps = 60, expected_patients = 1000, learning_rate = 0.05 }");
    assert!(untrained > 0.5 && trained < 0.6 * untrained, "{untrained} and {trained}");
}

#[test]
fn the_same_seed_gives_the_same_rows_also_from_a_file_and_another_seed_others() {
    let (schema, hospitals, _) = leukaemia();
    let generator = fit(FEW, &schema, &hospitals);
    assert_eq!(generator, fit(FEW, &schema, &hospitals));
    let text = serde_json::to_string(&generator).unwrap();
    let again = Generator::read(&serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(again, generator);
    let rows = |of: &Generator, seed| of.rows(200, &Condition::default(), seed).unwrap();
    assert_eq!(rows(&generator, 3), rows(&again, 3));
    assert_ne!(rows(&generator, 3), rows(&generator, 4));
    // The first rows of many are the rows of few.
    assert_eq!(generator.rows(20, &Condition::default(), 3).unwrap(), rows(&generator, 3)[..20]);
    assert!(rows(&generator, 3).iter().all(|row| row.len() == generator.domain.attributes.len()));
}

/// Men below 55, by the edges of the domain: an untrained network has many.
const IMPOSSIBLE: &str = "impossible = [[{ male = 1 }, { age = \"< 55\" }]]\n";

fn young_men(rows: &[Vec<u16>]) -> usize {
    rows.iter().filter(|row| row[0] < 4 && row[1] == 1).count()
}

#[test]
fn conditions_and_impossible_pairs_hold_of_every_row() {
    let (schema, hospitals, _) = leukaemia();
    let free = fit(FEW, &schema, &hospitals);
    let bound = fit(&format!("{IMPOSSIBLE}{FEW}"), &schema, &hospitals);
    let everybody = Condition::default();
    assert!(young_men(&free.rows(300, &everybody, 9).unwrap()) > 30);
    assert_eq!(young_men(&bound.rows(300, &everybody, 9).unwrap()), 0);

    // 60 and 2000 cut through a bin.
    let asked = ["age >= 60", "male = 1", "time_days < 2000"].map(str::to_owned);
    let condition = bound.domain.condition(&asked).unwrap();
    let rows = bound.rows(300, &condition, 9).unwrap();
    let texts = bound.domain.texts(&rows, &condition, 9);
    let header = bound.domain.header();
    let at = |name: &str| header.iter().position(|own| own == name).unwrap();
    assert_eq!(texts.len(), 300);
    for row in &texts {
        let number = |name: &str| row[at(name)].parse::<f64>().unwrap();
        assert!(number("age") >= 60.0 && row[at("male")] == "1", "{row:?}");
        assert!(number("time_days") < 2000.0, "{row:?}");
    }
}

/// A bin that a condition cuts is drawn in its share, as the share says that is counted among draws.
#[test]
fn a_bin_is_drawn_in_the_share_that_a_condition_leaves_of_it() {
    let (schema, hospitals, _) = leukaemia();
    let generator = fit(FEW, &schema, &hospitals);
    let share = |text: &str| {
        let condition = generator.domain.condition(&[text.to_owned()]).unwrap();
        let share = generator.share(&condition).unwrap();
        assert_eq!(share.draws, Some(10_000));
        share.value
    };
    // Whole years of the bin from 55 to 68.75: 55 to 68, of which 60 and more are 9 of 14.
    let above = share("age >= 68.75");
    let bin = share("age >= 55") - above;
    assert!((share("age >= 60") - above - bin * 9.0 / 14.0).abs() < 1e-9);
    assert!(bin > 0.02 && (share("male = 1") + share("male = 0") - 1.0).abs() < 1e-9);
    // And so are rows.
    let condition = generator.domain.condition(&["age >= 60".to_owned()]).unwrap();
    let rows = generator.rows(2000, &condition, 5).unwrap();
    let cut = rows.iter().filter(|row| row[0] == 4).count() as f64 / 2000.0;
    let expected = bin * 9.0 / 14.0 / share("age >= 60");
    assert!((cut - expected).abs() < 0.05, "{cut} beside {expected}");
}

#[test]
fn a_condition_that_nobody_can_meet_ends_with_its_columns() {
    let (schema, hospitals, _) = leukaemia();
    let generator = fit(&format!("{IMPOSSIBLE}{FEW}"), &schema, &hospitals);
    let asked = ["age < 50", "male = 1"].map(str::to_owned);
    let condition = generator.domain.condition(&asked).unwrap();
    let error = generator.rows(10, &condition, 1).unwrap_err().to_string();
    assert!(error.contains("age, male") && error.contains("0 of 100000"), "{error}");
    assert_eq!(generator.share(&condition).unwrap().value, 0.0);
}

/// A small network's draws cost more than its weights say, and whoever cannot wait is told sooner.
#[test]
fn so_much_work_is_done_to_find_rows_and_no_more() {
    let (schema, hospitals, _) = leukaemia();
    let generator = fit(&format!("{IMPOSSIBLE}{FEW}"), &schema, &hospitals);
    let network = generator.network().unwrap();
    let sampler = Sampler::open(&generator.domain, network).unwrap();
    let draw = network.weights.len() as u64 + 1000;
    let within = |work: u64, asked: &[&str]| {
        let asked: Vec<String> = asked.iter().map(|text| (*text).to_owned()).collect();
        let condition = generator.domain.condition(&asked).unwrap();
        let mut stream = haima_fl_core::results::generator::sampler(1);
        sampler.rows_within(work, 10, &condition, &mut stream).map_err(|error| error.to_string())
    };
    let nobody = ["age < 50", "male = 1"];
    let error = within(500 * draw, &nobody).unwrap_err();
    assert!(error.contains("0 of 500 patients"), "{error}");
    // Four draws a row are made whatever they cost.
    let error = within(1, &nobody).unwrap_err();
    assert!(error.contains("0 of 40 patients"), "{error}");
    // What is found in time is what anybody finds.
    let rows = generator.rows(10, &Condition::default(), 1).unwrap();
    assert_eq!(within(500 * draw, &[]), Ok(rows));
}

#[test]
fn pairs_that_exclude_everybody_are_refused_before_anything_is_summed() {
    let schema = schema(LEUKSURV);
    let refused = |method: &str, params: &str| {
        let all = DOMAIN.replace("\"vae\"", &format!("\"{method}\""));
        let all = if method == "vae" { all + FEW } else { all.replace("network = ", "# ") };
        open("synthesize", 1, &table(&format!("{params}\n{all}")), &schema, &Finished::new())
            .err()
            .map(|error| error.to_string())
    };
    let [one, other] = [0, 1].map(|male| format!("[{{ male = {male} }}, {{ age = \">= 0\" }}]"));
    for method in ["vae", "mst", "aim"] {
        let error = refused(method, &format!("impossible = [{one}, {other}]")).unwrap();
        assert!(error.contains("leaves nobody"), "{method}: {error}");
        // Men alone are somebody.
        assert_eq!(refused(method, &format!("impossible = [{one}]")), None, "{method}");
    }
}

/// A generator that says that its sums were exact may take no budget: no step of it states a D.
#[test]
fn a_network_states_a_sensitivity_under_noise_alone() {
    let schema = schema(LEUKSURV);
    let d = |release: &str| start(&format!("{release}{FEW}"), &schema).query().unwrap().sensitivity;
    assert_eq!((d(""), d("release = \"exact\"\n")), (None, None));
    assert!(d("release = \"noised\"\n").is_some_and(|d| d > 0));
}

#[test]
fn a_file_of_a_stranger_is_refused_where_its_parts_do_not_fit() {
    let (schema, hospitals, _) = leukaemia();
    let whole = fitted(FEW, &schema, &hospitals, None);
    Generator::read(&whole).unwrap();
    type Change = fn(&mut Value);
    let changes: [(&str, Change, &str); 16] = [
        ("a weight less", |v| drop(weights(v).pop()), "not those"),
        ("a weight more", |v| weights(v).push(json!(0.0)), "not those"),
        ("a weight that is none", |v| weights(v)[3] = Value::Null, "no generator"),
        ("another layer", |v| v["model"]["model"]["layers"][0]["shape"][1] = json!(7), "not those"),
        ("no layer", |v| v["model"]["model"]["layers"] = json!([]), "not those"),
        ("other widths", |v| v["model"]["model"]["params"]["hidden"] = json!([9]), "not those"),
        (
            "far more weights than it has",
            |v| v["model"]["model"]["params"]["hidden"] = json!(vec![4096; 16]),
            "weights, at most",
        ),
        ("another scale", |v| v["model"]["model"]["terms"][2]["scale"] = json!(1e9), "not those"),
        ("another model", |v| v["model"]["model"]["params"]["name"] = json!("mlp"), "no `vae`"),
        ("no outcome", |v| drop(params(v).remove("outcome")), "not those"),
        (
            "fewer columns",
            |v| v["model"]["model"]["params"]["columns"] = json!(["age"]),
            "not those",
        ),
        ("another form", |v| v["model"]["schema"] = json!("haima.network/9"), "no `vae`"),
        ("more sums", |v| v["model"]["steps"] = json!(1), "other sums"),
        ("another seed", |v| v["seed"] = json!(8), "other sums"),
        (
            "a table",
            |v| v["measured"] = json!([{ "attributes": [0], "cells": 8, "round": 1, "sd": 0.0 }]),
            "other sums",
        ),
        ("neither form", |v| v["model"] = json!({ "total": 3.0 }), "no generator"),
    ];
    for (what, change, says) in changes {
        let mut file = whole.clone();
        change(&mut file);
        let error = Generator::read(&file).expect_err(what).to_string();
        assert!(error.contains(says), "{what}: {error}");
    }
    // Of sums that nobody's noise was in, nothing noised comes.
    let mut unbounded = whole;
    unbounded["release"] = json!("noised");
    unbounded["model"]["unit"] = json!("none");
    assert!(Generator::read(&unbounded).unwrap_err().to_string().contains("S4"));
}

fn weights(file: &mut Value) -> &mut Vec<Value> {
    file["model"]["weights"].as_array_mut().unwrap()
}

fn params(file: &mut Value) -> &mut serde_json::Map<String, Value> {
    file["model"]["model"]["params"].as_object_mut().unwrap()
}

#[test]
fn noise_reaches_the_weights_and_the_generator_says_that_it_was_charged() {
    let (schema, hospitals, _) = leukaemia();
    let noised = format!("release = \"noised\"\n{FEW}");
    let read = |noise| Generator::read(&fitted(&noised, &schema, &hospitals, noise)).unwrap();
    let (quiet, loud) = (read(None), read(Some(0.5)));
    assert!(quiet.is_charged() && loud.is_charged() && !fit(FEW, &schema, &hospitals).is_charged());
    assert_ne!(quiet.network().unwrap().weights, loud.network().unwrap().weights);
    assert_eq!((loud.rounds, loud.sites, loud.method.as_str()), (3, 3, "vae"));
    assert!(loud.measured.is_empty() && loud.tables().is_none());
    assert_eq!(loud.rows(50, &Condition::default(), 1).unwrap().len(), 50);
}

/// Rule S2, for some patients and in every step; and the plan has one D for all of them.
#[test]
fn one_patient_moves_a_sum_by_at_most_what_is_charged() {
    let (schema, _, pooled) = leukaemia();
    let mut kept = SiteState::default();
    let mut run = start(&format!("release = \"noised\"\n{FEW}"), &schema);
    let planned = run.query().unwrap().sensitivity;
    for gone in [0, 517, 1042] {
        let query = run.query().unwrap();
        assert_eq!(query.sensitivity, planned);
        let d = i128::from(query.sensitivity.unwrap());
        let with = answer(run.as_ref(), &pooled, &mut kept);
        let without = answer(run.as_ref(), &pooled.select(|i| i != gone), &mut kept);
        let moved: i128 = with.iter().zip(&without).map(|(a, b)| i128::from(a - b).pow(2)).sum();
        assert!(0 < moved && moved <= d * d, "{gone}: {moved} beside {}", d * d);
        step(run.as_mut(), with.into_iter().map(i128::from).collect());
    }
}

#[test]
fn whoever_is_held_out_adds_nothing() {
    let (schema, _, pooled) = leukaemia();
    let params = format!("holdout = 0.3\nseed = 4\n{FEW}");
    let generator = fit(&params, &schema, std::slice::from_ref(&pooled));
    let split = generator.split(&schema).unwrap();
    let out = pooled.select(|i| split.holds_out(&pooled, i));
    assert!((250..380).contains(&out.len()), "{}", out.len());
    let (run, mut kept) = (start(&params, &schema), SiteState::default());
    let mut of = |patients: &Cohort| answer(run.as_ref(), patients, &mut kept);
    assert!(of(&out).iter().all(|value| *value == 0));
    let rest = pooled.select(|i| !split.holds_out(&pooled, i));
    assert_eq!(of(&rest), of(&pooled));
}

#[test]
fn a_saved_run_goes_on_where_it_was() {
    let (schema, _, pooled) = leukaemia();
    let mut run = start(FEW, &schema);
    let first = answer(run.as_ref(), &pooled, &mut SiteState::default());
    step(run.as_mut(), first.into_iter().map(i128::from).collect());
    let mut other = start(FEW, &schema);
    assert!(other.restore(&run.save().unwrap()));
    assert_eq!(other.query(), run.query());
    assert!(!other.restore(&json!({ "none": 1 })));
    let tables = table(&DOMAIN.replace("vae", "mst").replace("network = ", "# "));
    let mut tables = open("synthesize", 1, &tables, &schema, &Finished::new()).unwrap();
    assert!(!tables.restore(&run.save().unwrap()) && !run.restore(&tables.save().unwrap()));
}

/// What follows from the domain where it is not said.
#[test]
fn the_outcome_is_the_event_of_the_first_time_to_event_unless_another_is_named() {
    let schema = schema(LEUKSURV);
    let (head, _) = DOMAIN.split_once("network").unwrap();
    let asked = |network: &str| {
        let params = format!("{head}network = {{ {network} }}\n{FEW}");
        open("synthesize", 1, &table(&params), &schema, &Finished::new())
            .map(|run| run.query().unwrap().dimension())
            .map_err(|error| error.to_string())
    };
    let same = |one: &str, other: &str| assert_eq!(asked(one).unwrap(), asked(other).unwrap());
    same("", "hidden = [32], latent = 4, components = 4, outcome = \"death\"");
    assert_ne!(asked(""), asked("outcome = \"\""));
    assert_ne!(asked(""), asked("hidden = [31]"));
    for (network, says) in [
        ("outcome = \"tpi\"", "none of the columns"),
        ("outcome = \"age\"", "numeric"),
        ("outcome = 3", "name of a column"),
        ("columns = [\"age\"]", "`network` has no `columns`"),
        ("name = \"mlp\"", "`network` has no `name`"),
        ("hidden = [4000, 4000]", "weights"),
        ("hidden = [500, 500]", "a generator's has at most"),
        ("log1p = [\"tpi\"]", "`log1p`"),
    ] {
        let error = asked(network).unwrap_err();
        assert!(error.contains(says), "{network}: {error}");
    }
}

#[test]
fn parameters_of_training_that_cannot_be_used_say_why() {
    let schema = schema(LEUKSURV);
    for (params, says) in [
        ("", "`training` has no `expected_patients`"),
        ("training = { expected_patients = 0 }", "expected_patients"),
        ("training = { expected_patients = 9, steps = 0 }", "`steps`"),
        ("training = { expected_patients = 9, name = \"fedavg\" }", "`dp-sgd`"),
        ("training = { expected_patients = 9, early_stopping = 3 }", "early_stopping"),
        ("training = { expected_patients = 9, clip = -1.0 }", "`clip`"),
        ("training = { expected_patients = 9 }\nholdout = 0.95", "`holdout`"),
        ("training = { expected_patients = 9 }\nrounds = 4", "rounds"),
    ] {
        let params = table(&format!("{DOMAIN}{params}"));
        match open("synthesize", 1, &params, &schema, &Finished::new()) {
            Ok(_) => panic!("{params} was taken"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(says) && error.contains("synthesize"), "{params}: {error}");
            }
        }
    }
}

#[test]
fn a_comparison_takes_a_network_as_any_generator_and_its_outline_too() {
    let (schema, hospitals, _) = leukaemia();
    let judged = "of = \"net\"\nrows = 60\nseed = 3\nrelease = \"noised\"";
    let question = |of: Value| {
        let finished = Finished::from([("net".to_owned(), of)]);
        let judge = open("fidelity", 1, &table(judged), &schema, &finished);
        judge.map(|run| run.query().unwrap()).map_err(|error| error.to_string())
    };
    let noised = format!("release = \"noised\"\nholdout = 0.2\n{FEW}");
    let made = question(fitted(&noised, &schema, &hospitals, Some(0.5))).unwrap();
    assert_eq!(question(start(&noised, &schema).outline().unwrap()), Ok(made));
    assert!(question(start(FEW, &schema).outline().unwrap()).unwrap_err().contains("S4"));
}
