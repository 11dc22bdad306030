//! A node operator's page: `haima dashboard`. It asks the nodes of a study what any of its parties may
//! ask, by the operator's own key, and changes nothing. The node's program itself serves no page.
//!
//! From afar it shows what the status call tells: protocol, manifest and clock agree, the last rounds
//! and their states, whether the epoch is set up. Of the operator's own node, on its machine, it also
//! reads the configuration: the preflight's checks (keys, store, disk, peers), and refusals and failures
//! with their reasons from the node's journal. No node tells those to others.

mod own;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use haima_smpc_node::manifest::{Manifest, Party};
use haima_smpc_node::server::Config as NodeConfig;
use haima_smpc_node::tls::TlsIdentity;
use haima_smpc_node::unix_millis;
use maud::Markup;

use super::document::{App, Page, Visitor};
use super::form::page_number;
use super::gate::{Door, Gate};
use super::live::Mark;
use super::nodes::Nodes;
use crate::Error;
use own::Own;

/// How often the page is renewed, in milliseconds.
const RENEWED_MS: u64 = 10_000;

/// What a dashboard is made from.
#[derive(Debug)]
pub struct Options {
    /// The study's manifest.
    pub manifest: Arc<Manifest>,
    /// TLS key of a party of it.
    pub tls: TlsIdentity,
    /// Nodes that are asked: a name, an address of the manifest, or `NAME=HOST:PORT`; all where none is
    /// given.
    pub nodes: Vec<String>,
    /// Configuration of the operator's own node, on its machine.
    pub own: Option<NodeConfig>,
}

struct Dashboard {
    app: Arc<App>,
    nodes: Nodes,
    own: Option<Own>,
}

/// A dashboard behind a door.
///
/// # Errors
/// When a node is none of the manifest, or the key cannot be used.
pub fn pages(options: Options, door: Door) -> Result<Router, Error> {
    let Options { manifest, tls, nodes, own } = options;
    let asked = chosen(&manifest, &nodes)?;
    let mut pages = vec![("/", "Nodes"), ("/rounds", "Rounds")];
    if own.is_some() {
        pages.extend([("/checks", "Checks"), ("/refusals", "Refusals")]);
    }
    let whose = match &own {
        Some(own) => format!("node {}, study {}", own.name, manifest.study),
        None => format!("study {}", manifest.study),
    };
    let app = Arc::new(App { what: "nodes", whose, pages });
    let dashboard = Arc::new(Dashboard {
        app: Arc::clone(&app),
        nodes: Nodes::new(&manifest, &tls, &asked)?,
        own: own.map(|config| Own::new(config, Arc::clone(&manifest))),
    });
    // What nodes say has no file: it is asked again.
    let mark: Mark = Arc::new(|| unix_millis() / RENEWED_MS);
    let mut router = Router::new().route("/", get(nodes_now)).route("/rounds", get(rounds));
    if dashboard.own.is_some() {
        router = router.route("/checks", get(checks)).route("/refusals", get(refusals));
    }
    Ok(Gate::close(app, door, mark, router.with_state(dashboard)))
}

/// The nodes of a manifest that were named.
fn chosen(manifest: &Manifest, named: &[String]) -> Result<Vec<Party>, Error> {
    if named.is_empty() {
        return Ok(manifest.nodes.clone());
    }
    let of = |text: &String| {
        let (name, address) = match text.split_once('=') {
            Some((name, address)) => (name, Some(address)),
            None => (text.as_str(), None),
        };
        let is = |node: &&Party| node.name == name || node.address == name;
        let node = manifest.nodes.iter().find(is).cloned().ok_or_else(|| Error::Config {
            file: format!("--node {text}"),
            problem: format!("the manifest has {}", all(manifest)),
        })?;
        Ok::<_, Error>(match address {
            Some(address) => Party { address: address.to_owned(), ..node },
            None => node,
        })
    };
    named.iter().map(of).collect()
}

fn all(manifest: &Manifest) -> String {
    let nodes = manifest.nodes.iter().map(|node| format!("{} ({})", node.name, node.address));
    let nodes: Vec<String> = nodes.collect();
    if nodes.is_empty() {
        "no nodes: it is a study in masked mode".into()
    } else {
        nodes.join(", ")
    }
}

impl Dashboard {
    fn page(&self, visitor: &Visitor, title: &str, here: &str, body: Markup) -> Response {
        let page = Page { app: &self.app, visitor, title, here, live: true, body };
        page.answer_as(StatusCode::OK)
    }
}

async fn nodes_now(
    State(dashboard): State<Arc<Dashboard>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let asked = dashboard.nodes.ask().await;
    dashboard.page(&visitor, "Nodes", "/", views::nodes(&asked, dashboard.own.is_some()))
}

async fn rounds(
    State(dashboard): State<Arc<Dashboard>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let asked = dashboard.nodes.ask().await;
    dashboard.page(&visitor, "Rounds", "/rounds", views::rounds(&asked))
}

async fn checks(
    State(dashboard): State<Arc<Dashboard>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let body = match &dashboard.own {
        Some(own) => views::checks(own.checks().await.as_ref()),
        None => Markup::default(),
    };
    dashboard.page(&visitor, "Checks", "/checks", body)
}

async fn refusals(
    State(dashboard): State<Arc<Dashboard>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Response {
    let body = match &dashboard.own {
        Some(own) => views::refusals(own.troubles().await.as_ref(), page_number(&uri)),
        None => Markup::default(),
    };
    dashboard.page(&visitor, "Refusals", "/refusals", body)
}

#[cfg(test)]
mod tests {
    use haima_smpc_node::masking::Mode;

    use super::*;

    fn manifest() -> Manifest {
        let party = |name: &str| Party {
            name: name.into(),
            operator: name.into(),
            identity: "00".repeat(32),
            tls: "00".repeat(32),
            address: format!("{name}.example:7443"),
        };
        Manifest {
            version: 1,
            study: "test".into(),
            revision: 1,
            amends: None,
            mode: Mode::Nodes,
            masking: None,
            min_sites: 2,
            max_dimension: 10,
            round_ms: 1000,
            grace_ms: 1000,
            tick_ms: 10,
            hospitals_per_patient: 1,
            release_quorum: None,
            plan: "00".repeat(32),
            coordinator: party("centre"),
            nodes: vec![party("north"), party("south")],
            sites: Vec::new(),
            tasks: Vec::new(),
            schema: toml::Table::new(),
        }
    }

    #[test]
    fn nodes_are_named_by_name_or_address_and_may_be_reached_elsewhere() {
        let manifest = manifest();
        let of = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
            let nodes = chosen(&manifest, &named)?;
            Ok::<_, Error>(nodes.into_iter().map(|n| (n.name, n.address)).collect::<Vec<_>>())
        };
        let pair = |name: &str, address: &str| (name.to_owned(), address.to_owned());
        let (north, south) =
            (pair("north", "north.example:7443"), pair("south", "south.example:7443"));
        assert_eq!(of(&[]).unwrap(), [north.clone(), south.clone()]);
        assert_eq!(of(&["south", "north.example:7443"]).unwrap(), [south, north]);
        assert_eq!(of(&["north=127.0.0.1:9"]).unwrap(), [pair("north", "127.0.0.1:9")]);
        let said = of(&["east"]).unwrap_err().to_string();
        assert!(
            said.contains("--node east") && said.contains("north (north.example:7443)"),
            "{said}"
        );
    }
}
