//! Claims about what `haima report` makes of a report: figures, tables and comparisons, of the example
//! of `data/leuksurv.csv` and of a report with a result of every task.

mod common;
#[path = "exactness/every_task.rs"]
mod every_task;
#[path = "report/example.rs"]
mod example;
#[path = "report/further.rs"]
mod further;

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::program;
use example::example;
use further::further;
use haima::report::{Class, StepResult, StudyReport, write};
use resvg::tiny_skia::Pixmap;
use serde_json::Value;

/// Runs `haima report`.
fn haima(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("report").args(words).current_dir(folder).output().unwrap()
}

/// The one object that a command printed.
fn object(folder: &Path, words: &[&str]) -> Value {
    let output = haima(folder, words);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {log}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no object: {log}"))
}

fn names(object: &Value) -> BTreeSet<String> {
    let files = object["files"].as_array().unwrap();
    files.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// A folder with the report of a name in it.
fn placed(folder: &Path, name: &str, report: &StudyReport) -> PathBuf {
    let dir = folder.join(name);
    write(&dir, report).unwrap();
    dir
}

/// Where somebody can look at what these tests made.
fn kept(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-files").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Dark pixels of a part of an image.
fn ink(image: &Pixmap, columns: Range<u32>, rows: Range<u32>) -> usize {
    let all = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
    all.filter(|(x, y)| image.pixel(*x, *y).is_some_and(|p| p.red() < 200)).count()
}

#[test]
fn every_figure_is_a_file_of_its_own_as_svg_and_png() {
    let folder = kept("plots");
    placed(&folder, "every", &further());
    let told = object(&folder, &["plots", "every", "--out", "figures", "--png", "--json"]);
    assert_eq!(
        (&told["schema"], &told["command"]),
        (&"haima.report-files/1".into(), &"plots".into())
    );
    let files = names(&told);
    let expected = [
        "km-survival",
        "cif-incidence",
        "multistate-states",
        "cox-forest",
        "finegray-forest",
        "meta-forest",
        "scan-scan",
        "comutation-mutations",
        "pca-components",
        "validate-binary-calibration",
        "validate-binary-decision",
        "explain-importance",
        "explain-dependence",
        "fidelity-pairs",
        "fidelity-levels",
        "fidelity-distances",
        "study-c-index",
    ];
    for name in expected {
        for ending in ["svg", "png"] {
            assert!(files.contains(&format!("{name}.{ending}")), "{name}.{ending}: {files:?}");
        }
    }
    for name in files.iter().filter(|name| name.ends_with(".svg")) {
        let svg = fs::read_to_string(folder.join("figures").join(name)).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("<title>"), "{name}");
        assert!(svg.contains("<desc>") && !svg.contains("<desc></desc>"), "{name}");
        for outside in ["var(", "fig-phone", "href", "url(", "@import", "NaN"] {
            assert!(!svg.contains(outside), "{name}: {outside}");
        }
        let png = folder.join("figures").join(name.replace(".svg", ".png"));
        let image = Pixmap::decode_png(&fs::read(png).unwrap()).unwrap();
        assert_eq!(image.width(), 2 * 788, "{name}");
        let (across, down) = (image.width(), image.height());
        assert!(ink(&image, 0..across, 0..down) > 2_000, "{name} is blank");
    }
    // Between the lines of head and axis the names of covariates stand alone on the left.
    let forest = fs::read(folder.join("figures/cox-forest.png")).unwrap();
    let forest = Pixmap::decode_png(&forest).unwrap();
    assert!(ink(&forest, 28..400, 100..forest.height() - 130) > 500, "no letters");
}

#[test]
fn the_width_of_an_image_is_asked_for_within_its_range() {
    let folder = kept("example");
    placed(&folder, "example", &example());
    let told =
        object(&folder, &["plots", "example", "--out", "f", "--png", "--width", "600", "--json"]);
    assert!(names(&told).contains("km-sex-survival.png"), "{told}");
    let image = Pixmap::decode_png(&fs::read(folder.join("f/km-sex-survival.png")).unwrap());
    assert_eq!(image.unwrap().width(), 600);
    for wrong in [["--scale", "0"], ["--width", "9"], ["--width", "1000000"]] {
        let mut words = vec!["plots", "example", "--out", "f", "--png"];
        words.extend(wrong);
        assert_eq!(haima(&folder, &words).status.code(), Some(2), "{wrong:?}");
    }
}

/// The records of a CSV file.
fn records(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
    (header, rows.collect())
}

#[test]
fn every_result_has_its_tables_and_numbers_read_back_to_the_bit() {
    let folder = kept("tables");
    let report = further();
    placed(&folder, "every", &report);
    let told = object(&folder, &["tables", "every", "--out", "tables", "--json"]);
    let files = names(&told);
    for step in &report.steps {
        let has = files.iter().any(|name| name.starts_with(&format!("{}-", step.id)));
        // Somebody else's vectors, and what this version does not know, may hold anything.
        assert_eq!(has, !["tomorrow", "vectors"].contains(&step.id.as_str()), "{}", step.id);
    }
    for name in &files {
        let bytes = fs::read(folder.join("tables").join(name)).unwrap();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        assert!(lines.clone().all(|line| line.ends_with(b"\r")), "{name}: RFC 4180 ends lines so");
        let (header, rows) = records(&folder.join("tables").join(name));
        assert!(!rows.is_empty() && rows.iter().all(|row| row.len() == header.len()), "{name}");
        assert_eq!(header.iter().collect::<BTreeSet<_>>().len(), header.len(), "{name}");
    }
    let fit = report.steps.iter().find(|step| step.id == "cox").unwrap();
    let Some(StepResult::Fit(fit)) = &fit.result else { panic!("no fit") };
    let (header, rows) = records(&folder.join("tables/cox-coefficients.csv"));
    assert_eq!(header[..4], ["term", "label", "coef", "se"]);
    for (row, term) in rows.iter().zip(&fit.terms) {
        assert_eq!(row[0], term.name);
        assert_eq!(row[2].parse::<f64>().unwrap().to_bits(), term.coef.to_bits());
    }
    assert!(files.contains("study-steps.csv") && files.contains("study-parties.csv"), "{files:?}");
}

#[test]
fn a_small_count_is_hidden_in_tables_and_words_of_strangers_are_no_formula() {
    let folder = kept("hidden");
    let mut report = example();
    report.floors.min_cell = 500;
    report.title = "=1+1".to_owned();
    report.steps[2].title = "=cmd|' /C calc'!A0".to_owned();
    placed(&folder, "report", &report);
    let output = haima(&folder, &["tables", "report", "--out", "t"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("hidden as on the page"));
    // Men and women are 1,043 together, and one of the two groups is below 500 or both would show.
    let (_, rows) = records(&folder.join("t/km-sex-survival.csv"));
    let events: Vec<&str> = rows.iter().map(|row| row[2].as_str()).collect();
    assert!(events.iter().all(|count| count.parse::<u64>().is_ok() || *count == "<500"));
    assert!(events.contains(&"<500"), "{events:?}");
    let (_, rows) = records(&folder.join("t/study-steps.csv"));
    assert!(rows.iter().any(|row| row[1].starts_with("'=cmd")), "a title of a step");
    assert!(rows.iter().all(|row| row.iter().all(|cell| !cell.starts_with('='))));
}

/// The example as another study asked it: other patients, some other numbers.
fn other() -> StudyReport {
    let mut other = example();
    other.manifest_digest = "ff".repeat(32);
    other.excluded.clear();
    for step in &mut other.steps {
        if step.id == "cox" {
            step.cohort = "include age > 60\n".to_owned();
            let Some(StepResult::Fit(fit)) = &mut step.result else { panic!("no fit") };
            fit.n -= 40;
            fit.terms[0].coef += 2.0 * fit.terms[0].se;
        }
        if step.id == "km-sex" {
            let Some(StepResult::Curves(curves)) = &mut step.result else { panic!("no curves") };
            for height in &mut curves.curves[0].surv {
                *height *= 0.9;
            }
        }
    }
    other
}

#[test]
fn two_reports_side_by_side_say_how_far_they_are_apart_and_what_that_means() {
    let folder = kept("compare");
    placed(&folder, "a", &example());
    placed(&folder, "b", &other());
    let told = object(&folder, &["compare", "a", "b", "--out", "both.html", "--json"]);
    assert_eq!(told["schema"], "haima.report-comparison/1");
    let task = |id: &str| {
        let tasks = told["tasks"].as_array().unwrap();
        tasks.iter().find(|task| task["id"] == id).unwrap_or_else(|| panic!("no {id}")).clone()
    };
    let cox = task("cox");
    let age = &cox["terms"][0];
    assert_eq!(age["term"], "age");
    assert!((age["differences"][1]["in_se"].as_f64().unwrap() - 2.0).abs() < 1e-9, "{age}");
    assert_eq!(age["differences"][0], Value::Null);
    assert!(cox["cautions"].to_string().contains("another cohort"), "{cox}");
    assert_eq!(
        (&cox["sides"][0]["patients"], &cox["sides"][1]["patients"]),
        (&"1,043".into(), &"1,003".into())
    );
    let women = &task("km-sex")["curves"][0]["distances"][1];
    assert!((-0.11..-0.05).contains(&women["largest"].as_f64().unwrap()), "{women}");
    let warnings = told["warnings"].to_string();
    for expected in ["manifests differ", "Other hospitals took part", "single one of them"] {
        assert!(warnings.contains(expected), "{expected}: {warnings}");
    }

    let page = fs::read_to_string(folder.join("both.html")).unwrap();
    for expected in ["Reports side by side", "2.0 SE", "another cohort", "cottage-hospital", "<svg"]
    {
        assert!(page.contains(expected), "{expected}");
    }
    for outside in ["http", "src=", "url(", "<script", "<link", "NaN"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let output = haima(&folder, &["compare", "a", "b"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("(2.0 SE)") && text.contains("note: another cohort"), "{text}");
}

#[test]
fn results_with_another_meaning_have_no_difference() {
    let folder = kept("forbidden");
    let mut months = other();
    months.wording.time_unit = "months".to_owned();
    months.steps.retain(|step| step.id != "logistic");
    for step in &mut months.steps {
        if let (true, Some(StepResult::Fit(fit))) = (step.id == "cox", &mut step.result) {
            fit.formula = "Surv(time_days, relapse) ~ age".to_owned();
        }
    }
    placed(&folder, "a", &example());
    placed(&folder, "b", &months);
    let told = object(&folder, &["compare", "a", "b", "--json"]);
    for task in told["tasks"].as_array().unwrap() {
        let reasons = task["forbidden"].to_string();
        match task["id"].as_str().unwrap() {
            "cox" => assert!(reasons.contains("another outcome"), "{reasons}"),
            "km-all" | "km-sex" => assert!(reasons.contains("other units of time"), "{reasons}"),
            _ => continue,
        }
        assert_eq!(task["curves"], serde_json::json!([]));
        for row in task["terms"].as_array().unwrap() {
            assert!(row["differences"].as_array().unwrap().iter().all(Value::is_null), "{row}");
        }
    }
    let alone = told["alone"].to_string();
    assert!(alone.contains("\"logistic\"") && alone.contains("\"side\":\"A\""), "{alone}");
}

#[test]
fn a_private_result_beside_an_exact_one_is_told_apart() {
    let folder = kept("classes");
    let mut exact = example();
    for step in &mut exact.steps {
        step.class = Class::Exact;
    }
    placed(&folder, "a", &example());
    placed(&folder, "b", &exact);
    let told = object(&folder, &["compare", "a", "b", "--json"]);
    let hazard = told["tasks"].as_array().unwrap().iter().find(|task| task["id"] == "hazard");
    let hazard = hazard.expect("the network").to_string();
    assert!(hazard.contains("another privacy class: A carries noise"), "{hazard}");
    assert!(hazard.contains("exact: no differential privacy"), "{hazard}");
}

#[test]
fn what_is_no_report_ends_with_its_own_code_and_writes_nothing() {
    let folder = kept("faults");
    fs::write(folder.join("x.json"), "{\"schema\": \"haima.fit/1\"}").unwrap();
    for (words, code) in [
        (vec!["plots", "x.json", "--out", "f"], 3),
        (vec!["tables", "nowhere.json", "--out", "f"], 9),
        (vec!["compare", "x.json", "x.json"], 3),
        (vec!["compare", "x.json"], 2),
    ] {
        let output = haima(&folder, &words);
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {log}");
    }
    assert!(!folder.join("f").exists());
}
