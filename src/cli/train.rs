//! `haima train`: a model from a task file, over local hospitals.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::Error;
use crate::card::{Card, promise};
use crate::cli::progress::Rounds;
use crate::model_file::{Guarantee, ModelFile};
use crate::report::{Floors, numbers};
use crate::stats::{Sites, Summing, Task};
use crate::text::printable;
use crate::train::{Request, Training};

/// Options of `haima train`.
#[derive(Debug, Args)]
pub(super) struct Train {
    /// Task file (TOML): [task], [params], [privacy] and, if need be, [cohort].
    #[arg(value_name = "TASK")]
    task: PathBuf,
    /// Pooled CSV of all hospitals, with --site or --deal; or repeated, a file a hospital.
    #[arg(long, value_name = "FILE", required = true)]
    data: Vec<PathBuf>,
    /// Column that splits a pooled file into hospitals; by default the `site_column` of a template.
    #[arg(long, visible_alias = "site-column", value_name = "COLUMN", conflicts_with = "deal")]
    site: Option<String>,
    /// Instead of --site: deal the rows out in turn to so many hospitals.
    #[arg(long, value_name = "N")]
    deal: Option<usize>,
    /// A schema (TOML), or a study's template; inferred from one file without it, where exact.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// How sums are made: in this process (a simulation), or by the protocol's processes.
    #[arg(long, value_enum, default_value_t = How::Plain)]
    sum: How,
    /// Number of SMPC nodes: processes with --sum nodes; those whose noise a simulation adds.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    nodes: u8,
    /// Where the model is written, e.g. relapse.haima. This or --json has to be given.
    #[arg(long, value_name = "MODEL")]
    out: Option<PathBuf>,
    /// Write all that is needed to go on, after every round of a simulation.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Go on from such a file.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Fewest hospitals in a sum.
    #[arg(long, value_name = "N", default_value_t = 3)]
    min_sites: u32,
    /// A hospital with fewer complete rows is left out (strategies whose unit is no patient).
    #[arg(long, value_name = "N", default_value_t = 10)]
    min_local_rows: u64,
    /// Print one JSON object: the trained network.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum How {
    /// Plain sums in this process: a simulation.
    Plain,
    /// Node and site processes, secret shares, proofs.
    Nodes,
    /// Site processes and a coordinator, masks that cancel.
    Masked,
}

/// Trains, writes the model and says what came out.
pub(super) fn run(options: &Train) -> Result<(), Error> {
    match &options.out {
        Some(out) => {
            can_be_written(out)?;
            has_a_model(&options.task)?;
        }
        None if options.json => {}
        None => {
            return Err(Error::Config {
                file: "--out".into(),
                problem: "neither --out nor --json: nothing would be left of the training; give \
                          --out MODEL for a model file, or --json to print the network"
                    .into(),
            });
        }
    }
    let sites = match (&options.site, options.deal) {
        (Some(column), _) => Some(Sites::Column(column.clone())),
        (None, Some(sites)) => Some(Sites::Deal(sites)),
        (None, None) => None,
    };
    let request = Request {
        task: options.task.clone(),
        data: options.data.clone(),
        sites,
        schema: options.schema.clone(),
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
        checkpoint: options.checkpoint.clone(),
        resume: options.resume.clone(),
    };
    let training = Training::new(&request)?;
    if options.sum == How::Plain {
        eprintln!("simulation: plain sums in one process, which sees every row");
    }
    // Before the rounds, which may take long: a reader may not want them any more.
    let known = training.notes().to_vec();
    for note in &known {
        eprintln!("note: {}", printable(note));
    }
    let started = Instant::now();
    let mut rounds = Rounds::new();
    let model = training.run(&mut |at| rounds.at(&at));
    drop(rounds);
    let model = model?;
    for note in model.provenance.notes.iter().filter(|note| !known.contains(note)) {
        eprintln!("note: {}", printable(note));
    }
    if let Some(out) = &options.out {
        model.write(out)?;
    }
    if options.json {
        println!("{}", object(&model));
    } else {
        print!("{}", summary(&model, options, started)?);
    }
    Ok(())
}

/// Before anything is summed: whether there is a place for the model.
pub(super) fn can_be_written(path: &std::path::Path) -> Result<(), Error> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(Error::config(path, "there is no such folder; make it first"))
        }
        _ if path.is_dir() => Err(Error::config(path, "is a folder; name a file in it")),
        _ => Ok(()),
    }
}

/// Before anything is summed: whether the training leaves a model that predicts.
fn has_a_model(task: &std::path::Path) -> Result<(), Error> {
    let (asked, _) = Task::read_with_privacy(task)?;
    let strategy = asked.params.get("strategy").and_then(|strategy| strategy.get("name"));
    match strategy.and_then(toml::Value::as_str) {
        Some("fedper") => Err(Error::config(
            task,
            "fedper: each hospital's head stays there, so there is no whole model for --out; take \
             another strategy, or --json for the common body",
        )),
        _ => Ok(()),
    }
}

/// The result with what is said of it, as `haima stats` does.
fn object(model: &ModelFile) -> Value {
    let mut object = model.network.clone();
    let provenance = &model.provenance;
    if let Some(object) = object.as_object_mut() {
        object.insert("cohort".into(), json!(provenance.data.cohort));
        object.insert("mode".into(), json!(provenance.mode));
        object.insert("sites".into(), json!(provenance.data.hospitals));
        object.insert("excluded".into(), json!(provenance.data.excluded));
        object.insert("privacy".into(), json!(provenance.privacy));
        object.insert("notes".into(), json!(provenance.notes));
    }
    object
}

fn summary(model: &ModelFile, options: &Train, started: Instant) -> Result<String, Error> {
    let card = Card::of(model)?;
    let (own, provenance) = (&card.model, &model.provenance);
    let mut lines = vec![format!("model    {} {} by {}", own.name, own.version, own.strategy)];
    lines.extend(card.subject.as_ref().map(|subject| format!("of       {subject}")));
    lines.extend(own.outcome.as_ref().map(|outcome| format!("predicts {}", outcome.in_words())));
    lines.extend([
        format!("gives    {}", own.outputs.join(", ")),
        format!("reads    {}", own.columns.join(", ")),
        format!(
            "trained  {} weights in {} over {}, {:.1} s",
            numbers::count(own.weights as u64),
            numbers::counted(own.steps.into(), "round", "rounds"),
            numbers::counted(provenance.data.hospitals, "hospital", "hospitals"),
            started.elapsed().as_secs_f64()
        ),
    ]);
    let noised = matches!(provenance.privacy, Guarantee::Dp { .. });
    lines.extend(own.stopping(noised).map(|said| format!("stopping early stopping {said}")));
    lines.push(format!("sums     {}", provenance.mode));
    let mut facts = promise(&provenance.privacy).into_iter();
    lines.extend(facts.next().map(|fact| format!("privacy  {fact}")));
    lines.extend(facts.map(|fact| format!("         {fact}")));
    for out in &provenance.data.excluded {
        lines.push(format!("left out {}: {}", out.site, out.reason));
    }
    if let Some(out) = &options.out {
        lines.push(format!("written  {} (its card: haima card {})", out.display(), out.display()));
    }
    if matches!(provenance.privacy, Guarantee::Exact { .. }) {
        lines.push("         the weights may hold what is true of single patients".into());
    }
    // Labels and the subject are of a schema that anybody may have written.
    let lines: Vec<String> = lines.iter().map(|line| printable(line).replace('\n', " ")).collect();
    Ok(lines.join("\n") + "\n")
}
