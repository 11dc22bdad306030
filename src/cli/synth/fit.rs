//! `haima synth fit`: a generator over local hospitals.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use haima_fl_core::results::generator::Generator;
use haima_fl_core::tasks::synthesize::network::{EXPECTED, METHOD, TRAINING};
use haima_fl_core::tasks::synthesize::{NAME, VERSION};
use serde_json::{Value, json};

use crate::Error;
use crate::card::promise;
use crate::cli::progress::Rounds;
use crate::cli::train::{How, can_be_written};
use crate::model_file::Guarantee;
use crate::report::{Floors, numbers};
use crate::stats::{Sites, Summing, Task};
use crate::synth::file::SynthFile;
use crate::synth::fit::{self, Request};

/// Noise on the number of patients, as a share of it, above which a generator is warned of.
const MOST_NOISE: f64 = 0.1;
/// Form of what `--json` prints.
const SCHEMA: &str = "haima.synth-fit/1";

/// Options of `haima synth fit`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Fit {
    /// Pooled CSV of all hospitals.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Column that splits it into hospitals; by default the `site_column` of a template.
    #[arg(long, visible_alias = "site-column", value_name = "COLUMN", conflicts_with = "deal")]
    site: Option<String>,
    /// Instead of --site: deal the rows out in turn to so many hospitals.
    #[arg(long, value_name = "N")]
    deal: Option<usize>,
    /// A public schema (TOML), or a study's template; inferred from the data where exact.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Epsilon of all sums together, against all nodes but one.
    #[arg(long, value_name = "X", required_unless_present_any = ["exact", "task"], requires = "delta")]
    epsilon: Option<f64>,
    /// Delta.
    #[arg(long, value_name = "X", required_unless_present_any = ["exact", "task"], requires = "epsilon")]
    delta: Option<f64>,
    /// Without noise, and without any promise to patients.
    #[arg(long, conflicts_with_all = ["epsilon", "delta"])]
    exact: bool,
    /// Kind of generator: of tables (aim, mst), or a network (vae).
    #[arg(long, value_name = "METHOD", value_parser = ["aim", "mst", "vae"], default_value = "aim")]
    method: String,
    /// With --method vae: a public guess of the patients at all hospitals together, by which sums are
    /// divided. Required under privacy; do not count.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    expected_patients: Option<u32>,
    /// Columns of a virtual patient, separated by commas; PREFIX* for all that begin so. All of the
    /// schema by default.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// A time to event: its column of times and its column of events; can be repeated.
    #[arg(long, value_name = "TIME,EVENT")]
    survival: Vec<String>,
    /// Only patients for whom this holds, e.g. 'age > 1'; can be repeated.
    #[arg(long, value_name = "EXPR")]
    include: Vec<String>,
    /// No patient for whom this holds; can be repeated.
    #[arg(long, value_name = "EXPR")]
    exclude: Vec<String>,
    /// A task file with all of this, [privacy] too, instead: bins, impossible pairs, holdout.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["epsilon", "delta", "exact", "method", "expected_patients", "columns", "survival", "include", "exclude"])]
    task: Option<PathBuf>,
    /// How sums are made: in this process (a simulation), or by the protocol's processes.
    #[arg(long, value_enum, default_value_t = How::Plain)]
    sum: How,
    /// Number of SMPC nodes: processes with --sum nodes; those whose noise a simulation adds.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    nodes: u8,
    /// Where the generator is written, e.g. leukaemia.haima.
    #[arg(long, value_name = "MODEL", required_unless_present = "json")]
    out: Option<PathBuf>,
    /// Name of the study; that of the data's file by default.
    #[arg(long, value_name = "NAME")]
    study: Option<String>,
    /// Fewest hospitals in a sum.
    #[arg(long, value_name = "N", default_value_t = 3)]
    min_sites: u32,
    /// A hospital with fewer complete rows is left out (without noise).
    #[arg(long, value_name = "N", default_value_t = 10)]
    min_local_rows: u64,
    /// Print one JSON object: what was measured and promised.
    #[arg(long)]
    json: bool,
}

