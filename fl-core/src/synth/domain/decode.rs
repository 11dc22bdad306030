//! From levels to values again: uniform within a bin, over numbers of so many decimals.
//!
//! A number is k / 10^decimals with a whole k, so a bin is a range of k and a condition such as
//! `age >= 63` a set of ranges: what share of a bin meets it, and a draw from the rest, are counts
//! without rounding. A decoded value lies in its bin, never outside the public range, and encodes to
//! the level it came from.

use std::ops::Range;

use rand_core::{Rng, SeedableRng as _};

use super::{Domain, Kind, MOST_DECIMALS, fault};
use crate::error::Error;
use crate::synth::condition::Condition;

/// 10^decimals; written out, since `powi` promises no exact result.
const POWERS: [f64; MOST_DECIMALS as usize + 1] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];
/// Up to here every k is a double, and k / 10^decimals the double that its text reads as.
const MOST_STEPS: f64 = (1u64 << 53) as f64;

/// What a seed of values is for, so that no other stream has its bytes: not that of the row sampler,
/// which would tie a value's place in its bin to its row.
const LABEL: &[u8; 24] = b"haima virtual values   1";

/// Some k, one after another.
pub(in crate::synth) type Span = Range<i64>;

/// Numbers of so many decimals.
#[derive(Clone, Copy, Debug)]
pub(in crate::synth) struct Grid {
    decimals: u8,
}

impl Grid {
    /// Decimals past the most count as the most.
    pub(in crate::synth) fn new(decimals: u8) -> Self {
        Self { decimals: decimals.min(MOST_DECIMALS) }
    }

    fn scale(self) -> f64 {
        POWERS.get(usize::from(self.decimals)).copied().unwrap_or(1.0)
    }

    fn value(self, step: i64) -> f64 {
        step as f64 / self.scale()
    }

    /// Whether a number has no more decimals.
    pub(in crate::synth) fn holds(self, number: f64) -> bool {
        self.value((number * self.scale()).round() as i64) == number
    }

    /// The least k whose number is at least `edge`. An `edge` is within the checked ones or near them.
    pub(in crate::synth) fn reaching(self, edge: f64) -> i64 {
        self.least(edge, |number| number >= edge)
    }

    /// The least k whose number is above `edge`.
    pub(in crate::synth) fn above(self, edge: f64) -> i64 {
        self.least(edge, |number| number > edge)
    }

    fn least(self, near: f64, is_there: impl Fn(f64) -> bool) -> i64 {
        let start = ((near * self.scale()).clamp(-2.0 * MOST_STEPS, 2.0 * MOST_STEPS)).floor();
        let start = start as i64 - 1;
        (start..start + 4).find(|step| is_there(self.value(*step))).unwrap_or(start + 4)
    }

    /// A bin's numbers; the last one is closed.
    fn bin(self, edges: &[f64], at: usize) -> Option<Span> {
        let (low, high) = (*edges.get(at)?, *edges.get(at.checked_add(1)?)?);
        let end = if at + 2 == edges.len() { self.above(high) } else { self.reaching(high) };
        Some(self.reaching(low)..end)
    }

    /// Each bin's numbers.
    pub(in crate::synth) fn bins(self, edges: &[f64]) -> Vec<Span> {
        (0..edges.len()).map_while(|at| self.bin(edges, at)).collect()
    }

    fn text(self, step: i64) -> String {
        let decimals = usize::from(self.decimals);
        let text = format!("{:.decimals$}", self.value(step));
        // Not "-0.0".
        if step == 0 { text.trim_start_matches('-').to_owned() } else { text }
    }
}

/// How many numbers there are.
pub(in crate::synth) fn inside(spans: &[Span]) -> u64 {
    spans.iter().map(|span| span.end.saturating_sub(span.start).max(0).unsigned_abs()).sum()
}

/// What two ascending sets of spans have in common.
pub(in crate::synth) fn meet(left: &[Span], right: &[Span]) -> Vec<Span> {
    let both = |a: &Span, b: &Span| a.start.max(b.start)..a.end.min(b.end);
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| both(a, b)));
    pairs.filter(|span| !span.is_empty()).collect()
}

/// An edge as messages have it: without the last digits of a double.
pub(super) fn shown(edge: f64) -> f64 {
    if edge.abs() < 1e9 { (edge * 1e6).round() / 1e6 } else { edge }
}

