//! `haima stats`: one analysis over local hospitals. Its subcommands are made from
//! [`ANALYSES`]: what an analysis takes stands there.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use crate::Error;
use crate::pooled::{Table, told};
use crate::report::Floors;
use crate::stats::analysis::{ANALYSES, Analysis, Kind, Parameter};
use crate::stats::{self, Answer, Request, Sites, Summing, Task};

/// `haima stats`.
#[derive(Debug)]
pub(super) struct Stats {
    analysis: &'static Analysis,
    /// The question's own options.
    given: ArgMatches,
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Pooled CSV of all hospitals; repeated, a file a hospital.
    #[arg(long, value_name = "FILE", required = true)]
    data: Vec<PathBuf>,
    /// Column that splits the data into hospitals.
    #[arg(long, value_name = "COLUMN", conflicts_with = "deal")]
    site: Option<String>,
    /// Instead of --site: deal the rows out in turn to so many hospitals.
    #[arg(long, value_name = "N")]
    deal: Option<usize>,
    /// Only patients for whom this holds, e.g. 'age > 1'; can be repeated.
    #[arg(long, alias = "where", value_name = "EXPR")]
    include: Vec<String>,
    /// No patient for whom this holds; can be repeated.
    #[arg(long, value_name = "EXPR")]
    exclude: Vec<String>,
    /// A task file with the question, instead of its options.
    #[arg(long, value_name = "FILE")]
    task: Option<PathBuf>,
    /// A schema (TOML), or a study's template; inferred from the data without it.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Columns of numbers that are levels.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    category: Vec<String>,
    /// How sums are made: in this process (a simulation), or by the protocol's processes.
    #[arg(long, value_enum, default_value_t = How::Plain)]
    sum: How,
    /// Number of SMPC nodes with --sum nodes.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    nodes: u8,
    /// Compute the same from all rows in one place, and how far the result is from it.
    #[arg(long)]
    pooled: bool,
    /// Fewest hospitals in a sum.
    #[arg(long, value_name = "N", default_value_t = 3)]
    min_sites: u32,
    /// A hospital with fewer complete rows is left out.
    #[arg(long, value_name = "N", default_value_t = 10)]
    min_local_rows: u64,
    /// Tables show no count of patients below this (a rule of display; the JSON has all counts).
    #[arg(long, value_name = "N", default_value_t = 5)]
    min_cell: u64,
    /// Write the figure as SVG: curves, forest plot, or Manhattan and QQ plot.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    /// Plain sums in this process: a simulation.
    Plain,
    /// Node and site processes, secret shares, proofs.
    Nodes,
    /// Site processes and a coordinator, masks that cancel.
    Masked,
}

/// The switch that stands for a grid as fine as the data.
const EXACT_GRID: &str = "exact-grid";

fn command(analysis: &'static Analysis) -> Command {
    let mut command =
        Command::new(analysis.name).about(analysis.about).allow_negative_numbers(true);
    command = command.next_help_heading("The question");
    for parameter in analysis.parameters() {
        let needed = analysis.needs.iter().any(|needed| std::ptr::eq(*needed, parameter));
        command = command.arg(option(parameter, needed));
    }
    if analysis.takes_grid() {
        let exact = Arg::new(EXACT_GRID).long(EXACT_GRID).action(ArgAction::SetTrue);
        command = command.arg(
            exact.conflicts_with("grid").help("Instead of --grid: as fine as the times, so exact"),
        );
    }
    Common::augment_args(command.next_help_heading("Data, sums and output"))
}

fn option(parameter: &'static Parameter, needed: bool) -> Arg {
    let mut arg = Arg::new(parameter.name).long(parameter.name).help(parameter.help);
    if parameter.kind != Kind::Switch {
        arg = arg.conflicts_with("task");
    }
    arg = match parameter.kind {
        Kind::Column => arg.value_name("COLUMN"),
        Kind::ColumnOr(_) => arg.value_name("site|none|COLUMN"),
        Kind::Columns => arg.value_name("COLUMNS").value_delimiter(','),
        Kind::Word(words) => arg.value_name("WORD").value_parser(PossibleValuesParser::new(words)),
        Kind::Text => arg.value_name("TEXT"),
        Kind::Number | Kind::Grid => arg.value_name("X").value_parser(clap::value_parser!(f64)),
        Kind::Whole => arg.value_name("N").value_parser(clap::value_parser!(i64)),
        Kind::Switch => arg.action(ArgAction::SetTrue),
    };
    match (needed, parameter.kind) {
        (true, Kind::Grid) => arg.required_unless_present_any(["task", EXACT_GRID]),
        (true, _) => arg.required_unless_present("task"),
        (false, _) => arg,
    }
}

