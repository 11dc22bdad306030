//! `haima budget`: what a ledger holds, what steps would cost, what a target needs.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use haima_crypto::encode::Digest;
use haima_dp::ledger::{self, Limit, Share, Summary};
use haima_dp::units::{Delta, Epsilon, Rate, Sensitivity};
use haima_fl_core::tasks::vector_sum;
use serde_json::{Value, json};

use crate::Error;
use crate::budget::{Needed, Row, Setting, told};
use crate::model_file::whole;
use crate::report::{budget_figure, numbers};

/// Commands on budgets. Every epsilon is for one patient added or removed (of a task vector-sum: for one
/// site's vector replaced by any other), against all nodes but one, the coordinator and all other
/// hospitals.
#[derive(Debug, Subcommand)]
pub(super) enum Budget {
    /// Print a ledger: limit, every charge, what is used and left. It neither locks nor changes it.
    Show {
        /// Population that the ledger belongs to.
        #[arg(long)]
        population: String,
        /// The ledger (`ledger-*.journal` in a site's state folder).
        ledger: PathBuf,
        /// Print one JSON object: limits, what is used and left, without the single charges.
        #[arg(long)]
        json: bool,
    },
    /// What steps cost at a given noise, by each accountant.
    #[command(allow_negative_numbers = true)]
    Simulate(Simulate),
    /// What noise a budget needs for so many steps, or how many steps it gives at a noise.
    #[command(group = ArgGroup::new("given").required(true).args(["steps", "noise_multiplier"]), allow_negative_numbers = true)]
    Plan(Plan),
}

#[derive(Debug, Args)]
struct Common {
    /// Probability of failure of every figure.
    #[arg(long)]
    delta: f64,
    /// Probability with which each patient takes part in a step.
    #[arg(long, default_value_t = 1.0)]
    rate: f64,
    /// D: the most that the unit moves the sum, in grid steps (clip norm times 2^frac_bits; with --unit
    /// site twice that).
    #[arg(long, default_value_t = 65_536)]
    sensitivity: u64,
    /// Whom the noise hides: one patient, or, as in a task vector-sum, all of one site's vector.
    #[arg(long, value_enum, default_value_t = Unit::Patient)]
    unit: Unit,
    /// Coordinates of the sum.
    #[arg(long, default_value_t = 1)]
    dimension: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// Noise of each node over the sensitivity: s / D.
    #[arg(long)]
    noise_multiplier: f64,
    /// The most steps, spare attempts included.
    #[arg(long)]
    steps: u64,
    /// Draw epsilon against steps into this SVG file.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Target.
    #[arg(long)]
    epsilon: f64,
    /// Steps, spare attempts included: asks for the noise.
    #[arg(long)]
    steps: Option<u32>,
    /// Noise of each node over the sensitivity, s / D: asks for the steps.
    #[arg(long)]
    noise_multiplier: Option<f64>,
    #[command(flatten)]
    common: Common,
}

/// Whom noise hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Unit {
    /// One patient, added or removed.
    Patient,
    /// One site's vector, replaced by any other within its bound.
    Site,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Site => vector_sum::UNIT,
        }
    }

    /// As the report of a study has it.
    fn adjacency(self) -> &'static str {
        match self {
            Self::Patient => "add/remove",
            Self::Site => vector_sum::ADJACENCY,
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Patient => "one patient added or removed",
            Self::Site => vector_sum::ADJACENCY,
        }
    }
}

impl Common {
    fn setting(&self) -> Result<Setting, Error> {
        // What sampling amplifies is the loss of a patient who may not have been drawn.
        if self.unit == Unit::Site && self.rate != 1.0 {
            return Err(Error::Config {
                file: "--rate".into(),
                problem: "every site takes part in every sum; leave it out with --unit site".into(),
            });
        }
        let dimension = NonZeroU64::new(self.dimension).ok_or_else(|| Error::Config {
            file: "--dimension".into(),
            problem: "must be at least 1".into(),
        })?;
        Ok(Setting {
            rate: Rate::new(self.rate)?,
            sensitivity: Sensitivity::new(self.sensitivity)?,
            dimension,
            delta: Delta::new(self.delta)?,
        })
    }
}

/// Runs a command.
pub(super) fn run(command: &Budget) -> Result<(), Error> {
    match command {
        Budget::Show { population, ledger, json: true } => {
            println!("{}", object(&ledger::summary(ledger, population)?));
            Ok(())
        }
        Budget::Show { population, ledger, json: false } => {
            let summary = ledger::summary(ledger, population)?;
            println!("{}\n", in_short(&summary));
            print!("{}", ledger::export(ledger, population)?);
            println!(
                "\nWhat a charge hides is one patient, but of a task vector-sum or a training by dp-fedavg \
                 one site:\nall that it sent."
            );
            Ok(())
        }
        Budget::Simulate(command) => simulate(command),
        Budget::Plan(command) => plan(command),
    }
}

/// What is used of a ledger, as pages and reports tell it.
fn in_short(summary: &Summary) -> String {
    let limit = &summary.budget.overall;
    let told = told(limit, summary.epsilon_spent, summary.spent.get());
    format!(
        "Used: epsilon {} at delta {}; {} for further questions.",
        told.epsilons(),
        numbers::scientific(limit.delta.get()),
        told.left()
    )
}

