//! From answered tables to a generator.

use super::ask::{Form, Table, View};
use super::choice::{self, Candidate};
use super::contrasts::Contrasts;
use super::graph::{self, Factor, GraphModel};
use super::inference::{self, Term};
use super::junction::Tree;
use super::scores::{self, Strength, strengths};
use super::smoothing::{self, Counts};
use super::{Attribute, Error, Impossible, resolution};

/// Which dependence a generator may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A tree of pairs.
    Forest,
    /// Any that the junction tree has room for.
    Limited,
}

/// Part of a level's noise by which its share is lowered: by held-out rows of leukaemia survival in North
/// West England, of AML trials and of monoclonal gammopathy at epsilon 1, with one and three nodes' noise.
/// With 0.6 three-way tables gain a little more and one-way ones lose.
const HIDDEN: f64 = 0.3;
/// What is left of a share that noise hides, so that a condition on it still finds someone.
const NEXT_TO_NOTHING: f64 = 1e-3;
/// Twice the share of patients below which a dependence is not worth a clique.
const LEAST_BENEFIT: f64 = 1e-3;

/// One-way counts: what every later step starts from.
#[derive(Clone, Debug)]
pub(crate) struct OneWays {
    /// Patients.
    pub(crate) total: f64,
    /// Shares of each attribute's levels.
    pub(crate) shares: Vec<Vec<f64>>,
    /// The inverse of a level's noise variance, infinite when exact.
    pub(crate) precision: Vec<f64>,
}

/// The number of patients, of all tables that count them, and the standard deviation of its noise.
pub(crate) fn patients(tables: &[Table], noised: bool) -> (f64, f64) {
    let weight = |table: &Table| if noised { 1.0 / (table.sd * table.sd) } else { 1.0 };
    let (mut sum, mut weights) = (0.0, 0.0);
    for table in tables {
        let all = match table.form {
            Form::Counts if table.views.len() <= 1 => table.values.iter().sum::<f64>(),
            _ => continue,
        };
        let weight = weight(table) / table.values.len() as f64;
        sum += weight * all;
        weights += weight;
    }
    (sum / weights, if noised { 1.0 / weights.sqrt() } else { 0.0 })
}

/// A number of patients as a message has it: noise makes none negative.
pub(crate) fn shown_patients(total: f64) -> u64 {
    total.round().max(0.0) as u64
}

impl OneWays {
    /// Joins all answered tables of one attribute or none, each weighed by its precision; noisy ones
    /// are smoothed along their order.
    pub(crate) fn of(
        attributes: &[Attribute],
        tables: &[Table],
        noised: bool,
    ) -> Result<Self, Error> {
        let weight = |table: &Table| if noised { 1.0 / (table.sd * table.sd) } else { 1.0 };
        let (total, _) = patients(tables, noised);
        if total.is_nan() || total < 1.0 {
            return Err(Error::TooFew { patients: shown_patients(total), least: 1 });
        }
        let mut precision = Vec::new();
        let mut joined = Vec::new();
        for (a, attribute) in attributes.iter().enumerate() {
            let (mut counts, mut weights) = (vec![0.0; attribute.levels], 0.0);
            for table in tables.iter().filter(|table| table.attributes() == [a]) {
                let mean = match table.form {
                    Form::Counts => 0.0,
                    Form::Residual => total / attribute.levels as f64,
                };
                for (count, value) in counts.iter_mut().zip(&table.values) {
                    *count += weight(table) * (value + mean);
                }
                weights += weight(table);
            }
            counts.iter_mut().for_each(|count| *count /= weights);
            let views = vec![resolution::whole(a, attribute.levels)];
            let sd = 1.0 / weights.sqrt();
            joined.push(Table { views, form: Form::Residual, values: counts, sd });
            precision.push(weights);
        }
        let share = |table: &Table| {
            let shares: Vec<f64> = table.values.iter().map(|count| count / total).collect();
            resolution::project(&shares)
        };
        let mut shares: Vec<Vec<f64>> = joined.iter().map(share).collect();
        let smooth: Vec<usize> = (0..attributes.len())
            .filter(|a| noised && attributes[*a].levels <= smoothing::MOST_SMOOTHED)
            .collect();
        let counts = |a: &usize| Counts {
            counts: &joined[*a].values,
            sd: joined[*a].sd,
            basis: Contrasts::of(&attributes[*a].order, &joined[*a].views[0]),
        };
        let counts: Vec<Counts<'_>> = smooth.iter().map(counts).collect();
        for (a, smoothed) in smooth.iter().zip(smoothing::smoothed(&counts, total)) {
            shares[*a] = shown(&smoothed, joined[*a].sd / total);
        }
        Ok(Self { total, shares, precision })
    }
}

