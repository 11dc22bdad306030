//! A hospital's export in the form that everything else reads: commas, decimal points, UTF-8, an empty
//! field for a missing value, 1 and 0, days in place of dates.
//!
//! What is done is said by options ([`Plan`]) and told by column and count ([`Report`]). Nothing is
//! guessed: what may mean two things is refused with line and column, by the same rules by which an
//! analysis refuses it (`look`). Intake itself stays as strict as it is.

mod cells;
mod decode;
mod header;
mod plan;
mod show;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use csv::{ByteRecord, Position};
use haima_fl_core::quality::records;
use haima_fl_core::schema::check_name;
use serde::Serialize;

use super::form;
use super::look::{self, What, odd};
use super::source::name_of;
use crate::Error;
use crate::data::dates::{self, Unread};
use crate::report::numbers::counted;
use cells::{Cells, Fault, Marks};
pub use decode::Encoding;
pub use plan::{DateOrder, Flag, Interval, Length, Plan, Rename, Scoped};
pub use show::show;

/// Value of `schema`.
pub const SCHEMA: &str = "haima.data-clean/1";
/// Bytes of a file.
const MOST_BYTES: u64 = 2 << 30;
/// Faults that are named.
const NAMED: usize = 30;

/// What was done.
///
/// # Security
/// Counts fields of patients; it belongs to the site.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The file's name.
    pub file: String,
    /// How it is written.
    pub encoding: &'static str,
    /// What separates its fields.
    pub separator: char,
    /// Rows that were written.
    pub rows: usize,
    /// Rows without any value, which were left out.
    pub blank_rows: usize,
    /// Columns in the export's order, those that were made last.
    pub columns: Vec<Changed>,
    /// What a person should look at.
    pub notes: Vec<String>,
}

/// What was done to a column.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// Header in the export; what it was made of, for a new one.
    pub header: String,
    /// Header in the file that was written; none where the column is left out.
    pub written: Option<String>,
    /// What was done, with the number of fields.
    pub changes: BTreeMap<String, usize>,
}

/// An export that is in order.
#[derive(Clone, Debug)]
pub struct Cleaned {
    /// The table as intake takes it.
    pub csv: String,
    /// What was done.
    pub report: Report,
}

/// The rows of an export, column by column.
struct Export {
    columns: Vec<Cells>,
    /// Line of each row.
    lines: Vec<u64>,
    /// Columns that are left out, with what was made of them.
    left: Vec<Changed>,
    faults: Vec<(u64, String, String)>,
}

/// Puts an export in order.
///
/// # Errors
/// When it cannot be read, has no header that can be read, lacks a column that an option names, or holds
/// fields that may mean two things; all of these are told, with line and column.
pub fn clean(path: &Path, plan: &Plan) -> Result<Cleaned, Error> {
    let fault = |problem: String| Error::data(path, problem);
    let (text, encoding) = decode::text(&bytes(path)?, plan.encoding).map_err(fault)?;
    if text.trim().is_empty() {
        return Err(fault("the file is empty; its first line must name the columns".into()));
    }
    let (text, separator) = separated(text, plan.separator).map_err(fault)?;
    let found = records(&name_of(path), text.as_bytes(), separator)?;
    let (mut export, blank_rows) = Export::of(found, plan).map_err(fault)?;
    export.check(plan)?;
    export.apply(plan);
    export.intervals(plan);
    let notes = export.look();
    export.refuse(&notes).map_err(fault)?;
    let csv = export.csv().map_err(fault)?;
    let mut columns: Vec<Changed> = export.columns.into_iter().map(Cells::into_changed).collect();
    columns.extend(export.left);
    let report = Report {
        schema: SCHEMA,
        file: name_of(path).into_owned(),
        encoding: encoding.name(),
        separator: char::from(separator),
        rows: export.lines.len(),
        blank_rows,
        columns,
        notes,
    };
    Ok(Cleaned { csv, report })
}

fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| Error::file(path, error))?;
    let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::file(path, error))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Error::data(path, format!("has more than {MOST_BYTES} bytes; split it")));
    }
    Ok(bytes)
}

