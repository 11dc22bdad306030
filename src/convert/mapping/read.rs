//! Reads a mapping file and checks all that can be known without data: what is wrong in it would
//! otherwise be a column of missing values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::from::RawFrom;
use super::panel::{Genes, Panel, RawPanel};
use super::{Codes, Column, Id, Kind, Mapping, OfGene, Source};
use crate::Error;
use crate::model_file::bounded;

const MOST_BYTES: u64 = 4 << 20;
const MOST_COLUMNS: usize = 4096;
/// Levels of a column, labels, systems.
const MOST_ENTRIES: usize = 10_000;
/// Bytes of a name or a level.
const MOST_NAME: usize = 128;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default = "patient")]
    patient: String,
    id: Option<String>,
    imprecise: Option<String>,
    #[serde(default)]
    systems: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    column: Vec<RawColumn>,
    vcf: Option<RawPanel>,
}

fn patient() -> String {
    "patient".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawColumn {
    name: String,
    kind: String,
    from: RawFrom,
    unit: Option<String>,
    #[serde(default)]
    accepts: BTreeMap<String, f64>,
    #[serde(default)]
    levels: BTreeMap<String, String>,
    other: Option<String>,
    absent: Option<i64>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// When it cannot be read or used, with the column and what to do.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = bounded(path, MOST_BYTES)?;
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|_| Error::config(path, "is not UTF-8; save it as such"))?;
        Self::parse(text).map_err(|problem| Error::config(path, problem))
    }

    /// The same of a text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let raw: Raw = toml::from_str(text).map_err(|error| error.to_string())?;
        let id = match raw.id {
            Some(id) => one_of("id", &id, &[("subject", Id::Subject), ("packet", Id::Packet)])?,
            None => Id::Subject,
        };
        let middle = match raw.imprecise {
            Some(text) => one_of("imprecise", &text, &[("missing", false), ("middle", true)])?,
            None => false,
        };
        if !(1..=MOST_COLUMNS).contains(&raw.column.len()) {
            return Err(format!("between 1 and {MOST_COLUMNS} [[column]] entries"));
        }
        if raw.systems.len().max(raw.labels.len()) > MOST_ENTRIES {
            return Err(format!("at most {MOST_ENTRIES} `systems` and `labels`"));
        }
        let columns = raw.column.into_iter().map(RawColumn::check);
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let mut names = BTreeSet::new();
        for name in [&raw.patient].into_iter().chain(columns.iter().map(|own| &own.name)) {
            check_name(name)?;
            if !names.insert(name) {
                return Err(format!("column `{name}` stands twice; name each once"));
            }
        }
        let panel = raw.vcf.map(RawPanel::check).transpose();
        let panel = panel.map_err(|problem| format!("[vcf]: {problem}"))?;
        check_panel(&columns, panel.as_ref())?;
        // A file says which URI a prefix has; a bundle says which prefix an URI has.
        let systems = raw.systems.into_iter().map(|(prefix, uri)| (uri, prefix)).collect();
        let patient = raw.patient;
        Ok(Self { patient, id, middle, columns, systems, labels: raw.labels, panel })
    }
}

impl RawColumn {
    fn check(self) -> Result<Column, String> {
        let name = self.name.clone();
        let column = self.checked();
        column.map_err(|problem| format!("column `{}`: {problem}", name.escape_debug()))
    }

    fn checked(self) -> Result<Column, String> {
        let kind = one_of("kind", &self.kind, &Kind::NAMES)?;
        let from = self.from.check(kind, self.unit.as_deref(), self.accepts)?;
        if !fits(kind, &from) {
            let odd = match kind {
                Kind::Interval => "an interval stands from `start` to `end`".to_owned(),
                Kind::Numeric | Kind::Flag | Kind::Category => {
                    format!("what `from` names is no {}; change `kind`", self.kind)
                }
            };
            return Err(odd);
        }
        let absent_is_zero = match self.absent {
            None => false,
            Some(0) if kind == Kind::Flag && from != Source::Sex => true,
            Some(_) => {
                return Err("`absent = 0` belongs to a flag: what is not there is then 0, and \
                            missing without it"
                    .into());
            }
        };
        let (name, levels, other) = (self.name, self.levels, self.other);
        let column = Column { name, kind, from, levels, other, absent_is_zero };
        check_levels(&column)?;
        Ok(column)
    }
}

