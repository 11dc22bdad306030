//! `haima demo` as a user runs it, and each way of ending it.
#![cfg(unix)]

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{BMT, eventually, program, repository, task};
use haima_crypto::encode::Digest;
use serde_json::Value;

fn demo(out: &Path, temporary: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .args(["demo", "--out"])
        .arg(out)
        .env("TMPDIR", temporary)
        .current_dir(repository("."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Processes whose working directory or arguments lie in a folder.
fn processes_in(folder: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|process| {
            std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| {
                // A removed folder is shown with a suffix; the prefix stays.
                cwd.to_string_lossy().starts_with(&*folder.to_string_lossy())
            })
        })
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}

fn started(out: &Path, temporary: &Path) -> Child {
    let child = demo(out, temporary).spawn().unwrap();
    eventually(Duration::from_secs(30), "all 28 parties run", || {
        processes_in(temporary).len() >= 28
    });
    child
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn nothing_is_left(temporary: &Path) {
    eventually(Duration::from_secs(10), "no process is left", || {
        processes_in(temporary).is_empty()
    });
    eventually(Duration::from_secs(10), "the folder with the keys is gone", || {
        std::fs::read_dir(temporary).unwrap().next().is_none()
    });
}

#[test]
fn the_demo_prints_its_results_writes_its_report_and_leaves_nothing_behind() {
    let (out, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let child = started(out.path(), temporary.path());
    let secrets = node_secrets(temporary.path());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}\n{log}");
    for expected in [
        "1,043 patients with acute myeloid leukaemia, 24 hospitals",
        "exact: no differential privacy",
        "patient-level eps 3.00 (all nodes but one)",
        "log-rank chi-square 0.758 on 1 df",
        "What is promised in this mode",
        "the same network without noise",
        "generator (aim) of 5 attributes, from 4 sums",
        "virtual.csv, 1,043 rows, eps 3.00 (all nodes but one), delta 1e-5",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
    }
    let page = std::fs::read_to_string(out.path().join("index.html")).unwrap();
    assert!(page.contains("<svg") && page.len() > 20_000);
    let report = std::fs::read_to_string(out.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    the_plan_is_committed_and_both_figures_are_there(&out.path().join("plan.toml"), &report, &page);
    the_virtual_cohort_says_where_it_comes_from(out.path(), &report, &page);
    no_file_has_a_secret(out.path(), &secrets);
    nothing_is_left(temporary.path());
}

/// L2: the plan as a file, named by the report, with the ledger's limit and the plan's best figures.
fn the_plan_is_committed_and_both_figures_are_there(plan: &Path, report: &Value, page: &str) {
    let plan = std::fs::read_to_string(plan).unwrap();
    let digest = report["plan"]["digest"].as_str().unwrap();
    assert!(plan.contains(digest) && page.contains(&digest[..16]), "{plan}");
    let plan: toml::Table = plan.parse().unwrap();
    let task = plan["task"].as_array().unwrap()[0].as_table().unwrap();
    assert!(task["noise"]["q"].as_float().unwrap() < 1.0, "the network samples");
    let coalition = report["plan"]["best_coalition"]["epsilon"].as_f64().unwrap();
    let public = report["plan"]["best_public"]["epsilon"].as_f64().unwrap();
    let limit = report["ledger"][0]["epsilon_limit"].as_f64().unwrap();
    assert!(
        0.0 < public && public < coalition && coalition < limit,
        "{public} {coalition} {limit}"
    );
    for expected in
        ["Renyi", "one patient of one hospital, added or removed", "Readers of the results alone"]
    {
        assert!(page.contains(expected), "{expected}");
    }
}

/// As many virtual patients as the study counts real ones, with the promise of its generator; and what
/// the page says of drawing them again is true.
fn the_virtual_cohort_says_where_it_comes_from(out: &Path, report: &Value, page: &str) {
    let rows = std::fs::read(out.join("virtual.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(rows.as_slice());
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|own| own == name).unwrap();
    let (patient, age) = (column("patient"), column("age"));
    let patients: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(patients.len(), 1043);
    assert_eq!(&patients[1042][patient], "synthetic-1043");
    // Adults with leukaemia are not of every age alike.
    let ages = patients.iter().map(|row| row[age].parse::<f64>().unwrap());
    let mean = ages.sum::<f64>() / 1043.0;
    assert!((52.0..70.0).contains(&mean), "{mean}");

    let provenance = std::fs::read_to_string(out.join("virtual.csv.provenance.json")).unwrap();
    // The row sampler's seed, and no other.
    assert_eq!(provenance.matches("seed").count(), 1, "{provenance}");
    let provenance: Value = serde_json::from_str(&provenance).unwrap();
    assert_eq!(
        (&provenance["study"], &provenance["rows"], &provenance["synthetic"]),
        (&"leuksurv-demo".into(), &report["steps"][0]["result"]["value"]["n"][0], &true.into())
    );
    let privacy = &provenance["privacy"];
    let epsilon = privacy["epsilon"].as_f64().unwrap();
    assert!((2.9..=3.0).contains(&epsilon) && privacy["delta"] == 1e-5, "{privacy}");
    assert!(privacy["adversary"].as_str().unwrap().starts_with("all nodes but one"), "{privacy}");
    // Four rounds and a spare attempt, by nodes.
    assert_eq!((&privacy["noise"]["attempts"], &privacy["simulated"]), (&5.into(), &false.into()));
    assert_eq!(provenance["digest"], Digest::of(&rows).to_string());
    // What the promise does not cover goes with the rows, once as notes and once in words.
    assert_eq!(provenance["mode"], "3 SMPC nodes, additive shares");
    for said in ["A demonstration: every party ran on one machine", "which no epsilon covers"] {
        for part in ["notes", "promise"] {
            assert!(provenance[part].to_string().contains(said), "{part}: {said}");
        }
    }

    let command = format!(
        "haima synth sample models/virtual.haima --rows 1043 --seed {} --out again.csv",
        provenance["row_seed"]
    );
    assert!(page.contains(&command), "{command}");
    let again = Command::new(program())
        .args(command.split(' ').skip(1))
        .current_dir(out)
        .stdout(Stdio::null())
        .status();
    assert!(again.unwrap().success());
    assert!(std::fs::read(out.join("again.csv")).unwrap() == rows, "other virtual patients");

    let beside = std::fs::read_to_string(out.join("virtual.html")).unwrap();
    for expected in ["What is guaranteed", "one operator", "1,043"] {
        assert!(beside.contains(expected), "{expected}");
    }
}

/// The nodes' keys of the epoch, of which their noise is made, while the network runs.
fn node_secrets(temporary: &Path) -> Vec<String> {
    let keys = || {
        let parties = std::fs::read_dir(temporary).into_iter().flatten().flatten();
        let parties = parties.flat_map(|root| std::fs::read_dir(root.path()).into_iter().flatten());
        let files = parties
            .flatten()
            .flat_map(|party| std::fs::read_dir(party.path()).into_iter().flatten());
        let of_epoch = |path: &Path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name.starts_with("noise") || name.starts_with("epoch")) && name.ends_with(".key")
        };
        let files = files.flatten().map(|file| file.path()).filter(|path| of_epoch(path));
        let texts = files.filter_map(|path| std::fs::read_to_string(path).ok());
        let digits = texts.filter_map(|text| Some(text.lines().nth(1)?.to_owned()));
        digits.filter(|digits| digits.len() == 64).collect::<Vec<_>>()
    };
    eventually(Duration::from_secs(30), "each node has both its keys", || keys().len() == 6);
    keys()
}

/// N3, N4: no seed of noise and no key leaves the nodes, in hexadecimal or as bytes.
fn no_file_has_a_secret(out: &Path, secrets: &[String]) {
    let mut files = 0;
    for folder in [out.to_owned(), out.join("models")] {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            for secret in secrets {
                let raw: [u8; 32] = haima_crypto::encode::from_hex(secret).unwrap();
                for needle in [secret.as_bytes(), &raw[..]] {
                    let found = bytes.windows(needle.len()).any(|part| part == needle);
                    assert!(!found, "{} has a node's secret", path.display());
                }
            }
            files += 1;
        }
    }
    assert!(files >= 7, "report, plan, model, virtual patients: {files}");
}

/// R3: one hospital cheats; it is left out of every sum, and screen, page and record say so.
#[test]
fn a_poisoning_hospital_is_left_out_and_the_record_says_so() {
    let (out, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let output = demo(out.path(), temporary.path()).arg("--poison").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}\n{log}");
    assert!(log.contains("district-24 left out: the proof of its bound failed"), "{log}");
    assert!(text.contains("district-24: not accepted: the site or a node deviated"), "{text}");
    let page = std::fs::read_to_string(out.path().join("index.html")).unwrap();
    assert!(page.contains("district-24 (proof failed)"));
    let report = std::fs::read_to_string(out.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    for round in report["rounds"].as_array().unwrap() {
        assert_eq!(round["status"]["status"], "released");
        assert_eq!(round["refused"], serde_json::json!(["district-24"]));
        assert_eq!(round["sites_accepted"], 23);
    }
    assert_eq!(report["excluded"][0]["site"], "district-24");
    // Its patients are in no released number, and in no number of virtual ones.
    let rows = std::fs::read_to_string(out.path().join("virtual.csv")).unwrap().lines().count() - 1;
    assert_eq!(report["steps"][0]["result"]["value"]["n"][0], rows);
    assert!((700..1043).contains(&rows), "{rows}");
    nothing_is_left(temporary.path());
}

/// A task that cannot be fitted: what the others found is reported all the same.
#[test]
fn a_demo_of_which_a_task_fails_leaves_the_report_of_the_others() {
    let (out, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let survival = "time = \"dfs_days\"\nevent = \"dfs_event\"\n";
    let nobody = "covariates = [\"patient_age\"]\ncohort = { include = [\"dfs_event = 0\"] }";
    let study = [
        BMT.to_owned(),
        task("nobody", "cox", 5, &format!("{survival}{nobody}")),
        task("curve", "km", 1, &format!("{survival}grid = 100.0")),
    ];
    let path = out.path().join("failing.study.toml");
    std::fs::write(&path, study.concat()).unwrap();
    // This study draws no virtual patients: those of an earlier one do not stand beside its report.
    let earlier = ["virtual.csv", "virtual.csv.provenance.json", "virtual.html"];
    for name in earlier {
        std::fs::write(out.path().join(name), "of an earlier run").unwrap();
    }
    let output = demo(out.path(), temporary.path())
        .args(["--nodes", "2", "--data"])
        .arg(repository("data/bmt_klein.csv"))
        .arg("--study")
        .arg(&path)
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(11), "{log}");
    assert!(log.contains("nobody: ") && log.contains("what the others found is in "), "{log}");
    let report = std::fs::read_to_string(out.path().join("report.json")).unwrap();
    assert!(report.contains("curve") && out.path().join("index.html").is_file(), "{report}");
    assert!(!earlier.iter().any(|name| out.path().join(name).exists()));
    nothing_is_left(temporary.path());
}

/// Something in the way of the virtual patients: the study's report is there all the same, and somebody
/// else's file is as it was.
#[test]
fn virtual_patients_that_cannot_be_written_cost_neither_report_nor_another_file() {
    let (out, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let columns = "method = \"mst\"\ncolumns = [\"patient_age\", \"patient_male\"]";
    let study = [BMT.to_owned(), task("virtual", "synthesize", 2, columns)].concat();
    let (path, theirs) = (out.path().join("own.study.toml"), out.path().join("virtual.csv"));
    std::fs::write(&path, study).unwrap();
    std::fs::write(&theirs, "of somebody else").unwrap();
    let run = || {
        let mut command = demo(out.path(), temporary.path());
        command.args(["--nodes", "2", "--data"]).arg(repository("data/bmt_klein.csv"));
        let output = command.arg("--study").arg(&path).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let page = out.path().join("index.html");
    let (code, log) = run();
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains("virtual.csv") && log.contains("name another --out"), "{log}");
    assert!(!page.exists(), "it is told before anything runs");
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "of somebody else");

    // No file can be written where a folder is.
    std::fs::remove_file(&theirs).unwrap();
    std::fs::create_dir_all(out.path().join("virtual.csv.provenance.json/theirs")).unwrap();
    let (code, log) = run();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("no virtual patients: "), "{log}");
    assert!(page.is_file() && !theirs.exists());
    // A demonstration says so, whatever its study.
    let report = std::fs::read_to_string(out.path().join("report.json")).unwrap();
    assert!(report.contains("A demonstration: every party ran on one machine"), "{report}");
    nothing_is_left(temporary.path());
}

#[test]
fn ctrl_c_ends_the_demo_with_all_its_processes() {
    let (out, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut child = started(out.path(), temporary.path());
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    nothing_is_left(temporary.path());
    assert!(!out.path().join("index.html").exists(), "nothing is half-written");
}

#[test]
fn kill_9_of_the_demo_ends_all_its_processes() {
    let (out, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut child = started(out.path(), temporary.path());
    signal(&child, "-KILL");
    child.wait().unwrap();
    nothing_is_left(temporary.path());
}

#[test]
fn bad_input_to_the_demo_is_a_clear_error_before_anything_starts() {
    let (out, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let good = std::fs::read_to_string(repository("data/leuksurv.csv")).unwrap();
    let study = repository("data/leuksurv.study.toml").display().to_string();
    let with_line = |line: &str| {
        let mut lines: Vec<&str> = good.lines().collect();
        lines[4] = line;
        lines.join("\n")
    };
    let cases = [
        ("a missing file", "none.csv".to_owned(), "none.csv"),
        ("no such column", write("column.csv", "a,b\n1,2\n"), "no column \"district\""),
        ("ragged", write("ragged.csv", &with_line("4,1,1")), "line 5: 3 fields"),
        ("not a number", write("text.csv", &with_line("4,x,1,24,69,1,50,2.09")), "time_days"),
        ("missing", write("missing.csv", &with_line("4,,1,24,69,1,50,2.09")), "time_days"),
    ];
    for (what, path, expected) in cases {
        let output = demo(out.path(), temporary.path())
            .args(["--study", &study, "--data", &path])
            .output()
            .unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(3 | 4)), "{what}: {log}");
        assert!(log.contains(expected) && !log.contains("panicked"), "{what}: {log}");
        assert!(std::fs::read_dir(out.path()).unwrap().next().is_none(), "{what}");
    }
    nothing_is_left(temporary.path());
}
