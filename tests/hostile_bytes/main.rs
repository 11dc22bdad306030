//! The fuzz targets of `fuzz/whole` without a fuzzer: the same functions, over valid inputs, the
//! corpora that are kept, and simple changes of both. What it does not show: what only a fuzzer
//! finds (`proofs/fuzz/run.sh fuzz/whole`).

#[path = "../../fuzz/src/mutate.rs"]
mod mutate;
#[path = "../../fuzz/whole/src/targets/mod.rs"]
mod targets;

use std::path::Path;

fn run(name: &str) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/whole/corpus");
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

tests!(tables params convert models reports registry policies frames configs requests masked);

#[test]
fn every_target_has_its_test() {
    assert!(targets::ALL.iter().map(|target| target.name).eq(TESTED.iter().copied()));
}
