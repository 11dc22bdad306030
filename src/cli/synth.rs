//! `haima synth`: virtual patients. A generator is fitted over sums of hospitals, rows are drawn from
//! it, and a report shows them beside the real ones.

#[cfg(feature = "demo")]
mod fit;
#[cfg(feature = "demo")]
mod report;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use haima_fl_core::results::generator::{Generator, Share};
use serde_json::json;

use crate::Error;
use crate::report::numbers;
use crate::synth::cohort::VirtualCohort;
use crate::synth::file::SynthFile;
use crate::synth::sample::{Asked, fresh_seed, not_kept, rows, share};
use crate::synth::write::{Format, write};

/// A smaller share is not printed as a number.
const LEAST_SHARE: f64 = 0.0005;

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
    let share = share(&generator, &asked)?;
    let few = share.and_then(|share| hardly_anybody(&generator, share));
    for warning in few.into_iter().chain(unkept(&generator, &file)) {
        eprintln!("warning: {}", crate::text::printable(&warning));
    }
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
    lines.extend(share.map(|share| whom(share, &asked)));
    let mut words = provenance.promise.iter();
    lines.extend(words.next().map(|word| format!("privacy  {word}")));
    lines.extend(words.map(|word| format!("         {word}")));
    lines.push(format!("written  {}", options.out.display()));
    lines.push(format!("         {} says where they come from", beside.display()));
    println!("{}", crate::text::printable(&lines.join("\n")));
    Ok(())
}

/// How many of the model's patients meet what was asked.
fn whom(share: Share, asked: &Asked) -> String {
    let of = match share.draws {
        None => "the model's patients".to_owned(),
        Some(draws) => format!("{} patients drawn from the model", numbers::count(draws.into())),
    };
    format!("where    {}: {} of {of}", asked.conditions.join(", "), percent(share.value))
}

fn percent(share: f64) -> String {
    if share < LEAST_SHARE { "<0.05%".to_owned() } else { numbers::percent(share) }
}

/// Why rows under a condition tell nothing of patients, where hardly any of the model's meet it.
fn hardly_anybody(generator: &Generator, share: Share) -> Option<String> {
    let value = share.value;
    let met = generator.total().map(|total| total * value);
    let reason = match (met, generator.total_noise()) {
        // As many as noise makes of nobody.
        (Some(met), Some(noise)) if noise > 0.0 && met < noise => {
            format!("about {met:.0} of those it was made from, and noise hides {noise:.0}")
        }
        (Some(met), _) if met < 1.0 => "fewer than one of those it was made from".to_owned(),
        _ if value < LEAST_SHARE => "next to nobody".to_owned(),
        _ => return None,
    };
    Some(format!(
        "{} of the model's patients meet the conditions ({reason}): what these rows have in common is \
         the model's guess",
        percent(value)
    ))
}

/// What virtual patients are not held to, though the generator was made from such patients alone.
fn unkept(generator: &Generator, file: &SynthFile) -> Vec<String> {
    let of = not_kept(generator, &file.provenance.data.cohort).into_iter();
    of.map(|predicate| {
        format!(
            "virtual patients are not held to the cohort's `{predicate}`: the generator lacks the \
             column, or is of an earlier form"
        )
    })
    .collect()
}
