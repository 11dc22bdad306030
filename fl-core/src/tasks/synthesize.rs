//! A generator of virtual patients from secure sums of contingency tables ([`crate::synth`]). The second
//! family, by `method = "vae"`, is a network that is trained over secure sums: [`network`].
//!
//! Each round's query carries the tables that it asks for, as JSON; a site answers with the sum over
//! its patients of vectors that [`Ask::contribution`] makes of one patient's levels alone. What is
//! asked next, the model, and every choice between tables is computed from released sums (rule X3), so
//! it costs no privacy beyond them.
//!
//! # Bounds
//! A patient's vector has an L2 norm of at most [`Ask::norm`], a closed form of the public tables. In
//! the noised form (`release = "noised"`) it is at most 1 in every round, so D is one unit of the grid
//! and all rounds cost the same: the plan is fixed beforehand. Each patient is truncated alone and
//! added in integers, so D is `ceil(C/g)` (rule S2). There is no floor and no count there.
//!
//! In the exact form counts leave as they are. A table of three columns with a patient alone in a cell
//! shows that patient's three values, so a site has to allow it as a task that reveals rows.

pub mod network;

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;
use serde::Deserialize;

use super::hazard::split::Split;
use super::layout::{self, Release, refuse, unfit};
use crate::error::Error;
use crate::registry::Finished;
use crate::results::generator::{self, Generator};
use crate::schema::Schema;
use crate::sum::Sum;
use crate::synth::core::ask::Ask;
use crate::synth::core::graph::GraphModel;
use crate::synth::domain::{self, Domain};
use crate::synth::rounds::{Caps, Family, Measured, Method, Progress, Rounds};
use crate::task::{Block, Contribution, Next, Query, Run, Site, SiteState, Task, start};

/// Name of the task.
pub const NAME: &str = domain::TASK;
/// Version of the task.
pub const VERSION: u32 = 1;

/// The one block of every query.
const TABLES: &str = "tables";
/// Bytes of a query's tables as JSON.
const MOST_BYTES: usize = 16 << 20;

/// What the manifest says beside the domain's own keys ([`domain::KEYS`]). All of it is public.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    /// `"aim"` or `"mst"`.
    #[serde(default = "by_default")]
    method: Family,
    /// Sums, each of the same charge; the method's own number by default.
    rounds: Option<u32>,
    /// Most columns in one table of `aim`: 2 or 3.
    degree: Option<u8>,
    /// Columns whose dependence on others counts most.
    #[serde(default)]
    focus: Vec<String>,
    /// Cells of the model over all of its cliques.
    model_cells: Option<usize>,
    #[serde(default)]
    release: Release,
    /// Share of patients kept out, to judge the generator by.
    #[serde(default)]
    holdout: f64,
    /// Seed of that choice (rule N4).
    #[serde(default)]
    seed: u64,
}

fn by_default() -> Family {
    Family::Aim
}

/// Starts a run of the family that `method` names: tables, or a network.
///
/// # Errors
/// When a parameter or a column cannot be used, or the domain is too large.
pub fn open(
    table: &toml::Table,
    schema: &Schema,
    finished: &Finished,
) -> Result<Box<dyn Run>, Error> {
    domain::check_keys(table)?;
    match table.get("method").map(toml::Value::as_str) {
        Some(Some(network::METHOD)) => {
            Ok(start(network::NetworkGenerator::new(table, schema, finished)?))
        }
        None | Some(Some("aim" | "mst")) => Ok(start(Synthesize::new(table, schema, finished)?)),
        Some(_) => Err(refuse(NAME, "`method` is \"aim\", \"mst\" or \"vae\"")),
    }
}

/// Refuses `impossible` that leaves nobody: a column of which no level goes with all other columns, each
/// by itself. `missing` is whether a virtual patient may lack a value. What takes several columns at once
/// to see is told when rows are drawn.
fn leaves_somebody(domain: &Domain, missing: bool) -> Result<(), Error> {
    let of = |own: &domain::Attribute| if missing { own.levels() } else { own.kind.levels() };
    let sizes: Vec<usize> = domain.attributes.iter().map(of).collect();
    // For a level and another attribute, the levels of that one which never occur with it.
    let mut never: BTreeMap<((usize, u16), usize), BTreeSet<u16>> = BTreeMap::new();
    for pair in &domain.impossible {
        for (own, other) in [(pair.left, pair.right), (pair.right, pair.left)] {
            never.entry((own, other.0)).or_default().insert(other.1);
        }
    }
    let are_all = |attribute: usize, levels: &BTreeSet<u16>| {
        let most = sizes.get(attribute).copied().unwrap_or(0);
        levels.iter().filter(|level| usize::from(**level) < most).count() == most
    };
    let mut gone: BTreeMap<usize, BTreeSet<u16>> = BTreeMap::new();
    for (((attribute, level), other), levels) in &never {
        if are_all(*other, levels) {
            gone.entry(*attribute).or_default().insert(*level);
        }
    }
    match gone.iter().find(|&(attribute, levels)| are_all(*attribute, levels)) {
        None => Ok(()),
        Some((attribute, _)) => Err(refuse(
            NAME,
            format!(
                "`impossible` leaves nobody: no level of `{}` can occur with the levels of all other \
                 columns; look at its pairs",
                domain.names(&[*attribute])
            ),
        )),
    }
}

