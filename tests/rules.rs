//! Rules that a test of one part alone does not show: of the sources that ship, and of what a network
//! of real processes leaves in its journals.

mod common;
#[path = "rules/paths.rs"]
mod paths;

use std::collections::{BTreeMap, BTreeSet};

use common::{BMT, Setup, Timing, bmt_hazard, repository};
use haima_crypto::encode::Digest;
use haima_smpc_node::audit;

/// Folders whose sources ship.
const SHIPPED: [&str; 5] = ["src", "smpc-node/src", "fl-core/src", "dp/src", "crypto/src"];

/// Of all sources that ship, those with a path that is looked for, as they stand in the repository.
fn that_name(wanted: impl Fn(&[String]) -> bool) -> BTreeSet<String> {
    let all = paths::of_sources(&SHIPPED.map(repository));
    assert!(all.len() > 500, "{} sources", all.len());
    let with = all.iter().filter(|(_, paths)| paths.iter().any(|path| wanted(path)));
    let root = repository("");
    with.map(|(file, _)| file.strip_prefix(&root).unwrap().display().to_string()).collect()
}

/// Whether a text has such a path.
fn has(text: &str, wanted: impl Fn(&[String]) -> bool) -> bool {
    paths::of_text(text).iter().any(|path| wanted(path))
}

/// The module of the draft's encoder, by whatever way it is reached.
fn is_of_floats(path: &[String]) -> bool {
    path.iter().any(|segment| segment == "float")
}

/// S3: the draft's encoder of floats is for its vectors: nothing that ships calls it.
#[test]
fn nothing_that_ships_calls_the_drafts_encoder_of_floats() {
    assert_eq!(that_name(is_of_floats), BTreeSet::new());
    for text in [
        "pine::float::encode(x)",
        "use haima_crypto::pine::{Params, float as f}; f::encode(x)",
        "use haima_crypto::pine::{float}; let e = float ::encode;",
        "use haima_crypto::pine as p; p\n::float::encode(x)",
        "use haima_crypto::pine::float::*;",
        "use haima_crypto::pine::*; float::encode(x)",
    ] {
        assert!(has(text, is_of_floats), "{text}");
    }
    assert!(!has("let float = 1; Value::Float(float.to_bits())", is_of_floats));
    // What tests the vectors does, so it would be found.
    let vectors = std::fs::read_to_string(repository("crypto/tests/pine_vectors.rs")).unwrap();
    assert!(has(&vectors, is_of_floats));
}

/// Where a generator may be seeded, or a process's own one be asked, and for what.
const NOT_FROM_THE_SYSTEM: [(&str, &str); 5] = [
    ("dp/src/noise.rs", "noise from a key that came from the system (rule N3)"),
    ("fl-core/src/results/generator.rs", "synthetic rows, from the seed that asks for them"),
    (
        "fl-core/src/synth/domain/decode.rs",
        "places within cells of synthetic rows, from their seed",
    ),
    ("src/reproduce/cells.rs", "a training of which no sum draws anything"),
    ("src/demo/network.rs", "where to look for a free port"),
];

/// A generator with a seed, or the thread's own: anything but the operating system's randomness.
fn is_another_generator(path: &[String]) -> bool {
    const NAMES: [&str; 14] = [
        "SeedableRng",
        "StdRng",
        "SmallRng",
        "ThreadRng",
        "ChaCha8Rng",
        "ChaCha12Rng",
        "ChaCha20Rng",
        "Xoshiro128PlusPlus",
        "Xoshiro256PlusPlus",
        "rand_chacha",
        "rand_pcg",
        "rand_xoshiro",
        "fastrand",
        "oorandom",
    ];
    let of_rand = path.first().is_some_and(|first| first == "rand");
    let by_rand = match path.get(1).map(String::as_str) {
        // Under another name, or all of it at once.
        None | Some("self" | "*" | "prelude") => true,
        Some(second) => second == "rng" || second.starts_with("random"),
    };
    path.iter().any(|segment| NAMES.contains(&segment.as_str())) || of_rand && by_rand
}

/// N4: keys, seeds, nonces, shares and samples are drawn from the operating system's randomness
/// (`haima_smpc_node::randomness::system`, or `SysRng` itself), and a generator that is seeded stands
/// in few places.
#[test]
fn what_ships_draws_from_the_operating_system_but_in_the_listed_places() {
    let listed = NOT_FROM_THE_SYSTEM.map(|(file, _)| file.to_owned());
    assert_eq!(that_name(is_another_generator), BTreeSet::from(listed));
    for text in [
        "Seed::random(&mut rand::rng())",
        "use rand::{Rng, rng}; rng()",
        "use rand as r; r::rng()",
        "use rand::{self}; rand::Rng::next_u64(x)",
        "use rand::prelude::*;",
        "rand::random::<u64>()",
        "rand::rngs::StdRng::from_seed([0; 32])",
        "use rand_core::SeedableRng as _;",
        "use rand_chacha as c; c::ChaChaRng::from_seed(x)",
    ] {
        assert!(has(text, is_another_generator), "{text}");
    }
    for text in [
        "use rand::rngs::SysRng; UnwrapErr(SysRng).fill_bytes(&mut bytes)",
        "Seed::random(&mut crate::randomness::system())",
        "use rand_core::{CryptoRng, Rng};",
    ] {
        assert!(!has(text, is_another_generator), "{text}");
    }
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
