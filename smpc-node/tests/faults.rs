//! What fails around a node: the line to another node, its disk, a clock, a caller that is slow or
//! not who it seems.

mod processes;
mod world;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use haima_smpc_node::client::{CHUNK, Outcome};
use haima_smpc_node::header::SignedHeader;
use haima_smpc_node::spec::{Hiding, ShareSpec};
use haima_smpc_node::{proto, unix_millis};
use processes::{end, open, settle, submit};
use tokio::net::{TcpListener, TcpStream};
use world::World;

const SUM: [i128; 4] = [4, 8, 12, 16];

/// Passes bytes on to an address until it is cut: then it takes no connection and passes nothing on.
async fn relay(to: String, cut: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (to, cut) = (to.clone(), Arc::clone(&cut));
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(&to).await else { return };
                let cutting = async {
                    while !cut.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = cutting => {}
                }
            });
        }
    });
    address
}

/// Two nodes that reach each other over relays; everyone else goes around them.
async fn apart() -> (World, Arc<AtomicBool>) {
    let mut world = World::new(2);
    let cut = Arc::new(AtomicBool::new(false));
    let mut direct = vec![];
    for node in &mut world.manifest.nodes {
        direct.push(node.address.clone());
        node.address = relay(node.address.clone(), Arc::clone(&cut)).await;
    }
    world.direct = Some(direct);
    world.manifest.grace_ms = 1_500;
    world.manifest = world.manifest.clone().checked().unwrap();
    for node in 0..2 {
        world.start(node).await;
    }
    world.settle().await;
    (world, cut)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_heals_in_time_delays_a_round_and_a_longer_one_fails_it_everywhere() {
    let (world, cut) = apart().await;
    let spec = world.spec("exact", 1);
    world.open(&spec).await;
    cut.store(true, Ordering::Relaxed);
    for site in 0..4 {
        world.submit(site, &spec, &[1, 2, 3, 4]).await;
    }
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    for node in 0..2 {
        let round = haima_crypto::encode::Canonical::digest(&spec);
        let state = world.node(node).release(&round, Duration::ZERO, 1 << 20).await.unwrap();
        assert!(matches!(state, Outcome::Pending(4)), "{state:?}");
    }
    cut.store(false, Ordering::Relaxed);
    assert_eq!(world.bundle(&spec).await.verify(&world.manifest).unwrap().integers, SUM);

    let mut spec = world.spec("exact", 2);
    (spec.run, spec.deadline_ms) = (2, unix_millis() + 1_000);
    world.open(&spec).await;
    cut.store(true, Ordering::Relaxed);
    for site in 0..4 {
        world.submit(site, &spec, &[1, 2, 3, 4]).await;
    }
    let reasons = [world.failure(0, &spec).await, world.failure(1, &spec).await];
    for reason in reasons {
        assert!(reason.contains("did not come back") || reason.contains("gave"), "{reason}");
    }
    // And the next one is a round like any other.
    cut.store(false, Ordering::Relaxed);
    let mut spec = world.spec("exact", 3);
    spec.run = 3;
    world.open(&spec).await;
    for site in 0..4 {
        world.submit(site, &spec, &[1, 2, 3, 4]).await;
    }
    assert_eq!(world.bundle(&spec).await.verify(&world.manifest).unwrap().integers, SUM);
}

/// A node whose disk is full takes nothing in and says so; with room again it works, and what it
/// acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_loses_nothing() {
    let mut world = World::new(2);
    let mut nodes = processes::Processes::of(&world, "");
    nodes.start(1, None);
    // No file of the first may grow over 1 MiB: writes beyond fail as on a full disk.
    let home = world.home(0);
    let log = std::fs::File::create(home.join("log")).unwrap();
    let limited = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" run --config \"$1\"";
    let mut small = Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_smpc-node")])
        .arg(home.join("node.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    settle(&mut world).await;
    let mut spec = world.spec("exact", 1);
    let len = 100_000;
    spec.blocks[0].len = len;
    spec.hiding = Hiding::Shares(ShareSpec::new(len as usize, spec.bound, 2).unwrap());
    spec.deadline_ms = unix_millis() + 25_000;
    open(&world, &spec).await;
    let values = vec![1; len as usize];
    let made: Vec<_> = (0..3).map(|site| world.make(site, &spec, &values)).collect();
    let (mut taken, mut refused) = (0, 0);
    for (site, made) in made.iter().enumerate() {
        match world.submit_to(0, site, made).await {
            Ok(()) => taken += 1,
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("operator finds the reason"), "{error}");
            }
        }
    }
    assert!(refused >= 1, "{refused} refused");
    assert!(small.try_wait().unwrap().is_none(), "it lives on");
    small.kill().unwrap();
    small.wait().unwrap();
    let log = std::fs::read_to_string(home.join("log")).unwrap();
    assert!(log.contains("full") || log.contains("disk I/O"), "{log}");

    nodes.start(0, None);
    // What it acknowledged is there before anybody sends again.
    let round = haima_crypto::encode::Canonical::digest(&spec);
    let client = world.node(0);
    let held = processes::until("release", || client.release(&round, Duration::ZERO, 1 << 21));
    let held = held.await.unwrap();
    assert!(matches!(held, Outcome::Pending(held) if held >= taken), "{held:?}, {taken} taken");
    for (site, made) in made.iter().enumerate() {
        assert!(submit(&world, site, made).await, "site {site}");
    }
    let bundle = end(&world, &spec).await.unwrap();
    assert_eq!(bundle.verify(&world.manifest).unwrap().integers, vec![3; len as usize]);
}

