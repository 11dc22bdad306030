//! The figures of `docs/security/parameters.md`, from the constants that it names.

use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::pine::Params;

use crate::{evidence, repository};

const PAGE: &str = "docs/security/parameters.md";

fn page() -> String {
    std::fs::read_to_string(repository().join(PAGE)).unwrap()
}

/// The row of a table that begins so.
fn row<'a>(page: &'a str, start: &str) -> &'a str {
    page.lines().find(|line| line.starts_with(&format!("| {start} |"))).unwrap()
}

/// Bits, rounded down as the page has them.
fn bits(figure: f64) -> String {
    format!("{:.1}", (figure * 10.0).floor() / 10.0)
}

/// Error of one norm equality: the other parts get so many checks and proofs that they have none.
fn norm_equality<F: Field>(dimension: usize) -> String {
    let params = Params::new::<F>(dimension, 1 << 16, 2).unwrap();
    let (checks, successes, proofs) = (1024, 1024, 255);
    let alone = Params { checks, successes, proofs, proofs_norm_equality: 1, ..params };
    bits(alone.soundness_bits::<F>().unwrap())
}

/// Error of one validity proof over the 64-bit field, where it is below that of the checks.
fn validity(bound: u64) -> String {
    let params = Params::new::<Field64>(1_000_000, bound, 2).unwrap();
    let alone = Params { proofs: 1, proofs_norm_equality: 255, ..params };
    bits(alone.soundness_bits::<Field64>().unwrap())
}

/// What the page says of each constant, in a word of the line that names it.
const CONSTANTS: [(&str, &str); 14] = [
    ("MAX_BOUND_64", "2^24"),
    ("MAX_DIMENSION", "2^26"),
    ("MAX_PARTIES", "64"),
    ("MIN_SITES", "3"),
    ("MAX_SITES", "200"),
    ("MAX_ROUNDS", "65,536"),
    ("CHUNK", "1 MiB"),
    ("NONCE", "16"),
    ("ALPHA", "8.7"),
    ("ATTEMPTS", "8"),
    ("LEAST", "4"),
    ("MAX_SCALE", "2^40"),
    ("MOST_CELLS", "2^20"),
    ("ROUNDING", "4e-33"),
];

/// A number as the page writes it.
fn told(words: &str) -> f64 {
    if let Some(exponent) = words.strip_prefix("2^") {
        return exponent.parse::<f64>().unwrap().exp2();
    }
    let (number, unit) = words.strip_suffix(" MiB").map_or((words, 1.0), |it| (it, 1_048_576.0));
    number.replace(',', "").parse::<f64>().unwrap() * unit
}

/// A constant as a source declares it: a number, or one shifted.
fn declared(source: &str, name: &str) -> Option<f64> {
    let start = format!("const {name}: ");
    let line = source.lines().find(|line| line.contains(&start))?;
    let value = line.split_once(" = ")?.1.strip_suffix(';')?.replace('_', "");
    match value.split_once(" << ") {
        Some((one, by)) => Some(one.parse::<f64>().ok()? * by.parse::<f64>().ok()?.exp2()),
        None => value.parse().ok(),
    }
}

/// Whether a line has a number as a word of its own.
fn says(line: &str, words: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "^.,".contains(c);
    line.match_indices(words).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + words.len()..]);
        !before.ends_with(is_part) && !after.starts_with(|c: char| c.is_alphanumeric() || c == '^')
    })
}

/// What is wrong with a name that a line of the page has, by the source that the line links.
fn wrong(line: &str, name: &str, source: &str) -> Option<String> {
    if !evidence::has_word(source, name) {
        return Some(format!("there is no `{name}`"));
    }
    if name.contains(char::is_lowercase) {
        return None;
    }
    let Some((_, words)) = CONSTANTS.iter().find(|(constant, _)| *constant == name) else {
        return Some(format!("nothing is known of `{name}`"));
    };
    if !says(line, words) {
        return Some(format!("`{name}` is not said to be {words}"));
    }
    let value = declared(source, name);
    (value != Some(told(words))).then(|| format!("`{name}` is {value:?}, not {words}"))
}

