//! What `from` of a column may say: one place, by the words of the standard, and what is to be known
//! beyond it.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

use super::read::one_of;
use super::{
    Assay, Codes, Kind, Length, Limits, OfAssay, OfGene, OfVariants, Pick, Point, Since, Source,
};
use crate::convert::record::Form;

/// Codes of one place.
const MOST_CODES: usize = 1000;
/// Bytes of a code or a gene's symbol.
const MOST_CODE: usize = 200;
/// What counts as a mutated gene where a mapping does not say it.
const COUNTED: [&str; 2] = ["PATHOGENIC", "LIKELY_PATHOGENIC"];
const CLASSES: [&str; 5] =
    ["BENIGN", "LIKELY_BENIGN", "UNCERTAIN_SIGNIFICANCE", "LIKELY_PATHOGENIC", "PATHOGENIC"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFrom {
    subject: Option<String>,
    age: Option<Value>,
    feature: Option<Value>,
    disease: Option<Value>,
    action: Option<Value>,
    measurement: Option<Value>,
    gene: Option<String>,
    survival: Option<String>,
    start: Option<Value>,
    variants: Option<String>,
    // What goes with one of these.
    #[serde(rename = "as")]
    form: Option<String>,
    counts: Option<Vec<String>>,
    end: Option<Value>,
    limits: Option<String>,
    pick: Option<String>,
    since: Option<Value>,
    take: Option<String>,
}

impl RawFrom {
    pub(super) fn check(
        self,
        kind: Kind,
        unit: Option<&str>,
        accepts: BTreeMap<String, f64>,
    ) -> Result<Source, String> {
        let place = self.place()?;
        self.check_extras(place)?;
        if !accepts.is_empty() && place != "measurement" {
            return Err("`accepts` belongs to a measurement".into());
        }
        let length = |usual: Length| match unit {
            Some(unit) => one_of("unit", unit, &Length::NAMES),
            None => Ok(usual),
        };
        if unit.is_some() && !["measurement", "age", "start"].contains(&place) {
            return Err(
                "`unit` belongs to a measurement, an age or an interval; survival is in days"
                    .into(),
            );
        }
        let source = if let Some(subject) = &self.subject {
            if subject != "sex" {
                return Err("`subject` is \"sex\"; an age is `{ age = \"last encounter\" }`".into());
            }
            Source::Sex
        } else if let Some(at) = &self.age {
            let at = point("age", at)?;
            if at == Point::Birth {
                return Err("nobody has an age at birth; name another point".into());
            }
            Source::Age { at, unit: length(Length::Years)? }
        } else if let Some(own) = &self.feature {
            Source::Feature(codes_of("feature", own, kind)?)
        } else if let Some(own) = &self.disease {
            Source::Disease(codes_of("disease", own, kind)?)
        } else if let Some(own) = &self.action {
            let form = self.form.as_deref().map(|form| one_of("as", form, &Form::NAMES));
            Source::Action { codes: codes_of("action", own, kind)?, form: form.transpose()? }
        } else if let Some(own) = &self.measurement {
            Source::Measurement(self.assay(own, kind, unit, accepts)?)
        } else if let Some(symbol) = &self.gene {
            Source::Gene { symbol: gene(symbol)?, take: self.of_gene(kind)? }
        } else if let Some(what) = &self.survival {
            self.of_survival(what)?
        } else if let Some(gene_name) = &self.variants {
            Source::Variants { gene: gene(gene_name)?, take: self.of_variants(kind)? }
        } else {
            let (Some(start), Some(end)) = (&self.start, &self.end) else {
                return Err("an interval has a `start` and an `end`".into());
            };
            let (start, end) = (point("start", start)?, point("end", end)?);
            Source::Interval { start, end, unit: length(Length::Days)? }
        };
        Ok(source)
    }

    /// The one place that is named.
    fn place(&self) -> Result<&'static str, String> {
        let places = [
            ("subject", self.subject.is_some()),
            ("age", self.age.is_some()),
            ("feature", self.feature.is_some()),
            ("disease", self.disease.is_some()),
            ("action", self.action.is_some()),
            ("measurement", self.measurement.is_some()),
            ("gene", self.gene.is_some()),
            ("survival", self.survival.is_some()),
            ("start", self.start.is_some()),
            ("variants", self.variants.is_some()),
        ];
        let mut named = places.iter().filter(|(_, there)| *there).map(|(name, _)| *name);
        match (named.next(), named.next()) {
            (Some(place), None) => Ok(place),
            _ => {
                Err(format!("`from` names one place: {}", places.map(|(name, _)| name).join(", ")))
            }
        }
    }

    fn check_extras(&self, place: &str) -> Result<(), String> {
        let extras: [(&str, bool, &[&str]); 7] = [
            ("as", self.form.is_some(), &["action"]),
            ("counts", self.counts.is_some(), &["gene"]),
            ("end", self.end.is_some(), &["start"]),
            ("limits", self.limits.is_some(), &["measurement"]),
            ("pick", self.pick.is_some(), &["measurement"]),
            ("since", self.since.is_some(), &["survival"]),
            ("take", self.take.is_some(), &["measurement", "gene", "variants"]),
        ];
        match extras.iter().find(|(_, there, of)| *there && !of.contains(&place)) {
            Some((name, _, of)) => Err(format!("`{name}` belongs to `{}`", of.join("`, `"))),
            None => Ok(()),
        }
    }

    fn assay(
        &self,
        own: &Value,
        kind: Kind,
        unit: Option<&str>,
        accepts: BTreeMap<String, f64>,
    ) -> Result<Assay, String> {
        let codes = codes("measurement", own)?;
        if codes == Codes::Any {
            return Err("`measurement` needs a code".into());
        }
        let take = match self.take.as_deref() {
            None => OfAssay::Value,
            Some(word) => one_of(
                "take",
                word,
                &[("value", OfAssay::Value), ("reference", OfAssay::Reference)],
            )?,
        };
        let numeric = kind == Kind::Numeric;
        let proper = |text: &str| !text.is_empty() && text.len() <= MOST_CODE;
        if numeric != unit.is_some_and(proper) {
            return Err(
                "a numeric measurement has a `unit` such as \"g/dL\", or \"1\" for a plain \
                        number; one by `levels` has none"
                    .into(),
            );
        }
        if numeric && take == OfAssay::Reference {
            return Err(
                "`take = \"reference\"` gives LOW, NORMAL or HIGH; make it a category".into()
            );
        }
        let is_factor = |factor: &f64| factor.is_normal() && *factor > 0.0;
        if accepts.len() > MOST_CODES || !accepts.values().all(is_factor) {
            return Err(
                "`accepts` gives each unit a finite factor above 0 to the column's own".into()
            );
        }
        if !numeric && !accepts.is_empty() {
            return Err("`accepts` belongs to a numeric measurement".into());
        }
        let picks = [
            ("only", Pick::Only),
            ("first", Pick::First),
            ("last", Pick::Last),
            ("lowest", Pick::Lowest),
            ("highest", Pick::Highest),
        ];
        let pick = self.pick.as_deref().map(|word| one_of("pick", word, &picks)).transpose()?;
        let pick = pick.unwrap_or(Pick::Only);
        if !numeric && matches!(pick, Pick::Lowest | Pick::Highest) {
            return Err("`pick` by height needs a numeric column".into());
        }
        let limits = match self.limits.as_deref() {
            None => Limits::Refuse,
            Some(word) => {
                one_of("limits", word, &[("take", Limits::Take), ("missing", Limits::Missing)])?
            }
        };
        let unit = unit.unwrap_or_default().to_owned();
        Ok(Assay { codes, unit, accepts, pick, take, limits })
    }

    fn of_gene(&self, kind: Kind) -> Result<OfGene, String> {
        let found = || -> Result<OfGene, String> {
            let given = self.counts.clone();
            let counts = given.unwrap_or_else(|| COUNTED.map(str::to_owned).to_vec());
            match counts.iter().find(|class| !CLASSES.contains(&class.as_str())) {
                Some(odd) => Err(format!("`counts` names {odd:?}; it has {}", CLASSES.join(", "))),
                None => Ok(OfGene::Found(counts)),
            }
        };
        match (kind, self.take.as_deref()) {
            (Kind::Category, None) => Ok(OfGene::Pathogenicity),
            (Kind::Category, Some(word)) => {
                one_of("take", word, &[("pathogenicity", false), ("zygosity", true)])
                    .map(|zygosity| if zygosity { OfGene::Zygosity } else { OfGene::Pathogenicity })
            }
            (_, Some(_)) => Err("`take` of a gene belongs to a category".into()),
            (_, None) => found(),
        }
    }

    fn of_survival(&self, what: &str) -> Result<Source, String> {
        if !one_of("survival", what, &[("time", true), ("event", false)])? {
            return match self.since {
                None => Ok(Source::SurvivalEvent),
                Some(_) => Err("`since` belongs to `survival = \"time\"`".into()),
            };
        }
        match &self.since {
            Some(Value::String(text)) if text == "diagnosis" => {
                Ok(Source::SurvivalTime(Since::Diagnosis))
            }
            Some(since) => match point("since", since)? {
                Point::LastEncounter | Point::Death => {
                    Err("survival does not begin at its end; name another `since`".into())
                }
                point => Ok(Source::SurvivalTime(Since::Point(point))),
            },
            None => Err(
                "`survival = \"time\"` needs `since`: \"diagnosis\", \"birth\" or a point such \
                         as { disease = \"MONDO:0018874\" }"
                    .into(),
            ),
        }
    }

    fn of_variants(&self, kind: Kind) -> Result<OfVariants, String> {
        match (kind, self.take.as_deref()) {
            (Kind::Flag, None) => Ok(OfVariants::Found),
            (Kind::Numeric, Some(word)) => one_of(
                "take",
                word,
                &[
                    ("variants", OfVariants::Variants),
                    ("alleles", OfVariants::Alleles),
                    ("fraction", OfVariants::Fraction),
                ],
            ),
            (Kind::Flag, Some(_)) => Err("`take` of variants belongs to a numeric column".into()),
            _ => {
                Err("`take` says what the number is: \"variants\", \"alleles\" or \"fraction\""
                    .into())
            }
        }
    }
}

