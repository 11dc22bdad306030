//! What the program reads that others wrote, a target each, with valid inputs to start from: no
//! bytes make it panic or hang.
//!
//! What is not shown: the pages of coordinators and operators, which are only asked and have the same
//! door (`requests` has a site's; `tests/web/doors.rs` all), and what the crates below do that read
//! JSON, TOML, CSV, gzip, zip and heads of HTTP first.

pub(crate) mod configs;
pub(crate) mod convert;
pub(crate) mod files;
#[path = "../../../src/targets/fixture.rs"]
#[allow(dead_code, reason = "these targets use a part of it")]
pub(crate) mod fixture;
pub(crate) mod masked;
pub(crate) mod params;
pub(crate) mod requests;
pub(crate) mod tables;
#[path = "../../../src/targets/tools.rs"]
#[allow(dead_code, reason = "these targets use a part of it")]
pub(crate) mod tools;

use tools::Target;

/// All of them.
pub(crate) static ALL: [Target; 11] = [
    Target { name: "tables", run: tables::run, seeds: tables::seeds },
    Target { name: "params", run: params::run, seeds: params::seeds },
    Target { name: "convert", run: convert::run, seeds: convert::seeds },
    Target { name: "models", run: files::model, seeds: files::models },
    Target { name: "reports", run: files::report, seeds: files::reports },
    Target { name: "registry", run: files::registry, seeds: files::registries },
    Target { name: "policies", run: files::policy, seeds: files::policies },
    Target { name: "frames", run: files::frame, seeds: files::frames },
    Target { name: "configs", run: configs::run, seeds: configs::seeds },
    Target { name: "requests", run: requests::run, seeds: requests::seeds },
    Target { name: "masked", run: masked::run, seeds: masked::seeds },
];

/// The schema of the repository's own data.
pub(crate) fn schema() -> toml::Table {
    let study = include_str!("../../../../data/leuksurv.study.toml");
    let study: toml::Table = toml::from_str(study).expect("a study");
    study["schema"].as_table().expect("its schema").clone()
}
