//! `haima completions` and `haima man`: what a shell and the manual know of the command lines, made
//! from the very definitions that read them. Hidden commands are in neither.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man as Page;
use serde_json::json;

use crate::Error;
use crate::model_file::whole;

/// `haima completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
    /// Whose command line.
    #[arg(long, value_enum, default_value_t = Program::Haima)]
    program: Program,
}

/// `haima man`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Folder for the pages of both programs; made when it does not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object: the pages.
    #[arg(long)]
    json: bool,
}

/// A program of a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Program {
    /// Of hospitals and the coordinator.
    Haima,
    /// Of node operators.
    SmpcNode,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Haima => "haima",
            Self::SmpcNode => "smpc-node",
        }
    }

    /// Its command line, without what is hidden.
    fn command(self) -> Command {
        let whole = match self {
            Self::Haima => super::Arguments::command(),
            Self::SmpcNode => haima_smpc_node::cli::command(),
        };
        let shown = whole.get_subcommands().filter(|command| !command.is_hide_set());
        let mut command = Command::new(self.name())
            .version(env!("CARGO_PKG_VERSION"))
            .subcommand_required(true)
            .subcommands(shown.cloned().collect::<Vec<Command>>());
        if let Some(about) = whole.get_about() {
            command = command.about(about.clone());
        }
        if let Some(help) = whole.get_after_help() {
            command = command.after_help(help.clone());
        }
        command
    }
}

/// Prints the script that makes a shell complete a program's commands and options.
pub(super) fn completions(options: &Completions) {
    let script = script(options.shell, options.program);
    print!("{}", String::from_utf8_lossy(&script));
}

fn script(shell: Shell, program: Program) -> Vec<u8> {
    let mut text: Vec<u8> = Vec::new();
    clap_complete::generate(shell, &mut program.command(), program.name(), &mut text);
    text
}

/// Writes a manual page for each command of both programs.
pub(super) fn man(options: &Man) -> Result<(), Error> {
    let Man { out, json } = options;
    std::fs::create_dir_all(out).map_err(|e| Error::file(out, e))?;
    let mut pages = Vec::new();
    for program in [Program::Haima, Program::SmpcNode] {
        let mut command = program.command().disable_help_subcommand(true);
        command.build();
        write_pages(&command, out, &mut pages)?;
    }
    pages.sort();
    if *json {
        let folder = out.display().to_string();
        println!("{}", json!({ "schema": "haima.man/1", "folder": folder, "pages": pages }));
    } else {
        let first = out.join("haima.1");
        println!(
            "{} pages in {}; read one: man -l {}",
            pages.len(),
            out.display(),
            first.display()
        );
    }
    Ok(())
}

/// A page of a command, and of all below it.
fn write_pages(command: &Command, out: &Path, pages: &mut Vec<String>) -> Result<(), Error> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_pages(below, out, pages)?;
    }
    let page = Page::new(command.clone());
    let (name, mut text) = (page.get_filename(), Vec::<u8>::new());
    page.render(&mut text).map_err(|e| Error::file(&out.join(&name), e))?;
    whole(&out.join(&name), &text)?;
    pages.push(name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of all commands, as a person types them, in the order of their pages.
    fn commands(of: &Command, path: &[String], into: &mut Vec<Vec<String>>) {
        for command in of.get_subcommands() {
            let here = [path, &[command.get_name().to_owned()]].concat();
            commands(command, &here, into);
            into.push(here);
        }
    }

    #[test]
    fn completions_name_every_command_and_no_hidden_one() {
        for program in [Program::Haima, Program::SmpcNode] {
            let mut all = Vec::new();
            commands(&program.command(), &[], &mut all);
            assert!(all.len() > 5, "{all:?}");
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
                let text = String::from_utf8(script(shell, program)).unwrap();
                for name in all.iter().flatten() {
                    assert!(text.contains(name.as_str()), "{shell}: {name}");
                }
            }
            assert!(all.iter().flatten().all(|name| !name.starts_with("__")), "{all:?}");
        }
    }

    #[test]
    fn every_command_has_a_page_that_says_what_it_does_and_its_options() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("man1");
        man(&Man { out: out.clone(), json: false }).unwrap();
        let read = |name: String| {
            let text = std::fs::read_to_string(out.join(format!("{name}.1")));
            text.unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        for program in [Program::Haima, Program::SmpcNode] {
            let mut all = Vec::new();
            commands(&program.command(), &[], &mut all);
            assert!(read(program.name().to_owned()).contains("docs/errors"));
            for path in &all {
                let words = std::iter::once(program.name()).chain(path.iter().map(String::as_str));
                let page = read(words.collect::<Vec<&str>>().join("-"));
                assert!(page.contains(".SH SYNOPSIS"), "{page}");
                assert!(page.contains(".SH DESCRIPTION"), "{page}");
            }
        }
        assert!(read("haima-doctor".into()).contains("\\-\\-config"));
        assert!(!out.join("haima-__node.1").exists());
    }
}
