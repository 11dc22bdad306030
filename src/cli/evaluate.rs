//! `haima evaluate`: how well a model file does at local hospitals, by sums of them.

use std::path::PathBuf;

use clap::Args;

use crate::Error;
use crate::model_file::ModelFile;
use crate::report::Floors;
use crate::stats::Sites;
use crate::train::{Evaluation, evaluate};

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
    /// A hospital with fewer complete rows is left out.
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
    eprintln!("simulation: plain sums in one process; exact: no differential privacy");
    let found = evaluate(&model, &options.model, &with)?;
    for out in &found.excluded {
        eprintln!("left out {}: {}", out.site, out.reason);
    }
    if options.card {
        let Some(over) = found.metrics.first().map(|metric| metric.over.clone()) else {
            let problem = "--card: there are no figures; too few patients have the outcome";
            return Err(Error::config(&options.model, problem));
        };
        // Earlier figures of other patients stay.
        let metrics = &mut model.provenance.metrics;
        metrics.retain(|metric| metric.over != over);
        metrics.extend(found.metrics.iter().cloned());
        model.write(&options.model)?;
        eprintln!("figures are in the card of {}", options.model.display());
    }
    if options.json {
        println!("{}", found.result);
        return Ok(());
    }
    for metric in &found.metrics {
        let interval = match (metric.lo, metric.hi) {
            (Some(lo), Some(hi)) => format!("  (95% interval {lo:.3} to {hi:.3})"),
            _ => String::new(),
        };
        println!("{:<18} {:.3}{interval}", metric.name, metric.value);
    }
    if let Some(metric) = found.metrics.first() {
        println!("over {}", metric.over);
    }
    Ok(())
}
