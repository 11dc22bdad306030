//! `haima data`: a hospital's file of patients before a study. All of it runs where the file is, and
//! nothing is sent.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::Error;
use crate::data::anonymity::{self, Generalisation, Question};
use crate::data::clean::{self, DateOrder, Encoding, Flag, Interval, Plan, Rename, Scoped};
use crate::data::example::Disease;
use crate::data::infer::{Draft, Guess};
use crate::data::{Reading, check, source};
use crate::private_file;
use crate::report::numbers::counted;
use crate::text::printable;

/// `haima data`.
#[derive(Debug, Subcommand)]
pub(super) enum Data {
    /// Put a hospital's export in order: commas, decimal points, UTF-8, 1 and 0, days for dates.
    Clean(Clean),
    /// Draft a schema from a file of patients, for a person to edit.
    Infer(Infer),
    /// Everything that is wrong, or odd, with a file of patients.
    Check(Check),
    /// Whom a file of patients would show: unique rows, k-anonymity, l-diversity.
    Anonymity(Anonymity),
    /// Write a ready schema and artificial rows for it, to try things on.
    Example(Example),
}

/// Options of `haima data clean`.
#[derive(Debug, Args)]
pub(super) struct Clean {
    /// The export (CSV of any separator).
    #[arg(value_name = "FILE")]
    data: PathBuf,
    /// Where the table goes (CSV, for its owner's eyes only); a file that is there is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What separates fields: `;` `,` `|` or tab. Without it, what the first lines show.
    #[arg(long, value_name = "MARK", value_parser = separator)]
    separator: Option<u8>,
    /// Decimal mark, `,` or `.` (the default); COLUMN=MARK for one column. Can be repeated.
    #[arg(long, value_name = "[COLUMN=]MARK")]
    decimal: Vec<Scoped>,
    /// Mark between thousands, such as `.`
    #[arg(long, value_name = "MARK")]
    thousands: Option<char>,
    /// How letters are written. Without it UTF-8, or UTF-16 where the file says so.
    #[arg(long, value_enum, value_name = "NAME")]
    encoding: Option<Letters>,
    /// What stands for a missing value, as NA,-9 or hb=-99 for one column.
    #[arg(long, value_name = "[COLUMN=]VALUES", value_delimiter = ',', allow_hyphen_values = true)]
    missing: Vec<Scoped>,
    /// Makes 1 and 0 of a column, as dead=ja/nein; several of one kind as ja|j/nein|n.
    #[arg(long, value_name = "COLUMN=YES/NO")]
    flag: Vec<Flag>,
    /// Another name for a column; without it, the nearest that a schema can have.
    #[arg(long, value_name = "OLD=NEW")]
    rename: Vec<Rename>,
    /// Makes a column of days between two columns of dates, which are left out; with :months or :years
    /// behind it, of these.
    #[arg(long, value_name = "NEW=FROM..TO")]
    interval: Vec<Interval>,
    /// Whether dates such as 03/04/2021 have the day first (dmy) or the month (mdy).
    #[arg(long, value_enum, value_name = "ORDER")]
    dates: Option<Dates>,
    /// Columns that are left out.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    drop: Vec<String>,
    /// Columns whose fields stay as they are.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    text: Vec<String>,
    /// Print one JSON object (`haima.data-clean/1`).
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Letters {
    /// UTF-8.
    #[value(name = "utf-8")]
    Utf8,
    /// Windows-1252, of which ISO-8859-1 is a part: Excel in western Europe.
    #[value(name = "windows-1252", aliases = ["iso-8859-1", "latin1"])]
    Windows1252,
    /// UTF-16 with a byte order mark.
    #[value(name = "utf-16")]
    Utf16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dates {
    /// Day, month, year.
    Dmy,
    /// Month, day, year.
    Mdy,
}

/// Options of `haima data infer`.
#[derive(Debug, Args)]
pub(super) struct Infer {
    /// The file of patients (CSV or Parquet).
    #[arg(value_name = "FILE")]
    data: PathBuf,
    /// Of a pooled file: the column that names the hospital, which the schema leaves out.
    #[arg(long, visible_alias = "site-column", value_name = "COLUMN")]
    site: Option<String>,
    /// Where the draft goes (TOML); without it, to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object (`haima.data-draft/1`). It tells of the patients.
    #[arg(long)]
    json: bool,
}

/// Options of `haima data check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The file of patients (CSV or Parquet).
    #[arg(value_name = "FILE")]
    data: PathBuf,
    /// The network's schema: a file of it alone, or a study or manifest that has it as `[schema]`.
    #[arg(long, value_name = "FILE")]
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

/// Options of `haima data anonymity`.
#[derive(Debug, Args)]
pub(super) struct Anonymity {
    /// The file of patients (CSV or Parquet).
    #[arg(value_name = "FILE")]
    data: PathBuf,
    /// The network's schema: a file of it alone, or a study or manifest that has it as `[schema]`.
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    /// Of a pooled file: the column that names the hospital, which is not read; by default the
    /// `site_column` of a study's template.
    #[arg(long, visible_alias = "site-column", value_name = "COLUMN")]
    site: Option<String>,
    /// Columns that an outsider may know, as age,sex.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', required = true)]
    quasi: Vec<String>,
    /// Columns that an outsider wants to know, as death.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    sensitive: Vec<String>,
    /// What would be made coarser: age=10 (bins of a width), 'stage=I|II;III|IV' (levels put together)
    /// or sex=* (left out); one or more.
    #[arg(long, value_name = "COLUMN=HOW", num_args = 1..)]
    generalise: Vec<Generalisation>,
    /// Print one JSON object (`haima.anonymity/1`). It tells of the patients.
    #[arg(long)]
    json: bool,
}

/// Options of `haima data example`.
#[derive(Debug, Args)]
pub(super) struct Example {
    /// Of which disease.
    #[arg(value_enum, value_name = "DISEASE")]
    disease: Named,
    /// Number of artificial rows.
    #[arg(long, value_name = "N", default_value_t = 500)]
    rows: u32,
    /// Seed of the rows: the same seed gives the same rows.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Folder for the schema, the rows and what they are; made where it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object: what was written.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Named {
    /// Acute myeloid leukaemia, in the shape that SYNTHEMA published.
    Aml,
    /// Sickle cell disease.
    SickleCell,
}

/// Runs a subcommand.
pub(super) fn run(command: &Data) -> Result<(), Error> {
    match command {
        Data::Clean(options) => clean(options),
        Data::Infer(options) => infer(options),
        Data::Check(options) => check(options),
        Data::Anonymity(options) => anonymity(options),
        Data::Example(options) => example(options),
    }
}

/// A mark that separates fields.
fn separator(text: &str) -> Result<u8, String> {
    match text {
        "," => Ok(b','),
        ";" => Ok(b';'),
        "|" => Ok(b'|'),
        "tab" | "\t" | "\\t" => Ok(b'\t'),
        _ => Err("say `;` `,` `|` or tab".to_owned()),
    }
}

/// Puts an export in order.
fn clean(options: &Clean) -> Result<(), Error> {
    let Clean { data, out, json, .. } = options;
    let place = |path: &Path| std::fs::canonicalize(path).ok();
    if place(out).is_some_and(|out| place(data) == Some(out)) {
        let problem = "is the export itself; give another name, so that it stays as it is";
        return Err(Error::config(out, problem));
    }
    let plan = Plan {
        separator: options.separator,
        encoding: options.encoding.map(|letters| match letters {
            Letters::Utf8 => Encoding::Utf8,
            Letters::Windows1252 => Encoding::Windows1252,
            Letters::Utf16 => Encoding::Utf16,
        }),
        decimal: options.decimal.clone(),
        thousands: options.thousands,
        missing: options.missing.clone(),
        flags: options.flag.clone(),
        renames: options.rename.clone(),
        intervals: options.interval.clone(),
        dates: options.dates.map(|dates| match dates {
            Dates::Dmy => DateOrder::DayFirst,
            Dates::Mdy => DateOrder::MonthFirst,
        }),
        drop: options.drop.clone(),
        text: options.text.clone(),
    };
    let cleaned = clean::clean(data, &plan)?;
    // It tells of patients.
    private_file::whole(out, cleaned.csv.as_bytes())?;
    if *json {
        println!("{}", json!(cleaned.report));
        return Ok(());
    }
    let out = out.display();
    let next = format!("\nwritten  {out}\nnext     haima data infer {out} --out schema.toml");
    println!("{}{}", printable(&clean::show(&cleaned.report)), printable(&next));
    Ok(())
}

/// Drafts a schema.
fn infer(options: &Infer) -> Result<(), Error> {
    let Infer { data, site, out, json } = options;
    if let Some(out) = out
        && out.exists()
    {
        // Somebody may have edited it.
        return Err(Error::file(out, std::io::ErrorKind::AlreadyExists.into()));
    }
    let draft = Draft::of(data, site.as_deref())?;
    let text = draft.toml()?;
    if let Some(out) = out {
        // Ranges and levels are those of patients.
        private_file::whole(out, text.as_bytes())?;
    }
    for what in draft.to_do() {
        eprintln!("note: before any schema fits, {}", printable(&what));
    }
    if *json {
        println!("{}", json!(draft));
    } else if let Some(out) = out {
        println!("{}", printable(&drafted(&draft, data, out)));
    } else {
        print!("{text}");
    }
    Ok(())
}

/// What was drafted, and what is next.
fn drafted(draft: &Draft, data: &Path, out: &Path) -> String {
    let count = |of: &dyn Fn(&Guess) -> bool| {
        draft.columns.iter().filter(|column| of(&column.guess)).count() as u64
    };
    let numbers = count(&|guess| matches!(guess, Guess::Numeric { .. }));
    let flags = count(&|guess| matches!(guess, Guess::Flag));
    let categories = count(&|guess| matches!(guess, Guess::Category { .. }));
    let left = count(&|guess| matches!(guess, Guess::Left { .. }));
    let kinds = [
        counted(numbers, "number", "numbers"),
        counted(flags, "flag", "flags"),
        counted(categories, "category", "categories"),
        counted(left, "column left out", "columns left out"),
    ];
    let key = match &draft.patient {
        Some(key) => format!("patients by `{key}`"),
        None => "each row counts as a patient: no column is called like a key".to_owned(),
    };
    let site = draft.site.as_ref().map(|site| format!(" --site {site}")).unwrap_or_default();
    format!(
        "drafted  {} of {}: {}\n         {key}\nwritten  {}\nnext     edit it: ranges and levels of the \
         disease, not of this file. Then\n         haima data check {} --schema {}{site}",
        counted(draft.rows as u64, "row", "rows"),
        draft.file,
        kinds.join(", "),
        out.display(),
        data.display(),
        out.display(),
    )
}

/// Checks a file; fails where intake would refuse it, after the whole report.
pub(super) fn check(options: &Check) -> Result<(), Error> {
    let Check { data, schema, site, json, all } = options;
    let reading = Reading::of(data, schema, site.as_deref())?;
    pooled(&reading);
    let report = check::report(data, &reading)?;
    if *json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Error::data(data, error.to_string()))?;
        println!("{text}");
    } else {
        let shown = if *all { usize::MAX } else { check::SHOWN };
        print!("{}", check::show(&report, &reading, shown));
    }
    if report.accepted {
        return Ok(());
    }
    let faults = counted(report.fault_count, "fault", "faults");
    let problem = format!("{faults}; a site would refuse this file, so mend them first");
    Err(Error::Found { what: data.display().to_string(), problem })
}

