use std::collections::BTreeSet;

use super::bounds::upper_tails;
use super::*;

fn coin(number: u32) -> Digest {
    Digest::of(&number.to_le_bytes())
}

fn graph(sites: u32, degree: u32, number: u32) -> Graph {
    Graph::new(sites, degree, &coin(number)).unwrap()
}

fn assumptions(sites: u32, corrupt: f64, absent: f64, coordinator: Coordinator) -> Assumptions {
    // As the authors' program has them.
    Assumptions { sites, corrupt, absent, coordinator, security_bits: 40, correctness_bits: 20 }
}

#[test]
fn every_site_has_k_neighbours_of_whom_it_is_one() {
    for (sites, degree) in [(4, 2), (10, 4), (11, 8), (11, 10), (12, 11), (2, 1), (3, 2)] {
        let graph = graph(sites, degree, 1);
        for site in 0..sites {
            let neighbours = graph.neighbours(site).unwrap();
            assert_eq!(neighbours.len(), degree as usize);
            assert!(neighbours.is_sorted_by(|a, b| a < b) && !neighbours.contains(&site));
            for other in neighbours {
                assert!(graph.neighbours(other).unwrap().contains(&site), "{site}, {other}");
            }
        }
    }
}

#[test]
fn a_graph_of_no_degree_or_site_is_refused() {
    for (sites, degree) in [(0, 0), (1, 0), (1, 2), (10, 0), (10, 1), (10, 3), (10, 10), (10, 12)] {
        assert!(Graph::new(sites, degree, &coin(0)).is_err(), "{sites}, {degree}");
    }
    let error = Error::Parameter { what: "site of the graph", got: 10, min: 0, max: 9 };
    assert_eq!(graph(10, 4, 0).neighbours(10), Err(error));
}

/// Frozen: every site must compute the same graph.
#[test]
fn the_graph_of_a_known_coin_does_not_change() {
    assert_eq!(
        permutation(12, &Digest::from_bytes([7; 32])),
        [1, 5, 11, 9, 6, 4, 8, 0, 10, 7, 2, 3]
    );
    let neighbours = Graph::new(1000, 4, &Digest::from_bytes([7; 32])).unwrap().neighbours(0);
    assert_eq!(neighbours.unwrap(), [528, 538, 877, 937]);
}

#[test]
fn every_order_of_four_sites_is_as_likely() {
    let mut counts = std::collections::BTreeMap::new();
    for number in 0..24_000 {
        *counts.entry(permutation(4, &coin(number))).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 24);
    // Five standard deviations.
    assert!(counts.values().all(|count| (1000i32 - count).abs() < 155), "{counts:?}");
}

#[test]
fn tails_are_those_of_the_exact_hypergeometric_distribution_or_a_little_more() {
    fn choose(n: u32, k: u32) -> u128 {
        if k > n { 0 } else { (0..u128::from(k)).fold(1, |c, i| c * (u128::from(n) - i) / (i + 1)) }
    }
    for (total, marked, draws) in [
        (30, 10, 8),
        (30, 25, 12),
        (30, 0, 5),
        (30, 30, 5),
        (60, 20, 30),
        (9, 4, 9),
        (40, 33, 39),
        (60, 59, 58),
        (64, 1, 64),
    ] {
        let tails = upper_tails(total, marked, draws);
        for least in 0..=draws {
            let ways: u128 = (least..=draws)
                .map(|x| choose(marked, x) * choose(total - marked, draws - x))
                .sum();
            let exact = ways as f64 / choose(total, draws) as f64;
            let got = tails[least as usize];
            // Doubles hold the exact one to 2^-53.
            let range = exact * (1.0 - 1e-15)..=exact * (1.0 + 2e-5);
            assert!(range.contains(&got), "{total} {marked} {draws} {least}: {got}, {exact}");
        }
    }
}

/// Degrees of the authors' program for the same assumptions, from its tests
/// (google/federated-compute, `graph_parameter_finder_test.cc`, 2^-40 and 2^-20).
#[test]
fn degrees_are_at_most_the_authors_and_within_a_twentieth_of_them() {
    for (sites, corrupt, absent, theirs) in [
        (100, 0.33, 0.33, 68),
        (1_000, 0.33, 0.33, 286),
        (10_000, 0.33, 0.33, 422),
        (100_000, 0.33, 0.33, 480),
        (1_000_000, 0.33, 0.33, 518),
        (1_000, 0.05, 0.33, 72),
        (10_000, 0.05, 0.33, 86),
        (100_000, 0.05, 0.33, 96),
        (1_000_000, 0.05, 0.33, 102),
        (10_000, 0.33, 0.05, 92),
        (100_000, 0.33, 0.05, 102),
        (1_000_000, 0.33, 0.05, 110),
    ] {
        let found = assumptions(sites, corrupt, absent, Coordinator::Curious).parameters().unwrap();
        let range = theirs * 19 / 20..=theirs;
        assert!(range.contains(&found.degree), "{sites}: {found:?}, theirs {theirs}");
    }
}

