//! Claims about the command line as a whole: one grammar, and each result for programs too.

use clap::{Command, CommandFactory as _};

use super::Arguments;

/// Commands without `--json`, and why.
const WITHOUT_JSON: &[(&str, &str)] = &[
    ("haima site run", "a daemon: its log is what it tells"),
    ("haima sum serve", "a daemon: its log is what it tells"),
    ("haima site page", "serves a page until it is interrupted"),
    ("haima coordinator page", "serves a page until it is interrupted"),
    ("haima dashboard", "serves a page until it is interrupted"),
    ("haima completions", "a script for a shell"),
    ("smpc-node run", "a daemon: log_format = \"json\""),
    ("smpc-node export-log", "prints a JSON object a line"),
];

/// All commands that do something, as a person types them.
fn leaves(of: &Command, path: &str, into: &mut Vec<(String, Command)>) {
    let path = format!("{path}{}", of.get_name());
    let below: Vec<&Command> = of.get_subcommands().filter(|c| !c.is_hide_set()).collect();
    if below.is_empty() {
        into.push((path, of.clone()));
        return;
    }
    for command in below {
        leaves(command, &format!("{path} "), into);
    }
}

fn all() -> Vec<(String, Command)> {
    let mut all = Vec::new();
    for program in [Arguments::command(), haima_smpc_node::cli::command()] {
        leaves(&program, "", &mut all);
    }
    all
}

#[test]
fn the_command_line_contradicts_itself_nowhere() {
    Arguments::command().debug_assert();
    haima_smpc_node::cli::command().debug_assert();
}

#[test]
fn every_command_says_what_it_does_and_so_does_every_option() {
    for (path, command) in all() {
        assert!(command.get_about().is_some(), "{path}");
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            assert!(argument.get_help().is_some(), "{path} {}", argument.get_id());
        }
    }
}

#[test]
fn every_command_with_a_result_gives_it_as_json() {
    let lacking =
        |command: &Command| !command.get_arguments().any(|a| a.get_long() == Some("json"));
    let without: Vec<String> =
        all().into_iter().filter(|(_, command)| lacking(command)).map(|(path, _)| path).collect();
    let known: Vec<&str> = WITHOUT_JSON.iter().map(|(path, _)| *path).collect();
    let unknown: Vec<&String> =
        without.iter().filter(|path| !known.contains(&path.as_str())).collect();
    assert!(unknown.is_empty(), "give these --json, or say here why not: {unknown:?}");
    for path in known {
        assert!(without.iter().any(|own| own == path), "{path} has --json, or is no command");
    }
}

#[test]
fn names_are_words_in_small_letters() {
    for (path, command) in all() {
        let names = path.split(' ').map(str::to_owned);
        let options = command.get_arguments().filter_map(|a| a.get_long().map(str::to_owned));
        for name in names.chain(options) {
            let fits =
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            assert!(fits, "{path}: {name}");
        }
    }
}
