//! `haima stats` and `haima reproduce` as a user runs them: against R's figures through the JSON,
//! against all rows in one place, and what is refused.

mod common;
#[path = "stats_cli/shown.rs"]
mod shown;

use assert_cmd::Command;
use common::{oracle, repository};
use serde_json::Value;

const CURVES: &str = "truth/survival_r_curves.json";
const BMT: &str = "--data data/bmt_klein.csv --site hospital --time dfs_days --event dfs_event";
const BMT_ROWS: &str = "--data data/bmt_klein.csv --site hospital";
const LEUKSURV: &str = "--data data/leuksurv.csv --site district --time time_days --event death";
const MGUS2: &str = "--data data/mgus2.csv --deal 5";

/// The program in the repository's folder, with arguments that are separated by blanks.
fn haima(arguments: &str) -> Command {
    let mut command = Command::new(common::program());
    command.current_dir(repository(".")).args(arguments.split_whitespace());
    command
}

/// Standard output of a run that succeeds.
fn text(arguments: &str) -> String {
    let output = haima(arguments).output().unwrap();
    let (out, log) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    let (out, log) = (out.unwrap(), log.unwrap());
    assert!(output.status.success(), "{arguments}\n{log}");
    out
}

/// The JSON object of `haima stats`, with the answer from all rows in one place beside it.
fn stats(arguments: &str) -> Value {
    let json: Value =
        serde_json::from_str(&text(&format!("stats {arguments} --json --pooled"))).unwrap();
    let worst = json["pooled"]["max_difference"]["value"].as_f64().unwrap();
    assert!(worst < 1e-9, "{arguments}: pooled is off by {worst:e}");
    assert_eq!(json["privacy"]["note"], "exact: no differential privacy");
    json
}

/// What a run that is refused says.
fn refusal(arguments: &str) -> String {
    let output = haima(arguments).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments}\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    log
}

fn numbers(value: &Value) -> Vec<f64> {
    let items = value.as_array().unwrap_or_else(|| panic!("no list: {value}"));
    items.iter().map(|item| item.as_f64().unwrap_or(f64::NAN)).collect()
}

fn close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= tolerance || (a.is_nan() && b.is_nan()), "{what}: {a} and {b}");
    }
}

fn equals_r(what: &str, fit: &Value, r: &Value) {
    let terms = fit["terms"].as_array().unwrap();
    assert_eq!(terms.len(), r["coef"].as_object().unwrap().len(), "{what}");
    for term in terms {
        let name = term["name"].as_str().unwrap();
        for key in ["coef", "se"] {
            let theirs = r[key][name].as_f64().unwrap();
            close(
                &format!("{what}, {key} of {name}"),
                &[term[key].as_f64().unwrap()],
                &[theirs],
                1e-5,
            );
        }
    }
    assert_eq!(fit["n"], r["n"], "{what}");
    // R's regressions have no events.
    assert!(r["events"].is_null() || fit["events"] == r["events"], "{what}");
}

fn test_equals_r(what: &str, test: &Value, r: &Value) {
    close(what, &[test["chisq"].as_f64().unwrap()], &[r["chisq"].as_f64().unwrap()], 1e-3);
    close(what, &[test["p"].as_f64().unwrap()], &[r["p"].as_f64().unwrap()], 1e-6);
    close(what, &numbers(&test["expected"]), &numbers(&r["expected"]), 1e-3);
    assert_eq!(test["df"], r["df"], "{what}");
}

#[test]
fn cox_stratified_by_hospital_equals_r_and_all_rows_in_one_place() {
    let Some(r) = oracle(CURVES) else { return };
    for ties in ["efron", "breslow"] {
        let fit = stats(&format!(
            "cox {BMT} --covariates disease_group,fab_4_5_aml,patient_age,donor_age --ties {ties}"
        ));
        equals_r("bmt", &fit, &r["cox"][format!("bmt_strat_{ties}")]);
        assert_eq!(fit["mode"], "simulation: plain sums in one process");
        assert_eq!((&fit["sites"], &fit["pooled"]["sites"]), (&4.into(), &1.into()));
        let fit = stats(&format!("cox {LEUKSURV} --covariates age,male,wbc,tpi --ties {ties}"));
        equals_r("leuksurv", &fit, &r["cox"][format!("leuksurv_strat_{ties}")]);
        assert_eq!(fit["excluded"], Value::Array(vec![]));
    }
}

