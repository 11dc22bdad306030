//! Questions to whoever sits at the terminal. In a script there is nobody: what is needed is an
//! option, and nothing is signed without one.

use std::io::{BufRead as _, Read as _};

use crate::text::printable;

/// Longest answer that is read, in bytes.
const LONGEST: u64 = 4096;

/// Whom questions go to.
pub trait Ask {
    /// An answer of one line; `None` where there is nobody, or nothing was said.
    fn line(&mut self, question: &str) -> Option<String>;

    /// Shows a text and asks for a yes to it. `None` where there is nobody, and nothing was shown.
    fn yes(&mut self, text: &str, question: &str) -> Option<bool>;
}

/// Nobody is asked.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Ask for Nobody {
    fn line(&mut self, _: &str) -> Option<String> {
        None
    }

    fn yes(&mut self, _: &str, _: &str) -> Option<bool> {
        None
    }
}

/// A person at a terminal: texts go to standard output, questions to standard error.
#[derive(Clone, Copy, Debug)]
pub struct Person;

impl Ask for Person {
    fn line(&mut self, question: &str) -> Option<String> {
        eprint!("{}: ", printable(question));
        let mut answer = String::new();
        std::io::stdin().lock().take(LONGEST).read_line(&mut answer).ok()?;
        let answer = answer.trim();
        (!answer.is_empty()).then(|| answer.to_owned())
    }

    fn yes(&mut self, text: &str, question: &str) -> Option<bool> {
        println!("{}", printable(text));
        let answer = self.line(&format!("{question} Type yes, or anything else to leave it"));
        Some(answer.is_some_and(|answer| answer == "yes"))
    }
}
