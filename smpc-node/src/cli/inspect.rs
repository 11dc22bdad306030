//! `smpc-node preflight`, `status` and `export-log`: looking at a node without changing it.

use haima_crypto::encode::Digest;
use serde::Serialize;

use super::exit::Exit;
use super::print;
use crate::record::AuditRecord;
use crate::server::Config;
use crate::server::preflight::{Outcome, preflight};
use crate::study::Study;
use crate::{Error, audit};

/// Prints every check, and says how many failed.
pub(super) async fn check(config: &Config, json: bool) -> Result<Exit, Error> {
    let checks = preflight(config).await;
    if json {
        print(&serde_json::json!({ "schema": "haima.preflight/1", "checks": checks }));
    } else {
        for check in &checks {
            println!("{check}");
        }
    }
    let failed = checks.iter().filter(|check| check.outcome == Outcome::Failed).count();
    if failed == 0 {
        return Ok(Exit::Done);
    }
    let (exit, name, all) = (Exit::Found, &config.name, checks.len());
    eprintln!("smpc-node: {exit}: {name} is not ready: {failed} of {all} checks failed");
    Ok(exit)
}

#[derive(Serialize)]
struct Status {
    schema: &'static str,
    node: String,
    study: String,
    revision: u32,
    manifest: String,
    /// Whether the epoch's record of all nodes is fixed.
    epoch: bool,
    last_round: u64,
    /// Rounds that have not ended: number and state.
    open: Vec<(u64, String)>,
    released: usize,
    failed: usize,
}

/// Prints what the store says of rounds and epoch.
pub(super) async fn status(config: &Config, json: bool) -> Result<(), Error> {
    let manifest = Study::read(&config.manifest)?.manifest();
    let none = || Error::Config {
        file: config.store.clone(),
        problem: "no store yet; `smpc-node run` makes it".into(),
    };
    let store = config.existing_store().await?.ok_or_else(none)?;
    let mut all = Vec::new();
    let mut last = 0;
    loop {
        let page = store.after(last, 1000).await?;
        let Some((number, ..)) = page.last() else { break };
        last = *number;
        all.extend(page.into_iter().map(|(number, _, state)| (number, state)));
    }
    let count = |wanted: &str| all.iter().filter(|(_, state)| state == wanted).count();
    let status = Status {
        schema: "haima.node-status/1",
        node: config.name.clone(),
        study: manifest.study.clone(),
        revision: manifest.revision,
        manifest: manifest.digest().to_string(),
        epoch: store.epoch_record(&manifest.digest()).await?.is_some(),
        last_round: last,
        released: count("released"),
        failed: count("failed"),
        open: all.iter().filter(|(_, s)| s != "released" && s != "failed").cloned().collect(),
    };
    if json {
        print(&status);
        return Ok(());
    }
    println!("node {} of study {}, revision {}", status.node, status.study, status.revision);
    println!("epoch {}", if status.epoch { "set up with all nodes" } else { "not set up yet" });
    println!(
        "{} rounds released, {} failed, {} open; the last has number {}",
        status.released,
        status.failed,
        status.open.len(),
        status.last_round
    );
    for (number, state) in &status.open {
        println!("  round {number}: {state}");
    }
    Ok(())
}

#[derive(Serialize)]
struct Line<'a> {
    record: usize,
    at_ms: u64,
    party: &'a str,
    kind: &'a str,
    round: Option<String>,
    subject: &'a str,
    digest: Option<String>,
    text: &'a str,
}

/// Prints the verified journal, a JSON object a line.
pub(super) fn export(config: &Config) -> Result<(), Error> {
    let manifest = Study::read(&config.manifest)?.manifest();
    let key = manifest.identity(&config.name)?;
    if !config.journal.exists() {
        eprintln!("{}: none yet; `smpc-node run` makes it", config.journal.display());
        return Ok(());
    }
    let some = |digest: &Digest| (*digest != Digest::default()).then(|| digest.to_string());
    for (record, entry) in audit::read(&config.journal, &config.name, &key)?.iter().enumerate() {
        let AuditRecord { party, at_ms, kind, round, subject, digest, text } = entry;
        let (round, digest) = (some(round), some(digest));
        print(&Line { record, at_ms: *at_ms, party, kind, round, subject, digest, text });
    }
    Ok(())
}
