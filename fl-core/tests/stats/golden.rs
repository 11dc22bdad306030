//! X3: the same integers give the same next iterate on every machine, to the last bit.
//!
//! The sums below are arbitrary; what matters is that these bits never change. A change here is a
//! change of the task's version.

use haima_fl_core::sum::Sum;
use haima_fl_core::task::Run;

use crate::common::{LEUKSURV, MGUS2_EVENT, open, schema};

/// Integers on the grid of each block.
fn sum(run: &dyn Run, blocks: &[&[f64]]) -> Sum {
    let query = run.query().expect("running");
    let mut integers = Vec::new();
    for (block, values) in query.blocks.iter().zip(blocks) {
        let steps = (1u64 << block.frac_bits) as f64;
        integers.extend(values.iter().map(|value| (value * steps) as i128));
    }
    Sum::new(&query, integers, 3).expect("length")
}

fn iterate(run: &dyn Run) -> Vec<u64> {
    let query = run.query().expect("running");
    query.bytes.chunks(8).map(|b| u64::from_le_bytes(b.try_into().expect("8 bytes"))).collect()
}

fn bits(task: &str, params: &str) -> Vec<u64> {
    let mut run = open(task, params, &schema(LEUKSURV)).expect("task");
    let start: &[f64] = &[-91.25];
    let rise: &[f64] = &[-84.125];
    let fall: &[f64] = &[-86.75];
    let gradient: &[f64] = &[3.75, -11.875, 0.3125];
    let information: &[f64] = &[7.25, 1.875, -0.75, 11.125, 0.3125, 1.6875];
    let counts: &[f64] = &[3.0, 120.0, 41.0];
    let mut all = iterate(run.as_ref());
    // A Newton step, another, and a fall that halves the last one.
    for loglik in [start, rise, fall] {
        let sum = sum(run.as_ref(), &[counts, loglik, gradient, information]);
        assert_eq!(run.absorb(&sum), Ok(None));
        all.extend(iterate(run.as_ref()));
    }
    all
}

#[test]
fn the_next_iterate_is_the_same_on_every_machine() {
    let covariates = "covariates = [\"age\", \"male\", \"wbc\"]";
    let cox = format!("time = \"time_days\"\nevent = \"death\"\n{covariates}");
    let logistic = "outcome = \"death\"\ncovariates = [\"age\", \"male\"]";
    for (task, params) in [("cox", cox.as_str()), ("glm", logistic)] {
        assert_eq!(bits(task, params), GOLDEN, "{task}");
    }
}

#[rustfmt::skip]
const GOLDEN: [u64; 12] = [
    0, 0, 0,
    0x3fed_9b54_6a40_e5f0, 0xbff3_f205_7c33_6b14, 0x3fea_78bf_40c7_9754,
    0x3ffd_9b54_6a40_e5f0, 0xc003_f205_7c33_6b14, 0x3ffa_78bf_40c7_9754,
    0x3ff6_347f_4fb0_ac74, 0xbffd_eb08_3a4d_209e, 0x3ff3_da8f_7095_b17f,
];

/// The iterate that follows one sum.
fn next(task: &str, params: &str, blocks: &[&[f64]]) -> Vec<u64> {
    let mut run = open(task, params, &schema(LEUKSURV)).expect("task");
    let sum = sum(run.as_ref(), blocks);
    assert_eq!(run.absorb(&sum), Ok(None), "{task}");
    iterate(run.as_ref())
}

/// Two components, the second one singular, so that its covariance is floored; the two means as
/// centres; the coefficients of a linear null model.
#[test]
fn the_next_clusters_and_null_model_are_the_same_on_every_machine() {
    let counts: &[f64] = &[3.0, 40.0, 0.0];
    let (size, means): (&[f64], &[f64]) = (&[30.0, 10.0], &[3.0, -6.25, 2.0, 4.0]);
    let products: &[f64] = &[7.8, 0.3, 4.2, 0.8, 1.6, 3.2];
    let columns = "columns = [\"age\", \"wbc\"]\nk = 2\nseed = 9";
    let gmm = next(
        "clusters",
        &format!("method = \"gmm\"\n{columns}"),
        &[counts, size, means, products, &[-31.5]],
    );
    let kmeans = next(
        "clusters",
        &format!("method = \"kmeans\"\n{columns}"),
        &[counts, size, means, &[9.5, 1.25]],
    );
    let linear = next(
        "scan",
        "outcome = \"age\"\ncovariates = [\"wbc\"]\nvariants = [\"male\"]",
        &[counts, &[40.0, -11.5, 3.25, 21.0, -2.75, 9.5]],
    );
    let start = open("clusters", &format!("method = \"kmeans\"\n{columns}"), &schema(LEUKSURV));
    let start = iterate(start.expect("task").as_ref());
    let all = [start, gmm, kmeans, linear].concat();
    assert_eq!(all, GOLDEN_CLUSTERS);
}