/// Fits, writes the generator and says what came out.
pub(super) fn run(options: &Fit) -> Result<(), Error> {
    if let Some(out) = &options.out {
        can_be_written(out)?;
    }
    let request = request(options)?;
    if options.sum == How::Plain {
        eprintln!("simulation: plain sums in one process, which sees every row");
    }
    let started = Instant::now();
    let mut rounds = Rounds::new();
    let file = fit::run(&request, &mut |at| rounds.at(&at));
    drop(rounds);
    let file = file?;
    for note in &file.provenance.notes {
        eprintln!("note: {note}");
    }
    let generator = file.open()?;
    let warnings = warnings(&file, &generator);
    for warning in &warnings {
        eprintln!("warning: {}", crate::text::printable(warning));
    }
    let digest = options.out.as_deref().map(|out| file.write(out)).transpose()?;
    if options.json {
        println!("{}", object(&file, &generator, options, digest.as_deref(), &warnings));
    } else {
        println!("{}", crate::text::printable(&summary(&file, &generator, options, started)));
    }
    Ok(())
}

/// What whoever uses the generator should know of it.
fn warnings(file: &SynthFile, generator: &Generator) -> Vec<String> {
    let mut warnings = super::unkept(generator, file);
    if let Some((total, noise)) = generator.total().zip(generator.total_noise())
        && noise > total * MOST_NOISE
    {
        warnings.push(format!(
            "the noise on the number of patients alone is {} of it: what no larger share of them have \
             in common is lost in noise; take more patients, fewer columns or a larger epsilon",
            numbers::percent(noise / total)
        ));
    }
    if generator.network().is_some() && generator.is_charged() {
        warnings.push(
            "a network's sums do not count patients: it cannot tell whether there were any".into(),
        );
    }
    warnings
}

fn request(options: &Fit) -> Result<Request, Error> {
    let (task, privacy, stands_in) = match &options.task {
        Some(path) => {
            let (task, privacy) = Task::read_with_privacy(path)?;
            (task, privacy, path.clone())
        }
        None => (task(options)?, Some(privacy(options)), PathBuf::from("options")),
    };
    let by_column = options.site.clone().map(Sites::Column);
    Ok(Request {
        task,
        privacy,
        stands_in,
        data: options.data.clone(),
        sites: by_column.or(options.deal.map(Sites::Deal)),
        schema: options.schema.clone(),
        study: options.study.clone(),
        floors: Floors {
            min_sites: options.min_sites,
            min_local_rows: options.min_local_rows,
            min_cell: 0,
        },
        summing: match options.sum {
            How::Plain => Summing::Plain,
            How::Nodes => Summing::Nodes(options.nodes.into()),
            How::Masked => Summing::Masked,
        },
        nodes: options.nodes.into(),
    })
}

/// The task that the options stand for.
fn task(options: &Fit) -> Result<Task, Error> {
    let mut params = toml::Table::new();
    params.insert("method".into(), options.method.as_str().into());
    if let Some(patients) = options.expected_patients {
        if options.method != METHOD {
            let problem = format!("only --method {METHOD} divides its sums by it; leave it away");
            return Err(Error::Config { file: "--expected-patients".into(), problem });
        }
        let expected = (EXPECTED.to_owned(), toml::Value::from(patients));
        params.insert(TRAINING.into(), toml::Table::from_iter([expected]).into());
    }
    if !options.columns.is_empty() {
        params.insert("columns".into(), options.columns.clone().into());
    }
    let mut times: Vec<toml::Table> = Vec::new();
    for pair in &options.survival {
        let Some((time, event)) = pair.split_once(',') else {
            let problem = format!("{pair:?} names no two columns; write TIME,EVENT");
            return Err(Error::Config { file: "--survival".into(), problem });
        };
        times.push(toml::Table::from_iter([
            ("time".to_owned(), time.trim().into()),
            ("event".to_owned(), event.trim().into()),
        ]));
    }
    if !times.is_empty() {
        params.insert("survival".into(), times.into());
    }
    let mut task = Task { name: NAME.into(), version: VERSION, params };
    task.restrict(&options.include, &options.exclude);
    Ok(task)
}

