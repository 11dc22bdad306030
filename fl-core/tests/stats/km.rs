//! Kaplan-Meier and log-rank, against R's `survfit` and `survdiff`.

use haima_fl_core::results::{Curve, Curves, LogRank};
use serde_json::Value;

use crate::common::{
    BMT, LEUKSURV, MGUS2, MYELOMA, close, cohorts, data, deal, numbers, oracle, run, schema,
    shared, shipped_oracle, split,
};

const TRUTH: &str = "truth/survival_r_curves.json";

fn curves(params: &str, schema_text: &str, files: &[String]) -> Curves {
    let schema = schema(schema_text);
    let output = run("km", params, &schema, &cohorts(&schema, files), 1).expect("curves");
    serde_json::from_value(output).expect("haima.km/1")
}

fn bmt(by: &str) -> Curves {
    let params = format!("time = \"dfs_days\"\nevent = \"dfs_event\"\ngrid = 1.0\n{by}");
    curves(&params, BMT, &split(&data("bmt_klein.csv"), "hospital"))
}

fn leuksurv(grid: &str, by: &str) -> Curves {
    let params = format!("time = \"time_days\"\nevent = \"death\"\ngrid = {grid}\n{by}");
    curves(&params, LEUKSURV, &split(&data("leuksurv.csv"), "district"))
}

fn mgus2() -> Curves {
    let params = "time = \"futime\"\nevent = \"death\"\ngrid = 1.0\nby = \"sex\"";
    curves(params, MGUS2, &deal(&data("mgus2.csv"), 5))
}

fn equals_r(what: &str, ours: &Curve, r: &Value) {
    let whole = |values: &[u64]| values.iter().map(|v| *v as f64).collect::<Vec<f64>>();
    assert_eq!(ours.time, numbers(&r["time"]), "{what}");
    assert_eq!(whole(&ours.n_risk), numbers(&r["n_risk"]), "{what}");
    assert_eq!(whole(&ours.n_event), numbers(&r["n_event"]), "{what}");
    assert_eq!(whole(&ours.n_censor), numbers(&r["n_censor"]), "{what}");
    let mut worst = close(what, &ours.surv, &numbers(&r["surv"]), 1e-6);
    for (ours, key) in [(&ours.se, "std_err"), (&ours.lo, "lower"), (&ours.hi, "upper")] {
        let theirs = numbers(&r[key]);
        // R's NA (survival 0) must be ours.
        for (a, b) in ours.iter().zip(&theirs) {
            assert_eq!(a.is_nan(), b.is_nan(), "{what} {key}");
        }
        let known =
            |values: &[f64]| values.iter().copied().filter(|v| !v.is_nan()).collect::<Vec<_>>();
        worst = worst.max(close(what, &known(ours), &known(&theirs), 1e-6));
    }
    eprintln!("km {what} {}: {worst:.1e}", ours.group);
}

fn all_equal_r(what: &str, ours: &Curves, r: &Value) {
    let groups: Vec<&String> = r.as_object().expect("groups").keys().collect();
    assert_eq!(groups, ours.curves.iter().map(|curve| &curve.group).collect::<Vec<_>>());
    for curve in &ours.curves {
        equals_r(what, curve, &r[&curve.group]);
    }
}

#[test]
fn km_over_hospitals_equals_r() {
    let Some(r) = oracle(TRUTH) else { return };
    let km = &r["km"];
    all_equal_r("bmt", &bmt(""), &km["bmt_dfs"]);
    all_equal_r("bmt by group", &bmt("by = \"disease_group\""), &km["bmt_dfs_by_group"]);
    all_equal_r("leuksurv", &leuksurv("1.0", ""), &km["leuksurv"]);
    all_equal_r("leuksurv by male", &leuksurv("1.0", "by = \"male\""), &km["leuksurv_by_male"]);
    all_equal_r("mgus2 by sex", &mgus2(), &km["mgus2_by_sex"]);
}

#[test]
fn km_on_a_thirty_day_grid_equals_r_on_rounded_times() {
    let Some(r) = oracle(TRUTH) else { return };
    let ours = leuksurv("30.0", "by = \"male\"");
    all_equal_r("leuksurv 30 d", &ours, &r["km"]["leuksurv_by_male_30d"]);
}

