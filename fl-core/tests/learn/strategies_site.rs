//! DP-FedAvg: the hospital is the unit, so D covers any change of all of its patients.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::strategies::Unit;
use haima_fl_core::task::{Contribution, Run, Site, SiteState};
use proptest::prelude::*;

use crate::common::{cohort, open, rng, schema};
use crate::planted::{SCHEMA, hospital, square, train};

fn params(model: &str, training: &str) -> String {
    format!(
        "seed = 1\nsteps = 60\n\
         model = {{ {model}, columns = [\"a\", \"b\"], outcome = \"ill\" }}\n\
         strategy = {{ name = \"dp-fedavg\", sites = 3, {training} }}"
    )
}

fn answer(run: &dyn Run, cohort: &Cohort) -> Contribution {
    // As under noise: no floor.
    let site = Site { cohort, capacity: 0, max_patients: 1000, min_local_rows: 0 };
    run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("an answer")
}

fn apart(run: &dyn Run, one: &Cohort, other: &Cohort) -> f64 {
    let (one, other) = (answer(run, one), answer(run, other));
    let squares = one.values.iter().zip(other.values.iter()).map(|(x, y)| ((x - y) as f64).powi(2));
    squares.sum::<f64>().sqrt()
}

fn rows(values: &[(i32, i32, bool)]) -> Cohort {
    let mut text = String::from("id,a,b,ill,time,died\n");
    for (i, (a, b, ill)) in values.iter().enumerate() {
        let (a, b) = (f64::from(*a) / 100.0, f64::from(*b) / 100.0);
        text += &format!("{i},{a},{b},{},10,0\n", u8::from(*ill));
    }
    cohort(&schema(SCHEMA), &text)
}

fn patients(least: usize) -> impl Strategy<Value = Vec<(i32, i32, bool)>> {
    prop::collection::vec((-100..=100, -100..=100, any::<bool>()), least..20)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// S2 for the site as unit: whatever a hospital's patients are, and be they none, its answers lie
    /// within D of each other.
    #[test]
    fn any_two_cohorts_of_a_hospital_answer_within_d(
        one in patients(1),
        other in patients(1),
        rate in prop::sample::select(vec!["0.1", "5.0", "1e6", "1e300"]),
        clip in prop::sample::select(vec!["0.001", "1.0", "37.5"]),
        model in prop::sample::select(vec!["name = \"logistic\"", "name = \"mlp\", hidden = [3]"]),
    ) {
        let training = format!("learning_rate = {rate}, clip = {clip}, epochs = 3, batch = 4");
        let run = open("train", &params(model, &training), &schema(SCHEMA)).expect("task");
        let d = run.query().and_then(|query| query.sensitivity).expect("bounded") as f64;
        let (one, other) = (rows(&one), rows(&other));
        prop_assert!(apart(run.as_ref(), &one, &other) <= d);
        prop_assert!(apart(run.as_ref(), &one, &one.select(|_| false)) <= d);
    }
}

/// Hospitals that pull in opposite directions come as near to D as the grid lets them: a D of C
/// would not do.
#[test]
fn opposite_hospitals_are_two_radii_apart() {
    let training = "learning_rate = 50.0, epochs = 5";
    let run =
        open("train", &params("name = \"logistic\"", training), &schema(SCHEMA)).expect("task");
    let d = run.query().and_then(|query| query.sensitivity).expect("bounded") as f64;
    let row = |a: i32, ill: bool| vec![(a, 0, ill); 5];
    let ill = rows(&[row(100, true), row(-100, false)].concat());
    let well = rows(&[row(100, false), row(-100, true)].concat());
    let apart = apart(run.as_ref(), &ill, &well);
    assert!(apart > 0.99 * d && apart <= d, "{apart} of {d}");
}

#[test]
fn it_learns_a_planted_law_each_hospital_counting_the_same_and_says_its_unit() {
    let law = |a, b| 2.0 * a - 1.0 * b + 0.5;
    let hospitals: Vec<Cohort> = (1..=3).map(|seed| hospital(seed, 200, square, law)).collect();
    let training = "learning_rate = 0.3, epochs = 2";
    let params = params("name = \"logistic\"", training);
    let network = train(&params, &schema(SCHEMA), &hospitals);
    let near =
        network.weights.iter().zip([2.0, -1.0, 0.5]).all(|(w, truth)| (w - truth).abs() < 0.5);
    assert!(near, "{:?}", network.weights);
    assert_eq!(network.unit, Unit::Site);
    assert!(network.unit.in_words().contains("unit: site"));

    // A round in which one hospital answers moves by its update over the public number of three.
    let one = train(&params.replace("steps = 60", "steps = 1"), &schema(SCHEMA), &hospitals[..1]);
    let same = || hospital(1, 200, square, law);
    let three = [same(), same(), same()];
    let three = train(&params.replace("steps = 60", "steps = 1"), &schema(SCHEMA), &three);
    for (one, three) in one.weights.iter().zip(&three.weights) {
        assert!((3.0 * one - three).abs() < 1e-9 && *three != 0.0, "{one} {three}");
    }
}
