//! What an operator does: init, preflight, run, stop, status, export-log; over the real binary.

mod world;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::World;

fn smpc_node(words: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_smpc-node")).args(words).output().unwrap();
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn configured(world: &World, node: usize, more: &str) -> PathBuf {
    let path = world.home(node).join("node.toml");
    let text = toml::to_string(&world.config(node)).unwrap();
    std::fs::write(&path, format!("{more}{text}")).unwrap();
    path
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(config: &Path) -> Process {
    let log = std::fs::File::create(config.with_file_name("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_smpc-node"));
    command.args(["run", "--config", config.to_str().unwrap()]).env("HAIMA_LOG", "trace");
    Process(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

fn terminate(Process(child): &mut Process) -> Option<i32> {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the node did not stop");
}

#[test]
fn init_makes_a_private_folder_once_and_preflight_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node");
    let out = home.to_str().unwrap();
    let words =
        ["init", "--name", "node-1", "--operator", "North", "--address", "north:1", "--out", out];
    let (done, said) = smpc_node(&words);
    assert!(done && said.contains("preflight"), "{said}");
    for once in ["fingerprint  ", "send request.toml"] {
        assert_eq!(said.matches(once).count(), 1, "{said}");
    }
    // Reading comes before signing.
    let [reading, signing] = ["--keys .\n", "--keys . --sign\n"].map(|end| said.find(end).unwrap());
    assert!(reading < signing, "{said}");
    for file in ["identity.key", "tls.key"] {
        let mode = std::fs::metadata(home.join(file)).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600, "{file}");
    }
    let kept = std::fs::read(home.join("identity.key")).unwrap();
    let (done, said) = smpc_node(&words);
    assert!(!done && said.contains("choose another --out"), "it never overwrites: {said}");
    assert_eq!(std::fs::read(home.join("identity.key")).unwrap(), kept);
    let config = home.join("node.toml");
    let (done, said) = smpc_node(&["preflight", "--config", config.to_str().unwrap()]);
    assert!(!done && said.contains("FAILED   manifest"), "{said}");
    let config = config.to_str().unwrap();
    let (done, said) = smpc_node(&["preflight", "--config", config, "--set", "colour=red"]);
    assert!(!done && said.contains("--set colour=red"), "{said}");
    let (done, said) = smpc_node(&["run", "--config", "nowhere.toml"]);
    assert!(!done && said.contains("nowhere.toml: missing; give --config"), "{said}");
}

/// What all parties would sign is refused before there is anything to send.
#[test]
fn init_refuses_a_name_an_operator_or_an_address_that_is_none_and_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node");
    let out = home.to_str().unwrap();
    for (name, operator, address, setting) in [
        ("Node 1", "North", "north:1", "--name"),
        ("node-1", "", "north:1", "--operator"),
        ("node-1", "North", "", "--address"),
        ("node-1", "North", "127.0.0.1", "--address"),
        ("node-1", "North", "http://127.0.0.1:17443", "--address"),
        ("node-1", "North", "north:99999", "--address"),
    ] {
        let words =
            ["init", "--name", name, "--operator", operator, "--address", address, "--out", out];
        let (done, said) = smpc_node(&words);
        assert!(!done && said.contains(setting) && !said.contains("manifest"), "{said}");
        assert!(!home.exists(), "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preflight_finds_what_would_keep_a_node_from_running() {
    let mut world = World::new(2);
    let config = configured(&world, 0, "");
    let preflight = || smpc_node(&["preflight", "--config", config.to_str().unwrap()]);
    let (done, said) = preflight();
    assert!(done, "{said}");
    // Who only looks makes nothing.
    assert!(said.contains("none yet; `smpc-node run` makes it"), "{said}");
    let (done, said_too) = smpc_node(&["status", "--config", config.to_str().unwrap()]);
    assert!(!done && said_too.contains("no store yet"), "{said_too}");
    let (done, said_too) = smpc_node(&["export-log", "--config", config.to_str().unwrap()]);
    assert!(done && said_too.contains("none yet"), "{said_too}");
    for entry in std::fs::read_dir(world.home(0)).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let made = ["node.db", "audit.log", ".preflight"].iter().any(|file| name.starts_with(file));
        assert!(!made, "{name}");
    }
    assert!(said.contains("WARNING  node node-2") && said.contains("PASSED   store"), "{said}");
    world.start(1).await;
    let (done, said) = preflight();
    assert!(done && said.contains("PASSED   node node-2"), "{said}");

    // What would keep it from listening; a host by its name is one.
    for (setting, outcome) in [
        ("metrics=localhost:0", "PASSED   metrics"),
        ("metrics=localhost", "FAILED   metrics"),
        ("listen=192.0.2.1:1", "FAILED   listen"),
        (&*format!("listen={}", world.manifest.nodes[1].address), "WARNING  listen"),
    ] {
        let words = ["preflight", "--config", config.to_str().unwrap(), "--set", setting];
        let (done, said) = smpc_node(&words);
        assert_eq!(done, !outcome.starts_with("FAILED"), "{setting}: {said}");
        assert!(said.contains(outcome), "{setting}: {said}");
    }

    let key = world.home(0).join("identity.key");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&key, open).unwrap();
    let (done, said) = preflight();
    assert!(!done && said.contains("FAILED   keys") && said.contains("chmod 600"), "{said}");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, closed).unwrap();
    std::fs::copy(world.home(1).join("identity.key"), &key).unwrap();
    let (done, said) = preflight();
    assert!(!done && said.contains("not the one in the manifest"), "{said}");
    let path = config.to_str().unwrap();
    let (done, said) =
        smpc_node(&["preflight", "--config", path, "--set", "store=/nowhere/node.db", "--json"]);
    assert!(!done && said.contains("\"outcome\":\"FAILED\""), "{said}");
}

