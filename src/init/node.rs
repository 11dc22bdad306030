//! A node: its configuration, then the study and the preflight.

use haima_smpc_node::cli::init::configuration;

use super::{Ask, Options, State, Walk, files, party};
use crate::Error;

/// A node's steps.
pub(super) fn walk(options: &Options, ask: &mut dyn Ask, walk: &mut Walk) -> Result<(), Error> {
    let made = files::new(&options.folder, "node.toml", &configuration(&walk.name))?;
    let finding = format!("{}: where it keeps what; commented", walk.config.display());
    walk.note("configuration", if made { State::Made } else { State::There }, finding);
    party::follow(options, ask, walk)
}
