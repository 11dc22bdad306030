//! A hospital's site inside a program of one's own. The part that such a program needs is
//! `hospital`: read a configuration, and run until the study has ended. All else here is a study to
//! take part in: four hospitals in masked mode and their coordinator, as threads of this process.
//!
//! A program that adds tasks of its own first (`haima_fl_core::registry::add`, and `models::add`)
//! answers studies that name them.
//!
//! `cargo run --example embed_a_site`

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::channel;

use haima::coordinator::events::Event;
use haima::demo::network::{Network, Plan};
use haima::provision::Timing;
use haima::{Error, coordinator, site};

const STUDY: &str = r#"
study = "embedded"
mode = "masked"
min_sites = 3
max_patients = 50
max_dimension = 100
schema = { one_row_per_patient = true, column = [{ name = "age", kind = "numeric", range = [0, 110] }] }

[[task]]
id = "who"
task = "table1"
version = 1
title = "Who the patients are"
max_steps = 1
spare_attempts = 3
params = { columns = ["age"] }
"#;

/// What this hospital allows: one task without noise, of cohorts of at least three patients.
const POLICY: &str = r#"
default_population = "embedded"
epsilon = 1.0
exact_tasks = ["who"]
min_local_rows = 3
"#;

/// A site from its folder, as `haima site run --config site.toml`. Computing blocks the thread that
/// it is on, so the runtime has several.
fn hospital(folder: &Path) -> Result<(), Error> {
    let config = site::Config::read(&folder.join("site.toml"))?;
    runtime().block_on(site::run(&config))
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime")
}

fn main() -> Result<(), Error> {
    let root = tempfile::tempdir().expect("a temporary folder");
    let cohort = |from: u32| (0..4).map(|i| format!("{}\n", from + 7 * i)).collect::<String>();
    let cohorts: BTreeMap<String, String> = ["north", "south", "east", "west"]
        .into_iter()
        .zip([40, 43, 51, 58])
        .map(|(name, from)| (name.to_owned(), format!("age\n{}", cohort(from))))
        .collect();

    // Keys, requests, manifest and signatures: `haima keygen`, `request`, `package`, `approve`.
    let network = Network::make(&Plan {
        program: "haima".into(), // no process is started here
        root: root.path().to_owned(),
        study: toml::from_str(STUDY).expect("a study"),
        cohorts,
        nodes: 0,
        policy: toml::from_str(POLICY).expect("a policy"),
        timing: Timing { round_ms: 20_000, grace_ms: 5000, tick_ms: 20 },
        wait_s: 30,
        poisoner: None,
    })?;

    let mut sites = Vec::new();
    for name in network.site_names() {
        let folder = network.folder(&name)?.to_owned();
        sites.push((name, std::thread::spawn(move || hospital(&folder))));
    }
    let config = network.folder("coordinator")?.join("coordinator.toml");
    let (told, events) = channel();
    runtime().block_on(coordinator::study::run(&coordinator::Config::read(&config)?, told))?;

    for (name, site) in sites {
        site.join().expect("a thread that did not panic")?;
        let folder = network.folder(&name)?;
        println!("{name} has answered, and keeps its ledger in {}", folder.join("state").display());
    }
    let mut results = 0;
    for event in events.try_iter() {
        if let Event::TaskDone { task, result } = event {
            println!("{task}: {} patients over {} sites", result["n"][0], result["sites"]);
            results += 1;
        }
    }
    assert_eq!(results, 1);
    Ok(())
}
