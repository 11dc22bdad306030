//! `haima site approvals`, `allow` and `refuse`: runs that policy holds back until somebody at the
//! hospital says yes.

use std::path::PathBuf;

use clap::Args;
use haima_smpc_node::manifest::Manifest;
use serde_json::json;

use crate::Error;
use crate::report::numbers::utc;
use crate::site::{Config, Consents};
use crate::text::printable;

/// Options of `haima site approvals`.
#[derive(Debug, Args)]
pub(super) struct Approvals {
    /// Configuration file (TOML) of the site.
    #[arg(long, value_name = "FILE", default_value = "site.toml")]
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Options of `haima site allow` and `haima site refuse`.
#[derive(Debug, Args)]
pub(super) struct Decide {
    /// Manifest id of the task.
    task: String,
    /// Number of the run, as `haima site approvals` lists it.
    run: u32,
    /// Digits of the manifest that `haima site approvals` prints beside the run; without them, the manifest
    /// of the configuration is the one that is meant.
    digest: Option<String>,
    /// Configuration file (TOML) of the site.
    #[arg(long, value_name = "FILE", default_value = "site.toml")]
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Lists the runs that wait and those that were decided about.
pub(super) fn list(options: &Approvals) -> Result<(), Error> {
    let consents = Consents::open(&Config::read(&options.config)?.state)?;
    let (waiting, decided) = (consents.waiting()?, consents.decided()?);
    if options.json {
        let object = json!({
            "schema": "haima.site.approvals/1", "waiting": waiting, "decided": decided,
        });
        println!("{object}");
        return Ok(());
    }
    let mut text = String::new();
    if waiting.is_empty() {
        text.push_str("no run waits\n");
    }
    for run in &waiting {
        text.push_str(&format!(
            "waits    {} {}, since {}\n         {}\n         haima site allow {} {} {}\n",
            run.task,
            run.run,
            utc(run.since_ms / 1000),
            run.words,
            run.task,
            run.run,
            run.shown()
        ));
    }
    for run in &decided {
        let said = if run.allowed { "allowed" } else { "refused" };
        text.push_str(&format!("{said}  {} {}, {}\n", run.task, run.run, utc(run.at_ms / 1000)));
    }
    print!("{}", printable(&text));
    Ok(())
}

/// Lets a run go on, or refuses it. A yes is of the manifest that was read: by its digits, or of the one
/// that the configuration names, with which the site runs. A no needs neither: it is safe of any.
pub(super) fn decide(options: &Decide, allow: bool) -> Result<(), Error> {
    let Decide { task, run, digest, config, json } = options;
    let config = Config::read(config)?;
    let (consents, run) = (Consents::open(&config.state)?, run.to_string());
    // An unknown run is said first.
    let asked = consents.manifest_of(task, &run)?;
    let shown = match digest {
        Some(digest) => digest.to_lowercase(),
        None if allow => Manifest::read(&config.manifest)?.digest().to_string(),
        None => asked,
    };
    consents.decide(task, &run, &shown, allow)?;
    let said = if allow { "allowed" } else { "refused" };
    if *json {
        println!(
            "{}",
            json!({
                "schema": "haima.site.decision/1", "task": task, "run": run, "allowed": allow,
            })
        );
    } else {
        println!("run {run} of {} is {said}", printable(task));
    }
    Ok(())
}