/// Whether a place can hold a kind.
fn fits(kind: Kind, from: &Source) -> bool {
    let allowed: &[Kind] = match from {
        Source::Sex
        | Source::Feature(_)
        | Source::Disease(_)
        | Source::Action { .. }
        | Source::Gene { .. } => &[Kind::Flag, Kind::Category],
        Source::Age { .. } => &[Kind::Numeric, Kind::Category],
        Source::Measurement(_) => &[Kind::Numeric, Kind::Flag, Kind::Category],
        Source::SurvivalTime(_) => &[Kind::Numeric],
        Source::SurvivalEvent => &[Kind::Flag],
        Source::Interval { .. } => &[Kind::Interval],
        Source::Variants { .. } => &[Kind::Numeric, Kind::Flag],
    };
    allowed.contains(&kind)
}

/// Levels stand where codes become texts, and nowhere else.
fn check_levels(column: &Column) -> Result<(), String> {
    let by_code = match &column.from {
        Source::Sex | Source::Measurement(_) => column.kind != Kind::Numeric,
        _ => column.kind == Kind::Category,
    };
    let Column { levels, other, .. } = column;
    if !by_code {
        return match levels.is_empty() && other.is_none() {
            true => Ok(()),
            false => Err("has neither `levels` nor `other`: no code becomes its value".into()),
        };
    }
    if !(1..=MOST_ENTRIES).contains(&levels.len()) {
        return Err(
            "needs `levels`: what each code becomes, such as `levels = { \"MALE\" = \"M\", \
                    \"FEMALE\" = \"F\" }`; \"\" counts as missing"
                .into(),
        );
    }
    for level in levels.values().chain(other) {
        if level.len() > MOST_NAME || level.contains(char::is_control) {
            return Err(format!("a level has at most {MOST_NAME} bytes and no control character"));
        }
        if column.kind == Kind::Flag && !["0", "1", ""].contains(&level.as_str()) {
            return Err("the levels of a flag are \"0\", \"1\" and \"\" for missing".into());
        }
    }
    let (Source::Feature(codes) | Source::Disease(codes) | Source::Action { codes, .. }) =
        &column.from
    else {
        return Ok(());
    };
    if let Codes::These(codes) = codes
        && other.is_none()
        && let Some(code) = codes.iter().find(|code| !levels.contains_key(*code))
    {
        return Err(format!("`levels` does not say what {code} becomes"));
    }
    Ok(())
}

