//! Membership inference by shadow models: can one who sees a generator tell whether a patient whom he
//! knows was among those it learned from?
//!
//! Follows Stadler, Oprisanu and Troncoso, *USENIX Security* 2022 (a target chosen for its
//! vulnerability, generators fitted with and without it) and Golob et al., arXiv 2402.06699 (the
//! marginals themselves as evidence). A refit has a random half of the other patients, and the target
//! or not; its score is how likely the model makes the target. The area under the ROC curve of the
//! scores says how often a refit with the target scores above one without.
//!
//! The attacker is given the model, from which he could draw as many rows as he likes, with one
//! node's noise: he is the coordinator who works with all other nodes, whom epsilon is promised
//! against. Both his scores are fixed beforehand: the log density of the target's levels, and the mean
//! log probability of its pairs of levels. The target is the patient whose pairs of levels are rarest
//! in the cohort. Under a Gaussian mechanism of mu = sqrt(T) D / s no attack's area passes
//! Phi(mu / sqrt 2) (Dong, Roth and Su, *JRSS B* 2022), which is given beside the figures.
//!
//! A refit begins as the task itself would begin with the same parameters ([`task`]). Patients are
//! drawn and noise is simulated from public seeds; a run protects nobody.

use std::collections::BTreeMap;

use haima_dp::gauss::DiscreteGaussian;
use haima_dp::noise::{NoiseRng, noise_stream};
use haima_fl_core::registry::Finished;
use haima_fl_core::results::validation::Share;
use haima_fl_core::schema::Schema;
use haima_fl_core::stat::{Z_975, normal_two_sided};
use haima_fl_core::synth::core;
use haima_fl_core::synth::core::ask::Ask;
use haima_fl_core::synth::core::graph::GraphModel;
use haima_fl_core::synth::rounds::{Caps, Progress, Rounds};
use haima_fl_core::tasks::synthesize::Synthesize;
use rand::Rng as _;

use crate::Error;

/// R's `qnorm(0.8)`.
const Z_80: f64 = 0.841_621_233_572_914_2;
/// A pair of levels that a model makes impossible counts as this likely, so that one such pair does not
/// outweigh all others.
const RAREST: f64 = 1e-6;

/// Patients as levels of a public domain, of whom one is the target.
pub(crate) struct World {
    /// Levels of each attribute.
    pub(crate) sizes: Vec<usize>,
    /// `[patients, attributes]`
    pub(crate) rows: Vec<Vec<u16>>,
}

/// A generator under attack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attacked<'a> {
    /// How it is fitted: its rounds before their first sum.
    pub(crate) start: &'a Rounds,
    /// Scale of the noise that the attacker cannot take off, in grid steps; `None` without noise.
    pub(crate) s: Option<u64>,
    /// Tells the draws of one experiment from those of another. Public.
    pub(crate) seed: u64,
    /// Whether pairs of levels are scored, too.
    pub(crate) pairs: bool,
}

/// What the refits scored: those with the target, and those without.
#[derive(Debug)]
pub(crate) struct Scores {
    members: Vec<Evidence>,
    others: Vec<Evidence>,
}

/// How likely a model makes the target.
#[derive(Clone, Copy, Debug)]
struct Evidence {
    /// Log density of all its levels; minus infinity where the model excludes it.
    density: f64,
    /// Mean log probability of its pairs of levels, where it was asked for.
    pairs: Option<f64>,
}

/// An area under the ROC curve with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    /// Scores of the smaller side.
    fewest: usize,
    pub(crate) auc: f64,
    pub(crate) se: f64,
}

/// The task that fits a generator of these parameters.
///
/// # Errors
/// When a parameter or a column cannot be used.
pub(crate) fn task(params: &toml::Table, schema: &Schema) -> Result<Synthesize, Error> {
    Ok(Synthesize::new(params, schema, &Finished::new())?)
}

/// Parameters of the same generator without noise, of a noised one's size where none is named: larger
/// tables would take most of an attack's time, and a control does not need them.
pub(crate) fn without_noise(params: &toml::Table) -> toml::Table {
    let mut open = params.clone();
    open.insert("release".into(), "exact".into());
    let cells = i64::try_from(Caps::new(true).model_cells).unwrap_or(i64::MAX);
    open.entry("model_cells").or_insert(cells.into());
    open
}

