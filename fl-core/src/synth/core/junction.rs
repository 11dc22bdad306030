//! Junction trees: triangulation by minimum fill, and exact marginals by two passes of messages.
//!
//! Koller and Friedman, *Probabilistic Graphical Models*, 2009, chapters 9 and 10. A clique's log
//! potentials become, from the leaves to the root, its distribution given its separator, and then,
//! from the root to the leaves, its marginal. Each cell costs one exponential. Cells of minus
//! infinity are structural zeros.

use super::Error;
use super::table;

/// Cells of all maps of messages together: each clique has one of its parent's size. The default
/// caps stay below it at the most attributes (128 times 2^17).
const MOST_MESSAGES: usize = 1 << 24;
/// What that limit is of, in an error.
const MESSAGES: &str = "the model's messages at the clique";

/// A tree of cliques over attributes with so many levels each.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) sizes: Vec<usize>,
    /// Attributes of each clique, ascending. A parent stands before its children; the first is the
    /// root.
    pub(crate) cliques: Vec<Vec<usize>>,
    /// Each clique's parent; the root's is itself.
    pub(crate) parents: Vec<usize>,
    /// What each clique shares with its parent.
    pub(crate) separators: Vec<Vec<usize>>,
    /// Cells of each separator.
    separator_cells: Vec<usize>,
    /// The separator's cell for each cell of the clique.
    up: Vec<Vec<u32>>,
    /// The separator's cell for each cell of the parent.
    down: Vec<Vec<u32>>,
}

/// Maximal cliques of the triangulated graph in which every set is complete.
fn triangulate(sizes: &[usize], sets: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let d = sizes.len();
    let mut near = vec![0u128; d];
    for set in sets {
        let mask = set.iter().fold(0u128, |mask, a| mask | 1 << a);
        for &a in set {
            near[a] |= mask & !(1 << a);
        }
    }
    let logs: Vec<f64> = sizes.iter().map(|size| libm::log(*size as f64)).collect();
    let members = |mask: u128| (0..d).filter(move |a| mask >> a & 1 == 1);
    let mut left = if d >= 128 { u128::MAX } else { (1u128 << d) - 1 };
    let mut cliques: Vec<u128> = Vec::new();
    while left != 0 {
        let mut best: Option<(u32, f64, usize)> = None;
        for a in members(left) {
            let around = near[a] & left;
            let missing: u32 =
                members(around).map(|b| (around & !near[b] & !(1 << b)).count_ones()).sum();
            let weight: f64 = members(around | 1 << a).map(|b| logs[b]).sum();
            if best.is_none_or(|(m, w, _)| (missing, weight) < (m, w)) {
                best = Some((missing, weight, a));
            }
        }
        let Some((_, _, a)) = best else { break };
        let around = near[a] & left;
        for b in members(around) {
            near[b] |= around & !(1 << b);
        }
        let clique = around | 1 << a;
        if !cliques.iter().any(|earlier| clique & !earlier == 0) {
            cliques.push(clique);
        }
        left &= !(1 << a);
    }
    cliques.into_iter().map(|clique| members(clique).collect()).collect()
}

/// Cells over all cliques of the junction tree in which every set is complete, infinite on overflow.
pub(crate) fn tree_cells(sizes: &[usize], sets: &[Vec<usize>]) -> f64 {
    triangulate(sizes, sets).iter().map(|clique| volume(sizes, clique)).sum()
}

/// Whether the junction tree has at most `limit` cells, and room for its messages: what
/// [`Tree::new`] takes.
pub(crate) fn fits(sizes: &[usize], sets: &[Vec<usize>], limit: usize) -> bool {
    let cells = tree_cells(sizes, sets);
    if cells > limit as f64 {
        return false;
    }
    // There are at most as many cliques as attributes.
    if cells * sizes.len() as f64 <= MOST_MESSAGES as f64 {
        return true;
    }
    let (cliques, parents, _) = spanning(triangulate(sizes, sets));
    let messages = parents.iter().map(|parent| volume(sizes, &cliques[*parent])).sum::<f64>();
    messages <= MOST_MESSAGES as f64
}

/// Cells of a clique, infinite on overflow.
fn volume(sizes: &[usize], clique: &[usize]) -> f64 {
    clique.iter().map(|a| sizes[*a] as f64).product()
}

