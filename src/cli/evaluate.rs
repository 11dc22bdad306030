//! `haima evaluate`: how well a model file does at local hospitals, by sums of them.

use std::path::PathBuf;

use clap::Args;

use crate::Error;
use crate::model_file::{Metric, ModelFile};
use crate::report::Floors;
use crate::stats::Sites;
use crate::text::{columns, printable};
use crate::train::{Evaluated, Evaluation, evaluate};

/// Options of `haima evaluate`.
#[derive(Debug, Args)]
pub(super) struct Evaluate {
    /// Model file (.haima).
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Pooled CSV of all hospitals, with --site or --deal; or repeated, a file a hospital.
    #[arg(long, value_name = "FILE", required = true)]
    data: Vec<PathBuf>,
    /// Column that splits a pooled file into hospitals.
    #[arg(long, visible_alias = "site-column", value_name = "COLUMN", conflicts_with = "deal")]
    site: Option<String>,
    /// Instead of --site: deal the rows out in turn to so many hospitals.
    #[arg(long, value_name = "N")]
    deal: Option<usize>,
    /// Of whom: holdout, training or all; by default those kept out of training, if any.
    #[arg(long, value_name = "WHO", value_parser = ["holdout", "training", "all"])]
    subset: Option<String>,
    /// Times by which a survival model is judged, in the unit of its time column.
    #[arg(long, value_name = "TIMES", value_delimiter = ',')]
    horizons: Vec<f64>,
    /// Write the figures into the model file, so that its card has them.
    #[arg(long)]
    card: bool,
    /// Fewest hospitals in a sum.
    #[arg(long, value_name = "N", default_value_t = 3)]
    min_sites: u32,
    /// A hospital with fewer complete patients of those asked about is left out, and named.
    #[arg(long, value_name = "N", default_value_t = 10)]
    min_local_rows: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Evaluates and prints the figures.
pub(super) fn run(options: &Evaluate) -> Result<(), Error> {
    let mut model = ModelFile::read(&options.model)?;
    let sites = match (&options.site, options.deal) {
        (Some(column), _) => Some(Sites::Column(column.clone())),
        (None, deal) => deal.map(Sites::Deal),
    };
    if let (None, [file], 2..) = (&sites, options.data.as_slice(), options.min_sites) {
        let problem = "one file is a hospital; name the column of hospitals by --site, deal rows by \
                       --deal, or give several files";
        return Err(Error::config(file, problem));
    }
    let with = Evaluation {
        data: options.data.clone(),
        sites,
        floors: Floors {
            min_sites: options.min_sites,
            min_local_rows: options.min_local_rows,
            min_cell: 0,
        },
        subset: options.subset.clone(),
        horizons: options.horizons.clone(),
    };
    let found = evaluate(&model, &options.model, &with)?;
    eprintln!("simulation: plain sums in one process; exact: no differential privacy");
    for out in &found.excluded {
        let out = format!("left out: hospital {}: {}", out.site, out.reason);
        eprintln!("{}", printable(&out));
    }
    for note in &found.notes {
        eprintln!("note: {}", printable(note));
    }
    if options.card {
        if found.metrics.is_empty() {
            let problem = "--card: there are no figures; too few patients have the outcome";
            return Err(Error::config(&options.model, problem));
        }
        found.add_to(&mut model.provenance);
        model.write(&options.model)?;
        eprintln!("figures are in the card of {}", options.model.display());
    }
    if options.json {
        println!("{}", found.result);
        return Ok(());
    }
    print!("{}", printable(&table(&found)));
    Ok(())
}

/// The figures, one a line, and over whom.
fn table(found: &Evaluated) -> String {
    let row = |metric: &Metric| {
        let interval = match (metric.lo, metric.hi) {
            (Some(lo), Some(hi)) => format!("95% interval {lo:.3} to {hi:.3}"),
            _ => String::new(),
        };
        vec![metric.name.clone(), format!("{:.3}", metric.value), interval]
    };
    let rows: Vec<Vec<String>> = found.metrics.iter().map(row).collect();
    let mut text = columns(&rows);
    if let Some(metric) = found.metrics.first() {
        text += &format!("over {}\n", metric.over);
    }
    text
}
