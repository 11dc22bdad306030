//! What one column looks like.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::data::dates::{self, Written};
use crate::data::guess::{in_order, number, range, unit};
use crate::data::look::{MOST_LEVELS, codes, is_missing, may_be_missing, quoted};
use crate::report::numbers::counted;

/// Values of a whole number up to which it may be a code or a grade.
const FEW: usize = 6;
/// Patients below which a level tells of them.
const RARE: usize = 5;
/// Bytes of a level or a name, as a schema takes it.
const LONGEST: usize = 128;
/// Texts that are quoted.
const QUOTED: usize = 3;
/// Words of a column's name that say that it names people.
const PEOPLE: [&str; 21] = [
    "name",
    "surname",
    "firstname",
    "lastname",
    "forename",
    "initials",
    "ssn",
    "mrn",
    "nhs",
    "insurance",
    "passport",
    "address",
    "street",
    "city",
    "zip",
    "zipcode",
    "postcode",
    "postal",
    "phone",
    "telephone",
    "email",
];

/// A column of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Column {
    /// Name in the file's header.
    pub header: String,
    /// Name in the schema.
    pub column: String,
    /// What the header has to say before a schema can name the column; none where it does.
    pub rename: Option<String>,
    /// What it looks like.
    #[serde(flatten)]
    pub guess: Guess,
    /// Empty fields.
    pub missing: usize,
    /// Spellings of a missing value that are no empty field, with how often they stand.
    pub missing_spellings: BTreeMap<String, usize>,
    /// What a person should look at.
    pub remarks: Vec<String>,
    /// What a program would take for something else, with its line.
    pub odd: Option<String>,
}

/// What a column looks like.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Guess {
    /// A number.
    Numeric {
        /// Unit of the header, or a guess by the name.
        unit: Option<String>,
        /// Whether the header says it.
        unit_told: bool,
        /// Round numbers around those of the file.
        range: (f64, f64),
    },
    /// 0 or 1.
    Flag,
    /// One of several levels.
    Category {
        /// Those of the file.
        levels: Vec<String>,
    },
    /// None that a schema can have.
    Left {
        /// Why.
        why: Why,
    },
}

/// Why a column is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// No value.
    Empty,
    /// One text in all rows.
    Constant,
    /// Dates.
    Dates,
    /// Its name says that it names people.
    People,
    /// Free text, or another key.
    Text,
    /// Row numbers that a program wrote.
    RowNumbers,
}

/// A name and a unit, as a header tells them.
pub(super) struct Told {
    header: String,
    name: String,
    unit: Option<String>,
}

impl Told {
    /// Of a header; `names` are those of the columns before it.
    pub(super) fn of(header: &str, names: &mut BTreeSet<String>) -> Self {
        let trimmed = header.trim();
        let bracketed = |open: &str, close: char| {
            let (name, unit) = trimmed.strip_suffix(close)?.split_once(open)?;
            Some((name.trim_end(), unit.trim()))
        };
        let percent = || {
            let name = trimmed.strip_suffix('%')?.trim_end_matches(['_', '-', ' ']);
            Some((name, "%"))
        };
        // No unit stands in `del(5q)`.
        let unit = bracketed("[", ']').or_else(|| bracketed(" (", ')')).or_else(percent);
        let (told, unit) = match unit {
            Some((name, unit)) if is_unit(unit) && !name.is_empty() => {
                (name, Some(unit.to_owned()))
            }
            _ => (trimmed, None),
        };
        let mut name = if is_name(told) { told.to_owned() } else { proper(told) };
        let stem: String = name.chars().take(LONGEST / 8).collect();
        let mut further = 2..;
        while !names.insert(name.clone()) {
            let Some(number) = further.next() else { break };
            name = format!("{stem}_{number}");
        }
        Self { header: header.to_owned(), name, unit }
    }

    /// What the header has to be, if it is not that.
    fn rename(&self, guess: &Guess) -> Option<String> {
        let own = match (guess, &self.unit) {
            (Guess::Numeric { .. }, Some(unit)) => format!("{} [{unit}]", self.name),
            _ => self.name.clone(),
        };
        (own != self.header).then_some(own)
    }
}

