//! The privacy rules that a site's answer must keep, on crafted and random cohorts.

use haima_dp::norms::norm_squared;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::error::Error;
use haima_fl_core::schema::Schema;
use haima_fl_core::task::{Contribution, Query, Site, SiteState, Task};
use haima_fl_core::tasks::hazard::Hazard;
use haima_fl_core::tasks::hazard::split::Split;
use proptest::prelude::*;

use crate::common;
use crate::simulation::{hazard_params, leuksurv};

const HEADER: &str = "patient,time_days,death,district,age,male,wbc,tpi\n";

fn task(schema: &Schema, more: &str) -> Hazard {
    Hazard::new(&common::table(&hazard_params(1, more)), schema).unwrap()
}

fn answer_of(task: &Hazard, query: &Query, cohort: &Cohort) -> Contribution {
    let site = Site { cohort, capacity: 0, max_patients: 1000, min_local_rows: 10 };
    task.contribute(query, &site, &mut SiteState::default(), &mut common::rng()).unwrap()
}

fn answer(task: &Hazard, query: &Query, cohort: &Cohort) -> Vec<i64> {
    answer_of(task, query, cohort).values.to_vec()
}

/// The start's query, with every weight multiplied, in the first or the second stage.
fn query(task: &Hazard, factor: f64, stage: f64) -> Query {
    let mut query = task.query(&task.start());
    query.bytes = query
        .bytes
        .chunks(8)
        .flat_map(|bytes| (factor * f64::from_le_bytes(bytes.try_into().unwrap())).to_le_bytes())
        .collect();
    let weights = query.bytes.len() - 8;
    query.bytes.splice(weights.., stage.to_le_bytes());
    query
}

fn file(rows: &[String]) -> String {
    format!("{HEADER}{}\n", rows.join("\n"))
}

fn row(patient: usize, time: f64, death: bool, age: f64, male: bool, wbc: f64) -> String {
    format!("p{patient},{time},{},1,{age},{},{wbc},-3.5", u8::from(death), u8::from(male))
}

/// S2: a patient's integers are the same alone, in any batch and in any order.
#[test]
fn a_site_adds_what_its_patients_would_add_alone_in_any_order() {
    let schema = common::schema(common::LEUKSURV);
    let text = common::data("leuksurv.csv");
    let lines: Vec<String> = text.lines().skip(1).take(70).map(str::to_owned).collect();
    let header = text.lines().next().unwrap();
    let cohort =
        |lines: &[String]| common::cohort(&schema, &format!("{header}\n{}\n", lines.join("\n")));
    let task = task(&schema, "holdout = 0.1");
    for (factor, stage) in [(1.0, 0.0), (7.0, 0.0), (7.0, 1.0)] {
        let query = query(&task, factor, stage);
        let together = answer(&task, &query, &cohort(&lines));
        let reversed: Vec<String> = lines.iter().rev().cloned().collect();
        assert_eq!(together, answer(&task, &query, &cohort(&reversed)));
        let mut alone = vec![0; together.len()];
        for line in &lines {
            let one = answer(&task, &query, &cohort(std::slice::from_ref(line)));
            assert!(norm_squared(&one) <= u128::from(query.sensitivity.unwrap()).pow(2));
            alone.iter_mut().zip(one).for_each(|(sum, value)| *sum += value);
        }
        assert_eq!(together, alone);
    }
}

/// S2: huge gradients are cut to D, and use it nearly to the full.
#[test]
fn a_patient_with_a_huge_gradient_moves_the_sum_by_at_most_d() {
    let schema = common::schema(common::LEUKSURV);
    let task = task(&schema, "holdout = 0.0\nclip = 0.3\nfrac_bits = 7");
    let rows: Vec<String> = (0..12).map(|i| row(i, 5000.0, false, 110.0, true, 500.0)).collect();
    let d = u128::from(task.query(&task.start()).sensitivity.unwrap());
    assert_eq!(d, 39, "ceil(0.3 * 128)");
    for factor in [-50.0, -1.0, 1.0, 50.0, 1e3] {
        let query = query(&task, factor, 0.0);
        let with = answer(&task, &query, &common::cohort(&schema, &file(&rows)));
        let without = answer(&task, &query, &common::cohort(&schema, &file(&rows[1..])));
        let moved: Vec<i64> = with.iter().zip(&without).map(|(a, b)| a - b).collect();
        assert!(norm_squared(&moved) <= d * d, "{factor}: {moved:?}");
        if factor == -1.0 {
            assert!(norm_squared(&moved) > (d - 6) * (d - 6), "{moved:?}");
        }
    }
}

/// S2, S4: who is held out does not depend on the other patients, with a key and without one.
#[test]
fn removing_a_patient_moves_nobody_between_training_and_holdout() {
    let keyed = common::schema(common::LEUKSURV);
    let keyless = common::schema(&common::LEUKSURV.replace(
        "patient = \"patient\"\n    ignore = [\"district\"]",
        "one_row_per_patient = true\n    ignore = [\"district\", \"patient\"]",
    ));
    let rows: Vec<String> =
        (0..200).map(|i| row(i, i as f64, i % 2 == 0, 50.0, true, 10.0)).collect();
    for schema in [keyed, keyless] {
        let split = Split::new(9, 0.25, &schema);
        let sides = |rows: &[String]| -> Vec<bool> {
            let cohort = common::cohort(&schema, &file(rows));
            (0..cohort.len()).map(|i| split.holds_out(&cohort, i)).collect()
        };
        let all = sides(&rows);
        assert_eq!(all[1..], sides(&rows[1..]));
        let share = all.iter().filter(|out| **out).count();
        assert!((30..=70).contains(&share), "{share} of 200");
        assert_ne!(all, {
            let other = Split::new(10, 0.25, &schema);
            let cohort = common::cohort(&schema, &file(&rows));
            (0..200).map(|i| other.holds_out(&cohort, i)).collect::<Vec<_>>()
        });
    }
}