/// Checks edges that ascend, are finite and hold a number in each bin.
pub(super) fn check_edges(name: &str, edges: &[f64], decimals: u8) -> Result<(), Error> {
    let ascending = edges.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
    if !ascending || !edges.iter().all(|edge| edge.is_finite()) {
        return Err(fault(format!("`{name}`: edges of bins must be finite and ascend")));
    }
    if decimals > MOST_DECIMALS {
        let reason = format!("`{name}`: {decimals} decimals, at most {MOST_DECIMALS}");
        return Err(fault(reason));
    }
    let grid = Grid::new(decimals);
    if let Some(large) = edges.iter().find(|edge| edge.abs() * grid.scale() >= MOST_STEPS) {
        return Err(fault(format!(
            "`{name}`: {large} with {decimals} decimals is more than a double holds; give fewer by \
             `decimals`, or another unit"
        )));
    }
    let empty = grid.bins(edges).iter().position(Span::is_empty);
    let Some(at) = empty else { return Ok(()) };
    let (low, high) = (edges.get(at).unwrap_or(&0.0), edges.get(at + 1).unwrap_or(&0.0));
    Err(fault(format!(
        "`{name}`: no number of {decimals} decimals lies in the bin from {low} to {high}; give more \
         by `decimals = {{ {name} = N }}` (at most {MOST_DECIMALS}), or wider bins"
    )))
}

/// One of the numbers of spans, each as likely as the others to within 2^-10 of itself, and 2^-40 for
/// the sizes that bins have.
fn draw(spans: &[Span], rng: &mut impl Rng) -> Option<i64> {
    let all = inside(spans);
    let mut at = ((u128::from(rng.next_u64()) * u128::from(all)) >> 64) as u64;
    for span in spans {
        let own = inside(std::slice::from_ref(span));
        if at < own {
            return Some(span.start + i64::try_from(at).ok()?);
        }
        at -= own;
    }
    None
}

/// A number within a bin, where a condition leaves any of it.
fn number(
    grid: Grid,
    edges: &[f64],
    bin: usize,
    within: Option<&[Span]>,
    rng: &mut impl Rng,
) -> String {
    let Some(whole) = grid.bin(edges, bin) else { return String::new() };
    let whole = [whole];
    let allowed = within.map(|within| meet(&whole, within)).filter(|left| !left.is_empty());
    let spans = allowed.as_deref().unwrap_or(&whole);
    draw(spans, rng).map_or(String::new(), |step| grid.text(step))
}

impl Domain {
    /// The values of rows that were sampled under a condition: a function of them and of the row
    /// sampler's seed, the same on every machine.
    #[must_use]
    pub fn texts(&self, rows: &[Vec<u16>], condition: &Condition, seed: u64) -> Vec<Vec<String>> {
        let mut bytes = [0; 32];
        let (label, own) = bytes.split_at_mut(LABEL.len());
        label.copy_from_slice(LABEL);
        own.copy_from_slice(&seed.to_le_bytes());
        let mut rng = chacha20::ChaCha20Rng::from_seed(bytes);
        rows.iter().map(|row| self.decode_within(row, condition, &mut rng)).collect()
    }

    /// The values of a row of levels as texts, in the order of [`Domain::header`]: uniform within a
    /// bin, the level's name otherwise, empty where missing. Every attribute takes one draw of `rng`
    /// if its level is a bin, none otherwise.
    #[must_use]
    pub fn decode(&self, levels: &[u16], rng: &mut impl Rng) -> Vec<String> {
        self.decode_within(levels, &Condition::default(), rng)
    }

    /// The same, with numbers that meet a condition: for rows that were sampled under it.
    #[must_use]
    pub fn decode_within(
        &self,
        levels: &[u16],
        condition: &Condition,
        rng: &mut impl Rng,
    ) -> Vec<String> {
        let mut row = Vec::new();
        for (at, attribute) in self.attributes.iter().enumerate() {
            let level = levels.get(at).map_or(usize::MAX, |level| usize::from(*level));
            let within = condition.within(at);
            match &attribute.kind {
                Kind::Number { edges, decimals } => {
                    row.push(number(Grid::new(*decimals), edges, level, within, rng));
                }
                Kind::Levels { levels, .. } => {
                    row.push(levels.get(level).cloned().unwrap_or_default());
                }
                Kind::Survival { edges, events, decimals, .. } => {
                    let of = events.len().max(1);
                    let known = level < attribute.kind.levels();
                    let event = events.get(level % of).filter(|_| known).cloned();
                    row.push(number(Grid::new(*decimals), edges, level / of, within, rng));
                    row.push(event.unwrap_or_default());
                }
            }
        }
        row
    }
}
