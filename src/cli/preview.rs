//! `haima site preview`: what would leave for a task, before anything does.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::Error;
use crate::site::{Config, preview};
use crate::text::printable;

/// Options of `haima site preview`.
#[derive(Debug, Args)]
pub(super) struct Preview {
    /// Manifest id of the task.
    task: String,
    /// Configuration file (TOML) of the site.
    #[arg(long, value_name = "FILE", default_value = "site.toml")]
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the preview. That policy refuses the task is a result, not an error.
pub(super) fn run(options: &Preview) -> Result<(), Error> {
    let config = Config::read(&options.config)?;
    let preview = preview::preview_now(&config, &options.task)?;
    if options.json {
        println!("{}", json!(preview));
    } else {
        print!("{}", printable(&preview.to_string()));
    }
    Ok(())
}
