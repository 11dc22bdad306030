//! The checker itself: a small tree that is right, and every way in which it can be wrong.

use crate::rows::{Artefact, Kind};
use crate::{ROWS, ids, problems, rendered};

const PLANTED: &str = "proofs/planted/planted.toml";

const RIGHT: &[(&str, &str)] = &[
    (
        ROWS,
        r#"
[kinds.test]
tool = "cargo test"
version = "1"
command = "cargo test -p {package} {target} -- {names}"
shows = "examples"
[kinds.coq]
tool = "Coq"
version = "8"
command = "proofs/coq/run.sh"
shows = "theorems"
[kinds.verifpal]
tool = "Verifpal"
version = "1"
command = "proofs/verifpal/run.sh"
shows = "models"
[kinds.miri]
tool = "miri"
version = "1"
command = "proofs/miri/run.sh"
shows = "memory"
[kinds.supply]
tool = "cargo-audit"
version = "1"
command = "proofs/supply/run.sh"
shows = "advisories"
[assumptions]
hash = "It holds."
[[claim]]
id = "P1n"
holds = "yes"
statement = "It is so."
assumes = ["hash"]
not_shown = "The rest."
artefacts = ["test src/lib.rs it_is_so", "coq proofs/coq/Mask.v secrecy"]
[[claim]]
id = "P1m"
holds = "no"
statement = "It is not so."
assumes = []
not_shown = "That it is."
artefacts = ["test src/lib.rs it_is_not"]
[[claim]]
id = "R4"
holds = "partly"
statement = "Once."
assumes = []
not_shown = "Twice."
artefacts = [
    "verifpal proofs/verifpal/round.vp round round/replay",
    "test crypto/tests/rounds/sums.rs it_adds_up",
    "miri proofs/miri/run.sh field",
    "supply proofs/supply/accepted.txt RUSTSEC-1",
]
"#,
    ),
    (
        PLANTED,
        r#"
[[planted]]
id = "P1n-helper"
at = ["assert!(true"]
file = "src/lib.rs"
old = "fn helper() {}\n"
new = "fn helper() { assert!(!PLANTED); }\n"
without = "help"
tests = ["src/lib.rs it_is_so"]
[[planted]]
id = "R4-two"
without = "both"
at = ["assert!(true"]
tests = ["crypto/tests/rounds/sums.rs it_adds_up"]
[[planted.change]]
file = "src/lib.rs"
old = "/// No.\n"
new = "/// PLANTED\n"
"#,
    ),
    ("docs/security/rules.md", "| id | says |\n|---|---|\n| P1 | it is so |\n| R4 | once |\n"),
    (
        "src/lib.rs",
        "//! Stored once (rule\n//! R4), promise P1n.\n#[test]\nfn it_is_so() {}\n\n/// No.\n\
         #[tokio::test(flavor = \"x\")]\nasync fn it_is_not() {}\nfn helper() {}\n",
    ),
    ("crypto/tests/rounds.rs", "#[path = \"rounds/sums.rs\"]\nmod sums;\n"),
    ("crypto/tests/rounds/sums.rs", "#[test]\nfn it_adds_up() {}\n"),
    ("crypto/tests/stray/sums.rs", "#[test]\nfn it_adds_up() {}\n"),
    ("proofs/coq/run.sh", ""),
    ("proofs/coq/Mask.v", "(* One-time pad. *)\nTheorem secrecy n : n = n.\nProof. by []. Qed.\n"),
    ("proofs/verifpal/run.sh", ""),
    ("proofs/miri/run.sh", "# Left out: seal.\ncases=(mask field)\n"),
    ("proofs/supply/run.sh", ""),
    ("proofs/supply/accepted.txt", "RUSTSEC-1 | subtle 2.6.1\n"),
    ("proofs/verifpal/round.vp", ""),
    ("proofs/verifpal/expected.txt", "# Verdicts.\nround - c0a0\nround replay c1a0\n"),
];

