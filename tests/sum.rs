//! `haima sum serve` over real processes: somebody else's framework at every hospital, at the same time.

mod common;

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use common::{BMT, Setup, eventually, program, task};
use haima::sum::socket::client::{Client, Summed};
use haima::sum::socket::frame::Class;
use haima_fl_core::tasks::vector_sum::Standing;

const PARAMS: &str = "dimension = 3\nbound = 10.0\nrounds = 2\nmax_patients = 100\n";

/// Processes that end with the test, however that ends.
struct Sites(Vec<Child>);

impl Drop for Sites {
    fn drop(&mut self) {
        for site in &mut self.0 {
            let _ = site.kill();
            let _ = site.wait();
        }
    }
}

fn serve(folder: &Path) -> Child {
    serve_with(folder, &[])
}

fn serve_with(folder: &Path, options: &[&str]) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new(program())
        .args(["sum", "serve", "--config", "site.toml", "--socket", "sum.sock"])
        .args(options)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Both rounds of one hospital's framework. The second vector is longer than the bound.
fn framework(socket: &Path, class: Class, own: f64) -> Vec<Summed> {
    eventually(Duration::from_secs(60), "a socket", || socket.exists());
    let mut client = Client::connect(socket).unwrap();
    assert_eq!((client.terms().class, client.terms().unit.as_str()), (class, "site"));
    [[own, 0.5, 0.0], [own, 0.0, 1000.0]]
        .iter()
        .zip(1..)
        .map(|(vector, round)| client.sum(round, vector).unwrap())
        .collect()
}

/// What every hospital's framework was given, and the result.
fn summed(setup: &Setup, class: Class) -> (Vec<Vec<Summed>>, serde_json::Value) {
    let mut running = setup.make();
    for node in running.network.node_names() {
        running.network.start(&node).unwrap();
    }
    let names = running.network.site_names();
    let folders: Vec<PathBuf> =
        names.map(|name| running.network.folder(&name).unwrap().to_owned()).collect();
    let _sites = Sites(folders.iter().map(|folder| serve(folder)).collect());
    running.start_coordinator();
    let frameworks: Vec<_> = folders
        .iter()
        .enumerate()
        .map(|(at, folder)| {
            let socket = folder.join("sum.sock");
            std::thread::spawn(move || framework(&socket, class, at as f64))
        })
        .collect();
    running.follow_to_end();
    let all = frameworks.into_iter().map(|framework| framework.join().unwrap()).collect();
    let result = running.ended().remove("vectors").unwrap();
    (all, result)
}

fn is_the_sum_of_four(all: &[Vec<Summed>], result: &serde_json::Value) {
    assert_eq!(all.len(), 4);
    for own in all {
        assert_eq!(own[0].values, [6.0, 2.0, 0.0]);
        assert_eq!((own[0].sites, own[0].own, own[0].noise), (4, Standing::Whole, None));
        assert_eq!((own[1].own, &own[1].values), (Standing::Shortened, &all[0][1].values));
        assert!(own[1].values[2] > 39.0 && own[1].values[2] <= 40.0, "{:?}", own[1]);
    }
    assert_eq!((result["unit"].as_str(), result["rounds"].as_u64()), (Some("site"), Some(2)));
    assert_eq!(serde_json::json!(all[0][1].values), result["last"]);
}

#[test]
fn frameworks_at_all_hospitals_get_the_exact_sum_over_nodes() {
    let study = [BMT, &task("vectors", "vector-sum", 2, PARAMS)].concat();
    let mut setup = Setup::new(&study, "data/bmt_klein.csv");
    setup.nodes = 2;
    let (all, result) = summed(&setup, Class::Exact);
    is_the_sum_of_four(&all, &result);
}

#[test]
fn frameworks_at_all_hospitals_get_the_exact_sum_in_masked_mode() {
    let study = [BMT, &task("vectors", "vector-sum", 2, PARAMS)].concat();
    let setup = Setup::new(&study, "data/bmt_klein.csv").masked();
    let (all, result) = summed(&setup, Class::Exact);
    is_the_sum_of_four(&all, &result);
}

#[test]
fn under_noise_all_get_the_same_sum_with_its_noise_said() {
    let vectors = task("vectors", "vector-sum", 2, &format!("{PARAMS}release = \"noised\"\n"))
        .replace("[task.params]", "privacy = { epsilon = 2.0, delta = 1e-5 }\n[task.params]");
    let mut setup = Setup::new(&[BMT, &vectors].concat(), "data/bmt_klein.csv");
    setup.nodes = 2;
    let (all, result) = summed(&setup, Class::Noised);
    for own in &all {
        assert_eq!(own[0], all[0][0], "the same to the bit");
        // D is 20 a sum, and six attempts share epsilon 2: far more noise than four hospitals bear.
        let noise = own[0].noise.unwrap();
        assert!((20.0..1000.0).contains(&noise), "{noise}");
        assert!(own[0].values.iter().all(|value| value.abs() < 12.0 * noise + 40.0));
        assert_ne!(own[0].values, [6.0, 2.0, 0.0]);
    }
    assert!(result["noise"].as_f64().is_some_and(|noise| noise > 20.0), "{result}");
}

