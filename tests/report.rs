//! Claims about the study report, made on an example built from `data/leuksurv.csv`, and on one of
//! every task.

mod common;
#[path = "exactness/every_task.rs"]
mod every_task;
#[path = "report/example.rs"]
mod example;
#[path = "report/further.rs"]
mod further;

use std::fs;
use std::path::Path;

use example::example;
use further::further;
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
fn every_result_has_its_part_of_the_page() {
    let report = further();
    for step in &report.steps {
        let is_other = matches!(step.result, Some(StepResult::Other(_)));
        // Sums of vectors are somebody else's: there is nothing to draw.
        let undrawn = ["tomorrow", "vectors"].contains(&step.id.as_str());
        assert_eq!(is_other, undrawn, "{}", step.id);
    }
    let page = render(&report);
    for expected in [
        "Mean up to 1,000 days (95% CI)",
        "Gray's test of relapse",
        "Probability of the state",
        "Subdistribution hazard ratio",
        "had an event of another cause",
        "higher incidence of relapse (SHR 2.63",
        "Patients of all hospitals were compared with one another",
        "The prediction cox, tested on 137 patients, ranks",
        "Rate ratio",
        "Residual standard deviation",
        "There is no row for a hospital",
        "Prediction interval",
        "Genomic control: λ=",
        "burden of patient_cmv, donor_cmv",
        "Mutated genes a patient",
        "Odds ratio (95% CI)",
        "PC1",
        "Correlations (Pearson)",
        "k-means",
        "Gaussian mixture",
        "AUC (95% CI)",
        "Calibration slope",
        "Privacy of the weights",
        "Permutation importance",
        "Partial dependence",
        "errors from the information matrix",
        "Decision curve",
        "C-index (95% CI)",
        "This page has no drawing of a result <code>haima.tomorrow/1</code>",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    for wrong in ["NaN", ">inf", "gave no result", "http"] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    for step in report.steps.iter().filter(|step| !step.id.starts_with("concordance")) {
        assert!(page.contains(&format!("<h3>{} <span class=\"badge exact\"", step.title)));
    }

    // The JSON beside the page holds all of it.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("further");
    let path = write(&dir, &report).unwrap();
    let json = fs::read_to_string(path.with_file_name("report.json")).unwrap();
    assert!(json.contains("haima.tomorrow/1") && json.contains("\"baseline\""));
    assert_eq!(render(&serde_json::from_str(&json).unwrap()), page);
}

/// The cells of the table row that starts with this header.
fn row<'a>(page: &'a str, header: &str) -> &'a str {
    let start = page.find(header).unwrap_or_else(|| panic!("no row {header}"));
    &page[start..start + page[start..].find("</tr>").unwrap()]
}

#[test]
fn a_small_count_of_a_pair_hides_what_would_give_it_away() {
    let mut report = further();
    let Some(StepResult::Comutation(table)) =
        report.steps.iter_mut().find_map(|step| match &step.result {
            Some(StepResult::Comutation(_)) => step.result.as_mut(),
            _ => None,
        })
    else {
        panic!("no table");
    };
    let pair = &mut table.groups[0].pairs[0];
    (pair.both, pair.only_a, pair.only_b, pair.neither) = (3, 40, 50, 44);
    (pair.odds_ratio, pair.se, pair.p) = (Some(0.066), Some(0.63), 1e-7);
    let page = render(&report);
    let hidden = row(&page, ">CMV, patient and CMV, donor<");
    assert!(hidden.contains("&lt;5") && hidden.matches("not shown").count() == 2, "{hidden}");
    assert!(!hidden.contains("0.07") && !hidden.contains(">3<") && !hidden.contains(">0<"));

    report.floors.min_cell = 0;
    let page = render(&report);
    let open = row(&page, ">CMV, patient and CMV, donor<");
    assert!(open.contains(">3<") && open.contains("0.07 (0.02 to 0.23)"), "{open}");
}

#[test]
fn a_small_cluster_has_no_centre_and_is_not_found_by_subtraction() {
    let mut report = further();
    for step in &mut report.steps {
        if let Some(StepResult::Clusters(clusters)) = &mut step.result {
            clusters.clusters.truncate(2);
            (clusters.clusters[0].size, clusters.clusters[1].size) = (2.0, 135.0);
            clusters.clusters[0].centre = vec![77.7, 77.7];
        }
    }
    let page = render(&report);
    assert!(!page.contains("77.7") && !page.contains(">135 ("));
    let start = page.find("Clusters of patients").unwrap();
    let table = &page[start..start + page[start..].find("</table>").unwrap()];
    assert!(table.contains("&lt;5") && table.contains("≥5") && table.contains("not shown"));
}

#[test]
fn a_bin_of_few_outcomes_is_not_drawn() {
    let mut report = further();
    let mut bins = 0;
    for step in &mut report.steps {
        let Some(StepResult::Validation(validation)) = &mut step.result else { continue };
        let Some(binary) = &mut validation.binary else { continue };
        let calibration = &mut binary.probability.as_mut().unwrap().calibration;
        if calibration.len() < 3 {
            continue;
        }
        calibration.truncate(3);
        bins = calibration.len();
        for (bin, (n, observed)) in calibration.iter_mut().zip([(40, 0.05), (50, 0.4), (48, 0.5)]) {
            (bin.n, bin.observed, bin.predicted) = (n, observed, 0.33);
        }
    }
    assert_eq!(bins, 3);
    let page = render(&report);
    let start = page.find("Calibration by predicted probability").unwrap();
    let table = &page[start..start + page[start..].find("</table>").unwrap()];
    // Two of 40 are hidden, and 20 of 50 with them, for all outcomes are known.
    assert!(
        table.contains(">40<") && !table.contains(">5%<") && !table.contains(">40%<"),
        "{table}"
    );
    assert!(table.contains(">50%<"), "{table}");
    assert!(!page.contains("observed 5%"));
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
        "1.50",
        "2.79",
        "1.55",
        "privacy loss distribution",
        "each patient in a round with probability",
        "All nodes but one, the coordinator and all other hospitals",
        "Readers of the results alone",
        "one patient of one hospital, added or removed",
        "9.5×10⁻⁶",
        "3.01 of 4.00",
        "limit for one patient in all private results of a hospital (δ=9.5×10⁻⁶); used: 3.01 of 4.00; \
         40% of the budget (rho 0.12 of 0.19 used) is left.",
        "rho 0.12 of 0.19; 40% left",
        // 0.116 of 0.196, and not 3.01 of 4.00.
        "width=\"118.4\"",
        "not itself a guarantee",
        "no ε covers the study as a whole",
        "the noise hides a patient, not the hospital",
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
fn a_round_at_which_the_coordinator_stopped_shows_who_had_said_no() {
    let mut report = example();
    assert!(!render(&report).contains("paused"));
    report.rounds[2].stops = vec!["district-07 (a person's no)".to_owned()];
    let page = render(&report);
    assert!(page.contains("paused earlier, refused by district-07 (a person"), "the row");
    assert!(page.contains(", 1 paused because a hospital refused"), "the summary");
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
    for report in [example(), further()] {
        headers_and_drawings(&render(&report));
    }
}

fn headers_and_drawings(page: &str) {
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
