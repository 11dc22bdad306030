//! The k-regular graph at 1,000 to 100,000 sites, *simulated*: graphs and parameters are the shipped
//! ones, sites are numbers. Masks are words of SplitMix64 and no secrets; a secret counts as
//! reconstructed where t neighbours are there to do it.
//!
//! `cargo test -p haima-crypto --release --test secagg_simulated -- --include-ignored --nocapture`
//! prints what was seen; `just deep` runs it.

use std::time::Instant;

use haima_crypto::encode::Digest;
use haima_crypto::secagg::graph::{Assumptions, Coordinator, Failure, Graph, Parameters};

/// Sites by number: the corrupt ones first, then those that vanish. The graph's coin is drawn apart
/// from them, so that it is as if they were drawn.
struct Simulated {
    neighbours: Vec<u32>,
    parameters: Parameters,
    sites: u32,
    corrupt: u32,
    absent: u32,
}

/// What befell one graph.
struct Seen {
    /// Most corrupt neighbours of an honest site.
    most_corrupt: u32,
    /// Fewest neighbours of any site that answer.
    fewest_answering: u32,
    /// Whether the honest sites that are left are one part, in which masks cancel at no smaller sum.
    connected: bool,
}

impl Simulated {
    fn new(assumptions: &Assumptions, parameters: Parameters, trial: u32) -> Self {
        let sites = assumptions.sites;
        let coin = Digest::of(format!("simulated {assumptions:?} {trial}").as_bytes());
        let graph = Graph::new(sites, parameters.degree, &coin).unwrap();
        let count = |share: f64| (share * f64::from(sites)).round() as u32;
        Self {
            neighbours: (0..sites).flat_map(|site| graph.neighbours(site).unwrap()).collect(),
            parameters,
            sites,
            corrupt: count(assumptions.corrupt),
            absent: count(assumptions.absent),
        }
    }

    fn neighbours(&self, site: u32) -> &[u32] {
        let degree = self.parameters.degree as usize;
        &self.neighbours[site as usize * degree..][..degree]
    }

    fn is_gone(&self, site: u32) -> bool {
        (self.corrupt..self.corrupt + self.absent).contains(&site)
    }

    fn answering(&self, site: u32) -> u32 {
        self.neighbours(site).iter().filter(|other| !self.is_gone(**other)).count() as u32
    }

    /// Whether its neighbours give a site's secret to the coordinator.
    fn is_told(&self, site: u32) -> bool {
        self.answering(site) >= self.parameters.threshold
    }

    fn seen(&self) -> Seen {
        let corrupt = |site: u32| {
            self.neighbours(site).iter().filter(|other| **other < self.corrupt).count() as u32
        };
        Seen {
            most_corrupt: (self.corrupt..self.sites).map(corrupt).max().unwrap_or_default(),
            fewest_answering: (0..self.sites)
                .map(|at| self.answering(at))
                .min()
                .unwrap_or_default(),
            connected: self.honest_rest_is_connected(),
        }
    }

    fn honest_rest_is_connected(&self) -> bool {
        let first = self.corrupt + self.absent;
        let mut seen = vec![false; self.sites as usize];
        seen[first as usize] = true;
        let (mut waiting, mut reached) = (vec![first], 0);
        while let Some(site) = waiting.pop() {
            reached += 1;
            for other in self.neighbours(site).iter().filter(|other| **other >= first) {
                if !std::mem::replace(&mut seen[*other as usize], true) {
                    waiting.push(*other);
                }
            }
        }
        reached == self.sites - first
    }
}

/// An honest site's secret is told when so many of its neighbours are corrupt.
fn corrupt_limit(coordinator: Coordinator, Parameters { degree, threshold }: Parameters) -> u32 {
    match coordinator {
        Coordinator::Curious => threshold,
        // Some neighbours may be told that it vanished, the others that it did not.
        Coordinator::Malicious => 2 * threshold - degree,
    }
}

fn assumptions(sites: u32, corrupt: f64, absent: f64, coordinator: Coordinator) -> Assumptions {
    Assumptions { sites, corrupt, absent, coordinator, security_bits: 40, correctness_bits: 20 }
}

const HEAD: &str = "| n | corrupt, gone | coordinator | k | t | graphs | leaks | losses | \
                    most corrupt neighbours (leaks at) | fewest answering | s |";

/// Leaks and losses among so many graphs; printed.
fn run(assumptions: &Assumptions, parameters: Parameters, graphs: u32) -> [u32; 2] {
    let limit = corrupt_limit(assumptions.coordinator, parameters);
    let (start, mut most, mut fewest) = (Instant::now(), 0, u32::MAX);
    let (mut leaks, mut losses) = (0, 0);
    for trial in 0..graphs {
        let seen = Simulated::new(assumptions, parameters, trial).seen();
        leaks += u32::from(seen.most_corrupt >= limit || !seen.connected);
        losses += u32::from(seen.fewest_answering < parameters.threshold);
        most = most.max(seen.most_corrupt);
        fewest = fewest.min(seen.fewest_answering);
    }
    let Assumptions { sites, corrupt, absent, coordinator, .. } = assumptions;
    let Parameters { degree, threshold } = parameters;
    println!(
        "| {sites} | {corrupt}, {absent} | {coordinator:?} | {degree} | {threshold} | {graphs} | \
         {leaks} | {losses} | {most} ({limit}) | {fewest} | {:.1} |",
        start.elapsed().as_secs_f64()
    );
    [leaks, losses]
}