/// Theirs, of the same tests, keep the condition 2t > k + corrupt with absent sites chosen without
/// regard to the graph.
#[test]
fn a_coordinator_that_knows_the_graph_costs_up_to_half_as_many_neighbours_again() {
    for (sites, corrupt, absent, theirs) in [
        (1_000, 0.05, 0.33, 398),
        (10_000, 0.05, 0.33, 746),
        (100_000, 0.05, 0.33, 882),
        (1_000, 0.33, 0.05, 132),
        (10_000, 0.33, 0.05, 178),
        (100_000, 0.33, 0.05, 196),
    ] {
        let found =
            assumptions(sites, corrupt, absent, Coordinator::Malicious).parameters().unwrap();
        let range = theirs..=theirs * 3 / 2;
        assert!(range.contains(&found.degree), "{sites}: {found:?}, theirs {theirs}");
    }
}

#[test]
fn more_corrupt_or_absent_sites_or_more_bits_never_need_fewer_neighbours() {
    for coordinator in [Coordinator::Curious, Coordinator::Malicious] {
        let base = assumptions(5_000, 0.1, 0.1, coordinator);
        let degree = |assumptions: Assumptions| assumptions.parameters().unwrap().degree;
        let least = degree(base);
        for more in [
            Assumptions { corrupt: 0.2, ..base },
            Assumptions { absent: 0.2, ..base },
            Assumptions { security_bits: 60, ..base },
            Assumptions { correctness_bits: 60, ..base },
            Assumptions { sites: 50_000, ..base },
        ] {
            assert!(degree(more) > least, "{more:?}");
        }
        assert!(degree(base) < base.sites / 10);
    }
    let curious = assumptions(5_000, 0.1, 0.1, Coordinator::Curious).parameters().unwrap();
    let malicious = assumptions(5_000, 0.1, 0.1, Coordinator::Malicious).parameters().unwrap();
    assert!(malicious.degree > curious.degree);
}

#[test]
fn parameters_keep_their_promise_and_two_neighbours_fewer_do_not() {
    for coordinator in [Coordinator::Curious, Coordinator::Malicious] {
        let assumptions = assumptions(2_000, 0.15, 0.2, coordinator);
        let Parameters { degree, threshold } = assumptions.parameters().unwrap();
        let kept = |degree, threshold| {
            let failure = assumptions.failure(Parameters { degree, threshold }).unwrap();
            failure.secrecy <= 2f64.powi(-40) && failure.correctness <= 2f64.powi(-20)
        };
        assert!(kept(degree, threshold) && !kept(degree, threshold + 1));
        assert!((1..=degree - 2).all(|threshold| !kept(degree - 2, threshold)));
    }
}

#[test]
fn few_sites_are_all_neighbours_and_too_many_faults_are_refused() {
    let all = assumptions(10, 0.3, 0.3, Coordinator::Curious).parameters().unwrap();
    assert!(all.degree <= 9 && all.threshold > 3);
    let all = assumptions(12, 0.26, 0.26, Coordinator::Malicious).parameters().unwrap();
    assert_eq!(all, Parameters { degree: 11, threshold: 8 });
    for (corrupt, absent) in [(0.5, 0.5), (1.0, 0.0), (-0.1, 0.0), (f64::NAN, 0.0), (0.0, 1.5)] {
        for coordinator in [Coordinator::Curious, Coordinator::Malicious] {
            let refused = assumptions(100, corrupt, absent, coordinator).parameters();
            assert_eq!(refused, Err(Error::Graph { sites: 100 }), "{corrupt} {absent}");
        }
    }
    let third = assumptions(100, 0.3, 0.4, Coordinator::Malicious);
    assert_eq!(third.parameters(), Err(Error::Graph { sites: 100 }));
}

/// Who is what: 0 to c - 1 are corrupt, the next d are absent. Any sets do, the coin is independent.
struct Outcome {
    told: bool,
    split: bool,
    lost: bool,
}

