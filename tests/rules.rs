//! Rules that a test of one part alone does not show: of the sources that ship, and of what a network
//! of real processes leaves in its journals.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{BMT, Setup, Timing, bmt_hazard, repository};
use haima_crypto::encode::Digest;
use haima_smpc_node::audit;

/// Folders whose sources ship.
const SHIPPED: [&str; 5] = ["src", "smpc-node/src", "fl-core/src", "dp/src", "crypto/src"];

/// Sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

fn calls_the_encoder(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap();
    text.contains("float::") || text.contains("pine::float")
}

/// S3: the draft's encoder of floats is for its vectors: nothing that ships calls it.
#[test]
fn nothing_that_ships_calls_the_drafts_encoder_of_floats() {
    let all: Vec<PathBuf> =
        SHIPPED.iter().flat_map(|folder| sources(&repository(folder))).collect();
    assert!(all.len() > 100, "{} sources", all.len());
    for path in &all {
        assert!(!calls_the_encoder(path), "{}", path.display());
    }
    // What tests the vectors does, so it would be found.
    assert!(calls_the_encoder(&repository("crypto/tests/pine_vectors.rs")));
}

/// S5: whatever a site's data are, nothing of it is at a node before the tick after the round was
/// opened.
#[test]
fn with_nodes_no_contribution_comes_before_the_tick() {
    const TICK: u32 = 1500;
    /// Clocks of the wall may be set while this runs.
    const SLACK: u64 = 5;
    let study = [BMT.to_owned(), bmt_hazard("hazard", 2, Some((3.0, 1e-5)))].concat();
    let mut setup = Setup::new(&study, "data/bmt_klein.csv");
    setup.timing = Timing { round_ms: 20_000, grace_ms: 10_000, tick_ms: TICK };
    let mut running = setup.start();
    running.follow_to_end();
    let manifest = running.network.manifest.clone();
    let mut came = 0;
    for node in &manifest.nodes {
        let journal = running.network.folder(&node.name).unwrap().join("audit.log");
        let key = manifest.identity(&node.name).unwrap();
        let records = audit::read(&journal, &node.name, &key).unwrap();
        let opened = records.iter().filter(|record| record.kind == "opened");
        let opened: BTreeMap<Digest, u64> =
            opened.map(|record| (record.round, record.at_ms)).collect();
        for record in records.iter().filter(|record| record.kind == "accepted") {
            let after = record.at_ms.saturating_sub(opened[&record.round]);
            assert!(after + SLACK >= TICK.into(), "{} after {after} ms", record.subject);
            came += 1;
        }
    }
    let least = 2 * manifest.nodes.len() * manifest.sites.len();
    assert!(came >= least, "{came} of {least} submissions; {}", running.logs());
}