fn withstand(sites: u32, graphs: u32) {
    println!("{HEAD}");
    for coordinator in [Coordinator::Curious, Coordinator::Malicious] {
        for (corrupt, absent) in [(0.05, 0.05), (0.2, 0.2)] {
            let assumptions = assumptions(sites, corrupt, absent, coordinator);
            let parameters = assumptions.parameters().unwrap();
            assert_eq!(run(&assumptions, parameters, graphs), [0, 0]);
        }
    }
}

#[test]
#[ignore = "thousands of graphs; `just deep` runs it"]
fn simulated_graphs_of_1_000_sites_neither_leak_nor_lose_a_sum() {
    withstand(1_000, 1_000);
}

#[test]
#[ignore = "hundreds of graphs; `just deep` runs it"]
fn simulated_graphs_of_10_000_sites_neither_leak_nor_lose_a_sum() {
    withstand(10_000, 100);
}

#[test]
#[ignore = "tens of large graphs; `just deep` runs it"]
fn simulated_graphs_of_100_000_sites_neither_leak_nor_lose_a_sum() {
    withstand(100_000, 10);
}

/// With parameters for a probability of an eighth, so that there is something to see.
#[test]
#[ignore = "thousands of graphs; `just deep` runs it"]
fn simulated_graphs_of_weak_parameters_fail_and_no_more_often_than_the_bounds_say() {
    println!("{HEAD}");
    for (sites, graphs) in [(1_000, 4_000), (10_000, 400)] {
        for (corrupt, absent) in [(0.05, 0.05), (0.2, 0.2)] {
            let strong = assumptions(sites, corrupt, absent, Coordinator::Curious);
            let weak = Assumptions { security_bits: 3, correctness_bits: 3, ..strong };
            let parameters = weak.parameters().unwrap();
            let Failure { secrecy, correctness } = weak.failure(parameters).unwrap();
            let seen = run(&weak, parameters, graphs);
            for (bound, seen) in [secrecy, correctness].into_iter().zip(seen) {
                let rate = f64::from(seen) / f64::from(graphs);
                let deviation = (bound * (1.0 - bound) / f64::from(graphs)).sqrt();
                assert!(rate <= bound + 4.0 * deviation, "{rate} past {bound}");
            }
            assert!(seen.iter().sum::<u32>() > 0, "nothing fails, and nothing was shown");
        }
    }
}

type Vector = [u64; 4];

/// Stands for a mask: four words that follow from two numbers.
fn mask(one: u32, other: u32) -> Vector {
    let mut state = u64::from(one.min(other)) << 32 | u64::from(one.max(other));
    std::array::from_fn(|_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    })
}

fn add(sum: &mut Vector, other: Vector) {
    sum.iter_mut().zip(other).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
}

fn subtract(sum: &mut Vector, other: Vector) {
    sum.iter_mut().zip(other).for_each(|(sum, word)| *sum = sum.wrapping_sub(word));
}

/// Adds a pair's mask as the earlier of two sites does, and subtracts it as the later one.
fn add_pair(sum: &mut Vector, site: u32, other: u32) {
    if site < other { add(sum, mask(site, other)) } else { subtract(sum, mask(site, other)) }
}

fn values(site: u32) -> Vector {
    std::array::from_fn(|at| u64::from(site) * 1_000 + at as u64)
}

/// All share their secrets, the absent ones send no vector, and the sum is taken.
fn a_round(simulated: &Simulated) {
    let survivors = || (0..simulated.sites).filter(|site| !simulated.is_gone(*site));
    let (mut sum, mut plain) = (Vector::default(), Vector::default());
    for site in survivors() {
        let mut vector = values(site);
        add(&mut vector, mask(site, site));
        simulated.neighbours(site).iter().for_each(|other| add_pair(&mut vector, site, *other));
        add(&mut sum, vector);
        add(&mut plain, values(site));
    }
    // What is left of each mask is taken off where its secret can be had.
    for site in survivors().filter(|site| simulated.is_told(*site)) {
        subtract(&mut sum, mask(site, site));
    }
    assert_ne!(sum, plain);
    for gone in (0..simulated.sites).filter(|site| simulated.is_gone(*site)) {
        if simulated.is_told(gone) {
            let left = simulated.neighbours(gone).iter().filter(|site| !simulated.is_gone(**site));
            left.for_each(|survivor| add_pair(&mut sum, gone, *survivor));
        }
    }
    assert_eq!(sum, plain);
}

/// Largest resident memory of this process, where Linux says it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".into(), |line| line.trim().into())
}

#[test]
#[ignore = "some seconds optimised; `just deep` runs it"]
fn a_simulated_round_of_100_000_sites_gives_the_sum_of_those_who_stayed() {
    for coordinator in [Coordinator::Curious, Coordinator::Malicious] {
        for (corrupt, absent) in [(0.05, 0.05), (0.1, 0.3)] {
            let start = Instant::now();
            let assumptions = assumptions(100_000, corrupt, absent, coordinator);
            let parameters = assumptions.parameters().unwrap();
            let simulated = Simulated::new(&assumptions, parameters, 0);
            let built = start.elapsed();
            a_round(&simulated);
            println!(
                "simulated round, n = 100,000, {corrupt} corrupt, {absent} gone, {coordinator:?}: \
                 {parameters:?}, graph {built:.1?}, round {:.1?}, memory so far {}",
                start.elapsed() - built,
                memory()
            );
        }
    }
}
