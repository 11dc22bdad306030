//! The metrics of virtual patients against numpy, SciPy and scikit-learn
//! (`tests/oracles/synthetic.py`) and R's survival (`tests/oracles/synthetic.R`).

use haima_fl_core::results::fidelity::Fidelity;
use haima_fl_core::results::{Curves, Fit, Term};
use haima_fl_core::stat::wald;
use haima_fl_core::synth::domain::{Attribute, Domain, Kind};
use haima_fl_core::synth::metrics::distance::{by_chance, kolmogorov_smirnov, total_variation};
use haima_fl_core::synth::metrics::nearest::{DISTANCE_BINS, Gower, Nearest, RATIO_BINS};
use haima_fl_core::synth::metrics::summary::{Asked, pooled};
use haima_fl_core::synth::metrics::workload::Workload;
use haima_fl_core::synth::metrics::{fits, forest, survival};
use serde_json::Value;

use crate::common::{LEUKSURV, cohort, data, run, schema, shipped_oracle};

/// The oracle's columns: ordered bins with missing, levels, a flag, time by event.
fn domain() -> Domain {
    let attribute = |name: &str, missing, kind| Attribute { name: name.to_owned(), kind, missing };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    Domain {
        attributes: vec![
            attribute(
                "age",
                true,
                Kind::Number { edges: vec![20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0], decimals: 0 },
            ),
            attribute(
                "group",
                false,
                Kind::Levels { levels: texts(&["a", "b", "c", "d"]), flag: false, ordered: false },
            ),
            attribute(
                "flag",
                false,
                Kind::Levels { levels: texts(&["0", "1"]), flag: true, ordered: false },
            ),
            attribute(
                "time x event",
                false,
                Kind::Survival {
                    time: "time".to_owned(),
                    event: "event".to_owned(),
                    edges: vec![0.0, 10.0, 20.0, 30.0],
                    events: texts(&["0", "1"]),
                    decimals: 0,
                },
            ),
        ],
        impossible: Vec::new(),
        cohort: Default::default(),
    }
}

fn rows(oracle: &Value, name: &str) -> Vec<Vec<u16>> {
    serde_json::from_value(oracle[name].clone()).unwrap()
}

fn asked() -> Asked {
    Asked { of: "net".to_owned(), seed: 5, conditions: Vec::new(), subset: "all".to_owned() }
}

/// The oracle's rows, all of them in the making of the generator.
fn judged(oracle: &Value) -> Fidelity {
    let domain = domain();
    let workload = Workload::new(&domain.sizes(), 3, 100_000, 1).unwrap();
    let real: Vec<(Vec<u16>, bool)> =
        rows(oracle, "real").into_iter().map(|row| (row, false)).collect();
    pooled(asked(), &domain, &workload, &real, &rows(oracle, "synthetic"))
}

fn close(found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
}

#[test]
fn distances_of_columns_pairs_and_triples_equal_scipy() {
    let oracle = shipped_oracle("synthetic.json");
    let found = judged(&oracle);
    assert_eq!((found.n, found.rows, found.sites), (240.0, 300, 1));
    for (column, expected) in found.columns.iter().zip(oracle["columns"].as_array().unwrap()) {
        close(column.tv, &expected["tv"]);
        close(column.chance, &expected["chance"]);
    }
    assert_eq!(found.columns.len(), 4);
    close(found.columns[0].ks.unwrap(), &oracle["ks_age"]);
    assert_eq!([found.columns[1].ks, found.columns[2].ks], [None, None]);
    close(found.columns[3].ks.unwrap(), &oracle["ks_time"]);

    assert_eq!(found.pairs.len(), 6);
    for (pair, expected) in found.pairs.iter().zip(oracle["pairs"].as_array().unwrap()) {
        close(pair.tv, &expected["tv"]);
        close(pair.chance, &expected["chance"]);
        let (real, synthetic) = pair.association.unwrap();
        close(real, &expected["association"][0]);
        close(synthetic, &expected["association"][1]);
    }
    let [first, second, third] = &found.workload[..] else { panic!("three orders") };
    assert_eq!([first.tables, second.tables, third.tables, third.of], [4, 6, 4, 4]);
    close(third.tv, &oracle["triples"]["tv"]);
    close(third.chance, &oracle["triples"]["chance"]);
    assert_eq!(third.worst.len(), 4);
    assert_eq!(first.shuffled, None, "a column alone goes with nothing");
}

