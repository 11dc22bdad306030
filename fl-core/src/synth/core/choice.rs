//! Which tables the model holds, and which are worth asking for next.
//!
//! AIM (McKenna et al., *PVLDB* 2022;15:2599, algorithm 4) selects each table by the exponential
//! mechanism on what the model gets wrong, less what noise would do to it. A sum that is noised by
//! nodes has no place for that mechanism, so the choice here is post-processing: every pair was asked
//! for coarsely in one round, and a pair's noisy strength says what a finer table of it would gain
//! and what its noise would cost. The round takes the set of tables with the largest expected sum.

use super::ask::{Ask, Block, Form, Table, View};
use super::graph::sizes;
use super::scores::{self, Strength, strengths};
use super::{Attribute, junction, resolution};
use serde::{Deserialize, Serialize};

/// A candidate of the model: tables of one set of attributes, finest last.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) attributes: Vec<usize>,
    /// Numbers of tables.
    pub(crate) tables: Vec<usize>,
    pub(crate) benefit: f64,
}

/// Candidates by falling benefit, each with an edge that closes no cycle: the maximum spanning forest.
pub(crate) fn forest(attributes: usize, candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut part: Vec<usize> = (0..attributes).collect();
    let mut kept = Vec::new();
    for candidate in ranked(candidates) {
        let [a, b] = candidate.attributes[..] else { continue };
        let (from, to) = (part[a], part[b]);
        if from != to {
            part.iter_mut().filter(|p| **p == from).for_each(|p| *p = to);
            kept.push(candidate);
        }
    }
    kept
}

/// Candidates by falling benefit; ties in the order of attributes.
pub(crate) fn ranked(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.sort_by(|a, b| {
        b.benefit.total_cmp(&a.benefit).then_with(|| a.attributes.cmp(&b.attributes))
    });
    candidates
}

/// Candidates in the order in which a model takes them: first a forest, so that no attribute is left
/// alone for the third link of another, then all others, each part by falling benefit.
pub(crate) fn forest_first(attributes: usize, candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut order = forest(attributes, candidates.clone());
    for candidate in ranked(candidates) {
        if !order.iter().any(|known| known.attributes == candidate.attributes) {
            order.push(candidate);
        }
    }
    order
}

/// Takes candidates in their order as long as the junction tree has at most `limit` cells. A
/// candidate whose finest table is too much is tried without it. Gives the tables taken, and the
/// model's groups, which refine `groups` by all views of those tables.
pub(crate) fn within_limit(
    candidates: Vec<Candidate>,
    tables: &[Table],
    mut groups: Vec<Vec<u16>>,
    mut sets: Vec<Vec<usize>>,
    limit: usize,
) -> (Vec<usize>, Vec<Vec<u16>>) {
    let mut taken = Vec::new();
    for candidate in candidates {
        sets.push(candidate.attributes.clone());
        let mut fits = false;
        for count in (1..=candidate.tables.len()).rev() {
            let mut finer = groups.clone();
            for table in candidate.tables.iter().take(count).filter_map(|t| tables.get(*t)) {
                for view in &table.views {
                    if let Some(own) = finer.get_mut(view.attribute) {
                        *own = resolution::refined(own, &view.groups);
                    }
                }
            }
            if junction::fits(&sizes(&finer), &sets, limit) {
                taken.extend(candidate.tables.iter().take(count));
                groups = finer;
                fits = true;
                break;
            }
        }
        if !fits {
            sets.pop();
        }
    }
    (taken, groups)
}

/// How much pairs of attributes are worth (the workload's weights of AIM, section 3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Attributes whose pairs with any other count in full; all others' count 0.15 as much. Where
    /// none is named, all count in full.
    pub focus: Vec<usize>,
}

impl Workload {
    /// The weight of a set of attributes.
    pub(crate) fn weight(&self, attributes: &[usize]) -> f64 {
        let within = |attribute: &usize| self.focus.contains(attribute);
        if self.focus.is_empty() || attributes.iter().any(within) { 1.0 } else { ASIDE }
    }
}

/// What is known when a round is planned.
pub(crate) struct Known<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) attributes: &'a [Attribute],
    pub(crate) shares: &'a [Vec<f64>],
    /// Precision of each attribute's counts: the inverse of a level's noise variance.
    pub(crate) precision: &'a [f64],
    pub(crate) tables: &'a [Table],
    pub(crate) total: f64,
    /// Noise of a question of norm 1.
    pub(crate) sd: f64,
    pub(crate) table_cells: usize,
}

