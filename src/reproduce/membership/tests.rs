use haima_fl_core::synth::core::Order;
use haima_fl_core::synth::rounds::Family;

use super::*;

/// Two columns of three levels that agree, and a last patient who is the only one in whom they differ.
fn world() -> World {
    let attribute = || Attribute { levels: 3, order: Order::Nominal };
    let mut rows: Vec<Vec<u16>> = (0..60_u16).map(|i| vec![i % 3, i % 3, i % 2]).collect();
    rows.push(vec![0, 2, 1]);
    World { attributes: vec![attribute(), attribute(), attribute()], impossible: Vec::new(), rows }
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
    let attack = |method: Method, s: Option<u64>| {
        let attacked = Attacked { method, s, experiment: 0 };
        world.attack(60, &attacked, 80).unwrap()
    };
    let open = attack(Method::new(Family::Mst, false), None);
    assert!(open.by_density().unwrap().auc > 0.9, "{open:?}");
    assert!(open.by_pairs().unwrap().auc > 0.9, "{open:?}");
    let closed = attack(Method::new(Family::Mst, true), Some(6 << Ask::FRAC_BITS));
    let (low, high) = closed.by_density().unwrap().interval();
    assert!(low < 0.5 && high < 0.75, "{low} to {high}");
}
