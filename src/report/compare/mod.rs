//! Several reports side by side: the tasks that they share, how far their results are apart, and what
//! may not be compared.
//!
//! The first report is what the others are held against. Tasks are matched by id and kind of result;
//! what is left by the kind alone, where each side has one of it. Everything obeys the display rule of
//! the strictest of the reports. Nothing here is a test: two reports over the same patients are not
//! independent, and of two over others nobody knows which patients are in both.

mod caveats;
mod curves;
mod figure;
mod figures;
mod matching;
mod page;
mod terms;
mod words;

use serde::Serialize;

use super::model::{Class, Floors, Role, Step, StudyReport};
use super::{StepResult, numbers};
pub use curves::{CurveRow, Distance};
pub use figures::FigureRow;
pub use page::render;
pub use terms::{Difference, Estimate, TermRow};
pub use words::text;

/// Value of [`Comparison::schema`].
pub const SCHEMA: &str = "haima.report-comparison/1";
/// Reports that are compared at once.
pub const MOST: usize = 6;
/// Tasks of a report.
pub const MOST_TASKS: usize = 1_000;

/// Reports side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: String,
    /// The reports, in the order given.
    pub sides: Vec<Side>,
    /// What a reader must know before any difference.
    pub warnings: Vec<String>,
    /// Tasks that the first report shares with another.
    pub tasks: Vec<Matched>,
    /// Tasks of one report alone.
    pub alone: Vec<Alone>,
}

/// One of the reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// `A`, `B`, ...
    pub letter: char,
    /// Where it was read.
    pub file: String,
    /// Name of the study.
    pub study: String,
    /// Whom it is about.
    pub title: String,
    /// Digest of its manifest, hex.
    pub manifest: String,
    /// Start, unix seconds.
    pub started: u64,
    /// How sums were computed.
    pub mode: String,
    /// Hospitals that took part.
    pub hospitals: Vec<String>,
    /// Hospitals that were left out of everything.
    pub left_out: Vec<String>,
    /// Limit of the private results, the largest of its hospitals; `None` where nothing was charged.
    pub epsilon_limit: Option<f64>,
    /// Releases without noise: no differential privacy.
    pub exact_releases: u64,
    #[serde(skip)]
    min_cell: u64,
}

/// One task of several reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matched {
    /// Id in the first report.
    pub id: String,
    /// Heading in the first report.
    pub title: String,
    /// Kind of the result.
    pub kind: String,
    /// By report; `None` where it has no such task.
    pub sides: Vec<Option<OneSide>>,
    /// Why results may not be compared; no difference is given then.
    pub forbidden: Vec<String>,
    /// What else they differ in than their patients' luck: differences mean these too.
    pub cautions: Vec<String>,
    /// What a ratio is called here, e.g. `HR`; empty where there are no coefficients.
    pub ratio: String,
    /// Coefficients.
    pub terms: Vec<TermRow>,
    /// Curves.
    pub curves: Vec<CurveRow>,
    /// Every other figure that has a row of its own in the tables.
    pub figures: Vec<FigureRow>,
    /// Figures of the tables that are not here: there were too many.
    pub figures_left_out: u64,
}

/// A task in one report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OneSide {
    /// Id there.
    pub id: String,
    /// `exact: no differential privacy`, or what was charged.
    pub privacy: String,
    /// Its cohort, `all patients` where it has none.
    pub cohort: String,
    /// Patients, under the display rule; `not released` under noise.
    pub patients: String,
    /// Events, the same; empty where the result counts none.
    pub events: String,
    /// Hospitals in its sums.
    pub hospitals: Option<u64>,
}

/// A task that no other report has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alone {
    /// Letter of the report.
    pub side: char,
    /// Id there.
    pub id: String,
    /// Heading there.
    pub title: String,
    /// Why it is not compared.
    pub reason: String,
}

/// Compares reports, each with the name of its file, with the first of them; `None` unless there are
/// two to [`MOST`], of at most [`MOST_TASKS`] each.
#[must_use]
pub fn compare(reports: &[(String, StudyReport)]) -> Option<Comparison> {
    let fits = (2..=MOST).contains(&reports.len())
        && reports.iter().all(|(_, report)| report.steps.len() <= MOST_TASKS);
    let first = reports.first().filter(|_| fits)?;
    let strictest = reports.iter().map(|(_, report)| report.floors.min_cell).max()?;
    let floors = Floors { min_cell: strictest, ..first.1.floors.clone() };
    let all: Vec<&StudyReport> = reports.iter().map(|(_, report)| report).collect();
    let (rows, alone) = matching::match_tasks(&all);
    let tasks = rows.iter().map(|row| matched(row, &all, &floors)).collect();
    let sides: Vec<Side> =
        reports.iter().zip('A'..).map(|((file, own), letter)| side(letter, file, own)).collect();
    let warnings = caveats::of_reports(&sides, &all, &rows);
    Some(Comparison { schema: SCHEMA.to_owned(), sides, warnings, tasks, alone })
}

