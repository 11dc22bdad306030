//! `haima synth report`: virtual patients beside real ones, as one page.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Of;
use crate::Error;
use crate::cli::train::can_be_written;
use crate::model_file::whole;
use crate::report::{Floors, synthetic};
use crate::stats::Sites;
use crate::synth::report::{FEWEST, Request, attack, collect};

/// Refits beyond which an attack would find no more.
const MOST_REFITS: u32 = 10_000;

/// Options of `haima synth report`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Report {
    /// Generator file (.haima) that `haima synth fit` wrote.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Pooled CSV of real patients: those of the fit, or better others.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Column that splits it into hospitals.
    #[arg(
        long,
        visible_alias = "site-column",
        value_name = "COLUMN",
        required_unless_present = "deal",
        conflicts_with = "deal"
    )]
    site: Option<String>,
    /// Instead of --site: deal the rows out in turn to so many hospitals.
    #[arg(long, value_name = "N")]
    deal: Option<usize>,
    #[command(flatten)]
    asked: Of,
    /// Show survival by the groups of this column too; can be repeated.
    #[arg(long, value_name = "COLUMN")]
    by: Vec<String>,
    /// Covariates of the Cox models, separated by commas; the first 12 columns by default.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    covariates: Vec<String>,
    /// A difference in the C-index that was agreed to be small.
    #[arg(long, value_name = "X")]
    tolerance: Option<f64>,
    /// Guess who was in the data: an attack by so many further fits, 20 to 10,000, which takes as long
    /// as these do, and half as long again under noise; 0 for none.
    #[arg(long, value_name = "REFITS", default_value_t = 0, value_parser = refits)]
    attack: u32,
    /// Fewest hospitals in a sum.
    #[arg(long, value_name = "N", default_value_t = 3)]
    min_sites: u32,
    /// A hospital with fewer complete rows is left out.
    #[arg(long, value_name = "N", default_value_t = 10)]
    min_local_rows: u64,
    /// Page and JSON show no count of real patients below this (a rule of display).
    #[arg(long, value_name = "N", default_value_t = 5)]
    min_cell: u64,
    /// Where the page is written.
    #[arg(long, value_name = "HTML", required_unless_present = "json")]
    out: Option<PathBuf>,
    /// Print one JSON object: all that the page shows, nothing that it hides.
    #[arg(long)]
    json: bool,
}

/// Refits of an attack, or 0.
fn refits(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(refits) if refits == 0 || (FEWEST..=MOST_REFITS).contains(&refits) => Ok(refits),
        _ => Err(format!("give {FEWEST} to {MOST_REFITS} fits, or 0 for no attack")),
    }
}

/// Compares and writes the page.
pub(super) fn run(options: &Report) -> Result<(), Error> {
    if let Some(out) = &options.out {
        can_be_written(out)?;
    }
    let request = Request {
        model: options.model.clone(),
        data: options.data.clone(),
        sites: match (&options.site, options.deal) {
            (Some(column), _) => Sites::Column(column.clone()),
            (None, deal) => Sites::Deal(deal.unwrap_or_default()),
        },
        asked: options.asked.asked()?,
        by: options.by.clone(),
        covariates: options.covariates.clone(),
        tolerance: options.tolerance,
        floors: Floors {
            min_sites: options.min_sites,
            min_local_rows: options.min_local_rows,
            min_cell: options.min_cell,
        },
    };
    eprintln!(
        "simulation: plain sums in one process; the real side is exact: no differential privacy"
    );
    let mut report = collect(&request)?;
    if options.attack > 0 {
        match attack(&request, options.attack, &tell) {
            Ok(found) => report.membership = Some(found),
            // The page stands without it.
            Err(error) => report.warnings.push(format!("No attack on membership: {error}")),
        }
    }
    for warning in &report.warnings {
        eprintln!("note: {warning}");
    }
    if let Some(out) = &options.out {
        whole(out, synthetic::render(&report).as_bytes())?;
        eprintln!("report: {}", out.display());
    }
    if options.json {
        println!("{}", json!(report));
    }
    Ok(())
}

/// How far an attack is, ten times or so.
fn tell(done: u32, all: u32) {
    if done == all || done.is_multiple_of(all.div_ceil(10)) {
        eprintln!("attack: {done} of {all} generators");
    }
}
