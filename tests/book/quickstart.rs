//! The quick start, run by a shell as it is written.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{program, repository};
use crate::{fences, read};

/// What a test has no need of: the clone and the build that it runs in, and the demonstration, which
/// `tests/demo.rs` runs.
const NOT_HERE: [&str; 5] =
    ["git clone ", "cd haima", "cargo build ", "export PATH=", "haima demo"];
/// Addresses of the three parties that listen.
const PORTS: [&str; 3] = ["7443", "7444", "7445"];
const LONGEST: Duration = Duration::from_secs(300);

/// A port below those that systems give to connections outward.
fn free_port() -> u16 {
    loop {
        let port: u16 = rand::random_range(10_000..30_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The shell's blocks as one script that says where each begins, and what each says that it prints.
fn script() -> (String, Vec<(usize, String)>) {
    let (blocks, _) = fences(&read("docs/quickstart.md"));
    let mut script =
        "set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\nexec 2>&1\n".to_owned();
    let mut expected = Vec::new();
    let mut ran = None;
    for (number, block) in blocks.iter().enumerate() {
        match block.language.as_str() {
            "sh" => {
                let here = |line: &&str| !NOT_HERE.iter().any(|not| line.starts_with(not));
                let lines: Vec<&str> = block.code.lines().filter(here).collect();
                ran = (!lines.is_empty()).then_some(number);
                if ran.is_some() {
                    script.push_str(&format!("echo '@@ {number}'\n{}\n", lines.join("\n")));
                }
            }
            "text" => {
                let lines = block.code.lines().map(str::trim).filter(|line| !line.is_empty());
                expected.extend(
                    ran.into_iter()
                        .flat_map(|ran| lines.clone().map(move |line| (ran, line.to_owned()))),
                );
            }
            other => panic!("a block of {other:?}: the test runs `sh` and holds `text` against it"),
        }
    }
    (script, expected)
}

#[test]
fn the_quick_start_runs_and_prints_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    symlink(program(), programs.join("haima")).unwrap();
    let node = programs.join("smpc-node");
    std::fs::write(&node, "#!/bin/sh\nexec haima __node \"$@\"\n").unwrap();
    std::fs::set_permissions(&node, std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink(repository("data"), folder.path().join("data")).unwrap();

    let (mut script, expected) = script();
    for (place, port) in PORTS.iter().enumerate() {
        script = script.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:@{place}@"));
    }
    for place in 0..PORTS.len() {
        script = script.replace(&format!("@{place}@"), &free_port().to_string());
    }
    let own = folder.path().join("first");
    assert!(script.contains("/tmp/haima-first"));
    script = script.replace("/tmp/haima-first", &own.display().to_string());

    let path = std::env::var("PATH").unwrap_or_default();
    let mut child = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", programs.display()))
        .env_remove("HAIMA_LOG")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let group = format!("-{}", child.id());
    let mut output = child.stdout.take().unwrap();
    // It ends when the last process of the script has: none is left behind.
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        text
    });
    let started = Instant::now();
    while !reader.is_finished() && started.elapsed() < LONGEST {
        std::thread::sleep(Duration::from_millis(50));
    }
    if !reader.is_finished() {
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    }
    let text = reader.join().unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status} after {:?}\n{text}", started.elapsed());

    let printed = |number: usize| {
        let after = text.split_once(&format!("@@ {number}\n")).map_or("", |(_, after)| after);
        after.split("@@ ").next().unwrap_or(after)
    };
    let told = expected.iter().filter(|(number, line)| !printed(*number).contains(line.as_str()));
    let told: Vec<_> = told.collect();
    assert!(told.is_empty(), "{told:#?} are not in\n{text}");
    assert!(expected.len() > 30, "{}", expected.len());
    assert!(
        own.join("centre/out/index.html").is_file() && own.join("centre/out/report.json").is_file()
    );
}
