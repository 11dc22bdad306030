//! The rules that bind the families and penalties: bounds (S5), replay to the bit (X3), and nothing
//! that a sum or a parameter holds can panic them.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::sum::Sum;
use haima_fl_core::task::{Query, Run, Site, SiteState, Task};
use haima_fl_core::tasks::cox::Cox;
use haima_fl_core::tasks::glm::Glm;
use proptest::prelude::*;

use crate::common::{LEUKSURV, cohort, open, rng, schema, table};

const COX: (&str, &str) = ("cox", "time = \"time_days\"\nevent = \"death\"\n");
const LOGISTIC: (&str, &str) = ("glm", "outcome = \"death\"\n");
const LINEAR: (&str, &str) = ("glm", "family = \"linear\"\noutcome = \"wbc\"\n");
const POISSON: (&str, &str) =
    ("glm", "family = \"poisson\"\noutcome = \"death\"\nexposure = \"time_days\"\n");
/// Counts of up to 500 without an exposure.
const COUNTS: (&str, &str) = ("glm", "family = \"poisson\"\noutcome = \"wbc\"\n");
const COVARIATES: &str = "covariates = [\"age\", \"male\", \"tpi\", \"male:age\"]\n";

type Person = (u32, bool, f64, bool, f64, f64);

fn person() -> impl Strategy<Value = Person> {
    let end = |low: f64, high: f64| prop_oneof![Just(low), Just(high), low..high];
    (
        prop_oneof![Just(0u32), Just(5000), 1..5000u32],
        any::<bool>(),
        end(0.0, 110.0),
        any::<bool>(),
        end(0.0, 500.0),
        end(-10.0, 15.0),
    )
}

fn hospital(people: &[Person]) -> Cohort {
    let mut text = "patient,time_days,death,age,male,wbc,tpi\n".to_owned();
    for (i, (time, death, age, male, wbc, tpi)) in people.iter().enumerate() {
        let (death, male) = (u8::from(*death), u8::from(*male));
        text.push_str(&format!("{i},{time},{death},{age},{male},{wbc},{tpi}\n"));
    }
    cohort(&schema(LEUKSURV), &text)
}

/// A hospital of exactly `max_patients` stays within each block's bound, and nothing is zeroed
/// unless it holds nobody.
fn within_bounds<T: Task>(task: &T, query: &Query, cohort: &Cohort) -> Result<(), TestCaseError> {
    let n = cohort.len() as u64;
    let site = Site { cohort, capacity: 0, max_patients: n, min_local_rows: 1 };
    let answer =
        task.contribute(query, &site, &mut SiteState::default(), &mut rng()).expect("own query");
    let note = answer.note.unwrap_or_default();
    prop_assert!(note.is_empty() || note.contains("fewer complete rows"), "{note}");
    prop_assert_eq!(answer.values.len(), query.dimension());
    let mut rest = &answer.values[..];
    for block in &query.blocks {
        let (values, after) = rest.split_at(block.len as usize);
        let norm = values.iter().map(|v| (*v as f64).powi(2)).sum::<f64>().sqrt();
        prop_assert!(norm <= block.patient_bound as f64 * n as f64, "{}", block.name);
        rest = after;
    }
    Ok(())
}