#[test]
fn every_constant_that_the_parameters_name_is_in_its_file_and_has_the_value_that_they_say() {
    let (page, mut found) = (page(), 0);
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let cell = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        for part in cell.split("; ") {
            let Some((names, link)) = part.split_once('[') else { continue };
            let Some((_, path)) = link.split_once("](../../") else { continue };
            let path = &path[..path.find(')').unwrap()];
            let text = std::fs::read_to_string(repository().join(path)).unwrap();
            for name in names.split('`').skip(1).step_by(2) {
                let name = name.rsplit("::").next().unwrap_or(name);
                assert_eq!(wrong(line, name, &text), None, "{path}: {line}");
                found += 1;
            }
        }
    }
    assert!(found > 20, "{found}");
    for (name, _) in CONSTANTS {
        assert!(page.contains(&format!("{name}`")), "the page has no `{name}`");
    }
    // What is no constant of its own.
    let checks = repository().join("smpc-node/src/manifest/checks.rs");
    let checks = std::fs::read_to_string(checks).unwrap();
    assert!(checks.contains("self.max_dimension > 50_000_000"));
    assert!(row(&page, "coordinates d").contains("50,000,000 in a manifest"));
    let modulus = |row_of: &str, words: &str, value: u128, modulus: u128| {
        assert!(row(&page, row_of).contains(words), "{words}");
        assert_eq!(value, modulus, "{words}");
    };
    let (p64, p128) = ((1 << 64) - (1 << 32) + 1, 0_u128.wrapping_sub(7 << 66) + 1);
    modulus("p, 64 bits", "2^64 - 2^32 + 1", p64, Field64::MODULUS);
    modulus("p, 128 bits", "2^128 - 7 * 2^66 + 1", p128, Field128::MODULUS);
}

/// What the pages say of a connection to a node is what a node lets in.
#[test]
fn as_many_calls_of_a_connection_are_promised_as_the_node_allows() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).unwrap();
    let calls = declared(&read("smpc-node/src/server/mod.rs"), "STREAMS").unwrap();
    for (page, words) in [
        ("SECURITY.md", format!("; at most {calls} calls a connection |")),
        ("docs/protocol.md", format!("works on at most {calls} calls of one connection")),
    ] {
        assert!(read(page).contains(&words), "{page} does not say: {words}");
    }
}

#[test]
fn a_constant_of_another_value_or_of_none_is_noticed() {
    let (line, source) = ("| scale | 4 to 2^40 steps |", "pub const MAX_SCALE: u64 = 1 << 40;");
    assert_eq!(wrong(line, "MAX_SCALE", source), None);
    let other = source.replace("40", "30");
    assert!(wrong(line, "MAX_SCALE", &other).unwrap().contains("is Some(1073741824.0), not 2^40"));
    let other = line.replace("2^40", "2^400");
    assert!(wrong(&other, "MAX_SCALE", source).unwrap().contains("is not said to be 2^40"));
    assert!(wrong(line, "MAX_SCALES", source).unwrap().contains("there is no"));
    let unknown = "const LARGEST: u64 = 1;";
    assert!(wrong(line, "LARGEST", unknown).unwrap().contains("nothing is known"));
    let words = ["65,536", "1 MiB", "4e-33", "8.7"].map(told);
    assert_eq!(words, [65_536.0, 1_048_576.0, 4e-33, 8.7]);
    assert_eq!(declared("    const ROUNDING: f64 = 4e-33;", "ROUNDING"), Some(4e-33));
    assert_eq!(declared("const A: u64 = B;", "A"), None);
}

