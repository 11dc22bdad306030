//! The generator itself: a graphical model over coarse groups, and fine levels within them.
//!
//! Attributes have fine levels, merged into groups. The joint distribution of groups is a product of
//! factors, small tables, normalised; within a group the fine levels follow the attribute's own
//! distribution, independent of everything else. So a model of few patients has few parameters, and
//! its one-way marginals are as fine as the bins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::junction::Tree;
use super::{Error, MOST_LEVELS, table};

/// Cells that any table of a model may have, however it was made.
pub const MOST_CELLS: usize = 1 << 24;
/// Cells that all cliques of a model together may have, whether a file or a manifest asks for it.
pub const MOST_MODEL_CELLS: usize = 1 << 20;

/// Cells that all factors of a model together are multiplied into: a file's many small factors on one
/// large clique would take hours.
const MOST_PRODUCTS: usize = 1 << 31;

/// A factor of the joint distribution of groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// Its attributes.
    pub attributes: Vec<usize>,
    /// A number of at least 0 for each cell, row-major over groups; 0: impossible.
    pub values: Vec<f64>,
}

impl Factor {
    /// Scales the largest value to 1, which changes no distribution.
    pub(crate) fn scaled(attributes: Vec<usize>, mut values: Vec<f64>) -> Self {
        let largest = values.iter().copied().fold(0.0, f64::max);
        if largest > 0.0 {
            values.iter_mut().for_each(|value| *value /= largest);
        }
        Self { attributes, values }
    }

    /// The factor of a log potential.
    pub(crate) fn of_log(attributes: Vec<usize>, values: &[f64]) -> Self {
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let values = values.iter().map(|value| libm::exp(value - largest)).collect();
        Self { attributes, values }
    }
}

/// A generator of virtual patients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphModel {
    pub(crate) total: f64,
    /// The group of each level, by attribute.
    pub(crate) groups: Vec<Vec<u16>>,
    /// The share of each level within its group, by attribute.
    pub(crate) within: Vec<Vec<f64>>,
    pub(crate) factors: Vec<Factor>,
}

/// A model whose cliques' marginals are known.
#[derive(Clone, Debug)]
pub(crate) struct Calibrated<'a> {
    pub(crate) model: &'a GraphModel,
    pub(crate) tree: Tree,
    pub(crate) marginals: Vec<Vec<f64>>,
    /// The share of each level within its group, under the condition.
    pub(crate) within: Vec<Vec<f64>>,
    /// The probability of the condition.
    pub(crate) probability: f64,
}

/// Number of groups of each attribute.
pub(crate) fn sizes(groups: &[Vec<u16>]) -> Vec<usize> {
    let size = |groups: &Vec<u16>| groups.iter().max().map_or(0, |largest| *largest as usize + 1);
    groups.iter().map(size).collect()
}

/// The cliques' log potentials of a product of factors.
pub(crate) fn potentials(tree: &Tree, factors: &[Factor]) -> Result<Vec<Vec<f64>>, Error> {
    let holding = |factor: &Factor| tree.holding(&factor.attributes);
    let holding: Option<Vec<usize>> = factors.iter().map(holding).collect();
    let outside = Error::Malformed { reason: "a factor outside of every clique" };
    let holding = holding.ok_or(outside)?;
    let products = holding.iter().map(|c| tree.cells(*c)).fold(0, usize::saturating_add);
    if products > MOST_PRODUCTS {
        return Err(Error::Malformed { reason: "too many factors for cliques of this size" });
    }
    let mut cliques = tree.flat();
    for (factor, c) in factors.iter().zip(holding) {
        let logs: Vec<f64> = factor.values.iter().map(|value| libm::log(*value)).collect();
        let map = table::projection(&tree.cliques[c], &factor.attributes, &tree.sizes);
        for (value, &cell) in cliques[c].iter_mut().zip(&map) {
            *value += logs[cell as usize];
        }
    }
    Ok(cliques)
}

impl GraphModel {
    /// Every combination of so many levels as likely as any other: of nobody, for whatever has to be
    /// tried before anything was summed.
    #[must_use]
    pub fn flat(levels: &[usize]) -> Self {
        let groups = levels.iter().map(|levels| vec![0; *levels]).collect();
        let within = levels.iter().map(|levels| vec![1.0 / *levels as f64; *levels]).collect();
        let one = |a| Factor { attributes: vec![a], values: vec![1.0] };
        Self { total: 0.0, groups, within, factors: (0..levels.len()).map(one).collect() }
    }

