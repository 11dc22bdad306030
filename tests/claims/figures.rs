//! The figures of `docs/security/parameters.md`, from the constants that it names.

use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::pine::{ALPHA, Params};

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

#[test]
fn every_constant_that_the_parameters_name_is_in_its_file() {
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
                assert!(evidence::has_word(&text, name), "{path} has no `{name}`");
                found += 1;
            }
        }
    }
    assert!(found > 20, "{found}");
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

/// The largest bound at which wrap-around checks hold: 81 W^2 <= p.
#[test]
fn the_largest_bounds_are_those_of_the_condition() {
    let holds = |bound: u64, p: u128| {
        let w = ((ALPHA * bound as f64).ceil() as u128 + 1).next_power_of_two();
        w.checked_mul(w).and_then(|square| square.checked_mul(81)).is_some_and(|left| left <= p)
    };
    let page = page();
    for (bound, words, p) in [
        (30_854_650, "30,854,650", Field64::MODULUS),
        (132_519_713_173_200_808, "132,519,713,173,200,808", Field128::MODULUS),
    ] {
        assert!(page.contains(words), "{words}");
        assert!(holds(bound, p) && !holds(bound + 1, p), "{words}");
    }
}