/// A spanning tree of largest separators, which has the running intersection property: cliques,
/// each one's parent, and what it shares with it.
fn spanning(mut waiting: Vec<Vec<usize>>) -> (Vec<Vec<usize>>, Vec<usize>, Vec<Vec<usize>>) {
    let shared = |a: &[usize], b: &[usize]| -> Vec<usize> {
        a.iter().copied().filter(|x| b.contains(x)).collect()
    };
    let mut cliques: Vec<Vec<usize>> = Vec::new();
    let (mut parents, mut separators) = (Vec::new(), Vec::new());
    while !waiting.is_empty() {
        let mut best = (0, 0, Vec::new());
        let mut first = true;
        for (w, clique) in waiting.iter().enumerate() {
            for (p, parent) in cliques.iter().enumerate() {
                let separator = shared(clique, parent);
                if first || separator.len() > best.2.len() {
                    best = (w, p, separator);
                    first = false;
                }
            }
        }
        cliques.push(waiting.remove(best.0));
        parents.push(best.1);
        separators.push(best.2);
    }
    (cliques, parents, separators)
}

impl Tree {
    /// The junction tree in which every set is within some clique.
    ///
    /// # Errors
    /// When its cliques have more than `limit` cells together, their messages need more than there
    /// is room for, or a set names no attribute.
    pub(crate) fn new(sizes: &[usize], sets: &[Vec<usize>], limit: usize) -> Result<Self, Error> {
        if !(1..=super::MOST_ATTRIBUTES).contains(&sizes.len()) {
            return Err(Error::Attributes { got: sizes.len() });
        }
        if let Some(&attribute) = sets.iter().flatten().find(|a| **a >= sizes.len()) {
            return Err(Error::NoAttribute { attribute });
        }
        let found = triangulate(sizes, sets);
        let mut room = limit;
        for clique in &found {
            let cells = table::cells(clique.iter().map(|a| sizes[*a]), room).ok_or_else(|| {
                Error::TooLarge { attributes: clique.clone(), limit, what: "the model's clique" }
            })?;
            room -= cells;
        }
        let (cliques, parents, separators) = spanning(found);
        let mut room = MOST_MESSAGES;
        for clique in parents.iter().map(|parent| &cliques[*parent]) {
            let cells = table::cells(clique.iter().map(|a| sizes[*a]), room).ok_or_else(|| {
                Error::TooLarge { attributes: clique.clone(), limit: MOST_MESSAGES, what: MESSAGES }
            })?;
            room -= cells;
        }
        let count = |separator: &Vec<usize>| separator.iter().map(|a| sizes[*a]).product();
        let separator_cells = separators.iter().map(count).collect();
        let up = cliques.iter().zip(&separators).map(|(c, s)| table::projection(c, s, sizes));
        let up = up.collect();
        let down = parents.iter().zip(&separators);
        let down = down.map(|(p, s)| table::projection(&cliques[*p], s, sizes)).collect();
        Ok(Self { sizes: sizes.to_vec(), cliques, parents, separators, separator_cells, up, down })
    }

    /// Cells of a clique.
    pub(crate) fn cells(&self, clique: usize) -> usize {
        self.up[clique].len()
    }

    /// A clique that holds all these attributes, the smallest.
    pub(crate) fn holding(&self, attributes: &[usize]) -> Option<usize> {
        let holds = |c: &usize| attributes.iter().all(|a| self.cliques[*c].contains(a));
        (0..self.cliques.len()).filter(holds).min_by_key(|c| self.cells(*c))
    }

    /// Log potentials of all cliques that are zero everywhere.
    pub(crate) fn flat(&self) -> Vec<Vec<f64>> {
        (0..self.cliques.len()).map(|c| vec![0.0; self.cells(c)]).collect()
    }

