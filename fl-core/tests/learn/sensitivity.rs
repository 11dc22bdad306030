//! S2 for every model, over one list of examples that must name them all: with per-step DP-SGD, a
//! patient more or less never moves a site's integers by more than the D that is charged, and a
//! patient's vector has the same bits in any company.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock};

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::model::Model;
use haima_fl_core::learn::models;
use haima_fl_core::nn::packing::{CHUNK, Packing};
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::Sum;
use haima_fl_core::task::{Run, Site, SiteState};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::common::{cohort, rng, schema, table};
use crate::planted::unit;

/// Every model of this binary, and the forms that differ in their loss. Columns: numbers `a`, `b`
/// and 16 pixels `px_*`; flags `ill` and `died`; categories `kind` (three levels) and `ending`
/// (censored, relapse, death); `time`.
const CASES: &[(&str, &str)] = &[
    ("logistic", "columns = [\"a\", \"b\"], outcome = \"ill\""),
    ("logistic", "columns = [\"a\"], time = \"time\", event = \"died\", horizon = 40.0"),
    ("cox", "columns = [\"a\", \"b\"], time = \"time\", event = \"died\", cuts = [20, 50, 100]"),
    ("mlp", "columns = [\"a\", \"b\", \"px_*\"], outcome = \"kind\", hidden = [9, 5]"),
    (
        "deepsurv",
        "columns = [\"a\", \"b\"], time = \"time\", event = \"died\", cuts = [20, 50, 100]",
    ),
    (
        "hazard",
        "columns = [\"a\", \"b\"], time = \"time\", event = \"died\", cuts = [20, 50, 100], \
         hidden = [3]",
    ),
    (
        "cnn",
        "columns = [\"px_*\"], height = 4, width = 4, filters = [3, 2], hidden = [4], \
         outcome = \"kind\"",
    ),
    (
        "competing",
        "columns = [\"a\", \"b\"], time = \"time\", event = \"ending\", cuts = [20, 50, 100], \
         hidden = [3]",
    ),
    ("vae", "columns = [\"a\", \"b\", \"ill\", \"kind\"], hidden = [4]"),
    ("vae", "columns = [\"a\", \"b\", \"ill\"], outcome = \"kind\", components = 3, hidden = [4]"),
    (
        "fusion",
        "outcome = \"ill\", hidden = [3], branch = [{ name = \"clinical\", columns = [\"a\", \"b\"], \
         hidden = [4] }, { name = \"image\", kind = \"cnn\", columns = [\"px_*\"], height = 4, \
         width = 4, filters = [2], hidden = [3] }]",
    ),
];

/// Patients of a site, at most.
const MOST: usize = 80;

fn schema_text() -> String {
    let number = |name: &str, low: i32, high: i32| {
        format!("[[column]]\nname = \"{name}\"\nkind = \"numeric\"\nrange = [{low}, {high}]\n")
    };
    let other = |name: &str, rest: &str| format!("[[column]]\nname = \"{name}\"\n{rest}\n");
    let pixels: String = (0..16).map(|i| number(&format!("px_{i:02}"), 0, 1)).collect();
    [
        "patient = \"id\"\n".to_owned(),
        number("a", -1, 1),
        number("b", -1, 1),
        number("time", 0, 100),
        other("ill", "kind = \"flag\""),
        other("died", "kind = \"flag\""),
        other("kind", "kind = \"category\"\nlevels = [\"x\", \"y\", \"z\"]"),
        other("ending", "kind = \"category\"\nlevels = [\"censored\", \"relapse\", \"death\"]"),
        pixels,
    ]
    .concat()
}

fn the_schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| schema(&schema_text()))
}

/// Patients of a seed, many of them at the ends of the public ranges.
fn patients(seed: u64, number: usize) -> Vec<String> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut between = move |low: f64, high: f64| {
        let (kind, x) = (unit(&mut random), unit(&mut random));
        match kind {
            kind if kind < 0.2 => low,
            kind if kind < 0.4 => high,
            _ => low + (high - low) * x,
        }
    };
    let row = |i: usize| {
        let mut level = |of: [&'static str; 3]| of[(between(0.0, 2.9)) as usize];
        let (kind, ending) = (level(["x", "y", "z"]), level(["censored", "relapse", "death"]));
        let flags = [between(0.0, 1.0).round(), between(0.0, 1.0).round()];
        let numbers = [between(-1.0, 1.0), between(-1.0, 1.0), between(0.0, 100.0)];
        let pixels: Vec<String> = (0..16).map(|_| between(0.0, 1.0).to_string()).collect();
        let [a, b, time] = numbers;
        let [ill, died] = flags;
        format!("{seed}-{i},{a},{b},{time},{ill},{died},{kind},{ending},{}\n", pixels.join(","))
    };
    (0..number).map(row).collect()
}