/// Another node's state keeps this one from nothing: the service manager starts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preflight_warns_of_a_node_with_another_manifest() {
    let mut world = World::new(2);
    world.start(1).await;
    world.manifest.amends = Some(world.manifest.digest().to_string());
    world.manifest.revision = 2;
    world.manifest = world.manifest.clone().checked().unwrap();
    let config = configured(&world, 0, "");
    let (done, said) = smpc_node(&["preflight", "--config", config.to_str().unwrap()]);
    assert!(done && said.contains("WARNING  node node-2"), "{said}");
    assert!(said.contains("another manifest") && !said.contains("may not run yet"), "{said}");
}

/// N3: a store whose epoch was set up with keys that are gone fails preflight as it fails `run`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preflight_finds_the_keys_of_the_stores_epoch_missing() {
    let mut world = World::new(2);
    let config = configured(&world, 0, "");
    let mut child = start(&config);
    world.start(1).await;
    ready(&world).await;
    assert_eq!(terminate(&mut child), Some(0));
    let path = config.to_str().unwrap();
    let (done, said) = smpc_node(&["preflight", "--config", path]);
    assert!(done && said.contains("PASSED   epoch keys: private, and those"), "{said}");
    for field in ["noise_key", "epoch_key"] {
        let elsewhere = format!("{field}=elsewhere.key");
        for command in ["preflight", "run"] {
            let (done, said) = smpc_node(&[command, "--config", path, "--set", &elsewhere]);
            assert!(!done && said.contains("is missing, but the store's epoch"), "{said}");
        }
    }
    // Another key in its place.
    let digest = world.manifest.digest();
    let [own, other] = ["epoch.key", "other.key"]
        .map(|file| haima_smpc_node::keyfile::of_epoch(&world.home(0).join(file), &digest));
    haima_smpc_node::keyfile::epoch_or_new(&other).unwrap();
    std::fs::rename(&other, &own).unwrap();
    let (done, said) = smpc_node(&["preflight", "--config", path]);
    assert!(!done && said.contains("FAILED   epoch keys"), "{said}");
}