/// Columns of variants have a panel, and its regions have their genes.
fn check_panel(columns: &[Column], panel: Option<&Panel>) -> Result<(), String> {
    for column in columns {
        let name = &column.name;
        match (&column.from, panel) {
            (Source::Variants { .. }, None) => {
                return Err(format!(
                    "column `{name}` is read from variant files; say how by a [vcf] table"
                ));
            }
            (Source::Variants { gene, .. }, Some(Panel { genes: Genes::Regions(own, _), .. }))
                if !own.iter().any(|region| region.gene == *gene) =>
            {
                return Err(format!("column `{name}`: `regions` has none of {gene}"));
            }
            (Source::Gene { take: OfGene::Found(classes), .. }, _) if classes.is_empty() => {
                return Err(format!("column `{name}`: `counts` names no class"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// As a network's schema names columns.
fn check_name(name: &str) -> Result<(), String> {
    let proper = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !name.is_empty() && name.len() <= MOST_NAME && name.chars().all(proper) {
        return Ok(());
    }
    Err(format!(
        "`{}`: a name has 1 to {MOST_NAME} bytes of letters, digits, `_`, `.` and `-`",
        name.escape_debug().take(MOST_NAME).collect::<String>()
    ))
}

/// What a word stands for.
pub(super) fn one_of<T: Copy>(key: &str, word: &str, names: &[(&str, T)]) -> Result<T, String> {
    let found = names.iter().find(|(own, _)| *own == word).map(|(_, meant)| *meant);
    found.ok_or_else(|| {
        let names: Vec<String> = names.iter().map(|(own, _)| format!("\"{own}\"")).collect();
        format!("`{key}` is {}, not {word:?}", names.join(" or "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(column: &str) -> String {
        Mapping::parse(&format!("[[column]]\n{column}")).unwrap_err()
    }

    #[test]
    fn a_column_that_could_only_be_missing_is_refused_with_what_to_do() {
        for (column, says) in [
            (
                "name = \"a\"\nkind = \"number\"\nfrom = { subject = \"sex\" }",
                "`kind` is \"numeric\" or",
            ),
            (
                "name = \"a\"\nkind = \"flag\"\nfrom = { feature = \"0001903\" }",
                "has no system in front",
            ),
            (
                "name = \"a\"\nkind = \"numeric\"\nfrom = { measurement = \"LOINC:718-7\" }",
                "`unit`",
            ),
            ("name = \"a\"\nkind = \"numeric\"\nfrom = { feature = \"HP:1\" }", "no numeric"),
            ("name = \"a\"\nkind = \"category\"\nfrom = { subject = \"sex\" }", "needs `levels`"),
            (
                "name = \"a\"\nkind = \"category\"\nfrom = { disease = [\"A:1\", \"A:2\"] }\n\
                 levels = { \"A:1\" = \"x\" }",
                "what A:2 becomes",
            ),
            (
                "name = \"a\"\nkind = \"flag\"\nfrom = { subject = \"sex\" }\nlevels = { MALE = \"M\" }",
                "the levels of a flag",
            ),
            ("name = \"a\"\nkind = \"flag\"\nfrom = { feature = \"*\" }", "belongs to a category"),
            (
                "name = \"a\"\nkind = \"flag\"\nfrom = { feature = \"A:1\", pick = \"last\" }",
                "`pick`",
            ),
            (
                "name = \"a\"\nkind = \"flag\"\nfrom = { feature = \"A:1\", disease = \"A:1\" }",
                "one place",
            ),
            (
                "name = \"a\"\nkind = \"flag\"\nfrom = { feature = \"A:1\" }\nabsent = 1",
                "`absent = 0`",
            ),
            ("name = \"a\"\nkind = \"interval\"\nfrom = { start = \"birth\" }", "`end`"),
            (
                "name = \"a\"\nkind = \"interval\"\nfrom = { start = \"now\", end = \"death\" }",
                "\"now\"",
            ),
            ("name = \"a\"\nkind = \"flag\"\nfrom = { variants = \"NPM1\" }", "[vcf]"),
            ("name = \"a b\"\nkind = \"flag\"\nfrom = { feature = \"A:1\" }", "a name has"),
            ("name = \"patient\"\nkind = \"flag\"\nfrom = { feature = \"A:1\" }", "stands twice"),
            ("name = \"a\"\nkind = \"flag\"\nfrom = { feature = \"A:1\" }\nlevel = 1", "level"),
        ] {
            let said = refusal(column);
            assert!(said.contains(says), "{column}\n{said}");
        }
        assert!(Mapping::parse("").unwrap_err().contains("[[column]]"));
    }

    #[test]
    fn regions_are_pasted_from_a_bed_file() {
        let mapping = |regions: &str| {
            Mapping::parse(&format!(
                "[vcf]\nassembly = \"GRCh38\"\nregions = \"\"\"\n{regions}\"\"\"\n[[column]]\n\
                 name = \"npm1\"\nkind = \"flag\"\nfrom = {{ variants = \"NPM1\" }}\n"
            ))
        };
        let found = mapping("# panel\nchr5\t171387115\t171410884\tNPM1\t0\t+\n").unwrap();
        let Some(Genes::Regions(regions, _)) = found.panel.map(|own| own.genes) else { panic!() };
        let own = &regions[0];
        assert_eq!((own.chromosome.as_str(), own.start, own.end), ("5", 171_387_115, 171_410_884));
        assert!(mapping("chr5 1 2 TP53\n").unwrap_err().contains("none of NPM1"));
        assert!(mapping("chr5 2 1 NPM1\n").unwrap_err().contains("line 1"));
    }
}
