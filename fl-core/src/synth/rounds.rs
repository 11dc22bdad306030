//! What is measured next, given what was measured: a generator as a sequence of noisy sums.
//!
//! A run has a fixed number of rounds T, and in a noised run every round has the same charge: a
//! patient's whole vector has norm 1. Round 1 counts patients and every attribute's fine levels. Round 2
//! asks for every pair in coarse groups, whose limits are quantiles of the noisy counts. Each
//! later round asks for what promises most at that point: finer tables of strong pairs, the same ones
//! once more, or levels again. Method `mst` then holds a tree of pairs (McKenna, Miklau and Sheldon, *J.
//! Privacy and Confidentiality* 2021;11(3)), `aim` all that its junction tree has room for (McKenna et
//! al., *PVLDB* 2022;15:2599, with its model size limit).
//!
//! Selection is by noisy scores alone, hence free: the exponential mechanism of the original methods
//! needs one party who sees the exact counts, and here is none. In exchange the scores are of use:
//! they are measurements of the model, too. A noised run measures no triples: a pair's table tells
//! more for its noise, and three-way tables of the model follow from its pairs.
//!
//! In an exact run everything is plain counts, at full resolution where the limits allow.

use serde::{Deserialize, Serialize};

use super::core::ask::{Ask, Block, Form, Table};
use super::core::build::{self, OneWays, Shape};
use super::core::choice::{Known, MOST_GROUPS, Workload};
use super::core::graph::GraphModel;
use super::core::{Attribute, Error, Impossible, Order, check, resolution, scores};

/// Standard deviations of its own noise that the number of patients has to be: [`Rounds::told`].
pub const LEAST_RATIO: f64 = 4.0;
/// Numbers that a later round may ask for, however few the pairs are: finer tables of some.
const FINER: usize = 8192;

/// Which generator is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// A tree of the strongest pairs.
    Mst,
    /// As many pairs (and, in exact runs, triples) as the model has room for.
    Aim,
}

/// How a generator is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// Its family.
    pub family: Family,
    /// Number of sums, at least 2.
    pub rounds: u32,
    /// Attributes of the largest table, 2 or 3. Triples are measured in exact runs alone.
    pub degree: u8,
    /// Whether sums carry noise.
    pub noised: bool,
}

impl Method {
    /// The defaults of a family.
    #[must_use]
    pub fn new(family: Family, noised: bool) -> Self {
        let rounds = match (family, noised) {
            (Family::Mst, false) => 2,
            (Family::Aim, false) => 3,
            (_, true) => 4,
        };
        Self { family, rounds, degree: if noised { 2 } else { 3 }, noised }
    }
}

/// Limits on what a run may build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Cells of all cliques of the model's junction tree together.
    pub model_cells: usize,
    /// Cells of one measured table.
    pub table_cells: usize,
    /// Numbers that a round may ask for.
    pub answers: usize,
}

impl Caps {
    /// The defaults. Noise leaves no more to be told than some ten thousand cells hold, and the fit
    /// stays within seconds; exact tables fill whatever they are given.
    #[must_use]
    pub fn new(noised: bool) -> Self {
        let model_cells = if noised { 1 << 14 } else { 1 << 17 };
        Self { model_cells, table_cells: 4096, answers: 1 << 20 }
    }
}

/// A run between two sums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rounds {
    attributes: Vec<Attribute>,
    impossible: Vec<Impossible>,
    method: Method,
    caps: Caps,
    workload: Workload,
    /// Sums absorbed.
    done: u32,
    tables: Vec<Table>,
    measured: Vec<Measured>,
    ask: Ask,
}

/// A table that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Its attributes; none for the number of patients.
    pub attributes: Vec<usize>,
    /// Its cells.
    pub cells: usize,
    /// The round, from 1.
    pub round: u32,
    /// Standard deviation of the noise on one of its coordinates, in patients; 0 when exact.
    pub sd: f64,
}