#[test]
fn patients_whose_columns_do_not_go_together_are_as_far_as_their_columns_shuffled() {
    // Two columns that are one; the virtual patients are the real ones themselves.
    let level = |name: &str| Attribute {
        name: name.to_owned(),
        kind: Kind::Levels {
            levels: vec!["0".to_owned(), "1".to_owned()],
            flag: true,
            ordered: false,
        },
        missing: false,
    };
    let domain = Domain {
        attributes: vec![level("a"), level("b")],
        impossible: Vec::new(),
        cohort: Default::default(),
    };
    let workload = Workload::new(&domain.sizes(), 2, 100, 1).unwrap();
    let virtual_rows: Vec<Vec<u16>> = (0..2000).map(|row| vec![row % 2; 2]).collect();
    let real: Vec<_> = virtual_rows.iter().map(|row| (row.clone(), false)).collect();
    let found = pooled(asked(), &domain, &workload, &real, &virtual_rows);
    assert_eq!(found.workload[1].tv, 0.0);
    // Half of all patients would have to move, give or take what shuffling 2,000 leaves to chance.
    let shuffled = found.workload[1].shuffled.unwrap();
    assert!((shuffled - 0.5).abs() < 0.06, "{shuffled}");
}

#[test]
fn what_chance_gives_is_what_dealing_out_the_labels_gives() {
    let oracle = shipped_oracle("synthetic.json");
    let dealt = oracle["triples"]["permuted"].as_f64().unwrap();
    let third = &judged(&oracle).workload[2];
    assert!((third.chance - dealt).abs() < 1e-3, "{} instead of {dealt}", third.chance);
    // Noise on the real counts adds to it; nothing is left of two equal cells of large cohorts.
    let counts = [400.0, 600.0];
    let quiet = by_chance(&counts, 1000.0, &counts, 1000.0, 0.0);
    let noisy = by_chance(&counts, 1000.0, &counts, 1000.0, 50.0);
    assert!(quiet > 0.015 && quiet < 0.02, "{quiet}");
    // Two cells, each off by noise of mean size 50 sqrt(2 / pi): 0.04 of the patients.
    assert!((0.0398942..0.044).contains(&noisy), "{noisy}");
    assert!(by_chance(&counts, 0.0, &counts, 1000.0, 0.0).is_nan());
}

#[test]
fn rank_correlation_equals_scipy_and_leaves_missing_out() {
    // The flag is no ordered column, so its correlation is not in the result.
    let oracle = shipped_oracle("synthetic.json");
    let expected = oracle["rank_age_flag"].as_array().unwrap();
    for (name, expected) in ["real", "synthetic"].into_iter().zip(expected) {
        let mut table = vec![0.0; 12];
        for row in rows(&oracle, name).iter().filter(|row| row[0] < 6) {
            table[usize::from(row[0]) * 2 + usize::from(row[2])] += 1.0;
        }
        let found =
            haima_fl_core::synth::metrics::association::rank_correlation(&table, 6, 2).unwrap();
        close(found, expected);
    }
    assert!(judged(&oracle).pairs.iter().all(|pair| pair.correlation.is_none()));
}

#[test]
fn the_nearest_virtual_patients_are_those_of_a_search_through_all() {
    let oracle = shipped_oracle("synthetic.json");
    let gower = Gower::of(&domain());
    let synthetic = rows(&oracle, "synthetic");
    let patients = rows(&oracle, "real");
    for (row, expected) in patients.iter().zip(oracle["nearest"].as_array().unwrap()) {
        let found = gower.nearest(row, &synthetic).unwrap();
        // Ranks are rounded to 2^-20.
        assert!((found.distance - expected[0].as_f64().unwrap()).abs() < 1e-5, "{found:?}");
        assert!((found.ratio - expected[1].as_f64().unwrap()).abs() < 1e-4, "{found:?}");
        // The same from the other side.
        assert_eq!(gower.distance(row, &synthetic[0]), gower.distance(&synthetic[0], row));
    }
    let found = judged(&oracle).nearest;
    assert_eq!(found.training.copies, oracle["copies"].as_f64().unwrap());
    assert_eq!(found.training.distances.iter().sum::<f64>(), 240.0);
    assert_eq!(found.training.ratios.iter().sum::<f64>(), 240.0);
    assert_eq!((found.holdout, found.auc), (None, None));
    assert_eq!(gower.nearest(&patients[0], &synthetic[..1]), None);
}