/// The pooled answer is no copy of the federated one: it finds hospital x column in its own rows.
#[test]
fn strata_of_hospital_and_column_are_found_in_the_pooled_rows_too() {
    let plain = stats(&format!("cox {LEUKSURV} --covariates age,wbc,tpi"));
    let within = stats(&format!("cox {LEUKSURV} --covariates age,wbc,tpi --strata male"));
    let age = |fit: &Value| fit["terms"][0]["coef"].as_f64().unwrap();
    assert!((age(&plain) - age(&within)).abs() > 1e-6, "stratifying by sex changes the fit");
    assert!((age(&within) - age(&within["pooled"])).abs() < 1e-9);
    assert_eq!(within["pooled"]["strata"], "pooled.stratum");
}

#[test]
fn curves_on_the_exact_grid_equal_r() {
    let Some(r) = oracle(CURVES) else { return };
    let exact = stats(&format!("km {LEUKSURV} --by male --exact-grid"));
    assert_eq!(exact["grid"], 1.0);
    let coarse = stats(&format!("km {LEUKSURV} --by male --grid 30"));
    for (json, truth) in [(&exact, "leuksurv_by_male"), (&coarse, "leuksurv_by_male_30d")] {
        for (i, group) in ["male=0", "male=1"].into_iter().enumerate() {
            let (ours, theirs) = (&json["curves"][i], &r["km"][truth][group]);
            assert_eq!(ours["group"], group);
            for (key, r_key) in [
                ("time", "time"),
                ("n_risk", "n_risk"),
                ("n_event", "n_event"),
                ("surv", "surv"),
                ("se", "std_err"),
            ] {
                close(truth, &numbers(&ours[key]), &numbers(&theirs[r_key]), 1e-6);
            }
        }
    }
    test_equals_r("exact", &exact["logrank"], &r["logrank"]["leuksurv_male"]);
    test_equals_r("30 days", &coarse["logrank"], &r["logrank"]["leuksurv_male_30d"]);
}

#[test]
fn the_log_rank_test_alone_equals_r() {
    let Some(r) = oracle(CURVES) else { return };
    let test = stats(&format!("logrank {BMT} --by disease_group --exact-grid"));
    assert_eq!(test["schema"], "haima.logrank/1");
    assert!(test.get("curves").is_none());
    test_equals_r("bmt", &test, &r["logrank"]["bmt_group"]);
    // Rows dealt to hospitals, since these data have none.
    let test = stats(&format!("logrank {MGUS2} --time futime --event death --by sex --exact-grid"));
    test_equals_r("mgus2", &test, &r["logrank"]["mgus2_sex"]);
    assert_eq!(test["sites"], 5);
}

/// Means and deviations by R 4.2.2: `aggregate(hgb ~ sex, mgus2, function(x) c(mean(x), sd(x)))`.
#[test]
fn table_1_equals_r() {
    let table = stats(&format!("table1 {MGUS2} --columns age,hgb,sex,death --by sex"));
    assert_eq!(table["n"], serde_json::json!([1384, 631, 753]));
    let hgb = &table["rows"][1];
    assert_eq!(hgb["missing"], serde_json::json!([13, 7, 6]));
    let cell = |key: &str| numbers(&hgb["cells"][key])[1..].to_vec();
    close("mean", &cell("mean"), &[12.761698717949, 13.756760374833], 1e-9);
    close("sd", &cell("sd"), &[1.863269447149, 2.037205334901], 1e-9);
    assert_eq!(table["rows"][3]["cells"]["counts"][1], serde_json::json!([963, 423, 540]));
}