/// The text, without the line by which Excel names the separator, and the separator.
fn separated(mut text: String, told: Option<u8>) -> Result<(String, u8), String> {
    let declared = form::declared(text.as_bytes());
    if declared.is_some() {
        // The line stays, so that others keep their numbers.
        let end = text.find(['\r', '\n']).unwrap_or(text.len());
        text.replace_range(..end, "");
    }
    if let Some(separator) = told.or(declared) {
        return Ok((text, separator));
    }
    let head = text.as_bytes();
    let head = head.get(..form::HEAD.min(head.len())).unwrap_or(head);
    match form::fitting(head).as_slice() {
        [one] => Ok((text, *one)),
        [] => {
            Err("line 1: no separator gives the first lines as many fields as the header has; say \
                   --separator, then the lines that differ are told"
                .into())
        }
        several => {
            let named: Vec<&str> = several.iter().map(|byte| form::named(*byte)).collect();
            let problem =
                format!("line 1: {} may separate columns; say --separator", named.join(" or "));
            Err(problem)
        }
    }
}

fn line(record: &ByteRecord) -> u64 {
    record.position().map_or(0, Position::line)
}

impl Export {
    /// Of an export's records; and how many of them have no value.
    fn of(records: Vec<ByteRecord>, plan: &Plan) -> Result<(Self, usize), String> {
        let mut records = records.into_iter();
        let header =
            records.next().ok_or("the file is empty; its first line must name the columns")?;
        let mut columns = header::columns(&header, plan)?;
        let (mut lines, mut blank) = (Vec::new(), 0);
        for record in records {
            if record.len() != columns.len() {
                let (got, expected, line) = (record.len(), columns.len(), line(&record));
                return Err(format!(
                    "line {line}: {got} fields where the header has {expected}; check the separators \
                     and quotes of this line"
                ));
            }
            let field = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
            let fields: Vec<String> = record.iter().map(field).collect();
            if fields.iter().all(|field| field.trim().is_empty()) {
                blank += 1;
                continue;
            }
            lines.push(line(&record));
            for (column, field) in columns.iter_mut().zip(fields) {
                column.fields.push(field);
            }
        }
        if lines.is_empty() {
            return Err("a header but no patient; export the cohort again".into());
        }
        // Lines that end in a separator have a column without a name.
        let nameless = columns.iter().position(|own| own.name.is_empty() && !own.is_empty());
        if let Some(at) = nameless {
            let at = at + 1;
            return Err(format!("line 1: column {at} has values and no name; give it one"));
        }
        columns.retain(|own| !own.name.is_empty());
        let (left, faults) = (Vec::new(), Vec::new());
        Ok((Self { columns, lines, left, faults }, blank))
    }