    /// Turns the cliques' log potentials into their marginals, in place; gives the logarithm of the
    /// normalising constant, minus infinity when nothing is possible (the marginals are then zero).
    pub(crate) fn calibrate(&self, potentials: &mut [Vec<f64>]) -> f64 {
        let mut log_total = f64::NEG_INFINITY;
        for c in (0..self.cliques.len()).rev() {
            let (before, rest) = potentials.split_at_mut(c);
            let Some(own) = rest.first_mut() else { continue };
            let map = &self.up[c];
            let mut largest = vec![f64::NEG_INFINITY; self.separator_cells[c]];
            for (value, &cell) in own.iter().zip(map) {
                let slot = &mut largest[cell as usize];
                *slot = slot.max(*value);
            }
            let mut sums = vec![0.0; largest.len()];
            for (value, &cell) in own.iter_mut().zip(map) {
                let top = largest[cell as usize];
                *value = if top == f64::NEG_INFINITY { 0.0 } else { libm::exp(*value - top) };
                sums[cell as usize] += *value;
            }
            for (value, &cell) in own.iter_mut().zip(map) {
                if *value > 0.0 {
                    *value /= sums[cell as usize];
                }
            }
            let message = |cell: usize| match sums[cell] > 0.0 {
                true => largest[cell] + libm::log(sums[cell]),
                false => f64::NEG_INFINITY,
            };
            if c == 0 {
                log_total = message(0);
            } else if let Some(parent) = before.get_mut(self.parents[c]) {
                let messages: Vec<f64> = (0..sums.len()).map(message).collect();
                for (value, &cell) in parent.iter_mut().zip(&self.down[c]) {
                    *value += messages[cell as usize];
                }
            }
        }
        for c in 1..self.cliques.len() {
            let (before, rest) = potentials.split_at_mut(c);
            if let (Some(own), Some(parent)) = (rest.first_mut(), before.get(self.parents[c])) {
                let shares = table::sum(parent, &self.down[c], self.separator_cells[c]);
                for (value, &cell) in own.iter_mut().zip(&self.up[c]) {
                    *value *= shares[cell as usize];
                }
            }
        }
        log_total
    }

    /// Brings a neighbour's marginal into agreement with that of a clique which has changed, where
    /// `child` is the lower of the two and `from_child` says which one changed.
    pub(crate) fn pass(&self, marginals: &mut [Vec<f64>], child: usize, from_child: bool) {
        let (before, rest) = marginals.split_at_mut(child);
        let (Some(own), Some(parent)) = (rest.first_mut(), before.get_mut(self.parents[child]))
        else {
            return;
        };
        let cells = self.separator_cells[child];
        let below = table::sum(own, &self.up[child], cells);
        let above = table::sum(parent, &self.down[child], cells);
        let (to, map, new, old) = match from_child {
            true => (parent, &self.down[child], below, above),
            false => (own, &self.up[child], above, below),
        };
        for (value, &cell) in to.iter_mut().zip(map) {
            let (new, old) = (new[cell as usize], old[cell as usize]);
            *value = if old > 0.0 { *value * (new / old) } else { 0.0 };
        }
    }

    /// The marginal over any attributes, in their order, from calibrated cliques.
    ///
    /// # Errors
    /// When a table on the way has more than `limit` cells, or an attribute does not exist.
    pub(crate) fn marginal(
        &self,
        marginals: &[Vec<f64>],
        attributes: &[usize],
        limit: usize,
    ) -> Result<Vec<f64>, Error> {
        for (i, &attribute) in attributes.iter().enumerate() {
            if attribute >= self.sizes.len() || attributes[..i].contains(&attribute) {
                return Err(Error::NoAttribute { attribute });
            }
        }
        let cells = table::cells(attributes.iter().map(|a| self.sizes[*a]), limit);
        let cells = cells.ok_or_else(|| Error::TooLarge {
            attributes: attributes.to_vec(),
            limit,
            what: "the marginal",
        })?;
        let (held, values) = match self.holding(attributes) {
            Some(c) => (self.cliques[c].clone(), marginals[c].clone()),
            None => self.gathered(marginals, attributes, limit)?,
        };
        Ok(table::sum(&values, &table::projection(&held, attributes, &self.sizes), cells))
    }