#[test]
fn copies_of_those_who_trained_show_in_the_distances() {
    let oracle = shipped_oracle("synthetic.json");
    let domain = domain();
    let workload = Workload::new(&domain.sizes(), 1, 100_000, 1).unwrap();
    let patients = rows(&oracle, "real");
    // A wide domain of copies: each patient twice as many columns, so that chance copies nobody.
    let wide = Domain {
        attributes: domain
            .attributes
            .iter()
            .chain(&domain.attributes)
            .enumerate()
            .map(|(k, own)| Attribute { name: format!("{}{k}", own.name), ..own.clone() })
            .collect(),
        impossible: Vec::new(),
        cohort: Default::default(),
    };
    let joined = |i: usize| [patients[i].clone(), patients[(i + 7) % 240].clone()].concat();
    let real: Vec<(Vec<u16>, bool)> = (0..240).map(|i| (joined(i), i % 2 == 1)).collect();
    let copied: Vec<Vec<u16>> =
        real.iter().filter(|(_, out)| !out).map(|(row, _)| row.clone()).collect();
    let workload_wide = Workload::new(&wide.sizes(), 1, 100_000, 1).unwrap();
    assert_eq!(workload_wide.cells(), 2 * workload.cells());
    let found = pooled(asked(), &wide, &workload_wide, &real, &copied).nearest;
    let out = found.holdout.unwrap();
    assert_eq!((found.training.n, out.n), (120.0, 120.0));
    assert_eq!(found.training.copies, 120.0);
    assert!(out.copies < 30.0, "{}", out.copies);
    let auc = found.auc.unwrap();
    assert!(auc.value > 0.85 && auc.lo.unwrap() > 0.8, "{auc:?}");
}

#[test]
fn bins_of_distances_and_ratios_hold_their_edges() {
    let bin = |distance, ratio| {
        let nearest = Nearest { distance, ratio };
        (nearest.distance_bin(), nearest.ratio_bin())
    };
    assert_eq!(bin(0.0, 0.0), (0, 0));
    assert_eq!(bin(1e-6, 0.049), (1, 0));
    assert_eq!(bin(0.02, 0.05), (1, 1));
    assert_eq!(bin(0.5, 1.0), (25, RATIO_BINS - 1));
    assert_eq!(bin(1.0, 1.0), (DISTANCE_BINS - 1, RATIO_BINS - 1));
    let edges = haima_fl_core::synth::metrics::nearest::distance_edges();
    assert_eq!((edges.len(), edges[25], edges[26]), (DISTANCE_BINS, 0.5, 1.0));
}

#[test]
fn trees_tell_apart_what_scikit_learn_tells_apart() {
    let oracle = shipped_oracle("synthetic.json");
    let ordered = [true, false, false, false];
    let real = rows(&oracle, "real");
    let auc = |rows: &[Vec<u16>]| {
        let seeds = 0..5;
        let sum: f64 =
            seeds.map(|seed| forest::two_sample(&real, rows, &ordered, seed).unwrap().auc).sum();
        sum / 5.0
    };
    let far = auc(&rows(&oracle, "far"));
    assert!((far - oracle["forest"]["far"].as_f64().unwrap()).abs() < 0.03, "{far}");
    let drift = auc(&rows(&oracle, "synthetic"));
    assert!((drift - oracle["forest"]["drift"].as_f64().unwrap()).abs() < 0.05, "{drift}");
    // Two halves of one cohort cannot be told apart, and too few say nothing.
    let half = forest::two_sample(&real[..120], &real[120..], &ordered, 1).unwrap();
    assert!((half.auc - 0.5).abs() < 0.12 && half.rows == 120, "{half:?}");
    assert_eq!(forest::two_sample(&real[..19], &real, &ordered, 1), None);
    // The same seed, the same bits.
    let again = forest::two_sample(&real[..120], &real[120..], &ordered, 1).unwrap();
    assert_eq!(half.auc.to_bits(), again.auc.to_bits());
}

#[test]
fn an_area_counts_ties_a_half() {
    assert_eq!(forest::area(&[1.0, 2.0], &[1.0, 0.0]), Some(3.5 / 4.0));
    assert_eq!(forest::area(&[], &[1.0]), None);
}

