//! What a node bears: strange versions and fields, random bytes at every call, idle sockets,
//! callers that do not read, a proxy on the way.

mod wild;
mod world;

use std::sync::Arc;
use std::time::Duration;

use haima_crypto::encode::{Canonical as _, Digest, from_hex};
use haima_smpc_node::client::NodeClient;
use haima_smpc_node::manifest::Party;
use haima_smpc_node::{Error, PROTOCOL, proto, tls, unix_millis};
use prost::Message as _;
use prost::bytes::Bytes;
use rand::Rng as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wild::{call, calls, random_message};
use world::{Keys, World};

fn link(world: &World, node: usize, keys: &Keys) -> tls::Link {
    let party = &world.manifest.nodes[node];
    let pin = Digest::from_bytes(from_hex(&party.tls).unwrap());
    tls::channel(&party.name, &party.address, pin, &keys.tls).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_or_an_unknown_field_is_refused_with_both_versions() {
    let world = World::running(2).await;
    let link = link(&world, 0, &world.sites[0]);
    let status = "/haima.node.v1.Node/Status";
    let answer = call(&link, status, None, Bytes::new()).await.unwrap();
    assert_eq!(proto::StatusReply::decode(answer).unwrap().protocol, PROTOCOL);
    let error = call(&link, status, Some("3, 4"), Bytes::new()).await.unwrap_err();
    let text = error.message();
    assert!(text.contains(&PROTOCOL.to_string()) && text.contains("3, 4"), "{text}");
    // Field 15.
    let error = call(&link, status, None, Bytes::from_static(&[0x78, 1])).await.unwrap_err();
    assert!(error.message().contains("does not know"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_are_listed_health_is_told_and_the_service_describes_itself() {
    let world = World::running(2).await;
    let spec = world.spec("exact", 7);
    world.open(&spec).await;
    let site = world.node_as(0, &world.sites[0]);
    assert_eq!(site.list(0).await.unwrap(), [(7, spec.digest(), "open".to_owned())]);
    assert_eq!(site.list(7).await.unwrap(), []);
    assert_eq!(site.list(u64::MAX).await.unwrap(), []);
    let link = link(&world, 0, &world.sites[0]);
    let mut health = tonic_health::pb::health_client::HealthClient::new(link.clone());
    let service = "haima.node.v1.Node".to_owned();
    let answer = health.check(tonic_health::pb::HealthCheckRequest { service }).await.unwrap();
    assert_eq!(answer.into_inner().status, 1);
    // `list_services`, field 7 of the reflection request.
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let answer = call(&link, path, None, Bytes::from_static(&[0x3a, 1, b'*'])).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("haima.node.v1.Node"));
}

/// At every call, as a site, as the coordinator and as a node: refused or answered, and a round
/// runs afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_at_every_call_change_nothing() {
    const EACH: usize = 10_000;
    const AT_A_TIME: usize = 50;
    let world = World::running(2).await;
    let home = world.folder.path().join("node-2");
    let node_tls = tls::TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
    let node = Keys {
        identity: haima_crypto::identity::IdentityKey::from_secret(&[1; 32]),
        tls: node_tls,
    };
    let links: Arc<Vec<tls::Link>> = Arc::new(vec![
        link(&world, 0, &world.coordinator),
        link(&world, 0, &world.sites[0]),
        link(&world, 0, &node),
    ]);
    let mut answered = 0;
    for path in calls(proto::DESCRIPTION) {
        let mut calling = tokio::task::JoinSet::new();
        for worker in 0..AT_A_TIME {
            let (links, path) = (Arc::clone(&links), path.clone());
            calling.spawn(async move {
                let mut answered = 0;
                for i in 0..EACH / AT_A_TIME {
                    let message = random_message(&mut rand::rng());
                    match call(&links[(worker + i) % links.len()], &path, None, message).await {
                        Ok(_) => answered += 1,
                        Err(status) => assert!(
                            !matches!(
                                status.code(),
                                tonic::Code::Internal if !status.message().contains("decode")
                            ),
                            "{path}: {status:?}"
                        ),
                    }
                }
                answered
            });
        }
        while let Some(done) = calling.join_next().await {
            answered += done.unwrap();
        }
    }
    println!("{answered} of random messages were answered");
    let spec = world.spec("exact", 1);
    world.open(&spec).await;
    for site in 0..4 {
        world.submit(site, &spec, &[1, 2, 3, 4]).await;
    }
    let sum = world.bundle(&spec).await.verify(&world.manifest).unwrap();
    assert_eq!(sum.integers, [4, 8, 12, 16]);
}

/// Bytes that are no TLS, and TLS that is no HTTP/2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_on_the_line_change_nothing() {
    let world = World::running(2).await;
    let address = &world.manifest.nodes[0].address;
    for _ in 0..300 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let mut bytes = vec![0; 500];
        rand::rng().fill_bytes(&mut bytes);
        // A record header of TLS before half of them.
        if bytes[0] < 128 {
            bytes[..5].copy_from_slice(&[0x16, 3, 1, 1, 0]);
        }
        let _ = socket.write_all(&bytes).await;
    }
    assert!(world.node(0).check_status(&world.manifest.digest(), unix_millis()).await.is_ok());
}