#[rustfmt::skip]
const GOLDEN_CLUSTERS: [u64; 22] = [
    0x3fd7_57a9_7f5f_3830, 0x3fe0_0b62_97a1_ebfa, 0xbfde_09ea_0d5d_a53c,
    0x3fe2_3a63_35a5_cc58,
    0x3fe8_0000_0000_0000, 0x3fb9_9999_9999_999a, 0xbfca_aaaa_aaaa_aaab,
    0x3fcf_ffff_ffff_fc96, 0x3f9f_92c5_f92c_4445, 0x3fb8_ba98_7654_305a,
    0x3fd0_0000_0000_0000, 0x3fc9_9999_9999_999a, 0x3fd9_9999_9999_999a,
    0x3fa4_7afc_1fa0_8e71, 0x3fb4_7ada_91b1_5c61, 0x3fc4_7ae2_f52d_3c18,
    0x3fb9_9999_9999_999a, 0xbfca_aaaa_aaaa_aaab, 0x3fc9_9999_9999_999a,
    0x3fd9_9999_9999_999a,
    0x3faa_7ec7_7b9d_40d6, 0xbfba_44e7_db1b_09ad,
];

/// The same for the tasks whose risk sets span hospitals: three events of six patients, then
/// moments. Those of Fine-Gray have a gradient of 0, so its second question carries the factors of
/// the sandwich.
#[test]
fn the_next_query_over_risk_sets_is_the_same_on_every_machine() {
    let survival = "time = \"etime\"\nevent = \"event\"\ncause = \"pcm\"\ngrid = 240.0";
    let covariates = "covariates = [\"age\"]";
    let cox = format!("strata = \"none\"\n{survival}\n{covariates}");
    let finegray = format!("{survival}\n{covariates}");
    let of_cox: &[f64] = &[1.5, 0.375, 1.25, 0.875, -0.25, 0.4375];
    let of_gray: &[f64] = &[1.0, 0.25, 0.5, 1.0, 0.5, 0.5];
    let last: &[f64] = &[0.5, 0.125, 0.25, 0.0, 0.0, 0.0];
    let counts: &[f64] = &[2.0, 6.0, 3.0];
    let events: &[f64] = &[0.0, 2.0, 1.0];
    let outcomes: &[f64] = &[0.0, 0.0, 0.0, 1.0, 2.0, 1.0, 1.0, 1.0, 0.0];
    let mut bits = Vec::new();
    for (task, params, first, covariate, moments, rounds) in [
        ("cox", &cox, events, 0.4375, of_cox, 3),
        ("finegray", &finegray, outcomes, 0.75 + 29.0 / 68.0, of_gray, 2),
    ] {
        let mut run = open(task, params, &schema(MGUS2_EVENT)).expect("task");
        let covariate = [covariate];
        let mut blocks = vec![counts, first, &covariate];
        for _ in 0..rounds {
            let query = run.query().expect("running");
            let mut integers = Vec::new();
            for (block, values) in query.blocks.iter().zip(&blocks) {
                assert_eq!(block.len as usize, values.len());
                let steps = (1u64 << block.frac_bits) as f64;
                integers.extend(values.iter().map(|value| (value * steps) as i128));
            }
            let sum = Sum::new(&query, integers, 2).expect("length");
            assert_eq!(run.absorb(&sum), Ok(None));
            bits.extend(iterate(run.as_ref()));
            blocks = vec![counts, moments, last];
        }
    }
    assert_eq!(bits, RISK_SETS, "{bits:#x?}");
}

#[rustfmt::skip]
const RISK_SETS: [u64; 33] = [
    0, 0x3ff0_0000_0000_0000, 0x4000_0000_0000_0000,
    0x3fd6_0e24_63fd_fced, 0x3ff0_0000_0000_0000, 0x4000_0000_0000_0000,
    0x3fc6_0e24_63fd_fced, 0x3ff0_0000_0000_0000, 0x4000_0000_0000_0000,
    0, 0x3ff0_0000_0000_0000, 0x4000_0000_0000_0000,
    0, 0x3ff0_0000_0000_0000, 0x4000_0000_0000_0000,
    0x3ff0_0000_0000_0000, 0x3fd8_0000_0000_0000, 0,
    0x3ff0_0000_0000_0000, 0x3fd8_0000_0000_0000, 0xbfd8_0000_0000_0000,
    0x3ff9_6969_6969_696a, 0x3fe4_0716_2534_4352, 0,
    0x3ffb_4b4b_4b4b_4b4b, 0x3fe5_a21a_930b_83fc, 0xbf8a_930b_83fc_74ea,
    0x3ffb_4b4b_4b4b_4b4b, 0x3fe5_a21a_930b_83fc, 0xbfda_76b2_ef2b_67a3,
    0x3ffb_4b4b_4b4b_4b4b, 0x3fe5_a21a_930b_83fc, 0x3f8a_930b_83fc_74ea,
];
