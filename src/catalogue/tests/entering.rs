//! What may enter (rule S6): nothing that was counted or observed in patients without a charge.

use haima_fl_core::results::Table1;

use super::super::offer::Described;
use super::super::report::Report;
use super::super::size::Charged;
use super::super::{Member, Privacy};
use super::*;
use crate::report::{
    Best, Class, MaskedTerms, Party as Reported, Privacy as Charge, Role as Does, RoundClass,
    RoundRow, RoundStatus, Step, StepResult, StudyReport,
};

const SCHEMA: &str = r#"
patient = "id"
[[column]]
name = "age"
kind = "numeric"
unit = "years"
range = [18, 103]
bins = [18, 61, 103]
[[column]]
name = "sex"
kind = "category"
levels = ["F", "M"]
"#;

#[test]
fn an_exact_count_is_no_declared_size_whatever_its_grain() {
    for (patients, grain) in [(10, 10), (40, 20), (1250, 50), (3000, 1000), (1_000_000, 500_000)] {
        assert!(Size::declared(patients, grain).is_ok(), "{patients} by {grain}");
    }
    for (patients, grain) in
        [(137, 10), (137, 1), (137, 137), (40, 0), (40, 5), (45, 15), (0, 10), (30, 30), (8, 8)]
    {
        let problem = Size::declared(patients, grain).unwrap_err();
        assert!(problem.contains("(rule S6)"), "{patients} by {grain}: {problem}");
    }
    // A signature does not make it better.
    let folder = Folder::new();
    let mut blood = folder.blood();
    let exact = Offer { size: Size::Declared { patients: 137, grain: 137 }, ..offer() };
    let new = New { content: Content::Site(exact), ..of_site("aml", "") };
    assert!(blood.add(&key(1), new).is_err());
    assert_eq!(blood.count(), 0);
}

#[test]
fn an_offer_has_what_a_schema_declares_and_no_range_of_it() {
    let described = Described::of(&SCHEMA.parse().unwrap()).unwrap();
    let text = serde_json::to_string(&described.variables).unwrap();
    for observed in ["18", "61", "103", "id"] {
        assert!(
            !text.contains(&format!("{observed}\"")) && !text.contains(&format!("{observed},"))
        );
    }
    let names: Vec<&str> = described.variables.iter().map(|own| own.name.as_str()).collect();
    assert_eq!(names, ["age", "sex"], "the key of patients is none");
    assert_eq!(described.variables[0].of, Of::Number { unit: "years".into() });
    let levels = vec!["F".to_owned(), "M".to_owned()];
    assert_eq!(described.variables[1].of, Of::Category { levels });
    let some = described.clone().only(&["sex".into()]).unwrap();
    assert_eq!((some.variables.len(), some.schema_digest), (1, described.schema_digest.clone()));
    assert!(described.only(&["weight".into()]).is_err());
}

#[test]
fn a_schema_that_was_drafted_from_patients_is_not_offered() {
    let folder = Folder::new();
    let path = folder.path("cohort.csv");
    let rows: String =
        (0..30).map(|i| format!("p{i},{},{}\n", 40 + i, ["F", "M"][i % 2])).collect();
    std::fs::write(&path, format!("id,age,sex\n{rows}")).unwrap();
    let draft = crate::data::infer::Draft::of(&path, None).unwrap().toml().unwrap();
    let schema = folder.path("schema.toml");
    std::fs::write(&schema, draft).unwrap();
    let error = Described::read(&schema).unwrap_err().to_string();
    assert!(error.contains("a draft that `haima data infer` made from patients"), "{error}");
    std::fs::write(&schema, SCHEMA).unwrap();
    assert_eq!(Described::read(&schema).unwrap().variables.len(), 2);
}

fn member(registry: &Registry, name: &str) -> Member {
    registry.charter().party(name).unwrap().clone()
}

