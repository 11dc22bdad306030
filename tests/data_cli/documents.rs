//! The commands of docs/data.md work as they stand there.

use super::{Output, haima_in, repository};

/// Lines of the page's blocks that begin with the program's name and `data`, in their order.
fn commands(page: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && line.starts_with("haima data ") {
            let words = line.split_whitespace().skip(1);
            commands.push(words.map(|word| word.trim_matches('\'').to_owned()).collect());
        }
    }
    commands
}

#[test]
fn every_command_of_the_page_works() {
    let page = std::fs::read_to_string(repository("docs/data.md")).unwrap();
    let commands = commands(&page);
    assert!(commands.len() >= 6, "{commands:?}");
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(repository("data"), folder.path().join("data")).unwrap();
    for command in &commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let Output { code, log, out } = haima_in(folder.path(), &words);
        assert!(code == 0, "haima {}: {log}{out}", words.join(" "));
    }
}