/// Codes of a finding; any code only where `levels` chooses among them.
fn codes_of(key: &str, value: &Value, kind: Kind) -> Result<Codes, String> {
    match codes(key, value)? {
        Codes::Any if kind != Kind::Category => {
            Err(format!("`{key} = \"*\"` belongs to a category, whose `levels` name the codes"))
        }
        codes => Ok(codes),
    }
}

/// `"HP:0001903"`, a list of such, or `"*"`.
fn codes(key: &str, value: &Value) -> Result<Codes, String> {
    let odd = || format!("`{key}` is a code such as \"HP:0001903\", a list of codes, or \"*\"");
    match value {
        Value::String(text) if text == "*" => Ok(Codes::Any),
        Value::String(text) => Ok(Codes::These(vec![code(text)?])),
        Value::Array(list) if (1..=MOST_CODES).contains(&list.len()) => {
            let own = list.iter().map(|own| code(own.as_str().ok_or_else(odd)?));
            Ok(Codes::These(own.collect::<Result<_, _>>()?))
        }
        _ => Err(odd()),
    }
}

fn code(text: &str) -> Result<String, String> {
    let proper = text.len() <= MOST_CODE && !text.contains(char::is_control);
    match text.split_once([':', '|']) {
        Some((system, own)) if proper && !system.is_empty() && !own.is_empty() => {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "{:?} has no system in front; write a code as the packet has it, such as \"LOINC:718-7\"",
            text.chars().take(MOST_CODE).collect::<String>()
        )),
    }
}