fn integer() -> impl Strategy<Value = i128> {
    prop_oneof![
        Just(i128::MIN),
        Just(i128::MAX),
        Just(0),
        Just(1),
        Just(-1),
        any::<i128>(),
        -100..100i128,
        any::<i64>().prop_map(i128::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// S5: at the start, with the moments, and at any iterate that the site answers.
    #[test]
    fn no_cohort_passes_the_bounds_of_families_and_moments(
        people in prop::collection::vec(person(), 1..40),
        slopes in prop::collection::vec(-1.0..1.0f64, 4),
        size in prop_oneof![Just(1.0), Just(0.1), 0.0..1.0f64],
        which in 0usize..4,
    ) {
        let (_, outcome) = [LOGISTIC, LINEAR, POISSON, COUNTS][which];
        let text = format!("{outcome}{COVARIATES}ridge = 1.0\nlasso = 1.0");
        let task = Glm::new(&table(&text), &schema(LEUKSURV)).expect("glm");
        let hospital = hospital(&people);
        let start = task.query(&task.start());
        prop_assert!(start.blocks.iter().any(|block| block.name == "moments"));
        within_bounds(&task, &start, &hospital)?;
        if which != 1 {
            // Slopes of up to 40 together under an intercept that keeps the ceiling.
            let total: f64 = slopes.iter().map(|b| b.abs()).sum();
            let slopes: Vec<f64> = slopes.iter().map(|b| b / total.max(1e-9) * 23.0 * size).collect();
            let ceiling = [0.0, 0.0, 10.0, 10.0 + 500f64.ln()][which];
            let beta = [&[ceiling - 23.0 * size - 1e-9], &slopes[..]].concat();
            let mut query = start;
            query.bytes = beta.iter().flat_map(|b| b.to_le_bytes()).collect();
            within_bounds(&task, &query, &hospital)?;
        }
        let text = format!("{}{COVARIATES}ridge = 1.0", COX.1);
        let task = Cox::new(&table(&text), &schema(LEUKSURV)).expect("cox");
        within_bounds(&task, &task.query(&task.start()), &hospital)?;
    }

    #[test]
    fn no_sum_panics_a_family_or_a_penalty(
        which in 0usize..5,
        more in prop::sample::select(vec![
            "", "ridge = 1.0", "lasso = 3.0", "ridge = 0.1\nlasso = 2.0\nstandardise = \"public\"",
            "release = \"noised\"\nexpected_patients = 9\nridge = 0.0",
        ]),
        integers in prop::collection::vec(integer(), 1..64),
        sites in any::<u32>(),
    ) {
        let (task, outcome) = [COX, LOGISTIC, LINEAR, POISSON, COUNTS][which];
        let Ok(mut run) = open(task, &format!("{outcome}{COVARIATES}{more}"), &schema(LEUKSURV))
        else {
            return Ok(());
        };
        let mut supply = integers.iter().copied().cycle();
        for _ in 0..12 {
            let Some(query) = run.query() else { break };
            let integers: Vec<i128> = supply.by_ref().take(query.dimension()).collect();
            if run.absorb(&Sum::new(&query, integers, sites).expect("length")).is_err() {
                break;
            }
        }
    }

    #[test]
    fn no_parameters_panic_a_glm(
        keys in prop::collection::vec((
            prop::sample::select(vec![
                "family", "outcome", "exposure", "covariates", "ridge", "lasso", "standardise",
                "release", "steps", "clip", "learning_rate", "expected_patients", "frac_bits",
            ]),
            prop::sample::select(vec![
                "\"linear\"", "\"poisson\"", "\"logistic\"", "\"noised\"", "\"death\"", "\"wbc\"",
                "\"time_days\"", "\"public\"", "[\"age\", \"male\", \"age:male\"]", "[\"age:male\"]",
                "[\":\"]", "[\"age\", \"age:\"]", "0", "1", "255", "1e300", "nan", "-1.0", "0.5",
            ]),
        ), 0..9),
    ) {
        let mut params = table("covariates = [\"age\"]\noutcome = \"death\"");
        for (key, value) in keys {
            params.extend(table(&format!("{key} = {value}")));
        }
        let opened = Glm::new(&params, &schema(LEUKSURV));
        if let Ok(task) = opened {
            prop_assert!(task.query(&task.start()).dimension() > 0);
        }
    }
}

/// S5: a Poisson iterate whose mean could pass the public ceiling is answered by zero.
#[test]
fn a_poisson_iterate_past_its_ceiling_is_answered_by_zero() {
    let (_, outcome) = POISSON;
    let task = Glm::new(&table(&format!("{outcome}covariates = [\"age\"]")), &schema(LEUKSURV));
    let task = task.expect("glm");
    let cohort = hospital(&[(5, true, 50.0, true, 1.0, 0.0), (9, false, 60.0, true, 1.0, 0.0)]);
    let site = Site { cohort: &cohort, capacity: 0, max_patients: 9, min_local_rows: 1 };
    for (beta, answered) in [([4.0, -5.9], true), ([4.0, -6.1], false), ([10.1, 0.0], false)] {
        let mut query = task.query(&task.start());
        query.bytes = beta.iter().flat_map(|b| f64::to_le_bytes(*b)).collect();
        let answer = task.contribute(&query, &site, &mut SiteState::default(), &mut rng());
        let answer = answer.expect("own query");
        assert_eq!(answer.values.iter().any(|v| *v != 0), answered, "{beta:?}");
    }
}

fn bits(task: (&str, &str), more: &str) -> Vec<u64> {
    let params = format!("{}covariates = [\"age\", \"male\"]\n{more}", task.1);
    let mut run = open(task.0, &params, &schema(LEUKSURV)).expect("task");
    let mut all = Vec::new();
    for loglik in [-91.25, -84.125, -86.75] {
        let Some(query) = run.query() else { break };
        let sum = made_up(&query, loglik);
        if let Some(output) = run.absorb(&sum).expect("absorbed") {
            let coef = |term: &serde_json::Value| term["coef"].as_f64().expect("coef").to_bits();
            all.extend(output["terms"].as_array().expect("terms").iter().map(coef));
            break;
        }
        all.extend(iterate(run.as_ref()));
    }
    all
}

fn iterate(run: &dyn Run) -> Vec<u64> {
    let query = run.query().expect("running");
    query.bytes.chunks(8).map(|b| u64::from_le_bytes(b.try_into().expect("8 bytes"))).collect()
}

fn made_up(query: &Query, loglik: f64) -> Sum {
    let mut integers = Vec::new();
    for block in &query.blocks {
        let values: &[f64] = match block.name.as_str() {
            "count" => &[3.0, 120.0, 41.0],
            "loglik" => &[loglik],
            "gradient" => &[3.75, -11.875, 0.3125],
            "information" => &[7.25, 1.875, -0.75, 11.125, 0.3125, 1.6875],
            "moments" => &[-10.5, 66.0, 40.25, 66.0],
            "clipped" => &[3.75, -11.875, 0.3125],
            _ => &[-2.5],
        };
        let steps = (1u64 << block.frac_bits) as f64;
        let len = block.len as usize;
        integers.extend(values.iter().cycle().take(len).map(|value| (value * steps) as i128));
    }
    Sum::new(query, integers, 3).expect("length")
}

/// X3: the same integers give the same iterates on every machine, to the last bit.
#[test]
fn the_next_iterate_is_the_same_on_every_machine() {
    let cases = [
        (LOGISTIC, "ridge = 2.5"),
        (LOGISTIC, "ridge = 2.5\nlasso = 1.25"),
        (POISSON, "lasso = 1.25"),
        (LOGISTIC, "release = \"noised\"\nexpected_patients = 100\nsteps = 3"),
    ];
    let all: Vec<Vec<u64>> = cases.iter().map(|(task, more)| bits(*task, more)).collect();
    let flat: Vec<u64> = all.concat();
    assert_eq!(flat, GOLDEN, "{flat:#018x?}");
}

#[rustfmt::skip]
const GOLDEN: [u64; 36] = [
    0x3feb_f0e5_c218_feec, 0xbff2_5737_a14c_8b92, 0x3fe2_6496_d872_e656,
    0x3ffb_455e_472f_0fd6, 0xc001_9f0f_5904_b98c, 0x3fef_0685_3b5e_9d4b,
    0x3ff4_9ee8_941d_c7a6, 0xbffa_caab_29aa_ff55, 0x3fe8_b58e_09e8_c1d0,
    0x3fea_55d8_8123_8791, 0xbff1_21ce_c316_4539, 0x3fd1_d446_21d0_355c,
    0x3ff9_d7b5_786a_1f71, 0xc000_7c57_ea9c_b51c, 0x3fdd_888a_8673_f2aa,
    0x3ff3_8150_dc7d_f19d, 0xbff9_0d3f_4c27_d7b8, 0x3fd7_ae68_5422_1403,
    0x3fe4_917f_0ee5_44bc, 0xbfe8_7537_a7ef_027a, 0x3fd1_726c_77a6_21a2,
    0x3ff4_917f_0ee5_44bc, 0xbff8_7537_a7ef_027a, 0x3fe1_726c_77a6_21a3,
    0x3ff6_18b8_2188_9fd6, 0xbff2_57e9_bdf3_41dc, 0x3fda_2ba2_b379_3274,
    0x3fc4_28f5_c28f_5c28, 0xbfdf_eb85_1eb8_51eb, 0x3f8a_e147_ae14_7ae0,
    0x3fd4_28f5_c28f_5c28, 0xbfef_3feb_074a_771c, 0x3f9a_50c5_eb31_3be1,
    0x3ffa_6d38_6099_9dca, 0xbf9a_b42d_a7a4_a56f, 0x3fa3_533b_fcb0_6a40,
];