#[test]
fn the_errors_of_proofs_are_those_of_the_code() {
    let page = page();
    let norm = row(&page, "norm equality, one proof");
    for dimension in [1_000, 1_000_000, 1 << 26] {
        for figure in [norm_equality::<Field64>(dimension), norm_equality::<Field128>(dimension)] {
            assert!(norm.contains(&figure), "{figure} at {dimension}: {norm}");
        }
    }
    let valid = row(&page, "validity, one proof");
    for bound in [1 << 16, 1 << 24] {
        let figure = validity(bound);
        assert!(valid.contains(&figure), "{figure} at {bound}: {valid}");
    }
    let params = Params::new::<Field64>(1_000_000, 1 << 16, 2).unwrap();
    let counts = [params.checks, params.successes, params.proofs, params.proofs_norm_equality];
    assert_eq!(counts, [100, 100, 2, 2]);
    let params = Params::new::<Field128>(1_000_000, 1 << 16, 2).unwrap();
    let counts = [params.checks, params.successes, params.proofs, params.proofs_norm_equality];
    assert_eq!(counts, [100, 100, 1, 1]);
}

/// The largest bound at which wrap-around checks hold: 81 W^2 <= p, in integers.
#[test]
fn the_largest_bounds_are_those_of_the_condition() {
    let holds = |bound: u64, p: u128| {
        let w = ((u128::from(bound) * 87).div_ceil(10) + 1).next_power_of_two();
        w.checked_mul(w).and_then(|square| square.checked_mul(81)).is_some_and(|left| left <= p)
    };
    let page = page();
    let of_code = [Params::largest_bound::<Field64>(), Params::largest_bound::<Field128>()];
    for ((bound, words, p), of_code) in [
        (30_854_650, "30,854,650", Field64::MODULUS),
        (132_519_713_173_200_801, "132,519,713,173,200,801", Field128::MODULUS),
    ]
    .into_iter()
    .zip(of_code)
    {
        assert!(page.contains(words), "{words}");
        assert!(holds(bound, p) && !holds(bound + 1, p), "{words}");
        assert_eq!(bound, of_code);
    }
}

/// What is left when so many vectors of so many bytes are expanded or sealed by AES: each is told
/// from a uniform one with 2^(2 log2 N - 129), N being its blocks of 16 bytes.
fn left(bytes: f64, times: f64) -> String {
    let blocks: f64 = bytes / 16.0;
    format!("{:.0}", (129.0 - 2.0 * blocks.log2() - times.log2()).floor())
}

#[test]
fn the_budgets_of_the_block_cipher_are_those_of_their_formula() {
    let page = page();
    let last = |start: &str| {
        let row = row(&page, start);
        row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap().trim().to_owned()
    };
    let submissions = 20.0 * 1_000.0;
    for start in [
        "secrecy: AES blocks that differ, the honest node's expansion of each submission",
        "secrecy: the same in sealing, if the honest node is the one with the vector",
    ] {
        assert_eq!(last(start), left(8.0 * 1e6, submissions), "{start}");
    }
    let largest = row(&page, "... the same over the 128-bit field, d = 5 * 10^7 and 2^26");
    let of_both = [5e7, 2_f64.powi(26)].map(|d| left(16.0 * d, submissions));
    assert!(largest.ends_with(&format!("| {} and {} |", of_both[0], of_both[1])), "{largest}");
    // Masked mode: a game for each pair and each self-mask of a round, words of 8 bytes.
    for (sites, rounds, start) in
        [(20, 1_000, "20, 1,000"), (200, 1_000, "200, 1,000"), (200, 65_536, "200, 65,536")]
    {
        let games = f64::from(sites * (sites + 1) / 2 * rounds);
        let cells = [1e6, 5e7].map(|d| left(8.0 * d, games)).join(" | ");
        let row = row(&page, start);
        assert!(row.ends_with(&format!("| {cells} |")), "{row}: {cells}");
    }
    let design = repository().join("docs/security/design.md");
    let design = std::fs::read_to_string(design).unwrap();
    let games = f64::from(200 * 201 / 2 * 65_536);
    for figure in [left(8e6, submissions), left(2_f64.powi(30), submissions), left(4e8, games)] {
        assert!(design.contains(&format!("2^-{figure} ")), "2^-{figure}");
    }
}