fn gene(symbol: &str) -> Result<String, String> {
    let proper = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    match !symbol.is_empty() && symbol.len() <= MOST_CODE && symbol.chars().all(proper) {
        true => Ok(symbol.to_owned()),
        false => Err(format!("{symbol:?} is no gene's symbol, such as \"NPM1\"")),
    }
}

/// `"birth"`, `"last encounter"`, `"death"`, or a table with a place and its codes.
fn point(key: &str, value: &Value) -> Result<Point, String> {
    let names = [
        ("birth", Point::Birth),
        ("last encounter", Point::LastEncounter),
        ("death", Point::Death),
    ];
    if let Value::String(word) = value {
        let found = names.into_iter().find(|(own, _)| own == word).map(|(_, point)| point);
        return found.ok_or_else(|| {
            format!(
                "`{key}` is \"birth\", \"last encounter\", \"death\" or a point such as \
                 {{ disease = \"MONDO:0018874\" }}, not {word:?}"
            )
        });
    }
    let places = value.as_table().filter(|table| table.len() == 1);
    let found = places.and_then(|table| table.iter().next()).map(
        |(place, own)| -> Result<Option<Point>, String> {
            let codes = || codes(place, own);
            match place.as_str() {
                "feature" => Ok(Some(Point::Feature(codes()?))),
                "disease" => Ok(Some(Point::Disease(codes()?))),
                "measurement" => Ok(Some(Point::Measurement(codes()?))),
                "action" => Ok(Some(Point::Action(codes()?))),
                _ => Ok(None),
            }
        },
    );
    let found: Option<Point> = found.transpose().map(Option::flatten)?;
    found.ok_or_else(|| {
        format!(
            "`{key}` names one of `feature`, `disease`, `measurement` and `action` with its code"
        )
    })
}