#[test]
fn log_rank_equals_r() {
    let Some(r) = oracle(TRUTH) else { return };
    for (key, ours) in [
        ("bmt_group", bmt("by = \"disease_group\"")),
        ("leuksurv_male", leuksurv("1.0", "by = \"male\"")),
        ("leuksurv_male_30d", leuksurv("30.0", "by = \"male\"")),
        ("mgus2_sex", mgus2()),
    ] {
        let r = &r["logrank"][key];
        let LogRank { groups, observed, expected, chisq, df, p } = ours.logrank.expect("a test");
        assert_eq!(groups, ours.curves.iter().map(|c| c.group.clone()).collect::<Vec<_>>());
        close(key, &observed, &numbers(&r["observed"]), 1e-6);
        let expected = close(key, &expected, &numbers(&r["expected"]), 1e-6);
        let chisq = close(key, &[chisq], &[r["chisq"].as_f64().expect("chisq")], 1e-3);
        assert_eq!(Some(u64::from(df)), r["df"].as_u64());
        let p = close(key, &[p], &[r["p"].as_f64().expect("p")], 1e-6);
        eprintln!("log-rank {key}: chisq {chisq:.1e}, expected {expected:.1e}, p {p:.1e}");
    }
}

#[test]
fn medians_equal_r() {
    let Some(r) = oracle("truth/survival_r.json") else { return };
    let check = |ours: &Curves, r: &Value| {
        for curve in &ours.curves {
            let theirs = &r[&curve.group];
            assert_eq!(curve.median, theirs["median"].as_f64(), "{}", curve.group);
            assert_eq!(curve.median_lo, theirs["0.95LCL"].as_f64(), "{}", curve.group);
            assert_eq!(curve.median_hi, theirs["0.95UCL"].as_f64(), "{}", curve.group);
            assert_eq!(Some(curve.n), r[&curve.group]["records"].as_u64());
        }
    };
    check(&mgus2(), &r["mgus2"]["km_death"]);
    let bmt = bmt("by = \"disease_group\"");
    let groups = r.as_object().expect("data sets").values().find_map(|set| set.get("km_group"));
    check(&bmt, groups.expect("medians of bmt"));
    assert_eq!(leuksurv("1.0", "").curves[0].median, r["leuksurv"]["km"][0]["median"].as_f64());
}

/// Stratified by site, over the sites themselves; its unstratified form differs by far more than
/// the tolerance.
#[test]
fn the_stratified_log_rank_test_equals_r() {
    let Some(r) = oracle(TRUTH) else { return };
    for (key, plain, ours) in [
        ("bmt_group_strat", "bmt_group", bmt("by = \"disease_group\"\nstrata = \"site\"")),
        (
            "leuksurv_male_strat",
            "leuksurv_male",
            leuksurv("1.0", "by = \"male\"\nstrata = \"site\""),
        ),
    ] {
        let theirs = &r["logrank"][key];
        let test = ours.logrank.expect("a test");
        close(key, &test.observed, &numbers(&theirs["observed"]), 1e-6);
        let expected = close(key, &test.expected, &numbers(&theirs["expected"]), 1e-5);
        let chisq = theirs["chisq"].as_f64().expect("chisq");
        let off = close(key, &[test.chisq], &[chisq], 1e-3);
        close(key, &[test.p], &[theirs["p"].as_f64().expect("p")], 1e-6);
        let unstratified = r["logrank"][plain]["chisq"].as_f64().expect("chisq");
        assert!((test.chisq - unstratified).abs() > 0.1);
        assert!(ours.formula.ends_with("+ strata(site)"), "{}", ours.formula);
        eprintln!("log-rank {key}: chisq {off:.1e}, expected {expected:.1e}");
    }
}

/// Left truncation: who enters late is not at risk before.
#[test]
fn the_left_truncated_curve_equals_r() {
    let (Some(r), Some(path)) = (oracle("truth/survival_r.json"), shared("data/myeloma_mayo.csv"))
    else {
        return;
    };
    let files = deal(&std::fs::read_to_string(path).expect("myeloma"), 5);
    let params = "time = \"futime\"\nevent = \"death\"\ngrid = 1.0";
    for (key, entry) in [("km_ignoring_entry", ""), ("km_left_truncated", "\nentry = \"entry\"")] {
        let ours = &curves(&format!("{params}{entry}"), MYELOMA, &files).curves[0];
        let theirs = &r["myeloma_mayo"][key][0];
        assert_eq!(ours.median, theirs["median"].as_f64(), "{key}");
        assert_eq!(ours.median_lo, theirs["0.95LCL"].as_f64(), "{key}");
        assert_eq!(ours.median_hi, theirs["0.95UCL"].as_f64(), "{key}");
    }
}

#[test]
fn the_restricted_mean_equals_r() {
    let r = shipped_oracle("survival.json");
    let ours = leuksurv("1.0", "by = \"male\"\ntau = 730.0");
    for curve in &ours.curves {
        let theirs = &r["rmst_leuksurv_730"][&curve.group];
        let rmst = curve.rmst.as_ref().expect("a restricted mean");
        let both = [theirs["mean"].as_f64().expect("mean"), theirs["se"].as_f64().expect("se")];
        let off = close("rmst", &[rmst.mean, rmst.se], &both, 1e-6);
        eprintln!("rmst {}: {off:.1e}", curve.group);
    }
}

