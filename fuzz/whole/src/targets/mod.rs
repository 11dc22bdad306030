//! What the program reads that others wrote, a target each, with valid inputs to start from: no
//! bytes make it panic or hang.
//!
//! What is not shown: the pages' requests (`tests/web/doors.rs` sends hostile ones to a running
//! program), and what the crates below do that read JSON, TOML, CSV, gzip and zip first.

pub(crate) mod convert;
pub(crate) mod files;
pub(crate) mod params;
pub(crate) mod tables;
#[path = "../../../src/targets/tools.rs"]
#[allow(dead_code, reason = "these targets use a part of it")]
pub(crate) mod tools;

/// A target.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub(crate) static ALL: [Target; 8] = [
    Target { name: "tables", run: tables::run, seeds: tables::seeds },
    Target { name: "params", run: params::run, seeds: params::seeds },
    Target { name: "convert", run: convert::run, seeds: convert::seeds },
    Target { name: "models", run: files::model, seeds: files::models },
    Target { name: "reports", run: files::report, seeds: files::reports },
    Target { name: "registry", run: files::registry, seeds: files::registries },
    Target { name: "policies", run: files::policy, seeds: files::policies },
    Target { name: "frames", run: files::frame, seeds: files::frames },
];

/// The schema of the repository's own data.
pub(crate) fn schema() -> toml::Table {
    let study = include_str!("../../../../data/leuksurv.study.toml");
    let study: toml::Table = toml::from_str(study).expect("a study");
    study["schema"].as_table().expect("its schema").clone()
}
