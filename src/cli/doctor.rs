//! `haima doctor`: everything that has to be in order before a study, or is not when something is
//! wrong. It changes nothing, and prints no secret and nothing of a patient.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::Error;
use crate::doctor::{Level, examine};
use crate::text::printable;

/// `haima doctor`.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Configuration of a site, a coordinator or a node (TOML). Without it: site.toml, coordinator.toml
    /// or node.toml of this folder, where there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Looks at everything and prints a line each; fails when one of them failed.
pub(super) fn run(options: &Doctor) -> Result<(), Error> {
    let runtime = super::runtime()?;
    let found = runtime.block_on(examine(options.config.as_deref()));
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    if options.json {
        println!("{}", json!(found));
    } else {
        print!("{}", printable(&found.to_string()));
    }
    let failed = found.checks.iter().filter(|check| check.level == Level::Fail).count();
    match failed {
        0 => Ok(()),
        failed => Err(Error::Found {
            what: "doctor".into(),
            problem: format!(
                "{failed} of {} checks failed; mend what stands beside `fail`, then run it again",
                found.checks.len()
            ),
        }),
    }
}