impl Column {
    pub(super) fn of(told: Told, texts: &[&str]) -> Self {
        let mut spelt: BTreeMap<String, usize> = BTreeMap::new();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for text in texts.iter().filter(|text| !text.is_empty()) {
            if is_missing(text) {
                *spelt.entry((*text).to_owned()).or_insert(0) += 1;
            } else {
                *known.entry(*text).or_insert(0) += 1;
            }
        }
        let mut remarks = Vec::new();
        let guess = guess(&told, &known, texts.len(), &mut remarks);
        if !matches!(guess, Guess::Left { .. }) {
            let words = known.iter().filter(|(text, _)| may_be_missing(text));
            remarks.extend(words.map(|(word, rows)| unknown(&told.name, word, *rows, &guess)));
        }
        Self {
            rename: told.rename(&guess),
            header: told.header,
            column: told.name,
            guess,
            missing: texts.iter().filter(|text| text.is_empty()).count(),
            missing_spellings: spelt,
            remarks,
            odd: None,
        }
    }
}

/// What to say of a word that may mean a missing value and is read as a value.
fn unknown(name: &str, word: &str, rows: usize, guess: &Guess) -> String {
    let clean = format!("run `haima data clean --missing '{name}={word}'`");
    let rows = format!("{} {}", counted(rows as u64, "row says", "rows say"), quoted(word));
    match guess {
        Guess::Category { .. } => format!(
            "{rows}. This is kept as a category of its own. If it means *not recorded*, {clean} and delete it \
             from `levels`; otherwise models compare it with the other categories"
        ),
        _ => format!("{rows}, which is no number. If it means *not recorded*, {clean}"),
    }
}

/// What values with their counts look like, in so many rows.
fn guess(
    told: &Told,
    known: &BTreeMap<&str, usize>,
    rows: usize,
    remarks: &mut Vec<String>,
) -> Guess {
    let left = |why| Guess::Left { why };
    let name = told.name.to_lowercase();
    let count: usize = known.values().sum();
    if known.is_empty() {
        return left(Why::Empty);
    }
    if name.starts_with("__index_level_") || name.starts_with("unnamed") {
        return left(Why::RowNumbers);
    }
    if name.split(['_', '.', '-', ' ']).any(|word| PEOPLE.contains(&word)) {
        return left(Why::People);
    }
    if is_date(&name, known, count, remarks) {
        return left(Why::Dates);
    }
    let flag = |text: &&str| number(text).is_some_and(|value| value == 0.0 || value == 1.0);
    if known.keys().all(flag) {
        return Guess::Flag;
    }
    let of = |text: &str| number(text).or_else(|| number(&text.replacen(',', ".", 1)));
    // A code of a missing value says nothing of the range.
    let coded = codes(known.keys().copied());
    let numbers = known.keys().filter_map(|text| of(text));
    let numbers: Vec<f64> = numbers.filter(|value| !coded.contains(value)).collect();
    let numeric: usize =
        known.iter().filter(|(text, _)| of(text).is_some()).map(|(_, rows)| rows).sum();
    // A few texts among numbers are faults, and not a category of many levels.
    if 2 * numeric > count {
        return a_number(told, known, &numbers, remarks);
    }
    let long = |text: &&str| text.len() > LONGEST || text.contains(char::is_control);
    if known.len() > MOST_LEVELS.min(rows / 2).max(FEW) || known.keys().any(long) {
        return left(Why::Text);
    }
    if known.len() == 1 {
        return left(Why::Constant);
    }
    let mut levels: Vec<&str> = known.keys().copied().collect();
    in_order(&mut levels);
    let rare = known.values().filter(|rows| **rows < RARE).count();
    if rare > 0 {
        remarks.push(format!(
            "{rare} of the levels {} fewer than {RARE} rows: such a level tells of its patients; merge \
             it, or keep it because the disease has it and not because this file does",
            if rare == 1 { "has" } else { "have" }
        ));
    }
    let mut alike = BTreeSet::new();
    if !levels.iter().all(|level| alike.insert(level.trim().to_lowercase())) {
        remarks.push(
            "some levels differ in case or blanks alone: keep one, and name the others in \
             `synonyms = { \"male\" = \"M\" }`"
                .into(),
        );
    }
    if let [one, other] = levels.as_slice() {
        remarks.push(format!(
            "two levels: as 0 and 1 it could be a flag ({one}, {other}), which a model's outcome has to \
             be"
        ));
    }
    Guess::Category { levels: levels.into_iter().map(str::to_owned).collect() }
}

