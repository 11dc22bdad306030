//! Words and filters to entries: the same question has the same answer in the same order everywhere.
//!
//! Every word must be found, as a word or as the beginning of one, in an entry's name, texts, variables
//! or tasks. An entry's rank is the sum over the words of the weight of the best place where each is
//! found; a whole word counts twice its beginning. Equal ranks stand by their ids.

use serde::Serialize;

use super::entry::{Content, Entry, Kind};
use super::folder::Registry;
use super::offer::{Of, Variable};
use super::privacy::Task;

/// Words of a question.
pub const MOST_WORDS: usize = 16;
/// Hits that are given.
pub const MOST_HITS: usize = 500;
/// Letters of a word.
const LONGEST: usize = 64;

/// What is looked for; an empty question finds everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Words, each of which must be found.
    pub words: Vec<String>,
    /// Names of variables that an entry must have, letters of either case.
    pub variables: Vec<String>,
    /// A task that a study, report or model must have.
    pub task: Option<String>,
    /// Of which kind.
    pub kind: Option<Kind>,
    /// Of which party.
    pub party: Option<String>,
}

/// An entry that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The higher, the better it fits.
    pub rank: u32,
    /// Where the words were found, best first.
    pub found_in: Vec<Place>,
}

/// A part of an entry, by its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Its name, a study's name, a model's title.
    Name,
    /// A task.
    Task,
    /// Name of a variable.
    Variable,
    /// What it is for people; a population.
    About,
    /// Label of a variable.
    Label,
    /// A party or its operator.
    Party,
    /// A level or unit of a variable, and the rest.
    Detail,
}

impl Place {
    fn weight(self) -> u32 {
        match self {
            Self::Name => 8,
            Self::Task | Self::Variable => 6,
            Self::About => 5,
            Self::Label => 4,
            Self::Party => 3,
            Self::Detail => 1,
        }
    }
}

/// The entries of a registry that fit, best first; at most [`MOST_HITS`].
///
/// # Errors
/// When the question has too many words, for a person.
pub fn search<'a>(registry: &'a Registry, question: &Question) -> Result<Vec<Hit<'a>>, String> {
    let words: Vec<String> =
        question.words.iter().flat_map(|text| split(text)).map(|word| head(&word)).collect();
    if words.len() > MOST_WORDS || question.variables.len() > MOST_WORDS {
        return Err(format!("more than {MOST_WORDS} words; ask for fewer"));
    }
    let mut hits: Vec<Hit<'a>> = registry
        .current()
        .filter(|entry| fits(entry, question))
        .filter_map(|entry| ranked(registry, entry, &words))
        .collect();
    hits.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.entry.id().cmp(&b.entry.id())));
    hits.truncate(MOST_HITS);
    Ok(hits)
}

/// Words of a text in small letters.
fn split(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase)
}

fn head(word: &str) -> String {
    word.chars().take(LONGEST).collect()
}

/// Names of what an entry has of a patient.
fn variables(content: &Content) -> Vec<&str> {
    match content {
        Content::Site(offer) => named(&offer.variables),
        Content::Study(study) => named(&study.variables),
        Content::Model(model) => model.columns.iter().map(String::as_str).collect(),
        Content::Report(_) | Content::Withdrawn => Vec::new(),
    }
}

fn named(variables: &[Variable]) -> Vec<&str> {
    variables.iter().map(|own| own.name.as_str()).collect()
}

/// Names of what an entry has asked.
fn tasks(content: &Content) -> Vec<&str> {
    match content {
        Content::Study(study) => asked(&study.tasks),
        Content::Report(report) => asked(&report.tasks),
        Content::Model(model) => vec![model.task.as_str()],
        Content::Site(_) | Content::Withdrawn => Vec::new(),
    }
}

fn asked(tasks: &[Task]) -> Vec<&str> {
    tasks.iter().map(|own| own.task.as_str()).collect()
}

fn fits(entry: &Entry, question: &Question) -> bool {
    let Question { variables: wanted, task, kind, party, .. } = question;
    let (own, its) = (variables(entry.content()), tasks(entry.content()));
    let has = |name: &String| own.iter().any(|own| own.to_lowercase() == name.to_lowercase());
    kind.is_none_or(|kind| entry.kind() == kind)
        && party.as_ref().is_none_or(|party| entry.party() == party)
        && task.as_ref().is_none_or(|task| its.contains(&task.as_str()))
        && wanted.iter().all(has)
}

fn ranked<'a>(registry: &Registry, entry: &'a Entry, words: &[String]) -> Option<Hit<'a>> {
    let texts = texts(registry, entry);
    let (mut rank, mut found_in) = (0, Vec::new());
    for word in words {
        let best = texts.iter().flat_map(|(place, text)| {
            split(text).filter_map(move |own| {
                let times = 1 + u32::from(own == *word);
                own.starts_with(word.as_str()).then(|| (place.weight() * times, *place))
            })
        });
        let (weight, place) =
            best.max_by_key(|(weight, place)| (*weight, std::cmp::Reverse(*place)))?;
        rank += weight;
        found_in.push(place);
    }
    found_in.sort();
    found_in.dedup();
    Some(Hit { entry, rank, found_in })
}

/// All that words are looked for in.
fn texts<'a>(registry: &'a Registry, entry: &'a Entry) -> Vec<(Place, &'a str)> {
    let mut all = vec![
        (Place::Name, entry.name()),
        (Place::About, entry.about()),
        (Place::Party, entry.party()),
    ];
    if let Some(party) = registry.charter().party(entry.party()) {
        all.push((Place::Party, &party.operator));
    }
    all.extend(tasks(entry.content()).into_iter().map(|task| (Place::Task, task)));
    all.extend(variables(entry.content()).into_iter().map(|name| (Place::Variable, name)));
    match entry.content() {
        Content::Site(offer) => {
            all.push((Place::About, &offer.population));
            all.extend(offer.variables.iter().flat_map(details));
        }
        Content::Study(study) => {
            all.push((Place::Name, &study.study));
            let parties = study.parties.iter().flat_map(|own| [&own.name, &own.operator]);
            all.extend(parties.map(|text| (Place::Party, text.as_str())));
            all.extend(study.tasks.iter().map(|task| (Place::Task, task.id.as_str())));
            all.extend(study.variables.iter().flat_map(details));
        }
        Content::Model(model) => {
            all.push((Place::Name, &model.title));
            let rest = [&model.made_by, &model.cohort, &model.mode].into_iter();
            all.extend(rest.chain(&model.outputs).map(|text| (Place::Detail, text.as_str())));
        }
        Content::Report(report) => {
            all.push((Place::Name, &report.study));
            all.push((Place::Detail, &report.mode));
            all.extend(report.tasks.iter().map(|task| (Place::Task, task.id.as_str())));
        }
        Content::Withdrawn => {}
    }
    all
}

fn details(variable: &Variable) -> Vec<(Place, &str)> {
    let mut all = vec![(Place::Label, variable.label.as_str())];
    match &variable.of {
        Of::Number { unit } => all.push((Place::Detail, unit)),
        Of::Flag => {}
        Of::Category { levels } => {
            all.extend(levels.iter().map(|level| (Place::Detail, level.as_str())));
        }
    }
    all
}
