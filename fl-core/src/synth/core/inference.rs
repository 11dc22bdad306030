//! The graphical model of noisy tables: the least informative distribution that they support.
//!
//! Private-PGM (McKenna, Sheldon and Miklau, ICML 2019) takes the distribution p of largest entropy
//! among those that minimise the squared error of the measured tables, by entropic mirror descent.
//! Here the error is *weighed against* the entropy:
//!
//! ```text
//! minimise over p   sum_m (A_m p - y_m)' V_m^-1 (A_m p - y_m) / 2  +  KL(p || base)
//! ```
//!
//! The base is the product of the one-way marginals, with zeros where pairs are impossible. That is
//! the posterior mode when a table's interactions are drawn around independence: V_m holds, for each
//! coordinate in an orthonormal basis, the noise's variance over the prior's, so what is mostly noise
//! hardly moves the model ([`super::scores`] estimates V_m), and a table without noise (V_m towards 0) is
//! met exactly. The problem is convex, and mirror descent's steps on it are gradient steps, scaled by
//! V_m^-1, on its dual
//!
//! ```text
//! minimise over t   log Z(base + sum_m A_m' t_m)  -  sum_m t_m y_m  +  sum_m t_m' V_m t_m / 2
//! ```
//!
//! which is smooth, so the same steps are taken with a quasi-Newton metric (L-BFGS: Nocedal and
//! Wright, *Numerical Optimization*, 2006, algorithm 7.5) and a line search that never lets the
//! objective rise. Exact tables are fitted by iterative proportional fitting within the cliques
//! (Jirousek and Preucil, *CSDA* 1995;19:177), which keeps their zeros.

use super::ask::Table;
use super::contrasts::{self, Contrasts};
use super::junction::Tree;
use super::table;

/// Most evaluations of the objective.
const MOST_STEPS: usize = 400;
/// Progress relative to the objective at which the descent stops, over `PATIENCE` steps.
const PROGRESS: f64 = 1e-9;
const PATIENCE: usize = 5;
/// Sweeps of proportional fitting, and the largest error in a cell's share at which it stops.
const MOST_SWEEPS: usize = 2000;
const SHARE_ERROR: f64 = 1e-10;
/// Pairs of steps that the quasi-Newton metric remembers.
const MEMORY: usize = 12;

/// A table as the model is fitted to it.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) attributes: Vec<usize>,
    clique: usize,
    /// The table's cell for each cell of the clique.
    map: Vec<u32>,
    cells: usize,
    /// Bases of the dimensions: of contrasts for a residual, of everything for counts.
    bases: Vec<Contrasts>,
    /// Coordinates of the measured shares of patients.
    target: Vec<f64>,
    /// v of the head, one a coordinate.
    ridges: Vec<f64>,
}

impl Term {
    /// A measured table over the model's groups; `groups[a][level]` is the model's group of a level of
    /// attribute a. `None` when no clique holds its attributes, or a view splits one of the groups.
    pub(crate) fn new(
        tree: &Tree,
        groups: &[Vec<u16>],
        measured: &Table,
        total: f64,
        bases: Option<(&[Contrasts], &[f64])>,
    ) -> Option<Self> {
        let attributes = measured.attributes();
        let sizes = measured.sizes();
        let clique = tree.holding(&attributes)?;
        let mut views = Vec::new();
        for view in &measured.views {
            let mut own: Vec<Option<u16>> = vec![None; tree.sizes[view.attribute]];
            for (&group, &to) in groups.get(view.attribute)?.iter().zip(&view.groups) {
                let slot = own.get_mut(usize::from(group))?;
                if slot.is_some_and(|known| known != to) {
                    return None;
                }
                *slot = Some(to);
            }
            views.push(own.into_iter().collect::<Option<Vec<u16>>>()?);
        }
        let clique_sizes: Vec<usize> =
            tree.cliques[clique].iter().map(|a| tree.sizes[*a]).collect();
        let level = |place: usize, group: usize| usize::from(views[place][group]);
        let offsets =
            table::offsets(&tree.cliques[clique], &clique_sizes, &attributes, &sizes, level);
        let shares: Vec<f64> = measured.values.iter().map(|value| value / total).collect();
        let (bases, ridges) = match bases {
            Some((bases, ridges)) => (bases.to_vec(), ridges.to_vec()),
            None => (sizes.iter().map(|size| Contrasts::unit(*size)).collect(), Vec::new()),
        };
        let target = contrasts::coordinates(&shares, &bases);
        let (map, cells) = (table::map(&offsets), shares.len());
        Some(Self { attributes, clique, map, cells, bases, target, ridges })
    }

