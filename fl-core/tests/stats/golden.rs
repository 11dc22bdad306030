//! X3: the same integers give the same next iterate on every machine, to the last bit.
//!
//! The sums below are arbitrary; what matters is that these bits never change. A change here is a
//! change of the task's version.

use haima_fl_core::sum::Sum;
use haima_fl_core::task::Run;

use crate::common::{LEUKSURV, open, schema};

/// Integers on the grid of each block: counts, log-likelihood, gradient, information.
fn sum(run: &dyn Run, blocks: [&[f64]; 4]) -> Sum {
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
        let sum = sum(run.as_ref(), [counts, loglik, gradient, information]);
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
