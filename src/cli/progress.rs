//! Progress of rounds on standard error: a bar on a terminal, else a plain line now and then, so that a
//! log has lines and a person sees how long it takes. Nobody's data are in it.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::train::Progress;

/// Between two plain lines, at least.
const EVERY: Duration = Duration::from_secs(2);

/// The rounds of one run.
pub(super) struct Rounds {
    bar: ProgressBar,
    started: Instant,
    last: Option<Instant>,
}

impl Rounds {
    pub(super) fn new() -> Self {
        let style = ProgressStyle::with_template("  {bar:28} {pos}/{len} rounds  {elapsed}  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸─");
        let bar = ProgressBar::no_length().with_style(style);
        Self { bar, started: Instant::now(), last: None }
    }

    /// A round has ended.
    pub(super) fn at(&mut self, at: &Progress) {
        let Progress { round, rounds, hospitals, seconds } = at;
        if !self.bar.is_hidden() {
            self.bar.set_length(u64::from(*rounds));
            self.bar.set_message(format!("{hospitals} hospitals, {seconds:.2} s a round"));
            self.bar.set_position(u64::from(*round));
            return;
        }
        let ends = *round == 1 || round == rounds;
        if !ends && self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let all = self.started.elapsed().as_secs_f64();
        eprintln!(
            "round {round} of {rounds}: {hospitals} hospitals, {seconds:.2} s; {all:.0} s in all"
        );
    }
}

impl Drop for Rounds {
    /// Leaves the bar as it is: early stopping and a fault end before the last round.
    fn drop(&mut self) {
        self.bar.abandon();
    }
}
