//! `haima report`: what a study's report holds, as files of their own, and reports side by side. On
//! this machine; nothing is sent, and nothing is asked of anybody.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::Error;
use crate::model_file::whole;
use crate::report::compare::{self, MOST, MOST_TASKS};
use crate::report::export::raster::{Size, png};
use crate::report::export::{figures, tables};
use crate::report::{numbers, place, read};
use crate::text::printable;

/// Form of `--json` of plots and tables.
const SCHEMA: &str = "haima.report-files/1";

/// `haima report`.
#[derive(Debug, Subcommand)]
pub(super) enum Report {
    /// Every figure of a report as a file of its own: SVG, and PNG with --png.
    Plots(Plots),
    /// Every table of a report as CSV.
    Tables(Tables),
    /// Reports side by side: what differs, and what may not be compared.
    Compare(Compare),
}

/// Options of `haima report plots`.
#[derive(Debug, Args)]
pub(super) struct Plots {
    /// The report.json of a study or of virtual patients, or the folder that it is in.
    #[arg(value_name = "REPORT")]
    report: PathBuf,
    /// Folder of the figures, which is made if it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write each figure as PNG too.
    #[arg(long)]
    png: bool,
    /// Pixels of a PNG for each unit of the drawing, which is 788 units wide: 0.1 to 10.
    #[arg(long, value_name = "X", default_value_t = 2.0, value_parser = scale, requires = "png")]
    scale: f64,
    /// Width of a PNG in pixels, instead: 50 to 8000.
    #[arg(
        long,
        value_name = "PIXELS",
        value_parser = clap::value_parser!(u32).range(50..=8000),
        requires = "png",
        conflicts_with = "scale"
    )]
    width: Option<u32>,
    /// Print one JSON object (`haima.report-files/1`): which files were written.
    #[arg(long)]
    json: bool,
}

/// Options of `haima report tables`.
#[derive(Debug, Args)]
pub(super) struct Tables {
    /// The report.json of a study or of virtual patients, or the folder that it is in.
    #[arg(value_name = "REPORT")]
    report: PathBuf,
    /// Folder of the tables, which is made if it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object (`haima.report-files/1`): which files were written.
    #[arg(long)]
    json: bool,
}

/// Options of `haima report compare`.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// Two to six report.json of studies, or their folders; the others are held against the first.
    #[arg(value_name = "REPORT", num_args = 2..=MOST, required = true)]
    reports: Vec<PathBuf>,
    /// Write the comparison as a page.
    #[arg(long, value_name = "HTML")]
    out: Option<PathBuf>,
    /// Print one JSON object (`haima.report-comparison/1`).
    #[arg(long)]
    json: bool,
}

/// A scale, in its range.
fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if (0.1..=10.0).contains(&scale) => Ok(scale),
        _ => Err("give 0.1 to 10".to_owned()),
    }
}

/// Runs a subcommand.
pub(super) fn run(command: &Report) -> Result<(), Error> {
    match command {
        Report::Plots(options) => plots(options),
        Report::Tables(options) => write_tables(options),
        Report::Compare(options) => compare(options),
    }
}

fn plots(options: &Plots) -> Result<(), Error> {
    let report = read::read(&options.report)?;
    let found = figures::figures(&report);
    if found.is_empty() {
        eprintln!("note: the report has no figure");
    }
    folder(&options.out)?;
    let failed = |error| Error::file(&options.out, error);
    let mut files = figures::write(&options.out, &found).map_err(failed)?;
    if options.png {
        let size = options.width.map_or(Size::Scale(options.scale), Size::Width);
        for figure in &found {
            let name = format!("{}.png", figure.name);
            let bytes = png(&figure.svg, size)
                .map_err(|reason| Error::config(Path::new("--png"), format!("{name}: {reason}")))?;
            place(&options.out, &name, &bytes).map_err(failed)?;
            files.push(name);
        }
    }
    tell(
        "plots",
        (options.report.as_path(), options.out.as_path()),
        &files,
        ("figure", "figures"),
        options.json,
    );
    Ok(())
}

fn write_tables(options: &Tables) -> Result<(), Error> {
    let report = read::read(&options.report)?;
    let found = tables::tables(&report);
    folder(&options.out)?;
    let files =
        tables::write(&options.out, &found).map_err(|error| Error::file(&options.out, error))?;
    tell(
        "tables",
        (options.report.as_path(), options.out.as_path()),
        &files,
        ("table", "tables"),
        options.json,
    );
    Ok(())
}

fn compare(options: &Compare) -> Result<(), Error> {
    let mut reports = Vec::new();
    for path in &options.reports {
        reports.push((path.display().to_string(), read::study(path)?));
    }
    let Some(found) = compare::compare(&reports) else {
        let problem = format!("give two to {MOST} reports, each of at most {MOST_TASKS} tasks");
        let first = options.reports.first().map_or(Path::new("REPORT"), PathBuf::as_path);
        return Err(Error::config(first, problem));
    };
    if let Some(out) = &options.out {
        whole(out, compare::render(&found).as_bytes())?;
        eprintln!("page: {}", out.display());
    }
    if options.json {
        println!("{}", json!(found));
    } else {
        println!("{}", compare::text(&found));
    }
    Ok(())
}

/// Makes a folder, if it is missing.
fn folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|error| Error::file(path, error))
}

/// What was written.
fn tell(
    verb: &str,
    (report, out): (&Path, &Path),
    files: &[String],
    (one, more): (&str, &str),
    as_json: bool,
) {
    if as_json {
        let told: Value = json!({
            "schema": SCHEMA,
            "command": verb,
            "report": report.display().to_string(),
            "out": out.display().to_string(),
            "files": files,
        });
        println!("{told}");
        return;
    }
    for file in files {
        println!("{}", printable(&out.join(file).display().to_string()));
    }
    let is_figure = |name: &&String| !name.ends_with(".png");
    let count = files.iter().filter(is_figure).count() as u64;
    eprintln!("written: {}, {}", numbers::counted(count, one, more), hidden());
}

/// What a reader of the files must know.
fn hidden() -> &'static str {
    "small counts hidden as on the page; report.json has all"
}