/// Where a site has fewer patients than its floor, zeros go in the place of its vector; its framework is
/// told so, and nobody else.
#[test]
fn a_framework_is_told_that_its_site_sent_zeros_in_the_place_of_its_vector() {
    let study = [BMT, &task("vectors", "vector-sum", 2, PARAMS)].concat();
    let mut setup = Setup::new(&study, "data/bmt_klein.csv");
    setup.nodes = 2;
    let mut sizes: Vec<usize> =
        setup.cohorts.values().map(|text| text.lines().count() - 1).collect();
    sizes.sort_unstable();
    setup.policy.min_local_rows = sizes[2] as u64 + 1;
    let (all, _) = summed(&setup, Class::Exact);
    let whole: Vec<usize> = (0..4).filter(|&at| all[at][0].own == Standing::Whole).collect();
    let [largest] = whole[..] else { panic!("only the largest hospital is in the sum: {all:?}") };
    for (at, own) in all.iter().enumerate() {
        assert_eq!(
            (own[0].values.as_slice(), own[0].sites),
            ([largest as f64, 0.5, 0.0].as_slice(), 4)
        );
        let second = if at == largest { Standing::Shortened } else { Standing::Refused };
        assert_eq!(own[1].own, second, "{at}");
    }
}

/// A site is killed after it answered the last round. The new one asks its program for no vector, and
/// tells it the sum all the same, with the vector that is in it.
#[test]
fn a_site_that_was_restarted_tells_the_sum_and_how_the_vector_stands() {
    let study = [BMT, &task("vectors", "vector-sum", 2, PARAMS)].concat();
    let mut setup = Setup::new(&study, "data/bmt_klein.csv");
    (setup.nodes, setup.timing.round_ms) = (2, 60_000);
    let mut running = setup.make();
    for node in running.network.node_names() {
        running.network.start(&node).unwrap();
    }
    let names = running.network.site_names();
    let folders: Vec<PathBuf> =
        names.map(|name| running.network.folder(&name).unwrap().to_owned()).collect();
    let mut sites = Sites(folders.iter().map(|folder| serve(folder)).collect());
    running.start_coordinator();

    let restarted = Arc::new(Barrier::new(folders.len()));
    let others: Vec<_> = folders[1..]
        .iter()
        .map(|folder| {
            let (socket, restarted) = (folder.join("sum.sock"), Arc::clone(&restarted));
            std::thread::spawn(move || {
                eventually(Duration::from_secs(60), "a socket", || socket.exists());
                let mut client = Client::connect(&socket).unwrap();
                client.sum(1, &[1.0, 0.0, 0.0]).unwrap();
                restarted.wait();
                client.sum(2, &[1.0, 0.0, 0.0]).unwrap()
            })
        })
        .collect();

    let socket = folders[0].join("sum.sock");
    eventually(Duration::from_secs(60), "a socket", || socket.exists());
    let mut client = Client::connect(&socket).unwrap();
    client.sum(1, &[1.0, 0.0, 0.0]).unwrap();
    let asking = std::thread::spawn(move || client.sum(2, &[0.0, 0.0, 1000.0]));
    let log = folders[0].join("log");
    eventually(Duration::from_secs(30), "an answer to the last round", || {
        let log = std::fs::read_to_string(&log).unwrap();
        log.lines().any(|line| line.contains("submitted") && line.contains("step=1"))
    });
    sites.0[0].kill().unwrap();
    sites.0[0].wait().unwrap();
    assert!(asking.join().unwrap().is_err());
    sites.0[0] = serve(&folders[0]);
    eventually(Duration::from_secs(30), "a new socket", || Client::connect(&socket).is_ok());
    let mut client = Client::connect(&socket).unwrap();
    // With another vector than the one that was sent.
    let asking = std::thread::spawn(move || client.sum(2, &[0.0, 0.5, 0.0]));
    // Until it has heard of the round again.
    eventually(Duration::from_secs(30), "the round", || {
        let log = std::fs::read_to_string(&log).unwrap();
        log.lines().filter(|line| line.contains("submitted") && line.contains("step=1")).count() > 1
    });
    restarted.wait();
    let own = asking.join().unwrap().unwrap();
    assert_eq!((own.own, own.sites), (Standing::Shortened, 4), "{}", running.logs());
    assert!(own.values[2] > 9.9 && own.values[1] < 0.1, "{own:?}");
    for other in others {
        assert_eq!(other.join().unwrap().values, own.values);
    }
    running.follow_to_end();
}

#[test]
fn the_sites_page_is_served_beside_its_sums() {
    let study = [BMT, &task("vectors", "vector-sum", 2, PARAMS)].concat();
    let running = Setup::new(&study, "data/bmt_klein.csv").make();
    let name = running.network.site_names().next().unwrap();
    let folder = running.network.folder(&name).unwrap();
    let _site = Sites(vec![serve_with(folder, &["--page", "127.0.0.1:0"])]);
    let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    let socket = folder.join("sum.sock");
    eventually(Duration::from_secs(60), "page and socket", || {
        socket.exists() && log().contains("its token is in")
    });
    let log = log();
    let page = log.lines().find_map(|line| line.strip_prefix("page: http://")).unwrap();
    let page = page.trim_end_matches('/');
    let mut stream = TcpStream::connect(page).unwrap();
    write!(stream, "GET /login HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Sign in"), "{answer}");
    assert_eq!(Client::connect(&socket).unwrap().terms().dimension, 3);
}
