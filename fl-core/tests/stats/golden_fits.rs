//! X3 for the tasks that go on from fits: the iterates of a validation's recalibration and of a
//! meta-analysis, from arbitrary sums, have the bits that stand here on every machine.

use haima_fl_core::sum::Sum;
use haima_fl_core::task::Query;

use crate::every_task::task;

fn made_up(query: &Query) -> Sum {
    let mut integers = Vec::new();
    for block in &query.blocks {
        let values: &[f64] = match block.name.as_str() {
            "count" => &[3.0, 120.0, 41.0],
            "weights" => &[10.25],
            "effects" => &[-3.5],
            "spread" => &[21.75],
            "squares" => &[37.5],
            "loglik" => &[-70.25],
            "gradient" => &[1.75, -0.3125],
            "information" => &[20.5, -3.875, 11.125],
            "predicted" => &[0.75, 1.5],
            "brier" => &[21.5, 14.25],
            _ => &[3.0, 5.0, 7.0],
        };
        let steps = (1u64 << block.frac_bits) as f64;
        let len = block.len as usize;
        integers.extend(values.iter().cycle().take(len).map(|value| (value * steps) as i128));
    }
    Sum::new(query, integers, 3).expect("length")
}

/// The iterates of four questions.
fn bits(name: &str, params: &str) -> Vec<u64> {
    let mut run = task(name, params);
    let mut all = Vec::new();
    for _ in 0..4 {
        let Some(query) = run.query() else { break };
        let number = |b: &[u8]| u64::from_le_bytes(b.try_into().expect("8 bytes"));
        all.extend(query.bytes.chunks(8).map(number));
        run.absorb(&made_up(&query)).expect("absorbed");
    }
    all
}

#[test]
fn the_next_recalibration_and_meta_analysis_are_the_same_on_every_machine() {
    let meta = "model = \"logistic\"\noutcome = \"died\"\ncovariates = [\"age\"]";
    let validate = "score = \"p\"\noutcome = \"died\"\nbins = 8\ncalibration_bins = 2";
    let all = [bits("meta", meta), bits("validate", validate)].concat();
    assert_eq!(all, GOLDEN, "{all:#018x?}");
}

#[rustfmt::skip]
const GOLDEN: [u64; 8] = [
    0x4008_0000_0000_0000, 0x4008_0000_0000_0000, 0x4006_8517_71e8_cab7,
    0, 0, 0x3fb5_f057_6ad9_8792, 0x3f5c_d6b6_9b92_4704,
    0,
];
