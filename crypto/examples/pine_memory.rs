//! Time and peak memory of one PINE client or node:
//! `cargo run --release -p haima-crypto --example pine_memory -- client 1000000`, or `leader`, or
//! `helper`, or `turbo-client` and so on for TurboSHAKE. Linux only (/proc/self/status).

use std::time::Instant;

use haima_crypto::field::Field64;
use haima_crypto::pine::{Params, Pine};
use haima_crypto::xof::{Xof, XofHmacSha256Aes128, XofTurboShake128};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// Peak resident memory in KiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn run<X: Xof<Stream: Send> + Send>(role: &str, dimension: usize) -> Option<()> {
    let params = Params::new::<Field64>(dimension, 1 << 15, 2).ok()?;
    let pine = Pine::<Field64, X>::new(params).ok()?;
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let (key, nonce) = (vec![3; X::SEED], [9; 16]);
    let rounds = 5;
    let (what, base, took) = if role.ends_with("client") {
        let values: Vec<i64> = (0..dimension as i64).map(|i| i * 7919 % 61 - 30).collect();
        let base = peak()?;
        let start = Instant::now();
        for _ in 0..rounds {
            pine.shard(&values, &nonce, &mut rng).ok()?;
        }
        ("above the integers", base, start.elapsed())
    } else {
        // A share that was never a client's costs a node the same.
        let position = usize::from(role.ends_with("helper"));
        let share = vec![0; pine.share_len(position)];
        let public = vec![0; pine.public_share_len()];
        let base = peak()?;
        let start = Instant::now();
        for _ in 0..rounds {
            pine.prep(&key, position, &nonce, &public, &share).ok()?;
        }
        ("above the share", base, start.elapsed())
    };
    let took = took.as_secs_f64() * 1e3 / f64::from(rounds);
    let vector = 8 * dimension as u64 / 1024;
    let above = peak()? - base;
    println!(
        "{role}, d = {dimension}: {took:.1} ms; peak {above} KiB {what} ({base} KiB before), \
         {:.2} times the vector of {vector} KiB",
        above as f64 / vector as f64
    );
    Some(())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next().unwrap_or_else(|| "client".to_owned());
    let dimension = arguments.next().and_then(|d| d.parse().ok()).unwrap_or(1_000_000);
    let done = if role.starts_with("turbo-") {
        run::<XofTurboShake128>(&role, dimension)
    } else {
        run::<XofHmacSha256Aes128>(&role, dimension)
    };
    if done.is_none() {
        eprintln!("no /proc/self/status, or a dimension that PINE does not take");
    }
}