impl World {
    /// The patient whose pairs of levels fewest others have, by the sum of the logarithms of how many
    /// have each; the first of equals. `None` without patients.
    pub(crate) fn rarest(&self) -> Option<usize> {
        let mut commonness: Vec<f64> = vec![0.0; self.rows.len()];
        for pair in self.pairs() {
            let mut counts = BTreeMap::new();
            for row in &self.rows {
                *counts.entry(levels(row, pair)).or_insert(0_u32) += 1;
            }
            for (sum, row) in commonness.iter_mut().zip(&self.rows) {
                *sum += counts.get(&levels(row, pair)).map_or(0.0, |count| f64::from(*count).ln());
            }
        }
        let rated = commonness.into_iter().enumerate();
        rated.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(row, _)| row)
    }

    /// Scores of so many refits, every second one with the target, on all cores; `done` is called after
    /// each.
    ///
    /// # Errors
    /// When a generator cannot be fitted, or there is no such target.
    pub(crate) fn attack(
        &self,
        target: usize,
        attacked: &Attacked<'_>,
        refits: u32,
        done: &(dyn Fn() + Sync),
    ) -> Result<Scores, Error> {
        let row = self.rows.get(target).ok_or_else(|| fault("there is no such target"))?;
        let workers = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        let share = |worker: u32| -> Result<Vec<(u32, Evidence)>, Error> {
            // Each refit has a seed of its own, so who does which changes nothing.
            let own = (worker..refits).step_by(workers as usize);
            own.map(|refit| {
                let model = self.refit(target, attacked, refit)?;
                let evidence = self.evidence(&model, row, attacked.pairs)?;
                done();
                Ok((refit, evidence))
            })
            .collect()
        };
        let shares = std::thread::scope(|scope| {
            let running: Vec<_> =
                (0..workers).map(|worker| scope.spawn(move || share(worker))).collect();
            let gone = || Err(fault("a refit's thread ended early"));
            let joined = running.into_iter().map(|one| one.join().unwrap_or_else(|_| gone()));
            joined.collect::<Result<Vec<_>, Error>>()
        })?;
        let mut all: Vec<(u32, Evidence)> = shares.into_iter().flatten().collect();
        all.sort_by_key(|(refit, _)| *refit);
        let (with, without): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(refit, _)| holds_target(*refit));
        let scores = |of: Vec<(u32, Evidence)>| of.into_iter().map(|(_, score)| score).collect();
        Ok(Scores { members: scores(with), others: scores(without) })
    }

    /// A generator of a random half of the other patients, and of the target in every second refit.
    fn refit(
        &self,
        target: usize,
        attacked: &Attacked<'_>,
        refit: u32,
    ) -> Result<GraphModel, Error> {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&refit.to_le_bytes());
        seed[24..].copy_from_slice(&attacked.seed.to_be_bytes());
        let mut stream = noise_stream(&seed);
        let mut takes = |row: usize| match row == target {
            true => holds_target(refit),
            false => stream.next_u32().is_multiple_of(2),
        };
        let chosen: Vec<&[u16]> = (self.rows.iter().enumerate())
            .filter(|(row, _)| takes(*row))
            .map(|(_, levels)| levels.as_slice())
            .collect();
        fit(&chosen, attacked, &mut stream)
    }

    fn evidence(&self, model: &GraphModel, row: &[u16], pairs: bool) -> Result<Evidence, Error> {
        let density = model.log_probability(row).map_err(|error| cannot(&error))?;
        let pairs = pairs.then(|| self.of_pairs(model, row)).transpose()?;
        Ok(Evidence { density, pairs })
    }

    /// Mean log probability of a row's pairs of levels.
    fn of_pairs(&self, model: &GraphModel, row: &[u16]) -> Result<f64, Error> {
        let pairs = self.pairs();
        let sets: Vec<Vec<usize>> = pairs.iter().map(|(left, right)| vec![*left, *right]).collect();
        let tables = model.marginals(&sets).map_err(|error| cannot(&error))?;
        let of_pair = |(pair, table): (&(usize, usize), &Vec<f64>)| {
            let width = self.sizes.get(pair.1).copied().unwrap_or(0);
            let (left, right) = levels(row, *pair);
            let cell = usize::from(left) * width + usize::from(right);
            table.get(cell).copied().unwrap_or(0.0).max(RAREST).ln()
        };
        let sum: f64 = pairs.iter().zip(&tables).map(of_pair).sum();
        Ok(sum / pairs.len().max(1) as f64)
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let n = self.sizes.len();
        (0..n).flat_map(|left| (left + 1..n).map(move |right| (left, right))).collect()
    }
}

/// A row's two levels; 0 past its end.
fn levels(row: &[u16], (left, right): (usize, usize)) -> (u16, u16) {
    let of = |at: usize| row.get(at).copied().unwrap_or(0);
    (of(left), of(right))
}

fn holds_target(refit: u32) -> bool {
    refit.is_multiple_of(2)
}

/// The rounds of one generator, over sums that are added here.
fn fit(
    rows: &[&[u16]],
    attacked: &Attacked<'_>,
    stream: &mut NoiseRng,
) -> Result<GraphModel, Error> {
    let gauss = attacked.s.map(DiscreteGaussian::new).transpose()?;
    let step = 2f64.powi(-i32::from(Ask::FRAC_BITS));
    let sd = attacked.s.map(|s| s as f64 * step);
    let mut rounds = attacked.start.clone();
    loop {
        let ask = rounds.next();
        let mut sums = vec![0_i64; ask.len()];
        for row in rows {
            ask.contribution(row, &mut sums, Ask::FRAC_BITS);
        }
        if let Some(gauss) = &gauss {
            sums.iter_mut().for_each(|sum| *sum += gauss.sample(stream));
        }
        let sums: Vec<f64> = sums.into_iter().map(|sum| sum as f64 * step).collect();
        match rounds.absorb(&sums, sd).map_err(|error| cannot(&error))? {
            Progress::Continue(next) => rounds = next,
            Progress::Done(outcome) => return Ok(outcome.model),
        }
    }
}

