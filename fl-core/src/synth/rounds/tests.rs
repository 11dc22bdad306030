//! A run from its first question to its generator, on patients made here.

use super::super::core::Order;
use super::*;

fn attributes() -> Vec<Attribute> {
    let number = Order::Chains(vec![(0..6).collect(), vec![6]]);
    vec![
        Attribute { levels: 7, order: number },
        Attribute { levels: 2, order: Order::Nominal },
        Attribute { levels: 5, order: Order::Chains(vec![(0..5).collect()]) },
        Attribute { levels: 4, order: Order::Nominal },
    ]
}

/// Patients whose attributes depend on each other in a chain.
fn patients(n: usize, from: usize) -> Vec<[u16; 4]> {
    let patient = |i: usize| {
        let i = i + from;
        let a = (i * 7919 + i * i % 13) % 7;
        let b = usize::from(a > 3) ^ usize::from(i.is_multiple_of(11));
        let c = (a * 5 / 7 + i % 2).min(4);
        [a as u16, b as u16, c as u16, ((b + i * i % 3) % 4) as u16]
    };
    (0..n).map(patient).collect()
}

fn total(ask: &Ask, patients: &[[u16; 4]]) -> Vec<i64> {
    let mut add = vec![0; ask.len()];
    patients.iter().for_each(|levels| ask.contribution(levels, &mut add, Ask::FRAC_BITS));
    add
}

fn decoded(sums: &[i64]) -> Vec<f64> {
    sums.iter().map(|sum| *sum as f64 / f64::from(1u32 << Ask::FRAC_BITS)).collect()
}

/// Drives a run; `sites` are summed, then `wobble` stands for the noise of a scale.
fn run(method: Method, sites: &[&[[u16; 4]]], sd: f64) -> Outcome {
    let mut run =
        Rounds::start(attributes(), Vec::new(), method, Caps::new(method.noised)).unwrap();
    let mut asked = 0;
    loop {
        let ask = run.next().clone();
        ask.check(&[7, 2, 5, 4]).unwrap();
        assert!(!method.noised || (0.999..=1.0).contains(&ask.norm()), "{}", ask.norm());
        let mut sums = vec![0i64; ask.len()];
        for site in sites {
            sums.iter_mut().zip(total(&ask, site)).for_each(|(sum, add)| *sum += add);
        }
        let mut sums = decoded(&sums);
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum += sd * ((i * 31 + 17 * asked) as f64).sin() * 1.4;
        }
        asked += 1;
        match run.absorb(&sums, method.noised.then_some(sd)).unwrap() {
            Progress::Continue(next) => {
                // A checkpoint goes on as if nothing had happened.
                let text = serde_json::to_string(&next).unwrap();
                run = serde_json::from_str(&text).unwrap();
                assert_eq!(run, next);
            }
            Progress::Done(outcome) => {
                assert_eq!(asked, method.rounds as usize);
                return *outcome;
            }
        }
    }
}

#[test]
fn an_exact_run_reproduces_the_tables_that_it_holds() {
    let all = patients(900, 0);
    for family in [Family::Mst, Family::Aim] {
        let outcome = run(Method::new(family, false), &[&all], 0.0);
        assert!((outcome.model.total() - 900.0).abs() < 1e-9);
        let held: Vec<Vec<usize>> =
            outcome.model.factors().iter().map(|f| f.attributes.clone()).collect();
        assert!(held.iter().filter(|set| set.len() == 2).count() >= 3);
        assert!(family == Family::Mst || held.iter().any(|set| set.len() == 3));
        for set in held {
            let got = outcome.model.marginal(&set).unwrap();
            let sizes = [7, 2, 5, 4];
            let mut want = vec![0.0; got.len()];
            for levels in &all {
                let cell = set.iter().fold(0, |c, a| c * sizes[*a] + usize::from(levels[*a]));
                want[cell] += 1.0 / 900.0;
            }
            let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-6, "{set:?}: {worst}");
        }
    }
}

#[test]
fn two_hospitals_give_the_model_of_both_together() {
    let (one, two) = (patients(300, 0), patients(200, 300));
    let all = patients(500, 0);
    for (noised, sd) in [(false, 0.0), (true, 3.0)] {
        let method = Method::new(Family::Aim, noised);
        assert_eq!(run(method, &[&one, &two], sd), run(method, &[&all], sd));
    }
}

