//! The fuzz targets of `fuzz` without a fuzzer: the same functions, over valid inputs, the corpora
//! that are kept, and simple changes of both. What it does not show: what only a fuzzer finds
//! (`proofs/fuzz/run.sh`).

#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;
#[path = "../../../fuzz/src/targets/mod.rs"]
mod targets;

use std::path::Path;

fn run(name: &str) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let target = targets::ALL.iter().find(|target| target.name == name).expect("a target");
    let inputs = mutate::target(name, &(target.seeds)(), &corpus, target.run);
    println!("{name}: {inputs} inputs");
    assert!(inputs > 100, "{name} had {inputs} inputs");
}

/// One test a target, and a list of their names.
macro_rules! tests {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

tests!(secagg shares sealed pine records texts journal ledger wire);

#[test]
fn every_target_has_its_test() {
    assert!(targets::ALL.iter().map(|target| target.name).eq(TESTED.iter().copied()));
}

/// That these changes find a fault at all: a length that is believed.
#[test]
fn a_planted_fault_is_found() {
    let mut found = 0;
    mutate::each(&targets::planted::seed(), 48, |bytes| {
        found += usize::from(std::panic::catch_unwind(|| targets::planted::run(bytes)).is_err());
    });
    assert!(found > 3, "the planted fault was found {found} times");
}