/// Waits until the node that is a process of its own has its epoch.
async fn ready(world: &World) {
    for _ in 0..500 {
        if world.node(0).epoch().await.is_ok_and(|(_, record)| record.is_some()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A node that is told to stop exits with 0, takes its rounds up again, and its log holds nothing
/// secret at any level.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stops_when_told_goes_on_when_started_and_logs_no_secret() {
    let mut world = World::new(2);
    let metrics = world::free_address().replace("127.0.0.1", "localhost");
    let config = configured(&world, 0, &format!("metrics = \"{metrics}\"\n"));
    let mut child = start(&config);
    world.start(1).await;
    world.settle().await;
    ready(&world).await;
    let spec = world.spec("private", 1);
    world.open(&spec).await;
    let made = world.make(0, &spec, &[1; 4]);
    world.submit_made(0, &made).await;
    assert_eq!(terminate(&mut child), Some(0));
    let mut child = start(&config);
    ready(&world).await;
    for site in 1..4 {
        world.submit(site, &spec, &[1; 4]).await;
    }
    world.bundle(&spec).await.verify(&world.manifest).unwrap();

    let path = config.to_str().unwrap();
    let (done, said) = smpc_node(&["status", "--config", path, "--json"]);
    assert!(done && said.contains("\"released\":1") && said.contains("\"epoch\":true"), "{said}");
    let (done, said) = smpc_node(&["export-log", "--config", path]);
    let kinds = ["opened", "accepted", "closed", "prepared", "agreed", "committed", "released"];
    for kind in kinds {
        assert!(done && said.contains(&format!("\"kind\":\"{kind}\"")), "{kind}: {said}");
    }
    let mut stream = tokio::net::TcpStream::connect(&metrics).await.unwrap();
    let ask = "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("haima_submissions_total{outcome=\"accepted\"} 3"), "{text}");
    assert!(text.contains("haima_rounds_total{outcome=\"released\"} 1"), "{text}");
    assert!(!text.contains("site-"), "no number tells of one site");
    assert_eq!(terminate(&mut child), Some(0));

    let log = std::fs::read(config.with_file_name("log")).unwrap();
    assert!(log.len() > 1000, "it logs at its finest level");
    let mut secrets = vec![made.sealed[0][..64].to_vec(), made.public.clone()];
    for entry in std::fs::read_dir(world.home(0)).unwrap().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "key") {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            // Each line of the file but its version, as it stands: hexadecimal or base64.
            secrets.extend(text.lines().skip(1).filter(|l| l.len() > 20).map(Into::into));
        }
    }
    assert!(secrets.len() > 5);
    for secret in secrets {
        let hex = haima_crypto::encode::to_hex(&secret);
        for form in [&secret[..], hex.as_bytes()] {
            let found = log.windows(form.len()).any(|window| window == form);
            assert!(!found, "a secret is in the log");
        }
    }
}

/// SIGHUP: nodes take an amended study, with new epoch keys, and their processes stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_takes_an_amended_study_without_a_new_process() {
    let mut world = World::new(2);
    let paths = [configured(&world, 0, ""), configured(&world, 1, "")];
    let mut nodes = [start(&paths[0]), start(&paths[1])];
    let epoch = |world: &World| {
        let client = world.node(0);
        let digest = world.manifest.digest();
        async move {
            for _ in 0..500 {
                if client.check_status(&digest, haima_smpc_node::unix_millis()).await.is_ok()
                    && let Ok((_, Some(record))) = client.epoch().await
                {
                    return record;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("no epoch");
        }
    };
    let first = epoch(&world).await;
    world.manifest.amends = Some(world.manifest.digest().to_string());
    world.manifest.revision = 2;
    world.manifest = world.manifest.clone().checked().unwrap();
    // A study that not all have signed changes nothing.
    let path = world.home(0).join("manifest.toml");
    let old = std::fs::read(&path).unwrap();
    std::fs::write(&path, toml::to_string(&world.manifest).unwrap()).unwrap();
    let hang_up = |Process(child): &Process| {
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    };
    hang_up(&nodes[0]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.node(0).epoch().await.unwrap().1.as_ref(), Some(&first));
    std::fs::write(&path, old).unwrap();
    // Written beside the configuration: the amended study with all signatures.
    let _ = [configured(&world, 0, ""), configured(&world, 1, "")];
    nodes.iter().for_each(hang_up);
    let second = epoch(&world).await;
    assert_ne!(first, second);
    let mut names: Vec<String> = std::fs::read_dir(world.home(0))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("epoch-") || name.starts_with("noise-"))
        .collect();
    names.sort();
    assert_eq!(names.len(), 2, "the keys of the first epoch are destroyed: {names:?}");
    for node in &mut nodes {
        assert!(node.0.try_wait().unwrap().is_none(), "the process stays");
        assert_eq!(terminate(node), Some(0));
    }
}
