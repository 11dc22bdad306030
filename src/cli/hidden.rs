//! What a mistyped command is told: of no command that nobody is meant to type.

use clap::error::{ContextKind, ContextValue};

/// Commands that programs start begin with this.
const HIDDEN: &str = "__";

/// A command line's error, which proposes no hidden command; whoever looks for a node hears of the
/// program that is one.
pub(super) fn without_hidden(mut error: clap::Error) -> clap::Error {
    let names = match error.remove(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(names)) => names,
        Some(ContextValue::String(name)) => vec![name],
        _ => Vec::new(),
    };
    let names: Vec<String> = names.into_iter().filter(|name| !name.starts_with(HIDDEN)).collect();
    if !names.is_empty() {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(names));
    }
    let node = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) => ["node", "smpc-node"].contains(&name.as_str()),
        _ => false,
    };
    if node {
        let tip = "a node is a program of its own: smpc-node".into();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Arguments;

    fn told(words: &[&str]) -> String {
        let words = std::iter::once("haima").chain(words.iter().copied());
        without_hidden(Arguments::try_parse_from(words).unwrap_err()).to_string()
    }

    #[test]
    fn no_hidden_command_is_proposed_and_whoever_looks_for_a_node_finds_it() {
        for name in ["node", "smpc-node"] {
            let said = told(&[name]);
            assert!(said.contains(&format!("unrecognized subcommand '{name}'")), "{said}");
            assert!(said.contains("a program of its own: smpc-node"), "{said}");
            assert!(!said.contains("__"), "{said}");
        }
        let said = told(&["docter"]);
        assert!(said.contains("'doctor'"), "others are proposed as before: {said}");
    }
}