#[test]
fn few_hospitals_are_refused_and_a_small_one_is_left_out_by_name() {
    let cox = format!("stats cox {BMT} --covariates patient_age");
    let log = refusal(&format!("{cox} --min-sites 5"));
    assert!(log.contains("4 of 4 hospitals") && log.contains("--min-sites"), "{log}");
    let json = stats(&format!("cox {BMT} --covariates patient_age --min-local-rows 20"));
    assert_eq!((&json["sites"], &json["n"]), (&3.into(), &120.into()));
    let excluded = json["excluded"].as_array().unwrap();
    assert_eq!(excluded.len(), 1);
    assert_eq!(excluded[0]["site"], "Alfred_Melbourne");
    let reason = excluded[0]["reason"].as_str().unwrap();
    assert!(reason.ends_with("floor of 20"), "its number of rows is nobody's matter: {reason}");
    let log = refusal(&format!("{cox} --min-local-rows 30"));
    assert!(log.contains("1 of 4 hospitals") && log.contains("Alfred_Melbourne"), "{log}");
}

/// A cohort restricts the patients: the fit is that of a file with the others cut out.
#[test]
fn a_cohort_is_the_file_without_the_others() {
    let cox = "--site hospital --time dfs_days --event dfs_event --covariates donor_age \
               --min-local-rows 1";
    let folder = tempfile::tempdir().unwrap();
    let all = std::fs::read_to_string(repository("data/bmt_klein.csv")).unwrap();
    let at = |name: &str| all.lines().next().unwrap().split(',').position(|c| c == name).unwrap();
    let (age, male) = (at("patient_age"), at("patient_male"));
    let kept: Vec<&str> = all
        .lines()
        .enumerate()
        .filter(|(i, line)| {
            let fields: Vec<&str> = line.split(',').collect();
            *i == 0 || (fields[age].parse::<f64>().unwrap() > 25.0 && fields[male] != "1")
        })
        .map(|(_, line)| line)
        .collect();
    let path = folder.path().join("bmt.csv");
    std::fs::write(&path, kept.join("\n")).unwrap();
    let cut = stats(&format!("cox --data {} {cox}", path.display()));
    let whole = "--data data/bmt_klein.csv --include patient_age>25 --exclude patient_male=1";
    let selected = stats(&format!("cox {whole} {cox}"));
    assert!(cut["n"].as_u64() < Some(60), "{}", cut["n"]);
    assert_eq!(selected["n"], cut["n"]);
    assert_eq!(selected["cohort"], "include patient_age > 25\nexclude patient_male = 1\n");
    assert_eq!(cut["cohort"], "");
    let coefficient = |fit: &Value| fit["terms"][0]["coef"].as_f64().unwrap();
    close("coef", &[coefficient(&selected)], &[coefficient(&cut)], 1e-9);
}

#[test]
fn what_does_not_fit_is_refused_with_file_and_column() {
    for (arguments, expected) in [
        (format!("cox {BMT} --covariates pateint_age"), "no column \"pateint_age\"; it has hospital, disease_group"),
        (format!("cox {BMT} --covariates snp_*"), "no column begins with \"snp_\""),
        ("km --data data/bmt_klein.csv --site clinic --time dfs_days --event dfs_event --exact-grid".into(), "no column \"clinic\""),
        ("km --data data/none.csv --site hospital --time a --event b --exact-grid".into(), "data/none.csv"),
        (format!("km {BMT}"), "--grid"),
        (format!("km {BMT} --grid 30 --exact-grid"), "cannot be used with"),
        (format!("logrank {BMT} --by patient_male"), "--grid"),
        (format!("cox {BMT} --covariates disease_group --ties exact"), "efron, breslow"),
        ("pca --data data/bmt_klein.csv --site hospital --columns patient_age,donor_age --plot a.svg".into(), "no figure of pca"),
        (format!("km {BMT} --exact-grid --plot a.png"), ".svg"),
        (format!("km {BMT} --exact-grid --plot no/such/folder/a.svg"), "no such folder"),
        (format!("km {BMT} --exact-grid --by wait_days"), "values; cut it"),
        (format!("cox {BMT} --covariates patient_age --include patient_age>>1"), "cohort predicate `patient_age>>1`"),
        (format!("cox {BMT} --covariates patient_age --include age>1"), "no column \"age\""),
        ("km --data data/bmt_klein.csv --site hospital --time dfs_days --event disease_group --exact-grid".into(), "disease_group"),
        ("table1 --data data/bmt_klein.csv --columns death".into(), "--site"),
    ] {
        let log = refusal(&format!("stats {arguments}"));
        assert!(log.contains(expected), "{arguments}\n{log}");
    }
}

