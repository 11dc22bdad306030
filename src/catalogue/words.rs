//! An entry as facts: name and value, for a screen and for the page. Nothing here is computed.

use std::fmt::Write as _;

use super::check;
use super::entry::{Content, Entry, Kind};
use super::folder::Registry;
use super::model::{Figure, Model};
use super::offer::{Of, Offer, Variable};
use super::privacy::Task;
use super::report::Report;
use super::size::Size;
use super::study::Study;
use crate::report::numbers;
use crate::text::printable;

/// Items of a list in a line.
const SHOWN: usize = 60;

/// Name and value.
pub type Fact = (&'static str, String);

impl Size {
    /// For a reader.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Absent => "not said".to_owned(),
            Self::Declared { patients, grain } => format!(
                "about {}, declared public by the site, rounded to {}: an assumption outside (epsilon, \
                 delta)",
                numbers::counted(*patients, "patient", "patients"),
                numbers::count(*grain)
            ),
            Self::Charged(charged) => {
                let cohort = match charged.cohort.as_str() {
                    "" => String::new(),
                    cohort => format!(" with {cohort}"),
                };
                format!(
                    "{} at {} together{cohort}, noise of standard deviation {}; {}; task {} of the \
                     study {}, round {}",
                    numbers::counted(charged.patients, "patient", "patients"),
                    numbers::counted(charged.hospitals.into(), "hospital", "hospitals"),
                    numbers::significant(charged.sd),
                    charged.privacy.in_words(),
                    charged.task,
                    short(&charged.study),
                    short(&charged.round)
                )
            }
        }
    }
}

impl Variable {
    /// What it holds, for a reader.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut text = match &self.of {
            Of::Number { unit } if unit.is_empty() => "number".to_owned(),
            Of::Number { unit } => format!("number, {unit}"),
            Of::Flag => "yes or no".to_owned(),
            Of::Category { levels } => {
                format!("one of {}", list(levels.iter().map(String::as_str)))
            }
        };
        if self.missing {
            text.push_str(", may be missing");
        }
        text
    }
}

/// The first digits of a digest: a name for people.
#[must_use]
pub fn short(digest: &str) -> &str {
    digest.get(..8).unwrap_or(digest)
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = items.collect();
    let mut text = all.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if let more @ 1.. = all.len().saturating_sub(SHOWN) {
        let _ = write!(text, " and {more} more");
    }
    text
}

/// The one line of an entry in a list.
#[must_use]
pub fn line(entry: &Entry) -> String {
    let what = match entry.content() {
        Content::Site(offer) => {
            let variables = offer.variables.len() as u64;
            format!(
                "{}, {}",
                offer.population,
                numbers::counted(variables, "variable", "variables")
            )
        }
        Content::Study(study) => {
            let tasks = numbers::counted(study.tasks.len() as u64, "task", "tasks");
            format!("{}, {}, {tasks}", study.study, study.state.name())
        }
        Content::Model(model) => format!("{}, {}", model.title, model.privacy.in_words()),
        Content::Report(report) => {
            let tasks = numbers::counted(report.tasks.len() as u64, "task", "tasks");
            format!("report of {}, {tasks}", report.study)
        }
        Content::Withdrawn => "withdrawn".to_owned(),
    };
    match entry.about() {
        "" => what,
        about => format!("{what}: {about}"),
    }
}

/// All that an entry says but for its variables and tasks.
#[must_use]
pub fn facts(registry: &Registry, entry: &Entry) -> Vec<Fact> {
    let operator = registry.charter().party(entry.party()).map(|party| party.operator.as_str());
    let mut all = vec![
        ("said by", format!("{} ({})", entry.party(), operator.unwrap_or_default())),
        ("version", format!("{}, {}", entry.version(), numbers::utc(entry.made()))),
    ];
    if !entry.about().is_empty() {
        all.push(("about", entry.about().to_owned()));
    }
    match entry.content() {
        Content::Site(offer) => of_offer(offer, &mut all),
        Content::Study(study) => of_study(study, &mut all),
        Content::Model(model) => of_model(registry, model, &mut all),
        Content::Report(report) => of_report(report, &mut all),
        Content::Withdrawn => all.push(("state", "withdrawn by its party".to_owned())),
    }
    all.push(("digest", entry.digest().to_string()));
    all
}

fn of_offer(offer: &Offer, all: &mut Vec<Fact>) {
    all.push(("population", offer.population.clone()));
    all.push(("patients", offer.size.in_words()));
    all.push(("schema", offer.schema_digest.clone()));
}

fn of_study(study: &Study, all: &mut Vec<Fact>) {
    let mode = if study.masked { "masked, without nodes" } else { "shares among nodes" };
    all.push(("study", format!("{}, revision {}", study.study, study.revision)));
    all.push(("state", study.state.name().to_owned()));
    all.push(("mode", format!("{mode}; at least {} operators in a sum", study.min_sites)));
    let sites = study.sites().map(|site| site.name.as_str());
    all.push(("hospitals", format!("{}: {}", study.sites().count(), list(sites))));
    all.push(("manifest", study.digest.clone()));
    all.push(("schema", study.schema_digest.clone()));
}

