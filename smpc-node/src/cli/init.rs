//! `smpc-node init`: a node's folder, with keys and a commented configuration.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{party, print};
use crate::Error;

/// Makes a node's folder.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Name of the node in studies.
    #[arg(long)]
    name: String,
    /// Organisation that runs it.
    #[arg(long)]
    operator: String,
    /// `host:port` at which the study's parties reach it.
    #[arg(long)]
    address: String,
    /// New folder.
    #[arg(long)]
    out: PathBuf,
    /// Print one JSON object: the files that were made, and the fingerprint.
    #[arg(long)]
    json: bool,
}

pub(super) fn init(options: &Init) -> Result<(), Error> {
    let Init { name, operator, address, out, json } = options;
    let request = party::MakeRequest {
        keys: out.clone(),
        name: name.clone(),
        role: crate::provision::Role::Node,
        operator: operator.clone(),
        address: address.clone(),
        out: Some(out.join("request.toml")),
        json: *json,
    };
    // Before there is a folder, which a second try would find in its way.
    party::check(&request)?;
    crate::provision::make_keys(out, name)?;
    let fingerprint = party::make_request(&request)?;
    party::write_new(&out.join("node.toml"), &configuration(name))?;
    if *json {
        print(&json!({
            "schema": "haima.node-init/1", "name": name, "folder": out.display().to_string(),
            "fingerprint": fingerprint, "request": "request.toml", "configuration": "node.toml",
        }));
        return Ok(());
    }
    println!("{} holds keys, request.toml and node.toml", out.display());
    println!("fingerprint  {fingerprint}");
    println!("1. send request.toml to whoever drafts the study, and read them the fingerprint");
    println!("2. put the manifest.toml that comes back beside node.toml, and read what it commits");
    println!("   you to; of an amendment, give the manifest that it amends too:");
    println!("   smpc-node approve --manifest manifest.toml [--amends OLD] --keys .");
    println!("3. if that is what you agree to, sign it, and send back the approval:");
    println!("   smpc-node approve --manifest manifest.toml [--amends OLD] --keys . --sign");
    println!("4. when manifest.sig has come too: smpc-node preflight, then smpc-node run");
    Ok(())
}

/// A commented `node.toml` of a node whose keys stand beside it.
#[must_use]
pub fn configuration(name: &str) -> String {
    format!(
        "\
# Configuration of an SMPC node. Paths are relative to this file's folder. Each field may also be
# given as HAIMA_NODE_<FIELD> in the environment or by --set field=value, which wins.
name = \"{name}\"

# The study, as all its parties signed it; manifest.sig stands beside it.
manifest = \"manifest.toml\"

# Private keys, mode 600. They never leave this machine.
identity = \"identity.key\"
tls_certificate = \"tls.crt\"
tls_key = \"tls.key\"

# Keys of an epoch: noise-<manifest>.key and epoch-<manifest>.key are drawn when a study, or its
# amendment, begins, and destroyed when the next one does. KEEP THEM OUT OF BACKUPS OF THE STORE.
noise_key = \"noise.key\"
epoch_key = \"epoch.key\"

# A SQLite file, or postgres://user@host/database for several replicas of this node.
store = \"node.db\"

# Signed, hash-chained record of all that this node accepted, refused and released.
journal = \"audit.log\"

# Where to listen, when not at the address in the manifest:
# listen = \"0.0.0.0:7443\"

# Where Prometheus may fetch metrics:
# metrics = \"127.0.0.1:9464\"

# Days for which sums and evidence of ended rounds are kept; for good when absent:
# retention_days = 90

# text or json:
# log_format = \"text\"
"
    )
}
