//! Several replicas of one node over one PostgreSQL, of which any may die; and submissions that
//! break off.
//!
//! The replicas need a server: `tests/postgres.sh cargo test -p haima-smpc-node --test replicas`.

mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::seal::{CHUNK, HEAD};
use haima_smpc_node::client::{NodeClient, Outcome};
use haima_smpc_node::header::SignedHeader;
use haima_smpc_node::manifest::Party;
use haima_smpc_node::proto;
use haima_smpc_node::spec::{BlockSpec, Hiding, RoundSpec, ShareSpec};
use haima_smpc_node::unix_millis;
use tokio::net::{TcpListener, TcpStream};
use world::World;

/// A vector of two chunks.
const LONG: u32 = 140_000;

fn long(world: &World) -> RoundSpec {
    let spec = world.spec("exact", 1);
    let nodes = world.manifest.nodes.len();
    RoundSpec {
        blocks: vec![BlockSpec { len: LONG, frac_bits: 0 }],
        hiding: Hiding::Shares(ShareSpec::new(LONG as usize, spec.bound, nodes).unwrap()),
        ..spec
    }
}

/// A share of several chunks goes on where it broke off, also after the node has died; the sum is
/// right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submission_that_breaks_off_goes_on_from_the_last_durable_chunk() {
    let mut world = World::running(2).await;
    let spec = long(&world);
    world.open(&spec).await;
    let mut values = vec![0; LONG as usize];
    (values[0], values[LONG as usize - 1]) = (5, -3);
    let made = world.make(0, &spec, &values);
    let signed = SignedHeader::sign(&made.header, &world.sites[0].identity);
    let (head, body) = made.sealed[0].split_at(HEAD);
    assert!(body.len() > CHUNK && body.len() < 2 * CHUNK);

    let client = world.node_as(0, &world.sites[0]);
    assert_eq!(client.progress(&signed).await.unwrap(), 0);
    // The first chunk, then the line is dead.
    let opening = proto::submit_part::Part::Header(proto::SubmitHeader {
        header: signed.bytes.clone(),
        signature: signed.signature.as_bytes().to_vec(),
        public_share: made.public.clone(),
        seal: head.to_vec(),
        first: 0,
    });
    let chunk = proto::submit_part::Part::Chunk(Bytes::copy_from_slice(&body[..CHUNK]));
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    for part in [opening, chunk] {
        sender.send(proto::SubmitPart { part: Some(part) }).await.unwrap();
    }
    let party = world.manifest.nodes[0].clone();
    let pin = world.manifest.pins()["node-1"];
    let tls = &world.sites[0].tls;
    let channel = haima_smpc_node::tls::channel("node-1", &party.address, pin, tls).unwrap();
    let mut raw = proto::node_client::NodeClient::new(channel);
    let call = tokio::spawn(async move {
        raw.submit(tokio_stream::wrappers::ReceiverStream::new(receiver)).await
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    call.abort();
    drop(sender);
    for _ in 0..100 {
        if client.progress(&signed).await.unwrap() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(client.progress(&signed).await.unwrap(), 1);
    world.crash(0).await;
    world.start(0).await;
    world.settle().await;
    let client = world.node_as(0, &world.sites[0]);
    assert_eq!(client.progress(&signed).await.unwrap(), 1, "it was durable");
    // From beyond what is there: refused.
    let beyond = proto::submit_part::Part::Header(proto::SubmitHeader {
        header: signed.bytes.clone(),
        signature: signed.signature.as_bytes().to_vec(),
        public_share: made.public.clone(),
        seal: head.to_vec(),
        first: 2,
    });
    let channel = haima_smpc_node::tls::channel("node-1", &party.address, pin, &world.sites[0].tls);
    let mut raw = proto::node_client::NodeClient::new(channel.unwrap());
    let parts = tokio_stream::iter([proto::SubmitPart { part: Some(beyond) }]);
    let refused = raw.submit(parts).await.unwrap_err();
    assert!(refused.message().contains("1 are here"), "{refused}");

    world.submit_made(0, &made).await;
    for site in 1..4 {
        world.submit(site, &spec, &values).await;
    }
    let sum = world.bundle(&spec).await.verify(&world.manifest).unwrap();
    assert_eq!((sum.integers[0], sum.integers[LONG as usize - 1]), (20, -12));
}

/// Forwards connections to the first replica that answers, as a load balancer does.
async fn balance(listener: TcpListener, backends: Arc<Mutex<Vec<String>>>) {
    loop {
        let (mut from, _) = listener.accept().await.unwrap();
        let backends = backends.lock().unwrap().clone();
        tokio::spawn(async move {
            for backend in backends {
                if let Ok(mut to) = TcpStream::connect(&backend).await {
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                    return;
                }
            }
        });
    }
}

/// A database of its own on the server that the environment names, if it does: its URL, and what
/// drops it.
async fn database() -> Option<(String, sqlx::AnyPool, String)> {
    let Ok(server) = std::env::var("HAIMA_TEST_POSTGRES") else {
        println!("POSTGRES absent: HAIMA_TEST_POSTGRES names no server");
        return None;
    };
    sqlx::any::install_default_drivers();
    let name = format!("haima_test_{:016x}", rand::random::<u64>());
    let admin = sqlx::AnyPool::connect(&server).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    sqlx::query(sqlx::AssertSqlSafe(create)).execute(&admin).await.unwrap();
    let (base, query) = server.split_once('?').unwrap();
    let url = format!("{}/{name}?{query}", base.rsplit_once('/').unwrap().0);
    Some((url, admin, format!("DROP DATABASE {name} WITH (FORCE)")))
}

/// A replica whose lease another one has taken stops driving: it takes no step while the other holds
/// it, and goes on when that one is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lost_its_lease_takes_no_step() {
    let Some((url, admin, drop)) = database().await else { return };
    let mut world = World::new(2);
    let mut config = world.config(0);
    config.store.clone_from(&url);
    let replica = World::serve(config);
    world.start(1).await;
    let record = loop {
        if let Ok((_, Some(record))) = world.node(0).epoch().await {
            break record;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    world.epoch = Some(record.verify(&world.manifest).unwrap());
    let spec = RoundSpec { deadline_ms: unix_millis() + 25_000, ..world.spec("exact", 1) };
    world.open(&spec).await;
    for site in 0..3 {
        world.submit(site, &spec, &[1, 2, 3, 4]).await;
    }
    // The lease of one that is slow or cut off ends; another replica takes it, and hangs.
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    let take = "UPDATE rounds SET holder = 'another', lease_ms = $1";
    let until = i64::try_from(unix_millis()).unwrap() + 6_000;
    sqlx::query(take).bind(until).execute(&pool).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    world.submit(3, &spec, &[1, 2, 3, 4]).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let states = world.node(0).list(0).await.unwrap();
    assert_eq!(states[0].2, "open", "all have submitted, and another replica drives the round");
    assert_eq!(world.bundle(&spec).await.verify(&world.manifest).unwrap().integers, [4, 8, 12, 16]);
    end(replica).await;
    pool.close().await;
    sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&admin).await.unwrap();
}

/// Two replicas of node 1 take submissions for one round; the one that drives it dies, before the
/// round has closed and after; the other ends it. The sum is that of all sites, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_replica_may_die_and_the_round_goes_on() {
    let Some((url, admin, drop)) = database().await else { return };
    let mut world = World::new(2);
    let addresses = [world::free_address(), world::free_address()];
    let backends = Arc::new(Mutex::new(addresses.to_vec()));
    let listener = TcpListener::bind(&world.manifest.nodes[0].address).await.unwrap();
    tokio::spawn(balance(listener, Arc::clone(&backends)));
    let config = |replica: usize| {
        let mut config = world.config(0);
        config.store.clone_from(&url);
        config.listen = Some(addresses[replica].clone());
        config.journal = world.home(0).join(format!("audit-{replica}.log"));
        config
    };
    let configs = [config(0), config(1)];
    // The first one draws the epoch's keys; replicas mount the same.
    let mut replicas = [Some(World::serve(configs[0].clone())), None];
    world.start(1).await;
    let client_of = |replica: usize| {
        let party =
            Party { address: addresses[replica].clone(), ..world.manifest.nodes[0].clone() };
        NodeClient::new(&party, &world.sites[0].tls).unwrap()
    };
    let ready = async |client: &NodeClient| {
        for _ in 0..500 {
            if let Ok((_, Some(record))) = client.epoch().await {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("a replica has no epoch");
    };
    let record = ready(&client_of(0)).await;
    replicas[1] = Some(World::serve(configs[1].clone()));
    let record_of_other = ready(&client_of(1)).await;
    assert_eq!(record, record_of_other, "one node, one epoch");
    world.epoch = Some(record.verify(&world.manifest).unwrap());

    let mut previous = Digest::default();
    for step in 0..3_u32 {
        // Step 0: nobody dies. Step 1: the driver dies while the round is open. Step 2: after the
        // accepted set was signed, as far as time tells.
        let number = u64::from(step) + 1;
        let spec = RoundSpec { step, plan_index: step, previous, ..world.spec("exact", number) };
        world.open(&spec).await;
        for site in 0..4 {
            let made = world.make(site, &spec, &[1, 2, 3, i64::from(step)]);
            let signed = SignedHeader::sign(&made.header, &world.sites[site].identity);
            // To either replica in turn, as a balancer might.
            let there = backends.lock().unwrap().clone();
            let party = Party {
                address: there[site % there.len()].clone(),
                ..world.manifest.nodes[0].clone()
            };
            let client = NodeClient::new(&party, &world.sites[site].tls).unwrap();
            if site == 3 && step == 1 {
                end(replicas[0].take().unwrap()).await;
                backends.lock().unwrap().remove(0);
            }
            client.submit(&signed, &made.public, &made.sealed[0]).await.unwrap();
            world.submit_to(1, site, &made).await.unwrap();
            if site == 3 && step == 1 {
                // Its successor: another process, the same node. A balancer sends nobody to it
                // before it answers.
                replicas[0] = Some(World::serve(configs[0].clone()));
                assert_eq!(ready(&client_of(0)).await, record, "the same epoch");
                backends.lock().unwrap().push(addresses[0].clone());
            }
        }
        if step == 2 {
            end(replicas[1].take().unwrap()).await;
            backends.lock().unwrap().retain(|address| *address != addresses[1]);
        }
        let bundle = world.bundle(&spec).await;
        let sum = bundle.verify(&world.manifest).unwrap();
        assert_eq!(sum.integers, [4, 8, 12, 4 * i128::from(step)]);
        previous = haima_smpc_node::bundle::release_digest(&bundle);
        // The same answer again, from whoever is there.
        let again = world.node(0).release(&spec.digest(), Duration::from_secs(2), 1 << 20).await;
        match again.unwrap() {
            Outcome::Released(answer) => assert_eq!(answer.part, bundle.parts[0]),
            other => panic!("{other:?}"),
        }
    }
    for replica in replicas.into_iter().flatten() {
        end(replica).await;
    }
    sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&admin).await.unwrap();
}

/// Ends a service at once, as a crash would.
async fn end((stop, handle): world::Service) {
    let _ = stop.send(());
    tokio::task::spawn_blocking(move || handle.join().unwrap()).await.unwrap();
}
