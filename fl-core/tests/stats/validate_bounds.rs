//! The bounds of validation hold in every sum, and no sum panics it.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry;
use haima_fl_core::sum::Sum;
use haima_fl_core::task::{Run, Site, SiteState};
use proptest::prelude::*;
use serde_json::json;

use crate::common::{rng, table};
use crate::validate::{fit, hospital, with_p};

/// Runs to the end with copies of one hospital, each answer checked against its bounds.
pub(crate) fn within_bounds(run: &mut dyn Run, cohort: &Cohort, copies: i128) -> usize {
    let n = cohort.len() as u64;
    let site = Site { cohort, capacity: 0, max_patients: n, min_local_rows: 1 };
    let norm = |values: &[i64]| values.iter().map(|v| (*v as f64).powi(2)).sum::<f64>().sqrt();
    let mut rounds = 0;
    while let Some(query) = run.query() {
        let answer =
            run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("own query");
        assert!(
            !answer.note.as_ref().is_some_and(|note| note.contains("passes the bound")),
            "{answer:?}"
        );
        let mut rest = &answer.values[..];
        for block in &query.blocks {
            let (values, after) = rest.split_at(block.len as usize);
            let bound = block.patient_bound as f64 * n as f64;
            assert!(norm(values) <= bound, "{}: {} > {bound}", block.name, norm(values));
            rest = after;
        }
        assert!(norm(&answer.values) <= query.site_bound(n).expect("fits") as f64);
        let total = answer.values.iter().map(|value| i128::from(*value) * copies).collect();
        let sum = Sum::new(&query, total, copies as u32).expect("length");
        rounds += 1;
        if run.absorb(&sum).is_err() {
            break;
        }
    }
    rounds
}

const FORMS: [&str; 4] = [
    "score = \"p\"\noutcome = \"death\"\nbins = 7",
    "model = \"fit\"\noutcome = \"death\"",
    "score = \"p\"\ntime = \"time_days\"\nevent = \"death\"\nhorizons = [30, 100, 4000]\n\
     predictions = [\"p\", \"p\", \"p\"]\ngrowth = 1.0",
    "model = \"cox\"\ntime = \"time_days\"\nevent = \"death\"\nhorizons = [30, 4000]\n\
     baseline = [[1, 0.0], [50, 0.1], [200, 1000]]\ngrowth = 1.0",
];

fn open(form: usize) -> Box<dyn Run> {
    let coefficients = json!({ "name": ["(Intercept)", "age"], "coef": [-40.0, 0.7] });
    let mut finished = fit("logistic", &coefficients);
    let cox = fit("cox", &json!({ "name": ["age", "tpi"], "coef": [0.2, -0.5] }));
    finished.extend(cox.into_values().map(|fit| ("cox".to_owned(), fit)));
    registry::open("validate", 1, &table(FORMS[form]), &with_p(), &finished).expect("task")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// S5: B = max_patients * C cannot be passed by an honest site, in any of the sums.
    #[test]
    fn no_cohort_passes_the_bounds_of_validation(
        form in 0..FORMS.len(),
        rows in prop::collection::vec((
            prop_oneof![Just(0u32), Just(30), Just(5000), 0..5000u32],
            any::<bool>(),
            prop_oneof![Just(0.0), Just(110.0), 0.0..110.0f64],
            prop_oneof![Just(0.0), Just(1.0), 0.0..1.0f64],
        ), 1..40),
    ) {
        within_bounds(open(form).as_mut(), &hospital(&with_p(), &rows), 3);
    }

    #[test]
    fn no_sum_panics_a_validation(
        form in 0..FORMS.len(),
        integers in prop::collection::vec(
            prop_oneof![Just(i128::MIN), Just(i128::MAX), any::<i128>(), -100..100i128], 1..64),
    ) {
        let mut run = open(form);
        let mut supply = integers.iter().copied().cycle();
        for _ in 0..6 {
            let Some(query) = run.query() else { break };
            let integers = supply.by_ref().take(query.dimension()).collect();
            if run.absorb(&Sum::new(&query, integers, 3).expect("length")).is_err() {
                break;
            }
        }
    }
}

/// S5: the worst case of the weighted sum, a death when nearly all were censored, fills its bound.
#[test]
fn the_heaviest_weight_stays_below_its_bound_and_near_it() {
    let mut rows: Vec<_> = (0..98).map(|i| (1 + i, false, 50.0, 0.0)).collect();
    rows.extend(vec![(100, true, 50.0, 0.0); 2]);
    let mut run = open(2);
    assert_eq!(within_bounds(run.as_mut(), &hospital(&with_p(), &rows), 1), 2);
}
