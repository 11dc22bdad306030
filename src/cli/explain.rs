//! `haima explain`: what a code means that a command ended with.

use clap::Args;
use serde_json::{Value, json};

use crate::exit::{Exit, help, page};

/// `haima explain`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The code, as E-04 or 4; all of them without it.
    #[arg(value_parser = read)]
    code: Option<Exit>,
    /// Print one JSON object: codes with their names, meanings and pages.
    #[arg(long)]
    json: bool,
}

/// Prints a code's page, or the table of all.
pub(super) fn run(options: &Explain) {
    let asked = |exit: &Exit| options.code.is_none_or(|code| code == *exit);
    match options.code {
        _ if options.json => {
            let codes: Vec<Value> = Exit::ALL.into_iter().filter(asked).map(object).collect();
            println!("{}", json!({ "schema": "haima.exit-codes/1", "codes": codes }));
        }
        None => print!("{}", help()),
        Some(exit) => println!("{}", page(exit).unwrap_or(exit.meaning()).trim_end()),
    }
}

fn object(exit: Exit) -> Value {
    json!({
        "code": exit.code(), "name": exit.name(), "meaning": exit.meaning(), "page": page(exit),
    })
}

/// The code that a person means.
fn read(text: &str) -> Result<Exit, String> {
    let digits = text.trim_start_matches(['E', 'e']).trim_start_matches('-');
    let code = digits.parse::<u8>().ok();
    code.and_then(|code| Exit::ALL.into_iter().find(|exit| exit.code() == code)).ok_or_else(|| {
        let codes = Exit::ALL.map(|exit| exit.code().to_string()).join(", ");
        format!("there is no such code; there are {codes}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_however_it_is_written_and_others_are_refused_with_those_there_are() {
        for text in ["4", "04", "E-04", "e04", "e-4"] {
            assert_eq!(read(text), Ok(Exit::Data), "{text}");
        }
        for text in ["", "E", "14", "999", "data"] {
            assert!(read(text).is_err_and(|error| error.contains("12, 13, 130")), "{text}");
        }
    }
}