    /// Coordinates of the model's shares.
    fn predicted(&self, marginals: &[Vec<f64>]) -> Vec<f64> {
        let shares = table::sum(&marginals[self.clique], &self.map, self.cells);
        contrasts::coordinates(&shares, &self.bases)
    }

    /// The table over the model's own groups that a potential over the measured cells stands for.
    pub(crate) fn spread(&self, tree: &Tree, potential: &[f64]) -> Vec<f64> {
        let potential = contrasts::cells(potential, &self.bases);
        let sizes = &tree.sizes;
        let onto = table::projection(&tree.cliques[self.clique], &self.attributes, sizes);
        let cells = self.attributes.iter().map(|a| sizes[*a]).product();
        let mut values = vec![0.0; cells];
        for (&cell, &measured) in onto.iter().zip(&self.map) {
            values[cell as usize] = potential[measured as usize];
        }
        values
    }
}

/// The outcome of a descent.
#[derive(Debug)]
pub(crate) struct Fit {
    /// One table a term, over its measured cells.
    pub(crate) potentials: Vec<Vec<f64>>,
    /// Calibrated cliques; read by tests, as what follows is.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(crate) marginals: Vec<Vec<f64>>,
    /// The objective after each accepted step, or the worst error of each sweep.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(crate) objective: Vec<f64>,
}