/// A party whose clock is a day off is told so, and opens nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_a_day_off_is_named() {
    const DAY: u64 = 86_400_000;
    let world = World::running(2).await;
    for now in [unix_millis() - DAY, unix_millis() + DAY] {
        let error = world.node(0).check_status(&world.manifest.digest(), now).await.unwrap_err();
        assert!(error.to_string().contains("s off; set the clocks"), "{error}");
        let mut spec = world.spec("exact", 1);
        spec.deadline_ms = now + 10_000;
        let error = world.open_at(0, &spec).await.unwrap_err().to_string();
        assert!(error.contains("by this node's clock"), "{error}");
    }
    assert_eq!(world.node(0).list(0).await.unwrap(), []);
}

/// Who stole a site's certificate has not its identity key; who has its own may not use another's
/// name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_alone_or_another_name_is_refused() {
    let world = World::running(2).await;
    let spec = world.spec("exact", 1);
    world.open(&spec).await;
    let made = world.make(0, &spec, &[1, 2, 3, 4]);
    let by = |header: usize, caller: usize| {
        let signed = SignedHeader::sign(&made.header, &world.sites[header].identity);
        let client = world.node_as(0, &world.sites[caller]);
        let (public, sealed) = (made.public.clone(), made.sealed[0].clone());
        async move { client.submit(&signed, &public, &sealed).await }
    };
    for (header, caller, what) in [(1, 0, "signature"), (0, 1, "site"), (1, 1, "site")] {
        let error = by(header, caller).await.unwrap_err().to_string();
        assert!(error.contains("refused") && error.contains(what), "{error}");
    }
    by(0, 0).await.unwrap();
}

/// A sender that stops in the middle is let go after 30 seconds, and holds nobody up meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_stops_is_let_go() {
    let mut world = World::running(2).await;
    world.manifest.round_ms = 30_000;
    let spec = world.spec("exact", 1);
    world.open(&spec).await;
    let made = world.make(3, &spec, &[1, 2, 3, 4]);
    let mut node = world.raw(0, 3);
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    sender.send(world.opening(0, 3, &made)).await.unwrap();
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let started = Instant::now();
    let stalled = tokio::spawn(async move { node.submit(stream).await.unwrap_err() });
    for site in 0..3 {
        world.submit(site, &spec, &[1, 2, 3, 4]).await;
    }
    let sum = world.bundle(&spec).await.verify(&world.manifest).unwrap();
    assert_eq!(sum.integers, [3, 6, 9, 12]);
    let error = stalled.await.unwrap();
    assert!(error.message().contains("no chunk for 30 seconds"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(40));
    drop(sender);
}

/// Chunks in another order, one twice, or one too few: refused by name, and the right ones are
/// taken afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reordered_repeated_and_truncated_chunks_are_refused() {
    let world = World::running(2).await;
    let mut spec = world.spec("exact", 1);
    let len = 140_000;
    spec.blocks[0].len = len;
    spec.hiding = Hiding::Shares(ShareSpec::new(len as usize, spec.bound, 2).unwrap());
    world.open(&spec).await;
    let made = world.make(0, &spec, &vec![1; len as usize]);
    let body = &made.sealed[0][haima_crypto::seal::HEAD..];
    let chunks: Vec<&[u8]> = body.chunks(CHUNK).collect();
    let send = |order: Vec<usize>| {
        let chunks = order.into_iter().map(|at| {
            let chunk = proto::submit_part::Part::Chunk(chunks[at].to_vec().into());
            proto::SubmitPart { part: Some(chunk) }
        });
        let parts: Vec<_> = std::iter::once(world.opening(0, 0, &made)).chain(chunks).collect();
        let mut node = world.raw(0, 0);
        async move { node.submit(tokio_stream::iter(parts)).await }
    };
    for order in [vec![1, 0], vec![0, 0], vec![0], vec![], vec![0, 1, 1]] {
        let error = send(order.clone()).await.unwrap_err();
        assert!(error.message().contains("refused"), "{order:?}: {error}");
    }
    send(vec![0, 1]).await.unwrap();
    // The same once more is no error.
    send(vec![0, 1]).await.unwrap();
}
