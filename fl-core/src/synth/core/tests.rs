//! The generator as a whole, on small domains: against the whole joint table.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::graph::{Factor, GraphModel};
use super::{Error, table};

/// Three attributes of 4, 3 and 5 levels in 3, 2 and 4 groups; a chain of two factors with a zero.
fn model() -> GraphModel {
    let (ab, bc) =
        (vec![1.0, 0.5, 0.0, 0.7, 0.2, 0.9], vec![0.1, 1.0, 0.4, 0.3, 0.8, 0.0, 0.6, 0.2]);
    GraphModel {
        total: 500.0,
        groups: vec![vec![0, 1, 1, 2], vec![0, 1, 1], vec![3, 2, 1, 0, 0]],
        within: vec![
            vec![1.0, 0.3, 0.7, 1.0],
            vec![1.0, 0.9, 0.1],
            vec![1.0, 1.0, 1.0, 0.25, 0.75],
        ],
        factors: vec![
            Factor { attributes: vec![0, 1], values: ab },
            Factor { attributes: vec![1, 2], values: bc },
        ],
    }
}

/// The joint distribution of the fine levels, from the definition.
fn joint(model: &GraphModel) -> Vec<f64> {
    let mut cells = Vec::new();
    let sizes = [3, 2, 4];
    for a in 0..4 {
        for b in 0..3 {
            for c in 0..5 {
                let levels = [a, b, c];
                let group = |i: usize| usize::from(model.groups[i][levels[i]]);
                let mut p: f64 = (0..3).map(|i| model.within[i][levels[i]]).product();
                for f in &model.factors {
                    let (x, y) = (f.attributes[0], f.attributes[1]);
                    p *= f.values[group(x) * sizes[y] + group(y)];
                }
                cells.push(p);
            }
        }
    }
    let total: f64 = cells.iter().sum();
    cells.iter().map(|p| p / total).collect()
}

#[test]
fn marginals_are_those_of_the_joint_table() {
    let model = model();
    model.check().unwrap();
    let joint = joint(&model);
    for wanted in [vec![0], vec![2, 0], vec![1, 2], vec![2, 1, 0]] {
        let got = model.marginal(&wanted).unwrap();
        let map = table::projection(&[0, 1, 2], &wanted, &[4, 3, 5]);
        let want = table::sum(&joint, &map, got.len());
        assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12), "{wanted:?}");
    }
    assert_eq!(model.marginal(&[3]), Err(Error::NoAttribute { attribute: 3 }));
    assert_eq!(model.marginal(&[1, 1]), Err(Error::NoAttribute { attribute: 1 }));
}

#[test]
fn a_model_comes_back_from_json_to_the_bit() {
    let mut model = model();
    model.factors[0].values[1] = 0.1 + 0.2;
    let text = serde_json::to_string(&model).unwrap();
    let again: GraphModel = serde_json::from_str(&text).unwrap();
    assert_eq!(again, model);
    assert_eq!(again.marginal(&[2, 0]), model.marginal(&[2, 0]));
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let spoil: [fn(&mut GraphModel); 7] = [
        |m| m.total = f64::NAN,
        |m| m.within[0][1] = 0.9,
        |m| m.factors[0].values.push(1.0),
        |m| m.factors[0].attributes = vec![0, 9],
        |m| m.factors[0].attributes = vec![0, 0],
        |m| m.factors[1].values[0] = f64::INFINITY,
        |m| m.factors[0].values = vec![0.0; 6],
    ];
    for spoil in spoil {
        let mut bad = model();
        spoil(&mut bad);
        assert!(bad.check().is_err(), "{bad:?}");
    }
}