fn hospital(rows: &[String]) -> Cohort {
    let pixels: Vec<String> = (0..16).map(|i| format!("px_{i:02}")).collect();
    let header = format!("id,a,b,time,ill,died,kind,ending,{}\n", pixels.join(","));
    cohort(the_schema(), &format!("{header}{}", rows.concat()))
}

/// A training by steps of `rate`, whose weights a counterfeit sum sets.
fn training(model: &str, params: &str, clip: f64, frac_bits: u8, rate: f64) -> Box<dyn Run> {
    let params = format!(
        "seed = 1\nexpected_patients = 1\nsteps = 10\nmodel = {{ name = \"{model}\", {params} }}\n\
         strategy = {{ clip = {clip:?}, frac_bits = {frac_bits}, learning_rate = {rate:?} }}"
    );
    registry::open("train", 1, &table(&params), the_schema(), &Finished::new())
        .unwrap_or_else(|error| panic!("{model}: {error}"))
}

/// Moves every weight by the training's rate times a number in [-1, 1].
fn displace(run: &mut dyn Run, frac_bits: u8, seed: u64) {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let query = run.query().expect("running");
    let step = |_| ((2.0 * unit(&mut random) - 1.0) * 2f64.powi(i32::from(frac_bits))) as i128;
    let integers = (0..query.dimension()).map(step).collect();
    run.absorb(&Sum::new(&query, integers, 1).expect("length")).expect("finite weights");
}

/// What a site keeps after a first round, the probe of its model among it.
fn state(which: usize) -> SiteState {
    static KEPT: Mutex<BTreeMap<usize, SiteState>> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().expect("no panic while it is held");
    let state = kept.entry(which).or_insert_with(|| {
        let (name, params) = CASES[which];
        let mut state = SiteState::default();
        answer(
            training(name, params, 1.0, 16, 1.0).as_ref(),
            &hospital(&patients(1, 3)),
            &mut state,
        );
        state
    });
    state.clone()
}

fn answer(run: &dyn Run, cohort: &Cohort, state: &mut SiteState) -> Vec<i64> {
    let site = Site { cohort, capacity: 0, max_patients: 100, min_local_rows: 0 };
    let answer = run.contribute(&site, state, &mut rng()).expect("an answer");
    assert_eq!(answer.note, None, "zeros for a reason that depends on data");
    answer.values.to_vec()
}

fn open(model: &str, params: &str) -> Box<dyn Model> {
    let params = table(&format!("model = {{ name = \"{model}\", {params} }}"));
    let params = params["model"].as_table().expect("a table").clone();
    let finished = Finished::new();
    let context =
        models::Context { task: "train", schema: the_schema(), finished: &finished, terms: None };
    models::open(&params, &context).expect("a model")
}

/// Sizes of weights: small, ordinary, saturating, and past what single precision holds, so that
/// infinities and their differences arise.
fn sizes() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![1e-3, 1.0, 1.0, 30.0, 1e4, 1e19, 1e30, 3e38])
}

#[test]
fn every_model_of_this_binary_has_an_example_here() {
    let known: BTreeSet<&str> = models::known().map(|(name, _)| name).collect();
    let examples: BTreeSet<&str> = CASES.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, examples);
}

/// What the property below would find is there to be found: a patient does move the sum, by close to
/// D where the clip binds.
#[test]
fn a_patient_moves_the_sum_of_every_model_by_something() {
    for (which, (name, params)) in CASES.iter().enumerate() {
        let run = training(name, params, 1e-3, 30, 1.0);
        let (site, mut state) = (hospital(&patients(5, 20)), state(which));
        let all = answer(run.as_ref(), &site, &mut state);
        let fewer = answer(run.as_ref(), &site.select(|i| i != 0), &mut state);
        let bound = run.query().and_then(|query| query.sensitivity).expect("a sensitivity");
        let moved = distance_squared(&all, &fewer) as f64;
        let share = moved.sqrt() / bound as f64;
        assert!(share > 0.9 && share <= 1.0, "{name} {params}: {share}");
    }
}