impl Args for Stats {
    fn augment_args(command: Command) -> Command {
        Self::augment_subcommands(command).subcommand_required(true).arg_required_else_help(true)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl Subcommand for Stats {
    fn augment_subcommands(parent: Command) -> Command {
        parent.subcommands(ANALYSES.iter().map(command))
    }

    fn augment_subcommands_for_update(parent: Command) -> Command {
        Self::augment_subcommands(parent)
    }

    fn has_subcommand(name: &str) -> bool {
        ANALYSES.iter().any(|analysis| analysis.name == name)
    }
}

impl FromArgMatches for Stats {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(ErrorKind::MissingSubcommand);
        let (name, given) = matches.subcommand().ok_or_else(missing)?;
        let analysis =
            ANALYSES.iter().find(|analysis| analysis.name == name).ok_or_else(missing)?;
        Ok(Self { analysis, given: given.clone(), common: Common::from_arg_matches(given)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs an analysis and prints what came out.
pub(super) fn run(command: &Stats) -> Result<(), Error> {
    let common = &command.common;
    let request = request(command)?;
    if let Some(path) = &common.plot {
        can_be_drawn(command.analysis.name, path)?;
    }
    let mut answer = stats::run(&request)?;
    if command.analysis.name == "logrank" {
        the_test_alone(&mut answer, common)?;
    }
    for note in answer.result.get("notes").and_then(Value::as_array).into_iter().flatten() {
        eprintln!("note: {}", note.as_str().unwrap_or_default());
    }
    if let Some(path) = &common.plot {
        let figure = stats::figure(&answer, &request.task)?;
        std::fs::write(path, figure).map_err(|e| Error::file(path, e))?;
        eprintln!("figure: {}", path.display());
    }
    if common.json {
        println!("{}", Value::Object(answer.result));
    } else {
        print!("{}", stats::show(&answer));
    }
    Ok(())
}

/// Before anything is summed: whether there is a figure, and a place for it.
fn can_be_drawn(analysis: &str, path: &Path) -> Result<(), Error> {
    const DRAWN: [&str; 7] = ["km", "cox", "cif", "finegray", "glm", "gwas", "meta"];
    let fault = |problem: String| Err(Error::config(path, problem));
    if !DRAWN.contains(&analysis) {
        return fault(format!(
            "there is no figure of {analysis}; there is one of {}",
            DRAWN.join(", ")
        ));
    }
    if path.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("svg")) {
        return fault("figures are SVG files; let the name end in .svg".into());
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            fault("there is no such folder; make it first".into())
        }
        _ => Ok(()),
    }
}

fn request(command: &Stats) -> Result<Request, Error> {
    let Common { include, exclude, .. } = &command.common;
    let common = &command.common;
    let (data, sites) = sites(common)?;
    let mut task = match &common.task {
        Some(path) => task_file(path, command.analysis)?,
        None => from_options(command, &stats::table(data, &sites)?)?,
    };
    task.restrict(include, exclude);
    let exact_grid = command.analysis.takes_grid() && command.given.get_flag(EXACT_GRID);
    Ok(Request {
        data: data.to_owned(),
        sites,
        task,
        exact_grid,
        schema: common.schema.clone(),
        categories: common.category.iter().map(|column| column.trim().to_owned()).collect(),
        floors: Floors {
            min_sites: common.min_sites,
            min_local_rows: common.min_local_rows,
            min_cell: common.min_cell,
        },
        summing: match common.sum {
            How::Plain => Summing::Plain,
            How::Nodes => Summing::Nodes(common.nodes.into()),
            How::Masked => Summing::Masked,
        },
        pooled: common.pooled,
    })
}

/// The first file, and how rows become hospitals.
fn sites(common: &Common) -> Result<(&Path, Sites), Error> {
    let Common { data, site, deal, .. } = common;
    let Some((first, others)) = data.split_first() else {
        return Err(Error::config(Path::new("--data"), "name a file of patients"));
    };
    let fault = |problem: &str| Err(Error::config(first, problem));
    let sites = match (site, deal, others) {
        (Some(column), _, []) => Sites::Column(column.trim().to_owned()),
        (None, Some(hospitals), []) => Sites::Deal(*hospitals),
        (None, None, []) => {
            return fault(
                "one file is one hospital; name the column of hospitals by --site, deal the rows out \
                 by --deal N, or give a file of each hospital by --data",
            );
        }
        (None, None, others) => Sites::Files(others.to_vec()),
        (_, _, _) => {
            return fault("--site and --deal split one file; several files are a hospital each");
        }
    };
    Ok((first.as_path(), sites))
}

fn task_file(path: &Path, analysis: &Analysis) -> Result<Task, Error> {
    let task = Task::read(path)?;
    if task.name == analysis.task {
        return Ok(task);
    }
    let others = ANALYSES.iter().filter(|other| other.task == task.name);
    let names: Vec<String> = others.map(|other| format!("haima stats {}", other.name)).collect();
    let hint = if names.is_empty() { "no analysis of this program" } else { &names.join(", ") };
    let problem = format!(
        "task {} is not what `haima stats {}` asks ({}); it is for {hint}",
        task.name, analysis.name, analysis.task
    );
    Err(Error::config(path, problem))
}

fn from_options(command: &Stats, table: &Table) -> Result<Task, Error> {
    let Stats { analysis, given, .. } = command;
    let mut params = toml::Table::new();
    for parameter in analysis.parameters() {
        if let Some(value) = value(parameter, given, table)? {
            params.insert(parameter.key(), value);
        }
    }
    Ok(Task { name: analysis.task.into(), version: analysis.version, params })
}

/// An option as the task's parameter; columns are checked against the file's.
fn value(
    parameter: &Parameter,
    given: &ArgMatches,
    table: &Table,
) -> Result<Option<toml::Value>, Error> {
    let text = || given.get_one::<String>(parameter.name);
    Ok(match parameter.kind {
        Kind::Column => match text() {
            Some(column) => Some(named(column, table)?.into()),
            None => None,
        },
        Kind::ColumnOr(words) => match text() {
            Some(word) if words.contains(&word.as_str()) => Some(word.as_str().into()),
            Some(column) => Some(named(column, table)?.into()),
            None => None,
        },
        Kind::Columns => match given.get_many::<String>(parameter.name) {
            Some(names) => Some(columns(names, table)?.into()),
            None => None,
        },
        Kind::Word(_) | Kind::Text => text().map(|text| text.as_str().into()),
        Kind::Number | Kind::Grid => given.get_one::<f64>(parameter.name).map(|x| (*x).into()),
        Kind::Whole => given.get_one::<i64>(parameter.name).map(|x| (*x).into()),
        Kind::Switch => given.get_flag(parameter.name).then_some(true.into()),
    })
}

/// A column's name as a schema has it: without blanks around it and without a header's unit.
fn named(column: &str, table: &Table) -> Result<String, Error> {
    let column = column.trim();
    table.has(column)?;
    Ok(told(column).0.to_owned())
}

/// Columns by name or by the beginning of their names, and interactions of columns.
fn columns<'a>(
    names: impl Iterator<Item = &'a String>,
    table: &Table,
) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for name in names {
        let Some(prefix) = name.trim().strip_suffix('*') else {
            let parts = name.split(':').map(|column| named(column, table));
            found.push(parts.collect::<Result<Vec<_>, _>>()?.join(":"));
            continue;
        };
        let before = found.len();
        found
            .extend(table.columns().filter(|column| column.starts_with(prefix)).map(str::to_owned));
        if found.len() == before {
            let all: Vec<&str> = table.headers().collect();
            let problem = format!("no column begins with {prefix:?}; it has {}", all.join(", "));
            return Err(Error::config(table.path(), problem));
        }
    }
    Ok(found)
}

/// Of the curves, the test: DESIGN's form of a test beside what every result has.
fn the_test_alone(answer: &mut Answer, common: &Common) -> Result<(), Error> {
    let test = |object: &mut Map<String, Value>| match object.remove("logrank") {
        Some(Value::Object(test)) => {
            object.remove("curves");
            object.insert("schema".into(), json!("haima.logrank/1"));
            object.extend(test);
            Ok(())
        }
        _ => Err(Error::config(
            common.data.first().map_or(Path::new("--data"), PathBuf::as_path),
            "a log-rank test needs two groups with patients at risk; see the column of --by",
        )),
    };
    test(&mut answer.result)?;
    match answer.result.get_mut("pooled") {
        Some(Value::Object(pooled)) => test(pooled),
        _ => Ok(()),
    }
}