fn is_date(
    name: &str,
    known: &BTreeMap<&str, usize>,
    count: usize,
    remarks: &mut Vec<String>,
) -> bool {
    let mut forms: BTreeMap<Written, usize> = BTreeMap::new();
    for (text, rows) in known {
        if let Some(form) = dates::written(text) {
            *forms.entry(form).or_insert(0) += rows;
        }
    }
    // Eight digits may be a number.
    let said = ["date", "dat", "dob", "day"].iter().any(|word| name.contains(*word));
    if !said {
        forms.remove(&Written::Digits);
    }
    if 2 * forms.values().sum::<usize>() <= count {
        return false;
    }
    let words: Vec<&str> = forms.keys().map(|form| form.words()).collect();
    remarks.push(words.join(" and "));
    true
}

fn a_number(
    told: &Told,
    known: &BTreeMap<&str, usize>,
    numbers: &[f64],
    remarks: &mut Vec<String>,
) -> Guess {
    let guessed = || match told.name.to_lowercase().as_str() {
        "age" | "alter" => Some("years"),
        name => unit(name),
    };
    let unit_told = told.unit.is_some();
    let unit = told.unit.clone().or_else(|| guessed().map(str::to_owned));
    let is_time = unit.as_deref().is_some_and(|unit| self::unit(unit).is_some());
    let (mut low, mut high) = range(numbers, is_time);
    if unit.as_deref() == Some("%") && (0.0..=100.0).contains(&low) && high <= 100.0 {
        (low, high) = (0.0, 100.0);
    }
    let pointed = |text: &str| number(&text.replacen(',', ".", 1));
    if known.keys().any(|text| number(text).is_none() && pointed(text).is_some()) {
        remarks.push("has numbers with a comma: write a decimal point, and no other mark".into());
    }
    let other = |text: &&&str| pointed(text).is_none();
    let texts: Vec<String> = known
        .keys()
        .filter(other)
        .take(QUOTED)
        .map(|text| format!("`{}`", text.escape_debug().take(32).collect::<String>()))
        .collect();
    if !texts.is_empty() {
        let more = if known.keys().filter(other).nth(QUOTED).is_some() { ", ..." } else { "" };
        remarks.push(format!("has fields that are no number: {}{more}", texts.join(", ")));
    }
    let whole = numbers.iter().all(|value| value.fract() == 0.0);
    if whole && numbers.len() <= FEW && !is_time {
        let mut levels: Vec<&str> = known.keys().copied().filter(|t| number(t).is_some()).collect();
        in_order(&mut levels);
        let levels: Vec<String> = levels.iter().map(|level| format!("{level:?}")).collect();
        remarks.push(format!(
            "few whole numbers: if they are codes or grades, say kind = \"category\" and levels = [{}] \
             in place of the range",
            levels.join(", ")
        ));
    }
    Guess::Numeric { unit, unit_told, range: (low, high) }
}

/// Whether a schema can name a column so.
pub(super) fn is_name(name: &str) -> bool {
    haima_fl_core::schema::check_name(name).is_ok()
}

/// What stands in brackets behind a name, if it can be a unit.
fn is_unit(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST
        && !text.contains(['[', ']'])
        && !text.contains(char::is_control)
}

/// Name and unit of a header that may be written otherwise than a schema has it.
pub(crate) fn named(header: &str) -> (String, Option<String>) {
    let told = Told::of(header, &mut BTreeSet::new());
    (told.name, told.unit)
}

/// A name that a schema can have, near the one that is there.
pub(crate) fn proper(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let words = name.split(|c: char| !fits(c)).filter(|word| !word.is_empty());
    let mut joined = String::new();
    for word in words {
        let blank = if joined.is_empty() { "" } else { "_" };
        if joined.len() + word.len() + blank.len() > LONGEST / 2 {
            break;
        }
        joined.push_str(blank);
        joined.push_str(word);
    }
    if joined.is_empty() { "column".into() } else { joined }
}