fn outcome(graph: &Graph, threshold: u32, corrupt: u32, absent: u32) -> Outcome {
    let is_corrupt = |site: &u32| *site < corrupt;
    let is_absent = |site: &u32| (corrupt..corrupt + absent).contains(site);
    let count = |site: u32, of: &dyn Fn(&u32) -> bool| {
        graph.neighbours(site).unwrap().iter().filter(|site| of(site)).count() as u32
    };
    let honest = corrupt..graph.sites();
    let rest: BTreeSet<u32> = (corrupt + absent..graph.sites()).collect();
    Outcome {
        told: honest.clone().any(|site| count(site, &is_corrupt) >= threshold),
        split: !connected(graph, &rest),
        lost: (0..graph.sites())
            .any(|site| count(site, &|other: &u32| !is_absent(other)) < threshold),
    }
}

fn connected(graph: &Graph, sites: &BTreeSet<u32>) -> bool {
    let mut unseen = sites.clone();
    let mut waiting: Vec<u32> = unseen.pop_first().into_iter().collect();
    while let Some(site) = waiting.pop() {
        let next = graph.neighbours(site).unwrap();
        waiting.extend(next.into_iter().filter(|next| unseen.remove(next)));
    }
    unseen.is_empty()
}

#[test]
fn graphs_fail_no_more_often_than_the_bounds_say() {
    const GRAPHS: u32 = 4_000;
    for (sites, degree, threshold, corrupt, absent) in
        [(40, 10, 6, 8, 4), (60, 16, 9, 12, 12), (100, 24, 12, 20, 22), (50, 6, 1, 0, 14)]
    {
        let share = |count: u32| f64::from(count) / f64::from(sites);
        let bounds = assumptions(sites, share(corrupt), share(absent), Coordinator::Curious)
            .failure(Parameters { degree, threshold })
            .unwrap();
        let (mut leaks, mut losses) = (0, 0);
        for number in 0..GRAPHS {
            let outcome = outcome(&graph(sites, degree, number), threshold, corrupt, absent);
            leaks += u32::from(outcome.told || outcome.split);
            losses += u32::from(outcome.lost);
        }
        for (what, bound, seen) in
            [("secrecy", bounds.secrecy, leaks), ("correctness", bounds.correctness, losses)]
        {
            let rate = f64::from(seen) / f64::from(GRAPHS);
            let deviation = (bound * (1.0 - bound) / f64::from(GRAPHS)).sqrt();
            assert!(rate <= bound + 4.0 * deviation, "{what}: {rate} past {bound}");
        }
    }
}

/// The sites of a set, which is the bits of a word.
fn bits(set: u32) -> impl Iterator<Item = u32> {
    (0..u32::BITS).filter(move |site| set >> site & 1 == 1)
}

fn neighbours_as_bits(graph: &Graph) -> Vec<u32> {
    let set = |site| graph.neighbours(site).unwrap().iter().map(|other| 1 << other).sum();
    (0..graph.sites()).map(set).collect()
}

/// Those of a set that paths within it join to its first site.
fn part(neighbours: &[u32], set: u32) -> u32 {
    let (mut seen, mut grown) = (0, set & set.wrapping_neg());
    while grown != seen {
        seen = grown;
        grown |= bits(seen).fold(0, |all, site| all | neighbours[site as usize]) & set;
    }
    seen
}

/// Every set of corrupt and every set of absent sites, counted: what the coin's permutation makes
/// of one set, the sets do to one graph. The bounds hold, and are not idle.
#[test]
fn the_bounds_hold_when_every_choice_of_corrupt_and_absent_sites_is_counted() {
    /// All sets of `count` of the sites that `from` has.
    fn sets(from: u32, count: u32) -> Vec<u32> {
        (0..1 << SITES).filter(|set: &u32| set & !from == 0 && set.count_ones() == count).collect()
    }
    const SITES: u32 = 12;
    for (degree, threshold, corrupt, absent) in
        [(4, 3, 2, 2), (4, 2, 1, 3), (6, 3, 3, 2), (4, 4, 3, 3), (2, 1, 0, 3), (8, 5, 4, 3)]
    {
        let neighbours = neighbours_as_bits(&graph(SITES, degree, 5));
        let all = (1 << SITES) - 1;
        let (mut leaks, mut losses, mut cases) = (0, 0, 0);
        for bad in sets(all, corrupt) {
            for gone in sets(all & !bad, absent) {
                let count = |site: u32, set: u32| (neighbours[site as usize] & set).count_ones();
                let told = bits(all & !bad).any(|site| count(site, bad) >= threshold);
                let rest = all & !bad & !gone;
                let split = part(&neighbours, rest) != rest;
                leaks += u32::from(told || split);
                losses += u32::from(bits(all).any(|site| count(site, all & !gone) < threshold));
                cases += 1;
            }
        }
        let share = |count: u32| f64::from(count) / f64::from(SITES);
        let bounds = assumptions(SITES, share(corrupt), share(absent), Coordinator::Curious)
            .failure(Parameters { degree, threshold })
            .unwrap();
        for (what, seen, bound) in
            [("leaks", leaks, bounds.secrecy), ("losses", losses, bounds.correctness)]
        {
            let exact = f64::from(seen) / f64::from(cases);
            assert!(exact <= bound, "{what}: {exact} past {bound}, {degree} {threshold}");
            assert!(bound <= 1.0f64.min(exact * 6.0), "{what}: {exact}, idle {bound}");
        }
    }
}

