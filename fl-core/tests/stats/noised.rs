//! The noised forms of counts: D holds for neighbouring cohorts (rule S2), nothing jumps with a
//! patient, and what comes out under the noise of a real budget is near the exact figures.

use haima_dp::noise::NoiseScale;
use haima_fl_core::results::{Cells, Curves, Table1};
use haima_fl_core::sum::{PlainSum, SecureSum, Sum};
use haima_fl_core::task::{Query, Run, Site, SiteState};
use haima_fl_core::{Error, sum::drive};
use proptest::prelude::*;

use crate::common::{LEUKSURV, cohort, cohorts, data, open, rng, schema, split};

const KM: &str =
    "time = \"time_days\"\nevent = \"death\"\ngrid = 250.0\nby = \"male\"\nrelease = \"noised\"";
const TABLE: &str = "columns = [\"age\", \"wbc\", \"death\"]\nby = \"male\"\nrelease = \"noised\"";
const PREPARE: &str =
    "columns = [\"age\", \"wbc\", \"death\"]\nlog1p = [\"wbc\"]\nrelease = \"noised\"";

fn task(name: &str, params: &str) -> Box<dyn Run> {
    open(name, params, &schema(LEUKSURV)).expect("task")
}

/// A plain sum with the noise of `nodes` nodes, each of scale `s` grid steps.
struct Noised<'a> {
    inner: PlainSum<'a>,
    s: u64,
    nodes: u8,
    seed: u8,
}

impl SecureSum for Noised<'_> {
    type Error = Error;

    fn sum(&mut self, query: &Query) -> Result<Sum, Error> {
        let sum = self.inner.sum(query)?;
        let mut integers = sum.integers().to_vec();
        for node in 0..self.nodes {
            let noise = NoiseScale::new(self.s)?.draw(&[self.seed * 16 + node; 32], integers.len());
            integers.iter_mut().zip(noise.iter()).for_each(|(z, n)| *z += i128::from(*n));
        }
        Sum::new(query, integers, sum.sites())
    }
}

fn noised(name: &str, params: &str, s: u64, seed: u8) -> serde_json::Value {
    let cohorts = cohorts(&schema(LEUKSURV), &split(&data("leuksurv.csv"), "district"));
    let open = || Ok(task(name, params));
    let inner = PlainSum::new(&cohorts, 1000, 10, rng(), open).expect("sums");
    let mut sums = Noised { inner, s, nodes: 3, seed };
    drive(task(name, params).as_mut(), &mut sums).expect("a result")
}

/// Scale at which each node's noise gives zCDP rho to one release of distance D.
fn scale(name: &str, params: &str, rho: f64) -> u64 {
    let d = task(name, params).query().expect("running").sensitivity.expect("a noised task") as f64;
    (d / (2.0 * rho).sqrt()).ceil() as u64
}

fn answer(run: &dyn Run, rows: &[String]) -> Vec<i64> {
    let text = format!("patient,time_days,death,age,male,wbc,tpi\n{}\n", rows.join("\n"));
    let cohort = cohort(&schema(LEUKSURV), &text);
    let site = Site { cohort: &cohort, capacity: 0, max_patients: 1000, min_local_rows: 10 };
    run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("an answer").values.to_vec()
}

