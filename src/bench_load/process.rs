//! What a process took: processor time, memory, durable writes; and what a write to the disk takes.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Error;

/// User and system time of a process, on Linux; 0 elsewhere.
pub(super) fn cpu_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // After the name, which may have spaces; ticks are hundredths of a second.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Largest resident memory of a process so far, on Linux; 0 elsewhere.
pub(super) fn peak_mib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let fields: BTreeMap<&str, &str> =
        status.lines().filter_map(|line| line.split_once(':')).collect();
    let peak = fields.get("VmHWM").and_then(|text| text.split_whitespace().next());
    peak.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Median time of a small write and fsync in a folder, in milliseconds.
pub(super) fn fsync_ms(folder: &Path) -> Result<f64, Error> {
    let path = folder.join("fsync");
    let fault = |e| Error::file(&path, e);
    let mut file = std::fs::File::create(&path).map_err(fault)?;
    let mut times = Vec::new();
    for _ in 0..101 {
        let started = Instant::now();
        file.write_all(&[0; 4096]).and_then(|()| file.sync_data()).map_err(fault)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(50).copied().unwrap_or_default())
}

/// Durable writes that a node has made so far, from its metrics; 0 where there are none.
pub(super) fn durable_writes(metrics: &str) -> u64 {
    scrape(metrics).unwrap_or_default()
}

fn scrape(metrics: &str) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(metrics)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.take(1 << 20).read_to_string(&mut text)?;
    let line = text.lines().find(|line| line.starts_with("haima_durable_writes_total"));
    Ok(line.and_then(|line| line.split_whitespace().last()?.parse().ok()).unwrap_or_default())
}