/// The claim behind [`Coordinator::Malicious`], by every pair of windows that a coordinator may
/// declare gone.
#[test]
fn no_coordinator_that_knows_the_graph_completes_a_part_of_the_sum() {
    const SITES: u32 = 30;
    const PARAMETERS: Parameters = Parameters { degree: 10, threshold: 8 };
    let half = PARAMETERS.degree / 2;
    let (corrupt, mut tried) = (4, 0);
    for number in 0..40 {
        let graph = graph(SITES, PARAMETERS.degree, number);
        let at = |place: u32| graph.circle[(place % SITES) as usize];
        let bad_window = (0..SITES).any(|start| {
            let inside = (start..start + half).filter(|place| at(*place) < corrupt).count() as u32;
            inside >= PARAMETERS.threshold - half
        });
        if bad_window {
            continue;
        }
        for (first, second) in (0..SITES).flat_map(|a| (a..SITES).map(move |b| (a, b))) {
            let gone: BTreeSet<u32> = (0..half)
                .flat_map(|step| [at(first + step), at(second + step)])
                .filter(|site| *site >= corrupt)
                .collect();
            let left: BTreeSet<u32> =
                (corrupt..SITES).filter(|site| !gone.contains(site)).collect();
            let answering = |site: &u32| {
                let neighbours = graph.neighbours(*site).unwrap();
                neighbours.iter().filter(|other| !gone.contains(other)).count() as u32
            };
            if connected(&graph, &left) {
                continue;
            }
            tried += 1;
            // Take the parts one by one: in each some site's mask stays.
            let mut unseen = left.clone();
            while let Some(site) = unseen.pop_first() {
                let (mut part, mut waiting) = (vec![site], vec![site]);
                while let Some(site) = waiting.pop() {
                    let next = graph.neighbours(site).unwrap();
                    let next: Vec<u32> =
                        next.into_iter().filter(|next| unseen.remove(next)).collect();
                    part.extend(&next);
                    waiting.extend(next);
                }
                assert!(part.iter().any(|site| answering(site) < PARAMETERS.threshold));
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
}

/// The same by every set of sites, however odd, that a coordinator may declare gone.
#[test]
fn nor_does_one_that_declares_any_set_of_sites_gone() {
    const SITES: u32 = 13;
    let (mut fallen, mut coins) = (0, 0);
    for (degree, threshold, corrupt) in [(6, 5, 2), (6, 5, 3), (4, 4, 2), (4, 3, 0)] {
        let half = degree / 2;
        for number in 0..30 {
            let graph = graph(SITES, degree, number);
            let is_corrupt = |place: u32| graph.circle[(place % SITES) as usize] < corrupt;
            let inside =
                |start: u32| (start..start + half).filter(|place| is_corrupt(*place)).count();
            if (0..SITES).any(|start| inside(start) >= (threshold - half) as usize) {
                continue;
            }
            coins += 1;
            let neighbours = neighbours_as_bits(&graph);
            let bad = (1 << corrupt) - 1;
            let among = |site: u32, set: u32| (neighbours[site as usize] & set).count_ones();
            assert!((corrupt..SITES).all(|site| among(site, bad) < 2 * threshold - degree));
            let honest = ((1 << SITES) - 1) & !bad;
            for left in (1..1 << SITES).filter(|left: &u32| left & !honest == 0) {
                let mut rest = left;
                let first = part(&neighbours, rest);
                fallen += u32::from(first != rest);
                while first != left && rest != 0 {
                    let part = part(&neighbours, rest);
                    rest &= !part;
                    assert!(bits(part).any(|site| among(site, left | bad) < threshold));
                }
            }
        }
    }
    assert!(coins > 30 && fallen > 1_000, "{coins} graphs, {fallen} times fallen apart");
}

#[test]
fn a_graph_of_100_000_sites_withstands_a_third_corrupt_and_a_twentieth_absent() {
    let assumptions = assumptions(100_000, 0.33, 0.05, Coordinator::Curious);
    let Parameters { degree, threshold } = assumptions.parameters().unwrap();
    for number in 0..2 {
        let outcome = outcome(&graph(100_000, degree, number), threshold, 33_000, 5_000);
        assert!(!outcome.told && !outcome.split && !outcome.lost);
    }
}