fn row() -> impl Strategy<Value = String> {
    let number = |low: f64, high: f64| prop_oneof![Just(low), Just(high), low..high];
    (number(0.0, 5000.0), any::<bool>(), number(0.0, 110.0), any::<bool>(), number(0.0, 500.0))
        .prop_map(|(time, death, age, male, wbc)| {
            format!("{time},{},{age},{},{wbc},0", u8::from(death), u8::from(male))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// S2: one patient less never moves the integers further than the D that is charged, and
    /// each patient adds the same alone as among others.
    #[test]
    fn one_patient_moves_the_integers_by_at_most_d(rows in prop::collection::vec(row(), 2..14), leaves in 0..14usize) {
        let rows: Vec<String> = rows.iter().enumerate().map(|(i, row)| format!("{i},{row}")).collect();
        let leaves = leaves % rows.len();
        let mut fewer = rows.clone();
        let alone = vec![fewer.remove(leaves)];
        for (name, params) in [("km", KM), ("table1", TABLE), ("prepare", PREPARE)] {
            let run = task(name, params);
            let d = run.query().expect("running").sensitivity.expect("noised");
            let (with, without) = (answer(run.as_ref(), &rows), answer(run.as_ref(), &fewer));
            let moved: Vec<i64> = with.iter().zip(&without).map(|(a, b)| a - b).collect();
            prop_assert!(haima_dp::norms::norm_squared(&moved) <= u128::from(d) * u128::from(d), "{name}");
            prop_assert_eq!(moved, answer(run.as_ref(), &alone), "{}", name);
        }
    }
}

/// D is not loose: a patient of all ones reaches it.
#[test]
fn d_is_reached() {
    let run = task("km", KM);
    let d = run.query().expect("running").sensitivity;
    assert_eq!(d, Some(1024));
    let one = answer(run.as_ref(), &["1,1,1,50,1,10,0".to_owned()]);
    assert_eq!(haima_dp::norms::norm_squared(&one), 1024 * 1024);
    let corner = answer(task("table1", TABLE).as_ref(), &["1,1,1,110,1,500,0".to_owned()]);
    // 2 groups, 3 columns, 2 of them numeric at the end of their range.
    assert_eq!(haima_dp::norms::norm_squared(&corner), (2 + 6 + 8) * 1024 * 1024);
    let corner = answer(task("prepare", PREPARE).as_ref(), &["1,1,1,110,1,500,0".to_owned()]);
    assert_eq!(haima_dp::norms::norm_squared(&corner), (1 + 3 + 4) * 1024 * 1024);
}

/// rho = 0.03 is (1, 2e-4) and better; 1043 patients, 20 intervals of 250 days, three nodes' noise.
#[test]
fn a_noised_curve_is_near_the_exact_one() {
    let one = KM.replace("by = \"male\"\n", "");
    let params = one.as_str();
    let exact = noised("km", &params.replace("noised", "exact"), 4, 0);
    let exact: Curves = serde_json::from_value(exact).expect("curves");
    let s = scale("km", params, 0.03);
    let mut worst: f64 = 0.0;
    for seed in 0..5 {
        let ours: Curves = serde_json::from_value(noised("km", params, s, seed)).expect("curves");
        assert!(ours.logrank.is_none());
        for (ours, exact) in ours.curves.iter().zip(&exact.curves) {
            assert!(ours.se.iter().all(|se| se.is_nan()), "no interval that ignores the noise");
            assert!(ours.surv.windows(2).all(|pair| pair[1] <= pair[0]));
            assert!(ours.surv.iter().all(|surv| (0.0..=1.0).contains(surv)));
            let noisy = |t: f64| ours.time.iter().position(|time| *time == t).map(|i| ours.surv[i]);
            for (time, surv) in exact.time.iter().zip(&exact.surv).take(4) {
                worst = worst.max((noisy(*time).expect("every interval") - surv).abs());
            }
        }
    }
    eprintln!("noised km: worst difference {worst:.3} over 5 draws");
    assert!(worst > 0.0 && worst < 0.1, "{worst}");
}

#[test]
fn a_noised_table_is_near_the_exact_one() {
    let exact = noised("table1", &TABLE.replace("noised", "exact"), 4, 0);
    let exact: Table1 = serde_json::from_value(exact).expect("table");
    let s = scale("table1", TABLE, 0.03);
    let ours: Table1 = serde_json::from_value(noised("table1", TABLE, s, 1)).expect("table");
    for (ours, exact) in ours.n.iter().zip(&exact.n) {
        let off = ours.abs_diff(*exact);
        assert!(off < 120, "{ours} for {exact}");
    }
    assert_ne!(ours.n, exact.n, "noise was added");
    for (ours, exact) in ours.rows.iter().zip(&exact.rows) {
        match (&ours.cells, &exact.cells) {
            (Cells::Numeric { mean: a, .. }, Cells::Numeric { mean: b, sd, .. }) => {
                assert!((a[0] - b[0]).abs() < sd[0], "{}: {} for {}", ours.column, a[0], b[0]);
            }
            (Cells::Categorical { counts: a, .. }, Cells::Categorical { counts: b, .. }) => {
                assert!(a[1][0].abs_diff(b[1][0]) < 120);
            }
            _ => panic!("another kind"),
        }
    }
}