    /// The number of patients that the model was made from, with its noise.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Levels of each attribute.
    #[must_use]
    pub fn levels(&self) -> Vec<usize> {
        self.groups.iter().map(Vec::len).collect()
    }

    /// The group of each level, by attribute.
    #[must_use]
    pub fn groups(&self) -> &[Vec<u16>] {
        &self.groups
    }

    /// The factors of the joint distribution of groups.
    #[must_use]
    pub fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// Refuses a model that was read from a file and is none.
    ///
    /// # Errors
    /// Saying what is wrong with it.
    pub fn check(&self) -> Result<(), Error> {
        let malformed = |reason| Err(Error::Malformed { reason });
        if !(1..=super::MOST_ATTRIBUTES).contains(&self.groups.len()) {
            return Err(Error::Attributes { got: self.groups.len() });
        }
        if self.within.len() != self.groups.len() || !self.total.is_finite() {
            return malformed("a model of another number of attributes");
        }
        let sizes = sizes(&self.groups);
        for ((groups, within), size) in self.groups.iter().zip(&self.within).zip(&sizes) {
            let share = |share: &f64| (0.0..=1.0).contains(share);
            if within.len() != groups.len()
                || !(1..=MOST_LEVELS).contains(&groups.len())
                || !within.iter().all(share)
            {
                return malformed("levels without a share of their group");
            }
            let mut sums = vec![0.0; *size];
            for (group, share) in groups.iter().zip(within) {
                sums[usize::from(*group)] += share;
            }
            if !sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6) {
                return malformed("shares of a group that do not add up");
            }
        }
        for factor in &self.factors {
            let known = factor.attributes.iter().all(|a| *a < sizes.len());
            let cells = known.then(|| factor.attributes.iter().map(|a| sizes[*a]));
            let right = cells.and_then(|cells| table::cells(cells, MOST_CELLS));
            let mut distinct = factor.attributes.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let usable = |value: &f64| value.is_finite() && *value >= 0.0;
            if right != Some(factor.values.len())
                || distinct.len() != factor.attributes.len()
                || !factor.values.iter().all(usable)
            {
                return malformed("a factor that does not fit its attributes");
            }
        }
        self.calibrated(&BTreeMap::new()).map(|_| ())
    }

    /// The cliques' marginals under a condition: the share of each fine level that it admits, for the
    /// attributes that it is about.
    pub(crate) fn calibrated(
        &self,
        allowed: &BTreeMap<usize, Vec<f64>>,
    ) -> Result<Calibrated<'_>, Error> {
        let sizes = sizes(&self.groups);
        let sets: Vec<Vec<usize>> = self.factors.iter().map(|f| f.attributes.clone()).collect();
        let tree = Tree::new(&sizes, &sets, MOST_MODEL_CELLS)?;
        let mut marginals = potentials(&tree, &self.factors)?;
        let free = tree.calibrate(&mut marginals.clone());
        let mut within = self.within.clone();
        for (&attribute, shares) in allowed {
            let (Some(groups), Some(own)) = (self.groups.get(attribute), within.get_mut(attribute))
            else {
                return Err(Error::NoAttribute { attribute });
            };
            if shares.len() != groups.len() || !shares.iter().all(|s| (0.0..=1.0).contains(s)) {
                return Err(Error::Malformed {
                    reason: "a condition that does not fit its levels",
                });
            }
            let mut admitted = vec![0.0; sizes[attribute]];
            for ((share, own), &group) in shares.iter().zip(own.iter_mut()).zip(groups) {
                *own *= share;
                admitted[usize::from(group)] += *own;
            }
            for (own, &group) in own.iter_mut().zip(groups) {
                let sum = admitted[usize::from(group)];
                *own = if sum > 0.0 { *own / sum } else { 0.0 };
            }
            let Some(c) = tree.holding(&[attribute]) else { continue };
            let map = table::projection(&tree.cliques[c], &[attribute], &sizes);
            for (value, &group) in marginals[c].iter_mut().zip(&map) {
                *value += libm::log(admitted[group as usize]);
            }
        }
        let bound = tree.calibrate(&mut marginals);
        let probability = libm::exp(bound - free);
        // A product of zeros, or one so small that no row would ever be drawn.
        if !bound.is_finite() || probability.is_nan() || probability <= 1e-12 {
            return Err(Error::NoSupport { attributes: allowed.keys().copied().collect() });
        }
        Ok(Calibrated { model: self, tree, marginals, within, probability })
    }

    /// The probability of each combination of fine levels, row-major in the attributes' order.
    ///
    /// # Errors
    /// When an attribute does not exist or stands twice, or a table is too large.
    pub fn marginal(&self, attributes: &[usize]) -> Result<Vec<f64>, Error> {
        self.calibrated(&BTreeMap::new())?.marginal(attributes)
    }

    /// Marginals of many sets of attributes, for the price of one calibration.
    ///
    /// # Errors
    /// As [`GraphModel::marginal`].
    pub fn marginals(&self, sets: &[Vec<usize>]) -> Result<Vec<Vec<f64>>, Error> {
        let calibrated = self.calibrated(&BTreeMap::new())?;
        sets.iter().map(|attributes| calibrated.marginal(attributes)).collect()
    }

    /// The share of the model's patients that meet a condition: for each of its attributes, the share
    /// of each fine level that it admits.
    ///
    /// # Errors
    /// When an attribute does not exist, or none meets it.
    pub fn probability(&self, allowed: &BTreeMap<usize, Vec<f64>>) -> Result<f64, Error> {
        Ok(self.calibrated(allowed)?.probability)
    }

    /// The logarithm of the probability of one patient's levels, a level an attribute, however small it
    /// is; minus infinity for one that the model excludes.
    ///
    /// # Errors
    /// When there is not one level, one that exists, for each attribute.
    pub fn log_probability(&self, levels: &[u16]) -> Result<f64, Error> {
        let malformed = Error::Malformed { reason: "levels that are none of the model's" };
        if levels.len() != self.groups.len() {
            return Err(malformed);
        }
        let (mut chosen, mut sum) = (Vec::with_capacity(levels.len()), 0.0);
        for ((level, groups), within) in levels.iter().zip(&self.groups).zip(&self.within) {
            let level = usize::from(*level);
            let (Some(group), Some(share)) = (groups.get(level), within.get(level)) else {
                return Err(malformed);
            };
            chosen.push(usize::from(*group));
            sum += libm::log(*share);
        }
        let sizes = sizes(&self.groups);
        for factor in &self.factors {
            let cell = factor.attributes.iter().fold(0, |cell, a| cell * sizes[*a] + chosen[*a]);
            sum += libm::log(factor.values.get(cell).copied().unwrap_or(0.0));
        }
        let sets: Vec<Vec<usize>> = self.factors.iter().map(|f| f.attributes.clone()).collect();
        let tree = Tree::new(&sizes, &sets, MOST_MODEL_CELLS)?;
        Ok(sum - tree.calibrate(&mut potentials(&tree, &self.factors)?))
    }
}

impl Calibrated<'_> {
    pub(crate) fn marginal(&self, attributes: &[usize]) -> Result<Vec<f64>, Error> {
        let coarse = self.tree.marginal(&self.marginals, attributes, MOST_CELLS)?;
        let levels: Vec<usize> = attributes.iter().map(|a| self.within[*a].len()).collect();
        table::cells(levels.iter().copied(), MOST_CELLS).ok_or_else(|| Error::TooLarge {
            attributes: attributes.to_vec(),
            limit: MOST_CELLS,
            what: "the marginal",
        })?;
        let sizes: Vec<usize> = attributes.iter().map(|a| self.tree.sizes[*a]).collect();
        let group =
            |place: usize, level: usize| usize::from(self.model.groups[attributes[place]][level]);
        let map = table::map(&table::offsets(attributes, &levels, attributes, &sizes, group));
        let mut shares = vec![1.0];
        for a in attributes {
            let within = &self.within[*a];
            shares = shares.iter().flat_map(|s| within.iter().map(move |w| s * w)).collect();
        }
        Ok(map.iter().zip(shares).map(|(&cell, share)| coarse[cell as usize] * share).collect())
    }
}
