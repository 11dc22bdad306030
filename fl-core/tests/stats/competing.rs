//! Cumulative incidence, against R's `cmprsk::cuminc`.

use haima_fl_core::Error;
use haima_fl_core::results::competing::{CauseCurve, Incidence, IncidenceGroup};
use serde_json::Value;

use crate::common::{
    BMT_ENDING, MGUS2_EVENT, bmt_ending, close, cohorts, deal, mgus2_event, numbers, open, oracle,
    run, schema, shipped_oracle, split,
};

fn incidence(params: &str, schema_text: &str, files: &[String]) -> Incidence {
    let schema = schema(schema_text);
    let output = run("cif", params, &schema, &cohorts(&schema, files), 1).expect("curves");
    serde_json::from_value(output).expect("haima.cif/1")
}

fn mgus2(grid: &str, by: &str) -> Incidence {
    let params = format!("time = \"etime\"\nevent = \"event\"\ngrid = {grid}\n{by}");
    incidence(&params, MGUS2_EVENT, &deal(&mgus2_event(), 5))
}

fn bmt(by: &str) -> Incidence {
    let params = format!("time = \"dfs_days\"\nevent = \"ending\"\ngrid = 1.0\n{by}");
    incidence(&params, BMT_ENDING, &split(&bmt_ending(), "hospital"))
}

/// R's curve is a step function; ours has a row for each time with an event or a censoring.
fn equals_r(what: &str, group: &IncidenceGroup, curve: &CauseCurve, r: &Value) {
    let (time, est, var) = (numbers(&r["time"]), numbers(&r["est"]), numbers(&r["var"]));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (row, t) in group.time.iter().enumerate() {
        let step = time.iter().rposition(|step| step <= t).expect("R starts at 0");
        ours.extend([curve.cif[row], curve.variance[row]]);
        theirs.extend([est[step], var[step]]);
        assert!((curve.se[row].powi(2) - curve.variance[row]).abs() < 1e-15);
    }
    let worst = close(what, &ours, &theirs, 1e-9);
    assert!(curve.cif.last().is_some_and(|last| *last > 0.05), "{what}: a curve of zeros");
    eprintln!("cif {what} {} {}: {worst:.1e}", group.group, curve.cause);
}

#[test]
fn cif_over_hospitals_equals_the_shared_oracle() {
    let Some(r) = oracle("truth/survival_r_curves.json") else { return };
    let ours = mgus2("1.0", "");
    assert_eq!((ours.n, ours.sites, ours.censored.as_str()), (1384, 5, "censored"));
    assert!(ours.tests.is_empty());
    for (cause, key) in ours.curves[0].causes.iter().zip(["1 1", "1 2"]) {
        equals_r("mgus2", &ours.curves[0], cause, &r["aalen_johansen"]["mgus2"][key]);
    }
}

#[test]
fn cif_by_group_equals_r() {
    let r = &shipped_oracle("competing.json")["cif"];
    for (what, ours) in [
        ("mgus2_by_sex", mgus2("1.0", "by = \"sex\"")),
        ("mgus2_by_sex_12m", mgus2("12.0", "by = \"sex\"")),
        ("bmt_by_group", bmt("by = \"disease_group\"")),
    ] {
        for group in &ours.curves {
            let (_, level) = group.group.split_once('=').expect("column=level");
            for (cause, number) in group.causes.iter().zip(["1", "2"]) {
                let theirs = &r[what]["curves"][format!("{level} {number}")];
                equals_r(what, group, cause, theirs);
            }
        }
        assert_eq!(ours.tests.len(), 2);
        for (test, number) in ours.tests.iter().zip(["1", "2"]) {
            let theirs = &r[what]["tests"][number];
            let number = |key: &str| theirs[key].as_f64().expect("number");
            let worst = close(what, &[test.chisq, test.p], &[number("stat"), number("pv")], 1e-6);
            assert_eq!(f64::from(test.df), number("df"));
            eprintln!("Gray {what} {}: {worst:.1e} of {}", test.cause, test.chisq);
        }
    }
}

#[test]
fn cif_intervals_are_made_on_the_log_log_scale() {
    let r = &shipped_oracle("competing.json")["cif"]["mgus2_pcm_loglog"];
    let ours = mgus2("1.0", "");
    let (group, pcm) = (&ours.curves[0], &ours.curves[0].causes[0]);
    let (time, lo, hi) = (numbers(&r["time"]), numbers(&r["lo"]), numbers(&r["hi"]));
    for (row, t) in group.time.iter().enumerate() {
        let step = time.iter().rposition(|step| step <= t).expect("R starts at 0");
        assert_eq!(pcm.lo[row].is_nan(), lo[step].is_nan(), "at {t}");
        if !lo[step].is_nan() {
            close("log-log", &[pcm.lo[row], pcm.hi[row]], &[lo[step], hi[step]], 1e-9);
        }
    }
}

/// Death competes with progression: the complement of Kaplan-Meier overstates it, and the curves
/// of all causes add up to the probability of any event.
#[test]
fn cif_is_not_the_complement_of_kaplan_meier() {
    let ours = mgus2("1.0", "");
    let schema = schema(MGUS2_EVENT);
    let params = "time = \"etime\"\nevent = \"event\"\ncause = \"pcm\"\ngrid = 1.0";
    let km = run("km", params, &schema, &cohorts(&schema, &[mgus2_event()]), 1).expect("curve");
    let r = &shipped_oracle("competing.json")["cause_km"];
    let surv = numbers(&km["curves"][0]["surv"]);
    close("km of a cause", &surv, &numbers(&r["surv"]), 1e-9);
    close("its error", &numbers(&km["curves"][0]["se"]), &numbers(&r["se"]), 1e-9);
    assert_eq!(km["formula"], "Surv(etime, event == pcm) ~ 1");
    let last = ours.curves[0].causes[0].cif.last().expect("rows");
    assert!(1.0 - surv.last().expect("rows") > last + 0.05);
}

#[test]
fn a_cause_without_events_has_a_flat_curve_and_no_test() {
    let text = mgus2_event().replace(",pcm\n", ",censored\n");
    let params = "time = \"etime\"\nevent = \"event\"\ngrid = 1.0\nby = \"sex\"";
    let ours = incidence(params, MGUS2_EVENT, &deal(&text, 3));
    for group in &ours.curves {
        assert!(group.causes[0].cif.iter().all(|cif| *cif == 0.0));
        assert!(group.causes[0].lo.iter().all(|lo| lo.is_nan()));
    }
    assert_eq!(ours.tests.len(), 1, "of death alone: {:?}", ours.tests);
}

#[test]
fn cif_refuses_an_event_without_causes_and_a_cause_that_is_none() {
    let schema = schema(MGUS2_EVENT);
    let refused = |task: &str, params: &str| match open(task, params, &schema).err() {
        Some(Error::Params { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let flag = refused("cif", "time = \"etime\"\nevent = \"death\"\ngrid = 1.0");
    assert!(flag.contains("`death`") && flag.contains("category"), "{flag}");
    for cause in ["relapse", "censored"] {
        let params =
            format!("time = \"etime\"\nevent = \"event\"\ngrid = 1.0\ncause = \"{cause}\"");
        let reason = refused("km", &params);
        assert!(reason.contains(cause) && reason.contains("pcm, death"), "{reason}");
    }
}