/// Expected patients in a cell of a coarse pair, in standard deviations of its noise, at least. Few, for
/// the fit smooths; from 1 to 4 little changes.
const CELL: f64 = 2.0;
pub(crate) const MOST_GROUPS: usize = 8;
/// The weight of a pair aside from those that a workload names.
const ASIDE: f64 = 0.15;
/// Groups of an attribute that a finer table may have.
const RESOLUTIONS: [usize; 10] = [3, 4, 5, 6, 8, 10, 12, 16, 24, 32];
/// Part of a table's noise that a smooth prior leaves.
const ROUGH: f64 = 0.5;

impl Known<'_> {
    fn view(&self, attribute: usize, most: usize) -> View {
        resolution::grouped(
            attribute,
            &self.shares[attribute],
            &self.attributes[attribute].order,
            most,
        )
    }

    /// All pairs, in as many groups as the noise allows.
    pub(crate) fn all_pairs(&self) -> Ask {
        let d = self.attributes.len();
        let pairs = (0..d).flat_map(|a| (a + 1..d).map(move |b| [a, b]));
        // As many pairs of full weight would have the noise that these have.
        let square = |pair: [usize; 2]| {
            let weight = self.workload.weight(&pair);
            // A product is rounded as IEEE 754 has it, a power as the platform does (rule X3).
            weight * weight
        };
        let squares: f64 = pairs.map(square).sum();
        let allows = |k: &usize| {
            let k = *k as f64;
            self.total / (k * k) >= CELL * self.sd * squares.sqrt() * (1.0 - 1.0 / k)
        };
        let most = (3..=MOST_GROUPS).rev().find(allows).unwrap_or(2);
        let mut ask = Ask::default();
        for a in 0..d {
            ask.view(self.view(a, most));
        }
        for a in 0..d {
            for b in a + 1..d {
                let weight = self.workload.weight(&[a, b]);
                ask.blocks.push(Block { views: vec![a, b], form: Form::Residual, weight });
            }
        }
        ask.normalised()
    }

    /// The tables, one-way or of pairs, that promise most: `pairs` are those the model may hold.
    pub(crate) fn refinement(&self, pairs: &[Vec<usize>]) -> Ask {
        // The finest table of each pair.
        let mut finest: Vec<&Table> = Vec::new();
        for pair in pairs {
            let own = self.tables.iter().filter(|table| table.attributes() == *pair);
            finest.extend(own.max_by_key(|table| table.values.len()));
        }
        let known = strengths(&finest, self.attributes, self.shares, self.total);
        let mut best: Option<(f64, Vec<Offer>)> = None;
        let most = self.attributes.len() + pairs.len();
        let views: Vec<Vec<View>> = (0..self.attributes.len())
            .map(|a| RESOLUTIONS.iter().map(|most| self.view(a, *most)).collect())
            .collect();
        let mut count = 0;
        while count < most {
            // By a fifth each time: the gain has a flat top.
            count += 1 + count / 5;
            // The noise on a block when so many of equal weight share the round.
            let sd = self.sd * (count as f64 * 0.7).sqrt();
            let mut offers: Vec<Offer> = (0..self.attributes.len())
                .map(|a| self.one_way(a, sd))
                .chain(
                    finest
                        .iter()
                        .zip(&known)
                        .filter_map(|(t, known)| self.pair(t, known, &views, sd)),
                )
                .collect();
            offers.sort_by(|a, b| b.gain.total_cmp(&a.gain));
            offers.truncate(count);
            let gain = offers.iter().map(|offer| offer.gain).sum::<f64>();
            if best.as_ref().is_none_or(|(most, _)| gain > *most) {
                best = Some((gain, offers));
            }
        }
        let mut ask = Ask::default();
        for offer in best.map(|(_, offers)| offers).unwrap_or_default() {
            let views = offer.views.into_iter().map(|view| ask.view(view)).collect();
            ask.blocks.push(Block { views, form: Form::Residual, weight: 1.0 });
        }
        ask.normalised()
    }

    /// Counting an attribute's levels again. An attribute is in (d - 1) / 2 times as many triples as a
    /// pair is.
    fn one_way(&self, a: usize, sd: f64) -> Offer {
        let levels = self.attributes[a].levels;
        let cells = levels as f64;
        // Empty levels take no noise, for no share is negative.
        let filled = self.shares[a].iter().filter(|share| **share > 0.0).count() as f64;
        let error = |precision: f64| (cells.min(filled + 1.0) / precision.sqrt()) / self.total;
        let now = self.precision[a];
        let gain = error(now) - error(now + 1.0 / (sd * sd));
        let weight = (self.attributes.len() as f64 - 1.0) / 2.0;
        Offer { gain: gain * weight, views: vec![resolution::whole(a, levels)] }
    }

    /// The best table of a pair: the same groups once more, or finer ones.
    fn pair(
        &self,
        finest: &Table,
        strength: &Strength,
        views: &[Vec<View>],
        sd: f64,
    ) -> Option<Offer> {
        let [a, b] = finest.attributes()[..] else { return None };
        let signal = strength.contingency(self.total);
        let (ka, kb) = (finest.views[0].count, finest.views[1].count);
        let levels = (self.attributes[a].levels, self.attributes[b].levels);
        let lost = |groups: (usize, usize)| match groups == levels {
            true => 0.0,
            false => scores::lost(signal, (ka, kb), groups),
        };
        let error = |signal: f64, noise: f64, lost: f64| {
            (signal * noise / (signal + noise).max(1e-300) + lost).sqrt()
        };
        let scaled = strength.cells as f64 / (self.total * self.total);
        let noise = strength.noise * scaled;
        let before = error(signal, noise, lost((ka, kb)));
        let freedom = |(k, l): (usize, usize)| ((k - 1) * (l - 1)) as f64;
        let new = |groups: (usize, usize)| {
            let cells = (groups.0 * groups.1) as f64;
            cells * freedom(groups) * sd * sd * ROUGH / (self.total * self.total)
        };
        let again = 1.0 / (1.0 / noise + 1.0 / new((ka, kb)));
        let mut best = Offer {
            gain: before - error(signal, again, lost((ka, kb))),
            views: finest.views.clone(),
        };
        for (va, vb) in views[a].iter().zip(&views[b]) {
            // Never coarser than what is known.
            let va = if va.count < ka { &finest.views[0] } else { va };
            let vb = if vb.count < kb { &finest.views[1] } else { vb };
            let groups = (va.count, vb.count);
            if groups == (ka, kb) || groups.0 * groups.1 > self.table_cells {
                continue;
            }
            let more = signal + (lost((ka, kb)) - lost(groups)).max(0.0);
            let gain = before - error(more, new(groups), lost(groups));
            if gain > best.gain {
                best = Offer { gain, views: vec![va.clone(), vb.clone()] };
            }
        }
        best.gain *= self.workload.weight(&[a, b]);
        Some(best)
    }
}