    /// Holds the columns that options name against those that there are.
    fn check(&self, plan: &Plan) -> Result<(), Error> {
        let fault = |option: &str, problem: String| Err(Error::config(Path::new(option), problem));
        let scoped = |option: &'static str, list: &[Scoped]| -> Vec<(&'static str, String)> {
            list.iter().filter_map(|one| Some((option, one.column.clone()?))).collect()
        };
        let mut named = scoped("--missing", &plan.missing);
        named.extend(scoped("--decimal", &plan.decimal));
        named.extend(plan.flags.iter().map(|flag| ("--flag", flag.column.clone())));
        named.extend(plan.drop.iter().map(|column| ("--drop", column.clone())));
        named.extend(plan.text.iter().map(|column| ("--text", column.clone())));
        let dates = plan.intervals.iter().flat_map(|one| [one.from.clone(), one.to.clone()]);
        named.extend(dates.map(|column| ("--interval", column)));
        for (option, column) in named {
            if !self.columns.iter().any(|own| own.is(&column)) {
                let there: Vec<&str> = self.columns.iter().map(|own| own.header.as_str()).collect();
                return fault(option, format!("no column {column:?}; it has {}", there.join(", ")));
            }
        }
        if let Some(wrong) =
            plan.decimal.iter().find(|one| !matches!(one.value.as_str(), "," | "."))
        {
            let mark = look::quoted(&wrong.value);
            return fault("--decimal", format!("{mark} is no decimal mark; say `,` or `.`"));
        }
        let all = plan.decimal.iter().find(|one| one.column.is_none());
        if let Some(mark) = plan.thousands
            && all.is_some_and(|one| one.value.starts_with(mark))
        {
            let mark = look::quoted(&mark.to_string());
            let problem =
                format!("{mark} is the --decimal of all columns, too; say one of the two");
            return fault("--thousands", problem);
        }
        let mut made: Vec<&str> = Vec::new();
        for Interval { name, .. } in &plan.intervals {
            if made.contains(&name.as_str()) || self.columns.iter().any(|own| own.is(name)) {
                let problem = format!("there is a column {name:?}; give the new one another name");
                return fault("--interval", problem);
            }
            if check_name(name).is_err() {
                let name = look::quoted(name);
                let problem =
                    format!("{name} is no name of a schema: letters, digits, `_`, `.`, `-`");
                return fault("--interval", problem);
            }
            made.push(name);
        }
        Ok(())
    }

    /// Does what the plan says, column by column.
    fn apply(&mut self, plan: &Plan) {
        let is_dropped = |own: &Cells| plan.drop.iter().any(|name| own.is(name));
        let (dropped, kept): (Vec<Cells>, Vec<Cells>) =
            std::mem::take(&mut self.columns).into_iter().partition(is_dropped);
        self.left.extend(dropped.into_iter().map(|own| own.left("left out")));
        self.columns = kept;
        for column in &mut self.columns {
            let marks = marks(column, plan);
            column.is_text = plan.text.iter().any(|name| column.is(name));
            column.trim();
            let of = |own: bool, one: &Scoped| match &one.column {
                Some(name) => own && column.is(name),
                None => !own,
            };
            let codes = |own| plan.missing.iter().filter(move |one| of(own, one));
            let (all, own): (Vec<&str>, Vec<&str>) = (
                codes(false).map(|one| one.value.as_str()).collect(),
                codes(true).map(|one| one.value.as_str()).collect(),
            );
            let mut faults = column.empty(&all, &own, marks);
            let is_date =
                plan.intervals.iter().any(|one| column.is(&one.from) || column.is(&one.to));
            if let Some(flag) = plan.flags.iter().find(|flag| column.is(&flag.column)) {
                faults.extend(column.flag(flag));
            } else if !column.is_text && !is_date && column.is_numeric(marks) {
                faults.extend(column.point(marks));
            }
            let name = column.header.clone();
            add(&mut self.faults, &self.lines, &name, faults);
        }
    }

    /// Makes columns of two dates each, and leaves these out.
    fn intervals(&mut self, plan: &Plan) {
        let order = plan.dates.map(DateOrder::order);
        let mut made = Vec::new();
        for interval in &plan.intervals {
            let of = |name: &str| self.columns.iter().find(|own| own.is(name));
            let (Some(from), Some(to)) = (of(&interval.from), of(&interval.to)) else { continue };
            let mut cells = header::made(interval);
            let mut negative = 0;
            for (row, pair) in from.fields.iter().zip(&to.fields).enumerate() {
                let mut day = |column: &Cells, text: &str| match dates::read(text, order) {
                    _ if text.is_empty() => None,
                    Ok(day) => Some(day),
                    Err(unread) => {
                        let at = self.lines.get(row).copied().unwrap_or_default();
                        self.faults.push((at, column.header.clone(), undated(text, unread)));
                        None
                    }
                };
                let days = day(from, pair.0).zip(day(to, pair.1)).map(|(from, to)| to - from);
                negative += usize::from(days.is_some_and(|days| days < 0));
                cells.fields.push(days.map(|days| interval.unit.of(days)).unwrap_or_default());
            }
            let known = cells.fields.iter().filter(|field| !field.is_empty()).count();
            cells.changes.insert("rows with both dates".into(), known);
            if negative > 0 {
                cells.changes.insert("rows below 0: look at them".into(), negative);
            }
            made.push(cells);
        }
        let is_used =
            |own: &Cells| plan.intervals.iter().any(|one| own.is(&one.from) || own.is(&one.to));
        let (used, mut kept): (Vec<Cells>, Vec<Cells>) =
            std::mem::take(&mut self.columns).into_iter().partition(is_used);
        self.left.extend(used.into_iter().map(|own| own.left("dates left out")));
        kept.extend(made);
        self.columns = kept;
    }

    /// What is odd all the same becomes a fault; notes of what may want an option.
    fn look(&mut self) -> Vec<String> {
        let mut notes = Vec::new();
        for column in self.columns.iter().filter(|column| !column.is_text) {
            let texts: Vec<&str> = column.fields.iter().map(String::as_str).collect();
            for found in odd(&column.name, &texts) {
                let said = found.says(&column.name);
                match found.what {
                    // A key has as many, and a text that nobody reads may have.
                    What::Levels(levels) => notes.push(format!(
                        "`{}` has {levels} different texts: a key, or free text to leave out (--drop)",
                        column.name
                    )),
                    _ => add(&mut self.faults, &self.lines, &column.header, vec![(found.row, said)]),
                }
            }
            let values: std::collections::BTreeSet<&str> =
                texts.into_iter().filter(|text| !text.is_empty()).collect();
            if let Some((yes, no)) = look::yes_and_no(&values) {
                let name = &column.name;
                notes.push(format!(
                    "`{name}` says {yes} and {no}: --flag {name}={yes}/{no} makes 1 and 0"
                ));
            } else if values.len() == 2 && values.contains("1") && values.contains("2") {
                let name = &column.name;
                notes.push(format!(
                    "`{name}` has 1 and 2: if these are yes and no, --flag {name}=1/2 or {name}=2/1 makes \
                     1 and 0 of them"
                ));
            }
            for word in values.iter().filter(|text| look::may_be_missing(text)) {
                let fields = column.fields.iter().filter(|field| field.as_str() == *word).count();
                notes.push(format!(
                    "`{name}` has `{word}` in {}, which stays as it is: if it means *not recorded*, \
                     --missing '{name}={word}' empties it",
                    counted(fields as u64, "field", "fields"),
                    name = column.name
                ));
            }
        }
        notes
    }

    /// All faults, and with them what will want a look once they are mended.
    fn refuse(&mut self, notes: &[String]) -> Result<(), String> {
        self.faults.sort();
        self.faults.dedup();
        if self.faults.is_empty() {
            return Ok(());
        }
        let shown = self.faults.iter().take(NAMED);
        let shown = shown.map(|(line, column, problem)| {
            format!("\n  line {line}, column `{}`: {problem}", column.escape_debug())
        });
        let shown: String = shown.collect();
        let more = self.faults.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        let notes: String = notes.iter().map(|note| format!("\n  note: {note}")).collect();
        Err(format!(
            "nothing was written; decide these first (--text COLUMN leaves a column as it is); more may \
             show after these:{shown}{more}{notes}"
        ))
    }

    fn csv(&self) -> Result<String, String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let fault = |error: csv::Error| error.to_string();
        writer.write_record(self.columns.iter().map(Cells::written)).map_err(fault)?;
        for row in 0..self.lines.len() {
            let fields =
                self.columns.iter().map(|own| own.fields.get(row).map_or("", String::as_str));
            writer.write_record(fields).map_err(fault)?;
        }
        let bytes = writer.into_inner().map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    }
}