/// What a run ends with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The generator.
    pub model: GraphModel,
    /// All tables that were asked for.
    pub measured: Vec<Measured>,
}

/// What follows an absorbed sum.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Another round.
    Continue(Rounds),
    /// The generator.
    Done(Box<Outcome>),
}

impl Rounds {
    /// Whether this run, read from elsewhere, is one that began as `start` did.
    #[must_use]
    pub fn continues(&self, start: &Self) -> bool {
        let of = |run: &Self| {
            let Self { attributes, impossible, workload, .. } = run.clone();
            (attributes, impossible, workload, run.method, run.caps)
        };
        of(self) == of(start) && self.done < self.method.rounds
    }

    /// The run before its first sum.
    ///
    /// # Errors
    /// When attributes, impossible pairs or parameters cannot be used, or the first round would ask
    /// for more numbers than the limit.
    pub fn start(
        attributes: Vec<Attribute>,
        impossible: Vec<Impossible>,
        method: Method,
        caps: Caps,
    ) -> Result<Self, Error> {
        check(&attributes, &impossible)?;
        let refuse = |reason: String| Err(Error::Method { reason });
        if !(2..=64).contains(&method.rounds) {
            return refuse(format!("{} rounds; a generator takes 2 to 64", method.rounds));
        }
        if !(2..=3).contains(&method.degree) {
            return refuse(format!("tables of {} attributes; give 2 or 3", method.degree));
        }
        if caps.model_cells > super::core::graph::MOST_MODEL_CELLS {
            let most = super::core::graph::MOST_MODEL_CELLS;
            return refuse(format!("`model_cells` = {}; give at most {most}", caps.model_cells));
        }
        let ask = first(&attributes, method.noised);
        if ask.len() > caps.answers {
            let all = (0..attributes.len()).collect();
            let what = "the levels";
            return Err(Error::TooLarge { attributes: all, limit: caps.answers, what });
        }
        let (tables, measured) = (Vec::new(), Vec::new());
        let workload = Workload::default();
        Ok(Self { attributes, impossible, method, caps, workload, done: 0, tables, measured, ask })
    }

    /// The same, with pairs of these attributes worth more than others: for a run before its first sum.
    #[must_use]
    pub fn focused(self, focus: Vec<usize>) -> Self {
        Self { workload: Workload { focus }, ..self }
    }

    /// What is asked now. Every question of a noised run has a norm of 1, rounded down.
    #[must_use]
    pub fn next(&self) -> &Ask {
        &self.ask
    }

    /// The most numbers that a question of the run has: public, so that a plan can allow for them.
    #[must_use]
    pub fn most_answers(&self) -> usize {
        let first = first(&self.attributes, self.method.noised).len();
        let later = match self.method.noised {
            true => self.most_noised(),
            false => self.most_exact(),
        };
        first.max(later).min(self.caps.answers)
    }

    /// All pairs at the most groups that round 2 has, and room for finer tables.
    fn most_noised(&self) -> usize {
        let groups = |attribute: &Attribute| {
            let least = match &attribute.order {
                Order::Nominal => 0,
                Order::Chains(chains) => chains.len(),
            };
            attribute.levels.min(least.max(MOST_GROUPS)).saturating_sub(1)
        };
        let all: Vec<usize> = self.attributes.iter().map(groups).collect();
        let pairs = |(a, one): (usize, &usize)| {
            all.iter().skip(a + 1).map(|other| one.saturating_mul(*other)).sum::<usize>()
        };
        all.iter().enumerate().map(pairs).sum::<usize>().max(FINER)
    }