    /// A joint table over at least the wanted attributes, from several cliques.
    fn gathered(
        &self,
        marginals: &[Vec<f64>],
        wanted: &[usize],
        limit: usize,
    ) -> Result<(Vec<usize>, Vec<f64>), Error> {
        // Below each clique, from the leaves: P(what is wanted there | separator).
        let mut below: Vec<Vec<(Vec<usize>, Vec<f64>)>> = vec![Vec::new(); self.cliques.len()];
        for c in (0..self.cliques.len()).rev() {
            let separator = &self.separators[c];
            let found = std::mem::take(&mut below[c]);
            let new = self.cliques[c].iter().any(|a| wanted.contains(a) && !separator.contains(a));
            if c > 0 && found.is_empty() && !new {
                continue;
            }
            let needed = |a: &&usize| {
                wanted.contains(a)
                    || separator.contains(a)
                    || found.iter().any(|(attributes, _)| attributes.contains(a))
            };
            let kept: Vec<usize> = self.cliques[c].iter().filter(needed).copied().collect();
            let count = kept.iter().map(|a| self.sizes[*a]).product();
            let map = table::projection(&self.cliques[c], &kept, &self.sizes);
            let mut joint = (kept, table::sum(&marginals[c], &map, count));
            if c > 0 {
                // Given the separator.
                let map = table::projection(&joint.0, separator, &self.sizes);
                let shares = table::sum(&joint.1, &map, self.separator_cells[c]);
                for (value, &cell) in joint.1.iter_mut().zip(&map) {
                    let share = shares[cell as usize];
                    *value = if share > 0.0 { *value / share } else { 0.0 };
                }
            }
            for other in &found {
                joint = self.times(&joint, other, limit)?;
            }
            if c == 0 {
                return Ok(joint);
            }
            let needed = |a: &&usize| wanted.contains(a) || separator.contains(a);
            let kept: Vec<usize> = joint.0.iter().filter(needed).copied().collect();
            let count = kept.iter().map(|a| self.sizes[*a]).product();
            let map = table::projection(&joint.0, &kept, &self.sizes);
            let values = table::sum(&joint.1, &map, count);
            below[self.parents[c]].push((kept, values));
        }
        Err(Error::Malformed { reason: "a junction tree without a root" })
    }