/// A folder with the files above, in one of which one text stands for another.
fn tree(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in RIGHT {
        let text = if *name == file {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        } else {
            (*text).to_owned()
        };
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    root
}

#[test]
fn a_tree_that_is_right_has_no_problem() {
    let found = problems(tree("", "", "").path());
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_broken_row_is_named_with_what_is_wrong() {
    let (lib, mask) = ("src/lib.rs", "proofs/coq/Mask.v");
    let expected = "proofs/verifpal/expected.txt";
    for (file, from, to, problem) in [
        // What a row names.
        (ROWS, "src/lib.rs it_is_so", "src/gone.rs it_is_so", "P1n: src/gone.rs is not there"),
        (
            ROWS,
            "lib.rs it_is_so",
            "lib.rs it_was_so",
            "P1n: src/lib.rs has no function `it_was_so`",
        ),
        (
            ROWS,
            "lib.rs it_is_so",
            "lib.rs helper",
            "P1n: src/lib.rs has `helper`, which is no test",
        ),
        (lib, "#[test]\n", "#[test]\n#[ignore]\n", "`it_is_so`, which is ignored"),
        (lib, "#[test]\n", "#[test]\n#[cfg_attr(miri, ignore)]\n", "`it_is_so`, which is ignored"),
        (
            lib,
            "#[test]\n",
            "#[cfg_attr(not(unix), ignore = \"no\")]\n#[test]\n",
            "`it_is_so`, which is ignored",
        ),
        (lib, "#[test]\n", "#[test]\n#[cfg(unix)]\n", "`it_is_so`, which is not always compiled"),
        (lib, "#[test]\n", "#[cfg(test)]\n", "`it_is_so`, which is no test"),
        (ROWS, "Mask.v secrecy", "Mask.v secret", "Mask.v has no theorem `secret`"),
        (mask, "Theorem", "Definition", "Mask.v has no theorem `secrecy`"),
        (mask, "Qed", "Admitted", "Mask.v has something admitted"),
        (mask, "(* One", "Axiom a : False.\n(* One", "Mask.v has something admitted"),
        (expected, "round replay c1a0", "", "`round/replay`, which proofs/verifpal/expected.txt"),
        (
            expected,
            "round - c0a0\nround",
            "sound - c0a0\nsound",
            "`round`, which proofs/verifpal/expected.txt",
        ),
        (ROWS, "run.sh field", "run.sh seal", "proofs/miri/run.sh has no case `seal`"),
        (ROWS, "txt RUSTSEC-1", "txt RUSTSEC", "accepted.txt has no `RUSTSEC`"),
        (ROWS, "\"coq proofs", "\"agda proofs", "`agda` is no kind of evidence"),
        (ROWS, "proofs/coq/run.sh", "proofs/coq/go.sh", "proofs/coq/go.sh, which runs coq"),
        (ROWS, "test src/lib.rs it_is_so", "test src/lib.rs", "is not KIND FILE NAME"),
        (
            ROWS,
            "tests/rounds/sums.rs",
            "tests/stray/sums.rs",
            "R4: crypto/tests/stray/sums.rs is of no test program and no library",
        ),
        // Planted changes.
        (PLANTED, "fn helper() {}", "fn help() {}", "stands in src/lib.rs not once"),
        (PLANTED, "!PLANTED", "true", "P1n-helper: no `new` has PLANTED"),
        (PLANTED, "lib.rs it_is_so", "lib.rs it_is_not", "`src/lib.rs it_is_not` is no test of"),
        (PLANTED, "\"help\"", "\"\"", "P1n-helper: it needs tests, and a line"),
        (PLANTED, "at = [\"assert!(true\"]", "at = []", "`at` is not a line for each of its tests"),
        (PLANTED, "file = \"src/lib.rs\"\nold", "old", "either file, old and new, or a list"),
        (
            PLANTED,
            "file = \"src/lib.rs\"",
            "file = \"crypto/tests/rounds.rs\"",
            "is no shipped code",
        ),
        (PLANTED, "\"P1n-helper\"", "\"R4-two\"", "R4-two stands there twice"),
        (PLANTED, "\"P1n-helper\"", "\"R4-one\"", "P1n: proofs/planted/planted.toml has no change"),
        (PLANTED, "\"P1n-helper\"", "\"P9n-helper\"", "P9n is no claim"),
        (PLANTED, "without = \"both\"", "with = \"both\"", "unknown field `with`"),
        // Ids.
        (ROWS, "id = \"R4\"", "id = \"R5\"", "R4 has no row"),
        (ROWS, "id = \"R4\"", "id = \"R5\"", "R5 has a row and does not stand in"),
        (ROWS, "id = \"R4\"", "id = \"P1n\"", "P1n has two rows"),
        (ROWS, "id = \"R4\"", "id = \"D4\"", "D4 has no heading"),
        ("docs/security/rules.md", "| R4 |", "| R4 | once |\n| R6 |", "R6 has no row"),
        ("docs/security/rules.md", "| R4 |", "| P2 | more |\n| R4 |", "P2m has no row"),
        (lib, "(rule\n//! R4)", "(rules R4,\n//! X9)", "src/lib.rs cites X9"),
        (lib, "promise P1n", concat!("promise P", "9m"), "src/lib.rs cites P9m"),
        // Fields.
        (ROWS, "holds = \"partly\"", "holds = \"mostly\"", "R4 holds `mostly`"),
        (ROWS, "assumes = [\"hash\"]", "assumes = [\"hope\"]", "assumes `hope`"),
        (ROWS, "assumes = [\"hash\"]", "assumes = []", "no row assumes `hash`"),
        (ROWS, "[\"test src/lib.rs it_is_not\"]", "[]", "P1m has no artefact"),
        (ROWS, "\"Twice.\"", "\"\"", "R4: a text is empty"),
        (ROWS, "\"Twice.\"", "\"a | b\"", "R4: a text is empty or has"),
        (ROWS, "not_shown = \"Twice.\"\n", "", "missing field `not_shown`"),
        (ROWS, "not_shown = \"Twice.\"", "shown = \"Once.\"", "unknown field `shown`"),
    ] {
        let found = problems(tree(file, from, to).path());
        assert!(found.iter().any(|found| found.contains(problem)), "{to}: {problem}: {found:?}");
    }
}

#[test]
fn a_change_of_any_field_changes_the_page() {
    let page = rendered(tree("", "", "").path());
    assert!(page.contains("| it is so | [P1n](#p1n): yes | [P1m](#p1m): no |\n"), "{page}");
    assert!(
        page.contains("\ncargo test -p haima --lib -- it_is_so\nproofs/coq/run.sh\n"),
        "{page}"
    );
    for (from, to) in [
        ("It is so.", "It may be so."),
        ("The rest.", "More."),
        ("It holds.", "It may hold."),
        ("assumes = [\"hash\"]", "assumes = []"),
        ("holds = \"yes\"", "holds = \"no\""),
        ("it_is_so", "it_was_so"),
        ("\"examples\"", "\"cases\""),
        ("version = \"8\"", "version = \"9\""),
    ] {
        assert_ne!(page, rendered(tree(ROWS, from, to).path()), "{from}");
    }
    assert_ne!(page, rendered(tree("docs/security/rules.md", "it is so", "so").path()));
    let planted = "- planted, P1n-helper: without help, `it_is_so` must fail\n";
    assert!(page.contains(planted) && page.contains("\nproofs/planted/run.sh P1n\n"), "{page}");
}

/// A file's command builds the one program that has its tests.
#[test]
fn a_command_names_the_program_of_its_file() {
    let kind = |command: &str| Kind {
        tool: String::new(),
        version: String::new(),
        command: command.to_owned(),
        shows: String::new(),
    };
    for (file, command) in [
        ("src/site/tests/policy.rs", "haima --lib a b"),
        ("tests/masked.rs", "haima --test masked a b"),
        ("tests/lying_masked/sums.rs", "haima --test lying_masked a b"),
        ("tests/train_cli/main.rs", "haima --test train_cli a b"),
        ("crypto/src/seal/tests.rs", "haima-crypto --lib a b"),
        ("dp/tests/ledger.rs", "haima-dp --test ledger a b"),
        ("fl-core/tests/hazard/rules.rs", "haima-fl-core --test hazard a b"),
        ("smpc-node/tests/round_model/main.rs", "haima-smpc-node --test round_model a b"),
    ] {
        let artefact = Artefact::try_from(format!("test {file} a b")).unwrap();
        assert_eq!(artefact.command(&kind("{package} {target} {names}")), command, "{file}");
        assert_eq!(artefact.command(&kind("proofs/run.sh")), "proofs/run.sh");
    }
}

#[test]
fn ids_are_found_however_they_are_cited() {
    let cited = |text: &str| ids::cited(text).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(cited("Stored first (rule R4)."), "R4");
    assert_eq!(cited("/// as rules N1, N2\n    /// and S1 have it, X3 not"), "N1 N2 S1");
    assert_eq!(cited("//! (rules\n//! L1-L3, X1 | and"), "L1 L3 X1");
    assert_eq!(cited("\"by rule L5), as\""), "L5");
    assert_eq!(cited("| rules S4, S6)\" and promise P4n"), "P4n S4 S6");
    assert_eq!(cited("Rule S2, second form"), "S2");
    assert_eq!(cited("no rule of thumb; ruler R2; rule 7; rule R; rules Rust has; R4"), "");
    let rules = "- **S1** A patient.\n- **bold** no id\n  **S2** no line\n- **M4** Cost.\n";
    assert_eq!(ids::of_rules(rules), ["S1", "M4"]);
    let design = "## What is promised, against whom\n\n| property | nodes |\n|---|---|\n\
                  | the sum | yes |\n| ... and *all* | no |\n\n| another | table |\n";
    assert_eq!(ids::promises_of_design(design), ["the sum", "... and *all*"]);
}