    /// What the tables of pairs, and the largest of those triples that may be asked for, have together.
    fn most_exact(&self) -> usize {
        let sizes: Vec<usize> = self.attributes.iter().map(|attribute| attribute.levels).collect();
        let small = |cells: &usize| *cells <= self.caps.table_cells;
        let (mut pairs, mut triples) = (0usize, Vec::new());
        for (a, one) in sizes.iter().enumerate() {
            for (b, two) in sizes.iter().enumerate().skip(a + 1) {
                let pair = one.saturating_mul(*two);
                pairs = pairs.saturating_add(Some(pair).filter(small).unwrap_or(0));
                if self.method.degree >= 3 && self.method.rounds > 2 {
                    let of = |three: &usize| pair.saturating_mul(*three);
                    triples.extend(sizes.iter().skip(b + 1).map(of).filter(small));
                }
            }
        }
        triples.sort_unstable_by_key(|cells| std::cmp::Reverse(*cells));
        pairs.max(triples.into_iter().take(2 * sizes.len()).sum())
    }

    /// Sums that the whole run takes: a public number, fixed at the start.
    #[must_use]
    pub fn total_rounds(&self) -> u32 {
        self.method.rounds
    }

    /// Takes in the sums for [`Rounds::next`], in patients times weights, and the standard deviation
    /// of the noise on each of them in the same unit, all nodes together; `None` when exact.
    ///
    /// # Errors
    /// When the sums are not as many as asked for, when noise is there in an exact run or missing in a
    /// noised one, or when nothing can be told from the noise.
    pub fn absorb(mut self, sums: &[f64], sd: Option<f64>) -> Result<Progress, Error> {
        let sd = match (sd, self.method.noised) {
            (None, false) => 0.0,
            (Some(sd), true) if sd.is_finite() && sd > 0.0 => sd,
            (Some(_), true) => return Err(Error::Noise { reason: "its scale is not positive" }),
            (Some(_), false) => {
                return Err(Error::Noise { reason: "there is some in an exact run" });
            }
            (None, true) => return Err(Error::Noise { reason: "there is none in a noised run" }),
        };
        let answered = self.ask.tables(sums, sd)?;
        self.done += 1;
        self.measured.extend(answered.iter().map(|table| Measured {
            attributes: table.attributes(),
            cells: table.values.len(),
            round: self.done,
            sd: table.sd,
        }));
        self.tables.extend(answered);
        if self.done >= self.method.rounds {
            let model = self.model()?;
            return Ok(Progress::Done(Box::new(Outcome { model, measured: self.measured })));
        }
        self.ask = match self.method.noised {
            // The plan allows for so many numbers: what promises least is left out.
            true => self.noised(sd)?.limited(self.most_answers()),
            false => self.exact()?,
        };
        if self.ask.len() > self.caps.answers {
            let attributes = (0..self.attributes.len()).collect();
            let (limit, what) = (self.caps.answers, "the tables of a round");
            return Err(Error::TooLarge { attributes, limit, what });
        }
        Ok(Progress::Continue(self))
    }

    /// Refuses a run whose patients are not told from noise, so that no generator is made of noise
    /// alone: their number has to be [`LEAST_RATIO`] standard deviations of its noise. Without a patient
    /// it is by chance in 3 of 100,000 runs. In a smaller cohort even a level that half of the patients
    /// have is hardly seen, for one level has about as much noise as all patients. Exact runs and a run
    /// before its first sum pass. For whoever makes a generator; [`Rounds::absorb`] itself goes on.
    ///
    /// # Errors
    /// [`Error::TooFew`].
    pub fn told(&self) -> Result<(), Error> {
        if !self.method.noised || self.tables.is_empty() {
            return Ok(());
        }
        let (total, sd) = build::patients(&self.tables, true);
        let least = LEAST_RATIO * sd;
        if total >= least {
            return Ok(());
        }
        let (patients, least) = (build::shown_patients(total), build::shown_patients(least.ceil()));
        Err(Error::TooFew { patients, least })
    }

    fn model(&self) -> Result<GraphModel, Error> {
        let shape = match self.method.family {
            Family::Mst => Shape::Forest,
            Family::Aim => Shape::Limited,
        };
        let (noised, limit) = (self.method.noised, self.caps.model_cells);
        build::model(
            &self.attributes,
            &self.impossible,
            &self.tables,
            noised,
            (shape, &self.workload),
            limit,
        )
    }