fn side(letter: char, file: &str, report: &StudyReport) -> Side {
    let left_out: Vec<String> = report.excluded.iter().map(|out| out.site.clone()).collect();
    let sites = report.parties.iter().filter(|party| party.role == Role::Site);
    let hospitals =
        sites.map(|party| party.name.clone()).filter(|name| !left_out.contains(name)).collect();
    let charged = report.ledger.iter().filter(|row| row.epsilon_spent > 0.0);
    let exact = report.steps.iter().filter(|step| step.class == Class::Exact);
    Side {
        letter,
        file: file.to_owned(),
        study: report.study.clone(),
        title: report.title.clone(),
        manifest: report.manifest_digest.clone(),
        started: report.started,
        mode: report.mode.clone(),
        hospitals,
        left_out,
        epsilon_limit: charged.map(|row| row.epsilon_limit).reduce(f64::max),
        exact_releases: exact.map(|step| u64::from(step.rounds)).sum(),
        min_cell: report.floors.min_cell,
    }
}

/// A task of every report, where it has it; that of the first is there.
type Row<'a> = Vec<Option<&'a Step>>;

fn matched(row: &[Option<&Step>], all: &[&StudyReport], floors: &Floors) -> Matched {
    let results: Vec<Option<&StepResult>> =
        row.iter().map(|step| step.and_then(|step| step.result.as_ref())).collect();
    let wording = all.first().map(|report| &report.wording);
    let first = row.first().copied().flatten();
    let (forbidden, cautions) = caveats::of_task(row, all);
    let differ = forbidden.is_empty();
    let (figures, left_out) = figures::rows(&results, all, floors, differ);
    Matched {
        id: first.map(|step| step.id.clone()).unwrap_or_default(),
        title: first.map(|step| step.title.clone()).unwrap_or_default(),
        kind: results.first().copied().flatten().map_or("", matching::kind).to_owned(),
        sides: row.iter().map(|step| step.map(|step| one_side(step, floors.min_cell))).collect(),
        ratio: terms::ratio(&results).map_or("", |ratio| ratio.short).to_owned(),
        terms: terms::rows(&results, wording, differ),
        curves: if differ { curves::rows(&results, floors.min_cell) } else { Vec::new() },
        figures,
        figures_left_out: left_out,
        forbidden,
        cautions,
    }
}

fn one_side(step: &Step, min_cell: u64) -> OneSide {
    let counts = step.result.as_ref().and_then(StepResult::counts);
    let events = match &step.result {
        Some(StepResult::Curves(own)) => Some(own.events),
        Some(StepResult::Incidence(own)) => Some(own.events),
        Some(StepResult::States(own)) => Some(own.events),
        Some(StepResult::Validation(own)) if own.classes.is_none() => Some(own.events),
        Some(StepResult::Meta(own)) => Some(own.events),
        Some(result) => result.fit().filter(|fit| fit.noised.is_none()).map(|fit| fit.events),
        None => None,
    };
    let cohort = step.cohort.trim_end().replace('\n', "; ");
    OneSide {
        id: step.id.clone(),
        privacy: match &step.class {
            Class::Exact => "exact: no differential privacy".to_owned(),
            Class::Private(own) => format!(
                "ε={}, δ={} a {}",
                numbers::epsilon(own.epsilon_coalition),
                numbers::scientific(own.delta),
                own.unit
            ),
        },
        cohort: if cohort.is_empty() { "all patients".to_owned() } else { cohort },
        patients: counts
            .map_or_else(|| "not counted".to_owned(), |(n, _)| numbers::cell(n, min_cell)),
        events: events.map_or_else(String::new, |events| numbers::cell(events, min_cell)),
        hospitals: counts.map(|(_, sites)| sites),
    }
}

#[cfg(test)]
mod tests {
    use haima_fl_core::results::{Curve, Curves};

    use super::*;
    use crate::report::export::tables::{Table, of_result};
    use crate::report::model::Wording;
    use crate::report::page;

