//! `haima check`: everything that is wrong or odd with a file of patients, for the eyes of the
//! hospital that holds it. Nothing is sent.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use haima_fl_core::quality::{self, By, ColumnReport, Quality};
use haima_fl_core::schema::{PatientKey, Schema};

use crate::Error;
use crate::model_file::patients::Patients;
use crate::text::columns;

/// Faults and pairs that are shown without `--all`.
const SHOWN: usize = 20;

/// `haima check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The file of patients (CSV).
    data: PathBuf,
    /// The network's schema: a file of it alone, or a study or manifest that has it as `[schema]`.
    #[arg(long)]
    schema: PathBuf,
    /// Of a pooled file: the column that names the hospital, which is not read; by default the
    /// `site_column` of a study's template.
    #[arg(long, visible_alias = "site-column", value_name = "COLUMN")]
    site: Option<String>,
    /// Print the report as JSON (`haima.quality/1`). It quotes fields of the file.
    #[arg(long)]
    json: bool,
    /// Show all faults, not the first 20.
    #[arg(long)]
    all: bool,
}

/// Checks a file; fails where intake would refuse it, after the whole report.
pub(super) fn run(command: &Check) -> Result<(), Error> {
    let Check { data, schema, site, json, all } = command;
    let (mut schema, site_column) = read_schema(schema)?;
    // What has no header that can be read has that as its fault, below.
    let header = Patients::open(data).map_or(Vec::new(), |file| file.names().to_vec());
    if let Some(column) = site
        && !header.is_empty()
        && !header.contains(column)
    {
        let problem = format!("no column {column:?} (--site); it has {}", header.join(", "));
        return Err(Error::config(data, problem));
    }
    let pooled = site.clone().or(site_column).filter(|column| header.contains(column));
    let pooled = pooled.filter(|column| !is_named(&schema, column));
    if let Some(column) = &pooled {
        schema.ignore.push(column.clone());
        eprintln!(
            "note: `{column}` names the hospital of each row and is not read; a hospital's own file \
             must not have it"
        );
    }
    let file = File::open(data).map_err(|error| Error::file(data, error))?;
    let name = data.file_name().unwrap_or(data.as_os_str()).to_string_lossy();
    let report = quality::check(&name, file, &schema);
    if *json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Error::config(data, error.to_string()))?;
        println!("{text}");
    } else {
        let shown = if *all { usize::MAX } else { SHOWN };
        print!("{}", show(&report, &header, pooled.as_deref(), shown));
    }
    if report.accepted {
        return Ok(());
    }
    let (count, s) = plural(report.fault_count);
    Err(Error::config(data, format!("{count} fault{s}; a site would refuse this file")))
}

/// The schema, and the column by which the study's template splits a pooled file.
fn read_schema(path: &Path) -> Result<(Schema, Option<String>), Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| Error::config(path, error.to_string()))?;
    let own = table.get("schema").and_then(toml::Value::as_table);
    // A training's task file says what is trained, and nothing of columns.
    if own.is_none() && !table.contains_key("column") && table.contains_key("model") {
        let problem = "is a task file, not a schema; give the schema of its columns, or a study's \
                       template or manifest that has one";
        return Err(Error::config(path, problem));
    }
    let schema = Schema::from_toml(own.unwrap_or(&table));
    let schema = schema.map_err(|error| Error::config(path, error.to_string()))?;
    let site_column = own.and_then(|_| table.get("site_column")?.as_str());
    Ok((schema, site_column.map(str::to_owned)))
}

/// Whether a schema says anything of a column.
fn is_named(schema: &Schema, name: &str) -> bool {
    matches!(&schema.patient, PatientKey::Column(key) if key == name)
        || schema.columns.iter().any(|column| column.name == name)
        || schema.ignore.iter().any(|ignored| ignored == name)
}

fn plural(count: u64) -> (u64, &'static str) {
    (count, if count == 1 { "" } else { "s" })
}

fn show(report: &Quality, header: &[String], pooled: Option<&str>, shown: usize) -> String {
    let reports = in_order_of(header, &report.columns);
    let mut text = String::new();
    let (rows, s) = plural(report.rows);
    let (patients, p) = plural(report.patients);
    let _ = writeln!(text, "{}: {rows} row{s}, {patients} patient{p}\n", report.file);
    text.push_str(&table(&reports));
    let odd: Vec<String> = reports.iter().flat_map(|column| oddities(column)).collect();
    part(&mut text, "Look at", &odd, odd.len() as u64, usize::MAX);
    let alike = report.alike.iter().map(|pair| {
        let by = match pair.by {
            By::Values => "all values are equal, the keys are not",
            By::Key => "the keys differ only in case, blanks or leading zeros",
        };
        format!("line {} looks like line {}: {by}", pair.line, pair.first)
    });
    part(
        &mut text,
        "Likely the same patient",
        &alike.collect::<Vec<_>>(),
        report.alike_count,
        shown,
    );
    let faults = report.faults.iter().map(|fault| {
        let place = match (fault.line, fault.field.as_str()) {
            (0, "") => String::new(),
            (line, "") => format!("line {line}: "),
            (line, field) => format!("line {line}, `{field}`: "),
        };
        format!("{place}{}", short(&fault.problem))
    });
    part(&mut text, "Faults", &faults.collect::<Vec<_>>(), report.fault_count, shown);
    if report.accepted {
        text.push_str(&match pooled {
            None => "\nNo faults: a site takes this file.\n".to_owned(),
            Some(column) => {
                format!("\nNo faults: each site takes its rows of this file, without `{column}`.\n")
            }
        });
    }
    text
}

