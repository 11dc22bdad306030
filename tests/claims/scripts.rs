//! A script of `proofs/` that is told to run what is not there has shown nothing, and says so.

use std::process::Command;

use crate::repository;

/// Names that a kind has not, those that are parts of others, names where none are taken, and what
/// takes `DEEP=1`.
#[test]
fn a_mistyped_name_fails() {
    for (kind, name, why) in [
        ("verifpal", "nosuch", "there is no such model, only submit "),
        ("verifpal", "submit/replay", "there is no such model"),
        ("tla", "nosuch", "there is no such configuration"),
        ("tla", "#", "there is no such configuration"),
        ("tla", "RoundDeep", "needs DEEP=1"),
        ("supply", "nosuch", "there is no such check, only deny, "),
        ("supply", "licenses", "a part of the argument deny"),
        ("supply", "advisories-fresh", "a part of the argument advisories"),
        ("supply", "minimal", "needs DEEP=1"),
        ("smt", "nosuch", "there is no such goal"),
        ("smt", "p64-reduce/false", "there is no such goal"),
        ("smt", "--write", "takes one folder"),
        ("ct", "nosuch", "takes no names"),
        ("ct", "--explain", "takes a case and a level, one of 0 1 2 3 s"),
        ("fuzz", "nosuch", "takes one folder of targets"),
        ("coq", "nosuch", "takes no names"),
        ("miri", "nosuch", "takes no names"),
        ("mutants", "nosuch", "takes no names"),
        ("coverage", "nosuch", "takes no names"),
        ("planted", "nosuch", "there is no such change"),
        ("planted", "P9n", "no claim that has one"),
    ] {
        let script = repository().join(format!("proofs/{kind}/run.sh"));
        let run = Command::new(script).arg(name).env_remove("DEEP").output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert_eq!(run.status.code(), Some(1), "{kind} {name}: {said}");
        assert!(said.starts_with(&format!("FAILED {kind} {name}: ")), "{kind} {name}: {said}");
        assert!(said.contains(why), "{kind} {name}: {said}");
    }
}
