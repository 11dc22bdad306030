use std::sync::atomic::{AtomicU32, Ordering};

use haima_fl_core::synth::core::{Attribute, Order};
use haima_fl_core::synth::rounds::{Family, Method};

use super::*;

/// Two columns of three levels that agree, and a last patient who is the only one in whom they differ.
fn world() -> World {
    let mut rows: Vec<Vec<u16>> = (0..60_u16).map(|i| vec![i % 3, i % 3, i % 2]).collect();
    rows.push(vec![0, 2, 1]);
    World { sizes: vec![3; 3], rows }
}

/// Rounds of trees over its columns.
fn trees(noised: bool) -> Rounds {
    let attributes = vec![Attribute { levels: 3, order: Order::Nominal }; 3];
    Rounds::start(attributes, Vec::new(), Method::new(Family::Mst, noised), Caps::new(noised))
        .unwrap()
}

/// By hand: of three members' shares of the others below them 1, 5/6, 1 and the like for the others.
#[test]
fn the_area_and_its_error_are_delongs() {
    let area = Area::of(&[3.0, 2.0, 4.0], &[1.0, 2.0, 0.0]).unwrap();
    assert!((area.auc - 17.0 / 18.0).abs() < 1e-12, "{area:?}");
    assert!(
        (area.se - (2.0 * 0.009_259_259_259_259_26 / 3.0_f64).sqrt()).abs() < 1e-12,
        "{area:?}"
    );
    assert_eq!(Area::of(&[1.0, 1.0], &[0.0, f64::NEG_INFINITY]).map(|area| area.auc), Some(1.0));
    assert_eq!(
        Area::of(&[f64::NEG_INFINITY; 3], &[f64::NEG_INFINITY; 3]).map(|a| a.auc),
        Some(0.5)
    );
    assert_eq!(Area::of(&[1.0], &[0.0, 2.0]), None, "one score has no spread");
    assert_eq!(Area::of(&[1.0, f64::NAN], &[0.0, 2.0]), None, "no number, no area");
}

#[test]
fn an_area_without_spread_has_an_interval_all_the_same() {
    let apart = Area::of(&[2.0; 10], &[1.0; 20]).unwrap().interval();
    assert!((apart.0 - 0.025_f64.powf(0.1)).abs() < 1e-12 && apart.1 == 1.0, "{apart:?}");
    let below = Area::of(&[1.0; 20], &[2.0; 10]).unwrap().interval();
    assert!(below.0 == 0.0 && (below.1 + apart.0 - 1.0).abs() < 1e-12, "{below:?}");
    assert_eq!(Area::of(&[1.0; 5], &[1.0; 5]).unwrap().interval(), (0.0, 1.0));
}

/// The attack sees a patient of many columns, whose probability is far below 1e-12 in any model, where
/// noise is next to nothing.
#[test]
fn the_attack_is_not_blind_where_there_are_many_columns() {
    let columns = 30;
    let mut rows: Vec<Vec<u16>> =
        (0..60_u16).map(|i| (0..columns).map(|c| (i / (1 + c % 7)) % 3).collect()).collect();
    rows.push((0..columns).map(|c| (c * 5 + 2) % 3).collect());
    let target = rows.len() - 1;
    let world = World { sizes: vec![3; usize::from(columns)], rows };
    let attributes = vec![Attribute { levels: 3, order: Order::Nominal }; usize::from(columns)];
    let method = Method::new(Family::Mst, true);
    let start = Rounds::start(attributes, Vec::new(), method, Caps::new(true)).unwrap();
    let s = Some((1 << Ask::FRAC_BITS) / 4);
    let attacked = Attacked { start: &start, s, seed: 0, pairs: false };
    let found = world.attack(target, &attacked, 20, &|| ()).unwrap().by_density().unwrap();
    assert!(found.auc > 0.9, "{found:?}");
}

/// Two hundred experiments whose true area is that of two normals half a standard deviation apart.
#[test]
fn nineteen_intervals_of_twenty_hold_the_truth() {
    let truth = 1.0 - normal_two_sided(0.5 / std::f64::consts::SQRT_2) / 2.0;
    let mut stream = noise_stream(&[7; 32]);
    let mut normal = || {
        let unit = |x: u32| (f64::from(x) + 0.5) / 4_294_967_296.0;
        let (a, b) = (unit(stream.next_u32()), unit(stream.next_u32()));
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    };
    let mut held = 0;
    for _ in 0..200 {
        let members: Vec<f64> = (0..60).map(|_| normal() + 0.5).collect();
        let others: Vec<f64> = (0..60).map(|_| normal()).collect();
        let (low, high) = Area::of(&members, &others).unwrap().interval();
        held += u32::from((low..=high).contains(&truth));
    }
    assert!((180..=199).contains(&held), "{held} of 200");
}

