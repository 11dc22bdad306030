//! `haima synth`: virtual patients. A generator is fitted over sums of hospitals, rows are drawn from
//! it, and a report shows them beside the real ones.

#[cfg(feature = "demo")]
mod fit;
#[cfg(feature = "demo")]
mod report;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use haima_fl_core::results::generator::Generator;
use serde_json::json;

use crate::Error;
use crate::report::numbers;
use crate::synth::cohort::VirtualCohort;
use crate::synth::file::SynthFile;
use crate::synth::sample::{Asked, fresh_seed, rows};
use crate::synth::write::{Format, write};

/// `haima synth`.
#[derive(Debug, Subcommand)]
pub(super) enum Synth {
    /// Fit a generator of virtual patients over sums of hospitals.
    #[cfg(feature = "demo")]
    Fit(Box<fit::Fit>),
    /// Draw virtual patients from a generator: CSV, Parquet or Phenopackets.
    Sample(Box<Sample>),
    /// Show virtual patients beside real ones, as a page.
    #[cfg(feature = "demo")]
    Report(Box<report::Report>),
}

/// Options of `haima synth sample`.
#[derive(Debug, Args)]
pub(super) struct Sample {
    /// Generator file (.haima) that `haima synth fit` wrote.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    asked: Of,
    /// Where they go: a .csv or .parquet file, or a folder of Phenopackets.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Form of the file, where its name does not say it.
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Print one JSON object: the provenance.
    #[arg(long)]
    json: bool,
}

// Which virtual patients. No help of its own: it would stand for that of the command.
#[derive(Debug, Args)]
struct Of {
    /// Number of virtual patients.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    rows: usize,
    /// What has to hold of each, e.g. 'age >= 60', 'npm1 = 1', 'sex = F|M'; can be repeated.
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Seed of the row sampler: the same model and seed give the same rows. Drawn anew without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..1 << 63))]
    seed: Option<u64>,
}

impl Of {
    fn asked(&self) -> Result<Asked, Error> {
        let seed = match self.seed {
            Some(seed) => seed,
            None => fresh_seed()?,
        };
        Ok(Asked { rows: self.rows, conditions: self.conditions.clone(), seed })
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// Comma separated values.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// A folder of GA4GH Phenopackets.
    Phenopackets,
}

/// Runs a subcommand.
pub(super) fn run(command: &Synth) -> Result<(), Error> {
    match command {
        #[cfg(feature = "demo")]
        Synth::Fit(options) => fit::run(options),
        Synth::Sample(options) => sample(options),
        #[cfg(feature = "demo")]
        Synth::Report(options) => report::run(options),
    }
}

/// Draws virtual patients and writes them with their provenance.
fn sample(options: &Sample) -> Result<(), Error> {
    let format = match options.format {
        Some(Form::Csv) => Format::Csv,
        Some(Form::Parquet) => Format::Parquet,
        Some(Form::Phenopackets) => Format::Phenopackets,
        None => Format::of(&options.out)?,
    };
    let (file, digest) = SynthFile::read(&options.model)?;
    let generator = file.open()?;
    let asked = options.asked.asked()?;
    let drawn = rows(&generator, &asked)?;
    let provenance = VirtualCohort::of(&file, &digest, &generator, &asked);
    let beside = write(&options.out, format, &file, &generator, &drawn, &provenance)?;
    if options.json {
        println!("{}", json!(provenance));
        return Ok(());
    }
    let mut lines = vec![format!(
        "drawn    {} like those of {}, row seed {}",
        numbers::counted(asked.rows as u64, "virtual patient", "virtual patients"),
        file.study,
        asked.seed
    )];
    lines.extend(share(&generator, &asked));
    let mut words = provenance.promise.iter();
    lines.extend(words.next().map(|word| format!("privacy  {word}")));
    lines.extend(words.map(|word| format!("         {word}")));
    lines.push(format!("written  {}", options.out.display()));
    lines.push(format!("         {} says where they come from", beside.display()));
    println!("{}", crate::text::printable(&lines.join("\n")));
    Ok(())
}

/// How many of the model's patients meet what was asked.
fn share(generator: &Generator, asked: &Asked) -> Option<String> {
    if asked.conditions.is_empty() {
        return None;
    }
    let condition = generator.domain.condition(&asked.conditions).ok()?;
    let share = generator.share(&condition).ok()?;
    let of = match share.draws {
        None => "the model's patients".to_owned(),
        Some(draws) => format!("{} patients drawn from the model", numbers::count(draws.into())),
    };
    let conditions = asked.conditions.join(", ");
    Some(format!("where    {conditions}: {} of {of}", numbers::percent(share.value)))
}
