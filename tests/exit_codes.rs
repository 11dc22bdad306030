//! Exit codes: each has a page, what a page shows is what the program does, and parties of a study end
//! with the code of what went wrong.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{BMT, Running, Setup, bmt_hazard, eventually, program, repository};
use haima::exit::{Exit, page};
use haima_dp::ledger::{Ledger, Limit};
use haima_dp::units::{Delta, Epsilon};
use haima_smpc_node::keyfile;
use haima_smpc_node::study::{Approvals, Study};
use serde_json::Value;

fn name_of(exit: Exit) -> String {
    format!("{:02}-{}.md", exit.code(), exit.name())
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let folder = std::fs::read_dir(repository("docs/errors")).unwrap();
    let pages: BTreeSet<String> =
        folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let errors = || Exit::ALL.into_iter().filter(|exit| *exit != Exit::Done);
    let mut expected: BTreeSet<String> = errors().map(name_of).collect();
    expected.insert("README.md".into());
    assert_eq!(pages, expected);
    let table = std::fs::read_to_string(repository("docs/errors/README.md")).unwrap();
    for exit in errors() {
        let page = page(exit).unwrap();
        assert!(page.starts_with(&format!("# {exit}: {}\n", exit.name().replace('-', " "))));
        for part in ["What it means", "Where it comes from", "What to do", "An example"] {
            assert_eq!(page.matches(&format!("\n## {part}\n")).count(), 1, "{exit}: {part}");
        }
        let (code, name, meaning) = (exit.code(), exit.name(), exit.meaning());
        let row = format!("| [{code}]({}) | `{name}` | {meaning} |\n", name_of(exit));
        assert!(table.contains(&row), "{row}");
    }
}

/// One command of an example, and what it prints.
struct Step<'a> {
    command: &'a str,
    says: Vec<&'a str>,
}

/// The commands of the `console` block of a page; none where it is another party's doing.
fn steps(page: &str) -> Vec<Step<'_>> {
    let Some((_, block)) = page.split_once("```console\n") else { return Vec::new() };
    let (block, _) = block.split_once("```").unwrap();
    let mut steps: Vec<Step<'_>> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push(Step { command, says: Vec::new() }),
            None => steps.last_mut().unwrap().says.push(line),
        }
    }
    steps
}

