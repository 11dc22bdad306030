//! Coarse groups of levels, from noisy one-way counts: quantiles that cost nothing more.
//!
//! Neighbouring levels are merged until groups hold about equal numbers of patients, for equal groups
//! hold the most information a cell. Everything here is a function of released counts.

use super::Order;
use super::ask::View;

/// The nearest shares: nonnegative, adding to 1, at the least squared distance (Duchi et al.,
/// ICML 2008, figure 1).
pub(crate) fn project(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (mut sum, mut shift) = (0.0, 0.0);
    for (i, value) in sorted.iter().enumerate() {
        sum += value;
        let candidate = (sum - 1.0) / (i + 1) as f64;
        if value - candidate > 0.0 {
            shift = candidate;
        }
    }
    let shares: Vec<f64> = values.iter().map(|value| (value - shift).max(0.0)).collect();
    let total: f64 = shares.iter().sum();
    match total > 0.0 {
        true => shares.iter().map(|share| share / total).collect(),
        false => vec![1.0 / values.len().max(1) as f64; values.len()],
    }
}

/// Merges the levels of an attribute into at most `most` groups of about equal shares (more, where it
/// has more chains). Groups are numbered in the order of their first level's chain.
pub(crate) fn grouped(attribute: usize, shares: &[f64], order: &Order, most: usize) -> View {
    let levels = shares.len();
    if most >= levels {
        return whole(attribute, levels);
    }
    let mut groups = vec![0u16; levels];
    let mut count = 0;
    match order {
        Order::Nominal => {
            // The largest alone; the rest filled up, each to the group that is smallest then.
            let mut ranked: Vec<usize> = (0..levels).collect();
            ranked.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
            let mut sums = vec![0.0f64; most.max(1)];
            for level in ranked {
                let least = (0..sums.len()).min_by(|a, b| sums[*a].total_cmp(&sums[*b]));
                let least = least.unwrap_or(0);
                sums[least] += shares[level].max(1e-12);
                groups[level] = least as u16;
            }
            count = sums.len();
        }
        Order::Chains(chains) => {
            for (chain, parts) in chains.iter().zip(parts(shares, chains, most)) {
                let own: Vec<f64> = chain.iter().map(|l| shares[usize::from(*l)]).collect();
                for (&level, part) in chain.iter().zip(cut(&own, parts)) {
                    groups[usize::from(level)] = (count + part) as u16;
                }
                count += parts;
            }
        }
    }
    View { attribute, groups, count }
}

/// The view in which every level is a group.
pub(crate) fn whole(attribute: usize, levels: usize) -> View {
    View { attribute, groups: (0..levels).map(|level| level as u16).collect(), count: levels }
}

/// How many groups each chain gets: one, and then one more for whichever has the most a group.
fn parts(shares: &[f64], chains: &[Vec<u16>], most: usize) -> Vec<usize> {
    let mass = |chain: &Vec<u16>| chain.iter().map(|l| shares[usize::from(*l)]).sum::<f64>();
    let masses: Vec<f64> = chains.iter().map(mass).collect();
    let mut parts = vec![1usize; chains.len()];
    for _ in chains.len()..most {
        let next = (0..chains.len()).filter(|c| parts[*c] < chains[*c].len()).max_by(|a, b| {
            let each = |c: usize| masses[c] / parts[c] as f64;
            each(*a).total_cmp(&each(*b))
        });
        match next {
            Some(chain) => parts[chain] += 1,
            None => break,
        }
    }
    parts
}

/// Cuts a chain into consecutive parts whose squared shares have the least sum: the most equal ones.
fn cut(shares: &[f64], parts: usize) -> Vec<usize> {
    let n = shares.len();
    let mut before = vec![0.0];
    for share in shares {
        before.push(before[before.len() - 1] + share);
    }
    // best[k][j]: the least sum for the first j levels in k + 1 parts, and where the last begins.
    let square = |from: usize, to: usize| {
        let sum = before[to] - before[from];
        // Ties, as among empty levels, go to parts of equal length.
        sum * sum + 1e-12 * ((to - from) * (to - from)) as f64
    };
    let mut best: Vec<Vec<(f64, usize)>> = vec![(0..=n).map(|j| (square(0, j), 0)).collect()];
    for k in 1..parts {
        let earlier = &best[k - 1];
        let row = (0..=n).map(|j| {
            (k..j)
                .map(|i| (earlier[i].0 + square(i, j), i))
                .fold((f64::INFINITY, 0), |least, next| if next.0 < least.0 { next } else { least })
        });
        let row = row.collect();
        best.push(row);
    }
    let mut part_of = vec![0; n];
    let mut end = n;
    for k in (0..parts).rev() {
        let start = if k == 0 { 0 } else { best[k][end].1 };
        part_of[start..end].fill(k);
        end = start;
    }
    part_of
}

/// The coarsest grouping that both of two groupings are mergings of.
pub(crate) fn refined(groups: &[u16], other: &[u16]) -> Vec<u16> {
    let mut pairs: Vec<(u16, u16)> = Vec::new();
    let pair = |(a, b): (&u16, &u16)| {
        let place = pairs.iter().position(|known| *known == (*a, *b)).unwrap_or_else(|| {
            pairs.push((*a, *b));
            pairs.len() - 1
        });
        place as u16
    };
    groups.iter().zip(other).map(pair).collect()
}

/// The share of each level within its group; equal where the group is empty.
pub(crate) fn within(shares: &[f64], groups: &[u16]) -> Vec<f64> {
    let sum = |of: u16, values: &dyn Fn(usize) -> f64| -> f64 {
        (0..groups.len()).filter(|l| groups[*l] == of).map(values).sum()
    };
    let share = |(level, &group): (usize, &u16)| {
        let all = sum(group, &|l| shares[l]);
        if all > 0.0 { shares[level] / all } else { 1.0 / sum(group, &|_| 1.0) }
    };
    groups.iter().enumerate().map(share).collect()
}

/// Sums shares of levels over groups.
pub(crate) fn merged(shares: &[f64], groups: &[u16], count: usize) -> Vec<f64> {
    let mut sums = vec![0.0; count];
    for (share, &group) in shares.iter().zip(groups) {
        sums[usize::from(group)] += share;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projection_is_the_nearest_distribution() {
        let shares = project(&[0.6, -0.2, 0.7, 0.1]);
        let close = shares.iter().zip([0.45, 0.0, 0.55, 0.0]).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close, "{shares:?}");
    }

    #[test]
    fn groups_are_runs_of_a_chain_with_about_equal_shares() {
        let chains = Order::Chains(vec![(0..6).collect(), vec![6]]);
        let view = grouped(0, &[0.1, 0.1, 0.2, 0.35, 0.05, 0.15, 0.05], &chains, 4);
        assert_eq!((view.groups, view.count), (vec![0, 0, 0, 1, 2, 2, 3], 4));
    }

    #[test]
    fn events_are_never_merged_with_each_other() {
        let chains = Order::Chains(vec![vec![0, 2, 4], vec![1, 3, 5]]);
        let view = grouped(0, &[0.4, 0.01, 0.3, 0.02, 0.2, 0.07], &chains, 3);
        assert_eq!((view.groups, view.count), (vec![0, 2, 1, 2, 1, 2], 3));
    }

    #[test]
    fn rare_nominal_levels_share_a_group() {
        let view = grouped(0, &[0.05, 0.5, 0.04, 0.41], &Order::Nominal, 3);
        assert_eq!((view.groups, view.count), (vec![2, 0, 2, 1], 3));
    }
}