struct Point {
    value: f64,
    gradient: Vec<f64>,
    marginals: Vec<Vec<f64>>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn evaluate(tree: &Tree, base: &[Vec<f64>], terms: &[Term], at: &[f64]) -> Point {
    let mut cliques = base.to_vec();
    let mut rest = at;
    for term in terms {
        let (own, after) = rest.split_at(term.target.len());
        rest = after;
        let potential = contrasts::cells(own, &term.bases);
        for (value, &cell) in cliques[term.clique].iter_mut().zip(&term.map) {
            *value += potential[cell as usize];
        }
    }
    let mut value = tree.calibrate(&mut cliques);
    let mut gradient = Vec::with_capacity(at.len());
    let mut rest = at;
    for term in terms {
        let (own, after) = rest.split_at(term.target.len());
        rest = after;
        let shares = term.predicted(&cliques);
        for (((share, target), t), ridge) in
            shares.iter().zip(&term.target).zip(own).zip(&term.ridges)
        {
            value += 0.5 * ridge * t * t - t * target;
            gradient.push(share - target + ridge * t);
        }
    }
    Point { value, gradient, marginals: cliques }
}

/// The noisy fit: `base` holds the log of the base distribution, as potentials of the cliques.
pub(crate) fn descend(tree: &Tree, base: &[Vec<f64>], terms: &[Term], start: &[Vec<f64>]) -> Fit {
    let mut at: Vec<f64> = Vec::new();
    for (t, term) in terms.iter().enumerate() {
        match start.get(t) {
            Some(own) if own.len() == term.target.len() => at.extend(own),
            _ => at.extend(std::iter::repeat_n(0.0, term.target.len())),
        }
    }
    // The curvature where all cells are alike: what a step along one coordinate is scaled by.
    let scales = |term: &Term| {
        let curvature = 1.0 / term.cells as f64;
        term.ridges.iter().map(move |ridge| 1.0 / (curvature + ridge)).collect::<Vec<_>>()
    };
    let metric: Vec<f64> = terms.iter().flat_map(scales).collect();
    let mut point = evaluate(tree, base, terms, &at);
    let mut objective = vec![point.value];
    let mut memory: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
    let mut steps = 1;
    while steps < MOST_STEPS {
        let direction = quasi_newton(&point.gradient, &memory, &metric);
        let slope = dot(&direction, &point.gradient);
        // The gain of the best linear step, below what doubles resolve: the end.
        if slope.is_nan() || slope > -1e-14 {
            break;
        }
        let mut size = 1.0;
        let next = loop {
            let to: Vec<f64> = at.iter().zip(&direction).map(|(x, d)| x + size * d).collect();
            let next = evaluate(tree, base, terms, &to);
            steps += 1;
            if next.value <= point.value + 1e-4 * size * slope {
                break Some((to, next));
            }
            size *= 0.5;
            if steps >= MOST_STEPS || size < 1e-10 {
                break None;
            }
        };
        let Some((to, next)) = next else { break };
        let moved: Vec<f64> = to.iter().zip(&at).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> =
            next.gradient.iter().zip(&point.gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&moved, &turned);
        if curvature > 1e-300 {
            if memory.len() == MEMORY {
                memory.remove(0);
            }
            memory.push((moved, turned, curvature));
        }
        (at, point) = (to, next);
        objective.push(point.value);
        let earlier = objective.len().checked_sub(PATIENCE + 1).and_then(|i| objective.get(i));
        if earlier.is_some_and(|f| f - point.value <= PROGRESS * (1.0 + point.value.abs())) {
            break;
        }
    }
    let mut potentials = Vec::with_capacity(terms.len());
    let mut rest = at.as_slice();
    for term in terms {
        let (own, after) = rest.split_at(term.target.len());
        rest = after;
        potentials.push(own.to_vec());
    }
    Fit { potentials, marginals: point.marginals, objective }
}

/// L-BFGS's two loops, over a diagonal first metric.
fn quasi_newton(
    gradient: &[f64],
    memory: &[(Vec<f64>, Vec<f64>, f64)],
    metric: &[f64],
) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut kept = Vec::with_capacity(memory.len());
    for (moved, turned, curvature) in memory.iter().rev() {
        let along = dot(moved, &direction) / curvature;
        for (d, y) in direction.iter_mut().zip(turned) {
            *d -= along * y;
        }
        kept.push(along);
    }
    let scale = memory.last().map_or(1.0, |(_, turned, curvature)| {
        let weighted: f64 = turned.iter().zip(metric).map(|(y, m)| y * y * m).sum();
        curvature / weighted
    });
    for (d, m) in direction.iter_mut().zip(metric) {
        *d *= m * scale;
    }
    for ((moved, turned, curvature), along) in memory.iter().zip(kept.iter().rev()) {
        let back = dot(turned, &direction) / curvature;
        for (d, s) in direction.iter_mut().zip(moved) {
            *d += (along - back) * s;
        }
    }
    direction
}

/// The exact fit: `marginals` are the calibrated base, and become the model that has every table as
/// a marginal. The potentials are factors, not logarithms, so a zero is a zero.
pub(crate) fn proportional(tree: &Tree, mut marginals: Vec<Vec<f64>>, terms: &[Term]) -> Fit {
    let mut of_clique: Vec<Vec<usize>> = vec![Vec::new(); tree.cliques.len()];
    for (t, term) in terms.iter().enumerate() {
        of_clique[term.clique].push(t);
    }
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); tree.cliques.len()];
    for c in 1..tree.cliques.len() {
        children[tree.parents[c]].push(c);
    }
    let mut potentials: Vec<Vec<f64>> =
        terms.iter().map(|term| vec![1.0; term.target.len()]).collect();
    let mut objective = Vec::new();
    for _ in 0..MOST_SWEEPS {
        let mut worst = 0.0f64;
        // A walk through the tree: (clique, next child), each edge passed down and up again.
        let mut walk = vec![(0, 0)];
        while let Some((c, child)) = walk.pop() {
            if child == 0 {
                for &t in &of_clique[c] {
                    worst = worst.max(fit_term(&terms[t], &mut marginals[c], &mut potentials[t]));
                }
            } else {
                tree.pass(&mut marginals, children[c][child - 1], true);
            }
            if let Some(&next) = children[c].get(child) {
                tree.pass(&mut marginals, next, false);
                walk.push((c, child + 1));
                walk.push((next, 0));
            }
        }
        objective.push(worst);
        if worst <= SHARE_ERROR {
            break;
        }
    }
    Fit { potentials, marginals, objective }
}