/// Reports in the order of the file's header; columns that it lacks come last.
fn in_order_of<'a>(header: &[String], reports: &'a [ColumnReport]) -> Vec<&'a ColumnReport> {
    let place = |report: &&ColumnReport| {
        let own = report.header.as_ref();
        own.and_then(|own| header.iter().position(|name| name == own)).unwrap_or(usize::MAX)
    };
    let mut sorted: Vec<&ColumnReport> = reports.iter().collect();
    sorted.sort_by_key(place);
    sorted
}

/// A problem that names hundreds of levels, cut.
fn short(problem: &str) -> String {
    const MOST: usize = 400;
    match problem.char_indices().nth(MOST) {
        Some((at, _)) => format!("{} ... (--json has all)", problem.get(..at).unwrap_or(problem)),
        None => problem.to_owned(),
    }
}

/// A heading with lines below it, and how many more there are.
fn part(text: &mut String, heading: &str, lines: &[String], count: u64, shown: usize) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{heading}");
    for line in lines.iter().take(shown) {
        let _ = writeln!(text, "  {line}");
    }
    let more = count.saturating_sub(lines.len().min(shown) as u64);
    if more > 0 {
        let how = if shown < lines.len() { "; --all shows them" } else { "" };
        let _ = writeln!(text, "  and {more} more{how}");
    }
}

fn table(reports: &[&ColumnReport]) -> String {
    let heading =
        ["column", "missing", "least", "median", "most", "at ends", "outside", "unreadable"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(reports.iter().map(|column| {
        let mut row = vec![column.header.clone().unwrap_or_else(|| column.column.clone())];
        if column.header.is_none() {
            row.push("absent".to_owned());
            return row;
        }
        row.push(format!("{:.1} %", 100.0 * column.missing_share));
        match column.numbers {
            Some(numbers) => {
                row.extend([numbers.min, numbers.median, numbers.max].map(number));
                row.extend([numbers.at_ends, numbers.outside].map(count));
            }
            None => row.extend(["", "", "", "", ""].map(str::to_owned)),
        }
        row.push(count(column.unreadable));
        row
    }));
    columns(&rows)
}

/// At most five digits, without zeros at the end.
fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let digits = if size >= 1000.0 { 0 } else { 3 };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn count(count: u64) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}

/// What of a column deserves a look, whether or not it is a fault.
fn oddities(column: &ColumnReport) -> Vec<String> {
    let name = &column.column;
    let mut odd = Vec::new();
    if column.constant {
        odd.push(format!("`{name}`: one value in all patients; it can explain nothing"));
    }
    if column.present == 0 && column.missing > 0 {
        odd.push(format!("`{name}`: no value at all"));
    }
    if let Some(unit) = &column.unit {
        let header = match &unit.unit {
            Some(unit) => format!("; if they are in {unit}, write the header `{name} [{unit}]`"),
            None => "; check its unit".to_owned(),
        };
        let factor = number(unit.factor);
        odd.push(format!("`{name}`: values would suit the public range times {factor}{header}"));
    }
    if !column.unknown.is_empty() {
        let spellings: Vec<String> =
            column.unknown.iter().take(10).map(|(text, n)| format!("`{text}` ({n})")).collect();
        let more = if column.unknown.len() > 10 { ", ..." } else { "" };
        let list = spellings.join(", ");
        odd.push(format!("`{name}`: spellings that the schema does not know: {list}{more}"));
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "patient = \"id\"\n\
        [[column]]\nname = \"hb\"\nkind = \"numeric\"\nunit = \"g/dL\"\nrange = [3, 22]\n\
        missing = true\naccepts = { \"g/L\" = 0.1 }\n\
        [[column]]\nname = \"sex\"\nkind = \"category\"\nlevels = [\"F\", \"M\"]\n";

    fn shown(text: &str, most: usize) -> String {
        let schema = Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap();
        let header: Vec<String> =
            text.lines().next().unwrap_or_default().split(',').map(str::to_owned).collect();
        show(&quality::check("a.csv", text.as_bytes(), &schema), &header, None, most)
    }

    #[test]
    fn columns_stand_in_the_order_of_the_file() {
        let text = shown("sex,id,hb [g/L]\nF,1,130\nM,2,140\n", 20);
        let at = |column: &str| text.find(&format!("\n{column} ")).unwrap();
        assert!(at("sex") < at("hb [g/L]"), "{text}");
        let without = shown("sex,id\nF,1\n", 20);
        let last = without.find("\nhb ").unwrap();
        assert!(without.find("\nsex ").unwrap() < last, "{without}");
    }

    #[test]
    fn a_wrong_unit_and_an_unknown_spelling_are_told_with_what_to_do() {
        let rows: String = (0..6).map(|i| format!("{i},{},male\n", 110 + i)).collect();
        let text = shown(&format!("id,hb,sex\n{rows}"), 3);
        assert!(text.starts_with("a.csv: 6 rows, 6 patients\n\ncolumn  missing"), "{text}");
        assert!(
            text.contains("times 0.1; if they are in g/L, write the header `hb [g/L]`"),
            "{text}"
        );
        assert!(text.contains("does not know: `male` (6)"), "{text}");
        assert!(text.contains("  and 9 more; --all shows them\n"), "{text}");
        assert!(shown(&format!("id,hb,sex\n{rows}"), 99).lines().count() > text.lines().count());
    }

    #[test]
    fn a_file_without_faults_says_so() {
        let text = shown("id,hb [g/L],sex\n1,130,F\n2,,M\n", 20);
        assert!(text.ends_with("\nNo faults: a site takes this file.\n"), "{text}");
        assert!(text.contains("hb [g/L]   50.0 %     13      13    13"), "{text}");
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 1.5, 1234.56, -0.25, 1e9, 1e-5].map(number);
        assert_eq!(shown, ["0", "1.5", "1235", "-0.25", "1.000e9", "1.000e-5"]);
    }
}