#[test]
fn a_noised_run_finds_the_dependence_of_its_patients() {
    let all = patients(2000, 0);
    for family in [Family::Mst, Family::Aim] {
        let model = run(Method::new(family, true), &[&all], 5.0).model;
        let held = |set: [usize; 2]| model.factors().iter().any(|f| f.attributes == set);
        assert!(held([0, 1]) && held([0, 2]), "{family:?}");
        let got = model.marginal(&[0, 1]).unwrap();
        let mut want = vec![0.0; 14];
        all.iter().for_each(|l| want[usize::from(l[0] * 2 + l[1])] += 1.0 / 2000.0);
        let distance: f64 = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).sum();
        // Independence is at 0.8.
        assert!(distance < 0.15, "{family:?} {distance}");
    }
}

#[test]
fn pairs_in_focus_have_less_noise_and_others_more() {
    let sds = |focus: Vec<usize>| -> Vec<(Vec<usize>, f64)> {
        let method = Method::new(Family::Aim, true);
        let start = Rounds::start(attributes(), Vec::new(), method, Caps::new(true)).unwrap();
        let start = start.focused(focus);
        let sums = decoded(&total(start.next(), &patients(2000, 0)));
        let Progress::Continue(run) = start.absorb(&sums, Some(5.0)).unwrap() else {
            panic!("it ends after one round")
        };
        assert!((0.999..=1.0).contains(&run.next().norm()));
        let zeros = vec![0.0; run.next().len()];
        let tables = run.next().tables(&zeros, 5.0).unwrap();
        tables.iter().map(|table| (table.attributes(), table.sd)).collect()
    };
    let (even, focused) = (sds(Vec::new()), sds(vec![3]));
    assert_eq!(even.len(), 6);
    for ((pair, even), (same, focused)) in even.iter().zip(&focused) {
        assert_eq!(pair, same);
        assert_eq!(pair.contains(&3), focused < even, "{pair:?}: {even} {focused}");
    }
}

#[test]
fn one_attribute_alone_is_counted_again_and_again() {
    let alone = vec![attributes().swap_remove(2)];
    let mut run =
        Rounds::start(alone, Vec::new(), Method::new(Family::Aim, true), Caps::new(true)).unwrap();
    let mut add = vec![0; run.next().len()];
    patients(600, 0).iter().for_each(|l| run.next().contribution(&l[2..3], &mut add, 20));
    let model = loop {
        match run.absorb(&decoded(&add), Some(2.0)).unwrap() {
            Progress::Continue(next) => run = next,
            Progress::Done(outcome) => break outcome.model,
        }
    };
    assert!((model.total() - 600.0).abs() < 1e-3);
    assert_eq!(model.marginal(&[0]).unwrap().len(), 5);
}

#[test]
fn impossible_pairs_have_no_probability_and_the_rest_keeps_its_own() {
    let zero = |a: u16, c: u16| Impossible { left: (2, c), right: (0, a) };
    let impossible = vec![zero(0, 3), zero(0, 4), zero(1, 4)];
    let method = Method::new(Family::Aim, true);
    let mut run =
        Rounds::start(attributes(), impossible, method, Caps::new(method.noised)).unwrap();
    let all: Vec<[u16; 4]> = patients(1000, 0);
    let model = loop {
        let sums = decoded(&total(run.next(), &all));
        match run.absorb(&sums, Some(4.0)).unwrap() {
            Progress::Continue(next) => run = next,
            Progress::Done(outcome) => break outcome.model,
        }
    };
    let pair = model.marginal(&[0, 2]).unwrap();
    assert_eq!([pair[3], pair[4], pair[9]], [0.0; 3]);
    let ones = model.marginal(&[0]).unwrap();
    let zeros = all.iter().filter(|l| l[0] == 0).count() as f64 / 1000.0;
    assert!((ones[0] - zeros).abs() < 0.02, "{} {zeros}", ones[0]);
}

/// The run after a first sum over so many patients, with noise of a scale on the number of patients.
fn after_one(patients: usize, noise: f64, noised: bool) -> Rounds {
    let method = Method::new(Family::Aim, noised);
    let start = Rounds::start(attributes(), Vec::new(), method, Caps::new(noised)).unwrap();
    assert_eq!(start.told(), Ok(()), "nothing was summed");
    let mut sums = decoded(&total(start.next(), &self::patients(patients, 0)));
    sums[0] += noise;
    match start.absorb(&sums, noised.then_some(5.0)).unwrap() {
        Progress::Continue(next) => next,
        Progress::Done(_) => panic!("it ends after one round"),
    }
}