#[test]
fn every_example_of_a_page_is_true() {
    let binaries = program().parent().unwrap().to_owned();
    let path = std::env::join_paths(
        [binaries].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    let mut shown = 0;
    for exit in Exit::ALL.into_iter().skip(1) {
        let steps = steps(page(exit).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let last = steps.len().saturating_sub(1);
        for (number, Step { command, says }) in steps.iter().enumerate() {
            let output = Command::new("bash")
                .arg("-c")
                .arg(command)
                .current_dir(folder.path())
                .env("PATH", &path)
                .env("LC_ALL", "C")
                .env("data", repository("data"))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let text = [&output.stdout[..], &output.stderr].concat();
            let text = String::from_utf8(text).unwrap();
            let code = if number == last { i32::from(exit.code()) } else { 0 };
            assert_eq!(output.status.code(), Some(code), "{exit}: {command}: {text}");
            let mut lines = text.lines();
            for line in says {
                assert!(
                    lines.any(|own| own == *line),
                    "{exit}: {command}: {line} is not in {text}"
                );
            }
        }
        shown += usize::from(!steps.is_empty());
    }
    assert!(shown >= 9, "{shown}");
}

#[test]
fn a_code_is_explained_for_people_and_for_programs() {
    let haima = |words: &[&str]| Command::new(program()).args(words).output().unwrap();
    let text = |output: Output| String::from_utf8(output.stdout).unwrap();
    for asked in ["E-10", "10"] {
        assert!(text(haima(&["explain", asked])).starts_with("# E-10: keys\n"), "{asked}");
    }
    let table = text(haima(&["explain"]));
    let all: Value = serde_json::from_str(&text(haima(&["explain", "--json"]))).unwrap();
    assert_eq!(all["schema"], "haima.exit-codes/1");
    for (exit, of_json) in Exit::ALL.into_iter().zip(all["codes"].as_array().unwrap()) {
        assert!(table.contains(exit.meaning()), "{table}");
        assert_eq!(of_json["code"], exit.code());
        assert_eq!(of_json["page"].as_str(), page(exit));
    }
    let unknown = haima(&["explain", "77"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no such code"));
    // Both programs' help has the table.
    for words in [&["--help"][..], &["__node", "--help"]] {
        assert!(text(haima(words)).contains("Exit codes (docs/errors"), "{words:?}");
    }
}

fn made() -> Running {
    let study = [BMT.to_owned(), bmt_hazard("hazard", 2, Some((3.0, 1e-5)))].concat();
    Setup::new(&study, "data/bmt_klein.csv").make()
}

const HOSPITAL: &str = "hospital-ohio-state";
const SITE: [&str; 4] = ["site", "run", "--config", "site.toml"];
const NODE: [&str; 4] = ["__node", "run", "--config", "node.toml"];

/// Runs a daemon that must end by itself: its last words, which begin with their code.
fn ends(folder: &Path, words: &[&str], exit: Exit) -> String {
    let output = Command::new(program()).args(words).current_dir(folder).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit.code().into()), "{log}");
    let last = log.lines().rfind(|line| line.contains(": E-")).unwrap_or_default();
    assert_eq!(Exit::told(last), Some(exit), "{log}");
    log
}

#[test]
fn a_party_ends_with_the_code_of_what_is_wrong_with_its_own_files() {
    let running = made();
    let folder = running.network.folder(HOSPITAL).unwrap();
    let kept = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let [config, manifest, cohort] = ["site.toml", "manifest.toml", "cohort.csv"].map(kept);
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();

    write("site.toml", &format!("colour = \"red\"\n{config}"));
    assert!(ends(folder, &SITE, Exit::Configuration).contains("colour"));
    write("site.toml", &config);
    write("manifest.toml", &manifest.replacen("min_sites = 3", "min_sites = 2", 1));
    assert!(ends(folder, &SITE, Exit::Keys).contains("one of the two files was changed"));
    write("manifest.toml", &manifest);
    write("cohort.csv", &cohort.replacen("AML_low_risk", "AML_lowish", 1));
    assert!(ends(folder, &SITE, Exit::Data).contains("AML_lowish"));
    std::fs::remove_file(folder.join("cohort.csv")).unwrap();
    assert!(ends(folder, &SITE, Exit::Files).contains("check the path"));
    write("cohort.csv", &cohort);

    // A ledger that was opened under another budget than the policy's, and then one that is damaged.
    let state = folder.join("state");
    std::fs::create_dir_all(&state).unwrap();
    let path = state.join(Ledger::file_name("test").unwrap());
    let limit = Limit::zcdp(Epsilon::new(1.0).unwrap(), Delta::new(1e-6).unwrap());
    drop(Ledger::open(&path, "test", limit).unwrap());
    let said = ends(folder, &SITE, Exit::Budget);
    let words = "the budget differs from the one that ";
    assert!(said.contains(words) && page(Exit::Budget).unwrap().contains(words), "{said}");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    ends(folder, &SITE, Exit::Damaged);

    let node = running.network.folder("node-1").unwrap();
    let key = node.join("identity.key");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&key, open).unwrap();
    assert!(ends(node, &NODE, Exit::Keys).contains("chmod 600"));
    let preflight = ["__node", "preflight", "--config", "node.toml"];
    assert!(ends(node, &preflight, Exit::Found).contains("checks failed"));
    let none = ["__node", "run", "--config", "none.toml"];
    assert!(ends(node, &none, Exit::Configuration).contains("give --config"));
}

#[test]
fn a_coordinator_whose_nodes_are_away_ends_with_the_code_of_the_network() {
    let running = made();
    let folder = running.network.folder("coordinator").unwrap();
    let config = folder.join("coordinator.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains("wait_s = 60"), "{text}");
    std::fs::write(&config, text.replace("wait_s = 60", "wait_s = 1")).unwrap();
    let words = ["coordinator", "run", "--config", "coordinator.toml"];
    let said = ends(folder, &words, Exit::Network);
    assert!(said.contains("node-1") && said.contains("cannot be reached"), "{said}");
    assert!(page(Exit::Network).unwrap().contains("cannot be reached"));
}

/// A site whose manifest is of another revision than the coordinator's, signed by all.
#[test]
fn a_site_that_its_coordinator_does_not_let_in_ends_as_refused() {
    let mut running = made();
    let mut other = running.network.manifest.clone();
    other.round_ms += 1;
    let other = other.checked().unwrap();
    let mut approvals = Approvals::new(&other);
    let names: Vec<String> = other.parties().map(|(name, _, _)| name.to_owned()).collect();
    for name in &names {
        let folder = running.network.folder(name).unwrap();
        let key = keyfile::read_identity(&folder.join("identity.key")).unwrap();
        approvals.sign(&other, name, &key).unwrap();
    }
    let folder = running.network.folder(HOSPITAL).unwrap().to_owned();
    let manifest = folder.join("manifest.toml");
    std::fs::write(&manifest, toml::to_string(&other).unwrap()).unwrap();
    approvals.write(&Study::signatures_of(&manifest)).unwrap();
    running.start_coordinator();
    let said = ends(&folder, &SITE, Exit::Refused);
    let words = "the site holds another manifest than the coordinator; compare the files";
    assert!(said.contains(words) && page(Exit::Refused).unwrap().contains(words), "{said}");
}

#[test]
fn a_site_that_is_interrupted_ends_as_shells_have_it_and_says_nothing() {
    let running = made();
    let folder = running.network.folder(HOSPITAL).unwrap();
    let path = folder.join("said");
    let log = std::fs::File::create(&path).unwrap();
    let mut command = Command::new(program());
    command.args(SITE).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(log).spawn().unwrap();
    let said = || std::fs::read_to_string(&path).unwrap();
    eventually(Duration::from_secs(20), "the site waits", || {
        said().contains("waiting for the coordinator")
    });
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!said().contains("E-"), "{}", said());
}