fn fault(problem: &str) -> Error {
    Error::Config { file: "the membership attack".into(), problem: problem.into() }
}

/// Why a refit has no model. How many patients there are is not said: it is a figure of patients.
fn cannot(error: &core::Error) -> Error {
    match error {
        core::Error::TooFew { .. } => {
            fault("half of the patients are too few for a generator of this kind")
        }
        error => fault(&error.to_string()),
    }
}

impl Scores {
    /// The area by the log density of the target.
    pub(crate) fn by_density(&self) -> Option<Area> {
        self.area(|evidence| Some(evidence.density))
    }

    /// The area by the mean log probability of the target's pairs of levels; `None` where these were not
    /// asked for.
    pub(crate) fn by_pairs(&self) -> Option<Area> {
        self.area(|evidence| evidence.pairs)
    }

    fn area(&self, score: fn(&Evidence) -> Option<f64>) -> Option<Area> {
        let of = |all: &[Evidence]| all.iter().map(score).collect::<Option<Vec<f64>>>();
        Area::of(&of(&self.members)?, &of(&self.others)?)
    }
}

impl Area {
    /// The area and its standard error after DeLong, DeLong and Clarke-Pearson (*Biometrics* 1988):
    /// the variance of each score's share of the other side that it is above. `None` with fewer than
    /// two scores on a side, or with one that is no number.
    pub(crate) fn of(members: &[f64], others: &[f64]) -> Option<Self> {
        if members.len() < 2 || others.len() < 2 {
            return None;
        }
        if members.iter().chain(others).any(|score| score.is_nan()) {
            return None;
        }
        let above = |a: f64, b: f64| f64::from(u8::from(a > b)) + f64::from(u8::from(a == b)) / 2.0;
        let mean = |shares: f64, of: &[f64]| shares / of.len() as f64;
        let of_members: Vec<f64> = members
            .iter()
            .map(|a| mean(others.iter().map(|b| above(*a, *b)).sum(), others))
            .collect();
        let of_others: Vec<f64> = others
            .iter()
            .map(|b| mean(members.iter().map(|a| above(*a, *b)).sum(), members))
            .collect();
        let auc = mean(of_members.iter().sum(), members);
        // Both means are the area.
        let variance = |shares: &[f64]| {
            let squares: f64 = shares.iter().map(|share| (share - auc) * (share - auc)).sum();
            squares / (shares.len() as f64 - 1.0) / shares.len() as f64
        };
        let fewest = members.len().min(others.len());
        Some(Self { auc, se: (variance(&of_members) + variance(&of_others)).sqrt(), fewest })
    }

    /// Ends of the 95 % interval. Where all scores of one side are above all of the other there is no
    /// spread to go by: the end is then the area that leaves this outcome a chance of 2.5 % with as many
    /// independent pairs as the smaller side has scores. Where all tie, nothing is known.
    pub(crate) fn interval(self) -> (f64, f64) {
        if self.se > 0.0 {
            let half = Z_975 * self.se;
            return ((self.auc - half).max(0.0), (self.auc + half).min(1.0));
        }
        let end = 0.025_f64.powf(1.0 / self.fewest as f64);
        match self.auc {
            1.0 => (end, 1.0),
            0.0 => (0.0, 1.0 - end),
            _ => (0.0, 1.0),
        }
    }

    /// The area as a report has it.
    pub(crate) fn share(self) -> Share {
        let (low, high) = self.interval();
        Share { value: self.auc, se: Some(self.se), lo: Some(low), hi: Some(high) }
    }

    /// The smallest area that so many refits, half of them with the target, tell from 0.5 in four
    /// experiments of five, at two-sided 5 %: by the variance of an area of 0.5 (Mann and Whitney).
    pub(crate) fn least_told(refits: u32) -> f64 {
        let (n, half) = (f64::from(refits), f64::from(refits) / 2.0);
        0.5 + (Z_975 + Z_80) * ((n + 1.0) / (12.0 * half * half)).sqrt()
    }

    /// What no attack's area passes where `sums` sums of sensitivity D have Gaussian noise of scale `s`
    /// (both in grid steps): that of the best test between N(0, 1) and N(mu, 1).
    pub(crate) fn limit(sums: u32, sensitivity: u64, s: u64) -> f64 {
        let mu = f64::from(sums).sqrt() * sensitivity as f64 / s as f64;
        1.0 - normal_two_sided(mu / std::f64::consts::SQRT_2) / 2.0
    }
}

impl std::fmt::Display for Area {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (low, high) = self.interval();
        write!(f, "{:.3} (95 % interval {low:.3} to {high:.3})", self.auc)
    }
}

#[cfg(test)]
mod tests;
