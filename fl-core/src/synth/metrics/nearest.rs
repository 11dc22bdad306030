//! How far a patient is from the virtual ones: the distance to the closest, and its ratio to that of
//! the second closest.
//!
//! Gower's distance (*Biometrics* 1971;27:857) on levels: the mean over columns of 0 or 1 where
//! levels have no order, of the difference of their ranks over its largest where they have one. A
//! missing value is at distance 1 from any known one; of a survival column, time and event count a
//! half each.
//!
//! The distance runs from a patient to the public virtual rows, not the other way round: so it is a
//! function of that patient alone, which moves one cell of a histogram (rule S2), hospitals' histograms
//! add up, and patients in and out of training are measured against the same rows, whatever their
//! numbers. (From a virtual row to the patients, the larger of two groups is closer by its size alone.)

use crate::synth::domain::{Attribute, Domain, Kind};

/// Distance 1 of one column.
const ONE: u64 = 1 << 20;

/// Edges of the bins of distances: 0 alone, then steps of 0.02 up to a half, then the rest.
pub const DISTANCE_BINS: usize = 27;
/// Bins of the ratio, of equal width over 0 to 1.
pub const RATIO_BINS: usize = 20;

/// How the levels of one column are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// 0 or 1.
    Nominal,
    /// By rank among so many known levels; what comes after them is missing.
    Ordered {
        /// Known levels.
        known: u16,
    },
    /// Level `bin * events + event`, of so many bins; what comes after them is missing.
    Timed {
        /// Time bins.
        bins: u16,
        /// Ends of follow-up.
        events: u16,
    },
}

impl Scale {
    /// The scale of a column.
    #[must_use]
    pub fn of(attribute: &Attribute) -> Self {
        let small = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        match &attribute.kind {
            Kind::Number { edges, .. } => {
                Self::Ordered { known: small(edges.len().saturating_sub(1)) }
            }
            Kind::Levels { levels, ordered: true, .. } => {
                Self::Ordered { known: small(levels.len()) }
            }
            Kind::Levels { ordered: false, .. } => Self::Nominal,
            Kind::Survival { edges, events, .. } => Self::Timed {
                bins: small(edges.len().saturating_sub(1)),
                events: small(events.len()),
            },
        }
    }

    /// Whether levels, the missing one aside, are in an order by which a tree may cut.
    #[must_use]
    pub fn is_ordered(self) -> bool {
        matches!(self, Self::Ordered { .. })
    }

    /// Distance of two levels, in steps of 1 / [`ONE`].
    fn distance(self, a: u16, b: u16) -> u64 {
        if a == b {
            return 0;
        }
        match self {
            Self::Nominal => ONE,
            Self::Ordered { known } => ranks(a, b, known),
            Self::Timed { bins, events } => {
                let known = bins.saturating_mul(events);
                if events == 0 || a >= known || b >= known {
                    return ONE;
                }
                let time = ranks(a / events, b / events, bins);
                let event = if a % events == b % events { 0 } else { ONE };
                u64::midpoint(time, event)
            }
        }
    }
}

/// Difference of two ranks over its largest; 1 where one of them is missing.
fn ranks(a: u16, b: u16, known: u16) -> u64 {
    if a >= known || b >= known {
        return ONE;
    }
    u64::from(a.abs_diff(b)) * ONE / u64::from(known.saturating_sub(1).max(1))
}

/// Distances over all columns of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gower {
    scales: Vec<Scale>,
}

impl Gower {
    /// The distance over these columns.
    #[must_use]
    pub fn new(scales: Vec<Scale>) -> Self {
        Self { scales }
    }

    /// The distance over the columns of a domain.
    #[must_use]
    pub fn of(domain: &Domain) -> Self {
        Self::new(domain.attributes.iter().map(Scale::of).collect())
    }

    /// Distance of two rows, between 0 and 1; columns that one of them lacks are left out.
    #[must_use]
    pub fn distance(&self, a: &[u16], b: &[u16]) -> f64 {
        self.share(self.steps(a, b, u64::MAX))
    }

    /// Sum over the columns, given up once it reaches `enough`.
    fn steps(&self, a: &[u16], b: &[u16], enough: u64) -> u64 {
        let mut sum = 0;
        for ((a, b), scale) in a.iter().zip(b).zip(&self.scales) {
            sum += scale.distance(*a, *b);
            if sum >= enough {
                break;
            }
        }
        sum
    }

    fn share(&self, steps: u64) -> f64 {
        steps as f64 / (ONE * self.scales.len().max(1) as u64) as f64
    }

    /// Distance to the closest of the rows, and its ratio to that of the second closest, which is 1
    /// where both are 0. `None` for fewer than two rows.
    #[must_use]
    pub fn nearest(&self, row: &[u16], rows: &[Vec<u16>]) -> Option<Nearest> {
        if rows.len() < 2 {
            return None;
        }
        let (mut first, mut second) = (u64::MAX, u64::MAX);
        for other in rows {
            let steps = self.steps(row, other, second);
            if steps < first {
                (first, second) = (steps, first);
            } else if steps < second {
                second = steps;
            }
            // Two rows equal to it: nothing is closer.
            if second == 0 {
                break;
            }
        }
        let ratio = if second == 0 { 1.0 } else { first as f64 / second as f64 };
        Some(Nearest { distance: self.share(first), ratio })
    }
}

/// A patient among the virtual ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// To the closest, 0 to 1; 0 for an exact copy.
    pub distance: f64,
    /// Closest over second closest, 0 to 1.
    pub ratio: f64,
}

impl Nearest {
    /// Bin of the distance, below [`DISTANCE_BINS`]; bin 0 holds exact copies.
    #[must_use]
    pub fn distance_bin(&self) -> usize {
        if self.distance <= 0.0 {
            return 0;
        }
        let bin = (self.distance * 50.0).ceil() as usize;
        bin.clamp(1, DISTANCE_BINS - 1)
    }

    /// Bin of the ratio, below [`RATIO_BINS`].
    #[must_use]
    pub fn ratio_bin(&self) -> usize {
        ((self.ratio * RATIO_BINS as f64) as usize).min(RATIO_BINS - 1)
    }
}

/// Edges of the bins of distances above 0: the first bin, of copies, has none.
#[must_use]
pub fn distance_edges() -> Vec<f64> {
    let steps = (0..DISTANCE_BINS - 1).map(|k| k as f64 / 50.0);
    steps.chain([1.0]).collect()
}