/// A fault in a patient's row is told with its line in the pooled file.
#[test]
fn a_fault_in_the_data_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read_to_string(repository("data/leuksurv.csv")).unwrap();
    let mut lines: Vec<&str> = good.lines().collect();
    lines[600] = "600,x,1,24,69,1,50,2.09";
    let path = folder.path().join("leuksurv.csv");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let log = refusal(&format!(
        "stats km --data {} --site district --time time_days --event death --exact-grid",
        path.display()
    ));
    assert!(log.contains("leuksurv.csv: line 601, column `time_days`"), "{log}");
}

#[test]
fn a_task_file_is_the_same_question_as_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cox.toml");
    let file = "[task]\nname = \"cox\"\nversion = 1\n[params]\ntime = \"dfs_days\"\nevent = \"dfs_event\"\ncovariates = [\"patient_age\"]\n";
    std::fs::write(&path, file).unwrap();
    let task = format!("--data data/bmt_klein.csv --site hospital --task {}", path.display());
    let by_file = stats(&format!("cox {task}"));
    assert_eq!(by_file, stats(&format!("cox {BMT} --covariates patient_age")));
    let log = refusal(&format!("stats km {task}"));
    assert!(log.contains("haima stats cox"), "{log}");
    let log = refusal(&format!("stats cox {task} --ties efron"));
    assert!(log.contains("cannot be used with"), "{log}");
    std::fs::write(&path, format!("{file}[privacy]\nepsilon = 1.0\n")).unwrap();
    assert!(refusal(&format!("stats cox {task}")).contains("[privacy]"));
    std::fs::write(&path, file.replace("patient_age", "nope")).unwrap();
    let log = refusal(&format!("stats cox {task}"));
    assert!(log.contains("no column \"nope\"; it has hospital"), "{log}");
}

/// The schema of a study's template serves here, too, and is then not inferred.
#[test]
fn a_study_s_schema_gives_the_same_fit() {
    let cox = format!("cox {LEUKSURV} --covariates age,wbc");
    let inferred = stats(&cox);
    let given = stats(&format!("{cox} --schema data/leuksurv.study.toml"));
    assert_eq!(given["notes"], Value::Array(vec![]));
    assert!(inferred["notes"][0].as_str().unwrap().contains("not in a study"));
    for i in 0..2 {
        let coef = |fit: &Value| fit["terms"][i]["coef"].as_f64().unwrap();
        assert!((coef(&inferred) - coef(&given)).abs() < 1e-9);
    }
}

/// The same sums by processes: nodes with shares and proofs, and masks.
#[test]
fn the_real_protocol_gives_r_s_fit() {
    let Some(r) = oracle(CURVES) else { return };
    let cox = format!("cox {BMT} --covariates disease_group,fab_4_5_aml,patient_age,donor_age");
    for mode in ["nodes", "masked"] {
        let fit = stats(&format!("{cox} --sum {mode}"));
        assert_eq!(fit["mode"], mode);
        equals_r(mode, &fit, &r["cox"]["bmt_strat_efron"]);
    }
    // A task that fails at the coordinator says so here.
    let log = refusal(&format!("stats cox {BMT} --covariates dfs_event --sum nodes"));
    assert!(log.contains("outcome and a covariate"), "{log}");
}

/// Whether this program has a task: each is tested here as soon as it has it.
fn has(task: &str) -> bool {
    let there = haima_fl_core::registry::known().any(|(name, _)| name == task);
    if !there {
        println!("TASK absent: {task}");
    }
    there
}

