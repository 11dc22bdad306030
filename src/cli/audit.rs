//! `haima audit verify`: the hash chain of a journal and the signature on every record.

use std::path::PathBuf;

use clap::Subcommand;
use haima_smpc_node::audit;
use haima_smpc_node::study::Study;

use crate::Error;

/// Commands on journals.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Verify a party's journal against its key in the manifest. Without the peers' journals this
    /// cannot tell whether records were cut off at the end.
    Verify {
        /// The study's manifest.
        #[arg(long)]
        manifest: PathBuf,
        /// Name of the party in the manifest.
        #[arg(long)]
        party: String,
        /// The journal.
        journal: PathBuf,
    },
}

/// Runs a command.
pub(super) fn run(command: &Audit) -> Result<(), Error> {
    let Audit::Verify { manifest, party, journal } = command;
    let key = Study::read(manifest)?.manifest().identity(party)?;
    let records = audit::verify(journal, party, &key)?;
    println!("{}: {records} records of {party} verified (no tail check)", journal.display());
    Ok(())
}