#[test]
fn patients_are_told_from_noise_where_they_are_four_times_as_many() {
    // The number of patients is asked for with the first weight, so its noise is so many patients.
    let (method, caps) = (Method::new(Family::Aim, true), Caps::new(true));
    let start = Rounds::start(attributes(), vec![], method, caps).unwrap();
    let sd = 5.0 / start.next().blocks[0].weight;
    let least = (4.0 * sd).ceil() as usize;
    assert_eq!(after_one(least + 1, 0.0, true).told(), Ok(()));
    let few = least - 2;
    let error = Error::TooFew { patients: few as u64, least: least as u64 };
    assert_eq!(after_one(few, 0.0, true).told(), Err(error.clone()));
    let said = error.to_string();
    assert!(said.contains(&format!("about {few} patients")) && said.contains("epsilon"), "{said}");
    // Nobody, and noise of three standard deviations, which happens once in 740 runs.
    assert!(after_one(0, 15.0, true).told().is_err());
    assert!(after_one(0, 21.0, true).told().is_ok(), "four and more are taken for patients");
    // Without noise everybody counts.
    assert_eq!(after_one(3, 0.0, false).told(), Ok(()));
}

/// An exact run over patients of whom some have levels that are said never to occur together.
fn contradicted(family: Family, impossible: Vec<Impossible>) -> Error {
    let method = Method::new(family, false);
    let mut run = Rounds::start(attributes(), impossible, method, Caps::new(false)).unwrap();
    let all = patients(300, 0);
    loop {
        let sums = decoded(&total(run.next(), &all));
        match run.absorb(&sums, None) {
            Ok(Progress::Continue(next)) => run = next,
            Ok(Progress::Done(outcome)) => panic!("a model: {outcome:?}"),
            Err(error) => return error,
        }
    }
}

#[test]
fn an_exact_run_names_the_pair_that_its_patients_have() {
    let of = |left: (usize, u16), right: (usize, u16)| Impossible { left, right };
    let there = |(a, x): (usize, u16), (b, y): (usize, u16)| {
        patients(300, 0).iter().any(|levels| levels[a] == x && levels[b] == y)
    };
    let (left, right) = ((2, 0), (0, 0));
    assert!(there(left, right) && !there((0, 0), (2, 4)));
    for family in [Family::Mst, Family::Aim] {
        // The first pair never occurs.
        let error = contradicted(family, vec![of((0, 0), (2, 4)), of(left, right)]);
        assert_eq!(error, Error::Contradicted { left, right }, "{family:?}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_its_number() {
    let method = Method::new(Family::Aim, true);
    let start = |attributes: Vec<Attribute>, impossible, method, caps| {
        Rounds::start(attributes, impossible, method, caps).map(|_| ()).unwrap_err()
    };
    let caps = Caps::new(true);
    let mut one = attributes();
    one[1].levels = 1;
    assert_eq!(start(one, vec![], method, caps), Error::Levels { attribute: 1, got: 1 });
    let mut chains = attributes();
    chains[2].order = Order::Chains(vec![vec![0, 1, 2], vec![3]]);
    assert_eq!(start(chains, vec![], method, caps), Error::Chains { attribute: 2 });
    let same = Impossible { left: (1, 0), right: (1, 1) };
    assert_eq!(start(attributes(), vec![same], method, caps), Error::Impossible { pair: 0 });
    assert_eq!(start(vec![], vec![], method, caps), Error::Attributes { got: 0 });
    let short = Method { rounds: 1, ..method };
    assert!(matches!(start(attributes(), vec![], short, caps), Error::Method { .. }));
    let large = Caps { model_cells: (1 << 20) + 1, ..caps };
    let said = start(attributes(), vec![], method, large).to_string();
    assert_eq!(said, "`model_cells` = 1048577; give at most 1048576");
    let few = Caps { answers: 10, ..caps };
    assert!(matches!(start(attributes(), vec![], method, few), Error::TooLarge { .. }));

    let run = || Rounds::start(attributes(), vec![], method, caps).unwrap();
    let len = run().next().len();
    let absorb = |sums: &[f64], sd| run().absorb(sums, sd).map(|_| ()).unwrap_err();
    let short = Error::Length { expected: len, got: 1 };
    assert_eq!(absorb(&[0.0], Some(1.0)), short);
    assert!(matches!(absorb(&vec![0.0; len], None), Error::Noise { .. }));
    assert!(matches!(absorb(&vec![0.0; len], Some(-1.0)), Error::Noise { .. }));
    let nobody = Error::TooFew { patients: 0, least: 1 };
    assert_eq!(absorb(&vec![0.0; len], Some(1.0)), nobody);
    assert_eq!(absorb(&vec![-50.0; len], Some(1.0)), nobody, "noise makes no number negative");
    assert!(matches!(absorb(&vec![f64::NAN; len], Some(1.0)), Error::Malformed { .. }));
}
