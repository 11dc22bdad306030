//! Ours beside a floor and peers that do the same work. Each is measured by criterion, whose figures
//! `crypto/benches/ratios.rs` reads, and then all in turn, so that they see the same machine.

use std::time::{Duration, Instant};

use criterion::Criterion;

/// Who does the work, and the work.
type Run<'a> = (&'static str, Box<dyn FnMut() + 'a>);

/// One line of a table: ours and what it is held against.
pub(crate) struct Contest<'a> {
    what: &'static str,
    runs: Vec<Run<'a>>,
}

impl<'a> Contest<'a> {
    /// Ours. Criterion's group is `what`, which is at most 64 bytes.
    pub(crate) fn new(what: &'static str, ours: impl FnMut() + 'a) -> Self {
        let ours: Run<'a> = ("haima", Box::new(ours));
        Self { what, runs: vec![ours] }
    }

    /// Held against a floor or a peer.
    pub(crate) fn against(mut self, name: &'static str, run: impl FnMut() + 'a) -> Self {
        self.runs.push((name, Box::new(run)));
        self
    }

    /// Shortest time of some runs of each, taken in turn: what else the machine does only adds.
    fn shortest(&mut self, rounds: usize) -> Vec<Duration> {
        let mut best = vec![Duration::MAX; self.runs.len()];
        for _ in 0..rounds {
            for (best, (_, run)) in best.iter_mut().zip(&mut self.runs) {
                let start = Instant::now();
                run();
                *best = start.elapsed().min(*best);
            }
        }
        best
    }

    fn print(&mut self, rounds: usize) {
        let times = self.shortest(rounds);
        let ours = times[0];
        for ((name, _), time) in self.runs.iter().zip(&times).skip(1) {
            let ratio = time.as_secs_f64() / ours.as_secs_f64();
            println!("| {} | {ours:.1?} | {name} | {time:.1?} | {ratio:.2} |", self.what);
        }
    }
}

/// Measures all of them and prints a table.
pub(crate) fn measure(mut contests: Vec<Contest<'_>>, rounds: usize) {
    let mut criterion = Criterion::default().configure_from_args();
    for contest in &mut contests {
        let mut group = criterion.benchmark_group(contest.what);
        group.sample_size(10).warm_up_time(Duration::from_millis(200));
        group.measurement_time(Duration::from_millis(600));
        for (name, run) in &mut contest.runs {
            group.bench_function(*name, |bencher| bencher.iter(&mut *run));
        }
        group.finish();
    }
    criterion.final_summary();
    println!("| shortest of {rounds} in turn | ours | beside | its time | its time / ours |");
    println!("|---|---|---|---|---|");
    contests.iter_mut().for_each(|contest| contest.print(rounds));
}