#[test]
fn regression_equals_r() {
    let Some(r) = oracle(CURVES).filter(|_| has("glm")) else { return };
    let fit = stats(&format!("glm {LEUKSURV} --horizon 365 --covariates age,male,wbc,tpi"));
    let truth = &r["glm"]["leuksurv_1y_logistic"];
    equals_r("logistic", &fit, truth);
    let linear = "--family linear --outcome hgb --covariates age,sex,creat,mspike";
    equals_r("linear", &stats(&format!("glm {MGUS2} {linear}")), &r["glm"]["mgus2_hgb_linear"]);
}

/// mgus2 with one column of how follow-up ended: malignancy first, else death, else censored.
fn competing_risks(folder: &std::path::Path) -> String {
    let text = std::fs::read_to_string(repository("data/mgus2.csv")).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut out = "id,age,sex,hgb,mspike,months,end\n".to_owned();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let of = |name: &str| fields[header.iter().position(|column| *column == name).unwrap()];
        let (time, end) = match (of("pstat"), of("death")) {
            ("1", _) => (of("ptime"), "pcm"),
            (_, "1") => (of("futime"), "death"),
            _ => (of("futime"), "censored"),
        };
        let row = ["id", "age", "sex", "hgb", "mspike"].map(of).join(",");
        out.push_str(&format!("{row},{time},{end}\n"));
    }
    let path = folder.join("competing.csv");
    std::fs::write(&path, out).unwrap();
    format!("--data {} --deal 5 --time months --event end --exact-grid", path.display())
}