#[test]
fn curves_compare_as_in_r() {
    let oracle = shipped_oracle("synthetic_survival.json");
    let params = "time = \"time_days\"\nevent = \"death\"\ngrid = 1\nby = \"male\"";
    let schema = schema(LEUKSURV);
    let patients = cohort(&schema, &data("leuksurv.csv"));
    let curves: Curves =
        serde_json::from_value(run("km", params, &schema, &[patients], 0).unwrap()).unwrap();
    let [women, men] = &curves.curves[..] else { panic!("two groups") };
    let found = survival::compare(women, men).unwrap();
    close(found.until, &oracle["until"]);
    close(found.optimism, &oracle["optimism"]);
    close(found.divergence, &oracle["divergence"]);
    close(found.short_sightedness, &oracle["short_sightedness"]);
    // A grid of points comes close to the exact areas.
    assert!((found.divergence - oracle["grid"]["divergence"].as_f64().unwrap()).abs() < 1e-3);

    let test = survival::logrank(women, men);
    for side in 0..2 {
        close(test.observed[side], &oracle["logrank"]["observed"][side]);
        close(test.expected[side], &oracle["logrank"]["expected"][side]);
    }
    close(test.chisq, &oracle["logrank"]["chisq"]);
    close(test.p, &oracle["logrank"]["p"]);

    let same = survival::compare(men, men).unwrap();
    assert_eq!((same.optimism, same.divergence, same.short_sightedness), (0.0, 0.0, 0.0));
    let test = survival::logrank(men, men);
    assert!(test.chisq < 1e-20 && test.p > 0.999_999);
}

#[test]
fn intervals_overlap_by_their_common_part() {
    let fit = |terms: Vec<Term>| Fit { terms, ..Fit::default() };
    let real =
        fit(vec![wald("(Intercept)", 1.0, 0.1), wald("age", 0.5, 0.1), wald("sex", 0.0, 0.1)]);
    let synthetic = fit(vec![wald("sex", 5.0, 0.1), wald("age", 0.5, 0.1)]);
    let found = fits::compare(&real, &synthetic);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].real.name.as_str(), found[0].overlap), ("age", Some(1.0)));
    assert_eq!(found[0].shift, Some(0.0));
    // Far apart: 2 * 1.96 * 0.1 wide, 5 apart.
    assert!(found[1].overlap.unwrap() < -11.0 && (found[1].shift.unwrap() - 50.0).abs() < 1e-9);
    // Half of each is common.
    let half = fit(vec![wald("age", 0.5 + 0.195_996_398_454_005_4, 0.1)]);
    assert!((fits::compare(&real, &half)[0].overlap.unwrap() - 0.5).abs() < 1e-9);
    let unknown = fit(vec![wald("age", 0.5, f64::NAN)]);
    let found = &fits::compare(&real, &unknown)[0];
    assert_eq!((found.overlap, found.shift), (None, Some(0.0)));
}

#[test]
fn a_workload_stays_within_its_cells_and_draws_its_part_by_a_public_seed() {
    let sizes = [10, 20, 30, 2, 5];
    let all = Workload::new(&sizes, 3, 1 << 20, 0).unwrap();
    assert_eq!(all.tables().len(), 5 + 10 + 10);
    assert_eq!([all.sets(1), all.sets(2), all.sets(3), all.sets(4)], [5, 10, 10, 0]);
    let part = |seed| Workload::new(&sizes, 3, 4000, seed).unwrap();
    let found = part(1);
    assert!(found.cells() <= 4000 && found.sets(3) == 10);
    let triples = |workload: &Workload| {
        workload.tables().iter().filter(|table| table.attributes.len() == 3).count()
    };
    assert!((1..10).contains(&triples(&found)), "{}", triples(&found));
    assert_eq!(found, part(1));
    assert!((2..20).any(|seed| part(seed) != found));
    // A row counts once in each table.
    let counts = all.counts(&[vec![9, 19, 29, 1, 4], vec![9, 0, 0, 0, 0], vec![10, 0, 0, 0, 0]]);
    for table in all.tables() {
        assert_eq!(table.of(&counts).iter().sum::<f64>(), 2.0);
    }
    assert_eq!(all.tables()[0].of(&counts)[9], 2.0);
    assert_eq!(counts.last(), Some(&1.0));

    let refused = Workload::new(&sizes, 1, 66, 0).unwrap_err();
    assert!(refused.contains("66 levels") && refused.contains("cells"), "{refused}");
    assert!(Workload::new(&vec![2; 400], 3, 1 << 19, 0).unwrap_err().contains("lower `degree`"));
    assert!(Workload::new(&[], 3, 1 << 19, 0).is_err());
}

#[test]
fn histograms_that_are_equal_or_disjoint_are_at_the_ends() {
    let (a, b) = ([3.0, 1.0, 0.0], [0.0, 0.0, 9.0]);
    assert_eq!(total_variation(&a, &a), 0.0);
    assert_eq!(total_variation(&a, &b), 1.0);
    assert_eq!(kolmogorov_smirnov(&a, &b), 1.0);
    // The order matters to one of them only.
    let (low, high) = ([1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]);
    assert_eq!((total_variation(&low, &high), kolmogorov_smirnov(&low, &high)), (0.5, 0.5));
    assert!(kolmogorov_smirnov(&a, &[0.0; 3]).is_nan() && total_variation(&[], &a).is_nan());
}