/// How a column's numbers are written.
fn marks(column: &Cells, plan: &Plan) -> Marks {
    let own =
        plan.decimal.iter().find(|one| one.column.as_deref().is_some_and(|name| column.is(name)));
    let all = || plan.decimal.iter().find(|one| one.column.is_none());
    // Where points stand between thousands, none is a decimal one.
    let usual = if plan.thousands == Some('.') { ',' } else { '.' };
    let decimal = own.or_else(all).and_then(|one| one.value.chars().next()).unwrap_or(usual);
    let thousands = plan.thousands.filter(|mark| *mark != decimal);
    Marks { decimal, thousands, said: own.is_some() }
}

/// Faults of rows as faults of lines.
fn add(all: &mut Vec<(u64, String, String)>, lines: &[u64], column: &str, faults: Vec<Fault>) {
    let line = |row: usize| lines.get(row).copied().unwrap_or_default();
    all.extend(faults.into_iter().map(|(row, said)| (line(row), column.to_owned(), said)));
}

/// Why a field is no day, and what to do.
fn undated(text: &str, unread: Unread) -> String {
    let text_shown = look::quoted(text);
    match unread {
        Unread::Either => format!("{text_shown} may be two days; say --dates dmy or --dates mdy"),
        Unread::NoDate if look::is_short_date(text) => {
            format!("{text_shown} has two digits of a year; export dates with four")
        }
        Unread::NoDate => format!("{text_shown} is no date; correct it, or name it in --missing"),
    }
}

#[cfg(test)]
mod tests;