fn of_model(registry: &Registry, model: &Model, all: &mut Vec<Fact>) {
    let what = if model.generator { "draws virtual patients" } else { "predicts" };
    all.push(("is", format!("{}, {what}; made by {}", model.title, model.made_by)));
    if !model.outputs.is_empty() {
        all.push(("gives", list(model.outputs.iter().map(String::as_str))));
    }
    let verb = if model.generator { "draws" } else { "reads" };
    all.push((verb, list(model.columns.iter().map(String::as_str))));
    all.push(("privacy", privacy_of(model)));
    all.push(("sums", model.mode.clone()));
    all.push(("hospitals", model.hospitals.to_string()));
    if !model.cohort.is_empty() {
        all.push(("cohort", model.cohort.clone()));
    }
    all.extend(model.figures.iter().map(|own| ("figure", figure(own))));
    all.extend(model.limits.iter().map(|limit| ("limit", limit.clone())));
    if let Some(study) = &model.study {
        let is_it =
            |entry: &&Entry| matches!(entry.content(), Content::Study(own) if own.digest == *study);
        let named = match registry.of_kind(Kind::Study).find(is_it) {
            Some(entry) => format!(" ({})", entry.id()),
            None => String::new(),
        };
        all.push(("study", format!("{study}{named}")));
    }
    if let Some(journal) = &model.journal {
        all.push(("journal", journal.clone()));
    }
    all.push(("schema", model.schema_digest.clone()));
    all.push(("file, SHA3-256", model.file.clone()));
}

fn privacy_of(model: &Model) -> String {
    let promise = match model.promise.as_str() {
        "" => String::new(),
        promise => format!("; hides {promise}"),
    };
    let simulated = match model.simulated {
        true => "simulated, so it protects nobody from whoever ran it; ",
        false => "",
    };
    format!("{simulated}{}{promise}", model.privacy.in_words())
}

fn figure(own: &Figure) -> String {
    let Figure { name, value, lo, hi, over } = own;
    let value = few_digits(*value);
    let interval = match (lo, hi) {
        (Some(lo), Some(hi)) => format!(" (95% {} to {})", few_digits(*lo), few_digits(*hi)),
        _ => String::new(),
    };
    format!("{name} {value}{interval}: {over}")
}

/// A figure's number, without zeros that stand for digits that were cut.
fn few_digits(value: f64) -> String {
    let text = numbers::significant(value);
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn of_report(report: &Report, all: &mut Vec<Fact>) {
    all.push(("study", report.study.clone()));
    all.push(("ended", numbers::utc(report.finished)));
    all.push(("mode", report.mode.clone()));
    all.push(("hospitals", report.hospitals.to_string()));
    all.push(("manifest", report.manifest.clone()));
    if let Some(plan) = &report.plan {
        all.push(("plan", plan.clone()));
    }
    all.push(("file, SHA3-256", report.file.clone()));
}

/// Variables of an entry that describes them.
#[must_use]
pub fn variables(content: &Content) -> &[Variable] {
    match content {
        Content::Site(offer) => &offer.variables,
        Content::Study(study) => &study.variables,
        Content::Model(_) | Content::Report(_) | Content::Withdrawn => &[],
    }
}

/// Tasks of an entry that has asked some.
#[must_use]
pub fn tasks(content: &Content) -> &[Task] {
    match content {
        Content::Study(study) => &study.tasks,
        Content::Report(report) => &report.tasks,
        Content::Site(_) | Content::Model(_) | Content::Withdrawn => &[],
    }
}

/// What a task is and costs, in a line.
#[must_use]
pub fn task(own: &Task) -> String {
    let ended = match own.finished {
        Some(false) => ", gave no result",
        Some(true) | None => "",
    };
    format!("{}, {}{ended}", own.task, own.privacy.in_words())
}

/// An entry as text for a screen.
#[must_use]
pub fn show(registry: &Registry, entry: &Entry) -> String {
    let mut text = format!("{}\n\n", entry.id());
    for (name, value) in facts(registry, entry) {
        let _ = writeln!(text, "{name:<16}{value}");
    }
    let tasks = tasks(entry.content());
    if !tasks.is_empty() {
        text.push_str("\ntasks\n");
    }
    for own in tasks {
        let _ = writeln!(text, "  {:<24}{}", own.id, task(own));
    }
    let variables = variables(entry.content());
    if !variables.is_empty() {
        text.push_str("\nvariables\n");
    }
    for own in variables {
        let label = match own.label == own.name {
            true => String::new(),
            false => format!("{}: ", own.label),
        };
        let _ = writeln!(text, "  {:<24}{label}{}", own.name, check::cut(&own.in_words(), 400));
    }
    printable(&text)
}
