//! What the counts on the grid say: when events fell, and the probability of being uncensored.

use super::{OUTCOMES, Outcome};

/// Grid times at which follow-up of anybody ended ("ticks"), and among them those with an event
/// of any cause ("marks").
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    /// Grid times with an event of any cause.
    pub(super) marks: Vec<usize>,
    /// Events of the cause at each mark.
    pub(super) events: Vec<usize>,
    /// G(t-) at each mark: the Kaplan-Meier probability of being uncensored just before. Above 0.
    pub(super) uncensored: Vec<f64>,
    pub(super) ticks: Vec<Tick>,
}

/// A grid time at which follow-up ended.
#[derive(Clone, Debug)]
pub(super) struct Tick {
    pub(super) bin: usize,
    /// At risk just before, those with a competing event no longer counted.
    pub(super) at_risk: f64,
    pub(super) censored: f64,
    competing: usize,
}

impl Timeline {
    /// From counts by grid time and outcome.
    pub(super) fn new(outcomes: &[usize]) -> Self {
        let mut timeline = Self {
            marks: Vec::new(),
            events: Vec::new(),
            uncensored: Vec::new(),
            ticks: Vec::new(),
        };
        let mut at_risk: usize = outcomes.iter().sum();
        let mut uncensored = 1.0;
        for (bin, counts) in outcomes.chunks_exact(OUTCOMES).enumerate() {
            let count = |outcome: Outcome| counts.get(outcome as usize).copied().unwrap_or(0);
            let (censored, events, competing) =
                (count(Outcome::Censored), count(Outcome::Cause), count(Outcome::Competing));
            if events + competing > 0 {
                timeline.marks.push(bin);
                timeline.events.push(events);
                timeline.uncensored.push(uncensored);
            }
            if censored + events + competing > 0 {
                let (n, c) = (at_risk as f64, censored as f64);
                timeline.ticks.push(Tick { bin, at_risk: n, censored: c, competing });
                // Only the very last can have all censored, so G(t-) stays above 0.
                uncensored *= 1.0 - c / n;
                at_risk -= censored + events + competing;
            }
        }
        timeline
    }

    /// Patients with an event of another cause.
    pub(super) fn all_competing(&self) -> u64 {
        self.ticks.iter().map(|tick| tick.competing as u64).sum()
    }
}
