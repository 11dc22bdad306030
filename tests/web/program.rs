//! The program as it serves pages: where it puts a token, and what it makes of its environment.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::common::program;
use super::site::network;

/// Starts a page, and ends it once it has said where its token is: that file.
fn token_of(folder: &Path, arguments: &[&str]) -> String {
    let mut process = Command::new(program())
        .current_dir(folder)
        .args(arguments)
        .args(["--page", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let file = lines.find_map(|line| Some(line.strip_prefix("its token is in ")?.to_owned()));
    let _ = process.kill();
    let _ = process.wait();
    file.expect("it says where its token is")
}

#[test]
fn a_coordinators_token_does_not_lie_among_the_results_which_are_published() {
    let network = network();
    let folder = network.network.folder("coordinator").unwrap();
    let old = folder.join("out").join("page.token");
    std::fs::create_dir_all(folder.join("out")).unwrap();
    std::fs::write(&old, "of an earlier version").unwrap();
    let page = ["coordinator", "page", "--config", "coordinator.toml"];
    let file = token_of(folder, &page);
    assert_eq!(file, "page.token", "beside the keys");
    assert!(folder.join("page.token").exists() && !old.exists());

    let elsewhere = folder.join("elsewhere.token");
    let named = elsewhere.display().to_string();
    assert_eq!(token_of(folder, &[&page[..], &["--page-token", &named]].concat()), named);
    assert!(elsewhere.exists());
}

/// What was said on standard error, and the exit code.
fn fails(folder: &Path, arguments: &[&str], variable: Option<&std::ffi::OsStr>) -> (String, i32) {
    let mut command = Command::new(program());
    command.current_dir(folder).args(arguments);
    if let Some(value) = variable {
        command.env("SOME_VARIABLE", value);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (said, output.status.code().unwrap())
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_does_not_end_the_dashboard() {
    use std::os::unix::ffi::OsStrExt as _;
    let network = network();
    let folder = network.network.folder("node-1").unwrap();
    let no_text = std::ffi::OsStr::from_bytes(b"\xff");
    let dashboard =
        ["dashboard", "--config", "node.toml", "--node", "east", "--page", "127.0.0.1:0"];
    let (said, code) = fails(folder, &dashboard, Some(no_text));
    assert!(said.contains("--node east") && code != 101, "{code}: {said}");
}

#[test]
fn options_of_a_page_are_refused_where_they_would_do_nothing() {
    let network = network();
    let folder = network.network.folder("hospital-ohio-state").unwrap();
    let own = ["--config", "site.toml", "--page-tls-cert", "tls.crt", "--page-tls-key", "tls.key"];
    let run = [&["site", "run"][..], &own].concat();
    let (said, _) = fails(folder, &run, None);
    assert!(said.contains("give its address with --page"), "{said}");
    let keys_alone = ["site", "page", "--config", "site.toml", "--page-client-keys", "tls.crt"];
    let (said, code) = fails(folder, &keys_alone, None);
    assert!(said.contains("--page-tls-cert") && code == 2, "{code}: {said}");
    let open = [&["site", "page"][..], &own, &["--page", "0.0.0.0:0"]].concat();
    let (said, _) = fails(folder, &open, None);
    assert!(said.contains("this machine alone"), "TLS opens the page to nobody else: {said}");
}
