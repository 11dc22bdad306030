//! Rule X2 for cohorts: who may be asked about, and when two cohorts are too close.

use super::*;

/// X2: the cohort is part of the question's digest, so a coordinator cannot ask about other patients
/// than the manifest says.
#[test]
fn a_second_filter_is_another_question() {
    let fixture = Fixture::new();
    let signed = fixture.run("older").query().unwrap();
    let spec = fixture.spec("older", &signed, 1);
    let hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    hospital.check_question(&spec, &signed).unwrap();
    for cohort in ["include age > 51\n", ""] {
        let other = Query { cohort: cohort.into(), ..signed.clone() };
        let asked = fixture.spec("older", &other, 1);
        assert_ne!(asked.query, spec.query);
        assert!(refused(hospital.check_question(&asked, &signed)).contains("X3"), "{cohort}");
    }
}

/// X2: two exact cohorts that differ here by three patients: the second is answered by zeros, whose
/// shares look like any others, unless the operator approved it or the floor is lower.
#[test]
fn cohorts_that_differ_by_few_patients_are_not_both_answered() {
    let fixture = Fixture::new();
    let run = fixture.run("older");
    let spec = fixture.spec("older", &run.query().unwrap(), 1);
    let answer = |place: &str, policy: Policy| {
        let state = fixture.folder.path().join(place);
        std::fs::create_dir(&state).unwrap();
        let mut hospital = fixture.hospital_at(&state, policy, PATIENTS);
        hospital.check(&spec).unwrap();
        let submission = hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
        fixture.open(&spec, &submission)
    };
    // Nine of twelve are over 50, so the site's floor alone would not silence it at 9.
    let policy = |floor| Policy { min_local_rows: floor, ..Fixture::policy() };
    assert!(answer("close", policy(4)).iter().all(|value| *value == 0));
    assert_eq!(answer("far", policy(3))[..3], [1, 9, 8]);
    let approved = Policy { approved_cohorts: vec!["older".into()], ..policy(4) };
    assert_eq!(answer("approved", approved)[..3], [1, 9, 8]);
}

/// X2: the number of cohorts over which a study asks for exact sums is capped by policy.
#[test]
fn more_exact_cohorts_than_policy_allows_are_refused() {
    let fixture = Fixture::new();
    let spec = fixture.spec("cox", &fixture.run("cox").query().unwrap(), 1);
    let one = Policy { max_cohorts: 1, ..Fixture::policy() };
    let error = refused(fixture.hospital(one, PATIENTS).check(&spec));
    assert!(error.contains("max_cohorts") && error.contains("2 cohorts"), "{error}");
}
