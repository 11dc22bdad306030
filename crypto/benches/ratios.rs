//! The ratio table of `benches/README.md`, from what criterion measured last.
//! `just ratios` measures everything and prints the table at the end; this bench alone
//! (`cargo bench -p haima-crypto --bench ratios`) prints it again. It measures nothing itself.

use std::path::{Path, PathBuf};

/// A promise: ours, the peer or floor of the same run, and what the ratio should be.
struct Row {
    what: &'static str,
    ours: &'static str,
    other: &'static str,
    promise: Promise,
}

enum Promise {
    /// The other takes at least this many times as long.
    Faster(f64),
    /// Ours takes at most this many times as long as the other.
    Within(f64),
    /// Reported without a target.
    None,
}

use Promise::{Faster, None as Shown, Within};

fn rows() -> Vec<Row> {
    let row = |what, ours, other, promise| Row { what, ours, other, promise };
    vec![
        row(
            "PINE, d = 10k: shard",
            "Pine64 HmacSha256Aes128 d=10000/shard",
            "Prio3SumVec 16 bits d=10000/shard",
            Faster(25.0),
        ),
        row(
            "PINE, d = 10k: prep, leader",
            "Pine64 HmacSha256Aes128 d=10000/prep leader",
            "Prio3SumVec 16 bits d=10000/prep leader",
            Faster(16.0),
        ),
        row(
            "PINE, d = 10k: prep, helper",
            "Pine64 HmacSha256Aes128 d=10000/prep helper",
            "Prio3SumVec 16 bits d=10000/prep helper",
            Faster(16.0),
        ),
        row(
            "PINE, d = 100k: shard",
            "Pine64 HmacSha256Aes128 d=100000/shard",
            "Prio3SumVec 16 bits d=100000/shard",
            Faster(34.0),
        ),
        row(
            "PINE, d = 100k: prep, leader",
            "Pine64 HmacSha256Aes128 d=100000/prep leader",
            "Prio3SumVec 16 bits d=100000/prep leader",
            Faster(18.0),
        ),
        row(
            "PINE, d = 100k: prep, helper",
            "Pine64 HmacSha256Aes128 d=100000/prep helper",
            "Prio3SumVec 16 bits d=100000/prep helper",
            Faster(18.0),
        ),
        row(
            "the same, TurboSHAKE128: shard",
            "Pine64 TurboShake128 d=100000/shard",
            "Prio3SumVec 16 bits d=100000/shard",
            Shown,
        ),
        row(
            "the same, TurboSHAKE128: prep, helper",
            "Pine64 TurboShake128 d=100000/prep helper",
            "Prio3SumVec 16 bits d=100000/prep helper",
            Shown,
        ),
        row(
            "128-bit field, d = 100k: shard",
            "Pine128 HmacSha256Aes128 d=100000/shard",
            "Prio3SumVec 16 bits d=100000/shard",
            Shown,
        ),
        row(
            "PINE, d = 1M against SumVec, d = 100k: shard",
            "Pine64 HmacSha256Aes128 d=1000000/shard",
            "Prio3SumVec 16 bits d=100000/shard",
            Shown,
        ),
        row(
            "PINE, d = 1M against SumVec, d = 100k: prep, leader",
            "Pine64 HmacSha256Aes128 d=1000000/prep leader",
            "Prio3SumVec 16 bits d=100000/prep leader",
            Shown,
        ),
        row(
            "PINE, d = 1M against SumVec, d = 100k: prep, helper",
            "Pine64 HmacSha256Aes128 d=1000000/prep helper",
            "Prio3SumVec 16 bits d=100000/prep helper",
            Shown,
        ),
        row(
            "sharing without proof, d = 1M, against its keystream alone",
            "sharing, d = 1M, 64-bit field/split among 2",
            "sharing, d = 1M, 64-bit field/floor_ the keystream",
            Shown,
        ),
        row(
            "sharing without proof, d = 1M, against a copy and an addition in the clear",
            "sharing, d = 1M, 64-bit field/split among 2",
            "sharing, d = 1M, 64-bit field/floor_ copy and add in the clear",
            Shown,
        ),
        row(
            "100 rows of checks, d = 1M, against their keystream",
            "ternary 100 rows, d = 1M/Field64",
            "ternary 100 rows, d = 1M/floor_ the keystream of the rows",
            Shown,
        ),
        row(
            "masks of 100 neighbours, d = 1M, AES-128, 32-bit words, against the keystreams alone",
            "100 masks, d = 1M/Aes128, 32-bit words",
            "100 masks, d = 1M/floor_ Aes128 keystreams, 32-bit words",
            Within(1.15),
        ),
        row(
            "masks of 100 neighbours, d = 1M, AES-128, 64-bit words, against the keystreams alone",
            "100 masks, d = 1M/Aes128, 64-bit words",
            "100 masks, d = 1M/floor_ Aes128 keystreams, 64-bit words",
            Within(1.15),
        ),
        row(
            "the same, ChaCha20, 32-bit words",
            "100 masks, d = 1M/ChaCha20, 32-bit words",
            "100 masks, d = 1M/floor_ ChaCha20 keystreams, 32-bit words",
            Shown,
        ),
        row(
            "the same, ChaCha20, 64-bit words",
            "100 masks, d = 1M/ChaCha20, 64-bit words",
            "100 masks, d = 1M/floor_ ChaCha20 keystreams, 64-bit words",
            Shown,
        ),
        row(
            "a site's vector, 32 bits: quantised, seeds shared, masked and signed, against keystreams alone",
            "round of 100, d = 1M/site, 32 bits_ quantise, start and mask",
            "100 masks, d = 1M/floor_ Aes128 keystreams, 32-bit words",
            Shown,
        ),
        row(
            "the same, 64 bits",
            "round of 100, d = 1M/site, 64 bits_ quantise, start and mask",
            "100 masks, d = 1M/floor_ Aes128 keystreams, 64-bit words",
            Shown,
        ),
        row(
            "Shamir, any 51 of 100: share, against vsss-rs over GF(2^8)",
            "32-byte secret, any 51 of 100/share",
            "32-byte secret, any 51 of 100/vsss-rs over GF(2_8)_ share",
            Shown,
        ),
        row(
            "Shamir, any 51 of 100: reconstruct, against vsss-rs over GF(2^8)",
            "32-byte secret, any 51 of 100/reconstruct",
            "32-byte secret, any 51 of 100/vsss-rs over GF(2_8)_ reconstruct",
            Shown,
        ),
        row(
            "Shamir, any 501 of 1,000: share, against vsss-rs over scalars",
            "32-byte secret, any 501 of 1000/share",
            "32-byte secret, any 501 of 1000/vsss-rs over scalars_ share",
            Shown,
        ),
        row(
            "Shamir, any 501 of 1,000: reconstruct, against vsss-rs over scalars",
            "32-byte secret, any 501 of 1000/reconstruct",
            "32-byte secret, any 501 of 1000/vsss-rs over scalars_ reconstruct",
            Shown,
        ),
    ]
}

/// Criterion's folder: in the target folder that this program lies in.
fn folder() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.ancestors().map(|folder| folder.join("criterion")).find(|folder| folder.is_dir())
}

/// Median of one bench, in seconds.
fn median(folder: &Path, bench: &str) -> Option<f64> {
    let text = std::fs::read_to_string(folder.join(bench).join("new/estimates.json")).ok()?;
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
        println!("nothing was measured yet; run cargo bench -p haima-crypto");
        return;
    };
    println!("| what | ours | other | other / ours | promised |");
    println!("|---|---|---|---|---|");
    for Row { what, ours, other, promise } in rows() {
        let (Some(ours), Some(other)) = (median(&folder, ours), median(&folder, other)) else {
            println!("| {what} | not measured | | | |");
            continue;
        };
        let ratio = other / ours;
        let promised = match promise {
            Faster(times) if ratio >= times => format!("{times} times: kept"),
            Faster(times) => format!("{times} times: **missed**"),
            Within(times) if ratio * times >= 1.0 => format!("within {times} times: kept"),
            Within(times) => format!("within {times} times: **missed**"),
            Shown => String::new(),
        };
        println!("| {what} | {} | {} | {ratio:.2} | {promised} |", time(ours), time(other));
    }
}