/// Lowers every share by what noise hides and scales the rest up again, down to next to nothing: public
/// bins reach where no patient is, and a sliver in each such bin of every attribute adds up to many
/// patients that nobody is like.
fn shown(shares: &[f64], noise: f64) -> Vec<f64> {
    let lowered = |share: &f64| (share - HIDDEN * noise).max(share * NEXT_TO_NOTHING);
    let lowered: Vec<f64> = shares.iter().map(lowered).collect();
    let sum: f64 = lowered.iter().sum();
    lowered.iter().map(|share| share / sum).collect()
}

/// The groups that tell apart all that an impossible pair tells apart, and the pairs of attributes.
fn told_apart(
    attributes: &[Attribute],
    impossible: &[Impossible],
) -> (Vec<Vec<u16>>, Vec<Vec<usize>>) {
    let mut signatures: Vec<Vec<Vec<(usize, u16)>>> =
        attributes.iter().map(|a| vec![Vec::new(); a.levels]).collect();
    let mut sets: Vec<Vec<usize>> = Vec::new();
    for zero in impossible {
        signatures[zero.left.0][usize::from(zero.left.1)].push(zero.right);
        signatures[zero.right.0][usize::from(zero.right.1)].push(zero.left);
        let mut set = vec![zero.left.0, zero.right.0];
        set.sort_unstable();
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    let groups = signatures.iter_mut().map(|levels| {
        levels.iter_mut().for_each(|l| {
            l.sort_unstable();
            l.dedup();
        });
        let first = |l: &Vec<(usize, u16)>| levels.iter().position(|other| other == l).unwrap_or(0);
        let marks: Vec<u16> = levels.iter().map(|l| first(l) as u16).collect();
        resolution::refined(&marks, &marks)
    });
    (groups.collect(), sets)
}

/// One factor a pair of attributes, 0 where levels never meet.
fn structural(
    impossible: &[Impossible],
    sets: &[Vec<usize>],
    groups: &[Vec<u16>],
    sizes: &[usize],
) -> Vec<Factor> {
    let of = |set: &Vec<usize>| {
        let (a, b) = (set[0], set[1]);
        let mut values = vec![1.0; sizes[a] * sizes[b]];
        for zero in impossible {
            let (left, right) = if zero.left.0 < zero.right.0 {
                (zero.left, zero.right)
            } else {
                (zero.right, zero.left)
            };
            if (left.0, right.0) == (a, b) {
                let row = usize::from(groups[a][usize::from(left.1)]);
                let column = usize::from(groups[b][usize::from(right.1)]);
                values[row * sizes[b] + column] = 0.0;
            }
        }
        Factor { attributes: vec![a, b], values }
    };
    sets.iter().map(of).collect()
}

/// Refuses exact tables in which patients have an impossible pair: no model holds both.
fn contradicted(impossible: &[Impossible], tables: &[Table]) -> Result<(), Error> {
    let group = |view: &View, level: u16| view.groups.get(usize::from(level)).copied();
    for table in tables.iter().filter(|table| table.form == Form::Counts) {
        let [a, b] = table.views.as_slice() else { continue };
        for &Impossible { left, right } in impossible {
            let (first, second) = if (left.0, right.0) == (a.attribute, b.attribute) {
                (left, right)
            } else if (right.0, left.0) == (a.attribute, b.attribute) {
                (right, left)
            } else {
                continue;
            };
            let Some((row, column)) = group(a, first.1).zip(group(b, second.1)) else { continue };
            let cell = usize::from(row) * b.count + usize::from(column);
            if table.values.get(cell).is_some_and(|count| *count > 0.5) {
                return Err(Error::Contradicted { left, right });
            }
        }
    }
    Ok(())
}

/// The generator that the answered tables support, within `limit` cells.
///
/// # Errors
/// When there are too few patients, when impossible pairs alone need more cells than the limit, leave
/// nothing possible, or are pairs that patients have (as far as exact tables tell).
pub(crate) fn model(
    attributes: &[Attribute],
    impossible: &[Impossible],
    tables: &[Table],
    noised: bool,
    (shape, workload): (Shape, &choice::Workload),
    limit: usize,
) -> Result<GraphModel, Error> {
    let ones = OneWays::of(attributes, tables, noised)?;
    if !noised {
        contradicted(impossible, tables)?;
    }
    let wide: Vec<usize> = (0..tables.len()).filter(|t| tables[*t].views.len() >= 2).collect();
    let mut strength: Vec<Option<Strength>> = vec![None; tables.len()];
    if noised {
        let measured: Vec<&Table> = wide.iter().map(|t| &tables[*t]).collect();
        let found = strengths(&measured, attributes, &ones.shares, ones.total);
        wide.iter().zip(found).for_each(|(t, found)| strength[*t] = Some(found));
    }
    let mut candidates: Vec<Candidate> = Vec::new();
    for t in wide {
        let table = &tables[t];
        let benefit = match &strength[t] {
            Some(strength) => strength.benefit(ones.total),
            None if table.views.len() == 2 => 1.0 + scores::information(table),
            // Exact triples come after all pairs.
            None => 1.0 / (1.0 + t as f64),
        };
        if benefit < LEAST_BENEFIT {
            continue;
        }
        let benefit = benefit * workload.weight(&table.attributes());
        match candidates.iter_mut().find(|c| c.attributes == table.attributes()) {
            Some(known) => {
                known.benefit = known.benefit.max(benefit);
                known.tables.push(t);
            }
            None => candidates.push(Candidate {
                attributes: table.attributes(),
                tables: vec![t],
                benefit,
            }),
        }
    }
    for candidate in &mut candidates {
        candidate.tables.sort_by_key(|t| (tables[*t].values.len(), *t));
    }
    let candidates = match shape {
        Shape::Forest => choice::forest(attributes.len(), candidates),
        Shape::Limited => choice::forest_first(attributes.len(), candidates),
    };
    let (groups, forced) = told_apart(attributes, impossible);
    let (taken, groups) = choice::within_limit(candidates, tables, groups, forced.clone(), limit);
    let sizes = graph::sizes(&groups);
    let mut sets = forced.clone();
    sets.extend(taken.iter().map(|t| tables[*t].attributes()));
    let tree = Tree::new(&sizes, &sets, limit)?;

    let least = if noised { 0.1 / ones.total } else { 0.0 };
    let mut factors: Vec<Factor> = Vec::new();
    let mut terms: Vec<Option<Term>> = Vec::new();
    for (a, (groups_of, &count)) in groups.iter().zip(&sizes).enumerate() {
        let mut shares = resolution::merged(&ones.shares[a], groups_of, count);
        shares.iter_mut().for_each(|share| *share = share.max(least));
        factors.push(Factor { attributes: vec![a], values: shares.clone() });
        let view = View { attribute: a, groups: groups_of.clone(), count };
        let values = shares.iter().map(|share| share * ones.total).collect();
        let variance = 1.0 / ones.precision[a];
        let ridge = count as f64 * variance / (ones.total * ones.total);
        let table = Table { views: vec![view], form: Form::Counts, values, sd: variance.sqrt() };
        let (bases, ridges) = ([Contrasts::unit(count)], vec![ridge; count]);
        terms.push(Term::new(&tree, &groups, &table, ones.total, Some((&bases, &ridges))));
    }
    factors.extend(structural(impossible, &forced, &groups, &sizes));
    for t in taken {
        let judged = strength[t].as_ref().map(|s| (s.bases.as_slice(), s.ridges.as_slice()));
        terms.push(Term::new(&tree, &groups, &tables[t], ones.total, judged));
    }
    let terms: Option<Vec<Term>> = terms.into_iter().collect();
    let terms = terms.ok_or(Error::Malformed { reason: "a table outside of the model" })?;
    let base = graph::potentials(&tree, &factors)?;
    let mut marginals = base.clone();
    if !tree.calibrate(&mut marginals).is_finite() {
        let reason = "the pairs of `impossible` leave no patient possible; drop some";
        return Err(Error::Method { reason: reason.to_owned() });
    }
    if noised {
        let fit = inference::descend(&tree, &base, &terms, &[]);
        for (term, potential) in terms.iter().zip(&fit.potentials) {
            let values = term.spread(&tree, potential);
            factors.push(Factor::of_log(term.attributes.clone(), &values));
        }
    } else {
        let fit = inference::proportional(&tree, marginals, &terms);
        for (term, potential) in terms.iter().zip(&fit.potentials) {
            let values = term.spread(&tree, potential);
            factors.push(Factor::scaled(term.attributes.clone(), values));
        }
    }
    // Counts of single columns contradict the pairs, too, where no table has both columns.
    let finite = |factor: &Factor| factor.values.iter().all(|value| value.is_finite());
    if !noised && !factors.iter().all(finite) {
        let reason = "the patients' counts contradict the pairs of `impossible`; drop those that \
                      patients have";
        return Err(Error::Method { reason: reason.to_owned() });
    }
    let within = ones.shares.iter().zip(&groups).map(|(s, g)| resolution::within(s, g)).collect();
    Ok(GraphModel { total: ones.total, groups, within, factors: joined(factors) })
}

/// Multiplies factors over the same attributes.
fn joined(factors: Vec<Factor>) -> Vec<Factor> {
    let mut kept: Vec<Factor> = Vec::new();
    for factor in factors {
        match kept.iter_mut().find(|known| known.attributes == factor.attributes) {
            Some(known) => {
                known.values.iter_mut().zip(&factor.values).for_each(|(k, f)| *k *= f);
            }
            None => kept.push(factor),
        }
    }
    kept.into_iter().map(|f| Factor::scaled(f.attributes, f.values)).collect()
}
