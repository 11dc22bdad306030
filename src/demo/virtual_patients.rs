//! Virtual patients at the end of a demonstration: as many as the report counts real ones, drawn from
//! the study's generator and shown beside them.
//!
//! Rows are a function of the generator, their number is one that the study released, so they cost no
//! privacy beyond the generator's promise. The comparison with the real patients is exact. It uses the
//! demonstration's own copy of their rows, which a real network does not have, and stands in a page of
//! its own.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use haima_fl_core::results::generator::{Generator, MOST_ROWS};
use haima_fl_core::synth::domain::Kind;
use haima_fl_core::tasks::synthesize;

use super::screen::Screen;
use crate::Error;
use crate::model_file::{Guarantee, whole};
use crate::provision::Study;
use crate::report::{Check, StudyReport, synthetic};
use crate::stats::Sites;
use crate::synth::cohort::VirtualCohort;
use crate::synth::file::SynthFile;
use crate::synth::report::{Request, collect};
use crate::synth::sample::{Asked, fresh_seed, rows};
use crate::synth::write::{Format, write};

/// The virtual patients, beside the report.
const ROWS: &str = "virtual.csv";
/// What says where they come from.
const PROVENANCE: &str = "virtual.csv.provenance.json";
/// Real and virtual patients side by side.
const PAGE: &str = "virtual.html";

/// Virtual patients that were drawn.
#[derive(Debug)]
pub(super) struct Drawn {
    /// Their file.
    pub(super) path: PathBuf,
    /// How many they are.
    pub(super) rows: u64,
    /// What was promised to the real ones.
    pub(super) privacy: Guarantee,
    /// The page that shows both; `None` where they could not be compared.
    pub(super) page: Option<PathBuf>,
}

/// Draws virtual patients from the first generator that a study left in `out`, and has the report say
/// how they are drawn again. What an earlier run drew there goes. `None` where there is no generator.
///
/// # Errors
/// When the generator cannot be read or has no such patients, a file cannot be written or removed, or
/// one of somebody else's is in the way.
pub(super) fn draw(
    study: &Study,
    data: &Path,
    out: &Path,
    report: &mut StudyReport,
    screen: &Screen,
) -> Result<Option<Drawn>, Error> {
    remove_earlier(out)?;
    check_free(study, out)?;
    let Some((id, model)) = first_generator(study, out) else { return Ok(None) };
    screen.say("drawing virtual patients, and comparing them with the real ones in one process");
    let (file, digest) = SynthFile::read(&model)?;
    let generator = file.open()?;
    let many = how_many(counted(report, id), &generator);
    let asked = Asked { rows: many, conditions: Vec::new(), seed: fresh_seed()? };
    let path = out.join(ROWS);
    let drawn = rows(&generator, &asked)?;
    let provenance = VirtualCohort::of(&file, &digest, &generator, &asked);
    write(&path, Format::Csv, &file, &generator, &drawn, &provenance)?;
    let request = Request {
        model,
        data: data.to_owned(),
        sites: Sites::Column(study.site_column.clone()),
        asked,
        by: groups(&generator),
        covariates: Vec::new(),
        tolerance: None,
        floors: report.floors.clone(),
    };
    let page = match compare(&request, study, out) {
        Ok(page) => Some(page),
        // The virtual patients stand without it.
        Err(error) => {
            screen.say(&format!("no comparison of real and virtual patients: {error}"));
            None
        }
    };
    report.checks.push(again(id, &request.asked, page.is_some()));
    Ok(Some(Drawn { path, rows: provenance.rows, privacy: provenance.privacy, page }))
}

/// Refuses a folder with a file of somebody else's where the virtual patients of a study would be
/// written, or their page.
///
/// # Errors
/// Naming the file.
pub(super) fn check_free(study: &Study, out: &Path) -> Result<(), Error> {
    let draws = study.tasks.iter().any(|task| task.task == synthesize::NAME);
    if !draws || out.join(PROVENANCE).is_file() {
        return Ok(());
    }
    let mut foreign = [ROWS, PAGE].map(|name| out.join(name)).into_iter();
    match foreign.find(|path| path.exists()) {
        None => Ok(()),
        Some(path) => {
            let problem = format!(
                "is there, and no {PROVENANCE} beside it says that an earlier run wrote it; move it, or \
                 name another --out"
            );
            Err(Error::config(&path, problem))
        }
    }
}

/// Where the coordinator leaves the generator of a task, in the folder of the report.
fn file_of(id: &str) -> String {
    format!("models/{id}.haima")
}

/// Task and file of the first generator that there is.
fn first_generator<'a>(study: &'a Study, out: &Path) -> Option<(&'a str, PathBuf)> {
    let tasks = study.tasks.iter().filter(|task| task.task == synthesize::NAME);
    let mut files = tasks.map(|task| (task.id.as_str(), out.join(file_of(&task.id))));
    files.find(|(_, file)| file.is_file())
}

/// Patients of a task's cohort, as far as another result of the study has counted them.
fn counted(report: &StudyReport, id: &str) -> Option<u64> {
    let cohort = &report.steps.iter().find(|step| step.id == id)?.cohort;
    let of_same = report.steps.iter().filter(|step| step.cohort == *cohort);
    // A task that needs complete rows of more columns counts fewer.
    of_same.filter_map(|step| step.result.as_ref()?.counts()).map(|(patients, _)| patients).max()
}