/// Says which column names the hospital.
fn pooled(reading: &Reading) {
    if let Some(column) = &reading.pooled {
        eprintln!(
            "note: `{column}` names the hospital of each row and is not read; a hospital's own file \
             must not have it"
        );
    }
}

/// Whom a file would show.
fn anonymity(options: &Anonymity) -> Result<(), Error> {
    let Anonymity { data, schema, site, quasi, sensitive, generalise, json } = options;
    let reading = Reading::of(data, schema, site.as_deref())?;
    pooled(&reading);
    let cohort = source::cohort(data, &reading.schema)?;
    let question = Question {
        quasi: quasi.clone(),
        sensitive: sensitive.clone(),
        generalised: generalise.clone(),
    };
    let name = source::name_of(data);
    let report = anonymity::Report::of(&name, &cohort, &reading.schema, &question)?;
    if *json {
        println!("{}", json!(report));
    } else {
        print!("{}", printable(&anonymity::show(&report)));
    }
    Ok(())
}

/// Writes a schema and artificial rows.
fn example(options: &Example) -> Result<(), Error> {
    let Example { disease, rows, seed, out, json } = options;
    let disease = match disease {
        Named::Aml => Disease::Aml,
        Named::SickleCell => Disease::SickleCell,
    };
    let written = disease.write(*rows, *seed, out)?;
    if *json {
        let object = json!({
            "schema": "haima.data-example/1",
            "artificial": true,
            "disease": disease.name(),
            "rows": rows,
            "seed": seed,
            "files": {
                "schema": written.schema.display().to_string(),
                "rows": written.rows.display().to_string(),
                "readme": written.readme.display().to_string(),
            },
        });
        println!("{object}");
        return Ok(());
    }
    let (csv, schema) = (written.rows.display(), written.schema.display());
    println!(
        "artificial  {} of {}, seed {seed}: made up, of no patient\n\
         written     {csv}\n            {schema}\n            {}\n\
         next        haima data check {csv} --schema {schema}",
        counted(u64::from(*rows), "row", "rows"),
        disease.words(),
        written.readme.display(),
    );
    Ok(())
}