/// Who enters and leaves within one interval of the grid was never seen at risk, and does not spoil
/// the others' figures, over hospitals and strata.
#[test]
fn an_entry_in_the_interval_of_the_end_is_no_observation() {
    let rows = "1,1,5,1,1\n2,2,6,1,0\n3,3,7,1,1\n4,21,45,1,0\n5,14,55,1,1\n6,24,65,1,0\n";
    let text = format!("id,entry,futime,death,male,year\n{}", rows.replace('\n', ",60\n"));
    let schema = format!("{MYELOMA}\n[[column]]\nname = \"male\"\nkind = \"flag\"\n");
    let params = "time = \"futime\"\nevent = \"death\"\nentry = \"entry\"\ngrid = 10.0";
    let ours = curves(params, &schema, std::slice::from_ref(&text));
    assert_eq!((ours.n, &ours.curves[0].n_risk[..]), (3, &[3, 2, 1][..]));
    assert!((ours.curves[0].surv[0] - 2.0 / 3.0).abs() < 1e-12);
    let strata = format!("{params}\nby = \"male\"\nstrata = \"site\"");
    assert_eq!(curves(&strata, &schema, &[text.clone(), text]).sites, 2);
}

/// R: a row without its stratum is left out of curves and test alike.
#[test]
fn a_row_without_its_stratum_is_incomplete() {
    let schema = format!("{LEUKSURV}\n[[column]]\nname = \"s\"\nkind = \"flag\"\nmissing = true\n");
    let text = data("leuksurv.csv");
    let with = |stratum: fn(usize) -> &'static str, keep: fn(usize) -> bool| -> Vec<String> {
        let header = format!("{},s", text.lines().next().expect("header"));
        let rows = text.lines().skip(1).enumerate().filter(|(i, _)| keep(*i));
        let rows = rows.map(|(i, line)| format!("{line},{}", stratum(i)));
        vec![std::iter::once(header).chain(rows).collect::<Vec<_>>().join("\n")]
    };
    let params =
        "time = \"time_days\"\nevent = \"death\"\ngrid = 1.0\nby = \"male\"\nstrata = \"s\"";
    let missing = with(|i| ["0", "1", ""][i % 3], |_| true);
    let absent = with(|i| ["0", "1", ""][i % 3], |i| i % 3 < 2);
    assert_eq!(curves(params, &schema, &missing), curves(params, &schema, &absent));
}

#[test]
fn what_does_not_go_together_is_refused() {
    let base = "time = \"time_days\"\nevent = \"death\"\ngrid = 30.0";
    for (more, says) in [
        ("strata = \"site\"", "between groups"),
        ("by = \"male\"\nstrata = \"site\"\nrelease = \"noised\"", "exact test"),
        ("tau = 6000.0", "`tau`"),
        ("tau = 0.0", "`tau`"),
        ("entry = \"death\"", "numeric column"),
    ] {
        let error = run("km", &format!("{base}\n{more}"), &schema(LEUKSURV), &[], 1);
        let error = error.expect_err(more).to_string();
        assert!(error.contains(says), "{more}: {error}");
    }
}

#[test]
fn a_group_without_patients_has_an_empty_curve_and_no_part_in_the_test() {
    let text: Vec<String> = data("bmt_klein.csv")
        .lines()
        .filter(|line| !line.contains("AML_high_risk"))
        .map(str::to_owned)
        .collect();
    let params = "time = \"dfs_days\"\nevent = \"dfs_event\"\ngrid = 1.0\nby = \"disease_group\"";
    let ours = curves(params, BMT, &[text.join("\n")]);
    assert_eq!(ours.curves[1].n, 0);
    assert!(ours.curves[1].time.is_empty() && ours.curves[1].median.is_none());
    let test = ours.logrank.expect("two groups are left");
    assert_eq!(test.groups, ["disease_group=ALL", "disease_group=AML_low_risk"]);
    assert_eq!(test.df, 1);
}

#[test]
fn a_log_rank_test_of_one_group_is_absent() {
    assert!(leuksurv("30.0", "").logrank.is_none());
}

#[test]
fn km_counts_each_patient_once_whatever_the_split_into_hospitals() {
    let by = "time = \"time_days\"\nevent = \"death\"\ngrid = 30.0\nby = \"male\"";
    let text = data("leuksurv.csv");
    let mut one = curves(by, LEUKSURV, &deal(&text, 1));
    let many = curves(by, LEUKSURV, &deal(&text, 17));
    assert_eq!((one.sites, many.sites), (1, 17));
    one.sites = 17;
    assert_eq!(one, many);
}