/// Sockets that are opened and left: a party of the study comes in all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_sockets_keep_nobody_out() {
    let world = World::running(2).await;
    let address = &world.manifest.nodes[0].address;
    let mut idle = vec![];
    for _ in 0..300 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let asked = std::time::Instant::now();
    assert!(world.node(0).check_status(&world.manifest.digest(), unix_millis()).await.is_ok());
    assert!(asked.elapsed() < Duration::from_secs(5), "it had to wait for idle sockets");
}

/// One party cannot take all connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_has_no_more_than_its_connections() {
    let world = World::running(2).await;
    let (mut open, mut refused) = (vec![], 0);
    for _ in 0..16 {
        let client = world.node_as(0, &world.sites[0]);
        match client.list(0).await {
            Ok(_) => open.push(client),
            Err(_) => refused += 1,
        }
    }
    assert!(open.len() <= 8 && refused >= 8, "{} open, {refused} refused", open.len());
    assert!(world.node_as(0, &world.sites[1]).list(0).await.is_ok(), "another party comes in");
}

/// An address that takes connections and says nothing is given up in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_says_nothing_is_given_up() {
    let world = World::new(2);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let party = Party { address, ..world.manifest.nodes[0].clone() };
    let client = NodeClient::new(&party, &world.coordinator.tls).unwrap();
    let asked = std::time::Instant::now();
    let error = client.list(0).await.unwrap_err().to_string();
    assert!(asked.elapsed() < Duration::from_secs(15), "{error}");
}

