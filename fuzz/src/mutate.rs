//! The simple changes that every valid input gets in the ordinary tests: nothing, cuts, flipped
//! bits, other lengths, bytes too many. No replacement for a fuzzer: it only keeps what one has
//! found found.

/// Calls a function with an input and, at most `most` times each, with its changes.
pub(crate) fn each(seed: &[u8], most: usize, mut run: impl FnMut(&[u8])) {
    run(seed);
    let places = |all: usize| (0..all).step_by(all.div_ceil(most).max(1));
    for len in places(seed.len()) {
        run(&seed[..len]);
    }
    for at in places(seed.len()) {
        // Every bit has its turn: another one at each place.
        changed(seed, at, &[seed[at] ^ (1 << (at % 8))], &mut run);
        changed(seed, at, &[0xff], &mut run);
        // A byte too many, and one too few.
        run(&[&seed[..at], &seed[at.saturating_sub(1)..]].concat());
        run(&[&seed[..at], &seed[at + 1..]].concat());
    }
    for at in places(seed.len().saturating_sub(3)) {
        let word = u32::from_le_bytes([seed[at], seed[at + 1], seed[at + 2], seed[at + 3]]);
        for other in [0, 1, word.wrapping_sub(1), word.wrapping_add(1), 1 << 16, u32::MAX] {
            changed(seed, at, &other.to_le_bytes(), &mut run);
        }
    }
    run(&[seed, seed].concat());
    run(&[seed, &[0]].concat());
}

fn changed(seed: &[u8], at: usize, bytes: &[u8], run: &mut impl FnMut(&[u8])) {
    let mut other = seed.to_vec();
    other[at..at + bytes.len()].copy_from_slice(bytes);
    run(&other);
}

/// Runs a target over its seeds, the files of its corpus and all their changes; on a fault it says
/// which bytes had it. Returns how many inputs there were.
pub(crate) fn target(
    name: &str,
    seeds: &[Vec<u8>],
    corpus: &std::path::Path,
    run: fn(&[u8]),
) -> usize {
    let files = std::fs::read_dir(corpus.join(name)).into_iter().flatten().flatten();
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.sort();
    let files = files.iter().map(|path| std::fs::read(path).expect("a file of the corpus"));
    let (mut inputs, all) = (0, seeds.iter().cloned().chain(files));
    for seed in all {
        each(&seed, 48, |bytes| {
            inputs += 1;
            if let Err(fault) = std::panic::catch_unwind(|| run(bytes)) {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                println!("{name} fails at these {} bytes: {hex}", bytes.len());
                std::panic::resume_unwind(fault);
            }
        });
    }
    inputs
}