/// As many as were counted; as the generator itself has, under its noise, where nothing else was
/// released: the number of real rows is a figure of patients (rule S6).
fn how_many(counted: Option<u64>, generator: &Generator) -> usize {
    // A network's sums do not tell how many patients there were.
    let own = || generator.total().map(|total| total.round() as u64);
    let patients = counted.or_else(own).unwrap_or(1000);
    usize::try_from(patients).unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS)
}

/// The column by whose groups survival is shown: the first that has some.
fn groups(generator: &Generator) -> Vec<String> {
    let all = generator.domain.attributes.iter();
    let some = all.filter(|attribute| matches!(attribute.kind, Kind::Levels { .. }));
    some.map(|attribute| attribute.name.clone()).take(1).collect()
}

/// Writes the page of both.
fn compare(request: &Request, study: &Study, out: &Path) -> Result<PathBuf, Error> {
    let mut both = collect(request)?;
    both.speak(&study.about.wording);
    // What every reader of the study has to see first.
    let warnings = std::mem::take(&mut both.warnings);
    both.warnings = study.about.warnings.iter().cloned().chain(warnings).collect();
    let page = out.join(PAGE);
    whole(&page, synthetic::render(&both).as_bytes())?;
    Ok(page)
}

/// How a reader makes the same file again.
fn again(id: &str, asked: &Asked, compared: bool) -> Check {
    let beside = if compared {
        format!(" {PAGE} shows them beside the real ones: it has exact counts of these.")
    } else {
        String::new()
    };
    let (model, Asked { rows, seed, .. }) = (file_of(id), asked);
    Check {
        text: format!(
            "Draw the virtual patients of {ROWS} again: generator and seed make the same file, to \
             the byte. Others, and more of them, cost no privacy either.{beside}"
        ),
        command: format!("haima synth sample {model} --rows {rows} --seed {seed} --out again.csv"),
    }
}

/// Removes what an earlier run left: what stands beside a report is taken for its own. A file of that
/// name without a provenance is somebody else's.
fn remove_earlier(out: &Path) -> Result<(), Error> {
    if !out.join(PROVENANCE).is_file() {
        return Ok(());
    }
    // In this order rows are never left without what says that they are virtual.
    for path in [PAGE, ROWS, PROVENANCE].map(|name| out.join(name)) {
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(Error::file(&path, error));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use haima_fl_core::results::Table1;

    use super::*;
    use crate::report::{Class, Step, StepResult};

    fn step(id: &str, cohort: &str, patients: Option<u64>) -> Step {
        let table = |n| Table1 {
            schema: "haima.table1/1".into(),
            sites: 3,
            groups: vec!["all".into()],
            n: vec![n],
            rows: Vec::new(),
        };
        Step {
            id: id.into(),
            title: String::new(),
            task: String::new(),
            class: Class::Exact,
            cohort: cohort.into(),
            rounds: 1,
            attempts_failed: 0,
            seconds: 0.0,
            bytes_sent_by_sites: 0,
            bytes_received_by_nodes: 0,
            bytes_released: 0,
            result: patients.map(|n| StepResult::Table1(table(n))),
        }
    }

    #[test]
    fn as_many_are_drawn_as_another_result_counts_of_the_same_patients() {
        let mut report = StudyReport::new("unit");
        report.steps = vec![
            step("all", "", Some(900)),
            step("few", "age >= 60", Some(120)),
            step("fewer", "age >= 60", Some(100)),
            step("virtual", "age >= 60", None),
            step("others", "age < 60", None),
        ];
        assert_eq!(counted(&report, "virtual"), Some(120));
        assert_eq!(counted(&report, "others"), None, "no released number is of these");
        assert_eq!(counted(&report, "no such task"), None);
    }

    #[test]
    fn a_strangers_file_is_in_the_way_of_a_study_that_draws_and_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let study = |task: &str| -> Study {
            toml::from_str(&format!(
                "study = \"unit\"\nmin_sites = 2\nmax_patients = 50\nmax_dimension = 1000\n[schema]\n\
                 [[task]]\nid = \"a\"\ntask = \"{task}\"\nversion = 1\ntitle = \"a\"\n\
                 max_steps = 2\nspare_attempts = 1\n"
            ))
            .unwrap()
        };
        let free = |task: &str| check_free(&study(task), folder.path());
        assert!(free(synthesize::NAME).is_ok());
        std::fs::write(folder.path().join(PAGE), "x").unwrap();
        assert!(free("km").is_ok());
        assert!(free(synthesize::NAME).unwrap_err().to_string().contains(PAGE));
        std::fs::write(folder.path().join(PROVENANCE), "x").unwrap();
        assert!(free(synthesize::NAME).is_ok(), "an earlier run wrote it");
    }

    #[test]
    fn an_earlier_run_leaves_nothing_and_a_strangers_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(folder.path().join(name), "x").unwrap();
        let is_there = |name: &str| folder.path().join(name).exists();
        put(ROWS);
        put(PAGE);
        remove_earlier(folder.path()).unwrap();
        assert!(is_there(ROWS) && is_there(PAGE), "nothing says that they are ours");
        put(PROVENANCE);
        std::fs::remove_file(folder.path().join(PAGE)).unwrap();
        remove_earlier(folder.path()).unwrap();
        assert!(![ROWS, PAGE, PROVENANCE].map(is_there).contains(&true));
    }
}