/// The site's own probe lets patients of every model go together: the property below is about that.
#[test]
fn the_probe_finds_no_neighbour_in_any_model() {
    for (name, params) in CASES {
        let model = open(name, params);
        let mut random = ChaCha20Rng::seed_from_u64(2);
        let weights: Vec<f64> =
            (0..model.parameters()).map(|_| 2.0 * unit(&mut random) - 1.0).collect();
        let loss = model.loss(&weights).expect("a loss");
        assert_eq!(Packing::probe(loss.as_ref()), Packing::Chunks, "{name} {params}");
    }
}

fn distance_squared(one: &[i64], two: &[i64]) -> u128 {
    let square = |(a, b): (&i64, &i64)| {
        let difference = u128::from(a.abs_diff(*b));
        difference * difference
    };
    one.iter().zip(two).map(square).sum()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 192,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_patient_more_or_less_moves_the_integers_by_at_most_d(
        which in 0..CASES.len(),
        seed in any::<u64>(),
        number in 1..=MOST,
        place in any::<prop::sample::Index>(),
        alike in prop::bool::weighted(0.2),
        size in sizes(),
        // The finer the grid, the more of what rounding does is seen on it.
        (clip, frac_bits) in prop::sample::select(vec![
            (1.0, 16u8), (1.0, 38), (50.0, 10), (50.0, 30), (1e-3, 44), (0.01, 42),
        ]),
    ) {
        let (name, params) = CASES[which];
        let mut run = training(name, params, clip, frac_bits, size);
        displace(run.as_mut(), frac_bits, seed);
        let mut rows = patients(seed, number);
        if alike {
            // All pull the same way.
            let one = rows[0].split_once(',').expect("fields").1.to_owned();
            rows = (0..number).map(|i| format!("{i},{one}")).collect();
        }
        let site = hospital(&rows);
        let fewer = site.select(|i| i != place.index(number));
        let mut state = state(which);
        let with = answer(run.as_ref(), &site, &mut state);
        let without = answer(run.as_ref(), &fewer, &mut state);
        let bound = run.query().and_then(|query| query.sensitivity).expect("a sensitivity");
        let square = u128::from(bound) * u128::from(bound);
        prop_assert!(distance_squared(&with, &without) <= square, "{name} {params}");
    }

    #[test]
    fn a_patients_vector_has_the_same_bits_alone_and_in_any_company(
        which in 0..CASES.len(),
        seed in any::<u64>(),
        number in 2..=MOST,
        size in sizes(),
    ) {
        let (name, params) = CASES[which];
        let model = open(name, params);
        let mut random = ChaCha20Rng::seed_from_u64(seed);
        let weights: Vec<f64> =
            (0..model.parameters()).map(|_| size * (2.0 * unit(&mut random) - 1.0)).collect();
        let loss = model.loss(&weights).expect("a loss");
        let cohort = hospital(&patients(seed, number));
        let mut encoded = Vec::new();
        for patient in 0..number {
            let _complete: bool = model.encode(&cohort, patient, &mut encoded);
        }
        let vectors = |rows: &[f32]| {
            let mut vectors = Vec::new();
            assert!(Packing::Chunks.each(loss.as_ref(), rows, 0, |gradient| {
                // No number is as good as another: such a patient adds zeros.
                let bits = |x: &f64| if x.is_nan() { u64::MAX } else { (x + 0.0).to_bits() };
                vectors.push(gradient.iter().map(bits).collect::<Vec<_>>());
            }));
            vectors
        };
        let together = vectors(&encoded);
        let patients: Vec<&[f32]> = encoded.chunks(model.width()).collect();
        let backward: Vec<f32> = patients.iter().rev().flat_map(|row| row.iter().copied()).collect();
        let mut reversed = vectors(&backward);
        reversed.reverse();
        prop_assert_eq!(&together, &reversed, "{} {}", name, params);
        let place = number % CHUNK % patients.len().max(1);
        if let (Some(patient), Some(own)) = (patients.get(place), together.get(place)) {
            prop_assert_eq!(&vectors(patient)[0], own, "{} {}", name, params);
        }
    }
}