/// S5: whatever a site holds, its answer has the same form.
#[test]
fn a_site_without_events_or_training_patients_or_a_usable_query_answers_all_the_same() {
    let (schema, cohorts) = leuksurv();
    let task = task(&schema, "");
    let start = task.query(&task.start());
    let rows = |death| -> Vec<String> {
        (0..40).map(|i| row(i, 40.0 * i as f64, death, 20.0 + i as f64, i % 2 == 0, 9.0)).collect()
    };
    let no_event = answer(&task, &start, &common::cohort(&schema, &file(&rows(false))));
    let events = answer(&task, &start, &common::cohort(&schema, &file(&rows(true))));
    assert_eq!(no_event.len(), events.len());
    assert!(no_event.iter().any(|value| *value != 0), "survival is information, too");

    // All of this site's patients are held out.
    let split = Split::new(1, 0.25, &schema);
    let everybody = common::cohort(&schema, &file(&rows(true)));
    let held_out: Vec<String> = (0..40)
        .filter(|&i| split.holds_out(&everybody, i))
        .map(|i| rows(true)[i].clone())
        .collect();
    let empty = answer_of(&task, &start, &common::cohort(&schema, &file(&held_out)));
    assert_eq!(*empty.values, vec![0; start.dimension()]);
    assert!(empty.note.unwrap().contains("training"));

    // Weights without a gradient: NaN, and so large that f32 overflows.
    for weight in [f64::NAN, f64::INFINITY, 1e300] {
        let mut hostile = start.clone();
        hostile.bytes = weight.to_le_bytes().repeat(start.dimension() + 1);
        assert_eq!(answer(&task, &hostile, &cohorts[0]), vec![0; start.dimension()]);
    }

    // One byte less is another task's query.
    let mut short = start.clone();
    short.bytes.pop();
    let site = Site { cohort: &cohorts[0], capacity: 0, max_patients: 1000, min_local_rows: 10 };
    let refused = task.contribute(&short, &site, &mut SiteState::default(), &mut common::rng());
    assert!(matches!(refused, Err(Error::QueryBytes { .. })));

    // Past the cap of the manifest.
    let site = Site { cohort: &cohorts[0], capacity: 0, max_patients: 3, min_local_rows: 0 };
    let capped = task.contribute(&start, &site, &mut SiteState::default(), &mut common::rng());
    assert!(capped.unwrap().values.iter().all(|value| *value == 0));
}

/// S4: while the baseline moves alone, a site says nothing of the network.
#[test]
fn the_second_stage_asks_for_the_baseline_alone() {
    let (schema, cohorts) = leuksurv();
    let task = task(&schema, "");
    let all = answer(&task, &query(&task, 1.0, 0.0), &cohorts[0]);
    let baseline = answer(&task, &query(&task, 1.0, 1.0), &cohorts[0]);
    let network = all.len() - 12;
    assert!(all[..network].iter().all(|value| *value != 0));
    assert!(baseline[..network].iter().all(|value| *value == 0));
    assert!(baseline[network..].iter().any(|value| *value != 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// S2: the integer distance of neighbouring sites never passes the D that is charged.
    #[test]
    fn neighbouring_sites_differ_by_at_most_d(
        people in proptest::collection::vec(
            (0.0f64..5000.0, any::<bool>(), 0.0f64..110.0, any::<bool>(), 0.0f64..500.0),
            1..45,
        ),
        leaver in any::<prop::sample::Index>(),
        factor in prop::sample::select(vec![0.0, 0.3, 1.0, 4.0, -4.0, 40.0]),
        stage in prop::sample::select(vec![0.0, 1.0]),
        clip in 0.05f64..4.0,
        bits in 0u8..20,
    ) {
        let schema = common::schema(common::LEUKSURV);
        let task = task(&schema, &format!("clip = {clip}\nfrac_bits = {bits}"));
        let query = query(&task, factor, stage);
        let mut rows: Vec<String> = people
            .iter()
            .enumerate()
            .map(|(i, (time, death, age, male, wbc))| row(i, *time, *death, *age, *male, *wbc))
            .collect();
        // Intake refuses a file of no patients, so one stays whatever happens.
        rows.push(row(1000, 3.0, true, 70.0, false, 40.0));
        let with = answer(&task, &query, &common::cohort(&schema, &file(&rows)));
        rows.remove(leaver.index(rows.len() - 1));
        let without = answer(&task, &query, &common::cohort(&schema, &file(&rows)));
        let moved: Vec<i64> = with.iter().zip(&without).map(|(a, b)| a - b).collect();
        let d = u128::from(query.sensitivity.unwrap());
        prop_assert!(norm_squared(&moved) <= d * d);
        let bound = u128::from(query.site_bound(1000).unwrap());
        prop_assert!(norm_squared(&with) <= bound * bound);
    }
}
