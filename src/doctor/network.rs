//! Names, addresses and peers: what a party reaches of the others, each within a bounded time and all
//! at once. Whom this party connects to it asks for nothing that changes anything.

use std::io::ErrorKind;
use std::time::Duration;

use haima_crypto::encode::{Digest, from_hex};
use haima_smpc_node::client::{NodeClient, call_error};
use haima_smpc_node::manifest::{Manifest, Party};
use haima_smpc_node::tls::{self, TlsIdentity};
use haima_smpc_node::{Error as NodeError, unix_millis};
use tokio::time::timeout;

use super::Check;
use crate::Error;
use crate::proto;
use crate::proto::coordinator_client::CoordinatorClient;
use crate::proto::fetch_request::What;

/// Longest time for a name.
const LOOK_UP: Duration = Duration::from_secs(5);
/// Longest time for a call, connection and handshake included.
const CALL: Duration = Duration::from_secs(12);

/// Whether a party can listen at its own address; lets go of it at once.
pub(super) async fn listens(address: &str) -> Check {
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => Check::ok("address", &format!("{address} is this machine's, and free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let by = "taken; by this party, if it runs, else end what holds it";
            Check::warn("address", &format!("{address} is {by}"))
        }
        Err(error) => {
            let remedy = "the manifest's address has to be one of this machine";
            Check::fail("address", &format!("{address}: {error}; {remedy}"))
        }
    }
}

/// Asks every node for its status.
pub(super) async fn nodes(manifest: &Manifest, tls: &TlsIdentity, proxied: bool) -> Vec<Check> {
    let digest = manifest.digest();
    let mut asked = Vec::with_capacity(manifest.nodes.len());
    for node in &manifest.nodes {
        let what = format!("node {}", node.name);
        match NodeClient::new(node, tls) {
            Err(error) => asked.push((what, Err(Error::from(error)))),
            Ok(client) => {
                let address = node.address.clone();
                asked.push((what, Ok(tokio::spawn(node_status(client, address, digest, proxied)))));
            }
        }
    }
    let mut checks = Vec::with_capacity(asked.len());
    for (what, answer) in asked {
        checks.push(match answer {
            Err(error) => Check::of(&what, Err(error), "the manifest has to be amended"),
            Ok(answer) => match answer.await {
                Ok(found) => told(&what, found),
                Err(error) => Check::warn(&what, &format!("not asked: {error}; run this again")),
            },
        });
    }
    checks
}

async fn node_status(
    client: NodeClient,
    address: String,
    manifest: Digest,
    proxied: bool,
) -> Result<String, Fault> {
    resolves(&address, proxied).await?;
    let status = timeout(CALL, client.check_status(&manifest, unix_millis())).await;
    status.map_err(|_| Fault::late())?.map_err(Fault::Node)?;
    Ok("reached by its pinned key; it has the same manifest, and its clock agrees".into())
}

/// Asks the coordinator for a query that there is not: who is answered was let in.
pub(super) async fn coordinator(manifest: &Manifest, tls: &TlsIdentity, proxied: bool) -> Check {
    let what = "coordinator";
    match timeout(CALL, ask(&manifest.coordinator, tls, proxied)).await {
        Ok(found) => told(what, found),
        Err(_) => told(what, Err(Fault::late())),
    }
}

async fn ask(party: &Party, tls: &TlsIdentity, proxied: bool) -> Result<String, Fault> {
    resolves(&party.address, proxied).await?;
    let pin = from_hex(&party.tls).map_err(|e| Fault::Node(e.into()))?;
    let channel = tls::channel(&party.name, &party.address, Digest::from_bytes(pin), tls);
    let mut client = CoordinatorClient::new(channel.map_err(Fault::Node)?);
    let nothing = proto::FetchRequest { what: What::Query.into(), ..Default::default() };
    match client.fetch(nothing).await {
        Err(status) if status.code() != tonic::Code::NotFound => {
            Err(Fault::Node(call_error(&party.name, &party.address, &status)))
        }
        _ => Ok("reached by its pinned key, and this party was let in".into()),
    }
}

/// What keeps this party from another.
#[derive(Debug)]
enum Fault {
    /// Its name has no address.
    Name(String),
    Node(NodeError),
}

impl Fault {
    fn late() -> Self {
        Self::Node(NodeError::NotReady {
            party: "it".into(),
            reason: format!("no answer in {} s", CALL.as_secs()),
        })
    }
}

fn told(what: &str, found: Result<String, Fault>) -> Check {
    match found {
        Ok(finding) => Check::ok(what, &finding),
        Err(Fault::Name(problem)) => {
            let remedy = "check the network's name service, or have the manifest's address amended";
            Check::fail(what, &format!("{problem}; {remedy}"))
        }
        // Somebody has to be first.
        Err(Fault::Node(error @ (NodeError::Unreachable { .. } | NodeError::NotReady { .. }))) => {
            let remedy = "it may not run yet; else check its address, this network's firewall and \
                          `proxy` with its operator";
            Check::warn(what, &format!("{error}; {remedy}"))
        }
        Err(Fault::Node(error)) => {
            Check::fail(what, &format!("{error}; settle it with its operator"))
        }
    }
}

/// Whether an address has a host that this machine knows; behind a proxy that is the proxy's matter.
async fn resolves(address: &str, proxied: bool) -> Result<(), Fault> {
    if proxied {
        return Ok(());
    }
    match timeout(LOOK_UP, tokio::net::lookup_host(address)).await {
        Ok(Ok(mut found)) => match found.next() {
            Some(_) => Ok(()),
            None => Err(Fault::Name(format!("{address}: the name has no address"))),
        },
        Ok(Err(error)) => Err(Fault::Name(format!("{address}: {error}"))),
        Err(_) => {
            Err(Fault::Name(format!("{address}: no name service in {} s", LOOK_UP.as_secs())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[tokio::test]
    async fn an_address_that_is_taken_is_told_from_one_of_another_machine() {
        let holder = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = holder.local_addr().unwrap().to_string();
        assert_eq!(listens(&address).await.level, Level::Warn);
        drop(holder);
        assert_eq!(listens(&address).await.level, Level::Ok);
        let elsewhere = listens("192.0.2.1:1").await;
        assert!(elsewhere.level == Level::Fail && elsewhere.finding.contains("192.0.2.1"));
    }

    #[tokio::test]
    async fn a_name_without_an_address_fails_and_is_the_proxys_matter_behind_one() {
        let name = "party.haima.invalid:7443";
        let fault = resolves(name, false).await.unwrap_err();
        let check = told("coordinator", Err(fault));
        assert!(check.level == Level::Fail && check.finding.contains(name), "{check}");
        assert!(resolves(name, true).await.is_ok());
    }

    #[test]
    fn a_party_that_is_away_is_a_warning_and_one_that_refuses_a_failure() {
        let refused = NodeError::Refused {
            party: "centre".into(),
            message: "the site holds another manifest".into(),
            for_now: false,
        };
        assert_eq!(told("coordinator", Err(Fault::Node(refused))).level, Level::Fail);
        assert_eq!(told("coordinator", Err(Fault::late())).level, Level::Warn);
    }
}