/// A report of three hospitals, `north` among them, whose table counted 312 patients.
fn report(class: Class) -> StudyReport {
    let party = |name: &str, role, secret| Reported {
        name: name.to_owned(),
        role,
        operator: name.to_owned(),
        fingerprint: {
            let own = key(secret).public().to_string();
            haima_smpc_node::manifest::fingerprint(&own, &own).unwrap()
        },
        note: String::new(),
    };
    let table = Table1 {
        schema: "haima.table1/1".into(),
        sites: 3,
        groups: vec!["all".into()],
        n: vec![312],
        rows: vec![],
    };
    let round = |step: &str, digest: &str, status| RoundRow {
        number: 1,
        task: "table1".into(),
        step: step.to_owned(),
        attempt: 1,
        class: RoundClass::Private,
        sites_accepted: 3,
        sites_total: 3,
        left_out: vec![],
        refused: vec![],
        seconds: 1.0,
        bytes: 1,
        digest: digest.repeat(32),
        status,
        stops: vec![],
    };
    StudyReport {
        title: "312 patients with leukaemia".into(),
        manifest_digest: "AA".repeat(32),
        parties: vec![
            party("alfred", Does::Site, 1),
            party("ohio", Does::Site, 6),
            party("vincent", Does::Site, 7),
            party("a", Does::Node, 8),
            party("b", Does::Node, 9),
        ],
        steps: vec![Step {
            id: "who".into(),
            title: "Who they are".into(),
            task: "table1".into(),
            class,
            cohort: "include age >= 60\n".into(),
            rounds: 1,
            attempts_failed: 1,
            seconds: 1.0,
            bytes_sent_by_sites: 1,
            bytes_received_by_nodes: 1,
            bytes_released: 1,
            result: Some(StepResult::Table1(table)),
        }],
        rounds: vec![
            round("who", "cc", RoundStatus::Failed { reason: "late".into() }),
            round("who", "bb", RoundStatus::Released),
            round("other", "dd", RoundStatus::Released),
        ],
        ..StudyReport::new("aml-1")
    }
}

fn noised() -> Class {
    let best = || Best { epsilon: 0.9, method: "PLD".into() };
    Class::Private(Charge {
        epsilon_coalition: 1.0,
        best_coalition: best(),
        best_public: best(),
        delta: 1e-5,
        cost: 0.1,
        sampling_rate: 1.0,
        noise_s: 8192.0,
        sensitivity: 2048.0,
        site_bound: None,
        unit: "patient".into(),
        adjacency: "add/remove".into(),
        accountant: "zCDP".into(),
    })
}

#[test]
fn a_charged_size_is_read_out_of_the_report_with_its_noise_and_its_round() {
    let folder = Folder::new();
    let blood = folder.blood();
    let (north, south) = (member(&blood, "north"), member(&blood, "south"));
    let charged = Charged::of(&report(noised()), &north, None).unwrap();
    assert_eq!((charged.patients, charged.hospitals), (312, 3));
    // Two nodes each add 8192 steps of 2^-10 patients.
    assert!((charged.sd - 8.0 * 2f64.sqrt()).abs() < 1e-12, "{}", charged.sd);
    assert_eq!((charged.study, charged.round), ("aa".repeat(32), "bb".repeat(32)));
    assert_eq!(charged.privacy, Privacy::Private { epsilon: 1.0, delta: 1e-5 });
    assert_eq!(charged.cohort, "include age >= 60");
    let masked = MaskedTerms { sites: 3, threshold: 3, corrupt: 1, honest: 2 };
    let masked = StudyReport { masked: Some(masked), ..report(noised()) };
    let charged = Charged::of(&masked, &north, Some("who")).unwrap();
    assert!((charged.sd - 8.0 * 3f64.sqrt()).abs() < 1e-12, "each hospital adds noise");

    let refused =
        |report: &StudyReport, who: &Member, task| Charged::of(report, who, task).unwrap_err();
    assert!(refused(&report(Class::Exact), &north, None).contains("(rule S6)"));
    assert!(refused(&report(noised()), &south, None).contains("no report of it"));
    assert!(refused(&report(noised()), &north, Some("else")).contains("no count of patients"));
    let mut out = report(noised());
    out.rounds[1].left_out = vec!["alfred".into()];
    assert!(refused(&out, &north, None).contains("not in the sum"));
    let mut failed = report(noised());
    failed.rounds.remove(1);
    assert!(refused(&failed, &north, None).contains("no count of patients"));
}

#[test]
fn a_report_enters_by_a_party_of_its_study_and_without_a_count_of_patients() {
    let folder = Folder::new();
    let blood = folder.blood();
    let path = folder.path("report.json");
    let few = "1 of 3 hospitals added nothing to who: fewer complete rows than their own floor";
    let warned = StudyReport { warnings: vec![few.into()], ..report(noised()) };
    std::fs::write(&path, serde_json::to_vec(&warned).unwrap()).unwrap();
    let said = Report::read(&path, &member(&blood, "north")).unwrap();
    assert_eq!((said.hospitals, said.tasks.len()), (3, 1));
    assert_eq!(said.tasks[0].privacy, Privacy::Private { epsilon: 1.0, delta: 1e-5 });
    // Digests may have any digits.
    let shown = format!("{:?}", (&said.study, &said.mode, &said.tasks));
    assert!(!shown.contains("312"), "{shown}");
    let signed = serde_json::to_string(&said).unwrap();
    assert!(!signed.contains("added nothing"), "{signed}");
    let error = Report::read(&path, &member(&blood, "south")).unwrap_err();
    assert_eq!(error.code(), 10, "{error}");
    for bad in ["", "{}", "[]", "{\"schema\": \"haima.report/9\"}"] {
        std::fs::write(&path, bad).unwrap();
        assert!(Report::read(&path, &member(&blood, "north")).is_err(), "{bad}");
    }
}
