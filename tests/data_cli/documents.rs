//! The commands of docs/data.md work as they stand there.

use super::{Output, haima_in, repository};

/// Lines of the page's blocks that begin with the program's name and `data` or `stats`, in their order.
fn commands(page: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let mut commands = Vec::new();
    let page = page.replace("\\\n", " ");
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && (line.starts_with("haima data ") || line.starts_with("haima stats ")) {
            commands.push(words(line).split_off(1));
        }
    }
    commands
}

/// The words of a line; single quotes hold together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            letter => word.push(letter),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[test]
fn every_command_of_the_page_works() {
    let page = std::fs::read_to_string(repository("docs/data.md")).unwrap();
    let commands = commands(&page);
    assert!(commands.len() >= 6, "{commands:?}");
    let folder = tempfile::tempdir().unwrap();
    for own in ["data", "tests"] {
        std::os::unix::fs::symlink(repository(own), folder.path().join(own)).unwrap();
    }
    for command in &commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let Output { code, log, out } = haima_in(folder.path(), &words);
        assert!(code == 0, "haima {}: {log}{out}", words.join(" "));
    }
}