/// What stands under `[privacy]` of a task file.
fn privacy(options: &Fit) -> toml::Table {
    let mut section = toml::Table::new();
    if options.exact {
        section.insert("exact".into(), true.into());
    }
    for (key, value) in [("epsilon", options.epsilon), ("delta", options.delta)] {
        if let Some(value) = value {
            section.insert(key.into(), value.into());
        }
    }
    section
}

/// What was made, but for the model itself.
fn object(
    file: &SynthFile,
    generator: &Generator,
    options: &Fit,
    digest: Option<&str>,
    warnings: &[String],
) -> Value {
    let domain = &generator.domain;
    let attributes = domain.attributes.iter();
    let attributes: Vec<Value> =
        attributes.map(|own| json!({ "name": own.name, "levels": own.levels() })).collect();
    let measured: Vec<Value> = (generator.measured.iter())
        .map(|table| {
            let names = table.attributes.iter().filter_map(|at| domain.attributes.get(*at));
            let names: Vec<&str> = names.map(|own| own.name.as_str()).collect();
            json!({ "attributes": names, "cells": table.cells, "round": table.round, "sd": table.sd })
        })
        .collect();
    let provenance = &file.provenance;
    json!({
        "schema": SCHEMA,
        "study": file.study,
        "method": generator.method,
        "rounds": generator.rounds,
        "total": generator.total(),
        "weights": generator.network().map(|network| network.weights.len()),
        "holdout": generator.holdout,
        "attributes": attributes,
        "measured": measured,
        "sites": provenance.data.hospitals,
        "excluded": provenance.data.excluded,
        "cohort": provenance.data.cohort,
        "mode": provenance.mode,
        "privacy": provenance.privacy,
        "notes": provenance.notes,
        "warnings": warnings,
        "model": options.out.as_ref().zip(digest).map(|(out, digest)| {
            json!({ "file": out.display().to_string(), "digest": digest })
        }),
    })
}

fn summary(file: &SynthFile, generator: &Generator, options: &Fit, started: Instant) -> String {
    let provenance = &file.provenance;
    let mut lines = vec![
        format!("model    {} of {}", generator.method, file.study),
        format!("columns  {}", generator.domain.header().join(", ")),
        format!(
            "fitted   {} in {} over {}, {:.1} s",
            made_of(generator),
            numbers::counted(generator.rounds.into(), "round", "rounds"),
            numbers::counted(provenance.data.hospitals, "hospital", "hospitals"),
            started.elapsed().as_secs_f64()
        ),
        format!("sums     {}", provenance.mode),
    ];
    let mut facts = promise(&provenance.privacy).into_iter();
    lines.extend(facts.next().map(|fact| format!("privacy  {fact}")));
    lines.extend(facts.map(|fact| format!("         {fact}")));
    for out in &provenance.data.excluded {
        lines.push(format!("left out {}: {}", out.site, out.reason));
    }
    if let Some(out) = &options.out {
        let out = out.display();
        lines.push(format!("written  {out} (haima synth sample {out} --out virtual.csv)"));
    }
    if matches!(provenance.privacy, Guarantee::Exact { .. }) {
        lines.push("         its rows may hold what is true of single patients".into());
    }
    lines.join("\n")
}

/// What the sums were about.
fn made_of(generator: &Generator) -> String {
    if let Some(network) = generator.network() {
        let weights = numbers::counted(network.weights.len() as u64, "weight", "weights");
        return format!("a network of {weights}");
    }
    let levels: usize = generator.domain.sizes().iter().sum();
    let tables = generator.measured.iter().filter(|table| table.attributes.len() > 1).count();
    format!(
        "{} and {} of several",
        numbers::counted(levels as u64, "level of single columns", "levels of single columns"),
        numbers::counted(tables as u64, "table", "tables")
    )
}