/// A table that a round may ask for.
struct Offer {
    /// By how much it is expected to lower the error, in shares of patients.
    gain: f64,
    views: Vec<View>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(a: usize, b: usize, groups: usize) -> Table {
        let view = |attribute| View {
            attribute,
            groups: (0..6).map(|l| l % groups as u16).collect(),
            count: groups,
        };
        let values = vec![0.0; groups * groups];
        Table { views: vec![view(a), view(b)], form: Form::Residual, values, sd: 1.0 }
    }

    fn candidate(attributes: [usize; 2], tables: Vec<usize>, benefit: f64) -> Candidate {
        Candidate { attributes: attributes.to_vec(), tables, benefit }
    }

    #[test]
    fn a_forest_stands_before_the_third_side_of_a_triangle() {
        let all = vec![
            candidate([0, 1], vec![], 0.9),
            candidate([1, 2], vec![], 0.8),
            candidate([0, 2], vec![], 0.7),
            candidate([2, 3], vec![], 0.1),
        ];
        let order = |all: Vec<Candidate>| all.into_iter().map(|c| c.attributes).collect::<Vec<_>>();
        assert_eq!(order(forest(4, all.clone())), [[0, 1], [1, 2], [2, 3]]);
        assert_eq!(order(forest_first(4, all)), [[0, 1], [1, 2], [2, 3], [0, 2]]);
    }

    #[test]
    fn a_table_too_fine_for_the_limit_gives_way_to_its_coarse_one() {
        let tables = [table(0, 1, 2), table(0, 1, 6), table(1, 2, 6)];
        let candidates =
            || vec![candidate([0, 1], vec![0, 1], 0.9), candidate([1, 2], vec![2], 0.5)];
        let groups = || vec![vec![0u16; 6]; 3];
        let (taken, fine) = within_limit(candidates(), &tables, groups(), Vec::new(), 72);
        assert_eq!((taken, sizes(&fine)), (vec![0, 1, 2], vec![6, 6, 6]));
        let (taken, coarse) = within_limit(candidates(), &tables, groups(), Vec::new(), 30);
        assert_eq!((taken, sizes(&coarse)), (vec![0], vec![2, 2, 1]));
        let (taken, none) = within_limit(candidates(), &tables, groups(), Vec::new(), 3);
        assert_eq!((taken, sizes(&none)), (vec![], vec![1, 1, 1]));
    }
}
