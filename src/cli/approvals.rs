//! `haima site approvals`, `allow` and `refuse`: runs that policy holds back until somebody at the
//! hospital says yes.

use std::path::PathBuf;

use clap::Args;
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
            "waits    {} {}, since {}\n         {}\n         haima site allow {} {}\n",
            run.task,
            run.run,
            utc(run.since_ms / 1000),
            run.words,
            run.task,
            run.run
        ));
    }
    for run in &decided {
        let said = if run.allowed { "allowed" } else { "refused" };
        text.push_str(&format!("{said}  {} {}, {}\n", run.task, run.run, utc(run.at_ms / 1000)));
    }
    print!("{}", printable(&text));
    Ok(())
}

/// Lets a run go on, or refuses it.
pub(super) fn decide(options: &Decide, allow: bool) -> Result<(), Error> {
    let Decide { task, run, config, json } = options;
    let consents = Consents::open(&Config::read(config)?.state)?;
    consents.decide(task, &run.to_string(), allow)?;
    let said = if allow { "allowed" } else { "refused" };
    if *json {
        println!(
            "{}",
            json!({
                "schema": "haima.site.decision/1", "task": task, "run": run.to_string(),
                "allowed": allow,
            })
        );
    } else {
        println!("run {run} of {} is {said}", printable(task));
    }
    Ok(())
}
