//! Writes the goals of expected.txt, and their twins, into a folder: SMT-LIB that run.sh gives to
//! solvers. Prints a line each: goal, twin or `-`, and the verdict that it should have.
//!
//!     haima-proofs-smt DIR            the goals and the twins that they name
//!     haima-proofs-smt DIR --every    as twins every operation left out, one at a time
//!
//! The twin `false` of a goal asks for `false` from what the goal is given: where that followed,
//! the goal would say nothing.

use std::path::Path;
use std::process::ExitCode;

use fault::Fault;

#[path = "../../../crypto/src/field/arithmetic/mod.rs"]
mod arithmetic;
mod bits;
mod fault;
mod goal;
mod goals;
mod integers;
mod logic;
mod terms;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        eprintln!("usage: haima-proofs-smt DIR [--every]");
        return ExitCode::from(2);
    };
    match write(Path::new(&folder), arguments.next().as_deref() == Some("--every")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{folder}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path, every: bool) -> std::io::Result<()> {
    let one = |goal: &str, twin: &str, verdict: &str, text: String| {
        println!("{goal} {twin} {verdict}");
        std::fs::write(folder.join(format!("{goal}.{twin}.smt2")), text)
    };
    for (width, goal) in goals::all() {
        one(goal.name, "-", "unsat", goal.text(width, None))?;
        // Where products are computed the goal is about words, not about the arithmetic.
        let each = every && !terms::computes_products();
        let twins = if each { each_left_out() } else { named(goal.twins) };
        for (twin, fault) in twins {
            one(goal.name, &twin, "sat", goal.text(width, Some(fault)))?;
        }
        if let Some(text) = goal.absurd(width) {
            one(goal.name, "false", "sat", text)?;
        }
    }
    Ok(())
}

fn named(twins: &[(&str, Fault)]) -> Vec<(String, Fault)> {
    twins.iter().map(|(name, fault)| ((*name).to_owned(), *fault)).collect()
}

/// Every operation of the goal that was written last.
fn each_left_out() -> Vec<(String, Fault)> {
    let executed = terms::executed().into_iter();
    let one = |(name, count)| (1..=count).map(move |nth| (name, nth));
    executed
        .flat_map(one)
        .map(|(name, nth)| (format!("{name}-{nth}"), Fault::Without(name, nth)))
        .collect()
}
