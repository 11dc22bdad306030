//! Claims about the study report, made on an example built from `data/leuksurv.csv`.

#[path = "report/example.rs"]
mod example;

use std::fs;
use std::path::Path;

use example::example;
use haima::report::{Class, StepResult, StudyReport, Wording, render, write};

#[test]
fn the_page_is_self_contained() {
    let page = render(&example());
    for outside in ["http", "src=", "@import", "url(", "<script", "<link", "<iframe", "<img"] {
        assert!(!page.contains(outside), "{outside}");
    }
    // To look at: the page of the example.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    assert!(write(&dir, &example()).unwrap().ends_with("index.html"));
}

#[test]
fn the_findings_are_the_published_numbers() {
    let page = render(&example());
    for expected in [
        "Median overall survival was 194 days (95% CI 165 to 224) among 1,043 patients, with 879 deaths.",
        "HR 1.38, 95% CI 1.32 to 1.44; p&lt;0.001", // R: exp(10 * 0.0319567)
        "1.03 (1.03 to 1.04)",
        "1.003 (1.002 to 1.004)",
        "log-rank p=0.42",
        "23 November 2026, 18:26 UTC",
    ] {
        assert!(
            page.contains(expected) || page.contains(&expected.replace("&lt;", "<")),
            "{expected}"
        );
    }
}

#[test]
fn hostile_text_is_escaped_everywhere() {
    let hostile = "\"><script>alert(1)</script><b onclick=\"x\">'";
    let mut text = serde_json::to_string(&example()).unwrap();
    for harmless in [
        "North-west leukaemia",
        "district-03",
        "cottage-hospital",
        "Patients' association",
        "node-b did not release before the deadline",
        "fewer rows than min_local_rows (10)",
        "Men v women",
        "Women",
        "90 to 99",
        "Age at diagnosis",
        "Who the patients are",
        "Overall survival",
        "10⁹/L",
        "haima audit verify --manifest manifest --party node-a journal",
        "3 nodes, additive shares",
        "acute myeloid leukaemia",
    ] {
        assert!(text.contains(harmless), "{harmless}");
        text = text.replace(harmless, &hostile.replace('"', "\\\""));
    }
    let page = render(&serde_json::from_str(&text).unwrap());
    assert!(!page.contains("<script") && !page.contains("<b onclick"));
    assert!(page.contains("&lt;script&gt;"));
    // A quotation mark that ended an attribute would leave this behind.
    assert!(!page.contains("onclick=\"x\""));
}

#[test]
fn small_cells_are_hidden_and_a_zero_stays_a_zero() {
    let report = example();
    let page = render(&report);
    let row = |level: &str| {
        let start = page.find(level).unwrap_or_else(|| panic!("no row {level}"));
        let end = page[start..].find("</tr>").unwrap();
        page[start..start + end].to_owned()
    };
    let over_90 = row(">90 to 99<");
    assert!(over_90.contains("&lt;5"), "{over_90}");
    assert!(!over_90.contains(">0<") && !over_90.contains(">0 ("), "{over_90}");
    assert!(row(">100 and over<").contains(">0 (0%)<"));
    // The small count cannot be had from its column either.
    assert!(page.contains("≥5"));

    let mut open = report;
    open.floors.min_cell = 0;
    let page = render(&open);
    assert!(!page.contains("≥") && !page.contains(">&lt;5<"));
}

#[test]
fn an_exact_study_never_shows_an_epsilon() {
    let mut report = example();
    report.steps.retain(|step| step.class == Class::Exact);
    report.comparison = None;
    for row in &mut report.ledger {
        row.epsilon_spent = 0.0;
        row.cost_spent = 0.0;
        row.epsilon_limit = 0.0;
    }
    let page = render(&report);
    assert!(page.contains("exact: no differential privacy"));
    assert!(page.contains("without any privacy guarantee"));
    for zero in ["ε=0", "ε = 0", "ε 0", " eps", "epsilon", "0.00 of"] {
        assert!(!page.contains(zero), "{zero}");
    }
}

#[test]
fn a_private_study_shows_both_figures_and_says_what_no_figure_covers() {
    let page = render(&example());
    for expected in [
        "any 2 of the 3 nodes, the coordinator and all other hospitals",
        "2.87",
        "1.49",
        "2.79",
        "1.55",
        "privacy loss distribution",
        "each patient in a round with probability",
        "All nodes but one, the coordinator and all other hospitals",
        "Readers of the results alone",
        "one patient of one hospital, added or removed",
        "9.5×10⁻⁶",
        "3.01 of 4.00",
        "not itself a guarantee",
        "no ε covers the study as a whole",
        "unaudited prototype",
        "one that fails is left out, on record",
        "a display rule",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
}

#[test]
fn an_empty_report_renders() {
    for report in [StudyReport::default(), StudyReport::new("Empty")] {
        let page = render(&report);
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }
}

#[test]
fn words_may_be_left_out() {
    let mut report = example();
    report.wording = serde_json::from_str::<Wording>("{}").unwrap();
    let page = render(&report);
    assert!(page.contains("Median survival was 194 time units"));
    assert!(page.contains("male=1: median 193 time units"));
}

#[test]
fn numbers_that_do_not_exist_are_named_so() {
    let mut report = example();
    for step in &mut report.steps {
        match &mut step.result {
            Some(StepResult::Fit(fit)) => {
                let term = &mut fit.terms[1];
                (term.hr, term.lo, term.hi, term.p) = (f64::NAN, 0.0, f64::INFINITY, f64::NAN);
            }
            Some(StepResult::Curves(curves)) => {
                curves.curves[0].lo.fill(f64::NAN);
                curves.curves[0].hi.truncate(3);
            }
            _ => {}
        }
    }
    let page = render(&report);
    assert!(page.contains("not estimated"));
    assert!(!page.contains("NaN") && !page.contains(">inf"));
}

#[test]
fn every_header_has_a_scope_and_every_drawing_a_name() {
    let page = render(&example());
    let tags = |name: &str| -> Vec<String> {
        let open = format!("<{name} ");
        let bare = format!("<{name}>");
        assert!(!page.contains(&bare), "{bare}");
        page.split(&open)
            .skip(1)
            .map(|tag| tag.split('>').next().unwrap_or("").to_owned())
            .collect()
    };
    assert!(tags("th").iter().all(|tag| tag.contains("scope=")));
    assert!(
        page.split('<')
            .all(|tag| tag.split('>').next().unwrap_or("").matches(" class=").count() < 2)
    );
    let drawings = tags("svg");
    assert!(drawings.len() > 8);
    assert!(drawings.iter().all(|tag| tag.contains("aria-label=") || tag.contains("aria-hidden=")));
}

#[test]
fn the_json_holds_all_that_the_page_shows() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir.path().join("new"), &example()).unwrap();
    let json = fs::read_to_string(path.with_file_name("report.json")).unwrap();
    assert!(json.contains("\"schema\": \"haima.report/1\""));
    let read: StudyReport = serde_json::from_str(&json).unwrap();
    assert_eq!(render(&read), fs::read_to_string(&path).unwrap());
}

#[test]
fn nothing_half_written_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    // A directory in the place of the page: the rename fails.
    fs::create_dir_all(dir.path().join("index.html/full")).unwrap();
    assert!(write(dir.path(), &StudyReport::new("Blocked")).is_err());
    let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with(".part")));
}
