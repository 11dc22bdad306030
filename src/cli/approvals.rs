//! `haima site approvals`, `allow` and `refuse`: runs that policy holds back until somebody at the
//! hospital says yes.

use std::path::{Path, PathBuf};

use clap::Args;
use haima_smpc_node::manifest::Manifest;
use serde_json::json;

use crate::Error;
use crate::report::numbers::utc;
use crate::site::consent::Waiting;
use crate::site::{Config, Consents};
use crate::text::printable;

/// The configuration where none is named.
const CONFIG: &str = "site.toml";

/// Options of `haima site approvals`.
#[derive(Debug, Args)]
pub(super) struct Approvals {
    /// Configuration file (TOML) of the site.
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
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
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
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
        text.push_str(&waits(run, &options.config));
    }
    for run in &decided {
        let said = if run.allowed { "allowed" } else { "refused" };
        text.push_str(&format!("{said}  {} {}, {}\n", run.task, run.run, utc(run.at_ms / 1000)));
    }
    print!("{}", printable(&text));
    Ok(())
}

/// A run that waits, and the lines by which somebody decides about it from where this was called.
fn waits(run: &Waiting, config: &Path) -> String {
    let of = if config == Path::new(CONFIG) {
        String::new()
    } else {
        format!(" --config {}", in_shell(&config.to_string_lossy()))
    };
    let Waiting { task, run: number, words, since_ms, .. } = run;
    let (since, shown) = (utc(since_ms / 1000), run.shown());
    format!(
        "waits    {task} {number}, since {since}\n         {words}\n         \
         haima site allow {task} {number} {shown}{of}\n         \
         haima site refuse {task} {number} {shown}{of}\n"
    )
}

/// A path as a shell takes it.
fn in_shell(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,".contains(c);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_to_paste_have_the_configuration_that_was_named() {
        let run = Waiting {
            task: "cox".into(),
            run: "1".into(),
            manifest: "ab".repeat(32),
            words: "what is asked".into(),
            since_ms: 0,
        };
        let lines = |config: &str| -> Vec<String> {
            let said = waits(&run, Path::new(config));
            assert!(said.starts_with("waits    cox 1, since 1 January 1970"), "{said}");
            said.lines().skip(2).map(|line| line.trim().to_owned()).collect()
        };
        let digits = "ab".repeat(16);
        for (config, behind) in [
            (CONFIG, ""),
            ("hospital-1/site.toml", " --config hospital-1/site.toml"),
            ("my site's.toml", " --config 'my site'\\''s.toml'"),
        ] {
            let line = |verb: &str| format!("haima site {verb} cox 1 {digits}{behind}");
            assert_eq!(lines(config), [line("allow"), line("refuse")]);
        }
    }
}