    fn times(
        &self,
        left: &(Vec<usize>, Vec<f64>),
        right: &(Vec<usize>, Vec<f64>),
        limit: usize,
    ) -> Result<(Vec<usize>, Vec<f64>), Error> {
        let mut all = left.0.clone();
        all.extend(right.0.iter().filter(|a| !left.0.contains(a)));
        all.sort_unstable();
        table::cells(all.iter().map(|a| self.sizes[*a]), limit).ok_or_else(|| Error::TooLarge {
            attributes: all.clone(),
            limit,
            what: "a table on the way to the marginal",
        })?;
        let of_left = table::projection(&all, &left.0, &self.sizes);
        let of_right = table::projection(&all, &right.0, &self.sizes);
        let values = of_left.iter().zip(&of_right);
        let values = values.map(|(&l, &r)| left.1[l as usize] * right.1[r as usize]).collect();
        Ok((all, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number in [0, 1) from a counter, for potentials without a pattern.
    fn noise(i: usize) -> f64 {
        let x = (i as f64 * 12.9898 + 78.233).sin() * 43_758.545_3;
        x - x.floor()
    }

    /// The joint distribution over all attributes, cell by cell.
    fn joint(tree: &Tree, potentials: &[Vec<f64>]) -> (Vec<f64>, f64) {
        let all: Vec<usize> = (0..tree.sizes.len()).collect();
        let mut logs = vec![0.0; tree.sizes.iter().product()];
        for (clique, potential) in tree.cliques.iter().zip(potentials) {
            let map = table::projection(&all, clique, &tree.sizes);
            logs.iter_mut().zip(&map).for_each(|(l, &cell)| *l += potential[cell as usize]);
        }
        let total: f64 = logs.iter().map(|l| l.exp()).sum();
        (logs.iter().map(|l| l.exp() / total).collect(), total.ln())
    }

    fn filled(tree: &Tree, seed: usize, zeros: bool) -> Vec<Vec<f64>> {
        let mut potentials = tree.flat();
        for (c, potential) in potentials.iter_mut().enumerate() {
            for (i, value) in potential.iter_mut().enumerate() {
                let u = noise(seed * 1_000_003 + c * 1009 + i);
                *value = if zeros && u < 0.2 { f64::NEG_INFINITY } else { 6.0 * u - 3.0 };
            }
        }
        potentials
    }

    const GRAPHS: [&[&[usize]]; 5] = [
        &[&[0, 1], &[1, 2], &[2, 3], &[3, 4]],
        // A cycle, which wants fill.
        &[&[0, 1], &[1, 2], &[2, 3], &[3, 4], &[4, 0]],
        &[&[0, 1, 2], &[2, 3], &[1, 4]],
        // Two parts that do not meet.
        &[&[0, 3], &[2, 4]],
        &[],
    ];

    #[test]
    fn messages_give_the_marginals_of_the_whole_joint_table() {
        let sizes = [3, 2, 4, 2, 3];
        for (g, sets) in GRAPHS.iter().enumerate() {
            let sets: Vec<Vec<usize>> = sets.iter().map(|set| set.to_vec()).collect();
            let tree = Tree::new(&sizes, &sets, 10_000).unwrap();
            for zeros in [false, true] {
                let potentials = filled(&tree, g, zeros);
                let (joint, log_total) = joint(&tree, &potentials);
                let mut marginals = potentials;
                assert!((tree.calibrate(&mut marginals) - log_total).abs() < 1e-10);
                let all: Vec<usize> = (0..5).collect();
                for wanted in [vec![0], vec![4, 1], vec![0, 2, 4], vec![3, 0], vec![4, 3, 2, 1, 0]]
                {
                    let got = tree.marginal(&marginals, &wanted, 10_000).unwrap();
                    let map = table::projection(&all, &wanted, &sizes);
                    let want = table::sum(&joint, &map, got.len());
                    let error = got.iter().zip(&want).map(|(a, b)| (a - b).abs());
                    assert!(error.fold(0.0, f64::max) < 1e-12, "graph {g}, {wanted:?}");
                }
            }
        }
    }

    #[test]
    fn nothing_possible_has_no_total() {
        let tree = Tree::new(&[2, 2], &[vec![0, 1]], 10).unwrap();
        let mut potentials = vec![vec![f64::NEG_INFINITY; 4]];
        assert_eq!(tree.calibrate(&mut potentials), f64::NEG_INFINITY);
        assert_eq!(potentials, [vec![0.0; 4]]);
    }

    #[test]
    fn a_clique_past_the_limit_is_named() {
        let error = Tree::new(&[10; 4], &[vec![0, 1, 3]], 999).unwrap_err();
        let what = "the model's clique";
        assert_eq!(error, Error::TooLarge { attributes: vec![0, 1, 3], limit: 999, what });
        let sets = [vec![0, 1, 3]];
        assert_eq!(tree_cells(&[10; 4], &sets), 1010.0);
        assert!(Tree::new(&[1 << 40; 4], &[vec![0, 1, 2, 3]], usize::MAX).is_err());
    }

    #[test]
    fn messages_past_their_limit_are_refused_though_the_cliques_are_within_theirs() {
        // One clique of 2^19 cells, and so many children of it.
        let star = |children: usize| {
            let sizes = vec![2; 19 + children];
            let mut sets: Vec<Vec<usize>> = vec![(0..19).collect()];
            sets.extend((0..children).map(|child| vec![child % 19, 19 + child]));
            (sizes, sets)
        };
        let (sizes, sets) = star(38);
        assert!(tree_cells(&sizes, &sets) < f64::from(1 << 20));
        assert!(!fits(&sizes, &sets, 1 << 20));
        let error = Tree::new(&sizes, &sets, 1 << 20).unwrap_err();
        let attributes = (0..19).collect();
        assert_eq!(error, Error::TooLarge { attributes, limit: MOST_MESSAGES, what: MESSAGES });
        let (sizes, sets) = star(19);
        assert!(fits(&sizes, &sets, 1 << 20) && !fits(&sizes, &sets, 1 << 19));
    }

    #[test]
    fn a_passed_change_makes_neighbours_agree() {
        let sets = [vec![0, 1], vec![1, 2]];
        let tree = Tree::new(&[2, 3, 2], &sets, 100).unwrap();
        let mut marginals = filled(&tree, 7, false);
        tree.calibrate(&mut marginals);
        marginals[1].iter_mut().enumerate().for_each(|(i, v)| *v *= 1.0 + i as f64);
        let total: f64 = marginals[1].iter().sum();
        marginals[1].iter_mut().for_each(|v| *v /= total);
        tree.pass(&mut marginals, 1, true);
        let of = |c: usize| {
            table::sum(&marginals[c], &table::projection(&tree.cliques[c], &[1], &tree.sizes), 3)
        };
        assert!(of(0).iter().zip(of(1)).all(|(a, b)| (a - b).abs() < 1e-14));
    }
}
