//! `haima dashboard`: how a study's nodes are, for whoever runs one.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use haima_smpc_node::server::Config as NodeConfig;
use haima_smpc_node::study::Study;
use haima_smpc_node::tls::TlsIdentity;

use super::{log_to_stderr, page};
use crate::Error;
use crate::web::dashboard::{self, Options};

/// Options of `haima dashboard`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whose").required(true).args(["config", "keys"]))]
pub(super) struct Dashboard {
    /// Configuration file (TOML) of the node on this machine: shows its checks and refusals too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder with the keys of any party of the study, as `haima keygen` made it: tls.crt, tls.key.
    #[arg(long, value_name = "FOLDER", requires = "manifest")]
    keys: Option<PathBuf>,
    /// The study's manifest, with manifest.sig beside it; the node's own where --config names it.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// A node that is asked, by name or address in the manifest, or NAME=HOST:PORT where it is reached
    /// elsewhere; again for each. All where absent.
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,
    /// HTTP proxy, `host:port`, through which the nodes are reached.
    #[arg(long, value_name = "HOST:PORT")]
    proxy: Option<String>,
    /// Loopback address at which the page is served.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8460")]
    page: SocketAddr,
    #[command(flatten)]
    secured: page::Secured,
}

/// Serves the page until it is interrupted.
pub(super) fn run(options: &Dashboard) -> Result<(), Error> {
    log_to_stderr();
    let own = match &options.config {
        Some(path) => Some(NodeConfig::layered(path, environment(), &[])?),
        None => None,
    };
    let (tls, manifest, folder) = match (&own, &options.keys) {
        (Some(own), _) => {
            let folder = own.tls_key.parent().map(PathBuf::from).unwrap_or_default();
            (own.tls()?, &own.manifest, folder)
        }
        (None, keys) => {
            // The group of arguments has one of both, and --keys brings --manifest.
            let missing = |what: &str| Error::Config {
                file: what.to_owned(),
                problem: "give it, or the node's own --config".into(),
            };
            let keys = keys.as_ref().ok_or_else(|| missing("--keys"))?;
            let manifest = options.manifest.as_ref().ok_or_else(|| missing("--manifest"))?;
            let tls = TlsIdentity::read(&keys.join("tls.crt"), &keys.join("tls.key"))?;
            (tls.through(options.proxy.as_deref())?, manifest, keys.clone())
        }
    };
    let manifest = options.manifest.as_ref().unwrap_or(manifest);
    let manifest = Study::read(manifest)?.manifest();
    let (listener, door) = page::open(options.page, &folder, Vec::new(), &options.secured)?;
    let nodes = options.nodes.clone();
    page::serve(listener, || dashboard::pages(Options { manifest, tls, nodes, own }, door))
}

/// The environment, but for what is no text: settings of a node are.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