    fn noised(&self, sd: f64) -> Result<Ask, Error> {
        let ones = OneWays::of(&self.attributes, &self.tables, true)?;
        let known = Known {
            workload: &self.workload,
            attributes: &self.attributes,
            shares: &ones.shares,
            precision: &ones.precision,
            tables: &self.tables,
            total: ones.total,
            sd,
            table_cells: self.caps.table_cells,
        };
        if self.attributes.len() == 1 {
            return Ok(first(&self.attributes, true));
        }
        if self.done == 1 {
            return Ok(known.all_pairs());
        }
        let mut pairs = Vec::new();
        for factor in self.model()?.factors() {
            if factor.attributes.len() == 2 {
                pairs.push(factor.attributes.clone());
            }
        }
        Ok(known.refinement(&pairs))
    }

    fn exact(&self) -> Result<Ask, Error> {
        let d = self.attributes.len();
        let mut ask = Ask::default();
        for (a, attribute) in self.attributes.iter().enumerate() {
            ask.view(resolution::whole(a, attribute.levels));
        }
        let cells = |views: &[usize]| {
            views.iter().map(|a| self.attributes[*a].levels).fold(1, usize::saturating_mul)
        };
        let mut room = self.caps.answers;
        let mut offer = |views: Vec<usize>| {
            let cells = cells(&views);
            if cells <= self.caps.table_cells && cells <= room {
                room -= cells;
                ask.blocks.push(Block { views, form: Form::Counts, weight: 1.0 });
            }
        };
        if self.done == 1 {
            for a in 0..d {
                (a + 1..d).for_each(|b| offer(vec![a, b]));
            }
        } else {
            for triple in self.triples()? {
                offer(triple);
            }
        }
        if ask.blocks.is_empty() {
            ask.blocks.push(Block { views: Vec::new(), form: Form::Counts, weight: 1.0 });
        }
        Ok(ask)
    }

    /// Triples whose pairs the model all holds, the most informed first, not yet measured.
    fn triples(&self) -> Result<Vec<Vec<usize>>, Error> {
        let model = self.model()?;
        let held = |pair: &[usize]| model.factors().iter().any(|f| f.attributes == pair);
        let mut found: Vec<(f64, Vec<usize>)> = Vec::new();
        let d = self.attributes.len();
        let nats = |pair: [usize; 2]| {
            let table = self.tables.iter().find(|t| t.attributes() == pair);
            table.map_or(0.0, scores::information)
        };
        for a in 0..d {
            for b in a + 1..d {
                for c in b + 1..d {
                    let pairs = [[a, b], [a, c], [b, c]];
                    let known = self.tables.iter().any(|t| t.attributes() == [a, b, c]);
                    if self.method.degree >= 3 && !known && pairs.iter().all(|p| held(p)) {
                        found.push((pairs.into_iter().map(nats).sum(), vec![a, b, c]));
                    }
                }
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        Ok(found.into_iter().map(|(_, triple)| triple).take(2 * d).collect())
    }
}

/// Round 1: the number of patients, and every attribute's levels.
fn first(attributes: &[Attribute], noised: bool) -> Ask {
    let mut ask = Ask::default();
    let (form, weight) = if noised { (Form::Residual, 2.0) } else { (Form::Counts, 1.0) };
    ask.blocks.push(Block { views: Vec::new(), form: Form::Counts, weight });
    for (a, attribute) in attributes.iter().enumerate() {
        let view = ask.view(resolution::whole(a, attribute.levels));
        // The least sum of absolute errors for a given norm.
        let weight = if noised { libm::cbrt(attribute.levels as f64) } else { 1.0 };
        ask.blocks.push(Block { views: vec![view], form, weight });
    }
    if noised { ask.normalised() } else { ask }
}

#[cfg(test)]
#[path = "rounds/tests.rs"]
mod tests;