/// A generator in the making.
#[derive(Debug)]
pub struct Synthesize {
    domain: Domain,
    start: Rounds,
    params: Params,
    split: Option<Split>,
}

/// Where a run stands.
#[derive(Clone, Debug)]
pub struct State {
    rounds: Rounds,
    /// Sums so far, and sites in the smallest.
    done: u32,
    sites: u32,
}

impl Synthesize {
    /// The generator of these parameters: those of a domain ([`Domain::of_params`]), and optionally
    /// `method = "aim" | "mst"`, `rounds`, `degree` (2 or 3), `model_cells`, `release = "exact" |
    /// "noised"`, `holdout` and `seed`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used, or the domain is too large.
    pub fn new(table: &toml::Table, schema: &Schema, _: &Finished) -> Result<Self, Error> {
        let (of_domain, own): (toml::Table, toml::Table) =
            table.clone().into_iter().partition(|(key, _)| domain::KEYS.contains(&key.as_str()));
        let params: Params = layout::params(NAME, &own)?;
        if !(0.0..=0.9).contains(&params.holdout) {
            return Err(refuse(NAME, "`holdout` is a share of 0 to 0.9"));
        }
        let domain = Domain::of_params(&of_domain, schema)?;
        leaves_somebody(&domain, true)?;
        let mut method = Method::new(params.method, params.release == Release::Noised);
        method.rounds = params.rounds.unwrap_or(method.rounds);
        method.degree = params.degree.unwrap_or(method.degree);
        let mut caps = Caps::new(method.noised);
        caps.model_cells = params.model_cells.unwrap_or(caps.model_cells);
        let start = Rounds::start(domain.attributes(), domain.impossible(), method, caps)
            .map_err(|error| refuse(NAME, generator::explain(&error, &domain)))?;
        let mut focus = Vec::new();
        for name in &params.focus {
            let of = |own: &domain::Attribute| own.columns().contains(&name.as_str());
            let found = domain.attributes.iter().position(of);
            focus.push(found.ok_or_else(|| {
                refuse(NAME, format!("`focus`: `{name}` is none of the generator's columns"))
            })?);
        }
        let start = start.focused(focus);
        let split = (params.holdout > 0.0).then(|| Split::new(params.seed, params.holdout, schema));
        let task = Self { domain, start, params, split };
        layout::check(NAME, &task.query(&task.start()))?;
        Ok(task)
    }

    /// The run's rounds before their first sum, for whoever adds sums of his own.
    #[must_use]
    pub fn rounds_at_start(&self) -> Rounds {
        self.start.clone()
    }

    /// Sums of a whole run: public, so that a plan can count on them.
    #[must_use]
    pub fn rounds(&self) -> u32 {
        self.start.total_rounds()
    }

    /// Bits of the grid: whole counts, or so fine that truncation is nothing beside the noise.
    fn frac_bits(&self) -> u8 {
        match self.params.release {
            Release::Exact => 0,
            Release::Noised => Ask::FRAC_BITS,
        }
    }

    fn generator(
        &self,
        model: GraphModel,
        measured: Vec<Measured>,
        (rounds, sites): (u32, u32),
    ) -> Generator {
        Generator {
            schema: generator::SCHEMA.to_owned(),
            method: match self.params.method {
                Family::Mst => "mst",
                Family::Aim => "aim",
            }
            .to_owned(),
            release: self.params.release,
            rounds,
            sites,
            holdout: self.params.holdout,
            seed: self.params.seed,
            domain: self.domain.clone(),
            model: generator::Model::Tables(model),
            measured,
        }
    }