/// Gives a clique the table of a term; the largest error that it had in a cell.
fn fit_term(term: &Term, clique: &mut [f64], potential: &mut [f64]) -> f64 {
    let mut worst = 0.0f64;
    let shares = table::sum(clique, &term.map, term.target.len());
    let mut ratios = Vec::with_capacity(shares.len());
    for ((&share, &target), potential) in shares.iter().zip(&term.target).zip(potential) {
        worst = worst.max((share - target).abs());
        let ratio = if share > 0.0 { target.max(0.0) / share } else { 1.0 };
        *potential *= ratio;
        ratios.push(ratio);
    }
    for (value, &cell) in clique.iter_mut().zip(&term.map) {
        *value *= ratios[cell as usize];
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::super::Order;
    use super::super::ask::{Form, View};
    use super::super::resolution::whole;
    use super::*;

    fn setup(sets: &[Vec<usize>]) -> (Tree, Vec<Vec<u16>>) {
        let sizes = [3, 2, 4, 2];
        let groups = sizes.iter().map(|size| (0..*size as u16).collect()).collect();
        (Tree::new(&sizes, sets, 1000).unwrap(), groups)
    }

    fn measured(attributes: &[usize], form: Form, seed: usize) -> Table {
        let sizes = [3, 2, 4, 2];
        let cells: usize = attributes.iter().map(|a| sizes[*a]).product();
        let mut values: Vec<f64> = (0..cells).map(|i| ((i * 7 + seed * 13) % 11) as f64).collect();
        let total: f64 = values.iter().sum();
        values.iter_mut().for_each(|v| *v *= 100.0 / total);
        let views: Vec<View> = attributes.iter().map(|a| whole(*a, sizes[*a])).collect();
        if form == Form::Residual {
            let sizes: Vec<usize> = views.iter().map(|v| v.count).collect();
            table::centre(&mut values, &sizes);
        }
        Table { views, form, values, sd: 1.0 }
    }

    /// A term whose ridges are around one number.
    fn term(tree: &Tree, groups: &[Vec<u16>], table: &Table, ridge: f64) -> Term {
        let basis = |view: &View| match table.form {
            Form::Counts => Contrasts::unit(view.count),
            Form::Residual => Contrasts::of(&Order::Nominal, view),
        };
        let bases: Vec<Contrasts> = table.views.iter().map(basis).collect();
        let coordinates = contrasts::roughness(&bases).len();
        let ridges: Vec<f64> = (0..coordinates).map(|i| ridge * (1.0 + i as f64 / 4.0)).collect();
        Term::new(tree, groups, table, 100.0, Some((&bases, &ridges))).unwrap()
    }

    /// The objective of the module's head at a distribution over the whole joint table.
    fn primal(joint: &[f64], terms: &[Term], tree: &Tree, base: &[f64]) -> f64 {
        let all: Vec<usize> = (0..tree.sizes.len()).collect();
        let mut value = 0.0;
        for term in terms {
            let map = table::projection(&all, &term.attributes, &tree.sizes);
            let shares = contrasts::coordinates(&table::sum(joint, &map, term.cells), &term.bases);
            for ((share, target), ridge) in shares.iter().zip(&term.target).zip(&term.ridges) {
                value += (share - target) * (share - target) / (2.0 * ridge);
            }
        }
        let divergence = |(p, q): (&f64, &f64)| if *p > 0.0 { p * (p / q).ln() } else { 0.0 };
        value + joint.iter().zip(base).map(divergence).sum::<f64>()
    }

    #[test]
    fn the_descent_ends_at_the_least_of_the_penalised_error_and_never_rises() {
        let sets = [vec![0, 1], vec![1, 2], vec![0, 2], vec![3]];
        let (tree, groups) = setup(&sets);
        let tables = [
            measured(&[0, 1], Form::Residual, 1),
            measured(&[1, 2], Form::Counts, 2),
            measured(&[0, 2], Form::Residual, 3),
            measured(&[3], Form::Counts, 4),
        ];
        let terms: Vec<Term> = tables
            .iter()
            .zip([0.01, 0.1, 0.003, 0.05])
            .map(|(t, ridge)| term(&tree, &groups, t, ridge))
            .collect();
        let fit = descend(&tree, &tree.flat(), &terms, &[]);
        assert!(fit.objective.windows(2).all(|w| w[1] <= w[0]), "{:?}", fit.objective);
        assert!(fit.objective.len() > 3);
        let all: Vec<usize> = (0..4).collect();
        let joint = tree.marginal(&fit.marginals, &all, 1000).unwrap();
        let base = vec![1.0 / 48.0; 48];
        let least = primal(&joint, &terms, &tree, &base);
        // The problem is convex: no step towards any other distribution may lower it.
        for cell in 0..48 {
            for step in [1e-3, 1e-4] {
                let mut other: Vec<f64> = joint.iter().map(|p| p * (1.0 - step)).collect();
                other[cell] += step;
                assert!(primal(&other, &terms, &tree, &base) > least - 1e-9, "cell {cell}");
            }
        }
    }

    #[test]
    fn a_table_of_pure_noise_moves_nothing_and_one_without_is_met() {
        let (tree, groups) = setup(&[vec![0, 2]]);
        let table = measured(&[0, 2], Form::Counts, 5);
        let distance = |ridge: f64| {
            let term = term(&tree, &groups, &table, ridge);
            let fit = descend(&tree, &tree.flat(), std::slice::from_ref(&term), &[]);
            let to = |target: &[f64]| -> f64 {
                term.predicted(&fit.marginals).iter().zip(target).map(|(a, b)| (a - b).abs()).sum()
            };
            (to(&term.target), to(&[1.0 / 12.0; 12]))
        };
        let ((exact, _), (_, flat)) = (distance(1e-9), distance(1e6));
        assert!(exact < 1e-5 && flat < 1e-5, "{exact} {flat}");
        let (between, moved) = distance(0.1);
        assert!(between > 0.05 && moved > 0.05);
    }

    #[test]
    fn proportional_fitting_reproduces_consistent_tables_with_their_zeros() {
        // A cycle of pairs: no closed form.
        let sets = [vec![0, 1], vec![1, 2], vec![2, 3], vec![0, 3]];
        let (tree, groups) = setup(&sets);
        let mut joint: Vec<f64> = (0..48).map(|i| f64::from((i * i * 5 + i) % 7)).collect();
        let total: f64 = joint.iter().sum();
        joint.iter_mut().for_each(|p| *p /= total);
        let all: Vec<usize> = (0..4).collect();
        let terms: Vec<Term> = sets
            .iter()
            .map(|set| {
                let mut table = measured(set, Form::Counts, 0);
                let map = table::projection(&all, set, &tree.sizes);
                table.values = table::sum(&joint, &map, table.values.len());
                Term::new(&tree, &groups, &table, 1.0, None).unwrap()
            })
            .collect();
        let mut marginals = tree.flat();
        tree.calibrate(&mut marginals);
        let fit = proportional(&tree, marginals, &terms);
        assert!(fit.objective.last().is_some_and(|worst| *worst < 1e-9), "{:?}", fit.objective);
        for term in &terms {
            for (share, target) in term.predicted(&fit.marginals).iter().zip(&term.target) {
                assert!((share - target).abs() < 1e-9);
                assert!(*target > 0.0 || *share == 0.0);
            }
        }
    }

    #[test]
    fn a_view_that_splits_a_group_of_the_model_is_no_term() {
        let (tree, mut groups) = setup(&[vec![0, 1]]);
        groups[2] = vec![0, 0, 1, 2, 3];
        let mut table = measured(&[2], Form::Counts, 1);
        table.views[0].groups = vec![0, 1, 2, 3, 3];
        assert!(Term::new(&tree, &groups, &table, 1.0, None).is_none());
        table.views[0].groups = vec![0, 0, 1, 2, 2];
        assert!(Term::new(&tree, &groups, &table, 1.0, None).is_some());
    }
}
