//! Bad input to the daemons: each a clear error with another exit code than 0, before anything
//! is sent.

mod common;

use std::path::Path;
use std::process::Command;

use common::{BMT, Running, Setup, bmt_hazard, program};

fn made() -> Running {
    let study = [BMT.to_owned(), bmt_hazard("hazard", 2, Some((3.0, 1e-5)))].concat();
    Setup::new(&study, "data/bmt_klein.csv").make()
}

/// Starts a daemon in its folder and returns its last words; it must refuse to run, with a code that
/// says of what kind its trouble is (docs/errors).
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program()).args(arguments).current_dir(folder).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(3 | 4 | 9 | 10)), "{:?}: {log}", output.status);
    assert!(!log.contains("panicked"), "{log}");
    log
}

const SITE: [&str; 4] = ["site", "run", "--config", "site.toml"];
const NODE: [&str; 4] = ["__node", "run", "--config", "node.toml"];

#[test]
fn a_site_with_faulty_data_names_file_line_and_field() {
    let running = made();
    let folder = running.network.folder("hospital-ohio-state").unwrap();
    let data = folder.join("cohort.csv");
    let good = std::fs::read_to_string(&data).unwrap();
    let broken = good.replacen("AML_low_risk", "AML_lowish", 1);
    assert_ne!(good, broken);
    std::fs::write(&data, broken).unwrap();
    let log = refused(folder, &SITE);
    for part in ["cohort.csv", "line", "disease_group", "AML_lowish"] {
        assert!(log.contains(part), "{part} is missing in: {log}");
    }
    assert!(!folder.join("state").exists(), "nothing is half-written");
    std::fs::remove_file(&data).unwrap();
    let log = refused(folder, &SITE);
    assert!(log.contains("cohort.csv: No such file") && !log.contains("line 0"), "{log}");
}

#[test]
fn a_site_that_the_manifest_does_not_name_is_told_so() {
    let running = made();
    let folder = running.network.folder("hospital-ohio-state").unwrap();
    let config = folder.join("site.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("hospital-ohio-state", "hospital-nowhere")).unwrap();
    let log = refused(folder, &SITE);
    assert!(log.contains("hospital-nowhere is not in the manifest"), "{log}");
}

#[test]
fn keys_of_another_party_are_refused_by_their_owner() {
    let running = made();
    let (one, other) = (
        running.network.folder("hospital-ohio-state").unwrap(),
        running.network.folder("hospital-alfred-melbourne").unwrap(),
    );
    std::fs::copy(other.join("identity.key"), one.join("identity.key")).unwrap();
    assert!(refused(one, &SITE).contains("identity key"), "a site");
    let (one, other) =
        (running.network.folder("node-1").unwrap(), running.network.folder("node-2").unwrap());
    for file in ["tls.crt", "tls.key"] {
        std::fs::copy(other.join(file), one.join(file)).unwrap();
    }
    assert!(refused(one, &NODE).contains("TLS key"), "a node");
}

#[test]
fn a_changed_manifest_is_noticed_by_field() {
    let running = made();
    let folder = running.network.folder("hospital-ohio-state").unwrap();
    let manifest = folder.join("manifest.toml");
    let good = std::fs::read_to_string(&manifest).unwrap();
    for (from, to, expected) in [
        ("min_sites = 3", "min_sites = 1", "min_sites"),
        ("version = 1\n", "version = 2\n", "version"),
        ("study = ", "studdy = ", "studdy"),
        ("tick_ms = ", "tick_ms = 0 #", "tick_ms"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        std::fs::write(&manifest, bad).unwrap();
        let log = refused(folder, &SITE);
        assert!(log.contains(expected), "{expected}: {log}");
    }
}