#[test]
fn a_small_file_of_a_model_too_large_to_hold_is_refused() {
    // Every pair of binary attributes: one clique of all of them, from four numbers a pair.
    let pairs = |n: usize| GraphModel {
        total: 100.0,
        groups: vec![vec![0, 1]; n],
        within: vec![vec![1.0; 2]; n],
        factors: (0..n)
            .flat_map(|b| (0..b).map(move |a| vec![a, b]))
            .map(|attributes| Factor { attributes, values: vec![1.0; 4] })
            .collect(),
    };
    pairs(6).check().unwrap();
    let error = pairs(21).check().unwrap_err();
    let (attributes, what) = ((0..21).collect(), "the model's clique");
    assert_eq!(error, Error::TooLarge { attributes, limit: 1 << 20, what });
    assert!(serde_json::to_string(&pairs(21)).unwrap().len() < 40_000);
}

#[test]
fn controlled_rows_are_the_expectation_rounded() {
    let model = model();
    let joint = joint(&model);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let rows = model.sample(4000, &BTreeMap::new(), &mut rng).unwrap();
    let mut counts = vec![0.0; 60];
    let mut ones = vec![0.0; 4];
    for row in &rows {
        counts[usize::from(row[0]) * 15 + usize::from(row[1]) * 5 + usize::from(row[2])] += 1.0;
        ones[usize::from(row[0])] += 1.0;
    }
    for (count, p) in counts.iter().zip(&joint) {
        assert!(f64::abs(count - 4000.0 * p) <= 6.0, "{count} {}", 4000.0 * p);
        assert!(*p > 0.0 || *count == 0.0);
    }
    let expected = model.marginal(&[0]).unwrap();
    assert!(ones.iter().zip(&expected).all(|(n, p)| f64::abs(n - 4000.0 * p) <= 2.0), "{ones:?}");
}

#[test]
fn both_ways_to_draw_have_the_right_expectation() {
    let model = model();
    let joint = joint(&model);
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut counts = [vec![0.0; 60], vec![0.0; 60]];
    for _ in 0..4000 {
        let both = [
            model.sample(3, &BTreeMap::new(), &mut rng).unwrap(),
            model.sample_independent(3, &BTreeMap::new(), &mut rng).unwrap(),
        ];
        for (counts, rows) in counts.iter_mut().zip(both) {
            for row in rows {
                let cell = usize::from(row[0]) * 15 + usize::from(row[1]) * 5 + usize::from(row[2]);
                counts[cell] += 1.0;
            }
        }
    }
    for counts in &counts {
        for (count, p) in counts.iter().zip(&joint) {
            let expected = 12_000.0 * p;
            assert!(
                f64::abs(count - expected) <= 5.0 * expected.sqrt() + 1e-9,
                "{count} {expected}"
            );
        }
    }
}

#[test]
fn rows_under_a_condition_follow_the_conditional_distribution() {
    let model = model();
    let joint = joint(&model);
    // Half of level 1 and all of level 3 of attribute 0; levels 0 and 4 of attribute 2.
    let allowed =
        BTreeMap::from([(0, vec![0.0, 0.5, 0.0, 1.0]), (2, vec![1.0, 0.0, 0.0, 0.0, 1.0])]);
    let weigh = |cell: usize| allowed[&0][cell / 15] * allowed[&2][cell % 5] * joint[cell];
    let total: f64 = (0..60).map(weigh).sum();
    assert!((model.probability(&allowed).unwrap() - total).abs() < 1e-12);
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let rows = model.sample(3000, &allowed, &mut rng).unwrap();
    let mut counts = vec![0.0; 60];
    for row in &rows {
        counts[usize::from(row[0]) * 15 + usize::from(row[1]) * 5 + usize::from(row[2])] += 1.0;
    }
    for (cell, count) in counts.iter().enumerate() {
        assert!(f64::abs(count - 3000.0 * weigh(cell) / total) <= 5.0);
    }
}

#[test]
fn a_condition_that_nobody_meets_is_named() {
    // Group 1 of attribute 0 never meets group 0 of attribute 1.
    let allowed = BTreeMap::from([(0, vec![0.0, 1.0, 1.0, 0.0]), (1, vec![1.0, 0.0, 0.0])]);
    let error = Error::NoSupport { attributes: vec![0, 1] };
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    assert_eq!(model().sample(10, &allowed, &mut rng), Err(error.clone()));
    assert_eq!(model().probability(&allowed), Err(error));
    let other = BTreeMap::from([(7, vec![1.0])]);
    assert_eq!(model().probability(&other), Err(Error::NoAttribute { attribute: 7 }));
}