    fn ask(&self, query: &Query) -> Result<Ask, Error> {
        let foreign = |got: usize| Error::QueryBytes { task: NAME.to_owned(), expected: 0, got };
        if query.bytes.len() > MOST_BYTES {
            return Err(foreign(query.bytes.len()));
        }
        let ask: Ask =
            serde_json::from_slice(&query.bytes).map_err(|_| foreign(query.bytes.len()))?;
        ask.check(&self.domain.sizes()).map_err(|error| unfit(NAME, error.to_string()))?;
        if ask.len() != query.dimension() {
            return Err(Error::SumLength { expected: ask.len(), got: query.dimension() });
        }
        Ok(ask)
    }
}

impl Task for Synthesize {
    type State = State;
    type Output = Generator;

    fn start(&self) -> State {
        State { rounds: self.rounds_at_start(), done: 0, sites: u32::MAX }
    }

    fn query(&self, state: &State) -> Query {
        let ask = state.rounds.next();
        let steps = f64::from(1u32 << self.frac_bits());
        // Integers are added, so a patient's vector has this length at most (rule S2). A noised question
        // has a norm of 1, rounded down, and the plan has one D for all of a run.
        let least = if self.params.release == Release::Noised { steps } else { 0.0 };
        let bound = (ask.norm() * steps).max(least).ceil() as u64;
        let block = Block {
            name: TABLES.to_owned(),
            // `check` refuses lengths past its limit when the task is opened.
            len: u32::try_from(ask.len()).unwrap_or(u32::MAX),
            frac_bits: self.frac_bits(),
            patient_bound: bound,
        };
        let bytes = serde_json::to_vec(ask).unwrap_or_default();
        let query = layout::exact(NAME, VERSION, vec![block], bytes);
        Query { sensitivity: (self.params.release == Release::Noised).then_some(bound), ..query }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _: &mut SiteState,
        _: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        let ask = self.ask(query)?;
        let (mut sum, mut complete) = (zeroize::Zeroizing::new(vec![0; ask.len()]), 0);
        for patient in 0..site.cohort.len() {
            if self.split.as_ref().is_some_and(|split| split.holds_out(site.cohort, patient)) {
                continue;
            }
            // A patient with a value outside of the domain is left out alone.
            let Some(levels) = self.domain.encode(site.cohort, patient) else { continue };
            ask.contribution(&levels, &mut sum, self.frac_bits());
            complete += 1;
        }
        if let Some(zero) = layout::floor(query, site, complete) {
            return Ok(zero);
        }
        Ok(Contribution { values: sum, note: None })
    }

    fn absorb(&self, state: State, sum: &Sum) -> Result<Next<State, Generator>, Error> {
        let State { rounds, done, sites } = state;
        let ask = rounds.next();
        let values = layout::block(sum, TABLES, ask.len())?;
        let noise = match self.params.release {
            Release::Exact => None,
            // A noised task whose sum has no noise is a simulation's: weights are as for a patient of it.
            Release::Noised => {
                let steps = f64::from(1u32 << self.frac_bits());
                Some(sum.noise().map_or(1.0, |noise| noise / steps))
            }
        };
        let (done, sites) = (done.saturating_add(1), sites.min(sum.sites()));
        let progress = rounds
            .absorb(&values, noise)
            .map_err(|error| unfit(NAME, generator::explain(&error, &self.domain)))?;
        Ok(match progress {
            Progress::Continue(rounds) => {
                rounds
                    .told()
                    .map_err(|error| unfit(NAME, generator::explain(&error, &self.domain)))?;
                Next::Continue(State { rounds, done, sites })
            }
            Progress::Done(outcome) => {
                Next::Done(self.generator(outcome.model, outcome.measured, (done, sites)))
            }
        })
    }

    fn save(&self, state: &State) -> Option<serde_json::Value> {
        serde_json::to_value((&state.rounds, state.done, state.sites)).ok()
    }

    fn restore(&self, saved: &serde_json::Value) -> Option<State> {
        let (rounds, done, sites): (Rounds, u32, u32) =
            serde_json::from_value(saved.clone()).ok()?;
        rounds.continues(&self.start).then_some(State { rounds, done, sites })
    }

    /// A generator of nobody, flat over the domain: what is asked of it later depends on its form.
    fn outline(&self) -> Option<Generator> {
        let flat = GraphModel::flat(&self.domain.sizes());
        Some(self.generator(flat, Vec::new(), (self.rounds(), 0)))
    }

    fn sums(&self) -> Option<u32> {
        Some(self.rounds())
    }

    fn most_coordinates(&self) -> Option<usize> {
        Some(self.start.most_answers())
    }
}