    /// A group of patients who die or are lost at time 1, or else stay until 2.
    fn curve(group: &str, n: u64, events: u64, censored: u64) -> Curve {
        let left = 1.0 - events as f64 / n as f64;
        Curve {
            group: group.to_owned(),
            n,
            time: vec![1.0, 2.0],
            n_risk: vec![n, n - events - censored],
            n_event: vec![events, 0],
            n_censor: vec![censored, n - events - censored],
            surv: vec![left, left],
            se: vec![0.01; 2],
            lo: vec![left - 0.1; 2],
            hi: vec![left + 0.05; 2],
            median: None,
            median_lo: None,
            median_hi: None,
            rmst: None,
        }
    }

    /// A step of these groups, and its tables.
    fn of(curves: Vec<Curve>) -> (Step, Vec<Table>) {
        let result = StepResult::Curves(Curves {
            schema: "haima.km/1".into(),
            formula: "Surv(time, death) ~ group".into(),
            grid: 1.0,
            n: curves.iter().map(|own| own.n).sum(),
            events: curves.iter().flat_map(|own| &own.n_event).sum(),
            sites: 3,
            curves,
            logrank: None,
        });
        let floors = Floors { min_cell: 5, ..Floors::default() };
        let tables = of_result(&result, &Wording::default(), &floors);
        let step = Step {
            id: "km".into(),
            title: "km".into(),
            task: "km".into(),
            class: Class::Exact,
            cohort: String::new(),
            rounds: 1,
            attempts_failed: 0,
            seconds: 0.1,
            bytes_sent_by_sites: 1,
            bytes_received_by_nodes: 1,
            bytes_released: 1,
            result: Some(result),
        };
        (step, tables)
    }

    /// A column of a table, as the file has it.
    fn column(tables: &[Table], name: &str, column: &str) -> Vec<String> {
        let table = tables.iter().find(|table| table.name == name).unwrap();
        let place = table.columns.iter().position(|own| *own == column).unwrap();
        table.rows.iter().map(|row| row[place].text()).collect()
    }

    #[test]
    fn few_events_are_not_what_the_other_group_leaves_of_the_total() {
        let (step, tables) = of(vec![curve("a", 90, 20, 10), curve("b", 60, 3, 10)]);
        assert_eq!(one_side(&step, 5).events, "23");
        assert_eq!(column(&tables, "survival", "events"), [">=5", "<5"]);
        // Nor what patients, those at risk and those censored leave.
        assert!(column(&tables, "at-risk", "censored").iter().all(String::is_empty));
        let survival = column(&tables, "survival-at", "survival");
        assert!(!survival.is_empty() && survival.iter().all(|own| own.len() <= 4), "{survival:?}");
        let mut report = StudyReport::new("x");
        report.floors.min_cell = 5;
        let (_, page) = page::part(&report, &step).unwrap();
        let page = page.into_string();
        assert!(page.contains(", ≥5 events") && !page.contains(", 20 events"), "{page}");
    }

    #[test]
    fn a_group_too_small_to_be_drawn_is_not_what_the_other_leaves_of_all_patients() {
        let (step, tables) = of(vec![curve("a", 97, 20, 10), curve("b", 3, 0, 1)]);
        assert_eq!(one_side(&step, 5).patients, "100");
        assert_eq!(column(&tables, "survival", "patients"), [">=5"]);
        let at_risk = column(&tables, "at-risk", "at_risk");
        assert!(!at_risk.is_empty() && at_risk.iter().all(|own| own == ">=5"), "{at_risk:?}");
        let mut report = StudyReport::new("x");
        report.floors.min_cell = 5;
        let (_, page) = page::part(&report, &step).unwrap();
        let page = page.into_string();
        assert!(page.contains("n≥5"), "{page}");
        assert!([">97<", "n=97", " 97 "].iter().all(|own| !page.contains(own)), "{page}");
    }

    #[test]
    fn a_hidden_number_of_censored_patients_is_not_solved_from_survival() {
        let full = |tables: &[Table]| {
            column(tables, "survival-at", "survival").iter().any(|own| own.len() > 4)
        };
        let (_, tables) = of(vec![curve("a", 90, 20, 2)]);
        assert!(column(&tables, "at-risk", "censored").contains(&"<5".to_owned()));
        assert!(!full(&tables));
        let (_, tables) = of(vec![curve("a", 90, 20, 10)]);
        assert!(full(&tables), "all digits where nothing is hidden");
        assert_eq!(column(&tables, "survival", "patients"), ["90"]);
    }
}
