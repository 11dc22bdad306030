//! Every hot path beside its floor and its peer, from what criterion measured last, by `ratios.txt`.
//! `just ratios` measures everything and prints the table at the end; this bench alone
//! (`cargo bench -p haima-crypto --bench ratios`) prints it again. It measures nothing itself.

use std::path::{Path, PathBuf};

const ROWS: &str = include_str!("ratios.txt");

/// A row: ours, the peer or floor of the same run, and what the ratio should be.
struct Row {
    what: &'static str,
    ours: &'static str,
    beside: &'static str,
    promise: Promise,
}

enum Promise {
    /// The other takes at least this many times as long.
    Faster(f64),
    /// Ours takes at most this many times as long as the other.
    Within(f64),
    /// Reported without a target.
    Shown,
}

impl Row {
    fn read(line: &'static str) -> Option<Self> {
        let mut fields = line.split('|').map(str::trim);
        let (what, ours, beside) = (fields.next()?, fields.next()?, fields.next()?);
        let promise = match fields.next()?.split_once(' ') {
            Some(("faster", times)) => Promise::Faster(times.parse().ok()?),
            Some(("within", times)) => Promise::Within(times.parse().ok()?),
            Some(_) => return None,
            None => Promise::Shown,
        };
        Some(Self { what, ours, beside, promise })
    }
}

/// Criterion's folder: in the target folder that this program lies in.
fn folder() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.ancestors().map(|folder| folder.join("criterion")).find(|folder| folder.is_dir())
}

/// A group's or bench's name as criterion names its folder.
fn folder_name(name: &str) -> String {
    let mut name = name.replace(&['?', '"', '\\', '*', '<', '>', ':', '|', '^'][..], "_");
    name.truncate(64);
    name
}

/// Median of one bench, in seconds.
fn median(folder: &Path, bench: &str) -> Option<f64> {
    let (group, bench) = bench.split_once('/')?;
    let folder = folder.join(folder_name(group)).join(folder_name(bench));
    let text = std::fs::read_to_string(folder.join("new/estimates.json")).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(estimates["median"]["point_estimate"].as_f64()? * 1e-9)
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s => format!("{:.2} ms", s * 1e3),
    }
}

fn main() {
    let Some(folder) = folder() else {
        println!("nothing was measured yet; run just ratios");
        return;
    };
    println!("| what | ours | beside | its time | its time / ours | promised |");
    println!("|---|---|---|---|---|---|");
    for line in ROWS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Row { what, ours, beside, promise } = Row::read(line).expect("a row of ratios.txt");
        let (group, bench) = beside.split_once('/').expect("GROUP/BENCH");
        let whose = if ours.starts_with(group) { bench } else { beside };
        let (Some(ours), Some(its)) = (median(&folder, ours), median(&folder, beside)) else {
            println!("| {what} | not measured | {whose} | | | |");
            continue;
        };
        let ratio = its / ours;
        let promised = match promise {
            Promise::Faster(times) if ratio >= times => format!("{times} times: kept"),
            Promise::Faster(times) => format!("{times} times: **missed**"),
            Promise::Within(times) if ratio * times >= 1.0 => format!("within {times} times: kept"),
            Promise::Within(times) => format!("within {times} times: **missed**"),
            Promise::Shown => String::new(),
        };
        println!("| {what} | {} | {whose} | {} | {ratio:.2} | {promised} |", time(ours), time(its));
    }
}