#[test]
fn the_same_seed_gives_the_same_rows_and_another_gives_others() {
    let draw = |seed| {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        model().sample(50, &BTreeMap::new(), &mut rng).unwrap()
    };
    assert_eq!(draw(5), draw(5));
    assert_ne!(draw(5), draw(6));
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    assert!(model().sample(0, &BTreeMap::new(), &mut rng).unwrap().is_empty());
}

#[test]
fn a_flat_model_has_every_combination_alike() {
    let model = GraphModel::flat(&[2, 3, 1024]);
    model.check().unwrap();
    assert_eq!(model.levels(), [2, 3, 1024]);
    let pairs = model.marginal(&[1, 0]).unwrap();
    assert!(pairs.len() == 6 && pairs.iter().all(|p| (p - 1.0 / 6.0).abs() < 1e-12), "{pairs:?}");
    let allowed = BTreeMap::from([(0, vec![0.0, 1.0]), (1, vec![1.0, 0.5, 0.0])]);
    assert!((model.probability(&allowed).unwrap() - 0.25).abs() < 1e-12);
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let rows = model.sample(300, &allowed, &mut rng).unwrap();
    let of = |level: u16| rows.iter().filter(|row| row[1] == level).count();
    assert!(of(0).abs_diff(200) <= 1 && of(2) == 0, "{} and {}", of(0), of(2));
    assert!(rows.iter().all(|row| row.len() == 3 && row[0] == 1));
    GraphModel::flat(&[2; super::MOST_ATTRIBUTES]).check().unwrap();
}

#[test]
fn many_factors_on_one_large_clique_are_refused_before_they_are_multiplied() {
    let twenty: Vec<usize> = vec![2; 20];
    let of = |attributes: Vec<usize>| {
        let values = vec![1.0; 1 << attributes.len()];
        Factor { attributes, values }
    };
    let subset = |bits: usize| (0..12).filter(|a| bits >> a & 1 == 1).collect::<Vec<usize>>();
    let all = || of((0..20).collect());
    // Every level a group of its own, as in a model of exact tables.
    let groups = twenty.iter().map(|levels| (0..*levels as u16).collect()).collect();
    let within = twenty.iter().map(|levels| vec![1.0; *levels]).collect();
    let few = GraphModel { total: 1.0, groups, within, factors: vec![all()] };
    assert_eq!(few.check(), Ok(()));
    let factors = std::iter::once(all()).chain((1..1 << 12).map(|bits| of(subset(bits))));
    let many = GraphModel { factors: factors.collect(), ..few };
    assert!(matches!(many.check(), Err(Error::Malformed { reason }) if reason.contains("factors")));
}

#[test]
fn the_log_of_a_patients_probability_is_that_of_the_joint_table_however_small() {
    let model = model();
    for (a, b, c) in [(0u16, 0u16, 0u16), (1, 2, 3), (3, 1, 4), (2, 0, 1)] {
        let only = |levels: usize, level: u16| {
            (0..levels).map(|l| f64::from(u8::from(l == usize::from(level)))).collect::<Vec<_>>()
        };
        let alone = BTreeMap::from([(0, only(4, a)), (1, only(3, b)), (2, only(5, c))]);
        let log = model.log_probability(&[a, b, c]).unwrap();
        match model.probability(&alone) {
            Ok(probability) => assert!((log - probability.ln()).abs() < 1e-9, "{a} {b} {c}"),
            Err(_) => assert_eq!(log, f64::NEG_INFINITY, "{a} {b} {c}"),
        }
    }
    assert!(model.log_probability(&[0, 0]).is_err() && model.log_probability(&[0, 3, 0]).is_err());
    // Forty even coins, of which each row has a probability of 1e-12.
    let coins = GraphModel::flat(&[2; 40]);
    let log = coins.log_probability(&[1; 40]).unwrap();
    assert!((log - 40.0 * 0.5f64.ln()).abs() < 1e-9, "{log}");
}