#[test]
fn the_target_is_the_patient_with_the_rarest_pairs() {
    assert_eq!(world().rarest(), Some(60));
    assert_eq!(World { rows: Vec::new(), ..world() }.rarest(), None);
}

#[test]
fn power_and_limit_are_those_of_the_normal_distribution() {
    // 1.96 + 0.84 standard errors of 0.0183.
    assert!((Area::least_told(1000) - 0.551_17).abs() < 1e-4, "{}", Area::least_told(1000));
    // pnorm(1 / sqrt(2)) in R.
    assert!((Area::limit(1, 8, 8) - 0.760_249_938_906_524).abs() < 1e-12);
    assert!((Area::limit(4, 8, 16) - Area::limit(1, 8, 8)).abs() < 1e-12);
}

/// Without noise the pair that only the target has is there or not; under noise of 6 patients it is
/// nearly anybody's guess. An attack that always said 0.5, or always 1, would fail here.
#[test]
fn the_attack_finds_the_target_without_noise_and_not_under_it() {
    let world = world();
    let attack = |start: &Rounds, s: Option<u64>| {
        let done = AtomicU32::new(0);
        let attacked = Attacked { start, s, seed: 0, pairs: true };
        let count = || {
            done.fetch_add(1, Ordering::Relaxed);
        };
        let scores = world.attack(60, &attacked, 80, &count).unwrap();
        assert_eq!(done.into_inner(), 80, "each refit is told of once");
        scores
    };
    let open = attack(&trees(false), None);
    assert!(open.by_density().unwrap().auc > 0.9, "{open:?}");
    assert!(open.by_pairs().unwrap().auc > 0.9, "{open:?}");
    let closed = attack(&trees(true), Some(6 << Ask::FRAC_BITS));
    let (low, high) = closed.by_density().unwrap().interval();
    assert!(low < 0.5 && high < 0.75, "{low} to {high}");
}

#[test]
fn a_seed_is_an_experiment_and_pairs_are_scored_where_they_are_asked_for() {
    let (world, start) = (world(), trees(true));
    let area = |seed: u64| {
        let attacked = Attacked { start: &start, s: Some(2 << Ask::FRAC_BITS), seed, pairs: false };
        let scores = world.attack(60, &attacked, 40, &|| ()).unwrap();
        assert_eq!(scores.by_pairs(), None);
        scores.by_density().unwrap()
    };
    assert_eq!(area(1), area(1));
    assert_ne!(area(1), area(2));
}

#[test]
fn a_refit_begins_as_the_task_does_and_a_control_is_the_same_without_noise() {
    let table = |text: &str| text.parse::<toml::Table>().unwrap();
    let schema = Schema::from_toml(&table(
        "one_row_per_patient = true\n\
         column = [{ name = \"a\", kind = \"flag\" }, { name = \"b\", kind = \"flag\" }]",
    ))
    .unwrap();
    let params = table(
        "method = \"mst\"\nrelease = \"noised\"\nrounds = 5\nfocus = [\"b\"]\n\
         cohort = { include = [\"a = 1\"] }",
    );
    let start = |params: &toml::Table| task(params, &schema).unwrap().rounds_at_start();
    let attributes = || vec![Attribute { levels: 2, order: Order::Nominal }; 2];
    let by_hand = |noised: bool| {
        let method = Method { rounds: 5, ..Method::new(Family::Mst, noised) };
        let caps = Caps { model_cells: 16_384, ..Caps::new(noised) };
        Rounds::start(attributes(), Vec::new(), method, caps).unwrap().focused(vec![1])
    };
    assert_eq!(start(&params), by_hand(true));
    assert_eq!(start(&without_noise(&params)), by_hand(false));
    // What is named stays.
    let named = table("model_cells = 500\nrelease = \"noised\"");
    assert_eq!(without_noise(&named)["model_cells"].as_integer(), Some(500));
}
