//! `haima sum serve` over real processes: somebody else's framework at every hospital, at the same time.

mod common;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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
    let log = File::create(folder.join("log")).unwrap();
    Command::new(program())
        .args(["sum", "serve", "--config", "site.toml", "--socket", "sum.sock"])
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
