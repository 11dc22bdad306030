//! What is wrong or odd with a file of patients, in words for the hospital that holds it.
//!
//! Everything is found by [`haima_fl_core::quality`], which reads as intake does; here it becomes
//! lines of a screen.

use std::fmt::Write as _;
use std::path::Path;

use haima_fl_core::quality::{self, By, ColumnReport, Quality};
use haima_fl_core::schema::{Column, Kind};

use super::Reading;
use super::source::{Source, name_of};
use crate::Error;
use crate::text::columns;

/// Faults and pairs that are shown without `--all`.
pub const SHOWN: usize = 20;

/// Looks at a file.
///
/// # Errors
/// When it cannot be opened. What is wrong inside is in the report.
pub fn report(data: &Path, reading: &Reading) -> Result<Quality, Error> {
    Ok(quality::check(&name_of(data), Source::open(data)?, &reading.schema))
}

/// The report as text, with at most so many faults and as many pairs of rows that look alike.
///
/// # Security
/// Quotes fields of the file; it belongs to the site.
#[must_use]
pub fn show(report: &Quality, reading: &Reading, shown: usize) -> String {
    let reports = in_order_of(&reading.header, &report.columns);
    let mut text = String::new();
    let (rows, s) = plural(report.rows);
    let (patients, p) = plural(report.patients);
    let _ = writeln!(text, "{}: {rows} row{s}, {patients} patient{p}\n", report.file);
    text.push_str(&table(&reports, &reading.schema.columns));
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
    if reading.parquet && report.alike_count + report.fault_count > 0 {
        text.push_str("\nThe first row of a Parquet file counts as line 2, as below a header.\n");
    }
    if report.accepted {
        text.push_str(&match &reading.pooled {
            None => "\nNo faults: a site takes this file.\n".to_owned(),
            Some(column) => {
                format!("\nNo faults: each site takes its rows of this file, without `{column}`.\n")
            }
        });
    }
    text
}

/// `count` with the ending of its noun.
fn plural(count: u64) -> (u64, &'static str) {
    (count, if count == 1 { "" } else { "s" })
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

/// What the schema says of each column, and what the file holds.
fn table(reports: &[&ColumnReport], schema: &[Column]) -> String {
    const HEADING: [&str; 11] = [
        "column",
        "type",
        "unit",
        "range",
        "missing",
        "least",
        "median",
        "most",
        "at ends",
        "outside",
        "unreadable",
    ];
    let mut rows = vec![HEADING.map(str::to_owned).to_vec()];
    rows.extend(reports.iter().map(|column| {
        let mut row = vec![column.header.clone().unwrap_or_else(|| column.column.clone())];
        let own = schema.iter().find(|own| own.name == column.column);
        row.extend(own.map_or([String::new(), String::new(), String::new()], said));
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

/// A column's type, unit and range as the schema has them.
fn said(column: &Column) -> [String; 3] {
    match &column.kind {
        Kind::Numeric { unit, range: (low, high), .. } => {
            ["numeric".into(), unit.clone(), format!("{} to {}", number(*low), number(*high))]
        }
        Kind::Flag => ["flag".into(), String::new(), "0, 1".into()],
        Kind::Category { levels } => {
            ["category".into(), String::new(), format!("{} levels", levels.len())]
        }
    }
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
    use haima_fl_core::schema::Schema;

    use super::*;

    const SCHEMA: &str = "patient = \"id\"\n\
        [[column]]\nname = \"hb\"\nkind = \"numeric\"\nunit = \"g/dL\"\nrange = [3, 22]\n\
        missing = true\naccepts = { \"g/L\" = 0.1 }\n\
        [[column]]\nname = \"sex\"\nkind = \"category\"\nlevels = [\"F\", \"M\"]\n";

    fn shown(text: &str, most: usize) -> String {
        let schema = Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap();
        let header = text.lines().next().unwrap_or_default().split(',').map(str::to_owned);
        let header = header.collect();
        let reading = Reading { schema, header, pooled: None, parquet: false };
        let report = quality::check("a.csv", text.as_bytes(), &reading.schema);
        show(&report, &reading, most)
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
        assert!(text.starts_with("a.csv: 6 rows, 6 patients\n\ncolumn      type"), "{text}");
        assert!(
            text.contains("times 0.1; if they are in g/L, write the header `hb [g/L]`"),
            "{text}"
        );
        assert!(text.contains("does not know: `male` (6)"), "{text}");
        assert!(text.contains("  and 9 more; --all shows them\n"), "{text}");
        assert!(shown(&format!("id,hb,sex\n{rows}"), 99).lines().count() > text.lines().count());
    }

    #[test]
    fn a_file_without_faults_says_so_and_each_column_has_its_line() {
        let text = shown("id,hb [g/L],sex\n1,130,F\n2,,M\n", 20);
        assert!(text.ends_with("\nNo faults: a site takes this file.\n"), "{text}");
        let words: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        let hb = "hb [g/L] numeric g/dL 3 to 22 50.0 % 13 13 13".split(' ').collect::<Vec<_>>();
        assert!(words.contains(&hb), "{text}");
        let sex = "sex category 2 levels 0.0 %".split(' ').collect::<Vec<_>>();
        assert!(words.contains(&sex), "{text}");
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 1.5, 1234.56, -0.25, 1e9, 1e-5].map(number);
        assert_eq!(shown, ["0", "1.5", "1235", "-0.25", "1.000e9", "1.000e-5"]);
    }
}