/// A ledger in numbers.
fn object(summary: &Summary) -> Value {
    let share = |share: &Share| {
        json!({
            "study": share.study, "cost_spent": share.spent.get(),
            "epsilon_spent": share.epsilon_spent, "exact_releases": share.exact,
        })
    };
    let own = summary.budget.per_study.iter();
    let own = own.map(|(study, own)| json!({ "study": study, "limit": limit(own) }));
    let amended = summary.amendments.iter();
    let amended = amended.map(|(entry, why)| json!({ "entry": entry, "reason": why }));
    json!({
        "schema": "haima.budget.show/1", "population": summary.population,
        "last_entry": summary.last, "head": Digest::from_bytes(summary.head).to_string(),
        "unfinished_bytes": summary.unfinished, "unit": "patient", "adjacency": "add/remove",
        "unit_of_vector_sum": vector_sum::UNIT, "adversary": "all nodes but one", "limit": limit(&summary.budget.overall),
        "limits_of_studies": own.collect::<Vec<Value>>(),
        "exact_releases_allowed": summary.budget.allow_exact,
        "cost_spent": summary.spent.get(), "cost_left": summary.left.get(),
        "epsilon_spent": summary.epsilon_spent, "charges": summary.charges,
        "studies": summary.studies.iter().map(share).collect::<Vec<Value>>(),
        "amendments": amended.collect::<Vec<Value>>(),
    })
}

fn limit(limit: &Limit) -> Value {
    let Limit { epsilon, delta, filter } = limit;
    json!({
        "epsilon": epsilon.get(), "delta": delta.get(), "filter": filter.to_string(),
        "cost": limit.room().get(),
    })
}

/// Points of a table or plot: at most this many numbers of steps, evenly apart.
const POINTS: u64 = 16;

fn simulate(command: &Simulate) -> Result<(), Error> {
    let Simulate { noise_multiplier, steps, plot, common } = command;
    let setting = common.setting()?;
    if *steps == 0 {
        return Err(haima_dp::Error::NoRounds.into());
    }
    let points = POINTS.min(*steps);
    // In 128 bits, so that no number of steps overflows.
    let at = |point: u64| (u128::from(*steps) * u128::from(point)).div_ceil(points.into()) as u64;
    let rows = (1..=points)
        .map(|point| setting.cost(*noise_multiplier, at(point)))
        .collect::<Result<Vec<Row>, Error>>()?;
    if let Some(path) = plot {
        if common.unit == Unit::Site {
            return Err(Error::Config {
                file: "--plot".into(),
                problem: "it is drawn for one patient; leave it out with --unit site".into(),
            });
        }
        let figure = budget_figure::figure(&rows, *noise_multiplier, &setting);
        whole(path, figure.as_bytes())?;
    }
    if common.json {
        let object = json!({
            "schema": "haima.budget.simulate/1", "noise_multiplier": noise_multiplier,
            "rate": common.rate, "delta": common.delta, "sensitivity": common.sensitivity,
            "dimension": common.dimension, "unit": common.unit.name(),
            "adjacency": common.unit.adjacency(), "adversary": "all nodes but one", "rows": rows,
        });
        println!("{object}");
        return Ok(());
    }
    println!(
        "eps at delta {:e}, {}, against all nodes but one; noise {} x D, rate {}",
        common.delta,
        common.unit.in_words(),
        noise_multiplier,
        common.rate
    );
    println!("{:>12} {:>10} {:>10} {:>10}  best is by", "steps", "zCDP", "Renyi", "best");
    for row in &rows {
        let [zcdp, renyi, best] = [row.zcdp, row.renyi, row.best].map(figure);
        println!("{:>12} {zcdp:>10} {renyi:>10} {best:>10}  {}", row.steps, row.best_by);
    }
    println!(
        "A ledger counts by zCDP (without amplification) or by Renyi at one order; \"best\" holds \
         for a plan that was committed beforehand."
    );
    Ok(())
}

/// Up to the safe side: nothing below the bound is printed.
fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("{:.4}", (value * 1e4).ceil() / 1e4))
}

fn plan(command: &Plan) -> Result<(), Error> {
    let Plan { epsilon, steps, noise_multiplier, common } = command;
    let (setting, target) = (common.setting()?, Epsilon::new(*epsilon)?);
    let (asked, needed) = match (steps, noise_multiplier) {
        (Some(steps), _) => ("noise_multiplier", setting.noise(target, *steps)?),
        (None, Some(multiplier)) => ("steps", setting.steps(target, *multiplier)?),
        // The group of arguments has one of both.
        (None, None) => return Err(haima_dp::Error::NoRounds.into()),
    };
    if common.json {
        let object = json!({
            "schema": "haima.budget.plan/1", "epsilon": epsilon, "delta": common.delta,
            "rate": common.rate, "sensitivity": common.sensitivity, "dimension": common.dimension,
            "steps": steps, "noise_multiplier": noise_multiplier,
            "unit": common.unit.name(), "adjacency": common.unit.adjacency(),
            "adversary": "all nodes but one", "asked": asked, "needed": needed,
        });
        println!("{object}");
        return Ok(());
    }
    println!(
        "eps {epsilon} at delta {:e}, rate {}, {}, against all nodes but one",
        common.delta,
        common.rate,
        common.unit.in_words()
    );
    let (heading, digits) =
        if asked == "steps" { ("most steps", 0) } else { ("least noise s/D", 4) };
    println!("{:<36} {heading:>16}", "enforced by");
    for Needed { by, order, value } in &needed {
        let by = order.map_or_else(|| by.clone(), |order| format!("{by}, order {order}"));
        let scale = 10_f64.powi(digits);
        let value = match value {
            None => "out of reach".to_owned(),
            Some(value) if digits == 0 => format!("{value:.0}"),
            Some(value) => format!("{:.4}", (value * scale).ceil() / scale),
        };
        println!("{by:<36} {value:>16}");
    }
    Ok(())
}
