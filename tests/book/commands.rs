//! Command lines of the pages, held against what the programs say of themselves.

use std::collections::BTreeMap;
use std::process::Command;

use crate::common::{program, repository};
use crate::{fences, pages_in};

/// A command line: `haima` or `smpc-node`, and its words.
type Line = (String, Vec<String>);

/// The words of a shell line: quotes hold together, and what separates commands stands alone.
fn words(line: &str) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (Some(mark), _) if mark == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ' ' | ';' | '|' | '&' | '(' | ')' | '{' | '}' | '<' | '>') => {
                all.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                all.extend((c != ' ').then(|| c.to_string()));
            }
            _ => word.push(c),
        }
    }
    all.extend((!word.is_empty()).then_some(word));
    all
}

/// The command lines of these programs in a shell line.
fn lines_in(line: &str) -> Vec<Line> {
    let words = words(line);
    let begins = |at: usize| {
        at == 0 || matches!(&*words[at - 1], ";" | "|" | "&" | "(" | "{" | "do" | "then" | "!")
    };
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate().filter(|(at, _)| begins(*at)) {
        let ends = |word: &&String| !matches!(&***word, ";" | "|" | "&" | ")" | ">" | "<");
        let rest: Vec<String> = words[at + 1..].iter().take_while(ends).cloned().collect();
        match word.as_str() {
            "haima" | "smpc-node" => found.push((word.clone(), rest)),
            // `cargo run --release -- WORDS` runs haima.
            "cargo" if rest.first().is_some_and(|verb| verb == "run") => {
                let own = rest.iter().position(|word| word == "--");
                found.extend(own.map(|own| ("haima".to_owned(), rest[own + 1..].to_vec())));
            }
            _ => {}
        }
    }
    found
}

/// The command lines of a page: of its shell blocks, of lines of plain blocks that begin with a program,
/// and of code within the text that has an option.
fn lines_of(page: &str) -> Vec<Line> {
    let (blocks, prose) = fences(page);
    let mut found = Vec::new();
    for block in blocks {
        let shell = match block.language.as_str() {
            "sh" | "bash" | "console" => true,
            "" => false,
            _ => continue,
        };
        let code = block.code.replace("\\\n", " ");
        let mut here: Option<String> = None;
        for line in code.lines().map(|line| line.trim().trim_start_matches("$ ")) {
            if let Some(end) = &here {
                if line == end {
                    here = None;
                }
                continue;
            }
            here = line.split_once("<<").map(|(_, end)| end.trim_matches('\'').to_owned());
            let named = ["haima ", "smpc-node ", "cargo run "].iter().any(|p| line.starts_with(p));
            if shell || named {
                found.extend(lines_in(line));
            }
        }
    }
    // A piece of code may break at a line's end in the source.
    let spans = prose.split('`').skip(1).step_by(2);
    let spans = spans.filter(|span| span.contains(" --") && !span.contains('\n'));
    found.extend(
        spans.filter(|s| s.starts_with("haima ") || s.starts_with("smpc-node ")).flat_map(lines_in),
    );
    found
}

/// What the programs say of their commands, asked once each.
#[derive(Default)]
struct Programs(BTreeMap<Line, Option<String>>);

impl Programs {
    /// The help of a command; `None` where there is no such command.
    fn help(&mut self, program_name: &str, path: &[String]) -> Option<&str> {
        let key = (program_name.to_owned(), path.to_vec());
        let asked = self.0.entry(key).or_insert_with(|| {
            let mut command = Command::new(program());
            if program_name == "smpc-node" {
                command.arg("__node");
            }
            let output = command.args(path).arg("--help").output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let usage = ["Usage:", program_name].into_iter().chain(path.iter().map(String::as_str));
            let usage = usage.collect::<Vec<_>>().join(" ");
            let own = |line: &str| {
                line.strip_prefix(&usage)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            };
            text.lines().any(own).then_some(text)
        });
        asked.as_deref()
    }

    /// What is wrong with a command line.
    fn fault(&mut self, (name, words): &Line) -> Option<String> {
        let mut depth = 0;
        for word in words {
            let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !plain || word.starts_with('-') || self.help(name, &words[..=depth]).is_none() {
                break;
            }
            depth += 1;
        }
        let help = self.help(name, &words[..depth])?.to_owned();
        let next = words.get(depth).filter(|word| !word.starts_with('-'));
        if let (Some(word), true) = (next, help.contains("\nCommands:\n")) {
            return Some(format!("no command {word:?}"));
        }
        let options = words.iter().skip(depth).filter(|word| word.starts_with("--"));
        let mut names = options.map(|word| word.split('=').next().unwrap_or(word));
        let known: Vec<&str> =
            help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
        let unknown = names.find(|option| !known.contains(option))?;
        Some(format!("no option {unknown}"))
    }
}

#[test]
fn every_command_line_names_a_command_and_options_that_exist() {
    let mut programs = Programs::default();
    let mut pages = pages_in("docs");
    pages.push(repository("README.md"));
    let (mut held, mut faults) = (0, Vec::new());
    for page in pages {
        for line in lines_of(&std::fs::read_to_string(&page).unwrap()) {
            held += 1;
            if let Some(fault) = programs.fault(&line) {
                let (name, words) = line;
                faults.push(format!("{}: {name} {}: {fault}", page.display(), words.join(" ")));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(held > 80, "{held} command lines");
}

#[test]
fn a_command_line_of_another_program_is_found() {
    let mut programs = Programs::default();
    let mut faults = |page: &str| -> Vec<String> {
        let lines = lines_of(page);
        assert!(!lines.is_empty(), "{page}");
        lines.iter().filter_map(|line| programs.fault(line)).collect()
    };
    let sound = "```sh\nfor n in a b; do haima keygen --name $n --out \"$n x\"; done\nhaima stats km \\\n    --data x.csv --deal 3 | head\n```\n";
    assert_eq!(faults(sound), Vec::<String>::new());
    assert_eq!(faults("```\nhaima stats km --frobnicate\n```\n"), ["no option --frobnicate"]);
    assert_eq!(
        faults("```sh\ncargo run --release -- frobnicate x\n```\n"),
        ["no command \"frobnicate\""]
    );
    assert_eq!(faults("```console\n$ haima site frobnicate\n```\n"), ["no command \"frobnicate\""]);
    assert_eq!(faults("Say `smpc-node init --colour blue`.\n"), ["no option --colour"]);
}