#[test]
fn cumulative_incidence_equals_r() {
    let Some(r) = oracle("truth/survival_r.json").filter(|_| has("cif")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = competing_risks(folder.path());
    let json = stats(&format!("cif {data}"));
    let times = numbers(&json["curves"][0]["time"]);
    for cause in json["curves"][0]["causes"].as_array().unwrap() {
        let truth = &r["mgus2"]["aalen_johansen"];
        let cif = numbers(&cause["cif"]);
        let at = |month: f64| cif[times.iter().take_while(|time| **time <= month).count() - 1];
        let ours: Vec<f64> = numbers(&truth["months"]).into_iter().map(at).collect();
        let name = cause["cause"].as_str().unwrap();
        close(name, &ours, &numbers(&truth[name]), 1e-6);
    }
    let figure = folder.path().join("cif.svg");
    let shown = text(&format!("stats cif {data} --by sex --plot {}", figure.display()));
    assert!(shown.contains("Gray's test of pcm") && shown.contains("10"), "{shown}");
    assert!(std::fs::read_to_string(figure).unwrap().contains("pcm, sex=F"));
}

#[test]
fn cox_without_strata_equals_r() {
    let Some(r) = oracle("truth/survival_r.json").filter(|_| has("cif")) else { return };
    let cox = format!("cox {LEUKSURV} --covariates age,male,wbc,tpi --strata none --exact-grid");
    equals_r("leuksurv", &stats(&cox), &r["leuksurv"]["pooled"]);
    let folder = tempfile::tempdir().unwrap();
    let data = competing_risks(folder.path());
    let cox = format!("cox {data} --cause pcm --covariates age,sex,mspike --strata none");
    equals_r("pcm", &stats(&cox), &r["mgus2"]["pcm_age_sex_mspike_vignette"]);
}

#[test]
fn fine_gray_equals_r() {
    let Some(r) = oracle(CURVES).filter(|_| has("finegray")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = competing_risks(folder.path());
    let fit = stats(&format!("finegray {data} --cause pcm --covariates age,sex,hgb,mspike"));
    let truth = &r["fine_gray"]["mgus2_pcm"];
    for term in fit["terms"].as_array().unwrap() {
        let name = term["name"].as_str().unwrap();
        close(
            name,
            &[term["coef"].as_f64().unwrap()],
            &[truth["coef"][name].as_f64().unwrap()],
            1e-5,
        );
    }
    assert_eq!(fit["n"], truth["n"]);
}

/// A scan of R's data would need an oracle of its own, which the task has; here the way through the
/// command line is what is tested.
#[test]
fn scans_components_and_meta_analyses_have_tables_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    let figure = folder.path().join("figure.svg");
    if has("scan") {
        let scan = format!(
            "gwas {BMT_ROWS} --outcome death --variants patient_m*,patient_c*,donor_m*,donor_c* --covariates disease_group"
        );
        assert_eq!(stats(&scan)["variants"].as_array().unwrap().len(), 4);
        let shown = text(&format!("stats {scan} --plot {}", figure.display()));
        assert!(shown.contains("4 variants tested") && shown.contains("donor_cmv"), "{shown}");
        let svg = std::fs::read_to_string(&figure).unwrap();
        assert!(svg.contains("QQ plot") && svg.contains("Association by variant"));
    }
    if has("pca") {
        let pca = format!("pca {MGUS2} --columns age,hgb,creat,mspike --scale");
        let values = numbers(&stats(&pca)["eigenvalues"]);
        close("trace of the correlation", &[values.iter().sum()], &[4.0], 1e-9);
        assert!(text(&format!("stats {pca}")).contains("variance explained"));
    }
    if has("meta") {
        let meta = format!("stats meta {LEUKSURV} --model cox --covariates age,wbc");
        let shown = text(&format!("{meta} --plot {}", figure.display()));
        assert!(shown.contains("Random effects") && shown.contains("age"), "{shown}");
        assert!(std::fs::read_to_string(&figure).unwrap().contains("age, random effects"));
        assert!(refusal(&format!("{meta} --pooled")).contains("no pooled form"));
    }
}

/// Every command of the guide's section on statistics.
#[test]
fn the_guide_s_commands_run() {
    let guide = std::fs::read_to_string(repository("docs/guide.md")).unwrap();
    let section =
        guide.split("## Statistics on one machine").nth(1).unwrap().split("\n## ").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut ran, mut inside) = (0, false);
    for line in section.lines() {
        inside ^= line.starts_with("```");
        let Some(arguments) = line.strip_prefix("haima ").filter(|_| inside) else { continue };
        // Rows are written to a document of the repository, and have a test of their own.
        if arguments.starts_with("reproduce ") && !arguments.ends_with("--list") {
            continue;
        }
        let figure = folder.path().join("curves.svg").display().to_string();
        let task = folder.path().join("task.toml");
        let example = section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        std::fs::write(&task, example).unwrap();
        let arguments = arguments.replace("curves.svg", &figure).replace('\'', "");
        text(&arguments.replace("task.toml", &task.display().to_string()));
        ran += 1;
    }
    assert!(ran >= 7, "{ran} commands");
}

#[test]
fn rows_of_the_results_are_checked_against_what_is_computed() {
    let list = text("reproduce --list");
    assert!(list.contains("bmt-cox-efron") && list.contains("leuksurv-km"));
    assert!(refusal("reproduce nothing").contains("no such row"));
    if oracle(CURVES).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results.md");
    std::fs::copy(repository("docs/results.md"), &results).unwrap();
    let reproduce = |rest: &str| format!("reproduce {rest} --results {}", results.display());
    // The document is what the program computes now.
    for row in ["bmt-cox-breslow", "bmt-logrank", "leuksurv-cox-efron", "leuksurv-km", "mgus2-km"] {
        text(&reproduce(&format!("{row} --check")));
    }
    // A typed figure is found, and writing the row puts it right.
    let written = std::fs::read_to_string(&results).unwrap();
    std::fs::write(&results, written.replace("chi-square 13.8037", "chi-square 13.8137")).unwrap();
    let output = haima(&reproduce("bmt-logrank --check")).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("row `bmt-logrank` differs"));
    text(&reproduce("bmt-logrank"));
    assert_eq!(std::fs::read_to_string(&results).unwrap(), written);
    let elsewhere = format!("{} --shared {}", reproduce("bmt-logrank"), folder.path().display());
    assert!(refusal(&elsewhere).contains("--shared DIR"));
}