/// A node that is known by a name only a proxy resolves is reached through it; the proxy sees that
/// name, and TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_is_gone_through() {
    let world = World::running(2).await;
    let to = world.manifest.nodes[0].address.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap().to_string();
    let (tell, mut asked) = tokio::sync::mpsc::channel(10);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (tell, to) = (tell.clone(), to.clone());
            tokio::spawn(async move {
                let mut client = tokio::io::BufReader::new(socket);
                let mut first = String::new();
                client.read_line(&mut first).await.unwrap();
                let mut line = String::new();
                while line != "\r\n" {
                    line.clear();
                    client.read_line(&mut line).await.unwrap();
                }
                let refuse = first.contains("forbidden");
                tell.send(first).await.unwrap();
                if refuse {
                    client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
                    return;
                }
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut server = TcpStream::connect(&to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let home = world.folder.path().join("site-a");
    let behind = || {
        let tls = tls::TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
        tls.through(Some(&proxy)).unwrap()
    };
    let known_as =
        |address: &str| Party { address: address.into(), ..world.manifest.nodes[0].clone() };
    let client = NodeClient::new(&known_as("node-1.haima.example:8443"), &behind()).unwrap();
    client.check_status(&world.manifest.digest(), unix_millis()).await.unwrap();
    let line = asked.recv().await.unwrap();
    assert!(line.starts_with("CONNECT node-1.haima.example:8443 HTTP/1.1"), "{line}");
    let client = NodeClient::new(&known_as("forbidden.example:8443"), &behind()).unwrap();
    let error = client.list(0).await.unwrap_err().to_string();
    assert!(error.contains(&proxy), "{error}");
    // This machine needs no proxy.
    assert!(NodeClient::new(&world.manifest.nodes[0], &behind()).unwrap().list(0).await.is_ok());
    for wrong in ["nonsense", "", "http://x"] {
        let tls = tls::TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
        assert!(tls.through(Some(wrong)).is_err(), "{wrong}");
    }
}

/// A key that the manifest does not pin gets no connection, whatever name its certificate bears.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_impostor_with_the_coordinators_name_is_not_heard() {
    let world = World::running(2).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (impostor, _) = world::keys(elsewhere.path(), "coordinator");
    let error = world
        .node_as(0, &impostor)
        .check_status(&world.manifest.digest(), unix_millis())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    // And a node whose key is not the pinned one is not talked to.
    let mut other = world.manifest.nodes[0].clone();
    other.tls = world.manifest.nodes[1].tls.clone();
    let client = NodeClient::new(&other, &world.coordinator.tls).unwrap();
    let error = client.check_status(&world.manifest.digest(), unix_millis()).await.unwrap_err();
    assert!(error.to_string().contains("node-1"), "{error}");
}

/// Garbage at every door: the node answers with errors and lives on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_at_every_endpoint_are_errors() {
    let world = World::running(2).await;
    let address = &world.manifest.nodes[0].address;
    for _ in 0..50 {
        let mut bytes = [0; 300];
        rand::rng().fill_bytes(&mut bytes);
        let mut raw = TcpStream::connect(address).await.unwrap();
        let _ = raw.write_all(&bytes).await;
    }
    let pin = world.manifest.pins()["node-1"];
    let home = world.home(1);
    let of_node = tls::TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
    let others = world.sites.iter().chain([&world.coordinator]).map(|keys| &keys.tls);
    for tls in others.chain([&of_node]) {
        let node = std::ptr::eq(tls, &of_node);
        let channel = tls::channel("node-1", address, pin, tls).unwrap();
        let mut client = proto::node_client::NodeClient::new(channel);
        for length in 0..100 {
            let mut bytes = vec![0; length * 3];
            rand::rng().fill_bytes(&mut bytes);
            let random = || bytes.clone();
            let open = proto::OpenRequest { spec: random(), signature: random() };
            assert!(client.open(open).await.is_err());
            let part = proto::submit_part::Part::Header(proto::SubmitHeader {
                header: random(),
                signature: random(),
                public_share: random(),
                seal: random(),
                first: u32::try_from(length).unwrap(),
            });
            let stream = tokio_stream::iter(vec![proto::SubmitPart { part: Some(part) }]);
            assert!(client.submit(stream).await.is_err());
            let exchange = proto::ExchangeRequest { round: random(), have: 1, wait_ms: u32::MAX };
            assert!(client.exchange(exchange).await.is_err());
            let release = proto::ReleaseRequest { round: random(), wait_ms: u32::MAX };
            assert!(client.release(release).await.is_err());
            let seen = client.seen(proto::SeenRequest {}).await;
            assert_eq!(seen.is_ok(), node, "only nodes may ask");
            let preps = proto::PrepsRequest { round: random(), wait_ms: u32::MAX };
            assert!(client.preps(preps).await.is_err());
            let part = proto::EpochPartRequest { epoch: random() };
            assert!(client.epoch_part(part).await.is_err());
            let progress = proto::ProgressRequest { round: random(), header: random() };
            let _ = client.progress(progress).await;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let rounds = proto::RoundsRequest { task: text, run: 0, step: 0 };
            let _ = client.rounds(rounds).await;
        }
    }
    world.node(0).check_status(&world.manifest.digest(), unix_millis()).await.unwrap();
}
